//! What a repeated request must repeat (`docs/client.md`, "The key of a request"): a canonical form of its content.

use sistema_ts_model::{RequestKey, StructureReference};
use sistema_ts_store::Repeatable;

/// The content of a request, each value led by its length so that no two requests have the same form.
#[derive(Debug)]
pub(super) struct Content(Vec<u8>);

impl Content {
    /// Begins a content of this form: a number of each service's own. What was kept of a request outlives an upgrade of the
    /// server, so a form never changes under the same number.
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

    /// This content, to be repeated under `key`.
    pub(super) fn under(self, key: &RequestKey) -> Repeatable {
        Repeatable {
            key: *key,
            content: self.0,
        }
    }
}

#[cfg(test)]
mod tests;
