//! cargo-deny: it holds what `deny.toml` says about licences, duplicates and sources.

use std::process::Command;

use anyhow::Result;

use crate::cargo_tools::{self, Tool};
use crate::folders;

const TOOL: Tool = Tool { name: "cargo-deny", version: "0.20.2", arguments: &[], takes: "1 to 3 minutes" };

/// The checks that need no network. Advisories come from a database that does, and are checked apart.
const CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// The command that checks this checkout, with cargo-deny built when it is not there.
///
/// # Errors
/// When the build fails; the error has the end of its log.
pub fn command() -> Result<Command> {
    let mut command = Command::new(cargo_tools::find_or_build(&TOOL)?);
    command.current_dir(folders::root()).args(["--locked", "check", "--hide-inclusion-graph"]).args(CHECKS);
    Ok(command)
}
