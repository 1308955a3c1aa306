//! The book as a site: mdBook renders the pages of `docs/`, and those of the checkout that `docs/SUMMARY.md` names, with
//! the folders as they are in the checkout, so that a link means the same in both. Files that pages link to come with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use regex::Regex;

use super::links::{flat, inside};
use super::page::Page;
use crate::cargo_tools::{self, Tool};
use crate::process;

const MDBOOK: Tool = Tool {
    name: "mdbook",
    version: "0.5.4",
    // Without the server that watches files.
    arguments: &["--no-default-features", "--features", "search"],
    takes: "about a minute",
};

/// mdBook's settings, and the style that they name, below `docs/`.
const SETTINGS: [&str; 2] = ["book.toml", "book.css"];
/// The order of the pages.
pub(super) const SUMMARY: &str = "docs/SUMMARY.md";

/// mdBook, built when it is not there.
///
/// # Errors
/// When the build fails.
pub(super) fn mdbook() -> Result<PathBuf> {
    cargo_tools::find_or_build(&MDBOOK)
}

/// Builds the site into `folder`/site and returns its path; `folder`/source has what mdBook reads.
///
/// # Errors
/// When mdBook does not build it.
pub(super) fn build(mdbook: &Path, root: &Path, pages: &[Page], summary: &str, folder: &Path) -> Result<PathBuf> {
    let (source, site) = (folder.join("source"), folder.join("site"));
    let _ = fs::remove_dir_all(&source);
    let _ = fs::remove_dir_all(&site);
    for page in pages {
        copy(&root.join(&page.path), &source.join(&page.path))?;
    }
    for path in linked_files(root, pages) {
        copy(&root.join(&path), &source.join(&path))?;
    }
    for name in SETTINGS {
        copy(&root.join("docs").join(name), &folder.join(name))?;
    }
    let text = from_the_root(summary)?;
    fs::write(source.join("SUMMARY.md"), text).context("writing the summary")?;
    let mut command = Command::new(mdbook);
    command.arg("build").arg(folder).env("MDBOOK_BOOK__SRC", "source").env("MDBOOK_BUILD__BUILD_DIR", "site");
    let output = command.output().context("starting mdbook")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() || said.contains("WARN") || said.contains("ERROR") {
        bail!("mdbook does not build the book ({}): {}", output.status, said.trim());
    }
    Ok(site)
}

/// The summary, whose links are relative to `docs/`, with links that are relative to the checkout's root.
fn from_the_root(summary: &str) -> Result<String> {
    let link = Regex::new(r"\]\(([^)#:]+)\)").context("the pattern of links")?;
    let moved = link.replace_all(summary, |found: &regex::Captures<'_>| {
        let target = found.get(1).map(|target| target.as_str()).unwrap_or_default();
        format!("]({})", flat(&Path::new("docs").join(target)).display())
    });
    Ok(moved.into_owned())
}

/// What pages link to and what is no page: files, and all files of folders.
fn linked_files(root: &Path, pages: &[Page]) -> BTreeSet<PathBuf> {
    let known: BTreeSet<&Path> = pages.iter().map(|page| Path::new(&page.path)).collect();
    let targets = pages.iter().flat_map(|page| page.links.iter().map(|link| inside(&page.path, &link.target)));
    let paths = targets.flatten().map(|(path, _)| path).filter(|path| !known.contains(path.as_path()));
    // What is not there is told as a broken link.
    paths.filter(|path| root.join(path).exists()).flat_map(|path| files_below(root, &path)).collect()
}

fn files_below(root: &Path, path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join(path)) else { return vec![path.to_path_buf()] };
    entries.flatten().flat_map(|entry| files_below(root, &path.join(entry.file_name()))).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let copied = fs::copy(from, to).map(drop);
    copied.with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Links of the rendered pages that lead nowhere inside the site.
///
/// # Errors
/// When a page cannot be read.
pub(super) fn broken(site: &Path) -> Result<Vec<String>> {
    let target = Regex::new(r#"(?:href|src)="([^"]*)""#).context("the pattern of links")?;
    let id = Regex::new(r#"id="([^"]*)""#).context("the pattern of anchors")?;
    let mut pages: BTreeMap<PathBuf, String> = BTreeMap::new();
    for path in files_below(site, Path::new("")) {
        // Its links are those of all pages, one behind the other.
        let all_in_one = path == Path::new("print.html");
        if path.extension().is_some_and(|extension| extension == "html") && !all_in_one {
            let text = fs::read_to_string(site.join(&path)).with_context(|| format!("reading {}", path.display()))?;
            pages.insert(path, text);
        }
    }
    let ids: BTreeMap<&Path, BTreeSet<&str>> = pages
        .iter()
        .map(|(path, text)| {
            let found = id.captures_iter(text).filter_map(|found| found.get(1)).map(|id| id.as_str());
            (path.as_path(), found.collect())
        })
        .collect();
    let mut broken = BTreeSet::new();
    for (path, text) in &pages {
        for link in target.captures_iter(text).filter_map(|found| found.get(1)) {
            let link = link.as_str();
            let Some((to, anchor)) = inside(&path.to_string_lossy(), link) else { continue };
            let there = ids.get(to.as_path());
            let found =
                site.join(&to).exists() && (anchor.is_empty() || there.is_none_or(|ids| ids.contains(&*anchor)));
            if !found && !link.starts_with("data:") && !link.starts_with("javascript:") {
                broken.insert(format!("{}: {link}", path.display()));
            }
        }
    }
    Ok(broken.into_iter().collect())
}

/// Shows a site in the user's browser.
///
/// # Errors
/// When there is no program that opens it.
pub(super) fn open(site: &Path) -> Result<()> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    process::output(Command::new(program).arg(site.join("index.html"))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_relative_to_the_root() {
        let text = "[A](../README.md)\n- [B](b.md)\n  - [C](recipes/c.md)\n- [D]()\n";
        let wanted = "[A](README.md)\n- [B](docs/b.md)\n  - [C](docs/recipes/c.md)\n- [D]()\n";
        assert_eq!(from_the_root(text).unwrap(), wanted);
    }

    #[test]
    fn a_link_of_the_site_that_leads_nowhere_is_found() {
        let site = tempfile::tempdir().unwrap();
        fs::create_dir(site.path().join("docs")).unwrap();
        fs::write(site.path().join("index.html"), r#"<a id="x" href="docs/a.html#y">"#).unwrap();
        let text = r##"<a id="y" href="../index.html#x"><a href="#z"><a href="b.html"><a href="https://example.com">"##;
        fs::write(site.path().join("docs/a.html"), text).unwrap();
        assert_eq!(broken(site.path()).unwrap(), ["docs/a.html: #z", "docs/a.html: b.html"]);
    }

    #[test]
    fn files_that_pages_link_to_come_along() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("deploy/samples")).unwrap();
        fs::write(root.path().join("deploy/samples/a.yaml"), "a").unwrap();
        let page = Page::read("docs/a.md", "[1](../deploy/samples) [2](a.md) [3](https://example.com)\n").unwrap();
        let files = linked_files(root.path(), &[page]);
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [PathBuf::from("deploy/samples/a.yaml")]);
    }
}
