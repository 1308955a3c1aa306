//! Buying, with `managementPolicy: Full`: exactly what the manifest says, exactly once, and never by surprise.

use std::time::Duration;

use bedrock_simulator::{
    FaultKind, ProvisionedModel,
    request::{ModelStatus, ProvisionedModelStatus},
    seed::ProvisionedModelSeed,
    settings::Seconds,
};
use serde_json::{Value, json};

use crate::support::{
    aws::{
        ARN, Aws, MODEL_BEING_MADE, MODEL_FAILED, NAME, NOVA, NOVA_ID, Operation, SUMMARIZER_V1, SUMMARIZER_V1_NAME,
        SUMMARIZER_V2,
    },
    control_plane::{client_without_retries, plane},
    environment::{Environment, Namespace, settings},
    object::{APPROVE, Object, RECONCILE_REQUESTED_AT, manifest},
    operator::Operator,
    parallel,
    proxy::Proxy,
    purchase::{BOUGHT, MAY_BUY_AND_DELETE, cluster_uid, owner_tags, purchase, purchase_with},
};

use Operation::{CreateProvisionedModelThroughput as Create, TagResource, UpdateProvisionedModelThroughput as Update};

/// A throughput that another attempt, or somebody else, has bought.
const THERE: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/therealready";

/// An environment in which an object has bought its throughput, and the throughput.
fn bought() -> (Environment, ProvisionedModel) {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_until_ready("buyer");
    let throughput = env.aws.the_bought();
    (env, throughput)
}

fn creates(env: &Environment) -> usize {
    env.aws.calls_of(Create)
}

#[test]
fn a_purchase_is_one_create_with_what_the_manifest_says_and_is_followed_until_it_serves() {
    let aws = Aws::start();
    aws.creating_takes(Duration::from_hours(1));
    let env = Environment::that_buys(aws);
    let spec = purchase_with(json!({
        "modelUnits": 2, "commitmentDuration": "OneMonth", "tags": {"team": "search", "cost centre": "42"},
    }));
    env.cluster.apply(&manifest("buyer", spec));
    let object = env.wait_for("buyer", "is being made", |object| {
        object.status("/status") == "Creating"
            && object.conditions() == ["Ready=False/Creating", "Synced=False/Creating", "Reconciling=True/Creating"]
    });
    let throughput = env.aws.the_bought();
    assert_eq!(object.status("/provisionedModelArn"), throughput.arn);
    assert_eq!(object.status("/lastUpdate/action"), "Create");
    let uid = env.cluster.uid("buyer");
    let tags = owner_tags(&cluster_uid(plane()), &env.cluster, "buyer", &uid);
    let tags: Vec<Value> = [("team", "search"), ("cost centre", "42")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .chain(tags)
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let mut requests = env.aws.create_requests();
    sort_tags(&mut requests[0]);
    let mut expected = json!({
        "clientRequestToken": uid, "provisionedModelName": BOUGHT, "modelId": SUMMARIZER_V1, "modelUnits": 2,
        "commitmentDuration": "OneMonth", "tags": tags,
    });
    sort_tags(&mut expected);
    assert_eq!(requests, [expected]);
    env.aws.finish_throughput(&throughput.arn);
    let object = env.wait_until_ready("buyer");
    assert_eq!(object.status("/lastUpdate/action"), "Create");
    assert_eq!(object.status("/lastUpdate/requestId"), env.aws.all_of(Create)[0].request_id);
    assert!(!object.status("/lastUpdate/servedTime").is_empty());
    assert_eq!(object.status("/modelUnits"), "2");
    assert_eq!(object.status("/commitmentDuration"), "OneMonth");
    assert_eq!(object.status("/plan"), "");
    env.wait_for_another_look("buyer");
    assert_eq!(env.aws.changing_calls().len(), 1, "{}", env.story("buyer"));
    let mut reasons = env.cluster.event_reasons("buyer");
    // A purchase waits first until reads have caught up with the making of the object.
    reasons.dedup();
    assert_eq!(reasons, ["Creating", "Created"], "{}", env.story("buyer"));
}

/// There were two purchases, the second of them in the place of a throughput and with a token of its own.
fn assert_takes_the_place(env: &Environment, of: &str) {
    let (uid, id) = (env.cluster.uid("buyer"), of.rsplit('/').next().unwrap_or_default());
    let tokens = env.aws.tokens();
    let (first, second) = (&tokens[0], &tokens[1]);
    assert_eq!((first, tokens.len()), (&uid, 2), "{tokens:?}");
    assert!(second.starts_with(&uid) && second.ends_with(&format!("-{id}")), "{tokens:?}");
}

fn sort_tags(request: &mut Value) {
    if let Some(tags) = request["tags"].as_array_mut() {
        tags.sort_by_key(|tag| tag["key"].as_str().unwrap_or_default().to_owned());
    }
}

#[test]
fn a_model_may_be_bought_under_each_of_its_names() {
    let rows = [
        ("an ARN", SUMMARIZER_V1, SUMMARIZER_V1),
        ("the name of a custom model", SUMMARIZER_V1_NAME, SUMMARIZER_V1),
        ("the id of a base model", NOVA_ID, NOVA),
        ("the ARN of a base model", NOVA, NOVA),
    ];
    parallel::for_each(4, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, model, arn)| {
        let env = Environment::that_buys(Aws::start());
        env.cluster.apply(&manifest("buyer", purchase_with(json!({"modelId": model}))));
        let object = env.wait_until_ready("buyer");
        assert_eq!(object.status("/modelArn"), arn);
        assert_eq!(env.aws.the_bought().model_arn, arn);
        assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
    });
}

