//! Calls to AWS, only while this process may make them.

use std::{
    collections::{BTreeMap, BTreeSet},
    future,
};

use futures::{FutureExt as _, future::BoxFuture};

use super::{Accepted, Bedrock, Fault, Looks};
use crate::{
    calls::{Create, Update},
    identifiers::{ProvisionedModelArn, ProvisionedModelId, Region},
    leader::Term,
    observed::{CustomModel, CustomModelSummary, FoundationModel, Throughput},
};

/// Begins calls of another [`Bedrock`] while the term holds. Once it is over the process is about to end, and a call that would be
/// begun waits for that: whatever a thread was at when it was held up, it does no more.
#[derive(Debug)]
pub struct Fenced<B> {
    inner: B,
    term: Term,
}

impl<B: Looks> Fenced<B> {
    /// Lets calls of `inner` pass while `term` holds.
    pub fn new(inner: B, term: Term) -> Self {
        Self { inner, term }
    }
}

impl<B: Send + Sync> Fenced<B> {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a B) -> BoxFuture<'a, Result<T, Fault>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        async move {
            if !self.term.holds() {
                tracing::warn!("no call to AWS is begun any more: this process does not lead");
                return future::pending().await;
            }
            call(&self.inner).await
        }
        .boxed()
    }
}

impl<B: Looks> Looks for Fenced<B> {
    fn list_throughputs<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        self.pass(|inner| inner.list_throughputs(region))
    }

    fn get_throughput<'a>(
        &'a self,
        region: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        self.pass(|inner| inner.get_throughput(region, id))
    }

    fn list_tags<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        self.pass(|inner| inner.list_tags(region, arn))
    }

    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        self.pass(|inner| inner.get_custom_model(region, model))
    }

    fn list_custom_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        self.pass(|inner| inner.list_custom_models(region))
    }

    fn list_foundation_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        self.pass(|inner| inner.list_foundation_models(region))
    }
}

impl<B: Bedrock> Bedrock for Fenced<B> {
    fn create_throughput<'a>(
        &'a self,
        region: &'a Region,
        create: &'a Create,
    ) -> BoxFuture<'a, Result<(Accepted, Option<ProvisionedModelArn>), Fault>> {
        self.pass(|inner| inner.create_throughput(region, create))
    }

    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        update: &'a Update,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        self.pass(|inner| inner.update_throughput(region, arn, update))
    }

    fn delete_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        self.pass(|inner| inner.delete_throughput(region, arn))
    }

    fn tag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        tags: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        self.pass(|inner| inner.tag_throughput(region, arn, tags))
    }

    fn untag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        keys: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        self.pass(|inner| inner.untag_throughput(region, arn, keys))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_call_is_begun_only_while_the_term_holds() {
        let term = Term::not_begun();
        let fenced = Fenced { inner: AtomicU32::new(0), term: term.clone() };
        let call = || fenced.pass(|calls| async { Ok(calls.fetch_add(1, Ordering::SeqCst)) }.boxed());
        assert!(call().now_or_never().is_none(), "it does not lead yet");
        term.extend(Instant::now() + Duration::from_mins(1));
        assert_eq!(call().now_or_never(), Some(Ok(0)));
        // Decided in time, and held up: by the budget, or with the whole process.
        let held_up = call();
        term.extend(Instant::now());
        assert!(held_up.now_or_never().is_none(), "nobody has told it yet that its time is over");
        term.extend(Instant::now() + Duration::from_mins(1));
        let held_up = call();
        term.end();
        assert!(held_up.now_or_never().is_none());
        assert_eq!(fenced.inner.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_process_that_is_alone_is_held_up_by_nothing() {
        let fenced = Fenced { inner: (), term: Term::without_end() };
        assert_eq!(fenced.pass(|()| async { Ok(()) }.boxed()).now_or_never(), Some(Ok(())));
    }
}
