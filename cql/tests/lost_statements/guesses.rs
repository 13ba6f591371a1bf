//! Guesses: begun, given back, forgiven; and the codes of an ASL that are counted.
//!
//! What is counted is looked up in the table, whose rows have no names: those are its own that were not there before.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use sistema_ts_model::{CallCenterCode, Caller, Cun};
use sistema_ts_store::samples::operator;
use sistema_ts_store::{
    AslOtpAdmission, CountAslOtp, FORGIVENESSES, Forgiveness, Guess, GuessAdmission, GuessBudgets,
    GuessTicket, Store,
};

use super::losing::{Case, Failed, each_statement};
use super::world::World;

/// What a partition counts itself, what it counts of its operators together, and how often it was forgiven.
type Counts = (i32, i32, i32);

/// All partitions of the table.
type Table = BTreeMap<Vec<u8>, Counts>;

async fn table(world: &World) -> Table {
    let query = "SELECT key, total, failures, forgiven FROM {}_tests.guess";
    let mut table = Table::new();
    for row in world.rows(query).await {
        let number = |column: usize| row[column].as_ref().and_then(|value| value.as_int());
        let key = row[0].as_ref().unwrap().as_blob().unwrap().clone();
        let (total, of_operators, forgiven) = table.entry(key).or_default();
        *total = number(1).unwrap_or_default();
        *of_operators += number(2).unwrap_or_default();
        *forgiven = number(3).unwrap_or_default();
    }
    table
}

/// A guess by an operator, through a caller and about a code of whom nothing is counted yet.
#[derive(Clone)]
struct Guessing {
    guess: Guess,
    /// What is counted of others.
    before: Table,
    /// The number of its ticket at the first server, if it is under way there.
    ticket: u64,
}

impl Guessing {
    async fn new(world: &World) -> Self {
        let number = world.next_number();
        let code = format!("CC{number}");
        Self {
            guess: Guess {
                operator: operator(number),
                caller: Caller::CallCenter(CallCenterCode::parse(&code).unwrap()),
                cun: Cun::from_number(u64::from(number)).unwrap(),
                budgets: GuessBudgets {
                    operator_of_code: 10,
                    ..GuessBudgets::default()
                },
            },
            before: table(world).await,
            ticket: 0,
        }
    }

    /// The same, after so many failures at the second server.
    async fn after_failures(world: &World, failures: usize) -> Self {
        let guessing = Self::new(world).await;
        for _ in 0..failures {
            let ticket = guessing.begin(&**world.second()).await;
            world.second().fail_guess(&ticket).await.unwrap();
        }
        guessing
    }

    async fn begin(&self, server: &dyn Store) -> GuessTicket {
        let admission = server.begin_guess(self.guess.clone()).await.unwrap();
        let GuessAdmission::Counted { ticket, .. } = admission else {
            panic!("{admission:?}")
        };
        ticket
    }

    /// What is counted of its own partitions, the caller's and the code's, in no order.
    async fn counted(&self, world: &World) -> Vec<Counts> {
        let table = table(world).await;
        let own = table
            .into_iter()
            .filter(|(key, _)| !self.before.contains_key(key));
        own.map(|(_, counts)| counts).collect()
    }
}

/// What each of two partitions counts must lie within these bounds, alike in the partition's count and in its operator's.
fn assert_within<T, E: Failed>(case: &Case<T, E>, counted: &[Counts], least: i32, most: i32) {
    let is_within =
        |(total, of_operators, _): &Counts| total == of_operators && (least..=most).contains(total);
    let is_right = counted.iter().all(is_within) && (least == 0 || counted.len() == 2);
    assert!(
        is_right && counted.len() <= 2,
        "{}",
        case.told(&format!("{counted:?} is counted, not {least} to {most}"))
    );
}

async fn begun(world: &World) {
    let judge = async |guessing: &Guessing, case: &Case<GuessAdmission, _>| {
        let least = i32::from(case.answer().is_some());
        assert_within(case, &guessing.counted(world).await, least, 1);
        if case.is_even {
            case.late_arrives().await;
            assert_within(case, &guessing.counted(world).await, least, 1);
        }
        let ticket = guessing.begin(&**world.second()).await;
        case.late_arrives().await;
        assert_within(case, &guessing.counted(world).await, least + 1, 2);
        world.second().return_guess(&ticket).await.unwrap();
        assert_within(case, &guessing.counted(world).await, least, 1);
    };
    each_statement(
        &world.first,
        "a guess, begun",
        async || Guessing::new(world).await,
        |store, guessing: Guessing| async move { store.begin_guess(guessing.guess).await }.boxed(),
        judge,
    )
    .await;
}

