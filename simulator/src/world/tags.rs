//! Tags of throughputs and custom models.

use std::collections::BTreeMap;

use super::{Caller, World};
use crate::{
    error::{ApiError, ErrorCode},
    request::{ListTagsForResource, Tag, TagResource, UntagResource},
    response::Response,
};

/// The most tags that a resource may have (AWS, "Tag your Amazon Bedrock resources").
const MOST: usize = 50;

/// What AWS keeps for itself.
const RESERVED: &str = "aws:";

type Tags = BTreeMap<String, String>;

static NO_TAGS: Tags = BTreeMap::new();

impl World {
    pub(super) fn tag(&mut self, caller: &Caller, input: &TagResource) -> Result<Response, ApiError> {
        let TagResource { resource_arn, tags } = input;
        let merged = merged(self.tags_of(caller, resource_arn)?, tags, resource_arn)?;
        self.set_tags(caller, resource_arn, merged);
        Ok(Response::TagResource)
    }

    pub(super) fn untag(&mut self, caller: &Caller, input: &UntagResource) -> Result<Response, ApiError> {
        let UntagResource { resource_arn, tag_keys } = input;
        let mut tags = self.tags_of(caller, resource_arn)?.clone();
        tags.retain(|key, _| !tag_keys.contains(key));
        self.set_tags(caller, resource_arn, tags);
        Ok(Response::UntagResource)
    }

    pub(super) fn list_tags(&self, caller: &Caller, input: &ListTagsForResource) -> Result<Response, ApiError> {
        let tags = self.tags_of(caller, &input.resource_arn)?;
        let tags = tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
        Ok(Response::ListTagsForResource { tags })
    }

    fn tags_of(&self, caller: &Caller, arn: &str) -> Result<&Tags, ApiError> {
        self.is_here(caller, arn)?;
        let region = self.region(caller);
        let throughput = region.and_then(|region| region.throughputs.get(arn)).map(|throughput| &throughput.tags);
        let custom_model =
            || region.filter(|region| region.custom_models.contains_key(arn)).map(|region| region.model_tags.get(arn));
        match (throughput, custom_model) {
            (Some(tags), _) => Ok(tags),
            (None, custom_model) => match custom_model() {
                Some(tags) => Ok(tags.unwrap_or(&NO_TAGS)),
                None => Err(ApiError::not_found(format!("The resource {arn} was not found."))),
            },
        }
    }

    fn set_tags(&mut self, caller: &Caller, arn: &str, tags: Tags) {
        let region = self.region_mut(caller);
        if region.custom_models.contains_key(arn) {
            region.model_tags.insert(arn.to_owned(), tags);
        } else {
            region.throughputs.change(arn, |throughput| throughput.tags = tags);
        }
    }
}

/// The tags of a resource with others set on top.
pub(super) fn merged(had: &Tags, set: &[Tag], resource: &str) -> Result<Tags, ApiError> {
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
