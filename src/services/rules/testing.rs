//! What the tests of the services' rules share: messages with given values, and every mixture of mistakes in them.
//!
//! A table lists texts that an element must not hold, with what is told of each, where that depends on nothing else in the message. Each is
//! tried alone, then any mixture of them: all mistakes of a message are told at once, each on its own element, and none hides another.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use sistema_ts_model::{
    CallCenterCode, Caller, CodiceFiscale, Finding, Outcome, RegionCode, Service, StructureId,
    Timestamp,
};
use sistema_ts_store::register::{CredentialHash, Profiles, RegisteredUser, UserId, Workplace};

use crate::services::call::{Call, Permits};
use crate::soap::description::Message;
use crate::soap::{Charset, Fields, body_text, decode};

/// A codice fiscale of nobody.
pub const FISCAL_CODE: &str = "RSSMRA80A01H501U";
/// Another one.
pub const OTHER_FISCAL_CODE: &str = "VRDGPP62D15L219E";
/// A code with a right check symbol: a CUN's without its prefix, or a one-time code.
pub const CODE: &str = "59FU36KR46";
/// A UUID.
pub const UUID: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/// What is told of the message: its mistakes, each with its element.
pub type Judged<T> = Result<T, Vec<(&'static str, Outcome)>>;

/// Texts that an element must not hold, with what is told of each; `""` leaves it empty.
pub type Mistaken = (&'static str, &'static [(&'static str, Outcome)]);

/// What is wrong with an operator's or a patient's codice fiscale.
pub const WRONG_FISCAL_CODES: &[(&str, Outcome)] = &[
    ("", Outcome::FieldRequired),
    ("RSSMRA80A01H501", Outcome::FiscalCodeLength),
    ("RSSMRA80A0?H501U", Outcome::FiscalCodeForm),
    ("RSSMRA80A01H501X", Outcome::FiscalCodeCheck),
    ("rssmra80a01h501u", Outcome::FiscalCodeLowerCase),
    ("RSSMRA80A99H501U", Outcome::FiscalCodeBirth),
    ("STP1234567890123", Outcome::FiscalCodeStpEni),
    ("00000000000", Outcome::FiscalCodeForm),
];

/// What is wrong with the way in which a caller with a certificate has made sure of its operator.
pub const WRONG_AUTHENTICATIONS: &[(&str, Outcome)] = &[
    ("", Outcome::AuthenticationKindRequired),
    ("2f", Outcome::AuthenticationKindUnknown),
    ("password", Outcome::AuthenticationKindUnknown),
];

/// What is wrong with a pincode of a caller with a certificate.
pub const WRONG_PIN_CODES: &[(&str, Outcome)] = &[("1234567890", Outcome::PinCodeNotAllowed)];

/// What is wrong with a one-time code.
pub const WRONG_CODES: &[(&str, Outcome)] = &[
    ("", Outcome::FieldRequired),
    ("59FU36KR4", Outcome::OtpMalformed),
    ("59FU,36KR46", Outcome::OtpMalformed),
    // A Cyrillic letter that looks like the Latin one.
    ("59FU36КR46", Outcome::ForeignSymbol),
    ("CUN-59FU36KR46", Outcome::OtpMalformed),
    ("59FU36KR4O", Outcome::OtpMalformed),
    ("59FU36KR45", Outcome::OtpCheck),
];

/// What is wrong with a date that must lie in the 180 days before [`today`].
pub const WRONG_DATES: &[(&str, Outcome)] = &[
    ("30/10/2020", Outcome::DateMalformed),
    ("2020-02-30", Outcome::DateMalformed),
    ("2020-11-01", Outcome::DateInFuture),
    ("2020-05-03", Outcome::DateTooOld),
];

/// What is wrong with the id of a verification.
pub const WRONG_SESSIONS: &[(&str, Outcome)] = &[
    (
        "6f9619ff8b864d01b42d00cf4fc964ff",
        Outcome::VerificationIdMalformed,
    ),
    (
        "6f9619ff-8b86-4d01-b42d-00cf4fc964fg",
        Outcome::VerificationIdMalformed,
    ),
    (
        "{6f9619ff-8b86-4d01-b42d-00cf4fc964ff}",
        Outcome::VerificationIdMalformed,
    ),
];

/// The moment at which every message of these tests is judged: the 31st of October 2020 in Rome, already after the hour was set back.
pub fn moment() -> Timestamp {
    Timestamp::from_millis_clamped(1_604_150_000_000)
}

/// A call by a caller with a certificate.
pub fn call_by(caller: Caller) -> Call {
    Call {
        caller,
        user: None,
        at: moment(),
        client_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        permits: Permits::default(),
    }
}

/// A call by region 010.
pub fn by_region() -> Call {
    call_by(Caller::Region(RegionCode::parse("010").unwrap()))
}

/// A call by a call centre.
pub fn by_call_centre() -> Call {
    call_by(Caller::CallCenter(CallCenterCode::parse("CC1").unwrap()))
}

/// A call by a user of structure 010-101-000123, whose codice fiscale is [`FISCAL_CODE`].
pub fn by_user() -> Call {
    let structure = StructureId::parse("010-101-000123").unwrap();
    Call {
        user: Some(Arc::new(RegisteredUser {
            id: UserId::parse("operatore.prova").unwrap(),
            workplace: Workplace::Structure(structure),
            fiscal_code: CodiceFiscale::parse(FISCAL_CODE).unwrap(),
            credential: CredentialHash::new("-"),
            credential_set_at: moment(),
            expires_at: None,
            profiles: Service::ALL.into_iter().collect::<Profiles>(),
            enabled: true,
            version: 1,
        })),
        ..call_by(Caller::Structure(structure))
    }
}

/// A message with right values, and what judges it.
pub struct Form<'j, T> {
    /// Its description.
    pub message: &'static Message,
    /// Elements with right texts. Those of a structure are written inside it; the text of `opzioni` is markup.
    pub right: Vec<(&'static str, String)>,
    /// The rules.
    pub rules: &'j dyn Fn(Fields<'_>) -> Result<T, Vec<Finding>>,
}

impl<T> Form<'_, T> {
    /// Judges the message with some texts replaced; `""` leaves the element empty.
    pub fn with(&self, changes: &[(&str, &str)]) -> Judged<T> {
        let mut values: Vec<(&str, String)> = self
            .right
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name))
            .map(|(name, text)| (*name, text.clone()))
            .collect();
        let changes = changes
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()));
        values.extend(changes);
        self.judge(&values)
    }

    fn judge(&self, values: &[(&str, String)]) -> Judged<T> {
        let body = envelope(self.message, values);
        let text = body_text(body.as_bytes(), Charset::Utf8).unwrap();
        let fields = decode(&text, self.message).unwrap();
        (self.rules)(fields).map_err(|findings| {
            findings
                .into_iter()
                .map(|finding| (finding.field.unwrap_or("-"), finding.outcome))
                .collect()
        })
    }

    /// The right message is taken; each text of the table alone is told on its element, and so are all of any mixture.
    pub fn tell_every_mistake(&self, table: &[Mistaken]) {
        assert!(self.with(&[]).is_ok());
        for (element, texts) in table {
            for (text, outcome) in *texts {
                let told = self.with(&[(element, text)]).err();
                assert_eq!(
                    told,
                    Some(vec![(*element, *outcome)]),
                    "{element}: {text:?}"
                );
            }
        }
        let mixtures: Vec<_> = table
            .iter()
            .map(|(_, texts)| prop::option::of(0..texts.len()))
            .collect();
        let run = runner().run(&mixtures, |mixture| {
            let picked: Vec<_> = table
                .iter()
                .zip(mixture)
                .filter_map(|((element, texts), pick)| Some((*element, texts[pick?])))
                .collect();
            let changes: Vec<_> = picked
                .iter()
                .map(|(name, (text, _))| (*name, *text))
                .collect();
            let mut expected: Vec<_> = picked
                .iter()
                .map(|(name, (_, outcome))| (*name, *outcome))
                .collect();
            let mut told = self.with(&changes).err().unwrap_or_default();
            let order = |(element, outcome): &(&'static str, Outcome)| (*element, outcome.code());
            expected.sort_by_key(order);
            told.sort_by_key(order);
            prop_assert_eq!(told, expected);
            Ok(())
        });
        run.unwrap();
    }

    /// Whatever stands in the elements, there is a judgement; of a refused message at least one mistake is told, each on an element that it has.
    pub fn judge_anything(&self) {
        let texts: Vec<_> = self.right.iter().map(|_| anything()).collect();
        let run = runner().run(&texts, |texts| {
            let values: Vec<_> = self
                .right
                .iter()
                .zip(texts)
                .map(|((name, right), text)| match text {
                    None => (*name, right.clone()),
                    Some(_) if *name == "opzioni" => (*name, right.clone()),
                    Some(text) => (*name, escaped(&text)),
                })
                .collect();
            if let Err(told) = self.judge(&values) {
                prop_assert!(!told.is_empty());
                for (element, outcome) in told {
                    let is_one = values.iter().any(|(name, _)| *name == element)
                        || element == "identificativoStruttura";
                    prop_assert!(is_one, "{} {:?}", element, outcome);
                }
            }
            Ok(())
        });
        run.unwrap();
    }
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(500)
    })
}

