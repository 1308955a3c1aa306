//! Rows of a table, several at a time: most of a test's time is waiting.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
};

/// Runs `test` for every row, at most `width` at a time, and fails with all failures.
pub fn for_each<T: Send>(width: usize, rows: Vec<(String, T)>, test: impl Fn(T) + Sync) {
    assert!(!rows.is_empty(), "a table without rows tests nothing");
    let count = rows.len();
    let rows = Mutex::new(rows.into_iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    // Its own statement, so that the lock is not held while the row runs.
                    let row = rows.lock().expect("no row panics while it is taken").next();
                    let Some((name, row)) = row else { break };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(row))) {
                        let message = panic.downcast_ref::<String>().cloned();
                        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        let message = message.unwrap_or_default();
                        failures.lock().expect("no panic while it is written").push(format!("=== {name}: {message}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("all rows are done");
    assert!(failures.is_empty(), "{} of {count} rows fail\n{}", failures.len(), failures.join("\n"));
}
