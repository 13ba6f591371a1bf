//! A small server of the contract, in memory, which can be told to be wrong in one way.

use std::collections::HashMap;
use std::num::NonZeroU32;

use sistema_ts_loadtest::ledger::{Intent, Kind, Listed, Settlement, session_mark};
use sistema_ts_model::{CUN_COUNT, Cun, Timestamp};

/// In which way it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// What was answered in the moments before a kill is lost by it.
    AnswersBeforeItIsDurable,
    /// Now and then a test gets the CUN of an earlier one.
    RepeatsACun,
    /// One test is in no listing.
    MissesATest,
    /// The last test of a page and the first of the next are exchanged.
    SwapsAtAPage,
    /// The first test of a page is the last of the page before, once more.
    RepeatsAtAPage,
    /// Some that are turned away with a 503 were carried out.
    BusyWithEffect,
    /// A key that is repeated gets the first answer of another caller: the one who used this key, too, or else the first one.
    AnswersAnothersReceipt,
    /// A key is forgotten: its repetition is a new test.
    ForgetsKeys,
    /// A key with other content gets the first answer instead of a refusal.
    TakesOtherContent,
    /// A revoked caller is served on.
    ServesTheRevoked,
    /// A revoked caller is served on over connections that were open.
    ServesTheRevokedOnOpenConnections,
    /// A caller that was revoked once is refused for ever.
    RefusesTheAdmitted,
    /// A test whose answer was lost is in one listing and not in another.
    HalfThere,
    /// A cancelled test is still listed.
    ListsTheCancelled,
    /// A listing says the other result.
    ListsAnotherResult,
    /// A second session unlocks what the first has unlocked.
    UnlocksTwice,
    /// A fourth code is delivered.
    DeliversFour,
    /// A confirmed CUN can be verified.
    VerifiesTheConfirmed,
    /// Unlocks are lost by a kill.
    LosesUnlocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Issued,
    Unlocked(u32),
    Consumed,
    Cancelled,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    number: u64,
    caller: u16,
    person: u32,
    positive: bool,
    at: i64,
    state: State,
    deliveries: u32,
    /// Whether its submission's answer was lost.
    lost: bool,
}

type Key = (u16, NonZeroU32);

pub struct Server {
    pub fault: Fault,
    rows: Vec<Row>,
    keys: HashMap<Key, (usize, bool)>,
    /// Who the server knows to be revoked.
    pub revoked: Option<u16>,
    requests: u64,
    /// It is busy at every request of this number.
    busy_every: u64,
    /// Tests that a kill takes from one that answers before they are durable.
    not_durable: usize,
    sessions: u64,
    listings: u64,
    /// 2026-11-27T10:00:00 in Rome.
    now: i64,
}

fn answered(outcome: &[u8; 4], finding: u16) -> Settlement {
    Settlement::answered(200, Some(*outcome), finding)
}

fn busy() -> Settlement {
    Settlement::answered(503, None, 8001)
}

impl Server {
    pub fn new(fault: Fault, busy_every: u64, not_durable: usize) -> Self {
        Self {
            fault,
            rows: Vec::new(),
            keys: HashMap::new(),
            revoked: None,
            requests: 0,
            busy_every,
            not_durable,
            sessions: 0,
            listings: 0,
            now: 1_795_770_000_000,
        }
    }

    /// Handles a request. `None` is an answer that never comes, of a request that was carried out or not.
    pub fn handle(&mut self, intent: &Intent, lost: Option<bool>) -> Option<Settlement> {
        self.requests += 1;
        // Three requests a millisecond.
        self.now += i64::from(self.requests.is_multiple_of(3));
        if lost == Some(false) {
            return None;
        }
        let answer = self.carry_out(intent, lost.is_some());
        lost.is_none().then_some(answer)
    }

