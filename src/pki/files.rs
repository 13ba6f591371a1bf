//! The authority's files: never overwritten, private keys readable by their owner alone.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use sistema_ts_store::permissions::check_secret_file;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::error::PkiError;
use super::serial::strip_zeros;
use crate::x509::{Content, end_entity};

/// What was made: where it lies, and what a register needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, in PEM.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM, readable by its owner alone.
    pub private_key_file: PathBuf,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: [u8; 32],
    /// Its serial number, big-endian.
    pub serial: Vec<u8>,
    /// The end of its validity.
    pub not_after: OffsetDateTime,
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> PkiError + '_ {
    move |reason| {
        if reason.kind() == std::io::ErrorKind::AlreadyExists {
            PkiError::Exists(path.to_owned())
        } else {
            PkiError::File {
                path: path.to_owned(),
                reason,
            }
        }
    }
}

pub(super) fn create_folder(folder: &Path) -> Result<(), PkiError> {
    std::fs::create_dir_all(folder).map_err(failed(folder))
}

/// Writes `<stem>.key` and `<stem>.crt`, neither of which may be there.
pub(super) fn write_pair(
    folder: &Path,
    stem: &str,
    certificate: &Certificate,
    key: &KeyPair,
    params: &CertificateParams,
) -> Result<Issued, PkiError> {
    let certificate_file = folder.join(format!("{stem}.crt"));
    let private_key_file = folder.join(format!("{stem}.key"));
    if certificate_file.exists() {
        return Err(PkiError::Exists(certificate_file));
    }
    let key_pem = Zeroizing::new(key.serialize_pem());
    create(&private_key_file, key_pem.as_bytes(), 0o600)?;
    create(&certificate_file, certificate.pem().as_bytes(), 0o644)?;
    let serial = params
        .serial_number
        .as_ref()
        .map(rcgen::SerialNumber::to_bytes);
    Ok(Issued {
        certificate_file,
        private_key_file,
        fingerprint: fingerprint(certificate.der()),
        serial: strip_zeros(&serial.unwrap_or_default()).to_vec(),
        not_after: params.not_after,
    })
}

fn create(path: &Path, content: &[u8], mode: u32) -> Result<(), PkiError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed(path))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(failed(path))
}

/// Puts new content in the place of a file, so that a reader finds the old or the new, never a part.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(content)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(failed(path))
}

/// Holds the authority against other processes until the file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, PkiError> {
    let path = folder.join("ca.key");
    let file = File::open(&path).map_err(failed(&path))?;
    file.lock().map_err(failed(&path))?;
    Ok(file)
}

/// The DER of a file's certificate.
///
/// # Errors
/// As [`read_chain`].
pub fn read_certificate(path: &Path) -> Result<Vec<u8>, PkiError> {
    read_chain(path).map(|chain| chain[0].to_vec())
}

/// A file's certificate first, then the others that it holds: those of the authorities above it.
///
/// # Errors
/// [`PkiError::File`], and [`PkiError::Unreadable`] if there is no certificate in it, or which one is meant is not clear.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let content = Zeroizing::new(std::fs::read(path).map_err(failed(path))?);
    let certificates = Content::certificates(&content).map_err(|source| PkiError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    end_entity(&certificates).ok_or_else(|| PkiError::Content {
        path: path.to_owned(),
        expected: "one certificate, besides those of the authorities above it",
    })
}

/// SHA-256 of a certificate's DER: what the register knows a certificate by.
#[must_use]
pub fn fingerprint(certificate_der: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate_der).as_ref());
    fingerprint
}

/// SHA-256 of a file's certificate.
///
/// # Errors
/// As [`read_certificate`].
pub fn fingerprint_of_file(path: &Path) -> Result<[u8; 32], PkiError> {
    read_certificate(path).map(|der| fingerprint(&der))
}

pub(super) fn read_private_key(path: &Path) -> Result<KeyPair, PkiError> {
    let pem = Zeroizing::new(std::fs::read_to_string(path).map_err(failed(path))?);
    check_secret_file(path)?;
    KeyPair::from_pem(&pem).map_err(|_| PkiError::Content {
        path: path.to_owned(),
        expected: "a private key in PEM",
    })
}
