//! AWS's identifiers: the patterns that AWS publishes for them, and newtypes that hold only what fits.
//!
//! The patterns are those of the Bedrock control-plane model (`bedrock-2023-04-20`, shapes of the same names). AWS
//! matches them as a whole, so each is anchored here. The CRD carries the very same strings.

use std::{fmt, sync::LazyLock};

use regex::Regex;

/// AWS shape `ProvisionedModelName`, 1 to 63 characters.
pub const PROVISIONED_MODEL_NAME: &str = r"^([0-9a-zA-Z][_-]?)+$";
/// Longest `ProvisionedModelName`, in characters; also the longest `CustomModelName`.
pub const NAME_MAX: usize = 63;
/// AWS shape `ProvisionedModelId`: a name or an ARN of a provisioned model.
pub const PROVISIONED_MODEL_ID: &str =
    r"^((([0-9a-zA-Z][_-]?)+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:provisioned-model/[a-z0-9]{12}))$";
/// Longest ARN that AWS takes for a resource (shape `TaggableResourcesArn`), in characters. `ProvisionedModelId` has no length of its own.
pub const ARN_MAX: usize = 1011;
/// AWS shape `ModelIdentifier`, 1 to 2048 characters: the ARN of a custom or foundation model, the id of a foundation model, or the
/// name of a custom model.
pub const MODEL_IDENTIFIER: &str = r"^(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:(([0-9]{12}:custom-model/((imported)|([a-z0-9-]{1,63}[.]{1}[a-z0-9-]{1,63}))(([:][a-z0-9-]{1,63}){0,2})?/[a-z0-9]{12})|(:foundation-model/([a-z0-9-]{1,63}[.]{1}[a-z0-9-]{1,63}([.]?[a-z0-9-]{1,63})([:][a-z0-9-]{1,63}){0,2})))|(([a-z0-9-]{1,63}[.]{1}[a-z0-9-]{1,63}([.]?[a-z0-9-]{1,63})([:][a-z0-9-]{1,63}){0,2}))|(([0-9a-zA-Z][_-]?)+))$";
/// Longest `ModelIdentifier`, in characters.
pub const MODEL_IDENTIFIER_MAX: usize = 2048;
/// A region as it stands in AWS's ARN patterns (`[a-z0-9-]{1,20}`), narrowed to what can be a label of a host name (RFC 1123), because
/// the endpoint is made from it.
pub const REGION: &str = r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$";
/// Longest region, in characters.
pub const REGION_MAX: usize = 20;

/// AWS shapes `TagKey` and `TagValue`, with the space as the only white space: tabs and line ends in a tag help nobody.
pub const TAG_TEXT: &str = r"^[a-zA-Z0-9 ._:/=+@-]*$";
/// Longest tag key, in characters.
pub const TAG_KEY_MAX: usize = 128;
/// Longest tag value, in characters.
pub const TAG_VALUE_MAX: usize = 256;
/// Most tags of a resource (AWS page "Tagging your Amazon Bedrock resources").
pub const TAGS_MAX: usize = 50;

// The patterns above are constants, so a failure to compile one is a defect that every test would meet.
#[allow(clippy::expect_used)]
fn compiled(pattern: &str) -> Regex {
    // `[^:]` and the like are meant for ASCII identifiers; anything else is refused before matching.
    Regex::new(pattern).expect("a constant pattern compiles")
}

static PROVISIONED_MODEL_NAME_RE: LazyLock<Regex> = LazyLock::new(|| compiled(PROVISIONED_MODEL_NAME));
static PROVISIONED_MODEL_ID_RE: LazyLock<Regex> = LazyLock::new(|| compiled(PROVISIONED_MODEL_ID));
static MODEL_IDENTIFIER_RE: LazyLock<Regex> = LazyLock::new(|| compiled(MODEL_IDENTIFIER));
static TAG_TEXT_RE: LazyLock<Regex> = LazyLock::new(|| compiled(TAG_TEXT));
static REGION_RE: LazyLock<Regex> = LazyLock::new(|| compiled(REGION));

/// A value that AWS would not take for the identifier that it is given as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}")]
pub struct InvalidIdentifier {
    what: &'static str,
    /// The value, cut to what fits into a status message.
    value: String,
    problem: &'static str,
}

