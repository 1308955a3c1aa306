//! Programs that are built from Go modules, once: each tool has a `go.mod` and a `go.sum` in `xtask/tools/<tool>/` that
//! pin everything, and a folder in the cache folder whose name changes when anything does that changes the programs.

mod count;
mod toolchain;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use self::count::Count;
use self::toolchain::{Toolchain, wanted};
use crate::folders;
use crate::process::{self, Guard, Output, tail};
use crate::progress::Progress;

/// Begins the names of folders in which a build is under way.
const UNFINISHED: &str = ".building-";

/// Programs that are built together from one `go.mod`.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The name of its folder in `xtask/tools/` and in the cache folder.
    pub name: &'static str,
    /// `go.mod`. Its `tool` lines name the packages, so that `go mod tidy` keeps what they need.
    pub go_mod: &'static str,
    /// `go.sum`.
    pub go_sum: &'static str,
    /// Files of this project that are built with it, by their paths beside `go.mod`.
    pub sources: &'static [(&'static str, &'static str)],
    /// What is built.
    pub programs: &'static [Program],
    /// Build tags.
    pub tags: &'static [&'static str],
    /// Variables that the linker sets, such as the version, as `package.Variable=value`.
    pub stamps: fn(&Tool) -> Vec<String>,
    /// What a first build takes, for the person who waits: `2 to 5 minutes on two cores`.
    pub takes: &'static str,
    /// What to do instead where it cannot be built, after "or": `set X to a folder that has Y`.
    pub instead: Option<&'static str>,
}

/// A program and the package that it is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// What the file is called.
    pub name: &'static str,
    /// The `main` package.
    pub package: &'static str,
}

impl Tool {
    /// The version of a module that `go.mod` names, such as `v1.36.3`.
    #[must_use]
    pub fn version_of(&self, module: &str) -> Option<&'static str> {
        let version = |line: &'static str| line.trim().strip_prefix(module)?.strip_prefix(' ')?.split(' ').next();
        self.go_mod.lines().find_map(version)
    }

    /// Whether a folder has all of the programs.
    fn is_in(&self, folder: &Path) -> bool {
        self.programs.iter().all(|program| folder.join(program.name).is_file())
    }

    /// The names of the programs, for people.
    fn names(&self) -> String {
        self.programs.iter().map(|program| program.name).collect::<Vec<_>>().join(", ")
    }

    fn linker_flags(&self) -> String {
        let stamps = (self.stamps)(self).into_iter().map(|stamp| format!(" -X {stamp}"));
        std::iter::once("-s -w".to_owned()).chain(stamps).collect()
    }

    /// All tools are built in one mode, without cgo and without `-trimpath`: what they share is then compiled once.
    fn build_command(&self, folder: &Path, into: &Path) -> Command {
        let mut command = Command::new("go");
        command.current_dir(folder).args(["build", "-v", "-mod=readonly", "-buildvcs=false", "-o"]).arg(slash(into));
        if !self.tags.is_empty() {
            command.args(["-tags", &self.tags.join(",")]);
        }
        command.args(["-ldflags", &self.linker_flags()]).args(self.programs.iter().map(|program| program.package));
        // The user's own flags and workspace are about other projects.
        command.env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off").env("PWD", folder);
        command
    }

    /// A name for what is built: it changes when anything does that changes the programs.
    fn key(&self, go: &Toolchain) -> String {
        let packages: Vec<&str> = self.programs.iter().map(|program| program.package).collect();
        let (flags, packages) = (self.linker_flags(), packages.join(" "));
        let parts = [self.go_mod, self.go_sum, &go.version, &go.platform, &flags, &packages];
        let sources = self.sources.iter().flat_map(|(path, text)| [path, text]);
        // Each part ends with a byte that occurs in none, so that no two lists run into the same text.
        let parts = parts.iter().chain(self.tags).chain(sources);
        let text: Vec<u8> = parts.flat_map(|part| part.bytes().chain([0])).collect();
        let hash = digest(&SHA256, &text);
        let prefix: [u8; 8] = std::array::from_fn(|index| hash.as_ref().get(index).copied().unwrap_or_default());
        format!("{:016x}", u64::from_be_bytes(prefix))
    }
}

