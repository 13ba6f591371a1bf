//! `docs/life-of-a-cun.md` and the code say the same.
//!
//! Failure is: a table of the document that differs from what the state machine does in each situation on each event
//! (it is written anew by `UPDATE_DOCS=1 cargo test -p sistema-ts-model --test rules life_table`, to be read again by a
//! person); an arrow of its diagram that no event of the tables goes, or an event that goes no arrow.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use crate::life_support::*;
use sistema_ts_model::{
    ClaimId, Effect, Erasure, GivenSession, Life, Origin, PostOutcome, Session, Settlement, Step,
};

/// When the events of the tables happen, in milliseconds after the issue; the situations come about shortly before.
const NOW: i64 = 100_000;

/// Number of the claim that a situation holds, and of an older one.
const OWN: ClaimId = ClaimId(77);
const OLDER: ClaimId = ClaimId(11);

/// Session X is one of the first desk; Y a colleague's at the same call centre.
fn session_x(origin: &Origin) -> Session {
    Desk::FIRST.opens(1, origin, at(0))
}

fn session_y(origin: &Origin) -> Session {
    Desk::COLLEAGUE.opens(2, origin, at(0))
}

/// A row under construction.
struct Row(Life);

impl Row {
    fn claim(mut self, id: ClaimId) -> Row {
        let origin = positive();
        let moment = at(NOW - 1);
        let mut claim = new_claim(0, moment);
        claim.id = id;
        let session = session_x(&origin);
        let step = Desk::FIRST.speaks(|who| self.0.claim(&origin, &session, who, claim, moment));
        apply(&mut self.0, step).unwrap();
        self
    }

    fn claim_for_person(mut self) -> Row {
        let moment = at(NOW - 1);
        let mut claim = new_claim(0, moment);
        claim.id = OWN;
        let step = self.0.claim_for_person(&positive(), claim, moment);
        apply(&mut self.0, step).unwrap();
        self
    }

    fn settle(mut self, id: ClaimId) -> Row {
        let step = self
            .0
            .settle(&positive(), id, PostOutcome::Delivered, at(NOW - 1));
        assert_eq!(apply(&mut self.0, step), Settlement::Written);
        self
    }

    fn deliver(self) -> Row {
        self.claim(OLDER).settle(OLDER)
    }

    fn annul(mut self) -> Row {
        let step = Desk::FIRST.speaks(|who| self.0.annul(&positive(), None, who, at(NOW - 1)));
        assert_eq!(apply(&mut self.0, step), Ok(Effect::Done));
        self
    }

    fn confirm(mut self) -> Row {
        let step = Desk::FIRST.speaks(|who| self.0.confirm(&positive(), None, who, at(NOW - 1)));
        assert_eq!(apply(&mut self.0, step), Ok(Effect::Done));
        self
    }

    fn cancel(mut self) -> Row {
        let step = self.0.cancel(&positive(), &region(), at(NOW - 1));
        assert_eq!(apply(&mut self.0, step), Ok(Effect::Done));
        self
    }

    fn expire(mut self) -> Row {
        let step = self.0.catch_up(&positive(), at(END));
        apply(&mut self.0, step);
        self
    }
}

fn issued() -> Row {
    Row(Life::new())
}

fn main_situations() -> Vec<(&'static str, Life)> {
    vec![
        ("issued", issued().0),
        ("unlocking by X", issued().claim(OWN).0),
        ("unlocking by an ASL", issued().claim_for_person().0),
        ("unlocked by X", issued().deliver().0),
        ("consumed after X", issued().deliver().confirm().0),
        ("cancelled", issued().cancel().0),
        ("expired", issued().expire().0),
    ]
}

fn special_situations() -> Vec<(&'static str, Life)> {
    vec![
        ("issued, X annulled", issued().deliver().annul().0),
        (
            "issued, X annulled, three deliveries",
            issued().deliver().deliver().deliver().annul().0,
        ),
        ("unlocking by X again", issued().deliver().claim(OWN).0),
        (
            "unlocking by an ASL after X",
            issued().deliver().claim_for_person().0,
        ),
        (
            "unlocked by X, three deliveries",
            issued().deliver().deliver().deliver().0,
        ),
        (
            "consumed by an ASL, never unlocked",
            issued().claim_for_person().settle(OWN).0,
        ),
    ]
}

