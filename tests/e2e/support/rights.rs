//! Operators with other rights in Kubernetes than the shipped ones.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::control_plane::plane;

/// The namespace of the operator's `ServiceAccount`s.
pub const SYSTEM: &str = "bedrock-throughput-system";
/// The `ClusterRole` of the operator, as it is shipped.
pub const ROLE: &str = "bedrock-throughput-operator";

/// A kubeconfig of a new `ServiceAccount` that has these cluster roles in all namespaces.
pub fn account_with(name: &str, cluster_roles: &[&str]) -> PathBuf {
    apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": SYSTEM}}));
    for role in cluster_roles {
        bind(name, role);
    }
    plane().processes.service_account_kubeconfig(SYSTEM, name).expect("a kubeconfig")
}

/// Makes the cluster role that lets somebody read `/metrics`, as the chart does where they are served by TLS.
pub fn make_the_role_to_read(name: &str) {
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    }));
}

/// Gives a `ServiceAccount` a cluster role in all namespaces.
pub fn bind(account: &str, cluster_role: &str) {
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{account}-{cluster_role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": SYSTEM}],
    }));
}

/// A cluster role with the shipped rules of [`ROLE`], without a verb on a resource.
pub fn role_without(name: &str, resource: &str, verb: &str) {
    let shipped = plane().kubectl(&["get", "clusterrole", ROLE, "--output", "json"]);
    let mut role: Value = serde_json::from_str(&shipped).expect("a ClusterRole");
    let mut found = false;
    for rule in role["rules"].as_array_mut().expect("a list of rules") {
        let is_about = rule["resources"].as_array().is_some_and(|all| all.iter().any(|one| one == resource));
        if let Some(verbs) = rule["verbs"].as_array_mut().filter(|_| is_about) {
            let before = verbs.len();
            verbs.retain(|one| one != verb);
            found |= verbs.len() < before;
        }
    }
    assert!(found, "the shipped role has no {verb} of {resource}");
    let mut rules = role["rules"].take();
    if let Some(rules) = rules.as_array_mut() {
        rules.retain(|rule| rule["verbs"] != json!([]));
    }
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    }));
}

pub fn apply(manifest: &Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifest.json");
    std::fs::write(&file, manifest.to_string()).expect("writing a manifest");
    plane().processes.apply(&file).expect("applying a manifest");
}
