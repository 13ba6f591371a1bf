//! Long listings (§2.4.3), longer than fits what is known before the first byte. A failure means that paging and one long answer tell different
//! things, that a test answered before is missing or comes twice, that an answer that broke off can be taken for the whole, that a client which
//! does not read costs more than its place and a page, or that a server which stops cuts off who still reads.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use futures_util::future::join_all;
use sistema_ts_model::{
    CodiceFiscale, FirstSymbol, Service, StructureDescription, StructureId, StructureReference,
    SystemClock, TestResult, Verdict,
};
use sistema_ts_store::failing::{Fault, Operation};
use sistema_ts_store::{AccessQuery, NewTest, RecordOutcome, ReservedCun, Store, samples};

use crate::support::installation::{OPERATOR, STRUCTURE, copy_folder};
use crate::support::{
    Installation, Message, Reply, Server, Session, StoreFaults, Submission, runtime, until,
};

/// Tests that are there: more than two answers of the usual length, and an answer of more bytes than the sockets between hold.
const TESTS: usize = 60_000;
/// Tests in an answer, unless the request says otherwise.
const USUAL: usize = 25_000;
/// Tests that are recorded together: those of one batch come in any order, but after all of the one before.
const BATCH: usize = 500;
/// The most that all clients that do not read may cost together, in bytes: less than the answer of one of them.
const GROWTH: u64 = 12 << 20;

/// An installation of which [`TESTS`] tests of region 010 were communicated today, and the batch of each code.
struct Filled {
    installation: Installation,
    batches: HashMap<String, usize>,
}

fn filled() -> &'static Filled {
    static FILLED: OnceLock<Filled> = OnceLock::new();
    FILLED.get_or_init(|| {
        let installation = Installation::new();
        let batches = runtime().block_on(fill(installation.store().as_ref()));
        Filled {
            installation,
            batches,
        }
    })
}

/// A copy that is the test's own.
fn copy() -> Installation {
    let copy = Installation::new();
    copy_folder(&filled().installation.path("data"), &copy.path("data"));
    std::fs::remove_dir_all(copy.path("keys")).unwrap();
    copy_folder(&filled().installation.path("keys"), &copy.path("keys"));
    copy
}

async fn fill(store: &dyn Store) -> HashMap<String, usize> {
    let mut batches = HashMap::new();
    for batch in 0..TESTS / BATCH {
        let first = FirstSymbol::random(&mut rand::rng());
        let codes = store.reserve(first, BATCH).await.unwrap();
        assert_eq!(codes.len(), BATCH);
        let recorded = codes
            .into_iter()
            .enumerate()
            .map(|(number, code)| store.record_test(test(batch * BATCH + number, code)));
        for outcome in join_all(recorded).await {
            let RecordOutcome::Recorded { cun, .. } = outcome.unwrap() else {
                panic!("a test without a receipt is always new");
            };
            batches.insert(cun.to_string(), batch);
        }
    }
    batches
}

fn test(number: usize, reserved: ReservedCun) -> NewTest {
    use sistema_ts_model::Clock as _;
    let structure = if number.is_multiple_of(3) {
        StructureReference::Description(StructureDescription::parse("Drive-in di prova").unwrap())
    } else {
        StructureReference::Identifier(StructureId::parse(STRUCTURE).unwrap())
    };
    let result = if number.is_multiple_of(7) {
        TestResult::Positive
    } else {
        TestResult::Negative
    };
    let person = u32::try_from(number).unwrap();
    let mut test = samples::new_test(reserved, person, result, SystemClock.now());
    test.swab.structure = structure;
    test
}

fn at_most(maximum: usize) -> Message {
    Message::listing().with("massimoElementi", maximum.to_string())
}

fn codes_of(reply: &Reply) -> Vec<String> {
    reply
        .values("identificativoTest")
        .map(str::to_owned)
        .collect()
}

