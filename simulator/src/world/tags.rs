//! Tags of throughputs.

use std::collections::BTreeMap;

use super::{Caller, ProvisionedModel, World};
use crate::{
    error::{ApiError, ErrorCode},
    request::{ListTagsForResource, Tag, TagResource, UntagResource},
    response::Response,
};

/// The most tags that a resource may have (AWS, "Tag your Amazon Bedrock resources").
const MOST: usize = 50;

/// What AWS keeps for itself.
const RESERVED: &str = "aws:";

impl World {
    pub(super) fn tag(&mut self, caller: &Caller, input: &TagResource) -> Result<Response, ApiError> {
        let throughput = self.tagged(caller, &input.resource_arn)?;
        let merged = merged(&throughput.tags, &input.tags, &throughput.arn)?;
        throughput.tags = merged;
        Ok(Response::TagResource)
    }

    pub(super) fn untag(&mut self, caller: &Caller, input: &UntagResource) -> Result<Response, ApiError> {
        let throughput = self.tagged(caller, &input.resource_arn)?;
        throughput.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(Response::UntagResource)
    }

    pub(super) fn list_tags(&mut self, caller: &Caller, input: &ListTagsForResource) -> Result<Response, ApiError> {
        let throughput = self.tagged(caller, &input.resource_arn)?;
        let tags = throughput.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
        Ok(Response::ListTagsForResource { tags })
    }

    fn tagged(&mut self, caller: &Caller, arn: &str) -> Result<&mut ProvisionedModel, ApiError> {
        self.is_here(caller, arn)?;
        let missing = || ApiError::not_found(format!("The resource {arn} was not found."));
        self.region_mut(caller).throughputs.get_mut(arn).ok_or_else(missing)
    }
}

/// The tags of a resource with others set on top.
pub(super) fn merged(
    had: &BTreeMap<String, String>,
    set: &[Tag],
    resource: &str,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = had.clone();
    for Tag { key, value } in set {
        if key.to_ascii_lowercase().starts_with(RESERVED) {
            return Err(ApiError::validation(format!("Tag keys that begin with {RESERVED} are reserved: {key}")));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() > MOST {
        let message = format!("The resource would have {} tags; the most is {MOST}.", tags.len());
        return Err(ApiError {
            resource_name: Some(resource.to_owned()),
            ..ApiError::new(ErrorCode::TooManyTagsException, message)
        });
    }
    Ok(tags)
}
