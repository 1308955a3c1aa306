//! What Prometheus scrapes: `bedrock_throughput_*`, in base units, with labels that stay few.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{
    bedrock::{Fault, Operation},
    conditions::{ConditionStatus, ConditionType, Reason},
    crd::{ChangeCause, ProvisionedThroughputStatus},
    identifiers::Region,
};

/// Upper bounds of the buckets for calls to AWS, in seconds.
const CALL_BUCKETS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds of the buckets for passes over an object, in seconds. Most do not leave the process.
const RECONCILE_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ObjectLabels {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    name: String,
    r#type: &'static str,
    status: &'static str,
}

/// All of the operator's metrics. Cloning shares them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    call_duration: Family<OperationLabels, Histogram>,
    last_look: Family<RegionLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    reconciles: Family<ReasonLabels, Counter>,
    reconcile_errors: Counter,
    reconcile_duration: Histogram,
    conditions: Family<ConditionLabels, Gauge>,
    updates: Family<ObjectLabels, Counter>,
    drift_repaired: Family<ObjectLabels, Counter>,
    commitment_end: Family<ObjectLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    model_units: Family<ObjectLabels, Gauge>,
    status_writes: Counter,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bedrock_throughput");
        let metrics = Self {
            calls: Family::default(),
            call_duration: Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS)),
            last_look: Family::default(),
            reconciles: Family::default(),
            reconcile_errors: Counter::default(),
            reconcile_duration: Histogram::new(RECONCILE_BUCKETS),
            conditions: Family::default(),
            updates: Family::default(),
            drift_repaired: Family::default(),
            commitment_end: Family::default(),
            model_units: Family::default(),
            status_writes: Counter::default(),
            leader: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register(
            "aws_calls",
            "Calls to AWS, by region, operation and result: Success or the reason of the fault",
            metrics.calls.clone(),
        );
        registry.register(
            "aws_call_duration_seconds",
            "Time from the start of a call to AWS to its answer or fault",
            metrics.call_duration.clone(),
        );
        registry.register(
            "last_successful_look_timestamp_seconds",
            "When what AWS has was last seen whole, by region, as Unix time",
            metrics.last_look.clone(),
        );
        registry.register(
            "reconciles",
            "Passes over an object, by the reason that stands for the result",
            metrics.reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Passes that could not tell their result because Kubernetes did not take it",
            metrics.reconcile_errors.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "Time that a pass over an object takes",
            metrics.reconcile_duration.clone(),
        );
        registry.register(
            "condition",
            "1 for the status that a condition of an object has",
            metrics.conditions.clone(),
        );
        registry.register("updates", "Changes that AWS accepted, by object", metrics.updates.clone());
        registry.register(
            "drift_repaired",
            "Changes made at AWS by somebody else that were undone and are served again, by object",
            metrics.drift_repaired.clone(),
        );
        registry.register(
            "commitment_end_timestamp_seconds",
            "When the commitment of an object's throughput ends, as Unix time; AWS goes on billing after it",
            metrics.commitment_end.clone(),
        );
        registry.register("model_units", "Model units in service, by object", metrics.model_units.clone());
        registry.register("status_writes", "Writes of an object's status to Kubernetes", metrics.status_writes.clone());
        registry.register(
            "leader",
            "1 while this process works: it holds the lease, or runs without leader election; 0 while it stands by",
            metrics.leader.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// The metrics in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// When a label cannot be written, which has no cause in practice.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
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
    pub fn failed_to_reconcile(&self, took: Duration) {
        self.reconcile_errors.inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a write of a status.
    pub fn wrote_status(&self) {
        self.status_writes.inc();
    }

    /// Shows whether this process works.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts a change that AWS accepted.
    pub fn updated(&self, namespace: &str, name: &str) {
        self.updates.get_or_create(&ObjectLabels { namespace: namespace.to_owned(), name: name.to_owned() }).inc();
    }

    /// Counts a change that is served, where it repaired drift.
    pub fn served(&self, namespace: &str, name: &str, cause: ChangeCause) {
        match cause {
            ChangeCause::Manifest => {}
            ChangeCause::Drift => {
                let labels = ObjectLabels { namespace: namespace.to_owned(), name: name.to_owned() };
                self.drift_repaired.get_or_create(&labels).inc();
            }
        }
    }

    /// Shows an object as its status says.
    pub fn show(&self, namespace: &str, name: &str, status: &ProvisionedThroughputStatus) {
        self.show_conditions(namespace, name, &status.conditions);
        let labels = ObjectLabels { namespace: namespace.to_owned(), name: name.to_owned() };
        match &status.commitment_expiration_time {
            Some(end) => {
                self.commitment_end.get_or_create(&labels).set(end.0.as_duration().as_secs_f64());
            }
            None => {
                self.commitment_end.remove(&labels);
            }
        }
        match status.model_units {
            Some(units) => {
                self.model_units.get_or_create(&labels).set(i64::from(units));
            }
            None => {
                self.model_units.remove(&labels);
            }
        }
    }

    fn show_conditions(&self, namespace: &str, name: &str, conditions: &[Condition]) {
        for type_ in ConditionType::ALL {
            let has =
                conditions.iter().find(|condition| condition.type_ == type_.as_str()).map(|has| has.status.as_str());
            for status in ConditionStatus::ALL {
                let labels = condition_labels(namespace, name, type_, status);
                if has == Some(status.as_str()) {
                    self.conditions.get_or_create(&labels).set(1);
                } else {
                    self.conditions.remove(&labels);
                }
            }
        }
    }

    /// Takes an object that is gone out of the metrics.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.show(namespace, name, &ProvisionedThroughputStatus::default());
        let labels = ObjectLabels { namespace: namespace.to_owned(), name: name.to_owned() };
        self.updates.remove(&labels);
        self.drift_repaired.remove(&labels);
    }
}

fn condition_labels(namespace: &str, name: &str, type_: ConditionType, status: ConditionStatus) -> ConditionLabels {
    ConditionLabels {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        r#type: type_.as_str(),
        status: status.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

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

    #[test]
    fn a_condition_is_shown_with_the_status_that_it_has_and_goes_with_its_object() {
        let metrics = Metrics::default();
        let shown = |status| {
            format!("bedrock_throughput_condition{{namespace=\"ml\",name=\"a\",type=\"Ready\",status=\"{status}\"}} 1")
        };
        metrics.show("ml", "a", &status(ready("True")));
        assert!(metrics.encode().unwrap().contains(&shown("True")), "{}", metrics.encode().unwrap());
        metrics.show("ml", "a", &status(ready("False")));
        let text = metrics.encode().unwrap();
        let end = "bedrock_throughput_commitment_end_timestamp_seconds{namespace=\"ml\",name=\"a\"} 1800000000.0";
        assert!(text.contains(end), "{text}");
        assert!(text.contains(&shown("False")) && !text.contains(&shown("True")), "{text}");
        metrics.forget("ml", "a");
        assert!(!metrics.encode().unwrap().contains("name=\"a\""));
    }

    #[test]
    fn calls_are_counted_by_operation_and_result() {
        let metrics = Metrics::default();
        let region = Region::parse("us-east-1").unwrap();
        metrics.called(&region, Operation::UpdateProvisionedModelThroughput, None, Duration::from_millis(30));
        let text = metrics.encode().unwrap();
        let line = "bedrock_throughput_aws_calls_total{region=\"us-east-1\",operation=\"UpdateProvisionedModelThroughput\",result=\"Success\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
