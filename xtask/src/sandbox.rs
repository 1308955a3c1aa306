//! All parts together, each a process of its own: a control plane, the simulator, and the operator under its own
//! `ServiceAccount` with exactly the rights that `deploy/` ships.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use crate::binaries::Binaries;
use crate::control_plane::{AuditEvent, ControlPlane, Options};
use crate::documents;
use crate::folders;
use crate::http;
use crate::ports::free_port;
use crate::process::{Guard, Guarded, Output};
use crate::simulator::{self, Simulator};
use crate::wait::{Fatal, wait_until};

/// The operator's namespace and `ServiceAccount`, as in `deploy/install.yaml`.
pub const OPERATOR_NAMESPACE: &str = "bedrock-throughput-system";
/// See there.
pub const OPERATOR_ACCOUNT: &str = "bedrock-throughput-operator";

/// What everybody applies who installs without helm.
const INSTALL: &str = "deploy/install.yaml";
/// The kinds in it that give the operator and its users their rights. The process takes the place of the Deployment.
const RIGHTS: [&str; 6] = ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

const READY_WITHIN: Duration = Duration::from_mins(1);

/// What a sandbox is made from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The programs.
    pub binaries: &'a Binaries,
    /// What is at AWS in the beginning.
    pub seed: &'a Value,
    /// Arguments of the simulator.
    pub simulator: &'a [&'a str],
    /// Arguments of the operator's `run`.
    pub operator: &'a [&'a str],
}

/// The running parts. All of it ends when this is dropped or this process dies.
#[derive(Debug)]
pub struct Sandbox {
    // In the order in which they end.
    operator: Guarded,
    /// The simulator.
    pub simulator: Simulator,
    /// The control plane.
    pub control_plane: ControlPlane,
    metrics: String,
    agent: ureq::Agent,
}

impl Sandbox {
    /// Starts all parts, and returns when the operator is ready. `told` is called with a sentence about each part.
    ///
    /// # Errors
    /// When a part does not become ready; the error has the end of its log.
    pub fn start(plan: &Plan<'_>, told: &mut dyn FnMut(&str)) -> Result<Self> {
        let control_plane = ControlPlane::start(&Options { controller_manager: true, audit: true, folder: None })?;
        let version = control_plane.kubectl_output(&["get", "--raw", "/version"])?;
        let version: Value = serde_json::from_str(&version).context("reading the API server's version")?;
        let version = version.get("gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        told(&format!("Kubernetes {version} is up at {}", control_plane.server()));
        install(&control_plane)?;
        told("the CRD and the operator's rights from deploy/ are installed");
        let logs = control_plane.logs_dir().to_path_buf();
        let simulator = Simulator::start(&plan.binaries.simulator, plan.seed, plan.simulator, &logs)?;
        told(&format!("the simulator plays AWS Bedrock at {}", simulator.url()));
        let kubeconfig = control_plane.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let operator = start_operator(plan, &kubeconfig, simulator.url(), &address, &logs)?;
        let metrics = format!("http://{address}");
        let mut sandbox = Self { operator, simulator, control_plane, metrics, agent: http::agent() };
        wait_until(READY_WITHIN, "the operator is ready", || sandbox.ready())?;
        told(&format!("the operator runs as ServiceAccount {OPERATOR_NAMESPACE}/{OPERATOR_ACCOUNT}, and is ready"));
        Ok(sandbox)
    }

    /// Where the operator serves `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn operator_url(&self) -> &str {
        &self.metrics
    }

    /// The operator's log.
    #[must_use]
    pub fn operator_log(&self) -> PathBuf {
        operator_log(self.control_plane.logs_dir())
    }

    /// The last lines of the operator's log.
    #[must_use]
    pub fn operator_log_tail(&self, lines: usize) -> String {
        self.operator.log_tail(lines)
    }

    /// Fails when a part has ended; the error has the end of its log.
    ///
    /// # Errors
    /// As said.
    pub fn check_running(&mut self) -> Result<()> {
        self.control_plane.check_running()?;
        self.simulator.check_running()?;
        let Some(status) = self.operator.try_wait()? else { return Ok(()) };
        let message = format!("the operator ended ({status}); the end of its log:\n{}", self.operator.log_tail(20));
        Err(anyhow!(Fatal(message)))
    }

