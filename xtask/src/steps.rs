//! `cargo xtask test`: what a pull request must pass, as named steps.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::binaries::Binaries;
use crate::control_plane::{ControlPlane, Options, assets};
use crate::helm::Helm;
use crate::process::{self, Guard, describe};
use crate::progress::{Progress, human, say};
use crate::{actionlint, argocd, book, cargo_deny, flux, folders, generate, prometheus};

/// How often a step that runs long says so, beside what its command prints by itself.
const STILL_RUNNING: Duration = Duration::from_secs(30);

/// How many tests libtest runs at a time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// As many as wait for other programs most of the time, however few cores there are.
const AT_A_TIME: &str = "6";

/// The tests that need Flux and Argo CD, in `tests/`. They are ignored where they are not asked for.
const GITOPS: &str = "gitops";

/// A step. The order is that in which they run: quick ones first, and what others build upon before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// rustfmt.
    Format,
    /// clippy over everything, warnings are errors.
    Lints,
    /// Each crate by itself.
    Crates,
    /// The binaries and the tests.
    Build,
    /// helm.
    Helm,
    /// The generated files.
    Generated,
    /// cargo-deny.
    Licences,
    /// actionlint.
    Workflows,
    /// The programs of the control plane.
    ControlPlane,
    /// Prometheus and promtool.
    Prometheus,
    /// The manifests against a real API server.
    Manifests,
    /// The documentation: run, linked and rendered.
    Book,
    /// All tests.
    Tests,
    /// The programs of Flux and Argo CD.
    GitopsPrograms,
    /// The tests under Flux and Argo CD.
    Gitops,
}

/// Which steps are asked for, where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// What a pull request must pass.
    PullRequest,
    /// What is proven under Flux and Argo CD, whose builds are long.
    Gitops,
}

impl Step {
    /// Every step, in the order in which they run.
    pub const ALL: [Self; 15] = [
        Self::Format,
        Self::Lints,
        Self::Crates,
        Self::Build,
        Self::Helm,
        Self::Generated,
        Self::Licences,
        Self::Workflows,
        Self::ControlPlane,
        Self::Prometheus,
        Self::Manifests,
        Self::Book,
        Self::Tests,
        Self::GitopsPrograms,
        Self::Gitops,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Lints => "lints",
            Self::Crates => "crates",
            Self::Build => "build",
            Self::Helm => "helm",
            Self::Generated => "generated",
            Self::Licences => "licences",
            Self::Workflows => "workflows",
            Self::ControlPlane => "control-plane",
            Self::Prometheus => "prometheus",
            Self::Manifests => "manifests",
            Self::Book => "book",
            Self::Tests => "tests",
            Self::GitopsPrograms => "gitops-tools",
            Self::Gitops => "gitops",
        }
    }

    /// The tier that it belongs to. What a step of the other tier needs is run with that, too.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Self::Format
            | Self::Lints
            | Self::Crates
            | Self::Build
            | Self::Helm
            | Self::Generated
            | Self::Licences
            | Self::Workflows
            | Self::ControlPlane
            | Self::Prometheus
            | Self::Manifests
            | Self::Book
            | Self::Tests => Tier::PullRequest,
            Self::GitopsPrograms | Self::Gitops => Tier::Gitops,
        }
    }

    /// What it does, in one line.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Format => "the code is formatted",
            Self::Lints => "clippy has nothing to say about any target",
            Self::Crates => {
                "each crate compiles by itself as it is shipped, with no feature borrowed from tests or another crate"
            }
            Self::Build => "the binaries and the tests are built",
            Self::Helm => "helm is found or built",
            Self::Generated => "generated files are as `cargo xtask generate` writes them",
            Self::Workflows => "the workflows of the project's home are what GitHub takes",
            Self::Licences => "dependencies: licences, bans, duplicates and sources (deny.toml)",
            Self::ControlPlane => "etcd, kube-apiserver, kube-controller-manager and kubectl are found or built",
            Self::Prometheus => "prometheus and promtool are found or built",
            Self::Manifests => "deploy/ is accepted by a real API server (dry run)",
            Self::Book => {
                "what docs/ shows happens: commands are run, manifests applied, links followed, the site built"
            }
            Self::Tests => "unit, property, wire, documentation and end-to-end tests",
            Self::GitopsPrograms => "Flux's controllers and Argo CD are found or built (--gitops)",
            Self::Gitops => "the operator under real Flux controllers and a real Argo CD (--gitops)",
        }
    }

    /// The steps without which this one cannot be done.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Format
            | Self::Lints
            | Self::Crates
            | Self::Build
            | Self::Helm
            | Self::Licences
            | Self::Workflows
            | Self::ControlPlane
            | Self::Prometheus
            | Self::GitopsPrograms => &[],
            Self::Generated => &[Self::Build, Self::Helm],
            Self::Manifests => &[Self::ControlPlane],
            Self::Book => &[Self::Build, Self::ControlPlane],
            Self::Tests => &[Self::Build, Self::Helm, Self::ControlPlane, Self::Prometheus],
            Self::Gitops => &[Self::Build, Self::Helm, Self::ControlPlane, Self::GitopsPrograms],
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Format => cargo(self, &["fmt", "--all", "--", "--check"]),
            Self::Lints => {
                cargo(self, &["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
            }
            Self::Crates => each_crate(self),
            // As the tests are built: features that only tests switch on would compile the AWS SDK twice.
            Self::Build => cargo(self, &["test", "--locked", "--workspace", "--no-run"]),
            Self::Helm => Helm::find_or_build().map(drop),
            Self::Generated => generate::run(true, Some(&Binaries::of_the_tests()?.operator)),
            Self::Licences => execute(self, &cargo_deny::command()?),
            Self::Workflows => execute(self, &actionlint::command()?),
            Self::ControlPlane => assets::find_or_build().map(drop),
            Self::Prometheus => prometheus::find_or_build().map(drop),
            Self::Manifests => manifests(),
            Self::Book => book::run(book::Settings { run: true, ..book::Settings::default() }),
            // Also the tests behind a crate whose tests fail.
            Self::Tests => tests(self, &[]),
            Self::GitopsPrograms => {
                flux::find_or_build()?;
                argocd::find_or_build().map(drop)
            }
            Self::Gitops => tests(self, &["--test", GITOPS, "--", "--ignored"]),
        }
    }
}

