//! The trait that every store implements.

use async_trait::async_trait;
use sistema_ts_model::{
    ClaimId, CodiceFiscale, Condition, ConditionReport, ConditionSeverity, Cun, FirstSymbol,
    NewClaim, PostOutcome, SessionId, Settlement,
};

use crate::access::{AccessPage, AccessQuery, AccessRecord};
use crate::error::{ClockFault, StoreError};
use crate::guess::{AslOtpAdmission, CountAslOtp, Forgiveness, Guess, GuessAdmission, GuessTicket};
use crate::listing::{ListingMark, ListingPage, ListingRequest};
use crate::submission::{
    Batch, NewTest, PatientView, RecordOutcome, ReservedCun, TestView, only_outcome,
};
use crate::transition::{
    CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation,
    OpenOutcome, OpenSession, PersonClaim, PersonOutcome, SessionView, SettleUnlock,
};
use crate::trusted_time::{Horizon, NotedTime};

/// The archives of tests, patients, sessions, receipts and access records.
///
/// What every implementation keeps, also when several servers share it:
///
/// 1. What was answered is durable and is then found by every reading path, from every server. A write without an answer is, once nothing is
///    under way for it any more, found by all reading paths or by none.
/// 2. No code is issued twice while it is known (13 months), by whichever server.
/// 3. One session at most holds a code's unlock; transitions race to exactly one winner.
/// 4. The same request key has the same answer.
/// 5. A listing holds everything that was answered before its mark was taken, once, in the order of `dataInserimento`, and its pages lose and
///    repeat nothing of that. Of what is answered afterwards any part may be in it.
///
/// Time is the store's own, from the clock that it was opened with. The times that one server gives ascend; those of two servers may differ by as
/// much as their clocks do, which is at most the permitted clock error.
///
/// [`StoreError::UnknownOutcome`] says that a write happened whole or not at all, and not which of the two. Repeating it is always allowed:
///
/// - a submission or a cancellation with a request key has one answer for both times; a submission without a key may become two tests;
/// - a transition that has happened is refused as one of the past, or is done already;
/// - a guess whose count is unknown is not checked: it may stay counted, and is never let through uncounted;
/// - nothing is posted for a claim whose outcome is unknown: if it was made, it ends as that of a holder who has died.
///
/// What is past its time is destroyed by [`Store::expire_due`] alone, by the horizon that its caller's trusted time gives. Every server that shares
/// the store sweeps, and none is chosen: calls at once from several share the work, and destroy nothing twice. The first server whose horizon has
/// passed an entry may destroy it: so a store that several servers share refuses the sweep of one whose clock differs from the others' by more than
/// the permitted error, and that server is not ready.
///
/// A day's key is dropped by each server from the ring that it holds, by its own horizon, with the last call of its own sweep. None waits for
/// another: servers agree on nothing about a key but its check value, which the first test of a day brings into the store, and by which a server with
/// another key of that day is told. So a day's key is destroyed everywhere when the last server that holds it has swept. A server that was away
/// drops it with its first sweep; until then it holds a key to data that the others' sweeps have erased.
///
/// No method blocks the thread it is called on, none queues without bound: when there is no room they answer [`StoreError::Overloaded`] at once
/// and have done nothing.
#[async_trait]
pub trait Store: Send + Sync {
    /// Draws up to `count` free codes that begin with `first`, for this process to issue. Codes that are taken are left out, so
    /// the answer may be shorter than `count`; it is in the order in which the codes were drawn.
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError>;

    /// Records tests under their reserved codes, each with its patient, its receipt and its access record (§2.4.1). Answers in the order of the
    /// tests, once all of them are settled. Each is recorded by itself: what is refused or fails takes no other with it. Two that repeat each
    /// other, in one call or in two at once, are one test.
    async fn record_tests(&self, tests: Batch<NewTest>)
    -> Batch<Result<RecordOutcome, StoreError>>;

    /// Records one test: a batch of one.
    async fn record_test(&self, test: NewTest) -> Result<RecordOutcome, StoreError> {
        only_outcome(self.record_tests(Batch::from([test])).await)
    }

    /// The test with this code, if it is kept and not expired.
    async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, StoreError>;

    /// The test whose code has this SHA-256 (of `CUN-` and ten symbols), if it is kept and not expired.
    async fn find_by_digest(&self, digest: [u8; 32]) -> Result<Option<TestView>, StoreError>;

    /// The test with this code and its person's fiscal code, if it is positive and the fiscal code is not erased. Whether it is, the work does
    /// not tell: a code that is unknown, negative or erased costs the same steps.
    async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, StoreError>;

    /// Counts a guess before anything is checked (§3.3.1): against its operator, its code, its caller, and its operator and code together. Each
    /// of the counts is guarded by itself, so that no number of guesses at once gets past its budget. Where one of them refuses, a store may leave
    /// others raised until their windows end: never is less counted than was let through.
    /// From its beginning the guess counts against all others, at whichever server that shares the store they are made: what is under way at one
    /// counts at the others. It need not outlive its server before [`Store::fail_guess`]: what was never answered has told nobody anything. So a
    /// store that one process opens may count it in that process's memory; one that several processes share counts it where all of them look.
    async fn begin_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError>;

    /// Keeps a guess that failed counted, durably and at every server, before its failure is told. A store whose [`Store::begin_guess`] is durable has nothing to do.
    async fn fail_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError>;

    /// Takes a guess that succeeded, or that could not be checked, off the counts again.
    async fn return_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError>;

    /// Forgives the failures that count against a code, at most [`FORGIVENESSES`](crate::FORGIVENESSES) times in its life; those that count
    /// against operators and callers stay.
    async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, StoreError>;

