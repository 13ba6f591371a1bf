//! Imports, and what a check says before, during and after one. A failure means that a card counts that is not registered or not valid, that one
//! which is does not, or that an interrupted import loses or doubles cards or shows itself half done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::CardsWorld;
use super::world::{at, card, cun, date, digits, holds};
use crate::cards::{CardEntry, CardError, ImportProgress};
use crate::conformance::start;
use crate::samples::fiscal_code;

/// A day on which every card of [`card`] is valid.
const DAY: &str = "2026-01-01";

pub async fn a_card_is_its_persons_on_its_days_alone(world: CardsWorld) {
    let open_ended = CardEntry {
        valid_to: None,
        ..card(1, 22_222_222)
    };
    let entries = [card(1, 11_111_111), open_ended, card(2, 33_333_333)];
    assert_eq!(world.replace("three", &entries), 3);
    let register = world.open().await;
    for (who, number, day, expected) in [
        (1, 11_111_111, "2020-01-01", true),
        (1, 11_111_111, "2026-12-31", true),
        (1, 11_111_111, "2019-12-31", false),
        (1, 11_111_111, "2027-01-01", false),
        (1, 22_222_222, "2090-01-01", true),
        (1, 33_333_333, DAY, false),
        (2, 33_333_333, DAY, true),
        (2, 11_111_111, DAY, false),
        (3, 11_111_111, DAY, false),
    ] {
        assert_eq!(
            holds(&*register, who, number, day).await,
            expected,
            "{who} {number} {day}"
        );
    }
    let held_by_one = digits(11_111_111);
    let nobody = register.matches(None, cun(), &held_by_one, date(DAY));
    assert!(!nobody.await.unwrap());
    let status = register.status().await.unwrap().unwrap();
    assert_eq!((status.cards, status.imported_at), (3, start()));
}

pub async fn a_person_holds_all_of_many_cards(world: CardsWorld) {
    let number = |who: u32, which: u32| 100 * who + which;
    let all = (0..30).flat_map(|who| (0..30).map(move |which| (who, number(who, which))));
    let cards: Vec<_> = all.clone().map(|(who, number)| card(who, number)).collect();
    world.replace("many", &cards);
    let register = world.open().await;
    for (who, number) in all {
        assert!(holds(&*register, who, number, DAY).await);
        assert!(!holds(&*register, (who + 1) % 30, number, DAY).await);
    }
}

pub async fn an_open_register_sees_the_next_import_whole_and_no_part_of_it_before(
    world: CardsWorld,
) {
    let register = world.open().await;
    assert_eq!(register.status().await.unwrap(), None);
    let (anybody, any) = (fiscal_code(1), digits(1));
    let none = register.matches(Some(&anybody), cun(), &any, date(DAY));
    assert!(
        matches!(none.await, Err(CardError::Missing)),
        "without a register nothing is said, not even no"
    );
    world.replace("one", &[card(1, 1)]);
    assert!(holds(&*register, 1, 1, DAY).await);
    let mut import = world.begin("the next one");
    for line in 1..=25 {
        import.add(&card(2, line), at(line.into())).unwrap();
        assert!(!holds(&*register, 2, line, DAY).await);
        assert!(holds(&*register, 1, 1, DAY).await);
    }
    import.finish(at(25), start(), 100).unwrap();
    assert!(!holds(&*register, 1, 1, DAY).await, "it was replaced");
    for line in 1..=25 {
        assert!(holds(&*register, 2, line, DAY).await);
    }
}

