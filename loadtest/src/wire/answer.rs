//! Reads an HTTP answer as far as a load test needs it: status, length, and from the body the outcome and the CUN.

use memchr::memmem;
use sistema_ts_model::Cun;

/// Longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// Longest body of an answer.
const MAX_BODY: usize = 1024 * 1024;

/// Why what came is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The status line or a length is not HTTP/1.
    #[error("not an HTTP/1 answer")]
    NotHttp,
    /// The head or body is longer than any answer of these services.
    #[error("an answer too long")]
    TooLong,
    /// More came than one answer.
    #[error("bytes after the end of an answer")]
    Excess,
}

/// Gathers the bytes of one answer after another.
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
    head: Option<Head>,
    /// The body of an answer that came in chunks, joined.
    joined: Vec<u8>,
    complete: bool,
}

/// What the head of a whole answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Whether the server closes the connection.
    pub closes: bool,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    body_start: usize,
    length: Length,
    closes: bool,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Fixed(usize),
    /// Read up to this position, at which a chunk's size line begins; what it says is appended nowhere: chunks are skipped
    /// over until the last, and joined when all is there.
    Chunked(usize),
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Whether the server closes the connection.
    pub closes: bool,
    /// The body's `esito`, if it has one.
    pub outcome: Option<[u8; 4]>,
    /// The CUN of `identificativoTransazione`, if it is a valid one.
    pub cun: Option<Cun>,
    /// `idVerificaTampone`, which a successful verification answers.
    pub session: Option<String>,
    /// The codes in `listaErrori`; empty for the usual answer, which allocates nothing.
    pub findings: Vec<String>,
}

impl Answer {
    /// By what answers are counted: the outcome, or the HTTP status without one.
    pub fn kind(&self) -> String {
        match self.outcome {
            Some(outcome) => String::from_utf8_lossy(&outcome).into_owned(),
            None => format!("HTTP {}", self.status),
        }
    }
}

impl AnswerReader {
    /// Takes what came; tells of the answer when it is complete, whose body can be read until [`clear`](Self::clear) makes
    /// ready for the next one.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Answered>, AnswerError> {
        if self.complete {
            return Err(AnswerError::Excess);
        }
        self.bytes.extend_from_slice(bytes);
        let mut head = match self.head {
            Some(head) => head,
            None => match self.read_head()? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        let end = match &mut head.length {
            Length::Fixed(length) => {
                let end = head.body_start + *length;
                (self.bytes.len() >= end).then_some(end)
            }
            Length::Chunked(position) => self.skip_chunks(position)?,
        };
        self.head = Some(head);
        let Some(end) = end else {
            return Ok(None);
        };
        if self.bytes.len() > end {
            return Err(AnswerError::Excess);
        }
        if let Length::Chunked(_) = head.length {
            join_chunks(&self.bytes[head.body_start..], &mut self.joined);
        }
        self.complete = true;
        Ok(Some(Answered {
            status: head.status,
            closes: head.closes,
        }))
    }

    /// The body of the whole answer; empty before it is whole.
    pub fn body(&self) -> &[u8] {
        match self.head {
            Some(head) if self.complete => match head.length {
                Length::Fixed(_) => &self.bytes[head.body_start..],
                Length::Chunked(_) => &self.joined,
            },
            _ => &[],
        }
    }

    /// The whole answer, understood.
    pub fn answer(&self, head: Answered) -> Answer {
        understand(head, self.body())
    }

