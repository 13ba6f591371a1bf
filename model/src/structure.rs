//! Regions, ASLs and structures, and the two ways a message names a structure (§2.4.1, tables 2, 4 and 6).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::ascii::AsciiText;

/// What is wrong with the identifier or the description of a structure. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// The region is none of the 21 codes.
    #[error("the region must be one of the 21 codes from 010 to 200 (041 Bolzano, 042 Trento)")]
    Region,
    /// The ASL is not three digits.
    #[error("the ASL must have 3 digits")]
    Asl,
    /// The structure is not 1 to 6 ASCII letters and digits.
    #[error("the structure must have 1 to 6 letters and digits")]
    Structure,
    /// The text is not region, ASL and structure with a dash between them.
    #[error("it must be region-asl-structure, such as 010-101-000123")]
    Form,
    /// The text is not region and ASL with a dash between them.
    #[error("it must be region-asl, such as 010-101")]
    AslForm,
    /// The description is empty, or blank, or longer than 256 characters.
    #[error("the description must have 1 to 256 characters")]
    DescriptionLength,
    /// The description holds a control character, such as a line end.
    #[error("the description must not hold control characters")]
    DescriptionCharacter,
}

/// The codes of the regions and of the two autonomous provinces, in ascending order, with their names.
const REGIONS: [(&str, &str); 21] = [
    ("010", "Piemonte"),
    ("020", "Valle d'Aosta"),
    ("030", "Lombardia"),
    ("041", "Provincia autonoma di Bolzano"),
    ("042", "Provincia autonoma di Trento"),
    ("050", "Veneto"),
    ("060", "Friuli Venezia Giulia"),
    ("070", "Liguria"),
    ("080", "Emilia-Romagna"),
    ("090", "Toscana"),
    ("100", "Umbria"),
    ("110", "Marche"),
    ("120", "Lazio"),
    ("130", "Abruzzo"),
    ("140", "Molise"),
    ("150", "Campania"),
    ("160", "Puglia"),
    ("170", "Basilicata"),
    ("180", "Calabria"),
    ("190", "Sicilia"),
    ("200", "Sardegna"),
];

/// The code of a region or autonomous province: one of 21.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionCode(u8);

impl RegionCode {
    /// Reads three digits.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        Self::all()
            .find(|region| region.as_str() == value)
            .ok_or(StructureError::Region)
    }

    /// All 21, in ascending order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..21).map(Self)
    }

    /// The three digits.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        REGIONS[self.index()].0
    }

    /// The Italian name of the region.
    #[must_use]
    pub fn name(self) -> &'static str {
        REGIONS[self.index()].1
    }

    /// Its place among the 21: 0 to 20.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegionCode({})", self.as_str())
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The code of an ASL, a local health authority, within its region: three digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AslCode(AsciiText<3>);

impl AslCode {
    /// Reads three digits.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        if value.len() != 3 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StructureError::Asl);
        }
        AsciiText::new(value.as_bytes())
            .map(Self)
            .ok_or(StructureError::Asl)
    }

    /// The three digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for AslCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AslCode({})", self.as_str())
    }
}

impl fmt::Display for AslCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The identifier of an ASL: region and ASL. Written `010-101`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AslId {
    /// `codiceRegione`
    pub region: RegionCode,
    /// `codiceAsl`
    pub asl: AslCode,
}

impl AslId {
    /// Reads the two codes with a dash between them, as [`Display`](fmt::Display) writes them.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        let (region, asl) = value.split_once('-').ok_or(StructureError::AslForm)?;
        Ok(Self {
            region: RegionCode::parse(region)?,
            asl: AslCode::parse(asl)?,
        })
    }
}

impl fmt::Debug for AslId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AslId({self})")
    }
}

impl fmt::Display for AslId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.region, self.asl)
    }
}

/// The code of a structure within its ASL: 1 to 6 ASCII letters and digits, taken as they are (`A1` is not `a1`, and
/// `123` is not `000123`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StructureCode(AsciiText<6>);

impl StructureCode {
    /// Reads 1 to 6 ASCII letters and digits.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(StructureError::Structure);
        }
        AsciiText::new(value.as_bytes())
            .map(Self)
            .ok_or(StructureError::Structure)
    }

    /// The letters and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for StructureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StructureCode({})", self.as_str())
    }
}

impl fmt::Display for StructureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The identifier of a structure at Sistema TS: region, ASL and structure. Written `010-101-000123`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StructureId {
    /// `codiceRegione`
    pub region: RegionCode,
    /// `codiceAsl`
    pub asl: AslCode,
    /// `codiceStruttura`
    pub structure: StructureCode,
}

impl StructureId {
    /// Reads the three codes with a dash between them, as [`Display`](fmt::Display) writes them.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        let (region, rest) = value.split_once('-').ok_or(StructureError::Form)?;
        let (asl, structure) = rest.split_once('-').ok_or(StructureError::Form)?;
        Ok(Self {
            region: RegionCode::parse(region)?,
            asl: AslCode::parse(asl)?,
            structure: StructureCode::parse(structure)?,
        })
    }
}

impl fmt::Debug for StructureId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StructureId({self})")
    }
}

impl fmt::Display for StructureId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.region, self.asl, self.structure)
    }
}

/// The description of a structure that has no identifier at Sistema TS: 1 to 256 characters (of its NFC), not all blank, no control
/// characters. It is kept as it was sent: nothing is trimmed or folded. Copies share the text: a listing holds thousands of one.
///
/// Two descriptions are the same structure's if they are equal in Unicode's NFC, in which `à` is one character whether it was sent as one
/// (as Windows and most databases write it) or as `a` and an accent (as macOS does): [`is_same_as`](StructureDescription::is_same_as). `==`
/// is of the text as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StructureDescription(Arc<str>);

impl StructureDescription {
    /// The most characters (not bytes) of a description, in NFC.
    pub const MAX_CHARACTERS: usize = 256;

    /// Takes the text as it is.
    pub fn parse(value: &str) -> Result<Self, StructureError> {
        // No character of NFC has more than twelve bytes however it is composed: whatever is longer is not looked at.
        let too_long = value.len() > 12 * Self::MAX_CHARACTERS
            || nfc(value).chars().count() > Self::MAX_CHARACTERS;
        if too_long || value.chars().all(char::is_whitespace) {
            return Err(StructureError::DescriptionLength);
        }
        if value.chars().any(char::is_control) {
            return Err(StructureError::DescriptionCharacter);
        }
        Ok(Self(value.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text in NFC, by which it is matched.
    #[must_use]
    pub fn normalized(&self) -> Cow<'_, str> {
        nfc(&self.0)
    }

    /// Whether the other describes the same structure.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.0 == other.0 || self.normalized() == other.normalized()
    }
}

/// A text in Unicode's NFC: canonically composed. Compatibility forms (`ﬁ`, `①`, full-width letters) stay what they are.
#[must_use]
pub fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// How a message names a structure: by identifier, or, from a region only, by description.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StructureReference {
    /// `identificativoStruttura`
    Identifier(StructureId),
    /// `descrizioneStruttura`
    Description(StructureDescription),
}

impl StructureReference {
    /// Whether the other names the same structure: the same identifier, or the same description in NFC.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Identifier(one), Self::Identifier(other)) => one == other,
            (Self::Description(one), Self::Description(other)) => one.is_same_as(other),
            (Self::Identifier(_), Self::Description(_))
            | (Self::Description(_), Self::Identifier(_)) => false,
        }
    }
}
