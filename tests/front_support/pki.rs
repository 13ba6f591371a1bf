//! Certificates and revocation lists, made on the spot.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sistema_ts::front::TlsFiles;
use time::{Duration, OffsetDateTime};

/// An authority.
pub struct Authority {
    name: String,
    pub certificate_pem: String,
    /// Of its own certificate, if another authority signed that.
    pub serial: u64,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
    pub serial: u64,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(name);
        let certificate_pem = params.self_signed(&key).unwrap().pem();
        Self {
            name: name.to_owned(),
            certificate_pem,
            serial: 0,
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        self.above(name, KeyPair::generate().unwrap(), 1_001)
    }

    /// Another certificate of an authority below this one, with its name and its key.
    pub fn renewed(&self, intermediate: &Self) -> Self {
        let key = KeyPair::from_pem(&intermediate.issuer.key().serialize_pem()).unwrap();
        self.above(&intermediate.name, key, intermediate.serial + 1)
    }

    fn above(&self, name: &str, key: KeyPair, serial: u64) -> Self {
        let mut params = authority_params(name);
        params.serial_number = Some(serial.into());
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self {
            name: name.to_owned(),
            certificate_pem,
            serial,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate by this authority, in PEM, that gives the key of another one a name of its choice.
    pub fn certificate_of(&self, name: &str, other: &Self) -> String {
        let certificate = authority_params(name).signed_by(other.issuer.key(), &self.issuer);
        certificate.unwrap().pem()
    }

    pub fn server(&self) -> Identity {
        let mut params =
            CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, 1)
    }

    pub fn client(&self, organization: &str, unit: &str, name: &str, serial: u64) -> Identity {
        let now = OffsetDateTime::now_utc();
        self.client_valid(
            organization,
            unit,
            name,
            serial,
            now - Duration::days(1),
            now + Duration::days(1),
        )
    }

    pub fn client_valid(
        &self,
        organization: &str,
        unit: &str,
        name: &str,
        serial: u64,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = from;
        params.not_after = to;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "IT");
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, serial)
    }

    fn sign(&self, mut params: CertificateParams, serial: u64) -> Identity {
        params.serial_number = Some(serial.into());
        let key = KeyPair::generate().unwrap();
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity {
            certificate_pem,
            key_pem: key.serialize_pem(),
            serial,
        }
    }

    /// A revocation list in PEM.
    pub fn revoking(&self, serials: &[u64]) -> String {
        self.revoking_numbered(1, serials)
    }

    /// The same with a number of its own.
    pub fn revoking_numbered(&self, number: u64, serials: &[u64]) -> String {
        let now = OffsetDateTime::now_utc();
        let params = CertificateRevocationListParams {
            this_update: now - Duration::hours(1),
            next_update: now + Duration::days(1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|&serial| RevokedCertParams {
                    serial_number: serial.into(),
                    revocation_time: now - Duration::hours(1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Identity {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap()
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap()
    }
}

/// The TLS files of a listener in a folder of their own.
pub struct Files {
    pub folder: tempfile::TempDir,
    pub authority: Authority,
}

impl Files {
    pub fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("Test authority"),
        };
        let server = files.authority.server();
        files.write("server.pem", &server.certificate_pem);
        files.write("server.key", &server.key_pem);
        files.write("ca.pem", &files.authority.certificate_pem);
        files.write("ca.crl", files.authority.revoking(&[]));
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file at one stroke, as an operator should.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.path("temporary");
        std::fs::write(&temporary, content).unwrap();
        // Its owner's alone, as a private key must be.
        std::fs::set_permissions(&temporary, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&temporary, Path::new(&self.path(name))).unwrap();
    }

    pub fn tls(&self) -> TlsFiles {
        TlsFiles {
            certificate_chain: self.path("server.pem"),
            private_key: self.path("server.key"),
            client_authorities: Some(self.path("ca.pem")),
            revocation_lists: vec![self.path("ca.crl")],
            ..TlsFiles::default()
        }
    }
}
