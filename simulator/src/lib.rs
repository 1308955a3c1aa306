//! A simulator of the AWS Bedrock provisioned-throughput control plane, as AWS documents it and not as convenient:
//! asynchronous, throttling, lagging, refusing, and on request losing its answers.
//!
//! It is two things. [`World`] is the pure part: accounts, models and throughputs, moved only by
//! [`World::call`] with the time as an argument, cloneable and comparable. [`server`] puts a world on the wire as
//! REST-JSON, so that any AWS SDK or the AWS CLI works against it unchanged, with its own controls under `/_simulator/`.
//!
//! In a test:
//!
//! ```
//! use bedrock_simulator::{
//!     Caller, Fault, FaultKind, Operation, Seed, Server,
//!     request::{ProvisionedModelStatus, UpdateProvisionedModelThroughput},
//! };
//! use jiff::{SignedDuration, Timestamp};
//!
//! const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
//!
//! // It listens on a free port, on a thread of its own, until it is dropped.
//! let aws = Server::start()?;
//! aws.seed(&Seed::demo())?;
//! aws.stop_clock(Timestamp::UNIX_EPOCH);
//! aws.switch("rename", "ThroughUpdating")?;
//! aws.inject(Fault::on(Operation::UpdateProvisionedModelThroughput, FaultKind::LostResponse).times(1));
//! // Give a client `AWS_ENDPOINT_URL_BEDROCK` = aws.url() and any access key, let it work, and look at what it called:
//! assert_eq!(aws.calls_of(Operation::UpdateProvisionedModelThroughput), []);
//!
//! // Somebody else at AWS renames a throughput. That is not in the log of calls, and meets no fault.
//! let rename = UpdateProvisionedModelThroughput {
//!     provisioned_model_id: "summarizer".into(),
//!     desired_provisioned_model_name: Some("renamed".into()),
//!     desired_model_id: None,
//! };
//! aws.call(&Caller::new("123456789012", "us-east-1"), rename)?;
//! let status = || aws.with_world(|world, _| world.throughput(ARN).map(|throughput| throughput.status));
//! assert_eq!(status(), Some(ProvisionedModelStatus::Updating));
//! aws.advance(SignedDuration::from_secs(5));
//! assert_eq!(status(), Some(ProvisionedModelStatus::InService));
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
pub mod iam;
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
pub use iam::{Policy, PolicyError};
pub use operation::Operation;
pub use request::Request;
pub use response::Response;
pub use seed::{Seed, SeedError};
pub use server::Server;
pub use settings::Settings;
pub use switches::Switches;
pub use world::{Caller, ProvisionedModel, World};
