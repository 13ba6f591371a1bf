//! The rules of `annullamentoEsecuzioneTest` (Table 4), and what a repeated cancellation must repeat.

use sistema_ts_model::{
    AuthenticationKind, CodiceFiscale, Cun, RequestKey, StructureReference, TestKind,
};
use sistema_ts_store::Repeatable;

use crate::services::call::Call;
use crate::services::repeatable::Content;
use crate::services::rules::{Mistakes, StructureRule};
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::cancellation::RawCancellation;

/// A cancellation in which every value is right in itself.
#[derive(Debug)]
pub struct Request {
    pub(super) authentication: Option<AuthenticationKind>,
    pub(super) request_key: Option<RequestKey>,
    pub(super) structure: StructureReference,
    pub(super) fiscal_code: CodiceFiscale,
    pub(super) cun: Cun,
    pub(super) kind: TestKind,
}

/// What the access record names of a cancellation (§2.5).
#[derive(Debug)]
pub struct Named {
    pub(super) structure: Option<StructureReference>,
}

/// Judges a message. Whether its structure is registered is not known yet.
pub(super) fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request> {
    let raw = RawCancellation::take(&mut fields);
    let mut mistakes = Mistakes::default();
    let authentication =
        mistakes.authentication(&raw.authentication_kind, Some(&raw.pin_code), &call.caller);
    let request_key = mistakes.request_key(&raw.request_key);
    let structure = mistakes.structure(&raw.structure, &call.caller, StructureRule::Required);
    let fiscal_code = mistakes.fiscal_code(&raw.fiscal_code);
    let cun = mistakes.cun(&raw.cun);
    let kind = mistakes.test_kind(&raw.test_kind);
    mistakes.judge(Named { structure }, |named| {
        Some(Request {
            authentication,
            request_key,
            structure: named.structure.clone()?,
            fiscal_code: fiscal_code?,
            cun: cun?,
            kind: kind?,
        })
    })
}

/// Version of the form below.
const FORM: u8 = 1;

/// The key of a cancellation that has one, with what a repetition must repeat: all that it says but fiscal code and pincode.
pub(super) fn repeatable(cancellation: &Request) -> Option<Repeatable> {
    let key = cancellation.request_key.as_ref()?;
    let mut content = Content::of_form(FORM);
    content.push(cancellation.authentication.map_or("", |kind| kind.as_str()));
    content.push_structure(&cancellation.structure);
    content.push(&cancellation.cun.to_string());
    content.push(cancellation.kind.as_str());
    Some(content.under(key))
}

#[cfg(test)]
mod tests;
