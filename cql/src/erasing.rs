//! The erasure of a person, whole: its intent, its act and its completion.
//!
//! The *intent* is written before the conditional write that ends a life. The *act* follows that write, before the answer leaves: fiscal code with
//! its tag, contact, sessions, the MACs of a negative. The *completion* marks the intent. Whoever dies in between leaves an intent that is not done: a
//! repetition of the request erases before it answers, and every server's sweep does (`docs/cql.md`, "The life of a code"). Each statement may be
//! repeated, and has a timestamp above all that it erases.

use chrono::{Days, NaiveDate};
use sistema_ts_model::{Cun, CunState, Erasure, Life, Moment, SessionDigest};
use sistema_ts_store::keys::oldest_live_day;
use sistema_ts_store::trusted_time::Horizon;

use crate::core::Core;
use crate::failure::Failure;
use crate::place::{Place, decode_cun, timestamp};
use crate::statement::Statement;
use crate::test_row::TestRow;

/// Into so many parts a day's intents are cut, so that no partition gets large.
const BUCKETS: i8 = 8;
/// From so many days there can be codes that a sweep ends: 14 × 24 hours touch fifteen days, and clocks differ.
const MOST_DAYS: u64 = 17;

/// Where a code's intent is.
fn intent(place: &Place) -> (i32, i8, i64) {
    let code = place.code();
    // A remainder below eight.
    let bucket = (code % i64::from(BUCKETS)) as i8;
    (place.time.rome_day().to_epoch_days(), bucket, code)
}

impl Core {
    /// Notes that the person of a test is to be erased. Nothing is erased as long as the life of its code is not over.
    pub(crate) async fn intend_erasure(&self, row: &TestRow) -> Result<(), Failure> {
        let (day, bucket, code) = intent(&row.place);
        let values = (day, bucket, code, row.place.timestamp());
        self.cluster.write(Statement::IntendErasure, values).await
    }

    /// Carries out what a transition has demanded that has taken place.
    pub(crate) async fn obey(
        &self,
        row: &TestRow,
        erasure: Erasure,
        life: &Life,
    ) -> Result<(), Failure> {
        match erasure {
            Erasure::Nothing => Ok(()),
            Erasure::Session(digest) => self.erase_session(&row.place, digest).await,
            Erasure::Everything => self.erase(row, life).await,
        }
    }

    /// Erases again, unless it is known to be done: whoever ended this life may have died before that.
    pub(crate) async fn see_it_erased(&self, row: &TestRow, life: &Life) -> Result<(), Failure> {
        let intent = intent(&row.place);
        let done: Option<(Option<bool>,)> = self
            .cluster
            .read_one(Statement::ReadErasure, intent)
            .await?;
        if done == Some((Some(true),)) {
            return Ok(());
        }
        self.erase(row, life).await
    }

    async fn erase(&self, row: &TestRow, life: &Life) -> Result<(), Failure> {
        tokio::try_join!(
            self.erase_patient(&row.place),
            self.erase_negative(row),
            self.erase_sessions(&row.place),
            self.erase_attempts(row),
            self.mark_cancelled(row, life),
        )?;
        let (day, bucket, code) = intent(&row.place);
        let values = (timestamp(self.now()), day, bucket, code);
        self.cluster.write(Statement::EndErasure, values).await
    }

    async fn erase_negative(&self, row: &TestRow) -> Result<(), Failure> {
        if row.negative.is_none() {
            return Ok(());
        }
        let later = row.place.later_timestamp(self.now());
        // The copy first, since it is known from the test.
        if let Some((receipt, attempt)) = &row.claim {
            let values = (later, receipt.as_slice(), *attempt);
            self.cluster
                .write(Statement::EraseNegativeOfClaim, values)
                .await?;
        }
        let values = row.place.update_key(later);
        self.cluster.write(Statement::EraseNegative, values).await
    }

    /// Erases what attempts have left that lost against the test's: copies of a negative's MAC, and the person under a code of their own.
    async fn erase_attempts(&self, row: &TestRow) -> Result<(), Failure> {
        let Some((receipt, _)) = &row.claim else {
            return Ok(());
        };
        // Once its test is past its time the key is another's.
        if !self.lives(row.place.time) {
            return Ok(());
        }
        let claims = self.claims(receipt).await?;
        let ended = claims.iter().filter(|claim| claim.has_ended);
        let erasing = ended.map(|claim| async move {
            let later = claim.place.later_timestamp(self.now());
            let values = (later, receipt.as_slice(), claim.attempt);
            self.cluster
                .write(Statement::EraseNegativeOfClaim, values)
                .await?;
            let of_code = self.claims_of_code(&claim.place.cun.digest()).await?;
            // A code that another has claimed as well may be that one's.
            if of_code.iter().all(|other| other.number == claim.attempt) {
                self.erase_patient(&claim.place).await?;
            }
            Ok::<_, Failure>(())
        });
        futures_util::future::try_join_all(erasing).await.map(drop)
    }

