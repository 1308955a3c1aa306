//! `status`: what was seen at AWS, what was done there, and what it means.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CommitmentDuration;

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

    /// The keys of the tags that this object has put on the throughput.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub managed_tag_keys: BTreeSet<String>,

    /// The ConfigMap that was written for applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_to: Option<ExportedTo>,

    /// The last value of the annotation `bedrock-throughput.dev/approve` that let a plan through, or was told to fit none, while the
    /// annotation is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_approval: Option<String>,

    /// The last value of the annotation `bedrock-throughput.dev/take-over-from` that was honoured, while the annotation is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_take_over: Option<String>,

    /// Which end of a commitment was last told of, and how near it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment_notice: Option<CommitmentNotice>,

    /// The call that is due, and why it has not been made or answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<PlanStatus>>,

    /// The last change that this object made at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<Box<LastUpdate>>,

    /// `Ready`, `Synced`, and, only while they hold, `Reconciling`, `Stalled` and `ModelAtRisk`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The ConfigMap that was written for applications.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExportedTo {
    /// Its name.
    pub config_map: String,
}

/// That the end of a commitment was told of.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CommitmentNotice {
    /// The end that it was about.
    pub expiration_time: Time,
    /// How near it was.
    pub stage: CommitmentStage,
}

/// How near the end of a commitment is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommitmentStage {
    /// 30 days or less.
    Within30Days,
    /// 7 days or less.
    Within7Days,
    /// A day or less.
    Within1Day,
    /// It is over: AWS goes on billing until the throughput is deleted.
    Ended,
}

/// The call that is due.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What is to be done.
    pub action: PlanAction,
    /// The members that the request carries, beside the throughput's ARN. A Delete has none.
    // Server-side apply makes null of an empty map where a fuller one was.
    #[serde(default, skip_serializing_if = "CallRequest::is_empty")]
    pub request: CallRequest,
    /// What the call does, in words.
    pub message: String,
    /// What is served meanwhile, what it may cost, and whether it can be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence: Option<String>,
    /// What it waits for.
    pub waiting_for: WaitingFor,
    /// Stands for exactly this plan: the value of the annotation `bedrock-throughput.dev/approve` that lets it through once. Only there
    /// while the plan waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Why the call is due.
    pub cause: ChangeCause,
    /// What the members of the request are at AWS before the call.
    #[serde(default, skip_serializing_if = "CallRequest::is_empty")]
    pub from: CallRequest,
    /// When the call was sent, while its answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
}

/// What is done at AWS.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PlanAction {
    /// `CreateProvisionedModelThroughput`.
    Create,
    /// `UpdateProvisionedModelThroughput`.
    #[default]
    Update,
    /// `UntagResource` and `TagResource`, whichever there is something for.
    Tag,
    /// `DeleteProvisionedModelThroughput`.
    Delete,
}

impl PlanAction {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Tag, Self::Delete];
}

/// What a due call waits for.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitingFor {
    /// The answer of AWS, or a look that shows what came of the call.
    Answer,
    /// The throughput or the wanted model, with which AWS is busy.
    Aws,
    /// The end of the commitment.
    Commitment,
    /// The next try, after a passing fault.
    Retry,
    /// Its turn, because calls to AWS are paced.
    RateLimit,
    /// A person who sets the annotation `bedrock-throughput.dev/approve` to `hash`.
    Approval,
    /// Somebody who changes the manifest, AWS or IAM.
    Change,
    /// A `managementPolicy` that allows it.
    ManagementPolicy,
    /// An operator that was started with `--allow-create` or `--allow-delete`.
    OperatorFlag,
}

/// Why a change is made.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeCause {
    /// The manifest asks for something that AWS did not have so far.
    Manifest,
    /// AWS had what the manifest asks for, and somebody changed it there.
    Drift,
}

/// The members of a request, by AWS's names. Only what is sent is in it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest {
    /// Update: the new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_provisioned_model_name: Option<String>,
    /// Update: the ARN of the new model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_model_id: Option<String>,
    /// Create: the idempotency token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// Create: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_model_name: Option<String>,
    /// Create: the ARN of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Create: how many model units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_units: Option<i32>,
    /// Create: the commitment; not there: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment_duration: Option<CommitmentDuration>,
    /// Create and TagResource: the tags that are put on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// UntagResource: the keys of the tags that are taken off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tag_keys: BTreeSet<String>,
}

impl CallRequest {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A change that AWS accepted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// What was done.
    #[serde(default)]
    pub action: PlanAction,
    /// When the call was sent.
    pub time: Time,
    /// When the call was over: reads at AWS may lag behind that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_time: Option<Time>,
    /// AWS's id of the call, to find it in `CloudTrail`. Missing where the answer was lost and only its effect was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The generation of the manifest that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Why it was made.
    pub cause: ChangeCause,
    /// What the changed members were before.
    #[serde(default, skip_serializing_if = "CallRequest::is_empty")]
    pub from: CallRequest,
    /// What they were changed to. A Delete has none.
    #[serde(default, skip_serializing_if = "CallRequest::is_empty")]
    pub to: CallRequest,
    /// When a look first found all of it served. Missing while AWS is at work, and where the change failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_time: Option<Time>,
    /// Why it failed, in AWS's words, where it was reported as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
}
