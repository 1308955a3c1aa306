//! A world on the wire.

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request as HttpRequest, Response as HttpResponse,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    auth::{AccessKeys, Identity},
    calls::Call,
    clock::Clock,
    control,
    error::{ApiError, ErrorCode},
    faults::{Fault, FaultKind, Faults},
    iam::{self, PolicyError},
    operation::Operation,
    request::Request,
    response::Response,
    seed::{Seed, SeedError},
    settings::Settings,
    switches::{SwitchError, Switches},
    throttle::{Rate, Throttle},
    wire::{self, Answer, Body},
    world::{Caller, World},
};

/// Where the simulator's own controls are.
const CONTROLS: &str = "/_simulator";

/// The longest body of a control, in bytes: a seed of some hundred thousand throughputs.
const CONTROL_BODY_MAX: usize = 64 << 20;

/// Calls that are kept in the log; the oldest go first.
const CALLS_MAX: usize = 1_000_000;

/// Everything behind the socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) keys: AccessKeys,
    pub(crate) faults: Faults,
    pub(crate) throttle: Throttle,
    pub(crate) clock: Clock,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) sequence: u64,
    pub(crate) log: bool,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now(Timestamp::now())
    }
}

/// A running simulator. It serves on a thread of its own, so that it can be used with and without a runtime, and ends when it is
/// dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves an empty world on a free port of the loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Serves an empty world.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start_at(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("bedrock-simulator".to_owned()).spawn(move || {
            runtime.block_on(accept(listener, shared, stopped));
        })?;
        Ok(Self { address, state, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `AWS_ENDPOINT_URL_BEDROCK`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts something there.
    ///
    /// # Errors
    /// When it names a model that does not exist; nothing is put there then.
    pub fn seed(&self, seed: &Seed) -> Result<(), SeedError> {
        let mut state = self.state();
        let now = state.now();
        let State { world, keys, .. } = &mut *state;
        seed.plant(world, keys, now)
    }

    /// Works on the world directly, at the present time, with everything done that is due by then.
    pub fn with_world<T>(&self, work: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let mut state = self.state();
        let now = state.now();
        state.world.settle(now);
        work(&mut state.world, now)
    }

    /// Carries out a call past the wire: as somebody else who works at AWS. It is not in the log.
    ///
    /// # Errors
    /// What AWS would answer.
    pub fn call(&self, caller: &Caller, request: impl Into<Request>) -> Result<Response, ApiError> {
        let request = request.into();
        self.with_world(|world, now| world.call(caller, &request, now))
    }

    /// Turns a switch.
    ///
    /// # Errors
    /// When there is no such switch or setting.
    pub fn switch(&self, name: &str, value: &str) -> Result<(), SwitchError> {
        self.state().world.switches.set(name, value)
    }

    /// The setting of every switch.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.state().world.switches
    }

    /// Changes durations and sizes.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state().world.settings);
    }

    /// Bounds an operation, or lets all its calls through.
    pub fn throttle(&self, operation: Operation, rate: Option<Rate>) {
        self.state().throttle.set(operation, rate);
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.inject(fault);
    }

    /// Takes away the faults of an operation, or all.
    pub fn clear_faults(&self, operation: Option<Operation>) {
        self.state().faults.clear(operation);
    }

    /// Lets the session token of an access key run out, or be good again.
    pub fn expire(&self, access_key: &str, expired: bool) {
        self.state().keys.set_expired(access_key, expired);
    }

    /// Gives an access key an IAM policy, or takes it away: then the key may do everything.
    ///
    /// # Errors
    /// When the policy is not one that AWS would take, or has something in it that the simulator does not support.
    pub fn set_policy(&self, access_key: &str, policy: Option<Value>) -> Result<(), PolicyError> {
        self.state().keys.set_policy(access_key, policy)
    }

    /// Stops the clock at a time.
    pub fn stop_clock(&self, now: Timestamp) {
        self.state().clock = Clock::manual(now);
    }

    /// Moves the time forward.
    pub fn advance(&self, by: SignedDuration) {
        self.state().clock.advance(by);
    }

    /// The log of calls, in the order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.iter().cloned().collect()
    }

    /// The calls of one operation, in the order of arrival.
    #[must_use]
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.operation == Some(operation)).cloned().collect()
    }

    /// Empties the log.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    /// Writes a line to the log for each call (`tracing`, level info).
    pub fn log_calls(&self, log: bool) {
        self.state().log = log;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nobody to tell of it here.
            let _ = thread.join();
        }
    }
}

