//! The scenarios, each of which measures the operator and the floor on a stage.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use super::Settings;
use super::fleet::{self, CROWD, SINGLE, rename};
use super::floor::Floor;
use super::measures::{Measure, Row, Scenario, median, quantile, thousands};
use super::parallel::in_parallel;
use super::stage::{Stage, Started};
use crate::control_plane::AuditEvent;
use crate::progress::{human, say};
use crate::simulator::{Call, UPDATE};
use crate::wait::wait_until;

const LIST: &str = "ListProvisionedModelThroughputs";
/// What an operator asks for once an hour, in order to know whether models will last.
const HOURLY: [&str; 2] = ["ListCustomModels", "ListFoundationModels"];

/// An interval in which no look is due while something else is measured.
const NO_LOOKS: [&str; 2] = ["--default-interval", "24h"];

/// Measured several times in turn up to this many objects; more take so long that chance evens out within one.
const SEVERAL_UP_TO: usize = 1000;
const ROUNDS: usize = 3;

/// Changes that are due in one namespace while AWS is throttled, and what AWS lets through: calls a second, and at once.
const CROWDED: usize = 1000;
const THROTTLE: (f64, u32) = (2.0, 2);
/// How long the calls to a throttled AWS are counted, and how long the one change is waited for.
const THROTTLED_FOR: Duration = Duration::from_mins(2);
const SERVED_WITHIN: Duration = Duration::from_mins(2);
/// How long the crowd has been waiting when the one change comes.
const HEAD_START: Duration = Duration::from_secs(3);

/// A stage on which all that was asked for is measured.
pub(super) struct Run<'a, 'b> {
    settings: &'a Settings,
    stage: Stage<'b>,
    /// When the whole benchmark began.
    begun: Instant,
    rows: Vec<Row>,
}

impl<'a, 'b> Run<'a, 'b> {
    /// A run on a stage without objects.
    pub(super) fn new(settings: &'a Settings, stage: Stage<'b>, begun: Instant) -> Self {
        Self { settings, stage, begun, rows: Vec::new() }
    }

    /// Measures, and ends the stage. `is_largest`: no other run has more objects, so that here is measured what depends little on them.
    pub(super) fn run(mut self, measures_none: bool, is_largest: bool) -> Result<Vec<Row>> {
        let wants = |scenario| self.settings.wants(scenario);
        let (renames, start, edit) = (wants(Scenario::Renames), wants(Scenario::Start), wants(Scenario::Edit));
        let (steady, throttle) = (wants(Scenario::Steady), wants(Scenario::Throttle));
        if start && measures_none {
            self.without_objects()?;
        }
        self.first_start()?;
        if renames {
            self.renames()?;
        }
        if start {
            self.starts()?;
        }
        if is_largest && edit {
            self.edits()?;
        }
        if is_largest && steady {
            self.steady()?;
        }
        if is_largest && throttle {
            self.throttle()?;
        }
        self.stage.stop()?;
        Ok(self.rows)
    }

    fn objects(&self) -> usize {
        self.stage.fleet.objects
    }

    fn say(&self, what: &str) {
        say(&format!("# {} {} objects: {what}", human(self.begun.elapsed()), thousands(self.objects())));
    }

    fn without_objects(&mut self) -> Result<()> {
        say("# no objects: memory");
        let started = self.stage.start_settled(0, &NO_LOOKS)?;
        self.stage.stop_operator()?;
        self.tell_memory(0, &[started]);
        Ok(())
    }

    /// Makes the objects, and starts the operator for the first time.
    fn first_start(&mut self) -> Result<()> {
        self.say("making them");
        self.stage.make_objects()?;
        self.say("first start");
        let names: Vec<String> = (0..self.objects()).map(fleet::original).collect();
        let took = self.stage.until_ready(&names, |stage| stage.start_operator(&NO_LOOKS))?;
        self.stage.stop_operator()?;
        self.rows.push(Row::of(Measure::FirstStart, self.objects(), took.as_secs_f64()));
        Ok(())
    }

