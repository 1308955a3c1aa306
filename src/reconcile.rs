//! The driver: one pass over one object, from the manifest to the report.

mod finalizer;
mod telling;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future;
use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _, runtime::controller::Action};
use tokio::time::Instant;
use tracing::Instrument as _;

use self::{finalizer::has_finalizer, telling::publish};
use crate::{
    act::{self, Done},
    backoff::Backoff,
    bedrock::Bedrock,
    budget::{Kind, Place},
    calls::{Call, Change},
    claims::{Claimant, Claims, left_to},
    conditions::{ConditionType, Reason, find},
    crd::ProvisionedThroughputStatus,
    desired::{Defaults, Desired, InvalidSpec},
    export::Exporter,
    history::{Answer, History, LastCall},
    memory::{Memories, Memory, Noticed, Untold},
    metrics::Metrics,
    observe::{Demand, Sources},
    observed::Observed,
    outcome::{Export, Verdict, before_the_next, with_accepted},
    plan::{Permits, Plan, Situation, plan, with_ownership},
    report::{Asked, Live, ReportError, Reporter, Subject, Watched},
    schedule,
    traces::Traces,
    turns::Turns,
};

/// The pauses after a fault in a row of faults. The cap bounds how long the end of an outage goes unnoticed by an object.
pub const AFTER_A_FAULT: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(2) };

/// How long after the start the lists of all watched namespaces are waited for, before anything is changed at AWS. One that cannot be listed
/// is told by `/readyz`, and does not hold up the others for ever.
const ALL_LISTED_WITHIN: Duration = Duration::from_mins(1);

/// From which expected wait on an object says that it waits for its turn, while calls are paced.
const TELL_FROM: Duration = Duration::from_secs(5);

/// The same while AWS refuses nothing: then many are changed at once, and a write for each would slow all of them down.
const TELL_OF_A_CROWD_FROM: Duration = Duration::from_mins(1);

/// How old the look may be from which an object acts that waited for its turn.
const LOOK_OF_A_TURN: Duration = Duration::from_secs(30);

/// Everything that a pass needs.
#[derive(Debug)]
pub struct Context {
    /// What the operator falls back on where a manifest says nothing.
    pub defaults: Defaults,
    /// How long reads at AWS may lag behind writes.
    pub read_lag: Duration,
    /// When this process began: what an earlier one sent was over by then.
    pub started_at: Timestamp,
    /// Set when the process is asked to end: no call is begun any more.
    pub ending: Arc<AtomicBool>,
    /// Where between two beats this process looks, so that operators do not all look at the full minute.
    pub phase: Duration,
    /// Where looks at AWS come from.
    pub sources: Sources,
    /// Where changes at AWS go.
    pub bedrock: Arc<dyn Bedrock>,
    /// What may be done beyond changing what is there.
    pub permits: Permits,
    /// Where results are told.
    pub reporter: Reporter,
    /// Where applications are told.
    pub exporter: Exporter,
    /// What is remembered of objects.
    pub memories: Memories,
    /// Which object manages which throughput.
    pub claims: Claims,
    /// Whose turn it is to call AWS.
    pub turns: Arc<Turns>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Which trace a pass belongs to.
    pub traces: Traces,
}

/// A pass over an object. It is called for one object at a time.
///
/// # Errors
/// When Kubernetes does not take what is to be told; the pass is then made again.
pub async fn reconcile(object: Arc<Watched>, context: Arc<Context>) -> Result<Action, ReportError> {
    let subject = Subject::of(&object);
    let Subject { namespace, name, uid } = &subject;
    // Of the highest level, so that every line of the pass names the object, whatever is logged.
    let span = tracing::error_span!(parent: &context.traces.of(&subject), "reconcile", namespace, name, uid);
    pass(&object, &context, &subject).instrument(span).await
}

