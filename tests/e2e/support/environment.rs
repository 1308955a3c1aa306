//! What a test has of its own: an AWS, a namespace, and an operator that watches it.

use std::{
    fmt::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use xtask::{control_plane::AuditEvent, wait::wait_until};

use super::{
    aws::Aws,
    control_plane::{Plane, plane, runtime},
    object::{Object, RECONCILE_REQUESTED_AT, event_line},
    operator::{Operator, Settings},
};

/// How long a state of things is waited for. Long, because the machine may be busy with other work; reached only by a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A namespace of the shared control plane.
#[derive(Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    client: Client,
}

impl Namespace {
    /// A new one in the shared control plane.
    pub fn new() -> Self {
        Self::in_plane(plane())
    }

    /// One for tests that leave nothing in it.
    pub fn shared() -> Self {
        static SHARED: OnceLock<Namespace> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// A new one in another control plane.
    pub fn in_plane(plane: &Plane) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let api: Api<DynamicObject> = Api::all_with(plane.admin.clone(), &resource("", "v1", "Namespace"));
        let parameters = PatchParams::apply("tests");
        runtime().block_on(api.patch(&name, &parameters, &Patch::Apply(&namespace))).expect("making a namespace");
        Self { name, client: plane.admin.clone() }
    }

    /// Applies a manifest as a user does.
    pub fn apply(&self, manifest: &Value) {
        self.try_apply(manifest).unwrap_or_else(|refused| panic!("the manifest is refused: {refused}\n{manifest}"));
    }

    /// Applies a manifest, and returns what admission says where it refuses it.
    pub fn try_apply(&self, manifest: &Value) -> Result<(), kube::Error> {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let parameters = PatchParams::apply("user").force();
        runtime().block_on(self.dynamic().patch(name, &parameters, &Patch::Apply(manifest))).map(drop)
    }

    /// Creates an object from any JSON, as a client without manners does.
    pub fn create(&self, manifest: &Value) -> Result<(), kube::Error> {
        let path = format!("/apis/bedrock-throughput.dev/v1alpha1/namespaces/{}/provisionedthroughputs", self.name);
        let request = axum::http::Request::post(path).header("content-type", "application/json");
        let request = request.body(manifest.to_string().into_bytes()).expect("a request");
        runtime().block_on(self.client.request_text(request)).map(drop)
    }

    /// Takes members of the status away or puts them there, as a restored backup does.
    pub fn patch_status(&self, name: &str, patch: &Value) {
        let api = self.dynamic();
        let patched = async { api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await };
        runtime().block_on(patched).map_or_else(|error| panic!("patching the status of {name}: {error}"), drop);
    }

    /// Gives an object an annotation, or takes one away, as `kubectl annotate` does.
    pub fn annotate(&self, name: &str, key: &str, value: Option<&str>) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        let patched = runtime().block_on(self.dynamic().patch(name, &PatchParams::default(), &patch));
        patched.map_or_else(|error| panic!("annotating {name}: {error}"), drop);
    }

    /// Deletes an object.
    pub fn delete(&self, name: &str) {
        let deleted = runtime().block_on(self.dynamic().delete(name, &DeleteParams::default()));
        deleted.map_or_else(|error| panic!("deleting {name}: {error}"), drop);
    }

    /// An object as it is now.
    pub fn get(&self, name: &str) -> anyhow::Result<Object> {
        let api: Api<bedrock_throughput_operator::crd::ProvisionedThroughput> =
            Api::namespaced(self.client.clone(), &self.name);
        let object = runtime().block_on(async { tokio::time::timeout(Duration::from_secs(10), api.get(name)).await });
        Ok(Object(object.context("the API server does not answer")??))
    }

    /// Whether an object is there.
    pub fn exists(&self, name: &str) -> bool {
        runtime().block_on(self.dynamic().get_opt(name)).expect("an answer of the API server").is_some()
    }

    /// All objects, as the API server has them.
    pub fn list(&self) -> Vec<DynamicObject> {
        runtime().block_on(self.dynamic().list(&ListParams::default())).expect("listing the objects").items
    }

    /// The events about an object, oldest first, one line each.
    pub fn events(&self, name: &str) -> Vec<String> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.name, &resource("events.k8s.io", "v1", "Event"));
        let mut events = runtime().block_on(api.list(&ListParams::default())).expect("listing the events").items;
        let time = |event: &DynamicObject| event.data["eventTime"].as_str().unwrap_or_default().to_owned();
        events.sort_by_key(time);
        events.iter().filter(|event| event.data["regarding"]["name"] == name).map(event_line).collect()
    }

    /// The reasons of the events about an object, oldest first.
    pub fn event_reasons(&self, name: &str) -> Vec<String> {
        self.events(name).iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    }

    /// What kubectl prints, in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        plane().kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// What kubectl says when it refuses or is refused, in this namespace.
    pub fn kubectl_fails(&self, arguments: &[&str]) -> String {
        let output = plane().processes.kubectl_output(&[&["--namespace", &self.name], arguments].concat());
        output.map_or_else(|error| format!("{error:#}"), |output| panic!("kubectl takes it: {output}"))
    }

    /// The operator's requests about this namespace.
    pub fn requests_of_the_operator(&self) -> Vec<AuditEvent> {
        plane().requests_of_the_operator(&self.name)
    }

    /// How often the operator has written the status of an object.
    pub fn status_writes(&self, name: &str) -> usize {
        let written = |event: &AuditEvent| event.verb == "patch" && event.subresource == "status" && event.name == name;
        self.requests_of_the_operator().iter().filter(|event| written(event)).count()
    }

    /// The client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    fn dynamic(&self) -> Api<DynamicObject> {
        let kind = resource("bedrock-throughput.dev", "v1alpha1", "ProvisionedThroughput");
        Api::namespaced_with(self.client.clone(), &self.name, &kind)
    }
}

