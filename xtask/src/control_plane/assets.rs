//! The folder with the control plane's programs: the one the user names, else one that is built once.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::go_tools::{self, Program, Tool};

/// The variable that names a folder with the programs, as for other Kubernetes test tools.
pub const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The programs that must be there.
const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Where they are built from.
const TOOL: Tool = Tool {
    name: "control-plane",
    go_mod: include_str!("../../tools/control-plane/go.mod"),
    go_sum: include_str!("../../tools/control-plane/go.sum"),
    sources: &[],
    programs: &[
        Program { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" },
        Program { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" },
        Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" },
        Program { name: "etcd", package: "go.etcd.io/etcd/server/v3" },
    ],
    tags: &[],
    stamps: versions,
    takes: "6 to 15 minutes on two cores, 4 GB of disk",
    instead: Some(
        "set KUBEBUILDER_ASSETS to a folder that has etcd, kube-apiserver, kube-controller-manager and kubectl",
    ),
};

/// Without a version the server calls itself something that kubectl and helm refuse to parse.
fn versions(tool: &Tool) -> Vec<String> {
    let version = tool.version_of("k8s.io/kubernetes").unwrap_or("v0.0.0");
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
    let stamps = [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "clean")];
    stamps.iter().map(|(name, value)| format!("k8s.io/component-base/version.{name}={value}")).collect()
}

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
        None => Assets::in_folder(&go_tools::find_or_build(&TOOL)?),
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
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn the_programs_are_pinned_and_know_their_version() {
        assert_is_pinned(&TOOL);
        let built: Vec<&str> = TOOL.programs.iter().map(|program| program.name).collect();
        assert!(PROGRAMS.iter().all(|name| built.contains(name)), "{built:?}");
        let version = TOOL.version_of("k8s.io/kubernetes").unwrap();
        assert!(version.starts_with("v1."), "{version}");
        assert!(versions(&TOOL).contains(&format!("k8s.io/component-base/version.gitVersion={version}")));
    }

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
