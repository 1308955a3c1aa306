//! What AWS would refuse is not asked for: it is told, with the value and the way out, and nothing else of the manifest is done either.

use serde_json::json;

use crate::support::{
    aws::{
        ARN, Aws, BASE_ARN, CHAT, CHAT_NAME, GRANDCHILD, MODEL_BEING_MADE, MODEL_FAILED, MODEL_FAILED_NAME, NAME, NOVA,
        NOVA_ID, SUMMARIZER_V1, SUMMARIZER_V2, TITAN, TITAN_ID,
    },
    environment::Environment,
    object::{manifest, with_request},
    parallel,
};

struct Row {
    throughput: &'static str,
    model: &'static str,
    reason: &'static str,
    /// What the message names beside the wanted model.
    names: &'static str,
}

const MISSING: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/000000000000";

#[rustfmt::skip]
const ROWS: &[(&str, Row)] = &[
    ("a base model to a custom model of it", Row { throughput: BASE_ARN, model: SUMMARIZER_V1, reason: "ModelFixed", names: NOVA }),
    ("a base model to another base model", Row { throughput: BASE_ARN, model: TITAN, reason: "ModelFixed", names: NOVA }),
    ("a base model to another base model by id", Row { throughput: BASE_ARN, model: TITAN_ID, reason: "ModelFixed", names: NOVA }),
    ("a base model to a custom model of another base", Row { throughput: BASE_ARN, model: CHAT, reason: "ModelFixed", names: NOVA }),
    ("a custom model to one of another base", Row { throughput: ARN, model: CHAT, reason: "NotSibling", names: TITAN }),
    ("a custom model to one of another base by name", Row { throughput: ARN, model: CHAT_NAME, reason: "NotSibling", names: TITAN }),
    ("a custom model to another base model", Row { throughput: ARN, model: TITAN, reason: "NotSibling", names: NOVA }),
    ("a custom model to another base model by id", Row { throughput: ARN, model: TITAN_ID, reason: "NotSibling", names: NOVA }),
    ("a custom model to one that is not there", Row { throughput: ARN, model: MISSING, reason: "ModelNotFound", names: "us-east-1" }),
    ("a custom model to a name that is not there", Row { throughput: ARN, model: "nothing-v9", reason: "ModelNotFound", names: "us-east-1" }),
    ("a custom model to one that failed", Row { throughput: ARN, model: MODEL_FAILED, reason: "ModelFailed", names: "Active" }),
    ("a custom model to one that failed by name", Row { throughput: ARN, model: MODEL_FAILED_NAME, reason: "ModelFailed", names: "Active" }),
];

#[test]
fn a_model_that_aws_would_refuse_is_told_and_holds_back_the_rename() {
    let rows = ROWS.iter().map(|(name, row)| ((*name).to_owned(), row)).collect();
    parallel::for_each(6, rows, |Row { throughput, model, reason, names }| {
        let aws = Aws::start();
        let name = aws.throughput(throughput).name;
        let env = Environment::new(aws);
        let spec =
            |model| json!({"provisionedModelId": throughput, "provisionedModelName": "renamed", "modelId": model});
        env.cluster.apply(&manifest("summarizer", spec(*model)));
        let object = env.wait_until_stalled("summarizer", reason);
        let message = object.message();
        let model_is_named = message.contains(model) || message.contains(&arn_of(model));
        assert!(model_is_named && message.contains(names), "{message}");
        assert_eq!(object.says("Ready"), "False");
        assert_eq!(env.aws.changing_calls(), Vec::<String>::new(), "{}", env.story("summarizer"));
        assert_eq!(env.aws.throughput(throughput).name, name);
        env.wait_for_events("summarizer", &[reason]);
        // The way out: another manifest.
        let served = env.aws.throughput(throughput).model_arn;
        env.cluster.apply(&manifest("summarizer", spec(served.as_str())));
        env.wait_until_ready("summarizer");
        assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "renamed"})]);
    });
}

/// What a message calls a model that the manifest names otherwise.
fn arn_of(model: &str) -> String {
    match model {
        TITAN_ID => TITAN,
        NOVA_ID => NOVA,
        CHAT_NAME => CHAT,
        MODEL_FAILED_NAME => MODEL_FAILED,
        model => model,
    }
    .to_owned()
}

#[test]
fn a_model_that_is_still_being_made_is_waited_for() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": MODEL_BEING_MADE});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_for("summarizer", "waits for the model", |object| object.reason() == "ModelNotReady");
    assert_eq!(object.condition("Reconciling").map(|it| it.status.as_str()), Some("True"));
    assert!(object.condition("Stalled").is_none());
    assert!(object.message().contains(MODEL_BEING_MADE), "{}", object.message());
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    env.aws.finish_custom_model(MODEL_BEING_MADE);
    env.wait_until_ready("summarizer");
    let both = json!({"desiredProvisionedModelName": "renamed", "desiredModelId": MODEL_BEING_MADE});
    assert_eq!(env.aws.update_requests(), [both]);
}

#[test]
fn a_custom_model_made_from_a_custom_model_of_the_same_base_is_a_sibling() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN, "modelId": GRANDCHILD})));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredModelId": GRANDCHILD})]);
}

#[test]
fn an_update_that_fails_at_aws_is_told_and_not_repeated_until_a_person_asks() {
    let env = Environment::new(Aws::start());
    env.aws.fail_the_next_update(ARN, "the model is too large");
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec.clone()));
    let object = env.wait_until_stalled("summarizer", "UpdateFailed");
    assert!(object.message().contains("the model is too large"), "{}", object.message());
    assert_eq!(object.status("/failureMessage"), "the model is too large");
    // The next looks repeat nothing.
    let looks = env.aws.looks();
    env.wait_until("summarizer", "it is looked at twice more", || env.aws.looks() >= looks + 2);
    assert_eq!(env.aws.update_requests().len(), 1, "{}", env.story("summarizer"));
    env.cluster.apply(&with_request(manifest("summarizer", spec), "again"));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/failureMessage"), "");
    assert_eq!(
        env.aws.update_requests(),
        [json!({"desiredModelId": SUMMARIZER_V2}), json!({"desiredModelId": SUMMARIZER_V2})]
    );
}

#[test]
fn a_throughput_that_is_still_being_made_is_waited_for() {
    let aws = Aws::start();
    let arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/nnnnnnnnnnnn";
    aws.add_throughput_being_made(arn, "new");
    let env = Environment::new(aws);
    env.cluster.apply(&manifest("new", json!({"provisionedModelId": arn, "provisionedModelName": "newer"})));
    env.wait_for("new", "waits for AWS", |object| {
        object.conditions().contains(&"Reconciling=True/Creating".to_owned())
    });
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    env.aws.finish_throughput(arn);
    env.wait_until_ready("new");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "newer"})]);
}
