//! Bodies far beyond the limit: refused, and never held.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Scene, request};
use crate::support::client::connect;

#[test]
fn ten_megabytes_get_413_and_no_memory() {
    let mut scene = Scene::new(&[]);
    scene.goes_on("the start");
    let before = scene.peak_memory();
    let piece = Arc::new([b'<'].repeat(1024 * 1024));
    let senders: Vec<_> = (0..32)
        .map(|number| {
            let (address, config, piece) = (
                scene.server.mutual_tls,
                Arc::clone(&scene.config),
                Arc::clone(&piece),
            );
            std::thread::spawn(move || {
                send_ten_megabytes(address, &config, &piece, number % 2 == 0)
            })
        })
        .collect();
    for sender in senders {
        assert_eq!(sender.join().unwrap(), 413);
    }
    let grown = scene.peak_memory() - before;
    // Sent were 320 MiB; each connection may hold its 64 KiB of body and some buffers.
    assert!(grown < 64 * 1024, "{grown} KiB more");
    scene.goes_on("320 MiB");
    scene.ends_unharmed();
}

/// The status that ten pieces sent in one request get.
fn send_ten_megabytes(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    piece: &[u8],
    chunked: bool,
) -> u16 {
    let mut client = connect(address, config).unwrap();
    let framing = if chunked {
        "Transfer-Encoding: chunked\r\n".to_owned()
    } else {
        format!("Content-Length: {}\r\n", 10 * piece.len())
    };
    client.send(request(
        &format!("Content-Type: text/xml\r\n{framing}"),
        b"",
    ));
    for _ in 0..10 {
        let size = format!("{:x}\r\n", piece.len());
        let parts: [&[u8]; 3] = if chunked {
            [size.as_bytes(), piece, b"\r\n"]
        } else {
            [b"", piece, b""]
        };
        // The server may stop reading; its answer is there all the same.
        if parts
            .iter()
            .any(|part| client.stream.write_all(part).is_err())
        {
            break;
        }
    }
    client.answer().status
}
