//! A bare client of the API server: blocking, one kept connection a thread, no cache and no retries.

use std::borrow::Cow;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

const GROUP: &str = "/apis/bedrock-throughput.dev/v1alpha1";
const RESOURCE: &str = "provisionedthroughputs";
/// The field manager of the operator's writes: the floor's take over the same fields.
const MANAGER: &str = "bedrock-throughput.dev";
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// The client. Cloning shares its connections.
#[derive(Debug, Clone)]
pub(super) struct Kubernetes {
    agent: ureq::Agent,
    server: String,
    authorization: String,
}

/// What a watch tells, as far as it is asked for here.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) object: Object<'a>,
}

/// An object, as far as it is asked for here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow)]
    status: Status<'a>,
}

/// Its metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    generation: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    observed_generation: i64,
    #[serde(borrow)]
    provisioned_model_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Deserialize)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

/// The first members of a list.
#[derive(Debug, Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    metadata: ListMetadata<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata<'a> {
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
}

impl Object<'_> {
    /// Whether the status speaks of the present manifest, says that it is served under this name, and is ready.
    pub(super) fn is_ready(&self, name: &str) -> bool {
        let Status { observed_generation, provisioned_model_name, conditions } = &self.status;
        let ready = conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True");
        ready
            && *observed_generation == self.metadata.generation
            && provisioned_model_name.as_deref().is_some_and(|has| has == name)
    }
}