/// The folder with the tool's programs, built when they are not there. Of several runs at the same time one builds and
/// the others wait.
///
/// # Errors
/// When there is no Go that is new enough, or the build fails; the error has the end of its log.
pub fn find_or_build(tool: &Tool) -> Result<PathBuf> {
    let mut progress = Progress::new(tool.name);
    let shelf = folders::cache()?.join(tool.name);
    fs::create_dir_all(&shelf).with_context(|| format!("making the cache folder {}", shelf.display()))?;
    let go = Toolchain::find(&shelf, tool.go_mod).with_context(|| advice(tool))?;
    let folder = shelf.join(tool.key(&go));
    if tool.is_in(&folder) {
        return Ok(folder);
    }
    let path = shelf.join(".lock");
    let lock = File::create(&path).with_context(|| format!("making the lock {}", path.display()))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another run that builds the programs");
        lock.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    if !tool.is_in(&folder) {
        build(tool, &go, &shelf, &folder, &mut progress)?;
    }
    Ok(folder)
}

fn advice(tool: &Tool) -> String {
    let instead = tool.instead.map_or_else(String::new, |instead| format!(", or {instead}"));
    format!("{} is built with Go {} or newer: install it{instead}", tool.name, wanted(tool.go_mod))
}

fn build(tool: &Tool, go: &Toolchain, shelf: &Path, folder: &Path, progress: &mut Progress) -> Result<()> {
    remove_unfinished(shelf);
    let work = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(shelf);
    let work = work.with_context(|| format!("making a folder in {}", shelf.display()))?;
    write(tool, work.path())?;
    let log = shelf.join("build.log");
    progress.say(&format!(
        "building {} with {} (once; {}); log: {}",
        tool.names(),
        go.version,
        tool.takes,
        log.display()
    ));
    let finished = work.path().join("bin");
    let command = tool.build_command(work.path(), &finished);
    let mut compile = Guard::new("go build").output(Output::Log(log.clone())).spawn(&command)?;
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
        let instead = tool.instead.map_or_else(String::new, |instead| format!("; or {instead}"));
        bail!(
            "building {} failed ({status}). The end of {}:\n{}\nIt needs Go, a few GB of disk and the Go module \
             proxy{instead}",
            tool.names(),
            log.display(),
            tail(&log, 30),
        );
    }
    for Program { name, package } in tool.programs {
        let built = built_name(package);
        if built != *name {
            rename(&finished.join(built), &finished.join(name))?;
        }
    }
    if !tool.is_in(&finished) {
        bail!("the build of {} did not make all of {}", tool.name, tool.names());
    }
    // A folder with the final name that lacks a program was damaged by somebody; it would stop the rename.
    let _ = fs::remove_dir_all(folder);
    rename(&finished, folder)?;
    progress.say(&format!("built {}", folder.display()));
    Ok(())
}

/// Writes what a tool is built from into a folder.
fn write(tool: &Tool, folder: &Path) -> Result<()> {
    let own = [("go.mod", tool.go_mod), ("go.sum", tool.go_sum)];
    for (path, text) in own.iter().chain(tool.sources) {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.with_context(|| format!("writing {} into the build's folder", path.display()))?;
    }
    Ok(())
}

/// A module whose files are read, at a version and with the checksum that `go.sum` would have for it.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// Its path.
    pub path: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its checksum, `h1:…`.
    pub sum: &'static str,
}

impl Module {
    /// The module of a version that a tool is built from.
    ///
    /// # Errors
    /// When the tool's `go.mod` and `go.sum` do not pin it.
    pub fn of(tool: &Tool, path: &'static str) -> Result<Self> {
        let version = tool.version_of(path).with_context(|| format!("{}'s go.mod does not name {path}", tool.name))?;
        let line = format!("{path} {version} ");
        let sum = tool.go_sum.lines().find_map(|there| there.strip_prefix(&line));
        Ok(Self { path, version, sum: sum.with_context(|| format!("{}'s go.sum lacks {line}", tool.name))? })
    }

    /// The folder with its files in Go's module cache, fetched when it is not there.
    ///
    /// # Errors
    /// When it cannot be had, or is not what the checksum says.
    pub fn folder(&self) -> Result<PathBuf> {
        let Self { path, version, sum } = self;
        let module = format!("{path}@{version}");
        let elsewhere = tempfile::tempdir().context("making a folder without a go.mod")?;
        let mut command = Command::new("go");
        command.args(["mod", "download", "-json", &module]).current_dir(elsewhere.path());
        command.env("GOFLAGS", "").env("GOWORK", "off").env("GO111MODULE", "on");
        let text = process::output(&mut command).with_context(|| format!("fetching the Go module {module}"))?;
        let said: Value = serde_json::from_str(&text).with_context(|| format!("reading what go said of {module}"))?;
        let member = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        if member("Sum") != *sum {
            bail!("the Go module {module} has the checksum {}, and {sum} is pinned", member("Sum"));
        }
        Ok(PathBuf::from(member("Dir")))
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))
}

/// What `go build` calls the program of a package: its last part that is not the major version.
fn built_name(package: &str) -> &str {
    let is_major = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
    package.rsplit('/').find(|part| !is_major(part)).unwrap_or(package)
}

