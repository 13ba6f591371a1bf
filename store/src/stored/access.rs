//! An access record as the texts and numbers that every store keeps of it.

use std::net::IpAddr;

use sistema_ts_model::{
    AuthenticationKind, Caller, CodiceFiscale, Cun, Outcome, RegionCode, Service, SessionId,
    StructureReference, Timestamp, TransactionId, Verdict,
};

use super::{decode_fiscal_code, decode_structure, encode_structure};
use crate::access::{AccessDetail, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue};

/// What stands before the length of an option's value that is not recorded.
const LENGTH: &str = "\\L";

/// An access record, column by column. Moments are milliseconds since 1970; what a service's section does not name is absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AccessColumns {
    /// When the request reached the service.
    pub accessed_ms: i64,
    /// Name of the service.
    pub service: String,
    /// Key of the caller.
    pub caller: String,
    /// Fiscal code of the operator.
    pub operator: Option<String>,
    /// `identificativoTransazione`.
    pub transaction: String,
    /// `esito`.
    pub outcome: String,
    /// Codes of `listaErrori`, with blanks between.
    pub errors: String,
    /// The structure, as [`encode_structure`] writes it.
    pub structure: Option<String>,
    /// How the client authenticated its operator.
    pub authentication: Option<String>,
    /// When the transaction ended.
    pub ended_ms: Option<i64>,
    /// `idVerificaTampone`.
    pub session: Option<String>,
    /// The code.
    pub cun: Option<String>,
    /// `idTipoComunicazione`.
    pub confirmation: Option<String>,
    /// `opzioni`, a line each.
    pub options: Option<String>,
    /// Address of the client.
    pub client_address: Option<String>,
}

impl AccessColumns {
    /// The columns of a record.
    #[must_use]
    pub fn encode(record: &AccessRecord) -> Self {
        let codes: Vec<_> = record
            .outcomes
            .iter()
            .map(|outcome| outcome.code())
            .collect();
        let columns = Self {
            accessed_ms: record.accessed_at.millis(),
            service: record.service().name().to_owned(),
            caller: record.caller.to_key().to_string(),
            operator: record
                .operator()
                .map(|operator| CodiceFiscale::expose(operator).to_owned()),
            transaction: record.transaction.to_string(),
            outcome: record.verdict.code().to_owned(),
            errors: codes.join(" "),
            ..Self::default()
        };
        columns.with_detail(record)
    }

    fn with_detail(self, record: &AccessRecord) -> Self {
        let text_of_structure = |structure: &Option<StructureReference>| {
            // The region is the caller's; a caller without one names no structure by description.
            let region = record.caller.region().or_else(|| RegionCode::all().next());
            structure
                .as_ref()
                .zip(region)
                .map(|(structure, region)| encode_structure(structure, region))
        };
        match &record.detail {
            AccessDetail::Submission { structure }
            | AccessDetail::Cancellation { structure }
            | AccessDetail::Listing { structure, .. } => Self {
                structure: text_of_structure(structure),
                ..self
            },
            AccessDetail::Verification {
                session,
                cun,
                client_address,
                ..
            } => Self {
                session: session.as_ref().map(SessionId::to_text),
                cun: cun.map(|cun| cun.to_string()),
                client_address: Some(client_address.to_string()),
                ..self
            },
            AccessDetail::Unlock {
                authentication,
                ended_at,
                session,
                client_address,
                ..
            } => Self {
                authentication: authentication.map(|kind| kind.as_str().to_owned()),
                ended_ms: Some(ended_at.millis()),
                session: session.as_ref().map(SessionId::to_text),
                client_address: Some(client_address.to_string()),
                ..self
            },
            AccessDetail::Confirmation {
                kind,
                session,
                cun,
                options,
                client_address,
                ..
            } => Self {
                confirmation: kind.map(|kind| kind.as_str().to_owned()),
                session: session.as_ref().map(SessionId::to_text),
                cun: cun.map(|cun| cun.to_string()),
                options: (!options.is_empty()).then(|| encode_options(options)),
                client_address: Some(client_address.to_string()),
                ..self
            },
            AccessDetail::AslOtp { .. } => self,
        }
    }

    /// The record that the columns are of.
    ///
    /// # Errors
    /// Which of them no version up to this one has written, in words that hold none of its value.
    pub fn decode(&self) -> Result<AccessRecord, &'static str> {
        let outcomes: Option<_> = self
            .errors
            .split_whitespace()
            .map(Outcome::from_code)
            .collect();
        Ok(AccessRecord {
            accessed_at: Timestamp::from_millis_clamped(self.accessed_ms),
            caller: Caller::from_key(&self.caller).map_err(|_| "the caller of an access record")?,
            verdict: Verdict::from_code(&self.outcome).ok_or("the verdict of an access record")?,
            outcomes: outcomes.ok_or("an outcome of an access record")?,
            transaction: TransactionId::parse(&self.transaction)
                .ok_or("the transaction of an access record")?,
            detail: self.decode_detail()?,
        })
    }

    fn decode_detail(&self) -> Result<AccessDetail, &'static str> {
        let service = Service::from_name(&self.service).ok_or("the service of an access record")?;
        let operator = read(&self.operator, decode_fiscal_code)?;
        let structure = || read(&self.structure, decode_structure);
        let session = || read(&self.session, |text| SessionId::parse(text).ok());
        let cun = || read(&self.cun, |text| Cun::parse(text).ok());
        let client_address = || {
            read(&self.client_address, |text| text.parse::<IpAddr>().ok())?
                .ok_or("an access record's address")
        };
        Ok(match service {
            Service::Submission => AccessDetail::Submission {
                structure: structure()?,
            },
            Service::Cancellation => AccessDetail::Cancellation {
                structure: structure()?,
            },
            Service::Listing => AccessDetail::Listing {
                structure: structure()?,
                operator,
            },
            Service::Verification => AccessDetail::Verification {
                operator,
                session: session()?,
                cun: cun()?,
                client_address: client_address()?,
            },
            Service::Unlock => AccessDetail::Unlock {
                operator,
                authentication: read(&self.authentication, |text| {
                    AuthenticationKind::parse(text).ok()
                })?,
                ended_at: Timestamp::from_millis_clamped(self.ended_ms.unwrap_or_default()),
                session: session()?,
                client_address: client_address()?,
            },
            Service::Confirmation => AccessDetail::Confirmation {
                operator,
                kind: read(&self.confirmation, ConfirmationKind::parse)?,
                session: session()?,
                cun: cun()?,
                options: read(&self.options, decode_options)?.unwrap_or_default(),
                client_address: client_address()?,
            },
            Service::AslOtp => AccessDetail::AslOtp { operator },
        })
    }
}

/// A text that may be absent, read by `parse`.
fn read<T>(
    text: &Option<String>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, &'static str> {
    text.as_deref()
        .map(|text| parse(text).ok_or("a field of an access record"))
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
