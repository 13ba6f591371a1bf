//! Two servers, of which the first loses a statement, and the tables behind their backs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use scylla::client::session::Session;
use scylla::value::{CqlValue, Row};
use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore, connect};
use sistema_ts_model::{
    ClaimId, Clock, Cun, CunState, FirstSymbol, Moment, NewClaim, Origin, PostOutcome, SessionId,
    Settlement, SystemClock, TestResult, Timestamp,
};
use sistema_ts_store::conformance::world::{horizon_at, settle};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{
    SESSION_MILLIS, call_center, contact, new_test, operator, structure_id,
};
use sistema_ts_store::{
    ClaimOutcome, ClaimUnlock, ListingRequest, ListingScope, NewTest, OpenOutcome, OpenSession,
    RecordOutcome, ReservedCun, SettleUnlock, Store,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::losing::First;
use crate::support;

/// Two servers of which the first loses statements, and the second has no trouble.
pub struct World {
    runtime: Runtime,
    pub settings: CqlSettings,
    _folder: TempDir,
    pub first: First<CqlStore>,
    second: Arc<CqlStore>,
    tables: Session,
    pub clock: SystemClock,
    numbers: AtomicU32,
}

impl World {
    /// Runs a test on keyspaces of its own, if there is a node.
    pub fn on_a_node(name: &str, test: impl AsyncFnOnce(&World)) {
        let Some(settings) = support::new_keyspaces(name) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock;
        let ring = |server: usize| folder.path().join(format!("day-keys-{server}"));
        KeyRing::create(&ring(0), clock.now().rome_day()).unwrap();
        std::fs::copy(ring(0), ring(1)).unwrap();
        let runtime = Runtime::new().unwrap();
        let begin_anew = |died: &CqlStore| died.begin_anew().unwrap();
        let world = World {
            first: First::new(open(&settings, folder.path(), 0), begin_anew),
            second: Arc::new(open(&settings, folder.path(), 1)),
            tables: runtime.block_on(connect(&settings)).unwrap(),
            runtime,
            settings,
            _folder: folder,
            clock,
            numbers: AtomicU32::new(0),
        };
        world.runtime.block_on(test(&world));
    }

    /// The server that has no trouble.
    pub fn second(&self) -> &Arc<CqlStore> {
        &self.second
    }

    /// The number of a person, a structure, an operator or a caller, of whom nothing is there yet.
    pub fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    pub async fn reserve(&self) -> ReservedCun {
        let symbol = FirstSymbol::from_index(3).unwrap();
        self.second.reserve(symbol, 1).await.unwrap()[0]
    }

    /// A test of a person with a contact, to be recorded.
    pub async fn new_test(&self, person: u32, result: TestResult) -> NewTest {
        let mut test = new_test(self.reserve().await, person, result, self.clock.now());
        test.swab.contact = Some(contact(person));
        test
    }

    /// The code of a test of a person that is recorded.
    pub async fn recorded(&self, person: u32, result: TestResult) -> Cun {
        let test = self.new_test(person, result).await;
        let outcome = self.second.record_test(test).await.unwrap();
        let RecordOutcome::Recorded { cun, .. } = outcome else {
            panic!("{outcome:?}")
        };
        cun
    }

    /// The wish to open a session of a code.
    pub fn opening(cun: Cun) -> OpenSession {
        OpenSession {
            cun,
            session: SessionId::random(),
            operator: operator(1),
            caller: call_center("CC1"),
            lifetime_millis: SESSION_MILLIS,
        }
    }

    /// A session of a code that the second server opens.
    pub async fn session(&self, cun: Cun) -> SessionId {
        let opening = Self::opening(cun);
        let session = opening.session;
        let opened = self.second.open_session(opening).await.unwrap();
        assert!(matches!(opened, OpenOutcome::Opened(_)), "{opened:?}");
        session
    }

    pub fn new_claim(&self) -> NewClaim {
        NewClaim {
            id: ClaimId::random(&mut rand::rng()),
            deadline: self.clock.now().plus_millis(600_000),
        }
    }

    /// The wish to claim an unlock for a session.
    pub fn claim_of(&self, session: SessionId) -> ClaimUnlock {
        ClaimUnlock {
            session,
            operator: operator(1),
            caller: call_center("CC1"),
            claim: self.new_claim(),
        }
    }

    /// What a session claims by the second server.
    pub async fn claim(&self, session: SessionId) -> ClaimOutcome {
        let claim = self.claim_of(session);
        self.second.claim_unlock(claim).await.unwrap()
    }

    /// A claim that a session has by the second server, to be settled.
    pub async fn claimed(&self, session: SessionId) -> SettleUnlock {
        let outcome = self.claim(session).await;
        let ClaimOutcome::Claimed { cun, claimed } = outcome else {
            panic!("{outcome:?}")
        };
        SettleUnlock {
            cun,
            claim: claimed.id,
            outcome: PostOutcome::Delivered,
        }
    }

    /// Settles by the second server.
    pub async fn settle(&self, wish: SettleUnlock) -> Settlement {
        settle(&*self.second, wish.cun, wish.claim, wish.outcome).await
    }

    /// A positive of a person that a session has unlocked.
    pub async fn unlocked(&self, person: u32) -> (Cun, SessionId) {
        let cun = self.recorded(person, TestResult::Positive).await;
        let session = self.session(cun).await;
        let claimed = self.claimed(session).await;
        assert_eq!(self.settle(claimed).await, Settlement::Written);
        (cun, session)
    }

    /// Where the life of a code stands.
    pub async fn state(&self, cun: Cun) -> CunState {
        let test = self.second.find_test(cun).await.unwrap().unwrap();
        let origin = Origin {
            issued_at: test.inserted_at,
            result: test.result,
            submitter: test.caller,
        };
        let moment = Moment {
            now: self.clock.now(),
            clock_error_millis: 0,
        };
        test.life.state_at(&origin, moment)
    }

    /// Has the second server sweep, to its end.
    pub async fn sweep(&self) {
        let horizon = horizon_at(&self.clock);
        while self.second.expire_due(1_000, horizon).await.unwrap().more {}
    }

    /// The codes of a structure's tests, as they are listed.
    pub async fn listed(&self, structure: u32) -> Vec<Cun> {
        let mark = self.second.listing_mark().await.unwrap();
        let request = ListingRequest {
            scope: ListingScope::Structure(structure_id(structure)),
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            mark,
            after: None,
            limit: 1_000,
        };
        let page = self.second.list_page(request).await.unwrap();
        page.tests.into_iter().map(|test| test.cun).collect()
    }

    /// Rows that a query gives, in which `{}` is what the keyspaces' names begin with.
    pub async fn rows(&self, query: &str) -> Vec<Vec<Option<CqlValue>>> {
        let query = query.replace("{}", &self.settings.keyspace_prefix);
        let result = self.tables.query_unpaged(query, ()).await.unwrap();
        let rows = result.into_rows_result().unwrap();
        let rows = rows.rows::<Row>().unwrap();
        rows.map(|row| row.unwrap().columns).collect()
    }

    /// Which tables still hold something of the person of a code: a sealed fiscal code, a contact, a tag, a MAC.
    pub async fn kept_of_person(&self, cun: Cun) -> Vec<&'static str> {
        let code = cun.number();
        let places = [
            ("patients.patient", "sealed", ""),
            ("patients.patient", "contact", ""),
            ("patients.tag", "tag", " ALLOW FILTERING"),
            ("tests.test", "negative", " ALLOW FILTERING"),
            ("tests.claim", "negative", " ALLOW FILTERING"),
        ];
        let mut kept = Vec::new();
        for (table, column, filtering) in places {
            let query = format!("SELECT {column} FROM {{}}_{table} WHERE code = {code}{filtering}");
            let rows = self.rows(&query).await;
            let is_there = |value: &Option<CqlValue>| {
                let bytes = value.as_ref().and_then(CqlValue::as_blob);
                bytes.is_some_and(|bytes| !bytes.is_empty())
            };
            if rows.iter().flatten().any(is_there) {
                kept.push(table);
            }
        }
        kept
    }

    /// Pointers from a code to its sessions.
    pub async fn sessions_of(&self, cun: Cun) -> usize {
        let code = cun.number();
        let query = format!("SELECT digest FROM {{}}_patients.session_of_code WHERE code = {code}");
        self.rows(&query).await.len()
    }
}

fn open(settings: &CqlSettings, folder: &Path, server: usize) -> CqlStore {
    let data = folder.join(format!("server-{server}"));
    let options = CqlOptions::of(settings.clone(), data);
    let keys = support::ring_of(folder, server);
    CqlStore::open(options, keys, Arc::new(SystemClock)).unwrap()
}
