//! One record of the ledger: 64 bytes, of which the first half is written before the request leaves and the second half when
//! it is known what became of it.
//!
//! The halves have checks of their own, so that a record that was being written when the harness died is told from a whole one.

use std::num::NonZeroU32;

use sistema_ts_model::{Cun, Timestamp};

use super::{Class, Intent, Kind, Purpose, Settlement};

/// Bytes of a record.
pub(super) const RECORD: usize = 64;
/// Bytes of each of its halves.
pub(super) const HALF: usize = RECORD / 2;

/// 2020-01-01T00:00:00Z in milliseconds: `dataOra` is kept in the 40 bits from there, up to the year 2054.
const EPOCH: i64 = 1_577_836_800_000;
const FORTY_BITS: u64 = (1 << 40) - 1;
const CUN_BITS: u32 = 42;

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
    //! A failure: a record reads otherwise than it was written, or one that is torn passes.

    use super::super::session_mark;
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
