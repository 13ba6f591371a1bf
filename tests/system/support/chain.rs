//! Everything from a swab to an unlocked app: a server with call centres, the stand-in of the backend that it posts to, and short ways to get to
//! each point on the way.

use immuni_stand_in::StandInSettings;

use super::backend::Backend;
use super::failing::StoreFaults;
use super::installation::{ASL_OPERATOR, CALL_CENTRE, CARD, DESK, Installation};
use super::messages::{Message, Submission};
use super::server::Server;
use super::session::{Reply, Session};
use super::until;

/// Settings under which the backend's failures end soon: tests wait for no deadline that is not their subject.
pub const IMPATIENT: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "500"),
];

/// What a request was told: outcome, and findings in a row.
pub type Told = (String, String);

/// A running chain.
pub struct Chain {
    pub server: Server,
    pub backend: Backend,
    pub installation: Installation,
}

impl Chain {
    /// With the settings of [`Installation`].
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With others as well.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let installation = Installation::with_call_centres();
        let backend = Backend::start();
        let server = Self::serve(&installation, &backend, settings);
        Self {
            server,
            backend,
            installation,
        }
    }

    /// Over mutual TLS, with files made ready by [`Installation::add_backend_certificates`] and then changed by `prepare`.
    pub fn start_over_mutual_tls(
        settings: &[(&str, &str)],
        prepare: impl FnOnce(&Installation),
    ) -> Self {
        let installation = Installation::with_call_centres();
        let tls = installation.add_backend_certificates();
        prepare(&installation);
        let backend = Backend::start_with(StandInSettings {
            tls: Some(tls),
            ..StandInSettings::default()
        });
        let server = Self::serve(&installation, &backend, settings);
        Self {
            server,
            backend,
            installation,
        }
    }

    /// Under a new server, what an old one that is gone has left.
    pub fn with(installation: Installation, backend: Backend) -> Self {
        let server = Self::serve(&installation, &backend, &[]);
        Self {
            server,
            backend,
            installation,
        }
    }

    /// The same data under a new server, with the same stand-in; the old server is killed.
    pub fn restart(self, settings: &[(&str, &str)]) -> Self {
        self.server.kill9();
        let server = Self::serve(&self.installation, &self.backend, settings);
        Self { server, ..self }
    }

    /// Over a store that fails on demand, with what makes it fail.
    pub fn start_failing() -> (Self, StoreFaults) {
        let installation = Installation::with_call_centres();
        let backend = Backend::start();
        let url = backend.url();
        let settings = [("IMMUNI__BASE_URL", url.as_str())];
        let (server, faults) = StoreFaults::serve(&installation, &settings);
        let chain = Self {
            server,
            backend,
            installation,
        };
        (chain, faults)
    }

    fn serve(installation: &Installation, backend: &Backend, settings: &[(&str, &str)]) -> Server {
        let url = backend.url();
        let settings = [&[("IMMUNI__BASE_URL", url.as_str())], settings].concat();
        Server::start_with(installation, &settings)
    }

    /// Region 010.
    pub fn region(&self) -> Session {
        Session::region(&self.installation, &self.server, "010")
    }

    /// The call centre that [`DESK`] works for.
    pub fn desk(&self) -> Session {
        self.desk_of(CALL_CENTRE)
    }

    /// Any call centre.
    pub fn desk_of(&self, code: &str) -> Session {
        Session::call_centre(&self.installation, &self.server, code)
    }

    /// The CUN of a submission that must succeed.
    pub fn submitted(&self, submission: &Submission) -> String {
        self.region().submitted(submission)
    }

    /// The CUN of a new positive of the patient.
    pub fn positive(&self) -> String {
        self.submitted(&Submission::by_region())
    }

    /// The id of a verification of it by [`DESK`], which must succeed.
    pub fn verified(&self, cun: &str) -> String {
        self.verified_by(DESK, cun)
    }

    /// The same by another operator of that call centre.
    pub fn verified_by(&self, operator: &str, cun: &str) -> String {
        self.desk().verified(operator, CARD, cun)
    }

    /// Whether [`DESK`] can verify it with the patient's card, which leaves a verification behind if so.
    pub fn is_verifiable(&self, cun: &str) -> bool {
        self.is_verifiable_with(CARD, cun)
    }

    /// The same with another card.
    pub fn is_verifiable_with(&self, card: &str, cun: &str) -> bool {
        let reply = self.desk().ask(&Message::verification(DESK, card, cun));
        match told(&reply) {
            ("0000", findings) if findings.is_empty() => true,
            ("9999", findings) if findings == ["3001"] => false,
            other => panic!("{other:?}"),
        }
    }

    /// Posts a code for [`DESK`].
    pub fn unlock(&self, session: &str, otp: &str) -> Reply {
        self.desk().ask(&Message::unlock(DESK, session, otp))
    }

    /// Posts a code for [`DESK`], as the first that reaches the backend, and waits until it has; the answer is to come on this connection.
    pub fn begin_unlock(&self, session: &str, otp: &str) -> Session {
        let mut desk = self.desk();
        desk.send(&Message::unlock(DESK, session, otp)).unwrap();
        until("the post has begun", || self.backend.counts().requests == 1);
        desk
    }

    /// The id of a verification of it with which it was unlocked.
    pub fn unlocked(&self, cun: &str, otp: &str) -> String {
        let session = self.verified(cun);
        assert_eq!(told(&self.unlock(&session, otp)), ("0000", vec![]));
        session
    }

    /// `C` or `A` by [`DESK`], without the id of a verification.
    pub fn confirm(&self, kind: &str, cun: &str) -> Reply {
        self.desk().ask(&Message::confirmation(kind, DESK, cun))
    }

    /// Posts a code by region 010's operator.
    pub fn asl(&self, otp: &str, patient: &str) -> Reply {
        let message = Message::asl_otp_of_region(ASL_OPERATOR, otp, patient);
        self.region().ask(&message)
    }
}

/// Outcome and findings of an answer of a service.
pub fn told(reply: &Reply) -> (&str, Vec<&str>) {
    assert_eq!(reply.status(), 200, "{reply:?}");
    (reply.outcome(), reply.findings())
}

/// The same to be kept: the findings in a row.
pub fn told_to_keep(reply: &Reply) -> Told {
    let (outcome, findings) = told(reply);
    (outcome.to_owned(), findings.join(" "))
}