/// Removes what a run left that was killed. The caller has the lock, so nobody builds now.
fn remove_unfinished(shelf: &Path) {
    for entry in fs::read_dir(shelf).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A trailing slash makes `go build -o` take a path as a folder.
fn slash(path: &Path) -> PathBuf {
    path.join("")
}

/// What holds for every tool that is pinned well.
#[cfg(test)]
pub(crate) fn assert_is_pinned(tool: &Tool) {
    use self::toolchain::numbers;

    assert!(numbers(wanted(tool.go_mod)) >= vec![1, 20, 0], "{}", wanted(tool.go_mod));
    for Program { name: _, package } in tool.programs {
        let listed = [format!("\t{package}\n"), format!("tool {package}\n")];
        if package.starts_with("./") {
            let has_it = tool.sources.iter().any(|(path, _)| Path::new("./").join(path).starts_with(package));
            assert!(has_it, "{} has no sources of {package}", tool.name);
            continue;
        }
        assert!(listed.iter().any(|line| tool.go_mod.contains(line)), "{package} is no tool of {}'s go.mod", tool.name);
        let is_summed = |line: &str| {
            line.split_once(' ').is_some_and(|(module, rest)| package.starts_with(module) && rest.contains(" h1:"))
        };
        assert!(tool.go_sum.lines().any(is_summed), "{package}'s module is not in {}'s go.sum", tool.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool {
        name: "tool",
        go_mod: "module tools\n\ngo 1.26.0\n\ntool example.org/tool/cmd/one\n\nrequire (\n\texample.org/tool v1.2.3 // indirect\n)\n",
        go_sum: "example.org/tool v1.2.3 h1:AAAA=\n",
        sources: &[],
        programs: &[Program { name: "one", package: "example.org/tool/cmd/one" }],
        tags: &[],
        stamps: |tool| vec![format!("main.Version={}", tool.version_of("example.org/tool").unwrap_or_default())],
        takes: "a moment",
        instead: None,
    };

    fn go() -> Toolchain {
        Toolchain { version: "go1.26.8".to_owned(), platform: "linux/amd64".to_owned() }
    }

    #[test]
    fn the_key_changes_with_what_is_built() {
        let key = TOOL.key(&go());
        assert_eq!((TOOL.key(&go()), key.len()), (key.clone(), 16));
        for other in [
            Tool { go_sum: "", ..TOOL },
            Tool { tags: &["small"], ..TOOL },
            Tool { stamps: |_| Vec::new(), ..TOOL },
            Tool { programs: &[], ..TOOL },
            Tool { sources: &[("main.go", "package main")], ..TOOL },
        ] {
            assert_ne!(other.key(&go()), key, "{other:?}");
        }
        assert_ne!(TOOL.key(&Toolchain { version: "go1.26.9".to_owned(), ..go() }), key);
        assert_ne!(TOOL.key(&Toolchain { platform: "linux/arm64".to_owned(), ..go() }), key);
    }

    #[test]
    fn versions_come_from_the_pinned_files() {
        assert_is_pinned(&TOOL);
        assert_eq!(TOOL.version_of("example.org/tool"), Some("v1.2.3"));
        assert_eq!(TOOL.version_of("example.org/too"), None);
        assert_eq!(TOOL.linker_flags(), "-s -w -X main.Version=v1.2.3");
    }

    #[test]
    fn a_module_of_a_tool_has_the_tools_checksum() {
        let module = Module::of(&TOOL, "example.org/tool").unwrap();
        assert_eq!((module.version, module.sum), ("v1.2.3", "h1:AAAA="));
        assert!(Module::of(&TOOL, "example.org/other").unwrap_err().to_string().contains("does not name"));
    }

    #[test]
    fn go_names_a_program_after_its_package() {
        assert_eq!(built_name("k8s.io/kubernetes/cmd/kubectl"), "kubectl");
        assert_eq!(built_name("go.etcd.io/etcd/server/v3"), "server");
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
        let command = Tool { tags: &["a", "b"], ..TOOL }.build_command(Path::new("/work"), Path::new("/out"));
        let value = |name: &str| command.get_envs().find(|(n, _)| *n == name).and_then(|(_, v)| v?.to_str());
        assert_eq!((value("CGO_ENABLED"), value("GOFLAGS"), value("GOWORK")), (Some("0"), Some(""), Some("off")));
        let arguments: Vec<&str> = command.get_args().filter_map(|argument| argument.to_str()).collect();
        assert!(
            arguments.contains(&"/out/") && arguments.windows(2).any(|two| two == ["-tags", "a,b"]),
            "{arguments:?}"
        );
    }
}
