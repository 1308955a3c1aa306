//! The decision over whole products of situations, and what they are made from.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{
    calls::{Create, Update},
    crd::{Approval, CallRequest, ChangeCause, CommitmentDuration, DeletionPolicy},
    desired::Identity,
    history::Answer,
    identifiers::{ModelArn, ModelIdentifier, ProvisionedModelId, ProvisionedModelName, Region},
    observed::{CustomModel, ModelHealth, ModelStatus},
};

mod create_only;
pub(crate) mod deletion;
mod gate;
pub(crate) mod purchase;
mod tags;
pub(crate) mod update;

pub(crate) const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";
pub(crate) const BASE: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const OTHER_BASE: &str = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-1-8b-instruct-v1:0:128k";
pub(crate) const SERVED: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/aaaaaaaaaaaa";
pub(crate) const SIBLING: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/bbbbbbbbbbbb";
const STRANGER: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/meta.llama3-1-8b/cccccccccccc";
pub(crate) const UID: &str = "5f0c1f5e-8f0e-4d0a-9a43-0f4f6f1f2d11";

/// How long after the call at [`CALLED`] reads have caught up.
pub(crate) const READ_LAG: Duration = Duration::from_secs(15);

pub(crate) const BEFORE_THE_CALL: i64 = 900;
pub(crate) const CALLED: i64 = 1000;
pub(crate) const LAGGING: i64 = 1010;
pub(crate) const CAUGHT_UP: i64 = 1015;

pub(crate) const ALL_PERMITTED: Permits = Permits { create: true, delete: true };

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn name(name: &str) -> ProvisionedModelName {
    ProvisionedModelName::parse(name).unwrap()
}

pub(crate) fn arn() -> ProvisionedModelArn {
    ProvisionedModelArn::from_aws(ARN)
}

/// The object as an owner.
pub(crate) fn owner() -> Owner {
    Owner { cluster: "here".into(), namespace: "ml".into(), name: "summarizer".into(), uid: UID.into() }
}

/// An owner in another cluster.
pub(crate) fn stranger() -> Owner {
    Owner { cluster: "there".into(), uid: "another".into(), ..owner() }
}

/// An object that manages an existing throughput, and asks for nothing yet.
pub(crate) fn desired() -> Desired {
    Desired {
        identity: Identity { bound: None, id: Some(ProvisionedModelId::Arn(arn())), fallback: None },
        name: None,
        model: None,
        region: Region::parse("us-east-1").unwrap(),
        policy: ManagementPolicy::Update,
        approval: Approval::Automatic,
        deletion: DeletionPolicy::Retain,
        units: None,
        commitment: None,
        tags: BTreeMap::new(),
        export: None,
        owner: Some(owner()),
        uid: UID.into(),
        interval: Duration::from_mins(5),
        suspend: false,
        generation: Some(1),
        requested: None,
        approved: None,
        take_over: None,
        created: None,
        is_going: false,
    }
}

/// An object that buys.
pub(crate) fn buying() -> Desired {
    Desired {
        identity: Identity { bound: None, id: None, fallback: None },
        name: Some(name("old")),
        model: Some(ModelIdentifier::parse(SERVED).unwrap()),
        policy: ManagementPolicy::Full,
        units: Some(1),
        ..desired()
    }
}

pub(crate) fn throughput(model: &str) -> Throughput {
    Throughput {
        arn: arn(),
        name: name("old"),
        status: ThroughputStatus::InService,
        model_arn: ModelArn::from_aws(model),
        desired_model_arn: ModelArn::from_aws(model),
        foundation_model_arn: ModelArn::from_aws(BASE),
        model_units: 1,
        desired_model_units: 1,
        commitment_duration: None,
        commitment_expiration_time: None,
        creation_time: at(0),
        last_modified_time: at(100),
        failure_message: None,
    }
}

/// A look that found this, and nothing else that matters.
pub(crate) fn look(second: i64, throughput: Sighting) -> Observed {
    Observed {
        looked_at: at(second),
        throughput,
        tags: None,
        model: WantedModel::NotManaged,
        health: ModelHealth::NotLooked,
    }
}

/// A call at [`CALLED`] that nobody has seen the end of.
pub(crate) fn open(call: Call, answer: Answer) -> LastCall {
    LastCall {
        sent_at: at(CALLED),
        over_at: at(CALLED),
        generation: Some(1),
        call,
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
        answer,
    }
}

pub(crate) fn accepted() -> Answer {
    Answer::Accepted { request_id: None }
}

/// What is decided by an operator that may do everything, at the time of the look.
pub(crate) fn decide(desired: &Desired, observed: &Observed, history: &History) -> Plan {
    decide_with(ALL_PERMITTED, desired, observed, history)
}

pub(crate) fn decide_with(permits: Permits, desired: &Desired, observed: &Observed, history: &History) -> Plan {
    let now = observed.looked_at;
    plan(&Situation { desired, observed, history, read_lag: READ_LAG, permits, now })
}

/// The call that is made.
pub(crate) fn acted(plan: &Plan) -> Option<&Change> {
    match plan {
        Plan::Act(change) => Some(change),
        Plan::Nothing
        | Plan::Wait { .. }
        | Plan::Settle { .. }
        | Plan::Refuse { .. }
        | Plan::Leave { .. }
        | Plan::LetGo { .. } => None,
    }
}

/// The call that waits for something.
pub(crate) fn pending(plan: &Plan) -> Option<&Pending> {
    match plan {
        Plan::Wait { pending, .. } | Plan::Refuse { pending, .. } => pending.as_ref(),
        Plan::Leave { pending } => Some(pending),
        Plan::Nothing | Plan::Settle { .. } | Plan::Act(_) | Plan::LetGo { .. } => None,
    }
}

pub(crate) fn reason(plan: &Plan) -> Option<Reason> {
    match plan {
        Plan::Wait { reason, .. } | Plan::Refuse { reason, .. } => Some(*reason),
        Plan::Nothing | Plan::Settle { .. } | Plan::Leave { .. } | Plan::Act(_) | Plan::LetGo { .. } => None,
    }
}
