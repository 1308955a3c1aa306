//! The look before a purchase: nothing is bought that is there already, and nothing is let go that is still there.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::{FutureExt as _, future::BoxFuture};

use super::*;
use crate::{
    calls::Create,
    identifiers::ModelIdentifier,
    observed::{CustomModel, CustomModelSummary, FoundationModel},
    plan::tests::{
        ARN, BASE, READ_LAG, UID, accepted, arn, buying, desired, name, open, owner, purchase::first_purchase,
        stranger, throughput,
    },
};

/// An AWS that answers at once.
#[derive(Debug, Default)]
struct Aws {
    has: Vec<(Throughput, Tags)>,
    /// What a List does not show, and a Get does.
    unlisted: Vec<(Throughput, Tags)>,
    tag_looks: AtomicU32,
}

impl Aws {
    fn all(&self) -> impl Iterator<Item = &(Throughput, Tags)> {
        self.has.iter().chain(&self.unlisted)
    }
}

impl Looks for Aws {
    fn list_throughputs<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        async { Ok(self.has.iter().map(|(throughput, _)| throughput.clone()).collect()) }.boxed()
    }

    fn get_throughput<'a>(
        &'a self,
        _: &'a Region,
        id: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        let is_it =
            |throughput: &Throughput| [throughput.arn.as_str(), throughput.name.as_str()].contains(&id.as_str());
        let found = self.all().map(|(throughput, _)| throughput).find(|throughput| is_it(throughput)).cloned();
        async { Ok(found) }.boxed()
    }

    fn list_tags<'a>(
        &'a self,
        _: &'a Region,
        arn: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        self.tag_looks.fetch_add(1, Ordering::SeqCst);
        let found = self.all().find(|(throughput, _)| throughput.arn == *arn).map(|(_, tags)| tags.clone());
        async { Ok(found) }.boxed()
    }

    fn get_custom_model<'a>(&'a self, _: &'a Region, _: &'a str) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        unimplemented!("the manifests name a foundation model")
    }

    fn list_custom_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn list_foundation_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

/// A throughput of this id and name.
fn one(id: &str, called: &str, status: ThroughputStatus, tags: Tags) -> (Throughput, Tags) {
    let arn = ProvisionedModelArn::from_aws(ARN.replace("abcdefghijkl", id));
    (Throughput { arn, name: name(called), status, ..throughput(BASE) }, tags)
}

fn sound(id: &str, called: &str, tags: Tags) -> (Throughput, Tags) {
    one(id, called, ThroughputStatus::InService, tags)
}

fn failed(id: &str, called: &str, tags: Tags) -> (Throughput, Tags) {
    one(id, called, ThroughputStatus::Failed, tags)
}

/// An object that buys a throughput `old`.
fn unbound() -> Desired {
    Desired { model: Some(ModelIdentifier::parse(BASE).unwrap()), ..buying() }
}

/// The same, bound to [`ARN`].
fn bound() -> Desired {
    Desired { identity: Identity { bound: Some(arn()), id: None, fallback: None }, ..unbound() }
}

async fn observe_with(aws: Aws, desired: &Desired, history: &History) -> (Observed, u32) {
    let aws = Arc::new(aws);
    let sources = Sources::new(Arc::<Aws>::clone(&aws));
    let demand = Demand { not_before: Timestamp::now(), closely: true };
    let observed = sources.observe(desired, history, demand, READ_LAG).await.unwrap();
    (observed, aws.tag_looks.load(Ordering::SeqCst))
}

async fn observe(has: Vec<(Throughput, Tags)>, desired: &Desired, history: &History) -> Observed {
    observe_with(Aws { has, ..Aws::default() }, desired, history).await.0
}

/// What was found, in short: how, and the ids of it.
fn found(observed: &Observed) -> (&'static str, Vec<String>) {
    let id = |arn: &ProvisionedModelArn| arn.resource_id().to_owned();
    match &observed.throughput {
        Sighting::Found(throughput) => ("found", vec![id(&throughput.arn)]),
        Sighting::Taken(throughput) => ("taken", vec![id(&throughput.arn)]),
        Sighting::Missing => ("missing", Vec::new()),
        Sighting::Ambiguous(arns) => ("ambiguous", arns.iter().map(id).collect()),
    }
}

fn one_id(how: &'static str, id: &str) -> (&'static str, Vec<String>) {
    (how, vec![id.to_owned()])
}

const MISSING: (&str, Vec<String>) = ("missing", Vec::new());

