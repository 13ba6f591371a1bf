//! Requests as real toolkits send them (`tests/data/client-requests/`, whose README says which are to be read).
//!
//! Failure here means that a toolkit which people use cannot talk to the server, or that a request to be refused is not
//! refused with the status and the reason that its README gives.
#![allow(clippy::unwrap_used)]

mod soap_support;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use sistema_ts::services::call::{Call, Permits};
use sistema_ts::services::submission;
use sistema_ts::services::submission::rules::Request;
use sistema_ts::soap::messages::submission::REQUEST;
use sistema_ts::soap::{Malformed, SoapFault, body_text, decode};
use sistema_ts::soap::{MediaTypeError, check_media_type};
use sistema_ts_model::{Caller, Finding, Outcome, RegionCode, Timestamp};

/// Headers and body of one recorded request.
struct Recorded {
    headers: HeaderMap,
    body: Vec<u8>,
}

fn recorded() -> BTreeMap<String, Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/client-requests");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "http")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, read_recorded(&std::fs::read(path).unwrap()))
        })
        .collect()
}

fn read_recorded(bytes: &[u8]) -> Recorded {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&bytes[..end])
        .unwrap()
        .split("\r\n")
        .skip(1)
    {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value.trim()).unwrap(),
        );
    }
    let mut body = bytes[end + 4..].to_vec();
    if let Some(length) = headers.get("content-length") {
        body.truncate(length.to_str().unwrap().parse().unwrap());
    } else {
        body = unchunk(&body);
    }
    Recorded { headers, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[line + 2..][..size]);
        bytes = &bytes[line + 2 + size + 2..];
    }
}

/// What the server would make of the request, sent by region 010 on 31 October 2020.
fn judge(recorded: &Recorded) -> Result<Result<Request, Vec<Finding>>, SoapFault> {
    let charset = check_media_type(&recorded.headers)?;
    let text = body_text(&recorded.body, charset)?;
    let call = Call {
        caller: Caller::Region(RegionCode::parse("010").unwrap()),
        user: None,
        at: Timestamp::from_millis_clamped(1_604_150_000_000),
        client_address: Ipv4Addr::LOCALHOST.into(),
        permits: Permits::default(),
    };
    Ok(submission::rules::judge(decode(&text, &REQUEST)?, &call).request)
}

#[test]
fn every_recorded_request_is_read_or_refused_as_its_readme_says() {
    const TAKEN: [&str; 18] = [
        "apex",
        "apex-chunked",
        "axis1",
        "curl",
        "curl-chunked-expect",
        "curl-http10",
        "cxf",
        "cxf-tls",
        "cxf-zoned-date",
        "gowsdl",
        "gsoap",
        "metro",
        "mono-wsdl",
        "node-soap",
        "perl-soaplite",
        "php",
        "php-latin1",
        "php-timestamp-date",
    ];
    let mut recorded = recorded();
    recorded.retain(|name, _| !name.ends_with(".elenco"));
    assert_eq!(recorded.len(), 29);
    for (name, request) in recorded {
        let judged = judge(&request);
        match name.as_str() {
            name if TAKEN.contains(&name) || name == "zeep" => {
                let submission = judged
                    .unwrap_or_else(|fault| panic!("{name}: {fault}"))
                    .unwrap();
                assert_eq!(submission.swab.fiscal_code.expose(), "RSSMRA80A01H501U");
                assert_eq!(submission.swab.swab_date.to_string(), "2020-10-30");
                if name == "php-latin1" {
                    assert_eq!(
                        submission.swab.structure,
                        sistema_ts_model::StructureReference::Description(
                            sistema_ts_model::StructureDescription::parse("città").unwrap()
                        )
                    );
                }
            }
            "php-both" | "axis1-utf8" => assert_eq!(
                judged.unwrap().unwrap_err(),
                [Finding::on("descrizioneStruttura", Outcome::StructureTwice)],
                "{name}"
            ),
            name => {
                let (fault, status) = match name {
                    "php-gzip" => (SoapFault::MediaType(MediaTypeError::Encoding), 415),
                    "php-soap12" | "node-soap12" => {
                        (SoapFault::MediaType(MediaTypeError::Soap12), 415)
                    }
                    "mono-wcf-mtom" => (SoapFault::MediaType(MediaTypeError::Multipart), 415),
                    "curl-d-default-content-type" => {
                        (SoapFault::MediaType(MediaTypeError::NotXml), 415)
                    }
                    "php-nowsdl" => {
                        let fault = judged.clone().unwrap_err();
                        assert!(
                            matches!(
                                fault,
                                SoapFault::Malformed {
                                    problem: Malformed::UndeclaredPrefix,
                                    ..
                                }
                            ),
                            "{fault:?}"
                        );
                        (fault, 500)
                    }
                    "mono-wcf" => (
                        SoapFault::WrongNamespace {
                            element: REQUEST.element,
                            namespace: REQUEST.namespace,
                        },
                        500,
                    ),
                    "perl-soaplite-wsdl" => (
                        SoapFault::UnknownOperation {
                            expected: REQUEST.element,
                            namespace: REQUEST.namespace,
                        },
                        500,
                    ),
                    other => panic!("{other} is not in the README"),
                };
                assert_eq!(judged.unwrap_err(), fault, "{name}");
                assert_eq!(fault.on_wire().status, status, "{name}");
            }
        }
    }
}

#[test]
fn soap_1_2_is_refused_with_a_clear_text_whatever_its_media_type() {
    let recorded = recorded();
    for name in ["php-soap12", "node-soap12"] {
        let text = body_text(&recorded[name].body, sistema_ts::soap::Charset::Utf8).unwrap();
        let fault = decode(&text, &REQUEST).unwrap_err();
        assert_eq!(fault, SoapFault::Soap12);
        assert!(fault.on_wire().text.contains("SOAP 1.2"));
    }
}

#[test]
fn recorded_listings_are_read_with_the_values_that_were_sent() {
    let mut recorded = recorded();
    recorded.retain(|name, _| name.ends_with(".elenco"));
    assert_eq!(recorded.len(), 8);
    let node = |name: &str| soap_support::LIST_REQUEST.node(&[name]);
    for (name, request) in recorded {
        let charset = check_media_type(&request.headers).unwrap();
        let text = body_text(&request.body, charset).unwrap();
        let mut fields = decode(&text, &soap_support::LIST_REQUEST)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut take = |name| fields.take(node(name)).map(|text| text.to_string());
        assert_eq!(
            take("dataInizioIntervallo").as_deref(),
            Some("2020-10-01"),
            "{name}"
        );
        assert_eq!(
            take("dataFineIntervallo").as_deref(),
            Some("2020-10-31"),
            "{name}"
        );
        assert_eq!(take("tipologiaTest").as_deref(), Some("M"), "{name}");
        assert_eq!(
            take("identificativoUtente").as_deref(),
            Some("RSSMRA80A01H501U"),
            "{name}"
        );
        // By certificate this is the mistake that the answer tells.
        assert_eq!(take("tipoAutenticazione"), None, "{name}");
    }
}
