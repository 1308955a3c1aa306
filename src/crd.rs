//! The `ProvisionedThroughput` API, `bedrock-throughput.dev/v1alpha1`.
//!
//! Field names are AWS's own. What can be known without AWS is refused at admission: patterns, lengths and enums come from AWS's model
//! (see [`crate::identifiers`]), relations between fields are CEL rules.

mod export;
mod status;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::{
    export::{ConfigMapExport, ExportKeys, ExportTo, ExportValue},
    status::{
        CallRequest, ChangeCause, CommitmentNotice, CommitmentStage, ExportedTo, LastUpdate, PlanAction, PlanStatus,
        ProvisionedThroughputStatus, WaitingFor,
    },
};
use crate::identifiers::{
    ARN_MAX, MODEL_IDENTIFIER, MODEL_IDENTIFIER_MAX, NAME_MAX, PROVISIONED_MODEL_ID, PROVISIONED_MODEL_NAME, REGION,
    REGION_MAX, TAG_TEXT, TAG_VALUE_MAX, TAGS_MAX,
};

/// The API group of everything that belongs to this operator: kinds, annotations, the name it writes under.
pub const GROUP: &str = "bedrock-throughput.dev";

/// Any new value makes the operator look and act now; the value that was answered stands in `status.lastHandledReconcileAt`.
pub const RECONCILE_REQUESTED_AT: &str = "bedrock-throughput.dev/reconcile-requested-at";

/// The hash of the plan that a person lets through: that of `status.plan.hash`, and no other.
pub const APPROVE: &str = "bedrock-throughput.dev/approve";

/// `cluster/namespace/name` of the object that the owner tags at AWS name: this object takes the throughput over from it. Each value is
/// honoured once.
pub const TAKE_OVER_FROM: &str = "bedrock-throughput.dev/take-over-from";

/// The annotations that are honoured.
pub const ANNOTATIONS: [&str; 3] = [RECONCILE_REQUESTED_AT, APPROVE, TAKE_OVER_FROM];

/// The finalizer of objects with `deletionPolicy: Delete`; others have none.
pub const FINALIZER: &str = "bedrock-throughput.dev/delete-throughput";

/// What an `interval` looks like: hours, minutes and seconds as Go writes durations, such as `5m` or `1h30m`.
const INTERVAL: &str = "^([0-9]{1,3}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$";

