//! `invioEsecuzioneTest` (§2.4.1, Tables 2 and 3): a swab result on its way in, and its CUN on its way out.

use std::fmt;

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::fields::{FieldText, Fields};
use crate::soap::messages::shared::{
    AUTHENTICATION_KIND, PIN_CODE, REQUEST_KEY, RawStructure, STRUCTURE, STRUCTURE_DESCRIPTION,
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

const _: () = REQUEST.assert_decodable();

/// The nodes of the request's leaves.
pub mod node {
    use super::REQUEST;
    use crate::soap::messages::shared::{AuthenticationNodes, StructureNodes};

    /// Where it says who calls.
    pub const AUTHENTICATION: AuthenticationNodes = AuthenticationNodes {
        kind: AUTHENTICATION_KIND,
        pin_code: Some(PIN_CODE),
    };
    /// Where it says which structure.
    pub const STRUCTURE_NODES: StructureNodes = StructureNodes::of(&REQUEST);

    /// `tipoAutenticazione`
    pub const AUTHENTICATION_KIND: usize = REQUEST.node(&["tipoAutenticazione"]);
    /// `pinCode`
    pub const PIN_CODE: usize = REQUEST.node(&["pinCode"]);
    /// `identificativoRichiesta`
    pub const REQUEST_KEY: usize = REQUEST.node(&["identificativoRichiesta"]);
    /// `identificativoStruttura`
    pub const STRUCTURE: usize = REQUEST.node(&["identificativoStruttura"]);
    /// `descrizioneStruttura`
    pub const STRUCTURE_DESCRIPTION: usize = REQUEST.node(&["descrizioneStruttura"]);
    /// `codiceFiscaleAssistito`
    pub const FISCAL_CODE: usize = REQUEST.node(&["codiceFiscaleAssistito"]);
    /// `dataPrelievo`
    pub const SWAB_DATE: usize = REQUEST.node(&["dataPrelievo"]);
    /// `tipologiaTest`
    pub const TEST_KIND: usize = REQUEST.node(&["tipologiaTest"]);
    /// `esitoTest`
    pub const TEST_RESULT: usize = REQUEST.node(&["esitoTest"]);
    /// `numeroCellulare`
    pub const MOBILE_NUMBER: usize = REQUEST.node(&["numeroCellulare"]);
    /// `contattoEmail`
    pub const EMAIL_ADDRESS: usize = REQUEST.node(&["contattoEmail"]);
}

/// The request's values as they came: each is there or not, and none is judged yet. `Debug` shows none of them.
pub struct RawSubmission<'a> {
    /// `tipoAutenticazione`
    pub authentication_kind: Option<FieldText<'a>>,
    /// `pinCode`
    pub pin_code: Option<FieldText<'a>>,
    /// `identificativoRichiesta`
    pub request_key: Option<FieldText<'a>>,
    /// `identificativoStruttura`, if any of its codes is there.
    pub structure: Option<RawStructure<'a>>,
    /// `descrizioneStruttura`
    pub structure_description: Option<FieldText<'a>>,
    /// `codiceFiscaleAssistito`
    pub fiscal_code: Option<FieldText<'a>>,
    /// `dataPrelievo`
    pub swab_date: Option<FieldText<'a>>,
    /// `tipologiaTest`
    pub test_kind: Option<FieldText<'a>>,
    /// `esitoTest`
    pub test_result: Option<FieldText<'a>>,
    /// `numeroCellulare`
    pub mobile_number: Option<FieldText<'a>>,
    /// `contattoEmail`
    pub email_address: Option<FieldText<'a>>,
}

impl<'a> From<Fields<'a>> for RawSubmission<'a> {
    fn from(mut fields: Fields<'a>) -> Self {
        let structure = RawStructure::take(&mut fields, node::STRUCTURE_NODES);
        Self {
            authentication_kind: fields.take(node::AUTHENTICATION_KIND),
            pin_code: fields.take(node::PIN_CODE),
            request_key: fields.take(node::REQUEST_KEY),
            structure,
            structure_description: fields.take(node::STRUCTURE_DESCRIPTION),
            fiscal_code: fields.take(node::FISCAL_CODE),
            swab_date: fields.take(node::SWAB_DATE),
            test_kind: fields.take(node::TEST_KIND),
            test_result: fields.take(node::TEST_RESULT),
            mobile_number: fields.take(node::MOBILE_NUMBER),
            email_address: fields.take(node::EMAIL_ADDRESS),
        }
    }
}

impl fmt::Debug for RawSubmission<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvioEsecuzioneTest(..)")
    }
}
