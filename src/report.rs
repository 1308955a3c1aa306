//! What a pass came to, told to Kubernetes: status by server-side apply, and events.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    core::DeserializeGuard,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::Instrument as _;

use crate::{
    conditions::truncated,
    crd::{ANNOTATIONS, FINALIZER, GROUP, ProvisionedThroughput, ProvisionedThroughputStatus},
    outcome::{Notice, Severity},
};

/// The longest that a write to Kubernetes may take before it counts as failed. The client itself waits without end.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The longest note that the API server takes for an event, in bytes (type `events.k8s.io/v1.Event`).
const NOTE_MAX: usize = 1024;

/// An object as it is watched: one that does not fit the API types stops neither the watch nor the others.
pub type Watched = DeserializeGuard<ProvisionedThroughput>;

/// Which object is told of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Subject {
    /// The subject that an object is.
    #[must_use]
    pub fn of(object: &Watched) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}

/// Whether an object is being deleted and has not to see to its throughput before: somebody else's finalizer keeps it for now.
#[must_use]
pub fn is_leaving(object: &Watched) -> bool {
    object.meta().deletion_timestamp.is_some() && !object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// What an object is after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its resource version.
    pub resource_version: String,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// What the operator is asked for.
    pub asked: Asked,
}

/// What an object asks the operator for: the same generation and annotations are the same wish.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The generation of the manifest, which a deletion changes, too.
    pub generation: Option<i64>,
    /// The annotations that are honoured.
    pub annotations: [Option<String>; 3],
}

impl Live {
    /// What an object is, as it was watched or answered.
    #[must_use]
    pub fn of(object: &Watched) -> Self {
        let meta = object.meta();
        Self {
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            asked: Asked {
                generation: meta.generation,
                annotations: ANNOTATIONS.map(|key| meta.annotations.as_ref()?.get(key).cloned()),
            },
        }
    }
}

/// Kubernetes did not take what was told.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// Somebody changed the object meanwhile.
    #[error("the object was changed meanwhile")]
    Conflict,
    /// No answer in time.
    #[error("the API server did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Any other fault.
    #[error("{}", said(.0))]
    Kube(#[source] kube::Error),
}

/// What Kubernetes says, in its own words.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Writes to Kubernetes.
#[derive(Clone)]
pub struct Reporter {
    client: Client,
    instance: String,
}

impl Reporter {
    /// Writes with `client`. `instance` is what events call this process: in a cluster, its pod.
    #[must_use]
    pub fn new(client: Client, instance: String) -> Self {
        Self { client, instance: truncated(instance, 128) }
    }

    /// Writes a whole status, and returns what the object is by then. With `only_at`, a resource version, it is written only if nobody has
    /// changed the object since.
    ///
    /// # Errors
    /// When Kubernetes does not take it; [`ReportError::Conflict`] where the object was changed.
    pub async fn write(
        &self,
        subject: &Subject,
        status: &ProvisionedThroughputStatus,
        only_at: Option<&str>,
    ) -> Result<Live, ReportError> {
        // With the uid, an object of the same name that was made meanwhile is not written to.
        let metadata = match only_at {
            Some(resource_version) => json!({"uid": subject.uid, "resourceVersion": resource_version}),
            None => json!({"uid": subject.uid}),
        };
        self.apply(subject, &metadata, &json!(status)).await
    }

    /// Sets the finalizers of an object that nobody has changed since `only_at`, a resource version. Returns what the object is by then;
    /// [`ReportError::Gone`] where it went with its last finalizer.
    ///
    /// # Errors
    /// When Kubernetes does not take it; [`ReportError::Conflict`] where the object was changed.
    pub async fn set_finalizers(
        &self,
        subject: &Subject,
        finalizers: &[String],
        only_at: &str,
    ) -> Result<Live, ReportError> {
        let patch = json!({"metadata": {"uid": subject.uid, "resourceVersion": only_at, "finalizers": finalizers}});
        let request = kube::core::Request::new(Watched::url_path(&(), Some(&subject.namespace)))
            .patch(&subject.name, &PatchParams::default(), &Patch::Merge(&patch))
            .map_err(|error| ReportError::Kube(kube::Error::BuildRequest(error)))?;
        within(self.client.request(request)).await.map(|written| Live::of(&written))
    }

    /// Writes the conditions alone, of an object whose status this version cannot read: what else stands in it must not be lost.
    ///
    /// # Errors
    /// When Kubernetes does not take it.
    pub async fn write_conditions(
        &self,
        subject: &Subject,
        status: &ProvisionedThroughputStatus,
    ) -> Result<Live, ReportError> {
        // A patch that changes nothing answers with the object as it is, which a role that may only patch cannot get.
        let nothing = json!({"metadata": {"uid": subject.uid}});
        let raw: serde_json::Value =
            self.patch_status(subject, &PatchParams::default(), &Patch::Merge(&nothing)).await?;
        let mut whole = match raw.get("status") {
            Some(serde_json::Value::Object(status)) => status.clone(),
            Some(_) | None => serde_json::Map::new(),
        };
        let ProvisionedThroughputStatus { observed_generation, conditions, .. } = status;
        whole.insert("observedGeneration".to_owned(), json!(observed_generation));
        whole.insert("conditions".to_owned(), json!(conditions));
        self.apply(subject, &json!({"uid": subject.uid}), &json!(whole)).await
    }

