//! Whatever AWS does where its documentation is silent: the end is the same.

use serde_json::json;

use crate::support::{
    aws::{ARN, Aws, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::Environment,
    object::{manifest, with_request},
    parallel,
};

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
