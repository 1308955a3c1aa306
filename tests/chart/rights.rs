//! The rights that the chart gives: these and no others. That none is missing is shown by the end-to-end tests, whose operator runs
//! under what is rendered here (`deploy/install.yaml`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::helm::{OPERATOR, manifests};

/// What the operator needs wherever it works.
const WORK: [&str; 3] = [
    "bedrock-throughput.dev/provisionedthroughputs: list watch patch",
    "bedrock-throughput.dev/provisionedthroughputs/status: patch",
    "events.k8s.io/events: create",
];
const EXPORT: &str = "/configmaps: get create update delete";
const LEASE: [&str; 2] =
    ["coordination.k8s.io/leases bedrock-throughput-operator: get update", "coordination.k8s.io/leases: create"];
const VIEW: &str = "bedrock-throughput.dev/provisionedthroughputs bedrock-throughput.dev/provisionedthroughputs/status: get list watch";
const EDIT: &str = "bedrock-throughput.dev/provisionedthroughputs: create update patch delete deletecollection";

/// A role's rules, each as `group/resource name: verbs`.
fn rules(role: &Value) -> Vec<String> {
    let words = |rule: &Value, field: &str| -> Vec<String> {
        let all = rule[field].as_array().into_iter().flatten();
        all.map(|word| word.as_str().expect("a text").to_owned()).collect()
    };
    let line = |rule: &Value| {
        let groups = words(rule, "apiGroups");
        let resources = words(rule, "resources");
        let of_group = |group| resources.iter().map(move |resource| format!("{group}/{resource}"));
        let mut what: Vec<String> = groups.iter().flat_map(of_group).collect();
        what.extend(words(rule, "nonResourceURLs"));
        what.extend(words(rule, "resourceNames"));
        format!("{}: {}", what.join(" "), words(rule, "verbs").join(" "))
    };
    role["rules"].as_array().expect("rules").iter().map(line).collect()
}

/// Every role that is rendered: its kind, namespace, name and rules.
fn roles(values: &[&str]) -> BTreeSet<(String, Vec<String>)> {
    let manifests = manifests(OPERATOR, values);
    let is_role = |manifest: &&Value| ["Role", "ClusterRole"].iter().any(|kind| manifest["kind"] == *kind);
    let told = |role: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let name = format!(
            "{} {} {}",
            text(&role["kind"]),
            text(&role["metadata"]["namespace"]),
            text(&role["metadata"]["name"])
        );
        (name, rules(role))
    };
    manifests.iter().filter(is_role).map(told).collect()
}

fn wanted(roles: &[(&str, &[&str])]) -> BTreeSet<(String, Vec<String>)> {
    let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    roles.iter().map(|(name, rules)| ((*name).to_owned(), owned(rules))).collect()
}

/// Who is bound to what: `role -> ServiceAccount`.
fn bindings(values: &[&str]) -> BTreeSet<String> {
    let manifests = manifests(OPERATOR, values);
    let bindings =
        manifests.iter().filter(|manifest| manifest["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding")));
    let told = |binding: &Value| {
        let subjects = binding["subjects"].as_array().expect("subjects");
        assert_eq!(subjects.len(), 1, "{binding}");
        let text = |pointer: &str| binding.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
        format!(
            "{} {} -> {}/{}",
            text("/metadata/namespace"),
            text("/roleRef/name"),
            text("/subjects/0/namespace"),
            text("/subjects/0/name")
        )
    };
    bindings.map(told).collect()
}

const LEASES: (&str, &[&str]) = ("Role bedrock-throughput-system bedrock-throughput-operator-leader-election", &LEASE);

#[test]
fn for_the_whole_cluster() {
    let cluster = [WORK[0], WORK[1], WORK[2], "/namespaces kube-system: get"];
    let all = wanted(&[
        ("ClusterRole - bedrock-throughput-operator", &cluster),
        ("ClusterRole - bedrock-throughput-operator-export", &[EXPORT]),
        ("ClusterRole - bedrock-throughput-operator-view", &[VIEW]),
        ("ClusterRole - bedrock-throughput-operator-edit", &[EDIT]),
        LEASES,
    ]);
    assert_eq!(roles(&[]), all);
    let account = "bedrock-throughput-system/bedrock-throughput-operator";
    let to = |role: &str| format!("{role} -> {account}");
    let bound = [
        "- bedrock-throughput-operator",
        "- bedrock-throughput-operator-export",
        "bedrock-throughput-system bedrock-throughput-operator-leader-election",
    ];
    assert_eq!(bindings(&[]), bound.map(to).into());
}

#[test]
fn with_a_cluster_name_no_namespace_is_read() {
    let roles = roles(&["--set", "clusterName=x"]);
    assert!(
        roles.contains(&wanted(&[("ClusterRole - bedrock-throughput-operator", &WORK)]).pop_first().unwrap()),
        "{roles:?}"
    );
}

#[test]
fn for_some_namespaces_there_is_no_cluster_role() {
    let values = ["--set", "watchNamespaces={a,b},clusterName=x,exportTo.namespaces={b}"];
    let all = wanted(&[
        ("Role a bedrock-throughput-operator", &WORK),
        ("Role b bedrock-throughput-operator", &WORK),
        ("Role b bedrock-throughput-operator-export", &[EXPORT]),
        ("Role a bedrock-throughput-operator-view", &[VIEW]),
        ("Role b bedrock-throughput-operator-view", &[VIEW]),
        ("Role a bedrock-throughput-operator-edit", &[VIEW, EDIT]),
        ("Role b bedrock-throughput-operator-edit", &[VIEW, EDIT]),
        LEASES,
    ]);
    assert_eq!(roles(&values), all);
    assert_eq!(bindings(&values).len(), 4, "{:?}", bindings(&values));
}

#[test]
fn what_is_switched_off_is_not_given() {
    let off = "exportTo.enabled=false,rbac.userRoles=false,leaderElection.enabled=false,replicaCount=1";
    let left: Vec<String> = roles(&["--set", off]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["ClusterRole - bedrock-throughput-operator"]);
    assert_eq!(roles(&["--set", "rbac.create=false,rbac.userRoles=false"]), BTreeSet::new());
    assert_eq!(bindings(&["--set", "rbac.create=false"]), BTreeSet::new());
}

#[test]
fn secure_metrics_bring_what_they_need() {
    let (plain, secure) = (roles(&[]), roles(&["--set", "metrics.secure.enabled=true"]));
    let more: Vec<_> = secure.difference(&plain).cloned().collect();
    let reader = wanted(&[("ClusterRole - bedrock-throughput-operator-metrics-reader", &["/metrics: get"])]);
    assert_eq!(more, reader.into_iter().collect::<Vec<_>>());
    let bound = bindings(&["--set", "metrics.secure.enabled=true"]);
    let delegator = "- system:auth-delegator -> bedrock-throughput-system/bedrock-throughput-operator";
    assert!(bound.contains(delegator), "{bound:?}");
}
