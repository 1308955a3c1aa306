//! The models that customers made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Caller, World, foundation_models, page::page};
use crate::{
    error::ApiError,
    request::{GetCustomModel, ListCustomModels, ModelStatus, SortOrder},
    response::{CustomModelSummary, CustomModelView, Response},
    switches::{CustomModelBase, CustomModelStatus},
};

/// How many custom models may stand between a custom model and its foundation model.
const LONGEST_CHAIN: usize = 16;

/// A custom model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomModel {
    /// Its ARN.
    pub arn: String,
    /// Its name, unique in the account and region.
    pub name: String,
    /// The ARN of the model that it was made from: a foundation model, or another custom model.
    pub base_model_arn: String,
    /// Its status.
    pub status: ModelStatus,
    /// Why it failed.
    pub failure_message: Option<String>,
    /// How it was made.
    pub customization_type: Option<String>,
    /// When it was made.
    pub creation_time: Timestamp,
}

/// The name of the foundation model in the ARN of a custom model, without its version and variant: the only name of the form that the
/// API has for it.
fn base_model_name(arn: &str) -> &str {
    let id = arn.split('/').nth(1).unwrap_or(arn);
    id.split(':').next().unwrap_or(id)
}

impl World {
    pub(super) fn get_custom_model(&self, caller: &Caller, input: &GetCustomModel) -> Result<Response, ApiError> {
        let identifier = &input.model_identifier;
        if identifier.starts_with("arn:") {
            self.is_here(caller, identifier)?;
        }
        let model = self.custom_model(caller, identifier);
        let model =
            model.ok_or_else(|| ApiError::not_found(format!("The custom model {identifier} was not found.")))?;
        let CustomModel { arn, name, base_model_arn, status, failure_message, customization_type, creation_time } =
            model.clone();
        let told = |base| match self.switches.custom_model_base {
            CustomModelBase::Told => Some(base),
            CustomModelBase::LeftOut => None,
        };
        let model_status = match self.switches.custom_model_status {
            CustomModelStatus::Told => Some(status),
            CustomModelStatus::LeftOut => None,
        };
        Ok(Response::GetCustomModel(Box::new(CustomModelView {
            model_arn: arn,
            model_name: name,
            creation_time,
            base_model_arn: told(base_model_arn),
            customization_type,
            hyper_parameters: BTreeMap::new(),
            model_status,
            failure_message,
        })))
    }

    pub(super) fn list_custom_models(&self, caller: &Caller, input: &ListCustomModels) -> Result<Response, ApiError> {
        let ListCustomModels {
            creation_time_before,
            creation_time_after,
            name_contains,
            base_model_arn_equals,
            foundation_model_arn_equals,
            max_results,
            next_token,
            sort_by: _,
            sort_order,
            is_owned,
            model_status,
        } = input;
        let mut models: Vec<&CustomModel> = self
            .region(caller)
            .into_iter()
            .flat_map(|region| region.custom_models.values())
            .filter(|model| creation_time_before.is_none_or(|before| model.creation_time < before))
            .filter(|model| creation_time_after.is_none_or(|after| model.creation_time > after))
            .filter(|model| name_contains.as_ref().is_none_or(|part| model.name.contains(part.as_str())))
            .filter(|model| base_model_arn_equals.as_ref().is_none_or(|base| model.base_model_arn == *base))
            .filter(|model| {
                let wanted = foundation_model_arn_equals.as_ref();
                wanted.is_none_or(|wanted| self.foundation_of(caller, &model.arn).as_ref() == Some(wanted))
            })
            // Nothing is shared between accounts here: all that an account sees is its own.
            .filter(|_| is_owned.unwrap_or(true))
            .filter(|model| model_status.is_none_or(|status| model.status == status))
            .collect();
        models.sort_by_key(|model| (model.creation_time, model.arn.clone()));
        if sort_order.unwrap_or_else(|| self.default_order()) == SortOrder::Descending {
            models.reverse();
        }
        let size = max_results.unwrap_or(self.settings.page_size);
        let (models, next_token) = page(models, |model| &model.arn, size, next_token.as_deref())?;
        let model_summaries = models.into_iter().map(|model| Self::summary(caller, model)).collect();
        Ok(Response::ListCustomModels { next_token, model_summaries })
    }

    fn summary(caller: &Caller, model: &CustomModel) -> CustomModelSummary {
        let CustomModel { arn, name, base_model_arn, status, failure_message: _, customization_type, creation_time } =
            model.clone();
        CustomModelSummary {
            base_model_name: base_model_name(&arn).to_owned(),
            model_arn: arn,
            model_name: name,
            creation_time,
            base_model_arn,
            customization_type,
            owner_account_id: caller.account.clone(),
            model_status: status,
        }
    }

    /// The ARN that IAM checks a custom model by. One that does not exist has its name in the place of an id.
    pub(crate) fn custom_model_arn(&self, caller: &Caller, identifier: &str) -> String {
        if identifier.starts_with("arn:") {
            return identifier.to_owned();
        }
        let model = self.custom_model(caller, identifier);
        model.map_or_else(|| caller.arn(&format!("custom-model/{identifier}")), |model| model.arn.clone())
    }

    /// A custom model, by ARN or name.
    pub(super) fn custom_model(&self, caller: &Caller, identifier: &str) -> Option<&CustomModel> {
        let models = &self.region(caller)?.custom_models;
        models.get(identifier).or_else(|| models.values().find(|model| model.name == identifier))
    }

    /// The ARN of the foundation model at the end of a model's chain of bases.
    pub(super) fn foundation_of(&self, caller: &Caller, arn: &str) -> Option<String> {
        let mut arn = arn.to_owned();
        for _ in 0..LONGEST_CHAIN {
            if foundation_models::id_in(&arn).is_some() {
                return Some(arn);
            }
            arn.clone_from(&self.custom_model(caller, &arn)?.base_model_arn);
        }
        None
    }
}
