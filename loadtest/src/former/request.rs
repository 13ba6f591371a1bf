//! The requests: made once as bytes, of which each gets only a few anew.

use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine as _;
use chrono::{Days, NaiveDate};
use sistema_ts_model::{Service, StructureReference};

use crate::callers::people::{Numbers, card_digits, fiscal_codes};

/// How many made-up people the requests are about, at most.
pub(crate) const PEOPLE: usize = 65_536;
/// Swab dates lie this many days back at most.
const SWAB_DAYS: u64 = 4;
/// Characters of a receipt key.
const KEY_LENGTH: usize = 24;

/// Who sends.
#[derive(Clone)]
pub enum Credentials {
    /// A region, by the client certificate of the TLS configuration.
    Certificate,
    /// A structure's user.
    Basic {
        /// User id.
        user: String,
        /// Password.
        password: String,
        /// Ten digits.
        pin_code: String,
    },
}

/// What all requests of a run have in common.
#[derive(Clone)]
pub struct Submission {
    /// Who sends.
    pub credentials: Credentials,
    /// Which structure took the swabs.
    pub structure: StructureReference,
    /// Positives, in percent.
    pub positive_percent: u8,
    /// Whether each request has an `identificativoRichiesta` of its own.
    pub receipt_keys: bool,
    /// Rome's day: swabs are of this and the three days before it.
    pub today: NaiveDate,
    /// The same seed sends the same people.
    pub seed: u64,
}

/// Where in the bytes each thing stands.
struct Places {
    fiscal_code: Range<usize>,
    swab_date: Range<usize>,
    result: usize,
    key: Option<Range<usize>>,
}

/// Makes requests out of one template.
pub struct Requests {
    bytes: Vec<u8>,
    places: Places,
    people: Vec<[u8; 16]>,
    dates: Vec<[u8; 10]>,
    numbers: Numbers,
    positive_percent: u64,
    key_prefix: u32,
    count: u64,
}

/// What the last request said that its answer does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number in the run, from 1.
    pub number: u64,
    /// Whether the swab was positive.
    pub positive: bool,
    /// Whose swab it was.
    pub person: usize,
}

impl Requests {
    /// A template for `host` (as in the Host header), of which `expected` will be made.
    pub fn new(submission: &Submission, host: &str, expected: u64) -> Self {
        let mut numbers = Numbers::new(submission.seed);
        let people = usize::try_from(expected).unwrap_or(PEOPLE).clamp(1, PEOPLE);
        let people = fiscal_codes(people, &mut numbers);
        let dates = (0..SWAB_DAYS)
            .filter_map(|back| submission.today.checked_sub_days(Days::new(back)))
            .filter_map(|day| {
                <[u8; 10]>::try_from(day.format("%Y-%m-%d").to_string().as_bytes()).ok()
            })
            .collect();
        let (bytes, places) = template(submission, host);
        // Keys of two runs differ although their numbers do not.
        let key_prefix = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| {
                since.subsec_nanos() ^ (since.as_secs() as u32).rotate_left(16)
            });
        Self {
            bytes,
            places,
            people,
            dates,
            numbers,
            positive_percent: u64::from(submission.positive_percent),
            key_prefix,
            count: 0,
        }
    }

    /// The next request and what it says; all are of the same length.
    pub fn next(&mut self) -> (&[u8], Sent) {
        self.count += 1;
        let random = self.numbers.next();
        let positive = random % 100 < self.positive_percent;
        self.bytes[self.places.result] = if positive { b'P' } else { b'N' };
        let person = (random >> 8) as usize % self.people.len();
        self.bytes[self.places.fiscal_code.clone()].copy_from_slice(&self.people[person]);
        let date = (random >> 40) as usize % self.dates.len();
        self.bytes[self.places.swab_date.clone()].copy_from_slice(&self.dates[date]);
        if let Some(place) = &self.places.key {
            let key = self.key_of(self.count);
            self.bytes[place.clone()].copy_from_slice(&key);
        }
        let sent = Sent {
            number: self.count,
            positive,
            person,
        };
        (&self.bytes, sent)
    }

    /// The card digits and the codice fiscale of a person, as [`Sent`] names one.
    pub fn person(&self, index: usize) -> ([u8; 8], &[u8; 16]) {
        (card_digits(index), &self.people[index])
    }

    /// How many have been made.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of a request, head and body.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The receipt key of the request `number`, if there are keys.
    pub fn key(&self, number: u64) -> Option<[u8; KEY_LENGTH]> {
        self.places.key.as_ref().map(|_| self.key_of(number))
    }

    fn key_of(&self, number: u64) -> [u8; KEY_LENGTH] {
        let mut key = *b"LT-00000000-000000000000";
        write_number(&mut key[3..11], u64::from(self.key_prefix), 16);
        write_number(&mut key[12..], number, 10);
        key
    }
}

