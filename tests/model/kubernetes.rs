//! The one object, as the API server keeps it.

use bedrock_throughput_operator::crd::{ProvisionedThroughput, ProvisionedThroughputStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::shared::{Digest, Shared, digest_of};

impl Digest for ProvisionedThroughput {
    fn digest(&self) -> u64 {
        digest_of(serde_json::to_string(self).unwrap())
    }
}

impl Digest for ProvisionedThroughputStatus {
    fn digest(&self) -> u64 {
        digest_of(serde_json::to_string(self).unwrap())
    }
}

/// What the API server keeps of the object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Tells newer from older; the model keeps it small.
    pub version: u8,
    /// The metadata that the operator reads, and the spec. No status.
    pub manifest: Shared<ProvisionedThroughput>,
    /// Whether it has the operator's finalizer.
    pub finalizer: bool,
    /// The status.
    pub status: Shared<ProvisionedThroughputStatus>,
}

/// Why the API server does not take a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 404.
    Gone,
    /// 409.
    Conflict,
}

impl Stored {
    pub fn is_going(&self) -> bool {
        self.manifest.metadata.deletion_timestamp.is_some()
    }
}

/// The API server. `None`: the object is gone.
pub type Cluster = Option<Stored>;

fn at(cluster: &mut Cluster, only_at: Option<u8>) -> Result<&mut Stored, Refused> {
    let stored = cluster.as_mut().ok_or(Refused::Gone)?;
    match only_at {
        Some(version) if version != stored.version => Err(Refused::Conflict),
        Some(_) | None => Ok(stored),
    }
}

/// Writes the whole status, and returns the version then. What changes nothing makes no new version.
pub fn write_status(
    cluster: &mut Cluster,
    status: &Shared<ProvisionedThroughputStatus>,
    only_at: Option<u8>,
) -> Result<Stored, Refused> {
    let stored = at(cluster, only_at)?;
    if stored.status != *status {
        stored.status = status.clone();
        stored.version += 1;
    }
    Ok(stored.clone())
}

/// Puts the finalizer on or takes it off. An object that is being deleted goes with it.
pub fn set_finalizer(cluster: &mut Cluster, finalizer: bool, only_at: u8) -> Result<Stored, Refused> {
    let stored = at(cluster, Some(only_at))?;
    stored.finalizer = finalizer;
    stored.version += 1;
    if stored.is_going() && !finalizer {
        *cluster = None;
        return Err(Refused::Gone);
    }
    Ok(stored.clone())
}

/// A person changes the manifest.
pub fn edit(cluster: &mut Cluster, change: impl FnOnce(&mut ProvisionedThroughput)) {
    let Some(stored) = cluster else { return };
    let mut manifest = (*stored.manifest).clone();
    change(&mut manifest);
    if manifest.spec != stored.manifest.spec {
        manifest.metadata.generation = manifest.metadata.generation.map(|generation| generation + 1);
    }
    stored.manifest = Shared::new(manifest);
    stored.version += 1;
}

/// A person deletes the object.
pub fn delete(cluster: &mut Cluster, now: Timestamp) {
    let Some(stored) = cluster else { return };
    if !stored.finalizer {
        *cluster = None;
        return;
    }
    let mut manifest = (*stored.manifest).clone();
    manifest.metadata.deletion_timestamp = Some(Time(now));
    manifest.metadata.generation = manifest.metadata.generation.map(|generation| generation + 1);
    stored.manifest = Shared::new(manifest);
    stored.version += 1;
}
