//! What the tests are written with.

pub mod account;
pub mod aws;
pub mod config_map;
pub mod control_plane;
pub mod environment;
pub mod object;
pub mod operator;
pub mod parallel;
pub mod proxy;
pub mod purchase;
pub mod rights;
