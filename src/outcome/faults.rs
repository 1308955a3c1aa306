//! What a fault of a call means beyond what it says by itself.

use crate::{
    bedrock::{Fault, FaultKind},
    calls::{Call, Change},
    conditions::{ConditionType, Reason, find},
    crd::{ProvisionedThroughputStatus, WaitingFor},
    identifiers::ModelKind,
};

/// Whether `prior` tells of a fault of this very call.
pub(super) fn tried_before(prior: &ProvisionedThroughputStatus, generation: Option<i64>, change: &Change) -> bool {
    let reason = find(&prior.conditions, ConditionType::Ready).map_or("", |ready| ready.reason.as_str());
    let faulted = Reason::ALL.iter().filter(|reason| tells_of_a_fault(**reason)).any(|fault| fault.as_str() == reason);
    faulted
        && prior.observed_generation == generation
        && prior.plan.as_ref().is_some_and(|plan| {
            (plan.action, &plan.request) == (change.call.action(), &change.call.request())
                && matches!(plan.waiting_for, WaitingFor::Retry | WaitingFor::Change | WaitingFor::Answer)
        })
}

/// Whether a reason is that of a fault of a call.
pub(super) fn tells_of_a_fault(reason: Reason) -> bool {
    reason == Reason::ModelNotFound || FaultKind::ALL.iter().any(|kind| kind.reason() == reason)
}

/// The reason for the fault of a call: what a purchase names that AWS does not have is the model.
pub(super) fn reason_of(call: &Call, fault: &Fault) -> Reason {
    match (call, &fault.kind) {
        (Call::Create(_), FaultKind::NotFound) => Reason::ModelNotFound,
        (Call::Create(_) | Call::Update(_) | Call::Tag(_) | Call::Delete, _) => fault.reason(),
    }
}

/// What the fault of a call does not say by itself. The codes of the quotas are those of AWS Service Quotas, service `bedrock`.
pub(super) fn hint(call: &Call, fault: &Fault) -> String {
    match (call, &fault.kind) {
        (Call::Create(create), FaultKind::QuotaExceeded) => {
            let without_commitment = match create.model.kind() {
                ModelKind::Foundation => {
                    "\"Model units no-commitment Provisioned Throughputs across base models\" (L-FE44174A)"
                }
                ModelKind::Custom => {
                    "\"Model units no-commitment Provisioned Throughputs across custom models\" (L-BE77399C)"
                }
            };
            let per_model = "\"Model units per provisioned model\" of the model";
            match create.commitment {
                None => {
                    format!(". The quotas are {without_commitment} and {per_model}; both are 0 until AWS raises them")
                }
                Some(_) => format!(". The quota is {per_model}; it is 0 until AWS raises it"),
            }
        }
        (Call::Create(create), FaultKind::NotFound | FaultKind::Refused) => format!(
            ". Not every model can be provisioned, and base models only under an id with a context length, such as amazon.nova-lite-v1:0:24k (user \
             guide, \"Supported models for Provisioned Throughput\"). If the name {} is taken by what is left of a failed purchase, delete that first",
            create.name
        ),
        (Call::Create(_) | Call::Update(_) | Call::Tag(_) | Call::Delete, _) => String::new(),
    }
}
