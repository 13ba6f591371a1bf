//! Two different requests for one CUN at the same moment: an unlock and an ASL's code, an unlock and a cancellation, a confirmation and an
//! annulment, either of them and a second delivery. (Two unlocks: `unlock_races`.)
//!
//! Failure here means that both took effect where one excludes the other, that neither did, or that what was told is not what was done: a code
//! was posted for a request that was refused, or the CUN is not in the state that the answers say.

use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::Behaviour;
use rand::RngExt as _;

use crate::support::chain::{Chain, Told, told_to_keep};
use crate::support::installation::{ASL_OPERATOR, COLLEAGUE, DESK, card_of};
use crate::support::{Message, Session, Submission, fiscal_code, otp, spin_until, until};

/// Of each kind.
const RACES: u64 = 200;

/// At once.
const LANES: u64 = 4;

/// How far apart two may start, either first: about as long as one of them takes.
const FARTHEST_MICROSECONDS: u64 = 12_000;

/// Connections on which races are run, one after another.
struct Lane<'a> {
    chain: &'a Chain,
    /// Of submitter and ASL.
    region: Session,
    /// Of the operator whose unlock it is.
    desk: Session,
    /// Of a colleague.
    other: Session,
}

/// Which connection a request goes over.
#[derive(Clone, Copy)]
enum From {
    Region,
    Desk,
    Other,
}

impl<'a> Lane<'a> {
    fn of(chain: &'a Chain) -> Self {
        Self {
            chain,
            region: chain.region(),
            desk: chain.desk(),
            other: chain.desk(),
        }
    }

    fn ask(&mut self, from: From, message: &Message) -> Told {
        ask(self.session(from), message)
    }

    fn session(&mut self, from: From) -> &mut Session {
        match from {
            From::Region => &mut self.region,
            From::Desk => &mut self.desk,
            From::Other => &mut self.other,
        }
    }

    /// A positive of the race's person.
    fn positive(&mut self, number: u64) -> String {
        self.region.submitted(&Submission::about(person(number)))
    }

    /// The id of a verification of it.
    fn verified(&mut self, number: u64, cun: &str) -> String {
        self.desk.verified(DESK, &card_of(person(number)), cun)
    }

    /// A positive that was unlocked with the first code of the race, and the id of that verification.
    fn unlocked(&mut self, number: u64) -> (String, String) {
        let cun = self.positive(number);
        let session = self.verified(number, &cun);
        let told = self.ask(From::Desk, &unlock(&session, &code(number, 0)));
        assert_eq!(told, done());
        (cun, session)
    }

    /// Sends both, a little apart, either first. The two are told in the order in which they are given here.
    fn race(&mut self, first: (From, &Message), second: (From, &Message)) -> [Told; 2] {
        let apart = match rand::rng().random_range(0..4) {
            0 => 0,
            1 => rand::rng().random_range(0..FARTHEST_MICROSECONDS / 10),
            _ => rand::rng().random_range(0..FARTHEST_MICROSECONDS),
        };
        let start = Instant::now() + Duration::from_micros(500);
        let later = start + Duration::from_micros(apart);
        let starts = if rand::rng().random() {
            [start, later]
        } else {
            [later, start]
        };
        // Lent out of this lane for the time of the race: the two go over connections of their own.
        let Self {
            region,
            desk,
            other,
            ..
        } = self;
        let mut connections = [Some(region), Some(desk), Some(other)];
        let mut take = |from: From| connections[from as usize].take().unwrap();
        let runners = [
            (take(first.0), first.1, starts[0]),
            (take(second.0), second.1, starts[1]),
        ];
        thread::scope(|scope| {
            runners
                .map(|(session, message, start)| {
                    scope.spawn(move || {
                        spin_until(start);
                        ask(session, message)
                    })
                })
                .map(|runner| runner.join().unwrap())
        })
    }

    /// How often the two codes of a race came to the backend and how often they were authorised.
    fn codes(&self, number: u64) -> [(u64, u64); 2] {
        [0, 1].map(|which| {
            let code = code(number, which);
            let backend = &self.chain.backend;
            (backend.posts(&code), backend.stored(&code))
        })
    }

    fn confirm(&mut self, kind: &str, cun: &str) -> Told {
        self.ask(From::Other, &Message::confirmation(kind, COLLEAGUE, cun))
    }
}

/// Asked again while the server says that it is too busy: so it answers an ASL's code while another unlock of the person is under way.
fn ask(session: &mut Session, message: &Message) -> Told {
    let mut reply = session.ask(message);
    until("an answer", || {
        if reply.is_unavailable() {
            reply = session.ask(message);
        }
        !reply.is_unavailable()
    });
    told_to_keep(&reply)
}

fn done() -> Told {
    ("0000".to_owned(), String::new())
}

