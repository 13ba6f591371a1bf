//! Requests as bytes: made once, with places for what each request has of its own.

use std::ops::Range;

use base64::Engine as _;
use chrono::NaiveDate;
use sistema_ts_model::{Service, StructureReference};

use crate::callers::{Caller, Credentials};
use crate::scenario::Step;

/// Characters of a receipt key.
pub(crate) const KEY_LENGTH: usize = 24;

/// What a request has of its own. Each has one length, so that a request is made by writing over the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Person,
    SwabDate,
    Result,
    Key,
    Cun,
    Operator,
    Card,
    Session,
    OneTimeCode,
}

impl Field {
    const fn length(self) -> usize {
        match self {
            Self::Person | Self::Operator => 16,
            Self::SwabDate | Self::OneTimeCode => 10,
            Self::Result => 1,
            Self::Key => KEY_LENGTH,
            Self::Cun => 14,
            Self::Card => 8,
            Self::Session => 36,
        }
    }
}

/// What a listing is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListingRange {
    /// First and last day, both included.
    pub(crate) from: NaiveDate,
    /// See `from`.
    pub(crate) to: NaiveDate,
    /// `massimoElementi`.
    pub(crate) maximum: Option<u32>,
}

/// A request of one caller and one step.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    places: Vec<(Field, Range<usize>)>,
}

/// What stands between the tags of an element.
enum Value<'v> {
    Text(&'v str),
    Field(Field),
}

impl Template {
    /// Of a listing, or its next page.
    pub(crate) fn listing(caller: &Caller, range: &ListingRange, bookmark: Option<&str>) -> Self {
        use Value::Text;
        let mut message = Message::begin(Service::Listing, caller);
        message.element("dataInizioIntervallo", &Text(&range.from.to_string()));
        message.element("dataFineIntervallo", &Text(&range.to.to_string()));
        message.element("tipologiaTest", &Text("M"));
        let operator = caller.operator.map(text).unwrap_or_default();
        message.element("identificativoUtente", &Text(&operator));
        if let Some(maximum) = range.maximum {
            message.element("massimoElementi", &Text(&maximum.to_string()));
        }
        if let Some(bookmark) = bookmark {
            message.element("segnalibro", &Text(bookmark));
        }
        message.end(caller)
    }

    /// Of this step and caller. `today` is Rome's.
    pub(crate) fn new(step: Step, caller: &Caller, today: NaiveDate) -> Self {
        use Value::{Field as Own, Text};
        let mut message = Message::begin(step.service(), caller);
        match step {
            Step::Submit | Step::SubmitWithoutKey | Step::Replay => {
                if step != Step::SubmitWithoutKey {
                    message.element("identificativoRichiesta", &Own(Field::Key));
                }
                message.structure(caller);
                message.element("codiceFiscaleAssistito", &Own(Field::Person));
                message.element("dataPrelievo", &Own(Field::SwabDate));
                message.element("tipologiaTest", &Text("M"));
                message.element("esitoTest", &Own(Field::Result));
            }
            Step::Cancel => {
                message.element("identificativoRichiesta", &Own(Field::Key));
                message.structure(caller);
                message.element("codiceFiscaleAssistito", &Own(Field::Person));
                message.element("identificativoTransazione", &Own(Field::Cun));
                message.element("tipologiaTest", &Text("M"));
            }
            Step::List => {
                let range = ListingRange {
                    from: today,
                    to: today,
                    maximum: None,
                };
                return Self::listing(caller, &range, None);
            }
            Step::Verify | Step::Guess => {
                message.element("codiceFiscaleOperatore", &Own(Field::Operator));
                message.element("numeroTesseraSanitaria", &Own(Field::Card));
                message.element("cun", &Own(Field::Cun));
            }
            Step::Unlock => {
                message.element("codiceOtp", &Own(Field::OneTimeCode));
                message.element("dataInizioSintomi", &Text(&today.to_string()));
                message.element("codiceFiscaleOperatore", &Own(Field::Operator));
                message.element("idVerificaTampone", &Own(Field::Session));
            }
            Step::Confirm | Step::Annul => {
                let kind = if step == Step::Confirm { "C" } else { "A" };
                message.element("idTipoComunicazione", &Text(kind));
                message.element("codiceFiscaleOperatore", &Own(Field::Operator));
                message.element("idVerificaTampone", &Own(Field::Session));
                message.element("cun", &Own(Field::Cun));
            }
            Step::SendCode => {
                if let (Credentials::Certificate, Some(operator)) =
                    (&caller.credentials, caller.operator)
                {
                    message.element("codiceFiscaleOperatore", &Text(&text(operator)));
                }
                message.element("codiceOtp", &Own(Field::OneTimeCode));
                message.element("codiceFiscaleAssistito", &Own(Field::Person));
            }
        }
        message.end(caller)
    }

