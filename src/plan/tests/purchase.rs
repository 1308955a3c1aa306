//! Purchases, over the whole product of situations.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{conditions::Class, crd::PlanAction};

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Nothing,
    UntaggedOfThatName,
    AnothersOfThatName,
    ItsOwn,
    ItsOwnThatFailed,
}

impl Sees {
    const ALL: [Self; 5] =
        [Self::Nothing, Self::UntaggedOfThatName, Self::AnothersOfThatName, Self::ItsOwn, Self::ItsOwnThatFailed];
}

/// What is known of an earlier Create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    None,
    UnansweredLagging,
    UnansweredCaughtUp,
    AcceptedLagging,
    AcceptedCaughtUp,
}

impl Earlier {
    const ALL: [Self; 5] =
        [Self::None, Self::UnansweredLagging, Self::UnansweredCaughtUp, Self::AcceptedLagging, Self::AcceptedCaughtUp];

    fn lags(self) -> bool {
        matches!(self, Self::UnansweredLagging | Self::AcceptedLagging)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Foundation,
    Active,
    InTheMaking,
    ThatFailed,
    Gone,
}

impl Model {
    const ALL: [Self; 5] = [Self::Foundation, Self::Active, Self::InTheMaking, Self::ThatFailed, Self::Gone];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Approved {
    Nothing,
    This,
    SomethingElse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Not,
    Now,
    /// And AWS did not take the call.
    Before,
}

/// One situation out of the whole product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    bound: bool,
    sees: Sees,
    earlier: Earlier,
    permitted: bool,
    approval: Approval,
    approved: Approved,
    asked: Asked,
    creation_failed: bool,
    model: Model,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for bound in [false, true] {
            for sees in Sees::ALL {
                for earlier in Earlier::ALL {
                    for permitted in [false, true] {
                        for approval in [Approval::Automatic, Approval::Manual] {
                            for approved in [Approved::Nothing, Approved::This, Approved::SomethingElse] {
                                for asked in [Asked::Not, Asked::Now, Asked::Before] {
                                    for creation_failed in [false, true] {
                                        for model in Model::ALL {
                                            all.push(Self {
                                                bound,
                                                sees,
                                                earlier,
                                                permitted,
                                                approval,
                                                approved,
                                                asked,
                                                creation_failed,
                                                model,
                                            });
                                        }
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
        Permits { create: self.permitted, delete: true }
    }

    /// Whether the first pass may see what the next does not.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.asked != Asked::Not
    }

    /// Whether the approval is of the plan that is due.
    pub(crate) fn is_approved(&self) -> bool {
        self.approved == Approved::This
    }

    /// Whether an earlier call was not answered, and nothing is to be seen of it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.earlier == Earlier::UnansweredCaughtUp
    }

    pub(crate) fn situation(&self) -> (Desired, Observed, History) {
        let (desired, observed, history) = self.without_approval();
        let approved = match self.approved {
            Approved::Nothing => None,
            Approved::This => {
                let manual = Desired { approval: Approval::Manual, ..desired.clone() };
                pending(&decide(&manual, &observed, &history)).and_then(|pending| pending.hash.clone())
            }
            Approved::SomethingElse => Some("0000beef".to_owned()),
        };
        (Desired { approved, ..desired }, observed, history)
    }

    fn without_approval(&self) -> (Desired, Observed, History) {
        let model = if self.model == Model::Foundation { BASE } else { SERVED };
        let desired = Desired {
            identity: Identity { bound: self.bound.then(arn), id: None, fallback: None },
            model: Some(ModelIdentifier::parse(model).unwrap()),
            approval: self.approval,
            requested: (self.asked == Asked::Now).then(|| "now".to_owned()),
            ..buying()
        };
        let custom = |status| WantedModel::Custom {
            model: CustomModel { arn: ModelArn::from_aws(SERVED), base: None, status: Some(status) },
            foundation: Some(ModelArn::from_aws(BASE)),
        };
        let wanted = match self.model {
            Model::Foundation => WantedModel::Arn(ModelArn::from_aws(BASE)),
            Model::Active => custom(ModelStatus::Active),
            Model::InTheMaking => custom(ModelStatus::Creating),
            Model::ThatFailed => custom(ModelStatus::Failed),
            Model::Gone => WantedModel::Missing,
        };
        let there = throughput(model);
        let failed = Throughput {
            status: ThroughputStatus::Failed,
            failure_message: Some("no capacity".into()),
            ..there.clone()
        };
        let (throughput, tags) = match self.sees {
            Sees::Nothing => (Sighting::Missing, None),
            Sees::UntaggedOfThatName => (Sighting::Taken(there), Some(BTreeMap::new())),
            Sees::AnothersOfThatName => (Sighting::Taken(there), Some(stranger().tags())),
            Sees::ItsOwn => (Sighting::Found(there), Some(owner().tags())),
            Sees::ItsOwnThatFailed => (Sighting::Found(failed), Some(owner().tags())),
        };
        let (looked_at, answer) = match self.earlier {
            Earlier::None => (BEFORE_THE_CALL, None),
            Earlier::UnansweredLagging => (LAGGING, Some(Answer::Missing)),
            Earlier::UnansweredCaughtUp => (CAUGHT_UP, Some(Answer::Missing)),
            Earlier::AcceptedLagging => (LAGGING, Some(accepted())),
            Earlier::AcceptedCaughtUp => (CAUGHT_UP, Some(accepted())),
        };
        let history = History {
            accepted_at: answer.as_ref().filter(|answer| **answer != Answer::Missing).map(|_| at(CALLED)),
            last_call: answer.map(|answer| open(Call::Create(self.earlier_purchase()), answer)),
            creation_failed: self.creation_failed,
            retrying: (self.asked == Asked::Before).then_some(PlanAction::Create),
            ..History::default()
        };
        (desired, Observed { tags, model: wanted, ..look(looked_at, throughput) }, history)
    }

    /// What an earlier call asked for: just what is asked for now.
    fn earlier_purchase(&self) -> Create {
        let replaced = (self.bound && self.sees == Sees::Nothing).then_some("abcdefghijkl");
        let model = ModelArn::from_aws(if self.model == Model::Foundation { BASE } else { SERVED });
        Create { token: Create::token(UID, replaced), model, ..first_purchase() }
    }

    /// What has to come out, by the words of the API.
    fn expected(&self) -> Expected {
        match self.sees {
            Sees::Nothing | Sees::UntaggedOfThatName | Sees::AnothersOfThatName if self.earlier.lags() => {
                Expected::Settle
            }
            Sees::UntaggedOfThatName => Expected::Told(Reason::NameTaken),
            Sees::AnothersOfThatName => Expected::Told(Reason::AlreadyManaged),
            Sees::ItsOwn if self.model == Model::Gone => Expected::Told(Reason::ModelNotFound),
            Sees::ItsOwn => Expected::Nothing,
            Sees::ItsOwnThatFailed if self.earlier == Earlier::None => {
                Expected::Told(if self.model == Model::Gone { Reason::ModelNotFound } else { Reason::Failed })
            }
            // What is asked for before the failure has been told is not this.
            Sees::ItsOwnThatFailed if !(self.creation_failed && self.is_asked_for()) => {
                Expected::Told(Reason::CreateFailed)
            }
            Sees::ItsOwnThatFailed => self.purchase(true, true),
            Sees::Nothing => {
                let gone = self.bound || self.earlier == Earlier::AcceptedCaughtUp;
                let is_repeated = self.earlier == Earlier::UnansweredCaughtUp;
                self.purchase(gone, !gone || is_repeated || (self.creation_failed && self.is_asked_for()))
            }
        }
    }

    /// `free`: it need not be approved because of what it takes the place of.
    fn purchase(&self, replaces: bool, free: bool) -> Expected {
        let approved = self.approved == Approved::This;
        match self.model {
            Model::InTheMaking => Expected::Told(Reason::ModelNotReady),
            Model::ThatFailed => Expected::Told(Reason::ModelFailed),
            Model::Gone => Expected::Told(Reason::ModelNotFound),
            Model::Foundation | Model::Active if !free && !approved => Expected::Told(Reason::NotFound),
            Model::Foundation | Model::Active if !self.permitted => Expected::Told(Reason::CreateNotAllowed),
            Model::Foundation | Model::Active if self.approval == Approval::Manual && !approved => {
                Expected::Told(Reason::ApprovalRequired)
            }
            Model::Foundation | Model::Active => Expected::Buy { replaces },
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Nothing,
    Settle,
    Told(Reason),
    Buy { replaces: bool },
}

/// The first purchase of [`buying`].
pub(crate) fn first_purchase() -> Create {
    Create {
        token: UID.into(),
        name: name("old"),
        model: ModelArn::from_aws(SERVED),
        units: 1,
        commitment: None,
        tags: owner().tags(),
    }
}

fn create_of(change: &Change) -> &Create {
    match &change.call {
        Call::Create(create) => create,
        call @ (Call::Update(_) | Call::Tag(_) | Call::Delete) => panic!("{call:?}"),
    }
}

/// What an object of the same name bought a moment before this one was made may not show yet.
#[test]
fn nothing_is_bought_before_reads_have_caught_up_with_the_making_of_the_object() {
    let fresh = Desired { created: Some(at(CALLED)), ..buying() };
    for (looked_at, may) in [(LAGGING, false), (CAUGHT_UP, true)] {
        let model = WantedModel::Arn(crate::identifiers::ModelArn::from_aws(SERVED));
        let observed = Observed { model, ..look(looked_at, Sighting::Missing) };
        let plan = decide(&fresh, &observed, &History::default());
        assert_eq!(matches!(plan, Plan::Act(_)), may, "{looked_at}: {plan:?}");
        assert_eq!(matches!(plan, Plan::Wait { reason: Reason::Creating, .. }), !may, "{looked_at}: {plan:?}");
    }
}

#[test]
fn the_whole_product() {
    let (mut bought, mut again) = (0, 0);
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let plan = decide_with(case.permits(), &desired, &observed, &history);
        let came = match &plan {
            Plan::Nothing => Expected::Nothing,
            Plan::Settle { .. } => Expected::Settle,
            Plan::Wait { reason, .. } | Plan::Refuse { reason, .. } => Expected::Told(*reason),
            Plan::Act(change) => Expected::Buy { replaces: create_of(change).token != UID },
            Plan::Leave { .. } | Plan::LetGo { .. } => panic!("{case:?}: {plan:?}"),
        };
        assert_eq!(came, case.expected(), "{case:?}: {plan:?}");
        match came {
            Expected::Buy { replaces: false } => bought += 1,
            Expected::Buy { replaces: true } => again += 1,
            Expected::Nothing | Expected::Settle | Expected::Told(_) => {}
        }
    }
    assert!(bought > 50 && again > 50, "{bought}, {again}");
}

/// The promise itself, without the order of the rules.
#[test]
fn nothing_is_bought_that_may_not_be() {
    for case in Case::all() {
        let (desired, observed, history) = case.situation();
        let plan = decide_with(case.permits(), &desired, &observed, &history);
        let Some(change) = acted(&plan) else { continue };
        let create = create_of(change);
        assert!(case.permitted, "{case:?}");
        assert!(case.approval == Approval::Automatic || case.approved == Approved::This, "{case:?}");
        assert!(!matches!(case.sees, Sees::UntaggedOfThatName | Sees::AnothersOfThatName | Sees::ItsOwn), "{case:?}");
        assert!(!case.earlier.lags() || case.sees == Sees::ItsOwnThatFailed, "{case:?}");
        assert!(matches!(case.model, Model::Foundation | Model::Active), "{case:?}");
        // What was bought, and is gone or has failed, is not bought again by itself.
        let was_bought = case.bound || case.earlier == Earlier::AcceptedCaughtUp;
        if was_bought && case.sees == Sees::Nothing {
            let repeats = case.earlier == Earlier::UnansweredCaughtUp || case.creation_failed && case.is_asked_for();
            assert!(case.approved == Approved::This || repeats, "{case:?}");
            assert_ne!(create.token, UID, "{case:?}: AWS would take it for the first purchase");
        }
        if case.earlier == Earlier::AcceptedCaughtUp {
            assert_ne!(create.token, case.earlier_purchase().token, "{case:?}: AWS would ignore it");
        }
        if case.sees == Sees::ItsOwnThatFailed {
            assert!(case.is_asked_for() && case.creation_failed, "{case:?}");
            assert_eq!(create.token, Create::token(UID, Some("abcdefghijkl")), "{case:?}");
        }
        if !was_bought && case.sees == Sees::Nothing {
            assert_eq!(create.token, UID, "{case:?}");
        }
        assert_eq!(change.arn, None);
        assert_eq!(create.tags, owner().tags(), "{case:?}: the next look finds it by them");
    }
}

/// Two attempts at one purchase are one purchase for AWS, however the manifest is edited between them.
#[test]
fn a_purchase_has_one_token_until_something_was_bought() {
    let observed =
        Observed { model: WantedModel::Arn(ModelArn::from_aws(BASE)), ..look(BEFORE_THE_CALL, Sighting::Missing) };
    let lost = History { last_call: Some(open(Call::Create(first_purchase()), Answer::Missing)), ..History::default() };
    let edited = [
        buying(),
        Desired { name: Some(name("other")), ..buying() },
        Desired { units: Some(2), commitment: Some(CommitmentDuration::SixMonths), ..buying() },
        Desired { generation: Some(7), tags: [("team".to_owned(), "search".to_owned())].into(), ..buying() },
        Desired { requested: Some("now".into()), ..buying() },
    ];
    let mut tokens = BTreeSet::new();
    for desired in edited {
        for (looked_at, history) in [(BEFORE_THE_CALL, &History::default()), (CAUGHT_UP, &lost)] {
            let observed = Observed { looked_at: at(looked_at), ..observed.clone() };
            let plan = decide(&desired, &observed, history);
            let create = create_of(acted(&plan).unwrap_or_else(|| panic!("{plan:?}")));
            assert_eq!(Some(create.units), desired.units);
            assert_eq!((Some(&create.name), create.commitment), (desired.name.as_ref(), desired.commitment));
            assert!(desired.tags.iter().all(|(key, value)| create.tags.get(key) == Some(value)));
            assert!(owner().tags().iter().all(|(key, value)| create.tags.get(key) == Some(value)));
            tokens.insert(create.token.clone());
        }
    }
    assert_eq!(tokens, [UID.to_owned()].into());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// AWS shape `IdempotencyToken`: `[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?`.
    #[test]
    fn a_token_is_legal_and_names_the_object_and_what_it_replaces(
        uid in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        other in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        id in "[a-z0-9]{12}",
        another in "[a-z0-9]{12}",
    ) {
        prop_assume!(uid != other && id != another && !uid.ends_with(&id));
        let tokens = [
            Create::token(&uid, None),
            Create::token(&uid, Some(&id)),
            Create::token(&uid, Some(&another)),
            Create::token(&other, None),
            Create::token(&other, Some(&id)),
        ];
        for token in &tokens {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
            prop_assert!(!token.is_empty() && token.len() <= 256 && token.chars().all(legal), "{token}");
            prop_assert!(!token.starts_with('-') && !token.ends_with('-'), "{token}");
        }
        let different: BTreeSet<&String> = tokens.iter().collect();
        prop_assert_eq!(different.len(), tokens.len());
        prop_assert_eq!(&Create::token(&uid, Some(&id)), &tokens[1]);
        let arn = |id: &str| {
            ProvisionedModelArn::from_aws(format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{id}"))
        };
        let create = |token: &String| Create { token: token.clone(), ..first_purchase() };
        prop_assert!(create(&tokens[1]).replaces(&arn(&id)));
        prop_assert!(!create(&tokens[1]).replaces(&arn(&another)));
        prop_assert!(!create(&tokens[0]).replaces(&arn(&id)));
    }

    /// A uid is a UUID today; a token from any other is legal, too.
    #[test]
    fn a_token_of_any_uid_is_legal(uid in "\\PC{1,300}", id in proptest::option::of("[a-z0-9]{12}")) {
        let token = Create::token(&uid, id.as_deref());
        prop_assert!(token.len() <= 256);
        prop_assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        prop_assert!(!token.starts_with('-') && !token.ends_with('-'));
    }
}

#[test]
fn what_waits_says_what_it_costs_and_how_it_goes_on() {
    for commitment in [None, Some(CommitmentDuration::OneMonth), Some(CommitmentDuration::SixMonths)] {
        let desired = Desired { approval: Approval::Manual, commitment, ..buying() };
        let observed =
            Observed { model: WantedModel::Arn(ModelArn::from_aws(BASE)), ..look(BEFORE_THE_CALL, Sighting::Missing) };
        let plan = decide(&desired, &observed, &History::default());
        let Plan::Wait { reason, message, pending: Some(pending), until: None } = &plan else { panic!("{plan:?}") };
        assert_eq!((*reason, reason.class()), (Reason::ApprovalRequired, Class::Held));
        let hash = pending.hash.clone().unwrap();
        assert!(message.contains(&format!("bedrock-throughput.dev/approve: {hash}")), "{message}");
        assert!(message.contains("AWS bills 1 model unit by the hour"), "{message}");
        let can_be_deleted = message.contains("can be deleted at any time");
        assert_eq!(can_be_deleted, commitment.is_none(), "{message}");
        assert_eq!(pending.waiting_for, WaitingFor::Approval);
        assert_eq!(pending.change.call.action(), PlanAction::Create);
    }
}

#[test]
fn a_name_that_is_taken_is_told_with_the_line_that_adopts_it() {
    let taken = Observed { tags: Some(BTreeMap::new()), ..look(0, Sighting::Taken(throughput(SERVED))) };
    let Plan::Refuse { reason, message, pending } = decide(&buying(), &taken, &History::default()) else { panic!() };
    assert_eq!((reason, pending), (Reason::NameTaken, None));
    assert!(message.contains(&format!("provisionedModelId: {ARN}")), "{message}");
}

#[test]
fn what_another_holds_is_told_with_who_holds_it_and_the_annotation() {
    for sighting in [Sighting::Taken(throughput(SERVED)), Sighting::Found(throughput(SERVED))] {
        let seen = Observed { tags: Some(stranger().tags()), ..look(0, sighting) };
        let plan = decide(&buying(), &seen, &History::default());
        let Plan::Refuse { reason: Reason::AlreadyManaged, message, .. } = plan else { panic!("{plan:?}") };
        assert!(message.contains("bedrock-throughput.dev/take-over-from: there/ml/summarizer"), "{message}");
    }
}

/// With the annotation, or when the other object of this cluster is gone, what it held is the object's own.
#[test]
fn what_is_taken_over_is_tagged_and_not_bought() {
    let foreign = Observed { tags: Some(stranger().tags()), ..look(0, Sighting::Taken(throughput(SERVED))) };
    let asking = Desired { take_over: Some("there/ml/summarizer".into()), ..buying() };
    let wrong = Desired { take_over: Some("there/ml/other".into()), ..buying() };
    for (desired, is_gone, is_own) in
        [(&asking, false, true), (&buying(), true, true), (&wrong, false, false), (&buying(), false, false)]
    {
        let observed = with_ownership(desired, &History::default(), foreign.clone(), is_gone);
        let observed = Observed { model: WantedModel::Arn(ModelArn::from_aws(SERVED)), ..observed };
        let plan = decide(desired, &observed, &History::default());
        if is_own {
            let Call::Tag(tag) = &acted(&plan).unwrap_or_else(|| panic!("{plan:?}")).call else { panic!("{plan:?}") };
            assert_eq!(tag.set, owner().tags());
        } else {
            assert_eq!(reason(&plan), Some(Reason::AlreadyManaged), "{plan:?}");
        }
    }
}

/// AWS accepted the purchase that takes the place of the failed one, and answered without an ARN.
#[test]
fn an_accepted_purchase_is_waited_for_while_the_look_shows_what_it_replaces() {
    let failed = Throughput { status: ThroughputStatus::Failed, ..throughput(SERVED) };
    let again = Create { token: Create::token(UID, Some("abcdefghijkl")), ..first_purchase() };
    let history = History { last_call: Some(open(Call::Create(again), accepted())), ..History::default() };
    let bound = Identity { bound: Some(arn()), id: None, fallback: None };
    let desired = Desired { identity: bound, ..buying() };
    let observed = Observed {
        tags: Some(owner().tags()),
        model: WantedModel::Arn(ModelArn::from_aws(SERVED)),
        ..look(LAGGING, Sighting::Found(failed))
    };
    let plan = decide(&desired, &observed, &history);
    assert!(matches!(plan, Plan::Settle { .. }), "{plan:?}");
}

/// The approval was of what was sent; what the manifest says by now is another purchase.
#[test]
fn an_approved_purchase_that_is_edited_while_its_answer_is_missing_needs_another_approval() {
    let again = Create { token: Create::token(UID, Some("abcdefghijkl")), ..first_purchase() };
    let last_call = Some(open(Call::Create(again), Answer::Missing));
    let history = History { last_call, ..History::default() };
    let as_approved = Desired { identity: Identity { bound: Some(arn()), id: None, fallback: None }, ..buying() };
    let served = WantedModel::Arn(ModelArn::from_aws(SERVED));
    let missing = Observed { model: served.clone(), ..look(CAUGHT_UP, Sighting::Missing) };
    let plan = decide(&as_approved, &missing, &history);
    assert!(acted(&plan).is_some(), "{plan:?}");
    let other_model = Observed { model: WantedModel::Arn(ModelArn::from_aws(BASE)), ..missing.clone() };
    for (desired, observed) in [
        (Desired { units: Some(100), ..as_approved.clone() }, &missing),
        (Desired { commitment: Some(CommitmentDuration::SixMonths), ..as_approved.clone() }, &missing),
        (as_approved, &other_model),
    ] {
        let plan = decide(&desired, observed, &history);
        assert_eq!(reason(&plan), Some(Reason::NotFound), "{plan:?}");
    }
}

/// Tokens are known to one region: what was bought there is not seen from here.
#[test]
fn a_purchase_whose_answer_was_lost_is_not_repeated_in_another_region() {
    let history =
        History { last_call: Some(open(Call::Create(first_purchase()), Answer::Missing)), ..History::default() };
    let region = crate::identifiers::Region::parse("us-west-2").unwrap();
    for is_going in [false, true] {
        let moved = Desired { region: region.clone(), is_going, ..buying() };
        let plan = decide(&moved, &look(CAUGHT_UP, Sighting::Missing), &history);
        assert!(matches!(plan, Plan::Refuse { reason: Reason::InvalidSpec, .. }), "{plan:?}");
    }
}
