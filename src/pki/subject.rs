//! Who a certificate is for: `C=IT, O=<kind>, OU=<code>, CN=<name>`.

use sistema_ts_model::{CallCenterCode, RegionCode};
use thiserror::Error;

/// The kinds of certificate, each with the `O` it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The authority itself.
    Authority,
    /// The server of the public listeners.
    Server,
    /// Sistema TS itself as a client, of the Immuni backend.
    Client,
    /// A region or autonomous province (§2.3, Table 1).
    Region,
    /// A call centre (§3.3).
    CallCenter,
    /// A security administrator.
    Administrator,
}

impl Kind {
    /// The value of `O`.
    #[must_use]
    pub fn organization(self) -> &'static str {
        match self {
            Kind::Authority | Kind::Server | Kind::Client => "Sistema TS",
            Kind::Region => "Regione",
            Kind::CallCenter => "CallCenter",
            Kind::Administrator => "Amministratore",
        }
    }
}

/// Why a subject is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// The name does not fit into a certificate.
    #[error("the name must have 1 to 64 characters, none of them a control character")]
    Name,
    /// The code of a region is none of the 21.
    #[error("the code must be that of a region or autonomous province: 010 to 200, 041 or 042")]
    Region,
    /// The code of a call centre or administrator cannot be used.
    #[error("the code must have 1 to 16 characters: letters, digits, dashes, dots and underscores")]
    Code,
}

/// The subject of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    kind: Kind,
    unit: Option<String>,
    name: String,
}

impl Subject {
    /// A subject, its parts checked. `code` is the region's code or the caller's own; what is of Sistema TS itself has none.
    ///
    /// # Errors
    /// [`SubjectError`] for the first part that cannot stand.
    pub fn new(kind: Kind, code: Option<&str>, name: &str) -> Result<Self, SubjectError> {
        // X.520 allows 64 characters for a common name.
        if name.chars().any(char::is_control) || !(1..=64).contains(&name.chars().count()) {
            return Err(SubjectError::Name);
        }
        let unit = match (kind, code) {
            (Kind::Authority | Kind::Server | Kind::Client, _) => None,
            (Kind::Region, code) => {
                let code = RegionCode::parse(code.unwrap_or_default())
                    .map_err(|_| SubjectError::Region)?;
                Some(code.as_str().to_owned())
            }
            // An administrator's code has the form of a call centre's.
            (Kind::CallCenter | Kind::Administrator, code) => {
                let code = CallCenterCode::parse(code.unwrap_or_default())
                    .map_err(|_| SubjectError::Code)?;
                Some(code.as_str().to_owned())
            }
        };
        Ok(Subject {
            kind,
            unit,
            name: name.to_owned(),
        })
    }

    /// The value of `O`.
    #[must_use]
    pub fn organization(&self) -> &'static str {
        self.kind.organization()
    }

    /// The value of `OU`, if the kind has one.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The value of `CN`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
