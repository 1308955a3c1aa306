//! The simulator's world behind the operator's own traits: no wire, no SDK, and each call at a moment that the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use bedrock_simulator::{
    Caller, ErrorCode, Request, Response, World,
    request::{
        self, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput, GetCustomModel,
        GetProvisionedModelThroughput, ListProvisionedModelThroughputs, ListTagsForResource, ProvisionedModelStatus,
        Tag, TagResource, UntagResource, UpdateProvisionedModelThroughput,
    },
    response::{CustomModelView, ProvisionedModelView},
    world::DEFAULT_ACCOUNT,
};
use bedrock_throughput_operator::{
    bedrock::{Accepted, Bedrock, Fault, FaultKind, Looks, Operation},
    calls::{Create, Update},
    crd,
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
    observed::{CustomModel, CustomModelSummary, FoundationModel, ModelStatus, Throughput, ThroughputStatus},
};
use futures::{FutureExt as _, future, future::BoxFuture};
use jiff::Timestamp;
use tokio::runtime::{Builder, Handle};

pub const REGION: &str = "us-east-1";

/// The one who calls, from every process and by hand.
pub static CALLER: LazyLock<Caller> = LazyLock::new(|| Caller::new(DEFAULT_ACCOUNT, REGION));

/// A runtime that has ended. What the operator leaves to the background (how long models last) is not begun.
static ENDED: LazyLock<Handle> = LazyLock::new(|| Builder::new_current_thread().build().unwrap().handle().clone());

/// The result of something that waits for nothing.
pub fn at_once<T>(work: impl Future<Output = T>) -> T {
    let _ended = ENDED.enter();
    work.now_or_never().expect("it waits for nothing")
}

/// A world at a moment.
#[derive(Debug)]
pub struct Aws {
    world: Mutex<World>,
    now: Timestamp,
}

impl Aws {
    pub fn new(world: World, now: Timestamp) -> Self {
        Self { world: Mutex::new(world), now }
    }

    /// What the world has become.
    pub fn into_world(self) -> World {
        self.world.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: Operation, request: impl Into<Request>) -> Result<Response, Fault> {
        self.world().call(&CALLER, &request.into(), self.now).map_err(|error| Fault {
            kind: kind(error.code),
            operation,
            code: Some(error.code.as_str().to_owned()),
            detail: error.message,
            request_id: None,
            retry_after: None,
        })
    }

    fn change(&self, operation: Operation, request: impl Into<Request>) -> Result<Accepted, Fault> {
        self.call(operation, request).map(|_| Accepted { request_id: None })
    }
}

/// As the operator's own table of codes has it.
fn kind(code: ErrorCode) -> FaultKind {
    match code {
        ErrorCode::AccessDeniedException => FaultKind::AccessDenied,
        ErrorCode::ConflictException => FaultKind::Conflict,
        ErrorCode::InternalServerException => FaultKind::Internal,
        ErrorCode::ResourceNotFoundException => FaultKind::NotFound,
        ErrorCode::ServiceQuotaExceededException => FaultKind::QuotaExceeded,
        ErrorCode::ThrottlingException => FaultKind::Throttled,
        ErrorCode::TooManyTagsException
        | ErrorCode::ValidationException
        | ErrorCode::RequestEntityTooLargeException
        | ErrorCode::SerializationException
        | ErrorCode::UnknownOperationException => FaultKind::Refused,
        ErrorCode::ExpiredTokenException
        | ErrorCode::IncompleteSignatureException
        | ErrorCode::InvalidSignatureException
        | ErrorCode::MissingAuthenticationTokenException
        | ErrorCode::UnrecognizedClientException => FaultKind::CredentialsRejected,
    }
}

