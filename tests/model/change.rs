//! Updates: one for each need, and none that nobody asked for.

use crate::{
    model::{Move, is_ready},
    scenario::{MODEL_B, Scenario},
};

fn update(name: &str) -> Scenario {
    Scenario::new(name).at_rest().reaches("ready", is_ready)
}

#[test]
fn an_edit_is_carried_out_once() {
    update("update").moves([Move::Rename("two"), Move::Remodel(MODEL_B)]).budget(2, 1, 1).holds();
    update("update, lag").switch("readLag", "Both").moves([Move::Rename("two")]).budget(3, 1, 1).holds();
}

#[test]
fn a_change_at_aws_is_undone_once() {
    update("update, drift").moves([Move::Rename("two"), Move::RenameAtAws("three")]).budget(3, 1, 0).holds();
}

#[test]
fn two_processes_agree_on_an_edit() {
    update("update, two processes").two_processes().moves([Move::Rename("two")]).budget(1, 0, 0).holds();
}

#[test]
fn an_update_waits_for_approval() {
    update("update, manual")
        .spec("approval", "Manual")
        .moves([Move::Rename("two"), Move::Approve])
        .budget(2, 1, 1)
        .holds();
    update("update, manual, drift")
        .spec("approval", "Manual")
        .moves([Move::Rename("two"), Move::Approve, Move::RenameAtAws("three")])
        .budget(2, 0, 0)
        .holds();
}
