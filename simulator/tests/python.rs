//! boto3 and the AWS CLI against the simulator, unchanged. Both come from PyPI, pinned by version and checksum.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use std::{env, path::Path, process::Command};

use bedrock_simulator::{Seed, Server, settings::Seconds};
use xtask::python;

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(said.into_owned())
    } else {
        Err(format!("{command:?}: {}\n{said}\n{failed}", output.status))
    }
}

#[test]
fn boto3_and_the_aws_cli_work_unchanged() {
    match python::version() {
        Ok(_) => {}
        Err(error) if env::var_os("CI").is_some() => panic!("{error:#}"),
        Err(error) => {
            eprintln!("skipped: {error:#}");
            return;
        }
    }
    let program = python::environment(python::AWS).unwrap().join("python");
    let server = Server::start().unwrap();
    server.seed(&Seed::demo()).unwrap();
    server.set(|settings| {
        settings.creating_seconds = Seconds::try_from(0.3).unwrap();
        // Long enough for the test to see it on a busy machine.
        settings.updating_seconds = Seconds::new(3);
    });
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check.py");
    let said = run(Command::new(program).arg(check).arg(server.url())).unwrap_or_else(|error| panic!("{error}"));
    assert!(said.contains("calls of boto3"), "{said}");
}
