//! The policies of `deploy/iam`: each is enough for what it is for, and what is missing from one is told by its name.

use std::time::Duration;

use bedrock_simulator::FaultKind;
use serde_json::{Value, json};
use xtask::folders;

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1_NAME, SUMMARIZER_V2, SUMMARIZER_V2_NAME},
    environment::Environment,
    object::{Object, manifest},
    parallel,
    purchase::{BOUGHT, purchase_with},
};

/// A policy as it is shipped. The account and the region in it are those of these tests.
fn policy(name: &str) -> Value {
    let file = folders::root().join("deploy/iam").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn statements(policy: &Value) -> &Vec<Value> {
    policy["Statement"].as_array().expect("a list of statements")
}

/// The values of a member that is a text or a list of texts.
fn texts(member: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    member.as_array().map_or_else(|| vec![text(member)], |all| all.iter().map(text).collect())
}

/// The actions that a policy allows.
fn actions(policy: &Value) -> Vec<Operation> {
    let named = |action: String| {
        let operation = action.strip_prefix("bedrock:").expect("an action of Bedrock");
        let known = Operation::ALL.iter().copied().find(|known| known.as_str() == operation);
        known.unwrap_or_else(|| panic!("{action} is no action that the operator needs"))
    };
    statements(policy).iter().flat_map(|statement| texts(&statement["Action"])).map(named).collect()
}

/// A policy without an action.
fn without(mut policy: Value, action: Operation) -> Value {
    let taken = format!("bedrock:{}", action.as_str());
    let statements = policy["Statement"].as_array_mut().expect("a list of statements");
    for statement in statements.iter_mut() {
        let left: Vec<String> = texts(&statement["Action"]).into_iter().filter(|action| *action != taken).collect();
        statement["Action"] = json!(left);
    }
    statements.retain(|statement| statement["Action"] != json!([]));
    policy
}

fn with_policy(policy: Value) -> Aws {
    let aws = Aws::start();
    aws.set_policy(Some(policy));
    aws
}

fn denied(aws: &Aws) -> Vec<String> {
    aws.call_lines().into_iter().filter(|line| line.contains("AccessDenied")).collect()
}

/// Every action that the policy allows was needed, and none that it does not.
fn assert_is_just_enough(env: &Environment, policy: &Value) {
    assert_eq!(denied(&env.aws), Vec::<String>::new(), "{}", env.story("summarizer"));
    for action in actions(policy) {
        env.wait_until("summarizer", &format!("{action:?} is called"), || env.aws.calls_of(action) > 0);
    }
}

#[test]
fn observe_is_enough_to_look_and_tell() {
    let shipped = policy("observe");
    let env = Environment::new(with_policy(shipped.clone()));
    env.aws.server().with_world(|world, now| {
        let mut throughput = world.remove_throughput(ARN).expect("it is there");
        throughput.status = bedrock_simulator::request::ProvisionedModelStatus::Failed;
        throughput.failure_message = Some("somebody else's trouble".to_owned());
        throughput.note(now);
        world.put_throughput(&bedrock_simulator::Caller::new("123456789012", "us-east-1"), throughput);
    });
    let spec = |members: Value| {
        let mut spec = json!({"provisionedModelId": NAME, "managementPolicy": "Observe"});
        if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
            spec.extend(members);
        }
        manifest("summarizer", spec)
    };
    env.cluster.apply(&spec(json!({})));
    let object = env.wait_until_stalled("summarizer", "Failed");
    assert!(object.message().contains("somebody else's trouble"), "{}", object.message());
    env.aws.add_throughput(ARN, NAME, SUMMARIZER_V1_NAME);
    env.cluster.apply(&spec(json!({"modelId": SUMMARIZER_V2_NAME, "tags": {"team": "search"}})));
    env.wait_for("summarizer", "tells of the difference", |object| {
        object.is_observed() && object.conditions() == ["Ready=True/InService", "Synced=False/DriftDetected"]
    });
    assert_is_just_enough(&env, &shipped);
}

