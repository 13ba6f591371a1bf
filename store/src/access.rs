//! Access records (§2.5, §3.4, §5.2): an archive of its own, with the fields that each section names and no others.

use std::net::IpAddr;

use sistema_ts_model::{
    AuthenticationKind, Caller, CodiceFiscale, Cun, Outcome, Service, SessionId,
    StructureReference, Timestamp, TransactionId, Verdict,
};

use crate::error::StoreError;
use crate::token::StoreToken;

/// One access to a service and its outcome. Immutable once recorded; kept for 12 months.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessRecord {
    /// When the request reached the service.
    pub accessed_at: Timestamp,
    /// The registered caller.
    pub caller: Caller,
    /// `esito` of the answer.
    pub verdict: Verdict,
    /// What `listaErrori` of the answer says, in its order.
    pub outcomes: Vec<Outcome>,
    /// `identificativoTransazione` of the answer.
    pub transaction: TransactionId,
    /// What the service's own section names.
    pub detail: AccessDetail,
}

impl AccessRecord {
    /// The record of a submission that was carried out: a store derives it from the test itself.
    #[must_use]
    pub fn of_submission(
        accessed_at: Timestamp,
        caller: Caller,
        cun: Cun,
        structure: StructureReference,
        with_warnings: bool,
    ) -> Self {
        let verdict = match with_warnings {
            true => Verdict::DoneWithWarnings,
            false => Verdict::Done,
        };
        Self {
            accessed_at,
            caller,
            verdict,
            outcomes: Vec::new(),
            transaction: TransactionId::Cun(cun),
            detail: AccessDetail::Submission {
                structure: Some(structure),
            },
        }
    }

    /// The service that was called.
    pub fn service(&self) -> Service {
        match self.detail {
            AccessDetail::Submission { .. } => Service::Submission,
            AccessDetail::Cancellation { .. } => Service::Cancellation,
            AccessDetail::Listing { .. } => Service::Listing,
            AccessDetail::Verification { .. } => Service::Verification,
            AccessDetail::Unlock { .. } => Service::Unlock,
            AccessDetail::Confirmation { .. } => Service::Confirmation,
            AccessDetail::AslOtp { .. } => Service::AslOtp,
        }
    }

    /// The operator, where the service's section names one and the request had a well-formed one.
    pub fn operator(&self) -> Option<&CodiceFiscale> {
        match &self.detail {
            AccessDetail::Submission { .. } | AccessDetail::Cancellation { .. } => None,
            AccessDetail::Listing { operator, .. }
            | AccessDetail::Verification { operator, .. }
            | AccessDetail::Unlock { operator, .. }
            | AccessDetail::Confirmation { operator, .. }
            | AccessDetail::AslOtp { operator } => operator.as_ref(),
        }
    }
}

/// The fields that the section of each service names. What a caller sent as code or id is here only if well-formed.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessDetail {
    /// §2.5, `invioEsecuzioneTest`.
    Submission {
        /// Identifier or description of the structure.
        structure: Option<StructureReference>,
    },
    /// §2.5, `annullamentoEsecuzioneTest`.
    Cancellation {
        /// Identifier or description of the structure.
        structure: Option<StructureReference>,
    },
    /// §2.5, `elencoTestEffettuati`.
    Listing {
        /// Identifier or description of the structure.
        structure: Option<StructureReference>,
        /// The region's operator.
        operator: Option<CodiceFiscale>,
    },
    /// §3.4, `verificaPositivita`.
    Verification {
        /// Operator who asked.
        operator: Option<CodiceFiscale>,
        /// `idVerificaTampone` that was given.
        session: Option<SessionId>,
        /// The code that was asked about.
        cun: Option<Cun>,
        /// Address of the client.
        client_address: IpAddr,
    },
    /// §3.4, `sbloccoCodiceImmuni`.
    Unlock {
        /// Operator who asked.
        operator: Option<CodiceFiscale>,
        /// How the client authenticated its operator.
        authentication: Option<AuthenticationKind>,
        /// When the transaction ended; it began at `accessed_at`.
        ended_at: Timestamp,
        /// `idVerificaTampone` of the request.
        session: Option<SessionId>,
        /// Address of the client.
        client_address: IpAddr,
    },
    /// §3.4, `confermaSbloccoImmuni`.
    Confirmation {
        /// Operator, if the message has one.
        operator: Option<CodiceFiscale>,
        /// `idTipoComunicazione`.
        kind: Option<ConfirmationKind>,
        /// `idVerificaTampone` of the request.
        session: Option<SessionId>,
        /// The code of the request.
        cun: Option<Cun>,
        /// What of `opzioni` may be recorded.
        options: Vec<RecordedOption>,
        /// Address of the client.
        client_address: IpAddr,
    },
    /// §5.2, `invioCodiceOtp`.
    AslOtp {
        /// The health operator.
        operator: Option<CodiceFiscale>,
    },
}

