//! The reference of the API, made from the CRD: every field with its type, default, bounds and meaning.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// A `CustomResourceDefinition`, as far as it is documented.
#[derive(Debug, Deserialize)]
struct Crd {
    spec: CrdSpec,
}

#[derive(Debug, Deserialize)]
struct CrdSpec {
    group: String,
    names: Names,
    scope: String,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Names {
    kind: String,
    plural: String,
    #[serde(default, rename = "shortNames")]
    short: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: String,
    schema: Validation,
    #[serde(default)]
    additional_printer_columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Validation {
    #[serde(rename = "openAPIV3Schema")]
    root: Schema,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    name: String,
    json_path: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    priority: i32,
}

/// A schema. A keyword that is not known here is an error: it would be a bound that the reference does not tell.
#[derive(Debug, Deserialize, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Schema {
    title: Option<String>,
    description: Option<String>,
    r#type: Option<String>,
    format: Option<String>,
    nullable: bool,
    default: Option<Value>,
    r#enum: Vec<Value>,
    pattern: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    required: Vec<String>,
    properties: BTreeMap<String, Schema>,
    additional_properties: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-validations")]
    rules: Vec<Rule>,
    #[serde(rename = "x-kubernetes-list-type")]
    list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    list_map_keys: Vec<String>,
}

/// A rule in CEL. Its message is what people read; the expression stands in the CRD.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(rename = "rule")]
    _expression: String,
    message: String,
    field_path: Option<String>,
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

/// The reference of the APIs of some CRDs, as Markdown.
///
/// # Errors
/// When a CRD is not one, or its schema has a keyword that the reference would not tell.
pub(super) fn api(crds: &[String]) -> Result<String> {
    let mut page = String::new();
    for crd in crds {
        let Crd { spec } = serde_saphyr::from_str(crd).context("reading a CRD for the reference")?;
        for version in &spec.versions {
            page.push_str(&of_version(&spec, version)?);
        }
    }
    Ok(page)
}

fn of_version(spec: &CrdSpec, version: &Version) -> Result<String> {
    let CrdSpec { group, names, scope, versions: _ } = spec;
    let Names { kind, plural, short, categories } = names;
    let Version { name, schema: Validation { root }, additional_printer_columns } = version;
    let mut page = String::new();
    writeln!(page, "\n## {kind}\n")?;
    writeln!(page, "{}\n", paragraphs(root.description.as_deref().unwrap_or_default()))?;
    writeln!(page, "| | |\n|---|---|")?;
    writeln!(page, "| `apiVersion` | `{group}/{name}` |")?;
    writeln!(page, "| `kind` | `{kind}` |")?;
    writeln!(page, "| resource | `{plural}`, {} |", scope.to_lowercase())?;
    let others = short.iter().chain(categories).map(|other| code(other)).collect::<Vec<_>>();
    writeln!(page, "| also for `kubectl get` | {} |", others.join(", "))?;
    page.push_str(&rules(&[("", root)])?);
    let mut told = Vec::new();
    for (field, schema) in &root.properties {
        object(&mut page, field, schema, &mut told)?;
    }
    if !additional_printer_columns.is_empty() {
        writeln!(page, "\n### Columns of `kubectl get`\n\n| column | shows | from |\n|---|---|---|")?;
        for Column { name, json_path, description, priority } in additional_printer_columns {
            let wide = if *priority > 0 { " (with `--output wide`)" } else { "" };
            writeln!(page, "| `{}`{wide} | {} | {} |", name.to_uppercase(), cell(description), code(json_path))?;
        }
    }
    Ok(page)
}

/// The section of an object, and those of the objects in it. `told` has the sections so far: an object with the same members as another
/// refers to it.
fn object<'a>(page: &mut String, path: &str, schema: &'a Schema, told: &mut Vec<(String, &'a Schema)>) -> Result<()> {
    writeln!(page, "\n### {path}\n")?;
    if let Some(description) = &schema.description {
        writeln!(page, "{}\n", paragraphs(description))?;
    }
    if let Some(default) = &schema.default {
        writeln!(page, "Left out, it is {}.\n", code(&default.to_string()))?;
    }
    if let Some((twin, _)) = told.iter().find(|(_, other)| other.properties == schema.properties) {
        writeln!(page, "It has the same fields as {}.", link(twin))?;
        return Ok(());
    }
    told.push((path.to_owned(), schema));
    writeln!(page, "| field | type | default | bounds | meaning |\n|---|---|---|---|---|")?;
    for (name, field) in &schema.properties {
        let default = match &field.default {
            _ if schema.required.contains(name) => "required".to_owned(),
            Some(default) => code(&text(default)),
            None => String::new(),
        };
        let (kind, bounds) = (kind(&format!("{path}.{name}"), field), cell(&bounds(field).join("; ")));
        let meaning = cell(field.description.as_deref().unwrap_or_default());
        writeln!(page, "| `{name}` | {kind} | {default} | {bounds} | {meaning} |")?;
    }
    page.push_str(&patterns(schema)?);
    let fields = schema.properties.iter().map(|(name, field)| (name.as_str(), field));
    page.push_str(&rules(&[("", schema)].into_iter().chain(fields).collect::<Vec<_>>())?);
    for (name, field) in &schema.properties {
        let path = format!("{path}.{name}");
        if let Some((path, inner)) = inner(&path, field) {
            object(page, &path, inner, told)?;
        }
    }
    Ok(())
}

/// The object that a field is or holds, and the path of its section.
fn inner<'a>(path: &str, field: &'a Schema) -> Option<(String, &'a Schema)> {
    let Schema { properties, items, additional_properties, .. } = field;
    if !properties.is_empty() {
        return Some((path.to_owned(), field));
    }
    let held = items.as_deref().map(|items| (format!("{path}[]"), items));
    let held = held.or_else(|| additional_properties.as_deref().map(|values| (format!("{path}.*"), values)));
    held.and_then(|(path, held)| inner(&path, held))
}

