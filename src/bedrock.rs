//! The few calls of Amazon Bedrock that the operator makes, and the faults that it can meet. No AWS SDK here: see [`sdk`].

use std::time::Duration;

use futures::future::BoxFuture;

use crate::{
    conditions::Reason,
    crd::UpdateRequest,
    identifiers::{ProvisionedModelArn, ProvisionedModelId, Region},
    observed::{CustomModel, Throughput},
};

pub mod inventory;
pub mod metered;
pub mod models;
pub mod sdk;

/// The calls that the operator makes, each once: trying again is the caller's decision, so that pauses do not multiply.
pub trait Bedrock: std::fmt::Debug + Send + Sync + 'static {
    /// `ListProvisionedModelThroughputs`, all pages.
    fn list_throughputs<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>>;

    /// `GetProvisionedModelThroughput`; `None` where AWS has none.
    fn get_throughput<'a>(
        &'a self,
        region: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>>;

    /// `UpdateProvisionedModelThroughput`; AWS's id of the call.
    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        request: &'a UpdateRequest,
    ) -> BoxFuture<'a, Result<Accepted, Fault>>;

    /// `GetCustomModel`, by ARN or name; `None` where AWS has none.
    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>>;
}

/// AWS accepted a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// AWS's id of the call, to find it in `CloudTrail`.
    pub request_id: Option<String>,
}

/// The operations behind [`Bedrock`], by AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `ListProvisionedModelThroughputs`
    ListProvisionedModelThroughputs,
    /// `GetProvisionedModelThroughput`
    GetProvisionedModelThroughput,
    /// `UpdateProvisionedModelThroughput`
    UpdateProvisionedModelThroughput,
    /// `GetCustomModel`
    GetCustomModel,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 4] = [
        Self::ListProvisionedModelThroughputs,
        Self::GetProvisionedModelThroughput,
        Self::UpdateProvisionedModelThroughput,
        Self::GetCustomModel,
    ];

    /// AWS's name of the operation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListProvisionedModelThroughputs => "ListProvisionedModelThroughputs",
            Self::GetProvisionedModelThroughput => "GetProvisionedModelThroughput",
            Self::UpdateProvisionedModelThroughput => "UpdateProvisionedModelThroughput",
            Self::GetCustomModel => "GetCustomModel",
        }
    }
}

/// The kinds of fault, by what the world should do about them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// IAM does not allow the call.
    AccessDenied,
    /// What the call names does not exist.
    NotFound,
    /// The call is refused as it stands: another like it will be, too.
    Refused,
    /// The call is refused because of what AWS is busy with.
    Conflict,
    /// Too many calls.
    Throttled,
    /// An error within AWS.
    Internal,
    /// No answer in time.
    Timeout,
    /// No connection, or one that was lost.
    Connection,
    /// An answer that cannot be understood.
    InvalidResponse,
    /// There are no credentials to sign the call with.
    CredentialsMissing,
    /// AWS does not accept the credentials.
    CredentialsRejected,
}

/// A call that brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// Which call.
    pub operation: Operation,
    /// The error code of AWS, where there is one.
    pub code: Option<String>,
    /// AWS's own words, or those of the connection.
    pub detail: String,
    /// AWS's id of the call, where it was answered.
    pub request_id: Option<String>,
    /// How long AWS asks to wait.
    pub retry_after: Option<Duration>,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::AccessDenied,
        Self::NotFound,
        Self::Refused,
        Self::Conflict,
        Self::Throttled,
        Self::Internal,
        Self::Timeout,
        Self::Connection,
        Self::InvalidResponse,
        Self::CredentialsMissing,
        Self::CredentialsRejected,
    ];

    /// The reason that conditions carry for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::AccessDenied => Reason::AccessDenied,
            Self::NotFound => Reason::NotFound,
            Self::Refused => Reason::Refused,
            Self::Conflict => Reason::Conflict,
            Self::Throttled => Reason::Throttled,
            Self::Internal => Reason::AwsUnavailable,
            Self::Timeout => Reason::Timeout,
            Self::Connection => Reason::ConnectionFailed,
            Self::InvalidResponse => Reason::InvalidResponse,
            Self::CredentialsMissing => Reason::CredentialsMissing,
            Self::CredentialsRejected => Reason::CredentialsRejected,
        }
    }
}

impl Fault {
    /// The reason that conditions carry for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.kind.reason()
    }

    /// Whether a call that changes something may have been carried out all the same.
    #[must_use]
    pub fn may_have_been_carried_out(&self) -> bool {
        match self.kind {
            FaultKind::Internal | FaultKind::Timeout | FaultKind::Connection | FaultKind::InvalidResponse => true,
            FaultKind::AccessDenied
            | FaultKind::NotFound
            | FaultKind::Refused
            | FaultKind::Conflict
            | FaultKind::Throttled
            | FaultKind::CredentialsMissing
            | FaultKind::CredentialsRejected => false,
        }
    }

    /// The fault for a person, with the way out. It says nothing that changes from one try to the next, so that a status is not written
    /// again for it; the request id is in the log.
    #[must_use]
    pub fn sentence(&self) -> String {
        let call = self.operation.as_str();
        let said = match &self.code {
            Some(code) if self.detail.is_empty() => code.clone(),
            Some(code) => format!("{code}: {}", self.detail),
            None => self.detail.clone(),
        };
        match self.kind {
            FaultKind::AccessDenied => {
                format!(
                    "IAM does not allow the operator bedrock:{call}: add the action to its policy. AWS says: {said}"
                )
            }
            FaultKind::NotFound => {
                format!(
                    "{call} named something that AWS does not have: check the throughput and modelId. AWS says: {said}"
                )
            }
            FaultKind::Refused => {
                format!("AWS refused {call}: change the manifest so that AWS takes it. AWS says: {said}")
            }
            FaultKind::Conflict => format!("AWS is busy and refused {call}; it is tried again. AWS says: {said}"),
            FaultKind::Throttled => format!("AWS throttles {call}; it is tried again more slowly. AWS says: {said}"),
            FaultKind::Internal => format!("AWS failed at {call}; it is tried again. AWS says: {said}"),
            FaultKind::Timeout => format!("AWS did not answer {call} in time; it is looked at again. {said}"),
            FaultKind::Connection => format!("AWS could not be reached for {call}; it is tried again. {said}"),
            FaultKind::InvalidResponse => {
                format!("the answer to {call} cannot be understood; it is tried again. {said}")
            }
            FaultKind::CredentialsMissing => format!(
                "the operator has no AWS credentials for {call}: give its ServiceAccount a role (EKS Pod Identity, IRSA) or its pod credentials. {said}"
            ),
            FaultKind::CredentialsRejected => format!(
                "AWS does not accept the operator's credentials for {call}: renew or correct them; it is tried again. AWS says: {said}"
            ),
        }
    }
}
