//! Changes in place, over the whole product of situations.

use super::*;
use crate::crd::PlanAction;

/// What the manifest says of the model, against what AWS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    NotManaged,
    Same,
    Sibling,
    SiblingInTheMaking,
    SiblingThatFailed,
    SiblingOfUnknownBase,
    Base,
    Stranger,
    OtherBase,
    Gone,
}

impl Wants {
    const ALL: [Self; 10] = [
        Self::NotManaged,
        Self::Same,
        Self::Sibling,
        Self::SiblingInTheMaking,
        Self::SiblingThatFailed,
        Self::SiblingOfUnknownBase,
        Self::Base,
        Self::Stranger,
        Self::OtherBase,
        Self::Gone,
    ];

    fn differs(self) -> bool {
        !matches!(self, Self::NotManaged | Self::Same | Self::Gone)
    }

    fn arn(self, serves: Serves) -> Option<&'static str> {
        match self {
            Self::NotManaged | Self::Gone => None,
            Self::Same => Some(serves.arn()),
            Self::Sibling | Self::SiblingInTheMaking | Self::SiblingThatFailed | Self::SiblingOfUnknownBase => {
                Some(SIBLING)
            }
            // To a throughput on the base model, another variant of it is what a base model can differ by.
            Self::Base => Some(match serves {
                Serves::Custom => BASE,
                Serves::Foundation => "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k",
            }),
            Self::Stranger => Some(STRANGER),
            Self::OtherBase => Some(OTHER_BASE),
        }
    }

    fn model(self, serves: Serves) -> WantedModel {
        let custom = |arn: &str, base: Option<&str>, status| WantedModel::Custom {
            model: CustomModel { arn: ModelArn::from_aws(arn), base: base.map(ModelArn::from_aws), status },
            foundation: base.map(ModelArn::from_aws),
        };
        match self {
            Self::NotManaged => WantedModel::NotManaged,
            Self::Same | Self::Base | Self::OtherBase => {
                WantedModel::Arn(ModelArn::from_aws(self.arn(serves).unwrap()))
            }
            Self::Sibling => custom(SIBLING, Some(BASE), Some(ModelStatus::Active)),
            Self::SiblingInTheMaking => custom(SIBLING, Some(BASE), Some(ModelStatus::Creating)),
            Self::SiblingThatFailed => custom(SIBLING, Some(BASE), Some(ModelStatus::Failed)),
            Self::SiblingOfUnknownBase => custom(SIBLING, None, None),
            Self::Stranger => custom(STRANGER, Some(OTHER_BASE), Some(ModelStatus::Active)),
            Self::Gone => WantedModel::Missing,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    Custom,
    Foundation,
}

impl Serves {
    fn arn(self) -> &'static str {
        match self {
            Self::Custom => SERVED,
            Self::Foundation => BASE,
        }
    }
}

/// What is known of an earlier call that asked for just what is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    LookedBefore,
    Lagging,
    CaughtUp,
}

