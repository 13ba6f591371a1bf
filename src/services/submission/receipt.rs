//! What a repeated submission must repeat (`docs/client.md`, "The key of a request").

use sistema_ts_model::RequestKey;
use sistema_ts_store::ReceiptRequest;

use super::rules::Request;
use crate::services::receipt::Content;

/// Version of the form below.
const FORM: u8 = 1;

/// The receipt of a submission that has a key: all that it says but fiscal code, contact and pincode.
pub(super) fn receipt_of(submission: &Request, key: &RequestKey) -> ReceiptRequest {
    let mut content = Content::of_form(FORM);
    content.push(submission.authentication.map_or("", |kind| kind.as_str()));
    content.push_structure(&submission.structure);
    content.push(&submission.swab_date.to_string());
    content.push(submission.kind.as_str());
    content.push(submission.result.as_str());
    content.into_receipt(key)
}
