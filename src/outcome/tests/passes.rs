//! Passes in a row over the same world: the second tells nothing new.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    crd::Approval,
    identifiers::ModelArn,
    observed::{CustomModelHealth, LifecycleStatus, ModelHealth, ModelLifecycle, ModelStatus, WantedModel},
    plan::{
        Permits,
        tests::{
            ALL_PERMITTED, BASE, SIBLING, buying, decide_with, deletion, owner, purchase, purchase::first_purchase,
            stranger,
        },
    },
};

/// What one pass after another tells of a world in which nothing happens, until a call is made or the object is let go: the first may have
/// something to tell, and may answer a request; the rest write nothing and publish nothing. Returns what the first told, if it told.
pub(super) fn settle(
    what: &str,
    desired: &Desired,
    observed: &Observed,
    history: History,
    prior: ProvisionedThroughputStatus,
) -> Option<Outcome> {
    let free = if desired.requested.is_some() { 2 } else { 1 };
    settle_with(ALL_PERMITTED, free, what, desired, observed, history, prior)
}

/// The members in which two statuses differ.
fn difference(one: &ProvisionedThroughputStatus, other: &ProvisionedThroughputStatus) -> String {
    let members = |status| serde_json::to_value(status).unwrap().as_object().unwrap().clone();
    let (one, other): (serde_json::Map<_, _>, serde_json::Map<_, _>) = (members(one), members(other));
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs: Vec<String> = keys
        .into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| format!("\n  {key}: {:?}\n  -> {:?}", one.get(key), other.get(key)))
        .collect();
    differs.concat()
}

/// The same under given flags, where the first `free` passes may differ: one that answers a request is followed by one that does not.
fn settle_with(
    permits: Permits,
    free: usize,
    what: &str,
    desired: &Desired,
    observed: &Observed,
    mut history: History,
    prior: ProvisionedThroughputStatus,
) -> Option<Outcome> {
    let (mut desired, mut status) = (desired.clone(), prior);
    let mut told: Vec<Outcome> = Vec::new();
    for second in [2000, 3000, 4000, 5000] {
        let decided = decide_with(permits, &desired, observed, &history);
        let told_now = match &decided {
            Plan::Act(change) => {
                let verdict = Verdict::Sending { observed, change, sent_at: at(second) };
                is_consistent(&outcome(&status, GENERATION, Some(&desired), verdict, at(second)));
                break;
            }
            Plan::LetGo { message, .. } => {
                assert!(!message.is_empty(), "{what}");
                break;
            }
            Plan::Nothing | Plan::Wait { .. } | Plan::Settle { .. } | Plan::Refuse { .. } | Plan::Leave { .. } => {
                outcome(&status, GENERATION, Some(&desired), seen(observed, &decided, &history), at(second))
            }
        };
        is_consistent(&told_now);
        if told.len() >= free {
            let pass = told.len() + 1;
            assert!(
                told_now.status == status,
                "{what}: pass {pass} writes again: {}",
                difference(&status, &told_now.status)
            );
            assert_eq!(told_now.notices, vec![], "{what}: pass {pass} tells again");
        }
        desired.requested = None;
        history = History::of(&told_now.status, GENERATION);
        status = told_now.status.clone();
        told.push(told_now);
    }
    told.into_iter().next()
}

#[test]
fn every_situation_of_a_purchase_is_told_consistently_and_once() {
    for case in purchase::Case::all() {
        let (desired, observed, history) = case.situation();
        let prior = status_with(history.last_call.as_ref());
        // A call of which nothing is to be seen is given up with the first pass.
        let free = if case.is_asked_for() || case.is_given_up() { 2 } else { 1 };
        let first = settle_with(case.permits(), free, &format!("{case:?}"), &desired, &observed, history, prior);
        // An approval of the plan that is due is not stale, whatever else is missing.
        if let Some(first) = first.filter(|_| case.is_approved()) {
            assert!(!reasons(&first).contains(&"ApprovalStale"), "{case:?}: {first:?}");
        }
    }
}

