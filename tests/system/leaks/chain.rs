//! Everything personal that goes through the chain, in every service, success and failure, and none of it found again: in an answer, in standard
//! output, in the log at its most talkative, in the metrics, in `audit search`, or in a byte of any file, also after a kill.
//!
//! Codici fiscali of operators are an access record's to keep (§2.5, §3.4, §5.2); everywhere else they are personal data as any other. Failure here means that what a person dictated can be read after the call.

use immuni_stand_in::{Behaviour, Fault};
use sistema_ts_model::{Clock as _, SystemClock};

use super::hunt::Evidence;
use super::planted::Planted;
use crate::support::chain::Chain;
use crate::support::installation::{ASL_OPERATOR, ASL_USER, DESK, PASSWORD, USER, pincode_of};
use crate::support::{Message, Reply, Session, Submission, otp};

/// What an access record must hold, or the search finds nothing at all.
const REMARK: &str = "Osservazione di controllo 9117";

struct Hunt {
    chain: Chain,
    evidence: Evidence,
    planted: Planted,
    codes: u64,
}

impl Hunt {
    fn ask(&mut self, place: &str, session: &mut Session, message: &Message) -> Reply {
        let reply = session.ask(message);
        self.evidence
            .add_answer(format!("answer to {place}"), &reply.0);
        reply
    }

    /// A one-time code that was sent nowhere before.
    fn otp(&mut self, place: &str) -> String {
        self.codes += 1;
        self.planted.note(place, otp(81_904_711 * self.codes))
    }

    /// The last digits of a card.
    fn digits(&mut self, place: &str) -> String {
        self.codes += 1;
        self.planted
            .note(place, format!("{:08}", 40_917_331 + self.codes * 1_009))
    }

    /// A positive of a person, and its CUN.
    fn positive(&mut self, person: &str, mobile: Option<String>, email: Option<String>) -> String {
        let submission = Submission {
            fiscal_code: person.to_owned(),
            mobile: mobile.map(|number| format!("+{number}")),
            email,
            ..Submission::by_region()
        };
        self.chain.submitted(&submission)
    }
}

