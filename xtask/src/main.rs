//! `cargo xtask`: everything a person types while developing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use xtask::control_plane::{assets, detached};
use xtask::progress::say;
use xtask::{bench, book, demo, generate, steps};

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
    /// Measure the operator with fleets of objects, against a bare program that makes the same calls, and print a table
    Bench(Bench),
    /// Everything that a pull request must pass; `.ci/run` runs the same
    Test {
        /// Run only this step and what it needs; may be given several times
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Run the tests under Flux and Argo CD instead, whose first build takes 10 to 30 minutes
        #[arg(long, conflicts_with = "only")]
        gitops: bool,
        /// Print the steps and run none
        #[arg(long)]
        list: bool,
    },
    /// Check the links of the documentation, and render it as a site
    Book {
        /// Also run what the pages show, as `test` does
        #[arg(long)]
        run: bool,
        /// Run it, and put what the commands print now into the pages
        #[arg(long)]
        write: bool,
        /// Run only this page; may be given several times
        #[arg(long, value_name = "FILE")]
        only: Vec<String>,
        /// Show it in a browser
        #[arg(long)]
        open: bool,
    },
    /// Write the generated files: crds/, files of charts/ and deploy/, the pictures and marked blocks of docs/
    Generate {
        /// Write nothing; show what differs and fail when something does
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Args)]
struct Bench {
    /// Sizes of the fleet, one run for each, separated by commas
    #[arg(long, default_value = "100,1000,10000", value_delimiter = ',', value_name = "NUMBER")]
    objects: Vec<usize>,
    /// Measure only this; may be given several times
    #[arg(long, value_enum, value_name = "SCENARIO")]
    only: Vec<bench::Scenario>,
    /// Edits on the largest fleet, one after the other
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    edits: usize,
    /// The interval that is watched while nothing happens, in seconds, from 10
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..), value_name = "SECONDS")]
    interval: u64,
    /// Calls at the same time, of the operator and of the bare program
    #[arg(long, default_value_t = 64, value_name = "NUMBER")]
    concurrency: usize,
    /// Also write the figures into this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the figures into docs/benchmarks.md, with a plot
    #[arg(long, conflicts_with = "only")]
    write: bool,
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
        Task::Bench(Bench { objects, only, edits, interval, concurrency, json, write }) => {
            let (objects, interval) = (objects.into_iter().collect(), Duration::from_secs(interval));
            bench::run(&bench::Settings { objects, only, edits, interval, concurrency, json, write })
        }
        Task::Test { list: true, .. } => {
            print!("{}", steps::list());
            Ok(())
        }
        Task::Test { only, gitops, list: false } => {
            steps::run(if gitops { steps::Tier::Gitops } else { steps::Tier::PullRequest }, &only)
        }
        Task::Book { run, write, only, open } => {
            let run = run || write || !only.is_empty();
            book::run(book::Settings { run, write, only: &only, open })
        }
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
