//! What can be wrong with a code of ten symbols, and the check that CUN and OTP share.

use crate::spoken::foreign_position;
use crate::symbols::{NO_RANK, RANK, check_symbol};

/// Why a text is not a CUN or not an OTP. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The text does not begin with `CUN-`, which was expected.
    #[error("it must begin with CUN-")]
    Prefix,
    /// The text begins with `CUN-`, which belongs to another kind of code.
    #[error("it must not begin with CUN-: that is the prefix of a CUN")]
    UnexpectedPrefix,
    /// There are not ten symbols (after the prefix, if there is one).
    #[error("it must have 10 symbols")]
    Length,
    /// The symbol at `position` (1 to 10, after the prefix) is none of the 25, in either case.
    #[error("symbol {position} is not one of AEFHIJKLQRSUWXYZ123456789")]
    Symbol {
        /// Which symbol, counted from 1 after the prefix.
        position: usize,
    },
    /// The symbol at `position` (1 to 10, after the prefix) is a letter or digit of another alphabet, which may look like one of the 25.
    #[error(
        "symbol {position} is a letter or digit of another alphabet, which may look like a right one: type it anew"
    )]
    Foreign {
        /// Which symbol, counted from 1 after the prefix.
        position: usize,
    },
    /// The symbols are right but for lower case.
    #[error("its letters must be upper case")]
    LowerCase,
    /// The tenth symbol is not the check symbol of the nine before it.
    #[error("the check symbol does not match{}", if *.hint { ": compare symbols that look alike (1/I/L, 2/Z, 5/S, 4/E, U/W)" } else { "" })]
    Check {
        /// Whether the code would be right with one symbol exchanged for one that looks like it.
        hint: bool,
    },
}

/// Pairs of symbols that are easily taken for each other, in print or by hand.
const LOOK_ALIKES: [(u8, u8); 11] = [
    (b'1', b'I'),
    (b'1', b'L'),
    (b'1', b'7'),
    (b'2', b'Z'),
    (b'3', b'8'),
    (b'4', b'E'),
    (b'5', b'S'),
    (b'E', b'F'),
    (b'I', b'J'),
    (b'I', b'L'),
    (b'U', b'W'),
];

/// Checks ten symbols without prefix: their number, the alphabet, the case, the check symbol, in this order.
pub(crate) fn check_ten(value: &str) -> Result<[u8; 10], CodeError> {
    let code = match <[u8; 10]>::try_from(value.as_bytes()) {
        Ok(code) if value.is_ascii() => code,
        _ => return Err(not_ten_ascii(value)),
    };
    let mut lower_case = false;
    for (index, byte) in code.iter().enumerate() {
        if RANK[usize::from(*byte)] == NO_RANK {
            if RANK[usize::from(byte.to_ascii_uppercase())] == NO_RANK {
                return Err(CodeError::Symbol {
                    position: index + 1,
                });
            }
            lower_case = true;
        }
    }
    if lower_case {
        return Err(CodeError::LowerCase);
    }
    if is_right(&code) {
        Ok(code)
    } else {
        Err(CodeError::Check {
            hint: look_alike_helps(&code),
        })
    }
}

/// What is wrong with a text that is not ten ASCII characters.
fn not_ten_ascii(value: &str) -> CodeError {
    // No character has more than four bytes: whatever is longer than a code with a prefix of three is not looked at.
    if value.len() > 52 {
        return CodeError::Length;
    }
    // Before the length: a prefix in which a letter is another alphabet's is none.
    if let Some(position) = foreign_position(value) {
        return CodeError::Foreign { position };
    }
    if value.chars().count() != 10 {
        return CodeError::Length;
    }
    // Ten characters, one of them not ASCII; one before it may be outside the alphabet as well.
    let outside = value.chars().take_while(|character| {
        u8::try_from(*character)
            .is_ok_and(|byte| RANK[usize::from(byte.to_ascii_uppercase())] != NO_RANK)
    });
    CodeError::Symbol {
        position: outside.count() + 1,
    }
}

fn is_right(code: &[u8; 10]) -> bool {
    code.first_chunk::<9>().and_then(check_symbol) == Some(code[9])
}

fn look_alike_helps(code: &[u8; 10]) -> bool {
    (0..code.len()).any(|index| {
        LOOK_ALIKES.iter().any(|&(one, other)| {
            let mut changed = *code;
            changed[index] = match code[index] {
                symbol if symbol == one => other,
                symbol if symbol == other => one,
                _ => return false,
            };
            is_right(&changed)
        })
    })
}
