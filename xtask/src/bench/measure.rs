//! Numbers: quantiles, ratios, and the facts of the machine that they were measured on.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The smallest value that at least this share of them does not exceed (nearest rank); zero of none.
pub(super) fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a list in memory"
    )]
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// How many of `calls` fall on each of `items`, to the nearest; one at least.
pub(super) fn per_item(calls: usize, items: usize) -> usize {
    ((calls + items / 2) / items.max(1)).max(1)
}

/// Runs `task` for each index below `count`, on so many threads, and returns the first error.
pub(super) fn in_parallel(threads: usize, count: usize, task: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    if let Err(error) = task(index) {
                        // The others take no more.
                        next.store(count, Ordering::Relaxed);
                        if let Ok(mut failed) = failed.lock() {
                            failed.get_or_insert(error);
                        }
                        return;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().ok().context("a thread panicked")?;
    failed.map_or(Ok(()), Err)
}

/// A line of the table.
pub(super) fn row(what: &str, operator: Duration, floor: Duration) -> String {
    let milliseconds = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3);
    let ratio = operator.as_secs_f64() / floor.as_secs_f64();
    format!("{what:<52} {:>12} {:>12} {ratio:>7.2}", milliseconds(operator), milliseconds(floor))
}

/// What the machine is and how busy it was, in one line.
pub(super) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let release = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores ({}), {} {} {}, load {}",
        model.unwrap_or("unknown processor"),
        std::env::consts::OS,
        release.trim(),
        std::env::consts::ARCH,
        load.split(' ').next().unwrap_or("unknown"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    fn milliseconds(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = milliseconds((1..=100).rev());
        assert_eq!(quantile(&values, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&values, 0.95), Duration::from_millis(95));
        assert_eq!(quantile(&milliseconds([7]), 0.95), Duration::from_millis(7));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn calls_are_shared_out_to_the_nearest() {
        assert_eq!((per_item(400, 200), per_item(310, 200), per_item(3, 200), per_item(1, 0)), (2, 2, 1, 1));
    }

    #[test]
    fn every_index_is_done_once() {
        let sum = AtomicUsize::new(0);
        in_parallel(8, 1000, |index| {
            sum.fetch_add(index, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 499_500);
    }

    #[test]
    fn an_error_ends_the_work() {
        let error = in_parallel(4, 1_000_000, |index| if index == 3 { bail!("three") } else { Ok(()) }).unwrap_err();
        assert_eq!(error.to_string(), "three");
        assert!(in_parallel(4, 0, |_| bail!("never")).is_ok());
    }

    #[test]
    fn a_row_has_the_ratio() {
        assert!(
            row("x", Duration::from_millis(30), Duration::from_millis(20)).ends_with("30.0 ms      20.0 ms    1.50")
        );
    }
}