/// All codes of a listing that is asked for in answers of so many tests, `None` the usual number.
fn walk(session: &mut Session, maximum: Option<usize>) -> Vec<String> {
    let request = maximum.map_or_else(Message::listing, at_most);
    let (mut codes, mut next) = (Vec::new(), request.clone());
    loop {
        let reply = session.ask(&next);
        assert_eq!(reply.status(), 200, "{reply:?}");
        let page = codes_of(&reply);
        let bookmark = reply.value("segnalibro").to_owned();
        let told = (reply.outcome(), reply.findings());
        let most = maximum.unwrap_or(USUAL);
        if bookmark.is_empty() {
            assert_eq!(told, ("0000", vec![]));
            assert!(page.len() <= most);
        } else {
            // Beyond the usual length it is not known before the first byte.
            let expected = if most <= USUAL {
                ("0001", vec!["1611"])
            } else {
                ("0000", vec![])
            };
            assert_eq!((told, page.len()), (expected, most));
        }
        codes.extend(page);
        if bookmark.is_empty() {
            return codes;
        }
        next = request.clone().with("segnalibro", bookmark);
    }
}

/// Asks, and waits until an answer comes without reading it: what TLS itself sends at the start is shorter.
fn ask_and_not_read(session: &mut Session, message: &Message) {
    session.send(message).unwrap();
    let mut bytes = vec![0; 32 * 1024];
    until("the answer begins", || {
        session.client.stream.sock.peek(&mut bytes).unwrap() > 16 * 1024
    });
}

fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1_024
}

fn in_flight(server: &Server) -> f64 {
    server.metric("sistema_ts_requests_in_flight", &[])
}

#[test]
fn answers_of_any_length_tell_the_same_in_the_order_of_communication() {
    let installation = copy();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let whole = walk(&mut region, Some(1_000_000));
    assert_eq!(whole.len(), TESTS);
    let batches = &filled().batches;
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), TESTS);
    assert!(whole.iter().all(|code| batches.contains_key(code)));
    assert!(whole.is_sorted_by_key(|code| batches[code]));
    for maximum in [None, Some(9_999), Some(USUAL), Some(USUAL + 1), Some(TESTS)] {
        assert!(walk(&mut region, maximum) == whole, "{maximum:?}");
    }
}

#[test]
fn a_listing_beside_submissions_has_all_that_were_answered_before_and_is_the_beginning_of_every_later_one()
 {
    const LISTINGS: usize = 12;
    let installation = Installation::new();
    let server = Server::start(&installation);
    let region = || Session::region(&installation, &server, "010");
    let (answered, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        for submitter in 0..3_usize {
            let (answered, is_over, mut session) = (&answered, &is_over, region());
            scope.spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let submission = Submission::about(submitter * 300_000 + number);
                    let code = session.submitted(&submission);
                    answered.lock().unwrap().push(code);
                }
            });
        }
        // However it ends, the submitters end as well.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _over = Over(&is_over);
        let mut session = region();
        for number in 0..LISTINGS {
            let more = answered.lock().unwrap().len() + 20;
            until("there is more", || answered.lock().unwrap().len() >= more);
            let before = answered.lock().unwrap().clone();
            let maximum = [7, 40, USUAL + 1][number % 3];
            found.push((before, walk(&mut session, Some(maximum))));
        }
    });
    let all = walk(&mut region(), None);
    let known: BTreeSet<String> = answered.into_inner().unwrap().into_iter().collect();
    assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(all.len(), known.len(), "one comes twice");
    for (before, listed) in &found {
        assert_eq!(listed[..], all[..listed.len()]);
        let listed: BTreeSet<_> = listed.iter().collect();
        assert!(before.iter().all(|code| listed.contains(code)));
    }
}

