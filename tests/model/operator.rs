//! A process of the operator: what its driver (`reconcile.rs`) does between the pure functions, a step at a time.

use std::{sync::Arc, time::Duration};

use bedrock_simulator::World;
use bedrock_throughput_operator::{
    act::{self, Done},
    bedrock::{Fault, FaultKind, Operation},
    calls::{Call, Change},
    crd::{ProvisionedThroughput, ProvisionedThroughputStatus},
    desired::{Defaults, Desired, InvalidSpec},
    history::{Answer, History, LastCall},
    identifiers::Region,
    observe::{Demand, Sources},
    observed::Observed,
    outcome::{Export, Outcome, Verdict, outcome},
    plan::{Permits, Plan, Situation, plan, with_ownership},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    aws::{Aws, CALLER, REGION, at_once},
    kubernetes::{Cluster, Refused, Stored, set_finalizer, write_status},
    shared::{Digest, Memory, Shared, digest_of},
};

/// A mistake that is made on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Each purchase has a token of its own.
    NewToken,
    /// Nothing is looked for before a purchase.
    NoLook,
    /// What is decided is sent whatever became of the object meanwhile.
    NoPrecondition,
    /// What is decided from an old manifest is sent, because a status was written since.
    OldManifest,
    /// A look counts as showing what was sent just before.
    NoPatience,
}

/// How the process was started.
#[derive(Clone, Debug)]
pub struct Flags {
    pub defaults: Defaults,
    pub read_lag: Duration,
    pub permits: Permits,
    pub mistakes: Vec<Mistake>,
}

impl Flags {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistakes.contains(&mistake)
    }
}

/// A process, and what it remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub started_at: Timestamp,
    /// What its watch shows. `None`: no object.
    pub watched: Cluster,
    /// What it wrote last.
    pub written: Option<Written>,
    /// A call that AWS accepted and that no status tells of yet.
    pub accepted: Option<LastCall>,
    /// When its last call ended without an answer.
    pub unanswered: Option<Timestamp>,
    pub stage: Stage,
}

/// The object as it was after the last write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    pub version: u8,
    manifest: Shared<ProvisionedThroughput>,
    finalizer: bool,
    status: Shared<ProvisionedThroughputStatus>,
}

/// How far a pass has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// There is none.
    Idle,
    /// AWS was looked at.
    Looked(Shared<Observed>),
    /// It is written down that a call is sent.
    Announced(Shared<Announced>),
    /// The call was answered, and what follows from that is not written down yet.
    Answered(Shared<Answered>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Announced {
    observed: Observed,
    pub change: Change,
    sent_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    announced: Shared<Announced>,
    answer: Result<Done, Fault>,
}

macro_rules! digest_as_shown {
    ($($type:ty),+) => {
        $(impl Digest for $type {
            fn digest(&self) -> u64 {
                digest_of(format!("{self:?}"))
            }
        })+
    };
}

digest_as_shown!(Observed, Announced, Answered);

/// What comes of a call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// It is carried out and answered.
    Answered,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is lost.
    Lost,
    /// AWS refuses it for now.
    Throttled,
}

/// What a process goes by in a pass, beside what it sees: no version is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    manifest: Shared<ProvisionedThroughput>,
    status: Shared<ProvisionedThroughputStatus>,
    accepted: Option<LastCall>,
    unanswered: Option<Timestamp>,
    started_at: Timestamp,
}

/// The newest that a process knows of the object.
struct View {
    known: Known,
    version: u8,
    finalizer: bool,
    /// Whether the manifest is that of the version.
    is_seen: bool,
}

/// What a step comes to.
#[derive(Clone, Debug)]
enum Next {
    /// Nothing is done.
    Rest,
    /// The status is written.
    Tell(Shared<ProvisionedThroughputStatus>),
    /// The finalizer is put on or taken off.
    SetFinalizer(bool),
    /// AWS was looked at.
    Decide(Shared<Observed>),
    /// The status is written, and then a call is sent.
    Send(Shared<ProvisionedThroughputStatus>, Shared<Announced>),
}

/// What was worked out already: steps are pure, and many states have them in common.
#[derive(Default)]
pub struct Memo {
    begun: Memory<Begin, Next>,
    decided: Memory<(Known, Shared<Observed>, Timestamp, u8), Next>,
    finished: Memory<(Known, Shared<Answered>, Timestamp), Next>,
    sent: Memory<(Shared<Announced>, Shared<World>, Timestamp, Delivery), Sent>,
}

