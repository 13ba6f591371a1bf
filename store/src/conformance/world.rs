//! The store under test with its clock, and short ways to say what a check does. All data are synthetic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sistema_ts_model::{
    ClaimId, Clock, Cun, FirstSymbol, ManualClock, NewClaim, PostOutcome, SessionId, Settlement,
    TestResult, Timestamp,
};

use super::contention::{TRIES, insist};
use super::factory::{Ability, StoreFactory, start};
use crate::trusted_time::{Horizon, Reading, TrustedTime};
use crate::{
    AccessArchive, CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Expired,
    ListedTest, ListingRequest, ListingScope, NewTest, OpenOutcome, OpenSession, RecordOutcome,
    ReservedCun, SettleUnlock, Store,
};

pub use crate::samples::*;

/// A check that shares its place with others begins so much later than the one before: longer than anything of that one is found, but for codes
/// that are known.
const MILLIS_OF_A_CHECK: i64 = 100 * 24 * 60 * 60 * 1000;

/// A server's clock: the world's, and so many milliseconds ahead of it.
#[derive(Clone, Debug)]
struct ServerClock {
    world: ManualClock,
    ahead_millis: Arc<AtomicI64>,
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_millis.load(Ordering::SeqCst);
        self.world.now().plus_millis(ahead)
    }

    fn monotonic(&self) -> Duration {
        self.world.monotonic()
    }
}

async fn open_servers(
    factory: &dyn StoreFactory,
    clocks: &[ServerClock; 2],
) -> Vec<Arc<dyn Store>> {
    let [one, other] = clocks;
    let mut servers = vec![factory.open(Arc::new(one.clone())).await];
    if !factory.lacks().contains(&Ability::SecondServer) {
        servers.push(factory.open(Arc::new(other.clone())).await);
    }
    servers
}

/// The place of one check, opened by two servers at once, which take turns: what one was asked, the other is asked next. A store that cannot be
/// opened twice is opened once, and its one server takes both turns.
pub struct World {
    // Before the factory, so that they have ended when it gives the place to the next check.
    servers: Vec<Arc<dyn Store>>,
    factory: Box<dyn StoreFactory>,
    /// The clock of all servers, unless a check has put one [ahead](World::put_ahead).
    pub clock: ManualClock,
    clocks: [ServerClock; 2],
    began: Timestamp,
    stands_still: AtomicBool,
    turn: AtomicUsize,
    drawn: AtomicU64,
}

impl World {
    pub(super) async fn open(factory: Box<dyn StoreFactory>) -> World {
        let began = start().plus_millis(i64::from(factory.number()) * MILLIS_OF_A_CHECK);
        let clock = ManualClock::new(began);
        let clocks = [(); 2].map(|()| ServerClock {
            world: clock.clone(),
            ahead_millis: Arc::default(),
        });
        let world = World {
            servers: open_servers(&*factory, &clocks).await,
            factory,
            clock,
            clocks,
            began,
            stands_still: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            drawn: AtomicU64::new(0),
        };
        // What the checks before have left is past its time; each server that is started sweeps, too.
        let horizon = horizon_at(&world.clock);
        for server in &world.servers {
            while insist(|| server.expire_due(1_000, horizon))
                .await
                .answer
                .more
            {}
        }
        world
    }

    /// Ends all servers and opens the place again.
    pub async fn reopen(mut self) -> World {
        for server in self.servers.drain(..) {
            self.factory.close(server).await;
        }
        self.servers = open_servers(&*self.factory, &self.clocks).await;
        self
    }

