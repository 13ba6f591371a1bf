//! Every CUN is equally likely: a million draws, by each of the two ways to draw, from a seeded generator and from the
//! system's own.
//!
//! Chi-square tests of: the symbol at each of the nine places, all symbols together, and each pair of neighbours (24,
//! 24 and 624 degrees of freedom). A failure is a probability of the result, were the draws uniform, below the bound.
//! Seeded, the bound is 1 in 100,000, and the outcome is always the same. With the system's generator it is 1 in 10¹²
//! for each of the 36 tests made: a false alarm once in 28 thousand million runs.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use rand::rngs::StdRng;
use rand::{CryptoRng, RngExt, SeedableRng, TryCryptoRng, TryRng};
use sistema_ts_model::{Cun, FirstSymbol};

const DRAWS: usize = 1_000_000;
const SORTED: &[u8; 25] = b"123456789AEFHIJKLQRSUWXYZ";

/// The probability that a chi-square of an even number of degrees of freedom is at least `statistic`: for these the
/// integral is a finite sum, exp(−x/2) Σ (x/2)ⁱ/i!, i < degrees/2.
fn tail(statistic: f64, degrees: u32) -> f64 {
    assert_eq!(degrees % 2, 0);
    let half = statistic / 2.0;
    let mut logarithm = -half;
    let mut sum = logarithm.exp();
    for i in 1..degrees / 2 {
        logarithm += (half / f64::from(i)).ln();
        sum += logarithm.exp();
    }
    sum
}

/// The same for counts that should all be equal.
fn probability(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let expected = total / counts.len() as f64;
    let statistic = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    tail(statistic, u32::try_from(counts.len() - 1).unwrap())
}

/// The least of the probabilities of all tests on the nine symbols of a million draws.
fn least_probability(mut draw: impl FnMut() -> [u8; 9]) -> f64 {
    let rank: [usize; 256] = std::array::from_fn(|byte| {
        SORTED
            .iter()
            .position(|symbol| usize::from(*symbol) == byte)
            .unwrap_or(usize::MAX)
    });
    let mut places = vec![[0_u32; 25]; 9];
    let mut neighbours = vec![[0_u32; 625]; 8];
    for _ in 0..DRAWS {
        let ranks = draw().map(|symbol| rank[usize::from(symbol)]);
        for (place, rank) in ranks.iter().enumerate() {
            places[place][*rank] += 1;
        }
        for (place, two) in ranks.windows(2).enumerate() {
            neighbours[place][two[0] * 25 + two[1]] += 1;
        }
    }
    let symbols: [u32; 25] =
        std::array::from_fn(|symbol| places.iter().map(|place| place[symbol]).sum());
    let of_places = places.iter().map(|counts| probability(counts));
    let of_neighbours = neighbours.iter().map(|counts| probability(counts));
    of_places
        .chain(of_neighbours)
        .chain([probability(&symbols)])
        .fold(1.0, f64::min)
}

fn symbols(cun: Cun) -> [u8; 9] {
    cun.to_text()[4..13].try_into().unwrap()
}

fn whole(rng: &mut impl CryptoRng) -> f64 {
    least_probability(|| symbols(Cun::random(rng)))
}

fn first_symbol_first(rng: &mut impl CryptoRng) -> f64 {
    least_probability(|| {
        let first = FirstSymbol::random(rng);
        let cun = Cun::random_with_first(first, rng);
        assert_eq!(cun.first_symbol(), first);
        symbols(cun)
    })
}

#[test]
fn seeded_draws_are_uniform() {
    let least =
        whole(&mut StdRng::seed_from_u64(3)).min(first_symbol_first(&mut StdRng::seed_from_u64(4)));
    assert!(least > 1e-5, "{least:e}");
}

#[test]
fn draws_of_the_system_are_uniform() {
    let least = whole(&mut rand::rng()).min(first_symbol_first(&mut rand::rng()));
    assert!(least > 1e-12, "{least:e}");
}

/// The tests can fail: they see what careless ways to draw would do.
#[test]
fn draws_by_a_remainder_or_that_repeat_a_neighbour_are_found_uneven() {
    let mut rng = StdRng::seed_from_u64(5);
    // A random byte modulo 25: 0 to 5 come in 11 of 256 cases, the others in 10.
    let modulo =
        least_probability(|| std::array::from_fn(|_| SORTED[usize::from(rng.random::<u8>()) % 25]));
    assert!(modulo < 1e-12, "{modulo:e}");
    // One place in a hundred repeats the symbol before it.
    let sticky = least_probability(|| {
        let mut symbols: [u8; 9] = std::array::from_fn(|_| SORTED[rng.random_range(0..25)]);
        if rng.random_range(0..100) == 0 {
            symbols[5] = symbols[4];
        }
        symbols
    });
    assert!(sticky < 1e-12, "{sticky:e}");
}

/// The closed form of the tail, against values of published tables.
#[test]
fn the_probabilities_of_published_tables_come_out() {
    for (statistic, degrees, expected) in
        [(36.415, 24, 0.05), (42.980, 24, 0.01), (51.179, 24, 0.001)]
    {
        let probability = tail(statistic, degrees);
        assert!(
            (probability / expected - 1.0).abs() < 0.001,
            "{statistic}: {probability}"
        );
    }
}

/// A generator that gives these numbers and no more.
struct Scripted(Vec<u64>);

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.remove(0))
    }

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("draws take 64 bits")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("draws take 64 bits")
    }
}

impl TryCryptoRng for Scripted {}

/// What is left over when 2⁶⁴ numbers are dealt to 25 symbols is rejected, so that each gets equally many: of the
/// numbers that go to one symbol the first is taken only if 25 times it exceeds its multiple of 2⁶⁴ by 16 (= 2⁶⁴ mod 25)
/// or more. A million draws would not show it.
#[test]
fn numbers_left_over_are_drawn_again() {
    let per_symbol = u64::MAX / 25;
    for symbol in 0..25_u64 {
        // The first number whose product with 25 is at least symbol × 2⁶⁴.
        let first = u64::try_from((u128::from(symbol) << 64).div_ceil(25)).unwrap();
        let excess = u128::from(first) * 25 - (u128::from(symbol) << 64);
        let taken_from = if excess < 16 { first + 1 } else { first };
        if excess < 16 {
            let mut rng = Scripted(vec![first, u64::MAX]);
            assert_eq!(FirstSymbol::random(&mut rng).index(), 24, "{symbol}");
            assert!(rng.0.is_empty());
        }
        for taken in [taken_from, taken_from + (per_symbol - 1)] {
            let mut rng = Scripted(vec![taken]);
            assert_eq!(FirstSymbol::random(&mut rng).index() as u64, symbol);
        }
        // The next number is the following symbol's, or its first and rejected.
        if symbol < 24 {
            let mut rng = Scripted(vec![taken_from + per_symbol, u64::MAX]);
            assert_ne!(FirstSymbol::random(&mut rng).index() as u64, symbol);
        } else {
            assert_eq!(taken_from + (per_symbol - 1), u64::MAX);
        }
    }
}
