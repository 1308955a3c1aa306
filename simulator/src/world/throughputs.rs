//! Provisioned throughput, from Create to Delete.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Caller, Token, Version, World, earlier, foundation_models, later, page::page, tags};
use crate::{
    error::{ApiError, ErrorCode},
    request::{
        CommitmentDuration, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput,
        GetProvisionedModelThroughput, ListProvisionedModelThroughputs, ModelStatus, ProvisionedModelStatus, SortOrder,
        UpdateProvisionedModelThroughput,
    },
    response::{ProvisionedModelView, Response},
    settings::Settings,
    switches::{
        BusyError, CommitmentEnd, CommittedError, CustomToBase, DefaultOrder, DeleteWhileCreating, DuplicateName,
        FailedUpdateModel, FailedUpdateStatus, LastModified, MissingModel, NameAfterFailedUpdate, NameWhileUpdating,
        NoOpUpdate, ReadLag, Rename, SameBase, Switches, TokenReplay, UpdateWhileCreating, UpdateWhileFailed,
    },
};

/// How many earlier states are kept for reads that lag.
const VERSIONS: usize = 32;

/// A provisioned throughput.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub(super) work: Option<Work>,
    pub(super) versions: Vec<Version>,
}

/// What a throughput is busy with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Work {
    ends: Timestamp,
    /// The name that it has at the end.
    name: Option<String>,
    /// The name that it had before, where the new one is shown already.
    name_before: Option<String>,
    /// The foundation model of the model that it has at the end.
    foundation: Option<String>,
    /// The message with which it fails.
    fails: Option<String>,
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
            None if self.status == ProvisionedModelStatus::Creating => {
                self.work = Some(Work { ends: now, name: None, name_before: None, foundation: None, fails: None });
            }
            None => {}
        }
    }

    fn view(&self) -> ProvisionedModelView {
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

    pub(super) fn settle(&mut self, now: Timestamp, switches: &Switches, _: &Settings) {
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

    fn committed(&self, now: Timestamp) -> Option<Timestamp> {
        self.commitment_expiration_time.filter(|end| *end > now)
    }
}

fn days(term: CommitmentDuration) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::try_from(term.days()).unwrap_or(i64::MAX / 24))
}

/// What a lagging read shows.
fn as_of(versions: &[Version], moment: Timestamp) -> Option<&ProvisionedModelView> {
    versions.iter().rev().find(|version| version.since <= moment).and_then(|version| version.view.as_ref())
}

impl World {
    pub(super) fn create(
        &mut self,
        caller: &Caller,
        input: &CreateProvisionedModelThroughput,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let CreateProvisionedModelThroughput {
            client_request_token,
            model_units,
            provisioned_model_name,
            model_id,
            commitment_duration,
            tags: wanted_tags,
        } = input;
        let remembered = self.settings.token_seconds.duration();
        let token = client_request_token.as_ref();
        let used = token.and_then(|token| self.region(caller)?.tokens.get(token));
        if let Some(used) = used.filter(|used| later(used.used, remembered) > now) {
            return Ok(Response::CreateProvisionedModelThroughput {
                provisioned_model_arn: match self.switches.token_replay {
                    TokenReplay::SameArn => Some(used.arn.clone()),
                    TokenReplay::EmptyBody => None,
                },
            });
        }
        self.name_is_free(caller, provisioned_model_name, None)?;
        let (model_arn, foundation_model_arn) = self.usable_model(caller, model_id)?;
        self.within_quota(caller, *model_units, &foundation_model_arn)?;
        let arn = caller.arn(&format!("provisioned-model/{}", self.make_id()));
        let mut throughput =
            ProvisionedModel::in_service(&arn, provisioned_model_name, &model_arn, &foundation_model_arn, now);
        throughput.versions.clear();
        throughput.model_units = *model_units;
        throughput.tags = tags::merged(&BTreeMap::new(), wanted_tags, &arn)?;
        throughput.commitment_duration = *commitment_duration;
        throughput.commitment_expiration_time = commitment_duration.map(|term| later(now, days(term)));
        throughput.status = ProvisionedModelStatus::Creating;
        let ends = later(now, self.settings.creating_seconds.duration());
        let region = self.region_mut(caller);
        let fails = region.failing_creates.remove(provisioned_model_name);
        throughput.work = Some(Work { ends, name: None, name_before: None, foundation: None, fails });
        throughput.note(now);
        if let Some(token) = token {
            region.tokens.insert(token.clone(), Token { arn: arn.clone(), used: now });
        }
        region.throughputs.insert(arn.clone(), throughput);
        self.settle(now);
        Ok(Response::CreateProvisionedModelThroughput { provisioned_model_arn: Some(arn) })
    }

