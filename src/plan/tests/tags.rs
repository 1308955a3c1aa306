//! Tags: only those of the manifest and of the owner are managed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{calls::Tag, owner};

type Tags = BTreeMap<String, String>;

fn tags(list: &[(&str, &str)]) -> Tags {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn keys(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|key| (*key).to_owned()).collect()
}

/// What is decided for these tags at AWS, by an object that has put on `managed`.
fn decided(desired: &Desired, at_aws: Tags, managed: BTreeSet<String>) -> Plan {
    let observed = Observed { tags: Some(at_aws), ..look(0, Sighting::Found(throughput(SERVED))) };
    decide(desired, &observed, &History { managed_tag_keys: managed, ..History::default() })
}

fn tag_of(plan: &Plan) -> &Tag {
    match acted(plan).map(|change| &change.call) {
        Some(Call::Tag(tag)) => tag,
        other => panic!("{other:?}: {plan:?}"),
    }
}

fn wanting(list: &[(&str, &str)]) -> Desired {
    Desired { tags: tags(list), ..desired() }
}

/// An object that owns its throughput by its tags.
fn owning() -> Desired {
    Desired { policy: ManagementPolicy::Full, ..desired() }
}

#[test]
fn only_what_differs_is_set() {
    let plan = decided(&wanting(&[("team", "search"), ("env", "prod")]), tags(&[("env", "prod")]), keys(&["env"]));
    assert_eq!(*tag_of(&plan), Tag { set: tags(&[("team", "search")]), remove: keys(&[]) });
    let plan = decided(&wanting(&[("team", "search")]), tags(&[("team", "ads")]), keys(&[]));
    assert_eq!(*tag_of(&plan), Tag { set: tags(&[("team", "search")]), remove: keys(&[]) });
    assert_eq!(acted(&plan).unwrap().from.tags, tags(&[("team", "ads")]), "it can be put back");
    let plan = decided(&wanting(&[("team", "search")]), tags(&[("team", "search")]), keys(&["team"]));
    assert_eq!(plan, Plan::Nothing);
}

#[test]
fn what_was_put_on_and_is_dropped_from_the_manifest_is_taken_off() {
    let plan = decided(&desired(), tags(&[("team", "search"), ("cost", "7")]), keys(&["team"]));
    assert_eq!(*tag_of(&plan), Tag { set: Tags::new(), remove: keys(&["team"]) });
    // Somebody was faster.
    assert_eq!(decided(&desired(), tags(&[("cost", "7")]), keys(&["team"])), Plan::Nothing);
}

#[test]
fn what_others_put_on_is_left_alone() {
    let theirs = tags(&[("cost", "7"), ("aws:cloudformation:stack-name", "x")]);
    assert_eq!(decided(&desired(), theirs.clone(), keys(&[])), Plan::Nothing);
    let plan = decided(&wanting(&[("team", "search")]), theirs, keys(&[]));
    assert_eq!(*tag_of(&plan), Tag { set: tags(&[("team", "search")]), remove: keys(&[]) });
}

#[test]
fn tags_that_were_not_looked_at_are_not_changed() {
    let observed = look(0, Sighting::Found(throughput(SERVED)));
    let history = History { managed_tag_keys: keys(&["old"]), ..History::default() };
    assert_eq!(decide(&wanting(&[("team", "search")]), &observed, &history), Plan::Nothing);
}

#[test]
fn full_puts_the_owner_on_and_keeps_it_there() {
    let plan = decided(&owning(), Tags::new(), keys(&[]));
    assert_eq!(*tag_of(&plan), Tag { set: owner().tags(), remove: keys(&[]) });
    // A restored object has another uid.
    let restored = Owner { uid: "before".into(), ..owner() };
    let plan = decided(&owning(), restored.tags(), keys(&[]));
    assert_eq!(*tag_of(&plan), Tag { set: tags(&[(owner::UID, UID)]), remove: keys(&[]) });
    assert_eq!(decided(&owning(), owner().tags(), keys(&[])), Plan::Nothing);
}

