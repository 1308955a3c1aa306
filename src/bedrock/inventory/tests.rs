//! Single flight, the gap between looks, and faults that are shared.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::{FutureExt as _, future::BoxFuture, future::join_all};

use super::*;
use crate::{
    bedrock::Operation,
    identifiers::ProvisionedModelId,
    observed::{CustomModel, CustomModelSummary, FoundationModel},
    plan::tests::{SERVED, throughput},
    reconcile::AFTER_A_FAULT as AFTER_A_FAULT_OF_A_PASS,
};

/// An AWS whose List takes a second, and fails while it is told to.
#[derive(Debug, Default)]
struct Aws {
    lists: AtomicU32,
    fails: Mutex<Option<FaultKind>>,
}

impl Aws {
    fn fail(&self, kind: Option<FaultKind>) {
        *self.fails.lock().unwrap() = kind;
    }

    fn lists(&self) -> u32 {
        self.lists.load(Ordering::SeqCst)
    }
}

fn fault(kind: FaultKind) -> Fault {
    Fault {
        kind,
        operation: Operation::ListProvisionedModelThroughputs,
        code: None,
        detail: String::new(),
        request_id: None,
        retry_after: None,
    }
}

impl Looks for Aws {
    fn list_throughputs<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<Throughput>, Fault>> {
        async {
            self.lists.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            match self.fails.lock().unwrap().clone() {
                Some(kind) => Err(fault(kind)),
                None => Ok(vec![throughput(SERVED)]),
            }
        }
        .boxed()
    }

    fn get_throughput<'a>(
        &'a self,
        _: &'a Region,
        _: &'a ProvisionedModelId,
    ) -> BoxFuture<'a, Result<Option<Throughput>, Fault>> {
        unimplemented!("an inventory lists")
    }

    fn list_tags<'a>(
        &'a self,
        _: &'a Region,
        _: &'a ProvisionedModelArn,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, Fault>> {
        unimplemented!("an inventory lists throughputs")
    }

    fn get_custom_model<'a>(&'a self, _: &'a Region, _: &'a str) -> BoxFuture<'a, Result<Option<CustomModel>, Fault>> {
        unimplemented!("an inventory lists throughputs")
    }

    fn list_custom_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<CustomModelSummary>, Fault>> {
        unimplemented!("an inventory lists throughputs")
    }

    fn list_foundation_models<'a>(&'a self, _: &'a Region) -> BoxFuture<'a, Result<Vec<FoundationModel>, Fault>> {
        unimplemented!("an inventory lists throughputs")
    }
}

fn region() -> Region {
    Region::parse("us-east-1").unwrap()
}

