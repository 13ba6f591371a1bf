//! What goes when its time has come: dead claims, lapsed sessions, expired tests with their patients, old receipts, days' keys.

use chrono::Months;
use sistema_ts_model::{CUN_LIFE_MILLIS, KNOWN_CODES_MONTHS, Moment, TestResult, Timestamp};
use sistema_ts_store::keys::oldest_live_day;
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{Expired, StoreError};

use super::access::AccessJob;
use super::day::Day;
use super::erasing::Erasing;
use super::failure::Failure;
use super::noted_time::{read_noted, write_noted};
use super::patients::Begun;
use super::queue::Lane;
use super::rows::{self, TestRow};
use super::schema;
use super::store::EmbeddedStore;
use super::writer::Writer;

/// How long access records are kept (§2.5, §3.4, §5.2), in months.
const ACCESS_MONTHS: u32 = 12;

/// More than all files that can be due, each with all its interruptions.
const MOST_STEPS: usize = 128;

impl EmbeddedStore {
    pub(super) async fn expire_due(
        &self,
        limit: usize,
        horizon: Horizon,
    ) -> Result<Expired, StoreError> {
        let copied_row = self.shared.copied_row();
        let Swept {
            expired,
            uncopied,
            damage,
        } = match self
            .write(Lane::Usual, move |writer| {
                writer.expire(limit.max(1), copied_row, horizon)
            })
            .await
        {
            Ok(swept) => swept,
            Err(error) => {
                // The days' keys go all the same; what is said of them is not the worst.
                let _ = self.drop_old_keys(horizon);
                return Err(error);
            }
        };
        if uncopied {
            self.ask_keeper(AccessJob::CopyAll).await?;
        }
        let mut kept_keys = None;
        if !expired.more {
            kept_keys = self.drop_old_keys(horizon).err();
            let oldest = horizon.time().rome_day() - Months::new(ACCESS_MONTHS);
            self.ask_keeper(|reply| AccessJob::RemoveBefore(Day::of_date(oldest), reply))
                .await?;
        }
        match damage.or(kept_keys) {
            // Not before everything else has gone.
            Some(left) if !expired.more => Err(left),
            _ => Ok(expired),
        }
    }

    /// Destroys the keys of the days that no code lives from any more. It is tried again with the next sweep.
    ///
    /// # Errors
    ///
    /// A key that is past its time is still there.
    fn drop_old_keys(&self, horizon: Horizon) -> Result<(), StoreError> {
        let keys = &self.shared.keys;
        let Err(error) = keys.advance(horizon) else {
            return Ok(());
        };
        tracing::warn!(%error, "old day keys were not destroyed");
        metrics::counter!("sistema_ts_store_key_destruction_refused_total").increment(1);
        if keys.oldest() < oldest_live_day(horizon.time()) {
            return Err(error.into());
        }
        Ok(())
    }

    /// Rewrites each closed day's file from which something was erased since its last rewrite, at most once a day; answers how many.
    pub(super) async fn rewrite_erased(&self) -> Result<usize, StoreError> {
        let (mut rewritten, mut failed, mut failure) = (0, Vec::new(), None);
        for _ in 0..MOST_STEPS {
            let skipped = failed.clone();
            let begun = self
                .write(Lane::Usual, move |writer| {
                    writer.patients.begin_rewrite(writer.day, &skipped)
                })
                .await?;
            match begun {
                Begun::Nothing => break,
                Begun::Done => rewritten += 1,
                Begun::Copying(day, ended) => {
                    // However it ended: what came of it is asked next.
                    let _ = ended.await;
                    let finished = self
                        .write(Lane::Usual, move |writer| {
                            writer.patients.finish_rewrite(day)
                        })
                        .await;
                    match finished {
                        Ok(done) => rewritten += usize::from(done),
                        Err(error) => {
                            failed.push(day);
                            failure = Some(error);
                        }
                    }
                }
            }
        }
        failure.map_or(Ok(rewritten), Err)
    }

    pub(super) async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        self.write(Lane::Urgent, |writer| {
            if let Some(noted) = read_noted(writer.tests)? {
                return Ok(Some(noted));
            }
            if writer.last_row > 0 {
                return Ok(Some(NotedTime::at(writer.last_inserted)));
            }
            // A store that is still empty; but the ring was made on a day of its own, and its keys are to lose.
            let after = writer.shared.keys.oldest().succ_opt();
            let after = after.map(Timestamp::start_of_rome_day);
            let now = writer.shared.clock.now();
            Ok(after.filter(|after| *after <= now).map(NotedTime::at))
        })
        .await
    }

    pub(super) async fn note_time(&self, time: NotedTime) -> Result<(), StoreError> {
        self.write(Lane::Usual, move |writer| write_noted(writer.tests, time))
            .await
    }
}

