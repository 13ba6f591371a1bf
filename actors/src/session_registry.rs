//! The sessions of the call centres (§3.3.1), remembered in front of the store: who a session is bound to is known without asking the store
//! again, so that a stranger's request is refused before it takes a place in the relay or touches a code.
//!
//! The map may know the binding; whether a session lives, the store's guarded write decides, since the binding never changes and everything
//! else about a session may have changed on another node. So whatever the map holds too long or forgets too early costs a look at the store,
//! and never a wrong answer. It is sharded, holds a bounded number of sessions, and an actor sweeps it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use async_trait::async_trait;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use metrics::{Counter, Gauge, counter, gauge};
use sistema_ts_model::{Clock, Cun, Presenter, SessionDigest, SessionId, Timestamp};
use sistema_ts_store::{SessionView, Store, StoreError};

/// How many sessions are remembered, and how often the lapsed ones are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRegistrySettings {
    /// Sessions remembered at most, some 300 bytes each; of further ones the store is asked.
    pub capacity: usize,
    /// Time between two sweeps.
    pub sweep_interval: Duration,
}

impl Default for SessionRegistrySettings {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            sweep_interval: Duration::from_secs(15),
        }
    }
}

/// To whom sessions are bound.
#[async_trait]
pub trait SessionBindings: Send + Sync {
    /// The binding of a session, if it is this operator's and this caller's. A session that is somebody else's is answered like one that was
    /// never opened. That there is a binding does not mean that the session lives.
    ///
    /// # Errors
    /// [`StoreError`], where the store had to be asked.
    async fn binding(
        &self,
        session: SessionId,
        presenter: Presenter<'_>,
    ) -> Result<Option<Arc<SessionView>>, StoreError>;

    /// Remembers a session that the store has just opened.
    fn remember(&self, session: SessionView);

    /// Forgets every session of a code, at once: after `C`, `A`, a cancellation, or an ASL's code. Those that live on are found in the
    /// store again.
    fn forget_code(&self, cun: Cun);
}

/// The map. Where both halves are locked, the codes are locked first.
struct Remembered {
    sessions: DashMap<SessionDigest, Arc<SessionView>>,
    /// The remembered sessions of each code.
    by_code: DashMap<Cun, Vec<SessionDigest>>,
    /// How many sessions there are: to ask the map would lock all of it.
    count: AtomicUsize,
    capacity: usize,
    remembered: Gauge,
}

impl Remembered {
    fn new(capacity: usize) -> Self {
        Self {
            sessions: DashMap::new(),
            by_code: DashMap::new(),
            count: AtomicUsize::new(0),
            capacity,
            remembered: gauge!("sistema_ts_sessions_remembered"),
        }
    }

    fn get(&self, digest: SessionDigest) -> Option<Arc<SessionView>> {
        self.sessions.get(&digest).map(|view| Arc::clone(&view))
    }

    fn add(&self, view: Arc<SessionView>) {
        let digest = SessionDigest::of(&view.session);
        // The place is taken before the session is there, so that the bound holds however many come at once.
        let taken = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.capacity).then_some(count + 1)
            });
        if taken.is_err() {
            return;
        }
        let mut of_code = self.by_code.entry(view.cun).or_default();
        match self.sessions.entry(digest) {
            // Two that were asking the store at the same time.
            Entry::Occupied(_) => {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(view);
                of_code.push(digest);
            }
        }
        drop(of_code);
        self.publish();
    }

    fn forget_code(&self, cun: Cun) {
        if let Entry::Occupied(of_code) = self.by_code.entry(cun) {
            for digest in of_code.get() {
                self.remove(*digest);
            }
            of_code.remove();
        }
        self.publish();
    }

    /// Removes what has lapsed by `now`.
    fn sweep(&self, now: Timestamp) {
        let lapsed: Vec<_> = self
            .sessions
            .iter()
            .filter(|entry| entry.lapses_at <= now)
            .map(|entry| (*entry.key(), entry.cun))
            .collect();
        for (digest, cun) in lapsed {
            if let Entry::Occupied(mut of_code) = self.by_code.entry(cun) {
                of_code.get_mut().retain(|other| *other != digest);
                self.remove(digest);
                if of_code.get().is_empty() {
                    of_code.remove();
                }
            }
        }
        self.publish();
    }

    fn remove(&self, digest: SessionDigest) {
        if self.sessions.remove(&digest).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn publish(&self) {
        // Far below where a count loses its last digits.
        self.remembered
            .set(self.count.load(Ordering::Relaxed) as f64);
    }
}

/// The actor: it owns the rhythm in which lapsed sessions are removed.
pub struct SessionRegistry {
    remembered: Arc<Remembered>,
    clock: Arc<dyn Clock>,
    interval: Duration,
}

/// Time to remove what has lapsed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Sweep;

impl Actor for SessionRegistry {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(self.interval, |registry, _| registry.sweep());
    }
}

impl SessionRegistry {
    fn sweep(&self) {
        self.remembered.sweep(self.clock.now());
    }
}

impl Handler<Sweep> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, _: Sweep, _: &mut Self::Context) {
        self.sweep();
    }
}

/// The registry as the services use it; clones share it.
#[derive(Clone)]
pub struct Sessions {
    remembered: Arc<Remembered>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    address: Addr<SessionRegistry>,
    found: Found,
}

/// Where bindings were found.
#[derive(Clone)]
struct Found {
    in_memory: Counter,
    in_store: Counter,
    nowhere: Counter,
    of_another: Counter,
}

