//! What the tests are written with.

pub mod cluster;
pub mod helm;
pub mod kubelet;
pub mod operator;