/// What a pass begins with: what is known, whether the finalizer is there, the world if it can be seen, and the time.
type Begin = (Known, bool, Option<Shared<World>>, Timestamp);

/// The world after a call, and the answer.
type Sent = (Shared<World>, Result<Done, Fault>);

impl Process {
    /// A process that has just started, and has listed the objects.
    pub fn start(now: Timestamp, cluster: &Cluster) -> Self {
        Self {
            started_at: now,
            watched: cluster.clone(),
            written: None,
            accepted: None,
            unanswered: None,
            stage: Stage::Idle,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Whether there is something that it would lose.
    pub fn remembers(&self) -> bool {
        !self.is_idle() || self.accepted.is_some() || self.unanswered.is_some() || self.written.is_some()
    }

    /// The watch catches up.
    pub fn sync(&mut self, cluster: &Cluster) {
        self.watched.clone_from(cluster);
        match &self.watched {
            None => (self.written, self.accepted, self.unanswered) = (None, None, None),
            Some(watched) => self.written = self.written.take().filter(|written| written.version > watched.version),
        }
    }

    fn view(&self) -> Option<View> {
        let Stored { version, manifest, finalizer, status } = self.watched.clone()?;
        let ahead = self.written.clone().filter(|written| written.version > version);
        let (is_seen, Written { version, finalizer, status, .. }) = match ahead {
            Some(written) => (written.manifest == manifest, written),
            None => (true, Written { version, manifest: manifest.clone(), finalizer, status }),
        };
        let known = Known {
            manifest,
            status,
            accepted: self.accepted.clone(),
            unanswered: self.unanswered,
            started_at: self.started_at,
        };
        Some(View { known, version, finalizer, is_seen })
    }
}

/// A step of a process.
pub struct Step<'a> {
    pub flags: &'a Flags,
    pub memo: &'a Memo,
    pub now: Timestamp,
    pub cluster: &'a mut Cluster,
    pub process: &'a mut Process,
}

impl Step<'_> {
    /// The first step of a pass, up to the look. Without a world to look at, AWS throttles the look.
    pub fn begin(&mut self, world: Option<&Shared<World>>) {
        let Some(View { known, finalizer, .. }) = self.process.view() else { return };
        let key = (known, finalizer, world.cloned(), self.now);
        let next = self
            .memo
            .begun
            .recall(key, |(known, finalizer, world, now)| known.begin(self.flags, *finalizer, world.as_ref(), *now));
        self.go(next);
    }

    /// Decides from what was seen, and writes it down.
    pub fn decide(&mut self, observed: &Shared<Observed>, attempt: u8) {
        let Some(View { known, .. }) = self.process.view() else { return };
        let key = (known, observed.clone(), self.now, attempt);
        let next = self
            .memo
            .decided
            .recall(key, |(known, observed, now, attempt)| known.decide(self.flags, observed, *now, *attempt));
        self.go(next);
    }

    /// Sends the call that was announced. Returns what the world has become.
    pub fn send(&mut self, announced: &Shared<Announced>, world: &Shared<World>, delivery: Delivery) -> Shared<World> {
        let key = (announced.clone(), world.clone(), self.now, delivery);
        let (world, answer) = self
            .memo
            .sent
            .recall(key, |(announced, world, now, delivery)| send(&announced.change, world, *now, *delivery));
        let change = &announced.change;
        self.process.stage = Stage::Idle;
        match &answer {
            Ok(Done { accepted, bought: _ }) => {
                self.process.accepted = Some(LastCall {
                    sent_at: announced.sent_at,
                    over_at: self.now,
                    generation: self.process.watched.as_ref().and_then(|object| object.manifest.metadata.generation),
                    call: change.call.clone(),
                    from: change.from.clone(),
                    cause: change.cause,
                    answer: Answer::Accepted { request_id: accepted.request_id.clone() },
                });
            }
            Err(_) => self.process.unanswered = Some(self.now),
        }
        if answer.is_err() || matches!(change.call, Call::Create(_)) {
            let answered = Answered { announced: announced.clone(), answer };
            self.process.stage = Stage::Answered(Shared::new(answered));
        }
        world
    }

    /// Writes down what came of a call.
    pub fn finish(&mut self, answered: &Shared<Answered>) {
        let Some(View { known, .. }) = self.process.view() else { return };
        let key = (known, answered.clone(), self.now);
        let next = self.memo.finished.recall(key, |(known, answered, now)| known.finish(self.flags, answered, *now));
        self.go(next);
    }

