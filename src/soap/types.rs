//! The named types that the messages of all services share: the schema `urn:sistemats:tipi:v1`.
//!
//! No enumerations and no choices: a pattern or a length says the same, and no toolkit breaks on it.

use super::description::{Element, Facet, Occurs, StructureType, TextType};

/// The namespace of the shared types and of the children of shared structures.
pub const NAMESPACE: &str = "urn:sistemats:tipi:v1";

/// Three digits of a region.
pub static REGION_CODE: TextType = TextType {
    name: "CodiceRegione",
    facets: &[Facet::Pattern("[0-9]{3}")],
    documentation: "Codice della regione o provincia autonoma: tre cifre (041 Bolzano, 042 Trento).",
};

/// Three digits of an ASL.
pub static ASL_CODE: TextType = TextType {
    name: "CodiceAsl",
    facets: &[Facet::Pattern("[0-9]{3}")],
    documentation: "Codice della ASL: tre cifre.",
};

/// One to six letters or digits of a structure.
pub static STRUCTURE_CODE: TextType = TextType {
    name: "CodiceStruttura",
    facets: &[Facet::Pattern("[0-9A-Za-z]{1,6}")],
    documentation: "Codice della struttura nella ASL: da 1 a 6 lettere o cifre.",
};

/// A structure described in words.
pub static STRUCTURE_DESCRIPTION: TextType = TextType {
    name: "DescrizioneStruttura",
    facets: &[Facet::MinLength(1), Facet::MaxLength(256)],
    documentation: "Descrizione di una struttura non censita nel Sistema TS.",
};

/// A fiscal code, definitive or provisional.
pub static CODICE_FISCALE: TextType = TextType {
    name: "CodiceFiscale",
    facets: &[Facet::Pattern("[A-Z0-9]{16}|[0-9]{11}")],
    documentation: "Codice fiscale: 16 caratteri, oppure 11 cifre se provvisorio.",
};

/// The kind of test.
pub static TEST_KIND: TextType = TextType {
    name: "TipologiaTest",
    facets: &[Facet::Pattern("M")],
    documentation: "Tipologia del test: M, tampone molecolare.",
};

/// The result of a test.
pub static TEST_RESULT: TextType = TextType {
    name: "EsitoTest",
    facets: &[Facet::Pattern("[PN]")],
    documentation: "Esito del test: P positivo, N negativo.",
};

/// How a region or call centre authenticated its user (§2.3, §3.3).
pub static AUTHENTICATION_KIND: TextType = TextType {
    name: "TipoAutenticazione",
    facets: &[Facet::Pattern("2F|CNS|CIE|SPID")],
    documentation: "Autenticazione dell'utente presso il chiamante: 2F due fattori, CNS, CIE, SPID.",
};

/// The pincode of a Basic user.
pub static PIN_CODE: TextType = TextType {
    name: "PinCode",
    facets: &[Facet::Pattern("[0-9]{10}")],
    documentation: "Pincode dell'utente: 10 cifre.",
};

/// The caller's own key of a request.
pub static REQUEST_KEY: TextType = TextType {
    name: "IdentificativoRichiesta",
    facets: &[Facet::Pattern("[!-~]([ -~]{0,62}[!-~])?")],
    documentation: "Chiave scelta dal chiamante: la stessa richiesta inviata di nuovo con la stessa chiave riceve la prima risposta.",
};

/// A mobile number.
pub static MOBILE_NUMBER: TextType = TextType {
    name: "Cellulare",
    facets: &[Facet::Pattern("\\+?[0-9]{6,15}")],
    documentation: "Numero di cellulare: da 6 a 15 cifre, con un eventuale + iniziale.",
};

/// An e-mail address.
pub static EMAIL_ADDRESS: TextType = TextType {
    name: "Email",
    facets: &[Facet::MaxLength(254)],
    documentation: "Indirizzo e-mail.",
};

/// The identifier of a transaction.
pub static TRANSACTION_ID: TextType = TextType {
    name: "IdentificativoTransazione",
    facets: &[Facet::MinLength(1), Facet::MaxLength(36)],
    documentation: "Identificativo della transazione: il CUN del test, oppure un UUID.",
};

/// What became of a request.
pub static VERDICT_CODE: TextType = TextType {
    name: "Esito",
    facets: &[Facet::Pattern("[0-9]{4}")],
    documentation: "Esito: 0000 eseguita, 0001 eseguita con avvisi, 9999 non eseguita.",
};

