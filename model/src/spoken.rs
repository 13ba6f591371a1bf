//! Codes as one person dictates them and another types or pastes them: one rule for all of them.
//!
//! What people and programs put *between* symbols says nothing and is taken out; small letters are capitals. Nothing else is changed: a letter
//! of another alphabet that looks like a Latin one (Cyrillic `А`, full-width `Ａ`) is told, never taken for it, since nobody knows what it stands
//! for.

use zeroize::Zeroizing;

/// Bytes that a spoken code may have: the longest, with a separator of three bytes on both sides of each symbol, has fewer.
const LONGEST: usize = 256;

/// The symbols of a code, in capitals, without what stands between them; `None` if the text is too long to be looked at.
#[must_use]
pub fn symbols_of(value: &str) -> Option<Zeroizing<String>> {
    if value.len() > LONGEST {
        return None;
    }
    // The capacity is enough, so that no growth leaves a copy behind.
    let mut symbols = Zeroizing::new(String::with_capacity(value.len()));
    symbols.extend(
        value
            .chars()
            .filter(|character| !is_separator(*character))
            .map(|character| character.to_ascii_uppercase()),
    );
    Some(symbols)
}

/// Which character is a letter or digit of another alphabet than the Latin one, counted from 1. Letters with accents are Latin.
pub(crate) fn foreign_position(value: &str) -> Option<usize> {
    let is_latin = |character| matches!(character, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    value
        .chars()
        .position(|character| !is_latin(character) && character.is_alphanumeric())
        .map(|index| index + 1)
}

/// Whether this stands between symbols and says nothing: blanks, line ends, dashes, dots, colons and underscores of any kind, and what cannot be
/// seen.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || is_dash(character)
        || is_invisible(character)
        || matches!(
            character,
            // Dots.
            '.' | '\u{b7}' | '\u{2022}' | '\u{2024}'..='\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{3002}' | '\u{30fb}' | '\u{fe52}'
            | '\u{ff0e}' | '\u{ff61}' | '\u{ff65}'
            // Colons.
            | ':' | '\u{2236}' | '\u{a789}' | '\u{fe13}' | '\u{fe55}' | '\u{ff1a}'
            // Underscores: Unicode's connector punctuation.
            | '_' | '\u{203f}' | '\u{2040}' | '\u{2054}' | '\u{fe33}' | '\u{fe34}' | '\u{fe4d}'..='\u{fe4f}' | '\u{ff3f}'
        )
}

/// Unicode's property `Dash`, and the hyphen bullet.
fn is_dash(character: char) -> bool {
    matches!(
        character,
        '-' | '\u{58a}' | '\u{5be}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2053}'
                | '\u{207b}'
                | '\u{208b}'
                | '\u{2212}'
                | '\u{2e17}'
                | '\u{2e1a}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{2e40}'
                | '\u{2e5d}'
                | '\u{301c}'
                | '\u{3030}'
                | '\u{30a0}'
                | '\u{fe31}'
                | '\u{fe32}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
                | '\u{10d6e}'
                | '\u{10ead}'
    )
}

/// Unicode's property `Default_Ignorable_Code_Point`: soft hyphen, joiners, marks of direction, byte order mark, variation selectors and the like.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}
