//! How many calls AWS is sent: for each region, and for calls that look and calls that change something apart. Pure.
//!
//! What AWS lets through is not published, and differs from account to account. So a lane is open at first, with few calls at the same time;
//! once AWS refuses one because there were too many, calls are paced. The pace is cut at each refusal, and grows again slowly near the rate
//! at which that was and faster far from it, as TCP CUBIC does (RFC 9438): most calls then meet no refusal, and the end of a shortage is
//! noticed soon. What is left is shared among the namespaces in turns, so that one with many changes does not keep another waiting.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use jiff::Timestamp;

use crate::{identifiers::Region, schedule::plus};

mod pace;

use pace::Pace;

/// What calls do. AWS counts them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// They look.
    Read,
    /// They change something.
    Change,
}

impl Kind {
    /// The kind as it stands in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
        }
    }
}

/// The most calls a second in a region, of each kind; where there is none, it is as many as AWS takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of calls that look.
    pub read: Option<f64>,
    /// Of calls that change something.
    pub change: Option<f64>,
}

impl Limits {
    fn of(self, kind: Kind) -> Option<f64> {
        match kind {
            Kind::Read => self.read,
            Kind::Change => self.change,
        }
    }
}

/// How a call ended, as far as the budget is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// AWS took it, or refused it for another reason.
    Taken,
    /// AWS refused it because there were too many, and may have said for how long.
    Throttled(Option<Duration>),
    /// No answer came: it says nothing about what AWS lets through.
    Unanswered,
}

/// What one who wants to make a call is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// It is its turn.
    Go,
    /// It is called when its turn comes.
    Wait(Place),
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// How many come before.
    pub ahead: usize,
    /// About how long that takes.
    pub about: Duration,
    /// About how many calls a second are made.
    pub rate: f64,
    /// Calls are paced, because AWS refused some or a limit is set. Else the queue moves as fast as AWS answers.
    pub is_paced: bool,
}

/// How the budget of one kind of call stands in a region.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The region.
    pub region: Region,
    /// The kind.
    pub kind: Kind,
    /// The calls a second that it is paced to, if it is.
    pub rate: Option<f64>,
    /// How many wait for a turn.
    pub waiting: usize,
}

/// How long one has time to begin with what its turn came for: to look, if need be with calls that are paced themselves.
const TURN: Duration = Duration::from_mins(1);

/// How many may have a turn to look at the same time while looks are paced: each may take several calls.
const READERS: usize = 4;

/// The calls and who waits for them, of each region and kind. `W` is one who waits; it has to be the same from one question to the next.
#[derive(Debug)]
pub struct Budget<W> {
    limits: Limits,
    lanes: HashMap<(Region, Kind), Lane<W>>,
}

/// Calls of one kind in a region.
#[derive(Debug)]
struct Lane<W> {
    kind: Kind,
    pace: Pace,
    /// Calls that are out.
    out: usize,
    /// Those whose turn it is. Those that have not begun with it have time until then.
    turns: HashMap<W, Option<Timestamp>>,
    /// Who waits, by namespace. The namespaces take turns.
    queues: VecDeque<Queue<W>>,
    /// Where in its queue each is. One that is not here any more is passed over when its turn comes.
    places: HashMap<W, u64>,
}

#[derive(Debug)]
struct Queue<W> {
    namespace: String,
    /// The place of the first.
    first: u64,
    waiting: VecDeque<W>,
}

impl<W: Clone + Eq + Hash> Budget<W> {
    /// Nothing has been sent yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, lanes: HashMap::new() }
    }

    /// Asks for a turn. Who is told to wait is called by [`Budget::next_turns`]; asking again is no harm. Who has a turn gives it back by
    /// [`Budget::done`].
    pub fn ask(&mut self, region: &Region, kind: Kind, namespace: &str, who: &W, now: Timestamp) -> Answer {
        // Who has the turn to change something looks first: it would else lose the one turn while it waits for the other.
        let is_to_change = match kind {
            Kind::Read => {
                self.lanes.get(&(region.clone(), Kind::Change)).is_some_and(|lane| lane.turns.contains_key(who))
            }
            Kind::Change => false,
        };
        if is_to_change {
            return Answer::Go;
        }
        self.lane(region, kind, now).ask(namespace, who, now)
    }

    /// The turn is over, or no longer wanted.
    pub fn done(&mut self, region: &Region, kind: Kind, who: &W) {
        if let Some(lane) = self.lanes.get_mut(&(region.clone(), kind)) {
            lane.turns.remove(who);
            lane.places.remove(who);
        }
    }

    /// Somebody wants no call any more.
    pub fn forget(&mut self, who: &W) {
        for lane in self.lanes.values_mut() {
            // A turn that is under way is given back by who has it.
            if lane.turns.get(who).is_some_and(Option::is_some) {
                lane.turns.remove(who);
            }
            lane.places.remove(who);
        }
    }

    /// Those whose turn it is from now on, and how long until there may be others, if that is a matter of time.
    pub fn next_turns(&mut self, now: Timestamp) -> (Vec<W>, Option<Duration>) {
        let (mut next, mut pause) = (Vec::new(), None::<Duration>);
        for lane in self.lanes.values_mut() {
            next.extend(lane.next_turns(now));
            pause = pause.into_iter().chain(lane.pause(now)).min();
        }
        (next, pause)
    }

    /// A call is about to be sent. With `at_once` it does not wait, and others wait for it the longer.
    ///
    /// # Errors
    /// It has to wait; for how long at least.
    pub fn send(&mut self, region: &Region, kind: Kind, at_once: bool, now: Timestamp) -> Result<(), Duration> {
        let lane = self.lane(region, kind, now);
        let out = lane.out;
        match lane.pace.send(out, now) {
            Err(pause) if !at_once => Err(pause),
            Err(_) => {
                lane.pace.overdraw(now);
                lane.out += 1;
                Ok(())
            }
            Ok(()) => {
                lane.out += 1;
                Ok(())
            }
        }
    }

    /// A call that was sent at `sent_at` has ended.
    pub fn ended(&mut self, region: &Region, kind: Kind, how: Ended, sent_at: Timestamp, now: Timestamp) {
        let lane = self.lane(region, kind, now);
        lane.out = lane.out.saturating_sub(1);
        match how {
            Ended::Taken => lane.pace.taken(now),
            Ended::Throttled(retry_after) => lane.pace.throttled(sent_at, retry_after, now),
            Ended::Unanswered => {}
        }
    }

    /// How each part of the budget stands that has been used.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.lanes.iter().map(|((region, kind), lane)| Level {
            region: region.clone(),
            kind: *kind,
            rate: lane.pace.rate(),
            waiting: lane.places.len(),
        })
    }

    fn lane(&mut self, region: &Region, kind: Kind, now: Timestamp) -> &mut Lane<W> {
        let limit = self.limits.of(kind);
        self.lanes.entry((region.clone(), kind)).or_insert_with(|| Lane {
            kind,
            pace: Pace::new(limit, now),
            out: 0,
            turns: HashMap::new(),
            queues: VecDeque::new(),
            places: HashMap::new(),
        })
    }
}

