//! The one catalogue of conditions: what an operator of the server is to know of it beside its counts.
//!
//! A condition holds for a time. While it does, `/health/ready` has a line for it, the gauge `sistema_ts_condition` with its name is 1, and the
//! log has one line when it began. Names are stable, since alarms are bound to them. `docs/conditions.md` is made from this table and checked
//! against it in the tests.

use std::fmt;

/// How much a condition takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionSeverity {
    /// No request can be served here: `/health/ready` answers 503.
    StopsEveryService,
    /// A service, or what it serves one caller, is refused; all the rest goes on, and `/health/ready` answers 200.
    StopsOneService,
    /// Everything is served, and something is to be done before it is not; `/health/ready` answers 200.
    Announces,
}

impl ConditionSeverity {
    /// A short fixed name for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StopsEveryService => "stops_every_service",
            Self::StopsOneService => "stops_one_service",
            Self::Announces => "announces",
        }
    }
}

/// Makes the enumeration and its table from one list, so that neither can hold an entry that the other lacks.
macro_rules! catalogue {
    ($( $(#[doc = $meaning:literal])+ $variant:ident = $name:literal, $severity:ident, $advice:literal; )+) => {
        /// Every condition that the server can tell of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Condition {
            $( $(#[doc = $meaning])+ $variant, )+
        }

        impl Condition {
            /// The whole catalogue.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The name in metrics and logs. Stable for ever.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// How much it takes away.
            pub const fn severity(self) -> ConditionSeverity {
                match self { $( Self::$variant => ConditionSeverity::$severity, )+ }
            }

            /// For the documentation: what it means.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => concat!($($meaning),+).trim_ascii(), )+ }
            }

            /// For the documentation: what the operator of the server should do.
            pub const fn advice(self) -> &'static str {
                match self { $( Self::$variant => $advice, )+ }
            }
        }
    };
}

catalogue! {
    /// The server was asked to stop and finishes what it has accepted.
    ServerStopping = "server_stopping", StopsEveryService, "nothing: it is part of every stop";
    /// The store has failed and writes no more until it is opened anew.
    StoreFailed = "store_failed", StopsEveryService, "mend what the text names and start the server again";
    /// The store does not write now, or does not answer.
    StoreNotWriting = "store_not_writing", StopsEveryService, "look at the disk: room, errors, speed; of a store over a cluster at its nodes, of which a majority has to be there. It goes on by itself";
    /// The key of the present day is missing.
    KeysMissing = "keys_missing", StopsEveryService, "is the clock right? Then `sistema-ts clock confirm`; else put the ring of day keys of these data in its place and start the server again. A server of a cluster that has missed a renewal gets it by `sistema-ts keys hand-over`";
    /// The clock is behind the newest test.
    ClockBehind = "clock_behind", StopsEveryService, "synchronise the clock; if it is right, and was ahead when that test came, stop the server and run `sistema-ts clock repair`";
    /// The clock differs from those of the cluster's nodes by more than half of what the clocks of two servers may differ by.
    ClockDiffers = "clock_differs", StopsEveryService, "synchronise the clock of this machine, or those of the nodes, if they are wrong; it goes on by itself";
    /// The cluster's schema is older than this program, or of another build.
    SchemaDiffers = "schema_differs", StopsEveryService, "run `sistema-ts migrate` of this version";
    /// The register could not be read of late, so that disabled callers would go on.
    RegisterNotRead = "register_not_read", StopsEveryService, "look at the file `register.db` and its folder, or at the cluster's nodes; it goes on by itself";
    /// An allocator has no codes in reserve.
    NoReservedCodes = "no_reserved_codes", StopsEveryService, "nothing: codes are reserved anew by themselves; if it lasts, look at the store";
    /// Call centres are registered and no health card can be checked: verifications are answered 503, and count against nobody.
    NoHealthCards = "no_health_cards", StopsOneService, "import the cards (`sistema-ts cards import`), or put the right `cards.db` back in its place";
    /// A node of the cluster does not answer this server.
    NodeUnreachable = "node_unreachable", Announces, "look at the node; as long as a majority of the nodes is there everything is served";
    /// The clock of a node of the cluster differs from that of this server and of most nodes.
    NodeClockDiffers = "node_clock_differs", Announces, "synchronise the node's clock";
    /// A newer program has changed the cluster's schema while this one runs.
    SchemaNewer = "schema_newer", Announces, "start the newer program in this one's place: this one would not start any more";
    /// The clock is ahead of the trusted time: erasures wait, and nothing is lost if the clock is wrong.
    TrustedTimeLag = "trusted_time_lag", Announces, "look whether the clock is right. If it is, wait until it is believed (a day of running), or run `sistema-ts clock confirm`; if not, set it right";
    /// Something that is past its time could not be erased at the last try. It is tried again, and everything else is erased in its time.
    ErasuresOverdue = "erasures_overdue", Announces, "mend what the text names: room on the disk, another process, a damaged row; the log has each try";
    /// A certificate of the server has ended, or has not begun.
    ServerCertificateNotValid = "server_certificate_not_valid", StopsEveryService, "put a new certificate and key in the place of the old; if it has not begun, look at the clock";
    /// The certificate that this server shows to the Immuni backend has ended, or has not begun.
    ImmuniCertificateNotValid = "immuni_certificate_not_valid", StopsOneService, "put a new certificate and key in the place of the old, as the backend's administrators want them";
    /// The last registered certificate of a caller has ended.
    CallerCertificateEnded = "caller_certificate_ended", StopsOneService, "have the caller send a new certificate and register it, or disable the caller";
    /// A certificate of the server ends within 30 days.
    ServerCertificateEnds = "server_certificate_ends", Announces, "put a new certificate and key in the place of the old";
    /// The certificate that this server shows to the Immuni backend ends within 30 days.
    ImmuniCertificateEnds = "immuni_certificate_ends", Announces, "have a new one made and made known to the backend's administrators";
    /// The last registered certificate of a caller ends within 30 days.
    CallerCertificateEnds = "caller_certificate_ends", Announces, "have the caller send a new certificate and register it beside the old";
    /// Files of certificates, keys or revocation lists cannot be used as they are now; what was read before is in force.
    TlsFilesNotUsable = "tls_files_not_usable", Announces, "mend what the text names: a restart would fail";
    /// A revocation list is past the time at which its successor was due. It stays in force, and what was revoked since is not refused.
    RevocationListOverdue = "revocation_list_overdue", Announces, "fetch the authority's new list; of an authority of one's own write it anew (`sistema-ts pki crl`)";
    /// The files hold an older revocation list than was in force, or none; the newest that was seen stays in force.
    RevocationListWentBack = "revocation_list_went_back", Announces, "put the authority's newest list back; administration.md says how to give the newer one up";
    /// An authority that signs clients' certificates has no revocation list: what it revokes is not refused.
    AuthorityWithoutRevocationList = "authority_without_revocation_list", Announces, "add the authority's list to `tls.client_revocation_list_file`";
    /// A revocation list is of no accepted authority, nor of one below them that a client has shown: it waits until a client shows its issuer.
    RevocationListWithoutAuthority = "revocation_list_without_authority", Announces, "nothing, if clients will show its issuer; if not, add the issuer's certificate to `tls.client_authority_file`, or take the list out";
}

/// A condition that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// Which.
    pub condition: Condition,
    /// What it is about, if it may hold of several things at once: a file, a caller. Stable while it holds, names no person.
    pub subject: Option<String>,
    /// What is known of it, for people; it may change while the condition holds, and names no person.
    pub text: String,
}

