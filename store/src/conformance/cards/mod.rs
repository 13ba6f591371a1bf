//! One suite for every register of health cards: what [`CardRegister`](crate::cards::CardRegister) and [`CardImport`](crate::cards::CardImport)
//! promise, each promise a check of its own.
//!
//! `cards_suite!(MyFactory::new)` makes one test of each check; the expression is called once per test and gives a factory with a place of its
//! own, since an import replaces the register whole.

pub mod additions;
mod factory;
pub mod imports;
mod world;

pub use factory::CardsFactory;
pub use world::CardsWorld;

/// One test per check of the suite. The expression makes a factory for each.
#[macro_export]
macro_rules! cards_suite {
    ($factory:expr) => {
        $crate::suite_over_a_factory! { cards, CardsWorld, $factory;
            imports: a_card_is_its_persons_on_its_days_alone, a_person_holds_all_of_many_cards,
                an_open_register_sees_the_next_import_whole_and_no_part_of_it_before, an_interrupted_import_goes_on_and_comes_to_the_same,
                doubles_count_once_and_nothing_replaces_nothing, a_register_that_lost_much_replaces_nothing_unless_that_is_allowed,
                one_import_at_a_time, who_asks_while_the_register_is_replaced_is_told_by_one_of_the_two;
            additions: what_was_added_is_taken_out_again_and_all_is_as_before, a_card_that_was_there_before_stays_when_an_addition_with_it_goes,
                two_additions_go_one_without_the_other, a_name_is_added_once_and_one_that_is_not_there_cannot_be_removed,
                a_register_that_is_replaced_has_no_additions;
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_the_suite() {
        crate::conformance::assert_all_are_run(
            include_str!("mod.rs"),
            &[include_str!("imports.rs"), include_str!("additions.rs")],
        );
    }
}
