//! The manifest as validated values. Later stations never reach into the manifest again.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::{
    crd::{
        APPROVE, Approval, CommitmentDuration, ConfigMapExport, DeletionPolicy, ManagementPolicy,
        ProvisionedThroughput, ProvisionedThroughputStatus, RECONCILE_REQUESTED_AT, TAKE_OVER_FROM,
    },
    identifiers::{
        InvalidIdentifier, ModelIdentifier, ProvisionedModelArn, ProvisionedModelId, ProvisionedModelName, Region,
        TAGS_MAX, check_tag,
    },
    owner::Owner,
};

/// The shortest and the longest `interval` that a manifest may ask for. The CRD says the same.
const INTERVAL_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(24);

/// How many tags name the owner.
const OWNER_TAGS: usize = 4;

/// What the operator falls back on where a manifest says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// The operator's own region, if it has one.
    pub region: Option<Region>,
    /// How often drift is looked for.
    pub interval: Duration,
    /// What tells this cluster from others in the tags of a throughput, once it is known.
    pub cluster: Option<String>,
}

/// How the throughput is found, in this order: the ARN that the object was bound to, the id of the manifest, and, where that is a name
/// which AWS no longer has, the wanted name that a rename had reached before `status` was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The ARN in `status`.
    pub bound: Option<ProvisionedModelArn>,
    /// The id in the manifest; `None`: it is bought.
    pub id: Option<ProvisionedModelId>,
    /// The wanted name, where the id is a name.
    pub fallback: Option<ProvisionedModelName>,
}

/// What is bought where AWS has no such throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase<'a> {
    /// The name.
    pub name: &'a ProvisionedModelName,
    /// The model.
    pub model: &'a ModelIdentifier,
    /// How many model units.
    pub units: i32,
    /// For how long.
    pub commitment: Option<CommitmentDuration>,
    /// The object that it will belong to.
    pub owner: &'a Owner,
}

/// What the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Which throughput.
    pub identity: Identity,
    /// The wanted name; `None`: not managed.
    pub name: Option<ProvisionedModelName>,
    /// The wanted model; `None`: not managed.
    pub model: Option<ModelIdentifier>,
    /// Where it is.
    pub region: Region,
    /// What may be done at AWS.
    pub policy: ManagementPolicy,
    /// Whether a change waits for a person.
    pub approval: Approval,
    /// What becomes of the throughput when the object is deleted.
    pub deletion: DeletionPolicy,
    /// The wanted model units; `None`: not managed.
    pub units: Option<i32>,
    /// The wanted commitment; `None`: not managed, and none where one is bought.
    pub commitment: Option<CommitmentDuration>,
    /// The wanted tags; others are left alone.
    pub tags: BTreeMap<String, String>,
    /// Where an application finds what it needs.
    pub export: Option<ConfigMapExport>,
    /// The object as an owner, where it is known which cluster this is. With `managementPolicy: Full` it is.
    pub owner: Option<Owner>,
    /// The uid of the object.
    pub uid: String,
    /// How often drift is looked for.
    pub interval: Duration,
    /// Whether to leave AWS alone for now.
    pub suspend: bool,
    /// The generation of the manifest.
    pub generation: Option<i64>,
    /// The value of the annotation `reconcile-requested-at`, where it has not been answered yet.
    pub requested: Option<String>,
    /// The value of the annotation `approve`.
    pub approved: Option<String>,
    /// The value of the annotation `take-over-from`.
    pub take_over: Option<String>,
    /// When the object was made.
    pub created: Option<Timestamp>,
    /// Whether the object is being deleted.
    pub is_going: bool,
}

