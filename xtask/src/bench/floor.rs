//! The floor: a bare program that makes the operator's calls and nothing else. It watches, and does not read what it is told; it lists,
//! and does not keep what is listed; it decides nothing and remembers nothing. It has the operator's rights and its concurrency.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::aws::Aws;
use super::fleet::{self, Fleet, rename};
use super::kubernetes::Kubernetes;
use super::parallel::in_parallel;
use super::stage::Stage;

/// The bare program.
#[derive(Debug)]
pub(super) struct Floor {
    kubernetes: Kubernetes,
    aws: Aws,
    fleet: Fleet,
    concurrency: usize,
    limit: Duration,
}

/// The calls for one rename, as they are sent.
#[derive(Debug)]
pub(super) struct Rename {
    namespace: &'static str,
    object: String,
    arn: String,
    name: String,
    /// The status that tells of the call, and the one that tells that it is served.
    statuses: [String; 2],
    events: [String; 2],
}

impl Floor {
    /// A program that has no connection yet.
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self> {
        Ok(Self {
            kubernetes: stage.as_operator()?,
            aws: Aws::new(stage.simulator.url()),
            fleet: stage.fleet,
            concurrency: stage.concurrency,
            limit: stage.patience(),
        })
    }

    /// LIST of all objects and List of all throughputs.
    pub(super) fn start(&self) -> Result<Duration> {
        let begin = Instant::now();
        self.kubernetes.list()?;
        self.aws.list()?;
        Ok(begin.elapsed())
    }

    /// The calls that rename all throughputs, with statuses like that of `template`, an object that is ready.
    pub(super) fn renames(&self, template: &Value, names: &[String], generation: usize) -> Result<Vec<Rename>> {
        let one = |(index, name): (usize, &String)| Rename::new(self.fleet, index, template, name, generation);
        names.iter().enumerate().map(one).collect()
    }

    /// LIST and watch of the objects, List of the throughputs, and then for each object its calls.
    pub(super) fn rename_all(&self, renames: &[Rename]) -> Result<()> {
        let version = self.kubernetes.list()?;
        let (client, limit, events) = (self.kubernetes.clone(), self.limit, renames.len() * 2);
        let watched = thread::spawn(move || {
            let mut seen = 0;
            client.watch_lines(&version, limit, |_| {
                seen += 1;
                seen == events
            })
        });
        self.aws.list()?;
        in_parallel(self.concurrency, renames.len(), |index| {
            let rename = renames.get(index).context("an index below the number of renames")?;
            self.rename(rename)
        })?;
        watched.join().map_err(|_| anyhow!("the thread that watches panicked"))?
    }

    /// So many edits by `admin`, one after the other, on an idle fleet. The program sees each of them in its watch, and answers with a List,
    /// a write of the status and the Update; what comes after the Update is done before the next edit. Returns when each was begun.
    pub(super) fn edits(&self, admin: &Kubernetes, objects: &[usize]) -> Result<Vec<(String, Timestamp)>> {
        let mut renames = Vec::new();
        for (number, index) in objects.iter().enumerate() {
            let object = admin.get(self.fleet.namespace(*index), &fleet::object(*index))?;
            let generation = object.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or_default();
            let generation = usize::try_from(generation)? + 1;
            renames.push(Rename::new(self.fleet, *index, &object, &format!("floor-edit-{number}-x"), generation)?);
        }
        let edits: Vec<_> =
            renames.iter().map(|edit| (edit.namespace, edit.object.clone(), edit.name.clone())).collect();
        let (next, wait) = mpsc::channel::<()>();
        let editor = admin.clone();
        let version = self.kubernetes.list()?;
        // A connection that is there already, as the operator's are.
        self.aws.list()?;
        let edited = thread::spawn(move || -> Result<Vec<(String, Timestamp)>> {
            let mut sent = Vec::new();
            for (namespace, object, name) in edits {
                sent.push((name.clone(), Timestamp::now()));
                editor.edit(namespace, &object, &rename(&name))?;
                // The program is gone when nobody answers, and says why.
                if wait.recv().is_err() {
                    bail!("the bare program ended before the last edit");
                }
            }
            Ok(sent)
        });
        let mut waiting = renames.iter();
        let mut current = waiting.next();
        let mut failed = None;
        self.kubernetes.watch_lines(&version, self.limit, |line| {
            let Some(rename) = current.filter(|rename| line.contains(&rename.name)) else { return current.is_none() };
            let done = self.aws.list().and_then(|_| self.rename(rename));
            failed = done.err();
            current = waiting.next();
            let stopped = next.send(()).is_err();
            failed.is_some() || stopped || current.is_none()
        })?;
        drop(next);
        failed.map_or(Ok(()), Err)?;
        edited.join().map_err(|_| anyhow!("the thread that edits panicked"))?
    }

