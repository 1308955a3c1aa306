//! What is told before it hurts: a model that will not last, a commitment that ends, and what AWS cannot change any more.

use bedrock_simulator::{
    request::{CommitmentDuration, ModelStatus},
    seed::ProvisionedModelSeed,
    world::LifecycleStatus,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    aws::{ARN, Aws, BASE_ARN, NAME, NOVA, NOVA_ID, Operation, SUMMARIZER_V1, SUMMARIZER_V1_NAME, SUMMARIZER_V2},
    environment::Environment,
    object::{Object, manifest},
    parallel,
    purchase::purchase_with,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn adopted(arn: &str) -> Value {
    manifest("summarizer", json!({"provisionedModelId": arn}))
}

/// `status/reason` of the warning about the model.
fn risk(object: &Object) -> String {
    object.condition("ModelAtRisk").map_or_else(String::new, |risk| format!("{}/{}", risk.status, risk.reason))
}

fn risk_message(object: &Object) -> &str {
    object.condition("ModelAtRisk").map_or("", |risk| &risk.message)
}

/// In service and as the manifest says, whatever is warned of.
fn is_served(object: &Object) -> bool {
    object.is_observed() && object.says("Ready") == "True" && object.says("Synced") == "True"
}

struct Row {
    arn: &'static str,
    make: fn(&Aws),
    mend: fn(&Aws),
    reason: &'static str,
    names: &'static str,
}

fn in_days(days: i32) -> Timestamp {
    Timestamp::now() + DAY * days
}

fn life(aws: &Aws, status: LifecycleStatus, end: Option<Timestamp>) {
    aws.set_lifecycle(NOVA_ID, status, end);
}

#[rustfmt::skip]
const RISKS: &[(&str, Row)] = &[
    ("a custom model that was deleted", Row {
        arn: ARN, reason: "ModelNotFound", names: SUMMARIZER_V1,
        make: |aws| aws.delete_custom_model(SUMMARIZER_V1),
        mend: |aws| aws.add_custom_model(SUMMARIZER_V1, SUMMARIZER_V1_NAME, NOVA_ID),
    }),
    ("a custom model that failed", Row {
        arn: ARN, reason: "ModelFailed", names: SUMMARIZER_V1,
        make: |aws| aws.set_custom_model_status(SUMMARIZER_V1, ModelStatus::Failed),
        mend: |aws| aws.set_custom_model_status(SUMMARIZER_V1, ModelStatus::Active),
    }),
    ("a base model that is LEGACY", Row {
        arn: BASE_ARN, reason: "ModelLegacy", names: NOVA,
        make: |aws| life(aws, LifecycleStatus::Legacy, Some(in_days(91))),
        mend: |aws| life(aws, LifecycleStatus::Active, None),
    }),
    ("a custom model of a base model that is LEGACY", Row {
        arn: ARN, reason: "ModelLegacy", names: NOVA,
        make: |aws| life(aws, LifecycleStatus::Legacy, None),
        mend: |aws| life(aws, LifecycleStatus::Active, None),
    }),
    ("a base model at its end within 90 days", Row {
        arn: BASE_ARN, reason: "ModelEndOfLife", names: NOVA,
        make: |aws| life(aws, LifecycleStatus::Legacy, Some(in_days(89))),
        mend: |aws| life(aws, LifecycleStatus::Active, Some(in_days(400))),
    }),
    ("a custom model of a base model that is past its end", Row {
        arn: ARN, reason: "ModelEndOfLife", names: NOVA,
        make: |aws| life(aws, LifecycleStatus::Legacy, Some(in_days(-1))),
        mend: |aws| life(aws, LifecycleStatus::Active, None),
    }),
];

#[test]
fn a_model_that_will_not_last_is_told_beside_ready_and_no_longer_when_it_does() {
    let rows = RISKS.iter().map(|(name, row)| ((*name).to_owned(), row)).collect();
    parallel::for_each(6, rows, |Row { arn, make, mend, reason, names }| {
        let aws = Aws::start();
        // A model that is missing counts as deleted only where the throughput was not moved to it a moment ago.
        aws.seed_throughput(ProvisionedModelSeed {
            creation_time: Some(Timestamp::now() - DAY),
            ..ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN)
        });
        make(&aws);
        let mut env = Environment::new(aws);
        env.cluster.apply(&adopted(arn));
        // The models are listed beside the first look, and told with the next.
        env.wait_for("summarizer", "is served", is_served);
        env.ask_for_a_look("summarizer");
        let object = env
            .wait_for("summarizer", &format!("warns of {reason}"), |object| risk(object) == format!("True/{reason}"));
        assert!(is_served(&object), "{:?}", object.conditions());
        assert!(risk_message(&object).contains(names), "{}", risk_message(&object));
        env.wait_for_events("summarizer", &["InService", reason]);
        // Looked at again, also by a new process, it is told once.
        env.ask_for_a_look("summarizer");
        env.restart_the_operator();
        env.ask_for_a_look("summarizer");
        env.ask_for_a_look("summarizer");
        env.wait_for("summarizer", "still warns", |object| risk(object) == format!("True/{reason}"));
        assert_eq!(env.cluster.event_reasons("summarizer"), ["InService", reason], "{}", env.story("summarizer"));
        // The models of a region are listed once an hour, and by a new process at once.
        mend(&env.aws);
        env.restart_the_operator();
        env.ask_for_a_look("summarizer");
        env.ask_for_a_look("summarizer");
        env.wait_until_ready("summarizer");
    });
}

