//! The tags of throughputs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Fault, Looks, answers::Answers};
use crate::identifiers::{ProvisionedModelArn, Region};

/// Tags at AWS.
pub type Tags = BTreeMap<String, String>;

/// What AWS said of tags: there is no List that carries them.
#[derive(Debug)]
pub struct TagSource {
    bedrock: Arc<dyn Looks>,
    known: Answers<(Region, ProvisionedModelArn), Option<Tags>>,
}

impl TagSource {
    /// Nothing known yet.
    pub fn new(bedrock: Arc<dyn Looks>) -> Self {
        Self { bedrock, known: Answers::new(Duration::ZERO) }
    }

    /// The tags of a throughput, by a look that was begun at `not_before` or later. `None`: AWS has no such throughput.
    ///
    /// # Errors
    /// When AWS could not be asked.
    pub async fn get(
        &self,
        region: &Region,
        arn: &ProvisionedModelArn,
        not_before: Timestamp,
    ) -> Result<Option<Tags>, Fault> {
        self.known.get((region.clone(), arn.clone()), not_before, self.bedrock.list_tags(region, arn)).await
    }

    /// Forgets what was known, because tags were changed.
    pub fn forget(&self, region: &Region, arn: &ProvisionedModelArn) {
        self.known.forget(&(region.clone(), arn.clone()));
    }
}
