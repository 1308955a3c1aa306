//! The decision over the whole product of situations.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{
    desired::Identity,
    history::{Answer, LastCall},
    identifiers::{ModelIdentifier, ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region},
    observed::CustomModel,
};

pub(crate) const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";
pub(crate) const BASE: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const OTHER_BASE: &str = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-1-8b-instruct-v1:0:128k";
pub(crate) const SERVED: &str =
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/aaaaaaaaaaaa";
const SIBLING: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/bbbbbbbbbbbb";
const STRANGER: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/meta.llama3-1-8b/cccccccccccc";

/// How long after the call at [`CALLED`] reads have caught up.
pub(crate) const READ_LAG: Duration = Duration::from_secs(15);

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const BEFORE_THE_CALL: i64 = 900;
const CALLED: i64 = 1000;
const LAGGING: i64 = 1010;
const CAUGHT_UP: i64 = 1015;

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
enum Call {
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
    call: Call,
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
                            for call in [Call::None, Call::LookedBefore, Call::Lagging, Call::CaughtUp] {
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

    fn due(&self) -> UpdateRequest {
        UpdateRequest {
            desired_provisioned_model_name: self.name_differs.then(|| "new".to_owned()),
            desired_model_id: self.wants.arn(self.serves).filter(|_| self.wants.differs()).map(str::to_owned),
        }
    }

    pub(crate) fn situation(&self) -> (Desired, Observed, History) {
        let desired = Desired {
            policy: self.policy,
            name: Some(name(if self.name_differs { "new" } else { "old" })),
            model: self.wants.arn(self.serves).map(|arn| ModelIdentifier::parse(arn).unwrap()),
            requested: self.requested.then(|| "now".to_owned()),
            ..desired()
        };
        let looked_at = match self.call {
            Call::None | Call::LookedBefore => BEFORE_THE_CALL,
            Call::Lagging => LAGGING,
            Call::CaughtUp => CAUGHT_UP,
        };
        let observed = Observed {
            looked_at: at(looked_at),
            throughput: Sighting::Found(Throughput { status: self.status.clone(), ..throughput(self.serves.arn()) }),
            model: self.wants.model(self.serves),
        };
        let answer = if self.answered { Answer::Accepted { request_id: None } } else { Answer::Missing };
        let last_call = (self.call != Call::None && !self.due().is_empty()).then(|| LastCall {
            sent_at: at(CALLED),
            over_at: at(CALLED),
            generation: Some(1),
            request: self.due(),
            from: UpdateRequest::default(),
            cause: UpdateCause::Manifest,
            answer,
        });
        (desired, observed, History { last_call, ..History::default() })
    }

    fn plan(&self) -> Plan {
        let (desired, observed, history) = self.situation();
        plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG })
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

fn name(name: &str) -> ProvisionedModelName {
    ProvisionedModelName::parse(name).unwrap()
}

pub(crate) fn desired() -> Desired {
    Desired {
        identity: Identity {
            bound: None,
            id: ProvisionedModelId::Arn(ProvisionedModelArn::from_aws(ARN)),
            fallback: None,
        },
        name: None,
        model: None,
        region: Region::parse("us-east-1").unwrap(),
        policy: ManagementPolicy::Update,
        interval: Duration::from_mins(5),
        suspend: false,
        generation: Some(1),
        requested: None,
    }
}

pub(crate) fn throughput(model: &str) -> Throughput {
    Throughput {
        arn: ProvisionedModelArn::from_aws(ARN),
        name: name("old"),
        status: ThroughputStatus::InService,
        model_arn: ModelArn::from_aws(model),
        desired_model_arn: ModelArn::from_aws(model),
        foundation_model_arn: ModelArn::from_aws(BASE),
        model_units: 1,
        desired_model_units: 1,
        commitment_duration: None,
        commitment_expiration_time: None,
        creation_time: at(0),
        last_modified_time: at(100),
        failure_message: None,
    }
}

#[test]
fn the_whole_product() {
    let mut updates = 0;
    for case in Case::all() {
        let plan = case.plan();
        let due = case.due();
        let open = case.call != Call::None && !due.is_empty();
        let unsettled = open && case.call != Call::CaughtUp;
        // Accepted, and nothing to be seen of it.
        let came_to_nothing = open
            && case.answered
            && case.status == ThroughputStatus::InService
            && case.policy == ManagementPolicy::Update
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
                assert_eq!(pending.as_ref().map(|update| &update.request), Some(&due), "{case:?}");
            }
            _ if case.illegal().is_some() => panic!("{case:?}: {plan:?}"),
            Plan::Leave { pending } if case.policy == ManagementPolicy::Observe => {
                assert_eq!(pending.request, due, "{case:?}");
            }
            Plan::Update(update) if case.policy == ManagementPolicy::Update => {
                assert_eq!(update.request, due, "{case:?}");
                updates += 1;
            }
            plan => panic!("{case:?}: {plan:?}"),
        }
    }
    assert!(updates > 100, "{updates}");
}

