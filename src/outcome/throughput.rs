//! What AWS has, as a status shows it.

use jiff::Timestamp;

use crate::{
    conditions::whole_seconds,
    crd::ProvisionedThroughputStatus,
    observed::{Observed, Sighting, Throughput},
};

/// Copies what AWS has into the status.
pub(super) fn show(status: &mut ProvisionedThroughputStatus, observed: &Observed) {
    let Sighting::Found(throughput) = &observed.throughput else {
        // What is no longer there must not look as if it were; the ARN stays, it is the identity.
        let ProvisionedThroughputStatus {
            observed_generation: _,
            last_handled_reconcile_at: _,
            provisioned_model_arn: _,
            provisioned_model_name: _,
            status: word,
            model_arn,
            desired_model_arn,
            foundation_model_arn: _,
            model_units,
            desired_model_units,
            commitment_duration: _,
            commitment_expiration_time: _,
            creation_time: _,
            last_modified_time: _,
            failure_message,
            managed_tag_keys: _,
            exported_to: _,
            last_handled_approval: _,
            last_handled_take_over: _,
            commitment_notice: _,
            plan: _,
            last_update: _,
            conditions: _,
        } = status;
        (*word, *model_arn, *desired_model_arn, *failure_message) = (None, None, None, None);
        (*model_units, *desired_model_units) = (None, None);
        return;
    };
    let Throughput {
        arn,
        name,
        status: word,
        model_arn,
        desired_model_arn,
        foundation_model_arn,
        model_units,
        desired_model_units,
        commitment_duration,
        commitment_expiration_time,
        creation_time,
        last_modified_time,
        failure_message,
    } = throughput;
    let time = |time: &Timestamp| whole_seconds(*time);
    status.provisioned_model_arn = Some(arn.to_string());
    status.provisioned_model_name = Some(name.to_string());
    status.status = Some(word.to_string());
    status.model_arn = Some(model_arn.to_string());
    status.desired_model_arn = Some(desired_model_arn.to_string());
    status.foundation_model_arn = Some(foundation_model_arn.to_string());
    status.model_units = Some(*model_units);
    status.desired_model_units = Some(*desired_model_units);
    status.commitment_duration.clone_from(commitment_duration);
    status.commitment_expiration_time = commitment_expiration_time.as_ref().map(time);
    status.creation_time = Some(time(creation_time));
    status.last_modified_time = Some(time(last_modified_time));
    status.failure_message.clone_from(failure_message);
}
