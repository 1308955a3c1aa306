//! `cargo xtask bench`: how long the operator takes, as a ratio to a floor that is measured in the same run.
//!
//! The floor is a bare client that makes the same calls: as many writes of the status, Lists and Updates for an edit as
//! the operator was seen to make, with the same concurrency, but without watching, deciding or remembering anything.

mod kubernetes;
mod measure;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::kubernetes::Kubernetes;
use self::measure::{in_parallel, machine, per_item, quantile, row};
use crate::binaries::{Binaries, Profile};
use crate::control_plane::assets;
use crate::progress::say;
use crate::sandbox::{Plan, Sandbox};
use crate::simulator::{Call, Simulator, UPDATE};
use crate::wait::wait_until;

const MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/b1e2n3c4h5v1";
const BASE: &str = "amazon.nova-lite-v1:0:24k";
const LIST: &str = "ListProvisionedModelThroughputs";

const PATIENCE: Duration = Duration::from_mins(2);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Edits, one after the other.
    pub edits: usize,
    /// Objects, all of which are renamed at once.
    pub objects: usize,
    /// Calls at the same time: the operator's `--concurrency`, and the threads of the bare client.
    pub concurrency: usize,
}

/// The calls that were made in a phase.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    statuses: usize,
    lists: usize,
    updates: usize,
}

/// What a phase took.
#[derive(Debug)]
struct Measured {
    /// From each edit to its arrival at AWS.
    edits: Vec<Duration>,
    edit_calls: Calls,
    /// From the first of all edits at once until the last object is done.
    burst: Duration,
    burst_calls: Calls,
}

/// Measures, and prints a table.
///
/// # Errors
/// When a part does not work, or an edit does not reach AWS.
pub fn run(settings: Settings) -> Result<()> {
    if settings.edits == 0 || settings.objects == 0 || settings.concurrency == 0 {
        bail!("--edits, --objects and --concurrency must be 1 or more");
    }
    assets::find_or_build()?;
    say("building the operator and the simulator, optimized");
    let binaries = Binaries::build(Profile::Release)?;
    let concurrency = settings.concurrency.to_string();
    let plan = Plan {
        binaries: &binaries,
        seed: &seed(settings.objects),
        simulator: &["--updating", "0"],
        operator: &["--concurrency", &concurrency],
    };
    let mut sandbox = Sandbox::start(&plan, &mut |what| say(&format!("# {what}")))?;
    let kubernetes = Kubernetes::new(sandbox.control_plane.kubeconfig(), settings.concurrency + 8)?;
    let bench = Bench { settings, kubernetes };
    say(&format!("making {} objects", settings.objects));
    bench.make_objects()?;
    let facts = machine();
    say("measuring the operator");
    let operator = bench.operator(&sandbox)?;
    sandbox.stop_operator()?;
    say("measuring the floor");
    let floor = bench.floor(&sandbox.simulator, &operator)?;
    println!("{}", table(&settings, &facts, &operator, &floor));
    sandbox.stop()
}

fn seed(objects: usize) -> Value {
    let throughput = |index| json!({"arn": arn(index), "name": format!("bench-{index}"), "model": MODEL});
    json!({
        "foundationModels": [{"modelId": BASE}],
        "customModels": [{"arn": MODEL, "name": "bench-v1", "baseModel": BASE}],
        "provisionedModels": (0..objects).map(throughput).collect::<Vec<_>>(),
    })
}

fn arn(index: usize) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{index:012}")
}

fn object_name(index: usize) -> String {
    format!("bench-{index}")
}

fn rename(name: &str) -> Value {
    json!({"spec": {"provisionedModelName": name}})
}

struct Bench {
    settings: Settings,
    kubernetes: Kubernetes,
}

impl Bench {
    fn make_objects(&self) -> Result<()> {
        let Settings { objects, concurrency, edits: _ } = self.settings;
        let wanted = (0..objects).map(|index| (object_name(index), object_name(index))).collect();
        let made = |index| {
            let object = json!({
                "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput",
                "metadata": {"name": object_name(index)},
                "spec": {"provisionedModelId": arn(index), "provisionedModelName": object_name(index), "modelId": MODEL},
            });
            self.kubernetes.create(&object).map(drop)
        };
        self.until_ready(wanted, || in_parallel(concurrency, objects, made)).map(drop)
    }

