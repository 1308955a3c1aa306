//! `plan`: what the operator would do next, decided by its own stations, and not done: all that reaches AWS from here is [`Looks`].

pub mod admission;
pub mod aws_cli;
pub mod command;
pub mod manifests;
pub mod render;

use std::{cmp::Reverse, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};

use crate::{
    bedrock::{Fault, Looks},
    calls::{Call, Change},
    claims::{Claimant, Claims, left_to},
    conditions::{ConditionType, Reason, find},
    controller::register,
    crd::{ProvisionedThroughputStatus, WaitingFor},
    desired::{Defaults, Desired, InvalidSpec},
    history::History,
    identifiers::Region,
    observe::{Demand, Sources},
    observed::Observed,
    outcome::{Export, Verdict, outcome},
    plan::{Pending, Permits, Plan, RETAINED, Situation, plan, with_ownership},
    reconcile::claimant,
    report::{Subject, Watched, is_leaving},
};

use manifests::Origin;

/// Stands for the uid of an object that is not in the cluster, or was not looked up there.
pub const UNKNOWN_UID: &str = "uid-not-known-yet";

/// How many objects are looked at at a time.
const WIDTH: usize = 16;

/// An object whose next step is asked for.
#[derive(Debug)]
pub struct Candidate {
    /// The object, as it is in the cluster or as it will be when its manifest has been applied.
    pub object: Watched,
    /// Where its manifest stands; `None`: it is the cluster's.
    pub origin: Option<Origin>,
}

/// What the operator that is asked about was started with, and what is known of its cluster.
#[derive(Debug)]
pub struct Settings {
    /// What it falls back on where a manifest says nothing.
    pub defaults: Defaults,
    /// How long reads at AWS may lag behind writes.
    pub read_lag: Duration,
    /// What it may do beyond changing what is there.
    pub permits: Permits,
    /// Whose objects are all known, so that the owner of a throughput can be told to be gone.
    pub known: Known,
}

/// Whose objects are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nobody's: the cluster was not asked.
    Nothing,
    /// Those of a namespace.
    Namespace(String),
    /// Those of the cluster.
    Cluster,
}

/// What comes next for an object.
#[derive(Debug, Clone)]
pub struct Step {
    /// The namespace of the object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where its manifest stands; `None`: it is the cluster's.
    pub origin: Option<Origin>,
    /// What it comes to.
    pub effect: Effect,
    /// The reason that the conditions of the object would have.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
    /// The calls that are due, be they made or not, in their order: the next one, and what follows it by itself when AWS has taken that.
    pub due: Vec<Due>,
}

/// What the next step of an object comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing is done at AWS.
    Nothing,
    /// The operator makes a call.
    Change,
    /// Something differs, and is left for now: until a person, a flag, a date, AWS or another policy allows it.
    Waits,
    /// The operator does nothing until somebody changes the manifest or AWS.
    Refused,
    /// AWS could not be looked at.
    Failed,
}

/// A call that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Where.
    pub region: Region,
    /// The call.
    pub change: Change,
    /// What it waits for; `None`: nothing.
    pub waiting_for: Option<WaitingFor>,
    /// The hash that a person approves it with, where it waits for that and is known by now.
    pub hash: Option<String>,
}

/// Tells the next step of each of `candidates`, in their order. `others` are objects of the cluster that may manage the same throughputs.
///
/// The catalogue of models is looked at in the background: a runtime of tokio has to be there.
pub async fn preview(
    looks: Arc<dyn Looks>,
    candidates: &[Candidate],
    others: &[Watched],
    settings: &Settings,
) -> Vec<Step> {
    let claims = Claims::default();
    for other in others {
        let other = Object::new(other, settings);
        register(&claims, other.watched, &other.subject, &settings.defaults);
    }
    let objects: Vec<Object<'_>> = candidates.iter().map(|it| Object::new(&it.object, settings)).collect();
    for object in &objects {
        register(&claims, object.watched, &object.subject, &settings.defaults);
    }
    match &settings.known {
        Known::Nothing => {}
        Known::Namespace(namespace) => claims.listed(Some(namespace)),
        Known::Cluster => claims.listed(None),
    }
    let sources = Sources::new(looks);
    let demand = Demand { not_before: Timestamp::now(), closely: true };
    let looks: Vec<_> = objects.iter().map(|object| object.look(&sources, demand, &claims, settings)).collect();
    let seen: Vec<Seen> = stream::iter(looks).buffered(WIDTH).collect().await;
    // The older is bound first, as it is in the operator by the time that the younger comes along.
    let mut by_age: Vec<_> = objects.iter().zip(&seen).collect();
    by_age.sort_by_key(|(object, _)| Reverse(&object.claimant));
    while let Some((object, seen)) = by_age.pop() {
        rival(&claims, object, seen);
    }
    let steps = candidates.iter().zip(&objects).zip(&seen);
    steps
        .map(|((candidate, object), seen)| object.step(candidate, seen, rival(&claims, object, seen), settings))
        .collect()
}