impl Writer<'_> {
    /// Does one call's share.
    fn expire(
        &mut self,
        limit: usize,
        copied_row: i64,
        horizon: Horizon,
    ) -> Result<Swept, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.horizon = Some(horizon);
        let (caught_up, damage) = self.catch_up_claims(limit, horizon)?;
        self.forget_sessions_and_receipts(horizon)?;
        self.forget_guesses(horizon)?;
        self.remove_patients_of_dead_days(horizon)?;
        let over = horizon.time().minus_millis(CUN_LIFE_MILLIS);
        let past_retention = horizon
            .time()
            .minus_millis(self.shared.options.retention_millis);
        let erased = if past_retention < over {
            self.erase_persons(over, limit)?
        } else {
            0
        };
        let (removed, uncopied) = self.remove_tests(past_retention, copied_row, limit)?;
        self.move_floors(horizon)?;
        let more = uncopied || caught_up || [erased, removed].contains(&limit);
        let expired = Expired {
            tests: usize::try_from(removed).unwrap_or(usize::MAX),
            more,
        };
        Ok(Swept {
            expired,
            uncopied,
            damage,
        })
    }

    /// Writes down what claims mean whose holders are dead; answers whether more are due, and what is wrong with a row that cannot be read. Such a
    /// row keeps its claim, and nothing else waits for it: it goes with the tests beside it.
    fn catch_up_claims(
        &mut self,
        limit: i64,
        horizon: Horizon,
    ) -> Result<(bool, Option<StoreError>), Failure> {
        let due: Vec<i64> = {
            let mut select = self
                .tests
                .prepare_cached("SELECT row FROM claims WHERE due_ms <= ?1 LIMIT ?2")?;
            let rows = select.query_map((horizon.time().millis(), limit), |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let moment = Moment {
            now: horizon.time(),
            ..self.moment()
        };
        let (mut caught_up, mut damage) = (0, None);
        for number in &due {
            match TestRow::read(self.tests, *number) {
                Ok(Some(row)) => {
                    let step = row.life.catch_up(&row.origin(), moment);
                    self.obey(&row, step)?;
                }
                Ok(None) => {
                    self.tests
                        .prepare_cached("DELETE FROM claims WHERE row = ?1")?
                        .execute([number])?;
                }
                Err(Failure::Alone(error @ StoreError::Corrupt { .. })) => {
                    damage = Some(error);
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            caught_up += 1;
        }
        let is_full = due.len() as i64 == limit;
        Ok((is_full && caught_up > 0, damage))
    }

    fn forget_sessions_and_receipts(&mut self, horizon: Horizon) -> Result<(), Failure> {
        let lapsed = self
            .tests
            .prepare_cached("DELETE FROM sessions WHERE lapses_ms <= ?1")?
            .execute([horizon.time().millis()])?;
        if lapsed > 0 {
            // Each named its operator.
            self.log.wants_clearing();
        }
        let over = horizon.time().minus_millis(CUN_LIFE_MILLIS);
        self.tests
            .prepare_cached("DELETE FROM cancellations WHERE at_ms <= ?1")?
            .execute([over.millis()])?;
        Ok(())
    }

    /// Unlinks the patients' files of the days that no code lives from any more.
    fn remove_patients_of_dead_days(&mut self, horizon: Horizon) -> Result<(), Failure> {
        let oldest = Day::of_date(oldest_live_day(horizon.time()));
        let dead: Vec<Day> = self
            .patients
            .days()
            .take_while(|day| *day < oldest)
            .collect();
        dead.into_iter()
            .try_for_each(|day| self.patients.remove_day(day))
    }

    /// Of tests that are kept longer than their codes live: erases contact, fiscal code and sessions of those whose code is over.
    fn erase_persons(&mut self, over: Timestamp, limit: i64) -> Result<i64, Failure> {
        let erased_through = schema::read_number(self.tests, "erased_row")?.unwrap_or(0);
        let due = self.due_rows(erased_through, over, limit)?;
        let Some(last) = due.last() else { return Ok(0) };
        Erasing::clear_contacts(self.tests, erased_through + 1..=last.row)?;
        self.forget_patients(&due)?;
        schema::write_number(self.tests, "erased_row", last.row)?;
        Ok(due.len() as i64)
    }

    /// Removes tests past their retention, with all that belongs to them, as far as they are copied to the archive of access
    /// records; answers how many, and whether others are not copied yet. Their codes stay known.
    fn remove_tests(
        &mut self,
        past: Timestamp,
        copied_row: i64,
        limit: i64,
    ) -> Result<(i64, bool), Failure> {
        let mut due = self.due_rows(0, past, limit)?;
        let all = due.len();
        due.retain(|row| row.row <= copied_row);
        let uncopied = due.len() < all;
        let (Some(first), Some(last)) = (due.first(), due.last()) else {
            return Ok((0, uncopied));
        };
        // From these rows the newest entries of the index of codes could no longer be restored.
        self.codes.cover(self.tests, last.row.max(0) as u64)?;
        self.forget_patients(&due)?;
        self.tests
            .prepare_cached("DELETE FROM claims WHERE row <= ?1")?
            .execute([last.row])?;
        self.tests
            .prepare_cached("DELETE FROM tests WHERE row >= ?1 AND row <= ?2")?
            .execute((first.row, last.row))?;
        // When no test is left, these say where the numbering and the time went on.
        schema::write_number(self.tests, "expired_row", last.row)?;
        schema::write_number(self.tests, "expired_ms", last.inserted_at.millis())?;
        Ok((due.len() as i64, uncopied))
    }

    /// The oldest rows above `after` that were inserted at `until` or before. A row whose time cannot be read, or has not been yet, is as old as
    /// the next one, since rows are in the order of their insertion: it neither stays for ever nor keeps those behind it.
    fn due_rows(&self, after: i64, until: Timestamp, limit: i64) -> Result<Vec<DueRow>, Failure> {
        let newest = self.now.max(self.last_inserted);
        let mut select = self.tests.prepare_cached(
            "SELECT row, inserted_ms, flags, key_day FROM tests WHERE row > ?1 ORDER BY row LIMIT ?2",
        )?;
        let mut rows = select.query((after, limit))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            // What is not of its kind is damage of this row alone.
            let inserted_at = row.get(1).ok().map(Timestamp::from_millis_clamped);
            let key_day = row.get::<_, Option<i32>>(3).ok().flatten();
            let is_positive = |flags| rows::decode_result(flags) == TestResult::Positive;
            found.push((
                row.get(0)?,
                inserted_at.filter(|at| *at <= newest),
                key_day.map(Day),
                row.get(2).map_or(true, is_positive),
            ));
        }
        let mut next = None;
        for (row, inserted_at, ..) in found.iter_mut().rev() {
            if inserted_at.is_none() {
                tracing::warn!(row, "the time of a test cannot be read");
            }
            next = inserted_at.or(next);
            *inserted_at = next;
        }
        let due = found
            .into_iter()
            .map_while(|(row, inserted_at, key_day, positive)| {
                let inserted_at = inserted_at.filter(|at| *at <= until)?;
                Some(DueRow {
                    row,
                    inserted_at,
                    key_day: key_day.unwrap_or_else(|| Day::of(inserted_at)),
                    positive,
                })
            });
        Ok(due.collect())
    }

    /// Intends the erasure of these rows' sessions and patients.
    fn forget_patients(&mut self, due: &[DueRow]) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (due.first(), due.last()) else {
            return Ok(());
        };
        let patients = due
            .iter()
            .filter(|row| row.positive && self.patients.has(row.key_day))
            .map(|row| (row.key_day, row.row));
        let rows = first.row..=last.row;
        self.erasing
            .intend_rows(self.tests, &mut self.log, rows, patients)
    }

    /// Lets the late indexes forget what is too old: receipts after 14 days, codes after 13 months.
    fn move_floors(&mut self, horizon: Horizon) -> Result<(), Failure> {
        let first_live: Option<i64> = {
            let oldest_day = Day::of(horizon.time().minus_millis(CUN_LIFE_MILLIS));
            self.tests
                .prepare_cached("SELECT min(first_row) FROM days WHERE day >= ?1")?
                .query_row([oldest_day.0], |row| row.get(0))?
        };
        if let Some(row) = first_live {
            self.receipts.set_floor(row.max(0) as u64);
        }
        let oldest_known =
            Day::of_date(horizon.time().rome_day() - Months::new(KNOWN_CODES_MONTHS));
        let first_known: Option<i64> = self
            .tests
            .prepare_cached("SELECT min(first_row) FROM days WHERE day >= ?1")?
            .query_row([oldest_known.0], |row| row.get(0))?;
        if let Some(row) = first_known {
            self.codes.set_floor(row.max(0) as u64);
        }
        self.tests
            .prepare_cached("DELETE FROM days WHERE day < ?1")?
            .execute([oldest_known.0])?;
        Ok(())
    }
}

/// What one call of a sweep has done.
struct Swept {
    expired: Expired,
    /// Whether tests stay for now because their access records are not copied yet.
    uncopied: bool,
    /// What is wrong with a row that was passed over.
    damage: Option<StoreError>,
}

/// A row whose time has come.
struct DueRow {
    row: i64,
    inserted_at: Timestamp,
    key_day: Day,
    positive: bool,
}
