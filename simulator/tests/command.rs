//! The command, as a stranger meets it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/http.rs"]
mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use bedrock_simulator::Switches;

use crate::support::{call, send};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-simulator"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn ended(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// What it said where it refuses to start.
fn refused(arguments: &[&str]) -> String {
    let output = ended(arguments);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A running simulator, which ends with the test.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            if stdout.read_line(&mut said).unwrap() == 0 {
                let _ = child.wait();
                panic!("it ended, having said {said:?}");
            }
            if let Some((_, address)) = said[before..].split_once("AWS_ENDPOINT_URL_BEDROCK=http://") {
                break address.trim().parse().unwrap();
            }
        };
        Self { child, stdout, address }
    }

    /// Ends it with a signal. Returns whether it ended as if all was well, and what it wrote meanwhile.
    fn end(mut self, signal: &str) -> (bool, String) {
        let killed = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().success(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this test process, which goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    for signal in ["TERM", "INT"] {
        let running = Running::start(&["--demo"]);
        let list = call(running.address, "GET", "/provisioned-model-throughputs", "");
        assert_eq!(list.json()["provisionedModelSummaries"].as_array().unwrap().len(), 3);
        let (well, _) = running.end(signal);
        assert!(well, "{signal}");
    }
}

#[test]
fn every_call_is_a_line_of_its_log() {
    let running = Running::start(&[]);
    let nobody = call(running.address, "GET", "/provisioned-model-throughput/nobody", "");
    assert_eq!(nobody.error(), (404, "ResourceNotFoundException"));
    let (_, said) = running.end("TERM");
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("GetProvisionedModelThroughput")).collect();
    assert!(matches!(lines.as_slice(), [line] if line.contains("nobody") && line.contains("404")), "{said}");
}

#[test]
fn its_options_reach_the_simulator() {
    let seed = File::new(
        "good.json",
        r#"{"foundationModels": [{"modelId": "amazon.nova-lite-v1:0:24k", "inferenceTypesSupported": ["PROVISIONED"]}]}"#,
    );
    let running = Running::start(&[
        "--seed",
        seed.path(),
        "--switch",
        "readLag=Both",
        "--updating",
        "0.5",
        "--creating",
        "7",
        "--read-lag",
        "3",
        "--throttle",
        "ListFoundationModels=0/1",
        "--manual-clock",
    ]);
    let get = |path: &str| send(running.address, "GET", &format!("/_simulator/{path}"), "", "").json();
    let state = get("state");
    assert_eq!(state["world"]["settings"]["updatingSeconds"], 0.5);
    assert_eq!(state["world"]["settings"]["creatingSeconds"], 7.0);
    assert_eq!(state["world"]["settings"]["readLagSeconds"], 3.0);
    assert_eq!(state["world"]["switches"]["readLag"], "Both");
    assert_eq!(state["clock"]["mode"], "manual");
    let list = || call(running.address, "GET", "/foundation-models", "");
    assert_eq!(list().json()["modelSummaries"].as_array().unwrap().len(), 1);
    assert_eq!(list().status, 429);
}

#[test]
fn it_does_not_listen_to_other_machines_unasked() {
    let said = refused(&["--listen", "0.0.0.0:0"]);
    assert!(said.contains("--allow-remote"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(&["--listen", &address]);
    assert!(said.contains(&address), "{said}");
}

#[test]
fn an_option_that_makes_no_sense_is_told_with_what_would() {
    for (arguments, says) in [
        (["--switch", "colour=red"], "busyError"),
        (["--switch", "busyError=red"], "ConflictException"),
        (["--switch", "busyError"], "NAME=SETTING"),
        (["--throttle", "ListFoundationModels=fast"], "OPERATION=RATE/BURST"),
        (["--throttle", "ListFoundationModels=1/0"], "burst"),
        (["--throttle", "Paint=1/1"], "OPERATION=RATE/BURST"),
        (["--updating", "-1"], "0 or more"),
    ] {
        let option = format!("{}={}", arguments[0], arguments[1]);
        let said = refused(&["--listen", "127.0.0.1:0", &option]);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_seed_that_cannot_be_read_is_told_with_its_file() {
    let broken = File::new("broken.json", "{");
    let wrong = File::new("wrong.json", r#"{"provisionedModels": [{"name": "a", "model": "nobody"}]}"#);
    for path in [broken.path(), wrong.path(), "no-such-file.json"] {
        let said = refused(&["--listen", "127.0.0.1:0", "--seed", path]);
        assert!(said.contains(path), "{said}");
    }
}

#[test]
fn it_lists_its_switches() {
    let said = String::from_utf8(ended(&["--list-switches"]).stdout).unwrap();
    for switch in Switches::ALL {
        let line = format!("{} = {}", switch.name, switch.settings.join(" | "));
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
}

#[test]
fn its_help_says_how_to_use_it() {
    let said = String::from_utf8(ended(&["--help"]).stdout).unwrap();
    for part in ["AWS_ENDPOINT_URL_BEDROCK", "/_simulator/", "--demo", "--seed", "--list-switches"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
