//! Prometheus and promtool, built from Go modules, and a server that scrapes one target.

mod server;

use std::path::PathBuf;

use anyhow::Result;

use crate::go_tools::{self, Program, Tool};

pub use self::server::{Alert, JOB, Sample, Server};

const TOOL: Tool = Tool {
    name: "prometheus",
    go_mod: include_str!("../tools/prometheus/go.mod"),
    go_sum: include_str!("../tools/prometheus/go.sum"),
    sources: &[],
    programs: &[
        Program { name: "prometheus", package: "github.com/prometheus/prometheus/cmd/prometheus" },
        Program { name: "promtool", package: "github.com/prometheus/prometheus/cmd/promtool" },
    ],
    // Without discovery in clouds, which is most of it. A target is named by its address here.
    tags: &["remove_all_sd"],
    stamps: version,
    takes: "2 to 5 minutes on two cores",
    instead: None,
};

/// Version 3.16.0 is the module's v0.316.0.
fn version(tool: &Tool) -> Vec<String> {
    let module = tool.version_of("github.com/prometheus/prometheus").unwrap_or("v0.0.0");
    let mut numbers = module.trim_start_matches("v0.").split('.').filter_map(|part| part.parse::<u32>().ok());
    let (release, patch) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    vec![format!("github.com/prometheus/common/version.Version={}.{}.{patch}", release / 100, release % 100)]
}

/// The programs' paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// The server.
    pub server: PathBuf,
    /// The tool that checks and tests rules.
    pub promtool: PathBuf,
}

/// The programs from the cache folder, where they are built when they are not there.
///
/// # Errors
/// When the build fails.
pub fn find_or_build() -> Result<Prometheus> {
    let folder = go_tools::find_or_build(&TOOL)?;
    Ok(Prometheus { server: folder.join("prometheus"), promtool: folder.join("promtool") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_tools::assert_is_pinned;

    #[test]
    fn the_programs_are_pinned_and_know_their_version() {
        assert_is_pinned(&TOOL);
        let version = version(&TOOL);
        assert!(version.iter().all(|stamp| stamp.contains("version.Version=3.")), "{version:?}");
    }
}
