//! The suite of stores, tried on a store in memory that several servers share, each with a clock of its own: on one that does all right, on one that
//! does one thing wrong, and on one that has no room or loses answers when many ask at once. A failure means that the suite asks for more than a store
//! must do, or that it lets pass what no store may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod counts;
mod database;
mod server;

use std::panic::catch_unwind;

use sistema_ts_store::conformance::{Check, all_checks, run, run_in_one_place};

use server::{Servers, Wrong};

sistema_ts_store::conformance_suite!(Servers::default());

fn check(name: &str) -> Check {
    let mut checks = all_checks().into_iter();
    checks.find(|check| check.name == name).expect("a check")
}

#[test]
fn every_check_holds_in_one_place_that_all_share() {
    let servers = Servers::default();
    run_in_one_place(|number| Servers {
        number,
        ..servers.clone()
    });
}

/// The races, and the load under which a store may have no room or lose an answer.
#[test]
fn a_store_that_does_not_always_know_what_became_of_a_call_passes_the_races() {
    let checks = all_checks().into_iter().filter(|check| {
        let (module, _) = check.name.split_once("::").expect("a module and a name");
        let is_race = ["races", "submission_races", "crash_load"].contains(&module);
        is_race || check.name.contains("at_once") || check.name.contains("under_writes")
    });
    let mut count = 0;
    for check in checks {
        let servers = Servers {
            is_contended: true,
            ..Servers::default()
        };
        println!("{}", check.name);
        run(servers.clone(), &check);
        count += 1;
        // A hundred that are released together are in one another's way; two or eight need not be.
        let (module, name) = check.name.split_once("::").expect("a module and a name");
        let has_hundred = module.ends_with("races") || name.starts_with("a_hundred");
        assert!(servers.failed() > 0 || !has_hundred, "nothing failed");
    }
    assert!(count >= 17, "{count} checks");
}

#[test]
fn each_wrong_of_a_store_fails_the_check_that_is_there_for_it() {
    for (wrong, name, says) in [
        (
            Wrong::MarkWithoutClockError,
            "clocks::a_listing_of_one_server_holds_what_the_other_has_answered_before",
            "an answered test is missing",
        ),
        (
            Wrong::OrderOfArrival,
            "clocks::a_listing_of_one_server_holds_what_the_other_has_answered_before",
            "the listing is out of order",
        ),
        (
            Wrong::BookmarkOfTimeAlone,
            "clocks::a_listing_of_one_server_holds_what_the_other_has_answered_before",
            "an answered test is missing",
        ),
        (
            Wrong::DeadlineWithoutClockError,
            "clocks::a_holder_is_not_dead_to_a_server_whose_clock_is_ahead",
            "a living holder's code was told",
        ),
        (
            Wrong::UntilSwept,
            "clocks::a_code_ends_at_both_servers_within_the_clock_error",
            "a code outlives its time",
        ),
        (
            Wrong::SessionsOfEach,
            "clocks::a_session_opened_by_one_server_is_used_and_lapses_at_the_other",
            "a session is unknown to a server",
        ),
        (
            Wrong::ReceiptsOfEach,
            "clocks::one_receipt_key_sent_to_both_servers_is_one_test",
            "2 are told that they have won",
        ),
        (
            Wrong::GuessesOfEach,
            "guesses::a_guess_under_way_at_one_server_counts_at_the_other",
            "is not counted at the other",
        ),
        (
            Wrong::GuessesOfEach,
            "guesses::guesses_by_two_clocks_are_counted_in_one_window",
            "is not counted at the other",
        ),
    ] {
        let servers = || Servers {
            wrong: Some(wrong),
            ..Servers::default()
        };
        let ended = catch_unwind(|| run(servers(), &check(name)));
        let Err(panic) = ended else {
            panic!("{name} lets {wrong:?} pass")
        };
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        assert!(text.contains(says), "{wrong:?} fails {name} by {text:?}");
    }
}
