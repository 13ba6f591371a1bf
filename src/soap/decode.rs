//! From a body to the values of its message, in one pass, as the message's description says.
//!
//! These are read kindly: any prefix and order of declarations, comments, CDATA, blanks around values, children in any order.
//! An empty element and one with `xsi:nil` count as absent; `xsi:type`, `xsi:schemaLocation` and `encodingStyle` are ignored,
//! headers are skipped. The children of shared structures may be in the service's namespace, since some generators write no
//! other.
//!
//! The rest is strict: one envelope, one message, no unknown or repeated element, no element of a wrong namespace, no text
//! where elements belong. A header for this server that must be understood is refused, and so is any other attribute: `href`
//! of SOAP encoding would hide a value.
//!
//! Blanks (space, tab, line ends) at the ends of a value are not part of it; those inside are, as they were sent, with
//! line ends as XML reads them.

use std::borrow::Cow;

use super::description::{Content, Element, Message, Occurs};
use super::fault::SoapFault;
use super::fields::{FieldText, Fields, MAX_ROW_LEAVES, Row};
use super::header::{KnownHeader, is_for_this_server};
use super::names::is_all_blank;
use super::namespaces::Namespace;
use super::pull::{PullReader, Token, trim};
use super::text::BodyText;
use super::types;

/// Reads the one request that this address takes.
///
/// # Errors
/// A fault if the body is not well-formed, exceeds a bound, is not a SOAP 1.1 envelope with exactly this message, or if the
/// message has unknown, repeated or missing elements. Values are not judged here.
pub fn decode<'a>(
    body: &'a BodyText<'_>,
    message: &'static Message,
) -> Result<Fields<'a>, SoapFault> {
    let mut decoder = Decoder {
        reader: PullReader::new(body.document(), body.start(), message.namespace),
        fields: Fields::new(),
        missing: Vec::new(),
    };
    decoder.read_envelope(message)?;
    decoder.note_missing(message.elements, 0);
    if decoder.missing.is_empty() {
        Ok(decoder.fields)
    } else {
        Err(SoapFault::MissingElements(decoder.missing))
    }
}

struct Decoder<'a> {
    reader: PullReader<'a>,
    fields: Fields<'a>,
    missing: Vec<&'static str>,
}

/// The elements of one parent, and where among them the next one is expected.
struct Siblings {
    elements: &'static [Element],
    namespace: Namespace,
    first_node: usize,
    index: usize,
    node: usize,
}

impl Siblings {
    fn new(elements: &'static [Element], namespace: Namespace, first_node: usize) -> Self {
        Self {
            elements,
            namespace,
            first_node,
            index: 0,
            node: first_node,
        }
    }

    /// Finds an element by name, looking first where the order of the schema puts it.
    fn find(&mut self, local: &str) -> Option<(&'static Element, usize)> {
        for _ in 0..self.elements.len() {
            if self.index == self.elements.len() {
                self.index = 0;
                self.node = self.first_node;
            }
            let (element, node) = (&self.elements[self.index], self.node);
            if element.name == local {
                if !matches!(element.occurs, Occurs::Many) {
                    self.advance();
                }
                return Some((element, node));
            }
            self.advance();
        }
        None
    }

    fn advance(&mut self) {
        self.node += self.elements[self.index].size();
        self.index += 1;
    }
}

impl<'a> Decoder<'a> {
    fn read_envelope(&mut self, message: &'static Message) -> Result<(), SoapFault> {
        match self.reader.next()? {
            Token::Open {
                namespace: Namespace::Envelope,
                local: "Envelope",
            } => {}
            Token::Open {
                namespace: Namespace::Envelope12,
                local: "Envelope",
            } => return Err(SoapFault::Soap12),
            _ => return Err(SoapFault::NotSoap),
        }
        let mut part = self.next_child("Envelope")?;
        if part == Some((Namespace::Envelope, "Header")) {
            self.read_header()?;
            part = self.next_child("Envelope")?;
        }
        if part != Some((Namespace::Envelope, "Body")) {
            return Err(SoapFault::Envelope);
        }
        self.read_body(message)?;
        if self.next_child("Envelope")?.is_some() {
            return Err(SoapFault::Envelope);
        }
        match self.reader.next()? {
            Token::End => Ok(()),
            // The reader itself refuses anything else behind the root.
            _ => Err(SoapFault::Envelope),
        }
    }

