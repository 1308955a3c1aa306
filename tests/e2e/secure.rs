//! `/metrics` by TLS, for those whom Kubernetes lets.

use std::{path::Path, time::Duration};

use axum::http::{Request, StatusCode};
use kube::{Client, Config, client::Body};
use xtask::wait::wait_until;

use crate::support::{
    aws::Aws,
    control_plane::{client_without_retries, plane, runtime},
    environment::{Namespace, PATIENCE, settings},
    operator::{Operator, Settings},
    proxy::Proxy,
    rights::{ROLE, SYSTEM, account_with, make_the_role_to_read},
};

/// The role that the chart binds to find out who may read; every cluster has it.
const AUTH: &str = "system:auth-delegator";
/// The role to read, as the chart has it.
const READER: &str = "bedrock-throughput-operator-metrics-reader";

/// An operator that serves `/metrics` by TLS, at a port that the system gives it.
struct Secure {
    operator: Operator,
    url: String,
}

impl Secure {
    fn start(kubeconfig: &Path, flags: &[&str]) -> Self {
        let (aws, cluster) = (Aws::start(), Namespace::shared());
        let flags = [&["--metrics-secure-addr", "127.0.0.1:0"], flags].concat();
        let mut settings = settings(plane(), &cluster, &aws, &flags);
        settings.kubeconfig = kubeconfig.to_path_buf();
        Self::start_with(&settings)
    }

    fn start_with(settings: &Settings) -> Self {
        let operator = Operator::start(settings);
        let url = wait_until(PATIENCE, "/metrics is served", || {
            let log = operator.log();
            let line = log.lines().find(|line| line.contains("/metrics is served by TLS"));
            let line: serde_json::Value = serde_json::from_str(line.unwrap_or("null"))?;
            let address = line["address"].as_str().ok_or_else(|| anyhow::anyhow!("it does not say so: {log}"))?;
            Ok(format!("https://{address}"))
        });
        let url = url.unwrap_or_else(|error| panic!("{error:#}"));
        Self { operator, url }
    }

    /// The answer to those who show `token`. `root` is the certificate that has to be shown to them, in PEM; without one any will do.
    fn get(&self, path: &str, token: Option<&str>, root: Option<&str>) -> anyhow::Result<(StatusCode, String)> {
        let _on = runtime().enter();
        let mut config = Config::new(self.url.parse()?);
        config.default_retry = false;
        config.accept_invalid_certs = root.is_none();
        config.root_cert = root.map(|pem| vec![der(pem)]);
        let client = Client::try_from(config)?;
        let mut request = Request::get(path).header("accept", "application/openmetrics-text");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty())?;
        runtime().block_on(async {
            let answer = tokio::time::timeout(Duration::from_secs(20), client.send(request)).await??;
            let status = answer.status();
            let body = answer.into_body().collect_bytes().await?;
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        })
    }

    fn metrics(&self, token: Option<&str>) -> (StatusCode, String) {
        self.get("/metrics", token, None).unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log()))
    }
}

fn der(pem: &str) -> Vec<u8> {
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate").to_vec()
}

/// A new `ServiceAccount` with these cluster roles, and its token.
fn reader(name: &str, cluster_roles: &[&str]) -> String {
    make_the_role_to_read(READER);
    account_with(name, cluster_roles);
    plane().kubectl(&["--namespace", SYSTEM, "create", "token", name]).trim().to_owned()
}