#[test]
fn update_is_enough_to_rename_move_and_tag() {
    let shipped = policy("update");
    let env = Environment::new(with_policy(shipped.clone()));
    let spec = |name, model, tags| {
        let mut spec = json!({"provisionedModelId": ARN, "provisionedModelName": name, "modelId": model});
        if let Some(tags) = tags {
            spec["tags"] = tags;
        }
        manifest("summarizer", spec)
    };
    env.cluster.apply(&spec("renamed", SUMMARIZER_V2_NAME, Some(json!({"team": "search"}))));
    env.wait_until_ready("summarizer");
    env.aws.fail_the_next_update(ARN, "out of luck");
    env.cluster.apply(&spec("renamed", SUMMARIZER_V1_NAME, None));
    let object = env.wait_until_stalled("summarizer", "UpdateFailed");
    assert_eq!(object.status("/failureMessage"), "out of luck");
    assert!(env.aws.own_tags(ARN).is_empty());
    assert_is_just_enough(&env, &shipped);
}

#[test]
fn full_is_enough_to_buy_change_and_delete() {
    let shipped = policy("full");
    let env = Environment::that_buys(with_policy(shipped.clone()));
    let spec = |members| manifest("summarizer", purchase_with(members));
    let delete = json!("Delete");
    env.cluster.apply(&spec(json!({"deletionPolicy": delete, "tags": {"team": "search"}})));
    let arn = env.wait_until_ready("summarizer").status("/provisionedModelArn");
    env.cluster.apply(&spec(json!({"deletionPolicy": delete, "modelId": SUMMARIZER_V2_NAME})));
    env.wait_until_ready("summarizer");
    assert!(env.aws.own_tags(&arn).is_empty());
    env.aws.fail_the_next_update(&arn, "out of luck");
    env.cluster.apply(&spec(json!({"deletionPolicy": delete, "tags": {"team": "ads"}})));
    env.wait_until_stalled("summarizer", "UpdateFailed");
    env.cluster.delete("summarizer");
    env.wait_until_gone("summarizer");
    assert!(!env.aws.throughputs().contains_key(&arn));
    assert_is_just_enough(&env, &shipped);
}

#[test]
fn without_the_flags_no_call_is_tried_that_the_policy_for_updates_lacks() {
    let env = Environment::with_flags(with_policy(policy("update")), &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("buys", purchase_with(json!({}))));
    env.wait_until_stalled("buys", "CreateNotAllowed");
    let adopts = json!({"managementPolicy": "Full", "deletionPolicy": "Delete", "provisionedModelId": ARN});
    env.cluster.apply(&manifest("deletes", adopts));
    env.wait_until_ready("deletes");
    env.cluster.delete("deletes");
    env.wait_until_stalled("deletes", "DeleteNotAllowed");
    assert_eq!(denied(&env.aws), Vec::<String>::new(), "{}", env.story("buys"));
    env.cluster.apply(&manifest("deletes", json!({"managementPolicy": "Full", "provisionedModelId": ARN})));
    env.wait_until_gone("deletes");
}

/// Brings an object to where it needs an action.
fn need(env: &Environment, action: Operation) {
    let adopted = |members: Value| {
        let mut spec = json!({"provisionedModelId": ARN});
        if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
            spec.extend(members);
        }
        env.cluster.apply(&manifest("summarizer", spec));
    };
    let bought = |members| env.cluster.apply(&manifest("summarizer", purchase_with(members)));
    match action {
        // What is bound can be looked at by Get; whether something was bought before cannot.
        Operation::ListProvisionedModelThroughputs | Operation::CreateProvisionedModelThroughput => bought(json!({})),
        Operation::GetProvisionedModelThroughput => {
            env.aws.fail_the_next_update(ARN, "out of luck");
            adopted(json!({"modelId": SUMMARIZER_V2}));
        }
        Operation::UpdateProvisionedModelThroughput => adopted(json!({"provisionedModelName": "renamed"})),
        Operation::DeleteProvisionedModelThroughput => {
            bought(json!({"deletionPolicy": "Delete"}));
            env.wait_until_ready("summarizer");
            env.cluster.delete("summarizer");
        }
        Operation::TagResource | Operation::ListTagsForResource => adopted(json!({"tags": {"team": "search"}})),
        Operation::UntagResource => {
            adopted(json!({"tags": {"team": "search"}}));
            env.wait_until_ready("summarizer");
            adopted(json!({}));
        }
        Operation::GetCustomModel => adopted(json!({"modelId": SUMMARIZER_V2_NAME})),
        Operation::ListCustomModels | Operation::ListFoundationModels => adopted(json!({})),
        Operation::GetFoundationModel => panic!("the operator does not call {action:?}"),
    }
}

