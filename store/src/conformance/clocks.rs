//! Two servers whose clocks are as far apart as they may be. Each check is gone through with either server ahead. Failure: what depends on which of the
//! two was asked, but for when it begins and ends, which may differ by that error.

use std::collections::HashSet;
use std::sync::Arc;

use sistema_ts_model::{
    CUN_LIFE_MILLIS, ClaimRefusal, ConcludeRefusal, Cun, Effect, PostOutcome, SessionId,
    Settlement, Timestamp,
};

use super::contention::insist;
use super::listing::assert_listed;
use super::races::at_once;
use super::receipts::with_receipt;
use super::submission_races::one_answer;
use super::world::{SESSION_MILLIS, World, confirmation, region, settle};
use crate::{
    ClaimOutcome, ConcludeOutcome, ListingRequest, ListingScope, NewTest, OpenOutcome,
    RecordOutcome, Store,
};

/// Which server is ahead, which begins and which goes on.
const WAYS: [(usize, usize, usize); 4] = [(0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0)];

async fn record_at(world: &World, server: &dyn Store, person: u32) -> (Cun, Timestamp) {
    let test = world.positive(person).await;
    let told = insist(|| server.record_test(test.clone())).await;
    match told.answer {
        RecordOutcome::Recorded { cun, inserted_at } => (cun, inserted_at),
        other => panic!("a new test was not recorded: {other:?}"),
    }
}

async fn open_at(world: &World, server: &dyn Store, cun: Cun) -> SessionId {
    let session = SessionId::random();
    let opening = world.opening(cun, session);
    let opened = insist(|| server.open_session(opening.clone())).await.answer;
    assert!(matches!(opened, OpenOutcome::Opened(_)), "{opened:?}");
    session
}

async fn claim_at(world: &World, server: &dyn Store, session: SessionId) -> ClaimOutcome {
    let claim = world.claim_of(session);
    server.claim_unlock(claim).await.unwrap()
}

pub async fn a_listing_of_one_server_holds_what_the_other_has_answered_before(world: World) {
    let servers = world.both();
    let mut answered = Vec::new();
    for (ahead, lister, writer) in WAYS {
        world.put_ahead(ahead, world.clock_error());
        for person in 0..10 {
            for server in [lister, writer] {
                answered.push(record_at(&world, &*servers[server], person).await);
            }
        }
        let mut request = ListingRequest {
            scope: ListingScope::Region(region()),
            from: world.began(),
            to: Timestamp::MAX,
            mark: servers[lister].listing_mark().await.unwrap(),
            after: None,
            limit: 3,
        };
        let mut listed = Vec::new();
        let mut meanwhile = Vec::new();
        // Of the pages each server reads every second one; as long as there are some, the other one writes.
        for page in 0..1_000 {
            let read = servers[(lister + page) % 2].list_page(request.clone());
            let read = read.await.unwrap();
            listed.extend(read.tests);
            let Some(next) = read.next else { break };
            request.after = Some(next);
            if page < 20 {
                meanwhile.push(record_at(&world, &*servers[writer], 11).await);
            }
        }
        assert_listed(&listed, &answered);
        answered.extend(meanwhile);
        let codes: HashSet<Cun> = answered.iter().map(|(cun, _)| *cun).collect();
        let is_known = listed.iter().all(|test| codes.contains(&test.cun));
        assert!(is_known, "a test is listed that nobody submitted");
    }
}

pub async fn a_session_opened_by_one_server_is_used_and_lapses_at_the_other(world: World) {
    world.stand_still();
    let servers = world.both();
    let error = world.clock_error();
    for (ahead, opener, user) in WAYS {
        world.put_ahead(ahead, error);
        let (opener, user) = (&*servers[opener], &*servers[user]);
        let began = world.now();
        let (cun, _) = record_at(&world, opener, 1).await;
        let (lapsing, _) = record_at(&world, user, 2).await;
        let session = open_at(&world, opener, cun).await;
        let late = open_at(&world, opener, lapsing).await;
        for server in [opener, user] {
            let view = server.find_session(session).await.unwrap();
            let code = view.map(|view| view.cun);
            assert_eq!(code, Some(cun), "a session is unknown to a server");
        }

        world
            .clock
            .set(began.plus_millis(SESSION_MILLIS - error - 1));
        let ClaimOutcome::Claimed { claimed, .. } = claim_at(&world, user, session).await else {
            panic!("a session lapsed before its time")
        };
        let settled = settle(user, cun, claimed.id, PostOutcome::Delivered).await;
        assert_eq!(settled, Settlement::Written);
        let confirmed = opener.confirm(confirmation(cun, Some(session))).await;
        assert_eq!(confirmed.unwrap(), ConcludeOutcome::Done(Effect::Done));
        for server in [opener, user] {
            assert!(server.find_session(session).await.unwrap().is_none());
        }

        world.clock.set(began.plus_millis(SESSION_MILLIS + error));
        for server in [user, opener] {
            let said = claim_at(&world, server, late).await;
            let is_refused = matches!(
                said,
                ClaimOutcome::NoSuchSession | ClaimOutcome::Refused(ClaimRefusal::SessionLapsed)
            );
            assert!(is_refused, "a session outlives its time: {said:?}");
        }
    }
}

