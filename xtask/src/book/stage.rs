//! Where a page is run: a folder that looks like the checkout, programs that are built already, and, as the page asks for
//! it, a cluster, AWS and the operator. Each page has its own, so that none finds what another left.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::page::{Page, Surroundings};
use super::script::{self, Ran, Unit};
use crate::binaries::Binaries;
use crate::control_plane::{Assets, ControlPlane, Options, assets};
use crate::process::{self, Guard, Output, shell_word, tail};
use crate::sandbox::{Plan, Sandbox};
use crate::simulator::{self, Simulator};
use crate::{folders, python};

/// The AWS account that the samples are about.
const ACCOUNT: &str = "deploy/samples/account.json";

/// A page takes seconds; the machine may be busy.
const PAGE_WITHIN: Duration = Duration::from_mins(4);

/// What of the checkout a reader would not use, or what would be huge to follow.
const HIDDEN: [&str; 2] = [".git", "target"];

/// What the pages call by name.
#[derive(Debug)]
pub(super) struct Programs {
    assets: Assets,
    binaries: Binaries,
    xtask: PathBuf,
    aws: PathBuf,
    account: Value,
}

impl Programs {
    /// Finds or makes them.
    ///
    /// # Errors
    /// When something cannot be built or fetched.
    pub(super) fn find() -> Result<Self> {
        let path = folders::root().join(ACCOUNT);
        let account = fs::read_to_string(&path).with_context(|| format!("reading {ACCOUNT}"))?;
        Ok(Self {
            assets: assets::find_or_build()?,
            binaries: Binaries::of_the_tests()?,
            xtask: std::env::current_exe().context("asking for this program's own path")?,
            aws: python::environment(python::AWS)?.join("aws"),
            account: serde_json::from_str(&account).with_context(|| format!("{ACCOUNT} is no JSON"))?,
        })
    }
}

/// What the page finds when it begins.
#[derive(Debug)]
enum Parts {
    Nothing,
    Cluster(Box<(ControlPlane, Simulator)>),
    Operator(Box<Sandbox>),
}

