//! `/livez`, `/readyz` and `/metrics`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use kube::runtime::watcher;
use tokio::net::TcpListener;

use crate::{controller::Shutdown, metrics::Metrics, report::Watched};

/// How the election and the watches are. Trouble with AWS is not part of it: conditions and metrics tell of that, and a restart would not
/// help.
#[derive(Debug, Default)]
pub struct Health(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// `None`: there is no election.
    standing: Option<Standing>,
    watches: BTreeMap<String, Watch>,
}

/// How this process stands in the election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The API server has not been asked yet.
    Unknown,
    /// It stands by; who leads, and by which lease.
    By(String),
    /// It leads; by which lease.
    Leads(String),
    /// The lease cannot be read or written, and why.
    Failing(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Watch {
    Starting,
    Synced,
    Failing(String),
    Stopped,
}

impl Health {
    /// A watch begins.
    pub fn starting(&self, scope: &str) {
        self.set(scope, Watch::Starting);
    }

    /// A watch has ended.
    pub fn stopped(&self, scope: &str) {
        self.set(scope, Watch::Stopped);
    }

    /// A watch brought an event or a fault.
    pub fn watched(&self, scope: &str, event: Result<&watcher::Event<Watched>, &watcher::Error>) {
        match event {
            Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_)) => {
                self.set(scope, Watch::Synced);
            }
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Err(watcher::Error::InitialListFailed(error)) => self.set(scope, Watch::Failing(list_failed(error))),
            // A watch that breaks is taken up again, and the cache is whole until then.
            Err(
                watcher::Error::WatchStartFailed(_)
                | watcher::Error::WatchError(_)
                | watcher::Error::WatchFailed(_)
                | watcher::Error::NoResourceVersion,
            ) => {}
        }
    }

    /// The election brought something.
    pub fn stand(&self, standing: Standing) {
        let mut parts = self.parts();
        if parts.standing.as_ref() == Some(&standing) {
            return;
        }
        match &standing {
            Standing::Unknown => {}
            Standing::By(who) => tracing::info!("stands by: {who}"),
            Standing::Leads(by) => tracing::info!("leads by {by}"),
            // Told with the fault itself.
            Standing::Failing(_) => {}
        }
        parts.standing = Some(standing);
    }

    fn set(&self, scope: &str, watch: Watch) {
        let watches = &mut self.parts().watches;
        if watches.get(scope) == Some(&watch) {
            return;
        }
        match &watch {
            Watch::Starting => {}
            Watch::Synced => tracing::info!(scope, "the cache is synced"),
            Watch::Stopped => tracing::info!(scope, "the watch has ended"),
            Watch::Failing(why) => tracing::warn!(scope, why, "the objects cannot be listed; it is tried again"),
        }
        watches.insert(scope.to_owned(), watch);
    }

    /// Whether all is in order, and a line for each part of it.
    fn readiness(&self) -> (bool, String) {
        let Parts { standing, watches } = &*self.parts();
        let mut text = String::new();
        let mut ready = true;
        if let Some(standing) = standing {
            let (good, says) = match standing {
                Standing::Unknown => (false, "the lease has not been read yet".to_owned()),
                Standing::By(who) => (true, format!("stands by: {who}")),
                Standing::Leads(by) => (true, format!("leads by {by}")),
                Standing::Failing(why) => (false, why.clone()),
            };
            ready &= good;
            let _ = writeln!(text, "[{}] leader election: {says}", if good { '+' } else { '-' });
        }
        for (scope, watch) in watches {
            let (good, says) = match watch {
                Watch::Synced => (true, "ok"),
                Watch::Starting => (false, "the cache is not synced yet"),
                Watch::Stopped => (false, "the watch has ended: the process is about to end"),
                Watch::Failing(why) => (false, why.as_str()),
            };
            ready &= good;
            let _ = writeln!(text, "[{}] watch of {scope}: {says}", if good { '+' } else { '-' });
        }
        // One that stands by begins to watch when it leads.
        if watches.is_empty() && !matches!(standing, Some(Standing::By(_))) {
            ready = false;
            text.push_str("[-] watch: not started yet\n");
        }
        (ready, text)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        // A poisoned lock only means that another thread ended while it held the state, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list_failed(error: &kube::Error) -> String {
    match error {
        // By the code: the API server answers in plain text for a resource that it does not know.
        kube::Error::Api(status) if status.code == 404 => {
            "CustomResourceDefinition provisionedthroughputs.bedrock-throughput.dev is not installed: apply crds/"
                .to_owned()
        }
        kube::Error::Api(status) if status.is_forbidden() => {
            format!(
                "RBAC does not allow the operator to list provisionedthroughputs.bedrock-throughput.dev: {}",
                status.message
            )
        }
        error => format!("the API server does not list provisionedthroughputs.bedrock-throughput.dev: {error}"),
    }
}

/// Takes the address. Serving begins with [`serve`], so that an address in use ends the process before anything is done.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("binding {address} for /livez, /readyz and /metrics (--http-addr)"))
}

/// Serves until `shutdown`; the metrics only where they are given.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Option<Arc<Metrics>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut router =
        Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(readyz)).with_state(health);
    if let Some(metrics) = metrics {
        router = router.route("/metrics", get(async move |request: HeaderMap| metrics.answer(&request)));
    }
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await.context("serving /livez, /readyz and /metrics")
}

async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let (ready, text) = health.readiness();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_that_is_not_ready_is_named() {
        let health = Health::default();
        assert!(!health.readiness().0);
        health.starting("namespace a");
        health.starting("namespace b");
        health.watched("namespace a", Ok(&watcher::Event::InitDone));
        let (ready, text) = health.readiness();
        assert!(
            !ready && text.contains("[+] watch of namespace a: ok") && text.contains("[-] watch of namespace b: "),
            "{text}"
        );
        health.watched("namespace b", Ok(&watcher::Event::InitDone));
        assert!(health.readiness().0);
    }

    #[test]
    fn one_that_stands_by_is_ready_and_says_who_leads() {
        let health = Health::default();
        health.stand(Standing::Unknown);
        assert!(!health.readiness().0);
        health.stand(Standing::By("b leads".to_owned()));
        assert_eq!(health.readiness(), (true, "[+] leader election: stands by: b leads\n".to_owned()));
        health.stand(Standing::Failing("no answer".to_owned()));
        assert!(!health.readiness().0);
        health.stand(Standing::Leads("the lease".to_owned()));
        assert!(!health.readiness().0, "its watches have not begun");
        health.starting("all namespaces");
        health.watched("all namespaces", Ok(&watcher::Event::InitDone));
        assert!(health.readiness().0);
    }

    #[test]
    fn a_missing_crd_is_named() {
        let health = Health::default();
        let status = kube::core::Status { code: 404, reason: "NotFound".into(), ..Default::default() };
        let error = watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
        health.watched("all namespaces", Err(&error));
        let (ready, text) = health.readiness();
        assert!(!ready && text.contains("apply crds/"), "{text}");
    }
}
