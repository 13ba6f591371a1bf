//! `sistema-ts pki …`, the real binary. A failure means that a certificate of the demonstration or of a test is not of the form
//! that the server and its callers expect, that a private key lies open or was overwritten, or that a revocation was lost.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

fn pki(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sistema-ts"))
        .args(["pki", "--folder"])
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn made(folder: &Path, arguments: &[&str]) -> String {
    let output = pki(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = pki(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn der(path: &Path) -> Vec<u8> {
    parse_x509_pem(&std::fs::read(path).unwrap())
        .unwrap()
        .1
        .contents
}

/// A folder with an authority, and everything that one can make in it.
fn everything() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["ca"]);
    made(folder.path(), &["server", "localhost", "127.0.0.1", "::1"]);
    made(folder.path(), &["region", "--code", "010"]);
    made(
        folder.path(),
        &[
            "call-center",
            "--code",
            "cc1",
            "--name",
            "Call center di prova",
        ],
    );
    made(
        folder.path(),
        &[
            "administrator",
            "--code",
            "ADM.1",
            "--name",
            "Amministratore di prova",
        ],
    );
    made(folder.path(), &["client"]);
    folder
}

#[test]
fn certificates_have_the_subjects_and_extensions_of_their_kind() {
    let folder = everything();
    let authority_der = der(&folder.path().join("ca.crt"));
    let (_, authority) = X509Certificate::from_der(&authority_der).unwrap();
    let basic = authority.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
    let usage = authority.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    let mut serials = HashSet::from([authority.raw_serial().to_vec()]);
    for (file, subject, is_server) in [
        ("server", "C=IT, O=Sistema TS, CN=localhost", true),
        ("region-010", "C=IT, O=Regione, OU=010, CN=Piemonte", false),
        (
            "call-center-cc1",
            "C=IT, O=CallCenter, OU=cc1, CN=Call center di prova",
            false,
        ),
        (
            "administrator-ADM.1",
            "C=IT, O=Amministratore, OU=ADM.1, CN=Amministratore di prova",
            false,
        ),
        ("immuni-client", "C=IT, O=Sistema TS, CN=Sistema TS", false),
    ] {
        let bytes = der(&folder.path().join(format!("{file}.crt")));
        let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
        assert_eq!(certificate.subject().to_string(), subject);
        assert_eq!(
            certificate.issuer().to_string(),
            authority.subject().to_string()
        );
        certificate
            .verify_signature(Some(authority.public_key()))
            .unwrap();
        let extended = certificate.extended_key_usage().unwrap().unwrap().value;
        assert_eq!(
            (extended.server_auth, extended.client_auth),
            (is_server, !is_server),
            "{file}"
        );
        let usage = certificate.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
        let basic = certificate.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && !basic.value.ca);
        assert_eq!(
            key_ids(&certificate).1,
            key_ids(&authority).0,
            "{file} names its authority's key"
        );
        assert!(key_ids(&certificate).0.is_some());
        assert_eq!(certificate.public_key().parsed().unwrap().key_size(), 256);
        let days = (certificate.validity().not_after.timestamp()
            - certificate.validity().not_before.timestamp())
            / 86_400;
        assert_eq!(days, 397);
        assert!(certificate.validity().is_valid());
        assert_eq!(certificate.raw_serial().len(), 16);
        assert!(
            serials.insert(certificate.raw_serial().to_vec()),
            "serial numbers differ"
        );
    }
}

/// Identifiers of the certificate's own key and of its issuer's.
fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut ids = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => ids.0 = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                ids.1 = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    ids
}

#[test]
fn a_server_has_its_names_and_addresses() {
    let folder = everything();
    let bytes = der(&folder.path().join("server.crt"));
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    let names = &certificate
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    assert!(names.contains(&GeneralName::DNSName("localhost")));
    assert!(names.contains(&GeneralName::IPAddress(&[127, 0, 0, 1])));
    assert_eq!(names.len(), 3);
    for wrong in ["two words", "-x", "a..b", "under_score", ""] {
        refused(folder.path(), &["server", "--file", "wrong", "--", wrong]);
    }
    assert!(!folder.path().join("wrong.key").exists());
}

#[test]
fn private_keys_are_their_owners_alone_and_nothing_is_overwritten() {
    let folder = everything();
    let mut keys = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".key") {
            keys += 1;
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }
    assert_eq!(keys, 7);
    let before = std::fs::read(folder.path().join("ca.key")).unwrap();
    let region = std::fs::read(folder.path().join("region-010.key")).unwrap();
    assert!(refused(folder.path(), &["ca"]).contains("exists already"));
    assert!(refused(folder.path(), &["region", "--code", "010"]).contains("exists already"));
    std::fs::remove_file(folder.path().join("region-010.key")).unwrap();
    assert!(refused(folder.path(), &["region", "--code", "010"]).contains("exists already"));
    assert!(
        !folder.path().join("region-010.key").exists(),
        "no key without its certificate"
    );
    std::fs::write(folder.path().join("region-010.key"), region).unwrap();
    assert_eq!(std::fs::read(folder.path().join("ca.key")).unwrap(), before);
    // A renewal is a second certificate under another name.
    made(
        folder.path(),
        &["region", "--code", "010", "--file", "region-010-new"],
    );
    assert_ne!(
        der(&folder.path().join("region-010.crt")),
        der(&folder.path().join("region-010-new.crt"))
    );
}

