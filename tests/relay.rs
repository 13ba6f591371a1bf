//! Relay, HTTP client and stand-in together, in the clear and over mutual TLS: everything that goes wrong with a backend.
//!
//! A failure here means that an operator would be told something else than what became of the OTP, that a post would be made more often than it
//! may, or that an outcome would not be there by the deadline.
#![allow(clippy::unwrap_used, missing_docs)]

mod relay_support;

use std::time::Duration;

use immuni_stand_in::{Behaviour, Fault};
use relay_support::{
    Bench, DEADLINE, Pki, WAYS, Way, always, caller, next, otp, post, relay_to, settings,
};
use sistema_ts_actors::relay::NoAnswer::{Broken, ServerError, TooSlow, Unexpected};
use sistema_ts_actors::relay::NotSent::{Deadline, Handshake, Misconfigured, Unreachable};
use sistema_ts_actors::relay::OtpSender as _;
use sistema_ts_actors::relay::RelayOutcome::{AlreadyAuthorised, Authorised, NotSent, Unknown};
use sistema_ts_actors::relay::{RelayHandle, RelayRefusal, RelaySlot};
use tokio::time::Instant;

/// Between two looks whether something has come about.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

#[actix_rt::test]
async fn each_code_is_stored_once_over_one_connection_and_a_repetition_is_already_authorised() {
    for way in WAYS {
        let bench = Bench::new(way, Behaviour::default()).await;
        assert_eq!(bench.post(&otp(1)).await, Authorised, "{way:?}");
        // Somebody else's, as far as this post can know.
        assert_eq!(bench.post(&otp(1)).await, AlreadyAuthorised, "{way:?}");
        for number in 2..20 {
            assert_eq!(bench.post(&otp(number)).await, Authorised, "{way:?}");
        }
        let counts = bench.counts();
        assert_eq!((counts.requests, counts.stored), (20, 19), "{way:?}");
        assert_eq!(counts.connections, 1, "{way:?}: kept alive");
    }
}

#[actix_rt::test]
async fn trouble_that_passes_before_the_deadline_ends_in_one_stored_code() {
    use Fault::{
        ErrorAfterStoring, ErrorBeforeStoring, Hang, HangAfterStoring, ResetAfterStoring,
        ResetBeforeStoring, Unavailable,
    };
    for way in WAYS {
        for (number, kind) in [
            ResetBeforeStoring,
            ResetAfterStoring,
            ErrorBeforeStoring,
            ErrorAfterStoring,
            Unavailable,
            Hang,
            HangAfterStoring,
        ]
        .into_iter()
        .enumerate()
        {
            let bench = Bench::new(way, next(1, kind)).await;
            let otp = otp(number);
            // A 409 after an own try that was stored is that try's doing.
            assert_eq!(bench.post(&otp).await, Authorised, "{way:?} {kind:?}");
            let stored_first = matches!(
                kind,
                ResetAfterStoring | ErrorAfterStoring | HangAfterStoring
            );
            let posts = if stored_first { 2 } else { 1 };
            assert_eq!(bench.counted(&otp), (posts, 1), "{way:?} {kind:?}");
            assert_eq!(bench.counts().requests, 2, "{way:?} {kind:?}");
        }
    }
}

#[actix_rt::test]
async fn trouble_that_stays_is_told_as_an_unknown_outcome_or_as_nothing_sent() {
    use Fault::{
        ErrorAfterStoring, ErrorBeforeStoring, Hang, ResetAfterStoring, ResetBeforeStoring, Status,
        Unavailable,
    };
    for way in WAYS {
        for (fault, outcome, requests) in [
            (ResetBeforeStoring, Unknown(Broken), 4),
            (ResetAfterStoring, Unknown(Broken), 4),
            (ErrorBeforeStoring, Unknown(ServerError), 4),
            (ErrorAfterStoring, Unknown(ServerError), 4),
            (Unavailable, Unknown(ServerError), 4),
            (Status(502), Unknown(ServerError), 4),
            // A gateway's words for something.
            (Status(200), Unknown(Unexpected), 4),
            (Status(408), Unknown(Unexpected), 4),
            // Four tries of 0.8 s each.
            (Hang, Unknown(TooSlow), 4),
            // Not the backend: one try.
            (Status(404), NotSent(Misconfigured), 1),
            (Status(302), NotSent(Misconfigured), 1),
            (Status(403), NotSent(Misconfigured), 1),
            (Status(415), NotSent(Misconfigured), 1),
            (Status(429), NotSent(Unreachable), 4),
        ] {
            let bench = Bench::new(way, always(fault)).await;
            let case = format!("{way:?} {fault:?}");
            let began = Instant::now();
            assert_eq!(bench.post(&otp(1)).await, outcome, "{case}");
            if fault != Hang {
                assert!(began.elapsed() < Duration::from_secs(3), "{case}");
            }
            assert_eq!(bench.counts().requests, requests, "{case}");
        }
    }
}

