//! Regions, structures, callers, request keys, sessions, and the coded values of the wire.
//! A failure is a value accepted or refused wrongly, one not read back from what is written of it, or a stored form
//! that has changed.

use proptest::prelude::*;
use sistema_ts_model::{
    AslId, AuthenticationKind, CallCenterCode, Caller, CallerError, CardDigits, CardDigitsError,
    Cun, PinCode, PinCodeError, RegionCode, RequestKey, RequestKeyError, Service, SessionDigest,
    SessionId, StructureDescription, StructureError, StructureId, TestKind, TestResult,
    TransactionId,
};
use uuid::Uuid;

fn structure_id() -> impl Strategy<Value = StructureId> {
    (0..21_usize, "[0-9]{3}", "[A-Za-z0-9]{1,6}").prop_map(|(region, asl, structure)| {
        let region = RegionCode::all().nth(region).unwrap();
        StructureId::parse(&format!("{region}-{asl}-{structure}")).unwrap()
    })
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        (0..21_usize).prop_map(|index| Caller::Region(RegionCode::all().nth(index).unwrap())),
        structure_id().prop_map(Caller::Structure),
        structure_id()
            .prop_map(|StructureId { region, asl, .. }| Caller::Asl(AslId { region, asl })),
        "[A-Za-z0-9._-]{1,16}"
            .prop_map(|code| Caller::CallCenter(CallCenterCode::parse(&code).unwrap())),
        Just(Caller::Immuni),
    ]
}