#[test]
fn a_model_with_a_long_life_is_not_warned_of() {
    let aws = Aws::start();
    life(&aws, LifecycleStatus::Active, Some(in_days(91)));
    let env = Environment::new(aws);
    env.cluster.apply(&adopted(BASE_ARN));
    env.wait_until("summarizer", "the models have been listed", || {
        env.aws.calls_of(Operation::ListFoundationModels) > 0
    });
    env.ask_for_a_look("summarizer");
    env.ask_for_a_look("summarizer");
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.calls_of(Operation::ListFoundationModels), 1, "once an hour");
    assert_eq!(env.aws.calls_of(Operation::ListCustomModels), 0, "no throughput serves a custom model");
}

#[test]
fn what_iam_hides_of_the_models_is_told_as_unknown_and_stops_nothing() {
    let lists = [Operation::ListCustomModels, Operation::ListFoundationModels];
    parallel::for_each(2, lists.map(|list| (list.as_str().to_owned(), list)).into(), |list| {
        let aws = Aws::start();
        aws.refuse(list, "AccessDeniedException");
        let mut env = Environment::new(aws);
        let spec = json!({"provisionedModelId": ARN, "modelId": SUMMARIZER_V2, "provisionedModelName": "renamed"});
        env.cluster.apply(&manifest("summarizer", spec));
        let object = env.wait_for("summarizer", "tells what it cannot know", |object| {
            risk(object) == "Unknown/AccessDenied" && is_served(object)
        });
        let message = risk_message(&object);
        assert!(message.contains(&format!("bedrock:{}", list.as_str())), "{message}");
        assert_eq!(env.aws.throughput(ARN).model_arn, SUMMARIZER_V2);
        env.aws.end_faults(list);
        env.restart_the_operator();
        env.wait_until_ready("summarizer");
    });
}

/// A throughput whose commitment ends then, bought half a year before.
fn committed(end: Timestamp) -> ProvisionedModelSeed {
    ProvisionedModelSeed {
        commitment_duration: Some(CommitmentDuration::SixMonths),
        commitment_expiration_time: Some(end),
        creation_time: Some(end - DAY * 180),
        ..ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN)
    }
}

/// The events about the end of a commitment.
fn told(env: &Environment) -> Vec<String> {
    let events = env.cluster.events("summarizer");
    events.into_iter().filter(|line| line.contains("Commitment")).collect()
}

#[test]
fn the_end_of_a_commitment_is_told_once_at_each_stage() {
    let hour = SignedDuration::from_hours(1);
    let rows = [
        ("in 31 days", DAY * 31, "", ""),
        ("in 29 days", DAY * 29, "CommitmentEnding", "in 30 days or less"),
        ("in 8 days", DAY * 8, "CommitmentEnding", "in 30 days or less"),
        ("in 6 days", DAY * 6, "CommitmentEnding", "in 7 days or less"),
        ("in 20 hours", hour * 20, "CommitmentEnding", "in a day or less"),
        ("an hour ago", -hour, "CommitmentEnded", "goes on billing it until it is deleted"),
    ];
    parallel::for_each(6, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, left, reason, says)| {
        let aws = Aws::start();
        aws.switch("commitmentEnd", "Ends");
        let end = Timestamp::now() + left;
        aws.seed_throughput(committed(end));
        let mut env = Environment::new(aws);
        env.cluster.apply(&adopted(ARN));
        let object = env.wait_until_ready("summarizer");
        let count = usize::from(!reason.is_empty());
        env.wait_until("summarizer", "the end is told", || told(&env).len() == count);
        if let Some(line) = told(&env).first() {
            assert!(line.starts_with(&format!("Warning {reason} ")) && line.contains(says), "{line}");
            assert!(line.contains(&object.status("/commitmentExpirationTime")), "{line}");
        }
        env.ask_for_a_look("summarizer");
        env.restart_the_operator();
        env.ask_for_a_look("summarizer");
        env.ask_for_a_look("summarizer");
        assert_eq!(told(&env).len(), count, "{}", env.story("summarizer"));
        let series = |metric| format!("{metric}{{namespace=\"{}\",name=\"summarizer\"}}", env.cluster.name);
        let metric = env.operator.metric(&series("bedrock_throughput_commitment_end_timestamp_seconds"));
        let seconds = metric.unwrap_or_else(|| panic!("no metric\n{}", env.story("summarizer")));
        assert!((seconds - end.as_duration().as_secs_f64()).abs() <= 1.0, "{seconds} is not {end}");
        assert_eq!(env.operator.metric(&series("bedrock_throughput_model_units")), Some(1.0));
    });
}

