//! Reads listings of any length as they come, in bounded memory: bytes of HTTP to bytes of body, and these to counts.

use memchr::{memchr, memmem};
use sistema_ts_model::Cun;

use crate::ledger::Listed;

/// Longest head of an answer, and longest thing between two tags.
const LONGEST: usize = 16 * 1024;

/// Why what came is no listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The head or a chunk is not HTTP/1.
    #[error("not an HTTP/1 answer")]
    NotHttp,
    /// Something between two tags, or the head, that is longer than anything in these answers.
    #[error("an answer with something too long in it")]
    TooLong,
    /// More came than one answer.
    #[error("bytes after the end of an answer")]
    Excess,
}

/// Takes the frame of HTTP off an answer's body.
#[derive(Debug, Default)]
pub struct Frame {
    /// Bytes of a head or of a chunk's line that are not whole yet.
    kept: Vec<u8>,
    state: State,
    /// The answer's status, once its head is read.
    pub status: u16,
    /// Whether the server closes the connection behind this answer.
    pub closes: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of the body are still to come.
    Fixed(usize),
    ChunkLine,
    /// So many bytes of the chunk are still to come.
    Chunk(usize),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The empty line behind the last chunk.
    LastLine,
    Done,
}

impl Frame {
    /// Hands the parts of the body among `bytes` on; true once the answer is complete.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut body: impl FnMut(&[u8]) -> Result<(), ScanError>,
    ) -> Result<bool, ScanError> {
        loop {
            match self.state {
                State::Done if bytes.is_empty() => return Ok(true),
                State::Done => return Err(ScanError::Excess),
                State::Fixed(0) => self.state = State::Done,
                _ if bytes.is_empty() => return Ok(false),
                State::Fixed(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    body(part)?;
                    self.state = State::Fixed(left - part.len());
                    bytes = rest;
                }
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    body(part)?;
                    self.state = State::Chunk(left - part.len());
                    bytes = rest;
                }
                State::Head => match self.take_until(&mut bytes, b"\r\n\r\n")? {
                    Some(head) => self.state = self.read_head(&head)?,
                    None => return Ok(false),
                },
                State::ChunkLine => match self.take_until(&mut bytes, b"\r\n")? {
                    Some(line) => {
                        let size = std::str::from_utf8(&line)
                            .ok()
                            .and_then(|line| line.split(';').next())
                            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
                            .ok_or(ScanError::NotHttp)?;
                        self.state = if size == 0 {
                            State::LastLine
                        } else {
                            State::Chunk(size)
                        };
                    }
                    None => return Ok(false),
                },
                State::ChunkEnd | State::LastLine => match self.take_until(&mut bytes, b"\r\n")? {
                    Some(line) if !line.is_empty() => return Err(ScanError::NotHttp),
                    Some(_) if self.state == State::ChunkEnd => self.state = State::ChunkLine,
                    Some(_) => self.state = State::Done,
                    None => return Ok(false),
                },
            }
        }
    }

    /// What stands before `end`, without it, once that has come; `bytes` then goes on behind it.
    fn take_until(&mut self, bytes: &mut &[u8], end: &[u8]) -> Result<Option<Vec<u8>>, ScanError> {
        let before = self.kept.len();
        self.kept.extend_from_slice(bytes);
        let Some(at) = memmem::find(&self.kept, end) else {
            *bytes = &[];
            return if self.kept.len() > LONGEST {
                Err(ScanError::TooLong)
            } else {
                Ok(None)
            };
        };
        // The end was not among what was kept before: it ends in `bytes`.
        *bytes = &bytes[at + end.len() - before..];
        let mut line = std::mem::take(&mut self.kept);
        line.truncate(at);
        Ok(Some(line))
    }

    fn read_head(&mut self, head: &[u8]) -> Result<State, ScanError> {
        let head = std::str::from_utf8(head).map_err(|_| ScanError::NotHttp)?;
        let mut lines = head.split("\r\n");
        self.status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok())
            .ok_or(ScanError::NotHttp)?;
        let mut state = None;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().map_err(|_| ScanError::NotHttp)?;
                state = Some(State::Fixed(length));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                state = Some(State::ChunkLine);
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            }
        }
        state.ok_or(ScanError::NotHttp)
    }
}

