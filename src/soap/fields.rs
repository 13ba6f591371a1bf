//! The values of a decoded request, by node of its description; borrowed from the body wherever nothing had to be decoded.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use zeroize::Zeroize;

/// The most nodes that a request's description may have.
pub const MAX_NODES: usize = 16;
/// The most leaves that one occurrence of a repeated element may have.
pub const MAX_ROW_LEAVES: usize = 4;

/// The text of one element, outer blanks removed, never empty. It may be personal data: `Debug` shows no value, and a copy
/// (made only where a reference, CDATA or a line end had to be decoded) is overwritten when dropped.
pub struct FieldText<'a>(Cow<'a, str>);

impl<'a> FieldText<'a> {
    pub(super) fn new(text: Cow<'a, str>) -> Self {
        debug_assert!(!text.is_empty());
        Self(text)
    }
}

impl Deref for FieldText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FieldText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FieldText(..)")
    }
}

impl Drop for FieldText<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.0 {
            text.zeroize();
        }
    }
}

/// One occurrence of a repeated element.
#[derive(Debug)]
pub struct Row<'a> {
    /// The node of the repeated element.
    pub node: usize,
    /// Its leaves in the order of the description; a repeated leaf has its own text in the first place.
    pub values: [Option<FieldText<'a>>; MAX_ROW_LEAVES],
}

/// The values of one message.
#[derive(Debug)]
pub struct Fields<'a> {
    values: [Option<FieldText<'a>>; MAX_NODES],
    seen: u32,
    /// The occurrences of repeated elements, in the order of the document.
    pub rows: Vec<Row<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new() -> Self {
        Self {
            values: [const { None }; MAX_NODES],
            seen: 0,
            rows: Vec::new(),
        }
    }

    /// Notes that the element is there; `false` if it was before.
    pub(super) fn see(&mut self, node: usize) -> bool {
        let bit = 1 << node;
        let first = self.seen & bit == 0;
        self.seen |= bit;
        first
    }

    pub(super) fn put(&mut self, node: usize, text: FieldText<'a>) {
        self.values[node] = Some(text);
    }

    /// Whether the element was in the message, be it empty.
    pub fn is_present(&self, node: usize) -> bool {
        self.seen & (1 << node) != 0
    }

    /// Whether any leaf from `first` to before `end` has a text, or a repeated element there has an occurrence.
    pub(super) fn holds_any(&self, first: usize, end: usize) -> bool {
        self.values[first..end].iter().any(Option::is_some)
            || self.rows.iter().any(|row| (first..end).contains(&row.node))
    }

    /// Takes the text of a leaf; `None` if it was not there, empty, or nil.
    pub fn take(&mut self, node: usize) -> Option<FieldText<'a>> {
        self.values[node].take()
    }
}