#[test]
fn without_the_flag_nothing_is_bought_and_the_plan_is_shown() {
    let mut env = Environment::new(Aws::start());
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"commitmentDuration": "OneMonth"}))));
    let object = env.wait_until_stalled("buyer", "CreateNotAllowed");
    assert!(object.message().contains("--allow-create"), "{}", object.message());
    assert_eq!(object.status("/plan/action"), "Create");
    assert_eq!(object.status("/plan/waitingFor"), "OperatorFlag");
    assert_eq!(object.status("/plan/request/provisionedModelName"), BOUGHT);
    assert_eq!(object.status("/plan/request/modelUnits"), "1");
    assert_eq!(object.status("/plan/request/commitmentDuration"), "OneMonth");
    assert!(object.status("/plan/consequence").contains("one month"), "{}", object.status("/plan/consequence"));
    env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("now"));
    env.wait_for_another_look("buyer");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    // The flag is what held it back.
    env.settings.flags.push("--allow-create".to_owned());
    env.restart_the_operator();
    env.wait_until_ready("buyer");
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn a_name_that_is_taken_is_told_with_the_line_that_adopts_it() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"provisionedModelName": NAME}))));
    let object = env.wait_until_stalled("buyer", "NameTaken");
    let line = format!("provisionedModelId: {ARN}");
    assert!(object.message().contains(&line), "{}", object.message());
    assert_eq!(object.status("/provisionedModelArn"), "", "what is somebody else's is not bound");
    env.wait_for_another_look("buyer");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    // The way out: that line.
    env.cluster
        .apply(&manifest("buyer", purchase_with(json!({"provisionedModelName": NAME, "provisionedModelId": ARN}))));
    let object = env.wait_until_ready("buyer");
    assert_eq!(object.status("/provisionedModelArn"), ARN);
    assert_eq!(creates(&env), 0, "{}", env.story("buyer"));
    let owner = format!("{}/{}/buyer", cluster_uid(plane()), env.cluster.name);
    assert_eq!(env.aws.owner(ARN), Some(owner), "what is adopted with Full belongs to the object");
}

