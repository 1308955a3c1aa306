//! The command lines of etcd, kube-apiserver and kube-controller-manager.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Assets, Options, audit, credentials};
use crate::process::{Guard, Guarded, Output};

/// Nothing they hold is worth a longer goodbye.
const GRACE: Duration = Duration::from_secs(3);

const ISSUER: &str = "https://kubernetes.default.svc";

/// Only what makes the API behave as users know it: no controller needs nodes or a cloud.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
    serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,\
    deployment-controller,replicaset-controller";

/// What the processes share: files, ports and the admin's token.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) assets: Assets,
    pub(super) folder: PathBuf,
    pub(super) logs: PathBuf,
    pub(super) audit_log: Option<PathBuf>,
    pub(super) admin_token: String,
    keys: PathBuf,
    ports: [u16; 4],
}

impl Setup {
    /// Makes the folders, the `ServiceAccount` key pair and the admin's token.
    pub(super) fn prepare(assets: Assets, folder: PathBuf, ports: [u16; 4], options: &Options) -> Result<Self> {
        let (keys, logs) = (folder.join("keys"), folder.join("logs"));
        for path in [&folder, &keys, &logs] {
            fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
        }
        let admin_token = credentials::random_token()?;
        credentials::write_key_pair(&keys.join("sa.key"), &keys.join("sa.pub"))?;
        credentials::write_private(&keys.join("tokens.csv"), &format!("{admin_token},admin,admin,system:masters\n"))?;
        let audit_log = options.audit.then(|| logs.join("audit.log"));
        if audit_log.is_some() {
            credentials::write_private(&keys.join("audit-policy.yaml"), audit::POLICY)?;
        }
        Ok(Self { assets, folder, logs, audit_log, admin_token, keys, ports })
    }

    pub(super) fn server(&self) -> String {
        let [_, _, api, _] = self.ports;
        format!("https://127.0.0.1:{api}")
    }

    /// The certificate that the API server made for itself, when it is written completely.
    pub(super) fn certificate(&self) -> Result<String> {
        let (certificate, key) = (self.keys.join("apiserver.crt"), self.keys.join("apiserver.key"));
        // The key is written after the certificate.
        for path in [&key, &certificate] {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            if !text.trim_end().ends_with("-----") {
                bail!("{} is not complete", path.display());
            }
        }
        fs::read_to_string(&certificate).with_context(|| format!("reading {}", certificate.display()))
    }

    /// Whether the API server accepts connections.
    pub(super) fn connect(&self) -> Result<()> {
        let [_, _, api, _] = self.ports;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, api));
        TcpStream::connect_timeout(&address, Duration::from_secs(1))
            .map(drop)
            .with_context(|| format!("connecting to the API server at {address}"))
    }

    pub(super) fn start_etcd(&self) -> Result<Guarded> {
        let [client, peer, _, _] = self.ports;
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let mut command = Command::new(self.assets.etcd());
        command
            .arg("--data-dir")
            .arg(self.folder.join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            // The data need not survive a crash of the machine, and waiting for the disk is most of a write's time.
            .arg("--unsafe-no-fsync")
            .args(["--log-level", "warn"]);
        // etcd ends last, so its guard is the one that removes the folder when this process was killed.
        self.guard("etcd").remove_at_end(&self.folder).spawn(&command)
    }

    pub(super) fn start_apiserver(&self) -> Result<Guarded> {
        let [etcd, _, api, _] = self.ports;
        let mut command = Command::new(self.assets.apiserver());
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"))
            .arg(format!("--secure-port={api}"))
            .arg("--bind-address=127.0.0.1")
            // Without these two it looks for an address of the machine that others can reach, and a machine without a
            // network has none.
            .args(["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
            .arg(flag("--cert-dir", &self.keys))
            .arg(format!("--service-account-issuer={ISSUER}"))
            .arg(flag("--service-account-key-file", &self.keys.join("sa.pub")))
            .arg(flag("--service-account-signing-key-file", &self.keys.join("sa.key")))
            .arg("--authorization-mode=RBAC")
            .arg(flag("--token-auth-file", &self.keys.join("tokens.csv")))
            .arg("--service-cluster-ip-range=10.0.0.0/24");
        if let Some(log) = &self.audit_log {
            command
                .arg(flag("--audit-policy-file", &self.keys.join("audit-policy.yaml")))
                .arg(flag("--audit-log-path", log))
                // In MB. One file for all: a fleet of 10,000 objects makes more than the 100 MB after which a new one is begun.
                .arg("--audit-log-maxsize=4096")
                // An event is in the file before the client has its answer.
                .arg("--audit-log-mode=blocking");
        }
        self.guard("kube-apiserver").spawn(&command)
    }

    pub(super) fn start_controller_manager(&self, kubeconfig: &Path) -> Result<Guarded> {
        let [_, _, _, port] = self.ports;
        let mut command = Command::new(self.assets.controller_manager());
        command
            .arg(flag("--kubeconfig", kubeconfig))
            .arg(flag("--service-account-private-key-file", &self.keys.join("sa.key")))
            .arg(flag("--root-ca-file", &self.keys.join("apiserver.crt")))
            .args(["--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1"])
            .arg(format!("--secure-port={port}"))
            .arg(format!("--controllers={CONTROLLERS}"));
        self.guard("kube-controller-manager").spawn(&command)
    }

    fn guard(&self, name: &str) -> Guard {
        let log = self.logs.join(format!("{name}.log"));
        Guard::new(name).grace(GRACE).output(Output::Log(log))
    }
}

/// `--name=path`, for a path that need not be UTF-8.
fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}
