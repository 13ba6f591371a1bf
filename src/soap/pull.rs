//! A bounded pull reader of XML with namespaces, over quick-xml's tokens.
//!
//! quick-xml finds where tokens begin and end and matches end tags with start tags. Everything else that makes a document
//! well-formed is checked here: names, attributes, references, namespaces, what may stand outside the root, and the bounds
//! of [`Limit`]. What may be refused outright is refused: document types and processing instructions.
//! Nothing is allocated here but quick-xml's own stack of names.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::Event;

use super::fault::{Limit, Malformed, Position, SoapFault};
use super::names::{
    QualifiedName, attribute_value, is_all_blank, is_blank, read_name, resolve_reference,
};
use super::namespaces::{Bindings, Namespace};

/// One attribute of the element last opened, namespace declarations excepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub namespace: Namespace,
    pub local: &'a str,
    prefix: &'a str,
    raw: &'a str,
}

/// A token of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A start tag; its attributes are with the reader until the next token.
    Open {
        namespace: Namespace,
        local: &'a str,
    },
    /// An end tag, or the end of an empty element.
    Close,
    /// Character data without references; its line ends are as written.
    Text(&'a str),
    /// The character that a reference stands for.
    Character(char),
    /// The end of the document, after its root element.
    End,
}

/// The reader.
pub(super) struct PullReader<'a> {
    tokens: Reader<&'a [u8]>,
    /// What `tokens` reads, from behind the XML declaration on.
    text: &'a str,
    /// The whole document, for positions.
    document: &'a str,
    bindings: Bindings<'a>,
    attributes: [Attribute<'a>; Limit::Attributes.value()],
    attribute_count: usize,
    depth: usize,
    elements: usize,
    /// The prefix of the element last opened.
    prefix: &'a str,
    /// The element last opened was empty: its end comes next.
    closes: bool,
    /// Where the last token began in `text`.
    token_start: usize,
}

impl<'a> PullReader<'a> {
    /// Reads `document` from `start` on, where its XML declaration ends. `service` is the namespace of the request.
    pub(super) fn new(document: &'a str, start: usize, service: &'static str) -> Self {
        let text = &document[start..];
        let mut tokens = Reader::from_str(text);
        let config = tokens.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        let unused = Attribute {
            namespace: Namespace::None,
            local: "",
            prefix: "",
            raw: "",
        };
        Self {
            tokens,
            text,
            document,
            bindings: Bindings::new(service),
            attributes: [unused; Limit::Attributes.value()],
            attribute_count: 0,
            depth: 0,
            elements: 0,
            prefix: "",
            closes: false,
            token_start: 0,
        }
    }

