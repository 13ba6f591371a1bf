//! SOAP headers that must be understood. A failure is one that is passed over, one of somebody else's that is refused, or a name that a
//! stranger chose in what is told of it.

use sistema_ts::soap::SoapFault;

use crate::fault;
use crate::soap_support::{ELEMENTS, envelope, read};

#[test]
fn a_header_that_this_server_must_understand_is_refused_and_one_for_others_is_passed_over() {
    for value in ["1", "true", " 1 ", "", "yes"] {
        let header = format!("<e:Header><a xmlns='urn:a' e:mustUnderstand='{value}'/></e:Header>");
        assert!(
            matches!(
                fault(&envelope(&header, ELEMENTS)),
                SoapFault::MustUnderstand { header: None, .. }
            ),
            "{value:?}"
        );
    }
    // For whoever reads it next, or for whoever carries the request out: both are this server.
    for actor in [
        "",
        " ",
        "http://schemas.xmlsoap.org/soap/actor/next",
        "http://schemas.xmlsoap.org/soap/actor/&#110;ext",
    ] {
        for attributes in [
            format!("e:actor='{actor}' e:mustUnderstand='1'"),
            format!("e:mustUnderstand='1' e:actor='{actor}'"),
        ] {
            let header = format!("<e:Header><a xmlns='urn:a' {attributes}/></e:Header>");
            let fault = fault(&envelope(&header, ELEMENTS));
            assert!(matches!(fault, SoapFault::MustUnderstand { .. }));
        }
    }
    // Not the envelope's attribute, not on a header of its own, or for somebody else: no business of ours.
    for header in [
        "<e:Header><a xmlns='urn:a' e:mustUnderstand='1' e:actor='urn:gateway'/></e:Header>",
        "<e:Header><a xmlns='urn:a' e:actor='urn:gateway' e:mustUnderstand='1'>x</a><b/></e:Header>",
        "<e:Header><a xmlns='urn:a' mustUnderstand='1'/></e:Header>",
        "<e:Header><a xmlns='urn:a'><b e:mustUnderstand='1'/></a></e:Header>",
    ] {
        assert!(read(&envelope(header, ELEMENTS), &[]).is_ok());
    }
}

#[test]
fn a_fault_about_a_header_names_known_headers_only() {
    let wire = |declaration: &str, name: &str| {
        let header = format!(
            "<e:Header><{name} {declaration} e:mustUnderstand='1'>RSSMRA80A01H501U</{name}></e:Header>"
        );
        fault(&envelope(&header, ELEMENTS)).on_wire()
    };
    for (declaration, name, told) in [
        (
            "xmlns:w='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'",
            "w:Security",
            "wsse:Security",
        ),
        (
            "xmlns='http://www.w3.org/2005/08/addressing'",
            "Action",
            "wsa:Action",
        ),
        (
            "xmlns:w='http://www.w3.org/2005/08/addres&#115;ing'",
            "w:To",
            "wsa:To",
        ),
    ] {
        let wire = wire(declaration, name);
        assert_eq!(
            (wire.status, wire.code.as_str()),
            (500, "soap:MustUnderstand")
        );
        assert_eq!(wire.error, None);
        assert!(wire.text.contains(told), "{}", wire.text);
    }
    for (declaration, name) in [
        ("xmlns:x='urn:RSSMRA80A01H501U'", "x:Security"),
        (
            "xmlns:RSSMRA='http://www.w3.org/2005/08/addressing'",
            "RSSMRA:RSSMRA",
        ),
        ("xmlns=''", "RSSMRA"),
    ] {
        let text = wire(declaration, name).text;
        assert!(
            !text.contains("RSSMRA") && text.contains("riga 1"),
            "{text}"
        );
    }
}
