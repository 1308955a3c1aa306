//! The look at AWS that a decision is made from.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    bedrock::{
        Fault, FaultKind, Looks,
        catalogue::Catalogue,
        inventory::{Inventory, Snapshot},
        models::Models,
        tags::{TagSource, Tags},
    },
    calls::Call,
    crd::{ManagementPolicy, PlanAction},
    desired::{Desired, Identity, Purchase},
    history::{Answer, History, LastCall},
    identifiers::{ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
    observed::{ModelHealth, Observed, Sighting, Throughput, ThroughputStatus, WantedModel},
    owner::Owner,
    schedule::{minus, plus},
};

/// How long what AWS said of a custom model is good for while nothing is due: the model of a name changes only when the old one is
/// deleted and another is given its name.
const MODEL_KEPT: Duration = Duration::from_hours(1);

/// How long the tags of a throughput of another name are good for in the search for what an object owns. What an earlier attempt bought has
/// an ARN that was never looked at, so that its tags are always new.
const FOREIGN_TAGS_KEPT: Duration = Duration::from_hours(1);

/// How many tags are looked at at a time in that search.
const SEARCH_WIDTH: usize = 8;

/// Where looks come from.
#[derive(Debug)]
pub struct Sources {
    inventory: Inventory,
    models: Models,
    tags: TagSource,
    catalogue: Catalogue,
    bedrock: Arc<dyn Looks>,
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
    pub fn new(bedrock: Arc<dyn Looks>) -> Self {
        Self {
            inventory: Inventory::new(Arc::clone(&bedrock)),
            models: Models::new(Arc::clone(&bedrock)),
            tags: TagSource::new(Arc::clone(&bedrock)),
            catalogue: Catalogue::new(Arc::clone(&bedrock)),
            bedrock,
        }
    }

