//! The pure part: what holds whatever is called in whatever order.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use bedrock_simulator::{
    Caller, ErrorCode, Operation, Request, Response, Seed, Switches, World, model,
    request::{
        CommitmentDuration, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput, GetCustomModel,
        GetFoundationModel, GetProvisionedModelThroughput, ListCustomModels, ListFoundationModels,
        ListProvisionedModelThroughputs, ListTagsForResource, ModelStatus, ProvisionedModelStatus, SortOrder, Tag,
        TagResource, UntagResource, UpdateProvisionedModelThroughput,
    },
    response::ProvisionedModelView,
    switches::{DuplicateName, NameAfterFailedCreate, ReadLag},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";

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

/// What somebody does: calls, mostly, and things that happen at AWS.
#[derive(Clone, Debug)]
enum Step {
    Call(Request),
    FailNextUpdate,
    FailNextCreate,
    FailNextDelete,
    RemoveCustomModel(&'static str),
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tag = ("[a-c]{1,2}|aws:x", "[a-z]{0,2}").prop_map(|(key, value)| Tag { key, value });
    prop::collection::vec(tag, 0..4)
}

fn list() -> impl Strategy<Value = ListProvisionedModelThroughputs> {
    use ProvisionedModelStatus::{Creating, Failed, InService, Updating};
    (
        prop::option::of(prop::sample::select(vec![Creating, InService, Updating, Failed])),
        prop::option::of("[a-z0-9]{0,2}"),
        prop::option::of(0_u32..4),
        prop::option::of(prop::sample::select(vec![SortOrder::Ascending, SortOrder::Descending])),
        prop::option::of(-9_i64..60),
    )
        .prop_map(|(status_equals, name_contains, max_results, sort_order, after)| {
            ListProvisionedModelThroughputs {
                status_equals,
                name_contains,
                max_results,
                sort_order,
                creation_time_after: after.map(|seconds| start() + SignedDuration::from_secs(seconds)),
                ..ListProvisionedModelThroughputs::default()
            }
        })
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
    let arns =
        prop::sample::select(vec![ARN, MODEL, "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/summarizer00"]);
    let commitments =
        prop::option::of(prop::sample::select(vec![CommitmentDuration::OneMonth, CommitmentDuration::SixMonths]));
    let throughputs = prop_oneof![
        (names.clone(), models.clone(), 0_u32..3, commitments, prop::option::of("[a-c]"), tags()).prop_map(
            |(name, model, units, commitment_duration, token, tags)| {
                CreateProvisionedModelThroughput {
                    client_request_token: token,
                    model_units: units,
                    provisioned_model_name: name.to_owned(),
                    model_id: model.to_owned(),
                    commitment_duration,
                    tags,
                }
                .into()
            }
        ),
        (ids.clone(), prop::option::of(names), prop::option::of(models.clone())).prop_map(|(id, name, model)| {
            UpdateProvisionedModelThroughput {
                provisioned_model_id: id.to_owned(),
                desired_provisioned_model_name: name.map(str::to_owned),
                desired_model_id: model.map(str::to_owned),
            }
            .into()
        }),
        ids.clone().prop_map(|id| DeleteProvisionedModelThroughput { provisioned_model_id: id.to_owned() }.into()),
        ids.prop_map(|id| GetProvisionedModelThroughput { provisioned_model_id: id.to_owned() }.into()),
        list().prop_map(Request::from),
    ];
    let others = prop_oneof![
        (arns.clone(), tags()).prop_map(|(arn, tags)| TagResource { resource_arn: arn.to_owned(), tags }.into()),
        (arns.clone(), prop::collection::vec("[a-c]{1,2}", 0..3)).prop_map(|(arn, tag_keys)| UntagResource {
            resource_arn: arn.to_owned(),
            tag_keys
        }
        .into()),
        arns.prop_map(|arn| ListTagsForResource { resource_arn: arn.to_owned() }.into()),
        models.clone().prop_map(|model| GetCustomModel { model_identifier: model.to_owned() }.into()),
        models.prop_map(|model| GetFoundationModel { model_identifier: model.to_owned() }.into()),
        prop::option::of(prop::sample::select(vec![ModelStatus::Active, ModelStatus::Failed]))
            .prop_map(|model_status| ListCustomModels { model_status, ..ListCustomModels::default() }.into()),
        Just(ListFoundationModels::default().into()),
    ];
    prop_oneof![3 => throughputs, 1 => others]
}

fn steps(most: usize) -> impl Strategy<Value = Vec<(Step, i64)>> {
    let step = prop_oneof![
        20 => requests().prop_map(Step::Call),
        2 => Just(Step::FailNextUpdate),
        1 => Just(Step::FailNextCreate),
        1 => Just(Step::FailNextDelete),
        1 => prop::sample::select(vec![MODEL]).prop_map(Step::RemoveCustomModel),
    ];
    // A clock that is set by hand can go back.
    prop::collection::vec((step, -3_i64..20), 1..most)
}

fn switches() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = prop::sample::select(Switches::ALL)
        .prop_flat_map(|info| prop::sample::select(info.settings).prop_map(move |setting| (info.name, setting)));
    prop::collection::vec(one, 0..6)
}

