//! Which throughput an object is about, whatever happens to names and to `status`.

use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, Aws, NAME, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::Environment,
    object::manifest,
};

#[test]
fn a_name_binds_the_arn_and_survives_its_own_rename() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod"});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
    // The name in provisionedModelId is gone from AWS; the next change finds the throughput all the same.
    let spec = json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-next"});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(env.aws.throughput(ARN).name, "summarizer-next");
    assert_eq!(env.aws.update_requests().len(), 2);
}

#[test]
fn a_throughput_of_the_old_name_is_not_taken_for_the_renamed_one() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod"});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_until_ready("summarizer");
    let other = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/zzzzzzzzzzzz";
    env.aws.add_throughput(other, NAME, SUMMARIZER_V1);
    let spec = json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(env.aws.throughput(other).model_arn, SUMMARIZER_V1);
    assert_eq!(env.aws.throughput(ARN).model_arn, SUMMARIZER_V2);
}

#[test]
fn a_lost_status_comes_out_the_same() {
    let mut env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    let before = env.wait_until_ready("summarizer").status_without_times();
    env.operator.kill();
    let nothing: serde_json::Map<String, Value> =
        before.as_object().expect("a status").keys().map(|member| (member.clone(), Value::Null)).collect();
    env.cluster.patch_status("summarizer", &json!({"status": nothing}));
    env.start_the_operator();
    let mut after = env.wait_until_ready("summarizer").status_without_times();
    // What was done before is not known any more, and nothing is done again.
    let mut before = before;
    assert!(before.as_object_mut().is_some_and(|status| status.remove("lastUpdate").is_some()));
    after.as_object_mut().map(|status| status.remove("lastUpdate"));
    assert_eq!(after, before);
    assert_eq!(env.aws.update_requests().len(), 1, "{}", env.story("summarizer"));
}

#[test]
fn of_two_objects_for_one_throughput_the_older_manages_it_and_the_younger_takes_over() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("older", json!({"provisionedModelId": ARN, "provisionedModelName": "older"})));
    let older = env.wait_until_ready("older");
    env.wait_until("older", "a second has passed since the older object was made", || {
        let made = older.0.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        made.is_some_and(|made| jiff::Timestamp::now().as_second() > made)
    });
    env.cluster.apply(&manifest("younger", json!({"provisionedModelId": "older", "provisionedModelName": "younger"})));
    let younger = env.wait_until_stalled("younger", "AlreadyManaged");
    assert!(younger.message().contains(&format!("{}/older", env.cluster.name)), "{}", younger.message());
    assert_eq!(env.aws.throughput(ARN).name, "older");
    env.cluster.delete("older");
    env.wait_until_ready("younger");
    assert_eq!(env.aws.throughput(ARN).name, "younger");
    assert_eq!(env.aws.update_requests().len(), 2, "{}", env.story("younger"));
}

#[test]
fn a_throughput_that_is_not_there_is_not_bought() {
    let env = Environment::new(Aws::start());
    let nobody = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/000000000000";
    for (name, id) in [("by-arn", nobody), ("by-name", "nobody")] {
        env.cluster.apply(&manifest(name, json!({"provisionedModelId": id, "provisionedModelName": "x"})));
        let object = env.wait_until_stalled(name, "NotFound");
        assert!(object.message().contains(id), "{}", object.message());
    }
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn a_bound_throughput_that_is_deleted_at_aws_is_told_and_not_bought_again() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": NAME})));
    env.wait_until_ready("summarizer");
    env.aws.delete_as_somebody_else(ARN);
    let object = env.wait_until_stalled("summarizer", "NotFound");
    assert!(object.message().contains(ARN), "{}", object.message());
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(object.status("/status"), "");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn a_name_that_several_throughputs_have_is_not_guessed_at() {
    let aws = Aws::start();
    aws.switch("duplicateName", "Allowed");
    let other = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/zzzzzzzzzzzz";
    aws.add_throughput(other, NAME, SUMMARIZER_V1);
    let env = Environment::new(aws);
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": NAME, "modelId": SUMMARIZER_V2})));
    let object = env.wait_until_stalled("summarizer", "AmbiguousName");
    assert!(object.message().contains(ARN) && object.message().contains(other), "{}", object.message());
    assert_eq!(env.aws.update_requests(), Vec::<Value>::new());
    // The ARN says which; nothing was bound, so another object has to say so.
    env.cluster.delete("summarizer");
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": other, "modelId": SUMMARIZER_V2})));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.throughput(ARN).model_arn, SUMMARIZER_V1);
    assert_eq!(env.aws.throughput(other).model_arn, SUMMARIZER_V2);
}