    fn read_header(&mut self) -> Result<(), SoapFault> {
        while let Some((_, local)) = self.next_child("Header")? {
            let (mut must_be_understood, mut is_ours) = (false, true);
            for attribute in self.reader.attributes() {
                match (attribute.namespace, attribute.local) {
                    (Namespace::Envelope, "mustUnderstand") => {
                        let value = self.reader.value_of(attribute)?;
                        must_be_understood = !matches!(value.as_str(), "0" | "false");
                    }
                    (Namespace::Envelope, "actor") => {
                        is_ours = is_for_this_server(&self.reader.value_of(attribute)?);
                    }
                    _ => {}
                }
            }
            if must_be_understood && is_ours {
                let namespace = self.reader.namespace_of_element();
                return Err(SoapFault::MustUnderstand {
                    header: KnownHeader::find(&namespace, local),
                    position: self.reader.position(),
                });
            }
            self.reader.skip_element()?;
        }
        Ok(())
    }

    fn read_body(&mut self, message: &'static Message) -> Result<(), SoapFault> {
        let (namespace, local) = self.next_child("Body")?.ok_or(SoapFault::Body)?;
        if local != message.element {
            return Err(SoapFault::UnknownOperation {
                expected: message.element,
                namespace: message.namespace,
            });
        }
        if namespace != Namespace::Service {
            return Err(SoapFault::WrongNamespace {
                element: message.element,
                namespace: message.namespace,
            });
        }
        let nil = self.read_attributes(message.element)?;
        let siblings = Siblings::new(message.elements, Namespace::Service, 0);
        self.read_structure(message, message.element, siblings, nil)?;
        if self.next_child("Body")?.is_some() {
            return Err(SoapFault::Body);
        }
        Ok(())
    }

    /// Reads the children of the element last opened, to its end.
    fn read_structure(
        &mut self,
        message: &'static Message,
        parent: &'static str,
        mut siblings: Siblings,
        nil: bool,
    ) -> Result<(), SoapFault> {
        while let Some((namespace, local)) = self.next_child(parent)? {
            if nil {
                return Err(SoapFault::Nil { element: parent });
            }
            let Some((element, node)) = siblings.find(local) else {
                return Err(self.unknown_element(parent));
            };
            self.check_namespace(message, element, namespace, siblings.namespace)?;
            let first = self.fields.see(node);
            let nil = self.read_attributes(element.name)?;
            match element.occurs {
                Occurs::Once | Occurs::Optional if !first => {
                    return Err(SoapFault::RepeatedElement {
                        element: element.name,
                    });
                }
                Occurs::Many => self.read_row(message, element, node, nil)?,
                Occurs::Once | Occurs::Optional => match element.content {
                    Content::Structure(structure) => {
                        let children =
                            Siblings::new(structure.elements, Namespace::Types, node + 1);
                        self.read_structure(message, element.name, children, nil)?;
                    }
                    Content::BuiltIn(_) | Content::Text(_) => {
                        if let Some(text) = self.read_text(element.name, nil)? {
                            self.fields.put(node, text);
                        }
                    }
                },
            }
        }
        Ok(())
    }

    /// Reads one occurrence of a repeated element, which holds text or leaves.
    fn read_row(
        &mut self,
        message: &'static Message,
        element: &'static Element,
        node: usize,
        nil: bool,
    ) -> Result<(), SoapFault> {
        let mut values = [const { None }; MAX_ROW_LEAVES];
        let children = element.children();
        let mut seen = [false; MAX_ROW_LEAVES];
        if children.is_empty() {
            values[0] = self.read_text(element.name, nil)?;
        } else {
            let mut siblings = Siblings::new(children, Namespace::Types, 0);
            while let Some((namespace, local)) = self.next_child(element.name)? {
                if nil {
                    return Err(SoapFault::Nil {
                        element: element.name,
                    });
                }
                let Some((child, index)) = siblings.find(local) else {
                    return Err(self.unknown_element(element.name));
                };
                self.check_namespace(message, child, namespace, Namespace::Types)?;
                if std::mem::replace(&mut seen[index], true) {
                    return Err(SoapFault::RepeatedElement {
                        element: child.name,
                    });
                }
                let nil = self.read_attributes(child.name)?;
                values[index] = self.read_text(child.name, nil)?;
            }
        }
        if values.iter().all(Option::is_none) {
            // An empty element is absent.
            return Ok(());
        }
        for (child, seen) in children.iter().zip(seen) {
            if child.occurs == Occurs::Once && !seen {
                self.missing.push(child.name);
            }
        }
        self.fields.rows.push(Row { node, values });
        Ok(())
    }

