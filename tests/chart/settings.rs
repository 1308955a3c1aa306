//! The settings of the operator: each flag of `run` is a value of the chart, and the chart sets no variable that `run` does not know.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::{Value, json};
use xtask::{folders, process};

use crate::support::helm::{OPERATOR, manifests, the_only};

/// The variable of each flag, the value that sets it, and something to set.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("BTO_DEFAULT_INTERVAL", "defaultInterval", "7m"),
    ("BTO_WATCH_NAMESPACES", "watchNamespaces", "{a,b}"),
    ("BTO_CONCURRENCY", "concurrency", "7"),
    ("BTO_HTTP_ADDR", "http.port", "7777"),
    ("BTO_AWS_TIMEOUT", "aws.timeout", "7s"),
    ("BTO_READ_LAG", "aws.readLag", "7s"),
    ("BTO_AWS_READ_LIMIT", "aws.readLimit", "0.7"),
    ("BTO_AWS_CHANGE_LIMIT", "aws.changeLimit", "7"),
    ("BTO_ALLOW_CREATE", "allowCreate", "true"),
    ("BTO_ALLOW_DELETE", "allowDelete", "true"),
    ("BTO_CLUSTER_NAME", "clusterName", "seven"),
    ("BTO_LOG_FORMAT", "log.format", "text"),
    ("BTO_LOG_LEVEL", "log.level", "debug"),
    ("BTO_LOG_LEVEL_FILE", "log.levelConfigMap", "seven"),
    ("BTO_LEADER_ELECT", "leaderElection.enabled", "true"),
    ("BTO_LEADER_ELECT_LEASE_DURATION", "leaderElection.leaseDuration", "70s"),
    ("BTO_LEADER_ELECT_RENEW_DEADLINE", "leaderElection.renewDeadline", "60s"),
    ("BTO_LEADER_ELECT_RETRY_PERIOD", "leaderElection.retryPeriod", "7s"),
    ("BTO_LEADER_ELECT_RESOURCE_NAME", "leaderElection.resourceName", "seven"),
    ("BTO_LEADER_ELECT_RESOURCE_NAMESPACE", "leaderElection.resourceNamespace", "seven"),
    ("BTO_METRICS_SECURE_ADDR", "metrics.secure.port", "7778"),
    ("BTO_METRICS_TLS_CERT_DIR", "metrics.secure.certificateSecret", "seven"),
];

/// Switches without which a setting says nothing.
const SWITCHES: &str = "metrics.secure.enabled=true,metrics.secure.createClusterRoles=false";

fn help() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-throughput-operator"));
    process::output(command.env_clear().args(["run", "--help"])).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The variables that the help names, each with its default.
fn flags(help: &str) -> Vec<(String, Option<String>)> {
    help.split("[env: ")
        .skip(1)
        .map(|part| {
            let name = part.split('=').next().expect("a name").to_owned();
            let own = part.split("\n      --").next().unwrap_or_default();
            let default = own.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
            (name, default.map(|(default, _)| default.to_owned()))
        })
        .collect()
}

/// The variables that a rendering sets.
fn variables(values: &[&str]) -> BTreeSet<String> {
    let manifests = manifests(OPERATOR, values);
    let container = &the_only(&manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let name = |variable: &Value| variable["name"].as_str().expect("a name").to_owned();
    container["env"].as_array().expect("variables").iter().map(name).collect()
}

#[test]
fn every_flag_of_run_is_a_value_and_no_other_is_set() {
    let help = help();
    let known: BTreeSet<String> = flags(&help).into_iter().map(|(name, _)| name).collect();
    assert!(known.contains("BTO_READ_LAG"), "{known:?}");
    let settable: BTreeSet<String> = SETTINGS.iter().map(|(variable, ..)| (*variable).to_owned()).collect();
    let missing: Vec<_> = known.difference(&settable).collect();
    assert!(missing.is_empty(), "the chart has no value for {missing:?}");
    let unknown: Vec<_> = settable.difference(&known).collect();
    assert!(unknown.is_empty(), "`run` does not know {unknown:?}");

    let all: Vec<String> =
        SETTINGS.iter().flat_map(|(_, path, value)| ["--set".to_owned(), format!("{path}={value}")]).collect();
    let all: Vec<&str> = ["--set", SWITCHES].into_iter().chain(all.iter().map(String::as_str)).collect();
    let mut set = variables(&all);
    set.retain(|name| name.starts_with("BTO_"));
    assert_eq!(set, settable);
}

#[test]
fn each_value_reaches_its_variable() {
    let manifests_with = |path: &str, value: &str| {
        let setting = format!("{path}={value}");
        let needed = if path == "watchNamespaces" { "clusterName=x" } else { "rbac.create=false" };
        let manifests = manifests(OPERATOR, &["--set", SWITCHES, "--set", needed, "--set", &setting]);
        the_only(&manifests, "Deployment")["spec"]["template"]["spec"].clone()
    };
    for (variable, path, value) in SETTINGS {
        let pod = manifests_with(path, value);
        let variables = pod["containers"][0]["env"].as_array().expect("variables");
        let found = variables.iter().find(|found| found["name"] == *variable);
        let found =
            found.unwrap_or_else(|| panic!("{path} does not set {variable}"))["value"].as_str().expect("a text");
        let wanted = match *variable {
            "BTO_METRICS_TLS_CERT_DIR" => {
                assert_eq!(pod["volumes"][0]["secret"]["secretName"], *value);
                let mount = &pod["containers"][0]["volumeMounts"][0];
                mount["mountPath"].as_str().expect("a path").to_owned()
            }
            "BTO_LOG_LEVEL_FILE" => {
                assert_eq!(pod["volumes"][0]["configMap"], json!({"name": value, "optional": true}));
                let mount = &pod["containers"][0]["volumeMounts"][0];
                format!("{}/log-level", mount["mountPath"].as_str().expect("a path"))
            }
            "BTO_HTTP_ADDR" | "BTO_METRICS_SECURE_ADDR" => format!("0.0.0.0:{value}"),
            _ => value.trim_matches(['{', '}']).to_owned(),
        };
        assert_eq!(found, wanted, "{path}");
    }
}

/// An empty value leaves the operator's own default, which the description names.
#[test]
fn descriptions_name_the_operators_own_defaults() {
    let schema = fs::read_to_string(folders::root().join(OPERATOR).join("values.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let left_out = variables(&[]);
    for (name, default) in flags(&help()) {
        let Some((_, path, _)) = SETTINGS.iter().find(|(variable, ..)| *variable == name) else { continue };
        let (Some(default), false) = (default, left_out.contains(&name)) else { continue };
        let property = path.split('.').fold(&schema, |schema, part| &schema["properties"][part]);
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.contains(&format!("the operator's own, {default}")), "{path}: {description} ({default})");
    }
}