#[tokio::test]
async fn what_an_earlier_attempt_bought_is_found_by_its_tags_under_any_name() {
    let others = [sound("other", "else", Tags::new()), sound("strange", "more", stranger().tags())];
    let restored = Owner { uid: "before".into(), ..owner() };
    for (called, tags) in [("old", owner().tags()), ("before", owner().tags()), ("before", restored.tags())] {
        let has = others.iter().cloned().chain([sound("mine", called, tags.clone())]).collect();
        let observed = observe(has, &unbound(), &History::default()).await;
        assert_eq!(found(&observed), one_id("found", "mine"));
        assert_eq!(observed.tags, Some(tags));
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_seen_with_whose_it_is() {
    for tags in [Tags::new(), stranger().tags()] {
        for desired in [unbound(), bound()] {
            let observed = observe(vec![sound("theirs", "old", tags.clone())], &desired, &History::default()).await;
            assert_eq!(found(&observed), one_id("taken", "theirs"), "bound: {:?}", desired.identity.bound);
            assert_eq!(observed.tags.as_ref(), Some(&tags));
        }
    }
}

#[tokio::test]
async fn nothing_of_that_name_or_owner_is_missing() {
    for desired in [unbound(), bound()] {
        let has = vec![sound("other", "else", Tags::new()), sound("strange", "more", stranger().tags())];
        assert_eq!(found(&observe(has, &desired, &History::default()).await), MISSING);
    }
}

#[tokio::test]
async fn what_is_left_of_a_failed_purchase_does_not_hide_the_next() {
    let (left, next) = (failed("left", "old", owner().tags()), sound("next", "old", owner().tags()));
    let observed = observe(vec![left.clone(), next.clone()], &unbound(), &History::default()).await;
    assert_eq!(found(&observed), one_id("found", "next"));
    let observed = observe(vec![left.clone()], &unbound(), &History::default()).await;
    assert_eq!(found(&observed), one_id("found", "left"));
    let observed =
        observe(vec![next.clone(), sound("third", "more", owner().tags())], &unbound(), &History::default()).await;
    assert_eq!(found(&observed), ("ambiguous", vec!["next".to_owned(), "third".to_owned()]));
}

/// The answer to the purchase that takes the place of what the object is bound to was lost, or named no ARN.
#[tokio::test]
async fn a_purchase_that_takes_the_place_of_another_is_found() {
    let again = Create { token: Create::token(UID, Some("abcdefghijkl")), ..first_purchase() };
    for answer in [Answer::Missing, accepted()] {
        let last_call = Some(open(Call::Create(again.clone()), answer));
        let history = History { last_call, ..History::default() };
        let next = sound("next", "old", owner().tags());
        for has in [vec![next.clone()], vec![failed("abcdefghijkl", "old", owner().tags()), next]] {
            assert_eq!(found(&observe(has, &bound(), &history).await), one_id("found", "next"));
        }
        let left = vec![failed("abcdefghijkl", "old", owner().tags())];
        assert_eq!(found(&observe(left, &bound(), &history).await), one_id("found", "abcdefghijkl"));
    }
}

/// What is left of an earlier purchase has the object's own tags: it is not "another's of that name".
#[tokio::test]
async fn what_is_left_of_an_earlier_purchase_does_not_count_as_taken() {
    let has = vec![failed("left", "old", owner().tags())];
    let observed = observe(has, &bound(), &History::default()).await;
    assert_ne!(found(&observed).0, "taken", "{observed:?}");
}

#[tokio::test]
async fn an_object_that_names_its_throughput_is_not_searched_for() {
    let has = (0..20).map(|index| sound(&format!("other{index}"), &format!("n{index}"), Tags::new()));
    let has = has.chain([sound("abcdefghijkl", "old", Tags::new())]).collect();
    let aws = Aws { has, ..Aws::default() };
    let (observed, tag_looks) = observe_with(aws, &desired(), &History::default()).await;
    assert_eq!((found(&observed), tag_looks), (one_id("found", "abcdefghijkl"), 0));
    // One that is bound costs one look at tags, however many others there are.
    let has = (0..20).map(|index| sound(&format!("other{index}"), &format!("n{index}"), Tags::new()));
    let has = has.chain([sound("abcdefghijkl", "old", owner().tags())]).collect();
    let (observed, tag_looks) = observe_with(Aws { has, ..Aws::default() }, &bound(), &History::default()).await;
    assert_eq!((found(&observed), tag_looks), (one_id("found", "abcdefghijkl"), 1));
}

/// An operator with the credentials of another account sees nothing, or another throughput of that name.
#[tokio::test]
async fn an_object_that_goes_is_looked_for_once_more_before_its_throughput_counts_as_gone() {
    let going = Desired { is_going: true, deletion: crate::crd::DeletionPolicy::Delete, ..bound() };
    for has in [Vec::new(), vec![sound("theirs", "old", Tags::new())]] {
        let unlisted = vec![sound("abcdefghijkl", "old", owner().tags())];
        let aws = Aws { has: has.clone(), unlisted, ..Aws::default() };
        let (observed, _) = observe_with(aws, &going, &History::default()).await;
        assert_eq!(found(&observed), one_id("found", "abcdefghijkl"), "{has:?}");
    }
    assert_eq!(found(&observe(Vec::new(), &going, &History::default()).await), MISSING);
}
