//! The budget of calls as all passes and calls share it: who may call now, who waits, and who is called next.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    bedrock::{Fault, FaultKind},
    budget::{Answer, Budget, Ended, Kind, Level, Limits, Place},
    controller::Wakes,
    identifiers::Region,
    report::Subject,
};

/// The one budget of the process.
#[derive(Debug)]
pub struct Turns {
    budget: Mutex<Budget<Subject>>,
    /// Told when a turn may have become free.
    changed: Notify,
}

/// The right of an object to make calls of one kind until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    region: Region,
    kind: Kind,
    subject: &'a Subject,
}

impl Turns {
    /// Nothing has been sent yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { budget: Mutex::new(Budget::new(limits)), changed: Notify::new() }
    }

    /// Asks for a turn.
    ///
    /// # Errors
    /// The place in the queue. The object is woken when its turn comes, by [`Turns::hand_out`].
    pub fn take<'a>(&'a self, region: &Region, kind: Kind, subject: &'a Subject) -> Result<Turn<'a>, Place> {
        match self.budget().ask(region, kind, &subject.namespace, subject, Timestamp::now()) {
            Answer::Go => Ok(Turn { turns: self, region: region.clone(), kind, subject }),
            Answer::Wait(place) => {
                // Time alone may bring its turn.
                self.changed.notify_one();
                Err(place)
            }
        }
    }

    /// The object wants no call any more.
    pub fn forget(&self, subject: &Subject) {
        self.budget().forget(subject);
    }

    /// Waits until a call may be sent, and counts it. It has ended when [`Turns::ended`] is told so.
    pub async fn send(&self, region: &Region, kind: Kind, at_once: bool) -> Timestamp {
        loop {
            let now = Timestamp::now();
            let may = self.budget().send(region, kind, at_once, now);
            match may {
                Ok(()) => return now,
                Err(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// A call that was sent at `sent_at` has ended.
    pub fn ended(&self, region: &Region, kind: Kind, sent_at: Timestamp, fault: Option<&Fault>) {
        let how = match fault.map(|fault| (&fault.kind, fault.retry_after)) {
            Some((FaultKind::Throttled, retry_after)) => Ended::Throttled(retry_after),
            Some((
                FaultKind::Internal
                | FaultKind::Timeout
                | FaultKind::Connection
                | FaultKind::InvalidResponse
                | FaultKind::CredentialsMissing,
                _,
            )) => Ended::Unanswered,
            None
            | Some((
                FaultKind::AccessDenied
                | FaultKind::NotFound
                | FaultKind::Refused
                | FaultKind::Conflict
                | FaultKind::QuotaExceeded
                | FaultKind::CredentialsRejected,
                _,
            )) => Ended::Taken,
        };
        self.budget().ended(region, kind, how, sent_at, Timestamp::now());
        self.changed.notify_one();
    }

    /// How each part of the budget stands.
    pub fn levels(&self) -> Vec<Level> {
        self.budget().levels().collect()
    }

    /// Wakes those whose turn has come, without end.
    pub async fn hand_out(&self, wakes: &Wakes) {
        /// What nobody waits for is not looked for.
        const NEVER: Duration = Duration::from_hours(24);
        loop {
            let (next, pause) = self.budget().next_turns(Timestamp::now());
            for Subject { namespace, name, uid: _ } in &next {
                wakes.send(namespace, name);
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause.unwrap_or(NEVER)) => {}
            }
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget<Subject>> {
        // A poisoned lock means that a thread panicked between two changes of plain numbers and queues; the worst is a turn too many or too
        // few, which comes back after a while.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Self { turns, region, kind, subject } = self;
        turns.budget().done(region, *kind, subject);
        turns.changed.notify_one();
    }
}
