//! What is told, over the whole product of situations and faults.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::{
    bedrock::{FaultKind, Operation},
    crd::UpdateRequest,
    observed::WantedModel,
    plan::{
        Situation, plan,
        tests::{Case, READ_LAG, SERVED, at, desired, throughput},
    },
};

const GENERATION: Option<i64> = Some(1);

fn status_of(conditions: &[Condition], type_: ConditionType) -> Option<&str> {
    find(conditions, type_).map(|condition| condition.status.as_str())
}

fn update() -> Update {
    Update {
        request: UpdateRequest { desired_provisioned_model_name: Some("new".into()), ..UpdateRequest::default() },
        from: UpdateRequest { desired_provisioned_model_name: Some("old".into()), ..UpdateRequest::default() },
        cause: UpdateCause::Manifest,
        message: "rename it from old to new".into(),
    }
}

fn observed() -> Observed {
    Observed { looked_at: at(900), throughput: Sighting::Found(throughput(SERVED)), model: WantedModel::NotManaged }
}

fn fault(kind: FaultKind) -> Fault {
    Fault {
        kind,
        operation: Operation::UpdateProvisionedModelThroughput,
        code: Some("SomeException".into()),
        detail: "in AWS's words".into(),
        request_id: Some("b0a1-77".into()),
        retry_after: None,
    }
}

fn told(prior: &ProvisionedThroughputStatus, verdict: Verdict<'_>, second: i64) -> Outcome {
    outcome(prior, GENERATION, Some(&desired()), verdict, at(second))
}

/// What holds of every status, whatever led to it.
fn is_consistent(told: &Outcome) {
    let Outcome { status, notice, wake, headline } = told;
    let conditions = &status.conditions;
    let of = |type_| status_of(conditions, type_);
    let (ready, synced) = (of(ConditionType::Ready).unwrap(), of(ConditionType::Synced).unwrap());
    let (reconciling, stalled) = (of(ConditionType::Reconciling), of(ConditionType::Stalled));
    assert_eq!(status.observed_generation, GENERATION);
    assert!(reconciling.is_none() || stalled.is_none(), "{told:?}");
    for abnormal in [reconciling, stalled] {
        assert!(matches!(abnormal, None | Some("True")), "{told:?}");
    }
    if ready == "True" {
        assert!(reconciling.is_none() && stalled.is_none(), "{told:?}");
        assert_eq!(status.status.as_deref(), Some("InService"), "{told:?}");
        assert_eq!(synced == "True", status.plan.is_none(), "{told:?}");
    }
    match headline.class() {
        Class::Settled => assert!(reconciling.is_none() && stalled.is_none(), "{told:?}"),
        Class::Waiting | Class::Retrying => assert_eq!(reconciling, Some("True"), "{told:?}"),
        Class::Stalled => assert_eq!(stalled, Some("True"), "{told:?}"),
    }
    if headline.class() == Class::Retrying {
        assert_eq!(*wake, Wake::Backoff);
    }
    for condition in conditions {
        assert!(!condition.message.is_empty() && condition.message.len() < 2000, "{told:?}");
        assert_eq!(condition.observed_generation, GENERATION);
    }
    assert!(notice.as_ref().is_none_or(|notice| !notice.note.is_empty()));
}

/// The status that an open call was read from.
fn status_with(call: Option<&LastCall>) -> ProvisionedThroughputStatus {
    let mut status = ProvisionedThroughputStatus::default();
    if let Some(LastCall { sent_at, over_at: _, generation, request, from, cause, answer }) = call.cloned() {
        match answer {
            Answer::Missing => {
                let update = Update { request, from, cause, message: "change it".into() };
                status.observed_generation = generation;
                status.plan = Some(pending(&update, WaitingFor::Answer, Some(whole_seconds(sent_at))));
            }
            Answer::Accepted { request_id } => {
                let time = whole_seconds(sent_at);
                status.last_update =
                    Some(LastUpdate { time, request_id, generation, cause, from, to: request, served_time: None });
            }
        }
    }
    status
}

#[test]
fn every_situation_is_told_consistently_and_once() {
    for case in Case::all() {
        let (mut desired, observed, mut history) = case.situation();
        let mut status = status_with(history.last_call.as_ref());
        let mut told = Vec::new();
        // Each pass sees the same AWS, and knows what the status says. The first answers a request, if there is one.
        for second in [2000, 3000, 4000] {
            let situation = Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG };
            let decided = plan(&situation);
            if matches!(decided, Plan::Update(_)) {
                break;
            }
            let verdict = Verdict::Seen { observed: &observed, plan: &decided, history: &history };
            let outcome = outcome(&status, GENERATION, Some(&desired), verdict, at(second));
            is_consistent(&outcome);
            desired.requested = None;
            history = History::of(&outcome.status, GENERATION);
            status = outcome.status.clone();
            told.push(outcome);
        }
        let settled = if case.requested { told.get(1..) } else { told.get(..) };
        for pair in settled.unwrap_or_default().windows(2) {
            assert_eq!(pair[1].status, pair[0].status, "{case:?}");
            assert_eq!(pair[1].notice, None, "{case:?}");
        }
    }
}

