//! What the tests of a CUN's life share: synthetic people, callers and sessions, and short ways to apply a step.
#![allow(dead_code, clippy::unwrap_used)]

use sistema_ts_model::{
    CUN_LIFE_MILLIS, CallCenterCode, Caller, ClaimId, CodiceFiscale, Life, Moment, NewClaim,
    Origin, Presenter, RegionCode, Session, SessionId, Step, TestResult, Timestamp,
};
use uuid::Uuid;

/// The permitted clock error of these tests, in milliseconds.
pub const CLOCK_ERROR: i64 = 500;
/// How long the relay may try, in milliseconds.
pub const RELAY: i64 = 10_000;
/// How long a session lives, in milliseconds.
pub const SESSION_LIFE: i64 = 30 * 60 * 1_000;

/// When the CUN of these tests was issued.
pub fn issue() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_123).unwrap()
}

/// So many milliseconds after the issue.
pub fn at(millis: i64) -> Moment {
    Moment {
        now: issue().plus_millis(millis),
        clock_error_millis: CLOCK_ERROR,
    }
}

/// The CUN's end, in milliseconds after the issue.
pub const END: i64 = CUN_LIFE_MILLIS;

pub fn region() -> Caller {
    Caller::Region(RegionCode::parse("010").unwrap())
}

pub fn other_region() -> Caller {
    Caller::Region(RegionCode::parse("190").unwrap())
}

/// Two call centres; one has the longest code there is.
pub fn call_centre(which: usize) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(["CC-IMMUNI-1", "CALL_CENTRE.TWO2"][which]).unwrap())
}

pub fn operator(which: usize) -> CodiceFiscale {
    CodiceFiscale::parse(["RSSMRA80A01H501U", "VRDLGI75C10F205Q"][which]).unwrap()
}

pub fn origin(result: TestResult) -> Origin {
    Origin {
        issued_at: issue(),
        result,
        submitter: region(),
    }
}

pub fn positive() -> Origin {
    origin(TestResult::Positive)
}

/// An operator at a call centre, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desk {
    pub operator: usize,
    pub call_centre: usize,
}

impl Desk {
    pub const FIRST: Desk = Desk {
        operator: 0,
        call_centre: 0,
    };
    pub const COLLEAGUE: Desk = Desk {
        operator: 1,
        call_centre: 0,
    };
    pub const ELSEWHERE: Desk = Desk {
        operator: 1,
        call_centre: 1,
    };

    /// Calls `act` as this desk's operator.
    pub fn speaks<T>(self, act: impl FnOnce(Presenter<'_>) -> T) -> T {
        let (operator, caller) = (operator(self.operator), call_centre(self.call_centre));
        act(Presenter {
            operator: &operator,
            caller: &caller,
        })
    }

    /// The session number `number`, opened at this desk at `moment`.
    pub fn opens(self, number: u128, origin: &Origin, moment: Moment) -> Session {
        let id = SessionId::from_uuid(Uuid::from_u128(number));
        self.speaks(|presenter| Session::open(&id, presenter, origin, moment.now, SESSION_LIFE))
    }
}

/// A claim at `moment` with the relay's usual deadline.
pub fn new_claim(number: u64, moment: Moment) -> NewClaim {
    NewClaim {
        id: ClaimId(number),
        deadline: moment.now.plus_millis(RELAY),
    }
}

/// Applies a step to the row, as a store would, by way of its bytes; gives the answer.
pub fn apply<Answer>(row: &mut Life, step: Step<Answer>) -> Answer {
    if let Some(next) = step.write {
        assert_ne!(next, *row, "a write that changes nothing");
        *row = through_bytes(&next);
    }
    step.answer
}

/// The life as a store would read it again.
pub fn through_bytes(life: &Life) -> Life {
    let bytes = life.encode();
    assert_eq!(
        bytes.is_none(),
        life.is_untouched(),
        "only an untouched life has no bytes"
    );
    let length = bytes.as_ref().map_or(0, Vec::len);
    assert!(length <= 121, "{length} bytes for a life");
    let read = Life::decode(bytes.as_deref()).unwrap();
    assert_eq!(read, *life);
    read
}
