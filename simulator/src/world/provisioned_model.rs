//! A provisioned throughput, and what happens to it by itself: its work ends, and its commitment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Version, foundation_models, later};
use crate::{
    request::{CommitmentDuration, ProvisionedModelStatus},
    response::ProvisionedModelView,
    switches::{CommitmentEnd, FailedUpdateModel, FailedUpdateStatus, LastModified, NameAfterFailedUpdate, Switches},
};

/// How many earlier states are kept for reads that lag.
const VERSIONS: usize = 32;

/// A provisioned throughput.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedModel {
    /// Its ARN, which stays.
    pub arn: String,
    /// Its name, which can change.
    pub name: String,
    /// The model that is served.
    pub model_arn: String,
    /// The model that is on the way, or the served one.
    pub desired_model_arn: String,
    /// The foundation model that the served model is made from.
    pub foundation_model_arn: String,
    /// Model units.
    pub model_units: u32,
    /// Its status.
    pub status: ProvisionedModelStatus,
    /// Why it failed.
    pub failure_message: Option<String>,
    /// The commitment.
    pub commitment_duration: Option<CommitmentDuration>,
    /// When the commitment ends.
    pub commitment_expiration_time: Option<Timestamp>,
    /// When it was made.
    pub creation_time: Timestamp,
    /// When it was last changed.
    pub last_modified_time: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it has served a custom model.
    pub(super) was_on_custom_model: bool,
    /// Whether it failed to be made, and has not been in service since.
    pub(super) creation_failed: bool,
    pub(super) work: Option<Work>,
    pub(super) versions: Vec<Version>,
}

/// What a throughput is busy with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Work {
    pub(super) ends: Timestamp,
    /// The name that it has at the end.
    pub(super) name: Option<String>,
    /// The name that it had before, where the new one is shown already.
    pub(super) name_before: Option<String>,
    /// The foundation model of the model that it has at the end.
    pub(super) foundation: Option<String>,
    /// The message with which it fails.
    pub(super) fails: Option<String>,
}

impl ProvisionedModel {
    /// A throughput that serves `model_arn`, and has done so since `time`.
    #[must_use]
    pub fn in_service(arn: &str, name: &str, model_arn: &str, foundation_model_arn: &str, time: Timestamp) -> Self {
        let mut throughput = Self {
            arn: arn.to_owned(),
            name: name.to_owned(),
            model_arn: model_arn.to_owned(),
            desired_model_arn: model_arn.to_owned(),
            foundation_model_arn: foundation_model_arn.to_owned(),
            model_units: 1,
            status: ProvisionedModelStatus::InService,
            failure_message: None,
            commitment_duration: None,
            commitment_expiration_time: None,
            creation_time: time,
            last_modified_time: time,
            tags: BTreeMap::new(),
            was_on_custom_model: false,
            creation_failed: false,
            work: None,
            versions: Vec::new(),
        };
        throughput.note(time);
        throughput
    }

    /// Keeps the present state for reads that lag. To be called after every change from outside; what was kept of the same time or a
    /// later one no longer counts.
    pub fn note(&mut self, since: Timestamp) {
        let view = Some(self.view());
        self.versions.retain(|version| version.since < since);
        self.versions.push(Version { since, view });
        if self.versions.len() > VERSIONS {
            // The oldest; there are more than one.
            self.versions.remove(0);
        }
    }

    /// The work that is under way ends now.
    pub fn finish(&mut self, now: Timestamp) {
        match &mut self.work {
            Some(work) => work.ends = now,
            None => match self.status {
                // It was seeded so.
                ProvisionedModelStatus::Creating | ProvisionedModelStatus::Updating => {
                    self.work = Some(Work { ends: now, name: None, name_before: None, foundation: None, fails: None });
                }
                ProvisionedModelStatus::InService | ProvisionedModelStatus::Failed => {}
            },
        }
    }

