//! The care of the logs. A failure: a log that grows without bound while the store is written and read, or that keeps what was
//! erased from the file.

use std::path::Path;

use sistema_ts_model::{Caller, SessionId};
use sistema_ts_store::samples::{cancellation, fiscal_code};
use sistema_ts_store::{OpenSession, Store as _};

use super::super::queue::Lane;
use super::{Fixture, mobile};

fn length(fixture: &Fixture, name: &str) -> u64 {
    length_in(fixture.folder.path(), name)
}

fn length_in(root: &Path, name: &str) -> u64 {
    std::fs::metadata(root.join("data").join(name)).map_or(0, |file| file.len())
}

#[tokio::test]
async fn the_log_of_the_tests_stays_bounded_and_its_pages_reach_the_file() {
    let fixture = Fixture::with(|options| options.settings.checkpoint_pages = 50);
    let mut last = None;
    let mut longest = 0;
    for number in 0..1_500 {
        last = Some(
            fixture
                .record(|test| test.swab.fiscal_code = fiscal_code(number + 1))
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

/// The sealed contact of row 1.
async fn sealed_contact(fixture: &Fixture) -> Vec<u8> {
    blob(fixture, "SELECT contact FROM tests WHERE row = 1").await
}

/// What a query of one value says, read on the writer.
async fn blob(fixture: &Fixture, query: &'static str) -> Vec<u8> {
    let (reply, value) = std::sync::mpsc::channel();
    let read = fixture.store().write(Lane::Usual, move |writer| {
        let value: Vec<u8> = writer.tests.query_row(query, [], |row| row.get(0))?;
        reply.send(value).unwrap();
        Ok(())
    });
    read.await.unwrap();
    value.recv().unwrap()
}

fn holds(fixture: &Fixture, wanted: &[u8]) -> bool {
    let bytes = fixture.bytes_of("tests.db");
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Waits no longer than the care of the log takes for all of these to be gone.
async fn are_cleared(fixture: &Fixture, wanted: &[&[u8]]) {
    let clear = |writer: &mut super::super::writer::Writer<'_>| {
        writer.log.clear_now();
        Ok(())
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    fixture.store().write(Lane::Usual, clear).await.unwrap();
    while wanted.iter().any(|wanted| holds(fixture, wanted)) {
        assert!(
            std::time::Instant::now() < deadline,
            "erased bytes are still in the files"
        );
        fixture
            .store()
            .write(Lane::Usual, |_| Ok(()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_erased_contact_leaves_the_log_too() {
    let fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.swab.contact = Some(mobile("+393331234567")))
        .await;
    let sealed = sealed_contact(&fixture).await;
    assert!(holds(&fixture, &sealed));
    fixture.store().cancel(cancellation(cun, 1)).await.unwrap();
    are_cleared(&fixture, &[&sealed]).await;
}

#[tokio::test]
async fn what_was_erased_shortly_before_a_crash_leaves_the_log_after_the_next_start() {
    let mut fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.swab.contact = Some(mobile("+393331234567")))
        .await;
    let sealed = sealed_contact(&fixture).await;
    fixture.store().cancel(cancellation(cun, 1)).await.unwrap();
    let crashed = fixture.killed();
    fixture.close();
    fixture.put_back(&crashed);
    fixture.reopen();
    assert!(holds(&fixture, &sealed));
    are_cleared(&fixture, &[&sealed]).await;
}

#[tokio::test]
async fn a_store_that_has_failed_moves_no_log_and_removes_none_by_its_name() {
    let mut fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    let whole = fixture.killed();
    // Somebody puts a copy in place under the server, each file by a rename.
    let copied = ["tests.db", "patients-2026-11-24.db"];
    for name in copied
        .map(|name| [name.to_owned(), format!("{name}-wal")])
        .as_flattened()
    {
        let aside = fixture.folder.path().join("aside");
        std::fs::copy(whole.path().join("data").join(name), &aside).unwrap();
        std::fs::rename(aside, fixture.options.folder.join(name)).unwrap();
    }
    let test = fixture.new_test(|_| {}).await;
    assert!(fixture.store().record_test(test).await.is_err());
    assert!(fixture.store().close().await.is_err());
    fixture.close();
    for name in copied {
        let log = format!("{name}-wal");
        let expected = length_in(whole.path(), &log);
        assert!(expected > 0);
        assert_eq!(length(&fixture, &log), expected, "{log}");
    }
    fixture.reopen();
    assert!(fixture.store().find_patient(cun).await.unwrap().is_some());
}

#[tokio::test]
async fn what_expires_leaves_the_log_of_a_store_in_which_nothing_else_happens() {
    for retention_days in [14, 20] {
        let fixture = Fixture::with(|options| {
            options.retention_millis = retention_days * super::DAY_MILLIS;
        });
        let cun = fixture
            .record(|test| test.swab.contact = Some(mobile("+393331234567")))
            .await;
        let open = OpenSession {
            cun,
            session: SessionId::random(),
            operator: fiscal_code(900),
            caller: Caller::from_key("Ccc1").unwrap(),
            lifetime_millis: 1_800_000,
        };
        fixture.store().open_session(open).await.unwrap();
        let sealed = sealed_contact(&fixture).await;
        let operator = blob(&fixture, "SELECT operator FROM sessions").await;
        assert!(holds(&fixture, &sealed) && holds(&fixture, &operator));
        // It stands nowhere in clear.
        assert!(!holds(&fixture, fiscal_code(900).expose().as_bytes()));
        // The session lapses, within the first hour.
        fixture.clock.advance_millis(3_600_000);
        fixture.sweep(100).await;
        are_cleared(&fixture, &[&operator]).await;
        assert!(holds(&fixture, &sealed));
        fixture.clock.advance_millis(15 * super::DAY_MILLIS);
        while fixture.sweep(100).await.more {}
        are_cleared(&fixture, &[&sealed]).await;
    }
}
