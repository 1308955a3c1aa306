//! The machine and the programs that were measured.

use std::fs;
use std::process::Command;
use std::thread;

use serde::Serialize;

use crate::binaries::Binaries;
use crate::control_plane::Assets;
use crate::{folders, process};

/// Facts that figures depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    /// The date, in UTC.
    pub(super) date: String,
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Processes that wanted a core in the minute before: more than a few tenths disturb the figures.
    load: String,
    rust: String,
    kubernetes: String,
    etcd: String,
    operator: String,
    operator_bytes: u64,
    commit: String,
}

impl Machine {
    /// Asks the machine and the programs. What cannot be found out is "unknown".
    pub(super) fn ask(binaries: &Binaries, assets: &Assets) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let field = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            value.map(|(_, value)| value.trim().to_owned())
        };
        let total = field(&meminfo, "MemTotal").unwrap_or_default();
        let kilobytes: u64 = total.trim_end_matches(" kB").parse().unwrap_or_default();
        let program = |path: &std::path::Path, arguments: &[&str]| said(Command::new(path).args(arguments));
        let mut git = Command::new("git");
        git.current_dir(folders::root()).args(["describe", "--always", "--dirty", "--abbrev=12"]);
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            processor: field(&cpuinfo, "model name").unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kilobytes / 1024,
            kernel: format!(
                "{} {} {}",
                std::env::consts::OS,
                read("/proc/sys/kernel/osrelease").trim(),
                std::env::consts::ARCH
            ),
            load: read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned(),
            rust: said(Command::new("rustc").arg("--version")),
            kubernetes: program(&assets.folder().join("kube-apiserver"), &["--version"]),
            etcd: program(&assets.folder().join("etcd"), &["--version"]),
            operator: program(&binaries.operator, &["--version"]),
            operator_bytes: fs::metadata(&binaries.operator).map_or(0, |file| file.len()),
            commit: said(&mut git),
        }
    }

    /// Whether something else was at work that may have disturbed the figures.
    pub(super) fn was_busy(&self) -> bool {
        self.load.parse::<f64>().is_ok_and(|load| load > 0.5)
    }

    /// A line for each fact.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self {
            date,
            processor,
            cores,
            memory_mib,
            kernel,
            load,
            rust,
            kubernetes,
            etcd,
            operator,
            operator_bytes,
            commit,
        } = self;
        vec![
            format!("{date}, commit {commit}; load before the run {load}"),
            format!("{cores} cores ({processor}), {memory_mib} MiB, {kernel}"),
            format!("{operator}, release build of {:.1} MiB by {rust}", mebibytes(*operator_bytes)),
            format!("API server: {kubernetes}; {etcd}, which does not wait for the disk"),
        ]
    }
}

#[allow(clippy::cast_precision_loss, reason = "the size of a file")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The first line of what a command says.
fn said(command: &mut Command) -> String {
    let output = process::output(command).ok();
    output.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_else(unknown)
}
