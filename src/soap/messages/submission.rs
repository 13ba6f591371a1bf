//! `invioEsecuzioneTest` (§2.4.1, Tables 2 and 3): a swab result on its way in, and its CUN on its way out.

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{
    AUTHENTICATION_KIND, PIN_CODE, REQUEST_KEY, STRUCTURE, STRUCTURE_DESCRIPTION, raw_request,
};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:invioEsecuzioneTest:v1";

/// The request.
pub static REQUEST: Message = Message {
    element: "InvioEsecuzioneTestRichiesta",
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
        Element::built_in(
            "dataPrelievo",
            Occurs::Once,
            "date",
            "Data del prelievo: da 180 giorni fa a oggi.",
        ),
        Element::text(
            "tipologiaTest",
            Occurs::Once,
            &types::TEST_KIND,
            "Tipologia del test eseguito.",
        ),
        Element::text(
            "esitoTest",
            Occurs::Once,
            &types::TEST_RESULT,
            "Esito del test.",
        ),
        Element::text(
            "numeroCellulare",
            Occurs::Optional,
            &types::MOBILE_NUMBER,
            "Cellulare dell'assistito, in alternativa a contattoEmail.",
        ),
        Element::text(
            "contattoEmail",
            Occurs::Optional,
            &types::EMAIL_ADDRESS,
            "E-mail dell'assistito, in alternativa a numeroCellulare.",
        ),
    ],
    documentation: "Invio dell'esito di un tampone; la risposta ne porta il CUN.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "InvioEsecuzioneTestRicevuta",
    namespace: NAMESPACE,
    elements: &types::ANSWER_HEAD,
    documentation: "La transazione di una richiesta accolta è il CUN del test; di una respinta, un UUID.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawSubmission of REQUEST {
        authentication_kind: "tipoAutenticazione",
        pin_code: "pinCode",
        request_key: "identificativoRichiesta",
        fiscal_code: "codiceFiscaleAssistito",
        swab_date: "dataPrelievo",
        test_kind: "tipologiaTest",
        test_result: "esitoTest",
        mobile_number: "numeroCellulare",
        email_address: "contattoEmail",
    } and structure
}
