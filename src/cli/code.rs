//! `sistema-ts code …`: checks codes, and completes them with their check symbol.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use sistema_ts_model::{
    ALPHABET, CodeError, CodiceFiscale, CodiceFiscaleError, CodiceFiscaleOptions, Cun, Otp,
    check_symbol, symbols_of,
};

use super::error::CliError;
use crate::plain_text::{NotText, is_utf_16, without_byte_order_mark};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check codes, and print a line for each: the code as given, its kind, "valid" or "invalid", and the reason
    ///
    /// The four columns are separated by tabs; the reason of a valid code is empty. In the first column a backslash, a
    /// tab and whatever cannot be printed are escaped (\\, \t, \u{1b}; \xff for a byte that is not UTF-8), and a code of
    /// more than 256 bytes is cut and ends in "…".
    ///
    /// Exit status: 0 if every code is valid, 1 if one is not, 2 on a failure.
    Check(CheckArguments),
    /// Append the check symbol to nine symbols, and print each code of ten
    ///
    /// What is not nine symbols of AEFHIJKLQRSUWXYZ123456789 is refused, on standard error and with exit status 1, and
    /// the others are completed.
    Complete(CompleteArguments),
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The codes. Without any, they are read from standard input, one a line (and no other user of the machine sees
    /// them in its list of processes)
    codes: Vec<OsString>,

    /// What every code must be. Without this, what begins with CUN- is a CUN, else ten characters are an OTP, and 16 or
    /// 11 a codice fiscale. With "cun", ten symbols without prefix are a CUN too
    #[arg(long)]
    kind: Option<Kind>,

    /// Accept STP and ENI codes as codici fiscali
    #[arg(long)]
    accept_stp_eni: bool,

    /// Read codes as they are dictated, typed and pasted, as the call centre's services do: small letters are capitals, and blanks, dashes,
    /// dots, colons, underscores and what cannot be seen are no part of them. Without this a code is taken to the letter, as the other services do
    #[arg(long)]
    spoken: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompleteArguments {
    /// Nine symbols each. Without any, they are read from standard input, one a line
    bodies: Vec<OsString>,
}

/// The kinds of code that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// CUN- and ten symbols
    Cun,
    /// Ten symbols
    Otp,
    /// 16 characters, or 11 digits
    CodiceFiscale,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Cun => "cun",
            Self::Otp => "otp",
            Self::CodiceFiscale => "codice-fiscale",
        }
    }

    /// What a code is meant to be, by its beginning or else its length.
    fn guess(code: &str) -> Option<Self> {
        if has_prefix(code) {
            return Some(Self::Cun);
        }
        // Seventeen characters are as wrong as a million.
        match code.chars().take(17).count() {
            10 => Some(Self::Otp),
            11 | 16 => Some(Self::CodiceFiscale),
            _ => None,
        }
    }
}

/// Why a code is invalid.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error(
        "neither CUN- and 10 symbols (cun), nor 10 symbols (otp), nor 16 or 11 characters (codice-fiscale)"
    )]
    UnknownKind,
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    CodiceFiscale(#[from] CodiceFiscaleError),
}

/// Why nine symbols could not be completed.
#[derive(Debug, thiserror::Error)]
enum CompleteError {
    #[error("there must be 9 symbols")]
    Length,
    #[error("symbol {0} is not one of AEFHIJKLQRSUWXYZ123456789")]
    Symbol(usize),
    #[error("letters must be upper case")]
    LowerCase,
}

pub(super) fn run(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Check(arguments) => check(arguments),
        Command::Complete(arguments) => complete(arguments),
    }
}

