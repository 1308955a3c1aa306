//! The life of a release: over a CRD that was there before, an upgrade from the version before, rollback, uninstall, and again.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use xtask::folders;

use crate::support::{
    cluster::{Cluster, fail, is_ready, succeed},
    helm::{OPERATOR, RELEASE, chart, manifests, package, the_only},
    kubelet::Kubelet,
    operator::{Operator, at_aws, aws, values},
};

const NAMESPACE: &str = "bedrock-throughput-system";
const CRD: &str = "provisionedthroughputs.bedrock-throughput.dev";
const OBJECT: [&str; 4] = ["--namespace", "ml", "pt", "summarizer"];

/// What tells the CRD of the version before from that of this one.
const NOW: &str = "description: Its name at AWS";
const BEFORE: &str = "description: Its name at AWS in the version before";

/// This chart as the version before, with another CRD.
fn previous(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("bedrock-throughput-operator");
    succeed(Command::new("cp").arg("-R").arg(chart(OPERATOR)).arg(&copy));
    let crd = copy.join(format!("templates/crds/{CRD}.yaml"));
    let text = fs::read_to_string(&crd).expect("the CRD");
    assert!(text.contains(NOW), "the CRD has changed: choose another line of it");
    fs::write(&crd, text.replacen(NOW, BEFORE, 1)).expect("another CRD");
    package(&copy, "0.0.9", folder)
}

struct Life<'a> {
    cluster: &'a Cluster,
    values: Vec<String>,
}

impl Life<'_> {
    fn helm(&self, arguments: &[&str]) -> Command {
        let mut command = self.cluster.helm();
        command.args(arguments).args(["--namespace", NAMESPACE, "--timeout", "90s"]);
        command
    }

    /// Installs or upgrades to a chart.
    fn bring(&self, verb: &str, release: &str, chart: &Path, flags: &[&str]) -> Command {
        let mut command = self.helm(&[verb, release]);
        command.arg(chart).args(&self.values).arg("--wait").args(flags);
        command
    }

    /// The first column that the CRD prints.
    fn column(&self) -> String {
        let crd = self.cluster.get(&["crd", CRD]);
        crd["spec"]["versions"][0]["additionalPrinterColumns"][0]["description"].as_str().expect("a text").to_owned()
    }

    /// What the pod of `helm test` runs, against an operator that is behind no Service.
    fn helm_test(&self, operator: &Operator) -> Command {
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let manifests = manifests(OPERATOR, &values);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-throughput-operator"));
        for word in the_only(&manifests, "Pod")["spec"]["containers"][0]["args"].as_array().expect("arguments") {
            let word = word.as_str().expect("a text");
            let url =
                word.strip_prefix(&format!("http://{RELEASE}.{NAMESPACE}.svc:")).and_then(|rest| rest.split_once('/'));
            match url {
                Some((_, path)) => command.arg(format!("http://{}/{path}", operator.address())),
                None => command.arg(word),
            };
        }
        command
    }

    fn object(&self) -> Value {
        self.cluster.wait_for("the object is there and ready", &OBJECT, is_ready)
    }
}

/// One after the other, because there is one CRD.
#[test]
fn crds_are_upgraded_with_the_chart_and_stay_with_all_objects_when_it_goes() {
    let cluster = Cluster::start();
    cluster.make_namespace(NAMESPACE);
    cluster.make_namespace("ml");
    let aws = aws(&["summarizer"]);
    let life = Life { cluster: &cluster, values: values(&aws, NAMESPACE) };
    let folder = tempfile::tempdir().expect("a folder");
    let (previous, this) = (previous(folder.path()), package(&chart(OPERATOR), "0.1.0", folder.path()));
    let _kubelet = Kubelet::start(&cluster, NAMESPACE);

    // A CRD that somebody applied before does not belong to the release, until the release is told to take it.
    cluster.kubectl(&["apply", "--filename", folders::root().join("crds").to_str().expect("a path")]);
    let said = fail(&mut life.bring("install", RELEASE, &previous, &[]));
    assert!(said.contains("invalid ownership metadata"), "{said}");
    succeed(&mut life.bring("upgrade", RELEASE, &previous, &["--install", "--take-ownership", "--force-conflicts"]));
    assert!(BEFORE.ends_with(&life.column()), "{}", life.column());
    let selector = |life: &Life<'_>| {
        life.cluster.get(&["--namespace", NAMESPACE, "deployment", RELEASE])["spec"]["selector"].clone()
    };
    let first = selector(&life);

    // It works, under the rights that the chart gave it.
    let operator = Operator::of(&cluster, NAMESPACE, RELEASE);
    cluster.apply(
        "{apiVersion: bedrock-throughput.dev/v1alpha1, kind: ProvisionedThroughput, metadata: {name: summarizer, namespace: ml}, \
         spec: {provisionedModelId: summarizer, provisionedModelName: summarizer-prod, exportTo: {configMap: {name: model}}}}",
    );
    let object = life.object();
    cluster.get(&["--namespace", "ml", "configmap", "model"]);
    let refused: Vec<String> = cluster
        .requests_of(NAMESPACE, RELEASE)
        .into_iter()
        .filter(|event| event.code == 403)
        .map(|event| event.uri)
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    succeed(&mut life.helm_test(&operator));
    let mut helm_test = life.helm_test(&operator);
    drop(operator);
    let said = fail(helm_test.args(["--timeout", "1s"]));
    assert!(said.contains("/readyz did not answer well within 1s"), "{said}");
    let there = at_aws(&aws);
    let same = |object: &Value| (object["metadata"]["uid"].clone(), object["spec"].clone());

    // Upgrade, and back.
    succeed(&mut life.bring("upgrade", RELEASE, &this, &[]));
    assert!(NOW.ends_with(&life.column()), "{}", life.column());
    assert_eq!(selector(&life), first, "what a Deployment selects by cannot be changed");
    assert_eq!(same(&life.object()), same(&object));
    succeed(&mut life.helm(&["rollback", RELEASE, "--wait"]));
    assert!(BEFORE.ends_with(&life.column()), "{}", life.column());
    assert_eq!(same(&life.object()), same(&object));

    // Away: the CRD and the object stay, and nothing else does.
    succeed(&mut life.helm(&["uninstall", RELEASE, "--wait"]));
    assert_eq!(same(&life.object()), same(&object));
    let label = format!("app.kubernetes.io/instance={RELEASE}");
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,crds,poddisruptionbudgets";
    let left = cluster.names(&[kinds, "--all-namespaces", "--selector", &label]);
    assert_eq!(left, [format!("customresourcedefinition.apiextensions.k8s.io/{CRD}")]);
    assert_eq!(at_aws(&aws), there);

    // Again: the release that left the CRD takes it up, another one has to be told to.
    succeed(&mut life.bring("install", RELEASE, &this, &[]));
    assert!(NOW.ends_with(&life.column()), "{}", life.column());
    succeed(&mut life.helm(&["uninstall", RELEASE, "--wait"]));
    let said = fail(&mut life.bring("install", "other", &this, &[]));
    assert!(said.contains("invalid ownership metadata"), "{said}");
    succeed(&mut life.bring("install", "other", &this, &["--take-ownership"]));
    let _operator = Operator::of(&cluster, NAMESPACE, "other-bedrock-throughput-operator");
    assert_eq!(same(&life.object()), same(&object));
    assert_eq!(at_aws(&aws), there);
}
