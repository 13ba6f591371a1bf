//! The ring's file: a few lines of text, replaced whole.
//!
//! ```text
//! sistema-ts key ring 1
//! day 2026-11-24
//! state 64 hexadecimal digits
//! check 16 hexadecimal digits: the first 8 bytes of SHA-256 over the lines before
//! ```
//!
//! A ring that was renewed has a `day` and a `state` for each of its parts, in the order of their days, and the number 2 in its first line.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::{digest, hkdf, rand};
use chrono::NaiveDate;
use zeroize::{Zeroize, Zeroizing};

use super::error::KeyError;
use crate::durable;
use crate::permissions::check_secret_file;

const HEADER: &str = "sistema-ts key ring 1";
/// The first line of a ring of several parts, which a program that knows rings of one alone must not take for one of those.
const HEADER_OF_PARTS: &str = "sistema-ts key ring 2";
/// A ring has one part, two from a renewal on until its old keys are gone, and one more for each repair.
const MOST_PARTS: usize = 8;
/// No ring is longer; what is longer is another file.
const LONGEST_FILE: u64 = 1024;
const STATE_LEN: usize = 32;

/// The state of one day, from which that day's key and all later states follow.
#[derive(Clone)]
pub(super) struct RingState {
    pub(super) day: NaiveDate,
    secret: Zeroizing<[u8; STATE_LEN]>,
}

struct StateLength;

impl hkdf::KeyType for StateLength {
    fn len(&self) -> usize {
        STATE_LEN
    }
}

impl RingState {
    pub(super) fn random(day: NaiveDate) -> Result<RingState, KeyError> {
        let mut secret = Zeroizing::new([0; STATE_LEN]);
        rand::fill(secret.as_mut()).map_err(|_| KeyError::Crypto)?;
        Ok(RingState { day, secret })
    }

    /// The state of `day`, which must not be before this one's.
    pub(super) fn advanced_to(&self, day: NaiveDate) -> Result<RingState, KeyError> {
        let mut state = RingState {
            day: self.day,
            secret: self.secret.clone(),
        };
        while state.day < day {
            let next = state.day.succ_opt().ok_or(KeyError::Crypto)?;
            state = RingState {
                day: next,
                secret: state.expand(&format!("sistema-ts ratchet {next}"))?,
            };
        }
        Ok(state)
    }

    /// 32 bytes derived from this state for one purpose.
    pub(super) fn expand(&self, purpose: &str) -> Result<Zeroizing<[u8; STATE_LEN]>, KeyError> {
        let mut derived = Zeroizing::new([0; STATE_LEN]);
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, self.secret.as_ref())
            .expand(&[purpose.as_bytes()], StateLength)
            .and_then(|okm| okm.fill(derived.as_mut()))
            .map_err(|_| KeyError::Crypto)?;
        Ok(derived)
    }

    /// The state of `day`, into which fresh entropy is mixed: whoever knows the state of a day before cannot derive it.
    pub(super) fn renewed_on(&self, day: NaiveDate) -> Result<RingState, KeyError> {
        let before = self.advanced_to(day)?;
        let fresh = RingState::random(day)?;
        let mut secret = Zeroizing::new([0; STATE_LEN]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, fresh.secret.as_ref())
            .extract(before.secret.as_ref())
            .expand(
                &[format!("sistema-ts renewal {day}").as_bytes()],
                StateLength,
            )
            .and_then(|okm| okm.fill(secret.as_mut()))
            .map_err(|_| KeyError::Crypto)?;
        Ok(RingState { day, secret })
    }
}

/// What the file holds: a part for each beginning, in the order of their days. A part's keys end where the next one begins; the first is the
/// oldest that is still needed.
#[derive(Clone)]
pub(super) struct RingParts(Vec<RingState>);

impl RingParts {
    pub(super) fn of(state: RingState) -> RingParts {
        RingParts(vec![state])
    }

    /// The oldest day whose key can still be derived.
    pub(super) fn oldest(&self) -> NaiveDate {
        // A ring is made of one part, read with one at least, and never loses its last.
        self.0.first().map_or(NaiveDate::MAX, |part| part.day)
    }

