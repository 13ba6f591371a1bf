//! What is to be read as meant, however oddly it is written.
//!
//! Failure here means that a value is read otherwise than XML means it, or that a kindness of the contract is not shown.
#![allow(clippy::unwrap_used)]

mod soap_support;

use sistema_ts::soap::Charset;
use sistema_ts::soap::messages::submission::REQUEST;
use sistema_ts::soap::{SoapFault, body_text, decode};
use soap_support::{CONFIRM_REQUEST, ELEMENTS, SOAP, envelope, read, with};

fn description(written: &str) -> Option<String> {
    let body = with(&format!(
        "<s:descrizioneStruttura>{written}</s:descrizioneStruttura>"
    ));
    read(&body, &[&["descrizioneStruttura"]])
        .unwrap_or_else(|fault| panic!("{written}: {fault}"))
        .remove(0)
}

#[test]
fn values_are_read_as_xml_means_them() {
    for (written, expected) in [
        ("a b", Some("a b")),
        (" \n a  b\t", Some("a  b")),
        ("", None),
        (" \n ", None),
        ("<!-- nothing -->", None),
        ("<![CDATA[]]>", None),
        ("&lt;&gt;&amp;&quot;&apos;", Some("<>&\"'")),
        ("&#65;&#x42;&#x1F600;", Some("AB\u{1F600}")),
        ("&#32;a&#10;", Some("a")),
        ("a&#13;b", Some("a\rb")),
        ("a\r\nb\rc\nd", Some("a\nb\nc\nd")),
        (
            "<![CDATA[<a>&amp;]]]]><![CDATA[>\r\n.]]>",
            Some("<a>&amp;]]>\n."),
        ),
        ("a<!-- x -->b<!--y-->", Some("ab")),
        ("<!-- x --> a", Some("a")),
        ("a]]&gt;b", Some("a]]>b")),
        ("a > b", Some("a > b")),
        ("città €", Some("città €")),
    ] {
        assert_eq!(description(written).as_deref(), expected, "{written:?}");
    }
}

#[test]
fn harmless_liberties_of_toolkits_are_read_as_the_plain_message() {
    let nil = "<s:numeroCellulare x:nil='true'/><s:contattoEmail x:nil=' 1 '> </s:contattoEmail>\
               <s:identificativoStruttura x:nil='true'/>";
    for body in [
        with(""),
        // Children in any order, spread over lines.
        envelope(
            "",
            "\n<s:esitoTest>P</s:esitoTest>\r\n\t<s:tipologiaTest>M</s:tipologiaTest><s:dataPrelievo>D</s:dataPrelievo>\
                      <!-- a comment --><s:codiceFiscaleAssistito>F</s:codiceFiscaleAssistito> ",
        ),
        with(nil),
        with("<s:numeroCellulare/><s:identificativoStruttura/>"),
        // A structure in which everything is empty is absent.
        with("<s:identificativoStruttura><t:codiceRegione/></s:identificativoStruttura>"),
        with("<s:pinCode x:type='q:Undeclared'/>"),
        with("<s:pinCode e:encodingStyle='urn:x'/>"),
        envelope("<e:Header/>", ELEMENTS),
        envelope(
            "<e:Header> <h:a xmlns:h='urn:h' e:mustUnderstand='0' b='c'>text<h:d/></h:a></e:Header>",
            ELEMENTS,
        ),
        with("").replace(
            "<s:InvioEsecuzioneTestRichiesta>",
            "<s:InvioEsecuzioneTestRichiesta x:schemaLocation='a b'>",
        ),
        with("").replace("<e:Body>", "<e:Body id='x' x:type='y'>"),
        with("").replace("<e:Envelope ", "<e:Envelope e:encodingStyle='' a='b' "),
        // Blanks and comments around the envelope, blanks inside tags.
        format!("\n<!-- -->{}<!-- --> \n", with("")),
        with("")
            .replace("</e:Body>", "</e:Body\n>")
            .replace("<e:Body>", "<e:Body\t>"),
        // The namespace written with a reference, as a default, and overridden where it is not needed.
        with("").replace("urn:sistemats:invio", "urn:sistemats&#58;invio"),
        with("<contattoEmail xmlns='urn:sistemats:invioEsecuzioneTest:v1'/>"),
        with(
            "<s:contattoEmail xmlns:s='urn:sistemats:invioEsecuzioneTest:v1' xmlns='' xmlns:e='urn:other'/>",
        ),
        format!("<?xml version='1.0'?>{}", with("")),
        format!("\u{FEFF}{}", with("")),
    ] {
        let read = read(
            &body,
            &[
                &["codiceFiscaleAssistito"],
                &["numeroCellulare"],
                &["contattoEmail"],
                &["identificativoStruttura", "codiceRegione"],
            ],
        );
        assert_eq!(
            read,
            Ok(vec![Some("F".to_owned()), None, None, None]),
            "{body}"
        );
    }
}

