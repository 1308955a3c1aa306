//! What is bought and deleted: the manifests that ask for it, and what AWS saw of it.

use bedrock_simulator::{Call, Fault, FaultKind, Operation, ProvisionedModel};
use serde_json::{Value, json};

use super::{
    aws::{ARN, Aws, BASE_ARN, SUMMARIZER_V1},
    control_plane::Plane,
    environment::{Environment, Namespace},
};

/// The flags of an operator that may buy and delete.
pub const MAY_BUY_AND_DELETE: &[&str] = &["--allow-create", "--allow-delete"];
/// The name that is bought.
pub const BOUGHT: &str = "bought";
/// The finalizer of objects whose throughput is deleted with them.
pub const FINALIZER: &str = "bedrock-throughput.dev/delete-throughput";

/// What is wanted of a throughput that is to be bought.
pub fn purchase() -> Value {
    json!({"managementPolicy": "Full", "provisionedModelName": BOUGHT, "modelId": SUMMARIZER_V1, "modelUnits": 1})
}

/// The same, with other members; `null` takes one out.
pub fn purchase_with(members: Value) -> Value {
    let mut spec = purchase();
    if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
        spec.extend(members);
        spec.retain(|_, value| !value.is_null());
    }
    spec
}

/// The uid of the namespace `kube-system`: what the operator calls a cluster that nobody has named.
pub fn cluster_uid(plane: &Plane) -> String {
    plane.kubectl(&["get", "namespace", "kube-system", "--output", "jsonpath={.metadata.uid}"])
}

/// The tags that name an object as the owner of a throughput.
pub fn owner_tags(cluster: &str, namespace: &Namespace, object: &str, uid: &str) -> Vec<(String, String)> {
    let tags = [("cluster", cluster), ("namespace", &namespace.name), ("name", object), ("uid", uid)];
    tags.map(|(key, value)| (format!("bedrock-throughput.dev/{key}"), value.to_owned())).into()
}

impl Aws {
    /// The throughputs that were not there at the beginning.
    pub fn bought(&self) -> Vec<ProvisionedModel> {
        self.throughputs().into_values().filter(|throughput| ![ARN, BASE_ARN].contains(&&*throughput.arn)).collect()
    }

    /// The one throughput that was not there at the beginning.
    pub fn the_bought(&self) -> ProvisionedModel {
        let mut bought = self.bought();
        assert_eq!(bought.len(), 1, "{bought:#?}");
        bought.remove(0)
    }

    /// Whether AWS has a throughput.
    pub fn has(&self, arn: &str) -> bool {
        self.throughputs().contains_key(arn)
    }

    /// Every call of an operation so far.
    pub fn all_of(&self, operation: Operation) -> Vec<Call> {
        self.server().calls_of(operation)
    }

    /// The members of every Create so far, whatever became of it.
    pub fn create_requests(&self) -> Vec<Value> {
        self.all_of(Operation::CreateProvisionedModelThroughput).into_iter().map(|call| call.parameters).collect()
    }

    /// The idempotency tokens of every Create so far, each once.
    pub fn tokens(&self) -> Vec<String> {
        let token = |request: &Value| request["clientRequestToken"].as_str().unwrap_or_default().to_owned();
        let mut tokens: Vec<_> = self.create_requests().iter().map(token).collect();
        tokens.dedup();
        tokens
    }

    /// How many calls of an operation were answered without an error.
    pub fn accepted(&self, operation: Operation) -> usize {
        self.all_of(operation).iter().filter(|call| call.carried_out && call.error.is_none()).count()
    }

    /// Lets the next calls of an operation meet a fault.
    pub fn fault_times(&self, operation: Operation, kind: FaultKind, count: u32) {
        self.server().inject(Fault::on(operation, kind).times(count));
    }
}

impl Environment {
    /// An operator that may buy and delete.
    pub fn that_buys(aws: Aws) -> Self {
        Self::with_flags(aws, MAY_BUY_AND_DELETE)
    }

    /// Waits until AWS has been looked at twice more, and an object has been told of what the first look showed.
    pub fn wait_for_another_look(&self, name: &str) {
        let looks = self.aws.looks();
        self.wait_until(name, "AWS is looked at again", || self.aws.looks() >= looks + 2);
    }
}

impl Namespace {
    /// Whether an object is there.
    pub fn has(&self, name: &str) -> bool {
        self.list().iter().any(|object| object.metadata.name.as_deref() == Some(name))
    }

    /// The uid of an object.
    pub fn uid(&self, name: &str) -> String {
        self.get(name).expect("the object").0.metadata.uid.expect("every object has a uid")
    }

    /// The finalizers of an object.
    pub fn finalizers(&self, name: &str) -> Vec<String> {
        self.get(name).expect("the object").0.metadata.finalizers.unwrap_or_default()
    }

    /// Takes the whole status away, as a backup that is restored without it does.
    pub fn wipe_status(&self, name: &str) {
        self.patch_status(name, &json!({"status": null}));
    }
}