#[test]
fn who_does_not_read_costs_a_place_and_a_page_and_gets_the_whole_in_the_end() {
    const SLOW: usize = 4;
    let installation = copy();
    let settings = [("LIMITS__WRITE_STALL_TIMEOUT_SECONDS", "120")];
    let server = Server::start_with(&installation, &settings);
    let mut quick = Session::region(&installation, &server, "010");
    // What the first of its kind takes for good is no matter here.
    let whole = walk(&mut quick, Some(1_000_000));
    let before = resident(&server);
    let mut slow: Vec<_> = (0..SLOW)
        .map(|_| Session::region(&installation, &server, "010"))
        .collect();
    for session in &mut slow {
        ask_and_not_read(session, &at_most(1_000_000));
    }
    assert!(walk(&mut quick, Some(1_000_000)) == whole);
    assert_eq!(in_flight(&server), SLOW as f64, "one was sent already");
    let growth = resident(&server).saturating_sub(before);
    assert!(growth < GROWTH, "{growth} bytes");
    for session in &mut slow {
        let reply = Reply(session.client.answer());
        assert!(reply.0.body.len() as u64 > GROWTH, "less than is allowed");
        assert!(codes_of(&reply) == whole);
    }
    until("all places are free", || in_flight(&server) == 0.0);
}

#[test]
fn a_listing_holds_its_place_until_its_last_byte_or_its_clients_leave() {
    let installation = copy();
    let settings = [("LIMITS__WRITE_STALL_TIMEOUT_SECONDS", "120")];
    let server = Server::start_with(&installation, &settings);
    let region = || Session::region(&installation, &server, "010");
    let mut held = Vec::new();
    let mut last = loop {
        let mut next = region();
        let reply = next.ask(&at_most(1));
        if reply.is_unavailable() {
            break next;
        }
        assert_eq!(reply.told(), (200, "0001"));
        assert!(held.len() < 64, "there is no end of places");
        ask_and_not_read(&mut next, &at_most(1_000_000));
        held.push(next);
    };
    assert!(held.len() > 1);
    // It is the listings' places alone that are taken.
    assert_eq!(last.submit(&Submission::by_region()).told(), (200, "0000"));
    let reply = Reply(held.pop().unwrap().client.answer());
    assert_eq!(codes_of(&reply).len(), TESTS);
    until("the place of who has read is free", || {
        last.ask(&at_most(1)).status() == 200
    });
    let mut again = region();
    ask_and_not_read(&mut again, &at_most(1_000_000));
    assert!(last.ask(&at_most(1)).is_unavailable());
    drop(again);
    until("the place of who has left is free", || {
        last.ask(&at_most(1)).status() == 200
    });
}

#[test]
fn an_answer_that_fails_on_its_way_is_cut_and_has_its_record() {
    /// Far behind the first byte, and before the usual length ends.
    const PAGES_BEFORE: u64 = 9;
    /// Tests that are read before.
    const FEW: usize = 10_000;
    let installation = copy();
    let (server, faults) = StoreFaults::serve(&installation, &[]);
    let fail = || faults.after(PAGES_BEFORE, Operation::ListPage, Fault::Corrupt);
    let region = || Session::region(&installation, &server, "010");

    fail();
    let mut chunked = region();
    chunked.send(&at_most(1_000_000)).unwrap();
    let mut raw = Vec::new();
    let ended = chunked.client.stream.read_to_end(&mut raw);
    let begun = String::from_utf8(raw).unwrap();
    assert!(begun.starts_with("HTTP/1.1 200 "));
    assert!(begun.contains("transfer-encoding: chunked"));
    assert!(begun.contains("esito>0000<"));
    assert!(begun.matches("identificativoTest>CUN-").count() > FEW);
    assert!(!begun.ends_with("\r\n0\r\n\r\n"));
    assert!(!begun.contains("Envelope>\r\n"));
    assert!(ended.is_err(), "an orderly end of TLS");

    // HTTP/1.0 has the end of the connection alone to tell the end of the answer: an orderly one of TLS, or none.
    let (is_orderly, whole) = old(&mut region(), &at_most(FEW));
    assert!(is_orderly);
    assert!(whole.trim_end().ends_with("Envelope>"));
    fail();
    let (is_orderly, cut) = old(&mut region(), &at_most(1_000_000));
    assert!(!is_orderly);
    let head = cut.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.0 200 "), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"));
    assert!(cut.matches("identificativoTest>CUN-").count() > FEW);
    assert!(!cut.trim_end().ends_with("Envelope>"));

    // Up to the usual length nothing is sent before all is read.
    fail();
    let refused = region().ask(&Message::listing());
    assert_eq!(refused.status(), 500, "{refused:?}");
    assert!(codes_of(&refused).is_empty());
    // Who asks for what can be read finds a server that works.
    let fine = region().ask(&at_most(FEW));
    assert_eq!((fine.told(), codes_of(&fine).len()), ((200, "0001"), FEW));

    let (ended, _) = server.terminate();
    assert_eq!(ended.code(), Some(0));
    let mut verdicts = recorded_verdicts(&installation);
    verdicts.sort_by_key(|verdict| verdict.code());
    // Of the two that were cut; the two that found more than they asked for were whole.
    let (cut, whole) = ([Verdict::Done; 2], [Verdict::DoneWithWarnings; 2]);
    assert_eq!(verdicts, [cut, whole].concat());
}

