//! The operator as a process of its own, under its own `ServiceAccount`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use axum::http::Request;
use kube::Client;
use xtask::{
    ports::free_port,
    process::{Guard, Guarded, Output, Signal, tail},
    wait::{Fatal, wait_until},
};

use super::{
    control_plane::{http_client, runtime},
    proxy::Killer,
};

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespace that it watches.
    pub namespace: String,
    /// Where Kubernetes is, and as whom.
    pub kubeconfig: PathBuf,
    /// Where AWS is.
    pub aws_url: String,
    /// Further flags of `run`.
    pub flags: Vec<String>,
    /// Environment variables that take the place of the usual ones; without a value the variable is not set.
    pub environment: Vec<(String, Option<String>)>,
}

/// A running operator. It ends when this is dropped.
pub struct Operator {
    process: Arc<Mutex<Guarded>>,
    log: PathBuf,
    address: String,
    http: Client,
    _folder: tempfile::TempDir,
}

impl Operator {
    /// Starts one, and returns as soon as it serves HTTP.
    pub fn start(settings: &Settings) -> Self {
        // Another process may take the port before the operator does.
        for _ in 0..5 {
            let port = free_port().expect("a free port");
            let operator = Self::spawn(settings, port);
            match operator.wait_until_it_serves() {
                Ok(()) => return operator,
                Err(error) if operator.log().contains("Address already in use") => drop(error),
                Err(error) => panic!("the operator does not come up: {error:#}\n{}", operator.log()),
            }
        }
        panic!("no free port was found for the operator")
    }

    /// Starts one that serves HTTP on a port that nobody knows, and returns at once.
    pub fn launch(settings: &Settings) -> Self {
        Self::spawn(settings, 0)
    }

    fn spawn(settings: &Settings, port: u16) -> Self {
        let Settings { namespace, kubeconfig, aws_url, flags, environment } = settings;
        let folder = tempfile::Builder::new().prefix("operator-").tempdir().expect("a folder for the operator");
        let log = folder.path().join("log");
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-throughput-operator"));
        command.env_clear();
        command.args(["run", "--watch-namespaces", namespace, "--http-addr", &address]).args(flags);
        command.env("KUBECONFIG", kubeconfig).env("HOME", folder.path()).env("HOSTNAME", "operator-under-test");
        command.env("AWS_ENDPOINT_URL_BEDROCK", aws_url).env("AWS_REGION", super::aws::REGION);
        command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
        // No other source of credentials may answer.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let guard = Guard::new("operator").grace(Duration::from_secs(20)).output(Output::Log(log.clone()));
        let process = Arc::new(Mutex::new(guard.spawn(&command).expect("starting the operator")));
        let http = http_client(&format!("http://{address}"));
        Self { process, log, address, http, _folder: folder }
    }

    fn wait_until_it_serves(&self) -> anyhow::Result<()> {
        wait_until(Duration::from_mins(1), "the operator serves /livez", || {
            if let Some(status) = self.process().try_wait()? {
                return Err(Fatal(format!("it has ended: {status}")).into());
            }
            self.get("/livez").map(drop)
        })
    }

    /// Where it serves HTTP: `host:port`.
    #[allow(dead_code, reason = "the tests with Prometheus name it the target")]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The body of an answer of the operator's own HTTP server, if it is a good one.
    pub fn get(&self, path: &str) -> anyhow::Result<String> {
        self.get_as(path, "*/*")
    }

    /// The same, in a format that is asked for.
    pub fn get_as(&self, path: &str, accept: &str) -> anyhow::Result<String> {
        let request = Request::get(path).header("Accept", accept).body(Vec::new())?;
        let answer = async { tokio::time::timeout(Duration::from_secs(10), self.http.request_text(request)).await };
        Ok(runtime().block_on(answer)??)
    }

    /// The answer to `/readyz`: whether it is ready, and what it says.
    pub fn readyz(&self) -> (bool, String) {
        let request = Request::get("/readyz").body(kube::client::Body::empty()).expect("a request");
        runtime().block_on(async {
            let answer = self.http.send(request).await.expect("an answer to /readyz");
            let ready = answer.status().is_success();
            let body = answer.into_body().collect_bytes().await.expect("the body of /readyz");
            (ready, String::from_utf8_lossy(&body).into_owned())
        })
    }

    /// Waits until it is ready.
    pub fn wait_until_ready(&self) {
        let ready = wait_until(Duration::from_mins(1), "the operator is ready", || {
            let (ready, says) = self.readyz();
            ensure!(ready, "{says}");
            Ok(())
        });
        ready.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
    }

    /// The value of a metric, by the whole of its name and labels as they stand in `/metrics`. A metric that is not there has none.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").expect("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().expect("the value of a metric is a number"))
    }

    /// Asks it to end, as Kubernetes does.
    pub fn terminate(&self) {
        self.process().signal(Signal::TERM).expect("sending SIGTERM to the operator");
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.process().try_wait().expect("asking for the operator").is_none()
    }

    /// Waits until it has ended by itself.
    pub fn wait_until_ended(&self) -> ExitStatus {
        let ended = wait_until(Duration::from_mins(1), "the operator has ended", || {
            self.process().try_wait()?.context("it still runs")
        });
        ended.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }

    /// Kills it, as it is killed when a node dies.
    pub fn kill(&self) {
        self.process().signal(Signal::KILL).expect("killing the operator");
        self.wait_until_ended();
    }

    /// Freezes it, as it stands still where a node or its virtual machine does.
    pub fn freeze(&self) {
        self.process().signal(Signal::STOP).expect("freezing the operator");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process().signal(Signal::CONT).expect("thawing the operator");
    }

    /// What kills it from another thread.
    pub fn killer(&self) -> Killer {
        let process = Arc::clone(&self.process);
        Arc::new(move || {
            let mut process = process.lock().expect("nobody panics while holding the operator");
            process.signal(Signal::KILL).expect("killing the operator");
        })
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process().id()
    }

    fn process(&self) -> MutexGuard<'_, Guarded> {
        self.process.lock().expect("nobody panics while holding the operator")
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// The end of what it has logged.
    pub fn log_tail(&self) -> String {
        tail(&self.log, 30)
    }
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    match std::fs::read(path) {
        Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            let _ = write!(text, "(the log cannot be read: {error})");
        }
    }
    text
}
