//! Control planes, and what the tests ask of them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use xtask::{
    control_plane::{AuditEvent, ControlPlane, Options},
    folders, process, prometheus_operator,
    wait::wait_until,
};

use super::helm;

/// How long a state of things is waited for. Long, because the machine may be busy with other work; reached only by a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A control plane with the controllers of Deployments, namespaces and roles.
pub struct Cluster(ControlPlane);

impl Cluster {
    /// A new one, with nothing in it.
    pub fn start() -> Self {
        let options = Options { controller_manager: true, audit: true, folder: None };
        Self(ControlPlane::start(&options).expect("starting the control plane"))
    }

    /// The one that tests share that leave the CRDs as they are: those of the operator and of the Prometheus operator.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start();
            let crds = prometheus_operator::crds().expect("the CRDs of the Prometheus operator");
            for path in crds.iter().map(PathBuf::as_path).chain([folders::root().join("crds").as_path()]) {
                cluster.0.apply(path).expect("installing a CRD");
            }
            cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
            let served = wait_until(PATIENCE, "the kinds are served", || {
                cluster.try_kubectl(&["get", "pt,servicemonitors,podmonitors,prometheusrules", "--all-namespaces"])
            });
            served.unwrap_or_else(|error| panic!("{error:#}"));
            cluster
        })
    }

    /// The processes.
    pub fn processes(&self) -> &ControlPlane {
        &self.0
    }

    /// Runs kubectl with all rights.
    pub fn try_kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.0.kubectl_output(arguments)
    }

    /// The same, where it has to succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Objects as JSON, by what `kubectl get` is given.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "--output", "json"], arguments].concat());
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Their names, as `kind/name`.
    pub fn names(&self, arguments: &[&str]) -> Vec<String> {
        let text = self.kubectl(&[&["get", "--output", "name"], arguments].concat());
        text.lines().map(str::to_owned).collect()
    }

    /// Applies manifests with all rights.
    pub fn apply(&self, manifests: &str) {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
        file.write_all(manifests.as_bytes()).expect("writing manifests");
        self.0.apply(file.path()).unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Makes a namespace that takes only pods of the Pod Security Standard `restricted`.
    pub fn make_namespace(&self, name: &str) {
        self.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
        ));
    }

    /// helm, with all rights.
    pub fn helm(&self) -> Command {
        Self::helm_as(self.0.kubeconfig())
    }

    /// helm, as the user of another kubeconfig.
    pub fn helm_as(kubeconfig: &Path) -> Command {
        let mut command = helm::helm();
        command.env("KUBECONFIG", kubeconfig);
        command
    }

    /// Waits until an object is as it should be; `condition` says what it lacks.
    pub fn wait_for(&self, what: &str, object: &[&str], condition: impl Fn(&Value) -> bool) -> Value {
        let found = wait_until(PATIENCE, what, || {
            let text = self.try_kubectl(&[&["get", "--output", "json"], object].concat())?;
            let object: Value = serde_json::from_str(&text).context("reading what kubectl printed")?;
            ensure!(condition(&object), "{}", object["status"]);
            Ok(object)
        });
        found.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// All requests so far of a ServiceAccount.
    pub fn requests_of(&self, namespace: &str, account: &str) -> Vec<AuditEvent> {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let events = self.0.audit_events().expect("the audit log");
        events.into_iter().filter(|event| event.user == user).collect()
    }
}

/// A command that has to succeed, and what it prints.
pub fn succeed(command: &mut Command) -> String {
    process::output(command).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A command that has to fail, and what it says.
pub fn fail(command: &mut Command) -> String {
    match process::output(command) {
        Ok(printed) => panic!("`{}` did not fail:\n{printed}", process::describe(command)),
        Err(error) => format!("{error:#}"),
    }
}

/// The condition of a type: its status, reason and message.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<[&'a str; 3]> {
    let conditions = object["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some(["status", "reason", "message"].map(|field| condition[field].as_str().unwrap_or_default()))
}

/// Whether an object is ready, as of its present generation.
pub fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").is_some_and(|[status, ..]| status == "True")
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
