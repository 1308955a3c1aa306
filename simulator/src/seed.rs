//! What is there at the beginning, or is put there later: accounts, models and throughputs, written as JSON or built in a test.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{
    auth::AccessKeys,
    iam::PolicyError,
    model::API,
    request::{CommitmentDuration, ModelStatus, ProvisionedModelStatus},
    world::{Caller, CustomModel, DEFAULT_ACCOUNT, FoundationModel, ProvisionedModel, World},
};

/// The region of everything that names none.
pub const DEFAULT_REGION: &str = "us-east-1";

/// A seed that names something that does not exist, or is not what AWS would give out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A model that neither the seed nor the world has.
    #[error(
        "{of} names the model {model:?}, which is neither a foundation model nor a custom model of account {account} in {region}"
    )]
    NoModel {
        /// Who names it.
        of: String,
        /// The model.
        model: String,
        /// The account.
        account: String,
        /// The region.
        region: String,
    },
    /// An ARN that is of another account or region than was given beside it.
    #[error(
        "{of} has the ARN {arn}, which is not of account {account} in {region}; leave out accountId and region, or correct them"
    )]
    Elsewhere {
        /// Whose ARN it is.
        of: String,
        /// The ARN.
        arn: String,
        /// The account that was given, or that the ARN names.
        account: String,
        /// The region that was given, or that the ARN names.
        region: String,
    },
    /// A policy that AWS would not take, or that is not supported.
    #[error("the policy of the access key {access_key:?}: {error}")]
    Policy {
        /// Whose policy it is.
        access_key: String,
        /// What is wrong with it.
        error: PolicyError,
    },
    /// A value that AWS's own patterns exclude.
    #[error("{what} {value:?} is not of the form that AWS gives out: {pattern}")]
    Form {
        /// What it is.
        what: &'static str,
        /// The value.
        value: String,
        /// The pattern.
        pattern: String,
    },
}

/// What is put there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Seed {
    /// Accounts with access keys and quotas.
    pub accounts: Vec<AccountSeed>,
    /// Refuse access keys of no account; without it they belong to account 123456789012.
    pub refuse_unknown_access_keys: bool,
    /// Foundation models.
    pub foundation_models: Vec<FoundationModel>,
    /// Custom models, each after its base.
    pub custom_models: Vec<CustomModelSeed>,
    /// Throughputs.
    pub provisioned_models: Vec<ProvisionedModelSeed>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSeed {
    /// Its 12 digits.
    pub account_id: String,
    /// Its access keys.
    #[serde(default)]
    pub access_keys: Vec<AccessKeySeed>,
    /// Those of its access keys whose session token has run out.
    #[serde(default)]
    pub expired_access_keys: Vec<String>,
    /// How many model units it may have; not given: any number.
    #[serde(default)]
    pub model_unit_quota: Option<u32>,
}

/// An access key. In JSON also the key alone, without the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySeed {
    /// The access key.
    pub access_key_id: String,
    /// Its IAM policy, an identity-based policy document; not given: it may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

impl From<&str> for AccessKeySeed {
    fn from(access_key_id: &str) -> Self {
        Self { access_key_id: access_key_id.to_owned(), policy: None }
    }
}

