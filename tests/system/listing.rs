//! `elencoTestEffettuati` (§2.4.3) through the real server. A failure means that a listing lacks a test that was answered before it began, has
//! one that it should not have, names a person, goes on from a bookmark that is not its own, or is given to an operator who may not have it.

use crate::support::installation::{PASSWORD, STRUCTURE, USER, USER_WITHOUT_PROFILE, pincode_of};
use crate::support::messages::today;
use crate::support::{Installation, Message, Reply, Server, Session, Submission, fiscal_code};

const DESCRIPTION: &str = "Drive-in di prova";

struct House {
    installation: Installation,
    server: Server,
}

impl House {
    fn new() -> Self {
        let installation = Installation::new();
        let server = Server::start(&installation);
        Self {
            installation,
            server,
        }
    }

    fn region(&self, code: &str) -> Session {
        Session::region(&self.installation, &self.server, code)
    }

    fn user(&self) -> Session {
        let config = self.installation.client(None);
        Session::with(self.server.basic, &config).signed_in(USER_WITHOUT_PROFILE, PASSWORD)
    }
}

fn of_user() -> Message {
    Message::listing()
        .without("tipoAutenticazione")
        .with("pinCode", pincode_of(USER_WITHOUT_PROFILE))
        .with_structure(STRUCTURE)
}

fn described(person: usize) -> Submission {
    Submission {
        structure: None,
        description: Some(DESCRIPTION.into()),
        ..Submission::about(person)
    }
}

fn listed(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status(), 200, "{reply:?}");
    reply.values("identificativoTest").collect()
}

#[test]
fn each_caller_lists_what_is_its_own_in_the_order_of_communication() {
    let house = House::new();
    let mut region = house.region("010");
    let first = region.submitted(&Submission::by_region());
    let second = region.submitted(&described(1));
    let third =
        Session::user(&house.installation, &house.server).submitted(&Submission::by_structure());
    house.region("020").submitted(&described(2));

    let all = region.ask(&Message::listing());
    assert_eq!(all.told(), (200, "0000"));
    assert_eq!(listed(&all), [&first, &second, &third]);
    let text = all.0.text();
    for personal in ["BNCLRA75E41F205R", &fiscal_code(1)] {
        assert!(!text.contains(personal));
    }
    assert_eq!(
        all.values("dataInserimento").collect::<Vec<_>>(),
        [today(), today(), today()]
    );

    let of_structure = region.ask(&Message::listing().with_structure(STRUCTURE));
    assert_eq!(listed(&of_structure), [&first, &third]);
    let of_description = region.ask(&Message::listing().with("descrizioneStruttura", DESCRIPTION));
    assert_eq!(listed(&of_description), [&second]);
    let of_another =
        region.ask(&Message::listing().with("descrizioneStruttura", "Drive-in di Prova"));
    assert_eq!(of_another.told(), (200, "0000"));
    assert!(listed(&of_another).is_empty());
    assert!(of_another.0.text().contains("<listaTest></listaTest>"));
    let of_the_user = house.user().ask(&of_user());
    assert_eq!(listed(&of_the_user), [&first, &third]);
}

#[test]
fn bookmarks_lead_through_the_whole_listing_as_it_stood_when_it_began() {
    let house = House::new();
    let mut region = house.region("010");
    let codes: Vec<String> = (0..7)
        .map(|who| region.submitted(&described(who)))
        .collect();
    let cancelled = Message::cancellation(&codes[3], &fiscal_code(3)).with_description(DESCRIPTION);
    assert_eq!(region.ask(&cancelled).told(), (200, "0000"));
    let expected: Vec<&String> = codes.iter().filter(|code| **code != codes[3]).collect();

    let mut came_later = 0;
    for maximum in [1, 2, 3, 6, 7, 50] {
        let request = Message::listing().with("massimoElementi", maximum.to_string());
        let mut found = Vec::new();
        let mut came_meanwhile = 0;
        let mut next = request.clone();
        loop {
            let reply = region.ask(&next);
            let page = listed(&reply);
            assert!(page.len() <= maximum);
            found.extend(page.into_iter().map(str::to_owned));
            let bookmark = reply.value("segnalibro").to_owned();
            if bookmark.is_empty() {
                assert_eq!((reply.told(), reply.findings()), ((200, "0000"), vec![]));
                break;
            }
            assert!(bookmark.len() <= 128);
            assert_eq!(
                (reply.told(), reply.findings()),
                ((200, "0001"), vec!["1611"])
            );
            // What comes while it is read is not in it.
            region.submitted(&described(50));
            came_meanwhile += 1;
            next = request.clone().with("segnalibro", bookmark);
        }
        let stood = found.iter().take(expected.len());
        assert!(stood.eq(expected.iter().copied()), "{maximum}");
        assert_eq!(found.len(), expected.len() + came_later, "{maximum}");
        // What came while it was read is in the next listing.
        came_later += came_meanwhile;
    }
}

