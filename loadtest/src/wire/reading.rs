//! What a client of the load test takes from an answer's body: a few values, in place.

use chrono::NaiveDate;
use memchr::memmem;
use sistema_ts_model::{Cun, Timestamp};

use super::answer::element;

/// Length of `idVerificaTampone`.
pub const SESSION_LENGTH: usize = 36;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// HTTP status.
    pub status: u16,
    /// `esito`.
    pub esito: Option<[u8; 4]>,
    /// The first `codice` of `listaErrori` or of a fault; 0 without one.
    pub finding: u16,
    /// The CUN of `identificativoTransazione`, if it is one.
    pub cun: Option<Cun>,
    /// `dataOra`.
    pub data_ora: Option<Timestamp>,
    /// `idVerificaTampone`.
    pub session: Option<[u8; SESSION_LENGTH]>,
}

/// Reads bodies. It remembers the day that it read last, which nearly always is that of the next body.
#[derive(Debug, Default)]
pub struct Reader {
    /// The text of a day with its offset, and the moment at which that day began there.
    day: Option<([u8; 10], [u8; 6], i64)>,
}

impl Reader {
    /// Reads one.
    pub fn read(&mut self, status: u16, body: &[u8]) -> Reading {
        let text = |name| element(body, name).and_then(|value| std::str::from_utf8(value).ok());
        let esito = element(body, b"esito>").and_then(|value| <[u8; 4]>::try_from(value).ok());
        let finding = if esito == Some(*b"0000") {
            0
        } else {
            text(b"codice>")
                .and_then(|code| code.parse().ok())
                .unwrap_or(0)
        };
        Reading {
            status,
            esito,
            finding,
            cun: text(b"identificativoTransazione>").and_then(|value| Cun::parse(value).ok()),
            data_ora: element(body, b"dataOra>").and_then(|value| self.moment(value)),
            session: element(body, b"idVerificaTampone>").and_then(|value| value.try_into().ok()),
        }
    }

    /// `2022-01-18T10:00:00.000+01:00`, as the services write it.
    fn moment(&mut self, text: &[u8]) -> Option<Timestamp> {
        let text: &[u8; 29] = text.try_into().ok()?;
        let (day, offset) = (text.first_chunk()?, text.last_chunk()?);
        let start = match self.day {
            Some((known, at, start)) if known == *day && at == *offset => start,
            _ => {
                let start = start_of_day(day, offset)?;
                self.day = Some((*day, *offset, start));
                start
            }
        };
        let number = |range: std::ops::Range<usize>| {
            text[range].iter().try_fold(0_i64, |value, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| value * 10 + i64::from(digit - b'0'))
            })
        };
        let seconds = number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?;
        Timestamp::from_millis(start + seconds * 1_000 + number(20..23)?)
    }
}

/// The moment at which the day began at this offset from UTC.
fn start_of_day(day: &[u8; 10], offset: &[u8; 6]) -> Option<i64> {
    let day = NaiveDate::parse_from_str(std::str::from_utf8(day).ok()?, "%Y-%m-%d").ok()?;
    let start = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    let (hours, minutes) = std::str::from_utf8(&offset[1..]).ok()?.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    match offset[0] {
        b'+' => Some(start - minutes * 60_000),
        b'-' => Some(start + minutes * 60_000),
        _ => None,
    }
}

/// What an answer that was not `0000` says in words, for whoever must do something about it: the first `descrizione`, or the
/// text of a fault.
pub fn first_words(body: &[u8]) -> Option<String> {
    [&b"descrizione>"[..], b"faultstring>", b"descrizioneEsito>"]
        .into_iter()
        .find_map(|name| element(body, name))
        .or_else(|| {
            // A fault's text has attributes in its tag at times.
            let at = memmem::find(body, b"<faultstring")?;
            let text = &body[at..];
            let start = memchr::memchr(b'>', text)? + 1;
            let end = memchr::memchr(b'<', &text[start..])?;
            Some(&text[start..start + end])
        })
        .map(|text| String::from_utf8_lossy(text).chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a value is read otherwise than it stands in the body, or one is read that is not there.

    use super::*;

    const DONE: &str = "<s:Body><R xmlns=\"u\"><identificativoTransazione>CUN-59FU36KR46</identificativoTransazione>\
        <dataOra>2022-01-18T10:20:30.456+01:00</dataOra><esito>0000</esito><descrizioneEsito>Operazione eseguita</descrizioneEsito>\
        <idVerificaTampone>0f8fad5b-d9cb-469f-a165-70867728950e</idVerificaTampone></R></s:Body>";

    #[test]
    fn an_answer_gives_all_its_values() {
        let mut reader = Reader::default();
        for _ in 0..2 {
            let reading = reader.read(200, DONE.as_bytes());
            assert_eq!(reading.esito, Some(*b"0000"));
            assert_eq!(reading.finding, 0);
            assert_eq!(reading.cun, Cun::parse("CUN-59FU36KR46").ok());
            let text = reading.data_ora.unwrap().rome_text();
            assert_eq!(&text, b"2022-01-18T10:20:30.456+01:00");
            assert_eq!(
                reading.session,
                Some(*b"0f8fad5b-d9cb-469f-a165-70867728950e")
            );
        }
    }

    #[test]
    fn every_moment_of_two_years_is_read_as_it_was_written() {
        let mut reader = Reader::default();
        let start = Timestamp::from_millis(1_640_995_200_000).unwrap();
        for hours in 0..2 * 366 * 24 {
            let moment = start.plus_millis(hours * 3_600_000 + 123);
            assert_eq!(reader.moment(&moment.rome_text()), Some(moment));
        }
    }

    #[test]
    fn a_refusal_gives_its_first_code_and_its_words() {
        let body = "<esito>9999</esito><descrizioneEsito>non eseguita</descrizioneEsito><listaErrori><t:errore><t:codice>2103</t:codice>\
            <t:descrizione>Struttura non censita</t:descrizione></t:errore><t:errore><t:codice>1001</t:codice></t:errore></listaErrori>";
        let reading = Reader::default().read(200, body.as_bytes());
        assert_eq!((reading.esito, reading.finding), (Some(*b"9999"), 2103));
        assert_eq!(
            (reading.cun, reading.session, reading.data_ora),
            (None, None, None)
        );
        assert_eq!(
            first_words(body.as_bytes()).as_deref(),
            Some("Struttura non censita")
        );
        let fault = "<faultcode>soap:Client</faultcode><faultstring xml:lang=\"it\">Indirizzo inesistente</faultstring>";
        assert_eq!(
            first_words(fault.as_bytes()).as_deref(),
            Some("Indirizzo inesistente")
        );
        for tag in ["<faultstring>", "<faultstring xml:lang=\"it\">"] {
            let long = format!("{tag}{}</faultstring>", "x".repeat(1_000));
            assert_eq!(first_words(long.as_bytes()), Some("x".repeat(200)));
        }
        assert_eq!(first_words(b""), None);
    }

    #[test]
    fn a_wrong_check_symbol_is_no_cun() {
        let body = DONE.replace("KR46", "KR45");
        let reading = Reader::default().read(200, body.as_bytes());
        assert_eq!((reading.esito, reading.cun), (Some(*b"0000"), None));
    }
}