#[test]
fn another_name_than_the_taken_one_is_bought() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"provisionedModelName": NAME}))));
    env.wait_until_stalled("buyer", "NameTaken");
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_until_ready("buyer");
    assert_eq!(env.aws.the_bought().name, BOUGHT);
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn what_an_attempt_that_died_has_bought_is_bound_and_not_bought_again() {
    let rows = [
        ("in service", BOUGHT, None),
        ("under another name", "bought-before", None),
        ("still being made", BOUGHT, Some(ProvisionedModelStatus::Creating)),
    ];
    parallel::for_each(3, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, name, status)| {
        let aws = Aws::start();
        let cluster = Namespace::new();
        let tags = owner_tags("here", &cluster, "buyer", "a-uid-of-before").into_iter().collect();
        let seed =
            ProvisionedModelSeed { tags, status, ..ProvisionedModelSeed::new(name, SUMMARIZER_V1_NAME).arn(THERE) };
        aws.seed_throughput(seed);
        let flags = ["--allow-create", "--allow-delete", "--cluster-name", "here"];
        let settings = settings(plane(), &cluster, &aws, &flags);
        let env = Environment::with_settings(aws, cluster, settings);
        env.cluster.apply(&manifest("buyer", purchase()));
        if status.is_some() {
            env.wait_for("buyer", "is bound", |object| object.status("/provisionedModelArn") == THERE);
            env.aws.finish_throughput(THERE);
        }
        let object = env.wait_until_ready("buyer");
        assert_eq!(object.status("/provisionedModelArn"), THERE);
        assert_eq!(env.aws.throughput(THERE).name, BOUGHT, "{}", env.story("buyer"));
        assert_eq!(env.aws.tags(THERE)["bedrock-throughput.dev/uid"], env.cluster.uid("buyer"));
        assert_eq!(creates(&env), 0, "{}", env.story("buyer"));
    });
}

#[test]
fn of_two_objects_of_one_name_the_older_buys_and_the_other_takes_over_without_a_purchase() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("older", purchase()));
    env.wait_until_ready("older");
    env.cluster.apply(&manifest("younger", purchase()));
    let object = env.wait_until_stalled("younger", "AlreadyManaged");
    assert!(object.message().contains("older"), "{}", object.message());
    env.wait_for_another_look("younger");
    assert_eq!(env.aws.changing_calls().len(), 1, "{}", env.story("younger"));
    let arn = env.aws.the_bought().arn;
    env.cluster.delete("older");
    let object = env.wait_until_ready("younger");
    assert_eq!(object.status("/provisionedModelArn"), arn);
    assert_eq!(env.aws.the_bought().arn, arn);
    assert_eq!(creates(&env), 1, "{}", env.story("younger"));
    let owner = format!("{}/{}/younger", cluster_uid(plane()), env.cluster.name);
    assert_eq!(env.aws.owner(&arn), Some(owner));
}

#[test]
fn two_objects_of_one_name_that_come_at_once_buy_one() {
    let aws = Aws::start();
    // Nothing at AWS stands in the way of a second one.
    aws.switch("duplicateName", "Allowed");
    let mut env = Environment::that_buys(aws);
    env.operator.kill();
    // The API server knows the age of objects to the second; the name settles a draw.
    for name in ["one", "two"] {
        env.cluster.apply(&manifest(name, purchase()));
    }
    env.start_the_operator();
    env.wait_until_ready("one");
    env.wait_until_stalled("two", "AlreadyManaged");
    env.wait_for_another_look("two");
    assert_eq!(creates(&env), 1, "{}", env.story("two"));
}

