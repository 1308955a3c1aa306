//! The command `bedrock-throughput-operator`.

use std::process::ExitCode;

use anyhow::Context as _;
use bedrock_throughput_operator::{
    cli::{Cli, Command},
    crd, run, telemetry,
};
use clap::Parser as _;

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bedrock-throughput-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(flags) => {
            telemetry::start(flags.log_format, &flags.log_level)?;
            let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
            runtime.block_on(run::run(flags))
        }
        Command::Crd => {
            print!("{}", crd::manifest()?);
            Ok(())
        }
    }
}
