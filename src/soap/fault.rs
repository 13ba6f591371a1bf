//! SOAP faults: what is said to a request that never reached a service.
//!
//! One enumeration, one exhaustive match to status, fault code, code of the error and Italian text. A text never echoes
//! anything of the request; names of elements in it come from the descriptions, those of headers from a table of known ones.
//! Faults that have no HTTP status of their own are 500, which every toolkit shows to its user (a third of them hide a 400's
//! text).
//!
//! `soap:Client` means that the message is to be corrected, `soap:Server` that the same message may be sent again: so a body that
//! the network broke off is `soap:Server`, although its status is 400.

use std::borrow::Cow;

use super::description::Message;
use super::escape::{push_attribute, push_text};
use super::fault_reasons::{encoding, limit, malformed, media_type, must_understand};
use super::header::KnownHeader;
use super::media_type::MediaTypeError;
pub use super::problem::{EncodingProblem, Limit, Malformed, Position};
use super::types;
use crate::front::{Refusal, RefusalBody};

/// The media type of every answer.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Why a request never reached a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoapFault {
    /// Refused before it was read, or because the server is busy or stopping: nothing was done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A path that no service has (404).
    #[error("no such service")]
    NotFound,
    /// A media type, charset or coding that is not read (415).
    #[error("media type, charset or coding not read: {0}")]
    MediaType(#[from] MediaTypeError),
    /// No credentials or wrong ones on the Basic listener: unknown user, wrong password, wrong pincode, locked (401).
    #[error(
        "no credentials, or wrong ones (user, password, pincode; unknown, expired or disabled: one answer)"
    )]
    Unauthorized,
    /// No client certificate on the mutual-TLS listener.
    #[error("client certificate missing")]
    CertificateMissing,
    /// A client certificate that no registered caller has now, or a revoked one.
    #[error("client certificate not registered, expired or revoked")]
    CertificateRefused,
    /// A mistake of the server: nothing was done.
    #[error("mistake of the server; nothing was done")]
    Internal,
    /// The request may or may not have been carried out.
    #[error("the request may or may not have been carried out")]
    OutcomeUnknown {
        /// Whether the request of the service has a key (`identificativoRichiesta`), by which the first answer is had again.
        has_key: bool,
    },

    /// Not well-formed XML.
    #[error("malformed XML: {problem}")]
    Malformed {
        /// What is wrong.
        problem: Malformed,
        /// Where, as far as it is known.
        position: Option<Position>,
    },
    /// The characters cannot be read.
    #[error("encoding: {0}")]
    Encoding(EncodingProblem),
    /// Another version of XML than 1.0.
    #[error("another version of XML than 1.0")]
    XmlVersion,
    /// A document type declaration.
    #[error("DOCTYPE")]
    Doctype,
    /// A processing instruction.
    #[error("processing instruction")]
    ProcessingInstruction,
    /// Larger or deeper than a request can be.
    #[error("too much: {0}")]
    TooMuch(Limit),

    /// Well-formed, but not a SOAP envelope.
    #[error("no SOAP envelope")]
    NotSoap,
    /// A SOAP 1.2 envelope.
    #[error("SOAP 1.2 envelope")]
    Soap12,
    /// Something else than one Header and one Body in the envelope.
    #[error("envelope with other parts than Header and Body")]
    Envelope,
    /// A header for this server that must be understood: it understands none.
    #[error("header that must be understood: {}", .header.map_or("another than the known ones", KnownHeader::qualified_name))]
    MustUnderstand {
        /// Which, if it is one that programs are known to send.
        header: Option<KnownHeader>,
        /// Where in the body.
        position: Position,
    },
    /// None, or more than one, element in the Body.
    #[error("none or several elements in the Body")]
    Body,
    /// The Body's child is not the request of this address.
    #[error("the Body holds another element than the request of this address")]
    UnknownOperation {
        /// The element that this address takes.
        expected: &'static str,
        /// Its namespace.
        namespace: &'static str,
    },

    /// An element of the right name in a wrong namespace.
    #[error("element {element} not in its namespace")]
    WrongNamespace {
        /// The element.
        element: &'static str,
        /// The namespace where it belongs.
        namespace: &'static str,
    },
    /// An element that the description does not have.
    #[error("unknown element in {parent}")]
    UnknownElement {
        /// The element in which it was found.
        parent: &'static str,
        /// Where in the body.
        position: Position,
    },
    /// An element more than once, or more often than it may.
    #[error("element {element} repeated")]
    RepeatedElement {
        /// The element.
        element: &'static str,
    },
    /// Required elements that are not there, all of them.
    #[error("elements missing: {}", .0.join(", "))]
    MissingElements(Vec<&'static str>),
    /// An element inside one that holds text.
    #[error("element in {element}, which holds text")]
    ElementInText {
        /// The element that holds text.
        element: &'static str,
    },
    /// Text inside an element that holds elements.
    #[error("text in {element}, which holds elements")]
    TextInStructure {
        /// The element that holds elements.
        element: &'static str,
    },
    /// An attribute that has no place on an element of a request.
    #[error("attribute on {element}")]
    UnknownAttribute {
        /// The element.
        element: &'static str,
    },
    /// `xsi:nil` with a wrong value, or on an element that is not empty.
    #[error("xsi:nil on {element}")]
    Nil {
        /// The element.
        element: &'static str,
    },
}

