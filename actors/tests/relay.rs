//! The relay against a backend that does as it is told. A failure means that a code is sent after its deadline or more often than allowed, that
//! one which may have been stored is told as surely not sent (or the other way round), that somebody else's 409 counts as ours, that a dead
//! backend is asked by everybody, or that more posts are under way than there are places.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use sistema_ts_actors::relay::{
    ImmuniBackend, NoAnswer, NotSent, OtpBody, OtpPost, OtpSender, RelayHandle, RelayOutcome,
    RelayRefusal, RelaySettings, TryOutcome,
};
use sistema_ts_model::{
    CallCenterCode, Caller, ManualClock, Otp, RegionCode, StructureId, Timestamp,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_secs(10);

/// Answers each try with the next of its answers, and the last one for ever.
struct Scripted {
    answers: Mutex<VecDeque<TryOutcome>>,
    tries: AtomicUsize,
    bodies: Mutex<Vec<String>>,
    /// A try waits for one of these, if any are asked for.
    gate: Option<Semaphore>,
}

impl Scripted {
    fn new(answers: &[TryOutcome]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            tries: AtomicUsize::new(0),
            bodies: Mutex::default(),
            gate: None,
        })
    }

    fn gated(answer: TryOutcome) -> Arc<Self> {
        let mut scripted = Arc::into_inner(Self::new(&[answer])).unwrap();
        scripted.gate = Some(Semaphore::new(0));
        Arc::new(scripted)
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ImmuniBackend for Scripted {
    async fn post(&self, body: OtpBody, send_before: Instant, limit: Duration) -> TryOutcome {
        assert!(
            Instant::now() < send_before,
            "a try began after its deadline"
        );
        self.tries.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8(body.expose().to_vec()).unwrap();
        self.bodies.lock().unwrap().push(text);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.len() {
                1 => answers[0],
                _ => answers.pop_front().unwrap(),
            }
        };
        if answer == TryOutcome::NoAnswer(NoAnswer::TooSlow) {
            tokio::time::sleep(limit).await;
        }
        answer
    }
}

fn clock() -> Arc<ManualClock> {
    // 31 October 2020, 00:30 in Rome: still the thirtieth in UTC.
    Arc::new(ManualClock::new(
        Timestamp::from_millis(1_604_100_600_000).unwrap(),
    ))
}

fn relay(backend: &Arc<Scripted>, change: impl FnOnce(&mut RelaySettings)) -> RelayHandle {
    let mut settings = RelaySettings::default();
    change(&mut settings);
    RelayHandle::start(
        Arc::clone(backend) as Arc<dyn ImmuniBackend>,
        settings,
        clock(),
    )
}

fn caller() -> Caller {
    centre("CC1")
}

fn centre(code: &str) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(code).unwrap())
}

fn post() -> OtpPost {
    let date = NaiveDate::from_ymd_opt(2020, 10, 31).unwrap();
    OtpPost::new(Otp::parse("59FU36KR46").unwrap(), date)
}

async fn outcome_of(answers: &[TryOutcome]) -> (RelayOutcome, usize, Duration) {
    let backend = Scripted::new(answers);
    let relay = relay(&backend, |_| {});
    let began = Instant::now();
    let mut slot = relay.reserve(caller()).unwrap();
    let outcome = relay.send(&mut slot, post(), began + DEADLINE).await;
    (outcome, backend.tries(), began.elapsed())
}

const BROKEN: TryOutcome = TryOutcome::NoAnswer(NoAnswer::Broken);
const SLOW: TryOutcome = TryOutcome::NoAnswer(NoAnswer::TooSlow);
const GONE: TryOutcome = TryOutcome::NotSent(NotSent::Unreachable);

