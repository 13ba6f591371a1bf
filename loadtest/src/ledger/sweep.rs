//! After the run: what is unknown is settled by repeating it with its key, a part of what was answered is asked for again, and all is
//! listed, by pages of two sizes.
//!
//! Everything that is asked stands in the ledger like the load itself, and is judged with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use super::listed::{Listed, Listing, ListingWriter, NewListing};
use super::{Books, Class, Entry, Intent, Kind, Ledger, LedgerError, Purpose, Settlement};

/// How often a request that stays unknown, or is turned away, is sent again.
const TRIES: usize = 5;

/// Requests in a row of which none was answered at any try: then the server is gone.
const SILENT: u32 = 2;

/// How the sweep reaches the server: over the same wire as the load, one request after the other.
pub trait Reach {
    /// Sends the request that the intent describes, and waits for what becomes of it.
    fn send(&mut self, intent: &Intent) -> Settlement;

    /// Reads the listing of a caller to its end and hands each test on, in its order. `maximum` is `massimoElementi`.
    /// A listing that could not be read to its end is told as a text.
    fn list(
        &mut self,
        caller: u16,
        maximum: Option<u32>,
        test: &mut dyn FnMut(Listed),
    ) -> Result<(), String>;
}

/// A caller that is asked for a listing.
#[derive(Debug, Clone)]
pub struct Lister {
    /// Its number.
    pub caller: u16,
    /// The callers whose tests are in its listing: itself, and of a region the structures.
    pub covers: Vec<u16>,
}

/// What the sweep asks for.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Who is asked for listings.
    pub listers: Vec<Lister>,
    /// `massimoElementi` of the listing that is read by small pages.
    pub page: u32,
    /// How many keys of answered and of refused requests are sent again, each: spread evenly over the run.
    pub repeats: u64,
    /// How many confirmed and unlocked CUNs are verified again. A server counts these as failed attempts, so they are few.
    pub verifications: usize,
    /// Where the listings are kept, in files of their own.
    pub folder: PathBuf,
}

/// Why the sweep did not come to its end, so that nothing can be said of the truth.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The ledger or the file of a listing failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The server does not answer any more.
    #[error("the server answers no more, so that what it answered cannot be asked for again")]
    Gone,
    /// A listing could not be read to its end.
    #[error("the listing of caller {caller} could not be read: {reason}")]
    Listing {
        /// Whose.
        caller: u16,
        /// Why, at the last try.
        reason: String,
    },
}

impl Sweep {
    /// Reads what is there before the run, of each lister.
    pub fn before(
        &self,
        ledger: &Ledger,
        reach: &mut dyn Reach,
    ) -> Result<Vec<Listing>, SweepError> {
        let read = |lister| self.read(ledger, reach, lister, None, "before");
        self.listers.iter().map(read).collect()
    }

    /// Settles, asks again and lists. `books` are those of `ledger`.
    pub fn after(
        &self,
        ledger: &mut Ledger,
        books: &Books,
        reach: &mut dyn Reach,
    ) -> Result<Vec<Listing>, SweepError> {
        let outline = Outline::read(books, ledger.len())?;
        let mut silent = 0;
        self.repeat(ledger, books, reach, &mut silent, &outline)?;
        for intent in outline.taken.iter().take(self.verifications) {
            ask(ledger, reach, &mut silent, intent)?;
        }
        let mut listings = Vec::new();
        for lister in &self.listers {
            if outline.revoked.contains(&lister.caller) {
                continue;
            }
            for (maximum, name) in [(None, "after"), (Some(self.page), "after-by-pages")] {
                listings.push(self.read(ledger, reach, lister, maximum, name)?);
            }
        }
        Ok(listings)
    }

    /// Sends requests with keys again: all that are unknown, and a part of the others.
    fn repeat(
        &self,
        ledger: &mut Ledger,
        books: &Books,
        reach: &mut dyn Reach,
        silent: &mut u32,
        outline: &Outline,
    ) -> Result<(), SweepError> {
        let step = |count: u64| count.div_ceil(self.repeats.max(1)).max(1);
        let steps = outline.with_key.map(step);
        let mut seen = [0; 3];
        for entry in books.entries()? {
            let entry = entry?;
            if entry.id.0 >= outline.entries {
                break;
            }
            if !is_repeatable(&entry) || outline.revoked.contains(&entry.intent.caller) {
                continue;
            }
            let class = entry.class() as usize - 1;
            let is_due = entry.class() == Class::Unknown
                || (self.repeats > 0 && seen[class] % steps[class] == 0);
            seen[class] += 1;
            if is_due {
                ask(ledger, reach, silent, &entry.intent)?;
            }
        }
        Ok(())
    }

