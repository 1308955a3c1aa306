//! What a person does about a status is what the status says, one step after the other, with looks in between.

use std::collections::BTreeMap;

use super::*;
use crate::{
    calls::{Create, Tag},
    crd::{Approval, DeletionPolicy, PlanAction},
    desired::Identity,
    identifiers::{ModelArn, ModelIdentifier},
    observed::{CustomModelHealth, ModelHealth, WantedModel},
    plan::tests::{ARN, SIBLING, UID, buying, owner, purchase::first_purchase},
};

/// An object as the operator meets it in one pass after another.
struct Object {
    manifest: Desired,
    /// The annotation `reconcile-requested-at`.
    requested: Option<String>,
    status: ProvisionedThroughputStatus,
    second: i64,
}

impl Object {
    fn new(manifest: Desired, status: ProvisionedThroughputStatus) -> Self {
        Self { manifest, requested: None, status, second: 2000 }
    }

    fn request(&mut self) {
        self.requested = Some(format!("at {}", self.second));
    }

    /// What is done after a request, and, where it takes one, the approval of what came of that.
    fn asked_for(&mut self, observed: &Observed, approval: Approval) -> Option<Change> {
        self.request();
        let change = self.pass(observed);
        if approval == Approval::Automatic {
            return change;
        }
        for _ in 0..2 {
            assert_eq!(self.reason(), "ApprovalRequired", "a look later it still waits");
            assert_eq!(self.pass(observed), None);
        }
        self.approve();
        self.pass(observed)
    }

    fn approve(&mut self) {
        self.manifest.approved = self.status.plan.as_ref().and_then(|plan| plan.hash.clone());
        assert!(self.manifest.approved.is_some(), "{:?}", self.status);
    }

    fn reason(&self) -> &str {
        find(&self.status.conditions, ConditionType::Ready).map_or("", |ready| ready.reason.as_str())
    }

    fn desired(&self) -> Desired {
        let handled = &self.status.last_handled_reconcile_at;
        let requested = self.requested.clone().filter(|value| handled.as_ref() != Some(value));
        let bound = self.status.provisioned_model_arn.clone().map(crate::identifiers::ProvisionedModelArn::from_aws);
        Desired { requested, identity: Identity { bound, ..self.manifest.identity.clone() }, ..self.manifest.clone() }
    }

    /// A pass. Returns the call that it sends, which is then written down as sent.
    fn pass(&mut self, observed: &Observed) -> Option<Change> {
        self.pass_knowing(observed, None)
    }

    /// A pass of the process that made a call and knows its answer.
    fn pass_knowing(&mut self, observed: &Observed, accepted: Option<&LastCall>) -> Option<Change> {
        self.second += 300;
        let observed = Observed { looked_at: at(self.second), ..observed.clone() };
        let (desired, mut history) = (self.desired(), History::of(&self.status, GENERATION));
        if let Some(accepted) = accepted {
            history.last_call = Some(accepted.clone());
        }
        let plan = decide(&desired, &observed, &history);
        let verdict = match &plan {
            Plan::Act(change) => Verdict::Sending { observed: &observed, change, sent_at: at(self.second) },
            _ => seen(&observed, &plan, &history),
        };
        let told = outcome(&self.status, GENERATION, Some(&desired), verdict, at(self.second));
        is_consistent(&told);
        self.status = told.status;
        match plan {
            Plan::Act(change) => Some(change),
            _ => None,
        }
    }

    /// AWS answers the call that was sent.
    fn answered(&mut self, observed: &Observed, change: &Change, kind: FaultKind) {
        let fault = fault(kind);
        let verdict = Verdict::CallFailed { observed, change, fault: &fault, sent_at: at(self.second) };
        self.status = outcome(&self.status, GENERATION, Some(&self.desired()), verdict, at(self.second)).status;
    }

    /// The call that was sent, as one that AWS has accepted.
    fn accepted(&self) -> LastCall {
        let last = History::of(&self.status, GENERATION).last_call.unwrap();
        LastCall { answer: Answer::Accepted { request_id: None }, ..last }
    }
}

