//! No object is ever stuck: from every reason that a condition can have, what `docs/troubleshooting.md` says to do leads out of it.

mod money;
mod objects;

use bedrock_simulator::{FaultKind, request::ProvisionedModelStatus, seed::ProvisionedModelSeed};
use bedrock_throughput_operator::conditions::Reason;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    aws::{
        ARN, Aws, BASE_ARN, CHAT, MODEL_BEING_MADE, MODEL_FAILED, NAME, NOVA, NOVA_ID, Operation, SUMMARIZER_V1,
        SUMMARIZER_V1_NAME, SUMMARIZER_V2, SUMMARIZER_V2_NAME,
    },
    control_plane::plane,
    environment::{Environment, settings},
    object::{Object, RECONCILE_REQUESTED_AT, manifest},
    parallel,
    purchase::purchase_with,
};

use Operation::{ListProvisionedModelThroughputs as List, UpdateProvisionedModelThroughput as Update};

const OBJECT: &str = "summarizer";
/// A throughput of the same name as `ARN`.
const NAMESAKE: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/zzzzzzzzzzzz";
/// A throughput that AWS does not have at first.
const LATE: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/lateralatera";
/// A custom model that AWS does not have at first.
const LATE_MODEL: &str = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/latelatelate";

/// A way into a reason and out of it, and what it is called.
type Way = (&'static str, Box<dyn Fn(Reason) + Send + Sync>);

fn way(name: &'static str, test: impl Fn(Reason) + Send + Sync + 'static) -> Way {
    (name, Box::new(test))
}

/// A spec with other members; `null` takes one out.
fn with(mut spec: Value, members: Value) -> Value {
    if let (Some(spec), Value::Object(members)) = (spec.as_object_mut(), members) {
        spec.extend(members);
        spec.retain(|_, value| !value.is_null());
    }
    spec
}

impl Environment {
    fn apply(&self, spec: Value) {
        self.cluster.apply(&manifest(OBJECT, spec));
    }

    /// Applies a spec about the throughput `ARN`.
    fn adopt(&self, members: Value) {
        self.apply(with(json!({"provisionedModelId": ARN}), members));
    }

    fn buy(&self, members: Value) {
        self.apply(purchase_with(members));
    }

    fn ask_again(&self) {
        self.cluster.annotate(OBJECT, RECONCILE_REQUESTED_AT, Some("again"));
    }

    /// Waits until a condition has the reason.
    fn comes_to(&self, reason: Reason) -> Object {
        let has = |object: &Object| {
            let conditions = object.0.status.iter().flat_map(|status| &status.conditions);
            object.is_observed() && conditions.into_iter().any(|condition| condition.reason == reason.as_str())
        };
        self.wait_for(OBJECT, &format!("has the reason {reason}"), has)
    }

    fn becomes_ready(&self) {
        self.wait_until_ready(OBJECT);
    }

    fn is_deleted(&self) {
        self.cluster.delete(OBJECT);
        self.wait_until_gone(OBJECT);
    }

    /// Restarts the operator with other flags.
    fn restart_with_flags(&mut self, flags: &[&str]) {
        self.settings = settings(plane(), &self.cluster, &self.aws, flags);
        self.restart_the_operator();
    }
}

fn usual() -> Environment {
    Environment::new(Aws::start())
}

fn that_buys() -> Environment {
    Environment::that_buys(Aws::start())
}

/// A fault of a call that passes, or that somebody mends: the object goes on by itself.
fn fault(operation: Operation, kind: FaultKind) -> Way {
    way("it passes", move |reason| {
        let env = Environment::with_flags(Aws::start(), &["--aws-timeout", "1s"]);
        env.aws.fault(operation, kind.clone());
        env.adopt(json!({"provisionedModelName": "renamed"}));
        env.comes_to(reason);
        env.aws.end_faults(operation);
        env.becomes_ready();
    })
}

/// A model that an update cannot move to: another manifest.
fn other_model(throughput: &'static str, model: &'static str, sound: &'static [Option<&'static str>]) -> Vec<Way> {
    let other = |sound: Option<&'static str>| {
        way("another modelId", move |reason| {
            let env = usual();
            let spec = |model: Option<&str>| json!({"provisionedModelId": throughput, "modelId": model});
            env.apply(spec(Some(model)));
            env.comes_to(reason);
            env.apply(with(spec(sound), json!({})));
            env.becomes_ready();
        })
    };
    sound.iter().map(|sound| other(*sound)).collect()
}

