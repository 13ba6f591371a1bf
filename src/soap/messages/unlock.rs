//! `sbloccoCodiceImmuni` (§3.3.2, Tables 11 and 12: the app's one-time code goes to Immuni).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{CERTIFICATE_AUTHENTICATION_KIND, OPERATOR, raw_request};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:sbloccoCodiceImmuni:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "SbloccoCodiceImmuniRichiesta",
    namespace: NAMESPACE,
    elements: &[
        CERTIFICATE_AUTHENTICATION_KIND,
        Element::text(
            "codiceOtp",
            Occurs::Once,
            &types::OTP,
            "Codice OTP generato dall'app.",
        ),
        Element::built_in(
            "dataInizioSintomi",
            Occurs::Once,
            "date",
            "Data dei primi sintomi; per un asintomatico, la data del prelievo.",
        ),
        OPERATOR,
        Element::text(
            "idVerificaTampone",
            Occurs::Once,
            &types::SESSION_ID,
            "Identificativo della verifica, ottenuto dallo stesso operatore.",
        ),
    ],
    documentation: "Invio a Immuni del codice OTP di un assistito verificato.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "SbloccoCodiceImmuniRicevuta",
    namespace: NAMESPACE,
    elements: &types::ANSWER_HEAD,
    documentation: "L'esito è quello di Immuni.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawUnlock of REQUEST {
        authentication_kind: "tipoAutenticazione",
        otp: "codiceOtp",
        symptoms_started_on: "dataInizioSintomi",
        operator: "codiceFiscaleOperatore",
        session: "idVerificaTampone",
    }
}