    /// The manifests are changed while no operator runs, so that all renames are due when it starts.
    fn renames(&mut self) -> Result<()> {
        let mut pairs = Vec::new();
        let mut requests = Requests::default();
        for round in 1..=self.rounds() {
            self.say(&format!("renames, round {round} of {}", self.rounds()));
            let names = self.stage.edit_all()?;
            let template = self.stage.admin.get(self.stage.fleet.namespace(0), &fleet::object(0))?;
            let floor = Floor::new(&self.stage)?;
            let prepared = floor.renames(&template, &names, self.stage.generation())?;
            let bare = self.stage.until_ready(&names, |_| floor.rename_all(&prepared))?;
            let names = self.stage.edit_all()?;
            let since = Timestamp::now();
            let took = self.stage.until_ready(&names, |stage| stage.start_operator(&NO_LOOKS))?;
            // The last events may come after the last status.
            self.stage.operator()?.rest(Duration::from_mins(1))?;
            self.stage.stop_operator()?;
            requests = Requests::of(&self.stage.requests_since(since)?);
            pairs.push((took, bare));
        }
        let objects = self.objects();
        self.rows.push(Row::against(Measure::Renames, objects, &pairs));
        let row = Row::of(Measure::RenameRequests, objects, share(requests.for_objects(), objects));
        self.rows.push(row.note(requests.to_string()));
        Ok(())
    }

    fn starts(&mut self) -> Result<()> {
        let (mut pairs, mut starts) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds() {
            self.say(&format!("start, round {round} of {}", self.rounds()));
            let bare = Floor::new(&self.stage)?.start()?;
            let started = self.stage.start_settled(self.objects(), &NO_LOOKS)?;
            self.stage.stop_operator()?;
            pairs.push((started.took, bare));
            starts.push(started);
        }
        self.rows.push(Row::against(Measure::Start, self.objects(), &pairs));
        self.tell_memory(self.objects(), &starts);
        Ok(())
    }

    fn tell_memory(&mut self, objects: usize, starts: &[Started]) {
        let of = |value: fn(&Started) -> u64| median(starts.iter().map(|one| bytes(value(one))).collect());
        let resident = of(|started| started.memory.resident);
        let peak = of(|started| started.memory.peak);
        let note = format!(
            "{:.1} MiB of it heap and stacks; {:.1} MiB proportional",
            of(|started| started.memory.anonymous) / 1024.0 / 1024.0,
            of(|started| started.memory.proportional) / 1024.0 / 1024.0
        );
        self.rows.push(Row::of(Measure::Resident, objects, resident).note(note));
        self.rows.push(Row::of(Measure::Peak, objects, peak).ratio(peak / resident));
        self.rows.push(Row::of(Measure::Scraped, objects, of(|started| started.scraped.resident)));
    }

    /// One edit after the other, each when the one before is done. The objects are spread over the fleet.
    fn edits(&mut self) -> Result<()> {
        let (edits, objects) = (self.settings.edits, self.objects());
        self.say(&format!("{edits} edits"));
        let chosen: Vec<usize> = (0..edits).map(|edit| edit * objects / edits % objects).collect();
        let before = self.stage.simulator.calls()?.len();
        let sent = Floor::new(&self.stage)?.edits(&self.stage.admin, &chosen)?;
        let bare = latencies(&self.stage.simulator.calls_of(UPDATE)?, &sent)?;
        self.stage.start_settled(objects, &NO_LOOKS)?;
        let mut sent = Vec::new();
        for (edit, index) in chosen.iter().enumerate() {
            let (namespace, object, name) =
                (self.stage.fleet.namespace(*index), fleet::object(*index), format!("edit-{edit}"));
            let one = (object.clone(), name.clone());
            let (client, version) = (self.stage.admin.clone(), self.stage.admin.now()?);
            let limit = Duration::from_mins(2);
            let watched = thread::spawn(move || {
                client
                    .watch_until(&version, limit, |seen| seen.metadata.name == one.0.as_str() && seen.is_ready(&one.1))
            });
            sent.push((name.clone(), Timestamp::now()));
            self.stage.admin.edit(namespace, &object, &rename(&name))?;
            let watched = watched.join().map_err(|_| anyhow::anyhow!("the thread that watches panicked"))?;
            watched.with_context(|| format!("waiting until {namespace}/{object} is served as {name}"))?;
        }
        self.stage.stop_operator()?;
        let took = latencies(&self.stage.simulator.calls_of(UPDATE)?, &sent)?;
        let calls = self.stage.simulator.calls()?.len() - before;
        for (measure, rank) in [(Measure::EditMedian, 0.5), (Measure::EditTail, 0.99)] {
            let row = Row::against(measure, objects, &[(quantile(&took, rank), quantile(&bare, rank))]);
            self.rows.push(row.note(format!("{edits} edits; {calls} calls to AWS in all, the floor's among them")));
        }
        Ok(())
    }