async fn returned(world: &World) {
    let prepare = async || {
        let mut guessing = Guessing::after_failures(world, 2).await;
        let first: Arc<dyn Store> = world.first.server();
        guessing.ticket = guessing.begin(&*first).await.number();
        guessing
    };
    let judge = async |guessing: &Guessing, case: &Case<(), _>| {
        let most = if case.may_be_undone() { 3 } else { 2 };
        assert_within(case, &guessing.counted(world).await, 2, most);
        if case.is_even {
            case.late_arrives().await;
            assert_within(case, &guessing.counted(world).await, 2, most);
        }
        // A ticket ends once, and what is late takes no other's failure off.
        let ticket = GuessTicket::of_number(guessing.ticket);
        world.first.server().return_guess(&ticket).await.unwrap();
        let failed = guessing.begin(&**world.second()).await;
        world.second().fail_guess(&failed).await.unwrap();
        case.late_arrives().await;
        assert_within(case, &guessing.counted(world).await, 3, most + 1);
    };
    each_statement(
        &world.first,
        "a guess, given back",
        prepare,
        |store, guessing: Guessing| {
            let ticket = GuessTicket::of_number(guessing.ticket);
            async move { store.return_guess(&ticket).await }.boxed()
        },
        judge,
    )
    .await;
}

async fn forgiven(world: &World) {
    let judge = async |guessing: &Guessing, case: &Case<Forgiveness, _>| {
        if let Some(answer) = case.answer() {
            let (failures, left) = (2, FORGIVENESSES - 1);
            assert_eq!(*answer, Forgiveness::Forgiven { failures, left });
        }
        if case.is_even {
            case.late_arrives().await;
        }
        let again = world.second().forgive_code(guessing.guess.cun).await;
        let again = again.unwrap();
        let is_right = match again {
            Forgiveness::Forgiven { failures, left } => {
                let is_once = (failures, left) == (2, FORGIVENESSES - 1);
                case.may_be_undone() && is_once
            }
            Forgiveness::NothingCounted => case.may_be_done(),
            Forgiveness::NoneLeft => false,
        };
        assert!(is_right, "{}", case.told(&format!("then {again:?}")));
        // What fails afterwards counts, whatever comes late.
        let ticket = guessing.begin(&**world.second()).await;
        world.second().fail_guess(&ticket).await.unwrap();
        case.late_arrives().await;
        let counted = guessing.counted(world).await;
        let of_code: Vec<i32> = counted
            .iter()
            .filter(|(_, _, forgiven)| *forgiven > 0)
            .map(|(total, _, forgiven)| total * 10 + forgiven)
            .collect();
        assert_eq!(of_code, [11], "{}", case.told("a failure is lost"));
    };
    each_statement(
        &world.first,
        "a code, forgiven",
        async || Guessing::after_failures(world, 2).await,
        |store, guessing: Guessing| {
            async move { store.forgive_code(guessing.guess.cun).await }.boxed()
        },
        judge,
    )
    .await;
}

async fn asl_codes(world: &World) {
    let wish = |guessing: &Guessing, per_hour| CountAslOtp {
        operator: guessing.guess.operator.clone(),
        per_hour,
    };
    let judge = async |guessing: &Guessing, case: &Case<AslOtpAdmission, _>| {
        let counted = async || -> i32 {
            let counted = guessing.counted(world).await;
            assert!(counted.len() <= 1, "{}", case.told("two counts"));
            counted.iter().map(|(total, _, _)| total).sum()
        };
        let least = i32::from(case.answer().is_some());
        assert!(
            (least..=1).contains(&counted().await),
            "{}",
            case.told("miscounted")
        );
        if case.is_even {
            case.late_arrives().await;
        }
        let before = counted().await;
        let again = world.second().count_asl_otp(wish(guessing, 10)).await;
        assert_eq!(again.unwrap(), AslOtpAdmission::Admitted);
        case.late_arrives().await;
        assert_eq!(counted().await, before + 1, "{}", case.told("miscounted"));
    };
    each_statement(
        &world.first,
        "an ASL's code, counted",
        async || Guessing::new(world).await,
        |store, guessing: Guessing| {
            let wish = wish(&guessing, 10);
            async move { store.count_asl_otp(wish).await }.boxed()
        },
        judge,
    )
    .await;
}

pub async fn all(world: &World) {
    begun(world).await;
    returned(world).await;
    forgiven(world).await;
    asl_codes(world).await;
}
