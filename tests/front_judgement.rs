//! What `certificate add` takes, a handshake takes, and the other way round; and which clients find a certificate of the server that they can
//! use. OpenSSL makes the certificates and is the client: what it can do, this project's own libraries need not be able to.
//!
//! Failure here means that a certificate is registered with which nobody gets in, that one is refused with which somebody would, or that a
//! client that could connect cannot.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use front_support::openssl::{AUTHORITY, CLIENT, make};
use front_support::pki::{Authority, Files};
use front_support::{Running, listener, relaxed_limits};
use sistema_ts::front::ListenerKind::MutualTls;
use sistema_ts::front::{CertificateFault, ClientAuthorities, PairFiles, TlsFiles};
use sistema_ts::pki::read_chain;
use time::{Duration, OffsetDateTime};

/// What OpenSSL's client gets with these arguments, which may be nothing.
fn client(folder: &Path, address: SocketAddr, arguments: &str) -> String {
    let request = folder.join("request");
    std::fs::write(&request, "GET /who HTTP/1.0\r\n\r\n").unwrap();
    let output = Command::new("openssl")
        .args(["s_client", "-ign_eof", "-connect", &address.to_string()])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdin(std::fs::File::open(request).unwrap())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

/// Judges a certificate as the command does, and has a client with it connect.
fn both(folder: &Path, address: SocketAddr, name: &str) -> (Result<(), CertificateFault>, bool) {
    let authorities = ClientAuthorities::read(&folder.join("ca.pem")).unwrap();
    let chain = read_chain(&folder.join(format!("{name}.pem"))).unwrap();
    let judged = authorities.judge(&chain, now());
    let arguments = format!("-cert {name}.pem -key {name}.key -cert_chain {name}.pem");
    let heard = client(folder, address, &arguments);
    (judged, heard.contains(r#"OU=Some("010")"#))
}

/// Name, signer, kind of key, extensions, further arguments of the signing, and the fault that it must have.
type Case<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    Option<CertificateFault>,
);

#[test]
fn what_is_registered_gets_in_and_what_is_refused_would_not() {
    use CertificateFault as Fault;
    let files = Files::new();
    let folder = files.folder.path();
    make(folder, "ca", "ca", "EC P-256", AUTHORITY, "");
    make(folder, "foreign", "foreign", "EC P-256", AUTHORITY, "");
    make(
        folder,
        "narrow",
        "ca",
        "EC P-256",
        &format!(
            "{AUTHORITY}nameConstraints=critical,permitted;dirName:section\n[section]\nC=FR\n"
        ),
        "",
    );
    let tls = TlsFiles {
        revocation_lists: Vec::new(),
        ..files.tls()
    };
    let front = Running::start(listener(MutualTls, Some(tls)), relaxed_limits());
    let server_only = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n";
    let no_usage = "basicConstraints=critical,CA:FALSE\n";
    let any_usage = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n";
    let unknown = format!("{CLIENT}1.2.3.4=critical,DER:0500\n");
    let unknown_not_critical = format!("{CLIENT}1.2.3.4=DER:0500\n");
    let own_authority = format!("own subject{AUTHORITY}");
    let cases: &[Case<'_>] = &[
        ("p256", "ca", "EC P-256", CLIENT, "", None),
        ("p384", "ca", "EC P-384", CLIENT, "", None),
        ("p521", "ca", "EC P-521", CLIENT, "", None),
        ("p256-sha512", "ca", "EC P-256", CLIENT, "-sha512", None),
        ("rsa2048", "ca", "RSA 2048", CLIENT, "", None),
        ("rsa3072", "ca", "RSA 3072", CLIENT, "", None),
        ("ed25519", "ca", "ED25519", CLIENT, "", None),
        ("no-usage", "ca", "EC P-256", no_usage, "", None),
        ("both-usages", "ca", "EC P-256", any_usage, "", None),
        (
            "unknown-extension",
            "ca",
            "EC P-256",
            &unknown_not_critical,
            "",
            None,
        ),
        ("version1", "ca", "EC P-256", "", "", Some(Fault::Version)),
        (
            "server-only",
            "ca",
            "EC P-256",
            server_only,
            "",
            Some(Fault::Purpose),
        ),
        (
            "stranger",
            "foreign",
            "EC P-256",
            CLIENT,
            "",
            Some(Fault::UnknownAuthority),
        ),
        (
            "self-signed",
            "self-signed",
            "EC P-256",
            CLIENT,
            "",
            Some(Fault::UnknownAuthority),
        ),
        (
            "own-authority",
            "own-authority",
            "EC P-256",
            &own_authority,
            "",
            Some(Fault::Authority),
        ),
        (
            "authority-of-ca",
            "ca",
            "EC P-256",
            &own_authority,
            "",
            Some(Fault::Authority),
        ),
        (
            "secp256k1",
            "ca",
            "EC secp256k1",
            CLIENT,
            "",
            Some(Fault::Key),
        ),
        ("ed448", "ca", "ED448", CLIENT, "", Some(Fault::Key)),
        (
            "rsa-pss",
            "ca",
            "RSA-PSS 2048",
            CLIENT,
            "",
            Some(Fault::Key),
        ),
        ("rsa1024", "ca", "RSA 1024", CLIENT, "", Some(Fault::Key)),
        (
            "sha1",
            "ca",
            "EC P-256",
            CLIENT,
            "-sha1",
            Some(Fault::SignatureAlgorithm),
        ),
        (
            "expired",
            "ca",
            "EC P-256",
            CLIENT,
            "-days -1",
            Some(Fault::Expired),
        ),
        (
            "critical",
            "ca",
            "EC P-256",
            &unknown,
            "",
            Some(Fault::Extension),
        ),
    ];
    for (name, signer, key, extensions, more, expected) in cases {
        make(folder, name, signer, key, extensions, more);
        let (judged, gets_in) = both(folder, front.address, name);
        assert_eq!(judged.err(), *expected, "{name}");
        assert_eq!(
            gets_in,
            expected.is_none(),
            "{name} is judged otherwise in a handshake"
        );
    }
    // Below an intermediate, whose certificate the file shows.
    make(folder, "constrained", "narrow", "EC P-256", CLIENT, "");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    files.write(
        "constrained.pem",
        file("constrained.pem") + &file("narrow.pem"),
    );
    let (judged, gets_in) = both(folder, front.address, "constrained");
    assert_eq!((judged, gets_in), (Err(Fault::Constraints), false));

    // Not valid yet: OpenSSL cannot date ahead.
    let own = Authority::new("Ahead");
    files.write("ca.pem", &own.certificate_pem);
    assert!(front.reloader.reload().is_empty());
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    let ahead = own.client_valid(
        "Regione",
        "010",
        "Prova",
        5,
        tomorrow,
        tomorrow + Duration::days(9),
    );
    files.write("ahead.pem", &ahead.certificate_pem);
    files.write("ahead.key", &ahead.key_pem);
    let (judged, gets_in) = both(folder, front.address, "ahead");
    assert_eq!((judged, gets_in), (Err(Fault::NotYetValid), false));
}

/// Offers of clients that people have, as OpenSSL's client makes them; whether each connects, and with which key the server answers.
const OFFERS: &[(&str, &str, Option<&str>)] = &[
    ("TLS 1.3", "-tls1_3", Some("ECDSA")),
    (
        "TLS 1.3 with RSA alone",
        "-tls1_3 -sigalgs rsa_pss_rsae_sha256:rsa_pkcs1_sha256",
        Some("RSA"),
    ),
    (
        "Java 8",
        "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA",
        Some("ECDSA"),
    ),
    (
        "Windows Server 2012 R2",
        "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384:AES128-SHA -sigalgs RSA+SHA256:RSA+SHA384:RSA+SHA1:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA1",
        Some("ECDSA"),
    ),
    (
        "Salesforce's published list: RSA alone",
        "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256 -sigalgs RSA+SHA256:RSA+SHA384:RSA+SHA512",
        Some("RSA"),
    ),
    (
        "suites of both, signatures of RSA alone",
        "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384 -sigalgs RSA+SHA256",
        Some("RSA"),
    ),
    (
        "no GCM (Java 7)",
        "-tls1_2 -cipher ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA",
        None,
    ),
    (
        "DHE alone",
        "-tls1_2 -cipher DHE-RSA-AES256-GCM-SHA384",
        None,
    ),
    (
        "RSA key exchange",
        "-tls1_2 -cipher AES256-GCM-SHA384",
        None,
    ),
    ("TLS 1.1", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", None),
    ("ALPN http/1.0 alone", "-alpn http/1.0", Some("ECDSA")),
    ("ALPN h2 and http/1.1", "-alpn h2,http/1.1", Some("ECDSA")),
    ("ALPN h2 alone", "-alpn h2", None),
];

#[test]
fn each_client_is_shown_the_certificate_that_it_can_use() {
    let files = Files::new();
    let folder = files.folder.path();
    make(
        folder,
        "rsa",
        "rsa",
        "RSA 2048",
        "subjectAltName=DNS:localhost\n",
        "",
    );
    let pair = |certificate: &str, key: &str| PairFiles {
        certificate_chain: files.path(certificate),
        private_key: files.path(key),
    };
    let tls = TlsFiles {
        second_pair: Some(pair("rsa.pem", "rsa.key")),
        ..files.tls()
    };
    let front = Running::start(listener(MutualTls, Some(tls.clone())), relaxed_limits());
    for (client_name, arguments, expected) in OFFERS {
        let heard = client(folder, front.address, arguments);
        assert_eq!(
            heard.contains("refused: no client certificate"),
            expected.is_some(),
            "{client_name}: {heard}"
        );
        if let Some(kind) = expected {
            let bits = match *kind {
                "RSA" => "Server public key is 2048 bit",
                _ => "Server public key is 256 bit",
            };
            assert!(heard.contains(bits), "{client_name}: {heard}");
        }
    }

    // Reloaded together, or not at all: the second file alone is broken.
    let renewed = files.authority.server();
    files.write("server.pem", &renewed.certificate_pem);
    files.write("server.key", &renewed.key_pem);
    let good = std::fs::read(files.path("rsa.pem")).unwrap();
    files.write("rsa.pem", "nothing");
    let failed = front.reloader.reload();
    assert!(
        failed[0].1.to_string().contains("rsa.pem"),
        "{}",
        failed[0].1
    );
    let serial = |renewed: bool| {
        let heard = client(folder, front.address, "-tls1_3 -showcerts");
        let line = renewed_line(&std::fs::read_to_string(files.path("server.pem")).unwrap());
        assert_eq!(heard.contains(&line), renewed, "{heard}");
    };
    serial(false);
    files.write("rsa.pem", good);
    assert!(front.reloader.reload().is_empty());
    serial(true);

    // Two of one kind are a mistake.
    let same = TlsFiles {
        second_pair: Some(pair("server.pem", "server.key")),
        ..tls
    };
    let refused = sistema_ts::front::TrustStore::load(same, 16).err().unwrap();
    assert!(refused.to_string().contains("different kinds"), "{refused}");
}

/// A line of base64 that only this certificate has.
fn renewed_line(pem: &str) -> String {
    pem.lines().rev().nth(2).unwrap().to_owned()
}
