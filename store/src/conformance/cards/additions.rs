//! Cards that are added under a name and taken out again. A failure: an addition that replaces or hides a card, a removal that takes out one that
//! was there before or leaves one behind.

use super::CardsWorld;
use super::world::card;
use crate::cards::{AdditionError, CardEntry};

fn cards(people: impl IntoIterator<Item = u32>, shift: u32) -> Vec<CardEntry> {
    let people = people.into_iter();
    people.map(|who| card(who, who + shift)).collect()
}

pub async fn what_was_added_is_taken_out_again_and_all_is_as_before(world: CardsWorld) {
    let own = cards(1..=50, 0);
    // Half of them are people of the register, with other cards.
    let added = cards(26..=75, 1_000);
    world.replace("own", &own);
    let all: Vec<_> = cards(1..=50, 0)
        .into_iter()
        .chain(cards(26..=75, 1_000))
        .collect();
    let before = world.content(&all).await;
    assert_eq!(world.add_as("load-test", &added).unwrap(), (100, 50));
    assert_eq!(world.named(), ["load-test"]);
    let (status, held) = world.content(&all).await;
    assert_eq!(
        (status.cards, status.imported_at),
        (100, before.0.imported_at)
    );
    assert!(held.iter().all(|held| *held));
    assert_eq!(world.remove_added("load-test").unwrap(), 50);
    assert_eq!(world.content(&all).await, before);
    assert!(world.named().is_empty());
}

pub async fn a_card_that_was_there_before_stays_when_an_addition_with_it_goes(world: CardsWorld) {
    world.replace("own", &cards([1, 2], 0));
    let all = cards([1, 2, 3], 0);
    let before = world.content(&all).await;
    assert_eq!(world.add_as("a", &cards([2, 3], 0)).unwrap(), (3, 1));
    assert_eq!(world.remove_added("a").unwrap(), 2);
    assert_eq!(world.content(&all).await, before);
}

pub async fn two_additions_go_one_without_the_other(world: CardsWorld) {
    let all = cards([9, 1, 2, 3], 0);
    for (first, second) in [("a", "b"), ("b", "a")] {
        world.replace(first, &cards([9], 0));
        let before = world.content(&all).await;
        assert_eq!(world.add_as("a", &cards([1, 2], 0)).unwrap(), (3, 2));
        assert_eq!(world.add_as("b", &cards([2, 3], 0)).unwrap(), (4, 1));
        assert_eq!(world.named(), ["a", "b"]);
        // The card of both goes with the last one.
        assert_eq!(world.remove_added(first).unwrap(), 3);
        assert_eq!(world.remove_added(second).unwrap(), 1);
        assert_eq!(world.content(&all).await, before);
    }
}

pub async fn a_name_is_added_once_and_one_that_is_not_there_cannot_be_removed(world: CardsWorld) {
    world.replace("own", &cards([1], 0));
    world.add_as("a", &cards([2], 0)).unwrap();
    let all = cards([1, 2, 3], 0);
    let before = world.content(&all).await;
    let again = world.add_as("a", &cards([3], 0));
    assert!(matches!(again, Err(AdditionError::Exists(_))), "{again:?}");
    let missing = world.remove_added("b");
    assert!(
        matches!(missing, Err(AdditionError::Missing(_))),
        "{missing:?}"
    );
    assert_eq!(world.content(&all).await, before);
}

pub async fn a_register_that_is_replaced_has_no_additions(world: CardsWorld) {
    world.replace("own", &cards([1], 0));
    world.add_as("a", &cards([2], 0)).unwrap();
    world.replace("the next", &cards([5, 6], 0));
    assert!(world.named().is_empty());
    let (status, held) = world.content(&cards([1, 2, 5, 6], 0)).await;
    assert_eq!((status.cards, held), (2, vec![false, false, true, true]));
}
