//! Calls to AWS, measured.

use std::{future::Future, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Accepted, Bedrock, Fault, Operation};
use crate::{
    crd::UpdateRequest,
    identifiers::{ProvisionedModelArn, ProvisionedModelId, Region},
    metrics::Metrics,
    observed::{CustomModel, Throughput},
};

/// Counts and times the calls of another [`Bedrock`].
#[derive(Debug)]
pub struct Metered<B> {
    inner: B,
    metrics: Arc<Metrics>,
}

impl<B: Bedrock> Metered<B> {
    /// Measures the calls of `inner`.
    pub fn new(inner: B, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    async fn measure<T>(
        &self,
        region: &Region,
        operation: Operation,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        let answer = call.await;
        let took = begun.elapsed();
        let seconds = took.as_secs_f64();
        let fault = answer.as_ref().err();
        self.metrics.called(region, operation, fault, took);
        match fault {
            None => tracing::debug!(%region, operation = operation.as_str(), seconds, "AWS answered"),
            Some(fault) => tracing::warn!(
                %region, operation = operation.as_str(), seconds, reason = fault.reason().as_str(),
                code = fault.code, request_id = fault.request_id, detail = fault.detail, "a call to AWS failed"
            ),
        }
        answer
    }
}

impl<B: Bedrock> Bedrock for Metered<B> {
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

    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        request: &'a UpdateRequest,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let call = self.inner.update_throughput(region, arn, request);
        self.measure(region, Operation::UpdateProvisionedModelThroughput, call).boxed()
    }

    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        let call = self.inner.get_custom_model(region, model);
        self.measure(region, Operation::GetCustomModel, call).boxed()
    }
}
