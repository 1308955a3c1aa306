//! Tags: only the keys of the manifest are managed, and those that the operator has put on itself.

use std::{collections::BTreeMap, time::Duration};

use bedrock_simulator::seed::ProvisionedModelSeed;
use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1, SUMMARIZER_V1_NAME},
    environment::Environment,
    object::{Object, manifest},
};

const TAG: Operation = Operation::TagResource;
const UNTAG: Operation = Operation::UntagResource;

fn tagged(tags: Value) -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN, "tags": tags}))
}

fn untagged() -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN}))
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn seed() -> ProvisionedModelSeed {
    ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN)
}

/// A throughput that has these tags already, and an operator.
fn with_tags(pairs: &[(&str, &str)]) -> Environment {
    let aws = Aws::start();
    aws.seed_throughput(ProvisionedModelSeed { tags: tags(pairs), ..seed() });
    Environment::new(aws)
}

#[test]
fn tags_are_put_on_changed_and_taken_off_and_foreign_ones_stay() {
    let env = with_tags(&[("cost", "42")]);
    env.cluster.apply(&tagged(json!({"team": "search", "env": "prod"})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("cost", "42"), ("env", "prod"), ("team", "search")]));
    assert_eq!(object.status("/managedTagKeys"), json!(["env", "team"]).to_string());
    assert_eq!(object.status("/lastUpdate/action"), "Tag");
    assert_eq!((env.aws.calls_of(TAG), env.aws.calls_of(UNTAG)), (1, 0));
    env.cluster.apply(&tagged(json!({"team": "ads", "env": "prod"})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("cost", "42"), ("env", "prod"), ("team", "ads")]));
    assert_eq!(object.status("/lastUpdate/to/tags"), json!({"team": "ads"}).to_string(), "only what differs");
    assert_eq!(object.status("/lastUpdate/from/tags"), json!({"team": "search"}).to_string());
    assert_eq!((env.aws.calls_of(TAG), env.aws.calls_of(UNTAG)), (2, 0));
    env.cluster.apply(&tagged(json!({"env": "prod"})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("cost", "42"), ("env", "prod")]));
    assert_eq!(object.status("/managedTagKeys"), json!(["env"]).to_string());
    assert_eq!((env.aws.calls_of(TAG), env.aws.calls_of(UNTAG)), (2, 1));
    env.cluster.apply(&untagged());
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("cost", "42")]));
    assert_eq!(object.status("/managedTagKeys"), "");
    env.wait_for_events(
        "summarizer",
        &["Updating", "Updated", "Updating", "Updated", "Updating", "Updated", "Updating", "Updated"],
    );
}

#[test]
fn an_empty_map_of_tags_takes_all_off() {
    let env = with_tags(&[("cost", "42")]);
    env.cluster.apply(&tagged(json!({"team": "search"})));
    env.wait_until_ready("summarizer");
    env.cluster.apply(&tagged(json!({})));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("cost", "42")]));
}

#[test]
fn a_tag_that_was_there_already_is_not_put_on_and_not_taken_off() {
    let env = with_tags(&[("team", "search")]);
    env.cluster.apply(&tagged(json!({"team": "search"})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/managedTagKeys"), "");
    env.cluster.apply(&untagged());
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("team", "search")]));
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn somebody_elses_change_of_a_managed_tag_is_repaired_and_told() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&tagged(json!({"team": "search", "env": "prod"})));
    env.wait_until_ready("summarizer");
    env.aws.tag_as_somebody_else(ARN, "team", "ads");
    env.aws.tag_as_somebody_else(ARN, "theirs", "stays");
    env.aws.untag_as_somebody_else(ARN, "env");
    let wanted = tags(&[("env", "prod"), ("team", "search"), ("theirs", "stays")]);
    env.wait_until("summarizer", "the tags are put right", || env.aws.tags(ARN) == wanted);
    env.wait_for("summarizer", "tells of the repair", |object| {
        object.is_ready() && object.status("/lastUpdate/cause") == "Drift"
    });
    env.wait_for_events("summarizer", &["Updating", "Updated", "Updating", "DriftRepaired"]);
    assert_eq!(env.aws.calls_of(TAG), 2, "{}", env.story("summarizer"));
}

#[test]
fn a_name_and_tags_in_one_manifest_are_both_done() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "tags": {"team": "search"}});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.throughput(ARN).name, "renamed");
    assert_eq!(env.aws.tags(ARN), tags(&[("team", "search")]));
    assert_eq!(env.aws.changing_calls().len(), 2, "{}", env.story("summarizer"));
    assert_eq!(object.status("/managedTagKeys"), json!(["team"]).to_string(), "{}", env.story("summarizer"));
    // And both are taken back.
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": NAME});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_until_ready("summarizer");
    assert_eq!((env.aws.throughput(ARN).name.as_str(), env.aws.tags(ARN)), (NAME, BTreeMap::new()));
}

