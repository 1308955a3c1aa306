//! What becomes of a throughput whose object is deleted.

use bedrock_throughput_operator::crd::DeletionPolicy;

use crate::{
    model::{Life, Move, State, own},
    scenario::Scenario,
};

fn is_gone(_: &Life, state: &State) -> bool {
    state.cluster.is_none()
}

fn is_kept(_: &Life, state: &State) -> bool {
    state.cluster.is_none() && !own(&state.world).is_empty()
}

fn is_deleted(_: &Life, state: &State) -> bool {
    state.ghost.deleted && own(&state.world).is_empty()
}

fn deleting(name: &str) -> Scenario {
    Scenario::new(name).at_rest().spec("deletionPolicy", "Delete")
}

#[test]
fn it_is_deleted_if_and_only_if_the_manifest_says_so() {
    deleting("delete, retain")
        .moves([Move::Delete, Move::Keep(DeletionPolicy::Retain)])
        .budget(3, 1, 1)
        .reaches("deleted", is_deleted)
        .reaches("kept", is_kept)
        .holds();
    deleting("delete, retain, delete")
        .moves([Move::Delete, Move::Keep(DeletionPolicy::Retain), Move::Keep(DeletionPolicy::Delete)])
        .budget(2, 1, 1)
        .reaches("deleted", is_deleted)
        .reaches("kept", is_kept)
        .holds();
}

#[test]
fn it_is_deleted_where_reads_lag() {
    deleting("delete, lag")
        .switch("readLag", "Both")
        .moves([Move::Delete, Move::Ask])
        .budget(4, 1, 1)
        .reaches("deleted", is_deleted)
        .holds();
}

#[test]
fn it_is_deleted_while_it_is_new() {
    Scenario::new("delete while new")
        .spec("deletionPolicy", "Delete")
        .moves([Move::Delete])
        .budget(3, 1, 0)
        .reaches("deleted", is_deleted)
        .holds();
    Scenario::new("delete while new, fault")
        .spec("deletionPolicy", "Delete")
        .moves([Move::Delete])
        .budget(3, 0, 1)
        .reaches("deleted", is_deleted)
        .holds();
}

#[test]
fn two_processes_delete_it() {
    deleting("delete, two processes")
        .two_processes()
        .moves([Move::Delete, Move::Keep(DeletionPolicy::Retain)])
        .budget(2, 0, 0)
        .reaches("deleted", is_deleted)
        .holds();
}

#[test]
fn it_is_deleted_when_its_commitment_ends() {
    deleting("delete, commitment")
        .spec("commitmentDuration", "OneMonth")
        .switch("commitmentEnd", "Ends")
        .moves([Move::Delete, Move::WaitAMonth])
        .budget(2, 1, 1)
        .reaches("deleted", is_deleted)
        .holds();
}

#[test]
fn a_deletion_waits_for_approval() {
    deleting("delete, manual")
        .spec("approval", "Manual")
        .moves([Move::Delete, Move::Approve])
        .budget(2, 1, 1)
        .reaches("deleted", is_deleted)
        .holds();
}

#[test]
fn what_is_retained_goes_at_once_and_stays_at_aws() {
    Scenario::new("retain")
        .moves([Move::Delete])
        .budget(3, 1, 1)
        .reaches("gone", is_gone)
        .reaches("kept", is_kept)
        .holds();
}
