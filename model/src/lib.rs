//! The domain of Sistema TS: codes, identities, dates, outcomes and the states of a CUN. Pure, without I/O.

mod outcome;

pub use outcome::{Family, Finding, Outcome, Severity, Verdict};
