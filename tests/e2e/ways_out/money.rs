//! What is bought and deleted, and what waits for a person or a date.

use std::time::Duration;

use bedrock_simulator::{request::CommitmentDuration, seed::ProvisionedModelSeed, world::LifecycleStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{LATE, OBJECT, Way, that_buys, usual, way};
use crate::support::{
    aws::{ARN, Aws, CHAT, NAME, NOVA_ID, Operation, SUMMARIZER_V1_NAME},
    environment::Environment,
    object::{APPROVE, manifest},
    purchase::{BOUGHT, MAY_BUY_AND_DELETE, purchase_with},
};

use Operation::{CreateProvisionedModelThroughput as Create, DeleteProvisionedModelThroughput as Delete};

/// An object that is being deleted, in a state that `prepare` leads to, is let go by `deletionPolicy: Retain`.
fn retain(prepare: fn() -> Environment) -> Way {
    way("deletionPolicy: Retain", move |reason| {
        let env = prepare();
        env.comes_to(reason);
        let patch = r#"{"spec":{"deletionPolicy":"Retain"}}"#;
        env.cluster.kubectl(&["patch", "pt", OBJECT, "--type", "merge", "--patch", patch]);
        env.wait_until_gone(OBJECT);
        assert_eq!(env.aws.calls_of(Create), env.aws.bought().len(), "what was bought stays");
    })
}

/// An object of the usual throughput that is deleted together with it, and waits for something.
fn deleted(aws: Aws, flags: &[&str]) -> Environment {
    let env = Environment::with_flags(aws, &[&["--cluster-name", "test"], flags].concat());
    env.adopt(json!({"managementPolicy": "Full", "deletionPolicy": "Delete"}));
    env.becomes_ready();
    env.cluster.delete(OBJECT);
    env
}

fn committed() -> Environment {
    let aws = Aws::start();
    let now = Timestamp::now();
    aws.seed_throughput(ProvisionedModelSeed {
        commitment_duration: Some(CommitmentDuration::SixMonths),
        commitment_expiration_time: Some(now + SignedDuration::from_hours(24 * 40)),
        creation_time: Some(now - SignedDuration::from_hours(24 * 140)),
        ..ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN)
    });
    deleted(aws, &["--allow-delete"])
}

fn deletion_that_fails() -> Environment {
    let aws = Aws::start();
    aws.fail_the_next_deletion(ARN, "in use");
    deleted(aws, &["--allow-delete"])
}

fn not_allowed_to_delete() -> Environment {
    deleted(Aws::start(), &[])
}

fn without_quota() -> Environment {
    let aws = Aws::start();
    aws.set_quota(Some(0));
    let env = Environment::that_buys(aws);
    env.buy(json!({}));
    env
}

/// What makes a warning of the foundation model.
pub(super) fn lifecycle(end: Option<SignedDuration>) -> Way {
    way("another throughput, and this one is let go", move |reason| {
        let aws = Aws::start();
        aws.set_lifecycle(NOVA_ID, LifecycleStatus::Legacy, end.map(|end| Timestamp::now() + end));
        let env = Environment::that_buys(aws);
        env.adopt(json!({}));
        let object = env.comes_to(reason);
        assert_eq!(object.says("Ready"), "True");
        env.cluster.apply(&manifest("newer", purchase_with(json!({"modelId": CHAT}))));
        env.wait_until_ready("newer");
        env.is_deleted();
    })
}

pub(super) fn creating() -> Vec<Way> {
    vec![
        way("it is waited for", |reason| {
            let env = that_buys();
            env.buy(json!({}));
            env.comes_to(reason);
            env.becomes_ready();
        }),
        way("it is deleted as soon as it is made", |reason| {
            let env = that_buys();
            env.buy(json!({"deletionPolicy": "Delete"}));
            env.comes_to(reason);
            env.is_deleted();
            assert!(env.aws.named(BOUGHT).is_none());
        }),
    ]
}

pub(super) fn deleting() -> Vec<Way> {
    vec![way("it is waited for", |reason| {
        let aws = Aws::start();
        aws.delay(Delete, Duration::from_secs(2));
        let env = deleted(aws, &["--allow-delete"]);
        env.comes_to(reason);
        env.wait_until_gone(OBJECT);
    })]
}

