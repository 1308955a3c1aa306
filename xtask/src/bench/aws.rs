//! A bare client of AWS: blocking, one kept connection a thread, no signatures and no retries.

use std::borrow::Cow;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::http;
use crate::simulator::{self, authorization, percent_encoded};

/// The most that AWS puts on a page of a List.
pub(super) const PAGE: usize = 1000;

/// The client.
#[derive(Debug)]
pub(super) struct Aws {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

/// All of a page that a bare client needs; the rest is skipped and not kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    provisioned_model_summaries: Vec<IgnoredAny>,
    #[serde(borrow)]
    next_token: Option<Cow<'a, str>>,
}

impl Aws {
    /// A client with the operator's credentials.
    pub(super) fn new(url: &str) -> Self {
        let authorization = authorization(simulator::OPERATOR_KEY);
        Self { agent: http::agent(), url: url.to_owned(), authorization }
    }

    /// `ListProvisionedModelThroughputs`, page by page. Returns how many throughputs there are.
    pub(super) fn list(&self) -> Result<usize> {
        let mut path = format!("{}/provisioned-model-throughputs?maxResults={PAGE}", self.url);
        let mut throughputs = 0;
        loop {
            let request = self.agent.get(&path).header("authorization", &self.authorization);
            let body = body(request.call().with_context(|| format!("GET {path}"))?, &path)?;
            let page: Page<'_> = serde_json::from_slice(&body).with_context(|| format!("GET {path}"))?;
            throughputs += page.provisioned_model_summaries.len();
            let Some(token) = page.next_token else { return Ok(throughputs) };
            path = format!(
                "{}/provisioned-model-throughputs?maxResults={PAGE}&nextToken={}",
                self.url,
                query_encoded(&token)
            );
        }
    }

    /// `UpdateProvisionedModelThroughput`, of the name.
    pub(super) fn rename(&self, arn: &str, name: &str) -> Result<()> {
        let path = format!("{}/provisioned-model-throughput/{}", self.url, percent_encoded(arn));
        let request = self.agent.patch(&path).header("authorization", &self.authorization);
        let request = request.header("content-type", "application/json");
        let answer = request.send(format!(r#"{{"desiredProvisionedModelName":"{name}"}}"#));
        body(answer.with_context(|| format!("PATCH {path}"))?, &path).map(drop)
    }
}

fn body(mut answer: ureq::http::Response<ureq::Body>, path: &str) -> Result<Vec<u8>> {
    let body = answer.body_mut().with_config().limit(1 << 28).read_to_vec();
    let body = body.with_context(|| format!("reading the answer to {path}"))?;
    if !answer.status().is_success() {
        bail!("{path} was answered with {}: {}", answer.status(), String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// A value in a query.
fn query_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_have_any_character() {
        assert_eq!(query_encoded("a+b/c=="), "a%2Bb%2Fc%3D%3D");
    }

    #[test]
    fn of_a_page_only_the_token_is_kept() {
        let page: Page<'_> =
            serde_json::from_str(r#"{"provisionedModelSummaries":[{"nextToken":"no"}],"nextToken":"yes"}"#).unwrap();
        assert_eq!((page.provisioned_model_summaries.len(), page.next_token.as_deref()), (1, Some("yes")));
        let last: Page<'_> = serde_json::from_str(r#"{"provisionedModelSummaries":[]}"#).unwrap();
        assert!(last.next_token.is_none());
    }
}
