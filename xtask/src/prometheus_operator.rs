//! The CRDs of the Prometheus operator, from its Go module: nothing of it is built.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::process;

const GO_MOD: &str = include_str!("../tools/prometheus-operator/go.mod");
const GO_SUM: &str = include_str!("../tools/prometheus-operator/go.sum");
const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
/// Where the CRDs are in the module.
const FOLDER: &str = "example/prometheus-operator-crd";
/// The kinds that the chart makes.
const KINDS: [&str; 3] = ["servicemonitors", "podmonitors", "prometheusrules"];

/// What `go mod download -json` says of a module.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    dir: PathBuf,
}

/// The files with the CRDs of the kinds that the chart makes, checked against `go.sum` when they are downloaded.
///
/// # Errors
/// When there is no Go, or the module cannot be had.
pub fn crds() -> Result<Vec<PathBuf>> {
    let folder = tempfile::tempdir().context("making a temporary folder for go")?;
    fs::write(folder.path().join("go.mod"), GO_MOD).context("writing go.mod")?;
    fs::write(folder.path().join("go.sum"), GO_SUM).context("writing go.sum")?;
    let mut command = Command::new("go");
    command.current_dir(folder.path()).args(["mod", "download", "-json", MODULE]);
    command.env("GOFLAGS", "").env("GOWORK", "off").env("PWD", folder.path());
    let text = process::output(&mut command).with_context(|| format!("downloading the Go module {MODULE}"))?;
    let Module { dir } = serde_json::from_str(&text).context("reading what `go mod download` printed")?;
    Ok(KINDS.map(|kind| dir.join(FOLDER).join(format!("monitoring.coreos.com_{kind}.yaml"))).into())
}
