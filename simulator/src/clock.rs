//! The time in the simulated AWS.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "mode")]
pub enum Clock {
    /// The machine's time, ahead of it by what it was advanced.
    Real {
        /// How far ahead.
        #[serde(skip)]
        ahead: SignedDuration,
    },
    /// A time that stands still until it is advanced.
    Manual {
        /// The time.
        now: Timestamp,
    },
}

impl Default for Clock {
    fn default() -> Self {
        Self::Real { ahead: SignedDuration::ZERO }
    }
}

impl Clock {
    /// A clock that stands still at `now`.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual { now }
    }

    /// The time in the simulated AWS, where the machine's is `machine`.
    #[must_use]
    pub fn now(&self, machine: Timestamp) -> Timestamp {
        match self {
            Self::Real { ahead } => machine.checked_add(*ahead).unwrap_or(Timestamp::MAX),
            Self::Manual { now } => *now,
        }
    }

    /// Moves the time forward.
    pub fn advance(&mut self, by: SignedDuration) {
        match self {
            Self::Real { ahead } => *ahead = ahead.saturating_add(by),
            Self::Manual { now } => *now = now.checked_add(by).unwrap_or(Timestamp::MAX),
        }
    }
}
