//! A control plane that stays up after the command that started it: `control-plane up` and `control-plane down`.
//!
//! A process of its own, the keeper, owns the [`ControlPlane`] and holds a lock for as long as it lives. Whether one is
//! up is asked of the lock, which ends with its holder however that ends; a process id alone could be another's by then.

use std::env;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use super::{ControlPlane, Options, assets};
use crate::folders;
use crate::process::{Interrupts, shell_word, tail};
use crate::progress::say;
use crate::wait::{Fatal, wait_until};

/// The hidden subcommand of `control-plane` that runs [`keep`].
pub const KEEP: &str = "keep";

/// The keeper's own limits are shorter; this only ends a wait for one that hangs.
const UP_WITHIN: Duration = Duration::from_mins(3);
/// Twice the grace period of the control plane's programs, which end in two rounds.
const DOWN_WITHIN: Duration = Duration::from_secs(20);

/// A control plane that is up, and how it is used. [`fmt::Display`] prints lines that a shell can evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// The kubeconfig of a member of `system:masters`.
    pub kubeconfig: PathBuf,
    /// The API server's address.
    pub server: String,
    /// The folder with kubectl.
    pub assets: PathBuf,
    /// The folder with the logs of all processes and the audit log.
    pub logs: PathBuf,
    /// The keeper's process id.
    pub keeper: u32,
}

impl fmt::Display for Up {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}; logs: {}", self.server, self.logs.display())?;
        writeln!(f, "export KUBECONFIG={}", shell_word(&self.kubeconfig.to_string_lossy()))?;
        writeln!(f, "export PATH={}:\"$PATH\"", shell_word(&self.assets.to_string_lossy()))?;
        write!(f, "# stop it with: cargo xtask control-plane down")
    }
}

/// Starts a control plane that outlives this process, unless one is up. Says on standard error which of the two it was.
///
/// # Errors
/// When the programs cannot be had, or the control plane does not become ready; the error has the end of its log.
pub fn up() -> Result<Up> {
    let place = Place::of_the_user()?;
    if place.keeper_lives()? {
        let up = wait_until(UP_WITHIN, "the control plane that another run starts is ready", || place.read())?;
        say("the control plane is up already");
        return Ok(up);
    }
    // Built here, where the progress is seen.
    assets::find_or_build()?;
    say("starting the control plane");
    let mut command = Command::new(env::current_exe().context("asking for this program's own path")?);
    command.args(["control-plane", KEEP]).stdin(Stdio::null());
    let log = File::create(place.log()).with_context(|| format!("making the log {}", place.log().display()))?;
    let copy = log.try_clone().context("opening the keeper's log twice")?;
    // A group of its own: Ctrl-C in the terminal is meant for other programs.
    let mut keeper = command.process_group(0).stdout(log).stderr(copy).spawn().context("starting the keeper")?;
    let up = wait_until(UP_WITHIN, "the control plane is ready", || {
        let ended = keeper.try_wait().context("asking whether the keeper has ended")?;
        // Of two runs at the same time the keeper of one gives way.
        if let Some(status) = ended
            && !place.keeper_lives()?
        {
            let message = format!("the keeper ended ({status}): {}", tail(&place.log(), 30));
            return Err(anyhow!(Fatal(message)));
        }
        place.read()
    })?;
    say("the control plane is up");
    Ok(up)
}

/// Ends the control plane that [`up`] started, and waits until nothing of it is left. `false` when none was up.
///
/// # Errors
/// When it does not end in time.
pub fn down() -> Result<bool> {
    let place = Place::of_the_user()?;
    if !place.keeper_lives()? {
        return Ok(false);
    }
    let keeper = wait_until(Duration::from_secs(5), "the keeper says its process id", || place.read_keeper())?;
    let pid = pid(keeper)
        .with_context(|| format!("{} names the process {keeper}, which is none", place.state().display()))?;
    kill_process(pid, Signal::TERM).with_context(|| format!("sending SIGTERM to the keeper, process {keeper}"))?;
    wait_until(DOWN_WITHIN, "the control plane has ended", || {
        if place.keeper_lives()? {
            bail!("its keeper, process {keeper}, still runs");
        }
        if place.run().exists() {
            bail!("{} still exists", place.run().display());
        }
        Ok(())
    })?;
    Ok(true)
}

fn pid(keeper: u32) -> Option<Pid> {
    i32::try_from(keeper).ok().and_then(Pid::from_raw)
}