/// How a step ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(Step),
}

#[derive(Debug)]
struct Finished {
    step: Step,
    outcome: Outcome,
    duration: Duration,
}

/// The list for `--list`.
#[must_use]
pub fn list() -> String {
    Step::ALL.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "{:<14} {}", step.name(), step.meaning());
        text
    })
}

/// Runs all steps of a tier, or only those named, and what they need. A step that fails does not stop those that do not need it.
///
/// # Errors
/// When a name is none, or a step fails; the error names those that failed.
pub fn run(tier: Tier, only: &[String]) -> Result<()> {
    let chosen = choose(tier, only)?;
    let mut finished: Vec<Finished> = Vec::new();
    for step in Step::ALL.into_iter().filter(|step| chosen.contains(step)) {
        let begin = Instant::now();
        let outcome = match broken_need(step, &finished) {
            Some(need) => Outcome::Skipped(need),
            None => {
                say(&format!("\n=== {}: {}", step.name(), step.meaning()));
                step.run().map_or_else(|error| Outcome::Failed(format!("{error:#}")), |()| Outcome::Passed)
            }
        };
        let duration = begin.elapsed();
        say(&format!("=== {}: {} ({})", step.name(), outcome.describe(), human(duration)));
        finished.push(Finished { step, outcome, duration });
    }
    say(&table(&finished));
    let bad = |finished: &&Finished| !matches!(finished.outcome, Outcome::Passed);
    let names: Vec<&str> = finished.iter().filter(bad).map(|finished| finished.step.name()).collect();
    if names.is_empty() { Ok(()) } else { bail!("not passed: {}", names.join(", ")) }
}

impl Outcome {
    fn describe(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Failed(why) => format!("FAILED: {why}"),
            Self::Skipped(need) => format!("skipped: {} did not pass", need.name()),
        }
    }
}

fn choose(tier: Tier, only: &[String]) -> Result<BTreeSet<Step>> {
    let named = |name: &String| {
        Step::ALL.into_iter().find(|step| step.name() == name).with_context(|| {
            let names: Vec<&str> = Step::ALL.iter().map(|step| step.name()).collect();
            format!("there is no step {name}: the steps are {}", names.join(", "))
        })
    };
    let asked_for: Vec<Step> = if only.is_empty() {
        Step::ALL.into_iter().filter(|step| step.tier() == tier).collect()
    } else {
        only.iter().map(named).collect::<Result<_>>()?
    };
    Ok(asked_for.iter().flat_map(|step| std::iter::once(step).chain(step.needs())).copied().collect())
}

fn broken_need(step: Step, finished: &[Finished]) -> Option<Step> {
    let passed =
        |need: &Step| finished.iter().any(|done| done.step == *need && matches!(done.outcome, Outcome::Passed));
    step.needs().iter().find(|need| !passed(need)).copied()
}

fn table(finished: &[Finished]) -> String {
    let mut text = String::from("\nstep           result   time");
    let mut total = Duration::ZERO;
    for Finished { step, outcome, duration } in finished {
        let result = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        let _ = write!(text, "\n{:<14} {result:<8} {}", step.name(), human(*duration));
        total += *duration;
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) => {
                let _ = write!(text, "\n               {}", why.lines().next().unwrap_or_default());
            }
            Outcome::Skipped(need) => {
                let _ = write!(text, "\n               {} did not pass", need.name());
            }
        }
    }
    let _ = write!(text, "\n{:<14} {:<8} {}", "all", "", human(total));
    text
}

