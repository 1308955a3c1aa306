//! Manifests as nobody should write them. Each is refused with a message or told in its status, and the operator goes on serving.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::{Strategy, Union, ValueTree as _},
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, NAME, NOVA, SUMMARIZER_V1, SUMMARIZER_V2},
    control_plane::plane,
    environment::{Environment, PATIENCE},
    object::manifest,
};

const COUNT: usize = 500;

/// Any text: letters of all scripts, control characters, quotes, what means something to templates, shells and logs.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        vec(any::<char>(), 0..80).prop_map(String::from_iter),
        select(vec![
            "",
            " ",
            "\0",
            "\n",
            "\r\nX-Injected: 1",
            "\u{202e}gnp.exe",
            "\u{feff}",
            "../../etc/passwd",
            "${HOME}",
            "{{ .Values.x }}",
            "%s%n",
            "'; DROP TABLE pt; --",
            "<script>",
            "\u{1b}[31m",
            "null",
            "true",
            "-0",
            "NaN",
            "1e309",
            "💥",
            "a\u{0301}\u{0301}\u{0301}",
        ])
        .prop_map(str::to_owned),
        (0..5_usize).prop_map(|power| "x".repeat(10_usize.pow(u32::try_from(power).expect("a small number")))),
    ]
}

/// Any JSON, also deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((text(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A text of a length at or around a bound.
fn around(bound: usize) -> impl Strategy<Value = Value> {
    select(vec![bound - 1, bound, bound + 1, 10 * bound]).prop_map(|length| Value::from("x".repeat(length)))
}

fn of(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
    select(values.to_vec())
}

/// A value of a field: often one that fits, so that the combinations are reached, else one at a bound, else anything.
fn value_of(field: &str) -> BoxedStrategy<Value> {
    let other_arn = "arn:aws:bedrock:eu-west-1:999999999999:provisioned-model/zzzzzzzzzzzz";
    let fits = match field {
        "provisionedModelId" => of(&[json!(ARN), json!(NAME), json!(other_arn), json!("a"), json!("nobody-")]).boxed(),
        "provisionedModelName" => of(&[json!(NAME), json!("taken"), json!("x_"), json!("A1-b2")]).boxed(),
        "modelId" => {
            of(&[json!(SUMMARIZER_V1), json!(SUMMARIZER_V2), json!(NOVA), json!("summarizer-v2"), json!("a.b")]).boxed()
        }
        "region" => of(&[json!("us-east-1"), json!("eu-west-1"), json!("a"), json!("0-0")]).boxed(),
        "managementPolicy" => of(&[json!("Observe"), json!("Update"), json!("observe"), json!("Full")]).boxed(),
        "interval" => of(&[
            json!("10s"),
            json!("24h"),
            json!("24h0m0s"),
            json!("1h1m1s"),
            json!("999h"),
            json!("0h0m10s"),
            json!("99999m"),
            json!("1.5h"),
            json!("5 m"),
            json!("5m\n"),
            json!("٥m"),
            json!("PT5M"),
            json!("000h00010m000000s"),
        ])
        .boxed(),
        "approval" => of(&[json!("Automatic"), json!("Manual"), json!("manual")]).boxed(),
        "deletionPolicy" => of(&[json!("Retain"), json!("Retain"), json!("Delete"), json!("Orphan")]).boxed(),
        "modelUnits" => {
            of(&[json!(1), json!(2), json!(i32::MAX), json!(0), json!(-1), json!(1.5), json!(1_u64 << 40)]).boxed()
        }
        "commitmentDuration" => of(&[json!("OneMonth"), json!("SixMonths"), json!("OneYear")]).boxed(),
        "tags" => of(&[
            json!({}),
            json!({"team": "search"}),
            json!({"a b:c/d=e+f@g-h_i.j": ""}),
            json!({"AWS:x": "y"}),
            json!({"bedrock-throughput.dev/uid": "y"}),
            json!({"": "y"}),
            json!({"ключ": "y"}),
            json!({"x".repeat(129): "y"}),
            json!({"x": "y".repeat(257)}),
            Value::Object((0..51).map(|number| (format!("k{number}"), json!("v"))).collect()),
        ])
        .boxed(),
        "exportTo" => of(&[
            json!({"configMap": {"name": "exported"}}),
            json!({"configMap": {"name": "exported", "keys": {"region": "provisionedModelArn", "env": ".env"}}}),
            json!({"configMap": {"name": "exported", "keys": {"region": "SAME", "status": "SAME"}}}),
            json!({"configMap": {"name": "kube-root-ca.crt"}}),
            json!({"configMap": {"name": "../secrets"}}),
            json!({"secret": {"name": "exported"}}),
        ])
        .boxed(),
        "suspend" => of(&[json!(true), json!(false), json!("true"), json!(1)]).boxed(),
        other => panic!("{other} is no field that this test knows"),
    };
    let bound = match field {
        "provisionedModelId" => 1011,
        "provisionedModelName" => 63,
        "modelId" => 2048,
        "region" => 20,
        _ => 16,
    };
    Union::new_weighted(vec![
        (24, fits),
        (1, around(bound).boxed()),
        (1, text().prop_map(Value::from).boxed()),
        (1, json().boxed()),
    ])
    .boxed()
}