/// Everything that a list shows, in pages of one size.
fn walk(world: &mut World, size: u32, now: Timestamp) -> Vec<ProvisionedModelView> {
    let (mut all, mut next_token) = (Vec::new(), None);
    loop {
        let list = ListProvisionedModelThroughputs { max_results: Some(size), next_token, ..Default::default() };
        match world.call(&caller(), &list.into(), now).unwrap() {
            Response::ListProvisionedModelThroughputs { next_token: next, provisioned_model_summaries } => {
                all.extend(provisioned_model_summaries);
                next_token = next;
            }
            other => panic!("{other:?}"),
        }
        if next_token.is_none() {
            return all;
        }
    }
}

/// Every way to read says the same, where none of them lags.
fn check_reads(world: &mut World, now: Timestamp) {
    let all = walk(world, 1000, now);
    assert_eq!(walk(world, 2, now), all, "pages do not change what is listed");
    for listed in &all {
        let get = GetProvisionedModelThroughput { provisioned_model_id: listed.provisioned_model_arn.clone() };
        match world.call(&caller(), &get.into(), now).unwrap() {
            Response::GetProvisionedModelThroughput(got) => {
                assert_eq!(ProvisionedModelView { failure_message: None, ..*got }, *listed);
            }
            other => panic!("{other:?}"),
        }
        let get = GetProvisionedModelThroughput { provisioned_model_id: listed.provisioned_model_name.clone() };
        match world.call(&caller(), &get.into(), now).unwrap() {
            Response::GetProvisionedModelThroughput(got) => {
                assert_eq!(got.provisioned_model_name, listed.provisioned_model_name);
            }
            other => panic!("{other:?}"),
        }
    }
    let names: BTreeSet<&str> = all.iter().map(|view| view.provisioned_model_name.as_str()).collect();
    for name in ["summarizer", "chat", "new-1", "new-2"] {
        let get = GetProvisionedModelThroughput { provisioned_model_id: name.to_owned() };
        assert_eq!(world.call(&caller(), &get.into(), now).is_ok(), names.contains(name), "{name}: {all:?}");
    }
    let may_share = world.switches.duplicate_name == DuplicateName::Allowed
        || world.switches.name_after_failed_create == NameAfterFailedCreate::Freed;
    assert!(names.len() == all.len() || may_share, "{all:?}");
}

/// An answer keeps to AWS's model, but for the body that a switch leaves empty.
fn check_answer(operation: Operation, response: &Response) {
    let replayed = matches!(response, Response::CreateProvisionedModelThroughput { provisioned_model_arn: None });
    if let Some(body) = response.body().filter(|_| !replayed) {
        model::check_output(operation, &body).unwrap_or_else(|found| panic!("{operation:?}: {found:?}: {body}"));
    }
}

