//! From a certificate to a caller.

use std::net::IpAddr;

use ipnet::IpNet;
use sistema_ts_model::Caller;
use sistema_ts_store::register::{Fingerprint, RegisterSnapshot};
use thiserror::Error;

use crate::front::{CertificateRefusal, CertificateSubject, ClientCertificate};

/// Why a connection's certificate names no caller, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallerRefusal {
    /// The certificate proves nothing: none shown, revoked, expired, of an unknown authority.
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
    /// No caller has this certificate in the register.
    #[error("the certificate is not registered")]
    Unregistered,
    /// The caller is disabled.
    #[error("the caller is disabled")]
    Disabled,
    /// The certificate is registered for a caller other than the one its subject names.
    #[error("the certificate's subject is not that of its registered caller")]
    Mismatch,
    /// The call centre calls from a network that is not registered for it.
    #[error("the source address lies in no registered network of the caller")]
    Network,
}

impl CallerRefusal {
    /// A short name for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            CallerRefusal::Certificate(CertificateRefusal::Missing) => "no_certificate",
            CallerRefusal::Certificate(CertificateRefusal::Revoked) => "revoked",
            CallerRefusal::Certificate(CertificateRefusal::Expired) => "expired",
            CallerRefusal::Certificate(CertificateRefusal::Untrusted) => "untrusted",
            CallerRefusal::Unregistered => "unregistered",
            CallerRefusal::Disabled => "disabled",
            CallerRefusal::Mismatch => "mismatch",
            CallerRefusal::Network => "network",
        }
    }
}

/// The register decides; the subject must agree with it, so that a slip in registering lets nobody in under another's name.
pub(super) fn identify(
    snapshot: &RegisterSnapshot,
    certificate: &ClientCertificate,
    source: Option<IpAddr>,
) -> Result<Caller, CallerRefusal> {
    let entry = snapshot
        .caller_of_certificate(&Fingerprint(certificate.fingerprint))
        .ok_or(CallerRefusal::Unregistered)?;
    if !entry.enabled {
        return Err(CallerRefusal::Disabled);
    }
    if !subject_agrees(&entry.caller, &certificate.subject) {
        return Err(CallerRefusal::Mismatch);
    }
    if matches!(entry.caller, Caller::CallCenter(_))
        && !lies_in(source, snapshot.networks(&entry.caller))
    {
        return Err(CallerRefusal::Network);
    }
    Ok(entry.caller)
}

/// Whether an address lies in one of the networks; an unknown one lies in none. An IPv4 address counts as one however it is written.
fn lies_in(source: Option<IpAddr>, networks: &[IpNet]) -> bool {
    source.is_some_and(|address| {
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    })
}

/// Whether a certificate's subject names this caller: `C=IT`, `O` its kind, `OU` its code.
pub(crate) fn subject_agrees(caller: &Caller, subject: &CertificateSubject) -> bool {
    let (kind, code) = match caller {
        Caller::Region(region) => ("Regione", Some(region.as_str())),
        Caller::CallCenter(code) => ("CallCenter", Some(code.as_str())),
        Caller::Immuni => ("Immuni", None),
        // Structures and ASLs have no certificates.
        Caller::Structure(_) | Caller::Asl(_) => return false,
    };
    subject.country.as_deref() == Some("IT")
        && subject.organization.as_deref() == Some(kind)
        && code.is_none_or(|code| subject.organizational_unit.as_deref() == Some(code))
}

#[cfg(test)]
mod tests {
    //! A failure means that a certificate stands for a caller that it was not registered for, or for one that is disabled.
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use rustls_pki_types::CertificateDer;
    use sistema_ts_model::{CallCenterCode, RegionCode, Timestamp};
    use sistema_ts_store::register::{
        Act, Actor, CertificateHolder, NoJournal, Register, RegisterChange, RegisterKey,
    };

    use super::*;
    use crate::backend::Archives;
    use crate::pki::{Authority, Kind, Subject, read_certificate};

    struct House {
        folder: tempfile::TempDir,
        authority: Authority,
        register: Arc<dyn Register>,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = Arc::new(RegisterKey::create(&folder.path().join("key")).unwrap());
            let archives = Archives::in_folder(folder.path(), &folder.path().join("day-keys"));
            archives.create_register(&key).unwrap();
            let register = archives.register(key, Arc::new(NoJournal), None).unwrap();
            let (authority, _) =
                Authority::create(&folder.path().join("pki"), "CA di prova", 30, 30).unwrap();
            House {
                folder,
                authority,
                register,
            }
        }

        fn certificate(&self, stem: &str, kind: Kind, code: &str) -> ClientCertificate {
            let subject = Subject::new(kind, Some(code), "Nome di prova").unwrap();
            self.authority.issue_client(stem, &subject, 30).unwrap();
            let path = self.folder.path().join("pki").join(format!("{stem}.crt"));
            let der = CertificateDer::from(read_certificate(&path).unwrap());
            ClientCertificate::from_chain(&[der]).unwrap()
        }

