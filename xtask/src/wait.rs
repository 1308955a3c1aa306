//! Waiting with a deadline, and with an error that says what was last seen.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// An error that ends [`wait_until`] at once: trying again cannot help, for example because the process is gone.
#[derive(Debug)]
pub struct Fatal(pub String);

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fatal {}

/// Tries `attempt` until it succeeds, for `limit` at most. An error means "not yet", and the last one is part of the
/// error that is returned when the time is over; a [`Fatal`] one is returned at once.
///
/// # Errors
/// When `limit` has passed, or when `attempt` failed with [`Fatal`].
pub fn wait_until<T>(limit: Duration, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if error.is::<Fatal>() => return Err(error.context(format!("waiting until {what}"))),
            Err(error) if begin.elapsed() >= limit => {
                return Err(error).with_context(|| format!("waited {:.1} s until {what}", limit.as_secs_f64()));
            }
            Err(_) => {}
        }
        thread::sleep(pause);
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{anyhow, bail};

    #[test]
    fn returns_the_first_success() {
        let mut tries = 0;
        let value = wait_until(Duration::from_secs(5), "it is the third try", || {
            tries += 1;
            if tries < 3 {
                bail!("try {tries}")
            }
            Ok(tries)
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn says_what_it_waited_for_and_what_it_last_saw() {
        let error = wait_until(Duration::from_millis(30), "the moon is full", || -> Result<()> { bail!("it is half") });
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("until the moon is full") && text.contains("it is half"), "{text}");
    }

    #[test]
    fn a_fatal_error_ends_the_wait_at_once() {
        let begin = Instant::now();
        let result: Result<()> =
            wait_until(Duration::from_secs(30), "never", || Err(anyhow!(Fatal("gone".to_owned()))));
        assert!(result.is_err() && begin.elapsed() < Duration::from_secs(5));
    }
}
