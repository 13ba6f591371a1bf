//! Positives and what is asked about them while servers are killed, by the books: the rules of the load tests' ledger judge all answers about a
//! CUN together, those of before a kill and those of after it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use immuni_stand_in::Behaviour;
use sistema_ts_loadtest::ledger::{Class, Intent, Kind, RequestId, Rule, Settlement, session_mark};
use sistema_ts_model::Cun;

use super::books::SharedLedger;
use super::chain::Chain;
use super::installation::{ASL_OPERATOR, DESK, OTHER_CALL_CENTRE, STRANGER, card_of};
use super::messages::{Message, Submission, fiscal_code};
use super::session::{Reply, Session};
use super::until;

/// The shortest deadline that there is, in seconds, and the permitted clock error: nobody waits for a dead holder's longer.
const SETTINGS: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "2000"),
    ("STORE__PERMITTED_CLOCK_ERROR_MILLISECONDS", "100"),
];

/// A positive in the hands of one operator, who sends this code and has this verification; its id is empty before the first.
#[derive(Clone)]
pub struct Positive {
    pub person: usize,
    pub cun: String,
    pub operator: &'static str,
    pub code: String,
    pub session: String,
}

impl Positive {
    /// The same test in other hands.
    pub fn with(&self, operator: &'static str, code: String) -> Self {
        Self {
            operator,
            code,
            session: String::new(),
            ..self.clone()
        }
    }

    fn intent(&self, kind: Kind) -> Intent {
        let caller = match kind {
            Kind::Submit | Kind::Cancel | Kind::SendCode => 0,
            _ if self.operator == STRANGER => 2,
            _ => 1,
        };
        Intent {
            person: u32::try_from(self.person).unwrap(),
            positive: true,
            // A code of the ASL is for a person.
            cun: Cun::parse(&self.cun)
                .ok()
                .filter(|_| kind != Kind::SendCode),
            session: u32::from(kind == Kind::Unlock) * session_mark(self.session.as_bytes()),
            ..Intent::new(kind, caller)
        }
    }

    fn message(&self, kind: Kind) -> Message {
        let patient = fiscal_code(self.person);
        match kind {
            Kind::Cancel => Message::cancellation(&self.cun, &patient),
            Kind::Verify => Message::verification(self.operator, &card_of(self.person), &self.cun),
            Kind::Unlock => Message::unlock(self.operator, &self.session, &self.code),
            Kind::Confirm => Message::confirmation("C", self.operator, &self.cun),
            Kind::Annul => Message::confirmation("A", self.operator, &self.cun),
            Kind::SendCode => Message::asl_otp_of_region(ASL_OPERATOR, &self.code, &patient),
            _ => panic!("{kind:?} is about no positive"),
        }
    }
}

/// What a request was told.
#[derive(Debug)]
pub struct Told(Settlement, pub Reply);

impl Told {
    /// Done, with this warning, or with none if it is 0.
    pub fn is_done(&self, finding: u16) -> bool {
        (self.0.class, self.0.finding) == (Class::Done, finding)
    }

    /// The id of a verification.
    pub fn session(&self) -> String {
        self.1.value("idVerificaTampone").to_owned()
    }

    /// Refused for one of these reasons.
    pub fn is_refused(&self, findings: &[u16]) -> bool {
        self.0.class == Class::Refused && findings.contains(&self.0.finding)
    }
}

/// A chain, and the books of what it was asked about positives.
pub struct BookedChain {
    pub chain: Chain,
    ledger: SharedLedger,
}

impl BookedChain {
    pub fn start() -> Self {
        Self {
            chain: Chain::start_with(SETTINGS),
            ledger: SharedLedger::new(),
        }
    }

    /// The server is killed, and another one starts beside a backend that behaves well.
    fn restart(self) -> Self {
        let chain = self.chain.restart(SETTINGS);
        chain.backend.behave(Behaviour::default());
        Self { chain, ..self }
    }

    /// All rules must have been kept, and these must have had something to judge.
    pub fn judge(&self, judged: &[Rule]) {
        self.ledger.judge(&[], judged);
    }

    /// A new positive of this person, in the hands of [`DESK`].
    pub fn positive_of(&self, person: usize, code: String) -> Positive {
        let mut positive = Positive {
            person,
            cun: String::new(),
            operator: DESK,
            code,
            session: String::new(),
        };
        let id = self.ledger.intend(&positive.intent(Kind::Submit));
        let reply = self.chain.region().submit(&Submission::about(person));
        assert_eq!(self.ledger.settle(id, Some(&reply)).class, Class::Done);
        reply.transaction().clone_into(&mut positive.cun);
        positive
    }

    /// A connection of who asks that.
    fn connection(&self, asked: &Positive, kind: Kind) -> Session {
        match asked.intent(kind).caller {
            0 => self.chain.region(),
            1 => self.chain.desk(),
            _ => self.chain.desk_of(OTHER_CALL_CENTRE),
        }
    }

    /// Has all of this asked at once, kills the server when `when` returns, which sees how many have come to an end, and starts another; what
    /// was answered before.
    pub fn die_while(
        self,
        asked: &[(Kind, Positive)],
        when: impl FnOnce(&Chain, &AtomicUsize),
    ) -> (Self, Vec<Option<Told>>) {
        let connect = |(kind, asked): &(Kind, Positive)| self.connection(asked, *kind);
        let connections: Vec<_> = asked.iter().map(connect).collect();
        let ended = AtomicUsize::new(0);
        let told = thread::scope(|scope| {
            let asking = asked
                .iter()
                .zip(connections)
                .map(|((kind, asked), mut connection)| {
                    let id = self.ledger.intend(&asked.intent(*kind));
                    connection.send(&asked.message(*kind)).unwrap();
                    let (booked, ended) = (&self, &ended);
                    scope.spawn(move || {
                        let told = booked.told(id, connection.try_answer());
                        ended.fetch_add(1, Ordering::Relaxed);
                        told
                    })
                });
            let asking: Vec<_> = asking.collect();
            when(&self.chain, &ended);
            self.chain.server.signal(libc::SIGKILL);
            let told = asking.into_iter().map(|asking| asking.join().unwrap());
            told.collect()
        });
        (self.restart(), told)
    }

    /// `None` without an answer, or with the one that says that nothing was done: a busy machine.
    pub fn try_ask(&self, session: &mut Session, asked: &Positive, kind: Kind) -> Option<Told> {
        let id = self.ledger.intend(&asked.intent(kind));
        self.told(id, session.try_ask(&asked.message(kind)))
    }

    fn told(&self, id: RequestId, reply: io::Result<Reply>) -> Option<Told> {
        let settlement = self.ledger.settle(id, reply.as_ref().ok());
        let reply = reply.ok().filter(|reply| !reply.is_unavailable())?;
        assert_eq!(reply.status(), 200, "{reply:?}");
        Some(Told(settlement, reply))
    }

    /// The answer of a server that lives; asked again while it says that it is too busy, or that a code is on its way (3011).
    pub fn ask(&self, asked: &Positive, kind: Kind) -> Told {
        let mut session = self.connection(asked, kind);
        let mut told = None;
        until("a final answer", || {
            told = self.try_ask(&mut session, asked, kind);
            told.as_ref().is_some_and(|told| !told.is_refused(&[3011]))
        });
        told.unwrap()
    }

    /// Verifies it, which must succeed.
    pub fn verify(&self, positive: &mut Positive) {
        let told = self.ask(positive, Kind::Verify);
        assert!(told.is_done(0), "{told:?}");
        positive.session = told.session();
    }
}