impl InvalidIdentifier {
    fn new(what: &'static str, value: &str, problem: &'static str) -> Self {
        Self { what, value: value.chars().take(128).collect(), problem }
    }
}

/// Whether AWS takes a tag from a manifest, and it is not one of AWS's or the operator's own.
///
/// # Errors
/// What is wrong with it, and what is right.
pub fn check_tag(key: &str, value: &str) -> Result<(), String> {
    let short: String = key.chars().take(TAG_KEY_MAX).collect();
    if key.is_empty() || key.len() > TAG_KEY_MAX || !TAG_TEXT_RE.is_match(key) {
        return Err(format!(
            "{short:?} is not a key that AWS takes: use 1 to {TAG_KEY_MAX} letters, digits, spaces and ._:/=+@-"
        ));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(format!("{short:?} is one of AWS's own keys, which begin with aws:"));
    }
    if key.starts_with("bedrock-throughput.dev/") {
        return Err(format!("{short:?} is one of the operator's own keys, which begin with bedrock-throughput.dev/"));
    }
    if value.len() > TAG_VALUE_MAX || !TAG_TEXT_RE.is_match(value) {
        return Err(format!(
            "the value of {short:?} is not one that AWS takes: use up to {TAG_VALUE_MAX} letters, digits, spaces and ._:/=+@-"
        ));
    }
    Ok(())
}

macro_rules! string_newtype {
    ($name:ident) => {
        impl $name {
            /// The identifier as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The name of a provisioned throughput.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProvisionedModelName(String);
string_newtype!(ProvisionedModelName);

impl ProvisionedModelName {
    /// Takes a name from a manifest.
    ///
    /// # Errors
    /// When AWS would refuse the name.
    pub fn parse(value: &str) -> Result<Self, InvalidIdentifier> {
        if value.len() > NAME_MAX || !PROVISIONED_MODEL_NAME_RE.is_match(value) {
            return Err(InvalidIdentifier::new(
                "provisionedModelName",
                value,
                "is not a name that AWS takes: use 1 to 63 letters and digits, each followed by at most one _ or -",
            ));
        }
        Ok(Self(value.to_owned()))
    }

    /// Takes a name from an answer of AWS, which is right by definition.
    pub fn from_aws(value: impl Into<String>) -> Self {
        Self(value.into())
    }
}

/// The Amazon Resource Name of a provisioned throughput.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProvisionedModelArn(String);
string_newtype!(ProvisionedModelArn);

impl ProvisionedModelArn {
    /// Takes an ARN from an answer of AWS, which is right by definition.
    pub fn from_aws(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The region that the ARN names, if it has the shape of an ARN.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        arn_field(&self.0, 3)
    }

    /// The account that the ARN names, if it has the shape of an ARN.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        arn_field(&self.0, 4)
    }

    /// The partition that the ARN names: `aws`, `aws-us-gov`, `aws-cn`, …
    #[must_use]
    pub fn partition(&self) -> Option<&str> {
        arn_field(&self.0, 1)
    }

    /// What AWS calls the resource id: the last part, twelve letters and digits.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn arn_field(arn: &str, index: usize) -> Option<&str> {
    arn.splitn(6, ':').nth(index).filter(|field| !field.is_empty())
}

/// What finds a provisioned throughput: its ARN, which stays, or its name, which a rename changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProvisionedModelId {
    /// The ARN.
    Arn(ProvisionedModelArn),
    /// The name.
    Name(ProvisionedModelName),
}

impl ProvisionedModelId {
    /// Takes an id from a manifest.
    ///
    /// # Errors
    /// When AWS would refuse the id.
    pub fn parse(value: &str) -> Result<Self, InvalidIdentifier> {
        const HELP: &str = "is neither the name (1 to 63 letters and digits, each followed by at most one _ or -) nor the ARN \
                            (arn:aws:bedrock:REGION:ACCOUNT:provisioned-model/ID) of a provisioned throughput";
        if value.len() > ARN_MAX || !PROVISIONED_MODEL_ID_RE.is_match(value) {
            return Err(InvalidIdentifier::new("provisionedModelId", value, HELP));
        }
        if value.starts_with("arn:") {
            return Ok(Self::Arn(ProvisionedModelArn(value.to_owned())));
        }
        if value.len() > NAME_MAX {
            return Err(InvalidIdentifier::new("provisionedModelId", value, HELP));
        }
        Ok(Self::Name(ProvisionedModelName(value.to_owned())))
    }

    /// The id as AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Arn(arn) => arn.as_str(),
            Self::Name(name) => name.as_str(),
        }
    }
}

