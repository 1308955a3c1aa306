//! In the place of a kubelet, beside helm while it waits.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use xtask::control_plane::kubelet;

use super::cluster::Cluster;

/// How often it looks for new pods.
const EVERY: Duration = Duration::from_millis(200);

/// Works until it is dropped.
pub struct Kubelet {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// Begins for a namespace.
    pub fn start(cluster: &Cluster, namespace: &str) -> Self {
        let kubelet = kubelet::Kubelet::new(cluster.processes(), namespace);
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                // What fails is tried again: the pod may be gone, and the end of the cluster ends the test anyway.
                let _ = kubelet.make_ready();
            }
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
