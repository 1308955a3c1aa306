//! When to look again: at times that objects share, so that one look serves them all.
//!
//! Looks fall on beats: the multiples of a duration since the Unix epoch, shifted by a phase that the process draws once, so that
//! operators do not all look at the full minute. Two objects with the same interval are due at the same time, however far apart they
//! were made, and every shorter beat that doubles into a longer one falls on it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The pause before the first look at what AWS was just asked for: a rename is done in a moment.
const FIRST_FOLLOW: Duration = Duration::from_millis(500);
/// What the pause grows by with each look that finds AWS still at work.
const GROWTH: f64 = 1.5;
/// The longest pause between looks at what AWS is at work on: a new model takes minutes.
const LONGEST_FOLLOW: Duration = Duration::from_secs(30);
/// Beats are kept apart by this part of them at the most, so that a large fleet does not wake in one instant.
const SPREAD: u32 = 50;
/// The longest that an object is kept back for that.
const LONGEST_SPREAD: Duration = Duration::from_secs(2);

/// A look that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The look is begun at this time or later.
    pub not_before: Timestamp,
    /// How long from now until the object comes back.
    pub pause: Duration,
}

impl Due {
    /// The same, or at `until` if that is earlier.
    #[must_use]
    pub fn at_the_latest(self, until: Timestamp, now: Timestamp) -> Self {
        let pause = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        if until < self.not_before { Self { not_before: until, pause } } else { self }
    }
}

/// The next look for drift, after one that was begun at `seen`. `draw`, from 0 to 1, spreads the objects.
#[must_use]
pub fn after_an_interval(seen: Timestamp, interval: Duration, phase: Duration, now: Timestamp, draw: f64) -> Due {
    due(seen.max(now), interval, phase, now, draw)
}

/// The next look at what AWS has been at work on since `since`, after `looks` of them.
#[must_use]
pub fn following(since: Timestamp, looks: u32, phase: Duration, now: Timestamp, draw: f64) -> Due {
    // Past the twentieth the pause is the longest anyway.
    let growth = GROWTH.powi(i32::try_from(looks.min(20)).unwrap_or(20));
    let pause = FIRST_FOLLOW.mul_f64(growth).min(LONGEST_FOLLOW);
    due(plus(since, pause), beat(pause), phase, now, draw)
}

/// A time, and a duration later.
#[must_use]
pub fn plus(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A time, and a duration earlier.
#[must_use]
pub fn minus(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_sub(duration).ok())
        .unwrap_or(Timestamp::MIN)
}

fn due(earliest: Timestamp, beat: Duration, phase: Duration, now: Timestamp, draw: f64) -> Due {
    let not_before = next_beat(earliest, beat, phase);
    let remaining = Duration::try_from(not_before.duration_since(now)).unwrap_or_default();
    Due { not_before, pause: remaining + (beat / SPREAD).min(LONGEST_SPREAD).mul_f64(draw) }
}

/// The time between looks that objects share: half a second times the power of two that fits into a pause.
fn beat(pause: Duration) -> Duration {
    let halves = u32::try_from(pause.as_millis() / FIRST_FOLLOW.as_millis()).unwrap_or(u32::MAX).max(1);
    FIRST_FOLLOW * (1 << halves.ilog2())
}

/// The first beat after `time`.
fn next_beat(time: Timestamp, beat: Duration, phase: Duration) -> Timestamp {
    let nanoseconds = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    let (beat, phase) = (nanoseconds(beat).max(1), nanoseconds(phase));
    let past = time.as_nanosecond().saturating_sub(phase).rem_euclid(beat);
    Timestamp::from_nanosecond(time.as_nanosecond().saturating_add(beat - past)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(seconds)
    }

    #[test]
    fn objects_with_the_same_interval_look_together() {
        let (interval, phase) = (Duration::from_mins(5), Duration::from_secs(17));
        for seen in [17.0, 18.0, 316.9] {
            let due = after_an_interval(at(seen), interval, phase, at(seen), 0.0);
            assert_eq!(due, Due { not_before: at(317.0), pause: Duration::from_secs_f64(317.0 - seen) });
        }
        assert_eq!(after_an_interval(at(317.0), interval, phase, at(317.0), 0.0).not_before, at(617.0));
    }

    #[test]
    fn a_date_may_come_before_the_interval_is_over() {
        let due = Due { not_before: at(300.0), pause: Duration::from_mins(5) };
        assert_eq!(due.at_the_latest(at(60.0), at(0.0)), Due { not_before: at(60.0), pause: Duration::from_mins(1) });
        assert_eq!(due.at_the_latest(at(600.0), at(0.0)), due);
        assert_eq!(due.at_the_latest(at(60.0), at(70.0)).pause, Duration::ZERO);
    }

    #[test]
    fn what_was_seen_long_ago_is_not_due_in_the_past() {
        let due = after_an_interval(at(0.0), Duration::from_secs(10), Duration::ZERO, at(1000.0), 1.0);
        assert_eq!(due, Due { not_before: at(1010.0), pause: Duration::from_millis(10_200) });
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let pause = |looks| following(at(1000.0), looks, Duration::ZERO, at(1000.0), 0.0).pause.as_secs_f64();
        assert!((0.5..=1.0).contains(&pause(0)), "{}", pause(0));
        assert!((30.0..=46.0).contains(&pause(20)), "{}", pause(20));
        assert!((30.0..=46.0).contains(&pause(u32::MAX)), "{}", pause(u32::MAX));
    }

    #[test]
    fn shorter_beats_fall_on_longer_ones() {
        let beats = [500, 750, 1100, 2900, 7600, 30_000].map(|pause| beat(Duration::from_millis(pause)).as_millis());
        assert_eq!(beats, [500, 500, 1000, 2000, 4000, 16_000]);
    }

    #[test]
    fn a_beat_is_always_later() {
        for beat in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            assert!(next_beat(at(5.0), beat, Duration::from_secs(3)) > at(5.0), "{beat:?}");
        }
    }
}
