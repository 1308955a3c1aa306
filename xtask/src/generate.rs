//! Files that are generated: the CRDs, files of the charts, the manifests for kubectl and kustomize, Argo CD's settings, and pictures and
//! marked blocks of the documentation.

mod argocd;
mod charts;
mod manifests;
mod pictures;
mod reference;
mod values;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use similar::TextDiff;

use self::manifests::Render;
use crate::binaries::OPERATOR;
use crate::documents;
use crate::folders;
use crate::helm::Helm;
use crate::process;
use crate::progress::say;

/// What makes and checks the files.
pub const COMMAND: &str = "cargo xtask generate";

const CRDS: &str = "crds";

const BLOCK: &str = "<!-- generated: ";
const BLOCK_END: &str = "<!-- /generated -->";

/// What the programs say about themselves, from which the files are made.
#[derive(Debug)]
struct Sources {
    /// All CRDs, as YAML documents.
    crds: String,
    /// The help text of the operator's `run`.
    run_help: String,
    /// The help text of the operator's `plan`.
    plan_help: String,
    /// The operator's list of metrics, as a Markdown table.
    metrics: String,
}

/// A file as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Relative to the checkout's root.
    path: PathBuf,
    /// `None`: there should be no such file.
    text: Option<String>,
}

/// Writes all generated files, or with `check` only compares them. `operator` is the operator's binary; without it, it
/// is built.
///
/// # Errors
/// When the operator or helm cannot be built or asked, a source is missing, or with `check` a file differs.
pub fn run(check: bool, operator: Option<&Path>) -> Result<()> {
    let root = folders::root();
    let helm = Helm::find_or_build()?;
    let render: &Render<'_> = &|root, charts, rendering| manifests::with_helm(&helm, root, charts, rendering);
    let differing: Vec<(Wanted, String)> = wanted(&root, &Sources::ask(operator)?, render)?
        .into_iter()
        .map(|wanted| {
            let there = read(&root.join(&wanted.path))?;
            Ok((wanted.text != there).then(|| (wanted, there.unwrap_or_default())))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_>>()?;
    for (wanted, there) in &differing {
        if check {
            say(&difference(wanted, there));
        } else {
            write(&root, wanted)?;
        }
    }
    if check && !differing.is_empty() {
        bail!(
            "{} generated files are not as they should be: run `{COMMAND}` and commit what it writes",
            differing.len()
        );
    }
    Ok(())
}

impl Sources {
    fn ask(operator: Option<&Path>) -> Result<Self> {
        let crds = process::output(&mut command(operator, &["crd"])).context("asking the operator for its CRDs")?;
        let metrics = process::output(&mut command(operator, &["metrics"]));
        let metrics = metrics.context("asking the operator for its metrics")?;
        let help = |of: &str| {
            process::output(&mut command(operator, &[of, "--help"]))
                .with_context(|| format!("asking the operator for the flags of {of}"))
        };
        Ok(Self { crds, run_help: help("run")?, plan_help: help("plan")?, metrics })
    }

    /// The text of a block that is made from them.
    fn block(&self, name: &str) -> Result<String> {
        match name {
            "flags" => Ok(help(&self.run_help)),
            "plan" => Ok(help(&self.plan_help)),
            "api" => reference::api(&documents::split(&self.crds)),
            "metrics" => Ok(self.metrics.clone()),
            _ => bail!("nothing generates the block {name}: there are `api`, `flags`, `metrics`, `plan` and `values`"),
        }
    }
}

/// The operator, without the user's own settings: they would show in its help.
fn command(operator: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = match operator {
        Some(operator) => Command::new(operator),
        None => {
            let mut command = folders::cargo();
            command.args(["run", "--quiet", "--locked", "--bin", OPERATOR, "--"]);
            command
        }
    };
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BTO_") {
            command.env_remove(name);
        }
    }
    command
}

