//! The texts and numbers as which every store keeps what is not of its own making: a structure, a region, a fiscal code, an access record.

mod access;

use sistema_ts_model::{
    CodiceFiscale, CodiceFiscaleOptions, RegionCode, StructureDescription, StructureId,
    StructureReference,
};

pub use access::AccessColumns;

/// A structure as a text: `I` and the identifier, or `D`, the region and the description.
#[must_use]
pub fn encode_structure(structure: &StructureReference, region: RegionCode) -> String {
    match structure {
        StructureReference::Identifier(id) => format!("I{id}"),
        StructureReference::Description(description) => {
            format!("D{region}{}", description.as_str())
        }
    }
}

/// Reads what [`encode_structure`] wrote; none for anything else.
#[must_use]
pub fn decode_structure(text: &str) -> Option<StructureReference> {
    match text.split_at_checked(1)? {
        ("I", id) => StructureId::parse(id)
            .ok()
            .map(StructureReference::Identifier),
        ("D", rest) => rest
            .split_at_checked(3)
            .and_then(|(_, description)| StructureDescription::parse(description).ok())
            .map(StructureReference::Description),
        _ => None,
    }
}

/// A region as a number: that of its code, below 1,000.
#[must_use]
pub fn encode_region(region: RegionCode) -> u16 {
    region
        .as_str()
        .bytes()
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

/// Reads what [`encode_region`] wrote; none for anything else.
#[must_use]
pub fn decode_region(number: u16) -> Option<RegionCode> {
    RegionCode::all().find(|region| encode_region(*region) == number)
}

/// A stored fiscal code of any kind: which kinds are taken was decided when it came in.
#[must_use]
pub fn decode_fiscal_code(text: &str) -> Option<CodiceFiscale> {
    let options = CodiceFiscaleOptions {
        accept_stp_eni: true,
    };
    CodiceFiscale::parse_with(text, options).ok()
}
