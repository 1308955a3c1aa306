//! The folder with the control plane's programs: the one the user names, else one that is built once.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::build;

/// The variable that names a folder with the programs, as for other Kubernetes test tools.
pub const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The programs that must be there.
pub(super) const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// A folder that has all of the control plane's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets(PathBuf);

impl Assets {
    /// Checks that all programs are in `folder`.
    ///
    /// # Errors
    /// When one is missing; the error says which.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| !folder.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!("the folder {} has no {}", folder.display(), missing.join(", no "));
        }
        // The programs are started from other folders.
        Ok(Self(std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The path of kubectl.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.0.join("kubectl")
    }

    pub(super) fn etcd(&self) -> PathBuf {
        self.0.join("etcd")
    }

    pub(super) fn apiserver(&self) -> PathBuf {
        self.0.join("kube-apiserver")
    }

    pub(super) fn controller_manager(&self) -> PathBuf {
        self.0.join("kube-controller-manager")
    }
}

/// The programs from [`VARIABLE`]'s folder, else from the cache folder, where they are built when they are not there.
///
/// # Errors
/// When the named folder lacks a program, or the build fails.
pub fn find_or_build() -> Result<Assets> {
    match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(folder) => named_by_the_user(Path::new(&folder)),
        None => build::cached_or_built(),
    }
}

fn named_by_the_user(folder: &Path) -> Result<Assets> {
    Assets::in_folder(folder).map_err(|error| {
        error.context(format!(
            "{VARIABLE} does not name a folder with {}; unset it and they are built once from Go modules",
            PROGRAMS.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn says_which_programs_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etcd", "kubectl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let text = format!("{:#}", named_by_the_user(folder.path()).unwrap_err());
        assert!(text.contains("no kube-apiserver, no kube-controller-manager"), "{text}");
        assert!(text.contains("unset it"), "{text}");
        for name in PROGRAMS {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(named_by_the_user(folder.path()).unwrap().kubectl(), folder.path().join("kubectl"));
    }
}
