//! Logs, one line each, to standard error; and traces, where somebody asks for them.

use std::{io, path::PathBuf, time::Duration};

use anyhow::Context as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::Targets,
    fmt::{self, format::JsonFields},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use crate::polled::{self, Polled};

mod json;
mod otlp;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How long spans that are not sent yet hold up the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// What logs and traces are made with.
#[derive(Debug)]
pub struct Telemetry {
    level: Level,
    tracer: Option<SdkTracerProvider>,
}

/// What is logged, and what takes another level.
#[derive(Debug, Clone)]
struct Level {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The value of `--log-level`.
    given: String,
}

/// Begins to log, and to trace where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. `level` is a level, or directives
/// as `tracing-subscriber` takes them: `info,kube=debug`. It has to be called on the runtime that spans are to be sent on.
///
/// # Errors
/// When the level or the address of the collector cannot be read.
pub fn start(format: LogFormat, level: &str) -> anyhow::Result<Telemetry> {
    let filter = filter(level).with_context(|| format!("reading the log level {level:?} (--log-level)"))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => {
            Box::new(fmt::layer().fmt_fields(JsonFields::new()).event_format(json::Flat).with_writer(io::stderr))
        }
        LogFormat::Text => Box::new(fmt::layer().with_writer(io::stderr)),
    };
    let provider = otlp::provider()?;
    // What others trace is of no use without what it is about.
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), tracing::Level::INFO);
    let traces = provider.as_ref().map(|provider| otlp::layer(provider).with_filter(own));
    Registry::default().with(lines.with_filter(filter)).with(traces).init();
    Ok(Telemetry { level: Level { handle, given: level.to_owned() }, tracer: provider })
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(level).context("write error, warn, info, debug or trace, or directives such as info,kube=debug")
}

impl Telemetry {
    /// Whether spans are sent to anybody.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.tracer.is_some()
    }

    /// Takes the level from a file, as long as it is there, and again whenever it changes.
    pub fn follow(&self, file: PathBuf) {
        let level = self.level.clone();
        tokio::spawn(level.follow(file));
    }

    /// Sends what has not been sent yet.
    pub async fn end(self) {
        let Some(tracer) = self.tracer else { return };
        // It blocks, and the process must end all the same.
        let sent = tokio::task::spawn_blocking(move || tracer.shutdown_with_timeout(FAREWELL));
        match tokio::time::timeout(FAREWELL, sent).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans could not be sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last spans could not be sent in time"),
        }
    }
}

impl Level {
    async fn follow(self, file: PathBuf) {
        let mut polled = Polled::new([file.clone()]);
        let mut current = self.given.clone();
        let mut told = None;
        loop {
            let wanted = match polled.changed() {
                Ok(None) => None,
                Ok(Some([content])) => Some(String::from_utf8_lossy(content).trim().to_owned()),
                // It may come and go.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    polled.forget();
                    Some(String::new())
                }
                Err(error) => {
                    let error = error.to_string();
                    if told.as_ref() != Some(&error) {
                        tracing::warn!(error, "the log level stays as it is (--log-level-file)");
                    }
                    told = Some(error);
                    None
                }
            };
            if let Some(wanted) = wanted.map(|wanted| if wanted.is_empty() { self.given.clone() } else { wanted })
                && wanted != current
            {
                match self.set(&wanted) {
                    Ok(()) => {
                        // A change of what is told is worth a warning, and shows at most levels.
                        tracing::warn!(level = wanted, before = current, file = %file.display(), "the log level has changed");
                        current = wanted;
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(level = wanted, error, "the log level stays as it is (--log-level-file)");
                    }
                }
            }
            tokio::time::sleep(polled::EVERY).await;
        }
    }

    fn set(&self, level: &str) -> anyhow::Result<()> {
        self.handle.reload(filter(level)?).context("exchanging the filter of log lines")
    }
}

/// Shows in the trace that what the span of the moment is about failed.
pub fn failed(why: &str) {
    otlp::failed(&tracing::Span::current(), why);
}
