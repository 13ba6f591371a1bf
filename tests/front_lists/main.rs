//! Which certificates a revocation list speaks of, and which list counts.
//!
//! Failure here means that a revoked certificate is let in because a file went back or a chain has an authority more, or that one is refused
//! that nobody has revoked.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../front_support/mod.rs"]
mod front_support;
mod intermediates;

use front_support::client::{connect, tls13};
use front_support::openssl::{AUTHORITY, CLIENT, make, make_list, openssl};
use front_support::pki::{Authority, Files, Identity};
use front_support::{Running, listener, relaxed_limits};
use sistema_ts::front::ListenerKind::MutualTls;
use sistema_ts::front::{ListenerTrust, TlsFiles, TrustStore};

const REVOKED: &str = "refused: client certificate revoked";

fn start(files: &Files) -> Running {
    let tls = TlsFiles {
        kept_lists: Some(files.path("kept")),
        ..files.tls()
    };
    Running::start(listener(MutualTls, Some(tls)), relaxed_limits())
}

/// Whether a client is refused as revoked; it must be known otherwise.
fn is_revoked(front: &Running, files: &Files, identity: &Identity) -> bool {
    let config = tls13(&files.authority, Some(identity));
    let answer = connect(front.address, &config).unwrap().get("/who");
    let revoked = answer.text().contains(REVOKED);
    assert!(
        revoked || answer.text().contains(r#"OU=Some("010")"#),
        "{}",
        answer.text()
    );
    revoked
}

fn in_force(front: &Running) -> ListenerTrust {
    front.reloader.in_force().remove(0)
}

#[test]
fn an_older_list_or_none_lets_nobody_in_again_and_neither_does_a_restart() {
    let files = Files::new();
    let region = files.authority.client("Regione", "010", "Prova", 77);
    let (older, newer) = (
        files.authority.revoking_numbered(1, &[]),
        files.authority.revoking_numbered(256, &[77]),
    );
    let front = start(&files);
    files.write("ca.crl", &older);
    assert!(front.reloader.reload().is_empty());
    assert!(!is_revoked(&front, &files, &region));
    files.write("ca.crl", &newer);
    assert!(front.reloader.reload().is_empty());
    assert!(is_revoked(&front, &files, &region));
    assert!(!in_force(&front).revocation_lists[0].is_kept);

    // 255 is a byte, 256 two: numbers are compared as numbers.
    let between = files.authority.revoking_numbered(255, &[]);
    let stranger = Authority::new("Stranger").revoking(&[]);
    for back in [&older, &between, &stranger] {
        files.write("ca.crl", back);
        assert!(front.reloader.reload().is_empty());
        assert!(is_revoked(&front, &files, &region));
        let lists = in_force(&front).revocation_lists;
        assert!(
            lists.iter().any(|list| list.is_kept && list.entries == 1),
            "{lists:?}"
        );
    }
    drop(front);
    files.write("ca.crl", &older);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &region));
    assert!(in_force(&front).revocation_lists[0].is_kept);

    // And forward again.
    files.write("ca.crl", files.authority.revoking_numbered(257, &[]));
    assert!(front.reloader.reload().is_empty());
    assert!(!is_revoked(&front, &files, &region));
    assert!(!in_force(&front).revocation_lists[0].is_kept);
}

#[test]
fn a_list_speaks_for_its_key_and_not_for_an_authority_that_has_its_name() {
    let files = Files::new();
    let old_region = files.authority.client("Regione", "010", "Prova", 5);
    let old_list = files.authority.revoking(&[5]);
    let old_certificate = files.authority.certificate_pem.clone();
    // Renewed under its name, with another key.
    let renewed = Authority::new("Test authority");
    let new_region = renewed.client("Regione", "010", "Prova", 5);
    files.write(
        "ca.pem",
        format!("{old_certificate}{}", renewed.certificate_pem),
    );
    files.write("ca.crl", format!("{old_list}{}", renewed.revoking(&[6])));
    let front = start(&files);
    assert!(is_revoked(&front, &files, &old_region));
    assert!(!is_revoked(&front, &files, &new_region));
    assert!(in_force(&front).authorities_without_list.is_empty());

    // The old authority goes; its list, still in the file, neither hinders nor counts.
    files.write("ca.pem", &renewed.certificate_pem);
    assert!(front.reloader.reload().is_empty());
    assert!(!is_revoked(&front, &files, &new_region));
    assert!(
        in_force(&front)
            .revocation_lists
            .iter()
            .any(|list| !list.is_verified)
    );

    // Without its own list the new one is uncovered, whatever the old one's says.
    files.write("ca.crl", old_list);
    std::fs::remove_dir_all(files.path("kept")).unwrap();
    drop(front);
    let front = start(&files);
    assert_eq!(
        in_force(&front).authorities_without_list,
        ["CN=Test authority"]
    );
    assert!(!is_revoked(&front, &files, &new_region));
}

