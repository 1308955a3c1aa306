//! Which tags count as the object's own, and when a take-over counts as done.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    calls::Tag,
    crd::ManagementPolicy,
    plan::tests::{accepted, acted, owner, stranger},
    plan::with_ownership,
};

type Tags = BTreeMap<String, String>;

fn tags(list: &[(&str, &str)]) -> Tags {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn keys(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|key| (*key).to_owned()).collect()
}

fn tagged(at_aws: Tags) -> Observed {
    Observed { tags: Some(at_aws), ..observed() }
}

/// What is due for an object with such a status.
fn due(desired: &Desired, observed: &Observed, status: &ProvisionedThroughputStatus) -> (Plan, History) {
    let history = History::of(status, GENERATION);
    (decide(desired, observed, &history), history)
}

fn sending(desired: &Desired, observed: &Observed, status: &ProvisionedThroughputStatus) -> (Change, Outcome) {
    let (plan, _) = due(desired, observed, status);
    let change = acted(&plan).unwrap_or_else(|| panic!("{plan:?}")).clone();
    let verdict = Verdict::Sending { observed, change: &change, sent_at: at(1000) };
    let told = outcome(status, GENERATION, Some(desired), verdict, at(1000));
    (change, told)
}

fn looked(
    desired: &Desired,
    observed: &Observed,
    status: &ProvisionedThroughputStatus,
    answer: Option<Answer>,
    second: i64,
) -> (Plan, ProvisionedThroughputStatus) {
    let observed = Observed { looked_at: at(second), ..observed.clone() };
    let mut history = History::of(status, GENERATION);
    if let Some(answer) = answer {
        history.last_call = history.last_call.map(|last| LastCall { answer, ..last });
    }
    let plan = decide(desired, &observed, &history);
    let told = outcome(status, GENERATION, Some(desired), seen(&observed, &plan, &history), at(second));
    is_consistent(&told);
    (plan, told.status)
}

#[test]
fn what_was_put_on_is_known_whether_the_answer_came_or_not() {
    let desired = Desired { tags: tags(&[("team", "search")]), ..desired() };
    let (_, sent) = sending(&desired, &tagged(Tags::new()), &ProvisionedThroughputStatus::default());
    for answer in [Some(accepted()), None] {
        let (plan, status) = looked(&desired, &tagged(tags(&[("team", "search")])), &sent.status, answer, 1100);
        assert_eq!(plan, Plan::Nothing);
        assert_eq!(status.managed_tag_keys, keys(&["team"]));
        // Dropped from the manifest, it comes off; and then it is nobody's.
        let dropped = Desired { tags: Tags::new(), ..desired.clone() };
        let (change, off) = sending(&dropped, &tagged(tags(&[("team", "search")])), &status);
        assert_eq!(change.call, Call::Tag(Tag { set: Tags::new(), remove: keys(&["team"]) }));
        let (plan, status) = looked(&dropped, &tagged(Tags::new()), &off.status, Some(accepted()), 1200);
        assert_eq!((plan, status.managed_tag_keys), (Plan::Nothing, keys(&[])));
    }
}

/// A tag of somebody else does not become the object's own because a call about it failed.
#[test]
fn a_call_that_failed_puts_nothing_on() {
    let desired = Desired { tags: tags(&[("team", "search")]), ..desired() };
    let theirs = tagged(tags(&[("team", "ads")]));
    let (change, sent) = sending(&desired, &theirs, &ProvisionedThroughputStatus::default());
    let fault = fault(FaultKind::AccessDenied);
    let verdict = Verdict::CallFailed { observed: &theirs, change: &change, fault: &fault, sent_at: at(1000) };
    let failed = outcome(&sent.status, GENERATION, Some(&desired), verdict, at(1001));
    let dropped = Desired { tags: Tags::new(), ..desired };
    let (plan, _) = due(&dropped, &theirs, &failed.status);
    assert_eq!(plan, Plan::Nothing);
}

/// And one that is the object's own stays so.
#[test]
fn a_call_that_failed_forgets_nothing() {
    let known = ProvisionedThroughputStatus { managed_tag_keys: keys(&["team"]), ..Default::default() };
    let desired = Desired { tags: tags(&[("team", "search")]), ..desired() };
    let before = tagged(tags(&[("team", "ads")]));
    let (change, sent) = sending(&desired, &before, &known);
    for kind in FaultKind::ALL {
        let fault = fault(kind.clone());
        let verdict = Verdict::CallFailed { observed: &before, change: &change, fault: &fault, sent_at: at(1000) };
        let failed = outcome(&sent.status, GENERATION, Some(&desired), verdict, at(1001));
        assert_eq!(failed.status.managed_tag_keys, keys(&["team"]), "{kind:?}");
    }
}

