//! Submissions by the books: the load tests' ledger has each before it leaves, and their rules judge what was answered.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Instant;

use sistema_ts_loadtest::ledger::{Intent, Kind, Ledger, Listed, Reach, Settlement};
use sistema_ts_model::{Cun, Timestamp};

use super::messages::{Message, Submission, fiscal_code};
use super::session::Session;

/// Submission `number`: every seventh is positive, every one has a key and a person of its own.
fn intent(number: u32) -> Intent {
    Intent {
        person: number,
        positive: number.is_multiple_of(7),
        key: NonZeroU32::new(number + 1),
        ..Intent::new(Kind::Submit, 0)
    }
}

/// What the intent asks.
fn message(intent: &Intent) -> Submission {
    let mut message = Submission::by_region().with_key(format!("number {}", intent.person));
    message.fiscal_code = fiscal_code(intent.person as usize);
    message.result = if intent.positive { "P" } else { "N" }.into();
    message
}

/// What becomes of it.
fn ask(session: &mut Session, intent: &Intent) -> Settlement {
    let Ok(reply) = session.try_submit(&message(intent)) else {
        return Settlement::UNANSWERED;
    };
    let finding = reply
        .findings()
        .first()
        .map_or(0, |code| code.parse().unwrap());
    let outcome = reply.outcome().as_bytes().try_into().ok();
    let at = chrono::DateTime::parse_from_rfc3339(reply.value("dataOra")).unwrap();
    Settlement {
        cun: Cun::parse(reply.transaction()).ok(),
        data_ora: Timestamp::from_millis(at.timestamp_millis()),
        ..Settlement::answered(reply.status(), outcome, finding)
    }
}

/// Sends submission `number` and waits for what becomes of it, both in the books.
pub fn submit(session: &mut Session, ledger: &Mutex<Ledger>, number: u32) -> Settlement {
    let intent = intent(number);
    let id = ledger
        .lock()
        .unwrap()
        .intend(&intent, Instant::now())
        .unwrap();
    let settlement = ask(session, &intent);
    ledger.lock().unwrap().settle(id, &settlement).unwrap();
    settlement
}

/// The server over the wire, as the sweep asks it.
pub struct Wire(pub Session);

impl Reach for Wire {
    fn send(&mut self, intent: &Intent) -> Settlement {
        ask(&mut self.0, intent)
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
