use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

/// A token bucket as AWS's are: so many calls a second, and so many at once.
struct Aws {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: f64,
}

impl Aws {
    fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, at: 0.0 }
    }

    fn takes(&mut self, at: f64) -> bool {
        self.tokens = (self.tokens + (at - self.at) * self.rate).min(self.burst);
        self.at = at;
        let takes = self.tokens >= 1.0;
        if takes {
            self.tokens -= 1.0;
        }
        takes
    }
}

/// What came of a fleet that wants to make changes.
#[derive(Debug, Default)]
struct Outcome {
    accepted: usize,
    throttled: usize,
    /// When each was accepted, in seconds.
    at: HashMap<&'static str, Vec<f64>>,
}

fn region() -> Region {
    Region::parse("us-east-1").unwrap()
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(1_000_000.0 + seconds)
}

/// Lets objects of namespaces make a change each from a time on, in steps of 5 ms; a call takes a tenth of a second.
fn run(
    limits: Limits,
    aws: impl Fn(f64) -> Option<(f64, f64)>,
    fleet: &[(&'static str, usize, f64)],
    until: f64,
) -> Outcome {
    const STEP: f64 = 0.005;
    const TAKES: f64 = 0.1;
    let (mut budget, region) = (Budget::new(limits), region());
    let (mut outcome, mut bucket) = (Outcome::default(), None::<Aws>);
    let mut fleet: Vec<_> = fleet.to_vec();
    // (due to ask, namespace, number), and calls that are out.
    let mut asking: Vec<(f64, (&'static str, usize))> = Vec::new();
    let mut out: Vec<(f64, f64, (&'static str, usize), bool)> = Vec::new();
    let mut now = 0.0;
    while now < until {
        fleet.retain(|(namespace, objects, from)| {
            let begins = *from <= now;
            if begins {
                asking.extend((0..*objects).map(|number| (now, (*namespace, number))));
            }
            !begins
        });
        let (ended, still): (Vec<_>, Vec<_>) = out.into_iter().partition(|(_, end, ..)| *end <= now);
        out = still;
        for (sent, _, who, taken) in ended {
            let how = if taken { Ended::Taken } else { Ended::Throttled(None) };
            budget.ended(&region, Kind::Change, how, at(sent), at(now));
            budget.done(&region, Kind::Change, &who);
            if taken {
                outcome.accepted += 1;
                outcome.at.entry(who.0).or_default().push(now);
            } else {
                outcome.throttled += 1;
                asking.push((now + 1.0, who));
            }
        }
        let (due, later): (Vec<_>, Vec<_>) = asking.into_iter().partition(|(time, _)| *time <= now);
        asking = later;
        let (next, _) = budget.next_turns(at(now));
        for who in due.into_iter().map(|(_, who)| who).chain(next) {
            match budget.ask(&region, Kind::Change, who.0, &who, at(now)) {
                Answer::Go if budget.send(&region, Kind::Change, false, at(now)).is_ok() => {
                    let taken = match aws(now) {
                        None => true,
                        Some((rate, burst)) => {
                            let same = bucket.take().filter(|bucket| bucket.rate.to_bits() == rate.to_bits());
                            let bucket =
                                bucket.insert(same.unwrap_or_else(|| Aws { at: now, ..Aws::new(rate, burst) }));
                            bucket.takes(now)
                        }
                    };
                    out.push((now, now + TAKES, who, taken));
                }
                Answer::Go => asking.push((now, who)),
                Answer::Wait(_) => {}
            }
        }
        now += STEP;
    }
    outcome
}

#[test]
fn what_aws_takes_is_not_held_back() {
    let outcome = run(Limits::default(), |_| None, &[("crowd", 1000, 0.0)], 10.0);
    assert_eq!((outcome.accepted, outcome.throttled), (1000, 0));
    let last = outcome.at["crowd"].last().unwrap();
    assert!(*last < 5.0, "the last was accepted after {last} s, with 32 at a time and 0.1 s each");
}

#[test]
fn few_calls_are_refused_and_little_is_left_unused() {
    for (rate, burst) in [(2.0, 2.0), (1.0, 1.0), (5.0, 10.0), (10.0, 10.0), (50.0, 100.0)] {
        let outcome = run(Limits::default(), |_| Some((rate, burst)), &[("crowd", 16_000, 0.0)], 300.0);
        let Outcome { accepted, throttled, at: _ } = outcome;
        #[allow(clippy::cast_precision_loss)]
        let (share, used) = (throttled as f64 / (accepted + throttled) as f64, accepted as f64 / (rate * 300.0));
        assert!(share < 0.05, "{rate}/s: {throttled} refused, {accepted} accepted");
        assert!(used > 0.7, "{rate}/s: {accepted} accepted in 300 s");
    }
}

#[test]
fn one_change_does_not_wait_for_those_of_another_namespace() {
    let fleet = [("crowd", 1000, 0.0), ("single", 1, 10.0), ("another", 1, 100.0)];
    let outcome = run(Limits::default(), |_| Some((2.0, 2.0)), &fleet, 130.0);
    for (namespace, from) in [("single", 10.0), ("another", 100.0)] {
        let waited = outcome.at[namespace][0] - from;
        assert!(waited < 5.0, "{namespace} waited for {waited} s");
    }
}

#[test]
fn the_end_of_a_shortage_is_noticed_soon() {
    let aws = |now| (now < 60.0).then_some((2.0, 2.0));
    let outcome = run(Limits::default(), aws, &[("crowd", 5000, 0.0)], 400.0);
    assert_eq!(outcome.accepted, 5000, "{} were refused", outcome.throttled);
}

#[test]
fn a_limit_holds_from_the_first_call_on() {
    let limits = Limits { change: Some(3.0), read: None };
    let outcome = run(limits, |_| None, &[("crowd", 1000, 0.0)], 100.0);
    assert!((295..=304).contains(&outcome.accepted), "{}", outcome.accepted);
}

#[test]
fn aws_is_given_the_time_that_it_asks_for() {
    let (mut budget, region) = (Budget::new(Limits::default()), region());
    assert_eq!(budget.ask(&region, Kind::Change, "ml", &1, at(0.0)), Answer::Go);
    assert_eq!(budget.send(&region, Kind::Change, false, at(0.0)), Ok(()));
    let asked = Ended::Throttled(Some(Duration::from_secs(40)));
    budget.ended(&region, Kind::Change, asked, at(0.0), at(0.1));
    budget.done(&region, Kind::Change, &1);
    let Answer::Wait(place) = budget.ask(&region, Kind::Change, "ml", &1, at(1.0)) else { panic!("no wait") };
    assert_eq!((place.ahead, place.is_paced), (0, true));
    assert!((39.0..40.0).contains(&place.about.as_secs_f64()), "{place:?}");
    assert!(budget.next_turns(at(39.0)).0.is_empty());
    assert_eq!(budget.next_turns(at(41.0)).0, [1]);
}

#[test]
fn a_place_counts_those_of_every_namespace_that_come_before() {
    let limits = Limits { change: Some(1.0), read: None };
    let (mut budget, region) = (Budget::new(limits), region());
    let mut ask = |namespace: &str, who: u32| budget.ask(&region, Kind::Change, namespace, &who, at(0.0));
    assert_eq!(ask("a", 0), Answer::Go);
    let mut ahead = |namespace, who| match ask(namespace, who) {
        Answer::Go => panic!("{who} need not wait"),
        Answer::Wait(place) => place.ahead,
    };
    assert_eq!([ahead("a", 1), ahead("a", 2), ahead("a", 3)], [0, 1, 2]);
    assert_eq!(ahead("b", 4), 1, "one of the other namespace comes before");
    assert_eq!(ahead("a", 3), 3, "and one of this before the last of that");
}

#[test]
fn looks_are_not_asked_to_wait_before_aws_refuses_one() {
    let (mut budget, region) = (Budget::new(Limits::default()), region());
    for who in 0..100 {
        assert_eq!(budget.ask(&region, Kind::Read, "ml", &who, at(0.0)), Answer::Go);
    }
    assert_eq!(budget.send(&region, Kind::Read, false, at(0.0)), Ok(()));
    budget.ended(&region, Kind::Read, Ended::Throttled(None), at(0.0), at(0.1));
    assert!(matches!(budget.ask(&region, Kind::Read, "ml", &101, at(0.1)), Answer::Wait(_)));
    assert!(budget.send(&region, Kind::Read, false, at(0.1)).is_err(), "a call of its own waits");
    assert_eq!(budget.send(&region, Kind::Read, true, at(0.1)), Ok(()), "a List does not");
    assert_eq!(
        budget.ask(&region, Kind::Change, "ml", &102, at(0.1)),
        Answer::Go,
        "changes have a budget of their own"
    );
}

/// It could else wait for one turn until the other is over, again and again.
#[test]
fn whose_turn_it_is_to_change_something_does_not_queue_to_look() {
    let limits = Limits { change: Some(1.0), read: Some(1.0) };
    let (mut budget, region) = (Budget::new(limits), region());
    for who in 0..10 {
        budget.ask(&region, Kind::Change, "ml", &who, at(0.0));
        budget.ask(&region, Kind::Read, "ml", &(100 + who), at(0.0));
    }
    budget.done(&region, Kind::Change, &0);
    assert!(matches!(budget.ask(&region, Kind::Read, "ml", &1, at(0.5)), Answer::Wait(_)));
    assert_eq!(budget.next_turns(at(1.0)).0.first(), Some(&1));
    assert_eq!(budget.ask(&region, Kind::Read, "ml", &1, at(1.0)), Answer::Go);
    assert_eq!(budget.ask(&region, Kind::Change, "ml", &1, at(1.0)), Answer::Go);
}

#[test]
fn a_turn_that_nobody_takes_goes_to_the_next() {
    let limits = Limits { change: Some(1.0), read: None };
    let (mut budget, region) = (Budget::new(limits), region());
    for who in 0..3 {
        budget.ask(&region, Kind::Change, "ml", &who, at(0.0));
    }
    budget.done(&region, Kind::Change, &0);
    assert_eq!(budget.next_turns(at(1.0)).0, [1]);
    let (next, pause) = budget.next_turns(at(1.1));
    assert!(next.is_empty() && pause.is_some_and(|pause| pause <= TURN), "{pause:?}");
    budget.forget(&1);
    assert_eq!(budget.next_turns(at(2.1)).0, [2]);
}

/// What can happen to a budget.
#[derive(Debug, Clone)]
enum Step {
    Ask(u8),
    Done(u8),
    Forget(u8),
    Send,
    End(bool),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..20).prop_map(Step::Ask),
        2 => (0_u8..20).prop_map(Step::Done),
        1 => (0_u8..20).prop_map(Step::Forget),
        2 => Just(Step::Send),
        2 => any::<bool>().prop_map(Step::End),
        2 => (0_u16..5000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens, everybody who waits gets a turn in the end, and nobody is called twice for one place.
    #[test]
    fn nobody_is_forgotten(steps in proptest::collection::vec(step(), 0..200)) {
        let (mut budget, region) = (Budget::new(Limits::default()), region());
        let (mut now, mut out) = (0.0, Vec::new());
        let namespace = |who: u8| ["a", "b", "c"][usize::from(who % 3)];
        for step in steps {
            match step {
                Step::Ask(who) => {
                    budget.ask(&region, Kind::Change, namespace(who), &who, at(now));
                }
                Step::Done(who) => budget.done(&region, Kind::Change, &who),
                Step::Forget(who) => budget.forget(&who),
                Step::Send => {
                    if budget.send(&region, Kind::Change, false, at(now)).is_ok() {
                        out.push(now);
                    }
                }
                Step::End(taken) => {
                    if let Some(sent) = out.pop() {
                        let how = if taken { Ended::Taken } else { Ended::Throttled(None) };
                        budget.ended(&region, Kind::Change, how, at(sent), at(now));
                    }
                }
                Step::Pass(milliseconds) => now += f64::from(milliseconds) / 1000.0,
            }
        }
        for sent in out {
            budget.ended(&region, Kind::Change, Ended::Unanswered, at(sent), at(now));
        }
        for who in 0..20 {
            budget.done(&region, Kind::Change, &who);
        }
        let mut waiting: Vec<u8> = (0..20).collect();
        waiting.retain(|who| budget.ask(&region, Kind::Change, namespace(*who), who, at(now)) != Answer::Go);
        (0..20).filter(|who| !waiting.contains(who)).for_each(|who| budget.done(&region, Kind::Change, &who));
        let mut called = Vec::new();
        for _ in 0..1000 {
            let (next, pause) = budget.next_turns(at(now));
            for who in next {
                prop_assert_eq!(budget.ask(&region, Kind::Change, namespace(who), &who, at(now)), Answer::Go);
                prop_assert!(budget.send(&region, Kind::Change, false, at(now)).is_ok(), "a turn is a call");
                budget.ended(&region, Kind::Change, Ended::Taken, at(now), at(now));
                budget.done(&region, Kind::Change, &who);
                called.push(who);
            }
            now += pause.map_or(1.0, |pause| pause.as_secs_f64());
        }
        called.sort_unstable();
        prop_assert_eq!(called, waiting);
    }
}