#[test]
fn a_stage_that_begins_between_two_looks_is_told_when_it_begins() {
    let aws = Aws::start();
    aws.switch("commitmentEnd", "Ends");
    let soon = SignedDuration::from_secs(12);
    aws.seed_throughput(committed(Timestamp::now() + soon));
    // Nothing else brings a look within the hour.
    let env = Environment::with_flags(aws, &["--default-interval", "1h"]);
    env.cluster.apply(&adopted(ARN));
    env.wait_until("summarizer", "the end is told", || {
        let reasons: Vec<String> = env.cluster.event_reasons("summarizer");
        reasons.iter().filter(|reason| reason.starts_with("Commitment")).count() == 2
    });
    let lines = told(&env);
    assert!(lines[0].contains("CommitmentEnding") && lines[0].contains("in a day or less"), "{lines:?}");
    assert!(lines[1].contains("CommitmentEnded"), "{lines:?}");
    env.wait_until_ready("summarizer");
}

#[test]
fn a_commitment_that_aws_renews_is_told_of_anew() {
    let aws = Aws::start();
    aws.switch("commitmentEnd", "Renews");
    aws.seed_throughput(committed(Timestamp::now() + SignedDuration::from_secs(12)));
    let env = Environment::with_flags(aws, &["--default-interval", "10s"]);
    env.cluster.apply(&adopted(ARN));
    let before = env
        .wait_for("summarizer", "tells of the end", |object| object.status("/commitmentNotice/stage") == "Within1Day");
    let before = before.status("/commitmentExpirationTime");
    let object = env.wait_for("summarizer", "has the new end", |object| {
        !object.status("/commitmentExpirationTime").is_empty() && object.status("/commitmentExpirationTime") != before
    });
    env.wait_for("summarizer", "is done with the old end", |object| object.status("/commitmentNotice").is_empty());
    assert!(object.status("/commitmentExpirationTime") > before);
}

#[test]
fn a_month_that_is_bought_is_no_news_of_its_end() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("summarizer", purchase_with(json!({"commitmentDuration": "OneMonth"}))));
    env.wait_until_ready("summarizer");
    env.ask_for_a_look("summarizer");
    assert_eq!(told(&env), Vec::<String>::new(), "{}", env.story("summarizer"));
    let series = format!(
        "bedrock_throughput_commitment_end_timestamp_seconds{{namespace=\"{}\",name=\"summarizer\"}}",
        env.cluster.name
    );
    assert!(env.operator.metric(&series).is_some());
}

#[test]
fn units_and_a_commitment_that_aws_cannot_change_are_told_and_hold_nothing_back() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    let full = |members: Value| {
        let mut spec = json!({"managementPolicy": "Full", "provisionedModelId": ARN});
        if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
            spec.extend(members);
        }
        manifest("summarizer", spec)
    };
    env.cluster.apply(&full(
        json!({"modelUnits": 2, "commitmentDuration": "SixMonths", "provisionedModelName": "renamed", "tags": {"team": "search"}}),
    ));
    let object = env.wait_until_stalled("summarizer", "CannotChange");
    assert_eq!(
        object.conditions(),
        ["Ready=False/CannotChange", "Synced=False/CannotChange", "Stalled=True/CannotChange"]
    );
    let message = object.message();
    for part in [
        "modelUnits is 2",
        "1 model unit",
        "commitmentDuration is SixMonths",
        "no commitment",
        "name, the model and the tags",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(env.aws.throughput(ARN).name, "renamed");
    assert_eq!(env.aws.own_tags(ARN), [("team".to_owned(), "search".to_owned())].into());
    assert_eq!(object.status("/modelUnits"), "1");
    env.ask_for_a_look("summarizer");
    assert_eq!(env.aws.changing_calls().len(), 2, "one for the tags, one for the name\n{}", env.story("summarizer"));
    env.cluster.apply(&full(json!({"modelUnits": 1, "provisionedModelName": "renamed", "tags": {"team": "search"}})));
    env.wait_until_ready("summarizer");
}
