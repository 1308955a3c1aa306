//! In the place of a kubelet, where there are no nodes: says of pods that they are ready. No pod runs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::ControlPlane;
use crate::process;

const READY: &str = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}]}}"#;

/// Of the pods of a namespace.
#[derive(Debug, Clone)]
pub struct Kubelet {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Kubelet {
    /// It has done nothing yet.
    #[must_use]
    pub fn new(plane: &ControlPlane, namespace: &str) -> Self {
        let (kubectl, kubeconfig) = (plane.assets().kubectl(), plane.kubeconfig().to_path_buf());
        Self { kubectl, kubeconfig, namespace: namespace.to_owned() }
    }

    /// Says of every pod that is there that it is ready, and returns how many there are.
    ///
    /// # Errors
    /// When the API server does not answer, or a pod is gone by the time that it is its turn.
    pub fn make_ready(&self) -> Result<usize> {
        let pods = self.kubectl(&["get", "pods", "--output", "json"])?;
        let pods: Value = serde_json::from_str(&pods).context("reading the pods that kubectl printed")?;
        let pods = pods.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |pod: &Value, pointer| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        for pod in pods.iter().filter(|pod| text(pod, "/status/phase") != "Running") {
            let name = text(pod, "/metadata/name");
            self.kubectl(&["patch", "pod", &name, "--subresource=status", "--type=merge", "--patch", READY])?;
        }
        Ok(pods.len())
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).args(["--namespace", &self.namespace]).args(arguments);
        process::output(&mut command)
    }
}
