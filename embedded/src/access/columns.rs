//! A single access record as a row of its day's file.

use rusqlite::{Connection, Row};
use sistema_ts_store::AccessRecord;
use sistema_ts_store::stored::AccessColumns;

use crate::failure::Failure;
use crate::rows;

/// The columns in the order of [`decode`].
pub(super) const COLUMNS: &str = "id, accessed_ms, service, caller, operator, transaction_id, outcome, errors, structure, authentication,
    ended_ms, session, cun, confirmation, options, client_address";

const INSERT: &str = "INSERT INTO records (accessed_ms, service, caller, operator, transaction_id, outcome, errors, structure,
        authentication, ended_ms, session, cun, confirmation, options, client_address)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// Adds a record to its day's file.
pub(super) fn insert(connection: &Connection, record: &AccessRecord) -> Result<(), Failure> {
    let columns = AccessColumns::encode(record);
    connection
        .prepare_cached(INSERT)?
        .execute(rusqlite::params![
            columns.accessed_ms,
            columns.service,
            columns.caller,
            columns.operator,
            columns.transaction,
            columns.outcome,
            columns.errors,
            columns.structure,
            columns.authentication,
            columns.ended_ms,
            columns.session,
            columns.cun,
            columns.confirmation,
            columns.options,
            columns.client_address,
        ])?;
    Ok(())
}

/// Reads a row of [`COLUMNS`].
pub(super) fn decode(row: &Row<'_>) -> Result<AccessRecord, Failure> {
    let columns = AccessColumns {
        accessed_ms: row.get(1)?,
        service: row.get(2)?,
        caller: row.get(3)?,
        operator: row.get(4)?,
        transaction: row.get(5)?,
        outcome: row.get(6)?,
        errors: row.get(7)?,
        structure: row.get(8)?,
        authentication: row.get(9)?,
        ended_ms: row.get(10)?,
        session: row.get(11)?,
        cun: row.get(12)?,
        confirmation: row.get(13)?,
        options: row.get(14)?,
        client_address: row.get(15)?,
    };
    columns.decode().map_err(rows::corrupt)
}

#[cfg(test)]
mod tests {
    //! A failure: a record that is read back other than it was written, in any field of any service.
    #![allow(clippy::unwrap_used)]

    use rusqlite::Connection;
    use sistema_ts_model::{
        AuthenticationKind, CallCenterCode, Caller, Cun, Outcome, RegionCode, SessionId,
        StructureDescription, StructureId, StructureReference, Timestamp, TransactionId, Verdict,
    };
    use sistema_ts_store::samples;
    use sistema_ts_store::{
        AccessDetail, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue,
    };

    use super::{COLUMNS, decode, insert};
    use crate::schema;

    fn details() -> Vec<AccessDetail> {
        let operator = Some(samples::operator(1));
        let session = Some(SessionId::random());
        let cun = Cun::from_number(123_456_789);
        let client_address = "2001:db8::1".parse().unwrap();
        let id = StructureReference::Identifier(StructureId::parse("010-101-000123").unwrap());
        let description = StructureReference::Description(
            StructureDescription::parse("Casa di cura 'San Giusto'").unwrap(),
        );
        vec![
            AccessDetail::Submission {
                structure: Some(id),
            },
            AccessDetail::Cancellation {
                structure: Some(description),
            },
            AccessDetail::Listing {
                structure: None,
                operator: operator.clone(),
            },
            AccessDetail::Verification {
                operator: operator.clone(),
                session,
                cun,
                client_address,
            },
            AccessDetail::Verification {
                operator: None,
                session: None,
                cun: None,
                client_address,
            },
            AccessDetail::Unlock {
                operator: operator.clone(),
                authentication: Some(AuthenticationKind::Spid),
                ended_at: Timestamp::from_millis_clamped(1_795_500_000_999),
                session,
                client_address,
            },
            AccessDetail::Confirmation {
                operator: operator.clone(),
                kind: Some(ConfirmationKind::Annul),
                session,
                cun,
                options: [
                    ("chiave", RecordedValue::Text("a\tb\\n\nc".to_owned())),
                    ("", RecordedValue::Text(String::new())),
                    ("nota", RecordedValue::Length(17)),
                    ("scritto", RecordedValue::Text("\\L17".to_owned())),
                ]
                .map(|(key, value)| RecordedOption {
                    key: key.to_owned(),
                    value,
                })
                .to_vec(),
                client_address,
            },
            AccessDetail::AslOtp { operator },
        ]
    }

    #[test]
    fn every_field_of_every_service_is_read_back() {
        let connection = Connection::open_in_memory().unwrap();
        schema::prepare_access(&connection).unwrap();
        for (number, detail) in details().into_iter().enumerate() {
            let caller = match number % 3 {
                0 => Caller::Region(RegionCode::parse("010").unwrap()),
                1 => Caller::Structure(StructureId::parse("010-101-000123").unwrap()),
                _ => Caller::CallCenter(CallCenterCode::parse("cc1").unwrap()),
            };
            let record = AccessRecord {
                accessed_at: Timestamp::from_millis_clamped(1_795_500_000_123),
                caller,
                verdict: Verdict::NotDone,
                outcomes: vec![Outcome::FieldRequired, Outcome::ServiceNotAllowed],
                transaction: TransactionId::random(),
                detail,
            };
            insert(&connection, &record).unwrap();
            let read = connection
                .query_row(
                    &format!("SELECT {COLUMNS} FROM records ORDER BY id DESC LIMIT 1"),
                    [],
                    |row| Ok(decode(row)),
                )
                .unwrap()
                .unwrap();
            assert_eq!(read, record);
        }
    }
}