    /// The days on which a part after the first begins.
    pub(super) fn renewals(&self) -> impl Iterator<Item = NaiveDate> + use<'_> {
        self.0.iter().skip(1).map(|part| part.day)
    }

    /// The part that gives a day's key; none for a day before the oldest.
    pub(super) fn part_of(&self, day: NaiveDate) -> Option<&RingState> {
        self.0.iter().rev().find(|part| part.day <= day)
    }

    /// The ring without the keys before `oldest`.
    pub(super) fn advanced_to(&self, oldest: NaiveDate) -> Result<RingParts, KeyError> {
        let Some(first) = self.part_of(oldest) else {
            return Ok(self.clone());
        };
        let later = self.0.iter().filter(|part| part.day > oldest);
        let mut parts = vec![first.advanced_to(oldest)?];
        parts.extend(later.cloned());
        Ok(RingParts(parts))
    }

    /// The ring with one more part, which must begin on a day on which none does.
    pub(super) fn with(&self, part: RingState) -> Result<RingParts, KeyError> {
        if self.0.len() >= MOST_PARTS {
            return Err(KeyError::TooManyParts);
        }
        let mut parts = self.0.clone();
        parts.push(part);
        parts.sort_by_key(|part| part.day);
        Ok(RingParts(parts))
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize));
        text.push_str(if self.0.len() == 1 {
            HEADER
        } else {
            HEADER_OF_PARTS
        });
        text.push('\n');
        for part in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "day {}\nstate ", part.day);
            push_hex(&mut text, part.secret.as_ref());
            text.push('\n');
        }
        let check = digest::digest(&digest::SHA256, text.as_bytes());
        text.push_str("check ");
        push_hex(&mut text, &check.as_ref()[..8]);
        text.push('\n');
        text
    }

    pub(super) fn parse(text: &str) -> Result<RingParts, &'static str> {
        let body_len = text.find("check ").ok_or("its check line is missing")?;
        let (body, check) = text.split_at(body_len);
        let expected = digest::digest(&digest::SHA256, body.as_bytes());
        let mut expected_text = String::with_capacity(24);
        push_hex(&mut expected_text, &expected.as_ref()[..8]);
        if check.trim_end().strip_prefix("check ") != Some(expected_text.as_str()) {
            return Err("its check line does not fit: it was changed or cut");
        }
        let mut lines = body.lines().peekable();
        let most = match lines.next() {
            Some(HEADER) => 1,
            Some(HEADER_OF_PARTS) => MOST_PARTS,
            _ => return Err("it does not begin with the header of a key ring"),
        };
        let mut parts: Vec<RingState> = Vec::with_capacity(MOST_PARTS);
        while lines.peek().is_some() {
            let day = lines
                .next()
                .and_then(|line| line.strip_prefix("day "))
                .and_then(|day| day.parse().ok())
                .ok_or("its day is not a date")?;
            let secret = lines
                .next()
                .and_then(|line| line.strip_prefix("state "))
                .and_then(parse_hex)
                .ok_or("its state is not 64 hexadecimal digits")?;
            if parts.len() == most || parts.last().is_some_and(|last| last.day >= day) {
                return Err("its parts are too many or not in the order of their days");
            }
            parts.push(RingState { day, secret });
        }
        if parts.is_empty() {
            return Err("its day is not a date");
        }
        Ok(RingParts(parts))
    }
}

/// How long a command waits for a server that drops old keys, which takes it milliseconds.
pub(super) const PATIENCE_OF_COMMANDS: Duration = Duration::from_secs(5);
/// Between two looks at a lock that another process has.
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Keeps other processes from replacing the ring until it is dropped: a server drops old keys while a command renews. Waits no longer than
/// `patience`: who has the lock may have been stopped.
pub(super) fn lock(path: &Path, patience: Duration) -> Result<File, KeyError> {
    let began = Instant::now();
    let lock = durable::with_suffix(path, ".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(|error| io_error(&lock, "locked", error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => {
                std::thread::sleep(LOCK_LOOK_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(KeyError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&lock, "locked", error)),
        }
    }
}

pub(super) fn create(path: &Path, state: &RingParts) -> Result<(), KeyError> {
    let created = durable::write_new(path, state.to_text().as_bytes());
    created_as_new(path, created.and_then(|_| durable::sync_folder(path)))
}

/// The same of a ring that was made elsewhere: after a crash there is none, or the whole of it.
pub(super) fn put(path: &Path, state: &RingParts) -> Result<(), KeyError> {
    created_as_new(path, durable::put_bytes(path, state.to_text().as_bytes()))
}

/// What came of making a ring's file where there was to be none.
fn created_as_new(path: &Path, created: std::io::Result<()>) -> Result<(), KeyError> {
    created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::RingExists {
            path: path.to_owned(),
        },
        _ => io_error(path, "written", error),
    })
}

pub(super) fn load(path: &Path) -> Result<RingParts, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(KeyError::RingMissing {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(io_error(path, "read", error)),
    };
    check_secret_file(path)?;
    // Room for the whole file at once, so that no smaller buffer with a copy of the secret is left behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize + 1));
    file.take(LONGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| io_error(path, "read", error))?;
    RingParts::parse(&text).map_err(|what| KeyError::RingInvalid {
        path: path.to_owned(),
        what,
    })
}

/// Puts `state` in the place of the ring at `path`, durably: after a crash there is either the old ring or the new one. The old
/// file's bytes are overwritten once the new one is safe. A link stays: what is replaced is the file that it leads to.
pub(super) fn replace(path: &Path, state: &RingParts) -> Result<(), KeyError> {
    let result = (|| {
        let real = std::fs::canonicalize(path)?;
        let mut old = OpenOptions::new().write(true).open(&real)?;
        durable::replace_bytes(&real, state.to_text().as_bytes())?;
        durable::overwrite(&mut old)
    })();
    result.map_err(|error| io_error(path, "written", error))
}

fn io_error(path: &Path, action: &'static str, source: std::io::Error) -> KeyError {
    KeyError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
}

fn parse_hex(text: &str) -> Option<Zeroizing<[u8; STATE_LEN]>> {
    let mut bytes = Zeroizing::new([0_u8; STATE_LEN]);
    let digits = text.as_bytes();
    if digits.len() != 2 * STATE_LEN {
        bytes.zeroize();
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}
