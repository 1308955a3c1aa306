//! The calls that change something at AWS, as data: what is due, what is sent, and what is written down about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    crd::{CallRequest, ChangeCause, CommitmentDuration, PlanAction},
    identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelName},
};

/// The longest token that AWS takes (shape `IdempotencyToken`), in characters.
const TOKEN_MAX: usize = 256;

/// A call, with everything that is sent beside the throughput's ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// `CreateProvisionedModelThroughput`.
    Create(Create),
    /// `UpdateProvisionedModelThroughput`.
    Update(Update),
    /// `UntagResource` and `TagResource`, whichever there is something for.
    Tag(Tag),
    /// `DeleteProvisionedModelThroughput`.
    Delete,
}

/// What is bought.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Create {
    /// The idempotency token: AWS carries out the first call with it, and no other.
    pub token: String,
    /// The name.
    pub name: ProvisionedModelName,
    /// The model.
    pub model: ModelArn,
    /// How many model units.
    pub units: i32,
    /// For how long; `None`: it can be deleted at any time.
    pub commitment: Option<CommitmentDuration>,
    /// The tags of the manifest, and those that name the owner.
    pub tags: BTreeMap<String, String>,
}

impl Create {
    /// The idempotency token of a purchase: the object's uid, and the id of what it takes the place of (AWS shape `IdempotencyToken`).
    #[must_use]
    pub fn token(uid: &str, replaced_id: Option<&str>) -> String {
        let text = replaced_id.map_or_else(|| uid.to_owned(), |id| format!("{uid}-{id}"));
        // A uid is an opaque string to everybody but the API server that made it.
        let legal: String =
            text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(TOKEN_MAX).collect();
        legal.trim_matches('-').to_owned()
    }

    /// Whether it takes the place of a throughput that failed or is gone.
    #[must_use]
    pub fn replaces(&self, arn: &ProvisionedModelArn) -> bool {
        self.token.strip_suffix(arn.resource_id()).is_some_and(|start| start.ends_with('-'))
    }
}

/// What is changed in place. Only what differs is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Update {
    /// The new name.
    pub name: Option<ProvisionedModelName>,
    /// The new model.
    pub model: Option<ModelArn>,
}

impl Update {
    /// Whether it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { name, model } = self;
        name.is_none() && model.is_none()
    }

    /// Whether it asks for everything that `other` asks for.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        (other.name.is_none() || self.name == other.name) && (other.model.is_none() || self.model == other.model)
    }
}

/// Tags that are put on and taken off.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tag {
    /// Put on, or given another value.
    pub set: BTreeMap<String, String>,
    /// Taken off.
    pub remove: BTreeSet<String>,
}

impl Tag {
    /// Whether it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { set, remove } = self;
        set.is_empty() && remove.is_empty()
    }

    /// Whether `tags` are as this asks for.
    #[must_use]
    pub fn is_shown_by(&self, tags: &BTreeMap<String, String>) -> bool {
        self.set.iter().all(|(key, value)| tags.get(key) == Some(value))
            && self.remove.iter().all(|key| !tags.contains_key(key))
    }
}

/// A call that is due, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The call.
    pub call: Call,
    /// The throughput that it is about; a Create has none yet.
    pub arn: Option<ProvisionedModelArn>,
    /// What the members of the request are at AWS before it.
    pub from: CallRequest,
    /// Why it is made.
    pub cause: ChangeCause,
    /// What it does, in words that go on after "asking AWS to".
    pub message: String,
    /// What is served meanwhile, what it may cost, and whether it can be undone.
    pub consequence: String,
}

impl Call {
    /// Which of the calls it is.
    #[must_use]
    pub fn action(&self) -> PlanAction {
        match self {
            Self::Create(_) => PlanAction::Create,
            Self::Update(_) => PlanAction::Update,
            Self::Tag(_) => PlanAction::Tag,
            Self::Delete => PlanAction::Delete,
        }
    }

    /// The members of the request, as `status` tells them.
    #[must_use]
    pub fn request(&self) -> CallRequest {
        match self.clone() {
            Self::Create(Create { token, name, model, units, commitment, tags }) => CallRequest {
                client_request_token: Some(token),
                provisioned_model_name: Some(name.to_string()),
                model_id: Some(model.to_string()),
                model_units: Some(units),
                commitment_duration: commitment,
                tags,
                ..CallRequest::default()
            },
            Self::Update(Update { name, model }) => CallRequest {
                desired_provisioned_model_name: name.map(|name| name.to_string()),
                desired_model_id: model.map(|model| model.to_string()),
                ..CallRequest::default()
            },
            Self::Tag(Tag { set, remove }) => CallRequest { tags: set, tag_keys: remove, ..CallRequest::default() },
            Self::Delete => CallRequest::default(),
        }
    }

