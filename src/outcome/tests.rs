//! What is told, over the whole products of situations and faults.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::{
    bedrock::{FaultKind, Operation},
    calls::Update,
    conditions::whole_seconds,
    crd::CallRequest,
    history::Answer,
    observed::Sighting,
    plan::tests::{SERVED, at, decide, desired, look, name, throughput, update::Case},
};

mod passes;
mod round_trip;
mod tagging;
mod ways_out;

const GENERATION: Option<i64> = Some(1);

fn status_of(conditions: &[Condition], type_: ConditionType) -> Option<&str> {
    find(conditions, type_).map(|condition| condition.status.as_str())
}

fn rename() -> Change {
    Change {
        call: Call::Update(Update { name: Some(name("new")), model: None }),
        arn: Some(throughput(SERVED).arn),
        from: CallRequest { desired_provisioned_model_name: Some("old".into()), ..CallRequest::default() },
        cause: ChangeCause::Manifest,
        message: "rename it from old to new".into(),
        consequence: "It can be undone".into(),
    }
}

fn observed() -> Observed {
    look(900, Sighting::Found(throughput(SERVED)))
}

/// A look of which nothing follows but what it shows.
fn seen<'a>(observed: &'a Observed, plan: &'a Plan, history: &'a History) -> Verdict<'a> {
    const NO_EXPORT: &Export = &Export { to: None, problem: None };
    Verdict::Seen { observed, plan, history, export: NO_EXPORT }
}

fn sent(observed: &Observed, change: &Change) -> Outcome {
    told(&ProvisionedThroughputStatus::default(), Verdict::Sending { observed, change, sent_at: at(1000) }, 1000)
}

fn reasons(told: &Outcome) -> Vec<&'static str> {
    told.notices.iter().map(|notice| notice.reason).collect()
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
    let Outcome { status, notices, wake, until, headline } = told;
    let conditions = &status.conditions;
    let of = |type_| status_of(conditions, type_);
    let (ready, synced) = (of(ConditionType::Ready).unwrap(), of(ConditionType::Synced).unwrap());
    let (reconciling, stalled) = (of(ConditionType::Reconciling), of(ConditionType::Stalled));
    assert_eq!(status.observed_generation, GENERATION);
    assert!(reconciling.is_none() || stalled.is_none(), "{told:?}");
    for abnormal in [reconciling, stalled] {
        assert!(matches!(abnormal, None | Some("True")), "{told:?}");
    }
    // A warning goes with any other state, and says how sure it is.
    assert!(matches!(of(ConditionType::ModelAtRisk), None | Some("True" | "Unknown")), "{told:?}");
    let types: std::collections::BTreeSet<&str> = conditions.iter().map(|had| had.type_.as_str()).collect();
    assert_eq!(types.len(), conditions.len(), "{told:?}");
    if ready == "True" {
        assert!(reconciling.is_none() && stalled.is_none(), "{told:?}");
        assert_eq!(status.status.as_deref(), Some("InService"), "{told:?}");
        assert_eq!(synced == "True", status.plan.is_none(), "{told:?}");
    }
    match headline.class() {
        Class::Settled => assert!(reconciling.is_none() && stalled.is_none(), "{told:?}"),
        Class::Waiting | Class::Held | Class::Retrying => assert_eq!(reconciling, Some("True"), "{told:?}"),
        Class::Stalled => assert_eq!(stalled, Some("True"), "{told:?}"),
    }
    match headline.class() {
        Class::Retrying => assert_eq!(*wake, Wake::Backoff, "{told:?}"),
        Class::Waiting => assert_eq!(*wake, Wake::Following, "{told:?}"),
        // A person or a date is waited for: nobody has to look often.
        Class::Held => assert_eq!(*wake, Wake::Interval, "{told:?}"),
        Class::Settled | Class::Stalled => assert!(matches!(wake, Wake::Interval | Wake::OnChange), "{told:?}"),
    }
    // What waits for a person or a date says for what, and what would be done then.
    match headline {
        Reason::ApprovalRequired => {
            let plan = status.plan.as_ref().unwrap();
            assert_eq!(plan.waiting_for, WaitingFor::Approval, "{told:?}");
            let hash = plan.hash.as_deref().unwrap();
            assert!(find(conditions, ConditionType::Ready).unwrap().message.contains(hash), "{told:?}");
        }
        Reason::CommitmentRunning => {
            assert_eq!(status.plan.as_ref().unwrap().waiting_for, WaitingFor::Commitment, "{told:?}");
            assert!(until.is_some(), "{told:?}");
        }
        _ => {}
    }
    if let Some(plan) = &status.plan {
        assert_eq!(plan.hash.is_some(), plan.waiting_for == WaitingFor::Approval, "{told:?}");
        assert!(
            plan.sent_at.is_none() || matches!(plan.waiting_for, WaitingFor::Answer | WaitingFor::Retry),
            "{told:?}"
        );
    }
    for condition in conditions {
        assert!(!condition.message.is_empty() && condition.message.len() < 2000, "{told:?}");
        assert_eq!(condition.observed_generation, GENERATION);
    }
    assert!(notices.iter().all(|notice| !notice.note.is_empty()));
}

