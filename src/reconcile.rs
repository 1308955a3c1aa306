//! The driver: one pass over one object, from the manifest to the report.

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

use crate::{
    act::{self, Done},
    backoff::{Backoff, random},
    bedrock::Bedrock,
    budget::{Kind, Place},
    calls::{Call, Change},
    claims::{Claimant, Claims, left_to},
    conditions::{ConditionType, Reason, find, truncated},
    crd::{FINALIZER, ProvisionedThroughput, ProvisionedThroughputStatus},
    desired::{Defaults, Desired, InvalidSpec},
    export::Exporter,
    history::{Answer, History, LastCall},
    memory::{Memories, Memory, Noticed, Untold},
    metrics::Metrics,
    observe::{Demand, Sources},
    observed::Observed,
    outcome::{Export, Notice, Outcome, Severity, Verdict, Wake, before_the_next, outcome, with_accepted},
    plan::{Permits, Plan, RETAINED, Situation, plan, with_ownership},
    report::{Asked, Live, ReportError, Reporter, Subject, Watched},
    schedule::{self, Due},
    traces::Traces,
    turns::Turns,
};

/// The pauses after a fault in a row of faults. The cap bounds how long the end of an outage goes unnoticed by an object.
pub const AFTER_A_FAULT: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(2) };

/// The pause before a pass that could not be carried through is made again: what it waits for comes at once.
const AGAIN_SOON: Duration = Duration::from_millis(500);

/// How long after the start the lists of all watched namespaces are waited for, before anything is changed at AWS. One that cannot be listed
/// is told by `/readyz`, and does not hold up the others for ever.
const ALL_LISTED_WITHIN: Duration = Duration::from_mins(1);

/// From which expected wait on an object says that it waits for its turn: while calls are paced, and while AWS takes as many as come.
const TELL_FROM: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(1)];

/// How old the look may be from which an object acts that waited for its turn.
const LOOK_OF_A_TURN: Duration = Duration::from_secs(30);

/// The longest text of the API server that is passed on, in bytes.
const DETAIL_MAX: usize = 512;

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

/// Publishes the events of a pass. It is worth a try, and no more: the status has it all.
async fn publish(context: &Context, subject: &Subject, notices: Vec<Notice>) {
    for notice in notices {
        if let Err(error) = context.reporter.publish(subject, &notice, Timestamp::now()).await {
            tracing::warn!(reason = notice.reason, %error, "an event could not be published");
        }
    }
}

