//! A store that fails on demand, over any other: for tests of what its callers make of an error. Not part of a server: behind the feature
//! `conformance`.
//!
//! ```text
//! let failing = FailingStore::over(store);
//! failing.next(Operation::Cancel, Fault::LostAnswer);      // the next cancellation is done, and its caller does not hear of it
//! failing.always(Operation::FindTest, Fault::Unavailable); // until `mend`
//! let held = failing.hold(Operation::Confirm, Point::BeforeEffect);
//! held.arrived().await;                                    // the call is there, and nothing was done yet
//! held.release();
//! ```
//!
//! Every call of the other store goes through this one, so it also counts them. What answers without a `Result` ([`Store::readiness`],
//! [`Store::clock_fault`], [`Store::failure`]) is answered by the other store.

use std::collections::VecDeque;
use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sistema_ts_model::{
    ClaimId, CodiceFiscale, Cun, FirstSymbol, NewClaim, PostOutcome, SessionId, Settlement,
};
use tokio::sync::Semaphore;

use crate::trusted_time::{Horizon, NotedTime};
use crate::{
    AccessPage, AccessQuery, AccessRecord, AslOtpAdmission, Batch, CancelOutcome, CancelTest,
    ClaimOutcome, ClaimUnlock, ClockFault, ConcludeOutcome, Confirmation, CountAslOtp, Expired,
    Forgiveness, Guess, GuessAdmission, GuessTicket, ListingMark, ListingPage, ListingRequest,
    NewTest, OpenOutcome, OpenSession, PatientView, PersonClaim, PersonOutcome, Readiness,
    RecordOutcome, ReservedCun, SessionView, SettleUnlock, Store, StoreError, TestView,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::Overloaded`], before any effect.
    Overloaded,
    /// [`StoreError::Unavailable`], before any effect.
    Unavailable,
    /// [`StoreError::Corrupt`], before any effect.
    Corrupt,
    /// The request is lost on its way: nothing is done, and the outcome is unknown.
    LostRequest,
    /// The answer is lost on its way: all is done, and the outcome is unknown.
    LostAnswer,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 5] = [
        Fault::Overloaded,
        Fault::Unavailable,
        Fault::Corrupt,
        Fault::LostRequest,
        Fault::LostAnswer,
    ];

    /// Whether the call has its effect all the same.
    #[must_use]
    pub fn has_effect(self) -> bool {
        self == Fault::LostAnswer
    }

    /// What the caller is told.
    #[must_use]
    pub fn error(self) -> StoreError {
        let reason = || "a test".to_owned();
        match self {
            Fault::Overloaded => StoreError::Overloaded { what: "a test" },
            Fault::Unavailable => StoreError::Unavailable { reason: reason() },
            Fault::Corrupt => StoreError::Corrupt { what: reason() },
            Fault::LostRequest | Fault::LostAnswer => {
                StoreError::UnknownOutcome { reason: reason() }
            }
        }
    }
}

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing was done yet.
    BeforeEffect,
    /// All is done, and the caller does not know it yet.
    AfterEffect,
}

/// What was arranged for the coming calls of one operation.
#[derive(Default)]
struct Arranged {
    calls: u64,
    /// Calls that pass before the first of `next` counts.
    passing: u64,
    next: VecDeque<Fault>,
    always: Option<Fault>,
    held: VecDeque<(Point, Arc<Gate>)>,
}

/// Two semaphores without a permit: each is given one, once.
struct Gate {
    arrived: Semaphore,
    released: Semaphore,
}

impl Gate {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        // No semaphore of a gate is ever closed.
        let _ = self.released.acquire().await;
    }
}

/// A call that will be, or is, held back. It goes on when this is released or dropped.
pub struct Held(Arc<Gate>);

impl Held {
    /// Waits until the call has come to where it is held.
    pub async fn arrived(&self) {
        // No semaphore of a gate is ever closed.
        let _ = self.0.arrived.acquire().await;
    }

    /// Lets it go on.
    pub fn release(self) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.released.add_permits(1);
    }
}

/// The decorator. Clones share what was arranged.
#[derive(Clone)]
pub struct FailingStore {
    store: Arc<dyn Store>,
    arranged: Arc<[Mutex<Arranged>]>,
}

impl FailingStore {
    /// One that fails nothing yet.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        let arranged = Operation::ALL.iter().map(|_| Mutex::default());
        Self {
            store,
            arranged: arranged.collect(),
        }
    }

    /// The next call of the operation fails so; after those for which this was said before.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.arranged(operation).next.push_back(fault);
    }

    /// The call after the next `passing` ones fails so.
    pub fn after(&self, passing: u64, operation: Operation, fault: Fault) {
        let mut arranged = self.arranged(operation);
        arranged.passing = passing;
        arranged.next.push_back(fault);
    }

    /// Every call of the operation fails so, until [`FailingStore::mend`].
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.arranged(operation).always = Some(fault);
    }

    /// From now on no call of the operation fails.
    pub fn mend(&self, operation: Operation) {
        let mut arranged = self.arranged(operation);
        arranged.passing = 0;
        arranged.always = None;
        arranged.next.clear();
    }

    /// The next call of the operation waits until it is released.
    #[must_use]
    pub fn hold(&self, operation: Operation, point: Point) -> Held {
        let gate = Arc::new(Gate {
            arrived: Semaphore::new(0),
            released: Semaphore::new(0),
        });
        let held = (point, Arc::clone(&gate));
        self.arranged(operation).held.push_back(held);
        Held(gate)
    }

    /// How often the operation was called, however it ended.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.arranged(operation).calls
    }

    fn arranged(&self, operation: Operation) -> MutexGuard<'_, Arranged> {
        let arranged = &self.arranged[operation as usize];
        // Every change is one assignment: a panic between two of them leaves nothing half done.
        arranged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call of the other store as was arranged.
    async fn arrange<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let (fault, held) = {
            let mut arranged = self.arranged(operation);
            arranged.calls += 1;
            let fault = match arranged.passing {
                0 => arranged.next.pop_front().or(arranged.always),
                _ => {
                    arranged.passing -= 1;
                    arranged.always
                }
            };
            (fault, arranged.held.pop_front())
        };
        if let Some((Point::BeforeEffect, gate)) = &held {
            gate.pass().await;
        }
        let answer = match fault {
            Some(fault) if !fault.has_effect() => Err(fault.error()),
            Some(fault) => match call.await {
                Ok(_) => Err(fault.error()),
                Err(error) => Err(error),
            },
            None => call.await,
        };
        if let Some((Point::AfterEffect, gate)) = &held {
            gate.pass().await;
        }
        answer
    }
}

/// Each operation as its name here, its method, what it takes, and what it answers.
macro_rules! operations {
    ($($operation:ident: $method:ident($($argument:ident: $given:ty),*) -> $answer:ty;)+) => {
        /// A method of [`Store`] that answers a `Result`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = concat!("[`Store::", stringify!($method), "`].")] $operation),+
        }

        impl Operation {
            /// Every operation, in the order of the trait.
            pub const ALL: &'static [Operation] = &[$(Operation::$operation),+];

            /// The name of its method.
            #[must_use]
            pub fn method(self) -> &'static str {
                match self { $(Operation::$operation => stringify!($method)),+ }
            }
        }

        #[async_trait]
        impl Store for FailingStore {
            $(async fn $method(&self, $($argument: $given),*) -> Result<$answer, StoreError> {
                let call = self.store.$method($($argument),*);
                self.arrange(Operation::$operation, call).await
            })+

            /// Each test of a batch is a call of its own.
            async fn record_tests(
                &self,
                tests: Batch<NewTest>,
            ) -> Batch<Result<RecordOutcome, StoreError>> {
                let mut outcomes = Batch::new();
                for test in tests {
                    outcomes.push(self.record_test(test).await);
                }
                outcomes
            }

            fn clock_fault(&self) -> Option<ClockFault> {
                self.store.clock_fault()
            }

            async fn readiness(&self) -> Readiness {
                self.store.readiness().await
            }

            fn failure(&self) -> Option<String> {
                self.store.failure()
            }
        }
    };
}

operations! {
    Reserve: reserve(first: FirstSymbol, count: usize) -> Vec<ReservedCun>;
    RecordTest: record_test(test: NewTest) -> RecordOutcome;
    FindTest: find_test(cun: Cun) -> Option<TestView>;
    FindByDigest: find_by_digest(digest: [u8; 32]) -> Option<TestView>;
    FindPatient: find_patient(cun: Cun) -> Option<PatientView>;
    BeginGuess: begin_guess(guess: Guess) -> GuessAdmission;
    FailGuess: fail_guess(ticket: &GuessTicket) -> ();
    ReturnGuess: return_guess(ticket: &GuessTicket) -> ();
    ForgiveCode: forgive_code(cun: Cun) -> Forgiveness;
    BeginVerification: begin_verification(guess: Guess) -> (GuessAdmission, Option<PatientView>);
    FinishVerification: finish_verification(session: OpenSession, ticket: &GuessTicket) -> OpenOutcome;
    OpenSession: open_session(session: OpenSession) -> OpenOutcome;
    FindSession: find_session(session: SessionId) -> Option<SessionView>;
    ClaimUnlock: claim_unlock(claim: ClaimUnlock) -> ClaimOutcome;
    SettleUnlock: settle_unlock(settlement: SettleUnlock) -> Settlement;
    Confirm: confirm(confirmation: Confirmation) -> ConcludeOutcome;
    Annul: annul(confirmation: Confirmation) -> ConcludeOutcome;
    Cancel: cancel(cancellation: CancelTest) -> CancelOutcome;
    CountAslOtp: count_asl_otp(wish: CountAslOtp) -> AslOtpAdmission;
    ClaimPerson: claim_person(fiscal_code: CodiceFiscale, claim: NewClaim) -> PersonOutcome;
    SettlePerson: settle_person(person: PersonClaim, claim: ClaimId, outcome: PostOutcome) -> usize;
    ExpireDue: expire_due(limit: usize, horizon: Horizon) -> Expired;
    NotedTime: noted_time() -> Option<NotedTime>;
    NoteTime: note_time(time: NotedTime) -> ();
    RewriteErased: rewrite_erased() -> usize;
    ListingMark: listing_mark() -> ListingMark;
    ListPage: list_page(request: ListingRequest) -> ListingPage;
    RecordAccess: record_access(record: AccessRecord) -> ();
    SearchAccess: search_access(query: AccessQuery) -> AccessPage;
    Close: close() -> ();
}

/// A text names no operation, or no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such operation or fault")]
pub struct UnknownName;

impl FromStr for Operation {
    type Err = UnknownName;

    /// Reads the name of a method.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let mut all = Self::ALL.iter().copied();
        all.find(|operation| operation.method() == text)
            .ok_or(UnknownName)
    }
}

impl FromStr for Fault {
    type Err = UnknownName;

    /// Reads the name of a fault as its `Debug` writes it.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let mut all = Self::ALL.into_iter();
        all.find(|fault| format!("{fault:?}") == text)
            .ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that an error path which a test believes to show is not the one that a caller goes.
    use super::*;

    #[test]
    fn every_method_of_the_trait_can_fail() {
        let methods = include_str!("store.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("    async fn "))
            .filter_map(|rest| rest.split('(').next())
            // A batch fails by its tests.
            .filter(|name| !matches!(*name, "readiness" | "record_tests"));
        for method in methods {
            assert!(method.parse::<Operation>().is_ok(), "{method}");
        }
        for fault in Fault::ALL {
            assert_eq!(format!("{fault:?}").parse(), Ok(fault));
        }
    }
}
