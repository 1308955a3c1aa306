//! Whose a throughput is: two clusters with an operator each, and several objects in one cluster.

use std::fmt::Write as _;

use anyhow::bail;
use bedrock_simulator::seed::ProvisionedModelSeed;
use serde_json::{Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V1_NAME},
    control_plane::plane,
    environment::{Environment, Namespace, PATIENCE, settings},
    object::{Object, TAKE_OVER_FROM, manifest},
    operator::Operator,
};

/// A namespace and an operator that calls it a cluster of its own.
struct Cluster {
    name: &'static str,
    namespace: Namespace,
    operator: Operator,
}

impl Cluster {
    fn start(name: &'static str, aws: &Aws) -> Self {
        let namespace = Namespace::new();
        let flags = ["--cluster-name", name, "--allow-create", "--allow-delete"];
        let operator = Operator::start(&settings(plane(), &namespace, aws, &flags));
        Self { name, namespace, operator }
    }

    /// The object `summarizer`, as the owner tags and the annotation write it.
    fn owner(&self) -> String {
        format!("{}/{}/summarizer", self.name, self.namespace.name)
    }

    fn apply(&self, spec: Value) {
        self.namespace.apply(&manifest("summarizer", spec));
    }

    fn take_over_from(&self, other: Option<&Self>) {
        let value = other.map(Self::owner);
        self.namespace.annotate("summarizer", TAKE_OVER_FROM, value.as_deref());
    }

    fn wait_for(&self, aws: &Aws, what: &str, condition: impl Fn(&Object) -> bool) -> Object {
        let found = wait_until(PATIENCE, &format!("the object of cluster {} {what}", self.name), || {
            let object = self.namespace.get("summarizer")?;
            if condition(&object) { Ok(object) } else { bail!("it is not so") }
        });
        found.unwrap_or_else(|error| panic!("{error:#}\n{}", self.story(aws)))
    }

    fn wait_until_ready(&self, aws: &Aws) -> Object {
        self.wait_for(aws, "is ready", Object::is_ready)
    }

    /// Waits until the object leaves the throughput to the other one.
    fn wait_until_left_to(&self, aws: &Aws, other: &Self) {
        let names = format!("ProvisionedThroughput {}/summarizer of cluster {}", other.namespace.name, other.name);
        let object = self.wait_for(aws, "leaves it to the other", |object| object.is_stalled("AlreadyManaged"));
        assert!(object.message().contains(&names), "{}", object.message());
        assert!(object.message().contains(&format!("{TAKE_OVER_FROM}: {}", other.owner())), "{}", object.message());
    }

    fn story(&self, aws: &Aws) -> String {
        let mut story = String::new();
        let object = self.namespace.get("summarizer").map(|object| object.0);
        let _ = writeln!(story, "--- the object of cluster {}:\n{object:#?}", self.name);
        let _ = writeln!(story, "--- its events:\n{}", self.namespace.events("summarizer").join("\n"));
        let _ = writeln!(story, "--- the calls to AWS:\n{}", aws.call_lines().join("\n"));
        let _ = writeln!(story, "--- its operator's log:\n{}", self.operator.log_tail());
        story
    }
}

fn full(name: &str) -> Value {
    json!({"managementPolicy": "Full", "provisionedModelId": ARN, "provisionedModelName": name})
}

/// The names that throughputs were renamed to, in the order of the calls.
fn renames(aws: &Aws) -> Vec<String> {
    let name = |request: &Value| request["desiredProvisionedModelName"].as_str().unwrap_or_default().to_owned();
    aws.update_requests().iter().map(name).collect()
}

fn wait_until_both_look_again(aws: &Aws) {
    let looks = aws.looks();
    let more = wait_until(PATIENCE, "both look again", || {
        anyhow::ensure!(aws.looks() >= looks + 4, "they have not");
        Ok(())
    });
    more.unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn a_throughput_is_handed_over_between_clusters_in_both_directions() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    // Each wants another name, so that a tug of war would show.
    a.apply(full("from-a"));
    a.wait_until_ready(&aws);
    b.apply(full("from-b"));
    b.wait_until_left_to(&aws, &a);
    assert_eq!(aws.owner(ARN), Some(a.owner()));
    assert_eq!(renames(&aws), ["from-a"]);

    b.take_over_from(Some(&a));
    b.wait_until_ready(&aws);
    a.wait_until_left_to(&aws, &b);
    assert_eq!(aws.owner(ARN), Some(b.owner()));
    assert_eq!(renames(&aws), ["from-a", "from-b"]);

    a.take_over_from(Some(&b));
    a.wait_until_ready(&aws);
    b.wait_until_left_to(&aws, &a);
    assert_eq!(aws.owner(ARN), Some(a.owner()));
    assert_eq!(renames(&aws), ["from-a", "from-b", "from-a"]);

    // The annotation was honoured once, and its value cannot be another: it is taken away and set again.
    b.take_over_from(None);
    b.wait_for(&aws, "has forgotten the annotation", |object| object.status("/lastHandledTakeOver").is_empty());
    b.take_over_from(Some(&a));
    b.wait_until_ready(&aws);
    a.wait_until_left_to(&aws, &b);
    assert_eq!(aws.owner(ARN), Some(b.owner()));

    // Nobody takes it back, and nothing was bought or deleted on the way.
    wait_until_both_look_again(&aws);
    assert_eq!(renames(&aws), ["from-a", "from-b", "from-a", "from-b"], "{}", b.story(&aws));
    assert_eq!(aws.calls_of(Operation::CreateProvisionedModelThroughput), 0);
    assert_eq!(aws.calls_of(Operation::DeleteProvisionedModelThroughput), 0);
    assert_eq!(aws.calls_of(Operation::TagResource), 4, "{}", b.story(&aws));
}

