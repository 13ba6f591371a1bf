//! What a repeated request must repeat (`docs/client.md`, "The key of a request"): a canonical form of its content.

use sistema_ts_model::{RequestKey, StructureReference};
use sistema_ts_store::ReceiptRequest;

/// The content of a request, each value led by its length so that no two requests have the same form.
#[derive(Debug)]
pub(super) struct Content(Vec<u8>);

impl Content {
    /// Begins a content of this form: a number of each service's own. Receipts outlive an upgrade of the server, so a form never changes under
    /// the same number.
    pub(super) fn of_form(form: u8) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(form);
        Self(bytes)
    }

    pub(super) fn push(&mut self, value: &str) {
        // Every value here is bounded by its type, the longest (a description of 256 characters in NFC) at 1,024 bytes.
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(super) fn push_structure(&mut self, structure: &StructureReference) {
        match structure {
            StructureReference::Identifier(structure) => {
                self.0.push(b'I');
                self.push(&structure.to_string());
            }
            StructureReference::Description(description) => {
                self.0.push(b'D');
                // As it is matched: of a text in NFC that is the text itself.
                self.push(&description.normalized());
            }
        }
    }

    pub(super) fn into_receipt(self, key: &RequestKey) -> ReceiptRequest {
        ReceiptRequest {
            key: *key,
            content: self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a repeated request is refused for how its letters were encoded, or that another one is taken for it.
    #![allow(clippy::unwrap_used)]

    use sistema_ts_model::StructureDescription;

    use super::*;

    #[test]
    fn a_description_in_another_form_is_the_same_content() {
        let content = |text: &str| {
            let mut content = Content::of_form(1);
            let description = StructureDescription::parse(text).unwrap();
            content.push_structure(&StructureReference::Description(description));
            content
                .into_receipt(&RequestKey::parse("key").unwrap())
                .content
        };
        let composed = content("Citt\u{e0}");
        assert_eq!(content("Citta\u{300}"), composed);
        for other in ["Citta", "Citt\u{e1}", "citt\u{e0}", "Citt\u{e0} "] {
            assert_ne!(content(other), composed, "{other}");
        }
        // Of a text in NFC the form is what it always was.
        assert_eq!(
            composed,
            [&b"\x01D\x00\x06"[..], "Citt\u{e0}".as_bytes()].concat()
        );
    }
}