/// Writes the last digits of `value`, right-aligned.
fn write_number(place: &mut [u8], mut value: u64, base: u64) {
    for byte in place.iter_mut().rev() {
        *byte = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
    }
}

/// Writes a whole request; the values need no escaping.
pub(crate) fn message(
    service: Service,
    host: &str,
    elements: &[(&str, &str)],
    bytes: &mut Vec<u8>,
) {
    let mut body = envelope_start(service, "");
    for (name, value) in elements {
        element(&mut body, name, value);
    }
    envelope_end(&mut body, service);
    let mut head = head(service, host);
    head_end(&mut head, &body);
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(body.as_bytes());
}

/// The head of a request up to its length, which [`head_end`] writes.
fn head(service: Service, host: &str) -> String {
    let name = service.name();
    format!(
        "POST /soap/v1/{name} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: loadtest/{}\r\n\
         Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:sistemats:{name}:v1:{name}\"\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn head_end(head: &mut String, body: &str) {
    // Writing to a string cannot fail.
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
}

/// An envelope up to the message's first element, with these further declarations of prefixes.
fn envelope_start(service: Service, prefixes: &str) -> String {
    let (name, element) = (service.name(), service.element());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:urn=\"urn:sistemats:{name}:v1\"{prefixes}>\n   \
         <soapenv:Header/>\n   <soapenv:Body>\n      <urn:{element}Richiesta>\n"
    )
}

fn envelope_end(body: &mut String, service: Service) {
    let element = service.element();
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "      </urn:{element}Richiesta>\n   </soapenv:Body>\n</soapenv:Envelope>\n"
    );
}

/// A message as the common tools write it, indented, one element a line.
fn template(submission: &Submission, host: &str) -> (Vec<u8>, Places) {
    let mut body = envelope_start(Service::Submission, " xmlns:tip=\"urn:sistemats:tipi:v1\"");
    let mut head = head(Service::Submission, host);
    match &submission.credentials {
        Credentials::Certificate => {
            element(&mut body, "tipoAutenticazione", "2F");
        }
        Credentials::Basic {
            user,
            password,
            pin_code,
        } => {
            element(&mut body, "pinCode", pin_code);
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            head.push_str("Authorization: Basic ");
            head.push_str(&pair);
            head.push_str("\r\n");
        }
    }
    let key = submission.receipt_keys.then(|| {
        element(
            &mut body,
            "identificativoRichiesta",
            &"k".repeat(KEY_LENGTH),
        )
    });
    match &submission.structure {
        StructureReference::Identifier(id) => {
            let text = id.to_string();
            let mut codes = text.split('-');
            body.push_str("         <urn:identificativoStruttura>\n");
            for name in ["codiceRegione", "codiceAsl", "codiceStruttura"] {
                let code = codes.next().unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = writeln!(body, "            <tip:{name}>{code}</tip:{name}>");
            }
            body.push_str("         </urn:identificativoStruttura>\n");
        }
        StructureReference::Description(description) => {
            let text = description
                .as_str()
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            element(&mut body, "descrizioneStruttura", &text);
        }
    }
    let fiscal_code = element(&mut body, "codiceFiscaleAssistito", "ZZZQQQ00A01A000?");
    let swab_date = element(&mut body, "dataPrelievo", "2020-01-01");
    element(&mut body, "tipologiaTest", "M");
    let result = element(&mut body, "esitoTest", "N");
    envelope_end(&mut body, Service::Submission);
    head_end(&mut head, &body);
    let shift = |place: Range<usize>| place.start + head.len()..place.end + head.len();
    let places = Places {
        fiscal_code: shift(fiscal_code),
        swab_date: shift(swab_date),
        result: shift(result).start,
        key: key.map(shift),
    };
    head.push_str(&body);
    (head.into_bytes(), places)
}

