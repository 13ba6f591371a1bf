//! The ring's file: four lines of text, replaced whole.
//!
//! ```text
//! sistema-ts key ring 1
//! day 2026-11-24
//! state 64 hexadecimal digits
//! check 16 hexadecimal digits: the first 8 bytes of SHA-256 over the lines before
//! ```

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::{digest, hkdf, rand};
use chrono::NaiveDate;
use zeroize::{Zeroize, Zeroizing};

use super::KeyError;

const HEADER: &str = "sistema-ts key ring 1";
/// No ring is longer; what is longer is another file.
const LONGEST_FILE: u64 = 1024;
const STATE_LEN: usize = 32;

/// The state of one day, from which that day's key and all later states follow.
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

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256));
        // Writing to a String cannot fail.
        let _ = write!(text, "{HEADER}\nday {}\nstate ", self.day);
        push_hex(&mut text, self.secret.as_ref());
        text.push('\n');
        let check = digest::digest(&digest::SHA256, text.as_bytes());
        text.push_str("check ");
        push_hex(&mut text, &check.as_ref()[..8]);
        text.push('\n');
        text
    }

    fn parse(text: &str) -> Result<RingState, &'static str> {
        let body_len = text.find("check ").ok_or("its check line is missing")?;
        let (body, check) = text.split_at(body_len);
        let expected = digest::digest(&digest::SHA256, body.as_bytes());
        let mut expected_text = String::with_capacity(24);
        push_hex(&mut expected_text, &expected.as_ref()[..8]);
        if check.trim_end().strip_prefix("check ") != Some(expected_text.as_str()) {
            return Err("its check line does not fit: it was changed or cut");
        }
        let mut lines = body.lines();
        if lines.next() != Some(HEADER) {
            return Err("it does not begin with the header of a key ring");
        }
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
        Ok(RingState { day, secret })
    }
}

pub(super) fn create(path: &Path, state: &RingState) -> Result<(), KeyError> {
    let mut file = match new_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(KeyError::RingExists {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(io_error(path, "written", error)),
    };
    file.write_all(state.to_text().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(|error| io_error(path, "written", error))
}

pub(super) fn load(path: &Path) -> Result<RingState, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(KeyError::RingMissing {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(io_error(path, "read", error)),
    };
    // Room for the whole file at once, so that no smaller buffer with a copy of the secret is left behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize + 1));
    file.take(LONGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| io_error(path, "read", error))?;
    RingState::parse(&text).map_err(|what| KeyError::RingInvalid {
        path: path.to_owned(),
        what,
    })
}

/// Puts `state` in the place of the ring at `path`, durably: after a crash there is either the old ring or the new one. The old
/// file's bytes are overwritten once the new one is safe.
pub(super) fn replace(path: &Path, state: &RingState) -> Result<(), KeyError> {
    let fresh = fresh_path(path);
    let result = (|| {
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = new_file(&fresh)?;
        file.write_all(state.to_text().as_bytes())?;
        file.sync_all()?;
        let mut old = OpenOptions::new().write(true).open(path)?;
        std::fs::rename(&fresh, path)?;
        sync_folder(path)?;
        let length = old.metadata()?.len().min(LONGEST_FILE);
        old.rewind()?;
        old.write_all(&vec![0; length as usize])?;
        old.sync_all()
    })();
    result.map_err(|error| io_error(path, "written", error))
}

fn new_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn fresh_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
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
