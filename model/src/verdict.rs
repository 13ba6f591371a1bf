//! What an answer says of its request: the verdict, and the findings that it follows from.

use crate::{Outcome, Severity};

/// One thing to tell about a request (`errore` on the wire): an outcome and the element that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What happened.
    pub outcome: Outcome,
    /// The name of the element (`campo`), if one is at fault.
    pub field: Option<&'static str>,
    /// How many failed verifications the operator has left in this hour, where the outcome tells it: the one number that a
    /// text ever carries, and none of the request's.
    pub attempts_left: Option<u32>,
}

impl Finding {
    /// A finding about one element of the request.
    pub const fn on(field: &'static str, outcome: Outcome) -> Self {
        Self {
            outcome,
            field: Some(field),
            attempts_left: None,
        }
    }

    /// A finding about the request as a whole.
    pub const fn whole(outcome: Outcome) -> Self {
        Self {
            outcome,
            field: None,
            attempts_left: None,
        }
    }

    /// The same, telling the operator its own remaining attempts.
    pub const fn with_attempts_left(mut self, attempts: u32) -> Self {
        self.attempts_left = Some(attempts);
        self
    }
}

/// What became of a request (`esito` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// `0000`: done.
    Done,
    /// `0001`: done, with warnings.
    DoneWithWarnings,
    /// `9999`: not done; nothing changed.
    NotDone,
}

impl Verdict {
    /// Every verdict, in order of code.
    pub const ALL: [Self; 3] = [Self::Done, Self::DoneWithWarnings, Self::NotDone];

    /// The verdict that follows from what there is to tell.
    pub fn of(findings: &[Finding]) -> Self {
        if findings
            .iter()
            .any(|finding| finding.outcome.severity() == Severity::Error)
        {
            Self::NotDone
        } else if findings.is_empty() {
            Self::Done
        } else {
            Self::DoneWithWarnings
        }
    }

    /// The four digits on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "0000",
            Self::DoneWithWarnings => "0001",
            Self::NotDone => "9999",
        }
    }

    /// The verdict that has these four digits.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.code() == code)
    }

    /// The Italian text on the wire (`descrizioneEsito`).
    pub const fn text(self) -> &'static str {
        match self {
            Self::Done => "Operazione eseguita",
            Self::DoneWithWarnings => "Operazione eseguita con avvisi: si veda listaErrori",
            Self::NotDone => "Operazione non eseguita: si veda listaErrori",
        }
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means that a request which was not carried out is answered as one that was, or the other way round.
    use super::*;

    #[test]
    fn a_verdict_is_known_by_its_code_alone() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
        }
        assert_eq!(Verdict::from_code("000"), None);
        assert_eq!(Verdict::from_code("1001"), None);
    }

    #[test]
    fn the_worst_finding_decides_the_verdict() {
        let warning = Finding::whole(Outcome::AlreadyReceived);
        let error = Finding::on("esitoTest", Outcome::TestResultUnknown);
        assert_eq!(Verdict::of(&[]), Verdict::Done);
        assert_eq!(Verdict::of(&[warning]), Verdict::DoneWithWarnings);
        assert_eq!(Verdict::of(&[warning, error]), Verdict::NotDone);
    }
}
