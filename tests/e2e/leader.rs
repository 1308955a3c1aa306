//! Two operators, one Lease: one works, the other stands by, and whatever becomes of the first the other takes over, and AWS is asked once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, Operation},
    control_plane::{client_without_retries, plane},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
    operator::{Operator, Settings},
    proxy::Proxy,
    rights::{ROLE, SYSTEM, account_with, apply},
};

use Operation::UpdateProvisionedModelThroughput as Update;

/// The shipped name of the Lease, which the shipped Role names, too.
const LEASE: &str = "bedrock-throughput-operator";
/// The shipped Role.
const LEASE_ROLE: &str = "bedrock-throughput-operator-leader-election";
/// Short enough for a test, and long enough for a machine that is busy.
const QUICK: [&str; 6] =
    ["--leader-elect-lease-duration", "8s", "--leader-elect-renew-deadline", "5s", "--leader-elect-retry-period", "1s"];
/// So long that nobody sees it end.
const LONG: [&str; 6] = [
    "--leader-elect-lease-duration",
    "10m",
    "--leader-elect-renew-deadline",
    "9m",
    "--leader-elect-retry-period",
    "1s",
];
const LEASE_DURATION: Duration = Duration::from_secs(8);
const RENEW_DEADLINE: Duration = Duration::from_secs(5);

/// Gives the operator the shipped rights to its Lease in another namespace.
fn allow_the_lease_in(namespace: &str) {
    let shipped = plane().kubectl(&["--namespace", SYSTEM, "get", "role", LEASE_ROLE, "--output", "json"]);
    let shipped: Value = serde_json::from_str(&shipped).expect("a Role");
    let metadata = json!({"name": LEASE_ROLE, "namespace": namespace});
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": shipped["rules"],
    }));
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": LEASE_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": "bedrock-throughput-operator", "namespace": SYSTEM}],
    }));
}

/// Settings of an operator whose Lease is in the namespace that it watches.
fn elected(cluster: &Namespace, aws: &Aws, timing: [&str; 6]) -> Settings {
    let namespace = ["--leader-elect", "--leader-elect-resource-namespace", &cluster.name];
    settings(plane(), cluster, aws, &[&namespace[..], &timing].concat())
}

fn instance(mut settings: Settings, name: &str) -> Settings {
    settings.environment.push(("HOSTNAME".to_owned(), Some(name.to_owned())));
    settings
}

/// The leader, and one that stands by.
struct Pair {
    env: Environment,
    standby: Operator,
}

impl Pair {
    fn start(timing: [&str; 6]) -> Self {
        let (aws, cluster) = (Aws::start(), Namespace::new());
        let first = elected(&cluster, &aws, timing);
        Self::start_with(aws, cluster, first.clone(), first)
    }

    fn start_with(aws: Aws, cluster: Namespace, first: Settings, second: Settings) -> Self {
        allow_the_lease_in(&cluster.name);
        let env = Environment::with_settings(aws, cluster, instance(first, "first"));
        wait_until_leading(&env.operator);
        let standby = Operator::start(&instance(second, "second"));
        wait_until_standing_by(&standby, "first");
        Self { env, standby }
    }

    /// Waits until the one that stood by leads, and tells how long that took.
    fn wait_for_the_other(&self) -> Duration {
        let begun = Instant::now();
        wait_until_leading(&self.standby);
        let took = begun.elapsed();
        let holder = self.env.cluster.kubectl(&["get", "lease", LEASE, "--output", "jsonpath={.spec.holderIdentity}"]);
        assert!(holder.starts_with("second_"), "{holder}");
        took
    }
}

fn leads(operator: &Operator) -> Option<f64> {
    operator.metric("bedrock_throughput_leader")
}

fn wait_until_leading(operator: &Operator) {
    let leads = wait_until(PATIENCE, "the operator leads", || {
        anyhow::ensure!(leads(operator) == Some(1.0), "{}", operator.readyz().1);
        Ok(())
    });
    leads.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log()));
}

fn wait_until_standing_by(operator: &Operator, leader: &str) {
    let stands = wait_until(PATIENCE, "the operator stands by", || {
        let (ready, says) = operator.readyz();
        anyhow::ensure!(ready && says.contains(&format!("stands by: {leader}")), "{says}");
        Ok(())
    });
    stands.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log()));
    assert_eq!(leads(operator), Some(0.0));
}

