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

use crate::{
    act,
    backoff::{Backoff, random},
    bedrock::Bedrock,
    claims::{Claimant, Claims},
    conditions::Reason,
    crd::{ProvisionedThroughputStatus, WaitingFor},
    desired::{Defaults, Desired, InvalidSpec},
    history::{Answer, History, LastCall},
    memory::{Memories, Memory, Noticed, Untold},
    metrics::Metrics,
    observe::{Demand, Sources},
    observed::{Observed, Sighting, Throughput},
    outcome::{Notice, Outcome, Severity, Verdict, Wake, outcome, with_accepted},
    plan::{Plan, Situation, Update, plan},
    report::{Live, ReportError, Reporter, Subject, Watched},
    schedule::{self, Due},
};

/// The pauses after a fault in a row of faults. The cap bounds how long the end of an outage goes unnoticed by an object.
const AFTER_A_FAULT: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(2) };

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
    /// Where results are told.
    pub reporter: Reporter,
    /// What is remembered of objects.
    pub memories: Memories,
    /// Which object manages which throughput.
    pub claims: Claims,
    /// What is measured.
    pub metrics: Arc<Metrics>,
}

/// A pass over an object. It is called for one object at a time.
///
/// # Errors
/// When Kubernetes does not take what is to be told; the pass is then made again.
pub async fn reconcile(object: Arc<Watched>, context: Arc<Context>) -> Result<Action, ReportError> {
    if object.meta().deletion_timestamp.is_some() {
        // Somebody else's finalizer keeps it for now. Nothing is changed at AWS for an object that is on its way out.
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let subject = Subject {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
    };
    let mut memory = context.memories.recall(&subject.uid);
    let generation = object.meta().generation;
    let watched = object.0.as_ref().ok().and_then(|object| object.status.as_ref());
    let prior = memory.newest(object.meta().resource_version.as_deref(), watched).cloned().unwrap_or_default();
    let mut pass = Pass { context: &context, subject: &subject, memory: &mut memory, generation, prior };
    let result = pass.run(&object).await;
    context.memories.keep(&subject.uid, memory.clone());
    let took = begun.elapsed();
    match result {
        Ok((headline, wake)) => {
            context.metrics.reconciled(headline, took);
            Ok(wake)
        }
        Err(ReportError::Gone) => {
            // It may have gone while the pass was at work, after it was forgotten.
            context.metrics.forget(&subject.namespace, &subject.name);
            tracing::debug!(namespace = subject.namespace, name = subject.name, "the object is gone");
            Ok(Action::await_change())
        }
        Err(error) => {
            memory.failures = memory.failures.saturating_add(1);
            context.memories.keep(&subject.uid, memory);
            context.metrics.failed_to_reconcile(took);
            Err(error)
        }
    }
}

/// When a pass that failed is made again.
#[allow(clippy::needless_pass_by_value, reason = "the signature of an error policy")]
pub fn after_an_error(object: Arc<Watched>, error: &ReportError, context: Arc<Context>) -> Action {
    let failures = context.memories.recall(&object.uid().unwrap_or_default()).failures;
    let pause = AFTER_A_FAULT.pause(failures.saturating_sub(1), None);
    tracing::warn!(
        namespace = object.namespace(), name = object.name_any(), %error, retry_in = ?pause,
        "Kubernetes did not take what was to be told"
    );
    Action::requeue(pause)
}

/// Tells of the calls that were accepted and not looked after yet, because the process ends.
pub async fn tell_the_rest(context: &Context) {
    let untold = context.memories.untold();
    let told = untold.iter().map(async |(Untold { call, subject }, status)| {
        let Subject { namespace, name, uid: _ } = subject;
        match context.reporter.write(subject, &with_accepted(status, call)).await {
            Ok(_) => context.metrics.wrote_status(),
            Err(error) => {
                tracing::warn!(namespace, name, %error, "an accepted update could not be told of before the end");
            }
        }
    });
    future::join_all(told).await;
}

/// Publishes the event of a pass, if there is one. It is worth a try, and no more: the status has it all.
async fn publish(context: &Context, subject: &Subject, notice: Option<Notice>, now: Timestamp) {
    let Some(notice) = notice else { return };
    if let Err(error) = context.reporter.publish(subject, &notice, now).await {
        let Subject { namespace, name, uid: _ } = subject;
        tracing::warn!(namespace, name, reason = notice.reason, %error, "an event could not be published");
    }
}

/// What is left of a pass whose status has been written.
struct Written {
    headline: Reason,
    action: Action,
    notice: Option<Notice>,
    live: Option<Live>,
}

struct Pass<'a> {
    context: &'a Context,
    subject: &'a Subject,
    memory: &'a mut Memory,
    generation: Option<i64>,
    prior: ProvisionedThroughputStatus,
}

