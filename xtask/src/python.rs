//! Virtual environments for Python programs that the tests use, each made once into the user's cache folder from a file
//! of requirements that pins versions and checksums.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};

use crate::folders;
use crate::process;

/// The requirements of boto3 and the AWS CLI, relative to the checkout's root.
pub const AWS: &str = "simulator/tests/python/requirements.txt";

/// What the machine's Python says of itself.
///
/// # Errors
/// When there is none.
pub fn version() -> Result<String> {
    process::output(Command::new("python3").arg("--version")).context("there is no Python 3")
}

/// The folder with the programs of the virtual environment, which is made when it is not there. `requirements` is
/// relative to the checkout's root. Of several runs at the same time one makes it and the others wait.
///
/// # Errors
/// When there is no Python, or the packages cannot be had.
pub fn environment(requirements: &str) -> Result<PathBuf> {
    let path = folders::root().join(requirements);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let folder = folders::cache()?.join(name(&text, &version()?));
    let (programs, complete) = (folder.join("bin"), folder.join("complete"));
    if complete.is_file() {
        return Ok(programs);
    }
    let lock = folder.with_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("making the lock {}", lock.display()))?;
    lock.lock().context("locking the virtual environment")?;
    if !complete.is_file() {
        make(&folder, &path)?;
        fs::write(&complete, "").with_context(|| format!("writing {}", complete.display()))?;
    }
    Ok(programs)
}

/// A name that changes with the requirements and with Python.
fn name(requirements: &str, python: &str) -> String {
    let digest = digest(&SHA256, format!("{python}\n{requirements}").as_bytes());
    digest.as_ref().iter().take(8).fold("python-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

/// Scripts of a virtual environment name its path, so it is made in its place; one that is not complete is made anew.
fn make(folder: &Path, requirements: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    process::output(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(["--require-hashes", "--only-binary=:all:", "-r"]).arg(requirements);
    process::output(&mut install).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_belongs_to_its_requirements_and_its_python() {
        assert_eq!(name("a", "3.13"), name("a", "3.13"));
        assert_ne!(name("a", "3.13"), name("b", "3.13"));
        assert_ne!(name("a", "3.13"), name("a", "3.14"));
    }
}