fn named(name: &str) -> Value {
    manifest("summarizer", json!({"provisionedModelId": ARN, "provisionedModelName": name}))
}

#[test]
fn of_two_that_run_as_shipped_one_works_and_the_other_says_who() {
    let (aws, unused, cluster) = (Aws::start(), Aws::start(), Namespace::new());
    let first = instance(settings(plane(), &cluster, &aws, &["--leader-elect"]), "first");
    let env = Environment::with_settings(aws, cluster, first);
    wait_until_leading(&env.operator);
    let second = settings(plane(), &env.cluster, &unused, &["--leader-elect"]);
    let standby = Operator::start(&instance(second, "second"));
    wait_until_standing_by(&standby, "first_");
    let says = standby.readyz().1;
    assert!(says.ends_with(&format!("leads (the lease {SYSTEM}/{LEASE})\n")), "{says}");
    env.cluster.apply(&named("renamed"));
    env.wait_until_ready("summarizer");
    assert_eq!(env.aws.update_requests(), [json!({"desiredProvisionedModelName": "renamed"})]);
    let (ready, says) = env.operator.readyz();
    assert!(ready && says.contains("[+] leader election: leads by the lease"), "{says}");
    assert_eq!(unused.call_lines(), Vec::<String>::new(), "one that stands by asks AWS for nothing");
    standby.terminate();
    let status = standby.wait_until_ended();
    assert!(status.success(), "{status}: {}", standby.log());
    assert!(env.operator.is_running());
}

#[test]
fn sigterm_hands_over_at_once_and_the_call_that_was_out_is_told() {
    let pair = Pair::start(LONG);
    pair.env.operator.wait_until_ready();
    pair.env.aws.delay(Update, Duration::from_secs(2));
    pair.env.cluster.apply(&named("renamed"));
    pair.env.wait_for("summarizer", "has a call out", |object| !object.status("/plan/sentAt").is_empty());
    pair.env.operator.terminate();
    let status = pair.env.operator.wait_until_ended();
    assert!(status.success(), "{status}: {}", pair.env.operator.log());
    let object = pair.env.cluster.get("summarizer").expect("the object");
    assert_eq!(object.status("/lastUpdate/requestId"), pair.env.aws.update_request_ids()[0]);
    let took = pair.wait_for_the_other();
    // It would have had to wait for ten minutes.
    assert!(took < Duration::from_secs(30), "{took:?}");
    pair.env.wait_until_ready("summarizer");
    assert_eq!(pair.env.aws.update_calls(), 1, "{}", pair.env.story("summarizer"));
}

#[test]
fn after_sigkill_the_other_takes_over_when_the_lease_has_ended() {
    let pair = Pair::start(QUICK);
    pair.env.aws.delay(Update, Duration::from_secs(2));
    pair.env.cluster.apply(&named("renamed"));
    pair.env.wait_until("summarizer", "the call is out", || pair.env.aws.update_calls() == 1);
    pair.env.operator.kill();
    let took = pair.wait_for_the_other();
    // Up to a second of the lease was over when the leader died. What is more is the machine's.
    assert!(took > LEASE_DURATION.saturating_sub(Duration::from_secs(3)), "{took:?}");
    assert!(took < LEASE_DURATION + Duration::from_secs(10), "{took:?}");
    pair.env.wait_until_ready("summarizer");
    assert_eq!(pair.env.aws.update_calls(), 1, "{}\n{}", pair.env.story("summarizer"), pair.standby.log_tail());
}

#[test]
fn a_leader_that_is_cut_off_from_kubernetes_ends_before_another_leads() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
    let mut first = elected(&cluster, &aws, QUICK);
    let second = first.clone();
    first.kubeconfig = proxy.kubeconfig().to_path_buf();
    let pair = Pair::start_with(aws, cluster, first, second);
    pair.env.cluster.apply(&named("summarizer"));
    pair.env.wait_until_ready("summarizer");
    proxy.cut_kubernetes();
    let cut = Instant::now();
    // Its watch still brings what is new.
    pair.env.cluster.apply(&named("renamed"));
    let status = pair.env.operator.wait_until_ended();
    let took = cut.elapsed();
    assert_eq!(leads(&pair.standby), Some(0.0), "nobody leads yet");
    assert!(!status.success(), "{status}");
    assert!(took < RENEW_DEADLINE + Duration::from_secs(2), "{took:?}");
    let log = pair.env.operator.log();
    assert!(log.contains("is lost, so this process ends: it could not be renewed within 5s"), "{log}");
    pair.wait_for_the_other();
    pair.env.wait_until_ready("summarizer");
    assert_eq!(pair.env.aws.update_calls(), 1, "{}", pair.env.story("summarizer"));
}

