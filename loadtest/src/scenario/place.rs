//! Where in a file something stands, and what is wrong there.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// What is wrong with a scenario or an environment, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or the name of a shipped scenario.
    pub file: PathBuf,
    /// Line and column, both from 1, where the mistake has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(
                f,
                "{}, line {line}, column {column}: {}",
                self.file.display(),
                self.reason
            ),
            None => write!(f, "{}: {}", self.file.display(), self.reason),
        }
    }
}

impl std::error::Error for Mistake {}

/// A text with its name, which gives mistakes their places.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) file: PathBuf,
    pub(crate) content: String,
}

impl Text {
    /// Reads TOML; keys that are not known are mistakes.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Mistake> {
        toml::from_str(&self.content).map_err(|error| match error.span() {
            Some(span) => self.mistake(&span, error.message()),
            None => self.mistake_without_place(error.message()),
        })
    }

    /// A mistake where `span` begins.
    pub(crate) fn mistake(&self, span: &Range<usize>, reason: impl Into<String>) -> Mistake {
        let start = span.start.min(self.content.len());
        let before = self.content.get(..start).unwrap_or(&self.content);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Mistake {
            file: self.file.clone(),
            place: Some((
                before.matches('\n').count() + 1,
                before[line_start..].chars().count() + 1,
            )),
            reason: reason.into(),
        }
    }

    /// A mistake of the whole, or of something that is missing.
    pub(crate) fn mistake_without_place(&self, reason: impl Into<String>) -> Mistake {
        Mistake {
            file: self.file.clone(),
            place: None,
            reason: reason.into(),
        }
    }
}