#[test]
fn every_situation_of_a_deletion_is_told_consistently_and_once() {
    for case in deletion::Case::all() {
        let (desired, observed, history) = case.situation();
        let prior = status_with(history.last_call.as_ref());
        let free = if desired.requested.is_some() { 2 } else { 1 };
        settle_with(case.permits(), free, &format!("{case:?}"), &desired, &observed, history, prior);
    }
}

/// Verdicts that come without a plan, one after another, and each again.
#[test]
fn every_verdict_is_told_consistently_and_once_after_any_other() {
    let (there, change) = (observed(), rename());
    let invalid = InvalidSpec::Interval("soon".into());
    let (fault, history) = (fault(FaultKind::Throttled), History::default());
    let call = LastCall {
        sent_at: at(1000),
        over_at: at(1001),
        generation: GENERATION,
        call: Call::Create(first_purchase()),
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
        answer: Answer::Accepted { request_id: Some("the-id".into()) },
    };
    let bought = throughput(SERVED).arn;
    let missing = look(900, Sighting::Missing);
    let nothing = Plan::Nothing;
    let verdicts = [
        Verdict::Invalid(&invalid),
        Verdict::Rival { holder: "ml/older" },
        Verdict::Suspended,
        Verdict::FinalizerFailed("it is forbidden"),
        Verdict::Blind(&fault),
        seen(&there, &nothing, &history),
        Verdict::Sending { observed: &there, change: &change, sent_at: at(1000) },
        Verdict::Bought { observed: &missing, call: &call, arn: Some(&bought) },
        Verdict::Bought { observed: &missing, call: &call, arn: None },
        Verdict::CallFailed { observed: &there, change: &change, fault: &fault, sent_at: at(1000) },
    ];
    for before in verdicts {
        let before = told(&ProvisionedThroughputStatus::default(), before, 1000);
        is_consistent(&before);
        for verdict in verdicts {
            let first = told(&before.status, verdict, 1100);
            is_consistent(&first);
            let second = told(&first.status, verdict, 1200);
            is_consistent(&second);
            assert_eq!(second.status, first.status, "{verdict:?}");
            // That a call is sent is told each time: each is a call.
            let is_call = matches!(verdict, Verdict::Sending { .. });
            assert!(is_call || second.notices.is_empty(), "{verdict:?}: {:?}", second.notices);
        }
    }
}

fn any_status() -> impl Strategy<Value = ThroughputStatus> {
    prop_oneof![
        4 => Just(ThroughputStatus::InService),
        1 => Just(ThroughputStatus::Updating),
        1 => Just(ThroughputStatus::Creating),
        1 => Just(ThroughputStatus::Failed),
        1 => Just(ThroughputStatus::Other("Resting".into())),
    ]
}

fn any_health() -> impl Strategy<Value = ModelHealth> {
    let custom = prop_oneof![
        Just(None),
        Just(Some(CustomModelHealth::Missing)),
        Just(Some(CustomModelHealth::Status(ModelStatus::Active))),
        Just(Some(CustomModelHealth::Status(ModelStatus::Failed))),
    ];
    let lifecycle = prop_oneof![
        Just(None),
        (any::<bool>(), prop::option::of(0_i64..400)).prop_map(|(legacy, days)| Some(ModelLifecycle {
            status: if legacy { LifecycleStatus::Legacy } else { LifecycleStatus::Active },
            end_of_life: days.map(|days| at(days * 86_400 + 43_200)),
        })),
    ];
    prop_oneof![
        1 => Just(ModelHealth::NotLooked),
        1 => Just(ModelHealth::Denied("IAM does not allow the operator bedrock:ListCustomModels".into())),
        3 => (custom, lifecycle).prop_map(|(custom, lifecycle)| ModelHealth::Known { custom, lifecycle }),
    ]
}

