//! Failure here means that a fault goes out with another status than the contract says, or that its body is not XML.
use super::*;
use crate::soap::names::is_character;

const ELEMENT: &str = "ELEMENTO";
const NAMESPACE: &str = "SPAZIO-DEI-NOMI";

/// One of each kind.
pub(crate) fn every_fault() -> Vec<SoapFault> {
    let position = Position { line: 2, column: 7 };
    let mut faults = vec![
        SoapFault::MethodNotAllowed,
        SoapFault::NotFound,
        SoapFault::BodyTooLarge,
        SoapFault::BodyTooSlow,
        SoapFault::BodyBroken,
        SoapFault::Unauthorized,
        SoapFault::CertificateMissing,
        SoapFault::CertificateRefused,
        SoapFault::Unavailable,
        SoapFault::Internal,
        SoapFault::OutcomeUnknown,
        SoapFault::XmlVersion,
        SoapFault::Doctype,
        SoapFault::ProcessingInstruction,
        SoapFault::NotSoap,
        SoapFault::Soap12,
        SoapFault::Envelope,
        SoapFault::MustUnderstand,
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
            SoapFault::BodyBroken => 400,
            SoapFault::Unauthorized => 401,
            SoapFault::MethodNotAllowed => 405,
            SoapFault::NotFound => 404,
            SoapFault::BodyTooSlow => 408,
            SoapFault::BodyTooLarge => 413,
            SoapFault::MediaType(_) => 415,
            SoapFault::Unavailable => 503,
            _ => 500,
        };
        assert_eq!(fault.on_wire().status, expected, "{fault:?}");
    }
}

#[test]
fn the_server_blames_itself_only_for_its_own_faults() {
    for fault in every_fault() {
        let own = matches!(
            fault,
            SoapFault::Unavailable | SoapFault::Internal | SoapFault::OutcomeUnknown
        );
        let code = if own {
            FaultCode::Server
        } else {
            FaultCode::Client
        };
        assert_eq!(fault.on_wire().code, code, "{fault:?}");
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
        let mut text = String::new();
        let mut names = Vec::new();
        loop {
            use crate::soap::pull::Token;
            match reader.next().expect("well-formed") {
                Token::Open { local, .. } => names.push(local),
                Token::Text(piece) => text.push_str(piece),
                Token::Character(character) => text.push(character),
                Token::Close => {}
                Token::End => break,
            }
        }
        assert_eq!(
            names,
            ["Envelope", "Body", "Fault", "faultcode", "faultstring"]
        );
        let wire = fault.on_wire();
        assert_eq!(text.trim(), format!("{}{}", wire.code.as_str(), wire.text));
    }
}

#[test]
fn the_front_s_refusals_keep_their_status() {
    for refusal in [
        Refusal::Method { allowed: "POST" },
        Refusal::MediaType(MediaTypeError::NotXml),
        Refusal::TooLarge,
        Refusal::SlowBody,
        Refusal::BrokenBody,
        Refusal::Overloaded,
        Refusal::Draining,
    ] {
        let fault = SoapFault::from(&refusal);
        assert_eq!(fault.on_wire().status, refusal.status().as_u16());
        assert_eq!(render_refusal(&refusal).bytes, fault.to_body());
    }
}
