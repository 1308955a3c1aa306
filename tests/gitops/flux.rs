//! Under Flux: kustomize-controller and helm-controller are real. What source-controller does is done by these tests.

use std::{
    path::Path,
    process::Command,
    sync::{Mutex, OnceLock},
};

use serde_json::{Value, json};
use xtask::{
    flux, folders,
    process::{Guard, Guarded, Output},
};

use crate::{
    source::Sources,
    stage::{self, as_yaml, condition, environment, of_kind, on_model, plane, shipped, slow, throughput_in, wait_for},
    support::{
        aws::{ARN, Aws, CHAT, NAME, SUMMARIZER_V1, SUMMARIZER_V2},
        environment::Environment,
        object::manifest,
    },
};

const NAMESPACE: &str = "flux-system";
/// The names of the chart's Deployment and of its namespace.
const OPERATOR_ACCOUNT: &str = "bedrock-throughput-operator";
const OPERATOR_NAMESPACE: &str = "bedrock-throughput-system";
const RECONCILE_NOW: &str = "reconcile.fluxcd.io/requestedAt";

struct Flux {
    sources: Sources,
    _controllers: Mutex<Vec<Guarded>>,
}

fn flux() -> &'static Flux {
    static FLUX: OnceLock<Flux> = OnceLock::new();
    FLUX.get_or_init(|| {
        let flux = flux::find_or_build().expect("building Flux");
        stage::install_crds(&flux.crds);
        stage::apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
        let start = |program: &Path, features: &[&str]| {
            let name = program.file_name().and_then(|name| name.to_str()).expect("a program has a name");
            let mut command = Command::new(program);
            // No port is fixed: nobody asks for metrics or health.
            command.args(["--watch-all-namespaces", "--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"]);
            command.args(features);
            command.env("RUNTIME_NAMESPACE", NAMESPACE).env("KUBECONFIG", plane().processes.kubeconfig());
            let log = plane().processes.logs_dir().join(format!("{name}.log"));
            Guard::new(name).output(Output::Log(log)).spawn(&command).expect("starting a controller of Flux")
        };
        // As docs/flux.md recommends.
        let kustomize_controller =
            start(&flux.kustomize_controller, &["--feature-gates=CancelHealthCheckOnNewRevision=true"]);
        let controllers = vec![kustomize_controller, start(&flux.helm_controller, &[])];
        Flux { sources: Sources::start(), _controllers: Mutex::new(controllers) }
    })
}

/// The repository and the `Kustomization` of `deploy/flux/manifests.yaml`, of this test alone.
struct Delivery {
    env: Environment,
    repository: Value,
    kustomization: Value,
}

impl Delivery {
    fn new(aws: Aws) -> Self {
        flux();
        let env = environment(aws);
        let shipped = shipped("deploy/flux/manifests.yaml");
        let (mut repository, mut kustomization) =
            (of_kind(&shipped, "GitRepository"), of_kind(&shipped, "Kustomization"));
        for object in [&mut repository, &mut kustomization] {
            object["metadata"]["name"] = json!(env.cluster.name);
        }
        kustomization["spec"]["sourceRef"]["name"] = json!(env.cluster.name);
        // So that the end of a failure is seen soon. Everything else is as it is shipped.
        kustomization["spec"]["retryInterval"] = json!("3s");
        stage::apply(&repository);
        Self { env, repository, kustomization }
    }

    /// Commits one object with this spec.
    fn commit(&self, spec: Value) {
        let mut object = throughput_in(&self.env);
        object["spec"] = spec;
        flux().sources.commit(&self.repository, &[("throughputs/summarizer.yaml", as_yaml(&[object]))]);
    }

    fn begin(&self) {
        stage::apply(&self.kustomization);
    }

    /// Waits until the `Kustomization` waits for the object, as long as that is not done.
    fn wait_until_it_waits(&self) {
        wait_for(&self.kustomization, "waits", |it| condition(it, "Ready").starts_with("Unknown Progressing: "));
        let waiting =
            wait_for(&self.kustomization, "runs its health checks", |it| !condition(it, "Healthy").is_empty());
        let says = condition(&waiting, "Healthy");
        assert!(says.contains("Running health checks for revision"), "{says}");
    }

    fn wait_until_ready(&self) -> Value {
        wait_for(&self.kustomization, "is ready", |it| {
            condition(it, "Ready").starts_with("True ReconciliationSucceeded: ")
        })
    }

