//! A page as the checks see it: its blocks, its links, and what can be linked to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A comment that is run as a `sh` block, and that no reader sees: it makes what the page takes for granted.
const HIDDEN: &str = "<!-- run\n";
/// A comment that says why the next block is not run.
const NOT_RUN: &str = "<!-- not run: ";
/// A comment that says why no block of the page is run.
const NONE_IS_RUN: &str = "<!-- none is run: ";
/// A comment that says what the page runs against; see [`Surroundings`].
const SURROUNDINGS: &str = "<!-- run against: ";

/// A page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Relative to the checkout's root.
    pub(super) path: String,
    pub(super) surroundings: Surroundings,
    /// Why no block of it is run.
    pub(super) none_is_run: Option<String>,
    pub(super) blocks: Vec<Block>,
    pub(super) links: Vec<Link>,
    pub(super) anchors: BTreeSet<String>,
}

/// What the commands of a page find.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// Programs and files: the page starts everything itself.
    Nothing,
    /// A cluster and AWS, but no operator and no CRD.
    Cluster,
    /// A cluster in which the operator runs with these flags, and AWS.
    #[default]
    Operator,
    /// As [`Surroundings::Operator`], with flags of its `run`.
    OperatorWith(Vec<String>),
}

/// A fenced block, or a hidden one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Where the text stands in the page, in bytes.
    pub(super) place: Range<usize>,
    /// Why it is not run.
    pub(super) skip: Option<String>,
    /// The file of the checkout whose text it shows.
    pub(super) from: Option<String>,
    /// The file that it is saved as before the next block runs.
    pub(super) save: Option<String>,
}

/// What is done with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sh`: run, and each command has to succeed.
    Shell,
    /// `console`: each command is run, and what it prints compared with what follows it.
    Console,
    /// `yaml`: applied by server-side dry run, with strict validation.
    Manifest,
    /// `json`: parsed.
    Json,
    /// Any other language: only read by people.
    Other,
}

/// A link or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) line: usize,
    pub(super) target: String,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// When a block has an attribute that does not exist, or a comment is not closed.
    pub(super) fn read(path: &str, text: &str) -> Result<Self> {
        let mut page = Self { path: path.to_owned(), ..Self::default() };
        let mut slugs = Slugs::default();
        let mut heading: Option<String> = None;
        let mut skip: Option<String> = None;
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut events = Parser::new_ext(text, options).into_offset_iter();
        while let Some((event, range)) = events.next() {
            let line = text.get(..range.start).unwrap_or_default().matches('\n').count() + 1;
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let code = code(&mut events);
                    let block =
                        block(&info, line, code).with_context(|| format!("{path}:{line}: the block {info:?}"))?;
                    page.blocks.push(Block { skip: skip.take(), ..block });
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(Link { line, target: dest_url.to_string() });
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|heading| slugs.of(&heading)));
                }
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                Event::Start(Tag::HtmlBlock) => {
                    let html = text.get(range.clone()).unwrap_or_default();
                    match html.strip_prefix(NOT_RUN) {
                        Some(why) => skip = Some(closed(why, path, line)?.trim().to_owned()),
                        None => page.comment(html, line, &range)?,
                    }
                }
                _ => {}
            }
        }
        if let Some(why) = &page.none_is_run {
            for block in &mut page.blocks {
                block.skip = Some(why.clone());
            }
        }
        Ok(page)
    }

    fn comment(&mut self, html: &str, line: usize, place: &Range<usize>) -> Result<()> {
        if let Some(rest) = html.strip_prefix(HIDDEN) {
            let (text, place) = (closed(rest, &self.path, line)?, place.clone());
            self.blocks.push(Block { line, kind: Kind::Shell, text, place, skip: None, from: None, save: None });
        } else if let Some(rest) = html.strip_prefix(NONE_IS_RUN) {
            self.none_is_run = Some(closed(rest, &self.path, line)?.trim().to_owned());
        } else if let Some(rest) = html.strip_prefix(SURROUNDINGS) {
            self.surroundings = Surroundings::read(closed(rest, &self.path, line)?.trim())
                .with_context(|| format!("{}:{line}: what the page runs against", self.path))?;
        }
        Ok(())
    }
}

impl Surroundings {
    fn read(text: &str) -> Result<Self> {
        match text {
            "nothing" => Ok(Self::Nothing),
            "a cluster" => Ok(Self::Cluster),
            flags if flags.starts_with("the operator with ") => {
                let flags = flags.trim_start_matches("the operator with ");
                Ok(Self::OperatorWith(flags.split_whitespace().map(str::to_owned).collect()))
            }
            other => bail!("{other:?} is none of: nothing; a cluster; the operator with FLAGS"),
        }
    }
}

