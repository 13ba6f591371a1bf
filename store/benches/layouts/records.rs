//! Synthetic records: the n-th is always the same, so that a reader can ask for any of them without a list.

/// One swab as the writer gets it: digests, keyed hashes and sealed fields were made before, by the front's threads.
#[derive(Clone, Copy)]
pub struct Record {
    /// Place in the order of arrival, from 1; the row's key, and the order of a listing.
    pub sequence: i64,
    /// The CUN's number, below 25⁹.
    pub cun: i64,
    /// First eight bytes of the SHA-256 of the CUN: the index's key.
    pub key: u64,
    /// Milliseconds since the epoch.
    pub inserted_at: i64,
    /// 14 % are positive.
    pub positive: bool,
    /// Packed region, ASL and structure.
    pub structure: i64,
    /// Keyed hash of the fiscal code under the day key.
    pub tag: [u8; 16],
    /// Stands for the sealed fiscal code: nonce, 16 bytes, tag.
    pub sealed: [u8; 44],
}

/// Record days of 1.5 million: `inserted_at` advances so that the days of a long run differ.
const MILLIS_PER_RECORD_DAY: i64 = 86_400_000 / 1_500_000;

impl Record {
    /// The record number `sequence`. With a seed of its own for each field, all fields look random.
    pub fn nth(sequence: i64) -> Record {
        let seed = sequence as u64;
        let cun = (mix(seed ^ 0x5eed) % 25u64.pow(9)) as i64;
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&mix(seed ^ 0x7a6).to_le_bytes());
        tag[8..].copy_from_slice(&mix(seed ^ 0x7a7).to_le_bytes());
        let mut sealed = [0; 44];
        for (index, chunk) in sealed.chunks_mut(8).enumerate() {
            chunk.copy_from_slice(
                &mix(seed ^ (0x5ea1 + ((index as u64) << 40))).to_le_bytes()[..chunk.len()],
            );
        }
        Record {
            sequence,
            cun,
            key: mix(cun as u64 ^ 0xd16e_5700),
            inserted_at: 1_643_000_000_000 + sequence * MILLIS_PER_RECORD_DAY,
            positive: mix(seed ^ 0x905) % 100 < 14,
            structure: (mix(seed ^ 0x57) % 10_000) as i64 * 1_000_000,
            tag,
            sealed,
        }
    }

    /// First eight bytes of the tag, the patients' index key when that index is late.
    pub fn tag_key(&self) -> u64 {
        u64::from_le_bytes([
            self.tag[0],
            self.tag[1],
            self.tag[2],
            self.tag[3],
            self.tag[4],
            self.tag[5],
            self.tag[6],
            self.tag[7],
        ])
    }
}

/// SplitMix64's finaliser: a bijection whose output passes for random.
pub fn mix(value: u64) -> u64 {
    let mut z = value
        .wrapping_add(0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