/// Runs a page's units, and says what became of each.
///
/// # Errors
/// When the page's surroundings cannot be made, or it does not end in time.
pub(super) fn run(page: &Page, units: &[Unit], programs: &Programs) -> Result<Vec<Ran>> {
    let folder = tempfile::Builder::new().prefix("page-").tempdir().context("making a folder for a page")?;
    let [checkout, bin, home, cache, results] =
        ["checkout", "bin", "home", "cache", "results"].map(|name| folder.path().join(name));
    for folder in [&checkout, &bin, &home, &cache, &results] {
        fs::create_dir(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    look_alike(&checkout, programs)?;
    let parts = Parts::start(&page.surroundings, programs)?;
    let mut environment = vec![
        ("HOME", home.into_os_string()),
        ("XDG_CACHE_HOME", cache.into_os_string()),
        (assets::VARIABLE, programs.assets.folder().into()),
        ("BEDROCK_SIMULATOR_LISTEN", "127.0.0.1:0".into()),
        ("NO_PROXY", "127.0.0.1".into()),
        ("AWS_PAGER", OsString::new()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ];
    stand_in(&bin, "cargo", &cargo(&programs.xtask))?;
    stand_in(&bin, "aws", &forward(&programs.aws))?;
    if let Some((kubeconfig, aws)) = parts.addresses() {
        for (name, program) in [
            ("kubectl", programs.assets.kubectl()),
            ("bedrock-throughput-operator", programs.binaries.operator.clone()),
            ("bedrock-simulator", programs.binaries.simulator.clone()),
        ] {
            stand_in(&bin, name, &forward(&program))?;
        }
        environment.extend([
            ("KUBECONFIG", kubeconfig.into()),
            ("AWS_ENDPOINT_URL_BEDROCK", aws.into()),
            ("AWS_REGION", simulator::REGION.into()),
            ("AWS_DEFAULT_REGION", simulator::REGION.into()),
            ("AWS_ACCESS_KEY_ID", simulator::OPERATOR_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", simulator::SECRET.into()),
        ]);
    }
    let mut path = bin.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    environment.push(("PATH", path));

    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc"]).arg(script::write(units, &results)?).current_dir(&checkout);
    let in_the_pages_environment = |command: &mut Command| {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["AWS_", "BTO_", "KUBE", "BEDROCK_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
    };
    in_the_pages_environment(&mut command);
    let log = results.join("session.log");
    let outcome = finish(&page.path, &command, &log);
    if page.surroundings == Surroundings::Nothing {
        // It is a process of its own, which a page that failed leaves behind.
        let mut down = Command::new(&programs.xtask);
        down.args(["control-plane", "down"]);
        in_the_pages_environment(&mut down);
        process::output(&mut down)?;
    }
    let ran: Vec<Ran> = (0..units.len()).map(|number| script::ran(number, &results)).collect();
    if outcome.is_err() {
        let last = ran.iter().zip(units).take_while(|(ran, _)| ran.status.is_some()).last();
        let line = last.map_or(0, |(_, unit)| unit.line);
        return outcome.map(|()| ran).with_context(|| format!("{}, behind line {line}", page.path));
    }
    parts.check()?;
    Ok(ran)
}

/// Runs the session to its end, and ends what it left in the background.
fn finish(name: &str, command: &Command, log: &Path) -> Result<()> {
    let mut session = Guard::new(name).output(Output::Log(log.to_path_buf())).spawn(command)?;
    let begin = Instant::now();
    while session.try_wait()?.is_none() {
        if begin.elapsed() > PAGE_WITHIN {
            bail!("the page did not end within {} s: {}", PAGE_WITHIN.as_secs(), tail(log, 10));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Parts {
    fn start(surroundings: &Surroundings, programs: &Programs) -> Result<Self> {
        let flags: Vec<&str> = match surroundings {
            Surroundings::Nothing => return Ok(Self::Nothing),
            Surroundings::Cluster => {
                let options = Options { controller_manager: true, ..Options::default() };
                let plane = ControlPlane::start_with(&programs.assets, &options)?;
                let (program, logs) = (&programs.binaries.simulator, plane.logs_dir().to_path_buf());
                let simulator = Simulator::start(program, &programs.account, &[], &logs)?;
                return Ok(Self::Cluster(Box::new((plane, simulator))));
            }
            Surroundings::Operator => Vec::new(),
            Surroundings::OperatorWith(flags) => flags.iter().map(String::as_str).collect(),
        };
        let plan = Plan { binaries: &programs.binaries, seed: &programs.account, simulator: &[], operator: &flags };
        Ok(Self::Operator(Box::new(Sandbox::start(&plan, &mut |_| {})?)))
    }

    /// The administrator's kubeconfig, and the address of AWS.
    fn addresses(&self) -> Option<(&Path, &str)> {
        match self {
            Self::Nothing => None,
            Self::Cluster(parts) => Some((parts.0.kubeconfig(), parts.1.url())),
            Self::Operator(sandbox) => Some((sandbox.control_plane.kubeconfig(), sandbox.simulator.url())),
        }
    }

    /// Fails where a part has ended meanwhile that should not.
    fn check(self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Cluster(mut parts) => {
                parts.0.check_running()?;
                parts.1.check_running()
            }
            Self::Operator(mut sandbox) => sandbox.check_running(),
        }
    }
}

/// A folder with what is in the checkout. What a page writes beside it does not reach the checkout.
fn look_alike(folder: &Path, programs: &Programs) -> Result<()> {
    let root = folders::root();
    for entry in fs::read_dir(&root).with_context(|| format!("reading {}", root.display()))? {
        let entry = entry.with_context(|| format!("reading {}", root.display()))?;
        if HIDDEN.iter().all(|hidden| entry.file_name() != *hidden) {
            symlink(entry.path(), folder.join(entry.file_name())).context("linking a file of the checkout")?;
        }
    }
    let target = folder.join("target/debug");
    fs::create_dir_all(&target).with_context(|| format!("making the folder {}", target.display()))?;
    for program in [&programs.binaries.operator, &programs.binaries.simulator] {
        let name = program.file_name().context("a program without a name")?;
        symlink(program, target.join(name)).context("linking a program")?;
    }
    Ok(())
}

fn stand_in(bin: &Path, name: &str, script: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(|| format!("chmod {}", path.display()))
}

fn forward(program: &Path) -> String {
    format!("exec {} \"$@\"", shell_word(&program.to_string_lossy()))
}

/// What a page builds is built already, and `cargo xtask` is this program.
fn cargo(xtask: &Path) -> String {
    let xtask = shell_word(&xtask.to_string_lossy());
    format!(
        "case $1 in\n\
         build) exit 0 ;;\n\
         xtask) shift; exec {xtask} \"$@\" ;;\n\
         *) echo \"the checks of the book know cargo build and cargo xtask, and not: cargo $*\" >&2; exit 1 ;;\n\
         esac"
    )
}
