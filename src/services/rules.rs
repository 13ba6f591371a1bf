//! What the rules of all services have in common: a collector of mistakes, and the rules of the elements that several messages share
//! (§2.3, Tables 2, 4 and 6, §3.3).
//!
//! All mistakes of a message are found at once, each with the name of its element; no text and no type here repeats a value.

use chrono::NaiveDate;
use sistema_ts_model::{
    AslCode, AuthenticationKind, Caller, CodeError, CodiceFiscale, CodiceFiscaleError,
    CodiceFiscaleOptions, DateError, DateWindow, Finding, Otp, Outcome, RegionCode, RequestKey,
    StructureCode, StructureDescription, StructureId, StructureReference, TestKind, parse_date,
};
use sistema_ts_store::register::RegisterSnapshot;

use crate::soap::FieldText;
use crate::soap::description::Message;
use crate::soap::messages::shared::{AuthenticationNodes, RawStructure, StructureNodes};

/// Whether a region must say which structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureRule {
    /// It names the identifier or the description (Tables 2 and 4).
    Required,
    /// It may name one of them, and means all of the region otherwise (§2.4.3).
    Optional,
}

/// The mistakes found so far in one message.
#[derive(Debug)]
pub struct Mistakes {
    message: &'static Message,
    found: Vec<Finding>,
}

impl Mistakes {
    /// None yet, in a message of this description.
    #[must_use]
    pub fn of(message: &'static Message) -> Self {
        Self {
            message,
            found: Vec::new(),
        }
    }

    /// Notes a mistake in the element at `node`.
    pub fn note(&mut self, node: usize, outcome: Outcome) {
        self.found
            .push(Finding::on(self.message.name_of(node), outcome));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order in which they were noted.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        self.found
    }

    /// The value of an optional element; `None` if it is absent or wrong, and then noted.
    pub fn optional<T>(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        match parse(raw.as_ref()?) {
            Ok(value) => Some(value),
            Err(outcome) => {
                self.note(node, outcome);
                None
            }
        }
    }

    /// The value of a required element; `None` if it is empty or wrong, and noted.
    pub fn required<T>(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        if raw.is_none() {
            self.note(node, Outcome::FieldRequired);
        }
        self.optional(node, raw, parse)
    }

    /// `tipoAutenticazione` comes with a certificate, `pinCode` with Basic; `raw` holds the two.
    pub fn authentication(
        &mut self,
        nodes: AuthenticationNodes,
        (kind, pin_code): (&Option<FieldText<'_>>, &Option<FieldText<'_>>),
        caller: &Caller,
    ) -> Option<AuthenticationKind> {
        let by_certificate = !matches!(caller, Caller::Structure(_));
        match (kind, by_certificate) {
            (None, true) => self.note(nodes.kind, Outcome::AuthenticationKindRequired),
            (Some(_), false) => self.note(nodes.kind, Outcome::AuthenticationKindNotAllowed),
            _ => {}
        }
        let kind = by_certificate
            .then(|| {
                self.optional(nodes.kind, kind, |text| {
                    AuthenticationKind::parse(text).map_err(|_| Outcome::AuthenticationKindUnknown)
                })
            })
            .flatten();
        // A structure's pincode was taken out of the message to prove who calls; without a right one nobody gets here.
        if let Some(node) = nodes.pin_code
            && by_certificate
            && pin_code.is_some()
        {
            self.note(node, Outcome::PinCodeNotAllowed);
        }
        kind
    }

    /// `identificativoRichiesta`.
    pub fn request_key(&mut self, node: usize, raw: &Option<FieldText<'_>>) -> Option<RequestKey> {
        self.optional(node, raw, |text| {
            RequestKey::parse(text).map_err(|_| Outcome::RequestKeyMalformed)
        })
    }

    /// A person's fiscal code, patient or operator.
    pub fn fiscal_code(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        options: CodiceFiscaleOptions,
    ) -> Option<CodiceFiscale> {
        self.required(node, raw, |text| {
            CodiceFiscale::parse_with(text, options).map_err(fiscal_code_outcome)
        })
    }

    /// A required date from 180 days before `today`, in Rome, to that day.
    pub fn past_date(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        today: NaiveDate,
    ) -> Option<NaiveDate> {
        self.required(node, raw, |text| past_date(text, today))
    }

    /// `tipologiaTest`.
    pub fn test_kind(&mut self, node: usize, raw: &Option<FieldText<'_>>) -> Option<TestKind> {
        self.required(node, raw, |text| {
            TestKind::parse(text).map_err(|_| Outcome::TestKindUnknown)
        })
    }

    /// The app's one-time code, as the operator typed it.
    pub fn otp(&mut self, node: usize, raw: &Option<FieldText<'_>>) -> Option<Otp> {
        self.required(node, raw, |text| {
            Otp::parse_spoken(text).map_err(otp_outcome)
        })
    }

