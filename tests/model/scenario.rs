//! What is explored: a start, what may happen, and the report.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use bedrock_simulator::{
    Switches, World,
    request::ModelStatus,
    settings::Seconds,
    world::{CustomModel, FoundationModel},
};
use bedrock_throughput_operator::{
    crd::{Approval, ProvisionedThroughput, ProvisionedThroughputStatus},
    desired::Defaults,
    identifiers::Region,
    plan::Permits,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::{
    aws::{CALLER, REGION},
    kubernetes::{self, Stored},
    model::{Budget, Ghost, Life, Move, Question, State, TICK},
    operator::{Flags, Mistake, Process},
    shared::Shared,
};

pub const NAME: &str = "summarizer";
const BASE: &str = "amazon.nova-lite-v1:0:24k";
pub const MODEL_A: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/aaaaaaaaaaaa";
pub const MODEL_B: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/bbbbbbbbbbbb";

/// A scenario.
#[derive(Clone)]
pub struct Scenario {
    name: String,
    spec: Value,
    world: World,
    processes: usize,
    moves: Vec<Move>,
    left: Budget,
    mistakes: Vec<Mistake>,
    goals: Vec<(&'static str, Question)>,
    at_rest: bool,
    follows_ends: bool,
}

impl Scenario {
    /// An object that buys a throughput, one process, and nothing that happens.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spec: json!({
                "managementPolicy": "Full", "provisionedModelName": "one", "modelId": MODEL_A, "modelUnits": 1,
            }),
            world: world(),
            processes: 1,
            moves: Vec::new(),
            left: Budget { ticks: 4, crashes: 0, faults: 0 },
            mistakes: Vec::new(),
            goals: Vec::new(),
            at_rest: false,
            follows_ends: true,
        }
    }

    /// Sets a field of the manifest.
    pub fn spec(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.spec[field] = value.into();
        self
    }

    /// Begins when the object is at rest, and not when it is new.
    pub fn at_rest(mut self) -> Self {
        self.at_rest = true;
        self
    }

    pub fn switch(mut self, name: &str, setting: &str) -> Self {
        self.world.switches.set(name, setting).unwrap();
        self
    }

    pub fn world(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.world);
        self
    }

    /// A second process works, too, as long as it has not noticed that its lease is over.
    pub fn two_processes(mut self) -> Self {
        self.processes = 2;
        self
    }

    pub fn moves(mut self, moves: impl IntoIterator<Item = Move>) -> Self {
        self.moves.extend(moves);
        self
    }

    pub fn budget(mut self, ticks: u8, crashes: u8, faults: u8) -> Self {
        self.left = Budget { ticks, crashes, faults };
        self
    }

    pub fn mistake(mut self, mistake: Mistake) -> Self {
        self.mistakes.push(mistake);
        self
    }

    /// Has to be reachable.
    pub fn reaches(mut self, name: &'static str, question: Question) -> Self {
        self.goals.push((name, question));
        self
    }

    fn life(&self) -> Life {
        let flags = Flags {
            defaults: Defaults {
                region: Some(Region::parse(REGION).unwrap()),
                interval: Duration::from_mins(5),
                cluster: Some("test".to_owned()),
            },
            read_lag: TICK.unsigned_abs(),
            permits: Permits { create: true, delete: true },
            mistakes: self.mistakes.clone(),
        };
        let mut object: ProvisionedThroughput = serde_json::from_value(json!({
            "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
            "metadata": {"name": NAME, "namespace": "ml", "uid": "uid", "generation": 1},
            "spec": self.spec,
        }))
        .unwrap();
        if self.at_rest {
            object.spec.approval = Approval::Automatic;
        }
        let status = ProvisionedThroughputStatus { observed_generation: Some(-1), ..Default::default() };
        let cluster =
            Some(Stored { version: 0, manifest: Shared::new(object), finalizer: false, status: Shared::new(status) });
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let start = State {
            now,
            world: Shared::new(self.world.clone()),
            processes: vec![Process::start(now, &cluster); self.processes],
            cluster,
            moved: 0,
            left: self.left,
            ghost: Ghost { asked_for: u8::from(self.spec["approval"] != "Manual"), ..Ghost::default() },
        };
        let mut life = Life::new(start, flags, self.moves.clone(), self.goals.clone());
        life.follows_ends = self.follows_ends;
        if self.at_rest {
            let State { now, world, mut cluster, .. } = life.undisturbed(life.start.clone());
            let approval = serde_json::from_value(self.spec["approval"].clone()).unwrap_or_default();
            kubernetes::edit(&mut cluster, |object| object.spec.approval = approval);
            let processes = vec![Process::start(now, &cluster); self.processes];
            let ghost = Ghost { bought: 1, asked_for: 1, ..Ghost::default() };
            life.start = State { now, world, cluster, processes, ghost, ..life.start };
        }
        life
    }

    /// Explores every state, and reports.
    pub fn holds(&self) {
        let (report, failures, missed) = self.explore(HasDiscoveries::AnyFailures);
        println!("{report}");
        assert!(failures.is_empty(), "{report}\n{failures}");
        assert!(missed.is_empty(), "{report}\nnever reached: {missed}");
    }

    /// Explores until a rule is broken, and it has to be this one.
    pub fn breaks(&self, property: &'static str) {
        let scenario = Self { follows_ends: false, goals: Vec::new(), ..self.clone() };
        let (report, failures, _) = scenario.explore(HasDiscoveries::AnyFailures);
        println!("{report}\n{failures}");
        assert!(failures.contains(property), "{report}\n{failures}");
    }

    fn explore(&self, until: HasDiscoveries) -> (String, String, String) {
        let begun = Instant::now();
        let checker = self.life().checker().finish_when(until).spawn_bfs().join();
        let took = begun.elapsed().as_secs_f64();
        let found = checker.discoveries();
        let properties = checker.model().properties();
        let names: Vec<&str> = properties.iter().map(|property| property.name).collect();
        let report = format!(
            "{}: {} states, depth {}, {took:.1} s; {}",
            self.name,
            checker.unique_state_count(),
            checker.max_depth(),
            names.join(", ")
        );
        let (mut failures, mut missed) = (String::new(), Vec::new());
        for property in properties {
            match (property.expectation.discovery_is_failure(), found.get(property.name)) {
                (true, Some(path)) => {
                    let _ = writeln!(failures, "broken: {}", property.name);
                    let steps = path.clone().into_vec();
                    for (state, action) in &steps {
                        let action = action.map_or_else(|| "end".to_owned(), |action| format!("{action:?}"));
                        let _ = writeln!(failures, "  {} {action}", told(state));
                    }
                    if let Some((last, _)) = steps.last() {
                        let rest = checker.model().undisturbed(last.clone());
                        let _ = writeln!(failures, "  and at last {}", told(&rest));
                        let status = rest.cluster.as_ref().map(|stored| serde_json::to_string(&*stored.status));
                        let _ = writeln!(failures, "  {status:?}");
                    }
                }
                (false, None) => missed.push(property.name),
                (true, None) | (false, Some(_)) => {}
            }
        }
        (report, failures, missed.join(", "))
    }
}