    pub(super) fn get(
        &self,
        caller: &Caller,
        input: &GetProvisionedModelThroughput,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let id = &input.provisioned_model_id;
        let lags = match self.switches.read_lag {
            ReadLag::Get | ReadLag::Both => true,
            ReadLag::None | ReadLag::List => false,
        };
        if id.starts_with("arn:") {
            self.is_here(caller, id)?;
        }
        self.views(caller, lags, now)
            .into_iter()
            .find(|view| view.provisioned_model_arn == *id || view.provisioned_model_name == *id)
            .map(|view| Response::GetProvisionedModelThroughput(Box::new(view)))
            .ok_or_else(|| missing(id))
    }

    pub(super) fn list(
        &self,
        caller: &Caller,
        input: &ListProvisionedModelThroughputs,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let ListProvisionedModelThroughputs {
            creation_time_after,
            creation_time_before,
            status_equals,
            model_arn_equals,
            name_contains,
            max_results,
            next_token,
            sort_by: _,
            sort_order,
        } = input;
        let lags = match self.switches.read_lag {
            ReadLag::List | ReadLag::Both => true,
            ReadLag::None | ReadLag::Get => false,
        };
        let mut views = self.views(caller, lags, now);
        views.retain(|view| {
            creation_time_after.is_none_or(|after| view.creation_time > after)
                && creation_time_before.is_none_or(|before| view.creation_time < before)
                && status_equals.is_none_or(|status| view.status == status)
                && model_arn_equals.as_ref().is_none_or(|arn| view.model_arn == *arn)
                && name_contains.as_ref().is_none_or(|part| view.provisioned_model_name.contains(part.as_str()))
        });
        views.sort_by_cached_key(|view| (view.creation_time, view.provisioned_model_arn.clone()));
        if sort_order.unwrap_or_else(|| self.default_order()) == SortOrder::Descending {
            views.reverse();
        }
        for view in &mut views {
            view.failure_message = None;
        }
        let size = max_results.unwrap_or(self.settings.page_size);
        let (provisioned_model_summaries, next_token) =
            page(views, |view| &view.provisioned_model_arn, size, next_token.as_deref())?;
        Ok(Response::ListProvisionedModelThroughputs { next_token, provisioned_model_summaries })
    }

    pub(super) fn update(
        &mut self,
        caller: &Caller,
        input: &UpdateProvisionedModelThroughput,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let UpdateProvisionedModelThroughput { provisioned_model_id, desired_provisioned_model_name, desired_model_id } =
            input;
        let throughput = self.find(caller, provisioned_model_id)?.clone();
        self.is_idle(&throughput)?;
        let name = desired_provisioned_model_name.as_ref().filter(|name| **name != throughput.name);
        if let Some(name) = name {
            self.name_is_free(caller, name, Some(&throughput.arn))?;
        }
        let model = desired_model_id.as_ref().map(|id| self.usable_model(caller, id)).transpose()?;
        let model = model.filter(|(arn, _)| *arn != throughput.model_arn || *arn != throughput.desired_model_arn);
        if let Some((arn, foundation)) = &model {
            self.may_move(&throughput, arn, foundation)?;
        }
        if name.is_none() && model.is_none() {
            match self.switches.no_op_update {
                NoOpUpdate::Accepted => return Ok(Response::UpdateProvisionedModelThroughput),
                NoOpUpdate::Refused => {
                    return Err(ApiError::validation("The request changes neither the name nor the model."));
                }
                NoOpUpdate::ThroughUpdating => {}
            }
        }
        let (switches, updating) = (self.switches, self.settings.updating_seconds.duration());
        let region = self.region_mut(caller);
        let Some(kept) = region.throughputs.get_mut(&throughput.arn) else { return Err(missing(&throughput.arn)) };
        let at_once = model.is_none() && name.is_some() && switches.rename == Rename::AtOnce;
        kept.last_modified_time = now;
        if at_once {
            // The name alone: whatever else it is busy with, or was, stays.
            if let Some(name) = name {
                kept.name.clone_from(name);
            }
        } else {
            let late = switches.name_while_updating == NameWhileUpdating::Old
                || (model.is_none() && switches.rename == Rename::ThroughUpdating);
            let name_before = name.filter(|_| !late).map(|_| kept.name.clone());
            if let Some(name) = name.filter(|_| !late) {
                kept.name.clone_from(name);
            }
            kept.status = ProvisionedModelStatus::Updating;
            kept.failure_message = None;
            let (model_arn, foundation) = model.unzip();
            if let Some(arn) = model_arn {
                kept.desired_model_arn = arn;
            }
            let fails = region.failing_updates.remove(&throughput.arn);
            let name = name.filter(|_| late).cloned();
            kept.work = Some(Work { ends: later(now, updating), name, name_before, foundation, fails });
        }
        kept.note(now);
        self.settle(now);
        Ok(Response::UpdateProvisionedModelThroughput)
    }

