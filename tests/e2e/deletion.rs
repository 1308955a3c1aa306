//! Deletion: under `Retain` nothing holds an object; under `Delete` its throughput goes first, as soon as AWS lets it, and only with the
//! operator's flag.

use std::time::Duration;

use bedrock_simulator::{
    FaultKind,
    request::{CommitmentDuration, ProvisionedModelStatus},
    seed::ProvisionedModelSeed,
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::DeleteParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use xtask::{control_plane::Options, wait::wait_until};

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1_NAME},
    control_plane::{Plane, runtime},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::{RECONCILE_REQUESTED_AT, manifest},
    parallel,
    purchase::{BOUGHT, FINALIZER, MAY_BUY_AND_DELETE, purchase_with},
};

use Operation::{CreateProvisionedModelThroughput as Create, DeleteProvisionedModelThroughput as Delete};

/// A throughput with a commitment.
const COMMITTED: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/committedone";

/// An object that buys, and whose throughput is deleted with it.
fn mortal(members: Value) -> Value {
    let mut spec = purchase_with(json!({"deletionPolicy": "Delete"}));
    if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
        spec.extend(members);
    }
    manifest("buyer", spec)
}

/// The same about a throughput that is there already.
fn adopted(arn: &str, deletion: &str) -> Value {
    manifest("buyer", json!({"provisionedModelId": arn, "managementPolicy": "Full", "deletionPolicy": deletion}))
}

fn deletes(env: &Environment) -> usize {
    env.aws.calls_of(Delete)
}

/// An environment in which such an object has bought its throughput, and the ARN.
fn bought() -> (Environment, String) {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&mortal(json!({})));
    env.wait_until_ready("buyer");
    assert_eq!(env.cluster.finalizers("buyer"), [FINALIZER]);
    let arn = env.aws.the_bought().arn;
    (env, arn)
}

/// An account with a throughput whose commitment ends after this time, by all clocks.
fn with_commitment(end: SignedDuration) -> Aws {
    let aws = Aws::start();
    aws.switch("commitmentEnd", "Ends");
    let now = Timestamp::now();
    aws.seed_throughput(ProvisionedModelSeed {
        commitment_duration: Some(CommitmentDuration::OneMonth),
        creation_time: now.checked_sub(SignedDuration::from_hours(24)).ok(),
        commitment_expiration_time: now.checked_add(end).ok(),
        ..ProvisionedModelSeed::new("committed", SUMMARIZER_V1_NAME).arn(COMMITTED)
    });
    aws
}

/// Waits until a going object waits for the end of the commitment, and returns what it says.
fn wait_for_the_commitment(env: &Environment) -> String {
    let object = env.wait_for("buyer", "waits for the end of the commitment", |object| {
        object.reason() == "CommitmentRunning" && object.says("Reconciling") == "True"
    });
    assert_eq!(object.status("/plan/waitingFor"), "Commitment");
    assert_eq!(object.status("/plan/action"), "Delete");
    assert!(object.message().contains("deletionPolicy: Retain"), "{}", object.message());
    object.message().to_owned()
}

#[test]
fn under_retain_there_is_no_finalizer_and_the_object_goes_at_once() {
    let rows = [
        ("bought", manifest("buyer", purchase_with(json!({})))),
        ("adopted with Full", adopted(ARN, "Retain")),
        ("only updated", manifest("buyer", json!({"provisionedModelId": ARN}))),
    ];
    parallel::for_each(3, rows.map(|(name, row)| (name.to_owned(), row)).into(), |manifest| {
        let env = Environment::that_buys(Aws::start());
        env.cluster.apply(&manifest);
        env.wait_until_ready("buyer");
        assert_eq!(env.cluster.finalizers("buyer"), Vec::<String>::new());
        let (changes, throughputs) = (env.aws.changing_calls(), env.aws.throughputs());
        env.cluster.delete("buyer");
        assert!(!env.cluster.has("buyer"), "nothing holds it");
        // The operator goes on, and leaves it alone.
        env.cluster.apply(&crate::support::object::manifest(
            "other",
            json!({"provisionedModelId": NAME, "managementPolicy": "Observe"}),
        ));
        env.wait_until_ready("other");
        env.wait_for_another_look("other");
        assert_eq!((env.aws.changing_calls(), env.aws.throughputs()), (changes, throughputs));
    });
}