/// A provisioned throughput of Amazon Bedrock, with the name, the model and the tags that it should have.
///
/// The operator compares them with what AWS has and changes them in place. It buys and deletes throughput only where the manifest says so
/// in so many words (`managementPolicy: Full`, `deletionPolicy: Delete`) and the operator was started with the flag for it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "bedrock-throughput.dev",
    version = "v1alpha1",
    kind = "ProvisionedThroughput",
    plural = "provisionedthroughputs",
    shortname = "pt",
    category = "bedrock",
    category = "aws",
    namespaced,
    status = "ProvisionedThroughputStatus",
    derive = "PartialEq",
    doc = "A provisioned throughput of Amazon Bedrock, with the name, the model and the tags that it should have.",
    printcolumn(name = "Throughput", type_ = "string", json_path = ".status.provisionedModelName", description = "Its name at AWS"),
    printcolumn(name = "Model", type_ = "string", json_path = ".status.modelArn", description = "The model that is served"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.status", description = "Its status at AWS"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "In service, and as the manifest says"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why it is ready or not"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".status.plan.hash", description = "The hash of the plan that waits for approval"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.managementPolicy", priority = 1),
    printcolumn(name = "Synced", type_ = "string", json_path = r#".status.conditions[?(@.type=="Synced")].status"#, priority = 1),
    printcolumn(name = "Units", type_ = "integer", json_path = ".status.modelUnits", priority = 1),
    printcolumn(name = "Commitment end", type_ = "string", json_path = ".status.commitmentExpirationTime", priority = 1),
    printcolumn(name = "Desired model", type_ = "string", json_path = ".status.desiredModelArn", priority = 1),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.provisionedModelArn", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("has(oldSelf.spec.provisionedModelId) ? (has(self.spec.provisionedModelId) && (self.spec.provisionedModelId == oldSelf.spec.provisionedModelId || (has(self.status) && has(self.status.provisionedModelArn) && self.spec.provisionedModelId == self.status.provisionedModelArn))) : (!has(self.spec.provisionedModelId) || !has(self.status) || !has(self.status.provisionedModelArn) || !has(self.status.status) || self.spec.provisionedModelId == self.status.provisionedModelArn)")
        .message("provisionedModelId cannot be changed, except to the ARN in status.provisionedModelArn: to manage another throughput delete this object (with deletionPolicy: Retain nothing happens at AWS) and apply a new one")
        .field_path(".spec.provisionedModelId")
        .reason(Reason::FieldValueForbidden)
)]
#[x_kube(
    validation = Rule::new("has(self.provisionedModelId) || self.managementPolicy == 'Full'")
        .message("provisionedModelId is missing: name the throughput that is managed, or set managementPolicy: Full with provisionedModelName, modelId and modelUnits to buy one")
        .field_path(".provisionedModelId"),
    validation = Rule::new("has(self.provisionedModelId) || self.managementPolicy != 'Full' || (has(self.provisionedModelName) && has(self.modelId) && has(self.modelUnits))")
        .message("managementPolicy: Full buys a throughput, and needs provisionedModelName, modelId and modelUnits for it; or name an existing one with provisionedModelId"),
    validation = Rule::new("self.managementPolicy == 'Full' || !has(self.modelUnits)")
        .message("modelUnits only counts when a throughput is bought: AWS cannot change it later; leave it out, or set managementPolicy: Full")
        .field_path(".modelUnits"),
    validation = Rule::new("self.managementPolicy == 'Full' || !has(self.commitmentDuration)")
        .message("commitmentDuration only counts when a throughput is bought: AWS cannot change it later; leave it out, or set managementPolicy: Full")
        .field_path(".commitmentDuration"),
    validation = Rule::new("self.managementPolicy == 'Full' || self.deletionPolicy == 'Retain'")
        .message("deletionPolicy: Delete needs managementPolicy: Full: with any other policy the throughput is never deleted")
        .field_path(".deletionPolicy"),
    validation = Rule::new("self.managementPolicy != 'Full' || !has(self.tags) || size(self.tags) <= 46")
        .message("with managementPolicy: Full there may be at most 46 tags: AWS allows 50, and the operator adds four of its own")
        .field_path(".tags"),
    validation = Rule::new("!has(self.provisionedModelId) || self.provisionedModelId.startsWith('arn:') || size(self.provisionedModelId) <= 63")
        .message("provisionedModelId is longer than a name can be (63 characters) and is not an ARN: use the name or the ARN that `aws bedrock list-provisioned-model-throughputs` shows")
        .field_path(".provisionedModelId"),
    validation = Rule::new("!has(self.region) || !has(self.provisionedModelId) || !self.provisionedModelId.startsWith('arn:') || self.provisionedModelId.split(':')[3] == self.region")
        .message("region is not the region in the ARN of provisionedModelId: leave region out, or make both the same")
        .field_path(".region"),
    validation = Rule::new("!has(self.region) || !has(self.modelId) || !self.modelId.startsWith('arn:') || self.modelId.split(':')[3] == self.region")
        .message("modelId is the ARN of a model in another region than region: a throughput can only serve models of its own region")
        .field_path(".modelId"),
    validation = Rule::new("!has(self.modelId) || !self.modelId.startsWith('arn:') || !has(self.provisionedModelId) || !self.provisionedModelId.startsWith('arn:') || self.modelId.split(':')[3] == self.provisionedModelId.split(':')[3]")
        .message("modelId is the ARN of a model in another region than provisionedModelId: a throughput can only serve models of its own region")
        .field_path(".modelId"),
    validation = Rule::new("!has(self.modelId) || self.modelId.startsWith('arn:') || self.modelId.contains('.') || size(self.modelId) <= 63")
        .message("modelId is longer than the name of a custom model can be (63 characters), and is neither an ARN nor the id of a foundation model (provider.model)")
        .field_path(".modelId")
)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedThroughputSpec {
    /// The throughput that is managed: its ARN, or its name. It must exist at AWS. Left out, which takes `managementPolicy: Full`, one is
    /// bought.
    ///
    /// A name only finds the ARN the first time; from then on the ARN in `status.provisionedModelArn` is the identity, and a rename does
    /// not lose it. Where `status` was lost and AWS no longer knows the name, `provisionedModelName` is tried, which a rename had reached
    /// before. Cannot be changed, except to that ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = ARN_MAX), regex(pattern = PROVISIONED_MODEL_ID))]
    pub provisioned_model_id: Option<String>,

    /// The wanted name. Left out, the name is not managed.
    ///
    /// AWS: 1 to 63 letters and digits, each followed by at most one `_` or `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_MAX), regex(pattern = PROVISIONED_MODEL_NAME))]
    pub provisioned_model_name: Option<String>,

    /// The wanted model: the ARN of a custom or foundation model, the id of a foundation model, or the name of a custom model of this
    /// account and region. Left out, the model is not managed.
    ///
    /// AWS moves a throughput only from a custom model to another custom model made from the same base model, or to that base model. The
    /// way back from the base model is not documented: take it for one-way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MODEL_IDENTIFIER_MAX), regex(pattern = MODEL_IDENTIFIER))]
    pub model_id: Option<String>,

    /// The AWS region. Left out, it is the region of the ARN in `provisionedModelId`, else that of the ARN in `modelId`, else the
    /// operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = REGION_MAX), regex(pattern = REGION))]
    pub region: Option<String>,

    /// What the operator may do at AWS. `Observe`: only look and tell. `Update`: change the name, the model and the tags. `Full`: also buy
    /// the throughput where `provisionedModelId` is left out, and delete it where `deletionPolicy` says so.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// Whether a call that changes something at AWS waits for a person. `Manual`: it waits until the annotation
    /// `bedrock-throughput.dev/approve` has the hash in `status.plan.hash`.
    #[serde(default)]
    pub approval: Approval,

    /// What becomes of the throughput when this object is deleted. `Retain`: it stays as it is, and AWS goes on billing it. `Delete`, which
    /// takes `managementPolicy: Full`: it is deleted first, as soon as AWS allows it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How many model units are bought. AWS cannot change it later: a difference is told, not acted on.
    ///
    /// What a model unit does and costs depends on the model; see the AWS page "Amazon Bedrock pricing".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub model_units: Option<i32>,

    /// The commitment that is bought. Left out, there is none, and the throughput can be deleted at any time. AWS cannot change it later: a
    /// difference is told, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment_duration: Option<CommitmentDuration>,

    /// Tags of the throughput. Only these keys are managed; other tags at AWS are left alone. A key that is taken out of the manifest is
    /// taken off the throughput if this object had put it there.
    ///
    /// AWS: at most 50 tags; keys of 1 to 128 and values of up to 256 letters, digits, spaces and `._:/=+@-`; keys that begin with `aws:` are
    /// AWS's own. Keys that begin with `bedrock-throughput.dev/` are the operator's.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "tags_schema")]
    #[x_kube(
        validation = Rule::new("self.all(key, size(key) >= 1 && size(key) <= 128 && key.matches('^[a-zA-Z0-9 ._:/=+@-]+$'))").message("a tag key has 1 to 128 letters, digits, spaces and ._:/=+@-"),
        validation = Rule::new("self.all(key, !key.lowerAscii().startsWith('aws:'))").message("tag keys that begin with aws: are AWS's own"),
        validation = Rule::new("self.all(key, !key.startsWith('bedrock-throughput.dev/'))").message("tag keys that begin with bedrock-throughput.dev/ are the operator's own")
    )]
    pub tags: BTreeMap<String, String>,

    /// Where an application finds what it needs to call the model. `Ready` is `True` only when it has been written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_to: Option<ExportTo>,

    /// How often drift is looked for: hours, minutes and seconds, such as `5m` or `1h30m`, from `10s` to `24h`. Left out, the operator's
    /// `--default-interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = INTERVAL))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('24h')").message("interval must be from 10s to 24h, written in hours, minutes and seconds: 5m, 1h30m, 90s"))]
    pub interval: Option<String>,

    /// While true, AWS is neither looked at nor changed for this object.
    #[serde(default)]
    pub suspend: bool,
}

