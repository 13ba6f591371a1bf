//! The operational log of the real server. Failure here means that a log which nobody reads, or which cannot be written, stops requests, probes
//! or the end of the server; that strangers can fill it, or word a line of it; or that somebody who is refused cannot be told why.

mod stranger;

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _, pipe};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use self::stranger::{PLANTED, Stranger};
use crate::support::client::plain;
use crate::support::{Installation, Server, Session, Submission, until};

/// Longer than stopping takes when nothing is in the way, shorter than anybody who waits for a log.
const SOON: Duration = Duration::from_secs(15);
const DEBUG: (&str, &str) = ("LOGGING__LEVEL", "debug");

/// That it serves, answers its probes and stops.
fn serves_and_stops(installation: &Installation, server: Server) {
    let began = Instant::now();
    let reply = Session::region(installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));
    let reply = Session::user(installation, &server).submit(&Submission::by_structure());
    assert_eq!(reply.told(), (200, "0000"));
    for probe in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(server.status(probe).status, 200, "{probe}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(server.terminate().0.success());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// A pipe that holds a dozen lines.
fn narrow_pipe() -> (PipeReader, Stdio) {
    let (reader, writer) = pipe().unwrap();
    // SAFETY: a call with integers only.
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4_096) };
    assert!(size >= 4_096);
    (reader, writer.into())
}

/// Bytes that wait in it.
fn waiting_in(pipe: &PipeReader) -> i32 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer leads to a live integer, which this request fills.
    assert_eq!(
        unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) },
        0
    );
    bytes
}

#[test]
fn a_log_that_nobody_reads_stops_no_request_no_probe_and_no_end() {
    for level in ["info", "debug"] {
        let installation = Installation::new();
        let (reader, writer) = narrow_pipe();
        let settings = [
            ("LOGGING__LEVEL", level),
            ("LIMITS__HANDSHAKE_TIMEOUT_SECONDS", "1"),
        ];
        let server = Server::start_logging_to(&installation, &settings, writer);
        let stranger = Stranger::of(&installation, &server);
        // The pipe takes no line any more, and then there are hundreds that are worth one.
        until("the pipe is full", || {
            stranger.tries_everything();
            waiting_in(&reader) > 3_000
        });
        for _ in 0..20 {
            stranger.tries_everything();
        }
        serves_and_stops(&installation, server);
        drop(reader);
    }
}

#[test]
fn a_log_on_a_full_disk_stops_nothing_and_what_is_lost_is_counted() {
    let installation = Installation::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = Server::start_logging_to(&installation, &[DEBUG], full);
    Stranger::of(&installation, &server).tries_everything();
    until("lost lines are counted", || {
        server.metric(
            "sistema_ts_log_lines_lost_total",
            &["reason=\"write-failed\""],
        ) > 1.0
    });
    serves_and_stops(&installation, server);
}

#[test]
fn what_was_lost_is_told_once_somebody_reads_again() {
    let installation = Installation::new();
    let fifo = installation.path("log.fifo");
    let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the name is a string that ends in zero and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let read = || {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(&fifo).unwrap()
    };
    let reader = read();
    let writer = File::options().write(true).open(&fifo).unwrap();
    let server = Server::start_logging_to(&installation, &[], writer);
    drop(reader);
    let stranger = Stranger::of(&installation, &server);
    let lost = || {
        server.metric(
            "sistema_ts_log_lines_lost_total",
            &["reason=\"write-failed\""],
        )
    };
    until("lines are lost", || {
        stranger.tries_everything();
        lost() > 0.0
    });
    let mut reader = read();
    let mut text = String::new();
    until("the loss is told", || {
        let mut bytes = Vec::new();
        // It ends with an error where nothing is there yet.
        let _ = reader.read_to_end(&mut bytes);
        text.push_str(&String::from_utf8(bytes).unwrap());
        text.contains("lines of the log were lost")
    });
    let line = text
        .lines()
        .find(|line| line.contains("lines of the log were lost"))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(line["write_failed"].as_f64().unwrap() >= 1.0, "{line}");
    assert!(line["write_failed"].as_f64().unwrap() <= lost(), "{line}");
}

