//! How the ledger's sweep reaches the server: one request after another, as the same callers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sistema_ts_model::{Clock as _, SystemClock};

use crate::callers::Callers;
use crate::error::LoadtestError;
use crate::ledger::{Intent, Listed, Reach, Settlement, session_mark};
use crate::steps::{ListingRange, Steps};
use crate::wire::client::Client;
use crate::wire::listing::{Scan, ScanError};
use crate::wire::reading::Reader;

/// Longest time without a byte, and for a server that was started again to be there.
const LIMIT: Duration = Duration::from_secs(30);
/// The same before the load, when no server is on its way back.
const FIRST_LIMIT: Duration = Duration::from_secs(5);
/// Before a server that was busy is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// Pages of a listing that are followed at most, whatever bookmarks come.
const MOST_PAGES: u32 = 1_000_000;
/// Pages one after another that go on without a test.
const MOST_EMPTY_PAGES: u32 = 100;
/// Longest answer but a listing's.
const LONGEST: usize = 1024 * 1024;
/// Longest time for the whole of it, and for a page of a listing.
const WHOLE: Duration = Duration::from_secs(60);
const WHOLE_PAGE: Duration = Duration::from_secs(290);

/// Connects once to each address: a wrong port, name or authority is told before anything is written or sent.
pub(super) fn knock(callers: &Callers) -> Result<(), LoadtestError> {
    let mut known = HashSet::new();
    for target in callers.all.iter().map(|caller| &caller.target) {
        if known.insert(&target.host) {
            Client::new(target, FIRST_LIMIT).reach().map_err(|error| {
                LoadtestError::Unreachable {
                    host: target.host.clone(),
                    reason: error.to_string(),
                }
            })?;
        }
    }
    Ok(())
}

/// The same wire as the load's, without haste.
pub(super) struct Wire<'w> {
    pub(super) callers: &'w Callers,
    pub(super) steps: &'w mut Steps,
    /// The day on which the run began: listings are asked for from there to today.
    pub(super) since: chrono::NaiveDate,
    clients: HashMap<u16, Client>,
    reader: Reader,
}

impl<'w> Wire<'w> {
    pub(super) fn new(
        callers: &'w Callers,
        steps: &'w mut Steps,
        since: chrono::NaiveDate,
    ) -> Self {
        Self {
            callers,
            steps,
            since,
            clients: HashMap::new(),
            reader: Reader::default(),
        }
    }
}

fn client<'c>(
    clients: &'c mut HashMap<u16, Client>,
    callers: &Callers,
    caller: u16,
) -> &'c mut Client {
    clients
        .entry(caller)
        .or_insert_with(|| Client::new(&callers.all[usize::from(caller)].target, LIMIT))
}

impl Reach for Wire<'_> {
    fn send(&mut self, intent: &Intent) -> Settlement {
        let Some(work) = self.steps.work_of(intent) else {
            return Settlement::UNSENT;
        };
        let mut body = Vec::new();
        let request = self.steps.write(&work);
        let client = client(&mut self.clients, self.callers, intent.caller);
        let status = client.exchange(request, WHOLE, |part| {
            if body.len() + part.len() > LONGEST {
                return Err(ScanError::TooLong);
            }
            body.extend_from_slice(part);
            Ok(())
        });
        let Ok(status) = status else {
            return Settlement::UNANSWERED;
        };
        let reading = self.reader.read(status, &body);
        if status == 503 {
            std::thread::sleep(PAUSE);
        }
        Settlement {
            cun: reading.cun,
            data_ora: reading.data_ora,
            session: reading.session.map_or(0, |session| session_mark(&session)),
            ..Settlement::answered(status, reading.esito, reading.finding)
        }
    }

    fn list(
        &mut self,
        caller: u16,
        maximum: Option<u32>,
        test: &mut dyn FnMut(Listed),
    ) -> Result<(), String> {
        let range = ListingRange {
            from: self.since,
            to: SystemClock.now().rome_day(),
            maximum,
        };
        let mut scan = Scan::keeping_tests();
        let mut bookmark: Option<String> = None;
        let mut empty_pages = 0;
        for _ in 0..MOST_PAGES {
            scan.next_answer();
            let before = scan.tests;
            let request = self.steps.listing(caller, &range, bookmark.as_deref());
            let status = client(&mut self.clients, self.callers, caller)
                .exchange(&request, WHOLE_PAGE, |part| {
                    scan.push(part)?;
                    scan.kept_tests.drain(..).for_each(&mut *test);
                    Ok(())
                })
                .map_err(|error| error.to_string())?;
            let esito = scan.outcome.as_deref().unwrap_or("none");
            if status != 200 || !matches!(esito, "0000" | "0001") {
                std::thread::sleep(PAUSE);
                let caller = &self.callers.all[usize::from(caller)];
                return Err(format!(
                    "{} {} is answered HTTP {status}, esito {esito}, codes {}: {}",
                    caller.kind.name(),
                    caller.name,
                    scan.findings.join(" "),
                    scan.words.as_deref().unwrap_or("without a word")
                ));
            }
            let next = scan.bookmark.take();
            if next.is_none() {
                return Ok(());
            }
            empty_pages = if scan.tests == before {
                empty_pages + 1
            } else {
                0
            };
            if empty_pages >= MOST_EMPTY_PAGES {
                return Err("bookmarks that lead to no test".into());
            }
            if next == bookmark {
                return Err("a bookmark that leads to itself".into());
            }
            bookmark = next;
        }
        Err("a listing without an end".into())
    }
}
