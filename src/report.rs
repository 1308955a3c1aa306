//! What a pass came to, told to Kubernetes: status by server-side apply, and events.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
    core::DeserializeGuard,
};
use serde_json::json;

use crate::{
    conditions::truncated,
    crd::{GROUP, ProvisionedThroughput, ProvisionedThroughputStatus},
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

/// What an object is after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its resource version.
    pub resource_version: String,
    /// The generation of its manifest.
    pub generation: Option<i64>,
    /// Whether it is being deleted.
    pub is_going: bool,
}

/// Kubernetes did not take what was told.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// No answer in time.
    #[error("the API server did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Any other fault.
    #[error("{0}")]
    Kube(#[source] kube::Error),
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

    /// Writes a whole status, and returns what the object is by then.
    ///
    /// # Errors
    /// When Kubernetes does not take it.
    pub async fn write(&self, subject: &Subject, status: &ProvisionedThroughputStatus) -> Result<Live, ReportError> {
        let patch = json!({
            "apiVersion": ProvisionedThroughput::api_version(&()),
            "kind": ProvisionedThroughput::kind(&()),
            // With the uid, an object of the same name that was made meanwhile is not written to.
            "metadata": {"uid": subject.uid},
            "status": status,
        });
        self.patch(subject, &PatchParams::apply(GROUP).force(), &Patch::Apply(&patch)).await
    }

    /// Writes the conditions alone, of an object whose status this version cannot read: what stands in it must not be lost.
    ///
    /// # Errors
    /// When Kubernetes does not take it.
    pub async fn write_conditions(
        &self,
        subject: &Subject,
        status: &ProvisionedThroughputStatus,
    ) -> Result<Live, ReportError> {
        let ProvisionedThroughputStatus { observed_generation, conditions, .. } = status;
        let patch = json!({
            "metadata": {"uid": subject.uid},
            "status": {"observedGeneration": observed_generation, "conditions": conditions},
        });
        self.patch(subject, &PatchParams::default(), &Patch::Merge(&patch)).await
    }

    async fn patch(
        &self,
        subject: &Subject,
        parameters: &PatchParams,
        patch: &Patch<&serde_json::Value>,
    ) -> Result<Live, ReportError> {
        let request = kube::core::Request::new(Watched::url_path(&(), Some(&subject.namespace)))
            .patch_subresource("status", &subject.name, parameters, patch)
            .map_err(|error| ReportError::Kube(kube::Error::BuildRequest(error)))?
            .map(readable_as_yaml);
        let written: Watched = within(self.client.request(request)).await?;
        let meta = written.meta();
        Ok(Live {
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            generation: meta.generation,
            is_going: meta.deletion_timestamp.is_some(),
        })
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

async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ReportError> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(ReportError::Gone),
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
