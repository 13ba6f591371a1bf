//! A swab as it is submitted, its coded values, and how an operator signed in (§2.3, §2.4.1).

use std::fmt;

use chrono::NaiveDate;

use crate::{CodiceFiscale, Contact, StructureReference};

/// What a submission says of a swab and its person. It goes as one value from the message to the store.
#[derive(Debug, Clone)]
pub struct Swab {
    /// The structure that took the swab, as the message says; its region is the caller's.
    pub structure: StructureReference,
    /// The fiscal code of the person. A store seals a positive's, and keeps a MAC of a negative's.
    pub fiscal_code: CodiceFiscale,
    /// Day of the swab.
    pub swab_date: NaiveDate,
    /// Kind of test; `M` alone is defined.
    pub kind: TestKind,
    /// What the test found.
    pub result: TestResult,
    /// Phone or e-mail of the person; sealed.
    pub contact: Option<Contact>,
}

/// A value that is none of those that its field allows. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be one of {allowed}")]
pub struct UnknownValue {
    /// The allowed values, as a list in words.
    pub allowed: &'static str,
}

/// The result of a test: `esitoTest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestResult {
    /// `P`
    Positive,
    /// `N`
    Negative,
}

impl TestResult {
    /// Reads `P` or `N`.
    pub fn parse(value: &str) -> Result<Self, UnknownValue> {
        match value {
            "P" => Ok(Self::Positive),
            "N" => Ok(Self::Negative),
            _ => Err(UnknownValue { allowed: "P, N" }),
        }
    }

    /// `P` or `N`, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "P",
            Self::Negative => "N",
        }
    }

    /// `b'P'` or `b'N'`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Positive => b'P',
            Self::Negative => b'N',
        }
    }

    /// The result with this [code](TestResult::code).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            b'P' => Some(Self::Positive),
            b'N' => Some(Self::Negative),
            _ => None,
        }
    }
}

/// The kind of test: `tipologiaTest`. The document knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestKind {
    /// `M`: a molecular swab.
    Molecular,
}

impl TestKind {
    /// Reads `M`.
    pub fn parse(value: &str) -> Result<Self, UnknownValue> {
        match value {
            "M" => Ok(Self::Molecular),
            _ => Err(UnknownValue { allowed: "M" }),
        }
    }

    /// `M`, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Molecular => "M",
        }
    }
}

/// How the operator proved who they are to the calling system: `tipoAutenticazione` (§2.3, §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthenticationKind {
    /// `2F`: two factors.
    TwoFactor,
    /// `CNS`: the national services card.
    Cns,
    /// `CIE`: the electronic identity card.
    Cie,
    /// `SPID`: the public digital identity.
    Spid,
}

impl AuthenticationKind {
    /// All kinds, in the order of the document.
    pub const ALL: [Self; 4] = [Self::TwoFactor, Self::Cns, Self::Cie, Self::Spid];

    /// Reads `2F`, `CNS`, `CIE` or `SPID`.
    pub fn parse(value: &str) -> Result<Self, UnknownValue> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == value)
            .ok_or(UnknownValue {
                allowed: "2F, CNS, CIE, SPID",
            })
    }

    /// As on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoFactor => "2F",
            Self::Cns => "CNS",
            Self::Cie => "CIE",
            Self::Spid => "SPID",
        }
    }
}

impl fmt::Display for TestResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for TestKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for AuthenticationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
