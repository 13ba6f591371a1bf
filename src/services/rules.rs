//! What the rules of all services have in common: a collector of mistakes, and the rules of the elements that several messages share
//! (§2.3, Tables 2, 4 and 6, §3.3).
//!
//! All mistakes of a message are found at once, each with the name of its element; no text and no type here repeats a value. Each value is read
//! once, for the request and for the access record alike.

use chrono::NaiveDate;
use sistema_ts_model::{
    AslCode, AuthenticationKind, Caller, CodeError, CodiceFiscale, CodiceFiscaleError, Cun,
    DateError, DateWindow, Finding, Otp, Outcome, RegionCode, RequestKey, SessionId, StructureCode,
    StructureDescription, StructureId, StructureReference, TestKind, parse_date,
};

use super::service::Judged;
use crate::soap::messages::shared::{RawField, RawStructure};

/// Whether a region must say which structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureRule {
    /// It names the identifier or the description (Tables 2 and 4).
    Required,
    /// It may name one of them, and means all of the region otherwise (§2.4.3).
    Optional,
}

/// The mistakes found so far in one message.
#[derive(Debug, Default)]
pub struct Mistakes {
    found: Vec<Finding>,
}

impl Mistakes {
    /// Notes a mistake in an element.
    pub fn note(&mut self, element: &'static str, outcome: Outcome) {
        self.found.push(Finding::on(element, outcome));
    }

    /// The judgement: the request, if there was no mistake, else all of them in the order in which they were noted. `request` gives `None` only
    /// where a value is missing that has left its mistake behind.
    pub fn judge<N, R>(self, named: N, request: impl FnOnce(&N) -> Option<R>) -> Judged<N, R> {
        let request = match self.found.is_empty() {
            true => request(&named).ok_or(self.found),
            false => Err(self.found),
        };
        Judged { named, request }
    }

    /// The value of an optional element; `None` if it is absent or wrong, and then noted.
    pub fn optional<T>(
        &mut self,
        raw: &RawField<'_>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        match parse(raw.text.as_ref()?) {
            Ok(value) => Some(value),
            Err(outcome) => {
                self.note(raw.name, outcome);
                None
            }
        }
    }

    /// The value of a required element; `None` if it is empty or wrong, and noted.
    pub fn required<T>(
        &mut self,
        raw: &RawField<'_>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        if raw.text.is_none() {
            self.note(raw.name, Outcome::FieldRequired);
        }
        self.optional(raw, parse)
    }

    /// `tipoAutenticazione` comes with a certificate; `pinCode`, where the message has it, with Basic.
    pub fn authentication(
        &mut self,
        kind: &RawField<'_>,
        pin_code: Option<&RawField<'_>>,
        caller: &Caller,
    ) -> Option<AuthenticationKind> {
        if caller.signs_in_by_user() {
            if kind.text.is_some() {
                self.note(kind.name, Outcome::AuthenticationKindNotAllowed);
            }
            // The pincode was taken out of the message to prove who calls; without a right one nobody gets here.
            return None;
        }
        if kind.text.is_none() {
            self.note(kind.name, Outcome::AuthenticationKindRequired);
        }
        let kind = self.optional(kind, |text| {
            AuthenticationKind::parse(text).map_err(|_| Outcome::AuthenticationKindUnknown)
        });
        if let Some(pin_code) = pin_code.filter(|raw| raw.text.is_some()) {
            self.note(pin_code.name, Outcome::PinCodeNotAllowed);
        }
        kind
    }

    /// `identificativoRichiesta`.
    pub fn request_key(&mut self, raw: &RawField<'_>) -> Option<RequestKey> {
        self.optional(raw, |text| {
            RequestKey::parse(text).map_err(|_| Outcome::RequestKeyMalformed)
        })
    }

    /// A person's fiscal code, patient or operator. STP and ENI codes are not taken.
    pub fn fiscal_code(&mut self, raw: &RawField<'_>) -> Option<CodiceFiscale> {
        self.required(raw, |text| {
            CodiceFiscale::parse(text).map_err(fiscal_code_outcome)
        })
    }

    /// A required date from 180 days before `today`, in Rome, to that day.
    pub fn past_date(&mut self, raw: &RawField<'_>, today: NaiveDate) -> Option<NaiveDate> {
        self.required(raw, |text| past_date(text, today))
    }

    /// `tipologiaTest`.
    pub fn test_kind(&mut self, raw: &RawField<'_>) -> Option<TestKind> {
        self.required(raw, |text| {
            TestKind::parse(text).map_err(|_| Outcome::TestKindUnknown)
        })
    }

    /// The app's one-time code, as the operator typed it.
    pub fn otp(&mut self, raw: &RawField<'_>) -> Option<Otp> {
        self.required(raw, |text| Otp::parse_spoken(text).map_err(otp_outcome))
    }

    /// A CUN to the letter: software sends what it was given.
    pub fn cun(&mut self, raw: &RawField<'_>) -> Option<Cun> {
        self.required(raw, |text| Cun::parse(text).map_err(cun_outcome))
    }

    /// A CUN as an operator typed what was dictated.
    pub fn spoken_cun(&mut self, raw: &RawField<'_>) -> Option<Cun> {
        self.required(raw, |text| Cun::parse_spoken(text).map_err(cun_outcome))
    }

    /// The structure: a region names the identifier or the description, a structure its own identifier. What is given is well-formed, also where
    /// it is noted as one that this caller may not name.
    pub fn structure(
        &mut self,
        raw: &RawStructure<'_>,
        caller: &Caller,
        rule: StructureRule,
    ) -> Option<StructureReference> {
        let by_structure = caller.signs_in_by_user();
        let has_identifier = raw.has_identifier();
        let has_description = raw.description.text.is_some();
        if !has_identifier && by_structure {
            self.note(
                RawStructure::IDENTIFIER,
                Outcome::StructureIdentifierRequired,
            );
        } else if !has_identifier && !has_description && rule == StructureRule::Required {
            self.note(RawStructure::IDENTIFIER, Outcome::StructureRequired);
        }
        let identifier = has_identifier
            .then(|| self.identifier(raw, caller))
            .flatten();
        if has_description && by_structure {
            self.note(
                raw.description.name,
                Outcome::StructureDescriptionNotAllowed,
            );
        } else if has_identifier && has_description {
            self.note(raw.description.name, Outcome::StructureTwice);
        }
        let description = self.optional(&raw.description, |text| {
            StructureDescription::parse(text).map_err(|_| Outcome::StructureDescriptionMalformed)
        });
        match has_identifier {
            true => identifier.map(StructureReference::Identifier),
            false => description.map(StructureReference::Description),
        }
    }

    fn identifier(&mut self, raw: &RawStructure<'_>, caller: &Caller) -> Option<StructureId> {
        let region = self.required(&raw.region, |text| {
            RegionCode::parse(text).map_err(|_| Outcome::RegionCodeUnknown)
        });
        if let (Some(region), Caller::Region(own)) = (region, caller)
            && region != *own
        {
            self.note(raw.region.name, Outcome::StructureOfAnotherRegion);
        }
        let asl = self.required(&raw.asl, |text| {
            AslCode::parse(text).map_err(|_| Outcome::AslCodeMalformed)
        });
        let structure = self.required(&raw.code, |text| {
            StructureCode::parse(text).map_err(|_| Outcome::StructureCodeMalformed)
        });
        let identifier = StructureId {
            region: region?,
            asl: asl?,
            structure: structure?,
        };
        if let Caller::Structure(own) = caller
            && identifier != *own
        {
            self.note(RawStructure::IDENTIFIER, Outcome::StructureNotOwn);
        }
        Some(identifier)
    }
}

