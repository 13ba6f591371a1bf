//! Lines of a file of any size in memory that is bounded, and overwritten at the end: the file names people.
//!
//! A line ends where the file says so, whatever stands in it. To a reader of CSV a quotation mark that is not closed makes one field of all that
//! follows, and the cards in it would be lost without a word.

use std::io::{self, Read};
use std::ops::Range;

use zeroize::Zeroizing;

/// Bytes that a line may have; the longest right one has some sixty.
const LONGEST: usize = 1_024;

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It has more than [`LONGEST`] bytes.
    TooLong,
}

/// Reads lines, which end with LF or CRLF, the last one by the end of the file as well.
pub(super) struct Lines<R> {
    source: R,
    buffer: Zeroizing<Vec<u8>>,
    /// What was read and not handed out.
    waiting: Range<usize>,
    offset: u64,
}

impl<R: Read> Lines<R> {
    /// Reads on from where `source` is, which is `offset` bytes behind its beginning.
    pub(super) fn new(source: R, offset: u64) -> Self {
        Self {
            source,
            buffer: Zeroizing::new(vec![0; BUFFER]),
            waiting: 0..0,
            offset,
        }
    }

    /// How many bytes of the source lie before what comes next.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut is_too_long = false;
        let line = loop {
            let waiting = self.waiting.clone();
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[waiting.clone()]) {
                self.advance(length + 1);
                break waiting.start..waiting.start + length;
            }
            if is_too_long || waiting.len() > LONGEST + 1 {
                // Nobody will read it: only its end is looked for.
                is_too_long = true;
                self.advance(waiting.len());
            }
            if !self.fill()? {
                let rest = self.waiting.clone();
                if rest.is_empty() && !is_too_long {
                    return Ok(None);
                }
                self.advance(rest.len());
                break rest;
            }
        };
        let line = &self.buffer[line];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(match is_too_long || line.len() > LONGEST {
            true => Line::TooLong,
            false => Line::Whole(line),
        }))
    }

    fn advance(&mut self, bytes: usize) {
        self.waiting.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads more behind what waits, which is less than a line; false at the end of the source.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.waiting.clone(), 0);
        self.waiting = 0..self.waiting.len();
        loop {
            match self.source.read(&mut self.buffer[self.waiting.end..]) {
                Ok(read) => {
                    self.waiting.end += read;
                    return Ok(read > 0);
                }
                Err(reason) if reason.kind() == io::ErrorKind::Interrupted => {}
                Err(reason) => return Err(reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a line is lost, doubled or cut, or that its place in the file is not where an import would go on.
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// Hands out so many bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// All lines, each with the place behind it.
    fn read(text: &[u8], at_once: usize, from: u64) -> Vec<(Option<Vec<u8>>, u64)> {
        let rest = &text[usize::try_from(from).unwrap()..];
        let mut lines = Lines::new(Slow(rest, at_once), from);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let line = match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            };
            all.push((line, lines.offset()));
        }
        assert_eq!(lines.offset(), text.len() as u64);
        assert!(lines.next().unwrap().is_none());
        all
    }

    fn expected(text: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let strip = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        lines
            .into_iter()
            .map(strip)
            .map(|line| (line.len() <= LONGEST).then_some(line))
            .collect()
    }

    #[test]
    fn a_line_has_its_bound_to_the_byte() {
        for (length, is_whole) in [(LONGEST, true), (LONGEST + 1, false), (3 * BUFFER, false)] {
            for end in ["", "\n", "\r\n"] {
                let text = format!("first\n{}{end}", "x".repeat(length));
                for at_once in [7, 1_000, usize::MAX] {
                    let lines = read(text.as_bytes(), at_once, 0);
                    assert_eq!(lines.len(), 2, "{length} {end:?} {at_once}");
                    assert_eq!(lines[1].0.is_some(), is_whole, "{length} {end:?} {at_once}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_line_comes_once_and_any_of_them_can_be_gone_on_from(
            parts in proptest::collection::vec((0_usize..5, prop_oneof![Just(0_usize), 1..80_usize, 1_000..1_100_usize]), 0..40),
            ends_with_line in any::<bool>(),
            at_once in prop_oneof![Just(1_usize), 2..600_usize, Just(usize::MAX)],
        ) {
            let mut text = Vec::new();
            for (kind, length) in parts {
                text.extend(std::iter::repeat_n(b"a;\"\r\0"[kind], length));
                text.extend_from_slice(if kind % 2 == 0 { b"\n" } else { b"\r\n" });
            }
            if !ends_with_line {
                text.extend_from_slice(b"the last");
            }
            let lines = read(&text, at_once, 0);
            let alone: Vec<_> = lines.iter().map(|(line, _)| line.clone()).collect();
            prop_assert_eq!(alone, expected(&text));
            for (index, (_, offset)) in lines.iter().enumerate() {
                prop_assert_eq!(&read(&text, at_once, *offset), &lines[index + 1..].to_vec());
            }
        }
    }
}
