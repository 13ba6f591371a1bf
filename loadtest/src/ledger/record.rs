//! One record of the ledger: 64 bytes, of which the first half is written before the request leaves and the second half when
//! it is known what became of it.
//!
//! The halves have checks of their own, so that a record that was being written when the harness died is told from a whole one.

use std::num::NonZeroU32;

use sistema_ts_model::{Cun, Timestamp};

/// Bytes of a record.
pub(super) const RECORD: usize = 64;
/// Bytes of each of its halves.
pub(super) const HALF: usize = RECORD / 2;

/// 2020-01-01T00:00:00Z in milliseconds: `dataOra` is kept in the 40 bits from there, up to the year 2054.
const EPOCH: i64 = 1_577_836_800_000;
const FORTY_BITS: u64 = (1 << 40) - 1;
const SESSION_BITS: u32 = 24;
const CUN_BITS: u32 = 42;

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
    /// No request: the caller is admitted again.
    Admitted = 10,
}

impl Kind {
    const ALL: [Self; 10] = [
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
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
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
    fn from_bits(bits: u8) -> Self {
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
    fn from_byte(byte: u8) -> Option<Self> {
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
}

const POSITIVE: u8 = 1;
const ALTERED: u8 = 2;
const WITH_CUN: u8 = 4;
const PURPOSE_SHIFT: u32 = 4;

/// Bytes 4 and up of a half, behind its check.
struct Fields {
    half: [u8; HALF],
    at: usize,
}

impl Fields {
    fn new() -> Self {
        Self {
            half: [0; HALF],
            at: 4,
        }
    }

    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.half[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
        self
    }

    fn sealed(mut self) -> [u8; HALF] {
        let check = check(&self.half);
        self.half[..4].copy_from_slice(&check);
        self.half
    }

    /// `None` if the check is another one, as of a half that was never written whole.
    fn open(half: &[u8]) -> Option<Self> {
        let half = <[u8; HALF]>::try_from(half).ok()?;
        (half[..4] == check(&half)).then_some(Self { half, at: 4 })
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.half[self.at..self.at + N]);
        self.at += N;
        bytes
    }
}

/// Never that of a half of zeros, which stands where nothing was written.
fn check(half: &[u8; HALF]) -> [u8; 4] {
    (!crc32c::crc32c(&half[4..])).to_le_bytes()
}

pub(super) fn encode_intent(intent: &Intent, left_ms: u32) -> [u8; HALF] {
    let mut flags = (intent.purpose as u8) << PURPOSE_SHIFT;
    flags |= if intent.positive { POSITIVE } else { 0 };
    flags |= if intent.altered { ALTERED } else { 0 };
    flags |= if intent.cun.is_some() { WITH_CUN } else { 0 };
    let cun = intent.cun.map_or(0, Cun::number);
    Fields::new()
        .put([intent.kind as u8, flags])
        .put(intent.caller.to_le_bytes())
        .put(intent.person.to_le_bytes())
        .put(left_ms.to_le_bytes())
        .put(intent.key.map_or(0, NonZeroU32::get).to_le_bytes())
        .put((cun | u64::from(intent.operator) << 48).to_le_bytes())
        .put(intent.session.to_le_bytes())
        .sealed()
}

fn cun(number: u64) -> Option<Cun> {
    Cun::from_number(number & ((1 << CUN_BITS) - 1))
}

pub(super) fn decode_intent(half: &[u8]) -> Option<(u32, Intent)> {
    let mut fields = Fields::open(half)?;
    let [kind, flags] = fields.take();
    let caller = u16::from_le_bytes(fields.take());
    let person = u32::from_le_bytes(fields.take());
    let left_ms = u32::from_le_bytes(fields.take());
    let key = NonZeroU32::new(u32::from_le_bytes(fields.take()));
    let cun_and_operator = u64::from_le_bytes(fields.take());
    let intent = Intent {
        kind: Kind::from_byte(kind)?,
        purpose: Purpose::from_bits(flags >> PURPOSE_SHIFT),
        caller,
        operator: (cun_and_operator >> 48) as u16,
        person,
        positive: flags & POSITIVE != 0,
        key,
        altered: flags & ALTERED != 0,
        cun: if flags & WITH_CUN != 0 {
            cun(cun_and_operator)
        } else {
            None
        },
        session: u32::from_le_bytes(fields.take()),
    };
    Some((left_ms, intent))
}

const NO_OUTCOME: u16 = u16::MAX;

pub(super) fn encode_settlement(settlement: &Settlement, before: u32) -> [u8; HALF] {
    let cun = settlement.cun.map_or(0, Cun::number);
    // 0 stands for none; a time outside the range is brought to its nearer end.
    let data_ora = settlement.data_ora.map_or(0, |time| {
        u64::try_from(time.millis() - EPOCH).map_or(1, |millis| millis.clamp(1, FORTY_BITS))
    });
    let flags = if settlement.cun.is_some() {
        WITH_CUN
    } else {
        0
    };
    Fields::new()
        .put([settlement.class as u8, flags])
        .put(settlement.status.to_le_bytes())
        .put(settlement.outcome.unwrap_or(NO_OUTCOME).to_le_bytes())
        .put(settlement.finding.to_le_bytes())
        .put(before.to_le_bytes())
        .put(cun.to_le_bytes())
        .put((data_ora | u64::from(settlement.session) << 40).to_le_bytes())
        .sealed()
}

pub(super) fn decode_settlement(half: &[u8]) -> Option<(u32, Settlement)> {
    let mut fields = Fields::open(half)?;
    let [class, flags] = fields.take();
    let status = u16::from_le_bytes(fields.take());
    let outcome = u16::from_le_bytes(fields.take());
    let finding = u16::from_le_bytes(fields.take());
    let before = u32::from_le_bytes(fields.take());
    let number = u64::from_le_bytes(fields.take());
    let time_and_session = u64::from_le_bytes(fields.take());
    let data_ora = Some(time_and_session & FORTY_BITS)
        .filter(|millis| *millis != 0)
        .and_then(|millis| Timestamp::from_millis(millis as i64 + EPOCH));
    let settlement = Settlement {
        class: Class::from_byte(class)?,
        status,
        outcome: (outcome != NO_OUTCOME).then_some(outcome),
        finding,
        cun: if flags & WITH_CUN != 0 {
            cun(number)
        } else {
            None
        },
        data_ora,
        session: (time_and_session >> 40) as u32,
    };
    Some((before, settlement))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a record reads otherwise than it was written, one that is torn passes, or an answer gets another class than the
    //! table of outcomes and faults says.

    use super::*;

    fn an_intent() -> Intent {
        Intent {
            purpose: Purpose::Probe,
            operator: 65_535,
            person: 4_000_000_000,
            positive: true,
            key: NonZeroU32::new(7),
            altered: true,
            cun: Cun::from_number(sistema_ts_model::CUN_COUNT - 1),
            session: session_mark(b"a session"),
            ..Intent::new(Kind::Unlock, 65_535)
        }
    }

    fn a_settlement() -> Settlement {
        Settlement {
            cun: Cun::from_number(0),
            data_ora: Timestamp::from_millis(1_795_800_000_123),
            session: session_mark(b"another"),
            ..Settlement::answered(200, Some(*b"0001"), 4001)
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        for intent in [an_intent(), Intent::new(Kind::Submit, 0)] {
            let half = encode_intent(&intent, u32::MAX);
            assert_eq!(decode_intent(&half), Some((u32::MAX, intent)));
        }
        for kind in Kind::ALL {
            let half = encode_intent(&Intent::new(kind, 3), 1);
            assert_eq!(decode_intent(&half).unwrap().1.kind, kind);
        }
        for settlement in [
            a_settlement(),
            Settlement::UNANSWERED,
            Settlement::UNSENT,
            Settlement::answered(503, None, 8001),
        ] {
            let half = encode_settlement(&settlement, 5);
            assert_eq!(decode_settlement(&half), Some((5, settlement)));
        }
    }

    #[test]
    fn a_half_that_was_not_written_whole_is_none() {
        assert_eq!(decode_intent(&[0; HALF]), None);
        assert_eq!(decode_settlement(&[0; HALF]), None);
        let (intent, settlement) = (
            encode_intent(&an_intent(), 1),
            encode_settlement(&a_settlement(), 2),
        );
        for written in 0..HALF {
            let torn = |whole: &[u8; HALF]| {
                let mut half = [0; HALF];
                half[..written].copy_from_slice(&whole[..written]);
                half
            };
            // The last bytes may be zeros themselves.
            if torn(&intent) != intent {
                assert_eq!(decode_intent(&torn(&intent)), None, "{written}");
            }
            if torn(&settlement) != settlement {
                assert_eq!(decode_settlement(&torn(&settlement)), None, "{written}");
            }
        }
    }

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

    #[test]
    fn a_time_outside_the_range_is_brought_to_its_end_and_still_is_one() {
        for (millis, kept) in [
            (0, EPOCH + 1),
            (Timestamp::MAX.millis(), EPOCH + FORTY_BITS as i64),
        ] {
            let settlement = Settlement {
                data_ora: Timestamp::from_millis(millis),
                ..a_settlement()
            };
            let read = decode_settlement(&encode_settlement(&settlement, 0))
                .unwrap()
                .1;
            assert_eq!(read.data_ora.unwrap().millis(), kept);
        }
    }
}
