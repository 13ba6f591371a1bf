//! Every statement of every operation, lost on its way there, lost on its way back, late, or the last that a server has sent before it died; once, or
//! each time that it is sent. In place of the answer comes what a driver can be told: nothing in time, a broken connection, `Unavailable`,
//! `ReadTimeout` or `WriteTimeout`, `Overloaded`; one after another in turn, or each with `TEST_CQL_FAULTS=all`.
//!
//! The operation is asked of one server, whose statement is lost; then another one is asked the same again, and has no trouble. What was late
//! arrives before that or after it. What a lost statement may do:
//!
//! - *An answer is true.* What it says is found by the other server, and stays, whatever arrives late.
//! - *An error that says that nothing was done* leaves nothing that anybody meets: no test, no life that has changed. It may leave a code that nobody
//!   gets any more, a guess that stays counted until its window ends, a session that nobody was told of and that opens nothing once its code's life is
//!   over, an intent of an erasure that is not to be.
//! - *An unknown outcome* was done whole or not at all, and the same request settles it, at whichever server.
//! - *An unlock belongs to one session*, and an ASL's claim of a person to one post.
//! - *A guess* that was let through is counted. A success takes off its own guess and no failure; one that was not given back stays counted, one a
//!   lost answer at most.
//! - *An erasure* is complete when it is answered; if the answer was lost, when the request is repeated, or with the next sweep of any server.
//! - *A change of the register* that was answered is seen by the others, and what arrives late undoes none that came after it.
//! - An overload is told as such, but where something may have been done.
//!
//! A failure is whatever goes beyond that, and a state in which the second server cannot go on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod endings;
mod guesses;
mod losing;
mod register;
mod submissions;
#[path = "../support/mod.rs"]
mod support;
mod unlocks;
mod world;

use world::World;

#[test]
fn no_lost_statement_of_a_submission_loses_or_doubles_anything() {
    World::on_a_node("submissions", async |world| {
        submissions::bare(world).await;
        submissions::keyed(world).await;
        submissions::repeated(world).await;
    });
}

#[test]
fn no_lost_statement_of_a_verification_or_an_unlock_makes_it_two_peoples_or_nobodys() {
    World::on_a_node("unlocks", async |world| {
        guesses::all(world).await;
        unlocks::all(world).await;
    });
}

#[test]
fn no_lost_statement_of_a_code_s_end_lets_anything_of_the_person_stay() {
    World::on_a_node("endings", async |world| endings::all(world).await);
}

#[test]
fn no_lost_statement_of_a_change_of_the_register_makes_two_servers_differ() {
    register::all();
}
