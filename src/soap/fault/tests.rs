//! Failure here means that a fault goes out with another status than the contract says, or that its body is not XML.
use sistema_ts_model::Outcome;

use super::*;
use crate::soap::names::is_character;

const ELEMENT: &str = "ELEMENTO";
const NAMESPACE: &str = "SPAZIO-DEI-NOMI";

/// One of each kind.
pub(crate) fn every_fault() -> Vec<SoapFault> {
    let position = Position { line: 2, column: 7 };
    let mut faults = vec![
        SoapFault::Refused(Refusal::Method { allowed: "POST" }),
        SoapFault::NotFound,
        SoapFault::Refused(Refusal::TooLarge),
        SoapFault::Refused(Refusal::SlowBody),
        SoapFault::Refused(Refusal::BrokenBody),
        SoapFault::Unauthorized,
        SoapFault::CertificateMissing,
        SoapFault::CertificateRefused,
        SoapFault::UNAVAILABLE,
        SoapFault::Internal,
        SoapFault::OutcomeUnknown { has_key: true },
        SoapFault::OutcomeUnknown { has_key: false },
        SoapFault::XmlVersion,
        SoapFault::Doctype,
        SoapFault::ProcessingInstruction,
        SoapFault::NotSoap,
        SoapFault::Soap12,
        SoapFault::Envelope,
        SoapFault::MustUnderstand {
            header: None,
            position,
        },
        SoapFault::MustUnderstand {
            header: KnownHeader::find("http://www.w3.org/2005/08/addressing", "To"),
            position,
        },
        SoapFault::Body,
        SoapFault::UnknownOperation {
            expected: ELEMENT,
            namespace: NAMESPACE,
        },
        SoapFault::WrongNamespace {
            element: ELEMENT,
            namespace: NAMESPACE,
        },
        SoapFault::UnknownElement {
            parent: ELEMENT,
            position,
        },
        SoapFault::RepeatedElement { element: ELEMENT },
        SoapFault::MissingElements(vec![ELEMENT, ELEMENT]),
        SoapFault::ElementInText { element: ELEMENT },
        SoapFault::TextInStructure { element: ELEMENT },
        SoapFault::UnknownAttribute { element: ELEMENT },
        SoapFault::Nil { element: ELEMENT },
    ];
    faults.extend(
        [
            MediaTypeError::Missing,
            MediaTypeError::Malformed,
            MediaTypeError::Soap12,
            MediaTypeError::Multipart,
            MediaTypeError::NotXml,
            MediaTypeError::Charset,
            MediaTypeError::Encoding,
        ]
        .map(SoapFault::MediaType),
    );
    faults.extend(
        [
            EncodingProblem::NotUtf8,
            EncodingProblem::Unknown,
            EncodingProblem::Contradiction,
            EncodingProblem::NotAscii,
        ]
        .map(SoapFault::Encoding),
    );
    faults.extend(
        [
            Limit::Depth,
            Limit::Elements,
            Limit::Attributes,
            Limit::Bindings,
        ]
        .map(SoapFault::TooMuch),
    );
    for problem in [
        Malformed::Syntax,
        Malformed::Truncated,
        Malformed::MismatchedTag,
        Malformed::DuplicateAttribute,
        Malformed::UndeclaredPrefix,
        Malformed::NamespaceDeclaration,
        Malformed::Reference,
        Malformed::Character,
        Malformed::Declaration,
        Malformed::OutsideRoot,
    ] {
        faults.push(SoapFault::Malformed {
            problem,
            position: Some(position),
        });
    }
    faults
}

#[test]
fn faults_without_a_status_of_their_own_are_500() {
    for fault in every_fault() {
        let expected = match fault {
            SoapFault::Refused(Refusal::BrokenBody) => 400,
            SoapFault::Unauthorized => 401,
            SoapFault::Refused(Refusal::Method { .. }) => 405,
            SoapFault::NotFound => 404,
            SoapFault::Refused(Refusal::SlowBody) => 408,
            SoapFault::Refused(Refusal::TooLarge) => 413,
            SoapFault::MediaType(_) => 415,
            SoapFault::Refused(Refusal::Unavailable | Refusal::Draining) => 503,
            _ => 500,
        };
        assert_eq!(fault.on_wire().status, expected, "{fault:?}");
    }
}

