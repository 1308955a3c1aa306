//! What happened at AWS in all: the call log, against what should be in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Demo;
use super::account::{CLASSIFIER, CLASSIFIER_V2, SUMMARIZER, TRANSLATOR, TRANSLATOR_V2};
use super::screen::Screen;
use crate::simulator::{Call, UPDATE};

/// A change at AWS that the demo causes.
struct Expected {
    arn: &'static str,
    members: Value,
    why: &'static str,
}

/// Every change that AWS is to have made, in this order, and no other.
fn expected() -> [Expected; 6] {
    let name = |name: &str| json!({"desiredProvisionedModelName": name});
    let model = |model: &str| json!({"desiredModelId": model});
    [
        Expected { arn: SUMMARIZER, members: name("summarizer-prod"), why: "the rename" },
        Expected { arn: CLASSIFIER, members: model(CLASSIFIER_V2), why: "the move" },
        Expected { arn: TRANSLATOR, members: model(TRANSLATOR_V2), why: "the move by name" },
        Expected { arn: SUMMARIZER, members: name("by-hand"), why: "somebody, past Kubernetes" },
        Expected { arn: SUMMARIZER, members: name("summarizer-prod"), why: "the repair" },
        Expected { arn: SUMMARIZER, members: name("summarizer-live"), why: "the rename behind the outage" },
    ]
}

impl Demo {
    pub(super) fn summary(&mut self) -> Result<()> {
        let calls = self.sandbox.simulator.calls()?;
        Screen::heading("What happened at AWS");
        Screen::output(&counts(&calls));
        let changes: Vec<&Call> = calls.iter().filter(|call| call.operation == UPDATE && call.succeeded()).collect();
        Screen::output(&changed(&changes));
        compare(&changes, &expected())?;
        let refused = self.sandbox.refused_requests()?;
        if !refused.is_empty() {
            bail!("the rights in deploy/ do not allow the operator: {}", refused.join(", "));
        }
        Screen::heading("Shown and checked");
        self.screen.summary();
        Screen::output("Six changes at AWS, one for each reason; nothing was bought, deleted or replaced.");
        Ok(())
    }
}

/// Calls by operation and result.
fn counts(calls: &[Call]) -> String {
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for call in calls {
        let result = if call.succeeded() { "answered".to_owned() } else { format!("{} {}", call.status, call.error) };
        *counts.entry((&call.operation, result)).or_default() += 1;
    }
    let mut text = format!("{:<36} {:<34} {:>5}", "operation", "result", "calls");
    for ((operation, result), count) in counts {
        let _ = write!(text, "\n{operation:<36} {result:<34} {count:>5}");
    }
    text
}

/// The changes, one a line.
fn changed(changes: &[&Call]) -> String {
    let mut text = format!("\n{:<13} {:<14} {:<28} because of", "time", "throughput", "change");
    for (change, expected) in changes.iter().zip(expected()) {
        let time = change.arrived.get(11..23).unwrap_or(&change.arrived);
        let id = last_segment(change.member("provisionedModelId"));
        let (name, model) = (change.member("desiredProvisionedModelName"), change.member("desiredModelId"));
        let what = match (name, last_segment(model)) {
            (name, "") => format!("name {name}"),
            ("", model) => format!("model {model}"),
            (name, model) => format!("name {name}, model {model}"),
        };
        let _ = write!(text, "\n{time:<13} {id:<14} {what:<28} {}", expected.why);
    }
    text
}

fn last_segment(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Each change is the expected one, carries exactly the members that differ, and none is missing or too many.
fn compare(changes: &[&Call], expected: &[Expected]) -> Result<()> {
    for (index, Expected { arn, members, why }) in expected.iter().enumerate() {
        let Some(change) = changes.get(index) else {
            bail!("AWS did not see {why}: an update of {arn} with {members}")
        };
        let mut sent = change.request.clone();
        if let Some(sent) = sent.as_object_mut() {
            sent.remove("provisionedModelId");
        }
        if change.member("provisionedModelId") != *arn || sent != *members {
            bail!("update {} at AWS should be {why}, of {arn} with {members}; it was {}", index + 1, change.request);
        }
    }
    if let Some(change) = changes.get(expected.len()) {
        bail!("AWS saw an update that nobody asked for: {}", change.request);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Vec<Call> {
        let call = |Expected { arn, mut members, .. }: Expected| {
            if let Some(members) = members.as_object_mut() {
                members.insert("provisionedModelId".to_owned(), json!(arn));
            }
            Call {
                arrived: "2026-01-02T03:04:05.123456Z".to_owned(),
                operation: UPDATE.to_owned(),
                request: members,
                status: 200,
                error: String::new(),
            }
        };
        expected().into_iter().map(call).collect()
    }

    fn compared(calls: &[Call]) -> String {
        compare(&calls.iter().collect::<Vec<_>>(), &expected())
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn the_expected_changes_are_accepted() {
        assert_eq!(compared(&calls()), "");
    }

    #[test]
    fn a_missing_a_surplus_and_a_wider_change_are_told() {
        let all = calls();
        assert!(compared(&all[..5]).contains("did not see the rename behind the outage"));
        assert!(compared(&[all.clone(), all.clone()].concat()).contains("nobody asked for"));
        let mut wider = all;
        wider[0].request["desiredModelId"] = json!(CLASSIFIER_V2);
        assert!(compared(&wider).contains("update 1 at AWS should be the rename"));
    }

    #[test]
    fn the_tables_have_a_line_for_each_kind_and_each_change() {
        let calls = calls();
        assert!(counts(&calls).ends_with(&format!("{UPDATE:<36} {:<34} {:>5}", "answered", 6)));
        let text = changed(&calls.iter().collect::<Vec<_>>());
        assert!(text.contains("03:04:05.123  s1u3m5m7a9r1   name summarizer-prod"), "{text}");
    }
}
