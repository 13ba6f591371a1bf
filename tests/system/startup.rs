//! A server that cannot serve. Failure here means that it listens all the same, ends as if all were well, or does not say why.

use std::process::Output;

use crate::support::{Installation, Server, Session, Submission};

/// Starts a server that must end by itself, not well, and without a word on standard output (nothing listens then).
fn refused(installation: &Installation) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = installation.command(&["serve"]).output().unwrap();
    let errors = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert_eq!(stdout, b"");
    errors
}

#[test]
fn a_server_that_does_not_start_names_what_is_missing() {
    for (file, said) in [
        ("keys/day-keys", "day-keys"),
        ("keys/register-key", "register-key"),
        ("pki/server.key", "server.key"),
        ("pki/ca.crl", "ca.crl"),
        ("data/register.db", "register"),
    ] {
        let installation = Installation::new();
        std::fs::remove_file(installation.path(file)).unwrap();
        let errors = refused(&installation);
        assert!(errors.contains(said), "{file}: {errors}");
    }
}

#[test]
fn another_key_ring_than_the_datas_own_is_refused() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let reply = Session::region(&installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));
    assert!(server.terminate().0.success());
    std::fs::remove_file(installation.path("keys/day-keys")).unwrap();
    installation.run(&["keys", "create"]);
    let errors = refused(&installation);
    assert!(errors.contains("key"), "{errors}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let errors = refused(&installation);
    assert!(errors.contains("another process"), "{errors}");
    let reply = Session::region(&installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));
}

#[test]
fn a_wrong_configuration_is_told_with_all_its_faults() {
    let installation = Installation::new();
    let path = installation.path("sistema-ts.toml");
    let right = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("{right}\n[embedded]\nqueue_capacity = 1\n[store]\nretention_days = 1\n"),
    )
    .unwrap();
    let errors = refused(&installation);
    assert!(
        errors.contains("embedded.queue_capacity") && errors.contains("store.retention_days"),
        "{errors}"
    );
    std::fs::write(&path, format!("{right}\n[stroe]\n")).unwrap();
    assert!(refused(&installation).contains("stroe"));
}

#[test]
fn core_dumps_are_forbidden() {
    use std::os::unix::process::ExitStatusExt as _;
    let installation = Installation::new();
    let server = Server::start(&installation);
    // Whatever the limits of this machine are: with room for a dump, the signal that makes one must make none.
    let pid = server.pid().cast_signed();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: prlimit reads and writes the structures it is given, which outlive both calls.
    unsafe {
        assert_eq!(
            libc::prlimit(pid, libc::RLIMIT_CORE, std::ptr::null(), &raw mut limit),
            0
        );
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(
            libc::prlimit(
                pid,
                libc::RLIMIT_CORE,
                &raw const limit,
                std::ptr::null_mut()
            ),
            0
        );
    }
    server.signal(libc::SIGABRT);
    let (ended, _) = server.ended();
    assert_eq!(ended.signal(), Some(libc::SIGABRT));
    assert!(!ended.core_dumped());
}

#[test]
fn a_server_whose_store_has_failed_ends_and_says_why() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    assert_eq!(
        Session::region(&installation, &server, "010")
            .submit(&Submission::by_region())
            .told(),
        (200, "0000")
    );
    let file = installation.path("data/tests.db");
    std::fs::rename(&file, installation.path("aside.db")).unwrap();
    let (ended, _) = server.ended();
    assert_eq!(ended.code(), Some(3));
    let log = installation.log();
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("removed or replaced under the server"),
        "{last}"
    );
    // Put back, all is as before.
    std::fs::rename(installation.path("aside.db"), &file).unwrap();
    let server = Server::start(&installation);
    assert_eq!(server.status("/health/ready").status, 200);
}
