//! From an answer to its bytes, written straight into one buffer in the order that the message's description gives.
//!
//! The writer follows the description: it opens nothing that the description does not have, and nothing out of order. To do
//! so would be a mistake of this program, which its tests find by reading every kind of answer against the schema.

use sistema_ts_model::{Finding, Timestamp, TransactionId, Verdict};
use uuid::Uuid;

use super::description::{Element, Message, Occurs};
use super::escape::{push_attribute, push_text};
use super::types;

/// What every answer begins with.
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'a> {
    /// `identificativoTransazione`
    pub transaction: TransactionId,
    /// `dataOra`: when the transaction ended.
    pub at: Timestamp,
    /// `esito` and `descrizioneEsito`
    pub verdict: Verdict,
    /// `listaErrori`, left out if there are none.
    pub findings: &'a [Finding],
}

impl<'a> AnswerHead<'a> {
    /// A head whose verdict follows from what there is to tell.
    pub fn new(transaction: TransactionId, at: Timestamp, findings: &'a [Finding]) -> Self {
        Self {
            transaction,
            at,
            verdict: Verdict::of(findings),
            findings,
        }
    }
}

/// The whole body of an answer that is nothing but its head.
pub fn encode_answer(message: &'static Message, head: &AnswerHead<'_>) -> Vec<u8> {
    let mut writer = AnswerWriter::new(message, 768 + 256 * head.findings.len());
    writer.head(head);
    writer.finish()
}

/// The place in one element whose children are being written.
#[derive(Debug, Clone, Copy)]
struct Level {
    elements: &'static [Element],
    /// The name of the element itself.
    name: &'static str,
    /// Its children are in the shared namespace, and so have its prefix.
    shared: bool,
    /// The element itself is in the shared namespace.
    itself_shared: bool,
    /// The first child that may come next.
    next: usize,
}

/// Structures inside structures that an answer may have.
const MAX_LEVELS: usize = 5;

/// Writes one answer. A long one can be sent in parts: [`AnswerWriter::take`] what is there, and go on.
#[derive(Debug)]
pub struct AnswerWriter {
    out: Vec<u8>,
    levels: [Level; MAX_LEVELS],
    depth: usize,
}

impl AnswerWriter {
    /// Begins the envelope and the message; `capacity` is in bytes.
    pub fn new(message: &'static Message, capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.extend_from_slice(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><",
        );
        out.extend_from_slice(message.element.as_bytes());
        out.extend_from_slice(b" xmlns=\"");
        push_attribute(&mut out, message.namespace);
        out.extend_from_slice(b"\" xmlns:t=\"");
        push_attribute(&mut out, types::NAMESPACE);
        out.extend_from_slice(b"\">");
        let level = Level {
            elements: message.elements,
            name: message.element,
            shared: false,
            itself_shared: false,
            next: 0,
        };
        Self {
            out,
            levels: [level; MAX_LEVELS],
            depth: 0,
        }
    }

    /// Writes the five elements with which every answer begins.
    pub fn head(&mut self, head: &AnswerHead<'_>) {
        match head.transaction {
            TransactionId::Cun(cun) => self.ascii("identificativoTransazione", &cun.to_text()),
            TransactionId::Uuid(uuid) => {
                let mut text = Uuid::encode_buffer();
                let text = uuid.hyphenated().encode_lower(&mut text);
                self.ascii("identificativoTransazione", text.as_bytes());
            }
        }
        self.ascii("dataOra", &head.at.rome_text());
        self.ascii("esito", head.verdict.code().as_bytes());
        self.text("descrizioneEsito", head.verdict.text());
        if head.findings.is_empty() {
            return;
        }
        self.open("listaErrori");
        for finding in head.findings {
            self.open("errore");
            self.ascii("codice", finding.outcome.code().as_bytes());
            self.ascii("tipo", finding.outcome.severity().as_str().as_bytes());
            if let Some(field) = finding.field {
                self.text("campo", field);
            }
            match finding.attempts_left {
                None => self.text("descrizione", finding.outcome.text()),
                Some(attempts) => {
                    let text = finding.outcome.text();
                    self.text(
                        "descrizione",
                        &format!("{text} Tentativi rimasti all'operatore: {attempts}."),
                    );
                }
            }
            self.close();
        }
        self.close();
    }

    /// Writes a leaf.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.start_tag(name);
        push_text(&mut self.out, value);
        self.end_tag(name, self.levels[self.depth].shared);
    }

    /// Writes a leaf whose value needs no escaping.
    fn ascii(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(
            value
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-+:.".contains(byte))
        );
        self.start_tag(name);
        self.out.extend_from_slice(value);
        self.end_tag(name, self.levels[self.depth].shared);
    }

    /// Begins an element of elements.
    pub fn open(&mut self, name: &'static str) {
        let element = self.start_tag(name);
        let itself_shared = self.levels[self.depth].shared;
        self.depth += 1;
        self.levels[self.depth] = Level {
            elements: element.map_or(&[], Element::children),
            name,
            shared: true,
            itself_shared,
            next: 0,
        };
    }

    /// Ends the element begun last.
    pub fn close(&mut self) {
        debug_assert!(self.depth > 0, "nothing to close");
        self.assert_complete();
        let level = self.levels[self.depth];
        self.depth -= 1;
        self.end_tag(level.name, level.itself_shared);
    }

    /// Nothing required is left to be written in the innermost element.
    fn assert_complete(&self) {
        let level = &self.levels[self.depth];
        debug_assert!(
            level.elements[level.next..]
                .iter()
                .all(|element| element.occurs != Occurs::Once),
            "a required element of {} is missing",
            level.name
        );
    }

    /// How many bytes wait to be taken.
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Takes what is written so far; more may follow.
    pub fn take(&mut self) -> Vec<u8> {
        let capacity = self.out.capacity();
        std::mem::replace(&mut self.out, Vec::with_capacity(capacity))
    }

    /// Ends message and envelope, and gives what was not taken yet.
    pub fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.depth, 0, "an element is still open");
        self.assert_complete();
        let message = self.levels[0].name;
        self.end_tag(message, false);
        self.out.extend_from_slice(b"</soap:Body></soap:Envelope>");
        self.out
    }

    /// Writes a start tag, and finds the element in the description, at or behind the place reached.
    fn start_tag(&mut self, name: &'static str) -> Option<&'static Element> {
        let level = &mut self.levels[self.depth];
        let candidates = &level.elements[level.next..];
        let found = candidates.iter().position(|element| element.name == name);
        debug_assert!(
            found.is_some_and(|skipped| candidates[..skipped]
                .iter()
                .all(|element| element.occurs != Occurs::Once)),
            "{} has no {name} here",
            level.name
        );
        let element = found.map(|skipped| &candidates[skipped]);
        if let (Some(skipped), Some(element)) = (found, element) {
            let repeats = matches!(element.occurs, Occurs::Many);
            level.next += skipped + usize::from(!repeats);
        }
        self.out
            .extend_from_slice(if level.shared { b"<t:" } else { b"<" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        element
    }

    fn end_tag(&mut self, name: &str, shared: bool) {
        self.out
            .extend_from_slice(if shared { b"</t:" } else { b"</" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }
}
