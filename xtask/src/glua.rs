//! GopherLua's interpreter: the Lua that Argo CD runs health checks and actions with.

use std::path::PathBuf;

use anyhow::Result;

use crate::go_tools::{self, Program, Tool};

/// At the version that Argo CD is built with; see [`crate::argocd`].
const TOOL: Tool = Tool {
    name: "glua",
    go_mod: include_str!("../tools/glua/go.mod"),
    go_sum: include_str!("../tools/glua/go.sum"),
    sources: &[],
    programs: &[Program { name: "glua", package: MAIN }],
    tags: &[],
    stamps: |_| Vec::new(),
    takes: "seconds",
    instead: None,
};

const MAIN: &str = "github.com/yuin/gopher-lua/cmd/glua";

/// The interpreter, built when it is not there.
///
/// # Errors
/// When it cannot be built.
pub fn find_or_build() -> Result<PathBuf> {
    Ok(go_tools::find_or_build(&TOOL)?.join("glua"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argocd;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn it_is_the_interpreter_of_argo_cd() {
        const MODULE: &str = "github.com/yuin/gopher-lua";
        assert_is_pinned(&TOOL);
        assert_eq!(TOOL.version_of(MODULE), argocd::TOOL.version_of(MODULE));
    }
}
