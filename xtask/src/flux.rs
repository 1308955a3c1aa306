//! Flux's controllers that apply things: kustomize-controller and helm-controller, built from their Go modules.
//!
//! source-controller, which fetches what they apply, needs a module that the Go module proxy does not have. Of it there are
//! only the CRDs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::folders;
use crate::go_tools::{self, Module, Program, Tool};

const TOOL: Tool = Tool {
    name: "flux",
    go_mod: include_str!("../tools/flux/go.mod"),
    go_sum: include_str!("../tools/flux/go.sum"),
    sources: &[],
    programs: &[
        Program { name: "kustomize-controller", package: KUSTOMIZE_CONTROLLER },
        Program { name: "helm-controller", package: HELM_CONTROLLER },
    ],
    tags: &[],
    stamps: |_| Vec::new(),
    takes: "5 to 15 minutes on two cores, 4 GB of disk",
    instead: None,
};

const KUSTOMIZE_CONTROLLER: &str = "github.com/fluxcd/kustomize-controller";
const HELM_CONTROLLER: &str = "github.com/fluxcd/helm-controller";

/// The newest whose API is that of [`TOOL`]'s controllers.
const SOURCE_CONTROLLER: Module = Module {
    path: "github.com/fluxcd/source-controller",
    version: "v1.9.6",
    sum: "h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=",
};

/// What there is of Flux.
#[derive(Debug, Clone)]
pub struct Flux {
    /// Applies `Kustomization`s.
    pub kustomize_controller: PathBuf,
    /// Applies `HelmRelease`s.
    pub helm_controller: PathBuf,
    /// The files with the CRDs of both, and of the sources.
    pub crds: Vec<PathBuf>,
}

/// Flux, built and fetched where it is not there.
///
/// # Errors
/// When it cannot be built or fetched.
pub fn find_or_build() -> Result<Flux> {
    let programs = go_tools::find_or_build(&TOOL)?;
    let mut crds = Vec::new();
    for module in [SOURCE_CONTROLLER, Module::of(&TOOL, KUSTOMIZE_CONTROLLER)?, Module::of(&TOOL, HELM_CONTROLLER)?] {
        let folder = module.folder()?;
        let files = folders::files_with(&folder, Path::new("config/crd/bases"), "yaml")?;
        crds.extend(files.into_iter().map(|file| folder.join(file)));
    }
    Ok(Flux {
        kustomize_controller: programs.join("kustomize-controller"),
        helm_controller: programs.join("helm-controller"),
        crds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn the_controllers_are_pinned() {
        assert_is_pinned(&TOOL);
        for module in [KUSTOMIZE_CONTROLLER, HELM_CONTROLLER] {
            assert!(Module::of(&TOOL, module).is_ok_and(|module| module.sum.starts_with("h1:")));
        }
    }
}