#[test]
fn a_standard_output_that_nobody_reads_keeps_nobody_from_being_served() {
    let installation = Installation::new();
    let (reader, writer) = pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    std::io::Write::write_all(&mut filler, &[b'x'; 65_536]).unwrap();
    let log = File::create(installation.path("server.log")).unwrap();
    let mut command = installation.command(&["serve"]);
    let mut child = command.stdout(writer).stderr(log).spawn().unwrap();
    let mut status = None;
    until(
        "it says in its log where it listens, and that its output is not read",
        || {
            let log = installation.log();
            status = log.lines().find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let is_status = line["message"] == "listening" && line["listener"] == "status";
                is_status.then(|| line["address"].as_str().unwrap().parse().unwrap())
            });
            status.is_some() && log.contains("could not be written on standard output")
        },
    );
    assert_eq!(plain(status.unwrap()).get("/health/ready").status, 200);
    // SAFETY: two integers; the process is ours and was not waited for yet.
    assert_eq!(
        unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) },
        0
    );
    let began = Instant::now();
    assert!(child.wait().unwrap().success());
    assert!(began.elapsed() < SOON);
    drop(reader);
}

#[test]
fn nothing_that_a_stranger_sends_stands_in_the_log() {
    for format in ["json", "text"] {
        let installation = Installation::new();
        let server = Server::start_with(&installation, &[DEBUG, ("LOGGING__FORMAT", format)]);
        let stranger = Stranger::of(&installation, &server);
        stranger.tries_everything();
        let rustls = || {
            server.metric(
                "sistema_ts_log_library_events_total",
                &["library=\"rustls\""],
            )
        };
        assert!(
            rustls() >= 1.0,
            "no server name was illegal: this test tries nothing"
        );
        assert!(server.terminate().0.success());
        let log = installation.log();
        for told in [
            "certificate refused",
            "request refused",
            "credentials refused",
            "connection refused",
        ] {
            assert!(log.contains(told), "{told} is not in {log}");
        }
        let log = log.to_lowercase();
        for planted in PLANTED {
            assert!(!log.contains(&planted.to_lowercase()), "{planted}: {log}");
        }
    }
}

#[test]
fn a_flood_leaves_a_bounded_number_of_bounded_lines_in_each_second() {
    let installation = Installation::new();
    let server = Server::start_with(&installation, &[DEBUG]);
    let stranger = Stranger::of(&installation, &server);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while began.elapsed() < Duration::from_secs(3) {
                    stranger.tries_everything();
                }
            });
        }
    });
    assert!(server.metric("sistema_ts_log_lines_left_out_total", &[]) > 0.0);
    assert!(server.terminate().0.success());
    let mut seconds = std::collections::BTreeMap::<String, usize>::new();
    let log = BufReader::new(File::open(installation.path("server.log")).unwrap());
    for line in log.lines().map(Result::unwrap) {
        assert!(line.len() < 6_000, "{line}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let second = line["timestamp"].as_str().unwrap()[..19].to_owned();
        *seconds.entry(second).or_default() += 1;
    }
    // One source: five lines of each of some dozen kinds in ten seconds; besides, what the start and the end say.
    let most = seconds.values().max().unwrap();
    assert!(*most <= 80, "{seconds:?}");
}

#[test]
fn a_refused_caller_can_be_told_why_at_the_usual_level() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let stranger = Stranger::of(&installation, &server);
    stranger.shows_a_certificate_of_another_authority();
    stranger.speaks_no_tls();
    stranger.comes_and_goes();
    assert!(server.terminate().0.success());
    let log = installation.log();
    let told = |parts: &[&str]| {
        log.lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    let common = [
        "\"target\":\"security\"",
        "connection refused",
        "\"listener\":\"mutual-tls\"",
        "\"source\":\"127.0.0.1\"",
    ];
    let of = |kind, reason| told(&[&common[..], &[kind, reason]].concat());
    assert!(
        of(
            "\"kind\":\"certificate\"",
            "no authority of tls.client_authority_file has signed it"
        ),
        "{log}"
    );
    assert!(of("\"kind\":\"handshake\"", "no TLS"), "{log}");
    // A load balancer that looks whether the port is open does so every second.
    assert!(!told(&["silent"]), "{log}");
}
