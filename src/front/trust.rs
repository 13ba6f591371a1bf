//! Certificates, key, authorities and revocation lists of one listener, swapped as a whole while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use rustls::crypto::CryptoProvider;
use rustls::server::ServerSessionMemoryCache;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

use super::authorities::Authority;
use super::certificate::ClientCertificate;
use super::intermediates;
use super::kept_lists;
use super::material::{FileStamp, Material, server_config, stamps};
use super::revocation_set::RevocationSet;
use super::server_certificates::ServerCertificateStatus;
use super::settings::TlsFiles;
use super::trust_error::TrustError;

/// What is trusted at one time; whoever holds it sees one consistent state.
pub struct Trust {
    /// 1 for the first, one more whenever something changed by which certificates are judged.
    pub generation: u64,
    /// The generation that brought `server_config` and `verifier`: later ones may have changed revocation lists only.
    pub authorities_since: u64,
    /// For new handshakes.
    pub server_config: Arc<ServerConfig>,
    /// For connections that were open before the authorities changed; absent on a listener without client certificates.
    pub verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Asked at each request.
    pub revocations: RevocationSet,
    /// What `verifier` trusts in.
    roots: Arc<RootCertStore>,
    /// The certificates that the listener shows.
    pub server_certificates: Vec<ServerCertificateStatus>,
    /// What signatures are checked with.
    pub(super) provider: Arc<CryptoProvider>,
    /// Contents that `server_config` was made from.
    material: Arc<Material>,
}

/// The current [`Trust`] of a listener and where it comes from.
pub struct TrustStore {
    files: TlsFiles,
    session_cache: usize,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Trust>,
    /// Held during a reload, so that two never cross: the stamps of the files last looked at.
    looked_at: Mutex<Vec<Option<FileStamp>>>,
    /// Why the files could not be used when they were last read, if so.
    failure: Mutex<Option<String>>,
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
            failure: Mutex::default(),
        })
    }

    /// Why the files cannot be used as they are now, so that old ones are in force; `None` if they are in force.
    pub fn failure(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
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
        let read = self.read_again();
        let failure = read.as_ref().err().map(ToString::to_string);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        read
    }

    fn read_again(&self) -> Result<bool, TrustError> {
        let material = Material::read(&self.files)?;
        let old = self.current.load_full();
        if material == *old.material {
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

    /// Takes notice of intermediates that a verified chain has shown: lists that have waited for them count from now on, the newest of each.
    /// Blocks while lists are kept that no authority was known for.
    pub(super) fn learn(&self, shown: Vec<Authority>) {
        // No reload between reading what is in force and replacing it.
        let _looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load_full();
        let (revocations, is_changed) = old.revocations.showing(shown, &self.provider);
        if is_changed {
            keep_lists(&self.files, &revocations);
        }
        self.current.store(Arc::new(Trust {
            generation: old.generation + u64::from(is_changed),
            authorities_since: old.authorities_since,
            server_config: Arc::clone(&old.server_config),
            verifier: old.verifier.clone(),
            revocations,
            roots: Arc::clone(&old.roots),
            server_certificates: old.server_certificates.clone(),
            provider: Arc::clone(&old.provider),
            material: Arc::clone(&old.material),
        }));
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
    /// The intermediates that a chain shows, which a handshake has verified, and that are not known yet.
    pub(super) fn unknown_intermediates(&self, certificate: &ClientCertificate) -> Vec<Authority> {
        let knows = |shown: &CertificateDer<'_>| self.revocations.knows(shown);
        intermediates::unknown(certificate, knows, &self.roots, &self.provider)
    }

    fn new(
        generation: u64,
        material: Material,
        files: &TlsFiles,
        session_cache: usize,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let none = RevocationSet::default();
        Self::made_anew(generation, &none, material, files, session_cache, provider)
    }

    fn made_anew(
        generation: u64,
        before: &RevocationSet,
        material: Material,
        files: &TlsFiles,
        session_cache: usize,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let clients = material.client_trust(files, before, provider)?;
        let certificates = Arc::new(material.server_certificates(files, provider)?);
        let status = certificates.status();
        // A store of its own: a session made under other authorities must not be resumed under these.
        let sessions = ServerSessionMemoryCache::new(session_cache);
        let server_config =
            server_config(certificates, clients.verifier.clone(), sessions, provider)?;
        keep_lists(files, &clients.revocations);
        Ok(Self {
            generation,
            authorities_since: generation,
            server_config: Arc::new(server_config),
            verifier: clients.verifier,
            revocations: clients.revocations,
            server_certificates: status,
            roots: clients.roots,
            provider: Arc::clone(provider),
            material: Arc::new(material),
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
        let before = &old.revocations;
        if !material.differs_in_lists_only(&old.material) {
            return Self::made_anew(generation, before, material, files, session_cache, provider);
        }
        let clients = material.client_trust(files, before, provider)?;
        keep_lists(files, &clients.revocations);
        Ok(Self {
            generation,
            authorities_since: old.authorities_since,
            server_config: Arc::clone(&old.server_config),
            verifier: old.verifier.clone(),
            revocations: clients.revocations,
            server_certificates: old.server_certificates.clone(),
            roots: clients.roots,
            provider: Arc::clone(provider),
            material: Arc::new(material),
        })
    }
}

/// Keeps the lists that are in force from now on, as far as the disk lets it.
fn keep_lists(files: &TlsFiles, revocations: &RevocationSet) {
    let Some(folder) = &files.kept_lists else {
        return;
    };
    if let Err(error) = kept_lists::keep(folder, revocations) {
        tracing::warn!(folder = %folder.display(), %error, "revocation lists cannot be kept: an older one would be taken at the next start");
    }
}
