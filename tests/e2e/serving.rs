//! `/livez`, `/readyz`, `/metrics`, and the end by SIGTERM.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use xtask::{control_plane::Options, ports::free_port, wait::wait_until};

use crate::support::{
    aws::{ARN, Aws, Operation},
    control_plane::{Plane, plane},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
    operator::Operator,
};

#[test]
fn without_the_crd_it_is_alive_and_not_ready_and_says_why_until_it_is_installed() {
    let plane = Plane::start(&Options::default());
    let cluster = Namespace::in_plane(&plane);
    let aws = Aws::start();
    let operator = Operator::start(&settings(&plane, &cluster, &aws, &[]));
    let says = wait_until(PATIENCE, "the missing CRD is named", || {
        let (ready, says) = operator.readyz();
        anyhow::ensure!(
            !ready && says.contains("provisionedthroughputs.bedrock-throughput.dev is not installed"),
            "{says}"
        );
        Ok(says)
    });
    let says = says.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log()));
    assert!(says.contains(&format!("[-] watch of namespace {}", cluster.name)), "{says}");
    assert_eq!(operator.get("/livez").expect("/livez"), "ok\n");
    plane.install();
    operator.wait_until_ready();
    let (_, says) = operator.readyz();
    assert_eq!(says, format!("[+] watch of namespace {}: ok\n", cluster.name));
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed"});
    cluster.apply(&manifest("summarizer", spec));
    let env = Environment { settings: settings(&plane, &cluster, &aws, &[]), aws, cluster, operator };
    env.wait_until_ready("summarizer");
}

/// A restart would not bring the API server back.
#[test]
fn without_an_api_server_it_is_alive_and_not_ready() {
    let (cluster, aws) = (Namespace::new(), Aws::start());
    let mut settings = settings(plane(), &cluster, &aws, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = std::fs::read_to_string(&settings.kubeconfig).expect("the kubeconfig");
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("a kubeconfig in JSON");
    kubeconfig["clusters"][0]["cluster"]["server"] =
        json!(format!("https://127.0.0.1:{}", free_port().expect("a free port")));
    settings.kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&settings.kubeconfig, kubeconfig.to_string()).expect("a kubeconfig");
    let operator = Operator::start(&settings);
    assert_eq!(operator.get("/livez").expect("/livez"), "ok\n");
    let (ready, says) = operator.readyz();
    assert!(!ready, "{says}");
    // Nothing is under way that would have to be waited for.
    operator.terminate();
    let status = operator.wait_until_ended();
    assert!(status.success(), "{status}: {}", operator.log());
}

#[test]
fn trouble_with_aws_does_not_make_it_unready() {
    let env = Environment::new(Aws::start());
    env.operator.wait_until_ready();
    env.aws.refuse(Operation::ListProvisionedModelThroughputs, "InternalServerException");
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN})));
    env.wait_for("summarizer", "tells of the trouble", |object| object.reason() == "AwsUnavailable");
    assert!(env.operator.readyz().0);
}

#[test]
fn the_metrics_are_openmetrics_and_count_what_happened() {
    let env = Environment::new(Aws::start());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed"});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_until_ready("summarizer");
    // The event comes last, and with it everything has been counted.
    env.wait_for_events("summarizer", &["Updating", "Updated"]);
    let text = env.operator.get_as("/metrics", "application/openmetrics-text").expect("/metrics");
    let values = parse(&text);
    let value = |series: &str| values.get(series).unwrap_or_else(|| panic!("{series} is not in\n{text}")).as_str();
    let namespace = &env.cluster.name;
    let labels = |operation| format!("{{region=\"us-east-1\",operation=\"{operation}\",result=\"Success\"}}");
    let calls = |operation| value(&format!("bedrock_throughput_aws_calls_total{}", labels(operation))).to_owned();
    assert_eq!(calls("UpdateProvisionedModelThroughput"), "1");
    let lists: usize = calls("ListProvisionedModelThroughputs").parse().expect("a whole number");
    assert!((1..=env.aws.calls_of(Operation::ListProvisionedModelThroughputs)).contains(&lists), "{lists}");
    let object = format!("namespace=\"{namespace}\",name=\"summarizer\"");
    assert_eq!(value(&format!("bedrock_throughput_updates_total{{{object}}}")), "1");
    assert_eq!(value(&format!("bedrock_throughput_condition{{{object},type=\"Ready\",status=\"True\"}}")), "1");
    let durations =
        "bedrock_throughput_aws_call_duration_seconds_count{operation=\"UpdateProvisionedModelThroughput\"}";
    assert_eq!(value(durations), "1");
    assert_eq!(value("bedrock_throughput_status_writes_total"), "2");
    env.cluster.delete("summarizer");
    env.wait_until("summarizer", "the metrics of a deleted object are gone", || {
        !env.operator.get("/metrics").expect("/metrics").contains("name=\"summarizer\"")
    });
}

/// Every series with its value. Panics where the text is not in the `OpenMetrics` text format: families without a type, values that are no
/// numbers, no end.
fn parse(text: &str) -> BTreeMap<String, String> {
    let body = text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF");
    let mut families = Vec::new();
    let mut values = BTreeMap::new();
    for line in body.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split(' ').next().unwrap_or_default().to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no series: {line}"));
            let name = series.split('{').next().unwrap_or_default();
            assert!(families.iter().any(|family| name.starts_with(family)), "{name} is of no family");
            assert!(value.parse::<f64>().is_ok(), "no number: {line}");
            assert!(values.insert(series.to_owned(), value.to_owned()).is_none(), "twice: {series}");
        }
    }
    values
}

#[test]
fn sigterm_waits_for_the_update_that_is_out_and_for_the_status_that_tells_of_it() {
    let env = Environment::new(Aws::start());
    env.operator.wait_until_ready();
    env.aws.delay(Operation::UpdateProvisionedModelThroughput, Duration::from_secs(2));
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed"});
    env.cluster.apply(&manifest("summarizer", spec));
    env.wait_for("summarizer", "has a call out", |object| !object.status("/plan/sentAt").is_empty());
    env.operator.terminate();
    let status = env.operator.wait_until_ended();
    assert!(status.success(), "{status}: {}", env.operator.log());
    let object = env.cluster.get("summarizer").expect("the object");
    assert_eq!(env.aws.update_requests().len(), 1, "{}", env.story("summarizer"));
    // AWS has answered before the process ended, so the status has what it answered.
    assert_eq!(object.status("/lastUpdate/requestId"), env.aws.update_request_ids()[0], "{}", env.story("summarizer"));
    assert_eq!(object.status("/plan"), "", "{}", env.story("summarizer"));
}

#[test]
fn sigterm_ends_an_idle_operator_at_once() {
    let env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN})));
    env.wait_until_ready("summarizer");
    env.operator.terminate();
    let status = env.operator.wait_until_ended();
    assert!(status.success(), "{status}: {}", env.operator.log());
}