#[test]
fn a_creation_that_failed_is_not_repeated_by_itself_but_on_request_after_a_deletion_by_hand() {
    let aws = Aws::start();
    aws.fail_the_next_creation(BOUGHT, "there is no capacity");
    let mut env = Environment::that_buys(aws);
    env.cluster.apply(&manifest("buyer", purchase()));
    let object = env.wait_until_stalled("buyer", "CreateFailed");
    let failed = env.aws.the_bought().arn;
    for part in ["there is no capacity", "delete-provisioned-model-throughput", &failed, RECONCILE_REQUESTED_AT] {
        assert!(object.message().contains(part), "{part}: {}", object.message());
    }
    env.wait_for_another_look("buyer");
    env.restart_the_operator();
    env.wait_for_another_look("buyer");
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
    // The way out, as the message says.
    env.aws.delete_as_somebody_else(&failed);
    env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("again"));
    let object = env.wait_until_ready("buyer");
    assert_eq!(object.status("/provisionedModelArn"), env.aws.the_bought().arn);
    assert_takes_the_place(&env, &failed);
    assert_eq!(creates(&env), 2, "{}", env.story("buyer"));
}

#[test]
fn after_a_creation_that_failed_the_way_out_holds_when_it_is_looked_at_between_its_two_steps() {
    let aws = Aws::start();
    aws.fail_the_next_creation(BOUGHT, "there is no capacity");
    let env = Environment::that_buys(aws);
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_until_stalled("buyer", "CreateFailed");
    env.aws.delete_as_somebody_else(&env.aws.the_bought().arn);
    env.wait_for_another_look("buyer");
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
    env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("again"));
    env.wait_until_ready("buyer");
    assert_eq!(creates(&env), 2, "{}", env.story("buyer"));
}

#[test]
fn a_throughput_that_is_gone_at_aws_is_bought_anew_only_with_approval() {
    let (env, before) = bought();
    env.aws.delete_as_somebody_else(&before.arn);
    let object = env.wait_until_stalled("buyer", "NotFound");
    assert!(object.message().contains(&before.arn), "{}", object.message());
    assert_eq!(object.status("/plan/action"), "Create");
    assert_eq!(object.status("/plan/waitingFor"), "Approval");
    let hash = object.plan_hash();
    assert!(object.message().contains(&format!("{APPROVE}: {hash}")), "{}", object.message());
    // A request to look is no approval, and neither is another hash.
    env.cluster.annotate("buyer", RECONCILE_REQUESTED_AT, Some("please"));
    env.wait_for("buyer", "has answered", |object| object.status("/lastHandledReconcileAt") == "please");
    env.cluster.annotate("buyer", APPROVE, Some("00000000"));
    env.wait_for_another_look("buyer");
    let object = env.wait_until_stalled("buyer", "NotFound");
    assert_eq!(object.plan_hash(), hash, "the same plan has the same hash");
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
    env.cluster.annotate("buyer", APPROVE, Some(&hash));
    let object = env.wait_until_ready("buyer");
    let after = env.aws.the_bought();
    assert_eq!(object.status("/provisionedModelArn"), after.arn);
    assert_ne!(after.arn, before.arn);
    assert_takes_the_place(&env, &before.arn);
    // The approval is used up: the next one needs its own.
    env.aws.delete_as_somebody_else(&after.arn);
    let object = env.wait_until_stalled("buyer", "NotFound");
    assert_ne!(object.plan_hash(), hash);
    env.wait_for_another_look("buyer");
    assert_eq!(creates(&env), 2, "{}", env.story("buyer"));
}

