//! Random accounts, manifests, and what happens to them.

use std::{collections::BTreeMap, time::Duration};

use bedrock_simulator::{
    Caller, Seed, Server,
    request::{
        CommitmentDuration, DeleteProvisionedModelThroughput, ModelStatus, ProvisionedModelStatus, TagResource,
        UpdateProvisionedModelThroughput,
    },
    seed::{CustomModelSeed, ProvisionedModelSeed},
    world::FoundationModel,
};
use bedrock_throughput_operator::{
    crd::{FINALIZER, RECONCILE_REQUESTED_AT, TAKE_OVER_FROM},
    owner,
    plan::Permits,
};
use proptest::{
    prelude::Rng as _,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::{Value, json};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const CLUSTER: &str = "here";

const ACCOUNT: &str = "123456789012";
const NAMESPACE: &str = "ml";
const NOVA: &str = "amazon.nova-lite-v1:0:24k";
const TITAN: &str = "amazon.titan-text-express-v1:0:8k";
const CUSTOM_ID: &str = "summarizer02";
/// As manifests name models.
const MODELS: [&str; 8] = [
    "summarizer-v1",
    "summarizer-v1",
    "summarizer-v2",
    "summarizer-v2",
    "chat-v1",
    NOVA,
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02",
    "summarizer-failed",
];
/// Models that a purchase may wait for, or never get.
const RARE_MODELS: [&str; 3] = ["summarizer-next", "nobody-has-it", TITAN];
const NAMES: [&str; 7] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"];
const IDS: [&str; 3] = ["aaaaaaaaaaa1", "aaaaaaaaaaa2", "aaaaaaaaaaa3"];
const OBJECTS: [&str; 3] = ["a", "b", "c"];

/// The dice of a case: the same for the same number.
pub(crate) struct Dice(TestRng);

impl Dice {
    pub(crate) fn new(number: u64) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// True so many times of a hundred.
    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn maybe<T>(&mut self, chance: usize, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.percent(chance).then(|| value(self))
    }
}

/// Everything that is decided before anything runs.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) throughputs: Vec<ProvisionedModelSeed>,
    pub(crate) objects: Vec<Object>,
    pub(crate) permits: Permits,
    pub(crate) read_lag: Duration,
    /// How long AWS is at work on a change, in seconds.
    pub(crate) work_seconds: u32,
    /// How many passes the operator makes before the objects and AWS are changed.
    pub(crate) passes: usize,
    /// Whether a person approves what waits for it.
    pub(crate) approves: bool,
}

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    /// How many seconds after the first it was made.
    age: u32,
    spec: Value,
    annotations: BTreeMap<String, String>,
    /// What is changed after the first passes.
    later: Option<Value>,
    later_annotations: BTreeMap<String, String>,
    is_deleted_later: bool,
}

impl Case {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let passes = dice.pick(&[0, 0, 1, 2, 3]);
        let throughputs = throughputs(dice);
        let objects = (0..=dice.below(3)).map(|index| Object::random(dice, index, passes > 0, &throughputs)).collect();
        Self {
            throughputs,
            objects,
            permits: Self::permits(dice.percent(80), dice.percent(80)),
            read_lag: dice.pick(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::from_hours(1)]),
            work_seconds: dice.pick(&[0, 0, 1000]),
            passes,
            approves: dice.percent(50),
        }
    }

    /// Somebody else is at work at AWS.
    pub(crate) fn meddle(dice: &mut Dice, aws: &Server) {
        let caller = Caller::new(ACCOUNT, REGION);
        for id in IDS {
            // What AWS refuses does not happen.
            match dice.below(12) {
                0 => drop(aws.call(&caller, DeleteProvisionedModelThroughput { provisioned_model_id: arn(id) })),
                1 => drop(aws.call(
                    &caller,
                    UpdateProvisionedModelThroughput {
                        provisioned_model_id: arn(id),
                        desired_provisioned_model_name: Some(dice.pick(&NAMES).to_owned()),
                        desired_model_id: None,
                    },
                )),
                2 => {
                    let tag = bedrock_simulator::request::Tag { key: "team".to_owned(), value: "somebody".to_owned() };
                    drop(aws.call(&caller, TagResource { resource_arn: arn(id), tags: vec![tag] }));
                }
                3 => aws.with_world(|world, now| {
                    if let Some(mut throughput) = world.remove_throughput(&arn(id)) {
                        throughput.finish(now);
                        world.put_throughput(&caller, throughput);
                    }
                }),
                _ => {}
            }
        }
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/{id}")
}