    /// Forgets an answer, or a part of one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.joined.clear();
        self.head = None;
        self.complete = false;
    }

    fn read_head(&self) -> Result<Option<Head>, AnswerError> {
        let Some(end) = memmem::find(&self.bytes, b"\r\n\r\n") else {
            return if self.bytes.len() > MAX_HEAD {
                Err(AnswerError::TooLong)
            } else {
                Ok(None)
            };
        };
        let mut lines = self.bytes[..end].split(|byte| *byte == b'\n');
        let status = lines.next().and_then(status).ok_or(AnswerError::NotHttp)?;
        let body_start = end + 4;
        let mut head = Head {
            status,
            body_start,
            length: Length::Fixed(0),
            closes: false,
        };
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = number(value, 10).ok_or(AnswerError::NotHttp)?;
                if length > MAX_BODY {
                    return Err(AnswerError::TooLong);
                }
                head.length = Length::Fixed(length);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                head.length = Length::Chunked(body_start);
            } else if name.eq_ignore_ascii_case(b"connection") {
                head.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        Ok(Some(head))
    }

    /// Goes over the chunks that are there; the end of the answer, if it is among them.
    fn skip_chunks(&self, position: &mut usize) -> Result<Option<usize>, AnswerError> {
        loop {
            let rest = self.bytes.get(*position..).unwrap_or_default();
            let Some(line_end) = memmem::find(rest, b"\r\n") else {
                return if rest.len() > MAX_HEAD {
                    Err(AnswerError::TooLong)
                } else {
                    Ok(None)
                };
            };
            let size = chunk_size(&rest[..line_end]).ok_or(AnswerError::NotHttp)?;
            if size == 0 {
                // No trailers are expected: an empty line ends it.
                let end = *position + line_end + 4;
                return Ok((self.bytes.len() >= end).then_some(end));
            }
            let next = *position + line_end + 2 + size + 2;
            if next > MAX_BODY {
                return Err(AnswerError::TooLong);
            }
            if self.bytes.len() < next {
                return Ok(None);
            }
            *position = next;
        }
    }
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line
        .strip_prefix(b"HTTP/1.1 ")
        .or(line.strip_prefix(b"HTTP/1.0 "))?;
    let status = number(rest.get(..3)?, 10)?;
    u16::try_from(status).ok()
}

fn number(text: &[u8], base: u32) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    if text.starts_with('+') {
        return None;
    }
    usize::from_str_radix(text, base).ok()
}

/// The size of a chunk, from its line: hexadecimal digits, perhaps an extension.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let end = line
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(line.len());
    number(line[..end].trim_ascii(), 16).filter(|size| *size <= MAX_BODY)
}

fn join_chunks(mut bytes: &[u8], body: &mut Vec<u8>) {
    while let Some(line_end) = memmem::find(bytes, b"\r\n")
        && let Some(size) = chunk_size(&bytes[..line_end])
        && size > 0
    {
        let start = line_end + 2;
        // Whole, as `skip_chunks` found.
        body.extend_from_slice(bytes.get(start..start + size).unwrap_or_default());
        bytes = bytes.get(start + size + 2..).unwrap_or_default();
    }
}

fn understand(head: Answered, body: &[u8]) -> Answer {
    let outcome = element(body, b"esito>").and_then(|value| <[u8; 4]>::try_from(value).ok());
    let cun = element(body, b"identificativoTransazione>")
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| Cun::parse(value).ok());
    let session = element(body, b"idVerificaTampone>")
        .map(|value| String::from_utf8_lossy(value).into_owned());
    let findings = if outcome == Some(*b"0000") {
        Vec::new()
    } else {
        findings(body)
    };
    Answer {
        status: head.status,
        closes: head.closes,
        outcome,
        cun,
        session,
        findings,
    }
}

/// The value of the first element whose start tag ends with `name_end`, whatever its prefix.
pub(super) fn element<'b>(body: &'b [u8], name_end: &[u8]) -> Option<&'b [u8]> {
    let mut from = 0;
    loop {
        let at = from + memmem::find(&body[from..], name_end)?;
        let value = &body[at + name_end.len()..];
        if at > 0 && matches!(body[at - 1], b'<' | b':') {
            return memchr::memchr(b'<', value).map(|end| value[..end].trim_ascii());
        }
        from = at + name_end.len();
    }
}

fn findings(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(at) = memmem::find(rest, b"codice>") {
        let opening = at > 0 && matches!(rest[at - 1], b'<' | b':') && !closing(&rest[..at]);
        let value = &rest[at + b"codice>".len()..];
        if opening && let Some(end) = memchr::memchr(b'<', value) {
            found.push(String::from_utf8_lossy(value[..end].trim_ascii()).into_owned());
        }
        rest = value;
    }
    found
}

