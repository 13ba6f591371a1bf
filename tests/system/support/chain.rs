//! Everything from a swab to an unlocked app: a server with call centres, the stand-in of the backend that it posts to, and short ways to get to
//! each point on the way.

use immuni_stand_in::StandInSettings;

use super::backend::Backend;
use super::installation::{ASL_OPERATOR, CALL_CENTRE, CARD, DESK, Installation};
use super::messages::{Message, Submission};
use super::server::Server;
use super::session::{Reply, Session};

/// Settings under which the backend's failures end soon: tests wait for no deadline that is not their subject.
pub const IMPATIENT: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "500"),
];

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
        let reply = self.region().submit(submission);
        assert_eq!(reply.told(), (200, "0000"), "{reply:?}");
        reply.transaction().to_owned()
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
        let reply = self.desk().ask(&Message::verification(operator, CARD, cun));
        assert_eq!(reply.told(), (200, "0000"), "{reply:?}");
        reply.value("idVerificaTampone").to_owned()
    }

    /// Posts a code for [`DESK`].
    pub fn unlock(&self, session: &str, otp: &str) -> Reply {
        self.desk().ask(&Message::unlock(DESK, session, otp))
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
        let message = Message::asl_code_of_region(ASL_OPERATOR, otp, patient);
        self.region().ask(&message)
    }
}

/// Outcome and findings of an answer of a service.
pub fn told(reply: &Reply) -> (&str, Vec<&str>) {
    assert_eq!(reply.status(), 200, "{reply:?}");
    (reply.outcome(), reply.findings())
}
