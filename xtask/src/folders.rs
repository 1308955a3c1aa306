//! Where things are: the checkout, its target folder, and the user's cache folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The name of this project's folder inside the user's cache folder.
const PROJECT: &str = "bedrock-throughput-operator";

/// The checkout's root, where `Cargo.lock` is.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// This project's folder inside the user's cache folder, made when it does not exist.
///
/// # Errors
/// When the environment names no home, or the folder cannot be made.
pub fn cache() -> Result<PathBuf> {
    let folder = cache_of(cfg!(target_os = "macos"), &|name| env::var_os(name))?.join(PROJECT);
    fs::create_dir_all(&folder).with_context(|| format!("making the cache folder {}", folder.display()))?;
    Ok(folder)
}

fn cache_of(macos: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(folder) = absolute("XDG_CACHE_HOME") {
        return Ok(folder);
    }
    match absolute("HOME") {
        Some(home) if macos => Ok(home.join("Library/Caches")),
        Some(home) => Ok(home.join(".cache")),
        None => bail!("neither XDG_CACHE_HOME nor HOME is an absolute path: set one, the cache folder is below it"),
    }
}

/// The cargo that runs this task, or the one on `PATH`.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The folder cargo builds into, as cargo itself says.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    folder.map(PathBuf::from).context("`cargo metadata` names no target_directory")
}

/// The names of the workspace's crates.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn members() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array);
    let packages = packages.context("`cargo metadata` names no packages")?;
    let name = |package: &serde_json::Value| package.get("name")?.as_str().map(str::to_owned);
    Ok(packages.iter().filter_map(name).collect())
}

/// The files of `folder` (relative to `root`) with this extension, relative to `root` and sorted; none when there is no
/// such folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn files_with(root: &Path, folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let reading = || format!("reading the folder {}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).with_context(reading)? {
        let name = PathBuf::from(entry.with_context(reading)?.file_name());
        if name.extension().is_some_and(|there| there == extension) {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// As [`files_with`], also those of the folders in it.
///
/// # Errors
/// As there.
pub fn files_below(root: &Path, folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = files_with(root, folder, extension)?;
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(files);
    }
    let reading = || format!("reading the folder {}", path.display());
    for entry in fs::read_dir(&path).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if entry.file_type().with_context(reading)?.is_dir() {
            files.extend(files_below(root, &folder.join(entry.file_name()), extension)?);
        }
    }
    files.sort();
    Ok(files)
}

fn metadata() -> Result<serde_json::Value> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("starting `cargo metadata`: is cargo on PATH?")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` printed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(macos: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        cache_of(macos, &find).ok()
    }

    #[test]
    fn the_cache_folder_is_the_platforms() {
        let home = ("HOME", "/home/me");
        assert_eq!(folder(false, &[home]), Some("/home/me/.cache".into()));
        assert_eq!(folder(true, &[home]), Some("/home/me/Library/Caches".into()));
        assert_eq!(folder(false, &[home, ("XDG_CACHE_HOME", "/x")]), Some("/x".into()));
        assert_eq!(folder(false, &[home, ("XDG_CACHE_HOME", "relative")]), Some("/home/me/.cache".into()));
        assert_eq!(folder(false, &[]), None);
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
        assert!(members().unwrap().contains(&"xtask".to_owned()));
    }
}
