//! The twelve operations, and what the rest of the crate needs to know about them by name.

use serde::{Deserialize, Serialize};

/// One operation of the Bedrock API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are AWS's own")]
pub enum Operation {
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

impl Operation {
    /// Every operation there is.
    pub const ALL: &[Self] = &[
        Self::CreateProvisionedModelThroughput,
        Self::GetProvisionedModelThroughput,
        Self::ListProvisionedModelThroughputs,
        Self::UpdateProvisionedModelThroughput,
        Self::DeleteProvisionedModelThroughput,
        Self::TagResource,
        Self::UntagResource,
        Self::ListTagsForResource,
        Self::GetCustomModel,
        Self::ListCustomModels,
        Self::GetFoundationModel,
        Self::ListFoundationModels,
    ];

    /// AWS's name of the operation; the IAM action is the same with `bedrock:` before it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateProvisionedModelThroughput => "CreateProvisionedModelThroughput",
            Self::GetProvisionedModelThroughput => "GetProvisionedModelThroughput",
            Self::ListProvisionedModelThroughputs => "ListProvisionedModelThroughputs",
            Self::UpdateProvisionedModelThroughput => "UpdateProvisionedModelThroughput",
            Self::DeleteProvisionedModelThroughput => "DeleteProvisionedModelThroughput",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
            Self::ListTagsForResource => "ListTagsForResource",
            Self::GetCustomModel => "GetCustomModel",
            Self::ListCustomModels => "ListCustomModels",
            Self::GetFoundationModel => "GetFoundationModel",
            Self::ListFoundationModels => "ListFoundationModels",
        }
    }

    /// Whether the operation changes anything.
    #[must_use]
    pub fn mutates(self) -> bool {
        match self {
            Self::CreateProvisionedModelThroughput
            | Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput
            | Self::TagResource
            | Self::UntagResource => true,
            Self::GetProvisionedModelThroughput
            | Self::ListProvisionedModelThroughputs
            | Self::ListTagsForResource
            | Self::GetCustomModel
            | Self::ListCustomModels
            | Self::GetFoundationModel
            | Self::ListFoundationModels => false,
        }
    }

    /// The operation with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == name)
    }

    /// The member that names the resource the operation is about, if it has one.
    #[must_use]
    pub fn resource_member(self) -> Option<&'static str> {
        match self {
            Self::GetProvisionedModelThroughput
            | Self::UpdateProvisionedModelThroughput
            | Self::DeleteProvisionedModelThroughput => Some("provisionedModelId"),
            Self::CreateProvisionedModelThroughput => Some("modelId"),
            Self::TagResource | Self::UntagResource | Self::ListTagsForResource => Some("resourceARN"),
            Self::GetCustomModel | Self::GetFoundationModel => Some("modelIdentifier"),
            Self::ListProvisionedModelThroughputs | Self::ListCustomModels | Self::ListFoundationModels => None,
        }
    }
}
