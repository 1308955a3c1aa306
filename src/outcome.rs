//! What a pass over an object came to, told: status, events and when to look again. Pure.

mod calls;
mod faults;
mod throughput;

use std::time::Duration;

use jiff::Timestamp;

pub use self::calls::{before_the_next, with_accepted};
use self::{
    calls::{forget_tags, last_update, pending, put_on, record, send},
    faults::{hint, reason_of, tried_before},
    throughput::show,
};
use crate::{
    bedrock::Fault,
    budget::Place,
    calls::{Call, Change},
    conditions::{Class, ConditionStatus, ConditionType, Reason, Wanted, find, is_true, merge, next_whole_second},
    crd::{ChangeCause, ExportedTo, ManagementPolicy, PlanStatus, ProvisionedThroughputStatus, WaitingFor},
    desired::{Desired, InvalidSpec},
    history::{History, LastCall},
    identifiers::ProvisionedModelArn,
    observed::{ModelHealth, Observed, Throughput, ThroughputStatus},
    owner::Owner,
    plan::{Pending, Plan},
    schedule::plus,
    warnings,
};

/// How long after the time that was told for its turn an object that still waits is told another.
const LATE: Duration = Duration::from_secs(30);

/// What became of the ConfigMap for applications.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// What is written now.
    pub to: Option<ExportedTo>,
    /// Why it is not as the manifest asks for.
    pub problem: Option<(Reason, String)>,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'a> {
    /// The manifest cannot be acted on.
    Invalid(&'a InvalidSpec),
    /// Another object, which is older, manages the same throughput.
    Rival {
        /// `namespace/name` of that object.
        holder: &'a str,
    },
    /// `suspend: true`.
    Suspended,
    /// The finalizer could not be set or taken off; Kubernetes' words.
    FinalizerFailed(&'a str),
    /// AWS could not be looked at.
    Blind(&'a Fault),
    /// AWS was looked at, and no call was due, or not yet.
    Seen {
        /// What AWS has.
        observed: &'a Observed,
        /// What is due.
        plan: &'a Plan,
        /// What was done before.
        history: &'a History,
        /// What became of the export.
        export: &'a Export,
    },
    /// Calls to AWS are paced, and others come first.
    Queued {
        /// What AWS has, and the call, unless it is a look that is waited for.
        due: Option<(&'a Observed, &'a Change)>,
        /// How many come before.
        place: Place,
        /// About when its turn comes.
        turn_at: Timestamp,
    },
    /// A call is about to be sent. Written before it is, so that a restart knows of it.
    Sending {
        /// What AWS has.
        observed: &'a Observed,
        /// The call.
        change: &'a Change,
        /// When it is sent.
        sent_at: Timestamp,
    },
    /// AWS accepted a purchase. Written at once: what costs money from now on must not be forgotten.
    Bought {
        /// What AWS had before.
        observed: &'a Observed,
        /// The call.
        call: &'a LastCall,
        /// What was bought, where AWS says it.
        arn: Option<&'a ProvisionedModelArn>,
    },
    /// A call was answered by a fault.
    CallFailed {
        /// What AWS has.
        observed: &'a Observed,
        /// The call.
        change: &'a Change,
        /// The fault.
        fault: &'a Fault,
        /// When the call was sent.
        sent_at: Timestamp,
    },
}

impl<'a> Verdict<'a> {
    /// What was seen at AWS, if it was looked at.
    #[must_use]
    pub fn observed(self) -> Option<&'a Observed> {
        match self {
            Self::Seen { observed, .. }
            | Self::Sending { observed, .. }
            | Self::Bought { observed, .. }
            | Self::CallFailed { observed, .. } => Some(observed),
            Self::Queued { due, .. } => due.map(|(observed, _)| observed),
            Self::Invalid(_) | Self::Rival { .. } | Self::Suspended | Self::FinalizerFailed(_) | Self::Blind(_) => None,
        }
    }

    /// The fault that it is about, if it is about one.
    #[must_use]
    pub fn fault(self) -> Option<&'a Fault> {
        match self {
            Self::Blind(fault) | Self::CallFailed { fault, .. } => Some(fault),
            Self::Invalid(_)
            | Self::Rival { .. }
            | Self::Suspended
            | Self::FinalizerFailed(_)
            | Self::Seen { .. }
            | Self::Queued { .. }
            | Self::Sending { .. }
            | Self::Bought { .. } => None,
        }
    }
}

