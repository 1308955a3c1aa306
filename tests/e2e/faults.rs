//! Whatever AWS answers, or does not: it is told by its reason, ridden out, and the update is carried out once.

use bedrock_simulator::FaultKind;
use serde_json::json;

use crate::support::{
    aws::{ARN, Aws, Operation, SUMMARIZER_V2},
    environment::Environment,
    object::manifest,
    parallel,
};

use Operation::{
    GetProvisionedModelThroughput as Get, ListProvisionedModelThroughputs as List,
    UpdateProvisionedModelThroughput as Update,
};

/// What is seen while the trouble lasts.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// The condition `Ready` has this reason.
    Reason(&'static str),
    /// Nothing: it does not stand in the way.
    Nothing,
}

/// What a call meets.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Error(&'static str),
    Hang,
    LostResponse,
    DroppedConnection,
    MalformedBody,
    UnknownStatus,
}

impl Trouble {
    fn fault(self) -> FaultKind {
        match self {
            Self::Error(code) => FaultKind::code(code),
            Self::Hang => FaultKind::Hang,
            Self::LostResponse => FaultKind::LostResponse,
            Self::DroppedConnection => FaultKind::DroppedConnection,
            Self::MalformedBody => FaultKind::MalformedBody,
            Self::UnknownStatus => FaultKind::UnknownStatus { status: "Rebalancing".to_owned() },
        }
    }
}

#[rustfmt::skip]
const ROWS: &[(Operation, Trouble, Seen)] = &[
    (List, Trouble::Error("AccessDeniedException"), Seen::Nothing),
    (List, Trouble::Error("ThrottlingException"), Seen::Reason("Throttled")),
    (List, Trouble::Error("InternalServerException"), Seen::Reason("AwsUnavailable")),
    (List, Trouble::Error("ConflictException"), Seen::Reason("Conflict")),
    (List, Trouble::Error("ValidationException"), Seen::Reason("Refused")),
    (List, Trouble::Error("ResourceNotFoundException"), Seen::Reason("NotFound")),
    (List, Trouble::Error("SomethingNewException"), Seen::Reason("Refused")),
    (List, Trouble::Error("ExpiredTokenException"), Seen::Reason("CredentialsRejected")),
    (List, Trouble::Hang, Seen::Reason("Timeout")),
    (List, Trouble::LostResponse, Seen::Reason("ConnectionFailed")),
    (List, Trouble::DroppedConnection, Seen::Reason("ConnectionFailed")),
    (List, Trouble::MalformedBody, Seen::Reason("InvalidResponse")),
    (List, Trouble::UnknownStatus, Seen::Reason("UnknownStatus")),
    // With List denied, everything goes by Get.
    (Get, Trouble::Error("AccessDeniedException"), Seen::Reason("AccessDenied")),
    (Get, Trouble::Error("ThrottlingException"), Seen::Reason("Throttled")),
    (Get, Trouble::Error("InternalServerException"), Seen::Reason("AwsUnavailable")),
    (Get, Trouble::Error("ConflictException"), Seen::Reason("Conflict")),
    (Get, Trouble::Error("ValidationException"), Seen::Reason("Refused")),
    (Get, Trouble::Error("ResourceNotFoundException"), Seen::Reason("NotFound")),
    (Get, Trouble::Error("SomethingNewException"), Seen::Reason("Refused")),
    (Get, Trouble::Error("ExpiredTokenException"), Seen::Reason("CredentialsRejected")),
    (Get, Trouble::Hang, Seen::Reason("Timeout")),
    (Get, Trouble::LostResponse, Seen::Reason("ConnectionFailed")),
    (Get, Trouble::DroppedConnection, Seen::Reason("ConnectionFailed")),
    (Get, Trouble::MalformedBody, Seen::Reason("InvalidResponse")),
    (Get, Trouble::UnknownStatus, Seen::Reason("UnknownStatus")),
    (Update, Trouble::Error("AccessDeniedException"), Seen::Reason("AccessDenied")),
    (Update, Trouble::Error("ThrottlingException"), Seen::Reason("Throttled")),
    (Update, Trouble::Error("InternalServerException"), Seen::Reason("AwsUnavailable")),
    (Update, Trouble::Error("ConflictException"), Seen::Reason("Conflict")),
    (Update, Trouble::Error("ValidationException"), Seen::Reason("Refused")),
    (Update, Trouble::Error("ResourceNotFoundException"), Seen::Reason("NotFound")),
    (Update, Trouble::Error("SomethingNewException"), Seen::Reason("Refused")),
    (Update, Trouble::Error("ExpiredTokenException"), Seen::Reason("CredentialsRejected")),
    (Update, Trouble::Hang, Seen::Reason("Timeout")),
    (Update, Trouble::LostResponse, Seen::Reason("ConnectionFailed")),
    (Update, Trouble::DroppedConnection, Seen::Reason("ConnectionFailed")),
    // The answer of an Update has no members, so that a body which is none does not matter.
    (Update, Trouble::MalformedBody, Seen::Nothing),
];

