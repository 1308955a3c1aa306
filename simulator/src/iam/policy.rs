//! Identity-based policies: how they are written, and what they decide (IAM user guide, "IAM JSON policy reference" and
//! "Policy evaluation logic").

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{Access, condition::Condition, pattern::Pattern};

/// The characters of a policy, white space aside: the most that AWS has for an identity (the inline policies of a role; IAM user
/// guide, "IAM and AWS STS quotas").
const LONGEST: usize = 10_240;

/// A policy that AWS would not take, or that the simulator could not hold to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PolicyError {
    /// Which part of it.
    pub place: String,
    /// What is wrong with it, and what to write instead.
    pub reason: String,
}

impl PolicyError {
    pub(crate) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// An identity-based policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    document: Value,
    statements: Vec<Statement>,
}

/// What a policy says of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    actions: Listed,
    resources: Listed,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Listed {
    These(Vec<Pattern>),
    AllBut(Vec<Pattern>),
}

impl Listed {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::These(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.matches(text)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DocumentMembers {
    #[serde(default)]
    version: Option<String>,
    #[serde(default, rename = "Id")]
    _id: Option<String>,
    statement: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StatementMembers {
    #[serde(default)]
    sid: Option<String>,
    effect: Effect,
    #[serde(default)]
    action: Option<Value>,
    #[serde(default)]
    not_action: Option<Value>,
    #[serde(default)]
    resource: Option<Value>,
    #[serde(default)]
    not_resource: Option<Value>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// What AWS would refuse, and what is not supported here: nothing in a policy is passed over.
    pub fn parse(document: Value) -> Result<Self, PolicyError> {
        let length = document.to_string().chars().filter(|character| !character.is_whitespace()).count();
        if length > LONGEST {
            return Err(PolicyError::new(
                "the policy",
                format!("it has {length} characters; AWS takes at most {LONGEST}"),
            ));
        }
        without_null(&document).map_err(|reason| PolicyError::new("the policy", reason))?;
        let members: DocumentMembers = serde_json::from_value(document.clone())
            .map_err(|error| PolicyError::new("the policy", error.to_string()))?;
        match members.version.as_deref() {
            None | Some("2012-10-17" | "2008-10-17") => {}
            Some(version) => {
                return Err(PolicyError::new("Version", format!("{version:?} does not exist; write \"2012-10-17\"")));
            }
        }
        let statements = match members.statement {
            Value::Array(statements) => statements,
            statement => vec![statement],
        };
        if statements.is_empty() {
            return Err(PolicyError::new("Statement", "there is none; to allow nothing, deny everything"));
        }
        let mut sids = BTreeSet::new();
        let parsed = statements.into_iter().enumerate().map(|(index, statement)| {
            let place = format!("Statement {}", index + 1);
            let (sid, statement) = Statement::parse(statement).map_err(|reason| PolicyError::new(&place, reason))?;
            match sid {
                Some(sid) if !sids.insert(sid.clone()) => {
                    Err(PolicyError::new(place, format!("the Sid {sid:?} is that of another statement, too")))
                }
                Some(_) | None => Ok(statement),
            }
        });
        let statements = parsed.collect::<Result<_, _>>()?;
        Ok(Self { document, statements })
    }

    /// The document that it was read from.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Whether an access is allowed: an explicit deny wins, and what nothing allows is not.
    #[must_use]
    pub fn decide(&self, access: &Access) -> Decision {
        let action = access.action().to_ascii_lowercase();
        let mut decision = Decision::NotAllowed;
        for Statement { effect, actions, resources, conditions } in &self.statements {
            let applies = actions.matches(&action)
                && resources.matches(&access.resource)
                && conditions.iter().all(|condition| condition.holds(&access.context));
            match (applies, effect) {
                (true, Effect::Deny) => return Decision::Denied,
                (true, Effect::Allow) => decision = Decision::Allowed,
                (false, Effect::Allow | Effect::Deny) => {}
            }
        }
        decision
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl Statement {
    fn parse(statement: Value) -> Result<(Option<String>, Self), String> {
        for principal in ["Principal", "NotPrincipal"] {
            if statement.get(principal).is_some() {
                return Err(format!("{principal} belongs into policies of resources; leave it out"));
            }
        }
        without_null(&statement)?;
        let StatementMembers { sid, effect, action, not_action, resource, not_resource, condition } =
            serde_json::from_value(statement).map_err(|error| error.to_string())?;
        if let Some(sid) = sid.as_ref().filter(|sid| !sid.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Err(format!("the Sid {sid:?} may have letters and digits only"));
        }
        let actions = listed(("Action", action), ("NotAction", not_action), action_pattern)?;
        let resources = listed(("Resource", resource), ("NotResource", not_resource), resource_pattern)?;
        let mut conditions = Vec::new();
        for (operator, keys) in &condition {
            if keys.is_empty() {
                return Err(format!("the condition {operator} has no key"));
            }
            for (key, values) in keys {
                conditions.push(Condition::parse(operator, key, values)?);
            }
        }
        Ok((sid.filter(|sid| !sid.is_empty()), Self { effect, actions, resources, conditions }))
    }
}

/// A member that is null would read as one that is not there, and AWS does not take it.
fn without_null(object: &Value) -> Result<(), String> {
    match object.as_object().and_then(|members| members.iter().find(|(_, value)| value.is_null())) {
        Some((name, _)) => Err(format!("{name} is null; leave it out")),
        None => Ok(()),
    }
}

/// Exactly one of two members, each a string or a list of strings.
fn listed(
    (name, these): (&str, Option<Value>),
    (not_name, all_but): (&str, Option<Value>),
    pattern: impl Fn(&str) -> Result<Pattern, String>,
) -> Result<Listed, String> {
    let read = |name: &str, value: Value| {
        let texts = match value {
            Value::Array(texts) if texts.is_empty() => return Err(format!("{name} is an empty list")),
            Value::Array(texts) => texts,
            text => vec![text],
        };
        let texts = texts.iter().map(|text| {
            let text = text.as_str().ok_or_else(|| format!("{name} has {text}, which is no string"))?;
            pattern(text).map_err(|reason| format!("{name} {text:?}: {reason}"))
        });
        texts.collect::<Result<Vec<_>, _>>()
    };
    match (these, all_but) {
        (Some(these), None) => read(name, these).map(Listed::These),
        (None, Some(all_but)) => read(not_name, all_but).map(Listed::AllBut),
        (None, None) => Err(format!("there is neither {name} nor {not_name}")),
        (Some(_), Some(_)) => Err(format!("there are both {name} and {not_name}; write one of them")),
    }
}

fn action_pattern(text: &str) -> Result<Pattern, String> {
    let character = |character: char| character.is_ascii_alphanumeric() || "-*?".contains(character);
    let well_formed = text == "*"
        || text.split_once(':').is_some_and(|(service, action)| {
            [service, action].iter().all(|part| !part.is_empty() && part.chars().all(character))
        });
    if well_formed {
        Ok(Pattern::text(&text.to_ascii_lowercase()))
    } else {
        Err("write * or SERVICE:ACTION, as in bedrock:GetCustomModel".to_owned())
    }
}

fn resource_pattern(text: &str) -> Result<Pattern, String> {
    if text == "*" {
        return Ok(Pattern::arn(text));
    }
    if text.contains("${") {
        return Err("policy variables are not supported: write the value".to_owned());
    }
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, service, ..] if service.contains(['*', '?']) => {
            Err("AWS takes no wildcard for the service".to_owned())
        }
        ["arn", _, _, _, _, _] => Ok(Pattern::arn(text)),
        ["arn", _, _, rest @ ..] if rest.last().is_some_and(|last| last.ends_with('*')) => Ok(Pattern::arn(text)),
        _ => Err("write * or an ARN, as in arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{iam::Context, operation::Operation};

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/summarizer00";

    fn access(operation: Operation, resource: &str) -> Access {
        Access { operation, resource: resource.to_owned(), context: Context::default() }
    }

    fn decide(statement: &Value, access: &Access) -> Decision {
        Policy::parse(json!({"Version": "2012-10-17", "Statement": statement})).unwrap().decide(access)
    }

    #[test]
    fn a_statement_is_about_its_actions_and_resources() {
        let get = access(Operation::GetProvisionedModelThroughput, ARN);
        for (members, expected) in [
            (json!({"Action": "bedrock:GetProvisionedModelThroughput", "Resource": ARN}), true),
            (json!({"Action": "BEDROCK:getprovisionedmodelthroughput", "Resource": ARN}), true),
            (json!({"Action": ["bedrock:List*", "bedrock:Get*"], "Resource": ["*"]}), true),
            (json!({"Action": "bedrock:?etProvisioned*", "Resource": "arn:aws:bedrock:*:*:provisioned-model/*"}), true),
            (json!({"Action": "*", "Resource": "*"}), true),
            (json!({"NotAction": "bedrock:Delete*", "Resource": "*"}), true),
            (json!({"Action": "*", "NotResource": "arn:aws:bedrock:*:*:custom-model/*"}), true),
            (json!({"Action": "bedrock:GetCustomModel", "Resource": "*"}), false),
            (json!({"Action": "s3:*", "Resource": "*"}), false),
            (json!({"NotAction": ["bedrock:Get*", "s3:*"], "Resource": "*"}), false),
            (
                json!({"Action": "*", "Resource": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/Summarizer00"}),
                false,
            ),
            (json!({"Action": "*", "Resource": "arn:aws:bedrock:us-west-2:*"}), false),
            (json!({"Action": "*", "NotResource": "arn:aws:bedrock:*:*:provisioned-model/*"}), false),
        ] {
            let mut statement = members.clone();
            statement["Effect"] = json!("Allow");
            let expected = if expected { Decision::Allowed } else { Decision::NotAllowed };
            assert_eq!(decide(&statement, &get), expected, "{members}");
        }
    }

    #[test]
    fn a_list_needs_all_resources() {
        let list = access(Operation::ListProvisionedModelThroughputs, "*");
        let allow = |resource: &str| json!({"Effect": "Allow", "Action": "bedrock:List*", "Resource": resource});
        assert_eq!(decide(&allow("*"), &list), Decision::Allowed);
        assert_eq!(
            decide(&allow("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*"), &list),
            Decision::NotAllowed
        );
    }

    #[test]
    fn a_deny_wins_wherever_it_stands() {
        let allow = json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
        let deny = json!({"Effect": "Deny", "Action": "bedrock:Delete*", "Resource": "*"});
        for statements in [json!([allow, deny]), json!([deny, allow])] {
            let delete = access(Operation::DeleteProvisionedModelThroughput, ARN);
            assert_eq!(decide(&statements, &delete), Decision::Denied);
            let get = access(Operation::GetProvisionedModelThroughput, ARN);
            assert_eq!(decide(&statements, &get), Decision::Allowed);
        }
    }

    #[test]
    fn every_condition_of_a_statement_must_hold() {
        let statement = json!({
            "Effect": "Allow", "Action": "bedrock:*", "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:ResourceTag/team": "search", "aws:RequestedRegion": ["us-east-1", "us-west-2"]},
                "Null": {"aws:ResourceTag/frozen": "true"},
            },
        });
        for (region, tags, expected) in [
            ("us-east-1", &[("team", "search")][..], Decision::Allowed),
            ("eu-west-1", &[("team", "search")], Decision::NotAllowed),
            ("us-east-1", &[("team", "ads")], Decision::NotAllowed),
            ("us-east-1", &[("team", "search"), ("frozen", "")], Decision::NotAllowed),
        ] {
            let mut get = access(Operation::GetProvisionedModelThroughput, ARN);
            region.clone_into(&mut get.context.region);
            get.context.resource_tags =
                tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(decide(&statement, &get), expected, "{region} {tags:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_and_named() {
        let with = |name: &str, value: Value| {
            let mut statement = json!({"Sid": "One", "Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
            statement[name] = value;
            json!({ "Statement": [statement] })
        };
        let twice = json!({"Sid": "One", "Effect": "Allow", "Action": "*", "Resource": "*"});
        for (document, named) in [
            (json!([]), "the policy"),
            (json!({}), "Statement"),
            (json!({"Statement": []}), "Statement"),
            (json!({"Statement": [twice, twice]}), "One"),
            (json!({"Statement": [twice], "Statements": []}), "Statements"),
            (json!({"Version": "2024-01-01", "Statement": [twice]}), "2024-01-01"),
            (json!({"Statement": {"Effect": "Allow", "Resource": "*"}}), "NotAction"),
            (json!({"Statement": {"Effect": "Allow", "Action": "*"}}), "NotResource"),
            (with("Effect", json!("allow")), "allow"),
            (with("Sid", json!("a b")), "a b"),
            (with("Principal", json!("*")), "Principal"),
            (with("Actions", json!("*")), "Actions"),
            (with("NotAction", json!("*")), "NotAction"),
            (with("NotResource", json!("*")), "NotResource"),
            (with("NotAction", json!(null)), "NotAction"),
            (json!({"Id": null, "Statement": [twice]}), "Id"),
            (with("Action", json!([])), "Action"),
            (with("Action", json!("GetCustomModel")), "GetCustomModel"),
            (with("Action", json!(["bedrock:*", 7])), "7"),
            (with("Action", json!("a:b:c")), "a:b:c"),
            (with("Resource", json!("provisioned-model/*")), "provisioned-model/*"),
            (with("Resource", json!("arn:aws:*:us-east-1:123456789012:x")), "service"),
            (with("Resource", json!("arn:aws:bedrock:us-east-1")), "us-east-1"),
            (with("Resource", json!("arn:aws:bedrock:*:*:provisioned-model/${aws:username}")), "${aws:username}"),
            (with("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})), "aws:SourceIp"),
            (with("Condition", json!({"ArnLike": {"aws:RequestedRegion": "x"}})), "ArnLike"),
            (with("Condition", json!({"StringEquals": {}})), "StringEquals"),
            (with("Action", json!(vec!["bedrock:GetCustomModel"; 1000])), "10240"),
        ] {
            let refused = Policy::parse(document.clone()).unwrap_err().to_string();
            assert!(refused.contains(named), "{document}: {refused}");
        }
    }
}
