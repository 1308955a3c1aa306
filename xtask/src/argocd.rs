//! Argo CD: one program whose role depends on how it is called, built from its Go module.

use std::path::PathBuf;

use anyhow::Result;

use crate::go_tools::{self, Module, Program, Tool};

pub(crate) const TOOL: Tool = Tool {
    name: "argocd",
    go_mod: include_str!("../tools/argocd/go.mod"),
    go_sum: include_str!("../tools/argocd/go.sum"),
    sources: &[("miniredis/main.go", include_str!("../tools/argocd/miniredis/main.go"))],
    programs: &[
        Program { name: "argocd", package: "github.com/argoproj/argo-cd/v3/cmd" },
        Program { name: "miniredis", package: "./miniredis" },
    ],
    tags: &[],
    stamps: |_| Vec::new(),
    takes: "5 to 15 minutes on two cores, 4 GB of disk",
    instead: None,
};

const MODULE: &str = "github.com/argoproj/argo-cd/v3";

/// What there is of Argo CD.
#[derive(Debug, Clone)]
pub struct ArgoCd {
    /// Every role, by `ARGOCD_BINARY_NAME`.
    pub argocd: PathBuf,
    /// The cache between its parts.
    pub redis: PathBuf,
    /// The files with its CRDs.
    pub crds: Vec<PathBuf>,
    /// The script that it calls for each revision, also where no signatures are asked for.
    pub git_verify_wrapper: PathBuf,
}

/// Argo CD, built and fetched where it is not there.
///
/// # Errors
/// When it cannot be built or fetched.
pub fn find_or_build() -> Result<ArgoCd> {
    let programs = go_tools::find_or_build(&TOOL)?;
    let module = Module::of(&TOOL, MODULE)?.folder()?;
    let crd = |kind: &str| module.join("manifests/crds").join(format!("{kind}-crd.yaml"));
    Ok(ArgoCd {
        argocd: programs.join("argocd"),
        redis: programs.join("miniredis"),
        crds: ["application", "appproject", "applicationset"].map(crd).into(),
        git_verify_wrapper: module.join("hack/git-verify-wrapper.sh"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn it_is_pinned() {
        assert_is_pinned(&TOOL);
        assert!(Module::of(&TOOL, MODULE).is_ok_and(|module| module.sum.starts_with("h1:")));
    }
}