#[actix_rt::test]
async fn each_answer_means_what_the_backend_means_by_it() {
    tokio::time::pause();
    use TryOutcome::Answered;
    for (answers, expected, tries) in [
        (&[Answered(204)][..], RelayOutcome::Authorised, 1),
        (&[Answered(409)], RelayOutcome::AlreadyAuthorised, 1),
        (&[Answered(400)], RelayOutcome::Refused, 1),
        // Ours, stored by a try whose answer was lost.
        (&[BROKEN, Answered(409)], RelayOutcome::Authorised, 2),
        (&[Answered(500), Answered(409)], RelayOutcome::Authorised, 2),
        (&[SLOW, Answered(409)], RelayOutcome::Authorised, 2),
        // Never sent before: somebody else's.
        (&[GONE, Answered(409)], RelayOutcome::AlreadyAuthorised, 2),
        (&[GONE, BROKEN, Answered(204)], RelayOutcome::Authorised, 3),
        (&[GONE], RelayOutcome::NotSent(NotSent::Unreachable), 4),
        (&[BROKEN], RelayOutcome::Unknown(NoAnswer::Broken), 4),
        (
            &[Answered(503)],
            RelayOutcome::Unknown(NoAnswer::ServerError),
            4,
        ),
        // What may have been stored is not unsaid by what comes after.
        (&[BROKEN, GONE], RelayOutcome::Unknown(NoAnswer::Broken), 4),
        (
            &[BROKEN, Answered(404)],
            RelayOutcome::Unknown(NoAnswer::Broken),
            2,
        ),
        (
            &[Answered(404)],
            RelayOutcome::NotSent(NotSent::Misconfigured),
            1,
        ),
    ] {
        let (outcome, tried, took) = outcome_of(answers).await;
        assert_eq!((outcome, tried), (expected, tries), "{answers:?}");
        assert!(took <= DEADLINE, "{answers:?} took {took:?}");
    }
}

#[actix_rt::test]
async fn a_backend_that_never_answers_is_given_up_at_the_deadline() {
    tokio::time::pause();
    let (outcome, tries, took) = outcome_of(&[SLOW]).await;
    assert_eq!(outcome, RelayOutcome::Unknown(NoAnswer::TooSlow));
    assert!((2..=3).contains(&tries), "{tries}");
    // Timers are exact to the millisecond, rounded up.
    assert!(took <= DEADLINE + Duration::from_millis(5), "{took:?}");
}

#[actix_rt::test]
async fn nothing_is_sent_when_the_deadline_has_passed_before() {
    tokio::time::pause();
    let backend = Scripted::new(&[TryOutcome::Answered(204)]);
    let relay = relay(&backend, |_| {});
    let mut slot = relay.reserve(caller()).unwrap();
    let outcome = relay.send(&mut slot, post(), Instant::now()).await;
    assert_eq!(outcome, RelayOutcome::NotSent(NotSent::Deadline));
    assert_eq!(backend.tries(), 0);
}