/// When to come back to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// After the object's interval.
    Interval,
    /// Soon, and then less and less soon, until AWS is done.
    Following,
    /// After a pause that grows with each fault in a row.
    Backoff,
    /// When the object changes.
    OnChange,
}

/// Whether an event tells of something that a person should look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// To be looked into.
    Warning,
}

/// A Kubernetes event to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its severity.
    pub severity: Severity,
    /// A [`Reason`]; for the end of a change `Created`, `Updated`, `DriftRepaired`, `Deleted` or `Released`; for a commitment
    /// `CommitmentEnding` or `CommitmentEnded`; for an approval that fits nothing `ApprovalStale`.
    pub reason: &'static str,
    /// What it tells a person.
    pub note: String,
    /// Why the change was made that it tells the end of, if it does.
    pub ends: Option<ChangeCause>,
}

/// What is told, and when to come back.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The whole status as it should be.
    pub status: ProvisionedThroughputStatus,
    /// The events that go with the change of status.
    pub notices: Vec<Notice>,
    /// When to come back.
    pub wake: Wake,
    /// When to come back at the latest, where that is known.
    pub until: Option<Timestamp>,
    /// The reason that stands for the whole, for logs and metrics.
    pub headline: Reason,
}

/// Tells what a pass came to. `prior` is the status as it was.
#[must_use]
pub fn outcome(
    prior: &ProvisionedThroughputStatus,
    generation: Option<i64>,
    desired: Option<&Desired>,
    verdict: Verdict<'_>,
    now: Timestamp,
) -> Outcome {
    let mut status = prior.clone();
    status.observed_generation = generation;
    // A request to look is not answered by not having been able to, nor by a look that shows nothing yet.
    let looked = !matches!(
        verdict,
        Verdict::Blind(_) | Verdict::Queued { .. } | Verdict::Seen { plan: Plan::Settle { .. }, .. }
    );
    if let Some(requested) = desired.filter(|_| looked).and_then(|desired| desired.requested.clone()) {
        status.last_handled_reconcile_at = Some(requested);
    }
    if let Some(desired) = desired {
        // What is taken away can be set again, and is new then.
        status.last_handled_approval = status.last_handled_approval.filter(|_| desired.approved.is_some());
        status.last_handled_take_over = status.last_handled_take_over.filter(|_| desired.take_over.is_some());
    }
    // While a call settles, a look that does not show it is older than the truth: the status keeps what was told when it was sent.
    if let Verdict::Seen { plan: Plan::Settle { .. }, .. } = verdict
        && is_true(&prior.conditions, ConditionType::Reconciling)
        && (&status.observed_generation, &status.last_handled_reconcile_at)
            == (&prior.observed_generation, &prior.last_handled_reconcile_at)
    {
        return Outcome { status, notices: Vec::new(), wake: Wake::Following, until: None, headline: Reason::Updating };
    }
    // The same call, tried again after a fault: what was told of the fault stays until there is something else to tell.
    if let Verdict::Sending { observed, change, sent_at } = verdict
        && tried_before(prior, generation, change)
    {
        show(&mut status, observed);
        send(&mut status, desired, change, sent_at);
        return Outcome { status, notices: Vec::new(), wake: Wake::Following, until: None, headline: Reason::Updating };
    }
    let Told { state, mut message, wake, mut until, ended } = tell(&mut status, desired, verdict, now);
    // AWS's words may differ from one try to the next, by a time or the name of a session: they are not told anew each time.
    if let Some(ready) = find(&prior.conditions, ConditionType::Ready)
        && verdict.fault().is_some_and(|fault| ready.message.contains(fault.operation.as_str()))
        && ready.reason == state.headline().as_str()
        && ready.observed_generation == generation
    {
        message.clone_from(&ready.message);
    }
    let headline = state.headline();
    let mut wanted = state.conditions(&message);
    let risk = verdict.observed().and_then(|observed| warnings::model_at_risk(observed, now)).map(|risk| {
        // AWS's words of a refusal differ from one session to the next.
        let told = find(&prior.conditions, risk.type_)
            .filter(|told| risk.reason == Reason::AccessDenied && told.reason == risk.reason.as_str());
        told.map_or(risk.clone(), |told| Wanted { message: told.message.clone(), ..risk.clone() })
    });
    wanted.extend(risk.clone());
    status.conditions = merge(&prior.conditions, wanted, generation, now);
    let nothing_new = verdict.observed().is_none_or(|observed| {
        let served = observed.found().map(|throughput| throughput.model_arn.as_str());
        observed.health == ModelHealth::NotLooked && served == prior.model_arn.as_deref()
    });
    if nothing_new {
        // Nothing was seen that would say otherwise.
        status.conditions.extend(find(&prior.conditions, ConditionType::ModelAtRisk).cloned());
    }
    let news = match verdict {
        Verdict::Sending { .. } => Some(news(headline, &message)),
        // A large change would be a flood of events that tell of the same.
        Verdict::Queued { .. } => None,
        Verdict::Invalid(_)
        | Verdict::Rival { .. }
        | Verdict::Suspended
        | Verdict::FinalizerFailed(_)
        | Verdict::Blind(_)
        | Verdict::Seen { .. }
        | Verdict::Bought { .. }
        | Verdict::CallFailed { .. } => notice(prior, headline, &message).filter(|_| ended.is_none()),
    };
    let mut notices: Vec<Notice> = ended.into_iter().chain(news).collect();
    notices.extend(risk.and_then(|risk| warnings::news_of_risk(prior, &risk)));
    if let Some(throughput) = verdict.observed().and_then(Observed::found) {
        let (notice, next) = warnings::commitment(&mut status, throughput, now);
        notices.extend(notice);
        until = until.into_iter().chain(next).min();
    }
    notices.extend(desired.and_then(|desired| stale_approval(&mut status, desired, verdict)));
    Outcome { status, notices, wake, until, headline }
}