#[test]
fn a_name_that_somebody_took_meanwhile_is_not_bought_beside_it_even_with_approval() {
    let (env, before) = bought();
    env.aws.switch("duplicateName", "Allowed");
    env.aws.delete_as_somebody_else(&before.arn);
    let hash = env.wait_until_stalled("buyer", "NotFound").plan_hash();
    env.aws.add_throughput(THERE, BOUGHT, SUMMARIZER_V1_NAME);
    env.cluster.annotate("buyer", APPROVE, Some(&hash));
    let object = env.wait_until_stalled("buyer", "NameTaken");
    assert!(object.message().contains(THERE), "{}", object.message());
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn without_quota_it_says_which_quota_and_buys_when_it_is_raised() {
    let rows = [
        ("a custom model", json!({}), vec!["L-BE77399C", "per provisioned model"]),
        ("a base model", json!({"modelId": NOVA}), vec!["L-FE44174A", "per provisioned model"]),
        ("a commitment", json!({"commitmentDuration": "OneMonth"}), vec!["per provisioned model"]),
    ];
    parallel::for_each(3, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, members, names)| {
        let aws = Aws::start();
        aws.set_quota(Some(0));
        let env = Environment::that_buys(aws);
        env.cluster.apply(&manifest("buyer", purchase_with(members)));
        let object = env.wait_until_stalled("buyer", "QuotaExceeded");
        assert!(names.iter().all(|name| object.message().contains(name)), "{names:?}: {}", object.message());
        assert_eq!(env.aws.bought(), []);
        env.aws.set_quota(None);
        env.wait_until_ready("buyer");
        assert_eq!(env.aws.tokens(), [env.cluster.uid("buyer")]);
        assert_eq!(env.aws.bought().len(), 1);
    });
}

#[test]
fn a_model_that_cannot_be_bought_is_told_without_a_call() {
    let missing = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/000000000000";
    let rows = [
        ("an unknown custom model", missing, "ModelNotFound"),
        ("an unknown name", "nothing-v9", "ModelNotFound"),
        ("a model that failed", MODEL_FAILED, "ModelFailed"),
    ];
    parallel::for_each(3, rows.map(|row| (row.0.to_owned(), row)).into(), |(_, model, reason)| {
        let env = Environment::that_buys(Aws::start());
        env.cluster.apply(&manifest("buyer", purchase_with(json!({"modelId": model}))));
        let object = env.wait_until_stalled("buyer", reason);
        assert!(object.message().contains(model), "{}", object.message());
        env.wait_for_another_look("buyer");
        assert_eq!(env.aws.changing_calls(), Vec::<String>::new(), "{}", env.story("buyer"));
        env.cluster.apply(&manifest("buyer", purchase()));
        env.wait_until_ready("buyer");
        assert_eq!(creates(&env), 1);
    });
}

#[test]
fn a_foundation_model_that_aws_does_not_know_is_told_under_either_error() {
    let rows = ["ResourceNotFoundException", "ValidationException"];
    parallel::for_each(2, rows.map(|row| (row.to_owned(), row)).into(), |error| {
        let aws = Aws::start();
        aws.switch("missingModel", error);
        let env = Environment::that_buys(aws);
        env.cluster.apply(&manifest("buyer", purchase_with(json!({"modelId": "amazon.nothing-v9:0:24k"}))));
        let object = env.wait_for("buyer", "tells of it", |object| {
            object.is_stalled("ModelNotFound") || object.is_stalled("Refused")
        });
        assert!(object.message().contains("amazon.nothing-v9:0:24k"), "{}", object.message());
        assert_eq!(env.aws.bought(), []);
        env.cluster.apply(&manifest("buyer", purchase()));
        env.wait_until_ready("buyer");
        assert_eq!(env.aws.bought().len(), 1);
    });
}

#[test]
fn a_model_that_is_being_made_is_waited_for_and_then_bought() {
    let env = Environment::that_buys(Aws::start());
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"modelId": MODEL_BEING_MADE}))));
    let object = env.wait_for("buyer", "waits for the model", |object| object.reason() == "ModelNotReady");
    assert!(object.message().contains(MODEL_BEING_MADE), "{}", object.message());
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
    env.aws.set_custom_model_status(MODEL_BEING_MADE, ModelStatus::Active);
    env.wait_until_ready("buyer");
    assert_eq!(env.aws.the_bought().model_arn, MODEL_BEING_MADE);
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

