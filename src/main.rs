//! The command `bedrock-throughput-operator`.

use std::process::ExitCode;

use anyhow::Context as _;
use bedrock_throughput_operator::{
    check,
    cli::{Cli, Command},
    crd, metrics, preview, run, telemetry,
};
use clap::Parser as _;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help is one, too. Where it cannot be written, the exit code is all that is left to say.
            let _ = told.print();
            // Not clap's own 2, which is an answer of `plan`.
            return if told.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match execute(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bedrock-throughput-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(flags) => {
            let runtime = runtime()?;
            let ended = runtime.block_on(async {
                let telemetry = telemetry::start(flags.log_format, &flags.log_level)?;
                if let Some(file) = flags.log_level_file.clone() {
                    telemetry.follow(file);
                }
                run::run(*flags, telemetry.traces()).await?;
                telemetry.end().await;
                Ok(())
            });
            // Nothing holds up the end: a leader that lost its lease must not outlast it.
            runtime.shutdown_background();
            ended.map(|()| ExitCode::SUCCESS)
        }
        Command::Plan(flags) => runtime()?.block_on(preview::command::run(flags)),
        Command::Crd => {
            print!("{}", crd::manifest()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Metrics => {
            print!("{}", metrics::descriptors::markdown());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(flags) => {
            runtime()?.block_on(check::run(flags))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("starting the runtime")
}
