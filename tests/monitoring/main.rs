//! Metrics, rules, alerts and the dashboard, with the real Prometheus that scrapes the real operator.
//!
//! The operator works against the simulator and a real API server. Prometheus reads a copy of the rules in which minutes are made tenths of
//! seconds (see [`scraped::shortened`]); `rules.test.yaml` tests them as they are, with `promtool`.

#![allow(unreachable_pub, reason = "nobody outside uses a test binary")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "`json!` makes values, and a test reads better without `&` before each"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

mod alerts;
mod exposition;
mod queries;
mod rules;
mod scraped;
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
#[path = "../e2e/support/mod.rs"]
mod support;
