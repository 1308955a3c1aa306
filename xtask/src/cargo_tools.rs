//! Programs from crates.io that the tasks use, each built once into the user's cache folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folders;
use crate::process::{self, Guard, Output, tail};
use crate::progress::Progress;

/// A crate with one program of the same name.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The crate and its program.
    pub name: &'static str,
    /// The version that is built.
    pub version: &'static str,
    /// Further arguments of `cargo install`: features.
    pub arguments: &'static [&'static str],
    /// What a build takes, for the person who waits: `1 to 3 minutes`.
    pub takes: &'static str,
}

/// The program, built when it is not there. Of several runs at the same time one builds and the others wait.
///
/// # Errors
/// When the build fails; the error has the end of its log.
pub fn find_or_build(tool: &Tool) -> Result<PathBuf> {
    let mut progress = Progress::new(tool.name);
    let shelf = folders::cache()?.join(tool.name);
    let folder = shelf.join(tool.version);
    let program = folder.join("bin").join(tool.name);
    if works(tool, &program) {
        return Ok(program);
    }
    fs::create_dir_all(&shelf).with_context(|| format!("making the cache folder {}", shelf.display()))?;
    let path = shelf.join(".lock");
    let lock = File::create(&path).with_context(|| format!("making the lock {}", path.display()))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another run that builds it");
        lock.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    if !works(tool, &program) {
        build(tool, &shelf, &folder, &mut progress)?;
    }
    Ok(program)
}

fn works(tool: &Tool, program: &Path) -> bool {
    program.is_file()
        && process::output(Command::new(program).arg("--version")).is_ok_and(|text| text.contains(tool.version))
}

fn build(tool: &Tool, shelf: &Path, folder: &Path, progress: &mut Progress) -> Result<()> {
    let Tool { name, version, arguments, takes } = tool;
    let log = shelf.join("build.log");
    progress.say(&format!("building {name} {version} (once; {takes}); log: {}", log.display()));
    let target = tempfile::tempdir_in(shelf).with_context(|| format!("making a folder in {}", shelf.display()))?;
    // The folder of the cache has no rust-toolchain and no cargo configuration of the checkout above it.
    let mut command = folders::cargo();
    command.current_dir(shelf).args(["install", name, "--locked", "--force", "--version", version]);
    command.args(*arguments).arg("--root").arg(folder).arg("--target-dir").arg(target.path());
    // Its run takes a second in any case; optimizing it would take minutes.
    for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let guard = Guard::new("cargo install").output(Output::Log(log.clone())).remove_at_end(target.path());
    let mut compile = guard.spawn(&command)?;
    let status = compile.wait_with(progress, |progress| progress.tick(|| tail(&log, 1).trim().to_owned()))?;
    if !status.success() {
        bail!("building {name} {version} failed ({status}). The end of {}:\n{}", log.display(), tail(&log, 30));
    }
    Ok(())
}
