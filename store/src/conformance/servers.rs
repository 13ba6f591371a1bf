//! Two servers on one place. Every check of the suite asks them in turn; these say which of the two does what. Failure: what one server has answered
//! the other does not know, or both give away what there is once.

use std::collections::HashSet;

use sistema_ts_model::{Effect, FirstSymbol, PostOutcome, SessionId, Settlement, Timestamp};

use super::contention::insist;
use super::world::{World, cancellation, confirmation, region, repeatable, settle};
use crate::{
    CancelOutcome, ClaimOutcome, ConcludeOutcome, ListingRequest, ListingScope, NewTest,
    OpenOutcome, OpenSession, RecordOutcome,
};

pub async fn what_one_answered_the_other_finds_and_ends(world: World) {
    let [one, other] = world.both();
    for (first, second) in [(&one, &other), (&other, &one)] {
        let test = NewTest {
            repeatable: repeatable(&SessionId::random().to_text(), "content"),
            ..world.positive(1).await
        };
        let RecordOutcome::Recorded { cun, inserted_at } =
            first.record_test(test.clone()).await.unwrap()
        else {
            panic!("not recorded")
        };
        let repeated = second.record_test(test).await.unwrap();
        assert_eq!(repeated, RecordOutcome::Replayed { cun, inserted_at });
        assert!(second.find_test(cun).await.unwrap().is_some());
        assert!(second.find_by_digest(cun.digest()).await.unwrap().is_some());
        assert!(second.find_patient(cun).await.unwrap().is_some());

        // Opened by one, claimed by the other, settled by the first, confirmed by the second.
        let claim = world.claim_of(SessionId::random());
        let open = OpenSession {
            cun,
            session: claim.session,
            operator: claim.operator.clone(),
            caller: claim.caller,
            lifetime_millis: super::world::SESSION_MILLIS,
        };
        let opened = first.open_session(open).await.unwrap();
        assert!(matches!(opened, OpenOutcome::Opened(_)), "{opened:?}");
        let session = claim.session;
        assert!(second.find_session(session).await.unwrap().is_some());
        let ClaimOutcome::Claimed { claimed, .. } = second.claim_unlock(claim).await.unwrap()
        else {
            panic!("not claimed")
        };
        let settled = settle(&**first, cun, claimed.id, PostOutcome::Delivered).await;
        assert_eq!(settled, Settlement::Written);
        let confirmed = second.confirm(confirmation(cun, Some(session))).await;
        assert_eq!(confirmed.unwrap(), ConcludeOutcome::Done(Effect::Done));
        assert!(first.find_patient(cun).await.unwrap().is_none());
        assert!(first.find_session(session).await.unwrap().is_none());
    }
}

pub async fn a_listing_begun_by_one_goes_on_by_the_other(world: World) {
    let [one, other] = world.both();
    let mut recorded = Vec::new();
    for person in 0..20 {
        recorded.push(world.issued(person).await);
    }
    let gone = recorded.remove(7);
    let cancelled = other.cancel(cancellation(gone, 7)).await.unwrap();
    assert!(matches!(cancelled, CancelOutcome::Done { .. }));
    let mut request = ListingRequest {
        scope: ListingScope::Region(region()),
        from: world.began(),
        to: Timestamp::MAX,
        mark: one.listing_mark().await.unwrap(),
        after: None,
        limit: 3,
    };
    let mut listed = Vec::new();
    for server in [&one, &other].into_iter().cycle().take(10_000) {
        let page = server.list_page(request.clone()).await.unwrap();
        listed.extend(page.tests.into_iter().map(|test| test.cun));
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(listed, recorded);
}

pub async fn codes_that_both_reserve_at_once_are_different(world: World) {
    let first = FirstSymbol::from_index(3).unwrap();
    let reserving = world.both().map(|server| {
        tokio::spawn(async move {
            let mut codes = Vec::new();
            for _ in 0..20 {
                codes.extend(insist(|| server.reserve(first, 50)).await.answer);
            }
            codes
        })
    });
    let mut seen = HashSet::new();
    for codes in reserving {
        for reserved in codes.await.unwrap() {
            assert!(seen.insert(reserved.cun), "both hold one code");
        }
    }
}
