//! HTTP, as the tasks and the tests ask for things on this machine.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Connections that are kept for the next call.
const CONNECTIONS: usize = 256;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A client that keeps connections and takes every HTTP status for an answer.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_idle_connections_per_host(CONNECTIONS)
        .max_idle_connections(CONNECTIONS)
        .timeout_global(Some(ANSWER_WITHIN))
        .build();
    config.into()
}

/// The status and the body of the answer to one GET.
///
/// # Errors
/// When there is no answer in time, or it is no text.
pub fn get(url: &str) -> Result<(u16, String)> {
    let mut answer = agent().get(url).call().with_context(|| format!("asking {url}"))?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_to_string().with_context(|| format!("reading the answer of {url}"))?))
}