/// Whether a finding is an error or a warning.
pub static SEVERITY: TextType = TextType {
    name: "TipoErrore",
    facets: &[Facet::Pattern("[EW]")],
    documentation: "E errore, W avviso.",
};

/// The code of a finding.
pub static OUTCOME_CODE: TextType = TextType {
    name: "CodiceErrore",
    facets: &[Facet::Pattern("[0-9]{4}")],
    documentation: "Codice dell'errore o dell'avviso.",
};

/// The three codes of a registered structure.
pub static STRUCTURE_ID: StructureType = StructureType {
    name: "IdentificativoStruttura",
    elements: &[
        Element::text(
            "codiceRegione",
            Occurs::Once,
            &REGION_CODE,
            "Regione della struttura.",
        ),
        Element::text("codiceAsl", Occurs::Once, &ASL_CODE, "ASL della struttura."),
        Element::text(
            "codiceStruttura",
            Occurs::Once,
            &STRUCTURE_CODE,
            "Struttura nella ASL.",
        ),
    ],
    documentation: "Identificativo di una struttura censita nel Sistema TS.",
};

/// The number of a CUN as it is dictated to the call centre.
pub static CUN: TextType = TextType {
    name: "Cun",
    facets: &[Facet::MinLength(1), Facet::MaxLength(64)],
    documentation: "CUN: CUN- e 10 simboli, di cui l'ultimo di controllo; il prefisso può mancare, minuscole, spazi, trattini e punti sono ammessi.",
};

/// A CUN to the letter.
pub static EXACT_CUN: TextType = TextType {
    name: "CunEsatto",
    facets: &[Facet::Pattern("CUN-[AEFHIJKLQRSUWXYZ1-9]{10}")],
    documentation: "CUN: CUN- e 10 simboli, di cui l'ultimo di controllo.",
};

/// A one-time code of the app.
pub static OTP: TextType = TextType {
    name: "CodiceOtp",
    facets: &[Facet::MinLength(1), Facet::MaxLength(64)],
    documentation: "Codice OTP generato dall'app: 10 simboli, di cui l'ultimo di controllo; minuscole, spazi, trattini e punti sono ammessi.",
};

/// The last digits of a health card.
pub static CARD_DIGITS: TextType = TextType {
    name: "NumeroTesseraSanitaria",
    facets: &[Facet::MinLength(1), Facet::MaxLength(64)],
    documentation: "Ultime 8 cifre del numero della tessera sanitaria (TEAM); spazi, trattini e punti sono ammessi.",
};

