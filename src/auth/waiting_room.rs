//! Who is checked next, and who is refused when too many wait: a pure structure, without threads and clocks of its own.
//!
//! Pairs of user and password that were right before have three turns of four. All other attempts share the fourth, in two queues: attempts whose
//! user and source have not failed too often have three turns of four there, and slowed attempts the rest. In each queue the sources take turns: by
//! network (of IPv6 48, 56 and 64 bits; of IPv4 24 bits, and the address), then by user. After a check that fails the shared lane rests, so that
//! failures never take more than their part of a hashing thread's time.

use std::time::Instant;

use sistema_ts_actors::fair_queue::FairQueue;

use super::source::{Network, Source};

/// Turns of pairs that were right before to one of all others, while both wait. Without a turn of their own those who come for the first time
/// could be kept out by a few busy users.
const KNOWN_TURNS: u8 = 3;

/// Turns of those that are not slowed to one of those that are, while both wait.
const UNSLOWED_TURNS: u8 = 3;

/// What is known of an attempt before its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The very pair was right before, and has not failed since.
    Known,
    /// Nothing speaks against it.
    Unknown,
    /// Its user at its source, or its source, has failed too often.
    Slowed,
}

/// One turn: a network of each length, then the user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Network(Network),
    User(u64),
}

type Queue<T> = FairQueue<Turn, T>;

/// Where somebody waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    standing: Standing,
    source: Source,
    user: u64,
    number: u64,
}

/// What a hashing thread is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// This check.
    Check(T),
    /// Nothing before this moment, unless somebody enters.
    Rest(Instant),
    /// Nothing, until somebody enters.
    Nothing,
}

/// The waiting room; each of its queues holds at most so many.
#[derive(Debug)]
pub(super) struct WaitingRoom<T> {
    capacity: usize,
    known: Queue<T>,
    unknown: Queue<T>,
    slowed: Queue<T>,
    /// Turns that the known have had since others had one.
    known_turns: u8,
    /// Turns that the unslowed have had since the slowed had one.
    unslowed_turns: u8,
    rests_until: Option<Instant>,
    entered: u64,
}

impl<T> WaitingRoom<T> {
    pub(super) fn new(capacity: usize) -> Self {
        WaitingRoom {
            capacity,
            known: Queue::new(),
            unknown: Queue::new(),
            slowed: Queue::new(),
            known_turns: 0,
            unslowed_turns: 0,
            rests_until: None,
            entered: 0,
        }
    }

    /// Lets somebody in. If that is one too many, the longest backlog of a source loses its last, which may be the newcomer: second is
    /// whoever must leave.
    pub(super) fn enter(
        &mut self,
        standing: Standing,
        source: &Source,
        user: u64,
        item: T,
    ) -> (Place, Option<T>) {
        let place = Place {
            standing,
            source: *source,
            user,
            number: self.entered,
        };
        self.entered += 1;
        let capacity = self.capacity;
        let queue = self.queue(standing);
        queue.push(place.turns(), place.number, item);
        let leaves = if queue.len() > capacity {
            queue.pop_longest()
        } else {
            None
        };
        (place, leaves)
    }

    /// Takes out whoever waits there; `None` if the turn has come already.
    pub(super) fn leave(&mut self, place: &Place) -> Option<T> {
        self.queue(place.standing)
            .remove(place.turns(), place.number)
    }

    /// Whose turn it is at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Next<T> {
        let others_wait = !self.unknown.is_empty() || !self.slowed.is_empty();
        let rests_until = self.rests_until.filter(|until| now < *until);
        let others_have_turn =
            others_wait && rests_until.is_none() && self.known_turns >= KNOWN_TURNS;
        if !others_have_turn && let Some(item) = self.known.pop() {
            self.known_turns = self.known_turns.saturating_add(1);
            return Next::Check(item);
        }
        if !others_wait {
            return Next::Nothing;
        }
        if let Some(until) = rests_until {
            return Next::Rest(until);
        }
        self.known_turns = 0;
        let slowed_have_turn = self.unslowed_turns >= UNSLOWED_TURNS;
        let (first, second) = if slowed_have_turn {
            (&mut self.slowed, &mut self.unknown)
        } else {
            (&mut self.unknown, &mut self.slowed)
        };
        let (item, from_first) = match first.pop() {
            Some(item) => (item, true),
            None => match second.pop() {
                Some(item) => (item, false),
                None => return Next::Nothing,
            },
        };
        self.unslowed_turns = if slowed_have_turn == from_first {
            0
        } else {
            self.unslowed_turns.saturating_add(1)
        };
        Next::Check(item)
    }

    /// Notes that a check of the shared lane has failed at `now`: the lane rests for `pause`, or for so much longer than it does already.
    pub(super) fn failed(&mut self, now: Instant, pause: std::time::Duration) {
        self.rests_until = Some(self.rests_until.map_or(now, |until| until.max(now)) + pause);
    }

    fn queue(&mut self, standing: Standing) -> &mut Queue<T> {
        match standing {
            Standing::Known => &mut self.known,
            Standing::Unknown => &mut self.unknown,
            Standing::Slowed => &mut self.slowed,
        }
    }
}

