//! Codes and Italian texts of the faults that have one for each reason: the parts of [`super::SoapFault`]'s one match.

use std::fmt::Write as _;

use super::header::KnownHeader;
use super::media_type::MediaTypeError;
use super::problem::{EncodingProblem, Limit, Malformed, Position};

/// Of a media type, charset or coding that is not read.
pub(super) fn media_type(problem: MediaTypeError) -> (&'static str, &'static str) {
    match problem {
        MediaTypeError::Missing => (
            "6011",
            "Content-Type mancante: usare text/xml; charset=utf-8.",
        ),
        MediaTypeError::Malformed => (
            "6012",
            "Content-Type non leggibile: usare text/xml; charset=utf-8.",
        ),
        MediaTypeError::Soap12 => (
            "6013",
            "SOAP 1.2 (application/soap+xml) non è supportato: usare SOAP 1.1 con text/xml.",
        ),
        MediaTypeError::Multipart => (
            "6014",
            "Messaggi multipart (MTOM, allegati) non ammessi: usare text/xml.",
        ),
        MediaTypeError::NotXml => (
            "6015",
            "Tipo di contenuto non ammesso: usare text/xml; charset=utf-8.",
        ),
        MediaTypeError::Charset => (
            "6016",
            "Charset non ammesso: usare UTF-8 oppure ISO-8859-1.",
        ),
        MediaTypeError::Encoding => (
            "6017",
            "Content-Encoding non ammesso: inviare il messaggio senza compressione.",
        ),
    }
}

/// Of what is no well-formed XML.
pub(super) fn malformed(problem: Malformed, position: Option<Position>) -> (&'static str, String) {
    let (error, what) = match problem {
        Malformed::Syntax => ("7001", "sintassi errata"),
        Malformed::Truncated => ("7002", "il messaggio finisce prima della busta"),
        Malformed::MismatchedTag => (
            "7003",
            "un tag di chiusura non corrisponde a quello di apertura",
        ),
        Malformed::DuplicateAttribute => ("7004", "attributo ripetuto"),
        Malformed::UndeclaredPrefix => ("7005", "prefisso non dichiarato"),
        Malformed::NamespaceDeclaration => ("7006", "dichiarazione di spazio dei nomi non ammessa"),
        Malformed::Reference => ("7007", "riferimento a entità o carattere non valido"),
        Malformed::Character => ("7008", "carattere non ammesso in XML"),
        Malformed::Declaration => ("7009", "dichiarazione XML errata"),
        Malformed::OutsideRoot => ("7010", "contenuto fuori dalla busta"),
    };
    let mut text = format!("XML non ben formato: {what}");
    if let Some(Position { line, column }) = position {
        // Writing to a String does not fail.
        let _ = write!(text, " (riga {line}, colonna {column})");
    }
    text.push('.');
    (error, text)
}

/// Of characters that cannot be read.
pub(super) fn encoding(problem: EncodingProblem) -> (&'static str, &'static str) {
    match problem {
        EncodingProblem::NotUtf8 => (
            "7021",
            "Il messaggio non è in UTF-8: dichiarare ISO-8859-1 oppure convertirlo.",
        ),
        EncodingProblem::Unknown => (
            "7022",
            "Codifica della dichiarazione XML non ammessa: usare UTF-8 oppure ISO-8859-1.",
        ),
        EncodingProblem::Contradiction => (
            "7023",
            "Codifiche in contraddizione: charset del Content-Type, BOM e dichiarazione XML devono concordare.",
        ),
        EncodingProblem::NotAscii => (
            "7024",
            "Il messaggio è dichiarato in US-ASCII e non lo è: usare UTF-8 oppure ISO-8859-1.",
        ),
    }
}

/// Of what is larger than a request can be.
pub(super) fn limit(limit: Limit) -> (&'static str, String) {
    let (error, what) = match limit {
        Limit::Depth => ("7041", "livelli di annidamento"),
        Limit::Elements => ("7042", "elementi"),
        Limit::Attributes => ("7043", "attributi su un elemento"),
        Limit::Bindings => ("7044", "dichiarazioni di spazi dei nomi"),
    };
    let bound = limit.value();
    (
        error,
        format!("Messaggio troppo complesso: al massimo {bound} {what}."),
    )
}

/// Of a header that must be understood.
pub(super) fn must_understand(header: Option<KnownHeader>, position: Position) -> String {
    let which = match header {
        Some(header) => format!(
            "L'header SOAP {} ({})",
            header.qualified_name(),
            header.namespace()
        ),
        None => "Un header SOAP".to_owned(),
    };
    format!(
        "{which} ha mustUnderstand (riga {}, colonna {}): toglierlo, questi servizi non usano header.",
        position.line, position.column
    )
}
