//! A proxy between the operator and everything that it talks to. It numbers the requests in the order of arrival, and can kill the
//! operator at one of them.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use kube::Client;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::control_plane::{http_client, runtime};

/// The API server in the lines of requests.
const KUBERNETES: &str = "Kubernetes";
/// More than any request of the operator has.
const BODY_MAX: usize = 16 << 20;

/// When the operator is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The request has been sent, and nobody has seen it.
    BeforeForwarding,
    /// The request has been carried out, and the answer is never seen.
    BeforeAnswering,
}

/// Kills the operator.
pub type Killer = Arc<dyn Fn() + Send + Sync>;

/// A running proxy. It ends when this is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    aws_url: String,
    servers: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

struct Shared {
    state: Mutex<Recorded>,
    /// What kills the victim. Known only after it has been started, which may be after its first request.
    killer: watch::Sender<Option<Killer>>,
    hold: watch::Sender<Hold>,
}

/// What is done with requests that could pass.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hold {
    /// They pass.
    Nothing,
    /// The next one whose line has this text waits.
    Next(String),
    /// One waits, and the others pass.
    One,
}

#[derive(Default)]
struct Recorded {
    requests: Vec<String>,
    kill: Option<(usize, Moment)>,
    /// What comes after the kill comes from a process that is about to be gone.
    closed: bool,
    /// Nothing gets through to Kubernetes any more.
    is_cut: bool,
}

#[derive(Clone)]
struct Upstream {
    shared: Arc<Shared>,
    client: Client,
    name: &'static str,
}

impl Proxy {
    /// Starts one in front of an API server, as whoever `kubernetes` is, and in front of AWS.
    pub fn start(kubernetes: Client, aws_url: &str) -> Self {
        let (state, killer, hold) = (Mutex::default(), watch::Sender::new(None), watch::Sender::new(Hold::Nothing));
        let shared = Arc::new(Shared { state, killer, hold });
        let folder = tempfile::Builder::new().prefix("proxy-").tempdir().expect("a folder for the proxy");
        let upstream = |client, name| Upstream { shared: Arc::clone(&shared), client, name };
        let (kubernetes_url, kubernetes_server) = serve(upstream(kubernetes, KUBERNETES));
        let (aws_url, aws_server) = serve(upstream(http_client(aws_url), "AWS"));
        let kubeconfig = folder.path().join("kubeconfig");
        let content = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": kubernetes_url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        });
        std::fs::write(&kubeconfig, content.to_string()).expect("writing a kubeconfig");
        Self { shared, kubeconfig, aws_url, servers: vec![kubernetes_server, aws_server], _folder: folder }
    }

    /// The kubeconfig that leads through the proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of AWS that leads through the proxy.
    pub fn aws_url(&self) -> &str {
        &self.aws_url
    }

    /// The victim will be killed at its request number `number`, counted from 0.
    pub fn kill_at(&self, number: usize, moment: Moment) {
        self.shared.state().kill = Some((number, moment));
    }

    /// Says how the victim is killed.
    pub fn set_killer(&self, killer: Killer) {
        self.shared.killer.send_replace(Some(killer));
    }

    /// Lets the requests of another process through. Nobody is killed any more.
    pub fn reopen(&self) {
        let mut state = self.shared.state();
        state.kill = None;
        state.closed = false;
    }

    /// The next request whose line (`Kubernetes PATCH /apis/…`, `AWS GET /…`) has this text waits until [`Proxy::release`].
    pub fn hold(&self, text: &str) {
        self.shared.hold.send_replace(Hold::Next(text.to_owned()));
    }

    /// Whether a request waits.
    pub fn is_holding(&self) -> bool {
        *self.shared.hold.borrow() == Hold::One
    }

    /// Cuts the operator off from Kubernetes: what it sends from now on never arrives.
    pub fn cut_kubernetes(&self) {
        self.shared.state().is_cut = true;
    }

    /// Lets the request that waits pass.
    pub fn release(&self) {
        self.shared.hold.send_replace(Hold::Nothing);
    }

    /// The requests so far, one line each, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

fn serve(upstream: Upstream) -> (String, JoinHandle<()>) {
    let listener = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port for the proxy");
    let url = format!("http://{}", listener.local_addr().expect("the port of the proxy"));
    let router = Router::new().fallback(pass).with_state(upstream);
    let server = runtime().spawn(async move { axum::serve(listener, router).await.expect("serving the proxy") });
    (url, server)
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Kills(Moment),
    /// Its sender has been killed, or is cut off.
    TooLate,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a request, and tells what becomes of it.
    fn enter(&self, request: String, name: &str) -> Fate {
        let mut state = self.state();
        if state.closed || (state.is_cut && name == KUBERNETES) {
            return Fate::TooLate;
        }
        let number = state.requests.len();
        state.requests.push(request);
        match state.kill {
            Some((at, moment)) if at == number => Fate::Kills(moment),
            Some(_) | None => Fate::Passes,
        }
    }

    /// Waits where the request is to be held.
    async fn wait_while_held(&self, request: &str) {
        let mut hold = self.hold.subscribe();
        let caught = self.hold.send_if_modified(|hold| {
            let caught = matches!(hold, Hold::Next(text) if request.contains(text.as_str()));
            if caught {
                *hold = Hold::One;
            }
            caught
        });
        if caught {
            // The proxy outlives its requests.
            let _ = hold.wait_for(|hold| *hold == Hold::Nothing).await;
        }
    }

    /// Kills the victim, and waits without end for an answer that it will never see.
    async fn kill(&self) -> Response {
        // Its other threads may go on for a moment: nothing of theirs gets through.
        self.state().closed = true;
        let mut killer = self.killer.subscribe();
        let killer = killer.wait_for(Option::is_some).await.ok().and_then(|killer| killer.clone());
        killer.expect("the proxy outlives its requests")();
        std::future::pending().await
    }
}

async fn pass(State(upstream): State<Upstream>, request: Request) -> Response {
    let Upstream { shared, client, name } = upstream;
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let line = format!("{name} {} {target}", parts.method);
    let fate = shared.enter(line.clone(), name);
    match fate {
        Fate::Passes | Fate::Kills(Moment::BeforeAnswering) => {}
        Fate::Kills(Moment::BeforeForwarding) => return shared.kill().await,
        Fate::TooLate => return std::future::pending().await,
    }
    shared.wait_while_held(&line).await;
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut forwarded = axum::http::Request::builder().method(parts.method).uri(target);
    if let Some(headers) = forwarded.headers_mut() {
        *headers = end_to_end(parts.headers);
    }
    let forwarded = forwarded.body(kube::client::Body::from(body)).expect("a request that was one before");
    let answer = client.send(forwarded).await;
    if fate == Fate::Kills(Moment::BeforeAnswering) {
        return shared.kill().await;
    }
    match answer {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            let mut passed_on = Response::new(Body::new(body));
            *passed_on.status_mut() = parts.status;
            *passed_on.headers_mut() = end_to_end(parts.headers);
            passed_on
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}")).into_response(),
    }
}

/// The headers without those that are about a single connection (RFC 9110, section 7.6.1); the length is told anew.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE] {
        headers.remove(name);
    }
    headers
}
