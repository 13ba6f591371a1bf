//! A failure here means that an installation could start with a value nobody meant: an unknown key taken, a bound not
//! enforced, the sample saying other than the code, or a message that repeats a configured value.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::path::Path;

use toml::{Table, Value};

use super::{Configuration, ConfigurationError};
use crate::backend::{self, Archives};

mod reading;

const SAMPLE: &str = include_str!("../../sistema-ts.sample.toml");

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sistema-ts.toml");
    std::fs::write(&file, text).unwrap();
    load_file(Some(&file), environment)
}

fn load_file(
    file: Option<&Path>,
    environment: &[(&str, &str)],
) -> Result<Configuration, ConfigurationError> {
    let environment = environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Configuration::load_from(file, environment)
}

#[test]
fn the_sample_holds_every_key_with_its_default() {
    let sample = toml::from_str::<Table>(SAMPLE).unwrap();
    let defaults = Table::try_from(Configuration::default()).unwrap();
    assert_eq!(sample, defaults);
}

#[test]
fn every_key_of_the_sample_has_a_comment_above_it() {
    let mut commented = false;
    for line in SAMPLE.lines() {
        if line.starts_with('#') {
            commented = true;
        } else if line.is_empty() || line.starts_with('[') {
            commented = false;
        } else {
            assert!(commented, "no comment above: {line}");
            commented = false;
        }
    }
}

#[test]
fn the_bounds_that_the_sample_tells_are_those_that_are_checked() {
    let mut section = "";
    let mut comment = String::new();
    let mut checked = 0;
    for line in SAMPLE.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            if value.parse::<i64>().is_ok() {
                // Beyond every bound, and still a number that every key can hold.
                let text = format!("[{section}]\n{key} = {}\n", i32::MAX);
                let message = load(&text, &[]).unwrap_err().to_string();
                let bounds = message
                    .split_once(&format!("{section}.{key} must be from "))
                    .and_then(|(_, rest)| rest.lines().next())
                    .unwrap_or_else(|| panic!("{section}.{key} has no bounds: {message}"));
                let told = without_brackets(&comment);
                assert!(
                    told.contains(&format!(" {bounds}.")) || told.contains(&format!(" {bounds},")),
                    "{section}.{key} is checked to be from {bounds}; the sample says:{comment}"
                );
                checked += 1;
            }
            comment.clear();
        } else {
            comment.clear();
        }
    }
    assert!(checked > 40, "{checked}");
}

/// `14 (the life of a CUN) to 365` as `14 to 365`.
fn without_brackets(text: &str) -> String {
    let mut depth = 0;
    let mut outside = String::new();
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => outside.push(character),
            _ => {}
        }
    }
    outside.replace("  ", " ")
}

#[test]
fn the_defaults_are_within_their_bounds() {
    let configuration = load_file(None, &[]).unwrap();
    assert_eq!(configuration, Configuration::default());
}

#[test]
fn the_sample_loads_with_paths_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sistema-ts.toml");
    std::fs::write(&file, SAMPLE).unwrap();
    let configuration = load_file(Some(&file), &[]).unwrap();
    assert_eq!(configuration.store.data_folder, folder.path().join("data"));
    assert_eq!(
        configuration.register.key_file,
        folder.path().join("keys/register-key")
    );
}

#[test]
fn all_values_out_of_bounds_are_told_at_once() {
    let text = "[limits]\nbody_timeout_seconds = 0\n[status]\nbind_address = \"0.0.0.0:9464\"\n\
                [authentication]\nargon2_passes = 1\nuser_burst = 1000000\n";
    let message = load(text, &[]).unwrap_err().to_string();
    for key in [
        "limits.body_timeout_seconds must be from 1 to 120",
        "status.bind_address must be a loopback",
        "authentication.argon2_passes",
        "authentication.user_burst",
    ] {
        assert!(message.contains(key), "{key} missing in: {message}");
    }
}

#[test]
fn listeners_may_not_share_an_address_and_have_a_plain_https_url() {
    let text =
        "[basic]\nbind_address = \"127.0.0.1:8443\"\npublic_url = \"http://example.org/path\"\n";
    let message = load(text, &[]).unwrap_err().to_string();
    assert!(message.contains("must differ"), "{message}");
    assert!(message.contains("basic.public_url"), "{message}");
}

#[test]
fn a_network_of_all_addresses_is_no_proxy() {
    for network in ["0.0.0.0/0", "::/0"] {
        let message = load(
            &format!("[proxy]\ntrusted_networks = [\"{network}\"]\n"),
            &[],
        )
        .unwrap_err()
        .to_string();
        assert!(message.contains("proxy.trusted_networks"), "{message}");
    }
}

