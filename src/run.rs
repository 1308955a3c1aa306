//! `run`: wires everything together, until a signal ends it.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use futures::{FutureExt as _, future};
use jiff::Timestamp;
use kube::Client;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    backoff::random,
    bedrock::{Bedrock, Looks, fenced::Fenced, metered::Metered, sdk::Sdk},
    budget::Limits,
    claims::Claims,
    cli::Run,
    cluster,
    controller::{self, Shutdown, Wakes},
    desired::Defaults,
    election::Timing,
    export::Exporter,
    identifiers::Region,
    leader::{self, Candidate, Term},
    memory::Memories,
    metrics::Metrics,
    observe::Sources,
    plan::Permits,
    reconcile::{Context, tell_the_rest},
    report::Reporter,
    secure::{self, access::Access, certificate::Certificates},
    serve::{self, Health},
    traces::Traces,
    turns::Turns,
};

/// Runs the operator until SIGTERM or SIGINT; then the calls that are out are waited for, their results told, and the lease released.
/// `traces`: somebody wants them.
///
/// # Errors
/// When it cannot start: no Kubernetes configuration, an address in use, a region that is none, durations that do not go together. When
/// it has lost its lease: then the process has to end at once.
pub async fn run(flags: Run, traces: bool) -> anyhow::Result<()> {
    let Run {
        default_interval,
        watch_namespaces,
        concurrency,
        http_addr,
        metrics_secure_addr,
        metrics_tls_cert_dir,
        aws_timeout,
        read_lag,
        aws_read_limit,
        aws_change_limit,
        allow_create,
        allow_delete,
        cluster_name,
        leader_elect,
        leader_elect_lease_duration,
        leader_elect_renew_deadline,
        leader_elect_retry_period,
        leader_elect_resource_name,
        leader_elect_resource_namespace,
        log_format: _,
        log_level: _,
        log_level_file: _,
    } = flags;
    let timing = Timing::new(leader_elect_lease_duration, leader_elect_renew_deadline, leader_elect_retry_period)?;
    let ending = Arc::new(AtomicBool::new(false));
    let shutdown = shutdown(Arc::clone(&ending))?;
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    let listener = serve::bind(http_addr).await?;
    let secure = secure(metrics_secure_addr, metrics_tls_cert_dir.as_deref()).await?;
    let lease =
        leader::Settings { name: leader_elect_resource_name, namespace: leader_elect_resource_namespace, timing };
    let (term, candidate) = candidate(lease, leader_elect, &health, &metrics).await?;
    let client = Client::try_default()
        .await
        .context("configuring the Kubernetes client from KUBECONFIG or the pod's service account")?;
    let sdk = Sdk::from_environment(aws_timeout).await;
    let region = region(&sdk)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), region = region.as_ref().map(Region::as_str), http_addr = %http_addr,
        ?watch_namespaces, interval = ?default_interval, concurrency, allow_create, allow_delete, leader_elect, "starting"
    );
    // Probes and metrics are served from before Kubernetes answers until the last pass is done.
    let (stop_serving, serving_ends) = futures::channel::oneshot::channel::<()>();
    let serving_ends = serving_ends.map(drop).boxed().shared();
    let plain = secure.is_none().then(|| Arc::clone(&metrics));
    let served = tokio::spawn(serve::serve(listener, Arc::clone(&health), plain, serving_ends.clone()));
    let scraped = secure.map(|(listener, certificates)| {
        let access = Access::new(client.clone());
        tokio::spawn(secure::serve(listener, certificates, access, Arc::clone(&metrics), serving_ends))
    });
    let cluster = match cluster_name {
        Some(name) => Some(name),
        None => cluster_unless(&client, shutdown.clone()).await,
    };
    let turns = Arc::new(Turns::new(Limits { read: aws_read_limit, change: aws_change_limit }));
    metrics.watch_budget(Arc::clone(&turns));
    let fenced = Fenced::new(sdk, term);
    let bedrock: Arc<dyn Bedrock> = Arc::new(Metered::new(fenced, Arc::clone(&turns), Arc::clone(&metrics)));
    let candidate = match candidate {
        Some(candidate) => Some(candidate.acquire(shutdown.clone()).await?),
        None => None,
    };
    // Made only now: calls that were made by whoever led before are over by its start.
    let context = Arc::new(Context {
        defaults: Defaults { region, interval: default_interval, cluster },
        read_lag,
        started_at: Timestamp::now(),
        ending,
        phase: Duration::from_hours(24).mul_f64(random()),
        sources: Sources::new(Arc::clone(&bedrock) as Arc<dyn Looks>),
        bedrock,
        permits: Permits { create: allow_create, delete: allow_delete },
        reporter: Reporter::new(client.clone(), instance()),
        exporter: Exporter::new(client.clone()),
        memories: Memories::default(),
        claims: Claims::default(),
        turns,
        traces: Traces::new(traces),
        metrics,
    });
    let works = work(client, namespaces(&watch_namespaces), concurrency, context, health, shutdown.clone());
    match candidate {
        Some(candidate) => candidate.lead(works).await?,
        None => works.await,
    }
    drop(stop_serving);
    served.await.context("joining the server of /livez, /readyz and /metrics")??;
    future::OptionFuture::from(scraped).await.transpose().context("joining the server of /metrics")?;
    if shutdown.peek().is_none() {
        anyhow::bail!("the watch ended by itself");
    }
    tracing::info!("ended");
    Ok(())
}

