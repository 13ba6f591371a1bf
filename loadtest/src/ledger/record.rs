//! What a ledger holds of a request: what it is about to ask, and what became of it.

use std::num::NonZeroU32;

use sistema_ts_model::{Cun, Timestamp};

/// What a request asks for, or what happened beside the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// `invioEsecuzioneTest`
    Submit = 1,
    /// `annullamentoEsecuzioneTest`
    Cancel = 2,
    /// `elencoTestEffettuati`
    List = 3,
    /// `verificaPositivita`
    Verify = 4,
    /// `sbloccoCodiceImmuni`
    Unlock = 5,
    /// `confermaSbloccoImmuni` with `C`
    Confirm = 6,
    /// `confermaSbloccoImmuni` with `A`
    Annul = 7,
    /// `invioCodiceOtp`
    SendCode = 8,
    /// No request: the caller was revoked or disabled, which the server knows by now, and each later request of it must be refused.
    Revoked = 9,
    /// No request: the caller is admitted again, which the server knows by now, and no later request of it may be refused as a stranger's.
    Admitted = 10,
    /// No request: whether the caller is admitted is about to change, and until the next mark its requests may be served or refused.
    Changing = 11,
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::Submit,
        Self::Cancel,
        Self::List,
        Self::Verify,
        Self::Unlock,
        Self::Confirm,
        Self::Annul,
        Self::SendCode,
        Self::Revoked,
        Self::Admitted,
        Self::Changing,
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether it is a request, and not a mark beside the requests.
    pub(super) const fn is_request(self) -> bool {
        !matches!(self, Self::Revoked | Self::Admitted | Self::Changing)
    }
}

/// Why a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// It is part of the load.
    Load = 0,
    /// It repeats an earlier one with the same key and the same content.
    Replay = 1,
    /// It reads back what was answered, while the run lasts.
    Probe = 2,
    /// It belongs to the sweep after the run.
    Sweep = 3,
}

impl Purpose {
    pub(super) fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Load,
            1 => Self::Replay,
            2 => Self::Probe,
            _ => Self::Sweep,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Answered as done: it must be so from now on.
    Done = 1,
    /// Answered as not done, or never sent: it must have had no effect.
    Refused = 2,
    /// No answer, or one that says that it is not known: it may have been done or not, but not by half.
    Unknown = 3,
}

impl Class {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Unknown]
            .into_iter()
            .find(|class| *class as u8 == byte)
    }

    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What a request is about to ask. It holds numbers alone: people, operators and keys are made from theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// What it asks for.
    pub kind: Kind,
    /// Why.
    pub purpose: Purpose,
    /// Number of the caller in the scenario.
    pub caller: u16,
    /// Number of the operator, where the service has one.
    pub operator: u16,
    /// Number of the made-up person.
    pub person: u32,
    /// Whether a submission is that of a positive.
    pub positive: bool,
    /// Number of the receipt key (`identificativoRichiesta`), unique within caller and service.
    pub key: Option<NonZeroU32>,
    /// Whether the content differs, on purpose, from what this key was first sent with: it must be refused.
    pub altered: bool,
    /// The CUN that it is about, where it is known beforehand.
    pub cun: Option<Cun>,
    /// [`session_mark`] of the `idVerificaTampone` that it shows; 0 without one.
    pub session: u32,
}

impl Intent {
    /// Of a kind, by a caller, as part of the load, and nothing more.
    #[must_use]
    pub const fn new(kind: Kind, caller: u16) -> Self {
        Self {
            kind,
            purpose: Purpose::Load,
            caller,
            operator: 0,
            person: 0,
            positive: false,
            key: None,
            altered: false,
            cun: None,
            session: 0,
        }
    }
}

/// What became of a request, as far as the rules need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Done, refused or unknown.
    pub class: Class,
    /// HTTP status; 0 if nothing was answered.
    pub status: u16,
    /// `esito` as a number; `None` without one.
    pub outcome: Option<u16>,
    /// The first code of `listaErrori`, or that of a fault, as a number; 0 without one.
    pub finding: u16,
    /// The CUN of `identificativoTransazione`, if it is one.
    pub cun: Option<Cun>,
    /// `dataOra`; with a receipt it is that of the first answer.
    pub data_ora: Option<Timestamp>,
    /// [`session_mark`] of the `idVerificaTampone` that was answered; 0 without one.
    pub session: u32,
}

/// Codes that say that it is not known whether the request was carried out.
const UNKNOWN_CODES: [u16; 3] = [5005, 8003, 8004];
/// The code of a fault of the server before which nothing was done.
const NOTHING_DONE: u16 = 8002;

