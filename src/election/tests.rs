use std::{cmp::Reverse, collections::BinaryHeap};

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn timing() -> Timing {
    Timing::new(15 * SECOND, 10 * SECOND, 2 * SECOND).unwrap()
}

fn candidate() -> Election {
    Election::new("me".to_owned(), timing())
}

fn held_by(holder: &str) -> Record {
    Record {
        holder: Some(holder.to_owned()),
        duration: 15 * SECOND,
        transitions: 3,
        acquired: Some(Timestamp::UNIX_EPOCH),
        renewed: Some(Timestamp::UNIX_EPOCH),
    }
}

/// The record of a step that writes.
fn written(step: Step) -> Record {
    match step {
        Step::Write(record) => record,
        step @ (Step::Sleep(_) | Step::Read | Step::Lose(_)) => panic!("it does not write: {step:?}"),
    }
}

/// A leader, and the moment at which its last renewal was begun.
fn leader() -> (Election, Instant) {
    let (mut election, begun) = (candidate(), Instant::now());
    assert_eq!(election.next(begun, Timestamp::UNIX_EPOCH), Step::Read);
    election.read(None, begun);
    let record = written(election.next(begun, Timestamp::UNIX_EPOCH));
    election.written(record, begun, begun + SECOND);
    (election, begun)
}

#[test]
fn durations_with_which_two_could_lead_are_refused_with_both_flags() {
    assert!(Timing::new(15 * SECOND, 10 * SECOND, 2 * SECOND).is_ok());
    let refused = |lease, renew, retry| Timing::new(lease, renew, retry).unwrap_err().to_string();
    let says = refused(10 * SECOND, 10 * SECOND, SECOND);
    assert!(says.contains("--leader-elect-renew-deadline 10s") && says.contains("lease-duration 10s"), "{says}");
    let says = refused(15 * SECOND, 10 * SECOND, 10 * SECOND);
    assert!(says.contains("--leader-elect-retry-period 10s") && says.contains("renew-deadline 10s"), "{says}");
    assert!(refused(15 * SECOND, 10 * SECOND, Duration::ZERO).contains("longer than 0s"));
    for lease in [Duration::from_millis(1500), Duration::ZERO, Duration::from_hours(25)] {
        assert!(refused(lease, SECOND / 2, SECOND / 4).contains("whole seconds"), "{lease:?}");
    }
}

#[test]
fn a_lease_that_nobody_has_is_taken_at_once() {
    let (mut election, now) = (candidate(), Instant::now());
    election.read(Some(Record { holder: None, ..held_by("other") }), now);
    let record = written(election.next(now, Timestamp::UNIX_EPOCH));
    assert_eq!((record.holder.as_deref(), record.transitions), (Some("me"), 4));
    assert_eq!(record.duration, 15 * SECOND);
}

#[test]
fn a_lease_that_is_held_is_waited_for_by_the_own_clock_and_not_by_the_times_in_it() {
    for renewed in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let (mut election, now) = (candidate(), Instant::now());
        let held = Record { renewed: Some(renewed), ..held_by("other") };
        election.read(Some(held.clone()), now);
        assert_eq!(election.next(now, Timestamp::UNIX_EPOCH), Step::Sleep(now + 2 * SECOND));
        let later = now + 14 * SECOND;
        assert_eq!(election.next(later, Timestamp::UNIX_EPOCH), Step::Read);
        election.read(Some(held.clone()), later);
        assert_eq!(
            election.next(later, Timestamp::UNIX_EPOCH),
            Step::Sleep(now + 15 * SECOND),
            "the end is not missed"
        );
        let end = now + 15 * SECOND;
        assert_eq!(election.next(end, Timestamp::UNIX_EPOCH), Step::Read, "it may have been renewed");
        election.read(Some(held), end);
        assert_eq!(written(election.next(end, Timestamp::UNIX_EPOCH)).holder.as_deref(), Some("me"));
    }
}

#[test]
fn every_renewal_of_the_holder_begins_the_wait_anew() {
    let (mut election, now) = (candidate(), Instant::now());
    election.read(Some(held_by("other")), now);
    let later = now + 14 * SECOND;
    // Its clock was set back meanwhile.
    election.read(Some(Record { renewed: Some(Timestamp::MIN), ..held_by("other") }), later);
    assert_eq!(election.next(later + 14 * SECOND, Timestamp::UNIX_EPOCH), Step::Sleep(later + 15 * SECOND));
}

