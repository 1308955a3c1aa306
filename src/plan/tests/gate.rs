//! What stands between a change and the call: approval, and the operator's flags.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// An object whose changes wait for approval, and that wants another name.
fn renaming(to: &str) -> Desired {
    Desired { name: Some(name(to)), approval: Approval::Manual, ..desired() }
}

fn there() -> Observed {
    look(BEFORE_THE_CALL, Sighting::Found(throughput(SERVED)))
}

/// The hash of the plan that waits for approval.
fn hash(desired: &Desired, observed: &Observed, history: &History) -> String {
    let plan = decide(desired, observed, history);
    assert_eq!(reason(&plan), Some(Reason::ApprovalRequired), "{plan:?}");
    pending(&plan).and_then(|pending| pending.hash.clone()).unwrap()
}

#[test]
fn the_hash_is_eight_hexadecimal_digits() {
    let hash = hash(&renaming("new"), &there(), &History::default());
    assert!(hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{hash}");
}

/// A person needs the time between two looks to read, think and type.
#[test]
fn the_hash_stays_while_the_plan_stays() {
    let first = hash(&renaming("new"), &there(), &History::default());
    let later = Observed { looked_at: at(BEFORE_THE_CALL + 86_400), ..there() };
    let modified = Throughput { last_modified_time: at(500), ..throughput(SERVED) };
    let modified = look(BEFORE_THE_CALL, Sighting::Found(modified));
    // Why a change is due, and since which generation, is no part of what is done.
    let drift = History { synced: true, ..History::default() };
    let edited = Desired { generation: Some(9), interval: Duration::from_hours(1), ..renaming("new") };
    let asked = Desired { requested: Some("now".into()), approved: Some("0000beef".into()), ..renaming("new") };
    for (desired, observed, history) in [
        (&renaming("new"), &later, &History::default()),
        (&renaming("new"), &modified, &History::default()),
        (&renaming("new"), &there(), &drift),
        (&edited, &there(), &History::default()),
        (&asked, &there(), &History::default()),
    ] {
        assert_eq!(hash(desired, observed, history), first, "{desired:?} {observed:?} {history:?}");
    }
}

#[test]
fn the_hash_is_of_this_request_of_this_object_once() {
    let accepted = |second| History { accepted_at: Some(at(second)), ..History::default() };
    let other_uid = Desired { uid: "another".into(), ..renaming("new") };
    let other_arn = Throughput { arn: ProvisionedModelArn::from_aws(format!("{ARN}x")), ..throughput(SERVED) };
    let other_name_before = Throughput { name: name("before"), ..throughput(SERVED) };
    let found = |throughput| look(BEFORE_THE_CALL, Sighting::Found(throughput));
    let hashes = [
        hash(&renaming("new"), &there(), &History::default()),
        hash(&renaming("newer"), &there(), &History::default()),
        hash(&other_uid, &there(), &History::default()),
        hash(&renaming("new"), &found(other_arn), &History::default()),
        hash(&renaming("new"), &found(other_name_before), &History::default()),
        hash(&renaming("new"), &there(), &accepted(CALLED)),
        hash(&renaming("new"), &there(), &accepted(CALLED + 1)),
    ];
    let different: std::collections::BTreeSet<&String> = hashes.iter().collect();
    assert_eq!(different.len(), hashes.len(), "{hashes:?}");
}

/// The same change is due again after it was made and undone by somebody: the approval was for the first.
#[test]
fn an_approval_lets_a_plan_through_once() {
    let approved = hash(&renaming("new"), &there(), &History::default());
    let desired = Desired { approved: Some(approved.clone()), ..renaming("new") };
    let plan = decide(&desired, &there(), &History::default());
    assert!(acted(&plan).is_some(), "{plan:?}");
    let made = History { accepted_at: Some(at(CALLED)), synced: true, ..History::default() };
    let undone = Observed { looked_at: at(CALLED + 600), ..there() };
    let plan = decide(&desired, &undone, &made);
    assert_eq!(reason(&plan), Some(Reason::ApprovalRequired), "{plan:?}");
    assert_ne!(pending(&plan).and_then(|pending| pending.hash.clone()), Some(approved.clone()));
    let Plan::Wait { message, .. } = plan else { panic!() };
    assert!(message.contains(&format!("The approval {approved:?} is of another plan")), "{message}");
}

/// A call that AWS did not take leaves the approval as it was: it is tried again without another.
#[test]
fn an_approval_holds_until_a_call_is_accepted() {
    let approved = hash(&renaming("new"), &there(), &History::default());
    let desired = Desired { approved: Some(approved), ..renaming("new") };
    let update = Update { name: Some(name("new")), model: None };
    let lost = History { last_call: Some(open(Call::Update(update), Answer::Missing)), ..History::default() };
    let throttled = History { retrying: Some(crate::crd::PlanAction::Update), ..History::default() };
    for history in [lost, throttled] {
        let plan = decide(&desired, &Observed { looked_at: at(CAUGHT_UP), ..there() }, &history);
        assert!(acted(&plan).is_some(), "{plan:?}");
    }
}

/// Over all changes in place: `Manual` holds back just what `Automatic` would do, and its approval lets just that through.
#[test]
fn manual_holds_back_what_automatic_does_and_nothing_else() {
    let mut held = 0;
    for case in update::Case::all() {
        let (desired, observed, history) = case.situation();
        let automatic = decide(&desired, &observed, &history);
        let manual = Desired { approval: Approval::Manual, ..desired };
        let plan = decide(&manual, &observed, &history);
        let Plan::Act(change) = automatic else {
            assert_eq!(plan, automatic, "{case:?}");
            continue;
        };
        let Plan::Wait { reason: Reason::ApprovalRequired, pending: Some(pending), .. } = plan else {
            panic!("{case:?}: {plan:?}")
        };
        assert_eq!(pending.change, change, "{case:?}");
        let stale = Desired { approved: Some("0000beef".into()), ..manual.clone() };
        assert!(acted(&decide(&stale, &observed, &history)).is_none(), "{case:?}");
        let approved = Desired { approved: pending.hash, ..manual };
        assert_eq!(decide(&approved, &observed, &history), Plan::Act(change), "{case:?}");
        held += 1;
    }
    assert!(held > 200, "{held}");
}

/// The flags are about buying and deleting, and about nothing else.
#[test]
fn a_change_in_place_needs_no_flag() {
    for case in update::Case::all() {
        let (desired, observed, history) = case.situation();
        let without = decide_with(Permits::default(), &desired, &observed, &history);
        assert_eq!(without, decide(&desired, &observed, &history), "{case:?}");
    }
}

#[test]
fn a_flag_that_is_missing_is_named() {
    let buying =
        Observed { model: WantedModel::Arn(ModelArn::from_aws(BASE)), ..look(BEFORE_THE_CALL, Sighting::Missing) };
    let going = Desired { deletion: DeletionPolicy::Delete, is_going: true, ..super::buying() };
    let deleting = Observed { tags: Some(owner().tags()), ..there() };
    let none = Permits::default();
    for (permits, desired, observed, expected, flag) in [
        (none, &super::buying(), &buying, Reason::CreateNotAllowed, "--allow-create"),
        (Permits { delete: true, ..none }, &super::buying(), &buying, Reason::CreateNotAllowed, "--allow-create"),
        (none, &going, &deleting, Reason::DeleteNotAllowed, "--allow-delete"),
        (Permits { create: true, ..none }, &going, &deleting, Reason::DeleteNotAllowed, "--allow-delete"),
    ] {
        let plan = decide_with(permits, desired, observed, &History::default());
        let Plan::Refuse { reason, message, pending: Some(pending) } = &plan else { panic!("{plan:?}") };
        assert_eq!(*reason, expected);
        assert_eq!(pending.waiting_for, WaitingFor::OperatorFlag);
        assert!(message.contains(flag), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is due, one plan has one hash, and two plans have two.
    #[test]
    fn two_plans_have_two_hashes(
        one in ("[a-z]{1,8}", "[a-z0-9]{8}", 0_i64..4, "[a-z]{1,3}"),
        other in ("[a-z]{1,8}", "[a-z0-9]{8}", 0_i64..4, "[a-z]{1,3}"),
    ) {
        let of = |(to, uid, accepted, team): &(String, String, i64, String)| {
            // Tags come first where both differ, so that the name counts only where the tag is there.
            let desired = Desired {
                uid: uid.clone(),
                tags: BTreeMap::from([("team".to_owned(), team.clone()), ("to".to_owned(), to.clone())]),
                ..renaming("old")
            };
            let observed = Observed { tags: Some(BTreeMap::new()), ..there() };
            hash(&desired, &observed, &History { accepted_at: Some(at(*accepted)), ..History::default() })
        };
        prop_assert_eq!(of(&one), of(&one));
        prop_assert_eq!(of(&one) == of(&other), one == other);
    }
}
