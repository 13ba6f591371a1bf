//! `invioCodiceOtp` (§5.1: an ASL sends a one-time code by itself).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{AUTHENTICATION_KIND, PIN_CODE, raw_request};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:invioCodiceOtp:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "InvioCodiceOtpRichiesta",
    namespace: NAMESPACE,
    elements: &[
        AUTHENTICATION_KIND,
        PIN_CODE,
        Element::text(
            "codiceFiscaleOperatore",
            Occurs::Optional,
            &types::CODICE_FISCALE,
            "Operatore sanitario: obbligatorio con il certificato; con utente e password è quello delle credenziali.",
        ),
        Element::text(
            "codiceOtp",
            Occurs::Once,
            &types::OTP,
            "Codice OTP generato dall'app.",
        ),
        Element::text(
            "dataInizioSintomi",
            Occurs::Optional,
            &types::OPTIONAL_DATE,
            "Data dei primi sintomi; senza, la data di oggi.",
        ),
        Element::text(
            "codiceFiscaleAssistito",
            Occurs::Once,
            &types::CODICE_FISCALE,
            "Codice fiscale dell'assistito.",
        ),
    ],
    documentation: "Invio diretto a Immuni del codice OTP, da parte della ASL.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "InvioCodiceOtpRicevuta",
    namespace: NAMESPACE,
    elements: &types::ANSWER_HEAD,
    documentation: "L'esito è quello di Immuni.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawAslOtp of REQUEST {
        authentication_kind: "tipoAutenticazione",
        pin_code: "pinCode",
        operator: "codiceFiscaleOperatore",
        otp: "codiceOtp",
        symptoms_started_on: "dataInizioSintomi",
        fiscal_code: "codiceFiscaleAssistito",
    }
}
