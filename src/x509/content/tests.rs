//! A failure means that a file is refused that holds what it should, or that somebody is not told what it holds instead.
#![allow(clippy::unwrap_used)]
use rcgen::{CertificateParams, KeyPair};

use super::*;

struct Made {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn made() -> Made {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made { certificate, key }
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(unit).collect()
}

#[test]
fn the_same_certificate_is_read_however_a_program_wrote_it() {
    let Made { certificate, key } = made();
    let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
    let windows = pem.replace('\n', "\r\n");
    let written: Vec<(&str, Vec<u8>)> = vec![
        ("PEM", pem.clone().into()),
        ("DER", certificate.der().to_vec()),
        (
            "DER and a line end",
            [certificate.der(), &b"\r\n"[..]].concat(),
        ),
        (
            "DER twice",
            [certificate.der().to_vec(), certificate.der().to_vec()].concat(),
        ),
        ("line ends of Windows", windows.clone().into()),
        ("line ends of old Macs", pem.replace('\n', "\r").into()),
        ("a byte order mark", format!("\u{feff}{windows}").into()),
        (
            "UTF-16 with its low byte first",
            utf16(&windows, u16::to_le_bytes),
        ),
        (
            "UTF-16 with its high byte first",
            utf16(&windows, u16::to_be_bytes),
        ),
        (
            "text before it",
            format!("0 s:C = IT, CN = Prova à\n   i:CN = CA\n{pem}").into(),
        ),
        (
            "text after it",
            format!("{pem}\nSignature Algorithm: ecdsa\n").into(),
        ),
        ("the key before it", format!("{key_pem}{pem}").into()),
        ("the key after it", format!("{pem}{key_pem}").into()),
        (
            "blanks around its lines",
            pem.replace('\n', " \t\n   ").into(),
        ),
        ("no line end at its end", pem.trim_end().into()),
        (
            "an older label",
            pem.replace("CERTIFICATE", "X509 CERTIFICATE").into(),
        ),
        (
            "headers within it",
            pem.replacen("-----\n", "-----\nFriendly-Name: prova\n\n", 1)
                .into(),
        ),
    ];
    for (name, bytes) in written {
        let read = Content::certificates(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read[0], *certificate.der(), "{name}");
    }
    let both = format!("{pem}{key_pem}");
    let read = Content::private_key(both.as_bytes()).unwrap();
    assert_eq!(read.secret_der(), key.serialize_der());
    let read = Content::private_key(&key.serialize_der()).unwrap();
    assert_eq!(read.secret_der(), key.serialize_der());
}

#[test]
fn what_is_not_read_is_told_by_its_name() {
    let Made { certificate, key } = made();
    let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
    let labelled = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
    let signed_data = [&[0x30, 13][..], OID_SIGNED_DATA, &[0x05, 0x00]].concat();
    let told: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "it is empty"),
        (b"\xef\xbb\xbf \r\n".to_vec(), "it is empty"),
        (b"garbage".to_vec(), "neither PEM nor DER"),
        (b"0123456789".to_vec(), "neither PEM nor DER"),
        (key_pem.clone().into(), "it holds a private key"),
        (labelled("PUBLIC KEY").into(), "it holds a public key"),
        (labelled("ENCRYPTED PRIVATE KEY").into(), "openssl pkey"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n".into(),
            "openssl pkey",
        ),
        (labelled("OPENSSH PRIVATE KEY").into(), "ssh-keygen"),
        (labelled("PKCS7").into(), "openssl pkcs7"),
        (signed_data, "openssl pkcs7"),
        (
            vec![0x30, 5, 0x02, 0x01, 0x03, 0x30, 0x00],
            "openssl pkcs12",
        ),
        (vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], "keytool"),
        (labelled("TRUSTED CERTIFICATE").into(), "openssl x509"),
        (labelled("CERTIFICATE").into(), "a broken certificate"),
        (pem[..pem.len() / 2].into(), "does not end"),
        (certificate.der()[..90].to_vec(), "neither PEM nor DER"),
        (
            [certificate.der(), &b"more"[..]].concat(),
            "sequence of objects",
        ),
        (pem.replacen('M', "?", 2).into(), "base64"),
    ];
    for (bytes, expected) in told {
        let error = Content::certificates(&bytes).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{error:?} does not say {expected:?}"
        );
    }
    let error = Content::private_key(format!("{key_pem}{key_pem}").as_bytes());
    assert_eq!(error.unwrap_err(), ContentError::SeveralKeys);
    let error = Content::revocation_lists(pem.as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no revocation list in it: it holds a certificate")
    );
}
