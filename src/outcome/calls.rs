//! What a status keeps of calls: the one that is due, the one that is out, and the last one that AWS took.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Export, Look, Notice, Severity};
use crate::{
    calls::{Call, Change},
    conditions::{Reason, next_whole_second, whole_seconds},
    crd::{ChangeCause, LastUpdate, PlanStatus, ProvisionedThroughputStatus, WaitingFor},
    desired::Desired,
    history::{Answer, History, LastCall},
    observed::Observed,
    plan::{Pending, Plan},
};

/// The status with what has become of the open call, which the next one is about to take the place of, and the event for its end.
#[must_use]
pub fn before_the_next(
    status: &ProvisionedThroughputStatus,
    observed: &Observed,
    history: &History,
    next: &Change,
    now: Timestamp,
) -> (ProvisionedThroughputStatus, Option<Notice>) {
    let mut status = status.clone();
    let plan = Plan::Act(next.clone());
    let look = Look { observed, plan: &plan, history, export: &Export::default(), now };
    let ended = record(&mut status, &look);
    (status, ended)
}

/// The status with a call that AWS accepted, where there is no time left to look what came of it.
#[must_use]
pub fn with_accepted(status: &ProvisionedThroughputStatus, call: &LastCall) -> ProvisionedThroughputStatus {
    ProvisionedThroughputStatus { plan: None, last_update: Some(last_update(call, None)), ..status.clone() }
}

/// What is kept of a call that AWS took.
pub(super) fn last_update(call: &LastCall, served_time: Option<Time>) -> Box<LastUpdate> {
    let LastCall { sent_at, over_at, generation, call, from, cause, answer } = call;
    let request_id = match answer {
        Answer::Accepted { request_id } => request_id.clone(),
        Answer::Missing => None,
    };
    let (action, cause, from, to) = (call.action(), *cause, from.clone(), call.request());
    Box::new(LastUpdate {
        action,
        time: next_whole_second(*sent_at),
        answer_time: Some(next_whole_second(*over_at)),
        request_id,
        generation: *generation,
        cause,
        from,
        to,
        served_time,
        failure_message: None,
    })
}

/// Writes down that a call is sent, and what follows from that whatever comes of it.
pub(super) fn send(
    status: &mut ProvisionedThroughputStatus,
    desired: Option<&Desired>,
    change: &Change,
    sent_at: Timestamp,
) {
    let mut sent = pending(&Pending { change: change.clone(), waiting_for: WaitingFor::Answer, hash: None });
    sent.sent_at = Some(next_whole_second(sent_at));
    status.plan = Some(sent);
    if let Some(approved) = desired.and_then(|desired| desired.approved.as_ref()) {
        status.last_handled_approval = Some(approved.clone());
    }
}

/// Moves the open call from `plan` to `lastUpdate` once it is known that AWS took it. Returns the event for the end of the change, if it
/// is served now.
pub(super) fn record(status: &mut ProvisionedThroughputStatus, look: &Look<'_>) -> Option<Notice> {
    let Look { observed, plan, history, export: _, now } = look;
    let Some(last) = &history.last_call else {
        status.plan = None;
        return None;
    };
    let LastCall { sent_at: _, over_at: _, generation: _, call, from, cause, answer } = last;
    let came_to_nothing = match plan {
        Plan::Refuse { reason, .. } => {
            matches!(reason, Reason::UpdateFailed | Reason::CreateFailed | Reason::DeleteFailed)
        }
        Plan::Nothing
        | Plan::Wait { .. }
        | Plan::Settle { .. }
        | Plan::Leave { .. }
        | Plan::Act(_)
        | Plan::LetGo { .. } => false,
    };
    let shown = observed.shows(call);
    if *answer == Answer::Missing && !shown && !came_to_nothing {
        if **plan == Plan::Nothing {
            // It did not take, and is not wanted any more.
            status.plan = None;
        }
        return None;
    }
    let served = observed.serves(call);
    status.plan = None;
    let had = status.last_update.take().filter(|had| had.action == call.action() && had.to == call.request());
    let told = had.and_then(|had| had.failure_message);
    let why = || observed.found().and_then(|found| found.failure_message.clone()).unwrap_or_default();
    let mut update = last_update(last, served.then(|| whole_seconds(*now)));
    update.failure_message = if came_to_nothing { Some(why()) } else { told.filter(|_| !served) };
    status.last_update = Some(update);
    put_on(status, call);
    let reason = match (call, cause) {
        (Call::Create(_), _) => "Created",
        (Call::Delete, _) => "Deleted",
        (Call::Update(_) | Call::Tag(_), ChangeCause::Manifest) => "Updated",
        (Call::Update(_) | Call::Tag(_), ChangeCause::Drift) => "DriftRepaired",
    };
    let before = if from.is_empty() { String::new() } else { format!(" (before: {from})") };
    served.then(|| Notice {
        severity: Severity::Normal,
        reason,
        note: format!("AWS serves the change: {call}{before}"),
        ends: Some(*cause),
    })
}

/// Notes the tags that a call has put on.
pub(super) fn put_on(status: &mut ProvisionedThroughputStatus, call: &Call) {
    match call {
        Call::Create(create) => status.managed_tag_keys.extend(create.tags.keys().cloned()),
        Call::Tag(tag) => status.managed_tag_keys.extend(tag.set.keys().cloned()),
        Call::Update(_) | Call::Delete => {}
    }
}

/// Forgets the tags that are neither there nor wanted: one of that key that somebody puts on later is theirs.
pub(super) fn forget_tags(status: &mut ProvisionedThroughputStatus, desired: &Desired, observed: &Observed) {
    let Some(tags) = &observed.tags else { return };
    let wanted = desired.wanted_tags();
    status.managed_tag_keys.retain(|key| tags.contains_key(key) || wanted.contains_key(key));
}

pub(super) fn pending(pending: &Pending) -> Box<PlanStatus> {
    let Pending { change, waiting_for, hash } = pending;
    let Change { call, arn: _, from, cause, message, consequence } = change;
    Box::new(PlanStatus {
        action: call.action(),
        request: call.request(),
        message: message.clone(),
        consequence: Some(consequence.clone()),
        waiting_for: *waiting_for,
        hash: hash.clone(),
        cause: *cause,
        from: from.clone(),
        sent_at: None,
    })
}
