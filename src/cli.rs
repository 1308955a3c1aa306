//! The command line. Every flag of `run` has an environment variable.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum::http::Uri;
use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;

use crate::{preview::render::Format, telemetry::LogFormat};

/// A Kubernetes operator for Amazon Bedrock provisioned throughput: renames it and moves it to another model in place, tags it, and, where
/// it is told to, buys and deletes it.
#[derive(Debug, Parser)]
#[command(name = "bedrock-throughput-operator", version, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    ///
    /// Kubernetes: KUBECONFIG, or the pod's service account. AWS: the default credentials chain, `AWS_REGION`, `AWS_ENDPOINT_URL_BEDROCK`.
    Run(Box<Run>),
    /// Tell what the operator would do at AWS, and do none of it.
    ///
    /// Without --filename, for the objects of the cluster (KUBECONFIG); with it, for manifests. Needs the IAM policy deploy/iam/observe.json.
    ///
    /// Exit code: 0 if nothing is to do; 2 if something is, be it done at once or waiting for approval, a flag, a date or another policy; 1 for an
    /// error: a bad manifest, AWS or the cluster not reachable, or an object that would be Stalled.
    Plan(Plan),
    /// Print the `CustomResourceDefinitions` as YAML.
    Crd,
    /// Print the list of metrics as Markdown, for `docs/metrics.md`.
    #[command(hide = true)]
    Metrics,
    /// Ask URLs until each has answered with success, as `helm test` does.
    Check(Check),
}

/// The flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// How often drift is looked for, where an object does not say: 10s to 24h
    #[arg(long, env = "BTO_DEFAULT_INTERVAL", default_value = "5m", value_parser = interval, value_name = "DURATION")]
    pub default_interval: Duration,

    /// The namespaces to watch, separated by commas; all, if not given
    #[arg(long, env = "BTO_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    pub watch_namespaces: Vec<String>,

    /// How many objects are worked on at the same time
    #[arg(long, env = "BTO_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..), value_name = "NUMBER")]
    pub concurrency: u16,

    /// Where /livez and /readyz are served, and /metrics, unless --metrics-secure-addr is given
    #[arg(long, env = "BTO_HTTP_ADDR", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub http_addr: SocketAddr,

    /// Where /metrics is served by TLS, to those whom Kubernetes lets get the non-resource URL /metrics: for example 0.0.0.0:8443. It is then served
    /// there only
    #[arg(long, env = "BTO_METRICS_SECURE_ADDR", value_name = "ADDRESS")]
    pub metrics_secure_addr: Option<SocketAddr>,

    /// The folder with the certificate for --metrics-secure-addr: tls.crt and tls.key, PEM. They may be exchanged while it runs. If not given, one that
    /// signs itself is made at the start
    #[arg(long, env = "BTO_METRICS_TLS_CERT_DIR", requires = "metrics_secure_addr", value_name = "FOLDER")]
    pub metrics_tls_cert_dir: Option<PathBuf>,

    /// How long a call to AWS may take before it counts as unanswered
    #[arg(long, env = "BTO_AWS_TIMEOUT", default_value = "30s", value_parser = positive, value_name = "DURATION")]
    pub aws_timeout: Duration,

    /// How long reads at AWS may lag behind writes: a call is repeated only when a look that was begun this long after it does not show it
    #[arg(long, env = "BTO_READ_LAG", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub read_lag: Duration,

    /// The most calls a second and region that look at AWS, from 0.1; if not given, as many as AWS takes
    #[arg(long, env = "BTO_AWS_READ_LIMIT", value_parser = calls_a_second, value_name = "NUMBER")]
    pub aws_read_limit: Option<f64>,

    /// The most calls a second and region that change something at AWS, from 0.1; if not given, as many as AWS takes
    #[arg(long, env = "BTO_AWS_CHANGE_LIMIT", value_parser = calls_a_second, value_name = "NUMBER")]
    pub aws_change_limit: Option<f64>,

    /// Let objects with managementPolicy: Full buy throughput, which costs money at once and may not be cancelled
    #[arg(long, env = "BTO_ALLOW_CREATE")]
    pub allow_create: bool,

    /// Let objects with deletionPolicy: Delete delete their throughput
    #[arg(long, env = "BTO_ALLOW_DELETE")]
    pub allow_delete: bool,

    /// What tells this cluster from others in the tags of throughput; if not given, the uid of its namespace kube-system
    #[arg(long, env = "BTO_CLUSTER_NAME", value_parser = cluster_name, value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// Work only while holding a Lease, so that several operators can run and one of them works
    #[arg(long, env = "BTO_LEADER_ELECT")]
    pub leader_elect: bool,

    /// How long the others wait after the last renewal of the lease that they saw, in whole seconds
    #[arg(long, env = "BTO_LEADER_ELECT_LEASE_DURATION", default_value = "15s", value_parser = positive, value_name = "DURATION")]
    pub leader_elect_lease_duration: Duration,

    /// How long after its last renewal a leader that cannot renew the lease goes on before it ends: shorter than the lease duration
    #[arg(long, env = "BTO_LEADER_ELECT_RENEW_DEADLINE", default_value = "10s", value_parser = positive, value_name = "DURATION")]
    pub leader_elect_renew_deadline: Duration,

    /// How often the lease is renewed, or looked at by one that stands by: shorter than the renew deadline
    #[arg(long, env = "BTO_LEADER_ELECT_RETRY_PERIOD", default_value = "2s", value_parser = positive, value_name = "DURATION")]
    pub leader_elect_retry_period: Duration,

    /// The name of the Lease
    #[arg(
        long,
        env = "BTO_LEADER_ELECT_RESOURCE_NAME",
        default_value = "bedrock-throughput-operator",
        value_name = "NAME"
    )]
    pub leader_elect_resource_name: String,

    /// The namespace of the Lease; if not given, the pod's own, or that of KUBECONFIG's context
    #[arg(long, env = "BTO_LEADER_ELECT_RESOURCE_NAMESPACE", value_name = "NAMESPACE")]
    pub leader_elect_resource_namespace: Option<String>,

    /// How log lines are written
    #[arg(long, env = "BTO_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json, value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug or trace, or directives such as info,kube=debug
    #[arg(long, env = "BTO_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,

    /// A file with what is logged in place of --log-level, while it is there: looked at every 5 seconds, for example a mounted ConfigMap
    #[arg(long, env = "BTO_LOG_LEVEL_FILE", value_name = "FILE")]
    pub log_level_file: Option<PathBuf>,
}