#[test]
fn keys_inside_the_data_folder_are_refused_however_the_path_is_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(&data, folder.path().join("link")).unwrap();
    let file = folder.path().join("sistema-ts.toml");
    for key in [
        "data/ring",
        "keys/../data/ring",
        "link/new/ring",
        "./data/sub/ring",
    ] {
        std::fs::write(&file, format!("[store]\nkey_ring_file = \"{key}\"\n")).unwrap();
        let message = load_file(Some(&file), &[]).unwrap_err().to_string();
        assert!(
            message.contains("store.key_ring_file must lie outside"),
            "{key}: {message}"
        );
    }
    std::fs::write(&file, "[register]\nkey_file = \"keys/day-keys\"\n").unwrap();
    let message = load_file(Some(&file), &[]).unwrap_err().to_string();
    assert!(message.contains("must be two files"), "{message}");
    std::fs::write(&file, "[store]\nkey_ring_file = \"database/ring\"\n").unwrap();
    assert!(
        load_file(Some(&file), &[]).is_ok(),
        "a folder whose name only begins alike is another folder"
    );
}

#[test]
fn values_out_of_bounds_are_bounded_at_both_ends() {
    for (section, key, below, above) in [
        ("limits", "maximum_body_bytes", 8_191_i64, 1_048_577_i64),
        ("limits", "handshake_timeout_seconds", 0, 61),
        ("store", "retention_days", 13, 366),
        ("register", "poll_interval_milliseconds", 9, 1_001),
        ("admission", "submissions", 15, 65_537),
        (
            "authentication",
            "argon2_memory_kibibytes",
            19_455,
            1_048_577,
        ),
        ("authentication", "user_failures_per_minute", 0, 1_001),
        ("call_center", "session_lifetime_minutes", 4, 241),
        ("call_center", "operator_failures_per_hour", 0, 1_001),
        ("call_center", "code_failures_in_life", 0, 101),
        ("call_center", "caller_failures_per_hour", 0, 1_000_001),
    ] {
        for value in [below, above] {
            let mut table = Table::new();
            table.insert(key.to_owned(), Value::Integer(value));
            let message = load(&format!("[{section}]\n{table}"), &[])
                .unwrap_err()
                .to_string();
            assert!(
                message.contains(&format!("{section}.{key} must be from")),
                "{message}"
            );
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_store_itself() {
    let archives = Configuration::default().archives();
    let store = Archives::in_folder(Path::new("data"), Path::new("keys/day-keys"));
    assert_eq!(format!("{archives:?}"), format!("{store:?}"));
    let budgets = Configuration::default().guess_budgets();
    assert_eq!(budgets, sistema_ts_store::GuessBudgets::default());
}

#[test]
fn a_key_that_has_moved_is_refused_with_its_new_name() {
    let variable = ("SISTEMA_TS_STORE__LOOKUP_THREADS", "2");
    let message = load("[store]\nqueue_capacity = 100\n", &[variable])
        .unwrap_err()
        .to_string();
    for moved in ["queue_capacity", "lookup_threads"] {
        let (old, new) = (
            format!("store.{moved}"),
            backend::section_of_moved("store", moved),
        );
        let told = format!("{old}: it is {}.{moved} now", new.unwrap());
        assert!(message.contains(&told), "{message}");
    }
}

#[test]
fn a_store_that_there_is_not_is_refused() {
    let message = load("[store]\nbackend = \"altro\"\n", &[])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("line 2: store.backend: expected") && !message.contains("altro"),
        "{message}"
    );
}

#[test]
fn keys_of_options_are_few_short_and_plain() {
    let variable = "SISTEMA_TS_CALL_CENTER__RECORDED_OPTION_KEYS";
    let configuration = load("", &[(variable, "esito, canale.2")]).unwrap();
    assert_eq!(
        configuration.call_center.recorded_option_keys,
        ["esito", "canale.2"]
    );
    let many = vec!["k"; 33].join(",");
    for keys in ["[\"\"]", "due parole", "è", &"k".repeat(65), &many] {
        let message = load("", &[(variable, keys)]).unwrap_err().to_string();
        assert!(
            message.contains("call_center.recorded_option_keys must be"),
            "{message}"
        );
    }
}

#[test]
fn the_defaults_are_those_of_the_front_itself() {
    let settings = Configuration::default().front_settings();
    let front = crate::front::FrontLimits::default();
    assert_eq!(format!("{:?}", settings.limits), format!("{front:?}"));
}

#[test]
fn only_the_listener_that_asks_for_certificates_knows_authorities() {
    let settings = Configuration::default().front_settings();
    let tls = |name: &str| {
        let listener = settings
            .listeners
            .iter()
            .find(|listener| listener.name == name)
            .unwrap();
        listener.tls.clone()
    };
    let mutual = tls(super::MUTUAL_TLS_LISTENER).unwrap();
    assert!(mutual.client_authorities.is_some() && mutual.revocation_lists.len() == 1);
    let basic = tls(super::BASIC_LISTENER).unwrap();
    assert!(basic.client_authorities.is_none() && basic.revocation_lists.is_empty());
    assert_eq!(tls(super::STATUS_LISTENER), None);
}