async fn pass(object: &Watched, context: &Context, subject: &Subject) -> Result<Action, ReportError> {
    let _under_way = context.metrics.begin(subject);
    let begun = Instant::now();
    let mut memory = context.memories.recall(&subject.uid);
    let generation = object.meta().generation;
    let watched = Live::of(object);
    let (live, prior) = match memory.ahead_of(&watched.resource_version) {
        Some((live, status)) => (live.clone(), Some(status.clone())),
        None => (watched.clone(), object.0.as_ref().ok().and_then(|object| object.status.clone())),
    };
    if object.meta().deletion_timestamp.is_some() && !has_finalizer(&live) {
        // Somebody else's finalizer keeps it for now. Nothing is changed at AWS for an object that is on its way out.
        return Ok(Action::await_change());
    }
    let prior = prior.unwrap_or_default();
    let seen = watched.asked;
    let mut pass = Pass { context, subject, memory: &mut memory, generation, seen, live, prior, waits: false };
    let result = pass.run(object).await;
    if !pass.waits {
        context.turns.forget(subject);
    }
    context.memories.keep(&subject.uid, memory.clone());
    let took = begun.elapsed();
    match result {
        Ok((headline, wake)) => {
            context.metrics.reconciled(headline, took);
            Ok(wake)
        }
        Err(ReportError::Gone) => {
            // It may have gone while the pass was at work, after it was forgotten.
            context.metrics.forget(subject);
            tracing::debug!("the object is gone");
            Ok(Action::await_change())
        }
        Err(error) => {
            memory.failures = memory.failures.saturating_add(1);
            context.memories.keep(&subject.uid, memory);
            context.metrics.failed_to_reconcile(&error, took);
            Err(error)
        }
    }
}

/// When a pass that failed is made again.
#[allow(clippy::needless_pass_by_value, reason = "the signature of an error policy")]
pub fn after_an_error(object: Arc<Watched>, error: &ReportError, context: Arc<Context>) -> Action {
    let failures = context.memories.recall(&object.uid().unwrap_or_default()).failures;
    let pause = AFTER_A_FAULT.pause(failures.saturating_sub(1), None);
    context.metrics.due(&object.namespace().unwrap_or_default(), &object.name_any(), pause);
    tracing::warn!(
        namespace = object.namespace(), name = object.name_any(), uid = object.uid(), %error, retry_in = ?pause,
        "Kubernetes did not take what was to be told"
    );
    Action::requeue(pause)
}

/// Tells of the calls that were accepted and not looked after yet, because the process ends.
pub async fn tell_the_rest(context: &Context) {
    let untold = context.memories.untold();
    let told = untold.iter().map(async |(Untold { call, subject }, status)| {
        let Subject { namespace, name, uid } = subject;
        match context.reporter.write(subject, &with_accepted(status, call), None).await {
            Ok(_) => context.metrics.wrote_status(),
            Err(error) => {
                tracing::warn!(namespace, name, uid, %error, "an accepted call could not be told of before the end");
            }
        }
    });
    future::join_all(told).await;
}

struct Pass<'a> {
    context: &'a Context,
    subject: &'a Subject,
    memory: &'a mut Memory,
    generation: Option<i64>,
    /// What the object asks for, as the watch shows it: what the pass decides from.
    seen: Asked,
    /// The newest that is known of the object.
    live: Live,
    /// The newest status that is known.
    prior: ProvisionedThroughputStatus,
    /// Its turn is waited for.
    waits: bool,
}

