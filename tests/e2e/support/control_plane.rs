//! The Kubernetes control plane that all tests share: real, with RBAC, the CRD and the operator's rights as they are shipped.

use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use tokio::runtime::Runtime;
use xtask::{
    control_plane::{AuditEvent, ControlPlane, Options},
    folders,
    sandbox::{OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, install_rights},
    wait::wait_until,
};

/// The operator in the audit log.
const OPERATOR_USER: &str = "system:serviceaccount:bedrock-throughput-system:bedrock-throughput-operator";

/// A control plane on which the operator is installed.
pub struct Plane {
    /// The processes.
    pub processes: ControlPlane,
    /// A client with all rights.
    pub admin: Client,
    /// The kubeconfig of the operator's `ServiceAccount`.
    pub operator_kubeconfig: PathBuf,
}

/// The runtime that everything asynchronous of the tests runs on; test bodies themselves are plain functions.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("starting the runtime of the tests"))
}

/// The control plane that all tests share.
pub fn plane() -> &'static Plane {
    static PLANE: OnceLock<Option<Plane>> = OnceLock::new();
    // What fails for the first test would fail for each of the others, at length.
    let plane = PLANE.get_or_init(|| {
        let start = || {
            let plane = Plane::start(&Options { audit: true, ..Options::default() });
            plane.install();
            plane
        };
        catch_unwind(start).ok()
    });
    plane.as_ref().expect("the control plane did not start: see the first panic")
}

impl Plane {
    /// Starts a control plane with the operator's namespace and rights, but without the CRD.
    pub fn start(options: &Options) -> Self {
        let processes = ControlPlane::start(options).expect("starting the control plane");
        let admin = client(processes.kubeconfig());
        install_rights(&processes).expect("installing the operator's rights");
        let operator_kubeconfig = processes
            .service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
            .expect("a kubeconfig for the operator");
        Self { processes, admin, operator_kubeconfig }
    }

    /// Installs the CRD and waits until it is served.
    pub fn install(&self) {
        self.processes.apply(&folders::root().join("crds")).expect("installing the CRD");
        let crd = "crd/provisionedthroughputs.bedrock-throughput.dev";
        self.kubectl(&["wait", "--for=condition=Established", crd, "--timeout=60s"]);
        wait_until(Duration::from_secs(30), "the API of the CRD is served", || {
            self.processes.kubectl_output(&["get", "pt", "--all-namespaces"])
        })
        .expect("the CRD is served");
    }

    /// Runs kubectl with all rights and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.processes.kubectl_output(arguments).unwrap_or_else(|error| panic!("kubectl: {error:#}"))
    }

    /// The operator's requests about one namespace so far, in the order of the audit log.
    ///
    /// The log is complete up to the call: a request of our own is awaited in it.
    pub fn requests_of_the_operator(&self, namespace: &str) -> Vec<AuditEvent> {
        let mark = format!("mark-{}", jiff::Timestamp::now().as_nanosecond());
        let request = axum::http::Request::get(format!("/api/v1/namespaces/{namespace}/configmaps/{mark}"));
        let request = request.body(Vec::new()).expect("a request");
        // There is none of that name: only the line in the log counts.
        let _ = runtime().block_on(self.admin.request_text(request));
        let events = wait_until(Duration::from_secs(30), "the audit log is written", || {
            let events = self.processes.audit_events()?;
            anyhow::ensure!(events.iter().any(|event| event.name == mark), "{mark} is not in it");
            Ok(events)
        });
        let events = events.unwrap_or_else(|error| panic!("{error:#}"));
        events.into_iter().filter(|event| event.user == OPERATOR_USER && event.namespace == namespace).collect()
    }
}

/// A client on the tests' runtime.
pub fn client(kubeconfig: &Path) -> Client {
    client_with(kubeconfig, true)
}

/// The same, where nothing is tried again: what fails is passed on.
pub fn client_without_retries(kubeconfig: &Path) -> Client {
    client_with(kubeconfig, false)
}

fn client_with(kubeconfig: &Path, retry: bool) -> Client {
    let _on = runtime().enter();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("reading a kubeconfig");
    let config = runtime().block_on(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()));
    let mut config = config.expect("a usable kubeconfig");
    config.default_retry = retry;
    Client::try_from(config).expect("a client")
}

/// A client of a plain HTTP server, on the tests' runtime. It tries nothing again.
pub fn http_client(url: &str) -> Client {
    let _on = runtime().enter();
    let mut config = Config::new(url.parse().expect("a URL"));
    config.default_retry = false;
    config.read_timeout = None;
    Client::try_from(config).expect("a client")
}
