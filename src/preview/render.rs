//! What comes next, written down: as a table, as JSON, or as commands of the AWS CLI.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Due, Effect, Step, UNKNOWN_UID, aws_cli};
use crate::{
    calls::Call,
    crd::{CallRequest, ChangeCause, PlanAction, WaitingFor},
};

/// Everything that is told.
#[derive(Debug, Clone)]
pub struct Report {
    /// What comes next for each object.
    pub steps: Vec<Step>,
    /// What could not be read, and what the API server would refuse, one line each.
    pub problems: Vec<String>,
    /// How many documents are none of ours.
    pub passed_over: usize,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// JSON for programs.
    Json,
    /// The calls as commands of the AWS CLI. Those that the operator does not make yet are comments.
    Calls,
}

impl Report {
    /// 0: nothing is to do. 2: something is, be it done at once or not. 1: an error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let any = |effects: &[Effect]| self.steps.iter().any(|step| effects.contains(&step.effect));
        if !self.problems.is_empty() || any(&[Effect::Refused, Effect::Failed]) {
            1
        } else if any(&[Effect::Change, Effect::Waits]) {
            2
        } else {
            0
        }
    }

    /// What went wrong, one line each: what it is about, and the way out.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let of_step = |step: &Step| {
            let Step { namespace, name, origin, effect, reason, message, due: _ } = step;
            let start = origin.as_ref().map_or_else(String::new, |origin| format!("{origin}, "));
            match effect {
                Effect::Nothing | Effect::Change | Effect::Waits => None,
                Effect::Refused | Effect::Failed => {
                    Some(format!("{start}ProvisionedThroughput {namespace}/{name}: {}: {message}", reason.as_str()))
                }
            }
        };
        let steps = self.steps.iter().filter_map(of_step);
        self.problems.iter().cloned().chain(steps).map(|line| one_line(&line)).collect()
    }

    /// The whole as text.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which a test excludes.
    pub fn text(&self, format: Format) -> serde_json::Result<String> {
        match format {
            Format::Table => Ok(self.table()),
            Format::Json => Ok(serde_json::to_string_pretty(&self.document())? + "\n"),
            Format::Calls => Ok(self.calls()),
        }
    }

    fn summary(&self) -> Summary {
        let count = |effect| self.steps.iter().filter(|step| step.effect == effect).count();
        Summary {
            objects: self.steps.len(),
            nothing: count(Effect::Nothing),
            changes: count(Effect::Change),
            waiting: count(Effect::Waits),
            refused: count(Effect::Refused),
            failed: count(Effect::Failed),
            problems: self.problems.len(),
            passed_over: self.passed_over,
        }
    }

    fn table(&self) -> String {
        let header = ["OBJECT", "ACTION", "WAITS FOR", "REASON", "MESSAGE"].map(str::to_owned);
        let row = |step: &Step| {
            let actions: Vec<_> = step.due.iter().map(|due| format!("{:?}", due.change.call.action())).collect();
            let waiting_for = step.due.first().and_then(|due| due.waiting_for);
            [
                format!("{}/{}", step.namespace, step.name),
                if actions.is_empty() { "-".to_owned() } else { actions.join(", ") },
                waiting_for.map_or_else(|| "-".to_owned(), |waiting_for| format!("{waiting_for:?}")),
                step.reason.as_str().to_owned(),
                one_line(&step.message),
            ]
        };
        let rows: Vec<[String; 5]> = std::iter::once(header).chain(self.steps.iter().map(row)).collect();
        let widths: Vec<usize> = (0..4)
            .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for row in rows.iter().filter(|_| !self.steps.is_empty()) {
            let [cells @ .., message] = row;
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(text, "{cell:width$}  ");
            }
            text.push_str(message);
            text.push('\n');
        }
        let _ = writeln!(text, "{}", self.summary().sentence());
        text
    }

    fn calls(&self) -> String {
        let mut text = String::new();
        let mut names_unknown_uid = false;
        let due = self.steps.iter().flat_map(|step| step.due.iter().map(move |due| (step, due)));
        for (Step { namespace, name, .. }, Due { region, change, waiting_for, hash: _ }) in due {
            names_unknown_uid |= match &change.call {
                Call::Create(create) => create.token.starts_with(UNKNOWN_UID),
                Call::Tag(tag) => tag.set.values().any(|value| value == UNKNOWN_UID),
                Call::Update(_) | Call::Delete => false,
            };
            let waits = waiting_for.map_or_else(String::new, |waiting_for| format!(" (waits for {waiting_for:?})"));
            // A line end in a text of AWS must not begin a command.
            let message = one_line(&format!("{}. {}", change.message, change.consequence));
            let _ = writeln!(text, "# {namespace}/{name}{waits}: {message}");
            let start = if waiting_for.is_some() { "# " } else { "" };
            for command in aws_cli::commands(region, change) {
                let _ = writeln!(text, "{start}{}", aws_cli::line(&command));
            }
        }
        if names_unknown_uid {
            let _ = writeln!(text, "# {UNKNOWN_UID} stands for the uid of an object, which the cluster knows");
        }
        let _ = writeln!(text, "# {}", self.summary().sentence());
        text
    }

    fn document(&self) -> Document<'_> {
        Document {
            exit_code: self.exit_code(),
            summary: self.summary(),
            objects: self.steps.iter().map(Item::of).collect(),
            problems: &self.problems,
        }
    }
}