#[test]
fn nothing_that_was_dictated_is_found_again() {
    let chain = Chain::start_with(&[
        ("LOGGING__LEVEL", "debug"),
        ("IMMUNI__DEADLINE_SECONDS", "2"),
        ("IMMUNI__TRY_LIMIT_MILLISECONDS", "400"),
        ("IMMUNI__BREAKER_FAILURES", "1000"),
        ("CALL_CENTER__RECORDED_OPTION_KEYS", "nota"),
        ("CALL_CENTER__OPERATOR_FAILURES_PER_HOUR", "12"),
    ]);
    let mut hunt = Hunt {
        chain,
        evidence: Evidence::default(),
        planted: Planted::default(),
        codes: 0,
    };
    // No other day of any message is this one.
    let symptoms = (SystemClock.now().rome_day() - chrono::Duration::days(61)).to_string();
    hunt.planted.note("first day of symptoms", symptoms.clone());

    // People and their cards, known to the register.
    let people: Vec<String> = (0..6)
        .map(|number| hunt.planted.person(&format!("patient {number}")))
        .collect();
    let cards: Vec<String> = (0..6)
        .map(|number| hunt.digits(&format!("card of patient {number}")))
        .collect();
    let entries: Vec<_> = people.iter().cloned().zip(cards.iter().cloned()).collect();
    hunt.chain.installation.import_cards(&entries);

    let (mut region, mut desk) = (hunt.chain.region(), hunt.chain.desk());
    let mobile = hunt.planted.number("mobile of a patient");
    let email = format!("{}@esempio.it", hunt.planted.word("e-mail of a patient"));
    let mut cuns = vec![
        hunt.positive(&people[0], Some(mobile), None),
        hunt.positive(&people[1], None, Some(email)),
    ];
    for person in &people[2..] {
        cuns.push(hunt.positive(person, None, None));
    }

    // Cancelled: wrongly in every way, then rightly.
    let wrong = hunt.planted.person("patient of a wrong cancellation");
    let no_person = hunt.planted.wrong_person("no patient of a cancellation");
    let no_cun = hunt.planted.word("no CUN");
    for (place, cun, person) in [
        ("a wrong patient", &cuns[1], &wrong),
        ("no patient", &cuns[1], &no_person),
        ("no CUN", &no_cun, &people[1]),
        ("a cancellation", &cuns[1], &people[1]),
        ("a repeated one", &cuns[1], &people[1]),
    ] {
        hunt.ask(place, &mut region, &Message::cancellation(cun, person));
    }

    // Verified: malformed, with wrong cards, with a CUN of nobody, rightly.
    let not_digits = hunt.planted.word("no digits of a card");
    hunt.ask(
        "no digits",
        &mut desk,
        &Message::verification(DESK, &not_digits, &cuns[0]),
    );
    let spoken = hunt.planted.word("no CUN of a verification");
    hunt.ask(
        "no spoken CUN",
        &mut desk,
        &Message::verification(DESK, &cards[0], &spoken),
    );
    let wrong_card = hunt.digits("a wrong card");
    let refused = hunt.ask(
        "a wrong card",
        &mut desk,
        &Message::verification(DESK, &wrong_card, &cuns[0]),
    );
    assert_eq!(refused.findings(), ["3001"]);
    let nobody = format!("CUN-{}", otp(5));
    hunt.ask(
        "nobody's CUN",
        &mut desk,
        &Message::verification(DESK, &cards[0], &nobody),
    );
    let mut verified = Vec::new();
    for number in [0, 2, 3] {
        let message = Message::verification(DESK, &cards[number], &cuns[number]);
        let reply = hunt.ask("a verification", &mut desk, &message);
        assert_eq!(reply.outcome(), "0000", "{reply:?}");
        verified.push((
            cuns[number].clone(),
            reply.value("idVerificaTampone").to_owned(),
        ));
    }

    // Unlocked: malformed, and with every trouble that a backend can have, then rightly.
    let unlock = |session: &str, otp: &str| {
        Message::unlock(DESK, session, otp).with("dataInizioSintomi", symptoms.clone())
    };
    let malformed = hunt.planted.word("no one-time code");
    hunt.ask("no code", &mut desk, &unlock(&verified[0].1, &malformed));
    let mut mistyped = hunt.otp("a mistyped code").into_bytes();
    mistyped[9] = if mistyped[9] == b'A' { b'E' } else { b'A' };
    let mistyped = hunt.planted.note(
        "a mistyped code as sent",
        String::from_utf8(mistyped).unwrap(),
    );
    hunt.ask(
        "a mistyped code",
        &mut desk,
        &unlock(&verified[0].1, &mistyped),
    );
    let strange = hunt.otp("a code for no verification");
    hunt.ask(
        "no verification",
        &mut desk,
        &unlock("0f8fad5b-d9cb-469f-a165-70867728950e", &strange),
    );
    let troubles = [
        Fault::ResetBeforeStoring,
        Fault::ResetAfterStoring,
        Fault::ErrorBeforeStoring,
        Fault::ErrorAfterStoring,
        Fault::Unavailable,
        Fault::Hang,
    ];
    for fault in troubles {
        // Of one try, which the next makes good; and of all.
        for times in [Some(1), None] {
            hunt.chain.backend.behave(Behaviour {
                fault: Some(fault),
                times,
                ..Behaviour::default()
            });
            let code = hunt.otp(&format!("a code, {fault:?} {times:?}"));
            let place = format!("an unlock, {fault:?} {times:?}");
            hunt.ask(&place, &mut desk, &unlock(&verified[1].1, &code));
            let code = hunt.otp(&format!("an ASL's code, {fault:?} {times:?}"));
            let patient = hunt.planted.person("patient of an ASL in trouble");
            let message = Message::asl_otp_of_region(ASL_OPERATOR, &code, &patient)
                .with("dataInizioSintomi", symptoms.clone());
            hunt.ask(
                &format!("an ASL's code, {fault:?} {times:?}"),
                &mut region,
                &message,
            );
        }
    }
    hunt.chain.backend.goes_down();
    let code = hunt.otp("a code, backend gone");
    hunt.ask(
        "an unlock, backend gone",
        &mut desk,
        &unlock(&verified[2].1, &code),
    );
    hunt.chain.backend.behave(Behaviour::default());
    let code = hunt.otp("a code, at last");
    crate::support::until("the backend is back", || {
        let reply = desk.ask(&unlock(&verified[0].1, &code));
        matches!(reply.outcome(), "0000" | "0001")
    });
    let code = hunt.otp("a second code");
    let reply = hunt.ask("an unlock", &mut desk, &unlock(&verified[2].1, &code));
    assert_eq!(reply.outcome(), "0000", "{reply:?}");

    // Confirmed and annulled, with remarks that name a person.
    let (cun, session) = &verified[0];
    let person = hunt.planted.person("patient in a remark");
    let word = hunt.planted.word("a remark under another key");
    let confirm = Message::confirmation("C", DESK, cun)
        .with("idVerificaTampone", session.clone())
        .with_option("nota", REMARK)
        .with_option("nota", &format!("paziente {person}"))
        .with_option("altro", &format!("ha detto {word}"))
        .with_option(&person, "paziente");
    assert_eq!(
        hunt.ask("a confirmation", &mut desk, &confirm).outcome(),
        "0000"
    );
    hunt.ask("another", &mut desk, &confirm);
    let (cun, _) = &verified[2];
    assert_eq!(
        hunt.ask(
            "an annulment",
            &mut desk,
            &Message::confirmation("A", DESK, cun)
        )
        .outcome(),
        "0000"
    );

    // An ASL's code that uses the person's test up, by a user and malformed.
    let mut user = Session::asl_user(&hunt.chain.installation, &hunt.chain.server);
    let code = hunt.otp("a user's code");
    let message =
        Message::asl_otp_of_user(&code, &people[4]).with("dataInizioSintomi", symptoms.clone());
    assert_eq!(
        hunt.ask("a user's code", &mut user, &message).outcome(),
        "0000"
    );
    let no_code = hunt.planted.word("no code of an ASL");
    let no_patient = hunt.planted.wrong_person("no patient of an ASL");
    hunt.ask(
        "no code, no patient",
        &mut user,
        &Message::asl_otp_of_user(&no_code, &no_patient),
    );

    // Listed, by nobody who may and by who may.
    let list = Message::listing().with("massimoElementi", "2");
    let listed = hunt.ask("a list", &mut region, &list);
    assert_eq!(listed.outcome(), "0001", "{listed:?}");
    let no_bookmark = hunt.planted.word("no bookmark");
    hunt.ask(
        "no bookmark",
        &mut region,
        &list.clone().with("segnalibro", no_bookmark),
    );

    // In wrong places: an element that is unknown, twice, or too much.
    let secret = hunt.otp("a code in a wrong element");
    hunt.ask(
        "a wrong element",
        &mut desk,
        &Message::verification(DESK, "12345678", &cuns[5]).with("codiceOtp", secret),
    );
    let user_id = hunt.planted.word("user id of nobody");
    let password = hunt.planted.word("password of nobody");
    let config = hunt.chain.installation.client(None);
    let mut stranger =
        Session::with(hunt.chain.server.basic, &config).signed_in(&user_id, &password);
    let code = hunt.otp("a code of nobody");
    let refused = hunt.ask(
        "nobody",
        &mut stranger,
        &Message::asl_otp_of_user(&code, &people[5]),
    );
    assert_eq!(refused.status(), 401);

    // The operator's budget runs out.
    let mut seen = std::collections::BTreeSet::new();
    for cun in cuns.iter().cycle().take(100) {
        let card = hunt.digits("a guessed card");
        let reply = hunt.ask(
            "a guess",
            &mut desk,
            &Message::verification(DESK, &card, cun),
        );
        seen.extend(reply.findings().into_iter().map(str::to_owned));
        if seen.contains("2201") {
            break;
        }
    }
    assert!(seen.contains("2201"), "{seen:?}");
    finish(hunt);
}

