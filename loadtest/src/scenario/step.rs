//! The steps that a scenario can mix.

use serde::Deserialize;
use sistema_ts_model::Service;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A swab result with a receipt key of its own.
    Submit,
    /// A swab result without a receipt key.
    SubmitWithoutKey,
    /// An answered submission once more, with its key and its content.
    Replay,
    /// Cancels a test that was submitted and not verified.
    Cancel,
    /// One page of today's listing; the next page, if there is one, is asked for by the next of these.
    List,
    /// Verifies a positive that was submitted.
    Verify,
    /// Verifies a positive with a wrong card: a guessing attack.
    Guess,
    /// Unlocks what was verified.
    Unlock,
    /// Confirms an unlock, which erases the person.
    Confirm,
    /// Annuls an unlock, after which the code can be verified again.
    Annul,
    /// An ASL's code for a person who was submitted as positive.
    SendCode,
}

/// Who may send a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerKind {
    /// A region, by its certificate.
    Region,
    /// A structure's user, by user, password and pincode.
    Structure,
    /// A call centre, by its certificate.
    CallCenter,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Submit,
        Self::SubmitWithoutKey,
        Self::Replay,
        Self::Cancel,
        Self::List,
        Self::Verify,
        Self::Guess,
        Self::Unlock,
        Self::Confirm,
        Self::Annul,
        Self::SendCode,
    ];

    /// Its name in scenarios and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::SubmitWithoutKey => "submit-without-key",
            Self::Replay => "replay",
            Self::Cancel => "cancel",
            Self::List => "list",
            Self::Verify => "verify",
            Self::Guess => "guess",
            Self::Unlock => "unlock",
            Self::Confirm => "confirm",
            Self::Annul => "annul",
            Self::SendCode => "send-code",
        }
    }

    /// The step with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Its place in [`Step::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The service that it asks.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::Submit | Self::SubmitWithoutKey | Self::Replay => Service::Submission,
            Self::Cancel => Service::Cancellation,
            Self::List => Service::Listing,
            Self::Verify | Self::Guess => Service::Verification,
            Self::Unlock => Service::Unlock,
            Self::Confirm | Self::Annul => Service::Confirmation,
            Self::SendCode => Service::AslOtp,
        }
    }

    /// Whether a caller of this kind may send it.
    #[must_use]
    pub const fn suits(self, kind: CallerKind) -> bool {
        let is_of_call_center = matches!(
            self,
            Self::Verify | Self::Guess | Self::Unlock | Self::Confirm | Self::Annul
        );
        is_of_call_center == matches!(kind, CallerKind::CallCenter)
    }
}

impl CallerKind {
    /// Its name in scenarios and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Structure => "structure",
            Self::CallCenter => "call-center",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_at_its_place_and_has_a_name_of_its_own() {
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step.index(), place);
            assert_eq!(Step::from_name(step.name()), Some(step));
        }
    }
}