/// Tells once of an approval that fits no plan.
fn stale_approval(status: &mut ProvisionedThroughputStatus, desired: &Desired, verdict: Verdict<'_>) -> Option<Notice> {
    let Verdict::Seen { plan, .. } = verdict else { return None };
    let given = desired.approved.as_ref().filter(|given| status.last_handled_approval.as_ref() != Some(given))?;
    // While a call is out or AWS is at work, it is not known yet what will be due.
    let due = match plan {
        Plan::Settle { .. } | Plan::Act(_) | Plan::LetGo { .. } => return None,
        Plan::Wait { reason, .. } if reason.class() == Class::Waiting => return None,
        // It may be right, and is not enough.
        Plan::Refuse { reason: Reason::CreateNotAllowed | Reason::DeleteNotAllowed, .. } => return None,
        Plan::Nothing => "nothing is due".to_owned(),
        Plan::Wait { pending, .. } | Plan::Refuse { pending, .. } => {
            match pending.as_ref().map(|due| (&due.hash, &due.change)) {
                Some((Some(hash), change)) => format!("due is the plan {hash}: to {}", change.message),
                Some((None, _)) | None => "no plan waits for approval".to_owned(),
            }
        }
        Plan::Leave { .. } => "no plan waits for approval".to_owned(),
    };
    status.last_handled_approval = Some(given.clone());
    let given: String = given.chars().take(64).collect();
    Some(Notice {
        severity: Severity::Warning,
        reason: "ApprovalStale",
        note: format!(
            "the annotation bedrock-throughput.dev/approve is {given:?}, which is the hash of no plan: {due}"
        ),
        ends: None,
    })
}

struct Told {
    state: State,
    message: String,
    wake: Wake,
    /// When to come back at the latest.
    until: Option<Timestamp>,
    /// The event for the end of a change, if one ended.
    ended: Option<Notice>,
}

impl Told {
    fn new(state: State, message: String, wake: Wake) -> Self {
        Self { state, message, wake, until: None, ended: None }
    }

    fn bad(reason: Reason, message: String) -> Self {
        Self::new(State::Bad { reason, synced: ConditionStatus::False }, message, wake_for(reason))
    }
}