#[test]
fn every_fault_of_a_look_is_told_once_and_forgotten_when_it_is_over() {
    for kind in FaultKind::ALL {
        let fault = fault(kind.clone());
        let first = told(&ProvisionedThroughputStatus::default(), Verdict::Blind(&fault), 1000);
        is_consistent(&first);
        assert_eq!(first.headline, fault.reason());
        assert_eq!(status_of(&first.status.conditions, ConditionType::Ready), Some("Unknown"));
        let second = told(&first.status, Verdict::Blind(&fault), 1100);
        assert_eq!((second.status, second.notice), (first.status.clone(), None), "{kind:?}");
        let observed = observed();
        let verdict = Verdict::Seen { observed: &observed, plan: &Plan::Nothing, history: &History::default() };
        let healed = told(&first.status, verdict, 1200);
        is_consistent(&healed);
        assert_eq!(status_of(&healed.status.conditions, ConditionType::Ready), Some("True"));
        assert_eq!(healed.notice.map(|notice| notice.reason), Some("InService"));
    }
}

#[test]
fn every_fault_of_a_call_is_told_with_the_call_that_is_due() {
    for kind in FaultKind::ALL {
        let (fault, observed, update) = (fault(kind.clone()), observed(), update());
        let sending = told(
            &ProvisionedThroughputStatus::default(),
            Verdict::Sending { observed: &observed, update: &update, sent_at: at(1000) },
            1000,
        );
        is_consistent(&sending);
        let verdict = Verdict::CallFailed { observed: &observed, update: &update, fault: &fault, sent_at: at(1000) };
        let failed = told(&sending.status, verdict, 1001);
        is_consistent(&failed);
        let plan = failed.status.plan.clone().unwrap();
        assert_eq!(plan.request, update.request);
        // Only a call that may have been carried out stays open.
        assert_eq!(plan.sent_at.is_some(), fault.may_have_been_carried_out(), "{kind:?}");
        let message = &find(&failed.status.conditions, ConditionType::Ready).unwrap().message;
        assert!(message.contains("rename it from old to new") && message.contains("in AWS's words"), "{message}");
        assert!(!message.contains("b0a1-77"), "what changes with every try would be written with every try: {message}");
        // The same call once more, and the same answer: nothing new to tell, and no event.
        let again =
            told(&failed.status, Verdict::Sending { observed: &observed, update: &update, sent_at: at(1100) }, 1100);
        assert_eq!(
            (again.status.conditions.clone(), again.notice),
            (failed.status.conditions.clone(), None),
            "{kind:?}"
        );
        let verdict = Verdict::CallFailed { observed: &observed, update: &update, fault: &fault, sent_at: at(1100) };
        let failed_again = told(&again.status, verdict, 1101);
        assert_eq!((failed_again.status.conditions, failed_again.notice), (failed.status.conditions, None), "{kind:?}");
    }
}

/// A rename that AWS does at once: told before it is sent, and when it is served.
#[test]
fn a_rename_is_two_writes_and_two_events() {
    let (observed, update) = (observed(), update());
    let sending = told(
        &ProvisionedThroughputStatus::default(),
        Verdict::Sending { observed: &observed, update: &update, sent_at: at(1000) },
        1000,
    );
    assert_eq!(sending.notice.as_ref().map(|notice| notice.reason), Some("Updating"));
    assert_eq!(sending.status.plan.as_ref().map(|plan| plan.waiting_for), Some(WaitingFor::Answer));
    let mut history = History::of(&sending.status, GENERATION);
    assert_eq!(history.last_call.as_ref().map(|call| &call.answer), Some(&Answer::Missing));
    let accepted = Answer::Accepted { request_id: Some("the-id".into()) };
    history.last_call = history.last_call.map(|call| LastCall { answer: accepted, ..call });
    let renamed = Observed {
        throughput: Sighting::Found(Throughput {
            name: crate::identifiers::ProvisionedModelName::from_aws("new"),
            ..throughput(SERVED)
        }),
        ..observed
    };
    let done =
        told(&sending.status, Verdict::Seen { observed: &renamed, plan: &Plan::Nothing, history: &history }, 1002);
    is_consistent(&done);
    let last = done.status.last_update.unwrap();
    assert_eq!((last.request_id.as_deref(), last.served_time.is_some()), (Some("the-id"), true));
    assert_eq!((last.from, last.to), (update.from, update.request));
    assert_eq!(done.notice.map(|notice| (notice.reason, notice.ends)), Some(("Updated", Some(UpdateCause::Manifest))));
    assert_eq!(done.status.plan, None);
}