/// Appends one element on a line of its own; returns where its value stands.
fn element(body: &mut String, name: &str, value: &str) -> Range<usize> {
    // Writing to a string cannot fail.
    let _ = write!(body, "         <urn:{name}>");
    let start = body.len();
    body.push_str(value);
    let end = body.len();
    let _ = writeln!(body, "</urn:{name}>");
    start..end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use sistema_ts_model::{CodiceFiscale, RequestKey, StructureId};

    use super::*;

    fn submission() -> Submission {
        Submission {
            credentials: Credentials::Certificate,
            structure: StructureReference::Identifier(
                StructureId::parse("010-101-000123").unwrap(),
            ),
            positive_percent: 14,
            receipt_keys: true,
            today: NaiveDate::from_ymd_opt(2022, 1, 18).unwrap(),
            seed: 1,
        }
    }

    fn value<'a>(request: &'a str, name: &str) -> &'a str {
        let start = request.find(&format!("<urn:{name}>")).unwrap() + name.len() + 6;
        let end = start + request[start..].find('<').unwrap();
        &request[start..end]
    }

    #[test]
    fn each_request_is_whole_and_has_its_own_values() {
        let mut requests = Requests::new(&submission(), "localhost:8443", 10_000);
        let length = requests.length();
        let mut keys = HashSet::new();
        let mut people = HashSet::new();
        let mut positives = 0;
        for number in 1..=10_000 {
            let (bytes, sent) = requests.next();
            let text = std::str::from_utf8(bytes).unwrap().to_owned();
            assert_eq!((text.len(), sent.number), (length, number));
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.ends_with(&format!("Content-Length: {}", body.len())),
                "{head}"
            );
            CodiceFiscale::parse(value(body, "codiceFiscaleAssistito")).unwrap();
            people.insert(value(body, "codiceFiscaleAssistito").to_owned());
            RequestKey::parse(value(body, "identificativoRichiesta")).unwrap();
            assert!(keys.insert(value(body, "identificativoRichiesta").to_owned()));
            assert_eq!(
                requests.key(number).unwrap(),
                value(body, "identificativoRichiesta").as_bytes()
            );
            assert!(("2022-01-15"..="2022-01-18").contains(&value(body, "dataPrelievo")));
            assert_eq!(value(body, "esitoTest") == "P", sent.positive);
            positives += u32::from(sent.positive);
        }
        assert!((1_250..1_550).contains(&positives), "{positives} positives");
        assert!(people.len() > 5_000, "{} people", people.len());
    }

    #[test]
    fn a_body_is_about_as_long_as_the_yardsticks() {
        let mut plain = submission();
        plain.receipt_keys = false;
        let mut requests = Requests::new(&plain, "localhost", 1);
        let text = String::from_utf8(requests.next().0.to_vec()).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert!((880..930).contains(&body.len()), "{} bytes", body.len());
    }

    #[test]
    fn a_structure_sends_its_pincode_and_no_kind_of_authentication() {
        let mut basic = submission();
        basic.credentials = Credentials::Basic {
            user: "anna".into(),
            password: "s3gret".into(),
            pin_code: "0123456789".into(),
        };
        let mut requests = Requests::new(&basic, "localhost", 1);
        let text = String::from_utf8(requests.next().0.to_vec()).unwrap();
        assert!(text.contains("\r\nAuthorization: Basic YW5uYTpzM2dyZXQ=\r\n"));
        assert_eq!(value(&text, "pinCode"), "0123456789");
        assert!(!text.contains("tipoAutenticazione"));
    }
}
