//! Every statement of every operation, lost on its way there, lost on its way back, late, or the last that a server has sent before it died.
//!
//! The operation is asked of one server, whose statement is lost; then another one is asked the same again, and has no trouble. What was late
//! arrives after that. A failure is an answer that is contradicted by what the other server finds or answers, an error that says that nothing was
//! done where something was, a test twice or half, a person that outlives an erasure, a guess that was let through and not counted, or a state in
//! which the second server cannot go on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod submissions;
#[path = "../support/mod.rs"]
mod support;
mod world;

use sistema_ts_cql::faults::Fault;

use world::World;

/// What becomes of one statement of an operation.
const FAULTS: [Fault; 5] = [
    Fault::LostOnTheWayThere,
    Fault::LostOnTheWayBack,
    Fault::ArrivesLate,
    Fault::EndsBefore,
    Fault::EndsAfter,
];

#[test]
fn no_lost_statement_of_a_submission_loses_or_doubles_anything() {
    World::on_a_node("submissions", |world| {
        world.block_on(async {
            submissions::bare(world).await;
            submissions::keyed(world).await;
            submissions::repeated(world).await;
        });
    });
}
