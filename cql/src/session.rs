//! Sessions and unlocks (§3.3).
//!
//! A session is a plain row, written with its code's time as its timestamp, so that the erasure's is above it by whichever server's clock. A session that
//! is opened while the code is confirmed does not outlive that: the erasure finds the pointer to it, or its opener, who looks at the life once more when the pointer is
//! acknowledged, finds the code's end.

use scylla::{DeserializeRow, SerializeRow};
use sistema_ts_model::{
    ClaimRefusal, ConcludeRefusal, Cun, Effect, GivenSession, Life, Moment, Origin, Presenter,
    Session, SessionDigest, SessionId, Settlement, Step, Timestamp,
};
use sistema_ts_store::keys::Purpose;
use sistema_ts_store::{
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, OpenOutcome, OpenSession,
    SessionView, SettleUnlock, stored,
};

use crate::core::Core;
use crate::failure::Failure;
use crate::lookup::StoredLife;
use crate::place::Place;
use crate::statement::Statement;
use crate::test_row::{TestRow, date_of, decode_caller};

/// A session's row is kept so much longer than it lasts, in seconds: within it a late request is told that the session has lapsed.
const AFTER_LAPSE_SECONDS: i64 = 24 * 60 * 60;

/// [`Life::confirm`] or [`Life::annul`].
pub(crate) type Conclusion = fn(
    &Life,
    &Origin,
    Option<GivenSession<'_>>,
    Presenter<'_>,
    Moment,
) -> Step<Result<Effect, ConcludeRefusal>>;

/// A session, and where the test is that it is about.
pub(crate) struct StoredSession {
    session: Session,
    place: Place,
    swab_day: i32,
}

#[derive(DeserializeRow)]
struct SessionColumns {
    code: i64,
    region: i16,
    part: i8,
    time: i64,
    swab_day: i32,
    operator: Vec<u8>,
    caller: String,
    opened_at: i64,
    lapses_at: i64,
}

#[derive(SerializeRow)]
struct NewColumns<'a> {
    digest: &'a [u8],
    code: i64,
    region: i16,
    part: i8,
    time: i64,
    swab_day: i32,
    operator: &'a [u8],
    caller: &'a str,
    opened_at: i64,
    lapses_at: i64,
    ttl: i32,
    timestamp: i64,
}

impl StoredSession {
    fn into_view(self, id: SessionId) -> SessionView {
        SessionView {
            session: id,
            cun: self.place.cun,
            operator: self.session.operator,
            caller: self.session.caller,
            region: self.place.region,
            swab_date: date_of(self.swab_day),
            opened_at: self.session.opened_at,
            lapses_at: self.session.lapses_at,
        }
    }
}

impl Core {
    /// The test of a code with its life.
    pub(crate) async fn find_living(
        &self,
        cun: Cun,
    ) -> Result<Option<(TestRow, StoredLife)>, Failure> {
        let (row, life) = tokio::try_join!(self.find_row(cun), self.read_life(cun))?;
        Ok(row.map(|row| (row, life)))
    }

    pub(crate) async fn open_session(&self, request: &OpenSession) -> Result<OpenOutcome, Failure> {
        let Some((row, life)) = self.find_living(request.cun).await? else {
            return Ok(OpenOutcome::Unknown);
        };
        let admit = |life: &Life, moment| life.open_session(&row.origin(), moment);
        if let Err(refusal) = self.transit(&row, life, admit).await?.answer {
            return Ok(OpenOutcome::Refused(refusal));
        }
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let (id, lifetime) = (&request.session, request.lifetime_millis);
        let opened = StoredSession {
            session: Session::open(id, presenter, &row.origin(), self.now(), lifetime),
            place: row.place,
            swab_day: row.swab_day,
        };
        self.write_session(&opened).await?;
        // Whoever has ended the life by now may have looked for its sessions before this one was there.
        let life = self.read_life(request.cun).await?.life;
        if life.state_at(&row.origin(), self.moment()).is_over()
            && let Err(refusal) = admit(&life, self.moment()).answer
        {
            self.erase_session(&row.place, opened.session.digest)
                .await?;
            return Ok(OpenOutcome::Refused(refusal));
        }
        Ok(OpenOutcome::Opened(opened.into_view(request.session)))
    }

    async fn write_session(&self, opened: &StoredSession) -> Result<(), Failure> {
        let StoredSession {
            session,
            place,
            swab_day,
        } = opened;
        let key = self.keys.day(place.time.rome_day())?;
        let operator = key.seal(Purpose::Operator, place.cun, session.operator.expose())?;
        let rest = session.lapses_at.millis_since(session.opened_at).max(0) / 1_000;
        // A session lapses with its code.
        let ttl = (rest + AFTER_LAPSE_SECONDS) as i32;
        let digest = session.digest.as_bytes().as_slice();
        let caller = session.caller.to_key();
        let columns = NewColumns {
            digest,
            code: place.code(),
            region: place.region_column(),
            part: place.part,
            time: place.time_column(),
            swab_day: *swab_day,
            operator: &operator,
            caller: caller.as_str(),
            opened_at: session.opened_at.millis(),
            lapses_at: session.lapses_at.millis(),
            ttl,
            timestamp: place.timestamp(),
        };
        let pointer = (place.code(), digest, ttl, place.timestamp());
        tokio::try_join!(
            self.cluster.write(Statement::WriteSession, columns),
            self.cluster.write(Statement::WriteSessionOfCode, pointer),
        )?;
        Ok(())
    }

