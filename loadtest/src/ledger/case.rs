//! What there is to judge, and what the parts of a judgement share.

use std::collections::{HashMap, HashSet};

use super::Books;
use super::listed::Listing;

/// Codes, or keys, that one pass holds at about the most: some 50 MB.
const IN_ONE_PASS: u64 = 250_000;

/// A caller as the rules need it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallerFacts {
    /// Whether nobody else submits for this caller while the run lasts, so that its listings hold nothing but what was there before
    /// and what was sent.
    pub exclusive: bool,
}

/// What there is to judge.
pub struct Case<'c> {
    /// The books.
    pub books: &'c Books,
    /// The callers, by their numbers.
    pub callers: &'c [CallerFacts],
    /// The listings that were read before the run and after it.
    pub listings: &'c [Listing],
}

/// One pass of several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    number: u64,
    of: u64,
}

impl Pass {
    pub(super) fn all(items: u64) -> impl Iterator<Item = Self> {
        let of = items.div_ceil(IN_ONE_PASS).max(1);
        (0..of).map(move |number| Self { number, of })
    }

    /// Whether what has this number is looked at in this pass.
    pub(super) fn takes(self, number: u64) -> bool {
        // A multiplication spreads numbers that follow each other.
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % self.of == self.number
    }
}

impl Case<'_> {
    pub(super) fn is_exclusive(&self, caller: u16) -> bool {
        self.callers
            .get(usize::from(caller))
            .is_some_and(|facts| facts.exclusive)
    }
}

/// What is small and needed throughout.
#[derive(Default)]
pub(super) struct Overview {
    /// Done, refused, unknown.
    pub(super) classes: [u64; 3],
    pub(super) with_key: u64,
    pub(super) with_code: u64,
    /// Submissions of each caller that are unknown for ever: at most so many tests that nobody was told of may be listed.
    pub(super) unknown: HashMap<u16, u64>,
    /// People for whom an ASL sent a code, or may have: their CUNs may be used up without a word.
    pub(super) sent_codes_to: HashSet<u32>,
    /// By listing: tests that nobody was told of.
    pub(super) strays: HashMap<usize, u64>,
}