        async fn add(&self, caller: Caller, certificates: &[&ClientCertificate]) {
            self.register
                .change(
                    RegisterChange::AddCaller {
                        caller,
                        name: "Nome".to_owned(),
                    },
                    act(),
                )
                .await
                .unwrap();
            for certificate in certificates {
                let fingerprint = Fingerprint(certificate.fingerprint);
                self.register
                    .change(
                        RegisterChange::AddCertificate {
                            holder: CertificateHolder::Caller(caller),
                            fingerprint,
                            not_after: act().at,
                        },
                        act(),
                    )
                    .await
                    .unwrap();
            }
        }

        fn identify(&self, certificate: &ClientCertificate) -> Result<Caller, CallerRefusal> {
            self.identify_from(certificate, "192.0.2.7")
        }

        fn identify_from(
            &self,
            certificate: &ClientCertificate,
            source: &str,
        ) -> Result<Caller, CallerRefusal> {
            identify(&self.register.snapshot(), certificate, source.parse().ok())
        }
    }

    fn act() -> Act {
        Act {
            by: Actor::Command {
                user: 0,
                login: None,
            },
            at: Timestamp::from_millis_clamped(0),
        }
    }

    fn region(code: &str) -> Caller {
        Caller::Region(RegionCode::parse(code).unwrap())
    }

    #[tokio::test]
    async fn each_registered_certificate_of_a_caller_stands_for_it_until_removed_or_disabled() {
        let house = House::new();
        let old = house.certificate("old", Kind::Region, "010");
        let new = house.certificate("new", Kind::Region, "010");
        let stranger = house.certificate("stranger", Kind::Region, "010");
        house.add(region("010"), &[&old, &new]).await;
        assert_eq!(house.identify(&old), Ok(region("010")));
        assert_eq!(house.identify(&new), Ok(region("010")));
        assert_eq!(house.identify(&stranger), Err(CallerRefusal::Unregistered));
        let fingerprint = Fingerprint(old.fingerprint);
        house
            .register
            .change(
                RegisterChange::RemoveCertificate {
                    holder: CertificateHolder::Caller(region("010")),
                    fingerprint,
                },
                act(),
            )
            .await
            .unwrap();
        assert_eq!(house.identify(&old), Err(CallerRefusal::Unregistered));
        house
            .register
            .change(
                RegisterChange::SetCallerEnabled {
                    caller: region("010"),
                    enabled: false,
                },
                act(),
            )
            .await
            .unwrap();
        assert_eq!(house.identify(&new), Err(CallerRefusal::Disabled));
    }

    #[tokio::test]
    async fn a_certificate_registered_for_another_caller_than_its_subject_names_is_refused() {
        let house = House::new();
        let of_010 = house.certificate("region", Kind::Region, "010");
        let call_center = house.certificate("centre", Kind::CallCenter, "020");
        house.add(region("030"), &[&of_010]).await;
        house.add(region("020"), &[&call_center]).await;
        assert_eq!(house.identify(&of_010), Err(CallerRefusal::Mismatch));
        assert_eq!(house.identify(&call_center), Err(CallerRefusal::Mismatch));
    }

    #[tokio::test]
    async fn a_call_centre_calls_from_its_registered_networks_alone() {
        let house = House::new();
        let certificate = house.certificate("centre", Kind::CallCenter, "cc-1");
        let caller = Caller::CallCenter(CallCenterCode::parse("cc-1").unwrap());
        house.add(caller, &[&certificate]).await;
        let nowhere = Err(CallerRefusal::Network);
        assert_eq!(house.identify_from(&certificate, "192.0.2.7"), nowhere);
        for network in ["192.0.2.0/28", "2001:db8::/64"] {
            let added = house.register.change(
                RegisterChange::AddNetwork {
                    caller,
                    network: network.parse().unwrap(),
                },
                act(),
            );
            added.await.unwrap();
        }
        for (source, expected) in [
            ("192.0.2.7", Ok(caller)),
            ("::ffff:192.0.2.7", Ok(caller)),
            ("192.0.2.16", nowhere),
            ("2001:db8::1", Ok(caller)),
            ("2001:db8:0:1::1", nowhere),
            ("unknown", nowhere),
        ] {
            assert_eq!(
                house.identify_from(&certificate, source),
                expected,
                "{source}"
            );
        }
        let network = "192.0.2.0/28".parse().unwrap();
        house
            .register
            .change(RegisterChange::RemoveNetwork { caller, network }, act())
            .await
            .unwrap();
        assert_eq!(house.identify_from(&certificate, "192.0.2.7"), nowhere);
    }
}
