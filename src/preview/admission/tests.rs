use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

fn manifest(spec: &Value) -> Value {
    json!({
        "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
        "metadata": {"name": "a", "namespace": "ml"}, "spec": spec,
    })
}

fn refused(spec: &Value) -> Vec<String> {
    let refusals = Admission::new().unwrap().admit(&mut manifest(spec), None);
    refusals.iter().map(ToString::to_string).collect()
}

fn found(schema: &Value, key: &str, values: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                if name == key {
                    values.insert(value.as_str().unwrap_or_default().to_owned());
                }
                found(value, key, values);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| found(item, key, values)),
        _ => {}
    }
}

#[test]
fn every_rule_of_the_crd_has_a_twin_and_no_twin_is_left_over() {
    let mut rules = BTreeSet::new();
    found(&Admission::new().unwrap().schema, "rule", &mut rules);
    assert_eq!(rules.iter().map(String::as_str).collect::<BTreeSet<_>>(), rules::known());
}

#[test]
fn the_schema_uses_no_keyword_that_is_not_checked() {
    const KNOWN: [&str; 17] = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "maxLength",
        "maxProperties",
        "maximum",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-validations",
        "title",
    ];
    fn walk(schema: &Value, path: &str) {
        for (key, value) in schema.as_object().unwrap() {
            assert!(KNOWN.contains(&key.as_str()), "{path} has the keyword {key}");
            match key.as_str() {
                "properties" => value.as_object().unwrap().iter().for_each(|(name, schema)| walk(schema, name)),
                "additionalProperties" => walk(value, path),
                _ => {}
            }
        }
    }
    walk(Admission::new().unwrap().schema.pointer("/properties/spec").unwrap(), "spec");
}

#[rstest]
#[case::by_arn(json!({"provisionedModelId": ARN}))]
#[case::nulls_are_nothing(json!({"provisionedModelId": ARN, "modelId": null, "suspend": null, "tags": {}}))]
#[case::full(json!({"managementPolicy": "Full", "provisionedModelName": "x", "modelId": "y", "modelUnits": 1, "deletionPolicy": "Delete"}))]
#[case::export(json!({"provisionedModelId": "x", "exportTo": {"configMap": {"name": "a", "keys": {"region": "R"}}}}))]
fn what_the_crd_allows_passes(#[case] spec: Value) {
    assert_eq!(refused(&spec), Vec::<String>::new());
}

#[rstest]
#[case::unknown_field(json!({"provisionedModelId": "x", "modelID": "y"}), "spec.modelID: there is no such field")]
#[case::wrong_type(json!({"provisionedModelId": "x", "tags": {"cost": 7}}), "spec.tags.cost: 7 is not of type string")]
#[case::yaml_boolean(json!({"provisionedModelId": "x", "suspend": "yes"}), "spec.suspend: \"yes\" is not of type boolean")]
#[case::no_such_word(json!({"provisionedModelId": "x", "approval": "Never"}), "spec.approval: \"Never\" is none of Automatic, Manual")]
#[case::too_few(json!({"managementPolicy": "Full", "provisionedModelName": "x", "modelId": "y", "modelUnits": 0}), "spec.modelUnits: 0 is less than 1")]
#[case::too_long(json!({"provisionedModelId": "x", "provisionedModelName": "a".repeat(64)}), "spec.provisionedModelName: \"aaaa")]
#[case::pattern(json!({"provisionedModelId": "a b"}), "spec.provisionedModelId: \"a b\" does not match ")]
#[case::missing(json!({"provisionedModelId": "x", "exportTo": {"configMap": {}}}), "spec.exportTo.configMap.name: it is missing")]
#[case::no_identity(json!({"provisionedModelName": "x"}), "spec.provisionedModelId: provisionedModelId is missing")]
#[case::incomplete(json!({"managementPolicy": "Full", "provisionedModelName": "x"}), "spec: managementPolicy: Full buys a throughput")]
#[case::units_without_full(json!({"provisionedModelId": "x", "modelUnits": 1}), "spec.modelUnits: modelUnits only counts")]
#[case::commitment_without_full(json!({"provisionedModelId": "x", "commitmentDuration": "OneMonth"}), "spec.commitmentDuration: ")]
#[case::delete_without_full(json!({"provisionedModelId": "x", "deletionPolicy": "Delete"}), "spec.deletionPolicy: ")]
#[case::interval(json!({"provisionedModelId": "x", "interval": "5s"}), "spec.interval: interval must be")]
#[case::aws_tag(json!({"provisionedModelId": "x", "tags": {"AWS:a": "b"}}), "spec.tags: tag keys that begin with aws:")]
#[case::own_tag(json!({"provisionedModelId": "x", "tags": {"bedrock-throughput.dev/a": "b"}}), "spec.tags: tag keys that begin with bedrock")]
#[case::tag_key(json!({"provisionedModelId": "x", "tags": {"a,b": "c"}}), "spec.tags: a tag key has")]
#[case::other_region(json!({"provisionedModelId": ARN, "region": "eu-west-1"}), "spec.region: region is not the region")]
fn what_the_crd_refuses_is_told(#[case] spec: Value, #[case] expected: &str) {
    let told = refused(&spec);
    assert!(told.len() == 1 && told[0].starts_with(expected), "{told:#?}");
}

#[test]
fn the_identity_stays() {
    let admission = Admission::new().unwrap();
    let refused = |new: Value, old: &Value| !admission.admit(&mut new.clone(), Some(old)).is_empty();
    let bound = |id: &str| {
        let mut object = manifest(&json!({"provisionedModelId": id}));
        object["status"] = json!({"provisionedModelArn": ARN});
        object
    };
    assert!(!refused(bound("x"), &bound("x")));
    assert!(!refused(bound(ARN), &bound("x")));
    assert!(refused(bound("y"), &bound("x")));
}

#[test]
fn defaults_are_filled_in() {
    let mut object = manifest(&json!({"provisionedModelId": "x"}));
    assert_eq!(Admission::new().unwrap().admit(&mut object, None), []);
    assert_eq!(object["spec"]["managementPolicy"], "Update");
    assert_eq!(object["spec"]["suspend"], false);
}