/// A text on one line, without what a terminal would obey.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    exit_code: u8,
    summary: Summary,
    objects: Vec<Item<'a>>,
    problems: &'a [String],
}

/// How many objects come to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    objects: usize,
    nothing: usize,
    changes: usize,
    waiting: usize,
    refused: usize,
    failed: usize,
    problems: usize,
    passed_over: usize,
}

impl Summary {
    fn sentence(self) -> String {
        let Self { objects, nothing, changes, waiting, refused, failed, problems, passed_over } = self;
        let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut parts = vec![
            format!("{nothing} with nothing to do"),
            format!("{changes} to change"),
            format!("{waiting} waiting"),
            format!("{refused} refused"),
        ];
        parts.extend((failed > 0).then(|| format!("{failed} not looked at")));
        let mut sentence = format!("{}: {}", counted(objects, "object", "objects"), parts.join(", "));
        if problems > 0 {
            let _ = write!(sentence, "; {}", counted(problems, "manifest error", "manifest errors"));
        }
        if passed_over > 0 {
            let _ = write!(sentence, "; {} passed over", counted(passed_over, "other document", "other documents"));
        }
        sentence
    }
}

/// An object, as JSON tells of it. The names are those of `status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<usize>,
    #[serde(rename = "item", skip_serializing_if = "Option::is_none")]
    of_list: Option<usize>,
    effect: &'static str,
    reason: &'static str,
    message: &'a str,
    /// The calls that are due, in their order.
    plan: Vec<PlanItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanItem<'a> {
    action: PlanAction,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioned_model_arn: Option<String>,
    request: CallRequest,
    #[serde(skip_serializing_if = "CallRequest::is_empty")]
    from: &'a CallRequest,
    cause: ChangeCause,
    message: &'a str,
    consequence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    /// The words of the commands.
    commands: Vec<Vec<String>>,
}

impl<'a> Item<'a> {
    fn of(step: &'a Step) -> Self {
        let Step { namespace, name, origin, effect, reason, message, due } = step;
        let origin = origin.as_ref();
        Self {
            namespace,
            name,
            file: origin.map(|origin| origin.file.as_str()),
            document: origin.map(|origin| origin.document),
            of_list: origin.and_then(|origin| origin.item),
            effect: match effect {
                Effect::Nothing => "Nothing",
                Effect::Change => "Change",
                Effect::Waits => "Waits",
                Effect::Refused => "Refused",
                Effect::Failed => "Failed",
            },
            reason: reason.as_str(),
            message,
            plan: due.iter().map(PlanItem::of).collect(),
        }
    }
}

impl<'a> PlanItem<'a> {
    fn of(due: &'a Due) -> Self {
        let Due { region, change, waiting_for, hash } = due;
        Self {
            action: change.call.action(),
            region: region.as_str(),
            provisioned_model_arn: change.arn.as_ref().map(ToString::to_string),
            request: change.call.request(),
            from: &change.from,
            cause: change.cause,
            message: &change.message,
            consequence: &change.consequence,
            waiting_for: *waiting_for,
            hash: hash.as_deref(),
            commands: aws_cli::commands(region, change),
        }
    }
}

#[cfg(test)]
mod tests;
