//! What stands between a change that is due and the call: the policy, the operator's flags, and a person's approval.

use sha2::{Digest as _, Sha256};

use super::{Pending, Plan, Situation};
use crate::{
    calls::{Call, Change},
    conditions::Reason,
    crd::{Approval, ManagementPolicy, WaitingFor},
};

/// How many hexadecimal digits of a hash a person has to copy.
const DIGITS: usize = 8;

/// Lets a change through, or says what it waits for.
pub(super) fn gate(situation: &Situation<'_>, change: Change) -> Plan {
    match situation.desired.policy {
        ManagementPolicy::Observe => {
            return Plan::Leave { pending: Pending { change, waiting_for: WaitingFor::ManagementPolicy, hash: None } };
        }
        ManagementPolicy::Update | ManagementPolicy::Full => {}
    }
    if let Some((reason, flag)) = missing_flag(situation, &change.call) {
        let message = format!(
            "due is to {}, and the operator runs without {flag}: start it with that flag and an IAM policy that allows the call, or change the manifest",
            change.message
        );
        let pending = Some(Pending { change, waiting_for: WaitingFor::OperatorFlag, hash: None });
        return Plan::Refuse { reason, message, pending };
    }
    match situation.desired.approval {
        Approval::Automatic => Plan::Act(change),
        Approval::Manual if is_approved(situation, &change) => Plan::Act(change),
        Approval::Manual => {
            let message =
                format!("due is to {}. {}. {}", change.message, change.consequence, how_to_approve(situation, &change));
            Plan::Wait {
                reason: Reason::ApprovalRequired,
                message,
                pending: Some(held(situation, change)),
                until: None,
            }
        }
    }
}

/// A change that waits for approval, whatever `approval` says.
pub(super) fn held(situation: &Situation<'_>, change: Change) -> Pending {
    let hash = Some(hash(situation, &change));
    Pending { change, waiting_for: WaitingFor::Approval, hash }
}

/// Lets a change through that a person has approved, where the flags allow it.
pub(super) fn approved(situation: &Situation<'_>, change: &Change) -> Option<Plan> {
    is_approved(situation, change).then(|| gate(situation, change.clone()))
}

/// What a person has to do, and, where there is an approval of something else, that it is none of this.
pub(super) fn how_to_approve(situation: &Situation<'_>, change: &Change) -> String {
    let hash = hash(situation, change);
    let other = situation
        .desired
        .approved
        .as_ref()
        .map_or_else(String::new, |given| format!(". The approval {} is of another plan", short(given)));
    format!("Approve exactly this with the annotation bedrock-throughput.dev/approve: {hash}{other}")
}

/// A text of a person, of bounded length.
pub(super) fn short(given: &str) -> String {
    format!("{:?}", given.chars().take(64).collect::<String>())
}

fn is_approved(situation: &Situation<'_>, change: &Change) -> bool {
    situation.desired.approved.as_deref() == Some(hash(situation, change).as_str())
}

fn missing_flag(situation: &Situation<'_>, call: &Call) -> Option<(Reason, &'static str)> {
    let permits = situation.permits;
    match call {
        Call::Create(_) if !permits.create => Some((Reason::CreateNotAllowed, "--allow-create")),
        Call::Delete if !permits.delete => Some((Reason::DeleteNotAllowed, "--allow-delete")),
        Call::Create(_) | Call::Delete | Call::Update(_) | Call::Tag(_) => None,
    }
}

/// Stands for one plan of one object, once: the same change after another call has another hash.
fn hash(situation: &Situation<'_>, change: &Change) -> String {
    let Change { call, arn, from, cause: _, message: _, consequence: _ } = change;
    let uid = &situation.desired.uid;
    let parts = [
        uid.clone(),
        arn.as_ref().map(ToString::to_string).unwrap_or_default(),
        format!("{:?}", call.action()),
        // As JSON, which leaves out what is not set: a member that a later version adds changes no hash.
        serde_json::to_string(&call.request()).unwrap_or_default(),
        serde_json::to_string(from).unwrap_or_default(),
        situation.accepted_at().map(|at| at.as_second().to_string()).unwrap_or_default(),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, ..] = digest;
    format!("{:0DIGITS$x}", u32::from_be_bytes([a, b, c, d]))
}
