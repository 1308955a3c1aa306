//! What has to change in place: the name and the model, and what AWS would refuse of it.

use super::{Plan, Situation, refuse, wait};
use crate::{
    calls::{Call, Change, Update},
    conditions::Reason,
    crd::{CallRequest, ChangeCause, PlanAction},
    history::{Answer, History, LastCall},
    identifiers::{ModelArn, ModelKind},
    observed::{ModelStatus, Throughput, ThroughputStatus, WantedModel},
    schedule::plus,
};

/// What has to change at AWS, if anything.
///
/// A throughput that has failed counts as having only what it serves: AWS does not say whether `desiredModelArn` goes back.
pub(super) fn difference(situation: &Situation<'_>, throughput: &Throughput) -> Option<Change> {
    let Situation { desired, observed, history, .. } = situation;
    let name = desired.name.as_ref().filter(|name| **name != throughput.name);
    let model = observed.model.arn().filter(|arn| {
        **arn != throughput.desired_model_arn || (gave_up(throughput, history) && **arn != throughput.model_arn)
    });
    let update = Update { name: name.cloned(), model: model.cloned() };
    if update.is_empty() {
        return None;
    }
    let from = CallRequest {
        desired_provisioned_model_name: name.map(|_| throughput.name.to_string()),
        desired_model_id: model.map(|_| throughput.model_arn.to_string()),
        ..CallRequest::default()
    };
    let (message, consequence) = (describe(&update, throughput), consequence(&update, throughput));
    let call = Call::Update(update);
    let cause = match &history.due {
        _ if history.synced => ChangeCause::Drift,
        Some((PlanAction::Update, due, cause)) if *due == call.request() => *cause,
        Some(_) | None => ChangeCause::Manifest,
    };
    Some(Change { call, arn: Some(throughput.arn.clone()), from, cause, message, consequence })
}

/// Whether the last change failed. AWS does not say whether the status then is `Failed` or again `InService`; a `failureMessage` tells in
/// either case, and so does a model that is still asked for and no longer worked on.
pub(super) fn gave_up(throughput: &Throughput, history: &History) -> bool {
    match throughput.status {
        ThroughputStatus::Failed => true,
        ThroughputStatus::InService => {
            let half_way = throughput.model_arn != throughput.desired_model_arn;
            throughput.failure_message.is_some() || (half_way && history.saw_updating)
        }
        ThroughputStatus::Creating | ThroughputStatus::Updating | ThroughputStatus::Other(_) => false,
    }
}

fn describe(update: &Update, from: &Throughput) -> String {
    let mut parts = Vec::new();
    if let Some(to) = &update.name {
        parts.push(format!("rename it from {} to {to}", from.name));
    }
    if let Some(to) = &update.model {
        let from = &from.model_arn;
        parts.push(format!("move it from model {from} to {to}; the old model is served until the new one is in place"));
    }
    format!("{}{}", parts.join(", and "), if is_one_way(update) { ONE_WAY } else { "" })
}

const ONE_WAY: &str = "; AWS may not let a throughput go back from its base model to a custom model";

fn is_one_way(update: &Update) -> bool {
    match update.model.as_ref().map(ModelArn::kind) {
        Some(ModelKind::Foundation) => true,
        Some(ModelKind::Custom) | None => false,
    }
}

fn consequence(update: &Update, from: &Throughput) -> String {
    let mut sentences = vec!["AWS bills it as before".to_owned()];
    if update.name.is_some() {
        sentences.push("Calls by its ARN notice nothing of the name".to_owned());
    }
    if update.model.is_some() {
        sentences
            .push(format!("Model {} is served until the other one is in place, without an outage", from.model_arn));
    }
    sentences.push(
        if is_one_way(update) { "It may not be possible to undo it" } else { "It can be undone by another update" }
            .to_owned(),
    );
    sentences.join(". ")
}

