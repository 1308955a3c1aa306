//! A rename and a move to another model: each one Update with only what differs, followed until it is served.

use serde_json::json;

use crate::support::{
    aws::{ARN, Aws, NAME, SUMMARIZER_V1, SUMMARIZER_V2},
    environment::Environment,
    object::{Object, manifest},
};

/// An environment with an object that has adopted the throughput as it is, and how often its status has been written by then.
fn adopted() -> (Environment, usize) {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN})));
    env.wait_until_ready("summarizer");
    let writes = env.cluster.status_writes("summarizer");
    (env, writes)
}

fn assert_follows_up_the_request(env: &Environment, object: &Object) {
    let request_ids = env.aws.update_request_ids();
    assert_eq!(object.status("/lastUpdate/requestId"), request_ids[0], "{}", env.story("summarizer"));
    assert_eq!(request_ids.len(), 1);
    assert!(!object.status("/lastUpdate/servedTime").is_empty());
    assert_eq!(object.status("/plan"), "");
    env.wait_for_events("summarizer", &["InService", "Updating", "Updated"]);
}

#[test]
fn a_rename_is_one_update_with_only_the_name() {
    let (env, writes) = adopted();
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V1});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "summarizer-prod"})]);
    assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
    assert_eq!(object.status("/lastUpdate/from/desiredProvisionedModelName"), NAME);
    assert_eq!(object.status("/lastUpdate/to/desiredProvisionedModelName"), "summarizer-prod");
    assert_follows_up_the_request(&env, &object);
    let writes = env.cluster.status_writes("summarizer") - writes;
    assert!(writes <= 2, "an immediate rename takes {writes} status writes\n{}", env.story("summarizer"));
}

#[test]
fn a_move_is_one_update_with_only_the_model_and_is_followed_through_updating() {
    let (env, writes) = adopted();
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_for("summarizer", "is told to be on the way", |object| {
        object.status("/status") == "Updating"
            && object.conditions() == ["Ready=False/Updating", "Synced=False/Updating", "Reconciling=True/Updating"]
            && object.status("/modelArn") == SUMMARIZER_V1
            && object.status("/desiredModelArn") == SUMMARIZER_V2
    });
    let object = env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredModelId": SUMMARIZER_V2})]);
    assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
    assert_eq!(object.status("/lastUpdate/from/desiredModelId"), SUMMARIZER_V1);
    assert_eq!(object.status("/lastUpdate/to/desiredModelId"), SUMMARIZER_V2);
    assert_follows_up_the_request(&env, &object);
    let writes = env.cluster.status_writes("summarizer") - writes;
    assert!(writes <= 3, "a move takes {writes} status writes\n{}", env.story("summarizer"));
}

#[test]
fn both_at_once_are_one_update_with_both() {
    let (env, writes) = adopted();
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env.wait_until_ready("summarizer");
    let both = json!({"desiredProvisionedModelName": "summarizer-prod", "desiredModelId": SUMMARIZER_V2});
    assert_eq!(env.aws.update_requests(), [both]);
    assert_eq!(object.status("/provisionedModelName"), "summarizer-prod");
    assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
    assert_follows_up_the_request(&env, &object);
    let writes = env.cluster.status_writes("summarizer") - writes;
    assert!(writes <= 3, "a rename and move takes {writes} status writes\n{}", env.story("summarizer"));
}

#[test]
fn a_change_of_mind_while_aws_is_busy_is_carried_out_afterwards() {
    let (env, _) = adopted();
    let spec = |model, name| json!({"provisionedModelId": ARN, "provisionedModelName": name, "modelId": model});
    env.cluster.apply(&manifest("summarizer", spec(SUMMARIZER_V2, NAME)));
    env.wait_for("summarizer", "is on the way", |object| object.status("/status") == "Updating");
    env.cluster.apply(&manifest("summarizer", spec(SUMMARIZER_V1, "summarizer-prod")));
    let object = env.wait_until_ready("summarizer");
    let back = json!({"desiredProvisionedModelName": "summarizer-prod", "desiredModelId": SUMMARIZER_V1});
    assert_eq!(env.aws.update_requests(), [json!({"desiredModelId": SUMMARIZER_V2}), back]);
    assert_eq!(object.status("/modelArn"), SUMMARIZER_V1);
    assert_eq!(env.aws.refused_updates(), 0, "{}", env.story("summarizer"));
}

#[test]
fn kubectl_wait_and_get_tell_a_person_what_is_so() {
    let (env, _) = adopted();
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    let served = format!("--for=jsonpath={{.status.modelArn}}={SUMMARIZER_V2}");
    env.cluster.kubectl(&["wait", &served, "pt/summarizer", "--timeout=90s"]);
    env.cluster.kubectl(&["wait", "--for=condition=Ready", "pt/summarizer", "--timeout=90s"]);
    let table = env.cluster.kubectl(&["get", "pt"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "THROUGHPUT", "MODEL", "STATUS", "READY", "REASON", "PLAN", "AGE"], "{table}");
    assert_eq!(
        lines[1][..6],
        ["summarizer", "summarizer-prod", SUMMARIZER_V2, "InService", "True", "InService"],
        "{table}"
    );
    let wide = env.cluster.kubectl(&["get", "pt", "--output", "wide"]);
    assert!(wide.contains(ARN) && wide.contains("Update") && wide.contains("as the manifest says"), "{wide}");
}