/// What the operator may do at AWS.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ManagementPolicy {
    /// Only look and tell.
    Observe,
    /// Change the name, the model and the tags in place.
    #[default]
    Update,
    /// Also buy and delete.
    Full,
}

impl ManagementPolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Update, Self::Full];

    /// Whether the throughput belongs to the object, as its tags say.
    #[must_use]
    pub fn owns(self) -> bool {
        match self {
            Self::Observe | Self::Update => false,
            Self::Full => true,
        }
    }

    /// Whether the throughput is deleted with the object.
    #[must_use]
    pub fn deletes(self, deletion: DeletionPolicy) -> bool {
        match (self, deletion) {
            (Self::Full, DeletionPolicy::Delete) => true,
            (Self::Full, DeletionPolicy::Retain) | (Self::Observe | Self::Update, _) => false,
        }
    }

    /// Whether the object manages the throughput: it may change it, and nobody else should.
    #[must_use]
    pub fn manages(self) -> bool {
        match self {
            Self::Observe => false,
            Self::Update | Self::Full => true,
        }
    }
}

/// Whether a change waits for a person.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Approval {
    /// It does not.
    #[default]
    Automatic,
    /// It waits for the annotation `bedrock-throughput.dev/approve`.
    Manual,
}

/// What becomes of the throughput when the object is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeletionPolicy {
    /// It stays as it is.
    #[default]
    Retain,
    /// It is deleted first.
    Delete,
}

