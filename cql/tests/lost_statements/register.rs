//! Changes of the register, each of which is a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use scylla::client::session::Session;
use sistema_ts_cql::register::CqlRegister;
use sistema_ts_cql::statement::Statement;
use sistema_ts_cql::{CqlSettings, connect};
use sistema_ts_model::{Caller, Clock as _, CodiceFiscale, SystemClock};
use sistema_ts_store::register::{
    Act, Actor, NoJournal, Profiles, Register, RegisterChange, RegisterError, RegisterKey,
};
use sistema_ts_store::samples::{call_center, fiscal_code};

use super::losing::{Case, First, each_statement};
use super::support;

fn act() -> Act {
    Act {
        by: Actor::Command {
            user: 0,
            login: None,
        },
        at: SystemClock.now(),
    }
}

/// Two servers that have one register open, of which the first loses statements.
struct Registers {
    first: First<CqlRegister>,
    second: CqlRegister,
    tables: Session,
    settings: CqlSettings,
    caller: Caller,
    people: AtomicU32,
    /// Rows of people that a change has left which was not answered: the next who reads the register whole erases them when they are a day old.
    orphans: AtomicU32,
}

/// Whether an operator is there, and may do something; none if there is none.
type Entry = Option<bool>;

impl Registers {
    async fn change(&self, change: &RegisterChange) -> Result<(), RegisterError> {
        self.second.change(change.clone(), act()).await
    }

    /// What the second server knows of an operator once it has looked.
    async fn entry(&self, operator: &CodiceFiscale) -> Entry {
        self.second.refresh().await.unwrap();
        let snapshot = self.second.snapshot();
        let entry = snapshot.operator(&self.caller, operator);
        entry.map(|entry| entry.enabled)
    }

    fn add(&self, operator: &CodiceFiscale) -> RegisterChange {
        RegisterChange::AddOperator {
            caller: self.caller,
            fiscal_code: operator.clone(),
            profiles: Profiles::NONE,
        }
    }

    fn disable(&self, operator: &CodiceFiscale) -> RegisterChange {
        RegisterChange::SetOperatorEnabled {
            caller: self.caller,
            fiscal_code: operator.clone(),
            enabled: false,
        }
    }

    fn remove(&self, operator: &CodiceFiscale) -> RegisterChange {
        RegisterChange::RemoveOperator {
            caller: self.caller,
            fiscal_code: operator.clone(),
        }
    }

    /// A person of whom the register knows nothing yet.
    fn new_operator(&self) -> CodiceFiscale {
        fiscal_code(self.people.fetch_add(1, Ordering::SeqCst))
    }

    /// A registered operator.
    async fn operator(&self) -> CodiceFiscale {
        let operator = self.new_operator();
        self.change(&self.add(&operator)).await.unwrap();
        operator
    }

    /// People are kept of those alone whom an entry names; after a change without an answer also of one more.
    async fn assert_people(&self, case: &Case<(), RegisterError>) {
        let (prefix, table) = (&self.settings.keyspace_prefix, "register.person");
        let query = format!("SELECT reference FROM {prefix}_{table}");
        let result = self.tables.query_unpaged(query, ()).await.unwrap();
        let kept = result.into_rows_result().unwrap().rows_num();
        let named = self.second.snapshot().operators(&self.caller).len();
        let orphans = kept.checked_sub(named);
        let orphans = orphans.unwrap_or_else(|| panic!("{}", case.told("a person is lost")));
        let before = self.orphans.swap(orphans as u32, Ordering::SeqCst) as usize;
        let more = usize::from(case.may_be_undone() || case.is_loss_of(Statement::ErasePerson));
        assert!(
            orphans <= before + more,
            "{}",
            case.told(&format!(
                "{kept} people are kept, {named} are named, {before} were left"
            ))
        );
    }

