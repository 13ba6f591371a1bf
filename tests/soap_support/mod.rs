//! What the tests of SOAP share: envelopes to write, and descriptions of messages of services that are not built yet, as the
//! contract has them. These show that decoder, encoder and WSDL carry repeated elements, lists inside lists and structures
//! without any change.
#![allow(dead_code, clippy::unwrap_used)]

pub mod writer;

use sistema_ts::soap::Charset;
use sistema_ts::soap::description::{Element, Facet, Message, Occurs, StructureType, TextType};
use sistema_ts::soap::messages::submission::REQUEST;
use sistema_ts::soap::types;
use sistema_ts::soap::{SoapFault, body_text, decode};

/// SOAP 1.1.
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The required elements of a submission.
pub const ELEMENTS: &str = "<s:codiceFiscaleAssistito>F</s:codiceFiscaleAssistito><s:dataPrelievo>D</s:dataPrelievo>\
                        <s:tipologiaTest>M</s:tipologiaTest><s:esitoTest>P</s:esitoTest>";

/// An envelope around the content of a request; `s`, `t`, `e` and `x` are declared.
pub fn envelope(header: &str, content: &str) -> String {
    format!(
        "<e:Envelope xmlns:e='{SOAP}' xmlns:x='http://www.w3.org/2001/XMLSchema-instance' xmlns:t='urn:sistemats:tipi:v1' \
         xmlns:s='urn:sistemats:invioEsecuzioneTest:v1'>{header}<e:Body><s:InvioEsecuzioneTestRichiesta>{content}\
         </s:InvioEsecuzioneTestRichiesta></e:Body></e:Envelope>"
    )
}

/// A whole request with more elements in it.
pub fn with(more: &str) -> String {
    envelope("", &format!("{ELEMENTS}{more}"))
}

/// Reads a body; gives the texts at the paths asked for.
pub fn read(body: &str, paths: &[&[&str]]) -> Result<Vec<Option<String>>, SoapFault> {
    let text = body_text(body.as_bytes(), Charset::Utf8)?;
    let mut fields = decode(&text, &REQUEST)?;
    Ok(paths
        .iter()
        .map(|path| fields.take(REQUEST.node(path)).map(|text| text.to_string()))
        .collect())
}

const LIST_NAMESPACE: &str = "urn:sistemats:elencoTestEffettuati:v1";

/// `elencoTestEffettuati` (§2.4.3).
pub static LIST_REQUEST: Message = Message {
    element: "ElencoTestEffettuatiRichiesta",
    namespace: LIST_NAMESPACE,
    elements: &[
        Element::text(
            "tipoAutenticazione",
            Occurs::Optional,
            &types::AUTHENTICATION_KIND,
            "-",
        ),
        Element::text("pinCode", Occurs::Optional, &types::PIN_CODE, "-"),
        Element::structure(
            "identificativoStruttura",
            Occurs::Optional,
            &types::STRUCTURE_ID,
            "-",
        ),
        Element::text(
            "descrizioneStruttura",
            Occurs::Optional,
            &types::STRUCTURE_DESCRIPTION,
            "-",
        ),
        Element::built_in("dataInizioIntervallo", Occurs::Once, "date", "-"),
        Element::built_in("dataFineIntervallo", Occurs::Once, "date", "-"),
        Element::text("tipologiaTest", Occurs::Once, &types::TEST_KIND, "-"),
        Element::text(
            "identificativoUtente",
            Occurs::Once,
            &types::CODICE_FISCALE,
            "-",
        ),
        Element::built_in("massimoElementi", Occurs::Optional, "int", "-"),
        Element::built_in("segnalibro", Occurs::Optional, "string", "-"),
    ],
    documentation: "-",
};

const _: () = LIST_REQUEST.assert_decodable();

