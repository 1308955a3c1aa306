//! helm, and the charts of this repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;
use xtask::{documents, folders, helm::Helm, process};

/// The chart of the operator.
pub const OPERATOR: &str = "charts/bedrock-throughput-operator";
/// The chart of the simulator.
pub const SIMULATOR: &str = "charts/bedrock-simulator";

/// The release that everybody knows.
pub const RELEASE: &str = "bedrock-throughput-operator";

/// A chart's folder.
pub fn chart(name: &str) -> PathBuf {
    folders::root().join(name)
}

/// helm, built once.
pub fn helm() -> Command {
    static HELM: OnceLock<Helm> = OnceLock::new();
    HELM.get_or_init(|| Helm::find_or_build().expect("helm is built")).command()
}

/// What `helm template` prints of a chart in the release and the namespace that everybody knows.
pub fn template(chart_name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = helm();
    command.args(["template", RELEASE]).arg(chart(chart_name)).args(["--namespace", "bedrock-throughput-system"]);
    process::output(command.args(arguments))
}

/// The same as manifests, by kind and name.
pub fn manifests(chart_name: &str, arguments: &[&str]) -> Vec<Value> {
    let text = template(chart_name, arguments).unwrap_or_else(|error| panic!("{error:#}"));
    let read =
        |manifest: &String| serde_saphyr::from_str(manifest).unwrap_or_else(|error| panic!("{error}:\n{manifest}"));
    let manifests: Vec<Value> = documents::split(&text).iter().map(read).collect();
    manifests.into_iter().filter(|manifest| !manifest.is_null()).collect()
}

/// The only manifest of a kind.
pub fn the_only<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let mut found = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there is more than one {kind}");
    first
}

/// Packs a chart's folder, as a version.
pub fn package(chart: &Path, version: &str, into: &Path) -> PathBuf {
    let mut command = helm();
    command.arg("package").arg(chart).args(["--version", version, "--destination"]).arg(into);
    process::output(&mut command).unwrap_or_else(|error| panic!("{error:#}"));
    into.join(format!("bedrock-throughput-operator-{version}.tgz"))
}