/// Works on all objects until `shutdown`, and tells what is untold by then.
async fn work(
    client: Client,
    namespaces: Vec<Option<&str>>,
    concurrency: u16,
    context: Arc<Context>,
    health: Arc<Health>,
    shutdown: Shutdown,
) {
    if shutdown.peek().is_some() {
        return;
    }
    context.claims.watch(namespaces.iter().copied());
    let wakes = Wakes::default();
    let controllers = namespaces.iter().map(|namespace| {
        controller::run(
            client.clone(),
            *namespace,
            concurrency,
            Arc::clone(&context),
            Arc::clone(&health),
            wakes.clone(),
            shutdown.clone(),
        )
    });
    tokio::select! {
        _ = future::join_all(controllers) => {}
        () = context.turns.hand_out(&wakes) => {}
    }
    tell_the_rest(&context).await;
}

/// Each namespace once; `None`, for all of them, where none is named.
fn namespaces(named: &[String]) -> Vec<Option<&str>> {
    let named: BTreeSet<&str> =
        named.iter().map(|namespace| namespace.trim()).filter(|name| !name.is_empty()).collect();
    if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() }
}

/// What lets this process act, and, with leader election, its part in that.
async fn candidate(
    lease: leader::Settings,
    is_elected: bool,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Term, Option<Candidate>)> {
    metrics.leads(!is_elected);
    if !is_elected {
        return Ok((Term::without_end(), None));
    }
    let term = Term::not_begun();
    let candidate = Candidate::new(lease, &instance(), term.clone(), Arc::clone(health), Arc::clone(metrics)).await?;
    Ok((term, Some(candidate)))
}

/// What `/metrics` is served with by TLS, where it is.
async fn secure(
    address: Option<SocketAddr>,
    folder: Option<&Path>,
) -> anyhow::Result<Option<(TcpListener, Certificates)>> {
    let Some(address) = address else { return Ok(None) };
    let listener = secure::bind(address).await?;
    let certificates = match folder {
        Some(folder) => Certificates::of_folder(folder)?,
        None => Certificates::self_signed(&[instance(), "localhost".to_owned()])?,
    };
    Ok(Some((listener, certificates)))
}

fn region(sdk: &Sdk) -> anyhow::Result<Option<Region>> {
    let region = sdk.region().map(Region::parse).transpose();
    region.context("reading the operator's region (AWS_REGION or the AWS profile)")
}

/// Which cluster this is, unless the process is to end before that is known.
async fn cluster_unless(client: &Client, shutdown: Shutdown) -> Option<String> {
    tokio::select! {
        cluster = cluster::uid_in_the_end(client) => cluster,
        () = shutdown => None,
    }
}

/// What events call this process: in a cluster the pod's name, which is its host name.
fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "bedrock-throughput-operator".to_owned())
}

fn shutdown(ending: Arc<AtomicBool>) -> anyhow::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    // A task, so that the signal counts from the moment it comes, whoever polls.
    let (send, receive) = futures::channel::oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
            _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
        }
        ending.store(true, Ordering::Relaxed);
        let _ = send.send(());
    });
    Ok(receive.map(drop).boxed().shared())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_is_watched_once() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            namespaces(&names).into_iter().map(|namespace| namespace.map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(named(&[]), [None]);
        assert_eq!(named(&[""]), [None]);
        assert_eq!(named(&["ml", " search", "ml", ""]), [Some("ml".to_owned()), Some("search".to_owned())]);
    }
}