    fn read(
        &self,
        ledger: &Ledger,
        reach: &mut dyn Reach,
        lister: &Lister,
        maximum: Option<u32>,
        name: &str,
    ) -> Result<Listing, SweepError> {
        let is_before = name == "before";
        let mut reason = String::new();
        for attempt in 0..TRIES {
            let new = NewListing {
                caller: lister.caller,
                covers: lister.covers.clone(),
                is_before,
                began_at: ledger.len(),
            };
            let file = format!("listing-{name}-{}-{attempt}", lister.caller);
            let mut writer = ListingWriter::create(&self.folder.join(file), new)?;
            let mut kept = Ok(());
            let read = reach.list(lister.caller, maximum, &mut |test| {
                if kept.is_ok() {
                    kept = writer.push(test);
                }
            });
            kept?;
            match read {
                Ok(()) => return Ok(writer.finish()?),
                Err(why) => reason = why,
            }
        }
        Err(SweepError::Listing {
            caller: lister.caller,
            reason,
        })
    }
}

fn is_repeatable(entry: &Entry) -> bool {
    let intent = &entry.intent;
    intent.key.is_some() && !intent.altered && matches!(intent.kind, Kind::Submit | Kind::Cancel)
}

/// Asks once, and again while the answer is missing or says that the server is busy. `silent` counts the requests in a row without an answer.
fn ask(
    ledger: &mut Ledger,
    reach: &mut dyn Reach,
    silent: &mut u32,
    intent: &Intent,
) -> Result<(), SweepError> {
    let intent = Intent {
        purpose: Purpose::Sweep,
        ..*intent
    };
    *silent += 1;
    for _ in 0..TRIES {
        let id = ledger.intend(&intent, Instant::now())?;
        let settlement = reach.send(&intent);
        ledger.settle(id, &settlement)?;
        if settlement.class != Class::Unknown || settlement.status != 0 {
            *silent = 0;
        }
        let is_open = settlement.class == Class::Unknown || settlement.status == 503;
        if !is_open {
            break;
        }
    }
    if *silent >= SILENT {
        return Err(SweepError::Gone);
    }
    Ok(())
}

/// What one reading of the books tells the sweep.
struct Outline {
    /// How many there were: what the sweep adds is not swept.
    entries: u64,
    /// Requests with keys: done, refused, unknown.
    with_key: [u64; 3],
    /// Callers that are revoked at the end, or of which it is not known whether they are.
    revoked: BTreeSet<u16>,
    /// Verifications of CUNs that were confirmed or unlocked, which must be refused.
    taken: Vec<Intent>,
}

impl Outline {
    fn read(books: &Books, entries: u64) -> Result<Self, LedgerError> {
        let mut outline = Self {
            entries,
            with_key: [0; 3],
            revoked: BTreeSet::new(),
            taken: Vec::new(),
        };
        // The last confirmation and the last unlock of each operator, so that nobody's attempts are used up.
        let mut taken = BTreeMap::new();
        for entry in books.entries()? {
            let entry = entry?;
            let intent = &entry.intent;
            match intent.kind {
                Kind::Revoked | Kind::Changing => {
                    outline.revoked.insert(intent.caller);
                }
                Kind::Admitted => {
                    outline.revoked.remove(&intent.caller);
                }
                Kind::Confirm | Kind::Unlock if entry.done().is_some() => {
                    let again = Intent {
                        kind: Kind::Verify,
                        session: 0,
                        ..*intent
                    };
                    taken.insert((intent.caller, intent.operator, intent.kind), again);
                }
                _ if is_repeatable(&entry) => {
                    outline.with_key[entry.class() as usize - 1] += 1;
                }
                _ => {}
            }
        }
        outline.taken = taken.into_values().collect();
        Ok(outline)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a sweep that goes on for as long as there are requests, although nobody answers any more.

    use std::num::NonZeroU32;

    use super::*;

    /// Answers every so many requests; 0 is never.
    struct Seldom {
        every: u32,
        sent: u32,
    }

    impl Reach for Seldom {
        fn send(&mut self, _: &Intent) -> Settlement {
            self.sent += 1;
            match self.every {
                0 => Settlement::UNANSWERED,
                every if self.sent.is_multiple_of(every) => {
                    Settlement::answered(200, Some(*b"0000"), 0)
                }
                _ => Settlement::UNANSWERED,
            }
        }

        fn list(
            &mut self,
            _: u16,
            _: Option<u32>,
            _: &mut dyn FnMut(Listed),
        ) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_server_that_answers_no_more_ends_the_sweep_and_a_slow_one_does_not() {
        for (every, most) in [(0, 10), (4, u32::MAX)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger");
            let mut ledger = Ledger::create(&path).unwrap();
            for key in 1..=100 {
                let intent = Intent {
                    key: NonZeroU32::new(key),
                    ..Intent::new(Kind::Submit, 0)
                };
                let id = ledger.intend(&intent, Instant::now()).unwrap();
                ledger.settle(id, &Settlement::UNANSWERED).unwrap();
            }
            let books = Books::open(&path).unwrap();
            let sweep = Sweep {
                listers: Vec::new(),
                page: 10,
                repeats: 10,
                verifications: 1,
                folder: folder.path().to_owned(),
            };
            let mut reach = Seldom { every, sent: 0 };
            let swept = sweep.after(&mut ledger, &books, &mut reach);
            match every {
                0 => assert!(matches!(swept, Err(SweepError::Gone))),
                _ => assert_eq!((swept.unwrap().len(), reach.sent), (0, 400)),
            }
            assert!(reach.sent <= most, "{}", reach.sent);
        }
    }
}
