//! Who calls: what a certificate or a credential stands for, once the register has recognised it.

use std::fmt;
use std::ops::Deref;

use crate::ascii::AsciiText;
use crate::structure::{AslId, RegionCode, StructureId};

/// Why a text is no caller's key or no call centre's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// A call centre's code is not 1 to 16 letters, digits, dashes, dots or underscores.
    #[error(
        "the code of a call centre must have 1 to 16 characters of A-Z, a-z, 0-9, dash, dot and underscore"
    )]
    CallCenter,
    /// The text is not what [`Caller::to_key`] writes.
    #[error(
        "a caller's key is R and a region's code, S and a structure's identifier, A and an ASL's, or C and a call centre's code: R010, S010-101-000123, A010-101, Ccc1"
    )]
    Key,
}

/// The code of a registered call centre: 1 to 16 characters of `A`–`Z`, `a`–`z`, `0`–`9`, `-`, `.` and `_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallCenterCode(AsciiText<16>);

impl CallCenterCode {
    /// Takes the code as it is; case counts.
    pub fn parse(value: &str) -> Result<Self, CallerError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if value.is_empty() || !value.bytes().all(allowed) {
            return Err(CallerError::CallCenter);
        }
        AsciiText::new(value.as_bytes())
            .map(Self)
            .ok_or(CallerError::CallCenter)
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for CallCenterCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CallCenterCode({})", self.as_str())
    }
}

impl fmt::Display for CallCenterCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A registered caller. Two certificates of one caller are one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A region or autonomous province, by certificate.
    Region(RegionCode),
    /// A structure, by user, password and pincode of one of its operators.
    Structure(StructureId),
    /// An ASL, by user, password and pincode of one of its operators who belong to no structure.
    Asl(AslId),
    /// A call centre, by certificate from a registered network.
    CallCenter(CallCenterCode),
    /// Immuni's ingestion backend, by certificate.
    Immuni,
}

impl Caller {
    /// A compact text that stands for this caller wherever it is stored, and never changes: `R010`,
    /// `S010-101-000123`, `A010-101`, `C` and the call centre's code, `I`.
    #[must_use]
    pub fn to_key(&self) -> CallerKey {
        let mut bytes = [0; CallerKey::LONGEST];
        let mut length = 0;
        let mut push = |part: &str| {
            bytes[length..length + part.len()].copy_from_slice(part.as_bytes());
            length += part.len();
        };
        match self {
            Self::Region(region) => {
                push("R");
                push(region.as_str());
            }
            Self::Structure(id) => {
                push("S");
                push(id.region.as_str());
                push("-");
                push(id.asl.as_str());
                push("-");
                push(id.structure.as_str());
            }
            Self::Asl(id) => {
                push("A");
                push(id.region.as_str());
                push("-");
                push(id.asl.as_str());
            }
            Self::CallCenter(code) => {
                push("C");
                push(code.as_str());
            }
            Self::Immuni => push("I"),
        }
        // The longest key is C and 16 characters, and all parts are ASCII.
        CallerKey(AsciiText::new(&bytes[..length]).expect("short ASCII"))
    }

    /// Reads what [`to_key`](Caller::to_key) wrote.
    pub fn from_key(key: &str) -> Result<Self, CallerError> {
        match key.split_at_checked(1) {
            Some(("R", region)) => RegionCode::parse(region)
                .map(Self::Region)
                .map_err(|_| CallerError::Key),
            Some(("S", id)) => StructureId::parse(id)
                .map(Self::Structure)
                .map_err(|_| CallerError::Key),
            Some(("A", id)) => AslId::parse(id)
                .map(Self::Asl)
                .map_err(|_| CallerError::Key),
            Some(("C", code)) => CallCenterCode::parse(code)
                .map(Self::CallCenter)
                .map_err(|_| CallerError::Key),
            Some(("I", "")) => Ok(Self::Immuni),
            _ => Err(CallerError::Key),
        }
    }

    /// The region that this caller belongs to, if it is a region, a structure or an ASL.
    #[must_use]
    pub fn region(&self) -> Option<RegionCode> {
        match self {
            Self::Region(region) => Some(*region),
            Self::Structure(id) => Some(id.region),
            Self::Asl(id) => Some(id.region),
            Self::CallCenter(_) | Self::Immuni => None,
        }
    }

    /// Whether this caller proves itself by user, password and pincode; the others do by certificate.
    #[must_use]
    pub fn signs_in_by_user(&self) -> bool {
        match self {
            Self::Structure(_) | Self::Asl(_) => true,
            Self::Region(_) | Self::CallCenter(_) | Self::Immuni => false,
        }
    }
}

/// The text of [`Caller::to_key`]: at most 17 ASCII characters, held in place. Reads as a `&str`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerKey(AsciiText<{ CallerKey::LONGEST }>);

impl CallerKey {
    /// The longest key.
    const LONGEST: usize = 17;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for CallerKey {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for CallerKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for CallerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for CallerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CallerKey({})", self.as_str())
    }
}
