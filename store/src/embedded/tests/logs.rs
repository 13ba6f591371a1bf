//! The care of the logs. A failure: a log that grows without bound while the store is written and read, or that keeps what was
//! erased from the file.

use super::{Fixture, mobile, person};
use crate::{CancelTest, Store};
use sistema_ts_model::TransactionId;

fn length(fixture: &Fixture, name: &str) -> u64 {
    std::fs::metadata(fixture.options.folder.join(name)).map_or(0, |file| file.len())
}

#[tokio::test]
async fn the_log_of_the_tests_stays_bounded_and_its_pages_reach_the_file() {
    let fixture = Fixture::with(|options| options.checkpoint_pages = 50);
    let mut last = None;
    let mut longest = 0;
    for number in 0..1_500 {
        last = Some(
            fixture
                .record(|test| test.fiscal_code = person(number + 1))
                .await,
        );
        longest = longest.max(length(&fixture, "tests.db-wal"));
    }
    // Every commit adds some pages; the thread beside looks twenty times a second at the latest.
    let written = 1_500 * 3 * 4_096;
    assert!(longest < written / 2, "the log grew to {longest} bytes");
    assert!(length(&fixture, "tests.db") > 100 * 1_024);
    assert!(
        fixture
            .store()
            .find_test(last.unwrap())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_erased_contact_leaves_the_log_too() {
    let fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.contact = Some(mobile("+393331234567")))
        .await;
    let (reply, sealed) = std::sync::mpsc::channel();
    let read = fixture
        .store()
        .write(super::super::queue::Lane::Usual, move |writer| {
            let sealed: Vec<u8> =
                writer
                    .tests
                    .query_row("SELECT contact FROM tests WHERE row = 1", [], |row| {
                        row.get(0)
                    })?;
            reply.send(sealed).unwrap();
            Ok(())
        });
    read.await.unwrap();
    let sealed = sealed.recv().unwrap();
    let held = |fixture: &Fixture| {
        let bytes = fixture.bytes_of("tests.db");
        bytes.windows(sealed.len()).any(|window| window == sealed)
    };
    assert!(held(&fixture));
    let cancellation = CancelTest {
        cun,
        caller: super::region(),
        structure: super::structure(),
        fiscal_code: person(1),
        transaction: TransactionId::random(),
        receipt: None,
    };
    fixture.store().cancel(cancellation).await.unwrap();
    fixture
        .store()
        .write(super::super::queue::Lane::Usual, |writer| {
            writer.log.clear_now();
            Ok(())
        })
        .await
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while held(&fixture) {
        assert!(
            std::time::Instant::now() < deadline,
            "the sealed contact is still in the files"
        );
        fixture
            .store()
            .write(super::super::queue::Lane::Usual, |_| Ok(()))
            .await
            .unwrap();
    }
}
