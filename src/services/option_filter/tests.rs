//! Failure here means that something personal would stay in the access records for a year, or that a configured remark is lost for no
//! reason.
use super::*;

fn recorded(keys: &[&str], key: &str, value: &str) -> Option<RecordedValue> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut recorded = RecordedOptions::new(&keys).of([(key, value)]);
    let option = recorded.pop()?;
    assert_eq!(option.key, key);
    Some(option.value)
}

#[test]
fn every_plain_key_is_recorded_in_its_order() {
    let options = [
        ("esito", "caricato"),
        ("nota", "due parole"),
        ("esito", "v1.10_b-c"),
    ];
    let option = |key: &str, value| RecordedOption {
        key: key.to_owned(),
        value,
    };
    assert_eq!(
        RecordedOptions::default().of(options),
        [
            option("esito", RecordedValue::Text("caricato".to_owned())),
            option("nota", RecordedValue::Length(10)),
            option("esito", RecordedValue::Text("v1.10_b-c".to_owned())),
        ]
    );
    let longest = "k".repeat(LONGEST_KEY);
    assert!(recorded(&[], &longest, "x").is_some());
    for key in [
        "",
        "due parole",
        "perché",
        "k\n",
        "k=v",
        "BNCLRA75E41F205R",
        "CUN-59FU36KR46",
        "3331234567",
        &format!("{longest}k"),
    ] {
        // Named by the installation or not.
        assert_eq!(recorded(&[], key, "x"), None, "{key}");
        assert_eq!(recorded(&[key], key, "x"), None, "{key}");
    }
}

#[test]
fn a_value_is_recorded_as_one_plain_token_or_under_a_named_key_and_else_by_its_length() {
    let text = |value: &str| Some(RecordedValue::Text(value.to_owned()));
    let length = |value: u32| Some(RecordedValue::Length(value));
    let longest = "o".repeat(LONGEST_TOKEN);
    assert_eq!(recorded(&[], "k", &longest), text(&longest));
    assert_eq!(recorded(&[], "k", &format!("{longest}o")), length(33));
    assert_eq!(recorded(&[], "k", ""), length(0));
    assert_eq!(recorded(&[], "k", "perché"), length(6));
    assert_eq!(recorded(&["k"], "k", "perché no"), text("perché no"));
    assert_eq!(recorded(&["K"], "k", "perché no"), length(9));
    // Personal is personal, under whichever key.
    for value in ["BNCLRA75E41F205R", "59FU36KR46", "3331234567"] {
        for keys in [&[][..], &["k"]] {
            let chars = u32::try_from(value.len()).ok();
            assert_eq!(
                recorded(keys, "k", value),
                chars.map(RecordedValue::Length),
                "{value}"
            );
        }
    }
}

#[test]
fn what_looks_personal_is_left_out_however_it_is_written() {
    for value in [
        "BNCLRA75E41F205R",
        "bnclra75e41f205r",
        "BNC LRA 75E41 F205 R",
        "cf:BNCLRA75E41F205R.",
        "BNCLRA75E41F205A",
        "BNCLRATRE4MFNLRR",
        "CUN-59FU36KR46",
        "59fu 36kr 46",
        "59-FU-36-KR-4-5",
        "otp 59FU36KR46 inviato",
        "80380001234567890123",
        "tessera 00012345",
        "12345678901",
        "+39 333 1234567",
        "333.12.34",
        "sintomi 2020-11-01",
        "01/11/20",
        "nessuno@esempio.it",
        "tel ３３３１２３４",
    ] {
        assert!(looks_personal(value), "{value}");
        assert!(!may_be_recorded(value), "{value}");
        assert!(!is_plain(value, LONGEST_KEY), "{value}");
    }
}

#[test]
fn plain_remarks_are_kept() {
    for value in [
        "",
        "caricato",
        "app aggiornata",
        "canale 2",
        "v1.10.3",
        "chiamata di 12 minuti",
        "richiamare dopo le 14:30",
        "perché l'assistito non trova il menù",
    ] {
        assert!(may_be_recorded(value), "{value}");
    }
}

#[test]
fn long_values_and_controls_are_left_out() {
    let long = "è ".repeat(32);
    assert_eq!(long.chars().count(), LONGEST_VALUE);
    assert!(may_be_recorded(&long));
    assert!(!may_be_recorded(&format!("{long}e")));
    assert!(!may_be_recorded("una\nriga"));
}
