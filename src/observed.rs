//! What AWS said, in our own types.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{
    calls::{Call, Update},
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelName},
    owner::Owner,
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
    /// Whether AWS has taken over everything that `update` asks for, be it served yet or not.
    #[must_use]
    pub fn shows(&self, update: &Update) -> bool {
        let Update { name, model } = update;
        name.as_ref().is_none_or(|name| *name == self.name)
            && model.as_ref().is_none_or(|model| *model == self.desired_model_arn)
    }
}

/// What a look for one throughput found.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is nearly always `Found`")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    Found(Throughput),
    /// One of the wanted name is there, and it does not belong to the object.
    Taken(Throughput),
    /// AWS has none of that ARN or name.
    Missing,
    /// AWS has several of that name, or several that belong to the object.
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

/// A custom model as AWS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomModelSummary {
    /// Its ARN.
    pub arn: ModelArn,
    /// Its status. AWS may leave it out.
    pub status: Option<ModelStatus>,
}

/// A foundation model as AWS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundationModel {
    /// Its ARN.
    pub arn: ModelArn,
    /// How far its life has come. AWS may leave it out.
    pub lifecycle: Option<ModelLifecycle>,
}

/// How far the life of a foundation model has come (AWS shape `FoundationModelLifecycle`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLifecycle {
    /// Its status.
    pub status: LifecycleStatus,
    /// When calls to it will begin to fail, where AWS has said so.
    pub end_of_life: Option<Timestamp>,
}

/// Whether a foundation model will stay (AWS shape `FoundationModelLifecycleStatus`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleStatus {
    /// It will.
    Active,
    /// It will come to its end.
    Legacy,
    /// A word that AWS has added since.
    Other(String),
}

/// What is known of how long the model that is served will last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelHealth {
    /// Nothing: it was not looked at, or AWS could not be asked.
    NotLooked,
    /// IAM does not let it be looked at; the fault as a sentence.
    Denied(String),
    /// What AWS says.
    Known {
        /// Of the custom model, where it is one.
        custom: Option<CustomModelHealth>,
        /// Of the foundation model that it is made from.
        lifecycle: Option<ModelLifecycle>,
    },
}

/// Whether a custom model that is served is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomModelHealth {
    /// AWS does not list it any more.
    Missing,
    /// It is there, with this status.
    Status(ModelStatus),
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
    /// Its tags; `None`: they do not matter to the object, and were not looked at.
    pub tags: Option<BTreeMap<String, String>>,
    /// The wanted model.
    pub model: WantedModel,
    /// What is known of how long the model that is served will last.
    pub health: ModelHealth,
}

impl Observed {
    /// The throughput, where it is there and is the object's.
    #[must_use]
    pub fn found(&self) -> Option<&Throughput> {
        match &self.throughput {
            Sighting::Found(throughput) => Some(throughput),
            Sighting::Taken(_) | Sighting::Missing | Sighting::Ambiguous(_) => None,
        }
    }

    /// The owner that its tags name, if they were looked at and name one.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.tags.as_ref().and_then(Owner::from_tags)
    }

    /// Whether AWS has taken over what `call` asks for, be it served yet or not.
    #[must_use]
    pub fn shows(&self, call: &Call) -> bool {
        match call {
            // What a purchase takes the place of is not what it bought.
            Call::Create(create) => {
                let are_there = |tags: &BTreeMap<String, String>| {
                    create.tags.iter().all(|(key, value)| tags.get(key) == Some(value))
                };
                self.found().is_some_and(|throughput| !create.replaces(&throughput.arn))
                    && self.tags.as_ref().is_none_or(are_there)
            }
            Call::Update(update) => self.found().is_some_and(|throughput| throughput.shows(update)),
            Call::Tag(tag) => self.tags.as_ref().is_some_and(|tags| tag.is_shown_by(tags)),
            Call::Delete => self.throughput == Sighting::Missing,
        }
    }

    /// Whether `call` is done: AWS has taken it over and is no longer at work on it.
    #[must_use]
    pub fn serves(&self, call: &Call) -> bool {
        let in_service = self.found().is_some_and(|throughput| {
            throughput.status == ThroughputStatus::InService && throughput.model_arn == throughput.desired_model_arn
        });
        self.shows(call)
            && match call {
                Call::Create(_) | Call::Update(_) => in_service,
                Call::Tag(_) | Call::Delete => true,
            }
    }
}
