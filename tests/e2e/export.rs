//! `exportTo.configMap`: what an application needs, written before the object is ready, and never over somebody else's.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xtask::sandbox::rights;

use crate::support::{
    aws::{ARN, Aws, NAME, NOVA, NOVA_ID, REGION, SUMMARIZER_V1, SUMMARIZER_V2},
    control_plane::plane,
    environment::{Environment, Namespace, settings},
    object::manifest,
    rights::{ROLE, account_with},
};

const CONFIG_MAP: &str = "summarizer-model";

fn exporting(members: Value) -> Value {
    let mut spec = json!({"provisionedModelId": ARN, "exportTo": {"configMap": {"name": CONFIG_MAP}}});
    if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
        spec.extend(members);
        spec.retain(|_, value| !value.is_null());
    }
    manifest("summarizer", spec)
}

/// An object that has exported, and is ready.
fn exported() -> Environment {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&exporting(json!({})));
    env.wait_until_ready("summarizer");
    env
}

#[test]
fn what_an_application_needs_is_there_before_it_is_ready() {
    let env = exported();
    let id = "abcdefghijkl";
    let mut expected: BTreeMap<String, String> = [
        ("BEDROCK_PROVISIONED_MODEL_ARN", ARN),
        (
            "BEDROCK_PROVISIONED_MODEL_ARN_URL_ENCODED",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fabcdefghijkl",
        ),
        ("BEDROCK_PROVISIONED_MODEL_ID", id),
        ("BEDROCK_PROVISIONED_MODEL_NAME", NAME),
        ("BEDROCK_REGION", REGION),
        ("BEDROCK_PROVISIONED_MODEL_STATUS", "InService"),
        ("BEDROCK_MODEL_ARN", SUMMARIZER_V1),
        ("BEDROCK_FOUNDATION_MODEL_ARN", NOVA),
        ("BEDROCK_FOUNDATION_MODEL_ID", NOVA_ID),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let mut data = env.cluster.config_map_data(CONFIG_MAP);
    let lines = data.remove("bedrock.env").expect("the block for programs that read a file");
    assert_eq!(data, expected);
    for line in lines.lines() {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no line of an .env file: {line}"));
        assert_eq!(expected.remove(key).as_deref(), Some(value));
    }
    assert!(expected.is_empty(), "not in bedrock.env: {expected:?}");
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/exportedTo/configMap"), CONFIG_MAP);
    let found = env.cluster.config_map(CONFIG_MAP).expect("the ConfigMap");
    let owners = found.metadata.owner_references.unwrap_or_default();
    assert_eq!(owners.len(), 1);
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].name.as_str(), Some(owners[0].uid.as_str())),
        ("ProvisionedThroughput", "summarizer", object.0.metadata.uid.as_deref())
    );
    // The only status write is the one that says Ready.
    let requests = env.cluster.requests_of_the_operator();
    let position = |what: &str, resource: &str, verb: &str| {
        let at = requests.iter().position(|request| request.resource == resource && request.verb == verb);
        at.unwrap_or_else(|| panic!("{what} is not in the audit log\n{}", env.story("summarizer")))
    };
    let made = position("the ConfigMap", "configmaps", "create");
    let told = position("the status", "provisionedthroughputs", "patch");
    assert!(made < told, "{}", env.story("summarizer"));
}

#[test]
fn keys_can_have_other_names() {
    let env = Environment::new(Aws::start());
    let keys = json!({"provisionedModelArn": "MODEL_ID", "region": "aws.region", "env": ".env"});
    env.cluster.apply(&exporting(json!({"exportTo": {"configMap": {"name": CONFIG_MAP, "keys": keys}}})));
    env.wait_until_ready("summarizer");
    let data = env.cluster.config_map_data(CONFIG_MAP);
    assert_eq!((data["MODEL_ID"].as_str(), data["aws.region"].as_str()), (ARN, REGION));
    assert!(data[".env"].starts_with(&format!("MODEL_ID={ARN}\n")), "{}", data[".env"]);
    assert!(!data.contains_key("BEDROCK_PROVISIONED_MODEL_ARN") && !data.contains_key("bedrock.env"), "{data:?}");
    // Named as before again: the old keys go.
    env.cluster.apply(&exporting(json!({})));
    env.wait_until_ready("summarizer");
    let data = env.cluster.config_map_data(CONFIG_MAP);
    assert!(data.contains_key("BEDROCK_PROVISIONED_MODEL_ARN") && !data.contains_key("MODEL_ID"), "{data:?}");
}

