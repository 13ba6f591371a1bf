//! Reads a ledger's file, whatever became of its writer.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use sistema_ts_model::Timestamp;

use super::encoding::{HALF, RECORD, decode_intent, decode_settlement};
use super::journal::began_at;
use super::segment::HEADER;
use super::{Entry, LedgerError, RequestId};

/// The books of a run, to be read. They are read from the beginning as often as needed, and never held in memory.
#[derive(Debug, Clone)]
pub struct Books {
    path: PathBuf,
    began: Timestamp,
}

impl Books {
    /// The books in a file that a [`Ledger`](super::Ledger) wrote, or still writes.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut header = [0; HEADER as usize];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(LedgerError::NotALedger(path.to_owned()));
            }
            Err(cause) => {
                return Err(LedgerError::File {
                    path: path.to_owned(),
                    cause,
                });
            }
        }
        let began = began_at(&header).ok_or_else(|| LedgerError::NotALedger(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            began,
        })
    }

    /// When the run began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// All entries in their order.
    ///
    /// A record that was never written whole is left out: the harness died before its request left, or a loss of power took the
    /// last second of the books. A settlement that was not written whole leaves its request unknown.
    pub fn entries(&self) -> Result<Entries, LedgerError> {
        let file = File::open(&self.path).map_err(|cause| self.failed(cause))?;
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header)
            .map_err(|cause| self.failed(cause))?;
        Ok(Entries {
            books: self.clone(),
            file,
            next: 0,
        })
    }

    fn failed(&self, cause: std::io::Error) -> LedgerError {
        LedgerError::File {
            path: self.path.clone(),
            cause,
        }
    }
}

/// The entries of a ledger: see [`Books::entries`].
pub struct Entries {
    books: Books,
    file: BufReader<File>,
    next: u64,
}

impl Iterator for Entries {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = [0; RECORD];
        loop {
            match self.file.read_exact(&mut record) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
                Err(cause) => return Some(Err(self.books.failed(cause))),
            }
            let id = RequestId(self.next);
            self.next += 1;
            let (first, second) = record.split_at(HALF);
            if let Some((left_ms, intent)) = decode_intent(first) {
                let settled = decode_settlement(second);
                return Some(Ok(Entry {
                    id,
                    left_ms,
                    intent,
                    settled: settled.map(|(_, settlement)| settlement),
                    settled_before: settled.map_or(u64::MAX, |(before, _)| u64::from(before)),
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: an intent or a settlement is missing from the file or reads as another, a half of a record counts as whole, or a
    //! file of something else is taken for a ledger.

    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::time::Instant;

    use super::super::segment::{RECORDS, offset};
    use super::super::{Class, Intent, Kind, Ledger, Settlement};
    use super::*;

    fn a_path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ledger");
        (folder, path)
    }

    fn entries(path: &Path) -> Vec<Entry> {
        let books = Books::open(path).unwrap();
        books.entries().unwrap().map(Result::unwrap).collect()
    }

    fn an_intent(number: u32) -> Intent {
        Intent {
            person: number,
            ..Intent::new(Kind::Submit, 1)
        }
    }

    #[test]
    fn what_was_written_is_read_while_the_ledger_is_still_open_and_after_it() {
        let (_folder, path) = a_path();
        let mut ledger = Ledger::create(&path).unwrap();
        let now = Instant::now();
        let first = ledger.intend(&an_intent(7), now).unwrap();
        let second = ledger.intend(&an_intent(8), now).unwrap();
        let accepted = Settlement::answered(200, Some(*b"0000"), 0);
        ledger.settle(second, &accepted).unwrap();
        let check = |entries: &[Entry]| {
            let persons: Vec<_> = entries.iter().map(|entry| entry.intent.person).collect();
            assert_eq!(persons, [7, 8]);
            assert_eq!((entries[0].id, entries[0].class()), (first, Class::Unknown));
            assert_eq!(entries[1].settled, Some(accepted));
        };
        check(&entries(&path));
        ledger.close().unwrap();
        check(&entries(&path));
    }

    #[test]
    fn a_run_longer_than_what_is_mapped_is_whole_and_late_answers_still_settle() {
        let (_folder, path) = a_path();
        let mut ledger = Ledger::create(&path).unwrap();
        let now = Instant::now();
        let count = 6 * RECORDS + 3;
        for number in 0..count {
            ledger
                .intend(&an_intent(u32::try_from(number).unwrap()), now)
                .unwrap();
        }
        assert_eq!(ledger.len(), count);
        // The first is of a segment that is not mapped any more.
        for id in [0, 3 * RECORDS, count - 1] {
            ledger
                .settle(RequestId(id), &Settlement::UNANSWERED)
                .unwrap();
        }
        ledger.close().unwrap();
        let entries = entries(&path);
        assert_eq!(entries.len() as u64, count);
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!(u64::from(entry.intent.person), number as u64);
            let number = number as u64;
            let settled = [0, 3 * RECORDS, count - 1].contains(&number);
            assert_eq!(entry.settled.is_some(), settled, "{number}");
        }
    }

    #[test]
    fn what_is_torn_is_left_out_and_the_rest_is_read() {
        let (_folder, path) = a_path();
        let mut ledger = Ledger::create(&path).unwrap();
        let now = Instant::now();
        for number in 0..4 {
            let id = ledger.intend(&an_intent(number), now).unwrap();
            ledger.settle(id, &Settlement::UNSENT).unwrap();
        }
        ledger.close().unwrap();
        let mut file = File::options().write(true).open(&path).unwrap();
        let mut damage = |at: u64| {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&[0xff]).unwrap();
        };
        damage(offset(1) + 10);
        damage(offset(3) + HALF as u64 + 10);
        let entries = entries(&path);
        let read: Vec<_> = entries
            .iter()
            .map(|entry| (entry.intent.person, entry.class()))
            .collect();
        let wanted = [
            (0, Class::Refused),
            (2, Class::Refused),
            (3, Class::Unknown),
        ];
        assert_eq!(read, wanted);
        // A file that was cut in the middle of a record, too.
        let cut = File::options().write(true).open(&path).unwrap();
        cut.set_len(offset(2) + 5).unwrap();
        assert_eq!(self::entries(&path).len(), 1);
    }

    #[test]
    fn another_file_is_no_ledger_and_an_existing_one_is_not_written_over() {
        let (_folder, path) = a_path();
        std::fs::write(&path, [b'x'; 10_000]).unwrap();
        assert!(matches!(
            Books::open(&path),
            Err(LedgerError::NotALedger(_))
        ));
        assert!(Ledger::create(&path).is_err());
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(
            Books::open(&path),
            Err(LedgerError::NotALedger(_))
        ));
    }
}
