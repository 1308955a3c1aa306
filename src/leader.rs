//! Leader election: of several operators one works, the one that holds a Lease, and the others stand by.
//!
//! [`election`](crate::election) decides, and this carries it out. A leader that is cut off from the API server ends before its lease does; one that
//! is asked to end gives the lease back.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Config, api::PostParams};
use tokio::sync::oneshot;

use crate::{
    controller::Shutdown,
    election::{Election, Lost, Record, Step, Timing},
    metrics::Metrics,
    serve::{Health, Standing},
};

/// Whether this process may act: the fence that every call to AWS passes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Term(Arc<Mutex<Allowed>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Until this time; `None`: without end.
    Until(Option<Instant>),
    /// No more.
    Over,
}

impl Term {
    /// The term of a process that is alone.
    #[must_use]
    pub fn without_end() -> Self {
        Self(Arc::new(Mutex::new(Allowed::Until(None))))
    }

    /// The term of a process that does not lead yet.
    #[must_use]
    pub fn not_begun() -> Self {
        Self(Arc::new(Mutex::new(Allowed::Over)))
    }

    /// Whether a call may be begun.
    #[must_use]
    pub fn holds(&self) -> bool {
        match *self.allowed() {
            Allowed::Until(ends) => ends.is_none_or(|ends| Instant::now() < ends),
            Allowed::Over => false,
        }
    }

    /// Lets calls begin until `ends`.
    pub fn extend(&self, ends: Instant) {
        *self.allowed() = Allowed::Until(Some(ends));
    }

    /// Lets no call begin any more.
    pub fn end(&self) {
        *self.allowed() = Allowed::Over;
    }

    fn allowed(&self) -> MutexGuard<'_, Allowed> {
        // A poisoned lock only means that another thread ended while it held the value, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which Lease, and how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the Lease.
    pub name: String,
    /// Its namespace; where none is named, the pod's own, or that of KUBECONFIG's context.
    pub namespace: Option<String>,
    /// The durations.
    pub timing: Timing,
}

/// A leader leads no more, and did not want that.
#[derive(Debug, thiserror::Error)]
#[error("the lease {namespace}/{name} is lost, so this process ends: {lost}")]
pub struct LeaseLost {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// What became of it.
    pub lost: Lost,
}

/// The API server did not take or tell what was asked.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{}", match .0 { kube::Error::Api(status) => status.message.clone(), other => other.to_string() })]
    Kube(#[source] kube::Error),
}