/// A comment's text without its end.
fn closed(rest: &str, path: &str, line: usize) -> Result<String> {
    let end = rest.trim_end().strip_suffix("-->").map(str::to_owned);
    end.with_context(|| format!("{path}:{line}: the comment does not end with --> and a new line"))
}

/// The text of a fenced block, and where it stands.
fn code<'a>(events: &mut impl Iterator<Item = (Event<'a>, Range<usize>)>) -> (String, Range<usize>) {
    let (mut text, mut place) = (String::new(), None::<Range<usize>>);
    for (event, range) in events.by_ref() {
        match event {
            Event::Text(words) => {
                text.push_str(&words);
                place = Some(place.map_or(range.start, |before| before.start)..range.end);
            }
            _ => break,
        }
    }
    (text, place.unwrap_or_default())
}

fn block(info: &str, line: usize, (text, place): (String, Range<usize>)) -> Result<Block> {
    let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
    let mut attributes = attributes(rest)?;
    let (from, save) = (attributes.remove("from"), attributes.remove("save"));
    if let Some(name) = attributes.keys().next() {
        bail!("there is no attribute {name}: there are from and save");
    }
    let kind = match language {
        "sh" => Kind::Shell,
        "console" => Kind::Console,
        "yaml" => Kind::Manifest,
        "json" => Kind::Json,
        _ => Kind::Other,
    };
    Ok(Block { line, kind, text, place, skip: None, from, save })
}

/// `name=value` or `name="some words"`, any number of times.
fn attributes(text: &str) -> Result<BTreeMap<String, String>> {
    let mut attributes = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').with_context(|| format!("{rest:?} is not written name=value"))?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').with_context(|| format!("the value of {name} has no end"))?,
            None => behind.split_once(' ').unwrap_or((behind, "")),
        };
        attributes.insert(name.to_owned(), value.to_owned());
        rest = behind.trim();
    }
    Ok(attributes)
}

/// The anchors that GitHub and mdBook give to headings.
#[derive(Debug, Default)]
struct Slugs(BTreeMap<String, usize>);

impl Slugs {
    fn of(&mut self, heading: &str) -> String {
        let lower = heading.trim().to_lowercase();
        let kept = lower.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || "-_".contains(*c));
        let slug: String = kept.map(|c| if c.is_whitespace() { '-' } else { c }).collect();
        let count = self.0.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# A page, `pt`

<!-- run against: the operator with --allow-create -->

See [that](other.md#x) and ![a picture](p.svg).

<!-- run
true
-->

1. A step:

   ```console
   $ echo 1
   1
   ```

<!-- not run: takes a real account -->

```sh save=x.sh
aws
```

```sh
true
```

## A page, pt
";

    #[test]
    fn a_page_has_blocks_links_and_anchors() {
        let page = Page::read("docs/a.md", PAGE).unwrap();
        assert_eq!(page.surroundings, Surroundings::OperatorWith(vec!["--allow-create".to_owned()]));
        let blocks: Vec<_> = page.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        let wanted = [
            (Kind::Shell, "true\n"),
            (Kind::Console, "$ echo 1\n1\n"),
            (Kind::Shell, "aws\n"),
            (Kind::Shell, "true\n"),
        ];
        assert_eq!(blocks, wanted);
        assert_eq!(page.blocks[1].line, 13);
        assert_eq!(page.blocks[2].skip.as_deref(), Some("takes a real account"));
        assert_eq!(page.blocks[2].save.as_deref(), Some("x.sh"));
        assert_eq!(page.blocks[3].skip, None);
        let targets: Vec<_> = page.links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["other.md#x", "p.svg"]);
        assert_eq!(page.anchors.into_iter().collect::<Vec<_>>(), ["a-page-pt", "a-page-pt-1"]);
    }

    #[test]
    fn an_attribute_that_does_not_exist_is_an_error() {
        let error = Page::read("docs/a.md", "x\n\n```sh fromm=x\n```\n").unwrap_err();
        assert!(format!("{error:#}").contains("docs/a.md:3") && format!("{error:#}").contains("fromm"), "{error:#}");
    }

    #[test]
    fn a_page_can_say_why_none_of_it_is_run() {
        let page = Page::read("a.md", "<!-- none is run: it takes pods -->\n\n```sh\nfalse\n```\n").unwrap();
        assert_eq!(page.blocks[0].skip.as_deref(), Some("it takes pods"));
    }

    #[test]
    fn the_place_of_a_block_is_its_text() {
        let text = "a\n\n```console\n$ x\ny\n```\n";
        let page = Page::read("a.md", text).unwrap();
        assert_eq!(&text[page.blocks[0].place.clone()], "$ x\ny\n");
    }
}
