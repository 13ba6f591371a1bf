//! A failure: a step goes on from nothing, from what another caller's or another step's answer gave, twice from the same, or a queue that grows
//! without bound.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use sistema_ts_model::{Clock as _, Cun, SystemClock};

use super::Steps;
use super::handover::QUEUE;
use crate::callers::people::{Numbers, fiscal_codes};
use crate::callers::{Caller, Callers, Credentials};
use crate::ledger::Class;
use crate::scenario::{CallerKind, Scenario, Step};
use crate::wire::reading::Reading;
use crate::wire::target::Target;

const REGION: u16 = 0;
const OTHER_REGION: u16 = 1;
const CALL_CENTER: u16 = 2;

const SCENARIO: &str = "name = \"test\"\nabout = \"A test.\"\npositive_percent = 50\n\
    [[callers]]\nname = \"regions\"\nkind = \"region\"\n[[callers]]\nname = \"desks\"\nkind = \"call-center\"\n\
    [[stream]]\nname = \"one\"\ncallers = \"regions\"\nconnections = 1\narrival = \"closed\"\nrequests = 1\n\
    mix = { submit = 1, replay = 1, cancel = 1 }\n\
    [[stream]]\nname = \"two\"\ncallers = \"desks\"\nconnections = 1\narrival = \"closed\"\nseconds = 1\n\
    mix = { verify = 1, unlock = 1, confirm = 1, annul = 1 }\n";

fn steps() -> Steps {
    let identity = crate::mirror::Identity::new().unwrap();
    let target = Target::nowhere(identity.authority).unwrap();
    let caller = |kind: CallerKind, name: &str| Caller {
        kind,
        name: name.into(),
        exclusive: true,
        target: target.clone(),
        credentials: Credentials::Certificate,
        structure: None,
        operator: None,
        operators: vec![*b"RSSMRA80A01H501U"],
    };
    let callers = Callers {
        all: vec![
            caller(CallerKind::Region, "010"),
            caller(CallerKind::Region, "020"),
            caller(CallerKind::CallCenter, "cc1"),
        ],
        groups: vec![],
        people: fiscal_codes(100, &mut Numbers::new(1)),
    };
    let scenario = Scenario::parse(Path::new("test"), SCENARIO.into()).unwrap();
    Steps::new(
        &scenario,
        Arc::new(callers),
        SystemClock.now().rome_day(),
        1,
    )
}

fn reading(cun: u64, session: Option<[u8; 36]>) -> Reading {
    Reading {
        status: 200,
        esito: Some(*b"0000"),
        finding: 0,
        cun: Cun::from_number(cun),
        data_ora: None,
        session,
    }
}

/// Submits until there is a test of this kind; its CUN.
fn submitted(steps: &mut Steps, caller: u16, is_wanted: impl Fn(&super::Work) -> bool) -> u64 {
    for cun in 1..1_000 {
        let work = steps.draft(Step::Submit, caller).unwrap();
        if is_wanted(&work) {
            steps.answered(&work, &reading(cun, None), Class::Done);
            return cun;
        }
    }
    panic!("no such submission among a thousand");
}

#[test]
fn a_step_that_goes_on_from_another_has_nothing_until_that_one_was_done_and_then_once() {
    let mut steps = steps();
    let going_on = [
        (Step::Replay, REGION),
        (Step::Cancel, REGION),
        (Step::Verify, CALL_CENTER),
        (Step::Unlock, CALL_CENTER),
        (Step::Confirm, CALL_CENTER),
        (Step::Annul, CALL_CENTER),
    ];
    let has_nothing = |steps: &mut Steps| {
        let mut drafts = going_on
            .iter()
            .map(|(step, caller)| steps.draft(*step, *caller));
        drafts.all(|draft| draft.is_none())
    };
    assert!(has_nothing(&mut steps));
    // What was refused or is unknown hands nothing on.
    let work = steps.draft(Step::Submit, REGION).unwrap();
    for class in [Class::Refused, Class::Unknown] {
        steps.answered(&work, &reading(1, None), class);
    }
    assert!(has_nothing(&mut steps));

    let cun = submitted(&mut steps, REGION, |work| work.positive);
    let verify = steps.draft(Step::Verify, CALL_CENTER).unwrap();
    assert_eq!(
        (verify.cun, verify.caller),
        (Cun::from_number(cun), CALL_CENTER)
    );
    assert!(has_nothing(&mut steps));
    let session = Some([b'7'; 36]);
    steps.answered(&verify, &reading(cun, session), Class::Done);
    assert!(steps.draft(Step::Confirm, CALL_CENTER).is_none());
    let unlock = steps.draft(Step::Unlock, CALL_CENTER).unwrap();
    assert_eq!((unlock.cun, unlock.session), (verify.cun, session));
    assert!(has_nothing(&mut steps));
    steps.answered(&unlock, &reading(cun, None), Class::Done);
    let annul = steps.draft(Step::Annul, CALL_CENTER).unwrap();
    assert!(has_nothing(&mut steps));
    // After an annulment the code can be verified again, and its session is over.
    steps.answered(&annul, &reading(cun, None), Class::Done);
    let again = steps.draft(Step::Verify, CALL_CENTER).unwrap();
    assert_eq!((again.cun, again.session), (verify.cun, None));
    assert!(has_nothing(&mut steps));
}

#[test]
fn a_region_repeats_and_cancels_what_it_has_submitted_itself() {
    let mut steps = steps();
    let to_cancel = |work: &super::Work| !work.positive && !work.number.is_multiple_of(2);
    let to_repeat = |work: &super::Work| !work.positive && work.number.is_multiple_of(2);
    let cun = submitted(&mut steps, REGION, to_cancel);
    assert!(steps.draft(Step::Cancel, OTHER_REGION).is_none());
    let cancel = steps.draft(Step::Cancel, REGION).unwrap();
    assert_eq!(cancel.cun, Cun::from_number(cun));
    assert!(steps.draft(Step::Cancel, REGION).is_none());
    submitted(&mut steps, OTHER_REGION, to_repeat);
    assert!(steps.draft(Step::Replay, REGION).is_none());
    // Whoever has lost an answer may send it again and again, always under its number.
    let [once, twice] = [(), ()].map(|()| steps.draft(Step::Replay, OTHER_REGION).unwrap());
    assert_eq!(once, twice);
}

#[test]
fn a_queue_that_nobody_takes_from_is_full_one_day() {
    let mut steps = steps();
    let work = steps.draft(Step::Submit, REGION).unwrap();
    let positive = super::Work {
        positive: true,
        ..work
    };
    for cun in 0..QUEUE as u64 + 10 {
        steps.answered(&positive, &reading(cun, None), Class::Done);
    }
    let verified = std::iter::from_fn(|| steps.draft(Step::Verify, CALL_CENTER));
    assert_eq!(verified.count(), QUEUE);
}