#[test]
fn only_those_whom_kubernetes_lets_read_the_metrics() {
    let secure = Secure::start(&account_with("serves-metrics", &[ROLE, AUTH]), &[]);
    let (allowed, other) = (reader("reads-metrics", &[READER]), reader("reads-no-metrics", &[]));
    let (status, body) = secure.metrics(Some(&allowed));
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("bedrock_throughput_build_info{") && body.ends_with("# EOF\n"), "{body}");
    let (status, body) = secure.metrics(Some(&other));
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert!(body.contains("system:serviceaccount:bedrock-throughput-system:reads-no-metrics may not"), "{body}");
    assert!(body.contains(READER), "{body}");
    let (status, body) = secure.metrics(None);
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    let (status, body) = secure.metrics(Some("made-up"));
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    let other_path = secure.get("/readyz", Some(&allowed), None).expect("an answer").0;
    assert_eq!(other_path, StatusCode::NOT_FOUND);
    assert!(secure.operator.get("/metrics").is_err(), "they are served at one address only");
    assert_eq!(secure.operator.get("/livez").expect("/livez"), "ok\n");
    let log = secure.operator.log();
    assert!(!log.contains(&allowed) && !log.contains("made-up"), "a token is in the log");
    secure.operator.terminate();
    let ended = secure.operator.wait_until_ended();
    assert!(ended.success(), "{ended}: {}", secure.operator.log());
}

#[test]
fn an_operator_that_may_not_ask_who_somebody_is_lets_nobody_in_and_says_what_is_missing() {
    let secure = Secure::start(&account_with("serves-nobody", &[ROLE]), &[]);
    let (status, body) = secure.metrics(Some(&reader("reads-nothing", &[READER])));
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(body.contains(AUTH) && body.contains("tokenreviews"), "{body}");
}

#[test]
fn without_the_api_server_only_those_are_let_in_who_were_known_shortly_before() {
    let proxy = Proxy::start(client_without_retries(&account_with("serves-few", &[ROLE, AUTH])), "http://127.0.0.1:1");
    let secure = Secure::start(proxy.kubeconfig(), &[]);
    let (known, unknown) = (reader("known", &[READER]), reader("unknown", &[READER]));
    assert_eq!(secure.metrics(Some(&known)).0, StatusCode::OK);
    proxy.cut_kubernetes();
    assert_eq!(secure.metrics(Some(&known)).0, StatusCode::OK);
    let (status, body) = secure.metrics(Some(&unknown));
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(body.contains("did not answer within 5s"), "{body}");
}

/// A certificate for the loopback address, and its key, in PEM.
fn certificate() -> [String; 2] {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    [certificate.pem(), key.serialize_pem()]
}

fn write(folder: &Path, [certificate, key]: &[String; 2]) {
    std::fs::write(folder.join("tls.crt"), certificate).expect("tls.crt");
    std::fs::write(folder.join("tls.key"), key).expect("tls.key");
}

#[test]
fn a_certificate_that_is_exchanged_is_taken_up_and_one_that_does_not_fit_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second, third] = [(); 3].map(|()| certificate());
    write(folder.path(), &first);
    let flags = ["--metrics-tls-cert-dir", folder.path().to_str().expect("a path")];
    let secure = Secure::start(&account_with("serves-certificates", &[ROLE, AUTH]), &flags);
    let shows = |root: &str| secure.get("/metrics", None, Some(root)).is_ok();
    assert!(shows(&first[0]) && !shows(&second[0]));
    write(folder.path(), &[third[0].clone(), second[1].clone()]);
    let told = wait_until(PATIENCE, "what does not go together is told", || {
        let log = secure.operator.log();
        anyhow::ensure!(log.contains("tls.key is not the key of tls.crt"), "{log}");
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(shows(&first[0]));
    write(folder.path(), &second);
    let taken = wait_until(PATIENCE, "the new certificate is shown", || {
        anyhow::ensure!(shows(&second[0]), "{}", secure.operator.log());
        Ok(())
    });
    taken.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(!shows(&first[0]));
}

#[test]
fn a_folder_without_a_certificate_ends_it_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (aws, cluster) = (Aws::start(), Namespace::shared());
    let folder = folder.path().to_str().expect("a path");
    let flags = ["--metrics-secure-addr", "127.0.0.1:0", "--metrics-tls-cert-dir", folder];
    let operator = Operator::launch(&settings(plane(), &cluster, &aws, &flags));
    let status = operator.wait_until_ended();
    assert!(!status.success(), "{status}");
    let log = operator.log();
    assert!(log.contains("--metrics-tls-cert-dir") && log.contains("tls.crt"), "{log}");
}
