//! One of the servers that share a store in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use sistema_ts_model::{
    ClaimId, Clock, CodiceFiscale, Cun, FirstSymbol, Moment, NewClaim, PostOutcome, SessionDigest,
    SessionId, Settlement, Timestamp,
};
use sistema_ts_store::conformance::{Ability, StoreFactory};
use sistema_ts_store::failing::Fault;
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{
    AccessArchive, AccessPage, AccessPosition, AccessQuery, AccessRecord, AslOtpAdmission, Batch,
    CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation,
    CountAslOtp, Expired, Forgiveness, Guess, GuessAdmission, GuessTicket, ListingMark,
    ListingPage, ListingPosition, ListingRequest, NewTest, OpenOutcome, OpenSession, PatientView,
    PersonClaim, PersonOutcome, Readiness, RecordOutcome, ReservedCun, SessionView, SettleUnlock,
    Store, StoreError, StoreToken, TestView,
};

use super::counts::Raised;
use super::database::{Database, receipt_key};

/// By how much the clocks of two servers may differ, in milliseconds.
pub const CLOCK_ERROR_MILLIS: i64 = 1_000;

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A mark is the moment by the server's own clock, as if no other clock could be ahead.
    MarkWithoutClockError,
    /// A bookmark forgets which tests of its millisecond were listed.
    BookmarkOfTimeAlone,
    /// Tests are listed as they came.
    OrderOfArrival,
    /// A holder is dead when its deadline has passed by whichever clock.
    DeadlineWithoutClockError,
    /// What is past its time is there until a sweep has come.
    UntilSwept,
    /// Each server knows its own sessions.
    SessionsOfEach,
    /// Each server knows its own receipts.
    ReceiptsOfEach,
    /// Each server knows its own guesses.
    GuessesOfEach,
}

/// A store that several servers share.
#[derive(Default)]
pub struct Shared {
    database: Mutex<Database>,
    servers: AtomicUsize,
    in_flight: AtomicUsize,
    contended: AtomicUsize,
}

impl Shared {
    fn database(&self) -> MutexGuard<'_, Database> {
        self.database
            .lock()
            .expect("no check goes on after a panic")
    }
}

/// Opens it.
#[derive(Clone, Default)]
pub struct Servers {
    pub shared: Arc<Shared>,
    pub wrong: Option<Wrong>,
    /// Calls that meet others fail, one in three: for want of room, before their effect, or after it.
    pub is_contended: bool,
    pub number: u32,
}

impl Servers {
    /// How many calls have failed because they met others.
    pub fn failed(&self) -> usize {
        self.shared.contended.load(Ordering::SeqCst).div_ceil(3)
    }
}

#[async_trait]
impl StoreFactory for Servers {
    fn lacks(&self) -> &[Ability] {
        &[
            Ability::OneOrder,
            Ability::FixedListing,
            Ability::EmptyPlace,
        ]
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn clock_error_millis(&self) -> i64 {
        CLOCK_ERROR_MILLIS
    }

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(Server {
            shared: Arc::clone(&self.shared),
            clock,
            wrong: self.wrong,
            is_contended: self.is_contended,
            number: self.shared.servers.fetch_add(1, Ordering::SeqCst),
            own: Mutex::default(),
        })
    }

    fn archive(&self) -> Box<dyn AccessArchive> {
        Box::new(Archive(Arc::clone(&self.shared)))
    }

    async fn close(&self, store: Arc<dyn Store>) {
        drop(store);
    }
}

struct Archive(Arc<Shared>);

impl AccessArchive for Archive {
    fn search(
        &self,
        query: &AccessQuery,
        found: &mut dyn FnMut(AccessRecord) -> bool,
    ) -> Result<(), StoreError> {
        let records = found_by(&self.0.database(), query);
        let mut records = records.into_iter().map(|(_, record)| record);
        records.all(found);
        Ok(())
    }
}

fn position(record: &AccessRecord, number: usize) -> (i64, i64) {
    let day = record.accessed_at.rome_day();
    let day = i64::from(chrono::Datelike::num_days_from_ce(&day));
    (day, number as i64)
}

/// What a query finds, by day, and within a day as it came.
fn found_by(database: &Database, query: &AccessQuery) -> Vec<((i64, i64), AccessRecord)> {
    let numbered = database.access.iter().enumerate();
    let mut found: Vec<_> = numbered
        .map(|(number, record)| (position(record, number), record))
        .filter(|(at, record)| {
            let after = query
                .after
                .map(|after| (after.part.number(), after.record.number()));
            record.accessed_at >= query.from
                && record.accessed_at < query.to
                && after.is_none_or(|after| *at > after)
                && query
                    .operator
                    .as_ref()
                    .is_none_or(|operator| record.operator() == Some(operator))
                && query.caller.is_none_or(|caller| record.caller == caller)
                && query
                    .transaction
                    .is_none_or(|transaction| record.transaction == transaction)
        })
        .map(|(at, record)| (at, record.clone()))
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found
}