#[test]
fn a_case_for_each_policy_and_status_is_in_the_product() {
    let all = Case::all();
    assert_eq!(all.len(), 2 * 5 * 2 * 10 * 2 * 4 * 2 * 2);
}

/// A change that AWS accepted and that failed, in every form that AWS may give to it.
#[test]
fn a_failed_change_is_not_repeated_until_a_person_asks() {
    let sibling = UpdateRequest { desired_model_id: Some(SIBLING.into()), ..UpdateRequest::default() };
    let accepted = LastCall {
        sent_at: at(CALLED),
        over_at: at(CALLED),
        generation: Some(1),
        request: sibling.clone(),
        from: UpdateRequest::default(),
        cause: UpdateCause::Manifest,
        answer: Answer::Accepted { request_id: None },
    };
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
                looked_at: at(after + 60),
                throughput: Sighting::Found(form.clone()),
                model: Wants::Sibling.model(Serves::Custom),
            };
            let history = History {
                last_call: Some(accepted.clone()),
                saw_updating: form.failure_message.is_none(),
                modified: Some(at(100)),
                ..History::default()
            };
            let plan =
                plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
            match (requested, plan) {
                (None, Plan::Refuse { reason: Reason::UpdateFailed, message, .. }) => {
                    assert!(form.failure_message.is_none() || message.contains("no capacity"), "{message}");
                }
                (Some(_), Plan::Update(update)) => assert_eq!(update.request, sibling),
                (requested, plan) => panic!("{form:?}, {requested:?}: {plan:?}"),
            }
        }
    }
}

#[test]
fn a_manifest_that_goes_back_while_a_call_is_open_is_not_taken_for_done() {
    let rename = UpdateRequest { desired_provisioned_model_name: Some("new".into()), ..UpdateRequest::default() };
    let history = History {
        last_call: Some(LastCall {
            sent_at: at(CALLED),
            over_at: at(CALLED),
            generation: Some(1),
            request: rename,
            from: UpdateRequest::default(),
            cause: UpdateCause::Manifest,
            answer: Answer::Accepted { request_id: None },
        }),
        ..History::default()
    };
    let desired = Desired { name: Some(name("old")), ..desired() };
    let look = |second| Observed {
        looked_at: at(second),
        throughput: Sighting::Found(throughput(SERVED)),
        model: WantedModel::NotManaged,
    };
    let decide =
        |observed: &Observed| plan(&Situation { desired: &desired, observed, history: &history, read_lag: READ_LAG });
    assert!(matches!(decide(&look(LAGGING)), Plan::Settle { .. }));
    assert!(matches!(decide(&look(CAUGHT_UP)), Plan::Nothing));
}

