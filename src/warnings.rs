//! What is told before it hurts: a commitment that ends, and a model that may not be there for long. Pure.

use std::time::Duration;

use crate::{
    conditions::{ConditionStatus, ConditionType, Reason, Wanted, find, whole_seconds},
    crd::{CommitmentNotice, CommitmentStage, ProvisionedThroughputStatus},
    observed::{CustomModelHealth, LifecycleStatus, ModelHealth, ModelStatus, Observed, Throughput},
    outcome::{Notice, Severity},
    schedule::{minus, plus},
};
use jiff::Timestamp;

/// How long before the end of a foundation model's life the warning gets urgent.
const END_OF_LIFE_NOTICE: Duration = Duration::from_hours(90 * 24);

/// What begins this soon after a purchase is no news.
const ONE_DAY: Duration = Duration::from_hours(24);

/// The stages of a commitment's end, and how long before it each begins.
const STAGES: [(CommitmentStage, Duration); 4] = [
    (CommitmentStage::Within30Days, Duration::from_hours(30 * 24)),
    (CommitmentStage::Within7Days, Duration::from_hours(7 * 24)),
    (CommitmentStage::Within1Day, Duration::from_hours(24)),
    (CommitmentStage::Ended, Duration::ZERO),
];

/// Tells of the end of a commitment once at each stage. Returns the event, and when the next stage begins.
pub fn commitment(
    status: &mut ProvisionedThroughputStatus,
    throughput: &Throughput,
    now: Timestamp,
) -> (Option<Notice>, Option<Timestamp>) {
    let Some(end) = throughput.commitment_expiration_time else {
        status.commitment_notice = None;
        return (None, None);
    };
    let begins = |before: Duration| minus(end, before);
    let next = STAGES.iter().map(|(_, before)| begins(*before)).filter(|begin| *begin > now).min();
    let Some((stage, before)) = STAGES.iter().rfind(|(_, before)| begins(*before) <= now) else {
        status.commitment_notice = None;
        return (None, next);
    };
    let end_shown = whole_seconds(end).0;
    let told = CommitmentNotice { expiration_time: whole_seconds(end), stage: *stage };
    if status.commitment_notice.as_ref() == Some(&told) {
        return (None, next);
    }
    status.commitment_notice = Some(told);
    if begins(*before) <= plus(throughput.creation_time, ONE_DAY) {
        // A term that begins within the stage, as that of a month does, is no news.
        return (None, next);
    }
    let name = &throughput.name;
    let (reason, note) = match stage {
        CommitmentStage::Within30Days | CommitmentStage::Within7Days | CommitmentStage::Within1Day => (
            "CommitmentEnding",
            format!(
                "the commitment of throughput {name} ends at {end_shown}, in {} or less: AWS goes on billing it until it is deleted, and may renew the \
                 commitment",
                match stage {
                    CommitmentStage::Within30Days => "30 days",
                    CommitmentStage::Within7Days => "7 days",
                    CommitmentStage::Within1Day | CommitmentStage::Ended => "a day",
                }
            ),
        ),
        CommitmentStage::Ended => (
            "CommitmentEnded",
            format!(
                "the commitment of throughput {name} ended at {end_shown}: AWS goes on billing it until it is deleted"
            ),
        ),
    };
    (Some(Notice { severity: Severity::Warning, reason, note, ends: None }), next)
}

/// The condition `ModelAtRisk`, where there is something to tell of the model that is served.
#[must_use]
pub fn model_at_risk(observed: &Observed, now: Timestamp) -> Option<Wanted> {
    let throughput = observed.found()?;
    let (status, reason, message) = match &observed.health {
        ModelHealth::NotLooked => return None,
        ModelHealth::Denied(sentence) => {
            let message = format!("whether the model that is served will last cannot be found out: {sentence}");
            (ConditionStatus::Unknown, Reason::AccessDenied, message)
        }
        ModelHealth::Known { custom, lifecycle } => {
            let (reason, message) = custom_model(throughput, custom.as_ref())
                .or_else(|| foundation_model(throughput, lifecycle.as_ref(), now))?;
            (ConditionStatus::True, reason, message)
        }
    };
    Some(Wanted { type_: ConditionType::ModelAtRisk, status, reason, message })
}

/// The event for a risk that was not told before.
#[must_use]
pub fn news_of_risk(prior: &ProvisionedThroughputStatus, risk: &Wanted) -> Option<Notice> {
    let Wanted { type_, status, reason, message } = risk;
    let told = find(&prior.conditions, *type_)
        .is_some_and(|told| told.status == status.as_str() && told.reason == reason.as_str());
    (!told).then(|| Notice { severity: Severity::Warning, reason: reason.as_str(), note: message.clone(), ends: None })
}

fn custom_model(throughput: &Throughput, health: Option<&CustomModelHealth>) -> Option<(Reason, String)> {
    let Throughput { name, model_arn, .. } = throughput;
    match health? {
        CustomModelHealth::Missing => Some((
            Reason::ModelNotFound,
            format!(
                "throughput {name} serves the custom model {model_arn}, which was deleted: nothing can move back to it, and no other throughput can \
                 be bought for it"
            ),
        )),
        CustomModelHealth::Status(ModelStatus::Failed) => Some((
            Reason::ModelFailed,
            format!("throughput {name} serves the custom model {model_arn}, and AWS says that this model is Failed"),
        )),
        CustomModelHealth::Status(ModelStatus::Active | ModelStatus::Creating | ModelStatus::Other(_)) => None,
    }
}

fn foundation_model(
    throughput: &Throughput,
    lifecycle: Option<&crate::observed::ModelLifecycle>,
    now: Timestamp,
) -> Option<(Reason, String)> {
    let lifecycle = lifecycle?;
    let Throughput { name, foundation_model_arn, .. } = throughput;
    let way_out = "make a custom model from a newer base model, or buy a throughput for one";
    match lifecycle.end_of_life {
        Some(end) if end <= plus(now, END_OF_LIFE_NOTICE) => Some((
            Reason::ModelEndOfLife,
            format!(
                "throughput {name} is on the foundation model {foundation_model_arn}, whose life ends at {}: {way_out}",
                whole_seconds(end).0
            ),
        )),
        end => match lifecycle.status {
            LifecycleStatus::Active | LifecycleStatus::Other(_) => None,
            LifecycleStatus::Legacy => {
                let when =
                    end.map_or_else(String::new, |end| format!(", and its life ends at {}", whole_seconds(end).0));
                Some((
                    Reason::ModelLegacy,
                    format!(
                        "throughput {name} is on the foundation model {foundation_model_arn}, which AWS calls LEGACY{when}: {way_out}"
                    ),
                ))
            }
        },
    }
}

#[cfg(test)]
mod tests;
