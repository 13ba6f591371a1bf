//! The register of health cards in SQLite: one file, sorted by the keyed hash of the person, replaced whole by each import.
//!
//! | file | |
//! |---|---|
//! | `cards.db` | the register; readers notice by themselves that it was replaced |
//! | `cards-import.db` | an import at work: sorted runs, and how far it has come |
//! | `cards-new.db` | the runs being merged, renamed to `cards.db` when it is whole |
//! | `cards-added-<name>.db` | which cards of `cards.db` were added under this name: what takes them out again |

mod additions;
#[cfg(test)]
mod conformance;
mod files;
mod import;
mod reader;
mod runs;
#[cfg(test)]
mod test_place;

pub use self::additions::{additions, remove_addition};
pub use self::import::EmbeddedCardImport;
pub use self::reader::EmbeddedCardRegister;