/// What the conditions are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In service and as the manifest says.
    Good,
    /// In service, differs, and is left so.
    Drifted,
    /// Not to be looked at.
    Paused,
    /// Not as it should be. `synced` says what is known of that.
    Bad { reason: Reason, synced: ConditionStatus },
    /// It could not be found out how it is.
    Blind(Reason),
}

impl State {
    fn headline(self) -> Reason {
        match self {
            Self::Good => Reason::InService,
            Self::Drifted => Reason::DriftDetected,
            Self::Paused => Reason::Suspended,
            Self::Bad { reason, .. } | Self::Blind(reason) => reason,
        }
    }

    fn conditions(self, message: &str) -> Vec<Wanted> {
        let wanted = |type_, status, reason| Wanted { type_, status, reason, message: message.to_owned() };
        let both = |ready, synced, reason| {
            let why_synced = match synced {
                ConditionStatus::True => Reason::UpToDate,
                ConditionStatus::False | ConditionStatus::Unknown => reason,
            };
            let mut conditions =
                vec![wanted(ConditionType::Ready, ready, reason), wanted(ConditionType::Synced, synced, why_synced)];
            match reason.class() {
                Class::Settled => {}
                Class::Waiting | Class::Held | Class::Retrying => {
                    conditions.push(wanted(ConditionType::Reconciling, ConditionStatus::True, reason));
                }
                Class::Stalled => conditions.push(wanted(ConditionType::Stalled, ConditionStatus::True, reason)),
            }
            conditions
        };
        match self {
            Self::Good => vec![
                wanted(ConditionType::Ready, ConditionStatus::True, Reason::InService),
                wanted(ConditionType::Synced, ConditionStatus::True, Reason::UpToDate),
            ],
            Self::Drifted => vec![
                wanted(ConditionType::Ready, ConditionStatus::True, Reason::InService),
                wanted(ConditionType::Synced, ConditionStatus::False, Reason::DriftDetected),
            ],
            Self::Paused => both(ConditionStatus::Unknown, ConditionStatus::Unknown, Reason::Suspended),
            Self::Bad { reason, synced } => both(ConditionStatus::False, synced, reason),
            Self::Blind(reason) => both(ConditionStatus::Unknown, ConditionStatus::Unknown, reason),
        }
    }
}

fn wake_for(reason: Reason) -> Wake {
    match reason.class() {
        Class::Settled | Class::Held | Class::Stalled => Wake::Interval,
        Class::Waiting => Wake::Following,
        Class::Retrying => Wake::Backoff,
    }
}

