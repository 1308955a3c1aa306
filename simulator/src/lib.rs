//! A simulator of the AWS Bedrock provisioned-throughput control plane, as AWS documents it and not as convenient:
//! asynchronous, throttling, lagging, refusing, and on request losing its answers.
//!
//! It is two things. [`World`] is the pure part: accounts, models and throughputs, moved only by
//! [`World::call`] with the time as an argument, cloneable and comparable. [`server`] puts a world on the wire as
//! REST-JSON, so that any AWS SDK or the AWS CLI works against it unchanged, with its own controls under `/_simulator/`.
//!
//! ```
//! use bedrock_simulator::{Fault, FaultKind, Operation, Seed, Server};
//!
//! let aws = Server::start()?;
//! aws.seed(&Seed::demo())?;
//! aws.inject(Fault::on(Operation::UpdateProvisionedModelThroughput, FaultKind::LostResponse).times(1));
//! // Give a client `AWS_ENDPOINT_URL_BEDROCK` = aws.url(), any access key, and let it work. Then:
//! let updates = aws.calls_of(Operation::UpdateProvisionedModelThroughput);
//! assert!(updates.iter().all(|update| update.carried_out));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What AWS leaves unsaid is a named switch: see [`Switches`].

pub mod auth;
pub mod calls;
pub mod clock;
mod control;
pub mod error;
pub mod faults;
pub mod model;
pub mod operation;
pub mod request;
pub mod response;
pub mod seed;
pub mod server;
pub mod settings;
pub mod switches;
pub mod throttle;
pub mod wire;
pub mod world;

pub use calls::Call;
pub use error::{ApiError, ErrorCode};
pub use faults::{Fault, FaultKind};
pub use operation::Operation;
pub use request::Request;
pub use response::Response;
pub use seed::{Seed, SeedError};
pub use server::Server;
pub use settings::Settings;
pub use switches::Switches;
pub use world::{Caller, ProvisionedModel, World};
