//! What goes wrong at AWS after a call was accepted, and what is seen late.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use bedrock_simulator::{
    Caller, ErrorCode, Request, Response, Seed, World,
    auth::AccessKeys,
    request::{
        CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput, GetProvisionedModelThroughput,
        ListTagsForResource, Tag, TagResource, UntagResource, UpdateProvisionedModelThroughput,
    },
};
use jiff::{SignedDuration, Timestamp};

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";

fn at(milliseconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_millis(milliseconds)
}

fn caller() -> Caller {
    Caller::new("123456789012", "us-east-1")
}

fn world() -> World {
    let mut world = World::default();
    Seed::demo().plant(&mut world, &mut AccessKeys::default(), at(0)).unwrap();
    world
}

/// A call so many milliseconds after the start.
fn call(world: &mut World, milliseconds: i64, request: impl Into<Request>) -> Result<Response, ErrorCode> {
    world.call(&caller(), &request.into(), at(milliseconds)).map_err(|error| error.code)
}

fn create(name: &str) -> CreateProvisionedModelThroughput {
    CreateProvisionedModelThroughput {
        client_request_token: None,
        model_units: 1,
        provisioned_model_name: name.into(),
        model_id: "summarizer-v1".into(),
        commitment_duration: None,
        tags: Vec::new(),
    }
}

fn made(answer: Result<Response, ErrorCode>) -> String {
    match answer {
        Ok(Response::CreateProvisionedModelThroughput { provisioned_model_arn: Some(arn) }) => arn,
        other => panic!("{other:?}"),
    }
}

fn revive(arn: &str, name: Option<&str>) -> UpdateProvisionedModelThroughput {
    UpdateProvisionedModelThroughput {
        provisioned_model_id: arn.to_owned(),
        desired_provisioned_model_name: name.map(str::to_owned),
        desired_model_id: Some("summarizer-v2".into()),
    }
}

fn tag(resource: &str, value: &str) -> TagResource {
    TagResource { resource_arn: resource.into(), tags: vec![Tag { key: "team".into(), value: value.into() }] }
}

