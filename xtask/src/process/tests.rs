use std::env;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::test_kill_process;

use super::*;
use crate::wait::wait_until;

/// Makes [`parent_that_is_ended`] do something in the process that a test starts.
const ROLE: &str = "XTASK_TEST_PARENT_ROLE";
const FOLDER: &str = "XTASK_TEST_PARENT_FOLDER";

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn wait_until_gone(number: u32) {
    wait_until(Duration::from_secs(10), &format!("process {number} is gone"), || {
        // A dead process whose new parent has not yet noticed still takes signals; it runs nothing any more.
        let state = Command::new("ps").args(["-o", "stat=", "-p", &number.to_string()]).output();
        let zombie = state.is_ok_and(|output| output.stdout.trim_ascii_start().starts_with(b"Z"));
        if !zombie && test_kill_process(pid(number)).is_ok() {
            bail!("it still runs");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_exit_status_is_the_commands_own() {
    let mut child = Guard::new("three").spawn(&shell("exit 3")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn stop_asks_politely_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = Guard::new("polite").output(Output::Log(log.clone())).spawn(&shell(script)).unwrap();
    wait_until(Duration::from_secs(5), "it is ready", || {
        if child.log_tail(1) == "ready" { Ok(()) } else { bail!("no word yet") }
    })
    .unwrap();
    assert_eq!(child.stop().unwrap().code(), Some(7));
    assert_eq!(tail(&log, 1), "bye");
}

#[test]
fn stop_kills_what_does_not_listen() {
    let begin = Instant::now();
    let guard = Guard::new("deaf").grace(Duration::from_millis(300));
    let mut child = guard.spawn(&shell("trap '' TERM; while :; do sleep 0.05; done")).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(!child.stop().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_child_that_ended_gets_no_signal() {
    let mut child = Guard::new("short").spawn(&shell("exit 0")).unwrap();
    child.wait().unwrap();
    assert!(child.signal(Signal::KILL).unwrap_err().to_string().contains("has ended already"));
}

#[test]
fn a_missing_program_is_named() {
    let error = Guard::new("ghost").spawn(&Command::new("/nowhere/ghost")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ghost"), "{error:#}");
}

#[test]
fn variables_and_the_folder_reach_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = shell("test \"$COLOUR\" = red && test -z \"${HOME+x}\" && test -f here");
    command.env("COLOUR", "red").env_remove("HOME").current_dir(folder.path());
    fs::write(folder.path().join("here"), "").unwrap();
    assert!(Guard::new("env").spawn(&command).unwrap().wait().unwrap().success());
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(shell_word("--for=condition=Ready"), "--for=condition=Ready");
    assert_eq!(shell_word("/it's $x"), r"'/it'\''s $x'");
    assert_eq!(shell_word(""), "''");
    assert_eq!(describe(shell("exit 1").arg("a b")), "sh -c 'exit 1' 'a b'");
}

/// Not a test by itself: the parent in the tests below, which start this test program again.
#[test]
fn parent_that_is_ended() {
    let Ok(role) = env::var(ROLE) else { return };
    // A shell starts what it runs in the background with SIGINT ignored, and children inherit that. This ends the process
    // at once and without destructors, as the signal by itself does elsewhere.
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(SIGINT, 130, always).unwrap();
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
    let script = "sleep 300 & echo \"child $$ $!\"; wait";
    let guard = Guard::new("child").output(Output::Prefixed).grace(Duration::from_secs(1)).remove_at_end(folder);
    let _child = guard.spawn(&shell(script)).unwrap();
    thread::sleep(Duration::from_secs(if role == "panic" { 1 } else { 300 }));
    panic!("as the test asks");
}

/// Starts a parent, ends it in some way, and sees that its child, its grandchild and its folder are gone.
fn nothing_is_left_after(role: &str, end: impl FnOnce(&mut Child)) {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "process::tests::parent_that_is_ended", "--nocapture"])
        .env(ROLE, role)
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("[child] child ")).unwrap();
    let ids: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(ids.len(), 2, "{line}");
    assert!(ids.iter().all(|id| test_kill_process(pid(*id)).is_ok()), "{line}: it should run");
    end(&mut parent);
    parent.wait().unwrap();
    ids.into_iter().for_each(wait_until_gone);
    let path = folder.path();
    wait_until(Duration::from_secs(5), "the folder is gone", || {
        if path.exists() {
            bail!("{} exists", path.display())
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn nothing_is_left_after_sigkill() {
    nothing_is_left_after("wait", |parent| parent.kill().unwrap());
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    nothing_is_left_after("wait", |parent| kill_process(pid(parent.id()), Signal::INT).unwrap());
}

#[test]
fn nothing_is_left_after_a_panic() {
    nothing_is_left_after("panic", |_| ());
}
