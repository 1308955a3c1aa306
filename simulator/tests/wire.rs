//! The AWS SDK for Rust against the simulator, unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

use std::time::Duration;

use aws_sdk_bedrock::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    types::{CommitmentDuration, ProvisionedModelStatus, SortOrder, Tag},
};
use bedrock_simulator::{
    Caller, ErrorCode, Fault, FaultKind, Operation, Seed, Server,
    request::{ModelStatus, ProvisionedModelStatus as Status, UpdateProvisionedModelThroughput},
    seed::{AccountSeed, CustomModelSeed, ProvisionedModelSeed},
    settings::Seconds,
    throttle::Rate,
    world::FoundationModel,
};
use jiff::{SignedDuration, Timestamp};

const NOVA: &str = "amazon.nova-lite-v1:0:24k";
const NOVA_ARN: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const TITAN: &str = "amazon.titan-text-express-v1:0:8k";
const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const ON_BASE: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/novalitebase";
const V1: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer01";
const V2: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";
const CHAT: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-express-v1:0:8k/chatchatchat";

/// A server with the demonstration account, and a clock that stands still.
fn server() -> Server {
    let server = Server::start().unwrap();
    server.stop_clock("2026-01-01T00:00:00Z".parse().unwrap());
    server.seed(&Seed::demo()).unwrap();
    server
}

fn client_of(server: &Server, key: &str, region: &str) -> Client {
    let config = aws_sdk_bedrock::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(server.url())
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn client(server: &Server) -> Client {
    client_of(server, "AKIDEXAMPLE", "us-east-1")
}

fn pass(server: &Server, seconds: i64) {
    server.advance(SignedDuration::from_secs(seconds));
}

/// Code and HTTP status of a refused call.
fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    answer: Result<T, SdkError<E, aws_sdk_bedrock::config::http::HttpResponse>>,
) -> (String, u16) {
    match answer {
        Err(SdkError::ServiceError(error)) => {
            (error.err().code().unwrap_or_default().to_owned(), error.raw().status().as_u16())
        }
        answer => panic!("it should be refused: {answer:?}"),
    }
}

fn code(code: ErrorCode) -> (String, u16) {
    (code.as_str().to_owned(), code.status())
}

async fn status(client: &Client, id: &str) -> ProvisionedModelStatus {
    client.get_provisioned_model_throughput().provisioned_model_id(id).send().await.unwrap().status
}

#[tokio::test]
async fn a_throughput_is_made_and_then_in_service() {
    let server = server();
    let client = client(&server);
    let made = client
        .create_provisioned_model_throughput()
        .provisioned_model_name("new")
        .model_id("summarizer-v1")
        .model_units(2)
        .commitment_duration(CommitmentDuration::OneMonth)
        .tags(Tag::builder().key("team").value("search").build().unwrap())
        .send()
        .await
        .unwrap();
    let get = || client.get_provisioned_model_throughput().provisioned_model_id(&made.provisioned_model_arn).send();
    let at_first = get().await.unwrap();
    assert_eq!((at_first.status, at_first.model_units), (ProvisionedModelStatus::Creating, 2));
    assert_eq!((at_first.model_arn.as_str(), at_first.foundation_model_arn.as_str()), (V1, NOVA_ARN));
    let expires = at_first.commitment_expiration_time.unwrap().secs();
    assert_eq!(expires - at_first.creation_time.secs(), 30 * 24 * 3600);
    pass(&server, 10);
    assert_eq!(get().await.unwrap().status, ProvisionedModelStatus::InService);
    let tags = client.list_tags_for_resource().resource_arn(&made.provisioned_model_arn).send().await.unwrap();
    assert_eq!(tags.tags().len(), 1);
}

