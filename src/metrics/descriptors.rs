//! The one list of metrics: what they are called, their labels and their meaning. `docs/metrics.md` is made from it.

use std::fmt::Write as _;

use prometheus_client::metrics::MetricType;

/// Begins the name of every metric.
pub const PREFIX: &str = "bedrock_throughput";

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only up, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Counts in buckets, and their sum.
    Histogram,
    /// Always 1; the labels are what it tells.
    Info,
}

impl Kind {
    /// The type as it stands in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    pub(super) fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }

    /// What follows the name of the family in the name of its series, where there is one series for each set of labels.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// What there is to know of a metric before it has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The name of the family, without the prefix and without the suffix of its kind.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// The names of its labels. Values are few: objects, regions, operations of AWS, reasons; never ARNs.
    pub labels: &'static [&'static str],
    /// What it means, without the full stop at its end.
    pub help: &'static str,
}

impl Descriptor {
    /// The name by which it is asked for: of a histogram, without `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{PREFIX}_{}{}", self.name, self.kind.suffix())
    }
}

macro_rules! descriptors {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $id: Descriptor =
            Descriptor { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+

        /// Every metric, in the order of the documentation.
        pub const ALL: &[Descriptor] = &[$($id),+];
    };
}

descriptors! {
    CONDITION: Gauge "condition" ["namespace", "name", "type", "status"]
        "1 for the status that a condition of an object has: True, False or Unknown";
    READY_REASON: Gauge "ready_reason" ["namespace", "name", "reason", "class"]
        "1 for the reason of an object's condition Ready, with what happens next: Settled, Waiting (for AWS), Held (by an approval, a date or a turn), Retrying or Stalled";
    MODEL_OUTDATED: Gauge "model_outdated" ["namespace", "name"]
        "Whether another model is served than the manifest asks for, by the last look that could tell: 1 or 0. Objects without modelId have none";
    MODEL_UNITS: Gauge "model_units" ["namespace", "name"]
        "Model units in service";
    COMMITMENT_END: Gauge "commitment_end_timestamp_seconds" ["namespace", "name"]
        "When the commitment of an object's throughput ends, as Unix time; AWS goes on billing after it";
    COMMITMENT_MONTHS: Gauge "commitment_months" ["namespace", "name"]
        "The length of that commitment, in months";
    UPDATES: Counter "updates" ["namespace", "name"]
        "Updates that AWS accepted";
    DRIFT_FOUND: Counter "drift_found" ["namespace", "name"]
        "Changes made at AWS by somebody else that were found";
    DRIFT_REPAIRED: Counter "drift_repaired" ["namespace", "name"]
        "Changes made at AWS by somebody else that were undone and are served again";
    AWS_CALLS: Counter "aws_calls" ["region", "operation", "result"]
        "Calls to AWS by their result: Success, or the reason of the fault (Throttled, AccessDenied, AwsUnavailable, ...)";
    AWS_CALL_DURATION: Histogram "aws_call_duration_seconds" ["operation"]
        "Time from the start of a call to AWS to its answer or fault; of a List, all pages";
    CALL_RATE: Gauge "aws_call_rate_limit" ["region", "kind"]
        "The calls a second that the operator paces itself to, of the kind read or change; +Inf while AWS has refused none for there being too many, and no flag says so";
    CALLS_WAITING: Gauge "aws_calls_waiting" ["region", "kind"]
        "Objects that wait for their turn to call AWS";
    LAST_LOOK: Gauge "last_successful_look_timestamp_seconds" ["region"]
        "When what AWS has was last seen whole, as Unix time";
    RECONCILES: Counter "reconciles" ["reason"]
        "Passes over an object, by the reason that stands for the result";
    RECONCILE_ERRORS: Counter "reconcile_errors" ["reason"]
        "Passes that could not tell their result, by why Kubernetes did not take it: Conflict, Forbidden, Invalid, TooManyRequests, ServerError, Timeout, ConnectionFailed or Other";
    RECONCILE_DURATION: Histogram "reconcile_duration_seconds" []
        "Time that a pass over an object takes";
    RECONCILES_ACTIVE: Gauge "reconciles_active" []
        "Passes that are under way; --concurrency bounds them";
    QUEUE_DEPTH: Gauge "queue_depth" []
        "Objects that are due and whose pass has not begun: a change was seen, another object made room, its turn to call AWS has come, or the time set by the last pass has come";
    QUEUE_WAIT: Histogram "queue_wait_seconds" []
        "Time from when an object is due to the start of its pass";
    LEADER: Gauge "leader" []
        "1 while this process works: it holds the lease, or runs without leader election; 0 while it stands by";
    STATUS_WRITES: Counter "status_writes" []
        "Writes of an object's status to Kubernetes";
    BUILD: Info "build" ["version", "revision", "rustc"]
        "The version that runs, the commit it was built from and the compiler, where the build knew them";
}

/// The list as a Markdown table, for `docs/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for descriptor in ALL {
        let labels: Vec<String> = descriptor.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (descriptor.full_name(), descriptor.kind.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{name}` | {kind} | {} | {} |", labels.join(", "), descriptor.help);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let names: BTreeSet<String> = ALL.iter().map(Descriptor::full_name).collect();
        assert_eq!(names.len(), ALL.len());
        for Descriptor { name, kind, labels, help } in ALL {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!["_total", "_info", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end)), "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(labels.iter().all(|label| !label.contains("arn")), "{name}");
            // Neither text format would have to escape anything, and a table cell neither.
            assert!(!help.contains(['\\', '"', '\n', '|']) && !help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn the_table_has_a_row_for_each() {
        let table = markdown();
        assert_eq!(table.lines().count(), ALL.len() + 2);
        let row = "| `bedrock_throughput_updates_total` | counter | `namespace`, `name` | Updates that AWS accepted |";
        assert!(table.lines().any(|line| line == row), "{table}");
    }
}