#[test]
fn under_delete_the_throughput_is_deleted_and_then_the_object_goes() {
    let (env, arn) = bought();
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(&arn), "the throughput goes first");
    assert_eq!(deletes(&env), 1, "{:?}", env.aws.changing_calls());
    assert!(env.aws.has(ARN), "and no other");
    let mut reasons = env.cluster.event_reasons("buyer");
    // A purchase waits first until reads have caught up with the making of the object.
    reasons.dedup();
    assert_eq!(reasons, ["Creating", "Created", "Deleting", "Deleted"], "{:?}", env.cluster.events("buyer"));
}

#[test]
fn an_adopted_throughput_is_deleted_too() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&adopted(ARN, "Delete"));
    env.wait_until_ready("buyer");
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(ARN));
    assert_eq!(deletes(&env), 1, "{:?}", env.aws.changing_calls());
}

#[test]
fn while_aws_is_at_work_deletion_waits() {
    for status in [ProvisionedModelStatus::Creating, ProvisionedModelStatus::Updating] {
        let aws = Aws::start();
        let seed = ProvisionedModelSeed::new("busy", SUMMARIZER_V1_NAME).arn(COMMITTED).status(status);
        aws.seed_throughput(seed);
        // AWS might let it through: it is documented that it does not.
        aws.switch("deleteWhileCreating", "Allowed");
        let env = Environment::that_buys(aws);
        env.cluster.apply(&adopted(COMMITTED, "Delete"));
        env.wait_for("buyer", "is seen", |object| object.status("/status") == status.as_str());
        env.cluster.delete("buyer");
        env.wait_for("buyer", "waits", |object| {
            object.reason() == status.as_str() && object.status("/plan/action") == "Delete"
        });
        env.wait_for_another_look("buyer");
        assert_eq!(deletes(&env), 0, "{}", env.story("buyer"));
        env.aws.finish_throughput(COMMITTED);
        env.wait_until_gone("buyer");
        assert!(!env.aws.has(COMMITTED));
        assert_eq!(deletes(&env), 1, "{:?}", env.aws.changing_calls());
    }
}

#[test]
fn while_a_commitment_runs_deletion_waits_and_is_done_when_it_ends() {
    // The next look would come only after an hour: the end of the commitment wakes it.
    let aws = with_commitment(SignedDuration::from_secs(25));
    let flags = [MAY_BUY_AND_DELETE, &["--default-interval", "1h"]].concat();
    let env = Environment::with_flags(aws, &flags);
    env.cluster.apply(&adopted(COMMITTED, "Delete"));
    env.wait_until_ready("buyer");
    env.cluster.delete("buyer");
    let message = wait_for_the_commitment(&env);
    let end = env.aws.throughput(COMMITTED).commitment_expiration_time.unwrap();
    let date = end.to_string();
    assert!(message.contains(date.split('.').next().unwrap_or_default()), "{date}: {message}");
    assert_eq!(deletes(&env), 0, "{}", env.story("buyer"));
    env.wait_until_gone("buyer");
    assert!(Timestamp::now() >= end);
    assert!(!env.aws.has(COMMITTED));
    assert_eq!(deletes(&env), 1, "AWS is asked once, after the end: {:?}", env.aws.changing_calls());
}

#[test]
fn a_switch_to_retain_lets_go_of_what_waits_for_the_end_of_a_commitment() {
    let env = Environment::that_buys(with_commitment(SignedDuration::from_hours(24 * 20)));
    env.cluster.apply(&adopted(COMMITTED, "Delete"));
    env.wait_until_ready("buyer");
    env.cluster.delete("buyer");
    wait_for_the_commitment(&env);
    env.cluster.apply(&adopted(COMMITTED, "Retain"));
    env.wait_until_gone("buyer");
    assert!(env.aws.has(COMMITTED));
    assert_eq!(deletes(&env), 0, "{:?}", env.aws.changing_calls());
    assert_eq!(env.cluster.event_reasons("buyer").last().map(String::as_str), Some("Released"));
}