/// The keeper: starts a control plane and holds it until SIGTERM, SIGINT or SIGHUP, or until one of its programs ends.
///
/// # Errors
/// When one is up already, when it cannot be started, or when one of its programs ends.
pub fn keep() -> Result<()> {
    let place = Place::of_the_user()?;
    // Whoever asks whether a keeper lives has the lock for a moment.
    let _lock = wait_until(Duration::from_secs(2), "no other keeper lives", || {
        place.try_lock()?.with_context(|| format!("another one holds {}", place.lock().display()))
    })?;
    // What a keeper left that was killed together with its guards.
    let _ = fs::remove_dir_all(place.run());
    place.write(&json!({"keeper": process::id()}))?;
    let options = Options { controller_manager: true, audit: true, folder: Some(place.run()) };
    let mut control_plane = ControlPlane::start(&options)?;
    // Caught only now: a signal during the start ends this process at once, and the guards end what it had started.
    let mut interrupts = Interrupts::catch()?;
    place.write(&json!({
        "keeper": process::id(),
        "kubeconfig": control_plane.kubeconfig(),
        "server": control_plane.server(),
        "assets": control_plane.assets().folder(),
        "logs": control_plane.logs_dir(),
    }))?;
    while !interrupts.pending() {
        control_plane.check_running()?;
        std::thread::sleep(Duration::from_millis(200));
    }
    control_plane.stop()
}

/// The folder in which the one detached control plane of this user lives.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn of_the_user() -> Result<Self> {
        let folder = folders::cache()?.join("control-plane-up");
        fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn log(&self) -> PathBuf {
        self.0.join("keeper.log")
    }

    fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// The lock, or nothing when another process holds it.
    fn try_lock(&self) -> Result<Option<File>> {
        let path = self.lock();
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let file = options.with_context(|| format!("opening the lock {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    fn keeper_lives(&self) -> Result<bool> {
        self.try_lock().map(|lock| lock.is_none())
    }

    /// Written beside and renamed, so that a reader never sees half of it.
    fn write(&self, state: &Value) -> Result<()> {
        let (path, beside) = (self.state(), self.0.join(".state.json"));
        fs::write(&beside, format!("{state:#}\n")).with_context(|| format!("writing {}", beside.display()))?;
        fs::rename(&beside, &path).with_context(|| format!("renaming {} to {}", beside.display(), path.display()))
    }

    fn value(&self) -> Result<Value> {
        let path = self.state();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    }

    fn read_keeper(&self) -> Result<u32> {
        let keeper = self.value()?.get("keeper").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        keeper.with_context(|| format!("{} names no keeper", self.state().display()))
    }

    /// What the keeper wrote, when it is alive and its control plane is ready.
    fn read(&self) -> Result<Up> {
        if !self.keeper_lives()? {
            bail!("no keeper runs");
        }
        let keeper = self.read_keeper()?;
        // A keeper that has the lock and has not written yet is read as the one before it.
        if pid(keeper).is_none_or(|pid| test_kill_process(pid).is_err()) {
            bail!("the keeper has not written yet");
        }
        let value = self.value()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned).context("it is not ready");
        Ok(Up {
            kubeconfig: text("kubeconfig")?.into(),
            server: text("server")?,
            assets: text("assets")?.into(),
            logs: text("logs")?.into(),
            keeper,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().to_path_buf());
        (folder, place)
    }

    fn state() -> Value {
        json!({"keeper": process::id(), "kubeconfig": "/k", "server": "https://127.0.0.1:1", "assets": "/a b", "logs": "/l"})
    }

    #[test]
    fn what_a_dead_keeper_wrote_does_not_count() {
        let (_folder, place) = place();
        place.write(&state()).unwrap();
        assert!(place.read().unwrap_err().to_string().contains("no keeper runs"));
        let lock = place.try_lock().unwrap();
        assert!(lock.is_some() && place.keeper_lives().unwrap());
        assert_eq!(place.read().unwrap().keeper, process::id());
        drop(lock);
        // Another test that starts a process just now has a copy of the lock until that process runs its program.
        wait_until(Duration::from_secs(5), "the lock is free", || {
            if place.keeper_lives()? {
                bail!("it is held");
            }
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn what_the_keeper_before_wrote_is_not_what_this_one_says() {
        let (_folder, place) = place();
        let mut before = Command::new("true").spawn().unwrap();
        before.wait().unwrap();
        let mut stale = state();
        stale["keeper"] = json!(before.id());
        place.write(&stale).unwrap();
        let _lock = place.try_lock().unwrap();
        assert!(place.read().unwrap_err().to_string().contains("has not written yet"));
    }

    #[test]
    fn a_keeper_that_starts_is_not_ready() {
        let (_folder, place) = place();
        let _lock = place.try_lock().unwrap();
        place.write(&json!({"keeper": process::id()})).unwrap();
        assert_eq!(place.read_keeper().unwrap(), process::id());
        assert!(place.read().unwrap_err().to_string().contains("not ready"));
    }

    #[test]
    fn a_shell_can_evaluate_what_is_printed() {
        let (_folder, place) = place();
        let _lock = place.try_lock().unwrap();
        place.write(&state()).unwrap();
        let script = format!("{}\necho \"$KUBECONFIG ${{PATH%%:*}}\"", place.read().unwrap());
        assert_eq!(crate::process::output(Command::new("sh").args(["-c", &script])).unwrap(), "/k /a b\n");
    }
}
