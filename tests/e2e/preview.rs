//! `plan` on the command line: it says what the operator does, the API server agrees with it on manifests, and it changes nothing.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::ensure;
use bedrock_simulator::FaultKind;
use serde_json::{Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{self, Aws, Operation},
    control_plane::plane,
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
    parallel::for_each,
};

/// What a plan said.
struct Planned {
    code: i32,
    output: String,
    errors: String,
}

impl Planned {
    fn document(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.output, self.errors))
    }
}

/// Runs `plan` as the operator's own ServiceAccount, with `input` as its standard input.
fn plan(aws: &Aws, arguments: &[&str], input: &str) -> Planned {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-throughput-operator"));
    command.env_clear().arg("plan").args(arguments);
    command.env("KUBECONFIG", &plane().operator_kubeconfig);
    command.env("AWS_ENDPOINT_URL_BEDROCK", aws.url()).env("AWS_REGION", aws::REGION);
    command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting plan");
    let mut stdin = process.stdin.take().expect("a pipe to its standard input");
    // One that reads none of it may be gone by now.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().expect("the end of plan");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Planned {
        code: output.status.code().expect("an exit code"),
        output: text(output.stdout),
        errors: text(output.stderr),
    }
}

/// A call, as the simulator logs it.
type Made = (String, String);

/// The calls that a plan says are made next.
fn shown(document: &Value) -> BTreeSet<Made> {
    let objects = document["objects"].as_array().expect("objects");
    let next = |object: &&Value| object["effect"] == "Change";
    objects.iter().filter(next).map(|object| made(&object["plan"][0])).collect()
}

fn made(plan: &Value) -> Made {
    let mut request = plan["request"].clone();
    let members = request.as_object_mut().expect("a request");
    let tags = members.remove("tags").filter(|tags| !tags.is_null()).map(|tags| {
        let tags = tags.as_object().expect("tags").iter();
        Value::Array(tags.map(|(key, value)| json!({"key": key, "value": value})).collect())
    });
    let keys = members.remove("tagKeys");
    let (arn, action) = (&plan["provisionedModelArn"], plan["action"].as_str().expect("an action"));
    let (operation, request) = match (action, keys) {
        ("Create", _) => {
            members.insert("tags".to_owned(), tags.expect("the tags of the owner"));
            ("CreateProvisionedModelThroughput", request)
        }
        ("Update", _) => {
            members.insert("provisionedModelId".to_owned(), arn.clone());
            ("UpdateProvisionedModelThroughput", request)
        }
        ("Tag", Some(keys)) => ("UntagResource", json!({"resourceARN": arn, "tagKeys": keys})),
        ("Tag", None) => ("TagResource", json!({"resourceARN": arn, "tags": tags})),
        ("Delete", _) => ("DeleteProvisionedModelThroughput", json!({"provisionedModelId": arn})),
        (other, _) => panic!("an action {other}"),
    };
    (operation.to_owned(), request.to_string())
}

/// Objects of many kinds, each with a throughput of its own, and those throughputs.
fn objects(aws: &Aws) -> Vec<Value> {
    let mut objects = Vec::new();
    let changes = [
        json!({}),
        json!({"provisionedModelName": "renamed"}),
        json!({"modelId": aws::SUMMARIZER_V2_NAME}),
        json!({"provisionedModelName": "renamed", "modelId": aws::SUMMARIZER_V2}),
        json!({"tags": {"team": "search"}}),
        json!({"tags": {"team": "search", "cost center": "a b/c=d"}, "provisionedModelName": "renamed"}),
        json!({"modelId": aws::CHAT_NAME}),
        json!({"modelId": aws::MODEL_BEING_MADE, "provisionedModelName": "renamed"}),
        json!({"provisionedModelName": "renamed", "approval": "Manual"}),
        json!({"provisionedModelName": "renamed", "suspend": true}),
    ];
    for policy in ["Observe", "Update", "Full"] {
        for (index, change) in changes.iter().enumerate() {
            let name = format!("{}-{index}", policy.to_lowercase());
            let arn = format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{policy:a<8}{index:0>4}")
                .to_lowercase();
            aws.add_throughput(&arn, &name, aws::SUMMARIZER_V1_NAME);
            let mut spec = change.clone();
            spec["managementPolicy"] = json!(policy);
            spec["provisionedModelId"] = if index % 2 == 0 { json!(arn) } else { json!(name) };
            if spec.get("provisionedModelName").is_some() {
                spec["provisionedModelName"] = json!(format!("{name}-renamed"));
            }
            objects.push(manifest(&name, spec));
        }
    }
    let purchase = |name: &str, more: Value| {
        let mut spec =
            json!({"managementPolicy": "Full", "provisionedModelName": name, "modelId": aws::NOVA_ID, "modelUnits": 1});
        spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        manifest(&format!("buy-{name}"), spec)
    };
    objects.push(purchase("plain", json!({})));
    objects.push(purchase(
        "committed",
        json!({"commitmentDuration": "OneMonth", "modelUnits": 2, "tags": {"team": "ads"}}),
    ));
    objects.push(purchase("held", json!({"approval": "Manual"})));
    objects.push(purchase("unknown", json!({"modelId": "nobody-has-it"})));
    objects.push(purchase("update-0", json!({})));
    objects.push(manifest("rival", json!({"provisionedModelId": "update-1", "provisionedModelName": "rival"})));
    objects.push(manifest("gone", json!({"provisionedModelId": "not-at-aws"})));
    objects
}

