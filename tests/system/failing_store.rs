//! What a caller hears when the store fails, for each of the services and each call that it makes of the store.
//!
//! A failure means one of two lies: that a request is told to have changed nothing although it has (503, or "nulla è stato eseguito"), or that
//! what was done cannot be found out by repeating the request.

use sistema_ts_store::failing::{Fault, Operation};

use crate::support::chain::Chain;
use crate::support::installation::{ASL_OPERATOR, CARD, DESK, PATIENT};
use crate::support::{Message, Reply, Session, StoreFaults, Submission, fiscal_code, otp, until};

const DONE: &str = "200";

/// HTTP status and codes, of mistakes, warnings or a fault, of an answer.
fn heard(reply: &Reply) -> String {
    let status = reply.status().to_string();
    [&[status.as_str()], &reply.findings()[..]]
        .concat()
        .join(" ")
}

/// What is told of a fault before any effect.
fn told_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Overloaded | Fault::Unavailable => "503 8001",
        Fault::Corrupt => "500 8002",
        Fault::LostRequest | Fault::LostAnswer => panic!("{fault:?} may have an effect"),
    }
}

/// What is told of an unknown outcome by a service whose request may hold the caller's own key.
const UNKNOWN_WITH_KEY: &str = "500 8003";
/// The same of the others.
const UNKNOWN: &str = "500 8004";

const BEFORE: [Fault; 3] = [Fault::Overloaded, Fault::Unavailable, Fault::Corrupt];
const LOST: [Fault; 2] = [Fault::LostRequest, Fault::LostAnswer];

/// Asks with each of these operations failing in each way that has no effect, and then with none.
fn nothing_is_done(
    faults: &StoreFaults,
    operations: &[Operation],
    mut ask: impl FnMut() -> String,
    then: &str,
) {
    for &operation in operations {
        for fault in BEFORE {
            faults.next(operation, fault);
            assert_eq!(ask(), told_of(fault), "{operation:?} {fault:?}");
        }
    }
    assert_eq!(ask(), then, "as if nothing had been: {operations:?}");
}

#[test]
fn a_store_that_fails_before_an_effect_is_told_as_nothing_done_and_nothing_is_done() {
    use Operation::*;
    let (chain, faults) = Chain::start_failing();
    let mut region = chain.region();
    let mut desk = chain.desk();

    let message = Submission::about(1).with_key("a key");
    nothing_is_done(
        &faults,
        &[RecordTest],
        || heard(&region.submit(&message)),
        DONE,
    );
    let listed = |region: &mut Session| {
        let reply = region.ask(&Message::listing());
        assert_eq!(heard(&reply), DONE);
        reply.values("identificativoTest").count()
    };
    assert_eq!(listed(&mut region), 1, "nine failures left no test");
    nothing_is_done(
        &faults,
        &[ListingMark, ListPage, RecordAccess],
        || heard(&region.ask(&Message::listing())),
        DONE,
    );

    // So many failures cost the operator none of its three attempts with the code.
    let cun = chain.positive();
    let verification = Message::verification(DESK, CARD, &cun);
    let mut verify = || heard(&desk.ask(&verification));
    nothing_is_done(&faults, &[BeginVerification], &mut verify, DONE);
    nothing_is_done(&faults, &[FinishVerification], &mut verify, DONE);
    nothing_is_done(&faults, &[RecordAccess], &mut verify, DONE);
    // A wrong one is told as failed once that is written, and counts once.
    let other = chain.positive();
    let wrong = Message::verification(DESK, "11111111", &other);
    nothing_is_done(
        &faults,
        &[FailGuess],
        || heard(&desk.ask(&wrong)),
        "200 3001",
    );
    // What could not be checked is given back; if that fails too, it stays counted, and the answer is the same.
    let session = chain.verified(&cun);
    nothing_is_done(
        &faults,
        &[ClaimUnlock],
        || heard(&chain.unlock(&session, &otp(1))),
        DONE,
    );
    assert_eq!(chain.backend.posts(&otp(1)), 1);
    nothing_is_done(&faults, &[Annul], || heard(&chain.confirm("A", &cun)), DONE);
    chain.unlocked(&cun, &otp(2));
    nothing_is_done(
        &faults,
        &[Confirm],
        || heard(&chain.confirm("C", &cun)),
        DONE,
    );
    // Of a session that the server does not remember the store is asked.
    let unknown = "b44e8bd5-7c5c-4f3a-9d1c-7b7f8f1f0001";
    nothing_is_done(
        &faults,
        &[FindSession],
        || heard(&chain.unlock(unknown, &otp(3))),
        "200 3004",
    );

    let cun = chain.positive();
    nothing_is_done(
        &faults,
        &[CountAslOtp, ClaimPerson],
        || heard(&chain.asl(&otp(4), PATIENT)),
        DONE,
    );
    assert_eq!(chain.backend.posts(&otp(4)), 1);
    assert!(!chain.is_verifiable(&cun), "it was used up by the last one");

    let cun = chain.submitted(&Submission::about(2));
    let cancellation = Message::cancellation(&cun, &fiscal_code(2));
    nothing_is_done(
        &faults,
        &[Cancel],
        || heard(&region.ask(&cancellation)),
        DONE,
    );
}