/// How a cell reads: what is answered, where the row goes, what is erased.
fn cell<Answer>(
    row: &Life,
    step: Step<Answer>,
    answer: impl FnOnce(Answer) -> String,
) -> (String, Life) {
    let mut text = answer(step.answer);
    let next = step.write.unwrap_or_else(|| row.clone());
    if next.state() != row.state() {
        text += &format!(" → **{}**", next.state().name());
    }
    match step.erase {
        Erasure::Nothing => {}
        Erasure::Session(digest) => {
            assert_eq!(digest, session_x(&positive()).digest);
            text += ", session erased";
        }
        Erasure::Everything => text += ", all erased",
    }
    (text, next)
}

fn effect<Refusal: Display>(answer: Result<Effect, Refusal>) -> String {
    match answer {
        Ok(Effect::Done) => "done".into(),
        Ok(Effect::AlreadyDone) => "already done".into(),
        Err(refusal) => format!("no: {refusal}"),
    }
}

fn granted<Granted, Refusal: Display>(answer: Result<Granted, Refusal>) -> String {
    answer.map_or_else(|refusal| format!("no: {refusal}"), |_| "granted".into())
}

fn settled(answer: Settlement) -> String {
    match answer {
        Settlement::Written => "written".into(),
        Settlement::Stale => "stale".into(),
    }
}

fn swept(answer: Effect) -> String {
    match answer {
        Effect::Done => "written".into(),
        Effect::AlreadyDone => "–".into(),
    }
}

type Event = (&'static str, fn(&Life, &Origin) -> (String, Life));

fn confirm(row: &Life, origin: &Origin, desk: Desk, given: Option<Session>) -> (String, Life) {
    let given = given.as_ref().map(|entry| GivenSession {
        digest: entry.digest,
        entry: Some(entry),
    });
    cell(
        row,
        desk.speaks(|who| row.confirm(origin, given, who, at(NOW))),
        effect,
    )
}

fn annul(row: &Life, origin: &Origin, desk: Desk, given: Option<Session>) -> (String, Life) {
    let given = given.as_ref().map(|entry| GivenSession {
        digest: entry.digest,
        entry: Some(entry),
    });
    cell(
        row,
        desk.speaks(|who| row.annul(origin, given, who, at(NOW))),
        effect,
    )
}

fn claim(
    row: &Life,
    origin: &Origin,
    desk: Desk,
    session: &Session,
    millis: i64,
) -> (String, Life) {
    let moment = at(millis);
    let claim = new_claim(500, moment);
    cell(
        row,
        desk.speaks(|who| row.claim(origin, session, who, claim, moment)),
        granted,
    )
}

fn settle(row: &Life, origin: &Origin, id: ClaimId, outcome: PostOutcome) -> (String, Life) {
    cell(row, row.settle(origin, id, outcome, at(NOW)), settled)
}

const EVENTS: [Event; 23] = [
    ("verification", |row, origin| {
        cell(row, row.open_session(origin, at(NOW)), granted)
    }),
    ("X claims", |row, origin| {
        claim(row, origin, Desk::FIRST, &session_x(origin), NOW)
    }),
    ("Y claims", |row, origin| {
        claim(row, origin, Desk::COLLEAGUE, &session_y(origin), NOW)
    }),
    ("X claims, presented by Y's operator", |row, origin| {
        claim(row, origin, Desk::COLLEAGUE, &session_x(origin), NOW)
    }),
    ("X claims, lapsed", |row, origin| {
        claim(row, origin, Desk::FIRST, &session_x(origin), SESSION_LIFE)
    }),
    ("an ASL claims for the person", |row, origin| {
        cell(
            row,
            row.claim_for_person(origin, new_claim(500, at(NOW)), at(NOW)),
            granted,
        )
    }),
    ("the claim settles: delivered", |row, origin| {
        settle(row, origin, OWN, PostOutcome::Delivered)
    }),
    ("the claim settles: unknown", |row, origin| {
        settle(row, origin, OWN, PostOutcome::Unknown)
    }),
    ("the claim settles: refused or not sent", |row, origin| {
        settle(row, origin, OWN, PostOutcome::NotDelivered)
    }),
    ("an older claim settles", |row, origin| {
        settle(row, origin, OLDER, PostOutcome::Delivered)
    }),
    ("the claim's holder counts as dead", |row, origin| {
        let dead = at(NOW - 1 + RELAY + CLOCK_ERROR);
        assert_eq!(
            row.state(),
            row.state_at(origin, at(NOW - 2 + RELAY + CLOCK_ERROR)),
            "not before"
        );
        cell(row, row.catch_up(origin, dead), swept)
    }),
    ("`C` without an id", |row, origin| {
        confirm(row, origin, Desk::FIRST, None)
    }),
    ("`C` without an id, by a colleague", |row, origin| {
        confirm(row, origin, Desk::COLLEAGUE, None)
    }),
    ("`C` with X", |row, origin| {
        confirm(row, origin, Desk::FIRST, Some(session_x(origin)))
    }),
    ("`C` with Y", |row, origin| {
        confirm(row, origin, Desk::COLLEAGUE, Some(session_y(origin)))
    }),
    ("`C` by another call centre", |row, origin| {
        confirm(row, origin, Desk::ELSEWHERE, None)
    }),
    ("`A` without an id", |row, origin| {
        annul(row, origin, Desk::FIRST, None)
    }),
    ("`A` with X", |row, origin| {
        annul(row, origin, Desk::FIRST, Some(session_x(origin)))
    }),
    ("`A` with Y", |row, origin| {
        annul(row, origin, Desk::COLLEAGUE, Some(session_y(origin)))
    }),
    ("`A` by another call centre", |row, origin| {
        annul(row, origin, Desk::ELSEWHERE, None)
    }),
    ("the submitter cancels", |row, origin| {
        cell(row, row.cancel(origin, &region(), at(NOW)), effect)
    }),
    ("somebody else cancels", |row, origin| {
        cell(row, row.cancel(origin, &other_region(), at(NOW)), effect)
    }),
    ("14 × 24 h have passed", |row, origin| {
        let early = row.state_at(origin, at(END - 1));
        assert_ne!(
            early.name(),
            if row.state().is_over() { "" } else { "expired" },
            "a millisecond before"
        );
        cell(row, row.catch_up(origin, at(END)), swept)
    }),
];

/// The table, and the pairs of states between which its events go.
fn table(situations: &[(&str, Life)]) -> (String, BTreeSet<(String, String)>) {
    let mut arrows = BTreeSet::new();
    let heads: Vec<&str> = situations.iter().map(|(name, _)| *name).collect();
    let mut text = format!(
        "| event | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for (event, apply_to) in EVENTS {
        let mut cells = vec![event.to_owned()];
        for (_, row) in situations {
            let (told, next) = apply_to(row, &positive());
            if next.state() != row.state() {
                arrows.insert((
                    row.state().name().to_owned(),
                    next.state().name().to_owned(),
                ));
            }
            cells.push(told);
        }
        text += &format!("| {} |\n", cells.join(" | "));
    }
    (text, arrows)
}

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/life-of-a-cun.md")
}

