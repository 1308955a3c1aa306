//! The API server's audit log: every request with its user, the honest way to count what a client does.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Every answered request without bodies; neither the API server's own nor health checks.
pub(super) const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  users: ["system:apiserver"]
- level: None
  nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]
- level: Metadata
"#;

/// One answered request. A watch is answered when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// For example `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The API group, empty for the core group and for requests that are about no resource.
    pub group: String,
    /// The plural, for example `leases`; empty for requests that are about no resource, such as discovery.
    pub resource: String,
    /// For example `status`, or empty.
    pub subresource: String,
    /// The object's namespace, or empty.
    pub namespace: String,
    /// The object's name, or empty.
    pub name: String,
    /// The path and query.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// When the request came, RFC 3339 with microseconds.
    pub received: String,
}

/// Reads the log's complete lines.
pub(super) fn parse(log: &str) -> Result<Vec<AuditEvent>> {
    // What is behind the last newline is being written.
    let complete = log.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let mut events = Vec::new();
    for (number, line) in complete.lines().enumerate() {
        let value: Value = serde_json::from_str(line).with_context(|| format!("line {} is no JSON", number + 1))?;
        if text(&value, "/stage") == "ResponseComplete" {
            events.push(event(&value));
        }
    }
    Ok(events)
}

fn event(value: &Value) -> AuditEvent {
    let code = value.pointer("/responseStatus/code").and_then(Value::as_u64);
    AuditEvent {
        user: text(value, "/user/username"),
        verb: text(value, "/verb"),
        group: text(value, "/objectRef/apiGroup"),
        resource: text(value, "/objectRef/resource"),
        subresource: text(value, "/objectRef/subresource"),
        namespace: text(value, "/objectRef/namespace"),
        name: text(value, "/objectRef/name"),
        uri: text(value, "/requestURI"),
        code: code.and_then(|code| u16::try_from(code).ok()).unwrap_or_default(),
        received: text(value, "/requestReceivedTimestamp"),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","requestURI":"/apis/a.dev/v1/namespaces/n/things/t/status?x=1","verb":"patch","user":{"username":"system:serviceaccount:n:o"},"objectRef":{"resource":"things","namespace":"n","name":"t","apiGroup":"a.dev","apiVersion":"v1","subresource":"status"},"responseStatus":{"metadata":{},"code":409},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z"}"#;

    #[test]
    fn reads_an_event() {
        let events = parse(&format!("{LINE}\n")).unwrap();
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event.verb.as_str(), event.code), ("patch", 409));
        assert_eq!(
            (event.group.as_str(), event.resource.as_str(), event.subresource.as_str()),
            ("a.dev", "things", "status")
        );
        assert_eq!((event.namespace.as_str(), event.name.as_str()), ("n", "t"));
        assert_eq!(event.user, "system:serviceaccount:n:o");
        assert_eq!(event.received, "2026-01-02T03:04:05.000006Z");
    }

    #[test]
    fn leaves_out_a_line_that_is_being_written() {
        assert_eq!(parse(&format!("{LINE}\n{}", &LINE[..50])).unwrap().len(), 1);
        assert_eq!(parse(&LINE[..50]).unwrap(), []);
    }

    #[test]
    fn leaves_out_other_stages() {
        let started = LINE.replace("ResponseComplete", "ResponseStarted");
        assert_eq!(parse(&format!("{started}\n")).unwrap(), []);
    }

    #[test]
    fn names_a_line_that_is_broken() {
        let error = parse(&format!("{LINE}\nnope\n")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error:#}");
    }
}
