//! What can be known to be wrong without AWS is refused by the API server, with a message that says what to do.

use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, NOVA, SUMMARIZER_V1},
    environment::Namespace,
    object::manifest,
};

const OTHER_ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/zzzzzzzzzzzz";

fn refusal(cluster: &Namespace, spec: &Value) -> String {
    match cluster.create(&manifest("refused", spec.clone())) {
        Ok(()) => panic!("admission takes {spec}"),
        Err(kube::Error::Api(status)) if status.code == 422 => status.message,
        Err(other) => panic!("{spec} is not refused but fails: {other}"),
    }
}

#[rstest::rstest]
#[case::no_id(json!({}), "spec.provisionedModelId", "Required value")]
#[case::an_empty_id(json!({"provisionedModelId": ""}), "spec.provisionedModelId", "at least 1 chars long")]
#[case::an_id_with_two_dashes(json!({"provisionedModelId": "a--b"}), "spec.provisionedModelId", "should match")]
#[case::an_id_with_a_newline(json!({"provisionedModelId": "a\n"}), "spec.provisionedModelId", "should match")]
#[case::the_arn_of_a_model(json!({"provisionedModelId": SUMMARIZER_V1}), "spec.provisionedModelId", "should match")]
#[case::a_name_that_is_too_long(json!({"provisionedModelId": "x".repeat(64)}), "spec.provisionedModelId", "use the name or the ARN that `aws bedrock list-provisioned-model-throughputs` shows")]
#[case::an_id_that_is_too_long(json!({"provisionedModelId": "x".repeat(1012)}), "spec.provisionedModelId", "may not be more than 1011")]
#[case::an_id_that_is_a_number(json!({"provisionedModelId": 5}), "provisionedModelId", "must be of type string")]
#[case::an_empty_name(json!({"provisionedModelId": ARN, "provisionedModelName": ""}), "spec.provisionedModelName", "at least 1 chars long")]
#[case::a_wanted_name_that_is_too_long(json!({"provisionedModelId": ARN, "provisionedModelName": "x".repeat(64)}), "spec.provisionedModelName", "may not be more than 63")]
#[case::a_wanted_name_with_a_dot(json!({"provisionedModelId": ARN, "provisionedModelName": "a.b"}), "spec.provisionedModelName", "should match")]
#[case::a_wanted_name_of_other_letters(json!({"provisionedModelId": ARN, "provisionedModelName": "zusammenfassungfürteams"}), "spec.provisionedModelName", "should match")]
#[case::a_model_that_is_a_throughput(json!({"provisionedModelId": ARN, "modelId": ARN}), "spec.modelId", "should match")]
#[case::an_empty_model(json!({"provisionedModelId": ARN, "modelId": ""}), "spec.modelId", "at least 1 chars long")]
#[case::a_model_that_is_too_long(json!({"provisionedModelId": ARN, "modelId": "x".repeat(2049)}), "spec.modelId", "may not be more than 2048")]
#[case::a_model_name_that_is_too_long(json!({"provisionedModelId": ARN, "modelId": "x".repeat(64)}), "spec.modelId", "longer than the name of a custom model can be")]
#[case::a_model_elsewhere(json!({"provisionedModelId": ARN, "modelId": NOVA.replace("us-east-1", "us-west-2")}), "spec.modelId", "a throughput can only serve models of its own region")]
#[case::a_model_in_another_region_than_region(json!({"provisionedModelId": "x", "region": "us-west-2", "modelId": NOVA}), "spec.modelId", "another region than region")]
#[case::a_region_beside_the_arns(json!({"provisionedModelId": ARN, "region": "us-west-2"}), "spec.region", "leave region out, or make both the same")]
#[case::a_region_that_is_a_host(json!({"provisionedModelId": "x", "region": "evil.example"}), "spec.region", "should match")]
#[case::a_region_that_is_too_long(json!({"provisionedModelId": "x", "region": "x".repeat(21)}), "spec.region", "may not be more than 20")]
#[case::an_unknown_policy(json!({"provisionedModelId": ARN, "managementPolicy": "Full"}), "spec.managementPolicy", "supported values: \"Observe\", \"Update\"")]
#[case::a_policy_of_nothing(json!({"provisionedModelId": ARN, "managementPolicy": ""}), "spec.managementPolicy", "supported values")]
#[case::an_interval_that_is_too_short(json!({"provisionedModelId": ARN, "interval": "9s"}), "spec.interval", "interval must be from 10s to 24h")]
#[case::an_interval_that_is_too_long(json!({"provisionedModelId": ARN, "interval": "24h1s"}), "spec.interval", "interval must be from 10s to 24h")]
#[case::an_interval_that_is_no_duration(json!({"provisionedModelId": ARN, "interval": "soon"}), "spec.interval", "should match")]
#[case::an_interval_without_a_unit(json!({"provisionedModelId": ARN, "interval": "300"}), "spec.interval", "should match")]
#[case::a_negative_interval(json!({"provisionedModelId": ARN, "interval": "-5m"}), "spec.interval", "should match")]
#[case::a_suspend_that_is_text(json!({"provisionedModelId": ARN, "suspend": "yes"}), "suspend", "must be of type boolean")]
fn what_aws_would_refuse_in_any_case_is_refused(#[case] spec: Value, #[case] field: &str, #[case] says: &str) {
    let message = refusal(&Namespace::shared(), &spec);
    assert!(message.contains(field) && message.contains(says), "{message}");
}

