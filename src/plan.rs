//! The decision: what is wanted, what AWS has and what was done before, to what is due now. Pure.
//!
//! The rules are an ordered chain of small functions; the first that has an answer decides. Where AWS leaves its behaviour unsaid, the
//! comment at the rule says which cases it has to be right for.

mod deletion;
mod gate;
mod purchase;
mod tags;
mod update;

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    calls::{Call, Change, commitment_text, units_text},
    conditions::{Reason, next_whole_second},
    crd::{ManagementPolicy, WaitingFor},
    desired::Desired,
    history::{Answer, History, LastCall},
    identifiers::ProvisionedModelArn,
    observed::{Observed, Sighting, Throughput, ThroughputStatus, WantedModel},
    owner::Owner,
    schedule::plus,
};

/// What is said of a throughput that is not deleted with its object.
pub const RETAINED: &str = "deletionPolicy is Retain: the throughput stays as it is, and AWS goes on billing it";

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: AWS has what the manifest says.
    Nothing,
    /// AWS is at work, or a person or a date is waited for: the reason's class says how soon to look again.
    Wait {
        /// What is waited for.
        reason: Reason,
        /// The same for a person.
        message: String,
        /// The call that comes next, if one is due.
        pending: Option<Pending>,
        /// When to look again at the latest, if that is known.
        until: Option<Timestamp>,
    },
    /// A call was sent, and no look can have shown yet what came of it.
    Settle {
        /// What is waited for, for a person.
        message: String,
    },
    /// Nothing can be done until somebody changes the manifest or AWS.
    Refuse {
        /// Why.
        reason: Reason,
        /// The same for a person, with the way out.
        message: String,
        /// The call that was not made, if there is one.
        pending: Option<Pending>,
    },
    /// AWS differs, and the policy is to leave it.
    Leave {
        /// The call that would be due.
        pending: Pending,
    },
    /// Make this call.
    Act(Change),
    /// The object is being deleted, and nothing is to be done at AWS for it any more.
    LetGo {
        /// Why, for a person.
        message: String,
        /// Whether AWS has deleted the throughput.
        is_deleted: bool,
    },
}

/// A call that is due and not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The call.
    pub change: Change,
    /// What it waits for.
    pub waiting_for: WaitingFor,
    /// What stands for exactly this plan, where it waits for approval.
    pub hash: Option<String>,
}

/// What the operator was started to do beyond changing what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permits {
    /// `--allow-create`.
    pub create: bool,
    /// `--allow-delete`.
    pub delete: bool,
}

/// Everything that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the manifest says.
    pub desired: &'a Desired,
    /// What AWS has.
    pub observed: &'a Observed,
    /// What was done before.
    pub history: &'a History,
    /// How long a look may fail to show a call that AWS accepted.
    pub read_lag: Duration,
    /// What the operator was started to do.
    pub permits: Permits,
    /// The time.
    pub now: Timestamp,
}

impl Situation<'_> {
    /// When the last call was sent that AWS took. The open one counts as the status will tell of it.
    fn accepted_at(&self) -> Option<Timestamp> {
        let taken = |last: &&LastCall| last.answer != Answer::Missing || self.observed.shows(&last.call);
        let open = self.history.last_call.as_ref().filter(taken);
        open.map(|last| next_whole_second(last.sent_at).0).or(self.history.accepted_at)
    }
}

/// Decides.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> Plan {
    if let Some(elsewhere) = purchase::elsewhere(situation) {
        return elsewhere;
    }
    if situation.desired.is_going {
        return deletion::going(situation);
    }
    match &situation.observed.throughput {
        Sighting::Found(throughput) => found(situation, throughput),
        Sighting::Taken(throughput) => purchase::taken(situation, throughput),
        Sighting::Missing => purchase::missing(situation),
        Sighting::Ambiguous(arns) => ambiguous(situation.desired, arns),
    }
}

/// What a look means for the object: a throughput that it would buy and that belongs to nobody any more, or is to be taken over, is its
/// own. An object that is being deleted takes nothing over. An annotation is honoured once. `holder_is_gone` says that the object which the tags name is of this cluster, and manages it no longer.
#[must_use]
pub fn with_ownership(desired: &Desired, history: &History, observed: Observed, holder_is_gone: bool) -> Observed {
    let Some(holder) = observed.owner().filter(|_| !desired.is_going) else { return observed };
    let asked =
        desired.take_over.as_deref().filter(|_| desired.policy.owns() && history.taken_over != desired.take_over);
    let is_free = holder_is_gone || asked == Some(holder.to_string().as_str());
    if !is_free {
        return observed;
    }
    let throughput = match observed.throughput {
        Sighting::Taken(throughput) | Sighting::Found(throughput) => Sighting::Found(throughput),
        other @ (Sighting::Missing | Sighting::Ambiguous(_)) => other,
    };
    // Whoever it belonged to does not matter any more; the tags are put right with the next call.
    let tags = observed.tags.map(|mut tags| {
        for key in holder.tags().keys() {
            tags.remove(key);
        }
        tags
    });
    Observed { throughput, tags, ..observed }
}

