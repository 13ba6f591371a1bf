//! Looking up single tests.

use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions, Cun, Moment, TestResult};

use super::day::Day;
use super::queue::Lane;
use super::rows::{self, TestRow};
use super::store::EmbeddedStore;
use crate::error::StoreError;
use crate::keys::Purpose;
use crate::submission::{PatientView, TestView};

/// The number of no row.
const NO_ROW: i64 = 0;

/// As long as a sealed fiscal code, and opened by no key.
const DECOY: [u8; 44] = [0; 44];

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

    /// Takes the same steps whatever the code is: looks up its row, has the writer read the day's file of patients, opens what was there. A
    /// code without a live patient reads today's file in vain, and opens a decoy.
    pub(super) async fn patient_of(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        let moment = Moment {
            now: self.shared.now(),
            clock_error_millis: self.shared.options.clock_error_millis,
        };
        let row = self.kept_row(cun).await?.filter(|row| {
            row.result == TestResult::Positive
                && !row.life.state_at(&row.origin(), moment).is_over()
        });
        let (day, number) = match &row {
            Some(row) => (row.day(), row.row),
            None => (Day::of(moment.now), NO_ROW),
        };
        let sealed = self
            .write(Lane::Urgent, move |writer| {
                writer.patients.sealed(day, number)
            })
            .await?;
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
