//! Erasure, as the bytes of the files show it; and what a crash left between a transition and its erasure.

use rusqlite::Connection;
use sistema_ts_model::{
    Caller, CancelRefusal, ClaimId, Cun, Effect, NewClaim, Over, PostOutcome, SessionId,
    TestResult, Timestamp,
};
use sistema_ts_store::keys::{KeyError, KeyRing};
use sistema_ts_store::samples::{cancellation, fiscal_code, repeatable};
use sistema_ts_store::{
    CancelOutcome, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, OpenOutcome,
    OpenSession, PersonOutcome, RecordOutcome, Store,
};

use super::{DAY_MILLIS, Fixture, MORNING};

const PATIENTS: &str = "patients-2026-11-24.db";

/// A patient as it stands in the file: sealed fiscal code and lookup tag.
fn stored(fixture: &Fixture, row: i64) -> Option<(Vec<u8>, Vec<u8>)> {
    let connection = Connection::open(fixture.options.folder.join(PATIENTS)).unwrap();
    let mut select = connection
        .prepare("SELECT sealed, tag FROM patients WHERE row = ?1")
        .unwrap();
    select
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
        .ok()
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn caller() -> Caller {
    Caller::from_key("Ccc1").unwrap()
}

async fn unlock(fixture: &Fixture, cun: Cun) {
    let session = SessionId::random();
    let open = OpenSession {
        cun,
        session,
        operator: fiscal_code(900),
        caller: caller(),
        lifetime_millis: 1_800_000,
    };
    assert!(matches!(
        fixture.store().open_session(open).await.unwrap(),
        OpenOutcome::Opened(_)
    ));
    let claim = NewClaim {
        id: ClaimId(7),
        deadline: Timestamp::from_millis(MORNING + 10_000).unwrap(),
    };
    let request = ClaimUnlock {
        session,
        operator: fiscal_code(900),
        caller: caller(),
        claim,
    };
    assert!(matches!(
        fixture.store().claim_unlock(request).await.unwrap(),
        ClaimOutcome::Claimed { .. }
    ));
    let settle = sistema_ts_store::SettleUnlock {
        cun,
        claim: claim.id,
        outcome: PostOutcome::Delivered,
    };
    fixture.store().settle_unlock(settle).await.unwrap();
}

async fn confirm(fixture: &Fixture, cun: Cun) -> ConcludeOutcome {
    let confirmation = Confirmation {
        cun,
        session: None,
        operator: fiscal_code(900),
        caller: caller(),
    };
    fixture.store().confirm(confirmation).await.unwrap()
}

async fn asl_otp(fixture: &Fixture, outcome: PostOutcome) -> usize {
    let claim = NewClaim {
        id: ClaimId(9),
        deadline: Timestamp::from_millis(MORNING + 10_000).unwrap(),
    };
    let PersonOutcome::Claimed(claimed) = fixture
        .store()
        .claim_person(fiscal_code(1), claim)
        .await
        .unwrap()
    else {
        panic!("an unlock is under way");
    };
    fixture
        .store()
        .settle_person(claimed, claim.id, outcome)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_ends_a_code_erases_the_ciphertext_from_the_bytes_before_its_answer() {
    for way in 0..3 {
        let mut fixture = Fixture::new();
        let cun = fixture.record(|_| {}).await;
        let other = fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(2))
            .await;
        fixture.close();
        let (sealed, tag) = stored(&fixture, 1).unwrap();
        let (other_sealed, _) = stored(&fixture, 2).unwrap();
        fixture.reopen();
        match way {
            0 => {
                unlock(&fixture, cun).await;
                assert_eq!(
                    confirm(&fixture, cun).await,
                    ConcludeOutcome::Done(Effect::Done)
                );
            }
            1 => {
                let outcome = fixture.store().cancel(cancellation(cun, 1)).await.unwrap();
                assert!(matches!(
                    outcome,
                    CancelOutcome::Done {
                        effect: Effect::Done,
                        ..
                    }
                ));
            }
            _ => assert_eq!(asl_otp(&fixture, PostOutcome::Delivered).await, 1),
        }
        // The store is still open: this is what a thief of the disk finds.
        let bytes = fixture.bytes_of("patients-");
        assert!(
            !holds(&bytes, &sealed),
            "way {way}: the sealed fiscal code is still there"
        );
        assert!(
            !holds(&bytes, &tag),
            "way {way}: the lookup tag is still there"
        );
        assert!(
            holds(&bytes, &other_sealed),
            "way {way}: another person's fiscal code is gone"
        );
        assert!(fixture.store().find_patient(cun).await.unwrap().is_none());
        assert!(fixture.store().find_patient(other).await.unwrap().is_some());
        assert_eq!(asl_otp(&fixture, PostOutcome::Delivered).await, 0);
    }
}

#[tokio::test]
async fn neither_a_fiscal_code_nor_a_contact_is_ever_in_the_clear() {
    let fixture = Fixture::new();
    fixture
        .record(|test| test.repeatable = repeatable("key-1", "content"))
        .await;
    fixture
        .record(|test| test.swab.result = TestResult::Negative)
        .await;
    let bytes = fixture.bytes_of("");
    assert!(!holds(&bytes, fiscal_code(1).expose().as_bytes()));
    assert!(!holds(&bytes, b"3331234567"));
    assert!(
        holds(&bytes, b"010-101-000001"),
        "the search finds nothing at all"
    );
}

#[tokio::test]
async fn a_refused_asl_code_restores_and_erases_nothing() {
    let fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    assert_eq!(asl_otp(&fixture, PostOutcome::NotDelivered).await, 0);
    assert_eq!(
        fixture
            .store()
            .find_patient(cun)
            .await
            .unwrap()
            .unwrap()
            .fiscal_code,
        fiscal_code(1)
    );
    unlock(&fixture, cun).await;
}

#[tokio::test]
async fn an_asl_code_finds_all_positives_of_the_person_on_all_live_days() {
    let fixture = Fixture::new();
    let mut codes = Vec::new();
    for day in 0..14 {
        codes.push(fixture.record(|_| {}).await);
        fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(100 + day))
            .await;
        fixture
            .record(|test| test.swab.result = TestResult::Negative)
            .await;
        fixture.clock.advance_millis(DAY_MILLIS);
    }
    // The first day's code is over by now, to the millisecond.
    let claim = NewClaim {
        id: ClaimId(9),
        deadline: fixture
            .store()
            .listing_mark()
            .await
            .unwrap()
            .at
            .plus_millis(10_000),
    };
    let PersonOutcome::Claimed(claimed) = fixture
        .store()
        .claim_person(fiscal_code(1), claim)
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(claimed.cuns, codes[1..]);
    assert_eq!(
        fixture
            .store()
            .settle_person(claimed, claim.id, PostOutcome::Unknown)
            .await
            .unwrap(),
        13
    );
    for cun in codes {
        assert!(fixture.store().find_patient(cun).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_erasure_that_a_crash_interrupted_is_completed_at_start() {
    let mut fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    unlock(&fixture, cun).await;
    fixture.close();
    let (sealed, tag) = stored(&fixture, 1).unwrap();
    // As a crash between the commit of a confirmation and its erasure leaves it.
    let tests = Connection::open(fixture.options.folder.join("tests.db")).unwrap();
    tests
        .execute(
            "INSERT INTO erasures (row, day) SELECT row, 20781 FROM tests",
            [],
        )
        .unwrap();
    drop(tests);
    fixture.crashed();
    assert_eq!(
        super::super::day::Day::of_date(super::date("2026-11-24")).0,
        20_781
    );
    fixture.reopen();
    let bytes = fixture.bytes_of("patients-");
    assert!(!holds(&bytes, &sealed) && !holds(&bytes, &tag));
    fixture.close();
    let tests = Connection::open(fixture.options.folder.join("tests.db")).unwrap();
    let left: i64 = tests
        .query_row("SELECT count(*) FROM erasures", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_patient_whose_test_was_never_committed_is_swept_at_start() {
    let mut fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    fixture.close();
    let patients = Connection::open(fixture.options.folder.join(PATIENTS)).unwrap();
    patients
        .execute("INSERT INTO patients (row, cun, sealed, tag) VALUES (2, 5, x'c0ffee00c0ffee00', x'00112233445566778899aabbccddeeff')", [])
        .unwrap();
    drop(patients);
    fixture.crashed();
    fixture.reopen();
    assert!(!holds(
        &fixture.bytes_of("patients-"),
        &[0xc0, 0xff, 0xee, 0, 0xc0, 0xff, 0xee, 0]
    ));
    assert!(fixture.store().find_patient(cun).await.unwrap().is_some());
    // The orphan's number is given again.
    fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(3))
        .await;
}

#[tokio::test]
async fn an_expired_day_goes_file_and_key_and_its_codes_stay_known() {
    let mut fixture = Fixture::new();
    let reserved = fixture.reserve().await;
    let cun = fixture.record(|test| test.reserved = reserved).await;
    fixture.close();
    let (sealed, _) = stored(&fixture, 1).unwrap();
    fixture.reopen();
    for _ in 0..16 {
        fixture.clock.advance_millis(DAY_MILLIS);
        while fixture.sweep(100).await.more {}
    }
    assert!(fixture.store().find_test(cun).await.unwrap().is_none());
    assert!(!fixture.options.folder.join(PATIENTS).exists());
    assert!(!holds(&fixture.bytes_of("patients-"), &sealed));
    let ring = KeyRing::load(&fixture.folder.path().join("ring")).unwrap();
    assert!(matches!(
        ring.day(super::date("2026-11-24")),
        Err(KeyError::Destroyed { .. })
    ));
    for _ in 0..2 {
        let again = fixture
            .new_test(|test| {
                test.reserved = sistema_ts_store::ReservedCun {
                    cun,
                    proof: sistema_ts_store::StoreToken::default(),
                }
            })
            .await;
        assert_eq!(
            fixture.store().record_test(again).await.unwrap(),
            RecordOutcome::CodeTaken
        );
        fixture.reopen();
    }
}

#[tokio::test]
async fn a_code_that_is_over_loses_its_patient_to_the_millisecond_and_its_file_a_row_at_a_time() {
    let fixture = Fixture::new();
    let early = fixture.record(|_| {}).await;
    fixture.clock.advance_millis(3_600_000);
    let late = fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(2))
        .await;
    fixture
        .clock
        .advance_millis(14 * DAY_MILLIS - 3_600_000 - 1);
    assert!(fixture.store().find_patient(early).await.unwrap().is_some());
    fixture.clock.advance_millis(1);
    assert!(fixture.store().find_patient(early).await.unwrap().is_none());
    while fixture.sweep(1).await.more {}
    assert!(fixture.store().find_test(early).await.unwrap().is_none());
    assert_eq!(
        fixture
            .store()
            .find_patient(late)
            .await
            .unwrap()
            .unwrap()
            .fiscal_code,
        fiscal_code(2)
    );
}

#[tokio::test]
async fn a_longer_retention_keeps_the_test_and_not_the_person() {
    let mut fixture = Fixture::with(|options| options.retention_millis = 20 * DAY_MILLIS);
    let cun = fixture.record(|_| {}).await;
    let negative = fixture
        .record(|test| test.swab.result = TestResult::Negative)
        .await;
    fixture.clock.advance_millis(15 * DAY_MILLIS);
    while fixture.sweep(100).await.more {}
    assert!(fixture.store().find_test(cun).await.unwrap().is_some());
    let refused = fixture
        .store()
        .cancel(cancellation(negative, 1))
        .await
        .unwrap();
    assert!(
        matches!(
            refused,
            CancelOutcome::NoSuchTest | CancelOutcome::Refused(CancelRefusal::Over(Over::Expired))
        ),
        "{refused:?}"
    );
    fixture.close();
    let tests = Connection::open(fixture.options.folder.join("tests.db")).unwrap();
    let kept: i64 = tests
        .query_row(
            "SELECT count(*) FROM tests WHERE contact IS NOT NULL OR negative IS NOT NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_retry_after_erasure_tells_no_code() {
    let fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.repeatable = repeatable("key-1", "content"))
        .await;
    fixture.store().cancel(cancellation(cun, 1)).await.unwrap();
    let again = fixture
        .new_test(|test| test.repeatable = repeatable("key-1", "content"))
        .await;
    assert_eq!(
        fixture.store().record_test(again).await.unwrap(),
        RecordOutcome::ReplayedErased { cancelled: true }
    );
    let other = fixture
        .new_test(|test| test.repeatable = repeatable("key-1", "other"))
        .await;
    assert_eq!(
        fixture.store().record_test(other).await.unwrap(),
        RecordOutcome::RequestKeyReused
    );
}