impl Settlement {
    /// Sent, and never answered: the connection broke, or the answer did not come in time.
    pub const UNANSWERED: Self = Self {
        class: Class::Unknown,
        status: 0,
        outcome: None,
        finding: 0,
        cun: None,
        data_ora: None,
        session: 0,
    };

    /// Never sent: not one byte of it left.
    pub const UNSENT: Self = Self {
        class: Class::Refused,
        ..Self::UNANSWERED
    };

    /// Of an answer: its class follows from HTTP status, `esito` and the first code of `listaErrori` or of the fault.
    ///
    /// `0000` and `0001` are done. `9999` is refused, unless its code says that the outcome is unknown. Without `esito`, a status
    /// below 500 and 503 are refused, and any other is unknown unless its code says that nothing was done.
    #[must_use]
    pub fn answered(status: u16, outcome: Option<[u8; 4]>, finding: u16) -> Self {
        let outcome = outcome.and_then(|outcome| std::str::from_utf8(&outcome).ok()?.parse().ok());
        let is_refusal = |code| (6000..8000).contains(&code) || code == NOTHING_DONE;
        let class = match outcome {
            Some(0 | 1) if status == 200 => Class::Done,
            _ if UNKNOWN_CODES.contains(&finding) => Class::Unknown,
            Some(9999) if status == 200 => Class::Refused,
            None if status == 503 || (400..500).contains(&status) => Class::Refused,
            None if status == 500 && is_refusal(finding) => Class::Refused,
            _ => Class::Unknown,
        };
        Self {
            class,
            status,
            outcome,
            finding,
            ..Self::UNANSWERED
        }
    }
}

/// Bits of a session's mark.
const SESSION_BITS: u32 = 24;

/// What a ledger remembers of an `idVerificaTampone`: 24 bits, never 0, enough to tell the few sessions of one CUN apart, and
/// useless for whoever would use the session.
#[must_use]
pub fn session_mark(session: &[u8]) -> u32 {
    (crc32c::crc32c(session) >> (32 - SESSION_BITS)).max(1)
}

/// A request with what became of it, as the ledger's file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub id: super::RequestId,
    /// When it was about to leave, in milliseconds since the ledger's beginning.
    pub left_ms: u32,
    /// What it asked.
    pub intent: Intent,
    /// What became of it; `None` if the harness did not live to see it, which is unknown.
    pub settled: Option<Settlement>,
    /// How many requests had left when it was settled: those from this place on left after its answer was there.
    /// [`u64::MAX`] as long as it is not settled.
    pub settled_before: u64,
}

impl Entry {
    /// Its class: without a settlement it is unknown.
    #[must_use]
    pub fn class(&self) -> Class {
        self.settled
            .map_or(Class::Unknown, |settlement| settlement.class)
    }

    /// What was answered, if it was done.
    #[must_use]
    pub fn done(&self) -> Option<&Settlement> {
        self.settled
            .as_ref()
            .filter(|settlement| settlement.class == Class::Done)
    }

    /// How a violation is told: by the number of its request, since codes and people are nobody's business.
    pub(super) fn example(&self) -> String {
        format!(
            "request {} of caller {}, {:.3} s after the beginning",
            self.id.0,
            self.intent.caller,
            f64::from(self.left_ms) / 1000.0
        )
    }
}

#[cfg(test)]
mod tests {
    //! A failure: an answer gets another class than the table of outcomes and faults says.

    use super::*;

    #[test]
    fn an_answer_is_done_refused_or_unknown_as_the_table_of_outcomes_says() {
        let class = |status, outcome: Option<&[u8; 4]>, finding| {
            Settlement::answered(status, outcome.copied(), finding).class
        };
        assert_eq!(class(200, Some(b"0000"), 0), Class::Done);
        assert_eq!(class(200, Some(b"0001"), 4001), Class::Done);
        assert_eq!(class(200, Some(b"9999"), 1201), Class::Refused);
        assert_eq!(class(200, Some(b"9999"), 5005), Class::Unknown);
        assert_eq!(class(200, None, 0), Class::Unknown);
        for (status, code) in [(503, 8001), (503, 0), (401, 6002), (400, 6001), (408, 6005)] {
            assert_eq!(class(status, None, code), Class::Refused);
        }
        for code in [6021, 6022, 7204, 8002] {
            assert_eq!(class(500, None, code), Class::Refused);
        }
        for code in [8003, 8004, 0] {
            assert_eq!(class(500, None, code), Class::Unknown);
        }
        assert_eq!(class(502, None, 0), Class::Unknown);
    }
}