#[test]
fn a_switch_to_retain_before_deletion_takes_the_finalizer_off() {
    let (env, arn) = bought();
    env.cluster.apply(&mortal(json!({"deletionPolicy": "Retain"})));
    env.wait_until("buyer", "the finalizer is gone", || env.cluster.finalizers("buyer").is_empty());
    env.cluster.delete("buyer");
    assert!(!env.cluster.has("buyer"), "nothing holds it");
    assert!(env.aws.has(&arn));
    assert_eq!(deletes(&env), 0, "{:?}", env.aws.changing_calls());
}

#[test]
fn without_the_flag_nothing_is_deleted_and_either_way_out_works() {
    parallel::for_each(
        2,
        [("the flag", true), ("Retain", false)].map(|(name, row)| (name.to_owned(), row)).into(),
        |flag| {
            let mut env = Environment::with_flags(Aws::start(), &["--allow-create"]);
            env.cluster.apply(&mortal(json!({})));
            env.wait_until_ready("buyer");
            let arn = env.aws.the_bought().arn;
            env.cluster.delete("buyer");
            let object = env.wait_until_stalled("buyer", "DeleteNotAllowed");
            assert!(object.message().contains("--allow-delete"), "{}", object.message());
            assert_eq!(object.status("/plan/action"), "Delete");
            assert_eq!(object.status("/plan/waitingFor"), "OperatorFlag");
            env.wait_for_another_look("buyer");
            assert_eq!(deletes(&env), 0, "{}", env.story("buyer"));
            if flag {
                env.settings.flags.push("--allow-delete".to_owned());
                env.restart_the_operator();
            } else {
                env.cluster.apply(&mortal(json!({"deletionPolicy": "Retain"})));
            }
            env.wait_until_gone("buyer");
            assert_eq!(env.aws.has(&arn), !flag);
            assert_eq!(deletes(&env), usize::from(flag));
        },
    );
}

/// The end is told also where something failed on the way.
#[test]
fn a_deletion_that_was_throttled_is_told_at_its_end() {
    let (env, arn) = bought();
    env.aws.fault_times(Delete, FaultKind::code("ThrottlingException"), 2);
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(&arn));
    assert_eq!(env.cluster.event_reasons("buyer").last().map(String::as_str), Some("Deleted"));
}

#[test]
fn what_is_already_gone_at_aws_is_deleted() {
    let (env, arn) = bought();
    env.aws.delete_as_somebody_else(&arn);
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert_eq!(deletes(&env), 0, "{:?}", env.aws.changing_calls());
    assert_eq!(env.cluster.event_reasons("buyer").last().map(String::as_str), Some("Deleted"));
}

#[test]
fn what_goes_between_the_look_and_the_call_is_deleted() {
    let (env, arn) = bought();
    env.aws.fault_times(Delete, FaultKind::code("ResourceNotFoundException"), 1);
    // Somebody else is faster: AWS has it in the look, and no longer when it is asked.
    env.cluster.delete("buyer");
    env.wait_until("buyer", "a Delete has arrived", || deletes(&env) > 0);
    if env.aws.has(&arn) {
        env.aws.delete_as_somebody_else(&arn);
    }
    env.wait_until_gone("buyer");
    assert_eq!(env.cluster.event_reasons("buyer").last().map(String::as_str), Some("Deleted"));
}

#[test]
fn a_commitment_that_is_over_only_by_the_operators_clock_is_told_and_waited_for() {
    let rows = ["ConflictException", "ValidationException"];
    parallel::for_each(2, rows.map(|row| (row.to_owned(), row)).into(), |error| {
        let aws = with_commitment(SignedDuration::from_secs(-1));
        aws.switch("committedError", error);
        aws.server().stop_clock(Timestamp::now().saturating_sub(SignedDuration::from_hours(1)).expect("an hour ago"));
        let env = Environment::that_buys(aws);
        env.cluster.apply(&adopted(COMMITTED, "Delete"));
        env.wait_until_ready("buyer");
        env.cluster.delete("buyer");
        let object = env.wait_for("buyer", "tells of it", |object| ["Conflict", "Refused"].contains(&object.reason()));
        assert!(object.message().contains("has a commitment until"), "AWS's own words: {}", object.message());
        assert!(env.aws.has(COMMITTED));
        env.aws.server().advance(SignedDuration::from_hours(2));
        env.wait_until_gone("buyer");
        assert!(!env.aws.has(COMMITTED));
        assert_eq!(env.aws.accepted(Delete), 1, "{:?}", env.aws.changing_calls());
    });
}

