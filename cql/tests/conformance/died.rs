//! What a server leaves that died between ending a code's life and erasing its person, put into the tables by hand. A failure is a person that
//! outlives a code although a sweep, or a repetition of the request, has come by; or one that is erased although the code lives.

use std::sync::Arc;

use scylla::client::session::Session;
use scylla::value::CqlValue;
use sistema_ts_cql::connect;
use sistema_ts_model::{
    ClaimId, Clock, Cun, Effect, Life, ManualClock, Moment, NewClaim, Origin, PostOutcome,
    TestResult, Timestamp,
};
use sistema_ts_store::conformance::world::{
    cancellation, fiscal_code, horizon_at, new_test, region, repeatable,
};
use sistema_ts_store::conformance::{StoreFactory, on_a_runtime, start};
use sistema_ts_store::{
    CancelOutcome, ListingRequest, ListingScope, NewTest, PersonOutcome, RecordOutcome, Store,
};

use super::Turn;

/// As the suite has it: a check begins so much later than the one before.
const MILLIS_OF_A_CHECK: i64 = 100 * 24 * 60 * 60 * 1_000;

/// A server, and the tables behind its back.
struct Server {
    store: Arc<dyn Store>,
    clock: ManualClock,
    session: Session,
    prefix: String,
}

/// A recorded test.
#[derive(Clone, Copy)]
struct Recorded {
    cun: Cun,
    at: Timestamp,
    result: TestResult,
}

impl Server {
    async fn open(turn: &Turn) -> Self {
        let millis = i64::from(turn.number) * MILLIS_OF_A_CHECK;
        let clock = ManualClock::new(start().plus_millis(millis));
        let settings = &turn.place.expect("a check runs at a place alone").settings;
        Self {
            store: turn.open(Arc::new(clock.clone())).await,
            clock,
            session: connect(settings).await.unwrap(),
            prefix: settings.keyspace_prefix.clone(),
        }
    }

    async fn record(&self, result: TestResult, key: &str) -> Recorded {
        let mut symbols = sistema_ts_model::FirstSymbol::all();
        let symbol = symbols.next().unwrap();
        let reserved = self.store.reserve(symbol, 1).await.unwrap()[0];
        let test = NewTest {
            repeatable: repeatable(key, "content"),
            ..new_test(reserved, 1, result, self.clock.now())
        };
        let outcome = self.store.record_test(test).await.unwrap();
        let RecordOutcome::Recorded { cun, inserted_at } = outcome else {
            panic!("{outcome:?}")
        };
        Recorded {
            cun,
            at: inserted_at,
            result,
        }
    }

    /// Rows of a table of which a column is there.
    async fn count(&self, table: &str, column: &str, condition: &str) -> usize {
        let text = format!("SELECT {column} FROM {}_{table} {condition}", self.prefix);
        let rows = self.session.query_unpaged(text, ()).await.unwrap();
        let rows = rows.into_rows_result().unwrap();
        let columns = rows.rows::<(Option<Vec<u8>>,)>().unwrap();
        columns
            .filter(|row| {
                let (bytes,) = row.as_ref().unwrap();
                bytes.as_ref().is_some_and(|bytes| !bytes.is_empty())
            })
            .count()
    }

    async fn has_person(&self, test: Recorded) -> bool {
        let code = test.cun.number();
        match test.result {
            TestResult::Positive => {
                let condition = format!("WHERE code = {code}");
                self.count("patients.patient", "sealed", &condition).await > 0
            }
            TestResult::Negative => {
                let condition = format!("WHERE code = {code} ALLOW FILTERING");
                let [test, copy] = [("tests.test", "negative"), ("tests.claim", "negative")];
                let of_test = self.count(test.0, test.1, &condition).await;
                let of_copy = self.count(copy.0, copy.1, &condition).await;
                assert_eq!(of_test, of_copy, "half of a negative is erased");
                of_test > 0
            }
        }
    }

    /// Ends a code's life as a cancellation does, and erases nothing.
    async fn cancel_and_die(&self, test: Recorded, is_intended: bool) {
        let code = test.cun.number() as i64;
        let caller = cancellation(test.cun, 1).caller;
        let origin = Origin {
            issued_at: test.at,
            result: test.result,
            submitter: caller,
        };
        let moment = Moment {
            now: self.clock.now(),
            clock_error_millis: 0,
        };
        let cancelled = Life::new().cancel(&origin, &caller, moment).write.unwrap();
        if is_intended {
            self.intend(test).await;
        }
        let text = format!(
            "INSERT INTO {}_tests.life (code, bytes, turn) VALUES (?, ?, 1) IF NOT EXISTS",
            self.prefix
        );
        let values = (code, cancelled.encode().unwrap());
        self.session.query_unpaged(text, values).await.unwrap();
    }