/// The way to hand a throughput over: the object lets go of it, and leaves its other tags as they are wanted.
#[test]
fn full_that_becomes_update_takes_the_owner_off() {
    let released = Desired { tags: tags(&[("team", "search")]), ..desired() };
    let mut at_aws = owner().tags();
    at_aws.extend(tags(&[("team", "search"), ("cost", "7")]));
    let managed: BTreeSet<String> = owner().tags().into_keys().chain(["team".to_owned()]).collect();
    let plan = decided(&released, at_aws, managed);
    assert_eq!(*tag_of(&plan), Tag { set: Tags::new(), remove: owner().tags().into_keys().collect() });
}

#[test]
fn what_belongs_to_another_is_not_tagged_by_any_policy() {
    for policy in ManagementPolicy::ALL {
        // Without the name of the cluster, whose it is cannot be told from whose it is not.
        for cluster_is_known in [false, true].into_iter().filter(|known| *known || policy != ManagementPolicy::Full) {
            let owner = cluster_is_known.then(owner);
            let object = Desired { policy, owner, ..wanting(&[("team", "search")]) };
            let plan = decided(&object, stranger().tags(), keys(&[]));
            assert!(acted(&plan).is_none(), "{policy:?}: {plan:?}");
            let told = (policy != ManagementPolicy::Observe).then_some(Reason::AlreadyManaged);
            assert_eq!(reason(&plan), told, "{policy:?}: {plan:?}");
        }
    }
}

/// A tag waits for nothing that a change of the model waits for, and is made first.
#[test]
fn tags_go_before_the_name() {
    let object = Desired { name: Some(name("new")), ..wanting(&[("team", "search")]) };
    let plan = decided(&object, Tags::new(), keys(&[]));
    assert_eq!(tag_of(&plan).set, tags(&[("team", "search")]));
    let plan = decided(&object, tags(&[("team", "search")]), keys(&["team"]));
    assert!(matches!(acted(&plan).unwrap().call, Call::Update(_)), "{plan:?}");
}

/// Keys of every kind that can meet: the manifest's, the owner's, AWS's own, others'.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-f]",
        1 => "aws:[a-c]",
        1 => prop::sample::select(vec![owner::CLUSTER, owner::NAMESPACE, owner::NAME, owner::UID]).prop_map(str::to_owned),
    ]
}

fn any_tags() -> impl Strategy<Value = Tags> {
    prop::collection::btree_map(any_key(), "[xy]", 0..8)
}

