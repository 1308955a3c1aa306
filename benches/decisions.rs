//! What one object costs in a pass, and what one look at a fleet costs, without Kubernetes and without AWS: time, and allocations.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "as in tests: what is measured is made here, and a panic is the report that it does not fit any more"
)]

use std::{hint::black_box, time::Duration};

use bedrock_throughput_operator::{
    bedrock::inventory::Snapshot,
    conditions::{ConditionStatus, ConditionType, Reason, Wanted, merge},
    crd::{ProvisionedThroughput, ProvisionedThroughputStatus},
    desired::{Defaults, Desired},
    history::History,
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelName},
    observed::{ModelHealth, Observed, Sighting, Throughput, ThroughputStatus, WantedModel},
    outcome::{Export, Outcome, Verdict, outcome},
    plan::{Permits, Plan, Situation, plan},
    report::Watched,
};
use divan::{AllocProfiler, Bencher};
use jiff::Timestamp;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const BASE: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k";
const MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/b1e2n3c4h5v1";
/// Throughputs of an account.
const FLEETS: [usize; 3] = [100, 1000, 10_000];

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::constant(1_800_000_000, 0)
}

fn arn(index: usize) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{index:012}")
}

fn throughput(index: usize) -> Throughput {
    Throughput {
        arn: ProvisionedModelArn::from_aws(arn(index)),
        name: ProvisionedModelName::from_aws(format!("bench-{index}")),
        status: ThroughputStatus::InService,
        model_arn: ModelArn::from_aws(MODEL),
        desired_model_arn: ModelArn::from_aws(MODEL),
        foundation_model_arn: ModelArn::from_aws(BASE),
        model_units: 1,
        desired_model_units: 1,
        commitment_duration: None,
        commitment_expiration_time: None,
        creation_time: now(),
        last_modified_time: now(),
        failure_message: None,
    }
}

/// The manifest of the throughput with the index 0, which asks for a name.
fn manifest(name: &str) -> Value {
    json!({
        "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
        "metadata": {"name": "bench-0", "namespace": "bench", "uid": "5f0c1f5e-8f0e-4d0a-9a43-0f4f6f1f2d11", "generation": 1},
        "spec": {"provisionedModelId": arn(0), "provisionedModelName": name, "modelId": MODEL},
    })
}

fn defaults() -> Defaults {
    Defaults { region: None, interval: Duration::from_mins(5), cluster: Some("bench".to_owned()) }
}

/// An object, and what was seen of it.
struct Case {
    desired: Desired,
    observed: Observed,
    history: History,
    prior: ProvisionedThroughputStatus,
}

impl Case {
    /// An object that asks for a name, with the status that a pass wrote when it was as it should be.
    fn asks_for(name: &str) -> Self {
        let observed = Observed {
            looked_at: now(),
            throughput: Sighting::Found(throughput(0)),
            tags: None,
            model: WantedModel::Arn(ModelArn::from_aws(MODEL)),
            health: ModelHealth::NotLooked,
        };
        let settled = Self::of("bench-0", observed.clone(), ProvisionedThroughputStatus::default());
        let prior = settled.outcome(&settled.plan()).status;
        Self::of(name, observed, prior)
    }

    fn of(name: &str, observed: Observed, prior: ProvisionedThroughputStatus) -> Self {
        let object: ProvisionedThroughput = serde_json::from_value(manifest(name)).expect("a manifest of the CRD");
        let desired = Desired::parse(&object, &prior, &defaults()).expect("a manifest that can be acted on");
        let history = History::of(&prior, Some(1));
        Self { desired, observed, history, prior }
    }

    fn plan(&self) -> Plan {
        let Self { desired, observed, history, prior: _ } = self;
        let permits = Permits::default();
        plan(&Situation { desired, observed, history, read_lag: Duration::from_secs(15), permits, now: now() })
    }

    fn outcome(&self, plan: &Plan) -> Outcome {
        let Self { desired, observed, history, prior } = self;
        let export = &Export::default();
        let verdict = match plan {
            Plan::Act(change) => Verdict::Sending { observed, change, sent_at: now() },
            Plan::Nothing
            | Plan::Wait { .. }
            | Plan::Settle { .. }
            | Plan::Refuse { .. }
            | Plan::Leave { .. }
            | Plan::LetGo { .. } => Verdict::Seen { observed, plan, history, export },
        };
        outcome(prior, Some(1), Some(desired), verdict, now())
    }
}

/// The names that are asked for: the one that AWS has, and another.
const SETTLED: &str = "bench-0";
const RENAMED: &str = "renamed";

/// An object as a watch brings it.
#[divan::bench]
fn read_object(bencher: Bencher<'_, '_>) {
    let case = Case::asks_for(SETTLED);
    let mut object = manifest(SETTLED);
    object["status"] = serde_json::to_value(&case.prior).expect("a status is JSON");
    let text = object.to_string();
    bencher.bench(|| serde_json::from_str::<Watched>(black_box(&text)).expect("an object"));
}

#[divan::bench]
fn desired_parse(bencher: Bencher<'_, '_>) {
    let object: ProvisionedThroughput = serde_json::from_value(manifest(SETTLED)).expect("a manifest of the CRD");
    let (prior, defaults) = (Case::asks_for(SETTLED).prior, defaults());
    bencher.bench(|| Desired::parse(black_box(&object), black_box(&prior), black_box(&defaults)));
}

#[divan::bench(args = [SETTLED, RENAMED])]
fn plan_of(bencher: Bencher<'_, '_>, name: &str) {
    let case = Case::asks_for(name);
    bencher.bench(|| black_box(&case).plan());
}

#[divan::bench(args = [SETTLED, RENAMED])]
fn outcome_of(bencher: Bencher<'_, '_>, name: &str) {
    let case = Case::asks_for(name);
    let plan = case.plan();
    bencher.bench(|| black_box(&case).outcome(black_box(&plan)));
}

#[divan::bench]
fn merge_conditions(bencher: Bencher<'_, '_>) {
    let wanted = |type_| Wanted {
        type_,
        status: ConditionStatus::True,
        reason: Reason::InService,
        message: "throughput bench-0 is in service, and as the manifest says".to_owned(),
    };
    let both = || vec![wanted(ConditionType::Ready), wanted(ConditionType::Synced)];
    let prior = merge(&[], both(), Some(1), now());
    bencher.with_inputs(both).bench_values(|wanted| merge(black_box(&prior), wanted, Some(2), now()));
}

/// A look: what a List brought is made ready to be searched. The List itself is given.
#[divan::bench(args = FLEETS)]
fn inventory_of_a_look(bencher: Bencher<'_, '_>, throughputs: usize) {
    let listed: Vec<Throughput> = (0..throughputs).map(throughput).collect();
    bencher.with_inputs(|| listed.clone()).bench_values(|listed| Snapshot::new(now(), black_box(listed)));
}

/// A search in a look that is new enough, as each object makes it.
#[divan::bench(args = FLEETS)]
fn inventory_search(bencher: Bencher<'_, '_>, throughputs: usize) {
    let snapshot = Snapshot::new(now(), (0..throughputs).map(throughput).collect());
    let wanted = ProvisionedModelArn::from_aws(arn(throughputs / 2));
    bencher.bench(|| black_box(&snapshot).by_arn(black_box(&wanted)));
}
