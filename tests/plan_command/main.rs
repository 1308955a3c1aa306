//! `plan` and the operator agree: for random manifests and accounts, the call that `plan` shows is the call that the operator makes.
//!
//! The operator's own pass runs in this process, with the AWS SDK against the simulator, and against an API server that keeps objects. A
//! case has a number, and `PLAN_CASE=number` runs it alone.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test they report the failure; clippy.toml knows only of functions that are tests themselves"
)]

mod kubernetes;
mod random;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use aws_config::BehaviorVersion;
use aws_sdk_bedrock::config::{Credentials, Region as SdkRegion};
use bedrock_simulator::{Call, Fault, FaultKind, Operation, Server, settings::Seconds};
use bedrock_throughput_operator::{
    bedrock::{Bedrock, Looks, sdk::Sdk},
    budget::Limits,
    claims::Claims,
    conditions::Reason,
    controller::register,
    crd::{APPROVE, ProvisionedThroughput, WaitingFor},
    desired::Defaults,
    export::Exporter,
    identifiers::Region,
    memory::Memories,
    metrics::Metrics,
    observe::Sources,
    plan::Permits,
    preview::{self, Candidate, Effect, Known, Settings, Step, UNKNOWN_UID, admission::Admission, aws_cli},
    reconcile::{Context, reconcile},
    report::{Reporter, Subject, Watched},
    traces::Traces,
    turns::Turns,
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::{Resource as _, core::DeserializeGuard};
use serde_json::{Value, json};

use kubernetes::Kubernetes;
use random::{Case, Dice};

/// How many cases are tried.
const CASES: u64 = 300;

/// How many run at a time: most of a case is waiting for the pause between two Lists.
const WIDTH: usize = 64;

/// The calls that change something.
const CHANGES: [Operation; 5] = [
    Operation::CreateProvisionedModelThroughput,
    Operation::UpdateProvisionedModelThroughput,
    Operation::DeleteProvisionedModelThroughput,
    Operation::TagResource,
    Operation::UntagResource,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_shows_the_calls_that_the_operator_makes() {
    let cases: Vec<u64> = match std::env::var("PLAN_CASE") {
        Ok(number) => vec![number.parse().expect("PLAN_CASE is a number")],
        Err(_) => (0..CASES).collect(),
    };
    let is_whole = cases.len() > 1;
    let outcomes: Vec<(u64, Result<Vec<Agreed>, String>)> = stream::iter(cases)
        .map(|number| async move {
            (number, tokio::spawn(run(number)).await.unwrap_or_else(|panic| Err(panic.to_string())))
        })
        .buffer_unordered(WIDTH)
        .collect()
        .await;
    let failures: Vec<String> = outcomes
        .iter()
        .filter_map(|(number, outcome)| outcome.as_ref().err().map(|error| format!("=== case {number}: {error}")))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases fail\n{}", failures.len(), outcomes.len(), failures.join("\n"));
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for agreed in outcomes.into_iter().flat_map(|(_, outcome)| outcome.unwrap_or_default()) {
        *counted
            .entry(
                agreed
                    .operation
                    .map_or_else(|| format!("no call, {}", agreed.reason.as_str()), |call| call.as_str().to_owned()),
            )
            .or_default() += 1;
    }
    println!("agreed on: {counted:#?}");
    for operation in CHANGES.iter().filter(|_| is_whole) {
        let times = counted.get(operation.as_str()).copied().unwrap_or_default();
        assert!(times >= 3, "too few cases come to {operation:?} for the test to say much: {counted:#?}");
    }
}

/// What `plan` and the operator agreed on for one object.
#[derive(Debug)]
struct Agreed {
    reason: Reason,
    operation: Option<Operation>,
}

/// A call, by operation and members.
type Made = (Operation, Value);

async fn run(number: u64) -> Result<Vec<Agreed>, String> {
    let mut dice = Dice::new(number);
    let case = Case::random(&mut dice);
    let world = World::start(&case);
    // The operator as it was before.
    let earlier = world.operator(&case);
    for _ in 0..case.passes {
        Box::pin(world.pass_over_all(&earlier)).await;
    }
    world.let_calls_settle().await;
    let is_new = case.passes == 0;
    for object in &case.objects {
        world.kubernetes.edit(&object.name, |stored| object.edit(stored));
    }
    Case::meddle(&mut dice, &world.aws);
    for operation in CHANGES {
        world.aws.inject(Fault::on(operation, FaultKind::code("ThrottlingException")));
    }

    let mut steps = Box::pin(world.plan(&case, true)).await;
    if case.approves && approve(&world.kubernetes, &steps) {
        steps = Box::pin(world.plan(&case, true)).await;
    }
    let from_manifests = if is_new { Some(Box::pin(world.plan(&case, false)).await) } else { None };
    let before: BTreeMap<&String, Value> =
        steps.iter().map(|step| (&step.name, world.kubernetes.get(&step.name))).collect();
    let made = Box::pin(world.pass_over_all(&world.operator(&case))).await;

    let mut agreed = Vec::new();
    for (step, made) in steps.iter().zip(&made) {
        let shown = shown(step);
        if shown != *made {
            let line = |call: &Call| format!("{} {:?} {} {:?}", call.time, call.operation, call.parameters, call.error);
            let calls: Vec<String> = world.aws.calls().iter().map(line).collect();
            let object = &before[&step.name];
            return Err(format!(
                "{}: plan shows {shown:#?}, and the operator makes {made:#?}\n{step:#?}\nthe object: {object:#}\nthe calls: {calls:#?}\n{case:#?}",
                step.name
            ));
        }
        agreed.push(Agreed { reason: step.reason, operation: made.as_ref().map(|(operation, _)| *operation) });
    }
    for (step, made) in from_manifests.iter().flatten().zip(&made) {
        let uid = world.kubernetes.get(&step.name)["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let made = made.as_ref().map(|(operation, members)| (*operation, replaced(members, &uid)));
        let shown = shown(step).map(|(operation, members)| (operation, replaced(&members, &uid)));
        // Without the cluster nobody knows the hash that was approved, whether the owner of a throughput is gone, nor which uid an object has
        // whose throughput is tagged with another.
        let is_approved = step.due.first().is_some_and(|due| due.waiting_for == Some(WaitingFor::Approval));
        let tags_uid = |(operation, members): &Made| {
            *operation == Operation::TagResource && members.to_string().contains("bedrock-throughput.dev/uid")
        };
        let is_tagged = shown.iter().chain(&made).any(tags_uid);
        let is_known = !is_approved && !is_tagged && step.reason != Reason::AlreadyManaged;
        if shown != made && is_known {
            return Err(format!(
                "{}, from its manifest alone: plan shows {shown:#?}, and the operator makes {made:#?}\n{case:#?}",
                step.name
            ));
        }
    }
    Ok(agreed)
}

/// Approves what waits for it. Tells whether something did.
fn approve(kubernetes: &Kubernetes, steps: &[Step]) -> bool {
    let hashes = steps.iter().filter_map(|step| Some((&step.name, step.due.first()?.hash.as_ref()?)));
    let mut any = false;
    for (name, hash) in hashes {
        any = true;
        kubernetes.edit(name, |stored| stored["metadata"]["annotations"][APPROVE] = json!(hash));
    }
    any
}

fn replaced(members: &Value, uid: &str) -> Value {
    serde_json::from_str(&members.to_string().replace(uid, UNKNOWN_UID)).expect("it was JSON before")
}

/// The call that `plan` says is made next, read back from the command line that it prints.
fn shown(step: &Step) -> Option<Made> {
    let due = step.due.first().filter(|_| step.effect == Effect::Change)?;
    let command = aws_cli::commands(&due.region, &due.change).into_iter().next().expect("a call is a command");
    let mut words = command.into_iter();
    assert_eq!([words.next().unwrap(), words.next().unwrap()], ["aws", "bedrock"]);
    let verb = words.next().unwrap();
    let operation =
        Operation::ALL.iter().find(|operation| kebab(operation.as_str()) == verb).expect("a verb of the AWS CLI");
    let mut members = serde_json::Map::new();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        match option.as_str() {
            "--region" => assert_eq!(value, random::REGION),
            "--resource-arn" => drop(members.insert("resourceARN".into(), value.into())),
            "--tags" | "--tag-keys" | "--model-units" => {
                members.insert(camel(&option), serde_json::from_str(&value).expect("JSON"));
            }
            _ => drop(members.insert(camel(&option), value.into())),
        }
    }
    Some((*operation, Value::Object(members)))
}

/// `CreateProvisionedModelThroughput` as `create-provisioned-model-throughput`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for (index, c) in name.chars().enumerate() {
        text.extend((c.is_ascii_uppercase() && index > 0).then_some('-'));
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// `--model-id` as `modelId`.
fn camel(option: &str) -> String {
    let mut words = option.trim_start_matches("--").split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let (start, rest) = word.split_at(1);
        text.push_str(&start.to_uppercase());
        text.push_str(rest);
        text
    })
}

