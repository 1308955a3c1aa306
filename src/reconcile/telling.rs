//! What a pass came to, told: the status, events, a line of the log, and when the object comes back.

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::{AFTER_A_FAULT, Context, Pass};
use crate::{
    backoff::random,
    calls::{Call, Change},
    conditions::Reason,
    desired::{Desired, InvalidSpec},
    outcome::{Notice, Outcome, Severity, Verdict, Wake, outcome},
    plan::Plan,
    report::{ReportError, Subject},
    schedule::{self, Due},
};

/// The pause before a pass that could not be carried through is made again: what it waits for comes at once.
const AGAIN_SOON: Duration = Duration::from_millis(500);

/// What is left of a pass whose status has been written.
pub(super) struct Written {
    pub(super) headline: Reason,
    pub(super) action: Action,
    pub(super) notices: Vec<Notice>,
}

/// Publishes the events of a pass. It is worth a try, and no more: the status has it all.
pub(super) async fn publish(context: &Context, subject: &Subject, notices: Vec<Notice>) {
    for notice in notices {
        if let Err(error) = context.reporter.publish(subject, &notice, Timestamp::now()).await {
            tracing::warn!(reason = notice.reason, %error, "an event could not be published");
        }
    }
}

impl Pass<'_> {
    /// Tells the result of the pass, if it is another than before.
    pub(super) async fn tell(
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
    pub(super) async fn write(
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
        self.memory.turn_at = match verdict {
            Verdict::Queued { turn_at, .. } => Some(turn_at),
            Verdict::Invalid(_)
            | Verdict::Rival { .. }
            | Verdict::Suspended
            | Verdict::FinalizerFailed(_)
            | Verdict::Blind(_)
            | Verdict::Seen { .. }
            | Verdict::Sending { .. }
            | Verdict::Bought { .. }
            | Verdict::CallFailed { .. } => None,
        };
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

    pub(super) fn rest(&mut self) {
        self.context.traces.end(&self.subject.uid);
        self.memory.follows = 0;
        self.memory.failures = 0;
    }

    pub(super) fn follow(&mut self, since: Timestamp) -> Action {
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
    pub(super) fn again_soon(&self) -> (Reason, Action) {
        (Reason::Updating, self.requeue(AGAIN_SOON))
    }

    pub(super) fn requeue(&self, pause: Duration) -> Action {
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