/// The models of every account, and these throughputs.
pub(crate) fn account(throughputs: &[ProvisionedModelSeed]) -> Seed {
    let custom = |id: &str, name: &str, base: &str, status| CustomModelSeed {
        arn: Some(format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/{base}/{id}")),
        status,
        ..CustomModelSeed::new(name, base)
    };
    Seed {
        foundation_models: [NOVA, TITAN].map(FoundationModel::text).into(),
        custom_models: vec![
            custom("summarizer01", "summarizer-v1", NOVA, ModelStatus::Active),
            custom(CUSTOM_ID, "summarizer-v2", NOVA, ModelStatus::Active),
            custom("failedfailed", "summarizer-failed", NOVA, ModelStatus::Failed),
            custom("beingmadenow", "summarizer-next", NOVA, ModelStatus::Creating),
            custom("chatchatchat", "chat-v1", TITAN, ModelStatus::Active),
        ],
        provisioned_models: throughputs.to_vec(),
        ..Seed::default()
    }
}

fn throughputs(dice: &mut Dice) -> Vec<ProvisionedModelSeed> {
    let mut names = NAMES.to_vec();
    let count = dice.pick(&[0, 2, 3, 3, 3]);
    let throughputs = IDS.iter().take(count).map(|id| {
        let name = names.remove(dice.below(names.len()));
        let model = dice.pick(&["summarizer-v1", "summarizer-v1", "summarizer-v2", NOVA]);
        let status = dice.pick(&[
            ProvisionedModelStatus::InService,
            ProvisionedModelStatus::InService,
            ProvisionedModelStatus::InService,
            ProvisionedModelStatus::InService,
            ProvisionedModelStatus::Updating,
            ProvisionedModelStatus::Creating,
            ProvisionedModelStatus::Failed,
        ]);
        let mut tags: BTreeMap<String, String> =
            dice.maybe(30, |dice| ("team".to_owned(), dice.pick(&["search", "ads"]).to_owned())).into_iter().collect();
        if dice.percent(25) {
            let cluster = dice.pick(&[CLUSTER, CLUSTER, "elsewhere"]);
            let object = dice.pick(&["a", "b", "c", "gone"]);
            let owner = owner::Owner {
                cluster: cluster.to_owned(),
                namespace: NAMESPACE.to_owned(),
                name: object.to_owned(),
                uid: dice.pick(&[uid(object), "another".to_owned()]),
            };
            tags.extend(owner.tags());
        }
        ProvisionedModelSeed {
            tags,
            commitment_duration: dice.maybe(25, |_| CommitmentDuration::OneMonth),
            ..ProvisionedModelSeed::new(name, model).arn(&arn(id)).status(status)
        }
    });
    throughputs.collect()
}

fn uid(object: &str) -> String {
    format!("uid-of-{object}")
}

impl Object {
    fn random(dice: &mut Dice, index: usize, has_past: bool, throughputs: &[ProvisionedModelSeed]) -> Self {
        let id = dice.maybe(60, |dice| {
            // Nearly always one that is there.
            match throughputs.get(dice.below(4 * throughputs.len() + 1) / 4) {
                Some(there) if dice.percent(50) => there.arn.clone().unwrap_or_default(),
                Some(there) => there.name.clone(),
                None if dice.percent(50) => arn(dice.pick(&IDS)),
                None => dice.pick(&NAMES).to_owned(),
            }
        });
        let spec = spec(dice, id.as_deref());
        let later = dice.maybe(if has_past { 60 } else { 0 }, |dice| {
            // The identity stays.
            self::spec(dice, id.as_deref())
        });
        Self {
            name: OBJECTS[index].to_owned(),
            age: u32::try_from(index).unwrap(),
            spec,
            annotations: annotations(dice),
            later,
            later_annotations: if has_past { annotations(dice) } else { BTreeMap::new() },
            is_deleted_later: dice.percent(if has_past { 25 } else { 8 }),
        }
    }

    pub(crate) fn manifest(&self) -> Value {
        let made = jiff::Timestamp::from_second(1_700_000_000 + i64::from(self.age)).unwrap();
        json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {
                "name": self.name, "namespace": NAMESPACE, "uid": uid(&self.name), "generation": 1, "resourceVersion": "1",
                "creationTimestamp": made.to_string(), "annotations": self.annotations,
            },
            "spec": self.spec,
        })
    }

    /// What a person does to it after the first passes.
    pub(crate) fn edit(&self, stored: &mut Value) {
        if let Some(later) = &self.later {
            stored["spec"] = later.clone();
            stored["metadata"]["generation"] = json!(2);
        }
        for (key, value) in &self.later_annotations {
            stored["metadata"]["annotations"][key] = json!(value);
        }
        if self.is_deleted_later {
            stored["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            if stored["spec"]["deletionPolicy"] == "Delete" {
                stored["metadata"]["finalizers"] = json!([FINALIZER]);
            }
        }
    }
}