    fn go(&mut self, next: Next) {
        self.process.stage = Stage::Idle;
        match next {
            Next::Rest => {}
            Next::Decide(observed) => self.process.stage = Stage::Looked(observed),
            Next::SetFinalizer(finalizer) => {
                let Some(View { known, version, .. }) = self.process.view() else { return };
                if let Ok(Stored { version, manifest, finalizer, .. }) = set_finalizer(self.cluster, finalizer, version)
                {
                    self.process.written = Some(Written { version, manifest, finalizer, status: known.status });
                }
            }
            // An object that is gone is not told of.
            Next::Tell(status) => drop(self.write(status, false)),
            Next::Send(status, announced) => {
                if self.write(status, true).is_ok() {
                    (self.process.accepted, self.process.unanswered) = (None, None);
                    self.process.stage = Stage::Announced(announced);
                }
            }
        }
    }

    fn write(&mut self, status: Shared<ProvisionedThroughputStatus>, is_sending: bool) -> Result<(), Refused> {
        let View { known, version, is_seen, .. } = self.process.view().ok_or(Refused::Gone)?;
        if is_sending && !is_seen && !self.flags.makes(Mistake::OldManifest) {
            return Err(Refused::Conflict);
        }
        if status != known.status || is_sending {
            let only_at = Some(version).filter(|_| is_sending && !self.flags.makes(Mistake::NoPrecondition));
            let Stored { version, manifest, finalizer, .. } = write_status(self.cluster, &status, only_at)?;
            if status.plan.as_ref().is_none_or(|plan| plan.sent_at.is_none()) {
                self.process.accepted = None;
            }
            self.process.written = Some(Written { version, manifest, finalizer, status });
        }
        Ok(())
    }
}

impl Known {
    fn begin(&self, flags: &Flags, finalizer: bool, world: Option<&Shared<World>>, now: Timestamp) -> Next {
        let is_going = self.manifest.metadata.deletion_timestamp.is_some();
        if is_going && !finalizer {
            return Next::Rest;
        }
        let spec = &self.manifest.spec;
        let deletes = spec.management_policy.deletes(spec.deletion_policy);
        if deletes != finalizer && (finalizer || !is_going) {
            return Next::SetFinalizer(!finalizer);
        }
        let desired = match self.desired(flags) {
            Ok(desired) => desired,
            Err(invalid) => return self.tell(None, Verdict::Invalid(&invalid), now),
        };
        if desired.suspend {
            return self.tell(Some(&desired), Verdict::Suspended, now);
        }
        let seen = match world {
            Some(world) => self.look(flags, world, &desired, now),
            None => Err(throttled(Operation::ListProvisionedModelThroughputs)),
        };
        match seen {
            Ok(observed) => Next::Decide(Shared::new(observed)),
            Err(fault) => self.tell(Some(&desired), Verdict::Blind(&fault), now),
        }
    }

    fn decide(&self, flags: &Flags, observed: &Observed, now: Timestamp, attempt: u8) -> Next {
        let desired = self.desired(flags).unwrap();
        let history = self.history();
        let observed = with_ownership(&desired, &history, observed.clone(), false);
        let read_lag = if flags.makes(Mistake::NoPatience) { Duration::ZERO } else { flags.read_lag };
        let due = plan(&Situation {
            desired: &desired,
            observed: &observed,
            history: &history,
            read_lag,
            permits: flags.permits,
            now,
        });
        match due {
            Plan::Act(mut change) => {
                if let Call::Create(create) = &mut change.call
                    && flags.makes(Mistake::NewToken)
                {
                    create.token = format!("{attempt}-{}", create.token);
                }
                let verdict = Verdict::Sending { observed: &observed, change: &change, sent_at: now };
                let status = self.told(Some(&desired), verdict, now);
                Next::Send(status, Shared::new(Announced { observed, change, sent_at: now }))
            }
            Plan::LetGo { .. } => Next::SetFinalizer(false),
            Plan::Nothing | Plan::Wait { .. } | Plan::Settle { .. } | Plan::Refuse { .. } | Plan::Leave { .. } => {
                let export = Export::default();
                let seen = Verdict::Seen { observed: &observed, plan: &due, history: &history, export: &export };
                self.tell(Some(&desired), seen, now)
            }
        }
    }

