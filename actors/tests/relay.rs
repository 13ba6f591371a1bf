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
use sistema_ts_model::{ManualClock, Otp, Timestamp};
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

fn post() -> OtpPost {
    let date = NaiveDate::from_ymd_opt(2020, 10, 31).unwrap();
    OtpPost::new(Otp::parse("59FU36KR46").unwrap(), date)
}

async fn outcome_of(answers: &[TryOutcome]) -> (RelayOutcome, usize, Duration) {
    let backend = Scripted::new(answers);
    let relay = relay(&backend, |_| {});
    let began = Instant::now();
    let mut slot = relay.reserve().unwrap();
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
    let mut slot = relay.reserve().unwrap();
    let outcome = relay.send(&mut slot, post(), Instant::now()).await;
    assert_eq!(outcome, RelayOutcome::NotSent(NotSent::Deadline));
    assert_eq!(backend.tries(), 0);
}

#[actix_rt::test]
async fn the_body_is_the_backends_and_its_day_is_not_after_utcs_today() {
    let backend = Scripted::new(&[TryOutcome::Answered(204)]);
    let relay = relay(&backend, |_| {});
    let mut slot = relay.reserve().unwrap();
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
    let mut first = relay.reserve().unwrap();
    let second = relay.reserve().unwrap();
    assert_eq!(relay.reserve().unwrap_err(), RelayRefusal::Full);
    drop(second);
    let _again = relay.reserve().unwrap();
    backend.gate.as_ref().unwrap().add_permits(1);
    let sent = relay
        .send(&mut first, post(), Instant::now() + DEADLINE)
        .await;
    assert_eq!(sent, RelayOutcome::Authorised);
    assert_eq!(
        relay.reserve().unwrap_err(),
        RelayRefusal::Full,
        "its outcome is being written"
    );
    drop(first);
    relay.reserve().unwrap();
}

#[actix_rt::test]
async fn a_post_goes_on_when_nobody_waits_for_it_and_an_idle_relay_says_so() {
    let backend = Scripted::gated(TryOutcome::Answered(204));
    let relay = relay(&backend, |_| {});
    let mut slot = relay.reserve().unwrap();
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
        match relay.reserve() {
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
    let mut probe = relay.reserve().unwrap();
    assert_eq!(relay.reserve().unwrap_err(), RelayRefusal::BreakerOpen);
    let outcome = relay
        .send(&mut probe, post(), Instant::now() + DEADLINE)
        .await;
    assert_eq!(outcome, RelayOutcome::Authorised);
    let _all: Vec<_> = (0..9).map(|_| relay.reserve().unwrap()).collect();
}

#[test]
fn nothing_of_a_post_is_printed() {
    assert_eq!(format!("{:?}", post()), "OtpPost(..)");
}
