//! `elencoTestEffettuati` (§2.4.3): the tests that were communicated in an interval of days, as they stood when the listing began.
//!
//! Outcome, time and access record are fixed before the first byte leaves. Up to [`KNOWN_BEFORE`] tests it is known by then whether there are
//! more; a longer answer is read while it is sent, page by page, so that its memory is bounded whatever its length.

mod answer;
mod bookmark;
mod rules;
mod walk;

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::{
    Caller, CodiceFiscale, Finding, Outcome, Service, StructureReference, TransactionId,
};
use sistema_ts_store::{AccessDetail, ListingRequest};

pub use self::bookmark::BookmarkKey;

use self::answer::Parts;
use self::bookmark::{Bookmark, Filters};
use self::rules::Request;
use self::walk::Walk;
use super::access::record_access;
use super::desk::operator_finding;
use super::endpoint::{AnswerBody, Answered, Call, SoapService};
use super::rules::{structure_of, well_formed, with_registered_structure};
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::listing::{ANSWER, REQUEST, RawListing, STRUCTURE_NODES};
use crate::soap::messages::shared::RawStructure;
use crate::soap::{AnswerHead, Fields, SoapFault};

/// Tests up to which it is known before the first byte whether there are more; also the most that an answer holds unless `massimoElementi`
/// says otherwise.
pub const KNOWN_BEFORE: usize = 25_000;

/// The service.
pub struct Listing;

#[async_trait(?Send)]
impl SoapService for Listing {
    const SERVICE: Service = Service::Listing;
    const LANE: Lane = Lane::Listing;
    const PIN_CODE_NODE: Option<usize> = Some(REQUEST.node(&["pinCode"]));
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        mut fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let identifier = RawStructure::take(&mut fields, STRUCTURE_NODES);
        let raw = RawListing::take(&mut fields);
        let structure = structure_of(&identifier, &raw.structure_description.text);
        let operator = well_formed(&raw.operator.text, |text| {
            CodiceFiscale::parse_with(text, server.fiscal_codes)
        });
        let mut checked = call.if_allowed(|| {
            with_registered_structure(
                rules::validate(&raw, &identifier, &call, server.fiscal_codes),
                structure.as_ref(),
                &call.caller,
                &server.register.snapshot(),
                REQUEST.name_of(STRUCTURE_NODES.structure),
            )
        });
        if let (Ok(_), Caller::Region(_), Some(operator)) = (&checked, &call.caller, &operator) {
            let place = REQUEST.name_of(raw.operator.node);
            if let Some(finding) = operator_finding(server, &call, Self::SERVICE, operator, place) {
                checked = Err(vec![finding]);
            }
        }
        let place = checked.and_then(|listing| {
            let place = begin(server, &call, &listing)?;
            Ok((listing, place))
        });
        let access = Access {
            structure,
            operator,
        };
        match place {
            Ok((listing, place)) => list(server, &call, listing, place, access).await,
            Err(findings) => refuse(server, &call, access, &findings).await,
        }
    }
}

/// What the access record names (§2.5).
struct Access {
    structure: Option<StructureReference>,
    operator: Option<CodiceFiscale>,
}

impl Access {
    fn into_detail(self) -> AccessDetail {
        AccessDetail::Listing {
            structure: self.structure,
            operator: self.operator,
        }
    }
}

/// Where the listing goes on, if the request has a bookmark.
fn begin(
    server: &ServerState,
    call: &Call,
    listing: &Request,
) -> Result<Option<Bookmark>, Vec<Finding>> {
    let Some(text) = &listing.bookmark else {
        return Ok(None);
    };
    let field = REQUEST.name_of(const { REQUEST.node(&["segnalibro"]) });
    Bookmark::read(text, &server.bookmarks, &filters(call, listing), call.at)
        .map(Some)
        .map_err(|outcome| vec![Finding::on(field, outcome)])
}

fn filters<'a>(call: &'a Call, listing: &'a Request) -> Filters<'a> {
    Filters {
        caller: &call.caller,
        scope: &listing.scope,
        from: listing.from,
        to: listing.to,
    }
}

async fn list(
    server: &Arc<ServerState>,
    call: &Call,
    listing: Request,
    bookmark: Option<Bookmark>,
    access: Access,
) -> Result<Answered, SoapFault> {
    let mark = match &bookmark {
        Some(bookmark) => bookmark.mark,
        None => server.store.listing_mark().await?,
    };
    let request = ListingRequest {
        scope: listing.scope.clone(),
        from: listing.from,
        to: listing.to,
        mark,
        after: bookmark.map(|bookmark| bookmark.position),
        limit: 0,
    };
    let mut walk = Walk::new(Arc::clone(&server.store), request, listing.maximum);
    let mut pages = Vec::new();
    let mut findings = Vec::new();
    let known = listing.maximum <= KNOWN_BEFORE;
    if known {
        while let Some(page) = walk.next().await? {
            pages.push(page);
        }
        if walk.has_more().await? {
            findings.push(Finding::whole(Outcome::MoreTests));
        }
    }
    let transaction = TransactionId::random();
    record_access(server, call, transaction, &findings, access.into_detail()).await?;
    let now = server.clock.now();
    let head = AnswerHead::new(transaction, now, &findings);
    let verdict = head.verdict;
    let write_bookmark = {
        let (server, call) = (Arc::clone(server), call.clone());
        move |position| {
            let bookmark = Bookmark { mark, position };
            let text = bookmark.write(&server.bookmarks, &filters(&call, &listing), now);
            // Without its bookmark the answer would be taken for the whole: it breaks off.
            text.map_err(|_| SoapFault::Internal)
        }
    };
    let parts = Parts::new(&ANSWER, &head, pages, walk, known, Box::new(write_bookmark));
    Ok(Answered {
        body: AnswerBody::Parts(parts.into_stream()),
        verdict,
    })
}

async fn refuse(
    server: &ServerState,
    call: &Call,
    access: Access,
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    record_access(server, call, transaction, findings, access.into_detail()).await?;
    let head = AnswerHead::new(transaction, server.clock.now(), findings);
    Ok(Answered::with_head_only(&ANSWER, &head))
}
