//! AWS's own description of the API, and the check of a request against it.
//!
//! `model/bedrock-provisioned-throughput.json` is the part of botocore's `bedrock/2023-04-20/service-2.json`
//! (Apache-2.0) that these operations need, without the documentation. Lengths, ranges, patterns and enumerations are
//! read from there and never written down a second time.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, ErrorCode},
    operation::Operation,
};

/// The description, parsed once.
pub static API: LazyLock<ApiModel> = LazyLock::new(|| {
    // The file is compiled in and `the_model_is_whole` reads it, so the fallback is never taken.
    let mut model: ApiModel =
        serde_json::from_str(include_str!("../model/bedrock-provisioned-throughput.json")).unwrap_or_default();
    for shape in model.shapes.values_mut() {
        // A pattern holds for the whole value, although the model writes no anchors.
        shape.regex = shape.pattern.as_ref().and_then(|pattern| Regex::new(&format!(r"\A(?:{pattern})\z")).ok());
    }
    model
});

/// The operations and shapes of the API.
#[derive(Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "the members are botocore's own")]
pub struct ApiModel {
    pub operations: BTreeMap<String, OperationModel>,
    pub shapes: BTreeMap<String, Shape>,
}

/// One operation.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the members are botocore's own")]
pub struct OperationModel {
    pub http: Http,
    pub input: Reference,
    pub output: Reference,
    #[serde(default)]
    pub errors: Vec<Reference>,
}

/// Method and path of an operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are botocore's own")]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    pub response_code: u16,
}

/// A member: which shape it has, and where it stands in the HTTP request (`uri`, `querystring`, or the body).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are botocore's own")]
pub struct Reference {
    pub shape: String,
    #[serde(default)]
    pub location: Option<String>,
}

/// A shape and its constraints.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the members are botocore's own")]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub required: Vec<String>,
    #[serde(default)]
    pub members: BTreeMap<String, Reference>,
    #[serde(default)]
    pub member: Option<Reference>,
    #[serde(default)]
    pub min: Option<f64>,
    #[serde(default)]
    pub max: Option<f64>,
    #[serde(default)]
    pub pattern: Option<String>,
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    #[serde(skip)]
    pub regex: Option<Regex>,
}

/// What is wrong with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// Values of another JSON type than the shape says.
    pub types: Vec<String>,
    /// Values that break a constraint, in AWS's words.
    pub constraints: Vec<String>,
    /// Members that no shape has. Whether that is an error is the switch `unknownMembers`.
    pub unknown: Vec<String>,
}

impl Violations {
    fn is_empty(&self) -> bool {
        self.types.is_empty() && self.constraints.is_empty()
    }

    /// The error that AWS would answer.
    #[must_use]
    pub fn into_error(self) -> ApiError {
        self.into_error_with(ErrorCode::ValidationException)
    }

    /// The same, where the code for a wrong type is a choice (the switch `malformedRequest`).
    #[must_use]
    pub fn into_error_with(self, malformed: ErrorCode) -> ApiError {
        if !self.types.is_empty() {
            return ApiError::new(malformed, self.types.join("; "));
        }
        let noun = if self.constraints.len() == 1 { "error" } else { "errors" };
        ApiError::validation(format!(
            "{} validation {noun} detected: {}",
            self.constraints.len(),
            self.constraints.join("; ")
        ))
    }
}

impl ApiModel {
    /// The shape of the input of `operation`.
    #[must_use]
    pub fn input(&self, operation: Operation) -> Option<&Shape> {
        self.operations.get(operation.as_str()).and_then(|found| self.shapes.get(&found.input.shape))
    }

    /// The shape of the output of `operation`.
    #[must_use]
    pub fn output(&self, operation: Operation) -> Option<&Shape> {
        self.operations.get(operation.as_str()).and_then(|found| self.shapes.get(&found.output.shape))
    }

    fn shape(&self, reference: &Reference) -> Option<&Shape> {
        self.shapes.get(&reference.shape)
    }
}