proptest! {
    #[test]
    fn a_structure_is_read_back(id in structure_id()) {
        prop_assert_eq!(StructureId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn structures_are_ordered_like_their_texts_within_an_asl(one in structure_id(), other in structure_id()) {
        let key = |id: &StructureId| (id.region.to_string(), id.asl.to_string(), id.structure.to_string());
        prop_assert_eq!(one.cmp(&other), key(&one).cmp(&key(&other)));
    }

    #[test]
    fn a_caller_is_read_back_from_its_key(caller in caller()) {
        prop_assert_eq!(Caller::from_key(&caller.to_key()), Ok(caller));
    }

    #[test]
    fn different_callers_have_different_keys(one in caller(), other in caller()) {
        prop_assert_eq!(one == other, one.to_key() == other.to_key());
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,300}|[RSACI0-9A-Za-z-]{0,20}") {
        if let Ok(caller) = Caller::from_key(&text) {
            let key = caller.to_key();
            prop_assert_eq!(key.as_str(), &text);
        }
        if let Ok(id) = StructureId::parse(&text) {
            prop_assert_eq!(id.to_string(), text.clone());
        }
        if let Ok(key) = RequestKey::parse(&text) {
            prop_assert_eq!(key.as_str(), &text);
            prop_assert!((1..=64).contains(&text.len()));
            prop_assert!(text.bytes().all(|byte| (0x20..=0x7E).contains(&byte)));
        }
        if let Ok(description) = StructureDescription::parse(&text) {
            prop_assert_eq!(description.as_str(), &text);
            prop_assert!((1..=256).contains(&text.chars().count()));
        }
    }

    #[test]
    fn a_request_key_is_kept_as_it_is(text in "[!-~]([ -~]{0,62}[!-~])?") {
        let key = RequestKey::parse(&text).unwrap();
        prop_assert_eq!(key.as_str(), &text);
    }

    #[test]
    fn digits_are_kept_with_their_zeros(card in "0{0,4}[0-9]{8}", pincode in "0{0,4}[0-9]{10}") {
        let card = &card[..8];
        let pincode = &pincode[..10];
        let parsed = CardDigits::parse(card).unwrap();
        prop_assert_eq!(parsed.expose(), card);
        let parsed = PinCode::parse(pincode).unwrap();
        prop_assert_eq!(parsed.expose(), pincode);
    }

    #[test]
    fn a_transaction_is_read_back(number in 0..sistema_ts_model::CUN_COUNT, uuid: u128) {
        for transaction in [TransactionId::Cun(Cun::from_number(number).unwrap()), TransactionId::Uuid(Uuid::from_u128(uuid))] {
            prop_assert_eq!(TransactionId::parse(&transaction.to_string()), Some(transaction));
        }
        let session = SessionId::from_uuid(Uuid::from_u128(uuid));
        prop_assert_eq!(SessionId::parse(&session.to_text()), Ok(session));
        prop_assert_eq!(SessionId::parse(&session.to_text().to_uppercase()), Ok(session));
        prop_assert_eq!(session.as_uuid().as_u128(), uuid);
    }
}

#[test]
fn there_are_21_regions() {
    let codes: Vec<&str> = RegionCode::all().map(RegionCode::as_str).collect();
    let expected = [
        "010", "020", "030", "041", "042", "050", "060", "070", "080", "090", "100", "110", "120",
        "130", "140", "150", "160", "170", "180", "190", "200",
    ];
    assert_eq!(codes, expected);
    for number in 0..=999 {
        let code = format!("{number:03}");
        let parsed = RegionCode::parse(&code);
        assert_eq!(parsed.is_ok(), expected.contains(&code.as_str()), "{code}");
        if let Ok(region) = parsed {
            assert_eq!(region.to_string(), code);
            assert_eq!(RegionCode::all().nth(region.index()), Some(region));
        }
    }
    assert_eq!(
        RegionCode::parse("041").unwrap().name(),
        "Provincia autonoma di Bolzano"
    );
    assert_eq!(
        RegionCode::parse("042").unwrap().name(),
        "Provincia autonoma di Trento"
    );
    for code in ["", "10", "0010", "01O", " 010"] {
        assert_eq!(
            RegionCode::parse(code),
            Err(StructureError::Region),
            "{code:?}"
        );
    }
}

#[test]
fn every_mistake_in_a_structure_has_its_error() {
    for (text, error) in [
        ("", StructureError::Form),
        ("010", StructureError::Form),
        ("010-101", StructureError::Form),
        ("040-101-1", StructureError::Region),
        ("010-10-1", StructureError::Asl),
        ("010-10A-1", StructureError::Asl),
        ("010-1011-1", StructureError::Asl),
        ("010-101-", StructureError::Structure),
        ("010-101-1234567", StructureError::Structure),
        ("010-101-12-3", StructureError::Structure),
        ("010-101-12 3", StructureError::Structure),
        ("010-101-è", StructureError::Structure),
    ] {
        assert_eq!(StructureId::parse(text), Err(error), "{text:?}");
    }
    assert_ne!(
        StructureId::parse("010-101-123"),
        StructureId::parse("010-101-000123")
    );
}

#[test]
fn descriptions_have_1_to_256_characters() {
    for text in [
        "è",
        " Ospedale  Maria Vittoria ",
        &"è".repeat(256),
        &"😷".repeat(256),
    ] {
        assert_eq!(StructureDescription::parse(text).unwrap().as_str(), text);
    }
    for text in [
        "",
        " ",
        "\u{a0}\t\n",
        &"è".repeat(257),
        &"a".repeat(10_000_000),
    ] {
        assert_eq!(
            StructureDescription::parse(text),
            Err(StructureError::DescriptionLength)
        );
    }
    for text in ["a\nb", "a\tb", "a\0", "\u{85}a"] {
        assert_eq!(
            StructureDescription::parse(text),
            Err(StructureError::DescriptionCharacter),
            "{text:?}"
        );
    }
}

/// These are stored: they must never change.
#[test]
fn keys_of_callers_are_stable() {
    let region = RegionCode::parse("010").unwrap();
    for (caller, key) in [
        (Caller::Region(region), "R010"),
        (
            Caller::Structure(StructureId::parse("010-101-000123").unwrap()),
            "S010-101-000123",
        ),
        (Caller::Asl(AslId::parse("010-101").unwrap()), "A010-101"),
        (
            Caller::CallCenter(CallCenterCode::parse("cc.Roma_1-bis").unwrap()),
            "Ccc.Roma_1-bis",
        ),
        (
            Caller::CallCenter(CallCenterCode::parse("0123456789ABCDEF").unwrap()),
            "C0123456789ABCDEF",
        ),
        (Caller::Immuni, "I"),
    ] {
        assert_eq!(&*caller.to_key(), key);
    }
    for key in [
        "",
        "R",
        "R040",
        "R0100",
        "S010",
        "A010",
        "A010-1",
        "A010-101-000123",
        "A040-101",
        "C",
        "C0123456789ABCDEFG",
        "Ca b",
        "II",
        "X",
        "r010",
        "è",
    ] {
        assert_eq!(Caller::from_key(key), Err(CallerError::Key), "{key:?}");
    }
    assert_eq!(
        Caller::from_key("S010-101-000123").unwrap().region(),
        Some(region)
    );
    assert_eq!(Caller::from_key("R010").unwrap().region(), Some(region));
    assert_eq!(Caller::Immuni.region(), None);
}

#[test]
fn structures_and_asls_sign_in_by_user_and_nobody_else() {
    for (key, by_user) in [
        ("R010", false),
        ("S010-101-000123", true),
        ("A010-101", true),
        ("Ccc.Roma_1-bis", false),
        ("I", false),
    ] {
        let caller = Caller::from_key(key).unwrap();
        assert_eq!(caller.signs_in_by_user(), by_user, "{key}");
    }
}

#[test]
fn codes_and_keys_of_callers_are_written_and_compared_as_their_text() {
    let code = CallCenterCode::parse("cc.Roma").unwrap();
    assert_eq!(format!("{code}|{code:>8}"), "cc.Roma| cc.Roma");
    assert_eq!(format!("{code:?}"), "CallCenterCode(cc.Roma)");
    let key = Caller::CallCenter(code).to_key();
    assert_eq!(format!("{key}|{key:>9}"), "Ccc.Roma| Ccc.Roma");
    assert_eq!(format!("{key:?}"), "CallerKey(Ccc.Roma)");
    assert_eq!(AsRef::<str>::as_ref(&key), "Ccc.Roma");
    assert!(Caller::Immuni.to_key() > key && key < Caller::Immuni.to_key());
}

#[test]
fn structures_and_services_are_written_as_their_text() {
    let id = StructureId::parse("010-101-000123").unwrap();
    let asl = AslId::parse("010-101").unwrap();
    for (written, expected) in [
        (format!("{:?}", id.region), "RegionCode(010)"),
        (format!("{:?}", id.asl), "AslCode(101)"),
        (format!("{:?}", id.structure), "StructureCode(000123)"),
        (format!("{id:?}"), "StructureId(010-101-000123)"),
        (format!("{asl:?} {asl}"), "AslId(010-101) 010-101"),
        (format!("{}|{:>4}", id.asl, id.asl), "101| 101"),
        (
            format!("{}|{:>7}", id.structure, id.structure),
            "000123| 000123",
        ),
    ] {
        assert_eq!(written, expected);
    }
    for service in Service::ALL {
        assert_eq!(service.to_string(), service.name());
    }
}

#[test]
fn every_mistake_in_a_request_key_has_its_error() {
    assert_eq!(RequestKey::parse(""), Err(RequestKeyError::Length));
    assert_eq!(
        RequestKey::parse(&"a".repeat(65)),
        Err(RequestKeyError::Length)
    );
    assert_eq!(
        RequestKey::parse(&"a".repeat(10_000_000)),
        Err(RequestKeyError::Length)
    );
    assert_eq!(
        RequestKey::parse(&"è".repeat(65)),
        Err(RequestKeyError::Length)
    );
    assert_eq!(
        RequestKey::parse(&"😷".repeat(64)),
        Err(RequestKeyError::Character { position: 1 })
    );
    for (text, position) in [
        (" a", 1),
        ("a ", 2),
        (" ", 1),
        ("a\tb", 2),
        ("abè", 3),
        ("a\u{7f}", 2),
        ("\0", 1),
    ] {
        assert_eq!(
            RequestKey::parse(text),
            Err(RequestKeyError::Character { position }),
            "{text:?}"
        );
    }
    assert!(RequestKey::parse(&"~".repeat(64)).is_ok());
}

#[test]
fn every_mistake_in_digits_has_its_error() {
    for text in ["", "1234567", "123456789", "1234567è9"] {
        assert_eq!(
            CardDigits::parse(text).err(),
            Some(CardDigitsError::Length),
            "{text:?}"
        );
    }
    for (text, position) in [("1234567 ", 8), ("-1234567", 1), ("1234è678", 5)] {
        assert_eq!(
            CardDigits::parse(text).err(),
            Some(CardDigitsError::Digit { position }),
            "{text:?}"
        );
    }
    for text in ["1234５678", "1234٥678", "1234З678"] {
        let error = CardDigits::parse(text).err();
        assert_eq!(
            error,
            Some(CardDigitsError::Foreign { position: 5 }),
            "{text:?}"
        );
    }
    // Eight characters of the most bytes that a character has, and one more.
    assert_eq!(
        CardDigits::parse(&"😷".repeat(8)).err(),
        Some(CardDigitsError::Digit { position: 1 })
    );
    assert_eq!(
        CardDigits::parse(&"😷".repeat(9)).err(),
        Some(CardDigitsError::Length)
    );
    assert_eq!(
        PinCode::parse("123456789").err(),
        Some(PinCodeError::Length)
    );
    assert_eq!(
        PinCode::parse("12345678901").err(),
        Some(PinCodeError::Length)
    );
    assert_eq!(
        PinCode::parse("123456789O").err(),
        Some(PinCodeError::Digit { position: 10 })
    );
}

#[test]
fn sessions_are_36_characters_and_all_different() {
    let session = SessionId::random();
    assert_eq!(session.to_text().len(), 36);
    assert_ne!(session, SessionId::random());
    assert_ne!(session.digest(), SessionId::random().digest());
    let bytes = [7; SessionDigest::LENGTH];
    let digest = SessionDigest::from_bytes(bytes);
    assert_eq!(*digest.as_bytes(), bytes);
    assert_eq!(format!("{digest:?}"), "SessionDigest(..)");
    let text = session.to_text();
    for wrong in [
        String::new(),
        text[..35].to_owned(),
        format!("{{{text}}}"),
        format!("urn:uuid:{text}"),
        text.replace('-', ""),
        text.replace('-', "_"),
        format!("{}g", &text[..35]),
        format!(" {}", &text[..35]),
    ] {
        assert!(SessionId::parse(&wrong).is_err(), "{wrong}");
    }
    assert!(
        matches!(TransactionId::random(), TransactionId::Uuid(uuid) if uuid.get_version_num() == 4)
    );
    assert_eq!(TransactionId::parse("9K2RAY8UUQ"), None);
}

#[test]
fn coded_values_are_read_to_the_letter() {
    assert_eq!(TestResult::parse("P"), Ok(TestResult::Positive));
    assert_eq!(TestResult::parse("N"), Ok(TestResult::Negative));
    for result in [TestResult::Positive, TestResult::Negative] {
        assert_eq!(TestResult::parse(result.as_str()), Ok(result));
        assert_eq!(TestResult::from_code(result.code()), Some(result));
        assert_eq!(result.as_str().as_bytes(), [result.code()]);
    }
    assert_eq!(TestResult::from_code(b'M'), None);
    assert_eq!(TestKind::parse("M"), Ok(TestKind::Molecular));
    assert_eq!(TestKind::Molecular.as_str(), "M");
    let kinds = AuthenticationKind::ALL.map(AuthenticationKind::as_str);
    assert_eq!(kinds, ["2F", "CNS", "CIE", "SPID"]);
    assert_eq!(AuthenticationKind::ALL.map(|kind| kind.to_string()), kinds);
    assert_eq!(TestKind::Molecular.to_string(), "M");
    assert_eq!(
        [TestResult::Positive, TestResult::Negative].map(|result| result.to_string()),
        ["P", "N"]
    );
    for kind in AuthenticationKind::ALL {
        assert_eq!(AuthenticationKind::parse(kind.as_str()), Ok(kind));
    }
    for wrong in ["", "p", " P", "PN", "m", "2f", "spid", "CNS "] {
        assert!(
            TestResult::parse(wrong).is_err() && TestKind::parse(wrong).is_err(),
            "{wrong:?}"
        );
        assert!(AuthenticationKind::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn services_are_found_by_their_names() {
    for service in Service::ALL {
        assert_eq!(Service::from_name(service.name()), Some(service));
        assert!(service.element()[1..] == service.name()[1..]);
        assert_eq!(service.element()[..1].to_lowercase(), service.name()[..1]);
    }
    assert_eq!(Service::from_name("InvioEsecuzioneTest"), None);
    assert_eq!(Service::from_name(""), None);
}