#[test]
fn the_operator_makes_the_calls_that_plan_shows() {
    let aws = Aws::start();
    let cluster = Namespace::new();
    let objects = objects(&aws);
    for object in &objects {
        cluster.apply(object);
    }
    for operation in Operation::ALL.iter().filter(|operation| operation.mutates()) {
        aws.fault(*operation, FaultKind::code("ThrottlingException"));
    }
    // What waits only for reads to catch up with what was there before the objects, is made by the time that it is compared.
    let of_cluster = ["--namespace", &cluster.name, "--allow-create", "--read-lag", "0s", "--output", "json"];
    let before = plan(&aws, &of_cluster, "");
    let manifests = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let live = plan(&aws, &[&of_cluster[..], &["--filename", "-", "--live"]].concat(), &manifests);
    assert_eq!(aws.changing_calls(), Vec::<String>::new(), "plan changes nothing at AWS");
    let writes =
        cluster.requests_of_the_operator().into_iter().filter(|event| event.verb != "list" && event.verb != "get");
    assert_eq!(writes.count(), 0, "plan changes nothing in Kubernetes");
    assert_eq!(before.code, 1, "some would be stalled");
    assert_eq!(shown(&before.document()), shown(&live.document()), "the manifests are those that were applied");

    let settings = settings(plane(), &cluster, &aws, &["--allow-create"]);
    let environment = Environment::with_settings(aws, cluster, settings);
    for object in &objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        environment
            .wait_for(name, "has been told of", |object| object.is_observed() && !object.conditions().is_empty());
    }
    // What was shown, and is not made yet, would come within a moment: the calls are made before they are told of.
    let expected = shown(&before.document());
    assert!(expected.len() >= 12, "{expected:#?}");
    let made = || -> BTreeSet<Made> {
        let changing = environment
            .aws
            .calls()
            .into_iter()
            .filter_map(|call| Some((call.operation.filter(|it| it.mutates())?, call.parameters)));
        changing.map(|(operation, parameters)| (operation.as_str().to_owned(), parameters.to_string())).collect()
    };
    let every_call = wait_until(PATIENCE, "every call that plan showed is made", || {
        let missing: Vec<Made> = expected.difference(&made()).cloned().collect();
        ensure!(missing.is_empty(), "{missing:#?}");
        Ok(())
    });
    every_call
        .unwrap_or_else(|error| panic!("{error:#}\n{}", environment.cluster.kubectl(&["get", "pt", "-o", "wide"])));
    assert_eq!(made(), expected);

    // By now the operator has told why, in the same words.
    let of_cluster =
        ["--namespace", &environment.cluster.name, "--allow-create", "--read-lag", "0s", "--output", "json"];
    let after = plan(&environment.aws, &of_cluster, "");
    for step in
        after.document()["objects"].as_array().expect("objects").iter().filter(|step| step["effect"] != "Change")
    {
        let object = environment.cluster.get(step["name"].as_str().expect("a name")).expect("the object");
        let reason = format!("/{}", step["reason"].as_str().expect("a reason"));
        let conditions = object.conditions();
        assert!(conditions.iter().any(|condition| condition.ends_with(&reason)), "{conditions:?}: {step:#}");
    }
}