impl Pass<'_> {
    async fn run(&mut self, object: &Watched) -> Result<(Reason, Action), ReportError> {
        let claims = &self.context.claims;
        let claimant = claimant(object, self.subject);
        // Whatever else the manifest says, and be it nonsense: what asks for no deletion is not held back.
        if let Ok(object) = &object.0
            && let Some(done) = self.keep_finalizer(object).await?
        {
            return Ok(done);
        }
        let desired = match desired(object, &self.prior, &self.context.defaults) {
            Ok(desired) => desired,
            Err(invalid) => {
                claims.claim(&claimant, None);
                return self.tell(None, Verdict::Invalid(&invalid), None).await;
            }
        };
        if desired.suspend {
            return self.tell(Some(&desired), Verdict::Suspended, None).await;
        }
        let begun = Timestamp::now();
        let history = self.history();
        let mut demand = self.demand(&desired, &history);
        let turns = &self.context.turns;
        let turn = if Sources::takes_own_calls(&desired, &history) {
            match turns.take(&desired.region, Kind::Read, self.subject) {
                Ok(turn) => Some(turn),
                Err(place) => return self.wait_for_a_turn(&desired, None, place).await,
            }
        } else {
            None
        };
        let (observed, plan) = loop {
            let look = self.context.sources.observe(&desired, &history, demand, self.context.read_lag).await;
            let observed = match look {
                Ok(observed) => {
                    let is_left = claims.is_left_to(&claimant, &desired, &observed);
                    with_ownership(&desired, &history, observed, is_left)
                }
                Err(fault) => {
                    return self.tell(Some(&desired), Verdict::Blind(&fault), fault.retry_after).await;
                }
            };
            if let Some(holder) = claims.rival(&claimant, &desired, &observed) {
                return self.yield_to(&desired, &holder).await;
            }
            let plan = plan(&Situation {
                desired: &desired,
                observed: &observed,
                history: &history,
                read_lag: self.context.read_lag,
                permits: self.context.permits,
                now: Timestamp::now(),
            });
            // Whatever made the object due: a purchase is decided from a look that was begun after it.
            match &plan {
                Plan::Act(Change { call: Call::Create(_), .. }) if observed.looked_at < begun => {
                    demand = Demand { not_before: begun, closely: true };
                }
                _ => break (observed, plan),
            }
        };
        drop(turn);
        match plan {
            Plan::Act(change) => self.send(&desired, &observed, &history, &change).await,
            Plan::LetGo { message, is_deleted } => self.let_go(message, is_deleted).await,
            Plan::Nothing | Plan::Wait { .. } | Plan::Settle { .. } | Plan::Refuse { .. } | Plan::Leave { .. } => {
                let export = self.export(&desired, &observed).await;
                let seen = Verdict::Seen { observed: &observed, plan: &plan, history: &history, export: &export };
                self.tell(Some(&desired), seen, None).await
            }
        }
    }

    /// Leaves the throughput to the object that has the older claim.
    async fn yield_to(&mut self, desired: &Desired, holder: &Claimant) -> Result<(Reason, Action), ReportError> {
        if desired.is_going {
            return self.let_go(left_to(holder), false).await;
        }
        self.tell(Some(desired), Verdict::Rival { holder: &holder.to_string() }, None).await
    }

    /// Writes down for applications what was found.
    async fn export(&self, desired: &Desired, observed: &Observed) -> Export {
        let before = self.prior.exported_to.as_ref();
        match (observed.found(), &desired.export, before) {
            (Some(_), None, None) => Export::default(),
            (Some(throughput), wanted, before) if !desired.is_going => {
                let exporter = &self.context.exporter;
                exporter.export(self.subject, wanted.as_ref(), before, throughput, &desired.region).await
            }
            (Some(_) | None, _, before) => Export { to: before.cloned(), problem: None },
        }
    }

    /// Writes down that the call is sent, sends it, and leaves it to the next look to tell what came of it.
    async fn send(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        history: &History,
        change: &Change,
    ) -> Result<(Reason, Action), ReportError> {
        if self.context.ending.load(Ordering::Relaxed) {
            // The next process makes the call.
            return Ok((Reason::Updating, Action::await_change()));
        }
        let now = Timestamp::now();
        if !self.context.claims.are_complete() && now < schedule::plus(self.context.started_at, ALL_LISTED_WITHIN) {
            // An object of a namespace that is not listed yet may have the older claim.
            return Ok(self.again_soon());
        }
        if self.live.asked != self.seen {
            // An answer to a write of the status has shown that the watch is behind.
            return Ok(self.again_soon());
        }
        let turns = &self.context.turns;
        let _turn = match turns.take(&desired.region, Kind::Change, self.subject) {
            Ok(turn) => turn,
            Err(place) => return self.wait_for_a_turn(desired, Some((observed, history, change)), place).await,
        };
        let sent_at = Timestamp::now();
        let (status, ended) = before_the_next(&self.prior, observed, history, change, sent_at);
        self.prior = status;
        let mut written = match self.write(Some(desired), Verdict::Sending { observed, change, sent_at }, None).await {
            Ok(written) => written,
            // The manifest was changed, the object deleted, or another operator is at work on it: what was decided no longer counts.
            Err(ReportError::Conflict) => return Ok(self.again_soon()),
            Err(error) => return Err(error),
        };
        written.notices.splice(..0, ended);
        // From here on the status tells of this call, and of none before it.
        (self.memory.accepted, self.memory.unanswered, self.memory.follows) = (None, None, 0);
        let arn = change.arn.as_ref().map(ToString::to_string);
        // The events need not be there before the call.
        let (answer, ()) = future::join(
            act::act(self.context.bedrock.as_ref(), &desired.region, change),
            publish(self.context, self.subject, written.notices),
        )
        .await;
        let over_at = Timestamp::now();
        if let (Call::Tag(_), Some(arn)) = (&change.call, &change.arn) {
            self.context.sources.forget_tags(&desired.region, arn);
        }
        match answer {
            Ok(Done { accepted, bought }) => {
                tracing::info!(
                    generation = self.generation, arn, bought = bought.as_ref().map(ToString::to_string),
                    action = ?change.call.action(), request = %change.call, from = %change.from, request_id = accepted.request_id,
                    "AWS accepted the call"
                );
                let call = LastCall {
                    sent_at,
                    over_at,
                    generation: self.generation,
                    call: change.call.clone(),
                    from: change.from.clone(),
                    cause: change.cause,
                    answer: Answer::Accepted { request_id: accepted.request_id },
                };
                self.memory.accepted = Some(Box::new(Untold { call: call.clone(), subject: self.subject.clone() }));
                match &change.call {
                    Call::Create(_) => {
                        let verdict = Verdict::Bought { observed, call: &call, arn: bought.as_ref() };
                        return self.tell(Some(desired), verdict, None).await;
                    }
                    Call::Update(_) => self.context.metrics.updated(self.subject),
                    Call::Tag(_) | Call::Delete => {}
                }
                Ok((Reason::Updating, self.follow(Timestamp::now())))
            }
            Err(fault) => {
                self.memory.unanswered = Some(over_at);
                let verdict = Verdict::CallFailed { observed, change, fault: &fault, sent_at };
                self.tell(Some(desired), verdict, fault.retry_after).await
            }
        }
    }

    /// Leaves it to others to go first. It is told where that takes long.
    async fn wait_for_a_turn(
        &mut self,
        desired: &Desired,
        due: Option<(&Observed, &History, &Change)>,
        place: Place,
    ) -> Result<(Reason, Action), ReportError> {
        self.waits = true;
        let now = Timestamp::now();
        let turn_at = schedule::plus(now, place.about);
        let is_long = place.about >= if place.is_paced { TELL_FROM } else { TELL_OF_A_CROWD_FROM };
        let is_told = told_of(&self.prior, Reason::RateLimited)
            && self.prior.observed_generation == self.generation
            && self.memory.turn_at.is_some_and(|told| now < told);
        // An interval that is over for what was as it should be is nothing to tell of.
        let is_news = due.is_some() || self.prior.observed_generation != self.generation;
        let (status, ended) = match due {
            Some((observed, history, change)) => before_the_next(&self.prior, observed, history, change, now),
            None => (self.prior.clone(), None),
        };
        // A call whose answer is missing must not be forgotten for it.
        let is_open = status.plan.as_ref().is_some_and(|plan| plan.sent_at.is_some());
        if !is_long || is_told || !is_news || is_open {
            let pause = place.about.clamp(AFTER_A_FAULT.first, AFTER_A_FAULT.cap).max(TELL_FROM);
            return Ok((Reason::RateLimited, self.requeue(pause.saturating_mul(2))));
        }
        self.prior = status;
        let due = due.map(|(observed, _, change)| (observed, change));
        let mut written = self.write(Some(desired), Verdict::Queued { due, place, turn_at }, None).await?;
        written.notices.splice(..0, ended);
        publish(self.context, self.subject, written.notices).await;
        Ok((written.headline, written.action))
    }

    /// What was done before: what the status says, or what this process knows more than it.
    fn history(&self) -> History {
        let mut history = History::of(&self.prior, self.generation);
        if let Some(accepted) = &self.memory.accepted {
            history.last_call = Some(accepted.call.clone());
        } else if let Some(call) = history.last_call.as_mut().filter(|call| call.answer == Answer::Missing) {
            call.over_at = call.over_at.max(self.memory.unanswered.unwrap_or(self.context.started_at));
        }
        history
    }

    /// How new the look has to be: newer than the change that the pass is about; else as was decided by the pass before.
    fn demand(&mut self, desired: &Desired, history: &History) -> Demand {
        let now = Timestamp::now();
        let approved = desired.approved.clone().filter(|_| self.prior.last_handled_approval != desired.approved);
        let take_over = desired.take_over.clone().filter(|_| self.prior.last_handled_take_over != desired.take_over);
        let asked = [desired.requested.clone(), approved, take_over];
        let changed = self.prior.observed_generation != self.generation || asked.iter().any(Option::is_some);
        let noticed = changed.then(|| {
            let same = self
                .memory
                .noticed
                .take()
                .filter(|noticed| noticed.generation == self.generation && noticed.asked == asked);
            let at = same.map_or(now, |noticed| noticed.at);
            self.memory.noticed = Some(Box::new(Noticed { generation: self.generation, asked, at }));
            at
        });
        let turn = self.memory.turn_at.map(|_| schedule::minus(now, LOOK_OF_A_TURN));
        let due = self.memory.next_look.filter(|next| *next <= now).max(turn);
        let not_before = match (noticed, due) {
            (Some(noticed), due) => due.map_or(noticed, |due| due.max(noticed)),
            (None, Some(due)) => due,
            // A pass before its time, or the first of this process: what was seen within an interval is new enough.
            (None, None) => schedule::minus(now, desired.interval),
        };
        // While AWS is at work on a call, the model was looked at for it.
        let undecided = history.last_call.is_none() && !history.synced;
        let is_model_awaited = [Reason::ModelNotReady, Reason::ModelNotFound, Reason::ModelFailed]
            .iter()
            .any(|reason| told_of(&self.prior, *reason));
        let undecided = undecided || is_model_awaited;
        Demand { not_before, closely: changed || undecided }
    }
}

/// Whether a status says a reason of the object as a whole.
fn told_of(status: &ProvisionedThroughputStatus, reason: Reason) -> bool {
    find(&status.conditions, ConditionType::Ready).is_some_and(|ready| ready.reason == reason.as_str())
}

fn desired(
    object: &Watched,
    status: &ProvisionedThroughputStatus,
    defaults: &Defaults,
) -> Result<Desired, InvalidSpec> {
    match &object.0 {
        Ok(object) => Desired::parse(object, status, defaults),
        Err(invalid) => Err(InvalidSpec::Unreadable(invalid.error.clone())),
    }
}

/// An object as one that wants to manage a throughput.
#[must_use]
pub fn claimant(object: &Watched, subject: &Subject) -> Claimant {
    let Subject { namespace, name, uid } = subject.clone();
    let created = object.creation_timestamp().map_or(Timestamp::MAX, |time| time.0);
    Claimant { created, namespace, name, uid }
}
