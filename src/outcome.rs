//! What a pass over an object came to, told: status, events and when to look again. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    bedrock::{Fault, FaultKind},
    conditions::{Class, ConditionStatus, ConditionType, Reason, Wanted, find, is_true, merge, whole_seconds},
    crd::{LastUpdate, ManagementPolicy, PlanAction, PlanStatus, ProvisionedThroughputStatus, UpdateCause, WaitingFor},
    desired::{Desired, InvalidSpec},
    history::{Answer, History, LastCall},
    observed::{Observed, Sighting, Throughput, ThroughputStatus},
    plan::{Plan, Update},
};

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
    },
    /// A call is about to be sent. Written before it is, so that a restart knows of it.
    Sending {
        /// What AWS has.
        observed: &'a Observed,
        /// The call.
        update: &'a Update,
        /// When it is sent.
        sent_at: Timestamp,
    },
    /// A call was answered by a fault.
    CallFailed {
        /// What AWS has.
        observed: &'a Observed,
        /// The call.
        update: &'a Update,
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
            Self::Seen { observed, .. } | Self::Sending { observed, .. } | Self::CallFailed { observed, .. } => {
                Some(observed)
            }
            Self::Invalid(_) | Self::Rival { .. } | Self::Suspended | Self::Blind(_) => None,
        }
    }

    /// The fault that it is about, if it is about one.
    #[must_use]
    pub fn fault(self) -> Option<&'a Fault> {
        match self {
            Self::Blind(fault) | Self::CallFailed { fault, .. } => Some(fault),
            Self::Invalid(_) | Self::Rival { .. } | Self::Suspended | Self::Seen { .. } | Self::Sending { .. } => None,
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
    /// A [`Reason`], or `Updated` or `DriftRepaired` for the end of a change.
    pub reason: &'static str,
    /// What it tells a person.
    pub note: String,
    /// Why the change was made that it tells the end of, if it does.
    pub ends: Option<UpdateCause>,
}

/// What is told, and when to come back.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The whole status as it should be.
    pub status: ProvisionedThroughputStatus,
    /// The event that goes with the change of status.
    pub notice: Option<Notice>,
    /// When to come back.
    pub wake: Wake,
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
    // A request to look is not answered by not having been able to.
    let looked = !matches!(verdict, Verdict::Blind(_));
    if let Some(requested) = desired.filter(|_| looked).and_then(|desired| desired.requested.clone()) {
        status.last_handled_reconcile_at = Some(requested);
    }
    // While a call settles, a look that does not show it is older than the truth: the status keeps what was told when it was sent.
    if let Verdict::Seen { plan: Plan::Settle { .. }, .. } = verdict
        && is_true(&prior.conditions, ConditionType::Reconciling)
        && (&status.observed_generation, &status.last_handled_reconcile_at)
            == (&prior.observed_generation, &prior.last_handled_reconcile_at)
    {
        return Outcome { status, notice: None, wake: Wake::Following, headline: Reason::Updating };
    }
    // The same call, tried again after a fault: what was told of the fault stays until there is something else to tell.
    if let Verdict::Sending { observed, update, sent_at } = verdict
        && tried_before(prior, generation, update)
    {
        show(&mut status, observed);
        status.plan = Some(pending(update, WaitingFor::Answer, Some(next_whole_second(sent_at))));
        return Outcome { status, notice: None, wake: Wake::Following, headline: Reason::Updating };
    }
    let Told { state, mut message, wake, ended } = tell(&mut status, desired, verdict, now);
    // AWS's words may differ from one try to the next, by a time or the name of a session: they are not told anew each time.
    if let Some(ready) = find(&prior.conditions, ConditionType::Ready)
        && verdict.fault().is_some_and(|fault| ready.message.contains(fault.operation.as_str()))
        && ready.reason == state.headline().as_str()
        && ready.observed_generation == generation
    {
        message.clone_from(&ready.message);
    }
    let headline = state.headline();
    status.conditions = merge(&prior.conditions, state.conditions(&message), generation, now);
    let notice = match verdict {
        Verdict::Sending { .. } => Some(news(headline, &message)),
        Verdict::Invalid(_)
        | Verdict::Rival { .. }
        | Verdict::Suspended
        | Verdict::Blind(_)
        | Verdict::Seen { .. }
        | Verdict::CallFailed { .. } => ended.or_else(|| notice(prior, headline, &message)),
    };
    Outcome { status, notice, wake, headline }
}

/// The status with a call that AWS accepted, where there is no time left to look what came of it.
#[must_use]
pub fn with_accepted(status: &ProvisionedThroughputStatus, call: &LastCall) -> ProvisionedThroughputStatus {
    ProvisionedThroughputStatus { plan: None, last_update: Some(last_update(call, None)), ..status.clone() }
}

