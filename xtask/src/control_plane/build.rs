//! Builds the control plane's programs from the Go modules that `control-plane/go.mod` and `go.sum` pin, once.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};

use super::assets::{Assets, PROGRAMS};
use crate::folders;
use crate::process::{self, Guard, Output, tail};
use crate::progress::Progress;

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");

const PACKAGES: [&str; 4] = [
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kubectl",
    "go.etcd.io/etcd/server/v3",
];

/// What the module of etcd's server is called when it is built.
const BUILT_ETCD: &str = "server";

/// Begins the names of folders in which a build is under way.
const UNFINISHED: &str = ".building-";

/// The programs from the cache folder, built when they are not there. Of several runs at the same time one builds and
/// the others wait.
pub(super) fn cached_or_built() -> Result<Assets> {
    let mut progress = Progress::new("control-plane");
    let shelf = folders::cache()?.join("control-plane");
    fs::create_dir_all(&shelf).with_context(|| format!("making the cache folder {}", shelf.display()))?;
    let go = Go::find(&shelf)?;
    let folder = shelf.join(go.key());
    if let Ok(assets) = Assets::in_folder(&folder) {
        return Ok(assets);
    }
    let path = shelf.join(".lock");
    let lock = File::create(&path).with_context(|| format!("making the lock {}", path.display()))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another run that builds the programs");
        lock.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    match Assets::in_folder(&folder) {
        Ok(assets) => Ok(assets),
        Err(_) => build(&go, &shelf, &folder, &mut progress),
    }
}

fn build(go: &Go, shelf: &Path, folder: &Path, progress: &mut Progress) -> Result<Assets> {
    remove_unfinished(shelf);
    let work = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(shelf);
    let work = work.with_context(|| format!("making a folder in {}", shelf.display()))?;
    fs::write(work.path().join("go.mod"), GO_MOD).context("writing go.mod into the build's folder")?;
    fs::write(work.path().join("go.sum"), GO_SUM).context("writing go.sum into the build's folder")?;
    let log = shelf.join("build.log");
    progress.say(&format!(
        "building etcd, kube-apiserver, kube-controller-manager and kubectl {} with {} (once; 6 to 15 minutes on two \
         cores, 4 GB of disk); log: {}",
        kubernetes_version(),
        go.version,
        log.display()
    ));
    let finished = work.path().join("bin");
    let mut command = Go::build_command(work.path(), &finished);
    let mut compile = Guard::new("go build").output(Output::Log(log.clone())).spawn(command.env("PWD", work.path()))?;
    let mut count = Count::default();
    let status = loop {
        if let Some(status) = compile.try_wait()? {
            break status;
        }
        count.read(&log);
        progress.tick(|| count.to_string());
        thread::sleep(Duration::from_millis(200));
    };
    if !status.success() {
        bail!(
            "building the control plane failed ({status}). The end of {}:\n{}\nIt needs Go, a few GB of disk and the Go \
             module proxy; or set KUBEBUILDER_ASSETS to a folder that has {}",
            log.display(),
            tail(&log, 30),
            PROGRAMS.join(", ")
        );
    }
    let rename = |from: &Path, to: &Path| {
        fs::rename(from, to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))
    };
    rename(&finished.join(BUILT_ETCD), &finished.join("etcd"))?;
    Assets::in_folder(&finished).context("the build did not make all programs")?;
    // A folder with the final name that lacks a program was damaged by somebody; it would stop the rename.
    let _ = fs::remove_dir_all(folder);
    rename(&finished, folder)?;
    progress.say(&format!("built {}", folder.display()));
    Assets::in_folder(folder)
}

/// Removes what a run left that was killed. The caller has the lock, so nobody builds now.
fn remove_unfinished(shelf: &Path) {
    for entry in fs::read_dir(shelf).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The Go toolchain, as it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Go {
    version: String,
    platform: String,
}

impl Go {
    /// Asks `go`, with the pinned `go.mod` in sight: an older Go may fetch the version that it wants.
    fn find(shelf: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(shelf).with_context(|| format!("making a folder in {}", shelf.display()))?;
        fs::write(folder.path().join("go.mod"), GO_MOD).context("writing go.mod")?;
        let mut command = Command::new("go");
        command.args(["env", "GOVERSION", "GOOS", "GOARCH"]).current_dir(folder.path());
        let advice = || {
            format!(
                "the control plane is built with Go {} or newer: install it, or set KUBEBUILDER_ASSETS to a folder that \
                 has {}",
                wanted(),
                PROGRAMS.join(", ")
            )
        };
        let text = process::output(&mut command).with_context(advice)?;
        let go = match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [version, os, arch] => Self { version: (*version).to_owned(), platform: format!("{os}/{arch}") },
            _ => bail!("`go env GOVERSION GOOS GOARCH` printed {text:?}, not three words"),
        };
        if numbers(&go.version) < numbers(wanted()) {
            bail!("Go is {}, too old: {}", go.version, advice());
        }
        Ok(go)
    }

    fn build_command(folder: &Path, into: &Path) -> Command {
        let mut command = Command::new("go");
        command.current_dir(folder).args(["build", "-v", "-mod=readonly", "-buildvcs=false", "-o"]).arg(slash(into));
        command.args(["-ldflags", &linker_flags()]).args(PACKAGES);
        // The user's own flags and workspace are about other projects.
        command.env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off");
        command
    }

    /// A name for what is built: it changes when anything does that changes the programs.
    fn key(&self) -> String {
        let flags = linker_flags();
        let parts = [GO_MOD, GO_SUM, &self.version, &self.platform, &flags, &PACKAGES.join(" ")];
        // Each part ends with a byte that occurs in none, so that no two lists run into the same text.
        let text: Vec<u8> = parts.iter().flat_map(|part| part.bytes().chain([0])).collect();
        let hash = digest(&SHA256, &text);
        let prefix: [u8; 8] = std::array::from_fn(|index| hash.as_ref().get(index).copied().unwrap_or_default());
        format!("{:016x}", u64::from_be_bytes(prefix))
    }
}

