//! Looking up single tests.

use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions, Cun, Moment, TestResult};

use super::queue::Lane;
use super::rows::{self, TestRow};
use super::store::EmbeddedStore;
use crate::error::StoreError;
use crate::keys::Purpose;
use crate::submission::{PatientView, TestView};

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

    pub(super) async fn patient_of(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        let Some(row) = self.kept_row(cun).await? else {
            return Ok(None);
        };
        let moment = Moment {
            now: self.shared.now(),
            clock_error_millis: 0,
        };
        if row.result != TestResult::Positive || row.life.state_at(&row.origin(), moment).is_over()
        {
            return Ok(None);
        }
        let (day, number) = (row.day(), row.row);
        let Some(sealed) = self
            .write(Lane::Urgent, move |writer| {
                writer.patients.sealed(day, number)
            })
            .await?
        else {
            return Ok(None);
        };
        let key = self.shared.keys.day(day.date())?;
        let corrupt = || StoreError::Corrupt {
            what: "a sealed fiscal code".to_owned(),
        };
        let opened = key
            .open(Purpose::FiscalCode, cun, &sealed)
            .ok_or_else(corrupt)?;
        let options = CodiceFiscaleOptions {
            accept_stp_eni: true,
        };
        let fiscal_code = CodiceFiscale::parse_with(&opened, options).map_err(|_| corrupt())?;
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
