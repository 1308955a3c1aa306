//! The AWS SDK behind [`Bedrock`]: the one file that names it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_bedrock::{
    Client,
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{
        RequestId, get_custom_model::GetCustomModelOutput,
        get_provisioned_model_throughput::GetProvisionedModelThroughputOutput,
    },
    primitives::DateTime,
    types::{
        CommitmentDuration, CustomModelSummary as ListedCustomModel, FoundationModelLifecycleStatus,
        FoundationModelSummary, ProvisionedModelStatus, ProvisionedModelSummary, Tag,
    },
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;

use super::{Accepted, Bedrock, Fault, FaultKind, Looks, Operation};
use crate::{
    calls::{Create, Update},
    conditions::truncated,
    crd,
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
    observed::{
        CustomModel, CustomModelSummary, FoundationModel, LifecycleStatus, ModelLifecycle, ModelStatus, Throughput,
        ThroughputStatus,
    },
};

/// The most throughputs that AWS lists on a page (shape `MaxResults`).
const PAGE_SIZE: i32 = 1000;

/// The longest text of AWS that is passed on, in bytes: enough for every sentence that AWS writes, and not for a page of an error.
const DETAIL_MAX: usize = 1024;

/// The AWS SDK with the default credentials chain, one client for each region.
#[derive(Debug)]
pub struct Sdk {
    config: SdkConfig,
    clients: Mutex<HashMap<Region, Client>>,
}

impl Sdk {
    /// Reads the environment as every AWS SDK does: `AWS_REGION`, credentials, `AWS_ENDPOINT_URL_BEDROCK`, ….
    ///
    /// `timeout` bounds a call from the first byte sent to the last received. The SDK does not try again by itself.
    pub async fn from_environment(timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(3)))
            .build();
        let mut config = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        // Whoever runs it may have a name of their own for it, as with every AWS SDK.
        if std::env::var_os("AWS_SDK_UA_APP_ID").is_none_or(|name| name.is_empty()) {
            config = config.app_name(app_name());
        }
        Self::new(config.load().await)
    }

    /// Takes the configuration as it is.
    #[must_use]
    pub fn new(config: SdkConfig) -> Self {
        Self { config, clients: Mutex::default() }
    }

    /// The region that the environment names.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    fn client(&self, region: &Region) -> Client {
        // A poisoned lock only means that another thread ended while it held the map, which is whole at any moment.
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        clients
            .entry(region.clone())
            .or_insert_with(|| {
                let config = aws_sdk_bedrock::config::Builder::from(&self.config)
                    .region(aws_sdk_bedrock::config::Region::new(region.to_string()))
                    .build();
                Client::from_conf(config)
            })
            .clone()
    }
}

/// What tells the operator's calls from others in CloudTrail. The same in all versions, so that a filter stays right.
// A constant that the SDK's own rules allow; a test would meet a mistake.
#[allow(clippy::expect_used)]
fn app_name() -> aws_config::AppName {
    aws_config::AppName::new(env!("CARGO_PKG_NAME")).expect("a legal name")
}

impl Looks for Sdk {
    fn list_throughputs<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        async move {
            let operation = Operation::ListProvisionedModelThroughputs;
            let mut pages =
                self.client(region).list_provisioned_model_throughputs().into_paginator().page_size(PAGE_SIZE).send();
            let mut all = Vec::new();
            while let Some(page) = pages.next().await {
                let page = answered(operation, page)?;
                for summary in page.provisioned_model_summaries.unwrap_or_default() {
                    all.push(from_summary(summary)?);
                }
            }
            Ok(all)
        }
        .boxed()
    }

    fn get_throughput<'a>(
        &'a self,
        region: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        async move {
            let call = self.client(region).get_provisioned_model_throughput().provisioned_model_id(id.as_str());
            let answer = answered(Operation::GetProvisionedModelThroughput, call.send().await);
            found(answer)?.map(from_get).transpose()
        }
        .boxed()
    }

    fn list_tags<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        async move {
            let call = self.client(region).list_tags_for_resource().resource_arn(arn.as_str());
            let answer = answered(Operation::ListTagsForResource, call.send().await);
            let tags = |tags: Option<Vec<Tag>>| tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect();
            Ok(found(answer)?.map(|answer| tags(answer.tags)))
        }
        .boxed()
    }

    fn get_custom_model<'a>(
        &'a self,
        region: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        async move {
            let call = self.client(region).get_custom_model().model_identifier(model);
            let answer = answered(Operation::GetCustomModel, call.send().await);
            Ok(found(answer)?.map(from_custom_model))
        }
        .boxed()
    }

    fn list_custom_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        async move {
            let mut pages = self.client(region).list_custom_models().into_paginator().page_size(PAGE_SIZE).send();
            let mut all = Vec::new();
            while let Some(page) = pages.next().await {
                let page = answered(Operation::ListCustomModels, page)?;
                all.extend(page.model_summaries.unwrap_or_default().into_iter().map(from_custom_model_summary));
            }
            Ok(all)
        }
        .boxed()
    }

    fn list_foundation_models<'a>(&'a self, region: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        async move {
            let operation = Operation::ListFoundationModels;
            let answer = answered(operation, self.client(region).list_foundation_models().send().await)?;
            answer.model_summaries.unwrap_or_default().into_iter().map(from_foundation_model).collect()
        }
        .boxed()
    }
}