fn spec(fields: &[String]) -> impl Strategy<Value = Value> + use<> {
    let members = fields.iter().map(|field| {
        let field = field.clone();
        let often = match field.as_str() {
            "provisionedModelId" => 0.95,
            // Those that mostly are refused beside others, so that enough is taken.
            "approval" | "modelUnits" | "commitmentDuration" | "deletionPolicy" | "tags" | "exportTo" => 0.1,
            _ => 0.5,
        };
        proptest::option::weighted(often, value_of(&field)).prop_map(move |value| (field.clone(), value))
    });
    let unknown = proptest::option::weighted(0.1, (text(), json()));
    (members.collect::<Vec<_>>(), unknown).prop_map(|(members, unknown)| {
        let members = members.into_iter().filter_map(|(field, value)| Some((field, value?)));
        Value::Object(members.chain(unknown).collect())
    })
}

/// What stands around the spec.
fn hostile(fields: &[String]) -> impl Strategy<Value = Value> + use<> {
    let spec =
        Union::new_weighted(vec![(20, spec(fields).boxed()), (1, json().boxed()), (1, Just(Value::Null).boxed())]);
    let annotations = prop_oneof![
        6 => Just(json!({})),
        2 => text().prop_map(|value| json!({"bedrock-throughput.dev/reconcile-requested-at": value})),
        1 => text().prop_map(|value| json!({"bedrock-throughput.dev/approve": value})),
        1 => text().prop_map(|value| json!({"bedrock-throughput.dev/take-over-from": value})),
        1 => Just(json!({"bedrock-throughput.dev/reconcile-requested-at": "x".repeat(200_000)})),
        1 => json().prop_map(|value| json!({"bedrock-throughput.dev/reconcile-requested-at": value})),
        1 => text().prop_map(|value| json!({"other": value})),
    ];
    let status = proptest::option::weighted(0.1, json());
    (spec, annotations, status).prop_map(|(spec, annotations, status)| {
        let mut manifest = manifest("", spec);
        manifest["metadata"]["annotations"] = annotations;
        if let Some(status) = status {
            manifest["status"] = status;
        }
        manifest
    })
}

/// The fields of the spec, from the CRD as it is installed.
fn fields() -> Vec<String> {
    let text = plane().kubectl(&["get", "crd", "provisionedthroughputs.bedrock-throughput.dev", "--output", "json"]);
    let crd: Value = serde_json::from_str(&text).expect("a CRD");
    let properties = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    properties.and_then(Value::as_object).expect("the fields of the spec").keys().cloned().collect()
}

#[test]
fn hostile_manifests_are_refused_or_told_and_the_others_are_served() {
    let env = Environment::new(Aws::start());
    let process = env.operator.id();
    // Older than all the others, or first by its name within the same second, so that none of them can take its throughput.
    env.cluster.apply(&manifest("a-good-one", json!({"provisionedModelId": ARN, "provisionedModelName": NAME})));
    env.wait_until_ready("a-good-one");

    // The seed of `deterministic` is fixed: every run tries the same ones.
    let mut runner = TestRunner::deterministic();
    let strategy = hostile(&fields());
    let mut refused = BTreeMap::new();
    let mut taken = Map::new();
    for number in 0..COUNT {
        let name = format!("hostile-{number}");
        let mut manifest = strategy.new_tree(&mut runner).expect("a manifest").current();
        manifest["metadata"]["name"] = json!(name);
        match env.cluster.create(&manifest) {
            Ok(()) => {
                taken.insert(name, manifest);
            }
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
                assert!(!status.message.is_empty(), "{name} is refused without a message: {manifest}");
                *refused.entry(status.code).or_insert(0) += 1;
            }
            Err(other) => panic!("{name} is neither taken nor refused: {other}\n{manifest}"),
        }
    }
    println!("{} taken, refused by code: {refused:?}", taken.len());
    assert!(taken.len() >= 50 && taken.len() <= 450, "{} of {COUNT} are taken: the mix tests too little", taken.len());

    let untold = || {
        let objects = env.cluster.list();
        objects
            .into_iter()
            .filter(|object| !is_told(object))
            .filter_map(|object| object.metadata.name)
            .collect::<Vec<_>>()
    };
    let told = wait_until(PATIENCE, "every object that was taken is told of", || {
        let untold = untold();
        anyhow::ensure!(untold.is_empty(), "not told of: {untold:?}");
        Ok(())
    });
    told.unwrap_or_else(|error| {
        let first = untold().first().cloned().unwrap_or_default();
        panic!("{error:#}\nthe first was applied as {}\n{}", taken[&first], env.story(&first))
    });
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "well-served", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("a-good-one", spec));
    let object = env.wait_until_ready("a-good-one");
    assert_eq!(object.status("/provisionedModelName"), "well-served");
    assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
    assert!(env.operator.is_running() && env.operator.id() == process);
    assert!(env.operator.readyz().0);
    let log = env.operator.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Whether the status speaks of the manifest as it is, and says something with a reason and a sentence.
fn is_told(object: &DynamicObject) -> bool {
    let observed = object.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    observed == object.metadata.generation
        && conditions.is_some_and(|conditions| {
            let said = |condition: &Value, member| condition[member].as_str().is_some_and(|text| !text.is_empty());
            !conditions.is_empty()
                && conditions.iter().all(|condition| said(condition, "reason") && said(condition, "message"))
        })
}
