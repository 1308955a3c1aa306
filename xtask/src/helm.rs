//! helm, built from Go modules.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::go_tools::{self, Program, Tool};

const TOOL: Tool = Tool {
    name: "helm",
    go_mod: include_str!("../tools/helm/go.mod"),
    go_sum: include_str!("../tools/helm/go.sum"),
    programs: &[Program { name: "helm", package: "helm.sh/helm/v4/cmd/helm" }],
    tags: &[],
    sources: &[],
    stamps: |tool| {
        let version = tool.version_of("helm.sh/helm/v4").unwrap_or("v4.0.0");
        vec![format!("helm.sh/helm/v4/internal/version.version={version}")]
    },
    takes: "3 to 6 minutes on two cores",
    instead: None,
};

/// helm, with settings and caches of its own: nothing of the user's has an effect on it.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
}

impl Helm {
    /// The one from the cache folder, where it is built when it is not there.
    ///
    /// # Errors
    /// When the build fails, or no temporary folder can be made.
    pub fn find_or_build() -> Result<Self> {
        let program = go_tools::find_or_build(&TOOL)?.join("helm");
        let home = tempfile::Builder::new().prefix("helm-").tempdir().context("making a temporary folder for helm")?;
        Ok(Self { program, home })
    }

    /// A helm that knows no cluster; `KUBECONFIG` names one.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HELM_") {
                command.env_remove(name);
            }
        }
        for (name, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(name, self.home.path().join(folder));
        }
        command.env("KUBECONFIG", self.home.path().join("no-cluster")).env("HOME", self.home.path());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn helm_is_pinned_and_knows_its_version() {
        assert_is_pinned(&TOOL);
        assert_eq!(TOOL.version_of("helm.sh/helm/v4"), Some("v4.3.1"));
    }
}
