//! The rules of `annullamentoEsecuzioneTest` (Table 4), and what a repeated cancellation must repeat.

use sistema_ts_model::{
    AuthenticationKind, CodiceFiscale, CodiceFiscaleOptions, Cun, Finding, RequestKey,
    StructureReference, TestKind,
};
use sistema_ts_store::ReceiptRequest;

use crate::services::endpoint::Call;
use crate::services::receipt::Content;
use crate::services::rules::{Mistakes, StructureRule, cun_outcome};
use crate::soap::messages::cancellation::{
    AUTHENTICATION, REQUEST, RawCancellation, STRUCTURE_NODES,
};
use crate::soap::messages::shared::RawStructure;

/// A cancellation in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) authentication: Option<AuthenticationKind>,
    pub(super) request_key: Option<RequestKey>,
    pub(super) structure: StructureReference,
    pub(super) fiscal_code: CodiceFiscale,
    pub(super) cun: Cun,
    pub(super) kind: TestKind,
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawCancellation<'_>,
    identifier: &Option<RawStructure<'_>>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    let authentication = mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &raw.pin_code.text),
        &call.caller,
    );
    let request_key = mistakes.request_key(raw.request_key.node, &raw.request_key.text);
    let structure = mistakes.structure(
        STRUCTURE_NODES,
        (identifier, &raw.structure_description.text),
        &call.caller,
        StructureRule::Required,
    );
    let fiscal_code = mistakes.fiscal_code(raw.fiscal_code.node, &raw.fiscal_code.text, options);
    // To the letter: software sends what it was given.
    let cun = mistakes.required(raw.cun.node, &raw.cun.text, |text| {
        Cun::parse(text).map_err(cun_outcome)
    });
    let kind = mistakes.test_kind(raw.test_kind.node, &raw.test_kind.text);
    match (structure, fiscal_code, cun, kind) {
        (Some(structure), Some(fiscal_code), Some(cun), Some(kind)) if mistakes.is_empty() => {
            Ok(Request {
                authentication,
                request_key,
                structure,
                fiscal_code,
                cun,
                kind,
            })
        }
        _ => Err(mistakes.into_findings()),
    }
}

/// Version of the form below. Receipts outlive an upgrade of the server, so the form never changes under the same number.
const FORM: u8 = 1;

/// The receipt of a cancellation that has a key: all that it says but fiscal code and pincode.
pub(super) fn receipt_of(cancellation: &Request, key: &RequestKey) -> ReceiptRequest {
    let mut content = Content::of_form(FORM);
    content.push(cancellation.authentication.map_or("", |kind| kind.as_str()));
    content.push_structure(&cancellation.structure);
    content.push(&cancellation.cun.to_string());
    content.push(cancellation.kind.as_str());
    content.into_receipt(key)
}

#[cfg(test)]
mod tests;