/// What is kept of a call that AWS took.
fn last_update(call: &LastCall, served_time: Option<Time>) -> LastUpdate {
    let LastCall { sent_at, over_at: _, generation, request, from, cause, answer } = call;
    let request_id = match answer {
        Answer::Accepted { request_id } => request_id.clone(),
        Answer::Missing => None,
    };
    let (cause, from, to) = (*cause, from.clone(), request.clone());
    LastUpdate { time: next_whole_second(*sent_at), request_id, generation: *generation, cause, from, to, served_time }
}

/// Whether `prior` tells of a fault of this very call.
fn tried_before(prior: &ProvisionedThroughputStatus, generation: Option<i64>, update: &Update) -> bool {
    let reason = find(&prior.conditions, ConditionType::Ready).map_or("", |ready| ready.reason.as_str());
    let faulted = Reason::ALL.iter().filter(|reason| tells_of_a_fault(**reason)).any(|fault| fault.as_str() == reason);
    faulted
        && prior.observed_generation == generation
        && prior.plan.as_ref().is_some_and(|plan| {
            plan.request == update.request
                && matches!(plan.waiting_for, WaitingFor::Retry | WaitingFor::Change | WaitingFor::Answer)
        })
}

/// Whether a reason is that of a fault of a call.
fn tells_of_a_fault(reason: Reason) -> bool {
    FaultKind::ALL.iter().any(|kind| kind.reason() == reason)
}

/// The time of a call as it is kept: to the second that ends after it, so that no look counts as later which is not.
fn next_whole_second(time: Timestamp) -> Time {
    let whole = whole_seconds(time);
    if whole.0 == time { whole } else { Time(whole.0.checked_add(SignedDuration::from_secs(1)).unwrap_or(time)) }
}

struct Told {
    state: State,
    message: String,
    wake: Wake,
    /// The event for the end of a change, if one ended.
    ended: Option<Notice>,
}

impl Told {
    fn new(state: State, message: String, wake: Wake) -> Self {
        Self { state, message, wake, ended: None }
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
            let mut conditions =
                vec![wanted(ConditionType::Ready, ready, reason), wanted(ConditionType::Synced, synced, reason)];
            match reason.class() {
                Class::Settled => {}
                Class::Waiting | Class::Retrying => {
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
        Class::Settled | Class::Stalled => Wake::Interval,
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
                "ProvisionedThroughput {holder} manages the same throughput and is older: delete one of the two (nothing happens at AWS)"
            ),
            Wake::Interval,
        ),
        Verdict::Suspended => {
            let message = "spec.suspend is true: AWS is neither looked at nor changed".to_owned();
            Told::new(State::Paused, message, Wake::OnChange)
        }
        Verdict::Blind(fault) => Told::new(State::Blind(fault.reason()), fault.sentence(), wake_for(fault.reason())),
        Verdict::Seen { observed, plan, history } => seen(status, desired, &Look { observed, plan, history, now }),
        Verdict::Sending { observed, update, sent_at } => {
            show(status, observed);
            status.plan = Some(pending(update, WaitingFor::Answer, Some(next_whole_second(sent_at))));
            let because = match update.cause {
                UpdateCause::Manifest => "",
                UpdateCause::Drift => "somebody changed the throughput at AWS: ",
            };
            Told::bad(Reason::Updating, format!("{because}asking AWS to {}", update.message))
        }
        Verdict::CallFailed { observed, update, fault, sent_at } => {
            show(status, observed);
            let waiting_for = match fault.reason().class() {
                Class::Stalled => WaitingFor::Change,
                Class::Settled | Class::Waiting | Class::Retrying => WaitingFor::Retry,
            };
            let sent_at = fault.may_have_been_carried_out().then(|| next_whole_second(sent_at));
            status.plan = Some(pending(update, waiting_for, sent_at));
            Told::bad(fault.reason(), format!("{} (it was to {})", fault.sentence(), update.message))
        }
    }
}

struct Look<'a> {
    observed: &'a Observed,
    plan: &'a Plan,
    history: &'a History,
    now: Timestamp,
}

fn seen(status: &mut ProvisionedThroughputStatus, desired: Option<&Desired>, look: &Look<'_>) -> Told {
    let Look { observed, plan, .. } = look;
    show(status, observed);
    let ended = record(status, look);
    let told = match plan {
        Plan::Nothing => Told::new(State::Good, good(observed), Wake::Interval),
        Plan::Settle { message } => Told::bad(Reason::Updating, message.clone()),
        Plan::Wait { reason, message, pending: due } => {
            if status.plan.is_none() {
                status.plan = due.as_ref().map(|due| pending(due, waiting(desired), None));
            }
            Told::bad(*reason, message.clone())
        }
        Plan::Refuse { reason, message, pending: due } => {
            status.plan = due.as_ref().map(|due| pending(due, WaitingFor::Change, None));
            Told::bad(*reason, message.clone())
        }
        Plan::Leave { pending: due } => {
            status.plan = Some(pending(due, WaitingFor::ManagementPolicy, None));
            let message = format!("managementPolicy is Observe, so AWS is left as it is. Update would {}", due.message);
            match &observed.throughput {
                Sighting::Found(Throughput { status: ThroughputStatus::InService, .. }) => {
                    Told::new(State::Drifted, message, Wake::Interval)
                }
                Sighting::Found(_) | Sighting::Missing | Sighting::Ambiguous(_) => Told::bad(Reason::Failed, message),
            }
        }
        // Another change came up while one was made: it is next.
        Plan::Update(update) => {
            status.plan = Some(pending(update, WaitingFor::Retry, None));
            Told::bad(Reason::Updating, format!("about to {}", update.message))
        }
    };
    Told { ended, ..told }
}

