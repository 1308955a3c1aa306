//! The wanted model, resolved to an ARN and, for a custom model, to the foundation model that it is made from.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Fault, Looks, answers::Answers};
use crate::{
    identifiers::{ModelArn, ModelIdentifier, ModelKind, Region},
    observed::{CustomModel, Throughput, WantedModel},
};

/// How many custom models may stand between a custom model and its foundation model. AWS documents no bound; a longer chain is taken for
/// one that cannot be followed.
const LONGEST_CHAIN: usize = 8;

/// What AWS said of custom models, kept because they hardly change.
#[derive(Debug)]
pub struct Models {
    bedrock: Arc<dyn Looks>,
    known: Answers<(Region, String), Option<CustomModel>>,
}

impl Models {
    /// Nothing known yet.
    pub fn new(bedrock: Arc<dyn Looks>) -> Self {
        Self { bedrock, known: Answers::new(Duration::ZERO) }
    }

    /// Resolves what a manifest names. A custom model that `throughput` already has needs no look.
    ///
    /// # Errors
    /// When AWS could not be asked.
    pub async fn resolve(
        &self,
        region: &Region,
        wanted: &ModelIdentifier,
        throughput: Option<&Throughput>,
        not_before: Timestamp,
    ) -> Result<WantedModel, Fault> {
        let is_there = |arn: &ModelArn| throughput.is_some_and(|throughput| is_there(arn, throughput));
        let id = match wanted {
            ModelIdentifier::FoundationModelId(id) => {
                let partition =
                    throughput.and_then(|found| found.arn.partition()).unwrap_or_else(|| region.partition());
                return Ok(WantedModel::Arn(ModelArn::foundation(partition, region, id)));
            }
            ModelIdentifier::Arn(arn) if arn.kind() == ModelKind::Foundation || is_there(arn) => {
                return Ok(WantedModel::Arn(arn.clone()));
            }
            ModelIdentifier::Arn(arn) => arn.as_str(),
            ModelIdentifier::CustomModelName(name) => name,
        };
        let Some(model) = self.get(region, id, not_before).await? else {
            return Ok(WantedModel::Missing);
        };
        if is_there(&model.arn) {
            return Ok(WantedModel::Arn(model.arn));
        }
        let foundation = self.foundation(region, &model, not_before).await?;
        Ok(WantedModel::Custom { model, foundation })
    }

    /// Follows the bases. `None` where AWS leaves one out.
    async fn foundation(
        &self,
        region: &Region,
        model: &CustomModel,
        not_before: Timestamp,
    ) -> Result<Option<ModelArn>, Fault> {
        let mut base = model.base.clone();
        for _ in 0..LONGEST_CHAIN {
            match base {
                Some(arn) if arn.kind() == ModelKind::Custom => {
                    base = self.get(region, arn.as_str(), not_before).await?.and_then(|model| model.base);
                }
                end => return Ok(end),
            }
        }
        Ok(None)
    }

    async fn get(&self, region: &Region, id: &str, not_before: Timestamp) -> Result<Option<CustomModel>, Fault> {
        self.known.get((region.clone(), id.to_owned()), not_before, self.bedrock.get_custom_model(region, id)).await
    }
}

/// A throughput that has a model, or is on the way to it, proves that the model exists and fits.
fn is_there(arn: &ModelArn, throughput: &Throughput) -> bool {
    *arn == throughput.model_arn && *arn == throughput.desired_model_arn
}