const NOTHING: Listed = Listed {
    cun: None,
    day: 0,
    positive: false,
};

/// Counts what is in a listing's message.
#[derive(Debug)]
pub struct Scan {
    kept: Vec<u8>,
    /// `esito` of this answer.
    pub outcome: Option<String>,
    /// `segnalibro` of this answer, the last one.
    pub bookmark: Option<String>,
    /// The codes in `listaErrori`, or that of a fault.
    pub findings: Vec<String>,
    /// What the first of them says, or the fault, at most 200 characters.
    pub words: Option<String>,
    /// `test` elements of all answers.
    pub tests: u64,
    /// Tests with a `dataInserimento` before that of the test before them.
    pub out_of_order: u64,
    last_day: Vec<u8>,
    keeps_tests: bool,
    /// Tests in their order.
    pub kept_tests: Vec<Listed>,
    current: Listed,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            outcome: None,
            bookmark: None,
            findings: Vec::new(),
            words: None,
            tests: 0,
            out_of_order: 0,
            last_day: Vec::new(),
            keeps_tests: false,
            kept_tests: Vec::new(),
            current: NOTHING,
        }
    }
}

impl Scan {
    /// One that keeps each test in `kept_tests`, from where it must be taken.
    pub fn keeping_tests() -> Self {
        Self {
            keeps_tests: true,
            ..Self::default()
        }
    }

    /// Forgets what belongs to one answer alone.
    pub fn next_answer(&mut self) {
        self.kept.clear();
        self.outcome = None;
        self.bookmark = None;
        self.findings.clear();
        self.words = None;
    }