    /// The operator's requests to the API server so far.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn operator_requests(&self) -> Result<Vec<AuditEvent>> {
        let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}");
        let mut events = self.control_plane.audit_events()?;
        events.retain(|event| event.user == user);
        Ok(events)
    }

    /// Those that the API server refused: with the rights of `deploy/` there should be none.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn refused_requests(&self) -> Result<Vec<String>> {
        let events = self.operator_requests()?;
        let refused = events.iter().filter(|event| event.code == 403);
        Ok(refused.map(|event| format!("{} {}", event.verb, event.uri)).collect())
    }

    /// Ends the operator, and fails when it did not end well within its grace period.
    ///
    /// # Errors
    /// As said.
    pub fn stop_operator(&mut self) -> Result<()> {
        let status = self.operator.stop()?;
        if !status.success() {
            bail!(
                "after SIGTERM the operator ended with {status}; the end of its log:\n{}",
                self.operator.log_tail(20)
            );
        }
        Ok(())
    }

    /// Ends the operator first, as [`Sandbox::stop_operator`] does, and then the rest.
    ///
    /// # Errors
    /// As there, or when the control plane cannot be ended.
    pub fn stop(mut self) -> Result<()> {
        self.stop_operator()?;
        self.control_plane.stop()
    }

    fn ready(&mut self) -> Result<()> {
        self.check_running()?;
        let mut answer = self.agent.get(format!("{}/readyz", self.metrics)).call().context("asking /readyz")?;
        if !answer.status().is_success() {
            bail!("/readyz says: {}", answer.body_mut().read_to_string().unwrap_or_default().trim());
        }
        Ok(())
    }
}

/// The CRD, and the rights that `deploy/` ships.
///
/// # Errors
/// When the API server does not accept them.
pub fn install(control_plane: &ControlPlane) -> Result<()> {
    let root = folders::root();
    control_plane.apply(&root.join("crds"))?;
    control_plane.kubectl_output(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
    install_rights(control_plane)
}

/// The rights that `deploy/` ships, without the CRD.
///
/// # Errors
/// When the API server does not accept them.
pub fn install_rights(control_plane: &ControlPlane) -> Result<()> {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().context("making a temporary file")?;
    file.write_all(documents::join(rights()?.iter().map(String::as_str)).as_bytes()).context("writing the rights")?;
    control_plane.apply(file.path())
}

/// The manifests of the rights that `deploy/` ships, as they stand there.
///
/// # Errors
/// When they cannot be read.
pub fn rights() -> Result<Vec<String>> {
    let text = fs::read_to_string(folders::root().join(INSTALL)).with_context(|| format!("reading {INSTALL}"))?;
    let mut rights = documents::split(&text);
    rights.retain(|manifest| documents::kind(manifest).is_some_and(|kind| RIGHTS.contains(&kind)));
    Ok(rights)
}

/// Starts the operator of a plan, with nothing but its own settings, and does not wait until it is ready.
pub(crate) fn start_operator(
    plan: &Plan<'_>,
    kubeconfig: &Path,
    aws: &str,
    address: &str,
    logs: &Path,
) -> Result<Guarded> {
    let home = logs.join("operator-home");
    fs::create_dir_all(&home).with_context(|| format!("making the folder {}", home.display()))?;
    let mut command = Command::new(&plan.binaries.operator);
    command.arg("run").args(["--http-addr", address, "--log-format", "text"]).args(plan.operator);
    // Nothing of the user's own settings and credentials reaches it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("BTO_") {
            command.env_remove(name);
        }
    }
    command
        .env("HOME", home)
        .env("KUBECONFIG", kubeconfig)
        .env("AWS_ENDPOINT_URL_BEDROCK", aws)
        .env("AWS_REGION", simulator::REGION)
        .env("AWS_ACCESS_KEY_ID", simulator::OPERATOR_KEY)
        .env("AWS_SECRET_ACCESS_KEY", simulator::SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("NO_PROXY", "127.0.0.1");
    let guard = Guard::new("operator").grace(Duration::from_secs(15)).output(Output::Log(operator_log(logs)));
    guard.spawn(&command)
}

fn operator_log(logs: &Path) -> PathBuf {
    logs.join("operator.log")
}
