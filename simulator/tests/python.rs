//! boto3 and the AWS CLI against the simulator, unchanged. Both come from PyPI, pinned by version and checksum.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use bedrock_simulator::{Seed, Server, settings::Seconds};

const REQUIREMENTS: &str = include_str!("python/requirements.txt");

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(said.into_owned())
    } else {
        Err(format!("{command:?}: {}\n{said}\n{failed}", output.status))
    }
}

/// The user's cache folder.
fn cache() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(env::temp_dir).join("bedrock-throughput-operator")
}

/// A name that changes with the requirements and with Python.
fn key(python: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (REQUIREMENTS, python).hash(&mut hasher);
    format!("python-{:016x}", hasher.finish())
}

/// A virtual environment with everything in it, made when it is not there.
fn environment(python: &str) -> PathBuf {
    let folder = cache().join(key(python));
    let program = folder.join("bin/python");
    if folder.join("complete").is_file() {
        return program;
    }
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    // Scripts of a virtual environment name its path, so it is made in its place; one that is not complete is made anew.
    let lock = fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("complete").is_file() {
        let _ = fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).unwrap();
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/requirements.txt");
        let mut install = Command::new(&program);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--require-hashes", "--only-binary=:all:", "-r"]).arg(&requirements);
        run(&mut install).unwrap();
        fs::write(folder.join("complete"), "").unwrap();
    }
    program
}

#[test]
fn boto3_and_the_aws_cli_work_unchanged() {
    let python = match run(Command::new("python3").arg("--version")) {
        Ok(version) => version,
        Err(error) if env::var_os("CI").is_some() => panic!("there is no Python: {error}"),
        Err(error) => {
            eprintln!("skipped: there is no Python: {error}");
            return;
        }
    };
    let program = environment(&python);
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
