//! What can be wrong with a body, in detail: the parts of [`super::SoapFault`] that tell where and how.

/// A place in the body, for the person who looks for the mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Why a body is not well-formed XML (with namespaces).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The markup does not follow the grammar.
    #[error("syntax")]
    Syntax,
    /// The body ends before the document does.
    #[error("truncated")]
    Truncated,
    /// An end tag does not match its start tag.
    #[error("mismatched end tag")]
    MismatchedTag,
    /// An attribute occurs twice on one element, under the same or two prefixes.
    #[error("duplicate attribute")]
    DuplicateAttribute,
    /// A prefix is used and not declared.
    #[error("undeclared prefix")]
    UndeclaredPrefix,
    /// A declaration of a namespace that the standard forbids.
    #[error("forbidden namespace declaration")]
    NamespaceDeclaration,
    /// A reference that is neither one of the five entities nor a character allowed in XML.
    #[error("bad reference")]
    Reference,
    /// A character that XML 1.0 does not allow.
    #[error("forbidden character")]
    Character,
    /// The XML declaration does not follow the grammar.
    #[error("XML declaration")]
    Declaration,
    /// Text, or a second element, outside the document's element.
    #[error("content outside the root element")]
    OutsideRoot,
}

/// Why the characters of a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodingProblem {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The XML declaration names an encoding other than UTF-8, ISO-8859-1 and US-ASCII.
    #[error("unknown encoding")]
    Unknown,
    /// Charset of the header, byte order mark and XML declaration disagree.
    #[error("contradictory encodings")]
    Contradiction,
    /// Said to be US-ASCII, with bytes that are none.
    #[error("not US-ASCII")]
    NotAscii,
}

/// A bound that a body exceeds while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Elements inside elements.
    #[error("depth")]
    Depth,
    /// Elements in all.
    #[error("elements")]
    Elements,
    /// Attributes of one element.
    #[error("attributes")]
    Attributes,
    /// Namespace declarations in scope.
    #[error("namespace bindings")]
    Bindings,
}

impl Limit {
    /// The bound itself.
    pub const fn value(self) -> usize {
        match self {
            Self::Depth | Self::Attributes | Self::Bindings => 32,
            Self::Elements => 1_000,
        }
    }
}
