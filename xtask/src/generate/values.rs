//! The values of a chart, from its `values.schema.json`, which says what each is, may be and is by default: the file
//! `values.yaml`, and the table in the chart's README.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// How wide comments are.
const WIDTH: usize = 110;

/// A schema, as far as it is of interest here; helm itself reads the rest of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Schema {
    description: Option<String>,
    #[serde(deserialize_with = "some")]
    default: Option<Value>,
    r#enum: Vec<Value>,
    properties: Properties,
    additional_properties: Option<Value>,
    #[serde(rename = "$ref")]
    reference: Option<String>,
    definitions: BTreeMap<String, Schema>,
}

/// A `null` that is there is a value, too.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Properties in the order in which they stand in the file.
#[derive(Debug, Default)]
struct Properties(Vec<(String, Schema)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = Vec::new();
                while let Some(property) = map.next_entry()? {
                    properties.push(property);
                }
                Ok(Properties(properties))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A value of the chart.
#[derive(Debug, PartialEq)]
struct Entry {
    /// Its path, such as `image.tag`.
    path: String,
    meaning: String,
    holds: Holds,
}

#[derive(Debug, PartialEq)]
enum Holds {
    /// Other values.
    Entries(Vec<Entry>),
    /// What is not taken apart further, by default.
    Default(Value),
}

/// The text of `values.yaml`.
///
/// # Errors
/// When a value has no description or default, or an object lets unknown keys through.
pub(super) fn file(schema: &str) -> Result<String> {
    let mut text = String::new();
    for entry in entries(schema)? {
        text.push('\n');
        write_entry(&entry, 0, &mut text)?;
    }
    Ok(text)
}

/// The table for the README.
///
/// # Errors
/// As [`file`].
pub(super) fn table(schema: &str) -> Result<String> {
    let mut text = "| value | default | |\n|---|---|---|\n".to_owned();
    for entry in entries(schema)? {
        row(&entry, &mut text)?;
    }
    Ok(text)
}

fn entries(schema: &str) -> Result<Vec<Entry>> {
    let schema: Schema = serde_json::from_str(schema).context("reading values.schema.json")?;
    below("", &schema, &schema.definitions)
}

fn below(path: &str, schema: &Schema, definitions: &BTreeMap<String, Schema>) -> Result<Vec<Entry>> {
    if schema.additional_properties != Some(Value::Bool(false)) {
        bail!("{path}: an object with properties has to refuse others: set additionalProperties to false");
    }
    let Properties(properties) = &schema.properties;
    properties.iter().map(|(name, schema)| entry(&format!("{path}{name}"), schema, definitions)).collect()
}

fn entry(path: &str, schema: &Schema, definitions: &BTreeMap<String, Schema>) -> Result<Entry> {
    let shared = match &schema.reference {
        Some(reference) => {
            let name = reference.strip_prefix("#/definitions/").unwrap_or(reference);
            definitions.get(name).with_context(|| format!("{path}: there is no definition {reference}"))?
        }
        None => schema,
    };
    let mut meaning = schema.description.clone().with_context(|| format!("{path} has no description"))?;
    if !shared.r#enum.is_empty() {
        let choices: Vec<String> = shared.r#enum.iter().map(|choice| format!("`{choice}`")).collect();
        meaning = format!("{meaning} One of {}.", choices.join(", "));
    }
    let holds = match (&schema.default, shared.properties.0.is_empty()) {
        (Some(default), true) => Holds::Default(default.clone()),
        (None, false) => Holds::Entries(below(&format!("{path}."), shared, definitions)?),
        (Some(_), false) => bail!("{path}: its default is that of its properties: take it out"),
        (None, true) => bail!("{path} has no default"),
    };
    Ok(Entry { path: path.to_owned(), meaning, holds })
}

fn write_entry(entry: &Entry, depth: usize, text: &mut String) -> Result<()> {
    let indent = "  ".repeat(depth);
    let Entry { path, meaning, holds } = entry;
    let name = path.rsplit('.').next().unwrap_or(path);
    for line in wrapped(meaning, WIDTH.saturating_sub(indent.len() + 2)) {
        writeln!(text, "{indent}# {line}")?;
    }
    match holds {
        Holds::Entries(entries) => {
            writeln!(text, "{indent}{name}:")?;
            for entry in entries {
                write_entry(entry, depth + 1, text)?;
            }
        }
        Holds::Default(value) => {
            let yaml = serde_saphyr::to_string(&BTreeMap::from([(name, value)]));
            for line in yaml.with_context(|| format!("writing {path}"))?.lines() {
                writeln!(text, "{indent}{line}")?;
            }
        }
    }
    Ok(())
}

fn row(entry: &Entry, text: &mut String) -> fmt::Result {
    let Entry { path, meaning, holds } = entry;
    let meaning = meaning.replace('|', "\\|");
    match holds {
        Holds::Entries(entries) => {
            writeln!(text, "| `{path}` | | {meaning} |")?;
            entries.iter().try_for_each(|entry| row(entry, text))
        }
        Holds::Default(value) => writeln!(text, "| `{path}` | `{value}` | {meaning} |"),
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "additionalProperties": false,
        "properties": {
            "zone": {"description": "Where | it is.", "enum": ["a", ""], "default": "a"},
            "image": {
                "description": "The image.",
                "additionalProperties": false,
                "properties": {
                    "tag": {"$ref": "#/definitions/text", "description": "The tag.", "default": "1.0"},
                    "pull": {"description": "Whether.", "default": true},
                    "pin": {"description": "No.", "default": null}
                }
            },
            "list": {"description": "A list.", "default": [{"key": "x", "all": []}]}
        },
        "definitions": {"text": {"type": "string"}}
    }"##;

    #[test]
    fn the_file_has_the_order_the_descriptions_and_the_defaults_of_the_schema() {
        let text = file(SCHEMA).unwrap();
        let zone = "\n# Where | it is. One of `\"a\"`, `\"\"`.\nzone: a\n";
        let image =
            "\n# The image.\nimage:\n  # The tag.\n  tag: \"1.0\"\n  # Whether.\n  pull: true\n  # No.\n  pin: null\n";
        assert!(text.starts_with(&format!("{zone}{image}\n# A list.\nlist:\n")), "{text}");
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read.pointer("/image/tag"), Some(&Value::from("1.0")));
        assert_eq!(read.pointer("/list/0/key"), Some(&Value::from("x")));
        assert_eq!(read.pointer("/list/0/all"), Some(&Value::from(Vec::<Value>::new())));
    }

    #[test]
    fn the_table_has_a_row_for_each_value() {
        let table = table(SCHEMA).unwrap();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(rows[0], r#"| `zone` | `"a"` | Where \| it is. One of `"a"`, `""`. |"#);
        assert_eq!(rows[1..3], ["| `image` | | The image. |", "| `image.tag` | `\"1.0\"` | The tag. |"]);
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn a_schema_that_lets_something_through_is_an_error_that_names_it() {
        for (from, to, names) in [
            (r#""description": "The tag.", "#, "", "image.tag has no description"),
            (r#", "default": true"#, "", "image.pull has no default"),
            ("definitions/text", "definitions/other", "image.tag: there is no definition"),
            (
                r#""The image.",
                "additionalProperties": false"#,
                r#""The image.", "x": 0"#,
                "image.: an object with properties",
            ),
        ] {
            let schema = SCHEMA.replacen(from, to, 1);
            assert_ne!(schema, SCHEMA, "{from}");
            let error = format!("{:#}", file(&schema).unwrap_err());
            assert!(error.contains(names), "{error}");
        }
    }

    #[test]
    fn comments_are_wrapped() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }
}