impl Pass<'_> {
    async fn run(&mut self, object: &Watched) -> Result<(Reason, Action), ReportError> {
        let claimant = claimant(object, self.subject);
        let desired = match desired(object, &self.prior, &self.context.defaults) {
            Ok(desired) => desired,
            Err(invalid) => {
                self.context.claims.claim(&claimant, None);
                return self.tell(None, Verdict::Invalid(&invalid), None).await;
            }
        };
        if desired.suspend {
            return self.tell(Some(&desired), Verdict::Suspended, None).await;
        }
        let history = self.history();
        let demand = self.demand(&desired, &history);
        let look = self.context.sources.observe(&desired, &history, demand, self.context.read_lag).await;
        let observed = match look {
            Ok(observed) => observed,
            Err(fault) => {
                return self.tell(Some(&desired), Verdict::Blind(&fault), fault.retry_after).await;
            }
        };
        if let Sighting::Found(throughput) = &observed.throughput
            && let Some(holder) = self.context.claims.bind(&claimant, &desired, throughput)
        {
            let holder = format!("{}/{}", holder.namespace, holder.name);
            return self.tell(Some(&desired), Verdict::Rival { holder: &holder }, None).await;
        }
        let plan = plan(&Situation {
            desired: &desired,
            observed: &observed,
            history: &history,
            read_lag: self.context.read_lag,
        });
        match (&plan, &observed.throughput) {
            (Plan::Update(update), Sighting::Found(throughput)) => {
                self.send(&desired, &observed, throughput, update).await
            }
            (
                Plan::Update(_)
                | Plan::Nothing
                | Plan::Wait { .. }
                | Plan::Settle { .. }
                | Plan::Refuse { .. }
                | Plan::Leave { .. },
                _,
            ) => {
                self.tell(Some(&desired), Verdict::Seen { observed: &observed, plan: &plan, history: &history }, None)
                    .await
            }
        }
    }

    /// Writes down that the call is sent, sends it, and leaves it to the next look to tell what came of it.
    async fn send(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        throughput: &Throughput,
        update: &Update,
    ) -> Result<(Reason, Action), ReportError> {
        if self.context.ending.load(Ordering::Relaxed) {
            // The next process makes the call.
            return Ok((Reason::Updating, Action::await_change()));
        }
        let sent_at = Timestamp::now();
        let written = self.write(Some(desired), Verdict::Sending { observed, update, sent_at }, None).await?;
        // From here on the status tells of this call, and of none before it.
        (self.memory.accepted, self.memory.unanswered, self.memory.follows) = (None, None, 0);
        if written.live.is_some_and(|live| live.is_going || live.generation != self.generation) {
            return self.overtaken().await;
        }
        let Subject { namespace, name, uid: _ } = self.subject;
        // The event need not be there before the call.
        let (answer, ()) = future::join(
            act::update(self.context.bedrock.as_ref(), &desired.region, &throughput.arn, update),
            publish(self.context, self.subject, written.notice, sent_at),
        )
        .await;
        let over_at = Timestamp::now();
        match answer {
            Ok(accepted) => {
                tracing::info!(
                    namespace, name, generation = self.generation, arn = %throughput.arn, request = %update.request, from = %update.from,
                    request_id = accepted.request_id, "AWS accepted the update"
                );
                self.context.metrics.updated(namespace, name);
                let call = LastCall {
                    sent_at,
                    over_at,
                    generation: self.generation,
                    request: update.request.clone(),
                    from: update.from.clone(),
                    cause: update.cause,
                    answer: Answer::Accepted { request_id: accepted.request_id },
                };
                self.memory.accepted = Some(Untold { call, subject: self.subject.clone() });
                Ok((Reason::Updating, self.follow(Timestamp::now())))
            }
            Err(fault) => {
                self.memory.unanswered = Some(over_at);
                let verdict = Verdict::CallFailed { observed, update, fault: &fault, sent_at };
                self.tell(Some(desired), verdict, fault.retry_after).await
            }
        }
    }

    /// The manifest was changed, or the object deleted, while the pass was at work for it: the call that was announced is not sent.
    async fn overtaken(&mut self) -> Result<(Reason, Action), ReportError> {
        let mut status = self.prior.clone();
        if let Some(plan) = &mut status.plan {
            (plan.sent_at, plan.waiting_for) = (None, WaitingFor::Retry);
        }
        let live = self.context.reporter.write(self.subject, &status).await?;
        self.context.metrics.wrote_status();
        self.memory.written = Some((live.resource_version, status.clone()));
        self.prior = status;
        // The watch brings the new manifest; this is for the case that it has brought it already.
        Ok((Reason::Updating, Action::requeue(Duration::from_secs(1))))
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
        let changed = self.prior.observed_generation != self.generation || desired.requested.is_some();
        let noticed = changed.then(|| {
            let same = self
                .memory
                .noticed
                .take()
                .filter(|noticed| noticed.generation == self.generation && noticed.requested == desired.requested);
            let at = same.map_or(now, |noticed| noticed.at);
            self.memory.noticed =
                Some(Noticed { generation: self.generation, requested: desired.requested.clone(), at });
            at
        });
        let due = self.memory.next_look.filter(|next| *next <= now);
        let not_before = match (noticed, due) {
            (Some(noticed), due) => due.map_or(noticed, |due| due.max(noticed)),
            (None, Some(due)) => due,
            // A pass before its time, or the first of this process: what was seen within an interval is new enough.
            (None, None) => schedule::minus(now, desired.interval),
        };
        // While AWS is at work on a call, the model was looked at for it.
        let undecided = history.last_call.is_none() && !history.synced;
        Demand { not_before, closely: changed || undecided }
    }

    /// Tells the result of the pass, if it is another than before.
    async fn tell(
        &mut self,
        desired: Option<&Desired>,
        verdict: Verdict<'_>,
        retry_after: Option<Duration>,
    ) -> Result<(Reason, Action), ReportError> {
        let Written { headline, action, notice, live: _ } = self.write(desired, verdict, retry_after).await?;
        publish(self.context, self.subject, notice, Timestamp::now()).await;
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
        let Outcome { status, notice, wake, headline } = told;
        let Subject { namespace, name, uid: _ } = self.subject;
        self.context.metrics.show(namespace, name, &status.conditions);
        let mut live = None;
        if status != self.prior {
            let reporter = &self.context.reporter;
            let written = match verdict {
                Verdict::Invalid(InvalidSpec::Unreadable(_)) => {
                    reporter.write_conditions(self.subject, &status).await?
                }
                _ => reporter.write(self.subject, &status).await?,
            };
            self.context.metrics.wrote_status();
            self.memory.written = Some((written.resource_version.clone(), status.clone()));
            live = Some(written);
            if status.plan.as_ref().is_none_or(|plan| plan.sent_at.is_none()) {
                self.memory.accepted = None;
            }
            self.prior = status;
        }
        if let Some(cause) = notice.as_ref().and_then(|notice| notice.ends) {
            self.context.metrics.served(namespace, name, cause);
        }
        let looked_at = verdict.observed().map_or(now, |observed| observed.looked_at);
        Ok(Written { headline, action: self.wake(wake, desired, looked_at, retry_after), notice, live })
    }

    fn wake(
        &mut self,
        wake: Wake,
        desired: Option<&Desired>,
        looked_at: Timestamp,
        retry_after: Option<Duration>,
    ) -> Action {
        let interval = desired.map_or(self.context.defaults.interval, |desired| desired.interval);
        match wake {
            Wake::Interval => {
                self.rest();
                let now = Timestamp::now();
                self.come_back(schedule::after_an_interval(looked_at, interval, self.context.phase, now, random()))
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
                Action::requeue(pause)
            }
            Wake::OnChange => {
                self.rest();
                self.memory.next_look = None;
                Action::await_change()
            }
        }
    }

    fn rest(&mut self) {
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
        Action::requeue(pause)
    }

    /// One line for each decision; the usual one, that all is as it was, only for debugging.
    fn log(&self, told: &Outcome, verdict: Verdict<'_>) {
        let Subject { namespace, name, uid: _ } = self.subject;
        let Outcome { status, notice, wake, headline } = told;
        let detail = status.conditions.first().map(|ready| ready.message.as_str());
        let request_id = match verdict.fault() {
            Some(fault) => fault.request_id.clone(),
            None => status.last_update.as_ref().and_then(|update| update.request_id.clone()),
        };
        let warns = notice.as_ref().is_some_and(|notice| notice.severity == Severity::Warning);
        let (generation, arn, decision) = (self.generation, status.provisioned_model_arn.as_deref(), decision(verdict));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    namespace,
                    name,
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
        Verdict::Blind(_) => "blind",
        Verdict::Sending { .. } => "update",
        Verdict::CallFailed { .. } => "failed",
        Verdict::Seen { plan, .. } => match plan {
            Plan::Nothing => "nothing",
            Plan::Wait { .. } => "wait",
            Plan::Settle { .. } => "settle",
            Plan::Refuse { .. } => "refuse",
            Plan::Leave { .. } => "leave",
            Plan::Update(_) => "update",
        },
    }
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
