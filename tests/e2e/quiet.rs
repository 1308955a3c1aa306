//! When nothing changes, nothing is written, and AWS is asked one thing an interval.

use jiff::Timestamp;
use serde_json::json;

use crate::support::{
    aws::{Aws, Operation, SUMMARIZER_V1},
    environment::Environment,
    object::manifest,
};

const OBJECTS: usize = 100;
/// The interval of the objects, in seconds.
const INTERVAL: f64 = 10.0;

#[test]
fn a_hundred_objects_cost_one_list_an_interval_and_no_write() {
    let aws = Aws::start();
    let arns: Vec<String> =
        (0..OBJECTS).map(|n| format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/quiet{n:07}")).collect();
    for (n, arn) in arns.iter().enumerate() {
        aws.add_throughput(arn, &format!("quiet-{n}"), SUMMARIZER_V1);
    }
    let env = Environment::with_flags(aws, &["--default-interval", "1h"]);
    for (n, arn) in arns.iter().enumerate() {
        let name = format!("quiet-{n}");
        let spec = json!({"provisionedModelId": arn, "provisionedModelName": name, "modelId": SUMMARIZER_V1, "interval": "10s"});
        env.cluster.apply(&manifest(&name, spec));
    }
    for n in 0..OBJECTS {
        env.wait_until_ready(&format!("quiet-{n}"));
    }
    // The first look that serves all of them begins the measurement.
    let looks = env.aws.looks();
    env.wait_until("quiet-0", "the next interval has begun", || env.aws.looks() > looks);
    let calls = env.aws.calls().len();
    let requests = env.cluster.requests_of_the_operator().len();
    env.wait_until("quiet-0", "three more intervals have begun", || env.aws.calls().len() >= calls + 3);
    let seen = env.aws.calls();
    let operations: Vec<Option<Operation>> = seen[calls - 1..].iter().map(|call| call.operation).collect();
    let all_are_lists =
        operations.iter().all(|operation| *operation == Some(Operation::ListProvisionedModelThroughputs));
    assert!(all_are_lists, "{operations:?}");
    let times: Vec<Timestamp> = seen[calls - 1..].iter().map(|call| call.time).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64()).collect();
    assert!(gaps.len() >= 3 && gaps.iter().all(|gap| *gap >= INTERVAL * 0.9), "seconds from List to List: {gaps:?}");
    let requests: Vec<String> = env.cluster.requests_of_the_operator()[requests..]
        .iter()
        .filter(|request| !["get", "list", "watch"].contains(&request.verb.as_str()))
        .map(|request| format!("{} {} {}", request.verb, request.uri, request.code))
        .collect();
    assert_eq!(requests, Vec::<String>::new());
}
