//! A failure means that two codes at once tell whether a person is positive, or that a person is shut out for good.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn one_has_its_turn_until_it_ends_and_others_people_have_theirs() {
    let under_way = UnderWay::new().unwrap();
    let one = CodiceFiscale::parse("RSSMRA80A01H501U").unwrap();
    let other = CodiceFiscale::parse("BNCLRA75E41F205R").unwrap();
    let turn = under_way.take(&one).unwrap();
    assert!(under_way.clone().take(&one).is_none());
    assert!(under_way.take(&other).is_some());
    drop(turn);
    assert!(under_way.take(&one).is_some());
    assert!(under_way.people.lock().unwrap().is_empty());
}