    /// The calls for one rename. The operator's, too, need not have made the first event when it sends the Update.
    fn rename(&self, rename: &Rename) -> Result<()> {
        let Rename { namespace, object, arn, name, statuses: [sent, served], events: [begun, ended] } = rename;
        self.kubernetes.apply_status(namespace, object, sent)?;
        self.aws.rename(arn, name)?;
        self.kubernetes.create_event(namespace, begun)?;
        self.kubernetes.apply_status(namespace, object, served)?;
        self.kubernetes.create_event(namespace, ended)
    }
}

impl Rename {
    /// Statuses and events of the size that the operator's have.
    fn new(fleet: Fleet, index: usize, template: &Value, name: &str, generation: usize) -> Result<Self> {
        let (namespace, object, arn) = (fleet.namespace(index), fleet::object(index), fleet::arn(index));
        let now = Timestamp::now();
        let second = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let old = template.pointer("/status/provisionedModelName").cloned().unwrap_or_default();
        let (from, to) = (json!({"desiredProvisionedModelName": old}), json!({"desiredProvisionedModelName": name}));
        let update = json!({
            "action": "Update", "time": second, "requestId": "5b1a7e00-0000-4000-8000-000000000000", "generation": generation,
            "cause": "Manifest", "from": from, "to": to, "servedTime": second,
        });
        let plan = json!({
            "action": "Update", "request": to, "message": format!("rename it to {name}"), "waitingFor": "Answer", "cause": "Manifest",
            "from": from, "sentAt": second,
        });
        let common = [("provisionedModelArn", json!(arn)), ("observedGeneration", json!(generation))];
        let sent = [("provisionedModelName", old), ("plan", plan)].into_iter().chain(common.clone());
        let sent = status_like(template, sent, &[("status", json!("False")), ("reason", json!("Updating"))])?;
        let served = [("provisionedModelName", json!(name)), ("lastUpdate", update)].into_iter().chain(common);
        let served = status_like(template, served, &[("observedGeneration", json!(generation))])?;
        let uid = template.pointer("/metadata/uid").cloned().unwrap_or_default();
        let event = |number: usize, reason: &str| {
            json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event", "action": "Reconcile", "reason": reason, "type": "Normal",
                "metadata": {"name": format!("{object}.{:x}{number}", now.as_nanosecond()), "namespace": namespace},
                "eventTime": format!("{now:.6}"), "note": format!("throughput {object}: rename it to {name}"),
                "regarding": {
                    "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput", "namespace": namespace, "name": object,
                    "uid": uid,
                },
                "reportingController": "bedrock-throughput.dev/operator", "reportingInstance": "floor",
            })
            .to_string()
        };
        let written = |status: &Map<String, Value>| {
            json!({
                "apiVersion": "bedrock-throughput.dev/v1alpha1", "kind": "ProvisionedThroughput", "metadata": {"name": object},
                "status": status,
            })
            .to_string()
        };
        let (statuses, events) = ([written(&sent), written(&served)], [event(1, "Updating"), event(2, "Updated")]);
        Ok(Self { namespace, object, arn, name: name.to_owned(), statuses, events })
    }
}

/// The status of an object without its plan, with other members, and with other members in each condition.
fn status_like(
    object: &Value,
    members: impl Iterator<Item = (&'static str, Value)>,
    condition: &[(&str, Value)],
) -> Result<Map<String, Value>> {
    let status = object.get("status").and_then(Value::as_object);
    let mut status = status.cloned().context("the template has no status")?;
    status.remove("plan");
    status.extend(members.map(|(name, value)| (name.to_owned(), value)));
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for has in conditions.context("the template has no conditions")?.iter_mut().filter_map(Value::as_object_mut) {
        has.extend(condition.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        json!({
            "metadata": {"uid": "u"},
            "status": {
                "observedGeneration": 1, "provisionedModelName": "old", "provisionedModelArn": "another",
                "conditions": [{"type": "Ready", "status": "True", "reason": "InService", "observedGeneration": 1}],
            },
        })
    }

    #[test]
    fn the_last_status_is_that_of_an_object_that_is_ready() {
        let rename = Rename::new(Fleet { objects: 3 }, 1, &template(), "new", 7).unwrap();
        let [first, last] = rename.statuses.map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(last["status"]["provisionedModelName"], "new");
        assert_eq!(last["status"]["provisionedModelArn"], fleet::arn(1).as_str());
        assert_eq!(last["status"]["observedGeneration"], 7);
        assert_eq!(last["status"]["conditions"][0]["status"], "True");
        assert_eq!((last["status"]["plan"].is_null(), first["status"]["plan"].is_null()), (true, false));
        assert_eq!(first["status"]["conditions"][0]["status"], "False");
        assert_eq!(first["status"]["provisionedModelName"], "old");
    }

    #[test]
    fn each_event_has_a_name_of_its_own() {
        let rename = Rename::new(Fleet { objects: 3 }, 1, &template(), "new", 7).unwrap();
        let [first, last] = rename.events.map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_ne!(first["metadata"]["name"], last["metadata"]["name"]);
    }

    #[test]
    fn an_object_without_a_status_is_no_template() {
        assert!(Rename::new(Fleet { objects: 3 }, 1, &json!({}), "new", 7).is_err());
    }
}