#[test]
fn a_key_that_is_neither_there_nor_wanted_is_forgotten() {
    let known = ProvisionedThroughputStatus { managed_tag_keys: keys(&["team"]), ..Default::default() };
    let (plan, status) = looked(&desired(), &tagged(Tags::new()), &known, None, 1000);
    assert_eq!((plan, &status.managed_tag_keys), (Plan::Nothing, &keys(&[])));
    // Somebody puts one of that key on.
    let (plan, _) = due(&desired(), &tagged(tags(&[("team", "theirs")])), &status);
    assert_eq!(plan, Plan::Nothing);
}

fn full() -> Desired {
    Desired { policy: ManagementPolicy::Full, ..desired() }
}

/// A restored object has no status, and its owner tags are right: it has to be able to let go of them later.
#[test]
fn the_owner_tags_are_known_as_its_own_after_a_lost_status() {
    let (plan, status) = looked(&full(), &tagged(owner().tags()), &ProvisionedThroughputStatus::default(), None, 1000);
    assert_eq!(plan, Plan::Nothing);
    let (plan, _) = due(&desired(), &tagged(owner().tags()), &status);
    let expected = Tag { set: Tags::new(), remove: owner().tags().into_keys().collect() };
    assert_eq!(acted(&plan).map(|change| &change.call), Some(&Call::Tag(expected)), "{plan:?}");
}

/// `take-over-from` names the holder, so that it cannot be set to a new value: it holds until it is done.
#[test]
fn a_take_over_holds_until_the_tags_show_it() {
    let asking = Desired { take_over: Some(stranger().to_string()), ..full() };
    let theirs = tagged(stranger().tags());
    let owned = |status: &ProvisionedThroughputStatus| {
        with_ownership(&asking, &History::of(status, GENERATION), theirs.clone(), false)
    };
    let none = ProvisionedThroughputStatus::default();
    let (change, sent) = sending(&asking, &owned(&none), &none);
    assert_eq!(change.call, Call::Tag(Tag { set: owner().tags(), remove: keys(&[]) }));
    // AWS does not take it.
    for kind in [FaultKind::Throttled, FaultKind::AccessDenied, FaultKind::Timeout] {
        let fault = fault(kind.clone());
        let verdict = Verdict::CallFailed { observed: &theirs, change: &change, fault: &fault, sent_at: at(1000) };
        let failed = outcome(&sent.status, GENERATION, Some(&asking), verdict, at(1001)).status;
        let observed = Observed { looked_at: at(1100), ..owned(&failed) };
        let (plan, _) = due(&asking, &observed, &failed);
        assert_eq!(acted(&plan).map(|again| &again.call), Some(&change.call), "{kind:?}: {plan:?}");
    }
    // AWS takes it, and its reads lag.
    let (plan, lagging) = looked(&asking, &owned(&sent.status), &sent.status, Some(accepted()), 1005);
    assert!(matches!(plan, Plan::Settle { .. }), "{plan:?}");
    assert_eq!(lagging.last_handled_take_over, None);
    // It is done, once.
    let (plan, done) = looked(&asking, &tagged(owner().tags()), &lagging, Some(accepted()), 1100);
    assert_eq!(plan, Plan::Nothing);
    assert_eq!(done.last_handled_take_over, asking.take_over);
    let (plan, _) = due(&asking, &owned(&done), &done);
    assert!(matches!(plan, Plan::Refuse { reason: Reason::AlreadyManaged, .. }), "they took it back: {plan:?}");
}

/// Handing over to and fro: an annotation that is taken away and set again is another request.
#[test]
fn a_take_over_can_be_asked_for_again() {
    let asking = Desired { take_over: Some(stranger().to_string()), ..full() };
    let done = ProvisionedThroughputStatus { last_handled_take_over: asking.take_over.clone(), ..Default::default() };
    let (plan, without) = looked(&full(), &tagged(stranger().tags()), &done, None, 1000);
    assert!(matches!(plan, Plan::Refuse { reason: Reason::AlreadyManaged, .. }), "{plan:?}");
    let observed = with_ownership(&asking, &History::of(&without, GENERATION), tagged(stranger().tags()), false);
    let (plan, _) = due(&asking, &observed, &without);
    assert!(matches!(acted(&plan).map(|change| &change.call), Some(Call::Tag(_))), "{plan:?}");
}