    async fn read_session(&self, digest: SessionDigest) -> Result<Option<StoredSession>, Failure> {
        let values = (digest.as_bytes().as_slice(),);
        let columns: Option<SessionColumns> = self
            .cluster
            .read_one(Statement::ReadSession, values)
            .await?;
        let Some(columns) = columns else {
            return Ok(None);
        };
        let place = Place::decode(columns.region, columns.part, columns.time, columns.code)?;
        if !self.is_kept(place.time) {
            return Ok(None);
        }
        let operator = self
            .keys
            .day(place.time.rome_day())?
            .open(Purpose::Operator, place.cun, &columns.operator)
            .and_then(|operator| stored::decode_fiscal_code(&operator));
        let session = Session {
            digest,
            operator: operator.ok_or(Failure::Corrupt("a sealed operator"))?,
            caller: decode_caller(&columns.caller)?,
            opened_at: Timestamp::from_millis_clamped(columns.opened_at),
            lapses_at: Timestamp::from_millis_clamped(columns.lapses_at),
        };
        Ok(Some(StoredSession {
            session,
            place,
            swab_day: columns.swab_day,
        }))
    }

    pub(crate) async fn find_session(&self, id: SessionId) -> Result<Option<SessionView>, Failure> {
        let session = self.read_session(SessionDigest::of(&id)).await?;
        Ok(session.map(|session| session.into_view(id)))
    }

    pub(crate) async fn claim_unlock(
        &self,
        request: &ClaimUnlock,
    ) -> Result<ClaimOutcome, Failure> {
        let digest = SessionDigest::of(&request.session);
        let Some(stored) = self.read_session(digest).await? else {
            return Ok(ClaimOutcome::NoSuchSession);
        };
        let StoredSession { session, place, .. } = stored;
        let (row, life) = tokio::try_join!(self.read_test(&place), self.read_life(place.cun))?;
        let Some(row) = row else {
            return Ok(ClaimOutcome::NoSuchSession);
        };
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let transition = self.transit(&row, life, |life, moment| {
            life.claim(&row.origin(), &session, presenter, request.claim, moment)
        });
        Ok(match transition.await?.answer {
            Ok(claimed) => ClaimOutcome::Claimed {
                cun: place.cun,
                claimed,
            },
            Err(ClaimRefusal::SessionNotYours) => ClaimOutcome::NoSuchSession,
            Err(refusal) => ClaimOutcome::Refused(refusal),
        })
    }

    pub(crate) async fn settle_unlock(&self, request: SettleUnlock) -> Result<Settlement, Failure> {
        let Some((row, life)) = self.find_living(request.cun).await? else {
            return Ok(Settlement::Stale);
        };
        let transition = self.transit(&row, life, |life, moment| {
            life.settle(&row.origin(), request.claim, request.outcome, moment)
        });
        Ok(transition.await?.answer)
    }

    /// Confirms or annuls.
    pub(crate) async fn conclude(
        &self,
        request: &Confirmation,
        decide: Conclusion,
    ) -> Result<ConcludeOutcome, Failure> {
        let digest = request.session.as_ref().map(SessionDigest::of);
        let session = async {
            match digest {
                Some(digest) => self.read_session(digest).await,
                None => Ok(None),
            }
        };
        let (found, session) = tokio::try_join!(self.find_living(request.cun), session)?;
        let Some((row, life)) = found else {
            return Ok(ConcludeOutcome::Unknown);
        };
        let session = session.map(|stored| stored.session);
        let given = digest.map(|digest| GivenSession {
            digest,
            entry: session.as_ref(),
        });
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let transition = self.transit(&row, life, |life, moment| {
            decide(life, &row.origin(), given, presenter, moment)
        });
        let transition = transition.await?;
        let effect = match transition.answer {
            Ok(effect) => effect,
            Err(refusal) => return Ok(ConcludeOutcome::Refused(refusal)),
        };
        if effect == Effect::AlreadyDone {
            // Whoever did it may have died before the erasure.
            let life = &transition.stored.life;
            match digest {
                _ if life.state().is_over() => self.see_it_erased(&row, life).await?,
                Some(digest) => self.erase_session(&row.place, digest).await?,
                None => {}
            }
        }
        Ok(ConcludeOutcome::Done(effect))
    }
}
