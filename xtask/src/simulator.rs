//! The simulator as a process, and its controls under `/_simulator/`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::http;
use crate::ports::free_port;
use crate::process::{Guard, Guarded, Output};
use crate::wait::{Fatal, wait_until};

/// The region of everything in a sandbox.
pub const REGION: &str = "us-east-1";
/// The account of everything in a sandbox: the one that AWS uses in its documentation.
pub const ACCOUNT: &str = "123456789012";
/// The operator's credentials. The simulator reads the key and does not verify the signature.
pub const OPERATOR_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret that belongs to them; it opens nothing.
pub const SECRET: &str = "not-a-secret";
/// The credentials of a person who works at AWS past Kubernetes.
const PERSON_KEY: &str = "AKIAI44QH8DHBEXAMPLE";

/// The operation that changes a throughput.
pub const UPDATE: &str = "UpdateProvisionedModelThroughput";

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running simulator; it ends when this is dropped or this process dies.
#[derive(Debug)]
pub struct Simulator {
    process: Guarded,
    agent: ureq::Agent,
    url: String,
}

/// A call that came in, from the call log.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When it came: RFC 3339 with microseconds.
    pub arrived: String,
    /// AWS's name of the operation.
    pub operation: String,
    /// The members of the request.
    pub request: Value,
    /// The HTTP status of the answer, or 0 when there was none.
    pub status: u16,
    /// The error's code, or the fault that was injected, or empty.
    pub error: String,
}

impl Simulator {
    /// Starts one with these accounts, models and throughputs, and returns when it answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; the error has the end of its log.
    pub fn start(program: &Path, seed: &Value, arguments: &[&str], logs: &Path) -> Result<Self> {
        let seed_file = logs.join("seed.json");
        std::fs::write(&seed_file, format!("{seed:#}\n"))
            .with_context(|| format!("writing {}", seed_file.display()))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let url = format!("http://{address}");
        let mut command = Command::new(program);
        command.args(["--listen", &address, "--seed"]).arg(&seed_file).args(arguments);
        let process = Guard::new("simulator").output(Output::Log(logs.join("simulator.log"))).spawn(&command)?;
        let mut simulator = Self { process, agent: http::agent(), url };
        wait_until(READY_WITHIN, "the simulator answers", || {
            simulator.check_running()?;
            simulator.control("GET", "health", None)
        })?;
        Ok(simulator)
    }

    /// Its address, for `AWS_ENDPOINT_URL_BEDROCK`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Fails when it has ended; the error has the end of its log.
    ///
    /// # Errors
    /// As said.
    pub fn check_running(&mut self) -> Result<()> {
        let Some(status) = self.process.try_wait()? else { return Ok(()) };
        let message = format!("the simulator ended ({status}); the end of its log:\n{}", self.process.log_tail(20));
        Err(anyhow!(Fatal(message)))
    }

    /// Every call so far, in the order in which they came.
    ///
    /// # Errors
    /// When the call log cannot be had or read.
    pub fn calls(&self) -> Result<Vec<Call>> {
        self.log("calls")
    }

    /// As [`Simulator::calls`], of one operation.
    ///
    /// # Errors
    /// As there.
    pub fn calls_of(&self, operation: &str) -> Result<Vec<Call>> {
        self.log(&format!("calls?operation={operation}"))
    }

    fn log(&self, path: &str) -> Result<Vec<Call>> {
        let answer = self.control("GET", path, None)?;
        let calls = answer.get("calls").and_then(Value::as_array);
        let calls = calls.with_context(|| format!("the call log has no calls: {answer}"))?;
        calls.iter().map(Call::read).collect()
    }

    /// Empties the call log.
    ///
    /// # Errors
    /// When the simulator does not take it.
    pub fn forget_calls(&self) -> Result<()> {
        self.control("DELETE", "calls", None).map(drop)
    }