/// Ends the server as a power cut would, and searches all that there is.
fn finish(hunt: Hunt) {
    let Hunt {
        chain,
        mut evidence,
        planted,
        ..
    } = hunt;
    for path in ["/metrics", "/health/ready"] {
        evidence.add_answer(path, &chain.server.status(path));
    }
    let records = chain.installation.run(&["audit", "search"]);
    assert!(records.lines().count() > 60, "{}", records.lines().count());
    evidence.add("audit search", records);
    evidence.add("standard output", chain.server.kill9());
    evidence.add_folder(chain.installation.folder());
    for (place, value) in planted.iter() {
        let found = evidence.find(value);
        assert!(found.is_empty(), "{place}: {found:?}");
    }
    // What must be there is found where it belongs, and an operator nowhere else.
    assert!(!evidence.find(REMARK).is_empty());
    for operator in [DESK, ASL_OPERATOR] {
        let found = evidence.find(operator);
        assert!(!found.is_empty(), "the search finds nothing");
        let is_allowed = |piece: &String| {
            ["access-", "audit search"]
                .iter()
                .any(|place| piece.contains(place))
        };
        assert!(found.iter().all(is_allowed), "{found:?}");
    }
    for secret in [&pincode_of(USER), &pincode_of(ASL_USER), PASSWORD, USER] {
        let found = evidence.find(secret);
        // A user's id is in the register and in the security log, as its name.
        assert!(secret == USER || found.is_empty(), "{found:?}");
    }
}
