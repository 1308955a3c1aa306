//! `cargo xtask demo`: the operator at work, live, against a real API server and the simulator.
//!
//! Each scene is checked while it is shown; the first that does not hold ends the demo.

mod account;
mod scenes;
mod screen;
mod summary;

use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use self::screen::Screen;
use crate::binaries::{Binaries, Profile};
use crate::control_plane::assets;
use crate::folders;
use crate::process::{Interrupts, describe, shell_word};
use crate::progress::say;
use crate::sandbox::{Plan, Sandbox};
use crate::simulator::{self, Call};
use crate::wait::wait_until;

/// The namespace and the `ServiceAccount` of the developer who uses the operator. Rights: the cluster role `edit`.
const NAMESPACE: &str = "ml";
const DEVELOPER: &str = "developer";

/// AWS takes minutes; the demo's AWS takes this long, so that `Updating` can be seen.
const SIMULATOR: [&str; 2] = ["--updating", "8"];

/// Drift is looked for more often than one would in earnest.
const OPERATOR: [&str; 6] = ["--default-interval", "10s", "--read-lag", "1s", "--aws-timeout", "5s"];

/// The longest that a single step may take: each takes seconds, but the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the demo. With `keep` everything stays up behind it until Ctrl-C.
///
/// # Errors
/// When something does not happen that should, or happens that should not.
pub fn run(keep: bool) -> Result<()> {
    assets::find_or_build()?;
    say("building the operator and the simulator");
    let binaries = Binaries::build(Profile::Debug)?;
    let mut demo = Demo::start(&binaries)?;
    if let Err(error) = demo.show() {
        say(&format!("--- the end of the operator's log:\n{}", demo.sandbox.operator_log_tail(20)));
        return Err(error);
    }
    if keep {
        demo.keep()?;
    }
    demo.sandbox.stop()
}

/// The demo under way.
#[derive(Debug)]
struct Demo {
    sandbox: Sandbox,
    screen: Screen,
    /// The developer's kubeconfig.
    developer: PathBuf,
}

impl Demo {
    fn start(binaries: &Binaries) -> Result<Self> {
        Screen::heading("A Kubernetes control plane, an AWS account, and the operator between them");
        let plan = Plan { binaries, seed: &account::seed(), simulator: &SIMULATOR, operator: &OPERATOR };
        let sandbox = Sandbox::start(&plan, &mut Screen::note)?;
        let plane = &sandbox.control_plane;
        plane.kubectl_output(&["create", "namespace", NAMESPACE])?;
        plane.kubectl_output(&["--namespace", NAMESPACE, "create", "serviceaccount", DEVELOPER])?;
        let account = format!("--serviceaccount={NAMESPACE}:{DEVELOPER}");
        plane.kubectl_output(&[
            "--namespace",
            NAMESPACE,
            "create",
            "rolebinding",
            DEVELOPER,
            "--clusterrole=edit",
            &account,
        ])?;
        let developer = plane.service_account_kubeconfig(NAMESPACE, DEVELOPER)?;
        let demo = Self { sandbox, screen: Screen::new(), developer };
        // The controller-manager puts the rights of deploy/ into the cluster role a moment later.
        wait_until(PATIENCE, "the cluster role edit has the rights that deploy/ adds to it", || {
            demo.quietly(&["auth", "can-i", "create", "provisionedthroughputs"])
        })?;
        Screen::note(&format!("a developer may edit in the namespace {NAMESPACE}, and no more"));
        Ok(demo)
    }

    fn show(&mut self) -> Result<()> {
        self.observe()?;
        self.rename()?;
        self.move_model()?;
        self.by_name()?;
        self.drift()?;
        self.refused_at_admission()?;
        self.refused_move()?;
        self.outage()?;
        self.summary()
    }