#[actix_rt::test]
async fn the_body_is_the_backends_and_its_day_is_not_after_utcs_today() {
    let backend = Scripted::new(&[TryOutcome::Answered(204)]);
    let relay = relay(&backend, |_| {});
    let mut slot = relay.reserve(caller()).unwrap();
    relay
        .send(&mut slot, post(), Instant::now() + DEADLINE)
        .await;
    assert_eq!(
        *backend.bodies.lock().unwrap(),
        [r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-10-30"}"#]
    );
}

#[actix_rt::test]
async fn a_place_is_taken_until_its_slot_is_dropped_and_one_more_is_refused_at_once() {
    let backend = Scripted::gated(TryOutcome::Answered(204));
    let relay = relay(&backend, |settings| settings.capacity = 2);
    let mut first = relay.reserve(caller()).unwrap();
    let second = relay.reserve(caller()).unwrap();
    assert_eq!(relay.reserve(caller()).unwrap_err(), RelayRefusal::Full);
    drop(second);
    let _again = relay.reserve(caller()).unwrap();
    backend.gate.as_ref().unwrap().add_permits(1);
    let sent = relay
        .send(&mut first, post(), Instant::now() + DEADLINE)
        .await;
    assert_eq!(sent, RelayOutcome::Authorised);
    assert_eq!(
        relay.reserve(caller()).unwrap_err(),
        RelayRefusal::Full,
        "its outcome is being written"
    );
    drop(first);
    relay.reserve(caller()).unwrap();
}

#[actix_rt::test]
async fn a_post_goes_on_when_nobody_waits_for_it_and_an_idle_relay_says_so() {
    let backend = Scripted::gated(TryOutcome::Answered(204));
    let relay = relay(&backend, |_| {});
    let mut slot = relay.reserve(caller()).unwrap();
    let sending = relay.send(&mut slot, post(), Instant::now() + DEADLINE);
    let impatient = tokio::time::timeout(Duration::from_millis(20), sending).await;
    assert!(impatient.is_err());
    let idle = tokio::time::timeout(Duration::from_millis(20), relay.until_idle()).await;
    assert!(idle.is_err(), "its place is still taken");
    backend.gate.as_ref().unwrap().add_permits(1);
    drop(slot);
    relay.until_idle().await;
    assert_eq!(backend.tries(), 1);
}

#[actix_rt::test]
async fn a_dead_backend_is_asked_by_few_and_one_that_lives_again_by_all() {
    tokio::time::pause();
    let backend = Scripted::new(&[GONE]);
    let relay = relay(&backend, |settings| settings.breaker_threshold = 6);
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        match relay.reserve(caller()) {
            Ok(mut slot) => {
                outcomes.push(
                    relay
                        .send(&mut slot, post(), Instant::now() + DEADLINE)
                        .await,
                );
            }
            Err(refusal) => assert_eq!(refusal, RelayRefusal::BreakerOpen),
        }
    }
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!(backend.tries(), 6);
    tokio::time::advance(RelaySettings::default().breaker_pause).await;
    *backend.answers.lock().unwrap() = VecDeque::from([TryOutcome::Answered(204)]);
    let mut probe = relay.reserve(caller()).unwrap();
    assert_eq!(
        relay.reserve(caller()).unwrap_err(),
        RelayRefusal::BreakerOpen
    );
    let outcome = relay
        .send(&mut probe, post(), Instant::now() + DEADLINE)
        .await;
    assert_eq!(outcome, RelayOutcome::Authorised);
    let _all: Vec<_> = (0..9).map(|_| relay.reserve(caller()).unwrap()).collect();
}

/// Takes its time for each post.
struct Slow;

/// How long.
const SLOW_POST: Duration = Duration::from_secs(6);

#[async_trait]
impl ImmuniBackend for Slow {
    async fn post(&self, _: OtpBody, _: Instant, _: Duration) -> TryOutcome {
        tokio::time::sleep(SLOW_POST).await;
        TryOutcome::Answered(204)
    }
}

/// The same, for callers that wait no longer than they said.
struct SlowWithinLimit;

#[async_trait]
impl ImmuniBackend for SlowWithinLimit {
    async fn post(&self, _: OtpBody, _: Instant, limit: Duration) -> TryOutcome {
        tokio::time::sleep(SLOW_POST.min(limit)).await;
        if limit < SLOW_POST {
            SLOW
        } else {
            TryOutcome::Answered(204)
        }
    }
}

#[actix_rt::test]
async fn a_backlog_whose_turns_come_late_has_nobody_else_told_that_the_backend_is_dead() {
    tokio::time::pause();
    let settings = RelaySettings {
        try_limit: DEADLINE,
        ..RelaySettings::default()
    };
    let relay = RelayHandle::start(Arc::new(SlowWithinLimit), settings, clock());
    let mut backlog = send_all(&relay, vec![centre("CC1"); 100]);
    let mut too_slow = 0;
    for sent in backlog.drain(..) {
        let (outcome, _) = sent.await.unwrap();
        too_slow += u32::from(outcome == RelayOutcome::Unknown(NoAnswer::TooSlow));
    }
    // More than would open the breaker.
    assert!(
        too_slow > RelaySettings::default().breaker_threshold,
        "{too_slow}"
    );
    let other = send_all(&relay, [centre("CC2")]).remove(0).await.unwrap();
    assert_eq!(other.0, RelayOutcome::Authorised);
}

