//! What the API server would say of a manifest, without one: the defaults, the schema and the rules of the CRD.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use crate::crd::custom_resource_definition;

mod rules;

/// The longest value that an error shows, in characters.
const SHOWN_MAX: usize = 128;

/// Something in a manifest that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Refusal {
    /// The field, such as `spec.modelUnits`.
    pub path: String,
    /// What is wrong with it, with its value.
    pub problem: String,
}

/// The CRD, ready to check manifests.
#[derive(Debug)]
pub struct Admission {
    /// The schema of a whole object.
    schema: Value,
    /// The patterns of the schema, compiled.
    patterns: HashMap<String, Regex>,
}

impl Admission {
    /// Reads the CRD.
    ///
    /// # Errors
    /// When the CRD cannot be read, which a test excludes.
    pub fn new() -> anyhow::Result<Self> {
        let crd = serde_json::to_value(custom_resource_definition())?;
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
        let mut patterns = HashMap::new();
        compile(&schema, &mut patterns)?;
        Ok(Self { schema, patterns })
    }

    /// Fills in the defaults of the `spec` of `object`, and tells what the API server would refuse. `old` is the object that it takes the place
    /// of, where there is one.
    pub fn admit(&self, object: &mut Value, old: Option<&Value>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let Some(root) = object.as_object_mut() else { return refusals };
        let properties = self.schema.get("properties");
        for key in root.keys() {
            let of_every_object = ["apiVersion", "kind", "metadata"].contains(&key.as_str());
            if !of_every_object && properties.is_none_or(|properties| properties.get(key).is_none()) {
                refusals.push(unknown(key));
            }
        }
        match (properties.and_then(|properties| properties.get("spec")), root.get_mut("spec")) {
            (Some(schema), Some(spec)) => self.check(schema, spec, "spec", &mut refusals),
            (Some(_), None) => refusals.push(Refusal { path: "spec".to_owned(), problem: "it is missing".to_owned() }),
            (None, _) => {}
        }
        // As the API server does: the rules take what they read for granted.
        if refusals.is_empty() {
            check_rules(&self.schema, object, old, "", &mut refusals);
        }
        refusals
    }

    fn check(&self, schema: &Value, value: &mut Value, path: &str, refusals: &mut Vec<Refusal>) {
        let mut refuse = |problem: String| refusals.push(Refusal { path: path.to_owned(), problem });
        let word = |key: &str| schema.get(key).and_then(Value::as_str);
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
            return;
        }
        let wanted = word("type").unwrap_or("object");
        if !is_of_type(value, wanted) {
            refuse(format!("{} is not of type {wanted}", shown(value)));
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
            refuse(format!("{} is none of {}", shown(value), allowed.join(", ")));
        }
        if let Some(number) = value.as_f64() {
            if let Some(least) = bound("minimum").filter(|least| number < *least) {
                refuse(format!("{number} is less than {least}"));
            }
            if let Some(most) = bound("maximum").filter(|most| number > *most) {
                refuse(format!("{number} is more than {most}"));
            }
        }
        if let Some(text) = value.as_str() {
            // A length is that of a text, far below where a float gets inexact.
            #[allow(clippy::cast_precision_loss)]
            let length = text.chars().count() as f64;
            if let Some(least) = bound("minLength").filter(|least| length < *least) {
                refuse(format!("{} has less than {least} characters", shown(value)));
            }
            if let Some(most) = bound("maxLength").filter(|most| length > *most) {
                refuse(format!("{} has more than {most} characters", shown(value)));
            }
            if let Some(pattern) = word("pattern")
                && self.patterns.get(pattern).is_some_and(|compiled| !compiled.is_match(text))
            {
                refuse(format!("{} does not match {pattern}", shown(value)));
            }
        }
        if let Some(members) = value.as_object_mut() {
            self.check_members(schema, members, path, refusals);
        }
    }

    fn check_members(&self, schema: &Value, members: &mut Map<String, Value>, path: &str, refusals: &mut Vec<Refusal>) {
        // A length is that of a map, far below where a float gets inexact.
        #[allow(clippy::cast_precision_loss)]
        let size = members.len() as f64;
        if let Some(most) = schema.get("maxProperties").and_then(Value::as_f64).filter(|most| size > *most) {
            let problem = format!("it has {size} members, and {most} are possible");
            refusals.push(Refusal { path: path.to_owned(), problem });
        }
        let additional = schema.get("additionalProperties");
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            // `null` stands for the default, where there is one and `null` is no value.
            let is_nullable = schema.get("nullable") == Some(&Value::Bool(true));
            let is_missing = members.get(name).is_none_or(|value| value.is_null() && !is_nullable);
            if let Some(default) = schema.get("default").filter(|_| is_missing) {
                members.insert(name.clone(), default.clone());
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                refusals.push(Refusal { path: format!("{path}.{name}"), problem: "it is missing".to_owned() });
            }
        }
        for (name, value) in members.iter_mut() {
            let member = format!("{path}.{name}");
            match (properties.and_then(|properties| properties.get(name)), additional) {
                (Some(schema), _) | (None, Some(schema)) => self.check(schema, value, &member, refusals),
                (None, None) => refusals.push(unknown(&member)),
            }
        }
    }
}

fn unknown(path: &str) -> Refusal {
    Refusal { path: path.to_owned(), problem: "there is no such field".to_owned() }
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(SHOWN_MAX).collect()
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        _ => true,
    }
}

fn compile(schema: &Value, patterns: &mut HashMap<String, Regex>) -> anyhow::Result<()> {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str().filter(|_| key == "pattern") {
                    Some(pattern) => drop(patterns.insert(pattern.to_owned(), Regex::new(pattern)?)),
                    None => compile(value, patterns)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| compile(item, patterns)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Holds the rules of a schema and of its members.
fn check_rules(schema: &Value, value: &Value, old: Option<&Value>, path: &str, refusals: &mut Vec<Refusal>) {
    if value.is_null() {
        return;
    }
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let word = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default();
        // A rule without a twin is one of a CRD that this file lags behind, which a test excludes; the API server holds it.
        if rules::holds(word("rule"), value, old) == Some(false) {
            let path = format!("{path}{}", word("fieldPath"));
            refusals.push(Refusal { path: path.trim_matches('.').to_owned(), problem: word("message").to_owned() });
        }
    }
    for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(member) = value.get(name) {
            let separator = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{separator}{name}");
            check_rules(schema, member, old.and_then(|old| old.get(name)), &path, refusals);
        }
    }
}

#[cfg(test)]
mod tests;