/// The status after a call that AWS accepted long ago.
fn after(call: Call) -> ProvisionedThroughputStatus {
    let last = LastCall {
        sent_at: at(1000),
        over_at: at(1000),
        generation: GENERATION,
        call,
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
        answer: Answer::Accepted { request_id: None },
    };
    ProvisionedThroughputStatus {
        provisioned_model_arn: Some(ARN.into()),
        observed_generation: GENERATION,
        last_update: Some(last_update(&last, None)),
        ..ProvisionedThroughputStatus::default()
    }
}

fn served() -> WantedModel {
    WantedModel::Arn(ModelArn::from_aws(SERVED))
}

fn its_own(throughput: Throughput) -> Observed {
    Observed { tags: Some(owner().tags()), model: served(), ..look(0, Sighting::Found(throughput)) }
}

fn failed() -> Throughput {
    Throughput {
        status: ThroughputStatus::Failed,
        failure_message: Some("no capacity".into()),
        last_modified_time: at(1500),
        ..throughput(SERVED)
    }
}

fn gone() -> Observed {
    Observed { model: served(), ..look(0, Sighting::Missing) }
}

/// A purchase that AWS could not make, told.
fn failed_purchase(approval: Approval) -> Object {
    let manifest = Desired { approval, ..buying() };
    let mut object = Object::new(manifest, after(Call::Create(first_purchase())));
    assert_eq!(object.pass(&its_own(failed())), None);
    assert_eq!(object.reason(), "CreateFailed");
    object
}

fn token(change: Option<&Change>) -> &str {
    match change.map(|change| &change.call) {
        Some(Call::Create(Create { token, .. })) => token,
        other => panic!("{other:?}"),
    }
}

/// Whether it is a purchase that AWS does not take for the first one.
fn replaces_the_first(change: Option<&Change>) -> bool {
    let token = token(change);
    token.starts_with(UID) && token.ends_with("-abcdefghijkl")
}

#[test]
fn a_failed_purchase_is_repeated_once_what_is_left_is_deleted_and_a_person_asks() {
    // With and without a look in between.
    for looks in 0..3 {
        let mut object = failed_purchase(Approval::Automatic);
        for _ in 0..looks {
            assert_eq!(object.pass(&gone()), None, "{}", object.reason());
        }
        object.request();
        let change = object.pass(&gone());
        assert!(change.is_some(), "{looks} looks: {}", object.reason());
        assert!(replaces_the_first(change.as_ref()), "{change:?}");
    }
}

#[test]
fn a_repeated_purchase_that_aws_does_not_take_is_tried_again() {
    for kind in [FaultKind::Throttled, FaultKind::Internal, FaultKind::Timeout, FaultKind::CredentialsRejected] {
        for observed in [gone(), its_own(failed())] {
            let mut object = failed_purchase(Approval::Automatic);
            object.request();
            let first = object.pass(&observed);
            object.answered(&observed, first.as_ref().unwrap(), kind.clone());
            // The next look is long after reads have caught up.
            let second = object.pass(&observed);
            assert!(second.is_some(), "{kind:?}, {:?}: {}", observed.throughput, object.reason());
            assert_eq!(token(second.as_ref()), token(first.as_ref()), "{kind:?}: {}", object.reason());
        }
    }
}

/// The failed one may still be there: AWS lets two have one name, or the manifest has another by now.
#[test]
fn a_failed_purchase_that_waits_for_approval_is_made_when_it_is_approved() {
    for observed in [its_own(failed()), gone()] {
        let mut object = failed_purchase(Approval::Manual);
        object.request();
        assert_eq!(object.pass(&observed), None);
        assert_eq!(object.reason(), "ApprovalRequired");
        assert_eq!(object.pass(&observed), None);
        assert_eq!(object.reason(), "ApprovalRequired", "a look later it still waits");
        object.approve();
        let change = object.pass(&observed);
        assert!(change.is_some(), "{}", object.reason());
        assert!(replaces_the_first(change.as_ref()), "{change:?}");
    }
}

