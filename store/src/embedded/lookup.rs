//! Looking up single tests.

use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions, Cun, Moment, TestResult};

use super::day::Day;
use super::failure::Failure;
use super::queue::Lane;
use super::rows::{self, TestRow};
use super::store::EmbeddedStore;
use super::writer::Writer;
use crate::error::StoreError;
use crate::guess::{Guess, GuessAdmission};
use crate::keys::Purpose;
use crate::submission::{PatientView, TestView};

/// The number of no row.
const NO_ROW: i64 = 0;

/// As long as a sealed fiscal code, and opened by no key.
const DECOY: [u8; 44] = [0; 44];

impl Writer<'_> {
    /// The sealed fiscal code of a row, unless it is erased. Without a row the newest day's file is read for one that no file has.
    fn sealed_patient(&mut self, place: Option<(Day, i64)>) -> Result<Option<Vec<u8>>, Failure> {
        let place = match place {
            Some(place) => Some(place),
            None => self.patients.days().next_back().map(|day| (day, NO_ROW)),
        };
        match place {
            Some((day, row)) => self.patients.sealed(day, row),
            None => Ok(None),
        }
    }
}

impl EmbeddedStore {
    pub(super) async fn test_of(&self, cun: Cun) -> Result<Option<TestView>, StoreError> {
        Ok(self.kept_row(cun).await?.map(TestRow::into_view))
    }

    pub(super) async fn test_of_digest(
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

    /// Takes the same steps whatever the code is: looks up its row, has the writer read a day's file of patients, opens what was there. Of a
    /// code without a live patient a row that is not there is looked for, and a decoy opened.
    pub(super) async fn patient_of(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        let found = self.live_positive(cun).await?;
        let place = found.as_ref().map(|row| (row.day(), row.row));
        let sealed = self
            .write(Lane::Urgent, move |writer| writer.sealed_patient(place))
            .await?;
        self.opened(cun, found, sealed)
    }

    /// Counts a guess and looks its code up as [`Self::patient_of`] does, in one visit to the writer.
    pub(super) async fn count_and_look_up(
        &self,
        guess: Guess,
    ) -> Result<(GuessAdmission, Option<PatientView>), StoreError> {
        let cun = guess.cun;
        let found = self.live_positive(cun).await?;
        let place = found.as_ref().map(|row| (row.day(), row.row));
        let (admission, sealed) = self
            .write(Lane::Urgent, move |writer| {
                let admission = writer.count_guess(&guess)?;
                Ok((admission, writer.sealed_patient(place)?))
            })
            .await?;
        let patient = self.opened(cun, found, sealed)?;
        let may_look = matches!(
            admission,
            GuessAdmission::Admitted { .. } | GuessAdmission::CodeExhausted { .. }
        );
        Ok((admission, patient.filter(|_| may_look)))
    }

    /// The row of a code whose person may be looked for.
    async fn live_positive(&self, cun: Cun) -> Result<Option<TestRow>, StoreError> {
        let moment = Moment {
            now: self.shared.now(),
            clock_error_millis: self.shared.options.clock_error_millis,
        };
        let row = self.kept_row(cun).await?;
        Ok(row.filter(|row| {
            row.result == TestResult::Positive
                && !row.life.state_at(&row.origin(), moment).is_over()
        }))
    }

    /// Opens what the writer has found, or a decoy.
    fn opened(
        &self,
        cun: Cun,
        row: Option<TestRow>,
        sealed: Option<Vec<u8>>,
    ) -> Result<Option<PatientView>, StoreError> {
        let day = row
            .as_ref()
            .map_or_else(|| Day::of(self.shared.now()), TestRow::day);
        let key = self.shared.keys.day(day.date())?;
        let opened = key.open(
            Purpose::FiscalCode,
            cun,
            sealed.as_deref().unwrap_or(&DECOY),
        );
        let (Some(row), Some(_)) = (row, sealed) else {
            return Ok(None);
        };
        let corrupt = || StoreError::Corrupt {
            what: "a sealed fiscal code".to_owned(),
        };
        let options = CodiceFiscaleOptions {
            accept_stp_eni: true,
        };
        let fiscal_code = CodiceFiscale::parse_with(&opened.ok_or_else(corrupt)?, options)
            .map_err(|_| corrupt())?;
        Ok(Some(PatientView {
            test: row.into_view(),
            fiscal_code,
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
