//! The binaries of this checkout: the operator and the simulator.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::folders;
use crate::process::describe;

/// The operator's package and binary.
pub const OPERATOR: &str = "bedrock-throughput-operator";
/// The simulator's package and binary.
pub const SIMULATOR: &str = "bedrock-simulator";

/// How they are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly, with debug information.
    Debug,
    /// Optimized, as they are shipped.
    Release,
}

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The operator.
    pub operator: PathBuf,
    /// The simulator.
    pub simulator: PathBuf,
}

impl Binaries {
    /// Builds both when they are not up to date; what cargo says goes to standard error.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build(profile: Profile) -> Result<Self> {
        let mut command = folders::cargo();
        command.args(["build", "--locked", "--package", OPERATOR, "--package", SIMULATOR, "--bins"]);
        command.args(["--message-format", "json-render-diagnostics"]);
        match profile {
            Profile::Debug => {}
            Profile::Release => {
                command.arg("--release");
            }
        }
        let messages = messages(&mut command)?;
        Ok(Self { operator: executable(&messages, OPERATOR)?, simulator: executable(&messages, SIMULATOR)? })
    }

    /// Both as they are built for the tests of the workspace, which is other than what [`Binaries::build`] makes: tests
    /// switch on features of dependencies. After a build of the tests it costs nothing.
    ///
    /// # Errors
    /// When something does not compile.
    pub fn of_the_tests() -> Result<Self> {
        let mut command = folders::cargo();
        command.args(["test", "--locked", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
        let messages = messages(&mut command)?;
        Ok(Self { operator: executable(&messages, OPERATOR)?, simulator: executable(&messages, SIMULATOR)? })
    }
}

fn messages(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed bytes that are no UTF-8"))
}

/// Where cargo says that it put a binary. The folder depends on the user's configuration.
fn executable(messages: &str, name: &str) -> Result<PathBuf> {
    let path = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        // The unit tests of a binary are an executable of the same name.
        let is_it = message.pointer("/target/name").and_then(Value::as_str) == Some(name)
            && message.pointer("/profile/test") != Some(&Value::Bool(true));
        message.get("executable").and_then(Value::as_str).filter(|_| is_it).map(PathBuf::from)
    };
    messages.lines().find_map(path).with_context(|| format!("cargo built no binary {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_binary_in_what_cargo_prints() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bedrock-simulator"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bedrock-simulator"},"executable":"/t/debug/bedrock-simulator"}
{"reason":"compiler-artifact","target":{"name":"bedrock-throughput-operator"},"profile":{"test":true},"executable":"/t/debug/deps/x"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, SIMULATOR).unwrap(), PathBuf::from("/t/debug/bedrock-simulator"));
        assert!(executable(messages, OPERATOR).unwrap_err().to_string().contains(OPERATOR));
    }
}
