//! Lines on standard error that show a long step is alive.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How often a long step says where it is.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Says on standard error, at most once an interval, how long a step runs and what it does.
#[derive(Debug)]
pub struct Progress {
    name: String,
    interval: Duration,
    begin: Instant,
    said: Instant,
}

impl Progress {
    /// Starts the clock of the step `name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self::every(name, INTERVAL)
    }

    /// As [`Progress::new`], with another interval than [`INTERVAL`].
    #[must_use]
    pub fn every(name: impl Into<String>, interval: Duration) -> Self {
        let now = Instant::now();
        Self { name: name.into(), interval, begin: now, said: now }
    }

    /// The time since the step began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Says something now.
    pub fn say(&mut self, what: &str) {
        self.said = Instant::now();
        say(&format!("[{}] {} {what}", self.name, human(self.elapsed())));
    }

    /// Says something when the last line is an interval old. `what` is only asked for then.
    pub fn tick(&mut self, what: impl FnOnce() -> String) {
        if self.said.elapsed() >= self.interval {
            self.say(&what());
        }
    }
}

/// Writes one line to standard error. That nobody reads it any more is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A duration for people: `4.2s`, `1m05s`, `1h02m`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        assert_eq!(human(Duration::from_millis(4230)), "4.2s");
        assert_eq!(human(Duration::from_secs(65)), "1m05s");
        assert_eq!(human(Duration::from_secs(3725)), "1h02m");
    }
}
