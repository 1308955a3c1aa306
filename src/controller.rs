//! The watch, and the queue of objects that are due.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    channel::mpsc::{self, UnboundedReceiver, UnboundedSender},
    future::{self, BoxFuture, Shared},
    stream,
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt as _, controller,
        reflector::{self, ObjectRef},
        watcher,
    },
};

use crate::{
    claims::{Claimant, Claims},
    crd::{ANNOTATIONS, ProvisionedThroughputStatus},
    desired::{Defaults, Desired},
    reconcile::{Context, after_an_error, claimant, reconcile},
    report::{Subject, Watched, is_leaving},
    serve::Health,
};

/// Wakes objects in whichever controller watches them.
#[derive(Debug, Clone, Default)]
pub struct Wakes(Arc<Mutex<Vec<Waker>>>);

/// The namespace that a controller watches, or all, and its queue.
type Waker = (Option<String>, UnboundedSender<ObjectRef<Watched>>);

impl Wakes {
    /// The objects of a namespace, or of all, that are to be woken from now on.
    fn of(&self, namespace: Option<&str>) -> UnboundedReceiver<ObjectRef<Watched>> {
        let (sender, receiver) = mpsc::unbounded();
        self.wakers().push((namespace.map(str::to_owned), sender));
        receiver
    }

    /// Makes an object due at once.
    pub fn send(&self, namespace: &str, name: &str) {
        for (watched, sender) in self.wakers().iter() {
            if watched.as_deref().is_none_or(|watched| watched == namespace) {
                // The receiver lives as long as its controller; after that nobody waits any more.
                let _ = sender.unbounded_send(ObjectRef::new(name).within(namespace));
            }
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        // A poisoned lock only means that another thread ended while it held the list, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends a controller: it is done once the request to end has come.
pub type Shutdown = Shared<BoxFuture<'static, ()>>;

/// Watches the objects of one namespace, or of all, until `shutdown`; then waits for the passes that are under way.
pub async fn run(
    client: Client,
    namespace: Option<&str>,
    concurrency: u16,
    context: Arc<Context>,
    health: Arc<Health>,
    wakes: Wakes,
    shutdown: Shutdown,
) {
    let scope = namespace.map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
    health.starting(&scope);
    let api: Api<Watched> =
        namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let (reader, writer) = reflector::store();
    let awake = Arc::clone(&context);
    let woken = wakes.of(namespace).inspect(move |object| {
        awake.metrics.due(object.namespace.as_deref().unwrap_or_default(), &object.name, Duration::ZERO);
    });
    let mut register = Register {
        context: Arc::clone(&context),
        wakes,
        namespace: namespace.map(str::to_owned),
        known: HashSet::new(),
        listed: HashSet::new(),
    };
    let watched_health = Arc::clone(&health);
    let watched_scope = scope.clone();
    let mut listing = Listing::default();
    let due = Arc::clone(&context);
    let objects = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(trim)
        .inspect_ok(move |event| register.note(event))
        .inspect(move |event| watched_health.watched(&watched_scope, event.as_ref()))
        .reflect(writer)
        .map_ok(move |event| stream::iter(listing.settled(event).into_iter().map(Ok)))
        .try_flatten()
        .predicate_filter(triggers, PredicateConfig::default())
        .inspect_ok(move |object| {
            due.metrics.due(&object.namespace().unwrap_or_default(), &object.name_any(), Duration::ZERO);
            due.traces.begin(&Subject::of(object));
        });
    let unlisted = ends_unlisted(reader.clone(), shutdown.clone());
    let controller = Controller::for_stream(objects, reader)
        .with_config(controller::Config::default().concurrency(concurrency))
        .reconcile_on(woken)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, after_an_error, context)
        .for_each(|result| {
            if let Err(error) = result {
                note_error(&scope, &error);
            }
            future::ready(())
        });
    future::select(pin!(controller), pin!(unlisted)).await;
    health.stopped(&scope);
}

/// Done when the end is asked for before there was a list: then there is no pass to wait for, but the controller would wait for the list.
async fn ends_unlisted(reader: reflector::Store<Watched>, shutdown: Shutdown) {
    shutdown.await;
    if matches!(reader.wait_until_ready().now_or_never(), Some(Ok(()))) {
        future::pending::<()>().await;
    }
}

/// What passes and the watch themselves could not deal with. Faults of passes have been told by then.
fn note_error(scope: &str, error: &controller::Error<crate::report::ReportError, watcher::Error>) {
    match error {
        controller::Error::ObjectNotFound(object) => tracing::debug!(%object, "the object is gone"),
        controller::Error::ReconcilerFailed(..) => {}
        controller::Error::QueueError(error) => {
            tracing::warn!(scope, %error, "the watch was interrupted; it is taken up again");
        }
        controller::Error::RunnerError(error) => tracing::error!(scope, %error, "the queue of due objects failed"),
    }
}

/// What is not needed is not kept: managed fields and annotations are most of an object's size.
fn trim(object: &mut Watched) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.labels = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
    }
}

/// What makes an object due at once: another manifest, a request, or its deletion; not a write of its status.
#[allow(clippy::unnecessary_wraps, reason = "the signature of a predicate")]
fn triggers(object: &Watched) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    object.uid().hash(&mut hasher);
    object.meta().generation.hash(&mut hasher);
    for key in ANNOTATIONS {
        object.annotations().get(key).hash(&mut hasher);
    }
    object.meta().deletion_timestamp.is_some().hash(&mut hasher);
    Some(hasher.finish())
}

/// Objects of a list that is under way. The cache has them only when the list is whole, so that they are not due before.
#[derive(Default)]
struct Listing(Vec<Watched>);

