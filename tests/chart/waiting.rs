//! `helm install --wait` and `helm upgrade --wait` of a user's chart that holds a `ProvisionedThroughput`: helm waits until AWS serves it.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use bedrock_simulator::Server;

use crate::support::{
    cluster::{Cluster, condition, fail, is_ready, succeed},
    helm::{OPERATOR, RELEASE, chart},
    operator::{CHAT, Operator, UPDATING_SECONDS, V1, V2, at_aws, aws, values},
};

const NAMESPACE: &str = "waiting";

/// Longer than anything that is waited for here: what fails, fails earlier or not at all.
const TIMEOUT: &str = "90s";
const AT_ONCE: Duration = Duration::from_secs(30);

/// An application's chart.
fn application(folder: &Path) {
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: application\nversion: 1.0.0\n").expect("Chart.yaml");
    fs::write(folder.join("values.yaml"), "id: summarizer\n").expect("values.yaml");
    let template = "apiVersion: bedrock-throughput.dev/v1alpha1\nkind: ProvisionedThroughput\nmetadata:\n  name: summarizer\nspec:\n  \
        provisionedModelId: {{ .Values.id }}\n  provisionedModelName: {{ .Values.name }}\n  modelId: {{ .Values.model }}\n";
    fs::write(folder.join("templates/throughput.yaml"), template).expect("a template");
}

fn helm(cluster: &Cluster, verb: &str, folder: &Path, timeout: &str, name: &str, model: &str) -> Command {
    let mut command = cluster.helm();
    command.args([verb, "application"]).arg(folder).args(["--namespace", NAMESPACE, "--wait", "--timeout", timeout]);
    command.args(["--set", &format!("name={name},model={model}")]);
    command
}

/// The model that is served under a name, when AWS is done with it.
fn served(aws: &Server, name: &str) -> String {
    let all = at_aws(aws);
    let (model, status) = all.get(name).unwrap_or_else(|| panic!("AWS has no {name}: {all:?}"));
    assert_eq!(status, "InService", "helm returned too early");
    model.rsplit('/').next().expect("a model").to_owned()
}

#[test]
fn helm_waits_until_aws_serves_it_and_fails_at_once_where_it_never_will() {
    let cluster = Cluster::shared();
    cluster.make_namespace(NAMESPACE);
    let aws = aws(&["summarizer"]);
    let before = served(&aws, "summarizer");
    let folder = tempfile::tempdir().expect("a folder");
    application(folder.path());
    let mut command = cluster.helm();
    command.args(["install", RELEASE]).arg(chart(OPERATOR)).args(["--namespace", NAMESPACE]);
    command.args(["--set", "watchNamespaces={waiting},clusterName=test,crds.enabled=false"]);
    succeed(command.args(values(&aws, NAMESPACE)));

    // Before anybody has looked at it, it is not ready.
    let said = fail(&mut helm(cluster, "install", folder.path(), "2s", "summarizer-prod", V1));
    assert!(said.contains("ProvisionedThroughput") && said.contains("not ready"), "{said}");
    assert_eq!(served(&aws, "summarizer"), before);

    // Its name, and then its model.
    let operator = Operator::of(cluster, NAMESPACE, RELEASE);
    let begin = Instant::now();
    succeed(&mut helm(cluster, "upgrade", folder.path(), TIMEOUT, "summarizer-prod", V1));
    assert_eq!(served(&aws, "summarizer-prod"), before);
    succeed(&mut helm(cluster, "upgrade", folder.path(), TIMEOUT, "summarizer-prod", V2));
    assert_ne!(served(&aws, "summarizer-prod"), before);
    assert!(begin.elapsed() >= Duration::from_secs_f64(UPDATING_SECONDS), "AWS takes its time, and helm did not");
    let object = cluster.get(&["--namespace", NAMESPACE, "pt", "summarizer"]);
    assert!(is_ready(&object), "{object}");

    // A model of another base model: AWS would refuse it.
    let begin = Instant::now();
    let said = fail(&mut helm(cluster, "upgrade", folder.path(), TIMEOUT, "summarizer-prod", CHAT));
    assert!(begin.elapsed() < AT_ONCE, "helm waited in vain for {:?}", begin.elapsed());
    let object = cluster.get(&["--namespace", NAMESPACE, "pt", "summarizer"]);
    let [status, _, message] = condition(&object, "Stalled").expect("the object is Stalled");
    assert_eq!(status, "True");
    assert!(said.contains("ProvisionedThroughput/waiting/summarizer not ready. status: Failed, message: "), "{said}");
    assert!(said.contains(message), "{said}\nlacks the operator's own words: {message}");

    // An installation, too.
    succeed(cluster.helm().args([
        "uninstall",
        "application",
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout",
        TIMEOUT,
    ]));
    succeed(helm(cluster, "install", folder.path(), TIMEOUT, "summarizer", V1).args(["--set", "id=summarizer-prod"]));
    served(&aws, "summarizer");
    drop(operator);
}
