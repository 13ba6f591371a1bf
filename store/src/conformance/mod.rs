//! One suite for every store: what [`Store`](crate::Store) promises, each promise a check of its own.
//!
//! `conformance_suite!(MyFactory::new())` makes one test of each check; the expression is called once per test and gives a
//! [`StoreFactory`] for a place of its own. Where a place is dear, [`run_in_one_place`] runs all checks in one, one after another in an
//! order of chance. A check fails by a panic whose text says which promise was broken; the head of each module says what counts as failure
//! there. Checks that race run a hundred tasks at once, many rounds each.
//!
//! A place is opened by two servers, which a check asks in turn, and a millisecond passes between two calls, see [`World`]. What a store
//! cannot show its factory says, see [`Ability`]: a check that needs it is left out, and named on standard error. What a store may answer when
//! many ask at once, and what a caller then does, stands in [`contention`].
//!
//! The same holds for the registers of callers ([`register`]) and of health cards ([`cards`]), whose suites are beside this one.
//!
//! Not part of a server: behind the feature `conformance`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod access;
pub mod access_archive;
pub mod batches;
pub mod call_centre;
pub mod cancellation;
pub mod cards;
pub mod clocks;
pub mod codes;
pub mod confirmation;
pub mod contention;
pub mod crash_load;
pub mod expiry;
mod factory;
pub mod forgiveness;
pub mod guesses;
pub mod listing;
pub mod names;
pub mod person;
pub mod races;
pub mod receipts;
pub mod register;
pub mod servers;
pub mod submission;
pub mod submission_races;
pub mod trusted_time;
pub mod world;

pub use factory::{Ability, StoreFactory, start};
pub use world::World;

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;

use rand::seq::SliceRandom as _;

/// A check as a value.
pub struct Check {
    /// Module and name.
    pub name: &'static str,
    /// What it needs.
    pub needs: &'static [Ability],
    /// Runs it.
    pub run: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Check {
    /// Runs it, unless the place lacks what it needs; then its name is told.
    async fn run(&self, factory: Box<dyn StoreFactory>) {
        if !factory.has_place() {
            return;
        }
        let mut needs = self.needs.iter();
        if let Some(need) = needs.find(|need| factory.lacks().contains(need)) {
            // Not by a macro that prints: a test that passes would keep it to itself.
            let _ = writeln!(
                std::io::stderr(),
                "left out for want of {need:?}: {}",
                self.name
            );
            return;
        }
        (self.run)(World::open(factory).await).await;
    }
}

/// Runs one check in a place of its own.
pub fn run<F: StoreFactory + 'static>(factory: F, check: &Check) {
    on_a_runtime(check.run(Box::new(factory)));
}

/// Runs all checks in one place, one after another in an order of chance. `factory` is called with the number of each.
pub fn run_in_one_place<F: StoreFactory + 'static>(factory: impl Fn(u32) -> F) {
    let mut checks = all_checks();
    checks.shuffle(&mut rand::rng());
    on_a_runtime(async {
        for (number, check) in (0..).zip(&checks) {
            // Told only if the test fails: the last one is the one that failed, after those before.
            println!("{}", check.name);
            check.run(Box::new(factory(number))).await;
        }
    });
}

/// Every check of the suite.
#[must_use]
pub fn all_checks() -> Vec<Check> {
    crate::conformance_suite! { @every list [] }
}

/// Runs a check to its end.
pub fn on_a_runtime(check: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(check);
}

/// One test of each check of a suite that is opened by a factory alone: the suite's module, its world, the factory, and the checks by module.
#[doc(hidden)]
#[macro_export]
macro_rules! suite_over_a_factory {
    ($suite:ident, $world:ident, $factory:expr; $($module:ident: $($check:ident),+;)+) => {
        $crate::suite_over_a_factory! { @ ($suite, $world, $factory) $($module: $($check),+;)+ }
    };
    (@ $how:tt $($module:ident: $($check:ident),+;)+) => {
        $(mod $module { use super::*; $($crate::suite_over_a_factory! { @ $how $module $check })+ })+
    };
    (@ ($suite:ident, $world:ident, $factory:expr) $module:ident $check:ident) => {
        #[test]
        fn $check() {
            $crate::conformance::on_a_runtime(async {
                let world = $crate::conformance::$suite::$world::over($factory);
                $crate::conformance::$suite::$module::$check(world).await;
            });
        }
    };
}

