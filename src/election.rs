//! Who leads: the decisions of an election over a Kubernetes Lease, as client-go makes them.
//!
//! The times that stand in a Lease are of other processes' clocks, and are never compared with the own one: a Lease that somebody holds has
//! ended when it has not changed for its duration, measured by the own monotonic clock since it was first seen as it is. The one assumption
//! is that clocks run at about the same speed.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The durations of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long the others wait after the last renewal that they saw.
    lease_duration: Duration,
    /// How long after the start of the last renewal that was accepted the leader acts.
    renew_deadline: Duration,
    /// The pause between two renewals, or two looks of one that stands by.
    retry_period: Duration,
}

/// Durations with which two could lead at a time, or none for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// A Lease has whole seconds.
    #[error(
        "--leader-elect-lease-duration {0:?} is not in whole seconds from 1s to 24h, which a Lease cannot tell the others: write, for example, 15s"
    )]
    LeaseDuration(Duration),
    /// The leader has to stop before the others may begin.
    #[error(
        "--leader-elect-renew-deadline {renew_deadline:?} has to be shorter than --leader-elect-lease-duration {lease_duration:?}: a leader that cannot renew its lease ends before another may take over"
    )]
    RenewDeadline {
        /// What was given.
        renew_deadline: Duration,
        /// What was given.
        lease_duration: Duration,
    },
    /// One renewal at least has to fit.
    #[error(
        "--leader-elect-retry-period {retry_period:?} has to be longer than 0s and shorter than --leader-elect-renew-deadline {renew_deadline:?}: a lease is renewed once a retry period"
    )]
    RetryPeriod {
        /// What was given.
        retry_period: Duration,
        /// What was given.
        renew_deadline: Duration,
    },
}

impl Timing {
    /// Checks durations.
    ///
    /// # Errors
    /// When an election with them would not be safe.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, InvalidTiming> {
        let is_whole = lease_duration.subsec_nanos() == 0;
        if !is_whole || lease_duration.is_zero() || lease_duration > Duration::from_hours(24) {
            return Err(InvalidTiming::LeaseDuration(lease_duration));
        }
        if renew_deadline >= lease_duration {
            return Err(InvalidTiming::RenewDeadline { renew_deadline, lease_duration });
        }
        if retry_period.is_zero() || retry_period >= renew_deadline {
            return Err(InvalidTiming::RetryPeriod { retry_period, renew_deadline });
        }
        Ok(Self { lease_duration, renew_deadline, retry_period })
    }
}

/// What a Lease says (type `coordination.k8s.io/v1.LeaseSpec`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody, where it was released.
    pub holder: Option<String>,
    /// How long the others wait after the last change that they saw.
    pub duration: Duration,
    /// How often it has gone from one to another.
    pub transitions: i32,
    /// When the holder got it, by its clock.
    pub acquired: Option<Timestamp>,
    /// When the holder renewed it, by its clock.
    pub renewed: Option<Timestamp>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time.
    Sleep(Instant),
    /// Read the Lease, and tell [`Election::read`].
    Read,
    /// Write the Lease over the version that was read or written last, or make it where there was none, and tell [`Election::written`] or
    /// [`Election::refused`].
    Write(Record),
    /// End, at once.
    Lose(Lost),
}

/// Why a leader leads no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The renew deadline has passed.
    #[error("it could not be renewed within {0:?} (--leader-elect-renew-deadline), and another may take it soon")]
    DeadlinePassed(Duration),
    /// Another holds it, which only a hand other than an operator's can have brought about.
    #[error("{0} holds it now")]
    Taken(String),
    /// Nobody holds it, which only a hand other than an operator's can have brought about.
    #[error("somebody has taken the holder out of it")]
    Cleared,
}

/// What is known of the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It has not been read, or something may have come between.
    Stale,
    /// There is none.
    Missing,
    /// It is as it was seen last.
    Present,
}

/// One process's part in an election.
#[derive(Debug, Clone)]
pub struct Election {
    identity: String,
    timing: Timing,
    known: Known,
    /// What the Lease said last, and since when it has said so, by the own clock.
    seen: Option<(Record, Instant)>,
    /// When the last renewal was begun that was accepted: this process leads.
    renewed: Option<Instant>,
    /// Nothing before this time.
    due: Option<Instant>,
}

