//! Certificates, key, authorities and revocation lists of one listener, swapped as a whole while it runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use sistema_ts_store::permissions::{PermissionError, check_secret_file};

use super::revocation::{RevocationListError, RevocationSet};
use super::settings::TlsFiles;

/// Why the TLS files of a listener cannot be used. Never holds any of their content.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds no PEM object of the wanted kind, or a broken one.
    #[error("{}: {problem}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Others can read a private key, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// A revocation list is not acceptable.
    #[error("{}: {source}", file.display())]
    RevocationList {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: RevocationListError,
    },
    /// Certificate and key do not fit each other or the protocol.
    #[error("certificate or key not usable: {0}")]
    Tls(#[from] rustls::Error),
    /// The authorities cannot verify anybody.
    #[error("client authorities not usable: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
}

/// What is trusted at one time; whoever holds it sees one consistent state.
pub struct Trust {
    /// 1 for the first, one more at each reload that changed something.
    pub generation: u64,
    /// The generation that brought `server_config` and `verifier`: later ones may have changed revocation lists only.
    pub authorities_since: u64,
    /// For new handshakes.
    pub server_config: Arc<ServerConfig>,
    /// For connections that were open before the authorities changed; absent on a listener without client certificates.
    pub verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Asked at each request.
    pub revocations: RevocationSet,
    /// Contents that `server_config` was made from.
    material: Material,
}

/// The current [`Trust`] of a listener and where it comes from.
pub struct TrustStore {
    files: TlsFiles,
    session_cache: usize,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Trust>,
    /// Held during a reload, so that two never cross: the stamps of the files last looked at.
    looked_at: Mutex<Vec<Option<FileStamp>>>,
}

/// Enough of a file's metadata to notice that it was replaced, rewritten or made readable: time of its last change,
/// length, inode.
type FileStamp = ((i64, i64), u64, u64);

#[derive(PartialEq, Eq)]
struct Material {
    certificate_chain: Vec<u8>,
    private_key: zeroize::Zeroizing<Vec<u8>>,
    client_authorities: Option<Vec<u8>>,
    revocation_lists: Vec<Vec<u8>>,
}

impl TrustStore {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`TrustError`]: the listener cannot start.
    pub fn load(files: TlsFiles, session_cache: usize) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let stamps = stamps(&files);
        let material = Material::read(&files)?;
        let trust = Trust::new(1, material, &files, session_cache, &provider)?;
        Ok(Self {
            files,
            session_cache,
            provider,
            current: ArcSwap::from_pointee(trust),
            looked_at: Mutex::new(stamps),
        })
    }

    /// What is trusted now. Cheap: no lock, no count.
    pub fn current(&self) -> Guard<Arc<Trust>> {
        self.current.load()
    }

    /// Reads the files again and swaps in what they say. Open connections stay; their certificates are judged anew at
    /// their next request. Returns whether anything changed.
    ///
    /// # Errors
    /// [`TrustError`]: nothing is changed then, the old state stays in force.
    pub fn reload(&self) -> Result<bool, TrustError> {
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Before the contents: a file replaced in between is then read again next time.
        *looked_at = stamps(&self.files);
        let material = Material::read(&self.files)?;
        let old = self.current.load_full();
        if material == old.material {
            return Ok(false);
        }
        let new = Trust::succeeding(
            &old,
            material,
            &self.files,
            self.session_cache,
            &self.provider,
        )?;
        self.current.store(Arc::new(new));
        Ok(true)
    }

    /// [`Self::reload`] if a file's metadata changed since it was last looked at.
    ///
    /// # Errors
    /// As [`Self::reload`], once for each change.
    pub fn reload_if_touched(&self) -> Result<bool, TrustError> {
        let touched = {
            let looked_at = self
                .looked_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *looked_at != stamps(&self.files)
        };
        if touched { self.reload() } else { Ok(false) }
    }
}

impl Trust {
    fn new(
        generation: u64,
        material: Material,
        files: &TlsFiles,
        session_cache: usize,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let (verifier, revocations) = material.verifier_and_revocations(files, provider)?;
        // A store of its own: a session made under other authorities must not be resumed under these.
        let sessions = ServerSessionMemoryCache::new(session_cache);
        let server_config = material.server_config(files, verifier.clone(), sessions, provider)?;
        Ok(Self {
            generation,
            authorities_since: generation,
            server_config: Arc::new(server_config),
            verifier,
            revocations,
            material,
        })
    }