/// AWS and Kubernetes of a case.
struct World {
    aws: Server,
    sdk: Arc<Sdk>,
    kubernetes: Kubernetes,
    admission: Admission,
}

impl World {
    fn start(case: &Case) -> Self {
        let aws = Server::start().expect("starting the simulator");
        aws.seed(&random::account(&case.throughputs)).expect("the account is put there");
        aws.set(|settings| {
            let seconds = |seconds: u32| Seconds::try_from(f64::from(seconds)).expect("a number of seconds");
            settings.creating_seconds = seconds(case.work_seconds);
            settings.updating_seconds = seconds(case.work_seconds);
            settings.read_lag_seconds = seconds(0);
        });
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(SdkRegion::new(random::REGION))
            .endpoint_url(aws.url())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .credentials_provider(aws_sdk_bedrock::config::SharedCredentialsProvider::new(Credentials::new(
                "AKIAIOSFODNN7EXAMPLE",
                "secret",
                None,
                None,
                "test",
            )))
            .build();
        let kubernetes = Kubernetes::start();
        let admission = Admission::new().expect("the CRD");
        for object in &case.objects {
            let mut manifest = object.manifest();
            let refusals = admission.admit(&mut manifest, None);
            assert_eq!(refusals, [], "{manifest:#}");
            kubernetes.put(manifest);
        }
        Self { aws, sdk: Arc::new(Sdk::new(config)), kubernetes, admission }
    }

