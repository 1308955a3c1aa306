//! The states, what can happen in each of them, and what must hold.

use std::collections::BTreeSet;

use bedrock_simulator::{
    ProvisionedModel, World,
    request::{
        CreateProvisionedModelThroughput, DeleteProvisionedModelThroughput, ProvisionedModelStatus,
        UpdateProvisionedModelThroughput,
    },
};
use bedrock_throughput_operator::{
    calls::Call,
    conditions::{Class, ConditionType, Reason, find, is_true},
    crd::{
        APPROVE, Approval, DeletionPolicy, PlanAction, ProvisionedThroughput, ProvisionedThroughputStatus,
        RECONCILE_REQUESTED_AT,
    },
    owner,
};
use jiff::{SignedDuration, Timestamp};
use stateright::{Model, Property};

use crate::{
    aws::CALLER,
    kubernetes::{self, Cluster, Stored},
    operator::{Delivery, Flags, Memo, Process, Stage, Step},
    shared::{Digest, Memory, Shared, digest_of},
};

/// What passes with each tick: as long as a creation takes, an update, and the lag of reads.
pub const TICK: SignedDuration = SignedDuration::from_secs(10);

/// Longer than the shortest commitment.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How many ticks without any fault an object has to come to rest.
const FAIR_ROUNDS: usize = 8;

/// The most steps between two ticks of a process that nobody disturbs.
const FAIR_STEPS: usize = 24;

