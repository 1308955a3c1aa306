//! Answers of AWS, kept and shared: one call serves all who ask for the same thing at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{Fault, inventory::is_within};

/// The most answers of a kind that are kept: manifests name what is asked for, and nobody says when it is no longer named. Past it all are
/// asked for anew.
const MOST: usize = 10_000;

/// Answers of one kind, by what was asked for.
#[derive(Debug)]
pub(super) struct Answers<K, V> {
    slots: Mutex<HashMap<K, Arc<AsyncMutex<Slot<V>>>>>,
    /// How long a fault stands for an answer.
    fault_kept: Duration,
}

/// What is known of one thing. The lock around it makes calls single flight.
#[derive(Debug)]
struct Slot<V> {
    known: Option<(Timestamp, V)>,
    /// The last fault, and when it was over.
    fault: Option<(Fault, Instant)>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { known: None, fault: None }
    }
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    /// Nothing known yet. A fault is shared by those who wait for it, and by those who ask within `fault_kept` after it.
    pub(super) fn new(fault_kept: Duration) -> Self {
        Self { slots: Mutex::default(), fault_kept }
    }

    /// The answer to `ask` by a call that was begun at `not_before` or later.
    ///
    /// # Errors
    /// The fault of the call that was made for this caller or while it waited, or of one shortly before.
    pub(super) async fn get(
        &self,
        key: K,
        not_before: Timestamp,
        ask: impl Future<Output = Result<V, Fault>>,
    ) -> Result<V, Fault> {
        let asked = Instant::now();
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if let Some((_, answer)) = slot.known.as_ref().filter(|(looked_at, _)| is_within(*looked_at, not_before)) {
            return Ok(answer.clone());
        }
        // A fault while this caller waited is its fault, too: one that hangs would otherwise be met by each in turn.
        if let Some((fault, _)) = slot.fault.as_ref().filter(|(_, ended)| *ended + self.fault_kept >= asked) {
            return Err(fault.clone());
        }
        let looked_at = Timestamp::now();
        match ask.await {
            Ok(answer) => {
                *slot = Slot { known: Some((looked_at, answer.clone())), fault: None };
                Ok(answer)
            }
            Err(fault) => {
                slot.fault = Some((fault.clone(), Instant::now()));
                Err(fault)
            }
        }
    }

    /// The answer to `get`, if it is there without waiting for anything.
    pub(super) fn peek(&self, key: &K) -> Option<Result<(Timestamp, V), Fault>> {
        let slot = self.slots().get(key).map(Arc::clone)?;
        let slot = slot.try_lock().ok()?;
        match (&slot.known, &slot.fault) {
            (Some((looked_at, answer)), None) => Some(Ok((*looked_at, answer.clone()))),
            (_, Some((fault, _))) => Some(Err(fault.clone())),
            (None, None) => None,
        }
    }

    /// Forgets an answer, because of something that was done at AWS.
    pub(super) fn forget(&self, key: &K) {
        self.slots().remove(key);
    }

    fn slot(&self, key: K) -> Arc<AsyncMutex<Slot<V>>> {
        let mut slots = self.slots();
        if slots.len() >= MOST && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<K, Arc<AsyncMutex<Slot<V>>>>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
