//! The project's own tasks, and what its end-to-end tests share with them: a real Kubernetes control plane on loopback
//! ([`control_plane::ControlPlane`]) and child processes that never outlive their parent ([`process::Guarded`]).

pub mod actionlint;
pub mod argocd;
pub mod bench;
pub mod binaries;
pub mod book;
pub mod cargo_deny;
pub mod cargo_tools;
pub mod control_plane;
pub mod demo;
pub mod documents;
pub mod flux;
pub mod folders;
pub mod generate;
pub mod glua;
pub mod go_tools;
pub mod helm;
pub mod http;
pub mod ports;
pub mod process;
pub mod progress;
pub mod prometheus;
pub mod prometheus_operator;
pub mod python;
pub mod sandbox;
pub mod simulator;
pub mod steps;
pub mod wait;
