//! Every query of the dashboard and of the recording rules, asked of a Prometheus that has scraped the operator. (Those of the alerts are asked by
//! the tests in which they fire.)

use std::collections::BTreeSet;

use anyhow::ensure;
use bedrock_simulator::{Fault, FaultKind, request::CommitmentDuration, seed::ProvisionedModelSeed};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use xtask::{prometheus::Server, wait::wait_until};

use crate::{
    scraped::{DASHBOARD, RULES, read, scrape},
    support::{
        aws::{ARN, Aws, Operation, SUMMARIZER_V1_NAME, SUMMARIZER_V2},
        environment::{Environment, PATIENCE},
        object::manifest,
    },
};

/// What gives nothing in the world of this test, and why. Everything else has to give something.
const EMPTY: [(&str, &str); 2] = [
    (
        "job_region:bedrock_throughput_failing_looks:increase15m",
        "the operator is not blind; the test of that alert has it",
    ),
    ("label_values(bedrock_throughput_build_info, cluster)", "only who gathers several clusters has the label"),
];

fn may_be_empty(query: &str) -> bool {
    EMPTY.iter().any(|(part, _)| query.contains(part))
}

/// An object with a commitment that was moved, and whose drift was repaired; one that is stalled; and a call that was throttled.
fn a_world() -> Environment {
    let aws = Aws::start();
    let arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/committedxxx";
    aws.seed_throughput(ProvisionedModelSeed {
        commitment_duration: Some(CommitmentDuration::SixMonths),
        commitment_expiration_time: Some(Timestamp::now() + SignedDuration::from_hours(90 * 24)),
        ..ProvisionedModelSeed::new("committed", SUMMARIZER_V1_NAME).arn(arn)
    });
    // A limit that nothing reaches, so that calls are paced.
    let env = Environment::with_flags(aws, &["--aws-read-limit", "50"]);
    let spec = json!({"provisionedModelId": arn, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("committed", spec));
    env.cluster.apply(&manifest("gone", json!({"provisionedModelId": "nobody"})));
    env.cluster.apply(&manifest("summarizer", json!({"provisionedModelId": ARN})));
    env.wait_until_ready("committed");
    env.aws.rename_as_somebody_else(arn, "hijacked");
    let throttled = FaultKind::code("ThrottlingException");
    env.aws.server().inject(Fault::on(Operation::ListProvisionedModelThroughputs, throttled).times(2));
    env
}

/// The queries of a dashboard, as Grafana asks them for one object.
fn queries(dashboard: &Value, namespace: &str, name: &str) -> BTreeSet<String> {
    let filled = |query: &str| {
        query
            .replace("$cluster", ".*")
            .replace("$job", ".*")
            .replace("$namespace", namespace)
            .replace("$name", name)
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1m")
    };
    let targets = panels(dashboard).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| filled(target["expr"].as_str().expect("an expression"))).collect()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

fn variables(dashboard: &Value) -> &[Value] {
    dashboard["templating"]["list"].as_array().expect("variables")
}

/// What the recording rules are made from, and what they are recorded as.
fn recorded() -> BTreeSet<String> {
    let rules = read(RULES);
    rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect()
}

/// The values of a variable of the dashboard.
fn values(server: &Server, query: &str) -> anyhow::Result<Vec<String>> {
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).expect("label_values()");
    let (selector, label) = inner.rsplit_once(", ").expect("a selector and a label");
    server.label_values(label, selector)
}

#[test]
fn every_query_of_the_dashboard_and_the_rules_gives_something() {
    let env = a_world();
    let server = scrape(&env);
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("the dashboard is JSON");
    let namespace = &env.cluster.name;
    let mut open = queries(&dashboard, namespace, "committed");
    assert!(open.len() > 30, "{open:#?}");
    open.extend(recorded());
    let answered = wait_until(PATIENCE, "every query gives something", || {
        let mut empty = BTreeSet::new();
        for query in &open {
            if server.query(query)?.is_empty() {
                empty.insert(query.clone());
            }
        }
        open = empty;
        ensure!(open.iter().all(|query| may_be_empty(query)), "nothing comes of {open:#?}");
        Ok(())
    });
    answered.unwrap_or_else(|error| panic!("{error:#}\n{}", env.story("committed")));
    server.check().unwrap_or_else(|error| panic!("{error:#}"));

    for variable in variables(&dashboard).iter().filter(|variable| variable["type"] == "query") {
        let query = variable["query"]["query"].as_str().expect("a query");
        let filled = query.replace("$cluster", ".*").replace("$job", ".*").replace("$namespace", namespace);
        let values = values(&server, &filled).unwrap_or_else(|error| panic!("{query}: {error:#}"));
        assert!(!values.is_empty() || may_be_empty(query), "{query}");
    }

    // What is shown is what is there.
    let value = |query: &str| server.query(query).expect("an answer").first().map(|sample| sample.value);
    let object = format!("namespace=\"{namespace}\",name=\"committed\"");
    env.wait_until("committed", "the drift is repaired", || {
        value(&format!("bedrock_throughput_drift_repaired_total{{{object}}}")) == Some(1.0)
    });
    assert_eq!(value(&format!("bedrock_throughput_drift_found_total{{{object}}}")), Some(1.0));
    assert_eq!(value(&format!("bedrock_throughput_model_outdated{{{object}}}")), Some(0.0));
    assert_eq!(value("sum(job_reason:bedrock_throughput_objects:count)"), Some(3.0));
    assert_eq!(value("job:bedrock_throughput_model_units:sum"), Some(2.0));
    let stalled = server.query("object:bedrock_throughput_ready_reason:max{class=\"Stalled\"}").expect("an answer");
    assert_eq!(stalled.iter().map(|sample| sample.labels["name"].as_str()).collect::<Vec<_>>(), ["gone"]);
}

#[test]
fn the_dashboard_is_one_that_grafana_takes_and_a_person_understands() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("the dashboard is JSON");
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 41));
    assert!(dashboard["id"].is_null(), "an id belongs to one Grafana");
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")) && titles.insert(title), "twice: {title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(place("x") + place("w") <= 24, "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title} has no description");
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        let is_number = panel["type"] == "stat" || panel["type"] == "timeseries";
        assert!(unit.is_string() || !is_number, "{title} has no unit");
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = target["expr"].as_str().expect("an expression");
            assert!(query.contains("cluster=~\"$cluster\"") || query.starts_with("ALERTS"), "{title}: {query}");
        }
    }
    let names: Vec<&str> = variables(&dashboard).iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "cluster", "job", "namespace", "name"]);
}

/// Rectangles that lie on each other push each other away when the dashboard is opened.
#[test]
fn no_panel_lies_on_another() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("the dashboard is JSON");
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another", panel["title"]);
        }
    }
}
