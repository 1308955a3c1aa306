//! The pure part: what holds whatever is called in whatever order.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use bedrock_simulator::{
    Caller, ErrorCode, Operation, Request, Response, Seed, Switches, World, model,
    request::{
        CommitmentDuration, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput,
        GetProvisionedModelThroughput, ListProvisionedModelThroughputs, UpdateProvisionedModelThroughput,
    },
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn caller() -> Caller {
    Caller::new("123456789012", "us-east-1")
}

fn world() -> World {
    let mut world = World::default();
    Seed::demo().plant(&mut world, &mut bedrock_simulator::auth::AccessKeys::default(), start()).unwrap();
    world
}

fn update(name: Option<&str>, model: Option<&str>) -> Request {
    UpdateProvisionedModelThroughput {
        provisioned_model_id: ARN.into(),
        desired_provisioned_model_name: name.map(str::to_owned),
        desired_model_id: model.map(str::to_owned),
    }
    .into()
}

fn requests() -> impl Strategy<Value = Request> {
    let ids = prop::sample::select(vec!["summarizer", "chat", "nova-lite", "new-1", "new-2", ARN, "nobody"]);
    let names = prop::sample::select(vec!["summarizer", "new-1", "new-2", "a--b", ""]);
    let models = prop::sample::select(vec![
        "summarizer-v1",
        "summarizer-v2",
        "chat-v1",
        "amazon.nova-lite-v1:0:24k",
        "nobody",
        "a b",
    ]);
    let commitments =
        prop::option::of(prop::sample::select(vec![CommitmentDuration::OneMonth, CommitmentDuration::SixMonths]));
    prop_oneof![
        (names.clone(), models.clone(), 0_u32..3, commitments, prop::option::of("[a-c]")).prop_map(
            |(name, model, units, commitment_duration, token)| {
                CreateProvisionedModelThroughput {
                    client_request_token: token,
                    model_units: units,
                    provisioned_model_name: name.to_owned(),
                    model_id: model.to_owned(),
                    commitment_duration,
                    tags: Vec::new(),
                }
                .into()
            }
        ),
        (ids.clone(), prop::option::of(names), prop::option::of(models)).prop_map(|(id, name, model)| {
            UpdateProvisionedModelThroughput {
                provisioned_model_id: id.to_owned(),
                desired_provisioned_model_name: name.map(str::to_owned),
                desired_model_id: model.map(str::to_owned),
            }
            .into()
        }),
        ids.clone().prop_map(|id| DeleteProvisionedModelThroughput { provisioned_model_id: id.to_owned() }.into()),
        ids.prop_map(|id| GetProvisionedModelThroughput { provisioned_model_id: id.to_owned() }.into()),
        Just(ListProvisionedModelThroughputs::default().into()),
    ]
}

fn switches() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = prop::sample::select(Switches::ALL)
        .prop_flat_map(|info| prop::sample::select(info.settings).prop_map(move |setting| (info.name, setting)));
    prop::collection::vec(one, 0..6)
}

