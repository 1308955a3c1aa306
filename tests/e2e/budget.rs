//! AWS is not asked for more than it takes or a person allows, and who waits for that says so.

use bedrock_simulator::throttle::Rate;
use serde_json::json;

use crate::support::{
    aws::{Aws, Operation, SUMMARIZER_V1},
    environment::Environment,
    object::{Object, manifest},
};

use Operation::UpdateProvisionedModelThroughput as Update;

fn arn(number: usize) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/budget{number:06}")
}

fn name(number: usize) -> String {
    format!("object-{number}")
}

/// An account with so many throughputs, and an object for each that asks for another name.
fn renames(objects: usize, flags: &[&str], throttle: Option<Rate>) -> Environment {
    let aws = Aws::start();
    (0..objects).for_each(|number| aws.add_throughput(&arn(number), &name(number), SUMMARIZER_V1));
    aws.server().throttle(Update, throttle);
    let env = Environment::with_flags(aws, flags);
    for number in 0..objects {
        let spec = json!({"provisionedModelId": arn(number), "provisionedModelName": format!("renamed-{number}")});
        env.cluster.apply(&manifest(&name(number), spec));
    }
    env
}

fn says_its_turn(object: &Object) -> bool {
    object.reason() == "RateLimited" && object.status("/plan/waitingFor") == "RateLimit"
}

#[test]
fn a_limit_is_kept_and_who_waits_says_when_its_turn_comes() {
    let env = renames(5, &["--aws-change-limit", "0.25"], None);
    let last = || (0..5).map(name).find(|name| env.cluster.get(name).is_ok_and(|object| says_its_turn(&object)));
    env.wait_until(&name(0), "somebody waits for its turn", || last().is_some());
    let waiting = env.cluster.get(&last().unwrap()).unwrap();
    let conditions = ["Ready=False/RateLimited", "Synced=False/RateLimited", "Reconciling=True/RateLimited"];
    assert_eq!(waiting.conditions(), conditions);
    assert!(
        waiting.message().starts_with("waits for its turn to rename it from object-")
            && waiting.message().contains("about 0.2 a second")
            && waiting.message().contains(" come before it, and its turn is at about 20"),
        "{}",
        waiting.message()
    );
    for number in 0..5 {
        let object = env.wait_until_ready(&name(number));
        assert_eq!(object.status("/provisionedModelName"), format!("renamed-{number}"));
        let events = env.cluster.event_reasons(&name(number));
        assert!(!events.contains(&"RateLimited".to_owned()), "{events:?}");
        assert!(env.cluster.status_writes(&name(number)) <= 3, "{}", env.story(&name(number)));
    }
    let calls: Vec<_> = env.aws.calls().into_iter().filter(|call| call.operation == Some(Update)).collect();
    assert_eq!(calls.len(), 5);
    let gaps: Vec<f64> = calls.windows(2).map(|pair| pair[1].time.duration_since(pair[0].time).as_secs_f64()).collect();
    assert!(gaps.iter().all(|gap| *gap > 3.5), "seconds between calls: {gaps:?}");
}

#[test]
fn few_calls_are_lost_on_an_aws_that_takes_few() {
    let objects = 40;
    let env = renames(objects, &[], Some(Rate { per_second: 4.0, burst: 4 }));
    (0..objects).for_each(|number| drop(env.wait_until_ready(&name(number))));
    assert_eq!(env.aws.updates_carried_out(), objects);
    let refused = env.aws.calls_of(Update) - objects;
    // The exact share is shown by the simulation in `src/budget.rs`: how many it takes to learn the rate depends on the machine's load here.
    assert!(refused <= objects / 4, "{refused} calls were refused\n{}", env.story(&name(0)));
}