fn inventory() -> (Arc<Aws>, Inventory) {
    let aws = Arc::new(Aws::default());
    (Arc::clone(&aws), Inventory::new(aws))
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_at_the_same_time_share_one_list() {
    let (aws, inventory) = inventory();
    let (region, now) = (region(), Timestamp::now());
    let looks = join_all((0..100).map(|_| inventory.look(&region, now))).await;
    assert!(looks.iter().all(Result::is_ok));
    assert_eq!(aws.lists(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_new_enough_is_not_taken_again() {
    let (aws, inventory) = inventory();
    let first = inventory.look(&region(), Timestamp::now()).await.unwrap();
    inventory.look(&region(), first.looked_at).await.unwrap();
    assert_eq!(aws.lists(), 1);
    let newer = inventory.look(&region(), first.looked_at + jiff::SignedDuration::from_nanos(1)).await.unwrap();
    assert!(newer.looked_at > first.looked_at);
    assert_eq!(aws.lists(), 2);
}

#[tokio::test(start_paused = true)]
async fn regions_do_not_wait_for_each_other() {
    let (aws, inventory) = inventory();
    let (east, west) = (region(), Region::parse("us-west-2").unwrap());
    let (begun, now) = (Instant::now(), Timestamp::now());
    let (first, second) = tokio::join!(inventory.look(&east, now), inventory.look(&west, now));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((aws.lists(), begun.elapsed()), (2, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_shared_and_pauses_the_lists() {
    let (aws, inventory) = inventory();
    aws.fail(Some(FaultKind::Internal));
    let (region, now) = (region(), Timestamp::now());
    let looks = join_all((0..100).map(|_| inventory.look(&region, now))).await;
    assert!(looks.iter().all(Result::is_err));
    assert_eq!(aws.lists(), 3, "one look, which is tried again twice");
    assert!(inventory.look(&region, now).await.is_err());
    assert_eq!(aws.lists(), 3, "it is too early for another");
    // An hour of outage, asked every second: the pauses grow to a minute.
    for _ in 0..3600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let _ = inventory.look(&region, now).await;
    }
    assert!(aws.lists() < 90, "{}", aws.lists());
    aws.fail(None);
    tokio::time::advance(AFTER_A_FAULT.cap * 2).await;
    assert!(inventory.look(&region, now).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_passes_in_a_second_is_not_told() {
    let (aws, inventory) = inventory();
    aws.fail(Some(FaultKind::Throttled));
    let (region, now) = (region(), Timestamp::now());
    let heals = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        aws.fail(None);
    };
    let (look, ()) = tokio::join!(inventory.look(&region, now), heals);
    assert!(look.is_ok());
    assert_eq!(aws.lists(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_iam_refuses_is_not_asked_for_again_at_once() {
    let (aws, inventory) = inventory();
    aws.fail(Some(FaultKind::AccessDenied));
    let (region, now) = (region(), Timestamp::now());
    for _ in 0..60 {
        let _ = inventory.look(&region, now).await;
        tokio::time::advance(Duration::from_secs(4)).await;
    }
    let most = 60 * 4 / AFTER_A_REFUSAL.as_secs();
    assert_eq!(u64::from(aws.lists()), most);
}

#[tokio::test(start_paused = true)]
async fn two_of_one_name_are_told_apart() {
    let one = throughput(SERVED);
    let two = Throughput { arn: ProvisionedModelArn::from_aws("another"), ..one.clone() };
    let both = Snapshot::new(Timestamp::now(), vec![one.clone(), two.clone(), one.clone()]);
    assert!(matches!(both.by_name(&one.name), Sighting::Ambiguous(arns) if arns.len() == 2));
    assert!(matches!(both.by_arn(&two.arn), Sighting::Found(found) if found == two));
    let single = Snapshot::new(Timestamp::now(), vec![one.clone()]);
    assert!(matches!(single.by_name(&one.name), Sighting::Found(found) if found == one));
}

/// An hour without AWS, with a clock that is moved: what each object does in [`crate::reconcile`], it does here.
#[tokio::test(start_paused = true)]
async fn an_hour_without_aws_costs_few_calls_and_is_over_within_an_interval() {
    const OBJECTS: usize = 1000;
    let interval = Duration::from_mins(5);
    let (aws, inventory) = inventory();
    aws.fail(Some(FaultKind::Connection));
    let begun = Instant::now();
    let outage = Duration::from_hours(1);
    let ended = async {
        tokio::time::sleep(outage).await;
        let lists = aws.lists();
        aws.fail(None);
        lists
    };
    let region = region();
    let objects = (0..OBJECTS).map(|_| async {
        let mut failures = 0;
        while inventory.look(&region, Timestamp::now()).await.is_err() {
            tokio::time::sleep(AFTER_A_FAULT_OF_A_PASS.pause(failures, None)).await;
            failures += 1;
        }
        begun.elapsed()
    });
    let (lists, checked) = futures::future::join(ended, join_all(objects)).await;
    // One a minute, and the quicker ones at the beginning.
    assert!((55..=90).contains(&lists), "{lists} Lists in an hour");
    let last = checked.iter().max().unwrap();
    assert!(*last <= outage + interval, "the last object was checked after {last:?}");
}
