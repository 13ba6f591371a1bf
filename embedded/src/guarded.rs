//! Transitions within the writer's transaction: read the row, ask its life, write what it says.

use rusqlite::OptionalExtension;
use sistema_ts_model::{
    Cun, CunState, Erasure, Moment, RegionCode, Session, SessionDigest, Step, Timestamp,
};
use sistema_ts_store::keys::{KeyRing, Purpose};
use sistema_ts_store::stored;
use sistema_ts_store::trusted_time::Horizon;

use super::day::Day;
use super::failure::Failure;
use super::rows::{self, TestRow};
use super::writer::Writer;

impl Writer<'_> {
    /// The row of a code.
    pub(super) fn test(&self, cun: Cun) -> Result<Option<TestRow>, Failure> {
        TestRow::find(self.tests, &self.shared.codes.view(), cun)
    }

    /// Obeys what a transition of this row's life has decided, and hands on its answer.
    pub(super) fn obey<Answer>(
        &mut self,
        row: &TestRow,
        step: Step<Answer>,
    ) -> Result<Answer, Failure> {
        if matches!(step.erase, Erasure::Everything) && self.is_over_by_the_clock_alone(row) {
            // Refused by the wall clock, and left for the sweep, which goes by the trusted time.
            return Ok(step.answer);
        }
        if let Some(life) = &step.write {
            self.tests
                .prepare_cached("UPDATE tests SET life = ?2 WHERE row = ?1")?
                .execute((row.row, life.encode()))?;
            let was_claimed = row.life.state() == CunState::Unlocking;
            if life.state() == CunState::Unlocking {
                let error = self.shared.options.clock_error_millis;
                self.note_claim(row, life.due_at(&row.origin(), error))?;
            } else if was_claimed {
                self.tests
                    .prepare_cached("DELETE FROM claims WHERE row = ?1")?
                    .execute([row.row])?;
            }
        }
        match step.erase {
            Erasure::Nothing => {}
            Erasure::Session(digest) => {
                self.log.wants_clearing();
                self.tests
                    .prepare_cached("DELETE FROM sessions WHERE digest = ?1")?
                    .execute([digest.as_bytes()])?;
            }
            Erasure::Everything => self.erasing.intend(self.tests, &mut self.log, row)?,
        }
        Ok(step.answer)
    }

    /// Whether the row's code is over because of what the clock shows, and not over yet by the horizon of the sweeps.
    fn is_over_by_the_clock_alone(&self, row: &TestRow) -> bool {
        let is_over_at = |now| {
            let moment = Moment {
                now,
                ..self.moment()
            };
            row.life.state_at(&row.origin(), moment).is_over()
        };
        let horizon = self.horizon.map_or(Timestamp::MIN, Horizon::time);
        is_over_at(self.now) && !is_over_at(horizon)
    }

    /// Notes when a claim's holder counts as dead, so that the sweep need not search for it.
    fn note_claim(&self, row: &TestRow, due: Option<Timestamp>) -> Result<(), Failure> {
        let due = due.unwrap_or(self.now).millis();
        self.tests
            .prepare_cached("INSERT OR REPLACE INTO claims (row, due_ms) VALUES (?1, ?2)")?
            .execute((row.row, due))?;
        Ok(())
    }

    /// Adds a session of a row, with what §3.4 names of its test.
    pub(super) fn add_session(&mut self, row: &TestRow, session: &Session) -> Result<(), Failure> {
        let caller = self.callers.number(self.tests, &session.caller, |caller| {
            caller.to_key().to_string()
        })?;
        let key = self.shared.keys.day(row.day().date())?;
        let operator = key.seal(Purpose::Operator, row.cun, session.operator.expose())?;
        self.tests
            .prepare_cached(
                "INSERT INTO sessions (digest, row, operator, caller, region, swab_day, opened_ms, lapses_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                session.digest.as_bytes(),
                row.row,
                operator,
                caller,
                stored::encode_region(region_of(row)?),
                row.swab_day.0,
                session.opened_at.millis(),
                session.lapses_at.millis(),
            ))?;
        Ok(())
    }

    /// A session, with its row.
    pub(super) fn session(&self, digest: SessionDigest) -> Result<Option<StoredSession>, Failure> {
        StoredSession::read(self.tests, &self.shared.keys, digest)
    }
}

/// The region of a test.
pub(super) fn region_of(row: &TestRow) -> Result<RegionCode, Failure> {
    let region = row.caller.region();
    region.ok_or_else(|| rows::corrupt("a test without a region"))
}

/// A session as it stands in its row (§3.4), and the row of the test that it is about.
pub(super) struct StoredSession {
    pub(super) session: Session,
    pub(super) region: RegionCode,
    pub(super) swab_day: Day,
    pub(super) row: TestRow,
}

impl StoredSession {
    /// `None` if there is no such session, or its test is gone.
    pub(super) fn read(
        connection: &rusqlite::Connection,
        keys: &KeyRing,
        digest: SessionDigest,
    ) -> Result<Option<StoredSession>, Failure> {
        let mut select = connection.prepare_cached(
            "SELECT s.row, s.operator, c.key, s.opened_ms, s.lapses_ms, s.region, s.swab_day
             FROM sessions s JOIN callers c ON c.id = s.caller WHERE s.digest = ?1",
        )?;
        let found = select
            .query_row([digest.as_bytes()], |row| {
                let operator: Vec<u8> = row.get(1)?;
                let caller: String = row.get(2)?;
                let numbers: [i64; 4] = [row.get(0)?, row.get(3)?, row.get(4)?, row.get(5)?];
                Ok((operator, caller, numbers, Day(row.get(6)?)))
            })
            .optional()?;
        let Some((operator, caller, [row, opened, lapses, region], swab_day)) = found else {
            return Ok(None);
        };
        let Some(row) = TestRow::read(connection, row)? else {
            return Ok(None);
        };
        let operator = keys
            .day(row.day().date())?
            .open(Purpose::Operator, row.cun, &operator)
            .and_then(|operator| stored::decode_fiscal_code(&operator));
        let session = Session {
            digest,
            operator: operator.ok_or_else(|| rows::corrupt("an operator"))?,
            caller: rows::decode_caller(&caller)?,
            opened_at: Timestamp::from_millis_clamped(opened),
            lapses_at: Timestamp::from_millis_clamped(lapses),
        };
        Ok(Some(StoredSession {
            session,
            region: rows::decode_region(region)?,
            swab_day,
            row,
        }))
    }
}