    /// The first half of a verification: [`Store::begin_guess`], and if operator and caller may guess, [`Store::find_patient`] of its code. A
    /// store may do both in one step.
    async fn begin_verification(
        &self,
        guess: Guess,
    ) -> Result<(GuessAdmission, Option<PatientView>), StoreError> {
        let cun = guess.cun;
        let admission = self.begin_guess(guess).await?;
        let patient = if admission.is_counted() {
            self.find_patient(cun).await?
        } else {
            None
        };
        Ok((admission, patient))
    }

    /// The second half of one whose checks succeeded: [`Store::open_session`], and [`Store::return_guess`] if it is open, [`Store::fail_guess`] if
    /// not. A store may do both in one step.
    async fn finish_verification(
        &self,
        session: OpenSession,
        ticket: &GuessTicket,
    ) -> Result<OpenOutcome, StoreError> {
        let outcome = self.open_session(session).await?;
        match outcome {
            OpenOutcome::Opened(_) => self.return_guess(ticket).await?,
            OpenOutcome::Refused(_) | OpenOutcome::Unknown => self.fail_guess(ticket).await?,
        }
        Ok(outcome)
    }

    /// Opens a session on a verified code (§3.3.1).
    async fn open_session(&self, session: OpenSession) -> Result<OpenOutcome, StoreError>;

    /// The binding of a session, unless it was closed or has lapsed long ago.
    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, StoreError>;

    /// Claims the session's code for one post (§3.3.2).
    async fn claim_unlock(&self, claim: ClaimUnlock) -> Result<ClaimOutcome, StoreError>;

    /// Writes what came of a post, if the claim still holds the code.
    async fn settle_unlock(&self, settlement: SettleUnlock) -> Result<Settlement, StoreError>;

    /// `C`: the upload happened. Consumes the code and erases fiscal code, contact and sessions before it answers (§3.3.3).
    async fn confirm(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError>;

    /// `A`: the unlock is annulled, and the code may be verified again (§3.3.3).
    async fn annul(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError>;

    /// Cancels a test and erases fiscal code and contact before it answers (§2.4.2).
    async fn cancel(&self, cancellation: CancelTest) -> Result<CancelOutcome, StoreError>;

    /// Counts a code that an ASL's operator is about to send (§5.1), by a guarded write, before anything is looked at.
    async fn count_asl_otp(&self, wish: CountAslOtp) -> Result<AslOtpAdmission, StoreError>;

    /// Claims every live positive code of a person for an ASL's post (§5.1). Writes nothing if there is none.
    async fn claim_person(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError>;

    /// Writes what came of an ASL's post on each code that its claim still holds, erasing before it answers where that is what it
    /// means. Answers how many codes were consumed.
    async fn settle_person(
        &self,
        person: PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, StoreError>;

    /// Erases what is past its time by the horizon, at most about `limit` tests in one call, and answers whether more is due; with the last call
    /// of a sweep go the days' keys that no code needs any more. Nothing else destroys anything because of its age, and nothing here looks at the
    /// store's own clock. A store whose data end by themselves has less to do here, and may answer that it erased none.
    async fn expire_due(&self, limit: usize, horizon: Horizon) -> Result<Expired, StoreError>;

    /// The trusted time as this server has noted it last: each server that shares a store notes its own, and none begins where another's clock was.
    /// A store that has noted none answers with the newest time that it knows, none if it is new: that of its newest test, or else of the making
    /// of what it needs.
    async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError>;

    /// Notes the trusted time, durably.
    async fn note_time(&self, time: NotedTime) -> Result<(), StoreError>;

    /// Why no service can work rightly now, because the clock is behind what the store holds, if so. Cheap: asked for every request.
    fn clock_fault(&self) -> Option<ClockFault> {
        None
    }

    /// Removes what erasures may have left of lookup tags in the bytes of data that are not written any more, if this store can leave such;
    /// answers how many pieces (files) that took. Wanted often and cheap when nothing is due: each piece at most once a day.
    async fn rewrite_erased(&self) -> Result<usize, StoreError> {
        Ok(0)
    }

    /// Fixes the mark of a listing that begins now.
    async fn listing_mark(&self) -> Result<ListingMark, StoreError>;

    /// Reads one page of a listing.
    async fn list_page(&self, request: ListingRequest) -> Result<ListingPage, StoreError>;

    /// Adds a record to the archive of access records.
    async fn record_access(&self, record: AccessRecord) -> Result<(), StoreError>;

    /// Searches the archive of access records.
    async fn search_access(&self, query: AccessQuery) -> Result<AccessPage, StoreError>;

    /// Whether the store can serve, and what there is to tell of it.
    async fn readiness(&self) -> Readiness;

    /// Ends the store in order: what it has accepted is done, and everything is left as a start likes to find it. Whoever asks it anything
    /// afterwards is refused. A second call does nothing.
    ///
    /// # Errors
    ///
    /// Why it could not be ended in order. What was answered is durable all the same.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Why the store will not serve any more until it is opened anew, if so. Cheap.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// What [`Store::expire_due`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Tests that were erased.
    pub tests: usize,
    /// Whether more is due: call again.
    pub more: bool,
}

/// How a store is: the conditions that hold of it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// In any order; none names a person.
    pub conditions: Vec<ConditionReport>,
}

impl Readiness {
    /// Notes a condition of the store as a whole.
    pub fn add(&mut self, condition: Condition, text: impl Into<String>) {
        self.conditions.push(ConditionReport::new(condition, text));
    }

    /// Whether the store can serve, whatever else is to be told of it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let stops = |report: &ConditionReport| {
            report.condition.severity() == ConditionSeverity::StopsEveryService
        };
        !self.conditions.iter().any(stops)
    }
}