    /// An interval of the operator's, in which each object is looked at once.
    fn steady(&mut self) -> Result<()> {
        let (objects, interval) = (self.objects(), self.settings.interval);
        let written = format!("{}s", interval.as_secs());
        self.stage.start_settled(objects, &["--default-interval", &written])?;
        self.say(&format!("an interval of {written} in which nothing happens"));
        let (since, begin, used) = (Timestamp::now(), Instant::now(), self.stage.operator()?.processor()?);
        self.stage.simulator.forget_calls()?;
        thread::sleep(interval);
        let (used, took) = (self.stage.operator()?.processor()?.saturating_sub(used), begin.elapsed());
        let memory = self.stage.operator()?.memory()?;
        let calls = self.stage.simulator.calls()?;
        let requests = Requests::of(&self.stage.requests_since(since)?);
        self.stage.stop_operator()?;
        let by_operation = by_operation(&calls);
        let lists = by_operation.get(LIST).copied().unwrap_or_default();
        let others: usize = calls.iter().filter(|call| call.operation != LIST && !is_hourly(call)).count();
        let told: Vec<String> = by_operation.iter().map(|(operation, count)| format!("{count} {operation}")).collect();
        self.rows.push(Row::of(Measure::ListPages, objects, count(lists)).note(told.join(", ")));
        self.rows.push(Row::of(Measure::OtherCalls, objects, count(others)));
        self.rows.push(Row::of(Measure::Writes, objects, count(requests.writes())).note(requests.to_string()));
        let percent = used.as_secs_f64() / took.as_secs_f64() * 100.0;
        let note = format!("{:.2} s of an interval of {written}", used.as_secs_f64());
        self.rows.push(Row::of(Measure::Processor, objects, percent).note(note));
        self.rows.push(Row::of(Measure::ResidentLater, objects, bytes(memory.resident)));
        Ok(())
    }

    fn throttle(&mut self) -> Result<()> {
        let objects = self.objects();
        let crowd = CROWDED.min(objects.saturating_sub(1));
        if crowd == 0 {
            bail!("throttle takes 2 objects or more");
        }
        self.say(&format!("AWS throttles, {crowd} changes in one namespace and 1 in another"));
        self.stage.start_settled(objects, &NO_LOOKS)?;
        self.stage.simulator.forget_calls()?;
        self.stage.simulator.throttle(UPDATE, Some(THROTTLE))?;
        let (begin, admin) = (Instant::now(), &self.stage.admin);
        in_parallel(self.stage.concurrency, crowd, |index| {
            admin.edit(CROWD, &fleet::object(index), &rename(&format!("crowd-{index}")))
        })?;
        thread::sleep(HEAD_START);
        let sent = Timestamp::now();
        admin.edit(SINGLE, &fleet::object(objects - 1), &rename("single"))?;
        let simulator = &self.stage.simulator;
        let served = wait_until(SERVED_WITHIN, "the one change is accepted", || {
            latencies(&simulator.calls_of(UPDATE)?, &[("single".to_owned(), sent)])
        });
        let outcome = if served.is_err() { ", and the one was not accepted until then" } else { "" };
        let served = served.ok().and_then(|served| served.first().copied()).unwrap_or(SERVED_WITHIN);
        thread::sleep(THROTTLED_FOR.saturating_sub(begin.elapsed()));
        let calls = simulator.calls_of(UPDATE)?;
        let seconds = begin.elapsed().as_secs_f64();
        simulator.throttle(UPDATE, None)?;
        self.stage.stop_operator()?;
        let throttled = calls.iter().filter(|call| call.error == "ThrottlingException").count();
        self.rows.push(
            Row::of(Measure::SingleServed, objects, served.as_secs_f64()).note(format!("{crowd} were due{outcome}")),
        );
        let accepted = calls.iter().filter(|call| call.succeeded()).count();
        let note = format!("in {seconds:.0} s {} calls, {accepted} accepted, {throttled} throttled", calls.len());
        let row = Row::of(Measure::ThrottledShare, objects, share(throttled, calls.len()) * 100.0);
        self.rows.push(row.note(note));
        Ok(())
    }

