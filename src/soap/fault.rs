//! SOAP faults: what is said to a request that never reached a service.
//!
//! One enumeration, one exhaustive match to status, fault code and Italian text. A text never echoes anything of the
//! request; names of elements in it come from the descriptions. Faults that have no HTTP status of their own are 500,
//! which every toolkit shows to its user (a third of them hide a 400's text).

use std::borrow::Cow;
use std::fmt::Write as _;

use super::escape::push_text;
pub use super::problem::{EncodingProblem, Limit, Malformed, Position};
use crate::front::{MediaTypeError, Refusal, RefusalBody};

/// The media type of every answer.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Why a request never reached a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoapFault {
    /// Another method than POST (405).
    #[error("method not allowed")]
    MethodNotAllowed,
    /// A path that no service has (404).
    #[error("no such service")]
    NotFound,
    /// A media type, charset or coding that is not read (415).
    #[error("media type, charset or coding not read: {0}")]
    MediaType(#[from] MediaTypeError),
    /// A body beyond 64 KiB (413).
    #[error("body beyond 64 KiB")]
    BodyTooLarge,
    /// The body did not come whole in its time (408).
    #[error("body not whole in its time")]
    BodyTooSlow,
    /// The body broke off, or its framing is wrong (400).
    #[error("body broken off")]
    BodyBroken,
    /// No credentials or wrong ones on the Basic listener: unknown user, wrong password, wrong pincode, locked (401).
    #[error("no credentials, or wrong ones (user, password, pincode, lock: one answer)")]
    Unauthorized,
    /// No client certificate on the mutual-TLS listener.
    #[error("client certificate missing")]
    CertificateMissing,
    /// A client certificate that no registered caller has now, or a revoked one.
    #[error("client certificate not registered, expired or revoked")]
    CertificateRefused,
    /// Too busy, or stopping: nothing was done (503).
    #[error("busy or stopping; nothing was done")]
    Unavailable,
    /// A mistake of the server: nothing was done.
    #[error("mistake of the server; nothing was done")]
    Internal,
    /// The request may or may not have been carried out.
    #[error("the request may or may not have been carried out")]
    OutcomeUnknown,

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
    /// A header that must be understood.
    #[error("header that must be understood")]
    MustUnderstand,
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
    /// The request.
    Client,
    /// The server.
    Server,
}

impl FaultCode {
    /// The qualified name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "soap:Client",
            Self::Server => "soap:Server",
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
    /// The Italian text.
    pub text: Cow<'static, str>,
}