proptest! {
    /// No call panics; each answer keeps to AWS's model, each refusal to the errors of its operation; names are unique where they
    /// have to be; and nothing is ever made that was not asked for.
    #[test]
    fn whatever_is_called_the_answers_keep_to_the_model(
        turned in switches(),
        steps in prop::collection::vec((requests(), 0_i64..20), 1..40),
    ) {
        let mut world = world();
        for (name, setting) in turned {
            world.switches.set(name, setting).unwrap();
        }
        let (mut now, mut made, mut deleted) = (start(), 3, 0);
        for (request, seconds) in steps {
            now += SignedDuration::from_secs(seconds);
            let before = world.throughputs(&caller()).count();
            let operation = request.operation();
            match world.call(&caller(), &request, now) {
                Ok(response) => {
                    if let Some(body) = response.body() {
                        let replayed = matches!(response, Response::CreateProvisionedModelThroughput { provisioned_model_arn: None });
                        prop_assert!(replayed || model::check_output(operation, &body).is_ok(), "{operation:?}: {body}");
                    }
                    let after = world.throughputs(&caller()).count();
                    match operation {
                        Operation::CreateProvisionedModelThroughput => made += after - before,
                        Operation::DeleteProvisionedModelThroughput => deleted += before - after,
                        _ => prop_assert_eq!(after, before),
                    }
                }
                Err(error) => {
                    let unmodelled = [ErrorCode::ConflictException];
                    let modelled = model::API.operations[operation.as_str()].errors.iter().any(|known| known.shape == error.code.as_str());
                    prop_assert!(modelled || unmodelled.contains(&error.code), "{operation:?}: {error}");
                    prop_assert_eq!(world.throughputs(&caller()).count(), before);
                }
            }
            prop_assert_eq!(world.throughputs(&caller()).count(), made - deleted);
        }
    }

    /// The same calls at the same times come out the same.
    #[test]
    fn a_world_can_be_repeated(steps in prop::collection::vec((requests(), 0_i64..20), 1..20)) {
        let (mut one, mut other, mut now) = (world(), world(), start());
        for (request, seconds) in steps {
            now += SignedDuration::from_secs(seconds);
            prop_assert_eq!(one.call(&caller(), &request, now), other.call(&caller(), &request, now));
            prop_assert_eq!(&one, &other);
        }
    }
}

/// The state of the throughput after a call and a wait, as a reader sees it.
fn after(world: &mut World, request: &Request, seconds: i64) -> (String, String, String, Option<String>) {
    let _ = world.call(&caller(), request, start());
    let now = start() + SignedDuration::from_secs(seconds);
    let get = GetProvisionedModelThroughput { provisioned_model_id: ARN.into() };
    let Ok(Response::GetProvisionedModelThroughput(view)) = world.call(&caller(), &get.into(), now) else { panic!() };
    let model = view.desired_model_arn.rsplit('/').next().unwrap().to_owned();
    (view.provisioned_model_name, view.status.as_str().to_owned(), model, view.failure_message)
}

#[test]
fn a_failed_update_takes_every_form_that_a_switch_gives_it() {
    for (status, model, expected) in [
        ("Failed", "RolledBack", ("Failed", "summarizer01", true)),
        ("Failed", "KeepsDesired", ("Failed", "summarizer02", true)),
        ("InServiceWithMessage", "RolledBack", ("InService", "summarizer01", true)),
        ("InServiceSilently", "RolledBack", ("InService", "summarizer01", false)),
    ] {
        let mut world = world();
        world.switches.set("failedUpdateStatus", status).unwrap();
        world.switches.set("failedUpdateModel", model).unwrap();
        world.fail_next_update(&caller(), ARN, "no capacity");
        let (_, status, model, message) = after(&mut world, &update(None, Some("summarizer-v2")), 60);
        assert_eq!((status.as_str(), model.as_str(), message.is_some()), expected);
    }
}

#[test]
fn a_rename_is_at_once_or_through_updating() {
    for (setting, during) in [("AtOnce", ("renamed", "InService")), ("ThroughUpdating", ("summarizer", "Updating"))] {
        let mut world = world();
        world.switches.set("rename", setting).unwrap();
        let (name, status, ..) = after(&mut world, &update(Some("renamed"), None), 0);
        assert_eq!((name.as_str(), status.as_str()), during, "{setting}");
        let (name, status, ..) = after(&mut world, &update(Some("renamed"), None), 60);
        assert_eq!((name.as_str(), status.as_str()), ("renamed", "InService"), "{setting}");
    }
}

#[test]
fn a_rename_changes_the_name_and_nothing_else() {
    let mut world = world();
    world.fail_next_update(&caller(), ARN, "no capacity");
    let failed = after(&mut world, &update(None, Some("summarizer-v2")), 60);
    assert_eq!((failed.1.as_str(), failed.3.as_deref()), ("Failed", Some("no capacity")));
    let renamed = after(&mut world, &update(Some("renamed"), None), 60);
    assert_eq!(
        (renamed.0.as_str(), renamed.1.as_str(), renamed.3.as_deref()),
        ("renamed", "Failed", Some("no capacity"))
    );
}

