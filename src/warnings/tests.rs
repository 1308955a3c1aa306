//! The end of a commitment and the risks of a model, each told once and in time.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    observed::{ModelLifecycle, Sighting},
    plan::tests::{BASE, SERVED, at, look, throughput},
};

const DAY: i64 = 86_400;
/// When the commitment ends.
const END: i64 = 400 * DAY;

fn ending(end: i64) -> Throughput {
    Throughput { commitment_expiration_time: Some(at(end)), ..throughput(SERVED) }
}

/// What is told at a time, as the reason and the stage, and when the next stage begins.
fn told(
    status: &mut ProvisionedThroughputStatus,
    throughput: &Throughput,
    second: i64,
) -> (Option<&'static str>, Option<CommitmentStage>, Option<Timestamp>) {
    let (notice, next) = commitment(status, throughput, at(second));
    if let Some(notice) = &notice {
        assert_eq!(notice.severity, Severity::Warning);
        assert!(notice.note.contains("AWS goes on billing it until it is deleted"), "{}", notice.note);
        assert!(notice.note.contains(&throughput.commitment_expiration_time.unwrap().to_string()), "{}", notice.note);
    }
    (notice.map(|notice| notice.reason), status.commitment_notice.as_ref().map(|notice| notice.stage), next)
}

/// The stages, and when each begins.
const EXPECTED: [(CommitmentStage, i64, &str); 4] = [
    (CommitmentStage::Within30Days, END - 30 * DAY, "CommitmentEnding"),
    (CommitmentStage::Within7Days, END - 7 * DAY, "CommitmentEnding"),
    (CommitmentStage::Within1Day, END - DAY, "CommitmentEnding"),
    (CommitmentStage::Ended, END, "CommitmentEnded"),
];

#[test]
fn each_stage_is_told_once_at_its_beginning() {
    let (mut status, throughput) = (ProvisionedThroughputStatus::default(), ending(END));
    let first = at(END - 30 * DAY);
    assert_eq!(told(&mut status, &throughput, END - 300 * DAY), (None, None, Some(first)));
    assert_eq!(told(&mut status, &throughput, END - 30 * DAY - 1), (None, None, Some(first)));
    for (index, (stage, begins, reason)) in EXPECTED.into_iter().enumerate() {
        let next = EXPECTED.get(index + 1).map(|(_, begins, _)| at(*begins));
        assert_eq!(told(&mut status, &throughput, begins), (Some(reason), Some(stage), next), "{stage:?}");
        let last = EXPECTED.get(index + 1).map_or(begins + 900 * DAY, |(_, begins, _)| begins - 1);
        for second in [begins, begins + 1, last] {
            assert_eq!(told(&mut status, &throughput, second), (None, Some(stage), next), "{stage:?}");
        }
    }
}

/// An operator that was down tells where things stand, and not what it has missed.
#[test]
fn a_stage_that_was_missed_is_not_told_later() {
    for (stage, begins, reason) in EXPECTED {
        let mut status = ProvisionedThroughputStatus::default();
        let (came, is_at, _) = told(&mut status, &ending(END), begins + 1);
        assert_eq!((came, is_at), (Some(reason), Some(stage)));
    }
}

#[test]
fn a_commitment_that_was_renewed_begins_anew() {
    let mut status = ProvisionedThroughputStatus::default();
    assert_eq!(told(&mut status, &ending(END), END + 1).0, Some("CommitmentEnded"));
    // For half a year: it is far away again.
    let renewed = ending(END + 180 * DAY);
    let next = Some(at(END + 150 * DAY));
    assert_eq!(told(&mut status, &renewed, END + 2), (None, None, next));
    assert_eq!(told(&mut status, &renewed, END + 151 * DAY).0, Some("CommitmentEnding"));
    // For another day, at the same stage: it is another end.
    let moved = ending(END + 181 * DAY);
    assert_eq!(told(&mut status, &moved, END + 152 * DAY).0, Some("CommitmentEnding"));
    assert_eq!(told(&mut status, &moved, END + 152 * DAY).0, None);
}

