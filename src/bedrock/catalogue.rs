//! Whether the models that are served will last: one List of custom models and one of foundation models an hour, for a whole region.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Fault, FaultKind, Looks, answers::Answers};
use crate::{
    identifiers::{ModelArn, ModelKind, Region},
    observed::{CustomModelHealth, ModelHealth, ModelLifecycle, ModelStatus, Throughput},
    schedule::{minus, plus},
};

/// How long what AWS lists is good for: models come to their end in months.
const KEPT: Duration = Duration::from_hours(1);

/// How far AWS's clock may be from ours.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// How long a List that failed is not made again. What it would tell is a warning, which can wait.
const FAULT_KEPT: Duration = Duration::from_mins(5);

type CustomModels = Arc<HashMap<ModelArn, Option<ModelStatus>>>;
type Lifecycles = Arc<HashMap<ModelArn, Option<ModelLifecycle>>>;

/// What AWS says of the models of each region. Nobody waits for it: it is looked at beside the work, and told with the next look.
#[derive(Debug, Clone)]
pub struct Catalogue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bedrock: Arc<dyn Looks>,
    custom: Answers<Region, CustomModels>,
    lifecycles: Answers<Region, Lifecycles>,
}

impl Catalogue {
    /// Nothing known yet.
    pub fn new(bedrock: Arc<dyn Looks>) -> Self {
        Self(Arc::new(Shared { bedrock, custom: Answers::new(FAULT_KEPT), lifecycles: Answers::new(FAULT_KEPT) }))
    }

    /// What is known of the model that a throughput serves. What is missing or old is looked at in the background.
    pub fn health(&self, region: &Region, throughput: &Throughput) -> ModelHealth {
        let now = Timestamp::now();
        let is_custom = throughput.model_arn.kind() == ModelKind::Custom;
        let (lifecycles, custom) = (self.0.lifecycles.peek(region), self.0.custom.peek(region));
        // A model that is not listed may have been made since: the throughput has moved to it.
        let moved = plus(throughput.last_modified_time, CLOCKS_DIFFER);
        let is_listed = |known: &CustomModels| known.contains_key(&throughput.model_arn);
        let needed = match &custom {
            Some(Ok((_, known))) if is_listed(known) => minus(now, KEPT),
            Some(_) | None if now < moved => minus(now, KEPT),
            Some(_) | None => minus(now, KEPT).max(moved),
        };
        let old =
            (looked_before(lifecycles.as_ref(), minus(now, KEPT)), is_custom && looked_before(custom.as_ref(), needed));
        if old.0 || old.1 {
            let (catalogue, region) = (self.clone(), region.clone());
            tokio::spawn(async move { catalogue.refresh(&region, is_custom.then_some(needed)).await });
        }
        let lifecycle = match lifecycles {
            Some(Ok((_, known))) => known.get(&throughput.foundation_model_arn).cloned().flatten(),
            Some(Err(fault)) if fault.kind == FaultKind::AccessDenied => return ModelHealth::Denied(fault.sentence()),
            Some(Err(_)) | None => return ModelHealth::NotLooked,
        };
        let custom = match custom {
            _ if !is_custom => None,
            Some(Ok((looked_at, known))) => match known.get(&throughput.model_arn) {
                None if looked_at < moved => return ModelHealth::NotLooked,
                None => Some(CustomModelHealth::Missing),
                Some(status) => status.clone().map(CustomModelHealth::Status),
            },
            Some(Err(fault)) if fault.kind == FaultKind::AccessDenied => return ModelHealth::Denied(fault.sentence()),
            Some(Err(_)) | None => return ModelHealth::NotLooked,
        };
        ModelHealth::Known { custom, lifecycle }
    }

    /// Looks, where what is known of foundation models is older than an hour, or what is known of custom models older than that time.
    pub async fn refresh(&self, region: &Region, custom_models: Option<Timestamp>) {
        let Shared { bedrock, custom, lifecycles } = &*self.0;
        let list = async {
            let models = bedrock.list_foundation_models(region).await?;
            Ok(Arc::new(models.into_iter().map(|model| (model.arn, model.lifecycle)).collect()))
        };
        // The fault is kept with the answer, and has been logged.
        let _ = lifecycles.get(region.clone(), minus(Timestamp::now(), KEPT), list).await;
        if let Some(not_before) = custom_models {
            let list = async {
                let models = bedrock.list_custom_models(region).await?;
                Ok(Arc::new(models.into_iter().map(|model| (model.arn, model.status)).collect()))
            };
            let _ = custom.get(region.clone(), not_before, list).await;
        }
    }
}

fn looked_before<V>(answer: Option<&Result<(Timestamp, V), Fault>>, time: Timestamp) -> bool {
    match answer {
        Some(Ok((looked_at, _))) => *looked_at < time,
        // Whether a fault is old enough for another try is known where it is kept.
        Some(Err(_)) | None => true,
    }
}
