//! The services of the document.

use std::fmt;

/// One service of the document: one operation, one WSDL, one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `invioEsecuzioneTest` (§2.4.1): a region or a structure submits a result and gets its CUN.
    Submission,
    /// `annullamentoEsecuzioneTest` (§2.4.2): the same caller cancels it.
    Cancellation,
    /// `elencoTestEffettuati` (§2.4.3): the tests that a region or structure has submitted.
    Listing,
    /// `verificaPositivita` (§3.3.1): the call centre checks CUN and health card.
    Verification,
    /// `sbloccoCodiceImmuni` (§3.3.2): the call centre unlocks the app.
    Unlock,
    /// `confermaSbloccoImmuni` (§3.3.3): the call centre confirms or annuls the unlock.
    Confirmation,
    /// `invioCodiceOtp` (§5.1): an ASL unlocks the app.
    AslOtp,
}

impl Service {
    /// All services, in the order of the document.
    pub const ALL: [Self; 7] = [
        Self::Submission,
        Self::Cancellation,
        Self::Listing,
        Self::Verification,
        Self::Unlock,
        Self::Confirmation,
        Self::AslOtp,
    ];

    /// The name on the wire: operation, and last segment of the path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submission => "invioEsecuzioneTest",
            Self::Cancellation => "annullamentoEsecuzioneTest",
            Self::Listing => "elencoTestEffettuati",
            Self::Verification => "verificaPositivita",
            Self::Unlock => "sbloccoCodiceImmuni",
            Self::Confirmation => "confermaSbloccoImmuni",
            Self::AslOtp => "invioCodiceOtp",
        }
    }

    /// The name with a capital, from which the WSDL's names are made: `InvioEsecuzioneTest` + `Richiesta`, `PortType` …
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Submission => "InvioEsecuzioneTest",
            Self::Cancellation => "AnnullamentoEsecuzioneTest",
            Self::Listing => "ElencoTestEffettuati",
            Self::Verification => "VerificaPositivita",
            Self::Unlock => "SbloccoCodiceImmuni",
            Self::Confirmation => "ConfermaSbloccoImmuni",
            Self::AslOtp => "InvioCodiceOtp",
        }
    }

    /// The service with this [name](Service::name), to the letter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