fn waiting(desired: Option<&Desired>) -> WaitingFor {
    match desired.map(|desired| desired.policy) {
        Some(ManagementPolicy::Observe) => WaitingFor::ManagementPolicy,
        Some(ManagementPolicy::Update) | None => WaitingFor::Aws,
    }
}

fn good(observed: &Observed) -> String {
    match &observed.throughput {
        Sighting::Found(throughput) => {
            format!(
                "throughput {} is in service with model {}, as the manifest says",
                throughput.name, throughput.model_arn
            )
        }
        Sighting::Missing | Sighting::Ambiguous(_) => String::new(),
    }
}

/// Copies what AWS has into the status.
fn show(status: &mut ProvisionedThroughputStatus, observed: &Observed) {
    let Sighting::Found(throughput) = &observed.throughput else {
        // What is no longer there must not look as if it were; the ARN stays, it is the identity.
        let ProvisionedThroughputStatus {
            observed_generation: _,
            last_handled_reconcile_at: _,
            provisioned_model_arn: _,
            provisioned_model_name: _,
            status: word,
            model_arn,
            desired_model_arn,
            foundation_model_arn: _,
            model_units,
            desired_model_units,
            commitment_duration: _,
            commitment_expiration_time: _,
            creation_time: _,
            last_modified_time: _,
            failure_message,
            plan,
            last_update: _,
            conditions: _,
        } = status;
        (*word, *model_arn, *desired_model_arn, *failure_message, *plan) = (None, None, None, None, None);
        (*model_units, *desired_model_units) = (None, None);
        return;
    };
    let Throughput {
        arn,
        name,
        status: word,
        model_arn,
        desired_model_arn,
        foundation_model_arn,
        model_units,
        desired_model_units,
        commitment_duration,
        commitment_expiration_time,
        creation_time,
        last_modified_time,
        failure_message,
    } = throughput;
    let time = |time: &Timestamp| whole_seconds(*time);
    status.provisioned_model_arn = Some(arn.to_string());
    status.provisioned_model_name = Some(name.to_string());
    status.status = Some(word.to_string());
    status.model_arn = Some(model_arn.to_string());
    status.desired_model_arn = Some(desired_model_arn.to_string());
    status.foundation_model_arn = Some(foundation_model_arn.to_string());
    status.model_units = Some(*model_units);
    status.desired_model_units = Some(*desired_model_units);
    status.commitment_duration.clone_from(commitment_duration);
    status.commitment_expiration_time = commitment_expiration_time.as_ref().map(time);
    status.creation_time = Some(time(creation_time));
    status.last_modified_time = Some(time(last_modified_time));
    status.failure_message.clone_from(failure_message);
}

/// Moves the open call from `plan` to `lastUpdate` once it is known that AWS took it. Returns the event for the end of the change, if it
/// is served now.
fn record(status: &mut ProvisionedThroughputStatus, look: &Look<'_>) -> Option<Notice> {
    let Look { observed, plan, history, now } = look;
    let Some(call) = &history.last_call else {
        status.plan = None;
        return None;
    };
    let LastCall { sent_at: _, over_at: _, generation: _, request, from, cause, answer } = call;
    let shown = match &observed.throughput {
        Sighting::Found(throughput) => throughput.shows(request),
        Sighting::Missing | Sighting::Ambiguous(_) => false,
    };
    let came_to_nothing = matches!(plan, Plan::Refuse { reason: Reason::UpdateFailed, .. });
    if *answer == Answer::Missing && !shown && !came_to_nothing {
        return None;
    }
    let served = shown && matches!(plan, Plan::Nothing);
    status.plan = None;
    status.last_update = Some(last_update(call, served.then(|| whole_seconds(*now))));
    let reason = match cause {
        UpdateCause::Manifest => "Updated",
        UpdateCause::Drift => "DriftRepaired",
    };
    served.then(|| Notice {
        severity: Severity::Normal,
        reason,
        note: format!("AWS serves the change: {request} (before: {from})"),
        ends: Some(*cause),
    })
}

fn pending(update: &Update, waiting_for: WaitingFor, sent_at: Option<Time>) -> PlanStatus {
    PlanStatus {
        action: PlanAction::Update,
        request: update.request.clone(),
        message: update.message.clone(),
        waiting_for,
        cause: update.cause,
        from: update.from.clone(),
        sent_at,
    }
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
        Class::Settled | Class::Waiting => Severity::Normal,
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
