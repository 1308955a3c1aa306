//! The look at AWS that a decision is made from.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    bedrock::{Bedrock, Fault, FaultKind, inventory::Inventory, models::Models},
    desired::{Desired, Identity},
    history::History,
    identifiers::{ProvisionedModelId, Region},
    observed::{Observed, Sighting, Throughput, ThroughputStatus, WantedModel},
    schedule::{minus, plus},
};

/// How long what AWS said of a custom model is good for while nothing is due: the model of a name changes only when the old one is
/// deleted and another is given its name.
const MODEL_KEPT: Duration = Duration::from_hours(1);

/// Where looks come from.
#[derive(Debug)]
pub struct Sources {
    inventory: Inventory,
    models: Models,
    bedrock: Arc<dyn Bedrock>,
}

/// How new a look has to be.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// The look at the throughput was begun at this time or later.
    pub not_before: Timestamp,
    /// Whether something is due or under way, so that the model has to be looked at as newly.
    pub closely: bool,
}

impl Sources {
    /// Everything comes from `bedrock`.
    pub fn new(bedrock: Arc<dyn Bedrock>) -> Self {
        Self { inventory: Inventory::new(Arc::clone(&bedrock)), models: Models::new(Arc::clone(&bedrock)), bedrock }
    }

    /// Looks at the throughput and the model of a manifest.
    ///
    /// # Errors
    /// When AWS cannot be looked at.
    pub async fn observe(
        &self,
        desired: &Desired,
        history: &History,
        demand: Demand,
        read_lag: Duration,
    ) -> Result<Observed, Fault> {
        let (looked_at, mut throughput) = self.throughput(desired, demand.not_before).await?;
        if let Sighting::Found(found) = &mut throughput {
            self.add_failure_message(&desired.region, found, history, looked_at, read_lag).await?;
        }
        let model = match (&throughput, &desired.model) {
            (Sighting::Found(found), Some(wanted)) => {
                let differs = wanted.as_str() != found.desired_model_arn.as_str();
                let not_before =
                    if demand.closely && differs { demand.not_before } else { minus(demand.not_before, MODEL_KEPT) };
                self.models.resolve(&desired.region, wanted, found, not_before).await?
            }
            (Sighting::Found(_) | Sighting::Missing | Sighting::Ambiguous(_), _) => WantedModel::NotManaged,
        };
        Ok(Observed { looked_at, throughput, model })
    }

    async fn throughput(&self, desired: &Desired, not_before: Timestamp) -> Result<(Timestamp, Sighting), Fault> {
        let Identity { bound, id, fallback } = &desired.identity;
        let first = bound.clone().map_or_else(|| id.clone(), ProvisionedModelId::Arn);
        match self.inventory.look(&desired.region, not_before).await {
            Ok(snapshot) => {
                let find = |id: &ProvisionedModelId| match id {
                    ProvisionedModelId::Arn(arn) => snapshot.by_arn(arn),
                    ProvisionedModelId::Name(name) => snapshot.by_name(name),
                };
                let found = match (find(&first), fallback) {
                    (Sighting::Missing, Some(name)) if bound.is_none() => snapshot.by_name(name),
                    (found, _) => found,
                };
                Ok((snapshot.looked_at, found))
            }
            // A policy may allow single throughputs only.
            Err(Fault { kind: FaultKind::AccessDenied, .. }) => {
                let looked_at = Timestamp::now();
                let found = match (self.bedrock.get_throughput(&desired.region, &first).await?, fallback) {
                    (None, Some(name)) if bound.is_none() => {
                        self.bedrock.get_throughput(&desired.region, &ProvisionedModelId::Name(name.clone())).await?
                    }
                    (found, _) => found,
                };
                Ok((looked_at, found.map_or(Sighting::Missing, Sighting::Found)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Asks for the `failureMessage`, which a List does not carry, where there may be one: AWS says `Failed`, or is in service with
    /// something else than it was last asked for.
    async fn add_failure_message(
        &self,
        region: &Region,
        throughput: &mut Throughput,
        history: &History,
        looked_at: Timestamp,
        read_lag: Duration,
    ) -> Result<(), Fault> {
        let fell_back = || {
            history
                .last_call
                .as_ref()
                .is_some_and(|call| !throughput.shows(&call.request) && looked_at >= plus(call.over_at, read_lag))
        };
        let wanted = match throughput.status {
            ThroughputStatus::Failed => true,
            ThroughputStatus::InService => fell_back() || throughput.model_arn != throughput.desired_model_arn,
            ThroughputStatus::Creating | ThroughputStatus::Updating | ThroughputStatus::Other(_) => false,
        };
        if !wanted || throughput.failure_message.is_some() {
            return Ok(());
        }
        let known = history
            .failure_message
            .as_ref()
            .filter(|(modified, _)| modified.as_second() == throughput.last_modified_time.as_second());
        throughput.failure_message = if let Some((_, message)) = known {
            Some(message.clone())
        } else {
            let id = ProvisionedModelId::Arn(throughput.arn.clone());
            let single = self.bedrock.get_throughput(region, &id).await?;
            // What a Get says of another moment says nothing of this one.
            single.filter(|single| single.status == throughput.status).and_then(|single| single.failure_message)
        };
        Ok(())
    }
}
