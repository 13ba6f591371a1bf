//! Requests by the books: the load tests' ledger has each before it leaves, and their rules judge what was answered.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Instant;

use sistema_ts_loadtest::ledger::{
    Books, CallerFacts, Case, Intent, Kind, Ledger, Listed, Lister, Listing, Reach, RequestId,
    Rule, Settlement, Sweep, session_mark,
};
use sistema_ts_model::{Cun, Timestamp};

use super::messages::{Message, Submission, fiscal_code};
use super::session::{Reply, Session};

/// A ledger for the requests of several threads.
pub struct SharedLedger {
    folder: tempfile::TempDir,
    ledger: Mutex<Ledger>,
}

impl SharedLedger {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("ledger")).unwrap();
        Self {
            folder,
            ledger: Mutex::new(ledger),
        }
    }

    /// What is in it.
    pub fn books(&self) -> Books {
        Books::open(&self.folder.path().join("ledger")).unwrap()
    }

    /// Writes down what is about to be asked.
    pub fn intend(&self, intent: &Intent) -> RequestId {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.intend(intent, Instant::now()).unwrap()
    }

    /// Writes down what became of it.
    pub fn settle(&self, id: RequestId, reply: Option<&Reply>) -> Settlement {
        let settlement = reply.map_or(Settlement::UNANSWERED, settlement_of);
        self.ledger.lock().unwrap().settle(id, &settlement).unwrap();
        settlement
    }

    /// Sends submission `number`, and waits for what becomes of it.
    pub fn submit(&self, session: &mut Session, number: u32) -> Settlement {
        let intent = submission(number);
        let id = self.intend(&intent);
        let reply = session.try_submit(&message(&intent));
        self.settle(id, reply.as_ref().ok())
    }

    /// Repeats some submissions of caller 0 and lists its tests over this connection, as after a load test.
    pub fn sweep(&mut self, session: Session) -> Vec<Listing> {
        let (caller, covers) = (0, vec![0]);
        let sweep = Sweep {
            listers: vec![Lister { caller, covers }],
            page: 97,
            repeats: 50,
            verifications: 0,
            folder: self.folder.path().to_owned(),
        };
        let (books, mut wire) = (self.books(), Wire(session));
        let ledger = self.ledger.get_mut().unwrap();
        sweep.after(ledger, &books, &mut wire).unwrap()
    }

    /// All rules must have been kept, and these must have had something to judge; how many requests were done. Nobody but the books' callers
    /// submits anything.
    pub fn judge(&self, listings: &[Listing], judged: &[Rule]) -> u64 {
        let (books, callers) = (&self.books(), &[CallerFacts { exclusive: true }]);
        let case = Case {
            books,
            callers,
            listings,
        };
        let truth = case.judge().unwrap();
        for (rule, result) in Rule::ALL.into_iter().zip(&truth.rules) {
            let has_cases = result.of > 0 || !judged.contains(&rule);
            assert!(result.violations == 0 && has_cases, "{result:#?}");
        }
        truth.done
    }
}

/// Submission `number`: every seventh is positive, every one has a key and a person of its own.
fn submission(number: u32) -> Intent {
    Intent {
        person: number,
        positive: number.is_multiple_of(7),
        key: NonZeroU32::new(number + 1),
        ..Intent::new(Kind::Submit, 0)
    }
}

/// What the intent of a submission asks.
fn message(intent: &Intent) -> Submission {
    let mut message = Submission::by_region().with_key(format!("number {}", intent.person));
    message.fiscal_code = fiscal_code(intent.person as usize);
    message.result = if intent.positive { "P" } else { "N" }.into();
    message
}

/// What an answer tells.
fn settlement_of(reply: &Reply) -> Settlement {
    let findings = reply.findings();
    let finding = findings.first().map_or(0, |code| code.parse().unwrap());
    let outcome = reply.outcome().as_bytes().try_into().ok();
    let at = chrono::DateTime::parse_from_rfc3339(reply.value("dataOra")).ok();
    let session = reply.value("idVerificaTampone");
    Settlement {
        cun: Cun::parse(reply.transaction()).ok(),
        data_ora: at.and_then(|at| Timestamp::from_millis(at.timestamp_millis())),
        session: u32::from(!session.is_empty()) * session_mark(session.as_bytes()),
        ..Settlement::answered(reply.status(), outcome, finding)
    }
}

/// The server over the wire, as the sweep asks it.
struct Wire(Session);

impl Reach for Wire {
    fn send(&mut self, intent: &Intent) -> Settlement {
        self.0
            .try_submit(&message(intent))
            .map_or(Settlement::UNANSWERED, |reply| settlement_of(&reply))
    }

    fn list(
        &mut self,
        _caller: u16,
        maximum: Option<u32>,
        test: &mut dyn FnMut(Listed),
    ) -> Result<(), String> {
        let mut message = Message::listing();
        if let Some(maximum) = maximum {
            message = message.with("massimoElementi", maximum.to_string());
        }
        loop {
            let reply = self.0.ask(&message);
            let days = reply.values("dataInserimento");
            for ((cun, day), result) in reply
                .values("identificativoTest")
                .zip(days)
                .zip(reply.values("esitoTest"))
            {
                test(Listed {
                    cun: Cun::parse(cun).ok(),
                    day: day.replace('-', "").parse().unwrap(),
                    positive: result == "P",
                });
            }
            let bookmark = reply.value("segnalibro").to_owned();
            if bookmark.is_empty() {
                return Ok(());
            }
            message = message.without("segnalibro").with("segnalibro", bookmark);
        }
    }
}

/// Freezes the server until it stands still, and lets it go on.
pub fn freeze(pid: i32) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.as_bytes()[0]
    };
    // SAFETY: kill takes two integers; nobody has waited for the process yet, so its number is still its own.
    let send = |signal| assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    send(libc::SIGSTOP);
    while state() != b'T' {
        std::thread::yield_now();
    }
    send(libc::SIGCONT);
}
