//! A page's blocks as one bash script: variables, functions and background programs live from block to block, as in the
//! terminal of a reader. What each command printed goes into a file of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::page::{Block, Kind};
use crate::process::shell_word;

/// Something that is run, in its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// The line of the block in its page.
    pub(super) line: usize,
    /// The block's number.
    pub(super) block: usize,
    pub(super) what: What,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Commands that have to succeed, one and all.
    Commands(String),
    /// A command, and what it has to print.
    Shown { command: String, output: String },
    /// A manifest that the API server has to take.
    Manifest(String),
    /// A file that later commands read.
    File { name: String, text: String },
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// What it printed.
    pub(super) printed: String,
    /// Its exit status; nothing where it ended the shell, or was never begun.
    pub(super) status: Option<i32>,
}

/// What is to be run of a page, in its order.
pub(super) fn units(blocks: &[Block]) -> Vec<Unit> {
    let mut units = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let mut push = |what| units.push(Unit { line: block.line, block: number, what });
        if block.skip.is_some() {
            continue;
        }
        if let Some(name) = &block.save {
            push(What::File { name: name.clone(), text: block.text.clone() });
        }
        match block.kind {
            Kind::Shell => push(What::Commands(block.text.clone())),
            Kind::Console => {
                for (command, output) in commands(&block.text) {
                    push(What::Shown { command, output });
                }
            }
            // What shows a part of a file is checked with the file, and what is saved is read by a command behind it.
            Kind::Manifest if block.from.is_none() && block.save.is_none() => {
                push(What::Manifest(block.text.clone()));
            }
            Kind::Manifest | Kind::Json | Kind::Other => {}
        }
    }
    units
}

/// The commands of a `console` block, each with the lines that follow it. A line that begins with `> ` goes on with the
/// command of the line before.
pub(super) fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut printing = false;
    for line in text.lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), commands.last_mut()) {
            (Some(command), _, _) => {
                commands.push((command.to_owned(), String::new()));
                printing = false;
            }
            (None, Some(more), Some((command, _))) if !printing => {
                let _ = write!(command, "\n{more}");
            }
            (None, _, Some((_, output))) => {
                printing = true;
                let _ = writeln!(output, "{line}");
            }
            (None, _, None) => {}
        }
    }
    commands
}

/// The block with what its commands printed just now.
pub(super) fn renewed(text: &str, printed: &[String]) -> String {
    let mut renewed = String::new();
    for ((command, _), printed) in commands(text).iter().zip(printed) {
        let _ = writeln!(renewed, "$ {}", command.replace('\n', "\n> "));
        let lines: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
        if !lines.is_empty() {
            let _ = writeln!(renewed, "{}", lines.join("\n"));
        }
    }
    renewed
}

/// Writes the script into `folder`, and returns its path.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(units: &[Unit], folder: &Path) -> Result<PathBuf> {
    let word = |path: &Path| shell_word(&path.to_string_lossy());
    let mut script = String::new();
    for (number, unit) in units.iter().enumerate() {
        let file = |extension: &str| folder.join(format!("{number}.{extension}"));
        let (output, status) = (word(&file("out")), word(&file("status")));
        let (strict, command) = match &unit.what {
            What::Commands(commands) => ("set -e", commands.clone()),
            What::Shown { command, .. } => ("set +e", command.clone()),
            What::Manifest(text) => {
                let path = file("yaml");
                fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
                ("set -e", format!("kubectl apply --dry-run=server --validate=strict --filename {}", word(&path)))
            }
            What::File { name, text } => {
                let path = file("saved");
                fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
                let folder = Path::new(name).parent().unwrap_or_else(|| Path::new(""));
                ("set -e", format!("mkdir -p ./{}\ncp {} {}", word(folder), word(&path), shell_word(name)))
            }
        };
        let _ = writeln!(script, "{strict}\n{{\n{command}\n}} >{output} 2>&1\necho $? >{status}");
    }
    let path = folder.join("script.sh");
    fs::write(&path, script).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// What became of a unit of the script in `folder`.
pub(super) fn ran(number: usize, folder: &Path) -> Ran {
    let read = |extension: &str| fs::read(folder.join(format!("{number}.{extension}"))).unwrap_or_default();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { printed: text(read("out")), status: text(read("status")).trim().parse().ok() }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn block(kind: Kind, text: &str) -> Block {
        Block { line: 1, kind, text: text.to_owned(), place: 0..0, skip: None, from: None, save: None }
    }

    #[test]
    fn a_console_block_is_commands_and_what_they_print() {
        let text = "$ cat <<EOF\n> a\n> EOF\na\n> b\n$ true\n";
        let wanted = [("cat <<EOF\na\nEOF", "a\n> b\n"), ("true", "")];
        assert_eq!(commands(text), wanted.map(|(command, output)| (command.to_owned(), output.to_owned())));
        assert_eq!(renewed(text, &["c  \n".to_owned(), String::new()]), "$ cat <<EOF\n> a\n> EOF\nc\n$ true\n");
    }

    #[test]
    fn what_is_skipped_or_shown_from_a_file_is_not_run() {
        let skipped = Block { skip: Some("why".to_owned()), ..block(Kind::Shell, "false\n") };
        let shown = Block { from: Some("deploy/x.yaml".to_owned()), ..block(Kind::Manifest, "a: 1\n") };
        assert_eq!(units(&[skipped, shown, block(Kind::Json, "{}"), block(Kind::Other, "x")]), []);
    }

    #[test]
    fn variables_live_on_and_the_first_failure_ends_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = [
            block(Kind::Shell, "X=1\n"),
            block(Kind::Console, "$ echo \"$X\"; false\n1\n"),
            block(Kind::Shell, "false\ntrue\n"),
            block(Kind::Shell, "echo never\n"),
        ];
        let script = write(&units(&blocks), folder.path()).unwrap();
        let status = Command::new("bash").arg(script).current_dir(folder.path()).status().unwrap();
        assert!(!status.success());
        let ran: Vec<Ran> = (0..4).map(|number| ran(number, folder.path())).collect();
        assert_eq!(ran[1], Ran { printed: "1\n".to_owned(), status: Some(1) });
        assert_eq!((ran[2].status, ran[3].status, ran[3].printed.as_str()), (None, None, ""));
    }
}