#[test]
fn a_failed_deletion_that_waits_for_approval_is_made_when_it_is_approved() {
    for approval in [Approval::Automatic, Approval::Manual] {
        let manifest = Desired { approval, deletion: DeletionPolicy::Delete, is_going: true, ..buying() };
        let mut object = Object::new(manifest, after(Call::Delete));
        let observed = its_own(throughput(SERVED));
        assert_eq!(object.pass(&observed), None);
        assert_eq!(object.reason(), "DeleteFailed");
        let change = object.asked_for(&observed, approval);
        assert_eq!(change.map(|change| change.call), Some(Call::Delete), "{}", object.reason());
    }
}

#[test]
fn a_failed_update_that_waits_for_approval_is_made_when_it_is_approved() {
    let sibling = ModelArn::from_aws(SIBLING);
    let update = Call::Update(Update { name: None, model: Some(sibling.clone()) });
    for approval in [Approval::Automatic, Approval::Manual] {
        let manifest = Desired { approval, model: Some(ModelIdentifier::parse(SIBLING).unwrap()), ..desired() };
        let mut object = Object::new(manifest, after(update.clone()));
        let observed = Observed { model: WantedModel::Arn(sibling.clone()), ..look(0, Sighting::Found(failed())) };
        assert_eq!(object.pass(&observed), None);
        assert_eq!(object.reason(), "UpdateFailed");
        let change = object.asked_for(&observed, approval);
        assert_eq!(change.map(|change| change.call), Some(update.clone()), "{}", object.reason());
    }
}

#[test]
fn what_is_gone_is_bought_anew_when_exactly_that_is_approved() {
    for approval in [Approval::Automatic, Approval::Manual] {
        let created = ProvisionedThroughputStatus { last_update: None, ..after(Call::Delete) };
        let mut object = Object::new(Desired { approval, ..buying() }, created);
        for _ in 0..2 {
            assert_eq!(object.pass(&gone()), None);
            assert_eq!(object.reason(), "NotFound");
        }
        object.request();
        assert_eq!(object.pass(&gone()), None, "a request is no approval");
        object.approve();
        let first = object.pass(&gone());
        assert!(replaces_the_first(first.as_ref()), "{first:?}");
        // What passes needs no other approval, and is the same purchase.
        for kind in [FaultKind::Throttled, FaultKind::Timeout] {
            object.answered(&gone(), first.as_ref().unwrap(), kind);
            let again = object.pass(&gone());
            assert_eq!(token(again.as_ref()), token(first.as_ref()), "{}", object.reason());
        }
        // Accepted, and nothing to be seen of it: it is not bought again by the same approval.
        let accepted = object.accepted();
        object.status = with_accepted(&object.status, &accepted);
        assert_eq!(object.pass(&gone()), None);
        assert_eq!(object.reason(), "NotFound");
    }
}

/// What is told after one call is what can be approved after it.
#[test]
fn a_hash_that_was_told_stays_the_same_with_the_next_pass() {
    let team: BTreeMap<String, String> = [("team".to_owned(), "search".to_owned())].into();
    for answer_is_known in [true, false] {
        let manifest = Desired { approval: Approval::Manual, name: Some(name("new")), tags: team.clone(), ..desired() };
        let mut object = Object::new(manifest, ProvisionedThroughputStatus::default());
        let untagged = Observed { tags: Some(BTreeMap::new()), ..observed() };
        assert_eq!(object.pass(&untagged), None);
        object.approve();
        let tag = object.pass(&untagged).unwrap();
        assert!(matches!(tag.call, Call::Tag(Tag { .. })), "{tag:?}");
        let tagged = Observed { tags: Some(team.clone()), ..observed() };
        let accepted = answer_is_known.then(|| object.accepted());
        assert_eq!(object.pass_knowing(&tagged, accepted.as_ref()), None);
        assert_eq!(object.reason(), "ApprovalRequired");
        let told = object.status.plan.clone();
        assert_eq!(object.pass(&tagged), None);
        assert_eq!(object.status.plan, told, "the answer is known: {answer_is_known}");
        object.approve();
        let change = object.pass(&tagged).unwrap();
        assert_eq!(change.call.action(), PlanAction::Update);
    }
}

