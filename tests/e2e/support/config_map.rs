//! ConfigMaps, as applications and people see and make them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{control_plane::runtime, environment::Namespace};

impl Namespace {
    /// A ConfigMap, if it is there.
    pub fn config_map(&self, name: &str) -> Option<ConfigMap> {
        runtime().block_on(self.config_maps().get_opt(name)).expect("getting a ConfigMap")
    }

    /// The data of a ConfigMap. Without it, nothing.
    pub fn config_map_data(&self, name: &str) -> BTreeMap<String, String> {
        self.config_map(name).and_then(|found| found.data).unwrap_or_default()
    }

    /// Makes a ConfigMap that belongs to nobody.
    pub fn create_config_map(&self, name: &str, data: &Value) {
        let made: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).expect("data");
        let made = runtime().block_on(self.config_maps().create(&PostParams::default(), &made));
        made.map_or_else(|error| panic!("making the ConfigMap {name}: {error}"), drop);
    }

    /// Changes a ConfigMap as somebody does who should not.
    pub fn patch_config_map(&self, name: &str, patch: &Value) {
        let patched = runtime().block_on(self.config_maps().patch(name, &PatchParams::default(), &Patch::Merge(patch)));
        patched.map_or_else(|error| panic!("changing the ConfigMap {name}: {error}"), drop);
    }

    /// Deletes a ConfigMap.
    pub fn delete_config_map(&self, name: &str) {
        let deleted = runtime().block_on(self.config_maps().delete(name, &DeleteParams::default()));
        deleted.map_or_else(|error| panic!("deleting the ConfigMap {name}: {error}"), drop);
    }

    /// How often the operator has written a ConfigMap: made, changed or deleted it.
    pub fn config_map_writes(&self, name: &str) -> usize {
        let requests = self.requests_of_the_operator();
        let writes = |verb: &str| ["create", "update", "patch", "delete"].contains(&verb);
        requests
            .iter()
            .filter(|request| request.resource == "configmaps" && writes(&request.verb))
            // The name of what is created is in its body.
            .filter(|request| request.name == name || request.verb == "create")
            .count()
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client(), &self.name)
    }
}