    fn finish(&self, flags: &Flags, answered: &Answered, now: Timestamp) -> Next {
        let desired = self.desired(flags).unwrap();
        let Announced { observed, change, sent_at } = &*answered.announced;
        match &answered.answer {
            Ok(Done { accepted: _, bought }) => {
                let call = self.accepted.as_ref().unwrap();
                self.tell(Some(&desired), Verdict::Bought { observed, call, arn: bought.as_ref() }, now)
            }
            Err(fault) => {
                let verdict = Verdict::CallFailed { observed, change, fault, sent_at: *sent_at };
                self.tell(Some(&desired), verdict, now)
            }
        }
    }

    fn desired(&self, flags: &Flags) -> Result<Desired, InvalidSpec> {
        Desired::parse(&self.manifest, &self.status, &flags.defaults)
    }

    fn history(&self) -> History {
        let mut history = History::of(&self.status, self.manifest.metadata.generation);
        if let Some(accepted) = &self.accepted {
            history.last_call = Some(accepted.clone());
        } else if let Some(call) = history.last_call.as_mut().filter(|call| call.answer == Answer::Missing) {
            call.over_at = call.over_at.max(self.unanswered.unwrap_or(self.started_at));
        }
        history
    }

    /// The operator's own look. It takes the time from the clock, which stands at another time than the model's: what it compares with
    /// that is moved by the difference.
    fn look(&self, flags: &Flags, world: &World, desired: &Desired, now: Timestamp) -> Result<Observed, Fault> {
        let (mut history, clock) = (self.history(), Timestamp::now());
        if let Some(call) = &mut history.last_call {
            call.over_at = clock + call.over_at.duration_since(now);
        }
        let mut world = world.clone();
        if flags.makes(Mistake::NoLook) && desired.identity.bound.is_none() {
            let all: Vec<String> = world.throughputs(&CALLER).map(|throughput| throughput.arn.clone()).collect();
            for arn in all {
                world.remove_throughput(&arn);
            }
        }
        let sources = Sources::new(Arc::new(Aws::new(world, now)));
        let demand = Demand { not_before: Timestamp::MIN, closely: true };
        let observed = at_once(sources.observe(desired, &history, demand, flags.read_lag))?;
        Ok(Observed { looked_at: now, ..observed })
    }

    fn tell(&self, desired: Option<&Desired>, verdict: Verdict<'_>, now: Timestamp) -> Next {
        Next::Tell(self.told(desired, verdict, now))
    }

    fn told(
        &self,
        desired: Option<&Desired>,
        verdict: Verdict<'_>,
        now: Timestamp,
    ) -> Shared<ProvisionedThroughputStatus> {
        let Outcome { status, .. } = outcome(&self.status, self.manifest.metadata.generation, desired, verdict, now);
        let status = without_times(status);
        if status == *self.status { self.status.clone() } else { Shared::new(status) }
    }
}

fn send(change: &Change, world: &World, now: Timestamp, delivery: Delivery) -> Sent {
    let aws = Aws::new(world.clone(), now);
    let region = Region::parse(REGION).unwrap();
    let operation = match &change.call {
        Call::Create(_) => Operation::CreateProvisionedModelThroughput,
        Call::Update(_) => Operation::UpdateProvisionedModelThroughput,
        Call::Tag(_) => Operation::TagResource,
        Call::Delete => Operation::DeleteProvisionedModelThroughput,
    };
    let answer = match delivery {
        Delivery::Answered => at_once(act::act(&aws, &region, change)),
        Delivery::AnswerLost => at_once(act::act(&aws, &region, change)).and(Err(timeout(operation))),
        Delivery::Lost => Err(timeout(operation)),
        Delivery::Throttled => Err(throttled(operation)),
    };
    (Shared::new(aws.into_world()), answer)
}

/// A status without the times that no decision is made from.
fn without_times(mut status: ProvisionedThroughputStatus) -> ProvisionedThroughputStatus {
    let never = Time(Timestamp::UNIX_EPOCH);
    for condition in &mut status.conditions {
        condition.last_transition_time = never.clone();
    }
    if let Some(served) = status.last_update.as_mut().and_then(|update| update.served_time.as_mut()) {
        *served = never;
    }
    status
}

fn fault(operation: Operation, kind: FaultKind) -> Fault {
    Fault { kind, operation, code: None, detail: String::new(), request_id: None, retry_after: None }
}

fn timeout(operation: Operation) -> Fault {
    fault(operation, FaultKind::Timeout)
}

fn throttled(operation: Operation) -> Fault {
    fault(operation, FaultKind::Throttled)
}
