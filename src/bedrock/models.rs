//! The wanted model, resolved to an ARN and, for a custom model, to the foundation model that it is made from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{Bedrock, Fault, inventory::is_within};
use crate::{
    identifiers::{ModelArn, ModelIdentifier, ModelKind, Region},
    observed::{CustomModel, Throughput, WantedModel},
};

/// How many custom models may stand between a custom model and its foundation model. AWS documents no bound; a longer chain is taken for
/// one that cannot be followed.
const LONGEST_CHAIN: usize = 8;

/// The most models that are kept: manifests name them, and nobody says when one is no longer named. Past it all are asked for anew.
const MOST: usize = 10_000;

/// What AWS said of custom models, kept because they hardly change.
#[derive(Debug)]
pub struct Models {
    bedrock: Arc<dyn Bedrock>,
    known: Mutex<HashMap<Key, Arc<AsyncMutex<Slot>>>>,
}

type Key = (Region, String);

/// What is known of a model. The lock around it makes looks single flight.
#[derive(Debug, Default)]
struct Slot {
    known: Option<Known>,
    /// The last fault, and when it was over.
    fault: Option<(Fault, Instant)>,
}

#[derive(Debug)]
struct Known {
    looked_at: Timestamp,
    model: Option<CustomModel>,
}

impl Models {
    /// Nothing known yet.
    pub fn new(bedrock: Arc<dyn Bedrock>) -> Self {
        Self { bedrock, known: Mutex::default() }
    }

    /// Resolves what a manifest names. A custom model that `throughput` already has needs no look.
    ///
    /// # Errors
    /// When AWS could not be asked.
    pub async fn resolve(
        &self,
        region: &Region,
        wanted: &ModelIdentifier,
        throughput: &Throughput,
        not_before: Timestamp,
    ) -> Result<WantedModel, Fault> {
        let id = match wanted {
            ModelIdentifier::FoundationModelId(id) => {
                let partition = throughput.arn.partition().unwrap_or_else(|| region.partition());
                return Ok(WantedModel::Arn(ModelArn::foundation(partition, region, id)));
            }
            ModelIdentifier::Arn(arn) if arn.kind() == ModelKind::Foundation || is_there(arn, throughput) => {
                return Ok(WantedModel::Arn(arn.clone()));
            }
            ModelIdentifier::Arn(arn) => arn.as_str(),
            ModelIdentifier::CustomModelName(name) => name,
        };
        let Some(model) = self.get(region, id, not_before).await? else {
            return Ok(WantedModel::Missing);
        };
        if is_there(&model.arn, throughput) {
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
        let asked = Instant::now();
        let slot = self.slot((region.clone(), id.to_owned()));
        let mut slot = slot.lock().await;
        if let Some(known) = slot.known.as_ref().filter(|known| is_within(known.looked_at, not_before)) {
            return Ok(known.model.clone());
        }
        // A fault while this caller waited is its fault, too: one that hangs would otherwise be met by each in turn.
        if let Some((fault, _)) = slot.fault.as_ref().filter(|(_, ended)| *ended >= asked) {
            return Err(fault.clone());
        }
        let looked_at = Timestamp::now();
        match self.bedrock.get_custom_model(region, id).await {
            Ok(model) => {
                slot.known = Some(Known { looked_at, model: model.clone() });
                slot.fault = None;
                Ok(model)
            }
            Err(fault) => {
                slot.fault = Some((fault.clone(), Instant::now()));
                Err(fault)
            }
        }
    }

    fn slot(&self, key: Key) -> Arc<AsyncMutex<Slot>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&key) {
            known.clear();
        }
        Arc::clone(known.entry(key).or_default())
    }
}

/// A throughput that has a model, or is on the way to it, proves that the model exists and fits.
fn is_there(arn: &ModelArn, throughput: &Throughput) -> bool {
    *arn == throughput.model_arn && *arn == throughput.desired_model_arn
}
