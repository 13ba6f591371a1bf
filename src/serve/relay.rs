//! The relay of OTPs, as the configuration says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use sistema_ts_actors::relay::RelayHandle;
use sistema_ts_model::Clock;

use crate::config::Configuration;
use crate::immuni::{BackendAddress, BackendAddressError, BackendTls, HttpBackend, ImmuniError};

/// Why the relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayStartError {
    /// The address.
    #[error("immuni.base_url {0}")]
    Address(#[from] BackendAddressError),
    /// The certificates.
    #[error("towards the Immuni backend: {0}")]
    Backend(#[from] ImmuniError),
    /// The signal that has the files read again.
    #[error("signal handler: {0}")]
    Signal(#[from] io::Error),
}

/// A relay that has started.
pub(super) struct StartedRelay {
    /// Where codes go.
    pub(super) handle: RelayHandle,
    /// The certificates that it shows; `None` in the clear.
    pub(super) tls: Option<Arc<BackendTls>>,
}

/// Starts the relay on a thread of its own, if a backend is configured.
pub(super) fn start(
    configuration: &Configuration,
    clock: Arc<dyn Clock>,
) -> Result<Option<StartedRelay>, RelayStartError> {
    if configuration.immuni.base_url.is_empty() {
        tracing::info!("no Immuni backend is configured: what needs it is not offered");
        return Ok(None);
    }
    let address = BackendAddress::parse(&configuration.immuni.base_url)?;
    let tls = if address.is_tls() {
        let tls = Arc::new(BackendTls::load(configuration.immuni_files())?);
        tls.keep_current(Duration::from_secs(
            configuration.tls.reload_interval_seconds,
        ))?;
        Some(tls)
    } else {
        None
    };
    tracing::info!(%address, "codes are relayed to the Immuni backend");
    let handle = RelayHandle::start_on(
        &Arbiter::new().handle(),
        Arc::new(HttpBackend::new(address, tls.clone())?),
        configuration.relay_settings(),
        clock,
    );
    Ok(Some(StartedRelay { handle, tls }))
}