#[rstest::rstest]
#[case::a_name(json!({"provisionedModelId": "a_b-c1"}))]
#[case::an_arn(json!({"provisionedModelId": ARN, "provisionedModelName": "x".repeat(63), "modelId": SUMMARIZER_V1, "region": "us-east-1"}))]
#[case::the_id_of_a_foundation_model(json!({"provisionedModelId": ARN, "modelId": "amazon.nova-lite-v1:0:24k"}))]
#[case::the_name_of_a_custom_model(json!({"provisionedModelId": ARN, "modelId": "x".repeat(63)}))]
#[case::another_partition(json!({"provisionedModelId": "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model/abcdefghijkl"}))]
#[case::the_shortest_interval(json!({"provisionedModelId": ARN, "interval": "10s"}))]
#[case::the_longest_interval(json!({"provisionedModelId": ARN, "interval": "24h"}))]
#[case::a_mixed_interval(json!({"provisionedModelId": ARN, "interval": "1h30m"}))]
#[case::all_left_out_by_null(json!({"provisionedModelId": ARN, "provisionedModelName": null, "modelId": null, "region": null, "interval": null}))]
fn what_aws_may_take_is_taken(#[case] spec: Value) {
    let cluster = Namespace::new();
    cluster.apply(&manifest("taken", spec));
}

#[test]
fn what_is_left_out_gets_its_default() {
    let cluster = Namespace::new();
    cluster.apply(&manifest("fresh", json!({"provisionedModelId": ARN})));
    let objects = cluster.list();
    assert_eq!(
        objects[0].data["spec"],
        json!({"provisionedModelId": ARN, "managementPolicy": "Update", "suspend": false})
    );
    assert_eq!(
        objects[0].data["status"],
        json!({"observedGeneration": -1}),
        "a fresh object must not pass for one that is done"
    );
}

#[test]
fn the_id_cannot_be_changed_except_from_the_name_to_the_arn_that_it_was_bound_to() {
    const SAYS: &str =
        "provisionedModelId cannot be changed, except from the name to the ARN in status.provisionedModelArn";
    let cluster = Namespace::new();
    let apply = |id: &str| cluster.try_apply(&manifest("bound", json!({"provisionedModelId": id})));
    let refused = |id: &str| {
        let message = apply(id).expect_err(id).to_string();
        assert!(message.contains(SAYS), "{id}: {message}");
    };
    apply("summarizer").unwrap();
    // Not bound yet.
    refused(ARN);
    refused("another");
    cluster.patch_status("bound", &json!({"status": {"provisionedModelArn": ARN}}));
    refused(OTHER_ARN);
    refused("another");
    apply("summarizer").unwrap();
    apply(ARN).unwrap();
    refused("summarizer");
    refused(OTHER_ARN);
}

#[test]
fn an_unknown_field_is_named_to_a_user_of_kubectl() {
    let cluster = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.json");
    let spec = json!({"provisionedModelId": ARN, "provisionedModelNmae": "typo"});
    std::fs::write(&file, manifest("typo", spec).to_string()).unwrap();
    let message = cluster.kubectl_fails(&["apply", "--filename", &file.display().to_string()]);
    assert!(message.contains("unknown field \"spec.provisionedModelNmae\""), "{message}");
}