/// A throughput that failed, and not because of this object.
fn failed() -> Environment {
    let aws = Aws::start();
    let seed = ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN).status(ProvisionedModelStatus::Failed);
    aws.seed_throughput(ProvisionedModelSeed { failure_message: Some("out of luck".to_owned()), ..seed });
    let env = Environment::new(aws);
    env.adopt(json!({}));
    env
}

/// The ways out of a reason.
#[allow(clippy::too_many_lines, reason = "one arm for each reason")]
fn ways(reason: Reason) -> Vec<Way> {
    match reason {
        Reason::InService | Reason::UpToDate => vec![way("all is well: it can be deleted at any time", |reason| {
            let env = usual();
            env.adopt(json!({}));
            env.comes_to(reason);
            env.becomes_ready();
            env.is_deleted();
        })],
        Reason::DriftDetected => objects::drift_detected(),
        Reason::Suspended => objects::suspended(),
        Reason::Creating => money::creating(),
        Reason::Updating => vec![way("it is waited for", |reason| {
            let env = usual();
            env.adopt(json!({"modelId": SUMMARIZER_V2}));
            env.comes_to(reason);
            env.becomes_ready();
        })],
        Reason::UnknownStatus => {
            vec![fault(List, FaultKind::UnknownStatus { status: "Resting".to_owned() })]
        }
        Reason::ModelNotReady => {
            let mut ways = other_model(ARN, MODEL_BEING_MADE, &[Some(SUMMARIZER_V2)]);
            ways.push(way("it is waited for", |reason| {
                let env = usual();
                env.adopt(json!({"modelId": MODEL_BEING_MADE}));
                env.comes_to(reason);
                env.aws.finish_custom_model(MODEL_BEING_MADE);
                env.becomes_ready();
            }));
            ways
        }
        Reason::Deleting => money::deleting(),
        Reason::ApprovalRequired => money::approval_required(),
        Reason::CommitmentRunning => money::commitment_running(),
        Reason::RateLimited => vec![way("it is waited for", |reason| {
            let aws = Aws::start();
            aws.add_throughput(LATE, "another", SUMMARIZER_V1);
            let env = Environment::with_flags(aws, &["--aws-change-limit", "0.1"]);
            env.cluster.apply(&manifest(
                "another",
                json!({"provisionedModelId": LATE, "provisionedModelName": "renamed-too"}),
            ));
            env.wait_until_ready("another");
            env.adopt(json!({"provisionedModelName": "renamed"}));
            env.comes_to(reason);
            env.becomes_ready();
        })],
        Reason::Conflict => vec![fault(Update, FaultKind::code("ConflictException"))],
        Reason::Throttled => vec![fault(List, FaultKind::code("ThrottlingException"))],
        Reason::AwsUnavailable => vec![fault(List, FaultKind::code("InternalServerException"))],
        Reason::ConnectionFailed => vec![fault(List, FaultKind::DroppedConnection)],
        Reason::Timeout => vec![fault(List, FaultKind::Hang)],
        Reason::InvalidResponse => vec![fault(List, FaultKind::MalformedBody)],
        Reason::CredentialsRejected => vec![fault(List, FaultKind::code("ExpiredTokenException"))],
        Reason::CredentialsMissing => vec![way("the pod is given credentials", |reason| {
            let mut env = usual();
            let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name.to_owned(), None));
            env.restart_the_operator_with(none.into());
            env.adopt(json!({}));
            env.comes_to(reason);
            env.restart_the_operator_with(Vec::new());
            env.becomes_ready();
        })],
        Reason::ExportFailed => objects::export_failed(),
        Reason::FinalizerFailed => objects::finalizer_failed(),
        Reason::InvalidSpec => objects::invalid_spec(),
        Reason::NotFound => money::not_found(),
        Reason::AmbiguousName => objects::ambiguous_name(),
        Reason::AlreadyManaged => objects::already_managed(),
        Reason::NameTaken => money::name_taken(),
        Reason::CreateNotAllowed => money::create_not_allowed(),
        Reason::DeleteNotAllowed => money::delete_not_allowed(),
        Reason::ModelNotFound => {
            let mut ways = other_model(ARN, LATE_MODEL, &[Some(SUMMARIZER_V2)]);
            ways.push(way("the model is made", |reason| {
                let env = usual();
                env.adopt(json!({"modelId": LATE_MODEL}));
                env.comes_to(reason);
                env.aws.add_custom_model(LATE_MODEL, "late-model", NOVA_ID);
                env.becomes_ready();
            }));
            ways.push(way("the same for a purchase", |reason| {
                let env = that_buys();
                env.buy(json!({"modelId": LATE_MODEL}));
                env.comes_to(reason);
                env.aws.add_custom_model(LATE_MODEL, "late-model", NOVA_ID);
                env.becomes_ready();
            }));
            ways
        }
        Reason::ModelFailed => other_model(ARN, MODEL_FAILED, &[Some(SUMMARIZER_V2_NAME)]),
        Reason::ModelFixed => other_model(BASE_ARN, SUMMARIZER_V1, &[Some(NOVA), None]),
        Reason::NotSibling => other_model(ARN, CHAT, &[Some(SUMMARIZER_V2), Some(NOVA)]),
        Reason::CreateFailed => money::create_failed(),
        Reason::DeleteFailed => money::delete_failed(),
        Reason::QuotaExceeded => money::quota_exceeded(),
        Reason::CannotChange => money::cannot_change(),
        Reason::ExportConflict => objects::export_conflict(),
        Reason::UpdateFailed => vec![
            way("it is asked for again", |reason| {
                let env = usual();
                env.aws.fail_the_next_update(ARN, "out of luck");
                env.adopt(json!({"modelId": SUMMARIZER_V2}));
                env.comes_to(reason);
                env.ask_again();
                env.becomes_ready();
            }),
            way("another manifest", |reason| {
                let env = usual();
                env.aws.fail_the_next_update(ARN, "out of luck");
                env.adopt(json!({"modelId": SUMMARIZER_V2}));
                env.comes_to(reason);
                env.adopt(json!({"modelId": NOVA}));
                env.becomes_ready();
            }),
            way("the object is deleted, and the throughput with it", |reason| {
                let env = that_buys();
                let spec = |model| json!({"managementPolicy": "Full", "deletionPolicy": "Delete", "modelId": model});
                env.adopt(spec(SUMMARIZER_V1));
                env.becomes_ready();
                env.aws.fail_the_next_update(ARN, "out of luck");
                env.adopt(spec(SUMMARIZER_V2));
                env.comes_to(reason);
                env.is_deleted();
                assert!(!env.aws.throughputs().contains_key(ARN));
            }),
        ],
        Reason::Failed => vec![
            way("it is mended at AWS", |reason| {
                let env = failed();
                env.comes_to(reason);
                env.aws.add_throughput(ARN, NAME, SUMMARIZER_V1_NAME);
                env.becomes_ready();
            }),
            way("the object is deleted", |reason| {
                let env = failed();
                env.comes_to(reason);
                env.is_deleted();
            }),
        ],
        Reason::Refused => vec![way("a manifest that AWS takes", |reason| {
            let aws = Aws::start();
            let foreign = (0..50).map(|number| (format!("theirs-{number}"), "x".to_owned())).collect();
            let seed = ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN);
            aws.seed_throughput(ProvisionedModelSeed { tags: foreign, ..seed });
            let env = Environment::new(aws);
            env.adopt(json!({"tags": {"team": "search"}}));
            env.comes_to(reason);
            env.adopt(json!({"tags": {"theirs-7": "x"}}));
            env.becomes_ready();
        })],
        Reason::AccessDenied => vec![way("the policy allows it", |reason| {
            let aws = Aws::start();
            let policy = |action: &str| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
            aws.set_policy(Some(policy("bedrock:List*")));
            let env = Environment::new(aws);
            env.adopt(json!({"provisionedModelName": "renamed"}));
            env.comes_to(reason);
            env.aws.set_policy(Some(policy("bedrock:*")));
            env.becomes_ready();
        })],
        Reason::ModelLegacy => vec![money::lifecycle(None)],
        Reason::ModelEndOfLife => vec![money::lifecycle(Some(SignedDuration::from_hours(24)))],
    }
}

#[test]
fn out_of_every_reason_leads_what_the_documentation_says() {
    let ways = Reason::ALL.iter().copied().flat_map(|reason| {
        let ways = ways(reason);
        assert!(!ways.is_empty(), "{reason} has no way out");
        ways.into_iter().map(move |(name, test)| (format!("{reason}: {name}"), (reason, test)))
    });
    parallel::for_each(8, ways.collect(), |(reason, test)| test(reason));
}