/// A check that no test runs proves nothing: every public asynchronous function of these modules is named by the suite.
#[cfg(test)]
fn assert_all_are_run(suite: &str, modules: &[&str]) {
    for line in modules.iter().flat_map(|module| module.lines()) {
        if let Some(rest) = line.strip_prefix("pub async fn ") {
            let name = rest.split('(').next().expect("the first of the parts");
            assert!(suite.contains(name), "{name} is run by no test");
        }
    }
}

/// One test per check of the suite. The expression makes a fresh factory for each.
#[macro_export]
macro_rules! conformance_suite {
    ($factory:expr) => {
        $crate::conformance_suite! { @every tests [$factory] }
    };
    (@every $what:ident [$($given:tt)*]) => {
        $crate::conformance_suite! { @$what [$($given)*]
            codes: reserved_codes_are_distinct_and_begin_as_asked, a_code_is_issued_once, a_code_stays_known_after_its_test_is_gone;
            submission: a_test_is_found_by_code_and_digest, a_positive_has_its_person_and_a_negative_none, unknown_codes_are_not_found,
                tests_outlive_a_restart, insertion_times_of_one_server_ascend,
                insertion_times_ascend_over_all_servers_and_restarts (OneOrder), callers_keep_what_they_said;
            receipts: a_retry_gets_the_first_answer, other_content_is_refused_and_changes_nothing, another_person_or_contact_is_other_content,
                a_key_belongs_to_caller_and_service, a_retry_after_a_restart_gets_the_first_answer, a_retry_after_erasure_is_told_no_code,
                a_receipt_lives_as_long_as_its_test, refusals_bind_no_key, a_replay_issues_nothing_under_its_reserved_code,
                without_a_key_two_messages_are_two_tests, a_cancellation_has_its_receipt,
                an_unknown_outcome_is_settled_by_the_same_key_or_the_same_code;
            batches: each_test_of_a_batch_is_recorded_by_itself;
            call_centre: a_verification_opens_a_session, what_cannot_be_verified, only_its_operator_and_caller_use_a_session,
                a_session_lapses_to_the_millisecond, one_claim_at_a_time, a_refused_post_leaves_no_trace, a_session_delivers_three_times,
                a_late_or_foreign_settlement_changes_nothing, a_dead_holder_counts_as_delivered, transitions_outlive_a_restart;
            confirmation: a_confirmation_consumes_and_erases, a_confirmation_is_for_the_unlocking_caller_and_session, an_annulment_frees_the_code;
            cancellation: a_cancelled_test_is_erased, who_may_cancel, what_cannot_be_cancelled, a_repetition_is_done_already;
            person: every_live_positive_of_a_person_is_claimed, a_person_without_tests_writes_nothing, an_unlock_under_way_claims_nothing,
                a_delivered_code_consumes_and_a_refused_one_restores;
            listing: everything_answered_before_the_mark_in_order, nothing_answered_after_the_mark_is_listed (FixedListing), pages_of_any_size_give_the_same, the_interval_includes_its_start_and_excludes_its_end,
                a_scope_lists_its_own, a_description_is_one_in_all_its_forms, what_no_longer_stands_is_not_listed, a_listing_under_writes_is_complete_and_in_order,
                a_listing_under_writes_stays_as_its_mark_has_found_it (FixedListing);
            access: records_are_found_by_every_condition, a_submission_has_its_record, records_outlive_a_restart, pages_go_on_where_they_ended;
            access_archive: another_process_finds_what_was_answered_by_every_condition, a_submission_is_found_as_soon_as_it_is_answered,
                a_search_ends_when_it_is_told_to;
            expiry: a_life_ends_to_the_millisecond, a_sweep_erases_what_is_due_and_no_more (SweepCount), expiry_comes_before_everything;
            guesses: an_operator_has_its_budget_and_no_more, a_code_has_its_budget_whoever_asks_and_for_its_life,
                a_caller_has_its_budget_over_all_operators, a_success_is_taken_off_every_count,
                a_guess_counts_while_it_is_under_way_and_is_kept_once_if_it_fails, a_guess_under_way_at_one_server_counts_at_the_other (SecondServer), guesses_by_two_clocks_are_counted_in_one_window (OwnClocks),
                a_guess_whose_session_does_not_open_has_failed,
                counts_outlive_a_restart_and_a_sweep, one_operator_alone_does_not_use_a_code_up, a_guess_that_could_not_be_checked_costs_nothing_even_of_a_code_without_tries,
                a_hundred_guesses_at_once_get_exactly_the_budget, an_operator_sends_so_many_codes_for_an_asl_an_hour;
            forgiveness: a_forgiven_code_has_all_its_tries_again_twice_in_its_life,
                forgiving_a_code_forgives_no_operator_and_outlives_a_restart, a_guess_from_before_a_forgiveness_takes_nothing_off_the_new_count,
                a_hundred_forgivenesses_at_once_are_one;
            races: one_of_a_hundred_claims_wins, confirm_against_cancel, annul_against_confirm, expiry_against_claim, claim_against_person,
                a_hundred_cancellations, a_hundred_settlements;
            submission_races: the_same_receipt_key_at_once, one_receipt_key_with_a_hundred_contents, one_code_for_a_hundred_tests,
                a_hundred_submissions_and_their_listing;
            trusted_time: the_clock_alone_destroys_nothing, the_noted_time_outlives_a_restart,
                a_store_that_has_noted_none_answers_with_its_newest_test (EmptyPlace);
            servers: what_one_answered_the_other_finds_and_ends, a_listing_begun_by_one_goes_on_by_the_other,
                codes_that_both_reserve_at_once_are_different;
            clocks: a_listing_of_one_server_holds_what_the_other_has_answered_before (OwnClocks),
                a_session_opened_by_one_server_is_used_and_lapses_at_the_other (OwnClocks),
                a_code_ends_at_both_servers_within_the_clock_error (OwnClocks),
                a_holder_is_not_dead_to_a_server_whose_clock_is_ahead (OwnClocks),
                one_receipt_key_sent_to_both_servers_is_one_test (OwnClocks);
            crash_load: what_was_answered_under_load_is_there_after_an_end;
        }
    };
    (@tests [$factory:expr] $($module:ident: $($check:ident $(($need:ident))?),+;)+) => {
        $(mod $module { use super::*; $(
            #[test]
            fn $check() {
                let check = $crate::conformance_suite! { @check $module $check $($need)? };
                $crate::conformance::run($factory, &check);
            }
        )+ })+
    };
    (@list [] $($module:ident: $($check:ident $(($need:ident))?),+;)+) => {
        vec![$($($crate::conformance_suite! { @check $module $check $($need)? }),+),+]
    };
    (@check $module:ident $check:ident $($need:ident)?) => {
        $crate::conformance::Check {
            name: concat!(stringify!($module), "::", stringify!($check)),
            needs: &[$($crate::conformance::Ability::$need)?],
            run: |world| Box::pin($crate::conformance::$module::$check(world)),
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_the_suite() {
        super::assert_all_are_run(
            include_str!("mod.rs"),
            &[
                include_str!("access.rs"),
                include_str!("access_archive.rs"),
                include_str!("batches.rs"),
                include_str!("call_centre.rs"),
                include_str!("cancellation.rs"),
                include_str!("clocks.rs"),
                include_str!("codes.rs"),
                include_str!("confirmation.rs"),
                include_str!("expiry.rs"),
                include_str!("forgiveness.rs"),
                include_str!("guesses.rs"),
                include_str!("listing.rs"),
                include_str!("person.rs"),
                include_str!("races.rs"),
                include_str!("receipts.rs"),
                include_str!("servers.rs"),
                include_str!("submission.rs"),
                include_str!("submission_races.rs"),
                include_str!("trusted_time.rs"),
            ],
        );
    }
}