#[test]
fn manifests_alone_are_enough() {
    let aws = Aws::start();
    let cases = [
        (json!({"provisionedModelId": aws::ARN, "provisionedModelName": aws::NAME}), 0, "1 with nothing to do"),
        (
            json!({"provisionedModelId": aws::ARN, "provisionedModelName": "other"}),
            2,
            "aws bedrock update-provisioned-model-throughput --region us-east-1 --provisioned-model-id ",
        ),
        (
            json!({"provisionedModelId": aws::ARN, "provisionedModelName": "other", "approval": "Manual"}),
            2,
            "# aws bedrock update-",
        ),
        (
            json!({"provisionedModelId": aws::ARN, "provisionedModelName": "other", "managementPolicy": "Observe"}),
            2,
            "(waits for ManagementPolicy)",
        ),
        (
            json!({"managementPolicy": "Full", "provisionedModelName": "new", "modelId": aws::NOVA_ID, "modelUnits": 1}),
            2,
            "(waits for OperatorFlag)",
        ),
        (json!({"provisionedModelId": "not-at-aws"}), 1, "1 refused"),
        (json!({"provisionedModelId": aws::ARN, "modelUnits": 2}), 1, "1 manifest error"),
    ];
    for (spec, code, expected) in cases {
        let planned =
            plan(&aws, &["-f", "-", "--cluster-name", "test", "-o", "calls"], &manifest("a", spec.clone()).to_string());
        assert_eq!(planned.code, code, "{spec}: {}{}", planned.output, planned.errors);
        assert!(planned.output.contains(expected), "{spec}: {}", planned.output);
        assert_eq!(planned.errors.lines().count(), usize::from(code == 1), "{}", planned.errors);
    }
    assert_eq!(aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn an_aws_that_cannot_be_reached_is_an_error() {
    let aws = Aws::start();
    let manifest = manifest("a", json!({"provisionedModelId": aws::ARN})).to_string();
    aws.refuse(Operation::ListProvisionedModelThroughputs, "ThrottlingException");
    let planned = plan(&aws, &["-f", "-"], &manifest);
    assert_eq!(planned.code, 1);
    assert!(
        planned.errors.starts_with("error: standard input, document 1, ProvisionedThroughput default/a: Throttled: "),
        "{}",
        planned.errors
    );
    let usage = plan(&aws, &["--no-such-flag"], "");
    assert_eq!(usage.code, 1, "2 is an answer");
}

/// Specs that the API server takes or refuses.
fn specs() -> Vec<Value> {
    let full = |more: Value| {
        let mut spec =
            json!({"managementPolicy": "Full", "provisionedModelName": "x", "modelId": "y", "modelUnits": 1});
        spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        spec
    };
    let arn = |more: Value| {
        let mut spec = json!({"provisionedModelId": aws::ARN});
        spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        spec
    };
    let tags = |count: usize| json!({"tags": (0..count).map(|index| (format!("k{index}"), json!("v"))).collect::<serde_json::Map<_, _>>()});
    vec![
        json!({}),
        arn(json!({})),
        arn(json!({"modelID": "y"})),
        arn(json!({"modelId": "y"})),
        arn(json!({"modelId": "y".repeat(64)})),
        arn(json!({"modelId": "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0:24k"})),
        arn(json!({"modelId": aws::NOVA, "region": "us-east-1"})),
        arn(json!({"region": "eu-west-1"})),
        arn(json!({"region": "US"})),
        arn(json!({"provisionedModelName": "a b"})),
        arn(json!({"provisionedModelName": ""})),
        arn(json!({"modelUnits": 1})),
        arn(json!({"commitmentDuration": "OneMonth"})),
        arn(json!({"deletionPolicy": "Delete"})),
        arn(json!({"managementPolicy": "Full", "deletionPolicy": "Delete"})),
        arn(json!({"managementPolicy": "full"})),
        arn(json!({"approval": true})),
        arn(json!({"suspend": "true"})),
        arn(json!({"interval": "5m"})),
        arn(json!({"interval": "9s"})),
        arn(json!({"interval": "24h1s"})),
        arn(json!({"interval": "5"})),
        arn(json!({"tags": {"a": "b"}})),
        arn(json!({"tags": {"a": 1}})),
        arn(json!({"tags": {"aws:a": "b"}})),
        arn(json!({"tags": {"a\tb": "c"}})),
        arn(json!({"tags": {"a": "ü"}})),
        arn(json!({"tags": {"bedrock-throughput.dev/x": "y"}})),
        arn(json!({"tags": {"k".repeat(129): "v"}})),
        arn(json!({"tags": {"k": "v".repeat(257)}})),
        arn(tags(50)),
        arn(tags(51)),
        full(json!({})),
        full(tags(46)),
        full(tags(47)),
        full(json!({"modelUnits": 0})),
        full(json!({"modelUnits": 1.5})),
        full(json!({"modelUnits": "1"})),
        full(json!({"commitmentDuration": "OneYear"})),
        json!({"managementPolicy": "Full", "provisionedModelName": "x", "modelId": "y"}),
        arn(json!({"exportTo": {"configMap": {"name": "a"}}})),
        arn(json!({"exportTo": {"configMap": {"name": "A"}}})),
        arn(json!({"exportTo": {"configMap": {}}})),
        arn(json!({"exportTo": {"configMap": {"name": "a", "keys": {"region": "a b"}}}})),
        arn(json!({"exportTo": {"configMap": {"name": "a", "keys": {"nothing": "a"}}}})),
    ]
}

#[test]
fn plan_takes_the_manifests_that_the_api_server_takes() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let rows = specs()
        .into_iter()
        .enumerate()
        .map(|(index, spec)| (spec.to_string().chars().take(200).collect(), (index, spec)));
    for_each(4, rows.collect(), |(index, spec)| {
        let mut object = manifest(&format!("a{index}"), spec);
        let refused = cluster.try_apply(&object).err();
        object["metadata"]["namespace"] = json!("elsewhere");
        let planned = plan(&aws, &["-f", "-", "-o", "json", "--cluster-name", "test"], &object.to_string());
        let problems = planned.document()["problems"].as_array().expect("problems").clone();
        assert_eq!(refused.is_some(), !problems.is_empty(), "the API server: {refused:?}\nplan: {problems:?}");
    });
}