#[test]
fn somebody_elses_config_map_is_never_overwritten_and_the_conflict_heals() {
    let env = Environment::new(Aws::start());
    env.cluster.create_config_map(CONFIG_MAP, &json!({"theirs": "precious"}));
    env.cluster.apply(&exporting(json!({})));
    let object = env.wait_until_stalled("summarizer", "ExportConflict");
    assert_eq!((object.says("Ready"), object.says("Synced")), ("False", "True"));
    assert!(object.message().contains(CONFIG_MAP), "{}", object.message());
    assert_eq!(object.status("/exportedTo"), "");
    env.ask_for_a_look("summarizer");
    let theirs = BTreeMap::from([("theirs".to_owned(), "precious".to_owned())]);
    assert_eq!(env.cluster.config_map_data(CONFIG_MAP), theirs);
    assert_eq!(env.cluster.config_map_writes(CONFIG_MAP), 0);
    env.cluster.delete_config_map(CONFIG_MAP);
    env.wait_until_ready("summarizer");
    assert_eq!(env.cluster.config_map_data(CONFIG_MAP)["BEDROCK_PROVISIONED_MODEL_ARN"], ARN);
    env.wait_for_events("summarizer", &["ExportConflict", "InService"]);
}

#[test]
fn somebody_elses_config_map_stays_when_the_export_is_taken_back() {
    let env = Environment::new(Aws::start());
    env.cluster.create_config_map(CONFIG_MAP, &json!({"theirs": "precious"}));
    env.cluster.apply(&exporting(json!({})));
    env.wait_until_stalled("summarizer", "ExportConflict");
    env.cluster.apply(&exporting(json!({"exportTo": null})));
    env.wait_until_ready("summarizer");
    assert!(env.cluster.config_map(CONFIG_MAP).is_some());
}

#[test]
fn a_rename_and_a_move_are_written_when_they_are_there() {
    let env = exported();
    env.cluster.apply(&exporting(json!({"provisionedModelName": "renamed", "modelId": SUMMARIZER_V2})));
    env.wait_until("summarizer", "the ConfigMap tells that AWS is at work", || {
        env.cluster.config_map_data(CONFIG_MAP)["BEDROCK_PROVISIONED_MODEL_STATUS"] == "Updating"
    });
    env.wait_until_ready("summarizer");
    let data = env.cluster.config_map_data(CONFIG_MAP);
    assert_eq!(data["BEDROCK_PROVISIONED_MODEL_NAME"], "renamed");
    assert_eq!(data["BEDROCK_MODEL_ARN"], SUMMARIZER_V2);
    assert_eq!(data["BEDROCK_PROVISIONED_MODEL_STATUS"], "InService");
}

#[test]
fn while_nothing_changes_nothing_is_written() {
    let env = exported();
    let version = |env: &Environment| env.cluster.config_map(CONFIG_MAP).and_then(|it| it.metadata.resource_version);
    let before = version(&env);
    env.ask_for_a_look("summarizer");
    env.ask_for_a_look("summarizer");
    assert_eq!(version(&env), before);
    assert_eq!(env.cluster.config_map_writes(CONFIG_MAP), 1);
}

#[test]
fn what_somebody_deletes_or_changes_is_made_again() {
    let env = exported();
    let before = env.cluster.config_map_data(CONFIG_MAP);
    env.cluster.delete_config_map(CONFIG_MAP);
    env.wait_until("summarizer", "the ConfigMap is made again", || env.cluster.config_map_data(CONFIG_MAP) == before);
    env.cluster.patch_config_map(CONFIG_MAP, &json!({"data": {"BEDROCK_REGION": "eu-west-1", "more": "x"}}));
    env.wait_until("summarizer", "the ConfigMap is put right", || env.cluster.config_map_data(CONFIG_MAP) == before);
    // Labels of others are none of its business.
    env.cluster.patch_config_map(CONFIG_MAP, &json!({"metadata": {"labels": {"theirs": "x"}}}));
    env.ask_for_a_look("summarizer");
    let labels = env.cluster.config_map(CONFIG_MAP).and_then(|found| found.metadata.labels).unwrap_or_default();
    assert_eq!(labels.get("theirs").map(String::as_str), Some("x"));
}