/// The part of the document between the two marks of this name.
fn between<'a>(document: &'a str, name: &str) -> &'a str {
    let (begin, end) = (
        format!("<!-- {name}: begin -->\n"),
        format!("<!-- {name}: end -->"),
    );
    let from = document
        .find(&begin)
        .unwrap_or_else(|| panic!("no mark {begin}"))
        + begin.len();
    let to = document
        .find(&end)
        .unwrap_or_else(|| panic!("no mark {end}"));
    &document[from..to]
}

#[test]
fn the_document_has_the_tables_of_the_code() {
    let mut document_text = std::fs::read_to_string(document()).unwrap();
    for (name, situations) in [
        ("main table", main_situations()),
        ("special table", special_situations()),
    ] {
        let (made, _) = table(&situations);
        let written = between(&document_text, name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let from = written.as_ptr() as usize - document_text.as_ptr() as usize;
            let range = from..from + written.len();
            document_text.replace_range(range, &made);
            std::fs::write(document(), &document_text).unwrap();
        } else {
            assert_eq!(written, made, "the {name} differs from the code");
        }
    }
}

#[test]
fn the_diagram_has_the_arrows_of_the_code() {
    let document_text = std::fs::read_to_string(document()).unwrap();
    let drawn: BTreeSet<(String, String)> = between(&document_text, "diagram")
        .lines()
        .filter_map(|line| line.split_once(':')?.0.split_once("-->"))
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .filter(|(from, to)| from != to)
        .collect();
    let (_, mut gone) = table(&main_situations());
    gone.extend(table(&special_situations()).1);
    gone.insert(("[*]".into(), "issued".into()));
    assert_eq!(drawn, gone);
}
