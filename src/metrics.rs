//! What Prometheus scrapes: `bedrock_throughput_*`, in base units, with labels that stay few.
//!
//! [`descriptors`] is the list of what there is, and what `docs/metrics.md` is made from.

mod budget;
pub mod descriptors;
mod exposition;
mod objects;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};
use tokio::time::Instant;

use self::{
    budget::Budget,
    descriptors::{
        AWS_CALL_DURATION, AWS_CALLS, BUILD, Descriptor, LAST_LOOK, LEADER, PREFIX, QUEUE_WAIT, RECONCILE_DURATION,
        RECONCILE_ERRORS, RECONCILES, RECONCILES_ACTIVE, STATUS_WRITES,
    },
    exposition::TextWriter,
    objects::Objects,
};
use crate::{
    bedrock::{Fault, Operation},
    conditions::Reason,
    crd::{ChangeCause, ProvisionedThroughputStatus},
    identifiers::Region,
    observed::Observed,
    report::{ReportError, Subject},
    turns::Turns,
};

pub use self::exposition::Format;

/// Upper bounds of the buckets for calls to AWS, in seconds.
const CALL_BUCKETS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds of the buckets for passes over an object, in seconds. Most do not leave the process.
const RECONCILE_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Upper bounds of the buckets for the time that an object waits for its pass, in seconds. It is none where fewer objects are due than may
/// be worked on, and minutes after the start of a large fleet.
const WAIT_BUCKETS: [f64; 9] = [0.001, 0.01, 0.1, 0.5, 2.5, 10.0, 30.0, 120.0, 600.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    region: String,
    operation: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RegionLabels {
    region: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// All of the operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    objects: Arc<Objects>,
    calls: Family<CallLabels, Counter>,
    call_duration: Family<OperationLabels, Histogram>,
    last_look: Family<RegionLabels, Gauge<f64, AtomicU64>>,
    reconciles: Family<ReasonLabels, Counter>,
    reconcile_errors: Family<ReasonLabels, Counter>,
    reconcile_duration: Histogram,
    reconciles_active: Gauge,
    queue_wait: Histogram,
    status_writes: Counter,
    leader: Gauge,
    budget: Arc<Budget>,
    /// The length of the last answer: the next one is about as long.
    length: AtomicUsize,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let objects = Arc::new(Objects::default());
        registry.register_collector(Box::new(Arc::clone(&objects)));
        let budget = Arc::new(Budget::default());
        registry.register_collector(Box::new(Arc::clone(&budget)));
        Self {
            objects,
            budget,
            leader: register(&mut registry, &LEADER, Gauge::default()),
            calls: register(&mut registry, &AWS_CALLS, Family::default()),
            call_duration: register(
                &mut registry,
                &AWS_CALL_DURATION,
                Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS)),
            ),
            last_look: register(&mut registry, &LAST_LOOK, Family::default()),
            reconciles: register(&mut registry, &RECONCILES, Family::default()),
            reconcile_errors: register(&mut registry, &RECONCILE_ERRORS, from_zero()),
            reconcile_duration: register(&mut registry, &RECONCILE_DURATION, Histogram::new(RECONCILE_BUCKETS)),
            reconciles_active: register(&mut registry, &RECONCILES_ACTIVE, Gauge::default()),
            queue_wait: register(&mut registry, &QUEUE_WAIT, Histogram::new(WAIT_BUCKETS)),
            status_writes: register(&mut registry, &STATUS_WRITES, Counter::default()),
            length: AtomicUsize::new(0),
            registry: {
                let build = [
                    ("version", env!("CARGO_PKG_VERSION")),
                    ("revision", env!("BTO_BUILD_REVISION")),
                    ("rustc", env!("BTO_BUILD_RUSTC")),
                ];
                registry.register(BUILD.name, BUILD.help, Info::new(build));
                registry
            },
        }
    }
}

/// Registers a metric under its descriptor, and returns it: clones share their values.
fn register<M: Metric + Clone>(registry: &mut Registry, descriptor: &Descriptor, metric: M) -> M {
    registry.register(descriptor.name, descriptor.help, metric.clone());
    metric
}

/// A series for each word of [`why`]: an increase from nothing to 1 is none to Prometheus.
fn from_zero() -> Family<ReasonLabels, Counter> {
    let errors = Family::<ReasonLabels, Counter>::default();
    for reason in WHY {
        drop(errors.get_or_create(&ReasonLabels { reason }));
    }
    errors
}