fn tell(
    status: &mut ProvisionedThroughputStatus,
    desired: Option<&Desired>,
    verdict: Verdict<'_>,
    now: Timestamp,
) -> Told {
    let unknown = |reason| State::Bad { reason, synced: ConditionStatus::Unknown };
    match verdict {
        Verdict::Invalid(invalid) => Told::new(unknown(Reason::InvalidSpec), invalid.to_string(), Wake::OnChange),
        Verdict::Rival { holder } => Told::new(
            unknown(Reason::AlreadyManaged),
            format!(
                "ProvisionedThroughput {holder} manages the same throughput and is older: delete this object, which leaves the throughput as it is. To let \
                 this one have it, set deletionPolicy: Retain on {holder}, and delete that one"
            ),
            Wake::Interval,
        ),
        Verdict::Suspended => {
            let waits = if desired.is_some_and(|desired| desired.is_going) {
                ". The deletion waits for that: set suspend: false, or deletionPolicy: Retain to let the object go"
            } else {
                ""
            };
            let message = format!("spec.suspend is true: AWS is neither looked at nor changed{waits}");
            Told::new(State::Paused, message, Wake::OnChange)
        }
        Verdict::FinalizerFailed(said) => Told::new(
            unknown(Reason::FinalizerFailed),
            format!(
                "the finalizer of deletionPolicy: Delete could not be set or taken off, and is tried again: give the operator's ClusterRole patch on \
                 provisionedthroughputs. Kubernetes says: {said}"
            ),
            Wake::Backoff,
        ),
        Verdict::Blind(fault) => Told::new(State::Blind(fault.reason()), fault.sentence(), wake_for(fault.reason())),
        Verdict::Seen { observed, plan, history, export } => {
            seen(status, desired, &Look { observed, plan, history, export, now })
        }
        Verdict::Queued { due, place, turn_at } => {
            if let Some((observed, change)) = due {
                show(status, observed);
                let waiting = Pending { change: change.clone(), waiting_for: WaitingFor::RateLimit, hash: None };
                status.plan = Some(pending(&waiting));
            }
            let state = match due {
                Some(_) => State::Bad { reason: Reason::RateLimited, synced: ConditionStatus::False },
                None => State::Blind(Reason::RateLimited),
            };
            let message = queued(due.map(|(_, change)| change), place, turn_at);
            let until = plus(turn_at, LATE);
            Told { until: Some(until), ..Told::new(state, message, wake_for(Reason::RateLimited)) }
        }
        Verdict::Sending { observed, change, sent_at } => {
            show(status, observed);
            send(status, desired, change, sent_at);
            let because = match change.cause {
                ChangeCause::Manifest => "",
                ChangeCause::Drift => "somebody changed the throughput at AWS: ",
            };
            Told::bad(at_work(&change.call), format!("{because}asking AWS to {}", change.message))
        }
        Verdict::Bought { observed: _, call, arn } => {
            if let Some(arn) = arn {
                status.provisioned_model_arn = Some(arn.to_string());
            }
            (status.plan, status.last_update) = (None, Some(last_update(call, None)));
            put_on(status, &call.call);
            let what = arn.map_or_else(String::new, |arn| format!(" ({arn})"));
            Told::bad(Reason::Creating, format!("AWS is making the throughput{what}: {}", call.call))
        }
        Verdict::CallFailed { observed, change, fault, sent_at } => {
            show(status, observed);
            let reason = reason_of(&change.call, fault);
            let waiting_for = match reason.class() {
                Class::Stalled => WaitingFor::Change,
                Class::Settled | Class::Waiting | Class::Held | Class::Retrying => WaitingFor::Retry,
            };
            let sent_at = fault.may_have_been_carried_out().then(|| next_whole_second(sent_at));
            let mut tried = pending(&Pending { change: change.clone(), waiting_for, hash: None });
            tried.sent_at = sent_at;
            status.plan = Some(tried);
            let hint = hint(&change.call, fault);
            Told::bad(reason, format!("{}{hint} (it was to {})", fault.sentence(), change.message))
        }
    }
}

/// What an object that waits for its turn says.
fn queued(change: Option<&Change>, place: Place, turn_at: Timestamp) -> String {
    let Place { ahead, about: _, rate, is_paced } = place;
    let what = change.map_or_else(|| "look at AWS".to_owned(), |change| change.message.clone());
    let why = if is_paced {
        format!("calls are paced to what AWS takes, about {rate:.1} a second")
    } else {
        format!("AWS answers about {rate:.0} calls a second")
    };
    let time = next_whole_second(turn_at).0;
    format!("waits for its turn to {what}: {why}, {ahead} come before it, and its turn is at about {time}")
}

/// The reason that stands for a call that is out.
fn at_work(call: &Call) -> Reason {
    match call {
        Call::Create(_) => Reason::Creating,
        Call::Update(_) | Call::Tag(_) => Reason::Updating,
        Call::Delete => Reason::Deleting,
    }
}

struct Look<'a> {
    observed: &'a Observed,
    plan: &'a Plan,
    history: &'a History,
    export: &'a Export,
    now: Timestamp,
}