#[test]
fn files_stay_in_the_folder_and_codes_are_checked() {
    let folder = everything();
    for arguments in [
        ["region", "--code", "999"].as_slice(),
        &["region", "--code", "10"],
        &["region", "--code", "020", "--file", "../outside"],
        &["region", "--code", "020", "--file", "ca"],
        &["region", "--code", "020", "--file", ".hidden"],
        &["region", "--code", "020", "--days", "0"],
        &["region", "--code", "020", "--days", "826"],
        &["call-center", "--code", "a/b", "--name", "x"],
        &["administrator", "--code", "a", "--name", ""],
    ] {
        refused(folder.path(), arguments);
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 7 * 2 + 1, "seven pairs and the list");
}

#[test]
fn the_fingerprint_that_is_printed_is_that_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["ca"]);
    let printed = made(folder.path(), &["region", "--code", "020"]);
    let fingerprint = printed
        .lines()
        .find_map(|line| line.strip_prefix("SHA-256"))
        .unwrap();
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        &der(&folder.path().join("region-020.crt")),
    );
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(fingerprint.trim(), hex);
    assert!(!printed.contains("PRIVATE"));
}

/// The number and the revoked serial numbers of the list, whose signature is checked.
fn list(folder: &Path) -> (u64, Vec<Vec<u8>>) {
    let authority_der = der(&folder.join("ca.crt"));
    let (_, authority) = X509Certificate::from_der(&authority_der).unwrap();
    let bytes = der(&folder.join("ca.crl"));
    let (_, list) = x509_parser::parse_x509_crl(&bytes).unwrap();
    list.verify_signature(authority.public_key()).unwrap();
    assert!(list.next_update().is_some());
    let number = list
        .crl_number()
        .unwrap()
        .to_u64_digits()
        .first()
        .copied()
        .unwrap_or(0);
    let revoked = list
        .iter_revoked_certificates()
        .map(|revoked| revoked.raw_serial().to_vec());
    (number, revoked.collect())
}

fn serial(folder: &Path, file: &str) -> Vec<u8> {
    let bytes = der(&folder.join(file));
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    certificate.raw_serial().to_vec()
}

#[test]
fn each_list_has_the_next_number_and_keeps_what_was_revoked() {
    let folder = everything();
    let path = |file: &str| folder.path().join(file).display().to_string();
    assert_eq!(list(folder.path()), (1, Vec::new()));
    made(folder.path(), &["revoke", &path("region-010.crt")]);
    let first = serial(folder.path(), "region-010.crt");
    assert_eq!(list(folder.path()), (2, vec![first.clone()]));
    made(folder.path(), &["crl", "--crl-days", "1"]);
    assert_eq!(list(folder.path()), (3, vec![first.clone()]));
    made(
        folder.path(),
        &["revoke", &path("server.crt"), &path("call-center-cc1.crt")],
    );
    let (number, revoked) = list(folder.path());
    assert_eq!((number, revoked.len()), (4, 3));
    assert_eq!(revoked[0], first);
    // One that is revoked already, or another authority's, changes nothing: not even for those named with it.
    let again = refused(
        folder.path(),
        &[
            "revoke",
            &path("administrator-ADM.1.crt"),
            &path("region-010.crt"),
        ],
    );
    assert!(again.contains("revoked already"), "{again}");
    let stranger = everything();
    let foreign = stranger.path().join("region-010.crt").display().to_string();
    assert!(refused(folder.path(), &["revoke", &foreign]).contains("not issued by this authority"));
    assert_eq!(list(folder.path()), (number, revoked));
}

#[test]
fn revocations_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["ca"]);
    let files: Vec<_> = (0..8).map(|index| format!("client-{index}")).collect();
    for file in &files {
        made(folder.path(), &["region", "--code", "010", "--file", file]);
    }
    let processes: Vec<_> = files
        .iter()
        .map(|file| {
            Command::new(env!("CARGO_BIN_EXE_sistema-ts"))
                .args(["pki", "--folder"])
                .arg(folder.path())
                .arg("revoke")
                .arg(folder.path().join(format!("{file}.crt")))
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let (number, revoked) = list(folder.path());
    assert_eq!((number, revoked.len()), (9, 8));
}

#[test]
fn openssl_agrees_where_it_is_installed() {
    let folder = everything();
    let verify = |check: &[&str], file: &str| {
        Command::new("openssl")
            .current_dir(folder.path())
            .args([
                "verify",
                "-x509_strict",
                "-CAfile",
                "ca.crt",
                "-CRLfile",
                "ca.crl",
                "-crl_check",
            ])
            .args(check)
            .arg(file)
            .output()
    };
    let Ok(output) = verify(&["-purpose", "sslclient"], "region-010.crt") else {
        eprintln!("openssl is not installed: the other tests must do");
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        verify(
            &["-purpose", "sslserver", "-verify_hostname", "localhost"],
            "server.crt"
        )
        .unwrap()
        .status
        .success()
    );
    assert!(
        !verify(&["-purpose", "sslserver"], "region-010.crt")
            .unwrap()
            .status
            .success()
    );
    made(
        folder.path(),
        &[
            "revoke",
            &folder.path().join("region-010.crt").display().to_string(),
        ],
    );
    let output = verify(&[], "region-010.crt").unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("revoked"));
}