impl SoapFault {
    /// Status, code and text: the one place that decides them.
    pub fn on_wire(&self) -> FaultOnWire {
        use FaultCode::{Client, Server};
        let (status, code, text): (u16, FaultCode, Cow<'static, str>) = match self {
            Self::MethodNotAllowed => (
                405,
                Client,
                "Metodo non ammesso: usare POST; il WSDL si legge con GET e ?wsdl.".into(),
            ),
            Self::NotFound => (
                404,
                Client,
                "Indirizzo inesistente: i servizi sono sotto /soap/v1/, ciascuno con il suo ?wsdl.".into(),
            ),
            Self::MediaType(problem) => (415, Client, media_type_text(*problem).into()),
            Self::BodyTooLarge => (
                413,
                Client,
                "Messaggio troppo grande: al massimo 64 KiB.".into(),
            ),
            Self::BodyTooSlow => (
                408,
                Client,
                "Messaggio non ricevuto per intero nel tempo previsto: inviarlo di nuovo.".into(),
            ),
            Self::BodyBroken => (
                400,
                Client,
                "Messaggio interrotto o trasmesso in modo errato: inviarlo di nuovo.".into(),
            ),
            Self::Unauthorized => (
                401,
                Client,
                "Credenziali mancanti o non valide: verificare utente, password e pincode.".into(),
            ),
            Self::CertificateMissing => (
                500,
                Client,
                "Certificato client mancante: questo indirizzo richiede la mutua autenticazione."
                    .into(),
            ),
            Self::CertificateRefused => (
                500,
                Client,
                "Certificato client non abilitato, scaduto o revocato.".into(),
            ),
            Self::Unavailable => (
                503,
                Server,
                "Servizio momentaneamente non disponibile: nulla è stato eseguito, riprovare dopo l'attesa indicata.".into(),
            ),
            Self::Internal => (
                500,
                Server,
                "Errore interno: nulla è stato eseguito, riprovare più tardi.".into(),
            ),
            Self::OutcomeUnknown => (
                500,
                Server,
                "Esito ignoto: ripetere la richiesta con la stessa chiave (identificativoRichiesta)."
                    .into(),
            ),
            Self::Malformed { problem, position } => {
                (500, Client, malformed_text(*problem, *position).into())
            }
            Self::Encoding(problem) => (500, Client, encoding_text(*problem).into()),
            Self::XmlVersion => (500, Client, "Versione di XML non ammessa: usare la 1.0.".into()),
            Self::Doctype => (500, Client, "DOCTYPE non ammesso: toglierlo.".into()),
            Self::ProcessingInstruction => (
                500,
                Client,
                "Istruzioni di elaborazione (<?…?>) non ammesse: toglierle.".into(),
            ),
            Self::TooMuch(limit) => (500, Client, limit_text(*limit).into()),
            Self::NotSoap => (
                500,
                Client,
                "Il messaggio non è una busta SOAP 1.1 (http://schemas.xmlsoap.org/soap/envelope/)."
                    .into(),
            ),
            Self::Soap12 => (
                500,
                Client,
                "SOAP 1.2 non è supportato: usare SOAP 1.1 con text/xml.".into(),
            ),
            Self::Envelope => (
                500,
                Client,
                "La busta SOAP deve contenere al più un Header, poi un solo Body, e nient'altro.".into(),
            ),
            Self::MustUnderstand => (
                500,
                Client,
                "Header SOAP con mustUnderstand non supportato: questi servizi non ne usano.".into(),
            ),
            Self::Body => (
                500,
                Client,
                "Il Body SOAP deve contenere un solo elemento: la richiesta.".into(),
            ),
            Self::UnknownOperation {
                expected,
                namespace,
            } => (
                500,
                Client,
                format!("Operazione non prevista a questo indirizzo: il Body deve contenere {expected} ({namespace}).")
                    .into(),
            ),
            Self::WrongNamespace { element, namespace } => (
                500,
                Client,
                format!("L'elemento {element} deve stare nello spazio dei nomi {namespace}: usare il WSDL.").into(),
            ),
            Self::UnknownElement { parent, position } => (
                500,
                Client,
                format!(
                    "Elemento non previsto in {parent} (riga {}, colonna {}): si veda il WSDL.",
                    position.line, position.column
                )
                .into(),
            ),
            Self::RepeatedElement { element } => (
                500,
                Client,
                format!("Elemento ripetuto più volte del consentito: {element}.").into(),
            ),
            Self::MissingElements(elements) => (
                500,
                Client,
                format!("Elementi obbligatori mancanti: {}.", elements.join(", ")).into(),
            ),
            Self::ElementInText { element } => (
                500,
                Client,
                format!("L'elemento {element} deve contenere solo testo.").into(),
            ),
            Self::TextInStructure { element } => (
                500,
                Client,
                format!("L'elemento {element} non deve contenere testo, solo elementi.").into(),
            ),
            Self::UnknownAttribute { element } => (
                500,
                Client,
                format!("Attributo non previsto sull'elemento {element}: toglierlo.").into(),
            ),
            Self::Nil { element } => (
                500,
                Client,
                format!("xsi:nil non valido sull'elemento {element}: vale true o false, e con true l'elemento è vuoto.")
                    .into(),
            ),
        };
        FaultOnWire { status, code, text }
    }

    /// The whole answer body.
    pub fn to_body(&self) -> Vec<u8> {
        let fault = self.on_wire();
        let mut body = Vec::with_capacity(512);
        body.extend_from_slice(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault><faultcode>",
        );
        body.extend_from_slice(fault.code.as_str().as_bytes());
        body.extend_from_slice(b"</faultcode><faultstring xml:lang=\"it\">");
        push_text(&mut body, &fault.text);
        body.extend_from_slice(b"</faultstring></soap:Fault></soap:Body></soap:Envelope>");
        body
    }
}