/// Asks with the operation losing its request or its answer; what a repetition is told then.
fn repeated(
    faults: &StoreFaults,
    operation: Operation,
    fault: Fault,
    unknown: &str,
    mut ask: impl FnMut() -> String,
) -> String {
    faults.next(operation, fault);
    assert_eq!(ask(), unknown, "{operation:?} {fault:?}");
    ask()
}

/// What a repetition is told: that it is done now, if the request was lost; what is said of something done before, if the answer was.
fn either(fault: Fault, before: &str) -> &str {
    match fault {
        Fault::LostAnswer => before,
        _ => DONE,
    }
}

#[test]
fn an_unknown_outcome_is_told_as_that_and_the_same_request_settles_it() {
    use Operation::*;
    let (chain, faults) = Chain::start_failing();
    let mut region = chain.region();
    let mut desk = chain.desk();
    let mut tests = 0;
    for (round, fault) in (0..).zip(LOST) {
        let message = Submission::about(round).with_key(format!("key {round}"));
        let told = repeated(&faults, RecordTest, fault, UNKNOWN_WITH_KEY, || {
            heard(&region.submit(&message))
        });
        assert_eq!(told, either(fault, "200 4001"), "{fault:?}");
        tests += 1;

        let person = fiscal_code(10);
        let cun = region.submitted(&Submission::about(10));
        let cancellation = Message::cancellation(&cun, &person);
        let told = repeated(&faults, Cancel, fault, UNKNOWN_WITH_KEY, || {
            heard(&region.ask(&cancellation))
        });
        assert_eq!(told, either(fault, "200 3021"), "{fault:?}");

        let cun = chain.positive();
        tests += 1;
        let verification = Message::verification(DESK, CARD, &cun);
        for operation in [BeginVerification, FinishVerification] {
            // A session that nobody heard of lapses; the code can be verified again all the same.
            let told = repeated(&faults, operation, fault, UNKNOWN, || {
                heard(&desk.ask(&verification))
            });
            assert_eq!(told, DONE, "{operation:?} {fault:?}");
        }
        let (session, code) = (chain.verified(&cun), otp(100 + round as u64));
        let told = repeated(&faults, ClaimUnlock, fault, UNKNOWN, || {
            heard(&chain.unlock(&session, &code))
        });
        assert_eq!(told, either(fault, "200 3011"), "{fault:?}");
        // Nothing is posted for a claim that nobody was told of.
        let posts = u64::from(fault == Fault::LostRequest);
        assert_eq!(chain.backend.posts(&code), posts, "{fault:?}");

        let cun = chain.submitted(&Submission::by_region());
        tests += 1;
        chain.unlocked(&cun, &otp(200 + round as u64));
        for (operation, kind, before) in [(Annul, "A", "200 3023"), (Confirm, "C", "200 3022")] {
            if operation == Confirm {
                chain.unlocked(&cun, &otp(300 + round as u64));
            }
            let told = repeated(&faults, operation, fault, UNKNOWN, || {
                heard(&chain.confirm(kind, &cun))
            });
            assert_eq!(told, either(fault, before), "{fault:?}");
        }
    }
    let reply = region.ask(&Message::listing());
    let listed = reply.values("identificativoTest").count();
    assert_eq!(
        listed, tests,
        "what was repeated is there once, what was cancelled is not"
    );
}

#[test]
fn an_outcome_of_a_post_that_cannot_be_written_at_first_is_written_in_the_end() {
    let (chain, faults) = Chain::start_failing();
    let cun = chain.positive();
    for (round, fault) in (0..).zip(BEFORE) {
        let session = chain.verified(&cun);
        for _ in 0..3 {
            faults.next(Operation::SettleUnlock, fault);
        }
        assert_eq!(heard(&chain.unlock(&session, &otp(10 + round))), DONE);
        assert_eq!(heard(&chain.confirm("A", &cun)), DONE, "{fault:?}");
    }
    faults.next(Operation::SettlePerson, Fault::Overloaded);
    assert_eq!(heard(&chain.asl(&otp(2), PATIENT)), DONE);
    assert!(!chain.is_verifiable(&cun), "settled: its person is erased");
    // If it is not known whether it was written, the post's own outcome is told all the same.
    for (round, fault) in (0..).zip(LOST) {
        let cun = chain.positive();
        let session = chain.verified(&cun);
        faults.next(Operation::SettleUnlock, fault);
        assert_eq!(heard(&chain.unlock(&session, &otp(20 + round))), DONE);
    }
}