    /// Bounds an operation to so many calls a second and so many at once, or with `None` lets all through.
    ///
    /// # Errors
    /// When the simulator does not take it.
    pub fn throttle(&self, operation: &str, rate: Option<(f64, u32)>) -> Result<()> {
        let rate = rate.map(|(per_second, burst)| json!({"perSecond": per_second, "burst": burst}));
        self.control("PUT", "throttles", Some(&json!({operation: rate}))).map(drop)
    }

    /// Injects a fault; see the simulator's README for what there is.
    ///
    /// # Errors
    /// When the simulator does not take it.
    pub fn inject(&self, fault: &Value) -> Result<()> {
        self.control("POST", "faults", Some(fault)).map(drop)
    }

    /// Ends all faults that were injected.
    ///
    /// # Errors
    /// When the simulator does not take it.
    pub fn clear_faults(&self) -> Result<()> {
        self.control("DELETE", "faults", None).map(drop)
    }

    /// `UpdateProvisionedModelThroughput`, as a person sends it who works past Kubernetes.
    ///
    /// # Errors
    /// When AWS would refuse it.
    pub fn update_as_person(&self, arn: &str, members: &Value) -> Result<()> {
        let path = format!("provisioned-model-throughput/{}", percent_encoded(arn));
        self.send("PATCH", &path, Some(members), &[("authorization", authorization(PERSON_KEY))]).map(drop)
    }

    fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.send(method, &format!("_simulator/{path}"), body, &[])
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, String)]) -> Result<Value> {
        let url = format!("{}/{path}", self.url);
        let what = || format!("{method} {url}");
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.with_context(what)?)
            }
            None => self.agent.run(request.body(()).with_context(what)?),
        };
        let mut answer = sent.with_context(what)?;
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().with_context(what)?;
        if !answer.status().is_success() {
            bail!("{} was answered with {}: {text}", what(), answer.status());
        }
        match text.trim() {
            "" => Ok(Value::Null),
            text => serde_json::from_str(text).with_context(|| format!("{} was answered with no JSON", what())),
        }
    }
}

impl Call {
    fn read(value: &Value) -> Result<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation =
            value.get("operation").with_context(|| format!("an entry of the call log has no operation: {value}"))?;
        let status = value.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let fault = value.pointer("/fault/kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let error = [text("error"), fault].into_iter().find(|text| !text.is_empty());
        Ok(Self {
            arrived: text("time"),
            operation: operation.as_str().unwrap_or("(no operation)").to_owned(),
            request: value.get("parameters").cloned().unwrap_or_else(|| json!({})),
            status: status.unwrap_or_default(),
            error: error.unwrap_or_default(),
        })
    }

    /// Whether AWS did what was asked.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A member of the request that is a text, or empty.
    #[must_use]
    pub fn member(&self, name: &str) -> &str {
        self.request.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A signature header as to its form: the simulator reads the key, the region and the service.
pub(crate) fn authorization(key: &str) -> String {
    let scope = format!("{key}/20260101/{REGION}/bedrock/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={}", "0".repeat(64))
}

/// A path segment; of what an ARN may have, only `:` and `/` need it.
pub(crate) fn percent_encoded(arn: &str) -> String {
    arn.replace(':', "%3A").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_one_segment() {
        assert_eq!(percent_encoded("arn:aws:b:r:1:p/x"), "arn%3Aaws%3Ab%3Ar%3A1%3Ap%2Fx");
    }

    #[test]
    fn an_entry_of_the_call_log_without_an_operation_is_an_error() {
        let error = Call::read(&json!({"status": 200})).unwrap_err();
        assert!(error.to_string().contains("no operation"), "{error:#}");
    }

    #[test]
    fn a_call_without_an_answer_did_not_succeed() {
        let call =
            Call::read(&json!({"operation": UPDATE, "status": null, "fault": {"kind": "droppedConnection"}})).unwrap();
        assert_eq!((call.status, call.error.as_str(), call.succeeded()), (0, "droppedConnection", false));
    }
}
