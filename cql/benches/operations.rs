//! What a store over a cluster does in a second, beside the bare driver that sends the same statements; and how long each operation takes.
//!
//! `TEST_CQL_ADDRESS` says where a node is, `TEST_CQL_PIDS` (processes of the nodes, separated by commas) lets their CPU be measured as well. First
//! submissions, as many as go, by the store and by the driver in turns; then every operation of the chain, a few at once. Everything is written into
//! keyspaces of its own. `ROUNDS`, `MILLISECONDS` (of one way in one round), `AT_ONCE`, `REPLICAS` and `CHAINS` have defaults. People are made up.
//!
//! `scripts/cassandra start FOLDER --benchmark` starts a node for it, and
//! `cargo bench -p sistema-ts-cql --features driver --bench operations` runs it.

mod measuring;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use scylla::client::session::Session;
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use sistema_ts_cql::statement::{Kind, Statement};
use sistema_ts_cql::tables::with_keyspaces;
use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore, connect, migrations};
use sistema_ts_model::{
    ClaimId, Clock, CodiceFiscale, Cun, FirstSymbol, NewClaim, PostOutcome, SessionId,
    StructureReference, SystemClock, TestResult,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{
    SESSION_MILLIS, call_center, cancellation, confirmation, fiscal_code, new_test, operator,
    region, repeatable, structure_id,
};
use sistema_ts_store::{
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Guess, GuessAdmission, GuessBudgets,
    ListingRequest, ListingScope, NewTest, OpenOutcome, OpenSession, PersonOutcome, RecordOutcome,
    SettleUnlock, Store,
};

use measuring::{Failure, Seen, Setting, middle, percentile};

/// Structures that submit.
const STRUCTURES: u32 = 3_000;
/// Tests on a page of a list.
const PAGE: usize = 100;
/// Chains of operations that go on at once.
const CHAINS_AT_ONCE: usize = 4;

/// A store, the driver beside it, and people.
struct World {
    store: CqlStore,
    driver: Driver,
    people: Vec<CodiceFiscale>,
}

impl World {
    async fn new(setting: &Setting, folder: &Path) -> Result<Self, Failure> {
        let settings = CqlSettings {
            nodes: vec![setting.address.clone()],
            replication_factor: usize::from(setting.replicas),
            keyspace_prefix: format!("bench_{:08x}", rand::random::<u32>()),
            ..CqlSettings::default()
        };
        let session = connect(&settings).await?;
        migrations::apply(&session, &settings).await?;
        let driver = Driver::prepare(session, &settings.keyspace_prefix).await?;
        let ring = folder.join("day-keys");
        KeyRing::create(&ring, SystemClock.now().rome_day())?;
        let keys = Arc::new(KeyRing::load(&ring)?);
        let options = CqlOptions::of(settings, folder.join("server"));
        let open = move || CqlStore::open(options, keys, Arc::new(SystemClock));
        Ok(Self {
            store: tokio::task::spawn_blocking(open).await??,
            driver,
            people: (0..1_000).map(fiscal_code).collect(),
        })
    }

    async fn test(&self, result: TestResult) -> Result<NewTest, Failure> {
        let first = FirstSymbol::from_index(3).ok_or("a first symbol")?;
        let reserved = self.store.reserve(first, 1).await?[0];
        let mut test = new_test(reserved, 1, result, SystemClock.now());
        let choice: u32 = rand::random();
        test.swab.fiscal_code = self.people[choice as usize % self.people.len()].clone();
        test.swab.structure = StructureReference::Identifier(structure_id(choice % STRUCTURES));
        Ok(test)
    }

    async fn record(&self, test: NewTest) -> Result<Cun, Failure> {
        match self.store.record_test(test).await? {
            RecordOutcome::Recorded { cun, .. } => Ok(cun),
            other => Err(format!("{other:?}").into()),
        }
    }

    async fn submit(&self, has_key: bool) -> Result<(), Failure> {
        let mut test = self.test(TestResult::Negative).await?;
        if has_key {
            let key = format!("{:032x}", rand::random::<u128>());
            test.repeatable = repeatable(&key, "content of a submission, as long as its fields");
        }
        self.record(test).await.map(drop)
    }
}

/// The driver alone.
struct Driver {
    session: Session,
    prepared: Vec<PreparedStatement>,
}

/// The statements of a submission.
const SUBMISSION: [Statement; 6] = [
    Statement::ClaimCode,
    Statement::PointFromStructure,
    Statement::ClaimReceipt,
    Statement::ReadCode,
    Statement::ReadClaims,
    Statement::RecordTest,
];

impl Driver {
    async fn prepare(session: Session, prefix: &str) -> Result<Self, Failure> {
        let mut prepared = Vec::new();
        for statement in SUBMISSION {
            let text = with_keyspaces(statement.text(), prefix);
            let mut made = session.prepare(text).await?;
            made.set_consistency(Consistency::LocalQuorum);
            made.set_is_idempotent(matches!(statement.kind(), Kind::Read | Kind::Write));
            prepared.push(made);
        }
        Ok(Self { session, prepared })
    }

    async fn send(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<usize, Failure> {
        let place = SUBMISSION.iter().position(|known| *known == statement);
        let prepared = &self.prepared[place.ok_or("a statement of a submission")?];
        let result = self.session.execute_unpaged(prepared, values).await?;
        Ok(result.into_rows_result().map_or(0, |rows| rows.rows_num()))
    }

    /// What the store sends for a negative, in its order, with values of the same size.
    async fn submit(&self, has_key: bool) -> Result<(), Failure> {
        let code = rand::random::<u32>() as i64;
        let key: i64 = rand::random();
        let attempt: i64 = rand::random();
        let receipt = rand::random::<u128>().to_be_bytes();
        // Another region than the store's: no list shows what the driver has written.
        let (region, part) = (20_i16, (code % 4) as i8);
        let time = SystemClock.now().millis();
        let (hour, day, timestamp) = (
            (time / 3_600_000) as i32,
            (time / 86_400_000) as i32,
            time * 1_000,
        );
        let structure = format!("010101{:06}", code % i64::from(STRUCTURES));
        let code_claim = (key, attempt, code, region, part, time, timestamp);
        let pointer = (region, &structure, day, time, code, timestamp);
        let mac = [7_u8; 16];
        let receipt_claim = (
            &receipt[..],
            attempt,
            code,
            region,
            part,
            time,
            &mac[..],
            &mac[..],
            timestamp,
        );
        let claim_receipt = async {
            match has_key {
                true => self.send(Statement::ClaimReceipt, receipt_claim).await,
                false => Ok(0),
            }
        };
        tokio::try_join!(
            self.send(Statement::ClaimCode, code_claim),
            self.send(Statement::PointFromStructure, pointer),
            claim_receipt,
        )?;
        let read_claims = async || match has_key {
            true => self.send(Statement::ReadClaims, (&receipt[..],)).await,
            false => Ok(1),
        };
        let alone = tokio::try_join!(self.send(Statement::ReadCode, (key,)), read_claims())?;
        let own = has_key.then_some(attempt);
        let test = ((region, hour, part, time, code), ("R010", &structure, day));
        let (place, (caller, structure, swab_day)) = test;
        let test = (
            place.0,
            place.1,
            place.2,
            place.3,
            place.4,
            caller,
            structure,
            swab_day,
            false,
            false,
            time,
            Some(&mac[..]),
            has_key.then_some(&receipt[..]),
            own,
            timestamp,
        );
        self.send(Statement::RecordTest, test).await?;
        let alone_still = read_claims().await?;
        match (alone, alone_still) {
            ((1, 1), 1) => Ok(()),
            _ => Err("not alone".into()),
        }
    }
}

/// A way of recording a test.
#[derive(Clone, Copy)]
struct Way {
    by_store: bool,
    has_key: bool,
}

async fn submissions(setting: &Setting, world: &Arc<World>) -> Result<(), Failure> {
    let ways = [
        ("driver, without a key", false, false),
        ("store, without a key", true, false),
        ("driver, with a key", false, true),
        ("store, with a key", true, true),
    ];
    let measure = async |way: Way| {
        let world = Arc::clone(world);
        let once = move || {
            let world = Arc::clone(&world);
            async move {
                match way.by_store {
                    true => world.submit(way.has_key).await,
                    false => world.driver.submit(way.has_key).await,
                }
            }
        };
        measuring::measure(setting, once).await
    };
    let mut seen: Vec<Vec<Seen>> = vec![Vec::new(); ways.len()];
    // The first round warms the nodes' compiler up.
    for round in 0..=setting.rounds {
        for (seen, (_, by_store, has_key)) in seen.iter_mut().zip(ways) {
            let window = measure(Way { by_store, has_key }).await?;
            if round > 0 {
                seen.push(window);
            }
        }
    }
    println!("{}", measuring::HEAD);
    for ((name, ..), seen) in ways.iter().zip(&seen) {
        println!("{}", measuring::line(name, seen));
    }
    for (words, driver, store) in [("without a key", 0, 1), ("with a key", 2, 3)] {
        let mut ratios: Vec<f64> = seen[store]
            .iter()
            .zip(&seen[driver])
            .map(|(store, driver)| store.a_second / driver.a_second)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let (_, least, most) = middle(&seen[store], |seen| seen.a_second);
        println!(
            "\nstore to driver, {words}: {:.2} of its submissions a second (median of the rounds; {:.2} to {:.2}); the store's rounds differ by {:.2}",
            percentile(&ratios, 50),
            ratios[0],
            ratios[ratios.len() - 1],
            most / least
        );
    }
    Ok(())
}

/// How long each operation took, by its name, in milliseconds.
#[derive(Default)]
struct Times(Mutex<BTreeMap<(u8, &'static str), Vec<f64>>>);

impl Times {
    async fn of<T>(
        &self,
        place: u8,
        name: &'static str,
        operation: impl Future<Output = Result<T, impl Into<Failure>>>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let answer = operation.await.map_err(Into::into)?;
        let took = begun.elapsed().as_secs_f64() * 1_000.0;
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.entry((place, name)).or_default().push(took);
        Ok(answer)
    }
}

fn new_claim() -> NewClaim {
    NewClaim {
        id: ClaimId::random(&mut rand::rng()),
        deadline: SystemClock.now().plus_millis(10_000),
    }
}

/// A call centre's chain; `number` gives it an operator of its own.
async fn unlock(world: &World, times: &Times, number: u32) -> Result<(), Failure> {
    let store = &world.store;
    let positive = world.test(TestResult::Positive).await?;
    let cun = times
        .of(0, "a positive recorded", world.record(positive))
        .await?;
    let caller = call_center("CC1");
    let guess = Guess {
        operator: operator(number),
        caller,
        cun,
        budgets: GuessBudgets::default(),
    };
    let begin = times.of(
        1,
        "a verification, its first half",
        store.begin_verification(guess),
    );
    let (GuessAdmission::Counted { ticket, .. }, _) = begin.await? else {
        return Err("a guess was refused".into());
    };
    let session = SessionId::random();
    let opening = OpenSession {
        cun,
        session,
        operator: operator(number),
        caller,
        lifetime_millis: SESSION_MILLIS,
    };
    let finish = store.finish_verification(opening, &ticket);
    let OpenOutcome::Opened(_) = times.of(2, "its second half", finish).await? else {
        return Err("a session was refused".into());
    };
    let found = store.find_session(session);
    times.of(3, "a session looked up", found).await?;
    let claim = ClaimUnlock {
        session,
        operator: operator(number),
        caller,
        claim: new_claim(),
    };
    let id = claim.claim.id;
    let claim = times.of(4, "an unlock claimed", store.claim_unlock(claim));
    let ClaimOutcome::Claimed { .. } = claim.await? else {
        return Err("an unlock was refused".into());
    };
    let settlement = SettleUnlock {
        cun,
        claim: id,
        outcome: PostOutcome::Delivered,
    };
    let settle = store.settle_unlock(settlement);
    times.of(5, "an unlock settled", settle).await?;
    let mut wish = confirmation(cun, Some(session));
    wish.operator = operator(number);
    let confirm = times.of(6, "a confirmation, with its erasure", store.confirm(wish));
    match confirm.await? {
        ConcludeOutcome::Done(_) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// A cancellation, an ASL's code for a person, and a page of a list.
async fn rest(world: &World, times: &Times, number: u32) -> Result<(), Failure> {
    let store = &world.store;
    let person = 10_000 + number;
    let mut test = world.test(TestResult::Negative).await?;
    test.swab.fiscal_code = fiscal_code(person);
    let mut wish = cancellation(world.record(test.clone()).await?, person);
    wish.structure = test.swab.structure.clone();
    let cancel = store.cancel(wish);
    times
        .of(7, "a cancellation, with its erasure", cancel)
        .await?;
    let mut test = world.test(TestResult::Positive).await?;
    test.swab.fiscal_code = fiscal_code(person);
    world.record(test.clone()).await?;
    let claim = new_claim();
    let id = claim.id;
    let claimed = store.claim_person(fiscal_code(person), claim);
    let PersonOutcome::Claimed(claimed) =
        times.of(8, "a person claimed by an ASL", claimed).await?
    else {
        return Err("an ASL was refused".into());
    };
    let settle = store.settle_person(claimed, id, PostOutcome::Delivered);
    times.of(9, "a person settled", settle).await?;
    let mark = store.listing_mark().await?;
    let now = SystemClock.now();
    let request = ListingRequest {
        scope: ListingScope::Region(region()),
        from: now.plus_millis(-60_000),
        to: now,
        mark,
        after: None,
        limit: PAGE,
    };
    let list = store.list_page(request);
    times
        .of(10, "a page of a hundred of a region's list", list)
        .await?;
    Ok(())
}

async fn operations(setting: &Setting, world: &Arc<World>) -> Result<(), Failure> {
    let chains: u32 = std::env::var("CHAINS").map_or(Ok(400), |chains| chains.parse())?;
    let times = Arc::new(Times::default());
    let tasks: Vec<_> = (0..CHAINS_AT_ONCE as u32)
        .map(|task| {
            let (world, times) = (Arc::clone(world), Arc::clone(&times));
            tokio::spawn(async move {
                // A tenth goes before and is forgotten: the nodes' compiler warms up.
                let forgotten = Times::default();
                for chain in 0..chains / 4 + chains / 40 {
                    let times = if chain < chains / 40 {
                        &forgotten
                    } else {
                        &*times
                    };
                    let number = 4 * chain + task;
                    unlock(&world, times, number).await?;
                    rest(&world, times, number).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    println!(
        "\n| operation, {CHAINS_AT_ONCE} at once, {} nodes hold each row | p50 in ms | p99 |\n|---|---|---|",
        setting.replicas
    );
    let mut times = times.0.lock().unwrap_or_else(PoisonError::into_inner);
    for ((_, name), times) in times.iter_mut() {
        times.sort_by(f64::total_cmp);
        let (half, late) = (percentile(times, 50), percentile(times, 99));
        println!("| {name} | {half:.1} | {late:.1} |");
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let setting = Setting::read()?;
    let folder = tempfile::tempdir()?;
    let world = Arc::new(World::new(&setting, folder.path()).await?);
    submissions(&setting, &world).await?;
    operations(&setting, &world).await
}