prop_compose! {
    fn any_throughput()(
        status in any_status(),
        called in prop::sample::select(vec!["old", "new", "other"]),
        model in prop::sample::select(vec![SERVED, SIBLING, BASE]),
        wanted in prop::sample::select(vec![SERVED, SIBLING, BASE]),
        commitment_ends in prop::option::of(-3_i64..60),
        modified in 0_i64..3,
    ) -> Throughput {
        Throughput {
            // AWS gives it only with this status.
            failure_message: (status == ThroughputStatus::Failed).then(|| "no capacity".to_owned()),
            status,
            name: name(called),
            desired_model_arn: ModelArn::from_aws(wanted),
            commitment_duration: commitment_ends.map(|_| "OneMonth".to_owned()),
            // Never at the moment when a stage begins.
            commitment_expiration_time: commitment_ends.map(|days| at(days * 86_400 + 43_200)),
            last_modified_time: at(modified * 1000),
            ..throughput(model)
        }
    }
}

prop_compose! {
    fn any_look()(
        sighting in prop_oneof![
            6 => any_throughput().prop_map(Sighting::Found),
            1 => any_throughput().prop_map(Sighting::Taken),
            1 => Just(Sighting::Missing),
            1 => Just(Sighting::Ambiguous(vec![throughput(SERVED).arn])),
        ],
        second in prop::sample::select(vec![900_i64, 1010, 1500]),
        tags in prop::option::of(prop::sample::select(vec![owner().tags(), stranger().tags(), BTreeMap::new()])),
        model in prop::sample::select(vec![SERVED, SIBLING, BASE]),
        health in any_health(),
    ) -> Observed {
        let model = WantedModel::Arn(ModelArn::from_aws(model));
        Observed { tags, model, health, ..look(second, sighting) }
    }
}

prop_compose! {
    fn any_object()(
        is_buying in any::<bool>(),
        policy in prop::sample::select(ManagementPolicy::ALL.to_vec()),
        manual in any::<bool>(),
        wanted in prop::option::of(prop::sample::select(vec!["old", "new"])),
        units in prop::option::of(1..3),
        team in any::<bool>(),
        approved in prop::option::of("[0-9a-f]{8}"),
    ) -> Desired {
        let base = if is_buying { buying() } else { Desired { policy, name: wanted.map(name), units, ..desired() } };
        let tags = team.then(|| ("team".to_owned(), "search".to_owned())).into_iter().collect();
        Desired { approval: if manual { Approval::Manual } else { Approval::Automatic }, tags, approved, ..base }
    }
}

fn is_half_way(observed: &Observed) -> bool {
    observed
        .found()
        .is_some_and(|found| found.status == ThroughputStatus::InService && found.model_arn != found.desired_model_arn)
}

/// In service, and to move to another model: AWS has not begun, or somebody else's move has come to nothing.
#[test]
fn a_move_that_is_half_way_is_told_the_same_with_each_look() {
    let moving = Throughput { desired_model_arn: ModelArn::from_aws(SIBLING), ..throughput(SERVED) };
    let observed =
        Observed { model: WantedModel::Arn(ModelArn::from_aws(SIBLING)), ..look(900, Sighting::Found(moving)) };
    for policy in [ManagementPolicy::Observe, ManagementPolicy::Update] {
        for units in [None, Some(7)] {
            for wanted in ["old", "new"] {
                let object = Desired { policy, units, name: Some(name(wanted)), ..desired() };
                let what = format!("{policy:?} {units:?} {wanted}");
                settle(&what, &object, &observed, History::default(), ProvisionedThroughputStatus::default());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was seen and done before: once a world is told, it is told, and nothing is written or published again.
    #[test]
    fn any_world_is_told_once_after_any_other(object in any_object(), before in any_look(), after in any_look()) {
        // A move that is half-way has a test of its own.
        prop_assume!(!is_half_way(&before) && !is_half_way(&after));
        let (default, none) = (ProvisionedThroughputStatus::default(), History::default());
        let first = decide(&object, &before, &none);
        let told = match &first {
            Plan::LetGo { .. } => return Ok(()),
            Plan::Act(change) => Verdict::Sending { observed: &before, change, sent_at: at(1000) },
            _ => seen(&before, &first, &none),
        };
        let told = outcome(&default, GENERATION, Some(&object), told, at(1000));
        is_consistent(&told);
        let history = History::of(&told.status, GENERATION);
        settle(&format!("{first:?}"), &object, &after, history, told.status);
    }
}