/// The commitment that is bought: for that long the throughput cannot be deleted, at a lower price. Left out, there is none, and it can be
/// deleted at any time. AWS cannot change it later: a difference is told, not acted on.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitmentDuration {
    /// One month.
    OneMonth,
    /// Six months.
    SixMonths,
}

impl CommitmentDuration {
    /// Every duration.
    pub const ALL: [Self; 2] = [Self::OneMonth, Self::SixMonths];

    /// AWS's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneMonth => "OneMonth",
            Self::SixMonths => "SixMonths",
        }
    }
}

/// Server-side apply leaves `null` where all keys of a map go.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The schema of tags: a map, with AWS's bounds on its size and values. Keys are bounded by rules, for which a schema has no words.
fn tags_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": TAGS_MAX,
        "additionalProperties": {"type": "string", "maxLength": TAG_VALUE_MAX, "pattern": TAG_TEXT},
    })
}

/// The CRD as it is installed: what the derive makes, and the default `status` of `observedGeneration: -1`.
///
/// kstatus calls an object without `status` "Current", so that without the default `helm --wait`, Flux and Argo CD would call a fresh
/// object done before anyone has looked at it.
#[must_use]
pub fn custom_resource_definition() -> CustomResourceDefinition {
    let mut crd = ProvisionedThroughput::crd();
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|validation| validation.open_api_v3_schema.as_mut())
            .and_then(|root| root.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
            // A default needs a value to be filled in for; `null` is not one.
            status.nullable = None;
        }
    }
    crd
}

/// The manifest of the CRD, as YAML.
///
/// # Errors
/// When the CRD cannot be written as YAML, which a test excludes.
pub fn manifest() -> anyhow::Result<String> {
    // By way of a JSON value, whose maps are sorted: the file's order then depends on nothing but its content.
    let value = serde_json::to_value(custom_resource_definition())?;
    Ok(serde_saphyr::to_string(&value)?)
}
