//! Conditions of statements (IAM user guide, "IAM JSON policy elements: Condition operators" and "Set operators for
//! multivalued context keys").

use std::collections::BTreeMap;

use serde_json::Value;

use super::pattern::Pattern;

/// What a request says that conditions can ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `aws:RequestTag/KEY`, and by its keys `aws:TagKeys`: the tags that the request sets.
    pub request_tags: BTreeMap<String, String>,
    /// `aws:TagKeys` of a request that takes tags away.
    pub untagged: Vec<String>,
    /// `aws:ResourceTag/KEY`: the tags that the resource has.
    pub resource_tags: BTreeMap<String, String>,
    /// `aws:RequestedRegion`.
    pub region: String,
}

impl Context {
    /// The values of a key; none where the request does not have it.
    fn values(&self, key: &Key) -> Vec<&str> {
        match key {
            Key::RequestTag(tag) => tag_value(&self.request_tags, tag).into_iter().collect(),
            Key::ResourceTag(tag) => tag_value(&self.resource_tags, tag).into_iter().collect(),
            Key::TagKeys => self.request_tags.keys().chain(&self.untagged).map(String::as_str).collect(),
            Key::RequestedRegion => vec![self.region.as_str()],
        }
    }
}

/// The key of a tag is not case-sensitive here, other than everywhere else (IAM user guide, "AWS global condition context keys").
fn tag_value<'a>(tags: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    let exact = tags.get(key);
    let found = exact.or_else(|| tags.iter().find(|(had, _)| had.eq_ignore_ascii_case(key)).map(|(_, value)| value));
    found.map(String::as_str)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    RequestTag(String),
    ResourceTag(String),
    TagKeys,
    RequestedRegion,
}

impl Key {
    const SUPPORTED: &str = "aws:RequestTag/KEY, aws:ResourceTag/KEY, aws:TagKeys and aws:RequestedRegion";

    fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let tag = |prefix: &str| {
            let tag = lower.strip_prefix(prefix).and_then(|_| name.get(prefix.len()..));
            tag.filter(|tag| !tag.is_empty()).map(str::to_owned)
        };
        match lower.as_str() {
            "aws:tagkeys" => Some(Self::TagKeys),
            "aws:requestedregion" => Some(Self::RequestedRegion),
            _ => {
                tag("aws:requesttag/").map(Self::RequestTag).or_else(|| tag("aws:resourcetag/").map(Self::ResourceTag))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    key: Key,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Test {
    /// Whether the key is to be absent.
    Null(Vec<bool>),
    Text {
        compared: Compared,
        negated: bool,
        set: Option<Set>,
        if_exists: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Compared {
    Equal(Vec<String>),
    /// In lower case.
    EqualIgnoringCase(Vec<String>),
    Like(Vec<Pattern>),
}

impl Compared {
    fn any(&self, value: &str) -> bool {
        match self {
            Self::Equal(values) => values.iter().any(|wanted| wanted == value),
            Self::EqualIgnoringCase(values) => {
                let value = value.to_lowercase();
                values.contains(&value)
            }
            Self::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
        }
    }
}

impl Condition {
    /// A condition of these members of a policy: `{operator: {key: values}}`.
    ///
    /// # Errors
    /// What is not supported, with what is.
    pub(super) fn parse(operator: &str, key: &str, values: &Value) -> Result<Self, String> {
        let (set, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Some(Set::ForAllValues), name),
            Some(("ForAnyValue", name)) => (Some(Set::ForAnyValue), name),
            Some((prefix, _)) => {
                return Err(format!(
                    "the set operator {prefix:?} does not exist; there are ForAllValues and ForAnyValue"
                ));
            }
            None => (None, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let parsed = Key::parse(key)
            .ok_or_else(|| format!("the condition key {key:?} is not supported; those are {}", Key::SUPPORTED))?;
        let values = scalars(values).map_err(|wrong| format!("{operator} of {key}: {wrong}"))?;
        if name == "Null" {
            if set.is_some() || if_exists {
                return Err(format!("the condition operator {operator:?} does not exist: write Null alone"));
            }
            let absent = values.iter().map(|value| {
                value.parse::<bool>().map_err(|_| format!("Null of {key} is {value:?}; write \"true\" or \"false\""))
            });
            return Ok(Self { key: parsed, test: Test::Null(absent.collect::<Result<_, _>>()?) });
        }
        if set.is_none() && parsed == Key::TagKeys {
            return Err(format!("{key} has several values: write ForAllValues:{name} or ForAnyValue:{name}"));
        }
        if let Some(variable) = values.iter().find(|value| value.contains("${")) {
            return Err(format!("the policy variable in {variable:?} is not supported: write its value"));
        }
        let lower = |values: Vec<String>| values.iter().map(|value| value.to_lowercase()).collect();
        let like = |values: Vec<String>| values.iter().map(|value| Pattern::text(value)).collect();
        let (compared, negated) = match name {
            "StringEquals" => (Compared::Equal(values), false),
            "StringNotEquals" => (Compared::Equal(values), true),
            "StringEqualsIgnoreCase" => (Compared::EqualIgnoringCase(lower(values)), false),
            "StringNotEqualsIgnoreCase" => (Compared::EqualIgnoringCase(lower(values)), true),
            "StringLike" => (Compared::Like(like(values)), false),
            "StringNotLike" => (Compared::Like(like(values)), true),
            _ => {
                return Err(format!(
                    "the condition operator {operator:?} is not supported; those are StringEquals, StringEqualsIgnoreCase, StringLike, \
                     their opposites with Not, each with IfExists, ForAllValues: and ForAnyValue:, and Null"
                ));
            }
        };
        Ok(Self { key: parsed, test: Test::Text { compared, negated, set, if_exists } })
    }

    pub(super) fn holds(&self, context: &Context) -> bool {
        let present = context.values(&self.key);
        match &self.test {
            Test::Null(absent) => absent.contains(&present.is_empty()),
            Test::Text { if_exists: true, .. } if present.is_empty() => true,
            Test::Text { compared, negated, set, if_exists: _ } => {
                let accepts = |value: &&str| compared.any(value) != *negated;
                match set {
                    // A key that is not there differs from everything.
                    None => present.first().map_or(*negated, accepts),
                    Some(Set::ForAllValues) => present.iter().all(accepts),
                    Some(Set::ForAnyValue) => present.iter().any(accepts),
                }
            }
        }
    }
}

/// The values of a key, each as text: one, or a list.
fn scalars(values: &Value) -> Result<Vec<String>, String> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(format!("{value} is no value; write a string")),
    };
    match values {
        Value::Array(values) if values.is_empty() => Err("the list of values is empty".to_owned()),
        Value::Array(values) => values.iter().map(scalar).collect(),
        one => Ok(vec![scalar(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context(tags: &[(&str, &str)]) -> Context {
        let tags: BTreeMap<String, String> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Context {
            request_tags: tags.clone(),
            untagged: Vec::new(),
            resource_tags: tags,
            region: "us-east-1".to_owned(),
        }
    }

    #[test]
    fn operators_on_one_value() {
        let team = |value: &'static str| context(&[("team", value)]);
        let key = "aws:ResourceTag/team";
        for (operator, values, context, expected) in [
            ("StringEquals", json!("search"), team("search"), true),
            ("StringEquals", json!(["ads", "search"]), team("search"), true),
            ("StringEquals", json!("search"), team("Search"), false),
            ("StringEquals", json!("s*"), team("search"), false),
            ("StringEquals", json!("search"), context(&[]), false),
            ("StringEqualsIfExists", json!("search"), context(&[]), true),
            ("StringEqualsIfExists", json!("search"), team("ads"), false),
            ("StringEqualsIgnoreCase", json!("SEARCH"), team("Search"), true),
            ("StringNotEquals", json!("search"), team("ads"), true),
            ("StringNotEquals", json!(["ads", "search"]), team("ads"), false),
            ("StringNotEquals", json!("search"), context(&[]), true),
            ("StringNotEqualsIgnoreCase", json!("SEARCH"), team("Search"), false),
            ("StringLike", json!("s*c?"), team("search"), true),
            ("StringLike", json!("S*"), team("search"), false),
            ("StringLike", json!("*"), context(&[]), false),
            ("StringLikeIfExists", json!("x*"), context(&[]), true),
            ("StringNotLike", json!("s*"), team("search"), false),
            ("StringNotLike", json!("s*"), team("ads"), true),
            ("Null", json!("true"), context(&[]), true),
            ("Null", json!("true"), team("search"), false),
            ("Null", json!(false), team("search"), true),
            ("Null", json!(false), context(&[]), false),
        ] {
            let condition = Condition::parse(operator, key, &values).unwrap();
            assert_eq!(condition.holds(&context), expected, "{operator} {values} {context:?}");
        }
    }

    #[test]
    fn operators_on_sets() {
        let both = context(&[("team", "search"), ("stage", "prod")]);
        for (operator, values, context, expected) in [
            ("ForAllValues:StringEquals", json!(["team", "stage", "other"]), both.clone(), true),
            ("ForAllValues:StringEquals", json!(["team"]), both.clone(), false),
            ("ForAllValues:StringEquals", json!(["Team", "stage"]), both.clone(), false),
            ("ForAllValues:StringEquals", json!(["team"]), context(&[]), true),
            ("ForAllValues:StringLike", json!(["t*", "s*"]), both.clone(), true),
            ("ForAllValues:StringNotEquals", json!(["owner"]), both.clone(), true),
            ("ForAllValues:StringNotEquals", json!(["team"]), both.clone(), false),
            ("ForAnyValue:StringEquals", json!(["team"]), both.clone(), true),
            ("ForAnyValue:StringEquals", json!(["owner"]), both.clone(), false),
            ("ForAnyValue:StringEquals", json!(["team"]), context(&[]), false),
            ("ForAnyValue:StringEqualsIfExists", json!(["team"]), context(&[]), true),
            ("ForAnyValue:StringNotEquals", json!(["team"]), both, true),
            ("Null", json!("true"), context(&[]), true),
        ] {
            let condition = Condition::parse(operator, "aws:TagKeys", &values).unwrap();
            assert_eq!(condition.holds(&context), expected, "{operator} {values} {context:?}");
        }
    }

    #[test]
    fn the_keys_are_those_of_the_request() {
        let context = Context {
            request_tags: BTreeMap::from([("team".to_owned(), "asked".to_owned())]),
            untagged: vec!["gone".to_owned()],
            resource_tags: BTreeMap::from([("Team".to_owned(), "had".to_owned())]),
            region: "eu-west-1".to_owned(),
        };
        for (operator, key, value) in [
            ("StringEquals", "aws:RequestTag/team", "asked"),
            ("StringEquals", "AWS:requesttag/TEAM", "asked"),
            ("StringEquals", "aws:ResourceTag/team", "had"),
            ("StringEquals", "aws:RequestedRegion", "eu-west-1"),
            ("ForAnyValue:StringEquals", "aws:TagKeys", "team"),
            ("ForAnyValue:StringEquals", "aws:TagKeys", "gone"),
        ] {
            assert!(Condition::parse(operator, key, &json!(value)).unwrap().holds(&context), "{operator} {key}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (operator, key, values, named) in [
            ("DateLessThan", "aws:RequestedRegion", json!("x"), "DateLessThan"),
            ("Bool", "aws:RequestedRegion", json!("true"), "Bool"),
            ("stringequals", "aws:RequestedRegion", json!("x"), "stringequals"),
            ("ForSomeValues:StringEquals", "aws:TagKeys", json!("x"), "ForSomeValues"),
            ("ForAllValues:Null", "aws:TagKeys", json!("true"), "ForAllValues:Null"),
            ("NullIfExists", "aws:TagKeys", json!("true"), "NullIfExists"),
            ("StringEquals", "aws:TagKeys", json!("x"), "ForAllValues:StringEquals"),
            ("StringEquals", "aws:SourceIp", json!("x"), "aws:SourceIp"),
            ("StringEquals", "aws:ResourceTag/", json!("x"), "aws:ResourceTag/"),
            ("StringEquals", "aws:ResourceTag/team", json!("${aws:username}"), "${aws:username}"),
            ("StringEquals", "aws:ResourceTag/team", json!([]), "empty"),
            ("StringEquals", "aws:ResourceTag/team", json!({"a": 1}), r#"{"a":1}"#),
            ("Null", "aws:ResourceTag/team", json!("yes"), "yes"),
        ] {
            let wrong = Condition::parse(operator, key, &values).unwrap_err();
            assert!(wrong.contains(named), "{operator} {key}: {wrong}");
        }
    }
}