impl Listing {
    /// The objects that an event makes due.
    fn settled(&mut self, event: watcher::Event<Watched>) -> Vec<Watched> {
        match event {
            watcher::Event::Init => {
                self.0.clear();
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                self.0.push(object);
                Vec::new()
            }
            watcher::Event::InitDone => std::mem::take(&mut self.0),
            watcher::Event::Apply(object) => vec![object],
            watcher::Event::Delete(_) => Vec::new(),
        }
    }
}

/// Keeps the books on which objects there are.
struct Register {
    context: Arc<Context>,
    wakes: Wakes,
    /// The namespace whose objects these are; `None`: all.
    namespace: Option<String>,
    /// By uid, too: one that is deleted and made anew between two lists is another.
    known: HashSet<Subject>,
    /// Those of a list that is under way.
    listed: HashSet<Subject>,
}

impl Register {
    fn note(&mut self, event: &watcher::Event<Watched>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => {
                self.listed.insert(Subject::of(object));
                self.enter(object);
            }
            watcher::Event::Apply(object) => self.enter(object),
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<Subject> = self.known.difference(&listed).cloned().collect();
                for subject in &gone {
                    self.remove(subject);
                }
                self.context.claims.listed(self.namespace.as_deref());
            }
            watcher::Event::Delete(object) => self.remove(&Subject::of(object)),
        }
    }

    fn enter(&mut self, object: &Watched) {
        let subject = Subject::of(object);
        self.context.memories.open(&subject.uid, object.meta().resource_version.as_deref().unwrap_or_default());
        self.context.metrics.enter(&subject);
        let waited = register(&self.context.claims, object, &subject, &self.context.defaults);
        self.known.insert(subject);
        self.wake(waited);
    }

    fn remove(&mut self, subject: &Subject) {
        self.known.remove(subject);
        self.context.memories.forget(&subject.uid);
        self.context.traces.end(&subject.uid);
        self.context.turns.forget(subject);
        self.context.metrics.forget(subject);
        let waited = self.context.claims.release(&subject.namespace, &subject.name, &subject.uid);
        self.wake(waited);
    }

    fn wake(&self, waited: Vec<Claimant>) {
        for Claimant { created: _, namespace, name, uid } in waited {
            tracing::debug!(namespace, name, uid, "what it waited for is free");
            self.wakes.send(&namespace, &name);
        }
    }
}

/// Takes down what an object claims, as its manifest and its status say. One that is being deleted, and has still to see to its throughput,
/// keeps its claim until it is gone. Returns the objects that waited for what it no longer claims.
pub fn register(claims: &Claims, object: &Watched, subject: &Subject, defaults: &Defaults) -> Vec<Claimant> {
    let stays = object.0.as_ref().ok().filter(|_| !is_leaving(object));
    let desired = stays.and_then(|object| {
        let none = ProvisionedThroughputStatus::default();
        Desired::parse(object, object.status.as_ref().unwrap_or(&none), defaults).ok()
    });
    claims.claim(&claimant(object, subject), desired.as_ref())
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;
    use crate::crd::RECONCILE_REQUESTED_AT;

    fn object(name: &str, annotations: &serde_json::Value) -> Watched {
        let object = json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {"name": name, "namespace": "ml", "uid": name, "generation": 1, "annotations": annotations},
            "spec": {"provisionedModelId": "x"},
        });
        DeserializeGuard(Ok(serde_json::from_value(object).unwrap()))
    }

    fn names(objects: &[Watched]) -> Vec<String> {
        objects.iter().map(kube::ResourceExt::name_any).collect()
    }

    #[test]
    fn listed_objects_are_due_when_the_list_is_whole() {
        let mut listing = Listing::default();
        let plain = || object("a", &json!({}));
        assert_eq!(names(&listing.settled(watcher::Event::Init)), Vec::<String>::new());
        assert_eq!(names(&listing.settled(watcher::Event::InitApply(plain()))), Vec::<String>::new());
        assert_eq!(names(&listing.settled(watcher::Event::InitDone)), ["a"]);
        assert_eq!(names(&listing.settled(watcher::Event::InitDone)), Vec::<String>::new());
        assert_eq!(names(&listing.settled(watcher::Event::Apply(plain()))), ["a"]);
        assert_eq!(names(&listing.settled(watcher::Event::Delete(plain()))), Vec::<String>::new());
    }

    #[test]
    fn an_object_is_woken_where_it_is_watched() {
        let wakes = Wakes::default();
        let (mut ml, mut all) = (wakes.of(Some("ml")), wakes.of(None));
        wakes.send("ml", "a");
        wakes.send("search", "b");
        let names = |receiver: &mut UnboundedReceiver<ObjectRef<Watched>>| {
            std::iter::from_fn(|| receiver.try_recv().ok()).map(|object| object.name).collect::<Vec<_>>()
        };
        assert_eq!((names(&mut ml), names(&mut all)), (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn only_what_is_honoured_makes_an_object_due() {
        let due = |annotations| triggers(&object("a", &annotations));
        assert_eq!(due(json!({})), due(json!({"somebody.else/annotation": "changed"})));
        assert_ne!(due(json!({})), due(json!({RECONCILE_REQUESTED_AT: "now"})));
    }

    #[test]
    fn what_is_not_needed_is_not_kept() {
        let mut watched = object("a", &json!({RECONCILE_REQUESTED_AT: "now", "other": "x"}));
        trim(&mut watched);
        assert_eq!(watched.annotations().keys().collect::<Vec<_>>(), [RECONCILE_REQUESTED_AT]);
    }
}