impl From<&Refusal> for SoapFault {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Method { .. } => Self::MethodNotAllowed,
            Refusal::MediaType(problem) => Self::MediaType(*problem),
            Refusal::TooLarge => Self::BodyTooLarge,
            Refusal::SlowBody => Self::BodyTooSlow,
            Refusal::BrokenBody => Self::BodyBroken,
            Refusal::Overloaded | Refusal::Draining => Self::Unavailable,
        }
    }
}

/// Writes a refusal of the front as a SOAP fault: the front's [`RefusalRenderer`](crate::front::RefusalRenderer).
pub fn render_refusal(refusal: &Refusal) -> RefusalBody {
    RefusalBody {
        content_type: CONTENT_TYPE,
        bytes: SoapFault::from(refusal).to_body().into(),
    }
}

fn media_type_text(problem: MediaTypeError) -> &'static str {
    match problem {
        MediaTypeError::Missing => "Content-Type mancante: usare text/xml; charset=utf-8.",
        MediaTypeError::Malformed => "Content-Type non leggibile: usare text/xml; charset=utf-8.",
        MediaTypeError::Soap12 => {
            "SOAP 1.2 (application/soap+xml) non è supportato: usare SOAP 1.1 con text/xml."
        }
        MediaTypeError::Multipart => {
            "Messaggi multipart (MTOM, allegati) non ammessi: usare text/xml."
        }
        MediaTypeError::NotXml => "Tipo di contenuto non ammesso: usare text/xml; charset=utf-8.",
        MediaTypeError::Charset => "Charset non ammesso: usare UTF-8 oppure ISO-8859-1.",
        MediaTypeError::Encoding => {
            "Content-Encoding non ammesso: inviare il messaggio senza compressione."
        }
    }
}

fn malformed_text(problem: Malformed, position: Option<Position>) -> String {
    let what = match problem {
        Malformed::Syntax => "sintassi errata",
        Malformed::Truncated => "il messaggio finisce prima della busta",
        Malformed::MismatchedTag => "un tag di chiusura non corrisponde a quello di apertura",
        Malformed::DuplicateAttribute => "attributo ripetuto",
        Malformed::UndeclaredPrefix => "prefisso non dichiarato",
        Malformed::NamespaceDeclaration => "dichiarazione di spazio dei nomi non ammessa",
        Malformed::Reference => "riferimento a entità o carattere non valido",
        Malformed::Character => "carattere non ammesso in XML",
        Malformed::Declaration => "dichiarazione XML errata",
        Malformed::OutsideRoot => "contenuto fuori dalla busta",
    };
    let mut text = format!("XML non ben formato: {what}");
    if let Some(Position { line, column }) = position {
        // Writing to a String does not fail.
        let _ = write!(text, " (riga {line}, colonna {column})");
    }
    text.push('.');
    text
}

fn encoding_text(problem: EncodingProblem) -> &'static str {
    match problem {
        EncodingProblem::NotUtf8 => {
            "Il messaggio non è in UTF-8: dichiarare ISO-8859-1 oppure convertirlo."
        }
        EncodingProblem::Unknown => {
            "Codifica della dichiarazione XML non ammessa: usare UTF-8 oppure ISO-8859-1."
        }
        EncodingProblem::Contradiction => {
            "Codifiche in contraddizione: charset del Content-Type, BOM e dichiarazione XML devono concordare."
        }
    }
}

fn limit_text(limit: Limit) -> String {
    let what = match limit {
        Limit::Depth => "livelli di annidamento",
        Limit::Elements => "elementi",
        Limit::Attributes => "attributi su un elemento",
        Limit::Bindings => "dichiarazioni di spazi dei nomi",
    };
    format!(
        "Messaggio troppo complesso: al massimo {} {what}.",
        limit.value()
    )
}

#[cfg(test)]
#[path = "fault_tests.rs"]
pub(crate) mod tests;
