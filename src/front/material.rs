//! The contents of a listener's TLS files, and what is made of them.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{StoresServerSessions, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use sistema_ts_store::permissions::check_secret_file;

use super::authorities::Authority;
use super::kept_lists;
use super::revocation::RevocationList;
use super::revocation_set::{LoadedList, RevocationSet};
use super::server_certificates::{PairMaterial, ServerCertificates};
use super::settings::{PairFiles, TlsFiles};
use super::trust_error::TrustError;
use crate::x509::Content;

/// Enough of a file's metadata to notice that it was replaced, rewritten or made readable: time of its last change,
/// length, inode.
pub(super) type FileStamp = ((i64, i64), u64, u64);

#[derive(PartialEq, Eq)]
pub(super) struct Material {
    pairs: Vec<PairMaterial>,
    client_authorities: Option<Vec<u8>>,
    revocation_lists: Vec<Vec<u8>>,
}

/// Who may show which certificate, as the files say.
pub(super) struct ClientTrust {
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// What the verifier trusts in.
    pub(super) roots: Arc<RootCertStore>,
    pub(super) revocations: RevocationSet,
}

impl Material {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TrustError> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|source| TrustError::Read {
                file: file.to_owned(),
                source,
            })
        };
        let pair = |files: PairFiles| -> Result<PairMaterial, TrustError> {
            let private_key = read(&files.private_key)?.into();
            check_secret_file(&files.private_key)?;
            Ok(PairMaterial {
                certificate_chain: read(&files.certificate_chain)?,
                private_key,
            })
        };
        Ok(Self {
            pairs: files.pairs().map(pair).collect::<Result<_, _>>()?,
            client_authorities: files.client_authorities.as_deref().map(read).transpose()?,
            revocation_lists: files
                .revocation_lists
                .iter()
                .map(|file| read(file))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing but revocation lists differs.
    pub(super) fn differs_in_lists_only(&self, other: &Self) -> bool {
        self.pairs == other.pairs && self.client_authorities == other.client_authorities
    }

    /// What clients are judged by; `before` is what was in force until now.
    pub(super) fn client_trust(
        &self,
        files: &TlsFiles,
        before: &RevocationSet,
        provider: &Arc<CryptoProvider>,
    ) -> Result<ClientTrust, TrustError> {
        let (Some(content), Some(file)) = (&self.client_authorities, &files.client_authorities)
        else {
            return Ok(ClientTrust {
                verifier: None,
                roots: Arc::new(RootCertStore::empty()),
                revocations: RevocationSet::default(),
            });
        };
        let clients = verifier_of(content, file, provider)?;
        let mut lists = Vec::new();
        for (content, file) in self.revocation_lists.iter().zip(&files.revocation_lists) {
            let found = Content::revocation_lists(content)
                .map_err(|source| TrustError::content(file, source))?;
            for der in found {
                let list = RevocationList::read(der).and_then(|list| {
                    let signer = list.signer(&clients.authorities, provider)?;
                    Ok(LoadedList::of_files(list, signer))
                });
                lists.push(list.map_err(|source| TrustError::RevocationList {
                    file: file.clone(),
                    source,
                })?);
            }
        }
        let folder = files.kept_lists.as_deref();
        let kept = folder.map_or_else(Vec::new, kept_lists::read);
        let revocations =
            RevocationSet::succeeding(before, clients.authorities, lists, kept, provider);
        Ok(ClientTrust {
            verifier: Some(clients.verifier),
            roots: clients.roots,
            revocations,
        })
    }

    /// The certificates that the listener shows.
    pub(super) fn server_certificates(
        &self,
        files: &TlsFiles,
        provider: &CryptoProvider,
    ) -> Result<ServerCertificates, TrustError> {
        let of_files: Vec<PairFiles> = files.pairs().collect();
        let pairs: Vec<_> = of_files.iter().zip(&self.pairs).collect();
        ServerCertificates::read(&pairs, provider)
    }
}

/// Who may sign client certificates, as a file of authorities says.
pub(super) struct AcceptedAuthorities {
    /// The verifier of handshakes.
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// What it trusts in.
    pub(super) roots: Arc<RootCertStore>,
    pub(super) authorities: Vec<Authority>,
}

/// The verifier of handshakes, made of a file of authorities; the authorities besides.
pub(super) fn verifier_of(
    content: &[u8],
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<AcceptedAuthorities, TrustError> {
    let certificates: Vec<CertificateDer<'static>> =
        Content::certificates(content).map_err(|source| TrustError::content(file, source))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone())?;
    }
    let roots = Arc::new(roots);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()?;
    let authorities = certificates.iter().filter_map(|der| Authority::read(der));
    Ok(AcceptedAuthorities {
        verifier,
        roots,
        authorities: authorities.collect(),
    })
}

/// What new connections are made with.
pub(super) fn server_config(
    certificates: Arc<ServerCertificates>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    sessions: Arc<dyn StoresServerSessions>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, TrustError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificates);
    // HTTP/1.0 is answered as well, and a client that speaks nothing newer says so here.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    config.session_storage = sessions;
    Ok(config)
}

/// The stamps of all files of a listener.
pub(super) fn stamps(files: &TlsFiles) -> Vec<Option<FileStamp>> {
    use std::os::unix::fs::MetadataExt as _;
    let pairs = files
        .pairs()
        .flat_map(|pair| [pair.certificate_chain, pair.private_key]);
    let others = files
        .client_authorities
        .iter()
        .chain(&files.revocation_lists);
    pairs
        .chain(others.cloned())
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((
                (metadata.ctime(), metadata.ctime_nsec()),
                metadata.len(),
                metadata.ino(),
            ))
        })
        .collect()
}
