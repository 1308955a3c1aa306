//! A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kubectl as plain
//! processes. RBAC is on. There is no kubelet and no scheduler, so no pod runs; everything else is the real thing.

pub mod assets;
pub mod audit;
mod credentials;
pub mod detached;
pub mod kubelet;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

pub use self::assets::Assets;
pub use self::audit::AuditEvent;
use self::credentials::Kubeconfig;
use self::programs::Setup;
use crate::ports::free_ports;
use crate::process::{self, Guarded};
use crate::wait::{Fatal, wait_until};

/// How often a start is tried again when another process took one of the ports meanwhile.
const TRIES: u32 = 3;
/// Ready takes 4 to 5 s on two idle cores; a machine that compiles beside it needs much longer.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// The token of a `ServiceAccount` lives longer than any test run or demo.
const TOKEN_LIFETIME: &str = "24h";

/// What [`ControlPlane::start`] starts.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Also the controller-manager: deletion of namespaces, garbage collection by owner references, aggregated cluster
    /// roles, `default` service accounts, deployments and replica sets.
    pub controller_manager: bool,
    /// Also an audit log of every request, for [`ControlPlane::audit_events`].
    pub audit: bool,
    /// Where the data, the logs and the keys go: a folder that is removed at the end. Without it a temporary one.
    pub folder: Option<PathBuf>,
}

/// A running control plane. All of it ends, and its folder is removed, when this is dropped or this process dies.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they end: etcd last, so that the others do not complain about it in their logs.
    controller_manager: Option<Guarded>,
    apiserver: Guarded,
    etcd: Guarded,
    setup: Setup,
    kubeconfig: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl ControlPlane {
    /// Finds or builds the programs, starts them, and returns when the API server is ready.
    ///
    /// # Errors
    /// When the programs cannot be had, or one of them ends or is not ready in time; the error has the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        Self::start_with(&assets::find_or_build()?, options)
    }

    /// As [`ControlPlane::start`], with programs that were found before.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(assets: &Assets, options: &Options) -> Result<Self> {
        let mut tries = 1;
        loop {
            match Self::try_start(assets, options) {
                Err(error) if tries < TRIES && port_was_taken(&error) => {
                    tries += 1;
                    options.folder.as_deref().map_or(Ok(()), wait_until_removed)?;
                }
                result => return result,
            }
        }
    }

    fn try_start(assets: &Assets, options: &Options) -> Result<Self> {
        let (folder, temporary) = match &options.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let temporary = tempfile::Builder::new().prefix("control-plane-").tempdir();
                let temporary = temporary.context("making a temporary folder for the control plane")?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        let setup = Setup::prepare(assets.clone(), folder, free_ports()?, options)?;
        let mut etcd = setup.start_etcd()?;
        let mut apiserver = setup.start_apiserver()?;
        // The API server makes its own certificate before it serves; the clients need it as their authority.
        let certificate = wait_until(READY_WITHIN, "kube-apiserver has made its certificate", || {
            still_running(&mut etcd)?;
            still_running(&mut apiserver)?;
            setup.certificate()
        })?;
        let admin = Kubeconfig {
            server: setup.server(),
            certificate,
            user: "admin",
            token: &setup.admin_token,
            namespace: "default",
        };
        let kubeconfig = setup.folder.join("admin.kubeconfig");
        admin.write(&kubeconfig)?;
        let controller_manager =
            if options.controller_manager { Some(setup.start_controller_manager(&kubeconfig)?) } else { None };
        let mut plane = Self { controller_manager, apiserver, etcd, setup, kubeconfig, _temporary: temporary };
        plane.wait_until_ready()?;
        Ok(plane)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        wait_until(READY_WITHIN, "the API server is ready", || {
            self.check_running()?;
            // Connecting costs nothing, a kubectl process does.
            self.setup.connect()?;
            self.kubectl_output(&["get", "--raw", "/readyz", "--request-timeout", "5s"])
        })?;
        if self.controller_manager.is_some() {
            wait_until(READY_WITHIN, "the controller-manager's controllers work", || {
                self.check_running()?;
                self.kubectl_output(&["--namespace", "default", "get", "serviceaccount", "default"])
            })?;
        }
        Ok(())
    }

    /// Fails when one of the processes has ended; the error has the end of its log.
    ///
    /// # Errors
    /// As said.
    pub fn check_running(&mut self) -> Result<()> {
        still_running(&mut self.etcd)?;
        still_running(&mut self.apiserver)?;
        self.controller_manager.as_mut().map_or(Ok(()), still_running)
    }

    /// The kubeconfig of a member of `system:masters`.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address, for example `https://127.0.0.1:34567`.
    #[must_use]
    pub fn server(&self) -> String {
        self.setup.server()
    }

    /// The folder with the programs.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.setup.assets
    }

    /// The folder with the logs of all processes.
    #[must_use]
    pub fn logs_dir(&self) -> &Path {
        &self.setup.logs
    }

    /// The API server's process, for tests that freeze or crash it.
    pub fn apiserver(&mut self) -> &mut Guarded {
        &mut self.apiserver
    }

    /// A kubectl that talks to this control plane as the admin, and caches nothing outside its folder.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        self.kubectl_as(&self.kubeconfig)
    }

    /// As [`ControlPlane::kubectl`], as the user of another kubeconfig.
    #[must_use]
    pub fn kubectl_as(&self, kubeconfig: &Path) -> Command {
        let mut command = Command::new(self.setup.assets.kubectl());
        command.env("KUBECONFIG", kubeconfig).env("KUBECACHEDIR", self.setup.folder.join("kubectl-cache"));
        command
    }

    /// Runs kubectl as the admin and returns what it printed.
    ///
    /// # Errors
    /// When it fails; the error has what it said.
    pub fn kubectl_output(&self, arguments: &[&str]) -> Result<String> {
        process::output(self.kubectl().args(arguments))
    }

    /// Applies a file, or the files of a folder, as the admin, on the server side.
    ///
    /// # Errors
    /// When kubectl fails; the error has what it said.
    pub fn apply(&self, path: &Path) -> Result<()> {
        process::output(self.kubectl().args(["apply", "--server-side", "--filename"]).arg(path))
            .map(drop)
            .with_context(|| format!("applying {}", path.display()))
    }

    /// A kubeconfig for a `ServiceAccount` that exists, with a token from the `TokenRequest` API: what a process uses
    /// that is to have this account's rights and no others.
    ///
    /// # Errors
    /// When there is no such account, or the file cannot be written.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self
            .kubectl_output(&["--namespace", namespace, "create", "token", name, "--duration", TOKEN_LIFETIME])
            .with_context(|| format!("asking for a token of the ServiceAccount {namespace}/{name}"))?;
        let certificate = self.setup.certificate()?;
        let path = self.setup.folder.join(format!("{namespace}.{name}.kubeconfig"));
        Kubeconfig { server: self.server(), certificate, user: name, token: token.trim(), namespace }.write(&path)?;
        Ok(path)
    }

    /// Every answered request so far, in the log's order. Needs [`Options::audit`].
    ///
    /// # Errors
    /// When the audit log is off or cannot be read.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>> {
        let path = self.setup.audit_log.as_deref();
        let path = path.context("this control plane has no audit log: start it with Options { audit: true, .. }")?;
        let text = fs::read_to_string(path).with_context(|| format!("reading the audit log {}", path.display()))?;
        audit::parse(&text).with_context(|| format!("in the audit log {}", path.display()))
    }

    /// Ends all processes and removes the folder; dropping does the same without saying what failed.
    ///
    /// # Errors
    /// When a process cannot be ended or the folder cannot be removed.
    pub fn stop(mut self) -> Result<()> {
        self.begin_stop();
        if let Some(controller_manager) = &mut self.controller_manager {
            controller_manager.stop()?;
        }
        self.apiserver.stop()?;
        self.etcd.stop()?;
        let folder = &self.setup.folder;
        wait_until(Duration::from_secs(5), "the control plane's folder is removed", || {
            match fs::remove_dir_all(folder) {
                Err(error) if folder.exists() => Err(error).with_context(|| format!("removing {}", folder.display())),
                _ => Ok(()),
            }
        })
    }

    /// Those that clients talk to end at the same time.
    fn begin_stop(&mut self) {
        if let Some(controller_manager) = &mut self.controller_manager {
            controller_manager.begin_stop();
        }
        self.apiserver.begin_stop();
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.begin_stop();
        if thread::panicking() {
            // A test that fails is the moment when the logs are wanted, and the folder goes away with this.
            for process in [&self.etcd, &self.apiserver].into_iter().chain(&self.controller_manager) {
                crate::progress::say(&format!("--- the end of {}'s log:\n{}", process.name(), process.log_tail(10)));
            }
        }
    }
}

