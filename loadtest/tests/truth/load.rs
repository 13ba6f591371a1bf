//! A load of everything that the rules speak of, on the server in memory, with the ledger as its books.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use sistema_ts_loadtest::ledger::{
    Books, CallerFacts, Case, Class, Intent, Kind, Ledger, Listed, Lister, Purpose, Reach,
    Settlement, Sweep,
};
use sistema_ts_loadtest::report::Truth;
use sistema_ts_model::Cun;

use super::server::{Fault, Server};

/// A region, its structure, another region, which is not exclusive, a region that will be revoked for a while, and a call centre.
pub const REGION: u16 = 0;
const STRUCTURE: u16 = 1;
const OTHER_REGION: u16 = 2;
const REVOKED: u16 = 3;
const CALL_CENTRE: u16 = 4;

/// Every so many requests the server is killed, and the answers of the next few are lost.
const BETWEEN_KILLS: u64 = 500;
const LOST: u64 = 6;

/// Every so often the server is busy.
const BUSY_EVERY: u64 = 41;

/// Fewer than the answers between two kills.
const NOT_DURABLE: usize = 3;

struct Run {
    ledger: Ledger,
    server: Server,
    numbers: u64,
    requests: u64,
    with_keys: bool,
}

impl Run {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX; its high bits are random enough.
        self.numbers = self
            .numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.numbers >> 33) % limit
    }

    fn ask(&mut self, intent: &Intent) -> Settlement {
        let id = self.ledger.intend(intent, Instant::now()).unwrap();
        self.requests += 1;
        let place = self.requests % BETWEEN_KILLS;
        if place == BETWEEN_KILLS - LOST {
            self.server.kill();
        }
        // Of those whose answers are lost, every other one was carried out.
        let lost = (place >= BETWEEN_KILLS - LOST).then_some(place.is_multiple_of(2));
        let Some(settlement) = self.server.handle(intent, lost) else {
            // Every fourth is never settled at all, as by a harness that died.
            if place % 4 != 3 {
                self.ledger.settle(id, &Settlement::UNANSWERED).unwrap();
            }
            return Settlement::UNANSWERED;
        };
        self.ledger.settle(id, &settlement).unwrap();
        settlement
    }

    /// Who is revoked changes, and the server knows it at once.
    fn changes(&mut self, revoked: Option<u16>, to: Kind) {
        for kind in [Kind::Changing, to] {
            let mark = Intent::new(kind, REVOKED);
            self.ledger.intend(&mark, Instant::now()).unwrap();
            if self.server.fault != Fault::RefusesTheAdmitted || revoked.is_some() {
                self.server.revoked = revoked;
            }
        }
    }

    fn submit(&mut self, number: u32) {
        let caller = [REGION, STRUCTURE, OTHER_REGION, REVOKED][self.below(4) as usize];
        let positive = number.is_multiple_of(3);
        let submission = Intent {
            person: number,
            positive,
            // Callers use the same numbers for their keys.
            key: NonZeroU32::new(number / 4 + 1).filter(|_| self.with_keys),
            ..Intent::new(Kind::Submit, caller)
        };
        let first = self.ask(&submission);
        if self.with_keys && number.is_multiple_of(11) {
            let again = Intent {
                purpose: Purpose::Replay,
                ..submission
            };
            self.ask(&again);
        }
        if self.with_keys && number.is_multiple_of(13) && first.class == Class::Done {
            let other = Intent {
                positive: !positive,
                altered: true,
                ..submission
            };
            self.ask(&other);
        }
        let Some(cun) = first.cun.filter(|_| first.class == Class::Done) else {
            return;
        };
        if number.is_multiple_of(17) {
            let cancel = Intent {
                cun: Some(cun),
                person: number,
                ..Intent::new(Kind::Cancel, caller)
            };
            for _ in 0..1 + self.below(2) {
                self.ask(&cancel);
            }
        }
        if positive {
            self.unlock(number, cun);
        }
    }

    /// A chain of the call centre, with everything that happens there.
    fn unlock(&mut self, number: u32, cun: Cun) {
        let about = |kind, session| Intent {
            cun: Some(cun),
            person: number,
            operator: (number % 50) as u16,
            session,
            ..Intent::new(kind, CALL_CENTRE)
        };
        let first = self.ask(&about(Kind::Verify, 0)).session;
        let second = self.ask(&about(Kind::Verify, 0)).session;
        for _ in 0..1 + self.below(5) {
            self.ask(&about(Kind::Unlock, first));
        }
        if self.below(3) == 0 {
            self.ask(&about(Kind::Unlock, second));
        }
        match self.below(4) {
            0 => {
                self.ask(&about(Kind::Annul, first));
                self.ask(&about(Kind::Unlock, second));
                self.ask(&about(Kind::Confirm, second));
            }
            1 => {}
            _ => {
                self.ask(&about(Kind::Confirm, first));
                self.ask(&about(Kind::Confirm, first));
                self.ask(&about(Kind::Verify, 0));
            }
        }
    }
}

struct Wire<'s>(&'s mut Server);

impl Reach for Wire<'_> {
    fn send(&mut self, intent: &Intent) -> Settlement {
        let answer = self.0.handle(intent, None);
        answer.unwrap_or(Settlement::UNANSWERED)
    }

    fn list(
        &mut self,
        caller: u16,
        maximum: Option<u32>,
        test: &mut dyn FnMut(Listed),
    ) -> Result<(), String> {
        self.0.list(caller, maximum).into_iter().for_each(test);
        Ok(())
    }
}

/// Runs the load on a server with this fault, sweeps, and judges.
pub fn judged(fault: Fault, with_keys: bool, folder: &Path) -> Truth {
    let path = folder.join("ledger");
    let mut run = Run {
        ledger: Ledger::create(&path).unwrap(),
        server: Server::new(fault, BUSY_EVERY, NOT_DURABLE),
        numbers: 7,
        requests: 0,
        with_keys,
    };
    let sweep = Sweep {
        listers: vec![
            Lister {
                caller: REGION,
                covers: vec![REGION, STRUCTURE],
            },
            Lister {
                caller: STRUCTURE,
                covers: vec![STRUCTURE],
            },
            Lister {
                caller: OTHER_REGION,
                covers: vec![OTHER_REGION],
            },
            Lister {
                caller: REVOKED,
                covers: vec![REVOKED],
            },
        ],
        page: 100,
        repeats: 200,
        verifications: 200,
        folder: folder.to_owned(),
    };
    // Of an earlier day: not in the books.
    for person in 9_000_000..9_000_020 {
        let submission = Intent {
            person,
            ..Intent::new(Kind::Submit, REGION)
        };
        run.server.handle(&submission, None);
    }
    let mut listings = sweep
        .before(&run.ledger, &mut Wire(&mut run.server))
        .unwrap();
    for number in 1..=1_500 {
        run.submit(number);
        match number {
            1_000 => run.changes(Some(REVOKED), Kind::Revoked),
            1_200 => run.changes(None, Kind::Admitted),
            _ => {}
        }
    }
    let books = Books::open(&path).unwrap();
    let Run { ledger, server, .. } = &mut run;
    listings.extend(sweep.after(ledger, &books, &mut Wire(server)).unwrap());
    let exclusive = |exclusive| CallerFacts { exclusive };
    let callers = [true, true, false, true, true].map(exclusive);
    Case {
        books: &books,
        callers: &callers,
        listings: &listings,
    }
    .judge()
    .unwrap()
}
