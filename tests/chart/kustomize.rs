//! The kustomizations that are rendered from the charts, under a kustomization of a user's own.

use std::{fs, process::Command};

use serde_json::Value;
use xtask::{control_plane::assets, documents, folders};

use crate::support::{cluster::succeed, helm::the_only};

/// What comes out of a user's kustomization over one of ours.
fn build(folder: &str, further: &str) -> Vec<Value> {
    let work = tempfile::tempdir().expect("a folder");
    succeed(Command::new("cp").arg("-R").arg(folders::root().join("deploy/kustomize")).arg(work.path()));
    let user = work.path().join("user");
    fs::create_dir(&user).expect("a folder");
    let text = format!("resources: [../kustomize/{folder}]\n{further}\n");
    fs::write(user.join("kustomization.yaml"), text).expect("a kustomization");
    let kubectl = assets::find_or_build().expect("kubectl").kubectl();
    let built = succeed(Command::new(kubectl).arg("kustomize").arg(&user));
    documents::split(&built).iter().map(|manifest| serde_saphyr::from_str(manifest).expect("YAML")).collect()
}

fn variable<'a>(manifests: &'a [Value], name: &str) -> &'a Value {
    let deployments = manifests.iter().filter(|manifest| manifest["kind"] == "Deployment");
    let mut variables = deployments.flat_map(|deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().into_iter().flatten()
    });
    variables.find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// The Role of the Lease names the Lease that the operator takes, whatever kustomize does with names.
fn assert_the_lease_is_allowed(manifests: &[Value]) {
    let named = manifests
        .iter()
        .filter(|manifest| manifest["kind"] == "Role")
        .find_map(|role| role.pointer("/rules/0/resourceNames/0"));
    assert_eq!(named, Some(&variable(manifests, "BTO_LEADER_ELECT_RESOURCE_NAME")["value"]));
}

/// The name that kustomize gave the ConfigMap with the settings, which the Deployment reads.
fn assert_the_settings_are_read(manifests: &[Value]) -> String {
    let name = the_only(manifests, "ConfigMap")["metadata"]["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("bedrock-throughput-settings-"), "{name}");
    let read = manifests
        .iter()
        .find_map(|manifest| manifest.pointer("/spec/template/spec/containers/0/envFrom/0/configMapRef/name"));
    assert_eq!(read, Some(&Value::from(name.clone())));
    name
}

#[test]
fn the_base_takes_settings_and_an_image() {
    let further = "images: [{name: bedrock-throughput-operator, newName: registry.example/operator, digest: \
        'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}]\n\
        configMapGenerator: [{name: bedrock-throughput-settings, namespace: bedrock-throughput-system, literals: [AWS_REGION=us-east-1]}]";
    let manifests = build("base", further);
    assert_the_settings_are_read(&manifests);
    assert_the_lease_is_allowed(&manifests);
    let image = the_only(&manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
        .as_str()
        .expect("an image");
    assert!(image.starts_with("registry.example/operator@sha256:0123"), "{image}");
    the_only(&manifests, "CustomResourceDefinition");
    the_only(&manifests, "Namespace");
}

#[test]
fn the_overlay_for_one_namespace_can_be_moved_to_another() {
    let further =
        "namespace: ml\nconfigMapGenerator: [{name: bedrock-throughput-settings, literals: [BTO_CLUSTER_NAME=prod-1]}]";
    let manifests = build("overlays/namespaced", further);
    let settings = assert_the_settings_are_read(&manifests);
    assert_the_lease_is_allowed(&manifests);
    let cluster_name = variable(&manifests, "BTO_CLUSTER_NAME");
    assert_eq!(cluster_name.pointer("/valueFrom/configMapKeyRef/name"), Some(&Value::from(settings)));
    let watched = variable(&manifests, "BTO_WATCH_NAMESPACES");
    assert_eq!(watched.pointer("/valueFrom/fieldRef/fieldPath"), Some(&Value::from("metadata.namespace")));
    for manifest in &manifests {
        assert_eq!(manifest["metadata"]["namespace"], "ml", "{manifest}");
        assert!(manifest["kind"] != "ClusterRole" && manifest["kind"] != "ClusterRoleBinding", "{manifest}");
        if manifest["kind"] == "RoleBinding" {
            assert_eq!(manifest["subjects"][0]["namespace"], "ml", "{manifest}");
        }
    }
}

#[test]
fn the_overlay_for_development_uses_the_simulator() {
    let manifests = build("overlays/simulator", "");
    assert_the_settings_are_read(&manifests);
    assert_the_lease_is_allowed(&manifests);
    let url = the_only(&manifests, "ConfigMap")["data"]["AWS_ENDPOINT_URL_BEDROCK"].as_str().expect("a URL");
    let service = manifests
        .iter()
        .find(|manifest| manifest["kind"] == "Service" && manifest["metadata"]["name"] == "bedrock-simulator")
        .expect("the simulator's Service");
    assert_eq!(url, format!("http://bedrock-simulator:{}", service["spec"]["ports"][0]["port"]));
}
