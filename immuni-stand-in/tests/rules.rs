//! The stand-in's answers against the table of what the real service answers.
//!
//! A failure means that what works with the stand-in may not work with the real backend, or the other way round.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use immuni_stand_in::rules::{Answer, code_of};
use immuni_stand_in::{StandIn, StandInSettings};
use proptest::prelude::*;
use sistema_ts_model::{ALPHABET, ManualClock, Timestamp, check_symbol};

const JSON: Option<&str> = Some("application/json; charset=utf-8");

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 6, 10).unwrap()
}

fn otp(body: [u8; 9]) -> String {
    let check = check_symbol(&body).unwrap();
    let mut text = String::from_utf8(body.to_vec()).unwrap();
    text.push(check as char);
    text
}

fn symbols() -> impl Strategy<Value = [u8; 9]> {
    let symbols: Vec<u8> = ALPHABET.to_vec();
    prop::array::uniform9(prop::sample::select(symbols))
}

fn answer(content_type: Option<&str>, body: &str) -> Answer {
    code_of(content_type, body.as_bytes(), today())
        .map_or_else(|answer| answer, |_| Answer::Authorised)
}

#[test]
fn each_request_gets_the_answer_of_the_table() {
    let good = r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-01"}"#;
    let schema = Answer::NotCompliant;
    let not_json = Answer::NotJson;
    for (content_type, body, expected) in [
        (JSON, good, Answer::Authorised),
        (Some("application/json"), good, Answer::Authorised),
        (
            Some("Application/JSON; charset=UTF-8"),
            good,
            Answer::Authorised,
        ),
        // To the letter.
        (Some("application/json;charset=utf-8"), good, schema),
        (Some("application/json; charset=iso-8859-1"), good, schema),
        (Some("text/plain"), good, schema),
        (None, good, schema),
        // The body is read before its type is looked at.
        (Some("text/plain"), "{", not_json),
        (JSON, "{", not_json),
        (JSON, "otp=59FU36KR46", not_json),
        (JSON, "", schema),
        (JSON, "null", schema),
        (JSON, "[]", schema),
        (JSON, "\"59FU36KR46\"", schema),
        (JSON, "{}", schema),
        (JSON, r#"{"otp":"59FU36KR46"}"#, schema),
        (JSON, r#"{"symptoms_started_on":"2020-06-01"}"#, schema),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-01","more":1}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":null,"symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":null}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":5936364646,"symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR47","symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59fu36kr46","symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR4","symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46 ","symptoms_started_on":"2020-06-01"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"01/06/2020"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-31"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-01T00:00:00"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-6-1"}"#,
            Answer::Authorised,
        ),
        // The window: today to 180 days ago.
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-10"}"#,
            Answer::Authorised,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-11"}"#,
            schema,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2019-12-13"}"#,
            Answer::Authorised,
        ),
        (
            JSON,
            r#"{"otp":"59FU36KR46","symptoms_started_on":"2019-12-12"}"#,
            schema,
        ),
    ] {
        assert_eq!(
            answer(content_type, body),
            expected,
            "{content_type:?} {body}"
        );
    }
}

#[test]
fn each_answer_has_the_backends_body_to_the_letter() {
    for (answer, status, body) in [
        (Answer::Authorised, 204, ""),
        (
            Answer::AlreadyAuthorised,
            409,
            r#"{"error_code": 1400, "message": "OTP already authorized."}"#,
        ),
        (
            Answer::NotCompliant,
            400,
            r#"{"error_code": 1001, "message": "Request not compliant with the defined schema."}"#,
        ),
        (
            Answer::NotFound,
            404,
            r#"{"error_code": 1000, "message": "An unknown error occurred."}"#,
        ),
    ] {
        assert_eq!((answer.status(), answer.body()), (status, body));
    }
}

