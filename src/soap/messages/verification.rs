//! `verificaPositivita` (§3.3.1, Tables 9 and 10: is this the code of a positive of the caller on the telephone).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{CERTIFICATE_AUTHENTICATION_KIND, OPERATOR, raw_request};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:verificaPositivita:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "VerificaPositivitaRichiesta",
    namespace: NAMESPACE,
    elements: &[
        CERTIFICATE_AUTHENTICATION_KIND,
        OPERATOR,
        Element::text(
            "numeroTesseraSanitaria",
            Occurs::Once,
            &types::CARD_DIGITS,
            "Ultime 8 cifre del numero della tessera sanitaria.",
        ),
        Element::text(
            "cun",
            Occurs::Once,
            &types::CUN,
            "CUN comunicato dall'assistito.",
        ),
    ],
    documentation: "Verifica che un CUN sia di un tampone positivo del titolare di una tessera sanitaria.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "VerificaPositivitaRicevuta",
    namespace: NAMESPACE,
    elements: &[
        types::TRANSACTION,
        types::MOMENT,
        types::VERDICT,
        types::VERDICT_TEXT,
        types::FINDINGS,
        Element::text(
            "idVerificaTampone",
            Occurs::Optional,
            &types::SESSION_ID,
            "Da indicare a sbloccoCodiceImmuni, dallo stesso operatore.",
        ),
        Element::built_in(
            "dataPrelievo",
            Occurs::Optional,
            "date",
            "Data del prelievo.",
        ),
    ],
    documentation: "Con esito 0000 porta l'identificativo della verifica.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawVerification of REQUEST {
        authentication_kind: "tipoAutenticazione",
        operator: "codiceFiscaleOperatore",
        card: "numeroTesseraSanitaria",
        cun: "cun",
    }
}
