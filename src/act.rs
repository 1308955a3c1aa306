//! The calls that change something at AWS.

use crate::{
    bedrock::{Accepted, Bedrock, Fault, FaultKind, Operation},
    calls::{Call, Change},
    identifiers::{ProvisionedModelArn, Region},
};

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// AWS's answer.
    pub accepted: Accepted,
    /// The throughput that was bought, where AWS names it.
    pub bought: Option<ProvisionedModelArn>,
}

/// Makes a call. It is sent once: whether it is repeated is decided from a look taken afterwards.
///
/// # Errors
/// When AWS refuses it, or no answer comes.
pub async fn act(bedrock: &dyn Bedrock, region: &Region, change: &Change) -> Result<Done, Fault> {
    let Change { call, arn, from: _, cause: _, message: _, consequence: _ } = change;
    let accepted = match (call, arn) {
        (Call::Create(create), _) => {
            let (accepted, bought) = bedrock.create_throughput(region, create).await.map_err(name_is_taken)?;
            return Ok(Done { accepted, bought });
        }
        (Call::Update(update), Some(arn)) => bedrock.update_throughput(region, arn, update).await?,
        (Call::Delete, Some(arn)) => bedrock.delete_throughput(region, arn).await?,
        (Call::Tag(tag), Some(arn)) => {
            // Off before on: AWS bounds the number of tags.
            let untagged = if tag.remove.is_empty() {
                None
            } else {
                Some(bedrock.untag_throughput(region, arn, &tag.remove).await?)
            };
            match untagged {
                Some(untagged) if tag.set.is_empty() => untagged,
                Some(_) | None => bedrock.tag_throughput(region, arn, &tag.set).await?,
            }
        }
        (Call::Update(_) | Call::Tag(_) | Call::Delete, None) => return Err(without_arn(call)),
    };
    Ok(Done { accepted, bought: None })
}

/// There is nothing that a new throughput could be in conflict with but one of the same name, which stays: it is no use to try again.
fn name_is_taken(fault: Fault) -> Fault {
    if fault.kind == FaultKind::Conflict { Fault { kind: FaultKind::Refused, ..fault } } else { fault }
}

/// A plan always names the throughput that exists; one that does not is not carried out.
fn without_arn(call: &Call) -> Fault {
    let operation = match call {
        Call::Create(_) => Operation::CreateProvisionedModelThroughput,
        Call::Update(_) => Operation::UpdateProvisionedModelThroughput,
        Call::Tag(_) => Operation::TagResource,
        Call::Delete => Operation::DeleteProvisionedModelThroughput,
    };
    Fault {
        kind: FaultKind::Refused,
        operation,
        code: None,
        detail: "the plan names no throughput".to_owned(),
        request_id: None,
        retry_after: None,
    }
}