fn found(situation: &Situation<'_>, throughput: &Throughput) -> Plan {
    let difference = update::difference(situation, throughput);
    let given_up = update::gave_up(throughput, situation.history);
    held_by_another(situation, throughput)
        .or_else(|| busy(throughput, next(situation, throughput, difference.clone()).as_ref()))
        .or_else(|| purchase::failed(situation, throughput))
        .or_else(|| if given_up { None } else { settling(situation) })
        .or_else(|| model_gone(situation.desired, &situation.observed.model))
        .or_else(|| update::failed(situation, throughput, difference.as_ref()))
        .or_else(|| settling(situation))
        .or_else(|| update::not_served_yet(situation.history, throughput, difference.as_ref()))
        .or_else(|| difference.as_ref().and_then(|change| update::illegal(situation, throughput, change)))
        .or_else(|| next(situation, throughput, difference).map(|change| gate::gate(situation, change)))
        .or_else(|| tags::failed(situation, throughput))
        .or_else(|| cannot_change(situation.desired, throughput))
        .unwrap_or(Plan::Nothing)
}

/// Of several changes the next: tags first, because they say whose the throughput is. Where none is made, all are told.
fn next(situation: &Situation<'_>, throughput: &Throughput, update: Option<Change>) -> Option<Change> {
    let tag = tags::difference(situation, throughput).filter(|change| !tags::did_not_stay(situation, change));
    match (tag, update) {
        (Some(tag), Some(update)) if !situation.desired.policy.manages() => {
            Some(Change { message: format!("{}, and {}", tag.message, update.message), ..update })
        }
        (Some(tag), _) => Some(tag),
        (None, update) => update,
    }
}

fn refuse(reason: Reason, message: String, pending: Option<&Change>) -> Plan {
    Plan::Refuse { reason, message, pending: pending.map(|change| waiting(change, WaitingFor::Change)) }
}

fn wait(reason: Reason, message: String, pending: Option<&Change>) -> Plan {
    Plan::Wait { reason, message, pending: pending.map(|change| waiting(change, WaitingFor::Aws)), until: None }
}

fn waiting(change: &Change, waiting_for: WaitingFor) -> Pending {
    Pending { change: change.clone(), waiting_for, hash: None }
}

fn ambiguous(desired: &Desired, arns: &[ProvisionedModelArn]) -> Plan {
    let listed: Vec<_> = arns.iter().map(ToString::to_string).collect();
    let (count, listed) = (arns.len(), listed.join(", "));
    let message = match &desired.identity.id {
        Some(id) => format!(
            "AWS has {count} throughputs of the name {id}: delete this object, which changes nothing at AWS, and apply it again with the ARN of the one that is meant as provisionedModelId ({listed})"
        ),
        None => format!(
            "the tags of {count} throughputs name this object as their owner: add the ARN of the one that is meant as provisionedModelId, and delete or untag the others at AWS ({listed})"
        ),
    };
    refuse(Reason::AmbiguousName, message, None)
}

/// A throughput that its tags give to another object is left to it.
fn held_by_another(situation: &Situation<'_>, throughput: &Throughput) -> Option<Plan> {
    let desired = situation.desired;
    let holder = situation.observed.owner()?;
    let is_own = desired.owner.as_ref().is_some_and(|owner| owner.is(&holder));
    (desired.policy.manages() && !is_own).then(|| already_managed(desired, throughput, &holder))
}

fn already_managed(desired: &Desired, throughput: &Throughput, holder: &Owner) -> Plan {
    let Throughput { name, arn, .. } = throughput;
    let Owner { cluster, namespace, name: object, uid: _ } = holder;
    let way_out = match desired.policy {
        ManagementPolicy::Full => format!(
            "to take it over, set the annotation bedrock-throughput.dev/take-over-from: {holder} on this object; that one then leaves it alone"
        ),
        ManagementPolicy::Observe | ManagementPolicy::Update => {
            "set managementPolicy: Observe here, or Full to take it over".to_owned()
        }
    };
    refuse(
        Reason::AlreadyManaged,
        format!(
            "throughput {name} ({arn}) is managed by ProvisionedThroughput {namespace}/{object} of cluster {cluster}, as its tags say: {way_out}"
        ),
        None,
    )
}

