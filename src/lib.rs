//! The operator: keeps provisioned throughput of Amazon Bedrock at the name and the model that `ProvisionedThroughput` manifests ask for.
//!
//! Data flows one way: [`desired`] (what the manifest says) → [`observe`] (what AWS has) → [`plan`](mod@plan) (what is due) → [`act`]
//! (calls) → [`report`] (status and events). [`reconcile`] drives it for one object, [`controller`] for all.

pub mod act;
#[cfg(test)]
mod architecture;
pub mod backoff;
pub mod bedrock;
pub mod budget;
pub mod calls;
pub mod check;
pub mod claims;
pub mod cli;
pub mod cluster;
pub mod conditions;
pub mod controller;
#[allow(unreachable_pub, reason = "the derive puts the types into a module of its own")]
pub mod crd;
pub mod desired;
pub mod election;
pub mod export;
pub mod history;
pub mod identifiers;
pub mod leader;
pub mod memory;
pub mod metrics;
pub mod observe;
pub mod observed;
pub mod outcome;
pub mod owner;
pub mod plan;
pub mod polled;
pub mod preview;
pub mod reconcile;
pub mod report;
pub mod run;
pub mod schedule;
pub mod secure;
pub mod serve;
pub mod telemetry;
pub mod traces;
pub mod turns;
pub mod warnings;