#[test]
fn a_bookmark_is_its_callers_and_its_filters_alone() {
    let house = House::new();
    let mut region = house.region("010");
    for who in 0..3 {
        region.submitted(&described(who));
    }
    let request = Message::listing().with("massimoElementi", "1");
    let bookmark = region.ask(&request).value("segnalibro").to_owned();
    let with = |request: Message| request.with("segnalibro", &*bookmark);
    let refused = |reply: Reply| {
        assert_eq!(
            (reply.told(), reply.findings()),
            ((200, "9999"), vec!["1604"])
        );
        assert_eq!(reply.value("campo"), "segnalibro");
    };
    refused(region.ask(&with(
        request.clone().with("descrizioneStruttura", DESCRIPTION),
    )));
    refused(house.user().ask(&with(of_user())));
    refused(region.ask(&request.clone().with("segnalibro", "nessuno")));
    let mut forged = bookmark.clone();
    forged.replace_range(20..21, if &bookmark[20..21] == "A" { "B" } else { "A" });
    refused(region.ask(&request.clone().with("segnalibro", forged)));
    // The number of elements is no filter.
    let longer = region.ask(&with(request.with("massimoElementi", "100000")));
    assert_eq!(longer.told(), (200, "0000"));
    assert_eq!(listed(&longer).len(), 2);
    assert_eq!(longer.value("segnalibro"), "");
}

#[test]
fn a_bookmark_outlives_a_restart() {
    let House {
        installation,
        server,
    } = House::new();
    let mut region = Session::region(&installation, &server, "010");
    let codes: Vec<String> = (0..3)
        .map(|who| region.submitted(&described(who)))
        .collect();
    let request = Message::listing().with("massimoElementi", "1");
    let bookmark = region.ask(&request).value("segnalibro").to_owned();
    server.kill9();
    let server = Server::start(&installation);
    let mut region = Session::region(&installation, &server, "010");
    let reply = region.ask(
        &request
            .with("massimoElementi", "9")
            .with("segnalibro", bookmark),
    );
    assert_eq!(listed(&reply), codes[1..]);
}

#[test]
fn only_an_operator_with_the_profile_lists_and_all_mistakes_are_told_at_once() {
    let house = House::new();
    let mut region = house.region("010");
    let told = |message: Message, session: &mut Session| {
        let reply = session.ask(&message);
        assert_eq!(reply.told(), (200, "9999"));
        reply
            .findings()
            .iter()
            .map(|code| (*code).to_owned())
            .collect::<Vec<_>>()
    };
    let unknown = Message::listing().with("identificativoUtente", fiscal_code(8));
    assert_eq!(told(unknown, &mut region), ["2011"]);
    assert_eq!(
        told(Message::listing(), &mut house.region("020")),
        ["2011"],
        "another region's"
    );
    let another = of_user().with("identificativoUtente", fiscal_code(8));
    assert_eq!(told(another, &mut house.user()), ["2013"]);
    let mut other_user = Session::user(&house.installation, &house.server);
    let of_other_user = of_user().with("pinCode", pincode_of(USER));
    assert_eq!(told(of_other_user, &mut other_user), ["2001"]);
    let wrong = Message::listing()
        .with("dataInizioIntervallo", "2999-01-01")
        .with("dataFineIntervallo", "2020-13-01")
        .with("tipologiaTest", "X")
        .with("identificativoUtente", "?")
        .with("massimoElementi", "0");
    assert_eq!(
        told(wrong, &mut region),
        ["1302", "1301", "1311", "1201", "1603"]
    );
    let day = |days: i64| {
        use sistema_ts_model::{Clock as _, SystemClock};
        (SystemClock.now().rome_day() - chrono::Duration::days(days)).to_string()
    };
    let reversed = Message::listing().with("dataFineIntervallo", day(1));
    assert_eq!(told(reversed, &mut region), ["1601"]);
    let long = Message::listing().with("dataInizioIntervallo", day(31));
    assert_eq!(told(long, &mut region), ["1602"]);
    let longest = region.ask(&Message::listing().with("dataInizioIntervallo", day(30)));
    assert_eq!(longest.told(), (200, "0000"));
}