    fn rounds(&self) -> usize {
        if self.objects() > SEVERAL_UP_TO { 1 } else { ROUNDS }
    }
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

fn is_hourly(call: &Call) -> bool {
    HOURLY.contains(&call.operation.as_str())
}

fn by_operation(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.as_str()).or_default() += 1;
    }
    counts
}

/// Requests to the API server, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Requests {
    statuses: usize,
    events: usize,
    /// Of the Lease.
    lease: usize,
    other_writes: usize,
    /// LIST and WATCH, and the one look at a namespace that tells which cluster this is.
    starting: usize,
    other_reads: usize,
}

impl Requests {
    fn of(requests: &[AuditEvent]) -> Self {
        let mut counts = Self::default();
        for request in requests {
            let is_read = matches!(request.verb.as_str(), "get" | "list" | "watch");
            let count = match (request.resource.as_str(), request.subresource.as_str()) {
                ("leases", _) => &mut counts.lease,
                ("provisionedthroughputs" | "namespaces", _) if is_read => &mut counts.starting,
                (_, _) if is_read => &mut counts.other_reads,
                ("provisionedthroughputs", "status") => &mut counts.statuses,
                ("events", _) => &mut counts.events,
                (_, _) => &mut counts.other_writes,
            };
            *count += 1;
        }
        counts
    }

    fn writes(self) -> usize {
        self.statuses + self.events + self.other_writes
    }

    /// Those that are made for each object.
    fn for_objects(self) -> usize {
        self.writes() + self.other_reads
    }
}

impl std::fmt::Display for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { statuses, events, lease, other_writes, starting, other_reads } = self;
        write!(
            f,
            "{statuses} status writes, {events} events, {other_writes} other writes, {other_reads} other reads; apart from that {lease} for \
             the Lease and {starting} of LIST, WATCH and the cluster's id"
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "numbers of calls and objects")]
fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "the memory of a process")]
fn bytes(number: u64) -> f64 {
    number as f64
}

/// How many of `part` fall on each of `whole`; zero of none.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { count(part) / count(whole) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(name: &str, time: &str) -> Call {
        let request = json!({"desiredProvisionedModelName": name});
        Call { arrived: time.to_owned(), operation: UPDATE.to_owned(), request, status: 200, error: String::new() }
    }

    fn request(verb: &str, resource: &str, subresource: &str) -> AuditEvent {
        AuditEvent {
            user: "operator".to_owned(),
            verb: verb.to_owned(),
            group: String::new(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: String::new(),
            name: String::new(),
            uri: String::new(),
            code: 200,
            received: String::new(),
        }
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
    fn requests_are_told_apart() {
        let counts = Requests::of(&[
            request("list", "provisionedthroughputs", ""),
            request("watch", "provisionedthroughputs", ""),
            request("get", "namespaces", ""),
            request("patch", "provisionedthroughputs", "status"),
            request("create", "events", ""),
            request("patch", "provisionedthroughputs", ""),
            request("get", "configmaps", ""),
            request("get", "leases", ""),
            request("update", "leases", ""),
        ]);
        let expected = Requests { statuses: 1, events: 1, lease: 2, other_writes: 1, starting: 3, other_reads: 1 };
        assert_eq!(counts, expected);
        assert_eq!((counts.writes(), counts.for_objects()), (3, 4));
    }
}