/// A trailing slash makes `go build -o` take a path as a folder.
fn slash(path: &Path) -> PathBuf {
    path.join("")
}

/// The Go version that the pinned `go.mod` asks for.
fn wanted() -> &'static str {
    GO_MOD.lines().find_map(|line| line.strip_prefix("go ")).unwrap_or("1.26").trim()
}

/// The Kubernetes version that the pinned `go.mod` names.
fn kubernetes_version() -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes ")?.split(' ').next())
        .unwrap_or("v0.0.0")
}

/// Without a version the server calls itself something that kubectl and helm refuse to parse.
fn linker_flags() -> String {
    let version = kubernetes_version();
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
         -X {package}.gitTreeState=clean"
    )
}

/// The numbers in a Go version such as `go1.26.8` or `1.26`, for comparing.
fn numbers(version: &str) -> Vec<u32> {
    let digits = version.trim_start_matches("go").split(|c: char| !c.is_ascii_digit() && c != '.').next();
    let mut numbers: Vec<u32> = digits.unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect();
    numbers.resize(3, 0);
    numbers
}

/// How far the build is, counted from the lines of its log.
#[derive(Debug, Default)]
struct Count {
    offset: u64,
    downloads: usize,
    packages: usize,
    last: String,
}

impl Count {
    fn read(&mut self, log: &Path) {
        let Ok(mut file) = File::open(log) else { return };
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return;
        }
        let mut lines = BufReader::new(file.take(1 << 20));
        let mut line = String::new();
        while let Ok(length @ 1..) = lines.read_line(&mut line) {
            if !line.ends_with('\n') {
                break;
            }
            self.offset += u64::try_from(length).unwrap_or_default();
            self.line(line.trim());
            line.clear();
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(module) = line.strip_prefix("go: downloading ") {
            self.downloads += 1;
            module.clone_into(&mut self.last);
        } else if !line.starts_with("go: ") {
            self.packages += 1;
            line.clone_into(&mut self.last);
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.downloads, self.packages) {
            (0, 0) => write!(f, "go looks at what is there"),
            (modules, 0) => write!(f, "{modules} modules downloaded, last {}", self.last),
            (modules, packages) => {
                write!(f, "{modules} modules downloaded, {packages} packages compiled, last {}", self.last)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go() -> Go {
        Go { version: "go1.26.8".to_owned(), platform: "linux/amd64".to_owned() }
    }

    #[test]
    fn the_key_changes_with_the_toolchain() {
        assert_eq!(go().key(), go().key());
        assert_eq!(go().key().len(), 16);
        assert_ne!(go().key(), Go { version: "go1.26.9".to_owned(), ..go() }.key());
        assert_ne!(go().key(), Go { platform: "linux/arm64".to_owned(), ..go() }.key());
    }

    #[test]
    fn versions_come_from_the_pinned_files() {
        assert!(numbers(wanted()) >= vec![1, 20, 0], "{}", wanted());
        let version = kubernetes_version();
        assert!(version.starts_with("v1."), "{version}");
        assert!(linker_flags().contains(&format!("gitVersion={version} -X")), "{}", linker_flags());
        assert!(GO_SUM.contains(&format!("k8s.io/kubernetes {version} h1:")));
        for package in PACKAGES {
            assert!(GO_MOD.contains(&format!("\t{package}\n")), "{package} is no tool of go.mod");
        }
    }

    #[test]
    fn go_versions_compare_as_numbers() {
        assert!(numbers("go1.9") < numbers("1.26.0"));
        assert!(numbers("go1.26.10") > numbers("go1.26.9"));
        assert_eq!(numbers("go1.27rc1"), [1, 27, 0]);
        assert_eq!(numbers("go1.26.8 X:nocoverageredesign"), [1, 26, 8]);
    }

    #[test]
    fn progress_is_counted_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut count = Count::default();
        count.read(&log);
        assert_eq!(count.to_string(), "go looks at what is there");
        fs::write(&log, "go: downloading a v1\ngo: downloading b v2\ninternal/cpu\nruntime\nunfin").unwrap();
        count.read(&log);
        assert_eq!(count.to_string(), "2 modules downloaded, 2 packages compiled, last runtime");
        fs::write(&log, "go: downloading a v1\ngo: downloading b v2\ninternal/cpu\nruntime\nunfinished\n").unwrap();
        count.read(&log);
        assert_eq!((count.packages, count.last.as_str()), (3, "unfinished"));
    }

    #[test]
    fn unfinished_builds_are_removed() {
        let shelf = tempfile::tempdir().unwrap();
        fs::create_dir_all(shelf.path().join(".building-x/bin")).unwrap();
        fs::create_dir_all(shelf.path().join("0123456789abcdef")).unwrap();
        remove_unfinished(shelf.path());
        assert!(!shelf.path().join(".building-x").exists());
        assert!(shelf.path().join("0123456789abcdef").exists());
    }

    #[test]
    fn the_environment_of_the_user_does_not_change_the_build() {
        let command = Go::build_command(Path::new("/work"), Path::new("/out"));
        let value = |name: &str| command.get_envs().find(|(n, _)| *n == name).and_then(|(_, v)| v?.to_str());
        assert_eq!((value("CGO_ENABLED"), value("GOFLAGS"), value("GOWORK")), (Some("0"), Some(""), Some("off")));
        assert!(command.get_args().any(|argument| argument == "/out/"));
    }
}