fn manifest_tags() -> impl Strategy<Value = Tags> {
    prop::collection::btree_map("[a-f]", "[xy]", 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_managed_keys_are_touched(
        wanted in manifest_tags(),
        at_aws in any_tags(),
        put_on in prop::collection::btree_set("[a-f]", 0..6),
        is_owner in any::<bool>(),
        had_owner in any::<bool>(),
    ) {
        let mut at_aws = at_aws;
        // What belongs to another is another matter.
        at_aws.retain(|key, _| !key.starts_with("bedrock-throughput.dev/"));
        let mut put_on = put_on;
        if had_owner {
            at_aws.extend(owner().tags());
            put_on.extend(owner().tags().into_keys());
        }
        let object = Desired { tags: wanted.clone(), ..if is_owner { owning() } else { desired() } };
        let plan = decided(&object, at_aws.clone(), put_on.clone());
        let mut target = wanted;
        if is_owner {
            target.extend(owner().tags());
        }
        let Some(change) = acted(&plan) else {
            prop_assert_eq!(&plan, &Plan::Nothing);
            prop_assert!(target.iter().all(|(key, value)| at_aws.get(key) == Some(value)));
            prop_assert!(put_on.iter().all(|key| target.contains_key(key) || !at_aws.contains_key(key)));
            return Ok(());
        };
        let Call::Tag(Tag { set, remove }) = &change.call else { panic!("{plan:?}") };
        for (key, value) in set {
            prop_assert_eq!(target.get(key), Some(value));
            prop_assert_ne!(at_aws.get(key), Some(value), "it is so already");
        }
        for key in remove {
            prop_assert!(put_on.contains(key) && !target.contains_key(key) && at_aws.contains_key(key), "{key}");
        }
        prop_assert!(!set.keys().chain(remove).any(|key| key.starts_with("aws:")));
        // Carried out, it is all that was to do.
        let mut after = at_aws.clone();
        after.retain(|key, _| !remove.contains(key));
        after.extend(set.clone());
        prop_assert!(target.iter().all(|(key, value)| after.get(key) == Some(value)));
        let kept: BTreeSet<String> = put_on.iter().chain(set.keys()).filter(|key| !remove.contains(*key)).cloned().collect();
        prop_assert_eq!(decided(&object, after.clone(), kept), Plan::Nothing);
        // What others put on is as it was.
        for (key, value) in at_aws.iter().filter(|(key, _)| !put_on.contains(*key) && !target.contains_key(*key)) {
            prop_assert_eq!(after.get(key), Some(value));
        }
        // What it says was there before puts it back.
        for (key, value) in &change.from.tags {
            prop_assert_eq!(at_aws.get(key), Some(value));
        }
    }
}

/// Somebody takes tags off as soon as they are there: it is told, and holds nothing else back.
#[test]
fn tags_that_do_not_stay_are_not_put_on_again_by_themselves() {
    let tag = Tag { set: BTreeMap::from([("team".to_owned(), "search".to_owned())]), ..Tag::default() };
    let accepted = open(Call::Tag(tag.clone()), Answer::Accepted { request_id: None });
    let history = History { last_call: Some(accepted), ..History::default() };
    let wanted = Desired { tags: tag.set.clone(), ..desired() };
    let observed = Observed { tags: Some(BTreeMap::new()), ..look(CAUGHT_UP, Sighting::Found(throughput(SERVED))) };
    let plan = decide(&wanted, &observed, &history);
    assert!(matches!(plan, Plan::Refuse { reason: Reason::UpdateFailed, .. }), "{plan:?}");
    let renamed = Desired { name: Some(name("new")), ..wanted.clone() };
    let plan = decide(&renamed, &observed, &history);
    assert!(matches!(acted(&plan).map(|change| &change.call), Some(Call::Update(_))), "{plan:?}");
    for again in
        [Desired { requested: Some("now".into()), ..wanted.clone() }, Desired { generation: Some(2), ..wanted }]
    {
        let plan = decide(&again, &observed, &history);
        assert!(matches!(acted(&plan).map(|change| &change.call), Some(Call::Tag(_))), "{plan:?}");
    }
}

/// The answer was lost and the manifest wants it no longer: it is taken off all the same.
#[test]
fn a_tag_whose_answer_was_lost_is_known_as_put_on() {
    let set = BTreeMap::from([("team".to_owned(), "search".to_owned())]);
    let lost = open(Call::Tag(Tag { set: set.clone(), ..Tag::default() }), Answer::Missing);
    let history = History { last_call: Some(lost), ..History::default() };
    let observed = Observed { tags: Some(set), ..look(CAUGHT_UP, Sighting::Found(throughput(SERVED))) };
    let plan = decide(&desired(), &observed, &history);
    let Some(Call::Tag(Tag { remove, .. })) = acted(&plan).map(|change| &change.call) else { panic!("{plan:?}") };
    assert!(remove.contains("team"), "{remove:?}");
}

#[test]
fn nothing_is_taken_over_by_an_object_that_goes_or_that_does_not_own() {
    let observed = || Observed { tags: Some(stranger().tags()), ..look(0, Sighting::Found(throughput(SERVED))) };
    let holder = stranger().to_string();
    let is_taken = |desired: &Desired, is_gone| {
        with_ownership(desired, &History::default(), observed(), is_gone).owner().is_none()
    };
    let full = Desired { take_over: Some(holder.clone()), ..buying() };
    assert!(is_taken(&full, false) && is_taken(&buying(), true));
    let going = Desired { is_going: true, ..full };
    assert!(!is_taken(&going, false) && !is_taken(&going, true));
    assert!(!is_taken(&Desired { take_over: Some(holder), ..desired() }, false));
}
