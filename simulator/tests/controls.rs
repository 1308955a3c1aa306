//! The controls under `/_simulator/`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/http.rs"]
mod support;

use bedrock_simulator::{Seed, Server};
use serde_json::{Value, json};

use crate::support::{Answer, call, send};

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";

fn server() -> Server {
    let server = Server::start().unwrap();
    server.stop_clock("2026-01-01T00:00:00Z".parse().unwrap());
    server.seed(&Seed::demo()).unwrap();
    server
}

fn control(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    send(server.address(), method, &format!("/_simulator/{path}"), "", body)
}

fn done(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = control(server, method, path, &body);
    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    answer.json()
}

/// The sentence of a refusal.
fn refused(server: &Server, method: &str, path: &str, body: &str) -> String {
    let answer = control(server, method, path, body);
    assert_eq!(answer.status, 400, "{method} {path} {body}: {answer:?}");
    answer.json()["message"].as_str().unwrap().to_owned()
}

fn get(server: &Server, name: &str) -> Answer {
    call(server.address(), "GET", &format!("/provisioned-model-throughput/{name}"), "")
}

fn update(server: &Server, name: &str, body: &Value) -> Answer {
    call(server.address(), "PATCH", &format!("/provisioned-model-throughput/{name}"), &body.to_string())
}

fn names(server: &Server) -> usize {
    call(server.address(), "GET", "/provisioned-model-throughputs", "").json()["provisionedModelSummaries"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn the_controls_are_listed_with_and_without_a_slash() {
    let server = server();
    let listed = done(&server, "GET", "", &Value::Null);
    let bare = send(server.address(), "GET", "/_simulator", "", "").json();
    assert_eq!(listed, bare);
    assert!(listed["controls"].as_array().unwrap().len() > 10, "{listed}");
}

/// A line of the README that calls a control: method, path, body.
fn example(line: &str) -> Option<(&str, &str, &str)> {
    let rest = line.strip_prefix("curl ")?;
    let (method, rest) = match rest.strip_prefix("-X ") {
        Some(rest) => rest.split_once(' ')?,
        None => ("GET", rest),
    };
    let (target, body) = rest.split_once(" -d ").unwrap_or((rest, ""));
    let path = target.trim_matches('"').strip_prefix("$S/")?;
    Some((method, path, body.trim_matches('\'')))
}

fn readme() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("../README.md").lines().filter_map(example)
}

#[test]
fn the_examples_of_the_readme_work() {
    let server = server();
    for (method, path, body) in readme() {
        let answer = control(&server, method, path, body);
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}");
    }
}

#[test]
fn the_readme_has_an_example_of_every_control() {
    let server = server();
    let shown: Vec<String> = readme()
        .map(|(method, path, _)| format!("{method} /_simulator/{}", path.split('?').next().unwrap_or(path)))
        .collect();
    for control in done(&server, "GET", "", &Value::Null)["controls"].as_array().unwrap() {
        let (control, _) = control.as_str().unwrap().split_once(": ").unwrap();
        assert!(shown.iter().any(|shown| shown == control), "{control} is not among {shown:?}");
    }
}

#[test]
fn the_seed_of_the_readme_works() {
    let server = Server::start().unwrap();
    let section = include_str!("../README.md").split("\n## The seed\n").nth(1).unwrap();
    let seed = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let answer = control(&server, "POST", "seed", seed);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(get(&server, "summarizer").json()["commitmentDuration"], "OneMonth");
}

#[test]
fn a_control_that_is_not_there_is_told_with_those_that_are() {
    let server = server();
    let answer = control(&server, "GET", "colour", "");
    assert_eq!(answer.status, 404);
    assert!(answer.json()["controls"].as_array().unwrap().len() > 10);
}

#[test]
fn controls_need_no_signature_and_are_not_in_the_log() {
    let server = server();
    assert_eq!(done(&server, "GET", "health", &Value::Null)["status"], "ok");
    assert_eq!(done(&server, "GET", "calls", &Value::Null), json!({"calls": []}));
}

#[test]
fn a_seed_is_put_there() {
    let server = server();
    done(&server, "POST", "seed", &json!({"provisionedModels": [{"name": "more", "model": "summarizer-v1"}]}));
    assert_eq!(get(&server, "more").json()["status"], "InService");
}

