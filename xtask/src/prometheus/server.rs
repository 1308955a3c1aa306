//! A running Prometheus.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;
use crate::ports::free_port;
use crate::process::{Guard, Guarded, Output};
use crate::wait::{Fatal, wait_until};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// How many ports are tried: another process may take one before Prometheus does.
const TRIES: usize = 5;

/// The job of the target, which is the name of its Service in Kubernetes.
pub const JOB: &str = "bedrock-throughput-operator";

/// A Prometheus that scrapes one target. It ends, and its data is gone, when this is dropped or this process dies.
#[derive(Debug)]
pub struct Server {
    process: Guarded,
    agent: ureq::Agent,
    url: String,
    _folder: TempDir,
}

/// An alert that is pending or firing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Alert {
    /// Its labels, with `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Its texts, filled in.
    pub annotations: BTreeMap<String, String>,
    /// `pending` or `firing`.
    pub state: String,
}

/// A series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels, with `__name__` where it has one.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Server {
    /// Starts one that scrapes `target` (`host:port`) and evaluates `rules`, both each `interval`.
    ///
    /// # Errors
    /// When it does not become ready, which it does not with rules that are none; the error has the end of its log.
    pub fn start(program: &Path, target: &str, rules: &str, interval: Duration) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("prometheus-").tempdir().context("making a folder")?;
        let interval = format!("{}ms", interval.as_millis());
        let config = json!({
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [folder.path().join("rules.yaml")],
            // As the ServiceMonitor says: the label `namespace` is that of the object.
            "scrape_configs": [{"job_name": JOB, "honor_labels": true, "static_configs": [{"targets": [target]}]}],
        });
        let file = folder.path().join("prometheus.yaml");
        // JSON is YAML.
        fs::write(&file, config.to_string()).with_context(|| format!("writing {}", file.display()))?;
        fs::write(folder.path().join("rules.yaml"), rules).context("writing the rules")?;
        for _ in 0..TRIES {
            let log = folder.path().join("log");
            let address = format!("127.0.0.1:{}", free_port()?);
            let mut command = Command::new(program);
            command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.path().join("data"));
            command.args(["--web.listen-address", &address, "--log.level", "warn"]);
            let mut process = Guard::new("prometheus").output(Output::Log(log)).spawn(&command)?;
            let (agent, url) = (http::agent(), format!("http://{address}"));
            let ready = wait_until(READY_WITHIN, "Prometheus is ready", || {
                if let Some(status) = process.try_wait()? {
                    bail!(Fatal(format!("Prometheus ended ({status}); its log:\n{}", process.log_tail(20))));
                }
                let answer = agent.get(format!("{url}/-/ready")).call().context("asking /-/ready")?;
                if answer.status().is_success() { Ok(()) } else { bail!("/-/ready answers {}", answer.status()) }
            });
            match ready {
                Ok(()) => return Ok(Self { process, agent, url, _folder: folder }),
                Err(error) if process.log_tail(20).contains("address already in use") => drop(error),
                Err(error) => return Err(error),
            }
        }
        Err(anyhow!("no free port was found for Prometheus"))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a query gives now: of a scalar, one sample without labels.
    ///
    /// # Errors
    /// When the query is none, or Prometheus does not answer.
    pub fn query(&self, query: &str) -> Result<Vec<Sample>> {
        let data = self.ask("query", &[("query", query)]).with_context(|| format!("the query {query}"))?;
        let result = data.get("result").cloned().unwrap_or_default();
        if data.get("resultType").and_then(Value::as_str) == Some("scalar") {
            return Ok(vec![Sample { labels: BTreeMap::new(), value: value(Some(&result))? }]);
        }
        let read = |series: &Value| {
            let labels = series.get("metric").cloned().unwrap_or_default();
            let labels = serde_json::from_value(labels).context("reading the labels of a series")?;
            Ok(Sample { labels, value: value(series.get("value"))? })
        };
        result.as_array().into_iter().flatten().map(read).collect()
    }

    /// The alerts that are pending or firing.
    ///
    /// # Errors
    /// When Prometheus does not answer.
    pub fn alerts(&self) -> Result<Vec<Alert>> {
        let data = self.ask("alerts", &[])?;
        serde_json::from_value(data.get("alerts").cloned().unwrap_or_default()).context("reading the alerts")
    }

    /// The values of a label, as Grafana asks for them.
    ///
    /// # Errors
    /// When the selector is none, or Prometheus does not answer.
    pub fn label_values(&self, label: &str, selector: &str) -> Result<Vec<String>> {
        let data = self.ask(&format!("label/{label}/values"), &[("match[]", selector)])?;
        serde_json::from_value(data).context("reading the values of a label")
    }

    /// Fails when a rule could not be evaluated the last time, or the target could not be scraped.
    ///
    /// # Errors
    /// As said; the error has Prometheus' words.
    pub fn check(&self) -> Result<()> {
        let data = self.ask("rules", &[])?;
        let groups = data.get("groups").and_then(Value::as_array).into_iter().flatten();
        for rule in groups.filter_map(|group| group.get("rules")?.as_array()).flatten() {
            if let Some(error) = rule.get("lastError").and_then(Value::as_str).filter(|error| !error.is_empty()) {
                bail!("the rule {} fails: {error}", rule.get("name").unwrap_or(&Value::Null));
            }
        }
        let data = self.ask("targets", &[("state", "active")])?;
        for target in data.get("activeTargets").and_then(Value::as_array).into_iter().flatten() {
            if let Some(error) = target.get("lastError").and_then(Value::as_str).filter(|error| !error.is_empty()) {
                bail!("the target cannot be scraped: {error}");
            }
        }
        Ok(())
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }

    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut request = self.agent.get(format!("{}/api/v1/{what}", self.url));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        let mut answer = request.call().with_context(|| format!("asking Prometheus for {what}"))?;
        let text = answer.body_mut().read_to_string().context("reading Prometheus' answer")?;
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("Prometheus answers {text:?}"))?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            bail!("Prometheus says: {error}");
        }
        answer.get("data").cloned().with_context(|| format!("Prometheus answers without data: {text}"))
    }
}

/// The value of a pair of time and value.
fn value(pair: Option<&Value>) -> Result<f64> {
    let text = pair.and_then(|pair| pair.get(1)).and_then(Value::as_str).context("a sample has no value")?;
    text.parse().with_context(|| format!("a sample has the value {text:?}"))
}