impl Election {
    /// A candidate. `identity` must be another than that of any other process, past ones too.
    #[must_use]
    pub fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, known: Known::Stale, seen: None, renewed: None, due: None }
    }

    /// Until when this process may act; `None` where it does not lead.
    #[must_use]
    pub fn term_ends(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + self.timing.renew_deadline)
    }

    /// Who holds the Lease, by what was seen last.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|(record, _)| record.holder.as_deref())
    }

    /// How long an answer of the API server is waited for.
    #[must_use]
    pub fn patience(&self, now: Instant) -> Duration {
        let half = self.timing.renew_deadline / 2;
        self.term_ends().map_or(half, |ends| ends.saturating_duration_since(now).min(half))
    }

    /// What is to be done. `now` and `clock` are the same moment, by the monotonic clock and by the clock on the wall; the latter is written
    /// down for people.
    pub fn next(&mut self, now: Instant, clock: Timestamp) -> Step {
        if self.term_ends().is_some_and(|ends| now >= ends) {
            return Step::Lose(Lost::DeadlinePassed(self.timing.renew_deadline));
        }
        if let Some(due) = self.due.filter(|due| now < *due) {
            return Step::Sleep(self.term_ends().map_or(due, |ends| due.min(ends)));
        }
        match (&self.known, &self.seen) {
            (Known::Stale, _) | (Known::Present, None) => Step::Read,
            (Known::Missing, None) => Step::Write(self.claim(None, clock)),
            (Known::Missing, Some((record, _))) if self.renewed.is_some() => {
                // Deleted by hand, under the leader: the API server makes one for one process only.
                Step::Write(self.claim(Some(record), clock))
            }
            (Known::Present, Some((record, _))) if record.holder.as_deref() == Some(self.identity.as_str()) => {
                Step::Write(self.claim(Some(record), clock))
            }
            (Known::Present, Some((record, _))) if self.renewed.is_some() => {
                Step::Lose(record.holder.clone().map_or(Lost::Cleared, Lost::Taken))
            }
            (Known::Present | Known::Missing, Some((record, since))) => {
                // One that was deleted by hand counts as held for as long as if it were there.
                let ends = *since + record.duration;
                if record.holder.is_none() || now >= ends {
                    return Step::Write(self.claim(Some(record), clock));
                }
                let due = (now + self.timing.retry_period).min(ends);
                (self.due, self.known) = (Some(due), Known::Stale);
                Step::Sleep(due)
            }
        }
    }

    /// The Lease has been read.
    pub fn read(&mut self, found: Option<Record>, now: Instant) {
        match found {
            None => self.known = Known::Missing,
            Some(record) => {
                self.known = Known::Present;
                if self.seen.as_ref().is_none_or(|(seen, _)| *seen != record) {
                    self.seen = Some((record, now));
                }
            }
        }
    }

    /// A write that was begun at `begun` was accepted: this process leads.
    pub fn written(&mut self, record: Record, begun: Instant, now: Instant) {
        self.known = Known::Present;
        self.seen = Some((record, now));
        self.renewed = Some(begun);
        self.due = Some(begun + self.timing.retry_period);
    }

    /// A write was not accepted, because the Lease has changed.
    pub fn refused(&mut self, now: Instant) {
        self.known = Known::Stale;
        // Soon, and not in a loop without pauses, should it always be so.
        self.due = Some(now + self.timing.retry_period / 10);
    }

    /// No answer, or one that says nothing of the Lease. A write may have been carried out all the same.
    pub fn failed(&mut self, now: Instant) {
        self.known = Known::Stale;
        self.due = Some(now + self.timing.retry_period);
    }

    /// Whether the Lease has to be read before it is written.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.known == Known::Stale
    }

    /// What is to be written when this process leads no more of its own accord, so that the next one need not wait; `None` where it does not hold
    /// the Lease.
    #[must_use]
    pub fn release(&self, clock: Timestamp) -> Option<Record> {
        let (record, _) = self.seen.as_ref().filter(|_| self.known == Known::Present)?;
        let is_own = record.holder.as_deref() == Some(self.identity.as_str());
        is_own.then(|| Record {
            holder: None,
            // The shortest that there is.
            duration: Duration::from_secs(1),
            transitions: record.transitions,
            acquired: record.acquired,
            renewed: Some(after(record.renewed, clock)),
        })
    }

    /// The Lease as this process holds it.
    fn claim(&self, before: Option<&Record>, clock: Timestamp) -> Record {
        let own = before.filter(|record| record.holder.as_deref() == Some(self.identity.as_str()));
        let renewed = after(before.and_then(|record| record.renewed), clock);
        let transitions = match (before, own) {
            (None, _) => 0,
            (Some(before), Some(_)) => before.transitions,
            (Some(before), None) => before.transitions.saturating_add(1),
        };
        Record {
            holder: Some(self.identity.clone()),
            duration: self.timing.lease_duration,
            transitions,
            acquired: own.and_then(|record| record.acquired).or(Some(renewed)),
            renewed: Some(renewed),
        }
    }
}

/// The time of a renewal: the clock's, but another than before and later, so that each renewal is a change, whatever clocks say.
fn after(before: Option<Timestamp>, clock: Timestamp) -> Timestamp {
    let clock = Timestamp::from_microsecond(clock.as_microsecond()).unwrap_or(clock);
    match before {
        Some(before) if before == clock => {
            before.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(Timestamp::UNIX_EPOCH)
        }
        Some(_) | None => clock,
    }
}

#[cfg(test)]
mod tests;
