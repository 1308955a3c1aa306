//! What the object's own status says was done before. The operator keeps no other memory over a restart.

use jiff::Timestamp;

use crate::{
    conditions::{ConditionType, Reason, find, is_true},
    crd::{PlanStatus, ProvisionedThroughputStatus, UpdateCause, UpdateRequest, WaitingFor},
    observed::ThroughputStatus,
};

/// A call of Update of which no look has yet shown that AWS has what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCall {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was over at the latest: AWS begins nothing of it afterwards. Reads lag behind this moment, not behind the sending.
    pub over_at: Timestamp,
    /// The generation of the manifest that asked for it.
    pub generation: Option<i64>,
    /// What it asked for.
    pub request: UpdateRequest,
    /// What was there before.
    pub from: UpdateRequest,
    /// Why it was made.
    pub cause: UpdateCause,
    /// What AWS answered.
    pub answer: Answer,
}

/// What became of a call, as far as the answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The last look at this generation found AWS as the manifest says: a difference now is drift.
    pub synced: bool,
    /// A change was reported as failed at this generation of the manifest.
    pub failed: bool,
    /// What was due at this generation when it was last told, and why: it stays drift when a fault comes between.
    pub due: Option<(UpdateRequest, UpdateCause)>,
    /// What is due has been tried at this generation, and AWS did not take it: it is tried again, whatever failed before.
    pub retrying: bool,
    /// The last look that was told found AWS `Updating`.
    pub saw_updating: bool,
    /// `lastModifiedTime` in the last look that was told.
    pub modified: Option<Timestamp>,
    /// The `failureMessage` that was told, and the `lastModifiedTime` that it belongs to.
    pub failure_message: Option<(Timestamp, String)>,
}

impl History {
    /// Reads the history from a status. `generation` is the manifest's now.
    #[must_use]
    pub fn of(status: &ProvisionedThroughputStatus, generation: Option<i64>) -> Self {
        let synced = is_true(&status.conditions, ConditionType::Synced);
        let stalled = find(&status.conditions, ConditionType::Stalled);
        let unanswered = status.plan.as_ref().and_then(|plan| {
            let PlanStatus { action: _, request, message: _, waiting_for: _, cause, from, sent_at } = plan;
            sent_at.as_ref().map(|sent_at| LastCall {
                sent_at: sent_at.0,
                over_at: sent_at.0,
                generation: status.observed_generation,
                request: request.clone(),
                from: from.clone(),
                cause: *cause,
                answer: Answer::Missing,
            })
        });
        let accepted = || {
            status.last_update.as_ref().filter(|update| update.served_time.is_none()).map(|update| LastCall {
                sent_at: update.time.0,
                over_at: update.time.0,
                generation: update.generation,
                request: update.to.clone(),
                from: update.from.clone(),
                cause: update.cause,
                answer: Answer::Accepted { request_id: update.request_id.clone() },
            })
        };
        Self {
            last_call: unanswered.or_else(accepted),
            synced: synced && status.observed_generation == generation,
            failed: stalled.is_some_and(|stalled| {
                stalled.reason == Reason::UpdateFailed.as_str() && stalled.observed_generation == generation
            }),
            due: status
                .plan
                .as_ref()
                .filter(|_| status.observed_generation == generation)
                .map(|plan| (plan.request.clone(), plan.cause)),
            retrying: status.observed_generation == generation
                && status
                    .plan
                    .as_ref()
                    .is_some_and(|plan| plan.waiting_for == WaitingFor::Retry && plan.sent_at.is_none()),
            saw_updating: status.status.as_deref() == Some(ThroughputStatus::Updating.as_str()),
            modified: status.last_modified_time.as_ref().map(|time| time.0),
            failure_message: status
                .last_modified_time
                .as_ref()
                .zip(status.failure_message.as_ref())
                .map(|(modified, message)| (modified.0, message.clone())),
        }
    }

    /// The open call, if it asked for everything that `request` asks for.
    #[must_use]
    pub fn call_for(&self, request: &UpdateRequest) -> Option<&LastCall> {
        self.last_call.as_ref().filter(|call| {
            let UpdateRequest { desired_provisioned_model_name: name, desired_model_id: model } = request;
            (name.is_none() || *name == call.request.desired_provisioned_model_name)
                && (model.is_none() || *model == call.request.desired_model_id)
        })
    }
}
