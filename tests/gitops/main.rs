//! The operator under the tools that deliver its manifests: Flux and Argo CD.
//!
//! The scripts that Argo CD runs are tried on every run of the tests, by the interpreter that is in Argo CD. What needs the tools
//! themselves, whose builds are long, is a tier of its own: `cargo xtask test --gitops`. There everything is real but two things: sources
//! of Flux are published as source-controller does, by these tests; and there are no nodes, so that pods are Ready because these tests say
//! so, and the operator runs as a process beside its Deployment.

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

mod argocd;
mod customizations;
mod flux;
mod interpreters;
mod scripts;
mod source;
mod stage;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/support/mod.rs"]
mod support;
