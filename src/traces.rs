//! One trace for each change: from the event that makes an object due, over all passes that it takes, to the status that tells how it ended.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing::Span;

use crate::report::Subject;

/// The traces that are open, by uid. Where nobody asks for traces there are none, and nothing is kept.
#[derive(Debug)]
pub struct Traces {
    on: bool,
    open: Mutex<HashMap<String, Span>>,
}

impl Traces {
    /// No trace yet, and never one where `on` is not set.
    #[must_use]
    pub fn new(on: bool) -> Self {
        Self { on, open: Mutex::default() }
    }

    /// An event has made an object due: a new trace.
    pub fn begin(&self, subject: &Subject) {
        if self.on {
            let span = root("change", subject);
            self.open().insert(subject.uid.clone(), span);
        }
    }

    /// The trace that a pass over an object belongs to: of the event before it, of the pass that it follows up, or a new one.
    pub fn of(&self, subject: &Subject) -> Span {
        if !self.on {
            return Span::none();
        }
        self.open().entry(subject.uid.clone()).or_insert_with(|| root("look", subject)).clone()
    }

    /// An object has come to rest, or is gone.
    pub fn end(&self, uid: &str) {
        if self.on {
            self.open().remove(uid);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Span>> {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The span that the others of a trace are below.
fn root(why: &'static str, subject: &Subject) -> Span {
    let Subject { namespace, name, uid } = subject;
    tracing::info_span!(parent: None, "object", why, namespace, name, uid)
}
