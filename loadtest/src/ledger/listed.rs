//! What a listing named, in a file of its own: 24 bytes a test, in the listing's order.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sistema_ts_model::Cun;

use super::LedgerError;

const RECORD: usize = 24;
const NO_CUN: u64 = u64::MAX;

/// A test as a listing has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// `identificativoTest`; `None` if it is no CUN.
    pub cun: Option<Cun>,
    /// `dataInserimento` as a number, `20261127`; 0 if it is no date.
    pub day: u32,
    /// `esitoTest`: whether it is `P`.
    pub positive: bool,
}

/// One listing, from its first page to its last, as it was read.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The caller that asked for it.
    pub caller: u16,
    /// The callers whose tests are in it: the caller itself, and of a region the structures.
    pub covers: Vec<u16>,
    /// Whether it was read before the run: what is in it was there already.
    pub is_before: bool,
    /// How many requests had left when it was asked for: what was settled before that is in it.
    pub began_at: u64,
    path: PathBuf,
    /// How many tests it has.
    count: u64,
}

impl Listing {
    /// How many tests it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn failed(&self, cause: std::io::Error) -> LedgerError {
        LedgerError::File {
            path: self.path.clone(),
            cause,
        }
    }

    /// Its tests in their order; with each the time that [`Times::note`] wrote there.
    pub(super) fn tests(&self) -> Result<Tests, LedgerError> {
        let file = File::open(&self.path).map_err(|cause| self.failed(cause))?;
        Ok(Tests {
            listing: self.clone(),
            file: BufReader::with_capacity(64 * 1024, file),
        })
    }

    /// Where times are written beside the tests.
    pub(super) fn times(&self) -> Result<Times, LedgerError> {
        let file = File::options().write(true).open(&self.path);
        file.map(Times).map_err(|cause| self.failed(cause))
    }
}

/// A listing while it is being read.
pub struct ListingWriter {
    listing: Listing,
    file: BufWriter<File>,
}

impl ListingWriter {
    /// Begins a listing in a new file.
    pub fn create(path: &Path, listing: NewListing) -> Result<Self, LedgerError> {
        let NewListing {
            caller,
            covers,
            is_before,
            began_at,
        } = listing;
        let listing = Listing {
            caller,
            covers,
            is_before,
            began_at,
            path: path.to_owned(),
            count: 0,
        };
        match File::create_new(path) {
            Ok(file) => Ok(Self {
                listing,
                file: BufWriter::with_capacity(64 * 1024, file),
            }),
            Err(cause) => Err(listing.failed(cause)),
        }
    }

    /// Adds the next test.
    pub fn push(&mut self, test: Listed) -> Result<(), LedgerError> {
        let number = test.cun.map_or(NO_CUN, Cun::number);
        let day_and_result = u64::from(test.day) | u64::from(test.positive) << 32;
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&number.to_le_bytes());
        record[8..16].copy_from_slice(&day_and_result.to_le_bytes());
        self.listing.count += 1;
        self.file
            .write_all(&record)
            .map_err(|cause| self.listing.failed(cause))
    }

    /// Ends it.
    pub fn finish(mut self) -> Result<Listing, LedgerError> {
        match self.file.flush() {
            Ok(()) => Ok(self.listing),
            Err(cause) => Err(self.listing.failed(cause)),
        }
    }
}

/// What is known of a listing before it is read: see [`Listing`].
#[derive(Debug, Clone)]
pub struct NewListing {
    /// The caller that asks for it.
    pub caller: u16,
    /// The callers whose tests are in it.
    pub covers: Vec<u16>,
    /// Whether it is read before the run.
    pub is_before: bool,
    /// How many requests have left when it is asked for.
    pub began_at: u64,
}

pub(super) struct Times(File);

impl Times {
    /// Writes a time beside the test at this place.
    pub(super) fn note(&self, place: u64, millis: i64) -> std::io::Result<()> {
        self.0
            .write_all_at(&millis.to_le_bytes(), place * RECORD as u64 + 16)
    }
}

pub(super) struct Tests {
    listing: Listing,
    file: BufReader<File>,
}

impl Iterator for Tests {
    /// The test, and the time that was noted beside it: 0 for none.
    type Item = Result<(Listed, i64), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = [0; RECORD];
        match self.file.read_exact(&mut record) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(cause) => return Some(Err(self.listing.failed(cause))),
        }
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[at..at + 8]);
            bytes
        };
        let day_and_result = u64::from_le_bytes(word(8));
        let listed = Listed {
            cun: Cun::from_number(u64::from_le_bytes(word(0))),
            day: day_and_result as u32,
            positive: day_and_result >> 32 != 0,
        };
        Some(Ok((listed, i64::from_le_bytes(word(16)))))
    }
}
