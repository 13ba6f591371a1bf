//! What a repeated submission must repeat (`docs/client.md`, "The key of a request").

use sistema_ts_store::ReceiptRequest;

use super::rules::ValidSubmission;
use sistema_ts_model::{RequestKey, StructureReference};

/// Version of the form below. Receipts outlive an upgrade of the server, so the form never changes under the same number.
const FORM: u8 = 1;

/// The receipt of a submission that has a key: all that it says but fiscal code, contact and pincode, each value led by its length so
/// that no two messages have the same form.
pub(super) fn receipt_of(submission: &ValidSubmission, key: &RequestKey) -> ReceiptRequest {
    let mut content = Vec::with_capacity(96);
    content.push(FORM);
    push(
        &mut content,
        submission
            .authentication
            .map_or("", |kind| kind.as_str())
            .as_bytes(),
    );
    match &submission.structure {
        StructureReference::Identifier(structure) => {
            content.push(b'I');
            push(&mut content, structure.to_string().as_bytes());
        }
        StructureReference::Description(description) => {
            content.push(b'D');
            push(&mut content, description.as_str().as_bytes());
        }
    }
    push(&mut content, submission.swab_date.to_string().as_bytes());
    push(&mut content, submission.kind.as_str().as_bytes());
    push(&mut content, submission.result.as_str().as_bytes());
    ReceiptRequest { key: *key, content }
}

fn push(content: &mut Vec<u8>, value: &[u8]) {
    // Every value here is bounded by its type, the longest (a description of 256 characters) at 1,024 bytes.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    content.extend_from_slice(&length.to_be_bytes());
    content.extend_from_slice(value);
}