impl Place {
    fn turns(&self) -> impl Iterator<Item = Turn> + use<> {
        let networks = self.source.networks().map(Turn::Network);
        networks.into_iter().chain([Turn::User(self.user)])
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that strangers keep a right user waiting for longer than their number explains, or that he is refused for their sake.
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    const CAPACITY: usize = 512;
    const HASH: Duration = Duration::from_millis(20);

    fn source(address: impl Into<IpAddr>) -> Source {
        Source::of(Some(address.into()))
    }

    fn host(text: &str) -> Source {
        source(text.parse::<IpAddr>().unwrap())
    }

    /// A room in which all checks fail but the victim's, with the time that passes for them.
    struct House {
        room: WaitingRoom<usize>,
        now: Instant,
    }

    const VICTIM: usize = usize::MAX;

    impl House {
        fn new() -> Self {
            House {
                room: WaitingRoom::new(CAPACITY),
                now: Instant::now(),
            }
        }

        /// As many hostile clients as `sources`, each of which asks again as soon as it was told no, and a victim that asks in their midst;
        /// how long he waits, or `None` if he is turned away.
        fn wait_of_victim(
            &mut self,
            standing: Standing,
            from: &Source,
            hostile: &[(Standing, Source, u64)],
        ) -> Option<Duration> {
            let enter = |room: &mut WaitingRoom<usize>, client: usize| {
                let (standing, source, user) = &hostile[client];
                room.enter(*standing, source, *user, client).1
            };
            for client in 0..hostile.len() {
                enter(&mut self.room, client);
            }
            let begun = self.now;
            if self.room.enter(standing, from, 0, VICTIM).1 == Some(VICTIM) {
                return None;
            }
            loop {
                match self.room.next(self.now) {
                    Next::Check(VICTIM) => return Some(self.now + HASH - begun),
                    Next::Check(client) => {
                        self.now += HASH;
                        if hostile[client].0 != Standing::Known {
                            self.room.failed(self.now, HASH);
                        }
                        if enter(&mut self.room, client) == Some(VICTIM) {
                            return None;
                        }
                    }
                    Next::Rest(until) => self.now = until,
                    Next::Nothing => panic!("the victim is lost"),
                }
            }
        }
    }

    /// So many clients, each with a user name of its own.
    fn hostile(
        count: u64,
        standing: Standing,
        source: impl Fn(u64) -> Source,
    ) -> Vec<(Standing, Source, u64)> {
        (0..count)
            .map(|client| (standing, source(client), client + 1))
            .collect()
    }

    #[test]
    fn a_flood_from_one_network_costs_another_one_turn() {
        let of_one_network = |client: u64| host(&format!("2001:db8:0:{client:x}::1"));
        for standing in [Standing::Unknown, Standing::Slowed] {
            for count in [150, 5_000] {
                let flood = hostile(count, standing, of_one_network);
                let wait =
                    House::new().wait_of_victim(Standing::Unknown, &host("192.0.2.1"), &flood);
                assert!(wait.unwrap() <= 4 * HASH, "{standing:?} {count}: {wait:?}");
            }
        }
    }

    #[test]
    fn a_flood_from_the_addresses_of_two_ipv4_networks_costs_a_turn_of_each() {
        let of_two_networks = |client: u64| {
            let [.., network, host] = (client as u32).to_be_bytes();
            source([198, 51, network % 2, host])
        };
        for standing in [Standing::Unknown, Standing::Slowed] {
            let flood = hostile(5_000, standing, of_two_networks);
            let wait = House::new().wait_of_victim(Standing::Unknown, &host("192.0.2.1"), &flood);
            assert!(wait.unwrap() <= 6 * HASH, "{standing:?}: {wait:?}");
        }
    }

    #[test]
    fn a_flood_from_many_networks_costs_a_turn_each_and_only_while_they_have_not_failed() {
        let of_many = |client: u64| host(&format!("2001:db8:{client:x}::1"));
        let fresh = hostile(150, Standing::Unknown, of_many);
        let wait = House::new().wait_of_victim(Standing::Unknown, &host("192.0.2.1"), &fresh);
        assert!(wait.unwrap() <= 2 * 151 * HASH, "{wait:?}");
        for count in [150, 5_000] {
            let slowed = hostile(count, Standing::Slowed, of_many);
            let wait = House::new().wait_of_victim(Standing::Unknown, &host("192.0.2.1"), &slowed);
            assert!(wait.unwrap() <= 4 * HASH, "{count}: {wait:?}");
        }
    }

    #[test]
    fn behind_the_same_address_a_flood_costs_one_turn_of_each_of_its_users() {
        let here = host("192.0.2.1");
        for users in [1, 10, 150] {
            let flood: Vec<_> = (0..150)
                .map(|client| (Standing::Slowed, here, client % users + 1))
                .collect();
            for standing in [Standing::Unknown, Standing::Slowed] {
                let wait = House::new().wait_of_victim(standing, &here, &flood);
                let bound = 2 * (users as u32 + 1) * HASH;
                assert!(wait.unwrap() <= bound, "{users} {standing:?}: {wait:?}");
            }
        }
    }

    #[test]
    fn whoever_is_slowed_is_served_though_unslowed_strangers_never_cease() {
        let flood = hostile(150, Standing::Unknown, |client| {
            host(&format!("2001:db8:{client:x}::1"))
        });
        let wait = House::new().wait_of_victim(Standing::Slowed, &host("192.0.2.1"), &flood);
        assert!(wait.unwrap() <= 2 * 5 * HASH, "{wait:?}");
    }

    #[test]
    fn a_pair_that_was_right_before_waits_for_nobody_not_even_while_the_lane_rests() {
        let here = host("192.0.2.1");
        let flood: Vec<_> = (0..5_000)
            .map(|client| (Standing::Unknown, here, client + 1))
            .collect();
        let mut house = House::new();
        house.room.failed(house.now, Duration::from_secs(3_600));
        assert_eq!(
            house.wait_of_victim(Standing::Known, &here, &flood),
            Some(HASH)
        );
    }

    #[test]
    fn pairs_that_were_right_before_leave_every_fourth_check_to_those_who_come_for_the_first_time()
    {
        let here = host("192.0.2.1");
        let busy: Vec<_> = (0..10)
            .map(|client| (Standing::Known, here, client + 1))
            .collect();
        let wait = House::new().wait_of_victim(Standing::Unknown, &host("192.0.2.2"), &busy);
        assert!(wait.unwrap() <= 4 * HASH, "{wait:?}");
    }

    #[test]
    fn a_full_room_turns_away_the_last_of_the_longest_backlog() {
        let mut room = WaitingRoom::new(3);
        let (here, there) = (host("192.0.2.1"), host("192.0.2.2"));
        let mut enter = |source: &Source, user: u64, item: &'static str| {
            room.enter(Standing::Unknown, source, user, item).1
        };
        assert_eq!(enter(&here, 1, "first"), None);
        assert_eq!(enter(&here, 2, "second"), None);
        assert_eq!(enter(&here, 3, "third"), None);
        assert_eq!(enter(&here, 4, "fourth"), Some("fourth"));
        assert_eq!(enter(&there, 1, "another's"), Some("third"));
        // Standings do not take each other's places.
        let (place, leaves) = room.enter(Standing::Slowed, &here, 1, "slowed");
        assert_eq!(leaves, None);
        assert_eq!(room.leave(&place), Some("slowed"));
        assert_eq!(room.leave(&place), None);
    }

    #[test]
    fn failures_take_half_of_a_thread_and_right_pairs_all_of_it() {
        let (mut room, start) = (WaitingRoom::new(CAPACITY), Instant::now());
        for item in 0..100 {
            room.enter(Standing::Unknown, &host("192.0.2.1"), item, item);
        }
        let mut now = start;
        for _ in 0..50 {
            assert!(matches!(room.next(now), Next::Check(_)));
            now += HASH;
        }
        for _ in 0..50 {
            assert!(matches!(room.next(now), Next::Check(_)));
            now += HASH;
            room.failed(now, HASH);
            match room.next(now) {
                Next::Rest(until) => now = until,
                next => assert_eq!(next, Next::Nothing),
            }
        }
        assert_eq!(now - start, 149 * HASH);
    }
}