    /// Goes through the statements of a change that leads from one entry to another.
    async fn each(
        &self,
        name: &str,
        prepare: impl AsyncFn() -> CodiceFiscale,
        change: impl Fn(&CodiceFiscale) -> RegisterChange,
        [before, after]: [Entry; 2],
    ) {
        let judge = async |operator: &CodiceFiscale, case: &Case<(), RegisterError>| {
            let found = self.entry(operator).await;
            let is_right =
                (found == after && case.may_be_done()) || (found == before && case.may_be_undone());
            assert!(is_right, "{}", case.told(&format!("{found:?} is found")));
            if case.is_even {
                case.late_arrives().await;
                let found = self.entry(operator).await;
                let is_right = found == after || (found == before && case.may_be_undone());
                assert!(
                    is_right,
                    "{}",
                    case.told(&format!("{found:?} is found late"))
                );
            }
            // Repeated, it is made or was.
            let again = self.change(&change(operator)).await;
            let is_made_before = matches!(
                &again,
                Err(RegisterError::Exists(_) | RegisterError::Missing(_))
            );
            assert!(
                again.is_ok() || (is_made_before && case.may_be_done()),
                "{}",
                case.told(&format!("again: {again:?}"))
            );
            assert_eq!(self.entry(operator).await, after, "{}", case.told("again"));
            // Another change, which nothing late undoes.
            let other = match after {
                Some(_) => self.remove(operator),
                None => self.add(operator),
            };
            self.change(&other).await.unwrap();
            let expected = self.entry(operator).await;
            case.late_arrives().await;
            let found = self.entry(operator).await;
            assert_eq!(found, expected, "{}", case.told("undone by what was late"));
            // The server itself knows what all know.
            let first = self.first.server();
            first.refresh().await.unwrap();
            let snapshot = first.snapshot();
            let found = snapshot.operator(&self.caller, operator);
            assert_eq!(
                found.map(|entry| entry.enabled),
                expected,
                "{}",
                case.told("the servers differ")
            );
            self.assert_people(case).await;
        };
        each_statement(
            &self.first,
            name,
            prepare,
            |register, operator| {
                let change = change(&operator);
                async move { register.change(change, act()).await }.boxed()
            },
            judge,
        )
        .await;
    }
}

pub fn all() {
    let Some(settings) = support::new_keyspaces("lost_register") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(RegisterKey::create(&folder.path().join("key")).unwrap());
    CqlRegister::create(&settings, &key).unwrap();
    let open = move |settings: &CqlSettings| {
        CqlRegister::open(settings, Arc::clone(&key), Arc::new(NoJournal), None).unwrap()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registers = Registers {
        second: open(&settings),
        tables: runtime.block_on(connect(&settings)).unwrap(),
        settings: settings.clone(),
        caller: call_center("cc-1"),
        people: AtomicU32::new(0),
        orphans: AtomicU32::new(0),
        first: First::new(open(&settings), move |_| {
            // It waits for the nodes on threads of its own, which nobody may do who is one of a runtime's.
            std::thread::scope(|scope| scope.spawn(|| open(&settings)).join().unwrap())
        }),
    };
    runtime.block_on(async {
        let caller = RegisterChange::AddCaller {
            caller: registers.caller,
            name: "Call centre".to_owned(),
        };
        registers.change(&caller).await.unwrap();
        let (new, registered) = (
            // After a change of another, as all the other operations: the server catches up first.
            async || {
                registers.operator().await;
                registers.new_operator()
            },
            async || registers.operator().await,
        );
        let add = |operator: &_| registers.add(operator);
        registers
            .each("an operator, added", new, add, [None, Some(true)])
            .await;
        let disable = |operator: &_| registers.disable(operator);
        let entries = [Some(true), Some(false)];
        registers
            .each("an operator, disabled", registered, disable, entries)
            .await;
        let remove = |operator: &_| registers.remove(operator);
        registers
            .each(
                "an operator, removed",
                registered,
                remove,
                [Some(true), None],
            )
            .await;
    });
}
