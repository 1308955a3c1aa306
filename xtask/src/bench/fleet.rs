//! The objects of a run and their throughputs.

use serde_json::{Value, json};

/// The namespace of all objects but one.
pub(super) const CROWD: &str = "bench";
/// The namespace of the last object.
pub(super) const SINGLE: &str = "bench-single";

const MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/b1e2n3c4h5v1";
const BASE: &str = "amazon.nova-lite-v1:0:24k";

/// So many objects, each of a throughput of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fleet {
    /// How many there are.
    pub(super) objects: usize,
}

impl Fleet {
    /// The simulator's seed.
    pub(super) fn seed(self) -> Value {
        let throughput = |index| json!({"arn": arn(index), "name": original(index), "model": MODEL});
        json!({
            "foundationModels": [{"modelId": BASE}],
            "customModels": [{"arn": MODEL, "name": "bench-v1", "baseModel": BASE}],
            "provisionedModels": (0..self.objects).map(throughput).collect::<Vec<_>>(),
        })
    }

    /// An object that asks for what its throughput is.
    pub(super) fn manifest(index: usize) -> Value {
        json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {"name": object(index)},
            "spec": {"provisionedModelId": arn(index), "provisionedModelName": original(index), "modelId": MODEL},
        })
    }

    /// The namespace of an object.
    pub(super) fn namespace(self, index: usize) -> &'static str {
        if index + 1 == self.objects { SINGLE } else { CROWD }
    }
}

/// The ARN of the throughput of an object.
pub(super) fn arn(index: usize) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{index:012}")
}

/// The name of an object.
pub(super) fn object(index: usize) -> String {
    format!("bench-{index}")
}

/// The name that a throughput has in the beginning.
pub(super) fn original(index: usize) -> String {
    format!("bench-{index}")
}

/// The patch of a manifest that asks for another name at AWS.
pub(super) fn rename(name: &str) -> Value {
    json!({"spec": {"provisionedModelName": name}})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_object_has_a_throughput_of_its_own() {
        let seed = Fleet { objects: 200 }.seed();
        let throughputs = seed["provisionedModels"].as_array().unwrap();
        let arns: BTreeSet<_> = throughputs.iter().map(|throughput| throughput["arn"].as_str().unwrap()).collect();
        assert_eq!(arns.len(), 200);
        assert!(arns.contains(Fleet::manifest(199)["spec"]["provisionedModelId"].as_str().unwrap()));
    }

    #[test]
    fn one_object_has_a_namespace_of_its_own() {
        let fleet = Fleet { objects: 3 };
        assert_eq!([0, 1, 2].map(|index| fleet.namespace(index)), [CROWD, CROWD, SINGLE]);
    }
}
