//! What each operation asks of the nodes, statement by statement, on a real node.
//!
//! A failure is an operation that sends other statements than `docs/cql.md` says, or a code whose kind can be told by the work that its verification
//! makes: unknown, negative, erased or positive.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sistema_ts_cql::statement::{Kind, Statement};
use sistema_ts_cql::{CqlOptions, CqlStore};
use sistema_ts_model::{
    ClaimId, Clock, Cun, FirstSymbol, NewClaim, PostOutcome, SessionId, SystemClock, TestResult,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{
    SESSION_MILLIS, call_center, cancellation, confirmation, contact, new_test, operator,
    repeatable,
};
use sistema_ts_store::{
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Guess, GuessAdmission, GuessBudgets, NewTest,
    OpenOutcome, OpenSession, RecordOutcome, SettleUnlock, Store,
};
use support::SEEN_ON;

/// Statements by name, how often each was sent.
type Work = BTreeMap<&'static str, u64>;

/// A store whose statements are counted.
struct Counted {
    store: CqlStore,
    clock: SystemClock,
}

impl Counted {
    async fn of<T>(&self, operation: impl Future<Output = T>) -> (T, Work) {
        let before = self.store.statements_sent();
        let answer = operation.await;
        let after = self.store.statements_sent();
        let counts = before.iter().zip(&after);
        let more =
            counts.map(|((statement, before), (_, after))| (statement.name(), after - before));
        let sent = more.filter(|(_, count)| *count > 0);
        (answer, sent.collect())
    }

    async fn new_test(&self, person: u32, result: TestResult) -> NewTest {
        let first = FirstSymbol::from_index(3).unwrap();
        let reserved = self.store.reserve(first, 1).await.unwrap()[0];
        new_test(reserved, person, result, self.clock.now())
    }

    async fn record(&self, test: NewTest) -> (Cun, Work) {
        let (outcome, work) = self.of(self.store.record_test(test)).await;
        match outcome.unwrap() {
            RecordOutcome::Recorded { cun, .. } | RecordOutcome::Replayed { cun, .. } => {
                (cun, work)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn guess(&self, cun: Cun) -> (GuessAdmission, Work) {
        let guess = Guess {
            operator: operator(1),
            caller: call_center("CC1"),
            cun,
            budgets: GuessBudgets::default(),
        };
        let (begun, work) = self.of(self.store.begin_verification(guess)).await;
        (begun.unwrap().0, work)
    }
}

fn kind_of(name: &str) -> Kind {
    let mut all = Statement::ALL.iter();
    all.find(|statement| statement.name() == name)
        .expect("a statement's name")
        .kind()
}

/// How many of each kind, and which.
fn row(what: &str, work: &Work) -> String {
    let count = |kind: Kind| -> u64 {
        let of_kind = work.iter().filter(|(name, _)| kind_of(name) == kind);
        of_kind.map(|(_, count)| count).sum()
    };
    let reads = count(Kind::Read) + count(Kind::SerialRead);
    let named: Vec<String> = work
        .iter()
        .map(|(name, count)| match count {
            1 => format!("`{name}`"),
            count => format!("{count} `{name}`"),
        })
        .collect();
    format!(
        "| {what} | {} | {reads} | {} | {} | {SEEN_ON} |\n",
        count(Kind::Write),
        count(Kind::Conditional),
        named.join(", ")
    )
}

async fn submissions(counted: &Counted, table: &mut String) {
    for (result, word) in [
        (TestResult::Negative, "a negative"),
        (TestResult::Positive, "a positive"),
    ] {
        let (_, work) = counted.record(counted.new_test(1, result).await).await;
        table.push_str(&row(&format!("{word}, without a key"), &work));
        let keyed = NewTest {
            repeatable: repeatable(word, "content"),
            ..counted.new_test(2, result).await
        };
        let (_, work) = counted.record(keyed.clone()).await;
        table.push_str(&row(&format!("{word}, with a key"), &work));
        let again = NewTest {
            reserved: counted.new_test(2, result).await.reserved,
            ..keyed
        };
        let (_, work) = counted.record(again).await;
        table.push_str(&row(&format!("{word}, sent again with its key"), &work));
    }
}

async fn call_centre(counted: &Counted, table: &mut String) {
    let store = &counted.store;
    let mut test = counted.new_test(3, TestResult::Positive).await;
    test.swab.contact = Some(contact(3));
    let (cun, _) = counted.record(test).await;
    // The first of a day, and of a caller, makes rows that all others find.
    let (first, _) = counted.guess(cun).await;
    let GuessAdmission::Counted { ticket, .. } = first else {
        panic!("{first:?}")
    };
    store.return_guess(&ticket).await.unwrap();
    let (begun, begin) = counted.guess(cun).await;
    let GuessAdmission::Counted { ticket, .. } = begun else {
        panic!("{begun:?}")
    };
    table.push_str(&row("a verification, its first half", &begin));
    let session = SessionId::random();
    let opening = OpenSession {
        cun,
        session,
        operator: operator(1),
        caller: call_center("CC1"),
        lifetime_millis: SESSION_MILLIS,
    };
    let (opened, work) = counted
        .of(store.finish_verification(opening, &ticket))
        .await;
    assert!(matches!(opened.unwrap(), OpenOutcome::Opened(_)));
    table.push_str(&row("its second half", &work));
    let claim = ClaimUnlock {
        session,
        operator: operator(1),
        caller: call_center("CC1"),
        claim: NewClaim {
            id: ClaimId::random(&mut rand::rng()),
            deadline: counted.clock.now().plus_millis(10_000),
        },
    };
    let id = claim.claim.id;
    let (claimed, work) = counted.of(store.claim_unlock(claim)).await;
    assert!(matches!(claimed.unwrap(), ClaimOutcome::Claimed { .. }));
    table.push_str(&row("an unlock, before its post", &work));
    let settlement = SettleUnlock {
        cun,
        claim: id,
        outcome: PostOutcome::Delivered,
    };
    let (settled, work) = counted.of(store.settle_unlock(settlement)).await;
    settled.unwrap();
    table.push_str(&row("after its post", &work));
    let (confirmed, work) = counted
        .of(store.confirm(confirmation(cun, Some(session))))
        .await;
    assert!(matches!(confirmed.unwrap(), ConcludeOutcome::Done(_)));
    table.push_str(&row("a confirmation, with its erasure", &work));
    let (cancelled, _) = counted
        .record(counted.new_test(4, TestResult::Negative).await)
        .await;
    let (outcome, work) = counted.of(store.cancel(cancellation(cancelled, 4))).await;
    outcome.unwrap();
    table.push_str(&row(
        "a cancellation of a negative, with its erasure",
        &work,
    ));
}

async fn count_all(counted: &Counted) -> String {
    let mut table = String::from(
        "\n| operation | W | R | L | statements | seen on |\n|---|---|---|---|---|---|\n",
    );
    submissions(counted, &mut table).await;
    call_centre(counted, &mut table).await;
    table.push('\n');
    table
}

/// The work of one who guesses tells nothing about the code.
async fn every_kind_of_code_makes_the_same_work(counted: &Counted) {
    let positive = counted
        .record(counted.new_test(5, TestResult::Positive).await)
        .await;
    let negative = counted
        .record(counted.new_test(6, TestResult::Negative).await)
        .await;
    let erased = counted
        .record(counted.new_test(7, TestResult::Positive).await)
        .await;
    let outcome = counted.store.cancel(cancellation(erased.0, 7)).await;
    outcome.unwrap();
    // The first guess of a caller makes rows that all others find.
    counted.guess(negative.0).await;
    let unknown = counted.new_test(8, TestResult::Positive).await.reserved.cun;
    let mut works = Vec::new();
    for cun in [positive.0, negative.0, erased.0, unknown] {
        let (found, work) = counted.of(counted.store.find_patient(cun)).await;
        assert_eq!(found.unwrap().is_some(), cun == positive.0);
        works.push(work);
    }
    let mut guesses = Vec::new();
    for cun in [positive.0, negative.0, erased.0, unknown] {
        guesses.push(counted.guess(cun).await.1);
    }
    for works in [works, guesses] {
        assert!(
            works.iter().all(|work| *work == works[0]),
            "the work tells what a code is: {works:?}"
        );
    }
}

#[test]
fn each_operation_sends_what_the_documentation_says_and_a_guess_the_same_for_every_code() {
    const BEGIN: &str = "<!-- work: made by cql/tests/work.rs -->\n";
    const END: &str = "<!-- end of work -->";
    let Some(settings) = support::new_keyspaces("work") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = SystemClock;
    let ring = folder.path().join("day-keys-0");
    KeyRing::create(&ring, clock.now().rome_day()).unwrap();
    let keys = support::ring_of(folder.path(), 0);
    let options = CqlOptions::of(settings, folder.path().join("data"));
    let store = CqlStore::open(options, keys, Arc::new(clock)).unwrap();
    let counted = Counted { store, clock };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let table = runtime.block_on(async {
        // The first test of a day brings the check value of its key.
        counted
            .record(counted.new_test(9, TestResult::Negative).await)
            .await;
        every_kind_of_code_makes_the_same_work(&counted).await;
        count_all(&counted).await
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cql.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (found, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        let mut written = String::new();
        write!(written, "{before}{BEGIN}{table}{END}{after}").unwrap();
        std::fs::write(&file, written).unwrap();
    } else {
        assert!(
            found == table,
            "docs/cql.md is not as the program is: run `make docs`\n{table}"
        );
    }
}
