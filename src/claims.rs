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
    /// the object that waited for what it no longer claims, and is now the oldest.
    pub fn claim(&self, claimant: &Claimant, desired: Option<&Desired>) -> Option<Claimant> {
        let claimed = desired.filter(|desired| claims(desired.policy)).map(|desired| {
            match (&desired.identity.bound, &desired.identity.id) {
                (Some(arn), _) | (None, ProvisionedModelId::Arn(arn)) => Throughput::Arn(arn.clone()),
                // The watch may be behind the pass that found the ARN.
                (None, ProvisionedModelId::Name(name)) => self
                    .claimed_arn(&claimant.uid)
                    .unwrap_or_else(|| Throughput::Name(desired.region.clone(), name.clone())),
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

    /// Forgets an object. Returns the one that waited for what it claimed, and is now the oldest.
    pub fn release(&self, uid: &str) -> Option<Claimant> {
        let claimant = self.state().claims.get(uid).map(|(claimant, _)| claimant.clone());
        claimant.and_then(|claimant| self.set(&claimant, None))
    }

    fn claimed_arn(&self, uid: &str) -> Option<Throughput> {
        self.state()
            .claims
            .get(uid)
            .map(|(_, claimed)| claimed)
            .filter(|claimed| matches!(claimed, Throughput::Arn(_)))
            .cloned()
    }

    fn set(&self, claimant: &Claimant, claimed: Option<Throughput>) -> Option<Claimant> {
        let mut state = self.state();
        let State { claimants, claims } = &mut *state;
        let mut next = None;
        if let Some((_, had)) = claims.get(&claimant.uid).filter(|(_, had)| Some(had) != claimed.as_ref()) {
            if let Some(others) = claimants.get_mut(had) {
                let was_first = others.first() == Some(claimant);
                others.remove(claimant);
                next = others.first().filter(|_| was_first).cloned();
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
        next
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{ARN, SERVED, desired, throughput};

    fn claimant(second: i64, name: &str) -> Claimant {
        let created = Timestamp::from_second(second).unwrap();
        Claimant { created, namespace: "ml".into(), name: name.into(), uid: name.into() }
    }

    fn named(name: &str) -> Desired {
        let mut desired = desired();
        desired.identity.id = ProvisionedModelId::Name(ProvisionedModelName::from_aws(name));
        desired
    }

    #[test]
    fn the_oldest_has_it_and_the_next_is_told_when_it_goes() {
        let (claims, found) = (Claims::default(), throughput(SERVED));
        let (old, middle, young) = (claimant(1, "old"), claimant(2, "middle"), claimant(3, "young"));
        assert_eq!(claims.bind(&young, &desired(), &found), None);
        assert_eq!(claims.bind(&old, &desired(), &found), None);
        assert_eq!(claims.bind(&middle, &desired(), &found), Some(old.clone()));
        assert_eq!(claims.bind(&young, &desired(), &found), Some(old));
        assert_eq!(claims.release("middle"), None, "nobody waits for one that waits");
        assert_eq!(claims.release("old"), Some(young.clone()));
        assert_eq!(claims.bind(&young, &desired(), &found), None);
    }

    #[test]
    fn an_older_object_that_is_still_to_be_bound_by_name_comes_first() {
        let (claims, found) = (Claims::default(), throughput(SERVED));
        let (old, young) = (claimant(1, "old"), claimant(2, "young"));
        claims.claim(&old, Some(&named(found.name.as_str())));
        assert_eq!(claims.bind(&young, &desired(), &found), Some(old));
    }

    #[test]
    fn a_watch_that_is_behind_does_not_unbind() {
        let (claims, found) = (Claims::default(), throughput(SERVED));
        let (old, young) = (claimant(1, "old"), claimant(2, "young"));
        assert_eq!(claims.bind(&old, &named("x"), &found), None);
        assert_eq!(claims.claim(&old, Some(&named("x"))), None);
        assert_eq!(claims.bind(&young, &desired(), &found), Some(old));
    }

    #[test]
    fn to_observe_is_no_claim() {
        let (claims, found) = (Claims::default(), throughput(SERVED));
        let observing = Desired { policy: ManagementPolicy::Observe, ..desired() };
        assert_eq!(found.arn.as_str(), ARN);
        claims.claim(&claimant(1, "observer"), Some(&observing));
        assert_eq!(claims.bind(&claimant(2, "young"), &desired(), &found), None);
        assert_eq!(claims.bind(&claimant(3, "another"), &observing, &found), None);
    }
}
