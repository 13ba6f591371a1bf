//! Listings.
//!
//! A failure: a listing that was cut off, out of order or with other tests than expected passes, a bookmark is not followed, or a
//! reader is faster than it was told to be.

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_loadtest::{Listing, ListingReport, list};

use super::server::{Behaviour, Reply, Server, cun};

fn page(numbers: std::ops::Range<u64>, bookmark: Option<&str>) -> String {
    let tests: String = numbers
        .map(|number| {
            format!(
                "<test><identificativoTest>{}</identificativoTest><dataInserimento>2022-01-{:02}</dataInserimento></test>",
                cun(number),
                number + 1
            )
        })
        .collect();
    let bookmark = bookmark.map_or(String::new(), |bookmark| {
        format!("<segnalibro>{bookmark}</segnalibro>")
    });
    format!("<a><esito>0000</esito><listaTest>{tests}</listaTest>{bookmark}</a>")
}

fn listing(server: &Server) -> Listing {
    let answers: String = (0..20)
        .map(|number| format!("{}\tN\t-\n", cun(number)))
        .collect();
    let expected = server.path("expected");
    std::fs::write(&expected, answers).unwrap();
    Listing {
        operator: "RSSMRA80A01H501U".into(),
        from: "2022-01-01".into(),
        to: "2022-01-31".into(),
        maximum: Some(10),
        readers: 1,
        bytes_per_second: None,
        answer_limit: Duration::from_secs(10),
        server_pid: Some(std::process::id()),
        expected: Some(expected),
    }
}

fn run(server: &Server, listing: &Listing) -> ListingReport {
    list(&server.target("client"), listing).unwrap()
}

/// A listing of two answers, whatever the number of readers.
fn two_answers(behaviour: impl Fn(String) -> Reply + Send + Sync + 'static) -> Arc<Behaviour> {
    Arc::new(move |number| {
        if number == 1 {
            behaviour(page(0..10, Some("second")))
        } else {
            behaviour(page(10..20, None))
        }
    })
}

#[test]
fn a_listing_is_followed_to_its_end_and_its_tests_are_known_again() {
    let server = Server::start(0, two_answers(Reply::ChunkedBody));
    let report = run(&server, &listing(&server));
    assert!(report.passed(), "{report}");
    assert_eq!((report.tests, report.answers), (20, 2));
    assert!(report.server_memory_kib.is_some() && report.bytes > 1_000);
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].contains("<urn:identificativoUtente>RSSMRA80A01H501U<"));
    assert!(requests[0].contains("<urn:dataInizioIntervallo>2022-01-01<"));
    assert!(requests[0].contains("<urn:massimoElementi>10<"));
    assert!(!requests[0].contains("segnalibro"));
    assert!(requests[1].contains("<urn:segnalibro>second<"));
}

#[test]
fn what_is_wrong_is_told() {
    let cases: [(Arc<Behaviour>, &str); 6] = [
        (
            Arc::new(|number| {
                if number == 1 {
                    Reply::Body(page(0..10, Some("second")))
                } else {
                    Reply::HalfBody(page(10..20, None))
                }
            }),
            "an answer cut off: unexpected end of file",
        ),
        (
            Arc::new(|_| Reply::Body(page(0..19, None))),
            "listing of other tests than were expected",
        ),
        (
            Arc::new(|number| {
                if number == 1 {
                    Reply::Body(page(10..20, Some("second")))
                } else {
                    Reply::Body(page(0..10, None))
                }
            }),
            "test earlier than the one before it",
        ),
        (
            Arc::new(|_| Reply::Body(page(0..10, Some("same")))),
            "a bookmark that leads to itself",
        ),
        (Arc::new(|_| Reply::Refuse(&["2005"])), "outcome 9999 2005"),
        (
            Arc::new(|_| {
                Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            }),
            "HTTP 503",
        ),
    ];
    for (behaviour, wrong) in cases {
        let server = Server::start(0, behaviour);
        let report = run(&server, &listing(&server));
        assert!(!report.passed());
        assert!(report.wrong.contains_key(wrong), "{wrong}: {report}");
    }
}

#[test]
fn a_slow_reader_is_slow() {
    let server = Server::start(0, Arc::new(|_| Reply::Body(page(0..20, None))));
    let mut listing = listing(&server);
    listing.readers = 2;
    listing.bytes_per_second = Some(4_000);
    let report = run(&server, &listing);
    assert!(report.passed(), "{report}");
    assert_eq!((report.tests, report.answers), (40, 2));
    // Each has over 2,000 bytes to read.
    assert!(report.seconds > 0.4, "{report}");
}