/// A panic while the lock was held is a defect that has been printed; what was shared is still whole enough to look at.
pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, mut stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the socket cannot be served");
            return;
        }
    };
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, for example: it passes.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopped.changed() => return,
        };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { answer(request, &state).await }
            });
            // An error is a client that went away, or a connection that a fault closes.
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault closes the connection")]
struct Closed;

async fn answer(request: HttpRequest<Incoming>, state: &Mutex<State>) -> Result<HttpResponse<Full<Bytes>>, Closed> {
    let arrived = Timestamp::now();
    let arrived = arrived.round(jiff::Unit::Microsecond).unwrap_or(arrived);
    let (head, body) = request.into_parts();
    let controls = control_path(head.uri.path());
    let longest = if controls.is_some() { CONTROL_BODY_MAX } else { wire::BODY_MAX };
    let body = Limited::new(body, longest).collect().await.map(http_body_util::Collected::to_bytes);
    let body =
        body.map_err(
            |error| {
                if error.is::<LengthLimitError>() { Unread::TooLong } else { Unread::Broken(error.to_string()) }
            },
        );
    let (method, path, query) = (head.method.as_str(), head.uri.path(), head.uri.query());
    if let Some(path) = controls {
        let (status, value) = match body {
            Ok(body) => control::answer(state, method, path, query, &body),
            Err(Unread::TooLong) => {
                (413, serde_json::json!({ "message": format!("the body is longer than {longest} bytes") }))
            }
            Err(Unread::Broken(error)) => {
                (400, serde_json::json!({ "message": format!("the body cannot be read: {error}") }))
            }
        };
        return Ok(http(status, value.to_string().into_bytes()));
    }
    let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let user_agent = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let request = Arrived { at: arrived, method, path, query, authorization, user_agent, body: body.as_deref() };
    let Served { answer, request_id, fate } = serve(&mut lock(state), &request);
    match fate {
        Fate::Answered => {}
        Fate::Late(pause) => tokio::time::sleep(pause).await,
        Fate::Closed => return Err(Closed),
        Fate::Never => std::future::pending::<()>().await,
    }
    let mut response = http(answer.status, answer.body.bytes());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(wire::REQUEST_ID, id);
    }
    if let Some(code) = answer.error.as_deref().and_then(|code| HeaderValue::from_str(code).ok()) {
        headers.insert(wire::ERROR_TYPE, code);
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

fn http(status: u16, body: Vec<u8>) -> HttpResponse<Full<Bytes>> {
    let mut response = HttpResponse::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Why a body was not read.
#[derive(Debug)]
enum Unread {
    TooLong,
    Broken(String),
}

/// The path of a control below `/_simulator`; nothing where it is a call.
fn control_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(CONTROLS)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// A request as it arrived.
struct Arrived<'a> {
    at: Timestamp,
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    authorization: Option<&'a str>,
    user_agent: Option<&'a str>,
    body: Result<&'a [u8], &'a Unread>,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    Late(Duration),
    Closed,
    Never,
}

struct Served {
    answer: Answer,
    request_id: String,
    fate: Fate,
}

/// What the stages of a call find out, for the log.
#[derive(Default)]
struct Found {
    operation: Option<Operation>,
    caller: Option<Caller>,
    parameters: Value,
    fault: Option<FaultKind>,
    carried_out: bool,
}

fn serve(state: &mut State, request: &Arrived<'_>) -> Served {
    state.sequence += 1;
    let sequence = state.sequence;
    let request_id = format!("5b1a7e00-0000-4000-8000-{sequence:012x}");
    let mut found = Found::default();
    let result = carry_out(state, request, &mut found);
    let mut answer = match &result {
        Ok(response) => Answer::from(response),
        Err(error) => Answer::from(error),
    };
    let fate = found.fault.as_ref().map_or(Fate::Answered, |fault| alter(&mut answer, fault));
    let message = match &answer.body {
        Body::Json(Value::Object(body)) if answer.error.is_some() => {
            body.get("message").and_then(Value::as_str).map(str::to_owned)
        }
        Body::Json(_) | Body::Empty | Body::Malformed => None,
    };
    let Found { operation, caller, parameters, fault, carried_out } = found;
    let answered = matches!(fate, Fate::Answered | Fate::Late(_));
    let (account, region) = caller.map(|Caller { account, region }| (account, region)).unzip();
    let call = Call {
        sequence,
        time: request.at,
        operation,
        account,
        region,
        user_agent: request.user_agent.map(str::to_owned),
        parameters,
        carried_out,
        status: answered.then_some(answer.status),
        error: answer.error.clone().filter(|_| answered),
        message: message.filter(|_| answered),
        fault,
        request_id: request_id.clone(),
    };
    if state.log {
        tracing::info!(
            operation = call.operation.map_or(request.path, |operation| operation.as_str()), account = call.account, region = call.region,
            parameters = %call.parameters, status = call.status, error = call.error, message_ = call.message,
            fault = call.fault.is_some(), request_id, "call"
        );
    }
    if state.calls.len() >= CALLS_MAX {
        state.calls.pop_front();
    }
    state.calls.push_back(call);
    Served { answer, request_id, fate }
}

/// Front door, faults, throttle, IAM, and the world, in the order in which a call meets them.
fn carry_out(state: &mut State, request: &Arrived<'_>, found: &mut Found) -> Result<Response, ApiError> {
    let switches = state.world.switches;
    let (operation, members) = wire::route(request.method, request.path)?;
    found.operation = Some(operation);
    let body = request.body.map_err(|unread| match unread {
        Unread::TooLong => ApiError::new(
            ErrorCode::RequestEntityTooLargeException,
            format!("The body is longer than {} bytes.", wire::BODY_MAX),
        ),
        Unread::Broken(error) => ApiError::new(wire::malformed_code(&switches), error.as_str()),
    })?;
    let parameters = wire::parameters(operation, members, request.query, body, &switches);
    found.parameters = parameters.as_ref().ok().cloned().unwrap_or_default();
    let Identity { access_key, caller } = state.keys.identify(request.authorization)?;
    found.caller = Some(caller.clone());
    found.fault = state.faults.meet(operation, &found.parameters);
    if let Some(FaultKind::Error { .. } | FaultKind::DroppedConnection | FaultKind::Hang) = &found.fault {
        // The answer is made by the fault; this one is never sent.
        return Err(ApiError::new(ErrorCode::InternalServerException, "a fault was injected"));
    }
    let now = state.now();
    if !state.throttle.admits(&caller, operation, now) {
        return Err(ApiError::new(
            ErrorCode::ThrottlingException,
            "Too many requests, please wait before trying again.",
        ));
    }
    let request = wire::request(operation, &parameters?, &switches)?;
    if let Some(policy) = state.keys.policy(&access_key) {
        state.world.settle(now);
        iam::authorize(policy, &access_key, &caller, &iam::accesses(&state.world, &caller, &request, now))?;
    }
    let response = state.world.call(&caller, &request, now)?;
    found.carried_out = true;
    Ok(response)
}

/// What a fault makes of an answer.
fn alter(answer: &mut Answer, fault: &FaultKind) -> Fate {
    match fault {
        FaultKind::Error { code, status, message, retry_after } => {
            let own = ErrorCode::parse(code).map_or(400, ErrorCode::status);
            let message = message.clone().unwrap_or_else(|| format!("{code} was injected."));
            *answer = Answer {
                status: status.unwrap_or(own),
                error: Some(code.clone()),
                retry_after: *retry_after,
                body: Body::Json(serde_json::json!({ "message": message })),
            };
            Fate::Answered
        }
        FaultKind::Latency { seconds } => Fate::Late(Duration::try_from(seconds.duration()).unwrap_or_default()),
        FaultKind::LostResponse | FaultKind::DroppedConnection => Fate::Closed,
        FaultKind::MalformedBody => {
            answer.body = Body::Malformed;
            Fate::Answered
        }
        FaultKind::Hang => Fate::Never,
        FaultKind::UnknownStatus { status } => {
            if let Body::Json(body) = &mut answer.body {
                replace_status(body, status);
            }
            Fate::Answered
        }
    }
}

fn replace_status(value: &mut Value, status: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "status" && member.is_string() {
                    *member = status.into();
                } else {
                    replace_status(member, status);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_status(item, status)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
