//! Answers and the WSDL.
//!
//! Failure here means that an answer is not what its description promises, that a value breaks out of its element, or that the
//! published WSDL changed without anybody meaning it (if it was meant: `UPDATE_DOCUMENTATION=1`, or `make docs`).
#![allow(clippy::unwrap_used)]

mod soap_support;

use std::path::Path;

use sistema_ts::soap::Charset;
use sistema_ts::soap::messages;
use sistema_ts::soap::messages::submission::ANSWER;
use sistema_ts::soap::{
    AnswerHead, AnswerWriter, asks_for_wsdl, body_text, decode, encode_answer, wsdl,
};
use sistema_ts_model::{Cun, Finding, Outcome, Timestamp, TransactionId, Verdict};
use soap_support::LIST_ANSWER;

fn at() -> Timestamp {
    Timestamp::from_millis(1_604_130_000_007).unwrap()
}

fn cun() -> Cun {
    Cun::from_number(1_234_567_890_123).unwrap()
}

#[test]
fn an_answer_is_written_to_the_letter() {
    let findings = [
        Finding::on("esitoTest", Outcome::TestResultUnknown),
        Finding::whole(Outcome::ServiceNotAllowed),
    ];
    let transaction = TransactionId::Uuid(uuid::Uuid::from_u128(
        0x0123_4567_89ab_4def_8123_4567_89ab_cdef,
    ));
    let answer = encode_answer(&ANSWER, &AnswerHead::new(transaction, at(), &findings));
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
         <InvioEsecuzioneTestRicevuta xmlns=\"urn:sistemats:invioEsecuzioneTest:v1\" xmlns:t=\"urn:sistemats:tipi:v1\">\
         <identificativoTransazione>01234567-89ab-4def-8123-456789abcdef</identificativoTransazione>\
         <dataOra>2020-10-31T08:40:00.007+01:00</dataOra><esito>9999</esito>\
         <descrizioneEsito>Operazione non eseguita: si veda listaErrori</descrizioneEsito><listaErrori>\
         <t:errore><t:codice>1312</t:codice><t:tipo>E</t:tipo><t:campo>esitoTest</t:campo>\
         <t:descrizione>Esito del test non previsto: indicare P (positivo) o N (negativo).</t:descrizione></t:errore>\
         <t:errore><t:codice>2001</t:codice><t:tipo>E</t:tipo>\
         <t:descrizione>Servizio non consentito a questo ente o utente: rivolgersi al proprio amministratore di sicurezza.</t:descrizione>\
         </t:errore></listaErrori></InvioEsecuzioneTestRicevuta></soap:Body></soap:Envelope>"
    );
}

#[test]
fn every_outcome_is_read_back_by_the_description_of_the_answer() {
    let findings: Vec<Finding> = Outcome::ALL
        .iter()
        .map(|&outcome| Finding::on("campo", outcome))
        .collect();
    for findings in [
        &findings[..],
        &[],
        &[Finding::whole(Outcome::AlreadyReceived)],
    ] {
        let head = AnswerHead::new(TransactionId::Cun(cun()), at(), findings);
        let answer = encode_answer(&ANSWER, &head);
        let text = body_text(&answer, Charset::Utf8).unwrap();
        let mut fields = decode(&text, &ANSWER).unwrap();
        let mut take = |name| fields.take(ANSWER.node(&[name])).unwrap().to_string();
        assert_eq!(
            take("identificativoTransazione").as_bytes(),
            cun().to_text()
        );
        assert_eq!(take("dataOra").as_bytes(), at().rome_text());
        assert_eq!(take("esito"), Verdict::of(findings).code());
        assert_eq!(take("descrizioneEsito"), Verdict::of(findings).text());
        assert_eq!(
            fields.is_present(ANSWER.node(&["listaErrori"])),
            !findings.is_empty()
        );
        assert_eq!(fields.rows.len(), findings.len());
        for (row, finding) in fields.rows.iter().zip(findings) {
            let texts = row
                .values
                .each_ref()
                .map(|text| text.as_ref().map(|text| text.to_string()));
            assert_eq!(
                texts,
                [
                    Some(finding.outcome.code()),
                    Some(finding.outcome.severity().as_str()),
                    finding.field,
                    Some(finding.outcome.text())
                ]
                .map(|text| text.map(str::to_owned))
            );
        }
    }
}