fn is_refused(told: &Told, findings: &[&str]) -> bool {
    told.0 == "9999" && findings.contains(&told.1.as_str())
}

/// Lanes that run at once have people of their own: those of two races a hundred apart are the same, and of one lane.
fn person(number: u64) -> usize {
    usize::try_from(number % 100).unwrap()
}

fn patient(number: u64) -> String {
    fiscal_code(person(number))
}

/// One of the race's two codes.
fn code(number: u64, which: u64) -> String {
    otp(2 * number + which)
}

fn unlock(session: &str, code: &str) -> Message {
    Message::unlock(DESK, session, code)
}

fn cancellation(number: u64, cun: &str) -> Message {
    Message::cancellation(cun, &patient(number))
}

/// A CUN that is over or whose verification is closed: which of them, and whether its verification is still known, is a matter of the moment.
const OVER: &[&str] = &["3004", "3014"];
const UNDER_WAY: &[&str] = &["3011"];
/// Either of them.
const TOO_LATE: &[&str] = &["3004", "3011", "3014"];

/// Runs all races of a kind. Each tells whether the first of its two came first; both must have done so at times, or they were no races.
fn races(run: impl Fn(&mut Lane<'_>, u64) -> bool + Sync) {
    let first = count_races(run);
    let races = usize::try_from(RACES).unwrap();
    assert!((1..races).contains(&first), "{first} of {races}");
}

/// Runs all races of a kind, and counts those that say so.
fn count_races(run: impl Fn(&mut Lane<'_>, u64) -> bool + Sync) -> usize {
    let chain = Chain::start();
    chain.backend.behave(Behaviour {
        delay_milliseconds: 1,
        latency_at_most_milliseconds: Some(6),
        ..Behaviour::default()
    });
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let (chain, run) = (&chain, &run);
                scope.spawn(move || {
                    let mut connections = Lane::of(chain);
                    (lane..RACES)
                        .step_by(usize::try_from(LANES).unwrap())
                        .filter(|number| run(&mut connections, *number))
                        .count()
                })
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    })
}

#[test]
fn an_asls_code_is_delivered_beside_an_unlock_and_the_unlock_only_before_it() {
    races(|lane, number| {
        // Of two positives: what an ASL's code claims, it claims whole.
        let cuns = [lane.positive(number), lane.positive(number)];
        let session = lane.verified(number, &cuns[0]);
        let by_desk = unlock(&session, &code(number, 0));
        let by_asl = Message::asl_otp_of_region(ASL_OPERATOR, &code(number, 1), &patient(number));
        let [desk, asl] = lane.race((From::Desk, &by_desk), (From::Region, &by_asl));
        // The ASL comes again until a desk's unlock has ended.
        assert_eq!(asl, done(), "{desk:?}");
        let desk_was_first = desk == done();
        let posts = if desk_was_first { (1, 1) } else { (0, 0) };
        assert!(desk_was_first || is_refused(&desk, TOO_LATE), "{desk:?}");
        assert_eq!(lane.codes(number), [posts, (1, 1)], "{desk:?}");
        // Both positives are used up; who had unlocked one hears that it is confirmed.
        let confirmed = lane.confirm("C", &cuns[0]);
        if desk_was_first {
            assert_eq!(confirmed, ("0001".to_owned(), "3022".to_owned()));
        } else {
            assert!(is_refused(&confirmed, &["3003"]), "{confirmed:?}");
        }
        for cun in &cuns {
            let told = lane.ask(From::Region, &cancellation(number, cun));
            assert!(is_refused(&told, &["3002", "3014"]), "{told:?}");
        }
        desk_was_first
    });
}

#[test]
fn an_unlock_beside_a_cancellation_is_done_before_it_or_not_at_all() {
    races(|lane, number| {
        let cun = lane.positive(number);
        let session = lane.verified(number, &cun);
        let by_desk = unlock(&session, &code(number, 0));
        let by_region = cancellation(number, &cun);
        let [desk, cancelled] = lane.race((From::Desk, &by_desk), (From::Region, &by_region));
        let desk_was_first = desk == done();
        let posts = if desk_was_first { (1, 1) } else { (0, 0) };
        assert_eq!(lane.codes(number)[0], posts, "{desk:?} {cancelled:?}");
        assert!(desk_was_first || is_refused(&desk, OVER), "{desk:?}");
        if cancelled == done() {
            // Whether it was unlocked before or not.
            let again = lane.ask(From::Region, &by_region);
            assert_eq!(again, ("0001".to_owned(), "3021".to_owned()));
            let confirmed = lane.confirm("C", &cun);
            assert!(is_refused(&confirmed, &["3003"]), "{confirmed:?}");
        } else {
            assert!(is_refused(&cancelled, UNDER_WAY), "{cancelled:?}");
            assert!(desk_was_first, "neither was done: {desk:?}");
            assert_eq!(lane.confirm("C", &cun), done());
        }
        desk_was_first
    });
}

