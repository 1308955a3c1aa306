//! Which object manages which throughput: of several, the oldest.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    desired::Desired,
    identifiers::{ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
    observed::{self, Observed, Sighting},
    owner::Owner,
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
    /// By an object that looks for one of that name, and is not bound to an ARN yet.
    Name(Region, ProvisionedModelName),
    /// By an object that has bought or would buy one of that name.
    Purchase(Region, ProvisionedModelName),
}

/// All claims of the objects that the operator watches.
#[derive(Debug, Default)]
pub struct Claims(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    claimants: HashMap<Throughput, BTreeSet<Arc<Claimant>>>,
    claims: HashMap<String, (Arc<Claimant>, Vec<Throughput>)>,
    /// The objects there are, by namespace and name, each with its uid.
    present: HashMap<(String, String), String>,
    /// The namespaces that are watched; `None`: all namespaces.
    watched: HashSet<Option<String>>,
    /// The namespaces whose objects are all known; `None`: all namespaces.
    listed: HashSet<Option<String>>,
    /// Who waits for an object to go, because the tags of a throughput name it.
    waiting: HashMap<(String, String), BTreeSet<Claimant>>,
}

impl Claims {
    /// Takes down that an object is there, and what it claims, or that it claims nothing: because its manifest cannot be acted on, or only
    /// observes. Returns the objects that waited for what it no longer claims, and are now the oldest.
    pub fn claim(&self, claimant: &Claimant, desired: Option<&Desired>) -> Vec<Claimant> {
        let key = (claimant.namespace.clone(), claimant.name.clone());
        self.state().present.insert(key, claimant.uid.clone());
        let claimed = desired.filter(|desired| desired.policy.manages()).map_or_else(Vec::new, |desired| {
            let found = match (&desired.identity.bound, &desired.identity.id) {
                (Some(arn), _) | (None, Some(ProvisionedModelId::Arn(arn))) => Some(Throughput::Arn(arn.clone())),
                // The watch may be behind the pass that found the ARN.
                (None, Some(ProvisionedModelId::Name(name))) => self
                    .claimed_arn(&claimant.uid)
                    .or_else(|| Some(Throughput::Name(desired.region.clone(), name.clone()))),
                (None, None) => self.claimed_arn(&claimant.uid),
            };
            found.into_iter().chain(purchase(desired)).collect()
        });
        self.set(claimant, claimed)
    }

    /// The object that has an older claim to what this one found, or is about to buy. What was found is claimed from now on.
    pub fn rival(&self, claimant: &Claimant, desired: &Desired, observed: &Observed) -> Option<Claimant> {
        match &observed.throughput {
            Sighting::Found(throughput) => self.bind(claimant, desired, throughput),
            Sighting::Missing | Sighting::Taken(_) if desired.identity.bound.is_none() => {
                self.rival_by_name(claimant, desired)
            }
            Sighting::Missing | Sighting::Taken(_) | Sighting::Ambiguous(_) => None,
        }
    }

    /// Whether the object of this cluster that the tags of a throughput name leaves it to this one: it manages no throughput any more, or
    /// is younger. Else this one waits for it, and is among those that [`Claims::release`] returns.
    pub fn is_left_to(&self, claimant: &Claimant, desired: &Desired, observed: &Observed) -> bool {
        let is_neighbour =
            |holder: &Owner| desired.owner.as_ref().is_some_and(|own| own.cluster == holder.cluster && !own.is(holder));
        let Some(holder) = observed.owner().filter(is_neighbour) else { return false };
        let yields = |found: &observed::Throughput| self.yields(&holder, claimant, &found.arn);
        let is_left = self.is_gone(&holder) || (desired.policy.owns() && observed.found().is_some_and(yields));
        if !is_left {
            self.wait_for(claimant, &holder);
        }
        is_left
    }