fn wanted(root: &Path, sources: &Sources, render: &Render<'_>) -> Result<Vec<Wanted>> {
    let crds = documents::split(&sources.crds);
    if crds.is_empty() {
        bail!("`{OPERATOR} crd` printed no CRD");
    }
    let mut files = Vec::new();
    for crd in &crds {
        let path = Path::new(CRDS).join(format!("{}.yaml", crd_name(crd)?));
        files.push(Wanted { path, text: Some(format!("{}{crd}", header("the types in src/crd.rs"))) });
    }
    let known: BTreeSet<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    for path in folders::files_with(root, Path::new(CRDS), "yaml")? {
        if !known.contains(&path) {
            files.push(Wanted { path, text: None });
        }
    }
    let charts = charts::files(root, &crds)?;
    files.extend(manifests::files(root, &crds, &charts, render)?);
    files.extend(charts);
    files.extend(argocd::config_map(root)?);
    files.extend(pictures::all().into_iter().map(|(path, svg)| Wanted { path: path.into(), text: Some(svg) }));
    let mut documents = folders::files_below(root, Path::new("docs"), "md")?;
    documents.push("README.md".into());
    documents.extend(charts::documents());
    for path in documents {
        let Some(there) = read(&root.join(&path))? else {
            continue;
        };
        let of_it = |block: &str| match block {
            "values" => charts::table(root, path.parent().unwrap_or(Path::new(""))),
            _ => sources.block(block),
        };
        let text = fill_blocks(&there, &of_it).with_context(|| format!("in {}", path.display()))?;
        files.push(Wanted { path, text: Some(text) });
    }
    Ok(files)
}

fn header(from: &str) -> String {
    format!("# Generated by `{COMMAND}` from {from}: do not edit.\n")
}

/// `metadata.name` of a CRD, where it can be the name of a file.
fn crd_name(crd: &str) -> Result<&str> {
    let name = documents::name(crd).context("a CRD has no metadata.name")?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
        bail!("a CRD has the name {name:?}, which is no file name");
    }
    Ok(name)
}

