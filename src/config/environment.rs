//! Environment variables over the file: `SISTEMA_TS_<SECTION>__<KEY>`, in capitals.

use std::ffi::OsString;

use toml::{Table, Value};

use super::{Configuration, ConfigurationError};

/// With what the name of every variable of ours begins.
pub const ENVIRONMENT_PREFIX: &str = "SISTEMA_TS_";

/// Names the configuration file itself; not a key of it.
pub const CONFIGURATION_FILE_VARIABLE: &str = "SISTEMA_TS_CONFIGURATION";

/// Lays the variables of ours in `environment` over `table` and reads the configuration from both.
///
/// How a value is read is decided by the type of the key's default: text as it stands, numbers and booleans as TOML, a list
/// as a TOML array or as elements with commas between.
pub(super) fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Configuration, ConfigurationError> {
    let defaults = Table::try_from(Configuration::default())
        .expect("the defaults are plain data, which TOML can hold");
    let mut applied = Vec::new();
    for (name, value) in environment {
        let Some(variable) = name
            .to_str()
            .filter(|name| name.starts_with(ENVIRONMENT_PREFIX))
        else {
            continue;
        };
        if variable == CONFIGURATION_FILE_VARIABLE {
            continue;
        }
        let refuse = |reason: &str| ConfigurationError::Environment {
            variable: variable.to_owned(),
            reason: reason.to_owned(),
        };
        let value = value.to_str().ok_or_else(|| refuse("is not UTF-8"))?;
        let (section, key) = split(variable)
            .ok_or_else(|| refuse("is not of the form SISTEMA_TS_<SECTION>__<KEY>"))?;
        let default = defaults
            .get(&section)
            .and_then(Value::as_table)
            .ok_or_else(|| refuse("names an unknown section"))?
            .get(&key)
            .ok_or_else(|| refuse("names an unknown key"))?;
        let value = read_like(default, value).map_err(refuse)?;
        // A section that the file leaves out takes its other keys from the defaults: for the listeners, whose defaults
        // differ, they must be written out.
        let whole = table
            .entry(section.clone())
            .or_insert_with(|| defaults[&section].clone());
        let whole = whole.as_table_mut().expect(
            "the file was read as a configuration before, so each of its sections is a table",
        );
        whole.insert(key.clone(), value);
        applied.push((variable.to_owned(), section, key));
    }
    let read = Value::Table(table.clone()).try_into::<Configuration>();
    read.map_err(|error| blame(table, &applied, &error))
}

/// The section and key that a variable names, in the file's spelling.
fn split(variable: &str) -> Option<(String, String)> {
    let (section, key) = variable
        .strip_prefix(ENVIRONMENT_PREFIX)?
        .split_once("__")?;
    if variable.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

/// Reads `text` as a value of the type of `default`.
fn read_like(default: &Value, text: &str) -> Result<Value, &'static str> {
    let trimmed = text.trim();
    match default {
        Value::Integer(_) => trimmed
            .parse::<i64>()
            .map(Value::Integer)
            .map_err(|_| "is not a whole number"),
        Value::Boolean(_) => trimmed
            .parse::<bool>()
            .map(Value::Boolean)
            .map_err(|_| "is neither true nor false"),
        Value::Array(_) if trimmed.starts_with('[') => {
            toml::from_str::<Table>(&format!("list = {trimmed}"))
                .ok()
                .and_then(|mut table| table.remove("list"))
                .ok_or("is not a TOML array")
        }
        Value::Array(_) => Ok(Value::Array(
            trimmed
                .split(',')
                .map(str::trim)
                .filter(|element| !element.is_empty())
                .map(|element| Value::String(element.to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Finds which variable made the configuration unreadable: the first whose value alone, over the defaults, does.
fn blame(
    table: &Table,
    applied: &[(String, String, String)],
    error: &toml::de::Error,
) -> ConfigurationError {
    let guilty = applied.iter().find(|(_, section, key)| {
        let mut alone = Table::try_from(Configuration::default()).unwrap_or_default();
        if let (Some(Value::Table(target)), Some(Value::Table(source))) =
            (alone.get_mut(section), table.get(section))
            && let Some(value) = source.get(key)
        {
            target.insert(key.clone(), value.clone());
        }
        Value::Table(alone).try_into::<Configuration>().is_err()
    });
    ConfigurationError::Environment {
        variable: guilty.map_or_else(
            || ENVIRONMENT_PREFIX.to_owned(),
            |(variable, _, _)| variable.clone(),
        ),
        reason: super::without_value(error.message()).to_owned(),
    }
}