#[test]
fn a_request_stays_open_until_aws_has_been_looked_at() {
    let asking = Desired { requested: Some("now".into()), ..desired() };
    let prior = ProvisionedThroughputStatus::default();
    let fault = fault(FaultKind::Internal);
    let blind = outcome(&prior, GENERATION, Some(&asking), Verdict::Blind(&fault), at(1000));
    assert_eq!(blind.status.last_handled_reconcile_at, None);
    let observed = observed();
    let seen = Verdict::Seen { observed: &observed, plan: &Plan::Nothing, history: &History::default() };
    let looked = outcome(&prior, GENERATION, Some(&asking), seen, at(1000));
    assert_eq!(looked.status.last_handled_reconcile_at.as_deref(), Some("now"));
}

#[test]
fn a_look_that_lags_behind_an_open_call_changes_nothing() {
    let (observed, update) = (observed(), update());
    let sending = told(
        &ProvisionedThroughputStatus::default(),
        Verdict::Sending { observed: &observed, update: &update, sent_at: at(1000) },
        1000,
    );
    let history = History::of(&sending.status, GENERATION);
    let settle = Plan::Settle { message: "not yet".into() };
    let later = told(&sending.status, Verdict::Seen { observed: &observed, plan: &settle, history: &history }, 1005);
    assert_eq!((later.status, later.notice, later.wake), (sending.status, None, Wake::Following));
}

#[test]
fn the_time_of_a_call_is_never_earlier_than_the_call() {
    let time = Timestamp::new(1000, 1).unwrap();
    assert_eq!(next_whole_second(time).0, at(1001));
    assert_eq!(next_whole_second(at(1000)).0, at(1000));
}

#[test]
fn what_is_gone_does_not_look_as_if_it_were_there() {
    let observed = observed();
    let seen = Verdict::Seen { observed: &observed, plan: &Plan::Nothing, history: &History::default() };
    let there = told(&ProvisionedThroughputStatus::default(), seen, 1000);
    let gone = Observed { throughput: Sighting::Missing, ..observed };
    let plan = Plan::Refuse { reason: Reason::NotFound, message: "it is gone".into(), pending: None };
    let missing =
        told(&there.status, Verdict::Seen { observed: &gone, plan: &plan, history: &History::default() }, 1100);
    is_consistent(&missing);
    assert_eq!((missing.status.status, missing.status.model_arn), (None, None));
    assert_eq!(missing.status.provisioned_model_arn, there.status.provisioned_model_arn, "the ARN is the identity");
}

#[test]
fn an_accepted_call_can_be_told_without_a_look() {
    let (observed, update) = (observed(), update());
    let sending = told(
        &ProvisionedThroughputStatus::default(),
        Verdict::Sending { observed: &observed, update: &update, sent_at: at(1000) },
        1000,
    );
    let call = LastCall {
        answer: Answer::Accepted { request_id: Some("the-id".into()) },
        ..History::of(&sending.status, GENERATION).last_call.unwrap()
    };
    let status = with_accepted(&sending.status, &call);
    assert_eq!(status.plan, None);
    let history = History::of(&status, GENERATION);
    assert_eq!(history.last_call.map(|call| call.answer), Some(call.answer), "the next process knows of it");
    assert_eq!(status.conditions, sending.status.conditions);
}

#[test]
fn drift_stays_drift_when_a_fault_comes_between() {
    let (observed, fault) = (observed(), fault(FaultKind::Throttled));
    let drift = Update { cause: UpdateCause::Drift, ..update() };
    let verdict = Verdict::CallFailed { observed: &observed, update: &drift, fault: &fault, sent_at: at(1000) };
    let failed = told(&ProvisionedThroughputStatus::default(), verdict, 1001);
    let history = History::of(&failed.status, GENERATION);
    assert!(!history.synced);
    let desired = Desired { name: Some(crate::identifiers::ProvisionedModelName::from_aws("new")), ..desired() };
    let decided = plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
    assert!(matches!(decided, Plan::Update(Update { cause: UpdateCause::Drift, .. })), "{decided:?}");
}

#[test]
fn words_of_aws_that_change_with_every_try_are_told_once() {
    let first = fault(FaultKind::CredentialsRejected);
    let second = Fault { detail: "expired: 12:00:01 is now later than 12:00:00".into(), ..first.clone() };
    let told_first = told(&ProvisionedThroughputStatus::default(), Verdict::Blind(&first), 1000);
    let told_second = told(&told_first.status, Verdict::Blind(&second), 1100);
    assert_eq!((told_second.status, told_second.notice), (told_first.status, None));
}