    pub(super) fn delete(
        &mut self,
        caller: &Caller,
        input: &DeleteProvisionedModelThroughput,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let throughput = self.find(caller, &input.provisioned_model_id)?;
        let idle = match throughput.status {
            ProvisionedModelStatus::InService | ProvisionedModelStatus::Failed => true,
            ProvisionedModelStatus::Updating => false,
            ProvisionedModelStatus::Creating => self.switches.delete_while_creating == DeleteWhileCreating::Allowed,
        };
        if !idle {
            return Err(self.busy(throughput));
        }
        if let Some(end) = throughput.committed(now) {
            let code = match self.switches.committed_error {
                CommittedError::ConflictException => ErrorCode::ConflictException,
                CommittedError::ValidationException => ErrorCode::ValidationException,
            };
            let name = &throughput.name;
            let message = format!(
                "The provisioned throughput {name} has a commitment until {end} and can not be deleted before."
            );
            return Err(ApiError::new(code, message));
        }
        let arn = throughput.arn.clone();
        let lag = self.settings.read_lag_seconds.duration();
        let region = self.region_mut(caller);
        // No lagging read shows what was gone before this.
        let forgotten = earlier(now, lag);
        region.deleted.retain(|_, versions| versions.last().is_some_and(|version| version.since > forgotten));
        if let Some(gone) = region.throughputs.remove(&arn) {
            let mut versions = gone.versions;
            versions.push(Version { since: now, view: None });
            region.deleted.insert(arn, versions);
        }
        Ok(Response::DeleteProvisionedModelThroughput)
    }

    pub(super) fn default_order(&self) -> SortOrder {
        match self.switches.default_order {
            DefaultOrder::Descending => SortOrder::Descending,
            DefaultOrder::Ascending => SortOrder::Ascending,
        }
    }

    fn views(&self, caller: &Caller, lags: bool, now: Timestamp) -> Vec<ProvisionedModelView> {
        let Some(region) = self.region(caller) else { return Vec::new() };
        if !lags {
            return region.throughputs.values().map(ProvisionedModel::view).collect();
        }
        let moment = earlier(now, self.settings.read_lag_seconds.duration());
        let there = region.throughputs.values().map(|throughput| throughput.versions.as_slice());
        let gone = region.deleted.values().map(Vec::as_slice);
        there.chain(gone).filter_map(|versions| as_of(versions, moment)).cloned().collect()
    }

    fn find(&self, caller: &Caller, id: &str) -> Result<&ProvisionedModel, ApiError> {
        if id.starts_with("arn:") {
            self.is_here(caller, id)?;
        }
        let by_arn = self.region(caller).and_then(|region| region.throughputs.get(id));
        by_arn.or_else(|| self.throughputs(caller).find(|throughput| throughput.name == id)).ok_or_else(|| missing(id))
    }

    /// "You can't update or delete a Provisioned Throughput while its status is Updating" (user guide).
    fn is_idle(&self, throughput: &ProvisionedModel) -> Result<(), ApiError> {
        let idle = match throughput.status {
            ProvisionedModelStatus::InService => true,
            ProvisionedModelStatus::Updating => false,
            ProvisionedModelStatus::Creating => self.switches.update_while_creating == UpdateWhileCreating::Allowed,
            ProvisionedModelStatus::Failed => self.switches.update_while_failed == UpdateWhileFailed::Allowed,
        };
        if idle { Ok(()) } else { Err(self.busy(throughput)) }
    }

    fn busy(&self, throughput: &ProvisionedModel) -> ApiError {
        let code = match self.switches.busy_error {
            BusyError::ValidationException => ErrorCode::ValidationException,
            BusyError::ConflictException => ErrorCode::ConflictException,
        };
        let (name, status) = (&throughput.name, throughput.status.as_str());
        ApiError::new(
            code,
            format!("The provisioned throughput {name} can not be changed while its status is {status}."),
        )
    }

    fn name_is_free(&self, caller: &Caller, name: &str, except: Option<&str>) -> Result<(), ApiError> {
        let mut others = self.throughputs(caller).filter(|other| Some(other.arn.as_str()) != except);
        if !others.any(|other| other.name == name) {
            return Ok(());
        }
        let code = match self.switches.duplicate_name {
            DuplicateName::ValidationException => ErrorCode::ValidationException,
            DuplicateName::ConflictException => ErrorCode::ConflictException,
            DuplicateName::Allowed => return Ok(()),
        };
        Err(ApiError::new(code, format!("The provisioned throughput name {name} is already in use.")))
    }