    async fn intend(&self, test: Recorded) {
        let code = test.cun.number() as i64;
        let day = test.at.rome_day().to_epoch_days();
        let text = format!(
            "INSERT INTO {}_patients.erasure (day, bucket, code) VALUES (?, ?, ?)",
            self.prefix
        );
        let values = (day, (code % 8) as i8, code);
        self.session.query_unpaged(text, values).await.unwrap();
    }

    /// What an attempt leaves that has lost against a test's: its claim on the same key, and a person under its own code, which others may have claimed
    /// as well.
    async fn leave_attempt(&self, test: Recorded, code: i64, claims: &[i64]) {
        let run = async |text: String, values: Vec<CqlValue>| {
            let text = text.replace("{}", &self.prefix);
            let sent = self.session.query_unpaged(text, values).await;
            sent.unwrap().into_rows_result().ok()
        };
        let of_test = format!(
            "SELECT receipt, region, part FROM {{}}_tests.test WHERE code = {} ALLOW FILTERING",
            test.cun.number()
        );
        let found = run(of_test, vec![]).await.unwrap();
        let (receipt, region, part) = found.first_row::<(Vec<u8>, i16, i8)>().unwrap();
        let time = test.at.millis();
        let timestamp = time * 1_000;
        let claim = format!(
            "INSERT INTO {{}}_tests.claim (receipt, attempt, code, region, part, time, content, negative, ended) \
             VALUES (?, {}, {code}, {region}, {part}, {time}, 0x01, 0x02, true) USING TIMESTAMP {timestamp}",
            claims[0]
        );
        run(claim, vec![CqlValue::Blob(receipt)]).await;
        let person = format!(
            "INSERT INTO {{}}_patients.patient (code, contact) VALUES ({code}, 0x03) USING TIMESTAMP {timestamp}"
        );
        run(person, vec![]).await;
        let digest = Cun::from_number(code as u64).unwrap().digest();
        let key = i64::from_be_bytes(digest[..8].try_into().unwrap());
        for claim in claims {
            let text = format!(
                "INSERT INTO {{}}_tests.code (key, claim, code, region, part, time) \
                 VALUES ({key}, {claim}, {code}, {region}, {part}, {time}) USING TIMESTAMP {timestamp}"
            );
            run(text, vec![]).await;
        }
    }

    async fn sweep(&self) {
        let horizon = horizon_at(&self.clock);
        for _ in 0..100 {
            if !self.store.expire_due(2, horizon).await.unwrap().more {
                return;
            }
        }
        panic!("a sweep never ends");
    }

    async fn is_listed(&self, test: Recorded) -> bool {
        let request = ListingRequest {
            scope: ListingScope::Region(region()),
            from: test.at,
            to: Timestamp::MAX,
            mark: self.store.listing_mark().await.unwrap(),
            after: None,
            limit: 100,
        };
        let page = self.store.list_page(request).await.unwrap();
        page.tests.iter().any(|listed| listed.cun == test.cun)
    }
}

fn check<F: Future<Output = ()>>(check: impl FnOnce(Turn) -> F) {
    let turn = Turn::wait();
    if turn.has_place() {
        on_a_runtime(check(turn));
    }
}

const RESULTS: [TestResult; 2] = [TestResult::Positive, TestResult::Negative];

#[test]
fn a_sweep_erases_the_person_of_a_code_whose_end_was_written() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        for result in RESULTS {
            let mut tests = Vec::new();
            for key in ["ONE", "TWO", "THREE"] {
                tests.push(server.record(result, &format!("{key} {result:?}")).await);
            }
            for test in &tests {
                server.cancel_and_die(*test, true).await;
                assert!(server.has_person(*test).await);
                assert!(server.is_listed(*test).await);
            }
            server.sweep().await;
            for test in &tests {
                assert!(!server.has_person(*test).await);
                assert!(!server.is_listed(*test).await);
            }
        }
    });
}

#[test]
fn an_erasure_that_was_intended_for_a_code_that_lives_is_not_carried_out() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        for result in RESULTS {
            let test = server.record(result, &format!("{result:?}")).await;
            server.intend(test).await;
            server.sweep().await;
            assert!(server.has_person(test).await);
            assert!(server.is_listed(test).await);
        }
    });
}