#[test]
fn a_lease_that_is_deleted_under_a_holder_counts_as_held_for_its_duration() {
    let (mut election, now) = (candidate(), Instant::now());
    election.read(Some(held_by("other")), now);
    election.read(None, now + SECOND);
    assert!(matches!(election.next(now + SECOND, Timestamp::UNIX_EPOCH), Step::Sleep(_)));
    election.read(None, now + 15 * SECOND);
    written(election.next(now + 15 * SECOND, Timestamp::UNIX_EPOCH));
}

#[test]
fn a_leader_renews_once_a_retry_period_and_every_renewal_is_a_change() {
    let (mut election, begun) = leader();
    assert_eq!(election.term_ends(), Some(begun + 10 * SECOND), "from the start of the write, not from its answer");
    let due = begun + 2 * SECOND;
    assert_eq!(election.next(begun + SECOND, Timestamp::UNIX_EPOCH), Step::Sleep(due));
    let before = election.seen.clone().unwrap().0;
    let record = written(election.next(due, Timestamp::UNIX_EPOCH));
    assert_ne!(record.renewed, before.renewed, "although the clock stands still");
    assert_eq!((record.transitions, record.acquired), (before.transitions, before.acquired));
}

#[test]
fn a_leader_that_cannot_renew_ends_at_the_deadline() {
    let (mut election, begun) = leader();
    let mut now = begun + 2 * SECOND;
    let mut tries = 0;
    loop {
        assert!(election.patience(now) <= begun + 10 * SECOND - now, "no answer is waited for past the end");
        match election.next(now, Timestamp::UNIX_EPOCH) {
            Step::Sleep(until) => now = until,
            Step::Read | Step::Write(_) => {
                tries += 1;
                election.failed(now);
            }
            Step::Lose(lost) => {
                assert_eq!(lost, Lost::DeadlinePassed(10 * SECOND));
                break;
            }
        }
    }
    assert_eq!((now, tries), (begun + 10 * SECOND, 4));
}

#[test]
fn a_leader_whose_lease_was_changed_by_hand_ends_at_once() {
    for (holder, lost) in [(Some("thief"), Lost::Taken("thief".to_owned())), (None, Lost::Cleared)] {
        let (mut election, begun) = leader();
        let now = begun + 2 * SECOND;
        written(election.next(now, Timestamp::UNIX_EPOCH));
        election.refused(now);
        let soon = now + SECOND;
        assert_eq!(election.next(soon, Timestamp::UNIX_EPOCH), Step::Read);
        election.read(Some(Record { holder: holder.map(str::to_owned), ..held_by("thief") }), soon);
        assert_eq!(election.next(soon, Timestamp::UNIX_EPOCH), Step::Lose(lost));
    }
}

#[test]
fn a_write_without_an_answer_that_was_carried_out_all_the_same_is_found() {
    let (mut election, now) = (candidate(), Instant::now());
    election.read(None, now);
    let record = written(election.next(now, Timestamp::UNIX_EPOCH));
    election.failed(now);
    assert_eq!(election.term_ends(), None, "nothing is taken for granted");
    let later = now + 2 * SECOND;
    assert_eq!(election.next(later, Timestamp::UNIX_EPOCH), Step::Read);
    election.read(Some(record), later);
    let again = written(election.next(later, Timestamp::UNIX_EPOCH));
    election.written(again, later, later);
    assert_eq!(election.term_ends(), Some(later + 10 * SECOND));
}