/// A manifest that cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// A field that AWS would refuse.
    #[error("spec.{0}")]
    Identifier(#[from] InvalidIdentifier),
    /// Two fields that name different regions.
    #[error(
        "spec.{field} is in region {other}, but the throughput is in region {region}: name both in the same region"
    )]
    OtherRegion {
        /// The field.
        field: &'static str,
        /// The region that it names.
        other: String,
        /// The throughput's region.
        region: Region,
    },
    /// No region anywhere.
    #[error("no region is known for {throughput}: set spec.region, use an ARN, or start the operator with AWS_REGION")]
    NoRegion {
        /// The field that names the throughput, and its value.
        throughput: String,
    },
    /// `Full` in an operator that does not know in which cluster it is.
    #[error(
        "managementPolicy: Full needs to know which cluster this is, to tag the throughput with it: start the operator with --cluster-name, or let it get the namespace kube-system"
    )]
    NoCluster,
    /// A throughput that is neither named nor described.
    #[error(
        "{missing} is missing: name an existing throughput with provisionedModelId, or, with managementPolicy: Full, describe the one to buy with provisionedModelName, modelId and modelUnits"
    )]
    Incomplete {
        /// The field.
        missing: &'static str,
    },
    /// Tags that AWS would refuse.
    #[error("spec.tags: {0}")]
    Tags(String),
    /// An interval that cannot be read, or is out of bounds.
    #[error(
        "spec.interval {0:?} is not a duration from 10s to 24h, written in hours, minutes and seconds: 5m, 1h30m, 90s"
    )]
    Interval(String),
    /// A manifest that does not fit the API types, as with a field that a newer version of the CRD has.
    #[error(
        "the object does not fit the API that this version of the operator knows: {0}; apply a manifest that fits, or upgrade the operator"
    )]
    Unreadable(String),
}

impl Desired {
    /// Takes a manifest apart. `status` is the object's own, which the caller may know in a newer version than `object` holds.
    ///
    /// # Errors
    /// When something in it would be refused by AWS. Admission refuses nearly all of it; the rest are objects that were stored under
    /// another version of the CRD.
    pub fn parse(
        object: &ProvisionedThroughput,
        status: &ProvisionedThroughputStatus,
        defaults: &Defaults,
    ) -> Result<Self, InvalidSpec> {
        let spec = &object.spec;
        let id = spec.provisioned_model_id.as_deref().map(ProvisionedModelId::parse).transpose()?;
        let name = spec.provisioned_model_name.as_deref().map(ProvisionedModelName::parse).transpose()?;
        let model = spec.model_id.as_deref().map(ModelIdentifier::parse).transpose()?;
        // Another ARN is admitted only for an object whose own is gone.
        let replaced = |bound: &ProvisionedModelArn| match &id {
            Some(ProvisionedModelId::Arn(arn)) => arn != bound,
            Some(ProvisionedModelId::Name(_)) | None => false,
        };
        let bound =
            status.provisioned_model_arn.clone().map(ProvisionedModelArn::from_aws).filter(|bound| !replaced(bound));
        let owner = defaults.cluster.clone().map(|cluster| Owner {
            cluster,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        });
        let is_full = match spec.management_policy {
            ManagementPolicy::Observe | ManagementPolicy::Update => false,
            ManagementPolicy::Full => true,
        };
        if is_full && owner.is_none() {
            return Err(InvalidSpec::NoCluster);
        }
        if id.is_none() {
            let given = [
                ("managementPolicy: Full", is_full),
                ("provisionedModelName", name.is_some()),
                ("modelId", model.is_some()),
                ("modelUnits", spec.model_units.is_some()),
            ];
            if let Some((missing, _)) = given.into_iter().find(|(_, is_given)| !is_given) {
                return Err(InvalidSpec::Incomplete { missing });
            }
        }
        check_tags(&spec.tags, is_full)?;
        let region = region_of(spec.region.as_deref(), bound.as_ref(), id.as_ref(), model.as_ref(), defaults)?;
        if let Some(ModelIdentifier::Arn(arn)) = &model
            && let Some(other) = arn.region().filter(|other| *other != region.as_str())
        {
            return Err(InvalidSpec::OtherRegion { field: "modelId", other: other.to_owned(), region });
        }
        let interval = spec.interval.as_deref().map_or(Ok(defaults.interval), parse_interval)?;
        let fallback = match &id {
            Some(ProvisionedModelId::Name(_)) => name.clone(),
            Some(ProvisionedModelId::Arn(_)) | None => None,
        };
        let annotation = |key| object.annotations().get(key).cloned();
        Ok(Self {
            identity: Identity { bound, id, fallback },
            name,
            model,
            region,
            policy: spec.management_policy,
            approval: spec.approval,
            deletion: spec.deletion_policy,
            units: spec.model_units,
            commitment: spec.commitment_duration,
            tags: spec.tags.clone(),
            export: spec.export_to.clone().map(|export| export.config_map),
            owner,
            uid: object.uid().unwrap_or_default(),
            interval,
            suspend: spec.suspend,
            generation: object.metadata.generation,
            requested: annotation(RECONCILE_REQUESTED_AT)
                .filter(|asked| status.last_handled_reconcile_at.as_ref() != Some(asked)),
            approved: annotation(APPROVE),
            take_over: annotation(TAKE_OVER_FROM),
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            is_going: object.metadata.deletion_timestamp.is_some(),
        })
    }