#[tokio::test]
async fn a_token_makes_one_throughput() {
    let server = server();
    let client = client(&server);
    let make = || {
        client
            .create_provisioned_model_throughput()
            .client_request_token("once")
            .provisioned_model_name("new")
            .model_id(NOVA)
            .model_units(1)
            .send()
    };
    let (first, second) = (make().await.unwrap(), make().await.unwrap());
    assert_eq!(first.provisioned_model_arn, second.provisioned_model_arn);
    pass(&server, 25 * 3600);
    assert_eq!(
        refused(make().await),
        code(ErrorCode::ValidationException),
        "the token is forgotten, the name is taken"
    );
}

#[tokio::test]
async fn an_update_is_followed_from_updating_to_in_service() {
    let server = server();
    let client = client(&server);
    client.update_provisioned_model_throughput().provisioned_model_id(ARN).desired_model_id(V2).send().await.unwrap();
    let get = || client.get_provisioned_model_throughput().provisioned_model_id(ARN).send();
    let during = get().await.unwrap();
    assert_eq!(during.status, ProvisionedModelStatus::Updating);
    assert_eq!((during.model_arn.as_str(), during.desired_model_arn.as_str()), (V1, V2));
    let busy =
        client.update_provisioned_model_throughput().provisioned_model_id(ARN).desired_provisioned_model_name("x");
    assert_eq!(refused(busy.send().await), code(ErrorCode::ValidationException));
    assert_eq!(
        refused(client.delete_provisioned_model_throughput().provisioned_model_id(ARN).send().await),
        code(ErrorCode::ValidationException)
    );
    pass(&server, 10);
    let after = get().await.unwrap();
    assert_eq!(after.status, ProvisionedModelStatus::InService);
    assert_eq!((after.model_arn.as_str(), after.desired_model_arn.as_str()), (V2, V2));
    assert!(after.last_modified_time.secs() > during.last_modified_time.secs());
}