impl Digest for World {
    fn digest(&self) -> u64 {
        digest_of(self)
    }
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Sets `provisionedModelName`.
    Rename(&'static str),
    /// Sets `modelId`.
    Remodel(&'static str),
    /// Sets `deletionPolicy`.
    Keep(DeletionPolicy),
    /// Sets the annotation `approve` to the hash that is shown.
    Approve,
    /// Sets the annotation `reconcile-requested-at`, when the status tells that nothing goes on without a person.
    Ask,
    /// The same at any time.
    AskEarly,
    /// Deletes the object.
    Delete,
    /// Deletes the throughput of the object at AWS.
    DeleteAtAws,
    /// Renames the throughput of the object at AWS.
    RenameAtAws(&'static str),
    /// Buys a throughput of this name at AWS, past the operator.
    BuyAtAws(&'static str),
    /// Waits for longer than the shortest commitment.
    WaitAMonth,
}

/// What may go wrong, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub ticks: u8,
    pub crashes: u8,
    /// Calls that fail.
    pub faults: u8,
}

/// What happened, for the properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// Throughputs that the operator bought.
    pub bought: u8,
    /// How many it was asked for.
    pub asked_for: u8,
    /// Calls that changed something.
    pub changes: u8,
    /// Approvals given.
    pub approvals: u8,
    /// Updates that changed something.
    pub updates: u8,
    /// How many an edit or a change at AWS made necessary.
    pub edits: u8,
    /// Purchases tried, where each is to have a token of its own.
    pub attempts: u8,
    /// The object went after it had waited for its throughput to be deleted.
    pub deleted: bool,
    /// A rule that was broken.
    pub wrong: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now: Timestamp,
    pub world: Shared<World>,
    pub cluster: Cluster,
    pub processes: Vec<Process>,
    /// The moves that were made, a bit for each.
    pub moved: u16,
    pub left: Budget,
    pub ghost: Ghost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Time passes.
    Tick,
    /// The watch of a process catches up.
    Sync(usize),
    /// The next step of a process.
    Step(usize),
    /// The same, and AWS throttles the look.
    Blind(usize),
    /// The call is sent, and this comes of it.
    Send(usize, Delivery),
    /// A process ends without notice, and another begins in its place.
    Crash(usize),
    /// A person makes a move.
    Person(Move),
}

/// A question to all states.
pub type Question = fn(&Life, &State) -> bool;

/// The life of one object.
pub struct Life {
    pub start: State,
    pub flags: Flags,
    pub moves: Vec<Move>,
    /// What has to be reachable.
    pub goals: Vec<(&'static str, Question)>,
    /// Whether one process alone works, so that nothing is sent late.
    pub is_alone: bool,
    /// Whether each state out of time is followed to where it rests.
    pub follows_ends: bool,
    memo: Memo,
    settled: Memory<(Shared<World>, Timestamp), Shared<World>>,
    rests: Memory<State, bool>,
}

impl Life {
    pub fn new(start: State, flags: Flags, moves: Vec<Move>, goals: Vec<(&'static str, Question)>) -> Self {
        let is_alone = start.processes.len() == 1;
        Self {
            start,
            flags,
            moves,
            goals,
            is_alone,
            follows_ends: true,
            memo: Memo::default(),
            settled: Memory::default(),
            rests: Memory::default(),
        }
    }

    /// What comes of a state where nothing goes wrong any more, the processes work in turn, and nobody does anything.
    pub fn undisturbed(&self, mut state: State) -> State {
        for _ in 0..FAIR_ROUNDS {
            for process in 0..state.processes.len() {
                for _ in 0..FAIR_STEPS {
                    let before = state.clone();
                    if state.processes[process].is_idle() {
                        state = self.next_state(&state, Action::Sync(process)).unwrap_or(state);
                    }
                    while let Some(next) = self.next_state(&state, Action::Step(process)) {
                        state = next;
                        if state.processes[process].is_idle() {
                            break;
                        }
                    }
                    if state == before {
                        break;
                    }
                }
            }
            state.left.ticks = 1;
            state = self.next_state(&state, Action::Tick).unwrap();
        }
        state
    }

    /// Whether the object comes to rest from a state that is out of time.
    fn comes_to_rest(&self, state: &State) -> bool {
        if !self.follows_ends || state.left.ticks > 0 || state.processes.iter().any(|process| !process.is_idle()) {
            return true;
        }
        let key = State { moved: 0, left: Budget::default(), ghost: Ghost::default(), ..state.clone() };
        self.rests.recall(key, |key| is_at_rest(&self.undisturbed(key.clone())))
    }

    fn settled(&self, world: &Shared<World>, now: Timestamp) -> Shared<World> {
        self.settled.recall((world.clone(), now), |(world, now)| {
            let mut world = (**world).clone();
            world.settle(*now);
            Shared::new(world)
        })
    }

    fn step(&self, state: &mut State, index: usize, sees: bool) {
        let State { now, world, cluster, processes, ghost, .. } = state;
        let process = &mut processes[index];
        let reached = process.stage.clone();
        let before = cluster.clone();
        let mut step = Step { flags: &self.flags, memo: &self.memo, now: *now, cluster, process };
        match &reached {
            Stage::Idle => step.begin(Some(&*world).filter(|_| sees)),
            Stage::Looked(observed) => {
                step.decide(observed, ghost.attempts);
                let Step { cluster, process, .. } = step;
                if let Stage::Announced(announced) = &process.stage {
                    let call = &announced.change.call;
                    let stored = cluster.as_ref();
                    let shown = before.as_ref().map(|stored| &*stored.status);
                    let wrong = stored.and_then(|stored| is_wrong(stored, call, shown));
                    ghost.wrong = wrong.or(ghost.wrong).or_else(|| {
                        let failed = own(world).len() > sound(world);
                        let is_told = shown.and_then(headline).is_some_and(|reason| reason.class() != Class::Waiting);
                        let plan = shown.and_then(|status| status.plan.as_ref());
                        // The call that was let through then, sent again.
                        let is_told = is_told || plan.is_some_and(|plan| plan.request == call.request());
                        (matches!(call, Call::Create(_)) && failed && !is_told)
                            .then_some("buys again before anybody was told that the first has failed")
                    });
                    if matches!(call, Call::Create(_)) && !self.flags.mistakes.is_empty() {
                        ghost.attempts += 1;
                    }
                }
            }
            Stage::Announced(_) => unreachable!("what is announced is sent"),
            Stage::Answered(answered) => step.finish(answered),
        }
        if state.cluster.is_none() && before.is_some_and(|before| deletes(&before)) {
            state.ghost.deleted = true;
        }
    }

    fn send(&self, state: &mut State, index: usize, delivery: Delivery) {
        let Stage::Announced(announced) = state.processes[index].stage.clone() else { return };
        let State { now, world, cluster, processes, ghost, .. } = state;
        let (before, count) = (world.clone(), world.throughputs(&CALLER).count());
        let process = &mut processes[index];
        let mut step = Step { flags: &self.flags, memo: &self.memo, now: *now, cluster, process };
        *world = step.send(&announced, world, delivery);
        if before == *world {
            return;
        }
        ghost.changes += 1;
        match &announced.change.call {
            Call::Create(_) if world.throughputs(&CALLER).count() > count => ghost.bought += 1,
            Call::Update(_) => ghost.updates += 1,
            Call::Create(_) | Call::Tag(_) | Call::Delete => {}
        }
    }

    fn person(&self, state: &mut State, what: Move) -> bool {
        let State { now, world, cluster, moved, ghost, .. } = state;
        let Some(place) =
            self.moves.iter().enumerate().position(|(place, other)| *other == what && *moved & (1 << place) == 0)
        else {
            return false;
        };
        *moved |= 1 << place;
        let own = own(world).first().map(|own| (own.arn.clone(), own.status));
        match what {
            Move::Rename(_)
            | Move::Remodel(_)
            | Move::Keep(_)
            | Move::Approve
            | Move::Ask
            | Move::AskEarly
            | Move::Delete
                if cluster.is_none() =>
            {
                return false;
            }
            Move::Rename(name) => {
                ghost.edits += 1;
                kubernetes::edit(cluster, |object| object.spec.provisioned_model_name = Some(name.to_owned()));
            }
            Move::Remodel(model) => {
                ghost.edits += 1;
                kubernetes::edit(cluster, |object| object.spec.model_id = Some(model.to_owned()));
            }
            Move::Keep(policy) => kubernetes::edit(cluster, |object| object.spec.deletion_policy = policy),
            Move::Approve => {
                let plan = cluster.as_ref().and_then(|stored| stored.status.plan.clone());
                let Some((hash, action)) = plan.and_then(|plan| Some((plan.hash?, plan.action))) else { return false };
                if annotation(cluster, APPROVE).as_ref() == Some(&hash) {
                    return false;
                }
                ghost.approvals += 1;
                if action == PlanAction::Create {
                    ghost.asked_for += 1;
                }
                annotate(cluster, APPROVE, hash);
            }
            Move::Ask | Move::AskEarly => {
                let told_of = cluster.as_ref().and_then(|stored| headline(&stored.status));
                if what == Move::Ask && told_of.is_none_or(|reason| reason.class() != Class::Stalled) {
                    return false;
                }
                let status = own.as_ref().map(|(_, status)| *status);
                if what == Move::AskEarly || matches!(told_of, Some(Reason::CreateFailed | Reason::NotFound)) {
                    ghost.asked_for += 1;
                }
                if status == Some(ProvisionedModelStatus::Failed) || told_of == Some(Reason::UpdateFailed) {
                    ghost.edits += 1;
                }
                annotate(cluster, RECONCILE_REQUESTED_AT, place.to_string());
            }
            Move::Delete => kubernetes::delete(cluster, *now),
            Move::DeleteAtAws => {
                let Some((arn, _)) = own else { return false };
                return by_hand(world, *now, DeleteProvisionedModelThroughput { provisioned_model_id: arn });
            }
            Move::RenameAtAws(name) => {
                let Some((arn, _)) = own else { return false };
                ghost.edits += 1;
                let update = UpdateProvisionedModelThroughput {
                    provisioned_model_id: arn,
                    desired_provisioned_model_name: Some(name.to_owned()),
                    desired_model_id: None,
                };
                return by_hand(world, *now, update);
            }
            Move::BuyAtAws(name) => {
                let create = CreateProvisionedModelThroughput {
                    client_request_token: None,
                    model_units: 1,
                    provisioned_model_name: name.to_owned(),
                    model_id: crate::scenario::MODEL_A.to_owned(),
                    commitment_duration: None,
                    tags: Vec::new(),
                };
                return by_hand(world, *now, create);
            }
            Move::WaitAMonth => {
                *now += MONTH;
                *world = self.settled(world, *now);
            }
        }
        true
    }
}

fn by_hand(world: &mut Shared<World>, now: Timestamp, request: impl Into<bedrock_simulator::Request>) -> bool {
    let mut changed = (**world).clone();
    let is_done = changed.call(&CALLER, &request.into(), now).is_ok();
    *world = Shared::new(changed);
    is_done
}

fn annotation(cluster: &Cluster, key: &str) -> Option<String> {
    cluster.as_ref()?.manifest.metadata.annotations.as_ref()?.get(key).cloned()
}

fn annotate(cluster: &mut Cluster, key: &str, value: String) {
    kubernetes::edit(cluster, |object| {
        object.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value);
    });
}

fn deletes(stored: &Stored) -> bool {
    stored.manifest.spec.deletion_policy == DeletionPolicy::Delete
}

/// The rule that a call breaks which is written down as sent now, if it breaks one. `shown` is the status before.
fn is_wrong(stored: &Stored, call: &Call, shown: Option<&ProvisionedThroughputStatus>) -> Option<&'static str> {
    match (call, stored.is_going()) {
        (Call::Delete, false) => return Some("deletes the throughput of an object that is not being deleted"),
        (Call::Delete, true) if !deletes(stored) => return Some("deletes a throughput that is to be retained"),
        (Call::Delete, true) => {}
        (Call::Create(_) | Call::Update(_) | Call::Tag(_), true) => {
            return Some("changes a throughput for an object that is being deleted");
        }
        (Call::Create(_) | Call::Update(_) | Call::Tag(_), false) => {}
    }
    let approved = annotation(&Some(stored.clone()), APPROVE);
    let shown = shown.and_then(|status| status.plan.as_ref()).and_then(|plan| plan.hash.clone());
    match stored.manifest.spec.approval {
        Approval::Automatic => None,
        // While it is tried again, the status shows a fault in the place of the hash.
        Approval::Manual => (approved.is_none() || shown.is_some() && shown != approved)
            .then_some("makes a change that nobody has approved"),
    }
}

/// The throughputs that belong to the object: those whose tags name it.
pub fn own(world: &World) -> Vec<&ProvisionedModel> {
    let name = Some(crate::scenario::NAME);
    world
        .throughputs(&CALLER)
        .filter(|throughput| throughput.tags.get(owner::NAME).map(String::as_str) == name)
        .collect()
}

fn sound(world: &World) -> usize {
    own(world).into_iter().filter(|throughput| throughput.status != ProvisionedModelStatus::Failed).count()
}

/// The reason that stands for the whole.
pub fn headline(status: &ProvisionedThroughputStatus) -> Option<Reason> {
    let condition = find(&status.conditions, ConditionType::Stalled)
        .or_else(|| find(&status.conditions, ConditionType::Reconciling))
        .or_else(|| find(&status.conditions, ConditionType::Ready))?;
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == condition.reason)
}

/// Whether AWS has for the object what the manifest asks for.
fn is_as_wanted(world: &World, object: &ProvisionedThroughput, status: &ProvisionedThroughputStatus) -> bool {
    let bound = status.provisioned_model_arn.as_deref().and_then(|arn| world.throughput(arn));
    bound.is_some_and(|throughput| {
        throughput.status == ProvisionedModelStatus::InService
            && Some(&throughput.name) == object.spec.provisioned_model_name.as_ref()
            && Some(&throughput.model_arn) == object.spec.model_id.as_ref()
    })
}

/// Whether nothing is left to do but for a person or a date, and the status says so.
fn is_at_rest(state: &State) -> bool {
    let Some(Stored { manifest, status, .. }) = &state.cluster else { return true };
    if status.observed_generation != manifest.metadata.generation {
        return false;
    }
    if is_true(&status.conditions, ConditionType::Ready) {
        return is_as_wanted(&state.world, manifest, status);
    }
    headline(status).is_some_and(|reason| match reason.class() {
        Class::Stalled | Class::Held => true,
        Class::Settled | Class::Waiting | Class::Retrying => false,
    })
}

/// Whether the status says that all is as wanted.
pub fn is_ready(_: &Life, state: &State) -> bool {
    state.cluster.as_ref().is_some_and(|stored| {
        is_true(&stored.status.conditions, ConditionType::Ready)
            && stored.status.observed_generation == stored.manifest.metadata.generation
            && is_as_wanted(&state.world, &stored.manifest, &stored.status)
    })
}

/// Makes versions small again: only their order counts.
fn count_versions_anew(state: &mut State) {
    let mut versions = BTreeSet::new();
    let mut each = |visit: &mut dyn FnMut(&mut u8)| {
        let watched = state.processes.iter_mut().flat_map(|process| {
            let written = process.written.as_mut().map(|written| &mut written.version);
            process.watched.as_mut().map(|watched| &mut watched.version).into_iter().chain(written)
        });
        let stored = state.cluster.as_mut().map(|stored| &mut stored.version);
        stored.into_iter().chain(watched).for_each(visit);
    };
    each(&mut |version| {
        versions.insert(*version);
    });
    let places: Vec<u8> = versions.into_iter().collect();
    each(&mut |version| {
        *version = u8::try_from(places.iter().position(|other| other == version).unwrap()).unwrap();
    });
}

impl Model for Life {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let State { processes, left, moved, cluster, .. } = state;
        for (index, process) in processes.iter().enumerate() {
            match &process.stage {
                Stage::Idle => {
                    if process.watched != *cluster {
                        actions.push(Action::Sync(index));
                    }
                    if process.watched.is_some() {
                        actions.push(Action::Step(index));
                        if left.faults > 0 {
                            actions.push(Action::Blind(index));
                        }
                    }
                }
                Stage::Looked(_) | Stage::Answered(_) => actions.push(Action::Step(index)),
                Stage::Announced(_) => {
                    actions.push(Action::Send(index, Delivery::Answered));
                    if left.faults > 0 {
                        let faults = [Delivery::AnswerLost, Delivery::Lost, Delivery::Throttled];
                        actions.extend(faults.map(|delivery| Action::Send(index, delivery)));
                    }
                }
            }
            if left.crashes > 0 && process.remembers() {
                actions.push(Action::Crash(index));
            }
        }
        let mut offered: Vec<Move> = Vec::new();
        for (place, what) in self.moves.iter().enumerate() {
            if moved & (1 << place) == 0 && !offered.contains(what) {
                offered.push(*what);
                actions.push(Action::Person(*what));
            }
        }
        if left.ticks > 0 {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => {
                state.left.ticks = state.left.ticks.checked_sub(1)?;
                state.now += TICK;
                state.world = self.settled(&state.world, state.now);
            }
            Action::Sync(index) => state.processes[index].sync(&last.cluster),
            Action::Step(index) => match state.processes[index].stage {
                Stage::Announced(_) => self.send(&mut state, index, Delivery::Answered),
                Stage::Idle | Stage::Looked(_) | Stage::Answered(_) => self.step(&mut state, index, true),
            },
            Action::Blind(index) => {
                state.left.faults = state.left.faults.checked_sub(1)?;
                self.step(&mut state, index, false);
            }
            Action::Send(index, delivery) => {
                if delivery != Delivery::Answered {
                    state.left.faults = state.left.faults.checked_sub(1)?;
                }
                self.send(&mut state, index, delivery);
            }
            Action::Crash(index) => {
                state.left.crashes = state.left.crashes.checked_sub(1)?;
                state.processes[index] = Process::start(state.now, &state.cluster);
            }
            Action::Person(what) => {
                if !self.person(&mut state, what) {
                    return None;
                }
            }
        }
        count_versions_anew(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("never a purchase that nobody asked for", |_, state: &State| {
                state.ghost.bought <= state.ghost.asked_for
            }),
            Property::always("never two throughputs at once", |_, state: &State| sound(&state.world) <= 1),
            Property::always("no call against the manifest", |_, state: &State| state.ghost.wrong.is_none()),
            Property::always("no more changes than approvals", |_, state: &State| {
                let manual =
                    state.cluster.as_ref().is_some_and(|stored| stored.manifest.spec.approval == Approval::Manual);
                !manual || state.ghost.changes <= state.ghost.approvals
            }),
            Property::always("no update twice", |life: &Self, state: &State| {
                !life.is_alone || state.ghost.updates <= state.ghost.edits
            }),
            Property::always("nothing is left behind", |life: &Self, state: &State| {
                !life.is_alone || !state.ghost.deleted || own(&state.world).is_empty()
            }),
            Property::always("every end is at rest", |life: &Self, state: &State| life.comes_to_rest(state)),
        ];
        properties.extend(self.goals.iter().map(|(name, question)| Property::sometimes(name, *question)));
        properties
    }
}