#[test]
fn of_a_confirmation_and_an_annulment_at_once_one_is_done() {
    races(|lane, number| {
        let (cun, session) = lane.unlocked(number);
        let with_id = |kind: &str| {
            Message::confirmation(kind, DESK, &cun).with("idVerificaTampone", &session)
        };
        let [confirmed, annulled] = lane.race(
            (From::Desk, &with_id("C")),
            (From::Other, &Message::confirmation("A", COLLEAGUE, &cun)),
        );
        let is_confirmed = confirmed == done();
        let (winner, loser) = if is_confirmed {
            (&confirmed, &annulled)
        } else {
            (&annulled, &confirmed)
        };
        assert_eq!(*winner, done(), "{confirmed:?} {annulled:?}");
        assert!(is_refused(loser, &["3003"]), "{confirmed:?} {annulled:?}");
        if is_confirmed {
            let again = lane.confirm("C", &cun);
            assert_eq!(again, ("0001".to_owned(), "3022".to_owned()));
        } else {
            // Free again, for another verification.
            let told = lane.ask(From::Desk, &unlock(&session, &code(number, 1)));
            assert!(is_refused(&told, &["3004"]), "{told:?}");
            lane.verified(number, &cun);
        }
        is_confirmed
    });
}

#[test]
fn a_second_delivery_beside_a_confirmation_is_done_before_it_or_not_at_all() {
    races(|lane, number| {
        let (cun, session) = lane.unlocked(number);
        let [confirmed, delivered] = lane.race(
            (From::Other, &Message::confirmation("C", COLLEAGUE, &cun)),
            (From::Desk, &unlock(&session, &code(number, 1))),
        );
        let was_delivered = delivered == done();
        let posts = if was_delivered { (1, 1) } else { (0, 0) };
        assert_eq!(lane.codes(number)[1], posts, "{delivered:?}");
        if was_delivered {
            let in_time = confirmed == done() || is_refused(&confirmed, UNDER_WAY);
            assert!(in_time, "{confirmed:?}");
        } else {
            assert!(is_refused(&delivered, OVER), "{delivered:?}");
            assert_eq!(confirmed, done(), "{delivered:?}");
        }
        let again = lane.confirm("C", &cun);
        if confirmed == done() {
            assert_eq!(again, ("0001".to_owned(), "3022".to_owned()));
        } else {
            assert_eq!(again, done());
        }
        !was_delivered
    });
}

#[test]
fn a_second_delivery_beside_an_annulment_is_done_before_it_or_not_at_all() {
    races(|lane, number| {
        let (cun, session) = lane.unlocked(number);
        let [annulled, delivered] = lane.race(
            (From::Other, &Message::confirmation("A", COLLEAGUE, &cun)),
            (From::Desk, &unlock(&session, &code(number, 1))),
        );
        let was_delivered = delivered == done();
        let posts = if was_delivered { (1, 1) } else { (0, 0) };
        assert_eq!(lane.codes(number)[1], posts, "{delivered:?}");
        if annulled == done() {
            assert!(was_delivered || is_refused(&delivered, &["3004"]));
            lane.verified(number, &cun);
        } else {
            // It was under way, and the unlock stands.
            assert!(is_refused(&annulled, UNDER_WAY), "{annulled:?}");
            assert!(was_delivered, "neither was done: {delivered:?}");
            assert_eq!(lane.confirm("C", &cun), done());
        }
        !was_delivered
    });
}

#[test]
fn two_codes_of_an_asl_at_once_for_the_same_person_are_both_delivered() {
    let both_done = count_races(|lane, number| {
        let cun = lane.positive(number);
        let [first, second] = [0, 1].map(|which| {
            Message::asl_otp_of_region(ASL_OPERATOR, &code(number, which), &patient(number))
        });
        // Over a connection of its own: this one is the lane's.
        let mut other = lane.chain.region();
        let later = Duration::from_micros(rand::rng().random_range(0..FARTHEST_MICROSECONDS));
        let [first, second] = thread::scope(|scope| {
            let racing = scope.spawn(|| ask(&mut other, &second));
            spin_until(Instant::now() + later);
            let first = lane.ask(From::Region, &first);
            [first, racing.join().unwrap()]
        });
        assert_eq!([first, second], [done(), done()]);
        assert_eq!(lane.codes(number), [(1, 1), (1, 1)]);
        let told = lane.ask(From::Region, &cancellation(number, &cun));
        assert!(is_refused(&told, &["3002", "3014"]), "{told:?}");
        true
    });
    assert_eq!(both_done, usize::try_from(RACES).unwrap());
}
