//! Reading what must not stand on a command line: codici fiscali, CUNs and credentials.

use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::Path;

use sistema_ts_model::CodiceFiscale;
use zeroize::Zeroizing;

use super::AdminError;

/// No file of credentials or of one codice fiscale is longer.
const LONGEST_INPUT: u64 = 4_096;

/// The codice fiscale of an operator, from a file or from standard input: never from the command line, where others would see it.
pub(in crate::cli) fn read_fiscal_code(file: Option<&Path>) -> Result<CodiceFiscale, AdminError> {
    let text = match file {
        Some(path) => read_file(path)?,
        None => read_line(
            "Codice fiscale of the operator",
            "the operator's codice fiscale",
        )?,
    };
    Ok(CodiceFiscale::parse(
        text.lines().next().unwrap_or_default().trim(),
    )?)
}

/// A line of standard input. At a terminal `prompt` asks for it.
pub(super) fn read_line(prompt: &str, what: &str) -> Result<Zeroizing<String>, AdminError> {
    if io::stdin().is_terminal() {
        eprint!("{prompt}: ");
    }
    let mut line = Zeroizing::new(String::with_capacity(64));
    let read = io::stdin().lock().take(LONGEST_INPUT).read_line(&mut line);
    read.map_err(|reason| AdminError::Unreadable {
        what: what.to_owned(),
        reason,
    })?;
    Ok(line)
}

/// A small file, or standard input if its name is `-`.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<String>, AdminError> {
    let failed = |reason| AdminError::Unreadable {
        what: path.display().to_string(),
        reason,
    };
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_INPUT as usize));
    open_file(path)?
        .take(LONGEST_INPUT)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
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
