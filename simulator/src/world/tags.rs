//! Tags of throughputs and custom models.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Caller, EarlierTags, Region, World, earlier};
use crate::{
    error::{ApiError, ErrorCode},
    request::{ListTagsForResource, Tag, TagResource, UntagResource},
    response::Response,
    switches::TagReadLag,
};

/// The most tags that a resource may have (AWS, "Tag your Amazon Bedrock resources").
const MOST: usize = 50;

/// What AWS keeps for itself.
const RESERVED: &str = "aws:";

type Tags = BTreeMap<String, String>;

static NO_TAGS: Tags = BTreeMap::new();

impl World {
    pub(super) fn tag(&mut self, caller: &Caller, input: &TagResource, now: Timestamp) -> Result<Response, ApiError> {
        let TagResource { resource_arn, tags } = input;
        let merged = merged(self.tags_of(caller, resource_arn)?, tags, resource_arn)?;
        self.set_tags(caller, resource_arn, merged, now);
        Ok(Response::TagResource)
    }

    pub(super) fn untag(
        &mut self,
        caller: &Caller,
        input: &UntagResource,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let UntagResource { resource_arn, tag_keys } = input;
        let mut tags = self.tags_of(caller, resource_arn)?.clone();
        tags.retain(|key, _| !tag_keys.contains(key));
        self.set_tags(caller, resource_arn, tags, now);
        Ok(Response::UntagResource)
    }

    pub(super) fn list_tags(
        &self,
        caller: &Caller,
        input: &ListTagsForResource,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let present = self.tags_of(caller, &input.resource_arn)?;
        let tags = match self.switches.tag_read_lag {
            TagReadLag::None => present,
            TagReadLag::Lags => {
                let moment = earlier(now, self.settings.read_lag_seconds.duration());
                let region = self.region(caller);
                let past = region.and_then(|region| {
                    region.earlier_tags.get(&input.resource_arn)?.iter().find(|past| past.until > moment)
                });
                past.map_or(present, |past| &past.tags)
            }
        };
        let tags = tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
        Ok(Response::ListTagsForResource { tags })
    }

    /// The tags of a resource; nothing where it is not there.
    pub(crate) fn tags(&self, caller: &Caller, arn: &str) -> Option<&Tags> {
        self.tags_of(caller, arn).ok()
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

    fn set_tags(&mut self, caller: &Caller, arn: &str, tags: Tags, now: Timestamp) {
        let before = self.tags(caller, arn).cloned().unwrap_or_default();
        let forgotten = earlier(now, self.settings.read_lag_seconds.duration());
        let region = self.region_mut(caller);
        region.keep_tags(arn, before, now, forgotten);
        if region.custom_models.contains_key(arn) {
            region.model_tags.insert(arn.to_owned(), tags);
        } else {
            region.throughputs.change(arn, |throughput| throughput.tags = tags);
        }
    }
}

impl Region {
    /// Keeps the tags that a resource has until `now`, for reads that lag, and none that it had only until `forgotten`.
    pub(super) fn keep_tags(&mut self, arn: &str, tags: Tags, now: Timestamp, forgotten: Timestamp) {
        let kept = self.earlier_tags.entry(arn.to_owned()).or_default();
        // A clock that is set by hand can go back: what is still to come then no longer counts.
        kept.retain(|past| past.until > forgotten && past.until <= now);
        // What is set twice at one time was never shown between.
        if kept.last().is_none_or(|past| past.until < now) {
            kept.push(EarlierTags { until: now, tags });
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