#[actix_rt::test]
async fn what_a_slow_backend_stores_is_found_by_the_next_try_or_its_outcome_is_unknown() {
    for way in WAYS {
        // Slower than one try may take: stored meanwhile, which the next try finds.
        let slow = |milliseconds| Behaviour {
            delay_milliseconds: milliseconds,
            ..Behaviour::default()
        };
        let bench = Bench::new(way, slow(500)).await;
        assert_eq!(bench.post(&otp(1)).await, Authorised, "{way:?}");
        assert_eq!(bench.counted(&otp(1)), (1, 1), "{way:?}");
        bench.backend.behave(slow(1_200));
        // Each try is given up before the backend answers: nobody can know.
        assert_eq!(bench.post(&otp(2)).await, Unknown(TooSlow), "{way:?}");
        let answers_late = Behaviour {
            latency_milliseconds: 1_200,
            ..Behaviour::default()
        };
        bench.backend.behave(answers_late);
        assert_eq!(bench.post(&otp(3)).await, Unknown(TooSlow), "{way:?}");
        assert_eq!(bench.counted(&otp(3)).1, 1, "{way:?}");
    }
}

#[actix_rt::test]
async fn a_backend_that_is_gone_and_comes_back() {
    for way in WAYS {
        let bench = Bench::new(way, Behaviour::default()).await;
        assert_eq!(bench.post(&otp(1)).await, Authorised, "{way:?}");
        bench.backend.behave(Behaviour {
            down: true,
            ..Behaviour::default()
        });
        until("it refuses connections", async || {
            let connected = tokio::net::TcpStream::connect(bench.backend.address).await;
            connected.is_err()
        })
        .await;
        assert_eq!(bench.post(&otp(2)).await, NotSent(Unreachable), "{way:?}");
        assert_eq!(bench.counted(&otp(2)), (0, 0), "{way:?}");
        bench.backend.behave(Behaviour::default());
        // It may take a moment to listen again; the tries bridge it.
        let end = Instant::now() + DEADLINE;
        while bench.post(&otp(3)).await != Authorised {
            assert!(Instant::now() < end, "{way:?}: it did not come back");
        }
    }
}

