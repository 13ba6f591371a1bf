//! Many codes at a slow backend. Failure here means that a caller who sends without end keeps another's single code waiting for longer than its own
//! post takes, or has it refused.

use std::time::{Duration, Instant};

use crate::support::chain::{Chain, told};
use crate::support::installation::{ASL_OPERATOR, CARD, DESK, OTHER_CALL_CENTRE, STRANGER};
use crate::support::{Message, Session, fiscal_code, otp, until};

/// What a post takes.
const POST: Duration = Duration::from_millis(2_500);

/// What a busy machine may add to it: much less than a second post.
const MARGIN: Duration = Duration::from_millis(2_000);

const SETTINGS: &[(&str, &str)] = &[
    ("IMMUNI__CONNECTIONS", "8"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "9000"),
    ("IMMUNI__DEADLINE_SECONDS", "10"),
];

/// Sends so many codes at once, each over a connection of its own, and waits for no answer.
fn send_without_end(
    count: usize,
    session: impl Fn() -> Session,
    message: impl Fn(usize) -> Message,
) -> Vec<Session> {
    let send = |number| {
        let mut session = session();
        session.send(&message(number)).unwrap();
        session
    };
    (0..count).map(send).collect()
}

/// Unlocks a code that was verified before; how long that took.
fn unlock(chain: &Chain, verification: &str, number: u64) -> Duration {
    let mut desk = chain.desk();
    let message = Message::unlock(DESK, verification, &otp(number));
    let begun = Instant::now();
    let reply = desk.ask(&message);
    let took = begun.elapsed();
    assert_eq!(told(&reply), ("0000", vec![]), "after {took:?}");
    took
}

#[test]
fn whoever_sends_without_end_costs_another_callers_single_code_nothing() {
    let chain = Chain::start_with(SETTINGS);
    let verification = chain.verified(&chain.positive());
    let of_others = {
        let cun = chain.positive();
        let mut desk = chain.desk_of(OTHER_CALL_CENTRE);
        desk.verified(STRANGER, CARD, &cun)
    };
    chain.backend.answers_after(POST.as_millis() as u64);
    // The users of one structure, the same region's operator, and another call centre.
    let users = send_without_end(
        150,
        || Session::asl_user(&chain.installation, &chain.server),
        |number| Message::asl_otp_of_user(&otp(number as u64), &fiscal_code(number)),
    );
    until("the backend is busy", || {
        chain.backend.counts().requests >= 4
    });
    let took = unlock(&chain, &verification, 10_000);
    assert!(took < POST + MARGIN, "beside one caller: {took:?}");

    let region = send_without_end(
        40,
        || chain.region(),
        |number| {
            let code = otp(1_000 + number as u64);
            Message::asl_otp_of_region(ASL_OPERATOR, &code, &fiscal_code(number))
        },
    );
    let others = send_without_end(
        40,
        || chain.desk_of(OTHER_CALL_CENTRE),
        |number| Message::unlock(STRANGER, &of_others, &otp(2_000 + number as u64)),
    );
    let took = unlock(&chain, &verification, 10_001);
    assert!(took < POST + MARGIN, "beside three: {took:?}");
    drop((users, region, others));
}
