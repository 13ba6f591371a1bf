//! Going through every statement of an operation, and everything that can become of it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sistema_ts_cql::CqlStore;
use sistema_ts_cql::faults::{Aftermath, Fault, Told};
use sistema_ts_cql::register::CqlRegister;
use sistema_ts_cql::statement::{Kind, Statement};
use sistema_ts_store::StoreError;
use sistema_ts_store::register::RegisterError;

use crate::support;

/// No operation with a lost statement takes longer: the test loses them at once, without a time limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// What decides about each statement.
type Decide = Arc<dyn Fn(Statement) -> Fault + Send + Sync>;

/// A server whose statements can be lost.
pub trait Loses: Send + Sync + 'static {
    fn intercept(&self, decide: Option<Decide>) -> Aftermath;
}

impl Loses for CqlStore {
    fn intercept(&self, decide: Option<Decide>) -> Aftermath {
        CqlStore::intercept(self, decide)
    }
}

impl Loses for CqlRegister {
    fn intercept(&self, decide: Option<Decide>) -> Aftermath {
        CqlRegister::intercept(self, decide)
    }
}

/// An error of a server.
pub trait Failed: Debug + Send + 'static {
    /// Whether it says that nothing was done.
    fn says_nothing_was_done(&self) -> bool;
    /// Whether it says that there was no room.
    fn is_overload(&self) -> bool;
}

impl Failed for StoreError {
    fn says_nothing_was_done(&self) -> bool {
        self.had_no_effect()
    }

    fn is_overload(&self) -> bool {
        matches!(self, StoreError::Overloaded { .. })
    }
}

impl Failed for RegisterError {
    fn says_nothing_was_done(&self) -> bool {
        !matches!(self, RegisterError::UnknownOutcome(_))
    }

    fn is_overload(&self) -> bool {
        matches!(self, RegisterError::Overloaded)
    }
}

/// How a server begins again after its death.
type BeginAnew<S> = Box<dyn Fn(&S) -> S + Send + Sync>;

/// The server whose statements are lost, which begins anew when it has died.
pub struct First<S> {
    server: Mutex<Arc<S>>,
    begin_anew: BeginAnew<S>,
}

impl<S> First<S> {
    pub fn new(server: S, begin_anew: impl Fn(&S) -> S + Send + Sync + 'static) -> Self {
        Self {
            server: Mutex::new(Arc::new(server)),
            begin_anew: Box::new(begin_anew),
        }
    }

    pub fn server(&self) -> Arc<S> {
        Arc::clone(&self.server.lock().unwrap())
    }

    fn dies(&self) {
        let mut server = self.server.lock().unwrap();
        *server = Arc::new((self.begin_anew)(&server));
    }
}

/// How a statement is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    OnTheWayThere,
    OnTheWayBack,
    Late,
    EndsBefore,
    EndsAfter,
}

impl Shape {
    const OF_A_WRITE: [Self; 5] = [
        Self::OnTheWayThere,
        Self::OnTheWayBack,
        Self::Late,
        Self::EndsBefore,
        Self::EndsAfter,
    ];
    /// What a read was asked changes nothing, whether it arrives or not, and before it is after the statement before.
    const OF_A_READ: [Self; 1] = [Self::OnTheWayThere];

    fn fault(self, told: Told) -> Fault {
        match self {
            Self::OnTheWayThere => Fault::LostOnTheWayThere(told),
            Self::OnTheWayBack => Fault::LostOnTheWayBack(told),
            Self::Late => Fault::ArrivesLate(told),
            Self::EndsBefore => Fault::EndsBefore,
            Self::EndsAfter => Fault::EndsAfter,
        }
    }

    fn is_death(self) -> bool {
        matches!(self, Self::EndsBefore | Self::EndsAfter)
    }
}

/// One statement that meets a fault: the one of its name that comes after so many others, and those that follow it if it meets the fault each time.
#[derive(Clone, Copy, Debug)]
struct Loss {
    statement: Statement,
    after: usize,
    each_time: bool,
    shape: Shape,
    told: Told,
}