    /// Takes a part of the message.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(opening) = memchr(b'<', &kept[from..])
            && let Some(length) = memchr(b'>', &kept[from + opening..])
        {
            let text = &kept[from..from + opening];
            let tag = &kept[from + opening + 1..from + opening + length];
            from += opening + length + 1;
            if let Some(name) = tag.strip_prefix(b"/") {
                let local = memchr(b':', name).map_or(name, |colon| &name[colon + 1..]);
                self.element(local, text.trim_ascii());
            }
        }
        kept.drain(..from);
        self.kept = kept;
        if self.kept.len() > LONGEST {
            return Err(ScanError::TooLong);
        }
        Ok(())
    }

    /// The end of an element, with the text before it.
    fn element(&mut self, name: &[u8], text: &[u8]) {
        let owned = || String::from_utf8_lossy(text).into_owned();
        match name {
            b"test" => {
                self.tests += 1;
                let test = std::mem::replace(&mut self.current, NOTHING);
                if self.keeps_tests {
                    self.kept_tests.push(test);
                }
            }
            b"esitoTest" => self.current.positive = text == b"P",
            b"dataInserimento" => {
                // Dates of one form are ordered like their text.
                self.out_of_order += u64::from(text < self.last_day.as_slice());
                self.current.day = text
                    .iter()
                    .filter(|byte| **byte != b'-')
                    .try_fold(0_u32, |day, digit| {
                        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
                        day.checked_mul(10)?.checked_add(digit)
                    })
                    .unwrap_or(0);
                self.last_day.clear();
                self.last_day.extend_from_slice(text);
            }
            b"identificativoTest" => {
                let cun = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| Cun::parse(text).ok());
                self.current.cun = cun;
            }
            b"esito" => self.outcome = Some(owned()),
            b"segnalibro" => self.bookmark = Some(owned()),
            b"codice" if self.findings.len() < 100 => self.findings.push(owned()),
            b"descrizione" | b"faultstring" if self.words.is_none() => {
                self.words = Some(owned().chars().take(200).collect());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a listing cut anywhere reads otherwise than whole, a wrong order or a test that is missing or twice is not seen, or
    //! memory grows with the listing.

    use super::*;

    fn test(number: u64, day: &str) -> String {
        let cun = Cun::from_number(number).unwrap().to_text();
        let cun = std::str::from_utf8(&cun).unwrap();
        format!(
            "<test><dataPrelievo>2022-01-17</dataPrelievo><t:identificativoTest>{cun}</t:identificativoTest>\
             <dataInserimento>{day}</dataInserimento><esitoTest>N</esitoTest></test>"
        )
    }

    fn listing(tests: &[String]) -> String {
        format!(
            "<?xml version=\"1.0\"?><r:R xmlns:r=\"u\"><identificativoTransazione>a</identificativoTransazione><esito>0000</esito>\
             <listaTest>{}</listaTest><segnalibro>next-one</segnalibro></r:R>",
            tests.concat()
        )
    }

    fn scan(text: &str) -> Scan {
        let mut scan = Scan::default();
        scan.push(text.as_bytes()).unwrap();
        scan
    }

    #[test]
    fn a_listing_cut_anywhere_is_the_same() {
        let body = listing(&[test(1, "2022-01-17"), test(2, "2022-01-18")]);
        let (first, second) = body.split_at(100);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{first}\r\n{:x};x=y\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        );
        let fixed = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        for text in [chunked, fixed] {
            for cut in 1..text.len() {
                let (mut frame, mut scan) = (Frame::default(), Scan::default());
                let parts = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
                let done = parts.map(|part| frame.push(part, |bytes| scan.push(bytes)).unwrap());
                assert_eq!(done, [false, true], "cut at {cut}");
                assert_eq!(frame.status, 200);
                assert_eq!((scan.tests, scan.out_of_order), (2, 0));
                assert_eq!(scan.outcome.as_deref(), Some("0000"));
                assert_eq!(scan.bookmark.as_deref(), Some("next-one"));
            }
        }
    }

    #[test]
    fn a_step_back_in_time_is_seen_even_between_answers() {
        let mut scan = scan(&listing(&[test(1, "2022-01-18")]));
        scan.next_answer();
        assert_eq!(scan.bookmark, None);
        scan.push(listing(&[test(2, "2022-01-17")]).as_bytes())
            .unwrap();
        assert_eq!(scan.out_of_order, 1);
    }

    #[test]
    fn a_refusal_and_a_fault_are_told_in_words() {
        let refused = "<esito>9999</esito><listaErrori><errore><codice>1201</codice><descrizione>Operatore non abilitato</descrizione></errore></listaErrori>";
        let fault = "<faultcode>soap:Client</faultcode><faultstring xml:lang=\"it\">Certificato client non abilitato</faultstring>\
            <detail><codice>6022</codice></detail>";
        for (text, code, words) in [
            (refused, "1201", "Operatore non abilitato"),
            (fault, "6022", "Certificato client non abilitato"),
        ] {
            let mut scan = scan(text);
            assert_eq!(
                (&*scan.findings, scan.words.as_deref()),
                (&[code.to_owned()][..], Some(words))
            );
            scan.next_answer();
            assert_eq!(scan.words, None);
        }
    }

    #[test]
    fn a_long_listing_is_read_in_little_memory() {
        let one = test(1, "2022-01-18");
        let mut scan = Scan::default();
        for _ in 0..100_000 {
            scan.push(one.as_bytes()).unwrap();
        }
        assert_eq!(scan.tests, 100_000);
        assert!(scan.kept.capacity() < LONGEST, "{}", scan.kept.capacity());
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        let push = |text: &str| Frame::default().push(text.as_bytes(), |_| Ok(()));
        assert_eq!(push("SSH-2.0-x\r\n\r\n"), Err(ScanError::NotHttp));
        assert_eq!(push("HTTP/1.1 200 OK\r\n\r\n"), Err(ScanError::NotHttp));
        assert_eq!(
            push("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"),
            Err(ScanError::Excess)
        );
        assert_eq!(
            push("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Err(ScanError::NotHttp)
        );
        assert_eq!(push(&"x".repeat(LONGEST + 1)), Err(ScanError::TooLong));
        assert_eq!(
            Scan::default().push(&vec![b'x'; LONGEST + 1]),
            Err(ScanError::TooLong)
        );
    }
}