#[test]
fn without_a_commitment_there_is_nothing_to_tell() {
    let mut status = ProvisionedThroughputStatus::default();
    assert_eq!(told(&mut status, &throughput(SERVED), END), (None, None, None));
    told(&mut status, &ending(END), END);
    assert_eq!(told(&mut status, &throughput(SERVED), END), (None, None, None), "what was told is forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However a commitment is looked at: no stage is told twice or out of order, the next look is always later, and nothing is lost on the
    /// way to the API server and back.
    #[test]
    fn a_commitment_is_told_in_order(mut looks in prop::collection::vec(END - 40 * DAY..END + 5 * DAY, 1..40), nanos in 0..999_999_999) {
        looks.sort_unstable();
        let end = Timestamp::new(END, nanos).unwrap();
        let throughput = Throughput { commitment_expiration_time: Some(end), ..throughput(SERVED) };
        let mut status = ProvisionedThroughputStatus::default();
        let mut stages = Vec::new();
        for second in looks {
            let (notice, next) = commitment(&mut status, &throughput, at(second));
            prop_assert!(next.is_none_or(|next| next > at(second)));
            prop_assert_eq!(next.is_none(), at(second) >= end);
            let stage = status.commitment_notice.as_ref().map(|notice| notice.stage);
            if notice.is_some() {
                stages.push(stage.unwrap());
            }
            prop_assert_eq!(stages.last().copied(), stage);
            status = serde_json::from_value(serde_json::to_value(&status).unwrap()).unwrap();
        }
        prop_assert!(stages.windows(2).all(|pair| pair[0] < pair[1]), "{stages:?}");
    }
}

const NOW: i64 = 1000 * DAY;

fn lifecycle(status: LifecycleStatus, end_in_days: Option<i64>) -> ModelLifecycle {
    ModelLifecycle { status, end_of_life: end_in_days.map(|days| at(NOW + days * DAY)) }
}

const MISSING: Option<CustomModelHealth> = Some(CustomModelHealth::Missing);

fn is(status: ModelStatus) -> CustomModelHealth {
    CustomModelHealth::Status(status)
}

#[rstest]
#[case::nothing_known(None, None, None)]
#[case::all_is_well(Some(is(ModelStatus::Active)), Some(lifecycle(LifecycleStatus::Active, None)), None)]
#[case::status_left_out(None, Some(lifecycle(LifecycleStatus::Active, None)), None)]
#[case::new_words(Some(is(ModelStatus::Other("Odd".into()))), Some(lifecycle(LifecycleStatus::Other("ODD".into()), None)), None)]
#[case::deleted(MISSING, None, Some(Reason::ModelNotFound))]
#[case::deleted_counts_more(MISSING, Some(lifecycle(LifecycleStatus::Legacy, Some(1))), Some(Reason::ModelNotFound))]
#[case::failed(Some(is(ModelStatus::Failed)), None, Some(Reason::ModelFailed))]
#[case::being_made(Some(is(ModelStatus::Creating)), None, None)]
#[case::legacy(
    Some(is(ModelStatus::Active)),
    Some(lifecycle(LifecycleStatus::Legacy, None)),
    Some(Reason::ModelLegacy)
)]
#[case::legacy_that_ends_late(None, Some(lifecycle(LifecycleStatus::Legacy, Some(91))), Some(Reason::ModelLegacy))]
#[case::ends_soon(None, Some(lifecycle(LifecycleStatus::Legacy, Some(90))), Some(Reason::ModelEndOfLife))]
#[case::ends_soon_and_is_active(None, Some(lifecycle(LifecycleStatus::Active, Some(90))), Some(Reason::ModelEndOfLife))]
#[case::ends_late_and_is_active(None, Some(lifecycle(LifecycleStatus::Active, Some(91))), None)]
#[case::has_ended(None, Some(lifecycle(LifecycleStatus::Legacy, Some(-1))), Some(Reason::ModelEndOfLife))]
fn a_risk_is_told_by_what_it_is(
    #[case] custom: Option<CustomModelHealth>,
    #[case] lifecycle: Option<ModelLifecycle>,
    #[case] expected: Option<Reason>,
) {
    let end = lifecycle.as_ref().and_then(|lifecycle| lifecycle.end_of_life);
    let observed =
        Observed { health: ModelHealth::Known { custom, lifecycle }, ..look(NOW, Sighting::Found(throughput(SERVED))) };
    let risk = model_at_risk(&observed, at(NOW));
    assert_eq!(risk.as_ref().map(|risk| risk.reason), expected);
    if let Some(Wanted { type_, status, reason, message }) = risk {
        assert_eq!((type_, status), (ConditionType::ModelAtRisk, ConditionStatus::True));
        let named = if matches!(reason, Reason::ModelNotFound | Reason::ModelFailed) { SERVED } else { BASE };
        assert!(message.contains(named) && message.contains("throughput old"), "{message}");
        if let (Reason::ModelEndOfLife | Reason::ModelLegacy, Some(end)) = (reason, end) {
            assert!(message.contains(&end.to_string()), "{message}");
        }
    }
}

#[test]
fn what_iam_hides_is_told_as_unknown() {
    let health = ModelHealth::Denied("IAM does not allow the operator bedrock:ListCustomModels".into());
    let observed = Observed { health, ..look(NOW, Sighting::Found(throughput(SERVED))) };
    let Wanted { status, reason, message, .. } = model_at_risk(&observed, at(NOW)).unwrap();
    assert_eq!((status, reason), (ConditionStatus::Unknown, Reason::AccessDenied));
    assert!(message.contains("bedrock:ListCustomModels"), "{message}");
}

#[test]
fn what_is_not_there_is_at_no_risk() {
    let health = ModelHealth::Known { custom: MISSING, lifecycle: None };
    for sighting in [Sighting::Missing, Sighting::Taken(throughput(SERVED)), Sighting::Ambiguous(Vec::new())] {
        let observed = Observed { health: health.clone(), ..look(NOW, sighting) };
        assert_eq!(model_at_risk(&observed, at(NOW)), None);
    }
}

/// One event for each risk; another one for another.
#[test]
fn a_risk_is_news_once() {
    let risk = |reason, message: &str| Wanted {
        type_: ConditionType::ModelAtRisk,
        status: ConditionStatus::True,
        reason,
        message: message.into(),
    };
    let legacy = risk(Reason::ModelLegacy, "it is LEGACY");
    let mut status = ProvisionedThroughputStatus::default();
    let news = news_of_risk(&status, &legacy).unwrap();
    assert_eq!((news.severity, news.reason, news.note.as_str()), (Severity::Warning, "ModelLegacy", "it is LEGACY"));
    status.conditions = crate::conditions::merge(&[], vec![legacy], None, at(NOW));
    assert_eq!(news_of_risk(&status, &risk(Reason::ModelLegacy, "it is LEGACY, in other words")), None);
    assert!(news_of_risk(&status, &risk(Reason::ModelEndOfLife, "it ends")).is_some());
    let unknown = Wanted { status: ConditionStatus::Unknown, ..risk(Reason::AccessDenied, "denied") };
    assert!(news_of_risk(&status, &unknown).is_some());
}
