//! What people do at AWS beside the operator, and what AWS does by itself: tags, models, commitments, policies, quotas.

use std::{collections::BTreeMap, time::Duration};

use bedrock_simulator::{
    Caller, ProvisionedModel, Seed,
    request::{ModelStatus, Tag, TagResource, UntagResource},
    seed::{CustomModelSeed, ProvisionedModelSeed},
    settings::Seconds,
    world::{FoundationModel, LifecycleStatus, ModelLifecycle},
};
use jiff::Timestamp;
use serde_json::Value;

use super::aws::{ACCOUNT, Aws, REGION};

/// The access key of every operator of these tests.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

impl Aws {
    /// Puts a throughput there with everything that a seed can say.
    pub fn seed_throughput(&self, throughput: ProvisionedModelSeed) {
        let seed = Seed { provisioned_models: vec![throughput], ..Seed::default() };
        self.server().seed(&seed).expect("the throughput is put there");
    }

    /// The tags of a throughput.
    pub fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        self.throughput(arn).tags
    }

    /// The tags of a throughput without those that name its owner.
    pub fn own_tags(&self, arn: &str) -> BTreeMap<String, String> {
        let mut tags = self.tags(arn);
        tags.retain(|key, _| !key.starts_with("bedrock-throughput.dev/"));
        tags
    }

    /// `cluster/namespace/name` of the object that the tags of a throughput name as its owner.
    pub fn owner(&self, arn: &str) -> Option<String> {
        let tags = self.tags(arn);
        let tag = |key: &str| tags.get(&format!("bedrock-throughput.dev/{key}")).cloned();
        Some(format!("{}/{}/{}", tag("cluster")?, tag("namespace")?, tag("name")?))
    }

    /// Tags a throughput past the operator.
    pub fn tag_as_somebody_else(&self, arn: &str, key: &str, value: &str) {
        let tags = vec![Tag { key: key.to_owned(), value: value.to_owned() }];
        let request = TagResource { resource_arn: arn.to_owned(), tags };
        self.server().call(&caller(), request).expect("AWS tags it");
    }

    /// Takes a tag off a throughput past the operator.
    pub fn untag_as_somebody_else(&self, arn: &str, key: &str) {
        let request = UntagResource { resource_arn: arn.to_owned(), tag_keys: vec![key.to_owned()] };
        self.server().call(&caller(), request).expect("AWS takes the tag off");
    }

    /// Every throughput that there is, by ARN.
    pub fn throughputs(&self) -> BTreeMap<String, ProvisionedModel> {
        let all = |throughput: &ProvisionedModel| (throughput.arn.clone(), throughput.clone());
        self.server().with_world(|world, _| world.throughputs(&caller()).map(all).collect())
    }

    /// The throughput of a name, if there is exactly one.
    pub fn named(&self, name: &str) -> Option<ProvisionedModel> {
        let mut named = self.throughputs().into_values().filter(|throughput| throughput.name == name);
        named.next().filter(|_| named.next().is_none())
    }

    /// Puts an active custom model there.
    pub fn add_custom_model(&self, arn: &str, name: &str, base: &str) {
        let model = CustomModelSeed { arn: Some(arn.to_owned()), ..CustomModelSeed::new(name, base) };
        let seed = Seed { custom_models: vec![model], ..Seed::default() };
        self.server().seed(&seed).expect("the custom model is put there");
    }

    /// Deletes a custom model, as a person who tidies up.
    pub fn delete_custom_model(&self, arn: &str) {
        let gone = self.server().with_world(|world, _| world.remove_custom_model(arn));
        assert!(gone.is_some(), "AWS has no {arn}");
    }

    /// Says of a custom model that it is in a status.
    pub fn set_custom_model_status(&self, arn: &str, status: ModelStatus) {
        self.server().with_world(|world, _| {
            let mut model = world.remove_custom_model(arn).expect("the custom model is there");
            model.status = status;
            world.put_custom_model(&caller(), model);
        });
    }

    /// Says where a foundation model is in its life.
    pub fn set_lifecycle(&self, model_id: &str, status: LifecycleStatus, end_of_life_time: Option<Timestamp>) {
        let lifecycle = ModelLifecycle {
            status,
            end_of_life_time,
            start_of_life_time: None,
            legacy_time: None,
            public_extended_access_time: None,
        };
        let model = FoundationModel { model_lifecycle: Some(lifecycle), ..FoundationModel::text(model_id) };
        self.server().with_world(|world, _| world.put_foundation_model(model));
    }

    /// How many model units the account may have.
    pub fn set_quota(&self, model_units: Option<u32>) {
        self.server().with_world(|world, _| world.set_quota(ACCOUNT, model_units));
    }

    /// What IAM allows the operator; `None`: everything.
    pub fn set_policy(&self, policy: Option<Value>) {
        self.server().set_policy(ACCESS_KEY, policy).expect("a policy that the simulator knows");
    }

    /// How long AWS takes to make a throughput.
    pub fn creating_takes(&self, time: Duration) {
        let seconds = Seconds::try_from(time.as_secs_f64()).expect("a number of seconds");
        self.server().set(|settings| settings.creating_seconds = seconds);
    }

    /// Lets the next creation of a name fail at its end.
    pub fn fail_the_next_creation(&self, name: &str, message: &str) {
        self.server().with_world(|world, _| world.fail_next_create(&caller(), name, message));
    }

    /// Lets the next deletion of a throughput fail at its end.
    pub fn fail_the_next_deletion(&self, arn: &str, message: &str) {
        self.server().with_world(|world, _| world.fail_next_delete(&caller(), arn, message));
    }
}

fn caller() -> Caller {
    Caller::new(ACCOUNT, REGION)
}