/// Whether what stands before a name is the beginning of an end tag.
fn closing(before: &[u8]) -> bool {
    memchr::memrchr(b'<', before).is_some_and(|at| before.get(at + 1) == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: an answer that is cut anywhere and joined again is read otherwise than whole, or a wrong one is read as right.

    use super::*;

    const BODY: &str = "<?xml version=\"1.0\"?><s:Envelope><s:Body><R xmlns=\"u\">\
        <identificativoTransazione>CUN-59FU36KR46</identificativoTransazione>\
        <dataOra>2022-01-18T10:00:00.000+01:00</dataOra><esito>0000</esito>\
        <descrizioneEsito>esito> buono</descrizioneEsito></R></s:Body></s:Envelope>";

    fn fixed(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// As the loop does it: an answer is read and forgotten.
    fn push(reader: &mut AnswerReader, bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let answered = reader.push(bytes)?;
        let answer = answered.map(|head| reader.answer(head));
        if answer.is_some() {
            reader.clear();
        }
        Ok(answer)
    }

    fn read(text: &str) -> Result<Option<Answer>, AnswerError> {
        push(&mut AnswerReader::default(), text.as_bytes())
    }

    fn accepted() -> Answer {
        Answer {
            status: 200,
            closes: false,
            outcome: Some(*b"0000"),
            cun: Some(Cun::parse("CUN-59FU36KR46").unwrap()),
            session: None,
            findings: Vec::new(),
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_the_same() {
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n{:x};note=1\r\n{}\r\n0\r\n\r\n",
            &BODY[..64],
            BODY.len() - 64,
            &BODY[64..]
        );
        for text in [fixed(BODY), chunked] {
            let bytes = text.as_bytes();
            let mut reader = AnswerReader::default();
            for cut in 1..bytes.len() {
                assert_eq!(push(&mut reader, &bytes[..cut]), Ok(None), "cut at {cut}");
                assert_eq!(
                    push(&mut reader, &bytes[cut..]),
                    Ok(Some(accepted())),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn byte_by_byte_is_the_same() {
        let mut reader = AnswerReader::default();
        let text = fixed(BODY);
        let (last, before) = text.as_bytes().split_last().unwrap();
        for byte in before {
            assert_eq!(push(&mut reader, &[*byte]), Ok(None));
        }
        assert_eq!(push(&mut reader, &[*last]), Ok(Some(accepted())));
    }

    #[test]
    fn a_refusal_gives_its_codes() {
        let body = "<x:identificativoTransazione>a-b</x:identificativoTransazione><x:esito>9999</x:esito>\
            <x:listaErrori><t:errore><t:codice>2001</t:codice></t:errore><t:errore><t:codice>2007</t:codice></t:errore></x:listaErrori>";
        let answer = read(&fixed(body)).unwrap().unwrap();
        assert_eq!(answer.outcome, Some(*b"9999"));
        assert_eq!(answer.cun, None);
        assert_eq!(answer.findings, ["2001", "2007"]);
    }

    #[test]
    fn a_verification_gives_its_session() {
        let body = "<x:esito>0000</x:esito><x:idVerificaTampone>b9b0</x:idVerificaTampone>";
        let answer = read(&fixed(body)).unwrap().unwrap();
        assert_eq!(answer.session.as_deref(), Some("b9b0"));
    }

    #[test]
    fn a_fault_and_an_overload_have_no_outcome() {
        let answer = read(
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        )
        .unwrap()
        .unwrap();
        assert_eq!(
            (answer.status, answer.closes, answer.outcome),
            (503, true, None)
        );
    }

    #[test]
    fn a_wrong_check_symbol_is_no_cun() {
        let answer = read(&fixed(&BODY.replace("KR46", "KR45")))
            .unwrap()
            .unwrap();
        assert_eq!((answer.outcome, answer.cun), (Some(*b"0000"), None));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(read("SSH-2.0-x\r\n\r\n"), Err(AnswerError::NotHttp));
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
            Err(AnswerError::NotHttp)
        );
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"),
            Err(AnswerError::TooLong)
        );
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Err(AnswerError::NotHttp)
        );
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n"),
            Err(AnswerError::NotHttp)
        );
        let line = "0".repeat(MAX_HEAD + 1);
        assert_eq!(
            read(&format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{line}"
            )),
            Err(AnswerError::TooLong)
        );
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"),
            Err(AnswerError::Excess)
        );
        assert_eq!(read(&"x".repeat(MAX_HEAD + 1)), Err(AnswerError::TooLong));
    }
}
