//! What counts only when a throughput is bought, and is another now.

use super::*;

/// A throughput of two units under a commitment of a month.
fn committed() -> Throughput {
    Throughput {
        model_units: 2,
        desired_model_units: 2,
        commitment_duration: Some("OneMonth".into()),
        ..throughput(SERVED)
    }
}

fn wanting(units: Option<i32>, commitment: Option<CommitmentDuration>) -> Desired {
    Desired { units, commitment, ..desired() }
}

fn decided(desired: &Desired, throughput: Throughput) -> Plan {
    decide(desired, &look(0, Sighting::Found(throughput)), &History::default())
}

#[test]
fn a_difference_is_told_and_nothing_is_asked_for() {
    let month = Some(CommitmentDuration::OneMonth);
    let six = Some(CommitmentDuration::SixMonths);
    for units in [None, Some(2), Some(3)] {
        for commitment in [None, month, six] {
            let plan = decided(&wanting(units, commitment), committed());
            let differs = units == Some(3) || commitment == six;
            if !differs {
                assert_eq!(plan, Plan::Nothing, "{units:?} {commitment:?}");
                continue;
            }
            let Plan::Refuse { reason: Reason::CannotChange, message, pending: None } = &plan else {
                panic!("{units:?} {commitment:?}: {plan:?}")
            };
            assert_eq!(message.contains("modelUnits is 3"), units == Some(3), "{message}");
            assert_eq!(message.contains("commitmentDuration is SixMonths"), commitment == six, "{message}");
            assert!(message.contains("neither its model units nor its commitment"), "{message}");
        }
    }
}

#[test]
fn no_commitment_at_aws_differs_from_one_in_the_manifest() {
    let plan = decided(&wanting(None, Some(CommitmentDuration::OneMonth)), throughput(SERVED));
    let Plan::Refuse { reason: Reason::CannotChange, message, .. } = &plan else { panic!("{plan:?}") };
    assert!(message.contains("no commitment"), "{message}");
}

/// `desiredModelUnits` only comes out of AWS: a console may be at work.
#[test]
fn units_that_aws_is_moving_to_count_as_there() {
    let moving = Throughput { desired_model_units: 3, ..committed() };
    assert_eq!(decided(&wanting(Some(3), None), moving), Plan::Nothing);
}

#[test]
fn it_holds_nothing_else_back() {
    let differing = wanting(Some(3), Some(CommitmentDuration::SixMonths));
    let renamed = Desired { name: Some(name("new")), ..differing.clone() };
    let change = decided(&renamed, committed());
    assert!(matches!(acted(&change).map(|change| &change.call), Some(Call::Update(_))), "{change:?}");
    let tagged = Desired { tags: BTreeMap::from([("team".to_owned(), "search".to_owned())]), ..differing.clone() };
    let observed = Observed { tags: Some(BTreeMap::new()), ..look(0, Sighting::Found(committed())) };
    let change = decide(&tagged, &observed, &History::default());
    assert!(matches!(acted(&change).map(|change| &change.call), Some(Call::Tag(_))), "{change:?}");
    // Nor does it hide that AWS is at work, or that the throughput has failed.
    for (status, expected) in
        [(ThroughputStatus::Updating, Reason::Updating), (ThroughputStatus::Failed, Reason::Failed)]
    {
        let plan = decided(&differing, Throughput { status, ..committed() });
        assert_eq!(reason(&plan), Some(expected), "{plan:?}");
    }
    // Nor the deletion.
    let going =
        Desired { deletion: DeletionPolicy::Delete, is_going: true, units: Some(3), commitment: None, ..buying() };
    let observed = Observed { tags: Some(owner().tags()), ..look(0, Sighting::Found(committed())) };
    let plan = decide(&going, &observed, &History::default());
    assert!(matches!(acted(&plan).map(|change| &change.call), Some(Call::Delete)), "{plan:?}");
}

/// Over all changes in place: a difference that cannot be changed only takes the place of "nothing to do".
#[test]
fn it_is_told_only_where_nothing_else_is() {
    for case in update::Case::all() {
        let (desired, observed, history) = case.situation();
        let as_bought = decide(&desired, &observed, &history);
        let plan = decide(&Desired { units: Some(7), ..desired }, &observed, &history);
        match as_bought {
            Plan::Nothing => assert_eq!(reason(&plan), Some(Reason::CannotChange), "{case:?}: {plan:?}"),
            _ => assert_eq!(plan, as_bought, "{case:?}"),
        }
    }
}
