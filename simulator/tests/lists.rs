//! Lists and their filters, and models, as the AWS SDK for Rust sees them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

#[path = "support/sdk.rs"]
mod sdk;

use aws_sdk_bedrock::{
    Client,
    operation::list_provisioned_model_throughputs::builders::ListProvisionedModelThroughputsFluentBuilder as List,
    primitives::DateTime,
    types::{CommitmentDuration, InferenceType, ModelStatus, ProvisionedModelStatus, SortOrder},
};
use bedrock_simulator::{
    ErrorCode, Seed, Server,
    request::{self, ProvisionedModelStatus as Status},
    seed::{CustomModelSeed, ProvisionedModelSeed},
    world::FoundationModel,
};
use jiff::Timestamp;

use crate::sdk::{client, client_of, code, refused, server};

const NOVA: &str = "amazon.nova-lite-v1:0:24k";
const NOVA_ARN: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const V1: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer01";
const V2: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02";

fn day(day: u8) -> Timestamp {
    format!("2025-01-{day:02}T00:00:00Z").parse().unwrap()
}

fn sent(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}

/// Five throughputs, `fleet-1` to `fleet-5`, each made on its day; the third has failed.
fn fleet() -> (Server, Client) {
    let server = server();
    let throughput = |number: u8| ProvisionedModelSeed {
        creation_time: Some(day(number)),
        status: (number == 3).then_some(Status::Failed),
        failure_message: (number == 3).then(|| "broken".to_owned()),
        commitment_duration: (number == 5).then_some(request::CommitmentDuration::SixMonths),
        ..ProvisionedModelSeed::new(&format!("fleet-{number}"), if number == 4 { "summarizer-v2" } else { NOVA })
    };
    server.seed(&Seed { provisioned_models: (1..=5).map(throughput).collect(), ..Seed::default() }).unwrap();
    let client = client(&server);
    (server, client)
}

fn list(client: &Client) -> List {
    client.list_provisioned_model_throughputs().name_contains("fleet-").sort_order(SortOrder::Ascending)
}

async fn names(list: List) -> Vec<String> {
    let list = list.send().await.unwrap();
    list.provisioned_model_summaries().iter().map(|one| one.provisioned_model_name.clone()).collect()
}

#[tokio::test]
async fn a_list_without_an_order_begins_with_the_newest() {
    let (_server, client) = fleet();
    let newest = client.list_provisioned_model_throughputs().name_contains("fleet-");
    assert_eq!(names(newest).await, ["fleet-5", "fleet-4", "fleet-3", "fleet-2", "fleet-1"]);
}

#[tokio::test]
async fn a_list_is_sorted_as_asked() {
    let (_server, client) = fleet();
    assert_eq!(names(list(&client)).await, ["fleet-1", "fleet-2", "fleet-3", "fleet-4", "fleet-5"]);
    let newest = list(&client).sort_order(SortOrder::Descending);
    assert_eq!(names(newest).await, ["fleet-5", "fleet-4", "fleet-3", "fleet-2", "fleet-1"]);
}

#[tokio::test]
async fn a_list_is_filtered_by_status() {
    let (_server, client) = fleet();
    assert_eq!(names(list(&client).status_equals(ProvisionedModelStatus::Failed)).await, ["fleet-3"]);
    assert_eq!(names(list(&client).status_equals(ProvisionedModelStatus::Updating)).await, [""; 0]);
}

#[tokio::test]
async fn a_list_is_filtered_by_the_model_that_is_served() {
    let (_server, client) = fleet();
    assert_eq!(names(list(&client).model_arn_equals(V2)).await, ["fleet-4"]);
    client
        .update_provisioned_model_throughput()
        .provisioned_model_id("fleet-4")
        .desired_model_id(V1)
        .send()
        .await
        .unwrap();
    assert_eq!(names(list(&client).model_arn_equals(V2)).await, ["fleet-4"], "V1 is not served yet");
    assert_eq!(names(list(&client).model_arn_equals(V1)).await, [""; 0]);
}

#[tokio::test]
async fn a_list_is_filtered_by_a_part_of_the_name() {
    let (_server, client) = fleet();
    assert_eq!(names(list(&client).name_contains("t-2")).await, ["fleet-2"]);
}