#[test]
fn a_commitment_that_renews_itself_is_told_with_its_new_end() {
    let aws = with_commitment(SignedDuration::from_secs(15));
    aws.switch("commitmentEnd", "Renews");
    let env = Environment::that_buys(aws);
    env.cluster.apply(&adopted(COMMITTED, "Delete"));
    env.wait_until_ready("buyer");
    env.cluster.delete("buyer");
    let before = wait_for_the_commitment(&env);
    env.wait_for("buyer", "tells of the new end", |object| {
        object.reason() == "CommitmentRunning" && object.message() != before
    });
    let asked = env.aws.calls_of(Delete);
    assert!(asked <= 1, "a Delete at the very end is right, and no other: {:?}", env.aws.changing_calls());
    assert!(env.aws.has(COMMITTED));
    env.cluster.apply(&adopted(COMMITTED, "Retain"));
    env.wait_until_gone("buyer");
}

#[test]
fn a_deletion_that_failed_is_told_and_repeated_only_on_request() {
    let (env, arn) = bought();
    env.aws.fail_the_next_deletion(&arn, "it is in use");
    env.cluster.delete("buyer");
    let object = env.wait_until_stalled("buyer", "DeleteFailed");
    for part in ["it is in use", RECONCILE_REQUESTED_AT, "deletionPolicy: Retain"] {
        assert!(object.message().contains(part), "{part}: {}", object.message());
    }
    env.wait_for_another_look("buyer");
    assert_eq!(deletes(&env), 1, "{}", env.story("buyer"));
    env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("again"));
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(&arn));
    assert_eq!(deletes(&env), 2, "{:?}", env.aws.changing_calls());
}

#[test]
fn a_deletion_that_failed_is_let_go_under_retain() {
    let (env, arn) = bought();
    env.aws.fail_the_next_deletion(&arn, "it is in use");
    env.cluster.delete("buyer");
    env.wait_until_stalled("buyer", "DeleteFailed");
    env.cluster.apply(&mortal(json!({"deletionPolicy": "Retain"})));
    env.wait_until_gone("buyer");
    assert!(env.aws.has(&arn));
    assert_eq!(deletes(&env), 1, "{:?}", env.aws.changing_calls());
}

#[test]
fn without_the_right_to_delete_it_says_which_and_retain_lets_go() {
    let (env, arn) = bought();
    env.aws.refuse(Delete, "AccessDeniedException");
    env.cluster.delete("buyer");
    let object = env.wait_until_stalled("buyer", "AccessDenied");
    assert!(object.message().contains("bedrock:DeleteProvisionedModelThroughput"), "{}", object.message());
    env.cluster.apply(&mortal(json!({"deletionPolicy": "Retain"})));
    env.wait_until_gone("buyer");
    assert!(env.aws.has(&arn));
}

#[test]
fn with_the_right_to_delete_given_later_it_goes_on_by_itself() {
    let (env, arn) = bought();
    env.aws.refuse(Delete, "AccessDeniedException");
    env.cluster.delete("buyer");
    env.wait_until_stalled("buyer", "AccessDenied");
    env.aws.end_faults(Delete);
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(&arn));
}