#[tokio::test]
async fn a_rename_keeps_the_arn_and_changes_what_the_name_finds() {
    let server = server();
    let client = client(&server);
    let rename = client.update_provisioned_model_throughput().provisioned_model_id("summarizer");
    rename.desired_provisioned_model_name("renamed").send().await.unwrap();
    let by_name = client.get_provisioned_model_throughput().provisioned_model_id("renamed").send().await.unwrap();
    assert_eq!(by_name.provisioned_model_arn, ARN);
    let old = client.get_provisioned_model_throughput().provisioned_model_id("summarizer").send().await;
    assert_eq!(refused(old), code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn an_update_that_fails_tells_why_and_serves_the_old_model() {
    let server = server();
    let client = client(&server);
    let caller = Caller::new("123456789012", "us-east-1");
    server.with_world(|world, _| world.fail_next_update(&caller, ARN, "no capacity"));
    client.update_provisioned_model_throughput().provisioned_model_id(ARN).desired_model_id(V2).send().await.unwrap();
    pass(&server, 10);
    let get = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
    assert_eq!((get.status, get.failure_message.as_deref()), (ProvisionedModelStatus::Failed, Some("no capacity")));
    assert_eq!((get.model_arn.as_str(), get.desired_model_arn.as_str()), (V1, V1));
}

#[tokio::test]
async fn what_aws_does_not_move_is_refused() {
    let server = server();
    server
        .seed(&Seed {
            custom_models: vec![
                CustomModelSeed { status: ModelStatus::Creating, ..CustomModelSeed::new("making", NOVA) },
                CustomModelSeed { status: ModelStatus::Failed, ..CustomModelSeed::new("failed", NOVA) },
            ],
            ..Seed::default()
        })
        .unwrap();
    let client = client(&server);
    let refusal = async |id: &str, model: &str| {
        refused(
            client.update_provisioned_model_throughput().provisioned_model_id(id).desired_model_id(model).send().await,
        )
    };
    for (id, model) in [(ON_BASE, V1), (ON_BASE, TITAN), (ARN, CHAT), (ARN, TITAN), (ARN, "making"), (ARN, "failed")] {
        assert_eq!(refusal(id, model).await, code(ErrorCode::ValidationException), "{id} to {model}");
    }
    assert_eq!(refusal(ARN, "nobody").await, code(ErrorCode::ResourceNotFoundException));
    assert_eq!(refusal("nobody", V2).await, code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn a_throughput_moves_to_its_base_model_and_not_back() {
    let server = server();
    let client = client(&server);
    let to =
        |model: &str| client.update_provisioned_model_throughput().provisioned_model_id(ARN).desired_model_id(model);
    to(NOVA).send().await.unwrap();
    pass(&server, 10);
    assert_eq!(refused(to(V1).send().await), code(ErrorCode::ValidationException));
    server.switch("customToBase", "CanGoBack").unwrap();
    to(V1).send().await.unwrap();
}

#[tokio::test]
async fn a_commitment_holds_off_delete_until_it_ends() {
    let server = server();
    let committed = ProvisionedModelSeed {
        commitment_duration: Some(bedrock_simulator::request::CommitmentDuration::OneMonth),
        ..ProvisionedModelSeed::new("committed", NOVA)
    };
    server.seed(&Seed { provisioned_models: vec![committed], ..Seed::default() }).unwrap();
    server.switch("commitmentEnd", "Ends").unwrap();
    let client = client(&server);
    let delete = || client.delete_provisioned_model_throughput().provisioned_model_id("committed").send();
    assert_eq!(refused(delete().await), code(ErrorCode::ConflictException));
    pass(&server, 31 * 24 * 3600);
    delete().await.unwrap();
    assert_eq!(refused(delete().await), code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_paged() {
    let server = server();
    for number in 0..25 {
        let time: Timestamp = format!("2025-01-{:02}T00:00:00Z", number + 1).parse().unwrap();
        let throughput = ProvisionedModelSeed {
            creation_time: Some(time),
            status: (number == 7).then_some(Status::Failed),
            failure_message: (number == 7).then(|| "broken".to_owned()),
            ..ProvisionedModelSeed::new(&format!("fleet-{number:02}"), "summarizer-v2")
        };
        server.seed(&Seed { provisioned_models: vec![throughput], ..Seed::default() }).unwrap();
    }
    let client = client(&server);
    let fleet = || client.list_provisioned_model_throughputs().name_contains("fleet-");
    let pages = fleet().sort_order(SortOrder::Ascending).into_paginator().page_size(10).items().send();
    let names: Vec<String> =
        pages.collect::<Result<Vec<_>, _>>().await.unwrap().into_iter().map(|one| one.provisioned_model_name).collect();
    assert_eq!(names, (0..25).map(|number| format!("fleet-{number:02}")).collect::<Vec<_>>());
    let newest = fleet().max_results(1).send().await.unwrap();
    assert_eq!(newest.provisioned_model_summaries()[0].provisioned_model_name, "fleet-24");
    assert!(newest.next_token.is_some());
    let count = async |list: aws_sdk_bedrock::operation::list_provisioned_model_throughputs::builders::ListProvisionedModelThroughputsFluentBuilder| {
        list.send().await.unwrap().provisioned_model_summaries().len()
    };
    assert_eq!(count(fleet().status_equals(ProvisionedModelStatus::Failed)).await, 1);
    assert_eq!(count(fleet().model_arn_equals(V2)).await, 25);
    assert_eq!(count(fleet().model_arn_equals(V1)).await, 0);
    let middle = aws_sdk_bedrock::primitives::DateTime::from_secs(
        "2025-01-10T00:00:00Z".parse::<Timestamp>().unwrap().as_second(),
    );
    assert_eq!(count(fleet().creation_time_after(middle)).await, 15);
    assert_eq!(count(fleet().creation_time_before(middle)).await, 9);
    assert_eq!(refused(fleet().max_results(0).send().await), code(ErrorCode::ValidationException));
    assert_eq!(refused(fleet().next_token("made-up").send().await), code(ErrorCode::ValidationException));
}

#[tokio::test]
async fn tags_are_set_and_removed_within_bounds() {
    let server = server();
    let client = client(&server);
    let tag = |key: &str| Tag::builder().key(key).value("v").build().unwrap();
    let tag_with = |tags| client.tag_resource().resource_arn(ARN).set_tags(Some(tags)).send();
    let keys = async || {
        let tags = client.list_tags_for_resource().resource_arn(ARN).send().await.unwrap();
        tags.tags().iter().map(|tag| tag.key().to_owned()).collect::<Vec<_>>()
    };
    tag_with(vec![tag("a"), tag("b")]).await.unwrap();
    assert_eq!(keys().await, ["a", "b"]);
    client.untag_resource().resource_arn(ARN).tag_keys("a").send().await.unwrap();
    assert_eq!(keys().await, ["b"]);
    assert_eq!(refused(tag_with(vec![tag("aws:mine")]).await), code(ErrorCode::ValidationException));
    let many = (0..50).map(|number| tag(&format!("k{number}"))).collect();
    assert_eq!(refused(tag_with(many).await), code(ErrorCode::TooManyTagsException));
    assert_eq!(keys().await, ["b"]);
}

#[tokio::test]
async fn models_are_shown_with_their_bases() {
    let server = server();
    server
        .seed(&Seed { custom_models: vec![CustomModelSeed::new("grandchild", "summarizer-v1")], ..Seed::default() })
        .unwrap();
    let client = client(&server);
    let custom = client.get_custom_model().model_identifier("summarizer-v1").send().await.unwrap();
    assert_eq!((custom.model_arn.as_str(), custom.base_model_arn.as_deref()), (V1, Some(NOVA_ARN)));
    let grandchild = client.get_custom_model().model_identifier("grandchild").send().await.unwrap();
    assert_eq!(grandchild.base_model_arn.as_deref(), Some(V1));
    let all = client.list_custom_models().foundation_model_arn_equals(NOVA_ARN).send().await.unwrap();
    assert_eq!(all.model_summaries().len(), 3);
    let children = client.list_custom_models().base_model_arn_equals(NOVA_ARN).send().await.unwrap();
    assert_eq!(children.model_summaries().len(), 2);
    let foundation = client.get_foundation_model().model_identifier(NOVA).send().await.unwrap();
    assert_eq!(foundation.model_details.unwrap().model_arn, NOVA_ARN);
    let amazon = client.list_foundation_models().by_provider("Amazon").send().await.unwrap();
    assert_eq!(amazon.model_summaries().len(), 2);
    let nobody = client.get_custom_model().model_identifier("nobody").send().await;
    assert_eq!(refused(nobody), code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn a_quota_bounds_what_is_made() {
    let server = server();
    let account =
        AccountSeed { account_id: "123456789012".into(), model_unit_quota: Some(0), ..AccountSeed::default() };
    server.seed(&Seed { accounts: vec![account], ..Seed::default() }).unwrap();
    let create = client(&server)
        .create_provisioned_model_throughput()
        .provisioned_model_name("new")
        .model_id(NOVA)
        .model_units(1);
    let Err(SdkError::ServiceError(error)) = create.send().await else { panic!("it should be refused") };
    assert_eq!(error.err().code(), Some("ServiceQuotaExceededException"));
    assert!(error.err().message().unwrap().contains("does not currently have any no commitment model units"));
}

#[tokio::test]
async fn accounts_and_regions_do_not_see_each_other() {
    let server = server();
    let account =
        AccountSeed { account_id: "111111111111".into(), access_keys: vec!["OTHER".into()], ..AccountSeed::default() };
    server.seed(&Seed { accounts: vec![account], ..Seed::default() }).unwrap();
    let there = client(&server).list_provisioned_model_throughputs().send().await.unwrap();
    assert_eq!(there.provisioned_model_summaries().len(), 3);
    for (key, region) in [("OTHER", "us-east-1"), ("AKIDEXAMPLE", "us-west-2")] {
        let stranger = client_of(&server, key, region);
        assert_eq!(
            stranger.list_provisioned_model_throughputs().send().await.unwrap().provisioned_model_summaries().len(),
            0
        );
        let get = stranger.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await;
        assert_eq!(refused(get), code(ErrorCode::ResourceNotFoundException), "{key} in {region}");
    }
}

#[tokio::test]
async fn the_front_door_knows_expired_tokens() {
    let server = server();
    server.expire("AKIDEXAMPLE", true);
    let client = client(&server);
    assert_eq!(
        refused(client.list_provisioned_model_throughputs().send().await),
        code(ErrorCode::ExpiredTokenException)
    );
    server.expire("AKIDEXAMPLE", false);
    client.list_provisioned_model_throughputs().send().await.unwrap();
}

#[tokio::test]
async fn a_bounded_operation_is_throttled_and_the_others_are_not() {
    let server = server();
    server.throttle(Operation::ListProvisionedModelThroughputs, Some(Rate { per_second: 1.0, burst: 1 }));
    let client = client(&server);
    let list = || client.list_provisioned_model_throughputs().send();
    list().await.unwrap();
    assert_eq!(refused(list().await), code(ErrorCode::ThrottlingException));
    assert_eq!(status(&client, ARN).await, ProvisionedModelStatus::InService);
    pass(&server, 1);
    list().await.unwrap();
}

#[tokio::test]
async fn every_error_arrives_with_its_code_and_status() {
    let server = server();
    let client = client(&server);
    for error in ErrorCode::ALL {
        server.inject(Fault::on(Operation::UpdateProvisionedModelThroughput, FaultKind::error(*error)).times(1));
        let update = client.update_provisioned_model_throughput().provisioned_model_id(ARN).desired_model_id(V2);
        assert_eq!(refused(update.send().await), code(*error));
    }
    assert_eq!(status(&client, ARN).await, ProvisionedModelStatus::InService, "none of them was carried out");
}

#[tokio::test]
async fn a_lost_response_is_a_call_that_was_carried_out() {
    let server = server();
    let client = client(&server);
    let update = |name: &str| {
        client
            .update_provisioned_model_throughput()
            .provisioned_model_id(ARN)
            .desired_provisioned_model_name(name)
            .send()
    };
    server.inject(Fault::on(Operation::UpdateProvisionedModelThroughput, FaultKind::LostResponse).times(1));
    assert!(matches!(update("lost").await, Err(SdkError::DispatchFailure(_))));
    let get = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
    assert_eq!(get.provisioned_model_name, "lost");
    server.inject(Fault::on(Operation::UpdateProvisionedModelThroughput, FaultKind::DroppedConnection).times(1));
    assert!(matches!(update("dropped").await, Err(SdkError::DispatchFailure(_))));
    let get = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
    assert_eq!(get.provisioned_model_name, "lost");
    let carried_out: Vec<bool> =
        server.calls_of(Operation::UpdateProvisionedModelThroughput).iter().map(|call| call.carried_out).collect();
    assert_eq!(carried_out, [true, false]);
}

#[tokio::test]
async fn answers_can_be_unreadable_or_have_words_that_nobody_knows() {
    let server = server();
    let client = client(&server);
    server.inject(Fault::on(Operation::ListProvisionedModelThroughputs, FaultKind::MalformedBody).times(1));
    assert!(client.list_provisioned_model_throughputs().send().await.is_err());
    let word = FaultKind::UnknownStatus { status: "Rebalancing".into() };
    server.inject(Fault::on(Operation::GetProvisionedModelThroughput, word).times(1));
    assert_eq!(status(&client, ARN).await.as_str(), "Rebalancing");
}

#[tokio::test]
async fn a_call_that_hangs_or_is_late_is_the_callers_patience() {
    let server = server();
    let hasty = |timeout| {
        let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
        client(&server)
            .list_provisioned_model_throughputs()
            .customize()
            .config_override(aws_sdk_bedrock::config::Builder::new().timeout_config(timeouts))
    };
    server.inject(Fault::on(Operation::ListProvisionedModelThroughputs, FaultKind::Hang).times(1));
    assert!(matches!(hasty(Duration::from_millis(100)).send().await, Err(SdkError::TimeoutError(_))));
    let late = FaultKind::Latency { seconds: Seconds::try_from(0.05).unwrap() };
    server.inject(Fault::on(Operation::ListProvisionedModelThroughputs, late).times(1));
    hasty(Duration::from_secs(20)).send().await.unwrap();
}

#[tokio::test]
async fn reads_lag_behind_writes_where_the_switch_says_so() {
    for (setting, get_lags, list_lags) in
        [("None", false, false), ("Get", true, false), ("List", false, true), ("Both", true, true)]
    {
        let server = server();
        server.switch("readLag", setting).unwrap();
        let client = client(&server);
        let update = client.update_provisioned_model_throughput().provisioned_model_id(ARN);
        update.desired_provisioned_model_name("renamed").send().await.unwrap();
        let shown = async || {
            let get = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
            let list = client.list_provisioned_model_throughputs().name_contains("renamed").send().await.unwrap();
            (get.provisioned_model_name == "renamed", list.provisioned_model_summaries().len() == 1)
        };
        assert_eq!(shown().await, (!get_lags, !list_lags), "{setting}");
        pass(&server, 5);
        assert_eq!(shown().await, (true, true), "{setting}");
    }
}

#[tokio::test]
async fn the_log_has_every_call_in_order_with_who_what_and_when() {
    let server = server();
    let client = client(&server);
    client.list_provisioned_model_throughputs().send().await.unwrap();
    let update = client.update_provisioned_model_throughput().provisioned_model_id("nobody").desired_model_id(V2);
    let _ = update.send().await;
    let calls = server.calls();
    let [list, update] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(
        (list.operation, list.status, list.sequence),
        (Some(Operation::ListProvisionedModelThroughputs), Some(200), 1)
    );
    assert_eq!((update.status, update.error.as_deref()), (Some(404), Some("ResourceNotFoundException")));
    assert_eq!(update.parameters, serde_json::json!({"provisionedModelId": "nobody", "desiredModelId": V2}));
    assert_eq!((update.account.as_deref(), update.region.as_deref()), (Some("123456789012"), Some("us-east-1")));
    assert!(list.time <= update.time && !update.carried_out);
}

#[tokio::test]
async fn somebody_else_at_aws_is_not_in_the_log() {
    let server = server();
    let rename = UpdateProvisionedModelThroughput {
        provisioned_model_id: ARN.into(),
        desired_provisioned_model_name: Some("by-hand".into()),
        desired_model_id: None,
    };
    server.call(&Caller::new("123456789012", "us-east-1"), rename).unwrap();
    assert_eq!(server.calls(), []);
    let get = client(&server).get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
    assert_eq!(get.provisioned_model_name, "by-hand");
}

#[test]
fn a_seed_that_names_a_model_that_is_not_there_puts_nothing_there() {
    let server = Server::start().unwrap();
    let seed = Seed {
        foundation_models: vec![FoundationModel::text(NOVA)],
        provisioned_models: vec![ProvisionedModelSeed::new("good", NOVA), ProvisionedModelSeed::new("bad", "nobody")],
        ..Seed::default()
    };
    assert!(server.seed(&seed).unwrap_err().to_string().contains("nobody"));
    server.with_world(|world, _| assert_eq!(world.throughputs(&Caller::new("123456789012", "us-east-1")).count(), 0));
}
