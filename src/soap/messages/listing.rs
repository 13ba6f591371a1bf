//! `elencoTestEffettuati` (§2.4.3, Tables 6 and 7: the tests that were communicated).

use crate::soap::description::{Element, Message, Occurs};
use crate::soap::messages::shared::{AUTHENTICATION_KIND, PIN_CODE, TEST_KIND, raw_request};
use crate::soap::types;

const NAMESPACE: &str = "urn:sistemats:elencoTestEffettuati:v1";

/// `identificativoStruttura`, of a listing.
const LISTED_STRUCTURE: Element = Element::structure(
    "identificativoStruttura",
    Occurs::Optional,
    &types::STRUCTURE_ID,
    "Struttura di cui elencare i test. Dalla struttura è obbligatorio, ed è il proprio; dalla regione è facoltativo: senza, e senza descrizioneStruttura, si elencano i test di tutta la regione.",
);

/// `descrizioneStruttura`, of a listing.
const LISTED_STRUCTURE_DESCRIPTION: Element = Element::text(
    "descrizioneStruttura",
    Occurs::Optional,
    &types::STRUCTURE_DESCRIPTION,
    "Struttura di cui elencare i test, come fu descritta nell'invio: facoltativa, solo dalla regione, in alternativa a identificativoStruttura.",
);

/// The request.
pub static REQUEST: Message = Message {
    element: "ElencoTestEffettuatiRichiesta",
    namespace: NAMESPACE,
    elements: &[
        AUTHENTICATION_KIND,
        PIN_CODE,
        LISTED_STRUCTURE,
        LISTED_STRUCTURE_DESCRIPTION,
        Element::built_in(
            "dataInizioIntervallo",
            Occurs::Once,
            "date",
            "Primo giorno di comunicazione.",
        ),
        Element::built_in(
            "dataFineIntervallo",
            Occurs::Once,
            "date",
            "Ultimo giorno di comunicazione, compreso: al massimo 31 giorni in tutto.",
        ),
        TEST_KIND,
        Element::text(
            "identificativoUtente",
            Occurs::Once,
            &types::CODICE_FISCALE,
            "Codice fiscale dell'operatore abilitato all'elenco.",
        ),
        Element::built_in(
            "massimoElementi",
            Occurs::Optional,
            "int",
            "Numero massimo di test nella risposta, da 1 a 1000000; senza, 25000.",
        ),
        Element::text(
            "segnalibro",
            Occurs::Optional,
            &types::BOOKMARK,
            "Segnalibro di una risposta precedente, da cui proseguire.",
        ),
    ],
    documentation: "Elenco dei test comunicati in un intervallo di giorni.",
};

/// The answer.
pub static ANSWER: Message = Message {
    element: "ElencoTestEffettuatiRicevuta",
    namespace: NAMESPACE,
    elements: &[
        types::TRANSACTION,
        types::MOMENT,
        types::VERDICT,
        types::VERDICT_TEXT,
        types::FINDINGS,
        Element::structure(
            "listaTest",
            Occurs::Optional,
            &types::TEST_LIST,
            "I test: presente con esito 0000 e 0001, anche se non ce ne sono.",
        ),
        Element::text(
            "segnalibro",
            Occurs::Optional,
            &types::BOOKMARK,
            "Presente se ci sono altri test.",
        ),
    ],
    documentation: "I test non annullati, in ordine di comunicazione, senza dati dell'assistito.",
};

raw_request! {
    /// The request's values as they came: each is there or not, and none is judged yet.
    pub struct RawListing of REQUEST {
        authentication_kind: "tipoAutenticazione",
        pin_code: "pinCode",
        first_day: "dataInizioIntervallo",
        last_day: "dataFineIntervallo",
        test_kind: "tipologiaTest",
        operator: "identificativoUtente",
        maximum: "massimoElementi",
        bookmark: "segnalibro",
    } and structure
}
