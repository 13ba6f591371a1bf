//! A session, which a verification opens (§3.3.1): to whom it is bound, and until when.

use std::fmt;

use super::origin::Origin;
use crate::{Caller, CodiceFiscale, SessionId, Timestamp};

/// What a CUN's row remembers of a session: the first 16 bytes of the SHA-256 of its id. The id itself, which is the
/// key that an operator holds, stands in no row of a CUN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionDigest([u8; SessionDigest::LENGTH]);

impl SessionDigest {
    /// Length in bytes: enough against a second id with the same digest (2^128 tries).
    pub const LENGTH: usize = 16;

    /// The digest of a session's id.
    #[must_use]
    pub fn of(id: &SessionId) -> SessionDigest {
        let full = id.digest();
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&full[..Self::LENGTH]);
        SessionDigest(bytes)
    }

    /// From bytes that [`SessionDigest::as_bytes`] gave.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> SessionDigest {
        SessionDigest(bytes)
    }

    /// The bytes, for a store's key.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDigest(..)")
    }
}

/// Who speaks: an operator through a registered caller.
#[derive(Clone, Copy, Debug)]
pub struct Presenter<'a> {
    /// The operator's codice fiscale.
    pub operator: &'a CodiceFiscale,
    /// The registered caller, not one certificate of it: two are valid side by side during a renewal.
    pub caller: &'a Caller,
}

/// An open session. It is written once, under its digest, and never changes: whether it still lives follows from it,
/// the moment, and the CUN's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The digest of its id.
    pub digest: SessionDigest,
    /// The operator who verified.
    pub operator: CodiceFiscale,
    /// The caller through which.
    pub caller: Caller,
    /// When the verification was answered.
    pub opened_at: Timestamp,
    /// The first moment at which it no longer delivers.
    pub lapses_at: Timestamp,
}

impl Session {
    /// A session for a verification that [`Life::open_session`](super::Life::open_session) has admitted. It lapses
    /// after `life_millis` (a setting, 30 minutes by default), and with its CUN at the latest.
    pub fn open(
        id: &SessionId,
        presenter: Presenter<'_>,
        origin: &Origin,
        now: Timestamp,
        life_millis: i64,
    ) -> Session {
        Session {
            digest: SessionDigest::of(id),
            operator: presenter.operator.clone(),
            caller: *presenter.caller,
            opened_at: now,
            lapses_at: now.plus_millis(life_millis).min(origin.expires_at()),
        }
    }

    /// Whether it has lapsed by `now`.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        now >= self.lapses_at
    }

    /// Whether it was opened by this operator through this caller; nobody else may use it (§3.3.1).
    pub fn belongs_to(&self, presenter: Presenter<'_>) -> bool {
        self.operator == *presenter.operator && self.caller == *presenter.caller
    }
}

/// The id that a confirmation or an annulment brings (§3.3.3), where it brings one.
#[derive(Clone, Copy, Debug)]
pub struct GivenSession<'a> {
    /// The digest of the given id.
    pub digest: SessionDigest,
    /// Its session, if the store still has it.
    pub entry: Option<&'a Session>,
}
