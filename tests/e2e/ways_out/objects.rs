//! What lies with the manifest, other objects, and the operator's own rights.

use bedrock_simulator::seed::ProvisionedModelSeed;
use jiff::Timestamp;
use serde_json::json;

use super::{NAMESAKE, OBJECT, Way, usual, way, with};
use crate::support::{
    aws::{ARN, Aws, NAME, SUMMARIZER_V1_NAME},
    control_plane::plane,
    environment::{Environment, Namespace, settings},
    object::{TAKE_OVER_FROM, manifest},
    rights::{ROLE, account_with, bind, role_without},
};

/// An operator whose account lacks a verb on a resource, and the name of that account.
fn without_the_right(resource: &str, verb: &str, flags: &[&str]) -> (Environment, String) {
    let (cluster, aws) = (Namespace::new(), Aws::start());
    let account = format!("ways-out-{}", cluster.name);
    role_without(&account, resource, verb);
    let mut settings = settings(plane(), &cluster, &aws, flags);
    settings.kubeconfig = account_with(&account, &[&account]);
    (Environment::with_settings(aws, cluster, settings), account)
}

fn two_of_one_name() -> Environment {
    let aws = Aws::start();
    aws.switch("duplicateName", "Allowed");
    aws.add_throughput(NAMESAKE, NAME, SUMMARIZER_V1_NAME);
    let env = Environment::new(aws);
    env.apply(json!({"provisionedModelId": NAME}));
    env
}

/// An environment in which an older object manages `ARN`.
fn with_an_older_object() -> Environment {
    let env = usual();
    env.cluster.apply(&manifest("older", json!({"provisionedModelId": ARN})));
    let older = env.wait_until_ready("older");
    env.wait_until("older", "a second has passed since the older object was made", || {
        let made = older.0.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        made.is_some_and(|made| Timestamp::now().as_second() > made)
    });
    env.adopt(json!({}));
    env
}

fn exporting_to_somebody_elses() -> Environment {
    let env = usual();
    env.cluster.create_config_map("taken", &json!({"theirs": "precious"}));
    env.adopt(json!({"exportTo": {"configMap": {"name": "taken"}}}));
    env
}

/// An environment with an object whose throughput is to be deleted with it.
fn deleted_later() -> Environment {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test", "--allow-delete"]);
    env.adopt(json!({"managementPolicy": "Full", "deletionPolicy": "Delete"}));
    env.becomes_ready();
    env
}

