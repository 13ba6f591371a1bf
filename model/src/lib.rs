//! The domain of Sistema TS: codes, identities, dates, outcomes and the states of a CUN. Pure, without I/O.
//!
//! Every type here can hold only a value that is right in itself: it is made by a `parse` that says precisely what is
//! wrong, and never by a public field. Whether a right value also *exists* (a registered structure, an issued CUN) is
//! not decided here.
//!
//! Types that hold personal data ([`CodiceFiscale`], [`Otp`], [`CardDigits`], [`PinCode`], [`MobileNumber`],
//! [`EmailAddress`]) print as `Name(..)` under `{:?}`, give their value only through a method called `expose`, and are
//! overwritten with zeros when dropped. (A value that was *moved* may leave a copy on the stack, which safe Rust cannot
//! reach: no more is claimed than the drop of the last owner.)

mod ascii;
mod caller;
mod card;
mod clock;
mod code;
mod codice_fiscale;
mod condition;
mod contact;
mod cun;
mod dates;
mod life;
mod otp;
mod outcome;
mod pincode;
mod service;
mod spoken;
mod structure;
mod swab;
mod symbols;
mod timestamp;
mod transaction;
mod verdict;

pub use caller::{CallCenterCode, Caller, CallerError, CallerKey};
pub use card::{CardDigits, CardDigitsError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use code::CodeError;
pub use codice_fiscale::{
    CodiceFiscale, CodiceFiscaleError, CodiceFiscaleKind, CodiceFiscaleOptions,
};
pub use condition::{Condition, ConditionReport, ConditionSeverity};
pub use contact::{
    Contact, EmailAddress, EmailAddressError, MobileNumber, MobileNumberError, SealedContactError,
};
pub use cun::{CUN_COUNT, Cun, FirstSymbol};
pub use dates::{DateError, DateWindow, parse_date};
pub use life::{
    CancelRefusal, ClaimId, ClaimRefusal, Claimed, ConcludeRefusal, CunState, Effect, Erasure,
    GivenSession, Life, LifeDecodeError, Moment, NewClaim, Origin, Over, PersonClaimRefusal,
    PostOutcome, Presenter, Session, SessionDigest, Settlement, Step, VerificationRefusal,
};
pub use otp::Otp;
pub use outcome::{Family, Outcome, Severity};
pub use pincode::{PinCode, PinCodeError};
pub use service::Service;
pub use spoken::symbols_of;
pub use structure::{
    AslCode, AslId, RegionCode, StructureCode, StructureDescription, StructureError, StructureId,
    StructureReference, nfc,
};
pub use swab::{AuthenticationKind, Swab, TestKind, TestResult, UnknownValue};
pub use symbols::{ALPHABET, UNDETECTED_PAIRS, check_symbol};
pub use timestamp::{MILLIS_PER_DAY, Timestamp};
pub use transaction::{RequestKey, RequestKeyError, SessionId, SessionIdError, TransactionId};
pub use verdict::{Finding, Verdict};

/// How long a CUN lives from its communication: 14 × 24 hours, to the millisecond (§2.4.1.1).
pub const CUN_LIFE_MILLIS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// How many months a code stays known after its issue, and is never issued again.
pub const KNOWN_CODES_MONTHS: u32 = 13;

/// How many times at most an OTP may be delivered to the Immuni backend for one CUN, in its whole life.
pub const MAX_DELIVERIES: u8 = 3;

/// How many days back from today (in Rome) a swab date or a symptom date may lie; today itself and the day so many
/// days ago are both allowed.
pub const DATE_WINDOW_DAYS: u32 = 180;