impl Bedrock for Sdk {
    fn create_throughput<'a>(
        &'a self,
        region: &'a Region,
        create: &'a Create,
    ) -> BoxFuture<'a, Result<(Accepted, Option<ProvisionedModelArn>), Fault>> {
        async move {
            let operation = Operation::CreateProvisionedModelThroughput;
            let Create { token, name, model, units, commitment, tags } = create;
            let call = self
                .client(region)
                .create_provisioned_model_throughput()
                .client_request_token(token)
                .provisioned_model_name(name.as_str())
                .model_id(model.as_str())
                .model_units(*units)
                .set_commitment_duration(commitment.map(|term| match term {
                    crd::CommitmentDuration::OneMonth => CommitmentDuration::OneMonth,
                    crd::CommitmentDuration::SixMonths => CommitmentDuration::SixMonths,
                }))
                .set_tags((!tags.is_empty()).then(|| to_tags(operation, tags)).transpose()?);
            let answer = answered(operation, call.send().await)?;
            let accepted = Accepted { request_id: answer.request_id().map(str::to_owned) };
            // The SDK puts an empty text where the answer lacks the member.
            let arn = Some(answer.provisioned_model_arn).filter(|arn| !arn.is_empty());
            Ok((accepted, arn.map(ProvisionedModelArn::from_aws)))
        }
        .boxed()
    }

    fn update_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        update: &'a Update,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        async move {
            let Update { name, model } = update;
            let call = self
                .client(region)
                .update_provisioned_model_throughput()
                .provisioned_model_id(arn.as_str())
                .set_desired_provisioned_model_name(name.as_ref().map(ToString::to_string))
                .set_desired_model_id(model.as_ref().map(ToString::to_string));
            let answer = answered(Operation::UpdateProvisionedModelThroughput, call.send().await)?;
            Ok(Accepted { request_id: answer.request_id().map(str::to_owned) })
        }
        .boxed()
    }

    fn delete_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        async move {
            let call = self.client(region).delete_provisioned_model_throughput().provisioned_model_id(arn.as_str());
            let answer = answered(Operation::DeleteProvisionedModelThroughput, call.send().await);
            Ok(match found(answer)? {
                Some(answer) => Accepted { request_id: answer.request_id().map(str::to_owned) },
                None => Accepted { request_id: None },
            })
        }
        .boxed()
    }

    fn tag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        tags: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        async move {
            let operation = Operation::TagResource;
            let call =
                self.client(region).tag_resource().resource_arn(arn.as_str()).set_tags(Some(to_tags(operation, tags)?));
            let answer = answered(operation, call.send().await)?;
            Ok(Accepted { request_id: answer.request_id().map(str::to_owned) })
        }
        .boxed()
    }

    fn untag_throughput<'a>(
        &'a self,
        region: &'a Region,
        arn: &'a ProvisionedModelArn,
        keys: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        async move {
            let keys = keys.iter().cloned().collect();
            let call = self.client(region).untag_resource().resource_arn(arn.as_str()).set_tag_keys(Some(keys));
            let answer = answered(Operation::UntagResource, call.send().await)?;
            Ok(Accepted { request_id: answer.request_id().map(str::to_owned) })
        }
        .boxed()
    }
}

fn to_tags(operation: Operation, tags: &BTreeMap<String, String>) -> Result<Vec<Tag>, Fault> {
    let tag = |(key, value): (&String, &String)| {
        Tag::builder().key(key).value(value).build().map_err(|error| Fault {
            kind: FaultKind::Refused,
            operation,
            code: None,
            detail: error.to_string(),
            request_id: None,
            retry_after: None,
        })
    };
    tags.iter().map(tag).collect()
}

