//! Stands in for Flux's source-controller: serves artifacts over HTTP, and writes the status that it would write.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{stage, support::control_plane::runtime};

type Artifacts = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The stand-in.
pub struct Sources {
    address: SocketAddr,
    artifacts: Artifacts,
}

impl Sources {
    /// Serves no artifacts yet.
    pub fn start() -> Self {
        let artifacts = Artifacts::default();
        let answer = async |State(artifacts): State<Artifacts>, UrlPath(name): UrlPath<String>| {
            let artifact = artifacts.lock().expect("nobody panics while holding the artifacts").get(&name).cloned();
            artifact.ok_or(StatusCode::NOT_FOUND)
        };
        let router = Router::new().route("/{name}", get(answer)).with_state(Arc::clone(&artifacts));
        let listener = runtime().block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        runtime().spawn(async move { axum::serve(listener, router).await });
        Self { address, artifacts }
    }

    /// Makes files the newest commit of a `GitRepository`.
    pub fn commit(&self, repository: &Value, files: &[(&str, String)]) {
        let folder = tempfile::tempdir().expect("a folder for a commit");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("making a folder");
            fs::write(path, text).expect("writing a file");
        }
        let archive = archive(folder.path(), ".");
        let revision = format!("main@sha1:{}", &hex(&archive)[..40]);
        self.publish(repository, archive, &revision);
    }

    /// Makes a chart the newest artifact of an `OCIRepository`.
    pub fn push_chart(&self, repository: &Value, chart: &Path, version: &str) {
        let (parent, name) = (chart.parent().expect("a chart is in a folder"), chart.file_name().expect("a name"));
        let archive = archive(parent, name.to_str().expect("a name in UTF-8"));
        let revision = format!("{version}@sha256:{}", hex(&archive));
        self.publish(repository, archive, &revision);
    }

    fn publish(&self, repository: &Value, archive: Vec<u8>, revision: &str) {
        let there = stage::get(repository).expect("the repository");
        let (hash, size) = (hex(&archive), archive.len());
        let name = format!("{hash}.tar.gz");
        self.artifacts.lock().expect("nobody panics while holding the artifacts").insert(name.clone(), archive);
        let (generation, now) = (&there["metadata"]["generation"], Timestamp::now().to_string());
        let condition = |type_| {
            json!({"type": type_, "status": "True", "reason": "Succeeded", "message": format!("stored artifact for revision '{revision}'"),
                "observedGeneration": generation, "lastTransitionTime": now})
        };
        let artifact = json!({"url": format!("http://{}/{name}", self.address), "path": name, "revision": revision,
            "digest": format!("sha256:{hash}"), "size": size, "lastUpdateTime": now});
        let conditions = [condition("Ready"), condition("ArtifactInStorage")];
        stage::write_status(
            repository,
            json!({"observedGeneration": generation, "artifact": artifact, "conditions": conditions}),
        );
    }
}

/// What is called `name` in a folder, as a compressed archive.
fn archive(folder: &Path, name: &str) -> Vec<u8> {
    let output =
        Command::new("tar").arg("-czf").arg("-").arg("-C").arg(folder).arg(name).output().expect("starting tar");
    assert!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
