//! The requests, one type for each operation, with AWS's member names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::ApiError, model, operation::Operation};

/// `Creating`, `InService`, `Updating` or `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the values are AWS's own")]
pub enum ProvisionedModelStatus {
    Creating,
    InService,
    Updating,
    Failed,
}

impl ProvisionedModelStatus {
    /// The status as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::InService => "InService",
            Self::Updating => "Updating",
            Self::Failed => "Failed",
        }
    }
}

/// How long a throughput is bought for. Left out of a request, there is no commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CommitmentDuration {
    /// 30 days.
    OneMonth,
    /// 180 days.
    SixMonths,
}

impl CommitmentDuration {
    /// The term in days.
    #[must_use]
    pub fn days(self) -> u64 {
        match self {
            Self::OneMonth => 30,
            Self::SixMonths => 180,
        }
    }
}

/// The state of a custom model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the values are AWS's own")]
pub enum ModelStatus {
    #[default]
    Active,
    Creating,
    Failed,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the values are AWS's own")]
pub enum SortOrder {
    Ascending,
    Descending,
}

/// What a list is sorted by: there is only one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the values are AWS's own")]
pub enum SortBy {
    CreationTime,
}

/// A tag, as it stands in a list of tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are AWS's own")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

macro_rules! inputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[allow(missing_docs, reason = "the members are AWS's own")]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }
    )+};
}

inputs! {
    /// Buys a throughput.
    CreateProvisionedModelThroughput {
        #[serde(skip_serializing_if = "Option::is_none")]
        client_request_token: Option<String>,
        model_units: u32,
        provisioned_model_name: String,
        model_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        commitment_duration: Option<CommitmentDuration>,
        #[serde(default)]
        tags: Vec<Tag>,
    }
    /// Reads one throughput, by name or ARN.
    GetProvisionedModelThroughput { provisioned_model_id: String }
    /// Deletes one throughput, by name or ARN.
    DeleteProvisionedModelThroughput { provisioned_model_id: String }
    /// Changes the name, the model, or both.
    UpdateProvisionedModelThroughput {
        provisioned_model_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        desired_provisioned_model_name: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        desired_model_id: Option<String>,
    }
    /// Lists the throughputs of the account in the region.
    #[derive(Default)]
    ListProvisionedModelThroughputs {
        #[serde(skip_serializing_if = "Option::is_none")]
        creation_time_after: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        creation_time_before: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status_equals: Option<ProvisionedModelStatus>,
        #[serde(skip_serializing_if = "Option::is_none")]
        model_arn_equals: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name_contains: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_results: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sort_by: Option<SortBy>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sort_order: Option<SortOrder>,
    }
    /// Sets tags.
    TagResource {
        #[serde(rename = "resourceARN")]
        resource_arn: String,
        tags: Vec<Tag>,
    }
    /// Removes tags.
    UntagResource {
        #[serde(rename = "resourceARN")]
        resource_arn: String,
        tag_keys: Vec<String>,
    }
    /// Reads the tags.
    ListTagsForResource {
        #[serde(rename = "resourceARN")]
        resource_arn: String,
    }
    /// Reads one custom model, by name or ARN.
    GetCustomModel { model_identifier: String }
    /// Lists the custom models.
    #[derive(Default)]
    ListCustomModels {
        #[serde(skip_serializing_if = "Option::is_none")]
        creation_time_before: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        creation_time_after: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name_contains: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base_model_arn_equals: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        foundation_model_arn_equals: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_results: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sort_by: Option<SortBy>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sort_order: Option<SortOrder>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_owned: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        model_status: Option<ModelStatus>,
    }
    /// Reads one foundation model, by id or ARN.
    GetFoundationModel { model_identifier: String }
    /// Lists the foundation models; AWS does not page this one.
    #[derive(Default)]
    ListFoundationModels {
        #[serde(skip_serializing_if = "Option::is_none")]
        by_provider: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by_customization_type: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by_output_modality: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by_inference_type: Option<String>,
    }
}

macro_rules! requests {
    ($($name:ident),+ $(,)?) => {
        /// One call, with its members.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, reason = "the names are AWS's own")]
        pub enum Request { $($name($name)),+ }

        $(impl From<$name> for Request {
            fn from(input: $name) -> Self { Self::$name(input) }
        })+

        impl Request {
            /// Which operation it is.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self { $(Self::$name(_) => Operation::$name),+ }
            }

            /// Reads the members of `operation` from JSON, after [`model::check`] has let them through.
            ///
            /// # Errors
            /// `ValidationException`, where a member does not fit.
            pub fn from_parameters(operation: Operation, parameters: Value) -> Result<Self, ApiError> {
                match operation {
                    $(Operation::$name => serde_json::from_value::<$name>(parameters).map(Self::$name),)+
                }
                .map_err(|error| ApiError::validation(error.to_string()))
            }
        }
    };
}

requests! {
    CreateProvisionedModelThroughput,
    GetProvisionedModelThroughput,
    ListProvisionedModelThroughputs,
    UpdateProvisionedModelThroughput,
    DeleteProvisionedModelThroughput,
    TagResource,
    UntagResource,
    ListTagsForResource,
    GetCustomModel,
    ListCustomModels,
    GetFoundationModel,
    ListFoundationModels,
}

impl Request {
    /// The members as JSON, by AWS's names.
    #[must_use]
    pub fn parameters(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Holds the members against AWS's model: lengths, ranges, patterns.
    ///
    /// # Errors
    /// `ValidationException`, naming every member that does not fit.
    pub fn validate(&self) -> Result<(), ApiError> {
        model::check(self.operation(), &self.parameters()).map_err(model::Violations::into_error)
    }
}
