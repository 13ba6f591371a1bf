//! `confermaSbloccoImmuni` (§3.3.3, Tables 13 and 14: the upload happened, or will not).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{CERTIFICATE_AUTHENTICATION_KIND, OPERATOR, raw_request};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:confermaSbloccoImmuni:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "ConfermaSbloccoImmuniRichiesta",
    namespace: NAMESPACE,
    elements: &[
        CERTIFICATE_AUTHENTICATION_KIND,
        Element::text(
            "idTipoComunicazione",
            Occurs::Once,
            &types::CONFIRMATION_KIND,
            "C conferma, A annullamento.",
        ),
        OPERATOR,
        Element::text(
            "idVerificaTampone",
            Occurs::Optional,
            &types::SESSION_ID,
            "Può mancare se l'operazione non è contestuale alla chiamata dell'assistito.",
        ),
        Element::text("cun", Occurs::Once, &types::CUN, "CUN sbloccato."),
        Element::structure(
            "opzioni",
            Occurs::Optional,
            &types::OPTIONS,
            "Informazioni inviate dal client.",
        ),
    ],
    documentation: "Conferma o annullamento di uno sblocco.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "ConfermaSbloccoImmuniRicevuta",
    namespace: NAMESPACE,
    elements: &types::ANSWER_HEAD,
    documentation: "La conferma cancella in modo irreversibile il codice fiscale dell'assistito.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawConfirmation of REQUEST {
        authentication_kind: "tipoAutenticazione",
        kind: "idTipoComunicazione",
        operator: "codiceFiscaleOperatore",
        session: "idVerificaTampone",
        cun: "cun",
    }
}

/// `opzione`, the repeated element of `opzioni`.
pub const OPTION: &str = REQUEST.element(&["opzioni", "opzione"]);