    /// What is bought where AWS has no such throughput. `None`: the manifest names an existing one, or may not buy.
    #[must_use]
    pub fn purchase(&self) -> Option<Purchase<'_>> {
        let Self { identity, name, model, units, commitment, owner, policy, .. } = self;
        match (policy, &identity.id, name, model, units, owner) {
            (ManagementPolicy::Full, None, Some(name), Some(model), Some(units), Some(owner)) => {
                Some(Purchase { name, model, units: *units, commitment: *commitment, owner })
            }
            _ => None,
        }
    }

    /// The tags that the throughput should have: those of the manifest, and with `Full` those that name the owner.
    #[must_use]
    pub fn wanted_tags(&self) -> BTreeMap<String, String> {
        let mut wanted = self.tags.clone();
        match self.policy {
            ManagementPolicy::Full => wanted.extend(self.owner.iter().flat_map(Owner::tags)),
            ManagementPolicy::Observe | ManagementPolicy::Update => {}
        }
        wanted
    }

    /// Whether the throughput is deleted with the object.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.policy.deletes(self.deletion)
    }
}

/// Whether AWS would take the tags, beside those of the owner.
fn check_tags(tags: &BTreeMap<String, String>, with_owner: bool) -> Result<(), InvalidSpec> {
    let most = if with_owner { TAGS_MAX - OWNER_TAGS } else { TAGS_MAX };
    if tags.len() > most {
        return Err(InvalidSpec::Tags(format!(
            "there are {}, and at most {most} are possible: AWS allows {TAGS_MAX}, and managementPolicy: Full adds {OWNER_TAGS}",
            tags.len()
        )));
    }
    tags.iter().try_for_each(|(key, value)| check_tag(key, value)).map_err(InvalidSpec::Tags)
}

/// What is bound stays where it is, whatever becomes of the operator's own region.
fn region_of(
    spec: Option<&str>,
    bound: Option<&ProvisionedModelArn>,
    id: Option<&ProvisionedModelId>,
    model: Option<&ModelIdentifier>,
    defaults: &Defaults,
) -> Result<Region, InvalidSpec> {
    let spec = spec.map(Region::parse).transpose()?;
    let arn = match (bound, id) {
        (Some(arn), _) | (None, Some(ProvisionedModelId::Arn(arn))) => arn.region(),
        (None, Some(ProvisionedModelId::Name(_)) | None) => None,
    };
    let arn = arn.map(Region::parse).transpose()?;
    match (spec, arn) {
        (Some(spec), Some(arn)) if spec != arn => {
            Err(InvalidSpec::OtherRegion { field: "provisionedModelId", other: arn.to_string(), region: spec })
        }
        (Some(region), _) | (None, Some(region)) => Ok(region),
        (None, None) => {
            let models = match model {
                Some(ModelIdentifier::Arn(arn)) => arn.region().map(Region::parse).transpose()?,
                Some(ModelIdentifier::FoundationModelId(_) | ModelIdentifier::CustomModelName(_)) | None => None,
            };
            models.or_else(|| defaults.region.clone()).ok_or_else(|| InvalidSpec::NoRegion {
                throughput: id
                    .map_or_else(|| "the throughput to buy".to_owned(), |id| format!("provisionedModelId {id}")),
            })
        }
    }
}

