//! The few calls of Amazon Bedrock that the operator makes, and the faults that it can meet. No AWS SDK here: see [`sdk`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::BoxFuture;

use crate::{
    budget::Kind,
    calls::{Create, Update},
    conditions::Reason,
    identifiers::{ProvisionedModelArn, ProvisionedModelId, Region},
    observed::{CustomModel, CustomModelSummary, FoundationModel, Throughput},
};

mod answers;
pub mod catalogue;
pub mod fenced;
pub mod inventory;
pub mod metered;
pub mod models;
pub mod sdk;
pub mod tags;

/// The calls that look, each once: trying again is the caller's decision, so that pauses do not multiply.
pub trait Looks: std::fmt::Debug + Send + Sync + 'static {
    /// `ListProvisionedModelThroughputs`, all pages.
    fn list_throughputs<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>>;

    /// `GetProvisionedModelThroughput`; `None` where AWS has none.
    fn get_throughput<'a>(
        &'a self,
        region: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>>;

    /// `ListTagsForResource`; `None` where AWS has no such throughput.
    fn list_tags<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>>;

    /// `GetCustomModel`, by ARN or name; `None` where AWS has none.
    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>>;

    /// `ListCustomModels`, all pages.
    fn list_custom_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>>;

    /// `ListFoundationModels`.
    fn list_foundation_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>>;
}

/// The calls that look and those that change something, each once: whether one is repeated is decided from a look.
pub trait Bedrock: Looks {
    /// `CreateProvisionedModelThroughput`; the ARN of what was bought, by this call or by an earlier one with the same token. AWS does not say
    /// whether the latter answers with it.
    fn create_throughput<'a>(
        &'a self,
        region: &'a Region,
        create: &'a Create,
    ) -> BoxFuture<'a, Result<(Accepted, Option<ProvisionedModelArn>), Fault>>;

    /// `UpdateProvisionedModelThroughput`.
    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        update: &'a Update,
    ) -> BoxFuture<'a, Result<Accepted, Fault>>;

    /// `DeleteProvisionedModelThroughput`. That AWS has none is a success, too.
    fn delete_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Accepted, Fault>>;

    /// `TagResource`.
    fn tag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        tags: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>>;

    /// `UntagResource`.
    fn untag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        keys: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>>;
}

/// AWS accepted a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// AWS's id of the call, to find it in `CloudTrail`.
    pub request_id: Option<String>,
}

macro_rules! operations {
    ($($name:ident,)+) => {
        /// The operations behind [`Bedrock`] and [`Looks`], by AWS's names, which are those of the IAM actions, too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// AWS's name of the operation.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

operations! {
    ListProvisionedModelThroughputs,
    GetProvisionedModelThroughput,
    CreateProvisionedModelThroughput,
    UpdateProvisionedModelThroughput,
    DeleteProvisionedModelThroughput,
    TagResource,
    UntagResource,
    ListTagsForResource,
    GetCustomModel,
    ListCustomModels,
    ListFoundationModels,
}

impl Operation {
    /// Whether it looks or changes something.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::ListProvisionedModelThroughputs
            | Self::GetProvisionedModelThroughput
            | Self::ListTagsForResource
            | Self::GetCustomModel
            | Self::ListCustomModels
            | Self::ListFoundationModels => Kind::Read,
            Self::CreateProvisionedModelThroughput
            | Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput
            | Self::TagResource
            | Self::UntagResource => Kind::Change,
        }
    }

    /// Whether it is made once for all objects of a region.
    #[must_use]
    pub fn is_list(self) -> bool {
        match self {
            Self::ListProvisionedModelThroughputs | Self::ListCustomModels | Self::ListFoundationModels => true,
            Self::GetProvisionedModelThroughput
            | Self::ListTagsForResource
            | Self::GetCustomModel
            | Self::CreateProvisionedModelThroughput
            | Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput
            | Self::TagResource
            | Self::UntagResource => false,
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
    /// The account has no quota left for it.
    QuotaExceeded,
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
    pub const ALL: [Self; 12] = [
        Self::AccessDenied,
        Self::NotFound,
        Self::Refused,
        Self::Conflict,
        Self::QuotaExceeded,
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
            Self::QuotaExceeded => Reason::QuotaExceeded,
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
            | FaultKind::QuotaExceeded
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
                let action = denied_action(&self.detail).map_or_else(|| format!("bedrock:{call}"), str::to_owned);
                format!("IAM does not allow the operator {action}: add the action to its policy. AWS says: {said}")
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
            FaultKind::QuotaExceeded => format!(
                "the account has no quota for {call}. AWS says: {said}. Ask for more in the AWS console, Service Quotas, Amazon Bedrock; it is tried again once an interval"
            ),
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

/// The action that AWS says is missing: a Create with tags may lack that of another call ("… is not authorized to perform: ACTION on …").
fn denied_action(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("not authorized to perform: ")?;
    rest.split_whitespace().next().filter(|action| {
        action.strip_prefix("bedrock:").is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_action_is_the_one_that_aws_names() {
        let fault = |detail: &str| Fault {
            kind: FaultKind::AccessDenied,
            operation: Operation::CreateProvisionedModelThroughput,
            code: Some("AccessDeniedException".into()),
            detail: detail.into(),
            request_id: None,
            retry_after: None,
        };
        let tags = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: bedrock:TagResource on resource: arn:aws:bedrock:us-east-1:123456789012:provisioned-model/* because no identity-based policy allows the bedrock:TagResource action";
        assert!(fault(tags).sentence().starts_with("IAM does not allow the operator bedrock:TagResource:"));
        assert!(
            fault("no")
                .sentence()
                .starts_with("IAM does not allow the operator bedrock:CreateProvisionedModelThroughput:")
        );
    }
}
