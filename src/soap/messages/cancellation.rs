//! `annullamentoEsecuzioneTest` (§2.4.2, Tables 4 and 5: a test is taken back by who submitted it).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{
    AUTHENTICATION_KIND, PIN_CODE, REQUEST_KEY, STRUCTURE, STRUCTURE_DESCRIPTION, TEST_KIND,
    raw_request,
};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:annullamentoEsecuzioneTest:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "AnnullamentoEsecuzioneTestRichiesta",
    namespace: NAMESPACE,
    elements: &[
        AUTHENTICATION_KIND,
        PIN_CODE,
        REQUEST_KEY,
        STRUCTURE,
        STRUCTURE_DESCRIPTION,
        Element::text(
            "codiceFiscaleAssistito",
            Occurs::Once,
            &types::CODICE_FISCALE,
            "Codice fiscale dell'assistito.",
        ),
        Element::text(
            "identificativoTransazione",
            Occurs::Once,
            &types::EXACT_CUN,
            "CUN del test da annullare.",
        ),
        TEST_KIND,
    ],
    documentation: "Annullamento di un test comunicato in precedenza.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "AnnullamentoEsecuzioneTestRicevuta",
    namespace: NAMESPACE,
    elements: &types::ANSWER_HEAD,
    documentation: "La transazione è quella dell'annullamento: un UUID.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawCancellation of REQUEST {
        authentication_kind: "tipoAutenticazione",
        pin_code: "pinCode",
        request_key: "identificativoRichiesta",
        fiscal_code: "codiceFiscaleAssistito",
        cun: "identificativoTransazione",
        test_kind: "tipologiaTest",
    } and structure
}