impl Loss {
    fn of(self, statement: Statement, before: usize) -> Fault {
        let is_its = statement == self.statement;
        let is_met = before == self.after || (self.each_time && before > self.after);
        if is_its && is_met {
            self.shape.fault(self.told)
        } else {
            Fault::Nothing
        }
    }
}

/// A statement was lost, and this was said.
pub struct Case<T, E> {
    /// What the first server said: none if it died on the way.
    pub said: Option<Result<T, E>>,
    /// Cases with an even number and with an odd one: for judges that go one way or another.
    pub is_even: bool,
    name: String,
    lost: Statement,
    aftermath: Aftermath,
}

impl<T, E: Failed> Case<T, E> {
    /// Whether what was said allows that something was done.
    pub fn may_be_done(&self) -> bool {
        match &self.said {
            Some(Err(error)) => !error.says_nothing_was_done(),
            Some(Ok(_)) | None => true,
        }
    }

    /// Whether what was said allows that nothing was done.
    pub fn may_be_undone(&self) -> bool {
        !matches!(self.said, Some(Ok(_)))
    }

    /// The answer, if there was one.
    pub fn answer(&self) -> Option<&T> {
        match &self.said {
            Some(Ok(answer)) => Some(answer),
            Some(Err(_)) | None => None,
        }
    }

    /// Whether it was this statement that was lost.
    pub fn is_loss_of(&self, statement: Statement) -> bool {
        self.lost == statement
    }

    /// What was late arrives, and is carried out when this returns.
    pub async fn late_arrives(&self) {
        self.aftermath.late_arrives().await;
    }

    /// A failure with the way to it.
    pub fn told(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }
}

/// Whether each statement meets each error that a node can answer, instead of one after another in turn.
fn every_error_is_wanted() -> bool {
    std::env::var("TEST_CQL_FAULTS").is_ok_and(|value| value == "all")
}

