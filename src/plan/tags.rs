//! What has to change about the tags.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Situation, refuse, unsettled};
use crate::{
    calls::{Call, Change, Tag},
    conditions::Reason,
    crd::{CallRequest, ChangeCause, PlanAction},
    history::Answer,
    observed::Throughput,
};

/// Whether AWS accepted just this before, and reads have caught up with it: somebody takes it back at once, and it is not repeated by itself.
pub(super) fn did_not_stay(situation: &Situation<'_>, change: &Change) -> bool {
    let Situation { desired, history, .. } = situation;
    history.open(PlanAction::Tag).is_some_and(|last| {
        last.answer != Answer::Missing
            && last.call == change.call
            && last.generation == desired.generation
            && desired.requested.is_none()
            && !unsettled(situation, last)
    })
}

/// Tags that did not stay, where nothing else is left to do.
pub(super) fn failed(situation: &Situation<'_>, throughput: &Throughput) -> Option<Plan> {
    let change = difference(situation, throughput).filter(|change| did_not_stay(situation, change))?;
    Some(refuse(
        Reason::UpdateFailed,
        format!(
            "AWS accepted to {}, and does not show it: somebody takes it back at once. It is not repeated by itself: change the manifest, or set the \
             annotation bedrock-throughput.dev/reconcile-requested-at to a new value",
            change.message
        ),
        Some(&change),
    ))
}

/// Tags that are missing, have another value, or were put on by this object and are no longer wanted.
pub(super) fn difference(situation: &Situation<'_>, throughput: &Throughput) -> Option<Change> {
    let tags = situation.observed.tags.as_ref()?;
    let wanted = situation.desired.wanted_tags();
    // What was put on by a call whose answer was lost.
    let open = situation.history.last_call.iter().filter_map(|last| match &last.call {
        Call::Tag(tag) => Some(&tag.set),
        Call::Create(_) | Call::Update(_) | Call::Delete => None,
    });
    let put_on = open.flatten().filter(|(key, value)| tags.get(*key) == Some(value)).map(|(key, _)| key);
    let remove: BTreeSet<String> = situation
        .history
        .managed_tag_keys
        .iter()
        .chain(put_on)
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