fn kind(path: &str, field: &Schema) -> String {
    let Schema { r#type, format, items, additional_properties, .. } = field;
    let word = r#type.as_deref().unwrap_or("any");
    match (inner(path, field), items, additional_properties) {
        (Some((path, _)), None, None) => link_as(word, &path),
        (Some((path, _)), Some(_), _) => format!("array of {}", link_as("object", &path)),
        (Some((path, _)), None, Some(_)) => format!("map of {}", link_as("object", &path)),
        (None, Some(items), _) => format!("array of {}", kind(path, items)),
        (None, None, Some(values)) => format!("map of {}", kind(path, values)),
        (None, None, None) => format.as_ref().map_or_else(|| word.to_owned(), |format| format!("{word} ({format})")),
    }
}

/// What a schema bounds, but for the pattern, which is too long for a table.
fn bounds(field: &Schema) -> Vec<String> {
    let Schema { min_length, max_length, min_items, max_items, min_properties, max_properties, .. } = field;
    let mut bounds = Vec::new();
    if !field.r#enum.is_empty() {
        let values: Vec<String> = field.r#enum.iter().map(|value| code(&text(value))).collect();
        bounds.push(format!("one of {}", values.join(", ")));
    }
    bounds.extend(range(field.minimum.as_ref(), field.maximum.as_ref(), ""));
    bounds.extend(range(min_length.as_ref(), max_length.as_ref(), " characters"));
    bounds.extend(range(min_items.as_ref(), max_items.as_ref(), " items"));
    bounds.extend(range(min_properties.as_ref(), max_properties.as_ref(), " entries"));
    if !field.list_map_keys.is_empty() {
        bounds.push(format!("one for each {}", field.list_map_keys.join(", ")));
    }
    if field.pattern.is_some() {
        bounds.push("a pattern".to_owned());
    }
    for (of, held) in [("each: ", &field.items), ("values: ", &field.additional_properties)] {
        let held = held.as_deref().filter(|held| held.properties.is_empty()).map(self::bounds).unwrap_or_default();
        if !held.is_empty() {
            bounds.push(format!("{of}{}", held.join("; ")));
        }
    }
    bounds
}

