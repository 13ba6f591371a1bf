//! `sistema-ts audit …`: the archive of access records (§2.5, §3.4, §5.2).

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Days, MappedLocalTime, NaiveDateTime, TimeZone as _};
use chrono_tz::Europe::Rome;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use sistema_ts_model::{
    AuthenticationKind, Caller, Clock as _, MILLIS_PER_DAY, Service, SessionId, StructureReference,
    SystemClock, Timestamp, TransactionId, parse_date,
};
use sistema_ts_store::{
    AccessDetail, AccessQuery, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue,
};

use super::configuration::Configured;
use super::error::{AuditError, CliError};
use super::person::read_fiscal_code;

/// Records read from the archive at once.
const PAGE: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the access records that meet every condition given, beside a running server or without one
    ///
    /// They come day by day: the records of a day's services in the order of arrival, then its accepted submissions. Moments are those of Rome:
    /// 2026-11-24, 2026-11-24T07:30, 2026-11-24T07:30:15, or with an offset 2026-11-24T07:30:15+01:00.
    Search(SearchArguments),
}

#[derive(Debug, Args)]
pub(super) struct SearchArguments {
    /// First moment; a day counts from its beginning. A day before the last one if it is not given
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// End; a moment is excluded, a day is included whole. Now if it is not given
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// Only an operator's, whose codice fiscale is read from standard input
    #[arg(long)]
    operator: bool,
    /// Only an operator's, whose codice fiscale is in this file
    #[arg(long, value_name = "FILE", conflicts_with = "operator")]
    operator_file: Option<PathBuf>,
    /// Only a caller's: R and a region's code, S and a structure's identifier, A and an ASL's, or C and a call centre's code: R010, S010-101-000123, A010-101, Ccc1
    #[arg(long, value_name = "KEY", value_parser = Caller::from_key)]
    caller: Option<Caller>,
    /// Only the transaction's: identificativoTransazione, which for an accepted submission is the CUN
    #[arg(long, value_name = "ID", value_parser = parse_transaction)]
    transaction: Option<TransactionId>,
    /// Only a service's, by the name of its operation: verificaPositivita
    #[arg(long, value_name = "NAME", value_parser = parse_service)]
    service: Option<Service>,
    /// At most so many records; without it all of them
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// How they are shown: a JSON object a line, or text for people
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Text,
}

/// A moment on the command line, or a whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    from: Timestamp,
    to: Timestamp,
}

impl Moment {
    fn parse(value: &str) -> Result<Self, &'static str> {
        if let Ok(day) = parse_date(value) {
            let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
            return Ok(Self {
                from: Timestamp::start_of_rome_day(day),
                to: Timestamp::start_of_rome_day(next),
            });
        }
        if let Ok(moment) = DateTime::parse_from_rfc3339(value) {
            let moment = Timestamp::from_millis_clamped(moment.timestamp_millis());
            return Ok(Self {
                from: moment,
                to: moment,
            });
        }
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(value, format).ok())
            .ok_or("it must be a day or a moment, as 2026-11-24 or 2026-11-24T07:30")?;
        // An hour that Rome has twice is searched from the first and to the second.
        let (from, to) = match Rome.from_local_datetime(&local) {
            MappedLocalTime::Single(moment) => (moment, moment),
            MappedLocalTime::Ambiguous(first, second) => (first, second),
            MappedLocalTime::None => return Err("Rome's clocks skip this moment"),
        };
        Ok(Self {
            from: Timestamp::from_millis_clamped(from.timestamp_millis()),
            to: Timestamp::from_millis_clamped(to.timestamp_millis()),
        })
    }
}

fn parse_transaction(value: &str) -> Result<TransactionId, &'static str> {
    TransactionId::parse(value).ok_or("it must be a UUID or a CUN")
}

fn parse_service(value: &str) -> Result<Service, String> {
    Service::from_name(value).ok_or_else(|| {
        let names: Vec<&str> = Service::ALL.into_iter().map(Service::name).collect();
        format!("it must be one of {}", names.join(", "))
    })
}

pub(super) fn run(arguments: Configured<Command>) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let Command::Search(search) = arguments.command;
    let query = search.query(SystemClock.now())?;
    let archive = configuration
        .archives()
        .access()
        .map_err(AuditError::from)?;
    let mut output = BufWriter::new(io::stdout().lock());
    let (mut written, mut failure) = (0, None);
    let searched = archive.search(&query, &mut |record| {
        if search
            .service
            .is_some_and(|service| service != record.service())
        {
            return true;
        }
        let line = search.format.line(&record);
        if let Err(error) = output.write_all(line.as_bytes()) {
            failure = Some(error);
            return false;
        }
        written += 1;
        search.limit.is_none_or(|limit| written < limit)
    });
    if let Some(error) = failure {
        return Err(CliError::Output(error));
    }
    searched.map_err(AuditError::from)?;
    output.flush().map_err(CliError::Output)?;
    if search.limit == Some(written) {
        eprintln!("sistema-ts: stopped at --limit, {written}: there may be more");
    }
    Ok(ExitCode::SUCCESS)
}

