//! Files that are generated: the CRDs, the manifest for `kubectl apply`, Argo CD's settings, and pictures and marked blocks
//! of the documentation.

mod argocd;
mod pictures;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use similar::TextDiff;

use crate::binaries::OPERATOR;
use crate::folders;
use crate::process;
use crate::progress::say;

/// What makes and checks the files.
pub const COMMAND: &str = "cargo xtask generate";

const CRDS: &str = "crds";
const INSTALL: &str = "deploy/install.yaml";

/// The parts of [`INSTALL`] before and behind the CRDs, below `deploy/base`.
const BEFORE: [&str; 1] = ["namespace.yaml"];
const BEHIND: [&str; 5] =
    ["service-account.yaml", "rbac.yaml", "user-roles.yaml", "metrics-roles.yaml", "deployment.yaml"];

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
/// When the operator cannot be built or asked, a source is missing, or with `check` a file differs.
pub fn run(check: bool, operator: Option<&Path>) -> Result<()> {
    let root = folders::root();
    let differing: Vec<(Wanted, String)> = wanted(&root, &Sources::ask(operator)?)?
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

fn wanted(root: &Path, sources: &Sources) -> Result<Vec<Wanted>> {
    let crds = documents(&sources.crds);
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
    files.push(install(root, &crds)?);
    files.extend(argocd::config_map(root)?);
    files.extend(pictures::all().into_iter().map(|(path, svg)| Wanted { path: path.into(), text: Some(svg) }));
    let mut documents = folders::files_below(root, Path::new("docs"), "md")?;
    documents.push("README.md".into());
    for path in documents {
        let Some(there) = read(&root.join(&path))? else {
            continue;
        };
        let text = fill_blocks(&there, sources).with_context(|| format!("in {}", path.display()))?;
        files.push(Wanted { path, text: Some(text) });
    }
    Ok(files)
}

fn header(from: &str) -> String {
    format!("# Generated by `{COMMAND}` from {from}: do not edit.\n")
}

fn install(root: &Path, crds: &[String]) -> Result<Wanted> {
    let base = Path::new("deploy/base");
    let source = |name: &&str| {
        let path = base.join(name);
        read(&root.join(&path))?.with_context(|| format!("there is no {}", path.display()))
    };
    let before = BEFORE.iter().map(source).collect::<Result<Vec<_>>>()?;
    let behind = BEHIND.iter().map(source).collect::<Result<Vec<_>>>()?;
    let parts: Vec<&str> = before.iter().chain(crds).chain(&behind).map(|part| part.trim()).collect();
    let from = "deploy/base and crds";
    Ok(Wanted { path: INSTALL.into(), text: Some(format!("{}{}\n", header(from), parts.join("\n---\n"))) })
}

/// The documents of a YAML stream, without separators.
fn documents(stream: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in stream.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// `metadata.name` of a CRD as the operator prints it, in block style.
fn crd_name(crd: &str) -> Result<&str> {
    let metadata = crd.lines().skip_while(|line| *line != "metadata:").skip(1).take_while(|line| line.starts_with(' '));
    let name = { metadata }.find_map(|line| line.trim().strip_prefix("name: "));
    let name = name.context("a CRD has no metadata.name")?.trim_matches('"');
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
        bail!("a CRD has the name {name:?}, which is no file name");
    }
    Ok(name)
}

/// The document with the text between its markers made anew.
fn fill_blocks(document: &str, sources: &Sources) -> Result<String> {
    let mut filled = String::new();
    let mut lines = document.split_inclusive('\n');
    while let Some(line) = lines.next() {
        filled.push_str(line);
        let Some(name) = line.trim().strip_prefix(BLOCK) else {
            continue;
        };
        let name = name.trim_end_matches("-->").trim();
        filled.push_str(&block(name, sources)?);
        let end = lines.find(|line| line.trim() == BLOCK_END);
        filled.push_str(end.with_context(|| format!("the block {name} has no end: add a line {BLOCK_END}"))?);
    }
    Ok(filled)
}

fn block(name: &str, sources: &Sources) -> Result<String> {
    match name {
        "flags" => Ok(help(&sources.run_help)),
        "plan" => Ok(help(&sources.plan_help)),
        "api" => reference::api(&documents(&sources.crds)),
        "metrics" => Ok(sources.metrics.clone()),
        _ => bail!("nothing generates the block {name}: there are `api`, `flags`, `metrics` and `plan`"),
    }
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
    let path = root.join(&wanted.path);
    match &wanted.text {
        Some(text) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
            }
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            say(&format!("wrote {}", wanted.path.display()));
        }
        None => {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            say(&format!("removed {}", wanted.path.display()));
        }
    }
    Ok(())
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
    use super::*;

    fn sources() -> Sources {
        let crds = "kind: CRD\nmetadata:\n  name: things.a.dev\nspec: {}\n---\nmetadata:\n  name: others.a.dev\n";
        let (run_help, plan_help) = ("Usage: x \n\n  --flag  \n".to_owned(), "Usage: y\n".to_owned());
        Sources { crds: crds.to_owned(), run_help, plan_help, metrics: "| a |\n".to_owned() }
    }

    fn checkout() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("deploy/base")).unwrap();
        for name in BEFORE.iter().chain(&BEHIND) {
            fs::write(root.path().join("deploy/base").join(name), format!("part: {name}\n")).unwrap();
        }
        root
    }

    fn text<'a>(files: &'a [Wanted], path: &str) -> &'a str {
        files.iter().find(|file| file.path == Path::new(path)).unwrap().text.as_deref().unwrap()
    }

    #[test]
    fn each_crd_has_a_file_of_its_name() {
        let files = wanted(checkout().path(), &sources()).unwrap();
        assert!(
            text(&files, "crds/things.a.dev.yaml")
                .ends_with("do not edit.\nkind: CRD\nmetadata:\n  name: things.a.dev\nspec: {}\n")
        );
        assert!(text(&files, "crds/others.a.dev.yaml").contains("others"));
    }

    #[test]
    fn the_manifest_has_the_namespace_first_and_the_deployment_last() {
        let files = wanted(checkout().path(), &sources()).unwrap();
        let parts: Vec<&str> = text(&files, INSTALL).split("\n---\n").collect();
        assert_eq!(parts.len(), 8);
        assert!(parts[0].starts_with("# Generated by") && parts[0].ends_with("part: namespace.yaml"), "{parts:?}");
        assert!(parts[1].contains("things.a.dev") && parts[7].contains("part: deployment.yaml"), "{parts:?}");
    }

    #[test]
    fn a_crd_that_nothing_generates_is_to_be_removed() {
        let root = checkout();
        fs::create_dir(root.path().join(CRDS)).unwrap();
        fs::write(root.path().join(CRDS).join("old.a.dev.yaml"), "old").unwrap();
        let files = wanted(root.path(), &sources()).unwrap();
        assert!(files.contains(&Wanted { path: "crds/old.a.dev.yaml".into(), text: None }));
    }

    #[test]
    fn blocks_in_documents_are_filled_and_the_rest_stays() {
        let root = checkout();
        fs::write(root.path().join("README.md"), "a\n<!-- generated: flags -->\nold\n<!-- /generated -->\nb").unwrap();
        let files = wanted(root.path(), &sources()).unwrap();
        let wanted = "a\n<!-- generated: flags -->\n```text\nUsage: x\n\n  --flag\n```\n<!-- /generated -->\nb";
        assert_eq!(text(&files, "README.md"), wanted);
        assert_eq!(fill_blocks(wanted, &sources()).unwrap(), wanted);
        let plan = fill_blocks("<!-- generated: plan -->\n<!-- /generated -->\n", &sources()).unwrap();
        assert!(plan.contains("```text\nUsage: y\n```"), "{plan}");
        let metrics = fill_blocks("<!-- generated: metrics -->\n<!-- /generated -->\n", &sources()).unwrap();
        assert_eq!(metrics, "<!-- generated: metrics -->\n| a |\n<!-- /generated -->\n");
    }

    #[test]
    fn a_broken_block_is_an_error_that_names_it() {
        let error = fill_blocks("<!-- generated: flags -->\nold\n", &sources()).unwrap_err();
        assert!(error.to_string().contains("flags has no end"), "{error:#}");
        let error = fill_blocks("<!-- generated: nonsense -->\n<!-- /generated -->\n", &sources()).unwrap_err();
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