/// The status that an open call was read from.
fn status_with(call: Option<&LastCall>) -> ProvisionedThroughputStatus {
    let mut status = ProvisionedThroughputStatus::default();
    if let Some(last) = call {
        match &last.answer {
            Answer::Missing => {
                let change = Change {
                    call: last.call.clone(),
                    arn: None,
                    from: last.from.clone(),
                    cause: last.cause,
                    message: "change it".into(),
                    consequence: "It can be undone".into(),
                };
                status.observed_generation = last.generation;
                send(&mut status, None, &change, last.sent_at);
            }
            Answer::Accepted { .. } => status.last_update = Some(last_update(last, None)),
        }
    }
    status
}

#[test]
fn every_situation_of_a_change_in_place_is_told_consistently_and_once() {
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let prior = status_with(history.last_call.as_ref());
        passes::settle(&format!("{case:?}"), &desired, &observed, history, prior);
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
        assert_eq!((second.status, second.notices), (first.status.clone(), vec![]), "{kind:?}");
        let observed = observed();
        let healed = told(&first.status, seen(&observed, &Plan::Nothing, &History::default()), 1200);
        is_consistent(&healed);
        assert_eq!(status_of(&healed.status.conditions, ConditionType::Ready), Some("True"));
        assert_eq!(reasons(&healed), ["InService"]);
    }
}

#[test]
fn every_fault_of_a_call_is_told_with_the_call_that_is_due() {
    for kind in FaultKind::ALL {
        let (fault, observed, change) = (fault(kind.clone()), observed(), rename());
        let sending = sent(&observed, &change);
        is_consistent(&sending);
        let verdict = Verdict::CallFailed { observed: &observed, change: &change, fault: &fault, sent_at: at(1000) };
        let failed = told(&sending.status, verdict, 1001);
        is_consistent(&failed);
        let plan = failed.status.plan.clone().unwrap();
        assert_eq!(plan.request, change.call.request());
        // Only a call that may have been carried out stays open.
        assert_eq!(plan.sent_at.is_some(), fault.may_have_been_carried_out(), "{kind:?}");
        let message = &find(&failed.status.conditions, ConditionType::Ready).unwrap().message;
        assert!(message.contains("rename it from old to new") && message.contains("in AWS's words"), "{message}");
        assert!(!message.contains("b0a1-77"), "what changes with every try would be written with every try: {message}");
        // The same call once more, and the same answer: nothing new to tell, and no event.
        let again =
            told(&failed.status, Verdict::Sending { observed: &observed, change: &change, sent_at: at(1100) }, 1100);
        assert_eq!(
            (again.status.conditions.clone(), again.notices),
            (failed.status.conditions.clone(), vec![]),
            "{kind:?}"
        );
        let verdict = Verdict::CallFailed { observed: &observed, change: &change, fault: &fault, sent_at: at(1100) };
        let failed_again = told(&again.status, verdict, 1101);
        assert_eq!(
            (failed_again.status.conditions, failed_again.notices),
            (failed.status.conditions, vec![]),
            "{kind:?}"
        );
    }
}

/// A rename that AWS does at once: told before it is sent, and when it is served.
#[test]
fn a_rename_is_two_writes_and_two_events() {
    let (observed, change) = (observed(), rename());
    let sending = sent(&observed, &change);
    assert_eq!(reasons(&sending), ["Updating"]);
    assert_eq!(sending.status.plan.as_ref().map(|plan| plan.waiting_for), Some(WaitingFor::Answer));
    let mut history = History::of(&sending.status, GENERATION);
    assert_eq!(history.last_call.as_ref().map(|call| &call.answer), Some(&Answer::Missing));
    let accepted = Answer::Accepted { request_id: Some("the-id".into()) };
    history.last_call = history.last_call.map(|call| LastCall { answer: accepted, ..call });
    let renamed =
        Observed { throughput: Sighting::Found(Throughput { name: name("new"), ..throughput(SERVED) }), ..observed };
    let done = told(&sending.status, seen(&renamed, &Plan::Nothing, &history), 1002);
    is_consistent(&done);
    let last = done.status.last_update.unwrap();
    assert_eq!((last.request_id.as_deref(), last.served_time.is_some()), (Some("the-id"), true));
    assert_eq!((last.from, last.to), (change.from, change.call.request()));
    let ended: Vec<_> = done.notices.iter().map(|notice| (notice.reason, notice.ends)).collect();
    assert_eq!(ended, [("Updated", Some(ChangeCause::Manifest))]);
    assert_eq!(done.status.plan, None);
}

