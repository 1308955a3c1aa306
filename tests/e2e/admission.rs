//! What can be known to be wrong without AWS is refused by the API server, with a message that says what to do.

use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, NOVA, SUMMARIZER_V1},
    environment::Namespace,
    object::manifest,
    purchase::{purchase, purchase_with},
};

const OTHER_ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/zzzzzzzzzzzz";

/// What a purchase needs.
const NEEDS: &str =
    "managementPolicy: Full buys a throughput, and needs provisionedModelName, modelId and modelUnits for it";

/// So many tags.
fn tags(count: usize) -> Value {
    (0..count).map(|number| (format!("key-{number}"), json!("value"))).collect::<serde_json::Map<_, _>>().into()
}

fn refusal(cluster: &Namespace, spec: &Value) -> String {
    match cluster.create(&manifest("refused", spec.clone())) {
        Ok(()) => panic!("admission takes {spec}"),
        Err(kube::Error::Api(status)) if status.code == 422 => status.message,
        Err(other) => panic!("{spec} is not refused but fails: {other}"),
    }
}

#[rstest::rstest]
#[case::no_id(json!({}), "spec.provisionedModelId", "name the throughput that is managed, or set managementPolicy: Full with provisionedModelName, modelId and modelUnits")]
#[case::no_id_under_observe(json!({"managementPolicy": "Observe", "provisionedModelName": "x", "modelId": SUMMARIZER_V1}), "spec.provisionedModelId", "provisionedModelId is missing")]
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
#[case::an_unknown_policy(json!({"provisionedModelId": ARN, "managementPolicy": "Everything"}), "spec.managementPolicy", "supported values: \"Observe\", \"Update\", \"Full\"")]
#[case::a_policy_of_nothing(json!({"provisionedModelId": ARN, "managementPolicy": ""}), "spec.managementPolicy", "supported values")]
#[case::an_interval_that_is_too_short(json!({"provisionedModelId": ARN, "interval": "9s"}), "spec.interval", "interval must be from 10s to 24h")]
#[case::an_interval_that_is_too_long(json!({"provisionedModelId": ARN, "interval": "24h1s"}), "spec.interval", "interval must be from 10s to 24h")]
#[case::an_interval_that_is_no_duration(json!({"provisionedModelId": ARN, "interval": "soon"}), "spec.interval", "should match")]
#[case::an_interval_without_a_unit(json!({"provisionedModelId": ARN, "interval": "300"}), "spec.interval", "should match")]
#[case::a_negative_interval(json!({"provisionedModelId": ARN, "interval": "-5m"}), "spec.interval", "should match")]
#[case::a_purchase_without_a_name(purchase_with(json!({"provisionedModelName": null})), "spec", NEEDS)]
#[case::a_purchase_without_a_model(purchase_with(json!({"modelId": null})), "spec", NEEDS)]
#[case::a_purchase_without_units(purchase_with(json!({"modelUnits": null})), "spec", NEEDS)]
#[case::a_purchase_of_nothing(json!({"managementPolicy": "Full"}), "spec", NEEDS)]
#[case::no_units(purchase_with(json!({"modelUnits": 0})), "spec.modelUnits", "greater than or equal to 1")]
#[case::negative_units(purchase_with(json!({"modelUnits": -1})), "spec.modelUnits", "greater than or equal to 1")]
#[case::half_a_unit(purchase_with(json!({"modelUnits": 0.5})), "spec.modelUnits", "must be of type integer")]
#[case::another_commitment(purchase_with(json!({"commitmentDuration": "OneYear"})), "spec.commitmentDuration", "supported values: \"OneMonth\", \"SixMonths\"")]
#[case::units_of_what_is_there(json!({"provisionedModelId": ARN, "modelUnits": 1}), "spec.modelUnits", "leave it out, or set managementPolicy: Full")]
#[case::a_commitment_of_what_is_there(json!({"provisionedModelId": ARN, "commitmentDuration": "OneMonth"}), "spec.commitmentDuration", "leave it out, or set managementPolicy: Full")]
#[case::a_deletion_under_update(json!({"provisionedModelId": ARN, "deletionPolicy": "Delete"}), "spec.deletionPolicy", "deletionPolicy: Delete needs managementPolicy: Full")]
#[case::a_deletion_under_observe(json!({"provisionedModelId": ARN, "managementPolicy": "Observe", "deletionPolicy": "Delete"}), "spec.deletionPolicy", "deletionPolicy: Delete needs managementPolicy: Full")]
#[case::an_unknown_deletion(purchase_with(json!({"deletionPolicy": "Orphan"})), "spec.deletionPolicy", "supported values: \"Retain\", \"Delete\"")]
#[case::an_unknown_approval(json!({"provisionedModelId": ARN, "approval": "Never"}), "spec.approval", "supported values: \"Automatic\", \"Manual\"")]
#[case::a_tag_of_aws(json!({"provisionedModelId": ARN, "tags": {"aws:team": "x"}}), "spec.tags", "tag keys that begin with aws: are AWS's own")]
#[case::a_tag_of_aws_in_capitals(json!({"provisionedModelId": ARN, "tags": {"AWS:team": "x"}}), "spec.tags", "tag keys that begin with aws: are AWS's own")]
#[case::a_tag_of_the_operator(json!({"provisionedModelId": ARN, "tags": {"bedrock-throughput.dev/uid": "x"}}), "spec.tags", "are the operator's own")]
#[case::a_tag_without_a_key(json!({"provisionedModelId": ARN, "tags": {"": "x"}}), "spec.tags", "a tag key has 1 to 128")]
#[case::a_tag_key_that_is_too_long(json!({"provisionedModelId": ARN, "tags": {"x".repeat(129): "x"}}), "spec.tags", "a tag key has 1 to 128")]
#[case::a_tag_key_with_a_bad_character(json!({"provisionedModelId": ARN, "tags": {"te#am": "x"}}), "spec.tags", "a tag key has 1 to 128")]
#[case::a_tag_value_that_is_too_long(json!({"provisionedModelId": ARN, "tags": {"team": "x".repeat(257)}}), "spec.tags", "may not be more than 256")]
#[case::a_tag_value_with_a_bad_character(json!({"provisionedModelId": ARN, "tags": {"team": "a,b"}}), "spec.tags", "should match")]
#[case::too_many_tags(json!({"provisionedModelId": ARN, "tags": tags(51)}), "spec.tags", "must have at most 50 items")]
#[case::too_many_tags_beside_those_of_the_owner(purchase_with(json!({"tags": tags(47)})), "spec.tags", "at most 46 tags")]
#[case::an_export_to_nothing(json!({"provisionedModelId": ARN, "exportTo": {}}), "spec.exportTo.configMap", "Required value")]
#[case::an_export_to_a_name_in_capitals(json!({"provisionedModelId": ARN, "exportTo": {"configMap": {"name": "Model"}}}), "spec.exportTo.configMap.name", "should match")]
#[case::an_export_under_a_bad_key(json!({"provisionedModelId": ARN, "exportTo": {"configMap": {"name": "model", "keys": {"region": "a b"}}}}), "spec.exportTo.configMap.keys.region", "should match")]
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
#[case::a_purchase(purchase())]
#[case::a_purchase_with_all(purchase_with(json!({"commitmentDuration": "SixMonths", "deletionPolicy": "Delete", "approval": "Manual", "tags": tags(46)})))]
#[case::full_of_what_is_there(json!({"provisionedModelId": ARN, "managementPolicy": "Full", "deletionPolicy": "Delete"}))]
#[case::as_many_tags_as_aws_takes(json!({"provisionedModelId": ARN, "tags": tags(50)}))]
#[case::tags_with_all_characters(json!({"provisionedModelId": ARN, "tags": {"Cost centre._:/=+@-": "0 ._:/=+@-", "awsome": "", "x".repeat(128): "x".repeat(256)}}))]
#[case::an_export(json!({"provisionedModelId": ARN, "exportTo": {"configMap": {"name": "model", "keys": {"region": "MY_REGION"}}}}))]
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
        json!({
            "provisionedModelId": ARN, "managementPolicy": "Update", "approval": "Automatic", "deletionPolicy": "Retain",
            "suspend": false,
        }),
        "what is left out neither buys nor deletes"
    );
    assert_eq!(
        objects[0].data["status"],
        json!({"observedGeneration": -1}),
        "a fresh object must not pass for one that is done"
    );
}

