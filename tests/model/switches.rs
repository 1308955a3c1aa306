//! Every setting of everything that AWS leaves unsaid, one at a time.

use crate::{
    aws::CALLER,
    model::{Move, is_ready},
    scenario::{MODEL_B, Scenario, switches},
};

#[test]
fn a_throughput_is_bought_and_deleted_under_every_setting() {
    for (name, setting) in switches() {
        Scenario::new(&format!("create and delete, {name}={setting}"))
            .spec("deletionPolicy", "Delete")
            .switch(name, setting)
            .moves([Move::Delete])
            .budget(2, 1, 0)
            .reaches("ready", is_ready)
            .holds();
    }
}

#[test]
fn a_failed_purchase_is_told_under_every_setting() {
    for (name, setting) in switches() {
        Scenario::new(&format!("create fails, {name}={setting}"))
            .switch(name, setting)
            .world(|world| world.fail_next_create(&CALLER, "one", "no capacity"))
            .moves([Move::Ask])
            .budget(2, 1, 0)
            .holds();
    }
}

#[test]
fn an_edit_is_carried_out_under_every_setting() {
    for (name, setting) in switches() {
        Scenario::new(&format!("update, {name}={setting}"))
            .at_rest()
            .switch(name, setting)
            .moves([Move::Rename("two"), Move::Remodel(MODEL_B)])
            .budget(2, 0, 0)
            .holds();
    }
}

#[test]
fn a_failed_update_is_told_under_every_setting() {
    for (name, setting) in switches() {
        // One that fails without a word looks like one that never arrived, where its answer is lost: it is sent once more.
        let crashes = u8::from(setting != "InServiceSilently");
        Scenario::new(&format!("update fails, {name}={setting}"))
            .at_rest()
            .switch(name, setting)
            .world(|world| {
                world.fail_next_update(&CALLER, &CALLER.arn("provisioned-model/aaaaaaaaaaab"), "no capacity");
            })
            .moves([Move::Remodel(MODEL_B), Move::Ask])
            .budget(2, crashes, 0)
            .holds();
    }
}
