//! Faults on request: what a call meets instead of, or beside, its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::ErrorCode, operation::Operation, settings::Seconds};

/// A fault that waits for calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Which operation; any, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Only calls that name this resource (by the ARN, name or id in the request).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// How many calls that fit are let pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls meet it; all, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What they meet.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What a call meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum FaultKind {
    /// An error instead of the answer; the call is not carried out.
    Error {
        /// The code, one of AWS's or any other.
        code: String,
        /// The HTTP status; if not given, the one that belongs to the code, else 400.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// A `Retry-After` header, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "retryAfter")]
        retry_after: Option<u32>,
    },
    /// The answer comes later. The call is carried out when it arrives.
    Latency {
        /// How much later.
        seconds: Seconds,
    },
    /// The call is carried out, and the connection closed without an answer.
    LostResponse,
    /// The connection is closed; the call is not carried out.
    DroppedConnection,
    /// The call is carried out, and its answer is no JSON.
    MalformedBody,
    /// No answer ever; the call is not carried out.
    Hang,
    /// The call is carried out, and every `status` in its answer is a word that the API does not have.
    UnknownStatus {
        /// The word.
        #[serde(default = "unknown_status")]
        status: String,
    },
}

fn unknown_status() -> String {
    "Rebalancing".to_owned()
}

impl Fault {
    /// A fault for every call of an operation, until it is cleared.
    #[must_use]
    pub fn on(operation: Operation, kind: FaultKind) -> Self {
        Self { operation: Some(operation), resource: None, skip: 0, count: None, kind }
    }

    /// Only for this many calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Only after this many calls.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Only for calls that name a resource.
    #[must_use]
    pub fn about(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// The fault, where it can stand on the wire.
    ///
    /// # Errors
    /// An HTTP status that is no error's, or a code that no header can carry.
    pub fn checked(self) -> Result<Self, String> {
        match &self.kind {
            FaultKind::Error { status: Some(status), .. } if !(400..=599).contains(status) => {
                Err(format!("status is {status}; the status of an error is 400 to 599"))
            }
            FaultKind::Error { code, .. } if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(format!("code is {code:?}; a code has printable ASCII characters and no space"))
            }
            FaultKind::Error { .. }
            | FaultKind::Latency { .. }
            | FaultKind::LostResponse
            | FaultKind::DroppedConnection
            | FaultKind::MalformedBody
            | FaultKind::Hang
            | FaultKind::UnknownStatus { .. } => Ok(self),
        }
    }

    fn fits(&self, operation: Operation, parameters: &Value) -> bool {
        let named = operation.resource_member().and_then(|member| parameters.get(member)).and_then(Value::as_str);
        self.operation.is_none_or(|wanted| wanted == operation)
            && self.resource.as_deref().is_none_or(|wanted| named == Some(wanted))
    }
}

impl FaultKind {
    /// An error of AWS, with its own status.
    #[must_use]
    pub fn error(code: ErrorCode) -> Self {
        Self::code(code.as_str())
    }

    /// An error with any code.
    #[must_use]
    pub fn code(code: &str) -> Self {
        Self::Error { code: code.to_owned(), status: None, message: None, retry_after: None }
    }
}

/// The faults that wait, in the order in which they were injected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Takes away the faults of an operation, or all.
    pub fn clear(&mut self, operation: Option<Operation>) {
        match operation {
            Some(operation) => self.0.retain(|fault| fault.operation != Some(operation)),
            None => self.0.clear(),
        }
    }

    /// What a call meets: the first fault that fits and has let pass those that it skips.
    pub fn meet(&mut self, operation: Operation, parameters: &Value) -> Option<FaultKind> {
        let mut met = None;
        for fault in self.0.iter_mut().filter(|fault| fault.fits(operation, parameters)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if met.is_none() && fault.count != Some(0) {
                fault.count = fault.count.map(|count| count - 1);
                met = Some(fault.kind.clone());
            }
        }
        self.0.retain(|fault| fault.count != Some(0));
        met
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UPDATE: Operation = Operation::UpdateProvisionedModelThroughput;

    #[test]
    fn a_fault_skips_counts_and_is_gone() {
        let mut faults = Faults::default();
        faults.inject(Fault::on(UPDATE, FaultKind::Hang).after(1).times(2));
        let met: Vec<bool> = (0..4).map(|_| faults.meet(UPDATE, &json!({})).is_some()).collect();
        assert_eq!(met, [false, true, true, false]);
        assert_eq!(faults, Faults::default());
    }

    #[test]
    fn a_fault_is_for_its_operation_and_resource() {
        let mut faults = Faults::default();
        faults.inject(Fault::on(UPDATE, FaultKind::LostResponse).about("a"));
        assert_eq!(faults.meet(UPDATE, &json!({"provisionedModelId": "b"})), None);
        assert_eq!(faults.meet(Operation::GetProvisionedModelThroughput, &json!({"provisionedModelId": "a"})), None);
        assert_eq!(faults.meet(UPDATE, &json!({"provisionedModelId": "a"})), Some(FaultKind::LostResponse));
    }

    #[test]
    fn a_fault_is_written_as_one_object() {
        let text = r#"{"operation": "UpdateProvisionedModelThroughput", "count": 1, "kind": "error", "code": "ThrottlingException"}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::on(UPDATE, FaultKind::error(ErrorCode::ThrottlingException)).times(1));
    }
}