/// The flags of `plan`.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Files with manifests, folders with such files, or - for standard input
    #[arg(short, long, num_args = 1.., value_name = "FILE")]
    pub filename: Vec<PathBuf>,

    /// Of the cluster: only this namespace. Of manifests: the namespace of those that name none
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// With --filename: take status, uid and annotations of the cluster's objects into account, as the operator will when they are applied
    #[arg(long, requires = "filename")]
    pub live: bool,

    /// How the plan is written
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,

    /// The operator runs with --allow-create
    #[arg(long, env = "BTO_ALLOW_CREATE")]
    pub allow_create: bool,

    /// The operator runs with --allow-delete
    #[arg(long, env = "BTO_ALLOW_DELETE")]
    pub allow_delete: bool,

    /// The --cluster-name of the operator; if not given, the uid of the namespace kube-system, where the cluster is asked
    #[arg(long, env = "BTO_CLUSTER_NAME", value_parser = cluster_name, value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// The --read-lag of the operator
    #[arg(long, env = "BTO_READ_LAG", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub read_lag: Duration,

    /// The --default-interval of the operator
    #[arg(long, env = "BTO_DEFAULT_INTERVAL", default_value = "5m", value_parser = interval, value_name = "DURATION")]
    pub default_interval: Duration,

    /// How long a call to AWS may take before it counts as unanswered
    #[arg(long, env = "BTO_AWS_TIMEOUT", default_value = "30s", value_parser = positive, value_name = "DURATION")]
    pub aws_timeout: Duration,
}

/// The flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// What to ask, such as http://bedrock-throughput-operator:8080/readyz
    #[arg(required = true, value_parser = http_url, value_name = "URL")]
    pub urls: Vec<Uri>,

    /// How long each is tried
    #[arg(long, default_value = "30s", value_parser = positive, value_name = "DURATION")]
    pub timeout: Duration,
}

fn http_url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| url.scheme_str() == Some("http") && url.authority().is_some());
    url.ok_or_else(|| "write a URL such as http://HOST:8080/readyz".to_owned())
}

/// A name that can stand in a tag, and before the `/` of an owner.
fn cluster_name(text: &str) -> Result<String, String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._:=+@-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(is_legal) {
        return Err("use 1 to 128 letters, digits and ._:=+@-".to_owned());
    }
    Ok(text.to_owned())
}

fn calls_a_second(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.1..=10_000.0).contains(number));
    number.ok_or_else(|| "write a number of calls a second from 0.1 to 10000, such as 5 or 0.5".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| "write it in hours, minutes and seconds, such as 5m, 1h30m or 90s".to_owned())
}

fn positive(text: &str) -> Result<Duration, String> {
    duration(text).and_then(
        |duration| {
            if duration.is_zero() { Err("it must be longer than 0s".to_owned()) } else { Ok(duration) }
        },
    )
}

fn interval(text: &str) -> Result<Duration, String> {
    crate::desired::parse_interval(text).map_err(|_| "write a duration from 10s to 24h, such as 5m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_run_has_an_environment_variable() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        for flag in run.get_arguments().filter(|flag| flag.get_id() != "help") {
            let expected = format!("BTO_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
        }
    }

    #[test]
    fn only_urls_of_http_are_checked() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["operator", "check"], arguments].concat());
        assert!(parse(&["http://a:8080/readyz", "http://[::1]/metrics"]).is_ok());
        for bad in [&["https://a/"][..], &["/readyz"], &["a:8080"], &[]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["operator", "run"], arguments].concat());
        assert!(parse(&["--default-interval", "90s", "--read-lag", "0s"]).is_ok());
        for bad in [
            ["--default-interval", "5s"],
            ["--aws-timeout", "0s"],
            ["--read-lag", "-1s"],
            ["--concurrency", "0"],
            ["--aws-change-limit", "0"],
            ["--aws-read-limit", "nan"],
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }
}
