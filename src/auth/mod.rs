//! Who calls: a region by its certificate, an operator of a structure by user id, password and pincode (§2.3).
//!
//! [`Authenticator::caller`] is asked at each request, also on an open connection, and costs two look-ups in memory. [`Authenticator::user`]
//! costs a keyed hash while a right pair is remembered, and an Argon2id hash otherwise, on threads of their own. Whatever is wrong with a pair,
//! the answer and the work are the same: an unknown user, a wrong password, a wrong or missing pincode, a disabled or expired user all pay one
//! hash, and get [`BasicRefusal::Unauthorized`].
//!
//! Nobody is locked out. Passwords and pincodes are generated, so that a lock would protect nothing, and anybody could close it on another. A
//! right pair that is remembered passes without a check. A pair that was right before is checked before all others. The others wait in a room
//! that is fair among their sources ([`waiting_room`]). A source or user that fails too often waits behind those that do not ([`slowing`]), and
//! all failures together take at most half of the threads' time.

mod authenticator;
mod basic_header;
mod basic_refusal;
mod certificate;
mod checks_under_way;
mod credential;
mod hashing_pool;
mod refusals;
mod remembered;
mod slowing;
mod source;
mod user;
mod waiting_room;

pub use self::authenticator::{Authenticator, AuthenticatorError, AuthenticatorSettings};
pub use self::basic_header::BasicCredentials;
pub use self::basic_refusal::BasicRefusal;
pub use self::certificate::CallerRefusal;
pub(crate) use self::certificate::subject_agrees;
pub use self::credential::{
    Argon2Cost, CredentialError, CredentialHasher, Password, PasswordError, generate_password,
    generate_pincode,
};
pub use self::slowing::{FailureRate, SlowingSettings};

/// The value of the `WWW-Authenticate` header of every 401.
pub const CHALLENGE: &str = r#"Basic realm="Sistema TS", charset="UTF-8""#;
