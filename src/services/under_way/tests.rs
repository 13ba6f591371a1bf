//! A failure means that two codes at once tell whether a person is positive, or that a person is shut out for good.
#![allow(clippy::unwrap_used)]
use sistema_ts_store::samples::fiscal_code;

use super::*;

#[test]
fn one_has_its_turn_until_it_ends_and_others_people_have_theirs() {
    let under_way = UnderWay::new().unwrap();
    let (one, other) = (fiscal_code(1), fiscal_code(2));
    let turn = under_way.take(&one).unwrap();
    assert!(under_way.clone().take(&one).is_none());
    assert!(under_way.take(&other).is_some());
    drop(turn);
    assert!(under_way.take(&one).is_some());
    assert!(under_way.people.lock().unwrap().is_empty());
}