#[test]
fn every_trouble_of_every_call_is_told_and_ridden_out() {
    let rows = ROWS.iter().map(|row| (format!("{:?} meets {:?}", row.0, row.1), *row)).collect();
    parallel::for_each(8, rows, |(operation, trouble, seen)| {
        let aws = Aws::start();
        if operation == Get {
            aws.refuse(List, "AccessDeniedException");
        }
        aws.fault(operation, trouble.fault());
        let env = Environment::with_flags(aws, &["--aws-timeout", "1s"]);
        let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V2});
        env.cluster.apply(&manifest("summarizer", spec));
        if let Seen::Reason(reason) = seen {
            let object = env.wait_for("summarizer", &format!("tells of {reason}"), |object| object.reason() == reason);
            assert!(object.is_observed());
            assert!(object.message().len() > 20, "{}", object.message());
            env.aws.end_faults(operation);
        }
        let object = env.wait_until_ready("summarizer");
        assert_eq!(object.status("/provisionedModelName"), "renamed");
        assert_eq!(object.status("/modelArn"), SUMMARIZER_V2);
        assert_eq!(object.status("/lastUpdate/to/desiredModelId"), SUMMARIZER_V2);
        assert_eq!(env.aws.updates_carried_out(), 1, "{}", env.story("summarizer"));
    });
}

#[test]
fn without_credentials_it_says_so_and_goes_on_once_it_has_some() {
    let aws = Aws::start();
    let mut env = Environment::new(aws);
    let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name.to_owned(), None));
    env.restart_the_operator_with(none.into());
    let spec = json!({"provisionedModelId": ARN, "provisionedModelName": "renamed", "modelId": SUMMARIZER_V2});
    env.cluster.apply(&manifest("summarizer", spec));
    let object = env
        .wait_for("summarizer", "tells of the missing credentials", |object| object.reason() == "CredentialsMissing");
    assert_eq!(
        object.conditions(),
        [
            "Ready=Unknown/CredentialsMissing",
            "Synced=Unknown/CredentialsMissing",
            "Reconciling=True/CredentialsMissing"
        ]
    );
    assert_eq!(env.aws.call_lines(), Vec::<String>::new());
    env.restart_the_operator_with(Vec::new());
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.updates_carried_out(), 1);
}

#[test]
fn an_outage_is_not_hammered_at() {
    let env = Environment::new(Aws::start());
    env.aws.refuse(List, "InternalServerException");
    for number in 0..20 {
        env.cluster.apply(&manifest(
            &format!("object-{number}"),
            json!({"provisionedModelId": ARN, "managementPolicy": "Observe"}),
        ));
    }
    for number in 0..20 {
        let name = format!("object-{number}");
        env.wait_for(&name, "tells of the outage", |object| object.reason() == "AwsUnavailable");
    }
    let calls = env.aws.looks();
    assert!(calls <= 5, "{calls} Lists for 20 objects in the first moments of an outage\n{}", env.story("object-0"));
    env.aws.end_faults(List);
    for number in 0..20 {
        env.wait_until_ready(&format!("object-{number}"));
    }
}
