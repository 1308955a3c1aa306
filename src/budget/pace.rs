//! How fast calls of one kind may follow each other in a region.

use std::time::Duration;

use jiff::Timestamp;

use super::seconds;
use crate::schedule::plus;

/// How many calls may be out at the same time at first.
const FIRST_WINDOW: usize = 4;
/// Each call that AWS takes lets one more be out, up to so many: beyond, something else is the limit.
const LARGEST_WINDOW: usize = 32;
/// The least that a pace is cut to, in calls a second.
const LEAST_RATE: f64 = 0.2;
/// A pace that has grown to this many calls a second is given up.
const MOST_RATE: f64 = 200.0;
/// What is left of a pace after a refusal (RFC 9438, section 4.6).
const CUT: f64 = 0.7;
/// How long a pace takes to come back to that at which AWS refused, in seconds.
const RECOVERY: f64 = 30.0;
/// From so many calls a second on, a second of them tells what AWS lets through.
const MEASURABLE: f64 = 5.0;

/// The pace of calls.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// The most calls a second that a person allows.
    limit: Option<f64>,
    bound: Bound,
    /// No call before this: AWS asked for it.
    not_before: Timestamp,
    /// Calls that AWS took in the second that began at the time, and in the second before.
    taken: (Timestamp, f64, f64),
}

#[derive(Debug, Clone)]
enum Bound {
    /// By how many may be out at the same time: AWS has refused none so far.
    Window(usize),
    /// By how many may be sent a second.
    Rate(Rate),
}

#[derive(Debug, Clone)]
struct Rate {
    /// Calls a second.
    calls: f64,
    /// Calls that may be sent now; below zero after those that did not wait.
    tokens: f64,
    at: Timestamp,
    /// The rate at which AWS refused, and when; or the limit.
    ceiling: f64,
    since: Timestamp,
}

impl Pace {
    pub(super) fn new(limit: Option<f64>, now: Timestamp) -> Self {
        let bound = match limit {
            None => Bound::Window(FIRST_WINDOW),
            Some(limit) => {
                Bound::Rate(Rate { calls: limit, tokens: limit.max(1.0), at: now, ceiling: limit, since: now })
            }
        };
        Self { limit, bound, not_before: Timestamp::MIN, taken: (now, 0.0, 0.0) }
    }

    /// Calls a second, where that is the bound.
    pub(super) fn rate(&self) -> Option<f64> {
        match &self.bound {
            Bound::Window(_) => None,
            Bound::Rate(rate) => Some(rate.calls),
        }
    }

    /// About how many calls a second are made.
    pub(super) fn throughput(&self, now: Timestamp) -> f64 {
        self.rate().unwrap_or_else(|| self.took(now)).max(LEAST_RATE)
    }

    /// Whether another may have a turn beside so many.
    pub(super) fn admits(&self, turns: usize) -> bool {
        match &self.bound {
            Bound::Window(window) => turns < *window,
            Bound::Rate(_) => turns < LARGEST_WINDOW,
        }
    }

    /// Whether a call may be sent beside those that are reserved.
    pub(super) fn has(&mut self, reserved: usize, now: Timestamp) -> bool {
        self.pause(reserved, now).is_zero()
    }

    /// How long until a call may be sent beside those that are reserved.
    pub(super) fn pause(&mut self, reserved: usize, now: Timestamp) -> Duration {
        let asked = Duration::try_from(self.not_before.duration_since(now)).unwrap_or_default();
        match &mut self.bound {
            Bound::Window(_) => asked,
            Bound::Rate(rate) => asked.max(rate.pause(reserved, now)),
        }
    }

    /// Sends a call, if that may be with so many that are out.
    pub(super) fn send(&mut self, out: usize, now: Timestamp) -> Result<(), Duration> {
        /// How long until one that is out may have come back: nobody knows.
        const A_MOMENT: Duration = Duration::from_millis(20);
        let pause = self.pause(0, now);
        if !pause.is_zero() {
            return Err(pause);
        }
        match &mut self.bound {
            Bound::Window(window) if out >= *window => Err(A_MOMENT),
            Bound::Window(_) => Ok(()),
            Bound::Rate(rate) => {
                rate.tokens -= 1.0;
                Ok(())
            }
        }
    }

    /// A call is sent all the same.
    pub(super) fn overdraw(&mut self, now: Timestamp) {
        match &mut self.bound {
            Bound::Window(_) => {}
            Bound::Rate(rate) => {
                rate.refill(now);
                rate.tokens -= 1.0;
            }
        }
    }

    /// AWS took a call.
    pub(super) fn taken(&mut self, now: Timestamp) {
        let (began, current, _) = self.taken;
        let since = seconds(began, now);
        self.taken = if since < 1.0 {
            (began, current + 1.0, self.taken.2)
        } else if since < 2.0 {
            (now, 1.0, current)
        } else {
            (now, 1.0, 0.0)
        };
        match &mut self.bound {
            Bound::Window(window) => *window = (*window + 1).min(LARGEST_WINDOW),
            Bound::Rate(rate) => {
                rate.grow(now);
                match self.limit {
                    Some(limit) => rate.calls = rate.calls.min(limit),
                    None if rate.calls >= MOST_RATE => self.bound = Bound::Window(FIRST_WINDOW),
                    None => {}
                }
            }
        }
    }

    /// AWS refused a call because there were too many.
    pub(super) fn throttled(&mut self, sent_at: Timestamp, retry_after: Option<Duration>, now: Timestamp) {
        self.not_before = self.not_before.max(plus(now, retry_after.unwrap_or_default()));
        let took = self.took(now);
        let ceiling = match &self.bound {
            // What AWS took at once it may have saved up for.
            Bound::Window(_) => took.max(1.0),
            // That call was out when the pace was cut last.
            Bound::Rate(rate) if sent_at <= rate.since => return,
            Bound::Rate(rate) if rate.calls >= MEASURABLE => rate.calls.min(took.max(1.0)),
            Bound::Rate(rate) => rate.calls,
        };
        let calls = (ceiling * CUT).max(LEAST_RATE).min(self.limit.unwrap_or(f64::MAX));
        self.bound = Bound::Rate(Rate { calls, tokens: 0.0, at: now, ceiling, since: now });
    }

    /// The calls that AWS took in a second of late.
    fn took(&self, now: Timestamp) -> f64 {
        let (began, current, before) = self.taken;
        let since = seconds(began, now);
        if since < 1.0 { before.max(current) } else { current / since }
    }
}

impl Rate {
    fn refill(&mut self, now: Timestamp) {
        let elapsed = seconds(self.at, now).max(0.0);
        self.at = now;
        // No more than the calls of a second at once, and always one.
        self.tokens = (self.tokens + elapsed * self.calls).min(self.calls.max(1.0));
    }

    fn pause(&mut self, reserved: usize, now: Timestamp) -> Duration {
        /// Sums of fractions come out a little short.
        const ROUNDING: f64 = 1e-6;
        self.refill(now);
        let reserved = u32::try_from(reserved).map_or(f64::MAX, f64::from);
        let missing = 1.0 + reserved - self.tokens;
        if missing <= ROUNDING {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing / self.calls).unwrap_or(Duration::MAX)
    }

    fn grow(&mut self, now: Timestamp) {
        self.refill(now);
        let growth = self.ceiling * (1.0 - CUT) * ((seconds(self.since, now) - RECOVERY) / RECOVERY).powi(3);
        self.calls = self.calls.max(self.ceiling + growth);
    }
}
