//! What is bought, and what is not.

use bedrock_simulator::settings::Seconds;

use crate::{
    aws::CALLER,
    model::{Life, Move, State, is_ready},
    scenario::Scenario,
};

/// Reads that lag, and AWS letting two throughputs have one name: nothing but the operator stands against a second purchase.
fn hard(name: &str) -> Scenario {
    Scenario::new(name).switch("readLag", "Both").switch("tagReadLag", "Lags").switch("duplicateName", "Allowed")
}

fn forgets_tokens(scenario: Scenario) -> Scenario {
    scenario.world(|world| world.settings.token_seconds = Seconds::new(1))
}

fn is_bought_again(_: &Life, state: &State) -> bool {
    state.ghost.bought == 2
}

#[test]
fn one_is_bought_whatever_ends_or_is_lost() {
    Scenario::new("create").moves([Move::Rename("two")]).budget(3, 1, 1).reaches("ready", is_ready).holds();
}

#[test]
fn one_is_bought_where_reads_lag_and_names_may_repeat() {
    hard("create, lag").budget(4, 1, 1).reaches("ready", is_ready).holds();
    hard("create, lag, two crashes").budget(3, 2, 0).reaches("ready", is_ready).holds();
}

#[test]
fn one_is_bought_where_aws_forgets_tokens() {
    forgets_tokens(hard("create, token forgotten")).budget(4, 1, 1).reaches("ready", is_ready).holds();
}

#[test]
fn one_is_bought_where_a_repeated_token_tells_no_arn() {
    hard("create, token without ARN")
        .switch("tokenReplay", "EmptyBody")
        .budget(4, 1, 1)
        .reaches("ready", is_ready)
        .holds();
}

#[test]
fn one_is_bought_by_two_processes() {
    hard("create, two processes").two_processes().budget(3, 0, 0).reaches("ready", is_ready).holds();
    hard("create, two processes, crash").two_processes().budget(2, 1, 0).reaches("ready", is_ready).holds();
}

#[test]
fn a_failed_purchase_is_repeated_when_a_person_asks() {
    Scenario::new("create fails")
        .world(|world| world.fail_next_create(&CALLER, "one", "no capacity"))
        .moves([Move::DeleteAtAws, Move::Ask])
        .budget(3, 1, 0)
        .reaches("ready", is_ready)
        .reaches("bought again", is_bought_again)
        .holds();
}

#[test]
fn a_request_before_the_failure_buys_nothing() {
    Scenario::new("create fails, asked before")
        .world(|world| world.fail_next_create(&CALLER, "one", "no capacity"))
        .switch("nameAfterFailedCreate", "Freed")
        .moves([Move::AskEarly, Move::DeleteAtAws])
        .budget(2, 1, 0)
        .holds();
}

#[test]
fn what_is_gone_is_bought_again_when_a_person_approves() {
    Scenario::new("gone at AWS")
        .at_rest()
        .moves([Move::DeleteAtAws, Move::Approve, Move::Ask])
        .budget(3, 1, 0)
        .reaches("bought again", is_bought_again)
        .holds();
    Scenario::new("gone at AWS, two processes")
        .at_rest()
        .two_processes()
        .moves([Move::DeleteAtAws, Move::Approve])
        .budget(2, 0, 0)
        .reaches("bought again", is_bought_again)
        .holds();
}

#[test]
fn a_name_that_somebody_else_takes_is_left_alone() {
    Scenario::new("name taken")
        .moves([Move::BuyAtAws("one"), Move::Rename("two")])
        .budget(3, 1, 0)
        .reaches("ready", is_ready)
        .holds();
}

#[test]
fn a_purchase_waits_for_approval() {
    Scenario::new("create, manual")
        .spec("approval", "Manual")
        .moves([Move::Approve, Move::Rename("two"), Move::Approve])
        .budget(3, 1, 0)
        .reaches("ready", is_ready)
        .holds();
    Scenario::new("create, manual, fault")
        .spec("approval", "Manual")
        .moves([Move::Approve])
        .budget(3, 1, 1)
        .reaches("ready", is_ready)
        .holds();
}