#[test]
fn what_may_be_sent_again_as_it_is_blames_the_server() {
    for fault in every_fault() {
        let code = match fault {
            SoapFault::Refused(Refusal::Unavailable | Refusal::Draining)
            | SoapFault::Internal
            | SoapFault::OutcomeUnknown { .. }
            | SoapFault::Refused(Refusal::BrokenBody)
            | SoapFault::Refused(Refusal::SlowBody) => FaultCode::Server,
            SoapFault::MustUnderstand { .. } => FaultCode::MustUnderstand,
            _ => FaultCode::Client,
        };
        let wire = fault.on_wire();
        assert_eq!(wire.code, code, "{fault:?}");
        let says_again = ["di nuovo", "riprovare", "ripetere"]
            .iter()
            .any(|word| wire.text.contains(word));
        assert_eq!(says_again, code == FaultCode::Server, "{}", wire.text);
    }
}

#[test]
fn every_fault_but_those_of_headers_has_a_code_of_its_own_that_no_outcome_has() {
    let mut codes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.code()).collect();
    for fault in every_fault() {
        let wire = fault.on_wire();
        let is_of_a_header = matches!(fault, SoapFault::MustUnderstand { .. });
        assert_eq!(wire.error.is_none(), is_of_a_header, "{fault:?}");
        codes.extend(wire.error);
    }
    assert!(
        codes
            .iter()
            .all(|code| code.len() == 4 && code.bytes().all(|digit| digit.is_ascii_digit()))
    );
    let before = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), before);
}

#[test]
fn an_unknown_outcome_speaks_of_a_key_only_where_the_request_has_one() {
    use crate::soap::messages::{submission, verification};
    for (request, has_key) in [
        (&submission::REQUEST, true),
        (&verification::REQUEST, false),
    ] {
        let fault = SoapFault::OutcomeUnknown { has_key: !has_key }.of_request(request);
        let text = fault.on_wire().text;
        assert_eq!(text.contains("identificativoRichiesta"), has_key, "{text}");
    }
}

#[test]
fn every_fault_says_something_of_its_own() {
    let mut texts: Vec<_> = every_fault()
        .iter()
        .filter(|fault| !matches!(fault, SoapFault::Soap12 | SoapFault::MediaType(_)))
        .map(|fault| fault.on_wire().text)
        .collect();
    let before = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), before);
    for text in texts {
        assert!(
            text.ends_with('.') && text.chars().all(is_character),
            "{text}"
        );
    }
}

#[test]
fn a_fault_is_a_soap_envelope() {
    for fault in every_fault() {
        let body = String::from_utf8(fault.to_body()).expect("UTF-8");
        let mut reader = crate::soap::pull::PullReader::new(
            &body,
            body.find('\n').expect("a declaration"),
            "urn:none",
        );
        let mut texts = Vec::new();
        let mut names = Vec::new();
        loop {
            use crate::soap::pull::Token;
            match reader.next().expect("well-formed") {
                Token::Open { local, .. } => {
                    names.push(local);
                    texts.push(String::new());
                }
                Token::Text(piece) => {
                    if let Some(text) = texts.last_mut() {
                        text.push_str(piece);
                    }
                }
                Token::Character(character) => {
                    if let Some(text) = texts.last_mut() {
                        text.push(character);
                    }
                }
                Token::Close => {}
                Token::End => break,
            }
        }
        let wire = fault.on_wire();
        let code = wire.code.as_str();
        let mut expected = vec![
            ("Envelope", ""),
            ("Body", ""),
            ("Fault", ""),
            ("faultcode", code),
            ("faultstring", &*wire.text),
        ];
        if let Some(error) = wire.error {
            expected.extend([
                ("detail", ""),
                ("errore", ""),
                ("codice", error),
                ("descrizione", &*wire.text),
            ]);
        }
        let found: Vec<_> = names
            .into_iter()
            .zip(texts.iter().map(|text| text.trim()))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_front_s_refusals_keep_their_status() {
    for refusal in [
        Refusal::Method { allowed: "POST" },
        Refusal::TooLarge,
        Refusal::SlowBody,
        Refusal::BrokenBody,
        Refusal::Unavailable,
        Refusal::Draining,
    ] {
        let fault = SoapFault::from(refusal);
        assert_eq!(fault.on_wire().status, refusal.status().as_u16());
        assert_eq!(render_refusal(&refusal).bytes, fault.to_body());
    }
}
