//! What stands on the wire, below what an SDK shows of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/http.rs"]
mod support;

use std::time::{Duration, Instant};

use bedrock_simulator::{Fault, FaultKind, Operation, Seed, Server};
use serde_json::json;

use crate::support::{Answer, call, exchange, send};

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const IN_PATH: &str = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fsummarizer00";

fn server() -> Server {
    let server = Server::start().unwrap();
    server.seed(&Seed::demo()).unwrap();
    server
}

fn get(server: &Server, target: &str) -> Answer {
    call(server.address(), "GET", target, "")
}

#[test]
fn an_answer_has_the_id_of_its_call() {
    let server = server();
    let answer = get(&server, "/provisioned-model-throughputs");
    assert_eq!(answer.header("x-amzn-requestid"), Some(server.calls()[0].request_id.as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn an_error_has_its_code_in_the_header_and_its_sentence_in_the_body() {
    let server = server();
    let answer = get(&server, "/provisioned-model-throughput/nobody");
    assert_eq!(answer.error(), (404, "ResourceNotFoundException"));
    let message = answer.json();
    assert!(message["message"].as_str().unwrap().contains("nobody"), "{message}");
    assert!(answer.header("x-amzn-requestid").is_some());
}

#[test]
fn operations_without_output_answer_with_an_empty_body() {
    let server = server();
    for (method, target, body) in [
        (
            "PATCH",
            format!("/provisioned-model-throughput/{IN_PATH}"),
            r#"{"desiredProvisionedModelName": "renamed"}"#.to_owned(),
        ),
        (
            "POST",
            "/tagResource".to_owned(),
            format!(r#"{{"resourceARN": "{ARN}", "tags": [{{"key": "a", "value": "b"}}]}}"#),
        ),
        ("POST", "/untagResource".to_owned(), format!(r#"{{"resourceARN": "{ARN}", "tagKeys": ["a"]}}"#)),
        ("DELETE", format!("/provisioned-model-throughput/{IN_PATH}"), String::new()),
    ] {
        let answer = call(server.address(), method, &target, &body);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {target}");
    }
}

#[test]
fn times_are_written_in_iso_8601() {
    let server = server();
    server.stop_clock("2026-01-01T00:00:00Z".parse().unwrap());
    let body = r#"{"provisionedModelName": "new", "modelId": "summarizer-v1", "modelUnits": 1}"#;
    assert_eq!(call(server.address(), "POST", "/provisioned-model-throughput", body).status, 201);
    assert_eq!(get(&server, "/provisioned-model-throughput/new").json()["creationTime"], "2026-01-01T00:00:00Z");
}

#[test]
fn too_many_tags_name_the_resource() {
    let server = server();
    let tags: Vec<_> = (0..51).map(|number| json!({"key": format!("k{number}"), "value": ""})).collect();
    let body = json!({"resourceARN": ARN, "tags": tags}).to_string();
    let answer = call(server.address(), "POST", "/tagResource", &body);
    assert_eq!(answer.error(), (400, "TooManyTagsException"));
    assert_eq!(answer.json()["resourceName"], ARN);
}

#[test]
fn a_value_that_the_model_excludes_is_a_validation_error() {
    let server = server();
    for query in [
        "statusEquals=Broken",
        "sortBy=Name",
        "sortOrder=Upwards",
        "nameContains=",
        "nameContains=a--b",
        "maxResults=0",
        "maxResults=1001",
        "modelArnEquals=summarizer-v1",
        "nextToken=a%20b",
    ] {
        let answer = get(&server, &format!("/provisioned-model-throughputs?{query}"));
        assert_eq!(answer.error(), (400, "ValidationException"), "{query}");
    }
}

#[test]
fn a_value_of_another_type_is_a_serialization_error() {
    let server = server();
    for query in ["maxResults=ten", "maxResults=", "maxResults=3000000000", "creationTimeAfter=yesterday"] {
        let answer = get(&server, &format!("/provisioned-model-throughputs?{query}"));
        assert_eq!(answer.error(), (400, "SerializationException"), "{query}");
    }
}

#[test]
fn a_body_that_does_not_fit_the_shape_is_refused() {
    let server = server();
    for (body, code) in [
        ("{", "SerializationException"),
        ("[]", "SerializationException"),
        (r#"{"provisionedModelName": 7, "modelId": "summarizer-v1", "modelUnits": 1}"#, "SerializationException"),
        (r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": 1.5}"#, "SerializationException"),
        (r#"{"provisionedModelName": "n", "modelId": "summarizer-v1"}"#, "ValidationException"),
        (r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": null}"#, "ValidationException"),
        (r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": 0}"#, "ValidationException"),
        (r#"{"provisionedModelName": "n.n", "modelId": "summarizer-v1", "modelUnits": 1}"#, "ValidationException"),
        (r#"{"provisionedModelName": "n", "modelId": "a/b", "modelUnits": 1}"#, "ValidationException"),
        (
            r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": 1, "commitmentDuration": "OneYear"}"#,
            "ValidationException",
        ),
        (
            r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": 1, "clientRequestToken": "-"}"#,
            "ValidationException",
        ),
        (
            r#"{"provisionedModelName": "n", "modelId": "summarizer-v1", "modelUnits": 1, "tags": [{"key": ""}]}"#,
            "ValidationException",
        ),
    ] {
        let answer = call(server.address(), "POST", "/provisioned-model-throughput", body);
        assert_eq!(answer.error(), (400, code), "{body}");
    }
}

#[test]
fn every_violation_is_told_at_once() {
    let server = server();
    let answer = call(server.address(), "POST", "/provisioned-model-throughput", r#"{"modelUnits": 0}"#);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("3 validation errors detected: "), "{message}");
}

#[test]
fn members_of_the_body_do_not_count_in_the_query() {
    let server = server();
    let target = format!("/provisioned-model-throughput/{IN_PATH}?desiredProvisionedModelName=renamed");
    assert_eq!(call(server.address(), "PATCH", &target, "{}").status, 200);
    assert_eq!(get(&server, "/provisioned-model-throughput/renamed").status, 404);
}

#[test]
fn what_is_no_operation_is_unknown() {
    let server = server();
    for (method, target) in [
        ("GET", "/"),
        ("OPTIONS", "/provisioned-model-throughputs"),
        ("HEAD", "/provisioned-model-throughputs"),
        ("PUT", "/provisioned-model-throughput/summarizer"),
        ("GET", "/_simulatory"),
        ("GET", "/provisioned-model-throughput/arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00"),
    ] {
        let answer = call(server.address(), method, target, "");
        assert_eq!(answer.error(), (404, "UnknownOperationException"), "{method} {target}");
    }
}

#[test]
fn an_arn_with_plain_colons_is_one_segment_too() {
    let server = server();
    let target =
        "/provisioned-model-throughput/arn:aws:bedrock:us-east-1:123456789012:provisioned-model%2fsummarizer00";
    assert_eq!(get(&server, target).json()["provisionedModelName"], "summarizer");
}

#[test]
fn a_path_that_is_no_utf_8_is_refused() {
    let server = server();
    assert_eq!(get(&server, "/provisioned-model-throughput/%FF").error(), (400, "ValidationException"));
}

#[test]
fn a_body_over_the_bound_is_refused() {
    let server = server();
    let body = format!(r#"{{"desiredProvisionedModelName": "{}"}}"#, "n".repeat(1 << 20));
    let answer = call(server.address(), "PATCH", "/provisioned-model-throughput/summarizer", &body);
    assert_eq!(answer.error(), (413, "RequestEntityTooLargeException"));
}

#[test]
fn a_call_without_a_signature_is_turned_away() {
    let server = server();
    let answer = send(server.address(), "GET", "/provisioned-model-throughputs", "", "");
    assert_eq!(answer.error(), (403, "MissingAuthenticationTokenException"));
    let answer = send(server.address(), "GET", "/provisioned-model-throughputs", "authorization: Bearer x\r\n", "");
    assert_eq!(answer.error(), (403, "IncompleteSignatureException"));
}

#[test]
fn an_injected_error_can_say_when_to_come_back() {
    let server = server();
    let kind = FaultKind::Error {
        code: "ThrottlingException".to_owned(),
        status: Some(503),
        message: Some("slow down".to_owned()),
        retry_after: Some(7),
    };
    server.inject(Fault::on(Operation::ListProvisionedModelThroughputs, kind).times(1));
    let answer = get(&server, "/provisioned-model-throughputs");
    assert_eq!(answer.error(), (503, "ThrottlingException"));
    assert_eq!((answer.header("retry-after"), answer.json()["message"].as_str()), (Some("7"), Some("slow down")));
}

#[test]
fn a_connection_is_kept_for_the_next_call() {
    let server = server();
    let one = |close: &str| {
        format!(
            "GET /foundation-models HTTP/1.1\r\nhost: simulator\r\n{close}authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request\r\n\r\n"
        )
    };
    let both = one("") + &one("connection: close\r\n");
    let answers = String::from_utf8(exchange(server.address(), both.as_bytes())).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let server = server();
    for bytes in [b"\0\x01\x02\r\n\r\n".as_slice(), b"GET / HTTP/9.9\r\n\r\n", b"PATCH\r\n\r\n"] {
        exchange(server.address(), bytes);
    }
    assert_eq!(get(&server, "/foundation-models").status, 200);
}

#[test]
fn a_dropped_connection_has_no_answer_at_all() {
    let server = server();
    server.inject(Fault::on(Operation::ListFoundationModels, FaultKind::DroppedConnection).times(1));
    let request = "GET /foundation-models HTTP/1.1\r\nhost: simulator\r\nauthorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request\r\n\r\n";
    assert_eq!(exchange(server.address(), request.as_bytes()), b"");
}

#[test]
fn a_server_ends_although_a_call_hangs() {
    let server = server();
    server.inject(Fault::on(Operation::ListFoundationModels, FaultKind::Hang));
    let address = server.address();
    let client = std::thread::spawn(move || {
        let request = "GET /foundation-models HTTP/1.1\r\nhost: simulator\r\nauthorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request\r\n\r\n";
        exchange(address, request.as_bytes())
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.calls().is_empty() {
        assert!(Instant::now() < deadline, "the call has not arrived");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(server);
    assert_eq!(client.join().unwrap(), b"");
}