#[test]
fn the_id_cannot_be_changed_except_from_the_name_to_the_arn_that_it_was_bound_to() {
    const SAYS: &str = "provisionedModelId cannot be changed, except to the ARN in status.provisionedModelArn";
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
fn what_is_bought_can_be_named_by_its_arn_and_by_no_other() {
    let cluster = Namespace::new();
    let apply =
        |id: Option<&str>| cluster.try_apply(&manifest("buyer", purchase_with(json!({"provisionedModelId": id}))));
    apply(None).unwrap();
    cluster.patch_status("buyer", &json!({"status": {"provisionedModelArn": ARN, "status": "InService"}}));
    for other in [OTHER_ARN, "summarizer"] {
        let message = apply(Some(other)).expect_err(other).to_string();
        assert!(message.contains("except to the ARN in status.provisionedModelArn"), "{message}");
    }
    apply(Some(ARN)).unwrap();
    let message = apply(None).expect_err("the id taken out").to_string();
    assert!(message.contains("provisionedModelId cannot be changed"), "{message}");
}

#[test]
fn what_is_not_bought_yet_or_is_gone_can_be_made_to_adopt() {
    let cluster = Namespace::new();
    for (name, status) in [("not-yet", json!({})), ("gone", json!({"provisionedModelArn": OTHER_ARN}))] {
        cluster.apply(&manifest(name, purchase()));
        cluster.patch_status(name, &json!({"status": status}));
        cluster.apply(&manifest(name, purchase_with(json!({"provisionedModelId": ARN}))));
    }
}

#[test]
fn what_was_bought_can_only_be_managed_with_less_when_it_is_named() {
    let cluster = Namespace::new();
    let less = |id: Option<&str>| {
        let members = json!({"managementPolicy": "Update", "modelUnits": null, "provisionedModelId": id});
        cluster.try_apply(&manifest("buyer", purchase_with(members)))
    };
    cluster.apply(&manifest("buyer", purchase()));
    cluster.patch_status("buyer", &json!({"status": {"provisionedModelArn": ARN}}));
    let message = less(None).expect_err("nothing says which").to_string();
    assert!(message.contains("provisionedModelId is missing"), "{message}");
    less(Some(ARN)).unwrap();
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