    /// The whole status, under the one name that the operator writes under: what it leaves out is taken away.
    async fn apply(
        &self,
        subject: &Subject,
        metadata: &serde_json::Value,
        status: &serde_json::Value,
    ) -> Result<Live, ReportError> {
        let patch = json!({
            "apiVersion": ProvisionedThroughput::api_version(&()),
            "kind": ProvisionedThroughput::kind(&()),
            "metadata": metadata,
            "status": status,
        });
        let parameters = PatchParams::apply(GROUP).force();
        let patch = Patch::Apply(&patch);
        let written = self.patch_status(subject, &parameters, &patch);
        let written: Watched = written.instrument(tracing::info_span!("write status")).await?;
        Ok(Live::of(&written))
    }

    async fn patch_status<T: DeserializeOwned>(
        &self,
        subject: &Subject,
        parameters: &PatchParams,
        patch: &Patch<&serde_json::Value>,
    ) -> Result<T, ReportError> {
        let request = kube::core::Request::new(Watched::url_path(&(), Some(&subject.namespace)))
            .patch_subresource("status", &subject.name, parameters, patch)
            .map_err(|error| ReportError::Kube(kube::Error::BuildRequest(error)))?
            .map(readable_as_yaml);
        within(self.client.request(request)).await
    }

    /// Publishes an event about an object.
    ///
    /// # Errors
    /// When Kubernetes does not take it.
    pub async fn publish(&self, subject: &Subject, notice: &Notice, now: Timestamp) -> Result<(), ReportError> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &subject.namespace);
        let event = self.event(subject, notice, now);
        within(api.create(&PostParams::default(), &event)).await.map(drop)
    }

    fn event(&self, subject: &Subject, notice: &Notice, now: Timestamp) -> Event {
        let suffix = format!(".{:x}", now.as_nanosecond());
        Event {
            metadata: ObjectMeta {
                name: Some(truncated_name(&subject.name, &suffix)),
                namespace: Some(subject.namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(truncated(notice.note.clone(), NOTE_MAX)),
            reason: Some(notice.reason.to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some(ProvisionedThroughput::api_version(&()).into_owned()),
                kind: Some(ProvisionedThroughput::kind(&()).into_owned()),
                namespace: Some(subject.namespace.clone()),
                name: Some(subject.name.clone()),
                uid: Some(subject.uid.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(format!("{GROUP}/operator")),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(
                match notice.severity {
                    Severity::Normal => "Normal",
                    Severity::Warning => "Warning",
                }
                .to_owned(),
            ),
            ..Event::default()
        }
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// JSON that is YAML, too, which the API server reads an apply patch as. JSON lets pass a few characters that YAML does not (YAML 1.2.2,
/// section 5.1); they can only stand inside strings, where both know the escape.
fn readable_as_yaml(json: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&json) else { return json };
    let unreadable = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    if !text.contains(unreadable) {
        return json;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unreadable(c) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.into_bytes()
}

/// A call to Kubernetes that ends in time, with our own words for what can come of it.
///
/// # Errors
/// As [`ReportError`] says.
pub(crate) async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ReportError> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(ReportError::Gone),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(ReportError::Conflict),
        Ok(Err(error)) => Err(ReportError::Kube(error)),
        Err(_) => Err(ReportError::Timeout),
    }
}

/// The name of an event: the object's, cut so that the suffix fits into the 253 bytes of a name (RFC 1123 subdomain).
fn truncated_name(name: &str, suffix: &str) -> String {
    let room = 253_usize.saturating_sub(suffix.len());
    let cut: String = name.chars().take(room).collect();
    format!("{}{suffix}", cut.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_does_not_take_is_escaped_and_means_the_same() {
        let value = json!({"a": "\u{80}\u{7f}\u{feff} ü 😀 \n", "b": "plain"});
        let escaped = readable_as_yaml(value.to_string().into_bytes());
        let text = std::str::from_utf8(&escaped).unwrap();
        assert!(text.contains("\\u0080\\u007f\\ufeff ü 😀"), "{text}");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&escaped).unwrap(), value);
        assert_eq!(readable_as_yaml(b"{}".to_vec()), b"{}");
    }

    #[test]
    fn the_name_of_an_event_fits() {
        assert_eq!(truncated_name("summarizer", ".18a"), "summarizer.18a");
        let long = truncated_name(&"x".repeat(253), ".18a");
        assert_eq!(long.len(), 253);
        assert!(long.ends_with("x.18a"));
    }
}