/// Reads an interval.
///
/// # Errors
/// When it is no duration, or out of bounds.
pub fn parse_interval(text: &str) -> Result<Duration, InvalidSpec> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|interval| Duration::try_from(interval).ok())
        .filter(|interval| INTERVAL_RANGE.contains(interval))
        .ok_or_else(|| InvalidSpec::Interval(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn defaults() -> Defaults {
        Defaults { region: None, interval: Duration::from_mins(5), cluster: Some("test".into()) }
    }

    #[allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]
    fn object(spec: serde_json::Value) -> ProvisionedThroughput {
        serde_json::from_value(json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {"name": "x", "namespace": "ml", "generation": 3, "annotations": {RECONCILE_REQUESTED_AT: "now"}},
            "spec": spec,
        }))
        .unwrap()
    }

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

    #[test]
    fn the_region_is_the_manifests_else_the_arns_else_the_operators() {
        let west = Defaults { region: Some(Region::parse("us-west-2").unwrap()), ..defaults() };
        let region = |spec, defaults: &Defaults| {
            Desired::parse(&object(spec), &ProvisionedThroughputStatus::default(), defaults)
                .map(|d| d.region.to_string())
        };
        assert_eq!(region(json!({"provisionedModelId": "x", "region": "eu-west-1"}), &west).unwrap(), "eu-west-1");
        assert_eq!(region(json!({"provisionedModelId": ARN}), &west).unwrap(), "us-east-1");
        assert_eq!(region(json!({"provisionedModelId": "x"}), &west).unwrap(), "us-west-2");
        assert!(matches!(region(json!({"provisionedModelId": "x"}), &defaults()), Err(InvalidSpec::NoRegion { .. })));
        assert!(matches!(
            region(json!({"provisionedModelId": ARN, "region": "eu-west-1"}), &west),
            Err(InvalidSpec::OtherRegion { field: "provisionedModelId", .. })
        ));
        let model = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0:24k";
        assert!(matches!(
            region(json!({"provisionedModelId": ARN, "modelId": model}), &west),
            Err(InvalidSpec::OtherRegion { field: "modelId", .. })
        ));
    }

    #[test]
    fn what_is_bound_stays_in_its_region() {
        let bound = ProvisionedThroughputStatus { provisioned_model_arn: Some(ARN.into()), ..Default::default() };
        let west = Defaults { region: Some(Region::parse("us-west-2").unwrap()), ..defaults() };
        let region = |spec| Desired::parse(&object(spec), &bound, &west).map(|desired| desired.region.to_string());
        assert_eq!(region(json!({"provisionedModelId": "x"})).unwrap(), "us-east-1");
        let moved = region(json!({"provisionedModelId": "x", "region": "us-west-2"}));
        assert!(matches!(moved, Err(InvalidSpec::OtherRegion { .. })), "{moved:?}");
    }

    #[rstest]
    #[case("5m", Some(300))]
    #[case("1h30m", Some(5400))]
    #[case("10s", Some(10))]
    #[case("24h", Some(86_400))]
    #[case("9s", None)]
    #[case("25h", None)]
    #[case("", None)]
    #[case("-5m", None)]
    #[case("99999999999999999999h", None)]
    #[case("soon", None)]
    fn an_interval_is_a_go_duration_within_bounds(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(parse_interval(text).ok().map(|interval| interval.as_secs()), seconds);
    }

    #[test]
    fn a_request_is_open_until_it_has_been_answered() {
        let object = object(json!({"provisionedModelId": ARN}));
        let requested = |status| Desired::parse(&object, &status, &defaults()).unwrap().requested;
        assert_eq!(requested(ProvisionedThroughputStatus::default()).as_deref(), Some("now"));
        let handled =
            ProvisionedThroughputStatus { last_handled_reconcile_at: Some("now".into()), ..Default::default() };
        assert_eq!(requested(handled), None);
    }

    #[test]
    fn only_a_name_falls_back_to_the_wanted_name() {
        let by_name =
            object(json!({"provisionedModelId": "old", "provisionedModelName": "new", "region": "us-east-1"}));
        assert_eq!(
            Desired::parse(&by_name, &ProvisionedThroughputStatus::default(), &defaults())
                .unwrap()
                .identity
                .fallback
                .unwrap()
                .as_str(),
            "new"
        );
        let by_arn = object(json!({"provisionedModelId": ARN, "provisionedModelName": "new"}));
        assert_eq!(
            Desired::parse(&by_arn, &ProvisionedThroughputStatus::default(), &defaults()).unwrap().identity.fallback,
            None
        );
    }
}
