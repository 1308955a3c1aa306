//! What Argo CD's health checks and actions in `deploy/argocd` are tested with are objects as the operator leaves them.
//!
//! Each row brings an object into a state and compares it with its file in `testdata`. `UPDATE_EXPECT=1` writes the files.

use std::{fs, path::PathBuf};

use bedrock_simulator::{request::ModelStatus, settings::Seconds};
use jiff::Timestamp;
use serde_json::{Value, json};
use xtask::folders;

use crate::support::{
    aws::{ARN, Aws, CHAT, NAME, Operation, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::{Environment, Namespace},
    object::manifest,
    parallel,
};

const TESTDATA: &str = "deploy/argocd/resource_customizations/bedrock-throughput.dev/ProvisionedThroughput/testdata";
const LIST: Operation = Operation::ListProvisionedModelThroughputs;
const UPDATE: Operation = Operation::UpdateProvisionedModelThroughput;
/// Stands for every hash of a plan.
const PLAN_HASH: &str = "c99461ab";
const OBJECT: &str = "summarizer";

fn apply(env: &Environment, spec: Value) {
    env.cluster.apply(&manifest(OBJECT, spec));
}

fn named(name: &str) -> Value {
    json!({"provisionedModelId": ARN, "provisionedModelName": name, "modelId": SUMMARIZER_V1})
}

fn on_model(model: &str) -> Value {
    json!({"provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": model})
}

fn wait_for_reason(env: &Environment, reason: &str) {
    env.wait_for(OBJECT, &format!("says {reason}"), |object| object.is_observed() && object.reason() == reason);
}

/// Brings the object of a new namespace into a state, and returns the namespace.
type Make = fn(Aws) -> Namespace;

const STATES: &[(&str, Make)] = &[
    ("progressing-new", |_| {
        let cluster = Namespace::new();
        cluster.apply(&manifest(OBJECT, named(NAME)));
        cluster
    }),
    ("progressing-generation-behind", |aws| {
        let env = Environment::new(aws);
        apply(&env, named(NAME));
        env.wait_until_ready(OBJECT);
        env.operator.terminate();
        env.operator.wait_until_ended();
        apply(&env, on_model(SUMMARIZER_V2));
        env.cluster.clone()
    }),
    ("progressing-updating", |aws| {
        aws.server()
            .set(|settings| settings.updating_seconds = Seconds::try_from(3600.0).expect("a number of seconds"));
        let env = Environment::new(aws);
        apply(&env, on_model(SUMMARIZER_V2));
        env.wait_for(OBJECT, "is being updated", |object| object.status("/status") == "Updating");
        env.cluster.clone()
    }),
    ("progressing-aws-unavailable", |aws| {
        let env = Environment::new(aws);
        apply(&env, named(NAME));
        env.wait_until_ready(OBJECT);
        env.aws.refuse(LIST, "ServiceUnavailableException");
        wait_for_reason(&env, "AwsUnavailable");
        env.cluster.clone()
    }),
    ("healthy", |aws| {
        let env = Environment::new(aws);
        apply(&env, named("summarizer-prod"));
        env.wait_until_ready(OBJECT);
        env.cluster.clone()
    }),
    ("healthy-drift-observed", |aws| {
        let env = Environment::new(aws);
        let mut spec = on_model(SUMMARIZER_V2);
        spec["managementPolicy"] = json!("Observe");
        apply(&env, spec);
        env.wait_for(OBJECT, "has drift", |object| {
            object.condition("Synced").is_some_and(|it| it.reason == "DriftDetected")
        });
        env.cluster.clone()
    }),
    ("healthy-model-at-risk", |aws| {
        aws.set_custom_model_status(SUMMARIZER_V1, ModelStatus::Failed);
        let env = Environment::new(aws);
        apply(&env, json!({"provisionedModelId": ARN}));
        env.wait_for(OBJECT, "is at risk", |object| object.says("ModelAtRisk") == "True");
        env.cluster.clone()
    }),
    ("degraded-not-found", |aws| {
        aws.delete_as_somebody_else(ARN);
        let env = Environment::new(aws);
        apply(&env, named(NAME));
        env.wait_until_stalled(OBJECT, "NotFound");
        env.cluster.clone()
    }),
    ("degraded-not-sibling", |aws| {
        let env = Environment::new(aws);
        apply(&env, on_model(CHAT));
        env.wait_until_stalled(OBJECT, "NotSibling");
        env.cluster.clone()
    }),
    ("degraded-update-failed", |aws| {
        aws.fail_the_next_update(ARN, "The model could not be deployed.");
        let env = Environment::new(aws);
        apply(&env, on_model(SUMMARIZER_V2));
        env.wait_until_stalled(OBJECT, "UpdateFailed");
        env.cluster.clone()
    }),
    ("degraded-access-denied", |aws| {
        aws.refuse(UPDATE, "AccessDeniedException");
        let env = Environment::new(aws);
        apply(&env, named("summarizer-prod"));
        env.wait_until_stalled(OBJECT, "AccessDenied");
        env.cluster.clone()
    }),
    ("suspended", |aws| {
        let env = Environment::new(aws);
        apply(&env, named(NAME));
        env.wait_until_ready(OBJECT);
        let mut spec = named(NAME);
        spec["suspend"] = json!(true);
        apply(&env, spec);
        wait_for_reason(&env, "Suspended");
        env.cluster.clone()
    }),
    ("suspended-approval-required", |aws| {
        let env = Environment::new(aws);
        let mut spec = on_model(SUMMARIZER_V2);
        spec["approval"] = json!("Manual");
        apply(&env, spec);
        env.wait_for(OBJECT, "waits for approval", |object| !object.status("/plan/hash").is_empty());
        env.cluster.clone()
    }),
];

#[test]
fn the_objects_that_argo_cds_health_checks_are_tested_with_are_the_operators() {
    let rows = STATES.iter().map(|(name, make)| ((*name).to_owned(), (*name, *make))).collect();
    parallel::for_each(4, rows, |(name, make): (&str, Make)| {
        let [object] = <[_; 1]>::try_from(make(Aws::start()).list()).expect("one object");
        let object = without_what_differs(serde_json::to_value(object).expect("an object as JSON"));
        compare(name, &object);
    });
    let files = folders::files_with(&folders::root(), TESTDATA.as_ref(), "yaml").expect("the folder of testdata");
    let mut names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    let mut made: Vec<_> = STATES.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    made.sort_unstable();
    assert_eq!(names, made, "the files in {TESTDATA}");
}

fn compare(name: &str, object: &Value) {
    let path: PathBuf = folders::root().join(TESTDATA).join(format!("{name}.yaml"));
    let text = serde_saphyr::to_string(object).expect("an object as YAML");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).expect("writing testdata");
    }
    let there: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    assert_eq!(
        &there,
        object,
        "{} is not what the operator writes (UPDATE_EXPECT=1 writes it):\n{text}",
        path.display()
    );
}

/// The object as it would come out of any other run.
fn without_what_differs(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("an object has metadata");
    metadata.retain(|key, _| {
        ["name", "namespace", "generation", "annotations", "creationTimestamp"].contains(&key.as_str())
    });
    metadata["namespace"] = json!("ml");
    same_times(&mut object);
    // A plan's hash has to do with the object's uid.
    match object.pointer("/status/plan/hash").and_then(Value::as_str) {
        Some(hash) => {
            let text = object.to_string().replace(hash, PLAN_HASH);
            serde_json::from_str(&text).expect("a hash is text like another")
        }
        None => object,
    }
}

fn same_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if key == "requestId" {
                    *value = json!("6f5e4d3c-0000-4000-8000-000000000000");
                }
                same_times(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(same_times),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "2026-01-01T00:00:00Z".clone_into(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