fn has_finalizer(live: &Live) -> bool {
    live.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// What is left of a pass whose status has been written.
struct Written {
    headline: Reason,
    action: Action,
    notices: Vec<Notice>,
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
        let _turn = if Sources::takes_own_calls(&desired, &history) {
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

    /// Sees to it that an object has the finalizer where its throughput is to be deleted with it, and only there. Returns the result of the
    /// pass where nothing is left to do.
    async fn keep_finalizer(
        &mut self,
        object: &ProvisionedThroughput,
    ) -> Result<Option<(Reason, Action)>, ReportError> {
        let has = has_finalizer(&self.live);
        let deletes = object.spec.management_policy.deletes(object.spec.deletion_policy);
        let is_going = object.meta().deletion_timestamp.is_some();
        if deletes && !has && !is_going {
            let mut finalizers = self.live.finalizers.clone();
            finalizers.push(FINALIZER.to_owned());
            return self.set_finalizers(finalizers).await;
        }
        if !deletes && has {
            if is_going {
                return self.let_go(RETAINED.to_owned(), false).await.map(Some);
            }
            return self.set_finalizers(self.other_finalizers()).await;
        }
        Ok(None)
    }

    fn other_finalizers(&self) -> Vec<String> {
        self.live.finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect()
    }

    async fn set_finalizers(&mut self, finalizers: Vec<String>) -> Result<Option<(Reason, Action)>, ReportError> {
        let only_at = self.live.resource_version.clone();
        match self.context.reporter.set_finalizers(self.subject, &finalizers, &only_at).await {
            Ok(live) => {
                self.memory.written = Some(Box::new((live.clone(), self.prior.clone())));
                self.live = live;
                Ok(None)
            }
            Err(ReportError::Conflict) => Ok(Some(self.again_soon())),
            Err(error @ (ReportError::Gone | ReportError::Timeout)) => Err(error),
            Err(ReportError::Kube(error)) => {
                let said = truncated(error.to_string(), DETAIL_MAX);
                self.tell(None, Verdict::FinalizerFailed(&said), None).await.map(Some)
            }
        }
    }

    /// Lets an object go whose deletion waited for this.
    async fn let_go(&mut self, message: String, is_deleted: bool) -> Result<(Reason, Action), ReportError> {
        let reason = if is_deleted { "Deleted" } else { "Released" };
        let arn = self.prior.provisioned_model_arn.as_deref();
        tracing::info!(arn, reason, message, "the object is let go");
        let notice = Notice { severity: Severity::Normal, reason, note: message, ends: None };
        // Before the object is gone, and once, however often the write is tried.
        if !std::mem::replace(&mut self.memory.told_of_the_end, true) {
            publish(self.context, self.subject, vec![notice]).await;
        }
        match self.set_finalizers(self.other_finalizers()).await {
            Ok(Some(again)) => Ok(again),
            Ok(None) | Err(ReportError::Gone) => Ok((Reason::Deleting, Action::await_change())),
            Err(error) => Err(error),
        }
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
        self.memory.turn_at = None;
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
        let [paced, open] = TELL_FROM;
        let is_long = place.about >= if place.is_paced { paced } else { open };
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
            let pause = place.about.clamp(AFTER_A_FAULT.first, AFTER_A_FAULT.cap).max(paced);
            return Ok((Reason::RateLimited, Action::requeue(pause.saturating_mul(2))));
        }
        self.prior = status;
        self.memory.turn_at = Some(turn_at);
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

    /// Tells the result of the pass, if it is another than before.
    async fn tell(
        &mut self,
        desired: Option<&Desired>,
        verdict: Verdict<'_>,
        retry_after: Option<Duration>,
    ) -> Result<(Reason, Action), ReportError> {
        let Written { headline, action, notices } = self.write(desired, verdict, retry_after).await?;
        publish(self.context, self.subject, notices).await;
        Ok((headline, action))
    }

    /// Writes the status, if it is another than before.
    async fn write(
        &mut self,
        desired: Option<&Desired>,
        verdict: Verdict<'_>,
        retry_after: Option<Duration>,
    ) -> Result<Written, ReportError> {
        let now = Timestamp::now();
        let told = outcome(&self.prior, self.generation, desired, verdict, now);
        self.log(&told, verdict);
        let Outcome { status, notices, wake, until, headline } = told;
        self.context.metrics.show(self.subject, &status);
        self.context.metrics.compare(self.subject, &self.prior, &status);
        if let Some(observed) = verdict.observed() {
            self.context.metrics.show_model(self.subject, observed);
        }
        let is_sending = matches!(verdict, Verdict::Sending { .. });
        if status != self.prior || is_sending {
            let reporter = &self.context.reporter;
            // What is decided is done only for the object that it was decided from.
            let only_at = Some(self.live.resource_version.as_str()).filter(|_| is_sending);
            let live = match verdict {
                Verdict::Invalid(InvalidSpec::Unreadable(_)) => {
                    reporter.write_conditions(self.subject, &status).await?
                }
                _ => reporter.write(self.subject, &status, only_at).await?,
            };
            self.context.metrics.wrote_status();
            self.memory.written = Some(Box::new((live.clone(), status.clone())));
            self.live = live;
            if status.plan.as_ref().is_none_or(|plan| plan.sent_at.is_none()) {
                self.memory.accepted = None;
            }
            self.prior = status;
        }
        for cause in notices.iter().filter_map(|notice| notice.ends) {
            self.context.metrics.served(self.subject, cause);
        }
        let looked_at = verdict.observed().map_or(now, |observed| observed.looked_at);
        Ok(Written { headline, action: self.wake(wake, until, desired, looked_at, retry_after), notices })
    }

    fn wake(
        &mut self,
        wake: Wake,
        until: Option<Timestamp>,
        desired: Option<&Desired>,
        looked_at: Timestamp,
        retry_after: Option<Duration>,
    ) -> Action {
        let interval = desired.map_or(self.context.defaults.interval, |desired| desired.interval);
        match wake {
            Wake::Interval => {
                self.rest();
                let now = Timestamp::now();
                let due = schedule::after_an_interval(looked_at, interval, self.context.phase, now, random());
                self.come_back(until.map_or(due, |until| due.at_the_latest(until, now)))
            }
            Wake::Following => {
                self.memory.failures = 0;
                self.follow(looked_at)
            }
            Wake::Backoff => {
                self.memory.follows = 0;
                let pause = AFTER_A_FAULT.pause(self.memory.failures, retry_after);
                self.memory.failures = self.memory.failures.saturating_add(1);
                self.memory.next_look = Some(Timestamp::now());
                self.requeue(pause)
            }
            Wake::OnChange => {
                self.rest();
                self.memory.next_look = None;
                Action::await_change()
            }
        }
    }

    fn rest(&mut self) {
        self.context.traces.end(&self.subject.uid);
        self.memory.follows = 0;
        self.memory.failures = 0;
    }

    fn follow(&mut self, since: Timestamp) -> Action {
        let looks = self.memory.follows;
        self.memory.follows = looks.saturating_add(1);
        self.come_back(schedule::following(since, looks, self.context.phase, Timestamp::now(), random()))
    }

    fn come_back(&mut self, due: Due) -> Action {
        let Due { not_before, pause } = due;
        self.memory.next_look = Some(not_before);
        self.requeue(pause)
    }

    /// The result of a pass that is not carried through, because somebody changed the object in the middle of it or not all objects are
    /// known yet. The watch brings what is new; the pause is for the case that it has brought it already.
    fn again_soon(&self) -> (Reason, Action) {
        (Reason::Updating, self.requeue(AGAIN_SOON))
    }

    fn requeue(&self, pause: Duration) -> Action {
        let Subject { namespace, name, uid: _ } = self.subject;
        self.context.metrics.due(namespace, name, pause);
        Action::requeue(pause)
    }

    /// One line for each decision; the usual one, that all is as it was, only for debugging.
    fn log(&self, told: &Outcome, verdict: Verdict<'_>) {
        let Outcome { status, notices, wake, until: _, headline } = told;
        let detail = status.conditions.first().map(|ready| ready.message.as_str());
        let request_id = match verdict.fault() {
            Some(fault) => fault.request_id.clone(),
            None => status.last_update.as_ref().and_then(|update| update.request_id.clone()),
        };
        let warns = notices.iter().any(|notice| notice.severity == Severity::Warning);
        let (generation, arn, decision) = (self.generation, status.provisioned_model_arn.as_deref(), decision(verdict));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    generation,
                    arn,
                    decision,
                    reason = headline.as_str(),
                    detail,
                    ?wake,
                    request_id,
                    "decided"
                )
            };
        }
        if warns {
            line!(warn);
        } else if *status == self.prior {
            line!(debug);
        } else {
            line!(info);
        }
    }
}

/// A decision in one word, for logs.
fn decision(verdict: Verdict<'_>) -> &'static str {
    match verdict {
        Verdict::Invalid(_) | Verdict::Rival { .. } => "refuse",
        Verdict::Suspended => "suspended",
        Verdict::Queued { .. } => "wait",
        Verdict::FinalizerFailed(_) => "failed",
        Verdict::Blind(_) => "blind",
        Verdict::Sending { change, .. } => action(change),
        Verdict::Bought { .. } => "bought",
        Verdict::CallFailed { .. } => "failed",
        Verdict::Seen { plan, .. } => match plan {
            Plan::Nothing => "nothing",
            Plan::Wait { .. } => "wait",
            Plan::Settle { .. } => "settle",
            Plan::Refuse { .. } => "refuse",
            Plan::Leave { .. } => "leave",
            Plan::Act(change) => action(change),
            Plan::LetGo { .. } => "let go",
        },
    }
}

fn action(change: &Change) -> &'static str {
    match change.call {
        Call::Create(_) => "create",
        Call::Update(_) => "update",
        Call::Tag(_) => "tag",
        Call::Delete => "delete",
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
