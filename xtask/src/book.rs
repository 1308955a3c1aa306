//! The book: `docs/`, and the pages of the checkout's root. What it shows is run, what it links to is there, and it is
//! rendered.
//!
//! What a fenced block means to the checks stands in `CONTRIBUTING.md`.

mod compare;
mod links;
mod page;
mod script;
mod site;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use similar::TextDiff;

use self::page::{Kind, Page};
use self::script::{Ran, Unit, What};
use self::stage::Programs;
use crate::folders;
use crate::process;
use crate::progress::{human, say};

/// Folders with pages. Those of charts have tests of their own.
const FOLDERS: [(&str, bool); 2] = [("docs/", true), ("charts/", false)];

/// Pages beside those, and whether their blocks are run.
const OTHERS: [(&str, bool); 5] = [
    ("README.md", true),
    ("CONTRIBUTING.md", false),
    ("SECURITY.md", true),
    ("CHANGELOG.md", false),
    // Its blocks are run by the simulator's own tests.
    ("simulator/README.md", false),
];

/// How many pages are run at a time: each waits for other programs most of the time.
const AT_A_TIME: usize = 3;

/// What is done with the book.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// Run what the pages show.
    pub run: bool,
    /// Put what the commands print now into the pages, where it differs.
    pub write: bool,
    /// Only these pages, relative to the checkout's root; all, if there are none.
    pub only: &'a [String],
    /// Show the site in a browser.
    pub open: bool,
}

/// Checks the links and renders the site, and runs what the pages show where that is asked for.
///
/// # Errors
/// When a link leads nowhere, the book cannot be rendered, or something that a page shows does not happen.
pub fn run(settings: Settings<'_>) -> Result<()> {
    let root = folders::root();
    let texts = read(&root)?;
    let pages = texts.iter().map(|(path, text)| Page::read(path, text)).collect::<Result<Vec<_>>>()?;
    let mut problems = links::broken(&root, &pages);
    problems.extend(not_in_the_summary(&pages));
    problems.extend(pages.iter().flat_map(|page| not_as_the_file(&root, page)));
    problems.extend(pages.iter().flat_map(not_the_language));
    // Pages wait for other programs most of the time, and mdBook is built by then.
    let (mdbook, found) = thread::scope(|scope| {
        let mdbook = scope.spawn(site::mdbook);
        let found = if settings.run { run_pages(&root, &pages, &texts, settings) } else { Ok(Vec::new()) };
        (mdbook.join(), found)
    });
    problems.extend(found?);
    let mdbook = mdbook.map_err(|_| anyhow!("the thread that builds mdBook panicked"))??;
    let shown: Vec<Page> = pages.into_iter().filter(|page| page.path != site::SUMMARY).collect();
    let summary = texts.get(site::SUMMARY).with_context(|| format!("there is no {}", site::SUMMARY))?;
    let built = site::build(&mdbook, &root, &shown, summary, &folders::target()?.join("book"))?;
    problems.extend(site::broken(&built)?.into_iter().map(|link| format!("in the site, {link}")));
    if !problems.is_empty() {
        bail!("the book is not as it should be:\n{}", problems.join("\n"));
    }
    say(&format!("the book is in {}", built.display()));
    if settings.open { site::open(&built) } else { Ok(()) }
}

/// All pages, by path.
fn read(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut paths = OTHERS.map(|(path, _)| PathBuf::from(path)).to_vec();
    for (folder, _) in FOLDERS {
        paths.extend(folders::files_below(root, Path::new(folder), "md")?);
    }
    let text = |path: PathBuf| {
        let text = fs::read_to_string(root.join(&path)).with_context(|| format!("reading {}", path.display()))?;
        Ok((path.to_string_lossy().into_owned(), text))
    };
    paths.into_iter().map(text).collect()
}

/// Pages that no reader would find.
fn not_in_the_summary(pages: &[Page]) -> Vec<String> {
    let summary = pages.iter().find(|page| page.path == site::SUMMARY);
    let links = summary.into_iter().flat_map(|summary| &summary.links);
    let linked: BTreeSet<PathBuf> =
        links.filter_map(|link| links::inside(site::SUMMARY, &link.target)).map(|(path, _)| path).collect();
    let lost = |page: &&Page| page.path != site::SUMMARY && !linked.contains(Path::new(&page.path));
    pages.iter().filter(lost).map(|page| format!("{} is not in {}", page.path, site::SUMMARY)).collect()
}

/// Blocks that say they show a file, and show something else.
fn not_as_the_file(root: &Path, page: &Page) -> Vec<String> {
    let differs = |block: &page::Block| {
        let from = block.from.as_deref()?;
        let text = fs::read_to_string(root.join(from)).unwrap_or_default();
        let shown = block.text.trim_end();
        (!text.contains(shown)).then(|| format!("{}:{}: {from} does not have this text", page.path, block.line))
    };
    page.blocks.iter().filter_map(differs).collect()
}

