//! Bodies that mean harm, or are merely wrong, one by one.
//!
//! Failure here means that something wrong is taken for a request, or that it is refused for another reason than its own.
#![allow(clippy::unwrap_used)]

mod headers;
#[path = "../soap_support/mod.rs"]
mod soap_support;

use sistema_ts::soap::messages::submission::REQUEST;
use sistema_ts::soap::{Limit, Malformed, SoapFault};
use soap_support::{ELEMENTS, SOAP, envelope, read, with};

fn fault(body: &str) -> SoapFault {
    read(body, &[]).expect_err(body)
}

fn malformed(body: &str) -> Malformed {
    match fault(body) {
        SoapFault::Malformed { problem, position } => {
            assert!(position.is_some());
            problem
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn what_is_not_soap_or_not_this_service_is_refused_as_that() {
    assert_eq!(fault("<html/>"), SoapFault::NotSoap);
    assert_eq!(fault("<Envelope/>"), SoapFault::NotSoap);
    assert_eq!(
        fault(&format!("<Body xmlns='{SOAP}'/>")),
        SoapFault::NotSoap
    );
    assert_eq!(
        fault(&format!("<Envelope xmlns='{SOAP}'/>")),
        SoapFault::Envelope
    );
    assert_eq!(
        fault(&format!("<Envelope xmlns='{SOAP}'><Body/></Envelope>")),
        SoapFault::Body
    );
    assert_eq!(
        fault(&format!(
            "<Envelope xmlns='{SOAP}'><Header/><Header/></Envelope>"
        )),
        SoapFault::Envelope
    );
    assert_eq!(
        fault(&with("").replace("<e:Body>", "<e:Body><a/>")),
        SoapFault::UnknownOperation {
            expected: REQUEST.element,
            namespace: REQUEST.namespace
        }
    );
    let soap12 = with("").replace(SOAP, "http://www.w3.org/2003/05/soap-envelope");
    assert_eq!(fault(&soap12), SoapFault::Soap12);
    assert_eq!(
        fault(&with("").replace("</e:Body>", "<a/></e:Body>")),
        SoapFault::Body
    );
    assert_eq!(
        fault(&with("").replace("</e:Body>", "</e:Body><e:Body/>")),
        SoapFault::Envelope
    );
    assert_eq!(
        fault(&with("").replace("</e:Body>", "</e:Body><e:Header/>")),
        SoapFault::Envelope
    );
    assert_eq!(
        fault(&with("").replace("<e:Body>", "x<e:Body>")),
        SoapFault::TextInStructure {
            element: "Envelope"
        }
    );
    assert_eq!(
        fault(&with("").replace("</e:Body>", "x</e:Body>")),
        SoapFault::TextInStructure { element: "Body" }
    );
    let missing = SoapFault::WrongNamespace {
        element: REQUEST.element,
        namespace: REQUEST.namespace,
    };
    assert_eq!(
        fault(&with("").replace("urn:sistemats:invio", "urn:sistemats:Invio")),
        missing
    );
}

#[test]
fn missing_repeated_and_foreign_elements_are_refused_each_in_its_own_words() {
    assert_eq!(
        fault(&envelope("", "")),
        SoapFault::MissingElements(vec![
            "codiceFiscaleAssistito",
            "dataPrelievo",
            "tipologiaTest",
            "esitoTest"
        ])
    );
    assert_eq!(
        fault(&with(
            "<s:identificativoStruttura><t:codiceAsl>1</t:codiceAsl></s:identificativoStruttura>"
        )),
        SoapFault::MissingElements(vec!["codiceRegione", "codiceStruttura"])
    );
    assert_eq!(
        fault(&with("<s:esitoTest>N</s:esitoTest>")),
        SoapFault::RepeatedElement {
            element: "esitoTest"
        }
    );
    assert_eq!(
        fault(&with("<s:pinCode/><s:pinCode/>")),
        SoapFault::RepeatedElement { element: "pinCode" }
    );
    let twice = "<s:identificativoStruttura/><s:identificativoStruttura/>";
    assert_eq!(
        fault(&with(twice)),
        SoapFault::RepeatedElement {
            element: "identificativoStruttura"
        }
    );
    let unknown = fault(&with("<s:altro>RSSMRA80A01H501U</s:altro>"));
    assert!(matches!(
        unknown,
        SoapFault::UnknownElement {
            parent: "InvioEsecuzioneTestRichiesta",
            ..
        }
    ));
    assert!(
        !unknown.on_wire().text.contains("RSSMRA") && !unknown.on_wire().text.contains("altro")
    );
    assert_eq!(
        fault(&with("<pinCode>1</pinCode>")),
        SoapFault::WrongNamespace {
            element: "pinCode",
            namespace: REQUEST.namespace
        }
    );
    assert_eq!(
        fault(&with("<t:pinCode>1</t:pinCode>")),
        SoapFault::WrongNamespace {
            element: "pinCode",
            namespace: REQUEST.namespace
        }
    );
    for inner in [
        "<codiceAsl>1</codiceAsl>",
        "<x:codiceAsl xmlns:x='urn:x'>1</x:codiceAsl>",
    ] {
        let inner = format!("<s:identificativoStruttura>{inner}</s:identificativoStruttura>");
        assert_eq!(
            fault(&with(&inner)),
            SoapFault::WrongNamespace {
                element: "codiceAsl",
                namespace: "urn:sistemats:tipi:v1"
            }
        );
    }
    assert_eq!(
        fault(&with("<s:pinCode><s:pinCode/></s:pinCode>")),
        SoapFault::ElementInText { element: "pinCode" }
    );
    for text in ["x", "&#65;", "<![CDATA[x]]>"] {
        assert_eq!(
            fault(&with(text)),
            SoapFault::TextInStructure {
                element: REQUEST.element
            }
        );
    }
    assert_eq!(
        fault(&with(
            "<s:identificativoStruttura>010</s:identificativoStruttura>"
        )),
        SoapFault::TextInStructure {
            element: "identificativoStruttura"
        }
    );
}

#[test]
fn attributes_that_could_change_a_meaning_are_refused() {
    for attribute in [
        "href='#id0'",
        "id='a'",
        "x:other='1'",
        "e:mustUnderstand='1'",
        "xml:lang='it'",
        "t:a='b'",
    ] {
        assert_eq!(
            fault(&with(&format!("<s:pinCode {attribute}>1</s:pinCode>"))),
            SoapFault::UnknownAttribute { element: "pinCode" },
            "{attribute}"
        );
    }
    for nil in [
        "<s:pinCode x:nil='true'>1</s:pinCode>",
        "<s:pinCode x:nil='yes'/>",
        "<s:pinCode x:nil=''/>",
    ] {
        assert_eq!(
            fault(&with(nil)),
            SoapFault::Nil { element: "pinCode" },
            "{nil}"
        );
    }
    let nil = "<s:identificativoStruttura x:nil='true'><t:codiceAsl>1</t:codiceAsl></s:identificativoStruttura>";
    assert_eq!(
        fault(&with(nil)),
        SoapFault::Nil {
            element: "identificativoStruttura"
        }
    );
    assert!(read(&with("<s:pinCode x:nil='false'>1</s:pinCode>"), &[]).is_ok());
}

#[test]
fn doctypes_and_processing_instructions_are_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;'>]>";
    for doctype in [
        "<!DOCTYPE a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
        bomb,
        "<!doctype html>",
        "<!DOCTYPE",
    ] {
        assert_eq!(
            fault(&format!("{doctype}{}", with(""))),
            SoapFault::Doctype,
            "{doctype}"
        );
    }
    for instruction in ["<?php x?>", "<?xml-stylesheet href='a'?>", "<?x?>"] {
        assert_eq!(
            fault(&format!("{instruction}{}", with(""))),
            SoapFault::ProcessingInstruction
        );
        assert_eq!(fault(&with(instruction)), SoapFault::ProcessingInstruction);
        assert_eq!(
            fault(&format!("{}{instruction}", with(""))),
            SoapFault::ProcessingInstruction
        );
    }
    // A declaration that is not at the very start is none.
    assert_eq!(
        malformed(&format!(" <?xml version='1.0'?>{}", with(""))),
        Malformed::Declaration
    );
    assert_eq!(
        malformed(&format!(
            "<?xml version='1.0'?><?xml version='1.0'?>{}",
            with("")
        )),
        Malformed::Declaration
    );
}

#[test]
fn what_exceeds_a_limit_is_refused_and_what_reaches_it_is_read() {
    let deep = |depth: usize| {
        let inner = depth - 2;
        envelope(
            &format!(
                "<e:Header>{}{}</e:Header>",
                "<a>".repeat(inner),
                "</a>".repeat(inner)
            ),
            ELEMENTS,
        )
    };
    assert!(read(&deep(32), &[]).is_ok());
    assert_eq!(fault(&deep(33)), SoapFault::TooMuch(Limit::Depth));
    assert_eq!(fault(&"<a>".repeat(20_000)), SoapFault::NotSoap);
    let many = |elements: usize| {
        // Envelope, Header, Body, the message and its four elements are there anyway.
        envelope(
            &format!("<e:Header>{}</e:Header>", "<a/>".repeat(elements - 8)),
            ELEMENTS,
        )
    };
    assert!(read(&many(1_000), &[]).is_ok());
    assert_eq!(fault(&many(1_001)), SoapFault::TooMuch(Limit::Elements));
    let attributes = |count: usize| {
        let written: String = (0..count).map(|index| format!(" a{index}=''")).collect();
        envelope(&format!("<e:Header><a{written}/></e:Header>"), ELEMENTS)
    };
    assert!(read(&attributes(32), &[]).is_ok());
    assert_eq!(
        fault(&attributes(33)),
        SoapFault::TooMuch(Limit::Attributes)
    );
    let bindings = |count: usize| {
        // Four prefixes are declared on the envelope.
        let written: String = (0..count - 4)
            .map(|index| format!(" xmlns:p{index}='urn:p'"))
            .collect();
        envelope(
            &format!("<e:Header><a{written}/><a{written}/></e:Header>"),
            ELEMENTS,
        )
    };
    assert!(read(&bindings(32), &[]).is_ok());
    assert_eq!(fault(&bindings(33)), SoapFault::TooMuch(Limit::Bindings));
}

#[test]
fn each_malformed_document_is_refused_with_its_own_problem() {
    use Malformed::*;
    let body = with("");
    for (document, problem) in [
        (String::new(), Truncated),
        (" ".to_owned(), Truncated),
        ("x".to_owned(), OutsideRoot),
        ("<".to_owned(), Truncated),
        (format!("x{body}"), OutsideRoot),
        (format!("{body}x"), OutsideRoot),
        (format!("{body}<a/>"), OutsideRoot),
        (format!("{body}{body}"), OutsideRoot),
        (format!("{body}&#32;"), OutsideRoot),
        (format!("{body}<![CDATA[ ]]>"), OutsideRoot),
        (format!("{body}</e:Envelope>"), MismatchedTag),
        (format!("{body}\0"), Character),
        (format!("\u{FEFF}\u{FEFF}{body}"), OutsideRoot),
        (with("<s:pinCode>"), MismatchedTag),
        (with("</s:pinCode>"), MismatchedTag),
        (with("<s:pinCode></S:pinCode>"), MismatchedTag),
        (with("<s:pinCode></ s:pinCode>"), MismatchedTag),
        (with("<s:pinCode></s:pinCode a='b'>"), MismatchedTag),
        // The same name under another prefix of the same namespace is another tag.
        (
            with("<s:pinCode xmlns:z='urn:sistemats:invioEsecuzioneTest:v1'></z:pinCode>"),
            MismatchedTag,
        ),
        (with("<z:pinCode/>"), UndeclaredPrefix),
        (with("<s:pinCode z:a=''/>"), UndeclaredPrefix),
        (
            with("<s:pinCode xmlns:z='urn:z'/><z:pinCode/>"),
            UndeclaredPrefix,
        ),
        (with("<s:pinCode a='' a=''/>"), DuplicateAttribute),
        (with("<s:pinCode xmlns='' xmlns=''/>"), DuplicateAttribute),
        (
            with("<s:pinCode xmlns:y='urn:y' xmlns:z='urn:&#121;' y:a='' z:a=''/>"),
            DuplicateAttribute,
        ),
        (
            with(
                "<s:pinCode xmlns:y='http://www.w3.org/2001/XMLSchema-instance' y:nil='1' x:nil='0'/>",
            ),
            DuplicateAttribute,
        ),
        (with("<s:pinCode xmlns:z=''/>"), NamespaceDeclaration),
        (
            with("<s:pinCode xmlns:xmlns='urn:z'/>"),
            NamespaceDeclaration,
        ),
        (with("<s:pinCode xmlns:xml='urn:z'/>"), NamespaceDeclaration),
        (
            with("<s:pinCode xmlns:z='http://www.w3.org/XML/1998/namespace'/>"),
            NamespaceDeclaration,
        ),
        (
            with("<s:pinCode xmlns='http://www.w3.org/2000/xmlns/'/>"),
            NamespaceDeclaration,
        ),
        (with("<xmlns:pinCode/>"), NamespaceDeclaration),
        (with("<s:pin:Code/>"), Syntax),
        (with("<:pinCode/>"), Syntax),
        (with("<s:/>"), Syntax),
        (with("<1a/>"), Syntax),
        (with("< s:pinCode/>"), Syntax),
        (with("<s:pinCode/ >"), Syntax),
        (with("<>"), Syntax),
        (with("<s:pinCode a/>"), Syntax),
        (with("<s:pinCode a=b/>"), Syntax),
        (with("<s:pinCode a='b'c='d'/>"), Syntax),
        (with("<s:pinCode a='<'/>"), Syntax),
        (with("<s:pinCode a='&b;'/>"), Reference),
        (with("<s:pinCode xmlns:a='&b'/>"), Reference),
        (with("<s:pinCode>]]></s:pinCode>"), Syntax),
        (with("<s:pinCode>&nbsp;</s:pinCode>"), Reference),
        (with("<s:pinCode>&#0;</s:pinCode>"), Reference),
        (with("<s:pinCode>&#xFFFF;</s:pinCode>"), Reference),
        (with("<s:pinCode>&#xD800;</s:pinCode>"), Reference),
        (with("<s:pinCode>&;</s:pinCode>"), Reference),
        (with("<s:pinCode>a & b</s:pinCode>"), Reference),
        (with("<s:pinCode>a &amp b</s:pinCode>"), Reference),
        (with("<!-- a -- b -->"), Syntax),
        (with("<!-- a --->"), Syntax),
        (with("<!->"), Truncated),
        (with("<!ELEMENT a ANY>"), Syntax),
        (with("<![cdata[x]]>"), Syntax),
        (with("<s:pinCode>\u{8}</s:pinCode>"), Character),
        (with("<s:pinCode>\u{FFFF}</s:pinCode>"), Character),
        (with("<!-- \u{1} -->"), Character),
    ] {
        assert_eq!(malformed(&document), problem, "{document}");
    }
}

#[test]
fn the_place_of_a_mistake_is_told() {
    let broken = with("").replace("</e:Envelope>", "&b;");
    let column = broken.find("&b;").unwrap() + 1;
    for (body, place) in [
        (
            with("\n <s:pinCode>è</s:pin>"),
            "(riga 2, colonna 14).".to_owned(),
        ),
        (
            format!("<?xml version='1.0'?>\n\n{broken}"),
            format!("(riga 3, colonna {column})."),
        ),
        (
            "<?xml version='1.0'?>\n<a à".to_owned(),
            "(riga 2, colonna 1).".to_owned(),
        ),
    ] {
        let text = fault(&body).on_wire().text;
        assert!(text.ends_with(&place), "{text}");
    }
    let unknown = fault(&with("\n\n<s:altro/>")).on_wire().text;
    assert!(unknown.contains("(riga 3, colonna 1)"), "{unknown}");
}
