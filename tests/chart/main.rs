//! The charts as their users meet them: real helm and a real kube-apiserver, with the operator as a process beside them.
//!
//! There is no kubelet: where helm waits for pods, a stand-in says that they are ready. Real pods are another test.

#![allow(unreachable_pub, reason = "nobody outside uses a test binary")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

mod kustomize;
mod life;
mod namespaced;
mod rights;
mod settings;
mod support;
mod values;
mod waiting;
