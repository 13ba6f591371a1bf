//! A single access record as a row of its day's file.

use std::net::IpAddr;

use rusqlite::{Connection, Row};
use sistema_ts_model::{
    AuthenticationKind, CodiceFiscale, Cun, Outcome, RegionCode, Service, SessionId,
    StructureReference, Timestamp, TransactionId, Verdict,
};
use sistema_ts_store::{
    AccessDetail, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue, stored,
};

use crate::failure::Failure;
use crate::rows;

/// The columns in the order of [`decode`].
pub(super) const COLUMNS: &str = "id, accessed_ms, service, caller, operator, transaction_id, outcome, errors, structure, authentication,
    ended_ms, session, cun, confirmation, options, client_address";

const INSERT: &str = "INSERT INTO records (accessed_ms, service, caller, operator, transaction_id, outcome, errors, structure,
        authentication, ended_ms, session, cun, confirmation, options, client_address)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// What stands before the length of an option's value that is not recorded.
const LENGTH: &str = "\\L";

/// The optional columns.
#[derive(Default)]
struct Optional {
    structure: Option<String>,
    authentication: Option<&'static str>,
    ended_ms: Option<i64>,
    session: Option<String>,
    cun: Option<String>,
    confirmation: Option<&'static str>,
    options: Option<String>,
    client_address: Option<String>,
}

/// Adds a record to its day's file.
pub(super) fn insert(connection: &Connection, record: &AccessRecord) -> Result<(), Failure> {
    let optional = optional_columns(record);
    let codes: Vec<_> = record
        .outcomes
        .iter()
        .map(|outcome| outcome.code())
        .collect();
    connection
        .prepare_cached(INSERT)?
        .execute(rusqlite::params![
            record.accessed_at.millis(),
            record.service().name(),
            record.caller.to_key().as_str(),
            record.operator().map(CodiceFiscale::expose),
            record.transaction.to_string(),
            record.verdict.code(),
            codes.join(" "),
            optional.structure,
            optional.authentication,
            optional.ended_ms,
            optional.session,
            optional.cun,
            optional.confirmation,
            optional.options,
            optional.client_address,
        ])?;
    Ok(())
}

fn optional_columns(record: &AccessRecord) -> Optional {
    let text_of_structure = |structure: &Option<StructureReference>| {
        // The region is the caller's; a caller without one names no structure by description.
        let region = record.caller.region().or_else(|| RegionCode::all().next());
        structure
            .as_ref()
            .zip(region)
            .map(|(structure, region)| stored::encode_structure(structure, region))
    };
    match &record.detail {
        AccessDetail::Submission { structure }
        | AccessDetail::Cancellation { structure }
        | AccessDetail::Listing { structure, .. } => Optional {
            structure: text_of_structure(structure),
            ..Optional::default()
        },
        AccessDetail::Verification {
            session,
            cun,
            client_address,
            ..
        } => Optional {
            session: session.as_ref().map(SessionId::to_text),
            cun: cun.map(|cun| cun.to_string()),
            client_address: Some(client_address.to_string()),
            ..Optional::default()
        },
        AccessDetail::Unlock {
            authentication,
            ended_at,
            session,
            client_address,
            ..
        } => Optional {
            authentication: authentication.map(AuthenticationKind::as_str),
            ended_ms: Some(ended_at.millis()),
            session: session.as_ref().map(SessionId::to_text),
            client_address: Some(client_address.to_string()),
            ..Optional::default()
        },
        AccessDetail::Confirmation {
            kind,
            session,
            cun,
            options,
            client_address,
            ..
        } => Optional {
            confirmation: kind.map(ConfirmationKind::as_str),
            session: session.as_ref().map(SessionId::to_text),
            cun: cun.map(|cun| cun.to_string()),
            options: (!options.is_empty()).then(|| encode_options(options)),
            client_address: Some(client_address.to_string()),
            ..Optional::default()
        },
        AccessDetail::AslOtp { .. } => Optional::default(),
    }
}