/// Takes a file that OpenSSL made into the place where the listener reads it.
fn take(files: &Files, made: &str, place: &str) {
    files.write(place, std::fs::read(files.path(made)).unwrap());
}

/// An authority's kind of key, the hashes with which its lists are to count, and those with which they are not supported.
const SIGNATURES: &[(&str, &[&str], &[&str])] = &[
    (
        "EC P-256",
        &["sha256", "sha384", "sha512"],
        &["sha1", "sha224"],
    ),
    ("EC P-384", &["sha256", "sha384", "sha512"], &["sha1"]),
    ("EC P-521", &["sha256", "sha384", "sha512"], &["sha224"]),
    (
        "RSA 2048",
        &["sha256", "sha384", "sha512"],
        &["sha1", "sha224"],
    ),
    ("ED25519", &["null"], &[]),
    ("EC secp256k1", &[], &["sha256"]),
    ("ED448", &[], &["null"]),
];

#[test]
fn a_list_of_each_algorithm_that_handshakes_take_counts_and_one_of_another_is_told_as_not_supported()
 {
    for (key, counting, not_supported) in SIGNATURES {
        let files = Files::new();
        let folder = files.folder.path();
        make(folder, "ca", "ca", key, AUTHORITY, "");
        make(folder, "region", "ca", "EC P-256", CLIENT, "");
        let region = Identity {
            certificate_pem: std::fs::read_to_string(files.path("region.pem")).unwrap(),
            key_pem: std::fs::read_to_string(files.path("region.key")).unwrap(),
            serial: 0,
        };
        let list = |name: &str, hash: &str, revoked: &[&str]| {
            make_list(folder, name, "ca", hash, revoked);
            take(&files, &format!("{name}.crl"), "ca.crl");
        };
        for hash in *counting {
            list("empty", hash, &[]);
            let front = start(&files);
            assert!(!is_revoked(&front, &files, &region), "{key} {hash}");
            list("revoking", hash, &["region"]);
            let failed = front.reloader.reload();
            assert!(failed.is_empty(), "{key} {hash}: {failed:?}");
            assert!(is_revoked(&front, &files, &region), "{key} {hash}");
            let trust = in_force(&front);
            assert!(trust.revocation_lists[0].is_verified, "{key} {hash}");
            assert!(trust.authorities_without_list.is_empty(), "{key} {hash}");
        }
        for hash in *not_supported {
            list("unusable", hash, &[]);
            let refused = TrustStore::load(files.tls(), 16).err();
            let told = refused
                .map(|refused| refused.to_string())
                .unwrap_or_default();
            let is_right = told.contains("not supported") && !told.contains("wrong");
            assert!(is_right && told.contains("ca.crl"), "{key} {hash}: {told}");
            let Some(usual) = counting.first() else {
                continue;
            };
            // Under a running server the list before it stays in force.
            list("revoking", usual, &["region"]);
            let front = start(&files);
            take(&files, "unusable.crl", "ca.crl");
            let failed = front.reloader.reload();
            let told = failed[0].1.to_string();
            assert!(told.contains("not supported"), "{key} {hash}: {told}");
            assert!(is_revoked(&front, &files, &region), "{key} {hash}");
        }
    }
}

#[test]
fn a_list_whose_signature_is_wrong_is_told_as_wrong() {
    let files = Files::new();
    let folder = files.folder.path();
    make(folder, "ca", "ca", "EC P-256", AUTHORITY, "");
    for hash in ["sha256", "sha512"] {
        make_list(folder, "list", "ca", hash, &[]);
        openssl(folder, "crl -in list.crl -outform DER -out list.der");
        let mut list = std::fs::read(files.path("list.der")).unwrap();
        files.write("ca.crl", &list);
        assert!(TrustStore::load(files.tls(), 16).is_ok(), "{hash}");
        *list.last_mut().unwrap() ^= 1;
        files.write("ca.crl", list);
        let told = TrustStore::load(files.tls(), 16).err().unwrap().to_string();
        let is_right = told.contains("signature is wrong") && !told.contains("not supported");
        assert!(is_right, "{hash}: {told}");
    }
}
