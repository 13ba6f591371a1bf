//! A stand-in of the Immuni backend, in this process.

use std::net::{SocketAddr, TcpStream};

use immuni_stand_in::{Behaviour, Counts, Fault, StandIn, StandInSettings};
use tokio::runtime::{Builder, Runtime};

use super::until;

/// A running stand-in, on ports and with a memory of its own; it ends with this value.
pub struct Backend {
    // Before the runtime, which its tasks run on.
    stand_in: StandIn,
    _runtime: Runtime,
    is_secure: bool,
}

impl Backend {
    /// In the clear, and well-behaved.
    pub fn start() -> Self {
        Self::start_with(StandInSettings::default())
    }

    /// With other settings.
    pub fn start_with(settings: StandInSettings) -> Self {
        let is_secure = settings.tls.is_some();
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let stand_in = runtime.block_on(StandIn::start(settings)).unwrap();
        Self {
            stand_in,
            _runtime: runtime,
            is_secure,
        }
    }

    /// Where codes are posted.
    pub fn address(&self) -> SocketAddr {
        self.stand_in.address
    }

    /// The same as the base of a URL.
    pub fn url(&self) -> String {
        if self.is_secure {
            format!("https://localhost:{}", self.address().port())
        } else {
            format!("http://{}", self.address())
        }
    }

    /// From now on it behaves so. If it is to be down, its port is closed and its connections are cut by now: a code that it took while it
    /// closes would have been sent.
    pub fn behave(&self, behaviour: Behaviour) {
        self.stand_in.behave(behaviour);
        if behaviour.down {
            until("the backend is down", || {
                TcpStream::connect(self.address()).is_err() && self.stand_in.open_connections() == 0
            });
        }
    }

    /// The next `times` requests go wrong in this way.
    pub fn fails(&self, fault: Fault, times: u64) {
        self.behave(Behaviour {
            fault: Some(fault),
            times: Some(times),
            ..Behaviour::default()
        });
    }

    /// From now on there is nothing at its address.
    pub fn goes_down(&self) {
        self.behave(Behaviour {
            down: true,
            ..Behaviour::default()
        });
    }

    /// From now on it stores at once, and answers so much later.
    pub fn answers_after(&self, milliseconds: u64) {
        self.behave(Behaviour {
            latency_milliseconds: milliseconds,
            ..Behaviour::default()
        });
    }

    /// What it has seen since its start.
    pub fn counts(&self) -> Counts {
        self.stand_in.authorisations().counts()
    }

    /// How often it was to authorise this code, which it may have done before.
    pub fn posts(&self, otp: &str) -> u64 {
        self.stand_in.authorisations().posts(otp)
    }

    /// How often it has authorised this code.
    pub fn stored(&self, otp: &str) -> u64 {
        self.stand_in.authorisations().stored(otp)
    }
}
