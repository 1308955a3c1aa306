//! What is decided and then overtaken: by an edit, by the end of the process, by a newer call, by a version that the operator cannot read.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};
use xtask::{control_plane::Options, wait::wait_until};

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1},
    control_plane::{Plane, client_without_retries, plane},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::{APPROVE, manifest},
    operator::Operator,
    proxy::Proxy,
    purchase::{BOUGHT, MAY_BUY_AND_DELETE, purchase_with},
};

use Operation::{CreateProvisionedModelThroughput as Create, UpdateProvisionedModelThroughput as Update};

/// The line of the status write that announces a call.
const STATUS_WRITE: &str = "/status?";
/// The line of a List.
const LIST: &str = "AWS GET /provisioned-model-throughputs";

fn named(name: &str) -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN, "provisionedModelName": name}))
}

/// An environment whose operator talks to everybody through a proxy.
fn through_a_proxy(flags: &[&str]) -> (Environment, Proxy) {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
    let mut settings = settings(plane(), &cluster, &aws, flags);
    settings.kubeconfig = proxy.kubeconfig().to_path_buf();
    proxy.aws_url().clone_into(&mut settings.aws_url);
    (Environment::with_settings(aws, cluster, settings), proxy)
}

fn wait_until_held(env: &Environment, proxy: &Proxy) {
    env.wait_until("summarizer", "the request is held", || proxy.is_holding());
}

#[test]
fn an_edit_that_overtakes_the_announcement_of_a_call_calls_it_off() {
    let (env, proxy) = through_a_proxy(&[]);
    env.cluster.apply(&named(NAME));
    env.wait_until_ready("summarizer");
    proxy.hold(STATUS_WRITE);
    env.cluster.apply(&named("old-wish"));
    wait_until_held(&env, &proxy);
    env.cluster.apply(&named("new-wish"));
    proxy.release();
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.throughput(ARN).name, "new-wish");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "new-wish"})]);
    assert_eq!(env.aws.update_calls(), 1, "{}", env.story("summarizer"));
}

#[test]
fn an_edit_that_overtakes_the_announcement_of_a_purchase_calls_it_off() {
    let (env, proxy) = through_a_proxy(MAY_BUY_AND_DELETE);
    proxy.hold(STATUS_WRITE);
    env.cluster.apply(&manifest("summarizer", purchase_with(json!({"modelUnits": 5}))));
    wait_until_held(&env, &proxy);
    env.cluster.apply(&manifest("summarizer", purchase_with(json!({"modelUnits": 1}))));
    proxy.release();
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.calls_of(Create), 1, "{}", env.story("summarizer"));
    assert_eq!(env.aws.named(BOUGHT).expect("it is bought").model_units, 1);
}

#[test]
fn an_object_that_is_deleted_before_its_purchase_is_announced_buys_nothing() {
    let (env, proxy) = through_a_proxy(MAY_BUY_AND_DELETE);
    proxy.hold(STATUS_WRITE);
    env.cluster.apply(&manifest("summarizer", purchase_with(json!({}))));
    wait_until_held(&env, &proxy);
    env.cluster.delete("summarizer");
    env.wait_until_gone("summarizer");
    proxy.release();
    // The operator has dealt with it when it has dealt with what came later.
    env.cluster.apply(&manifest("later", json!({"provisionedModelId": ARN, "provisionedModelName": "later"})));
    env.wait_until_ready("later");
    assert_eq!(env.aws.calls_of(Create), 0, "{}", env.story("later"));
}

#[test]
fn an_approval_that_is_taken_back_in_time_approves_nothing() {
    let (env, proxy) = through_a_proxy(&[]);
    let mut manual = named("renamed");
    manual["spec"]["approval"] = json!("Manual");
    env.cluster.apply(&manual);
    let object = env.wait_for("summarizer", "waits for approval", |object| object.reason() == "ApprovalRequired");
    proxy.hold(STATUS_WRITE);
    env.cluster.annotate("summarizer", APPROVE, Some(&object.plan_hash()));
    wait_until_held(&env, &proxy);
    env.cluster.annotate("summarizer", APPROVE, None);
    proxy.release();
    env.wait_for_another_look("summarizer");
    env.wait_for("summarizer", "still waits for approval", |object| object.reason() == "ApprovalRequired");
    assert_eq!(env.aws.update_calls(), 0, "{}", env.story("summarizer"));
}

