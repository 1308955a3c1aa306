//! The decisions against the simulator's world, in every order that things can happen in.
//!
//! The pure core is the operator's own, and so is the look at AWS. The driver between them is mirrored in [`operator`] a step at a
//! time, so that a process can end, or another be faster, between any two of its steps. Each test explores every state that its moves
//! and its budget of ticks, crashes and faults allow, prints how many there are, and holds all of them against the rules in [`model`].

#![allow(unreachable_pub, reason = "nobody outside uses a test binary")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

mod aws;
mod change;
mod create;
mod delete;
mod kubernetes;
mod mistakes;
mod model;
mod operator;
mod scenario;
mod shared;
mod switches;