/// Goes through every statement of an operation, and everything that can become of it. `operation` is asked of the first server, on what `prepare`
/// gives; `judge` looks at what was said with the second.
pub async fn each_statement<S, P, T, E, Prepare, Operation, Judge>(
    first: &First<S>,
    name: &str,
    prepare: Prepare,
    operation: Operation,
    judge: Judge,
) where
    S: Loses,
    P: Clone,
    T: Debug + Send + 'static,
    E: Failed,
    Prepare: AsyncFn() -> P,
    Operation: Fn(Arc<S>, P) -> BoxFuture<'static, Result<T, E>>,
    Judge: AsyncFn(&P, &Case<T, E>),
{
    let begun = Instant::now();
    // A server that has begun sends some statements that it sends never again, or not for a while.
    first.dies();
    let statements = statements_of(first, name, &prepare, &operation).await;
    let of_one_that_has_run = statements_of(first, name, &prepare, &operation).await;
    let mut met = 0;
    for (number, loss) in losses(&statements).into_iter().enumerate() {
        let later = of_one_that_has_run.iter();
        if later.filter(|sent| **sent == loss.statement).count() <= loss.after {
            first.dies();
        }
        let prepared = prepare().await;
        let (said, aftermath, is_met) = lose(first, loss, &operation, prepared.clone()).await;
        let case = Case {
            name: format!("{name}, {loss:?}, said {said:?}"),
            said,
            is_even: number % 2 == 0,
            lost: loss.statement,
            aftermath,
        };
        assert!(is_met, "{}", case.told("it is not sent this time"));
        if let (Some(Err(error)), Told::Overloaded) = (&case.said, loss.told) {
            let is_told = error.is_overload() || !error.says_nothing_was_done();
            assert!(is_told, "{}", case.told("an overload is called otherwise"));
        }
        judge(&prepared, &case).await;
        met += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    support::say(&format!("{name}: {met} losses in {took:.1} s"));
}

/// What an operation sends that has no trouble.
async fn statements_of<S: Loses, P: Clone, T: Debug, E: Failed>(
    first: &First<S>,
    name: &str,
    prepare: &impl AsyncFn() -> P,
    operation: &impl Fn(Arc<S>, P) -> BoxFuture<'static, Result<T, E>>,
) -> Vec<Statement> {
    let prepared = prepare().await;
    let sent = Arc::new(Mutex::new(Vec::new()));
    let server = first.server();
    let noted = Arc::clone(&sent);
    server.intercept(Some(Arc::new(move |statement| {
        noted.lock().unwrap().push(statement);
        Fault::Nothing
    })));
    let answer = operation(Arc::clone(&server), prepared).await;
    server.intercept(None);
    answer.unwrap_or_else(|error| panic!("{name} fails without a loss: {error:?}"));
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    assert!(!sent.is_empty(), "{name} sends no statement");
    sent
}

/// Whether the store sends a statement again whose answer is missing.
fn is_sent_again(statement: Statement) -> bool {
    statement.kind() == Kind::Conditional || statement == Statement::RecordTest
}

/// All that is to become of statements that were sent in this order: of each the first time, the second, and the last.
fn losses(sent: &[Statement]) -> Vec<Loss> {
    let mut counts: Vec<(Statement, usize)> = Vec::new();
    for statement in sent {
        match counts.iter_mut().find(|(other, _)| other == statement) {
            Some((_, count)) => *count += 1,
            None => counts.push((*statement, 1)),
        }
    }
    let mut losses = Vec::new();
    for (statement, count) in counts {
        let mut places = vec![0, 1, count - 1];
        places.retain(|place| *place < count);
        places.dedup();
        let is_read = matches!(
            statement.kind(),
            Kind::Read | Kind::SerialRead | Kind::OfNode
        );
        let shapes: &[Shape] = if is_read {
            &Shape::OF_A_READ
        } else {
            &Shape::OF_A_WRITE
        };
        for after in places {
            for shape in shapes {
                for each_time in [false, true] {
                    // What the store sends once is lost once.
                    if each_time && !is_sent_again(statement) {
                        continue;
                    }
                    let loss = |told| Loss {
                        statement,
                        after,
                        each_time,
                        shape: *shape,
                        told,
                    };
                    match shape.is_death() {
                        // A server dies once.
                        true if each_time => {}
                        true => losses.push(loss(Told::NoAnswer)),
                        false if every_error_is_wanted() => losses.extend(Told::ALL.map(loss)),
                        false => losses.push(loss(Told::ALL[losses.len() % Told::ALL.len()])),
                    }
                }
            }
        }
    }
    losses
}

/// Asks the first server, whose statement is lost: what it said, how what is late arrives, and whether the statement was sent.
async fn lose<S: Loses, P, T: Send + 'static, E: Failed>(
    first: &First<S>,
    loss: Loss,
    operation: &impl Fn(Arc<S>, P) -> BoxFuture<'static, Result<T, E>>,
    prepared: P,
) -> (Option<Result<T, E>>, Aftermath, bool) {
    let server = first.server();
    let (sent, met) = (Mutex::new(HashMap::new()), Arc::new(AtomicBool::new(false)));
    let noted = Arc::clone(&met);
    let aftermath = server.intercept(Some(Arc::new(move |statement| {
        if loss.shape.is_death() && noted.load(Ordering::SeqCst) {
            return Fault::EndsBefore;
        }
        let mut sent = sent.lock().unwrap();
        let count: &mut usize = sent.entry(statement).or_default();
        let fault = loss.of(statement, *count);
        *count += 1;
        if fault != Fault::Nothing {
            noted.store(true, Ordering::SeqCst);
        }
        fault
    })));
    let mut asked = tokio::spawn(operation(Arc::clone(&server), prepared));
    let said = tokio::select! {
        said = &mut asked => Some(said.unwrap()),
        () = aftermath.has_ended() => {
            asked.abort();
            None
        }
        () = tokio::time::sleep(PATIENCE) => panic!("an operation does not end: {loss:?}"),
    };
    if loss.shape.is_death() {
        first.dies();
    } else {
        server.intercept(None);
    }
    (said, aftermath, met.load(Ordering::SeqCst))
}
