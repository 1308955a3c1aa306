//! Spans to an OpenTelemetry collector: OTLP, protobuf over HTTP. All settings are OpenTelemetry's own environment variables.

use std::{env, time::Duration};

use anyhow::Context as _;
use futures::{FutureExt as _, future::BoxFuture};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::{
    KeyValue,
    trace::{Status, TracerProvider as _},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, Tracer},
};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Where spans go. Traces are off where neither is set.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// The most that a request may take; `OTEL_EXPORTER_OTLP_TIMEOUT` makes it shorter.
const PATIENCE: Duration = Duration::from_secs(30);

/// What makes and sends spans, if anybody wants them.
///
/// # Errors
/// When the settings cannot be read, or say something that is not offered.
pub(super) fn provider() -> anyhow::Result<Option<SdkTracerProvider>> {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !ENDPOINTS.iter().any(|name| is_set(name)) {
        return Ok(None);
    }
    let context = "sending traces (OTEL_EXPORTER_OTLP_ENDPOINT)";
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider())
        .context(context)?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Sender { runtime: Handle::current(), client: HyperClient::new(connector, PATIENCE, None) };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build().context(context)?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES count more.
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = if is_set("OTEL_SERVICE_NAME") {
        resource.build()
    } else {
        resource.with_service_name(env!("CARGO_PKG_NAME")).build()
    };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}

/// What turns our spans into OpenTelemetry's.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
    provider: &SdkTracerProvider,
) -> OpenTelemetryLayer<S, Tracer> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        // Where in the code it was is for those who read it; and threads say nothing here.
        .with_location(false)
        .with_threads(false)
}

/// Shows that what a span is about failed.
pub(super) fn failed(span: &tracing::Span, why: &str) {
    span.set_status(Status::error(why.to_owned()));
}

/// Sends on the operator's runtime, from a thread that has none.
#[derive(Debug)]
struct Sender {
    runtime: Handle,
    client: HyperClient<HttpsConnector<HttpConnector>>,
}

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await });
        async move { sent.await.map_err(HttpError::from)? }.boxed()
    }
}
