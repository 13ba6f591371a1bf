//! What can come of a request, as it is counted.

/// The kinds of what comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// `esito` 0000.
    Done,
    /// `esito` 0001: done, with warnings.
    DoneWithWarnings,
    /// `esito` 9999.
    NotDone,
    /// HTTP 503: refused before any effect, since the server is busy.
    Busy,
    /// Any other answer.
    Fault,
    /// It left, and was not answered: the connection broke, or its time was over.
    Lost,
    /// It could not leave: no connection was free within its time.
    Unsent,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::DoneWithWarnings,
        Self::NotDone,
        Self::Busy,
        Self::Fault,
        Self::Lost,
        Self::Unsent,
    ];

    /// Its name in objectives and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "0000",
            Self::DoneWithWarnings => "0001",
            Self::NotDone => "9999",
            Self::Busy => "503",
            Self::Fault => "fault",
            Self::Lost => "lost",
            Self::Unsent => "unsent",
        }
    }

    /// The outcome with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Its place in [`Outcome::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// That of an answer with this HTTP status and this `esito`.
    #[must_use]
    pub fn of(status: u16, esito: Option<[u8; 4]>) -> Self {
        match (status, esito.as_ref()) {
            (200, Some(b"0000")) => Self::Done,
            (200, Some(b"0001")) => Self::DoneWithWarnings,
            (200, Some(b"9999")) => Self::NotDone,
            (503, _) => Self::Busy,
            _ => Self::Fault,
        }
    }

    /// Whether the server answered at all.
    #[must_use]
    pub const fn is_answered(self) -> bool {
        !matches!(self, Self::Lost | Self::Unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_at_its_place_and_has_a_name_of_its_own() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), place);
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
    }

    #[test]
    fn an_outcome_counts_only_with_its_status() {
        assert_eq!(Outcome::of(200, Some(*b"0000")), Outcome::Done);
        assert_eq!(Outcome::of(500, Some(*b"0000")), Outcome::Fault);
        assert_eq!(Outcome::of(200, None), Outcome::Fault);
        assert_eq!(Outcome::of(503, None), Outcome::Busy);
    }
}
