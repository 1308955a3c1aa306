//! The answers, one for each operation, with AWS's member names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    request::{CommitmentDuration, ModelStatus, ProvisionedModelStatus, Tag},
    world::FoundationModel,
};

/// What a call that was let through answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names are AWS's own")]
pub enum Response {
    #[serde(rename_all = "camelCase")]
    CreateProvisionedModelThroughput {
        /// Absent only for a repeated token under the switch `tokenReplay=emptyBody`.
        #[serde(skip_serializing_if = "Option::is_none")]
        provisioned_model_arn: Option<String>,
    },
    GetProvisionedModelThroughput(Box<ProvisionedModelView>),
    #[serde(rename_all = "camelCase")]
    ListProvisionedModelThroughputs {
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        provisioned_model_summaries: Vec<ProvisionedModelView>,
    },
    UpdateProvisionedModelThroughput,
    DeleteProvisionedModelThroughput,
    TagResource,
    UntagResource,
    ListTagsForResource {
        tags: Vec<Tag>,
    },
    GetCustomModel(Box<CustomModelView>),
    #[serde(rename_all = "camelCase")]
    ListCustomModels {
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        model_summaries: Vec<CustomModelSummary>,
    },
    #[serde(rename_all = "camelCase")]
    GetFoundationModel {
        model_details: Box<FoundationModelView>,
    },
    #[serde(rename_all = "camelCase")]
    ListFoundationModels {
        model_summaries: Vec<FoundationModelView>,
    },
}

/// A throughput as Get and List show it. A list never carries `failureMessage`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct ProvisionedModelView {
    pub provisioned_model_name: String,
    pub provisioned_model_arn: String,
    pub model_arn: String,
    pub desired_model_arn: String,
    pub foundation_model_arn: String,
    pub model_units: u32,
    pub desired_model_units: u32,
    pub status: ProvisionedModelStatus,
    pub creation_time: Timestamp,
    pub last_modified_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment_duration: Option<CommitmentDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment_expiration_time: Option<Timestamp>,
}

/// A custom model as Get shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct CustomModelView {
    pub model_arn: String,
    pub model_name: String,
    pub creation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customization_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hyper_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_status: Option<ModelStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
}

/// A custom model as List shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct CustomModelSummary {
    pub model_arn: String,
    pub model_name: String,
    pub creation_time: Timestamp,
    pub base_model_arn: String,
    pub base_model_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customization_type: Option<String>,
    pub owner_account_id: String,
    pub model_status: ModelStatus,
}

/// A foundation model as Get and List show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct FoundationModelView {
    pub model_arn: String,
    #[serde(flatten)]
    pub model: FoundationModel,
}

impl Response {
    /// The HTTP status: 201 for Create, else 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::CreateProvisionedModelThroughput { .. } => 201,
            Self::GetProvisionedModelThroughput(_)
            | Self::ListProvisionedModelThroughputs { .. }
            | Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput
            | Self::TagResource
            | Self::UntagResource
            | Self::ListTagsForResource { .. }
            | Self::GetCustomModel(_)
            | Self::ListCustomModels { .. }
            | Self::GetFoundationModel { .. }
            | Self::ListFoundationModels { .. } => 200,
        }
    }

    /// The body, or nothing for the operations whose output is an empty structure: AWS documents those as an empty
    /// HTTP body.
    #[must_use]
    pub fn body(&self) -> Option<Value> {
        match self {
            Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput
            | Self::TagResource
            | Self::UntagResource => None,
            Self::CreateProvisionedModelThroughput { .. }
            | Self::GetProvisionedModelThroughput(_)
            | Self::ListProvisionedModelThroughputs { .. }
            | Self::ListTagsForResource { .. }
            | Self::GetCustomModel(_)
            | Self::ListCustomModels { .. }
            | Self::GetFoundationModel { .. }
            | Self::ListFoundationModels { .. } => serde_json::to_value(self).ok(),
        }
    }
}
