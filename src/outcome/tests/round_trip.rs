//! What is written before a call is read back as the same call, by whoever comes next.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    calls::{Create, Tag},
    crd::{CommitmentDuration, PlanAction},
    identifiers::{ModelArn, ProvisionedModelName},
    plan::tests::{BASE, SIBLING},
};

fn any_name() -> impl Strategy<Value = ProvisionedModelName> {
    "([0-9a-zA-Z][_-]?){1,31}".prop_map(ProvisionedModelName::from_aws)
}

fn any_model() -> impl Strategy<Value = ModelArn> {
    prop::sample::select(vec![SERVED, SIBLING, BASE]).prop_map(ModelArn::from_aws)
}

fn any_tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-zA-Z0-9 ._:/=+@-]{1,20}", "[a-zA-Z0-9 ._:/=+@-]{0,20}", 0..5)
}

fn any_call() -> impl Strategy<Value = Call> {
    let commitment = prop::option::of(prop::sample::select(CommitmentDuration::ALL.to_vec()));
    let token = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,50}[a-zA-Z0-9])?";
    let create = (token, any_name(), any_model(), 1..1000, commitment, any_tags()).prop_map(
        |(token, name, model, units, commitment, tags)| {
            Call::Create(Create { token, name, model, units, commitment, tags })
        },
    );
    let update = (prop::option::of(any_name()), prop::option::of(any_model())).prop_filter_map(
        "a call changes something",
        |(name, model)| {
            let update = Update { name, model };
            (!update.is_empty()).then_some(Call::Update(update))
        },
    );
    let removed = prop::collection::btree_set("[a-z]{1,9}", 0..4);
    let tag =
        (any_tags(), removed).prop_filter_map("a call changes something", |(set, remove): (_, BTreeSet<String>)| {
            let tag = Tag { set, remove };
            (!tag.is_empty()).then_some(Call::Tag(tag))
        });
    prop_oneof![create, update, tag, Just(Call::Delete)]
}

/// What the member was before: of the same call, with other values.
fn any_from() -> impl Strategy<Value = CallRequest> {
    any_call().prop_map(|call| call.request())
}

/// A status as the API server gives it back.
fn stored(status: &ProvisionedThroughputStatus) -> ProvisionedThroughputStatus {
    serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_that_is_sent_is_known_to_whoever_reads_the_status(
        call in any_call(),
        from in any_from(),
        is_drift in any::<bool>(),
        millis in 0_i64..4000,
        generation in prop::option::of(0_i64..9),
        had in prop::option::of(any_call()),
    ) {
        let cause = if is_drift { ChangeCause::Drift } else { ChangeCause::Manifest };
        let change = Change { call: call.clone(), from: from.clone(), cause, ..rename() };
        let sent_at = Timestamp::from_millisecond(1_000_000 + millis).unwrap();
        // Whatever was told before: this call takes its place.
        let before = had.map(|call| Change { call, ..rename() });
        let prior = before.map_or_else(ProvisionedThroughputStatus::default, |before| sent(&observed(), &before).status);
        let sees = observed();
        let verdict = Verdict::Sending { observed: &sees, change: &change, sent_at };
        let told = outcome(&prior, generation, Some(&desired()), verdict, sent_at);
        let status = stored(&told.status);
        prop_assert_eq!(&status, &told.status, "the API server gives back what was written");
        let history = History::of(&status, generation);
        let last = history.last_call.unwrap();
        prop_assert_eq!(&last.call, &call);
        prop_assert_eq!((&last.from, last.cause, last.generation), (&from, cause, generation));
        prop_assert_eq!(&last.answer, &Answer::Missing);
        // Never earlier than it was, and never more than a second later.
        prop_assert!(last.sent_at >= sent_at && last.sent_at.duration_since(sent_at).as_secs() < 1);
        prop_assert_eq!(last.sent_at, last.over_at);

        // The same when AWS has accepted it, and the process ends before another look.
        let accepted = LastCall { answer: Answer::Accepted { request_id: Some("the-id".into()) }, ..last.clone() };
        let status = stored(&with_accepted(&told.status, &accepted));
        let history = History::of(&status, generation);
        prop_assert_eq!(history.last_call.as_ref(), Some(&accepted));
        prop_assert_eq!(history.accepted_at, Some(last.sent_at));

        // And once it is served, it is not open any more, and still tells the next plan from the last.
        let update = last_update(&accepted, Some(whole_seconds(at(2000))));
        let served = ProvisionedThroughputStatus { last_update: Some(update), ..status };
        let history = History::of(&stored(&served), generation);
        prop_assert_eq!(history.last_call, None);
        prop_assert_eq!(history.accepted_at, Some(last.sent_at));
    }

    /// A call that AWS did not take is not open; one that it may have taken is.
    #[test]
    fn a_call_that_failed_is_open_only_if_it_may_have_been_carried_out(
        call in any_call(),
        kind in prop::sample::select(FaultKind::ALL.to_vec()),
    ) {
        let (change, fault) = (Change { call: call.clone(), ..rename() }, fault(kind));
        let sending = sent(&observed(), &change);
        let sees = observed();
        let verdict = Verdict::CallFailed { observed: &sees, change: &change, fault: &fault, sent_at: at(1000) };
        let failed = told(&sending.status, verdict, 1001);
        is_consistent(&failed);
        let history = History::of(&stored(&failed.status), GENERATION);
        let open = history.last_call.map(|last| (last.call, last.answer));
        let expected = fault.may_have_been_carried_out().then_some((call.clone(), Answer::Missing));
        prop_assert_eq!(open, expected);
        prop_assert_eq!(history.accepted_at, None);
        // What passes by itself is tried again by itself, and so is what is put right outside of the manifest.
        let outside = matches!(failed.headline, Reason::QuotaExceeded | Reason::AccessDenied);
        let retrying =
            (outside || failed.headline.class() == Class::Retrying) && !fault.may_have_been_carried_out();
        prop_assert_eq!(history.retrying, retrying.then_some(call.action()));
    }
}

#[test]
fn a_purchase_that_aws_accepted_is_bound_at_once() {
    let (missing, arn) = (look(900, Sighting::Missing), throughput(SERVED).arn);
    let purchase = crate::plan::tests::purchase::first_purchase();
    let change = Change { call: Call::Create(purchase.clone()), arn: None, from: CallRequest::default(), ..rename() };
    let sending = sent(&missing, &change);
    let last = History::of(&sending.status, GENERATION).last_call.unwrap();
    let call = LastCall { answer: Answer::Accepted { request_id: Some("the-id".into()) }, ..last };
    let bought = told(&sending.status, Verdict::Bought { observed: &missing, call: &call, arn: Some(&arn) }, 1001);
    is_consistent(&bought);
    assert_eq!(bought.headline, Reason::Creating);
    let status = stored(&bought.status);
    assert_eq!(status.provisioned_model_arn.as_deref(), Some(arn.as_str()));
    assert_eq!(status.plan, None);
    assert_eq!(status.managed_tag_keys, purchase.tags.keys().cloned().collect());
    let history = History::of(&status, GENERATION);
    assert_eq!(history.open(PlanAction::Create), Some(&call));
}
