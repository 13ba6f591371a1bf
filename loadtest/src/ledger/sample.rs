//! Read-backs while the run lasts: a part of what was answered is asked for again with its key, within a stated budget.

use super::{Class, Intent, Kind, Purpose, Settlement};
use crate::callers::people::Numbers;

/// Answers among which the next read-back is drawn.
const REMEMBERED: usize = 1_024;

/// Draws read-backs. Its memory is fixed, and it allocates nothing after it was made.
#[derive(Debug)]
pub struct Sampler {
    /// Read-backs for each answer of the load.
    budget: f64,
    answers: u64,
    asked: u64,
    /// Submissions that may be remembered so far.
    seen: u64,
    remembered: Vec<Intent>,
    numbers: Numbers,
}

impl Sampler {
    /// Spends at most `budget` read-backs for each answer: 0.01 is one in a hundred.
    #[must_use]
    pub fn new(budget: f64, seed: u64) -> Self {
        Self {
            budget,
            answers: 0,
            asked: 0,
            seen: 0,
            remembered: Vec::with_capacity(REMEMBERED),
            numbers: Numbers::new(seed),
        }
    }

    /// Takes notice of an answer of the load.
    pub fn note(&mut self, intent: &Intent, settlement: &Settlement) {
        self.answers += 1;
        let is_worth_it = intent.kind == Kind::Submit
            && intent.key.is_some()
            && !intent.altered
            && settlement.class == Class::Done;
        if !is_worth_it {
            return;
        }
        self.seen += 1;
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(*intent);
        } else {
            // Every answer so far is as likely as any other to be remembered.
            let place = self.numbers.next() % self.seen;
            if let Some(old) = usize::try_from(place)
                .ok()
                .and_then(|place| self.remembered.get_mut(place))
            {
                *old = *intent;
            }
        }
    }

    /// The next read-back, if the budget has room for one.
    pub fn draw(&mut self) -> Option<Intent> {
        let allowed = self.answers as f64 * self.budget;
        if self.remembered.is_empty() || self.asked as f64 + 1.0 > allowed {
            return None;
        }
        self.asked += 1;
        let place = self.numbers.below(self.remembered.len());
        self.remembered.get(place).map(|intent| Intent {
            purpose: Purpose::Probe,
            ..*intent
        })
    }

    /// How many it drew.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    //! A failure: more read-backs than the budget, one of something else than an accepted submission with a key, or only of the
    //! run's beginning.

    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_part_of_all_accepted_submissions_with_keys_is_read_back() {
        let mut sampler = Sampler::new(0.01, 1);
        let accepted = Settlement::answered(200, Some(*b"0000"), 0);
        let refused = Settlement::answered(503, None, 8001);
        let mut late = 0;
        for number in 1..=100_000 {
            let submission = Intent {
                key: NonZeroU32::new(number),
                ..Intent::new(Kind::Submit, 1)
            };
            if number % 2 == 0 {
                sampler.note(&submission, &accepted);
            } else {
                sampler.note(&submission, &refused);
                sampler.note(&Intent::new(Kind::Submit, 1), &accepted);
            }
            while let Some(intent) = sampler.draw() {
                let key = intent.key.map_or(1, NonZeroU32::get);
                assert_eq!((key % 2, intent.purpose), (0, Purpose::Probe));
                late += u32::from(key > 50_000);
            }
        }
        assert_eq!(sampler.asked(), 1_500);
        // Of those drawn in the second half, about a third were sent there.
        assert!((100..700).contains(&late), "{late}");
    }
}