    /// The state after `old`. If nothing but revocation lists changed, handshakes and resumption go on as before:
    /// lists are asked at each request anyhow, and may come every few minutes.
    fn succeeding(
        old: &Self,
        material: Material,
        files: &TlsFiles,
        session_cache: usize,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let generation = old.generation + 1;
        let only_lists_changed = material.certificate_chain == old.material.certificate_chain
            && material.private_key == old.material.private_key
            && material.client_authorities == old.material.client_authorities;
        if !only_lists_changed {
            return Self::new(generation, material, files, session_cache, provider);
        }
        let (_, revocations) = material.verifier_and_revocations(files, provider)?;
        Ok(Self {
            generation,
            authorities_since: old.authorities_since,
            server_config: Arc::clone(&old.server_config),
            verifier: old.verifier.clone(),
            revocations,
            material,
        })
    }
}

impl Material {
    fn read(files: &TlsFiles) -> Result<Self, TrustError> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|source| TrustError::Read {
                file: file.to_owned(),
                source,
            })
        };
        let private_key = read(&files.private_key)?.into();
        check_secret_file(&files.private_key)?;
        Ok(Self {
            certificate_chain: read(&files.certificate_chain)?,
            private_key,
            client_authorities: files.client_authorities.as_deref().map(read).transpose()?,
            revocation_lists: files
                .revocation_lists
                .iter()
                .map(|file| read(file))
                .collect::<Result<_, _>>()?,
        })
    }

    fn verifier_and_revocations(
        &self,
        files: &TlsFiles,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Option<Arc<dyn ClientCertVerifier>>, RevocationSet), TrustError> {
        let (Some(pem), Some(file)) = (&self.client_authorities, &files.client_authorities) else {
            return Ok((None, RevocationSet::default()));
        };
        let authorities = certificates(pem, file)?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.clone())?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .allow_unauthenticated()
                .build()?;
        let mut revocations = RevocationSet::default();
        for (content, file) in self.revocation_lists.iter().zip(&files.revocation_lists) {
            for list in revocation_lists(content, file)? {
                revocations.add(&list, &authorities).map_err(|source| {
                    TrustError::RevocationList {
                        file: file.clone(),
                        source,
                    }
                })?;
            }
        }
        Ok((Some(verifier), revocations))
    }

    fn server_config(
        &self,
        files: &TlsFiles,
        verifier: Option<Arc<dyn ClientCertVerifier>>,
        sessions: Arc<dyn StoresServerSessions>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<ServerConfig, TrustError> {
        let chain = certificates(&self.certificate_chain, &files.certificate_chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.private_key)
            .map_err(|error| content(&files.private_key, &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = sessions;
        Ok(config)
    }
}

fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| content(file, &error))?;
    if found.is_empty() {
        return Err(TrustError::Content {
            file: file.to_owned(),
            problem: "no certificate in it".into(),
        });
    }
    Ok(found)
}

fn revocation_lists(
    bytes: &[u8],
    file: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TrustError> {
    // DER begins with a SEQUENCE; no PEM begins with this byte, "0", in practice nor with another control byte.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|error| content(file, &error))?;
    if lists.is_empty() {
        return Err(TrustError::Content {
            file: file.to_owned(),
            problem: "no revocation list in it".into(),
        });
    }
    Ok(lists)
}

fn content(file: &Path, error: &pem::Error) -> TrustError {
    // `Display` of a PEM error may quote the input; its kind is enough.
    let problem = match error {
        pem::Error::NoItemsFound => "no PEM object of the wanted kind in it".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "a PEM section does not end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a PEM section begins wrongly".to_owned(),
        pem::Error::Base64Decode(_) => "broken base64".to_owned(),
        _ => "not readable as PEM".to_owned(),
    };
    TrustError::Content {
        file: file.to_owned(),
        problem,
    }
}

fn stamps(files: &TlsFiles) -> Vec<Option<FileStamp>> {
    use std::os::unix::fs::MetadataExt as _;
    let all = [&files.certificate_chain, &files.private_key];
    let all = all
        .into_iter()
        .chain(&files.client_authorities)
        .chain(&files.revocation_lists);
    all.map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((
            (metadata.ctime(), metadata.ctime_nsec()),
            metadata.len(),
            metadata.ino(),
        ))
    })
    .collect()
}