    /// The attributes of the element last opened.
    pub(super) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes[..self.attribute_count]
    }

    /// The namespace of the element last opened, as it was declared; empty if it has none.
    pub(super) fn namespace_of_element(&self) -> Cow<'a, str> {
        self.bindings.name_of(self.prefix)
    }

    /// Where the last token began.
    pub(super) fn position(&self) -> Position {
        let before = &self.document[..self.document.len() - self.text.len() + self.token_start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The next token; comments are passed over.
    pub(super) fn next(&mut self) -> Result<Token<'a>, SoapFault> {
        if self.closes {
            self.closes = false;
            self.leave();
            return Ok(Token::Close);
        }
        loop {
            let start = self.offset();
            self.token_start = start;
            if start == 0 && self.text.starts_with('\u{FEFF}') {
                // quick-xml would pass over a second byte order mark.
                return Err(self.malformed(Malformed::OutsideRoot));
            }
            let event = self
                .tokens
                .read_event()
                .map_err(|error| self.fault_of(&error))?;
            let raw = &self.text[start..self.offset()];
            return match event {
                Event::Start(_) => self.open(&raw[1..raw.len() - 1]),
                Event::Empty(_) => {
                    self.closes = true;
                    self.open(&raw[1..raw.len() - 2])
                }
                Event::End(_) => {
                    self.leave();
                    Ok(Token::Close)
                }
                Event::Text(_) => {
                    if self.depth == 0 {
                        if !is_all_blank(raw) {
                            return Err(self.malformed(Malformed::OutsideRoot));
                        }
                        continue;
                    }
                    // Few texts hold a `>` at all, and one byte is looked for faster than three.
                    if memchr::memchr(b'>', raw.as_bytes()).is_some() && raw.contains("]]>") {
                        return Err(self.malformed(Malformed::Syntax));
                    }
                    Ok(Token::Text(raw))
                }
                Event::CData(_) if self.depth > 0 => {
                    // Between `<![CDATA[` and `]]>`.
                    Ok(Token::Text(&raw[9..raw.len() - 3]))
                }
                Event::GeneralRef(_) if self.depth > 0 => resolve_reference(&raw[1..raw.len() - 1])
                    .map(Token::Character)
                    .map_err(|problem| self.malformed(problem)),
                Event::CData(_) | Event::GeneralRef(_) => {
                    Err(self.malformed(Malformed::OutsideRoot))
                }
                Event::Comment(_) => continue,
                Event::DocType(_) => Err(SoapFault::Doctype),
                Event::PI(_) => Err(SoapFault::ProcessingInstruction),
                // The one at the start of the document was read before.
                Event::Decl(_) => Err(self.malformed(Malformed::Declaration)),
                Event::Eof if self.depth == 0 && self.elements > 0 => Ok(Token::End),
                Event::Eof => Err(self.malformed(Malformed::Truncated)),
            };
        }
    }

    /// Passes over the rest of the element last opened, reading it as strictly as any other.
    pub(super) fn skip_element(&mut self) -> Result<(), SoapFault> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The value of an attribute, references resolved and blanks at its ends removed.
    pub(super) fn value_of(&self, attribute: &Attribute<'a>) -> Result<String, SoapFault> {
        match attribute_value(attribute.raw) {
            Ok(value) => Ok(value.trim_matches([' ', '\t', '\n', '\r']).to_owned()),
            Err(problem) => Err(self.malformed(problem)),
        }
    }

    fn offset(&self) -> usize {
        // A request is far smaller than either type can count.
        self.tokens.buffer_position() as usize
    }

    fn leave(&mut self) {
        self.bindings.leave(self.depth);
        self.depth -= 1;
    }

    fn malformed(&self, problem: Malformed) -> SoapFault {
        SoapFault::Malformed {
            problem,
            position: Some(self.position()),
        }
    }

    fn fault_of(&self, error: &Error) -> SoapFault {
        let problem = match error {
            Error::Syntax(SyntaxError::UnclosedDoctype) => return SoapFault::Doctype,
            Error::Syntax(SyntaxError::InvalidBangMarkup) => Malformed::Syntax,
            // quick-xml also says so of `<![cdata[…]]>`, which is closed but none.
            Error::Syntax(SyntaxError::UnclosedCData | SyntaxError::UnclosedComment)
                if self.offset() < self.text.len() =>
            {
                Malformed::Syntax
            }
            Error::Syntax(_) => Malformed::Truncated,
            Error::IllFormed(
                IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_),
            ) => Malformed::MismatchedTag,
            Error::IllFormed(IllFormedError::UnclosedReference) => Malformed::Reference,
            Error::IllFormed(IllFormedError::MissingDoctypeName) => return SoapFault::Doctype,
            _ => Malformed::Syntax,
        };
        self.malformed(problem)
    }

    /// Reads a start tag; `tag` is what lies between its brackets.
    fn open(&mut self, tag: &'a str) -> Result<Token<'a>, SoapFault> {
        self.elements += 1;
        self.depth += 1;
        if self.elements > Limit::Elements.value() {
            return Err(SoapFault::TooMuch(Limit::Elements));
        }
        if self.depth > Limit::Depth.value() {
            return Err(SoapFault::TooMuch(Limit::Depth));
        }
        if self.depth == 1 && self.elements > 1 {
            return Err(self.malformed(Malformed::OutsideRoot));
        }
        let (name, length) = read_name(tag).map_err(|problem| self.malformed(problem))?;
        self.attribute_count = 0;
        if length < tag.len() {
            self.read_attributes(&tag[length..])?;
        }
        if name.prefix == "xmlns" {
            return Err(self.malformed(Malformed::NamespaceDeclaration));
        }
        let namespace = self.resolve(name.prefix)?;
        self.prefix = name.prefix;
        Ok(Token::Open {
            namespace,
            local: name.local,
        })
    }

    fn resolve(&self, prefix: &str) -> Result<Namespace, SoapFault> {
        self.bindings
            .resolve(prefix)
            .ok_or_else(|| self.malformed(Malformed::UndeclaredPrefix))
    }

    /// Reads the attributes of a start tag, declares its namespaces, and keeps the rest.
    fn read_attributes(&mut self, text: &'a str) -> Result<(), SoapFault> {
        let mut rest = text;
        // Declarations count as attributes, too.
        let mut count = 0;
        let mut names = [""; Limit::Attributes.value()];
        loop {
            let trimmed = trim_start(rest);
            if trimmed.is_empty() {
                break;
            }
            if trimmed.len() == rest.len() {
                // No white space before the attribute.
                return Err(self.malformed(Malformed::Syntax));
            }
            let (name, raw, after) =
                read_attribute(trimmed).map_err(|problem| self.malformed(problem))?;
            let written = &trimmed[..name.length()];
            let Some(slot) = names.get_mut(count) else {
                return Err(SoapFault::TooMuch(Limit::Attributes));
            };
            *slot = written;
            if names[..count].contains(&written) {
                return Err(self.malformed(Malformed::DuplicateAttribute));
            }
            count += 1;
            rest = after;
            let declared = match (name.prefix, name.local) {
                ("", "xmlns") => Some(""),
                ("xmlns", prefix) => Some(prefix),
                _ => None,
            };
            if let Some(prefix) = declared {
                let depth = self.depth;
                self.bindings
                    .declare(prefix, raw, depth)
                    .map_err(|fault| self.placed(fault))?;
            } else {
                self.attributes[self.attribute_count] = Attribute {
                    namespace: Namespace::None,
                    local: name.local,
                    prefix: name.prefix,
                    raw,
                };
                self.attribute_count += 1;
            }
        }
        // Only now are all declarations of this element known.
        for index in 0..self.attribute_count {
            let attribute = self.attributes[index];
            if attribute.prefix.is_empty() {
                continue;
            }
            self.attributes[index].namespace = self.resolve(attribute.prefix)?;
            let twice = self.attributes[..index].iter().any(|earlier| {
                earlier.local == attribute.local
                    && !earlier.prefix.is_empty()
                    && self
                        .bindings
                        .same_namespace(earlier.prefix, attribute.prefix)
            });
            if twice {
                return Err(self.malformed(Malformed::DuplicateAttribute));
            }
        }
        Ok(())
    }

    /// Adds the position to a fault that was found without it.
    fn placed(&self, fault: SoapFault) -> SoapFault {
        match fault {
            SoapFault::Malformed {
                problem,
                position: None,
            } => self.malformed(problem),
            other => other,
        }
    }
}

