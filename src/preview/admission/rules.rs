//! The CEL rules of the CRD, each with its twin in Rust: what interprets CEL is larger than this program. A test holds that no rule is
//! without a twin.

use serde_json::Value;

/// Whether `value` keeps a rule. `None`: the rule is not known.
pub(super) fn holds(rule: &str, value: &Value, old: Option<&Value>) -> Option<bool> {
    RULES.iter().find(|(text, _)| *text == rule).map(|(_, twin)| match twin {
        Twin::Value(twin) => twin(value),
        Twin::Transition(twin) => old.is_none_or(|old| twin(value, old)),
    })
}

enum Twin {
    Value(fn(&Value) -> bool),
    /// A rule with `oldSelf`, which only counts where there is an older object.
    Transition(fn(&Value, &Value) -> bool),
}

#[rustfmt::skip]
const RULES: &[(&str, Twin)] = &[
    (
        "duration(self) >= duration('10s') && duration(self) <= duration('24h')",
        Twin::Value(|interval| interval.as_str().is_some_and(|text| crate::desired::parse_interval(text).is_ok())),
    ),
    (
        "self.all(key, size(key) >= 1 && size(key) <= 128 && key.matches('^[a-zA-Z0-9 ._:/=+@-]+$'))",
        Twin::Value(|tags| all_keys(tags, |key| {
            (1..=128).contains(&key.chars().count())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || " ._:/=+@-".contains(c))
        })),
    ),
    (
        "self.all(key, !key.lowerAscii().startsWith('aws:'))",
        Twin::Value(|tags| all_keys(tags, |key| !key.to_ascii_lowercase().starts_with("aws:"))),
    ),
    (
        "self.all(key, !key.startsWith('bedrock-throughput.dev/'))",
        Twin::Value(|tags| all_keys(tags, |key| !key.starts_with("bedrock-throughput.dev/"))),
    ),
    (
        "has(self.provisionedModelId) || self.managementPolicy == 'Full'",
        Twin::Value(|spec| has(spec, "provisionedModelId") || is_full(spec)),
    ),
    (
        "has(self.provisionedModelId) || self.managementPolicy != 'Full' || (has(self.provisionedModelName) && has(self.modelId) && has(self.modelUnits))",
        Twin::Value(|spec| {
            let described = ["provisionedModelName", "modelId", "modelUnits"].iter().all(|field| has(spec, field));
            has(spec, "provisionedModelId") || !is_full(spec) || described
        }),
    ),
    (
        "self.managementPolicy == 'Full' || !has(self.modelUnits)",
        Twin::Value(|spec| is_full(spec) || !has(spec, "modelUnits")),
    ),
    (
        "self.managementPolicy == 'Full' || !has(self.commitmentDuration)",
        Twin::Value(|spec| is_full(spec) || !has(spec, "commitmentDuration")),
    ),
    (
        "self.managementPolicy == 'Full' || self.deletionPolicy == 'Retain'",
        Twin::Value(|spec| is_full(spec) || text(spec, "deletionPolicy") == Some("Retain")),
    ),
    (
        "self.managementPolicy != 'Full' || !has(self.tags) || size(self.tags) <= 46",
        Twin::Value(|spec| {
            !is_full(spec) || spec.get("tags").and_then(Value::as_object).is_none_or(|tags| tags.len() <= 46)
        }),
    ),
    (
        "!has(self.provisionedModelId) || self.provisionedModelId.startsWith('arn:') || size(self.provisionedModelId) <= 63",
        Twin::Value(|spec| text(spec, "provisionedModelId").is_none_or(|id| is_arn(id) || id.chars().count() <= 63)),
    ),
    (
        "!has(self.region) || !has(self.provisionedModelId) || !self.provisionedModelId.startsWith('arn:') || self.provisionedModelId.split(':')[3] == self.region",
        Twin::Value(|spec| agree(text(spec, "region"), arn_region(spec, "provisionedModelId"))),
    ),
    (
        "!has(self.region) || !has(self.modelId) || !self.modelId.startsWith('arn:') || self.modelId.split(':')[3] == self.region",
        Twin::Value(|spec| agree(text(spec, "region"), arn_region(spec, "modelId"))),
    ),
    (
        "!has(self.modelId) || !self.modelId.startsWith('arn:') || !has(self.provisionedModelId) || !self.provisionedModelId.startsWith('arn:') || self.modelId.split(':')[3] == self.provisionedModelId.split(':')[3]",
        Twin::Value(|spec| agree(arn_region(spec, "provisionedModelId"), arn_region(spec, "modelId"))),
    ),
    (
        "!has(self.modelId) || self.modelId.startsWith('arn:') || self.modelId.contains('.') || size(self.modelId) <= 63",
        Twin::Value(|spec| {
            text(spec, "modelId").is_none_or(|id| is_arn(id) || id.contains('.') || id.chars().count() <= 63)
        }),
    ),
    (
        "has(oldSelf.spec.provisionedModelId) ? (has(self.spec.provisionedModelId) && (self.spec.provisionedModelId == oldSelf.spec.provisionedModelId || (has(self.status) && has(self.status.provisionedModelArn) && self.spec.provisionedModelId == self.status.provisionedModelArn))) : (!has(self.spec.provisionedModelId) || !has(self.status) || !has(self.status.provisionedModelArn) || !has(self.status.status) || self.spec.provisionedModelId == self.status.provisionedModelArn)",
        Twin::Transition(keeps_identity),
    ),
];

/// `provisionedModelId` stays, or becomes the ARN that the object is bound to. An object whose own throughput is gone may be given another.
fn keeps_identity(new: &Value, old: &Value) -> bool {
    let id = |object: &Value| object.pointer("/spec/provisionedModelId").and_then(Value::as_str).map(str::to_owned);
    let in_status = |field| new.get("status").and_then(|status| text(status, field));
    let bound = in_status("provisionedModelArn");
    match (id(old), id(new)) {
        (Some(old), Some(new)) => new == old || bound == Some(new.as_str()),
        (Some(_), None) => false,
        (None, Some(new)) => bound.is_none_or(|bound| new == bound) || in_status("status").is_none(),
        (None, None) => true,
    }
}

fn all_keys(map: &Value, keeps: fn(&str) -> bool) -> bool {
    map.as_object().is_none_or(|map| map.keys().all(|key| keeps(key)))
}

fn has(spec: &Value, field: &str) -> bool {
    spec.get(field).is_some_and(|value| !value.is_null())
}

fn text<'a>(spec: &'a Value, field: &str) -> Option<&'a str> {
    spec.get(field).and_then(Value::as_str)
}

fn is_full(spec: &Value) -> bool {
    text(spec, "managementPolicy") == Some("Full")
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// The region of an ARN; `None` where the field is none.
fn arn_region<'a>(spec: &'a Value, field: &str) -> Option<&'a str> {
    text(spec, field).filter(|text| is_arn(text)).and_then(|arn| arn.split(':').nth(3))
}

/// Whether two are the same where both are there.
fn agree(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// The texts of the rules.
#[cfg(test)]
pub(super) fn known() -> std::collections::BTreeSet<&'static str> {
    RULES.iter().map(|(text, _)| *text).collect()
}
