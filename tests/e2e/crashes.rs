//! Killed at every single request, to AWS or to Kubernetes, and started again: it comes out the same, and AWS is asked once.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::wait::wait_until;

use crate::support::{
    aws::{ARN, Aws, NAME, SUMMARIZER_V2},
    control_plane::{client_without_retries, plane},
    environment::{Environment, Namespace, PATIENCE, settings},
    object::{Object, manifest},
    operator::Operator,
    parallel,
    proxy::{Moment, Proxy},
};

/// How many requests more than in the run without a crash are tried, because their number differs a little from run to run.
const MARGIN: usize = 3;
/// How many crashes are rehearsed at the same time.
const WIDTH: usize = 6;

struct Rehearsal {
    env: Environment,
    proxy: Proxy,
}

impl Rehearsal {
    /// A rename and a move in one manifest, and an operator that is about to see it, and to be killed if `kill` says so.
    fn begin(read_lag: Duration, kill: Option<(usize, Moment)>) -> Self {
        let aws = Aws::start();
        if !read_lag.is_zero() {
            aws.lag(read_lag);
        }
        let cluster = Namespace::new();
        let proxy = Proxy::start(client_without_retries(&plane().operator_kubeconfig), &aws.url());
        let mut settings = settings(plane(), &cluster, &aws, &["--read-lag", &format!("{}s", read_lag.as_secs() + 1)]);
        settings.kubeconfig = proxy.kubeconfig().to_path_buf();
        proxy.aws_url().clone_into(&mut settings.aws_url);
        let spec =
            json!({"provisionedModelId": NAME, "provisionedModelName": "summarizer-prod", "modelId": SUMMARIZER_V2});
        cluster.apply(&manifest("summarizer", spec));
        if let Some((number, moment)) = kill {
            proxy.kill_at(number, moment);
        }
        let operator = Operator::launch(&settings);
        proxy.set_killer(operator.killer());
        Self { env: Environment { aws, cluster, operator, settings }, proxy }
    }

    /// Waits until the operator has been killed, or has done all that there is to do. Returns whether it was killed.
    fn is_killed(&self) -> bool {
        let ended = wait_until(PATIENCE, "the operator is killed or done", || {
            if !self.env.operator.is_running() {
                return Ok(true);
            }
            // The event is the last request of the change.
            let done = self.env.cluster.event_reasons("summarizer").contains(&"Updated".to_owned());
            anyhow::ensure!(done && self.env.cluster.get("summarizer")?.is_ready(), "it is neither");
            Ok(false)
        });
        ended.unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", self.env.story("summarizer"), self.numbered()))
    }

    fn numbered(&self) -> String {
        let lines = self.proxy.requests().into_iter().enumerate().map(|(number, line)| format!("{number}: {line}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether AWS's id of the call may have been lost with the process: from the Update on, until a status tells of it.
fn request_id_may_be_lost(requests: &[String], killed_at: usize, moment: Moment) -> bool {
    let Some(update) = requests.iter().position(|line| line.starts_with("AWS PATCH")) else { return false };
    let told = requests
        .iter()
        .enumerate()
        .skip(update + 1)
        .find(|(_, line)| line.contains("/status?"))
        .map(|(number, _)| number);
    let told_in_time =
        told.is_some_and(|told| told < killed_at || (told == killed_at && moment == Moment::BeforeAnswering));
    // The event is published while the call is out, so that the call may have been sent when the event's request is the last.
    !told_in_time
}

#[rstest::rstest]
#[case::when_reads_show_what_was_written(Duration::ZERO)]
// Longer than a restart takes, so that the new process looks at what was before the Update.
#[case::when_reads_lag_behind_writes(Duration::from_secs(3))]
fn killed_at_any_request_it_comes_out_the_same_with_one_update(#[case] read_lag: Duration) {
    let rehearsal = Rehearsal::begin(read_lag, None);
    assert!(!rehearsal.is_killed(), "nobody kills it: {}", rehearsal.env.operator.log());
    let expected = status(&rehearsal.env.wait_until_ready("summarizer"));
    assert_eq!(rehearsal.env.aws.update_requests().len(), 1);
    let count = rehearsal.proxy.requests().len();
    println!("without a crash it makes {count} requests:\n{}", rehearsal.numbered());
    drop(rehearsal);

    let moments = [Moment::BeforeForwarding, Moment::BeforeAnswering];
    let rows = (0..count + MARGIN)
        .flat_map(|number| moments.map(|moment| (format!("request {number}, {moment:?}"), (number, moment))));
    parallel::for_each(WIDTH, rows.collect(), |(number, moment)| {
        let mut rehearsal = Rehearsal::begin(read_lag, Some((number, moment)));
        let killed = rehearsal.is_killed();
        let at = rehearsal.proxy.requests().get(number).cloned().unwrap_or_default();
        let before = rehearsal.proxy.requests();
        if killed {
            rehearsal.proxy.reopen();
            rehearsal.env.operator = Operator::launch(&rehearsal.env.settings);
        }
        let object = rehearsal.env.wait_until_ready("summarizer");
        let story = || format!("killed at {at}\n{}\n{}", rehearsal.numbered(), rehearsal.env.story("summarizer"));
        assert_eq!(rehearsal.env.aws.update_calls(), 1, "{}", story());
        assert_eq!(rehearsal.env.aws.throughput(ARN).name, "summarizer-prod", "{}", story());
        assert_eq!(status(&object), expected, "{}", story());
        let request_id = object.status("/lastUpdate/requestId");
        if !(killed && request_id_may_be_lost(&before, number, moment)) {
            assert_eq!(request_id, rehearsal.env.aws.update_request_ids()[0], "{}", story());
        }
    });
}

/// What has to be the same, whenever it was done.
fn status(object: &Object) -> Value {
    let mut status = object.status_without_times();
    status["lastUpdate"]["isServed"] = json!(!object.status("/lastUpdate/servedTime").is_empty());
    status
}