/// Who is at fault (`faultcode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The request: to be corrected.
    Client,
    /// The server, or the network on the way to it: the same message may be sent again.
    Server,
    /// A header that is for this server, must be understood, and is not.
    MustUnderstand,
}

impl FaultCode {
    /// The qualified name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "soap:Client",
            Self::Server => "soap:Server",
            Self::MustUnderstand => "soap:MustUnderstand",
        }
    }
}

/// A fault as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultOnWire {
    /// The HTTP status.
    pub status: u16,
    /// The fault code.
    pub code: FaultCode,
    /// The four digits of the error (`codice` in the fault's `detail`), stable for ever; none for a fault about a header, whose
    /// fault code says all, and which must not have a `detail` (SOAP 1.1, §4.4).
    pub error: Option<&'static str>,
    /// The Italian text.
    pub text: Cow<'static, str>,
}

impl SoapFault {
    /// Too busy, or without what the request needs: nothing was done (503).
    pub const UNAVAILABLE: Self = Self::Refused(Refusal::Unavailable);

    /// The fault as it is told of this kind of request: what to do after an unknown outcome depends on whether it has a key.
    #[must_use]
    pub fn of_request(self, request: &Message) -> Self {
        match self {
            Self::OutcomeUnknown { .. } => Self::OutcomeUnknown {
                has_key: request.find("identificativoRichiesta").is_some(),
            },
            fault => fault,
        }
    }

