//! The `ProvisionedThroughput` API, `bedrock-throughput.dev/v1alpha1`.
//!
//! Field names are AWS's own. What can be known without AWS is refused at admission: patterns, lengths and enums come from AWS's model
//! (see [`crate::identifiers`]), relations between fields are CEL rules.

use std::fmt;

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON},
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{
    ARN_MAX, MODEL_IDENTIFIER, MODEL_IDENTIFIER_MAX, NAME_MAX, PROVISIONED_MODEL_ID, PROVISIONED_MODEL_NAME, REGION,
    REGION_MAX,
};

/// The API group of everything that belongs to this operator: kinds, annotations, the name it writes under.
pub const GROUP: &str = "bedrock-throughput.dev";

/// Any new value makes the operator look and act now; the value that was answered stands in `status.lastHandledReconcileAt`.
pub const RECONCILE_REQUESTED_AT: &str = "bedrock-throughput.dev/reconcile-requested-at";

/// What an `interval` looks like: hours, minutes and seconds as Go writes durations, such as `5m` or `1h30m`.
const INTERVAL: &str = "^([0-9]{1,3}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$";

/// A provisioned throughput of Amazon Bedrock that exists at AWS, with the name and the model that it should have.
///
/// The operator compares both with what AWS has and changes them in place with `UpdateProvisionedModelThroughput`. It neither buys nor
/// deletes throughput.
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
    doc = "A provisioned throughput of Amazon Bedrock that exists at AWS, with the name and the model that it should have.",
    printcolumn(name = "Throughput", type_ = "string", json_path = ".status.provisionedModelName", description = "Its name at AWS"),
    printcolumn(name = "Model", type_ = "string", json_path = ".status.modelArn", description = "The model that is served"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.status", description = "Its status at AWS"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "In service, and as the manifest says"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why it is ready or not"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.managementPolicy", priority = 1),
    printcolumn(name = "Synced", type_ = "string", json_path = r#".status.conditions[?(@.type=="Synced")].status"#, priority = 1),
    printcolumn(name = "Units", type_ = "integer", json_path = ".status.modelUnits", priority = 1),
    printcolumn(name = "Commitment end", type_ = "string", json_path = ".status.commitmentExpirationTime", priority = 1),
    printcolumn(name = "Desired model", type_ = "string", json_path = ".status.desiredModelArn", priority = 1),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.provisionedModelArn", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.spec.provisionedModelId == oldSelf.spec.provisionedModelId || (has(self.status) && has(self.status.provisionedModelArn) && self.spec.provisionedModelId == self.status.provisionedModelArn)")
        .message("provisionedModelId cannot be changed, except from the name to the ARN in status.provisionedModelArn: to manage another throughput delete this object (nothing happens at AWS) and apply a new one")
        .field_path(".spec.provisionedModelId")
        .reason(Reason::FieldValueForbidden)
)]
#[x_kube(
    validation = Rule::new("self.provisionedModelId.startsWith('arn:') || size(self.provisionedModelId) <= 63")
        .message("provisionedModelId is longer than a name can be (63 characters) and is not an ARN: use the name or the ARN that `aws bedrock list-provisioned-model-throughputs` shows")
        .field_path(".provisionedModelId"),
    validation = Rule::new("!has(self.region) || !self.provisionedModelId.startsWith('arn:') || self.provisionedModelId.split(':')[3] == self.region")
        .message("region is not the region in the ARN of provisionedModelId: leave region out, or make both the same")
        .field_path(".region"),
    validation = Rule::new("!has(self.region) || !has(self.modelId) || !self.modelId.startsWith('arn:') || self.modelId.split(':')[3] == self.region")
        .message("modelId is the ARN of a model in another region than region: a throughput can only serve models of its own region")
        .field_path(".modelId"),
    validation = Rule::new("!has(self.modelId) || !self.modelId.startsWith('arn:') || !self.provisionedModelId.startsWith('arn:') || self.modelId.split(':')[3] == self.provisionedModelId.split(':')[3]")
        .message("modelId is the ARN of a model in another region than provisionedModelId: a throughput can only serve models of its own region")
        .field_path(".modelId"),
    validation = Rule::new("!has(self.modelId) || self.modelId.startsWith('arn:') || self.modelId.contains('.') || size(self.modelId) <= 63")
        .message("modelId is longer than the name of a custom model can be (63 characters), and is neither an ARN nor the id of a foundation model (provider.model)")
        .field_path(".modelId")
)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedThroughputSpec {
    /// The throughput that is managed: its ARN, or its name. It must exist at AWS.
    ///
    /// A name only finds the ARN the first time; from then on the ARN in `status.provisionedModelArn` is the identity, and a rename does
    /// not lose it. Where `status` was lost and AWS no longer knows the name, `provisionedModelName` is tried, which a rename had reached
    /// before. Cannot be changed, except from the name to that ARN.
    #[schemars(length(min = 1, max = ARN_MAX), regex(pattern = PROVISIONED_MODEL_ID))]
    pub provisioned_model_id: String,

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

    /// The AWS region. Left out, it is the region of the ARN in `provisionedModelId`, else the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = REGION_MAX), regex(pattern = REGION))]
    pub region: Option<String>,

    /// What the operator may do at AWS. `Observe`: only look and tell. `Update`: change the name and the model.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

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
    /// Change the name and the model in place.
    #[default]
    Update,
}