/// An object, taken apart.
struct Object<'a> {
    watched: &'a Watched,
    subject: Subject,
    claimant: Claimant,
    status: ProvisionedThroughputStatus,
    desired: Result<Desired, InvalidSpec>,
    /// Whether it is in the cluster: its uid and its status are known.
    is_live: bool,
}

/// What is known of AWS for an object.
#[allow(clippy::large_enum_variant, reason = "nearly all are `Observed`")]
enum Seen {
    /// It was not looked at.
    NotLooked,
    Observed {
        desired: Desired,
        observed: Observed,
    },
    Failed(Fault),
}

impl<'a> Object<'a> {
    fn new(watched: &'a Watched, settings: &Settings) -> Self {
        let mut subject = Subject::of(watched);
        let is_live = watched.uid().is_some();
        if !is_live {
            // Objects whose uid is not known are told apart by their names.
            subject.uid = format!("{}/{}", subject.namespace, subject.name);
        }
        let status = watched.0.as_ref().ok().and_then(|object| object.status.clone()).unwrap_or_default();
        let desired = match &watched.0 {
            Ok(object) => Desired::parse(object, &status, &settings.defaults).map(|mut desired| {
                if !is_live {
                    set_uid(&mut desired, UNKNOWN_UID);
                }
                desired
            }),
            Err(invalid) => Err(InvalidSpec::Unreadable(invalid.error.clone())),
        };
        Self { claimant: claimant(watched, &subject), watched, subject, status, desired, is_live }
    }