/// The id of a verification.
///
/// # Errors
/// The outcome that says what is wrong with it.
pub fn session_id(text: &str) -> Result<SessionId, Outcome> {
    SessionId::parse(text).map_err(|_| Outcome::VerificationIdMalformed)
}

/// A date from 180 days before `today`, in Rome, to that day.
///
/// # Errors
/// The outcome that says what is wrong with it.
pub fn past_date(text: &str, today: NaiveDate) -> Result<NaiveDate, Outcome> {
    let date = parse_date(text).map_err(date_outcome)?;
    DateWindow { today }.check(date).map_err(date_outcome)?;
    Ok(date)
}

fn fiscal_code_outcome(error: CodiceFiscaleError) -> Outcome {
    match error {
        CodiceFiscaleError::Length => Outcome::FiscalCodeLength,
        CodiceFiscaleError::Character { .. } | CodiceFiscaleError::SerialZero => {
            Outcome::FiscalCodeForm
        }
        CodiceFiscaleError::Foreign { .. } => Outcome::ForeignSymbol,
        CodiceFiscaleError::LowerCase => Outcome::FiscalCodeLowerCase,
        CodiceFiscaleError::Month | CodiceFiscaleError::Day => Outcome::FiscalCodeBirth,
        CodiceFiscaleError::CheckLetter | CodiceFiscaleError::CheckDigit => {
            Outcome::FiscalCodeCheck
        }
        CodiceFiscaleError::StpEniNotAccepted => Outcome::FiscalCodeStpEni,
    }
}

fn cun_outcome(error: CodeError) -> Outcome {
    code_outcome(error, Outcome::CunCheck, Outcome::CunMalformed)
}

fn otp_outcome(error: CodeError) -> Outcome {
    code_outcome(error, Outcome::OtpCheck, Outcome::OtpMalformed)
}

fn code_outcome(error: CodeError, wrong_check: Outcome, malformed: Outcome) -> Outcome {
    match error {
        CodeError::Check { .. } => wrong_check,
        CodeError::Foreign { .. } => Outcome::ForeignSymbol,
        CodeError::Prefix
        | CodeError::UnexpectedPrefix
        | CodeError::Length
        | CodeError::Symbol { .. }
        | CodeError::LowerCase => malformed,
    }
}

fn date_outcome(error: DateError) -> Outcome {
    match error {
        DateError::Form | DateError::Calendar => Outcome::DateMalformed,
        DateError::TooOld => Outcome::DateTooOld,
        DateError::Future => Outcome::DateInFuture,
    }
}

#[cfg(test)]
pub(super) mod testing;
