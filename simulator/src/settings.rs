//! Durations and sizes that AWS does not publish, and that a test wants to set.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A duration in seconds, which may have a fraction. Not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(SignedDuration);

impl Seconds {
    /// This many whole seconds.
    #[must_use]
    pub const fn new(seconds: u32) -> Self {
        Self(SignedDuration::from_secs(seconds as i64))
    }

    /// The duration.
    #[must_use]
    pub const fn duration(self) -> SignedDuration {
        self.0
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        match SignedDuration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_negative() => Ok(Self(duration)),
            _ => Err(format!("{seconds} is no number of seconds: it must be 0 or more")),
        }
    }
}

impl std::str::FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<f64>().map_err(|error| format!("{text:?}: {error}")).and_then(Self::try_from)
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.as_secs_f64()
    }
}

/// Durations and sizes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// How long a throughput is `Creating`.
    pub creating_seconds: Seconds,
    /// How long a throughput is `Updating`.
    pub updating_seconds: Seconds,
    /// How long reads lag behind writes, where the switch `readLag` says that they do.
    pub read_lag_seconds: Seconds,
    /// How long an idempotency token is remembered.
    pub token_seconds: Seconds,
    /// Items on a page where the request says nothing.
    pub page_size: u32,
}

impl Settings {
    /// The settings, where AWS could have them.
    ///
    /// # Errors
    /// What is out of bounds.
    pub fn checked(self) -> Result<Self, String> {
        if (1..=1000).contains(&self.page_size) {
            Ok(self)
        } else {
            Err(format!("pageSize is {}; a page has 1 to 1000 items", self.page_size))
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            creating_seconds: Seconds::new(5),
            updating_seconds: Seconds::new(5),
            read_lag_seconds: Seconds::new(2),
            token_seconds: Seconds::new(24 * 3600),
            page_size: 100,
        }
    }
}