    /// Takes down which namespaces are watched; `None`: all.
    pub fn watch<'a>(&self, namespaces: impl IntoIterator<Item = Option<&'a str>>) {
        self.state().watched = namespaces.into_iter().map(|namespace| namespace.map(str::to_owned)).collect();
    }

    /// Takes down that all objects of a namespace, or of all, are known from now on.
    pub fn listed(&self, namespace: Option<&str>) {
        self.state().listed.insert(namespace.map(str::to_owned));
    }

    /// Whether all objects are known that are watched: before, one that is not known yet may have the older claim.
    pub fn are_complete(&self) -> bool {
        let state = self.state();
        state.watched.is_subset(&state.listed)
    }

    /// Forgets an object. Returns those that waited for it or for what it claimed.
    pub fn release(&self, namespace: &str, name: &str, uid: &str) -> Vec<Claimant> {
        let key = (namespace.to_owned(), name.to_owned());
        let (claimant, waited) = {
            let mut state = self.state();
            if state.present.get(&key).is_some_and(|present| present == uid) {
                state.present.remove(&key);
            }
            let waited = state.waiting.remove(&key).unwrap_or_default();
            (state.claims.get(uid).map(|(claimant, _)| Arc::clone(claimant)), waited)
        };
        claimant.map(|claimant| self.set(&claimant, Vec::new())).into_iter().flatten().chain(waited).collect()
    }

    /// Takes down that an object has found its throughput, and returns the older object that manages it, if there is one.
    fn bind(&self, claimant: &Claimant, desired: &Desired, found: &observed::Throughput) -> Option<Claimant> {
        if !desired.policy.manages() {
            return None;
        }
        let bound = Throughput::Arn(found.arn.clone());
        self.set(claimant, std::iter::once(bound.clone()).chain(purchase(desired)).collect());
        let state = self.state();
        let oldest = |key| state.claimants.get(&key).and_then(BTreeSet::first);
        // An older object of that name that is not bound yet will be.
        let by_name = oldest(Throughput::Name(desired.region.clone(), found.name.clone()));
        let first = oldest(bound).into_iter().chain(by_name).min();
        first.filter(|first| ***first < *claimant).map(|first| Claimant::clone(first))
    }

    /// The older object that has bought, or is about to buy, a throughput of the same name, if there is one.
    fn rival_by_name(&self, claimant: &Claimant, desired: &Desired) -> Option<Claimant> {
        let wanted = purchase(desired)?;
        let state = self.state();
        let first = state.claimants.get(&wanted).and_then(BTreeSet::first);
        first.filter(|first| ***first < *claimant).map(|first| Claimant::clone(first))
    }

    /// Whether an object of this cluster manages no throughput any more: it is not there, or it claims nothing. What is not watched is not
    /// known, and counts as being there.
    fn is_gone(&self, owner: &Owner) -> bool {
        let state = self.state();
        let is_watched = state.listed.contains(&None) || state.listed.contains(&Some(owner.namespace.clone()));
        let uid = state.present.get(&(owner.namespace.clone(), owner.name.clone()));
        is_watched && uid.is_none_or(|uid| !state.claims.contains_key(uid))
    }

    /// Whether the object that the tags of a throughput name has to leave it to an older one that claims it, too.
    fn yields(&self, owner: &Owner, claimant: &Claimant, arn: &ProvisionedModelArn) -> bool {
        let state = self.state();
        let uid = state.present.get(&(owner.namespace.clone(), owner.name.clone()));
        uid.and_then(|uid| state.claims.get(uid))
            .is_some_and(|(holder, claimed)| claimant < &**holder && claimed.contains(&Throughput::Arn(arn.clone())))
    }

    /// Takes down that an object waits for another of this cluster to go.
    fn wait_for(&self, claimant: &Claimant, owner: &Owner) {
        let key = (owner.namespace.clone(), owner.name.clone());
        self.state().waiting.entry(key).or_default().insert(claimant.clone());
    }

    fn claimed_arn(&self, uid: &str) -> Option<Throughput> {
        let state = self.state();
        let (_, claimed) = state.claims.get(uid)?;
        claimed.iter().find(|claimed| matches!(claimed, Throughput::Arn(_))).cloned()
    }

    fn set(&self, claimant: &Claimant, claimed: Vec<Throughput>) -> Vec<Claimant> {
        let mut state = self.state();
        let State { claimants, claims, .. } = &mut *state;
        let (known, had) = match claims.remove(&claimant.uid) {
            Some((known, had)) if *known == *claimant => (known, had),
            Some((_, had)) => (Arc::new(claimant.clone()), had),
            None => (Arc::new(claimant.clone()), Vec::new()),
        };
        let mut next = Vec::new();
        for given_up in had.iter().filter(|had| !claimed.contains(had)) {
            if let Some(others) = claimants.get_mut(given_up) {
                let was_first = others.first().is_some_and(|first| **first == *claimant);
                others.remove(claimant);
                next.extend(others.first().filter(|_| was_first).map(|first| Claimant::clone(first)));
                if others.is_empty() {
                    claimants.remove(given_up);
                }
            }
        }
        for claimed in &claimed {
            claimants.entry(claimed.clone()).or_default().insert(Arc::clone(&known));
        }
        if !claimed.is_empty() {
            claims.insert(claimant.uid.clone(), (known, claimed));
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a thread panicked between two changes of plain maps; the worst is a claim too many or too few,
        // which the next event of the object mends.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a throughput that is left to an older object when the younger one goes.
#[must_use]
pub fn left_to(holder: &Claimant) -> String {
    format!("ProvisionedThroughput {holder} manages the throughput, which stays as it is")
}

/// `namespace/name`.
impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an object claims that buys: the name, also when it has bought, so that no other buys under it.
fn purchase(desired: &Desired) -> Option<Throughput> {
    let purchase = desired.purchase()?;
    Some(Throughput::Purchase(desired.region.clone(), purchase.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::ManagementPolicy;
    use crate::plan::tests::{ARN, SERVED, desired, throughput};

    fn claimant(second: i64, name: &str) -> Claimant {
        let created = Timestamp::from_second(second).unwrap();
        Claimant { created, namespace: "ml".into(), name: name.into(), uid: name.into() }
    }

    fn named(name: &str) -> Desired {
        let mut desired = desired();
        desired.identity.id = Some(ProvisionedModelId::Name(ProvisionedModelName::from_aws(name)));
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
        assert_eq!(claims.release("ml", "middle", "middle"), Vec::new(), "nobody waits for one that waits");
        assert_eq!(claims.release("ml", "old", "old"), std::slice::from_ref(&young));
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
        assert_eq!(claims.claim(&old, Some(&named("x"))), Vec::new());
        assert_eq!(claims.bind(&young, &desired(), &found), Some(old));
    }

    fn buying(name: &str) -> Desired {
        let owner = Owner { cluster: "c".into(), namespace: "ml".into(), name: "x".into(), uid: "x".into() };
        let mut desired = Desired { owner: Some(owner), ..named(name) };
        (desired.policy, desired.units) = (ManagementPolicy::Full, Some(1));
        desired.identity.id = None;
        desired.name = Some(ProvisionedModelName::from_aws(name));
        desired.model = Some(crate::identifiers::ModelIdentifier::parse(SERVED).unwrap());
        desired
    }

    #[test]
    fn a_name_is_bought_under_by_the_oldest_alone_also_when_it_has_bought() {
        let (claims, found) = (Claims::default(), throughput(SERVED));
        let (old, young) = (claimant(1, "old"), claimant(2, "young"));
        assert_eq!(claims.claim(&old, Some(&buying("x"))), Vec::new());
        assert_eq!(claims.claim(&young, Some(&buying("x"))), Vec::new());
        assert_eq!(claims.rival_by_name(&young, &buying("x")), Some(old.clone()));
        assert_eq!(claims.rival_by_name(&old, &buying("x")), None);
        assert_eq!(claims.bind(&old, &buying("x"), &found), None);
        assert_eq!(claims.rival_by_name(&young, &buying("x")), Some(old.clone()));
        assert_eq!(claims.rival_by_name(&young, &buying("y")), None);
        assert_eq!(claims.release("ml", "old", "old"), std::slice::from_ref(&young));
        assert_eq!(claims.rival_by_name(&young, &buying("x")), None);
    }

    #[test]
    fn a_holder_is_gone_when_all_objects_are_known_and_it_is_none_of_them_or_claims_nothing() {
        let claims = Claims::default();
        let holder = Owner { cluster: "c".into(), namespace: "ml".into(), name: "old".into(), uid: "other".into() };
        assert!(!claims.is_gone(&holder), "nothing is known yet");
        claims.listed(Some("search"));
        assert!(!claims.is_gone(&holder), "its namespace is not watched");
        claims.listed(Some("ml"));
        assert!(claims.is_gone(&holder));
        claims.claim(&claimant(1, "old"), None);
        assert!(claims.is_gone(&holder), "it is there, and claims nothing");
        claims.claim(&claimant(1, "old"), Some(&buying("x")));
        assert!(!claims.is_gone(&holder));
        let arn = ProvisionedModelArn::from_aws(ARN);
        claims.bind(&claimant(1, "old"), &buying("x"), &throughput(SERVED));
        assert!(!claims.yields(&holder, &claimant(2, "young"), &arn), "the older has it");
        assert!(claims.yields(&holder, &claimant(0, "oldest"), &arn), "an older one takes it from it");
        claims.wait_for(&claimant(2, "young"), &holder);
        assert_eq!(claims.release("ml", "old", "old"), [claimant(2, "young")]);
        assert!(claims.is_gone(&holder));
    }

    #[test]
    fn all_is_known_when_every_watched_namespace_is_listed() {
        let claims = Claims::default();
        assert!(claims.are_complete());
        claims.watch([Some("ml"), Some("search")]);
        claims.listed(Some("ml"));
        assert!(!claims.are_complete());
        claims.listed(Some("search"));
        assert!(claims.are_complete());
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
