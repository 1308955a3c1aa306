//! When a throughput is bought, and when it is not.
//!
//! AWS carries out one Create for each token. The token is made from the object's uid, so that it is the same after a crash, in a second
//! operator, and for as long as the object lives; a purchase that takes the place of a throughput which failed or is gone has the id of
//! that one in its token, too. A look for the name and the owner tag comes before each Create, because AWS does not say for how long it
//! remembers a token.

use super::{
    Pending, Plan, Situation, already_managed, gate, lagging, model_gone, refuse, settling, unsettled, wait, waiting,
};
use crate::{
    calls::{Call, Change, Create, commitment_text, units_text},
    conditions::Reason,
    crd::{CallRequest, ChangeCause, CommitmentDuration, PlanAction, WaitingFor},
    desired::{Desired, Purchase},
    history::{Answer, LastCall},
    observed::{ModelStatus, Throughput, ThroughputStatus, WantedModel},
    schedule::plus,
};

/// A Create whose answer was lost, in another region than the manifest names now: what it bought is not seen from here.
pub(super) fn elsewhere(situation: &Situation<'_>) -> Option<Plan> {
    let Situation { desired, history, .. } = situation;
    let last = history.open(PlanAction::Create).filter(|last| last.answer == Answer::Missing)?;
    let Call::Create(create) = &last.call else { return None };
    let there = create.model.region().filter(|there| *there != desired.region.as_str())?;
    Some(refuse(
        Reason::InvalidSpec,
        format!(
            "AWS was asked to make throughput {} in region {there}, and the answer was lost: set region: {there}, and modelId to a model there, until \
             it is known what came of it",
            create.name
        ),
        None,
    ))
}

/// AWS has no such throughput.
pub(super) fn missing(situation: &Situation<'_>) -> Plan {
    let Situation { desired, history, .. } = situation;
    let Some(purchase) = desired.purchase() else { return not_found(situation.desired, None) };
    let open = history.open(PlanAction::Create);
    if let Some(settle) = open.and_then(|_| settling(situation)).or_else(|| lagging(situation)) {
        return settle;
    }
    // What was bought and is not there: it is not bought again by itself. A token that AWS has accepted is used up.
    let accepted =
        open.filter(|last| last.answer != Answer::Missing).map(|last| format!("t{}", last.sent_at.as_second()));
    let bound = desired.identity.bound.as_ref().map(|arn| arn.resource_id().to_owned());
    let gone = match (accepted, bound) {
        (Some(accepted), Some(bound)) => Some(format!("{accepted}-{bound}")),
        (accepted, bound) => accepted.or(bound),
    };
    let change = match create(situation, &purchase, gone.as_deref()) {
        Ok(change) => change,
        Err(instead) => return *instead,
    };
    let is_open = open.is_some_and(|last| last.answer == Answer::Missing && last.call == change.call);
    if gone.is_none() || is_open || (history.creation_failed && is_asked_for(situation)) {
        return match gate::gate(situation, change) {
            Plan::Act(change) => too_fresh(situation, &change).unwrap_or(Plan::Act(change)),
            other => other,
        };
    }
    gate::approved(situation, &change).unwrap_or_else(|| not_found(desired, Some((situation, change))))
}

/// An object that was deleted and made anew: what the one before it bought a moment ago may not show yet.
fn too_fresh(situation: &Situation<'_>, change: &Change) -> Option<Plan> {
    let Situation { desired, observed, read_lag, .. } = situation;
    let known_from = plus(desired.created?, *read_lag);
    (observed.looked_at < known_from).then(|| Plan::Wait {
        reason: Reason::Creating,
        message: format!(
            "AWS shows nothing that an object of this name has bought before, and is looked at once more when reads have caught up with what one \
             could have bought just before this object was made; then: {}",
            change.message
        ),
        pending: Some(waiting(change, WaitingFor::Aws)),
        until: Some(known_from),
    })
}

/// AWS has a throughput of the wanted name that does not belong to the object.
pub(super) fn taken(situation: &Situation<'_>, throughput: &Throughput) -> Plan {
    // It may be the object's own, with tags that do not show yet.
    if situation.history.open(PlanAction::Create).is_some_and(|last| unsettled(situation, last)) {
        return Plan::Settle {
            message: format!(
                "AWS was asked to make throughput {}, and does not show yet whose {} is",
                throughput.name, throughput.arn
            ),
        };
    }
    if let Some(holder) = situation.observed.owner() {
        return already_managed(situation.desired, throughput, &holder);
    }
    let Throughput { name, arn, .. } = throughput;
    refuse(
        Reason::NameTaken,
        format!(
            "AWS has a throughput of the name {name} already, and it does not belong to this object, so none is bought. To adopt it, add to spec: \
             provisionedModelId: {arn}. Else set another provisionedModelName"
        ),
        None,
    )
}