fn check(arguments: CheckArguments) -> Result<ExitCode, CliError> {
    let CheckArguments {
        codes,
        kind: forced_kind,
        accept_stp_eni,
        spoken,
    } = arguments;
    let options = CodiceFiscaleOptions { accept_stp_eni };
    let mut all_valid = true;
    for_each_given(codes, |given, output| {
        let text = match spoken {
            true => written(&given.text()),
            false => given.text(),
        };
        let kind = forced_kind.or_else(|| Kind::guess(&text));
        let verdict = match kind {
            None => Err(Reason::UnknownKind),
            Some(Kind::Cun) if has_prefix(&text) => {
                Cun::parse(&text).map(drop).map_err(Reason::from)
            }
            // Only a forced kind comes here.
            Some(Kind::Cun) => Cun::parse_bare(&text).map(drop).map_err(Reason::from),
            Some(Kind::Otp) => Otp::parse(&text).map(drop).map_err(Reason::from),
            Some(Kind::CodiceFiscale) => CodiceFiscale::parse_with(&text, options)
                .map(drop)
                .map_err(Reason::from),
        };
        let kind = kind.map_or("unknown", Kind::name);
        match verdict {
            Ok(()) => writeln!(output, "{given}\t{kind}\tvalid\t"),
            Err(reason) => {
                all_valid = false;
                writeln!(output, "{given}\t{kind}\tinvalid\t{reason}")
            }
        }
    })?;
    Ok(if all_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A dictated code as it is written, with a CUN's dash; what is too long for one is left as it is.
fn written(spoken: &str) -> Cow<'static, str> {
    let symbols = symbols_of(spoken).unwrap_or_else(|| spoken.to_owned().into());
    match symbols.strip_prefix("CUN") {
        Some(rest) => format!("CUN-{rest}").into(),
        None => symbols.to_string().into(),
    }
}

fn complete(arguments: CompleteArguments) -> Result<ExitCode, CliError> {
    let CompleteArguments { bodies } = arguments;
    let source = if bodies.is_empty() {
        "line"
    } else {
        "argument"
    };
    let mut all_completed = true;
    for_each_given(bodies, |given, output| match completed(&given.text()) {
        Ok(code) => writeln!(output, "{code}"),
        Err(error) => {
            all_completed = false;
            eprintln!("sistema-ts: {source} {}: {error}", given.number);
            Ok(())
        }
    })?;
    Ok(if all_completed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The nine symbols with their check symbol.
fn completed(body: &str) -> Result<String, CompleteError> {
    let symbol_is_right =
        |symbol: char| u8::try_from(symbol).is_ok_and(|byte| ALPHABET.contains(&byte));
    if body.chars().count() != 9 {
        return Err(CompleteError::Length);
    }
    if let Some(index) = body
        .chars()
        .position(|symbol| !symbol_is_right(symbol.to_ascii_uppercase()))
    {
        return Err(CompleteError::Symbol(index + 1));
    }
    if !body.chars().all(symbol_is_right) {
        return Err(CompleteError::LowerCase);
    }
    let check = <&[u8; 9]>::try_from(body.as_bytes())
        .ok()
        .and_then(check_symbol)
        .ok_or(CompleteError::Length)?;
    Ok(format!("{body}{}", char::from(check)))
}

fn has_prefix(code: &str) -> bool {
    code.get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("CUN-"))
}

/// How many bytes of a code are kept and shown: more than any code has.
const SHOWN_BYTES: usize = 256;

/// One code as it was given, on the command line or in a line of standard input.
struct Given {
    /// Which argument or line, counted from 1.
    number: u64,
    /// Its bytes; of a longer one, so many that it is seen to be longer than [`SHOWN_BYTES`].
    bytes: Vec<u8>,
}

impl Given {
    /// As text, with U+FFFD (which no code may hold) for what is not UTF-8.
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Escaped, so that it can break neither the line nor the columns, nor steer a terminal.
impl fmt::Display for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = self.bytes.len();
        if end > SHOWN_BYTES {
            end = SHOWN_BYTES;
            // Not within a character, which has three such bytes at most.
            while end > SHOWN_BYTES - 3 && self.bytes[end] & 0b1100_0000 == 0b1000_0000 {
                end -= 1;
            }
        }
        for chunk in self.bytes[..end].utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\'' => formatter.write_char(character)?,
                    _ => write!(formatter, "{}", character.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        if end < self.bytes.len() {
            formatter.write_char('…')
        } else {
            Ok(())
        }
    }
}

/// Calls `handle` with each argument or, if there are none, with each line of standard input, and with where to write.
///
/// A line ends with LF or CR LF, the last one also with the end of the input. However long lines are, memory is bounded.
fn for_each_given(
    arguments: Vec<OsString>,
    mut handle: impl FnMut(&Given, &mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut output = BufWriter::new(io::stdout().lock());
    if arguments.is_empty() {
        let mut input = BufReader::new(io::stdin().lock());
        let mut number = 0;
        while let Some(bytes) = read_line(&mut input).map_err(CliError::Input)? {
            number += 1;
            if number == 1 && is_utf_16(&bytes) {
                let reason = io::Error::new(io::ErrorKind::InvalidData, NotText::Utf16);
                return Err(CliError::Input(reason));
            }
            let bytes = if number == 1 {
                without_byte_order_mark(&bytes).to_vec()
            } else {
                bytes
            };
            handle(&Given { number, bytes }, &mut output).map_err(CliError::Output)?;
            // Whoever waits for an answer before giving the next code gets it.
            if input.buffer().is_empty() {
                output.flush().map_err(CliError::Output)?;
            }
        }
    } else {
        for (number, argument) in (1..).zip(arguments) {
            handle(
                &Given {
                    number,
                    bytes: argument.into_vec(),
                },
                &mut output,
            )
            .map_err(CliError::Output)?;
        }
    }
    output.flush().map_err(CliError::Output)
}

/// The next line without its end; of a long one the beginning alone. `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    // One byte more than is shown tells that there is more; the rest is for a byte order mark and a CR, which are taken
    // off again.
    const KEPT_BYTES: usize = SHOWN_BYTES + 1 + 3 + 1;
    let mut line = Vec::new();
    let mut anything = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(anything.then_some(line));
        }
        anything = true;
        let newline = memchr::memchr(b'\n', available);
        let part = &available[..newline.unwrap_or(available.len())];
        line.extend_from_slice(&part[..part.len().min(KEPT_BYTES - line.len())]);
        let consumed = part.len() + usize::from(newline.is_some());
        input.consume(consumed);
        if newline.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Some(line));
        }
    }
}
