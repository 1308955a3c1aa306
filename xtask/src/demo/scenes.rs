//! The scenes: what is done, what is shown, and what must hold.

use anyhow::{Result, bail};
use serde_json::json;

use super::account::{ASSISTANT, CLASSIFIER_V1, CLASSIFIER_V2, SUMMARIZER, TRANSLATOR, TRANSLATOR_V2};
use super::screen::Screen;
use super::{Demo, PATIENCE, condition, expect, text};
use crate::wait::wait_until;

const ILLEGAL: &str = "\
apiVersion: bedrock-throughput.dev/v1alpha1
kind: ProvisionedThroughput
metadata:
  name: illegal
spec:
  provisionedModelId: arn:aws:bedrock:us-east-1:123456789012:provisioned-model/s1u3m5m7a9r1
  provisionedModelName: summarizer--2
  region: eu-west-1
";

impl Demo {
    pub(super) fn observe(&mut self) -> Result<()> {
        self.screen.scene("Look, and touch nothing");
        self.kubectl(&["apply", "-f", "deploy/samples/observe.yaml"])?;
        self.wait_for("assistant", "condition=Ready")?;
        self.kubectl(&["get", "pt"])?;
        let object = self.object("assistant")?;
        expect("the ARN in the status", text(&object, "/status/provisionedModelArn"), ASSISTANT)?;
        self.screen.held("the state of the throughput is in Kubernetes, and nothing was changed");
        Ok(())
    }

    pub(super) fn rename(&mut self) -> Result<()> {
        self.screen.scene("Rename in place");
        self.kubectl(&["apply", "-f", "deploy/samples/rename.yaml"])?;
        self.wait_for("summarizer", "condition=Ready")?;
        self.kubectl(&["get", "pt", "summarizer"])?;
        self.kubectl(&["get", "pt", "summarizer", "-o", "jsonpath={.status.lastUpdate}{\"\\n\"}"])?;
        let object = self.object("summarizer")?;
        expect("the name in the status", text(&object, "/status/provisionedModelName"), "summarizer-prod")?;
        expect("the ARN in the status", text(&object, "/status/provisionedModelArn"), SUMMARIZER)?;
        expect(
            "the name before",
            text(&object, "/status/lastUpdate/from/desiredProvisionedModelName"),
            "summarizer-2025-draft",
        )?;
        self.screen.held("AWS has the new name, the ARN stayed, and the status tells from what to what");
        Ok(())
    }

    pub(super) fn move_model(&mut self) -> Result<()> {
        self.screen.scene("Move to another model, in place");
        self.kubectl(&["apply", "-f", "deploy/samples/move-model.yaml"])?;
        self.wait_for("classifier", "jsonpath={.status.status}=Updating")?;
        self.kubectl(&["get", "pt", "classifier"])?;
        let object = self.object("classifier")?;
        expect("the model that is served meanwhile", text(&object, "/status/modelArn"), CLASSIFIER_V1)?;
        expect("the model that AWS moves to", text(&object, "/status/desiredModelArn"), CLASSIFIER_V2)?;
        expect("Ready meanwhile", condition(&object, "Ready").0, "False")?;
        Screen::note("AWS still serves the old model; Ready comes when the new one is served");
        self.wait_for("classifier", "condition=Ready")?;
        self.kubectl(&["get", "pt", "classifier"])?;
        expect("the model that is served", text(&self.object("classifier")?, "/status/modelArn"), CLASSIFIER_V2)?;
        self.screen.held("the new model is served: no replacement, no second purchase");
        Ok(())
    }

    pub(super) fn by_name(&mut self) -> Result<()> {
        self.screen.scene("Names instead of ARNs");
        self.kubectl(&["apply", "-f", "deploy/samples/by-name.yaml"])?;
        self.wait_for("translator", "condition=Ready")?;
        self.kubectl(&["get", "pt", "translator"])?;
        let object = self.object("translator")?;
        expect("the ARN that the name stands for", text(&object, "/status/provisionedModelArn"), TRANSLATOR)?;
        expect("the model that is served", text(&object, "/status/modelArn"), TRANSLATOR_V2)?;
        self.screen.held("the names were looked up once, and the ARN is the identity from now on");
        Ok(())
    }

