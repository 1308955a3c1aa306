//! The simulator's own controls, under `/_simulator/`. The paths are listed in the crate's README.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    faults::Fault,
    operation::Operation,
    seed::{Seed, home},
    server::{State, lock},
    settings::{Seconds, Settings},
    switches::Switches,
    throttle::Rate,
};

/// Every control: method, path, and what it does.
const CONTROLS: &[(&str, &str, &str)] = &[
    ("GET", "", "this list"),
    ("GET", "health", "200 once it serves"),
    ("POST", "seed", "puts accounts, models and throughputs there"),
    ("GET", "state", "everything there is"),
    (
        "POST",
        "reset",
        "an empty world, with the defaults of all switches and settings, no faults, throttles and calls, and a clock that runs",
    ),
    ("GET", "switches", "every switch with its question, settings and present setting"),
    ("PUT", "switches", "turns switches: {name: setting}"),
    ("GET", "settings", "durations and sizes"),
    ("PUT", "settings", "changes durations and sizes; what is left out stays"),
    ("GET", "policies", "the IAM policies of access keys: {accessKeyId: policy}"),
    (
        "PUT",
        "policies",
        "gives access keys IAM policies: {accessKeyId: policy}, or null for a key that may do everything",
    ),
    ("PUT", "throttles", "bounds operations: {operation: {perSecond, burst}}, or null for no bound"),
    ("GET", "faults", "the faults that wait"),
    ("POST", "faults", "adds a fault"),
    ("DELETE", "faults", "takes away the faults, of one operation with ?operation="),
    (
        "POST",
        "failures",
        "lets the next update of {arn}, the next deletion of it ({operation: DeleteProvisionedModelThroughput}), or the next creation of \
         {name}, fail with {message}",
    ),
    ("GET", "clock", "the time"),
    ("POST", "clock", "stops the clock ({now}, or now), moves it ({advanceSeconds}), or lets it run ({mode: real})"),
    ("GET", "calls", "the log of calls, of one operation with ?operation=, after a number with ?after="),
    ("DELETE", "calls", "empties the log"),
];

type Answer = (u16, Value);