impl Kubernetes {
    /// A client with the address, the authority and the token of a kubeconfig that this crate wrote.
    pub(super) fn new(kubeconfig: &Path, connections: usize) -> Result<Self> {
        let reading = || format!("reading {}", kubeconfig.display());
        let config: Value = serde_json::from_str(&fs::read_to_string(kubeconfig).with_context(reading)?)?;
        let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).with_context(reading);
        let authority =
            STANDARD.decode(text("/clusters/0/cluster/certificate-authority-data")?).with_context(reading)?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&certificates(&authority)?))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_idle_connections_per_host(connections)
            .max_idle_connections(connections)
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .build();
        Ok(Self {
            agent: agent.into(),
            server: text("/clusters/0/cluster/server")?.to_owned(),
            authorization: format!("Bearer {}", text("/users/0/user/token")?),
        })
    }

    pub(super) fn create(&self, namespace: &str, object: &Value) -> Result<Value> {
        let path = format!("{GROUP}/namespaces/{namespace}/{RESOURCE}");
        parse(&self.send("POST", &path, "application/json", Some(&object.to_string()))?)
    }

    pub(super) fn create_namespace(&self, name: &str) -> Result<()> {
        let namespace = serde_json::json!({"metadata": {"name": name}}).to_string();
        self.send("POST", "/api/v1/namespaces", "application/json", Some(&namespace)).map(drop)
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Result<Value> {
        parse(&self.send("GET", &format!("{GROUP}/namespaces/{namespace}/{RESOURCE}/{name}"), "", None)?)
    }

    /// The objects of all namespaces, in one answer. Returns its resource version.
    pub(super) fn list(&self) -> Result<String> {
        self.resource_version("")
    }

    /// The resource version as it is now, which a watch can begin from.
    pub(super) fn now(&self) -> Result<String> {
        self.resource_version("?limit=1")
    }

    fn resource_version(&self, query: &str) -> Result<String> {
        let body = self.send("GET", &format!("{GROUP}/{RESOURCE}{query}"), "", None)?;
        let list: List<'_> = serde_json::from_slice(&body).context("reading a list")?;
        Ok(list.metadata.resource_version.into_owned())
    }

    /// An edit, as `kubectl patch --type=merge` sends it.
    pub(super) fn edit(&self, namespace: &str, name: &str, edit: &Value) -> Result<()> {
        let path = format!("{GROUP}/namespaces/{namespace}/{RESOURCE}/{name}");
        self.send("PATCH", &path, "application/merge-patch+json", Some(&edit.to_string())).map(drop)
    }

    /// A write of the status as the operator makes it: server-side apply of a whole object with nothing else in it.
    pub(super) fn apply_status(&self, namespace: &str, name: &str, object: &str) -> Result<()> {
        let path = format!("{GROUP}/namespaces/{namespace}/{RESOURCE}/{name}/status?fieldManager={MANAGER}&force=true");
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(object)).map(drop)
    }

    /// Makes an event, which is given as it is sent.
    pub(super) fn create_event(&self, namespace: &str, event: &str) -> Result<()> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        self.send("POST", &path, "application/json", Some(event)).map(drop)
    }

    /// Every version of every object from now on, until `done` says so of one, for `limit` at most.
    pub(super) fn watch_until(
        &self,
        from: &str,
        limit: Duration,
        mut done: impl FnMut(&Object<'_>) -> bool,
    ) -> Result<()> {
        let mut broken = None;
        self.watch_lines(from, limit, |line| match serde_json::from_str::<Event<'_>>(line) {
            Ok(event) if event.kind == "ERROR" => {
                broken = Some(format!("the watch failed: {line}"));
                true
            }
            Ok(event) => done(&event.object),
            Err(error) => {
                broken = Some(format!("an event cannot be read ({error}): {line}"));
                true
            }
        })?;
        broken.map_or(Ok(()), |broken| bail!(broken))
    }

    /// The lines of a watch of all namespaces, one for each event, until `done` says so of one, for `limit` at most.
    pub(super) fn watch_lines(&self, from: &str, limit: Duration, mut done: impl FnMut(&str) -> bool) -> Result<()> {
        let limit = limit.as_secs();
        let path = format!("{GROUP}/{RESOURCE}?watch=true&resourceVersion={from}&timeoutSeconds={limit}");
        let request = self.agent.get(format!("{}{path}", self.server)).header("authorization", &self.authorization);
        let mut answer = request.call().context("watching")?;
        if !answer.status().is_success() {
            bail!("the watch was answered with {}", answer.status());
        }
        let mut lines = BufReader::new(answer.body_mut().with_config().limit(1 << 40).reader());
        let mut line = String::new();
        while lines.read_line(&mut line).context("reading the watch")? > 0 {
            if done(&line) {
                return Ok(());
            }
            line.clear();
        }
        bail!("the watch ended after {limit} s at most, and what it waits for had not come")
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: Option<&str>) -> Result<Vec<u8>> {
        let what = || format!("{method} {path}");
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server));
        let request = request.header("authorization", &self.authorization);
        let mut answer = match body {
            Some(body) => {
                let request = request.header("content-type", content_type).body(body);
                self.agent.run(request.with_context(what)?)
            }
            None => self.agent.run(request.body(()).with_context(what)?),
        }
        .with_context(what)?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().with_context(what)?;
        if !answer.status().is_success() {
            bail!("{} was answered with {}: {}", what(), answer.status(), String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

fn parse(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).context("reading an answer of the API server")
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        match item.context("reading the API server's certificate")? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            _ => bail!("the API server's certificate holds something else, too"),
        }
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_speaks_of_the_present_manifest() {
        let is_ready = |observed: i64, name: &str, ready: &str| {
            let event = serde_json::json!({"type": "MODIFIED", "object": {
                "metadata": {"name": "x", "generation": 2},
                "status": {
                    "observedGeneration": observed, "provisionedModelName": name,
                    "conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": "a \"quoted\" one"}],
                },
            }});
            let text = event.to_string();
            serde_json::from_str::<Event<'_>>(&text).unwrap().object.is_ready("a")
        };
        assert!(is_ready(2, "a", "True"));
        assert!(!is_ready(1, "a", "True"));
        assert!(!is_ready(2, "b", "True"));
        assert!(!is_ready(2, "a", "False"));
    }

    #[test]
    fn an_object_without_a_status_is_not_ready() {
        let event = r#"{"type":"ADDED","object":{"metadata":{"name":"x","generation":1}}}"#;
        assert!(!serde_json::from_str::<Event<'_>>(event).unwrap().object.is_ready("x"));
    }
}