pub(super) fn drift_detected() -> Vec<Way> {
    vec![
        way("managementPolicy: Update", |reason| {
            let env = usual();
            env.adopt(json!({"managementPolicy": "Observe", "provisionedModelName": "other"}));
            env.comes_to(reason);
            env.adopt(json!({"managementPolicy": "Update", "provisionedModelName": "other"}));
            env.becomes_ready();
        }),
        way("the manifest says what AWS has", |reason| {
            let env = usual();
            env.adopt(json!({"managementPolicy": "Observe", "provisionedModelName": "other"}));
            env.comes_to(reason);
            env.adopt(json!({"managementPolicy": "Observe", "provisionedModelName": NAME}));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn suspended() -> Vec<Way> {
    vec![way("suspend: false", |reason| {
        let env = usual();
        env.adopt(json!({"suspend": true}));
        env.comes_to(reason);
        env.adopt(json!({"suspend": false}));
        env.becomes_ready();
    })]
}

pub(super) fn export_failed() -> Vec<Way> {
    let export = json!({"exportTo": {"configMap": {"name": "model"}}});
    let to_take_out = export.clone();
    let account = |cluster: &Namespace| format!("ways-out-{}", cluster.name);
    let failing = move || {
        let (cluster, aws) = (Namespace::new(), Aws::start());
        let mut settings = settings(plane(), &cluster, &aws, &[]);
        settings.kubeconfig = account_with(&account(&cluster), &[ROLE]);
        Environment::with_settings(aws, cluster, settings)
    };
    vec![
        way("the role is bound", move |reason| {
            let env = failing();
            env.adopt(export.clone());
            env.comes_to(reason);
            bind(&account(&env.cluster), "bedrock-throughput-operator-export");
            env.becomes_ready();
        }),
        way("exportTo is taken out", move |reason| {
            let env = failing();
            env.adopt(to_take_out.clone());
            env.comes_to(reason);
            env.adopt(json!({}));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn finalizer_failed() -> Vec<Way> {
    let full = json!({"managementPolicy": "Full", "deletionPolicy": "Delete"});
    let to_retain = with(full.clone(), json!({"deletionPolicy": "Retain"}));
    let failing = || {
        let flags = ["--cluster-name", "test", "--allow-delete"];
        without_the_right("provisionedthroughputs", "patch", &flags)
    };
    let also_full = full.clone();
    vec![
        way("the right is given", move |reason| {
            let (env, account) = failing();
            env.adopt(full.clone());
            env.comes_to(reason);
            bind(&account, ROLE);
            env.becomes_ready();
            env.is_deleted();
        }),
        way("deletionPolicy: Retain", move |reason| {
            let (env, _) = failing();
            env.adopt(also_full.clone());
            env.comes_to(reason);
            env.adopt(to_retain.clone());
            env.becomes_ready();
            env.is_deleted();
        }),
    ]
}

pub(super) fn invalid_spec() -> Vec<Way> {
    vec![
        way("the field is corrected", |reason| {
            let mut env = usual();
            env.restart_the_operator_with(vec![("AWS_REGION".to_owned(), None)]);
            env.apply(json!({"provisionedModelId": NAME}));
            let object = env.comes_to(reason);
            assert!(object.message().contains("set spec.region"), "{}", object.message());
            env.apply(json!({"provisionedModelId": NAME, "region": "us-east-1"}));
            env.becomes_ready();
        }),
        way("the cluster is named", |reason| {
            let (mut env, _) = without_the_right("namespaces", "get", &[]);
            env.adopt(json!({"managementPolicy": "Full"}));
            let object = env.comes_to(reason);
            assert!(object.message().contains("--cluster-name"), "{}", object.message());
            env.settings.flags.extend(["--cluster-name", "test"].map(str::to_owned));
            env.restart_the_operator();
            env.becomes_ready();
        }),
        way("it is deleted, and nothing holds it", |reason| {
            let mut env = deleted_later();
            let (account, flags) = (format!("ways-out-{}", env.cluster.name), ["--allow-delete"]);
            role_without(&account, "namespaces", "get");
            env.settings = settings(plane(), &env.cluster, &env.aws, &flags);
            env.settings.kubeconfig = account_with(&account, &[&account]);
            env.restart_the_operator();
            env.ask_again();
            env.comes_to(reason);
            env.adopt(json!({"managementPolicy": "Full", "deletionPolicy": "Retain"}));
            env.is_deleted();
        }),
    ]
}

pub(super) fn ambiguous_name() -> Vec<Way> {
    vec![
        way("the object is made anew with the ARN", |reason| {
            let env = two_of_one_name();
            env.comes_to(reason);
            env.is_deleted();
            env.apply(json!({"provisionedModelId": NAMESAKE}));
            env.becomes_ready();
        }),
        way("one of them is given another name at AWS", |reason| {
            let env = two_of_one_name();
            env.comes_to(reason);
            env.aws.rename_as_somebody_else(NAMESAKE, "another");
            env.becomes_ready();
        }),
    ]
}

pub(super) fn already_managed() -> Vec<Way> {
    vec![
        way("the older object is deleted", |reason| {
            let env = with_an_older_object();
            env.comes_to(reason);
            env.cluster.delete("older");
            env.becomes_ready();
        }),
        way("the older object only observes", |reason| {
            let env = with_an_older_object();
            env.comes_to(reason);
            let observe = json!({"provisionedModelId": ARN, "managementPolicy": "Observe"});
            env.cluster.apply(&manifest("older", observe));
            env.becomes_ready();
        }),
        way("this object only observes", |reason| {
            let env = with_an_older_object();
            env.comes_to(reason);
            env.adopt(json!({"managementPolicy": "Observe"}));
            env.becomes_ready();
        }),
        way("it is taken over", |reason| {
            let aws = Aws::start();
            let tags = [("cluster", "other"), ("namespace", "ml"), ("name", "theirs"), ("uid", "u")]
                .map(|(key, value)| (format!("bedrock-throughput.dev/{key}"), value.to_owned()));
            let seed = ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN);
            aws.seed_throughput(ProvisionedModelSeed { tags: tags.into(), ..seed });
            let env = Environment::with_flags(aws, &["--cluster-name", "test"]);
            env.adopt(json!({"managementPolicy": "Full"}));
            env.comes_to(reason);
            env.cluster.annotate(OBJECT, TAKE_OVER_FROM, Some("other/ml/theirs"));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn export_conflict() -> Vec<Way> {
    vec![
        way("another name", |reason| {
            let env = exporting_to_somebody_elses();
            env.comes_to(reason);
            env.adopt(json!({"exportTo": {"configMap": {"name": "free"}}}));
            env.becomes_ready();
        }),
        way("the ConfigMap is deleted", |reason| {
            let env = exporting_to_somebody_elses();
            env.comes_to(reason);
            env.cluster.delete_config_map("taken");
            env.becomes_ready();
        }),
    ]
}
