//! Certificates towards the backend: the authority that signs its certificate, and our own certificate and key. Read again when they change,
//! without touching a post under way.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sistema_ts_store::permissions::check_secret_file;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::ImmuniError;

/// The files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendFiles {
    /// The authority of the backend's certificate.
    pub authority: PathBuf,
    /// Our certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
}

/// What new connections are made with.
pub struct BackendTls {
    files: BackendFiles,
    current: ArcSwap<ClientConfig>,
    /// What `current` was made from; held during a reload.
    material: Mutex<Material>,
}

#[derive(PartialEq, Eq)]
struct Material {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
}

impl BackendTls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`ImmuniError`]: the relay cannot start.
    pub fn load(files: BackendFiles) -> Result<Self, ImmuniError> {
        let material = Material::read(&files)?;
        Ok(Self {
            current: ArcSwap::from_pointee(material.config(&files)?),
            material: Mutex::new(material),
            files,
        })
    }

    /// What the next connection is made with.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        self.current.load_full()
    }

    /// Reads the files again. Answers whether anything changed: then connections made before are not used for the next post.
    ///
    /// # Errors
    /// [`ImmuniError`]: the old ones stay in force.
    pub fn reload(&self) -> Result<bool, ImmuniError> {
        // A panic under the lock leaves the old material, which is right.
        let mut material = self.material.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Material::read(&self.files)?;
        if read == *material {
            return Ok(false);
        }
        self.current.store(Arc::new(read.config(&self.files)?));
        *material = read;
        Ok(true)
    }
}

impl BackendTls {
    /// Keeps it current from now on: reads the files every `period`, and at each SIGHUP. Must be called on a runtime, with which it ends.
    ///
    /// # Errors
    /// When the system refuses the signal's handler.
    pub fn keep_current(self: &Arc<Self>, period: Duration) -> std::io::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        let this = Arc::clone(self);
        tokio::spawn(async move {
            // What was wrong is told once, not at each look.
            let mut told = None;
            loop {
                tokio::select! {
                    Some(()) = hang_up.recv() => told = None,
                    () = tokio::time::sleep(period) => {}
                }
                let reading = Arc::clone(&this);
                let read = tokio::task::spawn_blocking(move || reading.reload()).await;
                let result = match read {
                    Ok(Ok(true)) => {
                        told = None;
                        tracing::info!("certificates towards the Immuni backend read anew");
                        "changed"
                    }
                    Ok(Err(error)) if told != Some(error.to_string()) => {
                        tracing::error!(%error, "certificates towards the Immuni backend not usable: the old ones stay in force");
                        told = Some(error.to_string());
                        "failed"
                    }
                    // A panic in there was reported by the runtime; the next round tries again.
                    Ok(_) | Err(_) => continue,
                };
                metrics::counter!("sistema_ts_relay_tls_reloads_total", "result" => result)
                    .increment(1);
            }
        });
        Ok(())
    }
}

impl Material {
    fn read(files: &BackendFiles) -> Result<Self, ImmuniError> {
        let read = |file: &PathBuf| {
            std::fs::read(file).map_err(|source| ImmuniError::Read {
                file: file.clone(),
                source,
            })
        };
        let private_key = Zeroizing::new(read(&files.private_key)?);
        check_secret_file(&files.private_key)?;
        Ok(Self {
            authority: read(&files.authority)?,
            certificate: read(&files.certificate)?,
            private_key,
        })
    }

    fn config(&self, files: &BackendFiles) -> Result<ClientConfig, ImmuniError> {
        let content = |file: &PathBuf| ImmuniError::Content { file: file.clone() };
        let certificates = |pem: &[u8], file: &PathBuf| {
            let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|_| content(file))?;
            match certificates.is_empty() {
                true => Err(content(file)),
                false => Ok(certificates),
            }
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authority, &files.authority)? {
            roots
                .add(authority)
                .map_err(|_| content(&files.authority))?;
        }
        let key = PrivateKeyDer::from_pem_slice(&self.private_key)
            .map_err(|_| content(&files.private_key))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&self.certificate, &files.certificate)?, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