/// Codes that are sent at once, as many as there are callers in `all`; how many of them came to which end.
fn send_all(relay: &RelayHandle, all: impl IntoIterator<Item = Caller>) -> Vec<Sent> {
    let send = |caller| {
        let mut slot = relay.reserve(caller).unwrap();
        let (relay, began) = (relay.clone(), Instant::now());
        actix_rt::spawn(async move {
            let outcome = relay.send(&mut slot, post(), began + DEADLINE).await;
            (outcome, began.elapsed())
        })
    };
    all.into_iter().map(send).collect()
}

type Sent = actix_rt::task::JoinHandle<(RelayOutcome, Duration)>;

#[actix_rt::test]
async fn whoever_sends_without_end_at_a_slow_backend_costs_another_caller_nothing() {
    tokio::time::pause();
    let structure = |region: &str, number: usize| {
        Caller::Structure(StructureId::parse(&format!("{region}-101-{number:06}")).unwrap())
    };
    let region = Caller::Region(RegionCode::parse("010").unwrap());
    let greedy: [(&str, Vec<Caller>); 4] = [
        (
            "the ASL users of one structure",
            vec![structure("010", 1); 150],
        ),
        (
            "many structures of one region",
            (0..150).map(|number| structure("010", number)).collect(),
        ),
        (
            "a region and a call centre",
            (0..150)
                .map(|number| {
                    if number % 2 == 0 {
                        region
                    } else {
                        centre("CC2")
                    }
                })
                .collect(),
        ),
        (
            "three regions' structures",
            (0..150)
                .map(|number| structure(["010", "020", "030"][number % 3], number))
                .collect(),
        ),
    ];
    for (who, greedy) in greedy {
        for victim_comes in ["first", "last"] {
            let settings = RelaySettings {
                try_limit: DEADLINE,
                ..RelaySettings::default()
            };
            let relay = RelayHandle::start(Arc::new(Slow), settings, clock());
            let mut victim = Vec::new();
            if victim_comes == "first" {
                victim = send_all(&relay, [caller()]);
            }
            let others = send_all(&relay, greedy.iter().copied());
            if victim_comes == "last" {
                // Well after those have taken what they get.
                tokio::time::sleep(Duration::from_secs(1)).await;
                victim = send_all(&relay, [caller()]);
            }
            let (outcome, took) = victim.remove(0).await.unwrap();
            assert_eq!(outcome, RelayOutcome::Authorised, "{who}, {victim_comes}");
            assert!(
                took < SLOW_POST + Duration::from_millis(100),
                "{who}, {victim_comes}: {took:?}"
            );
            let mut ends = (0, 0);
            for other in others {
                match other.await.unwrap().0 {
                    RelayOutcome::Authorised => ends.0 += 1,
                    RelayOutcome::NotSent(NotSent::Deadline) => ends.1 += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(ends.0 + ends.1, greedy.len());
            assert!(
                ends.0 >= 16,
                "{who}: those who send much are served, too: {ends:?}"
            );
            relay.until_idle().await;
        }
    }
}

#[actix_rt::test]
async fn of_two_callers_that_wait_each_gets_every_other_turn() {
    let backend = Scripted::gated(TryOutcome::Answered(204));
    let relay = relay(&backend, |settings| settings.connections = 1);
    let mut sent = send_all(&relay, vec![centre("CC2"); 10]);
    while backend.tries() == 0 {
        tokio::task::yield_now().await;
    }
    let victim = send_all(&relay, [caller()]).remove(0);
    // All run on this thread: after some rounds each has come as far as it can, and the victim is in the line.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // The one that is under way, one of the caller who was there before, and the victim's.
    backend.gate.as_ref().unwrap().add_permits(3);
    assert_eq!(victim.await.unwrap().0, RelayOutcome::Authorised);
    backend.gate.as_ref().unwrap().add_permits(8);
    for other in sent.drain(..) {
        assert_eq!(other.await.unwrap().0, RelayOutcome::Authorised);
    }
    relay.until_idle().await;
}

#[test]
fn nothing_of_a_post_is_printed() {
    assert_eq!(format!("{:?}", post()), "OtpPost(..)");
}
