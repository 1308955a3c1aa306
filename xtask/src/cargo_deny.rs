//! cargo-deny, built once into the user's cache folder: it holds what `deny.toml` says about licences, duplicates and
//! sources.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folders;
use crate::process::{self, Guard, Output, tail};
use crate::progress::Progress;

/// The version that is built.
pub const VERSION: &str = "0.20.2";

/// The checks that need no network. Advisories come from a database that does, and are checked apart.
const CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// The command that checks this checkout, with cargo-deny built when it is not there. Of several runs at the same time
/// one builds and the others wait.
///
/// # Errors
/// When the build fails; the error has the end of its log.
pub fn command() -> Result<Command> {
    let mut command = Command::new(find_or_build()?);
    command.current_dir(folders::root()).args(["--locked", "check", "--hide-inclusion-graph"]).args(CHECKS);
    Ok(command)
}

fn find_or_build() -> Result<PathBuf> {
    let mut progress = Progress::new("cargo-deny");
    let shelf = folders::cache()?.join("cargo-deny");
    let folder = shelf.join(VERSION);
    let program = folder.join("bin/cargo-deny");
    if works(&program) {
        return Ok(program);
    }
    fs::create_dir_all(&shelf).with_context(|| format!("making the cache folder {}", shelf.display()))?;
    let path = shelf.join(".lock");
    let lock = File::create(&path).with_context(|| format!("making the lock {}", path.display()))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another run that builds it");
        lock.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    if !works(&program) {
        build(&shelf, &folder, &mut progress)?;
    }
    Ok(program)
}

fn works(program: &Path) -> bool {
    program.is_file()
        && process::output(Command::new(program).arg("--version")).is_ok_and(|text| text.contains(VERSION))
}

fn build(shelf: &Path, folder: &Path, progress: &mut Progress) -> Result<()> {
    let log = shelf.join("build.log");
    progress.say(&format!("building cargo-deny {VERSION} (once; 1 to 3 minutes); log: {}", log.display()));
    let target = tempfile::tempdir_in(shelf).with_context(|| format!("making a folder in {}", shelf.display()))?;
    // The folder of the cache has no rust-toolchain and no cargo configuration of the checkout above it.
    let mut command = folders::cargo();
    command.current_dir(shelf).args(["install", "cargo-deny", "--locked", "--force", "--version", VERSION, "--root"]);
    command.arg(folder).arg("--target-dir").arg(target.path());
    // Its run takes a second in any case; optimizing it would take minutes.
    for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let guard = Guard::new("cargo install").output(Output::Log(log.clone())).remove_at_end(target.path());
    let mut compile = guard.spawn(&command)?;
    let status = compile.wait_with(progress, |progress| progress.tick(|| tail(&log, 1).trim().to_owned()))?;
    if !status.success() {
        bail!("building cargo-deny {VERSION} failed ({status}). The end of {}:\n{}", log.display(), tail(&log, 30));
    }
    Ok(())
}