    /// Why an object that is being deleted is let go as it is, if it is.
    fn let_go(&self) -> Option<&'static str> {
        let deletes = self
            .watched
            .0
            .as_ref()
            .is_ok_and(|object| object.spec.management_policy.deletes(object.spec.deletion_policy));
        if self.watched.meta().deletion_timestamp.is_none() {
            None
        } else if is_leaving(self.watched) {
            Some("the object is being deleted, and nothing is done at AWS for it")
        } else if !deletes {
            Some(RETAINED)
        } else {
            None
        }
    }

    fn history(&self) -> History {
        History::of(&self.status, self.watched.meta().generation)
    }

    async fn look(&self, sources: &Sources, demand: Demand, claims: &Claims, settings: &Settings) -> Seen {
        let Ok(desired) = &self.desired else { return Seen::NotLooked };
        if desired.suspend || self.let_go().is_some() {
            return Seen::NotLooked;
        }
        let history = self.history();
        let observed = match sources.observe(desired, &history, demand, settings.read_lag).await {
            Ok(observed) => observed,
            Err(fault) => return Seen::Failed(fault),
        };
        let mut desired = desired.clone();
        // What is tagged with the object's name has its uid, as far as anybody knows who has not asked the cluster.
        let own = desired.owner.as_ref();
        let tagged = observed.owner().filter(|holder| own.is_some_and(|own| own.is(holder)));
        if let Some(tagged) = tagged.filter(|tagged| !self.is_live && !tagged.uid.is_empty()) {
            set_uid(&mut desired, &tagged.uid);
        }
        let is_left = claims.is_left_to(&self.claimant, &desired, &observed);
        let observed = with_ownership(&desired, &history, observed, is_left);
        Seen::Observed { desired, observed }
    }

    fn step(&self, candidate: &Candidate, seen: &Seen, rival: Option<Claimant>, settings: &Settings) -> Step {
        let now = Timestamp::now();
        let told = |verdict: Verdict<'_>, desired: Option<&Desired>| {
            let told = outcome(&self.status, self.watched.meta().generation, desired, verdict, now);
            let ready = find(&told.status.conditions, ConditionType::Ready).map(|ready| ready.message.clone());
            (told.headline, ready.unwrap_or_default())
        };
        let step = |effect, (reason, message): (Reason, String), due| Step {
            namespace: self.subject.namespace.clone(),
            name: self.subject.name.clone(),
            origin: candidate.origin.clone(),
            effect,
            reason,
            message,
            due,
        };
        if let Some(why) = self.let_go() {
            return step(Effect::Nothing, (Reason::Deleting, why.to_owned()), Vec::new());
        }
        let (desired, observed) = match (&self.desired, seen) {
            (Err(InvalidSpec::NoCluster), _) => {
                let message = "managementPolicy: Full needs to know which cluster this is: give --cluster-name as the operator has it, or the uid of \
                               the namespace kube-system, or --live"
                    .to_owned();
                return step(Effect::Refused, (Reason::InvalidSpec, message), Vec::new());
            }
            (Err(invalid), _) => return step(Effect::Refused, told(Verdict::Invalid(invalid), None), Vec::new()),
            (Ok(desired), Seen::NotLooked) => {
                return step(Effect::Nothing, told(Verdict::Suspended, Some(desired)), Vec::new());
            }
            (Ok(desired), Seen::Failed(fault)) => {
                return step(Effect::Failed, told(Verdict::Blind(fault), Some(desired)), Vec::new());
            }
            (Ok(_), Seen::Observed { desired, observed }) => (desired, observed),
        };
        if let Some(holder) = rival {
            if desired.is_going {
                return step(Effect::Nothing, (Reason::Deleting, left_to(&holder)), Vec::new());
            }
            let rival = Verdict::Rival { holder: &holder.to_string() };
            return step(Effect::Refused, told(rival, Some(desired)), Vec::new());
        }
        let history = self.history();
        let Settings { read_lag, permits, .. } = *settings;
        let decide =
            |observed: &Observed| plan(&Situation { desired, observed, history: &history, read_lag, permits, now });
        let plan = decide(observed);
        let export = Export::default();
        let verdict = Verdict::Seen { observed, plan: &plan, history: &history, export: &export };
        let (reason, message) = told(verdict, Some(desired));
        let (effect, next) = self.effect(desired, plan);
        // Tags come before what changes in place: who reads the plan has to know of both.
        let follows = next.as_ref().and_then(|next| with_tags(observed, &next.change.call)).map(|then| decide(&then));
        let follows = follows.and_then(|plan| self.effect(desired, plan).1);
        let message = match &next {
            // The words of the operator name the hash, which is not known yet.
            Some(Due { waiting_for: Some(WaitingFor::Approval), change, .. }) if !self.is_live => format!(
                "due is to {}. {}. It waits for approval: status.plan.hash has what to approve once the manifest has been applied",
                change.message, change.consequence
            ),
            Some(Due { waiting_for: None, change, .. }) => format!("{}. {}", change.message, change.consequence),
            Some(_) | None => message,
        };
        let message = match &follows {
            Some(Due { change, .. }) => format!("{message}. Then: {}. {}", change.message, change.consequence),
            None => message,
        };
        // What a person approves next has a hash of its own, which depends on when the first call was made.
        let follows = follows.map(|due| Due { hash: None, ..due });
        let due = next.into_iter().chain(follows).collect();
        step(effect, (reason, message), due)
    }

    fn effect(&self, desired: &Desired, plan: Plan) -> (Effect, Option<Due>) {
        let region = &desired.region;
        let due = |Pending { change, waiting_for, hash }: Pending| {
            // What AWS will be done with is still for a person to let through.
            let waiting_for = match waiting_for {
                WaitingFor::Aws if !desired.policy.manages() => WaitingFor::ManagementPolicy,
                other => other,
            };
            let hash = hash.filter(|_| self.is_live);
            Due { region: region.clone(), change, waiting_for: Some(waiting_for), hash }
        };
        match plan {
            Plan::Nothing | Plan::LetGo { .. } => (Effect::Nothing, None),
            Plan::Act(change) => {
                (Effect::Change, Some(Due { region: region.clone(), change, waiting_for: None, hash: None }))
            }
            Plan::Leave { pending } => (Effect::Waits, Some(due(pending))),
            // What comes of a call that is out is not known yet.
            Plan::Settle { .. } => (Effect::Waits, None),
            Plan::Wait { reason, pending: None, .. } => {
                // A purchase waits for its model; other work of AWS has nothing to follow.
                let effect = if reason == Reason::ModelNotReady { Effect::Waits } else { Effect::Nothing };
                (effect, None)
            }
            Plan::Wait { pending: Some(pending), .. } => (Effect::Waits, Some(due(pending))),
            Plan::Refuse { pending, .. } => {
                let due = pending.map(due);
                let waits_for_a_flag =
                    due.as_ref().is_some_and(|due| due.waiting_for == Some(WaitingFor::OperatorFlag));
                (if waits_for_a_flag { Effect::Waits } else { Effect::Refused }, due)
            }
        }
    }
}

/// The object with an older claim to what this one found, or is about to buy.
fn rival(claims: &Claims, object: &Object<'_>, seen: &Seen) -> Option<Claimant> {
    let Seen::Observed { desired, observed } = seen else { return None };
    claims.rival(&object.claimant, desired, observed)
}

/// What is observed when AWS has taken a call that changes tags.
fn with_tags(observed: &Observed, call: &Call) -> Option<Observed> {
    let Call::Tag(tag) = call else { return None };
    let mut tags = observed.tags.clone().unwrap_or_default();
    tags.retain(|key, _| !tag.remove.contains(key));
    tags.extend(tag.set.clone());
    Some(Observed { tags: Some(tags), ..observed.clone() })
}

fn set_uid(desired: &mut Desired, uid: &str) {
    uid.clone_into(&mut desired.uid);
    if let Some(owner) = &mut desired.owner {
        uid.clone_into(&mut owner.uid);
    }
}
