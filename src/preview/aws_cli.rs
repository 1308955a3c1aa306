//! Calls as command lines of the AWS CLI.

use serde_json::json;

use crate::{
    calls::{Call, Change, Create, Tag, Update},
    identifiers::Region,
};

/// The words of the commands that make a call, in the order in which the operator makes them: one, or two where tags are taken off and put
/// on. Lists are JSON, which needs no rules for what is within a word.
#[must_use]
pub fn commands(region: &Region, change: &Change) -> Vec<Vec<String>> {
    let arn = change.arn.as_ref().map(ToString::to_string).unwrap_or_default();
    let command = |verb: &str, options: Vec<(&str, String)>| {
        let start = ["aws", "bedrock", verb, "--region", region.as_str()].map(str::to_owned);
        let options = options.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]);
        start.into_iter().chain(options).collect::<Vec<String>>()
    };
    let tag_list = |tags: &std::collections::BTreeMap<String, String>| {
        json!(tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>()).to_string()
    };
    match &change.call {
        Call::Create(Create { token, name, model, units, commitment, tags }) => {
            let mut options = vec![
                ("client-request-token", token.clone()),
                ("provisioned-model-name", name.to_string()),
                ("model-id", model.to_string()),
                ("model-units", units.to_string()),
            ];
            options.extend(commitment.map(|term| ("commitment-duration", term.as_str().to_owned())));
            options.extend((!tags.is_empty()).then(|| ("tags", tag_list(tags))));
            vec![command("create-provisioned-model-throughput", options)]
        }
        Call::Update(Update { name, model }) => {
            let mut options = vec![("provisioned-model-id", arn)];
            options.extend(name.as_ref().map(|name| ("desired-provisioned-model-name", name.to_string())));
            options.extend(model.as_ref().map(|model| ("desired-model-id", model.to_string())));
            vec![command("update-provisioned-model-throughput", options)]
        }
        Call::Tag(Tag { set, remove }) => {
            let untag = (!remove.is_empty()).then(|| {
                let keys = json!(remove).to_string();
                command("untag-resource", vec![("resource-arn", arn.clone()), ("tag-keys", keys)])
            });
            let tag = (!set.is_empty())
                .then(|| command("tag-resource", vec![("resource-arn", arn.clone()), ("tags", tag_list(set))]));
            untag.into_iter().chain(tag).collect()
        }
        Call::Delete => vec![command("delete-provisioned-model-throughput", vec![("provisioned-model-id", arn)])],
    }
}

/// A command as a line for a POSIX shell.
#[must_use]
pub fn line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    // Within single quotes everything stands for itself but a single quote (POSIX.1, Shell Command Language, 2.2.2).
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        crd::{CallRequest, ChangeCause, CommitmentDuration},
        identifiers::{ModelArn, ProvisionedModelArn, ProvisionedModelName},
    };

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

    fn lines(call: Call) -> Vec<String> {
        let change = Change {
            call,
            arn: Some(ProvisionedModelArn::from_aws(ARN)),
            from: CallRequest::default(),
            cause: ChangeCause::Manifest,
            message: String::new(),
            consequence: String::new(),
        };
        commands(&Region::parse("us-east-1").unwrap(), &change).iter().map(|words| line(words)).collect()
    }

    #[test]
    fn each_call_is_a_command() {
        let create = Create {
            token: "uid".into(),
            name: ProvisionedModelName::from_aws("a"),
            model: ModelArn::from_aws("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k"),
            units: 2,
            commitment: Some(CommitmentDuration::OneMonth),
            tags: [("team".to_owned(), "it's".to_owned())].into(),
        };
        assert_eq!(
            lines(Call::Create(create)),
            [concat!(
                "aws bedrock create-provisioned-model-throughput --region us-east-1 --client-request-token uid ",
                "--provisioned-model-name a --model-id arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k ",
                r#"--model-units 2 --commitment-duration OneMonth --tags '[{"key":"team","value":"it'\''s"}]'"#
            )]
        );
        let name = Some(ProvisionedModelName::from_aws("b"));
        assert_eq!(
            lines(Call::Update(Update { name, model: None })),
            [format!(
                "aws bedrock update-provisioned-model-throughput --region us-east-1 --provisioned-model-id {ARN} --desired-provisioned-model-name b"
            )]
        );
        assert_eq!(
            lines(Call::Delete),
            [format!(
                "aws bedrock delete-provisioned-model-throughput --region us-east-1 --provisioned-model-id {ARN}"
            )]
        );
    }

    #[test]
    fn tags_are_taken_off_before_others_are_put_on() {
        let tag = Tag { set: [("a".to_owned(), "b c".to_owned())].into(), remove: BTreeSet::from(["-d".to_owned()]) };
        assert_eq!(
            lines(Call::Tag(tag)),
            [
                format!(r#"aws bedrock untag-resource --region us-east-1 --resource-arn {ARN} --tag-keys '["-d"]'"#),
                format!(
                    r#"aws bedrock tag-resource --region us-east-1 --resource-arn {ARN} --tags '[{{"key":"a","value":"b c"}}]'"#
                ),
            ]
        );
    }
}