proptest! {
    #[test]
    fn every_right_code_in_the_window_is_taken(body in symbols(), back in 0_u64..=180) {
        let date = today().checked_sub_days(Days::new(back)).unwrap();
        let text = format!(r#"{{"otp":"{}","symptoms_started_on":"{date}"}}"#, otp(body));
        prop_assert_eq!(answer(JSON, &text), Answer::Authorised);
    }

    #[test]
    fn no_day_outside_the_window_is_taken(body in symbols(), back in 181_u64..4_000, ahead in 1_u64..4_000) {
        for date in [today() - Days::new(back), today() + Days::new(ahead)] {
            let text = format!(r#"{{"otp":"{}","symptoms_started_on":"{date}"}}"#, otp(body));
            prop_assert_eq!(answer(JSON, &text), Answer::NotCompliant);
        }
    }

    #[test]
    fn no_wrong_check_symbol_is_taken(body in symbols(), other in 0_usize..25) {
        let right = otp(body);
        let mut wrong = right.clone();
        wrong.pop();
        wrong.push(ALPHABET[other] as char);
        prop_assume!(wrong != right);
        let text = format!(r#"{{"otp":"{wrong}","symptoms_started_on":"2020-06-01"}}"#);
        prop_assert_eq!(answer(JSON, &text), Answer::NotCompliant);
    }

    #[test]
    fn any_body_is_judged_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = code_of(JSON, &body, today());
    }
}

/// Sends one request over a connection of its own and gives status, head and body.
async fn call(address: SocketAddr, head: &str, body: &str) -> (u16, String, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: immuni\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("an answer")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn an_authorised_code_is_refused_until_it_expires_and_then_stored_again() {
    let noon = 1_591_790_400_000;
    let clock = ManualClock::new(Timestamp::from_millis_clamped(noon));
    let backend = StandIn::start(StandInSettings {
        clock: Arc::new(clock.clone()),
        ..StandInSettings::default()
    })
    .await
    .unwrap();
    let body = r#"{"otp":"59FU36KR46","symptoms_started_on":"2020-06-01"}"#;
    let (status, head, text) = call(backend.address, "POST /v1/otp", body).await;
    assert_eq!((status, &*text), (204, ""));
    assert!(head.contains("cache-control: no-store"), "{head}");
    clock.advance_millis(149_999);
    let (status, head, text) = call(backend.address, "POST /v1/otp", body).await;
    assert_eq!((status, &*text), (409, Answer::AlreadyAuthorised.body()));
    assert!(
        head.contains("content-type: application/json; charset=utf-8"),
        "{head}"
    );
    clock.advance_millis(1);
    assert_eq!(call(backend.address, "POST /v1/otp", body).await.0, 204);
    let unknown = Answer::NotFound.body();
    for (head, status, text) in [
        ("GET /v1/otp", 405, unknown),
        ("PUT /v1/otp", 405, unknown),
        ("POST /v1/otp/x", 404, unknown),
        ("POST /", 405, unknown),
        ("GET /", 200, ""),
    ] {
        let (got, _, body) = call(backend.address, head, "").await;
        assert_eq!((got, &*body), (status, text), "{head}");
    }
    let counts = backend.authorisations().counts();
    assert_eq!(
        (counts.requests, counts.stored, counts.conflicts),
        (3, 2, 1)
    );
    assert_eq!(backend.authorisations().posts("59FU36KR46"), 3);
    assert_eq!(backend.authorisations().stored("59FU36KR46"), 2);
}

#[tokio::test]
async fn a_fault_that_is_switched_on_over_http_lasts_its_number_of_requests() {
    let backend = StandIn::start(StandInSettings::default()).await.unwrap();
    let behaviour = r#"{"fault":{"status":404},"times":1}"#;
    let (status, _, answer) = call(backend.control, "PUT /behaviour", behaviour).await;
    assert_eq!(status, 200, "{answer}");
    let today = chrono::Utc::now().date_naive();
    let body = format!(r#"{{"otp":"59FU36KR46","symptoms_started_on":"{today}"}}"#);
    assert_eq!(call(backend.address, "POST /v1/otp", &body).await.0, 404);
    assert_eq!(call(backend.address, "POST /v1/otp", &body).await.0, 204);
}
