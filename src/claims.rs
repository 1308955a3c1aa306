//! Which object manages which throughput: of several, the oldest.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    crd::ManagementPolicy,
    desired::Desired,
    identifiers::{ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
};

/// An object that wants to manage a throughput. Ordered by age; the names and the uid settle a draw the same way for everybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimant {
    /// When the object was made.
    pub created: Timestamp,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Throughput {
    Arn(ProvisionedModelArn),
    /// By an object that is not bound to an ARN yet.
    Name(Region, ProvisionedModelName),
}

/// All claims of the objects that the operator watches.
#[derive(Debug, Default)]
pub struct Claims(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    claimants: HashMap<Throughput, BTreeSet<Claimant>>,
    claims: HashMap<String, (Claimant, Throughput)>,
}

impl Claims {
    /// Takes down what an object claims, or that it claims nothing: because its manifest cannot be acted on, or only observes. Returns
    /// the objects that waited for what it no longer claims.
    pub fn claim(&self, claimant: &Claimant, desired: Option<&Desired>) -> Vec<Claimant> {
        let claimed = desired.filter(|desired| claims(desired.policy)).map(|desired| {
            match (&desired.identity.bound, &desired.identity.id) {
                (Some(arn), _) | (None, ProvisionedModelId::Arn(arn)) => Throughput::Arn(arn.clone()),
                (None, ProvisionedModelId::Name(name)) => Throughput::Name(desired.region.clone(), name.clone()),
            }
        });
        self.set(claimant, claimed)
    }

    /// Takes down that an object has found its throughput, and returns the older object that manages it, if there is one.
    pub fn bind(
        &self,
        claimant: &Claimant,
        desired: &Desired,
        found: &crate::observed::Throughput,
    ) -> Option<Claimant> {
        if !claims(desired.policy) {
            return None;
        }
        self.set(claimant, Some(Throughput::Arn(found.arn.clone())));
        let state = self.state();
        let oldest = |key| state.claimants.get(&key).and_then(BTreeSet::first);
        // An older object of that name that is not bound yet will be.
        let by_name = oldest(Throughput::Name(desired.region.clone(), found.name.clone()));
        let by_arn = oldest(Throughput::Arn(found.arn.clone()));
        by_arn.into_iter().chain(by_name).min().filter(|first| **first < *claimant).cloned()
    }

    /// Forgets an object. Returns those that waited for what it claimed.
    pub fn release(&self, uid: &str) -> Vec<Claimant> {
        let claimant = self.state().claims.get(uid).map(|(claimant, _)| claimant.clone());
        claimant.map(|claimant| self.set(&claimant, None)).unwrap_or_default()
    }

    fn set(&self, claimant: &Claimant, claimed: Option<Throughput>) -> Vec<Claimant> {
        let mut state = self.state();
        let State { claimants, claims } = &mut *state;
        let mut waited = Vec::new();
        if let Some((_, had)) = claims.get(&claimant.uid).filter(|(_, had)| Some(had) != claimed.as_ref()) {
            if let Some(others) = claimants.get_mut(had) {
                others.remove(claimant);
                waited.extend(others.iter().cloned());
                if others.is_empty() {
                    claimants.remove(had);
                }
            }
            claims.remove(&claimant.uid);
        }
        if let Some(claimed) = claimed {
            claimants.entry(claimed.clone()).or_default().insert(claimant.clone());
            claims.insert(claimant.uid.clone(), (claimant.clone(), claimed));
        }
        waited
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a thread panicked between two changes of plain maps; the worst is a claim too many or too few,
        // which the next event of the object mends.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looking does no harm: any number of objects may.
fn claims(policy: ManagementPolicy) -> bool {
    match policy {
        ManagementPolicy::Observe => false,
        ManagementPolicy::Update => true,
    }
}