/// Asks as a client of HTTP/1.0 does: whether the connection ended in order, and what came.
fn old(session: &mut Session, message: &Message) -> (bool, String) {
    let body = message.to_xml();
    let head = format!(
        "POST {} HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        message.path(),
        body.len()
    );
    let stream = &mut session.client.stream;
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut raw = Vec::new();
    let ended = stream.read_to_end(&mut raw);
    (ended.is_ok(), String::from_utf8(raw).unwrap())
}

/// The verdicts on the listings in the archive of a server that has stopped.
fn recorded_verdicts(installation: &Installation) -> Vec<Verdict> {
    use sistema_ts_model::Clock as _;
    let store = installation.store();
    let (mut verdicts, mut after) = (Vec::new(), None);
    loop {
        let query = AccessQuery {
            from: SystemClock.now().plus_millis(-86_400_000),
            to: SystemClock.now().plus_millis(1),
            operator: Some(CodiceFiscale::parse(OPERATOR).unwrap()),
            caller: None,
            transaction: None,
            after,
            limit: 1_000,
        };
        let page = runtime().block_on(store.search_access(query)).unwrap();
        let listings = page
            .records
            .iter()
            .filter(|record| record.service() == Service::Listing);
        verdicts.extend(listings.map(|record| record.verdict));
        after = page.next;
        if after.is_none() {
            return verdicts;
        }
    }
}

#[test]
fn a_server_that_stops_finishes_a_listing_that_is_read() {
    let installation = copy();
    let settings = [("LIMITS__DRAIN_TIMEOUT_SECONDS", "120")];
    let server = Server::start_with(&installation, &settings);
    let mut region = Session::region(&installation, &server, "010");
    ask_and_not_read(&mut region, &at_most(1_000_000));
    server.signal(libc::SIGTERM);
    until("it is stopping", || {
        server.status("/health/ready").status == 503
    });
    let reply = Reply(region.client.answer());
    assert_eq!(
        (reply.told(), codes_of(&reply).len()),
        ((200, "0000"), TESTS)
    );
    let (ended, _) = server.ended();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_server_that_stops_cuts_a_listing_that_is_not_read_and_says_so() {
    let installation = copy();
    let settings = [("LIMITS__DRAIN_TIMEOUT_SECONDS", "1")];
    let server = Server::start_with(&installation, &settings);
    let mut region = Session::region(&installation, &server, "010");
    ask_and_not_read(&mut region, &at_most(1_000_000));
    let (ended, _) = server.terminate();
    assert_eq!(ended.code(), Some(4));
    assert!(region.client.try_answer().is_err(), "it looks whole");
}