#[test]
fn an_object_that_has_handed_over_and_is_deleted_leaves_the_throughput_alone() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    let deletes = |name| {
        let mut spec = full(name);
        spec["deletionPolicy"] = json!("Delete");
        spec
    };
    a.apply(deletes("shared"));
    a.wait_until_ready(&aws);
    b.apply(deletes("shared"));
    b.wait_until_left_to(&aws, &a);
    b.take_over_from(Some(&a));
    b.wait_until_ready(&aws);
    // Before it has noticed.
    a.namespace.delete("summarizer");
    let gone = wait_until(PATIENCE, "the object of cluster a is gone", || {
        anyhow::ensure!(!a.namespace.exists("summarizer"), "it is there");
        Ok(())
    });
    gone.unwrap_or_else(|error| panic!("{error:#}\n{}", a.story(&aws)));
    assert_eq!(aws.calls_of(Operation::DeleteProvisionedModelThroughput), 0, "{}", a.story(&aws));
    assert_eq!(aws.owner(ARN), Some(b.owner()));
}

#[test]
fn of_two_clusters_that_come_at_once_one_gets_it_and_the_other_leaves_it() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    a.apply(full("from-a"));
    b.apply(full("from-b"));
    let settled = |one: &Cluster, other: &Cluster| {
        let one = one.namespace.get("summarizer").is_ok_and(|object| object.is_ready());
        one && other.namespace.get("summarizer").is_ok_and(|object| object.is_stalled("AlreadyManaged"))
    };
    let who = wait_until(PATIENCE, "one of them has it", || match (settled(&a, &b), settled(&b, &a)) {
        (true, false) => Ok((&a, "from-a")),
        (false, true) => Ok((&b, "from-b")),
        _ => bail!("neither"),
    });
    let (owner, name) = who.unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", a.story(&aws), b.story(&aws)));
    assert_eq!((aws.owner(ARN), aws.throughput(ARN).name.as_str()), (Some(owner.owner()), name));
    // And so it stays.
    let calls = aws.changing_calls();
    wait_until_both_look_again(&aws);
    assert_eq!(aws.changing_calls(), calls, "{}\n{}", a.story(&aws), b.story(&aws));
}

#[test]
fn released_by_one_cluster_it_is_taken_by_the_other_without_an_annotation() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    a.apply(full(NAME));
    a.wait_until_ready(&aws);
    b.apply(full(NAME));
    b.wait_until_left_to(&aws, &a);
    let mut released = full(NAME);
    released["managementPolicy"] = json!("Update");
    a.apply(released);
    b.wait_until_ready(&aws);
    assert_eq!(aws.owner(ARN), Some(b.owner()), "{}", b.story(&aws));
}

#[test]
fn a_take_over_that_names_somebody_else_is_none() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    a.apply(full(NAME));
    a.wait_until_ready(&aws);
    b.apply(full(NAME));
    b.wait_until_left_to(&aws, &a);
    b.namespace.annotate("summarizer", TAKE_OVER_FROM, Some("c/ml/summarizer"));
    let looks = aws.looks();
    let more = wait_until(PATIENCE, "it is looked at again", || {
        if aws.looks() >= looks + 3 { Ok(()) } else { bail!("it has not been") }
    });
    more.unwrap_or_else(|error| panic!("{error:#}"));
    b.wait_until_left_to(&aws, &a);
    assert_eq!(aws.owner(ARN), Some(a.owner()));
}

#[test]
fn a_take_over_outlasts_a_passing_fault() {
    let aws = Aws::start();
    let (a, b) = (Cluster::start("a", &aws), Cluster::start("b", &aws));
    a.apply(full(NAME));
    a.wait_until_ready(&aws);
    b.apply(full(NAME));
    b.wait_until_left_to(&aws, &a);
    aws.refuse(Operation::TagResource, "ThrottlingException");
    b.take_over_from(Some(&a));
    b.wait_for(&aws, "tells of the throttle", |object| object.reason() == "Throttled");
    aws.end_faults(Operation::TagResource);
    b.wait_until_ready(&aws);
    assert_eq!(aws.owner(ARN), Some(b.owner()));
}

