//! IAM policies on the wire.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/http.rs"]
mod support;

use bedrock_simulator::{Operation, Seed, Server};
use serde_json::{Value, json};

use crate::support::{Answer, call, send};

/// The access key that [`call`] signs with.
const KEY: &str = "AKIDEXAMPLE";
const THROUGHPUT: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const NOVA: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";

fn model(id: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/{id}")
}

fn server(statements: &Value) -> Server {
    let server = Server::start().unwrap();
    server.stop_clock("2026-01-01T00:00:00Z".parse().unwrap());
    server.seed(&Seed::demo()).unwrap();
    give(&server, statements);
    server
}

fn give(server: &Server, statements: &Value) {
    server.set_policy(KEY, Some(json!({"Version": "2012-10-17", "Statement": statements}))).unwrap();
}

fn allow(actions: &Value, resources: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

/// A call by method, path and body.
type Target = (&'static str, &'static str, &'static str);

fn answer(server: &Server, (method, path, body): Target) -> Answer {
    call(server.address(), method, path, body)
}

/// The sentence of a refusal by IAM.
fn denied(server: &Server, target: Target) -> String {
    let answer = answer(server, target);
    assert_eq!(answer.error(), (403, "AccessDeniedException"), "{target:?}: {answer:?}");
    answer.json()["message"].as_str().unwrap().to_owned()
}

fn let_through(server: &Server, target: Target) {
    let answer = answer(server, target);
    assert!((200..300).contains(&answer.status), "{target:?}: {answer:?}");
}

const GET: Target = ("GET", "/provisioned-model-throughput/summarizer", "");
const LIST: Target = ("GET", "/provisioned-model-throughputs", "");
const DELETE: Target = ("DELETE", "/provisioned-model-throughput/summarizer", "");
const RENAME: Target =
    ("PATCH", "/provisioned-model-throughput/summarizer", r#"{"desiredProvisionedModelName": "renamed"}"#);
const MOVE: Target = ("PATCH", "/provisioned-model-throughput/summarizer", r#"{"desiredModelId": "summarizer-v2"}"#);
const MOVE_TO_BASE: Target =
    ("PATCH", "/provisioned-model-throughput/summarizer", r#"{"desiredModelId": "amazon.nova-lite-v1:0:24k"}"#);
const CREATE: Target = (
    "POST",
    "/provisioned-model-throughput",
    r#"{"provisionedModelName": "new", "modelId": "summarizer-v1", "modelUnits": 1}"#,
);
const CREATE_WITH_TAGS: Target = (
    "POST",
    "/provisioned-model-throughput",
    r#"{"provisionedModelName": "new", "modelId": "summarizer-v1", "modelUnits": 1, "tags": [{"key": "team", "value": "search"}]}"#,
);
const TAG: Target = (
    "POST",
    "/tagResource",
    r#"{"resourceARN": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00", "tags": [{"key": "team", "value": "search"}]}"#,
);
const UNTAG: Target = (
    "POST",
    "/untagResource",
    r#"{"resourceARN": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00", "tagKeys": ["team"]}"#,
);
const LIST_TAGS: Target = (
    "POST",
    "/listTagsForResource",
    r#"{"resourceARN": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00"}"#,
);

/// Every operation, and the resources that it needs its action on.
fn operations() -> Vec<(Operation, Target, Vec<String>)> {
    use Operation as O;
    let throughput = || vec![THROUGHPUT.to_owned()];
    let all = || vec!["*".to_owned()];
    vec![
        (O::CreateProvisionedModelThroughput, CREATE, vec![model("summarizer01")]),
        (O::GetProvisionedModelThroughput, GET, throughput()),
        (O::ListProvisionedModelThroughputs, LIST, all()),
        (O::UpdateProvisionedModelThroughput, MOVE, vec![THROUGHPUT.to_owned(), model("summarizer02")]),
        (O::DeleteProvisionedModelThroughput, DELETE, throughput()),
        (O::TagResource, TAG, throughput()),
        (O::UntagResource, UNTAG, throughput()),
        (O::ListTagsForResource, LIST_TAGS, throughput()),
        (O::GetCustomModel, ("GET", "/custom-models/summarizer-v1", ""), vec![model("summarizer01")]),
        (O::ListCustomModels, ("GET", "/custom-models", ""), all()),
        (O::GetFoundationModel, ("GET", "/foundation-models/amazon.nova-lite-v1%3A0%3A24k", ""), vec![NOVA.to_owned()]),
        (O::ListFoundationModels, ("GET", "/foundation-models", ""), all()),
    ]
}

#[test]
fn each_operation_needs_its_action_and_no_other() {
    assert_eq!(operations().iter().map(|(operation, ..)| *operation).collect::<Vec<_>>(), Operation::ALL);
    for (operation, target, resources) in operations() {
        let action = format!("bedrock:{}", operation.as_str());
        let_through(&server(&allow(&json!(action), &json!(resources))), target);
        let without = server(&json!({"Effect": "Allow", "NotAction": action, "Resource": "*"}));
        let on =
            resources.first().filter(|resource| *resource != "*").map(|resource| format!(" on resource: {resource}"));
        assert_eq!(
            denied(&without, target),
            format!(
                "User: arn:aws:iam::123456789012:user/{KEY} is not authorized to perform: {action}{} because no identity-based policy \
                 allows the {action} action",
                on.unwrap_or_default()
            )
        );
    }
}

#[test]
fn each_operation_needs_its_action_on_all_its_resources() {
    for (operation, target, resources) in operations() {
        let action = format!("bedrock:{}", operation.as_str());
        for missing in &resources {
            let elsewhere = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/otherotherot";
            let others: Vec<&str> = resources
                .iter()
                .map(String::as_str)
                .filter(|resource| resource != missing)
                .chain([elsewhere])
                .collect();
            let told = denied(&server(&allow(&json!(action), &json!(others))), target);
            assert!(missing == "*" || told.contains(missing), "{told}");
        }
    }
}

#[test]
fn an_explicit_deny_is_told_as_one_and_wins() {
    let server = server(&json!([
        allow(&json!("bedrock:*"), &json!("*")),
        {"Sid": "NeverDelete", "Effect": "Deny", "Action": "bedrock:Delete*", "Resource": "*"},
    ]));
    let_through(&server, GET);
    assert_eq!(
        denied(&server, DELETE),
        format!(
            "User: arn:aws:iam::123456789012:user/{KEY} is not authorized to perform: bedrock:DeleteProvisionedModelThroughput on resource: \
             {THROUGHPUT} with an explicit deny in an identity-based policy"
        )
    );
    assert!(server.with_world(|world, _| world.throughput(THROUGHPUT).is_some()));
}

#[test]
fn a_refusal_is_in_the_log() {
    let server = server(&allow(&json!("bedrock:List*"), &json!("*")));
    let message = denied(&server, MOVE);
    let calls = server.calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.operation, Some(Operation::UpdateProvisionedModelThroughput));
    assert_eq!((call.status, call.error.as_deref()), (Some(403), Some("AccessDeniedException")));
    assert_eq!(call.message.as_deref(), Some(message.as_str()));
    assert!(!call.carried_out);
}

#[test]
fn who_may_not_look_is_not_told_what_exists() {
    let server = server(&allow(&json!("bedrock:List*"), &json!("*")));
    for target in [
        ("GET", "/provisioned-model-throughput/nobody", ""),
        ("DELETE", "/provisioned-model-throughput/nobody", ""),
        ("PATCH", "/provisioned-model-throughput/nobody", r#"{"desiredProvisionedModelName": "chat"}"#),
    ] {
        let told = denied(&server, target);
        assert!(told.contains("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/nobody "), "{told}");
    }
    let told = denied(&server, ("GET", "/custom-models/nobody", ""));
    assert!(told.contains("arn:aws:bedrock:us-east-1:123456789012:custom-model/nobody "), "{told}");
    for (model, resource) in [("nobody", "custom-model/nobody "), ("no.body", "foundation-model/no.body ")] {
        let body = json!({"provisionedModelName": "chat", "modelId": model, "modelUnits": 1}).to_string();
        let answer = call(server.address(), "POST", "/provisioned-model-throughput", &body);
        let told = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 403 && told.contains(resource), "{answer:?}");
    }
    // Who may look is told.
    give(&server, &allow(&json!("bedrock:*"), &json!("*")));
    assert_eq!(answer(&server, ("GET", "/provisioned-model-throughput/nobody", "")).status, 404);
}

#[test]
fn a_policy_that_watches() {
    let server = server(&json!([
        {"Sid": "List", "Effect": "Allow", "Action": "bedrock:ListProvisionedModelThroughputs", "Resource": "*"},
        {
            "Sid": "Read", "Effect": "Allow", "Action": "bedrock:GetProvisionedModelThroughput",
            "Resource": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*",
        },
        {
            "Sid": "ReadModels", "Effect": "Allow", "Action": "bedrock:GetCustomModel",
            "Resource": "arn:aws:bedrock:us-east-1:123456789012:custom-model/*",
        },
    ]));
    for target in [LIST, GET, ("GET", "/custom-models/summarizer-v1", "")] {
        let_through(&server, target);
    }
    for target in [RENAME, MOVE, CREATE, DELETE, TAG, UNTAG, LIST_TAGS, ("GET", "/custom-models", "")] {
        denied(&server, target);
    }
}

#[test]
fn a_policy_that_updates() {
    let update = |resources: &Value| server(&allow(&json!("bedrock:UpdateProvisionedModelThroughput"), resources));
    let throughputs = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*";
    let custom_models = "arn:aws:bedrock:us-east-1:123456789012:custom-model/*";
    let foundation_models = "arn:aws:bedrock:us-east-1::foundation-model/*";
    let whole = update(&json!([throughputs, custom_models, foundation_models]));
    for target in [CREATE, DELETE, GET] {
        denied(&whole, target);
    }
    let_through(&whole, RENAME);
    let renamed = "/provisioned-model-throughput/renamed";
    let_through(&whole, ("PATCH", renamed, MOVE_TO_BASE.2));
    // A rename needs no model; a move needs the one that it goes to.
    let_through(&update(&json!(throughputs)), RENAME);
    denied(&update(&json!(throughputs)), MOVE);
    let_through(&update(&json!([throughputs, custom_models])), MOVE);
    assert!(denied(&update(&json!([throughputs, custom_models])), MOVE_TO_BASE).contains(NOVA));
}

#[test]
fn a_create_with_tags_needs_tag_resource_too() {
    let create = allow(&json!("bedrock:CreateProvisionedModelThroughput"), &json!("*"));
    let tag = |resource: &str| allow(&json!("bedrock:TagResource"), &json!(resource));
    let all = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*";
    let_through(&server(&json!([create])), CREATE);
    let told = denied(&server(&json!([create])), CREATE_WITH_TAGS);
    assert!(told.contains(&format!("bedrock:TagResource on resource: {all} ")), "{told}");
    denied(&server(&json!([create, tag(THROUGHPUT)])), CREATE_WITH_TAGS);
    let_through(&server(&json!([create, tag(all)])), CREATE_WITH_TAGS);
    for (team, status) in [("search", 201), ("ads", 403)] {
        let mut tagged = tag(all);
        tagged["Condition"] = json!({"StringEquals": {"aws:RequestTag/team": team}});
        assert_eq!(answer(&server(&json!([create, tagged])), CREATE_WITH_TAGS).status, status, "{team}");
    }
    let lenient = server(&json!([create]));
    lenient.switch("tagOnCreate", "CreateSuffices").unwrap();
    let_through(&lenient, CREATE_WITH_TAGS);
}

#[test]
fn conditions_see_the_tags_of_the_request_and_of_the_resource() {
    let of_search = json!({"StringEquals": {"aws:ResourceTag/team": "search"}});
    let server = server(&json!([
        allow(&json!(["bedrock:TagResource", "bedrock:UntagResource"]), &json!("*")),
        {"Effect": "Deny", "Action": "bedrock:TagResource", "Resource": "*",
         "Condition": {"StringNotEquals": {"aws:RequestTag/team": "search"}}},
        {"Effect": "Deny", "Action": "bedrock:UntagResource", "Resource": "*",
         "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["owner"]}}},
        {"Effect": "Allow", "Action": "bedrock:DeleteProvisionedModelThroughput", "Resource": "*", "Condition": of_search},
    ]));
    let body = |body: Value| body.to_string();
    let status = |path: &str, body: &str| call(server.address(), "POST", path, body).status;
    denied(&server, DELETE);
    let ads = body(json!({"resourceARN": THROUGHPUT, "tags": [{"key": "team", "value": "ads"}]}));
    assert_eq!(status("/tagResource", &ads), 403);
    let_through(&server, TAG);
    let owner = body(json!({"resourceARN": THROUGHPUT, "tagKeys": ["owner", "other"]}));
    assert_eq!(status("/untagResource", &owner), 403);
    let other = body(json!({"resourceARN": THROUGHPUT, "tagKeys": ["other"]}));
    assert_eq!(status("/untagResource", &other), 200);
    let_through(&server, DELETE);
}

#[test]
fn conditions_see_the_region_of_the_signature() {
    let mut statement = allow(&json!("bedrock:List*"), &json!("*"));
    statement["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}});
    let server = server(&statement);
    denied(&server, LIST);
    let header = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={KEY}/20260101/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=00\r\n"
    );
    assert_eq!(send(server.address(), LIST.0, LIST.1, &header, "").status, 200);
}

#[test]
fn a_lagging_name_is_checked_by_the_arn_that_it_is_answered_for() {
    let server = server(&allow(&json!("bedrock:*"), &json!(THROUGHPUT)));
    server.switch("readLag", "Get").unwrap();
    let_through(&server, RENAME);
    let_through(&server, GET);
}

#[test]
fn a_name_that_is_due_is_checked_by_the_arn_that_has_it() {
    let server = server(&allow(&json!("bedrock:*"), &json!(THROUGHPUT)));
    server.switch("rename", "ThroughUpdating").unwrap();
    let_through(&server, RENAME);
    server.advance(jiff::SignedDuration::from_secs(60));
    let_through(&server, ("GET", "/provisioned-model-throughput/renamed", ""));
}

#[test]
fn a_key_without_a_policy_may_do_everything() {
    let server = server(&allow(&json!("bedrock:List*"), &json!("*")));
    let other = "authorization: AWS4-HMAC-SHA256 Credential=OTHER/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00\r\n";
    assert_eq!(send(server.address(), GET.0, GET.1, other, "").status, 200);
    denied(&server, GET);
    server.set_policy(KEY, None).unwrap();
    let_through(&server, GET);
}

fn control(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(server.address(), method, &format!("/_simulator/{path}"), "", &body)
}

#[test]
fn policies_are_given_read_and_taken_away_by_a_control() {
    let server = Server::start().unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": allow(&json!("bedrock:List*"), &json!("*"))});
    let given = control(&server, "PUT", "policies", &json!({KEY: policy, "OTHER": policy, "NONE": null}));
    assert_eq!((given.status, given.json()), (200, json!({KEY: policy, "OTHER": policy})));
    denied(&server, GET);
    let_through(&server, LIST);
    let taken = control(&server, "PUT", "policies", &json!({KEY: null}));
    assert_eq!(taken.json(), json!({"OTHER": policy}));
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({"OTHER": policy}));
    assert_eq!(answer(&server, GET).status, 404);
    assert_eq!(control(&server, "POST", "reset", &Value::Null).status, 200);
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({}));
}

#[test]
fn a_policy_that_is_refused_is_told_and_nothing_is_given() {
    let server = Server::start().unwrap();
    let good = json!({"Statement": allow(&json!("bedrock:List*"), &json!("*"))});
    let mut statement = allow(&json!("bedrock:*"), &json!("*"));
    statement["Condition"] = json!({"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}});
    let refused =
        control(&server, "PUT", "policies", &json!({"GOOD": good, KEY: {"Statement": [good["Statement"], statement]}}));
    let told = refused.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(refused.status, 400);
    for named in [KEY, "Statement 2", "aws:CurrentTime"] {
        assert!(told.contains(named), "{told}");
    }
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({}));
    assert_eq!(control(&server, "PUT", "policies", &json!({"a/b": good})).status, 400);
}

#[test]
fn a_seed_gives_keys_policies() {
    let server = Server::start().unwrap();
    let policy = json!({"Statement": allow(&json!("bedrock:List*"), &json!("*"))});
    let seed = |keys: Value| json!({"accounts": [{"accountId": "123456789012", "accessKeys": keys}]});
    let keys = json!(["PLAIN", {"accessKeyId": KEY, "policy": policy}, {"accessKeyId": "BARE"}]);
    assert_eq!(control(&server, "POST", "seed", &seed(keys)).status, 200);
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({KEY: policy}));
    for (keys, named) in [
        (json!([{"accessKeyId": KEY, "policy": {"Statement": []}}]), KEY),
        (json!([{"accessKeyId": KEY, "policies": []}]), "policies"),
        (json!([{"policy": policy}]), "accessKeyId"),
        (json!([7]), "accessKeyId"),
    ] {
        let refused = control(&server, "POST", "seed", &seed(keys));
        let told = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(refused.status == 400 && told.contains(named), "{told}");
    }
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({KEY: policy}));
    // A seed says what a key has: here, no policy.
    assert_eq!(control(&server, "POST", "seed", &seed(json!([KEY]))).status, 200);
    assert_eq!(control(&server, "GET", "policies", &Value::Null).json(), json!({}));
}