fn range<N: std::fmt::Display>(least: Option<&N>, most: Option<&N>, of: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, Some(most)) => Some(format!("up to {most}{of}")),
        (None, None) => None,
    }
}

/// The patterns of the fields, each once.
fn patterns(schema: &Schema) -> Result<String> {
    let mut fields_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, field) in &schema.properties {
        let held = [("", Some(field)), ("each of ", field.items.as_deref())];
        let held = held.into_iter().chain([("values of ", field.additional_properties.as_deref())]);
        for (of, held) in held {
            if let Some(pattern) = held.and_then(|held| held.pattern.as_deref()) {
                fields_of.entry(pattern).or_default().push(format!("{of}`{name}`"));
            }
        }
    }
    let mut fields_of: Vec<(String, &str)> =
        fields_of.into_iter().map(|(pattern, fields)| (fields.join(", "), pattern)).collect();
    fields_of.sort_unstable();
    let mut list = String::new();
    for (fields, pattern) in &fields_of {
        writeln!(list, "- {fields}: {}", code(pattern))?;
    }
    Ok(if list.is_empty() { list } else { format!("\nPatterns:\n\n{list}") })
}

/// The rules of some schemas, each with the field that it is of.
fn rules(schemas: &[(&str, &Schema)]) -> Result<String> {
    let mut list = String::new();
    for (name, schema) in schemas {
        for Rule { message, field_path, .. } in &schema.rules {
            let path = field_path.as_deref().map(|path| path.trim_start_matches('.')).unwrap_or_default();
            let of = [*name, path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
            let of = if of.is_empty() { String::new() } else { format!("{}: ", code(&of)) };
            writeln!(list, "- {of}{}", one_line(message))?;
        }
    }
    Ok(if list.is_empty() {
        list
    } else {
        format!("\nWhat the API server refuses besides, and what it says:\n\n{list}")
    })
}

fn link(path: &str) -> String {
    link_as(&code(path), path)
}

/// A link to the section of a path; its anchor is what GitHub makes from the heading.
fn link_as(words: &str, path: &str) -> String {
    let anchor: String =
        path.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("[{words}](#{anchor})")
}

/// A value as it is written in a manifest.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn code(text: &str) -> String {
    // More backticks around than within (CommonMark, "Code spans").
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A text for a cell of a table.
fn cell(text: &str) -> String {
    paragraphs(text).replace("\n\n", "<br>").replace('|', "\\|")
}

/// A text without the line breaks within its paragraphs.
fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(one_line).collect::<Vec<_>>().join("\n\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd(properties: &str) -> Vec<String> {
        let indented = properties.lines().collect::<Vec<_>>().join("\n              ");
        vec![format!(
            "spec:
  group: a.dev
  names: {{kind: Thing, plural: things, shortNames: [th], categories: [all]}}
  scope: Namespaced
  versions:
  - name: v1
    additionalPrinterColumns:
    - {{name: Size, jsonPath: .status.size, description: How large}}
    - {{name: More, jsonPath: .status.more, priority: 1}}
    schema:
      openAPIV3Schema:
        description: A thing.
        type: object
        x-kubernetes-validations:
        - {{rule: 'true', message: the id stays, fieldPath: .spec.id}}
        properties:
          spec:
            type: object
            required: [must]
            properties:
              {indented}"
        )]
    }

    fn page(properties: &str) -> String {
        api(&crd(properties)).unwrap()
    }

    fn row(properties: &str) -> String {
        let page = page(properties);
        page.lines().find(|line| line.starts_with("| `f`")).unwrap_or_else(|| panic!("{page}")).to_owned()
    }

    #[test]
    fn the_head_tells_what_the_kind_is_called_and_what_is_refused() {
        let page = page("f: {type: string}");
        for part in
            ["## Thing\n\nA thing.\n", "| `apiVersion` | `a.dev/v1` |", "`th`, `all`", "- `spec.id`: the id stays"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn a_field_has_its_type_default_and_bounds() {
        let row = |field: &str| row(&format!("f: {field}"));
        assert_eq!(row("{type: string, default: a, enum: [a, b]}"), "| `f` | string | `a` | one of `a`, `b` |  |");
        assert_eq!(row("{type: integer, format: int32, minimum: 1.0}"), "| `f` | integer (int32) |  | at least 1 |  |");
        assert_eq!(row("{type: string, minLength: 1, maxLength: 9}"), "| `f` | string |  | 1 to 9 characters |  |");
        assert_eq!(row("{type: boolean, default: false}"), "| `f` | boolean | `false` |  |  |");
        assert_eq!(
            row("{type: array, maxItems: 3, items: {type: string}}"),
            "| `f` | array of string |  | up to 3 items |  |"
        );
        let tags = "{type: object, maxProperties: 50, additionalProperties: {type: string, maxLength: 256}}";
        assert_eq!(row(tags), "| `f` | map of string |  | up to 50 entries; values: up to 256 characters |  |");
    }

    #[test]
    fn a_required_field_is_marked() {
        assert!(page("must: {type: string}").contains("| `must` | string | required |"));
    }

    #[test]
    fn a_description_stays_in_its_cell() {
        let row = row("f:\n  type: string\n  description: |-\n    One\n    line | bar.\n\n    Two.");
        assert_eq!(row, "| `f` | string |  |  | One line \\| bar.<br>Two. |");
    }

    #[test]
    fn patterns_and_rules_stand_below_the_table() {
        let page =
            page("f: {type: string, pattern: '^a|b$', x-kubernetes-validations: [{rule: 'x', message: not so}]}");
        assert!(page.contains("| a pattern |") && page.contains("- `f`: `^a|b$`\n"), "{page}");
        assert!(page.contains("- `f`: not so\n"), "{page}");
    }

    #[test]
    fn a_pattern_of_several_fields_stands_once() {
        let page = page("f: {type: string, pattern: x}\ng: {type: string, pattern: x}\nh: {type: string, pattern: y}");
        assert!(page.contains("Patterns:\n\n- `f`, `g`: `x`\n- `h`: `y`\n"), "{page}");
    }

    #[test]
    fn an_object_has_a_section_and_one_like_it_refers_to_that() {
        let page = page(
            "f: {type: object, description: First., properties: {in: {type: string}}}\n\
             g: {type: object, description: Second., properties: {in: {type: string}}}\n\
             h: {type: array, items: {type: object, properties: {deep: {type: string}}}}",
        );
        assert!(page.contains("| `f` | [object](#specf) |") && page.contains("### spec.f\n\nFirst.\n"), "{page}");
        assert!(page.contains("### spec.g\n\nSecond.\n\nIt has the same fields as [`spec.f`](#specf).\n"), "{page}");
        assert!(page.contains("| `h` | array of [object](#spech) |") && page.contains("### spec.h[]\n"), "{page}");
    }

    #[test]
    fn columns_are_listed() {
        let page = page("f: {type: string}");
        assert!(page.contains("| `SIZE` | How large | `.status.size` |"), "{page}");
        assert!(page.contains("| `MORE` (with `--output wide`) |"), "{page}");
    }

    #[test]
    fn a_bound_that_would_not_be_told_is_an_error() {
        let error = api(&crd("f: {type: integer, multipleOf: 5}")).unwrap_err();
        assert!(format!("{error:#}").contains("multipleOf"), "{error:#}");
    }
}