    fn defaults() -> Defaults {
        Defaults {
            region: Some(Region::parse(random::REGION).expect("a region")),
            interval: Duration::from_mins(5),
            cluster: Some(random::CLUSTER.to_owned()),
        }
    }

    fn operator(&self, case: &Case) -> Arc<Context> {
        let bedrock: Arc<dyn Bedrock> = Arc::clone(&self.sdk) as Arc<dyn Bedrock>;
        let client = self.kubernetes.client();
        Arc::new(Context {
            defaults: Self::defaults(),
            read_lag: case.read_lag,
            started_at: Timestamp::now(),
            ending: Arc::new(AtomicBool::new(false)),
            phase: Duration::ZERO,
            sources: Sources::new(Arc::clone(&bedrock) as Arc<dyn Looks>),
            bedrock,
            permits: case.permits,
            reporter: Reporter::new(client.clone(), "test".to_owned()),
            exporter: Exporter::new(client),
            memories: Memories::default(),
            claims: Claims::default(),
            turns: Arc::new(Turns::new(Limits::default())),
            traces: Traces::new(false),
            metrics: Arc::new(Metrics::default()),
        })
    }

    /// One pass over each object, in the order of their age, as at the start of an operator. The first call that each made.
    async fn pass_over_all(&self, context: &Arc<Context>) -> Vec<Option<Made>> {
        let watched = self.watched();
        for object in &watched {
            let subject = Subject::of(object);
            context.memories.open(&subject.uid, "");
            register(&context.claims, object, &subject, &context.defaults);
        }
        context.claims.listed(None);
        let mut made = Vec::new();
        for object in watched {
            let before = self.changes().len();
            reconcile(Arc::new(object), Arc::clone(context)).await.expect("a pass");
            made.push(self.changes().into_iter().nth(before));
        }
        made
    }

    /// Waits until the time of every call is over. It is kept to the second that ends after it, so that `plan` and the operator, which looks a
    /// moment later, might else look on two sides of it.
    async fn let_calls_settle(&self) {
        let time = |object: &Value, pointer: &str| object.pointer(pointer)?.as_str()?.parse::<Timestamp>().ok();
        let times = |object: Value| {
            ["/status/plan/sentAt", "/status/lastUpdate/answerTime"].map(|pointer| time(&object, pointer))
        };
        let last = self.kubernetes.all().into_iter().flat_map(times).flatten().max();
        while last.is_some_and(|last| Timestamp::now() <= last) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn changes(&self) -> Vec<Made> {
        let made = |call: Call| {
            call.operation.filter(|operation| operation.mutates()).map(|operation| (operation, call.parameters))
        };
        self.aws.calls().into_iter().filter_map(made).collect()
    }

    /// The objects, the oldest first.
    fn watched(&self) -> Vec<Watched> {
        let typed = |object: Value| {
            DeserializeGuard(Ok(serde_json::from_value::<ProvisionedThroughput>(object).expect("it fits the API")))
        };
        self.kubernetes.all().into_iter().map(typed).collect()
    }

    async fn plan(&self, case: &Case, is_live: bool) -> Vec<Step> {
        let candidates: Vec<Candidate> = self
            .watched()
            .into_iter()
            .map(|mut object| {
                if !is_live {
                    let meta = object.meta_mut();
                    (meta.uid, meta.creation_timestamp) = (None, None);
                }
                Candidate { object, origin: None }
            })
            .collect();
        let settings = Settings {
            defaults: Self::defaults(),
            read_lag: case.read_lag,
            permits: case.permits,
            known: if is_live { Known::Cluster } else { Known::Nothing },
        };
        // What the rules of the CRD say of the objects as they are by now.
        for mut object in self.kubernetes.all() {
            assert_eq!(self.admission.admit(&mut object, None), []);
        }
        preview::preview(Arc::clone(&self.sdk) as Arc<dyn Looks>, &candidates, &[], &settings).await
    }
}

/// Kept apart from [`Case`], which is what the dice decide.
impl Case {
    fn permits(create: bool, delete: bool) -> Permits {
        Permits { create, delete }
    }
}
