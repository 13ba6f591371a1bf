//! `verificaPositivita` (§3.3.1).
//!
//! Failure here means that somebody finds out by asking whether a code exists or whose card belongs to it, that an operator who may not ask is
//! answered, that guessing has no end, or that a right verification is refused.

use std::thread;

use crate::support::chain::{Chain, told};
use crate::support::installation::{
    CALL_CENTRE, CARD, COLLEAGUE, DESK, DISABLED, OTHER_CALL_CENTRE, SECOND_CARD, STRANGER, card_of,
};
use crate::support::messages::today;
use crate::support::{Message, Submission, otp};

/// Well-formed, and never issued.
const UNKNOWN: &str = "CUN-59FU36KR46";

#[test]
fn a_positive_with_any_card_of_the_person_is_verified_however_the_code_is_spoken() {
    let chain = Chain::start();
    let cun = chain.positive();
    let bare = cun.strip_prefix("CUN-").unwrap();
    let spaced = format!("{} {}-{}", &bare[..3], &bare[3..6], &bare[6..]).to_lowercase();
    let mut desk = chain.desk();
    let mut sessions = std::collections::BTreeSet::new();
    for (card, code) in [
        (CARD, cun.as_str()),
        (SECOND_CARD, bare),
        (CARD, spaced.as_str()),
    ] {
        let reply = desk.ask(&Message::verification(DESK, card, code));
        assert_eq!(told(&reply), ("0000", vec![]), "{code}");
        assert_eq!(reply.value("dataPrelievo"), today());
        assert!(!reply.transaction().starts_with("CUN-"));
        sessions.insert(reply.value("idVerificaTampone").to_owned());
    }
    // Each is a session of its own, and none is empty.
    assert_eq!(sessions.len(), 3);
    assert!(sessions.iter().all(|session| session.len() == 36));
}

#[test]
fn whatever_does_not_belong_together_is_answered_alike() {
    let chain = Chain::start_with(&[("CALL_CENTER__CODE_FAILURES_IN_LIFE", "2")]);
    let positive = || chain.positive();
    let negative = chain.submitted(&Submission {
        result: "N".into(),
        ..Submission::by_region()
    });
    let of_nobody_with_a_card = chain.submitted(&Submission::about(500));
    let (unlocked, confirmed) = (positive(), positive());
    chain.unlocked(&unlocked, &otp(1));
    chain.unlocked(&confirmed, &otp(2));
    assert_eq!(told(&chain.confirm("C", &confirmed)), ("0000", vec![]));
    let exhausted = positive();
    let mut colleague = chain.desk();
    for _ in 0..2 {
        let wrong = Message::verification(COLLEAGUE, "11111111", &exhausted);
        assert_eq!(told(&colleague.ask(&wrong)), ("9999", vec!["3001"]));
    }

    let another = positive();
    let mut desk = chain.desk();
    // The first is of a code that nobody ever issued: all others must be told like it.
    let cases = [
        ("unknown", UNKNOWN, CARD),
        ("wrong card", another.as_str(), "11111111"),
        ("card of another person", another.as_str(), &card_of(1)),
        ("negative", negative.as_str(), CARD),
        (
            "person without a card",
            of_nobody_with_a_card.as_str(),
            CARD,
        ),
        ("unlocked", unlocked.as_str(), CARD),
        ("confirmed", confirmed.as_str(), CARD),
        ("no tries left", exhausted.as_str(), CARD),
    ];
    let mut seen: Vec<String> = Vec::new();
    for (left, (what, cun, card)) in (0..30_u32).rev().zip(cases) {
        let reply = desk.ask(&Message::verification(DESK, card, cun));
        assert_eq!(told(&reply), ("9999", vec!["3001"]), "{what}");
        let text = reply.texts()[0].to_owned();
        assert!(text.contains(&left.to_string()), "{what}: {text}");
        // But for its own number of attempts.
        seen.push(reply.but_for_itself().replace(&left.to_string(), "#"));
        assert_eq!(seen[0], *seen.last().unwrap(), "{what}");
    }
}

#[test]
fn who_may_not_ask_is_told_so_and_nothing_is_counted() {
    let chain = Chain::start_with(&[("CALL_CENTER__OPERATOR_FAILURES_PER_HOUR", "1")]);
    let cun = chain.positive();
    let mut desk = chain.desk();
    for (operator, code) in [
        (STRANGER, "2011"),
        ("RSSMRA80A01H501U", "2011"),
        (DISABLED, "2012"),
    ] {
        for _ in 0..3 {
            let reply = desk.ask(&Message::verification(operator, "11111111", &cun));
            assert_eq!(told(&reply), ("9999", vec![code]));
        }
    }
    // A region has a certificate too.
    let reply = chain.region().ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(told(&reply), ("9999", vec!["2001"]));
    chain.verified(&cun);
}

#[test]
fn mistakes_are_told_at_once_each_with_its_element_and_none_is_a_guess() {
    let chain = Chain::start_with(&[("CALL_CENTER__OPERATOR_FAILURES_PER_HOUR", "1")]);
    let mut desk = chain.desk();
    let wrong = Message::verification("VRDGPP62D15L219A", "1234567", "CUN-59FU36KR45")
        .with("tipoAutenticazione", "XX");
    for _ in 0..3 {
        let reply = desk.ask(&wrong);
        assert_eq!(told(&reply), ("9999", vec!["1012", "1203", "1521", "1502"]));
        assert_eq!(
            reply.values("campo").collect::<Vec<_>>(),
            [
                "tipoAutenticazione",
                "codiceFiscaleOperatore",
                "numeroTesseraSanitaria",
                "cun"
            ]
        );
        for value in ["VRDGPP62D15L219A", "1234567", "59FU36KR45"] {
            assert!(!reply.0.text().contains(value));
        }
    }
    chain.verified(&chain.positive());
}