impl QualifiedName<'_> {
    /// The length of the name as written.
    fn length(&self) -> usize {
        if self.prefix.is_empty() {
            self.local.len()
        } else {
            self.prefix.len() + 1 + self.local.len()
        }
    }
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// Reads `name = "value"` at the start of `text`; also gives back what follows.
fn read_attribute(text: &str) -> Result<(QualifiedName<'_>, &str, &str), Malformed> {
    let (name, length) = read_name(text)?;
    let rest = trim_start(&text[length..]);
    let rest = trim_start(rest.strip_prefix('=').ok_or(Malformed::Syntax)?);
    let quote = match rest.as_bytes().first() {
        Some(&quote @ (b'"' | b'\'')) => quote,
        _ => return Err(Malformed::Syntax),
    };
    let value = &rest[1..];
    let end = memchr::memchr(quote, value.as_bytes()).ok_or(Malformed::Syntax)?;
    let raw = &value[..end];
    if memchr::memchr2(b'&', b'<', raw.as_bytes()).is_some() {
        attribute_value(raw)?;
    }
    Ok((name, raw, &value[end + 1..]))
}

/// The text between its outer blanks.
pub(super) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|&byte| !is_blank(byte));
    let end = bytes.iter().rposition(|&byte| !is_blank(byte));
    match (start, end) {
        // A byte that is not blank and has no such byte after it ends a character.
        (Some(start), Some(end)) => &text[start..=end],
        _ => "",
    }
}