/// The id of a verification.
pub static SESSION_ID: TextType = TextType {
    name: "IdVerificaTampone",
    facets: &[Facet::Pattern(
        "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    )],
    documentation: "Identificativo della verifica, come restituito da verificaPositivita.",
};

/// Confirmation or annulment.
pub static CONFIRMATION_KIND: TextType = TextType {
    name: "TipoComunicazione",
    facets: &[Facet::Pattern("[CA]")],
    documentation: "C conferma dello sblocco, A annullamento.",
};

/// An optional date: as a text, since some toolkits drop an optional xs:date without a word.
pub static OPTIONAL_DATE: TextType = TextType {
    name: "DataFacoltativa",
    facets: &[Facet::Pattern("[0-9]{4}-[0-9]{2}-[0-9]{2}")],
    documentation: "Data nella forma AAAA-MM-GG.",
};

/// A place in a listing.
pub static BOOKMARK: TextType = TextType {
    name: "Segnalibro",
    facets: &[Facet::MaxLength(128)],
    documentation: "Punto da cui proseguire un elenco: si ripete come è stato ricevuto.",
};

/// The key of an option.
pub static OPTION_KEY: TextType = TextType {
    name: "Chiave",
    facets: &[Facet::MinLength(1), Facet::MaxLength(64)],
    documentation: "Chiave di un'informazione inviata dal client.",
};

/// The value of an option.
pub static OPTION_VALUE: TextType = TextType {
    name: "Valore",
    facets: &[Facet::MinLength(1), Facet::MaxLength(256)],
    documentation: "Valore di un'informazione inviata dal client; mai dati dell'assistito.",
};

/// One option.
pub static OPTION: StructureType = StructureType {
    name: "Opzione",
    elements: &[
        Element::text("chiave", Occurs::Once, &OPTION_KEY, "Chiave."),
        Element::text("valore", Occurs::Once, &OPTION_VALUE, "Valore."),
    ],
    documentation: "Un'informazione inviata dal client.",
};

/// The options of a confirmation.
pub static OPTIONS: StructureType = StructureType {
    name: "Opzioni",
    elements: &[Element::structure(
        "opzione",
        Occurs::Many,
        &OPTION,
        "Un'informazione.",
    )],
    documentation: "Informazioni inviate dal client: al massimo 10 coppie chiave e valore (errore 1551).",
};

/// One test of a listing.
pub static LISTED_TEST: StructureType = StructureType {
    name: "Test",
    elements: &[
        Element::structure(
            "identificativoStruttura",
            Occurs::Optional,
            &STRUCTURE_ID,
            "Struttura che ha eseguito il tampone, se censita.",
        ),
        Element::text(
            "descrizioneStruttura",
            Occurs::Optional,
            &STRUCTURE_DESCRIPTION,
            "Struttura che ha eseguito il tampone, altrimenti.",
        ),
        Element::built_in("dataPrelievo", Occurs::Once, "date", "Data del prelievo."),
        Element::text(
            "identificativoTest",
            Occurs::Once,
            &EXACT_CUN,
            "CUN del test.",
        ),
        Element::built_in(
            "dataInserimento",
            Occurs::Once,
            "date",
            "Giorno in cui il test è stato comunicato.",
        ),
        Element::text("esitoTest", Occurs::Once, &TEST_RESULT, "Esito del test."),
        Element::text(
            "tipologiaTest",
            Occurs::Once,
            &TEST_KIND,
            "Tipologia del test.",
        ),
    ],
    documentation: "Un test comunicato e non annullato.",
};

/// The tests of a listing.
pub static TEST_LIST: StructureType = StructureType {
    name: "ListaTest",
    elements: &[Element::structure(
        "test",
        Occurs::Many,
        &LISTED_TEST,
        "Un test.",
    )],
    documentation: "I test, in ordine di comunicazione.",
};

/// One finding of an answer.
pub static FINDING: StructureType = StructureType {
    name: "Errore",
    elements: &[
        Element::text("codice", Occurs::Once, &OUTCOME_CODE, "Codice."),
        Element::text("tipo", Occurs::Once, &SEVERITY, "Errore o avviso."),
        Element::built_in(
            "campo",
            Occurs::Optional,
            "string",
            "Nome dell'elemento a cui si riferisce.",
        ),
        Element::built_in(
            "descrizione",
            Occurs::Once,
            "string",
            "Che cosa è successo e che cosa fare.",
        ),
    ],
    documentation: "Un errore o un avviso.",
};

/// The findings of an answer.
pub static FINDING_LIST: StructureType = StructureType {
    name: "ListaErrori",
    elements: &[Element::structure(
        "errore",
        Occurs::Many,
        &FINDING,
        "Un errore o un avviso.",
    )],
    documentation: "Tutti gli errori e gli avvisi di una richiesta.",
};

/// `identificativoTransazione`, the first element of every answer.
pub const TRANSACTION: Element = Element::text(
    "identificativoTransazione",
    Occurs::Once,
    &TRANSACTION_ID,
    "Identificativo della transazione.",
);

/// `dataOra`, the second.
pub const MOMENT: Element = Element::built_in(
    "dataOra",
    Occurs::Once,
    "dateTime",
    "Fine della transazione, con i millisecondi, ora di Roma.",
);

/// `esito`, the third.
pub const VERDICT: Element = Element::text(
    "esito",
    Occurs::Once,
    &VERDICT_CODE,
    "Esito della transazione.",
);

/// `descrizioneEsito`, the fourth.
pub const VERDICT_TEXT: Element = Element::built_in(
    "descrizioneEsito",
    Occurs::Once,
    "string",
    "Descrizione dell'esito.",
);

/// `listaErrori`, the fifth, if there is anything to tell.
pub const FINDINGS: Element = Element::structure(
    "listaErrori",
    Occurs::Optional,
    &FINDING_LIST,
    "Errori e avvisi, se ce ne sono.",
);

/// The five elements with which every answer begins, for those that have no others.
pub static ANSWER_HEAD: [Element; 5] = [TRANSACTION, MOMENT, VERDICT, VERDICT_TEXT, FINDINGS];