/// What one server alone knows, and loses at its end.
#[derive(Default)]
struct Own {
    last_inserted: Option<Timestamp>,
    newest_ticket: u64,
    tickets: HashMap<u64, Raised>,
}

struct Server {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    wrong: Option<Wrong>,
    is_contended: bool,
    number: usize,
    own: Mutex<Own>,
}

impl Server {
    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }

    /// Who knows what this server writes: all, unless the store is wrong.
    fn owner(&self, wrong: Wrong) -> Option<usize> {
        self.is(wrong).then_some(self.number)
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().expect("no check goes on after a panic")
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Up to when something may be over and still be found.
    fn reading_time(&self) -> Timestamp {
        if self.is(Wrong::UntilSwept) {
            Timestamp::MIN
        } else {
            self.now()
        }
    }

    fn moment(&self) -> Moment {
        let error = if self.is(Wrong::DeadlineWithoutClockError) {
            0
        } else {
            CLOCK_ERROR_MILLIS
        };
        Moment {
            now: self.now(),
            clock_error_millis: error,
        }
    }

    /// Lets others come in between, and then acts at once; if there were others, as contention allows.
    async fn act<T>(&self, act: impl FnOnce(&mut Database) -> T + Send) -> Result<T, StoreError> {
        self.shared.in_flight.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let others = self.shared.in_flight.fetch_sub(1, Ordering::SeqCst) > 1;
        let fault = if self.is_contended && others {
            const FAULTS: [Fault; 3] = [Fault::LostAnswer, Fault::Overloaded, Fault::LostRequest];
            let number = self.shared.contended.fetch_add(1, Ordering::SeqCst);
            number.is_multiple_of(3).then(|| FAULTS[number / 3 % 3])
        } else {
            None
        };
        match fault {
            Some(fault) if !fault.has_effect() => Err(fault.error()),
            Some(fault) => {
                act(&mut self.shared.database());
                Err(fault.error())
            }
            None => Ok(act(&mut self.shared.database())),
        }
    }

    async fn record(&self, test: NewTest) -> Result<RecordOutcome, StoreError> {
        let owner = self.owner(Wrong::ReceiptsOfEach);
        let repeatable = test.repeatable.as_ref();
        let key = receipt_key(owner, &test.caller, "submission", repeatable);
        self.act(|database| {
            let now = self.now();
            let mut own = self.own();
            let inserted_at = own.last_inserted.max(Some(now)).unwrap_or(now);
            own.last_inserted = Some(inserted_at);
            database.record(test, key, inserted_at, now)
        })
        .await
    }

    fn end(&self, ticket: &GuessTicket) -> Option<Raised> {
        self.own().tickets.remove(&ticket.number())
    }
}