fn seen(status: &mut ProvisionedThroughputStatus, desired: Option<&Desired>, look: &Look<'_>) -> Told {
    let Look { observed, plan, export, .. } = look;
    show(status, observed);
    status.exported_to.clone_from(&export.to);
    let ended = record(status, look);
    if let Some(desired) = desired
        && !matches!(plan, Plan::Settle { .. })
    {
        forget_tags(status, desired, observed);
        if observed.owner().is_some_and(|owner| desired.owner.as_ref().is_some_and(|own| own.is(&owner))) {
            status.last_handled_take_over.clone_from(&desired.take_over);
            if desired.policy.owns() {
                // A status that was lost forgot who put them on.
                status.managed_tag_keys.extend(desired.owner.iter().flat_map(Owner::tags).map(|(key, _)| key));
            }
        }
    }
    let told = match plan {
        Plan::Nothing => match &export.problem {
            None => Told::new(State::Good, good(observed), Wake::Interval),
            Some((reason, message)) => {
                let state = State::Bad { reason: *reason, synced: ConditionStatus::True };
                Told::new(state, message.clone(), wake_for(*reason))
            }
        },
        Plan::Settle { message } => Told::bad(settling(look.history), message.clone()),
        Plan::Wait { reason, message, pending: due, until } => {
            if status.plan.is_none() || reason.class() == Class::Held {
                status.plan = due.as_ref().map(|due| under_policy(desired, pending(due)));
            }
            Told { until: *until, ..Told::bad(*reason, message.clone()) }
        }
        Plan::Refuse { reason, message, pending: due } => {
            status.plan = due.as_ref().map(pending);
            Told::bad(*reason, message.clone())
        }
        Plan::Leave { pending: due } => {
            status.plan = Some(pending(due));
            if let Some((reason, message)) = &export.problem {
                return Told { ended, ..Told::bad(*reason, message.clone()) };
            }
            let message =
                format!("managementPolicy is Observe, so AWS is left as it is. Update would {}", due.change.message);
            match observed.found() {
                Some(Throughput { status: ThroughputStatus::InService, .. }) => {
                    Told::new(State::Drifted, message, Wake::Interval)
                }
                Some(_) | None => Told::bad(Reason::Failed, message),
            }
        }
        // Another change came up while one was made: it is next.
        Plan::Act(change) => {
            status.plan =
                Some(pending(&Pending { change: change.clone(), waiting_for: WaitingFor::Retry, hash: None }));
            Told::bad(at_work(&change.call), format!("about to {}", change.message))
        }
        Plan::LetGo { message, is_deleted: _ } => Told::bad(Reason::Deleting, message.clone()),
    };
    Told { ended, ..told }
}

/// The reason while a call settles: that of the call.
fn settling(history: &History) -> Reason {
    history.last_call.as_ref().map_or(Reason::Updating, |last| at_work(&last.call))
}

/// What comes after AWS is done does not come by itself under `Observe`.
fn under_policy(desired: Option<&Desired>, mut plan: Box<PlanStatus>) -> Box<PlanStatus> {
    match desired.map(|desired| desired.policy) {
        Some(ManagementPolicy::Observe) => plan.waiting_for = WaitingFor::ManagementPolicy,
        Some(ManagementPolicy::Update | ManagementPolicy::Full) | None => {}
    }
    plan
}

fn good(observed: &Observed) -> String {
    observed.found().map_or_else(String::new, |throughput| {
        format!(
            "throughput {} is in service with model {}, as the manifest says",
            throughput.name, throughput.model_arn
        )
    })
}

/// One event for each change of what the conditions say.
fn notice(prior: &ProvisionedThroughputStatus, headline: Reason, message: &str) -> Option<Notice> {
    let before = headline_of(prior);
    let same_words = find(&prior.conditions, ConditionType::Ready).is_some_and(|ready| ready.message == message);
    let same = before.as_deref() == Some(headline.as_str()) && (same_words || headline.class() != Class::Stalled);
    (!same).then(|| news(headline, message))
}

fn news(headline: Reason, message: &str) -> Notice {
    let severity = match headline.class() {
        Class::Settled if headline == Reason::DriftDetected => Severity::Warning,
        Class::Settled | Class::Waiting | Class::Held => Severity::Normal,
        Class::Retrying | Class::Stalled => Severity::Warning,
    };
    Notice { severity, reason: headline.as_str(), note: message.to_owned(), ends: None }
}

/// The reason that stood for the whole, read from conditions.
fn headline_of(status: &ProvisionedThroughputStatus) -> Option<String> {
    let condition = |type_| find(&status.conditions, type_);
    let synced = condition(ConditionType::Synced).filter(|synced| synced.status == ConditionStatus::False.as_str());
    condition(ConditionType::Stalled)
        .or_else(|| condition(ConditionType::Reconciling))
        .or(synced)
        .or_else(|| condition(ConditionType::Ready))
        .map(|condition| condition.reason.clone())
}

#[cfg(test)]
mod tests;
