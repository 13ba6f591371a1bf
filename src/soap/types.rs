//! The named types that the messages of all services share: the schema `urn:sistemats:tipi:v1`.
//!
//! No enumerations and no choices: a pattern or a length says the same, and no toolkit breaks on it.

use super::description::{Element, Facet, Occurs, StructureType, TextType};

/// The namespace of the shared types and of the children of shared structures.
pub const NAMESPACE: &str = "urn:sistemats:tipi:v1";

/// Three digits of a region.
pub static CODICE_REGIONE: TextType = TextType {
    name: "CodiceRegione",
    facets: &[Facet::Pattern("[0-9]{3}")],
    documentation: "Codice della regione o provincia autonoma: tre cifre (041 Bolzano, 042 Trento).",
};

/// Three digits of an ASL.
pub static CODICE_ASL: TextType = TextType {
    name: "CodiceAsl",
    facets: &[Facet::Pattern("[0-9]{3}")],
    documentation: "Codice della ASL: tre cifre.",
};

/// One to six letters or digits of a structure.
pub static CODICE_STRUTTURA: TextType = TextType {
    name: "CodiceStruttura",
    facets: &[Facet::Pattern("[0-9A-Za-z]{1,6}")],
    documentation: "Codice della struttura nella ASL: da 1 a 6 lettere o cifre.",
};

/// A structure described in words.
pub static DESCRIZIONE_STRUTTURA: TextType = TextType {
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
pub static TIPOLOGIA_TEST: TextType = TextType {
    name: "TipologiaTest",
    facets: &[Facet::Pattern("M")],
    documentation: "Tipologia del test: M, tampone molecolare.",
};

/// The result of a test.
pub static ESITO_TEST: TextType = TextType {
    name: "EsitoTest",
    facets: &[Facet::Pattern("[PN]")],
    documentation: "Esito del test: P positivo, N negativo.",
};

/// How a region or call centre authenticated its user (§2.3, §3.3).
pub static TIPO_AUTENTICAZIONE: TextType = TextType {
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
pub static IDENTIFICATIVO_RICHIESTA: TextType = TextType {
    name: "IdentificativoRichiesta",
    facets: &[Facet::Pattern("[!-~]([ -~]{0,62}[!-~])?")],
    documentation: "Chiave scelta dal chiamante: la stessa richiesta inviata di nuovo con la stessa chiave riceve la prima risposta.",
};

/// A mobile number.
pub static CELLULARE: TextType = TextType {
    name: "Cellulare",
    facets: &[Facet::Pattern("\\+?[0-9]{6,15}")],
    documentation: "Numero di cellulare: da 6 a 15 cifre, con un eventuale + iniziale.",
};

/// An e-mail address.
pub static EMAIL: TextType = TextType {
    name: "Email",
    facets: &[Facet::MaxLength(254)],
    documentation: "Indirizzo e-mail.",
};

/// The identifier of a transaction.
pub static IDENTIFICATIVO_TRANSAZIONE: TextType = TextType {
    name: "IdentificativoTransazione",
    facets: &[Facet::MinLength(1), Facet::MaxLength(36)],
    documentation: "Identificativo della transazione: il CUN del test, oppure un UUID.",
};

/// What became of a request.
pub static ESITO: TextType = TextType {
    name: "Esito",
    facets: &[Facet::Pattern("[0-9]{4}")],
    documentation: "Esito: 0000 eseguita, 0001 eseguita con avvisi, 9999 non eseguita.",
};

/// Whether a finding is an error or a warning.
pub static TIPO_ERRORE: TextType = TextType {
    name: "TipoErrore",
    facets: &[Facet::Pattern("[EW]")],
    documentation: "E errore, W avviso.",
};

/// The code of a finding.
pub static CODICE_ERRORE: TextType = TextType {
    name: "CodiceErrore",
    facets: &[Facet::Pattern("[0-9]{4}")],
    documentation: "Codice dell'errore o dell'avviso.",
};

/// The three codes of a registered structure.
pub static IDENTIFICATIVO_STRUTTURA: StructureType = StructureType {
    name: "IdentificativoStruttura",
    elements: &[
        Element::text(
            "codiceRegione",
            Occurs::Once,
            &CODICE_REGIONE,
            "Regione della struttura.",
        ),
        Element::text(
            "codiceAsl",
            Occurs::Once,
            &CODICE_ASL,
            "ASL della struttura.",
        ),
        Element::text(
            "codiceStruttura",
            Occurs::Once,
            &CODICE_STRUTTURA,
            "Struttura nella ASL.",
        ),
    ],
    documentation: "Identificativo di una struttura censita nel Sistema TS.",
};

/// One finding of an answer.
pub static ERRORE: StructureType = StructureType {
    name: "Errore",
    elements: &[
        Element::text("codice", Occurs::Once, &CODICE_ERRORE, "Codice."),
        Element::text("tipo", Occurs::Once, &TIPO_ERRORE, "Errore o avviso."),
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
pub static LISTA_ERRORI: StructureType = StructureType {
    name: "ListaErrori",
    elements: &[Element::structure(
        "errore",
        Occurs::Many { at_most: None },
        &ERRORE,
        "Un errore o un avviso.",
    )],
    documentation: "Tutti gli errori e gli avvisi di una richiesta.",
};

/// The five elements with which every answer begins.
pub static ANSWER_HEAD: [Element; 5] = [
    Element::text(
        "identificativoTransazione",
        Occurs::Once,
        &IDENTIFICATIVO_TRANSAZIONE,
        "Identificativo della transazione.",
    ),
    Element::built_in(
        "dataOra",
        Occurs::Once,
        "dateTime",
        "Fine della transazione, con i millisecondi, ora di Roma.",
    ),
    Element::text("esito", Occurs::Once, &ESITO, "Esito della transazione."),
    Element::built_in(
        "descrizioneEsito",
        Occurs::Once,
        "string",
        "Descrizione dell'esito.",
    ),
    Element::structure(
        "listaErrori",
        Occurs::Optional,
        &LISTA_ERRORI,
        "Errori e avvisi, se ce ne sono.",
    ),
];
