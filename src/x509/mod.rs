//! Certificates, private keys and revocation lists as people's programs write them: the one reader for all files and inputs that hold such.
//!
//! PEM and DER are both read, whatever the file is called. PEM may have text before, between and after its sections, a byte order mark, any line
//! ends, and blanks at the ends of lines. It may be in UTF-16, as Windows' shell writes it, and hold several objects in any order. What cannot
//! be read is told by its name, with the command that makes something readable of it.

mod content;
mod order;

pub use content::{Content, ContentError};
pub use order::{chain_for_key, end_entity, validity_of_chain};
