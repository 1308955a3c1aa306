//! The folders with scripts for Argo CD, and the tables of tests in them, in the form of Argo CD's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use xtask::folders;

/// What Argo CD says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// `Healthy`, `Progressing`, `Degraded` or `Suspended`.
    pub status: String,
    /// The sentence beside it.
    #[serde(default)]
    pub message: String,
}

/// An action that can be taken, or not now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Its name.
    pub name: String,
    /// Whether it cannot be taken.
    #[serde(default)]
    pub disabled: bool,
    /// What it is called on screen.
    #[serde(default)]
    pub display_name: String,
}

/// A row of `health_test.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthTest {
    /// The object.
    pub input_path: PathBuf,
    /// What is to be said of it.
    pub health_status: Health,
}

/// A row of `discoveryTests` in `action_test.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoveryTest {
    /// The object.
    pub input_path: PathBuf,
    /// Its actions.
    pub result: Vec<Action>,
}

/// A row of `actionTests` in `action_test.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionTest {
    /// The name of the action.
    pub action: String,
    /// The object.
    pub input_path: PathBuf,
    /// What becomes of it.
    #[serde(default)]
    pub expected_output_path: Option<PathBuf>,
    /// Why it fails.
    #[serde(default)]
    pub expected_error_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthTests {
    tests: Vec<HealthTest>,
}

/// `action_test.yaml`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionTests {
    /// Which actions there are.
    pub discovery_tests: Vec<DiscoveryTest>,
    /// What they do.
    pub action_tests: Vec<ActionTest>,
}

/// The folder of a kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The folder.
    pub folder: PathBuf,
}

impl Kind {
    /// Every kind of the CRDs.
    pub fn all() -> Vec<Self> {
        let crds = folders::files_with(&folders::root(), Path::new("crds"), "yaml").expect("the CRDs");
        let of = |crd: PathBuf| {
            let crd: Value = read(&folders::root().join(crd));
            let text = |pointer| crd.pointer(pointer).and_then(Value::as_str).expect("a CRD has a group and a kind");
            let group = folders::root().join("deploy/argocd/resource_customizations").join(text("/spec/group"));
            Self { folder: group.join(text("/spec/names/kind")) }
        };
        let kinds: Vec<Self> = crds.into_iter().map(of).collect();
        assert!(!kinds.is_empty(), "there are no CRDs");
        kinds
    }

    /// Its health check.
    pub fn health_script(&self) -> PathBuf {
        self.folder.join("health.lua")
    }

    /// What tells its actions.
    pub fn discovery_script(&self) -> PathBuf {
        self.folder.join("actions/discovery.lua")
    }

    /// An action.
    pub fn action_script(&self, name: &str) -> PathBuf {
        self.folder.join("actions").join(name).join("action.lua")
    }

    /// The rows of `health_test.yaml`. Paths are made whole.
    pub fn health_tests(&self) -> Vec<HealthTest> {
        let HealthTests { tests } = read(&self.folder.join("health_test.yaml"));
        let whole = |test: HealthTest| HealthTest { input_path: self.folder.join(&test.input_path), ..test };
        tests.into_iter().map(whole).collect()
    }

    /// The rows of `action_test.yaml`. Paths are made whole.
    pub fn action_tests(&self) -> ActionTests {
        let folder = self.folder.join("actions");
        let mut tests: ActionTests = read(&folder.join("action_test.yaml"));
        for test in &mut tests.discovery_tests {
            test.input_path = folder.join(&test.input_path);
        }
        for test in &mut tests.action_tests {
            test.input_path = folder.join(&test.input_path);
            test.expected_output_path = test.expected_output_path.as_ref().map(|path| folder.join(path));
        }
        tests
    }
}

/// A file of YAML.
pub fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