impl<'de> Deserialize<'de> for AccessKeySeed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Members {
            access_key_id: String,
            #[serde(default)]
            policy: Option<Value>,
        }

        impl<'de> Visitor<'de> for Either {
            type Value = AccessKeySeed;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an access key, or an object with accessKeyId and policy")
            }

            fn visit_str<E>(self, key: &str) -> Result<AccessKeySeed, E> {
                Ok(key.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<AccessKeySeed, A::Error> {
                let Members { access_key_id, policy } = Members::deserialize(MapAccessDeserializer::new(members))?;
                Ok(AccessKeySeed { access_key_id, policy })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// A custom model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomModelSeed {
    /// Its name.
    pub name: String,
    /// The model that it was made from: the id or ARN of a foundation model, or the name or ARN of a custom model.
    pub base_model: String,
    /// Its ARN; made, if not given.
    #[serde(default)]
    pub arn: Option<String>,
    /// Its status; `Active`, if not given.
    #[serde(default)]
    pub status: ModelStatus,
    /// Why it failed.
    #[serde(default)]
    pub failure_message: Option<String>,
    /// When it was made; now, if not given.
    #[serde(default)]
    pub creation_time: Option<Timestamp>,
    /// Its account; the ARN's, if not given, else 123456789012.
    #[serde(default)]
    pub account_id: Option<String>,
    /// Its region; the ARN's, if not given, else us-east-1.
    #[serde(default)]
    pub region: Option<String>,
}

/// A throughput.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvisionedModelSeed {
    /// Its name.
    pub name: String,
    /// The model that it serves: as for [`CustomModelSeed::base_model`].
    pub model: String,
    /// Its ARN; made, if not given.
    #[serde(default)]
    pub arn: Option<String>,
    /// Its status; `InService`, if not given. `Creating` and `Updating` stay until they are finished.
    #[serde(default)]
    pub status: Option<ProvisionedModelStatus>,
    /// The model that is on the way.
    #[serde(default)]
    pub desired_model: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure_message: Option<String>,
    /// Model units; 1, if not given.
    #[serde(default)]
    pub model_units: Option<u32>,
    /// The commitment.
    #[serde(default)]
    pub commitment_duration: Option<CommitmentDuration>,
    /// When the commitment ends; a term after the creation, if not given.
    #[serde(default)]
    pub commitment_expiration_time: Option<Timestamp>,
    /// When it was made; now, if not given.
    #[serde(default)]
    pub creation_time: Option<Timestamp>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Its account; the ARN's, if not given, else 123456789012.
    #[serde(default)]
    pub account_id: Option<String>,
    /// Its region; the ARN's, if not given, else us-east-1.
    #[serde(default)]
    pub region: Option<String>,
}

impl CustomModelSeed {
    /// An active custom model.
    #[must_use]
    pub fn new(name: &str, base_model: &str) -> Self {
        Self { name: name.to_owned(), base_model: base_model.to_owned(), ..Self::default() }
    }
}

impl ProvisionedModelSeed {
    /// A throughput in service.
    #[must_use]
    pub fn new(name: &str, model: &str) -> Self {
        Self { name: name.to_owned(), model: model.to_owned(), ..Self::default() }
    }

    /// With this ARN.
    #[must_use]
    pub fn arn(mut self, arn: &str) -> Self {
        self.arn = Some(arn.to_owned());
        self
    }

    /// With this status.
    #[must_use]
    pub fn status(mut self, status: ProvisionedModelStatus) -> Self {
        self.status = Some(status);
        self
    }
}

impl Seed {
    /// A small account to try things with: two foundation models, custom models of both, and throughputs on custom and base models.
    #[must_use]
    pub fn demo() -> Self {
        let nova = "amazon.nova-lite-v1:0:24k";
        let titan = "amazon.titan-text-express-v1:0:8k";
        let model = |id: &str, name: &str, base: &str| CustomModelSeed {
            arn: Some(format!("arn:aws:bedrock:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:custom-model/{base}/{id}")),
            ..CustomModelSeed::new(name, base)
        };
        let throughput = |id: &str, name: &str, model: &str| {
            let arn = format!("arn:aws:bedrock:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:provisioned-model/{id}");
            ProvisionedModelSeed::new(name, model).arn(&arn)
        };
        Self {
            foundation_models: vec![FoundationModel::text(nova), FoundationModel::text(titan)],
            custom_models: vec![
                model("summarizer01", "summarizer-v1", nova),
                model("summarizer02", "summarizer-v2", nova),
                model("chatchatchat", "chat-v1", titan),
            ],
            provisioned_models: vec![
                throughput("summarizer00", "summarizer", "summarizer-v1"),
                throughput("chatbotchat0", "chat", "chat-v1"),
                throughput("novalitebase", "nova-lite", nova),
            ],
            ..Self::default()
        }
    }

    /// Puts everything there.
    ///
    /// # Errors
    /// When something names a model that does not exist, an ARN or name is not of AWS's form, or a policy is not supported. Nothing
    /// is put there then.
    pub fn plant(&self, world: &mut World, keys: &mut AccessKeys, now: Timestamp) -> Result<(), SeedError> {
        let (mut planted, mut given) = (world.clone(), keys.clone());
        for AccountSeed { account_id, access_keys, expired_access_keys, model_unit_quota } in &self.accounts {
            of_form("AccountId", "the id of an account", account_id)?;
            for AccessKeySeed { access_key_id, policy } in access_keys {
                given
                    .set_policy(access_key_id, policy.clone())
                    .map_err(|error| SeedError::Policy { access_key: access_key_id.clone(), error })?;
            }
            let keys = access_keys.iter().map(|key| &key.access_key_id);
            for key in keys.chain(expired_access_keys) {
                given.add(key, account_id);
                given.set_expired(key, expired_access_keys.contains(key));
            }
            planted.set_quota(account_id, *model_unit_quota);
        }
        if self.refuse_unknown_access_keys {
            given.refuse_unknown(true);
        }
        for model in &self.foundation_models {
            let arn = caller(None, None).foundation_model_arn(&model.model_id);
            of_form("FoundationModelArn", "the ARN of a foundation model", &arn)?;
            planted.put_foundation_model(model.clone());
        }
        for model in &self.custom_models {
            model.plant(&mut planted, now)?;
        }
        for throughput in &self.provisioned_models {
            throughput.plant(&mut planted, now)?;
        }
        (*world, *keys) = (planted, given);
        Ok(())
    }
}

fn caller(account: Option<&String>, region: Option<&String>) -> Caller {
    Caller::new(account.map_or(DEFAULT_ACCOUNT, String::as_str), region.map_or(DEFAULT_REGION, String::as_str))
}

/// The account and region of something: its ARN's, else those that are given, else the defaults.
pub(crate) fn home(
    of: &str,
    arn: Option<&String>,
    account: Option<&String>,
    region: Option<&String>,
) -> Result<Caller, SeedError> {
    let given = caller(account, region);
    let Some(arn) = arn else { return Ok(given) };
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    // Whatever is no ARN is refused for its form.
    let [_, _, _, of_region, of_account, _] = fields.as_slice() else { return Ok(given) };
    let home = Caller::new(account.map_or(*of_account, String::as_str), region.map_or(*of_region, String::as_str));
    if home == Caller::new(*of_account, *of_region) {
        return Ok(home);
    }
    Err(SeedError::Elsewhere { of: of.to_owned(), arn: arn.clone(), account: home.account, region: home.region })
}

fn of_form(shape: &str, what: &'static str, value: &str) -> Result<(), SeedError> {
    let Some(shape) = API.shapes.get(shape) else { return Ok(()) };
    if shape.regex.as_ref().is_none_or(|regex| regex.is_match(value)) {
        return Ok(());
    }
    Err(SeedError::Form { what, value: value.to_owned(), pattern: shape.pattern.clone().unwrap_or_default() })
}

fn resolve(world: &World, caller: &Caller, of: &str, model: &str) -> Result<(String, String), SeedError> {
    world.resolve_model(caller, model).ok_or_else(|| SeedError::NoModel {
        of: of.to_owned(),
        model: model.to_owned(),
        account: caller.account.clone(),
        region: caller.region.clone(),
    })
}

impl CustomModelSeed {
    fn plant(&self, world: &mut World, now: Timestamp) -> Result<(), SeedError> {
        let of = format!("the custom model {:?}", self.name);
        let caller = home(&of, self.arn.as_ref(), self.account_id.as_ref(), self.region.as_ref())?;
        let (base_model_arn, foundation) = resolve(world, &caller, &of, &self.base_model)?;
        let id = foundation.split_once(":foundation-model/").map_or("", |(_, id)| id);
        let arn = match &self.arn {
            Some(arn) => arn.clone(),
            None => world.make_arn(&caller, &format!("custom-model/{id}")),
        };
        of_form("CustomModelName", "the name of a custom model", &self.name)?;
        of_form("ModelArn", "the ARN of a custom model", &arn)?;
        world.put_custom_model(
            &caller,
            CustomModel {
                arn,
                name: self.name.clone(),
                base_model_arn,
                status: self.status,
                failure_message: self.failure_message.clone(),
                customization_type: Some("FINE_TUNING".to_owned()),
                creation_time: self.creation_time.unwrap_or(now),
            },
        );
        Ok(())
    }
}

impl ProvisionedModelSeed {
    fn plant(&self, world: &mut World, now: Timestamp) -> Result<(), SeedError> {
        let of = format!("the throughput {:?}", self.name);
        let caller = home(&of, self.arn.as_ref(), self.account_id.as_ref(), self.region.as_ref())?;
        let (model, foundation) = resolve(world, &caller, &of, &self.model)?;
        let arn = match &self.arn {
            Some(arn) => arn.clone(),
            None => world.make_arn(&caller, "provisioned-model"),
        };
        of_form("ProvisionedModelName", "the name of a throughput", &self.name)?;
        of_form("ProvisionedModelArn", "the ARN of a throughput", &arn)?;
        let created = self.creation_time.unwrap_or(now);
        // It has been there for long: reads that lag show it, too.
        let long_ago = created.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let mut throughput = ProvisionedModel::in_service(&arn, &self.name, &model, &foundation, created);
        if let Some(desired) = &self.desired_model {
            throughput.desired_model_arn = resolve(world, &caller, &of, desired)?.0;
        }
        throughput.status = self.status.unwrap_or(ProvisionedModelStatus::InService);
        throughput.failure_message.clone_from(&self.failure_message);
        throughput.model_units = self.model_units.unwrap_or(1);
        if throughput.model_units == 0 {
            let (what, pattern) = ("the number of model units", "1 or more".to_owned());
            return Err(SeedError::Form { what, value: "0".to_owned(), pattern });
        }
        for (key, value) in &self.tags {
            of_form("TagKey", "the key of a tag", key)?;
            of_form("TagValue", "the value of a tag", value)?;
        }
        throughput.commitment_duration = self.commitment_duration;
        throughput.commitment_expiration_time = self.commitment_expiration_time.or_else(|| {
            let term = self.commitment_duration?.days();
            created.checked_add(SignedDuration::from_hours(24 * i64::try_from(term).ok()?)).ok()
        });
        throughput.tags.clone_from(&self.tags);
        throughput.note(long_ago);
        world.put_throughput(&caller, throughput);
        Ok(())
    }
}