pub(super) fn approval_required() -> Vec<Way> {
    vec![
        way("the plan is approved", |reason| {
            let env = usual();
            env.adopt(json!({"provisionedModelName": "renamed", "approval": "Manual"}));
            let hash = env.comes_to(reason).plan_hash();
            env.cluster.annotate(OBJECT, APPROVE, Some(&hash));
            env.becomes_ready();
        }),
        way("another manifest", |reason| {
            let env = usual();
            env.adopt(json!({"provisionedModelName": "renamed", "approval": "Manual"}));
            env.comes_to(reason);
            env.adopt(json!({"provisionedModelName": NAME, "approval": "Manual"}));
            env.becomes_ready();
        }),
        way("approval: Automatic", |reason| {
            let env = usual();
            env.adopt(json!({"provisionedModelName": "renamed", "approval": "Manual"}));
            env.comes_to(reason);
            env.adopt(json!({"provisionedModelName": "renamed", "approval": "Automatic"}));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn commitment_running() -> Vec<Way> {
    vec![
        retain(committed),
        way("the finalizer is taken off by hand", |reason| {
            let env = committed();
            env.comes_to(reason);
            let patch = r#"{"metadata":{"finalizers":null}}"#;
            env.cluster.kubectl(&["patch", "pt", OBJECT, "--type", "merge", "--patch", patch]);
            env.wait_until_gone(OBJECT);
        }),
    ]
}

pub(super) fn not_found() -> Vec<Way> {
    vec![
        way("it is there after all", |reason| {
            let env = usual();
            env.apply(json!({"provisionedModelId": LATE}));
            env.comes_to(reason);
            env.aws.add_throughput(LATE, "late", SUMMARIZER_V1_NAME);
            env.becomes_ready();
        }),
        way("the object is deleted", |reason| {
            let env = usual();
            env.adopt(json!({}));
            env.becomes_ready();
            env.aws.delete_as_somebody_else(ARN);
            env.comes_to(reason);
            env.is_deleted();
        }),
        way("the plan to buy another is approved", |reason| {
            let env = that_buys();
            env.buy(json!({}));
            env.becomes_ready();
            env.aws.delete_as_somebody_else(&env.aws.the_bought().arn);
            let hash = env.comes_to(reason).plan_hash();
            env.cluster.annotate(OBJECT, APPROVE, Some(&hash));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn name_taken() -> Vec<Way> {
    vec![
        way("it is adopted by the line in the message", |reason| {
            let env = that_buys();
            env.buy(json!({"provisionedModelName": NAME}));
            let object = env.comes_to(reason);
            assert!(object.message().contains(&format!("provisionedModelId: {ARN}")), "{}", object.message());
            env.buy(json!({"provisionedModelName": NAME, "provisionedModelId": ARN}));
            env.becomes_ready();
        }),
        way("another name", |reason| {
            let env = that_buys();
            env.buy(json!({"provisionedModelName": NAME}));
            env.comes_to(reason);
            env.buy(json!({"provisionedModelName": "another"}));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn create_not_allowed() -> Vec<Way> {
    vec![
        way("--allow-create", |reason| {
            let mut env = usual();
            env.buy(json!({}));
            env.comes_to(reason);
            env.restart_with_flags(MAY_BUY_AND_DELETE);
            env.becomes_ready();
        }),
        way("an existing throughput is named", |reason| {
            let env = usual();
            env.buy(json!({}));
            env.comes_to(reason);
            env.buy(json!({"provisionedModelId": ARN}));
            env.becomes_ready();
        }),
    ]
}

pub(super) fn delete_not_allowed() -> Vec<Way> {
    vec![
        retain(not_allowed_to_delete),
        way("--allow-delete", |reason| {
            let mut env = not_allowed_to_delete();
            env.comes_to(reason);
            env.restart_with_flags(&["--allow-delete", "--cluster-name", "test"]);
            env.wait_until_gone(OBJECT);
        }),
    ]
}

pub(super) fn create_failed() -> Vec<Way> {
    vec![
        way("what is left is deleted, and the purchase repeated", |reason| {
            let aws = Aws::start();
            aws.fail_the_next_creation(BOUGHT, "no capacity");
            let env = Environment::that_buys(aws);
            env.buy(json!({}));
            let object = env.comes_to(reason);
            assert!(object.message().contains("no capacity"), "{}", object.message());
            env.aws.delete_as_somebody_else(&env.aws.the_bought().arn);
            env.ask_again();
            env.becomes_ready();
        }),
        way("the object is deleted, and what is left with it", |reason| {
            let aws = Aws::start();
            aws.fail_the_next_creation(BOUGHT, "no capacity");
            let env = Environment::that_buys(aws);
            env.buy(json!({"deletionPolicy": "Delete"}));
            env.comes_to(reason);
            env.is_deleted();
            assert!(env.aws.bought().is_empty());
        }),
    ]
}

pub(super) fn delete_failed() -> Vec<Way> {
    vec![
        retain(deletion_that_fails),
        way("it is asked for again", |reason| {
            let env = deletion_that_fails();
            env.comes_to(reason);
            env.ask_again();
            env.wait_until_gone(OBJECT);
        }),
    ]
}

pub(super) fn quota_exceeded() -> Vec<Way> {
    vec![
        way("AWS raises the quota", |reason| {
            let env = without_quota();
            env.comes_to(reason);
            env.aws.set_quota(Some(10));
            env.becomes_ready();
        }),
        way("the object is deleted", |reason| {
            let env = without_quota();
            env.comes_to(reason);
            env.is_deleted();
        }),
    ]
}

pub(super) fn cannot_change() -> Vec<Way> {
    vec![way("the manifest says what was bought", |reason| {
        let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
        env.adopt(json!({"managementPolicy": "Full", "modelUnits": 2}));
        env.comes_to(reason);
        env.adopt(json!({"managementPolicy": "Full", "modelUnits": 1}));
        env.becomes_ready();
    })]
}
