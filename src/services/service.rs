//! What a service is: its message is judged in one step ([`SoapService`]), and what was judged is carried out in another: in place ([`CarryOut`]),
//! or in a task of its own ([`DetachedService`]).

use std::sync::Arc;

use sistema_ts_model::{Caller, Finding, Service, Timestamp};
use sistema_ts_store::AccessDetail;

use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::state::{ServerState, WorkerState};
use crate::soap::description::Message;
use crate::soap::{Fields, SoapFault, messages};

/// One service of the document.
pub trait SoapService: Sized + 'static {
    /// Which one.
    const SERVICE: Service;
    /// Among which work it is counted. Of the lane [`Lane::Relay`] are the services that are offered only where there is a relay.
    const LANE: Lane;
    /// Whose certificates it is for. A service whose request has a `pinCode` is for users of structures as well.
    const CERTIFICATES: Certificates;
    /// Whether a request that it has carried out changes what the same request meets again. If so, and its access record cannot be written, the
    /// outcome is told as unknown.
    const HAS_EFFECTS: bool;
    /// The description of its request.
    const REQUEST: &'static Message = messages::of(Self::SERVICE).0;
    /// The description of its answer.
    const ANSWER: &'static Message = messages::of(Self::SERVICE).1;
    /// Where its request holds the pincode of a user; `None` for a service that is not for users.
    const PIN_CODE: Option<usize> = Self::REQUEST.find("pinCode");

    /// What the access record names of a request (§2.5, §3.4, §5.2).
    type Named: Send + 'static;
    /// A request without a mistake. Like [`Self::Named`] it owns what it holds, so that no value of the message outlives its judgement: the
    /// message's own values are overwritten when [`Self::judge`] returns.
    type Request: Send + 'static;

    /// Judges a message: it has the right elements, and no value of it has been looked at. Changes nothing.
    fn judge(
        server: &ServerState,
        call: &Call,
        fields: Fields<'_>,
    ) -> Judged<Self::Named, Self::Request>;

    /// What the access record says of a request that ended at `ended_at`.
    fn access_detail(named: Self::Named, call: &Call, ended_at: Timestamp) -> AccessDetail;
}

/// The second step of a service, in place: it ends when the client leaves.
pub trait CarryOut: SoapService {
    /// Carries a request out that has no mistake, makes its access record durable, and answers.
    ///
    /// # Errors
    /// A fault where there is nothing to answer; nothing was done then, unless the fault says that it is not known.
    fn carry_out(
        worker: &WorkerState,
        access: Access<Self>,
        request: Self::Request,
    ) -> impl Future<Output = Result<Answered, SoapFault>>;
}

/// The second step of a service, in a task of its own: it comes to its end, its access record included, when the client leaves in between.
pub trait DetachedService: SoapService {
    /// As [`CarryOut::carry_out`].
    ///
    /// # Errors
    /// As [`CarryOut::carry_out`].
    fn carry_out(
        server: &ServerState,
        access: Access<Self>,
        request: Self::Request,
    ) -> impl Future<Output = Result<Answered, SoapFault>> + Send;
}

impl<S: DetachedService> CarryOut for S {
    async fn carry_out(
        worker: &WorkerState,
        access: Access<Self>,
        request: Self::Request,
    ) -> Result<Answered, SoapFault> {
        let server = Arc::clone(&worker.server);
        let work = async move { <S as DetachedService>::carry_out(&server, access, request).await };
        let ended = worker.server.detached.run(work).await;
        // The task panicked. Whether the request has a key the endpoint knows: it says so.
        ended.unwrap_or(Err(SoapFault::OutcomeUnknown { has_key: false }))
    }
}

/// An access to a service, which is recorded when it has ended.
pub struct Access<S: SoapService> {
    /// Who calls.
    pub call: Call,
    /// What the access record names of the request.
    pub named: S::Named,
}

/// Whose certificates a service is for (Tables 1 and 8, §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// Those of regions.
    Regions,
    /// Those of call centres.
    CallCenters,
}

impl Certificates {
    /// Whether this caller is one of them.
    #[must_use]
    pub fn include(self, caller: &Caller) -> bool {
        match self {
            Self::Regions => matches!(caller, Caller::Region(_)),
            Self::CallCenters => matches!(caller, Caller::CallCenter(_)),
        }
    }
}

/// What was judged of a message.
#[derive(Debug)]
pub struct Judged<N, R> {
    /// What the access record names: what is well-formed of the message, also where it has mistakes elsewhere.
    pub named: N,
    /// The request, or all its mistakes.
    pub request: Result<R, Vec<Finding>>,
}

impl<N, R> Judged<N, R> {
    /// With this mistake, if there is one, beside all others.
    #[must_use]
    pub fn and(mut self, mistake: Option<Finding>) -> Self {
        if let Some(mistake) = mistake {
            let mut mistakes = self.request.err().unwrap_or_default();
            mistakes.push(mistake);
            self.request = Err(mistakes);
        }
        self
    }

    /// With this mistake alone, if a request without others has it.
    #[must_use]
    pub fn unless(self, mistake: impl FnOnce(&R) -> Option<Finding>) -> Self {
        self.then(|request| match mistake(&request) {
            None => Ok(request),
            Some(mistake) => Err(mistake),
        })
    }

    /// The request that `next` makes of one without a mistake, or the mistake that it finds in it.
    #[must_use]
    pub fn then<T>(self, next: impl FnOnce(R) -> Result<T, Finding>) -> Judged<N, T> {
        Judged {
            named: self.named,
            request: self
                .request
                .and_then(|request| next(request).map_err(|mistake| vec![mistake])),
        }
    }
}
