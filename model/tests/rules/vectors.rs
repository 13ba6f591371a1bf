//! Codes judged by Immuni's own test suites, apps and backends (`../data/README.md` says where they come from).
//! A failure is one row that our types or our check symbol judge otherwise, a row that is not understood, or a kind of
//! which there are fewer rows than there were.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use sistema_ts_model::{Cun, Otp, check_symbol};

struct Row {
    kind: String,
    code: String,
    valid: bool,
    comment: String,
}

fn rows() -> Vec<Row> {
    let mut lines = include_str!("../data/immuni-vectors.csv").lines();
    assert_eq!(lines.next(), Some("kind,code,valid,comment"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, ',').collect();
            assert_eq!(fields.len(), 4, "{line}");
            Row {
                kind: fields[0].to_owned(),
                code: fields[1].replace("\\u0000", "\0"),
                valid: match fields[2] {
                    "true" => true,
                    "false" => false,
                    other => panic!("valid is {other}: {line}"),
                },
                comment: fields[3].to_owned(),
            }
        })
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_code_of_immunis_vectors_is_judged_as_immuni_judges_it() {
    let mut counts = BTreeMap::new();
    for Row {
        kind,
        code,
        valid,
        comment,
    } in rows()
    {
        let context = format!("{kind} {code:?}: {comment}");
        match kind.as_str() {
            "otp" => assert_eq!(Otp::parse(&code).is_ok(), valid, "{context}"),
            "cun" => {
                assert_eq!(Cun::parse_bare(&code).is_ok(), valid, "{context}");
                assert_eq!(
                    Cun::parse(&format!("CUN-{code}")).is_ok(),
                    valid,
                    "{context}"
                );
            }
            "cun-wide" => {
                let code: [u8; 10] = code.as_bytes().try_into().unwrap();
                let expected = check_symbol(code.first_chunk().unwrap());
                assert_eq!(expected == Some(code[9]), valid, "{context}");
                let code = std::str::from_utf8(&code).unwrap();
                assert!(
                    Cun::parse_bare(code).is_err() && Otp::parse(code).is_err(),
                    "{context}"
                );
            }
            "otp-token" => {
                let otp = Otp::parse(&code).unwrap();
                let hash =
                    hexadecimal(digest::digest(&digest::SHA256, otp.expose().as_bytes()).as_ref());
                assert!(
                    valid && comment.ends_with(&format!("= {hash}")),
                    "{context}"
                );
            }
            "cun-token" => {
                let hash = hexadecimal(&Cun::parse(&code).unwrap().digest());
                assert!(
                    valid && comment.ends_with(&format!("= {hash}")),
                    "{context}"
                );
            }
            _ => panic!("unknown kind: {context}"),
        }
        *counts.entry(kind).or_insert(0) += 1;
    }
    let expected = [
        ("cun", 57),
        ("cun-token", 6),
        ("cun-wide", 21),
        ("otp", 107),
        ("otp-token", 3),
    ]
    .map(|(k, n)| (k.to_owned(), n));
    assert_eq!(counts, BTreeMap::from(expected));
}
