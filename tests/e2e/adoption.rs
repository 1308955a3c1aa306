//! What already is as it should be is taken over without a call; what somebody changes at AWS is put right; and a policy, a pause or a
//! request decides when.

use serde_json::{Value, json};

use crate::support::{
    aws::{
        ARN, Aws, NAME, NOVA, NOVA_ID, Operation, SUMMARIZER_V1, SUMMARIZER_V1_NAME, SUMMARIZER_V2, SUMMARIZER_V2_NAME,
    },
    environment::Environment,
    object::{manifest, with_request},
    parallel,
};

fn as_it_is() -> Value {
    json!({"provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": SUMMARIZER_V1})
}

#[test]
fn what_is_as_it_should_be_takes_one_status_write_and_no_update() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", as_it_is()));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.cluster.status_writes("summarizer"), 1, "{}", env.story("summarizer"));
    assert_eq!(env.aws.update_requests(), Vec::<Value>::new());
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(object.status("/foundationModelArn"), NOVA);
    assert_eq!(object.status("/modelUnits"), "1");
    env.wait_for_events("summarizer", &["InService"]);
}

#[test]
fn drift_made_at_aws_is_repaired_and_told() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", as_it_is()));
    env.wait_until_ready("summarizer");
    env.aws.rename_as_somebody_else(ARN, "oops");
    env.wait_until("summarizer", "the name is put right", || env.aws.throughput(ARN).name == NAME);
    let object = env.wait_for("summarizer", "is ready again", |object| {
        object.is_ready() && object.status("/lastUpdate/cause") == "Drift"
    });
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": NAME})]);
    assert_eq!(object.status("/lastUpdate/from/desiredProvisionedModelName"), "oops");
    env.wait_for_events("summarizer", &["InService", "Updating", "DriftRepaired"]);
    let series =
        format!("bedrock_throughput_drift_repaired_total{{namespace=\"{}\",name=\"summarizer\"}}", env.cluster.name);
    env.wait_until("summarizer", "the repair is counted", || env.operator.metric(&series) == Some(1.0));
}

#[test]
fn under_observe_drift_is_told_and_left() {
    let env = Environment::new(Aws::start());
    let mut spec = as_it_is();
    spec["managementPolicy"] = json!("Observe");
    spec["provisionedModelName"] = json!("summarizer-prod");
    env.cluster.apply(&manifest("summarizer", spec.clone()));
    let told = ["Ready=True/InService", "Synced=False/DriftDetected"];
    let object = env.wait_for("summarizer", "tells of the difference", |object| {
        object.is_observed() && object.conditions() == told
    });
    assert!(object.message().contains("summarizer-prod"), "{}", object.message());
    assert_eq!(object.status("/plan/waitingFor"), "ManagementPolicy");
    assert_eq!(object.status("/plan/request/desiredProvisionedModelName"), "summarizer-prod");
    env.wait_for_events("summarizer", &["DriftDetected"]);
    // A look that the next interval brings changes nothing.
    let looks = env.aws.calls_of(Operation::ListProvisionedModelThroughputs);
    env.wait_until("summarizer", "it is looked at again", || {
        env.aws.calls_of(Operation::ListProvisionedModelThroughputs) > looks
    });
    assert_eq!(env.aws.update_requests(), Vec::<Value>::new());
    // The policy is what held it back.
    spec["managementPolicy"] = json!("Update");
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "summarizer-prod"})]);
}

#[test]
fn what_is_suspended_is_not_looked_at() {
    let env = Environment::new(Aws::start());
    let mut spec = as_it_is();
    spec["suspend"] = json!(true);
    spec["provisionedModelName"] = json!("summarizer-prod");
    env.cluster.apply(&manifest("summarizer", spec.clone()));
    env.wait_for("summarizer", "is suspended", |object| {
        object.is_observed() && object.conditions() == ["Ready=Unknown/Suspended", "Synced=Unknown/Suspended"]
    });
    assert_eq!(env.aws.call_lines(), Vec::<String>::new());
    spec["suspend"] = json!(false);
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
}

#[test]
fn a_request_is_answered_with_a_look() {
    let env = Environment::with_flags(Aws::start(), &["--default-interval", "1h"]);
    env.cluster.apply(&manifest("summarizer", as_it_is()));
    env.wait_until_ready("summarizer");
    env.aws.rename_as_somebody_else(ARN, "oops");
    env.cluster.apply(&with_request(manifest("summarizer", as_it_is()), "first"));
    let object = env.wait_for("summarizer", "has answered the request", |object| {
        object.is_ready()
            && object.status("/lastHandledReconcileAt") == "first"
            && object.status("/lastUpdate/cause") == "Drift"
    });
    assert_eq!(object.status("/provisionedModelName"), NAME);
    let looks = env.aws.calls_of(Operation::ListProvisionedModelThroughputs);
    env.cluster.apply(&with_request(manifest("summarizer", as_it_is()), "second"));
    env.wait_for("summarizer", "has answered again", |object| object.status("/lastHandledReconcileAt") == "second");
    assert!(env.aws.calls_of(Operation::ListProvisionedModelThroughputs) > looks, "{}", env.story("summarizer"));
}

#[test]
fn a_model_may_be_named_in_each_way_that_aws_takes() {
    let rows = [
        ("an ARN of a custom model", SUMMARIZER_V2, SUMMARIZER_V2),
        ("the name of a custom model", SUMMARIZER_V2_NAME, SUMMARIZER_V2),
        ("the ARN of the base model", NOVA, NOVA),
        ("the id of the base model", NOVA_ID, NOVA),
    ];
    parallel::for_each(4, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, model, arn)| {
        let env = Environment::new(Aws::start());
        env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN, "modelId": model})));
        let object = env.wait_until_ready("summarizer");
        assert_eq!(object.status("/modelArn"), arn);
        assert_eq!(env.aws.update_requests(), [json!({"desiredModelId": arn})], "{}", env.story("summarizer"));
    });
}

#[test]
fn a_model_that_is_there_already_needs_no_update_however_it_is_named() {
    let env = Environment::new(Aws::start());
    for (name, model) in [("by-arn", SUMMARIZER_V1), ("by-name", SUMMARIZER_V1_NAME)] {
        let spec = json!({"provisionedModelId": ARN, "modelId": model});
        env.cluster.apply(&manifest(name, spec));
        env.wait_until_ready(name);
        env.cluster.delete(name);
    }
    assert_eq!(env.aws.update_requests(), Vec::<Value>::new());
}