    /// The server whose turn it is. Each time a millisecond has passed, unless the clock [stands still](World::stand_still).
    pub fn store(&self) -> &Arc<dyn Store> {
        if !self.stands_still.load(Ordering::Relaxed) {
            self.clock.advance_millis(1);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.servers[turn % self.servers.len()]
    }

    /// All servers, each once.
    pub fn servers(&self) -> &[Arc<dyn Store>] {
        &self.servers
    }

    /// One server and the other, which are the same for a store that is opened once.
    pub fn both(&self) -> [Arc<dyn Store>; 2] {
        let last = self.servers.len() - 1;
        [0, last].map(|number| Arc::clone(&self.servers[number]))
    }

    /// By how much the servers' clocks may differ, in milliseconds.
    pub fn clock_error(&self) -> i64 {
        self.factory.clock_error_millis()
    }

    /// Puts the clock of one server, the first or the second, so many milliseconds ahead of the other's, and takes the other's back to the world's.
    pub fn put_ahead(&self, server: usize, millis: i64) {
        for (number, clock) in self.clocks.iter().enumerate() {
            let ahead = if number == server { millis } else { 0 };
            clock.ahead_millis.store(ahead, Ordering::SeqCst);
        }
    }

    /// How far erasures of the first or the second server may go when its clock is taken for right.
    pub fn horizon_of(&self, server: usize) -> Horizon {
        horizon_at(&self.clocks[server])
    }

    /// From now on no time passes but what the check lets pass: for what is true to the millisecond, or within one.
    pub fn stand_still(&self) {
        self.stands_still.store(true, Ordering::Relaxed);
    }

    /// When the check began. Nothing of the place is younger that is not the check's own.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Has the store erase what is past its time by a clock that is right, at most about `limit` tests.
    pub async fn sweep(&self, limit: usize) -> Expired {
        let horizon = horizon_at(&self.clock);
        insist(|| self.store().expire_due(limit, horizon))
            .await
            .answer
    }

    /// The archive of access records, as another process opens it.
    pub fn archive(&self) -> Box<dyn AccessArchive> {
        self.factory.archive()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Up to so many reserved codes; first symbols take turns.
    async fn draw(&self, count: usize) -> Vec<ReservedCun> {
        let turn = self.drawn.fetch_add(1, Ordering::Relaxed) as usize;
        let symbol = FirstSymbol::all().nth(turn % 25).unwrap();
        insist(|| self.store().reserve(symbol, count)).await.answer
    }

    /// One reserved code.
    pub async fn reserve(&self) -> ReservedCun {
        for _ in 0..100 {
            if let Some(reserved) = self.draw(1).await.pop() {
                return reserved;
            }
        }
        panic!("a hundred reservations gave no code");
    }

    /// So many reserved codes.
    pub async fn reserve_many(&self, count: usize) -> Vec<ReservedCun> {
        let mut reserved = Vec::new();
        while reserved.len() < count {
            reserved.extend(self.draw((count - reserved.len()).min(64)).await);
        }
        reserved
    }

    /// A positive test of a person, from the region.
    pub async fn positive(&self, person: u32) -> NewTest {
        new_test(
            self.reserve().await,
            person,
            TestResult::Positive,
            self.now(),
        )
    }

    pub async fn negative(&self, person: u32) -> NewTest {
        new_test(
            self.reserve().await,
            person,
            TestResult::Negative,
            self.now(),
        )
    }

    /// Records a test that nothing stands against, under its reserved code; under another only if the store does not know what became of that.
    pub async fn record(&self, mut test: NewTest) -> (Cun, Timestamp) {
        let mut may_be_its_own = false;
        for _ in 0..TRIES {
            let code = test.reserved.cun;
            let told = insist(|| self.store().record_test(test.clone())).await;
            may_be_its_own |= told.may_be_its_own;
            match told.answer {
                RecordOutcome::Recorded { cun, inserted_at } => {
                    assert_eq!(cun, code, "another code than the reserved one was issued");
                    return (cun, inserted_at);
                }
                RecordOutcome::Replayed { cun, inserted_at } if may_be_its_own || cun == code => {
                    return (cun, inserted_at);
                }
                RecordOutcome::CodeTaken if may_be_its_own => {
                    if let Some(found) = insist(|| self.store().find_test(code)).await.answer {
                        return (code, found.inserted_at);
                    }
                    // Taken, and nothing came of it.
                    test.reserved = self.reserve().await;
                }
                other => panic!("a new test was not recorded: {other:?}"),
            }
        }
        panic!("a new test was not recorded under {TRIES} codes")
    }

    /// The code of a positive test just recorded.
    pub async fn issued(&self, person: u32) -> Cun {
        let test = self.positive(person).await;
        self.record(test).await.0
    }

    /// Opens a session that nothing stands against.
    pub async fn session(&self, cun: Cun) -> SessionId {
        let session = SessionId::random();
        match self.verify(cun, session).await {
            OpenOutcome::Opened(view) => {
                assert_eq!((view.session, view.cun), (session, cun));
                session
            }
            other => panic!("a code that can be verified was not: {other:?}"),
        }
    }

    pub async fn verify(&self, cun: Cun, session: SessionId) -> OpenOutcome {
        let request = self.opening(cun, session);
        insist(|| self.store().open_session(request.clone()))
            .await
            .answer
    }

    pub fn opening(&self, cun: Cun, session: SessionId) -> OpenSession {
        OpenSession {
            cun,
            session,
            operator: operator(1),
            caller: call_center("CC1"),
            lifetime_millis: SESSION_MILLIS,
        }
    }

    pub fn claim_of(&self, session: SessionId) -> ClaimUnlock {
        ClaimUnlock {
            session,
            operator: operator(1),
            caller: call_center("CC1"),
            claim: self.new_claim(),
        }
    }

    /// A claim with ten seconds to go.
    pub fn new_claim(&self) -> NewClaim {
        NewClaim {
            id: ClaimId::random(&mut rand::rng()),
            deadline: self.now().plus_millis(10_000),
        }
    }

    pub async fn claim(&self, session: SessionId) -> ClaimOutcome {
        self.store()
            .claim_unlock(self.claim_of(session))
            .await
            .unwrap()
    }

    /// Confirms by the usual operator and call centre.
    pub async fn confirm(&self, cun: Cun, session: Option<SessionId>) -> ConcludeOutcome {
        let confirmation = confirmation(cun, session);
        self.store().confirm(confirmation).await.unwrap()
    }

    /// Annuls by the same.
    pub async fn annul(&self, cun: Cun, session: Option<SessionId>) -> ConcludeOutcome {
        let confirmation = confirmation(cun, session);
        self.store().annul(confirmation).await.unwrap()
    }

    /// Claims and settles: the code is unlocked by this session.
    pub async fn unlock(&self, session: SessionId) {
        let ClaimOutcome::Claimed { cun, claimed } = self.claim(session).await else {
            panic!("a living session could not claim")
        };
        let settlement = settle(&**self.store(), cun, claimed.id, PostOutcome::Delivered).await;
        assert_eq!(
            settlement,
            Settlement::Written,
            "a claim's own settlement was not written"
        );
    }

    /// A code unlocked by a session of its own.
    pub async fn unlocked(&self, person: u32) -> (Cun, SessionId) {
        let cun = self.issued(person).await;
        let session = self.session(cun).await;
        self.unlock(session).await;
        (cun, session)
    }

    pub async fn cancel(&self, cancellation: CancelTest) -> CancelOutcome {
        self.store().cancel(cancellation).await.unwrap()
    }

    /// Reads a whole listing up to a mark taken now, in pages of `limit`.
    pub async fn list(
        &self,
        scope: ListingScope,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Vec<ListedTest> {
        let mark = insist(|| self.store().listing_mark()).await.answer;
        let request = ListingRequest {
            scope,
            from,
            to,
            mark,
            after: None,
            limit,
        };
        self.list_from(request).await
    }

    /// Reads a listing to its end.
    pub async fn list_from(&self, mut request: ListingRequest) -> Vec<ListedTest> {
        let mut tests = Vec::new();
        for _ in 0..100_000 {
            let page = insist(|| self.store().list_page(request.clone()))
                .await
                .answer;
            assert!(
                page.tests.len() <= request.limit,
                "a page is longer than asked for"
            );
            tests.extend(page.tests);
            match page.next {
                Some(next) => {
                    assert!(
                        request.after.is_none_or(
                            |after| next != after && next.inserted_at >= after.inserted_at
                        ),
                        "a listing does not go forward"
                    );
                    request.after = Some(next);
                }
                None => return tests,
            }
        }
        panic!("a listing never ends");
    }

    /// Everything of the check that the region can see, whenever it was inserted.
    pub async fn list_all(&self) -> Vec<ListedTest> {
        self.list(
            ListingScope::Region(region()),
            self.began,
            Timestamp::MAX,
            1000,
        )
        .await
    }
}

/// Waits until `condition` holds: for what a store may do soon after its answer. Panics after twenty seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    for _ in 0..2_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this never happened: {what}");
}

/// Writes at this server what came of a claim's post.
pub async fn settle(
    server: &dyn Store,
    cun: Cun,
    claim: ClaimId,
    outcome: PostOutcome,
) -> Settlement {
    let settlement = SettleUnlock {
        cun,
        claim,
        outcome,
    };
    server.settle_unlock(settlement).await.unwrap()
}

/// A code that was never issued.
pub fn never_issued() -> Cun {
    Cun::random(&mut rand::rng())
}

/// How far erasures may go when the clock is right.
pub fn horizon_at(clock: &dyn Clock) -> Horizon {
    let reading = Reading {
        wall: clock.now(),
        monotonic: clock.monotonic(),
    };
    TrustedTime::begin(None, reading).horizon()
}