/// A process that wants to lead, or leads.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    namespace: String,
    election: Election,
    /// The Lease as it was read or written last, with what others have put into it.
    lease: Option<Lease>,
    /// Whether a write was ever begun: this process may hold the lease.
    has_written: bool,
    term: Term,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl Candidate {
    /// A candidate that has not asked for anything yet. `instance` is what people call this process: in a cluster, its pod.
    ///
    /// # Errors
    /// When there is no configuration for Kubernetes.
    pub async fn new(
        settings: Settings,
        instance: &str,
        term: Term,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let mut config = Config::infer().await.context("configuring the Kubernetes client for leader election")?;
        // When something is tried again is decided here, by the time that is left.
        config.default_retry = false;
        let Settings { name, namespace, timing } = settings;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("making the Kubernetes client for leader election")?;
        let election = Election::new(identity(instance), timing);
        health.stand(Standing::Unknown);
        metrics.leads(false);
        let api = Api::namespaced(client, &namespace);
        Ok(Self { api, name, namespace, election, lease: None, has_written: false, term, health, metrics })
    }

    /// Stands by until this process leads, or until `shutdown`.
    ///
    /// # Errors
    /// When the lease is lost again by the time that the API server answers.
    pub async fn acquire(mut self, shutdown: Shutdown) -> Result<Self, LeaseLost> {
        // What is out is waited for: a lease that was got must be given back.
        while self.election.term_ends().is_none() && shutdown.peek().is_none() {
            self.turn(shutdown.clone()).await?;
        }
        Ok(self)
    }

    /// Does `work` while the lease is renewed beside it, and then gives the lease back. No call to AWS is begun from there on.
    ///
    /// # Errors
    /// When the lease is lost meanwhile. The process must end at once then.
    pub async fn lead(self, work: impl Future<Output = ()>) -> anyhow::Result<()> {
        let (stop, stopped) = oneshot::channel();
        // A task, so that nothing that the work does holds up a renewal.
        let mut kept = tokio::spawn(self.keep(stopped));
        tokio::select! {
            kept = &mut kept => drop(kept.context("joining the renewal of the lease")??),
            () = work => {
                // It has gone already where the lease was lost at this very moment.
                let _ = stop.send(());
                kept.await.context("joining the renewal of the lease")??.release().await;
            }
        }
        Ok(())
    }

    /// Renews the lease until it is lost, or until `stop` is told or dropped.
    async fn keep(mut self, mut stop: oneshot::Receiver<()>) -> Result<Self, LeaseLost> {
        loop {
            // A renewal that is out is waited for: what comes after it has to know what came of it.
            if !matches!(stop.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                return Ok(self);
            }
            self.turn(&mut stop).await?;
        }
    }

    /// Gives the lease back, where this process may have it.
    async fn release(mut self) {
        self.term.end();
        self.metrics.leads(false);
        if !self.has_written {
            return;
        }
        if self.election.is_stale() {
            self.read().await;
        }
        let Some(record) = self.election.release(Timestamp::now()) else { return };
        let (lease, name, namespace) = (self.lease_with(&record), &self.name, &self.namespace);
        match self.write(&lease).await {
            Ok(_) => tracing::info!(lease = name, namespace, "the lease is released"),
            Err(error) => {
                tracing::warn!(lease = name, namespace, %error, "the lease could not be released; another takes over when it ends");
            }
        }
    }

    /// Does what is due next. A pause ends early with `interrupt`.
    async fn turn(&mut self, interrupt: impl Future) -> Result<(), LeaseLost> {
        match self.election.next(Instant::now(), Timestamp::now()) {
            Step::Sleep(until) => {
                tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => {}
                    _ = interrupt => {}
                }
            }
            Step::Read => self.read().await,
            Step::Write(record) => self.claim(record).await,
            Step::Lose(lost) => {
                self.term.end();
                self.metrics.leads(false);
                let lost = LeaseLost { namespace: self.namespace.clone(), name: self.name.clone(), lost };
                tracing::error!("{lost}");
                return Err(lost);
            }
        }
        Ok(())
    }

    async fn read(&mut self) {
        let patience = self.election.patience(Instant::now());
        match within(patience, self.api.get_opt(&self.name)).await {
            Ok(lease) => {
                self.election.read(lease.as_ref().map(record), Instant::now());
                self.lease = lease;
                self.tell();
            }
            Err(error) => self.failed("read", &error),
        }
    }

    async fn claim(&mut self, record: Record) {
        let lease = self.lease_with(&record);
        let begun = Instant::now();
        self.has_written = true;
        match self.write(&lease).await {
            Ok(written) => {
                self.election.written(record, begun, Instant::now());
                self.lease = Some(written);
                if let Some(ends) = self.election.term_ends() {
                    self.term.extend(ends);
                }
                self.metrics.leads(true);
                self.tell();
            }
            // Somebody else was first, or it was deleted.
            Err(LeaseError::Kube(kube::Error::Api(status)))
                if status.code == 409 || (status.code == 404 && lease.metadata.resource_version.is_some()) =>
            {
                tracing::debug!(lease = self.name, message = status.message, "the lease has changed meanwhile");
                self.election.refused(Instant::now());
            }
            Err(error) => self.failed("written", &error),
        }
    }

    /// Makes the Lease, or takes the place of the version that `lease` names.
    async fn write(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let patience = self.election.patience(Instant::now());
        let parameters = PostParams::default();
        if lease.metadata.resource_version.is_some() {
            within(patience, self.api.replace(&self.name, &parameters, lease)).await
        } else {
            within(patience, self.api.create(&parameters, lease)).await
        }
    }

    /// The Lease as it is to be, with what others have put into it.
    fn lease_with(&self, record: &Record) -> Lease {
        let mut lease = self.lease.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let Record { holder, duration, transitions, acquired, renewed } = record;
        let before = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: holder.clone(),
            lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
            lease_transitions: Some(*transitions),
            acquire_time: acquired.map(MicroTime),
            renew_time: renewed.map(MicroTime),
            ..before
        });
        lease
    }

    fn failed(&mut self, what: &str, error: &LeaseError) {
        self.election.failed(Instant::now());
        let Self { name, namespace, .. } = self;
        let is_forbidden = matches!(error, LeaseError::Kube(kube::Error::Api(status)) if status.is_forbidden());
        let why = if is_forbidden { "RBAC does not allow it: " } else { "" };
        let says = format!("the lease {namespace}/{name} could not be {what}: {why}{error}");
        tracing::warn!(lease = name, namespace, %error, "the lease could not be {what}; it is tried again");
        self.health.stand(Standing::Failing(says));
    }

    fn tell(&self) {
        let (name, namespace) = (&self.name, &self.namespace);
        self.health.stand(match (self.election.term_ends(), self.election.holder()) {
            (Some(_), _) => Standing::Leads(format!("the lease {namespace}/{name}")),
            (None, Some(holder)) => Standing::By(format!("{holder} leads (the lease {namespace}/{name})")),
            (None, None) => Standing::Unknown,
        });
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name).field("election", &self.election).finish_non_exhaustive()
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, LeaseError> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(LeaseError::Kube),
        Err(_) => Err(LeaseError::Timeout(patience)),
    }
}

/// What a Lease says. One without a duration, which no operator writes, is nobody's to wait for.
fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds),
        transitions: spec.lease_transitions.unwrap_or_default(),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
    }
}

/// The name of this process in the Lease: a pod that is started again has the name that it had, and is another process.
fn identity(instance: &str) -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{instance}_{:016x}{:016x}", random(), random())
}
