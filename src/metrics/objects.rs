//! What is shown of each object, kept small: there may be ten thousand. An object is one entry, and its series are made from it when they are
//! read.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use tokio::time::Instant;

use super::descriptors::{
    COMMITMENT_END, COMMITMENT_MONTHS, CONDITION, DRIFT_FOUND, DRIFT_REPAIRED, Descriptor, Kind, MODEL_OUTDATED,
    MODEL_UNITS, QUEUE_DEPTH, READY_REASON, UPDATES,
};
use crate::{
    conditions::{Class, ConditionStatus, ConditionType, Reason, find},
    crd::{CommitmentDuration, ProvisionedThroughputStatus},
    observed::{Observed, WantedModel},
    report::Subject,
};

/// All objects, by `namespace/name`.
#[derive(Debug, Default)]
pub(super) struct Objects(Mutex<BTreeMap<Box<str>, Entry>>);

/// What is shown of one.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The hash of the uid, which tells the object from another of the same name before or after it.
    uid: u64,
    /// When its next pass is due.
    due: Option<Instant>,
    /// As Unix time.
    commitment_end: Option<i64>,
    model_units: Option<i32>,
    pub(super) updates: u32,
    pub(super) drift_found: u32,
    pub(super) drift_repaired: u32,
    commitment_months: Option<u8>,
    /// In the order of [`ConditionType::ALL`].
    conditions: [Option<ConditionStatus>; ConditionType::ALL.len()],
    ready_reason: Option<Reason>,
    is_outdated: Option<bool>,
}

impl Objects {
    /// Begins to show an object. What is told of one that is not watched is not shown, so that none stays behind.
    pub(super) fn enter(&self, subject: &Subject) {
        let uid = hash(&subject.uid);
        let mut objects = self.objects();
        let entry = objects.entry(key(&subject.namespace, &subject.name).into_boxed_str()).or_default();
        if entry.uid != uid {
            *entry = Entry { uid, ..Entry::default() };
        }
    }

    /// Ends showing it.
    pub(super) fn forget(&self, subject: &Subject) {
        let (key, uid) = (key(&subject.namespace, &subject.name), hash(&subject.uid));
        let mut objects = self.objects();
        if objects.get(key.as_str()).is_some_and(|entry| entry.uid == uid) {
            objects.remove(key.as_str());
        }
    }

    /// Changes what is shown of an object, if it is still there.
    pub(super) fn change(&self, subject: &Subject, change: impl FnOnce(&mut Entry)) {
        let uid = hash(&subject.uid);
        let mut objects = self.objects();
        if let Some(entry) = objects.get_mut(key(&subject.namespace, &subject.name).as_str())
            && entry.uid == uid
        {
            change(entry);
        }
    }

    /// An object is due at a time, or at the earlier one that is known.
    pub(super) fn due(&self, namespace: &str, name: &str, at: Instant) {
        if let Some(entry) = self.objects().get_mut(key(namespace, name).as_str()) {
            entry.due = Some(entry.due.map_or(at, |due| due.min(at)));
        }
    }

    /// The pass of an object begins. Returns how long it was due.
    pub(super) fn begin(&self, subject: &Subject, now: Instant) -> Option<Duration> {
        let mut waited = None;
        self.change(subject, |entry| waited = entry.due.take().map(|due| now.saturating_duration_since(due)));
        waited
    }

    fn depth(&self, now: Instant) -> i64 {
        let depth = self.objects().values().filter(|entry| entry.due.is_some_and(|due| due <= now)).count();
        i64::try_from(depth).unwrap_or(i64::MAX)
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Entry>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a family: what `series` writes for each object, given its labels `namespace` and `name`.
    fn family(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        descriptor: &Descriptor,
        series: impl Fn(&mut MetricEncoder<'_>, [(&'static str, &str); 2], &Entry) -> fmt::Result,
    ) -> fmt::Result {
        let help = format!("{}.", descriptor.help);
        let mut metric = encoder.encode_descriptor(descriptor.name, &help, None, descriptor.kind.metric_type())?;
        for (key, entry) in self.objects().iter() {
            // Names in Kubernetes have no slash.
            let (namespace, name) = key.split_once('/').unwrap_or_default();
            series(&mut metric, [("namespace", namespace), ("name", name)], entry)?;
        }
        Ok(())
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        descriptor: &Descriptor,
        value: impl Fn(&Entry) -> Option<i64>,
    ) -> fmt::Result {
        self.family(encoder, descriptor, |metric, labels, entry| match value(entry) {
            Some(value) => ConstGauge::new(value).encode(metric.encode_family(&labels)?),
            None => Ok(()),
        })
    }

    fn counter(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        descriptor: &Descriptor,
        value: impl Fn(&Entry) -> u32,
    ) -> fmt::Result {
        // From 0 on: an increase from nothing to 1 is none to Prometheus.
        self.family(encoder, descriptor, |metric, labels, entry| {
            ConstCounter::new(u64::from(value(entry))).encode(metric.encode_family(&labels)?)
        })
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.family(encoder, &CONDITION, |metric, [namespace, name], entry| {
            for (type_, status) in ConditionType::ALL.into_iter().zip(entry.conditions) {
                if let Some(status) = status {
                    let labels = [namespace, name, ("type", type_.as_str()), ("status", status.as_str())];
                    ConstGauge::new(1_i64).encode(metric.encode_family(&labels)?)?;
                }
            }
            Ok(())
        })?;
        self.family(encoder, &READY_REASON, |metric, [namespace, name], entry| match entry.ready_reason {
            Some(reason) => {
                let class = class(reason.class());
                let labels = [namespace, name, ("reason", reason.as_str()), ("class", class)];
                ConstGauge::new(1_i64).encode(metric.encode_family(&labels)?)
            }
            None => Ok(()),
        })?;
        self.gauge(encoder, &MODEL_OUTDATED, |entry| entry.is_outdated.map(i64::from))?;
        self.gauge(encoder, &MODEL_UNITS, |entry| entry.model_units.map(i64::from))?;
        self.gauge(encoder, &COMMITMENT_END, |entry| entry.commitment_end)?;
        self.gauge(encoder, &COMMITMENT_MONTHS, |entry| entry.commitment_months.map(i64::from))?;
        self.counter(encoder, &UPDATES, |entry| entry.updates)?;
        self.counter(encoder, &DRIFT_FOUND, |entry| entry.drift_found)?;
        self.counter(encoder, &DRIFT_REPAIRED, |entry| entry.drift_repaired)?;
        let help = format!("{}.", QUEUE_DEPTH.help);
        let depth = encoder.encode_descriptor(QUEUE_DEPTH.name, &help, None, Kind::Gauge.metric_type())?;
        ConstGauge::new(self.depth(Instant::now())).encode(depth)
    }
}

