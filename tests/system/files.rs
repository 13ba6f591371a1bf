//! The data folder at a stop and at the start after it. Failure here means that a stop in order leaves logs behind, that a folder which has lost
//! something is served as if nothing had been there, or that the operator is not told what to do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Installation, Server, Session, Submission, until};

/// Clients that submit while the server is asked to stop.
const CLIENTS: usize = 8;

/// Submits from several connections until the server stops; answers how many were accepted. Stops the server once `enough` were.
fn load_and_stop(installation: &Installation, server: Server, enough: usize) -> usize {
    let (answered, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut session = Session::region(installation, &server, "010");
            let (answered, stopped) = (&answered, &stopped);
            scope.spawn(move || {
                let message = Submission::by_region();
                // From the stop on an answer may be 503, or none.
                while !stopped.load(Ordering::Acquire)
                    && session
                        .try_submit(&message)
                        .is_ok_and(|reply| reply.status() == 200)
                {
                    answered.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        until("enough is submitted", || {
            answered.load(Ordering::Acquire) >= enough
        });
        server.signal(libc::SIGTERM);
        stopped.store(true, Ordering::Release);
    });
    let (ended, errors) = server.ended();
    assert_eq!(ended.code(), Some(0), "{errors}");
    answered.into_inner()
}

/// Names of the logs of the store that hold anything. The register's is its own.
fn logs(installation: &Installation) -> Vec<String> {
    let entries = std::fs::read_dir(installation.path("data")).unwrap();
    entries
        .map(Result::unwrap)
        .filter(|entry| entry.metadata().unwrap().len() > 0)
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with("-wal") && !name.starts_with("register"))
        .collect()
}

fn listed(installation: &Installation) -> usize {
    let records = installation.run(&["audit", "search"]);
    records
        .lines()
        .filter(|line| line.contains("invioEsecuzioneTest"))
        .count()
}

#[test]
fn each_stop_under_load_closes_the_store_and_the_next_start_finds_all() {
    let installation = Installation::new();
    let mut answered = 0;
    for round in 0..5 {
        let server = Server::start(&installation);
        answered += load_and_stop(&installation, server, 20);
        assert_eq!(logs(&installation), Vec::<String>::new(), "round {round}");
        let inventory = std::fs::read_to_string(installation.path("data/inventory")).unwrap();
        assert!(
            inventory.contains("\nstopped\n"),
            "round {round}: {inventory}"
        );
        let found = installation.command(&["restore"]).output().unwrap();
        assert_eq!(found.status.code(), Some(0), "round {round}: {found:?}");
    }
    assert!(listed(&installation) >= answered);
}

#[test]
fn a_lost_log_is_told_and_the_folder_served_only_on_the_operators_word() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut session = Session::region(&installation, &server, "010");
    for _ in 0..5 {
        assert_eq!(
            session.submit(&Submission::by_region()).told(),
            (200, "0000")
        );
    }
    server.kill9();
    let log = installation.path("data/tests.db-wal");
    let aside = installation.path("aside");
    std::fs::rename(&log, &aside).unwrap();
    let patients = || {
        let entries = std::fs::read_dir(installation.path("data")).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("patients-"))
            .filter(|path| !path.to_string_lossy().ends_with("-shm"))
            .map(|path| (std::fs::read(&path).unwrap(), path))
            .collect();
        files.sort();
        files
    };
    let before = patients();
    for command in ["serve", "restore"] {
        let refused = installation.command(&[command]).output().unwrap();
        let told = [refused.stdout, refused.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("tests.db"), "{command}: {told}");
        let status = if command == "serve" { 2 } else { 1 };
        assert_eq!(refused.status.code(), Some(status), "{command}: {told}");
        assert_eq!(patients(), before, "{command}: the proof is gone");
    }
    // Put back, nothing was lost.
    let copy = installation.path("kept");
    std::fs::copy(&aside, &copy).unwrap();
    let made = [log.clone(), installation.path("data/tests.db-shm")];
    made.iter()
        .for_each(|file| std::fs::remove_file(file).unwrap_or_default());
    std::fs::rename(&aside, &log).unwrap();
    let server = Server::start(&installation);
    let mut session = Session::region(&installation, &server, "010");
    assert_eq!(
        session.submit(&Submission::by_region()).told(),
        (200, "0000")
    );
    server.kill9();
    assert_eq!(listed(&installation), 6);
    // Lost for good, it is the operator who says so.
    std::fs::remove_file(&log).unwrap();
    assert_eq!(
        installation
            .command(&["serve"])
            .output()
            .unwrap()
            .status
            .code(),
        Some(2)
    );
    let accepted = installation.run(&["restore", "--accept"]);
    assert!(accepted.contains("Accepted"), "{accepted}");
    let server = Server::start(&installation);
    let mut session = Session::region(&installation, &server, "010");
    assert_eq!(
        session.submit(&Submission::by_region()).told(),
        (200, "0000")
    );
    assert!(server.terminate().0.success());
}

#[test]
fn a_file_that_is_removed_or_replaced_under_the_server_is_noticed_before_the_next_answer() {
    for (begin, end) in [
        ("patients-", ".db"),
        ("tests.db-wal", ""),
        ("patients-", "-wal"),
        ("progress", ""),
    ] {
        let installation = Installation::new();
        let server = Server::start(&installation);
        let mut session = Session::region(&installation, &server, "010");
        assert_eq!(
            session.submit(&Submission::by_region()).told(),
            (200, "0000")
        );
        let entries = std::fs::read_dir(installation.path("data")).unwrap();
        let file = entries
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with(begin) && name.ends_with(end)
            })
            .unwrap();
        // A copy is in its place, as an editor or a restored backup leaves it.
        let copy = installation.path("copy");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::rename(&copy, &file).unwrap();
        // A connection that is cut is no answer either.
        if let Ok(reply) = session.try_submit(&Submission::by_region()) {
            assert_ne!(reply.status(), 200, "{}: {reply:?}", file.display());
        }
        let (ended, errors) = server.ended();
        assert_eq!(ended.code(), Some(3), "{errors}");
        let log = installation.log();
        assert!(
            log.contains("removed or replaced under the server"),
            "{log}"
        );
    }
}
