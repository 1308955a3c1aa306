//! What is done at AWS for an object that is being deleted.

use super::{
    Pending, Plan, RETAINED, Situation, ambiguous, busy, gate, held_by_another, lagging, refuse, settling, unsettled,
};
use crate::{
    calls::{Call, Change},
    conditions::{Reason, whole_seconds},
    crd::{CallRequest, ChangeCause, PlanAction, WaitingFor},
    history::Answer,
    observed::{Sighting, Throughput},
};

/// Deletes the throughput where the manifest says so, and lets the object go when that is done.
pub(super) fn going(situation: &Situation<'_>) -> Plan {
    let Situation { desired, observed, .. } = situation;
    let let_go = |message: String| Plan::LetGo { message, is_deleted: false };
    if !desired.deletes() {
        return let_go(RETAINED.to_owned());
    }
    // A Create that is out may still bring a throughput, which would then belong to nobody.
    let buying = situation.history.open(PlanAction::Create).filter(|last| unsettled(situation, last));
    match &observed.throughput {
        Sighting::Found(throughput) => {
            if held_by_another(situation, throughput).is_some() {
                return let_go(format!("throughput {} belongs to another object, and stays as it is", throughput.name));
            }
            if !is_own(situation) {
                // They may not show yet.
                return buying.and(Some(bought_unseen())).or_else(|| lagging(situation)).unwrap_or_else(|| {
                    let name = &throughput.name;
                    let_go(format!(
                        "throughput {name} does not carry the owner tags of this object, and stays as it is"
                    ))
                });
            }
            found(situation, throughput)
        }
        Sighting::Missing | Sighting::Taken(_) if buying.is_some() => settling(situation).unwrap_or_else(bought_unseen),
        Sighting::Missing => missing(situation).unwrap_or_else(|| Plan::LetGo {
            message: "AWS has no throughput for this object any more".to_owned(),
            is_deleted: desired.identity.bound.is_some() || situation.history.last_call.is_some(),
        }),
        Sighting::Taken(throughput) => {
            let_go(format!("throughput {} does not belong to this object, and stays as it is", throughput.name))
        }
        // One that is found by a name that several have was never bound.
        Sighting::Ambiguous(_) if desired.identity.id.is_some() => let_go(
            "AWS has several throughputs of that name, and none was bound to this object: they stay as they are"
                .to_owned(),
        ),
        Sighting::Ambiguous(arns) => ambiguous(desired, arns),
    }
}

fn bought_unseen() -> Plan {
    Plan::Settle { message: "AWS was asked to make a throughput, and does not show it yet".to_owned() }
}

/// Whether the throughput is the object's to delete: its tags name the object, or they name nobody and the manifest names the throughput. One
/// that was bought is tagged from the beginning, so that one without tags is another.
fn is_own(situation: &Situation<'_>) -> bool {
    let own = situation.desired.owner.as_ref();
    match situation.observed.owner() {
        Some(owner) => own.is_some_and(|own| own.is(&owner)),
        None => situation.desired.identity.id.is_some() && situation.observed.tags.is_some(),
    }
}

/// What was deleted is gone when it is not seen; what was bought or changed a moment ago may not be seen yet.
fn missing(situation: &Situation<'_>) -> Option<Plan> {
    match situation.history.open(PlanAction::Delete) {
        Some(_) => None,
        None => lagging(situation),
    }
}

fn found(situation: &Situation<'_>, throughput: &Throughput) -> Plan {
    let change = delete(throughput);
    busy(throughput, Some(&change))
        .or_else(|| open(situation, throughput, &change))
        .or_else(|| committed(situation, throughput, &change))
        .unwrap_or_else(|| gate::gate(situation, change))
}

fn delete(throughput: &Throughput) -> Change {
    let Throughput { name, arn, .. } = throughput;
    Change {
        call: Call::Delete,
        arn: Some(arn.clone()),
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
        message: format!("delete throughput {name} ({arn})"),
        consequence: "Calls to its ARN fail from then on, and AWS no longer bills it. It cannot be undone: one that is bought later has another ARN, \
                      and the price and quota of that day"
            .to_owned(),
    }
}

/// A Delete that is out: it is waited for. One that AWS accepted and did not carry out is repeated only when a person asks.
fn open(situation: &Situation<'_>, throughput: &Throughput, change: &Change) -> Option<Plan> {
    let Situation { desired, history, .. } = situation;
    let last = history.open(PlanAction::Delete)?;
    if unsettled(situation, last) {
        let message = format!("AWS was asked to delete throughput {}, and still shows it", throughput.name);
        return Some(Plan::Settle { message });
    }
    match last.answer {
        Answer::Missing => None,
        Answer::Accepted { .. } if desired.requested.is_some() || history.retrying == Some(PlanAction::Delete) => None,
        Answer::Accepted { .. } => {
            let why = throughput.failure_message.as_deref().unwrap_or("AWS gives no reason");
            Some(refuse(
                Reason::DeleteFailed,
                format!(
                    "AWS was asked to delete throughput {} and still has it: {why}. To try again, set the annotation \
                     bedrock-throughput.dev/reconcile-requested-at to a new value; to let the object go without, set deletionPolicy: Retain",
                    throughput.name
                ),
                Some(change),
            ))
        }
    }
}

/// Under a commitment AWS refuses Delete.
fn committed(situation: &Situation<'_>, throughput: &Throughput, change: &Change) -> Option<Plan> {
    let end = throughput.commitment_expiration_time.filter(|end| *end > situation.now)?;
    Some(Plan::Wait {
        reason: Reason::CommitmentRunning,
        message: format!(
            "throughput {} has a commitment until {}, and AWS does not delete it before: it is deleted then. To let the object go now and keep the \
             throughput, set deletionPolicy: Retain",
            throughput.name,
            whole_seconds(end).0
        ),
        pending: Some(Pending { change: change.clone(), waiting_for: WaitingFor::Commitment, hash: None }),
        until: Some(end),
    })
}
