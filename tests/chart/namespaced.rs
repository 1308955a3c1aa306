//! An installation for some namespaces, by somebody who has no rights for the cluster.

use std::collections::BTreeSet;

use crate::support::{
    cluster::{Cluster, is_ready, succeed},
    helm::{OPERATOR, RELEASE, chart},
    kubelet::Kubelet,
    operator::{Operator, at_aws, aws, values},
};

const SYSTEM: &str = "tenant-system";
const WATCHED: [&str; 2] = ["tenant-a", "tenant-b"];
const OTHER: &str = "tenant-other";

/// Somebody to whom these namespaces belong, and nothing else.
fn tenant(cluster: &Cluster) -> std::path::PathBuf {
    cluster
        .apply(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: tenant, namespace: {SYSTEM}}}}}"));
    for namespace in [SYSTEM, WATCHED[0], WATCHED[1]] {
        let (of, rules) = (
            format!("{{name: owner, namespace: {namespace}}}"),
            "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]",
        );
        let role = "{apiGroup: rbac.authorization.k8s.io, kind: Role, name: owner}";
        let subject = format!("{{kind: ServiceAccount, name: tenant, namespace: {SYSTEM}}}");
        let api = "rbac.authorization.k8s.io/v1";
        cluster.apply(&format!(
            "{{apiVersion: {api}, kind: Role, metadata: {of}, rules: {rules}}}\n---\n\
             {{apiVersion: {api}, kind: RoleBinding, metadata: {of}, roleRef: {role}, subjects: [{subject}]}}"
        ));
    }
    cluster.processes().service_account_kubeconfig(SYSTEM, "tenant").expect("a kubeconfig")
}

fn throughput(cluster: &Cluster, namespace: &str) {
    let spec = format!("{{provisionedModelId: {namespace}-0, provisionedModelName: {namespace}-1}}");
    cluster.apply(&format!(
        "{{apiVersion: bedrock-throughput.dev/v1alpha1, kind: ProvisionedThroughput, \
         metadata: {{name: one, namespace: {namespace}}}, spec: {spec}}}"
    ));
}

#[test]
fn nothing_of_the_cluster_is_touched_and_missing_rights_are_told() {
    let cluster = Cluster::shared();
    for namespace in [SYSTEM, WATCHED[0], WATCHED[1], OTHER] {
        cluster.make_namespace(namespace);
    }
    let aws = aws(&["tenant-a-0", "tenant-b-0", "tenant-other-0"]);
    let tenant = tenant(cluster);
    let _kubelet = Kubelet::start(cluster, SYSTEM);
    let mut command = Cluster::helm_as(&tenant);
    command.args(["install", RELEASE]).arg(chart(OPERATOR)).args(["--namespace", SYSTEM, "--wait", "--timeout", "90s"]);
    command.args(["--set", "watchNamespaces={tenant-a,tenant-b},clusterName=test,crds.enabled=false"]);
    succeed(command.args(values(&aws, SYSTEM)));

    let label = format!("app.kubernetes.io/instance={RELEASE}");
    let of_the_cluster = "clusterroles,clusterrolebindings,crds,validatingadmissionpolicies";
    let made = cluster.names(&[of_the_cluster, "--selector", &label]);
    assert_eq!(made, Vec::<String>::new());
    let made: BTreeSet<String> = cluster
        .requests_of(SYSTEM, "tenant")
        .into_iter()
        .filter(|event| !["get", "list", "watch"].contains(&event.verb.as_str()))
        .map(|event| event.namespace)
        .collect();
    assert_eq!(made, [SYSTEM, WATCHED[0], WATCHED[1]].map(str::to_owned).into(), "where the installation wrote");

    for namespace in [WATCHED[0], WATCHED[1], OTHER] {
        throughput(cluster, namespace);
    }
    let operator = Operator::of(cluster, SYSTEM, RELEASE);
    operator.wait_until_it_says(200, "[+] watch of namespace tenant-b: ok");
    for namespace in WATCHED {
        cluster.wait_for("it is ready", &["--namespace", namespace, "pt", "one"], is_ready);
    }
    let names: Vec<String> = at_aws(&aws).into_keys().collect();
    assert_eq!(names, ["tenant-a-1", "tenant-b-1", "tenant-other-0"]);
    let untouched = cluster.get(&["--namespace", OTHER, "pt", "one"]);
    assert_eq!(untouched["status"]["observedGeneration"], -1, "{untouched}");
    let requests = cluster.requests_of(SYSTEM, RELEASE);
    let refused: Vec<_> = requests.iter().filter(|event| event.code == 403).map(|event| &event.uri).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let namespaces: BTreeSet<&str> = requests.iter().map(|event| event.namespace.as_str()).collect();
    assert!(namespaces.is_subset(&[SYSTEM, WATCHED[0], WATCHED[1]].into()), "{namespaces:?}");
    assert!(namespaces.is_superset(&WATCHED.into()), "{namespaces:?}");

    // Rights that are taken away are told at the next start, by the namespace that lacks them.
    drop(operator);
    cluster.kubectl(&["--namespace", WATCHED[1], "delete", "rolebinding", RELEASE]);
    let operator = Operator::of(cluster, SYSTEM, RELEASE);
    operator.wait_until_it_says(503, "[-] watch of namespace tenant-b: RBAC does not allow the operator to list");
    operator.wait_until_it_says(503, "[+] watch of namespace tenant-a: ok");
    operator
        .wait_until_it_says(503, &format!("User \"system:serviceaccount:{SYSTEM}:{RELEASE}\" cannot list resource"));
}