    /// Looks at the throughput, its tags and the model of a manifest.
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
        let (looked_at, throughput, tags) = match searched(desired, history) {
            Some(purchase) => self.search(desired, history, &purchase, demand.not_before).await?,
            None => self.find(desired, history, demand.not_before).await?,
        };
        let (looked_at, throughput, tags) = match (throughput, desired.purchase()) {
            // Before anything takes the place of what is gone.
            (Sighting::Missing, Some(purchase)) if !desired.is_going => {
                self.search(desired, history, &purchase, demand.not_before).await?
            }
            (throughput, _) => (looked_at, throughput, tags),
        };
        let (mut throughput, tags) = match throughput {
            absent @ (Sighting::Missing | Sighting::Taken(_)) if desired.is_going => {
                match self.confirmed(desired, demand.not_before).await? {
                    (Sighting::Missing, _) => (absent, tags),
                    found => found,
                }
            }
            throughput => (throughput, tags),
        };
        if let Sighting::Found(found) = &mut throughput {
            self.add_failure_message(&desired.region, found, history, looked_at, read_lag).await?;
        }
        let model = self.model(desired, &throughput, demand).await?;
        let health = match &throughput {
            Sighting::Found(found) => self.catalogue.health(&desired.region, found),
            Sighting::Taken(_) | Sighting::Missing | Sighting::Ambiguous(_) => ModelHealth::NotLooked,
        };
        Ok(Observed { looked_at, throughput, tags, model, health })
    }

    /// What a Get says of a throughput that a List does not show: before an object is let go for good, AWS has to say that there is none. An
    /// operator with the credentials of another account must not take what it cannot see for deleted.
    async fn confirmed(&self, desired: &Desired, not_before: Timestamp) -> Result<(Sighting, Option<Tags>), Fault> {
        let Some(arn) = desired.identity.bound.clone() else { return Ok((Sighting::Missing, None)) };
        let tags = self.tags.get(&desired.region, &arn, not_before);
        match self.bedrock.get_throughput(&desired.region, &ProvisionedModelId::Arn(arn.clone())).await? {
            Some(single) => Ok((Sighting::Found(single), tags.await?)),
            None => Ok((Sighting::Missing, None)),
        }
    }

    /// What the object is bound to or names, and its tags where they matter.
    async fn find(
        &self,
        desired: &Desired,
        history: &History,
        not_before: Timestamp,
    ) -> Result<(Timestamp, Sighting, Option<Tags>), Fault> {
        let (looked_at, found) = self.throughput(desired, not_before).await?;
        let tags = match &found {
            Sighting::Found(found) if tags_matter(desired, history) => {
                self.tags.get(&desired.region, &found.arn, not_before).await?
            }
            Sighting::Found(_) | Sighting::Taken(_) | Sighting::Missing | Sighting::Ambiguous(_) => None,
        };
        Ok((looked_at, found, tags))
    }

    /// Whether the object takes calls of its own, beside those that it shares with all others.
    #[must_use]
    pub fn takes_own_calls(desired: &Desired, history: &History) -> bool {
        searched(desired, history).is_some() || tags_matter(desired, history)
    }

    /// Forgets the tags of a throughput, because they were changed.
    pub fn forget_tags(&self, region: &Region, arn: &ProvisionedModelArn) {
        self.tags.forget(region, arn);
    }

    async fn model(&self, desired: &Desired, throughput: &Sighting, demand: Demand) -> Result<WantedModel, Fault> {
        let Some(wanted) = desired.model.as_ref().filter(|_| !desired.is_going) else {
            return Ok(WantedModel::NotManaged);
        };
        let found = match throughput {
            Sighting::Found(found) => Some(found),
            Sighting::Missing if desired.purchase().is_some() => None,
            Sighting::Taken(_) | Sighting::Missing | Sighting::Ambiguous(_) => return Ok(WantedModel::NotManaged),
        };
        let differs = found.is_none_or(|found| wanted.as_str() != found.desired_model_arn.as_str());
        let not_before =
            if demand.closely && differs { demand.not_before } else { minus(demand.not_before, MODEL_KEPT) };
        self.models.resolve(&desired.region, wanted, found, not_before).await
    }

    /// Looks for what belongs to an object that buys: by the owner tag, because an earlier attempt may have bought under another name, and
    /// by the wanted name, because it may be another's.
    async fn search(
        &self,
        desired: &Desired,
        history: &History,
        purchase: &Purchase<'_>,
        not_before: Timestamp,
    ) -> Result<(Timestamp, Sighting, Option<Tags>), Fault> {
        let region = &desired.region;
        // Without a List nobody can say that there is none, and nothing may be bought.
        let snapshot = self.inventory.look(region, not_before).await?;
        let names = [Some(purchase.name), bought_name(history)];
        let looks = snapshot.throughputs().cloned().map(|throughput| {
            let by_name = names.contains(&Some(&throughput.name));
            let not_before = if by_name { not_before } else { minus(not_before, FOREIGN_TAGS_KEPT) };
            async move {
                let tags = self.tags.get(region, &throughput.arn, not_before).await?;
                Ok::<_, Fault>((throughput, tags.unwrap_or_default()))
            }
        });
        let looks: Vec<_> = looks.collect();
        let tagged: Vec<(Throughput, Tags)> = stream::iter(looks).buffer_unordered(SEARCH_WIDTH).try_collect().await?;
        let (sighting, tags) = owned(desired, &snapshot, purchase, &tagged);
        Ok((snapshot.looked_at, sighting, tags))
    }

    async fn throughput(&self, desired: &Desired, not_before: Timestamp) -> Result<(Timestamp, Sighting), Fault> {
        let Identity { bound, id, fallback } = &desired.identity;
        let Some(first) = bound.clone().map(ProvisionedModelId::Arn).or_else(|| id.clone()) else {
            // Not bound, and nothing to find it by: `searched` has it.
            return Ok((not_before, Sighting::Missing));
        };
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
                .is_some_and(|last| !shown_by(&last.call, throughput) && looked_at >= plus(last.over_at, read_lag))
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

/// Whether AWS has taken over a call, as far as the throughput alone tells.
fn shown_by(call: &Call, throughput: &Throughput) -> bool {
    match call {
        Call::Update(update) => throughput.shows(update),
        // That it is still there is the sign that something came between.
        Call::Delete => false,
        Call::Create(_) | Call::Tag(_) => true,
    }
}

/// The purchase of an object that has to be searched for: it is not bound, or a Create is open that takes the place of what it is bound to
/// or whose answer was lost.
fn searched<'a>(desired: &'a Desired, history: &History) -> Option<Purchase<'a>> {
    let purchase = desired.purchase()?;
    let bound = desired.identity.bound.as_ref();
    let replaced = |last: &LastCall| match &last.call {
        Call::Create(create) => bound.is_some_and(|bound| create.replaces(bound)),
        Call::Update(_) | Call::Tag(_) | Call::Delete => false,
    };
    let open = history.open(PlanAction::Create);
    (bound.is_none() || open.is_some_and(|last| last.answer == Answer::Missing || replaced(last))).then_some(purchase)
}