#[test]
fn a_long_answer_goes_out_in_parts() {
    let mut writer = AnswerWriter::new(&LIST_ANSWER, 256);
    writer.head(&AnswerHead::new(TransactionId::Cun(cun()), at(), &[]));
    let mut sent = writer.take();
    writer.open("listaTest");
    for index in 0..3 {
        writer.open("test");
        if index == 1 {
            writer.open("identificativoStruttura");
            writer.text("codiceRegione", "010");
            writer.text("codiceAsl", "101");
            writer.text("codiceStruttura", "1");
            writer.close();
        } else {
            writer.text("descrizioneStruttura", "</t:test> & \"so\" on\r");
        }
        writer.text("dataPrelievo", "2020-10-30");
        writer.text("identificativoTest", "CUN-AAAAAAAAAA");
        writer.text("dataInserimento", "2020-10-31");
        writer.text("esitoTest", "N");
        writer.text("tipologiaTest", "M");
        writer.close();
        assert!(writer.pending() > 0);
        sent.extend(writer.take());
        assert_eq!(writer.pending(), 0);
    }
    writer.close();
    writer.text("segnalibro", "x");
    sent.extend(writer.finish());
    let sent = String::from_utf8(sent).unwrap();
    let list = &sent[sent.find("<listaTest>").unwrap()..];
    let described = "<t:test><t:descrizioneStruttura>&lt;/t:test&gt; &amp; \"so\" on&#13;</t:descrizioneStruttura>\
                     <t:dataPrelievo>2020-10-30</t:dataPrelievo><t:identificativoTest>CUN-AAAAAAAAAA</t:identificativoTest>\
                     <t:dataInserimento>2020-10-31</t:dataInserimento><t:esitoTest>N</t:esitoTest>\
                     <t:tipologiaTest>M</t:tipologiaTest></t:test>";
    let identified = described.replace(
        "<t:descrizioneStruttura>&lt;/t:test&gt; &amp; \"so\" on&#13;</t:descrizioneStruttura>",
        "<t:identificativoStruttura><t:codiceRegione>010</t:codiceRegione><t:codiceAsl>101</t:codiceAsl>\
         <t:codiceStruttura>1</t:codiceStruttura></t:identificativoStruttura>",
    );
    assert_eq!(
        list,
        format!(
            "<listaTest>{described}{identified}{described}</listaTest><segnalibro>x</segnalibro>\
             </ElencoTestEffettuatiRicevuta></soap:Body></soap:Envelope>"
        )
    );
}

#[cfg(debug_assertions)]
mod wrong_order {
    use super::*;

    #[test]
    #[should_panic(expected = "has no esito here")]
    fn an_element_before_its_time_panics() {
        AnswerWriter::new(&ANSWER, 64).text("esito", "0000");
    }

    #[test]
    #[should_panic(expected = "has no altro here")]
    fn an_element_that_is_not_described_panics() {
        AnswerWriter::new(&ANSWER, 64).text("altro", "");
    }

    #[test]
    #[should_panic(expected = "a required element of errore is missing")]
    fn a_structure_closed_too_early_panics() {
        let mut writer = AnswerWriter::new(&ANSWER, 64);
        writer.head(&AnswerHead::new(TransactionId::random(), at(), &[]));
        writer.open("listaErrori");
        writer.open("errore");
        writer.close();
    }

    #[test]
    #[should_panic(expected = "a required element of InvioEsecuzioneTestRicevuta is missing")]
    fn a_message_finished_too_early_panics() {
        let _ = AnswerWriter::new(&ANSWER, 64).finish();
    }
}

#[test]
fn the_wsdl_is_asked_for_by_its_name_in_any_case_and_by_nothing_else() {
    for query in [
        "wsdl",
        "WSDL",
        "Wsdl=",
        "wsdl=1",
        "a=b&wsdl",
        "singleWsdl",
        "SINGLEWSDL",
    ] {
        assert!(asks_for_wsdl(query), "{query}");
    }
    for query in ["", "a", "wsdls", "x=wsdl", "xsd=wsdl1", "w%73dl"] {
        assert!(!asks_for_wsdl(query), "{query}");
    }
}

#[test]
fn documentation_of_the_wsdls_is_up_to_date() {
    for (service, request, answer) in messages::ALL {
        let name = service.name();
        let address = format!("https://localhost:8443/soap/v1/{name}");
        let expected = wsdl(service, request, answer, &address);
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/wsdl/{name}.wsdl"));
        if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
            std::fs::create_dir_all(page.parent().unwrap()).unwrap();
            std::fs::write(&page, &expected).unwrap();
        }
        assert!(
            std::fs::read_to_string(&page).unwrap_or_default() == expected,
            "docs/wsdl/{name}.wsdl is out of date: run `make docs`"
        );
    }
}

