//! One suite for every register: what [`Register`](crate::register::Register) promises, each promise a check of its own.
//!
//! `register_suite!(MyFactory::new)` makes one test of each check; the expression is called once per test. The factories of several tests may
//! lead to the same register, if they share their [`Names`](super::names::Names).

pub mod changes;
pub mod entries;
mod factory;
pub mod operators;
mod world;

pub use factory::RegisterFactory;
pub use world::RegisterWorld;

/// One test per check of the suite. The expression makes a factory for each.
#[macro_export]
macro_rules! register_suite {
    ($factory:expr) => {
        $crate::suite_over_a_factory! { register, RegisterWorld, $factory;
            entries: what_was_registered_is_found_after_reopening, a_running_server_sees_what_another_process_changes,
                a_refresh_sees_another_process_without_polling, a_changed_user_has_a_new_version_and_the_others_keep_theirs,
                doubles_and_unknown_names_are_refused_by_name, writes_of_two_processes_at_once_are_all_kept;
            operators: an_operator_is_found_at_its_own_caller_alone_also_after_reopening,
                a_change_of_one_operator_reaches_a_snapshot_taken_later_and_no_earlier_one,
                a_removed_operator_is_gone_from_later_snapshots, removing_an_operator_makes_room_for_another_who_lists,
                a_region_has_three_listing_operators_at_most_counted_as_people, three_people_of_a_region_may_list_be_they_users_or_operators,
                of_many_who_are_given_the_list_at_once_three_get_it, a_profile_is_for_the_callers_that_have_its_service,
                networks_are_a_call_centers_and_never_the_whole_world;
            changes: a_user_of_an_asl_has_no_structure_and_one_service, what_is_renamed_keeps_everything_else,
                a_caller_goes_when_nothing_needs_it_any_more_and_not_before, a_user_and_then_the_structure_go_for_every_server,
                an_administrator_is_known_by_certificates_that_no_service_takes,
                the_journal_hears_of_a_change_before_anybody_sees_it_and_of_its_end, what_the_journal_does_not_take_is_not_made;
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_the_suite() {
        crate::conformance::assert_all_are_run(
            include_str!("mod.rs"),
            &[
                include_str!("changes.rs"),
                include_str!("entries.rs"),
                include_str!("operators.rs"),
            ],
        );
    }
}