#[test]
fn a_seed_that_is_wrong_says_why_and_puts_nothing_there() {
    let server = server();
    let good = json!({"name": "good", "model": "summarizer-v1"});
    for (bad, says) in [
        (json!({"name": "bad", "model": "nobody"}), "nobody"),
        (json!({"name": "b--d", "model": "summarizer-v1"}), "b--d"),
        (json!({"name": "bad", "model": "summarizer-v1", "arn": "arn:x"}), "arn:x"),
        (json!({"name": "bad", "model": "summarizer-v1", "colour": "red"}), "colour"),
        (json!({"name": "bad", "model": "summarizer-v1", "modelUnits": 0}), "model units"),
        (json!({"name": "bad", "model": "summarizer-v1", "tags": {"a!": "b"}}), "a!"),
        (json!({"name": "bad", "model": "summarizer-v1", "arn": ARN, "region": "us-west-2"}), "us-west-2"),
        (json!({"name": "bad", "model": "summarizer-v1", "status": "Broken"}), "Broken"),
    ] {
        let seed = json!({"provisionedModels": [good, bad]}).to_string();
        let message = refused(&server, "POST", "seed", &seed);
        assert!(message.contains(says), "{message}");
        assert_eq!(get(&server, "good").status, 404, "{message}");
    }
    for (seed, says) in [
        (json!({"accounts": [{"accountId": "12"}]}), "12"),
        (json!({"foundationModels": [{"modelId": "No Model"}]}), "No Model"),
    ] {
        let message = refused(&server, "POST", "seed", &seed.to_string());
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_seed_finds_its_account_and_region_in_the_arn() {
    let server = server();
    let arn = "arn:aws:bedrock:eu-west-1:111111111111:provisioned-model/abcdefghijkl";
    let seed = json!({"provisionedModels": [{"name": "far", "model": "amazon.nova-lite-v1:0:24k", "arn": arn}]});
    done(&server, "POST", "seed", &seed);
    assert_eq!(names(&server), 3);
    assert!(done(&server, "GET", "state", &Value::Null)["world"]["regions"]["111111111111/eu-west-1"].is_object());
}

#[test]
fn the_state_has_everything() {
    let server = server();
    let state = done(&server, "GET", "state", &Value::Null);
    assert_eq!(state["world"]["regions"]["123456789012/us-east-1"]["throughputs"][ARN]["name"], "summarizer");
    assert_eq!(state["now"], "2026-01-01T00:00:00Z");
}

#[test]
fn a_reset_leaves_nothing() {
    let server = server();
    done(&server, "PUT", "switches", &json!({"busyError": "ConflictException"}));
    get(&server, "summarizer");
    done(&server, "POST", "reset", &Value::Null);
    assert_eq!(done(&server, "GET", "calls", &Value::Null), json!({"calls": []}));
    assert_eq!(names(&server), 0);
    let switches = done(&server, "GET", "switches", &Value::Null);
    assert_eq!(switches["switches"][0]["setting"], "ValidationException");
}

#[test]
fn switches_are_turned_all_or_none() {
    let server = server();
    done(&server, "PUT", "switches", &json!({"noOpUpdate": "Refused"}));
    assert_eq!(update(&server, "summarizer", &json!({})).status, 400);
    let wrong = json!({"noOpUpdate": "Accepted", "busyError": "red"}).to_string();
    assert!(refused(&server, "PUT", "switches", &wrong).contains("ConflictException"));
    assert_eq!(update(&server, "summarizer", &json!({})).status, 400, "the first one was not turned either");
}

#[test]
fn settings_that_are_left_out_stay() {
    let server = server();
    done(&server, "PUT", "settings", &json!({"updatingSeconds": 0.5}));
    let settings = done(&server, "PUT", "settings", &json!({"pageSize": 2}));
    assert_eq!((&settings["updatingSeconds"], &settings["pageSize"]), (&json!(0.5), &json!(2)));
    assert_eq!(names(&server), 2);
    assert_eq!(settings, done(&server, "GET", "settings", &Value::Null));
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let server = server();
    for (settings, says) in [
        (r#"{"pageSize": 0}"#, "pageSize"),
        (r#"{"pageSize": 1001}"#, "pageSize"),
        (r#"{"updatingSeconds": -1}"#, "-1"),
        (r#"{"colour": 1}"#, "colour"),
        ("[]", "[]"),
        ("{", "EOF"),
    ] {
        let message = refused(&server, "PUT", "settings", settings);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_throttle_is_set_and_taken_away() {
    let server = server();
    let throttle = json!({"GetProvisionedModelThroughput": {"perSecond": 1, "burst": 1}});
    done(&server, "PUT", "throttles", &throttle);
    assert_eq!([get(&server, "summarizer").status, get(&server, "summarizer").status], [200, 429]);
    done(&server, "PUT", "throttles", &json!({"GetProvisionedModelThroughput": null}));
    assert_eq!(get(&server, "summarizer").status, 200);
}

#[test]
fn a_throttle_that_lets_nothing_through_is_refused() {
    let server = server();
    for (rate, says) in
        [(r#"{"perSecond": 1, "burst": 0}"#, "burst"), (r#"{"perSecond": -1, "burst": 1}"#, "perSecond")]
    {
        let message =
            refused(&server, "PUT", "throttles", &format!(r#"{{"ListProvisionedModelThroughputs": {rate}}}"#));
        assert!(message.contains(says), "{message}");
    }
    assert!(refused(&server, "PUT", "throttles", r#"{"Paint": null}"#).contains("Paint"));
}

#[test]
fn faults_wait_are_met_and_are_taken_away() {
    let server = server();
    let fault = json!({"operation": "GetProvisionedModelThroughput", "kind": "error", "code": "AccessDeniedException", "resource": ARN, "skip": 1, "count": 2});
    done(&server, "POST", "faults", &fault);
    let by_arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fsummarizer00";
    assert_eq!(get(&server, "summarizer").status, 200, "it names another resource");
    assert_eq!(get(&server, by_arn).status, 200, "it is skipped");
    assert_eq!(get(&server, by_arn).error(), (403, "AccessDeniedException"));
    assert_eq!(done(&server, "GET", "faults", &Value::Null)[0]["count"], 1);
    done(&server, "DELETE", "faults?operation=ListProvisionedModelThroughputs", &Value::Null);
    assert_eq!(done(&server, "GET", "faults", &Value::Null).as_array().unwrap().len(), 1);
    done(&server, "DELETE", "faults?operation=GetProvisionedModelThroughput", &Value::Null);
    assert_eq!(done(&server, "GET", "faults", &Value::Null), json!([]));
}

#[test]
fn a_fault_that_makes_no_sense_is_refused() {
    let server = server();
    for (fault, says) in [
        (r#"{"kind": "paint"}"#, "paint"),
        (r#"{"kind": "error"}"#, "code"),
        (r#"{"kind": "hang", "counts": 1}"#, "counts"),
        (r#"{"kind": "error", "code": "X", "status": 200}"#, "status"),
        (r#"{"kind": "error", "code": "a b"}"#, "a b"),
        (r#"{"kind": "latency", "seconds": -1}"#, "-1"),
        (r#"{"kind": "hang", "operation": "Paint"}"#, "Paint"),
    ] {
        let message = refused(&server, "POST", "faults", fault);
        assert!(message.contains(says), "{message}");
    }
    assert!(refused(&server, "DELETE", "faults?operation=Paint", "").contains("Paint"));
}

#[test]
fn the_next_update_fails_on_request() {
    let server = server();
    done(&server, "POST", "failures", &json!({"arn": ARN, "message": "no capacity"}));
    assert_eq!(update(&server, "summarizer", &json!({"desiredModelId": "summarizer-v2"})).status, 200);
    done(&server, "POST", "clock", &json!({"advanceSeconds": 60}));
    assert_eq!(get(&server, "summarizer").json()["failureMessage"], "no capacity");
}

#[test]
fn the_next_deletion_fails_on_request() {
    let server = server();
    let failure = json!({"arn": ARN, "operation": "DeleteProvisionedModelThroughput", "message": "in use"});
    done(&server, "POST", "failures", &failure);
    assert_eq!(call(server.address(), "DELETE", "/provisioned-model-throughput/summarizer", "").status, 200);
    let get = get(&server, "summarizer").json();
    assert_eq!((&get["status"], &get["failureMessage"]), (&json!("Failed"), &json!("in use")));
}

#[test]
fn a_failure_can_name_its_operation() {
    let server = server();
    let operation = |body: Value| control(&server, "POST", "failures", &body.to_string()).status;
    let update = json!({"arn": ARN, "operation": "UpdateProvisionedModelThroughput", "message": "no"});
    assert_eq!(operation(update), 200);
    let create = json!({"name": "new", "operation": "CreateProvisionedModelThroughput", "message": "no"});
    assert_eq!(operation(create), 200);
    for wrong in [
        json!({"arn": ARN, "operation": "CreateProvisionedModelThroughput", "message": "no"}),
        json!({"name": "new", "operation": "DeleteProvisionedModelThroughput", "message": "no"}),
        json!({"arn": ARN, "operation": "TagResource", "message": "no"}),
    ] {
        let told = refused(&server, "POST", "failures", &wrong.to_string());
        assert!(told.contains(wrong["operation"].as_str().unwrap()), "{wrong}: {told}");
    }
}

#[test]
fn a_failure_of_nothing_is_refused() {
    let server = server();
    let elsewhere = ARN.replace("us-east-1", "eu-west-1");
    let failure = json!({"arn": elsewhere, "message": "no capacity"}).to_string();
    assert!(refused(&server, "POST", "failures", &failure).contains(&elsewhere));
    let contradictory = json!({"arn": ARN, "region": "eu-west-1", "message": "no capacity"}).to_string();
    assert!(refused(&server, "POST", "failures", &contradictory).contains("eu-west-1"));
    assert!(refused(&server, "POST", "failures", r#"{"message": "of what?"}"#).contains("arn"));
}

#[test]
fn the_next_creation_fails_on_request() {
    let server = server();
    done(&server, "POST", "failures", &json!({"name": "new", "message": "no capacity"}));
    let body = r#"{"provisionedModelName": "new", "modelId": "summarizer-v1", "modelUnits": 1}"#;
    assert_eq!(call(server.address(), "POST", "/provisioned-model-throughput", body).status, 201);
    done(&server, "POST", "clock", &json!({"advanceSeconds": 60}));
    let get = get(&server, "new").json();
    assert_eq!((&get["status"], &get["failureMessage"]), (&json!("Failed"), &json!("no capacity")));
}

#[test]
fn the_clock_stands_moves_and_runs() {
    let server = server();
    let now = |body: Value| done(&server, "POST", "clock", &body)["now"].as_str().unwrap().to_owned();
    assert_eq!(now(json!({"advanceSeconds": 1.5})), "2026-01-01T00:00:01.5Z");
    assert_eq!(now(json!({"now": "2027-01-01T00:00:00Z", "advanceSeconds": 1})), "2027-01-01T00:00:01Z");
    assert_eq!(done(&server, "GET", "clock", &Value::Null)["now"], "2027-01-01T00:00:01Z");
    now(json!({"mode": "real"}));
    assert_eq!(done(&server, "GET", "clock", &Value::Null)["clock"]["mode"], "real");
    let message = refused(&server, "POST", "clock", r#"{"mode": "real", "now": "2027-01-01T00:00:00Z"}"#);
    assert!(message.contains("now"), "{message}");
}

#[test]
fn the_log_is_read_by_operation_and_from_a_number_on_and_emptied() {
    let server = server();
    get(&server, "summarizer");
    names(&server);
    get(&server, "nobody");
    let sequences = |query: &str| {
        let calls = done(&server, "GET", &format!("calls{query}"), &Value::Null);
        calls["calls"].as_array().unwrap().iter().map(|call| call["sequence"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sequences(""), [1, 2, 3]);
    assert_eq!(sequences("?operation=GetProvisionedModelThroughput"), [1, 3]);
    assert_eq!(sequences("?operation=GetProvisionedModelThroughput&after=1"), [3]);
    assert!(refused(&server, "GET", "calls?after=x", "").contains('x'));
    done(&server, "DELETE", "calls", &Value::Null);
    assert_eq!(sequences(""), [0_u64; 0]);
    get(&server, "summarizer");
    assert_eq!(sequences(""), [4], "the numbers go on");
}

#[test]
fn a_call_in_the_log_says_who_what_and_what_became_of_it() {
    let server = server();
    done(&server, "POST", "faults", &json!({"kind": "lostResponse", "count": 1, "operation": "GetFoundationModel"}));
    get(&server, "nobody");
    let call = done(&server, "GET", "calls", &Value::Null)["calls"][0].clone();
    assert_eq!(call["operation"], "GetProvisionedModelThroughput");
    assert_eq!((&call["account"], &call["region"]), (&json!("123456789012"), &json!("us-east-1")));
    assert_eq!(call["parameters"], json!({"provisionedModelId": "nobody"}));
    assert_eq!((&call["status"], &call["error"]), (&json!(404), &json!("ResourceNotFoundException")));
    assert_eq!((&call["carriedOut"], &call["fault"]), (&json!(false), &Value::Null));
    assert!(call["requestId"].is_string() && call["time"].is_string());
}

#[test]
fn what_no_control_understands_does_no_harm() {
    let server = server();
    let deep = "[".repeat(100_000);
    let bodies = [
        "null",
        "[]",
        "7",
        "\"x\"",
        "{\"\": 1}",
        &deep,
        r#"{"advanceSeconds": 1e308}"#,
        r#"{"now": "9999-12-30T22:00:00Z", "advanceSeconds": 1e14}"#,
        r#"{"now": "-009999-01-02T01:59:59Z"}"#,
        r#"{"updatingSeconds": 1e14, "readLagSeconds": 1e14, "tokenSeconds": 1e14}"#,
        r#"{"GetProvisionedModelThroughput": {"perSecond": 1e308, "burst": 4294967295}}"#,
    ];
    let controls = done(&server, "GET", "", &Value::Null);
    for listed in controls["controls"].as_array().unwrap() {
        let (listed, _) = listed.as_str().unwrap().split_once(": ").unwrap();
        let (method, path) = listed.split_once(" /_simulator/").unwrap();
        for body in bodies {
            let answer = control(&server, method, path, body);
            assert!([200, 400].contains(&answer.status), "{method} {path} {body}: {answer:?}");
            let used = [
                get(&server, "summarizer"),
                update(&server, "summarizer", &json!({"desiredModelId": "summarizer-v2"})),
            ];
            assert!(used.iter().all(|answer| answer.status < 500), "{method} {path} {body}: {used:?}");
        }
    }
}
