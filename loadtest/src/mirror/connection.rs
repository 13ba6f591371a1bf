//! One client of the mirror.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use memchr::memmem;
use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use sistema_ts_model::{CUN_COUNT, Cun};

/// Longest request that is taken.
const LONGEST: usize = 64 * 1024;

/// The answer: made once, of which the CUN is written anew each time.
pub(super) struct AnswerBytes {
    bytes: Vec<u8>,
    cun: usize,
    number: u64,
}

impl AnswerBytes {
    pub(super) fn new() -> Self {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
            <InvioEsecuzioneTestRicevuta xmlns=\"urn:sistemats:invioEsecuzioneTest:v1\">\
            <identificativoTransazione>CUN-0000000000</identificativoTransazione>\
            <dataOra>2022-01-18T12:00:00.000+01:00</dataOra><esito>0000</esito>\
            <descrizioneEsito>Operazione eseguita</descrizioneEsito></InvioEsecuzioneTestRicevuta></soap:Body></soap:Envelope>";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncontent-type: text/xml; charset=utf-8\r\n\r\n",
            body.len()
        );
        let bytes = (head + body).into_bytes();
        // It stands in the text above.
        let cun = memmem::find(&bytes, b"CUN-").unwrap_or(0);
        Self {
            bytes,
            cun,
            number: 0,
        }
    }

    pub(super) fn next(&mut self) -> &[u8] {
        // A step that has no divisor with the count comes by every code before one comes again.
        self.number = (self.number + 1_000_003) % CUN_COUNT;
        if let Some(cun) = Cun::from_number(self.number) {
            self.bytes[self.cun..self.cun + 14].copy_from_slice(&cun.to_text());
        }
        &self.bytes
    }
}

pub(super) struct Client {
    socket: TcpStream,
    tls: ServerConnection,
    request: Vec<u8>,
}

impl Client {
    pub(super) fn new(socket: TcpStream, tls: &Arc<ServerConfig>) -> Option<Self> {
        socket.set_nodelay(true).ok()?;
        Some(Self {
            socket,
            tls: ServerConnection::new(Arc::clone(tls)).ok()?,
            request: Vec::new(),
        })
    }

    /// Writes what it can and reads what there is; how many requests are whole now. An error is its end.
    pub(super) fn advance(&mut self) -> io::Result<usize> {
        let mut whole_ones = 0;
        loop {
            self.flush()?;
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(whole_ones),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let there = state.plaintext_bytes_to_read();
            let before = self.request.len();
            self.request.resize(before + there, 0);
            self.tls.reader().read_exact(&mut self.request[before..])?;
            while let Some(length) = whole(&self.request) {
                self.request.drain(..length);
                whole_ones += 1;
            }
            if self.request.len() > LONGEST {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }

    /// Answers one request.
    pub(super) fn answer(&mut self, answer: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(answer)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The length of the first request, once it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let length = bytes[..head]
        .split(|byte| *byte == b'\n')
        .find_map(|line| {
            let (name, value) = line.split_at_checked(15)?;
            name.eq_ignore_ascii_case(b"content-length:")
                .then_some(value)
        })
        .and_then(|value| {
            std::str::from_utf8(value)
                .ok()?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::wire::answer::AnswerReader;
    use crate::wire::reading::Reader;

    #[test]
    fn a_request_is_whole_when_its_body_is_there() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..request.len() {
            assert_eq!(whole(&request[..cut]), None, "cut at {cut}");
        }
        assert_eq!(whole(request), Some(request.len()));
        assert_eq!(whole(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"), Some(27));
    }

    #[test]
    fn every_answer_is_an_accepted_submission_with_a_cun_of_its_own() {
        let mut answer = AnswerBytes::new();
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let mut reader = AnswerReader::default();
            let head = reader.push(answer.next()).ok().flatten();
            let reading = Reader::default().read(head.map_or(0, |head| head.status), reader.body());
            assert_eq!((reading.status, reading.esito), (200, Some(*b"0000")));
            assert!(reading.cun.is_some_and(|cun| seen.insert(cun.number())));
        }
    }
}