    /// The structure: a region names the identifier or the description, a structure its own identifier; `raw` holds the two.
    pub fn structure(
        &mut self,
        nodes: StructureNodes,
        (identifier, description): (&Option<RawStructure<'_>>, &Option<FieldText<'_>>),
        caller: &Caller,
        rule: StructureRule,
    ) -> Option<StructureReference> {
        let by_structure = matches!(caller, Caller::Structure(_));
        let (has_identifier, has_description) = (identifier.is_some(), description.is_some());
        if !has_identifier && by_structure {
            self.note(nodes.structure, Outcome::StructureIdentifierRequired);
        } else if !has_identifier && !has_description && rule == StructureRule::Required {
            self.note(nodes.structure, Outcome::StructureRequired);
        }
        let identifier = identifier
            .as_ref()
            .and_then(|structure| self.identifier(nodes, structure, caller));
        if has_description && by_structure {
            self.note(nodes.description, Outcome::StructureDescriptionNotAllowed);
        } else if has_identifier && has_description {
            self.note(nodes.description, Outcome::StructureTwice);
        }
        let description = self.optional(nodes.description, description, |text| {
            StructureDescription::parse(text).map_err(|_| Outcome::StructureDescriptionMalformed)
        });
        identifier
            .map(StructureReference::Identifier)
            .or_else(|| description.map(StructureReference::Description))
    }

    fn identifier(
        &mut self,
        nodes: StructureNodes,
        raw: &RawStructure<'_>,
        caller: &Caller,
    ) -> Option<StructureId> {
        let region = self.required(nodes.region, &raw.region, |text| {
            RegionCode::parse(text).map_err(|_| Outcome::RegionCodeUnknown)
        });
        if let (Some(region), Caller::Region(own)) = (region, caller)
            && region != *own
        {
            self.note(nodes.region, Outcome::StructureOfAnotherRegion);
        }
        let asl = self.required(nodes.asl, &raw.asl, |text| {
            AslCode::parse(text).map_err(|_| Outcome::AslCodeMalformed)
        });
        let structure = self.required(nodes.code, &raw.structure, |text| {
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
            self.note(nodes.structure, Outcome::StructureNotOwn);
        }
        Some(identifier)
    }
}

/// The value of an element that is there and well-formed: for the access record, also of a message that has mistakes elsewhere.
#[must_use]
pub fn well_formed<T, E>(
    raw: &Option<FieldText<'_>>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    parse(raw.as_ref()?).ok()
}

/// The structure that a message names, if what it says of it is well-formed: for the look-up in the register and for the access record, also
/// of a message that has mistakes elsewhere.
#[must_use]
pub fn structure_of(
    identifier: &Option<RawStructure<'_>>,
    description: &Option<FieldText<'_>>,
) -> Option<StructureReference> {
    if let Some(named) = identifier {
        return Some(StructureReference::Identifier(StructureId {
            region: well_formed(&named.region, RegionCode::parse)?,
            asl: well_formed(&named.asl, AslCode::parse)?,
            structure: well_formed(&named.structure, StructureCode::parse)?,
        }));
    }
    well_formed(description, StructureDescription::parse).map(StructureReference::Description)
}

/// What was judged of a message, and beside it that the structure named is not registered, if that is so.
///
/// # Errors
/// All mistakes: those of `judged`, then this one, in the element `field`.
pub fn with_registered_structure<T>(
    judged: Result<T, Vec<Finding>>,
    structure: Option<&StructureReference>,
    caller: &Caller,
    register: &RegisterSnapshot,
    field: &'static str,
) -> Result<T, Vec<Finding>> {
    if is_structure_registered(structure, caller, register) {
        return judged;
    }
    let mut findings = judged.err().unwrap_or_default();
    findings.push(Finding::on(field, Outcome::StructureNotRegistered));
    Err(findings)
}

/// Whether the structure named, if one is and it is of the caller's own region, is registered and enabled. About structures of other regions
/// nothing is told.
fn is_structure_registered(
    structure: Option<&StructureReference>,
    caller: &Caller,
    register: &RegisterSnapshot,
) -> bool {
    match (structure, caller) {
        (Some(StructureReference::Identifier(id)), Caller::Region(region))
            if id.region == *region =>
        {
            register.structure(id).is_some_and(|entry| entry.enabled)
        }
        _ => true,
    }
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

/// What is told about a text that is no fiscal code.
#[must_use]
pub fn fiscal_code_outcome(error: CodiceFiscaleError) -> Outcome {
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

/// What is told about a text that is no CUN.
#[must_use]
pub fn cun_outcome(error: CodeError) -> Outcome {
    match error {
        CodeError::Check { .. } => Outcome::CunCheck,
        CodeError::Foreign { .. } => Outcome::ForeignSymbol,
        CodeError::Prefix
        | CodeError::UnexpectedPrefix
        | CodeError::Length
        | CodeError::Symbol { .. }
        | CodeError::LowerCase => Outcome::CunMalformed,
    }
}

fn otp_outcome(error: CodeError) -> Outcome {
    match error {
        CodeError::Check { .. } => Outcome::OtpCheck,
        CodeError::Foreign { .. } => Outcome::ForeignSymbol,
        CodeError::Prefix
        | CodeError::UnexpectedPrefix
        | CodeError::Length
        | CodeError::Symbol { .. }
        | CodeError::LowerCase => Outcome::OtpMalformed,
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
