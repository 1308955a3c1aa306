//! `approval: Manual`: what is due is shown with a hash, and only the annotation with exactly that hash lets it through, once.

use bedrock_simulator::FaultKind;
use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::Environment,
    object::{APPROVE, Object, RECONCILE_REQUESTED_AT, manifest},
    parallel,
};

const UPDATE: Operation = Operation::UpdateProvisionedModelThroughput;

/// A manifest that waits for approval of whatever differs from these.
fn manual(name: &str, model: &str) -> Value {
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": name, "modelId": model, "approval": "Manual"});
    manifest("summarizer", spec)
}

fn waits(object: &Object) -> bool {
    object.is_observed()
        && object.conditions()
            == ["Ready=False/ApprovalRequired", "Synced=False/ApprovalRequired", "Reconciling=True/ApprovalRequired"]
}

fn wait_for_a_plan(env: &Environment) -> Object {
    env.wait_for("summarizer", "waits for approval", waits)
}

/// Waits until there is another plan than the one of `hash`.
fn wait_for_another_plan(env: &Environment, hash: &str) -> Object {
    let is_another = |object: &Object| waits(object) && object.status("/plan/hash") != hash;
    env.wait_for("summarizer", "waits for another approval", is_another)
}

fn approve(env: &Environment, hash: &str) {
    env.cluster.annotate("summarizer", APPROVE, Some(hash));
}

#[test]
fn what_waits_is_shown_whole_and_nothing_is_called() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manual(NAME, SUMMARIZER_V2));
    let object = wait_for_a_plan(&env);
    let hash = object.plan_hash();
    assert_eq!(object.status("/plan/action"), "Update");
    assert_eq!(object.status("/plan/request"), json!({"desiredModelId": SUMMARIZER_V2}).to_string());
    assert_eq!(object.status("/plan/waitingFor"), "Approval");
    assert!(object.status("/plan/message").contains(SUMMARIZER_V2), "{}", object.status("/plan/message"));
    let consequence = object.status("/plan/consequence");
    for part in ["AWS bills it as before", "without an outage", "It can be undone"] {
        assert!(consequence.contains(part), "{consequence}");
    }
    assert!(object.message().contains(&format!("{APPROVE}: {hash}")), "{}", object.message());
    let table = env.cluster.kubectl(&["get", "pt"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let column = lines[0].iter().position(|column| *column == "PLAN").unwrap_or_else(|| panic!("{table}"));
    assert_eq!(lines[1][column], hash, "{table}");
    assert!(table.contains("ApprovalRequired"), "{table}");
    env.wait_for_another_look("summarizer");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    env.wait_for_events("summarizer", &["ApprovalRequired"]);
}

#[test]
fn an_approval_lets_its_plan_through_once_and_not_the_next_of_the_same_kind() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manual("summarizer-prod", SUMMARIZER_V1));
    let first = wait_for_a_plan(&env).plan_hash();
    approve(&env, &first);
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/lastHandledApproval"), first);
    assert_eq!(object.status("/plan"), "");
    assert_eq!(env.aws.update_calls(), 1);
    // The same change from the same state, but another time.
    env.aws.rename_as_somebody_else(ARN, NAME);
    let object = wait_for_another_plan(&env, &first);
    assert_eq!(object.status("/plan/cause"), "Drift");
    env.wait_for_another_look("summarizer");
    assert_eq!(env.aws.update_calls(), 1, "{}", env.story("summarizer"));
    approve(&env, &object.plan_hash());
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_calls(), 2, "{}", env.story("summarizer"));
    let events = ["ApprovalRequired", "Updating", "Updated", "ApprovalRequired", "Updating", "DriftRepaired"];
    env.wait_for_events("summarizer", &events);
}

#[test]
fn an_approval_of_what_the_manifest_no_longer_says_is_told_once_and_does_nothing() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manual("first", SUMMARIZER_V1));
    let first = wait_for_a_plan(&env).plan_hash();
    env.cluster.apply(&manual("second", SUMMARIZER_V1));
    let second = wait_for_another_plan(&env, &first).plan_hash();
    approve(&env, &first);
    env.wait_for("summarizer", "has told of the stale approval", |object| {
        object.status("/lastHandledApproval") == first
    });
    env.wait_for_another_look("summarizer");
    let told = env.cluster.events("summarizer");
    let told: Vec<&String> = told.iter().filter(|line| line.contains("ApprovalStale")).collect();
    assert_eq!(told.len(), 1, "{}", env.story("summarizer"));
    assert!(told[0].contains(&first) && told[0].contains(&second), "{told:?}");
    let object = wait_for_a_plan(&env);
    assert!(object.message().contains(&first), "the sentence tells of it as well: {}", object.message());
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    approve(&env, &second);
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "second"})]);
}

