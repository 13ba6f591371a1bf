//! The code and the sessions that the model of its life is about.

use sistema_ts_model::{
    CallCenterCode, Caller, CodiceFiscale, CodiceFiscaleOptions, Origin, Presenter, RegionCode,
    Session, SessionId, TestResult, Timestamp,
};

/// What never changes in a run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The code.
    pub origin: Origin,
    /// The sessions that unlock it.
    pub sessions: [Session; 2],
    operator: CodiceFiscale,
    caller: Caller,
}

/// So many milliseconds after the issue.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis_clamped(1_790_000_000_000).plus_millis(millis)
}

impl Setting {
    /// A positive code, and two sessions of one operator on it.
    pub fn new() -> Self {
        let options = CodiceFiscaleOptions::default();
        let operator = CodiceFiscale::parse_with("RSSMRA80A01H501U", options).unwrap();
        let caller = Caller::CallCenter(CallCenterCode::parse("CC-1").unwrap());
        let origin = Origin {
            issued_at: at(0),
            result: TestResult::Positive,
            submitter: Caller::Region(RegionCode::parse("010").unwrap()),
        };
        let session = |id| {
            let presenter = Presenter {
                operator: &operator,
                caller: &caller,
            };
            let id = SessionId::parse(id).unwrap();
            Session::open(&id, presenter, &origin, at(0), 1_800_000)
        };
        Self {
            sessions: [
                session("4b1f6f6e-3f0e-4c57-9d0b-0a6c1d2e3f01"),
                session("4b1f6f6e-3f0e-4c57-9d0b-0a6c1d2e3f02"),
            ],
            origin,
            operator,
            caller,
        }
    }

    /// Who speaks in every request.
    pub fn presenter(&self) -> Presenter<'_> {
        Presenter {
            operator: &self.operator,
            caller: &self.caller,
        }
    }
}