#[test]
fn whatever_becomes_of_the_answer_and_the_reads_one_is_deleted() {
    let lag = Duration::from_secs(3);
    let rows = [
        ("lost", Some(FaultKind::LostResponse), false),
        ("lost, reads lag", Some(FaultKind::LostResponse), true),
        ("reads lag", None, true),
        ("no connection", Some(FaultKind::DroppedConnection), false),
        ("no answer", Some(FaultKind::Hang), false),
        ("no answer, reads lag", Some(FaultKind::Hang), true),
        ("no JSON", Some(FaultKind::MalformedBody), false),
        ("throttled", Some(FaultKind::code("ThrottlingException")), false),
        ("busy", Some(FaultKind::code("ConflictException")), false),
        ("an error of AWS", Some(FaultKind::code("InternalServerException")), false),
    ];
    parallel::for_each(5, rows.map(|(name, fault, lags)| (name.to_owned(), (fault, lags))).into(), |(fault, lags)| {
        let aws = Aws::start();
        if lags {
            aws.lag(lag);
        }
        let env = Environment::with_flags(aws, &[MAY_BUY_AND_DELETE, &["--read-lag", "4s"]].concat());
        env.cluster.apply(&mortal(json!({})));
        env.wait_until_ready("buyer");
        let arn = env.aws.the_bought().arn;
        if let Some(fault) = fault {
            env.aws.fault_times(Delete, fault, 1);
        }
        env.cluster.delete("buyer");
        env.wait_until_gone("buyer");
        assert!(!env.aws.has(&arn), "{:?}", env.aws.changing_calls());
        assert_eq!(env.aws.accepted(Delete), 1, "{:?}", env.aws.call_lines());
        assert_eq!(env.aws.calls_of(Create), 1);
        let missing = env
            .aws
            .all_of(Delete)
            .iter()
            .filter(|call| call.error.as_deref() == Some("ResourceNotFoundException"))
            .count();
        assert_eq!(missing, 0, "nobody asks again for what is gone: {:?}", env.aws.call_lines());
    });
}

#[test]
fn a_look_from_before_the_purchase_does_not_pass_for_a_deletion() {
    let env = Environment::with_flags(Aws::start(), &[MAY_BUY_AND_DELETE, &["--read-lag", "15s"]].concat());
    env.cluster.apply(&mortal(json!({})));
    env.wait_until_ready("buyer");
    // Another replica answers, which is behind: it does not know of the throughput yet.
    env.aws.lag(Duration::from_secs(12));
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert_eq!(env.aws.bought(), [], "what nobody knows of is billed for ever: {:?}", env.aws.call_lines());
}

