//! Looking up single tests.

use rusqlite::Connection;
use sistema_ts_model::{Cun, Moment, TestResult};
use sistema_ts_store::keys::Purpose;
use sistema_ts_store::{Guess, GuessAdmission, PatientView, StoreError, TestView, stored};

use super::day::Day;
use super::failure::Failure;
use super::patients::Sealed;
use super::queue::Lane;
use super::rows::{self, TestRow};
use super::shared::Shared;
use super::store::EmbeddedStore;
use super::writer::Writer;

/// As long as a sealed fiscal code, and opened by no key.
const DECOY: [u8; 44] = [0; 44];

/// Decoys are among so many of the newest tests, or among all that there are.
const NEWEST: u64 = 4_096;

/// What the file of tests says of a code.
struct Looked {
    /// Its row, if its person may be looked for.
    live: Option<TestRow>,
    /// Where the patients' files are to be read: at this row, at the row of a code without a live patient, or at another's for a code that
    /// nobody has. None without any test.
    place: Option<(Day, i64)>,
}

impl Looked {
    fn read(
        connection: &Connection,
        shared: &Shared,
        cun: Cun,
        moment: Moment,
    ) -> Result<Looked, Failure> {
        let view = shared.codes.view();
        let row = TestRow::find(connection, &view, cun)?;
        let place = match &row {
            Some(row) => Some((row.day(), row.row)),
            None => Self::decoy(connection, shared, cun)?,
        };
        let oldest = moment.now.minus_millis(shared.options.retention_millis);
        let live = row.filter(|row| {
            row.inserted_at > oldest
                && row.result == TestResult::Positive
                && !row.life.state_at(&row.origin(), moment).is_over()
        });
        Ok(Looked { live, place })
    }

    /// The place of another test, looked up and read as that of a code that exists is.
    fn decoy(
        connection: &Connection,
        shared: &Shared,
        cun: Cun,
    ) -> Result<Option<(Day, i64)>, Failure> {
        let newest = shared.committed_row();
        let among = NEWEST.min(newest.max(1).unsigned_abs());
        // Below 4,096.
        let back = (rows::cun_key(&cun.digest()) % among) as i64;
        let mut decoy = TestRow::read(connection, newest - back)?;
        if decoy.is_none() {
            // Expired. The newest one is the last to go.
            decoy = TestRow::read(connection, newest)?;
        }
        let Some(decoy) = decoy else { return Ok(None) };
        shared
            .codes
            .view()
            .candidates(connection, rows::cun_key(&decoy.cun.digest()))?;
        Ok(Some((decoy.day(), decoy.row)))
    }
}

impl Writer<'_> {
    /// What the patients' file of the place's day holds there or next to it; without such a file that of the newest day.
    fn sealed_patient(&mut self, place: Option<(Day, i64)>) -> Result<Option<Sealed>, Failure> {
        let Some((day, row)) = place else {
            return Ok(None);
        };
        let day = if self.patients.has(day) {
            Some(day)
        } else {
            self.patients.days().next_back()
        };
        match day {
            Some(day) => self.patients.sealed_at_or_beside(day, row),
            None => Ok(None),
        }
    }
}

impl EmbeddedStore {
    pub(super) async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, StoreError> {
        Ok(self.kept_row(cun).await?.map(TestRow::into_view))
    }

    pub(super) async fn find_by_digest(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<TestView>, StoreError> {
        let shared = self.shared.clone();
        self.lookups
            .read(move |connection| {
                let oldest = shared.now().minus_millis(shared.options.retention_millis);
                for candidate in shared
                    .codes
                    .candidates(connection, rows::cun_key(&digest))?
                {
                    if let Some(row) = TestRow::read(connection, candidate as i64)?
                        && row.cun.digest() == digest
                        && row.inserted_at > oldest
                    {
                        return Ok(Some(row.into_view()));
                    }
                }
                Ok(None)
            })
            .await
    }

    /// Takes the same steps whatever the code is: looks up a row, has the writer read a day's file of patients, opens what was there. Of a code
    /// that nobody has another's row is looked up; of one without a live patient another person's fiscal code is read, which does not open
    /// under this code.
    pub(super) async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        let Looked { live, place } = self.look(cun).await?;
        let sealed = self
            .write(Lane::Urgent, move |writer| writer.sealed_patient(place))
            .await?;
        self.opened(cun, live, sealed)
    }

    /// Counts a guess and looks its code up as [`Self::find_patient`] does, in one visit to the writer.
    pub(super) async fn begin_verification(
        &self,
        guess: Guess,
    ) -> Result<(GuessAdmission, Option<PatientView>), StoreError> {
        let cun = guess.cun;
        let Looked { live, place } = self.look(cun).await?;
        let (begun, sealed) = self
            .write(Lane::Urgent, move |writer| {
                let begun = writer.count_guess(&guess)?;
                Ok((begun, writer.sealed_patient(place)?))
            })
            .await?;
        let patient = self.opened(cun, live, sealed)?;
        let may_look = begun.is_counted();
        Ok((begun.into_admission(), patient.filter(|_| may_look)))
    }

    async fn look(&self, cun: Cun) -> Result<Looked, StoreError> {
        let shared = self.shared.clone();
        let moment = Moment {
            now: shared.now(),
            clock_error_millis: shared.options.clock_error_millis,
        };
        self.lookups
            .read(move |connection| Looked::read(connection, &shared, cun, moment))
            .await
    }

    /// Opens what the writer has found, whosever it is, or a decoy.
    fn opened(
        &self,
        cun: Cun,
        live: Option<TestRow>,
        sealed: Option<Sealed>,
    ) -> Result<Option<PatientView>, StoreError> {
        let (day, place, bytes) = match sealed {
            Some(sealed) => (sealed.day, sealed.row, sealed.bytes),
            None => (Day::of(self.shared.now()), 0, DECOY.to_vec()),
        };
        let live = live.filter(|row| row.row == place);
        let key = match self.shared.keys.day(day.date()) {
            Ok(key) => key,
            Err(error) if live.is_some() => return Err(error.into()),
            // That day's key is none of this code's concern.
            Err(_) => return Ok(None),
        };
        let opened = key.open(Purpose::FiscalCode, cun, &bytes);
        let Some(row) = live else { return Ok(None) };
        let corrupt = || StoreError::Corrupt {
            what: "a sealed fiscal code".to_owned(),
        };
        let fiscal_code = stored::decode_fiscal_code(&opened.ok_or_else(corrupt)?);
        Ok(Some(PatientView {
            test: row.into_view(),
            fiscal_code: fiscal_code.ok_or_else(corrupt)?,
        }))
    }

    /// The row of a code, unless it is past its retention.
    async fn kept_row(&self, cun: Cun) -> Result<Option<TestRow>, StoreError> {
        let shared = self.shared.clone();
        self.lookups
            .read(move |connection| {
                let oldest = shared.now().minus_millis(shared.options.retention_millis);
                let row = TestRow::find(connection, &shared.codes.view(), cun)?;
                Ok(row.filter(|row| row.inserted_at > oldest))
            })
            .await
    }
}