/// Blocks, run or not, that are not in the language that they say.
fn not_the_language(page: &Page) -> Vec<String> {
    let wrong = page.blocks.iter().filter_map(|block| {
        let read = match block.kind {
            Kind::Json => serde_json::from_str::<Value>(&block.text).map(drop).map_err(anyhow::Error::from),
            Kind::Manifest => serde_saphyr::from_multiple::<Value>(&block.text).map(drop).map_err(anyhow::Error::from),
            // What is run shows it then.
            Kind::Shell if block.skip.is_some() => {
                process::output(Command::new("bash").args(["-n", "-c", &block.text])).map(drop)
            }
            Kind::Shell | Kind::Console | Kind::Other => Ok(()),
        };
        read.err().map(|error| format!("{}:{}: {error:#}", page.path, block.line))
    });
    wrong.collect()
}

fn is_run(page: &Page) -> bool {
    let folder = FOLDERS.iter().any(|(folder, run)| page.path.starts_with(folder) && *run);
    folder || OTHERS.iter().any(|(path, run)| page.path == *path && *run)
}

fn run_pages(
    root: &Path,
    pages: &[Page],
    texts: &BTreeMap<String, String>,
    settings: Settings<'_>,
) -> Result<Vec<String>> {
    let chosen = |page: &&Page| settings.only.is_empty() || settings.only.contains(&page.path);
    if let Some(unknown) = settings.only.iter().find(|path| !texts.contains_key(*path)) {
        bail!("there is no page {unknown}");
    }
    let chosen: Vec<&Page> = pages.iter().filter(chosen).filter(|page| is_run(page)).collect();
    for page in &chosen {
        if let Some(why) = &page.none_is_run {
            say(&format!("not run: all of {}: {why}", page.path));
            continue;
        }
        for block in &page.blocks {
            if let Some(why) = &block.skip {
                say(&format!("not run: {}:{}: {why}", page.path, block.line));
            }
        }
    }
    let mut queue: Vec<(&Page, Vec<Unit>)> = chosen.iter().map(|page| (*page, script::units(&page.blocks))).collect();
    queue.retain(|(_, units)| !units.is_empty());
    // Those with the most to do first: they take longest.
    queue.sort_by_key(|(_, units)| units.len());
    let programs = Programs::find()?;
    let (queue, problems) = (Mutex::new(queue), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let next = || queue.lock().ok()?.pop();
                while let Some((page, units)) = next() {
                    let begin = Instant::now();
                    let found = match stage::run(page, &units, &programs) {
                        Ok(ran) => judge(root, page, texts, &units, &ran, settings.write)
                            .unwrap_or_else(|error| vec![format!("{}: {error:#}", page.path)]),
                        Err(error) => vec![format!("{}: {error:#}", page.path)],
                    };
                    let result = if found.is_empty() { "as shown" } else { "NOT as shown" };
                    say(&format!("{}: {} steps, {result} ({})", page.path, units.len(), human(begin.elapsed())));
                    if let Ok(mut problems) = problems.lock() {
                        problems.extend(found);
                    }
                }
            });
        }
    });
    Ok(problems.into_inner().unwrap_or_default())
}

/// What did not happen as the page shows it. With `write` the page is changed to what happened.
fn judge(
    root: &Path,
    page: &Page,
    texts: &BTreeMap<String, String>,
    units: &[Unit],
    ran: &[Ran],
    write: bool,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut stale = BTreeSet::new();
    // A command may fail because of the one before it, which did not say so by its exit status.
    let before = iter::once("").chain(ran.iter().map(|ran| ran.printed.as_str()));
    for ((unit, ran), before) in units.iter().zip(ran).zip(before) {
        let Ran { printed, status } = ran;
        let place = format!("{}:{}", page.path, unit.line);
        let command = match &unit.what {
            What::Commands(command) | What::Shown { command, .. } => command.trim().to_owned(),
            What::Manifest(_) => "the manifest, applied".to_owned(),
            What::File { name, .. } => format!("saving {name}"),
        };
        let Some(status) = status else {
            problems.push(format!(
                "{place}: failed, and nothing behind it was run:\n{command}\n{}\nWhat was printed before: {}",
                printed.trim(),
                before.trim()
            ));
            break;
        };
        let What::Shown { output, .. } = &unit.what else { continue };
        if output.trim().is_empty() && *status != 0 {
            problems.push(format!("{place}: `{command}` failed ({status}): {}", printed.trim()));
            stale.insert(unit.block);
        } else if !compare::same(output, printed)? {
            let diff = TextDiff::from_lines(output.as_str(), printed.as_str());
            let diff = diff.unified_diff().header("shown", "printed").to_string();
            problems.push(format!("{place}: `{command}` prints something else:\n{diff}"));
            stale.insert(unit.block);
        }
    }
    if write && !stale.is_empty() {
        let text = texts.get(&page.path).with_context(|| format!("there is no page {}", page.path))?;
        renew(root, page, text, units, ran, &stale)?;
    }
    Ok(problems)
}

