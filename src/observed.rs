//! What AWS said, in our own types.

use std::fmt;

use jiff::Timestamp;

use crate::{
    crd::UpdateRequest,
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelName},
};

/// The status of a provisioned throughput at AWS (shape `ProvisionedModelStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ThroughputStatus {
    /// Being made.
    Creating,
    /// Serving.
    InService,
    /// Serving what it served, while a change is prepared.
    Updating,
    /// The last thing asked of it failed.
    Failed,
    /// A word that AWS has added since.
    Other(String),
}

impl ThroughputStatus {
    /// The status as AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Creating => "Creating",
            Self::InService => "InService",
            Self::Updating => "Updating",
            Self::Failed => "Failed",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for ThroughputStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A provisioned throughput as AWS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throughput {
    /// Its identity.
    pub arn: ProvisionedModelArn,
    /// Its name, which can change.
    pub name: ProvisionedModelName,
    /// Its status.
    pub status: ThroughputStatus,
    /// The model that is served.
    pub model_arn: ModelArn,
    /// The model that AWS is moving to, or the served one.
    pub desired_model_arn: ModelArn,
    /// The foundation model that the served model is made from.
    pub foundation_model_arn: ModelArn,
    /// Model units in service.
    pub model_units: i32,
    /// Model units that AWS is moving to.
    pub desired_model_units: i32,
    /// The commitment that was bought, in AWS's word.
    pub commitment_duration: Option<String>,
    /// When the commitment ends.
    pub commitment_expiration_time: Option<Timestamp>,
    /// When it was bought.
    pub creation_time: Timestamp,
    /// When it was last changed.
    pub last_modified_time: Timestamp,
    /// Why it failed. Only a Get carries it, and only while the status is `Failed`.
    pub failure_message: Option<String>,
}

impl Throughput {
    /// The members of `request` as this throughput has them.
    #[must_use]
    pub fn before(&self, request: &UpdateRequest) -> UpdateRequest {
        UpdateRequest {
            desired_provisioned_model_name: request
                .desired_provisioned_model_name
                .as_ref()
                .map(|_| self.name.to_string()),
            desired_model_id: request.desired_model_id.as_ref().map(|_| self.desired_model_arn.to_string()),
        }
    }

    /// Whether AWS has taken over every member of `request`, be it served yet or not.
    #[must_use]
    pub fn shows(&self, request: &UpdateRequest) -> bool {
        let UpdateRequest { desired_provisioned_model_name: name, desired_model_id: model } = request;
        name.as_ref().is_none_or(|name| name == self.name.as_str())
            && model.as_ref().is_none_or(|model| model == self.desired_model_arn.as_str())
    }
}

/// What a look for one throughput found.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is nearly always `Found`")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    Found(Throughput),
    /// AWS has none of that ARN or name.
    Missing,
    /// AWS has several of that name.
    Ambiguous(Vec<ProvisionedModelArn>),
}

/// The status of a custom model at AWS (shape `ModelStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelStatus {
    /// Ready for use.
    Active,
    /// Being made.
    Creating,
    /// Failed to be made.
    Failed,
    /// A word that AWS has added since.
    Other(String),
}

impl ModelStatus {
    /// The status as AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "Active",
            Self::Creating => "Creating",
            Self::Failed => "Failed",
            Self::Other(word) => word,
        }
    }
}

/// A custom model as AWS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomModel {
    /// Its ARN.
    pub arn: ModelArn,
    /// The model that it was made from: a foundation model, or another custom model. AWS may leave it out.
    pub base: Option<ModelArn>,
    /// Its status. AWS may leave it out, which older models do.
    pub status: Option<ModelStatus>,
}

/// The wanted model, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedModel {
    /// The manifest does not manage the model.
    NotManaged,
    /// Known by its ARN alone: a foundation model, or a custom model that the throughput already has.
    Arn(ModelArn),
    /// A custom model, and the foundation model at the end of its chain of bases where AWS told it.
    Custom {
        /// The model.
        model: CustomModel,
        /// The foundation model that it is made from in the end.
        foundation: Option<ModelArn>,
    },
    /// AWS has no such model.
    Missing,
}

impl WantedModel {
    /// The ARN, where there is one.
    #[must_use]
    pub fn arn(&self) -> Option<&ModelArn> {
        match self {
            Self::NotManaged | Self::Missing => None,
            Self::Arn(arn) => Some(arn),
            Self::Custom { model, .. } => Some(&model.arn),
        }
    }
}

/// Everything that a decision needs to know of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// When the look was begun: what was done at AWS before this moment may be seen in it.
    pub looked_at: Timestamp,
    /// The throughput.
    pub throughput: Sighting,
    /// The wanted model.
    pub model: WantedModel,
}
