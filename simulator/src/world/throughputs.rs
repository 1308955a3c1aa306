//! The calls about provisioned throughput, from Create to Delete.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Caller, ProvisionedModel, Token, Version, World, earlier, foundation_models, later,
    page::page,
    provisioned_model::{Work, as_of, days},
    tags,
};
use crate::{
    error::{ApiError, ErrorCode},
    request::{
        CommitmentDuration, CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput,
        GetProvisionedModelThroughput, ListProvisionedModelThroughputs, ModelStatus, ProvisionedModelStatus, SortOrder,
        UpdateProvisionedModelThroughput,
    },
    response::{ProvisionedModelView, Response},
    switches::{
        BusyError, CommittedError, CustomToBase, DefaultOrder, DeleteWhileCreating, DuplicateName, MissingModel,
        NameAfterFailedCreate, NameWhileUpdating, NoOpUpdate, ReadLag, Rename, SameBase, TokenReplay,
        UpdateWhileCreating, UpdateWhileFailed,
    },
};

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
        is_sold(caller, &model_arn, *commitment_duration)?;
        self.within_quota(caller, *model_units, &foundation_model_arn)?;
        let made = self.made;
        let arn = self.make_arn(caller, "provisioned-model");
        // A refused call leaves nothing behind, not even a number that was used up.
        let tags = tags::merged(&BTreeMap::new(), wanted_tags, &arn).inspect_err(|_| self.made = made)?;
        let mut throughput =
            ProvisionedModel::in_service(&arn, provisioned_model_name, &model_arn, &foundation_model_arn, now);
        throughput.versions.clear();
        throughput.model_units = *model_units;
        throughput.tags = tags;
        throughput.commitment_duration = *commitment_duration;
        throughput.commitment_expiration_time = commitment_duration.map(|term| later(now, days(term)));
        throughput.status = ProvisionedModelStatus::Creating;
        let ends = later(now, self.settings.creating_seconds.duration());
        let forgotten = earlier(now, self.settings.read_lag_seconds.duration());
        let region = self.region_mut(caller);
        if !throughput.tags.is_empty() {
            region.keep_tags(&arn, BTreeMap::new(), now, forgotten);
        }
        let fails = region.failing_creates.remove(provisioned_model_name);
        throughput.work = Some(Work { ends, name: None, name_before: None, foundation: None, fails });
        throughput.note(now);
        if let Some(token) = token {
            region.tokens.insert(token.clone(), Token { arn: arn.clone(), used: now });
        }
        region.throughputs.insert(throughput);
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
        if !lags {
            let view = self.find(caller, id)?.view();
            return Ok(Response::GetProvisionedModelThroughput(Box::new(view)));
        }
        if id.starts_with("arn:") {
            self.is_here(caller, id)?;
        }
        self.shown_of(caller, id, now)
            .map(|view| Response::GetProvisionedModelThroughput(Box::new(view.clone())))
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
        let mut views: Vec<ProvisionedModelView> = if lags {
            self.shown(caller, now).cloned().collect()
        } else {
            self.throughputs(caller).map(ProvisionedModel::view).collect()
        };
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
        let throughput = self.find(caller, provisioned_model_id)?;
        self.is_idle(throughput)?;
        let name = desired_provisioned_model_name.as_ref().filter(|name| **name != throughput.name);
        let lost_its_name =
            throughput.creation_failed && self.switches.name_after_failed_create == NameAfterFailedCreate::Freed;
        if let Some(name) = name.or(lost_its_name.then_some(&throughput.name)) {
            self.name_is_free(caller, name, Some(&throughput.arn))?;
        }
        let model = desired_model_id.as_ref().map(|id| self.usable_model(caller, id)).transpose()?;
        let model = model.filter(|(arn, _)| *arn != throughput.model_arn || *arn != throughput.desired_model_arn);
        if let Some((arn, foundation)) = &model {
            self.may_move(throughput, arn, foundation)?;
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
        let arn = throughput.arn.clone();
        let (switches, ends) = (self.switches, later(now, self.settings.updating_seconds.duration()));
        let region = self.region_mut(caller);
        let at_once = model.is_none() && name.is_some() && switches.rename == Rename::AtOnce;
        let fails = if at_once { None } else { region.failing_updates.remove(&arn) };
        region.throughputs.change(&arn, |kept| {
            kept.last_modified_time = now;
            let late = !at_once
                && (switches.name_while_updating == NameWhileUpdating::Old
                    || (model.is_none() && switches.rename == Rename::ThroughUpdating));
            let (name, late_name) = if late { (None, name) } else { (name, None) };
            let name_before = name.map(|name| std::mem::replace(&mut kept.name, name.clone()));
            if !at_once {
                kept.status = ProvisionedModelStatus::Updating;
                kept.failure_message = None;
                let (model_arn, foundation) = model.unzip();
                if let Some(arn) = model_arn {
                    kept.desired_model_arn = arn;
                }
                kept.work = Some(Work { ends, name: late_name.cloned(), name_before, foundation, fails });
            }
            kept.note(now);
        });
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
        if let Some(message) = region.failing_deletes.remove(&arn) {
            region.throughputs.change(&arn, |kept| {
                kept.status = ProvisionedModelStatus::Failed;
                kept.failure_message = Some(message);
                kept.last_modified_time = now;
                // A deletion while Creating ends the creation.
                kept.work = None;
                kept.note(now);
            });
            return Ok(Response::DeleteProvisionedModelThroughput);
        }
        region.earlier_tags.remove(&arn);
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

    /// What reads that lag show.
    fn shown(&self, caller: &Caller, now: Timestamp) -> impl Iterator<Item = &ProvisionedModelView> {
        let moment = earlier(now, self.settings.read_lag_seconds.duration());
        self.region(caller).into_iter().flat_map(move |region| {
            let there = region.throughputs.iter().map(|throughput| throughput.versions.as_slice());
            let gone = region.deleted.values().map(Vec::as_slice);
            there.chain(gone).filter_map(move |versions| as_of(versions, moment))
        })
    }

    /// What a read of one that lags shows. Of several that have the name, one that did not fail.
    fn shown_of(&self, caller: &Caller, id: &str, now: Timestamp) -> Option<&ProvisionedModelView> {
        self.shown(caller, now)
            .filter(|view| view.provisioned_model_arn == id || view.provisioned_model_name == id)
            .min_by_key(|view| view.status == ProvisionedModelStatus::Failed)
    }

    /// The ARN that IAM checks a throughput by. One that does not exist has its name in the place of an id.
    pub(crate) fn provisioned_model_arn(&self, caller: &Caller, id: &str, now: Timestamp) -> String {
        if id.starts_with("arn:") {
            return id.to_owned();
        }
        if let Ok(throughput) = self.find(caller, id) {
            return throughput.arn.clone();
        }
        let shown = match self.switches.read_lag {
            ReadLag::Get | ReadLag::Both => self.shown_of(caller, id, now),
            ReadLag::None | ReadLag::List => None,
        };
        shown.map_or_else(|| caller.arn(&format!("provisioned-model/{id}")), |view| view.provisioned_model_arn.clone())
    }

    /// The ARN that IAM checks a model by. One that does not exist has the ARN of what its id looks like: only the ids of
    /// foundation models have dots.
    pub(crate) fn model_arn(&self, caller: &Caller, id: &str) -> String {
        if id.starts_with("arn:") {
            id.to_owned()
        } else if self.foundation_model(id).is_some() || id.contains('.') {
            caller.foundation_model_arn(id)
        } else {
            self.custom_model_arn(caller, id)
        }
    }

    fn find(&self, caller: &Caller, id: &str) -> Result<&ProvisionedModel, ApiError> {
        if id.starts_with("arn:") {
            self.is_here(caller, id)?;
        }
        let throughputs = self.region(caller).map(|region| &region.throughputs);
        throughputs
            .and_then(|throughputs| throughputs.get(id).or_else(|| throughputs.named(id)))
            .ok_or_else(|| missing(id))
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
        let claims = |holder: &ProvisionedModel| match self.switches.name_after_failed_create {
            NameAfterFailedCreate::Kept => true,
            NameAfterFailedCreate::Freed => {
                !(holder.creation_failed && holder.status == ProvisionedModelStatus::Failed)
            }
        };
        let mut holders = self.region(caller).into_iter().flat_map(|region| region.throughputs.claiming(name));
        if !holders.any(|holder| claims(holder) && Some(holder.arn.as_str()) != except) {
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
        let may_go_back = match self.switches.custom_to_base {
            CustomToBase::OneWay => false,
            CustomToBase::CanGoBack => throughput.was_on_custom_model,
        };
        if on_base && !may_go_back {
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

/// In GovCloud only custom models are served, and without a commitment (user guide, supported regions and models).
fn is_sold(caller: &Caller, model_arn: &str, commitment: Option<CommitmentDuration>) -> Result<(), ApiError> {
    if caller.partition() != "aws-us-gov" {
        return Ok(());
    }
    let region = &caller.region;
    if foundation_models::id_in(model_arn).is_some() {
        return Err(ApiError::validation(format!(
            "Only custom models can be provisioned in {region}, not {model_arn}."
        )));
    }
    match commitment {
        Some(_) => Err(ApiError::validation(format!("There is no commitment in {region}."))),
        None => Ok(()),
    }
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("The provisioned throughput {id} was not found."))
}
