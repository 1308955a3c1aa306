//! Child processes that never outlive their parent, however it ends: by returning, a panic, Ctrl-C or SIGKILL.
//!
//! Each child leads a process group of its own, with a small shell beside it that reads a pipe, the lifeline, whose other
//! end only the parent holds. When the parent drops the [`Guarded`] or dies, the system closes the pipe; the shell then
//! ends the group with SIGTERM and, after a grace period, SIGKILL. A destructor alone would not do: Ctrl-C and SIGKILL
//! run none. The shell is a member of the group, so the group's number cannot be reused while it waits.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::progress::{Progress, say};

pub use rustix::process::Signal;

/// Arguments: tenths of a second of grace, a folder to remove at the end or nothing, then the command.
///
/// The shell that waits gets its standard input through another descriptor because a shell gives background commands
/// `/dev/null`. The command replaces the outer shell, so its process id, its exit status and its signals are its own.
const WATCH: &str = r#"
grace=$1 remove=$2; shift 2
child=$$
exec 3<&0
(
  trap '' TERM INT HUP
  read -r _ <&3
  kill -s TERM -- "-$child"
  while [ "$grace" -gt 0 ] && kill -s 0 "$child"; do sleep 0.1; grace=$((grace-1)); done
  kill -s KILL "$child"
  [ -z "$remove" ] || rm -rf -- "$remove"
  kill -s KILL -- "-$child"
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// How long after the grace period this process itself sends SIGKILL, in case the shell was killed.
const MARGIN: Duration = Duration::from_secs(2);

/// Where a child's standard output and standard error go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Output {
    /// To where the parent's go.
    #[default]
    Inherit,
    /// Into a file, which is made anew.
    Log(PathBuf),
    /// To the parent's standard error, line by line, each behind `[name] `.
    Prefixed,
}

/// How a child is started; see [`Guard::spawn`].
#[derive(Debug, Clone)]
pub struct Guard {
    name: String,
    grace: Duration,
    output: Output,
    remove: Option<PathBuf>,
}

impl Guard {
    /// A guard for a child that messages call `name`: five seconds of grace, output inherited.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), grace: Duration::from_secs(5), output: Output::Inherit, remove: None }
    }

    /// The time between SIGTERM and SIGKILL.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Where the child's output goes.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// A folder that is removed after the child has ended, even when the parent was killed and runs no destructor.
    #[must_use]
    pub fn remove_at_end(mut self, folder: impl Into<PathBuf>) -> Self {
        self.remove = Some(folder.into());
        self
    }

    /// Starts `command` (its program, arguments, folder and added or removed variables; not its redirections). Standard
    /// input is empty.
    ///
    /// # Errors
    /// When the program is an absolute path that does not exist, the log cannot be made, or nothing can be started.
    pub fn spawn(self, command: &Command) -> Result<Guarded> {
        let program = Path::new(command.get_program());
        if program.is_absolute() && !program.is_file() {
            bail!("cannot start {}: there is no program {}", self.name, program.display());
        }
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(WATCH).arg("guard");
        shell.arg((self.grace.as_millis() / 100).to_string());
        shell.arg(self.remove.as_deref().unwrap_or_else(|| Path::new("")));
        shell.arg(program).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.process_group(0).stdin(Stdio::piped());
        let mut log = None;
        match &self.output {
            Output::Inherit => {}
            Output::Log(path) => {
                let file =
                    File::create(path).with_context(|| format!("making {}'s log {}", self.name, path.display()))?;
                let copy = file.try_clone().with_context(|| format!("opening {}'s log twice", self.name))?;
                shell.stdout(file).stderr(copy);
                log = Some(path.clone());
            }
            Output::Prefixed => {
                shell.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
        }
        let mut child = shell.spawn().with_context(|| format!("starting {} ({})", self.name, program.display()))?;
        prefix(&self.name, child.stdout.take());
        prefix(&self.name, child.stderr.take());
        let lifeline = child.stdin.take();
        Ok(Guarded { name: self.name, grace: self.grace, log, child, lifeline })
    }
}

/// Copies what a child writes to standard error, on a thread that ends with the child's output.
fn prefix(name: &str, pipe: Option<impl Read + Send + 'static>) {
    let Some(pipe) = pipe else { return };
    let name = name.to_owned();
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            say(&format!("[{name}] {}", String::from_utf8_lossy(&line)));
        }
    });
}

/// A running child and what it started in its process group; all of it ends when this is dropped or this process dies.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    grace: Duration,
    log: Option<PathBuf>,
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl Guarded {
    /// The name that messages use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status when the child has ended.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking whether {} has ended", self.name))
    }

    /// Waits until the child ends by itself.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        // `Child::wait` would close the lifeline only while it is still inside the child; it was taken out.
        self.child.wait().with_context(|| format!("waiting for {} to end", self.name))
    }

    /// As [`Guarded::wait`], and calls `meanwhile` a few times a second.
    ///
    /// # Errors
    /// As there.
    pub fn wait_with(&mut self, progress: &mut Progress, meanwhile: impl Fn(&mut Progress)) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            meanwhile(progress);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends the child a signal: [`Signal::STOP`] and [`Signal::CONT`] to freeze and thaw it, [`Signal::KILL`] for a crash.
    ///
    /// # Errors
    /// When the child has ended already.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.try_wait()? {
            bail!("{} has ended already ({status}), it cannot get {signal:?}", self.name);
        }
        kill_process(self.pid()?, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// Asks the child to end and returns at once; [`Guarded::stop`] waits.
    pub fn begin_stop(&mut self) {
        self.lifeline = None;
    }

    /// Ends the child: SIGTERM, then SIGKILL after the grace period.
    ///
    /// # Errors
    /// When the system cannot be asked how it ended.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.begin_stop();
        let deadline = Instant::now() + self.grace + MARGIN;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                // The group is gone when this fails, and that is what it is for.
                let _ = kill_process_group(self.pid()?, Signal::KILL);
                return self.wait();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last `lines` lines of the log, when the output goes into one.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.log.as_deref().map(|path| tail(path, lines)).unwrap_or_default()
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .with_context(|| format!("{} has the process id {}, which is none", self.name, self.child.id()))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            say(&format!("cannot end {} (process {}): {error:#}", self.name, self.child.id()));
        }
    }
}

/// The last `lines` lines of a file, or nothing when it cannot be read.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

/// Runs a short command to its end and returns what it printed to standard output.
///
/// # Errors
/// When it cannot be started, or fails; the error has its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed bytes that are no UTF-8"))
}

/// A command as a person would type it, for messages.
#[must_use]
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| shell_word(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A text as one word of a shell.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    let needs_no_quotes = !text.is_empty() && text.chars().all(plain);
    if needs_no_quotes { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Signals that ask this process to end (Ctrl-C, SIGTERM, a closed terminal), caught from now on.
#[derive(Debug)]
pub struct Interrupts(Signals);

impl Interrupts {
    /// Catches them; they no longer end this process by themselves.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> Result<Self> {
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map(Self).context("catching SIGINT, SIGTERM and SIGHUP")
    }

    /// Waits for the first one.
    pub fn wait(&mut self) {
        self.0.forever().next();
    }

    /// Whether one came since the last call.
    pub fn pending(&mut self) -> bool {
        self.0.pending().next().is_some()
    }
}

#[cfg(test)]
mod tests;
