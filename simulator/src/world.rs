//! The pure part: accounts with their models and throughputs, moved only by calls, with the time as an argument.

mod custom_models;
mod foundation_models;
mod page;
mod provisioned_model;
mod store;
mod tags;
mod throughputs;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::store::Store;
pub use self::{
    custom_models::CustomModel,
    foundation_models::{FoundationModel, LifecycleStatus, ModelLifecycle},
    provisioned_model::ProvisionedModel,
};
use crate::{
    error::{ApiError, ErrorCode},
    request::Request,
    response::{ProvisionedModelView, Response},
    settings::Settings,
    switches::{ForeignArn, Switches},
};

/// The account of every access key that no seed names: the one of AWS's own examples.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// Who calls, and where: from the signature of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The region.
    pub region: String,
}

impl Caller {
    /// A caller.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// The partition that the region belongs to.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else if self.region.starts_with("cn-") {
            "aws-cn"
        } else {
            "aws"
        }
    }

    /// The ARN of something in this account and region.
    #[must_use]
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:{}:bedrock:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// The ARN of a foundation model in this region.
    #[must_use]
    pub fn foundation_model_arn(&self, model_id: &str) -> String {
        format!("arn:{}:bedrock:{}::foundation-model/{model_id}", self.partition(), self.region)
    }
}

/// A whole AWS, as far as provisioned throughput goes.
///
/// It can be cloned, compared and hashed, so it can be a state of a model checker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// What AWS leaves unsaid.
    pub switches: Switches,
    /// Durations and sizes.
    pub settings: Settings,
    regions: BTreeMap<String, Region>,
    /// Model units that an account may have without a commitment and with one; none given: no bound.
    quotas: BTreeMap<String, u32>,
    foundation_models: Vec<FoundationModel>,
    /// Made ids so far: ids are numbered, so that two runs of the same calls come out the same.
    made: u64,
}

/// What an account has in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    throughputs: Store,
    custom_models: BTreeMap<String, CustomModel>,
    /// The tags of custom models, by ARN.
    model_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The tags that resources had before, as long as a lagging read may show them, by ARN.
    earlier_tags: BTreeMap<String, Vec<EarlierTags>>,
    tokens: BTreeMap<String, Token>,
    /// The message with which the next update of a throughput fails, by ARN.
    failing_updates: BTreeMap<String, String>,
    /// The message with which the next throughput of a name fails to be made.
    failing_creates: BTreeMap<String, String>,
    /// The message with which the next deletion of a throughput fails, by ARN.
    failing_deletes: BTreeMap<String, String>,
    /// What was deleted, as long as a lagging read may show it.
    deleted: BTreeMap<String, Vec<Version>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Token {
    arn: String,
    used: Timestamp,
}

/// A throughput as it was from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Version {
    since: Timestamp,
    view: Option<ProvisionedModelView>,
}

/// The tags that a resource had up to a moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct EarlierTags {
    until: Timestamp,
    tags: BTreeMap<String, String>,
}

impl World {
    /// Carries out a call that has been let through by the front door.
    ///
    /// # Errors
    /// What AWS would answer.
    pub fn call(&mut self, caller: &Caller, request: &Request, now: Timestamp) -> Result<Response, ApiError> {
        request.validate()?;
        self.settle(now);
        match request {
            Request::CreateProvisionedModelThroughput(input) => self.create(caller, input, now),
            Request::GetProvisionedModelThroughput(input) => self.get(caller, input, now),
            Request::ListProvisionedModelThroughputs(input) => self.list(caller, input, now),
            Request::UpdateProvisionedModelThroughput(input) => self.update(caller, input, now),
            Request::DeleteProvisionedModelThroughput(input) => self.delete(caller, input, now),
            Request::TagResource(input) => self.tag(caller, input, now),
            Request::UntagResource(input) => self.untag(caller, input, now),
            Request::ListTagsForResource(input) => self.list_tags(caller, input, now),
            Request::GetCustomModel(input) => self.get_custom_model(caller, input),
            Request::ListCustomModels(input) => self.list_custom_models(caller, input),
            Request::GetFoundationModel(input) => self.get_foundation_model(caller, input),
            Request::ListFoundationModels(input) => Ok(self.list_foundation_models(caller, input)),
        }
    }

    /// Lets everything happen that is due at `now`: creations and updates that end, commitments that are renewed.
    pub fn settle(&mut self, now: Timestamp) {
        for region in self.regions.values_mut() {
            region.throughputs.settle(now, &self.switches);
        }
    }

    /// The throughputs of an account in a region, by ARN.
    pub fn throughputs(&self, caller: &Caller) -> impl Iterator<Item = &ProvisionedModel> {
        self.regions.get(&key(caller)).into_iter().flat_map(|region| region.throughputs.iter())
    }

