//! Pauses that grow with each failure in a row, with jitter and a cap.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

/// The pauses of one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure, before jitter.
    pub first: Duration,
    /// The longest pause, before jitter.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after `before` earlier failures in a row: doubled each time up to the cap, then spread by a fifth either way so that
    /// what failed together is not tried again together. Never shorter than `at_least`, which the other side asked for.
    #[must_use]
    pub fn pause(self, before: u32, at_least: Option<Duration>) -> Duration {
        let pause = self.first.saturating_mul(1_u32.checked_shl(before.min(31)).unwrap_or(u32::MAX)).min(self.cap);
        spread(pause).max(at_least.unwrap_or_default().min(AT_LEAST_CAP))
    }
}

/// A server that asks for a longer pause than this is not believed.
const AT_LEAST_CAP: Duration = Duration::from_mins(15);

/// A duration, spread by a fifth either way.
#[must_use]
pub fn spread(duration: Duration) -> Duration {
    duration.mul_f64(0.8 + 0.4 * random())
}

/// A number from 0 to below 1. It spreads load and protects nothing, so the seed of the standard library's hasher does.
#[must_use]
pub fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(1) };

    #[test]
    fn pauses_double_up_to_the_cap() {
        for (before, seconds) in [(0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0), (31, 60.0), (u32::MAX, 60.0)] {
            let pause = BACKOFF.pause(before, None).as_secs_f64();
            assert!((seconds * 0.8..=seconds * 1.2).contains(&pause), "{before}: {pause}");
        }
    }

    #[test]
    fn the_other_side_can_ask_for_longer_within_reason() {
        assert_eq!(BACKOFF.pause(0, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(BACKOFF.pause(0, Some(Duration::MAX)), AT_LEAST_CAP);
    }

    #[test]
    fn the_jitter_differs_from_one_time_to_the_next() {
        let drawn: Vec<f64> = (0..8).map(|_| random()).collect();
        assert!(drawn.windows(2).any(|pair| (pair[0] - pair[1]).abs() > f64::EPSILON), "{drawn:?}");
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)), "{drawn:?}");
    }
}