    /// Reads the text of the element last opened, to its end; `None` if there is nothing but blanks.
    fn read_text(
        &mut self,
        element: &'static str,
        nil: bool,
    ) -> Result<Option<FieldText<'a>>, SoapFault> {
        let mut value = Cow::Borrowed("");
        loop {
            match self.reader.next()? {
                Token::Text(text) => append(&mut value, with_line_ends(text)),
                Token::Character(character) => owned(&mut value, 4).push(character),
                Token::Close => break,
                Token::Open { .. } => return Err(SoapFault::ElementInText { element }),
                Token::End => return Err(SoapFault::NotSoap),
            }
        }
        let value = match value {
            Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
            Cow::Owned(mut text) => {
                let end = text.trim_end_matches(BLANKS).len();
                text.truncate(end);
                let start = end - text.trim_start_matches(BLANKS).len();
                text.drain(..start);
                Cow::Owned(text)
            }
        };
        if value.is_empty() {
            return Ok(None);
        }
        let value = FieldText::new(value);
        if nil {
            return Err(SoapFault::Nil { element });
        }
        Ok(Some(value))
    }

    /// The next element inside `parent`, `None` at its end.
    fn next_child(
        &mut self,
        parent: &'static str,
    ) -> Result<Option<(Namespace, &'a str)>, SoapFault> {
        loop {
            match self.reader.next()? {
                Token::Open { namespace, local } => return Ok(Some((namespace, local))),
                Token::Close => return Ok(None),
                Token::Text(text) if is_all_blank(text) => {}
                Token::Character(character) if BLANKS.contains(&character) => {}
                Token::Text(_) | Token::Character(_) => {
                    return Err(SoapFault::TextInStructure { element: parent });
                }
                Token::End => return Err(SoapFault::NotSoap),
            }
        }
    }

    /// Judges the attributes of the element last opened: whether it is nil.
    fn read_attributes(&self, element: &'static str) -> Result<bool, SoapFault> {
        let mut nil = false;
        for attribute in self.reader.attributes() {
            match (attribute.namespace, attribute.local) {
                (Namespace::Instance, "nil") => {
                    nil = match self.reader.value_of(attribute)?.as_str() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(SoapFault::Nil { element }),
                    };
                }
                (Namespace::Instance, "type" | "schemaLocation" | "noNamespaceSchemaLocation")
                | (Namespace::Envelope, "encodingStyle") => {}
                _ => return Err(SoapFault::UnknownAttribute { element }),
            }
        }
        Ok(nil)
    }

    fn check_namespace(
        &self,
        message: &'static Message,
        element: &'static Element,
        found: Namespace,
        expected: Namespace,
    ) -> Result<(), SoapFault> {
        // Names inside a structure are its own, so the namespace tells nothing apart there.
        let is_known =
            found == expected || (expected == Namespace::Types && found == Namespace::Service);
        if is_known {
            return Ok(());
        }
        Err(SoapFault::WrongNamespace {
            element: element.name,
            namespace: match expected {
                Namespace::Service => message.namespace,
                _ => types::NAMESPACE,
            },
        })
    }

    fn unknown_element(&self, parent: &'static str) -> SoapFault {
        SoapFault::UnknownElement {
            parent,
            position: self.reader.position(),
        }
    }

    /// Notes the required elements that are not there; inside an optional structure, only if it holds something.
    fn note_missing(&mut self, elements: &'static [Element], first_node: usize) {
        let mut node = first_node;
        for element in elements {
            let next = node + element.size();
            let present = self.fields.is_present(node);
            if element.occurs == Occurs::Once && !present {
                self.missing.push(element.name);
            } else if present
                && !matches!(element.occurs, Occurs::Many)
                && (element.occurs == Occurs::Once || self.fields.holds_any(node + 1, next))
            {
                self.note_missing(element.children(), node + 1);
            }
            node = next;
        }
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Adds character data to a value; the first piece is borrowed.
fn append<'a>(value: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    match value {
        // Blanks at the start are no part of the value.
        Cow::Borrowed(before) if is_all_blank(before) => *value = piece,
        _ => owned(value, piece.len()).push_str(&piece),
    }
}

/// The value as a string of its own with room for `more` bytes.
fn owned<'v>(value: &'v mut Cow<'_, str>, more: usize) -> &'v mut String {
    if let Cow::Borrowed(text) = *value {
        let mut copy = String::with_capacity(text.len() + more + 64);
        copy.push_str(text);
        *value = Cow::Owned(copy);
    }
    value.to_mut()
}

/// Line ends as XML reads them: each is one line feed.
fn with_line_ends(text: &str) -> Cow<'_, str> {
    if !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
}
