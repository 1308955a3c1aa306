//! Whatever AWS does where its documentation is silent: the end is the same.

use serde_json::json;

use crate::support::{
    aws::{ARN, Aws, Operation, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::Environment,
    object::{RECONCILE_REQUESTED_AT, manifest, with_request},
    parallel,
    purchase::{BOUGHT, purchase, purchase_with},
};

use Operation::{CreateProvisionedModelThroughput as Create, DeleteProvisionedModelThroughput as Delete};

#[test]
fn under_every_setting_of_every_switch_a_rename_and_a_move_come_out_the_same() {
    let rows =
        Aws::every_setting().into_iter().map(|setting| (format!("{} = {}", setting.0, setting.1), setting)).collect();
    parallel::for_each(8, rows, |(switch, value)| {
        let aws = Aws::start();
        aws.switch(&switch, &value);
        let env = Environment::new(aws);
        let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V2});
        env.cluster.apply(&manifest("summarizer", spec));
        let object = env.wait_until_ready("summarizer");
        assert_eq!(object.status("/provisionedModelName"), "renamed");
        assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
        assert_eq!(object.status("/desiredModelArn"), SUMMARIZER_V2);
        assert_eq!(env.aws.updates_carried_out(), 1, "{}", env.story("summarizer"));
        assert_eq!(env.aws.refused_updates(), 0, "{}", env.story("summarizer"));
    });
}

#[test]
fn under_every_setting_of_every_switch_a_failed_move_is_told_and_repeated_only_on_request() {
    let rows =
        Aws::every_setting().into_iter().map(|setting| (format!("{} = {}", setting.0, setting.1), setting)).collect();
    parallel::for_each(8, rows, |(switch, value)| {
        let aws = Aws::start();
        aws.switch(&switch, &value);
        aws.fail_the_next_update(ARN, "out of luck");
        let env = Environment::new(aws);
        let spec = json!({"provisionedModelId": ARN, "modelId": SUMMARIZER_V2});
        env.cluster.apply(&manifest("summarizer", spec.clone()));
        env.wait_until_stalled("summarizer", "UpdateFailed");
        let looks = env.aws.looks();
        env.wait_until("summarizer", "it is looked at once more", || env.aws.looks() > looks);
        assert_eq!(env.aws.update_calls(), 1, "{}", env.story("summarizer"));
        if env.aws.lets_a_failed_throughput_be_updated() {
            env.cluster.apply(&with_request(manifest("summarizer", spec), "again"));
            let object = env.wait_until_ready("summarizer");
            assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
            assert_eq!(env.aws.update_calls(), 2, "{}", env.story("summarizer"));
        } else {
            env.cluster.apply(&with_request(manifest("summarizer", spec), "again"));
            env.wait_for("summarizer", "tells that AWS refuses", |object| {
                object.is_stalled("Refused") || object.reason() == "Conflict"
            });
            assert_eq!(env.aws.throughput(ARN).model_arn, SUMMARIZER_V1);
        }
    });
}

#[test]
fn under_every_setting_of_every_switch_one_is_bought_and_deleted() {
    let rows =
        Aws::every_setting().into_iter().map(|setting| (format!("{} = {}", setting.0, setting.1), setting)).collect();
    parallel::for_each(8, rows, |(switch, value)| {
        let aws = Aws::start();
        aws.switch(&switch, &value);
        let env = Environment::that_buys(aws);
        env.cluster
            .apply(&manifest("buyer", purchase_with(json!({"deletionPolicy": "Delete", "tags": {"team": "search"}}))));
        let object = env.wait_until_ready("buyer");
        let throughput = env.aws.the_bought();
        assert_eq!(object.status("/provisionedModelArn"), throughput.arn);
        assert_eq!(throughput.tags["team"], "search");
        env.cluster.delete("buyer");
        env.wait_until_gone("buyer");
        assert!(!env.aws.has(&throughput.arn), "{:?}", env.aws.call_lines());
        let calls = [Create, Delete].map(|operation| env.aws.calls_of(operation));
        assert_eq!(calls, [1, 1], "{:?}", env.aws.call_lines());
        assert_eq!(env.aws.changing_calls().len(), 2, "{:?}", env.aws.call_lines());
        assert!(env.aws.has(ARN));
    });
}

#[test]
fn under_every_setting_of_every_switch_a_failed_creation_is_told_and_repeated_only_on_request() {
    let rows =
        Aws::every_setting().into_iter().map(|setting| (format!("{} = {}", setting.0, setting.1), setting)).collect();
    parallel::for_each(8, rows, |(switch, value)| {
        let aws = Aws::start();
        aws.switch(&switch, &value);
        aws.fail_the_next_creation(BOUGHT, "out of luck");
        let env = Environment::that_buys(aws);
        env.cluster.apply(&manifest("buyer", purchase()));
        env.wait_until_stalled("buyer", "CreateFailed");
        env.wait_for_another_look("buyer");
        assert_eq!(env.aws.calls_of(Create), 1, "{}", env.story("buyer"));
        // The way out, as the message says.
        env.aws.delete_as_somebody_else(&env.aws.the_bought().arn);
        env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("again"));
        let object = env.wait_until_ready("buyer");
        assert_eq!(object.status("/provisionedModelArn"), env.aws.the_bought().arn);
        assert_eq!(env.aws.calls_of(Create), 2, "{}", env.story("buyer"));
    });
}