fn annotations(dice: &mut Dice) -> BTreeMap<String, String> {
    let requested = dice.maybe(15, |dice| (RECONCILE_REQUESTED_AT.to_owned(), dice.pick(&["1", "2"]).to_owned()));
    let take_over = dice.maybe(15, |dice| {
        let from = dice.pick(&["here/ml/a", "here/ml/b", "here/ml/gone", "elsewhere/ml/a", "elsewhere/ml/b"]);
        (TAKE_OVER_FROM.to_owned(), from.to_owned())
    });
    requested.into_iter().chain(take_over).collect()
}

/// The `spec` of a manifest that the CRD allows, with its defaults. Without an id it buys.
fn spec(dice: &mut Dice, id: Option<&str>) -> Value {
    let policy = match id {
        None => "Full",
        Some(_) => dice.pick(&["Observe", "Update", "Update", "Update", "Full"]),
    };
    let is_full = policy == "Full";
    let mut spec = json!({
        "managementPolicy": policy,
        "approval": if dice.percent(25) { "Manual" } else { "Automatic" },
        "deletionPolicy": if is_full && dice.percent(60) { "Delete" } else { "Retain" },
        "suspend": dice.percent(3),
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            spec[key] = value;
        }
    };
    set("provisionedModelId", id.map(|id| json!(id)));
    set("provisionedModelName", dice.maybe(if id.is_none() { 100 } else { 60 }, |dice| json!(dice.pick(&NAMES))));
    set(
        "modelId",
        dice.maybe(if id.is_none() { 100 } else { 60 }, |dice| {
            json!(if dice.percent(10) { dice.pick(&RARE_MODELS) } else { dice.pick(&MODELS) })
        }),
    );
    if is_full {
        set("modelUnits", dice.maybe(if id.is_none() { 100 } else { 20 }, |dice| json!(1 + dice.below(2))));
        set("commitmentDuration", dice.maybe(20, |_| json!("OneMonth")));
    }
    let team = dice.maybe(35, |dice| ("team", dice.pick(&["search", "ads"])));
    let center = dice.maybe(15, |dice| ("cost center", dice.pick(&["7", "a b/c=d", ""])));
    let tags: BTreeMap<&str, &str> = team.into_iter().chain(center).collect();
    set("tags", (!tags.is_empty()).then(|| json!(tags)));
    spec
}