impl<W: Clone + Eq + Hash> Lane<W> {
    fn ask(&mut self, namespace: &str, who: &W, now: Timestamp) -> Answer {
        let is_paced = self.pace.rate().is_some();
        if self.kind == Kind::Read && !is_paced {
            // Looks wait for each other call by call.
            return Answer::Go;
        }
        self.expire(now);
        let has_turn = self.turns.contains_key(who);
        if has_turn || (self.places.is_empty() && self.is_free(now)) {
            self.turns.insert(who.clone(), None);
            return Answer::Go;
        }
        let place = match self.places.get(who) {
            Some(place) => *place,
            None => self.enqueue(namespace, who),
        };
        let ahead = self.ahead(namespace, place);
        let calls = u32::try_from(ahead).map_or(f64::MAX, f64::from);
        let rate = self.pace.throughput(now);
        let about = Duration::try_from_secs_f64(calls / rate).unwrap_or(Duration::MAX);
        let about = about.saturating_add(self.pace.pause(self.reserved(), now));
        Answer::Wait(Place { ahead, about, rate, is_paced })
    }

    /// Turns whose calls are not out yet.
    fn reserved(&self) -> usize {
        self.turns.len().saturating_sub(self.out)
    }

    /// Whether somebody can be given a turn.
    fn is_free(&mut self, now: Timestamp) -> bool {
        let (reserved, turns) = (self.reserved(), self.turns.len());
        match self.kind {
            Kind::Read => turns < READERS && self.pace.has(0, now),
            Kind::Change => self.pace.admits(turns) && self.pace.has(reserved, now),
        }
    }

    fn enqueue(&mut self, namespace: &str, who: &W) -> u64 {
        let at = match self.queues.iter().position(|queue| queue.namespace == namespace) {
            Some(at) => at,
            None => {
                self.queues.push_back(Queue { namespace: namespace.to_owned(), first: 0, waiting: VecDeque::new() });
                self.queues.len() - 1
            }
        };
        let Some(queue) = self.queues.get_mut(at) else { return 0 };
        let place = queue.first.saturating_add(u64::try_from(queue.waiting.len()).unwrap_or(u64::MAX));
        queue.waiting.push_back(who.clone());
        self.places.insert(who.clone(), place);
        place
    }

    /// How many come before a place: with each of its namespace before it, one of every other namespace.
    fn ahead(&self, namespace: &str, place: u64) -> usize {
        let own = self.queues.iter().position(|queue| queue.namespace == namespace).unwrap_or_default();
        let first = self.queues.get(own).map_or(0, |queue| queue.first);
        let before = usize::try_from(place.saturating_sub(first)).unwrap_or(usize::MAX);
        let of = |(index, queue): (usize, &Queue<W>)| {
            if index == own { before } else { queue.waiting.len().min(before + usize::from(index < own)) }
        };
        self.queues.iter().enumerate().map(of).sum()
    }

    fn next(&mut self) -> Option<W> {
        while let Some(mut queue) = self.queues.pop_front() {
            let mut found = None;
            while let Some(who) = queue.waiting.pop_front() {
                let place = queue.first;
                queue.first += 1;
                if self.places.get(&who) == Some(&place) {
                    self.places.remove(&who);
                    found = Some(who);
                    break;
                }
            }
            if !queue.waiting.is_empty() {
                self.queues.push_back(queue);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn next_turns(&mut self, now: Timestamp) -> Vec<W> {
        self.expire(now);
        let mut next = Vec::new();
        while !self.places.is_empty() && self.is_free(now) {
            let Some(who) = self.next() else { break };
            self.turns.insert(who.clone(), Some(plus(now, TURN)));
            next.push(who);
        }
        next
    }

    /// How long until somebody who waits may be given a turn.
    fn pause(&mut self, now: Timestamp) -> Option<Duration> {
        if self.places.is_empty() {
            return None;
        }
        let expiry = self.turns.values().flatten().min();
        let expiry = expiry.map(|until| Duration::try_from(until.duration_since(now)).unwrap_or_default());
        let paced = self.pace.rate().map(|_| self.pace.pause(self.reserved(), now));
        expiry.into_iter().chain(paced).min()
    }

    fn expire(&mut self, now: Timestamp) {
        self.turns.retain(|_, until| until.is_none_or(|until| until > now));
    }
}

/// The seconds from one time to another.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests;