    fn operator(&self, sandbox: &Sandbox) -> Result<Measured> {
        let Settings { objects, concurrency, edits } = self.settings;
        let before = counted(sandbox)?;
        let mut sent = Vec::new();
        for edit in 0..edits {
            let (object, name) = (object_name(edit % objects), format!("edit-{edit}"));
            sent.push((name.clone(), Timestamp::now()));
            self.kubernetes.edit(&object, &rename(&name))?;
            wait_until(PATIENCE, "the edited object is ready", || {
                if is_ready(&self.kubernetes.get(&object)?, &name) { Ok(()) } else { bail!("it is not") }
            })?;
        }
        let between = counted(sandbox)?;
        let wanted = (0..objects).map(|index| (object_name(index), format!("burst-{index}"))).collect();
        let burst = self.until_ready(wanted, || {
            in_parallel(concurrency, objects, |index| {
                self.kubernetes.edit(&object_name(index), &rename(&format!("burst-{index}"))).map(drop)
            })
        })?;
        let after = counted(sandbox)?;
        let latencies = latencies(&sandbox.simulator.calls()?, &sent)?;
        Ok(Measured { edits: latencies, edit_calls: between.since(before), burst, burst_calls: after.since(between) })
    }

    /// The same calls as the operator made, by a bare client.
    fn floor(&self, simulator: &Simulator, operator: &Measured) -> Result<Measured> {
        let Settings { objects, concurrency, edits } = self.settings;
        let status =
            self.kubernetes.get(&object_name(0))?.get("status").cloned().context("the first object has no status")?;
        let statuses = per_item(operator.edit_calls.statuses, edits);
        let lists = per_item(operator.edit_calls.lists, edits);
        let mut sent = Vec::new();
        for edit in 0..edits {
            let name = format!("floor-{edit}");
            sent.push((name.clone(), Timestamp::now()));
            self.bare(simulator, edit % objects, &name, &status, statuses, lists)?;
        }
        let latencies = latencies(&simulator.calls()?, &sent)?;
        let statuses = per_item(operator.burst_calls.statuses, objects);
        // All of them, at even distances.
        let lists = operator.burst_calls.lists;
        let begin = Instant::now();
        in_parallel(concurrency, objects, |index| {
            let share = (index + 1) * lists / objects - index * lists / objects;
            self.bare(simulator, index, &format!("floor-burst-{index}"), &status, statuses, share)
        })?;
        let made = |statuses: usize, lists, items| Calls { statuses: statuses * items, lists, updates: items };
        Ok(Measured {
            edits: latencies,
            edit_calls: made(
                per_item(operator.edit_calls.statuses, edits),
                per_item(operator.edit_calls.lists, edits) * edits,
                edits,
            ),
            burst: begin.elapsed(),
            burst_calls: made(statuses, lists, objects),
        })
    }

    /// An edit, and what the operator does about it: Lists and all writes of the status but the last come before the
    /// Update, the last one behind it.
    fn bare(
        &self,
        simulator: &Simulator,
        index: usize,
        name: &str,
        status: &Value,
        statuses: usize,
        lists: usize,
    ) -> Result<()> {
        let object = object_name(index);
        self.kubernetes.edit(&object, &rename(name))?;
        for _ in 0..lists {
            simulator.list()?;
        }
        let write = |number: usize| {
            let mut status = status.clone();
            if let Some(status) = status.as_object_mut() {
                status.insert("lastHandledReconcileAt".to_owned(), json!(format!("{name}/{number}")));
            }
            self.kubernetes.apply_status(&object, &status).map(drop)
        };
        (1..statuses).try_for_each(write)?;
        simulator.update_as_person(&arn(index), &json!({"desiredProvisionedModelName": name}))?;
        write(0)
    }

    /// Does something, and returns how long it took from its beginning until all objects have their names and are ready.
    fn until_ready(&self, mut wanted: BTreeMap<String, String>, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let list = self.kubernetes.list()?;
        let version =
            list.pointer("/metadata/resourceVersion").and_then(Value::as_str).context("a list has no version")?;
        thread::scope(|scope| {
            let watched = scope.spawn(|| {
                self.kubernetes.watch_until(version, PATIENCE, |object| {
                    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                    if wanted.get(name).is_some_and(|wanted| is_ready(object, wanted)) {
                        wanted.remove(name);
                    }
                    wanted.is_empty()
                })?;
                Ok(Instant::now())
            });
            let begin = Instant::now();
            work()?;
            let end: Result<Instant> = watched.join().map_err(|_| anyhow!("the thread that watches panicked"))?;
            Ok(end.context("waiting until all objects are ready")?.duration_since(begin))
        })
    }
}

/// Whether the status speaks of the present manifest, says that it is served under this name, and is ready.
fn is_ready(object: &Value, name: &str) -> bool {
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let generation = object.pointer("/metadata/generation");
    let conditions =
        object.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().any(|condition| {
        text(condition, "/type").as_deref() == Some("Ready") && text(condition, "/status").as_deref() == Some("True")
    });
    ready
        && generation.is_some()
        && object.pointer("/status/observedGeneration") == generation
        && text(object, "/status/provisionedModelName").as_deref() == Some(name)
}