impl ManagementPolicy {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::Observe, Self::Update];
}

/// What was seen at AWS, what was done there, and what it means.
///
/// Times are RFC 3339 in UTC, to the second.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedThroughputStatus {
    /// The generation of the manifest that this status speaks of. -1 until the operator has looked for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The last value of the annotation `bedrock-throughput.dev/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// The ARN of the throughput: its identity, once bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_model_arn: Option<String>,

    /// Its name at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_model_name: Option<String>,

    /// Its status at AWS: `Creating`, `InService`, `Updating`, `Failed`, or a word that AWS has added since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,

    /// The ARN of the model that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_arn: Option<String>,

    /// The ARN of the model that AWS is moving to, or the served one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_model_arn: Option<String>,

    /// The ARN of the foundation model that the served model is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foundation_model_arn: Option<String>,

    /// Model units in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_units: Option<i32>,

    /// Model units that AWS is moving to, or those in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_model_units: Option<i32>,

    /// The commitment that was bought: `OneMonth`, `SixMonths`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment_duration: Option<String>,

    /// When the commitment ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment_expiration_time: Option<Time>,

    /// When it was bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Time>,

    /// When it was last changed at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_time: Option<Time>,

    /// Why AWS says `Failed`, in AWS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,

    /// The call that is due, and why it has not been made or answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,

    /// The last change that this object made at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<LastUpdate>,

    /// `Ready`, `Synced`, and, only while they hold, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The call that is due.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What is to be done.
    pub action: PlanAction,
    /// The members that the request carries beside the throughput's ARN.
    pub request: UpdateRequest,
    /// What the call does, in words.
    pub message: String,
    /// What it waits for.
    pub waiting_for: WaitingFor,
    /// Why the call is due.
    pub cause: UpdateCause,
    /// What the members of the request are at AWS before the call.
    pub from: UpdateRequest,
    /// When the call was sent, while its answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
}

/// The calls that change something at AWS.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlanAction {
    /// `UpdateProvisionedModelThroughput`.
    Update,
}

/// What a due call waits for.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitingFor {
    /// The answer of AWS, or a look that shows what came of the call.
    Answer,
    /// The throughput or the wanted model, with which AWS is busy.
    Aws,
    /// The next try, after a passing fault.
    Retry,
    /// Somebody who changes the manifest, AWS or IAM.
    Change,
    /// A `managementPolicy` that allows it.
    ManagementPolicy,
}

/// Why a change is made.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpdateCause {
    /// The manifest asks for something that AWS did not have so far.
    Manifest,
    /// AWS had what the manifest asks for, and somebody changed it there.
    Drift,
}

/// The members of `UpdateProvisionedModelThroughput`, without the id. Only what differs is in it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_provisioned_model_name: Option<String>,
    /// The ARN of the new model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_model_id: Option<String>,
}

impl UpdateRequest {
    /// Whether the request would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.desired_provisioned_model_name.is_none() && self.desired_model_id.is_none()
    }
}

impl fmt::Display for UpdateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.desired_provisioned_model_name, &self.desired_model_id) {
            (Some(name), Some(model)) => write!(f, "name {name} and model {model}"),
            (Some(name), None) => write!(f, "name {name}"),
            (None, Some(model)) => write!(f, "model {model}"),
            (None, None) => f.write_str("nothing"),
        }
    }
}

/// A change that AWS accepted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// When the call was sent.
    pub time: Time,
    /// AWS's id of the call, to find it in `CloudTrail`. Missing where the answer was lost and only its effect was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The generation of the manifest that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Why it was made.
    pub cause: UpdateCause,
    /// What the changed members were before.
    pub from: UpdateRequest,
    /// What they were changed to.
    pub to: UpdateRequest,
    /// When a look first found all of it served. Missing while AWS is at work, and where the change failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_time: Option<Time>,
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