/// Holds the members of a request against the model.
///
/// # Errors
/// Everything that does not fit. Unknown members alone are no error here: see [`unknown_members`].
pub fn check(operation: Operation, parameters: &Value) -> Result<(), Violations> {
    let found = API.input(operation).map(|shape| inspect(shape, parameters)).unwrap_or_default();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Holds an answer against the model; the tests use it to see that the simulator keeps to its own rules.
///
/// # Errors
/// Everything that does not fit.
pub fn check_output(operation: Operation, body: &Value) -> Result<(), Violations> {
    let found = API.output(operation).map(|shape| inspect(shape, body)).unwrap_or_default();
    if found.is_empty() && found.unknown.is_empty() { Ok(()) } else { Err(found) }
}

/// The members of a request that the model does not know.
#[must_use]
pub fn unknown_members(operation: Operation, parameters: &Value) -> Vec<String> {
    API.input(operation).map(|shape| inspect(shape, parameters).unknown).unwrap_or_default()
}

fn inspect(shape: &Shape, value: &Value) -> Violations {
    let mut found = Violations::default();
    inspect_value(shape, "", value, &mut found);
    found
}

fn inspect_value(shape: &Shape, path: &str, value: &Value, found: &mut Violations) {
    match (shape.kind.as_str(), value) {
        ("structure", Value::Object(members)) => inspect_structure(shape, path, members, found),
        ("list", Value::Array(items)) => {
            inspect_length(shape, path, items.len(), &shown(value), found);
            if let Some(item_shape) = shape.member.as_ref().and_then(|reference| API.shape(reference)) {
                for (index, item) in items.iter().enumerate() {
                    inspect_value(item_shape, &format!("{path}.{}.member", index + 1), item, found);
                }
            }
        }
        ("map", Value::Object(_)) | ("boolean", Value::Bool(_)) | ("float" | "double", Value::Number(_)) => {}
        ("string", Value::String(text)) => inspect_string(shape, path, text, found),
        ("integer", Value::Number(number)) => match number.as_i64().and_then(|wide| i32::try_from(wide).ok()) {
            Some(whole) => inspect_number(shape, path, whole, found),
            None => found.types.push(format!("Value '{number}' at '{path}' can not be converted to an Integer")),
        },
        ("timestamp", Value::String(text)) => {
            if text.parse::<Timestamp>().is_err() {
                found.types.push(format!("Value '{text}' at '{path}' can not be converted to a Timestamp"));
            }
        }
        (kind, other) => found.types.push(format!("{} at '{path}' can not be converted to a {kind}", type_name(other))),
    }
}

fn inspect_structure(shape: &Shape, path: &str, members: &Map<String, Value>, found: &mut Violations) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in &shape.required {
        if members.get(name).is_none_or(Value::is_null) {
            let at = at(name);
            found
                .constraints
                .push(format!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
        }
    }
    for (name, value) in members {
        match shape.members.get(name) {
            None => found.unknown.push(at(name)),
            // AWS reads an explicit null as a member that is not there.
            Some(_) if value.is_null() => {}
            Some(reference) => {
                if let Some(member_shape) = API.shape(reference) {
                    inspect_value(member_shape, &at(name), value, found);
                }
            }
        }
    }
}

fn inspect_string(shape: &Shape, path: &str, text: &str, found: &mut Violations) {
    let shown = format!("'{text}'");
    inspect_length(shape, path, text.chars().count(), &shown, found);
    if let (Some(regex), Some(pattern)) = (&shape.regex, &shape.pattern)
        && !regex.is_match(text)
    {
        found.constraints.push(constraint(path, &shown, &format!("satisfy regular expression pattern: {pattern}")));
    }
    if !shape.values.is_empty() && !shape.values.iter().any(|allowed| allowed == text) {
        found.constraints.push(constraint(
            path,
            &shown,
            &format!("satisfy enum value set: [{}]", shape.values.join(", ")),
        ));
    }
}

#[allow(clippy::cast_precision_loss, reason = "a length is bounded by the body limit, far below 2^52")]
fn inspect_length(shape: &Shape, path: &str, length: usize, shown: &str, found: &mut Violations) {
    if let Some(min) = shape.min
        && (length as f64) < min
    {
        found.constraints.push(constraint(path, shown, &format!("have length greater than or equal to {min}")));
    }
    if let Some(max) = shape.max
        && (length as f64) > max
    {
        found.constraints.push(constraint(path, shown, &format!("have length less than or equal to {max}")));
    }
}

fn inspect_number(shape: &Shape, path: &str, number: i32, found: &mut Violations) {
    let shown = format!("'{number}'");
    if let Some(min) = shape.min
        && f64::from(number) < min
    {
        found.constraints.push(constraint(path, &shown, &format!("have value greater than or equal to {min}")));
    }
    if let Some(max) = shape.max
        && f64::from(number) > max
    {
        found.constraints.push(constraint(path, &shown, &format!("have value less than or equal to {max}")));
    }
}

fn constraint(path: &str, shown: &str, must: &str) -> String {
    format!("Value {shown} at '{path}' failed to satisfy constraint: Member must {must}")
}

fn shown(value: &Value) -> String {
    format!("'{value}'")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_whole() {
        assert_eq!(API.operations.len(), Operation::ALL.len());
        for operation in Operation::ALL {
            assert!(API.input(*operation).is_some() && API.output(*operation).is_some(), "{operation:?}");
        }
        for (name, shape) in &API.shapes {
            assert_eq!(shape.pattern.is_some(), shape.regex.is_some(), "the pattern of {name} does not compile");
        }
    }

    #[test]
    fn every_error_of_the_model_has_its_status() {
        for operation in API.operations.values() {
            for error in &operation.errors {
                assert!(ErrorCode::parse(&error.shape).is_some(), "{}", error.shape);
            }
        }
    }
}