fn found<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Fault { kind: FaultKind::NotFound, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What AWS answered. Its id of the call is noted for all lines about it.
fn answered<T, E>(operation: Operation, answer: Result<T, SdkError<E, HttpResponse>>) -> Result<T, Fault>
where
    T: RequestId,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let answer = answer.map_err(|error| fault(operation, &error));
    let id = match &answer {
        Ok(answer) => answer.request_id(),
        Err(fault) => fault.request_id.as_deref(),
    };
    if let Some(id) = id {
        tracing::Span::current().record("request_id", id);
    }
    answer
}

/// One fault for everything that can go wrong with a call.
fn fault<E>(operation: Operation, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (code, message) = match error {
        SdkError::ServiceError(answer) => {
            (answer.err().code().map(str::to_owned), answer.err().message().map(str::to_owned))
        }
        _ => (None, None),
    };
    let request_id =
        error.raw_response().and_then(|answer| answer.headers().get("x-amzn-requestid")).map(str::to_owned);
    let retry_after = error
        .raw_response()
        .and_then(|answer| answer.headers().get("retry-after"))
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    let kind = kind(error, code.as_deref());
    let detail = match (message, error) {
        (Some(message), _) => message,
        (None, SdkError::ServiceError(answer)) => format!("HTTP status {}", answer.raw().status()),
        (None, _) => innermost(error),
    };
    Fault { kind, operation, code, detail: one_line(&detail), request_id, retry_after }
}

/// A text of unknown origin as one line of bounded length.
fn one_line(text: &str) -> String {
    truncated(text.split_whitespace().collect::<Vec<_>>().join(" "), DETAIL_MAX)
}

fn kind<E>(error: &SdkError<E, HttpResponse>, code: Option<&str>) -> FaultKind {
    match error {
        SdkError::TimeoutError(_) => FaultKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => FaultKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_io() => FaultKind::Connection,
        // The credentials chain reports its failure as a dispatch failure or a construction failure, depending on the step.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if about_credentials(error) => {
            FaultKind::CredentialsMissing
        }
        SdkError::DispatchFailure(_) => FaultKind::Connection,
        SdkError::ServiceError(answer) => service(answer.raw().status().as_u16(), code),
        // The request could not even be made: the same one will not be made next time either.
        SdkError::ConstructionFailure(_) => FaultKind::Refused,
        // `ResponseError`, and what a newer SDK adds.
        _ => FaultKind::InvalidResponse,
    }
}

/// Error codes of Bedrock (AWS's model of the operations) and those that any AWS service can answer ("Common Errors").
fn service(status: u16, code: Option<&str>) -> FaultKind {
    match code {
        Some("AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "OptInRequired") => {
            FaultKind::AccessDenied
        }
        Some("ResourceNotFoundException") => FaultKind::NotFound,
        Some("ConflictException") => FaultKind::Conflict,
        Some("ServiceQuotaExceededException") => FaultKind::QuotaExceeded,
        Some("ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded") => {
            FaultKind::Throttled
        }
        Some(
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired",
        ) => FaultKind::CredentialsRejected,
        Some(
            "InternalServerException"
            | "InternalFailure"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException",
        ) => FaultKind::Internal,
        // An answer of success that is an error all the same is one that could not be parsed.
        _ if (200..300).contains(&status) => FaultKind::InvalidResponse,
        _ if status == 429 => FaultKind::Throttled,
        _ if status >= 500 => FaultKind::Internal,
        None => FaultKind::InvalidResponse,
        Some(_) => FaultKind::Refused,
    }
}

fn about_credentials<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let failure: Option<&(dyn std::error::Error + 'static)> = match error {
        SdkError::DispatchFailure(failure) => {
            failure.as_connector_error().and_then(|connector| std::error::Error::source(connector))
        }
        _ => None,
    };
    let mut chain = std::iter::successors(failure, |error| std::error::Error::source(*error));
    chain.any(|error| error.to_string().contains("credential"))
}

