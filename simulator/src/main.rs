//! The command `bedrock-simulator`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use bedrock_simulator::{Operation, Seed, Server, settings::Seconds, switches::Switches, throttle::Rate};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A simulator of the AWS Bedrock provisioned-throughput control plane, for tests, demos and development clusters.
///
/// Any AWS SDK and the AWS CLI work against it unchanged: set AWS_ENDPOINT_URL_BEDROCK to its address, AWS_REGION, and any access key.
/// Its own controls (seed, faults, clock, call log) are under /_simulator/: `curl ADDRESS/_simulator/` lists them.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
#[allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "help texts, and flags that have nothing to do with each other"
)]
struct Cli {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "BEDROCK_SIMULATOR_LISTEN", default_value = "127.0.0.1:4588", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Listen on an address that other machines can reach, too: there is no authentication
    #[arg(long, env = "BEDROCK_SIMULATOR_ALLOW_REMOTE")]
    allow_remote: bool,

    /// A JSON file with accounts, models and throughputs; see the README for its form
    #[arg(long, env = "BEDROCK_SIMULATOR_SEED", value_name = "FILE")]
    seed: Option<PathBuf>,

    /// Begin with a small account: custom models of two base models, and throughputs on them
    #[arg(long)]
    demo: bool,

    /// Turn a switch, any number of times; --list-switches shows what there is
    #[arg(long = "switch", value_name = "NAME=SETTING")]
    switches: Vec<String>,

    /// Show every switch with its settings, the default first, and end
    #[arg(long)]
    list_switches: bool,

    /// How long a throughput is Creating
    #[arg(long, default_value = "5", value_name = "SECONDS")]
    creating: Seconds,

    /// How long a throughput is Updating
    #[arg(long, default_value = "5", value_name = "SECONDS")]
    updating: Seconds,

    /// How long reads lag behind writes, where the switch readLag says that they do
    #[arg(long, default_value = "2", value_name = "SECONDS")]
    read_lag: Seconds,

    /// Bound an operation to so many calls a second, and so many at once; any number of times
    #[arg(long = "throttle", value_name = "OPERATION=RATE/BURST")]
    throttles: Vec<String>,

    /// Let the time stand still until /_simulator/clock moves it
    #[arg(long)]
    manual_clock: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bedrock-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if cli.list_switches {
        list_switches();
        return Ok(());
    }
    if !cli.listen.ip().is_loopback() && !cli.allow_remote {
        bail!(
            "{} can be reached from other machines, and there is no authentication: add --allow-remote if that is meant",
            cli.listen
        );
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    // Before anybody is told that it serves, and may tell it to end.
    let signals = runtime.block_on(Signals::listen())?;
    let server = Server::start_at(cli.listen).with_context(|| format!("listening on {}", cli.listen))?;
    configure(&server, cli)?;
    println!("# The AWS CLI and every SDK use the simulator with:");
    println!("export AWS_ENDPOINT_URL_BEDROCK={}", server.url());
    // Version 1 of the AWS CLI reads the second one only.
    println!("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1");
    println!("export AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator");
    println!("# Its own controls: curl {}/_simulator/", server.url());
    runtime.block_on(signals.any());
    Ok(())
}

/// What ends the command as if all was well.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    #[allow(clippy::unused_async, reason = "signals are listened for in the context of a runtime")]
    async fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn any(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn configure(server: &Server, cli: &Cli) -> anyhow::Result<()> {
    server.log_calls(true);
    server.set(|settings| {
        settings.creating_seconds = cli.creating;
        settings.updating_seconds = cli.updating;
        settings.read_lag_seconds = cli.read_lag;
    });
    for switch in &cli.switches {
        let (name, setting) =
            switch.split_once('=').with_context(|| format!("--switch {switch}: write NAME=SETTING"))?;
        server.switch(name, setting)?;
    }
    for throttle in &cli.throttles {
        let (operation, rate) =
            parse_throttle(throttle).with_context(|| format!("--throttle {throttle}: write OPERATION=RATE/BURST"))?;
        let rate = rate.checked().map_err(anyhow::Error::msg).with_context(|| format!("--throttle {throttle}"))?;
        server.throttle(operation, Some(rate));
    }
    if cli.manual_clock {
        server.stop_clock(jiff::Timestamp::now());
    }
    if cli.demo {
        server.seed(&Seed::demo())?;
    }
    if let Some(path) = &cli.seed {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the seed {}", path.display()))?;
        let seed: Seed = serde_json::from_str(&text).with_context(|| format!("reading the seed {}", path.display()))?;
        server.seed(&seed).with_context(|| format!("in the seed {}", path.display()))?;
    }
    Ok(())
}

fn parse_throttle(text: &str) -> Option<(Operation, Rate)> {
    let (operation, rate) = text.split_once('=')?;
    let (per_second, burst) = rate.split_once('/')?;
    let rate = Rate { per_second: per_second.parse().ok()?, burst: burst.parse().ok()? };
    Some((Operation::parse(operation)?, rate))
}

fn list_switches() {
    for switch in Switches::ALL {
        println!("{} = {}", switch.name, switch.settings.join(" | "));
        println!("    {}", switch.question.trim());
    }
}
