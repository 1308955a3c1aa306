//! An API server that keeps objects, takes writes of their status and finalizers, and lets events pass.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{patch, post},
};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The objects, by name.
#[derive(Clone, Default)]
struct Objects(Arc<Mutex<BTreeMap<String, Value>>>);

impl Objects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().expect("nobody panics while holding the objects")
    }
}

/// A running API server. It ends when this is dropped.
pub(crate) struct Kubernetes {
    objects: Objects,
    client: Client,
    server: JoinHandle<()>,
}

impl Kubernetes {
    pub(crate) fn start() -> Self {
        let objects = Objects::default();
        let api = "/apis/bedrock-throughput.dev/v1alpha1/namespaces/{namespace}/provisionedthroughputs/{name}";
        let router = Router::new()
            .route(&format!("{api}/status"), patch(write_status))
            .route(api, patch(write_finalizers))
            .route(
                "/apis/events.k8s.io/v1/namespaces/{namespace}/events",
                post(|Json(event): Json<Value>| async { Json(event) }),
            )
            .with_state(objects.clone());
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let url = format!("http://{}", listener.local_addr().expect("the port")).parse().expect("an address");
        let server = tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("serving");
        });
        let client = Client::try_from(Config::new(url)).expect("a client");
        Self { objects, client, server }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn put(&self, object: Value) {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        self.objects.lock().insert(name, object);
    }

    pub(crate) fn get(&self, name: &str) -> Value {
        self.objects.lock().get(name).cloned().unwrap_or_default()
    }

    /// All objects, by name.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.objects.lock().values().cloned().collect()
    }

    /// Changes an object that is still there.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some(object) = self.objects.lock().get_mut(name) {
            change(object);
            touch(object);
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

fn refusal(code: StatusCode, reason: &str) -> (StatusCode, Json<Value>) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code.as_u16(), "message": reason});
    (code, Json(status))
}

/// The object that a patch is about, if nobody has changed it since.
fn checked<'a>(
    objects: &'a mut BTreeMap<String, Value>,
    name: &str,
    patch: &Value,
) -> Result<&'a mut Value, (StatusCode, Json<Value>)> {
    let object = objects.get_mut(name).ok_or_else(|| refusal(StatusCode::NOT_FOUND, "NotFound"))?;
    let agrees = |key: &str| patch["metadata"].get(key).is_none_or(|given| *given == object["metadata"][key]);
    if agrees("uid") && agrees("resourceVersion") { Ok(object) } else { Err(refusal(StatusCode::CONFLICT, "Conflict")) }
}

fn touch(object: &mut Value) {
    let version: u64 =
        object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

async fn write_status(State(objects): State<Objects>, Path((_, name)): Path<(String, String)>, body: String) -> Answer {
    let patch: Value = serde_json::from_str(&body).expect("JSON");
    let mut objects = objects.lock();
    let object = checked(&mut objects, &name, &patch)?;
    object["status"] = patch["status"].clone();
    touch(object);
    Ok(Json(object.clone()))
}

async fn write_finalizers(
    State(objects): State<Objects>,
    Path((_, name)): Path<(String, String)>,
    body: String,
) -> Answer {
    let patch: Value = serde_json::from_str(&body).expect("JSON");
    let mut objects = objects.lock();
    let object = checked(&mut objects, &name, &patch)?;
    object["metadata"]["finalizers"] = patch["metadata"]["finalizers"].clone();
    touch(object);
    let written = object.clone();
    let is_gone = written["metadata"].get("deletionTimestamp").is_some()
        && written["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    if is_gone {
        objects.remove(&name);
    }
    Ok(Json(written))
}