fn cargo(step: Step, arguments: &[&str]) -> Result<()> {
    execute(step, folders::cargo().args(arguments))
}

/// Runs a command that prints what it does.
fn execute(step: Step, command: &Command) -> Result<()> {
    let line = describe(command);
    say(&format!("$ {line}"));
    let mut progress = Progress::every(step.name(), STILL_RUNNING);
    let mut child = Guard::new(step.name()).spawn(command)?;
    let status = child.wait_with(&mut progress, |progress| progress.tick(|| "still running".to_owned()))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

fn each_crate(step: Step) -> Result<()> {
    for member in folders::members()? {
        cargo(step, &["check", "--locked", "--package", &member])?;
    }
    Ok(())
}

/// Of the whole workspace, as it was built: of one package alone the dependencies would have other features.
fn tests(step: Step, which: &[&str]) -> Result<()> {
    let mut command = folders::cargo();
    command.args(["test", "--locked", "--workspace", "--no-fail-fast"]).args(which);
    if std::env::var_os(TEST_THREADS).is_none() {
        command.env(TEST_THREADS, AT_A_TIME);
    }
    execute(step, &command)
}

/// Everything that `kubectl apply` would be given, with or without kustomize, checked by a real API server: types, unknown
/// fields, CEL rules, names. Nothing is stored but what the rest needs: the namespace and the CRD.
fn manifests() -> Result<()> {
    let root = folders::root();
    let plane = ControlPlane::start(&Options::default())?;
    for needed in ["deploy/kustomize/base/namespace.yaml", "crds"] {
        process::output(plane.kubectl().current_dir(&root).args(["apply", "--filename", needed]))?;
    }
    plane.kubectl_output(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
    let mut files = vec![PathBuf::from("deploy/install.yaml")];
    files.extend(folders::files_with(&root, Path::new("deploy/samples"), "yaml")?);
    let files = files.into_iter().map(|file| ("--filename", file));
    let folders = ["base", "overlays/namespaced", "overlays/simulator"];
    let folders = folders.map(|folder| ("--kustomize", Path::new("deploy/kustomize").join(folder)));
    for (how, path) in files.chain(folders) {
        let mut command = plane.kubectl();
        command.current_dir(&root).args([
            "apply",
            "--dry-run=server",
            "--validate=strict",
            "--warnings-as-errors",
            how,
        ]);
        let said = process::output(command.arg(&path));
        let said = said.with_context(|| format!("{} is not accepted", path.display()))?;
        say(said.trim_end());
    }
    plane.stop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(step: Step, outcome: Outcome) -> Finished {
        Finished { step, outcome, duration: Duration::from_secs(65) }
    }

    #[test]
    fn needs_come_before_those_that_need_them() {
        for step in Step::ALL {
            assert!(step.needs().iter().all(|need| *need < step), "{}", step.name());
        }
        assert!(Step::ALL.is_sorted());
    }

    #[test]
    fn a_named_step_brings_what_it_needs() {
        let chosen = choose(Tier::PullRequest, &["manifests".to_owned()]).unwrap();
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [Step::ControlPlane, Step::Manifests]);
        let error = choose(Tier::PullRequest, &["nonsense".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("nonsense") && error.contains("licences"), "{error}");
    }

    #[test]
    fn a_tier_has_its_steps_and_what_they_need() {
        let steps = |tier| choose(tier, &[]).unwrap().into_iter().collect::<Vec<_>>();
        assert!(steps(Tier::PullRequest).iter().all(|step| step.tier() == Tier::PullRequest));
        assert_eq!(
            steps(Tier::Gitops),
            [Step::Build, Step::Helm, Step::ControlPlane, Step::GitopsPrograms, Step::Gitops]
        );
        let in_one = [Tier::PullRequest, Tier::Gitops].map(steps).concat().into_iter().collect::<BTreeSet<_>>();
        assert_eq!(in_one.len(), Step::ALL.len());
    }

    #[test]
    fn a_step_is_skipped_when_a_need_did_not_pass() {
        let failed = || done(Step::Build, Outcome::Failed("no".to_owned()));
        assert_eq!(broken_need(Step::Generated, &[failed()]), Some(Step::Build));
        let passed = [Step::Build, Step::Helm].map(|step| done(step, Outcome::Passed));
        assert_eq!(broken_need(Step::Generated, &passed), None);
        assert_eq!(broken_need(Step::Lints, &[failed()]), None);
    }

    #[test]
    fn the_table_says_what_failed_and_why() {
        let text = table(&[
            done(Step::Format, Outcome::Passed),
            done(Step::Build, Outcome::Failed("`cargo build` failed".to_owned())),
            done(Step::Tests, Outcome::Skipped(Step::Build)),
        ]);
        for line in [
            "format         passed   1m05s",
            "build          FAILED   1m05s",
            "`cargo build` failed",
            "build did not pass",
            "3m15s",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn every_step_is_listed() {
        assert_eq!(list().lines().count(), Step::ALL.len());
    }
}
