//! Objects that are being deleted, over the whole product of situations.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Nothing,
    Several,
    AnothersOfThatName,
    Its(Status),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Creating,
    InService,
    Updating,
    Failed,
    Other,
}

impl Status {
    fn is_busy(self) -> bool {
        !matches!(self, Self::InService | Self::Failed)
    }

    fn at_aws(self) -> ThroughputStatus {
        match self {
            Self::Creating => ThroughputStatus::Creating,
            Self::InService => ThroughputStatus::InService,
            Self::Updating => ThroughputStatus::Updating,
            Self::Failed => ThroughputStatus::Failed,
            Self::Other => ThroughputStatus::Other("Resting".into()),
        }
    }
}

/// What its tags say of whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owned {
    Nobody,
    This,
    Another,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commitment {
    None,
    Running,
    Over,
}

/// The call that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    None,
    Delete(Stage),
    Create(Stage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    UnansweredLagging,
    UnansweredCaughtUp,
    AcceptedLagging,
    AcceptedCaughtUp,
}

impl Stage {
    const ALL: [Self; 4] =
        [Self::UnansweredLagging, Self::UnansweredCaughtUp, Self::AcceptedLagging, Self::AcceptedCaughtUp];

    fn lags(self) -> bool {
        matches!(self, Self::UnansweredLagging | Self::AcceptedLagging)
    }

