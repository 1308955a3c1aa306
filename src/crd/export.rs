//! `spec.exportTo`: where an application finds what it needs, and under which keys.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an application finds what it needs to call the model.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExportTo {
    /// A ConfigMap in the namespace of this object. It is made by the operator, belongs to this object, and goes with it. One of that name
    /// that belongs to somebody else is not touched.
    pub config_map: ConfigMapExport,
}

/// A ConfigMap that is written for applications.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapExport {
    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,

    /// Other names for the keys. Those that are left out keep their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ExportKeys>,
}

impl ConfigMapExport {
    /// The key that a value is written under.
    #[must_use]
    pub fn key(&self, value: ExportValue) -> &str {
        value.key(self.keys.as_ref())
    }
}

macro_rules! export_keys {
    ($($(#[doc = $doc:literal])+ $field:ident $default:literal,)+) => {
        /// The keys of the ConfigMap: for each of these values, the key that it is written under.
        ///
        /// The names that they have by themselves can be environment variables, so that `envFrom` takes the ConfigMap as it is.
        #[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
        #[serde(rename_all = "camelCase")]
        pub struct ExportKeys {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\nLeft out, it is `", $default, "`.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
                pub $field: Option<String>,
            )+
        }

        /// A value that is exported.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(non_camel_case_types, reason = "named after the fields that they stand for")]
        pub enum ExportValue {
            $($(#[doc = $doc])+ $field,)+
        }

        impl ExportValue {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$field),+];
        }

        impl ExportValue {
            fn key(self, keys: Option<&ExportKeys>) -> &str {
                match self {
                    $(Self::$field => keys.and_then(|keys| keys.$field.as_deref()).unwrap_or($default),)+
                }
            }
        }
    };
}

export_keys! {
    /// The ARN of the throughput: the `modelId` of InvokeModel and Converse.
    provisioned_model_arn "BEDROCK_PROVISIONED_MODEL_ARN",
    /// The same, percent-encoded as it stands in a URL.
    provisioned_model_arn_url_encoded "BEDROCK_PROVISIONED_MODEL_ARN_URL_ENCODED",
    /// The last part of the ARN: twelve letters and digits.
    provisioned_model_id "BEDROCK_PROVISIONED_MODEL_ID",
    /// The name at AWS.
    provisioned_model_name "BEDROCK_PROVISIONED_MODEL_NAME",
    /// The region.
    region "BEDROCK_REGION",
    /// The status at AWS, such as `InService`.
    status "BEDROCK_PROVISIONED_MODEL_STATUS",
    /// The ARN of the model that is served.
    model_arn "BEDROCK_MODEL_ARN",
    /// The ARN of the foundation model that it is made from.
    foundation_model_arn "BEDROCK_FOUNDATION_MODEL_ARN",
    /// The id of that foundation model, such as `amazon.nova-lite-v1:0:24k`.
    foundation_model_id "BEDROCK_FOUNDATION_MODEL_ID",
    /// All of the above as lines `KEY=value`, for programs that read an `.env` file.
    env "bedrock.env",
}