/// The hardest case: what it had announced is allowed to it while it stands still, and it learns of that when another has taken over. Which of its
/// threads goes on first is chance; that none of them gets through to AWS, `bedrock/fenced.rs` tests by itself.
#[test]
fn a_leader_that_was_frozen_in_the_middle_of_a_pass_begins_no_call_when_it_goes_on() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
    let mut first = elected(&cluster, &aws, QUICK);
    let second = first.clone();
    first.kubeconfig = proxy.kubeconfig().to_path_buf();
    let pair = Pair::start_with(aws, cluster, first, second);
    pair.env.operator.wait_until_ready();
    proxy.hold("/status?");
    pair.env.cluster.apply(&named("renamed"));
    pair.env.wait_until("summarizer", "the announcement of the call is held", || proxy.is_holding());
    pair.env.operator.freeze();
    proxy.release();
    pair.env.wait_for("summarizer", "has the call announced", |object| !object.status("/plan/sentAt").is_empty());
    pair.wait_for_the_other();
    pair.env.wait_until_ready("summarizer");
    assert_eq!(pair.env.aws.update_calls(), 1, "the other has made the call");
    pair.env.operator.thaw();
    let status = pair.env.operator.wait_until_ended();
    assert!(!status.success(), "{status}");
    assert_eq!(pair.env.aws.update_calls(), 1, "{}", pair.env.story("summarizer"));
}

#[test]
fn a_lease_that_somebody_takes_by_hand_ends_the_process() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    allow_the_lease_in(&cluster.name);
    let settings = elected(&cluster, &aws, LONG);
    let env = Environment::with_settings(aws, cluster, settings);
    wait_until_leading(&env.operator);
    let patch = json!({"spec": {"holderIdentity": "thief"}}).to_string();
    env.cluster.kubectl(&["patch", "lease", LEASE, "--type", "merge", "--patch", &patch]);
    let status = env.operator.wait_until_ended();
    assert!(!status.success(), "{status}");
    let log = env.operator.log();
    assert!(
        log.contains(&format!("the lease {}/{LEASE} is lost, so this process ends: thief", env.cluster.name)),
        "{log}"
    );
}

#[test]
fn missing_rights_to_the_lease_are_told_until_they_are_there() {
    let (aws, cluster) = (Aws::start(), Namespace::new());
    let mut settings = elected(&cluster, &aws, QUICK);
    settings.kubeconfig = account_with("without-a-lease", &[ROLE]);
    let operator = Operator::start(&settings);
    let told = wait_until(PATIENCE, "the missing right is told", || {
        let (ready, says) = operator.readyz();
        let expected =
            format!("[-] leader election: the lease {}/{LEASE} could not be read: RBAC does not", cluster.name);
        anyhow::ensure!(
            !ready && says.contains(&expected) && says.contains("cannot get resource \"leases\""),
            "{says}"
        );
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log()));
    assert_eq!(operator.get("/livez").expect("/livez"), "ok\n");
    assert_eq!(leads(&operator), Some(0.0));
    allow_the_lease_in(&cluster.name);
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "without-a-lease", "namespace": cluster.name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": LEASE_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": "without-a-lease", "namespace": SYSTEM}],
    }));
    wait_until_leading(&operator);
    operator.wait_until_ready();
}

#[test]
fn durations_with_which_two_could_lead_end_it_at_the_start() {
    let (aws, cluster) = (Aws::start(), Namespace::shared());
    let flags = ["--leader-elect", "--leader-elect-renew-deadline", "15s"];
    let operator = Operator::launch(&settings(plane(), &cluster, &aws, &flags));
    let status = operator.wait_until_ended();
    assert!(!status.success(), "{status}");
    let log = operator.log();
    assert!(log.contains("has to be shorter than --leader-elect-lease-duration 15s"), "{log}");
}
