//! What is read of the file and of the environment. A failure means that a value goes unread or unheard, or that a person is told of one mistake
//! where there are several.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::{load, load_file};
use crate::config::{Configuration, ConfigurationError, LogFormat};

/// The faults that a configuration is refused for, of the file's bytes and variables of any bytes.
fn faults(text: &[u8], environment: &[(&[u8], &[u8])]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sistema-ts.toml");
    std::fs::write(&file, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Configuration::load_from(Some(&file), environment) {
        Ok(_) => Vec::new(),
        Err(ConfigurationError::Wrong { path, faults }) => {
            assert_eq!(path, Some(file));
            faults
        }
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn an_unknown_key_or_section_in_the_file_is_refused_with_its_line() {
    for (text, key) in [
        ("[limits]\nheader_timeout = 3\n", "header_timeout"),
        ("\n[limit]\n", "limit"),
        ("# a\nlimits_body = 1\n", "limits_body"),
    ] {
        let message = load(text, &[]).unwrap_err().to_string();
        assert!(
            message.contains("line 2") && message.contains(key),
            "{message}"
        );
    }
}

#[test]
fn the_environment_goes_over_the_file_and_over_the_defaults() {
    let configuration = load(
        "[limits]\nbody_timeout_seconds = 20\nidle_timeout_seconds = 30\n",
        &[
            ("SISTEMA_TS_LIMITS__BODY_TIMEOUT_SECONDS", "25"),
            ("SISTEMA_TS_BASIC__BIND_ADDRESS", "127.0.0.1:0"),
            ("SISTEMA_TS_STORE__DATA_FOLDER", "/srv/123"),
            (
                "SISTEMA_TS_PROXY__TRUSTED_NETWORKS",
                "10.0.0.7/32, 10.1.0.0/16",
            ),
            ("SISTEMA_TS_LOGGING__FORMAT", "text"),
            ("SISTEMA_TS_CONFIGURATION", "/elsewhere.toml"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(configuration.limits.body_timeout_seconds, 25);
    assert_eq!(configuration.limits.idle_timeout_seconds, 30);
    assert_eq!(configuration.basic.bind_address.port(), 0);
    assert_eq!(
        configuration.basic.public_url,
        Configuration::default().basic.public_url
    );
    assert_eq!(configuration.store.data_folder, PathBuf::from("/srv/123"));
    assert_eq!(configuration.proxy.trusted_networks.len(), 2);
    assert_eq!(configuration.logging.format, LogFormat::Text);
}

#[test]
fn a_list_in_the_environment_may_be_a_toml_array() {
    let list = [("SISTEMA_TS_PROXY__TRUSTED_NETWORKS", r#"["10.0.0.7/32"]"#)];
    assert_eq!(load("", &list).unwrap().proxy.trusted_networks.len(), 1);
}

#[test]
fn a_wrong_variable_is_refused_by_its_name_and_without_its_value() {
    for (name, value) in [
        ("SISTEMA_TS_LIMITS__HEADER_TIMEOUT", "31337"),
        ("SISTEMA_TS_LIMIT__HEADER_TIMEOUT_SECONDS", "31337"),
        ("SISTEMA_TS___HEADER_TIMEOUT_SECONDS", "31337"),
        ("sistema_ts_limits__header_timeout_seconds", "31337"),
        ("SISTEMA_TS_limits__header_timeout_seconds", "31337"),
        ("SISTEMA_TS_LIMITS__HEADER_TIMEOUT_SECONDS", "31337 seconds"),
        ("SISTEMA_TS_LIMITS__HEADER_TIMEOUT_SECONDS", "-31337"),
        ("SISTEMA_TS_BASIC__BIND_ADDRESS", "31337"),
        ("SISTEMA_TS_PROXY__TRUSTED_NETWORKS", "31337"),
    ] {
        let message = load("", &[(name, value)]).unwrap_err().to_string();
        assert!(message.contains(name), "{name}: {message}");
        assert!(!message.contains("31337"), "{name}: {message}");
    }
}

#[test]
fn variables_that_name_no_section_are_not_ours() {
    // What Kubernetes gives every container beside a service named sistema-ts, and what else may begin alike.
    let others = [
        ("SISTEMA_TS_SERVICE_HOST", "10.0.171.239"),
        ("SISTEMA_TS_SERVICE_PORT", "8443"),
        ("SISTEMA_TS_SERVICE_PORT_MUTUAL_TLS", "8443"),
        ("SISTEMA_TS_PORT", "tcp://10.0.171.239:8443"),
        ("SISTEMA_TS_PORT_8443_TCP", "tcp://10.0.171.239:8443"),
        ("SISTEMA_TS_PORT_8443_TCP_PROTO", "tcp"),
        ("SISTEMA_TS_PORT_8443_TCP_ADDR", "10.0.171.239"),
        ("SISTEMA_TS_HEADER_TIMEOUT_SECONDS", "3"),
        ("SISTEMA_TS_", ""),
        ("SISTEMA_TS__", ""),
        ("SISTEMA_TSX__LIMITS", ""),
        ("OTHER_SISTEMA_TS_LIMITS__HEADER_TIMEOUT", "3"),
        ("sistema_ts_port", "tcp://10.0.171.239:8443"),
    ];
    assert_eq!(load_file(None, &others).unwrap(), Configuration::default());
    assert_eq!(faults(b"", &[(b"SISTEMA_TS_\xff", b"\xff")]), [""; 0]);
}

#[test]
fn an_empty_variable_is_an_empty_value() {
    let list = ("SISTEMA_TS_PROXY__TRUSTED_NETWORKS", "");
    let base = ("SISTEMA_TS_IMMUNI__BASE_URL", "");
    let text =
        "[proxy]\ntrusted_networks = [\"10.0.0.7/32\"]\n[immuni]\nbase_url = \"https://b\"\n";
    let configuration = load(text, &[list, base]).unwrap();
    assert!(configuration.proxy.trusted_networks.is_empty());
    assert_eq!(configuration.immuni.base_url, "");
    let told = faults(
        b"",
        &[
            (b"SISTEMA_TS_LIMITS__BODY_TIMEOUT_SECONDS", b""),
            (b"SISTEMA_TS_LOGGING__LEVEL", b""),
            (b"SISTEMA_TS_STORE__DATA_FOLDER", b""),
        ],
    );
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("BODY_TIMEOUT_SECONDS: limits.body_timeout_seconds"));
    assert!(told[1].contains("LOGGING__LEVEL: logging.level"));
    assert_eq!(told[2], "store.data_folder must not be empty");
}

#[test]
fn variables_of_ours_that_are_not_utf_8_are_told() {
    let told = faults(
        b"",
        &[
            (b"SISTEMA_TS_STORE__DATA_FOLDER", b"/srv/citt\xe0"),
            (b"SISTEMA_TS_STORE__\xff", b"1"),
        ],
    );
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].ends_with("STORE__DATA_FOLDER: store.data_folder: it is not UTF-8"),
        "{told:?}"
    );
    assert!(told[1].ends_with("its name is not UTF-8"), "{told:?}");
}

#[test]
fn everything_wrong_in_file_environment_and_bounds_is_told_at_once_and_once() {
    let text = "[limits]\nheader_timeout = 31337\nbody_timeout_seconds = \"31337\"\n\
                idle_timeout_seconds = -31337\nmaximum_body_bytes = 1\n\
                [limit]\nx = 31337\n\
                [logging]\nlevel = \"31337\"\n\
                [basic]\nbind_address = \"31337\"\n\
                [proxy]\ntrusted_networks = [\"31337\"]\n";
    let told = faults(
        text.as_bytes(),
        &[
            (b"SISTEMA_TS_LIMITS__TLS_SESSION", b"31337"),
            (b"SISTEMA_TS_AUTHENTICATION__HASHING_QUEUE", b"31337 "),
            (b"SISTEMA_TS_AUTHENTICATION__HASHING_THREADS", b"many 31337"),
        ],
    );
    let expected = [
        "line 2: limits.header_timeout: there is no such key",
        "line 3: limits.body_timeout_seconds: expected ",
        "line 4: limits.idle_timeout_seconds: expected ",
        "line 6: [limit]: there is no such section",
        "line 9: logging.level: expected ",
        "line 10: [basic]: missing field `public_url`",
        "line 11: basic.bind_address: ",
        "line 13: proxy.trusted_networks: ",
        "the environment variable SISTEMA_TS_AUTHENTICATION__HASHING_THREADS: authentication.hashing_threads: it is not a whole number",
        "the environment variable SISTEMA_TS_LIMITS__TLS_SESSION: limits.tls_session: there is no such key",
        "limits.maximum_body_bytes must be from 8192 to 1048576",
        "authentication.hashing_queue must be from 1 to 4096",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (fault, expected) in told.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault} is not {expected}");
        assert!(!fault.contains("31337"), "{fault}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_by_line_and_without_its_text() {
    for (text, line) in [
        ("[limits\nbody_timeout_seconds = 20\n", "line 1: "),
        ("[limits]\nbody_timeout_seconds 31337\n", "line 2: "),
        ("[limits]\n\nbody_timeout_seconds = 31337 s\n", "line 3: "),
        ("[logging]\nlevel = \"31337\n", "line 2: "),
        ("[limits]\n[store]\n[limits]\n", "line 3: "),
        ("limits = 31337\n", "line 1: limits: it is a section"),
        ("[[limits]]\n", "line 1: limits: it is a section"),
    ] {
        let told = faults(text.as_bytes(), &[]);
        assert!(told[0].starts_with(line), "{text}: {told:?}");
        assert!(!told.concat().contains("31337"), "{text}: {told:?}");
    }
}

#[test]
fn a_file_is_read_as_peoples_programs_save_it() {
    let text = "[limits]\r\nbody_timeout_seconds = 21\r\n";
    assert_eq!(load(text, &[]).unwrap().limits.body_timeout_seconds, 21);
    let marked = format!("\u{feff}{text}");
    assert_eq!(load(&marked, &[]).unwrap().limits.body_timeout_seconds, 21);
    // A byte order mark moves no line.
    assert!(faults("\u{feff}\n[limit]\n".as_bytes(), &[])[0].starts_with("line 2: [limit]"));
    let utf_16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = faults(&utf_16, &[]);
    assert!(
        told[0].ends_with("it is saved as UTF-16: save it as UTF-8"),
        "{told:?}"
    );
    let told = faults(b"[logging]\n# citt\xe0\n", &[]);
    assert!(
        told[0].ends_with("line 2 is not UTF-8: save it as UTF-8"),
        "{told:?}"
    );
}