impl fmt::Display for ProvisionedModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The Amazon Resource Name of a model: a foundation model (also called base model) or a custom model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelArn(String);
string_newtype!(ModelArn);

/// The two kinds of model that a throughput can serve. They follow different rules in `UpdateProvisionedModelThroughput`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// A foundation model, sold by AWS: the throughput's model cannot be changed.
    Foundation,
    /// A custom model, made from a foundation model: it can be exchanged for a sibling or for the base model.
    Custom,
}

impl ModelArn {
    /// Takes an ARN from an answer of AWS, which is right by definition.
    pub fn from_aws(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The ARN of a foundation model with the given id. Such ARNs have no account.
    #[must_use]
    pub fn foundation(partition: &str, region: &Region, model_id: &str) -> Self {
        Self(format!("arn:{partition}:bedrock:{region}::foundation-model/{model_id}"))
    }

    /// Whether the model is a foundation model or a custom one.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        if self.0.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("foundation-model/")) {
            ModelKind::Foundation
        } else {
            ModelKind::Custom
        }
    }

    /// The region that the ARN names, if it has the shape of an ARN.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        arn_field(&self.0, 3)
    }

    /// The id of a foundation model, such as `amazon.nova-lite-v1:0:24k`. `None` for custom models.
    #[must_use]
    pub fn foundation_id(&self) -> Option<&str> {
        self.0.split_once(":foundation-model/").map(|(_, id)| id)
    }

    /// The id of a foundation model without its variant for a context length: `amazon.nova-lite-v1:0` for
    /// `…:foundation-model/amazon.nova-lite-v1:0:24k`. `None` for custom models.
    ///
    /// AWS sells provisioned throughput for such variants, and does not say whether variants of one model count as the same base model.
    #[must_use]
    pub fn base_family(&self) -> Option<&str> {
        let id = self.foundation_id()?;
        let version_end = id.match_indices(':').nth(1).map_or(id.len(), |(at, _)| at);
        id.get(..version_end)
    }
}

/// A model as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelIdentifier {
    /// An ARN of either kind.
    Arn(ModelArn),
    /// The id of a foundation model, such as `amazon.nova-lite-v1:0:24k`.
    FoundationModelId(String),
    /// The name of a custom model in the account and region of the throughput.
    CustomModelName(String),
}

impl ModelIdentifier {
    /// Takes a model from a manifest.
    ///
    /// # Errors
    /// When AWS would refuse the identifier.
    pub fn parse(value: &str) -> Result<Self, InvalidIdentifier> {
        const HELP: &str = "is neither the ARN of a custom or foundation model, nor the id of a foundation model (provider.model), nor the \
                            name of a custom model (1 to 63 letters and digits, each followed by at most one _ or -)";
        if value.len() > MODEL_IDENTIFIER_MAX || !MODEL_IDENTIFIER_RE.is_match(value) {
            return Err(InvalidIdentifier::new("modelId", value, HELP));
        }
        if value.starts_with("arn:") {
            Ok(Self::Arn(ModelArn(value.to_owned())))
        } else if value.contains('.') {
            Ok(Self::FoundationModelId(value.to_owned()))
        } else if value.len() > NAME_MAX {
            Err(InvalidIdentifier::new("modelId", value, HELP))
        } else {
            Ok(Self::CustomModelName(value.to_owned()))
        }
    }

    /// The identifier as the manifest has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Arn(arn) => arn.as_str(),
            Self::FoundationModelId(id) => id,
            Self::CustomModelName(name) => name,
        }
    }
}

