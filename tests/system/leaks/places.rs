//! The wrong places for a value: in a message, in the head of a request, before any request.

/// Where the message ends.
const END: &str = "</s:InvioEsecuzioneTestRichiesta>";
/// An element that holds text.
const RESULT: &str = "<s:esitoTest>";

/// From a right message and a value to the bytes to send.
type Edit = fn(&str, &str) -> Vec<u8>;
/// From a value, the header that signs in (empty for a certificate) and a right message to the request to send.
type Head = fn(&str, &str, &str) -> String;

fn at_the_end(xml: &str, markup: String) -> Vec<u8> {
    xml.replace(END, &(markup + END)).into_bytes()
}

fn at_the_result(xml: &str, tag: String) -> Vec<u8> {
    xml.replace(RESULT, &tag).into_bytes()
}

fn before_the_body(xml: &str, markup: String) -> Vec<u8> {
    xml.replace("<e:Body>", &(markup + "<e:Body>")).into_bytes()
}

/// Places in a message, each with the edit that puts a value there; and whether the message is still taken.
pub const IN_MESSAGES: &[(&str, bool, Edit)] = &[
    ("comment", true, |xml, value| {
        at_the_end(xml, format!("<!-- {value} -->"))
    }),
    ("comment with two dashes", false, |xml, value| {
        at_the_end(xml, format!("<!-- {value} -- -->"))
    }),
    ("header block", true, |xml, value| {
        let block = format!("<h:{value} xmlns:h=\"urn:{value}\">{value}</h:{value}>");
        before_the_body(xml, format!("<e:Header>{block}</e:Header>"))
    }),
    (
        "header block that must be understood",
        false,
        |xml, value| {
            let block = format!("<h:{value} xmlns:h=\"urn:{value}\" e:mustUnderstand=\"1\"/>");
            before_the_body(xml, format!("<e:Header>{block}</e:Header>"))
        },
    ),
    ("type attribute", true, |xml, value| {
        let xsi = "http://www.w3.org/2001/XMLSchema-instance";
        at_the_result(
            xml,
            format!("<s:esitoTest xmlns:xsi=\"{xsi}\" xsi:type=\"s:{value}\">"),
        )
    }),
    ("nil attribute", false, |xml, value| {
        let xsi = "http://www.w3.org/2001/XMLSchema-instance";
        at_the_result(
            xml,
            format!("<s:esitoTest xmlns:xsi=\"{xsi}\" xsi:nil=\"{value}\">"),
        )
    }),
    ("attribute's value", false, |xml, value| {
        at_the_result(xml, format!("<s:esitoTest nota=\"{value}\">"))
    }),
    ("attribute's name", false, |xml, value| {
        at_the_result(xml, format!("<s:esitoTest {value}=\"\">"))
    }),
    ("repeated attribute", false, |xml, value| {
        at_the_result(xml, format!("<s:esitoTest {value}=\"\" {value}=\"\">"))
    }),
    ("unknown element's name", false, |xml, value| {
        at_the_end(xml, format!("<s:{value}/>"))
    }),
    ("unknown element's text", false, |xml, value| {
        at_the_end(xml, format!("<s:nota>{value}</s:nota>"))
    }),
    ("unknown element's namespace", false, |xml, value| {
        at_the_end(xml, format!("<nota xmlns=\"urn:{value}\"/>"))
    }),
    ("repeated element", false, |xml, value| {
        at_the_end(
            xml,
            format!("<s:codiceFiscaleAssistito>{value}</s:codiceFiscaleAssistito>"),
        )
    }),
    ("element in another namespace", false, |xml, value| {
        at_the_end(xml, format!("<t:contattoEmail>{value}</t:contattoEmail>"))
    }),
    ("element in a text", false, |xml, value| {
        at_the_result(xml, format!("{RESULT}<s:{value}>{value}</s:{value}>"))
    }),
    ("text among elements", false, |xml, value| {
        at_the_end(xml, value.to_owned())
    }),
    ("CDATA among elements", false, |xml, value| {
        at_the_end(xml, format!("<![CDATA[{value}]]>"))
    }),
    ("undeclared prefix", false, |xml, value| {
        at_the_end(xml, format!("<{value}:nota/>"))
    }),
    ("wrong end tag", false, |xml, value| {
        at_the_end(xml, format!("<s:nota></s:{value}>"))
    }),
    ("entity", false, |xml, value| {
        at_the_result(xml, format!("{RESULT}&{value};"))
    }),
    ("processing instruction", false, |xml, value| {
        at_the_end(xml, format!("<?{value} {value}?>"))
    }),
    ("DOCTYPE", false, |xml, value| {
        let doctype = format!("<!DOCTYPE {value} [<!ENTITY e \"{value}\">]><e:Envelope");
        xml.replacen("<e:Envelope", &doctype, 1).into_bytes()
    }),
    ("XML declaration's version", false, |xml, value| {
        xml.replacen("1.0", value, 1).into_bytes()
    }),
    ("XML declaration's encoding", false, |xml, value| {
        xml.replacen("UTF-8", value, 1).into_bytes()
    }),
    ("namespace of the request", false, |xml, value| {
        xml.replace(
            "urn:sistemats:invioEsecuzioneTest:v1",
            &format!("urn:{value}"),
        )
        .into_bytes()
    }),
    ("name of the request", false, |xml, value| {
        xml.replace("InvioEsecuzioneTestRichiesta", value)
            .into_bytes()
    }),
    ("SOAP 1.2", false, |xml, value| {
        let soap12 = "http://www.w3.org/2003/05/soap-envelope";
        xml.replace("http://schemas.xmlsoap.org/soap/envelope/", soap12)
            .replace(RESULT, &format!("{RESULT}{value}"))
            .into_bytes()
    }),
    ("another namespace of the envelope", false, |xml, value| {
        xml.replace(
            "http://schemas.xmlsoap.org/soap/envelope/",
            &format!("urn:{value}"),
        )
        .into_bytes()
    }),
    ("second child of the Body", false, |xml, value| {
        xml.replace(
            "</e:Body>",
            &format!("<s:{value}>{value}</s:{value}></e:Body>"),
        )
        .into_bytes()
    }),
    ("after the envelope", false, |xml, value| {
        format!("{xml}{value}").into_bytes()
    }),
    ("a message broken off", false, |xml, value| {
        let end = xml.find(RESULT).unwrap();
        format!("{}<s:numeroCellulare>{value}", &xml[..end]).into_bytes()
    }),
    ("nested too deep", false, |xml, value| {
        at_the_end(xml, format!("<s:{value}>").repeat(40))
    }),
    ("an element too many", false, |xml, value| {
        at_the_end(xml, format!("<!--{value}--><s:{value}/>").repeat(700))
    }),
    ("not XML", false, |_, value| value.as_bytes().to_vec()),
    ("almost XML", false, |_, value| {
        format!("<{value} {value}<").into_bytes()
    }),
    ("not UTF-8", false, |xml, value| {
        let mut bytes = at_the_end(xml, value.to_owned());
        bytes.push(0xff);
        bytes
    }),
    ("a forbidden character", false, |xml, value| {
        at_the_result(xml, format!("{RESULT}{value}\u{1}"))
    }),
    ("UTF-16", false, |xml, value| {
        let text = xml.replace(RESULT, &format!("{RESULT}{value}"));
        [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect()
    }),
    ("too much", false, |_, value| {
        value.repeat(6_000).into_bytes()
    }),
];

/// Places in the head of a request.
pub const IN_HEADS: &[(&str, Head)] = &[
    ("path", |value, sign_in, xml| {
        request(&format!("POST /soap/v1/{value} HTTP/1.1"), sign_in, "", xml)
    }),
    ("path alone", |value, sign_in, xml| {
        request(
            &format!("GET /{value}/%00{value} HTTP/1.1"),
            sign_in,
            "",
            xml,
        )
    }),
    ("query", |value, sign_in, xml| {
        request(
            &format!("POST {PATH}?cf={value} HTTP/1.1"),
            sign_in,
            "",
            xml,
        )
    }),
    ("query of the WSDL", |value, sign_in, _| {
        request(
            &format!("GET {PATH}?wsdl&{value}={value} HTTP/1.1"),
            sign_in,
            "",
            "",
        )
    }),
    ("query of a GET", |value, sign_in, _| {
        request(&format!("GET {PATH}?{value} HTTP/1.1"), sign_in, "", "")
    }),
    ("method", |value, sign_in, xml| {
        request(&format!("{value} {PATH} HTTP/1.1"), sign_in, "", xml)
    }),
    ("version", |value, sign_in, xml| {
        request(&format!("POST {PATH} HTTP/{value}"), sign_in, "", xml)
    }),
    ("first line", |value, sign_in, xml| {
        request(&format!("{value}\u{1}{value}"), sign_in, "", xml)
    }),
    ("header's name", |value, sign_in, xml| {
        with_header(&format!("{value}: 1"), sign_in, xml)
    }),
    ("headers' values", |value, sign_in, xml| {
        let headers = [
            "SOAPAction",
            "User-Agent",
            "Referer",
            "Cookie",
            "X-Forwarded-For",
            "From",
        ]
        .map(|name| format!("{name}: \"{value}\""))
        .join("\r\n");
        with_header(&headers, sign_in, xml)
    }),
    ("a header that is none", |value, sign_in, xml| {
        with_header(value, sign_in, xml)
    }),
    ("a header with a NUL", |value, sign_in, xml| {
        with_header(&format!("X-Nota: {value}\0{value}"), sign_in, xml)
    }),
    ("a header that is too long", |value, sign_in, xml| {
        with_header(&format!("X-Nota: {}", value.repeat(20_000)), sign_in, xml)
    }),
    ("media type", |value, sign_in, xml| {
        request(
            &post(),
            sign_in,
            &format!("Content-Type: text/{value}"),
            xml,
        )
    }),
    ("charset", |value, sign_in, xml| {
        request(
            &post(),
            sign_in,
            &format!("Content-Type: text/xml; charset={value}"),
            xml,
        )
    }),
    ("multipart", |value, sign_in, xml| {
        let kind = format!("Content-Type: multipart/related; boundary={value}");
        request(&post(), sign_in, &kind, xml)
    }),
    ("content encoding", |value, sign_in, xml| {
        with_header(&format!("Content-Encoding: {value}"), sign_in, xml)
    }),
    ("transfer encoding", |value, sign_in, xml| {
        with_header(&format!("Transfer-Encoding: {value}"), sign_in, xml)
    }),
    ("content length", |value, sign_in, xml| {
        with_header(&format!("Content-Length: {value}"), sign_in, xml)
    }),
    ("expectation", |value, sign_in, xml| {
        with_header(&format!("Expect: {value}"), sign_in, xml)
    }),
    ("upgrade", |value, sign_in, xml| {
        with_header(
            &format!("Connection: upgrade, {value}\r\nUpgrade: {value}"),
            sign_in,
            xml,
        )
    }),
    ("chunk's extension and trailer", |value, sign_in, xml| {
        format!(
            "{}\r\nHost: localhost\r\n{sign_in}{XML}\r\nTransfer-Encoding: chunked\r\n\r\n{:x};{value}\r\n{xml}\r\n0\r\n{value}: {value}\r\n\r\n",
            post(),
            xml.len()
        )
    }),
    ("chunk's length", |value, sign_in, _| {
        format!(
            "{}\r\nHost: localhost\r\n{sign_in}{XML}\r\nTransfer-Encoding: chunked\r\n\r\n{value}\r\n",
            post()
        )
    }),
    ("host", |value, sign_in, xml| {
        format!(
            "{}\r\nHost: {value}.example\r\n{sign_in}{XML}\r\nContent-Length: {}\r\n\r\n{xml}",
            post(),
            xml.len()
        )
    }),
    ("bearer", |value, _, xml| {
        with_header(&format!("Authorization: Bearer {value}"), "", xml)
    }),
    ("credentials that are no Base64", |value, _, xml| {
        with_header(&format!("Authorization: Basic {value}!"), "", xml)
    }),
    ("credentials twice", |value, sign_in, xml| {
        with_header(&format!("Authorization: Basic {value}"), sign_in, xml)
    }),
];

const PATH: &str = crate::support::session::PATH;
const XML: &str = "Content-Type: text/xml; charset=utf-8";

fn post() -> String {
    format!("POST {PATH} HTTP/1.1")
}

fn with_header(header: &str, sign_in: &str, xml: &str) -> String {
    request(&post(), sign_in, &format!("{XML}\r\n{header}"), xml)
}

fn request(line: &str, sign_in: &str, headers: &str, xml: &str) -> String {
    let headers = if headers.is_empty() { XML } else { headers };
    format!(
        "{line}\r\nHost: localhost\r\n{sign_in}{headers}\r\nContent-Length: {}\r\n\r\n{xml}",
        xml.len()
    )
}
