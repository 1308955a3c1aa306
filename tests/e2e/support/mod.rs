//! What the tests are written with.

pub mod aws;
pub mod control_plane;
pub mod environment;
pub mod object;
pub mod operator;
pub mod parallel;
pub mod proxy;