impl Found {
    fn new() -> Self {
        let of =
            |found: &'static str| counter!("sistema_ts_session_lookups_total", "found" => found);
        Self {
            in_memory: of("memory"),
            in_store: of("store"),
            nowhere: of("nowhere"),
            of_another: of("another_operator"),
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sessions")
            .field("count", &self.remembered.count.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Starts the registry on the current arbiter; must be called on an actix system.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: SessionRegistrySettings,
    ) -> Self {
        let remembered = Arc::new(Remembered::new(settings.capacity));
        let address = SessionRegistry {
            remembered: Arc::clone(&remembered),
            clock: Arc::clone(&clock),
            interval: settings.sweep_interval,
        }
        .start();
        Self {
            remembered,
            store,
            clock,
            address,
            found: Found::new(),
        }
    }

    /// The actor, to whom a [`Sweep`] may be sent out of turn.
    #[must_use]
    pub fn address(&self) -> &Addr<SessionRegistry> {
        &self.address
    }
}

#[async_trait]
impl SessionBindings for Sessions {
    async fn binding(
        &self,
        session: SessionId,
        presenter: Presenter<'_>,
    ) -> Result<Option<Arc<SessionView>>, StoreError> {
        let remembered = self.remembered.get(SessionDigest::of(&session));
        let (view, from) = match remembered {
            Some(view) => (view, &self.found.in_memory),
            None => match self.store.find_session(session).await? {
                None => {
                    self.found.nowhere.increment(1);
                    return Ok(None);
                }
                Some(view) => {
                    let view = Arc::new(view);
                    if self.clock.now() < view.lapses_at {
                        self.remembered.add(Arc::clone(&view));
                    }
                    (view, &self.found.in_store)
                }
            },
        };
        if view.operator != *presenter.operator || view.caller != *presenter.caller {
            self.found.of_another.increment(1);
            return Ok(None);
        }
        from.increment(1);
        Ok(Some(view))
    }

    fn remember(&self, session: SessionView) {
        self.remembered.add(Arc::new(session));
    }

    fn forget_code(&self, cun: Cun) {
        self.remembered.forget_code(cun);
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means that the map grows beyond its bound, keeps what was forgotten or has lapsed, loses count, or shows a value.
    #![allow(clippy::unwrap_used)]

    use sistema_ts_store::samples;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(1_605_000_000_000 + minute * MINUTE).unwrap()
    }

    /// A session on code number `code`, which lapses after so many minutes.
    fn view(code: u64, lapses: i64) -> Arc<SessionView> {
        Arc::new(SessionView {
            session: SessionId::random(),
            cun: Cun::from_number(code).unwrap(),
            operator: samples::operator(1),
            caller: samples::call_center("CC1"),
            region: samples::region(),
            swab_date: at(0).rome_day(),
            opened_at: at(0),
            lapses_at: at(lapses),
        })
    }

    fn holds(map: &Remembered, view: &SessionView) -> bool {
        map.get(SessionDigest::of(&view.session)).is_some()
    }

    /// What must always agree.
    fn is_consistent(map: &Remembered) -> bool {
        let indexed: usize = map.by_code.iter().map(|of_code| of_code.len()).sum();
        let count = map.count.load(Ordering::Relaxed);
        indexed == map.sessions.len()
            && count == indexed
            && map.by_code.iter().all(|of_code| !of_code.is_empty())
    }

    #[test]
    fn a_code_is_forgotten_with_all_its_sessions_and_no_other() {
        let map = Remembered::new(10);
        let (first, second, other) = (view(1, 30), view(1, 30), view(2, 30));
        for view in [&first, &second, &other] {
            map.add(Arc::clone(view));
        }
        map.forget_code(first.cun);
        assert_eq!(
            [&first, &second, &other].map(|view| holds(&map, view)),
            [false, false, true]
        );
        map.forget_code(first.cun);
        assert!(is_consistent(&map));
    }

    #[test]
    fn a_sweep_removes_what_has_lapsed_to_the_millisecond() {
        let map = Remembered::new(10);
        let (short, long) = (view(1, 30), view(1, 31));
        map.add(Arc::clone(&short));
        map.add(Arc::clone(&long));
        map.sweep(at(30).plus_millis(-1));
        assert!(holds(&map, &short) && holds(&map, &long));
        map.sweep(at(30));
        assert!(!holds(&map, &short) && holds(&map, &long));
        assert!(is_consistent(&map));
        map.sweep(at(31));
        assert!(map.by_code.is_empty() && is_consistent(&map));
    }

    #[test]
    fn a_full_map_takes_no_more_until_something_goes() {
        let map = Remembered::new(2);
        let views: Vec<_> = (1..=3).map(|code| view(code, 30)).collect();
        for view in &views {
            map.add(Arc::clone(view));
        }
        assert!(!holds(&map, &views[2]) && is_consistent(&map));
        // The same again takes no second place.
        map.forget_code(views[0].cun);
        map.add(Arc::clone(&views[1]));
        assert!(is_consistent(&map));
        map.add(Arc::clone(&views[2]));
        assert!(holds(&map, &views[2]) && is_consistent(&map));
    }

    #[test]
    fn it_stays_consistent_under_threads_that_add_forget_and_sweep() {
        let map = Remembered::new(64);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let map = &map;
                scope.spawn(move || {
                    for round in 0..2_000_u64 {
                        let code = (round * 7 + thread) % 20;
                        match round % 4 {
                            0 | 1 => map.add(view(code, 30 + i64::try_from(round % 2).unwrap())),
                            2 => map.forget_code(Cun::from_number(code).unwrap()),
                            _ => map.sweep(at(30)),
                        }
                        assert!(map.count.load(Ordering::Relaxed) <= 64);
                    }
                });
            }
        });
        assert!(is_consistent(&map));
    }
}