pub async fn a_code_ends_at_both_servers_within_the_clock_error(world: World) {
    world.stand_still();
    let servers = world.both();
    let error = world.clock_error();
    let is_found = async |server: &dyn Store, cun: Cun| {
        let found = [
            server.find_test(cun).await.unwrap().is_some(),
            server.find_by_digest(cun.digest()).await.unwrap().is_some(),
            server.find_patient(cun).await.unwrap().is_some(),
        ];
        assert!(
            found.iter().all(|one| *one == found[0]),
            "the reading paths differ: {found:?}"
        );
        found[0]
    };
    for (ahead, writer, reader) in WAYS {
        world.put_ahead(ahead, error);
        let began = world.now();
        let (cun, _) = record_at(&world, &*servers[writer], 1).await;
        world
            .clock
            .set(began.plus_millis(CUN_LIFE_MILLIS - error - 1));
        for server in &servers {
            assert!(is_found(&**server, cun).await, "a code ended too early");
        }
        // The server that is ahead has passed the end, or will within the error; a sweep of it takes nothing that is not over for itself.
        let horizon = world.horizon_of(ahead);
        while servers[ahead].expire_due(100, horizon).await.unwrap().more {}
        assert!(is_found(&*servers[reader], cun).await, "swept too early");

        world.clock.set(began.plus_millis(CUN_LIFE_MILLIS + error));
        for is_swept in [false, true] {
            for server in [reader, writer] {
                let server = &*servers[server];
                assert!(!is_found(server, cun).await, "a code outlives its time");
                let opening = world.opening(cun, SessionId::random());
                let opened = server.open_session(opening).await.unwrap();
                assert!(!matches!(opened, OpenOutcome::Opened(_)), "{opened:?}");
            }
            assert!(world.list_all().await.is_empty());
            if !is_swept {
                let horizon = world.horizon_of(reader);
                while servers[reader].expire_due(100, horizon).await.unwrap().more {}
            }
        }
    }
}

pub async fn a_holder_is_not_dead_to_a_server_whose_clock_is_ahead(world: World) {
    world.stand_still();
    let servers = world.both();
    for (ahead, holder, other) in WAYS {
        world.put_ahead(ahead, world.clock_error());
        let (holder, other) = (&*servers[holder], &*servers[other]);
        let (cun, _) = record_at(&world, holder, 1).await;
        let session = open_at(&world, holder, cun).await;
        let second = open_at(&world, other, cun).await;
        let claim = world.claim_of(session);
        let deadline = claim.claim.deadline;
        let answer = holder.claim_unlock(claim).await.unwrap();
        let ClaimOutcome::Claimed { claimed, .. } = answer else {
            panic!("not claimed: {answer:?}")
        };
        // By the world's clock, which is that of the server that is not ahead.
        world.clock.set(deadline.minus_millis(1));
        let said = claim_at(&world, other, second).await;
        let is_under_way = matches!(said, ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay));
        assert!(is_under_way, "a living holder's code was told: {said:?}");
        let said = other.confirm(confirmation(cun, Some(session))).await;
        let refused = ConcludeOutcome::Refused(ConcludeRefusal::UnlockUnderWay);
        assert_eq!(said.unwrap(), refused);
        let settled = settle(holder, cun, claimed.id, PostOutcome::NotDelivered).await;
        assert_eq!(settled, Settlement::Written);
        let said = claim_at(&world, other, second).await;
        assert!(matches!(said, ClaimOutcome::Claimed { .. }), "{said:?}");
    }
}

pub async fn one_receipt_key_sent_to_both_servers_is_one_test(world: World) {
    let world = Arc::new(world);
    let servers = world.both();
    for (round, (ahead, ..)) in WAYS.into_iter().enumerate() {
        world.put_ahead(ahead, world.clock_error());
        let key = format!("ROUND {round}");
        let reserved = world.reserve_many(super::races::TASKS).await;
        let test = with_receipt(&world, 1, &key, "content").await;
        let said = at_once(&world, |_, task| {
            let server = Arc::clone(&servers[task % 2]);
            let test = NewTest {
                reserved: reserved[task],
                ..test.clone()
            };
            async move { insist(|| server.record_test(test.clone())).await }
        })
        .await;
        one_answer(&said);
        assert_eq!(world.list_all().await.len(), round + 1);
    }
}