/// The document with the text between its markers made anew.
fn fill_blocks(document: &str, block: &dyn Fn(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::new();
    let mut lines = document.split_inclusive('\n');
    while let Some(line) = lines.next() {
        filled.push_str(line);
        let Some(name) = line.trim().strip_prefix(BLOCK) else {
            continue;
        };
        let name = name.trim_end_matches("-->").trim();
        filled.push_str(&block(name)?);
        let end = lines.find(|line| line.trim() == BLOCK_END);
        filled.push_str(end.with_context(|| format!("the block {name} has no end: add a line {BLOCK_END}"))?);
    }
    Ok(filled)
}

fn help(text: &str) -> String {
    format!("```text\n{}\n```\n", without_trailing_spaces(text))
}

fn without_trailing_spaces(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn write(root: &Path, wanted: &Wanted) -> Result<()> {
    let Wanted { path, text } = wanted;
    put(&root.join(path), text.as_deref())?;
    say(&format!("{} {}", if text.is_some() { "wrote" } else { "removed" }, path.display()));
    Ok(())
}

/// Writes a file, or without a text removes it.
fn put(path: &Path, text: Option<&str>) -> Result<()> {
    let Some(text) = text else {
        return fs::remove_file(path).with_context(|| format!("removing {}", path.display()));
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// How a file differs, as a unified diff.
fn difference(wanted: &Wanted, there: &str) -> String {
    let path = wanted.path.display();
    let text = wanted.text.as_deref().unwrap_or_default();
    let diff = TextDiff::from_lines(there, text);
    format!("{}", diff.unified_diff().header(&format!("{path} (there)"), &format!("{path} ({COMMAND})")))
}

#[cfg(test)]
mod tests {
    use super::manifests::Rendering;
    use super::*;

    fn sources() -> Sources {
        let crds = "apiVersion: v1\nkind: CRD\nmetadata:\n  name: things.a.dev\nspec: {}\n---\napiVersion: v1\nkind: CRD\nmetadata:\n  name: others.a.dev\n";
        let (run_help, plan_help) = ("Usage: x \n\n  --flag  \n".to_owned(), "Usage: y\n".to_owned());
        Sources { crds: crds.to_owned(), run_help, plan_help, metrics: "| a |\n".to_owned() }
    }

    fn checkout() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(&root.path().join("deploy/kustomize/base/namespace.yaml"), Some("kind: Namespace\n")).unwrap();
        let schema = r#"{"additionalProperties": false, "properties": {"x": {"description": "The x.", "default": 1}}}"#;
        for chart in [charts::OPERATOR, charts::SIMULATOR] {
            put(&root.path().join(chart).join("values.schema.json"), Some(schema)).unwrap();
        }
        root
    }

    fn wanted_in(root: &tempfile::TempDir) -> Vec<Wanted> {
        let render = |_: &Path, charts: &[Wanted], rendering: &Rendering<'_>| {
            assert!(charts.iter().any(|file| file.path.ends_with("values.yaml")), "the charts are not yet written");
            let Rendering { chart, name, values } = rendering;
            Ok(format!("kind: Deployment\nmetadata:\n  name: {name}\n# {chart} with {values:?}\n"))
        };
        wanted(root.path(), &sources(), &render).unwrap()
    }

    fn text<'a>(files: &'a [Wanted], path: &str) -> &'a str {
        files.iter().find(|file| file.path == Path::new(path)).unwrap().text.as_deref().unwrap()
    }

    #[test]
    fn each_crd_has_a_file_of_its_name() {
        let files = wanted_in(&checkout());
        assert!(
            text(&files, "crds/things.a.dev.yaml")
                .ends_with("do not edit.\napiVersion: v1\nkind: CRD\nmetadata:\n  name: things.a.dev\nspec: {}\n")
        );
        assert!(text(&files, "crds/others.a.dev.yaml").contains("others"));
    }

    #[test]
    fn the_manifest_has_the_namespace_first_and_the_deployment_last() {
        let files = wanted_in(&checkout());
        let parts = documents::split(text(&files, manifests::INSTALL));
        let kinds: Vec<_> = parts.iter().map(|part| documents::kind(part)).collect();
        assert_eq!(kinds, ["Namespace", "CRD", "CRD", "Deployment"].map(Some));
        assert!(parts[0].starts_with("# Generated by") && parts[1].contains("things.a.dev"), "{parts:?}");
    }

    #[test]
    fn the_overlay_for_some_namespaces_is_rendered_for_itself() {
        let files = wanted_in(&checkout());
        let path = |name: &str| format!("deploy/kustomize/{name}/operator.yaml");
        assert!(!text(&files, &path("base")).contains("watchNamespaces"));
        assert!(text(&files, &path("overlays/namespaced")).contains("watchNamespaces"));
    }

    #[test]
    fn charts_have_the_values_of_their_schema() {
        let root = checkout();
        let readme = format!("{}/README.md", charts::SIMULATOR);
        put(&root.path().join(&readme), Some("<!-- generated: values -->\n<!-- /generated -->\n")).unwrap();
        let files = wanted_in(&root);
        assert!(text(&files, &format!("{}/values.yaml", charts::OPERATOR)).ends_with("edit.\n\n# The x.\nx: 1\n"));
        assert!(text(&files, &readme).contains("| `x` | `1` | The x. |\n"));
    }

    #[test]
    fn a_crd_that_nothing_generates_is_to_be_removed() {
        let root = checkout();
        let old = [CRDS, "charts/bedrock-throughput-operator/templates/crds"]
            .map(|folder| Path::new(folder).join("old.yaml"));
        for path in &old {
            put(&root.path().join(path), Some("old")).unwrap();
        }
        let files = wanted_in(&root);
        for path in old {
            assert!(files.contains(&Wanted { path, text: None }), "{files:?}");
        }
    }

    #[test]
    fn blocks_in_documents_are_filled_and_the_rest_stays() {
        let root = checkout();
        fs::write(root.path().join("README.md"), "a\n<!-- generated: flags -->\nold\n<!-- /generated -->\nb").unwrap();
        let files = wanted_in(&root);
        let wanted = "a\n<!-- generated: flags -->\n```text\nUsage: x\n\n  --flag\n```\n<!-- /generated -->\nb";
        assert_eq!(text(&files, "README.md"), wanted);
        assert_eq!(fill_blocks(wanted, &|block| sources().block(block)).unwrap(), wanted);
        assert_eq!(sources().block("plan").unwrap(), "```text\nUsage: y\n```\n");
        assert_eq!(sources().block("metrics").unwrap(), "| a |\n");
    }

    #[test]
    fn a_broken_block_is_an_error_that_names_it() {
        let error = fill_blocks("<!-- generated: flags -->\nold\n", &|_| Ok(String::new())).unwrap_err();
        assert!(error.to_string().contains("flags has no end"), "{error:#}");
        let error = sources().block("nonsense").unwrap_err();
        assert!(error.to_string().contains("the block nonsense"), "{error:#}");
    }

    #[test]
    fn a_difference_names_the_file_the_lines_and_the_command() {
        let wanted = Wanted { path: "crds/x.yaml".into(), text: Some("one\nthree\n".to_owned()) };
        let text = difference(&wanted, "one\ntwo\n");
        for part in ["--- crds/x.yaml", COMMAND, "-two", "+three", " one"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        assert!(crd_name("metadata:\n  name: ../x\n").is_err());
        assert!(crd_name("metadata:\n  labels: {}\nspec:\n  name: x\n").is_err());
    }
}
