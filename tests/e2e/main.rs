//! The operator as its users meet it: its own process, a real kube-apiserver, and the simulator in the place of AWS.
//!
//! Each test has a namespace, a simulator and an operator of its own; the control plane is shared.

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

mod admission;
mod adoption;
mod approval;
mod argocd;
mod budget;
mod changes;
mod crashes;
mod credentials;
mod deletion;
mod export;
mod faults;
mod hostile;
mod iam;
mod identity;
mod leader;
mod overtaken;
mod ownership;
mod preview;
mod purchase;
mod quiet;
mod refusals;
mod secure;
mod serving;
mod support;
mod switches;
mod tags;
mod telemetry;
mod uninstall;
mod warnings;
mod ways_out;