    /// Reads a call back from a status. `None` where a member is missing that the call cannot do without: somebody else wrote the status.
    #[must_use]
    pub fn from_status(action: PlanAction, request: &CallRequest) -> Option<Self> {
        let CallRequest {
            desired_provisioned_model_name,
            desired_model_id,
            client_request_token,
            provisioned_model_name,
            model_id,
            model_units,
            commitment_duration,
            tags,
            tag_keys,
        } = request.clone();
        match action {
            PlanAction::Create => Some(Self::Create(Create {
                token: client_request_token?,
                name: provisioned_model_name.map(ProvisionedModelName::from_aws)?,
                model: model_id.map(ModelArn::from_aws)?,
                units: model_units?,
                commitment: commitment_duration,
                tags,
            })),
            PlanAction::Update => {
                let name = desired_provisioned_model_name.map(ProvisionedModelName::from_aws);
                let update = Update { name, model: desired_model_id.map(ModelArn::from_aws) };
                (!update.is_empty()).then_some(Self::Update(update))
            }
            PlanAction::Tag => {
                let tag = Tag { set: tags, remove: tag_keys };
                (!tag.is_empty()).then_some(Self::Tag(tag))
            }
            PlanAction::Delete => Some(Self::Delete),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(Create { token: _, name, model, units, commitment, tags: _ }) => {
                write!(f, "{name} with {} of {model}, {}", units_text(*units), commitment_text(*commitment))
            }
            Self::Update(Update { name, model }) => described(
                f,
                &[
                    ("name", name.as_ref().map(ProvisionedModelName::as_str)),
                    ("model", model.as_ref().map(ModelArn::as_str)),
                ],
            ),
            Self::Tag(Tag { set, remove }) => {
                let set: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
                match (set.is_empty(), remove.is_empty()) {
                    (false, false) => write!(f, "tags {}, without {}", set.join(", "), remove.join(", ")),
                    (false, true) => write!(f, "tags {}", set.join(", ")),
                    (true, false) => write!(f, "no tags {}", remove.join(", ")),
                    (true, true) => f.write_str("nothing"),
                }
            }
            Self::Delete => f.write_str("deletion"),
        }
    }
}

impl fmt::Display for CallRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { desired_provisioned_model_name: name, desired_model_id: model, tags, .. } = self;
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            return write!(f, "tags {}", tags.join(", "));
        }
        described(f, &[("name", name.as_deref()), ("model", model.as_deref())])
    }
}

fn described(f: &mut fmt::Formatter<'_>, members: &[(&str, Option<&str>)]) -> fmt::Result {
    let parts: Vec<String> =
        members.iter().filter_map(|(what, value)| value.map(|value| format!("{what} {value}"))).collect();
    f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
    f.write_str(&parts.join(" and "))
}

/// `1 model unit`, `2 model units`.
#[must_use]
pub fn units_text(units: i32) -> String {
    if units == 1 { "1 model unit".to_owned() } else { format!("{units} model units") }
}

/// `no commitment`, `a commitment of OneMonth`.
#[must_use]
pub fn commitment_text(commitment: Option<CommitmentDuration>) -> String {
    commitment.map_or_else(|| "no commitment".to_owned(), |term| format!("a commitment of {}", term.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Vec<Call> {
        let create = Create {
            token: "uid".into(),
            name: ProvisionedModelName::from_aws("a"),
            model: ModelArn::from_aws("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k"),
            units: 2,
            commitment: Some(CommitmentDuration::OneMonth),
            tags: [("team".to_owned(), "search".to_owned())].into(),
        };
        let update = Update { name: Some(ProvisionedModelName::from_aws("b")), model: None };
        let tag = Tag { set: [("team".to_owned(), "ads".to_owned())].into(), remove: ["old".to_owned()].into() };
        vec![Call::Create(create), Call::Update(update), Call::Tag(tag), Call::Delete]
    }

    #[test]
    fn a_call_comes_back_from_a_status_as_it_was() {
        for call in calls() {
            assert_eq!(Call::from_status(call.action(), &call.request()).as_ref(), Some(&call), "{call}");
        }
        assert_eq!(calls().len(), PlanAction::ALL.len());
    }

    #[test]
    fn a_status_that_lacks_members_has_no_call() {
        for action in [PlanAction::Create, PlanAction::Update, PlanAction::Tag] {
            assert_eq!(Call::from_status(action, &CallRequest::default()), None, "{action:?}");
        }
    }

    #[test]
    fn calls_read_well() {
        let texts: Vec<String> = calls().iter().map(ToString::to_string).collect();
        let create = "a with 2 model units of arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k, a commitment of OneMonth";
        assert_eq!(texts, [create, "name b", "tags team=ads, without old", "deletion"]);
    }
}
