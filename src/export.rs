//! What an application needs to call the model, as a ConfigMap.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource as _,
    api::{DeleteParams, PostParams, Preconditions},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    conditions::{Reason, truncated},
    crd::{ConfigMapExport, ExportValue, ExportedTo, GROUP, ProvisionedThroughput},
    identifiers::Region,
    observed::Throughput,
    outcome::Export,
    report::{ReportError, Subject, within},
};

/// What stays as it is in a URL (RFC 3986, section 2.3, "unreserved characters").
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest text of the API server that is passed on, in bytes.
const DETAIL_MAX: usize = 512;

/// Writes ConfigMaps for applications.
#[derive(Clone)]
pub struct Exporter {
    client: Client,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    /// Writes with `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes the ConfigMap as it should be, where it is not. One that was written under another name is taken away.
    pub async fn export(
        &self,
        subject: &Subject,
        wanted: Option<&ConfigMapExport>,
        before: Option<&ExportedTo>,
        throughput: &Throughput,
        region: &Region,
    ) -> Export {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &subject.namespace);
        if let Some(ExportedTo { config_map: old }) = before
            && wanted.is_none_or(|wanted| wanted.name != *old)
            && let Err(error) = take_away(&api, subject, old).await
        {
            return failed(before.cloned(), old, &error);
        }
        let Some(wanted) = wanted else { return Export::default() };
        match write(&api, subject, wanted, &content(wanted, throughput, region)).await {
            Ok(true) => Export { to: Some(ExportedTo { config_map: wanted.name.clone() }), problem: None },
            Ok(false) => {
                let message = format!(
                    "ConfigMap {} does not belong to this object, and is left as it is: set another exportTo.configMap.name, or delete that ConfigMap",
                    wanted.name
                );
                Export { to: None, problem: Some((Reason::ExportConflict, message)) }
            }
            Err(error) => {
                failed(before.filter(|before| before.config_map == wanted.name).cloned(), &wanted.name, &error)
            }
        }
    }
}

fn failed(to: Option<ExportedTo>, name: &str, error: &ReportError) -> Export {
    let said = truncated(error.to_string(), DETAIL_MAX);
    let message = format!("ConfigMap {name} could not be written, and is tried again. Kubernetes says: {said}");
    Export { to, problem: Some((Reason::ExportFailed, message)) }
}

/// Writes the ConfigMap where it differs. Returns whether it belongs to the object.
async fn write(
    api: &Api<ConfigMap>,
    subject: &Subject,
    wanted: &ConfigMapExport,
    data: &BTreeMap<String, String>,
) -> Result<bool, ReportError> {
    let there = within(api.get_opt(&wanted.name)).await?;
    match there {
        None => {
            let metadata = ObjectMeta {
                name: Some(wanted.name.clone()),
                labels: Some(
                    [("app.kubernetes.io/managed-by".to_owned(), "bedrock-throughput-operator".to_owned())].into(),
                ),
                owner_references: Some(vec![owner(subject)]),
                ..ObjectMeta::default()
            };
            let made = ConfigMap { metadata, data: Some(data.clone()), ..ConfigMap::default() };
            within(api.create(&parameters(), &made)).await?;
            Ok(true)
        }
        Some(there) if !is_own(&there, subject) => Ok(false),
        Some(there) if there.data.as_ref() == Some(data) && there.binary_data.is_none() => Ok(true),
        Some(there) => {
            let changed = ConfigMap { data: Some(data.clone()), binary_data: None, ..there };
            within(api.replace(&wanted.name, &parameters(), &changed)).await?;
            Ok(true)
        }
    }
}

async fn take_away(api: &Api<ConfigMap>, subject: &Subject, name: &str) -> Result<(), ReportError> {
    let Some(there) = within(api.get_opt(name)).await?.filter(|there| is_own(there, subject)) else { return Ok(()) };
    let preconditions = Preconditions { uid: there.metadata.uid, resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match within(api.delete(name, &parameters)).await {
        Ok(_) | Err(ReportError::Gone) => Ok(()),
        Err(error) => Err(error),
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(GROUP.to_owned()), ..PostParams::default() }
}

fn is_own(config_map: &ConfigMap, subject: &Subject) -> bool {
    config_map.metadata.owner_references.iter().flatten().any(|owner| owner.uid == subject.uid)
}

fn owner(subject: &Subject) -> OwnerReference {
    OwnerReference {
        api_version: ProvisionedThroughput::api_version(&()).into_owned(),
        kind: ProvisionedThroughput::kind(&()).into_owned(),
        name: subject.name.clone(),
        uid: subject.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// The data of the ConfigMap.
#[must_use]
pub fn content(wanted: &ConfigMapExport, throughput: &Throughput, region: &Region) -> BTreeMap<String, String> {
    let Throughput { arn, name, status, model_arn, foundation_model_arn, .. } = throughput;
    let text = |value: ExportValue| match value {
        ExportValue::provisioned_model_arn => Some(arn.to_string()),
        ExportValue::provisioned_model_arn_url_encoded => Some(utf8_percent_encode(arn.as_str(), URL).to_string()),
        ExportValue::provisioned_model_id => Some(arn.resource_id().to_owned()),
        ExportValue::provisioned_model_name => Some(name.to_string()),
        ExportValue::region => Some(region.to_string()),
        ExportValue::status => Some(status.to_string()),
        ExportValue::model_arn => Some(model_arn.to_string()),
        ExportValue::foundation_model_arn => Some(foundation_model_arn.to_string()),
        ExportValue::foundation_model_id => {
            Some(foundation_model_arn.foundation_id().unwrap_or(foundation_model_arn.as_str()).to_owned())
        }
        ExportValue::env => None,
    };
    let mut lines = String::new();
    let mut data = BTreeMap::new();
    for value in ExportValue::ALL {
        if let Some(text) = text(*value) {
            let key = wanted.key(*value);
            lines.push_str(key);
            lines.push('=');
            lines.push_str(&text);
            lines.push('\n');
            data.insert(key.to_owned(), text);
        }
    }
    data.insert(wanted.key(ExportValue::env).to_owned(), lines);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crd::ExportKeys,
        plan::tests::{SERVED, throughput},
    };

    #[test]
    fn the_content_is_all_that_an_application_needs() {
        let region = Region::parse("us-east-1").unwrap();
        let keys = ExportKeys { provisioned_model_arn: Some("MODEL_ID".into()), ..ExportKeys::default() };
        let data = content(&ConfigMapExport { name: "x".into(), keys: Some(keys) }, &throughput(SERVED), &region);
        assert_eq!(data.len(), ExportValue::ALL.len());
        assert_eq!(data["MODEL_ID"], "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl");
        assert_eq!(
            data["BEDROCK_PROVISIONED_MODEL_ARN_URL_ENCODED"],
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fabcdefghijkl"
        );
        assert_eq!(data["BEDROCK_PROVISIONED_MODEL_ID"], "abcdefghijkl");
        let lines: Vec<&str> = data["bedrock.env"].lines().collect();
        assert_eq!(lines.len(), ExportValue::ALL.len() - 1);
        assert!(lines.contains(&"BEDROCK_REGION=us-east-1"), "{lines:?}");
        assert!(lines[0].starts_with("MODEL_ID=arn:aws:bedrock:"), "{lines:?}");
    }
}