/// `None` leaves the right text.
fn anything() -> impl Strategy<Value = Option<String>> {
    let character = prop_oneof![
        4 => select(vec!['A', 'Z', '0', '9', '-', '+', ' ', '5', 'F', 'U', 'é', '\u{0660}', '\u{212A}', '\u{10FFFF}']),
        1 => any::<char>().prop_filter("allowed in XML", |character| {
            matches!(character, '\t' | '\n' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
        }),
    ];
    prop::option::of(
        prop::collection::vec(character, 0..40)
            .prop_map(|characters| characters.into_iter().collect::<String>()),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const CODES_OF_A_STRUCTURE: [&str; 3] = ["codiceRegione", "codiceAsl", "codiceStruttura"];

fn envelope(message: &Message, values: &[(&str, String)]) -> String {
    let (inside, outside): (Vec<_>, Vec<_>) = values
        .iter()
        .partition(|(name, _)| CODES_OF_A_STRUCTURE.contains(name));
    let written = |values: Vec<&(&str, String)>, prefix: &str| -> String {
        values
            .into_iter()
            .map(|(name, text)| format!("<{prefix}:{name}>{text}</{prefix}:{name}>"))
            .collect()
    };
    let (element, namespace) = (message.element, message.namespace);
    let structure = match inside.is_empty() {
        true => String::new(),
        false => format!(
            "<s:identificativoStruttura>{}</s:identificativoStruttura>",
            written(inside, "t")
        ),
    };
    let outside = written(outside, "s");
    format!(
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>\
         <s:{element} xmlns:s='{namespace}' xmlns:t='urn:sistemats:tipi:v1'>{outside}{structure}</s:{element}></e:Body></e:Envelope>"
    )
}
