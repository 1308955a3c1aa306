//! Work on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

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

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

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
}