/// Looks now and then whether it is so, until it is; a test that waits too long for it fails.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < end, "it never came that {what}");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Takes a place in the relay as soon as there is one; until then this must be the refusal.
async fn place(relay: &RelayHandle, refusal: RelayRefusal) -> RelaySlot {
    let began = Instant::now();
    loop {
        match relay.reserve(caller()) {
            Ok(slot) => return slot,
            Err(other) => assert_eq!(other, refusal),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never a place");
        // The relay tells nobody when a place is free, since no request ever waits for one.
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

#[actix_rt::test]
async fn connections_that_the_backend_closes_between_two_posts_cost_nothing() {
    for way in WAYS {
        let bench = Bench::new(
            way,
            Behaviour {
                keep_alive_milliseconds: Some(30),
                ..Behaviour::default()
            },
        )
        .await;
        for number in 0..5 {
            assert_eq!(bench.post(&otp(number)).await, Authorised, "{way:?}");
            assert_eq!(bench.counted(&otp(number)), (1, 1), "{way:?}");
            until("the backend closes the connection", async || {
                bench.backend.open_connections() == 0
            })
            .await;
        }
        assert_eq!(bench.counts().connections, 5, "{way:?}");
    }
}

#[actix_rt::test]
async fn workers_that_are_recycled_under_load_lose_no_outcome() {
    for way in WAYS {
        let bench = Bench::new(
            way,
            Behaviour {
                // Three times in all: fewer than the tries of one post.
                recycle_after: Some(70),
                ..Behaviour::default()
            },
        )
        .await;
        let outcomes = (0..200).map(|number| {
            let bench = &bench;
            async move {
                let otp = otp(number);
                let mut slot = place(&bench.relay, RelayRefusal::Full).await;
                let deadline = Instant::now() + DEADLINE;
                let outcome = bench.relay.send(&mut slot, post(&otp), deadline).await;
                (outcome, otp)
            }
        });
        for (outcome, otp) in futures_util::future::join_all(outcomes).await {
            assert_eq!(outcome, Authorised, "{way:?}");
            assert_eq!(bench.counted(&otp).1, 1, "{way:?}");
        }
    }
}

#[actix_rt::test]
async fn the_breaker_opens_when_the_backend_is_gone_and_closes_when_it_is_back() {
    for way in WAYS {
        let mut settings = settings();
        settings.breaker_threshold = 4;
        settings.breaker_pause = Duration::from_millis(300);
        let failing = always(Fault::Unavailable);
        let bench = Bench::with(way, failing, settings).await;
        assert_eq!(bench.post(&otp(1)).await, Unknown(ServerError), "{way:?}");
        let before = bench.counts().requests;
        let refusal = bench.relay.reserve(caller()).unwrap_err();
        assert_eq!(refusal, RelayRefusal::BreakerOpen, "{way:?}");
        bench.backend.behave(Behaviour::default());
        let mut slot = place(&bench.relay, RelayRefusal::BreakerOpen).await;
        assert_eq!(bench.counts().requests, before, "{way:?}");
        let deadline = Instant::now() + DEADLINE;
        let outcome = bench.relay.send(&mut slot, post(&otp(2)), deadline).await;
        assert_eq!(outcome, Authorised, "{way:?}");
        drop(slot);
        assert_eq!(bench.post(&otp(3)).await, Authorised, "{way:?}");
    }
}

#[actix_rt::test]
async fn a_full_relay_refuses_at_once_and_is_idle_when_all_outcomes_are_there() {
    for way in WAYS {
        let mut settings = settings();
        // Of four turns one caller has two.
        (settings.capacity, settings.connections) = (3, 4);
        let bench = Bench::with(way, always(Fault::HangAfterStoring), settings).await;
        let sent: Vec<_> = (0..3)
            .map(|number| {
                let mut slot = bench.relay.reserve(caller()).unwrap();
                let relay = bench.relay.clone();
                tokio::spawn(async move {
                    let deadline = Instant::now() + Duration::from_millis(600);
                    relay.send(&mut slot, post(&otp(number)), deadline).await
                })
            })
            .collect();
        assert_eq!(
            bench.relay.reserve(caller()).unwrap_err(),
            RelayRefusal::Full
        );
        let idle = tokio::time::timeout(DEADLINE, bench.relay.until_idle()).await;
        assert!(idle.is_ok(), "{way:?}");
        let mut outcomes = Vec::new();
        for sent in sent {
            outcomes.push(sent.await.unwrap());
        }
        // Two were under way; the third waited for its turn, and was never sent.
        assert_eq!(outcomes[..2], [Unknown(TooSlow); 2], "{way:?}");
        assert_eq!(outcomes[2], NotSent(Deadline), "{way:?}");
        assert_eq!(bench.counted(&otp(2)), (0, 0), "{way:?}");
        bench.relay.reserve(caller()).unwrap();
    }
}

#[actix_rt::test]
async fn certificates_of_an_authority_that_either_side_does_not_take_send_nothing() {
    // The backend's certificate is under an authority that this server does not take.
    let pki = Pki::new();
    pki.authority("other");
    let mut files = pki.client_files();
    files.authority = pki.path("other/ca.crt");
    let bench = Bench::with_files(pki, files).await;
    assert_eq!(bench.post(&otp(1)).await, NotSent(Handshake));
    // This server's certificate is under an authority that the backend does not take.
    let pki = Pki::new();
    pki.authority("other");
    pki.issue_client("other", "client");
    let mut files = pki.client_files();
    files.certificate = pki.path("other/client.crt");
    files.private_key = pki.path("other/client.key");
    let bench = Bench::with_files(pki, files).await;
    assert_eq!(bench.post(&otp(2)).await, NotSent(Handshake));
    assert_eq!(bench.counts().requests, 0);
}

#[actix_rt::test]
async fn a_certificate_that_is_replaced_while_posts_are_under_way_serves_the_next_connection() {
    let pki = Pki::new();
    pki.authority("other");
    pki.issue_client("other", "client");
    pki.issue_client("client", "second");
    let shown = |name: &str| pki.path(&format!("shown.{name}"));
    let mut files = pki.client_files();
    files.certificate = shown("crt");
    files.private_key = shown("key");
    let (other, second) = (pki.path("other"), pki.path("client"));
    let (shown_crt, shown_key) = (shown("crt"), shown("key"));
    let replace = move |folder: &std::path::Path, stem: &str| {
        for (kind, to) in [("crt", &shown_crt), ("key", &shown_key)] {
            let next = to.with_extension("next");
            std::fs::copy(folder.join(format!("{stem}.{kind}")), &next).unwrap();
            std::fs::rename(&next, to).unwrap();
        }
    };
    replace(&second, "client");
    let bench = Bench::with_files(pki, files).await;
    let trust = bench.tls.clone().unwrap();
    assert_eq!(bench.post(&otp(1)).await, Authorised);
    assert!(!trust.reload().unwrap());

    // A post under way goes on over the connection it has.
    bench.backend.behave(Behaviour {
        delay_milliseconds: 300,
        ..Behaviour::default()
    });
    let first = otp(2);
    let before = bench.counts().requests;
    let under_way = bench.post(&first);
    let meanwhile = async {
        until("the backend has the post", async || {
            bench.counts().requests > before
        })
        .await;
        replace(&second, "second");
        assert!(trust.reload().unwrap());
    };
    let (outcome, ()) = futures_util::future::join(under_way, meanwhile).await;
    assert_eq!(outcome, Authorised);
    bench.backend.behave(Behaviour::default());
    let before = bench.counts().connections;
    assert_eq!(bench.post(&otp(3)).await, Authorised);
    assert_eq!(
        bench.counts().connections,
        before + 1,
        "under the new certificate"
    );

    // One that the backend does not take: no idle connection of before hides it.
    replace(&other, "client");
    assert!(trust.reload().unwrap());
    assert_eq!(bench.post(&otp(4)).await, NotSent(Handshake));

    // Files that do not fit each other: the old ones stay in force.
    std::fs::write(second.join("broken.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    std::fs::copy(second.join("second.key"), second.join("broken.key")).unwrap();
    replace(&second, "second");
    assert!(trust.reload().unwrap());
    replace(&second, "broken");
    trust.reload().unwrap_err();
    assert_eq!(bench.post(&otp(5)).await, Authorised);
}

#[actix_rt::test]
async fn a_burst_is_authorised_over_no_more_connections_than_lanes() {
    let bench = Bench::new(Way::MutualTls, Behaviour::default()).await;
    let posts = (0..64).map(|number| {
        let bench = &bench;
        async move { bench.post(&otp(number)).await }
    });
    for outcome in futures_util::future::join_all(posts).await {
        assert_eq!(outcome, Authorised);
    }
    let counts = bench.counts();
    assert_eq!(counts.stored, 64);
    assert!(counts.connections <= 8, "no more than there are lanes");
}

#[actix_rt::test]
#[ignore = "needs a real backend: IMMUNI_BACKEND=http://127.0.0.1:5000 cargo test --test relay -- --ignored"]
async fn a_real_backend_answers_as_the_stand_in_does() {
    let base = std::env::var("IMMUNI_BACKEND").unwrap();
    let relay = relay_to(&base, None, settings());
    let first = usize::try_from(std::process::id()).unwrap() * 1_000;
    let send = |otp: String| {
        let relay = relay.clone();
        async move {
            let mut slot = place(&relay, RelayRefusal::Full).await;
            let deadline = Instant::now() + DEADLINE;
            relay.send(&mut slot, post(&otp), deadline).await
        }
    };
    assert_eq!(send(otp(first)).await, Authorised);
    assert_eq!(send(otp(first)).await, AlreadyAuthorised);
    let began = Instant::now();
    let posts = (1..500).map(|number| send(otp(first + number)));
    for outcome in futures_util::future::join_all(posts).await {
        assert_eq!(outcome, Authorised);
    }
    println!("499 posts in {:?}", began.elapsed());
    // Longer than it keeps a connection, which is what the next post is to meet: of another program nothing tells that it has closed one.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(send(otp(first + 500)).await, Authorised);
}
