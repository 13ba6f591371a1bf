//! Environment variables over the file: `SISTEMA_TS_<SECTION>__<KEY>`, in capitals.
//!
//! Only a name with two underscores is one of ours: Kubernetes gives every container `SISTEMA_TS_PORT`, `SISTEMA_TS_SERVICE_HOST` and more like
//! these as soon as a service is named `sistema-ts`.

use std::ffi::OsString;

use toml::{Table, Value};

use super::reading::{Place, Reading};

/// With what the name of every variable of ours begins.
pub const ENVIRONMENT_PREFIX: &str = "SISTEMA_TS_";

/// Names the configuration file itself; not a key of it.
pub const CONFIGURATION_FILE_VARIABLE: &str = "SISTEMA_TS_CONFIGURATION";

/// What stands between section and key in the name of a variable.
const SEPARATOR: &str = "__";

/// Takes the value of every variable of ours in `environment`. One of ours that names no key is a fault, and one that is not ours is not looked
/// at.
///
/// How a value is read is decided by the type of the key's default: text as it stands, numbers and booleans as TOML, a list
/// as a TOML array or as elements with commas between. An empty value is a value, not an absent one.
pub(super) fn read(
    reading: &mut Reading,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) {
    for (name, value) in environment {
        let shown = name.to_string_lossy().into_owned();
        // Also a name in small letters is meant for us, but is none.
        let capitals = shown.to_ascii_uppercase();
        let Some((section, key)) = capitals
            .strip_prefix(ENVIRONMENT_PREFIX)
            .and_then(|rest| rest.split_once(SEPARATOR))
        else {
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        let place = Place::Variable(shown.clone());
        if name.to_str().is_none() {
            reading.fault(&place, "its name is not UTF-8");
            continue;
        }
        if shown != capitals {
            reading.fault(&place, "its name must be in capitals");
            continue;
        }
        let read = match reading.default_of(&section, &key) {
            Ok(default) => read_like(default, &value),
            Err(what) => {
                reading.fault(&place, what);
                continue;
            }
        };
        match read {
            Ok(value) => reading.value(place, &section, &key, value),
            Err(what) => reading.unreadable(&place, &section, &key, what),
        }
    }
}

/// Reads `value` as one of the type of `default`.
fn read_like(default: &Value, value: &OsString) -> Result<Value, &'static str> {
    let text = value.to_str().ok_or("it is not UTF-8")?;
    let trimmed = text.trim();
    match default {
        Value::Integer(_) => trimmed
            .parse::<i64>()
            .map(Value::Integer)
            .map_err(|_| "it is not a whole number"),
        Value::Boolean(_) => trimmed
            .parse::<bool>()
            .map(Value::Boolean)
            .map_err(|_| "it is neither true nor false"),
        Value::Array(_) if trimmed.starts_with('[') => {
            toml::from_str::<Table>(&format!("list = {trimmed}"))
                .ok()
                .and_then(|mut table| table.remove("list"))
                .ok_or("it is not a TOML array")
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