    /// Status, codes and text: the one place that decides them.
    pub fn on_wire(&self) -> FaultOnWire {
        match self {
            Self::Refused(Refusal::BrokenBody) => server(
                400,
                "6001",
                "Messaggio interrotto o trasmesso in modo errato, nulla è stato eseguito: inviarlo di nuovo.",
            ),
            Self::Unauthorized => client(
                401,
                "6002",
                "Credenziali mancanti, non valide o scadute: verificare utente, password e pincode.",
            ),
            Self::NotFound => client(
                404,
                "6003",
                "Indirizzo inesistente: i servizi sono sotto /soap/v1/, ciascuno con il suo ?wsdl.",
            ),
            Self::Refused(Refusal::Method { .. }) => client(
                405,
                "6004",
                "Metodo non ammesso: usare POST; il WSDL si legge con GET e ?wsdl.",
            ),
            Self::Refused(Refusal::SlowBody) => server(
                408,
                "6005",
                "Messaggio non ricevuto per intero nel tempo previsto, nulla è stato eseguito: inviarlo di nuovo.",
            ),
            Self::Refused(Refusal::TooLarge) => {
                client(413, "6006", "Messaggio troppo grande: al massimo 64 KiB.")
            }
            Self::MediaType(problem) => {
                let (error, text) = media_type(*problem);
                client(415, error, text)
            }
            Self::CertificateMissing => client(
                500,
                "6021",
                "Certificato client mancante: questo indirizzo richiede la mutua autenticazione.",
            ),
            Self::CertificateRefused => client(
                500,
                "6022",
                "Certificato client non abilitato, scaduto o revocato, oppure rete di provenienza non censita.",
            ),
            Self::Malformed { problem, position } => {
                let (error, text) = malformed(*problem, *position);
                client(500, error, text)
            }
            Self::Encoding(problem) => {
                let (error, text) = encoding(*problem);
                client(500, error, text)
            }
            Self::XmlVersion => client(500, "7031", "Versione di XML non ammessa: usare la 1.0."),
            Self::Doctype => client(500, "7032", "DOCTYPE non ammesso: toglierlo."),
            Self::ProcessingInstruction => client(
                500,
                "7033",
                "Istruzioni di elaborazione (<?…?>) non ammesse: toglierle.",
            ),
            Self::TooMuch(exceeded) => {
                let (error, text) = limit(*exceeded);
                client(500, error, text)
            }
            Self::NotSoap => client(
                500,
                "7101",
                "Il messaggio non è una busta SOAP 1.1 (http://schemas.xmlsoap.org/soap/envelope/).",
            ),
            Self::Soap12 => client(
                500,
                "7102",
                "SOAP 1.2 non è supportato: usare SOAP 1.1 con text/xml.",
            ),
            Self::Envelope => client(
                500,
                "7103",
                "La busta SOAP deve contenere al più un Header, poi un solo Body, e nient'altro.",
            ),
            Self::Body => client(
                500,
                "7104",
                "Il Body SOAP deve contenere un solo elemento: la richiesta.",
            ),
            Self::UnknownOperation {
                expected,
                namespace,
            } => client(
                500,
                "7105",
                format!(
                    "Operazione non prevista a questo indirizzo: il Body deve contenere {expected} ({namespace})."
                ),
            ),
            Self::MustUnderstand { header, position } => FaultOnWire {
                status: 500,
                code: FaultCode::MustUnderstand,
                error: None,
                text: must_understand(*header, *position).into(),
            },
            Self::WrongNamespace { element, namespace } => client(
                500,
                "7201",
                format!(
                    "L'elemento {element} deve stare nello spazio dei nomi {namespace}: usare il WSDL."
                ),
            ),
            Self::UnknownElement { parent, position } => client(
                500,
                "7202",
                format!(
                    "Elemento non previsto in {parent} (riga {}, colonna {}): si veda il WSDL.",
                    position.line, position.column
                ),
            ),
            Self::RepeatedElement { element } => client(
                500,
                "7203",
                format!("Elemento ripetuto più volte del consentito: {element}."),
            ),
            Self::MissingElements(elements) => client(
                500,
                "7204",
                format!("Elementi obbligatori mancanti: {}.", elements.join(", ")),
            ),
            Self::ElementInText { element } => client(
                500,
                "7205",
                format!("L'elemento {element} deve contenere solo testo."),
            ),
            Self::TextInStructure { element } => client(
                500,
                "7206",
                format!("L'elemento {element} non deve contenere testo, solo elementi."),
            ),
            Self::UnknownAttribute { element } => client(
                500,
                "7207",
                format!("Attributo non previsto sull'elemento {element}: toglierlo."),
            ),
            Self::Nil { element } => client(
                500,
                "7208",
                format!(
                    "xsi:nil non valido sull'elemento {element}: vale true o false, e con true l'elemento è vuoto."
                ),
            ),
            Self::Refused(Refusal::Unavailable | Refusal::Draining) => server(
                503,
                "8001",
                "Servizio momentaneamente non disponibile, nulla è stato eseguito: riprovare tra qualche secondo.",
            ),
            Self::Internal => server(
                500,
                "8002",
                "Errore interno: nulla è stato eseguito, riprovare più tardi.",
            ),
            Self::OutcomeUnknown { has_key: true } => server(
                500,
                "8003",
                "Esito ignoto: ripetere la stessa richiesta con la stessa chiave (identificativoRichiesta).",
            ),
            Self::OutcomeUnknown { has_key: false } => server(
                500,
                "8004",
                "Esito ignoto: ripetere la stessa richiesta; se era già stata eseguita, lo dice la risposta.",
            ),
        }
    }

    /// The whole answer body.
    pub fn to_body(&self) -> Vec<u8> {
        let fault = self.on_wire();
        let mut body = Vec::with_capacity(768);
        body.extend_from_slice(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault><faultcode>",
        );
        body.extend_from_slice(fault.code.as_str().as_bytes());
        body.extend_from_slice(b"</faultcode><faultstring xml:lang=\"it\">");
        push_text(&mut body, &fault.text);
        body.extend_from_slice(b"</faultstring>");
        if let Some(error) = fault.error {
            body.extend_from_slice(b"<detail><t:errore xmlns:t=\"");
            push_attribute(&mut body, types::NAMESPACE);
            body.extend_from_slice(b"\"><t:codice>");
            body.extend_from_slice(error.as_bytes());
            body.extend_from_slice(b"</t:codice><t:descrizione>");
            push_text(&mut body, &fault.text);
            body.extend_from_slice(b"</t:descrizione></t:errore></detail>");
        }
        body.extend_from_slice(b"</soap:Fault></soap:Body></soap:Envelope>");
        body
    }
}

/// A fault that the request has to be corrected for.
fn client(status: u16, error: &'static str, text: impl Into<Cow<'static, str>>) -> FaultOnWire {
    FaultOnWire {
        status,
        code: FaultCode::Client,
        error: Some(error),
        text: text.into(),
    }
}

/// A fault after which the same request may be sent again.
fn server(status: u16, error: &'static str, text: impl Into<Cow<'static, str>>) -> FaultOnWire {
    FaultOnWire {
        code: FaultCode::Server,
        ..client(status, error, text)
    }
}

/// Writes a refusal of the front as a SOAP fault: the front's [`RefusalRenderer`](crate::front::RefusalRenderer).
pub fn render_refusal(refusal: &Refusal) -> RefusalBody {
    RefusalBody {
        content_type: CONTENT_TYPE,
        bytes: SoapFault::Refused(*refusal).to_body().into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