#[test]
fn an_effect_whose_record_cannot_be_written_is_not_told_as_nothing_done() {
    let (chain, faults) = Chain::start_failing();
    let mut region = chain.region();
    let without_record = |fault, unknown, ask: &mut dyn FnMut() -> String| {
        faults.next(Operation::RecordAccess, fault);
        assert_eq!(ask(), unknown, "{fault:?}");
    };
    for (round, fault) in (0_u64..).zip(Fault::ALL) {
        let cun = region.submitted(&Submission::about(1));
        let cancellation = Message::cancellation(&cun, &fiscal_code(1));
        let mut cancel = || heard(&region.ask(&cancellation));
        without_record(fault, UNKNOWN_WITH_KEY, &mut cancel);
        assert_eq!(cancel(), "200 3021", "it was done");
        if !fault.has_effect() && fault != Fault::LostRequest {
            // What changed nothing is told as that.
            let unknown = Message::cancellation("CUN-59FU36KR46", &fiscal_code(1));
            let mut refused = || heard(&region.ask(&unknown));
            assert_eq!(refused(), "200 3002");
            without_record(fault, told_of(fault), &mut refused);
        }

        let (cun, code) = (chain.positive(), otp(1_000 + round));
        let session = chain.verified(&cun);
        let mut unlock = || heard(&chain.unlock(&session, &code));
        without_record(fault, UNKNOWN, &mut unlock);
        assert_eq!(chain.backend.stored(&code), 1);
        for (kind, before) in [("A", "200 3023"), ("C", "200 3022")] {
            if kind == "C" {
                chain.unlocked(&cun, &otp(2_000 + round));
            }
            let mut conclude = || heard(&chain.confirm(kind, &cun));
            without_record(fault, UNKNOWN, &mut conclude);
            assert_eq!(conclude(), before, "it was done");
        }
        let code = otp(3_000 + round);
        let message = Message::asl_otp_of_region(ASL_OPERATOR, &code, PATIENT);
        let mut send = || heard(&region.ask(&message));
        without_record(fault, UNKNOWN, &mut send);
        assert_eq!(chain.backend.stored(&code), 1);
    }
}

#[test]
fn a_command_that_fails_says_whether_anything_was_done() {
    let (chain, faults) = Chain::start_failing();
    let cun = chain.positive();
    let wrong = Message::verification(DESK, "11111111", &cun);
    for fault in Fault::ALL {
        chain.desk().ask(&wrong);
        faults.next(Operation::ForgiveCode, fault);
        let output = crate::support::command::output_with_input(
            &mut chain.installation.command(&["admin", "cun", "forgive"]),
            &cun,
        );
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{fault:?}");
        let is_unknown = error.contains("is not known");
        assert_eq!(is_unknown, LOST.contains(&fault), "{fault:?}: {error}");
    }
}

#[test]
fn a_server_whose_store_does_not_sweep_or_note_the_time_serves_on() {
    let (chain, faults) = Chain::start_failing();
    for operation in [
        Operation::ExpireDue,
        Operation::NoteTime,
        Operation::RewriteErased,
    ] {
        faults.always(operation, Fault::Unavailable);
    }
    chain.positive();
    faults.always(Operation::Reserve, Fault::Overloaded);
    let mut region = chain.region();
    // Codes were reserved before; when they run out, that is overload, and ends with it.
    assert_eq!(heard(&region.submit(&Submission::about(1))), DONE);
    faults.mend(Operation::Reserve);
    until("the server is well", || {
        chain.server.status("/health/ready").status == 200
    });
}

/// A method of the store that is added later is to be failed here too.
#[test]
fn every_call_that_a_service_makes_of_the_store_is_failed_here() {
    use Operation::*;
    let here = include_str!("failing_store.rs");
    // Parts of `begin_verification` and `finish_verification`; what no service calls; and what begins and ends the server.
    let _elsewhere = [
        FindTest,
        FindByDigest,
        FindPatient,
        BeginGuess,
        ReturnGuess,
        OpenSession,
        NotedTime,
        SearchAccess,
        Close,
    ];
    for operation in Operation::ALL {
        let is_here = here.contains(&format!("{operation:?}"));
        assert!(is_here, "{operation:?} is failed by no test");
    }
}
