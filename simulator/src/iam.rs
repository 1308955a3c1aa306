//! IAM: which resources a call is checked against, and what an identity-based policy says of it. A key without a policy may do
//! everything.

mod condition;
mod pattern;
mod policy;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::{
    condition::Context,
    policy::{Decision, Policy, PolicyError},
};
use crate::{
    error::{ApiError, ErrorCode},
    operation::Operation,
    request::{Request, Tag},
    switches::TagOnCreate,
    world::{Caller, World},
};

/// One action on one resource. A call may be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The operation, which gives the action.
    pub operation: Operation,
    /// An ARN, or `*` where the action is about no resource.
    pub resource: String,
    /// What conditions can ask for.
    pub context: Context,
}

impl Access {
    /// The IAM action: `bedrock:` and the name of the operation.
    #[must_use]
    pub fn action(&self) -> String {
        format!("bedrock:{}", self.operation.as_str())
    }
}

/// What a call needs (service authorization reference, "Actions, resources, and condition keys for Amazon Bedrock"). Something that
/// does not exist has an ARN here too, so that a refusal does not tell.
#[must_use]
pub fn accesses(world: &World, caller: &Caller, request: &Request, now: Timestamp) -> Vec<Access> {
    let operation = request.operation();
    let (mut request_tags, mut untagged) = (BTreeMap::new(), Vec::new());
    let mut tags_a_new_resource = false;
    let resources = match request {
        Request::ListProvisionedModelThroughputs(_)
        | Request::ListCustomModels(_)
        | Request::ListFoundationModels(_) => vec!["*".to_owned()],
        Request::CreateProvisionedModelThroughput(input) => {
            request_tags = by_key(&input.tags);
            tags_a_new_resource = !input.tags.is_empty();
            vec![world.model_arn(caller, &input.model_id)]
        }
        Request::GetProvisionedModelThroughput(input) => {
            vec![world.provisioned_model_arn(caller, &input.provisioned_model_id, now)]
        }
        Request::DeleteProvisionedModelThroughput(input) => {
            vec![world.provisioned_model_arn(caller, &input.provisioned_model_id, now)]
        }
        Request::UpdateProvisionedModelThroughput(input) => {
            let model = input.desired_model_id.as_ref().map(|id| world.model_arn(caller, id));
            let throughput = world.provisioned_model_arn(caller, &input.provisioned_model_id, now);
            [throughput].into_iter().chain(model).collect()
        }
        Request::TagResource(input) => {
            request_tags = by_key(&input.tags);
            vec![input.resource_arn.clone()]
        }
        Request::UntagResource(input) => {
            untagged.clone_from(&input.tag_keys);
            vec![input.resource_arn.clone()]
        }
        Request::ListTagsForResource(input) => vec![input.resource_arn.clone()],
        Request::GetCustomModel(input) => vec![world.custom_model_arn(caller, &input.model_identifier)],
        Request::GetFoundationModel(input) => vec![foundation_model_arn(caller, &input.model_identifier)],
    };
    let access = |operation, resource: String| {
        let resource_tags = world.tags(caller, &resource).cloned().unwrap_or_default();
        let context = Context {
            request_tags: request_tags.clone(),
            untagged: untagged.clone(),
            resource_tags,
            region: caller.region.clone(),
        };
        Access { operation, resource, context }
    };
    let mut needed: Vec<Access> = resources.into_iter().map(|resource| access(operation, resource)).collect();
    if tags_a_new_resource && world.switches.tag_on_create == TagOnCreate::NeedsTagResource {
        // The ARN is not known before the throughput is made.
        needed.push(access(Operation::TagResource, caller.arn("provisioned-model/*")));
    }
    needed
}

/// Whether a policy lets a call through.
///
/// # Errors
/// `AccessDeniedException`, for the first access that is refused.
pub fn authorize(policy: &Policy, access_key: &str, caller: &Caller, accesses: &[Access]) -> Result<(), ApiError> {
    for access in accesses {
        let decision = policy.decide(access);
        let (action, user) = (access.action(), user_arn(caller, access_key));
        // AWS names no resource where the action is about none.
        let resource =
            if access.resource == "*" { String::new() } else { format!(" on resource: {}", access.resource) };
        let reason = match decision {
            Decision::Allowed => continue,
            Decision::NotAllowed => format!("because no identity-based policy allows the {action} action"),
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        let message = format!("User: {user} is not authorized to perform: {action}{resource} {reason}");
        return Err(ApiError::new(ErrorCode::AccessDeniedException, message));
    }
    Ok(())
}

/// The user that an access key stands for here.
fn user_arn(caller: &Caller, access_key: &str) -> String {
    format!("arn:{}:iam::{}:user/{access_key}", caller.partition(), caller.account)
}

fn by_key(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|Tag { key, value }| (key.clone(), value.clone())).collect()
}

fn foundation_model_arn(caller: &Caller, id: &str) -> String {
    if id.starts_with("arn:") { id.to_owned() } else { caller.foundation_model_arn(id) }
}
