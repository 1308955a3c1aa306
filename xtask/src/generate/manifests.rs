//! The manifests for kubectl and kustomize, rendered from the charts so that there is one source.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Wanted, charts, crd_name, header, read};
use crate::documents;
use crate::helm::Helm;
use crate::process;

/// One file for `kubectl apply`.
pub(super) const INSTALL: &str = "deploy/install.yaml";
const KUSTOMIZE: &str = "deploy/kustomize";
/// The namespace of the operator, which a chart does not make.
const NAMESPACE_FILE: &str = "deploy/kustomize/base/namespace.yaml";
const NAMESPACE: &str = "bedrock-throughput-system";

/// A ConfigMap with further settings, for those who do not render the chart themselves. Not of the Lease's name: kustomize would take the
/// name in the Lease's Role for that of the ConfigMap, and change it with the hash of what it generates.
const SETTINGS: &str = r#"extraEnvFrom=[{"configMapRef":{"name":"bedrock-throughput-settings","optional":true}}]"#;
/// Without a ClusterRole the operator has to be told which cluster this is: no pod starts before the ConfigMap says so.
const CLUSTER_NAME: &str = r#"extraEnv=[{"name":"BTO_CLUSTER_NAME","valueFrom":{"configMapKeyRef":{"name":"bedrock-throughput-settings","key":"BTO_CLUSTER_NAME"}}}]"#;

const ABOUT_SETTINGS: &str = "\
# Settings are AWS_REGION, and each flag of `run` by its environment variable (BTO_DEFAULT_INTERVAL and so on; see `run --help`).
# They go into a ConfigMap, which pods read when they start:
#   kubectl --namespace bedrock-throughput-system create configmap bedrock-throughput-settings --from-literal=AWS_REGION=us-east-1
#   kubectl --namespace bedrock-throughput-system rollout restart deployment/bedrock-throughput-operator
# Buying and deleting throughput are off. To turn them on, add BTO_ALLOW_CREATE=true or BTO_ALLOW_DELETE=true to that ConfigMap,
# and the statements BuyThroughputs or DeleteThroughputs of deploy/iam/full.json to the IAM role. Whatever waits for them is then
# done at once: look first, with
#   kubectl get pt --all-namespaces | grep -E 'CreateNotAllowed|DeleteNotAllowed'
";

/// A rendering of a chart.
#[derive(Debug)]
pub(super) struct Rendering<'a> {
    /// The folder of the chart, relative to the checkout's root.
    pub(super) chart: &'a str,
    /// The release.
    pub(super) name: &'a str,
    /// Values, as for `--set-json`.
    pub(super) values: &'a [&'a str],
}

/// What renders charts as they will be with these files.
pub(super) type Render<'a> = dyn Fn(&Path, &[Wanted], &Rendering<'_>) -> Result<String> + 'a;

/// The manifests, from the charts as they will be with `charts`.
pub(super) fn files(root: &Path, crds: &[String], charts: &[Wanted], render: &Render<'_>) -> Result<Vec<Wanted>> {
    let namespace = read(&root.join(NAMESPACE_FILE))?.with_context(|| format!("there is no {NAMESPACE_FILE}"))?;
    let render = |chart: &str, name: &str, values: &[&str]| {
        let rendered = render(root, charts, &Rendering { chart, name, values });
        rendered.map(|text| plain(&text)).with_context(|| format!("rendering {chart}"))
    };
    let operator = "bedrock-throughput-operator";
    let base = render(charts::OPERATOR, operator, &["crds.enabled=false", SETTINGS])?;
    let watched = format!(r#"watchNamespaces=["{NAMESPACE}"]"#);
    let namespaced = render(charts::OPERATOR, operator, &["crds.enabled=false", SETTINGS, CLUSTER_NAME, &watched])?;
    let simulator = render(charts::SIMULATOR, "bedrock-simulator", &[])?;
    let from_operator = header("charts/bedrock-throughput-operator");
    let install = [vec![namespace.as_str()], crds.iter().map(String::as_str).collect(), vec![base.as_str()]].concat();
    let install = documents::join(install);
    let mut files = vec![
        wanted(INSTALL, format!("{from_operator}#\n{ABOUT_SETTINGS}{install}")),
        wanted(&format!("{KUSTOMIZE}/base/operator.yaml"), format!("{from_operator}{base}")),
        wanted(&format!("{KUSTOMIZE}/overlays/namespaced/operator.yaml"), format!("{from_operator}{namespaced}")),
        wanted(
            &format!("{KUSTOMIZE}/overlays/simulator/simulator.yaml"),
            format!("{}{simulator}", header(charts::SIMULATOR)),
        ),
    ];
    for crd in crds {
        let path = format!("{KUSTOMIZE}/base/{}.yaml", crd_name(crd)?);
        files.push(wanted(&path, format!("{}{crd}", header("the types in src/crd.rs"))));
    }
    Ok(files)
}

fn wanted(path: &str, text: String) -> Wanted {
    Wanted { path: path.into(), text: Some(text) }
}

/// What helm rendered, without what only helm needs: labels that say that helm manages it, and where it came from.
fn plain(rendered: &str) -> String {
    let is_helms = |line: &&str| {
        let line = line.trim_start();
        ["helm.sh/", "app.kubernetes.io/managed-by:", "# Source:"].iter().any(|of_helm| line.starts_with(of_helm))
    };
    let text: String =
        rendered.lines().filter(|line| !is_helms(line)).fold(String::new(), |text, line| text + line + "\n");
    documents::join(documents::split(&text).iter().map(String::as_str))
}

/// Renders with helm, from a copy of the chart into which the generated files are put.
pub(super) fn with_helm(helm: &Helm, root: &Path, charts: &[Wanted], rendering: &Rendering<'_>) -> Result<String> {
    let Rendering { chart, name, values } = rendering;
    let copy = tempfile::tempdir().context("making a temporary folder for a chart")?;
    copy_folder(&root.join(chart), &copy.path().join(chart))?;
    for Wanted { path, text } in charts.iter().filter(|wanted| wanted.path.starts_with(chart)) {
        super::put(&copy.path().join(path), text.as_deref())?;
    }
    let mut command = helm.command();
    command.args(["template", name]).arg(copy.path().join(chart)).args(["--namespace", NAMESPACE, "--skip-tests"]);
    for value in *values {
        command.args(["--set-json", value]);
    }
    process::output(&mut command)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let copying = || format!("copying {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(copying)?;
    for entry in fs::read_dir(from).with_context(copying)? {
        let entry = entry.with_context(copying)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(copying)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_helm_is_left() {
        let rendered = "---\n# Source: x/templates/y.yaml\n# A comment.\nkind: A\nmetadata:\n  labels:\n    helm.sh/chart: x-1\n    app.kubernetes.io/managed-by: Helm\n    app.kubernetes.io/name: x\n---\n# Source: z\n\n";
        let wanted = "# A comment.\nkind: A\nmetadata:\n  labels:\n    app.kubernetes.io/name: x\n";
        assert_eq!(plain(rendered), wanted);
    }

    #[test]
    fn a_folder_is_copied_with_what_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("below")).unwrap();
        fs::write(from.join("below/file"), "text").unwrap();
        copy_folder(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("below/file")).unwrap(), "text");
    }
}