/// Reads a row of [`COLUMNS`].
pub(super) fn decode(row: &Row<'_>) -> Result<AccessRecord, Failure> {
    let service: String = row.get(2)?;
    let service = Service::from_name(&service)
        .ok_or_else(|| rows::corrupt("the service of an access record"))?;
    let operator = optional(row, 4, stored::decode_fiscal_code)?;
    let structure = |row| optional(row, 8, stored::decode_structure);
    let session = |row| optional(row, 11, |text| SessionId::parse(text).ok());
    let cun = |row| optional(row, 12, |text| Cun::parse(text).ok());
    let client_address = |row| {
        optional(row, 15, |text| text.parse::<IpAddr>().ok())?
            .ok_or_else(|| rows::corrupt("an access record's address"))
    };
    let detail = match service {
        Service::Submission => AccessDetail::Submission {
            structure: structure(row)?,
        },
        Service::Cancellation => AccessDetail::Cancellation {
            structure: structure(row)?,
        },
        Service::Listing => AccessDetail::Listing {
            structure: structure(row)?,
            operator,
        },
        Service::Verification => AccessDetail::Verification {
            operator,
            session: session(row)?,
            cun: cun(row)?,
            client_address: client_address(row)?,
        },
        Service::Unlock => AccessDetail::Unlock {
            operator,
            authentication: optional(row, 9, |text| AuthenticationKind::parse(text).ok())?,
            ended_at: Timestamp::from_millis_clamped(
                row.get::<_, Option<i64>>(10)?.unwrap_or_default(),
            ),
            session: session(row)?,
            client_address: client_address(row)?,
        },
        Service::Confirmation => AccessDetail::Confirmation {
            operator,
            kind: optional(row, 13, ConfirmationKind::parse)?,
            session: session(row)?,
            cun: cun(row)?,
            options: optional(row, 14, decode_options)?.unwrap_or_default(),
            client_address: client_address(row)?,
        },
        Service::AslOtp => AccessDetail::AslOtp { operator },
    };
    let verdict: String = row.get(6)?;
    let codes: String = row.get(7)?;
    let outcomes: Option<_> = codes.split_whitespace().map(Outcome::from_code).collect();
    Ok(AccessRecord {
        accessed_at: Timestamp::from_millis_clamped(row.get(1)?),
        caller: rows::decode_caller(&row.get::<_, String>(3)?)?,
        verdict: Verdict::from_code(&verdict)
            .ok_or_else(|| rows::corrupt("the verdict of an access record"))?,
        outcomes: outcomes.ok_or_else(|| rows::corrupt("an outcome of an access record"))?,
        transaction: TransactionId::parse(&row.get::<_, String>(5)?)
            .ok_or_else(|| rows::corrupt("the transaction of an access record"))?,
        detail,
    })
}

/// A nullable text column, read by `parse`.
fn optional<T>(
    row: &Row<'_>,
    index: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| parse(&text).ok_or_else(|| rows::corrupt("a field of an access record")))
        .transpose()
}

/// Options as lines of key, tab, value; tab, line end and backslash within them are escaped. `\L` and a number is the length of a value that is not
/// recorded: no value reads so, since its backslash would be escaped.
fn encode_options(options: &[RecordedOption]) -> String {
    let escape = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
    };
    options
        .iter()
        .map(|option| {
            let value = match &option.value {
                RecordedValue::Text(text) => escape(text),
                RecordedValue::Length(length) => format!("{LENGTH}{length}"),
            };
            format!("{}\t{value}\n", escape(&option.key))
        })
        .collect()
}

fn decode_options(text: &str) -> Option<Vec<RecordedOption>> {
    let unescape = |text: &str| {
        let mut plain = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            plain.push(match character {
                '\\' => match characters.next()? {
                    't' => '\t',
                    'n' => '\n',
                    other => other,
                },
                other => other,
            });
        }
        Some(plain)
    };
    text.lines()
        .map(|line| {
            let (key, value) = line.split_once('\t')?;
            let value = match value.strip_prefix(LENGTH) {
                Some(length) => RecordedValue::Length(length.parse().ok()?),
                None => RecordedValue::Text(unescape(value)?),
            };
            Some(RecordedOption {
                key: unescape(key)?,
                value,
            })
        })
        .collect()
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
    use sistema_ts_store::{AccessDetail, AccessRecord, ConfirmationKind};

    use super::{COLUMNS, RecordedOption, RecordedValue, decode, insert};
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