#[test]
fn a_cancellation_that_was_done_before_erases_before_it_answers() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        for result in RESULTS {
            let test = server.record(result, &format!("{result:?}")).await;
            server.cancel_and_die(test, false).await;
            assert!(server.has_person(test).await);
            let outcome = server
                .store
                .cancel(cancellation(test.cun, 1))
                .await
                .unwrap();
            let is_done = matches!(
                outcome,
                CancelOutcome::Done {
                    effect: Effect::AlreadyDone,
                    ..
                }
            );
            assert!(is_done, "{outcome:?}");
            assert!(!server.has_person(test).await);
            assert!(!server.is_listed(test).await);
        }
    });
}

/// A person under a code that was never issued, of an attempt that died; one under a code that another has claimed as well is perhaps that one's.
#[test]
fn an_erasure_takes_what_lost_attempts_of_the_same_request_have_left() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        let test = server.record(TestResult::Negative, "KEY").await;
        let [orphan, of_others] = [1, 2].map(|more| (test.cun.number() as i64 + more) % 1_000_000);
        let claimed_by = [(orphan, vec![5]), (of_others, vec![6, 7])];
        for (code, claims) in &claimed_by {
            server.leave_attempt(test, *code, claims).await;
        }
        let kept = async |code: i64| {
            let of_code = format!("WHERE code = {code}");
            let filtering = format!("{of_code} ALLOW FILTERING");
            let person = server.count("patients.patient", "contact", &of_code);
            let mac = server.count("tests.claim", "negative", &filtering);
            (person.await, mac.await)
        };
        assert_eq!(kept(orphan).await, (1, 1));
        assert_eq!(kept(of_others).await, (1, 1));
        let outcome = server.store.cancel(cancellation(test.cun, 1)).await;
        assert!(
            matches!(outcome, Ok(CancelOutcome::Done { .. })),
            "{outcome:?}"
        );
        assert_eq!(kept(orphan).await, (0, 0));
        assert_eq!(kept(of_others).await, (1, 0));
    });
}

/// It counts as delivered, which consumes the code, once its deadline and the permitted clock error are past by the trusted time.
#[test]
fn a_claim_for_a_person_that_nobody_settles_ends_with_the_erasure() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        let test = server.record(TestResult::Positive, "KEY").await;
        let horizon = horizon_at(&server.clock);
        let claim = NewClaim {
            id: ClaimId(7),
            deadline: server.clock.now().plus_millis(10_000),
        };
        let claimed = server.store.claim_person(fiscal_code(1), claim).await;
        assert!(
            matches!(&claimed, Ok(PersonOutcome::Claimed(person)) if person.cuns == [test.cun]),
            "{claimed:?}"
        );
        server.clock.advance_millis(60_000);
        // By the clock alone nothing is erased, whoever asks.
        server.store.expire_due(100, horizon).await.unwrap();
        let person = sistema_ts_store::PersonClaim {
            cuns: vec![test.cun],
        };
        let late = server
            .store
            .settle_person(person, ClaimId(8), PostOutcome::Delivered)
            .await;
        assert_eq!(late.unwrap(), 0);
        assert!(server.has_person(test).await);
        server.sweep().await;
        assert!(!server.has_person(test).await);
    });
}

#[test]
fn a_server_that_has_noted_no_time_answers_with_the_newest_test() {
    check(|turn| async move {
        let server = Server::open(&turn).await;
        let mut newest = None;
        for (hours, key) in [(0, "ONE"), (3, "TWO")] {
            server.clock.advance_millis(hours * 3_600_000);
            newest = Some(server.record(TestResult::Positive, key).await.at);
        }
        server.clock.advance_millis(1_000_000);
        let folder = turn.place.unwrap().folder.path();
        let noted = folder.join("server-0").join("noted-time");
        let _ = std::fs::remove_file(&noted);
        let time = server.store.noted_time().await.unwrap().unwrap();
        assert_eq!(Some(time.trusted), newest);
        server.store.note_time(time).await.unwrap();
        assert!(noted.exists());
        let text = std::fs::read_to_string(&noted).unwrap();
        std::fs::write(&noted, text.replace("pace 0", "pace 1")).unwrap();
        let damaged = server.store.noted_time().await;
        assert!(damaged.is_err(), "{damaged:?}");
        std::fs::remove_file(&noted).unwrap();
    });
}
