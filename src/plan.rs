//! The decision: what is wanted, what AWS has and what was done before, to what is due now. Pure.
//!
//! The rules are an ordered chain of small functions; the first that has an answer decides. Where AWS leaves its behaviour unsaid, the
//! comment at the rule says which cases it has to be right for.

use std::time::Duration;

use crate::{
    conditions::Reason,
    crd::{ManagementPolicy, UpdateCause, UpdateRequest},
    desired::Desired,
    history::{Answer, History, LastCall},
    identifiers::{ModelArn, ModelKind},
    observed::{ModelStatus, Observed, Sighting, Throughput, ThroughputStatus, WantedModel},
    schedule::plus,
};

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: AWS has what the manifest says.
    Nothing,
    /// AWS is at work: look again soon.
    Wait {
        /// What is waited for.
        reason: Reason,
        /// The same for a person.
        message: String,
        /// The call that comes next, if one is due.
        pending: Option<Update>,
    },
    /// A call was sent, and no look can have shown yet what came of it.
    Settle {
        /// What is waited for, for a person.
        message: String,
    },
    /// Nothing can be done until somebody changes the manifest or AWS.
    Refuse {
        /// Why.
        reason: Reason,
        /// The same for a person, with the way out.
        message: String,
        /// The call that was not made, if there is one.
        pending: Option<Update>,
    },
    /// AWS differs, and the policy is to leave it.
    Leave {
        /// The call that would be due.
        pending: Update,
    },
    /// Call `UpdateProvisionedModelThroughput`.
    Update(Update),
}

/// A call of `UpdateProvisionedModelThroughput`, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The members that differ, and no others.
    pub request: UpdateRequest,
    /// The same members as AWS has them.
    pub from: UpdateRequest,
    /// Why.
    pub cause: UpdateCause,
    /// What the call does, in words.
    pub message: String,
}

/// Everything that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the manifest says.
    pub desired: &'a Desired,
    /// What AWS has.
    pub observed: &'a Observed,
    /// What was done before.
    pub history: &'a History,
    /// How long a look may fail to show a call that AWS accepted.
    pub read_lag: Duration,
}

/// Decides.
pub fn plan(situation: &Situation<'_>) -> Plan {
    let throughput = match &situation.observed.throughput {
        Sighting::Found(throughput) => throughput,
        Sighting::Missing => return missing(situation.desired),
        Sighting::Ambiguous(arns) => {
            let arns: Vec<_> = arns.iter().map(ToString::to_string).collect();
            return refuse(
                Reason::AmbiguousName,
                format!(
                    "AWS has {} throughputs of the name {}: delete this object (nothing happens at AWS) and apply it again with the ARN of the one that is meant as provisionedModelId ({})",
                    arns.len(),
                    situation.desired.identity.id,
                    arns.join(", ")
                ),
                None,
            );
        }
    };
    let difference = difference(situation, throughput);
    busy(throughput, difference.as_ref())
        .or_else(|| if gave_up(throughput, situation.history) { None } else { settling(situation, throughput) })
        .or_else(|| model_gone(situation.desired, &situation.observed.model))
        .or_else(|| failed(situation, throughput, difference.as_ref()))
        .or_else(|| settling(situation, throughput))
        .or_else(|| not_served_yet(situation.history, throughput, difference.as_ref()))
        .or_else(|| difference.is_none().then_some(Plan::Nothing))
        .or_else(|| difference.as_ref().and_then(|update| illegal(situation, throughput, update)))
        .or_else(|| difference.as_ref().and_then(|update| left(situation.desired, update)))
        .unwrap_or_else(|| difference.map_or(Plan::Nothing, Plan::Update))
}

fn refuse(reason: Reason, message: String, pending: Option<&Update>) -> Plan {
    Plan::Refuse { reason, message, pending: pending.cloned() }
}

fn wait(reason: Reason, message: String, pending: Option<&Update>) -> Plan {
    Plan::Wait { reason, message, pending: pending.cloned() }
}

fn missing(desired: &Desired) -> Plan {
    let identity = &desired.identity;
    let what = match (&identity.bound, &identity.fallback) {
        (Some(arn), _) => format!("no throughput {arn}"),
        (None, Some(name)) if name.as_str() != identity.id.as_str() => {
            format!("no throughput of the name {}, nor of the wanted name {name}", identity.id)
        }
        (None, _) => format!("no throughput {}", identity.id),
    };
    refuse(
        Reason::NotFound,
        format!(
            "AWS has {what} in region {} of the account that the operator works in: it is not bought again. If it was deleted, delete this \
             object; if it is elsewhere, correct provisionedModelId or region in a new object, or the operator's credentials",
            desired.region
        ),
        None,
    )
}