/// What a Create meets, and where.
#[derive(Debug, Clone)]
struct Trouble {
    fault: Option<FaultKind>,
    switches: Vec<(&'static str, &'static str)>,
    /// Reads show what was written only so much later.
    lag: Option<Duration>,
    /// The operator is killed after the first Create, and another is started.
    restart: bool,
    /// AWS remembers no idempotency token.
    forgetful: bool,
}

fn troubles() -> Vec<(String, Trouble)> {
    let lag = Some(Duration::from_secs(3));
    let trouble = |fault, switches: &[_], lag| Trouble {
        fault,
        switches: switches.to_vec(),
        lag,
        restart: false,
        forgetful: false,
    };
    let lost = || Some(FaultKind::LostResponse);
    let allowed = ("duplicateName", "Allowed");
    let empty = ("tokenReplay", "EmptyBody");
    let both = ("readLag", "Both");
    let tags = ("tagReadLag", "Lags");
    let rows = [
        ("lost", trouble(lost(), &[], None)),
        ("lost, another error for the name", trouble(lost(), &[("duplicateName", "ConflictException")], None)),
        ("lost, names need not differ", trouble(lost(), &[allowed], None)),
        ("lost, an empty replay", trouble(lost(), &[empty], None)),
        ("lost, reads lag", trouble(lost(), &[both], lag)),
        ("lost, tags lag", trouble(lost(), &[tags], lag)),
        ("lost, tags lag, names need not differ", trouble(lost(), &[tags, allowed], lag)),
        ("lost, all lag, names need not differ", trouble(lost(), &[both, tags, allowed, empty], lag)),
        ("only the list lags", trouble(None, &[("readLag", "List"), allowed], lag)),
        ("only Get lags", trouble(None, &[("readLag", "Get")], lag)),
        ("reads lag", trouble(None, &[both], lag)),
        ("tags lag", trouble(None, &[tags], lag)),
        ("all lag", trouble(None, &[both, tags, allowed], lag)),
        ("no JSON", trouble(Some(FaultKind::MalformedBody), &[allowed], None)),
        ("no connection", trouble(Some(FaultKind::DroppedConnection), &[allowed], None)),
        ("no answer", trouble(Some(FaultKind::Hang), &[allowed], None)),
        ("a new status", trouble(Some(FaultKind::UnknownStatus { status: "Odd".to_owned() }), &[allowed], None)),
        ("throttled", trouble(Some(FaultKind::code("ThrottlingException")), &[allowed], None)),
        ("an error of AWS", trouble(Some(FaultKind::code("InternalServerException")), &[allowed], None)),
    ];
    let restarts = [
        ("lost, restarted, names need not differ", Trouble { restart: true, ..trouble(lost(), &[allowed], None) }),
        ("lost, restarted, an empty replay", Trouble { restart: true, ..trouble(lost(), &[allowed, empty], None) }),
        ("lost, restarted, all lag", Trouble { restart: true, ..trouble(lost(), &[both, tags, allowed], lag) }),
        ("restarted, all lag", Trouble { restart: true, ..trouble(None, &[both, tags, allowed], lag) }),
    ];
    let forgetful = [
        ("lost, no token is remembered", trouble(lost(), &[allowed], None)),
        ("lost, no token is remembered, all lag", trouble(lost(), &[both, tags, allowed], lag)),
        ("no answer, no token is remembered", trouble(Some(FaultKind::Hang), &[allowed], None)),
        (
            "lost, no token is remembered, restarted, all lag",
            Trouble { restart: true, ..trouble(lost(), &[both, tags, allowed], lag) },
        ),
    ]
    .map(|(name, row)| (name, Trouble { forgetful: true, ..row }));
    rows.into_iter().chain(restarts).chain(forgetful).map(|(name, row)| (name.to_owned(), row)).collect()
}