/// AWS takes neither Update nor Delete while it is at work (Bedrock user guide, "Modify a Provisioned Throughput").
fn busy(throughput: &Throughput, due: Option<&Change>) -> Option<Plan> {
    let next = due.map_or_else(String::new, |change| format!("; then: {}", change.message));
    match &throughput.status {
        ThroughputStatus::Creating => {
            Some(wait(Reason::Creating, format!("AWS is still making throughput {}{next}", throughput.name), due))
        }
        ThroughputStatus::Updating => Some(wait(Reason::Updating, update::updating(throughput, &next), due)),
        ThroughputStatus::Other(word) => Some(wait(
            Reason::UnknownStatus,
            format!(
                "AWS says that throughput {} is {word:?}, a status that this version of the operator does not know: it is left alone until \
                 that changes{next}",
                throughput.name
            ),
            due,
        )),
        ThroughputStatus::InService | ThroughputStatus::Failed => None,
    }
}

fn model_gone(desired: &Desired, model: &WantedModel) -> Option<Plan> {
    match model {
        WantedModel::Missing => {
            let wanted = desired.model.as_ref().map_or_else(String::new, ToString::to_string);
            Some(refuse(
                Reason::ModelNotFound,
                format!(
                    "AWS has no model {wanted} in region {} of the account that the operator works in: correct modelId, or make the model",
                    desired.region
                ),
                None,
            ))
        }
        WantedModel::NotManaged | WantedModel::Arn(_) | WantedModel::Custom { .. } => None,
    }
}

/// Neither Update nor Delete has an idempotency token, and a token's lifetime is not documented: a call is repeated, or taken for undone by
/// somebody, only when a look shows that it did not take. A look that was begun before reads have caught up with the call shows nothing
/// either way.
fn settling(situation: &Situation<'_>) -> Option<Plan> {
    let last = situation.history.last_call.as_ref().filter(|last| !situation.observed.shows(&last.call))?;
    unsettled(situation, last).then(|| Plan::Settle {
        message: match &last.call {
            Call::Create(create) => {
                format!("AWS was asked to make throughput {}, and does not show it yet", create.name)
            }
            call @ (Call::Update(_) | Call::Tag(_) | Call::Delete) => {
                format!("AWS was asked for {call}, and does not show it yet")
            }
        },
    })
}

/// That AWS shows nothing says nothing while reads lag behind the last call that it took: what was bought or changed a moment ago is there.
fn lagging(situation: &Situation<'_>) -> Option<Plan> {
    let Situation { observed, history, read_lag, .. } = situation;
    let open = history.last_call.as_ref().filter(|last| last.answer != Answer::Missing).map(|last| last.over_at);
    let answered_at = open.max(history.answered_at)?;
    (observed.looked_at < plus(answered_at, *read_lag))
        .then(|| Plan::Settle { message: "AWS took a call a moment ago, and does not show the throughput".to_owned() })
}

/// Whether the look was begun before reads have caught up with a call.
fn unsettled(situation: &Situation<'_>, last: &LastCall) -> bool {
    situation.observed.looked_at < plus(last.over_at, situation.read_lag)
}

/// What counts only when a throughput is bought, and is another now. It holds nothing else back.
fn cannot_change(desired: &Desired, throughput: &Throughput) -> Option<Plan> {
    let Throughput { name, model_units, desired_model_units, commitment_duration, .. } = throughput;
    let units = desired
        .units
        .filter(|wanted| wanted != model_units && wanted != desired_model_units)
        .map(|wanted| format!("modelUnits is {wanted}, and throughput {name} has {}", units_text(*model_units)));
    let commitment =
        desired.commitment.filter(|wanted| commitment_duration.as_deref() != Some(wanted.as_str())).map(|wanted| {
            let has = commitment_duration
                .as_deref()
                .map_or_else(|| commitment_text(None), |term| format!("a commitment of {term}"));
            format!("commitmentDuration is {}, and throughput {name} has {has}", wanted.as_str())
        });
    let differences: Vec<String> = units.into_iter().chain(commitment).collect();
    if differences.is_empty() {
        return None;
    }
    Some(refuse(
        Reason::CannotChange,
        format!(
            "{}. AWS can change the name, the model and the tags of a throughput, and neither its model units nor its commitment: set the \
             manifest to what was bought, or buy another throughput with another object",
            differences.join("; ")
        ),
        None,
    ))
}

#[cfg(test)]
pub(crate) mod tests;
