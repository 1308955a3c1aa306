//! The log of calls.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{faults::FaultKind, operation::Operation};

/// One call that came in, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its number, from 1.
    pub sequence: u64,
    /// When it arrived, by the machine's clock.
    pub time: Timestamp,
    /// The operation; nothing where no operation has this method and path.
    pub operation: Option<Operation>,
    /// The account that signed it, where that was found out.
    pub account: Option<String>,
    /// The region that it was signed for.
    pub region: Option<String>,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
    /// The members of the request.
    pub parameters: Value,
    /// Whether it was let through and carried out, whatever became of the answer.
    pub carried_out: bool,
    /// The HTTP status of the answer; nothing where none was sent.
    pub status: Option<u16>,
    /// The error code of the answer.
    pub error: Option<String>,
    /// The sentence of the error.
    pub message: Option<String>,
    /// The fault that was injected into it.
    pub fault: Option<FaultKind>,
    /// The `x-amzn-RequestId` of the answer.
    pub request_id: String,
}
