//! Calls to AWS, sent at the pace that the budget allows, and measured.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Accepted, Bedrock, Fault, Looks, Operation};
use crate::{
    calls::{Create, Update},
    identifiers::{ProvisionedModelArn, ProvisionedModelId, Region},
    metrics::Metrics,
    observed::{CustomModel, CustomModelSummary, FoundationModel, Throughput},
    telemetry,
    turns::Turns,
};

/// Paces, counts and times the calls of another [`Bedrock`]. The time that a call waits for the budget is not part of it.
#[derive(Debug)]
pub struct Metered<B> {
    inner: B,
    turns: Arc<Turns>,
    metrics: Arc<Metrics>,
}

impl<B: Looks> Metered<B> {
    /// Paces and measures the calls of `inner`.
    pub fn new(inner: B, turns: Arc<Turns>, metrics: Arc<Metrics>) -> Self {
        Self { inner, turns, metrics }
    }

    async fn measure<T>(
        &self,
        region: &Region,
        operation: Operation,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let sent_at = self.turns.send(region, operation.kind(), operation.is_list()).await;
        // Of the highest level, so that every line about the call names it, whatever is logged. The call itself notes its id.
        let span =
            tracing::error_span!("aws", %region, operation = operation.as_str(), request_id = tracing::field::Empty);
        self.measured(region, operation, sent_at, call).instrument(span).await
    }

    async fn measured<T>(
        &self,
        region: &Region,
        operation: Operation,
        sent_at: Timestamp,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        let answer = call.await;
        let took = begun.elapsed();
        self.turns.ended(region, operation.kind(), sent_at, answer.as_ref().err());
        let seconds = took.as_secs_f64();
        let fault = answer.as_ref().err();
        self.metrics.called(region, operation, fault, took);
        match fault {
            None => tracing::debug!(seconds, "AWS answered"),
            Some(fault) => {
                let reason = fault.reason().as_str();
                telemetry::failed(reason);
                tracing::warn!(seconds, reason, code = fault.code, detail = fault.detail, "a call to AWS failed");
            }
        }
        answer
    }
}

impl<B: Looks> Looks for Metered<B> {
    fn list_throughputs<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        async move {
            let begun = Timestamp::now();
            let call = self.inner.list_throughputs(region);
            let listed = self.measure(region, Operation::ListProvisionedModelThroughputs, call).await?;
            self.metrics.looked(region, begun);
            Ok(listed)
        }
        .boxed()
    }

    fn get_throughput<'a>(
        &'a self,
        region: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        let call = self.inner.get_throughput(region, id);
        self.measure(region, Operation::GetProvisionedModelThroughput, call).boxed()
    }

    fn list_tags<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        let call = self.inner.list_tags(region, arn);
        self.measure(region, Operation::ListTagsForResource, call).boxed()
    }

    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        let call = self.inner.get_custom_model(region, model);
        self.measure(region, Operation::GetCustomModel, call).boxed()
    }

    fn list_custom_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        let call = self.inner.list_custom_models(region);
        self.measure(region, Operation::ListCustomModels, call).boxed()
    }

    fn list_foundation_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        let call = self.inner.list_foundation_models(region);
        self.measure(region, Operation::ListFoundationModels, call).boxed()
    }
}

impl<B: Bedrock> Bedrock for Metered<B> {
    fn create_throughput<'a>(
        &'a self,
        region: &'a Region,
        create: &'a Create,
    ) -> BoxFuture<'a, Result<(Accepted, Option<ProvisionedModelArn>), Fault>> {
        let call = self.inner.create_throughput(region, create);
        self.measure(region, Operation::CreateProvisionedModelThroughput, call).boxed()
    }

    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        update: &'a Update,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let call = self.inner.update_throughput(region, arn, update);
        self.measure(region, Operation::UpdateProvisionedModelThroughput, call).boxed()
    }

    fn delete_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let call = self.inner.delete_throughput(region, arn);
        self.measure(region, Operation::DeleteProvisionedModelThroughput, call).boxed()
    }

    fn tag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        tags: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let call = self.inner.tag_throughput(region, arn, tags);
        self.measure(region, Operation::TagResource, call).boxed()
    }

    fn untag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        keys: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let call = self.inner.untag_throughput(region, arn, keys);
        self.measure(region, Operation::UntagResource, call).boxed()
    }
}