#[test]
fn an_approval_where_nothing_is_due_is_told() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manual(NAME, SUMMARIZER_V1));
    env.wait_until_ready("summarizer");
    approve(&env, "0badcafe");
    env.wait_for_events("summarizer", &["InService", "ApprovalStale"]);
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/lastHandledApproval"), "0badcafe");
    // What was told is not an approval of what comes later.
    env.cluster.apply(&manual("renamed", SUMMARIZER_V1));
    wait_for_a_plan(&env);
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn an_approved_call_that_meets_a_passing_fault_needs_no_other_approval() {
    let faults = [
        ("too many calls", FaultKind::code("ThrottlingException"), "Throttled"),
        ("an error of AWS", FaultKind::code("InternalServerException"), "AwsUnavailable"),
        ("a lost connection", FaultKind::DroppedConnection, "ConnectionFailed"),
        ("a lost answer", FaultKind::LostResponse, "ConnectionFailed"),
    ];
    parallel::for_each(4, faults.map(|fault| (fault.0.to_owned(), fault)).into(), |(_, fault, reason)| {
        let env = Environment::new(Aws::start());
        env.cluster.apply(&manual("summarizer-prod", SUMMARIZER_V1));
        let hash = wait_for_a_plan(&env).plan_hash();
        env.aws.fault(UPDATE, fault);
        approve(&env, &hash);
        env.wait_for("summarizer", &format!("tells of {reason}"), |object| object.reason() == reason);
        env.aws.end_faults(UPDATE);
        let object = env.wait_until_ready("summarizer");
        assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
        assert_eq!(env.aws.updates_carried_out(), 1, "{}", env.story("summarizer"));
    });
}

#[test]
fn every_call_of_a_throughputs_life_waits_for_its_own_approval() {
    let env = Environment::that_buys(Aws::start());
    let spec = |name: &str, tags: Value| {
        json!({
            "managementPolicy": "Full", "deletionPolicy": "Delete", "approval": "Manual",
            "provisionedModelName": name, "modelId": SUMMARIZER_V1, "modelUnits": 1, "tags": tags,
        })
    };
    let calls = || env.aws.changing_calls().len();
    // Bought.
    env.cluster.apply(&manifest("summarizer", spec("bought", json!({}))));
    let object = wait_for_a_plan(&env);
    assert_eq!(object.status("/plan/action"), "Create");
    assert_eq!(object.status("/plan/request/modelUnits"), "1");
    assert!(object.status("/plan/consequence").contains("AWS bills 1 model unit by the hour"));
    assert_eq!(calls(), 0);
    approve(&env, &object.plan_hash());
    let arn = env.wait_until_ready("summarizer").status("/provisionedModelArn");
    assert_eq!(calls(), 1, "{}", env.story("summarizer"));
    // Tagged.
    env.cluster.apply(&manifest("summarizer", spec("bought", json!({"team": "search"}))));
    let object = wait_for_a_plan(&env);
    assert_eq!(object.status("/plan/action"), "Tag");
    assert_eq!(object.status("/plan/request/tags/team"), "search");
    assert_eq!(calls(), 1);
    approve(&env, &object.plan_hash());
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.own_tags(&arn), [("team".to_owned(), "search".to_owned())].into());
    assert_eq!(calls(), 2, "{}", env.story("summarizer"));
    // Renamed.
    env.cluster.apply(&manifest("summarizer", spec("renamed", json!({"team": "search"}))));
    let object = wait_for_a_plan(&env);
    assert_eq!(object.status("/plan/action"), "Update");
    approve(&env, &object.plan_hash());
    env.wait_until_ready("summarizer");
    assert_eq!(calls(), 3, "{}", env.story("summarizer"));
    // Deleted.
    env.cluster.delete("summarizer");
    let object = env.wait_for("summarizer", "waits for approval of its deletion", |object| {
        object.status("/plan/action") == "Delete" && object.reason() == "ApprovalRequired"
    });
    assert!(object.status("/plan/consequence").contains("It cannot be undone"));
    assert_eq!(calls(), 3);
    approve(&env, &object.plan_hash());
    env.wait_until_gone("summarizer");
    assert_eq!(calls(), 4, "{}", env.story("summarizer"));
    assert!(!env.aws.throughputs().contains_key(&arn));
}

#[test]
fn after_a_failed_change_the_request_brings_a_plan_and_its_approval_lets_it_through() {
    let env = Environment::new(Aws::start());
    env.aws.fail_the_next_update(ARN, "out of luck");
    env.cluster.apply(&manual(NAME, SUMMARIZER_V2));
    let first = wait_for_a_plan(&env).plan_hash();
    approve(&env, &first);
    env.wait_until_stalled("summarizer", "UpdateFailed");
    env.cluster.annotate("summarizer", RECONCILE_REQUESTED_AT, Some("again"));
    let second = wait_for_another_plan(&env, &first).plan_hash();
    assert_eq!(env.aws.update_calls(), 1, "{}", env.story("summarizer"));
    approve(&env, &second);
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
    assert_eq!(env.aws.update_calls(), 2, "{}", env.story("summarizer"));
}

#[test]
fn under_observe_there_is_nothing_to_approve() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "other", "approval": "Manual", "managementPolicy": "Observe"});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_for("summarizer", "tells of the difference", |object| {
        object.is_observed() && object.conditions() == ["Ready=True/InService", "Synced=False/DriftDetected"]
    });
    assert_eq!(object.status("/plan/waitingFor"), "ManagementPolicy");
    assert_eq!(object.status("/plan/hash"), "");
}

#[test]
fn an_approval_that_is_no_longer_asked_for_stands_in_no_ones_way() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manual("summarizer-prod", SUMMARIZER_V1));
    wait_for_a_plan(&env);
    let mut automatic = manual("summarizer-prod", SUMMARIZER_V1);
    automatic["spec"]["approval"] = json!("Automatic");
    env.cluster.apply(&automatic);
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
    assert_eq!(env.aws.update_calls(), 1);
}
