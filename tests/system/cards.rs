//! The register of health cards behind a running server.
//!
//! Failure here means that a server that can verify nobody keeps it to itself or serves nothing else either, or that it has to be started again to
//! see an import.

use crate::support::chain::Chain;
use crate::support::installation::{CARD, PATIENT, SECOND_CARD};

const WARNING: &str = "no health cards are registered";

#[test]
fn a_server_without_cards_says_so_and_sees_the_first_import_and_the_next_by_itself() {
    let chain = Chain::start();
    let log = chain.installation.log();
    assert!(!log.contains(WARNING), "{log}");
    std::fs::remove_file(chain.installation.path("data/cards.db")).unwrap();
    let chain = chain.restart(&[]);
    let log = chain.installation.log();
    assert!(log.contains(WARNING), "{log}");
    assert_eq!(chain.server.status("/health/ready").status, 200);

    // What needs no card is served.
    let cun = chain.positive();
    let is_verifiable = |card: &str| chain.is_verifiable_with(card, &cun);
    assert!(!is_verifiable(CARD));
    let import = |card: &str| {
        chain
            .installation
            .import_cards(&[(PATIENT.to_owned(), card.to_owned())]);
    };
    import(CARD);
    assert!(is_verifiable(CARD));
    assert!(!is_verifiable(SECOND_CARD));
    import(SECOND_CARD);
    assert!(!is_verifiable(CARD), "replaced by the next import");
    assert!(is_verifiable(SECOND_CARD));
}