impl SearchArguments {
    fn query(&self, now: Timestamp) -> Result<AccessQuery, CliError> {
        // What reaches the server while the search goes on may be found or not.
        let to = self.to.map_or(now.plus_millis(1), |to| to.to);
        let from = self
            .from
            .map_or(to.minus_millis(MILLIS_PER_DAY), |from| from.from);
        if from >= to {
            return Err(AuditError::Interval.into());
        }
        let file = self.operator_file.as_deref();
        let operator = (self.operator || file.is_some()).then(|| read_fiscal_code(file));
        Ok(AccessQuery {
            from,
            to,
            operator: operator.transpose()?,
            caller: self.caller,
            transaction: self.transaction,
            after: None,
            limit: PAGE,
        })
    }
}

impl Format {
    fn line(self, record: &AccessRecord) -> String {
        let fields = fields(record);
        match self {
            Format::Json => format!("{}\n", fields.into_iter().collect::<Value>()),
            Format::Text => {
                let shown = fields.iter().filter(|(_, value)| !value.is_null());
                let texts: Vec<String> = shown
                    .map(|(name, value)| match value {
                        Value::String(text) if !text.contains([' ', '"']) => {
                            format!("{name}={text}")
                        }
                        value => format!("{name}={value}"),
                    })
                    .collect();
                format!("{}\n", texts.join(" "))
            }
        }
    }
}

/// The fields that every record has, and those that its service's section names; what the request did not have is null.
fn fields(record: &AccessRecord) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("accessed_at", text(Some(record.accessed_at))),
        ("service", text(Some(record.service().name()))),
        ("caller", text(Some(record.caller.to_key()))),
        ("outcome", text(Some(record.verdict.code()))),
        (
            "errors",
            record
                .outcomes
                .iter()
                .map(|outcome| outcome.code())
                .collect(),
        ),
        ("transaction", text(Some(record.transaction))),
    ];
    if !matches!(
        record.detail,
        AccessDetail::Submission { .. } | AccessDetail::Cancellation { .. }
    ) {
        let operator = record.operator().map(|operator| operator.expose());
        fields.push(("operator", text(operator)));
    }
    let session_text = |session: &Option<SessionId>| text(session.as_ref().map(SessionId::to_text));
    match &record.detail {
        AccessDetail::Submission { structure }
        | AccessDetail::Cancellation { structure }
        | AccessDetail::Listing { structure, .. } => {
            let (identifier, description) = match structure {
                Some(StructureReference::Identifier(id)) => (Some(id.to_string()), None),
                Some(StructureReference::Description(description)) => {
                    (None, Some(description.as_str()))
                }
                None => (None, None),
            };
            fields.push(("structure_identifier", text(identifier)));
            fields.push(("structure_description", text(description)));
        }
        AccessDetail::Verification {
            session,
            cun,
            client_address,
            ..
        } => fields.extend([
            ("session", session_text(session)),
            ("code", text(*cun)),
            ("client_address", text(Some(client_address))),
        ]),
        AccessDetail::Unlock {
            authentication,
            ended_at,
            session,
            client_address,
            ..
        } => fields.extend([
            (
                "operator_authentication",
                text(authentication.map(AuthenticationKind::as_str)),
            ),
            ("ended_at", text(Some(ended_at))),
            ("session", session_text(session)),
            ("client_address", text(Some(client_address))),
        ]),
        AccessDetail::Confirmation {
            kind,
            session,
            cun,
            options,
            client_address,
            ..
        } => fields.extend([
            (
                "communication_kind",
                text(kind.map(ConfirmationKind::as_str)),
            ),
            ("session", session_text(session)),
            ("code", text(*cun)),
            ("options", options_value(options)),
            ("client_address", text(Some(client_address))),
        ]),
        AccessDetail::AslOtp { .. } => {}
    }
    fields
}

/// A list, since a key may come twice.
fn options_value(options: &[RecordedOption]) -> Value {
    let option = |option: &RecordedOption| match &option.value {
        RecordedValue::Text(text) => json!({"key": option.key, "value": text}),
        RecordedValue::Length(length) => json!({"key": option.key, "length": length}),
    };
    options.iter().map(option).collect()
}

fn text(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, |value| value.to_string().into())
}