#[test]
fn after_sigterm_no_call_is_begun_and_the_next_process_makes_it() {
    let (mut env, proxy) = through_a_proxy(&["--default-interval", "1h"]);
    env.cluster.apply(&named(NAME));
    env.wait_until_ready("summarizer");
    proxy.hold(LIST);
    env.cluster.apply(&named("renamed"));
    wait_until_held(&env, &proxy);
    env.operator.terminate();
    env.wait_until("summarizer", "the operator ends", || env.operator.log().contains("SIGTERM: ending"));
    proxy.release();
    let status = env.operator.wait_until_ended();
    assert!(status.success(), "{status}: {}", env.operator.log());
    assert_eq!(env.aws.update_calls(), 0, "{}", env.story("summarizer"));
    assert_eq!(env.cluster.get("summarizer").expect("the object").status("/plan/sentAt"), "");
    env.start_the_operator();
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "renamed"})]);
}

#[test]
fn a_newer_call_takes_the_place_of_an_accepted_one_in_the_status_also_at_the_end() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&named(NAME));
    env.wait_until_ready("summarizer");
    env.aws.delay(Update, Duration::from_secs(1));
    env.cluster.apply(&named("first"));
    env.wait_until("summarizer", "the first call is out", || env.aws.update_calls() == 1);
    env.cluster.apply(&named("second"));
    env.wait_until("summarizer", "the second call is out", || env.aws.update_calls() == 2);
    env.operator.terminate();
    let ended = env.operator.wait_until_ended();
    assert!(ended.success(), "{ended}: {}", env.operator.log());
    let names: Vec<Value> =
        env.aws.update_requests().iter().map(|request| request["desiredProvisionedModelName"].clone()).collect();
    assert_eq!(names, ["first", "second"]);
    let object = env.cluster.get("summarizer").expect("the object");
    assert_eq!(object.status("/lastUpdate/to/desiredProvisionedModelName"), "second", "{}", env.story("summarizer"));
    assert_eq!(object.status("/lastUpdate/requestId"), env.aws.update_request_ids()[1]);
    assert_eq!(object.status("/plan"), "", "{}", env.story("summarizer"));
}

#[test]
fn an_object_that_cannot_be_read_keeps_what_its_status_says() {
    // Its CRD is changed, which must not disturb the others.
    let plane = Plane::start(&Options::default());
    plane.install();
    let (cluster, aws) = (Namespace::in_plane(&plane), Aws::start());
    let settings = settings(&plane, &cluster, &aws, &[]);
    let operator = Operator::start(&settings);
    let env = Environment { aws, cluster, operator, settings };
    let spec = |policy| {
        let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V1, "managementPolicy": policy});
        manifest("summarizer", spec)
    };
    env.cluster.apply(&spec("Update"));
    let before = env.wait_until_ready("summarizer").status_without_times();
    // As a newer version of the CRD has it.
    let pointer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/managementPolicy/enum/-";
    let patch = json!([{"op": "add", "path": pointer, "value": "Someday"}]).to_string();
    let crd = "crd/provisionedthroughputs.bedrock-throughput.dev";
    plane.kubectl(&["patch", crd, "--type", "json", "--patch", &patch]);
    let taken = wait_until(PATIENCE, "the API server takes the new value", || {
        env.cluster.try_apply(&spec("Someday")).map_err(anyhow::Error::from)
    });
    taken.unwrap_or_else(|error| panic!("{error:#}"));
    let status = || {
        let objects = env.cluster.list();
        objects.first().map(|object| object.data["status"].clone()).unwrap_or_default()
    };
    let told = wait_until(PATIENCE, "it is told that the object cannot be read", || {
        let reason = status()["conditions"][0]["reason"].clone();
        anyhow::ensure!(reason == "InvalidSpec", "{reason}");
        Ok(())
    });
    let mut story = String::new();
    let _ = writeln!(story, "{:#}\n{}", status(), env.operator.log_tail());
    told.unwrap_or_else(|error| panic!("{error:#}\n{story}"));
    let now = status();
    for member in ["provisionedModelArn", "provisionedModelName", "modelArn", "foundationModelArn", "modelUnits"] {
        assert_eq!(now[member], before[member], "{member}\n{story}");
    }
    assert_eq!(now["lastUpdate"]["to"], before["lastUpdate"]["to"], "{story}");
    assert!(now["conditions"][0]["message"].as_str().is_some_and(|text| text.contains("Someday")), "{story}");
    // A manifest that fits: it goes on where it was.
    env.cluster.apply(&spec("Update"));
    let after = env.wait_until_ready("summarizer").status_without_times();
    assert_eq!(after["lastUpdate"], before["lastUpdate"]);
    assert_eq!(env.aws.update_calls(), 1);
}