fn still_running(process: &mut Guarded) -> Result<()> {
    let Some(status) = process.try_wait()? else {
        return Ok(());
    };
    let message = format!("{} ended ({status}); the end of its log:\n{}", process.name(), process.log_tail(20));
    Err(anyhow!(Fatal(message)))
}

/// etcd's guard removes the folder a moment after etcd has ended, and would remove what the next try puts there.
fn wait_until_removed(folder: &Path) -> Result<()> {
    wait_until(Duration::from_secs(10), "what the try before left is removed", || {
        if folder.exists() {
            bail!("{} still exists", folder.display());
        }
        Ok(())
    })
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("address already in use")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Programs that play a control plane whose first etcd finds its port taken, and whose second one says whether it
    /// still has its keys after a while.
    fn programs(folder: &Path, data: &Path) -> Assets {
        let (first, keys) = (folder.join("first"), data.join("keys/sa.key"));
        let etcd = format!(
            "if mkdir '{}'; then echo 'bind: address already in use' >&2; exit 1; fi\n\
             sleep 1; [ -f '{}' ] && echo 'the keys are there' >&2; exit 1",
            first.display(),
            keys.display()
        );
        let scripts = [
            ("etcd", etcd.as_str()),
            ("kube-apiserver", "exec sleep 60"),
            ("kube-controller-manager", "exit 1"),
            ("kubectl", "exit 1"),
        ];
        for (name, script) in scripts {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Assets::in_folder(folder).unwrap()
    }

    #[test]
    fn a_second_try_in_the_same_folder_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let assets = programs(folder.path(), &data);
        let options = Options { folder: Some(data), ..Options::default() };
        let error = format!("{:#}", ControlPlane::start_with(&assets, &options).unwrap_err());
        assert!(error.contains("the keys are there"), "{error}");
    }
}
