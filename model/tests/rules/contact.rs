//! Mobile numbers and e-mail addresses.
//! A failure is one accepted that the contract refuses, one refused that it accepts, or a contact that is not read back
//! from its stored form.

use proptest::prelude::*;
use sistema_ts_model::{Contact, EmailAddress, EmailAddressError, MobileNumber, MobileNumberError};

proptest! {
    #[test]
    fn a_number_is_6_to_15_digits_with_or_without_plus(text in "\\+?[0-9]{6,15}") {
        let number = MobileNumber::parse(&text).unwrap();
        prop_assert_eq!(number.expose(), &text);
        let contact = Contact::Mobile(number);
        prop_assert!(Contact::from_sealed_text(&contact.to_sealed_text()).as_ref() == Ok(&contact));
    }

    #[test]
    fn another_number_of_digits_is_refused(text in "\\+?([0-9]{0,5}|[0-9]{16,40})") {
        prop_assert_eq!(MobileNumber::parse(&text).err(), Some(MobileNumberError::Length));
    }

    #[test]
    fn what_is_no_digit_is_found_at_its_place(plus in "\\+?", digits in "[0-9]{6,15}", index in 0..15_usize, wrong in any::<char>()) {
        prop_assume!(index < digits.len() && !wrong.is_ascii_digit() && !(index == 0 && wrong == '+' && plus.is_empty()));
        let mut characters: Vec<char> = digits.chars().collect();
        characters[index] = wrong;
        let text: String = plus.chars().chain(characters).collect();
        let expected = MobileNumberError::Digit { position: plus.len() + index + 1 };
        prop_assert_eq!(MobileNumber::parse(&text).err(), Some(expected));
    }

    #[test]
    fn an_address_is_kept_as_it_is(
        text in "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[A-Za-z0-9_+-]{1,20}){0,2}@([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.){1,3}[A-Za-z]{2,10}",
    ) {
        let address = EmailAddress::parse(&text).unwrap();
        prop_assert_eq!(address.expose(), &text);
        let contact = Contact::Email(address);
        prop_assert!(Contact::from_sealed_text(&contact.to_sealed_text()).as_ref() == Ok(&contact));
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,300}|[a-c.@ +-]{0,30}") {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert_eq!(address.expose(), &text);
            prop_assert!(text.is_ascii() && text.len() <= 254 && text.matches('@').count() == 1);
            prop_assert!(!text.contains("..") && !text.contains(' '));
        }
        let _ = (MobileNumber::parse(&text), Contact::from_sealed_text(&text));
    }
}

#[test]
fn addresses_have_at_most_254_characters_and_numbers_15_of_as_many_bytes_as_may_be() {
    let address = |length: usize| {
        // A local part of 64, then labels of 63 and what is left.
        let domain = format!(
            "{0}.{0}.{1}.it",
            "d".repeat(63),
            "e".repeat(length - 64 - 1 - 2 * 64 - 3)
        );
        format!("{}@{domain}", "l".repeat(64))
    };
    assert_eq!(address(254).len(), 254);
    assert!(EmailAddress::parse(&address(254)).is_ok());
    assert_eq!(
        EmailAddress::parse(&address(255)).err(),
        Some(EmailAddressError::Length)
    );
    assert_eq!(
        EmailAddress::parse(&"a".repeat(10_000_000)).err(),
        Some(EmailAddressError::Length)
    );
    assert_eq!(
        EmailAddress::parse("").err(),
        Some(EmailAddressError::Length)
    );
    // Characters count, not their bytes.
    assert_eq!(
        EmailAddress::parse(&"😷".repeat(254)).err(),
        Some(EmailAddressError::At)
    );
    assert_eq!(
        MobileNumber::parse(&"😷".repeat(15)).err(),
        Some(MobileNumberError::Digit { position: 1 })
    );
}

#[test]
fn every_mistake_in_an_address_has_its_error() {
    use EmailAddressError::{At, Domain, Local};
    let long_local = format!("{}@example.it", "l".repeat(65));
    let long_label = format!("a@{}.it", "d".repeat(64));
    for (text, error) in [
        ("paziente", At),
        ("a@b@example.it", At),
        ("@example.it", Local),
        (".a@example.it", Local),
        ("a.@example.it", Local),
        ("a..b@example.it", Local),
        ("a b@example.it", Local),
        ("\"a b\"@example.it", Local),
        ("è@example.it", Local),
        ("a\r\nBcc:b@example.it", Local),
        (&long_local, Local),
        ("a@", Domain),
        ("a@example", Domain),
        ("a@.it", Domain),
        ("a@example.", Domain),
        ("a@example..it", Domain),
        ("a@-example.it", Domain),
        ("a@example-.it", Domain),
        ("a@exa_mple.it", Domain),
        ("a@exam ple.it", Domain),
        ("a@example.it ", Domain),
        ("a@[192.0.2.1]", Domain),
        ("a@192.0.2.1", Domain),
        (&long_label, Domain),
    ] {
        assert_eq!(EmailAddress::parse(text).err(), Some(error), "{text:?}");
    }
}

#[test]
fn only_stored_forms_are_read_back() {
    for text in [
        "",
        "M",
        "E",
        "3331234567",
        "X3331234567",
        "M12345",
        "Ea@b",
        "m3331234567",
        "è",
    ] {
        assert!(Contact::from_sealed_text(text).is_err(), "{text:?}");
    }
}
