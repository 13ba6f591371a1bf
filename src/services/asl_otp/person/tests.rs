//! A failure here means that the time of an answer tells whether a person is positive, or how many positive tests there are of the person.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use sistema_ts_model::{ClaimId, Cun, Timestamp};
use sistema_ts_store::samples;

use super::*;

/// Time stands still while a test works, so that it does not matter how busy the machine is.
const STEP: Duration = Duration::from_secs(1);

/// A person with so many codes, each of which costs the store some time; one of them may be under way.
struct Archive {
    codes: u64,
    is_under_way: bool,
    millis_per_code: u64,
    claims: AtomicU32,
}

#[async_trait]
impl People for Archive {
    async fn claim(&self, _: CodiceFiscale, _: NewClaim) -> Result<PersonOutcome, StoreError> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(1 + self.codes * self.millis_per_code)).await;
        if self.is_under_way {
            return Ok(PersonOutcome::UnlockUnderWay);
        }
        let cuns = (0..self.codes).filter_map(Cun::from_number).collect();
        Ok(PersonOutcome::Claimed(PersonClaim { cuns }))
    }
}

fn new_claim() -> NewClaim {
    NewClaim {
        id: ClaimId::random(&mut rand::rng()),
        deadline: Timestamp::from_millis(1_773_131_400_000).unwrap(),
    }
}

/// How many steps looking for a person with so many codes takes, and how many settling what was found takes.
async fn steps(codes: u64, is_under_way: bool, millis_per_code: u64) -> (u64, u64) {
    let archive = Archive {
        codes,
        is_under_way,
        millis_per_code,
        claims: AtomicU32::new(0),
    };
    let person = samples::fiscal_code(1);
    let began = Instant::now();
    let looked = Looked {
        store: &archive,
        under_way: &UnderWay::new().unwrap(),
    };
    let claimed = in_steps(STEP, looked.claim(STEP, &person, new_claim))
        .await
        .unwrap();
    let first = began.elapsed();
    assert_eq!(claimed.is_none(), is_under_way);
    let tries = if is_under_way { CLAIM_TRIES } else { 1 };
    assert_eq!(archive.claims.load(Ordering::Relaxed), tries);
    let Some(claimed) = claimed else {
        return (first.as_secs(), 1);
    };
    // As settling does: nothing for nobody, something for each code.
    let codes = u32::try_from(claimed.person.cuns.len()).unwrap();
    let began = Instant::now();
    in_steps(STEP, sleep(Duration::from_millis(millis_per_code) * codes)).await;
    (first.as_secs(), began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn none_one_three_and_one_under_way_take_the_same_steps() {
    let mut cases = Vec::new();
    for (codes, is_under_way) in [(0, false), (1, false), (3, false), (1, true), (3, true)] {
        for millis_per_code in [0, 1, 5, 10] {
            cases.push(steps(codes, is_under_way, millis_per_code));
        }
    }
    let taken = futures_util::future::join_all(cases).await;
    assert!(taken.iter().all(|steps| *steps == (1, 1)), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_code_for_the_same_person_is_told_the_same_whether_there_are_tests_or_not() {
    let person = samples::fiscal_code(1);
    for codes in [0, 1, 3] {
        let archive = Archive {
            codes,
            is_under_way: false,
            millis_per_code: 1,
            claims: AtomicU32::new(0),
        };
        let looked = Looked {
            store: &archive,
            under_way: &UnderWay::new().unwrap(),
        };
        let claim = || looked.claim(STEP / 20, &person, new_claim);
        let first = claim().await.unwrap();
        assert!(first.is_some());
        assert!(claim().await.unwrap().is_none(), "{codes}");
        // The archive was not even asked.
        assert_eq!(archive.claims.load(Ordering::Relaxed), 1);
        drop(first);
        assert!(claim().await.unwrap().is_some(), "{codes}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_ends_at_the_end_of_another_step() {
    let (longer, longest) = tokio::join!(steps(1, false, 1_050), steps(3, false, 700));
    assert_eq!((longer, longest), ((2, 2), (3, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_takes_its_step_too() {
    let began = Instant::now();
    let failed: Result<(), ()> = in_steps(STEP, async { Err(()) }).await;
    assert!(failed.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[test]
fn the_end_of_a_step_is_the_beginning_of_the_next() {
    let step = Duration::from_millis(250);
    for (millis, steps) in [
        (0, 1),
        (1, 1),
        (249, 1),
        (250, 2),
        (251, 2),
        (499, 2),
        (500, 3),
    ] {
        assert_eq!(whole_steps(Duration::from_millis(millis), step), steps);
    }
    // A step that no configuration has still ends.
    assert_eq!(whole_steps(Duration::from_millis(3), Duration::ZERO), 4);
}
