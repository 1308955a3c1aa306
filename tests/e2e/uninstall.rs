//! Uninstalling, in any order, with many objects under `Retain`: nothing hangs, and AWS is left as it is.

use std::time::Duration;

use bedrock_simulator::{Seed, seed::ProvisionedModelSeed};
use kube::{
    Api, Resource as _,
    api::{DeleteParams, ListParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use xtask::{control_plane::Options, wait::wait_until};

use crate::support::{
    aws::{Aws, SUMMARIZER_V1_NAME},
    control_plane::{Plane, runtime},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::{Object, manifest},
    purchase::{MAY_BUY_AND_DELETE, purchase_with},
};

const COUNT: usize = 50;
/// How many of them were bought by their objects; the others were adopted.
const BOUGHT: usize = 5;

const CRD: &str = "provisionedthroughputs.bedrock-throughput.dev";

/// An operator with many objects under `Retain`, which are all ready.
fn installed(plane: &Plane) -> Environment {
    let aws = Aws::start();
    aws.creating_takes(Duration::ZERO);
    let name = |number: usize| format!("throughput-{number}");
    let there = (BOUGHT..COUNT).map(|number| ProvisionedModelSeed::new(&name(number), SUMMARIZER_V1_NAME));
    let seed = Seed { provisioned_models: there.collect(), ..Seed::default() };
    aws.server().seed(&seed).expect("the throughputs are put there");
    let cluster = Namespace::in_plane(plane);
    for number in 0..COUNT {
        let name = name(number);
        let spec = if number < BOUGHT {
            purchase_with(json!({"provisionedModelName": name}))
        } else {
            // Those with an owner's tags, and those without.
            let policy = if number % 2 == 0 { "Full" } else { "Update" };
            json!({"provisionedModelId": name, "managementPolicy": policy, "deletionPolicy": "Retain"})
        };
        cluster.apply(&manifest(&name, spec));
    }
    let settings = settings(plane, &cluster, &aws, MAY_BUY_AND_DELETE);
    let env = Environment::with_settings(aws, cluster, settings);
    let ready = wait_until(PATIENCE, "all objects are ready", || {
        let is_ready = |object: DynamicObject| {
            let object = serde_json::to_value(object).and_then(serde_json::from_value).expect("an object");
            Object(object).is_ready()
        };
        let ready = env.cluster.list().into_iter().filter(|object| is_ready(object.clone())).count();
        anyhow::ensure!(ready == COUNT, "{ready} are");
        Ok(())
    });
    ready.unwrap_or_else(|error| panic!("{error:#}\n{}", env.operator.log_tail()));
    env
}

/// What AWS has, and what it was asked for.
fn at_aws(env: &Environment) -> (Value, Vec<String>) {
    (json!(env.aws.throughputs()), env.aws.changing_calls())
}

fn api(plane: &Plane, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(plane.admin.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

/// Deletes something of the cluster, and waits until it is gone.
fn delete_and_wait(api: &Api<DynamicObject>, name: &str, env: &Environment) {
    runtime()
        .block_on(api.delete(name, &DeleteParams::default()))
        .unwrap_or_else(|error| panic!("deleting {name}: {error}"));
    wait_until_gone(api, name, env);
}

fn wait_until_gone(api: &Api<DynamicObject>, name: &str, env: &Environment) {
    let gone = wait_until(PATIENCE, &format!("{name} is gone"), || {
        let there = runtime().block_on(api.get_opt(name))?;
        anyhow::ensure!(there.is_none(), "{:?}", there.map(|there| there.data));
        Ok(())
    });
    gone.unwrap_or_else(|error| panic!("{error:#}\n{}", env.operator.log_tail()));
}

/// Every object that is left, of all namespaces.
fn left(plane: &Plane) -> Vec<String> {
    let api = api(plane, "bedrock-throughput.dev", "v1alpha1", "ProvisionedThroughput");
    let objects = runtime().block_on(api.list(&ListParams::default())).expect("listing the objects").items;
    objects.iter().filter_map(|object| object.meta().name.clone()).collect()
}

/// One after the other on one control plane, since each takes something away that all share.
#[test]
fn in_any_order_nothing_hangs_and_aws_is_left_as_it_is() {
    let plane = Plane::start(&Options { controller_manager: true, ..Options::default() });
    plane.install();
    let namespaces = api(&plane, "", "v1", "Namespace");
    let crds = api(&plane, "apiextensions.k8s.io", "v1", "CustomResourceDefinition");

    // The namespace first.
    let env = installed(&plane);
    let before = at_aws(&env);
    delete_and_wait(&namespaces, &env.cluster.name, &env);
    assert_eq!(left(&plane), Vec::<String>::new());
    assert!(env.operator.is_running());
    env.operator.terminate();
    assert!(env.operator.wait_until_ended().success(), "{}", env.operator.log());
    assert_eq!(at_aws(&env), before);

    // The operator first.
    let env = installed(&plane);
    let before = at_aws(&env);
    env.operator.terminate();
    assert!(env.operator.wait_until_ended().success(), "{}", env.operator.log());
    delete_and_wait(&namespaces, &env.cluster.name, &env);
    assert_eq!(left(&plane), Vec::<String>::new());
    assert_eq!(at_aws(&env), before);

    // The CRD first: with it go all objects.
    let env = installed(&plane);
    let before = at_aws(&env);
    delete_and_wait(&crds, CRD, &env);
    assert!(env.operator.is_running(), "it waits for the CRD to come back: {}", env.operator.log());
    delete_and_wait(&namespaces, &env.cluster.name, &env);
    env.operator.terminate();
    assert!(env.operator.wait_until_ended().success(), "{}", env.operator.log());
    assert_eq!(at_aws(&env), before);

    // And everything at once, with an operator that is killed.
    plane.install();
    let env = installed(&plane);
    let before = at_aws(&env);
    for (api, name) in [(&crds, CRD), (&namespaces, &env.cluster.name)] {
        runtime().block_on(api.delete(name, &DeleteParams::default())).expect("deleting");
    }
    env.operator.kill();
    for (api, name) in [(&crds, CRD), (&namespaces, &env.cluster.name)] {
        wait_until_gone(api, name, &env);
    }
    assert_eq!(at_aws(&env), before);
}