/// What has to change at AWS, if anything.
///
/// A throughput that has failed counts as having only what it serves: AWS does not say whether `desiredModelArn` goes back.
fn difference(situation: &Situation<'_>, throughput: &Throughput) -> Option<Update> {
    let Situation { desired, observed, history, .. } = situation;
    let name = desired.name.as_ref().filter(|name| **name != throughput.name);
    let model = observed.model.arn().filter(|arn| {
        **arn != throughput.desired_model_arn || (gave_up(throughput, history) && **arn != throughput.model_arn)
    });
    let request = UpdateRequest {
        desired_provisioned_model_name: name.map(ToString::to_string),
        desired_model_id: model.map(ToString::to_string),
    };
    if request.is_empty() {
        return None;
    }
    let from = UpdateRequest {
        desired_provisioned_model_name: name.map(|_| throughput.name.to_string()),
        desired_model_id: model.map(|_| throughput.model_arn.to_string()),
    };
    let cause = match &history.due {
        _ if history.synced => UpdateCause::Drift,
        Some((due, cause)) if *due == request => *cause,
        Some(_) | None => UpdateCause::Manifest,
    };
    let message = describe(&request, &from, model);
    Some(Update { request, from, cause, message })
}

/// Whether the last change failed. AWS does not say whether the status then is `Failed` or again `InService`; a `failureMessage` tells in
/// either case, and so does a model that is still asked for and no longer worked on.
fn gave_up(throughput: &Throughput, history: &History) -> bool {
    match throughput.status {
        ThroughputStatus::Failed => true,
        ThroughputStatus::InService => {
            let half_way = throughput.model_arn != throughput.desired_model_arn;
            throughput.failure_message.is_some() || (half_way && history.saw_updating)
        }
        ThroughputStatus::Creating | ThroughputStatus::Updating | ThroughputStatus::Other(_) => false,
    }
}

fn describe(request: &UpdateRequest, from: &UpdateRequest, model: Option<&ModelArn>) -> String {
    let mut parts = Vec::new();
    if let (Some(to), Some(from)) = (&request.desired_provisioned_model_name, &from.desired_provisioned_model_name) {
        parts.push(format!("rename it from {from} to {to}"));
    }
    if let (Some(to), Some(from)) = (&request.desired_model_id, &from.desired_model_id) {
        parts.push(format!("move it from model {from} to {to}; the old model is served until the new one is in place"));
    }
    let one_way = match model.map(ModelArn::kind) {
        Some(ModelKind::Foundation) => "; AWS may not let a throughput go back from its base model to a custom model",
        Some(ModelKind::Custom) | None => "",
    };
    format!("{}{one_way}", parts.join(", and "))
}

/// AWS takes neither Update nor Delete while it is at work (Bedrock user guide, "Modify a Provisioned Throughput").
fn busy(throughput: &Throughput, due: Option<&Update>) -> Option<Plan> {
    let next = due.map_or_else(String::new, |update| format!("; then: {}", update.message));
    match &throughput.status {
        ThroughputStatus::Creating => {
            Some(wait(Reason::Creating, format!("AWS is still making throughput {}{next}", throughput.name), due))
        }
        ThroughputStatus::Updating => Some(wait(Reason::Updating, updating(throughput, &next), due)),
        ThroughputStatus::Other(word) => Some(wait(
            Reason::UnknownStatus,
            format!(
                "AWS says that throughput {} is {word:?}, a status that this version of the operator does not know: it is left alone until \
                 that changes{next}",
                throughput.name
            ),
            due,
        )),
        ThroughputStatus::InService | ThroughputStatus::Failed => None,
    }
}

fn updating(throughput: &Throughput, next: &str) -> String {
    if throughput.model_arn == throughput.desired_model_arn {
        format!("AWS is updating throughput {}{next}", throughput.name)
    } else {
        format!(
            "AWS is moving throughput {} to model {}; model {} is served until then{next}",
            throughput.name, throughput.desired_model_arn, throughput.model_arn
        )
    }
}

fn model_gone(desired: &Desired, model: &WantedModel) -> Option<Plan> {
    match model {
        WantedModel::Missing => {
            let wanted = desired.model.as_ref().map_or_else(String::new, ToString::to_string);
            Some(refuse(
                Reason::ModelNotFound,
                format!(
                    "AWS has no model {wanted} in region {} of the account that the operator works in: correct modelId, or make the model",
                    desired.region
                ),
                None,
            ))
        }
        WantedModel::NotManaged | WantedModel::Arn(_) | WantedModel::Custom { .. } => None,
    }
}