#[tokio::test]
async fn a_list_is_filtered_by_the_time_of_creation_without_its_bounds() {
    let (_server, client) = fleet();
    assert_eq!(names(list(&client).creation_time_after(sent(day(3)))).await, ["fleet-4", "fleet-5"]);
    assert_eq!(names(list(&client).creation_time_before(sent(day(3)))).await, ["fleet-1", "fleet-2"]);
}

#[tokio::test]
async fn filters_hold_together() {
    let (_server, client) = fleet();
    let both = list(&client).creation_time_after(sent(day(1))).model_arn_equals(NOVA_ARN);
    assert_eq!(names(both.status_equals(ProvisionedModelStatus::InService)).await, ["fleet-2", "fleet-5"]);
}

#[tokio::test]
async fn a_paginator_walks_through_all_pages() {
    let (server, client) = fleet();
    let pages = list(&client).into_paginator().page_size(2).items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let all: Vec<String> = all.into_iter().map(|one| one.provisioned_model_name).collect();
    assert_eq!(all, ["fleet-1", "fleet-2", "fleet-3", "fleet-4", "fleet-5"]);
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn a_page_that_is_not_asked_for_a_size_has_the_size_of_the_setting() {
    let (server, client) = fleet();
    server.set(|settings| settings.page_size = 3);
    let first = list(&client).send().await.unwrap();
    assert_eq!(first.provisioned_model_summaries().len(), 3);
    assert!(first.next_token.is_some());
}

#[tokio::test]
async fn a_token_that_was_not_given_out_is_refused() {
    let (_server, client) = fleet();
    assert_eq!(refused(list(&client).next_token("made-up").send().await), code(ErrorCode::ValidationException));
}

#[tokio::test]
async fn a_list_has_all_that_get_has_but_the_failure() {
    let (_server, client) = fleet();
    let failed = list(&client).name_contains("fleet-3").send().await.unwrap();
    let (listed, id) = (&failed.provisioned_model_summaries()[0], "fleet-3");
    let got = client.get_provisioned_model_throughput().provisioned_model_id(id).send().await.unwrap();
    assert_eq!(got.failure_message.as_deref(), Some("broken"));
    assert_eq!(listed.provisioned_model_arn, got.provisioned_model_arn);
    assert_eq!(listed.foundation_model_arn, got.foundation_model_arn);
    assert_eq!((listed.model_units, &listed.status), (got.model_units, &got.status));
}

#[tokio::test]
async fn a_list_tells_the_commitment() {
    let (_server, client) = fleet();
    let list = list(&client).name_contains("fleet-5").send().await.unwrap();
    let committed = &list.provisioned_model_summaries()[0];
    assert_eq!(committed.commitment_duration, Some(CommitmentDuration::SixMonths));
    let term = committed.commitment_expiration_time.unwrap().secs() - committed.creation_time.secs();
    // It is a year old, so it has been renewed twice.
    assert_eq!(term, 3 * 180 * 24 * 3600);
}

/// Models of a model: `grandchild` of `summarizer-v1`, and two that are not `Active`.
fn models() -> (Server, Client) {
    let server = server();
    let custom_models = vec![
        CustomModelSeed { creation_time: Some(day(9)), ..CustomModelSeed::new("grandchild", "summarizer-v1") },
        CustomModelSeed { status: request::ModelStatus::Creating, ..CustomModelSeed::new("making", NOVA) },
        CustomModelSeed {
            status: request::ModelStatus::Failed,
            failure_message: Some("bad data".into()),
            ..CustomModelSeed::new("failed", NOVA)
        },
    ];
    server.seed(&Seed { custom_models, ..Seed::default() }).unwrap();
    let client = client(&server);
    (server, client)
}

#[tokio::test]
async fn a_custom_model_is_read_by_name_and_by_arn() {
    let (_server, client) = models();
    for identifier in ["summarizer-v1", V1] {
        let model = client.get_custom_model().model_identifier(identifier).send().await.unwrap();
        assert_eq!((model.model_name.as_str(), model.base_model_arn.as_deref()), ("summarizer-v1", Some(NOVA_ARN)));
    }
}

#[tokio::test]
async fn a_custom_model_can_have_a_custom_model_as_its_base() {
    let (_server, client) = models();
    let model = client.get_custom_model().model_identifier("grandchild").send().await.unwrap();
    assert_eq!(model.base_model_arn.as_deref(), Some(V1));
}

#[tokio::test]
async fn a_custom_model_that_failed_tells_why() {
    let (_server, client) = models();
    let model = client.get_custom_model().model_identifier("failed").send().await.unwrap();
    assert_eq!((model.model_status, model.failure_message.as_deref()), (Some(ModelStatus::Failed), Some("bad data")));
}

#[tokio::test]
async fn a_model_that_is_not_there_is_not_found() {
    let (_server, client) = models();
    let custom = client.get_custom_model().model_identifier("nobody").send().await;
    assert_eq!(refused(custom), code(ErrorCode::ResourceNotFoundException));
    let foundation = client.get_foundation_model().model_identifier("amazon.nobody-v1:0").send().await;
    assert_eq!(refused(foundation), code(ErrorCode::ResourceNotFoundException));
}

#[tokio::test]
async fn custom_models_are_filtered() {
    let (_server, client) = models();
    let all = || client.list_custom_models().sort_order(SortOrder::Ascending);
    let count =
        async |list: aws_sdk_bedrock::operation::list_custom_models::builders::ListCustomModelsFluentBuilder| {
            list.send().await.unwrap().model_summaries().len()
        };
    assert_eq!(count(all()).await, 6);
    assert_eq!(count(all().foundation_model_arn_equals(NOVA_ARN)).await, 5);
    assert_eq!(count(all().base_model_arn_equals(NOVA_ARN)).await, 4);
    assert_eq!(count(all().base_model_arn_equals(V1)).await, 1);
    assert_eq!(count(all().name_contains("summarizer")).await, 2);
    assert_eq!(count(all().model_status(ModelStatus::Active)).await, 4);
    assert_eq!(count(all().is_owned(true)).await, 6);
    assert_eq!(count(all().is_owned(false)).await, 0);
    assert_eq!(count(all().creation_time_before(sent(day(10)))).await, 1);
    assert_eq!(count(all().creation_time_after(sent(day(10)))).await, 5);
    assert_eq!(all().max_results(1).send().await.unwrap().model_summaries()[0].model_name, "grandchild");
}

#[tokio::test]
async fn custom_models_come_in_pages() {
    let (server, client) = models();
    let pages = client.list_custom_models().into_paginator().page_size(4).items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.unwrap().len(), 6);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_foundation_model_is_read_by_id_and_by_arn_in_the_region_of_the_caller() {
    let (server, client) = models();
    for identifier in [NOVA, NOVA_ARN] {
        let model = client.get_foundation_model().model_identifier(identifier).send().await.unwrap();
        assert_eq!(model.model_details.unwrap().model_arn, NOVA_ARN);
    }
    let there = client_of(&server, "AKIDEXAMPLE", "eu-west-1");
    let model = there.get_foundation_model().model_identifier(NOVA).send().await.unwrap();
    assert_eq!(model.model_details.unwrap().model_arn, NOVA_ARN.replace("us-east-1", "eu-west-1"));
}

#[tokio::test]
async fn foundation_models_are_filtered() {
    let server = server();
    let on_demand = FoundationModel {
        inference_types_supported: vec!["ON_DEMAND".into()],
        ..FoundationModel::text("meta.llama3-v1:0")
    };
    server.seed(&Seed { foundation_models: vec![on_demand], ..Seed::default() }).unwrap();
    let client = client(&server);
    let ids = async |list: aws_sdk_bedrock::operation::list_foundation_models::builders::ListFoundationModelsFluentBuilder| {
        let list = list.send().await.unwrap();
        list.model_summaries().iter().map(|model| model.model_id.clone()).collect::<Vec<_>>()
    };
    let all = || client.list_foundation_models();
    assert_eq!(ids(all()).await.len(), 3);
    assert_eq!(ids(all().by_provider("Amazon")).await.len(), 2);
    assert_eq!(ids(all().by_inference_type(InferenceType::OnDemand)).await, ["meta.llama3-v1:0"]);
    assert_eq!(ids(all().by_inference_type(InferenceType::Provisioned)).await.len(), 2);
}