    /// The ARN of a model of any state, and of its foundation model.
    #[must_use]
    pub fn resolve_model(&self, caller: &Caller, id: &str) -> Option<(String, String)> {
        if let Some(model) = self.foundation_model(foundation_models::id_in(id).unwrap_or(id)) {
            let arn = caller.foundation_model_arn(&model.model_id);
            return Some((arn.clone(), arn));
        }
        let model = self.custom_model(caller, id)?;
        self.foundation_of(caller, &model.arn).map(|foundation| (model.arn.clone(), foundation))
    }

    /// The ARN of a model that can be served, and of its foundation model.
    fn usable_model(&self, caller: &Caller, id: &str) -> Result<(String, String), ApiError> {
        let unknown = || {
            let code = match self.switches.missing_model {
                MissingModel::ResourceNotFoundException => ErrorCode::ResourceNotFoundException,
                MissingModel::ValidationException => ErrorCode::ValidationException,
            };
            ApiError::new(code, format!("The model {id} was not found."))
        };
        if id.starts_with("arn:") {
            self.is_here(caller, id)?;
        }
        let foundation_id = foundation_models::id_in(id).unwrap_or(id);
        if let Some(model) = self.foundation_model(foundation_id) {
            let arn = caller.foundation_model_arn(&model.model_id);
            return if model.inference_types_supported.iter().any(|kind| kind == "PROVISIONED") {
                Ok((arn.clone(), arn))
            } else {
                Err(ApiError::validation(format!("The model {id} does not support provisioned throughput.")))
            };
        }
        let model = self.custom_model(caller, id).ok_or_else(unknown)?;
        if model.status != ModelStatus::Active {
            return Err(ApiError::validation(format!("The custom model {id} is not Active.")));
        }
        let foundation = self.foundation_of(caller, &model.arn).ok_or_else(unknown)?;
        Ok((model.arn.clone(), foundation))
    }

    /// Only a throughput on a custom model can move, to its base model or to another custom model of that base (API reference,
    /// `UpdateProvisionedModelThroughput`).
    fn may_move(&self, throughput: &ProvisionedModel, to: &str, foundation: &str) -> Result<(), ApiError> {
        let on_base = foundation_models::id_in(&throughput.model_arn).is_some();
        if on_base && !self.came_from_custom(throughput) {
            return Err(ApiError::validation(format!(
                "The model of provisioned throughput {} can not be changed, because it is associated with a base model.",
                throughput.name
            )));
        }
        let same = match (
            self.switches.same_base,
            foundation_models::id_in(foundation),
            foundation_models::id_in(&throughput.foundation_model_arn),
        ) {
            (SameBase::Family, Some(one), Some(other)) => {
                foundation_models::family(one) == foundation_models::family(other)
            }
            (SameBase::Exact | SameBase::Family, _, _) => foundation == throughput.foundation_model_arn,
        };
        if same {
            return Ok(());
        }
        Err(ApiError::validation(format!(
            "The model {to} is not customized from the same base model as provisioned throughput {}.",
            throughput.name
        )))
    }

    /// Whether a throughput on a base model may go back, because it was on a custom model before.
    fn came_from_custom(&self, throughput: &ProvisionedModel) -> bool {
        let was_custom = || {
            throughput
                .versions
                .iter()
                .filter_map(|version| version.view.as_ref())
                .any(|view| foundation_models::id_in(&view.model_arn).is_none())
        };
        match self.switches.custom_to_base {
            CustomToBase::OneWay => false,
            CustomToBase::CanGoBack => was_custom(),
        }
    }

    fn within_quota(&self, caller: &Caller, model_units: u32, foundation: &str) -> Result<(), ApiError> {
        let Some(quota) = self.quotas.get(&caller.account) else { return Ok(()) };
        let used: u32 = self.throughputs(caller).map(|throughput| throughput.model_units).fold(0, u32::saturating_add);
        if used.saturating_add(model_units) <= *quota {
            return Ok(());
        }
        let model = foundation_models::id_in(foundation).unwrap_or(foundation);
        let message = if *quota == 0 {
            format!("Your account does not currently have any no commitment model units reserved for {model}.")
        } else {
            format!(
                "Your account has a quota of {quota} model units, of which {used} are in use; {model_units} more for {model} exceed it."
            )
        };
        Err(ApiError::new(ErrorCode::ServiceQuotaExceededException, message))
    }
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("The provisioned throughput {id} was not found."))
}
