//! The whole server with a store that keeps nothing and answers at once: a scenario of submissions without a sweep, run against it, measures what
//! the front, the checks and the messages cost by themselves. Never a server for anything else: what it answers is recorded nowhere.
//!
//! `constant_server CONFIGURATION`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts::config::Configuration;
use sistema_ts_model::{
    ClaimId, Clock, CodiceFiscale, Cun, FirstSymbol, NewClaim, PostOutcome, SessionId, Settlement,
};
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{
    AccessPage, AccessQuery, AccessRecord, AslOtpAdmission, Batch, CancelOutcome, CancelTest,
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, CountAslOtp, Expired, Forgiveness,
    Guess, GuessAdmission, GuessTicket, ListingMark, ListingPage, ListingRequest, NewTest,
    OpenOutcome, OpenSession, PatientView, PersonClaim, PersonOutcome, Readiness, RecordOutcome,
    ReservedCun, SessionView, SettleUnlock, Store, StoreError, StoreToken, TestView,
};

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("constant_server: which configuration?");
        return ExitCode::from(2);
    };
    let served = Configuration::load(Some(Path::new(&file)))
        .map_err(|error| error.to_string())
        .and_then(|configuration| {
            sistema_ts::serve::serve_on(&configuration, |_, _, clock| {
                let store: Arc<dyn Store> = Arc::new(ConstantStore { clock });
                Ok(store)
            })
            .map_err(|error| error.to_string())
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("constant_server: {error}");
            ExitCode::from(2)
        }
    }
}

/// Keeps nothing.
struct ConstantStore {
    clock: Arc<dyn Clock>,
}

/// What is not part of a submission is not here.
fn absent<T>() -> Result<T, StoreError> {
    Err(StoreError::Invalid {
        what: "the constant store only takes submissions",
    })
}

#[async_trait]
impl Store for ConstantStore {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        let mut rng = rand::rng();
        Ok((0..count)
            .map(|_| ReservedCun {
                cun: Cun::random_with_first(first, &mut rng),
                proof: StoreToken::default(),
            })
            .collect())
    }

    async fn record_tests(
        &self,
        tests: Batch<NewTest>,
    ) -> Batch<Result<RecordOutcome, StoreError>> {
        let recorded = |test: &NewTest| RecordOutcome::Recorded {
            cun: test.reserved.cun,
            inserted_at: self.clock.now(),
        };
        tests.iter().map(|test| Ok(recorded(test))).collect()
    }

    async fn expire_due(&self, _: usize, _: Horizon) -> Result<Expired, StoreError> {
        Ok(Expired::default())
    }

    async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        Ok(None)
    }

    async fn note_time(&self, _: NotedTime) -> Result<(), StoreError> {
        Ok(())
    }

    async fn record_access(&self, _: AccessRecord) -> Result<(), StoreError> {
        Ok(())
    }

    async fn readiness(&self) -> Readiness {
        Readiness::default()
    }

    async fn find_test(&self, _: Cun) -> Result<Option<TestView>, StoreError> {
        absent()
    }

    async fn find_by_digest(&self, _: [u8; 32]) -> Result<Option<TestView>, StoreError> {
        absent()
    }

    async fn find_patient(&self, _: Cun) -> Result<Option<PatientView>, StoreError> {
        absent()
    }

    async fn begin_guess(&self, _: Guess) -> Result<GuessAdmission, StoreError> {
        absent()
    }

    async fn fail_guess(&self, _: &GuessTicket) -> Result<(), StoreError> {
        absent()
    }

    async fn return_guess(&self, _: &GuessTicket) -> Result<(), StoreError> {
        absent()
    }

    async fn forgive_code(&self, _: Cun) -> Result<Forgiveness, StoreError> {
        absent()
    }

    async fn open_session(&self, _: OpenSession) -> Result<OpenOutcome, StoreError> {
        absent()
    }

    async fn find_session(&self, _: SessionId) -> Result<Option<SessionView>, StoreError> {
        absent()
    }

    async fn claim_unlock(&self, _: ClaimUnlock) -> Result<ClaimOutcome, StoreError> {
        absent()
    }

    async fn settle_unlock(&self, _: SettleUnlock) -> Result<Settlement, StoreError> {
        absent()
    }

    async fn confirm(&self, _: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        absent()
    }

    async fn annul(&self, _: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        absent()
    }

    async fn cancel(&self, _: CancelTest) -> Result<CancelOutcome, StoreError> {
        absent()
    }

    async fn count_asl_otp(&self, _: CountAslOtp) -> Result<AslOtpAdmission, StoreError> {
        absent()
    }

    async fn claim_person(
        &self,
        _: CodiceFiscale,
        _: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        absent()
    }

    async fn settle_person(
        &self,
        _: PersonClaim,
        _: ClaimId,
        _: PostOutcome,
    ) -> Result<usize, StoreError> {
        absent()
    }

    async fn listing_mark(&self) -> Result<ListingMark, StoreError> {
        absent()
    }

    async fn list_page(&self, _: ListingRequest) -> Result<ListingPage, StoreError> {
        absent()
    }

    async fn search_access(&self, _: AccessQuery) -> Result<AccessPage, StoreError> {
        absent()
    }
}