    /// One throughput, by ARN, wherever it is.
    #[must_use]
    pub fn throughput(&self, arn: &str) -> Option<&ProvisionedModel> {
        self.regions.values().find_map(|region| region.throughputs.get(arn))
    }

    /// Puts a throughput there as it is, without asking anybody.
    pub fn put_throughput(&mut self, caller: &Caller, throughput: ProvisionedModel) {
        self.region_mut(caller).throughputs.insert(throughput);
    }

    /// Takes a throughput away, without asking anybody.
    pub fn remove_throughput(&mut self, arn: &str) -> Option<ProvisionedModel> {
        self.regions.values_mut().find_map(|region| {
            let gone = region.throughputs.remove(arn)?;
            region.earlier_tags.remove(arn);
            Some(gone)
        })
    }

    /// Puts a custom model there, or replaces it.
    pub fn put_custom_model(&mut self, caller: &Caller, model: CustomModel) {
        self.region_mut(caller).custom_models.insert(model.arn.clone(), model);
    }

    /// Takes a custom model away.
    pub fn remove_custom_model(&mut self, arn: &str) -> Option<CustomModel> {
        self.regions.values_mut().find_map(|region| {
            let gone = region.custom_models.remove(arn)?;
            region.model_tags.remove(arn);
            region.earlier_tags.remove(arn);
            Some(gone)
        })
    }

    /// Puts a foundation model there, or replaces it. It is in every region.
    pub fn put_foundation_model(&mut self, model: FoundationModel) {
        self.foundation_models.retain(|had| had.model_id != model.model_id);
        self.foundation_models.push(model);
    }

    /// Bounds the model units of an account.
    pub fn set_quota(&mut self, account: &str, model_units: Option<u32>) {
        match model_units {
            Some(units) => self.quotas.insert(account.to_owned(), units),
            None => self.quotas.remove(account),
        };
    }

    /// Lets the next update of a throughput fail with a message.
    pub fn fail_next_update(&mut self, caller: &Caller, arn: &str, message: &str) {
        self.region_mut(caller).failing_updates.insert(arn.to_owned(), message.to_owned());
    }

    /// Lets the next throughput of a name fail to be made.
    pub fn fail_next_create(&mut self, caller: &Caller, name: &str, message: &str) {
        self.region_mut(caller).failing_creates.insert(name.to_owned(), message.to_owned());
    }

    /// Lets the next deletion of a throughput be accepted and then fail: it stays, as `Failed` with the message. AWS says that
    /// `failureMessage` may tell of a deletion (API reference, `GetProvisionedModelThroughput`), and nothing more about it.
    pub fn fail_next_delete(&mut self, caller: &Caller, arn: &str, message: &str) {
        self.region_mut(caller).failing_deletes.insert(arn.to_owned(), message.to_owned());
    }

    /// The ARN of something new, of a kind (`provisioned-model`). A seed may have given out any ARN, so it is looked for.
    pub(crate) fn make_arn(&mut self, caller: &Caller, kind: &str) -> String {
        loop {
            let arn = caller.arn(&format!("{kind}/{}", self.make_id()));
            let taken = self.region(caller).is_some_and(|region| {
                region.throughputs.get(&arn).is_some()
                    || region.custom_models.contains_key(&arn)
                    || region.deleted.contains_key(&arn)
            });
            if !taken {
                return arn;
            }
        }
    }

    /// An id of twelve letters, as AWS gives them, that was not made before.
    fn make_id(&mut self) -> String {
        self.made += 1;
        let mut rest = self.made;
        let mut id = ['a'; 12];
        for place in id.iter_mut().rev() {
            // The remainder is below 26, so it is a letter.
            *place = char::from(b'a' + u8::try_from(rest % 26).unwrap_or_default());
            rest /= 26;
        }
        id.into_iter().collect()
    }

    fn region(&self, caller: &Caller) -> Option<&Region> {
        self.regions.get(&key(caller))
    }

    fn region_mut(&mut self, caller: &Caller) -> &mut Region {
        self.regions.entry(key(caller)).or_default()
    }

    fn foreign(&self, arn: &str) -> ApiError {
        let code = match self.switches.foreign_arn {
            ForeignArn::ResourceNotFoundException => ErrorCode::ResourceNotFoundException,
            ForeignArn::ValidationException => ErrorCode::ValidationException,
            ForeignArn::AccessDeniedException => ErrorCode::AccessDeniedException,
        };
        ApiError::new(code, format!("The resource {arn} is not in this account and region."))
    }

    /// Refuses an ARN that names another account or region than the caller's. Foundation models have no account.
    fn is_here(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        match fields.as_slice() {
            [_, _, _, region, account, _]
                if *region == caller.region && (account.is_empty() || *account == caller.account) =>
            {
                Ok(())
            }
            _ => Err(self.foreign(arn)),
        }
    }
}

fn key(caller: &Caller) -> String {
    format!("{}/{}", caller.account, caller.region)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}