#[test]
fn whatever_becomes_of_the_answer_and_the_reads_one_is_bought() {
    parallel::for_each(10, troubles(), |Trouble { fault, switches, lag, restart, forgetful }| {
        let aws = Aws::start();
        if forgetful {
            aws.server().set(|settings| settings.token_seconds = Seconds::new(0));
        }
        if let Some(lag) = lag {
            aws.lag(lag);
            aws.switch("readLag", "None");
        }
        for (switch, setting) in switches {
            aws.switch(switch, setting);
        }
        if let Some(fault) = fault {
            aws.fault_times(Create, fault, 1);
        }
        let read_lag = if lag.is_some() { "4s" } else { "1s" };
        let mut env = Environment::with_flags(aws, &["--allow-create", "--allow-delete", "--read-lag", read_lag]);
        env.cluster.apply(&manifest("buyer", purchase()));
        if restart {
            env.wait_until("buyer", "a Create has arrived", || creates(&env) > 0);
            env.restart_the_operator();
        }
        let object = env.wait_until_ready("buyer");
        assert_eq!(object.status("/provisionedModelArn"), env.aws.the_bought().arn);
        assert_eq!(env.aws.tokens(), [env.cluster.uid("buyer")], "{}", env.story("buyer"));
        env.wait_for_another_look("buyer");
        assert_eq!(env.aws.bought().len(), 1, "{}", env.story("buyer"));
        let changes = [Update, TagResource].map(|operation| env.aws.calls_of(operation));
        assert_eq!(changes, [0, 0], "what was bought is as it was asked for\n{}", env.story("buyer"));
    });
}

