//! What the object's own status says was done before. The operator keeps no other memory over a restart.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    calls::{Call, Update},
    conditions::{ConditionType, Reason, find, is_true},
    crd::{CallRequest, ChangeCause, LastUpdate, PlanAction, PlanStatus, ProvisionedThroughputStatus, WaitingFor},
    observed::ThroughputStatus,
};

/// A call of which no look has yet shown that AWS has what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LastCall {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was over at the latest: AWS begins nothing of it afterwards. Reads lag behind this moment, not behind the sending.
    pub over_at: Timestamp,
    /// The generation of the manifest that asked for it.
    pub generation: Option<i64>,
    /// What it asked for.
    pub call: Call,
    /// What was there before.
    pub from: CallRequest,
    /// Why it was made.
    pub cause: ChangeCause,
    /// What AWS answered.
    pub answer: Answer,
}

/// What became of a call, as far as the answer tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// AWS accepted it, with this request id.
    Accepted {
        /// AWS's id of the call.
        request_id: Option<String>,
    },
    /// No answer came, or the operator ended before it did: AWS may have carried it out or not.
    Missing,
}

/// What was done before, as far as it matters for the next decision.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The call that is still open.
    pub last_call: Option<LastCall>,
    /// When the last call was sent that AWS accepted. It tells a plan from the same plan at another time.
    pub accepted_at: Option<Timestamp>,
    /// When that call was over.
    pub answered_at: Option<Timestamp>,
    /// The last look at this generation found AWS as the manifest says: a difference now is drift.
    pub synced: bool,
    /// A change was reported as failed at this generation of the manifest.
    pub failed: bool,
    /// The last call was a creation, and was reported as failed.
    pub creation_failed: bool,
    /// What was due at this generation when it was last told, and why: it stays drift when a fault comes between.
    pub due: Option<(PlanAction, CallRequest, ChangeCause)>,
    /// What is due has been asked for at this generation, and AWS did not take it or a person has to approve it: it is tried again, whatever
    /// failed before.
    pub retrying: Option<PlanAction>,
    /// The last look that was told found AWS `Updating`.
    pub saw_updating: bool,
    /// `lastModifiedTime` in the last look that was told.
    pub modified: Option<Timestamp>,
    /// The `failureMessage` that was told, and the `lastModifiedTime` that it belongs to.
    pub failure_message: Option<(Timestamp, String)>,
    /// The value of the annotation `take-over-from` that has been honoured.
    pub taken_over: Option<String>,
    /// The keys of the tags that the object has put on.
    pub managed_tag_keys: BTreeSet<String>,
}

impl History {
    /// Reads the history from a status. `generation` is the manifest's now.
    #[must_use]
    pub fn of(status: &ProvisionedThroughputStatus, generation: Option<i64>) -> Self {
        let synced = is_true(&status.conditions, ConditionType::Synced);
        let stalled = find(&status.conditions, ConditionType::Stalled);
        let stalled_with = |reason: Reason| stalled.is_some_and(|stalled| stalled.reason == reason.as_str());
        let is_current = status.observed_generation == generation;
        let plan = status.plan.as_deref();
        Self {
            last_call: plan
                .and_then(|plan| unanswered(plan, status.observed_generation))
                .or_else(|| status.last_update.as_deref().and_then(accepted)),
            accepted_at: status.last_update.as_ref().map(|update| update.time.0),
            answered_at: status.last_update.as_deref().map(answered_at),
            synced: synced && is_current,
            failed: stalled_with(Reason::UpdateFailed)
                && stalled.is_some_and(|stalled| stalled.observed_generation == generation),
            creation_failed: status
                .last_update
                .as_ref()
                .is_some_and(|update| update.action == PlanAction::Create && update.failure_message.is_some()),
            due: plan.filter(|_| is_current).map(|plan| (plan.action, plan.request.clone(), plan.cause)),
            retrying: plan
                .filter(|plan| is_current && plan.sent_at.is_none())
                .filter(|plan| match plan.waiting_for {
                    WaitingFor::Retry | WaitingFor::RateLimit => true,
                    // A plan that is shown for somebody to ask for it is another matter.
                    WaitingFor::Approval => stalled.is_none(),
                    // Refused for something that is put right outside of the manifest.
                    WaitingFor::Change => stalled_with(Reason::QuotaExceeded) || stalled_with(Reason::AccessDenied),
                    WaitingFor::Answer
                    | WaitingFor::Aws
                    | WaitingFor::Commitment
                    | WaitingFor::ManagementPolicy
                    | WaitingFor::OperatorFlag => false,
                })
                .map(|plan| plan.action),
            saw_updating: status.status.as_deref() == Some(ThroughputStatus::Updating.as_str()),
            modified: status.last_modified_time.as_ref().map(|time| time.0),
            failure_message: status
                .last_modified_time
                .as_ref()
                .zip(status.failure_message.as_ref())
                .map(|(modified, message)| (modified.0, message.clone())),
            taken_over: status.last_handled_take_over.clone(),
            managed_tag_keys: status.managed_tag_keys.clone(),
        }
    }

    /// The open call, if it is an Update that asked for everything that `update` asks for.
    #[must_use]
    pub fn open_update(&self, update: &Update) -> Option<&LastCall> {
        self.last_call.as_ref().filter(|last| match &last.call {
            Call::Update(asked) => asked.covers(update),
            Call::Create(_) | Call::Tag(_) | Call::Delete => false,
        })
    }

    /// The open call, if it is of this kind.
    #[must_use]
    pub fn open(&self, action: PlanAction) -> Option<&LastCall> {
        self.last_call.as_ref().filter(|last| last.call.action() == action)
    }
}

/// The call that a plan says was sent and not answered.
fn unanswered(plan: &PlanStatus, generation: Option<i64>) -> Option<LastCall> {
    let PlanStatus { action, request, message: _, consequence: _, waiting_for: _, hash: _, cause, from, sent_at } =
        plan;
    let (sent_at, call) = (sent_at.as_ref()?, Call::from_status(*action, request)?);
    Some(LastCall {
        sent_at: sent_at.0,
        over_at: sent_at.0,
        generation,
        call,
        from: from.clone(),
        cause: *cause,
        answer: Answer::Missing,
    })
}

/// The call that was accepted and is not served yet.
fn accepted(update: &LastUpdate) -> Option<LastCall> {
    let LastUpdate { action, time, request_id, generation, cause, from, to, served_time, .. } = update;
    if served_time.is_some() {
        return None;
    }
    Some(LastCall {
        sent_at: time.0,
        over_at: answered_at(update),
        generation: *generation,
        call: Call::from_status(*action, to)?,
        from: from.clone(),
        cause: *cause,
        answer: Answer::Accepted { request_id: request_id.clone() },
    })
}

/// When an accepted call was over. It was told of without that by an earlier version.
fn answered_at(update: &LastUpdate) -> Timestamp {
    update.answer_time.as_ref().unwrap_or(&update.time).0
}
