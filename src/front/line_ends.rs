//! The line ends of a request's header: each is CR and LF.
//!
//! httparse takes a bare LF for a line end as well. Where what stands before this server does not, the two would read different headers
//! out of the same bytes. A bare LF is therefore overwritten, before it is parsed, by a byte that no header may hold, so that the request
//! gets 400 as any other malformed one.
//!
//! Looked at is every header whose begin is known: the first of a connection, and each that comes after the whole body of the request
//! before it. Behind a request with a chunked body, or one that came with the bytes of the next (pipelining), the begin is not known here.

/// How far a connection's bytes are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// Within a header.
    Header {
        /// Bytes of the line that is not ended yet.
        line: usize,
        /// The last of them.
        last: u8,
        /// Whether a line that is not empty has ended: blank lines before a request are no end of its header.
        has_begun: bool,
    },
    /// Behind a header, by so many bytes.
    Behind {
        /// Bytes read since the header's end.
        read: usize,
        /// Bytes of the request's body, once it is known.
        body: usize,
    },
    /// Where the next header begins is not known.
    Unknown,
}

impl LineEnds {
    /// At the begin of a header.
    pub(super) const BEGIN: Self = Self::Header {
        line: 0,
        last: 0,
        has_begun: false,
    };

    /// Looks at what was read next, and overwrites the first bare LF in a header.
    pub(super) fn look(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Header {
                line,
                last,
                has_begun,
            } => {
                let mut begin = 0;
                while let Some(length) = memchr::memchr(b'\n', &bytes[begin..]) {
                    let end = begin + length;
                    let before = if end == 0 { *last } else { bytes[end - 1] };
                    let whole = *line + length;
                    if whole == 0 || before != b'\r' {
                        bytes[end] = 0;
                        *self = Self::Unknown;
                        return;
                    }
                    begin = end + 1;
                    if whole > 1 {
                        *has_begun = true;
                    } else if *has_begun {
                        *self = Self::Behind {
                            read: bytes.len() - begin,
                            body: 0,
                        };
                        return;
                    }
                    *line = 0;
                }
                *line += bytes.len() - begin;
                *last = bytes.last().copied().unwrap_or(*last);
            }
            Self::Behind { read, .. } => *read = read.saturating_add(bytes.len()),
            Self::Unknown => {}
        }
    }

    /// A header was parsed; `length` is that of the body behind it, if it is known.
    pub(super) fn parsed(&mut self, length: Option<usize>) {
        *self = match (*self, length) {
            (Self::Behind { read, .. }, Some(body)) => Self::Behind { read, body },
            _ => Self::Unknown,
        };
    }

    /// The request was answered.
    pub(super) fn answered(&mut self) {
        *self = match *self {
            Self::Behind { read, body } if read == body => Self::BEGIN,
            _ => Self::Unknown,
        };
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means that a bare line feed in a header is let through, or that a right request is damaged.

    use proptest::prelude::*;

    use super::*;

    const HEADER: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n";

    /// What comes of bytes that are read in pieces of this size.
    fn looked_at(line_ends: &mut LineEnds, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for piece in bytes.chunks_mut(piece) {
            line_ends.look(piece);
        }
        bytes
    }

    #[test]
    fn a_bare_line_feed_is_overwritten_wherever_it_is_in_a_header() {
        for at in 0..HEADER.len() {
            if HEADER[at] == b'\n' {
                continue;
            }
            // Inserted, and in the place of a carriage return.
            let mut inserted = HEADER.to_vec();
            inserted.insert(at, b'\n');
            let mut replaced = HEADER.to_vec();
            replaced[at] = b'\n';
            for header in [inserted, replaced] {
                for piece in 1..=header.len() {
                    let looked_at = looked_at(&mut { LineEnds::BEGIN }, &header, piece);
                    assert_eq!(looked_at[at], 0, "{:?}", String::from_utf8_lossy(&header));
                }
            }
        }
    }

    #[test]
    fn a_begin_that_is_not_known_is_not_guessed() {
        let request = [HEADER, b"a\nb"].concat();
        for (length, more) in [(Some(2), ""), (Some(4), ""), (None, ""), (Some(3), "\n")] {
            let mut line_ends = LineEnds::BEGIN;
            let bytes = [&request[..], more.as_bytes()].concat();
            assert_eq!(looked_at(&mut line_ends, &bytes, 7), bytes);
            line_ends.parsed(length);
            line_ends.answered();
            assert_eq!(line_ends, LineEnds::Unknown);
        }
    }

    proptest! {
        #[test]
        fn right_requests_one_after_another_stay_as_they_are(
            bodies in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"a\r\n"[..]), 0..20), 1..5),
            blank in any::<bool>(),
            piece in 1..40_usize,
        ) {
            let mut line_ends = LineEnds::BEGIN;
            for body in bodies {
                let request = [if blank { &b"\r\n"[..] } else { b"" }, HEADER, &body].concat();
                prop_assert_eq!(looked_at(&mut line_ends, &request, piece), request);
                line_ends.parsed(Some(body.len()));
                line_ends.answered();
                prop_assert_eq!(line_ends, LineEnds::BEGIN);
            }
        }
    }
}
