//! actionlint: holds the workflows in `.github/workflows` to what GitHub takes.

use std::process::Command;

use anyhow::Result;

use crate::folders;
use crate::go_tools::{self, Program, Tool};

const TOOL: Tool = Tool {
    name: "actionlint",
    go_mod: include_str!("../tools/actionlint/go.mod"),
    go_sum: include_str!("../tools/actionlint/go.sum"),
    sources: &[],
    programs: &[Program { name: "actionlint", package: "github.com/rhysd/actionlint/cmd/actionlint" }],
    tags: &[],
    stamps: |_| Vec::new(),
    takes: "seconds",
    instead: None,
};

/// The command that checks this checkout, with actionlint built when it is not there.
///
/// # Errors
/// When it cannot be built.
pub fn command() -> Result<Command> {
    let mut command = Command::new(go_tools::find_or_build(&TOOL)?.join("actionlint"));
    // The same on every machine, whatever other linters it has.
    command.current_dir(folders::root()).args(["-shellcheck=", "-pyflakes=", "-color"]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn it_is_pinned() {
        assert_is_pinned(&TOOL);
    }
}
