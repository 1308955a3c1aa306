//! The throughputs of an account in a region, found by ARN, by name, and by when something is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
    ops::Bound,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::ProvisionedModel;
use crate::switches::Switches;

/// Throughputs by ARN. What they are found by is kept up by every change, so that no call looks at all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Store {
    by_arn: BTreeMap<String, ProvisionedModel>,
    /// Every name that a throughput has or may get, with its ARN.
    names: BTreeSet<(String, String)>,
    /// When something happens to a throughput by itself, with its ARN.
    due: BTreeSet<(Timestamp, String)>,
}

impl Store {
    /// All, in the order of their ARNs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ProvisionedModel> {
        self.by_arn.values()
    }

    pub(super) fn get(&self, arn: &str) -> Option<&ProvisionedModel> {
        self.by_arn.get(arn)
    }

    /// The throughput of a name. Where several have it, one that did not fail to be made, and of those the first by ARN.
    pub(super) fn named(&self, name: &str) -> Option<&ProvisionedModel> {
        self.claiming(name)
            .filter(|throughput| throughput.name == name)
            .min_by_key(|throughput| throughput.creation_failed)
    }

    /// Those that have a name, or may get it when an update ends.
    pub(super) fn claiming(&self, name: &str) -> impl Iterator<Item = &ProvisionedModel> {
        let from = Bound::Included((name.to_owned(), String::new()));
        self.names
            .range((from, Bound::Unbounded))
            .take_while(move |(claimed, _)| claimed == name)
            .filter_map(|(_, arn)| self.by_arn.get(arn))
    }

    /// Puts a throughput there, or replaces it.
    pub(super) fn insert(&mut self, throughput: ProvisionedModel) {
        self.remove(&throughput.arn);
        self.index(&throughput);
        self.by_arn.insert(throughput.arn.clone(), throughput);
    }

    pub(super) fn remove(&mut self, arn: &str) -> Option<ProvisionedModel> {
        let gone = self.by_arn.remove(arn)?;
        for name in gone.names() {
            self.names.remove(&(name.to_owned(), arn.to_owned()));
        }
        if let Some(due) = gone.due() {
            self.due.remove(&(due, arn.to_owned()));
        }
        Some(gone)
    }

    /// Changes a throughput. Nothing, where it is not there.
    pub(super) fn change<T>(&mut self, arn: &str, change: impl FnOnce(&mut ProvisionedModel) -> T) -> Option<T> {
        let mut throughput = self.remove(arn)?;
        let result = change(&mut throughput);
        self.insert(throughput);
        Some(result)
    }

    /// Lets everything happen that is due at `now`.
    pub(super) fn settle(&mut self, now: Timestamp, switches: &Switches) {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        let due: Vec<String> = due.map(|(_, arn)| arn.clone()).collect();
        for arn in due {
            self.change(&arn, |throughput| throughput.settle(now, switches));
        }
    }

    fn index(&mut self, throughput: &ProvisionedModel) {
        for name in throughput.names() {
            self.names.insert((name.to_owned(), throughput.arn.clone()));
        }
        if let Some(due) = throughput.due() {
            self.due.insert((due, throughput.arn.clone()));
        }
    }
}

/// What they are found by follows from them.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.by_arn.hash(state);
    }
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_arn.serialize(serializer)
    }
}