#[test]
fn the_throughput_of_another_owner_is_let_go_without_a_deletion() {
    let aws = Aws::start();
    let other = [("cluster", "elsewhere"), ("namespace", "ml"), ("name", "theirs"), ("uid", "theirs")];
    let tags = other.map(|(key, value)| (format!("bedrock-throughput.dev/{key}"), value.to_owned())).into();
    aws.seed_throughput(ProvisionedModelSeed {
        tags,
        ..ProvisionedModelSeed::new("theirs", SUMMARIZER_V1_NAME).arn(COMMITTED)
    });
    let env = Environment::that_buys(aws);
    env.cluster.apply(&adopted(COMMITTED, "Delete"));
    env.wait_until_stalled("buyer", "AlreadyManaged");
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert!(env.aws.has(COMMITTED));
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn the_younger_of_two_objects_does_not_delete_what_the_older_manages() {
    let env = Environment::that_buys(Aws::start());
    // The API server knows the age of objects to the second; the name settles a draw.
    env.cluster.apply(&manifest("an-older-one", json!({"provisionedModelId": ARN})));
    env.wait_until_ready("an-older-one");
    env.cluster.apply(&adopted(ARN, "Delete"));
    env.wait_until_stalled("buyer", "AlreadyManaged");
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert!(env.aws.has(ARN));
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn what_is_suspended_is_not_deleted_until_it_goes_on() {
    let (env, arn) = bought();
    env.cluster.apply(&mortal(json!({"suspend": true})));
    env.wait_for("buyer", "is suspended", |object| object.reason() == "Suspended");
    env.cluster.delete("buyer");
    env.wait_for("buyer", "is going", |object| object.0.metadata.deletion_timestamp.is_some());
    let (calls, events) = (env.aws.call_lines().len(), env.cluster.events("buyer"));
    // Another object of the same operator is looked after meanwhile, so that there was time enough.
    env.cluster.apply(&manifest("other", json!({"provisionedModelId": ARN, "managementPolicy": "Observe"})));
    env.wait_until_ready("other");
    assert!(env.aws.call_lines().len() > calls);
    assert!(env.cluster.has("buyer") && env.aws.has(&arn));
    assert_eq!((deletes(&env), env.cluster.events("buyer")), (0, events));
    env.cluster.apply(&mortal(json!({"suspend": false})));
    env.wait_until_gone("buyer");
    assert!(!env.aws.has(&arn));
}

#[test]
fn a_suspended_object_is_let_go_under_retain() {
    let (env, arn) = bought();
    env.cluster.apply(&mortal(json!({"suspend": true})));
    env.wait_for("buyer", "is suspended", |object| object.reason() == "Suspended");
    env.cluster.delete("buyer");
    env.cluster.apply(&mortal(json!({"suspend": true, "deletionPolicy": "Retain"})));
    env.wait_until_gone("buyer");
    assert!(env.aws.has(&arn));
}

#[test]
fn an_object_that_has_bought_nothing_goes_without_a_call() {
    let rows = [
        ("without the flag", json!({}), "CreateNotAllowed"),
        ("a name that is taken", json!({"provisionedModelName": NAME}), "NameTaken"),
    ];
    parallel::for_each(2, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, members, reason)| {
        let env = Environment::with_flags(Aws::start(), &["--allow-delete"]);
        env.cluster.apply(&mortal(members));
        env.wait_until_stalled("buyer", reason);
        env.cluster.delete("buyer");
        env.wait_until_gone("buyer");
        assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
        assert!(env.aws.has(ARN));
    });
}

#[test]
fn what_was_bought_by_a_call_whose_answer_was_lost_is_deleted_with_the_object() {
    let aws = Aws::start();
    aws.lag(Duration::from_secs(3));
    aws.fault(Create, FaultKind::LostResponse);
    let env = Environment::with_flags(aws, &[MAY_BUY_AND_DELETE, &["--read-lag", "4s"]].concat());
    env.cluster.apply(&mortal(json!({})));
    env.wait_until("buyer", "it is bought", || env.aws.bought().len() == 1);
    env.cluster.delete("buyer");
    env.wait_until_gone("buyer");
    assert_eq!(env.aws.bought(), [], "what nobody knows of is billed for ever: {:?}", env.aws.call_lines());
}

/// A namespace that is deleted as a whole, on a control plane with the controllers that do it.
#[test]
fn a_namespace_that_is_deleted_as_a_whole_comes_to_an_end() {
    let plane = Plane::start(&Options { controller_manager: true, ..Options::default() });
    plane.install();
    let aws = with_commitment(SignedDuration::from_hours(24 * 20));
    let cluster = Namespace::in_plane(&plane);
    let settings = settings(&plane, &cluster, &aws, MAY_BUY_AND_DELETE);
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&mortal(json!({})));
    env.cluster.apply(&manifest("kept", json!({"provisionedModelId": ARN, "managementPolicy": "Full"})));
    let committed = |deletion| {
        let spec = json!({"provisionedModelId": COMMITTED, "managementPolicy": "Full", "deletionPolicy": deletion});
        manifest("committed", spec)
    };
    env.cluster.apply(&committed("Delete"));
    for name in ["buyer", "kept", "committed"] {
        env.wait_until_ready(name);
    }
    let arn = env.aws.named(BOUGHT).expect("what was bought").arn;
    let api: Api<DynamicObject> =
        Api::all_with(plane.admin.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")));
    let name = &env.cluster.name;
    runtime().block_on(api.delete(name, &DeleteParams::default())).expect("deleting the namespace");
    // What holds it says so, and lets go when it is told to.
    env.wait_until_gone("buyer");
    env.wait_until_gone("kept");
    env.wait_for("committed", "waits", |object| object.reason() == "CommitmentRunning");
    env.cluster.apply(&committed("Retain"));
    let gone = wait_until(PATIENCE, "the namespace is gone", || {
        let there = runtime().block_on(api.get_opt(name))?;
        anyhow::ensure!(there.is_none(), "{there:?}");
        Ok(())
    });
    gone.unwrap_or_else(|error| panic!("{error:#}\n{:?}\n{}", env.aws.call_lines(), env.operator.log_tail()));
    assert!(!env.aws.has(&arn), "what is to be deleted is");
    assert!(env.aws.has(ARN) && env.aws.has(COMMITTED), "and what is to be kept is not");
    assert_eq!(deletes(&env), 1, "{:?}", env.aws.changing_calls());
}
