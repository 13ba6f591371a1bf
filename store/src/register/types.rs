//! What stands in a register.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use sistema_ts_model::{
    AslId, Caller, CodiceFiscale, RegionCode, Service, StructureDescription, StructureId, Timestamp,
};
use thiserror::Error;

use super::Profiles;

/// Why a text is no fingerprint or no user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentifierError {
    /// Not 64 hexadecimal digits.
    #[error("a fingerprint has 64 hexadecimal digits, with or without colons between the bytes")]
    Fingerprint,
    /// Not a user id.
    #[error(
        "a user id has 3 to 64 characters: letters, digits, dots, dashes and underscores, beginning with a letter or digit"
    )]
    UserId,
}

/// SHA-256 of a certificate's DER: what a register knows a certificate by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits of either case, with or without colons between the bytes.
    ///
    /// # Errors
    /// [`IdentifierError::Fingerprint`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let with_colons = text.len() == 32 * 3 - 1;
        let width = if with_colons { 3 } else { 2 };
        let mut bytes = [0; 32];
        if !with_colons && text.len() != 64 {
            return Err(IdentifierError::Fingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(width)) {
            if pair.len() == 3 && pair[2] != b':' {
                return Err(IdentifierError::Fingerprint);
            }
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Fingerprint(bytes))
    }
}

fn digit(byte: u8) -> Result<u8, IdentifierError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(IdentifierError::Fingerprint),
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// The name with which an operator of a structure signs in: 3 to 64 characters of `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `-` and `_`,
/// beginning with a letter or digit. Case counts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Takes the id as it is.
    ///
    /// # Errors
    /// [`IdentifierError::UserId`] if it is not of that form.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let begins_well = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !(3..=64).contains(&text.len()) || !begins_well || !text.bytes().all(allowed) {
            return Err(IdentifierError::UserId);
        }
        Ok(UserId(text.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UserId({self})")
    }
}

/// The hash of a password and a pincode together, in the form that whoever checks it gave it. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialHash(Arc<str>);

impl CredentialHash {
    /// Takes a hash in its text form.
    #[must_use]
    pub fn new(text: &str) -> Self {
        CredentialHash(text.into())
    }

    /// The hash, for checking alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CredentialHash(..)")
    }
}

/// A caller that proves itself by certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredCaller {
    /// Who.
    pub caller: Caller,
    /// Its name, for people.
    pub name: String,
    /// Whether it may call at all.
    pub enabled: bool,
    /// The certificates now registered for it, in the order of their fingerprints.
    pub certificates: Vec<RegisteredCertificate>,
}

/// A certificate of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredCertificate {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// The end of its validity, as it says itself.
    pub not_after: Timestamp,
    /// When it was registered.
    pub added_at: Timestamp,
}

/// A structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredStructure {
    /// Region, ASL and structure.
    pub id: StructureId,
    /// Its name, for people.
    pub description: StructureDescription,
    /// Whether its tests are taken, and its users may call.
    pub enabled: bool,
}

/// The services that are called with user id, password and pincode (§2.3, §5.1).
pub const USER_SERVICES: [Service; 4] = [
    Service::Submission,
    Service::Cancellation,
    Service::Listing,
    Service::AslOtp,
];

/// For whom a user works, and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workplace {
    /// A registered structure.
    Structure(StructureId),
    /// An ASL itself, of no structure (§5.1).
    Asl(AslId),
}

impl Workplace {
    /// The caller that its users are.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match self {
            Workplace::Structure(id) => Caller::Structure(*id),
            Workplace::Asl(id) => Caller::Asl(*id),
        }
    }

    /// The services that its users may hold, who sign in with user id, password and pincode (§2.3, §5.1).
    #[must_use]
    pub fn profiles(&self) -> Profiles {
        let services: &[Service] = match self {
            Workplace::Structure(_) => &USER_SERVICES,
            Workplace::Asl(_) => &[Service::AslOtp],
        };
        services.iter().copied().collect()
    }

    /// The region that it belongs to.
    #[must_use]
    pub fn region(&self) -> RegionCode {
        match self {
            Workplace::Structure(id) => id.region,
            Workplace::Asl(id) => id.region,
        }
    }
}