#[test]
fn an_approval_that_fits_nothing_is_told_once() {
    let mut object = Object::new(
        Desired { approval: Approval::Manual, name: Some(name("new")), approved: Some("0000beef".into()), ..desired() },
        ProvisionedThroughputStatus::default(),
    );
    let told = |object: &mut Object| {
        let (desired, history, observed) = (object.desired(), History::of(&object.status, GENERATION), observed());
        let plan = decide(&desired, &observed, &history);
        let told = outcome(&object.status, GENERATION, Some(&desired), seen(&observed, &plan, &history), at(2000));
        object.status = told.status.clone();
        reasons(&told).into_iter().filter(|reason| *reason == "ApprovalStale").count()
    };
    assert_eq!((told(&mut object), told(&mut object)), (1, 0));
    assert_eq!(object.status.last_handled_approval.as_deref(), Some("0000beef"));
    // Another one is told, too; one that fits is not.
    object.manifest.approved = Some("0000f00d".into());
    assert_eq!((told(&mut object), told(&mut object)), (1, 0));
    object.approve();
    assert!(object.pass(&observed()).is_some());
}

/// The approval of a purchase for which the operator lacks the flag is right, and will do once the operator has it.
#[test]
fn an_approval_is_not_stale_because_a_flag_is_missing() {
    let status = ProvisionedThroughputStatus { last_update: None, ..after(Call::Delete) };
    let mut object = Object::new(buying(), status);
    assert_eq!(object.pass(&gone()), None);
    object.approve();
    let (desired, history) = (object.desired(), History::of(&object.status, GENERATION));
    let none = crate::plan::Permits::default();
    let plan = crate::plan::tests::decide_with(none, &desired, &gone(), &history);
    let gone = gone();
    let told = outcome(&object.status, GENERATION, Some(&desired), seen(&gone, &plan, &history), at(3000));
    assert_eq!(told.headline, Reason::CreateNotAllowed);
    assert!(!reasons(&told).contains(&"ApprovalStale"), "{:?}", told.notices);
}

/// A risk is not forgotten because a look, for once, says nothing of it: after a restart, while the hourly List is made, after a fault of it.
#[test]
fn a_risk_stays_told_while_nothing_else_is_known() {
    let health = ModelHealth::Known { custom: Some(CustomModelHealth::Missing), lifecycle: None };
    let risky = Observed { health, ..observed() };
    let (plan, history) = (Plan::Nothing, History::default());
    let first = told(&ProvisionedThroughputStatus::default(), seen(&risky, &plan, &history), 1000);
    assert_eq!(status_of(&first.status.conditions, ConditionType::ModelAtRisk), Some("True"));
    assert_eq!(reasons(&first), ["InService", "ModelNotFound"]);
    let unknown = observed();
    let fault = fault(FaultKind::Throttled);
    let blind = told(&first.status, Verdict::Blind(&fault), 1050);
    assert_eq!(status_of(&blind.status.conditions, ConditionType::ModelAtRisk), Some("True"));
    let second = told(&first.status, seen(&unknown, &plan, &history), 1100);
    assert_eq!((&second.status, second.notices.len()), (&first.status, 0));
    let third = told(&second.status, seen(&risky, &plan, &history), 1200);
    assert_eq!((&third.status, third.notices.len()), (&first.status, 0));
    // It ends when AWS says otherwise, or another model is served.
    let health = ModelHealth::Known { custom: None, lifecycle: None };
    let healed = Observed { health, ..observed() };
    let other = look(900, Sighting::Found(throughput(SIBLING)));
    for observed in [healed, other] {
        let told = told(&first.status, seen(&observed, &plan, &history), 1100);
        assert_eq!(status_of(&told.status.conditions, ConditionType::ModelAtRisk), None, "{observed:?}");
    }
}

/// The manifest goes back before a call is carried out whose answer was lost.
#[test]
fn a_call_that_is_given_up_is_not_told_any_more() {
    let mut object =
        Object::new(Desired { name: Some(name("new")), ..desired() }, ProvisionedThroughputStatus::default());
    assert!(object.pass(&observed()).is_some());
    object.manifest.name = Some(name("old"));
    assert_eq!(object.pass(&observed()), None);
    assert_eq!((object.reason(), &object.status.plan), ("InService", &None));
    assert_eq!(History::of(&object.status, GENERATION).last_call, None);
}