proptest! {
    #[test]
    fn whatever_is_called_the_answers_keep_to_the_model(turned in switches(), steps in steps(40)) {
        let mut world = world();
        for (name, setting) in turned {
            world.switches.set(name, setting).unwrap();
        }
        let mut now = start();
        // Every ARN that was ever there, and whether it still is.
        let mut there: BTreeMap<String, bool> = world.throughputs(&caller()).map(|one| (one.arn.clone(), true)).collect();
        for (step, seconds) in steps {
            now += SignedDuration::from_secs(seconds);
            let request = match step {
                Step::Call(request) => request,
                Step::FailNextUpdate => {
                    world.fail_next_update(&caller(), ARN, "no capacity");
                    continue;
                }
                Step::FailNextCreate => {
                    world.fail_next_create(&caller(), "new-1", "no capacity");
                    continue;
                }
                Step::FailNextDelete => {
                    world.fail_next_delete(&caller(), ARN, "in use");
                    continue;
                }
                Step::RemoveCustomModel(arn) => {
                    world.remove_custom_model(arn);
                    continue;
                }
            };
            let operation = request.operation();
            world.settle(now);
            let before = world.clone();
            match world.call(&caller(), &request, now) {
                Ok(response) => {
                    check_answer(operation, &response);
                    if !operation.mutates() {
                        prop_assert!(world == before, "{request:?} only reads");
                    }
                    if let Response::CreateProvisionedModelThroughput { provisioned_model_arn: Some(arn) } = response
                        && before.throughput(&arn).is_none() && world.throughput(&arn).is_some()
                    {
                        prop_assert_eq!(there.insert(arn, true), None, "an ARN is never given out again");
                    }
                    if operation == Operation::DeleteProvisionedModelThroughput {
                        for (arn, is_there) in &mut there {
                            *is_there &= world.throughput(arn).is_some();
                        }
                    }
                }
                Err(error) => {
                    let unmodelled = error.code == ErrorCode::ConflictException;
                    let modelled = model::API.operations[operation.as_str()].errors.iter().any(|known| known.shape == error.code.as_str());
                    prop_assert!(modelled || unmodelled, "{operation:?}: {error}");
                    prop_assert!(world == before, "{request:?} was refused with {error} and changed something");
                }
            }
            // Nothing is made but by Create, and nothing goes but by Delete.
            let present: Vec<&String> = there.iter().filter(|(_, there)| **there).map(|(arn, _)| arn).collect();
            prop_assert_eq!(world.throughputs(&caller()).map(|one| &one.arn).collect::<Vec<_>>(), present);
            if world.switches.read_lag == ReadLag::None {
                check_reads(&mut world, now);
            }
        }
    }

    /// The same calls at the same times come out the same, so that a model checker knows a state again.
    #[test]
    fn a_world_can_be_repeated(steps in steps(20)) {
        let (mut one, mut other, mut now) = (world(), world(), start());
        for (step, seconds) in steps {
            now += SignedDuration::from_secs(seconds);
            if let Step::Call(request) = step {
                prop_assert_eq!(one.call(&caller(), &request, now), other.call(&caller(), &request, now));
                prop_assert_eq!(&one, &other);
                prop_assert_eq!(hash(&one), hash(&other));
            }
        }
    }
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn worlds_that_differ_have_other_hashes() {
    let one = world();
    let mut renamed = one.clone();
    renamed.call(&caller(), &update(Some("renamed"), None), start()).unwrap();
    let mut turned = one.clone();
    turned.switches.set("readLag", "Both").unwrap();
    let mut failing = one.clone();
    failing.fail_next_delete(&caller(), ARN, "in use");
    let hashes = BTreeSet::from([&one, &renamed, &turned, &failing].map(hash));
    assert_eq!(hashes.len(), 4);
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
fn a_name_that_was_given_up_is_free() {
    for setting in ["AtOnce", "ThroughUpdating"] {
        let mut world = world();
        world.switches.set("rename", setting).unwrap();
        world.call(&caller(), &update(Some("renamed"), None), start()).unwrap();
        let later = start() + SignedDuration::from_secs(60);
        let other = UpdateProvisionedModelThroughput {
            provisioned_model_id: "chat".into(),
            desired_provisioned_model_name: Some("summarizer".into()),
            desired_model_id: None,
        };
        assert_eq!(
            world.call(&caller(), &other.into(), later),
            Ok(Response::UpdateProvisionedModelThroughput),
            "{setting}"
        );
    }
}

#[test]
fn a_name_that_another_gets_when_its_update_ends_is_taken() {
    let mut world = world();
    world.switches.set("rename", "ThroughUpdating").unwrap();
    world.call(&caller(), &update(Some("wanted"), None), start()).unwrap();
    let other = UpdateProvisionedModelThroughput {
        provisioned_model_id: "chat".into(),
        desired_provisioned_model_name: Some("wanted".into()),
        desired_model_id: None,
    };
    let refused = world.call(&caller(), &other.into(), start()).map_err(|error| error.code);
    assert_eq!(refused.err(), Some(ErrorCode::ValidationException));
}

#[test]
fn what_was_seeded_as_updating_can_be_finished() {
    let mut world = world();
    let mut throughput = world.throughput(ARN).unwrap().clone();
    throughput.status = ProvisionedModelStatus::Updating;
    throughput.desired_model_arn = MODEL.into();
    throughput.note(start());
    world.put_throughput(&caller(), throughput.clone());
    world.settle(start() + SignedDuration::from_hours(1));
    assert_eq!(world.throughput(ARN).unwrap().status, ProvisionedModelStatus::Updating, "it stays so");
    throughput.finish(start());
    world.put_throughput(&caller(), throughput);
    world.settle(start());
    let finished = world.throughput(ARN).unwrap();
    assert_eq!((finished.status, finished.model_arn.as_str()), (ProvisionedModelStatus::InService, MODEL));
}

#[test]
fn an_arn_that_a_seed_gave_out_is_not_made() {
    let mut world = world();
    let create = |name: &str| -> Request {
        CreateProvisionedModelThroughput {
            client_request_token: None,
            model_units: 1,
            provisioned_model_name: name.into(),
            model_id: "summarizer-v1".into(),
            commitment_duration: None,
            tags: Vec::new(),
        }
        .into()
    };
    let made = |response| match response {
        Ok(Response::CreateProvisionedModelThroughput { provisioned_model_arn: Some(arn) }) => arn,
        other => panic!("{other:?}"),
    };
    let next = made(world.clone().call(&caller(), &create("probe"), start()));
    let seeded = Seed {
        provisioned_models: vec![
            bedrock_simulator::seed::ProvisionedModelSeed::new("seeded", "summarizer-v1").arn(&next),
        ],
        ..Seed::default()
    };
    seeded.plant(&mut world, &mut bedrock_simulator::auth::AccessKeys::default(), start()).unwrap();
    assert_ne!(made(world.call(&caller(), &create("new"), start())), next);
}

#[test]
fn govcloud_serves_custom_models_without_a_commitment() {
    let gov = Caller::new("123456789012", "us-gov-west-1");
    let mut world = world();
    let seed = Seed {
        custom_models: vec![bedrock_simulator::seed::CustomModelSeed {
            region: Some(gov.region.clone()),
            ..bedrock_simulator::seed::CustomModelSeed::new("tuned", "amazon.nova-lite-v1:0:24k")
        }],
        ..Seed::default()
    };
    seed.plant(&mut world, &mut bedrock_simulator::auth::AccessKeys::default(), start()).unwrap();
    let mut create = |model: &str, commitment_duration| {
        let create = CreateProvisionedModelThroughput {
            client_request_token: None,
            model_units: 1,
            provisioned_model_name: "new".into(),
            model_id: model.into(),
            commitment_duration,
            tags: Vec::new(),
        };
        world.call(&gov, &create.into(), start()).map(|_| ()).map_err(|error| error.code)
    };
    assert_eq!(create("amazon.nova-lite-v1:0:24k", None), Err(ErrorCode::ValidationException));
    assert_eq!(create("tuned", Some(CommitmentDuration::OneMonth)), Err(ErrorCode::ValidationException));
    assert_eq!(create("tuned", None), Ok(()));
}
