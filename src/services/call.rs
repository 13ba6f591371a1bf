//! One call of a service: who calls, since when, and which places it holds.

use std::net::IpAddr;
use std::sync::Arc;

use sistema_ts_model::{Caller, Timestamp};
use sistema_ts_store::register::RegisteredUser;

use super::admission::Permit;

/// One call of a service, by a caller that has proved who it is.
#[derive(Debug, Clone)]
pub struct Call {
    /// The registered caller.
    pub caller: Caller,
    /// The user of a Basic caller.
    pub user: Option<Arc<RegisteredUser>>,
    /// When the request reached the service.
    pub at: Timestamp,
    /// Where the request comes from: the client, or the nearest proxy if that does not tell.
    pub client_address: IpAddr,
    /// Taken as long as any copy of this call lives, so that work which goes on after its client has left still counts as its caller's.
    pub permits: Permits,
}

/// The places in a lane that one request holds.
#[derive(Debug, Clone, Default)]
pub struct Permits {
    _held: Arc<[Option<Permit>; 2]>,
}

impl Permits {
    /// The place of a certificate's caller and the place of a user's structure; of one request there is one of them.
    #[must_use]
    pub fn of(caller: Option<Permit>, structure: Option<Permit>) -> Self {
        Self {
            _held: Arc::new([caller, structure]),
        }
    }
}