    pub(super) fn drift(&mut self) -> Result<()> {
        self.screen.scene("Drift at AWS is repaired");
        Screen::note(&format!(
            "somebody renames the summarizer at AWS, past Kubernetes, as with\n  aws bedrock \
             update-provisioned-model-throughput --provisioned-model-id {SUMMARIZER} --desired-provisioned-model-name \
             by-hand\ndrift is looked for every 10 s here"
        ));
        let before = self.updates()?.len();
        self.sandbox.simulator.update_as_person(SUMMARIZER, &json!({"desiredProvisionedModelName": "by-hand"}))?;
        wait_until(PATIENCE, "the operator has given the throughput its name back", || {
            self.sandbox.check_running()?;
            let repaired = self.updates()?.into_iter().skip(before + 1).any(|call| call.succeeded());
            if repaired { Ok(()) } else { bail!("it has not called AWS yet") }
        })?;
        self.wait_for("summarizer", "jsonpath={.status.lastUpdate.cause}=Drift")?;
        self.wait_for("summarizer", "condition=Ready")?;
        self.kubectl(&["get", "pt", "summarizer"])?;
        self.events("summarizer")?;
        let object = self.object("summarizer")?;
        expect("the name", text(&object, "/status/provisionedModelName"), "summarizer-prod")?;
        expect(
            "the name that was found",
            text(&object, "/status/lastUpdate/from/desiredProvisionedModelName"),
            "by-hand",
        )?;
        self.screen.held("the name is back, and an event tells what was found");
        Ok(())
    }

    pub(super) fn refused_at_admission(&mut self) -> Result<()> {
        self.screen.scene("A manifest that AWS would refuse is refused at once");
        let before = self.updates()?.len();
        let said = self.kubectl_refused(ILLEGAL)?;
        for part in ["provisionedModelName", "region is not the region in the ARN"] {
            if !said.contains(part) {
                bail!("the refusal does not speak of {part:?}");
            }
        }
        if self.quietly(&["get", "pt", "illegal"]).is_ok() {
            bail!("the illegal manifest was stored");
        }
        expect("the number of updates at AWS", &self.updates()?.len().to_string(), &before.to_string())?;
        self.screen.held("the API server refused it and said why; AWS was not called");
        Ok(())
    }

    pub(super) fn refused_move(&mut self) -> Result<()> {
        self.screen.scene("A move that AWS would refuse is told, not tried");
        Screen::note("the assistant serves a base model, which AWS cannot exchange");
        let before = self.updates()?.len();
        let patch = json!({"spec": {"managementPolicy": "Update", "modelId": CLASSIFIER_V2}}).to_string();
        self.kubectl(&["patch", "pt", "assistant", "--type=merge", "-p", &patch])?;
        self.wait_for("assistant", "condition=Stalled")?;
        self.kubectl(&["get", "pt", "assistant"])?;
        let object = self.object("assistant")?;
        let (_, reason, message) = condition(&object, "Stalled");
        Screen::output(message);
        expect("the reason", reason, "ModelFixed")?;
        expect("the number of updates at AWS", &self.updates()?.len().to_string(), &before.to_string())?;
        self.screen.held("the object is Stalled and says what to do; AWS was not called");
        Ok(())
    }

    pub(super) fn outage(&mut self) -> Result<()> {
        self.screen.scene("An outage of AWS is ridden out");
        Screen::note("from now on AWS answers every call with 503");
        let fault = json!({
            "kind": "error", "code": "ServiceUnavailableException", "status": 503, "message": "Bedrock is unable to process your request.",
        });
        self.sandbox.simulator.inject(&fault)?;
        let patch = json!({"spec": {"provisionedModelName": "summarizer-live"}}).to_string();
        self.kubectl(&["patch", "pt", "summarizer", "--type=merge", "-p", &patch])?;
        self.wait_for("summarizer", "jsonpath={.status.conditions[?(@.type==\"Reconciling\")].reason}=AwsUnavailable")?;
        self.kubectl(&["get", "pt", "summarizer"])?;
        let object = self.object("summarizer")?;
        Screen::output(condition(&object, "Reconciling").2);
        expect("Stalled during the outage", condition(&object, "Stalled").0, "")?;
        Screen::note("AWS is back");
        self.sandbox.simulator.clear_faults()?;
        self.wait_for("summarizer", "condition=Ready")?;
        self.kubectl(&["get", "pt", "summarizer"])?;
        let object = self.object("summarizer")?;
        expect("the name", text(&object, "/status/provisionedModelName"), "summarizer-live")?;
        self.screen.held("the change was told as waiting during the outage, and made behind it");
        Ok(())
    }

    /// The events about an object, the last ones at the bottom. Writing them is not waited for by the operator.
    fn events(&self, name: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("there is an event about {name}"), || {
            let said = self.quietly(&["events", &format!("--for=pt/{name}"), "--no-headers"])?;
            if said.contains(name) { Ok(()) } else { bail!("there is none") }
        })?;
        self.kubectl(&["events", &format!("--for=pt/{name}")]).map(drop)
    }
}
