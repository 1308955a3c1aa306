//! Links between pages, and from pages to files of the checkout.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::page::Page;

/// Where a link leads inside the checkout; nothing for one that leads out of it.
pub(super) fn inside(from: &str, target: &str) -> Option<(PathBuf, String)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let from = Path::new(from);
    let joined =
        if path.is_empty() { from.to_path_buf() } else { from.parent().unwrap_or_else(|| Path::new("")).join(path) };
    Some((flat(&joined), anchor.to_owned()))
}

/// The path without `.` and `..`.
pub(super) fn flat(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut flat, component| {
        match component {
            Component::CurDir => {}
            // What leads out of the checkout keeps its `..` and is found nowhere.
            Component::ParentDir if flat.file_name().is_some() => {
                flat.pop();
            }
            other => flat.push(other),
        }
        flat
    })
}

/// Links that lead nowhere, each with its page and line.
pub(super) fn broken(root: &Path, pages: &[Page]) -> Vec<String> {
    let anchors: BTreeMap<&Path, &Page> = pages.iter().map(|page| (Path::new(&page.path), page)).collect();
    let mut broken = Vec::new();
    for page in pages {
        for link in &page.links {
            let Some((path, anchor)) = inside(&page.path, &link.target) else { continue };
            let problem = match anchors.get(path.as_path()) {
                _ if !root.join(&path).exists() => Some(format!("there is no {}", path.display())),
                Some(there) if !anchor.is_empty() && !there.anchors.contains(&anchor) => {
                    Some(format!("{} has no heading #{anchor}", path.display()))
                }
                Some(_) | None => None,
            };
            broken.extend(problem.map(|problem| format!("{}:{}: {}: {problem}", page.path, link.line, link.target)));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_relative_to_its_page() {
        let at =
            |from: &str, target: &str| inside(from, target).map(|(path, anchor)| (path.display().to_string(), anchor));
        assert_eq!(at("docs/a.md", "../README.md#x"), Some(("README.md".to_owned(), "x".to_owned())));
        assert_eq!(at("docs/a.md", "#x"), Some(("docs/a.md".to_owned(), "x".to_owned())));
        assert_eq!(at("docs/recipes/a.md", "../b.md"), Some(("docs/b.md".to_owned(), String::new())));
        assert_eq!(at("docs/a.md", "https://example.com"), None);
        assert_eq!(at("a.md", "../x"), Some(("../x".to_owned(), String::new())));
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.md"), "").unwrap();
        let page = Page::read("a.md", "# Here\n\n[1](#here) [2](#there) [3](b.md) [4](a.md#here)\n").unwrap();
        let broken = broken(root.path(), &[page]);
        assert_eq!(broken, ["a.md:3: #there: a.md has no heading #there", "a.md:3: b.md: there is no b.md"]);
    }
}