    /// What a kill does to a server that is wrong.
    pub fn kill(&mut self) {
        match self.fault {
            Fault::AnswersBeforeItIsDurable => {
                let kept = self.rows.len().saturating_sub(self.not_durable);
                self.rows.truncate(kept);
                self.keys.retain(|_, (row, _)| *row < kept);
            }
            Fault::LosesUnlocks => {
                for row in &mut self.rows {
                    if matches!(row.state, State::Unlocked(_)) {
                        row.state = State::Issued;
                    }
                }
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, intent: &Intent, lost: bool) -> Settlement {
        if self.revoked == Some(intent.caller) && self.fault != Fault::ServesTheRevoked {
            return Settlement::answered(500, None, 6022);
        }
        // Now and then a right server is busy, too.
        if self.requests.is_multiple_of(self.busy_every) {
            let has_effect = self.fault == Fault::BusyWithEffect;
            if has_effect && intent.kind == Kind::Submit {
                self.submit(intent, lost);
            }
            return busy();
        }
        match intent.kind {
            Kind::Submit => self.submit(intent, lost),
            Kind::Cancel => self.cancel(intent),
            Kind::Verify => self.verify(intent),
            Kind::Unlock => self.unlock(intent),
            Kind::Confirm | Kind::Annul => self.end(intent),
            _ => answered(b"9999", 2001),
        }
    }

    fn submit(&mut self, intent: &Intent, lost: bool) -> Settlement {
        let mut known = intent
            .key
            .and_then(|key| self.keys.get(&(intent.caller, key)));
        let others = intent.key.and_then(|key| {
            let mut callers = (0..intent.caller).rev();
            let same_key = callers.find_map(|caller| self.keys.get(&(caller, key)));
            same_key.or_else(|| {
                let is_told_of_another = |(key, (row, _)): &(&Key, &(usize, bool))| {
                    key.0 != intent.caller && self.rows[*row].state == State::Issued
                };
                let told = self.keys.iter().filter(is_told_of_another);
                let first = told.min_by_key(|(_, (row, _))| *row);
                first.map(|(_, known)| known)
            })
        });
        match self.fault {
            Fault::ForgetsKeys => known = None,
            Fault::AnswersAnothersReceipt if known.is_some() => known = others.or(known),
            _ => {}
        }
        if let Some((row, _)) = known {
            let row = self.rows[*row];
            let is_other = row.person != intent.person || row.positive != intent.positive;
            if is_other
                && !matches!(
                    self.fault,
                    Fault::TakesOtherContent | Fault::AnswersAnothersReceipt
                )
            {
                return answered(b"9999", 4002);
            }
            if matches!(row.state, State::Consumed | State::Cancelled) {
                return answered(b"0001", 4003);
            }
            return told(&row, answered(b"0001", 4001));
        }
        let count = self.rows.len() as u64;
        let mut number = (count * 6_700_417 + 99) % CUN_COUNT;
        if self.fault == Fault::RepeatsACun && count % 97 == 96 {
            number = self.rows[self.rows.len() - 40].number;
        }
        let row = Row {
            number,
            caller: intent.caller,
            person: intent.person,
            positive: intent.positive,
            at: self.now,
            state: State::Issued,
            deliveries: 0,
            lost,
        };
        if let Some(key) = intent.key {
            self.keys
                .insert((intent.caller, key), (self.rows.len(), intent.positive));
        }
        self.rows.push(row);
        told(&row, answered(b"0000", 0))
    }

    /// Whose test has this CUN.
    pub fn person_of(&self, cun: Cun) -> Option<u32> {
        let row = self.rows.iter().find(|row| row.number == cun.number());
        row.map(|row| row.person)
    }

    fn row(&mut self, intent: &Intent) -> Option<&mut Row> {
        let number = intent.cun?.number();
        let wanted = |row: &&mut Row| row.number == number && row.person == intent.person;
        self.rows.iter_mut().find(wanted)
    }

    fn cancel(&mut self, intent: &Intent) -> Settlement {
        let caller = intent.caller;
        match self.row(intent) {
            Some(row) if row.caller == caller => match row.state {
                State::Issued | State::Unlocked(_) => {
                    row.state = State::Cancelled;
                    answered(b"0000", 0)
                }
                State::Cancelled => answered(b"0001", 3021),
                State::Consumed => answered(b"9999", 3014),
            },
            _ => answered(b"9999", 3002),
        }
    }

    fn verify(&mut self, intent: &Intent) -> Settlement {
        self.sessions += 1;
        let session = session_mark(&self.sessions.to_le_bytes());
        let fault = self.fault;
        match self.row(intent) {
            Some(row)
                if row.positive
                    && ((row.state == State::Issued && row.deliveries < 3)
                        || (matches!(row.state, State::Unlocked(_))
                            && fault == Fault::UnlocksTwice)
                        || (row.state == State::Consumed
                            && fault == Fault::VerifiesTheConfirmed)) =>
            {
                Settlement {
                    session,
                    ..answered(b"0000", 0)
                }
            }
            _ => answered(b"9999", 3001),
        }
    }

    fn unlock(&mut self, intent: &Intent) -> Settlement {
        let fault = self.fault;
        let Some(row) = self.row(intent) else {
            return answered(b"9999", 3004);
        };
        match row.state {
            State::Unlocked(session)
                if session != intent.session && fault != Fault::UnlocksTwice =>
            {
                return answered(b"9999", 3012);
            }
            State::Consumed | State::Cancelled => return answered(b"9999", 3014),
            _ => {}
        }
        if row.deliveries >= if fault == Fault::DeliversFour { 4 } else { 3 } {
            return answered(b"9999", 3013);
        }
        row.state = State::Unlocked(intent.session);
        row.deliveries += 1;
        answered(b"0000", 0)
    }

    fn end(&mut self, intent: &Intent) -> Settlement {
        let Some(row) = self.row(intent) else {
            return answered(b"9999", 3003);
        };
        match (row.state, intent.kind) {
            (State::Unlocked(session), Kind::Confirm) if session == intent.session => {
                row.state = State::Consumed;
                answered(b"0000", 0)
            }
            (State::Unlocked(session), _) if session == intent.session => {
                row.state = State::Issued;
                answered(b"0000", 0)
            }
            (State::Unlocked(_), _) => answered(b"9999", 3006),
            (State::Consumed, Kind::Confirm) => answered(b"0001", 3022),
            _ => answered(b"9999", 3003),
        }
    }

    /// The listing of a region: caller 0 has those of its structure, caller 1, as well.
    pub fn list(&mut self, caller: u16, maximum: Option<u32>) -> Vec<Listed> {
        self.listings += 1;
        let is_second = self.listings.is_multiple_of(2);
        let fault = self.fault;
        let is_listed = |row: &&Row| {
            let is_covered = row.caller == caller || (caller == 0 && row.caller == 1);
            let stands = row.state != State::Cancelled || fault == Fault::ListsTheCancelled;
            let is_half = fault == Fault::HalfThere && is_second && row.lost;
            is_covered && stands && !is_half
        };
        let mut tests: Vec<Listed> = self
            .rows
            .iter()
            .filter(is_listed)
            .map(|row| Listed {
                cun: Cun::from_number(row.number),
                day: 20_261_127,
                positive: row.positive
                    != (fault == Fault::ListsAnotherResult && row.person % 100 == 7),
            })
            .collect();
        let page = maximum.map_or(usize::MAX, |page| page as usize);
        match fault {
            Fault::MissesATest if tests.len() > 30 => {
                tests.remove(17);
            }
            Fault::SwapsAtAPage if tests.len() > page => tests.swap(page - 3, page + 3),
            Fault::RepeatsAtAPage if tests.len() > page => tests.insert(page, tests[page - 1]),
            _ => {}
        }
        tests
    }
}

fn told(row: &Row, settlement: Settlement) -> Settlement {
    Settlement {
        cun: Cun::from_number(row.number),
        data_ora: Timestamp::from_millis(row.at),
        ..settlement
    }
}
