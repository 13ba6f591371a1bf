//! The store's contract, fulfilled: each method is where its name says.

use async_trait::async_trait;
use sistema_ts_model::{
    ClaimId, CodiceFiscale, Condition, Cun, FirstSymbol, NewClaim, PostOutcome, SessionId,
    Settlement,
};
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{
    AccessPage, AccessQuery, AccessRecord, AslOtpAdmission, Batch, CancelOutcome, CancelTest,
    ClaimOutcome, ClaimUnlock, ClockFault, ConcludeOutcome, Confirmation, CountAslOtp, Expired,
    Forgiveness, Guess, GuessAdmission, GuessTicket, ListingMark, ListingPage, ListingRequest,
    NewTest, OpenOutcome, OpenSession, PatientView, PersonClaim, PersonOutcome, Readiness,
    RecordOutcome, ReservedCun, SessionView, SettleUnlock, Store, StoreError, TestView,
};

use super::access::{self, AccessJob};
use super::queue::Lane;
use super::schema;
use super::store::EmbeddedStore;

#[async_trait]
impl Store for EmbeddedStore {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        self.reserve(first, count).await
    }

    async fn record_tests(
        &self,
        tests: Batch<NewTest>,
    ) -> Batch<Result<RecordOutcome, StoreError>> {
        self.record_tests(tests).await
    }

    async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, StoreError> {
        self.find_test(cun).await
    }

    async fn find_by_digest(&self, digest: [u8; 32]) -> Result<Option<TestView>, StoreError> {
        self.find_by_digest(digest).await
    }

    async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        self.find_patient(cun).await
    }

    async fn begin_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        self.begin_guess(guess).await
    }

    async fn fail_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        self.fail_guess(ticket).await
    }

    async fn return_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        self.return_guess(ticket);
        Ok(())
    }

    async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, StoreError> {
        self.forgive_code(cun).await
    }

    async fn begin_verification(
        &self,
        guess: Guess,
    ) -> Result<(GuessAdmission, Option<PatientView>), StoreError> {
        self.begin_verification(guess).await
    }

    async fn finish_verification(
        &self,
        session: OpenSession,
        ticket: &GuessTicket,
    ) -> Result<OpenOutcome, StoreError> {
        self.finish_verification(session, ticket).await
    }

    async fn open_session(&self, session: OpenSession) -> Result<OpenOutcome, StoreError> {
        self.open_session(session).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, StoreError> {
        self.find_session(session).await
    }

    async fn claim_unlock(&self, claim: ClaimUnlock) -> Result<ClaimOutcome, StoreError> {
        self.claim_unlock(claim).await
    }

    async fn settle_unlock(&self, settlement: SettleUnlock) -> Result<Settlement, StoreError> {
        self.settle_unlock(settlement).await
    }

    async fn confirm(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        self.confirm(confirmation).await
    }

    async fn annul(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        self.annul(confirmation).await
    }

    async fn cancel(&self, cancellation: CancelTest) -> Result<CancelOutcome, StoreError> {
        self.cancel(cancellation).await
    }

    async fn count_asl_otp(&self, wish: CountAslOtp) -> Result<AslOtpAdmission, StoreError> {
        self.count_asl_otp(wish).await
    }

    async fn claim_person(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        self.claim_person(fiscal_code, claim).await
    }

    async fn settle_person(
        &self,
        person: PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, StoreError> {
        self.settle_person(person, claim, outcome).await
    }

    async fn expire_due(&self, limit: usize, horizon: Horizon) -> Result<Expired, StoreError> {
        self.expire_due(limit, horizon).await
    }

    async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        self.noted_time().await
    }

    async fn note_time(&self, time: NotedTime) -> Result<(), StoreError> {
        self.note_time(time).await
    }

    fn clock_fault(&self) -> Option<ClockFault> {
        self.shared.clock_fault()
    }

    async fn rewrite_erased(&self) -> Result<usize, StoreError> {
        self.rewrite_erased().await
    }

    async fn listing_mark(&self) -> Result<ListingMark, StoreError> {
        Ok(self.mark_now())
    }

    async fn list_page(&self, request: ListingRequest) -> Result<ListingPage, StoreError> {
        self.list_page(request).await
    }

    async fn record_access(&self, record: AccessRecord) -> Result<(), StoreError> {
        self.ask_keeper(|reply| AccessJob::Record(Box::new(record), reply))
            .await
    }

    async fn search_access(&self, query: AccessQuery) -> Result<AccessPage, StoreError> {
        self.ask_keeper(AccessJob::CopyAll).await?;
        let files = self.files.clone();
        self.listings
            .read(move |_| access::search(&files, &query, i64::MAX))
            .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.close().await
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure().map(str::to_owned)
    }

    async fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::default();
        if let Some(failure) = self.shared.failure() {
            readiness.add(Condition::StoreFailed, failure);
        }
        let now = self.shared.now();
        if let Err(error) = self.shared.keys.day(now.rome_day()) {
            readiness.add(Condition::KeysMissing, error.to_string());
        }
        self.shared.look_at_ring();
        if let Err(error) = self.shared.check_ring() {
            readiness.add(Condition::KeysMissing, error.to_string());
        }
        if let Some(fault) = self.shared.clock_fault() {
            readiness.add(Condition::ClockBehind, fault.to_string());
        }
        // That the writer answers is part of it, and that the disk takes what it writes: a transaction without a change would not tell.
        if readiness.is_ready() {
            let probe = self.write(Lane::Urgent, |writer| {
                schema::write_number(writer.tests, "probed_ms", writer.now.millis())?;
                writer.patients.probe(writer.day, writer.now)
            });
            if let Err(error) = probe.await {
                readiness.add(Condition::StoreNotWriting, error.to_string());
            }
        }
        readiness
    }
}
