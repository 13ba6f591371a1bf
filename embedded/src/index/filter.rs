//! A Bloom filter for the entries of one page, in blocks of one cache line.

/// Bytes of one page's filter: six cache lines for about 400 entries, some 7.6 bits for each.
pub(super) const FILTER_BYTES: usize = 384;
const BLOCK_BYTES: usize = 64;
const BLOCKS: u64 = (FILTER_BYTES / BLOCK_BYTES) as u64;
const PROBES: u32 = 5;

/// The block of a key, and the bits to set or test in it, nine of the number for each.
fn place(key: u64) -> (usize, u64) {
    // The leading bits are alike within a page: mix the trailing ones into all.
    let mixed = (key ^ (key >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let block = ((mixed >> 48) * BLOCKS) >> 16;
    (block as usize * BLOCK_BYTES, mixed)
}

fn bits(mixed: u64) -> impl Iterator<Item = (usize, u8)> {
    (0..PROBES).map(move |probe| {
        let bit = (mixed >> (probe * 9)) & 511;
        ((bit >> 3) as usize, 1u8 << (bit & 7))
    })
}

/// Notes a key.
pub(super) fn insert(filter: &mut [u8], key: u64) {
    let (block, mixed) = place(key);
    for (byte, bit) in bits(mixed) {
        filter[block + byte] |= bit;
    }
}

/// Whether the key may have been noted; `false` is certain.
pub(super) fn may_contain(filter: &[u8], key: u64) -> bool {
    let (block, mixed) = place(key);
    bits(mixed).all(|(byte, bit)| filter[block + byte] & bit != 0)
}