    /// Prints a command line and runs it as the developer; its output is printed and returned.
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let command = self.command(arguments);
        let line = describe(&command);
        Screen::command(&line);
        let (succeeded, said) = run_shown(command, Stdio::null())?;
        if !succeeded {
            bail!("`{line}` failed, which it should not: {}", said.trim());
        }
        Ok(said)
    }

    /// Applies a manifest that is to be refused, as if it was typed in, and returns what kubectl said.
    fn kubectl_refused(&self, manifest: &str) -> Result<String> {
        Screen::command("kubectl apply -f - <<EOF");
        Screen::output(&format!("{manifest}EOF"));
        let mut file = tempfile::tempfile().context("making a temporary file for a manifest")?;
        file.write_all(manifest.as_bytes()).and_then(|()| file.rewind()).context("writing a manifest")?;
        let (succeeded, said) = run_shown(self.command(&["apply", "-f", "-"]), file.into())?;
        if succeeded {
            bail!("the manifest was accepted, which it should not: {}", said.trim());
        }
        Ok(said)
    }

    /// Runs kubectl as the developer without showing it.
    fn quietly(&self, arguments: &[&str]) -> Result<String> {
        crate::process::output(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.control_plane.kubectl_as(&self.developer);
        command.current_dir(folders::root()).args(arguments);
        command
    }

    /// Waits as a person would: with `kubectl wait`.
    fn wait_for(&self, name: &str, what: &str) -> Result<()> {
        let object = format!("pt/{name}");
        self.kubectl(&["wait", &object, &format!("--for={what}"), &format!("--timeout={}s", PATIENCE.as_secs())])
            .map(drop)
    }

    /// The object as it is stored now.
    fn object(&self, name: &str) -> Result<Value> {
        let text = self.quietly(&["get", "pt", name, "--output=json"])?;
        serde_json::from_str(&text).with_context(|| format!("reading what kubectl printed about {name}"))
    }

    /// The calls that change something at AWS, in their order.
    fn updates(&self) -> Result<Vec<Call>> {
        let calls = self.sandbox.simulator.calls()?;
        Ok(calls.into_iter().filter(|call| call.operation == simulator::UPDATE).collect())
    }

    fn keep(&mut self) -> Result<()> {
        let mut interrupts = Interrupts::catch()?;
        let (plane, aws, region) = (&self.sandbox.control_plane, self.sandbox.simulator.url(), simulator::REGION);
        let path = |path: &std::path::Path| shell_word(&path.to_string_lossy());
        Screen::heading("Everything stays up until Ctrl-C. In another terminal:");
        Screen::output(&format!(
            "export PATH={}:\"$PATH\" KUBECONFIG={}\n\
             kubectl get pt --output wide --watch\n\
             \n\
             export AWS_ENDPOINT_URL_BEDROCK={aws} AWS_REGION={region} AWS_DEFAULT_REGION={region}\n\
             export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}\n\
             aws bedrock list-provisioned-model-throughputs\n\
             \n\
             curl {}/metrics\n\
             curl {aws}/_simulator/calls\n\
             tail -f {}",
            path(plane.assets().folder()),
            path(&self.developer),
            simulator::OPERATOR_KEY,
            simulator::SECRET,
            self.sandbox.operator_url(),
            path(&self.sandbox.operator_log()),
        ));
        while !interrupts.pending() {
            self.sandbox.check_running()?;
            std::thread::sleep(Duration::from_millis(200));
        }
        say("ending");
        Ok(())
    }
}

/// Runs a command, prints what it says, and returns whether it succeeded and what it said.
fn run_shown(mut command: Command, input: Stdio) -> Result<(bool, String)> {
    let output = command.stdin(input).output().with_context(|| format!("starting `{}`", describe(&command)))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Screen::output(&said);
    Ok((output.status.success(), said))
}

/// A text in an object, or empty.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A condition's status, reason and message; empty where there is no such condition.
fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str, &'a str) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice);
    let found = conditions.unwrap_or_default().iter().find(|condition| text(condition, "/type") == kind);
    found.map_or(("", "", ""), |found| (text(found, "/status"), text(found, "/reason"), text(found, "/message")))
}

/// Fails when something is not as it should be, and says both.
fn expect(what: &str, is: &str, should_be: &str) -> Result<()> {
    if is != should_be {
        bail!("{what} is {is:?}, and should be {should_be:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_found_by_type() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NotFound", "message": "m"}]}});
        assert_eq!(condition(&object, "Ready"), ("False", "NotFound", "m"));
        assert_eq!(condition(&object, "Stalled"), ("", "", ""));
        assert_eq!(condition(&json!({}), "Ready"), ("", "", ""));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_said() {
        assert!(expect("the name", "a", "a").is_ok());
        let error = expect("the name", "a", "b").unwrap_err().to_string();
        assert!(error.contains(r#"the name is "a""#) && error.contains(r#""b""#), "{error}");
    }
}
