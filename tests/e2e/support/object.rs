//! Manifests, and the questions that tests ask of the objects that came of them.

use bedrock_throughput_operator::crd::ProvisionedThroughput;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DynamicObject;
use serde_json::{Value, json};

/// The manifest of a `ProvisionedThroughput` as a user writes it; the namespace comes with applying it.
pub fn manifest(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "bedrock-throughput.dev/v1alpha1",
        "kind": "ProvisionedThroughput",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// The annotation that asks for a look now.
pub fn with_request(mut manifest: Value, value: &str) -> Value {
    manifest["metadata"]["annotations"] = json!({"bedrock-throughput.dev/reconcile-requested-at": value});
    manifest
}

/// The annotation that approves a plan.
pub const APPROVE: &str = "bedrock-throughput.dev/approve";
/// The annotation that takes a throughput over from another object.
pub const TAKE_OVER_FROM: &str = "bedrock-throughput.dev/take-over-from";
/// The annotation that asks for a look now.
pub const RECONCILE_REQUESTED_AT: &str = "bedrock-throughput.dev/reconcile-requested-at";

/// An object as the API server has it.
#[derive(Debug, Clone)]
pub struct Object(pub ProvisionedThroughput);

impl Object {
    /// The generation of its manifest.
    pub fn generation(&self) -> i64 {
        self.0.metadata.generation.unwrap_or_default()
    }

    /// The generation that its status speaks of.
    pub fn observed_generation(&self) -> i64 {
        self.0.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(-1)
    }

    /// Whether its status speaks of the manifest as it is now.
    pub fn is_observed(&self) -> bool {
        self.generation() == self.observed_generation()
    }

    /// The condition of a type, if it is there.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.0.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// `type=status/reason` of every condition, in order.
    pub fn conditions(&self) -> Vec<String> {
        let conditions = self.0.status.iter().flat_map(|status| &status.conditions);
        conditions.map(|it| format!("{}={}/{}", it.type_, it.status, it.reason)).collect()
    }

    /// The status of a condition, or nothing where it is not there.
    pub fn says(&self, type_: &str) -> &str {
        self.condition(type_).map_or("", |condition| &condition.status)
    }

    /// The reason of the condition `Ready`.
    pub fn reason(&self) -> &str {
        self.condition("Ready").map_or("", |condition| &condition.reason)
    }

    /// The message of the condition `Ready`.
    pub fn message(&self) -> &str {
        self.condition("Ready").map_or("", |condition| &condition.message)
    }

    /// Ready, synced, neither stalled nor under way, and all of it about the manifest as it is now.
    pub fn is_ready(&self) -> bool {
        self.is_observed() && self.conditions() == ["Ready=True/InService", "Synced=True/UpToDate"]
    }

    /// Stalled for this reason, about the manifest as it is now.
    pub fn is_stalled(&self, reason: &str) -> bool {
        self.is_observed()
            && self.condition("Stalled").is_some_and(|stalled| stalled.status == "True" && stalled.reason == reason)
    }

    /// A member of the status by its JSON pointer, as text; nothing where it is not there.
    pub fn status(&self, pointer: &str) -> String {
        let status = serde_json::to_value(&self.0.status).unwrap_or_default();
        match status.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The hash of the plan that waits for approval. Panics where none does.
    pub fn plan_hash(&self) -> String {
        let hash = self.status("/plan/hash");
        assert!(hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()), "the plan has the hash {hash:?}");
        hash
    }

    /// The whole status, without what differs from one run to the next: times and ids of requests.
    pub fn status_without_times(&self) -> Value {
        let mut status = serde_json::to_value(&self.0.status).unwrap_or_default();
        strip(&mut status);
        status
    }
}

/// Takes out times, ids of requests, and what only counts up.
fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !key.ends_with("Time") && !["time", "requestId", "sentAt"].contains(&key.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An event, as `kubectl events` would show it.
pub fn event_line(event: &DynamicObject) -> String {
    let text = |pointer| event.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {} {}: {}", text("/type"), text("/reason"), text("/regarding/name"), text("/note"))
}