impl Entry {
    /// Takes over what a status says.
    pub(super) fn show(&mut self, status: &ProvisionedThroughputStatus) {
        self.conditions = ConditionType::ALL.map(|type_| {
            let condition = find(&status.conditions, type_)?;
            ConditionStatus::ALL.into_iter().find(|one| one.as_str() == condition.status)
        });
        self.ready_reason = find(&status.conditions, ConditionType::Ready)
            .and_then(|ready| Reason::ALL.iter().copied().find(|reason| reason.as_str() == ready.reason));
        self.model_units = status.model_units;
        self.commitment_end = status.commitment_expiration_time.as_ref().map(|end| end.0.as_second());
        self.commitment_months = status.commitment_duration.as_deref().and_then(months);
    }

    /// Takes over what was seen of the model.
    pub(super) fn show_model(&mut self, observed: &Observed) {
        self.is_outdated = observed.found().and_then(|throughput| match &observed.model {
            WantedModel::NotManaged => None,
            WantedModel::Missing => Some(true),
            WantedModel::Arn(arn) => Some(*arn != throughput.model_arn),
            WantedModel::Custom { model, .. } => Some(model.arn != throughput.model_arn),
        });
    }
}

/// The months of a commitment in AWS's word.
fn months(word: &str) -> Option<u8> {
    let duration = CommitmentDuration::ALL.into_iter().find(|duration| duration.as_str() == word)?;
    Some(match duration {
        CommitmentDuration::OneMonth => 1,
        CommitmentDuration::SixMonths => 6,
    })
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Settled => "Settled",
        Class::Waiting => "Waiting",
        Class::Held => "Held",
        Class::Retrying => "Retrying",
        Class::Stalled => "Stalled",
    }
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn hash(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(uid: &str) -> Subject {
        Subject { namespace: "ml".to_owned(), name: "a".to_owned(), uid: uid.to_owned() }
    }

    fn updates(objects: &Objects) -> Option<u32> {
        objects.objects().get("ml/a").map(|entry| entry.updates)
    }

    #[test]
    fn nothing_is_shown_of_an_object_that_is_gone_or_was_made_anew() {
        let objects = Objects::default();
        objects.change(&subject("1"), |entry| entry.updates += 1);
        assert_eq!(updates(&objects), None);
        objects.enter(&subject("1"));
        objects.change(&subject("1"), |entry| entry.updates += 1);
        objects.enter(&subject("1"));
        assert_eq!(updates(&objects), Some(1));
        // Made anew between two lists: the new one is entered before the old one is forgotten.
        objects.enter(&subject("2"));
        objects.forget(&subject("1"));
        objects.change(&subject("1"), |entry| entry.updates += 1);
        assert_eq!(updates(&objects), Some(0));
        objects.forget(&subject("2"));
        assert_eq!(updates(&objects), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_waits_from_the_earliest_time_at_which_it_is_due() {
        let (objects, start) = (Objects::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        objects.enter(&subject("1"));
        objects.due("ml", "a", after(10));
        objects.due("ml", "a", after(3));
        objects.due("ml", "a", after(5));
        assert_eq!((objects.depth(after(2)), objects.depth(after(3))), (0, 1));
        assert_eq!(objects.begin(&subject("1"), after(7)), Some(Duration::from_secs(4)));
        assert_eq!((objects.depth(after(20)), objects.begin(&subject("1"), after(20))), (0, None));
        // A pass may come before its time.
        objects.due("ml", "a", after(30));
        assert_eq!(objects.begin(&subject("1"), after(25)), Some(Duration::ZERO));
    }

    #[test]
    fn months_are_those_of_the_words_of_aws() {
        assert_eq!((months("OneMonth"), months("SixMonths"), months("TenYears")), (Some(1), Some(6), None));
    }
}