#[test]
fn an_export_that_is_taken_out_or_renamed_takes_its_config_map_away() {
    let env = exported();
    env.cluster.apply(&exporting(json!({"exportTo": {"configMap": {"name": "other"}}})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/exportedTo/configMap"), "other");
    assert!(env.cluster.config_map(CONFIG_MAP).is_none() && env.cluster.config_map("other").is_some());
    env.cluster.apply(&exporting(json!({"exportTo": null})));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(object.status("/exportedTo"), "");
    assert!(env.cluster.config_map("other").is_none());
}

#[test]
fn under_observe_it_is_exported_too_and_a_conflict_is_told_beside_drift() {
    let env = Environment::new(Aws::start());
    let observe = json!({"managementPolicy": "Observe", "provisionedModelName": "other"});
    env.cluster.create_config_map(CONFIG_MAP, &json!({"theirs": "precious"}));
    env.cluster.apply(&exporting(observe));
    let object = env.wait_until_stalled("summarizer", "ExportConflict");
    assert_eq!(object.says("Ready"), "False");
    assert_eq!(object.status("/plan/waitingFor"), "ManagementPolicy");
    env.cluster.delete_config_map(CONFIG_MAP);
    env.wait_for("summarizer", "has exported, and tells of the difference", |object| {
        object.conditions() == ["Ready=True/InService", "Synced=False/DriftDetected"]
    });
    assert_eq!(env.cluster.config_map_data(CONFIG_MAP)["BEDROCK_PROVISIONED_MODEL_NAME"], NAME);
}

#[test]
fn without_the_rights_it_says_so_in_the_words_of_kubernetes_and_goes_on_with_them() {
    let cluster = Namespace::new();
    let aws = Aws::start();
    let mut settings = settings(plane(), &cluster, &aws, &[]);
    let account = format!("operator-of-{}", cluster.name);
    settings.kubeconfig = account_with(&account, &[ROLE]);
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&exporting(json!({})));
    let object = env.wait_for("summarizer", "tells of the missing rights", |object| {
        object.reason() == "ExportFailed" && object.says("Ready") == "False" && object.says("Reconciling") == "True"
    });
    assert_eq!(object.says("Synced"), "True");
    let message = object.message();
    let words = format!(
        "configmaps \"{CONFIG_MAP}\" is forbidden: User \"system:serviceaccount:bedrock-throughput-system:{account}\" cannot get resource"
    );
    assert!(message.contains(&words), "{message}");
    assert!(!message.contains("Status {"), "no words for programmers: {message}");
    // The role, bound in this namespace alone, as with the chart's value exportTo.namespaces.
    let role = "--clusterrole=bedrock-throughput-operator-export";
    let subject = format!("--serviceaccount=bedrock-throughput-system:{account}");
    env.cluster.kubectl(&["create", "rolebinding", "export", role, &subject]);
    env.wait_until_ready("summarizer");
    assert_eq!(env.cluster.config_map_data(CONFIG_MAP)["BEDROCK_PROVISIONED_MODEL_ARN"], ARN);
}

#[test]
fn the_rights_for_exports_are_a_role_of_their_own() {
    let rights = rights().expect("the rights that are shipped");
    let roles: Vec<&str> =
        rights.iter().map(String::as_str).filter(|role| role.contains("kind: ClusterRole\n")).collect();
    let with_config_maps: Vec<&str> = roles.into_iter().filter(|role| role.contains("configmaps")).collect();
    assert_eq!(with_config_maps.len(), 1);
    assert!(with_config_maps[0].contains("name: \"bedrock-throughput-operator-export\""), "{}", with_config_maps[0]);
}
