//! Personal data do not print, are told by no error, and are overwritten when dropped.
//! A failure is a value, or a part of it, in `{:?}` or in the text of an error, or left in memory after the drop.

use std::fmt::Debug;
use std::mem::MaybeUninit;

use sistema_ts_model::{
    CardDigits, CodiceFiscale, CodiceFiscaleOptions, Contact, Cun, EmailAddress, MobileNumber, Otp,
    PinCode, RequestKey, SessionId, StructureDescription, TransactionId, parse_date,
};
use zeroize::ZeroizeOnDrop;

fn assert_prints(value: &impl Debug, expected: &str) {
    assert_eq!(format!("{value:?}"), expected);
    let pretty: String = format!("{value:#?}").split_whitespace().collect();
    assert_eq!(pretty.replace(",)", ")"), expected);
}

#[test]
fn debug_output_of_personal_data_tells_nothing() {
    let mobile = MobileNumber::parse("+393331234567").unwrap();
    let email = EmailAddress::parse("paziente@example.it").unwrap();
    let cun = Cun::parse("CUN-9K2RAY8UUQ").unwrap();
    assert_prints(&Otp::parse("9K2RAY8UUQ").unwrap(), "Otp(..)");
    assert_prints(
        &CodiceFiscale::parse("RSSMRA85T10A562S").unwrap(),
        "CodiceFiscale(..)",
    );
    assert_prints(&CardDigits::parse("00123456").unwrap(), "CardDigits(..)");
    assert_prints(&PinCode::parse("0012345678").unwrap(), "PinCode(..)");
    assert_prints(&mobile, "MobileNumber(..)");
    assert_prints(&email, "EmailAddress(..)");
    assert_prints(&Contact::Mobile(mobile), "Mobile(MobileNumber(..))");
    assert_prints(&Contact::Email(email), "Email(EmailAddress(..))");
    assert_prints(&cun, "Cun(..)");
    assert_prints(&TransactionId::Cun(cun), "Cun(Cun(..))");
    assert_prints(&SessionId::random(), "SessionId(..)");
    assert_prints(
        &RequestKey::parse("RSSMRA85T10A562S").unwrap(),
        "RequestKey(..)",
    );
}

#[test]
fn errors_never_repeat_what_was_given() {
    // Each is wrong for every type, and holds a part that no error text has.
    let with_stp_eni = CodiceFiscaleOptions {
        accept_stp_eni: true,
    };
    for (planted, text) in [
        ("7QX7", "7QX7"),
        ("7QX7", "CUN-7QX7AAAAAA"),
        ("7QX7", "7QX7AAAAAA"),
        ("7qx7", "7qx7aaaaaa"),
        ("7QX7", "7QX7AAAAA0"),
        ("QXQX", "QXQXQX85T10A562A"),
        ("QXQX", "QXQXQX85Q10A562A"),
        ("QXQX", "QXQXQX85T99A562A"),
        ("9797979", "97979797970"),
        ("STP979", "STP9797979797979"),
        ("9797", "9797979è"),
        ("9797", "979797979è"),
        ("7QX7", "7QX7@"),
        ("7QX7", "@7QX7"),
        ("7QX7", "7QX7@7QX7"),
        ("7QX7", "7QX7\n"),
        ("9797-97", "9797-97-97"),
    ] {
        let errors = [
            Cun::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            Cun::parse_bare(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            Cun::parse_spoken(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            Otp::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            Otp::parse_spoken(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            CardDigits::parse_spoken(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            CodiceFiscale::parse_spoken(text, with_stp_eni)
                .err()
                .map(|error| format!("{error} {error:?}")),
            CodiceFiscale::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            CodiceFiscale::parse_with(text, with_stp_eni)
                .err()
                .map(|error| format!("{error} {error:?}")),
            CardDigits::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            PinCode::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            MobileNumber::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            EmailAddress::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            Contact::from_sealed_text(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            RequestKey::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            SessionId::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            StructureDescription::parse(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
            parse_date(text)
                .err()
                .map(|error| format!("{error} {error:?}")),
        ];
        assert!(errors.iter().flatten().count() >= 10, "{text:?}");
        for error in errors.into_iter().flatten() {
            assert!(!error.contains(planted), "{text:?}: {error}");
        }
    }
}

/// Drops a value in place, and gives the bytes that it leaves.
fn bytes_after_drop<T: ZeroizeOnDrop>(value: T, planted: &str) -> Vec<u8> {
    let mut slot = MaybeUninit::new(value);
    let bytes = |slot: &MaybeUninit<T>| -> Vec<u8> {
        // SAFETY: the slot is initialised, and these types are arrays of bytes and a length of one byte, without padding
        // (the size says so), so each byte may be read; a dropped value's bytes stay initialised.
        (0..size_of::<T>())
            .map(|index| unsafe { slot.as_ptr().cast::<u8>().add(index).read_volatile() })
            .collect()
    };
    let before = bytes(&slot);
    assert!(
        before
            .windows(planted.len())
            .any(|part| part == planted.as_bytes()),
        "the value is where we look"
    );
    // SAFETY: initialised above and dropped once.
    unsafe { slot.assume_init_drop() };
    bytes(&slot)
}

#[test]
fn values_are_overwritten_on_drop() {
    fn assert_zeroed<T: ZeroizeOnDrop>(value: T, planted: &str) {
        let after = bytes_after_drop(value, planted);
        assert!(after.iter().all(|byte| *byte == 0), "{after:?}");
    }
    assert_zeroed(Otp::parse("9K2RAY8UUQ").unwrap(), "9K2RAY8UUQ");
    assert_zeroed(
        CodiceFiscale::parse("RSSMRA85T10A562S").unwrap(),
        "RSSMRA85T10A562S",
    );
    assert_zeroed(CardDigits::parse("00123456").unwrap(), "00123456");
    assert_zeroed(PinCode::parse("0012345678").unwrap(), "0012345678");
    assert_zeroed(
        MobileNumber::parse("+393331234567").unwrap(),
        "+393331234567",
    );
    assert_eq!(size_of::<Otp>(), 10 + 1);
    assert_eq!(size_of::<CodiceFiscale>(), 16 + 1);
}

/// An address lies on the heap, where it may not be looked for once it is freed: its type vouches for it.
#[test]
fn addresses_and_stored_forms_are_overwritten_on_drop() {
    fn vouches<T: ZeroizeOnDrop>(_: &T) {}
    let address = EmailAddress::parse("paziente@example.it").unwrap();
    vouches(&address);
    vouches(&Contact::Email(address).to_sealed_text());
}
