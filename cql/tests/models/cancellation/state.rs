//! The rows of a cancellation with a key, and where its requests stand.

use crate::row::Row;
use sistema_ts_model::Life;

pub const REQUESTS: usize = 4;
/// Codes that may be cancelled.
pub const CODES: usize = 2;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cancels: the content of the message, and the code that it names. All have the same key.
    Cancel { content: u8, code: usize },
    /// Unlocks the first code; the backend refuses.
    Unlock,
    /// Never begins.
    Absent,
}

/// The receipt of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    pub content: u8,
    /// Who has bound the key, where that matters.
    pub by: Option<usize>,
    /// Whose answer it is; none yet.
    pub transaction: Option<usize>,
}

/// The row of a code's life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LifeRow {
    pub turn: u8,
    pub life: Life,
}

/// What a conditional write does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Binds the key.
    Begin { content: u8 },
    /// Gives the receipt its answer, which is that of its sender.
    End { content: u8 },
    /// Frees the key.
    Forget { content: u8 },
    /// Changes a life.
    Change {
        code: usize,
        seen: u8,
        next: LifeRow,
    },
}

/// A conditional write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub request: usize,
    pub what: What,
}

impl Write {
    /// By what writes under way are sorted, so that states which differ in their order alone are one.
    pub fn order(&self) -> (usize, u8, u8) {
        let (kind, seen) = match &self.what {
            What::Begin { .. } => (0, 0),
            What::End { .. } => (1, 0),
            What::Forget { .. } => (2, 0),
            What::Change { seen, .. } => (3, *seen),
        };
        (self.request, kind, seen)
    }
}

/// What a request was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is done; whose answer that is, and whether the code was cancelled by this key.
    Done {
        transaction: usize,
        by_this_key: bool,
    },
    /// The code's life does not allow it.
    Refused,
    /// The key was used for other content.
    Reused,
    Unknown,
}

/// What a request wants of a row now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// To bind the key, before it changes this life.
    Bind(LifeRow),
    /// To change the life of its code.
    Change,
    /// To bring its answer into the receipt; whether the code was cancelled by this key.
    Answer { by_this_key: bool },
    /// The same, where the key was freed meanwhile: to bind it anew first.
    BindToAnswer { by_this_key: bool },
    /// To free the key, refused as it is.
    Forget,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Idle,
    /// Has seen the receipt.
    LooksAtLife(Option<Receipt>),
    /// Has sent a conditional write; `is_unknown`: once already, and was not answered.
    Waits {
        goal: Goal,
        write: Write,
        is_unknown: bool,
    },
    /// Was not answered.
    Unanswered {
        goal: Goal,
        write: Write,
    },
    /// Its write was not carried out: it reads the row serially.
    LooksAgain(Goal),
    /// The life has ended, and whether by this key.
    Erases {
        by_this_key: bool,
    },
    /// Its claim is durable.
    Posts,
    Told(Told),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub receipt: Row<Option<Receipt>>,
    pub lives: [Row<LifeRow>; CODES],
    pub is_erased: [bool; CODES],
    pub requests: [Step; REQUESTS],
    /// Conditional writes that were sent and not yet carried out.
    pub under_way: Vec<Write>,
    /// Contents that have cancelled a code, a bit each.
    pub contents: u8,
    /// Requests whose own write has cancelled a code, a bit each.
    pub took_place: u8,
    /// How many more conditional writes may lose their answers.
    pub losses: u8,
}