/// Whether an object has come to where it would have been with the action.
fn is_done(env: &Environment, action: Operation) -> bool {
    let ready = || env.cluster.get("summarizer").is_ok_and(|object| object.is_ready());
    match action {
        Operation::GetProvisionedModelThroughput => {
            env.cluster.get("summarizer").is_ok_and(|object| object.is_stalled("UpdateFailed"))
        }
        Operation::DeleteProvisionedModelThroughput => {
            !env.cluster.exists("summarizer") && env.aws.named(BOUGHT).is_none()
        }
        Operation::ListProvisionedModelThroughputs
        | Operation::CreateProvisionedModelThroughput
        | Operation::UpdateProvisionedModelThroughput
        | Operation::TagResource
        | Operation::ListTagsForResource
        | Operation::UntagResource
        | Operation::GetCustomModel
        | Operation::ListCustomModels
        | Operation::ListFoundationModels
        | Operation::GetFoundationModel => ready(),
    }
}

/// Whether a condition names an action.
fn names(object: &Object, action: Operation) -> bool {
    let named = format!("bedrock:{}", action.as_str());
    let conditions = object.0.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.reason == "AccessDenied")
        .any(|condition| condition.message.contains(&named))
}

#[test]
fn each_action_that_is_taken_away_is_named_and_with_it_the_object_goes_on() {
    let shipped = policy("full");
    let rows: Vec<(String, Operation)> =
        actions(&shipped).into_iter().map(|action| (action.as_str().to_owned(), action)).collect();
    assert!(rows.len() >= 11, "{rows:?}");
    parallel::for_each(6, rows, |action| {
        let mut env = Environment::that_buys(with_policy(without(shipped.clone(), action)));
        need(&env, action);
        let object = env.wait_for("summarizer", &format!("names {action:?}"), |object| names(object, action));
        match action {
            Operation::ListCustomModels | Operation::ListFoundationModels => {
                let risk = object.condition("ModelAtRisk").expect("the condition");
                assert_eq!((risk.status.as_str(), object.says("Ready")), ("Unknown", "True"));
            }
            Operation::ListProvisionedModelThroughputs
            | Operation::CreateProvisionedModelThroughput
            | Operation::GetProvisionedModelThroughput
            | Operation::UpdateProvisionedModelThroughput
            | Operation::DeleteProvisionedModelThroughput
            | Operation::TagResource
            | Operation::ListTagsForResource
            | Operation::UntagResource
            | Operation::GetCustomModel
            | Operation::GetFoundationModel => assert_eq!(object.says("Stalled"), "True"),
        }
        env.aws.set_policy(Some(shipped.clone()));
        if action.as_str().starts_with("List") && action != Operation::ListTagsForResource {
            // A List that was denied is not tried again for minutes, except by a new process.
            env.restart_the_operator();
        }
        env.wait_until("summarizer", "it goes on", || is_done(&env, action));
    });
}

#[test]
fn a_policy_names_resources_wherever_aws_can_narrow_the_action() {
    for name in ["observe", "update", "full"] {
        for statement in statements(&policy(name)) {
            assert_eq!(statement["Effect"], "Allow", "{name}: {statement}");
            let is_list =
                |action: &String| action.starts_with("bedrock:List") && action != "bedrock:ListTagsForResource";
            let lists = texts(&statement["Action"]).iter().all(is_list);
            for resource in texts(&statement["Resource"]) {
                assert_eq!(resource == "*", lists, "{name}: {statement}");
                assert!(lists || resource.starts_with("arn:aws:bedrock:us-east-1:"), "{name}: {statement}");
            }
        }
    }
    let full = actions(&policy("full"));
    for name in ["observe", "update"] {
        let policy = policy(name);
        assert!(actions(&policy).iter().all(|action| full.contains(action)), "{name}");
        assert!(!actions(&policy).contains(&Operation::CreateProvisionedModelThroughput), "{name}");
        assert!(!actions(&policy).contains(&Operation::DeleteProvisionedModelThroughput), "{name}");
    }
}

#[test]
fn a_purchase_that_iam_denies_is_repeated_only_when_it_may_be() {
    let aws = with_policy(without(policy("full"), Operation::CreateProvisionedModelThroughput));
    let env = Environment::that_buys(aws);
    env.cluster.apply(&manifest("summarizer", purchase_with(json!({}))));
    env.wait_until_stalled("summarizer", "AccessDenied");
    env.aws.set_policy(Some(policy("full")));
    env.aws.fault_times(Operation::ListTagsForResource, FaultKind::code("ThrottlingException"), 1);
    env.aws.delay(Operation::CreateProvisionedModelThroughput, Duration::from_millis(300));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.bought().len(), 1, "{}", env.story("summarizer"));
}
