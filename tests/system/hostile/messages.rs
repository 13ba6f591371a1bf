//! Messages that are wrong in themselves, in HTTP that is right: each gets its status, and a text that says what is wrong.

use super::{Scene, request, xml};
use crate::support::client::connect;
use crate::support::session::PATH;
use crate::support::{Reply, Session, Submission};

/// A good message with `what` put before its envelope's end.
fn with_header(what: &str) -> String {
    Submission::by_region()
        .to_xml()
        .replace("<e:Body>", &format!("<e:Header>{what}</e:Header><e:Body>"))
}

#[test]
fn a_hostile_message_gets_its_status_and_the_server_goes_on() {
    let mut scene = Scene::new(&[]);
    let good = Submission::by_region().to_xml();
    let declared = |declaration: &str| {
        good.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", declaration, 1)
    };
    let person = Submission::by_region().fiscal_code;
    let entity = |doctype: &str| declared(doctype).replace(&person, "&x;");
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(good.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let mut not_utf8 = good.clone().into_bytes();
    let place = good.find(&person).unwrap();
    not_utf8[place] = 0xE0;
    let length = good.len();
    let typed = |media_type: &str| {
        request(
            &format!("Content-Type: {media_type}\r\nContent-Length: {length}\r\n"),
            good.as_bytes(),
        )
    };
    let attributes: String = (0..40).map(|n| format!(" a{n}=\"\"")).collect();
    let bindings: String = (0..40)
        .map(|n| format!(" xmlns:n{n}=\"urn:n{n}\""))
        .collect();

    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("an empty body", xml(""), 500, "finisce prima"),
        ("blanks", xml("  \r\n"), 500, "finisce prima"),
        (
            "noise",
            xml((0..=255).cycle().take(4_000).collect::<Vec<u8>>()),
            500,
            "carattere non ammesso",
        ),
        (
            "NUL",
            xml(good.replace(&person, "\0")),
            500,
            "carattere non ammesso",
        ),
        ("JSON", xml("{\"esito\": \"P\"}"), 500, "fuori dalla busta"),
        (
            "half a message",
            xml(&good[..length / 2]),
            500,
            "finisce prima",
        ),
        (
            "two messages",
            xml(good.clone() + &good),
            500,
            "ben formato",
        ),
        (
            "DOCTYPE",
            xml(entity("<!DOCTYPE x [<!ENTITY x \"ha\">]>")),
            500,
            "DOCTYPE",
        ),
        (
            "a file's DOCTYPE",
            xml(entity(
                "<!DOCTYPE x [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
            )),
            500,
            "DOCTYPE",
        ),
        (
            "a billion laughs",
            xml(entity(
                "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY x \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>",
            )),
            500,
            "DOCTYPE",
        ),
        (
            "an undeclared entity",
            xml(good.replace(&person, "&x;")),
            500,
            "riferimento",
        ),
        (
            "a processing instruction",
            xml(good.replace("<e:Body>", "<?php echo 1 ?><e:Body>")),
            500,
            "Istruzioni",
        ),
        (
            "XML 1.1",
            xml(declared("<?xml version=\"1.1\"?>")),
            500,
            "Versione",
        ),
        (
            "depth",
            xml(with_header(&("<a>".repeat(9_000) + &"</a>".repeat(9_000)))),
            500,
            "32 livelli",
        ),
        (
            "depth without end",
            xml(with_header(&"<a>".repeat(20_000))),
            500,
            "32 livelli",
        ),
        (
            "many elements",
            xml(with_header(&"<a/>".repeat(10_000))),
            500,
            "1000 elementi",
        ),
        (
            "many attributes",
            xml(with_header(&format!("<a{attributes}/>"))),
            500,
            "32 attributi",
        ),
        (
            "many namespaces",
            xml(with_header(&format!("<a{bindings}/>"))),
            500,
            "32 dichiarazioni",
        ),
        (
            "mustUnderstand",
            xml(with_header("<a xmlns=\"urn:a\" e:mustUnderstand=\"1\"/>")),
            500,
            "mustUnderstand",
        ),
        ("UTF-16", xml(utf16), 500, "contraddizione"),
        ("not UTF-8", xml(not_utf8), 500, "non è in UTF-8"),
        (
            "another encoding",
            xml(declared(
                "<?xml version=\"1.0\" encoding=\"EBCDIC-CP-US\"?>",
            )),
            500,
            "Codifica",
        ),
        (
            "contradictory encodings",
            request(
                &format!(
                    "Content-Type: text/xml; charset=iso-8859-1\r\nContent-Length: {length}\r\n"
                ),
                good.as_bytes(),
            ),
            500,
            "contraddizione",
        ),
        (
            "another charset",
            typed("text/xml; charset=utf-16"),
            415,
            "Charset",
        ),
        ("SOAP 1.2", typed("application/soap+xml"), 415, "SOAP 1.2"),
        (
            "a form",
            typed("application/x-www-form-urlencoded"),
            415,
            "Tipo di contenuto",
        ),
        (
            "a multipart",
            typed("multipart/related; boundary=x"),
            415,
            "multipart",
        ),
        (
            "a broken media type",
            typed("text/xml; charset=\"utf-8"),
            415,
            "non leggibile",
        ),
        (
            "no media type",
            request(&format!("Content-Length: {length}\r\n"), good.as_bytes()),
            415,
            "mancante",
        ),
        (
            "gzip",
            request(
                "Content-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n",
                &[0x1F, 0x8B],
            ),
            415,
            "Content-Encoding",
        ),
        (
            "another path",
            String::from_utf8(xml(&good))
                .unwrap()
                .replace(PATH, "/soap/v1/../../etc/passwd")
                .into_bytes(),
            404,
            "inesistente",
        ),
        (
            "GET",
            format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            405,
            "Metodo",
        ),
        (
            "TRACE",
            format!("TRACE {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            405,
            "Metodo",
        ),
        (
            "DELETE",
            format!("DELETE {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            405,
            "Metodo",
        ),
    ];
    for (name, bytes, status, says) in &cases {
        let reply = Reply(scene.send(bytes));
        let text = reply.0.text();
        assert_eq!(reply.status(), *status, "{name}: {text}");
        let code = match *name {
            "mustUnderstand" => "soap:MustUnderstand",
            _ => "soap:Client",
        };
        assert_eq!(reply.value("faultcode"), code, "{name}: {text}");
        let told = reply.value("faultstring");
        assert!(told.contains(says), "{name}: {told}");
        assert!(
            !text.contains(&person) && !text.contains("root:"),
            "{name}: {text}"
        );
        scene.goes_on(name);
    }
    // A user's listener reads no differently, and nobody is asked for more than the head before being let in.
    for (name, bytes, status, _) in &cases {
        let mut user = Session::user(&scene.installation, &scene.server);
        let head = user.head(0);
        let authorization = head
            .lines()
            .find(|line| line.starts_with("Authorization"))
            .unwrap();
        let host = b"Host: localhost\r\n";
        let at = bytes
            .windows(host.len())
            .position(|window| window == host)
            .unwrap()
            + host.len();
        let line = format!("{authorization}\r\n");
        let signed = [&bytes[..at], line.as_bytes(), &bytes[at..]].concat();
        user.client.send(signed);
        assert_eq!(user.client.answer().status, *status, "{name}, by a user");
        if *status != 404 {
            let mut nobody = connect(scene.server.basic, &scene.installation.client(None)).unwrap();
            nobody.send(bytes);
            assert_eq!(nobody.answer().status, 401, "{name}, by nobody");
        }
    }
    scene.goes_on("all of them from users");
    scene.ends_unharmed();
}