/// The value of the tag `team`, as it is listed.
fn listed(world: &mut World, milliseconds: i64, resource: &str) -> String {
    match call(world, milliseconds, ListTagsForResource { resource_arn: resource.into() }).unwrap() {
        Response::ListTagsForResource { tags } => {
            tags.first().map_or_else(|| "none".to_owned(), |tag| tag.value.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deletion_that_fails_leaves_the_throughput_and_the_next_one_succeeds() {
    let mut world = world();
    world.fail_next_delete(&caller(), ARN, "in use");
    let delete = DeleteProvisionedModelThroughput { provisioned_model_id: ARN.into() };
    assert_eq!(call(&mut world, 1000, delete.clone()), Ok(Response::DeleteProvisionedModelThroughput));
    let left = world.throughput(ARN).unwrap();
    assert_eq!((left.status.as_str(), left.failure_message.as_deref()), ("Failed", Some("in use")));
    assert_eq!((left.creation_time, left.last_modified_time), (at(0), at(1000)));
    assert_eq!(call(&mut world, 2000, delete), Ok(Response::DeleteProvisionedModelThroughput));
    assert!(world.throughput(ARN).is_none());
}

#[test]
fn a_deletion_that_is_refused_does_not_use_up_the_failure() {
    let mut world = world();
    world.fail_next_delete(&caller(), ARN, "in use");
    call(&mut world, 0, revive(ARN, None)).unwrap();
    let delete = DeleteProvisionedModelThroughput { provisioned_model_id: ARN.into() };
    assert_eq!(call(&mut world, 1000, delete.clone()), Err(ErrorCode::ValidationException));
    call(&mut world, 60_000, delete).unwrap();
    assert_eq!(world.throughput(ARN).unwrap().failure_message.as_deref(), Some("in use"));
}

/// A world where a name is freed by a creation that failed, and the ARN of what failed.
fn freed() -> (World, String) {
    let mut world = world();
    world.switches.set("nameAfterFailedCreate", "Freed").unwrap();
    world.fail_next_create(&caller(), "new", "no capacity");
    let failed = made(call(&mut world, 0, create("new")));
    (world, failed)
}

#[test]
fn a_name_is_taken_until_the_creation_has_failed() {
    let (mut world, _) = freed();
    assert_eq!(call(&mut world, 1000, create("new")), Err(ErrorCode::ValidationException));
    made(call(&mut world, 60_000, create("new")));
}

#[test]
fn a_freed_name_is_that_of_its_new_owner() {
    let (mut world, _) = freed();
    let owner = made(call(&mut world, 60_000, create("new")));
    for lag in ["None", "Get"] {
        world.switches.set("readLag", lag).unwrap();
        let get = GetProvisionedModelThroughput { provisioned_model_id: "new".into() };
        match call(&mut world, 120_000, get).unwrap() {
            Response::GetProvisionedModelThroughput(view) => assert_eq!(view.provisioned_model_arn, owner, "{lag}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_throughput_whose_name_went_to_another_needs_a_new_one() {
    let (mut world, failed) = freed();
    made(call(&mut world, 60_000, create("new")));
    assert_eq!(call(&mut world, 120_000, revive(&failed, None)), Err(ErrorCode::ValidationException));
    let renamed = call(&mut world, 120_000, revive(&failed, Some("other")));
    assert_eq!(renamed, Ok(Response::UpdateProvisionedModelThroughput));
}

#[test]
fn a_throughput_that_is_in_service_after_all_has_its_name_again() {
    let (mut world, failed) = freed();
    call(&mut world, 60_000, revive(&failed, None)).unwrap();
    // A later failure is that of an update.
    world.fail_next_update(&caller(), &failed, "no capacity");
    let back =
        UpdateProvisionedModelThroughput { desired_model_id: Some("summarizer-v1".into()), ..revive(&failed, None) };
    call(&mut world, 120_000, back).unwrap();
    assert_eq!(call(&mut world, 180_000, create("new")), Err(ErrorCode::ValidationException));
    assert_eq!(world.throughput(&failed).unwrap().status.as_str(), "Failed");
}

#[test]
fn tags_that_lag_show_every_earlier_state_in_turn() {
    for resource in [ARN, MODEL] {
        let mut world = world();
        world.switches.set("tagReadLag", "Lags").unwrap();
        call(&mut world, 0, tag(resource, "ads")).unwrap();
        call(&mut world, 1000, tag(resource, "search")).unwrap();
        // What was never shown between is never seen.
        call(&mut world, 1000, tag(resource, "maps")).unwrap();
        let early = [1000, 1999, 2000, 2999].map(|time| listed(&mut world, time, resource));
        assert_eq!(early, ["none", "none", "ads", "ads"], "{resource}");
        let untag = UntagResource { resource_arn: resource.into(), tag_keys: vec!["team".into()] };
        call(&mut world, 3000, untag).unwrap();
        let late = [3000, 4999, 5000].map(|time| listed(&mut world, time, resource));
        assert_eq!(late, ["maps", "maps", "none"], "{resource}");
    }
}

#[test]
fn earlier_tags_are_kept_only_as_long_as_they_can_be_seen() {
    let mut world = world();
    for number in 0..100 {
        call(&mut world, number * 10_000, tag(ARN, &number.to_string())).unwrap();
        call(&mut world, number * 10_000, tag(ARN, "again")).unwrap();
    }
    let state = serde_json::to_value(&world).unwrap();
    let kept = &state["regions"]["123456789012/us-east-1"]["earlierTags"][ARN];
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
}

#[test]
fn earlier_tags_are_forgotten_with_their_throughput() {
    let mut world = world();
    world.switches.set("tagReadLag", "Lags").unwrap();
    call(&mut world, 0, tag(ARN, "ads")).unwrap();
    call(&mut world, 1000, tag(ARN, "search")).unwrap();
    let put_back = world.throughput(ARN).unwrap().clone();
    call(&mut world, 1000, DeleteProvisionedModelThroughput { provisioned_model_id: ARN.into() }).unwrap();
    let gone = call(&mut world, 1000, ListTagsForResource { resource_arn: ARN.into() });
    assert_eq!(gone, Err(ErrorCode::ResourceNotFoundException));
    world.put_throughput(&caller(), put_back);
    assert_eq!(listed(&mut world, 1000, ARN), "search");
}
