//! Sessions and unlocks (§3.3), applied by the writer ahead of submissions.

use sistema_ts_model::{
    ClaimRefusal, ConcludeRefusal, Effect, GivenSession, Life, Moment, Origin, Presenter, Session,
    SessionDigest, SessionId, Settlement, Step,
};
use sistema_ts_store::{
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, GuessTicket, OpenOutcome,
    OpenSession, SessionView, SettleUnlock, StoreError,
};

use super::failure::Failure;
use super::guarded::{StoredSession, region_of};
use super::queue::Lane;
use super::store::EmbeddedStore;
use super::writer::Writer;

/// [`Life::confirm`] or [`Life::annul`].
type Conclusion = fn(
    &Life,
    &Origin,
    Option<GivenSession<'_>>,
    Presenter<'_>,
    Moment,
) -> Step<Result<Effect, ConcludeRefusal>>;

impl EmbeddedStore {
    pub(super) async fn open_session(
        &self,
        request: OpenSession,
    ) -> Result<OpenOutcome, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.open_session(&request))
            .await
    }

    /// Opens a session and ends its guess, in one transaction: it has failed if the session is not open.
    pub(super) async fn finish_verification(
        &self,
        request: OpenSession,
        ticket: &GuessTicket,
    ) -> Result<OpenOutcome, StoreError> {
        let guess = self.shared.guesses.end(ticket);
        self.write(Lane::Urgent, move |writer| {
            let outcome = writer.open_session(&request)?;
            match (&outcome, guess) {
                (OpenOutcome::Refused(_) | OpenOutcome::Unknown, Some(guess)) => {
                    writer.keep_guess(guess)?;
                }
                // Taken off, or ended before.
                (OpenOutcome::Opened(_), Some(_)) | (_, None) => {}
            }
            Ok(outcome)
        })
        .await
    }

    pub(super) async fn find_session(
        &self,
        id: SessionId,
    ) -> Result<Option<SessionView>, StoreError> {
        let shared = self.shared.clone();
        self.lookups
            .read(move |connection| {
                let stored = StoredSession::read(connection, &shared.keys, SessionDigest::of(&id))?;
                Ok(stored.map(|stored| stored.into_view(id)))
            })
            .await
    }

    pub(super) async fn claim_unlock(
        &self,
        request: ClaimUnlock,
    ) -> Result<ClaimOutcome, StoreError> {
        self.write(Lane::Urgent, move |writer| writer.claim(&request))
            .await
    }

    pub(super) async fn settle_unlock(
        &self,
        request: SettleUnlock,
    ) -> Result<Settlement, StoreError> {
        self.write(Lane::Urgent, move |writer| {
            let Some(row) = writer.test(request.cun)? else {
                return Ok(Settlement::Stale);
            };
            let step = row.life.settle(
                &row.origin(),
                request.claim,
                request.outcome,
                writer.moment(),
            );
            writer.obey(&row, step)
        })
        .await
    }

    pub(super) async fn confirm(
        &self,
        request: Confirmation,
    ) -> Result<ConcludeOutcome, StoreError> {
        self.conclude(request, Life::confirm).await
    }

    pub(super) async fn annul(&self, request: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        self.conclude(request, Life::annul).await
    }

    async fn conclude(
        &self,
        request: Confirmation,
        decide: Conclusion,
    ) -> Result<ConcludeOutcome, StoreError> {
        self.write(Lane::Urgent, move |writer| {
            let Some(row) = writer.test(request.cun)? else {
                return Ok(ConcludeOutcome::Unknown);
            };
            let step = writer.with_given_session(&request, |given, presenter| {
                decide(&row.life, &row.origin(), given, presenter, writer.moment())
            })?;
            Ok(match writer.obey(&row, step)? {
                Ok(effect) => ConcludeOutcome::Done(effect),
                Err(refusal) => ConcludeOutcome::Refused(refusal),
            })
        })
        .await
    }
}

impl Writer<'_> {
    fn open_session(&mut self, request: &OpenSession) -> Result<OpenOutcome, Failure> {
        let Some(row) = self.test(request.cun)? else {
            return Ok(OpenOutcome::Unknown);
        };
        let step = row.life.open_session(&row.origin(), self.moment());
        if let Err(refusal) = self.obey(&row, step)? {
            return Ok(OpenOutcome::Refused(refusal));
        }
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let session = Session::open(
            &request.session,
            presenter,
            &row.origin(),
            self.now,
            request.lifetime_millis,
        );
        self.add_session(&row, &session)?;
        let stored = StoredSession {
            session,
            region: region_of(&row)?,
            swab_day: row.swab_day,
            row,
        };
        Ok(OpenOutcome::Opened(stored.into_view(request.session)))
    }

    fn claim(&mut self, request: &ClaimUnlock) -> Result<ClaimOutcome, Failure> {
        let Some(stored) = self.session(SessionDigest::of(&request.session))? else {
            return Ok(ClaimOutcome::NoSuchSession);
        };
        let StoredSession { session, row, .. } = stored;
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let step = row.life.claim(
            &row.origin(),
            &session,
            presenter,
            request.claim,
            self.moment(),
        );
        Ok(match self.obey(&row, step)? {
            Ok(claimed) => ClaimOutcome::Claimed {
                cun: row.cun,
                claimed,
            },
            Err(ClaimRefusal::SessionNotYours) => ClaimOutcome::NoSuchSession,
            Err(refusal) => ClaimOutcome::Refused(refusal),
        })
    }

    /// Calls `transition` with the session that a confirmation or an annulment names, if it names one.
    fn with_given_session<T>(
        &self,
        request: &Confirmation,
        transition: impl FnOnce(Option<GivenSession<'_>>, Presenter<'_>) -> T,
    ) -> Result<T, Failure> {
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let Some(id) = &request.session else {
            return Ok(transition(None, presenter));
        };
        let digest = SessionDigest::of(id);
        let entry = self.session(digest)?.map(|stored| stored.session);
        Ok(transition(
            Some(GivenSession {
                digest,
                entry: entry.as_ref(),
            }),
            presenter,
        ))
    }
}

impl StoredSession {
    fn into_view(self, id: SessionId) -> SessionView {
        SessionView {
            session: id,
            cun: self.row.cun,
            operator: self.session.operator,
            caller: self.session.caller,
            region: self.region,
            swab_date: self.swab_day.date(),
            opened_at: self.session.opened_at,
            lapses_at: self.session.lapses_at,
        }
    }
}
