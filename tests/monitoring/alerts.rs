//! Each alert, live: it fires in the situation that it is for, and none but those that are expected fire.

use std::{collections::BTreeSet, time::Duration};

use bedrock_simulator::{request::CommitmentDuration, seed::ProvisionedModelSeed, settings::Seconds};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Value, json};

use crate::{
    scraped::{LONGEST_WAIT, expect_alerts, expect_silence, scrape, watch},
    support::{
        aws::{ARN, Aws, BASE_ARN, CHAT, Operation, SUMMARIZER_V1_NAME, SUMMARIZER_V2},
        control_plane::plane,
        environment::{Environment, Namespace, settings},
        object::manifest,
        operator::Operator,
        rights::{SYSTEM, account_with, apply as apply_as_admin, role_without},
    },
};

const LIST: Operation = Operation::ListProvisionedModelThroughputs;
const UPDATE: Operation = Operation::UpdateProvisionedModelThroughput;

/// The ARN of a throughput that a test puts there.
fn arn(id: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{id:x<12}")
}

/// Puts a throughput there on `SUMMARIZER_V1`.
fn throughput(aws: &Aws, id: &str) -> String {
    aws.add_throughput(&arn(id), id, SUMMARIZER_V1_NAME);
    arn(id)
}

/// Puts a throughput there whose commitment ends so long from now.
fn committed(aws: &Aws, id: &str, duration: CommitmentDuration, left: SignedDuration) -> String {
    aws.seed_throughput(ProvisionedModelSeed {
        commitment_duration: Some(duration),
        commitment_expiration_time: Some(Timestamp::now() + left),
        creation_time: Some(Timestamp::now() - SignedDuration::from_hours(180 * 24)),
        ..ProvisionedModelSeed::new(id, SUMMARIZER_V1_NAME).arn(&arn(id))
    });
    arn(id)
}

fn apply(env: &Environment, name: &str, spec: Value) {
    env.cluster.apply(&manifest(name, spec));
}

/// Three objects that are as they should be.
fn a_fleet(aws: Aws) -> Environment {
    let arns = ["one", "two", "three"].map(|id| (id, throughput(&aws, id)));
    let env = Environment::new(aws);
    for (id, arn) in &arns {
        apply(&env, id, json!({"provisionedModelId": arn}));
    }
    for (id, _) in &arns {
        env.wait_until_ready(id);
    }
    env
}

#[test]
fn a_fleet_at_work_fires_nothing() {
    let env = Environment::new(Aws::start());
    let server = scrape(&env);
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V2});
    apply(&env, "summarizer", spec);
    apply(&env, "base", json!({"provisionedModelId": BASE_ARN, "managementPolicy": "Observe"}));
    apply(&env, "paused", json!({"provisionedModelId": "nobody", "suspend": true}));
    env.wait_until_ready("summarizer");
    env.aws.rename_as_somebody_else(ARN, "hijacked");
    env.wait_for_events("summarizer", &["Updating", "Updated", "Updating", "DriftRepaired"]);
    let mut seen = BTreeSet::new();
    watch(&server, LONGEST_WAIT, &mut seen).expect("watching the alerts");
    assert_eq!(seen, BTreeSet::new());
    server.check().unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn what_concerns_one_object_is_told_of_that_object_alone() {
    let aws = Aws::start();
    aws.switch("commitmentEnd", "Ends");
    let (day, six, one) = (SignedDuration::from_hours(24), CommitmentDuration::SixMonths, CommitmentDuration::OneMonth);
    let commitments = [
        ("in31days", six, day * 31),
        ("in20days", six, day * 20),
        ("in20daysofamonth", one, day * 20),
        ("in5days", one, day * 5),
        ("in12hours", six, day / 2),
        ("yesterday", six, -day),
        ("longago", six, -day * 8),
    ];
    let commitments = commitments.map(|(id, duration, left)| {
        let id = &id[..id.len().min(12)];
        (id, committed(&aws, id, duration, left))
    });
    let (slow, busy) = (throughput(&aws, "slow"), throughput(&aws, "busy"));
    let env = Environment::new(aws);
    for (id, arn) in commitments {
        apply(&env, id, json!({"provisionedModelId": arn}));
    }
    apply(&env, "well", json!({"provisionedModelId": BASE_ARN}));
    apply(&env, "gone", json!({"provisionedModelId": "nobody"}));
    apply(&env, "stalled", json!({"provisionedModelId": ARN, "modelId": CHAT}));
    env.wait_until_stalled("gone", "NotFound");
    env.wait_until_stalled("stalled", "NotSibling");
    env.aws.server().set(|settings| settings.updating_seconds = Seconds::try_from(3600.0).expect("an hour"));
    apply(&env, "slow", json!({"provisionedModelId": slow, "modelId": SUMMARIZER_V2}));
    env.wait_for("slow", "is Updating", |object| object.status("/status") == "Updating");
    env.aws.refuse(UPDATE, "ConflictException");
    apply(&env, "busy", json!({"provisionedModelId": busy, "provisionedModelName": "renamed"}));
    let server = scrape(&env);
    expect_alerts(
        &env,
        &server,
        &[
            "Stalled critical gone NotFound",
            "Stalled warning stalled NotSibling",
            "OldModel warning stalled",
            "OldModel warning slow",
            "WaitingLong warning slow",
            "NotReady warning busy",
            "CommitmentEnding info in20days",
            "CommitmentEnding warning in5days",
            "CommitmentEnding critical in12hours",
            "CommitmentEnded warning yesterday",
        ],
    );
}

