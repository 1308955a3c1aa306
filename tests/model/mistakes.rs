//! Mistakes that are made on purpose: each breaks a rule, and is found.

use bedrock_simulator::settings::Seconds;
use bedrock_throughput_operator::crd::DeletionPolicy;

use crate::{model::Move, operator::Mistake, scenario::Scenario};

const BOUGHT: &str = "never a purchase that nobody asked for";
const AGAINST: &str = "no call against the manifest";

fn buying(name: &str) -> Scenario {
    Scenario::new(name).switch("readLag", "Both").switch("duplicateName", "Allowed").budget(3, 1, 1)
}

fn retaining(name: &str) -> Scenario {
    let moves = [Move::Delete, Move::Keep(DeletionPolicy::Retain)];
    Scenario::new(name).at_rest().spec("deletionPolicy", "Delete").moves(moves).budget(1, 0, 1)
}

#[test]
fn a_token_that_is_new_each_time_is_found() {
    buying("a new token each time").two_processes().budget(2, 0, 0).mistake(Mistake::NewToken).breaks(BOUGHT);
}

#[test]
fn a_purchase_without_a_look_is_found() {
    let forgets = buying("no look").world(|world| world.settings.token_seconds = Seconds::new(1));
    forgets.mistake(Mistake::NoLook).breaks(BOUGHT);
    buying("no look, a new token each time").mistake(Mistake::NoLook).mistake(Mistake::NewToken).breaks(BOUGHT);
}

#[test]
fn a_look_that_is_believed_too_soon_is_found() {
    let forgets = buying("no patience").world(|world| world.settings.token_seconds = Seconds::new(1));
    forgets.mistake(Mistake::NoPatience).breaks(BOUGHT);
}

#[test]
fn a_call_that_outruns_the_manifest_is_found() {
    retaining("no precondition").mistake(Mistake::NoPrecondition).breaks(AGAINST);
    retaining("an old manifest").mistake(Mistake::OldManifest).breaks(AGAINST);
}
