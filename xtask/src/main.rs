//! `cargo xtask`: everything a person types while developing.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::control_plane::{assets, detached};
use xtask::progress::say;
use xtask::{bench, demo, generate, steps};

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kubectl
    #[command(subcommand)]
    ControlPlane(ControlPlaneTask),
    /// Show the operator at work, live, against a real API server and a simulated AWS
    Demo {
        /// Leave everything running behind it until Ctrl-C, and print how to use it
        #[arg(long)]
        keep: bool,
    },
    /// Measure the operator against a bare client that makes the same calls, and print a table
    Bench {
        /// Edits, one after the other
        #[arg(long, default_value_t = 50, value_name = "NUMBER")]
        edits: usize,
        /// Objects, all renamed at once
        #[arg(long, default_value_t = 200, value_name = "NUMBER")]
        objects: usize,
        /// Calls at the same time
        #[arg(long, default_value_t = 64, value_name = "NUMBER")]
        concurrency: usize,
    },
    /// Everything that a pull request must pass; `.ci/run` runs the same
    Test {
        /// Run only this step and what it needs; may be given several times
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Print the steps and run none
        #[arg(long)]
        list: bool,
    },
    /// Write the generated files: crds/, deploy/install.yaml, marked blocks in README.md and docs/
    Generate {
        /// Write nothing; show what differs and fail when something does
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ControlPlaneTask {
    /// Find the programs (KUBEBUILDER_ASSETS) or build them once, and print their folder
    Path,
    /// Start it, unless it is up, and print how to use it; it stays up until `down`
    Up,
    /// End the one that `up` started
    Down,
    /// What `up` starts: runs the control plane until a signal comes
    #[command(hide = true, name = detached::KEEP)]
    Keep,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::ControlPlane(task) => control_plane(&task),
        Task::Demo { keep } => demo::run(keep),
        Task::Bench { edits, objects, concurrency } => bench::run(bench::Settings { edits, objects, concurrency }),
        Task::Test { list: true, .. } => {
            print!("{}", steps::list());
            Ok(())
        }
        Task::Test { only, list: false } => steps::run(&only),
        Task::Generate { check } => generate::run(check, None),
    }
}

fn control_plane(task: &ControlPlaneTask) -> Result<()> {
    match task {
        ControlPlaneTask::Path => println!("{}", assets::find_or_build()?.folder().display()),
        ControlPlaneTask::Up => println!("{}", detached::up()?),
        ControlPlaneTask::Down if detached::down()? => say("the control plane is down"),
        ControlPlaneTask::Down => say("no control plane was up"),
        ControlPlaneTask::Keep => detached::keep()?,
    }
    Ok(())
}
