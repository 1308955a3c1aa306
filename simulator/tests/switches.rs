//! Every setting of every switch makes the difference that its documentation says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use std::collections::BTreeSet;

use bedrock_simulator::{
    ApiError, Caller, Operation, Policy, Request, Response, Seed, Switches, World,
    auth::AccessKeys,
    iam,
    request::{
        CommitmentDuration, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput, GetCustomModel,
        GetProvisionedModelThroughput, ListProvisionedModelThroughputs, ListTagsForResource, Tag, TagResource,
        UntagResource, UpdateProvisionedModelThroughput,
    },
    response::ProvisionedModelView,
    wire,
    world::FoundationModel,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";

/// A switch, what is seen of it, and how that looks under each setting.
type Row = (&'static str, fn(&mut World) -> String, &'static [(&'static str, &'static str)]);

const TABLE: &[Row] = &[
    (
        "busyError",
        |world| {
            call(world, 0, update(None, Some("summarizer-v2"))).unwrap();
            format!("{} {}", outcome(world, 1, update(Some("renamed"), None)), outcome(world, 1, delete("summarizer")))
        },
        &[
            ("ValidationException", "ValidationException ValidationException"),
            ("ConflictException", "ConflictException ConflictException"),
        ],
    ),
    (
        "updateWhileCreating",
        |world| {
            call(world, 0, create("new", None)).unwrap();
            outcome(world, 1, update_of("new", Some("renamed"), None))
        },
        &[("Refused", "ValidationException"), ("Allowed", "done")],
    ),
    (
        "deleteWhileCreating",
        |world| {
            call(world, 0, create("new", None)).unwrap();
            outcome(world, 1, delete("new"))
        },
        &[("Refused", "ValidationException"), ("Allowed", "done")],
    ),
    (
        "updateWhileFailed",
        |world| {
            fail(world);
            outcome(world, 60, update(None, Some("summarizer-v2")))
        },
        &[("Allowed", "done"), ("Refused", "ValidationException")],
    ),
    (
        "failedUpdateModel",
        |world| {
            fail(world);
            get(world, 60).desired_model_arn.rsplit('/').next().unwrap().to_owned()
        },
        &[("RolledBack", "summarizer01"), ("KeepsDesired", "summarizer02")],
    ),
    (
        "failedUpdateStatus",
        |world| {
            fail(world);
            let view = get(world, 60);
            format!("{} {:?}", view.status.as_str(), view.failure_message)
        },
        &[
            ("Failed", r#"Failed Some("no capacity")"#),
            ("InServiceWithMessage", r#"InService Some("no capacity")"#),
            ("InServiceSilently", "InService None"),
        ],
    ),
    (
        "rename",
        |world| {
            call(world, 0, update(Some("renamed"), None)).unwrap();
            format!("{}, {}", named(&get(world, 1)), named(&get(world, 60)))
        },
        &[
            ("AtOnce", "renamed InService, renamed InService"),
            ("ThroughUpdating", "summarizer Updating, renamed InService"),
        ],
    ),
    (
        "nameWhileUpdating",
        |world| {
            call(world, 0, update(Some("renamed"), Some("summarizer-v2"))).unwrap();
            format!("{}, {}", named(&get(world, 1)), named(&get(world, 60)))
        },
        &[("New", "renamed Updating, renamed InService"), ("Old", "summarizer Updating, renamed InService")],
    ),
    (
        "nameAfterFailedUpdate",
        |world| {
            world.fail_next_update(&caller(), ARN, "no capacity");
            call(world, 0, update(Some("renamed"), Some("summarizer-v2"))).unwrap();
            named(&get(world, 60))
        },
        &[("New", "renamed Failed"), ("Old", "summarizer Failed")],
    ),
    (
        "nameAfterFailedCreate",
        |world| {
            world.fail_next_create(&caller(), "new", "no capacity");
            call(world, 0, create("new", None)).unwrap();
            outcome(world, 60, create("new", None))
        },
        &[("Kept", "ValidationException"), ("Freed", "done")],
    ),
    (
        "duplicateName",
        |world| {
            format!("{} {}", outcome(world, 0, update(Some("chat"), None)), outcome(world, 0, create("chat", None)))
        },
        &[
            ("ValidationException", "ValidationException ValidationException"),
            ("ConflictException", "ConflictException ConflictException"),
            ("Allowed", "done done"),
        ],
    ),
    (
        "customToBase",
        |world| {
            call(world, 0, update(None, Some("amazon.nova-lite-v1:0:24k"))).unwrap();
            outcome(world, 60, update(None, Some("summarizer-v1")))
        },
        &[("OneWay", "ValidationException"), ("CanGoBack", "done")],
    ),
    (
        "sameBase",
        |world| {
            world.put_foundation_model(FoundationModel::text("amazon.nova-lite-v1:0:128k"));
            outcome(world, 0, update(None, Some("amazon.nova-lite-v1:0:128k")))
        },
        &[("Family", "done"), ("Exact", "ValidationException")],
    ),
    (
        "readLag",
        |world| {
            call(world, 0, update(Some("renamed"), None)).unwrap();
            let list = ListProvisionedModelThroughputs { name_contains: Some("renamed".into()), ..Default::default() };
            let seen = |world: &mut World, seconds| {
                let listed = if listed(world, seconds, list.clone()).is_empty() { "old" } else { "new" };
                let got = if get(world, seconds).provisioned_model_name == "renamed" { "new" } else { "old" };
                format!("Get {got} List {listed}")
            };
            format!("{}, {}", seen(world, 1), seen(world, 2))
        },
        &[
            ("None", "Get new List new, Get new List new"),
            ("List", "Get new List old, Get new List new"),
            ("Get", "Get old List new, Get new List new"),
            ("Both", "Get old List old, Get new List new"),
        ],
    ),
    (
        "tagReadLag",
        |world| {
            let made = match call(world, 0, tagged("new")).unwrap() {
                Response::CreateProvisionedModelThroughput { provisioned_model_arn } => provisioned_model_arn.unwrap(),
                other => panic!("{other:?}"),
            };
            let stage = vec![Tag { key: "stage".into(), value: "prod".into() }];
            let tag = TagResource { resource_arn: made.clone(), tags: stage };
            let untag = UntagResource { resource_arn: made.clone(), tag_keys: vec!["team".into()] };
            let mut seen = [1, 2].map(|seconds| tag_keys(world, seconds, &made)).to_vec();
            call(world, 3, tag).unwrap();
            seen.extend([4, 5].map(|seconds| tag_keys(world, seconds, &made)));
            call(world, 6, untag).unwrap();
            seen.extend([7, 8].map(|seconds| tag_keys(world, seconds, &made)));
            seen.join(", ")
        },
        &[
            ("None", "team, team, stage team, stage team, stage, stage"),
            ("Lags", ", team, team, stage team, stage team, stage"),
        ],
    ),
    (
        "defaultOrder",
        |world| {
            call(world, 1, create("newest", None)).unwrap();
            let names = listed(world, 2, ListProvisionedModelThroughputs::default());
            let at = names.iter().position(|view| view.provisioned_model_name == "newest");
            format!("{at:?} of {}", names.len())
        },
        &[("Descending", "Some(0) of 4"), ("Ascending", "Some(3) of 4")],
    ),
    (
        "tokenReplay",
        |world| {
            let mut answered = || match call(world, 0, create("new", Some("once"))).unwrap() {
                Response::CreateProvisionedModelThroughput { provisioned_model_arn } => provisioned_model_arn,
                other => panic!("{other:?}"),
            };
            let (first, second) = (answered(), answered());
            if second.is_some() { format!("the same: {}", first == second) } else { "nothing".to_owned() }
        },
        &[("SameArn", "the same: true"), ("EmptyBody", "nothing")],
    ),
    (
        "committedError",
        |world| {
            commit(world);
            outcome(world, 3600, delete("committed"))
        },
        &[("ConflictException", "ConflictException"), ("ValidationException", "ValidationException")],
    ),
    (
        "commitmentEnd",
        |world| {
            commit(world);
            let after = 40 * DAY;
            let get = GetProvisionedModelThroughput { provisioned_model_id: "committed".into() };
            let expires = view(call(world, after, get).unwrap()).commitment_expiration_time.unwrap();
            format!(
                "{} days, {}",
                expires.duration_since(start()).as_hours() / 24,
                outcome(world, after, delete("committed"))
            )
        },
        &[("Renews", "60 days, ConflictException"), ("Ends", "30 days, done")],
    ),
    (
        "customModelBase",
        |world| custom_model(world, "baseModelArn"),
        &[("Told", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k"), ("LeftOut", "nothing")],
    ),
    ("customModelStatus", |world| custom_model(world, "modelStatus"), &[("Told", "Active"), ("LeftOut", "nothing")]),
    (
        "noOpUpdate",
        |world| {
            let outcome = outcome(world, 0, update(Some("summarizer"), Some("summarizer-v1")));
            format!("{outcome}, {}", get(world, 1).status.as_str())
        },
        &[
            ("Accepted", "done, InService"),
            ("Refused", "ValidationException, InService"),
            ("ThroughUpdating", "done, Updating"),
        ],
    ),
    (
        "missingModel",
        |world| {
            let unknown = CreateProvisionedModelThroughput { model_id: "nobody".into(), ..create("new", None) };
            format!("{} {}", outcome(world, 0, update(None, Some("nobody"))), outcome(world, 0, unknown))
        },
        &[
            ("ResourceNotFoundException", "ResourceNotFoundException ResourceNotFoundException"),
            ("ValidationException", "ValidationException ValidationException"),
        ],
    ),
    (
        "foreignArn",
        |world| {
            let elsewhere = ARN.replace("us-east-1", "us-west-2");
            outcome(world, 0, GetProvisionedModelThroughput { provisioned_model_id: elsewhere })
        },
        &[
            ("ResourceNotFoundException", "ResourceNotFoundException"),
            ("ValidationException", "ValidationException"),
            ("AccessDeniedException", "AccessDeniedException"),
        ],
    ),
    (
        "tagOnCreate",
        |world| {
            let create =
                json!({"Effect": "Allow", "Action": "bedrock:CreateProvisionedModelThroughput", "Resource": "*"});
            let policy = Policy::parse(json!({"Version": "2012-10-17", "Statement": create})).unwrap();
            let needed = iam::accesses(world, &caller(), &tagged("new").into(), start());
            let answer = iam::authorize(&policy, "AKIDEXAMPLE", &caller(), &needed);
            answer.map_or_else(|error| error.code.as_str().to_owned(), |()| "done".to_owned())
        },
        &[("NeedsTagResource", "AccessDeniedException"), ("CreateSuffices", "done")],
    ),
    (
        "lastModified",
        |world| {
            call(world, 1, update(None, Some("summarizer-v2"))).unwrap();
            get(world, 60).last_modified_time.duration_since(start()).as_secs().to_string()
        },
        &[("BeginAndEnd", "6"), ("BeginOnly", "1")],
    ),
    (
        "unknownMembers",
        |world| on_the_wire(world, r#"{"desiredModelId": "summarizer-v2", "colour": "red"}"#),
        &[("Ignored", "done"), ("Refused", "ValidationException")],
    ),
    (
        "malformedRequest",
        |world| format!("{} {}", on_the_wire(world, "{"), on_the_wire(world, r#"{"desiredModelId": 7}"#)),
        &[
            ("SerializationException", "SerializationException SerializationException"),
            ("ValidationException", "ValidationException ValidationException"),
        ],
    ),
];

const DAY: i64 = 24 * 3600;

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn caller() -> Caller {
    Caller::new("123456789012", "us-east-1")
}

/// Calls so many seconds after the start.
fn call(world: &mut World, seconds: i64, request: impl Into<Request>) -> Result<Response, ApiError> {
    world.call(&caller(), &request.into(), start() + SignedDuration::from_secs(seconds))
}

fn outcome(world: &mut World, seconds: i64, request: impl Into<Request>) -> String {
    call(world, seconds, request).map_or_else(|error| error.code.as_str().to_owned(), |_| "done".to_owned())
}

fn update(name: Option<&str>, model: Option<&str>) -> UpdateProvisionedModelThroughput {
    update_of(ARN, name, model)
}

fn update_of(id: &str, name: Option<&str>, model: Option<&str>) -> UpdateProvisionedModelThroughput {
    UpdateProvisionedModelThroughput {
        provisioned_model_id: id.to_owned(),
        desired_provisioned_model_name: name.map(str::to_owned),
        desired_model_id: model.map(str::to_owned),
    }
}

fn delete(id: &str) -> DeleteProvisionedModelThroughput {
    DeleteProvisionedModelThroughput { provisioned_model_id: id.to_owned() }
}

fn create(name: &str, token: Option<&str>) -> CreateProvisionedModelThroughput {
    CreateProvisionedModelThroughput {
        client_request_token: token.map(str::to_owned),
        model_units: 1,
        provisioned_model_name: name.to_owned(),
        model_id: "summarizer-v1".to_owned(),
        commitment_duration: None,
        tags: Vec::new(),
    }
}

fn tagged(name: &str) -> CreateProvisionedModelThroughput {
    CreateProvisionedModelThroughput {
        tags: vec![Tag { key: "team".into(), value: "search".into() }],
        ..create(name, None)
    }
}

fn tag_keys(world: &mut World, seconds: i64, arn: &str) -> String {
    match call(world, seconds, ListTagsForResource { resource_arn: arn.to_owned() }).unwrap() {
        Response::ListTagsForResource { tags } => tags.into_iter().map(|tag| tag.key).collect::<Vec<_>>().join(" "),
        other => panic!("{other:?}"),
    }
}

fn commit(world: &mut World) {
    let committed = CreateProvisionedModelThroughput {
        commitment_duration: Some(CommitmentDuration::OneMonth),
        ..create("committed", None)
    };
    call(world, 0, committed).unwrap();
}

/// An update that has failed by 60 seconds after the start.
fn fail(world: &mut World) {
    world.fail_next_update(&caller(), ARN, "no capacity");
    call(world, 0, update(None, Some("summarizer-v2"))).unwrap();
}

fn view(response: Response) -> ProvisionedModelView {
    match response {
        Response::GetProvisionedModelThroughput(view) => *view,
        other => panic!("{other:?}"),
    }
}

fn get(world: &mut World, seconds: i64) -> ProvisionedModelView {
    view(call(world, seconds, GetProvisionedModelThroughput { provisioned_model_id: ARN.to_owned() }).unwrap())
}

fn named(view: &ProvisionedModelView) -> String {
    format!("{} {}", view.provisioned_model_name, view.status.as_str())
}

fn listed(world: &mut World, seconds: i64, list: ListProvisionedModelThroughputs) -> Vec<ProvisionedModelView> {
    match call(world, seconds, list).unwrap() {
        Response::ListProvisionedModelThroughputs { provisioned_model_summaries, .. } => provisioned_model_summaries,
        other => panic!("{other:?}"),
    }
}

fn custom_model(world: &mut World, member: &str) -> String {
    let get = GetCustomModel { model_identifier: "summarizer-v1".to_owned() };
    let body = call(world, 0, get).unwrap().body().unwrap();
    body.get(member).map_or("nothing", |value| value.as_str().unwrap()).to_owned()
}

/// An Update with this body.
fn on_the_wire(world: &mut World, body: &str) -> String {
    let (operation, path) = wire::route("PATCH", "/provisioned-model-throughput/summarizer").unwrap();
    assert_eq!(operation, Operation::UpdateProvisionedModelThroughput);
    let switches = world.switches;
    wire::parameters(operation, path, None, body.as_bytes(), &switches)
        .and_then(|parameters| wire::request(operation, &parameters, &switches))
        .and_then(|request| call(world, 0, request))
        .map_or_else(|error| error.code.as_str().to_owned(), |_| "done".to_owned())
}

#[test]
fn every_setting_does_what_it_says() {
    for (switch, seen, settings) in TABLE {
        for (setting, expected) in *settings {
            let mut world = World::default();
            Seed::demo().plant(&mut world, &mut AccessKeys::default(), start()).unwrap();
            world.switches.set(switch, setting).unwrap();
            assert_eq!(seen(&mut world), *expected, "{switch} = {setting}");
        }
    }
}

#[test]
fn every_setting_is_in_the_table_and_differs_from_the_others() {
    let tried: Vec<(&str, Vec<&str>)> = TABLE
        .iter()
        .map(|(switch, _, settings)| (*switch, settings.iter().map(|(setting, _)| *setting).collect()))
        .collect();
    let all: Vec<(&str, Vec<&str>)> =
        Switches::ALL.iter().map(|switch| (switch.name, switch.settings.to_vec())).collect();
    assert_eq!(tried, all);
    for (switch, _, settings) in TABLE {
        let seen: BTreeSet<&str> = settings.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(seen.len(), settings.len(), "{switch}");
    }
}
