//! Failure here means: a good header is refused, a bad one is taken, an address is misread, or a byte after the
//! header is lost (which would break the TLS handshake that follows).

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Reads a header from `bytes` and returns the verdict with what was left unread.
fn read(bytes: &[u8]) -> (Result<Option<SocketAddr>, ProxyHeaderError>, Vec<u8>) {
    let mut stream = bytes;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let verdict = runtime.block_on(read_proxy_header(&mut stream));
    (verdict, stream.to_vec())
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend(block);
    bytes
}

#[test]
fn v1_lines_of_both_families_are_read_to_their_end_and_no_further() {
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
            Some("192.0.2.7:56324"),
        ),
        (
            "PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n",
            Some("[2001:db8::7]:1"),
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2\r\n",
            Some("192.0.2.7:1"),
        ),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n", Some("1.1.1.1:0")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    ] {
        let (verdict, rest) = read(&[line.as_bytes(), b"\x16\x03\x01rest"].concat());
        assert_eq!(
            verdict.unwrap(),
            expected.map(|text| text.parse().unwrap()),
            "{line:?}"
        );
        assert_eq!(rest, b"\x16\x03\x01rest", "{line:?}");
    }
}

#[test]
fn broken_v1_lines_are_refused() {
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    for line in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01 a client hello, no header",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +6324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 70000 443\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n xxx",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 2",
        "proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY",
        "",
        &too_long,
    ] {
        assert!(read(line.as_bytes()).0.is_err(), "{line:?} was taken");
    }
}

#[test]
fn v2_headers_are_read_to_their_end_and_no_further() {
    let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];
    let mut ipv6 = [0_u8; 36];
    ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ipv6[15] = 7;
    ipv6[32..34].copy_from_slice(&443_u16.to_be_bytes());
    let with_extra = [&ipv4[..], &[0x04, 0x00, 0x01, 0x00]].concat();
    let unix = [0x2f; 216];
    let with_name = [&unix[..], &[0x02, 0x00, 0x02, b'a', b'b']].concat();
    for (header, expected) in [
        (v2(0x21, 0x11, &ipv4), Some("192.0.2.7:4660")),
        (v2(0x21, 0x11, &with_extra), Some("192.0.2.7:4660")),
        (v2(0x21, 0x21, &ipv6), Some("[2001:db8::7]:443")),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &ipv4), None),
        (v2(0x20, 0xff, &[0xff; 7]), None),
        // No family, or no transport, or none over which HTTP comes.
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &ipv4), None),
        (v2(0x21, 0x01, &[]), None),
        (v2(0x21, 0x02, &[0xff; 5]), None),
        (v2(0x21, 0x10, &ipv4), None),
        (v2(0x21, 0x12, &ipv4), None),
        (v2(0x21, 0x20, &ipv6), None),
        (v2(0x21, 0x22, &ipv6), None),
        (v2(0x21, 0x30, &unix), None),
        (v2(0x21, 0x31, &unix), None),
        (v2(0x21, 0x31, &with_name), None),
        (v2(0x21, 0x32, &unix), None),
    ] {
        let (verdict, rest) = read(&[&header[..], b"next"].concat());
        assert_eq!(
            verdict.unwrap(),
            expected.map(|text| text.parse().unwrap()),
            "{header:?}"
        );
        assert_eq!(rest, b"next");
    }
}

#[test]
fn broken_v2_headers_are_refused() {
    for header in [
        v2(0x11, 0x11, &[0; 12]),
        v2(0x22, 0x11, &[0; 12]),
        v2(0x21, 0x41, &[0; 216]),
        v2(0x21, 0xf1, &[0; 216]),
        v2(0x21, 0x13, &[0; 12]),
        v2(0x21, 0x0f, &[]),
        v2(0x21, 0x12, &[0; 11]),
        v2(0x21, 0x31, &[0; 215]),
        // Fields behind the addresses that are longer than the header, or cut.
        v2(0x21, 0x11, &[&[0; 12][..], &[4, 0, 2, 0]].concat()),
        v2(0x21, 0x11, &[&[0; 12][..], &[4, 0]].concat()),
        v2(
            0x21,
            0x11,
            &[&[0; 12][..], &[FIELD_CRC32C, 0, 3, 0, 0, 0]].concat(),
        ),
        v2(0x21, 0x11, &[0; 11]),
        v2(0x21, 0x21, &[0; 35]),
        v2(0x21, 0x11, &[0; 4_000]),
        v2(0x21, 0x11, &[0; 12])[..20].to_vec(),
    ] {
        assert!(read(&header).0.is_err(), "{header:?} was taken");
    }
}

/// A header whose last field is its checksum, as a proxy makes it.
fn with_checksum(family: u8, addresses: &[u8]) -> Vec<u8> {
    let fields = [2, 0, 1, b'x', FIELD_CRC32C, 0, 4, 0, 0, 0, 0];
    let mut header = v2(0x21, family, &[addresses, &fields].concat());
    let sum = crc32c::crc32c(&header).to_be_bytes();
    let at = header.len() - sum.len();
    header[at..].copy_from_slice(&sum);
    header
}

#[test]
fn a_checksum_that_is_there_must_be_right() {
    // "123456789": the check value by which implementations of CRC32c are compared.
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];
    for (family, addresses, expected) in [
        (0x11, &ipv4[..], Some("192.0.2.7:4660")),
        (0x31, &[0x2f; 216], None),
    ] {
        let header = with_checksum(family, addresses);
        let expected: Option<SocketAddr> = expected.map(|text| text.parse().unwrap());
        assert_eq!(read(&header).0.unwrap(), expected);
        // One changed bit of the addresses, of another field's value, and of the sum itself.
        let last = header.len() - 1;
        for at in [V2_FIXED + 3, V2_FIXED + addresses.len() + 3, last] {
            let mut changed = header.clone();
            changed[at] ^= 1;
            assert!(
                matches!(
                    read(&changed).0,
                    Err(ProxyHeaderError::Malformed("wrong checksum"))
                ),
                "byte {at} of family {family:#x}"
            );
        }
        let twice = [&header[V2_FIXED..], &header[last - 6..]].concat();
        assert!(read(&v2(0x21, family, &twice)).0.is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..200), sign in 0..3) {
        let prefix: &[u8] = match sign { 0 => b"", 1 => b"PROXY ", _ => &V2_SIGNATURE };
        let _ = read(&[prefix, &bytes].concat());
    }

    #[test]
    fn every_address_in_a_v1_line_is_read_as_it_was_written(address in any::<u32>(), port in any::<u16>()) {
        let source = SocketAddr::new(IpAddr::from(Ipv4Addr::from(address)), port);
        let line = format!("PROXY TCP4 {} 192.0.2.1 {} 443\r\n", source.ip(), source.port());
        prop_assert_eq!(read(line.as_bytes()).0.unwrap(), Some(source));
    }
}
