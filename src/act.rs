//! The calls that change something at AWS.

use crate::{
    bedrock::{Accepted, Bedrock, Fault},
    identifiers::{ProvisionedModelArn, Region},
    plan::Update,
};

/// Carries out an update. It is sent once: whether it is repeated is decided from a look taken afterwards.
///
/// # Errors
/// When AWS refuses it, or no answer comes.
pub async fn update(
    bedrock: &dyn Bedrock,
    region: &Region,
    arn: &ProvisionedModelArn,
    update: &Update,
) -> Result<Accepted, Fault> {
    let Update { request, from: _, cause: _, message: _ } = update;
    bedrock.update_throughput(region, arn, request).await
}