impl Metrics {
    /// The answer to a scrape, in the format that its headers ask for.
    #[must_use]
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let accept = request.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format = Format::accepted(accept);
        match self.encode(format) {
            Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}\n")).into_response()
            }
        }
    }

    /// The metrics as text.
    ///
    /// # Errors
    /// When a label cannot be written, which has no cause in practice.
    pub fn encode(&self, format: Format) -> Result<String, std::fmt::Error> {
        // With room for it at once: growing would hold it twice.
        let length = self.length.load(Ordering::Relaxed);
        let mut text = String::with_capacity(length + length / 8);
        match format {
            Format::OpenMetrics => text::encode(&mut text, &self.registry)?,
            Format::Text => text::encode(&mut TextWriter::new(&mut text), &self.registry)?,
        }
        self.length.store(text.len(), Ordering::Relaxed);
        Ok(text)
    }

    /// Shows the budget of calls from now on.
    pub fn watch_budget(&self, turns: Arc<Turns>) {
        self.budget.show(turns);
    }

    /// Shows whether this process works.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts a call to AWS.
    pub fn called(&self, region: &Region, operation: Operation, fault: Option<&Fault>, took: Duration) {
        let result = fault.map_or("Success", |fault| fault.reason().as_str());
        self.calls
            .get_or_create(&CallLabels { region: region.to_string(), operation: operation.as_str(), result })
            .inc();
        self.call_duration
            .get_or_create(&OperationLabels { operation: operation.as_str() })
            .observe(took.as_secs_f64());
    }

    /// Keeps when a whole look at a region succeeded.
    pub fn looked(&self, region: &Region, at: jiff::Timestamp) {
        self.last_look.get_or_create(&RegionLabels { region: region.to_string() }).set(at.as_duration().as_secs_f64());
    }

    /// Counts a pass over an object.
    pub fn reconciled(&self, headline: Reason, took: Duration) {
        self.reconciles.get_or_create(&ReasonLabels { reason: headline.as_str() }).inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a pass whose result could not be told.
    pub fn failed_to_reconcile(&self, error: &ReportError, took: Duration) {
        self.reconcile_errors.get_or_create(&ReasonLabels { reason: why(error) }).inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a write of a status.
    pub fn wrote_status(&self) {
        self.status_writes.inc();
    }

    /// Begins to show an object.
    pub fn enter(&self, subject: &Subject) {
        self.objects.enter(subject);
    }

    /// Takes an object that is gone out of the metrics.
    pub fn forget(&self, subject: &Subject) {
        self.objects.forget(subject);
    }

    /// Shows an object as its status says.
    pub fn show(&self, subject: &Subject, status: &ProvisionedThroughputStatus) {
        self.objects.change(subject, |entry| entry.show(status));
    }

    /// Shows whether an object has the model that it asks for.
    pub fn show_model(&self, subject: &Subject, observed: &Observed) {
        self.objects.change(subject, |entry| entry.show_model(observed));
    }

    /// Counts a change that AWS accepted.
    pub fn updated(&self, subject: &Subject) {
        self.objects.change(subject, |entry| entry.updates = entry.updates.saturating_add(1));
    }

    /// Counts drift where a status tells of some and the one before it did not.
    pub fn compare(&self, subject: &Subject, before: &ProvisionedThroughputStatus, now: &ProvisionedThroughputStatus) {
        if tells_of_drift(now) && !tells_of_drift(before) {
            self.objects.change(subject, |entry| entry.drift_found = entry.drift_found.saturating_add(1));
        }
    }

    /// Counts a change that is served, where it repaired drift.
    pub fn served(&self, subject: &Subject, cause: ChangeCause) {
        match cause {
            ChangeCause::Manifest => {}
            ChangeCause::Drift => {
                self.objects.change(subject, |entry| entry.drift_repaired = entry.drift_repaired.saturating_add(1));
            }
        }
    }

    /// An object is due after a pause, unless it is due earlier.
    pub fn due(&self, namespace: &str, name: &str, after: Duration) {
        let now = Instant::now();
        // What is too far off to be told is not due.
        if let Some(at) = now.checked_add(after) {
            self.objects.due(namespace, name, at);
        }
    }

    /// A pass over an object begins; it is under way until what is returned is dropped.
    pub fn begin(&self, subject: &Subject) -> UnderWay {
        if let Some(waited) = self.objects.begin(subject, Instant::now()) {
            self.queue_wait.observe(waited.as_secs_f64());
        }
        self.reconciles_active.inc();
        UnderWay(self.reconciles_active.clone())
    }
}

/// A pass that is under way.
#[must_use]
#[derive(Debug)]
pub struct UnderWay(Gauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Whether a status tells of a change made at AWS by somebody else that is not undone yet.
fn tells_of_drift(status: &ProvisionedThroughputStatus) -> bool {
    let is_due = status.plan.as_ref().is_some_and(|plan| plan.cause == ChangeCause::Drift);
    let is_out = status.last_update.as_ref().is_some_and(|update| {
        update.cause == ChangeCause::Drift && update.served_time.is_none() && update.failure_message.is_none()
    });
    is_due || is_out
}

/// The words of [`why`], without that for an object that is gone, which is no error.
const WHY: [&str; 8] =
    ["Conflict", "ConnectionFailed", "Forbidden", "Invalid", "Other", "ServerError", "Timeout", "TooManyRequests"];

/// Why Kubernetes did not take what was told, in one of few words.
fn why(error: &ReportError) -> &'static str {
    match error {
        ReportError::Gone => "Gone",
        ReportError::Conflict => "Conflict",
        ReportError::Timeout => "Timeout",
        ReportError::Kube(kube::Error::Api(status)) => match status.code {
            401 | 403 => "Forbidden",
            409 => "Conflict",
            400 | 413 | 415 | 422 => "Invalid",
            429 => "TooManyRequests",
            500..=599 => "ServerError",
            _ => "Other",
        },
        ReportError::Kube(kube::Error::HyperError(_) | kube::Error::Service(_)) => "ConnectionFailed",
        ReportError::Kube(_) => "Other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;
    use crate::metrics::descriptors::{ALL, Kind};

    fn ready(status: &str) -> Condition {
        Condition {
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            message: String::new(),
            observed_generation: None,
            reason: "InService".into(),
            status: status.into(),
            type_: "Ready".into(),
        }
    }

    fn status(condition: Condition) -> ProvisionedThroughputStatus {
        ProvisionedThroughputStatus {
            conditions: vec![condition],
            commitment_expiration_time: Some(Time(jiff::Timestamp::from_second(1_800_000_000).unwrap())),
            ..Default::default()
        }
    }

    fn subject() -> Subject {
        Subject { namespace: "ml".into(), name: "a".into(), uid: "1".into() }
    }

    fn encode(metrics: &Metrics) -> String {
        metrics.encode(Format::OpenMetrics).unwrap()
    }

    #[test]
    fn a_condition_is_shown_with_the_status_that_it_has_and_goes_with_its_object() {
        let (metrics, subject) = (Metrics::default(), subject());
        let shown = |status| {
            format!("bedrock_throughput_condition{{namespace=\"ml\",name=\"a\",type=\"Ready\",status=\"{status}\"}} 1")
        };
        metrics.enter(&subject);
        metrics.show(&subject, &status(ready("True")));
        assert!(encode(&metrics).contains(&shown("True")), "{}", encode(&metrics));
        metrics.show(&subject, &status(ready("False")));
        let text = encode(&metrics);
        let end = "bedrock_throughput_commitment_end_timestamp_seconds{namespace=\"ml\",name=\"a\"} 1800000000\n";
        assert!(text.contains(end), "{text}");
        let reason =
            "bedrock_throughput_ready_reason{namespace=\"ml\",name=\"a\",reason=\"InService\",class=\"Settled\"} 1\n";
        assert!(text.contains(reason), "{text}");
        assert!(text.contains(&shown("False")) && !text.contains(&shown("True")), "{text}");
        metrics.forget(&subject);
        assert!(!encode(&metrics).contains("name=\"a\""));
    }

    #[test]
    fn calls_are_counted_by_operation_and_result() {
        let metrics = Metrics::default();
        let region = Region::parse("us-east-1").unwrap();
        metrics.called(&region, Operation::UpdateProvisionedModelThroughput, None, Duration::from_millis(30));
        let text = encode(&metrics);
        let line = "bedrock_throughput_aws_calls_total{region=\"us-east-1\",operation=\"UpdateProvisionedModelThroughput\",result=\"Success\"} 1";
        assert!(text.contains(line), "{text}");
    }

    /// Every family has a series, without which it is not told of.
    fn used() -> Metrics {
        let (metrics, region) = (Metrics::default(), Region::parse("us-east-1").unwrap());
        metrics.called(&region, Operation::TagResource, None, Duration::from_millis(30));
        metrics.looked(&region, jiff::Timestamp::UNIX_EPOCH);
        metrics.reconciled(Reason::InService, Duration::from_millis(30));
        metrics
    }

    #[test]
    fn every_word_for_an_error_begins_at_zero() {
        let text = encode(&Metrics::default());
        let code = |code: u16| {
            ReportError::Kube(kube::Error::Api(Box::new(kube::core::Status { code, ..Default::default() })))
        };
        let errors = [400, 401, 403, 404, 409, 422, 429, 500, 503].map(code);
        for error in errors.iter().chain([&ReportError::Conflict, &ReportError::Timeout]) {
            let line = format!("bedrock_throughput_reconcile_errors_total{{reason=\"{}\"}} 0\n", why(error));
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }

    /// The list and what is registered are the same, with the same types and texts.
    #[test]
    fn what_is_served_is_what_is_listed() {
        let text = encode(&used());
        let told = |marker: &str| -> BTreeMap<String, String> {
            let of = |line: &str| line.strip_prefix(marker)?.split_once(' ').map(|(a, b)| (a.into(), b.into()));
            text.lines().filter_map(of).collect()
        };
        let family = |descriptor: &Descriptor| format!("{PREFIX}_{}", descriptor.name);
        let kinds = ALL.iter().map(|one| (family(one), one.kind.as_str().to_owned()));
        assert_eq!(told("# TYPE "), kinds.collect());
        let helps = ALL.iter().map(|one| (family(one), format!("{}.", one.help)));
        assert_eq!(told("# HELP "), helps.collect());
        assert!(text.contains("bedrock_throughput_build_info{version=\""), "{text}");
    }

    #[test]
    fn each_family_is_told_once_in_either_format() {
        for format in [Format::OpenMetrics, Format::Text] {
            let text = used().encode(format).unwrap();
            let families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
            assert_eq!(families.iter().collect::<BTreeSet<_>>().len(), families.len());
            assert_eq!(families.len(), ALL.len());
            let counters = ALL.iter().filter(|one| one.kind == Kind::Counter);
            let named = counters.filter(|one| text.contains(&format!("# TYPE {} counter\n", one.full_name())));
            let wanted =
                if format == Format::Text { ALL.iter().filter(|one| one.kind == Kind::Counter).count() } else { 0 };
            assert_eq!(named.count(), wanted);
        }
    }

    #[test]
    fn a_pass_is_under_way_until_it_is_over_and_the_wait_before_it_is_measured() {
        let (metrics, subject) = (Metrics::default(), subject());
        metrics.enter(&subject);
        metrics.due("ml", "a", Duration::ZERO);
        assert!(encode(&metrics).contains("\nbedrock_throughput_queue_depth 1\n"));
        let pass = metrics.begin(&subject);
        let text = encode(&metrics);
        for line in ["queue_depth 0", "reconciles_active 1", "queue_wait_seconds_count 1"] {
            assert!(text.contains(&format!("\nbedrock_throughput_{line}\n")), "{line}: {text}");
        }
        drop(pass);
        assert!(encode(&metrics).contains("\nbedrock_throughput_reconciles_active 0\n"));
    }

    #[test]
    fn drift_is_found_once() {
        let (metrics, subject) = (Metrics::default(), subject());
        metrics.enter(&subject);
        let found = |times: u32| {
            let line = format!("bedrock_throughput_drift_found_total{{namespace=\"ml\",name=\"a\"}} {times}\n");
            assert!(encode(&metrics).contains(&line), "{}", encode(&metrics));
        };
        let of = |value: serde_json::Value| serde_json::from_value::<ProvisionedThroughputStatus>(value).unwrap();
        let plan = |cause: &str| {
            of(serde_json::json!({"plan": {
                "action": "Update", "request": {}, "message": "", "consequence": "", "waitingFor": "Answer", "cause": cause, "from": {},
            }}))
        };
        let out = |served: Option<&str>| {
            of(serde_json::json!({"lastUpdate": {
                "time": "2026-01-01T00:00:00Z", "cause": "Drift", "servedTime": served,
            }}))
        };
        let calm = ProvisionedThroughputStatus::default();
        metrics.compare(&subject, &calm, &plan("Manifest"));
        found(0);
        metrics.compare(&subject, &calm, &plan("Drift"));
        metrics.compare(&subject, &plan("Drift"), &out(None));
        metrics.compare(&subject, &out(None), &out(Some("2026-01-01T00:01:00Z")));
        found(1);
        metrics.compare(&subject, &out(Some("2026-01-01T00:01:00Z")), &plan("Drift"));
        found(2);
    }
}
