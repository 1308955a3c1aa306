//! What has to change about the tags.

use std::collections::{BTreeMap, BTreeSet};

use super::Situation;
use crate::{
    calls::{Call, Change, Tag},
    crd::{CallRequest, ChangeCause, PlanAction},
    observed::Throughput,
};

/// Tags that are missing, have another value, or were put on by this object and are no longer wanted.
pub(super) fn difference(situation: &Situation<'_>, throughput: &Throughput) -> Option<Change> {
    let tags = situation.observed.tags.as_ref()?;
    let wanted = situation.desired.wanted_tags();
    let remove: BTreeSet<String> = situation
        .history
        .managed_tag_keys
        .iter()
        .filter(|key| !wanted.contains_key(*key) && tags.contains_key(*key))
        .cloned()
        .collect();
    let set: BTreeMap<String, String> =
        wanted.into_iter().filter(|(key, value)| tags.get(key) != Some(value)).collect();
    let tag = Tag { set, remove };
    if tag.is_empty() {
        return None;
    }
    let before = tags.iter().filter(|(key, _)| tag.set.contains_key(*key) || tag.remove.contains(*key));
    let from = CallRequest {
        tags: before.map(|(key, value)| (key.clone(), value.clone())).collect(),
        ..CallRequest::default()
    };
    let message = describe(&tag);
    let call = Call::Tag(tag);
    let cause = match &situation.history.due {
        _ if situation.history.synced => ChangeCause::Drift,
        Some((PlanAction::Tag, due, cause)) if *due == call.request() => *cause,
        Some(_) | None => ChangeCause::Manifest,
    };
    Some(Change {
        call,
        arn: Some(throughput.arn.clone()),
        from,
        cause,
        message,
        consequence: "It is served and billed as before; IAM policies and cost reports that go by these tags see the change. It can be undone".to_owned(),
    })
}

fn describe(tag: &Tag) -> String {
    let Tag { set, remove } = tag;
    let set: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
    let parts: Vec<String> = [
        (!set.is_empty()).then(|| format!("tag it with {}", set.join(", "))),
        (!remove.is_empty()).then(|| format!("take off the tags {}", remove.join(", "))),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join(", and ")
}
