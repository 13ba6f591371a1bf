//! Sweeps, and the trusted time as this server has noted it for itself. Rows end by their own times to live; a sweep ends what somebody has intended and
//! not completed, copies access records before their tests end, and drops the days' keys.

use std::sync::Arc;

use sistema_ts_model::{RegionCode, Timestamp};
use sistema_ts_store::keys::{KeyRing, oldest_live_day};
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{Expired, StoreError};

use crate::core::Core;
use crate::failure::Failure;
use crate::noted_time::NotedTimeFile;
use crate::place::{PARTS, encode_region, hour_of};
use crate::statement::Statement;

/// In so many days, counted from the newest that was begun, a test is looked for: those before have none any more.
const MOST_DAYS: usize = 17;
/// Of the hours of a day in Rome there are never more.
const HOURS_OF_A_DAY: i32 = 25;

impl Core {
    pub(crate) async fn expire_due(
        &self,
        limit: usize,
        horizon: Horizon,
    ) -> Result<Expired, Failure> {
        self.set_horizon(horizon);
        let completed = self.complete_erasures(limit.max(1), horizon).await;
        let more = matches!(completed, Ok(true));
        if !more {
            let keys = Arc::clone(&self.keys);
            let dropping = move || drop_old_keys(&keys, horizon);
            tokio::task::spawn_blocking(dropping)
                .await
                .map_err(|_| Failure::Store(file_failed("the keys' file was not written")))??;
        }
        let copied = self.copy_access_records(limit.max(1)).await;
        completed?;
        // Tests end by themselves.
        Ok(Expired {
            tests: 0,
            more: more || copied?,
        })
    }

    pub(crate) async fn noted_time(&self) -> Result<Option<NotedTime>, Failure> {
        let file = self.note();
        let read = tokio::task::spawn_blocking(move || file.read()).await;
        let read = read.map_err(|_| Failure::Store(file_failed("the noted time was not read")))?;
        if let Some(noted) = read? {
            return Ok(Some(noted));
        }
        if let Some(newest) = self.newest_test().await? {
            return Ok(Some(NotedTime::at(newest)));
        }
        // No test is there; but the ring was made on a day of its own, and its keys are to lose.
        let after = self.keys.oldest().succ_opt();
        let after = after.map(Timestamp::start_of_rome_day);
        Ok(after
            .filter(|after| *after <= self.now())
            .map(NotedTime::at))
    }

    pub(crate) async fn note_time(&self, time: NotedTime) -> Result<(), Failure> {
        let file = self.note();
        let written = tokio::task::spawn_blocking(move || file.write(time)).await;
        let written = written.map_err(|_| Failure::Store(file_failed("the time was not noted")))?;
        Ok(written?)
    }

    fn note(&self) -> NotedTimeFile {
        NotedTimeFile::in_folder(&self.options.data_folder)
    }

    /// When the newest test was inserted. A day that was begun says nothing of itself: a server whose clock was wrong may have begun it.
    async fn newest_test(&self) -> Result<Option<Timestamp>, Failure> {
        let days: Vec<(i32, Vec<u8>)> = self.cluster.read(Statement::ReadDays, ()).await?;
        let mut days: Vec<i32> = days.into_iter().map(|(day, _)| day).collect();
        days.sort_unstable_by(|one, other| other.cmp(one));
        for day in days.into_iter().take(MOST_DAYS) {
            let start = Timestamp::start_of_rome_day(crate::test_row::date_of(day));
            if let Some(newest) = self.newest_test_of(start).await? {
                return Ok(Some(newest));
            }
        }
        Ok(None)
    }

    /// The same of one day.
    async fn newest_test_of(&self, start: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let first = hour_of(start);
        for hour in (first..first + HOURS_OF_A_DAY).rev() {
            let parts =
                RegionCode::all().flat_map(|region| (0..PARTS).map(move |part| (region, part)));
            let reads = parts.map(|(region, part)| {
                let values = (encode_region(region), hour, part);
                self.cluster
                    .read_one::<(i64,)>(Statement::NewestOfHour, values)
            });
            let times = futures_util::future::try_join_all(reads).await?;
            let newest = times.into_iter().flatten().max();
            if let Some((newest,)) = newest {
                return Ok(Some(Timestamp::from_millis_clamped(newest)));
            }
        }
        Ok(None)
    }
}

/// Destroys the keys of the days that no code lives from any more. It is tried again with the next sweep.
///
/// # Errors
///
/// A key that is past its time is still there.
fn drop_old_keys(keys: &KeyRing, horizon: Horizon) -> Result<(), StoreError> {
    let Err(error) = keys.advance(horizon) else {
        return Ok(());
    };
    tracing::warn!(%error, "old day keys were not destroyed");
    if keys.oldest() < oldest_live_day(horizon.time()) {
        return Err(error.into());
    }
    Ok(())
}

fn file_failed(what: &str) -> StoreError {
    StoreError::Unavailable {
        reason: what.to_owned(),
    }
}
