//! Whether a command printed what the page shows. What differs from run to run is the same to it: ages, times, ids,
//! addresses and hashes, and with them the width of columns. `…` in a line stands for any words, and on a line of its own
//! for any lines.

use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use regex::Regex;

/// What differs from run to run, in the order in which it is replaced.
const VARIES: [(&str, &str); 6] = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "(uuid)"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "(time)"),
    (r"\b127\.0\.0\.1:\d+\b", "(address)"),
    // YAML quotes one that could be a number.
    (r#""?\b[0-9a-f]{8}\b"?"#, "(hash)"),
    (r"\b\d+(\.\d+)?(ms|s|m|h|d)(\d+s)?\b", "(age)"),
    (r"[ \t]+", " "),
];

static PATTERNS: LazyLock<Result<Vec<(Regex, &'static str)>>> = LazyLock::new(|| {
    let compile = |(pattern, instead): &(&'static str, &'static str)| {
        Regex::new(pattern).map(|regex| (regex, *instead)).with_context(|| format!("the pattern {pattern}"))
    };
    VARIES.iter().map(compile).collect()
});

/// Whether `printed` is what `shown` says.
///
/// # Errors
/// Never in practice: when a pattern of this file is none.
pub(super) fn same(shown: &str, printed: &str) -> Result<bool> {
    let (shown, printed) = (normal(shown)?, normal(printed)?);
    let shown: Vec<&str> = shown.lines().map(str::trim).collect();
    let printed: Vec<&str> = printed.lines().map(str::trim).collect();
    Ok(lines_match(&shown, &printed))
}

fn normal(text: &str) -> Result<String> {
    let patterns = PATTERNS.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let replaced = { patterns }
        .iter()
        .fold(text.trim().to_owned(), |text, (regex, instead)| regex.replace_all(&text, *instead).into_owned());
    Ok(replaced)
}

fn lines_match(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        (["…", rest @ ..], _) => {
            (0..=printed.len()).any(|from| printed.get(from..).is_some_and(|printed| lines_match(rest, printed)))
        }
        ([first, shown @ ..], [line, printed @ ..]) => words_match(first, line) && lines_match(shown, printed),
        ([_, ..], []) | ([], [_, ..]) => false,
    }
}

fn words_match(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let (first, rest) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
    let Some(mut printed) = printed.strip_prefix(first) else { return false };
    let Some((last, middle)) = rest.split_last() else { return printed.is_empty() };
    for part in middle {
        match printed.split_once(part) {
            Some((_, behind)) => printed = behind,
            None => return false,
        }
    }
    printed.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_the_same() {
        assert!(same("NAME   AGE\nx      1s", "NAME  AGE\nx     12m5s\n").unwrap());
        assert!(
            same("at http://127.0.0.1:4588, 2026-01-01T00:00:00Z", "at http://127.0.0.1:1, 2027-01-01T00:00:00.5Z")
                .unwrap()
        );
        assert!(same("hash 3f9c2a1b", "hash 00000000").unwrap());
        assert!(same("hash: 3f9c2a1b", "hash: \"622848e1\"").unwrap());
        assert!(!same("name a", "name b").unwrap());
        assert!(!same("a", "a\nb").unwrap());
    }

    #[test]
    fn an_ellipsis_stands_for_words_or_lines() {
        assert!(same("from … to b…", "from a to b, at last").unwrap());
        assert!(!same("from … to b", "from a to c").unwrap());
        assert!(same("a\n…\nd", "a\nb\nc\nd").unwrap());
        assert!(same("a\n…", "a").unwrap());
        assert!(!same("a\n…\ne", "a\nb\nc\nd").unwrap());
    }
}
