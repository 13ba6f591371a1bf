//! What the services work with: one state for the process, and one for each worker thread.

use std::sync::Arc;

use sistema_ts_actors::relay::OtpSender;
use sistema_ts_actors::{CunSource, SessionBindings};
use sistema_ts_model::Clock;
use sistema_ts_store::Store;
use sistema_ts_store::cards::CardRegister;
use sistema_ts_store::register::Register;

use super::admission::Admission;
use super::bookmark::BookmarkKey;
use super::detached::DetachedWork;
use super::metrics::Metrics;
use super::settings::ServiceSettings;
use super::under_way::UnderWay;
use crate::auth::Authenticator;

/// Shared by all workers.
pub struct ServerState {
    /// The archives.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub register: Arc<dyn Register>,
    /// Which cards people hold.
    pub cards: Arc<dyn CardRegister>,
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// How much is taken on at once.
    pub admission: Arc<Admission>,
    /// Where OTPs go; absent where no Immuni backend is configured, and then what needs it is not offered.
    pub relay: Option<Arc<dyn OtpSender>>,
    /// To whom sessions are bound.
    pub sessions: Arc<dyn SessionBindings>,
    /// The settings of the services.
    pub settings: ServiceSettings,
    /// Where work that has effects comes to its end.
    pub detached: DetachedWork,
    /// For whom a code of the ASL is under way.
    pub asl_under_way: UnderWay,
    /// The key of the listings' bookmarks.
    pub bookmarks: BookmarkKey,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Largest body of a request, in bytes.
    pub maximum_body_bytes: usize,
}

/// One worker's own: no lock and no atomic on the way of a request.
pub struct WorkerState {
    /// What all workers share.
    pub server: Arc<ServerState>,
    /// Where this worker's codes come from.
    pub codes: Box<dyn CunSource>,
    /// Counters and clocks of the services.
    pub metrics: Metrics,
}
