//! What the process remembers of each object from one pass to the next. None of it has to outlive the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    crd::ProvisionedThroughputStatus,
    history::LastCall,
    report::{Live, Subject},
};

/// What is remembered of one object. There is one for each, so that what is seldom there takes no room while it is not.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The status that was written last, and what the object was by then: the watch may be behind.
    pub written: Option<Box<(Live, ProvisionedThroughputStatus)>>,
    /// A call that AWS accepted and that no status tells of yet.
    pub accepted: Option<Box<Untold>>,
    /// When the last call of this process ended without an answer.
    pub unanswered: Option<Timestamp>,
    /// The change of the manifest or the request that was noticed last, and when.
    pub noticed: Option<Box<Noticed>>,
    /// The next look that is not asked for by a change is begun at this time or later.
    pub next_look: Option<Timestamp>,
    /// Looks in a row at something that AWS is at work on.
    pub follows: u32,
    /// When the turn of an object that waits for one comes, as its status says.
    pub turn_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// That the object is let go has been told.
    pub told_of_the_end: bool,
}

/// A call that AWS accepted. The next look tells of it together with what came of it.
#[derive(Debug, Clone)]
pub struct Untold {
    /// The call.
    pub call: LastCall,
    /// Whose call it was.
    pub subject: Subject,
}

/// A change that a look has to be newer than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// The generation of the manifest.
    pub generation: Option<i64>,
    /// The open `reconcile-requested-at`, `approve` and `take-over-from`.
    pub asked: [Option<String>; 3],
    /// When it was first seen.
    pub at: Timestamp,
}

/// The memories of all objects, by uid.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    /// Begins to remember an object, or goes on: what was written is forgotten once the watch shows it.
    pub fn open(&self, uid: &str, resource_version: &str) {
        let mut memories = self.memories();
        let Some(memory) = memories.get_mut(uid) else {
            memories.insert(uid.to_owned(), Memory::default());
            return;
        };
        // What a call came to is told from the status that was written before it.
        if memory.accepted.is_none() && memory.ahead_of(resource_version).is_none() {
            memory.written = None;
        }
    }

    /// What is remembered of an object.
    pub fn recall(&self, uid: &str) -> Memory {
        self.memories().get(uid).cloned().unwrap_or_default()
    }

    /// Remembers, unless the object is gone by now.
    pub fn keep(&self, uid: &str, memory: Memory) {
        if let Some(kept) = self.memories().get_mut(uid) {
            *kept = memory;
        }
    }

    /// The calls that no status tells of yet, each with the status that was written last.
    pub fn untold(&self) -> Vec<(Untold, ProvisionedThroughputStatus)> {
        let untold = |memory: &Memory| {
            let (accepted, written) = memory.accepted.as_ref().zip(memory.written.as_ref())?;
            Some((Untold::clone(accepted), written.1.clone()))
        };
        self.memories().values().filter_map(untold).collect()
    }

    /// Forgets an object.
    pub fn forget(&self, uid: &str) {
        self.memories().remove(uid);
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What was written last, unless the watch, which shows `resource_version`, has caught up with it.
    #[must_use]
    pub fn ahead_of(&self, resource_version: &str) -> Option<&(Live, ProvisionedThroughputStatus)> {
        self.written.as_deref().filter(|(live, _)| is_newer(&live.resource_version, resource_version))
    }
}

/// Resource versions of one resource compare as numbers (KEP-5504). One that is no number counts as newer, if it differs: what this
/// process wrote is then believed for too long rather than forgotten too soon.
fn is_newer(written: &str, watched: &str) -> bool {
    match (written.parse::<u128>(), watched.parse::<u128>()) {
        (Ok(written), Ok(watched)) => written > watched,
        (Err(_), _) | (_, Err(_)) => written != watched,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Asked;

    #[test]
    fn the_status_that_was_written_counts_until_the_watch_has_it() {
        let live = Live { resource_version: "100".into(), finalizers: Vec::new(), asked: Asked::default() };
        let written = Some(Box::new((live, ProvisionedThroughputStatus::default())));
        let memory = Memory { written, ..Default::default() };
        let is_ahead = |version| memory.ahead_of(version).is_some();
        assert!(is_ahead("99") && is_ahead("new-format"));
        assert!(!is_ahead("100") && !is_ahead("1000"));
        let memories = Memories::default();
        memories.open("a", "1");
        memories.keep("a", memory);
        memories.open("a", "99");
        assert!(memories.recall("a").written.is_some());
        memories.open("a", "100");
        assert!(memories.recall("a").written.is_none(), "there is no second copy of what the watch shows");
    }

    #[test]
    fn nothing_is_kept_of_an_object_that_is_gone() {
        let memories = Memories::default();
        memories.open("a", "1");
        memories.keep("a", Memory { failures: 3, ..Memory::default() });
        assert_eq!(memories.recall("a").failures, 3);
        memories.forget("a");
        memories.keep("a", Memory { failures: 4, ..Memory::default() });
        assert_eq!(memories.recall("a").failures, 0);
    }
}