    fn is_ready(&self) -> bool {
        condition(&stage::get(&self.kustomization).expect("the Kustomization"), "Ready").starts_with("True")
    }
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn what_is_shipped_for_flux_is_taken_by_its_crds() {
    flux();
    stage::try_on("deploy/flux/chart.yaml");
    stage::try_on("deploy/flux/manifests.yaml");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_an_artifact_published_by_the_test_a_kustomization_waits_while_the_model_moves_and_after_each_commit() {
    let delivery = Delivery::new(slow());
    delivery.commit(on_model(SUMMARIZER_V2));
    delivery.begin();
    delivery.env.wait_for("summarizer", "is moved", |object| object.status("/status") == "Updating");
    delivery.wait_until_it_waits();
    delivery.env.aws.finish_throughput(ARN);
    let ready = delivery.wait_until_ready();
    let first = ready["status"]["lastAppliedRevision"].clone();
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V2, "Ready means that it is served");
    // The next commit.
    delivery.commit(on_model(SUMMARIZER_V1));
    delivery.env.wait_for("summarizer", "is moved back", |object| object.status("/status") == "Updating");
    delivery.wait_until_it_waits();
    assert!(!delivery.is_ready());
    delivery.env.aws.finish_throughput(ARN);
    let ready = delivery.wait_until_ready();
    assert_ne!(ready["status"]["lastAppliedRevision"], first);
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V1);
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_an_artifact_published_by_the_test_a_kustomization_fails_at_once_when_it_is_stalled_and_heals_by_a_commit() {
    let delivery = Delivery::new(Aws::start());
    delivery.commit(on_model(CHAT));
    delivery.begin();
    let failed = wait_for(&delivery.kustomization, "has failed", |it| condition(it, "Ready").starts_with("False "));
    // Flux says which object it is and that it has failed, and leaves the sentence to the object.
    let said = condition(&failed, "Ready");
    let name = &delivery.env.cluster.name;
    let expected = format!("stalled resources: [ProvisionedThroughput/{name}/summarizer status: 'Failed'");
    assert!(said.starts_with("False HealthCheckFailed: health check failed after "), "{said}");
    assert!(said.contains(&expected), "{said}");
    println!("Flux says: {said}");
    let stalled = condition(&stage::get(&throughput_in(&delivery.env)).unwrap(), "Stalled");
    assert!(stalled.starts_with("True NotSibling: modelId ") && stalled.contains("is not a sibling of"), "{stalled}");
    println!("the object says: {stalled}");
    delivery.commit(on_model(SUMMARIZER_V2));
    delivery.wait_until_ready();
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_an_artifact_published_by_the_test_a_newer_commit_is_applied_while_an_older_one_is_waited_for() {
    let delivery = Delivery::new(slow());
    let mut spec = on_model(SUMMARIZER_V2);
    spec["suspend"] = json!(true);
    delivery.commit(spec.clone());
    delivery.begin();
    delivery.env.wait_for("summarizer", "is suspended", |object| object.reason() == "Suspended");
    delivery.wait_until_it_waits();
    spec["suspend"] = json!(false);
    delivery.commit(spec);
    delivery.env.wait_for("summarizer", "is moved", |object| object.status("/status") == "Updating");
    delivery.wait_until_it_waits();
    delivery.env.aws.finish_throughput(ARN);
    delivery.wait_until_ready();
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_an_artifact_published_by_the_test_a_hand_edit_is_undone_and_a_prune_leaves_aws_alone() {
    let delivery = Delivery::new(Aws::start());
    delivery.commit(on_model(SUMMARIZER_V2));
    delivery.begin();
    delivery.wait_until_ready();
    stage::edit(&throughput_in(&delivery.env), json!({"spec": {"provisionedModelName": "somebody-elses"}}));
    delivery.env.wait_for("summarizer", "is renamed", |it| it.status("/provisionedModelName") == "somebody-elses");
    // As `flux reconcile kustomization` does.
    stage::edit(&delivery.kustomization, json!({"metadata": {"annotations": {RECONCILE_NOW: "1"}}}));
    wait_for(&delivery.kustomization, "is reconciled", |it| it["status"]["lastHandledReconcileAt"] == "1");
    delivery.env.wait_until_ready("summarizer");
    assert_eq!(delivery.env.aws.throughput(ARN).name, NAME);
    // Annotations that are not in Git stay: an approval, a request.
    delivery.env.ask_for_a_look("summarizer");
    stage::edit(&delivery.kustomization, json!({"metadata": {"annotations": {RECONCILE_NOW: "2"}}}));
    wait_for(&delivery.kustomization, "is reconciled again", |it| it["status"]["lastHandledReconcileAt"] == "2");
    let object = stage::get(&throughput_in(&delivery.env)).unwrap();
    let request = &object["metadata"]["annotations"]["bedrock-throughput.dev/reconcile-requested-at"];
    assert!(request.is_string(), "{:#}", object["metadata"]);
    flux().sources.commit(&delivery.repository, &[("throughputs/nothing.yaml", String::new())]);
    delivery.env.wait_until_gone("summarizer");
    assert_eq!(delivery.env.aws.throughput(ARN).model_arn, SUMMARIZER_V2);
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_a_chart_published_by_the_test_a_helm_release_waits_until_aws_serves_it_and_fails_when_it_is_stalled() {
    flux();
    let env = environment(slow());
    let namespace = env.cluster.name.clone();
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("throughputs");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: throughputs\nversion: 0.1.0\n").unwrap();
    let mut object = manifest("summarizer", on_model("MODEL"));
    object["spec"]["modelId"] = json!("{{ .Values.model }}");
    std::fs::write(chart.join("templates/summarizer.yaml"), as_yaml(&[object])).unwrap();
    let (repository, release) = helm_release(&namespace, "throughputs", json!({"model": SUMMARIZER_V2}));
    stage::apply(&repository);
    flux().sources.push_chart(&repository, &chart, "0.1.0");
    stage::apply(&release);
    env.wait_for("summarizer", "is moved", |object| object.status("/status") == "Updating");
    wait_for(&release, "waits", |it| condition(it, "Ready").starts_with("Unknown Progressing: "));
    env.aws.finish_throughput(ARN);
    wait_for(&release, "is installed", |it| condition(it, "Ready").starts_with("True InstallSucceeded: "));
    let (_, release) = helm_release(&namespace, "throughputs", json!({"model": CHAT}));
    stage::apply(&release);
    let failed = wait_for(&release, "has failed", |it| condition(it, "Ready").starts_with("False UpgradeFailed: "));
    let said = condition(&failed, "Ready");
    println!("Flux says: {said}");
    assert!(said.contains("ProvisionedThroughput") && said.contains("summarizer"), "{said}");
}

#[test]
#[ignore = "cargo xtask test --gitops"]
fn with_the_chart_published_by_the_test_and_without_nodes_a_helm_release_installs_the_operator() {
    flux();
    let namespace = OPERATOR_NAMESPACE;
    let values = of_kind(&shipped("deploy/flux/chart.yaml"), "HelmRelease")["spec"]["values"].clone();
    let (repository, release) = helm_release(namespace, "bedrock-throughput-operator", values);
    stage::apply(&repository);
    let chart = folders::root().join("charts/bedrock-throughput-operator");
    flux().sources.push_chart(&repository, &chart, "0.1.0");
    stage::apply(&release);
    wait_for(&release, "waits for the pods", |it| condition(it, "Ready").starts_with("Unknown Progressing: "));
    let installed = || {
        let there = stage::get(&release).unwrap_or_default();
        let ready = condition(&there, "Ready");
        assert!(!ready.starts_with("False"), "{ready}");
        ready.starts_with("True InstallSucceeded: ")
    };
    stage::play_kubelet(namespace, installed);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": OPERATOR_ACCOUNT, "namespace": namespace}});
    let deployment = stage::get(&deployment).expect("the Deployment");
    assert_eq!(deployment["status"]["availableReplicas"], 2, "{:#}", deployment["status"]);
}

/// An `OCIRepository` and a `HelmRelease` of a chart in a namespace.
fn helm_release(namespace: &str, chart: &str, values: Value) -> (Value, Value) {
    let shipped = shipped("deploy/flux/chart.yaml");
    let (mut repository, mut release) = (of_kind(&shipped, "OCIRepository"), of_kind(&shipped, "HelmRelease"));
    for object in [&mut repository, &mut release] {
        object["metadata"]["name"] = json!(chart);
        object["metadata"]["namespace"] = json!(namespace);
    }
    release["spec"]["chartRef"]["name"] = json!(chart);
    release["spec"]["values"] = values;
    release["spec"]["upgrade"] = json!({"remediation": {"retries": 0}});
    (repository, release)
}