/// Puts what was printed into blocks whose lines have no indentation.
fn renew(root: &Path, page: &Page, text: &str, units: &[Unit], ran: &[Ran], stale: &BTreeSet<usize>) -> Result<()> {
    let mut text = text.to_owned();
    for (number, block) in page.blocks.iter().enumerate().rev().filter(|(number, _)| stale.contains(number)) {
        let of_the_block = units.iter().zip(ran).filter(|(unit, _)| unit.block == number);
        let printed: Vec<String> = of_the_block.map(|(_, ran)| ran.printed.clone()).collect();
        if text.get(block.place.clone()) == Some(block.text.as_str()) {
            text.replace_range(block.place.clone(), &script::renewed(&block.text, &printed));
        } else {
            say(&format!("{}:{}: the block is indented: change it by hand", page.path, block.line));
        }
    }
    fs::write(root.join(&page.path), text).with_context(|| format!("writing {}", page.path))?;
    say(&format!("wrote {}", page.path));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::read("docs/a.md", text).unwrap()
    }

    fn judged(page: &Page, ran: &[Ran]) -> String {
        let units = script::units(&page.blocks);
        judge(Path::new(""), page, &BTreeMap::new(), &units, ran, false).unwrap().join("\n")
    }

    fn ran(printed: &str, status: i32) -> Ran {
        Ran { printed: printed.to_owned(), status: Some(status) }
    }

    #[test]
    fn what_is_not_as_shown_is_told_with_its_line() {
        let page = page("```console\n$ a\nx\n$ b\n```\n");
        assert_eq!(judged(&page, &[ran("x\n", 0), ran("", 0)]), "");
        // A command that shows what it prints may fail, because that is what is shown.
        assert_eq!(judged(&page, &[ran("x\n", 1), ran("", 0)]), "");
        let differs = judged(&page, &[ran("y\n", 0), ran("", 0)]);
        assert!(differs.contains("docs/a.md:1: `a`") && differs.contains("-x\n+y"), "{differs}");
        assert!(judged(&page, &[ran("x\n", 0), ran("no such b", 1)]).contains("no such b"));
        let ended = Ran { printed: "gone".to_owned(), status: None };
        assert!(judged(&page, &[ended, ran("", 0)]).contains("nothing behind it was run"));
    }

    #[test]
    fn a_page_that_no_reader_would_find_is_told() {
        let summary = Page::read(site::SUMMARY, "- [A](a.md)\n").unwrap();
        let lost = Page::read("docs/lost.md", "# Lost\n").unwrap();
        assert_eq!(not_in_the_summary(&[page("# A\n"), summary, lost]), ["docs/lost.md is not in docs/SUMMARY.md"]);
    }

    #[test]
    fn a_block_from_a_file_has_its_text() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("x.yaml"), "a: 1\nb: 2\n").unwrap();
        let good = page("```yaml from=x.yaml\nb: 2\n```\n");
        let bad = page("```yaml from=x.yaml\nb: 3\n```\n");
        assert_eq!(not_as_the_file(root.path(), &good), Vec::<String>::new());
        assert_eq!(not_as_the_file(root.path(), &bad), ["docs/a.md:1: x.yaml does not have this text"]);
    }

    #[test]
    fn a_block_that_is_not_in_its_language_is_told_with_its_line() {
        let good = page("```json\n{}\n```\n\n```yaml\na: 1\n---\nb: 2\n```\n");
        assert_eq!(not_the_language(&good), Vec::<String>::new());
        let syntax = not_the_language(&page("<!-- not run: x -->\n\n```sh\nif true\n```\n"));
        assert!(syntax.join("").contains("docs/a.md:3: "), "{syntax:?}");
        let bad = not_the_language(&page("```json\n{\n```\n\n```yaml\na: [\n```\n"));
        assert!(
            bad.len() == 2 && bad[0].starts_with("docs/a.md:1: ") && bad[1].starts_with("docs/a.md:5: "),
            "{bad:?}"
        );
    }

    #[test]
    fn what_was_printed_is_put_into_the_page() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        let text = "a\n\n```console\n$ a\nold\n```\nb\n";
        let page = page(text);
        let units = script::units(&page.blocks);
        renew(root.path(), &page, text, &units, &[ran("new\n", 0)], &[0].into()).unwrap();
        let written = fs::read_to_string(root.path().join("docs/a.md")).unwrap();
        assert_eq!(written, "a\n\n```console\n$ a\nnew\n```\nb\n");
    }
}