/// A throughput whose tags name this object as its owner.
fn owned_by(cluster: &str, namespace: &str, name: &str) -> Aws {
    let aws = Aws::start();
    let tags = [("cluster", cluster), ("namespace", namespace), ("name", name), ("uid", "somebody")]
        .map(|(key, value)| (format!("bedrock-throughput.dev/{key}"), value.to_owned()));
    let seed = ProvisionedModelSeed::new(NAME, SUMMARIZER_V1_NAME).arn(ARN);
    aws.seed_throughput(ProvisionedModelSeed { tags: tags.into(), ..seed });
    aws
}

#[test]
fn a_holder_of_the_same_cluster_that_is_gone_is_followed_by_itself() {
    let cluster = Namespace::new();
    let aws = owned_by("test", &cluster.name, "gone-long-ago");
    let settings = settings(plane(), &cluster, &aws, &["--cluster-name", "test"]);
    let env = Environment::with_settings(aws, cluster, settings);
    env.cluster.apply(&manifest("summarizer", full(NAME)));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.owner(ARN), Some(format!("test/{}/summarizer", env.cluster.name)));
}

#[test]
fn a_holder_in_a_namespace_that_is_not_watched_counts_as_being_there() {
    let aws = owned_by("test", "elsewhere", "summarizer");
    let env = Environment::with_flags(aws, &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("summarizer", full(NAME)));
    let object = env.wait_until_stalled("summarizer", "AlreadyManaged");
    assert!(object.message().contains("test/elsewhere/summarizer"), "{}", object.message());
    assert_eq!(env.aws.changing_calls(), Vec::<String>::new());
}

#[test]
fn an_object_that_is_made_anew_goes_on_with_its_throughput() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("summarizer", full(NAME)));
    env.wait_until_ready("summarizer");
    let before = env.cluster.uid("summarizer");
    env.cluster.delete("summarizer");
    env.wait_until_gone("summarizer");
    env.cluster.apply(&manifest("summarizer", full(NAME)));
    env.wait_until_ready("summarizer");
    let uid = env.cluster.uid("summarizer");
    assert_ne!(uid, before);
    assert_eq!(env.aws.tags(ARN)["bedrock-throughput.dev/uid"], uid);
}

#[test]
fn of_two_full_objects_for_one_arn_the_older_owns_it_and_the_younger_follows() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("older", full("older")));
    let older = env.wait_until_ready("older");
    env.wait_until("older", "a second has passed since the older object was made", || {
        let made = older.0.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        made.is_some_and(|made| jiff::Timestamp::now().as_second() > made)
    });
    env.cluster.apply(&manifest("younger", full("younger")));
    let younger = env.wait_until_stalled("younger", "AlreadyManaged");
    assert!(younger.message().contains(&format!("{}/older", env.cluster.name)), "{}", younger.message());
    assert_eq!(env.aws.owner(ARN), Some(format!("test/{}/older", env.cluster.name)));
    env.cluster.delete("older");
    env.wait_until_ready("younger");
    assert_eq!(env.aws.owner(ARN), Some(format!("test/{}/younger", env.cluster.name)));
    assert_eq!(renames(&env.aws), ["older", "younger"], "{}", env.story("younger"));
}

/// By age it is the older's, by its tags the younger's: the two must not wait for each other for ever.
#[test]
fn an_older_object_that_only_looked_takes_it_from_the_younger_when_it_is_to_own() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("older", json!({"managementPolicy": "Observe", "provisionedModelId": ARN})));
    let older = env.wait_until_ready("older");
    env.wait_until("older", "a second has passed since the older object was made", || {
        let made = older.0.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        made.is_some_and(|made| jiff::Timestamp::now().as_second() > made)
    });
    env.cluster.apply(&manifest("younger", full("younger")));
    env.wait_until_ready("younger");
    env.cluster.apply(&manifest("older", full("older")));
    env.wait_for("older", "owns it", |object| object.is_ready() && object.status("/provisionedModelName") == "older");
    let younger = env.wait_until_stalled("younger", "AlreadyManaged");
    assert!(younger.message().contains(&format!("{}/older", env.cluster.name)), "{}", younger.message());
    assert_eq!(env.aws.owner(ARN), Some(format!("test/{}/older", env.cluster.name)));
    assert_eq!(renames(&env.aws), ["younger", "older"], "{}", env.story("older"));
}

#[test]
fn any_number_of_objects_may_observe_what_another_owns() {
    let env = Environment::with_flags(Aws::start(), &["--cluster-name", "test"]);
    env.cluster.apply(&manifest("owner", full(NAME)));
    env.wait_until_ready("owner");
    for name in ["first", "second"] {
        let spec = json!({"managementPolicy": "Observe", "provisionedModelId": ARN});
        env.cluster.apply(&manifest(name, spec));
        env.wait_until_ready(name);
    }
    env.wait_until_ready("owner");
}
