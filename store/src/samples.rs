//! Made-up people, structures, callers and tests: the one set that all tests and benchmarks of stores share.
#![allow(clippy::unwrap_used)]

use chrono::NaiveDate;
use sistema_ts_model::{
    CallCenterCode, Caller, CodiceFiscale, Contact, Cun, MobileNumber, RegionCode, RequestKey,
    Service, SessionId, StructureId, StructureReference, Swab, TestKind, TestResult, Timestamp,
    TransactionId,
};

use crate::register::{CredentialHash, NewUser, Profiles, UserId, Workplace};
use crate::{CancelTest, Confirmation, NewTest, Repeatable, ReservedCun, SubmissionAccess};

/// How long a session lives unless a check says otherwise: 30 minutes.
pub const SESSION_MILLIS: i64 = 30 * 60 * 1000;

/// The region of all made-up tests.
pub fn region() -> RegionCode {
    RegionCode::parse("010").unwrap()
}

/// That region as a caller.
pub fn region_caller() -> Caller {
    Caller::Region(region())
}

/// A structure of that region.
pub fn structure_id(code: u32) -> StructureId {
    StructureId::parse(&format!("010-101-{code:06}")).unwrap()
}

/// A call centre.
pub fn call_center(code: &str) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(code).unwrap())
}

/// The fiscal code of a made-up person: the letters say which.
pub fn fiscal_code(person: u32) -> CodiceFiscale {
    let letter = |place: u32| char::from(b'A' + (person / 26u32.pow(place) % 26) as u8);
    let body = format!(
        "{}{}{}{}XQ80A01H501",
        letter(0),
        letter(1),
        letter(2),
        letter(3)
    );
    let with_check = |check: u8| CodiceFiscale::parse(&format!("{body}{}", char::from(check)));
    (b'A'..=b'Z')
        .find_map(|check| with_check(check).ok())
        .expect("one check letter fits")
}

/// The fiscal code of an operator; no patient of these checks has it.
pub fn operator(number: u32) -> CodiceFiscale {
    fiscal_code(400_000 + number)
}

/// A mobile number; each person has their own.
pub fn contact(number: u32) -> Contact {
    Contact::Mobile(MobileNumber::parse(&format!("+39333{number:07}")).unwrap())
}

/// A request key with what a repetition must repeat.
pub fn repeatable(key: &str, content: &str) -> Option<Repeatable> {
    Some(Repeatable {
        key: RequestKey::parse(key).unwrap(),
        content: content.as_bytes().to_vec(),
    })
}

/// A made-up user of a structure that may submit, whose credential is nobody's password.
pub fn new_user(id: UserId, structure: StructureId) -> NewUser {
    NewUser {
        id,
        workplace: Workplace::Structure(structure),
        fiscal_code: fiscal_code(1),
        credential: CredentialHash::new("$argon2id$test"),
        expires_at: None,
        profiles: Profiles::NONE.with(Service::Submission),
    }
}

/// A swab of a made-up person. What a submission may leave out is left out.
pub fn swab(person: u32, result: TestResult, swab_date: NaiveDate) -> Swab {
    Swab {
        structure: StructureReference::Identifier(structure_id(1)),
        fiscal_code: fiscal_code(person),
        swab_date,
        kind: TestKind::Molecular,
        result,
        contact: None,
    }
}

/// A test of a made-up person by the region, to be recorded under a reserved code.
pub fn new_test(reserved: ReservedCun, person: u32, result: TestResult, now: Timestamp) -> NewTest {
    NewTest {
        reserved,
        caller: region_caller(),
        swab: swab(person, result, now.rome_day()),
        repeatable: None,
        access: SubmissionAccess {
            accessed_at: now,
            with_warnings: false,
        },
    }
}

/// The test with another swab.
pub fn with_swab(mut test: NewTest, change: impl FnOnce(&mut Swab)) -> NewTest {
    change(&mut test.swab);
    test
}

/// The cancellation of such a test by its submitter.
pub fn cancellation(cun: Cun, person: u32) -> CancelTest {
    CancelTest {
        cun,
        caller: region_caller(),
        structure: StructureReference::Identifier(structure_id(1)),
        fiscal_code: fiscal_code(person),
        transaction: TransactionId::random(),
        repeatable: None,
    }
}

/// The confirmation of an unlock by the first operator of a call centre.
pub fn confirmation(cun: Cun, session: Option<SessionId>) -> Confirmation {
    Confirmation {
        cun,
        session,
        operator: operator(1),
        caller: call_center("CC1"),
    }
}
