//! The control plane that all tests share, and what each has of its own.

use std::{panic::catch_unwind, path::Path, sync::OnceLock, time::Duration};

use anyhow::{Context as _, bail};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use xtask::{
    control_plane::{Options, kubelet::Kubelet},
    documents, folders,
    wait::wait_until,
};

use crate::support::{
    aws::{ARN, Aws, NAME},
    control_plane::{Plane, runtime},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
};

/// A control plane with the CRD and the operator's rights, and with the controllers of Kubernetes itself.
pub fn plane() -> &'static Plane {
    static PLANE: OnceLock<Option<Plane>> = OnceLock::new();
    let plane = PLANE.get_or_init(|| {
        let start = || {
            let plane = Plane::start(&Options { controller_manager: true, ..Options::default() });
            plane.install();
            plane
        };
        catch_unwind(start).ok()
    });
    plane.as_ref().expect("the control plane did not start: see the first panic")
}

/// A namespace, and an operator that watches it.
pub fn environment(aws: Aws) -> Environment {
    let cluster = Namespace::in_plane(plane());
    let settings = settings(plane(), &cluster, &aws, &[]);
    Environment::with_settings(aws, cluster, settings)
}

/// The API of a kind in a namespace.
pub fn api(object: &Value) -> Api<DynamicObject> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
    match text("/metadata/namespace") {
        "" => Api::all_with(plane().admin.clone(), &resource),
        namespace => Api::namespaced_with(plane().admin.clone(), namespace, &resource),
    }
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).expect("an object has a name")
}

/// Applies an object, as a person who administers the cluster.
pub fn apply(object: &Value) {
    let parameters = PatchParams::apply("admin").force();
    let applied = runtime().block_on(api(object).patch(name(object), &parameters, &Patch::Apply(object)));
    applied.unwrap_or_else(|error| panic!("applying {object}: {error}"));
}

/// Changes an object by a merge patch, as a person who edits it.
pub fn edit(object: &Value, patch: Value) {
    let edited = runtime().block_on(api(object).patch(name(object), &PatchParams::default(), &Patch::Merge(&patch)));
    edited.unwrap_or_else(|error| panic!("editing {object}: {error}"));
}

/// Writes the status of an object.
pub fn write_status(object: &Value, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    let written = runtime().block_on(api(object).patch_status(name(object), &PatchParams::default(), &patch));
    written.unwrap_or_else(|error| panic!("writing the status of {object}: {error}"));
}

/// An AWS where a change goes on until the test ends it.
pub fn slow() -> Aws {
    let aws = Aws::start();
    aws.server().set(|settings| settings.updating_seconds = 3600.0.try_into().expect("a number of seconds"));
    aws
}

/// The spec of an object that wants a model for the throughput that AWS has.
pub fn on_model(model: &str) -> Value {
    json!({"provisionedModelId": ARN, "provisionedModelName": NAME, "modelId": model})
}

/// The object that is delivered, without a spec.
pub fn throughput_in(env: &Environment) -> Value {
    let mut object = manifest("summarizer", json!({}));
    object["metadata"]["namespace"] = json!(env.cluster.name);
    object
}

/// An object as it is now.
pub fn get(object: &Value) -> anyhow::Result<Value> {
    let got = async { tokio::time::timeout(Duration::from_secs(10), api(object).get(name(object))).await };
    let got = runtime().block_on(got).context("the API server does not answer")??;
    Ok(serde_json::to_value(got)?)
}

/// Waits until an object is as `condition` says, and returns it. `what` ends the sentence "waited until …".
pub fn wait_for(object: &Value, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let found = wait_until(PATIENCE, &format!("{} {what}", name(object)), || {
        let there = get(object)?;
        if condition(&there) {
            return Ok(there);
        }
        bail!("its status is {:#}", there["status"])
    });
    found.unwrap_or_else(|error| panic!("{error:#}"))
}

/// `status reason: message` of the condition of a type.
pub fn condition(object: &Value, type_: &str) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |condition: &Value, member: &str| condition[member].as_str().unwrap_or_default().to_owned();
    let told = |it: &Value| format!("{} {}: {}", text(it, "status"), text(it, "reason"), text(it, "message"));
    conditions.into_iter().find(|it| it["type"] == type_).map(told).unwrap_or_default()
}

/// The documents of a file of `deploy/`.
pub fn shipped(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folders::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let documents = documents::split(&text);
    documents
        .iter()
        .map(|document| serde_saphyr::from_str(document))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The document of a kind.
pub fn of_kind(documents: &[Value], kind: &str) -> Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone()
}

/// Lets the API server say whether it takes a file of `deploy/`, with no field that it does not know.
pub fn try_on(path: &str) {
    let file = folders::root().join(path);
    let file = file.to_str().expect("a path in UTF-8");
    plane().kubectl(&[
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--filename",
        file,
    ]);
}

/// Installs CRDs, and waits until they are served.
pub fn install_crds(files: &[impl AsRef<Path>]) {
    for file in files {
        plane().processes.apply(file.as_ref()).expect("installing a CRD");
    }
    // For a moment they have no conditions, which kubectl takes for an error.
    let served = wait_until(PATIENCE, "the CRDs are served", || {
        plane().processes.kubectl_output(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
    });
    served.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Says of every pod of a namespace that it is ready until `until` holds.
pub fn play_kubelet(namespace: &str, until: impl Fn() -> bool) {
    let kubelet = Kubelet::new(&plane().processes, namespace);
    let held = wait_until(PATIENCE, &format!("the pods of {namespace} are enough"), || {
        if until() {
            return Ok(());
        }
        bail!("there are {} pods", kubelet.make_ready()?)
    });
    held.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Objects as they stand in a file of a repository.
pub fn as_yaml(objects: &[Value]) -> String {
    objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).expect("an object as YAML"))
        .collect::<Vec<_>>()
        .join("---\n")
}
