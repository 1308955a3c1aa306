//! The AWS SDK for Rust against the simulator, unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/sdk.rs"]
mod sdk;

use std::time::Duration;

use aws_sdk_bedrock::{
    Client,
    config::timeout::TimeoutConfig,
    error::{ProvideErrorMetadata as _, SdkError},
    types::{CommitmentDuration, ProvisionedModelStatus, Tag},
};
use bedrock_simulator::{
    Caller, ErrorCode, Fault, FaultKind, Operation, Seed, Server,
    request::{ModelStatus, UpdateProvisionedModelThroughput},
    seed::{AccountSeed, CustomModelSeed, ProvisionedModelSeed},
    settings::Seconds,
    throttle::Rate,
    world::FoundationModel,
};
use jiff::SignedDuration;

use crate::sdk::{client, client_of, code, refused, server};

const NOVA: &str = "amazon.nova-lite-v1:0:24k";
const NOVA_ARN: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const TITAN: &str = "amazon.titan-text-express-v1:0:8k";
const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";
const ON_BASE: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/novalitebase";
const V1: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer01";
const V2: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";
const CHAT: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-express-v1:0:8k/chatchatchat";

fn pass(server: &Server, seconds: i64) {
    server.advance(SignedDuration::from_secs(seconds));
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

#[tokio::test]
async fn a_name_and_a_model_change_in_one_update() {
    let server = server();
    let client = client(&server);
    let update = client.update_provisioned_model_throughput().provisioned_model_id(ARN);
    update.desired_provisioned_model_name("renamed").desired_model_id(V2).send().await.unwrap();
    pass(&server, 10);
    let get = client.get_provisioned_model_throughput().provisioned_model_id("renamed").send().await.unwrap();
    assert_eq!((get.status, get.model_arn.as_str()), (ProvisionedModelStatus::InService, V2));
}

#[tokio::test]
async fn an_update_is_refused_whole() {
    let server = server();
    let client = client(&server);
    let update = client.update_provisioned_model_throughput().provisioned_model_id(ARN);
    let update = update.desired_provisioned_model_name("renamed").desired_model_id(CHAT);
    assert_eq!(refused(update.send().await), code(ErrorCode::ValidationException));
    let get = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await.unwrap();
    assert_eq!(get.provisioned_model_name, "summarizer");
}

#[tokio::test]
async fn a_creation_that_fails_tells_why() {
    let server = server();
    let caller = Caller::new("123456789012", "us-east-1");
    server.with_world(|world, _| world.fail_next_create(&caller, "new", "no capacity"));
    let client = client(&server);
    let create = client.create_provisioned_model_throughput().provisioned_model_name("new").model_id(V1).model_units(1);
    create.send().await.unwrap();
    pass(&server, 10);
    let get = client.get_provisioned_model_throughput().provisioned_model_id("new").send().await.unwrap();
    assert_eq!((get.status, get.failure_message.as_deref()), (ProvisionedModelStatus::Failed, Some("no capacity")));
}

#[tokio::test]
async fn the_name_of_what_was_deleted_is_free() {
    let server = server();
    let client = client(&server);
    client.delete_provisioned_model_throughput().provisioned_model_id("summarizer").send().await.unwrap();
    let create = client.create_provisioned_model_throughput().provisioned_model_name("summarizer");
    let made = create.model_id("summarizer-v1").model_units(1).send().await.unwrap();
    assert_ne!(made.provisioned_model_arn, ARN);
}

#[tokio::test]
async fn a_model_without_provisioned_throughput_is_not_sold() {
    let server = server();
    let on_demand = FoundationModel {
        inference_types_supported: vec!["ON_DEMAND".into()],
        ..FoundationModel::text("amazon.nova-lite-v1:0")
    };
    server.seed(&Seed { foundation_models: vec![on_demand], ..Seed::default() }).unwrap();
    let create = client(&server).create_provisioned_model_throughput().provisioned_model_name("new").model_units(1);
    assert_eq!(refused(create.model_id("amazon.nova-lite-v1:0").send().await), code(ErrorCode::ValidationException));
}

#[tokio::test]
async fn a_quota_counts_what_is_there() {
    let server = server();
    let account =
        AccountSeed { account_id: "123456789012".into(), model_unit_quota: Some(5), ..AccountSeed::default() };
    server.seed(&Seed { accounts: vec![account], ..Seed::default() }).unwrap();
    let client = client(&server);
    let create = |name: &str, units| {
        let create = client.create_provisioned_model_throughput().provisioned_model_name(name).model_id(NOVA);
        create.model_units(units).send()
    };
    assert_eq!(refused(create("three-and-three", 3).await), code(ErrorCode::ServiceQuotaExceededException));
    create("three-and-two", 2).await.unwrap();
}

#[tokio::test]
async fn a_key_of_nobody_is_turned_away_where_the_seed_says_so() {
    let server = server();
    server.seed(&Seed { refuse_unknown_access_keys: true, ..Seed::default() }).unwrap();
    let list = client_of(&server, "NOBODY", "us-east-1").list_provisioned_model_throughputs().send().await;
    assert_eq!(refused(list), code(ErrorCode::UnrecognizedClientException));
}

#[tokio::test]
async fn a_token_is_the_accounts_own() {
    let server = server();
    let account =
        AccountSeed { account_id: "111111111111".into(), access_keys: vec!["OTHER".into()], ..AccountSeed::default() };
    server.seed(&Seed { accounts: vec![account], ..Seed::default() }).unwrap();
    let mut arns = Vec::new();
    for key in ["AKIDEXAMPLE", "OTHER"] {
        let client = client_of(&server, key, "us-east-1");
        let create = client.create_provisioned_model_throughput().client_request_token("once").model_units(1);
        let made = create.provisioned_model_name("new").model_id(NOVA).send().await.unwrap();
        arns.push(made.provisioned_model_arn);
    }
    assert_ne!(arns[0], arns[1]);
}

#[tokio::test]
async fn a_custom_model_has_tags_too() {
    let server = server();
    let client = client(&server);
    let tag = Tag::builder().key("team").value("search").build().unwrap();
    client.tag_resource().resource_arn(V1).tags(tag.clone()).send().await.unwrap();
    assert_eq!(client.list_tags_for_resource().resource_arn(V1).send().await.unwrap().tags(), [tag]);
    let nobody = V1.replace("summarizer01", "summarizer09");
    let list = client.list_tags_for_resource().resource_arn(nobody).send().await;
    assert_eq!(refused(list), code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn a_fault_is_for_one_throughput_where_it_names_one() {
    let server = server();
    let fault = Fault::on(Operation::GetProvisionedModelThroughput, FaultKind::code("AccessDeniedException"));
    server.inject(fault.about(ARN));
    let client = client(&server);
    let denied = client.get_provisioned_model_throughput().provisioned_model_id(ARN).send().await;
    assert_eq!(refused(denied), code(ErrorCode::AccessDeniedException));
    assert_eq!(status(&client, ON_BASE).await, ProvisionedModelStatus::InService);
}