#[test]
fn a_status_that_was_lost_is_found_again_without_a_purchase() {
    let (mut env, throughput) = bought();
    let again = |env: &Environment| {
        let object = env.wait_for("buyer", "is ready again", |object: &Object| {
            object.is_ready() && object.status("/provisionedModelArn") == throughput.arn
        });
        assert_eq!(object.status("/provisionedModelName"), BOUGHT);
    };
    env.cluster.wipe_status("buyer");
    again(&env);
    // The same where no process remembers, and somebody has renamed it meanwhile.
    env.operator.kill();
    env.cluster.wipe_status("buyer");
    env.aws.rename_as_somebody_else(&throughput.arn, "renamed");
    env.start_the_operator();
    again(&env);
    assert_eq!(env.aws.the_bought().arn, throughput.arn);
    assert_eq!(env.aws.the_bought().name, BOUGHT);
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn what_was_bought_is_renamed_and_moved_like_any_other() {
    let (env, throughput) = bought();
    let members = json!({"provisionedModelName": "another-name", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("buyer", purchase_with(members)));
    env.wait_until_ready("buyer");
    let after = env.aws.the_bought();
    assert_eq!(
        (after.arn.as_str(), after.name.as_str(), after.model_arn.as_str()),
        (throughput.arn.as_str(), "another-name", SUMMARIZER_V2)
    );
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn an_edit_while_it_is_being_made_is_done_afterwards() {
    let aws = Aws::start();
    aws.creating_takes(Duration::from_hours(1));
    let env = Environment::that_buys(aws);
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_for("buyer", "is being made", |object| object.status("/status") == "Creating");
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"provisionedModelName": "another-name"}))));
    env.wait_for("buyer", "has seen the edit", Object::is_observed);
    let arn = env.aws.the_bought().arn;
    env.aws.finish_throughput(&arn);
    env.wait_until_ready("buyer");
    assert_eq!(env.aws.the_bought().name, "another-name");
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn an_object_that_was_deleted_and_comes_back_is_bound_to_what_it_had_bought() {
    let (env, throughput) = bought();
    let uid = env.cluster.uid("buyer");
    env.cluster.delete("buyer");
    env.cluster.apply(&manifest("buyer", purchase()));
    let object = env.wait_until_ready("buyer");
    assert_ne!(env.cluster.uid("buyer"), uid);
    assert_eq!(object.status("/provisionedModelArn"), throughput.arn);
    assert_eq!(env.aws.the_bought().arn, throughput.arn);
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn an_object_that_is_replaced_while_reads_lag_behind_its_purchase_is_bound_to_it() {
    let aws = Aws::start();
    aws.switch("duplicateName", "Allowed");
    aws.switch("tagReadLag", "Lags");
    aws.lag(Duration::from_secs(6));
    let env = Environment::with_flags(aws, &[MAY_BUY_AND_DELETE, &["--read-lag", "7s"]].concat());
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_until("buyer", "it is bought", || env.aws.bought().len() == 1);
    // As `kubectl replace --force` does: another object, with another uid and without a status.
    env.cluster.delete("buyer");
    env.cluster.apply(&manifest("buyer", purchase()));
    let object = env.wait_until_ready("buyer");
    assert_eq!(env.aws.bought().len(), 1, "{}", env.story("buyer"));
    assert_eq!(object.status("/provisionedModelArn"), env.aws.the_bought().arn);
}

/// An environment whose operator goes through a proxy that holds the next request with this text, with an object that is to buy.
fn held(text: &str) -> (Environment, Proxy) {
    let aws = Aws::start();
    let cluster = Namespace::new();
    let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
    let mut settings = settings(plane(), &cluster, &aws, MAY_BUY_AND_DELETE);
    settings.kubeconfig = proxy.kubeconfig().to_path_buf();
    proxy.aws_url().clone_into(&mut settings.aws_url);
    let env = Environment::with_settings(aws, cluster, settings);
    proxy.hold(text);
    env.cluster.apply(&manifest("buyer", purchase()));
    env.wait_until("buyer", "a request is held", || proxy.is_holding());
    (env, proxy)
}

#[test]
fn an_object_that_goes_between_the_decision_and_the_call_buys_nothing() {
    // What tells of the call is written before it is made.
    let (env, proxy) = held("/status?");
    env.cluster.delete("buyer");
    proxy.release();
    env.cluster.apply(&manifest("other", json!({"provisionedModelId": ARN})));
    env.wait_until_ready("other");
    env.wait_for_another_look("other");
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn a_manifest_that_changes_between_the_decision_and_the_call_is_what_is_bought() {
    let (env, proxy) = held("/status?");
    env.cluster.apply(&manifest("buyer", purchase_with(json!({"modelUnits": 3}))));
    proxy.release();
    env.wait_until_ready("buyer");
    assert_eq!(env.aws.the_bought().model_units, 3);
    assert_eq!(creates(&env), 1, "{}", env.story("buyer"));
}

#[test]
fn an_object_that_goes_while_the_call_is_out_and_comes_back_is_bound_to_what_it_had_bought() {
    let (env, proxy) = held("AWS POST /provisioned-model-throughput");
    env.aws.switch("duplicateName", "Allowed");
    env.cluster.delete("buyer");
    env.cluster.apply(&manifest("buyer", purchase()));
    proxy.release();
    let object = env.wait_until_ready("buyer");
    assert_eq!(object.status("/provisionedModelArn"), env.aws.the_bought().arn);
    env.wait_for_another_look("buyer");
    assert_eq!(env.aws.bought().len(), 1, "{}", env.story("buyer"));
}

#[test]
fn two_operators_at_once_buy_one() {
    let rows = (0..6).map(|number| (format!("try {number}"), ()));
    parallel::for_each(3, rows.collect(), |()| {
        let aws = Aws::start();
        aws.switch("duplicateName", "Allowed");
        let env = Environment::that_buys(aws);
        let _another = Operator::start(&env.settings);
        env.cluster.apply(&manifest("buyer", purchase()));
        env.wait_until_ready("buyer");
        env.wait_for_another_look("buyer");
        assert_eq!(env.aws.bought().len(), 1, "{}", env.story("buyer"));
        assert_eq!(env.aws.tokens(), [env.cluster.uid("buyer")]);
    });
}
