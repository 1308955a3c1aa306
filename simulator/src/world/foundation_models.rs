//! The models that AWS sells.

use serde::{Deserialize, Serialize};

use super::{Caller, World};
use crate::{
    error::ApiError,
    request::{GetFoundationModel, ListFoundationModels},
    response::{FoundationModelView, Response},
};

/// A foundation model, by AWS's member names. The ARN is made from the caller's region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct FoundationModel {
    pub model_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider_name: String,
    #[serde(default)]
    pub input_modalities: Vec<String>,
    #[serde(default)]
    pub output_modalities: Vec<String>,
    #[serde(default)]
    pub response_streaming_supported: bool,
    #[serde(default)]
    pub customizations_supported: Vec<String>,
    #[serde(default)]
    pub inference_types_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_lifecycle: Option<ModelLifecycle>,
}

/// Where a foundation model is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "the members are AWS's own")]
pub struct ModelLifecycle {
    pub status: LifecycleStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_of_life_time: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life_time: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_time: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_extended_access_time: Option<jiff::Timestamp>,
}

/// `ACTIVE` or `LEGACY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the values are AWS's own")]
pub enum LifecycleStatus {
    Active,
    Legacy,
}

impl FoundationModel {
    /// A text model that is sold as provisioned throughput and can be fine-tuned.
    #[must_use]
    pub fn text(model_id: &str) -> Self {
        let provider = model_id.split('.').next().unwrap_or_default();
        Self {
            model_id: model_id.to_owned(),
            model_name: product(model_id).chars().take(LONGEST_NAME).collect(),
            provider_name: provider.to_owned(),
            input_modalities: vec!["TEXT".to_owned()],
            output_modalities: vec!["TEXT".to_owned()],
            response_streaming_supported: true,
            customizations_supported: vec!["FINE_TUNING".to_owned()],
            inference_types_supported: vec!["PROVISIONED".to_owned()],
            model_lifecycle: Some(ModelLifecycle {
                status: LifecycleStatus::Active,
                start_of_life_time: None,
                end_of_life_time: None,
                legacy_time: None,
                public_extended_access_time: None,
            }),
        }
    }

    fn view(&self, caller: &Caller) -> FoundationModelView {
        FoundationModelView { model_arn: caller.foundation_model_arn(&self.model_id), model: self.clone() }
    }
}

/// The longest name that the API has for a model (its shape `BrandedName`).
const LONGEST_NAME: usize = 20;

/// What the id of a model calls it, without provider, version and variant.
fn product(model_id: &str) -> &str {
    let name = model_id.split_once('.').map_or(model_id, |(_, name)| name);
    let name = name.split(':').next().unwrap_or(name);
    match name.rsplit_once("-v") {
        Some((product, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => product,
        Some(_) | None => name,
    }
}

/// The id in an ARN of a foundation model.
pub(super) fn id_in(arn: &str) -> Option<&str> {
    arn.split_once(":foundation-model/").map(|(_, id)| id)
}

/// The id of a foundation model without its variant for a context length.
pub(super) fn family(id: &str) -> &str {
    let end = id.match_indices(':').nth(1).map_or(id.len(), |(at, _)| at);
    id.get(..end).unwrap_or(id)
}

impl World {
    pub(super) fn get_foundation_model(
        &self,
        caller: &Caller,
        input: &GetFoundationModel,
    ) -> Result<Response, ApiError> {
        let identifier = &input.model_identifier;
        if identifier.starts_with("arn:") {
            self.is_here(caller, identifier)?;
        }
        let found = self.foundation_model(id_in(identifier).unwrap_or(identifier));
        let found =
            found.ok_or_else(|| ApiError::not_found(format!("The foundation model {identifier} was not found.")))?;
        Ok(Response::GetFoundationModel { model_details: Box::new(found.view(caller)) })
    }

    pub(super) fn list_foundation_models(&self, caller: &Caller, input: &ListFoundationModels) -> Response {
        let ListFoundationModels { by_provider, by_customization_type, by_output_modality, by_inference_type } = input;
        let has =
            |wanted: &Option<String>, values: &[String]| wanted.as_ref().is_none_or(|wanted| values.contains(wanted));
        let model_summaries = self
            .foundation_models
            .iter()
            .filter(|model| by_provider.as_ref().is_none_or(|wanted| model.provider_name.eq_ignore_ascii_case(wanted)))
            .filter(|model| has(by_customization_type, &model.customizations_supported))
            .filter(|model| has(by_output_modality, &model.output_modalities))
            .filter(|model| has(by_inference_type, &model.inference_types_supported))
            .map(|model| model.view(caller))
            .collect();
        Response::ListFoundationModels { model_summaries }
    }

    pub(super) fn foundation_model(&self, id: &str) -> Option<&FoundationModel> {
        self.foundation_models.iter().find(|model| model.model_id == id)
    }
}