/// The schema of the shared types in a WSDL.
fn shared_schema(wsdl: &str) -> &str {
    let end_tag = "</xs:schema>";
    let schemas: Vec<&str> = wsdl
        .split("<xs:schema ")
        .skip(1)
        .map(|schema| &schema[..schema.find(end_tag).unwrap()])
        .collect();
    assert_eq!(schemas.len(), 2);
    let is_shared = |schema: &&&str| {
        schema
            .lines()
            .next()
            .unwrap()
            .contains(" targetNamespace=\"urn:sistemats:tipi:v1\"")
    };
    schemas.iter().find(is_shared).unwrap()
}

#[test]
fn the_schema_of_the_shared_types_is_the_same_in_every_wsdl_and_whole() {
    let wsdls = messages::ALL.map(|(service, request, answer)| {
        let address = format!("https://localhost/{}", service.name());
        wsdl(service, request, answer, &address)
    });
    let first = shared_schema(&wsdls[0]);
    for wsdl in &wsdls {
        assert_eq!(shared_schema(wsdl), first);
        // Every type that a WSDL uses is in it.
        for used in wsdl.split(" type=\"t:").skip(1) {
            let name = &used[..used.find('"').unwrap()];
            let declared = format!("Type name=\"{name}\"");
            assert_eq!(first.matches(&declared).count(), 1, "{name}");
        }
    }
    // And none that nobody uses.
    for declared in first.split("Type name=\"").skip(1) {
        let name = &declared[..declared.find('"').unwrap()];
        let used = format!("type=\"t:{name}\"");
        assert!(wsdls.iter().any(|wsdl| wsdl.contains(&used)), "{name}");
    }
}

#[test]
fn the_wsdl_keeps_the_style_that_all_toolkits_digest() {
    for (service, request, answer) in messages::ALL {
        let wsdl = wsdl(service, request, answer, "https://h/a?b=\"c\"&d");
        let (name, operation) = (service.element(), service.name());
        for part in [
            format!("targetNamespace=\"urn:sistemats:{operation}:v1\""),
            "targetNamespace=\"urn:sistemats:tipi:v1\" elementFormDefault=\"qualified\"".to_owned(),
            "<xs:import namespace=\"urn:sistemats:tipi:v1\"/>".to_owned(),
            format!("<wsdl:part name=\"richiesta\" element=\"tns:{name}Richiesta\"/>"),
            "<wsdl:part name=\"ricevuta\" element=\"tns:".to_owned(),
            format!("<wsdl:portType name=\"{name}PortType\"><wsdl:operation name=\"{operation}\">"),
            format!("<wsdl:binding name=\"{name}Binding\" type=\"tns:{name}PortType\">"),
            format!(
                "<wsdl:service name=\"{name}Service\"><wsdl:port name=\"{name}Port\" binding=\"tns:{name}Binding\">"
            ),
            format!("soapAction=\"urn:sistemats:{operation}:v1:{operation}\""),
            "location=\"https://h/a?b=&quot;c&quot;&amp;d\"".to_owned(),
        ] {
            assert!(wsdl.contains(&part), "{part} is not in\n{wsdl}");
        }
        for absent in [
            "schemaLocation",
            "xs:choice",
            "xs:enumeration",
            "soap:fault",
            "wsdl:fault",
            "parameters",
        ] {
            assert!(!wsdl.contains(absent), "{absent} is in\n{wsdl}");
        }
        for bound in wsdl.split("maxOccurs=\"").skip(1) {
            assert!(bound.starts_with("unbounded\""), "{bound}");
        }
        let mut names: Vec<&str> = wsdl
            .split("Type name=\"")
            .skip(1)
            .map(|rest| &rest[..rest.find('"').unwrap()])
            .collect();
        let before = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), before, "a type is declared twice");
    }
}

#[test]
fn the_namespace_of_a_message_is_that_of_its_service() {
    for (service, request, answer) in messages::ALL {
        for (message, suffix) in [(request, "Richiesta"), (answer, "Ricevuta")] {
            assert_eq!(
                message.namespace,
                format!("urn:sistemats:{}:v1", service.name())
            );
            assert_eq!(message.element, format!("{}{suffix}", service.element()));
        }
    }
}
