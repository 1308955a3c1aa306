//! What the operator logs, how its level is changed, and the traces that it sends.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as AnyValue},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, Operation},
    control_plane::{plane, runtime},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
};

fn named(name: &str) -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN, "provisionedModelName": name}))
}

/// Every line of a log, as JSON.
fn lines(log: &str) -> Vec<Value> {
    let line = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    log.lines().map(line).collect()
}

fn wait_for_the_log(env: &Environment, text: &str) {
    let told = wait_until(PATIENCE, &format!("the log says {text:?}"), || {
        let log = env.operator.log();
        anyhow::ensure!(log.contains(text), "{log}");
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn every_line_of_a_pass_names_the_object_and_every_call_its_request() {
    let env = Environment::with_flags(Aws::start(), &["--log-level", "debug"]);
    env.cluster.apply(&named("renamed"));
    let object = env.wait_until_ready("summarizer");
    env.wait_for_events("summarizer", &["Updating", "Updated"]);
    let uid = object.0.metadata.uid.clone().expect("a uid");
    let log = env.operator.log();
    let lines = lines(&log);
    let of_passes: Vec<&Value> = lines
        .iter()
        .filter(|line| {
            let target = line["target"].as_str().unwrap_or_default();
            // Whether models will last is looked at for nobody in particular.
            let is_for_all = ["ListFoundationModels", "ListCustomModels"].iter().any(|all| line["operation"] == *all);
            !is_for_all && ["::reconcile", "::bedrock::metered"].iter().any(|module| target.contains(module))
        })
        .collect();
    assert!(of_passes.len() >= 5, "{log}");
    for line in &of_passes {
        assert_eq!(
            (&line["namespace"], &line["name"], &line["uid"]),
            (&json!(env.cluster.name), &json!("summarizer"), &json!(uid)),
            "{line}"
        );
    }
    // Named twice, a member would be lost on most readers.
    for text in log.lines().filter(|text| text.contains("summarizer")) {
        for member in ["\"namespace\":", "\"name\":", "\"uid\":", "\"request_id\":"] {
            assert!(text.matches(member).count() <= 1, "{member} in {text}");
        }
    }
    let answered: Vec<&&Value> = of_passes.iter().filter(|line| line["message"] == "AWS answered").collect();
    let ids: BTreeSet<String> = env.aws.calls().into_iter().map(|call| call.request_id).collect();
    assert!(answered.len() >= 3, "{log}");
    for line in answered {
        assert!(line["request_id"].as_str().is_some_and(|id| ids.contains(id)), "{line}");
        assert!(line["operation"].is_string() && line["region"] == "us-east-1", "{line}");
    }
    let accepted = of_passes.iter().find(|line| line["message"] == "AWS accepted the call").expect("the line");
    assert_eq!(accepted["request_id"], env.aws.update_request_ids()[0]);
}

#[test]
fn no_secret_is_logged_at_any_level() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SESSION: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let mut settings = settings(plane(), &cluster, &aws, &["--log-level", "trace"]);
    let secrets = [("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", SESSION)];
    settings.environment.extend(secrets.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))));
    let kubeconfig = std::fs::read_to_string(&settings.kubeconfig).expect("the kubeconfig");
    let kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("a kubeconfig in JSON");
    let token = kubeconfig["users"][0]["user"]["token"].as_str().expect("a token").to_owned();
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    let log = env.operator.log();
    assert!(log.contains("\"level\":\"TRACE\""), "it is not what it is to be about");
    for secret in [SECRET, SESSION, &token] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{}", line.unwrap_or_default());
    }
}

#[test]
fn the_level_follows_a_file_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("level");
    let flags = ["--log-level", "warn", "--log-level-file", file.to_str().expect("a path")];
    let env = Environment::with_flags(Aws::start(), &flags);
    env.operator.wait_until_ready();
    assert!(!env.operator.log().contains("\"level\":\"INFO\""), "{}", env.operator.log());
    std::fs::write(&file, "info\n").expect("a file");
    wait_for_the_log(&env, "the log level has changed");
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    wait_for_the_log(&env, "AWS accepted the call");
    std::fs::write(&file, "kube=loud").expect("a file");
    wait_for_the_log(&env, "the log level stays as it is");
    std::fs::remove_file(&file).expect("the file");
    wait_for_the_log(&env, "\"level\":\"warn\"");
    let before = env.operator.log().len();
    env.cluster.apply(&named("again"));
    env.wait_until("summarizer", "it is renamed again", || env.aws.throughput(ARN).name == "again");
    env.wait_until_ready("summarizer");
    assert!(!env.operator.log()[before..].contains("\"level\":\"INFO\""), "{}", env.operator.log());
}