    pub(super) fn view(&self) -> ProvisionedModelView {
        ProvisionedModelView {
            provisioned_model_name: self.name.clone(),
            provisioned_model_arn: self.arn.clone(),
            model_arn: self.model_arn.clone(),
            desired_model_arn: self.desired_model_arn.clone(),
            foundation_model_arn: self.foundation_model_arn.clone(),
            model_units: self.model_units,
            desired_model_units: self.model_units,
            status: self.status,
            creation_time: self.creation_time,
            last_modified_time: self.last_modified_time,
            failure_message: self.failure_message.clone(),
            commitment_duration: self.commitment_duration,
            commitment_expiration_time: self.commitment_expiration_time,
        }
    }

    /// Every name that it has or may get: the present one, and those that it may have when its work ends.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let work = self.work.iter().flat_map(|work| [work.name.as_deref(), work.name_before.as_deref()]);
        [Some(self.name.as_str())].into_iter().chain(work).flatten()
    }

    /// When something happens to it by itself: its work ends, or its commitment.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let commitment = self.commitment_duration.and(self.commitment_expiration_time);
        [self.work.as_ref().map(|work| work.ends), commitment].into_iter().flatten().min()
    }

    pub(super) fn settle(&mut self, now: Timestamp, switches: &Switches) {
        if let Some(Work { ends, .. }) = self.work
            && ends <= now
            && let Some(work) = self.work.take()
        {
            self.end(work, switches);
        }
        self.renew(now, switches);
    }

    fn end(&mut self, Work { ends, name, name_before, foundation, fails }: Work, switches: &Switches) {
        let creating = self.status == ProvisionedModelStatus::Creating;
        match (fails, creating) {
            (None, _) => {
                self.status = ProvisionedModelStatus::InService;
                self.failure_message = None;
                self.creation_failed = false;
                self.was_on_custom_model |= foundation_models::id_in(&self.model_arn).is_none();
                self.model_arn.clone_from(&self.desired_model_arn);
                if let Some(name) = name {
                    self.name = name;
                }
                if let Some(foundation) = foundation {
                    self.foundation_model_arn = foundation;
                }
            }
            (Some(message), true) => {
                self.status = ProvisionedModelStatus::Failed;
                self.failure_message = Some(message);
                self.creation_failed = true;
            }
            (Some(message), false) => {
                let (status, message) = match switches.failed_update_status {
                    FailedUpdateStatus::Failed => (ProvisionedModelStatus::Failed, Some(message)),
                    FailedUpdateStatus::InServiceWithMessage => (ProvisionedModelStatus::InService, Some(message)),
                    FailedUpdateStatus::InServiceSilently => (ProvisionedModelStatus::InService, None),
                };
                (self.status, self.failure_message) = (status, message);
                match switches.failed_update_model {
                    FailedUpdateModel::RolledBack => self.desired_model_arn.clone_from(&self.model_arn),
                    FailedUpdateModel::KeepsDesired => {}
                }
                match (switches.name_after_failed_update, name_before, name) {
                    (NameAfterFailedUpdate::Old, Some(before), _) => self.name = before,
                    (NameAfterFailedUpdate::New, _, Some(name)) => self.name = name,
                    (NameAfterFailedUpdate::Old, None, _) | (NameAfterFailedUpdate::New, _, None) => {}
                }
            }
        }
        match switches.last_modified {
            LastModified::BeginAndEnd => self.last_modified_time = ends,
            LastModified::BeginOnly => {}
        }
        self.note(ends);
    }

    fn renew(&mut self, now: Timestamp, switches: &Switches) {
        let (Some(term), Some(mut end)) = (self.commitment_duration, self.commitment_expiration_time) else { return };
        if end > now || switches.commitment_end == CommitmentEnd::Ends {
            return;
        }
        while end <= now && end < Timestamp::MAX {
            end = later(end, days(term));
        }
        self.commitment_expiration_time = Some(end);
        self.note(now);
    }

    /// The end of a commitment that runs at `now`.
    pub(super) fn committed(&self, now: Timestamp) -> Option<Timestamp> {
        self.commitment_expiration_time.filter(|end| *end > now)
    }
}

/// A term.
pub(super) fn days(term: CommitmentDuration) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::try_from(term.days()).unwrap_or(i64::MAX / 24))
}

/// What a lagging read shows.
pub(super) fn as_of(versions: &[Version], moment: Timestamp) -> Option<&ProvisionedModelView> {
    versions.iter().rev().find(|version| version.since <= moment).and_then(|version| version.view.as_ref())
}
