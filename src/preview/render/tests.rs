use super::*;
use crate::{
    calls::{Change, Update},
    conditions::Reason,
    identifiers::{ProvisionedModelArn, ProvisionedModelName, Region},
    preview::manifests::Origin,
};

fn step(name: &str, effect: Effect, reason: Reason, waiting_for: Option<WaitingFor>) -> Step {
    let change = Change {
        call: Call::Update(Update { name: Some(ProvisionedModelName::from_aws("b")), model: None }),
        arn: Some(ProvisionedModelArn::from_aws("arn")),
        from: CallRequest::default(),
        cause: ChangeCause::Manifest,
        message: "rename it from a\nto b".to_owned(),
        consequence: "AWS bills it as before".to_owned(),
    };
    let has_call = matches!(effect, Effect::Change | Effect::Waits);
    let due = Due { region: Region::parse("us-east-1").unwrap(), change, waiting_for, hash: None };
    Step {
        namespace: "ml".into(),
        name: name.into(),
        origin: Some(Origin { file: "a.yaml".into(), document: 2, item: None }),
        effect,
        reason,
        message: "what it comes to".into(),
        due: has_call.then_some(due).into_iter().collect(),
    }
}

fn report(steps: Vec<Step>) -> Report {
    Report { steps, problems: Vec::new(), passed_over: 0 }
}

fn nothing() -> Step {
    step("same", Effect::Nothing, Reason::InService, None)
}

fn change() -> Step {
    step("moved", Effect::Change, Reason::Updating, None)
}

fn waits() -> Step {
    step("held", Effect::Waits, Reason::ApprovalRequired, Some(WaitingFor::Approval))
}

fn refused() -> Step {
    step("wrong", Effect::Refused, Reason::NotFound, None)
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let code = |steps| report(steps).exit_code();
    assert_eq!(code(Vec::new()), 0);
    assert_eq!(code(vec![nothing()]), 0);
    assert_eq!(code(vec![nothing(), change()]), 2);
    assert_eq!(code(vec![waits(), nothing()]), 2);
    assert_eq!(code(vec![change(), refused()]), 1);
    assert_eq!(code(vec![step("blind", Effect::Failed, Reason::Timeout, None)]), 1);
    assert_eq!(Report { problems: vec!["a.yaml: is no YAML".into()], ..report(vec![nothing()]) }.exit_code(), 1);
}

#[test]
fn an_error_names_file_object_and_reason() {
    let report = Report { problems: vec!["b.yaml: is\nno YAML".into()], ..report(vec![change(), refused()]) };
    assert_eq!(
        report.errors(),
        ["b.yaml: is no YAML", "a.yaml, document 2, ProvisionedThroughput ml/wrong: NotFound: what it comes to"]
    );
}

#[test]
fn a_table_has_a_line_for_each_object() {
    let report = Report { passed_over: 1, ..report(vec![nothing(), change(), waits()]) };
    assert_eq!(
        report.text(Format::Table).unwrap(),
        "\
OBJECT    ACTION  WAITS FOR  REASON            MESSAGE
ml/same   -       -          InService         what it comes to
ml/moved  Update  -          Updating          what it comes to
ml/held   Update  Approval   ApprovalRequired  what it comes to
3 objects: 1 with nothing to do, 1 to change, 1 waiting, 0 refused; 1 other document passed over
"
    );
    assert_eq!(
        super::Report { steps: Vec::new(), problems: Vec::new(), passed_over: 0 }.text(Format::Table).unwrap(),
        "0 objects: 0 with nothing to do, 0 to change, 0 waiting, 0 refused\n"
    );
}

#[test]
fn calls_that_wait_are_comments_and_no_text_begins_a_line() {
    let command = "aws bedrock update-provisioned-model-throughput --region us-east-1 --provisioned-model-id arn --desired-provisioned-model-name b";
    assert_eq!(
        report(vec![nothing(), change(), waits()]).text(Format::Calls).unwrap(),
        format!(
            "\
# ml/moved: rename it from a to b. AWS bills it as before
{command}
# ml/held (waits for Approval): rename it from a to b. AWS bills it as before
# {command}
# 3 objects: 1 with nothing to do, 1 to change, 1 waiting, 0 refused
"
        )
    );
}

#[test]
fn json_has_it_all() {
    let report = Report { problems: vec!["b.yaml: is no YAML".into()], ..report(vec![waits()]) };
    let document: serde_json::Value = serde_json::from_str(&report.text(Format::Json).unwrap()).unwrap();
    assert_eq!(document["exitCode"], 1);
    assert_eq!(document["summary"]["waiting"], 1);
    assert_eq!(document["problems"][0], "b.yaml: is no YAML");
    let object = &document["objects"][0];
    assert_eq!(
        (&object["effect"], &object["file"], &object["document"]),
        (&"Waits".into(), &"a.yaml".into(), &2.into())
    );
    let plan = &object["plan"][0];
    assert_eq!((&plan["action"], &plan["waitingFor"]), (&"Update".into(), &"Approval".into()));
    assert_eq!(plan["request"]["desiredProvisionedModelName"], "b");
    assert_eq!(plan["commands"][0][2], "update-provisioned-model-throughput");
}