/// Spans as they were sent, each with its resource.
type Received = Arc<Mutex<Vec<(Vec<KeyValue>, Span)>>>;

/// A collector that keeps what it is sent.
struct Collector {
    url: String,
    received: Received,
    server: JoinHandle<()>,
}

impl Collector {
    fn start() -> Self {
        let received = Received::default();
        let kept = Arc::clone(&received);
        let take = async move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).expect("OTLP in protobuf");
            for spans in request.resource_spans {
                let resource = spans.resource.unwrap_or_default().attributes;
                let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
                kept.lock().expect("nobody panics").extend(spans.map(|span| (resource.clone(), span)));
            }
        };
        let router = Router::new().route("/v1/traces", post(take));
        let listener = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let server = runtime().spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { url, received, server }
    }

    fn spans(&self) -> Vec<(Vec<KeyValue>, Span)> {
        self.received.lock().expect("nobody panics").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

#[test]
fn a_rename_is_one_trace_from_the_event_to_the_call_to_the_status() {
    let (collector, aws, cluster) = (Collector::start(), Aws::start(), Namespace::new());
    // Nothing else happens meanwhile.
    let mut settings = settings(plane(), &cluster, &aws, &["--default-interval", "1h"]);
    settings.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), Some(collector.url.clone())));
    settings.environment.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), Some("200".to_owned())));
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&named("summarizer"));
    env.wait_until_ready("summarizer");
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    env.operator.terminate();
    assert!(env.operator.wait_until_ended().success(), "{}", env.operator.log());
    let spans = collector.spans();
    let of_call = |span: &Span| attributes(&span.attributes).get("operation").cloned();
    let update = Operation::UpdateProvisionedModelThroughput.as_str();
    let updates: Vec<&Span> =
        spans.iter().map(|(_, span)| span).filter(|span| of_call(span).as_deref() == Some(update)).collect();
    assert_eq!(updates.len(), 1, "{spans:#?}");
    let trace: Vec<&Span> =
        spans.iter().map(|(_, span)| span).filter(|span| span.trace_id == updates[0].trace_id).collect();
    let named = |name: &str| trace.iter().filter(|span| span.name == name).count();
    let roots: Vec<&&Span> = trace.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 1, "{trace:#?}");
    let root = attributes(&roots[0].attributes);
    assert_eq!((root["why"].as_str(), root["name"].as_str()), ("change", "summarizer"), "{root:?}");
    assert_eq!(root["namespace"], env.cluster.name);
    // A pass that sends, and one at least that sees it served.
    assert!(named("reconcile") >= 2, "{trace:#?}");
    assert!(trace.iter().any(|span| of_call(span).as_deref() == Some("ListProvisionedModelThroughputs")), "{trace:#?}");
    assert_eq!(named("write status"), 2, "what is sent, and what came of it: {trace:#?}");
    assert_eq!(attributes(&updates[0].attributes)["request_id"], env.aws.update_request_ids()[0]);
    // All of it hangs together.
    let ids: BTreeSet<&[u8]> = trace.iter().map(|span| span.span_id.as_slice()).collect();
    for span in trace.iter().filter(|span| !span.parent_span_id.is_empty()) {
        assert!(ids.contains(span.parent_span_id.as_slice()), "{span:?} has no parent");
        assert!(span.start_time_unix_nano >= roots[0].start_time_unix_nano, "{span:?}");
    }
    // The first look at the object is another trace.
    let traces: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.trace_id.as_slice()).collect();
    assert!(traces.len() >= 2, "{}", traces.len());
    let resource = attributes(&spans[0].0);
    assert_eq!(resource["service.name"], "bedrock-throughput-operator", "{resource:?}");
    assert!(resource.contains_key("service.version"), "{resource:?}");
}