#[test]
fn an_operators_failures_end_its_attempts_and_nobody_elses() {
    let chain = Chain::start_with(&[("CALL_CENTER__OPERATOR_FAILURES_PER_HOUR", "3")]);
    let cun = chain.positive();
    let mut desk = chain.desk();
    let mut guess = |operator: &str| {
        let reply = desk.ask(&Message::verification(operator, "11111111", UNKNOWN));
        (told(&reply).1[0].to_owned(), reply.texts()[0].to_owned())
    };
    for left in ["2", "1", "0"] {
        let (code, text) = guess(DESK);
        assert_eq!(code, "3001");
        assert!(text.contains(left), "{text}");
        // What succeeds is not counted.
        if left != "0" {
            chain.verified(&cun);
        }
    }
    assert_eq!(guess(DESK).0, "2201");
    let right = chain.desk().ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(told(&right), ("9999", vec!["2201"]));
    assert_eq!(guess(COLLEAGUE).0, "3001");
    chain.verified_by(COLLEAGUE, &cun);
    // Not even a restart gives them back.
    let chain = chain.restart(&[("CALL_CENTER__OPERATOR_FAILURES_PER_HOUR", "3")]);
    let right = chain.desk().ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(told(&right), ("9999", vec!["2201"]));
}

#[test]
fn a_call_centres_failures_end_its_attempts_and_no_other_call_centres() {
    let chain = Chain::start_with(&[("CALL_CENTER__CALLER_FAILURES_PER_HOUR", "2")]);
    let cun = chain.positive();
    let mut desk = chain.desk();
    for operator in [DESK, COLLEAGUE] {
        let reply = desk.ask(&Message::verification(operator, CARD, UNKNOWN));
        assert_eq!(told(&reply), ("9999", vec!["3001"]));
    }
    let reply = desk.ask(&Message::verification(DESK, CARD, &cun));
    assert_eq!(told(&reply), ("9999", vec!["2202"]));
    let mut other = chain.desk_of(OTHER_CALL_CENTRE);
    let reply = other.ask(&Message::verification(STRANGER, CARD, &cun));
    assert_eq!(told(&reply), ("0000", vec![]));
}

#[test]
fn one_operator_does_not_use_a_cun_up_and_the_end_of_one_is_told_without_naming_anybody() {
    let chain = Chain::start_with(&[("CALL_CENTER__CODE_FAILURES_IN_LIFE", "5")]);
    let cun = chain.positive();
    let mut desk = chain.desk();
    let mut fail = |operator: &str, code: &str| {
        let reply = desk.ask(&Message::verification(operator, "11111111", code));
        let text = reply.texts()[0].to_owned();
        (
            told(&reply).1[0].to_owned(),
            reply.transaction().to_owned(),
            text,
        )
    };
    // Alike for a code that is there and for one that is not.
    let mut refusals = Vec::new();
    for code in [&cun, UNKNOWN] {
        for _ in 0..3 {
            assert_eq!(fail(DESK, code).0, "3001");
        }
        let (outcome, _, text) = fail(DESK, code);
        assert_eq!(outcome, "2203");
        assert!(text.contains("altro operatore"), "{text}");
        refusals.push(text);
    }
    assert_eq!(refusals[0], refusals[1]);
    // Not even the right card, not even after a restart; another operator may.
    let right = Message::verification(DESK, CARD, &cun);
    assert_eq!(told(&chain.desk().ask(&right)), ("9999", vec!["2203"]));
    chain.verified_by(COLLEAGUE, &cun);
    assert_eq!(fail(COLLEAGUE, &cun).0, "3001");
    let line = "has used up the verifications";
    assert!(!chain.installation.log().contains(line));
    let (_, transaction, _) = fail(COLLEAGUE, &cun);
    let log = chain.installation.log();
    let lines: Vec<&str> = log.lines().filter(|text| text.contains(line)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines[0].contains(&transaction) && lines[0].contains("CCC1"),
        "{log}"
    );
    for secret in [&cun[4..], DESK, COLLEAGUE] {
        assert!(!log.contains(secret), "{log}");
    }
    // Further failures of it are told like any other, and are no news.
    assert_eq!(fail(COLLEAGUE, &cun).0, "3001");
    let lines = chain.installation.log();
    assert_eq!(lines.matches(line).count(), 1);
    // An administrator gives the code its tries back, from each operator.
    let installation = &chain.installation;
    installation.admin_with_input(&["cun", "forgive"], &cun);
    chain.verified(&cun);
}

#[test]
fn a_hundred_guesses_at_once_are_no_more_than_one_after_another() {
    let chain = Chain::start();
    let cun = chain.positive();
    let codes: Vec<String> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..20)
            .map(|_| {
                let mut desk = chain.desk_of(CALL_CENTRE);
                let message = Message::verification(DESK, "11111111", &cun);
                scope.spawn(move || {
                    (0..5)
                        .map(|_| told(&desk.ask(&message)).1[0].to_owned())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        guesses
            .into_iter()
            .flat_map(|guess| guess.join().unwrap())
            .collect()
    });
    let checked = codes.iter().filter(|code| *code == "3001").count();
    let refused = codes.iter().filter(|code| *code == "2203").count();
    assert_eq!((checked, refused), (3, 97));
}