fn found<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Fault { kind: FaultKind::NotFound, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn throughput(view: ProvisionedModelView) -> Throughput {
    let units = |units| i32::try_from(units).unwrap();
    Throughput {
        arn: ProvisionedModelArn::from_aws(view.provisioned_model_arn),
        name: ProvisionedModelName::from_aws(view.provisioned_model_name),
        status: match view.status {
            ProvisionedModelStatus::Creating => ThroughputStatus::Creating,
            ProvisionedModelStatus::InService => ThroughputStatus::InService,
            ProvisionedModelStatus::Updating => ThroughputStatus::Updating,
            ProvisionedModelStatus::Failed => ThroughputStatus::Failed,
        },
        model_arn: ModelArn::from_aws(view.model_arn),
        desired_model_arn: ModelArn::from_aws(view.desired_model_arn),
        foundation_model_arn: ModelArn::from_aws(view.foundation_model_arn),
        model_units: units(view.model_units),
        desired_model_units: units(view.desired_model_units),
        commitment_duration: view.commitment_duration.map(|term| match term {
            request::CommitmentDuration::OneMonth => "OneMonth".to_owned(),
            request::CommitmentDuration::SixMonths => "SixMonths".to_owned(),
        }),
        commitment_expiration_time: view.commitment_expiration_time,
        creation_time: view.creation_time,
        last_modified_time: view.last_modified_time,
        failure_message: view.failure_message,
    }
}

fn custom_model(view: CustomModelView) -> CustomModel {
    CustomModel {
        arn: ModelArn::from_aws(view.model_arn),
        base: view.base_model_arn.map(ModelArn::from_aws),
        status: view.model_status.map(|status| match status {
            request::ModelStatus::Active => ModelStatus::Active,
            request::ModelStatus::Creating => ModelStatus::Creating,
            request::ModelStatus::Failed => ModelStatus::Failed,
        }),
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

fn other(response: &Response) -> ! {
    panic!("the simulator answers with {response:?}, which belongs to another operation")
}

impl Looks for Aws {
    fn list_throughputs<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        let request = ListProvisionedModelThroughputs::default();
        let listed = self.call(Operation::ListProvisionedModelThroughputs, request).map(|response| match response {
            Response::ListProvisionedModelThroughputs { provisioned_model_summaries, next_token: None } => {
                provisioned_model_summaries.into_iter().map(throughput).collect()
            }
            response => other(&response),
        });
        future::ready(listed).boxed()
    }

    fn get_throughput<'a>(
        &'a self,
        _: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        let request = GetProvisionedModelThroughput { provisioned_model_id: id.as_str().to_owned() };
        let got = found(self.call(Operation::GetProvisionedModelThroughput, request)).map(|response| {
            response.map(|response| match response {
                Response::GetProvisionedModelThroughput(view) => throughput(*view),
                response => other(&response),
            })
        });
        future::ready(got).boxed()
    }

    fn list_tags<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        let request = ListTagsForResource { resource_arn: arn.as_str().to_owned() };
        let listed = found(self.call(Operation::ListTagsForResource, request)).map(|response| {
            response.map(|response| match response {
                Response::ListTagsForResource { tags } => tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
                response => other(&response),
            })
        });
        future::ready(listed).boxed()
    }

    fn get_custom_model<'a>(
        &'a self,
        _: &'a Region,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        let request = GetCustomModel { model_identifier: model.to_owned() };
        let got = found(self.call(Operation::GetCustomModel, request)).map(|response| {
            response.map(|response| match response {
                Response::GetCustomModel(view) => custom_model(*view),
                response => other(&response),
            })
        });
        future::ready(got).boxed()
    }

    fn list_custom_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        unreachable!("how long models last is looked at in the background, which has ended")
    }

    fn list_foundation_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        unreachable!("how long models last is looked at in the background, which has ended")
    }
}

impl Bedrock for Aws {
    fn create_throughput<'a>(
        &'a self,
        _: &'a Region,
        create: &'a Create,
    ) -> BoxFuture<'a, Result<(Accepted, Option<ProvisionedModelArn>), Fault>> {
        let Create { token, name, model, units, commitment, tags: wanted } = create;
        let request = CreateProvisionedModelThroughput {
            client_request_token: Some(token.clone()),
            model_units: u32::try_from(*units).unwrap(),
            provisioned_model_name: name.to_string(),
            model_id: model.to_string(),
            commitment_duration: commitment.map(|term| match term {
                crd::CommitmentDuration::OneMonth => request::CommitmentDuration::OneMonth,
                crd::CommitmentDuration::SixMonths => request::CommitmentDuration::SixMonths,
            }),
            tags: tags(wanted),
        };
        let bought = self.call(Operation::CreateProvisionedModelThroughput, request).map(|response| match response {
            Response::CreateProvisionedModelThroughput { provisioned_model_arn } => {
                (Accepted { request_id: None }, provisioned_model_arn.map(ProvisionedModelArn::from_aws))
            }
            response => other(&response),
        });
        future::ready(bought).boxed()
    }

    fn update_throughput<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
        update: &'a Update,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let request = UpdateProvisionedModelThroughput {
            provisioned_model_id: arn.to_string(),
            desired_provisioned_model_name: update.name.as_ref().map(ToString::to_string),
            desired_model_id: update.model.as_ref().map(ToString::to_string),
        };
        future::ready(self.change(Operation::UpdateProvisionedModelThroughput, request)).boxed()
    }

    fn delete_throughput<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let request = DeleteProvisionedModelThroughput { provisioned_model_id: arn.to_string() };
        let deleted = found(self.change(Operation::DeleteProvisionedModelThroughput, request));
        future::ready(deleted.map(|accepted| accepted.unwrap_or(Accepted { request_id: None }))).boxed()
    }

    fn tag_throughput<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
        wanted: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let request = TagResource { resource_arn: arn.to_string(), tags: tags(wanted) };
        future::ready(self.change(Operation::TagResource, request)).boxed()
    }

    fn untag_throughput<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
        keys: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Accepted, Fault>> {
        let request = UntagResource { resource_arn: arn.to_string(), tag_keys: keys.iter().cloned().collect() };
        future::ready(self.change(Operation::UntagResource, request)).boxed()
    }
}