    fn answer(self) -> Answer {
        match self {
            Self::UnansweredLagging | Self::UnansweredCaughtUp => Answer::Missing,
            Self::AcceptedLagging | Self::AcceptedCaughtUp => accepted(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Approved {
    Nothing,
    This,
    SomethingElse,
}

/// One situation out of the whole product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    policy: ManagementPolicy,
    deletion: DeletionPolicy,
    sees: Sees,
    owned: Owned,
    commitment: Commitment,
    earlier: Earlier,
    permitted: bool,
    approval: Approval,
    approved: Approved,
    requested: bool,
}

const POLICIES: [(ManagementPolicy, DeletionPolicy); 4] = [
    (ManagementPolicy::Full, DeletionPolicy::Delete),
    (ManagementPolicy::Full, DeletionPolicy::Retain),
    // Admission refuses it; an object from before that may have it.
    (ManagementPolicy::Update, DeletionPolicy::Delete),
    (ManagementPolicy::Observe, DeletionPolicy::Delete),
];

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let statuses = [Status::Creating, Status::InService, Status::Updating, Status::Failed, Status::Other];
        let sees: Vec<Sees> = [Sees::Nothing, Sees::Several, Sees::AnothersOfThatName]
            .into_iter()
            .chain(statuses.map(Sees::Its))
            .collect();
        let earlier: Vec<Earlier> = [Earlier::None]
            .into_iter()
            .chain(Stage::ALL.map(Earlier::Delete))
            .chain(Stage::ALL.map(Earlier::Create))
            .collect();
        let mut all = Vec::new();
        for (policy, deletion) in POLICIES {
            for &sees in &sees {
                for owned in [Owned::Nobody, Owned::This, Owned::Another] {
                    for commitment in [Commitment::None, Commitment::Running, Commitment::Over] {
                        for &earlier in &earlier {
                            for permitted in [false, true] {
                                for (approval, approved) in [
                                    (Approval::Automatic, Approved::Nothing),
                                    (Approval::Manual, Approved::Nothing),
                                    (Approval::Manual, Approved::This),
                                    (Approval::Manual, Approved::SomethingElse),
                                ] {
                                    for requested in [false, true] {
                                        all.push(Self {
                                            policy,
                                            deletion,
                                            sees,
                                            owned,
                                            commitment,
                                            earlier,
                                            permitted,
                                            approval,
                                            approved,
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

    pub(crate) fn permits(&self) -> Permits {
        Permits { create: true, delete: self.permitted }
    }

    pub(crate) fn situation(&self) -> (Desired, Observed, History) {
        let (desired, observed, history) = self.without_approval();
        let approved = match self.approved {
            Approved::Nothing => None,
            Approved::This => pending(&decide(&desired, &observed, &history)).and_then(|pending| pending.hash.clone()),
            Approved::SomethingElse => Some("0000beef".to_owned()),
        };
        (Desired { approved, ..desired }, observed, history)
    }

    fn without_approval(&self) -> (Desired, Observed, History) {
        let desired = Desired {
            identity: Identity { bound: Some(arn()), id: None, fallback: None },
            policy: self.policy,
            deletion: self.deletion,
            approval: self.approval,
            requested: self.requested.then(|| "now".to_owned()),
            is_going: true,
            ..buying()
        };
        let (looked_at, last_call) = match self.earlier {
            Earlier::None => (BEFORE_THE_CALL, None),
            Earlier::Delete(stage) => {
                (if stage.lags() { LAGGING } else { CAUGHT_UP }, Some(open(Call::Delete, stage.answer())))
            }
            Earlier::Create(stage) => {
                let create = Create {
                    token: UID.into(),
                    name: name("old"),
                    model: ModelArn::from_aws(SERVED),
                    units: 1,
                    commitment: None,
                    tags: owner().tags(),
                };
                (if stage.lags() { LAGGING } else { CAUGHT_UP }, Some(open(Call::Create(create), stage.answer())))
            }
        };
        let commitment_expiration_time = match self.commitment {
            Commitment::None => None,
            Commitment::Running => Some(at(looked_at + 1)),
            Commitment::Over => Some(at(looked_at)),
        };
        let there = Throughput { commitment_expiration_time, ..throughput(SERVED) };
        let sighting = match self.sees {
            Sees::Nothing => Sighting::Missing,
            Sees::Several => Sighting::Ambiguous(vec![arn(), ProvisionedModelArn::from_aws("another")]),
            Sees::AnothersOfThatName => Sighting::Taken(there),
            Sees::Its(status) => Sighting::Found(Throughput { status: status.at_aws(), ..there }),
        };
        let tags = match self.owned {
            Owned::Nobody => BTreeMap::from([("team".to_owned(), "search".to_owned())]),
            Owned::This => owner().tags(),
            Owned::Another => stranger().tags(),
        };
        let accepted = last_call.as_ref().is_some_and(|call| call.answer != Answer::Missing);
        let history = History { accepted_at: accepted.then(|| at(CALLED)), last_call, ..History::default() };
        (desired, Observed { tags: Some(tags), ..look(looked_at, sighting) }, history)
    }

    fn deletes(&self) -> bool {
        (self.policy, self.deletion) == (ManagementPolicy::Full, DeletionPolicy::Delete)
    }

    /// What has to come out, by the words of the API.
    fn expected(&self) -> Expected {
        let buying = matches!(self.earlier, Earlier::Create(stage) if stage.lags());
        match self.sees {
            _ if !self.deletes() => Expected::LetGo { is_deleted: false },
            Sees::Nothing | Sees::AnothersOfThatName if buying => Expected::Settle,
            Sees::Nothing => Expected::LetGo { is_deleted: true },
            Sees::AnothersOfThatName => Expected::LetGo { is_deleted: false },
            Sees::Several => Expected::Told(Reason::AmbiguousName),
            Sees::Its(_) if self.owned == Owned::Another => Expected::LetGo { is_deleted: false },
            Sees::Its(_) if self.owned == Owned::Nobody && self.may_be_unseen() => Expected::Settle,
            Sees::Its(_) if self.owned == Owned::Nobody => Expected::LetGo { is_deleted: false },
            Sees::Its(Status::Creating) => Expected::Told(Reason::Creating),
            Sees::Its(Status::Updating) => Expected::Told(Reason::Updating),
            Sees::Its(Status::Other) => Expected::Told(Reason::UnknownStatus),
            Sees::Its(Status::InService | Status::Failed) => match self.earlier {
                Earlier::Delete(stage) if stage.lags() => Expected::Settle,
                Earlier::Delete(Stage::AcceptedCaughtUp) if !self.requested => Expected::Told(Reason::DeleteFailed),
                Earlier::None | Earlier::Delete(_) | Earlier::Create(_) => self.due(),
            },
        }
    }

    /// Whether its tags may be there and not show yet.
    fn may_be_unseen(&self) -> bool {
        match self.earlier {
            Earlier::Create(stage) => stage.lags(),
            Earlier::Delete(stage) => stage.lags() && stage.answer() != Answer::Missing,
            Earlier::None => false,
        }
    }

    fn due(&self) -> Expected {
        if self.commitment == Commitment::Running {
            Expected::Told(Reason::CommitmentRunning)
        } else if !self.permitted {
            Expected::Told(Reason::DeleteNotAllowed)
        } else if self.approval == Approval::Manual && self.approved != Approved::This {
            Expected::Told(Reason::ApprovalRequired)
        } else {
            Expected::Delete
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Settle,
    Told(Reason),
    Delete,
    LetGo { is_deleted: bool },
}

#[test]
fn the_whole_product() {
    let (mut deleted, mut let_go) = (0, 0);
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let plan = decide_with(case.permits(), &desired, &observed, &history);
        let came = match &plan {
            Plan::Settle { .. } => Expected::Settle,
            Plan::Wait { reason, .. } | Plan::Refuse { reason, .. } => Expected::Told(*reason),
            Plan::Act(Change { call: Call::Delete, arn: Some(found), .. }) if found.as_str() == ARN => Expected::Delete,
            Plan::LetGo { is_deleted, .. } => Expected::LetGo { is_deleted: *is_deleted },
            Plan::Nothing | Plan::Leave { .. } | Plan::Act(_) => panic!("{case:?}: {plan:?}"),
        };
        assert_eq!(came, case.expected(), "{case:?}: {plan:?}");
        match came {
            Expected::Delete => deleted += 1,
            Expected::LetGo { .. } => let_go += 1,
            Expected::Settle | Expected::Told(_) => {}
        }
    }
    assert!(deleted > 20 && let_go > 1000, "{deleted}, {let_go}");
}

/// The promise itself, without the order of the rules.
#[test]
fn nothing_is_deleted_that_may_not_be() {
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let plan = decide_with(case.permits(), &desired, &observed, &history);
        let Some(change) = acted(&plan) else { continue };
        assert_eq!(change.call, Call::Delete, "{case:?}: nothing else is done for an object that goes");
        assert!(case.deletes() && case.permitted, "{case:?}");
        assert!(case.approval == Approval::Automatic || case.approved == Approved::This, "{case:?}");
        assert_eq!(case.owned, Owned::This, "{case:?}");
        assert_ne!(case.commitment, Commitment::Running, "{case:?}");
        assert!(matches!(case.sees, Sees::Its(status) if !status.is_busy()), "{case:?}");
    }
}

/// An object is let go only where a Delete would find nothing, or is not asked for, or is not this object's to make.
#[test]
fn an_object_is_let_go_exactly_when_nothing_is_left_to_do() {
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let plan = decide_with(case.permits(), &desired, &observed, &history);
        let is_there = match case.sees {
            Sees::Its(_) => case.owned == Owned::This || (case.owned == Owned::Nobody && case.may_be_unseen()),
            Sees::Several => true,
            Sees::Nothing | Sees::AnothersOfThatName => matches!(case.earlier, Earlier::Create(stage) if stage.lags()),
        };
        let is_left = case.deletes() && is_there;
        assert_eq!(matches!(plan, Plan::LetGo { .. }), !is_left, "{case:?}: {plan:?}");
    }
}

/// What belongs to an object is deleted only while it goes.
#[test]
fn nothing_is_deleted_for_an_object_that_stays() {
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let stays = Desired { is_going: false, ..desired };
        let plan = decide_with(case.permits(), &stays, &observed, &history);
        assert!(
            !matches!(plan, Plan::Act(Change { call: Call::Delete, .. }) | Plan::LetGo { .. }),
            "{case:?}: {plan:?}"
        );
        let due = pending(&plan).map(|pending| pending.change.call.action());
        assert_ne!(due, Some(crate::crd::PlanAction::Delete), "{case:?}: {plan:?}");
    }
}

#[test]
fn a_commitment_that_runs_is_told_with_its_end_and_the_way_out() {
    let end = at(BEFORE_THE_CALL + 60);
    let desired = Desired { deletion: DeletionPolicy::Delete, is_going: true, ..buying() };
    let committed = Throughput { commitment_expiration_time: Some(end), ..throughput(SERVED) };
    let observed = Observed { tags: Some(owner().tags()), ..look(BEFORE_THE_CALL, Sighting::Found(committed.clone())) };
    let plan = decide(&desired, &observed, &History::default());
    let Plan::Wait { reason, message, pending: Some(pending), until } = &plan else { panic!("{plan:?}") };
    assert_eq!((*reason, *until), (Reason::CommitmentRunning, Some(end)));
    assert_eq!(pending.waiting_for, WaitingFor::Commitment);
    assert!(message.contains(&end.to_string()) && message.contains("deletionPolicy: Retain"), "{message}");
    // At the end itself it is tried.
    let later = Observed { looked_at: end, ..observed };
    assert!(acted(&decide(&desired, &later, &History::default())).is_some());
    // `Retain` lets go at once.
    let retain = Desired { deletion: DeletionPolicy::Retain, ..desired };
    let plan = decide(&retain, &later, &History::default());
    assert!(matches!(plan, Plan::LetGo { is_deleted: false, .. }), "{plan:?}");
}

/// What the manifest names, and nobody has tagged, is deleted as the manifest says; what was bought is tagged.
#[test]
fn an_untagged_throughput_is_deleted_only_where_the_manifest_names_it() {
    let going = Desired { deletion: DeletionPolicy::Delete, is_going: true, ..buying() };
    let named = Desired { identity: desired().identity, ..going.clone() };
    for (desired, is_deleted) in [(&going, false), (&named, true)] {
        let observed = Observed { tags: Some(BTreeMap::new()), ..look(0, Sighting::Found(throughput(SERVED))) };
        let plan = decide(desired, &observed, &History::default());
        assert_eq!(acted(&plan).is_some(), is_deleted, "{plan:?}");
        // Tags that were not seen say nothing.
        let unseen = Observed { tags: None, ..observed };
        assert_eq!(acted(&decide(desired, &unseen, &History::default())), None);
    }
}