#[test]
fn only_the_holder_releases() {
    let (election, _) = leader();
    let released = election.release(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((released.holder, released.duration), (None, SECOND));
    let mut other = candidate();
    assert_eq!(other.release(Timestamp::UNIX_EPOCH), None);
    other.read(Some(held_by("other")), Instant::now());
    assert_eq!(other.release(Timestamp::UNIX_EPOCH), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever becomes of processes, requests and clocks: never do two act at a time, and when the trouble is over one does.
    #[test]
    fn never_do_two_act_at_a_time(seed in any::<u64>()) {
        let mut world = World::new(seed);
        world.run_until(TROUBLE_ENDS);
        world.trouble = false;
        world.run_until(TROUBLE_ENDS + 60_000);
        prop_assert_eq!(world.acting(), 1, "one acts in the end");
        prop_assert!(world.terms > 3, "the lease has hardly changed hands: {}", world.terms);
    }
}

/// Milliseconds of true time. Nobody's clock shows it.
type Millis = u64;

const TROUBLE_ENDS: Millis = 600_000;
const PROCESSES: usize = 3;

/// When, in which order, in which place, in which of its lives, and what.
type Scheduled = (Millis, u64, usize, u64, Event);

/// Three processes, an API server, and everything that can go wrong between them.
struct World {
    random: Random,
    start: Instant,
    now: Millis,
    trouble: bool,
    /// The Lease with its resource version.
    lease: Option<(Record, u64)>,
    version: u64,
    processes: Vec<Process>,
    events: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    /// How often the lease went to another.
    terms: usize,
    led: Option<String>,
}

struct Process {
    election: Election,
    /// How many processes there were in this place before: requests and answers of theirs are not this one's.
    life: u64,
    /// The request that is waited for.
    request: u64,
    /// The version that was read or written last.
    version: Option<u64>,
    released: bool,
    /// The clock's speed in thousandths, and what it showed at the start.
    speed: u64,
    offset: Millis,
    /// How far its clock on the wall is off, in seconds.
    wall: i64,
    /// Nothing of it gets through before.
    cut_until: Millis,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake,
    Arrives(u64, Request),
    Answered(u64, Answer),
    TimedOut(u64),
}

/// The number of a record in a list would do; a request carries what it asks for so that it can arrive late.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    Read,
    Write(Written, Option<u64>),
    Release(Written, Option<u64>),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Written(Option<String>, u64, i32, Option<Timestamp>, Option<Timestamp>, Millis);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Found(Option<(Written, u64)>),
    Accepted(Written, u64),
    Conflict,
}

impl Written {
    fn of(record: Record, begun: Millis) -> Self {
        let Record { holder, duration, transitions, acquired, renewed } = record;
        Self(holder, duration.as_secs(), transitions, acquired, renewed, begun)
    }

    fn record(self) -> Record {
        let Self(holder, seconds, transitions, acquired, renewed, _) = self;
        Record { holder, duration: Duration::from_secs(seconds), transitions, acquired, renewed }
    }
}

/// Marsaglia's xorshift: the world has to come out the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random(seed | 1),
            start: Instant::now(),
            now: 0,
            trouble: true,
            lease: None,
            version: 0,
            processes: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            terms: 0,
            led: None,
        };
        for place in 0..PROCESSES {
            let process = world.process(place, 0);
            world.processes.push(process);
            world.schedule(place, 0, Event::Wake);
        }
        world
    }

    fn process(&mut self, place: usize, life: u64) -> Process {
        let wall = i64::try_from(self.random.below(2_000_000)).unwrap() - 1_000_000;
        Process {
            election: Election::new(format!("process-{place}-{life}"), timing()),
            life,
            request: 0,
            version: None,
            released: false,
            speed: 920 + self.random.below(161),
            offset: self.random.below(100_000_000),
            wall,
            cut_until: 0,
        }
    }

    fn schedule(&mut self, place: usize, at: Millis, event: Event) {
        self.sequence += 1;
        let life = self.processes[place].life;
        self.events.push(Reverse((at.max(self.now), self.sequence, place, life, event)));
    }

    /// What a process's monotonic clock shows.
    fn local(&self, place: usize, at: Millis) -> Instant {
        let Process { speed, offset, .. } = &self.processes[place];
        self.start + Duration::from_micros(offset * 1000 + at * speed)
    }

    fn clock(&self, place: usize) -> Timestamp {
        let seconds = i64::try_from(self.now / 1000).unwrap() + self.processes[place].wall;
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(2_000_000_000 + seconds)
    }

    /// The first moment at which a process's clock shows `at`.
    fn when(&self, place: usize, at: Instant) -> Millis {
        let Process { speed, offset, .. } = &self.processes[place];
        let micros = u64::try_from((at - self.start).as_micros()).unwrap().saturating_sub(offset * 1000);
        micros.div_ceil(*speed)
    }

    /// How many may act at this moment.
    fn acting(&self) -> usize {
        let acts = |place: &usize| {
            let process = &self.processes[*place];
            !process.released && process.election.term_ends().is_some_and(|ends| self.local(*place, self.now) < ends)
        };
        (0..PROCESSES).filter(acts).count()
    }

    fn run_until(&mut self, end: Millis) {
        while let Some(Reverse((at, ..))) = self.events.peek() {
            if *at > end {
                break;
            }
            let Reverse((at, _, place, life, event)) = self.events.pop().unwrap();
            self.now = at;
            match event {
                Event::Arrives(number, request) => self.arrives(place, life, number, request),
                _ if life != self.processes[place].life => {}
                Event::Wake => self.wake(place),
                Event::Answered(number, answer) => {
                    if self.processes[place].request == number {
                        self.processes[place].request += 1;
                        self.answered(place, answer);
                    }
                }
                Event::TimedOut(number) => {
                    if self.processes[place].request == number {
                        self.processes[place].request += 1;
                        let now = self.local(place, self.now);
                        self.processes[place].election.failed(now);
                        self.wake(place);
                    }
                }
            }
            assert!(self.acting() <= 1, "{} act at a time", self.acting());
        }
        self.now = end;
    }

    /// Does what the process does next, unless something befalls it.
    fn wake(&mut self, place: usize) {
        if self.trouble && self.random.one_in(200) {
            return self.restart(place);
        }
        if self.trouble && self.random.one_in(100) {
            // Frozen: by the scheduler, by a debugger, with its virtual machine.
            let until = self.now + self.random.below(30_000);
            return self.schedule(place, until, Event::Wake);
        }
        if self.trouble && self.random.one_in(100) {
            self.processes[place].cut_until = self.now + self.random.below(40_000);
        }
        let (now, clock) = (self.local(place, self.now), self.clock(place));
        let process = &mut self.processes[place];
        let leads = process.election.term_ends().is_some();
        if self.trouble && leads && self.random.one_in(50) {
            let process = &mut self.processes[place];
            process.released = true;
            if let Some(record) = process.election.release(clock) {
                let request = Request::Release(Written::of(record, self.now), process.version);
                self.send(place, request);
            }
            return self.restart(place);
        }
        match self.processes[place].election.next(now, clock) {
            Step::Sleep(until) => {
                let until = self.when(place, until);
                self.schedule(place, until.max(self.now + 1), Event::Wake);
            }
            Step::Read => self.send(place, Request::Read),
            Step::Write(record) => {
                let version = self.processes[place].version;
                self.send(place, Request::Write(Written::of(record, self.now), version));
            }
            Step::Lose(_) => self.restart(place),
        }
    }

    fn restart(&mut self, place: usize) {
        let life = self.processes[place].life + 1;
        self.processes[place] = self.process(place, life);
        let at = self.now + self.random.below(20_000);
        self.schedule(place, at, Event::Wake);
    }

    fn latency(&mut self, place: usize) -> Millis {
        if !self.trouble || !self.random.one_in(10) {
            return 1 + self.random.below(50);
        }
        if self.random.one_in(2) {
            // What is slow is often gone soon after.
            self.processes[place].cut_until = self.now + self.random.below(40_000);
        }
        self.random.below(6_000)
    }

    fn send(&mut self, place: usize, request: Request) {
        let patience = self.processes[place].election.patience(self.local(place, self.now));
        let gives_up = self.when(place, self.local(place, self.now) + patience);
        let number = self.processes[place].request;
        self.schedule(place, gives_up, Event::TimedOut(number));
        let is_cut = self.now < self.processes[place].cut_until;
        if self.trouble && (is_cut || self.random.one_in(30)) {
            return;
        }
        let at = self.now + self.latency(place);
        self.schedule(place, at, Event::Arrives(number, request));
    }

    /// The API server carries a request out, whether or not anybody waits for the answer.
    fn arrives(&mut self, place: usize, life: u64, number: u64, request: Request) {
        let current = self.lease.as_ref().map(|(_, version)| *version);
        let answer = match request {
            Request::Read => {
                Answer::Found(self.lease.clone().map(|(record, version)| (Written::of(record, 0), version)))
            }
            Request::Write(written, version) | Request::Release(written, version) if version == current => {
                self.version += 1;
                self.lease = Some((written.clone().record(), self.version));
                Answer::Accepted(written, self.version)
            }
            Request::Write(..) | Request::Release(..) => Answer::Conflict,
        };
        if life != self.processes[place].life || (self.trouble && self.random.one_in(30)) {
            return;
        }
        let at = self.now + self.latency(place);
        self.schedule(place, at, Event::Answered(number, answer));
    }

    fn answered(&mut self, place: usize, answer: Answer) {
        let now = self.local(place, self.now);
        let begun = match &answer {
            Answer::Accepted(written, _) => self.local(place, written.5),
            Answer::Found(_) | Answer::Conflict => now,
        };
        let process = &mut self.processes[place];
        match answer {
            Answer::Found(found) => {
                process.version = found.as_ref().map(|(_, version)| *version);
                process.election.read(found.map(|(written, _)| written.record()), now);
            }
            Answer::Accepted(written, version) => {
                process.version = Some(version);
                process.election.written(written.record(), begun, now);
                let leader = process.election.holder().map(str::to_owned);
                if self.led != leader {
                    self.led = leader;
                    self.terms += 1;
                }
            }
            Answer::Conflict => process.election.refused(now),
        }
        self.wake(place);
    }
}