#[test]
fn repeated_elements_and_lists_of_structures_are_carried() {
    let node = |path: &[&str]| CONFIRM_REQUEST.node(path);
    let body = |content: &str| {
        format!(
            "<Envelope xmlns='{SOAP}'><Body><ConfermaSbloccoImmuniRichiesta xmlns='{}' xmlns:t='urn:sistemats:tipi:v1'>\
             <cun>C</cun>{content}</ConfermaSbloccoImmuniRichiesta></Body></Envelope>",
            CONFIRM_REQUEST.namespace
        )
    };
    let read = |body: &str| {
        let text = body_text(body.as_bytes(), Charset::Utf8)?;
        let fields = decode(&text, &CONFIRM_REQUEST)?;
        Ok(fields
            .rows
            .iter()
            .map(|row| {
                let texts = row.values.iter().flatten();
                (
                    row.node,
                    texts
                        .map(|text| text.to_string())
                        .collect::<Vec<_>>()
                        .join("="),
                )
            })
            .collect::<Vec<_>>())
    };
    let option = "<t:opzione><t:valore>1</t:valore><t:chiave>a</t:chiave></t:opzione>";
    let (options, notes) = (node(&["opzioni", "opzione"]), node(&["nota"]));
    assert_eq!(read(&body("")), Ok(vec![]));
    assert_eq!(
        read(&body(&format!(
            "<nota>x</nota><opzioni>{option}<t:opzione/>{option}</opzioni><nota/><nota>y</nota>"
        ))),
        Ok(vec![
            (notes, "x".to_owned()),
            (options, "a=1".to_owned()),
            (options, "a=1".to_owned()),
            (notes, "y".to_owned())
        ])
    );
    // How many there may be is the service's to judge.
    let many = read(&body(&format!("<opzioni>{}</opzioni>", option.repeat(50))));
    assert_eq!(many.unwrap().len(), 50);
    // The names of a structure in the service's namespace, as some generators write them, or in either.
    let own = option.replace("t:", "");
    let mixed = option.replace("t:valore", "valore");
    for option in [&own, &mixed] {
        assert_eq!(
            read(&body(&format!("<opzioni>{option}</opzioni>"))),
            Ok(vec![(options, "a=1".to_owned())])
        );
    }
    for (content, expected) in [
        (
            "<opzioni/><opzioni/>".to_owned(),
            SoapFault::RepeatedElement { element: "opzioni" },
        ),
        (
            "<opzioni><t:opzione><t:chiave>a</t:chiave></t:opzione></opzioni>".to_owned(),
            SoapFault::MissingElements(vec!["valore"]),
        ),
        (
            "<opzioni><t:opzione><t:chiave>a</t:chiave><t:chiave/></t:opzione></opzioni>"
                .to_owned(),
            SoapFault::RepeatedElement { element: "chiave" },
        ),
        (
            "<opzioni><opzione><t:chiave>a</t:chiave><chiave>b</chiave></opzione></opzioni>"
                .to_owned(),
            SoapFault::RepeatedElement { element: "chiave" },
        ),
        (
            "<opzioni><t:opzione><chiave xmlns=''>a</chiave></t:opzione></opzioni>".to_owned(),
            SoapFault::WrongNamespace {
                element: "chiave",
                namespace: "urn:sistemats:tipi:v1",
            },
        ),
        (
            "<opzioni><opzione xmlns='urn:x'/></opzioni>".to_owned(),
            SoapFault::WrongNamespace {
                element: "opzione",
                namespace: "urn:sistemats:tipi:v1",
            },
        ),
        (
            "<t:opzioni/>".to_owned(),
            SoapFault::WrongNamespace {
                element: "opzioni",
                namespace: "urn:sistemats:confermaSbloccoImmuni:v1",
            },
        ),
    ] {
        assert_eq!(read(&body(&content)), Err(expected), "{content}");
    }
}

#[test]
fn latin_1_is_read_and_utf_16_is_refused() {
    let latin1: Vec<u8> = with("<s:descrizioneStruttura>citt\u{E0}</s:descrizioneStruttura>")
        .chars()
        .map(|character| u8::try_from(u32::from(character)).unwrap())
        .collect();
    let text = body_text(&latin1, Charset::Latin1).unwrap();
    let read = decode(&text, &REQUEST)
        .unwrap()
        .take(REQUEST.node(&["descrizioneStruttura"]));
    assert_eq!(read.as_deref(), Some("città"));
    assert!(body_text(&latin1, Charset::Utf8).is_err());
    let utf16: Vec<u8> = with("").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(body_text(&utf16, Charset::Unstated).is_err());
}