pub(super) fn updating(throughput: &Throughput, next: &str) -> String {
    if throughput.model_arn == throughput.desired_model_arn {
        format!("AWS is updating throughput {}{next}", throughput.name)
    } else {
        format!(
            "AWS is moving throughput {} to model {}; model {} is served until then{next}",
            throughput.name, throughput.desired_model_arn, throughput.model_arn
        )
    }
}

/// A change that failed is not repeated until the manifest changes or a person asks.
pub(super) fn failed(situation: &Situation<'_>, throughput: &Throughput, due: Option<&Change>) -> Option<Plan> {
    let Situation { desired, history, .. } = situation;
    let why = throughput.failure_message.as_deref().unwrap_or("AWS gives no reason");
    if history.retrying == Some(PlanAction::Update) && due.is_some() {
        return None;
    }
    let update = due.and_then(|change| match &change.call {
        Call::Update(update) => Some(update),
        Call::Create(_) | Call::Tag(_) | Call::Delete => None,
    });
    let ours = update
        .and_then(|update| history.open_update(update))
        .filter(|call| call.generation.is_none() || call.generation == desired.generation);
    // Where AWS goes back to `InService` and what was there before without a word, it tells to have seen AWS at work on it, or that
    // nothing is to be seen of a call that AWS accepted when reads have caught up.
    let without_a_trace = |call: &LastCall| {
        let accepted = matches!(call.answer, Answer::Accepted { .. });
        accepted && situation.observed.looked_at >= plus(call.over_at, situation.read_lag)
    };
    let fell_back = desired.policy.manages()
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
        Some(change) if after_the_call && desired.requested.is_none() => Some(refuse(
            Reason::UpdateFailed,
            format!(
                "AWS could not do what it was asked for ({}): {}. It is not repeated by itself: change the manifest, or set the annotation \
                 bedrock-throughput.dev/reconcile-requested-at to a new value",
                change.call,
                why.trim_end_matches('.')
            ),
            Some(change),
        )),
        Some(_) => None,
        None if throughput.status == ThroughputStatus::Failed => Some(refuse(
            Reason::Failed,
            format!(
                "AWS says that throughput {} has failed: {}. Look into it at AWS",
                throughput.name,
                why.trim_end_matches('.')
            ),
            None,
        )),
        None => None,
    }
}

/// `InService` with another model to come: accepted, and not served yet.
pub(super) fn not_served_yet(history: &History, throughput: &Throughput, due: Option<&Change>) -> Option<Plan> {
    (due.is_none() && throughput.model_arn != throughput.desired_model_arn && !gave_up(throughput, history))
        .then(|| wait(Reason::Updating, updating(throughput, ""), None))
}

/// What AWS would refuse is not sent. A manifest is done whole or not at all: a refused model holds back the rename.
pub(super) fn illegal(situation: &Situation<'_>, throughput: &Throughput, change: &Change) -> Option<Plan> {
    let model = &situation.observed.model;
    let given_up = gave_up(throughput, situation.history);
    let from = if given_up { &throughput.model_arn } else { &throughput.desired_model_arn };
    let wanted = match &change.call {
        Call::Update(update) => update.model.as_ref()?,
        Call::Create(_) | Call::Tag(_) | Call::Delete => return None,
    };
    if from.kind() == ModelKind::Foundation {
        return Some(refuse(
            Reason::ModelFixed,
            format!(
                "throughput {} serves the base model {}, and AWS lets only a throughput on a custom model change its model, so it cannot move \
                 to {wanted}: set modelId back, or leave it out",
                throughput.name, from
            ),
            Some(change),
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
            Some(change),
        )
    };
    match model {
        WantedModel::Custom { model, foundation } => match &model.status {
            Some(ModelStatus::Creating) => Some(wait(
                Reason::ModelNotReady,
                format!("the custom model {wanted} is still being made; then: {}", change.message),
                Some(change),
            )),
            Some(ModelStatus::Failed) => Some(refuse(
                Reason::ModelFailed,
                format!("the custom model {wanted} failed to be made: set modelId to a model that is Active"),
                Some(change),
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