/// A request that comes within the read lag of a call is answered by the first look that can show what came of the call.
#[test]
fn a_request_is_not_answered_by_a_look_that_shows_nothing_yet() {
    let (observed, change) = (observed(), rename());
    let sending = sent(&observed, &change);
    let asking = Desired { requested: Some("now".into()), ..desired() };
    let history = History::of(&sending.status, GENERATION);
    let settle = Plan::Settle { message: "not yet".into() };
    let export = Export::default();
    let seen = Verdict::Seen { observed: &observed, plan: &settle, history: &history, export: &export };
    let later = outcome(&sending.status, GENERATION, Some(&asking), seen, at(1005));
    assert_eq!(later.status.last_handled_reconcile_at, None);
}

#[test]
fn a_request_stays_open_until_aws_has_been_looked_at() {
    let asking = Desired { requested: Some("now".into()), ..desired() };
    let prior = ProvisionedThroughputStatus::default();
    let fault = fault(FaultKind::Internal);
    let blind = outcome(&prior, GENERATION, Some(&asking), Verdict::Blind(&fault), at(1000));
    assert_eq!(blind.status.last_handled_reconcile_at, None);
    let observed = observed();
    let history = History::default();
    let looked = outcome(&prior, GENERATION, Some(&asking), seen(&observed, &Plan::Nothing, &history), at(1000));
    assert_eq!(looked.status.last_handled_reconcile_at.as_deref(), Some("now"));
}

#[test]
fn a_look_that_lags_behind_an_open_call_changes_nothing() {
    let (observed, change) = (observed(), rename());
    let sending = sent(&observed, &change);
    let history = History::of(&sending.status, GENERATION);
    let settle = Plan::Settle { message: "not yet".into() };
    let later = told(&sending.status, seen(&observed, &settle, &history), 1005);
    assert_eq!((later.status, later.notices, later.wake), (sending.status, vec![], Wake::Following));
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
    let history = History::default();
    let there = told(&ProvisionedThroughputStatus::default(), seen(&observed, &Plan::Nothing, &history), 1000);
    let gone = Observed { throughput: Sighting::Missing, ..observed };
    let plan = Plan::Refuse { reason: Reason::NotFound, message: "it is gone".into(), pending: None };
    let missing = told(&there.status, seen(&gone, &plan, &history), 1100);
    is_consistent(&missing);
    assert_eq!((missing.status.status, missing.status.model_arn), (None, None));
    assert_eq!(missing.status.provisioned_model_arn, there.status.provisioned_model_arn, "the ARN is the identity");
}

#[test]
fn an_accepted_call_can_be_told_without_a_look() {
    let (observed, change) = (observed(), rename());
    let sending = sent(&observed, &change);
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
    let drift = Change { cause: ChangeCause::Drift, ..rename() };
    let verdict = Verdict::CallFailed { observed: &observed, change: &drift, fault: &fault, sent_at: at(1000) };
    let failed = told(&ProvisionedThroughputStatus::default(), verdict, 1001);
    let history = History::of(&failed.status, GENERATION);
    assert!(!history.synced);
    let desired = Desired { name: Some(name("new")), ..desired() };
    let decided = decide(&desired, &observed, &history);
    assert!(matches!(decided, Plan::Act(Change { cause: ChangeCause::Drift, .. })), "{decided:?}");
}

#[test]
fn words_of_aws_that_change_with_every_try_are_told_once() {
    let first = fault(FaultKind::CredentialsRejected);
    let second = Fault { detail: "expired: 12:00:01 is now later than 12:00:00".into(), ..first.clone() };
    let told_first = told(&ProvisionedThroughputStatus::default(), Verdict::Blind(&first), 1000);
    let told_second = told(&told_first.status, Verdict::Blind(&second), 1100);
    assert_eq!((told_second.status, told_second.notices), (told_first.status, vec![]));
}