/// One situation out of the whole product.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) policy: ManagementPolicy,
    status: ThroughputStatus,
    name_differs: bool,
    wants: Wants,
    serves: Serves,
    call: Open,
    answered: bool,
    pub(crate) requested: bool,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let statuses = [
            ThroughputStatus::Creating,
            ThroughputStatus::InService,
            ThroughputStatus::Updating,
            ThroughputStatus::Failed,
            ThroughputStatus::Other("Resting".into()),
        ];
        let mut all = Vec::new();
        for policy in ManagementPolicy::ALL {
            for status in &statuses {
                for name_differs in [false, true] {
                    for wants in Wants::ALL {
                        for serves in [Serves::Custom, Serves::Foundation] {
                            for call in [Open::None, Open::LookedBefore, Open::Lagging, Open::CaughtUp] {
                                for answered in [false, true] {
                                    for requested in [false, true] {
                                        let status = status.clone();
                                        all.push(Self {
                                            policy,
                                            status,
                                            name_differs,
                                            wants,
                                            serves,
                                            call,
                                            answered,
                                            requested,
                                        });
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        all
    }

    fn due(&self) -> Update {
        Update {
            name: self.name_differs.then(|| name("new")),
            model: self.wants.arn(self.serves).filter(|_| self.wants.differs()).map(ModelArn::from_aws),
        }
    }

    pub(crate) fn situation(&self) -> (Desired, Observed, History) {
        let is_owner = self.policy == ManagementPolicy::Full;
        let desired = Desired {
            policy: self.policy,
            name: Some(name(if self.name_differs { "new" } else { "old" })),
            model: self.wants.arn(self.serves).map(|arn| ModelIdentifier::parse(arn).unwrap()),
            requested: self.requested.then(|| "now".to_owned()),
            ..desired()
        };
        let looked_at = match self.call {
            Open::None | Open::LookedBefore => BEFORE_THE_CALL,
            Open::Lagging => LAGGING,
            Open::CaughtUp => CAUGHT_UP,
        };
        let seen = Sighting::Found(Throughput { status: self.status.clone(), ..throughput(self.serves.arn()) });
        let observed = Observed {
            tags: is_owner.then(|| owner().tags()),
            model: self.wants.model(self.serves),
            ..look(looked_at, seen)
        };
        let answer = if self.answered { accepted() } else { Answer::Missing };
        let last_call =
            (self.call != Open::None && !self.due().is_empty()).then(|| open(Call::Update(self.due()), answer));
        (desired, observed, History { last_call, ..History::default() })
    }

    fn plan(&self) -> Plan {
        let (desired, observed, history) = self.situation();
        decide(&desired, &observed, &history)
    }

    fn busy(&self) -> bool {
        !matches!(self.status, ThroughputStatus::InService | ThroughputStatus::Failed)
    }

    /// The reason for which AWS would refuse the change, or has not yet what it needs.
    fn illegal(&self) -> Option<Reason> {
        match (self.serves, self.wants) {
            (_, Wants::NotManaged | Wants::Same) => None,
            (_, Wants::Gone) => Some(Reason::ModelNotFound),
            (Serves::Foundation, _) => Some(Reason::ModelFixed),
            (Serves::Custom, Wants::Sibling | Wants::SiblingOfUnknownBase | Wants::Base) => None,
            (Serves::Custom, Wants::SiblingInTheMaking) => Some(Reason::ModelNotReady),
            (Serves::Custom, Wants::SiblingThatFailed) => Some(Reason::ModelFailed),
            (Serves::Custom, Wants::Stranger | Wants::OtherBase) => Some(Reason::NotSibling),
        }
    }
}

/// The Update in a plan, and why it is made.
fn update_of(change: &Change) -> &Update {
    match &change.call {
        Call::Update(update) => update,
        call @ (Call::Create(_) | Call::Tag(_) | Call::Delete) => panic!("{call:?}"),
    }
}

#[test]
fn the_whole_product() {
    let mut updates = 0;
    for case in Case::all() {
        let plan = case.plan();
        let due = case.due();
        let open = case.call != Open::None && !due.is_empty();
        let unsettled = open && case.call != Open::CaughtUp;
        // Accepted, and nothing to be seen of it.
        let came_to_nothing = open
            && case.answered
            && case.status == ThroughputStatus::InService
            && case.policy != ManagementPolicy::Observe
            && !case.requested;
        // The order of the rules, written once more and from the outside.
        match &plan {
            Plan::Wait { .. } if case.busy() => {}
            _ if case.busy() => panic!("{case:?}: AWS is at work, and the plan is {plan:?}"),
            Plan::Settle { .. } if unsettled && case.status != ThroughputStatus::Failed => {}
            _ if unsettled && case.status != ThroughputStatus::Failed => panic!("{case:?}: {plan:?}"),
            Plan::Refuse { reason: Reason::ModelNotFound, .. } if case.wants == Wants::Gone => {}
            _ if case.wants == Wants::Gone => panic!("{case:?}: {plan:?}"),
            Plan::Refuse { reason: Reason::Failed, .. }
                if case.status == ThroughputStatus::Failed && due.is_empty() => {}
            _ if case.status == ThroughputStatus::Failed && due.is_empty() => panic!("{case:?}: {plan:?}"),
            Plan::Settle { .. } if unsettled => {}
            _ if unsettled => panic!("{case:?}: a call is open, and the plan is {plan:?}"),
            Plan::Nothing if due.is_empty() => {}
            _ if due.is_empty() => panic!("{case:?}: nothing differs, and the plan is {plan:?}"),
            Plan::Refuse { reason: Reason::UpdateFailed, .. } if came_to_nothing => {}
            _ if came_to_nothing => panic!("{case:?}: {plan:?}"),
            Plan::Refuse { reason, pending, .. } | Plan::Wait { reason, pending, .. }
                if case.illegal() == Some(*reason) =>
            {
                // A refused model holds back the rename.
                assert_eq!(pending.as_ref().map(|pending| update_of(&pending.change)), Some(&due), "{case:?}");
            }
            _ if case.illegal().is_some() => panic!("{case:?}: {plan:?}"),
            Plan::Leave { pending } if case.policy == ManagementPolicy::Observe => {
                assert_eq!(update_of(&pending.change), &due, "{case:?}");
            }
            Plan::Act(change) if case.policy != ManagementPolicy::Observe => {
                assert_eq!(update_of(change), &due, "{case:?}");
                updates += 1;
            }
            plan => panic!("{case:?}: {plan:?}"),
        }
    }
    assert!(updates > 200, "{updates}");
}

#[test]
fn a_case_for_each_policy_and_status_is_in_the_product() {
    let all = Case::all();
    assert_eq!(all.len(), 3 * 5 * 2 * 10 * 2 * 4 * 2 * 2);
}

fn to_sibling() -> Update {
    Update { name: None, model: Some(ModelArn::from_aws(SIBLING)) }
}

fn rename() -> Update {
    Update { name: Some(name("new")), model: None }
}

/// A change that AWS accepted and that failed, in every form that AWS may give to it.
#[test]
fn a_failed_change_is_not_repeated_until_a_person_asks() {
    let failed = |status, desired_model: &str, message: Option<&str>, modified| Throughput {
        status,
        desired_model_arn: ModelArn::from_aws(desired_model),
        failure_message: message.map(str::to_owned),
        last_modified_time: at(modified),
        ..throughput(SERVED)
    };
    let after = CALLED + 60;
    let forms = [
        failed(ThroughputStatus::Failed, SERVED, Some("no capacity"), after),
        failed(ThroughputStatus::Failed, SIBLING, Some("no capacity"), after),
        failed(ThroughputStatus::InService, SERVED, Some("no capacity"), after),
        failed(ThroughputStatus::InService, SIBLING, Some("no capacity"), after),
        // AWS's clock is behind ours: the change of its time tells.
        failed(ThroughputStatus::Failed, SERVED, Some("no capacity"), CALLED - 5),
        // Back to the old model without a word: having seen AWS at work on it tells.
        failed(ThroughputStatus::InService, SERVED, None, after),
        // And still asking for the new one.
        failed(ThroughputStatus::InService, SIBLING, None, after),
    ];
    for form in forms {
        for requested in [None, Some("again".to_owned())] {
            let desired = Desired {
                model: Some(ModelIdentifier::parse(SIBLING).unwrap()),
                requested: requested.clone(),
                ..desired()
            };
            let observed = Observed {
                model: Wants::Sibling.model(Serves::Custom),
                ..look(after + 60, Sighting::Found(form.clone()))
            };
            let history = History {
                last_call: Some(open(Call::Update(to_sibling()), accepted())),
                saw_updating: form.failure_message.is_none(),
                modified: Some(at(100)),
                ..History::default()
            };
            match (requested, decide(&desired, &observed, &history)) {
                (None, Plan::Refuse { reason: Reason::UpdateFailed, message, .. }) => {
                    assert!(form.failure_message.is_none() || message.contains("no capacity"), "{message}");
                }
                (Some(_), Plan::Act(change)) => assert_eq!(update_of(&change), &to_sibling()),
                (requested, plan) => panic!("{form:?}, {requested:?}: {plan:?}"),
            }
        }
    }
}

#[test]
fn a_manifest_that_goes_back_while_a_call_is_open_is_not_taken_for_done() {
    let history = History { last_call: Some(open(Call::Update(rename()), accepted())), ..History::default() };
    let desired = Desired { name: Some(name("old")), ..desired() };
    let decided = |second| decide(&desired, &look(second, Sighting::Found(throughput(SERVED))), &history);
    assert!(matches!(decided(LAGGING), Plan::Settle { .. }));
    assert!(matches!(decided(CAUGHT_UP), Plan::Nothing));
}

#[test]
fn drift_is_told_from_a_change_of_the_manifest() {
    let desired = Desired { name: Some(name("new")), ..desired() };
    let observed = look(0, Sighting::Found(throughput(SERVED)));
    for (synced, cause) in [(true, ChangeCause::Drift), (false, ChangeCause::Manifest)] {
        let history = History { synced, ..History::default() };
        let plan = decide(&desired, &observed, &history);
        let change = acted(&plan).unwrap_or_else(|| panic!("{plan:?}"));
        assert_eq!(change.cause, cause);
    }
}

#[test]
fn a_throughput_that_is_not_there_is_not_made() {
    for sighting in [Sighting::Missing, Sighting::Ambiguous(vec![arn()])] {
        let desired = Desired { name: Some(name("new")), ..desired() };
        let plan = decide(&desired, &look(0, sighting), &History::default());
        assert!(matches!(plan, Plan::Refuse { reason: Reason::NotFound | Reason::AmbiguousName, .. }), "{plan:?}");
    }
}

#[test]
fn a_move_to_the_base_model_says_that_there_may_be_no_way_back() {
    let case = Case {
        policy: ManagementPolicy::Update,
        status: ThroughputStatus::InService,
        name_differs: false,
        wants: Wants::Base,
        serves: Serves::Custom,
        call: Open::None,
        answered: false,
        requested: false,
    };
    let plan = case.plan();
    let change = acted(&plan).unwrap();
    assert!(change.message.contains("may not let a throughput go back"), "{}", change.message);
    assert!(change.consequence.contains("may not be possible to undo"), "{}", change.consequence);
}

/// A call that AWS was slow to take: looks lag behind the moment when it was over, not when it was sent.
#[test]
fn a_look_shows_nothing_until_reads_have_caught_up_with_the_end_of_the_call() {
    let call = LastCall { over_at: at(CALLED + 30), ..open(Call::Update(rename()), Answer::Missing) };
    let history = History { last_call: Some(call), ..History::default() };
    let desired = Desired { name: Some(name("new")), ..desired() };
    for (second, settles) in [(CAUGHT_UP, true), (CAUGHT_UP + 29, true), (CAUGHT_UP + 30, false)] {
        let plan = decide(&desired, &look(second, Sighting::Found(throughput(SERVED))), &history);
        assert_eq!(matches!(plan, Plan::Settle { .. }), settles, "{second}: {plan:?}");
    }
}

/// A change that failed counts for the manifest that asked for it.
#[test]
fn what_failed_is_tried_again_for_another_manifest_and_after_a_try_that_aws_did_not_take() {
    let failed = Throughput {
        status: ThroughputStatus::Failed,
        failure_message: Some("no capacity".into()),
        last_modified_time: at(CALLED + 60),
        ..throughput(SERVED)
    };
    let observed =
        Observed { model: Wants::Sibling.model(Serves::Custom), ..look(CALLED + 120, Sighting::Found(failed)) };
    let update = Some(PlanAction::Update);
    let others = [PlanAction::Create, PlanAction::Tag, PlanAction::Delete].map(|other| (1, Some(other), false));
    for (generation, retrying, repeated) in
        [(1, None, false), (3, None, true), (1, update, true)].into_iter().chain(others)
    {
        let desired = Desired {
            model: Some(ModelIdentifier::parse(SIBLING).unwrap()),
            generation: Some(generation),
            ..desired()
        };
        let last_call = Some(open(Call::Update(to_sibling()), accepted()));
        let plan = decide(&desired, &observed, &History { last_call, retrying, ..History::default() });
        assert_eq!(acted(&plan).is_some(), repeated, "{generation}, {retrying:?}: {plan:?}");
        assert_eq!(reason(&plan) == Some(Reason::UpdateFailed), !repeated, "{plan:?}");
    }
}
