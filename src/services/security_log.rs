//! What goes to the security log: requests that reached no service, with where they came from. Nothing of a request itself is in it, no user id
//! that a stranger typed, and no more lines a second than [`LogBudget`] allows.

use std::fmt;
use std::net::IpAddr;

use sistema_ts_model::Service;
use sistema_ts_store::register::Fingerprint;

use crate::auth::CallerRefusal;
use crate::front::{CertificateRefusal, ConnectionInfo};
use crate::soap::SoapFault;
use crate::telemetry::LogBudget;

/// Notes and counts a certificate that stands for no caller now, and says which fault it gets.
pub(super) fn certificate_refused(
    refusal: CallerRefusal,
    connection: &ConnectionInfo,
) -> SoapFault {
    static LOG: LogBudget = LogBudget::new();
    metrics::counter!("sistema_ts_certificates_refused_total", "reason" => refusal.label())
        .increment(1);
    if let Some(left_out) = LOG.take() {
        let certificate = connection.certificate.as_ref();
        let fingerprint = certificate.map(|certificate| Fingerprint(certificate.fingerprint));
        tracing::warn!(
            target: "security",
            reason = refusal.label(),
            source = %Source(connection),
            fingerprint = fingerprint.map(tracing::field::display),
            left_out,
            "certificate refused"
        );
    }
    match refusal {
        CallerRefusal::Certificate(CertificateRefusal::Missing) => SoapFault::CertificateMissing,
        _ => SoapFault::CertificateRefused,
    }
}

/// Notes a request that was answered with a fault. Those of certificates have their own line.
pub(super) fn fault(service: Service, connection: Option<&ConnectionInfo>, fault: &SoapFault) {
    static LOG: LogBudget = LogBudget::new();
    if matches!(
        fault,
        SoapFault::CertificateMissing | SoapFault::CertificateRefused
    ) {
        return;
    }
    let Some(connection) = connection else {
        return;
    };
    if let Some(left_out) = LOG.take() {
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
