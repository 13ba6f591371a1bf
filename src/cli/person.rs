//! Reading what must not stand on a command line: codici fiscali, CUNs and credentials.

use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::Path;

use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions};
use zeroize::Zeroizing;

use super::error::AdminError;
use crate::plain_text::{single_value, text_of};

/// No file of credentials or of one codice fiscale is longer.
const LONGEST_INPUT: u64 = 4_096;

/// The codice fiscale of an operator, from a file or from standard input: never from the command line, where others would see it. It is read as
/// a person types or pastes it.
///
/// # Errors
/// Also if there is more than one line: whoever gives several means all of them.
pub(super) fn read_fiscal_code(file: Option<&Path>) -> Result<CodiceFiscale, AdminError> {
    let text = match file {
        Some(path) => read_file(path)?,
        None => read_input(
            "Codice fiscale of the operator",
            "the operator's codice fiscale",
        )?,
    };
    let [line] = lines_of(&text)?;
    let options = CodiceFiscaleOptions::default();
    Ok(CodiceFiscale::parse_spoken(single_value(line), options)?)
}

/// What stands on standard input: all of it, or at a terminal one line, for which `prompt` asks.
pub(super) fn read_input(prompt: &str, what: &str) -> Result<Zeroizing<String>, AdminError> {
    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        eprint!("{prompt}: ");
    }
    read_small(what, |bytes| {
        let mut input = io::stdin().lock().take(LONGEST_INPUT + 1);
        match is_terminal {
            true => input.read_until(b'\n', bytes),
            false => input.read_to_end(bytes),
        }
    })
}

/// The first lines of a text; one that is missing is empty.
///
/// # Errors
/// If there are more, empty ones apart.
pub(super) fn lines_of<const N: usize>(text: &str) -> Result<[&str; N], AdminError> {
    let mut lines = text.lines();
    let first = std::array::from_fn(|_| lines.next().unwrap_or_default());
    match lines.all(|line| single_value(line).is_empty()) {
        true => Ok(first),
        false => Err(AdminError::TooManyLines { expected: N }),
    }
}

/// A small file, or standard input if its name is `-`: a text as people's programs save it.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<String>, AdminError> {
    let mut source = open_file(path)?.take(LONGEST_INPUT + 1);
    read_small(&path.display().to_string(), |bytes| {
        source.read_to_end(bytes)
    })
}

/// The text that `read` reads into a buffer.
fn read_small(
    what: &str,
    read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>,
) -> Result<Zeroizing<String>, AdminError> {
    let failed = |reason| AdminError::Unreadable {
        what: what.to_owned(),
        reason,
    };
    // The capacity is enough, so that no growth leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LONGEST_INPUT as usize));
    read(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_INPUT {
        return Err(failed(io::Error::other("it is too long")));
    }
    let text = text_of(&bytes).map_err(|reason| failed(io::Error::other(reason)))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A file, or standard input if its name is `-`.
pub(super) fn open_file(path: &Path) -> Result<Box<dyn BufRead>, AdminError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = std::fs::File::open(path).map_err(|reason| AdminError::Unreadable {
        what: path.display().to_string(),
        reason,
    })?;
    Ok(Box::new(BufReader::new(file)))
}
