//! What goes to the security log: requests that reached no service, with where they came from; codes that somebody has used up, and what an
//! administrator did about them. Nothing of a request itself is in it, no user id
//! that a stranger typed, and no more lines a second than [`LogBudget`] allows.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::hmac;
use sistema_ts_model::{Caller, Cun, Service, TransactionId};
use sistema_ts_store::register::{Fingerprint, RegisterKey, RegisterKeyError};

use crate::auth::CallerRefusal;
use crate::control::Peer;
use crate::front::ConnectionInfo;
use crate::soap::SoapFault;
use crate::telemetry::{ADMINISTRATION, LogBudget, source_network};

/// Notes and counts a certificate that stands for no caller now.
pub(super) fn certificate_refused(refusal: CallerRefusal, connection: &ConnectionInfo) {
    // Apart, so that whoever has no certificate at all cannot hide what is tried with one that is revoked, disabled or somebody else's.
    static MISSING: LogBudget = LogBudget::new("certificate-missing");
    static REFUSED: LogBudget = LogBudget::new("certificate-refused");
    metrics::counter!("sistema_ts_certificates_refused_total", "reason" => refusal.label())
        .increment(1);
    let certificate = connection.certificate.as_ref();
    let fingerprint = certificate.map(|certificate| Fingerprint(certificate.fingerprint));
    let left_out = match fingerprint {
        Some(fingerprint) => REFUSED.take_for(&(fingerprint.0, refusal.label())),
        None => MISSING.take_for(&network(connection)),
    };
    if let Some(left_out) = left_out {
        tracing::warn!(
            target: "security",
            reason = refusal.label(),
            source = %Source(connection),
            fingerprint = fingerprint.map(tracing::field::display),
            left_out,
            "certificate refused"
        );
    }
}

/// Notes a request that was answered with a fault. Those of certificates have their own line; what is refused because the server is busy or
/// stopping, or because of its form in HTTP, has none.
pub(super) fn fault(service: Service, connection: Option<&ConnectionInfo>, fault: &SoapFault) {
    // Apart, so that strangers cannot hide what callers get.
    static STRANGERS: LogBudget = LogBudget::new("request-of-a-stranger");
    static CALLERS: LogBudget = LogBudget::new("request-of-a-caller");
    if matches!(
        fault,
        SoapFault::CertificateMissing | SoapFault::CertificateRefused | SoapFault::Refused(_)
    ) {
        return;
    }
    let Some(connection) = connection else {
        return;
    };
    let left_out = match &connection.certificate {
        Some(certificate) => CALLERS.take_for(&certificate.fingerprint),
        None => STRANGERS.take_for(&network(connection)),
    };
    if let Some(left_out) = left_out {
        let wire = fault.on_wire();
        tracing::info!(
            target: "security",
            service = service.name(),
            listener = &*connection.listener,
            source = %Source(connection),
            status = wire.status,
            // The text is one of the code's own: it never holds a value of the request.
            fault = &*wire.text,
            left_out,
            "request refused"
        );
    }
}

/// What stands for codes in the security log: a keyed hash, by which whoever knows a code finds its lines and nobody else learns one.
pub struct CodeReferences(hmac::Key);

impl CodeReferences {
    /// Under a key of its own.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn derived_from(key: &RegisterKey) -> Result<Self, RegisterKeyError> {
        let key = key.derived("security log, codes")?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())))
    }

    /// The reference of a code: 32 hexadecimal digits.
    #[must_use]
    pub fn of(&self, code: Cun) -> String {
        let tag = hmac::sign(&self.0, &code.to_text());
        tag.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Notes that an administrator has forgiven the failures that counted against a code. Never left out: a code has few of these in its life, and
/// only the server's own user and root can cause them.
pub fn code_forgiven(reference: &str, failures: u32, left: u32, by: Peer) {
    tracing::warn!(
        name: ADMINISTRATION,
        target: "security",
        code = reference,
        failures,
        left,
        user = by.user,
        process = by.process,
        "the failed verifications of a code were forgiven"
    );
}

/// Notes that a command has changed the register. Never left out: only the server's own user and root can cause it.
pub fn register_changed(kind: &str, object: &str, by: Peer) {
    tracing::info!(
        name: ADMINISTRATION,
        target: "security",
        change = kind,
        object,
        user = by.user,
        process = by.process,
        "the register was changed"
    );
}

/// Notes that an administrator has said that the clock is right: what is past its time by it is destroyed from then on.
pub fn clock_confirmed(lag_seconds: i64, by: Peer) {
    tracing::warn!(
        name: ADMINISTRATION,
        target: "security",
        lag_seconds,
        user = by.user,
        process = by.process,
        "the clock was confirmed"
    );
}

/// Notes that a CUN has no verification left.
pub(super) fn code_used_up(caller: &Caller, transaction: TransactionId) {
    static LOG: LogBudget = LogBudget::new("code-used-up");
    metrics::counter!("sistema_ts_codes_used_up_total").increment(1);
    let what = "a CUN has used up the verifications that may fail";
    somebody(&LOG, caller, transaction, what);
}

/// Notes that an operator has sent as many of the ASL's codes as may be sent within an hour.
pub(super) fn asl_otps_used_up(caller: &Caller, transaction: TransactionId) {
    static LOG: LogBudget = LogBudget::new("asl-codes-used-up");
    metrics::counter!("sistema_ts_asl_codes_refused_total").increment(1);
    let what = "an operator has sent as many codes of the ASL as an hour allows";
    somebody(&LOG, caller, transaction, what);
}

/// Notes what an operator did whom the line does not name: who it was is found by the transaction, in the access records, and by nobody else.
fn somebody(log: &LogBudget, caller: &Caller, transaction: TransactionId, what: &'static str) {
    if let Some(left_out) = log.take_for(caller) {
        let caller = caller.to_key();
        tracing::warn!(target: "security", %caller, %transaction, left_out, "{what}");
    }
}

/// The network that a connection comes from, as far as budgets tell sources apart.
fn network(connection: &ConnectionInfo) -> Option<IpAddr> {
    connection.source.map(|source| source_network(source.ip()))
}

/// Where a connection comes from, as far as it is known.
struct Source<'a>(&'a ConnectionInfo);

impl fmt::Display for Source<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address: Option<IpAddr> = self.0.source.map(|source| source.ip());
        match address {
            Some(address) => address.fmt(formatter),
            None => formatter.write_str("unknown"),
        }
    }
}