    async fn mark_cancelled(&self, row: &TestRow, life: &Life) -> Result<(), Failure> {
        if life.state() != CunState::Cancelled {
            return Ok(());
        }
        let later = row.place.later_timestamp(self.now());
        let values = row.place.update_key(later);
        self.cluster.write(Statement::CancelTest, values).await
    }

    async fn erase_sessions(&self, place: &Place) -> Result<(), Failure> {
        let sessions: Vec<(Vec<u8>,)> = self
            .cluster
            .read(Statement::ReadSessionsOfCode, (place.code(),))
            .await?;
        let erasing = sessions.into_iter().map(|(digest,)| async move {
            let digest = <[u8; SessionDigest::LENGTH]>::try_from(digest);
            let digest = digest.map_err(|_| Failure::Corrupt("the digest of a session"))?;
            self.erase_session(place, SessionDigest::from_bytes(digest))
                .await
        });
        futures_util::future::try_join_all(erasing).await.map(drop)
    }

    /// Erases one session of a test: the pointer last, since the session is found by it.
    pub(crate) async fn erase_session(
        &self,
        place: &Place,
        digest: SessionDigest,
    ) -> Result<(), Failure> {
        let later = place.later_timestamp(self.now());
        let digest = digest.as_bytes().as_slice();
        let values = (later, digest);
        self.cluster.write(Statement::EraseSession, values).await?;
        let values = (later, place.code(), digest);
        self.cluster
            .write(Statement::EraseSessionOfCode, values)
            .await
    }

    /// Completes intents that are not done, at most about `limit`; answers whether more may be. A life that is not over by the horizon is left.
    pub(crate) async fn complete_erasures(
        &self,
        limit: usize,
        horizon: Horizon,
    ) -> Result<bool, Failure> {
        let (mut completed, mut left) = (0, None);
        let oldest = oldest_live_day(horizon.time());
        for day in (0..MOST_DAYS).filter_map(|days| oldest.checked_add_days(Days::new(days))) {
            for cun in self.intended(day).await? {
                if completed >= limit {
                    return Ok(true);
                }
                match self.complete_erasure(cun, horizon).await {
                    Ok(is_completed) => completed += usize::from(is_completed),
                    // Nothing else waits for it.
                    Err(failure) => left = Some(failure),
                }
            }
        }
        left.map_or(Ok(false), Err)
    }

    /// The codes of a day whose erasure is intended and not done.
    async fn intended(&self, day: NaiveDate) -> Result<Vec<Cun>, Failure> {
        let day = day.to_epoch_days();
        let reads = (0..BUCKETS).map(|bucket| async move {
            let read = self.cluster.read(Statement::ReadErasures, (day, bucket));
            let intents: Vec<(i64, Option<bool>)> = read.await?;
            Ok::<_, Failure>(intents)
        });
        let intents = futures_util::future::try_join_all(reads).await?;
        let undone = intents.into_iter().flatten();
        undone
            .filter(|(_, done)| *done != Some(true))
            .map(|(code, _)| decode_cun(code))
            .collect()
    }

    /// Erases the person of a code whose life is over, also by the horizon alone. Answers whether it was.
    async fn complete_erasure(&self, cun: Cun, horizon: Horizon) -> Result<bool, Failure> {
        let digest = cun.digest();
        let (claims, life) = tokio::try_join!(self.claims_of_code(&digest), self.read_life(cun))?;
        for claim in claims.iter().filter(|claim| claim.place.cun == cun) {
            let Some(row) = self.read_test(&claim.place).await? else {
                continue;
            };
            let at_horizon = |moment| Moment {
                now: horizon.time(),
                ..moment
            };
            let transition = self.transit(&row, life.clone(), |life, moment| {
                life.catch_up(&row.origin(), at_horizon(moment))
            });
            let life = transition.await?.stored.life;
            if life.state().is_over() {
                self.see_it_erased(&row, &life).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