static TEST: StructureType = StructureType {
    name: "Test",
    elements: &[
        Element::structure(
            "identificativoStruttura",
            Occurs::Optional,
            &types::STRUCTURE_ID,
            "-",
        ),
        Element::text(
            "descrizioneStruttura",
            Occurs::Optional,
            &types::STRUCTURE_DESCRIPTION,
            "-",
        ),
        Element::built_in("dataPrelievo", Occurs::Once, "date", "-"),
        Element::text(
            "identificativoTest",
            Occurs::Once,
            &types::TRANSACTION_ID,
            "-",
        ),
        Element::built_in("dataInserimento", Occurs::Once, "date", "-"),
        Element::text("esitoTest", Occurs::Once, &types::TEST_RESULT, "-"),
        Element::text("tipologiaTest", Occurs::Once, &types::TEST_KIND, "-"),
    ],
    documentation: "-",
};

static TEST_LIST: StructureType = StructureType {
    name: "ListaTest",
    elements: &[Element::structure("test", Occurs::Many, &TEST, "-")],
    documentation: "-",
};

/// The answer of `elencoTestEffettuati`; its head is that of every answer.
pub static LIST_ANSWER: Message = Message {
    element: "ElencoTestEffettuatiRicevuta",
    namespace: LIST_NAMESPACE,
    elements: &[
        Element::text(
            "identificativoTransazione",
            Occurs::Once,
            &types::TRANSACTION_ID,
            "-",
        ),
        Element::built_in("dataOra", Occurs::Once, "dateTime", "-"),
        Element::text("esito", Occurs::Once, &types::VERDICT_CODE, "-"),
        Element::built_in("descrizioneEsito", Occurs::Once, "string", "-"),
        Element::structure("listaErrori", Occurs::Optional, &types::FINDING_LIST, "-"),
        Element::structure("listaTest", Occurs::Optional, &TEST_LIST, "-"),
        Element::built_in("segnalibro", Occurs::Optional, "string", "-"),
    ],
    documentation: "-",
};

static KEY: TextType = TextType {
    name: "Chiave",
    facets: &[Facet::MaxLength(64)],
    documentation: "-",
};

static OPTION: StructureType = StructureType {
    name: "Opzione",
    elements: &[
        Element::text("chiave", Occurs::Once, &KEY, "-"),
        Element::text("valore", Occurs::Once, &KEY, "-"),
    ],
    documentation: "-",
};

static OPTIONS: StructureType = StructureType {
    name: "Opzioni",
    elements: &[Element::structure("opzione", Occurs::Many, &OPTION, "-")],
    documentation: "-",
};

/// `confermaSbloccoImmuni` (§3.3.3), with a repeated leaf beside its list of options.
pub static CONFIRM_REQUEST: Message = Message {
    element: "ConfermaSbloccoImmuniRichiesta",
    namespace: "urn:sistemats:confermaSbloccoImmuni:v1",
    elements: &[
        Element::text(
            "tipoAutenticazione",
            Occurs::Optional,
            &types::AUTHENTICATION_KIND,
            "-",
        ),
        Element::built_in("cun", Occurs::Once, "string", "-"),
        Element::structure("opzioni", Occurs::Optional, &OPTIONS, "-"),
        Element::built_in("nota", Occurs::Many, "string", "-"),
    ],
    documentation: "-",
};

const _: () = CONFIRM_REQUEST.assert_decodable();

/// The values that the server reads from a body, in the order of [`writer::ELEMENTS`].
pub fn read_all(body: &[u8]) -> Result<Vec<Option<String>>, SoapFault> {
    const PATHS: [&[&str]; 13] = [
        &["tipoAutenticazione"],
        &["pinCode"],
        &["identificativoRichiesta"],
        &["identificativoStruttura", "codiceRegione"],
        &["identificativoStruttura", "codiceAsl"],
        &["identificativoStruttura", "codiceStruttura"],
        &["descrizioneStruttura"],
        &["codiceFiscaleAssistito"],
        &["dataPrelievo"],
        &["tipologiaTest"],
        &["esitoTest"],
        &["numeroCellulare"],
        &["contattoEmail"],
    ];
    let text = body_text(body, Charset::Unstated)?;
    let mut fields = decode(&text, &REQUEST)?;
    let mut take = |path| fields.take(REQUEST.node(path)).map(|text| text.to_string());
    Ok(PATHS.into_iter().map(&mut take).collect())
}