#[async_trait]
impl Store for Server {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        self.act(|database| database.reserve(first, count)).await
    }

    async fn record_tests(
        &self,
        tests: Batch<NewTest>,
    ) -> Batch<Result<RecordOutcome, StoreError>> {
        let mut outcomes = Batch::new();
        for test in tests {
            outcomes.push(self.record(test).await);
        }
        outcomes
    }

    async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, StoreError> {
        self.act(|database| database.find(cun, self.reading_time()))
            .await
    }

    async fn find_by_digest(&self, digest: [u8; 32]) -> Result<Option<TestView>, StoreError> {
        self.act(|database| database.find_by_digest(digest, self.reading_time()))
            .await
    }

    async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        let moment = Moment {
            now: self.reading_time(),
            ..self.moment()
        };
        self.act(|database| database.find_patient(cun, moment))
            .await
    }

    async fn begin_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        let owner = self.owner(Wrong::GuessesOfEach);
        self.act(|database| {
            let mut own = self.own();
            own.newest_ticket += 1;
            let ticket = own.newest_ticket;
            let (admission, raised) = database.counts.begin(owner, &guess, ticket, self.now());
            own.tickets.insert(ticket, raised);
            admission
        })
        .await
    }

    async fn fail_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        // It has been counted since it began.
        self.end(ticket);
        Ok(())
    }

    async fn return_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        let raised = self.end(ticket).unwrap_or_default();
        self.act(|database| database.counts.take_off(raised)).await
    }

    async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, StoreError> {
        let owner = self.owner(Wrong::GuessesOfEach);
        self.act(|database| database.counts.forgive(owner, cun, self.now()))
            .await
    }

    async fn open_session(&self, session: OpenSession) -> Result<OpenOutcome, StoreError> {
        let owner = self.owner(Wrong::SessionsOfEach);
        let key = (owner, SessionDigest::of(&session.session));
        self.act(|database| database.open(&session, key, self.moment()))
            .await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, StoreError> {
        let owner = self.owner(Wrong::SessionsOfEach);
        let key = (owner, SessionDigest::of(&session));
        self.act(|database| database.session(key, session)).await
    }

    async fn claim_unlock(&self, claim: ClaimUnlock) -> Result<ClaimOutcome, StoreError> {
        let owner = self.owner(Wrong::SessionsOfEach);
        let key = (owner, SessionDigest::of(&claim.session));
        self.act(|database| database.claim(&claim, key, self.moment()))
            .await
    }

    async fn settle_unlock(&self, settlement: SettleUnlock) -> Result<Settlement, StoreError> {
        self.act(|database| database.settle(settlement, self.moment()))
            .await
    }

    async fn confirm(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        let owner = self.owner(Wrong::SessionsOfEach);
        self.act(|database| database.conclude(&confirmation, owner, true, self.moment()))
            .await
    }

    async fn annul(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        let owner = self.owner(Wrong::SessionsOfEach);
        self.act(|database| database.conclude(&confirmation, owner, false, self.moment()))
            .await
    }

    async fn cancel(&self, cancellation: CancelTest) -> Result<CancelOutcome, StoreError> {
        let owner = self.owner(Wrong::ReceiptsOfEach);
        let repeatable = cancellation.repeatable.as_ref();
        let key = receipt_key(owner, &cancellation.caller, "cancellation", repeatable);
        self.act(|database| database.cancel(cancellation, key, self.moment()))
            .await
    }

    async fn count_asl_otp(&self, wish: CountAslOtp) -> Result<AslOtpAdmission, StoreError> {
        self.act(|database| database.counts.count_asl_otp(&wish, self.now()))
            .await
    }

    async fn claim_person(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        self.act(|database| database.claim_person(&fiscal_code, claim, self.moment()))
            .await
    }

    async fn settle_person(
        &self,
        person: PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, StoreError> {
        self.act(|database| database.settle_person(&person, claim, outcome, self.moment()))
            .await
    }

    async fn expire_due(&self, limit: usize, horizon: Horizon) -> Result<Expired, StoreError> {
        self.act(|database| database.expire(limit, horizon, CLOCK_ERROR_MILLIS))
            .await
    }

    async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        self.act(|database| database.noted).await
    }

    async fn note_time(&self, time: NotedTime) -> Result<(), StoreError> {
        self.act(|database| database.noted = Some(time)).await
    }

    async fn listing_mark(&self) -> Result<ListingMark, StoreError> {
        let error = if self.is(Wrong::MarkWithoutClockError) {
            0
        } else {
            CLOCK_ERROR_MILLIS
        };
        Ok(ListingMark {
            at: self.now().plus_millis(error),
            token: StoreToken::default(),
        })
    }

    async fn list_page(&self, request: ListingRequest) -> Result<ListingPage, StoreError> {
        let now = self.reading_time();
        let position = |test: &sistema_ts_store::ListedTest| {
            let number = if self.is(Wrong::BookmarkOfTimeAlone) {
                0
            } else {
                test.cun.number() as i64
            };
            (test.inserted_at, number)
        };
        let after = request
            .after
            .map(|after| (after.inserted_at, after.token.number()));
        let mut tests = self
            .act(|database| database.list(&request.scope, now))
            .await?;
        tests.retain(|test| {
            test.inserted_at >= request.from
                && test.inserted_at < request.to
                && test.inserted_at <= request.mark.at
        });
        if self.is(Wrong::OrderOfArrival) {
            let passed = tests.iter().position(|test| Some(position(test)) == after);
            tests.drain(..passed.map_or(0, |passed| passed + 1));
        } else {
            tests.retain(|test| after.is_none_or(|after| position(test) > after));
            tests.sort_by_key(|test| (test.inserted_at, test.cun));
        }
        let has_more = tests.len() > request.limit;
        tests.truncate(request.limit);
        let last = tests.last().filter(|_| has_more).map(position);
        let next = last.map(|(inserted_at, number)| ListingPosition {
            inserted_at,
            token: StoreToken::of_number(number),
        });
        Ok(ListingPage { tests, next })
    }

    async fn record_access(&self, record: AccessRecord) -> Result<(), StoreError> {
        self.act(|database| database.access.push(record)).await
    }

    async fn search_access(&self, query: AccessQuery) -> Result<AccessPage, StoreError> {
        let mut found = self.act(|database| found_by(database, &query)).await?;
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| has_more).map(|(at, _)| *at);
        let next = last.map(|(part, record)| AccessPosition {
            part: StoreToken::of_number(part),
            record: StoreToken::of_number(record),
        });
        let records = found.into_iter().map(|(_, record)| record).collect();
        Ok(AccessPage { records, next })
    }

    async fn readiness(&self) -> Readiness {
        Readiness::default()
    }
}