/// A change that failed is not repeated until the manifest changes or a person asks.
fn failed(situation: &Situation<'_>, throughput: &Throughput, due: Option<&Update>) -> Option<Plan> {
    let Situation { desired, history, .. } = situation;
    let why = throughput.failure_message.as_deref().unwrap_or("AWS gives no reason");
    if history.retrying && due.is_some() {
        return None;
    }
    let ours = due
        .and_then(|update| history.call_for(&update.request))
        .filter(|call| call.generation.is_none() || call.generation == desired.generation);
    // Where AWS goes back to `InService` and what was there before without a word, it tells to have seen AWS at work on it, or that
    // nothing is to be seen of a call that AWS accepted when reads have caught up.
    let without_a_trace = |call: &LastCall| {
        let accepted = matches!(call.answer, Answer::Accepted { .. });
        accepted && situation.observed.looked_at >= plus(call.over_at, situation.read_lag)
    };
    let fell_back = desired.policy == ManagementPolicy::Update
        && throughput.status == ThroughputStatus::InService
        && ours.is_some_and(|call| history.saw_updating || without_a_trace(call));
    if !(gave_up(throughput, history) || fell_back || history.failed && ours.is_some()) {
        return None;
    }
    // An answer that never came, with nothing changed at AWS since: the failure is an older one.
    // AWS's clock is not ours, so that a change of its own time since the look before the call counts, too.
    let changed_since =
        history.modified.is_some_and(|before| throughput.last_modified_time.as_second() > before.as_second());
    let after_the_call = ours.is_some_and(|call| {
        history.failed
            || fell_back
            || history.saw_updating
            || changed_since
            || throughput.last_modified_time >= call.sent_at
    });
    match due {
        Some(update) if after_the_call && desired.requested.is_none() => Some(refuse(
            Reason::UpdateFailed,
            format!(
                "AWS could not do what it was asked for ({}): {why}. It is not repeated by itself: change the manifest, or set the annotation \
                 bedrock-throughput.dev/reconcile-requested-at to a new value",
                update.request
            ),
            Some(update),
        )),
        Some(_) => None,
        None if throughput.status == ThroughputStatus::Failed => Some(refuse(
            Reason::Failed,
            format!("AWS says that throughput {} has failed: {why}. Look into it at AWS", throughput.name),
            None,
        )),
        None => None,
    }
}

/// `InService` with another model to come: accepted, and not served yet.
fn not_served_yet(history: &History, throughput: &Throughput, due: Option<&Update>) -> Option<Plan> {
    (due.is_none() && throughput.model_arn != throughput.desired_model_arn && !gave_up(throughput, history))
        .then(|| wait(Reason::Updating, updating(throughput, ""), None))
}

/// What AWS would refuse is not sent. A manifest is done whole or not at all: a refused model holds back the rename.
fn illegal(situation: &Situation<'_>, throughput: &Throughput, update: &Update) -> Option<Plan> {
    let model = &situation.observed.model;
    let given_up = gave_up(throughput, situation.history);
    let from = if given_up { &throughput.model_arn } else { &throughput.desired_model_arn };
    let wanted = update.request.desired_model_id.as_ref()?;
    if from.kind() == ModelKind::Foundation {
        return Some(refuse(
            Reason::ModelFixed,
            format!(
                "throughput {} serves the base model {}, and AWS lets only a throughput on a custom model change its model, so it cannot move \
                 to {wanted}: set modelId back, or leave it out",
                throughput.name, from
            ),
            Some(update),
        ));
    }
    let base = &throughput.foundation_model_arn;
    let not_sibling = |of: &ModelArn| {
        refuse(
            Reason::NotSibling,
            format!(
                "modelId {wanted} is not a sibling of {from}: it is made from base model {of}, and the throughput's base model is {base}. Custom \
                 models must share the base model, or modelId must be that base model"
            ),
            Some(update),
        )
    };
    match model {
        WantedModel::Custom { model, foundation } => match &model.status {
            Some(ModelStatus::Creating) => Some(wait(
                Reason::ModelNotReady,
                format!("the custom model {wanted} is still being made; then: {}", update.message),
                Some(update),
            )),
            Some(ModelStatus::Failed) => Some(refuse(
                Reason::ModelFailed,
                format!("the custom model {wanted} failed to be made: set modelId to a model that is Active"),
                Some(update),
            )),
            // Without a status or a base there is nothing to go by; AWS decides.
            Some(ModelStatus::Active | ModelStatus::Other(_)) | None => {
                foundation.as_ref().filter(|of| !same_base(of, base)).map(not_sibling)
            }
        },
        WantedModel::Arn(arn) if arn.kind() == ModelKind::Foundation && !same_base(arn, base) => Some(not_sibling(arn)),
        WantedModel::Arn(_) | WantedModel::NotManaged | WantedModel::Missing => None,
    }
}

/// Whether two foundation models are the same one. Variants for another context length count as the same: AWS does not say whether they
/// are, and a legal move must not be refused here.
fn same_base(one: &ModelArn, other: &ModelArn) -> bool {
    one == other || (one.base_family().is_some() && one.base_family() == other.base_family())
}

fn left(desired: &Desired, update: &Update) -> Option<Plan> {
    match desired.policy {
        ManagementPolicy::Observe => Some(Plan::Leave { pending: update.clone() }),
        ManagementPolicy::Update => None,
    }
}

/// Update has no idempotency token: a call is repeated, or taken for undone by somebody, only when a look shows that it did not take. A
/// look that was begun before reads have caught up with the call shows nothing either way.
fn settling(situation: &Situation<'_>, throughput: &Throughput) -> Option<Plan> {
    let Situation { observed, history, read_lag, .. } = situation;
    let call = history.last_call.as_ref().filter(|call| !throughput.shows(&call.request))?;
    (observed.looked_at < plus(call.over_at, *read_lag))
        .then(|| Plan::Settle { message: format!("AWS was asked for {}, and does not show it yet", call.request) })
}

#[cfg(test)]
pub(crate) mod tests;
