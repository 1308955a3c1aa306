//! In the place of a kubelet: says of every pod of a namespace that it is ready. No pod runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use super::cluster::Cluster;

const READY: &str = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}]}}"#;

/// Works until it is dropped.
pub struct Kubelet {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// Begins for a namespace.
    pub fn start(cluster: &Cluster, namespace: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ended);
        let kubeconfig = cluster.processes().kubeconfig().to_path_buf();
        let kubectl = cluster.processes().assets().kubectl();
        let namespace = namespace.to_owned();
        let kubectl = move |arguments: &[&str]| {
            let mut command = std::process::Command::new(&kubectl);
            command.env("KUBECONFIG", &kubeconfig).args(["--namespace", &namespace]);
            xtask::process::output(command.args(arguments))
        };
        let thread = thread::spawn(move || {
            while !has_ended.load(Ordering::Relaxed) {
                // What fails is tried again: the pod may be gone, and the end of the cluster ends the test anyway.
                let pods = kubectl(&["get", "pods", "--output", "json"]).unwrap_or_default();
                let pods: Value = serde_json::from_str(&pods).unwrap_or_default();
                for pod in pods["items"].as_array().into_iter().flatten() {
                    if pod["status"]["phase"] != "Running" {
                        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                        let _ =
                            kubectl(&["patch", "pod", name, "--subresource=status", "--type=merge", "--patch", READY]);
                    }
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