#[test]
fn drift_is_told_from_a_change_of_the_manifest() {
    let desired = Desired { name: Some(name("new")), ..desired() };
    let observed =
        Observed { looked_at: at(0), throughput: Sighting::Found(throughput(SERVED)), model: WantedModel::NotManaged };
    for (synced, cause) in [(true, UpdateCause::Drift), (false, UpdateCause::Manifest)] {
        let history = History { synced, ..History::default() };
        let plan = plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
        let Plan::Update(update) = plan else { panic!("{plan:?}") };
        assert_eq!(update.cause, cause);
    }
}

#[test]
fn a_throughput_that_is_not_there_is_not_made() {
    for sighting in [Sighting::Missing, Sighting::Ambiguous(vec![ProvisionedModelArn::from_aws(ARN)])] {
        let desired = Desired { name: Some(name("new")), ..desired() };
        let observed = Observed { looked_at: at(0), throughput: sighting, model: WantedModel::NotManaged };
        let history = History::default();
        let plan = plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
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
        call: Call::None,
        answered: false,
        requested: false,
    };
    let Plan::Update(update) = case.plan() else { panic!() };
    assert!(update.message.contains("may not let a throughput go back"), "{}", update.message);
}

/// A call that AWS was slow to take: looks lag behind the moment when it was over, not when it was sent.
#[test]
fn a_look_shows_nothing_until_reads_have_caught_up_with_the_end_of_the_call() {
    let rename = UpdateRequest { desired_provisioned_model_name: Some("new".into()), ..UpdateRequest::default() };
    let history = History {
        last_call: Some(LastCall {
            sent_at: at(CALLED),
            over_at: at(CALLED + 30),
            generation: Some(1),
            request: rename,
            from: UpdateRequest::default(),
            cause: UpdateCause::Manifest,
            answer: Answer::Missing,
        }),
        ..History::default()
    };
    let desired = Desired { name: Some(name("new")), ..desired() };
    for (second, settles) in [(CAUGHT_UP, true), (CAUGHT_UP + 29, true), (CAUGHT_UP + 30, false)] {
        let observed = Observed {
            looked_at: at(second),
            throughput: Sighting::Found(throughput(SERVED)),
            model: WantedModel::NotManaged,
        };
        let plan = plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
        assert_eq!(matches!(plan, Plan::Settle { .. }), settles, "{second}: {plan:?}");
    }
}

/// A change that failed counts for the manifest that asked for it.
#[test]
fn what_failed_is_tried_again_for_another_manifest_and_after_a_try_that_aws_did_not_take() {
    let sibling = UpdateRequest { desired_model_id: Some(SIBLING.into()), ..UpdateRequest::default() };
    let failed = Throughput {
        status: ThroughputStatus::Failed,
        failure_message: Some("no capacity".into()),
        last_modified_time: at(CALLED + 60),
        ..throughput(SERVED)
    };
    let observed = Observed {
        looked_at: at(CALLED + 120),
        throughput: Sighting::Found(failed),
        model: Wants::Sibling.model(Serves::Custom),
    };
    for (generation, retrying, repeated) in [(1, false, false), (3, false, true), (1, true, true)] {
        let desired = Desired {
            model: Some(ModelIdentifier::parse(SIBLING).unwrap()),
            generation: Some(generation),
            ..desired()
        };
        let history = History {
            last_call: Some(LastCall {
                sent_at: at(CALLED),
                over_at: at(CALLED),
                generation: Some(1),
                request: sibling.clone(),
                from: UpdateRequest::default(),
                cause: UpdateCause::Manifest,
                answer: Answer::Accepted { request_id: None },
            }),
            retrying,
            ..History::default()
        };
        let plan = plan(&Situation { desired: &desired, observed: &observed, history: &history, read_lag: READ_LAG });
        assert_eq!(matches!(plan, Plan::Update(_)), repeated, "{generation}, {retrying}: {plan:?}");
        assert_eq!(matches!(plan, Plan::Refuse { reason: Reason::UpdateFailed, .. }), !repeated, "{plan:?}");
    }
}
