//! Token buckets, one for each account, region and operation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{operation::Operation, world::Caller};

/// How many calls are let through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// Calls a second.
    pub per_second: f64,
    /// Calls at once.
    pub burst: u32,
}

impl Rate {
    /// The rate, where it lets a call through at all.
    ///
    /// # Errors
    /// What is out of bounds.
    pub fn checked(self) -> Result<Self, String> {
        let Self { per_second, burst } = self;
        if !per_second.is_finite() || per_second < 0.0 {
            Err(format!("perSecond is {per_second}; write a number that is 0 or more"))
        } else if burst == 0 {
            Err("burst is 0, and no call would ever pass; write 1 or more".to_owned())
        } else {
            Ok(self)
        }
    }
}

/// The rates, and how full the buckets are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Throttle {
    rates: BTreeMap<Operation, Rate>,
    #[serde(skip)]
    buckets: BTreeMap<(Caller, Operation), Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Throttle {
    /// Bounds an operation, or lets all its calls through.
    pub fn set(&mut self, operation: Operation, rate: Option<Rate>) {
        match rate {
            Some(rate) => self.rates.insert(operation, rate),
            None => self.rates.remove(&operation),
        };
        self.buckets.retain(|(_, of), _| *of != operation);
    }

    /// Whether a call that arrives at `now` is let through.
    pub fn admits(&mut self, caller: &Caller, operation: Operation, now: Timestamp) -> bool {
        let Some(Rate { per_second, burst }) = self.rates.get(&operation).copied() else { return true };
        let full = f64::from(burst.max(1));
        let bucket = self.buckets.entry((caller.clone(), operation)).or_insert(Bucket { tokens: full, filled: now });
        let elapsed = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * per_second.max(0.0)).min(full);
        bucket.filled = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (operation, caller) = (Operation::UpdateProvisionedModelThroughput, Caller::new("1", "r"));
        let mut throttle = Throttle::default();
        throttle.set(operation, Some(Rate { per_second: 2.0, burst: 3 }));
        let start = Timestamp::UNIX_EPOCH;
        let mut admits =
            |milliseconds| throttle.admits(&caller, operation, start + SignedDuration::from_millis(milliseconds));
        assert_eq!(
            [0, 0, 0, 0, 400, 500, 600, 1000].map(&mut admits),
            [true, true, true, false, false, true, false, true]
        );
        let other = Caller::new("2", "r");
        assert!(throttle.admits(&other, operation, start), "accounts do not share");
    }
}