/// The name that an open Create asked for: the manifest may have another by now.
fn bought_name(history: &History) -> Option<&ProvisionedModelName> {
    match &history.last_call.as_ref()?.call {
        Call::Create(create) => Some(&create.name),
        Call::Update(_) | Call::Tag(_) | Call::Delete => None,
    }
}

/// Of all throughputs, that which belongs to the object; else the one that it is bound to; else one that has the wanted name.
fn owned(
    desired: &Desired,
    snapshot: &Snapshot,
    purchase: &Purchase<'_>,
    tagged: &[(Throughput, Tags)],
) -> (Sighting, Option<Tags>) {
    let bound = desired.identity.bound.as_ref();
    let is_own = |tags: &Tags| Owner::from_tags(tags).is_some_and(|owner| owner.is(purchase.owner));
    let own: Vec<&(Throughput, Tags)> =
        tagged.iter().filter(|(throughput, tags)| is_own(tags) && Some(&throughput.arn) != bound).collect();
    // What is left of a purchase that failed does not stand in the way of one that did not.
    let sound: Vec<_> =
        own.iter().filter(|(throughput, _)| throughput.status != ThroughputStatus::Failed).copied().collect();
    let candidates = if sound.is_empty() && bound.is_none() { own } else { sound };
    let found = |(throughput, tags): &(Throughput, Tags)| (Sighting::Found(throughput.clone()), Some(tags.clone()));
    match (candidates.as_slice(), bound) {
        ([one], _) => found(one),
        ([], Some(arn)) if snapshot.by_arn(arn) != Sighting::Missing => {
            let tags = tagged.iter().find(|(throughput, _)| throughput.arn == *arn).map(|(_, tags)| tags.clone());
            (snapshot.by_arn(arn), tags)
        }
        ([], _) => {
            let is_taken =
                |(throughput, tags): &&(Throughput, Tags)| throughput.name == *purchase.name && !is_own(tags);
            let named = tagged.iter().filter(is_taken).min_by_key(|(throughput, _)| &throughput.arn);
            named.map_or((Sighting::Missing, None), |(throughput, tags)| {
                (Sighting::Taken(throughput.clone()), Some(tags.clone()))
            })
        }
        (several, _) => {
            let mut arns: Vec<_> = several.iter().map(|(throughput, _)| throughput.arn.clone()).collect();
            arns.sort();
            (Sighting::Ambiguous(arns), None)
        }
    }
}

/// Whether the object has to do with tags: it has or had some, or it goes by those of the owner.
fn tags_matter(desired: &Desired, history: &History) -> bool {
    let is_owner = match desired.policy {
        ManagementPolicy::Full => true,
        ManagementPolicy::Observe | ManagementPolicy::Update => false,
    };
    is_owner
        || !desired.tags.is_empty()
        || !history.managed_tag_keys.is_empty()
        || history.open(PlanAction::Tag).is_some()
}

#[cfg(test)]
mod tests;
