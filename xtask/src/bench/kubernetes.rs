//! A bare client of the API server: blocking, one kept connection a thread, no cache and no retries.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

const OBJECTS: &str = "/apis/bedrock-throughput.dev/v1alpha1/namespaces/default/provisionedthroughputs";
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// The client.
#[derive(Debug)]
pub(super) struct Kubernetes {
    agent: ureq::Agent,
    server: String,
    authorization: String,
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

    pub(super) fn create(&self, object: &Value) -> Result<Value> {
        self.send("POST", OBJECTS, "application/json", Some(object))
    }

    pub(super) fn get(&self, name: &str) -> Result<Value> {
        self.send("GET", &format!("{OBJECTS}/{name}"), "", None)
    }

    pub(super) fn list(&self) -> Result<Value> {
        self.send("GET", OBJECTS, "", None)
    }

    /// An edit, as `kubectl patch --type=merge` sends it.
    pub(super) fn edit(&self, name: &str, patch: &Value) -> Result<Value> {
        self.send("PATCH", &format!("{OBJECTS}/{name}"), "application/merge-patch+json", Some(patch))
    }

    /// A write of the status as the operator makes it: server-side apply.
    pub(super) fn apply_status(&self, name: &str, status: &Value) -> Result<Value> {
        let path = format!("{OBJECTS}/{name}/status?fieldManager=bench&force=true");
        let body = json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {"name": name}, "status": status,
        });
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(&body))
    }

    /// Every version of every object from now on, until `done` says so of one, for `limit` at most.
    pub(super) fn watch_until(&self, from: &str, limit: Duration, mut done: impl FnMut(&Value) -> bool) -> Result<()> {
        let limit = limit.as_secs();
        let path = format!("{OBJECTS}?watch=true&resourceVersion={from}&timeoutSeconds={limit}");
        let request = self.agent.get(format!("{}{path}", self.server)).header("authorization", &self.authorization);
        let mut answer = request.call().context("watching")?;
        if !answer.status().is_success() {
            bail!("the watch was answered with {}", answer.status());
        }
        for line in BufReader::new(answer.body_mut().with_config().limit(1 << 40).reader()).lines() {
            let event: Value =
                serde_json::from_str(&line.context("reading the watch")?).context("reading the watch")?;
            let object = event.get("object").context("an event of the watch has no object")?;
            if event.get("type").and_then(Value::as_str) == Some("ERROR") {
                bail!("the watch failed: {object}");
            }
            if done(object) {
                return Ok(());
            }
        }
        bail!("not within {limit} s")
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: Option<&Value>) -> Result<Value> {
        let what = || format!("{method} {path}");
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server));
        let request = request.header("authorization", &self.authorization);
        let mut answer = match body {
            Some(body) => {
                let request = request.header("content-type", content_type).body(body.to_string());
                self.agent.run(request.with_context(what)?)
            }
            None => self.agent.run(request.body(()).with_context(what)?),
        }
        .with_context(what)?;
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().with_context(what)?;
        if !answer.status().is_success() {
            bail!("{} was answered with {}: {text}", what(), answer.status());
        }
        serde_json::from_str(&text).with_context(|| format!("{} was answered with no JSON", what()))
    }
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