#[test]
fn a_lost_view_of_aws_is_told_once_for_all_objects_and_is_over_when_it_is_back() {
    let env = a_fleet(Aws::start());
    let server = scrape(&env);
    env.aws.refuse(LIST, "InternalServerException");
    expect_alerts(&env, &server, &["Blind critical us-east-1"]);
    env.aws.end_faults(LIST);
    for object in ["one", "two", "three"] {
        env.ask_for_a_look(object);
    }
    expect_silence(&server);
}

#[test]
fn lost_access_is_told_once_for_all_objects() {
    let env = a_fleet(Aws::start());
    let server = scrape(&env);
    env.aws.refuse(LIST, "AccessDeniedException");
    env.aws.refuse(Operation::GetProvisionedModelThroughput, "AccessDeniedException");
    expect_alerts(&env, &server, &["AccessLost critical"]);
}

#[test]
fn access_that_some_objects_lack_is_a_warning() {
    let env = a_fleet(Aws::start());
    env.aws.refuse(Operation::GetCustomModel, "AccessDeniedException");
    env.aws.refuse(Operation::ListCustomModels, "AccessDeniedException");
    apply(&env, "summarizer", json!({"provisionedModelId": ARN, "modelId": SUMMARIZER_V2}));
    let server = scrape(&env);
    expect_alerts(&env, &server, &["AccessLost warning"]);
}

#[test]
fn changes_that_aws_fails_at_are_told_once_for_all_objects() {
    let env = a_fleet(Aws::start());
    env.aws.refuse(UPDATE, "InternalServerException");
    for object in ["one", "two"] {
        let spec = json!({"provisionedModelId": arn(object), "provisionedModelName": format!("renamed-{object}")});
        apply(&env, object, spec);
    }
    let server = scrape(&env);
    expect_alerts(&env, &server, &["AwsFailing warning AwsUnavailable"]);
}

#[test]
fn throttling_is_told_once_for_a_region() {
    let env = a_fleet(Aws::start());
    let server = scrape(&env);
    env.aws.refuse(UPDATE, "ThrottlingException");
    for object in ["one", "two"] {
        let spec = json!({"provisionedModelId": arn(object), "provisionedModelName": format!("renamed-{object}")});
        apply(&env, object, spec);
    }
    expect_alerts(&env, &server, &["Throttled warning us-east-1"]);
}

#[test]
fn a_status_that_kubernetes_does_not_take_is_told_once() {
    role_without("monitoring-no-status", "provisionedthroughputs/status", "patch");
    let (cluster, aws) = (Namespace::new(), Aws::start());
    let mut settings = settings(plane(), &cluster, &aws, &[]);
    settings.kubeconfig = account_with("monitoring-no-status", &["monitoring-no-status"]);
    let operator = Operator::start(&settings);
    let env = Environment { aws, cluster, operator, settings };
    apply(&env, "summarizer", json!({"provisionedModelId": ARN}));
    apply(&env, "base", json!({"provisionedModelId": BASE_ARN}));
    let server = scrape(&env);
    expect_alerts(&env, &server, &["StatusNotWritten warning Forbidden"]);
}

#[test]
fn an_operator_whose_passes_do_not_end_is_stuck() {
    let env = Environment::with_flags(Aws::start(), &["--concurrency", "1", "--aws-timeout", "10m"]);
    env.aws.delay(LIST, Duration::from_mins(5));
    apply(&env, "summarizer", json!({"provisionedModelId": ARN}));
    apply(&env, "base", json!({"provisionedModelId": BASE_ARN}));
    let server = scrape(&env);
    expect_alerts(&env, &server, &["Stuck critical"]);
    // It would wait for the call that is out.
    env.operator.kill();
}

#[test]
fn an_operator_that_is_gone_is_told_after_a_while() {
    let env = a_fleet(Aws::start());
    let server = scrape(&env);
    let scraped = || server.query("bedrock_throughput_build_info").is_ok_and(|found| !found.is_empty());
    env.wait_until("one", "the operator is scraped", scraped);
    env.operator.terminate();
    env.operator.wait_until_ended();
    let mut seen = BTreeSet::new();
    watch(&server, LONGEST_WAIT, &mut seen).expect("watching the alerts");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["OperatorDown critical"]);
}

/// Somebody else holds the Lease, and tells Prometheus nothing.
#[test]
fn an_operator_that_stands_by_alone_has_no_leader_until_it_leads_itself() {
    let lease = "bedrock-throughput-operator";
    let held = MicroTime(Timestamp::now());
    apply_as_admin(&json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": lease, "namespace": SYSTEM},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600, "acquireTime": held, "renewTime": held},
    }));
    let env = Environment::with_flags(Aws::start(), &["--leader-elect", "--leader-elect-resource-namespace", SYSTEM]);
    let server = scrape(&env);
    expect_alerts(&env, &server, &["NoLeader critical"]);
    let released = r#"{"spec": {"holderIdentity": ""}}"#;
    plane().kubectl(&["--namespace", SYSTEM, "patch", "lease", lease, "--type", "merge", "--patch", released]);
    expect_silence(&server);
}

#[test]
fn each_alert_is_tried_live() {
    let tests = crate::scraped::read("tests/monitoring/alerts.rs");
    let rules = crate::scraped::read(crate::scraped::RULES);
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: BedrockThroughput"));
    let untried: BTreeSet<&str> = alerts.filter(|alert| !tests.contains(&format!("\"{alert} "))).collect();
    assert_eq!(untried, BTreeSet::new());
}
