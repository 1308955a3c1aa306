//! Killed at every single request, to AWS or to Kubernetes, and started again: it comes out the same, and AWS is asked once.

use std::time::Duration;

use bedrock_simulator::Call;
use serde_json::{Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, NAME, Operation, SUMMARIZER_V2},
    control_plane::{client_without_retries, plane},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::manifest,
    operator::Operator,
    parallel,
    proxy::{Moment, Proxy},
    purchase::{BOUGHT, MAY_BUY_AND_DELETE, purchase},
};

use Operation::{
    CreateProvisionedModelThroughput as Create, DeleteProvisionedModelThroughput as Delete,
    UpdateProvisionedModelThroughput as Update,
};

/// How many requests more than in the run without a crash are tried, because their number differs a little from run to run.
const MARGIN: usize = 3;
/// How many crashes are rehearsed at the same time.
const WIDTH: usize = 16;

/// The object of every rehearsal.
const OBJECT: &str = "summarizer";

/// What is done while the operator is killed.
struct Deed {
    /// What AWS leaves unsaid, as it is hardest for this.
    switches: &'static [(&'static str, &'static str)],
    /// The manifest.
    spec: fn() -> Value,
    /// What is done to the object after an operator that nobody kills has made it ready; where there is nothing, the operator that is to be
    /// killed is the first.
    afterwards: Option<fn(&Namespace)>,
    /// The call that must be carried out once, and how it looks to the proxy.
    call: (Operation, &'static str),
    /// The reason of the event that tells of it.
    event: &'static str,
    /// Whether all of it is done.
    is_done: fn(&Environment) -> bool,
    /// What has to be the same, whenever the operator was killed.
    end: fn(&Environment) -> Value,
}

/// A rename and a move in one manifest.
const UPDATE: Deed = Deed {
    switches: &[],
    spec: || json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2}),
    afterwards: None,
    call: (Update, "AWS PATCH"),
    event: "Updated",
    is_done: is_ready,
    end: |env| {
        assert_eq!(env.aws.throughput(ARN).name, "summarizer-prod");
        status(env)
    },
};

/// A purchase, where AWS would take the name twice.
const CREATE: Deed = Deed {
    switches: &[("duplicateName", "Allowed"), ("tokenReplay", "EmptyBody")],
    spec: purchase,
    afterwards: None,
    call: (Create, "AWS POST /provisioned-model-throughput"),
    event: "Created",
    is_done: is_ready,
    end: |env| {
        let throughput = env.aws.the_bought();
        assert_eq!(throughput.name, BOUGHT);
        assert_eq!(env.aws.tokens(), [env.cluster.uid(OBJECT)]);
        let status = status(env);
        assert_eq!(status["provisionedModelArn"], throughput.arn);
        status
    },
};

/// The deletion of an object and its throughput.
const DELETE: Deed = Deed {
    switches: &[],
    spec: || json!({"provisionedModelId": NAME, "managementPolicy": "Full", "deletionPolicy": "Delete"}),
    afterwards: Some(|cluster| cluster.delete(OBJECT)),
    call: (Delete, "AWS DELETE"),
    event: "Deleted",
    is_done: |env| !env.cluster.has(OBJECT),
    end: |env| {
        assert!(!env.aws.has(ARN), "the throughput goes first");
        json!(env.aws.throughputs().into_keys().collect::<Vec<_>>())
    },
};

fn is_ready(env: &Environment) -> bool {
    env.cluster.get(OBJECT).is_ok_and(|object| object.is_ready())
}

/// The status, without what differs from one run to the next.
fn status(env: &Environment) -> Value {
    let object = env.wait_until_ready(OBJECT);
    let mut status = object.status_without_times();
    status["lastUpdate"]["isServed"] = json!(!object.status("/lastUpdate/servedTime").is_empty());
    let text = status.to_string().replace(&env.cluster.uid(OBJECT), "(uid)");
    let text = text.replace(&json!(env.cluster.name).to_string(), "\"(namespace)\"");
    serde_json::from_str(&text).expect("what was JSON before")
}

struct Rehearsal<'a> {
    deed: &'a Deed,
    env: Environment,
    proxy: Proxy,
}

impl<'a> Rehearsal<'a> {
    /// An operator that is about to see what is to be done, and to be killed if `kill` says so.
    fn begin(deed: &'a Deed, read_lag: Duration, kill: Option<(usize, Moment)>) -> Self {
        let aws = Aws::start();
        for (switch, setting) in deed.switches {
            aws.switch(switch, setting);
        }
        let cluster = Namespace::new();
        let flags = format!("{}s", read_lag.as_secs() + 1);
        let flags = [MAY_BUY_AND_DELETE, &["--read-lag", &flags]].concat();
        let mut settings = settings(plane(), &cluster, &aws, &flags);
        cluster.apply(&manifest(OBJECT, (deed.spec)()));
        let (aws, cluster) = match deed.afterwards {
            None => (aws, cluster),
            Some(afterwards) => {
                let env = Environment::with_settings(aws, cluster, settings.clone());
                env.wait_until_ready(OBJECT);
                let Environment { aws, cluster, operator, settings: _ } = env;
                operator.kill();
                afterwards(&cluster);
                (aws, cluster)
            }
        };
        if !read_lag.is_zero() {
            aws.lag(read_lag);
            aws.switch("tagReadLag", "Lags");
        }
        let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
        settings.kubeconfig = proxy.kubeconfig().to_path_buf();
        proxy.aws_url().clone_into(&mut settings.aws_url);
        if let Some((number, moment)) = kill {
            proxy.kill_at(number, moment);
        }
        let operator = Operator::launch(&settings);
        proxy.set_killer(operator.killer());
        Self { deed, env: Environment { aws, cluster, operator, settings }, proxy }
    }