impl fmt::Display for ModelIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An AWS region, such as `us-east-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);
string_newtype!(Region);

impl Region {
    /// Takes a region from a manifest, an ARN, a flag or the environment.
    ///
    /// # Errors
    /// When it cannot be a region.
    pub fn parse(value: &str) -> Result<Self, InvalidIdentifier> {
        if value.len() > REGION_MAX || !REGION_RE.is_match(value) {
            return Err(InvalidIdentifier::new("region", value, "is not a region of AWS: write it like us-east-1"));
        }
        Ok(Self(value.to_owned()))
    }

    /// The partition that a region of this name belongs to, for ARNs that have to be made without one to copy from.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else if self.0.starts_with("cn-") {
            "aws-cn"
        } else {
            "aws"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PT: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";
    const CUSTOM: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/abcdefghijkl";

    /// The patterns and lengths, held against AWS's model of the API.
    #[test]
    fn patterns_are_aws_patterns() {
        let model: serde_json::Value =
            serde_json::from_str(include_str!("../simulator/model/bedrock-provisioned-throughput.json")).unwrap();
        for (shape, pattern, longest) in [
            ("ProvisionedModelName", PROVISIONED_MODEL_NAME, Some(NAME_MAX)),
            ("ProvisionedModelId", PROVISIONED_MODEL_ID, None),
            ("ModelIdentifier", MODEL_IDENTIFIER, Some(MODEL_IDENTIFIER_MAX)),
        ] {
            let shape = &model["shapes"][shape];
            let bare = shape["pattern"].as_str().unwrap();
            assert!([format!("^{bare}$"), format!("^({bare})$")].contains(&pattern.to_owned()), "{pattern}");
            assert_eq!(shape["max"].as_u64(), longest.map(|longest| longest as u64));
        }
    }

    #[test]
    fn names_are_aws_names() {
        for good in ["a", "a-", "a_b-c", "A1", &"x".repeat(63)] {
            assert!(ProvisionedModelName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a--b", "a.b", "a b", "ü", "a\n", &"x".repeat(64)] {
            assert!(ProvisionedModelName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_a_name_or_an_arn() {
        assert!(matches!(ProvisionedModelId::parse(PT), Ok(ProvisionedModelId::Arn(_))));
        assert!(matches!(ProvisionedModelId::parse("summarizer"), Ok(ProvisionedModelId::Name(_))));
        for bad in ["arn:aws:bedrock:us-east-1:123456789012:custom-model/abcdefghijkl", "a b", &"x".repeat(64), CUSTOM]
        {
            assert!(ProvisionedModelId::parse(bad).is_err(), "{bad}");
        }
        let ProvisionedModelId::Arn(arn) = ProvisionedModelId::parse(PT).unwrap() else { panic!() };
        assert_eq!(
            (arn.partition(), arn.region(), arn.account_id()),
            (Some("aws"), Some("us-east-1"), Some("123456789012"))
        );
    }

    #[test]
    fn a_model_is_an_arn_an_id_or_a_name() {
        assert!(matches!(ModelIdentifier::parse(CUSTOM), Ok(ModelIdentifier::Arn(_))));
        assert!(matches!(
            ModelIdentifier::parse("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k"),
            Ok(ModelIdentifier::Arn(_))
        ));
        assert!(matches!(
            ModelIdentifier::parse("amazon.nova-lite-v1:0:24k"),
            Ok(ModelIdentifier::FoundationModelId(_))
        ));
        assert!(matches!(ModelIdentifier::parse("summarizer-v2"), Ok(ModelIdentifier::CustomModelName(_))));
        for bad in ["", "a--b", PT, "Amazon.Nova", &"x".repeat(64)] {
            assert!(ModelIdentifier::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_kind_of_a_model_is_read_from_its_arn() {
        assert_eq!(ModelArn::from_aws(CUSTOM).kind(), ModelKind::Custom);
        let region = Region::parse("us-east-1").unwrap();
        let foundation = ModelArn::foundation("aws", &region, "amazon.nova-lite-v1:0:24k");
        assert_eq!(foundation.kind(), ModelKind::Foundation);
        assert_eq!(foundation.base_family(), Some("amazon.nova-lite-v1:0"));
        assert_eq!(ModelArn::from_aws(CUSTOM).base_family(), None);
    }

    #[test]
    fn a_region_can_be_part_of_a_host_name() {
        for good in ["us-east-1", "us-gov-west-1", "a"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "us-east-1.evil.example", "US-EAST-1", "us-east-1-", "a/b", &"x".repeat(21)] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }
}
