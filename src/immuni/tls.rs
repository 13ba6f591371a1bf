//! Certificates towards the backend: the authority that signs its certificate, and our own certificate and key. Read again when they change,
//! without touching a post under way.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::{ClientConfig, RootCertStore};
use sistema_ts_store::permissions::check_secret_file;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::error::ImmuniError;
use crate::x509::{Content, ContentError, chain_for_key, validity_of_chain};

/// The files, in PEM or DER.
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
    current: ArcSwap<Current>,
    /// Why the files could not be used when they were last read, if so.
    failure: Mutex<Option<String>>,
    /// What `current` was made from; held during a reload.
    material: Mutex<Material>,
}

/// What is in force.
struct Current {
    config: Arc<ClientConfig>,
    validity: (i64, i64),
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
            current: ArcSwap::from_pointee(material.in_force(&files)?),
            failure: Mutex::default(),
            material: Mutex::new(material),
            files,
        })
    }

    /// What the next connection is made with.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// The first and the last second, since 1970, at which our certificate and those above it are valid.
    pub fn validity(&self) -> (i64, i64) {
        self.current.load().validity
    }

    /// Why the files cannot be used as they are now, so that old ones are in force.
    pub fn failure(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }

    /// Reads the files again. Answers whether anything changed: then connections made before are not used for the next post.
    ///
    /// # Errors
    /// [`ImmuniError`]: the old ones stay in force.
    pub fn reload(&self) -> Result<bool, ImmuniError> {
        let read = self.read_again();
        let failure = read.as_ref().err().map(ToString::to_string);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        read
    }

    fn read_again(&self) -> Result<bool, ImmuniError> {
        // A panic under the lock leaves the old material, which is right.
        let mut material = self.material.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Material::read(&self.files)?;
        if read == *material {
            return Ok(false);
        }
        self.current.store(Arc::new(read.in_force(&self.files)?));
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

    fn in_force(&self, files: &BackendFiles) -> Result<Current, ImmuniError> {
        let content = |file: &PathBuf, source: ContentError| ImmuniError::Content {
            file: file.clone(),
            source,
        };
        let authorities = Content::certificates(&self.authority)
            .map_err(|source| content(&files.authority, source))?;
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority)?;
        }
        let certificates = Content::certificates(&self.certificate)
            .map_err(|source| content(&files.certificate, source))?;
        let key = Content::private_key(&self.private_key)
            .map_err(|source| content(&files.private_key, source))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let signing_key = provider.key_provider.load_private_key(key.clone_key())?;
        let public_key = signing_key.public_key();
        let chain = public_key.and_then(|public_key| chain_for_key(&certificates, &public_key));
        let chain = chain.ok_or_else(|| ImmuniError::OtherKey {
            certificate: files.certificate.clone(),
            private_key: files.private_key.clone(),
        })?;
        let validity = validity_of_chain(&chain);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Current {
            config: Arc::new(config),
            validity,
        })
    }
}