    /// Waits until the operator has been killed, or has done all that there is to do. Returns whether it was killed.
    fn is_killed(&self) -> bool {
        let ended = wait_until(PATIENCE, "the operator is killed or done", || {
            if !self.env.operator.is_running() {
                return Ok(true);
            }
            // The event may be the last request of the change.
            let is_told = self.env.cluster.event_reasons(OBJECT).iter().any(|reason| reason == self.deed.event);
            anyhow::ensure!(is_told && (self.deed.is_done)(&self.env), "it is neither");
            Ok(false)
        });
        ended.unwrap_or_else(|error| panic!("{error:#}\n{}", self.story()))
    }

    /// The calls of the deed that AWS has carried out.
    fn carried_out(&self) -> Vec<Call> {
        let calls = self.env.aws.all_of(self.deed.call.0).into_iter();
        calls.filter(|call| call.carried_out && call.error.is_none()).collect()
    }

    fn numbered(&self) -> String {
        let lines = self.proxy.requests().into_iter().enumerate().map(|(number, line)| format!("{number}: {line}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn story(&self) -> String {
        format!("{}\n{}", self.numbered(), self.env.story(OBJECT))
    }
}

/// Whether AWS's id of the call may have been lost with the process: from the call on, until a status tells of it.
fn request_id_may_be_lost(call: &str, requests: &[String], killed_at: usize, moment: Moment) -> bool {
    let Some(sent) = requests.iter().position(|line| line.starts_with(call)) else { return false };
    let told = requests
        .iter()
        .enumerate()
        .skip(sent + 1)
        .find(|(_, line)| line.contains("/status?"))
        .map(|(number, _)| number);
    let told_in_time =
        told.is_some_and(|told| told < killed_at || (told == killed_at && moment == Moment::BeforeAnswering));
    // The event is published while the call is out, so that the call may have been sent when the event's request is the last.
    !told_in_time
}

/// Longer than a restart takes, so that the new process looks at what was before the call.
const LAG: Duration = Duration::from_secs(3);

#[rstest::rstest]
#[case::in_an_update(&UPDATE, Duration::ZERO)]
#[case::in_an_update_while_reads_lag_behind_writes(&UPDATE, LAG)]
#[case::in_a_purchase(&CREATE, Duration::ZERO)]
#[case::in_a_purchase_while_reads_lag_behind_writes(&CREATE, LAG)]
#[case::in_a_deletion(&DELETE, Duration::ZERO)]
#[case::in_a_deletion_while_reads_lag_behind_writes(&DELETE, LAG)]
fn killed_at_any_request_it_comes_out_the_same_and_aws_is_asked_once(#[case] deed: &Deed, #[case] read_lag: Duration) {
    let rehearsal = Rehearsal::begin(deed, read_lag, None);
    assert!(!rehearsal.is_killed(), "nobody kills it: {}", rehearsal.env.operator.log());
    let expected = (deed.end)(&rehearsal.env);
    assert_eq!(rehearsal.carried_out().len(), 1);
    let count = rehearsal.proxy.requests().len();
    println!("without a crash it makes {count} requests:\n{}", rehearsal.numbered());
    drop(rehearsal);

    let moments = [Moment::BeforeForwarding, Moment::BeforeAnswering];
    let rows = (0..count + MARGIN)
        .flat_map(|number| moments.map(|moment| (format!("request {number}, {moment:?}"), (number, moment))));
    parallel::for_each(WIDTH, rows.collect(), |(number, moment)| {
        let mut rehearsal = Rehearsal::begin(deed, read_lag, Some((number, moment)));
        let killed = rehearsal.is_killed();
        let before = rehearsal.proxy.requests();
        if killed {
            rehearsal.proxy.reopen();
            rehearsal.env.operator = Operator::launch(&rehearsal.env.settings);
            // Its event may have been lost with the process.
            rehearsal.env.wait_until(OBJECT, "another operator has done all", || (deed.is_done)(&rehearsal.env));
        }
        let at = before.get(number).map_or("nothing", String::as_str);
        let story = || format!("killed at {at}\n{}", rehearsal.story());
        let carried_out = rehearsal.carried_out();
        assert_eq!(carried_out.len(), 1, "{}", story());
        assert_eq!((deed.end)(&rehearsal.env), expected, "{}", story());
        assert_eq!(rehearsal.carried_out().len(), 1, "{}", story());
        if let Ok(object) = rehearsal.env.cluster.get(OBJECT)
            && !(killed && request_id_may_be_lost(deed.call.1, &before, number, moment))
        {
            assert_eq!(object.status("/lastUpdate/requestId"), carried_out[0].request_id, "{}", story());
        }
    });
}