/// The innermost cause says what happened; the layers around it only repeat that something did.
fn innermost<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    let source = match error {
        SdkError::TimeoutError(_) => return String::new(),
        SdkError::DispatchFailure(failure) => {
            failure.as_connector_error().map(|error| error as &(dyn std::error::Error + 'static))
        }
        _ => std::error::Error::source(error),
    };
    let innermost = std::iter::successors(source, |error| std::error::Error::source(*error)).last();
    innermost.map_or_else(|| DisplayErrorContext(error).to_string(), ToString::to_string)
}

fn from_summary(summary: ProvisionedModelSummary) -> Result<Throughput, Fault> {
    let operation = Operation::ListProvisionedModelThroughputs;
    Ok(Throughput {
        arn: ProvisionedModelArn::from_aws(summary.provisioned_model_arn),
        name: ProvisionedModelName::from_aws(summary.provisioned_model_name),
        status: status(&summary.status),
        model_arn: ModelArn::from_aws(summary.model_arn),
        desired_model_arn: ModelArn::from_aws(summary.desired_model_arn),
        foundation_model_arn: ModelArn::from_aws(summary.foundation_model_arn),
        model_units: summary.model_units,
        desired_model_units: summary.desired_model_units,
        commitment_duration: summary.commitment_duration.map(|duration| duration.as_str().to_owned()),
        commitment_expiration_time: summary.commitment_expiration_time.map(|at| time(operation, &at)).transpose()?,
        creation_time: time(operation, &summary.creation_time)?,
        last_modified_time: time(operation, &summary.last_modified_time)?,
        failure_message: None,
    })
}

fn from_get(answer: GetProvisionedModelThroughputOutput) -> Result<Throughput, Fault> {
    let operation = Operation::GetProvisionedModelThroughput;
    Ok(Throughput {
        arn: ProvisionedModelArn::from_aws(answer.provisioned_model_arn),
        name: ProvisionedModelName::from_aws(answer.provisioned_model_name),
        status: status(&answer.status),
        model_arn: ModelArn::from_aws(answer.model_arn),
        desired_model_arn: ModelArn::from_aws(answer.desired_model_arn),
        foundation_model_arn: ModelArn::from_aws(answer.foundation_model_arn),
        model_units: answer.model_units,
        desired_model_units: answer.desired_model_units,
        commitment_duration: answer.commitment_duration.map(|duration| duration.as_str().to_owned()),
        commitment_expiration_time: answer.commitment_expiration_time.map(|at| time(operation, &at)).transpose()?,
        creation_time: time(operation, &answer.creation_time)?,
        last_modified_time: time(operation, &answer.last_modified_time)?,
        failure_message: answer.failure_message,
    })
}

fn from_custom_model(answer: GetCustomModelOutput) -> CustomModel {
    CustomModel {
        arn: ModelArn::from_aws(answer.model_arn),
        base: answer.base_model_arn.filter(|arn| !arn.is_empty()).map(ModelArn::from_aws),
        status: answer.model_status.map(|status| model_status(status.as_str())),
    }
}

fn from_custom_model_summary(summary: ListedCustomModel) -> CustomModelSummary {
    CustomModelSummary {
        arn: ModelArn::from_aws(summary.model_arn),
        status: summary.model_status.map(|status| model_status(status.as_str())),
    }
}

fn model_status(word: &str) -> ModelStatus {
    match word {
        "Active" => ModelStatus::Active,
        "Creating" => ModelStatus::Creating,
        "Failed" => ModelStatus::Failed,
        word => ModelStatus::Other(word.to_owned()),
    }
}

fn from_foundation_model(summary: FoundationModelSummary) -> Result<FoundationModel, Fault> {
    let operation = Operation::ListFoundationModels;
    let lifecycle = summary
        .model_lifecycle
        .map(|lifecycle| {
            Ok(ModelLifecycle {
                status: match lifecycle.status {
                    FoundationModelLifecycleStatus::Active => LifecycleStatus::Active,
                    FoundationModelLifecycleStatus::Legacy => LifecycleStatus::Legacy,
                    other => LifecycleStatus::Other(other.as_str().to_owned()),
                },
                end_of_life: lifecycle.end_of_life_time.map(|at| time(operation, &at)).transpose()?,
            })
        })
        .transpose()?;
    Ok(FoundationModel { arn: ModelArn::from_aws(summary.model_arn), lifecycle })
}

fn status(status: &ProvisionedModelStatus) -> ThroughputStatus {
    match status {
        ProvisionedModelStatus::Creating => ThroughputStatus::Creating,
        ProvisionedModelStatus::InService => ThroughputStatus::InService,
        ProvisionedModelStatus::Updating => ThroughputStatus::Updating,
        ProvisionedModelStatus::Failed => ThroughputStatus::Failed,
        other => ThroughputStatus::Other(other.as_str().to_owned()),
    }
}

fn time(operation: Operation, at: &DateTime) -> Result<Timestamp, Fault> {
    let nanoseconds = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanoseconds).map_err(|error| Fault {
        kind: FaultKind::InvalidResponse,
        operation,
        code: None,
        detail: format!("a time in it is out of range: {error}"),
        request_id: None,
        retry_after: None,
    })
}
