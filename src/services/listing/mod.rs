//! `elencoTestEffettuati` (§2.4.3): the tests that were communicated in an interval of days, as they stood when the listing began.
//!
//! Outcome, time and access record are fixed before the first byte leaves. Up to [`rules::KNOWN_BEFORE`] tests it is known by then whether there are
//! more; a longer answer is read while it is sent, page by page, so that its memory is bounded whatever its length.

mod answer;
mod rules;
mod walk;

use std::sync::Arc;

use sistema_ts_model::{Finding, Outcome, Service, Timestamp};
use sistema_ts_store::{AccessDetail, ListingRequest};

use self::answer::Parts;
use self::rules::{KNOWN_BEFORE, Named};
use self::walk::Walk;
use super::access::ending_now;
use super::admission::Lane;
use super::answer::{AnswerBody, Answered};
use super::bookmark::{Bookmark, Filters};
use super::call::Call;
use super::registered::{operator_finding, structure_finding};
use super::service::{Access, CarryOut, Certificates, Judged, SoapService};
use super::state::{ServerState, WorkerState};
use crate::soap::messages::listing::REQUEST;
use crate::soap::{Fields, SoapFault};

const OPERATOR: &str = REQUEST.element(&["identificativoUtente"]);
const BOOKMARK: &str = REQUEST.element(&["segnalibro"]);

type Request = rules::Request<Bookmark>;

/// The service. It changes nothing, so that nothing of it goes on when the client leaves.
pub struct Listing;

impl SoapService for Listing {
    const SERVICE: Service = Service::Listing;
    const LANE: Lane = Lane::Listing;
    const CERTIFICATES: Certificates = Certificates::Regions;
    const HAS_EFFECTS: bool = false;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        let judged = rules::judge(fields, call);
        let unregistered = structure_finding(server, call, judged.named.structure.as_ref());
        judged
            .and(unregistered)
            .unless(|request| {
                operator_finding(server, call, Self::SERVICE, (OPERATOR, &request.operator))
            })
            .then(|request| with_bookmark(server, call, request))
    }

    fn access_detail(named: Named, _: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::Listing {
            structure: named.structure,
            operator: named.operator,
        }
    }
}

impl CarryOut for Listing {
    async fn carry_out(
        worker: &WorkerState,
        access: Access<Self>,
        listing: Request,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let mark = match &listing.bookmark {
            Some(bookmark) => bookmark.mark,
            None => server.store.listing_mark().await?,
        };
        let request = ListingRequest {
            scope: listing.scope.clone(),
            from: listing.from,
            to: listing.to,
            mark,
            after: listing.bookmark.map(|bookmark| bookmark.position),
            limit: 0,
        };
        let mut walk = Walk::new(Arc::clone(&server.store), request, listing.maximum);
        let mut pages = Vec::new();
        let mut finding = None;
        let known = listing.maximum <= KNOWN_BEFORE;
        if known {
            while let Some(page) = walk.next().await? {
                pages.push(page);
            }
            if walk.has_more().await? {
                finding = Some(Finding::whole(Outcome::MoreTests));
            }
        }
        let call = access.call.clone();
        let head = access
            .recorded(server, ending_now(server), finding.as_slice())
            .await?;
        let write_bookmark = {
            let (server, now) = (Arc::clone(server), head.at);
            move |position| {
                let bookmark = Bookmark { mark, position };
                let text = bookmark.write(&server.bookmarks, &filters(&call, &listing), now);
                // Without its bookmark the answer would be taken for the whole: it breaks off.
                text.map_err(|_| SoapFault::Internal)
            }
        };
        let parts = Parts::new(
            Self::ANSWER,
            &head,
            pages,
            walk,
            known,
            Box::new(write_bookmark),
        );
        Ok(Answered {
            verdict: head.verdict,
            body: AnswerBody::Parts(parts.into_stream()),
        })
    }
}

/// The request with what its bookmark says, if it has one.
fn with_bookmark(
    server: &ServerState,
    call: &Call,
    request: rules::Request<String>,
) -> Result<Request, Finding> {
    let read = |text: &String| {
        Bookmark::read(text, &server.bookmarks, &filters(call, &request), call.at)
            .map_err(|outcome| Finding::on(BOOKMARK, outcome))
    };
    let bookmark = request.bookmark.as_ref().map(read).transpose()?;
    Ok(request.with(bookmark))
}

fn filters<'a, B>(call: &'a Call, listing: &'a rules::Request<B>) -> Filters<'a> {
    Filters {
        caller: &call.caller,
        scope: &listing.scope,
        from: listing.from,
        to: listing.to,
    }
}
