//! HTTP that is broken, or whose end two readers could see at two places: 400, and the connection ends.

use std::io::Write as _;

use super::{Scene, request, xml};
use crate::support::messages::fiscal_code;
use crate::support::session::PATH;
use crate::support::{Reply, Submission};

#[test]
fn broken_http_gets_its_status_and_the_server_goes_on() {
    let mut scene = Scene::new(&[]);
    let good = Submission::by_region().to_xml();
    let length = good.len();
    let framed = |headers: &str| {
        request(
            &format!("Content-Type: text/xml\r\n{headers}"),
            good.as_bytes(),
        )
    };
    let chunked = |chunks: &str| {
        request(
            "Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n",
            chunks.as_bytes(),
        )
    };
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("nonsense", b"NONSENSE\r\n\r\n".to_vec(), 400),
        ("binary noise", [0, 1, 2, 255, 254, 13, 10].repeat(50), 400),
        ("HTTP/0.9", format!("GET {PATH}\r\n").into_bytes(), 400),
        (
            "HTTP/2 without ALPN",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            400,
        ),
        ("HTTP/9.9", b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400),
        (
            "a header without a colon",
            framed(&format!("Content-Length: {length}\r\nnonsense\r\n")),
            400,
        ),
        (
            "a blank before the colon",
            framed(&format!("Content-Length : {length}\r\n")),
            400,
        ),
        (
            "NUL in a header",
            framed(&format!("X: a\0b\r\nContent-Length: {length}\r\n")),
            400,
        ),
        (
            "two lengths",
            framed(&format!(
                "Content-Length: {length}\r\nContent-Length: 5\r\n"
            )),
            400,
        ),
        (
            "a list of lengths",
            framed(&format!("Content-Length: {length}, {length}\r\n")),
            400,
        ),
        (
            "a signed length",
            framed(&format!("Content-Length: +{length}\r\n")),
            400,
        ),
        ("a negative length", framed("Content-Length: -1\r\n"), 400),
        (
            "an endless length",
            framed("Content-Length: 99999999999999999999999\r\n"),
            400,
        ),
        (
            "length and chunks",
            framed(&format!(
                "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"
            )),
            400,
        ),
        (
            "chunks and length",
            framed(&format!(
                "Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"
            )),
            400,
        ),
        (
            "another transfer coding",
            framed("Transfer-Encoding: gzip\r\n"),
            400,
        ),
        ("a chunk of no size", chunked("zz\r\nab\r\n0\r\n\r\n"), 400),
        (
            "a chunk beyond 64 bits",
            chunked("fffffffffffffffff1\r\nab\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a chunk without its end",
            chunked("2\r\nabcdef\r\n0\r\n\r\n"),
            400,
        ),
    ];
    for (name, bytes, status) in &cases {
        let mut client = scene.connect();
        // The server may have answered and stopped reading already.
        let _ = client.stream.write_all(bytes);
        let _ = client.stream.flush();
        let answer = client
            .try_answer()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.status, *status, "{name}");
        assert!(client.is_closed(), "{name}: the connection stays open");
        scene.goes_on(name);
    }
    scene.ends_unharmed();
}

#[test]
fn headers_without_end_are_cut_and_the_server_goes_on() {
    let mut scene = Scene::new(&[]);
    let line = format!("X-Long: {}\r\n", "x".repeat(300_000));
    let lines = "X: y\r\n".repeat(60_000);
    for (name, headers) in [("one header", line), ("many headers", lines)] {
        let mut client = scene.connect();
        // The server stops reading long before the end.
        let _ = client.stream.write_all(&request(&headers, b""));
        let _ = client.stream.flush();
        if let Ok(answer) = client.try_answer() {
            assert_eq!(answer.status, 431, "{name}");
        }
        assert!(client.is_closed(), "{name}: the connection stays open");
        scene.goes_on(name);
    }
    scene.ends_unharmed();
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_broken_one() {
    let mut scene = Scene::new(&[]);
    let mut client = scene.connect();
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for number in 0..30 {
        let mut message = Submission::by_region().with_key(format!("pipelined {number}"));
        message.fiscal_code = fiscal_code(number);
        match number % 3 {
            0 => expected.push((200, "0000")),
            1 => {
                message.result = "X".into();
                expected.push((200, "9999"));
            }
            _ => {
                message.kind = "<a/>".into();
                expected.push((500, ""));
            }
        }
        bytes.extend(xml(message.to_xml()));
    }
    bytes.extend_from_slice(b"NONSENSE\r\n\r\n");
    bytes.extend(xml(Submission::by_region().to_xml()));
    client.send(&bytes);
    for (number, expected) in expected.into_iter().enumerate() {
        let reply = Reply(client.answer());
        assert_eq!(reply.told(), expected, "{number}");
    }
    scene.honest += 10;
    assert_eq!(client.answer().status, 400);
    assert!(client.is_closed(), "what follows nonsense is not read");
    scene.goes_on("a pipeline");
    scene.ends_unharmed();
}