pub async fn an_interrupted_import_goes_on_and_comes_to_the_same(world: CardsWorld) {
    let entries: Vec<CardEntry> = (0..57).map(|line| card(line % 13, line)).collect();
    world.replace("unbroken", &entries);
    let unbroken = world.content(&entries).await;
    world.replace("something else", &[card(99, 99)]);
    for stop in [0, 3, 10, 24, 56] {
        let mut import = world.begin("a source");
        let from = import.progress().lines;
        for line in from..stop {
            import.add(&entries[line as usize], at(line + 1)).unwrap();
        }
        // Dropped: what was not kept is lost, and so is its place in the source.
        drop(import);
        let kept = world.begin("a source").progress().lines;
        assert!((from..=stop).contains(&kept), "{kept} after {stop}");
    }
    let other = world.begin("another source").progress();
    assert_eq!(other, ImportProgress::default(), "not the same source");
    let mut import = world.begin("a source");
    assert_eq!(import.progress().lines, 0, "given up for the other");
    for line in 0..34 {
        import.add(&entries[line as usize], at(line + 1)).unwrap();
    }
    drop(import);
    assert_eq!(world.replace("a source", &entries), 57);
    assert_eq!(world.content(&entries).await, unbroken);
    assert!(!holds(&*world.open().await, 99, 99, DAY).await);
}

pub async fn doubles_count_once_and_nothing_replaces_nothing(world: CardsWorld) {
    let entries: Vec<CardEntry> = (0..40).map(|_| card(1, 1)).collect();
    assert_eq!(world.replace("doubles", &entries), 1);
    let nothing = world.try_replace("nothing", &[], 100);
    assert!(matches!(nothing, Err(CardError::Empty)));
    assert!(holds(&*world.open().await, 1, 1, DAY).await);
}

pub async fn a_register_that_lost_much_replaces_nothing_unless_that_is_allowed(world: CardsWorld) {
    let entries: Vec<CardEntry> = (0..100).map(|who| card(who, who)).collect();
    assert_eq!(world.replace("all", &entries), 100);
    let attempt = |count: usize, maximum_loss: u64| {
        world.try_replace(&format!("{count}"), &entries[..count], maximum_loss)
    };
    let refused = attempt(89, 10);
    assert!(
        matches!(
            refused,
            Err(CardError::FarFewer {
                cards: 89,
                registered: 100
            })
        ),
        "{refused:?}"
    );
    assert!(holds(&*world.open().await, 99, 99, DAY).await);
    // What was taken is there for another try, which allows it.
    assert_eq!(world.begin("89").progress().lines, 89);
    assert_eq!(attempt(89, 11).unwrap(), 89);
    assert!(!holds(&*world.open().await, 99, 99, DAY).await);
    assert_eq!(attempt(81, 10).unwrap(), 81, "a tenth of 89 is 8.9");
    assert!(matches!(attempt(80, 0), Err(CardError::FarFewer { .. })));
    assert_eq!(attempt(1, 100).unwrap(), 1);
}

pub async fn one_import_at_a_time(world: CardsWorld) {
    let first = world.begin("one");
    let second = world.try_begin("two");
    assert!(matches!(second, Err(CardError::ImportUnderWay)));
    drop(first);
    world.begin("two");
}

pub async fn who_asks_while_the_register_is_replaced_is_told_by_one_of_the_two(world: CardsWorld) {
    // Person 1 holds card 1 in each register; person 2 has card 2 in every other one, and card 3 in those between.
    world.replace("first", &[card(1, 1), card(2, 2)]);
    let register = world.open().await;
    let seen = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let has_seen = |which: usize| seen[which].load(Ordering::Acquire);
    let importing = std::thread::spawn({
        let (world, seen) = (world.clone(), Arc::clone(&seen));
        move || {
            for round in 0..10_000 {
                let has_changed = seen.iter().all(|seen| seen.load(Ordering::Acquire));
                if has_changed && round >= 20 {
                    return;
                }
                let cards = [card(1, 1), card(2, 2 + round % 2)];
                world.replace(&format!("round {round}"), &cards);
            }
        }
    });
    while !importing.is_finished() {
        assert!(
            holds(&*register, 1, 1, DAY).await,
            "neither the old nor the new one"
        );
        for (which, seen) in (0..).zip(seen.iter()) {
            if holds(&*register, 2, 2 + which, DAY).await {
                seen.store(true, Ordering::Release);
            }
        }
    }
    importing.join().unwrap();
    assert!(has_seen(0) && has_seen(1), "no register was seen to change");
}