/// An operator of a structure or an ASL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredUser {
    /// The name for signing in.
    pub id: UserId,
    /// For whom the user calls.
    pub workplace: Workplace,
    /// The operator's own fiscal code, which access records name (§2.5, §5.2).
    pub fiscal_code: CodiceFiscale,
    /// Hash of password and pincode.
    pub credential: CredentialHash,
    /// When password and pincode were issued.
    pub credential_set_at: Timestamp,
    /// The end of password and pincode; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The services that the user may call.
    pub profiles: Profiles,
    /// Whether the user may call at all.
    pub enabled: bool,
    /// Rises with each change of this entry: what was derived from the entry holds while this stays.
    pub version: u64,
}

impl RegisteredUser {
    /// Whether the credentials have ended at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// An operator of a region or of a call centre, known by codice fiscale: the caller's own system signs the person in, and names it in the
/// message (§2.4.3, §3.3, §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredOperator {
    /// Whose operator.
    pub caller: Caller,
    /// Who.
    pub fiscal_code: CodiceFiscale,
    /// The services that the operator may ask for.
    pub profiles: Profiles,
    /// Whether the operator may ask for any at all.
    pub enabled: bool,
    /// When the operator was registered.
    pub added_at: Timestamp,
}

/// An administrator of a region or a call centre: who it is, and whose. It manages that caller's operators and nothing else (§3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdministratorId {
    /// Whose administrator.
    pub caller: Caller,
    /// The administrator's name among those of the caller, of the form of a user id.
    pub name: UserId,
}

/// An administrator of a caller, known by certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredAdministrator {
    /// Who, and whose.
    pub id: AdministratorId,
    /// Whether the administrator may do anything.
    pub enabled: bool,
    /// When the administrator was registered.
    pub added_at: Timestamp,
    /// The certificates now registered for it, in the order of their fingerprints.
    pub certificates: Vec<RegisteredCertificate>,
}

/// Whom a certificate proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateHolder {
    /// A caller: requests to the services are its.
    Caller(Caller),
    /// An administrator of a caller: no service takes its certificate.
    Administrator(AdministratorId),
}

/// A user to register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The name for signing in.
    pub id: UserId,
    /// For whom the user calls: a structure must be registered.
    pub workplace: Workplace,
    /// The operator's own fiscal code.
    pub fiscal_code: CodiceFiscale,
    /// Hash of password and pincode.
    pub credential: CredentialHash,
    /// The end of password and pincode; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The services that the user may call.
    pub profiles: Profiles,
}

#[cfg(test)]
mod tests {
    //! A failure means that an administrator's typing could register something other than what was meant.
    use super::*;

    #[test]
    fn a_fingerprint_is_read_in_the_forms_that_tools_print() {
        let plain = "00ff".repeat(16);
        let colons = vec!["00:FF"; 16].join(":");
        let parsed = Fingerprint::parse(&plain).expect("64 digits");
        assert_eq!(Fingerprint::parse(&colons), Ok(parsed));
        assert_eq!(parsed.to_string(), plain);
        for wrong in [
            &plain[1..],
            &format!("{plain}0"),
            &plain.replace('f', "g"),
            &colons.replace(':', "-"),
            "",
        ] {
            assert_eq!(
                Fingerprint::parse(wrong),
                Err(IdentifierError::Fingerprint),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_user_id_cannot_hold_what_the_header_could_not_carry() {
        for good in ["abc", "mario.rossi-2_x", "0A1"] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "ab",
            "a:b",
            "a b c",
            "perché",
            "-abc",
            "../x",
            &"a".repeat(65),
        ] {
            assert_eq!(
                UserId::parse(wrong),
                Err(IdentifierError::UserId),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_credential_hash_is_not_printed() {
        assert_eq!(
            format!("{:?}", CredentialHash::new("$argon2id$secret")),
            "CredentialHash(..)"
        );
    }
}