pub(crate) fn answer(state: &Mutex<State>, method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Answer {
    let mut state = lock(state);
    dispatch(&mut state, method, path, query, body).unwrap_or_else(|refused| refused)
}

fn refused(message: impl std::fmt::Display) -> Answer {
    (400, json!({ "message": message.to_string() }))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(body).map_err(refused)
}

/// The members of a fault of any kind.
const FAULT_MEMBERS: &[&str] =
    &["operation", "resource", "skip", "count", "kind", "code", "status", "message", "retryAfter", "seconds"];

/// A value whose members are all among `members`: a fault that is misspelt would otherwise be another one.
fn known(value: Value, members: &[&str]) -> Result<Value, Answer> {
    let unknown = value.as_object().and_then(|object| object.keys().find(|name| !members.contains(&name.as_str())));
    match unknown {
        Some(name) => Err(refused(format!("unknown member {name:?}; the members are {}", members.join(", ")))),
        None => Ok(value),
    }
}

fn done() -> Answer {
    (200, json!({}))
}

fn dispatch(state: &mut State, method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Result<Answer, Answer> {
    match (method, path) {
        ("GET", "") => Ok((200, json!({ "controls": controls() }))),
        ("GET", "health") => Ok((200, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))),
        ("POST", "seed") => {
            let seed: Seed = read(body)?;
            let now = state.now();
            let State { world, keys, .. } = state;
            seed.plant(world, keys, now).map_err(refused)?;
            Ok(done())
        }
        ("GET", "state") => {
            let now = state.now();
            state.world.settle(now);
            let State { world, keys, faults, throttle, clock, calls, .. } = state;
            let body = json!({
                "now": now, "world": world, "accessKeys": keys, "faults": faults, "throttle": throttle, "clock": clock, "calls": calls.len(),
            });
            Ok((200, body))
        }
        ("POST", "reset") => {
            *state = State { log: state.log, ..State::default() };
            Ok(done())
        }
        ("GET", "switches") => Ok((200, switches(&state.world.switches))),
        ("PUT", "switches") => {
            let wanted: std::collections::BTreeMap<String, String> = read(body)?;
            let mut turned = state.world.switches;
            for (name, setting) in &wanted {
                turned.set(name, setting).map_err(refused)?;
            }
            state.world.switches = turned;
            Ok((200, switches(&turned)))
        }
        ("GET", "settings") => Ok((200, json!(state.world.settings))),
        ("PUT", "settings") => {
            let mut merged = json!(state.world.settings);
            let wanted: Value = read(body)?;
            match (&mut merged, wanted) {
                (Value::Object(merged), Value::Object(wanted)) => merged.extend(wanted),
                (_, wanted) => return Err(refused(format!("write the settings as an object, not {wanted}"))),
            }
            let settings: Settings = serde_json::from_value(merged).map_err(refused)?;
            state.world.settings = settings.checked().map_err(refused)?;
            Ok((200, json!(state.world.settings)))
        }
        ("GET", "policies") => Ok((200, json!(state.keys.policies()))),
        ("PUT", "policies") => {
            let wanted: std::collections::BTreeMap<String, Option<Value>> = read(body)?;
            let mut keys = state.keys.clone();
            for (key, policy) in wanted {
                keys.set_policy(&key, policy)
                    .map_err(|error| refused(format!("the policy of the access key {key:?}: {error}")))?;
            }
            state.keys = keys;
            Ok((200, json!(state.keys.policies())))
        }
        ("PUT", "throttles") => {
            let wanted: std::collections::BTreeMap<Operation, Option<Rate>> = read(body)?;
            for rate in wanted.values().flatten() {
                rate.checked().map_err(refused)?;
            }
            for (operation, rate) in wanted {
                state.throttle.set(operation, rate);
            }
            Ok(done())
        }
        ("GET", "faults") => Ok((200, json!(state.faults))),
        ("POST", "faults") => {
            let fault: Fault = serde_json::from_value(known(read(body)?, FAULT_MEMBERS)?).map_err(refused)?;
            state.faults.inject(fault.checked().map_err(refused)?);
            Ok(done())
        }
        ("DELETE", "faults") => {
            state.faults.clear(operation(query)?);
            Ok(done())
        }
        ("POST", "failures") => fail(state, body),
        ("GET", "clock") => Ok((200, json!({"now": state.now(), "clock": state.clock}))),
        ("POST", "clock") => set_clock(state, body),
        ("GET", "calls") => {
            let (operation, after) = (operation(query)?, after(query)?);
            let calls: Vec<_> = state
                .calls
                .iter()
                .filter(|call| call.sequence > after && (operation.is_none() || call.operation == operation))
                .collect();
            Ok((200, json!({ "calls": calls })))
        }
        ("DELETE", "calls") => {
            state.calls.clear();
            Ok(done())
        }
        _ => {
            let message = format!("there is no control {method} /_simulator/{path}");
            Err((404, json!({ "message": message, "controls": controls() })))
        }
    }
}

fn controls() -> Vec<String> {
    CONTROLS.iter().map(|(method, path, what)| format!("{method} /_simulator/{path}: {what}")).collect()
}

fn switches(switches: &Switches) -> Value {
    let present = json!(switches);
    let all: Vec<Value> = Switches::ALL
        .iter()
        .map(|info| {
            let setting = present.get(info.name).cloned().unwrap_or_default();
            json!({"name": info.name, "question": info.question.trim(), "settings": info.settings, "setting": setting})
        })
        .collect();
    json!({ "switches": all })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Failure {
    #[serde(default)]
    arn: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    operation: Option<Operation>,
    message: String,
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
}

fn fail(state: &mut State, body: &[u8]) -> Result<Answer, Answer> {
    let Failure { arn, name, operation, message, account_id, region } = read(body)?;
    let caller = home("the failure", arn.as_ref(), account_id.as_ref(), region.as_ref()).map_err(refused)?;
    match (arn, name, operation) {
        (Some(arn), None, _) if state.world.throughput(&arn).is_none() => {
            return Err(refused(format!("there is no throughput {arn}")));
        }
        (Some(arn), None, None | Some(Operation::UpdateProvisionedModelThroughput)) => {
            state.world.fail_next_update(&caller, &arn, &message);
        }
        (Some(arn), None, Some(Operation::DeleteProvisionedModelThroughput)) => {
            state.world.fail_next_delete(&caller, &arn, &message);
        }
        (None, Some(name), None | Some(Operation::CreateProvisionedModelThroughput)) => {
            state.world.fail_next_create(&caller, &name, &message);
        }
        (Some(_), None, Some(operation)) | (None, Some(_), Some(operation)) => {
            return Err(refused(format!(
                "{} does not fail afterwards: an arn goes with UpdateProvisionedModelThroughput or DeleteProvisionedModelThroughput, a \
                 name with CreateProvisionedModelThroughput",
                operation.as_str()
            )));
        }
        (None, None, _) | (Some(_), Some(_), _) => {
            return Err(refused("give the arn of a throughput or the name of one to be made"));
        }
    }
    Ok(done())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetClock {
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    now: Option<Timestamp>,
    #[serde(default)]
    advance_seconds: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    Real,
    Manual,
}

fn set_clock(state: &mut State, body: &[u8]) -> Result<Answer, Answer> {
    let SetClock { mode, now, advance_seconds } = read(body)?;
    match (mode, now) {
        (Some(Mode::Real), None) => state.clock = Clock::Real { ahead: SignedDuration::ZERO },
        (Some(Mode::Real), Some(_)) => return Err(refused("a clock that runs takes no time: leave out now")),
        (Some(Mode::Manual), now) => state.clock = Clock::manual(now.unwrap_or_else(|| state.now())),
        (None, Some(now)) => state.clock = Clock::manual(now),
        (None, None) => {}
    }
    if let Some(by) = advance_seconds {
        state.clock.advance(by.duration());
    }
    Ok((200, json!({"now": state.now(), "clock": state.clock})))
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn operation(query: Option<&str>) -> Result<Option<Operation>, Answer> {
    parameter(query, "operation")
        .map(|name| Operation::parse(name).ok_or_else(|| refused(format!("there is no operation {name:?}"))))
        .transpose()
}

fn after(query: Option<&str>) -> Result<u64, Answer> {
    parameter(query, "after")
        .map_or(Ok(0), |number| number.parse().map_err(|_| refused(format!("after={number:?} is no number"))))
}
