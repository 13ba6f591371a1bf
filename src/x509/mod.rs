//! Certificates, private keys and revocation lists as people's programs write them: the one reader for all files and inputs that hold such.
//!
//! PEM and DER are both read, whatever the file is called; PEM with text before, between and after its sections, with a byte order mark, with
//! any line ends and with blanks at the ends of lines, in UTF-16 as Windows' shell writes it, and several objects in any order. What cannot be
//! read is told by its name, with the command that makes something readable of it.

mod content;
mod order;

pub use content::{Content, ContentError};
pub use order::{chain_for_key, end_entity, validity_of_chain};