/// How long each edit took from being sent until its Update arrived at AWS.
fn latencies(calls: &[Call], sent: &[(String, Timestamp)]) -> Result<Vec<Duration>> {
    let mut arrived: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.operation == UPDATE && call.succeeded()) {
        let time = call.arrived.parse().with_context(|| format!("the call log has the time {:?}", call.arrived))?;
        if arrived.insert(call.member("desiredProvisionedModelName"), time).is_some() {
            bail!("AWS saw two updates with the name {}", call.member("desiredProvisionedModelName"));
        }
    }
    sent.iter()
        .map(|(name, time)| {
            let arrived =
                arrived.get(name.as_str()).with_context(|| format!("AWS saw no update with the name {name}"))?;
            Duration::try_from(arrived.duration_since(*time))
                .with_context(|| format!("{name} arrived before it was sent"))
        })
        .collect()
}

/// The calls that the operator has made so far.
fn counted(sandbox: &Sandbox) -> Result<Calls> {
    let statuses = sandbox.operator_requests()?.iter().filter(|event| event.subresource == "status").count();
    let calls = sandbox.simulator.calls()?;
    let made = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    Ok(Calls { statuses, lists: made(LIST), updates: made(UPDATE) })
}

impl Calls {
    fn since(self, before: Self) -> Self {
        Self {
            statuses: self.statuses - before.statuses,
            lists: self.lists - before.lists,
            updates: self.updates - before.updates,
        }
    }
}

fn table(settings: &Settings, facts: &str, operator: &Measured, floor: &Measured) -> String {
    let Settings { edits, objects, concurrency } = settings;
    let calls = |Calls { statuses, lists, updates }: Calls| {
        format!("{statuses} status writes, {lists} Lists, {updates} Updates")
    };
    let medians = (quantile(&operator.edits, 0.5), quantile(&floor.edits, 0.5));
    let tails = (quantile(&operator.edits, 0.95), quantile(&floor.edits, 0.95));
    [
        format!("{facts}; release build; concurrency {concurrency}"),
        String::new(),
        format!("{:<52} {:>12} {:>12} {:>7}", "", "operator", "floor", "ratio"),
        row(&format!("edit to Update at AWS, median of {edits}"), medians.0, medians.1),
        row(&format!("edit to Update at AWS, 95th percentile of {edits}"), tails.0, tails.1),
        row(&format!("{objects} renames at once, until all are ready"), operator.burst, floor.burst),
        String::new(),
        format!(
            "calls for {edits} edits:   operator {}; floor {}",
            calls(operator.edit_calls),
            calls(floor.edit_calls)
        ),
        format!(
            "calls for {objects} renames: operator {}; floor {}",
            calls(operator.burst_calls),
            calls(floor.burst_calls)
        ),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn call(name: &str, time: &str) -> Call {
        let request = json!({"desiredProvisionedModelName": name});
        Call { arrived: time.to_owned(), operation: UPDATE.to_owned(), request, status: 200, error: String::new() }
    }

    #[test]
    fn a_latency_is_from_the_edit_to_the_arrival() {
        let sent = [("a".to_owned(), "2026-01-01T00:00:00Z".parse().unwrap())];
        let calls = [call("b", "2026-01-01T00:00:09Z"), call("a", "2026-01-01T00:00:00.250Z")];
        assert_eq!(latencies(&calls, &sent).unwrap(), [Duration::from_millis(250)]);
        assert!(latencies(&calls[..1], &sent).unwrap_err().to_string().contains("no update with the name a"));
        let twice = [calls[1].clone(), calls[1].clone()];
        assert!(latencies(&twice, &sent).unwrap_err().to_string().contains("two updates"));
    }

    #[test]
    fn ready_speaks_of_the_present_manifest() {
        let object = |observed, name: &str, ready: &str| {
            json!({
                "metadata": {"generation": 2},
                "status": {
                    "observedGeneration": observed, "provisionedModelName": name,
                    "conditions": [{"type": "Ready", "status": ready}],
                },
            })
        };
        assert!(is_ready(&object(2, "a", "True"), "a"));
        assert!(!is_ready(&object(1, "a", "True"), "a"));
        assert!(!is_ready(&object(2, "b", "True"), "a"));
        assert!(!is_ready(&object(2, "a", "False"), "a"));
        assert!(!is_ready(&json!({}), "a"));
    }

    #[test]
    fn every_object_has_a_throughput_of_its_own() {
        let seed = seed(200);
        let throughputs = seed["provisionedModels"].as_array().unwrap();
        let arns: BTreeSet<_> = throughputs.iter().map(|throughput| throughput["arn"].as_str().unwrap()).collect();
        assert_eq!(arns.len(), 200);
    }
}