impl ConditionReport {
    /// A condition of the server as a whole.
    #[must_use]
    pub fn new(condition: Condition, text: impl Into<String>) -> Self {
        Self {
            condition,
            subject: None,
            text: text.into(),
        }
    }

    /// A condition of one thing.
    #[must_use]
    pub fn of(condition: Condition, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            ..Self::new(condition, text)
        }
    }
}

/// The line of `/health/ready`: `name: text`, or `name (subject): text`.
impl fmt::Display for ConditionReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.condition.name())?;
        if let Some(subject) = &self.subject {
            write!(formatter, " ({subject})")?;
        }
        write!(formatter, ": {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that two conditions raise one alarm, or that a name is none that metrics take.
    use super::*;

    #[test]
    fn each_condition_has_a_name_of_its_own() {
        for (place, condition) in Condition::ALL.iter().enumerate() {
            let name = condition.name();
            assert!(
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            assert!(
                !condition.meaning().is_empty() && !condition.advice().is_empty(),
                "{name}"
            );
            assert!(
                Condition::ALL[..place]
                    .iter()
                    .all(|other| other.name() != name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_line_names_condition_and_subject() {
        let whole = ConditionReport::new(Condition::ClockBehind, "an hour");
        assert_eq!(whole.to_string(), "clock_behind: an hour");
        let one = ConditionReport::of(Condition::StoreFailed, "tests.db", "removed");
        assert_eq!(one.to_string(), "store_failed (tests.db): removed");
    }
}