pub(super) fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// An AWS, a namespace, and an operator that watches it.
pub struct Environment {
    /// AWS.
    pub aws: Aws,
    /// The namespace.
    pub cluster: Namespace,
    /// The operator.
    pub operator: Operator,
    /// How another operator would be started.
    pub settings: Settings,
}

impl Environment {
    /// An operator with the shortest read lag, so that tests are short.
    pub fn new(aws: Aws) -> Self {
        Self::with_flags(aws, &[])
    }

    /// The same, with further flags of `run`. A flag given here takes the place of the usual one.
    pub fn with_flags(aws: Aws, flags: &[&str]) -> Self {
        let cluster = Namespace::new();
        let settings = settings(plane(), &cluster, &aws, flags);
        Self::with_settings(aws, cluster, settings)
    }

    /// The same, all told.
    pub fn with_settings(aws: Aws, cluster: Namespace, settings: Settings) -> Self {
        let operator = Operator::start(&settings);
        Self { aws, cluster, operator, settings }
    }

    /// Kills the operator and starts another one in its place.
    pub fn restart_the_operator(&mut self) {
        self.operator.kill();
        self.start_the_operator();
    }

    /// Starts another operator in the place of one that has ended.
    pub fn start_the_operator(&mut self) {
        self.operator = Operator::start(&self.settings);
    }

    /// The same, with other environment variables from now on.
    pub fn restart_the_operator_with(&mut self, environment: Vec<(String, Option<String>)>) {
        self.settings.environment = environment;
        self.restart_the_operator();
    }

    /// Waits until an object is as `condition` says. `what` ends the sentence "waited until …".
    pub fn wait_for(&self, name: &str, what: &str, condition: impl Fn(&Object) -> bool) -> Object {
        let found = wait_until(PATIENCE, &format!("{name} {what}"), || {
            let object = self.cluster.get(name)?;
            if condition(&object) {
                return Ok(object);
            }
            bail!("it is not so")
        });
        found.unwrap_or_else(|error| panic!("{error:#}\n{}", self.story(name)))
    }

    /// Waits until an object is ready.
    pub fn wait_until_ready(&self, name: &str) -> Object {
        self.wait_for(name, "is ready", Object::is_ready)
    }

    /// Waits until an object is stalled for this reason.
    pub fn wait_until_stalled(&self, name: &str, reason: &str) -> Object {
        self.wait_for(name, &format!("is stalled: {reason}"), |object| object.is_stalled(reason))
    }

    /// Asks for a look, and waits until what it showed has been told.
    pub fn ask_for_a_look(&self, name: &str) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let request = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.cluster.annotate(name, RECONCILE_REQUESTED_AT, Some(&request));
        self.wait_for(name, "has answered the request", |object| object.status("/lastHandledReconcileAt") == request);
    }

    /// Waits until an object is gone.
    pub fn wait_until_gone(&self, name: &str) {
        self.wait_until(name, &format!("{name} is gone"), || !self.cluster.exists(name));
    }

    /// Waits until the events about an object have these reasons, in this order, and no others.
    pub fn wait_for_events(&self, name: &str, reasons: &[&str]) {
        let what = format!("the events of {name} are {reasons:?}");
        self.wait_until(name, &what, || self.cluster.event_reasons(name) == reasons);
    }

    /// Waits until something else holds.
    pub fn wait_until(&self, name: &str, what: &str, condition: impl Fn() -> bool) {
        let held = wait_until(PATIENCE, what, || if condition() { Ok(()) } else { bail!("it is not so") });
        held.unwrap_or_else(|error| panic!("{error:#}\n{}", self.story(name)));
    }

    /// Everything that helps to understand what became of an object.
    pub fn story(&self, name: &str) -> String {
        let mut story = String::new();
        let object = self.cluster.get(name).map(|mut object| {
            object.0.metadata.managed_fields = None;
            serde_json::to_string_pretty(&object.0).unwrap_or_default()
        });
        let object = object.unwrap_or_else(|error| format!("(it cannot be read: {error:#})"));
        let _ = writeln!(story, "--- the object:\n{object}");
        let _ = writeln!(story, "--- its events:\n{}", self.cluster.events(name).join("\n"));
        let _ = writeln!(story, "--- the calls to AWS:\n{}", self.aws.call_lines().join("\n"));
        let _ = writeln!(story, "--- the end of the operator's log:\n{}", self.operator.log_tail());
        story
    }
}

/// The usual settings of an operator in a namespace.
pub fn settings(plane: &Plane, cluster: &Namespace, aws: &Aws, flags: &[&str]) -> Settings {
    let mut all: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    for (flag, value) in [("--default-interval", "10s"), ("--read-lag", "1s"), ("--aws-timeout", "5s")] {
        if !flags.contains(&flag) {
            all.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    Settings {
        namespace: cluster.name.clone(),
        kubeconfig: plane.operator_kubeconfig.clone(),
        aws_url: aws.url(),
        flags: all,
        environment: Vec::new(),
    }
}
