//! The Go toolchain of this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The Go toolchain, as it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    pub(super) version: String,
    pub(super) platform: String,
}

impl Toolchain {
    /// Asks `go`, with a pinned `go.mod` in sight: an older Go may fetch the version that it wants.
    pub(super) fn find(shelf: &Path, go_mod: &str) -> Result<Self> {
        let folder = tempfile::tempdir_in(shelf).with_context(|| format!("making a folder in {}", shelf.display()))?;
        fs::write(folder.path().join("go.mod"), go_mod).context("writing go.mod")?;
        let mut command = Command::new("go");
        command.args(["env", "GOVERSION", "GOOS", "GOARCH"]).current_dir(folder.path());
        let text = process::output(&mut command)?;
        let go = match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [version, os, arch] => Self { version: (*version).to_owned(), platform: format!("{os}/{arch}") },
            _ => bail!("`go env GOVERSION GOOS GOARCH` printed {text:?}, not three words"),
        };
        if numbers(&go.version) < numbers(wanted(go_mod)) {
            bail!("Go is {}, too old", go.version);
        }
        Ok(go)
    }
}

/// The Go version that a `go.mod` asks for.
pub(super) fn wanted(go_mod: &str) -> &str {
    go_mod.lines().find_map(|line| line.strip_prefix("go ")).unwrap_or("1.26").trim()
}

/// The numbers in a Go version such as `go1.26.8` or `1.26`, for comparing.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let digits = version.trim_start_matches("go").split(|c: char| !c.is_ascii_digit() && c != '.').next();
    let mut numbers: Vec<u32> = digits.unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect();
    numbers.resize(3, 0);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_compare_as_numbers() {
        assert!(numbers("go1.9") < numbers("1.26.0"));
        assert!(numbers("go1.26.10") > numbers("go1.26.9"));
        assert_eq!(numbers("go1.27rc1"), [1, 27, 0]);
        assert_eq!(numbers("go1.26.8 X:nocoverageredesign"), [1, 26, 8]);
    }

    #[test]
    fn the_wanted_version_is_read_from_go_mod() {
        assert_eq!(wanted("module tools\n\ngo 1.26.7\n"), "1.26.7");
    }
}
