//! What AWS has, by region: one List serves every object that asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{Fault, FaultKind, Looks};
use crate::{
    backoff::{Backoff, spread},
    identifiers::{ProvisionedModelArn, ProvisionedModelName, Region},
    observed::{Sighting, Throughput},
};

/// The least time from the start of one List to the start of the second after it: changes that come in a burst share a look, and one that
/// comes alone does not wait. Four a second at the most; what AWS lets through is not published.
const GAP: Duration = Duration::from_millis(500);

/// The pauses between Lists that fail: objects that ask meanwhile are told the last fault. The cap bounds how long the end of an outage
/// goes unnoticed.
const AFTER_A_FAULT: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(1) };

/// The pauses before a List is tried again within one look, after a look that succeeded: what has passed in a second is not told to every
/// object. Once a look has failed, [`AFTER_A_FAULT`] alone counts, so that the two do not multiply.
const BLIPS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// How long a refusal by IAM is taken for granted.
const AFTER_A_REFUSAL: Duration = Duration::from_mins(1);

/// Whether a look was begun at `not_before` or later. One of the future is of a clock that has been set back since, and says nothing.
pub(super) fn is_within(looked_at: Timestamp, not_before: Timestamp) -> bool {
    looked_at >= not_before && looked_at <= Timestamp::now()
}

fn may_pass_at_once(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Throttled | FaultKind::Internal | FaultKind::Connection => true,
        FaultKind::AccessDenied
        | FaultKind::NotFound
        | FaultKind::Refused
        | FaultKind::Conflict
        | FaultKind::QuotaExceeded
        | FaultKind::Timeout
        | FaultKind::InvalidResponse
        | FaultKind::CredentialsMissing
        | FaultKind::CredentialsRejected => false,
    }
}

/// Everything that a List found.
#[derive(Debug)]
pub struct Snapshot {
    /// When the List was begun: what was done at AWS before this moment may be seen in it.
    pub looked_at: Timestamp,
    throughputs: HashMap<ProvisionedModelArn, Throughput>,
    names: HashMap<ProvisionedModelName, Vec<ProvisionedModelArn>>,
}

impl Snapshot {
    /// What a List that was begun at `looked_at` found.
    #[must_use]
    pub fn new(looked_at: Timestamp, listed: Vec<Throughput>) -> Self {
        let mut names: HashMap<_, Vec<_>> = HashMap::with_capacity(listed.len());
        let mut throughputs = HashMap::with_capacity(listed.len());
        for throughput in listed {
            // A throughput that is renamed while AWS turns the pages may be on two of them.
            let arns = names.entry(throughput.name.clone()).or_default();
            if !arns.contains(&throughput.arn) {
                arns.push(throughput.arn.clone());
            }
            throughputs.insert(throughput.arn.clone(), throughput);
        }
        Self { looked_at, throughputs, names }
    }

    /// The throughput of an ARN.
    #[must_use]
    pub fn by_arn(&self, arn: &ProvisionedModelArn) -> Sighting {
        self.throughputs.get(arn).map_or(Sighting::Missing, |found| Sighting::Found(found.clone()))
    }

    /// All throughputs.
    pub fn throughputs(&self) -> impl Iterator<Item = &Throughput> {
        self.throughputs.values()
    }

    /// The throughput of a name. Whether AWS allows two of one name is not documented.
    pub fn by_name(&self, name: &ProvisionedModelName) -> Sighting {
        match self.names.get(name).map(Vec::as_slice) {
            None | Some([]) => Sighting::Missing,
            Some([arn]) => self.by_arn(arn),
            Some(arns) => Sighting::Ambiguous(arns.to_vec()),
        }
    }
}

/// The shared look at AWS.
#[derive(Debug)]
pub struct Inventory {
    bedrock: Arc<dyn Looks>,
    regions: Mutex<HashMap<Region, Arc<AsyncMutex<Kept>>>>,
}

/// What is known of a region. The lock around it is what makes Lists single flight.
#[derive(Debug, Default)]
struct Kept {
    snapshot: Option<Arc<Snapshot>>,
    /// When the last List was begun, and the one before it.
    begun: [Option<Instant>; 2],
    fault: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    fault: Fault,
    ended: Instant,
    /// No List before.
    until: Instant,
    in_a_row: u32,
}

impl Inventory {
    /// An inventory that has not looked yet.
    pub fn new(bedrock: Arc<dyn Looks>) -> Self {
        Self { bedrock, regions: Mutex::default() }
    }

    /// What AWS has in `region`, by a look that was begun at `not_before` or later. `not_before` must not be in the future.
    ///
    /// # Errors
    /// The fault of a List that was made for this caller or while it waited, or that of the last one where it is too early for another.
    pub async fn look(&self, region: &Region, not_before: Timestamp) -> Result<Arc<Snapshot>, Fault> {
        let asked = Instant::now();
        let kept = self.kept(region);
        let mut kept = kept.lock().await;
        if let Some(snapshot) = kept.snapshot.as_ref().filter(|snapshot| is_within(snapshot.looked_at, not_before)) {
            return Ok(Arc::clone(snapshot));
        }
        if let Some(failed) =
            kept.fault.as_ref().filter(|failed| failed.ended >= asked || failed.until > Instant::now())
        {
            return Err(failed.fault.clone());
        }
        let [last, before] = kept.begun;
        if let Some(before) = before {
            tokio::time::sleep_until(before + GAP).await;
        }
        kept.begun = [Some(Instant::now()), last];
        let looked_at = Timestamp::now();
        match self.list(region, kept.fault.is_none()).await {
            Ok(listed) => {
                let snapshot = Arc::new(Snapshot::new(looked_at, listed));
                kept.snapshot = Some(Arc::clone(&snapshot));
                kept.fault = None;
                Ok(snapshot)
            }
            Err(fault) => {
                let in_a_row = kept.fault.as_ref().map_or(0, |failed| failed.in_a_row.saturating_add(1));
                let pause = match fault.kind {
                    FaultKind::AccessDenied => AFTER_A_REFUSAL,
                    FaultKind::NotFound
                    | FaultKind::Refused
                    | FaultKind::Conflict
                    | FaultKind::QuotaExceeded
                    | FaultKind::Throttled
                    | FaultKind::Internal
                    | FaultKind::Timeout
                    | FaultKind::Connection
                    | FaultKind::InvalidResponse
                    | FaultKind::CredentialsMissing
                    | FaultKind::CredentialsRejected => AFTER_A_FAULT.pause(in_a_row, fault.retry_after),
                };
                let ended = Instant::now();
                kept.fault = Some(Failed { fault: fault.clone(), ended, until: ended + pause, in_a_row });
                Err(fault)
            }
        }
    }

    async fn list(&self, region: &Region, blips_pass: bool) -> Result<Vec<Throughput>, Fault> {
        let mut answer = self.bedrock.list_throughputs(region).await;
        for pause in BLIPS.iter().filter(|_| blips_pass) {
            match &answer {
                Err(fault) if may_pass_at_once(&fault.kind) => {
                    tokio::time::sleep(spread(*pause)).await;
                    answer = self.bedrock.list_throughputs(region).await;
                }
                Ok(_) | Err(_) => break,
            }
        }
        answer
    }

    fn kept(&self, region: &Region) -> Arc<AsyncMutex<Kept>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(regions.entry(region.clone()).or_default())
    }
}

#[cfg(test)]
mod tests;
