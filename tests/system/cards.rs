//! The register of health cards behind a running server.
//!
//! Failure here means that a server that can verify nobody keeps it to itself or serves nothing else either, or that it has to be started again to
//! see an import.

use crate::support::Message;
use crate::support::chain::{Chain, told};
use crate::support::installation::{CARD, DESK, PATIENT, SECOND_CARD};

const WARNING: &str = "no health cards are registered";

#[test]
fn a_server_without_cards_says_so_and_sees_the_first_import_and_the_next_by_itself() {
    let chain = Chain::start();
    let log =
        |chain: &Chain| std::fs::read_to_string(chain.installation.path("server.log")).unwrap();
    assert!(!log(&chain).contains(WARNING), "{}", log(&chain));
    std::fs::remove_file(chain.installation.path("data/cards.db")).unwrap();
    let chain = chain.restart(&[]);
    assert!(log(&chain).contains(WARNING), "{}", log(&chain));
    assert_eq!(chain.server.status("/health/ready").status, 200);

    // What needs no card is served.
    let cun = chain.positive();
    let verification = |card: &str| {
        let reply = chain.desk().ask(&Message::verification(DESK, card, &cun));
        let (outcome, findings) = told(&reply);
        let findings: Vec<String> = findings.into_iter().map(str::to_owned).collect();
        (outcome.to_owned(), findings)
    };
    let not_verifiable = ("9999".to_owned(), vec!["3001".to_owned()]);
    let done = ("0000".to_owned(), vec![]);
    assert_eq!(verification(CARD), not_verifiable);
    let import = |card: &str| {
        chain
            .installation
            .import_cards(&[(PATIENT.to_owned(), card.to_owned())]);
    };
    import(CARD);
    assert_eq!(verification(CARD), done);
    assert_eq!(verification(SECOND_CARD), not_verifiable);
    import(SECOND_CARD);
    assert_eq!(
        verification(CARD),
        not_verifiable,
        "replaced by the next import"
    );
    assert_eq!(verification(SECOND_CARD), done);
}