/// A creation that failed is not repeated until a person asks.
pub(super) fn failed(situation: &Situation<'_>, throughput: &Throughput) -> Option<Plan> {
    let Situation { desired, history, .. } = situation;
    if throughput.status != ThroughputStatus::Failed {
        return None;
    }
    let purchase = desired.purchase()?;
    let last = history.open(PlanAction::Create)?;
    // A call that repeats it may be out, and does not show yet.
    if unsettled(situation, last) && !situation.observed.shows(&last.call) {
        return Some(Plan::Settle {
            message: format!("AWS was asked to make throughput {} again, and does not show it yet", purchase.name),
        });
    }
    // What was asked for before the failure was told asked for something else. What was sent and did not take is repeated.
    if history.creation_failed {
        let is_asked_for = is_asked_for(situation);
        let is_open = |change: &Change| last.answer == Answer::Missing && last.call == change.call;
        match create(situation, &purchase, Some(throughput.arn.resource_id())) {
            Ok(change) if is_asked_for || is_open(&change) => return Some(gate::gate(situation, change)),
            Err(instead) if is_asked_for => return Some(*instead),
            Ok(_) | Err(_) => {}
        }
    }
    let why = throughput.failure_message.as_deref().unwrap_or("AWS gives no reason");
    let arn = &throughput.arn;
    Some(refuse(
        Reason::CreateFailed,
        format!(
            "AWS could not make throughput {}: {why}. It is not bought again by itself. To repeat the purchase, delete what is left of this one \
             (aws bedrock delete-provisioned-model-throughput --region {} --provisioned-model-id {arn}), and set the annotation \
             bedrock-throughput.dev/reconcile-requested-at to a new value",
            throughput.name, desired.region
        ),
        None,
    ))
}

fn is_asked_for(situation: &Situation<'_>) -> bool {
    situation.desired.requested.is_some() || situation.history.retrying == Some(PlanAction::Create)
}

/// The call that buys, or what is due instead. `replaces` is the id of what failed or is gone.
fn create(situation: &Situation<'_>, purchase: &Purchase<'_>, replaces: Option<&str>) -> Result<Change, Box<Plan>> {
    let Situation { desired, observed, .. } = situation;
    if let Some(refused) = model_gone(desired, &observed.model) {
        return Err(Box::new(refused));
    }
    let Purchase { name, model, units, commitment, owner } = *purchase;
    let model = match &observed.model {
        WantedModel::Arn(arn) => arn,
        WantedModel::Custom { model: custom, .. } => match &custom.status {
            Some(ModelStatus::Creating) => {
                let message =
                    format!("the custom model {} is still being made; then throughput {name} is bought", custom.arn);
                return Err(Box::new(wait(Reason::ModelNotReady, message, None)));
            }
            Some(ModelStatus::Failed) => {
                let message =
                    format!("the custom model {} failed to be made: set modelId to a model that is Active", custom.arn);
                return Err(Box::new(refuse(Reason::ModelFailed, message, None)));
            }
            Some(ModelStatus::Active | ModelStatus::Other(_)) | None => &custom.arn,
        },
        // `model_gone` has told the one; the other is for objects that name no model, which buy nothing.
        WantedModel::NotManaged | WantedModel::Missing => {
            let message = format!("modelId {model} was not looked at: set it again");
            return Err(Box::new(refuse(Reason::ModelNotFound, message, None)));
        }
    };
    let create = Create {
        token: open_token(situation).unwrap_or_else(|| Create::token(&owner.uid, replaces)),
        name: name.clone(),
        model: model.clone(),
        units,
        commitment,
        tags: desired.wanted_tags(),
    };
    Ok(Change {
        message: describe(&create),
        consequence: consequence(units, commitment),
        call: Call::Create(create),
        arn: None,
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
    })
}

/// The token of a purchase whose answer never came: it is repeated with the same.
fn open_token(situation: &Situation<'_>) -> Option<String> {
    let is_open = |last: &&LastCall| last.answer == Answer::Missing && !situation.observed.shows(&last.call);
    let last = situation.history.last_call.as_ref().filter(is_open)?;
    match &last.call {
        Call::Create(create) => Some(create.token.clone()),
        Call::Update(_) | Call::Tag(_) | Call::Delete => None,
    }
}

fn describe(create: &Create) -> String {
    let Create { token: _, name, model, units, commitment, tags: _ } = create;
    format!("buy throughput {name}: {} of model {model}, {}", units_text(*units), commitment_text(*commitment))
}

fn consequence(units: i32, commitment: Option<CommitmentDuration>) -> String {
    let bill = format!(
        "AWS bills {} by the hour, used or not, from when it is in service until it is deleted",
        units_text(units)
    );
    match commitment {
        None => format!("{bill}. It can be deleted at any time"),
        Some(term) => {
            let months = match term {
                CommitmentDuration::OneMonth => "one month",
                CommitmentDuration::SixMonths => "six months",
            };
            format!(
                "{bill}. It cannot be deleted for {months}, and AWS goes on billing after that. It cannot be undone"
            )
        }
    }
}

/// AWS has no such throughput. `anew` is the purchase that would take its place.
fn not_found(desired: &Desired, anew: Option<(&Situation<'_>, Change)>) -> Plan {
    let (id, region) = (&desired.identity, &desired.region);
    let what = match (&id.bound, &id.id, &id.fallback) {
        (Some(arn), _, _) => format!("no throughput {arn}"),
        (None, Some(id), Some(name)) if name.as_str() != id.as_str() => {
            format!("no throughput of the name {id}, nor of the wanted name {name}")
        }
        (None, Some(id), _) => format!("no throughput {id}"),
        (None, None, _) => "nothing to show of the throughput that it was asked to make".to_owned(),
    };
    let start = format!(
        "AWS has {what} in region {region} of the account that the operator works in: it is not bought again by itself"
    );
    match anew {
        None => refuse(
            Reason::NotFound,
            format!(
                "{start}. If it was deleted, delete this object; if it is elsewhere, correct provisionedModelId or region in a new object, or the \
                 operator's credentials"
            ),
            None,
        ),
        Some((situation, change)) => {
            let message = format!(
                "{start}. If it was deleted on purpose, delete this object; if the operator looks in the wrong account, correct its credentials. To {}: \
                 {}. {}",
                change.message,
                change.consequence,
                gate::how_to_approve(situation, &change)
            );
            let pending: Option<Pending> = Some(gate::held(situation, change));
            Plan::Refuse { reason: Reason::NotFound, message, pending }
        }
    }
}