/// A state in a line.
fn told(state: &State) -> String {
    let status = state.cluster.as_ref().map_or_else(
        || "gone".to_owned(),
        |stored| {
            let ready = stored.status.conditions.first();
            let plan = stored.status.plan.as_ref().map(|plan| (plan.action, plan.waiting_for, plan.sent_at.is_some()));
            format!(
                "v{} g{:?} {} {:?} bound {:?}",
                stored.version,
                stored.manifest.metadata.generation.unwrap_or_default(),
                ready.map_or("-", |ready| ready.reason.as_str()),
                plan,
                stored.status.provisioned_model_arn.as_deref().map(|arn| &arn[arn.len() - 2..]),
            )
        },
    );
    let world: Vec<String> = state
        .world
        .throughputs(&CALLER)
        .map(|one| format!("{} {} {}", &one.arn[one.arn.len() - 2..], one.name, one.status.as_str()))
        .collect();
    format!("[{} | {status} | {} | {:?}]", state.now, world.join(", "), state.ghost)
}

/// An account with two custom models of one base, and nothing bought.
fn world() -> World {
    let mut world = World::default();
    world.settings.creating_seconds = Seconds::new(10);
    world.settings.updating_seconds = Seconds::new(10);
    world.settings.read_lag_seconds = Seconds::new(10);
    world.put_foundation_model(FoundationModel::text(BASE));
    for (name, arn) in [("a", MODEL_A), ("b", MODEL_B)] {
        world.put_custom_model(
            &CALLER,
            CustomModel {
                arn: arn.to_owned(),
                name: name.to_owned(),
                base_model_arn: CALLER.foundation_model_arn(BASE),
                status: ModelStatus::Active,
                failure_message: None,
                customization_type: None,
                creation_time: Timestamp::UNIX_EPOCH,
            },
        );
    }
    world
}

/// Every switch with a setting other than its default, one at a time.
pub fn switches() -> impl Iterator<Item = (&'static str, &'static str)> {
    Switches::ALL.iter().flat_map(|info| info.settings.iter().skip(1).map(|setting| (info.name, *setting)))
}
