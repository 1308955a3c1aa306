//! Which cluster this is: what owner tags at AWS tell one from another by, where nobody has given it a name.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use crate::{
    backoff::Backoff,
    report::{ReportError, within},
};

/// The namespace that lives as long as its cluster.
const NAMESPACE: &str = "kube-system";

/// The pauses while the API server does not answer.
const AFTER_A_FAULT: Backoff = Backoff { first: Duration::from_millis(500), cap: Duration::from_secs(10) };

/// The uid of the namespace `kube-system`. `None`, which is told where it matters, if it may not be read.
///
/// # Errors
/// When Kubernetes does not answer.
pub async fn uid(client: &Client) -> Result<Option<String>, ReportError> {
    let api: Api<Namespace> = Api::all(client.clone());
    match within(api.get_metadata(NAMESPACE)).await {
        Ok(namespace) => Ok(namespace.metadata.uid),
        Err(ReportError::Kube(kube::Error::Api(status))) if status.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same, asked for until Kubernetes answers.
pub async fn uid_in_the_end(client: &Client) -> Option<String> {
    for failures in 0.. {
        match uid(client).await {
            Ok(Some(uid)) => return Some(uid),
            Ok(None) => break,
            Err(error) => {
                let pause = AFTER_A_FAULT.pause(failures, None);
                tracing::warn!(%error, retry_in = ?pause, "the namespace {NAMESPACE} could not be read");
                tokio::time::sleep(pause).await;
            }
        }
    }
    tracing::warn!(
        "the namespace {NAMESPACE} may not be read, so it is not known which cluster this is: objects with managementPolicy: Full need --cluster-name"
    );
    None
}
