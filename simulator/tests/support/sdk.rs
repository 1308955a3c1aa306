//! The AWS SDK for Rust, unchanged, and a server for it.

use std::time::Duration;

use aws_sdk_bedrock::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, http::HttpResponse, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
};
use bedrock_simulator::{ErrorCode, Seed, Server};

/// A server with the demonstration account, and a clock that stands still.
pub(crate) fn server() -> Server {
    let server = Server::start().unwrap();
    server.stop_clock("2026-01-01T00:00:00Z".parse().unwrap());
    server.seed(&Seed::demo()).unwrap();
    server
}

pub(crate) fn client_of(server: &Server, key: &str, region: &str) -> Client {
    let config = aws_sdk_bedrock::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(server.url())
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

pub(crate) fn client(server: &Server) -> Client {
    client_of(server, "AKIDEXAMPLE", "us-east-1")
}

/// Code and HTTP status of a refused call.
pub(crate) fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> (String, u16) {
    match answer {
        Err(SdkError::ServiceError(error)) => {
            (error.err().code().unwrap_or_default().to_owned(), error.raw().status().as_u16())
        }
        answer => panic!("it should be refused: {answer:?}"),
    }
}

pub(crate) fn code(code: ErrorCode) -> (String, u16) {
    (code.as_str().to_owned(), code.status())
}