/// One of `opzioni` (§3.3.3), as far as it may be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedOption {
    /// `chiave`.
    pub key: String,
    /// `valore`, or what stands for it.
    pub value: RecordedValue,
}

/// What is recorded of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedValue {
    /// The value itself.
    Text(String),
    /// How long it was, in characters: it may have been personal.
    Length(u32),
}

/// `idTipoComunicazione` (§3.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfirmationKind {
    /// `C`: the upload happened.
    Confirm,
    /// `A`: the unlock is annulled.
    Annul,
}

impl ConfirmationKind {
    /// `C` or `A`, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConfirmationKind::Confirm => "C",
            ConfirmationKind::Annul => "A",
        }
    }

    /// Reads `C` or `A`.
    pub fn parse(value: &str) -> Option<ConfirmationKind> {
        match value {
            "C" => Some(ConfirmationKind::Confirm),
            "A" => Some(ConfirmationKind::Annul),
            _ => None,
        }
    }
}

/// What an administrator looks for. Every condition that is given must hold.
#[derive(Clone, Debug)]
pub struct AccessQuery {
    /// First moment, included.
    pub from: Timestamp,
    /// Last moment, excluded.
    pub to: Timestamp,
    /// The operator.
    pub operator: Option<CodiceFiscale>,
    /// The registered caller.
    pub caller: Option<Caller>,
    /// The transaction.
    pub transaction: Option<TransactionId>,
    /// Go on after this page.
    pub after: Option<AccessPosition>,
    /// At most so many records.
    pub limit: usize,
}

impl AccessQuery {
    /// Whether a record meets every condition.
    #[must_use]
    pub fn matches(&self, record: &AccessRecord) -> bool {
        let operator = self.operator.as_ref();
        record.accessed_at >= self.from
            && record.accessed_at < self.to
            && operator.is_none_or(|operator| record.operator() == Some(operator))
            && self.caller.is_none_or(|caller| caller == record.caller)
            && self
                .transaction
                .is_none_or(|transaction| transaction == record.transaction)
    }
}

/// The archive of access records, opened for reading alone: beside a running server, which is neither kept out nor kept waiting, or without one.
pub trait AccessArchive {
    /// Hands every record that meets the conditions to `found`, until that says that it wants no more. They come day by day,
    /// and within a day in an order that stays. Blocks.
    ///
    /// Everything that was answered before the call is found. `query.limit` is how many are read at once, `query.after` must be empty.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the archive cannot be read, [`StoreError::Corrupt`] if it is damaged.
    fn search(
        &self,
        query: &AccessQuery,
        found: &mut dyn FnMut(AccessRecord) -> bool,
    ) -> Result<(), StoreError>;
}

/// Where a page of access records ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPosition {
    /// The part of the archive.
    pub part: StoreToken,
    /// The record within it.
    pub record: StoreToken,
}

/// Some access records, in the order of the archive: by day, within a day in an order that stays.
#[derive(Clone, Debug)]
pub struct AccessPage {
    /// The records.
    pub records: Vec<AccessRecord>,
    /// Where to go on, if there may be more.
    pub next: Option<AccessPosition>,
}
