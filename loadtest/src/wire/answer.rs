//! Reads an HTTP answer as far as a load test needs it: status, length, and from the body the outcome and the CUN.

use memchr::memmem;

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

    /// Status, whether the connection is closed, and body.
    type Whole = (u16, bool, String);

    /// As the loop does it: an answer is read and forgotten.
    fn push(reader: &mut AnswerReader, bytes: &[u8]) -> Result<Option<Whole>, AnswerError> {
        let answered = reader.push(bytes)?;
        let answer = answered.map(|head| {
            let body = String::from_utf8(reader.body().to_vec()).unwrap();
            (head.status, head.closes, body)
        });
        if answer.is_some() {
            reader.clear();
        }
        Ok(answer)
    }

    fn read(text: &str) -> Result<Option<Whole>, AnswerError> {
        push(&mut AnswerReader::default(), text.as_bytes())
    }

    fn accepted() -> Whole {
        (200, false, BODY.to_owned())
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
    fn the_head_says_whether_the_connection_is_closed() {
        let answer = read(
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        );
        assert_eq!(answer, Ok(Some((503, true, "no".to_owned()))));
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