    /// Writes every place anew with what `value` gives for it, which must be of the field's length; the whole request.
    pub(crate) fn fill(&mut self, mut value: impl FnMut(Field, &mut [u8])) -> &[u8] {
        for (field, place) in &self.places {
            value(*field, &mut self.bytes[place.clone()]);
        }
        &self.bytes
    }
}

fn text(code: [u8; 16]) -> String {
    String::from_utf8_lossy(&code).into_owned()
}

/// A message as the common tools write it, indented, one element a line.
struct Message {
    service: Service,
    body: String,
    places: Vec<(Field, Range<usize>)>,
}

impl Message {
    fn begin(service: Service, caller: &Caller) -> Self {
        let (name, element) = (service.name(), service.element());
        let mut message = Self {
            service,
            body: format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns:urn=\"urn:sistemats:{name}:v1\" xmlns:tip=\"urn:sistemats:tipi:v1\">\n   \
                 <soapenv:Header/>\n   <soapenv:Body>\n      <urn:{element}Richiesta>\n"
            ),
            places: Vec::new(),
        };
        match &caller.credentials {
            Credentials::Certificate => message.element("tipoAutenticazione", &Value::Text("2F")),
            Credentials::Basic { pin_code, .. } => {
                message.element("pinCode", &Value::Text(pin_code))
            }
        }
        message
    }

    fn element(&mut self, name: &str, value: &Value<'_>) {
        self.body.push_str(&format!("         <urn:{name}>"));
        let start = self.body.len();
        match value {
            Value::Text(text) => self.body.push_str(&escape(text)),
            Value::Field(field) => {
                self.body.push_str(&"0".repeat(field.length()));
                self.places.push((*field, start..self.body.len()));
            }
        }
        self.body.push_str(&format!("</urn:{name}>\n"));
    }

    fn structure(&mut self, caller: &Caller) {
        match &caller.structure {
            Some(StructureReference::Identifier(id)) => {
                let text = id.to_string();
                let codes = ["codiceRegione", "codiceAsl", "codiceStruttura"]
                    .into_iter()
                    .zip(text.split('-'));
                self.body
                    .push_str("         <urn:identificativoStruttura>\n");
                for (name, code) in codes {
                    self.body
                        .push_str(&format!("            <tip:{name}>{code}</tip:{name}>\n"));
                }
                self.body
                    .push_str("         </urn:identificativoStruttura>\n");
            }
            Some(StructureReference::Description(description)) => {
                self.element("descrizioneStruttura", &Value::Text(description.as_str()));
            }
            // Only of a call centre, which sends no such message.
            None => {}
        }
    }

    fn end(self, caller: &Caller) -> Template {
        let (name, element) = (self.service.name(), self.service.element());
        let body = self.body
            + &format!(
                "      </urn:{element}Richiesta>\n   </soapenv:Body>\n</soapenv:Envelope>\n"
            );
        let mut head = format!(
            "POST /soap/v1/{name} HTTP/1.1\r\nHost: {}\r\nUser-Agent: loadtest/{}\r\n\
             Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:sistemats:{name}:v1:{name}\"\r\n",
            caller.target.host,
            env!("CARGO_PKG_VERSION")
        );
        if let Credentials::Basic { user, password, .. } = &caller.credentials {
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            head.push_str(&format!("Authorization: Basic {pair}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let places = self
            .places
            .into_iter()
            .map(|(field, place)| (field, place.start + head.len()..place.end + head.len()))
            .collect();
        Template {
            bytes: (head + &body).into_bytes(),
            places,
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