#[test]
fn the_name_after_a_failed_update_is_the_new_one_or_the_old_one() {
    for during in ["New", "Old"] {
        for (setting, expected) in [("New", "renamed"), ("Old", "summarizer")] {
            let mut world = world();
            world.switches.set("nameWhileUpdating", during).unwrap();
            world.switches.set("nameAfterFailedUpdate", setting).unwrap();
            world.fail_next_update(&caller(), ARN, "no capacity");
            let (name, ..) = after(&mut world, &update(Some("renamed"), Some("summarizer-v2")), 60);
            assert_eq!(name, expected, "{during}, then {setting}");
        }
    }
}

#[test]
fn the_way_back_from_a_variant_of_the_base_model_is_no_other() {
    let mut world = world();
    world.put_foundation_model(bedrock_simulator::world::FoundationModel::text("amazon.nova-lite-v1:0:128k"));
    let moved = after(&mut world, &update(None, Some("amazon.nova-lite-v1:0:128k")), 60);
    assert_eq!(moved.1, "InService");
    let later = start() + SignedDuration::from_secs(120);
    let back = world.call(&caller(), &update(None, Some("summarizer-v1")), later).map_err(|error| error.code);
    assert_eq!(back.err(), Some(ErrorCode::ValidationException));
}

#[test]
fn the_errors_that_aws_leaves_open_follow_their_switches() {
    let code = |switch: &str, setting: &str, prepare: &dyn Fn(&mut World), request: Request| {
        let mut world = world();
        world.switches.set(switch, setting).unwrap();
        prepare(&mut world);
        world.call(&caller(), &request, start()).map(|_| "done").map_err(|error| error.code.as_str())
    };
    let nothing = |_: &mut World| {};
    let busy = |world: &mut World| {
        world.call(&caller(), &update(None, Some("summarizer-v2")), start()).unwrap();
    };
    let rename = || update(Some("renamed"), None);
    for setting in ["ValidationException", "ConflictException"] {
        assert_eq!(code("busyError", setting, &busy, rename()), Err(setting));
        assert_eq!(code("duplicateName", setting, &nothing, update(Some("chat"), None)), Err(setting));
    }
    assert_eq!(code("duplicateName", "Allowed", &nothing, update(Some("chat"), None)), Ok("done"));
    for setting in ["ResourceNotFoundException", "ValidationException"] {
        assert_eq!(code("missingModel", setting, &nothing, update(None, Some("nobody"))), Err(setting));
    }
    for setting in ["ResourceNotFoundException", "ValidationException", "AccessDeniedException"] {
        let foreign = GetProvisionedModelThroughput { provisioned_model_id: ARN.replace("us-east-1", "us-west-2") };
        assert_eq!(code("foreignArn", setting, &nothing, foreign.into()), Err(setting));
    }
    assert_eq!(code("noOpUpdate", "Accepted", &nothing, update(Some("summarizer"), None)), Ok("done"));
    assert_eq!(code("noOpUpdate", "Refused", &nothing, update(Some("summarizer"), None)), Err("ValidationException"));
}

#[test]
fn a_commitment_is_renewed_or_ends() {
    for (setting, held) in [("Renews", true), ("Ends", false)] {
        let mut world = world();
        world.switches.set("commitmentEnd", setting).unwrap();
        let create = CreateProvisionedModelThroughput {
            client_request_token: None,
            model_units: 1,
            provisioned_model_name: "committed".into(),
            model_id: "summarizer-v1".into(),
            commitment_duration: Some(CommitmentDuration::OneMonth),
            tags: Vec::new(),
        };
        world.call(&caller(), &create.into(), start()).unwrap();
        let later = start() + SignedDuration::from_hours(24 * 40);
        let delete = DeleteProvisionedModelThroughput { provisioned_model_id: "committed".into() };
        let error = world.call(&caller(), &delete.into(), later).err().map(|error| error.code);
        assert_eq!(error, held.then_some(ErrorCode::ConflictException), "{setting}");
    }
}