#[test]
fn more_tags_than_aws_takes_are_told_and_done_once_there_is_room() {
    let foreign: Vec<(String, String)> = (0..50).map(|n| (format!("theirs-{n}"), "x".to_owned())).collect();
    let aws = Aws::start();
    aws.seed_throughput(ProvisionedModelSeed { tags: foreign.into_iter().collect(), ..seed() });
    let env = Environment::new(aws);
    env.cluster.apply(&tagged(json!({"team": "search"})));
    let object = env.wait_until_stalled("summarizer", "Refused");
    let message = object.message();
    assert!(message.contains("TooManyTagsException") && message.contains("team=search"), "{message}");
    assert_eq!(object.status("/managedTagKeys"), "", "nothing was put on");
    env.aws.untag_as_somebody_else(ARN, "theirs-7");
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN).len(), 50);
    assert_eq!(env.aws.tags(ARN)["team"], "search");
}

#[test]
fn under_observe_other_tags_are_told_and_left() {
    let env = with_tags(&[("team", "ads")]);
    let mut observe = tagged(json!({"team": "search"}));
    observe["spec"]["managementPolicy"] = json!("Observe");
    env.cluster.apply(&observe);
    let object = env.wait_for("summarizer", "tells of the difference", |object| {
        object.is_observed() && object.conditions() == ["Ready=True/InService", "Synced=False/DriftDetected"]
    });
    assert_eq!(object.status("/plan/action"), "Tag");
    assert_eq!(object.status("/plan/request/tags"), json!({"team": "search"}).to_string());
    assert_eq!(object.status("/plan/waitingFor"), "ManagementPolicy");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn full_puts_on_the_owner_and_update_takes_it_off_again() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    let spec = |policy| json!({"provisionedModelId": ARN, "managementPolicy": policy, "tags": {"team": "search"}});
    env.cluster.apply(&manifest("summarizer", spec("Full")));
    let object = env.wait_until_ready("summarizer");
    let uid = object.0.metadata.uid.clone().unwrap_or_default();
    let namespace = env.cluster.name.as_str();
    let owner = [("cluster", "test"), ("namespace", namespace), ("name", "summarizer"), ("uid", uid.as_str())];
    let mut all: BTreeMap<String, String> =
        owner.map(|(key, value)| (format!("bedrock-throughput.dev/{key}"), value.to_owned())).into();
    all.insert("team".to_owned(), "search".to_owned());
    assert_eq!(env.aws.tags(ARN), all);
    env.cluster.apply(&manifest("summarizer", spec("Update")));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("team", "search")]), "{}", env.story("summarizer"));
    assert_eq!(object.status("/managedTagKeys"), json!(["team"]).to_string());
    assert_eq!((env.aws.calls_of(TAG), env.aws.calls_of(UNTAG)), (1, 1));
}

#[test]
fn tags_that_show_late_are_put_on_once() {
    let aws = Aws::start();
    aws.lag(Duration::from_secs(3));
    aws.switch("readLag", "None");
    aws.switch("tagReadLag", "Lags");
    let env = Environment::with_flags(aws, &["--read-lag", "4s"]);
    env.cluster.apply(&tagged(json!({"team": "search"})));
    env.wait_until_ready("summarizer");
    env.cluster.apply(&tagged(json!({"team": "ads"})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), tags(&[("team", "ads")]));
    assert_eq!(object.status("/lastUpdate/cause"), "Manifest");
    assert_eq!(env.aws.calls_of(TAG), 2, "{}", env.story("summarizer"));
}

#[test]
fn the_answer_to_a_call_for_tags_may_be_lost() {
    let env = Environment::new(Aws::start());
    env.aws.fault(TAG, bedrock_simulator::FaultKind::LostResponse);
    env.cluster.apply(&manifest(
        "summarizer",
        json!({"provisionedModelId": ARN, "modelId": SUMMARIZER_V1, "tags": {"team": "search"}}),
    ));
    env.wait_for("summarizer", "tells of the lost answer, or of what came of it", |object: &Object| {
        object.reason() == "ConnectionFailed" || object.is_ready()
    });
    env.aws.end_faults(TAG);
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/managedTagKeys"), json!(["team"]).to_string());
    // It is the operator's own, as if the answer had come.
    env.cluster.apply(&untagged());
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.tags(ARN), BTreeMap::new());
}
