//! A failure: keys come to a server that was not meant, or from one that was not asked; something is lost or replaced; a refusal changes anything; key
//! material is shown.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use chrono::{Days, NaiveDate};
use tempfile::TempDir;

use super::*;
use crate::keys::KeyError;
use crate::register::RegisterKeyError;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 28).unwrap();

/// A server's folder, in which its secrets are, or are to be.
struct Server(TempDir);

impl Server {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_secrets() -> Self {
        let server = Self::empty();
        std::fs::create_dir(server.path("keys")).unwrap();
        KeyRing::create(&server.secrets().ring, TODAY).unwrap();
        RegisterKey::create(&server.secrets().register_key).unwrap();
        server
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn secrets(&self) -> Secrets {
        Secrets {
            ring: self.path("keys/day-keys"),
            register_key: self.path("keys/register-key"),
        }
    }

    /// All files by their names, but the lock of the ring.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let Ok(entries) = std::fs::read_dir(self.path("keys")) else {
            return BTreeMap::new();
        };
        let files = entries.map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        });
        files.filter(|(name, _)| !name.ends_with(".lock")).collect()
    }

    fn request(&self, name: &str) -> (PathBuf, String) {
        let file = self.path(name);
        let fingerprint = self.secrets().request(&file, false).unwrap();
        (file, fingerprint.to_string())
    }

    fn seal(&self, (request, typed): &(PathBuf, String), name: &str) -> (PathBuf, String) {
        let file = self.path(name);
        let fingerprint = self.secrets().seal(request, typed, &file).unwrap();
        (file, fingerprint.to_string())
    }

    fn open(&self, (file, typed): &(PathBuf, String)) -> Result<Opened, HandOverError> {
        self.secrets().open(file, typed, false)
    }
}

fn same_keys(one: &Server, other: &Server) -> bool {
    let [one, other] = [one, other].map(|server| {
        let secrets = server.secrets();
        let ring = KeyRing::load(&secrets.ring).unwrap();
        let later = TODAY + Days::new(9);
        let days = [TODAY, later].map(|day| ring.day(day).unwrap().check_value());
        let key = RegisterKey::load(&secrets.register_key).unwrap();
        (days, key.check_value())
    });
    one == other
}

#[test]
fn what_was_sealed_for_a_server_is_put_in_its_places_and_opens_once() {
    let (giver, receiver) = (Server::with_secrets(), Server::empty());
    let request = receiver.request("request");
    let sealed = giver.seal(&request, "sealed");
    assert_eq!(receiver.open(&sealed).unwrap(), Opened::Both);
    assert!(same_keys(&giver, &receiver));
    let files = receiver.files();
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["day-keys", "register-key"]
    );
    for name in files.keys() {
        let metadata = std::fs::metadata(receiver.path("keys").join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let again = receiver.open(&sealed).unwrap_err();
    assert!(matches!(again, HandOverError::NoRequest(_)), "{again}");
    assert_eq!(receiver.files(), files);
    // Neither file holds what it carries.
    let ring = std::fs::read_to_string(giver.secrets().ring).unwrap();
    let state = ring.lines().nth(2).unwrap().trim_start_matches("state ");
    for file in [request.0, sealed.0] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(state), "{text}");
    }
}

#[test]
fn a_typed_fingerprint_may_be_grouped_as_people_type_it_and_must_be_that_of_the_file() {
    let (giver, receiver) = (Server::with_secrets(), Server::empty());
    let (request, fingerprint) = receiver.request("request");
    assert_eq!(fingerprint.len(), 19, "{fingerprint}");
    let stranger = Server::empty().request("request").1;
    for typed in ["", "AAAA", &fingerprint[..18], &stranger] {
        let to = giver.path("sealed");
        let refused = giver.secrets().seal(&request, typed, &to).unwrap_err();
        assert!(
            matches!(refused, HandOverError::Fingerprint(_)),
            "{refused}"
        );
        assert!(!refused.to_string().contains(&fingerprint), "{refused}");
        assert!(!to.exists());
    }
    let typed = fingerprint.replace('-', " ").to_lowercase();
    let sealed = giver.seal(&(request, typed), "sealed");
    let files = receiver.files();
    let refused = receiver.open(&(sealed.0.clone(), fingerprint)).unwrap_err();
    assert!(
        matches!(refused, HandOverError::Fingerprint(_)),
        "{refused}"
    );
    assert_eq!(receiver.files(), files);
    receiver.open(&sealed).unwrap();
}

#[test]
fn nothing_opens_for_another_server_or_another_request_or_when_it_was_altered() {
    let (giver, receiver, other) = (Server::with_secrets(), Server::empty(), Server::empty());
    let first = giver.seal(&receiver.request("first"), "first");
    let (request, fingerprint) = receiver.request("second");
    let sealed = giver.seal(&(request.clone(), fingerprint), "second");
    other.request("other");
    let files = (receiver.files(), other.files());
    for (server, sealed) in [(&receiver, &first), (&other, &sealed)] {
        let refused = server.open(sealed).unwrap_err();
        assert!(matches!(refused, HandOverError::ForAnother(_)), "{refused}");
    }
    let text = std::fs::read_to_string(&sealed.0).unwrap();
    let altered = receiver.path("altered");
    for index in (0..text.len()).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[index] ^= 1;
        std::fs::write(&altered, bytes).unwrap();
        assert!(
            receiver.open(&(altered.clone(), sealed.1.clone())).is_err(),
            "{index}"
        );
    }
    // One who can alter it alters the check and the fingerprint as well.
    let lines: Vec<&str> = text.lines().collect();
    let [meant, key, body] = [1, 2, 3].map(|line| lines[line]);
    let last = if body.ends_with('0') { "1" } else { "0" };
    let body = format!("{}{last}", &body[..body.len() - 1]);
    durable::replace(&altered, SEALED, &format!("{meant}\n{key}\n{body}\n")).unwrap();
    let [meant, enclosed, sealed_bytes] = read(&altered, SEALED, ["for", "key", "sealed"]).unwrap();
    let own = Fingerprint::of(&[SEALED.as_bytes(), &meant, &enclosed, &sealed_bytes]);
    let refused = receiver.open(&(altered, own.to_string())).unwrap_err();
    assert!(matches!(refused, HandOverError::Damaged(_)), "{refused}");
    assert_eq!((receiver.files(), other.files()), files);
    // A request is no answer, nor an answer a request.
    assert!(receiver.open(&(request, sealed.1.clone())).is_err());
    let again = giver
        .secrets()
        .seal(&sealed.0, &sealed.1, &giver.path("again"));
    assert!(again.is_err());
    receiver.open(&sealed).unwrap();
}

#[test]
fn a_server_that_has_its_secrets_neither_asks_nor_takes_others() {
    let (giver, receiver) = (Server::with_secrets(), Server::empty());
    let has = giver
        .secrets()
        .request(&giver.path("request"), false)
        .unwrap_err();
    assert!(matches!(has, HandOverError::HasRing(_)), "{has}");
    assert!(!giver.path("request").exists());
    let sealed = giver.seal(&receiver.request("request"), "sealed");
    // Meanwhile it has got others.
    KeyRing::create(&receiver.secrets().ring, TODAY).unwrap();
    let files = receiver.files();
    let refused = receiver.open(&sealed).unwrap_err();
    assert!(
        matches!(refused, HandOverError::Ring(KeyError::RingExists { .. })),
        "{refused}"
    );
    assert_eq!(receiver.files(), files);
    std::fs::remove_file(receiver.secrets().ring).unwrap();
    RegisterKey::create(&receiver.secrets().register_key).unwrap();
    let files = receiver.files();
    let refused = receiver.open(&sealed).unwrap_err();
    let is_it = matches!(
        refused,
        HandOverError::RegisterKey(RegisterKeyError::Differs(_))
    );
    assert!(is_it, "{refused}");
    assert_eq!(receiver.files(), files);
    // Its own, kept elsewhere meanwhile, stays.
    std::fs::copy(
        giver.secrets().register_key,
        receiver.secrets().register_key,
    )
    .unwrap();
    receiver.open(&sealed).unwrap();
    assert!(same_keys(&giver, &receiver));
    for file in ["request", "sealed"] {
        let there = Server::empty();
        std::fs::write(there.path(file), "mine").unwrap();
        let refused = match file {
            "request" => there.secrets().request(&there.path(file), false),
            _ => {
                let (request, typed) = there.request("new");
                giver.secrets().seal(&request, &typed, &there.path(file))
            }
        };
        assert!(
            matches!(refused, Err(HandOverError::Exists(_))),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(there.path(file)).unwrap(), b"mine");
    }
}

#[test]
fn one_that_was_interrupted_anywhere_is_done_again() {
    let giver = Server::with_secrets();
    // What is there already when it begins anew: the register key, then the ring.
    for done in 0..3 {
        let receiver = Server::empty();
        let sealed = giver.seal(&receiver.request("request"), &format!("sealed {done}"));
        let (from, to) = (giver.secrets(), receiver.secrets());
        let copies = [(from.register_key, to.register_key), (from.ring, to.ring)];
        for (from, to) in &copies[..done] {
            std::fs::copy(from, to).unwrap();
        }
        // And a file that was about to be put there.
        std::fs::write(receiver.path("keys/day-keys.new"), "sistema").unwrap();
        receiver.open(&sealed).unwrap();
        assert!(same_keys(&giver, &receiver));
    }
}

#[test]
fn a_renewal_reaches_a_server_that_has_the_ring_and_no_other() {
    let (giver, receiver, stranger) = (
        Server::with_secrets(),
        Server::empty(),
        Server::with_secrets(),
    );
    receiver
        .open(&giver.seal(&receiver.request("request"), "sealed"))
        .unwrap();
    let empty = Server::empty();
    let none = empty
        .secrets()
        .request(&empty.path("request"), true)
        .unwrap_err();
    assert!(matches!(none, HandOverError::HasNoRing(_)), "{none}");
    let hand_over = |to: &Server, name: &str| {
        let request = to.path(&format!("{name} request"));
        let typed = to.secrets().request(&request, true).unwrap().to_string();
        let sealed = giver.seal(&(request, typed), name);
        to.secrets().open(&sealed.0, &sealed.1, true)
    };
    let nothing = hand_over(&receiver, "nothing").unwrap_err();
    assert!(
        matches!(nothing, HandOverError::Ring(KeyError::NothingNew { .. })),
        "{nothing}"
    );
    let from = TODAY + Days::new(3);
    KeyRing::renew(&giver.secrets().ring, TODAY, from).unwrap();
    assert!(
        !same_keys(&giver, &receiver),
        "a renewal changes later keys"
    );
    let files = stranger.files();
    let refused = hand_over(&stranger, "stranger").unwrap_err();
    let is_it = matches!(
        refused,
        HandOverError::RegisterKey(RegisterKeyError::Differs(_))
    );
    assert!(is_it, "{refused}");
    std::fs::copy(
        giver.secrets().register_key,
        stranger.secrets().register_key,
    )
    .unwrap();
    let refused = hand_over(&stranger, "other ring").unwrap_err();
    assert!(
        matches!(refused, HandOverError::Ring(KeyError::Replaced { .. })),
        "{refused}"
    );
    assert_eq!(stranger.files()["day-keys"], files["day-keys"]);
    assert_eq!(hand_over(&receiver, "renewal").unwrap(), Opened::Renewal);
    assert!(same_keys(&giver, &receiver));
    // One that was interrupted before its end finds the renewal there when it is done again.
    assert_eq!(hand_over(&receiver, "again").unwrap(), Opened::Renewal);
    assert!(same_keys(&giver, &receiver));
    assert!(!receiver.path("keys/day-keys.hand-over").exists());
}

#[test]
fn another_renewal_of_the_same_day_is_not_taken_for_the_one_that_is_there() {
    let (giver, receiver) = (Server::with_secrets(), Server::empty());
    receiver
        .open(&giver.seal(&receiver.request("request"), "sealed"))
        .unwrap();
    for server in [&giver, &receiver] {
        KeyRing::renew(&server.secrets().ring, TODAY, TODAY + Days::new(3)).unwrap();
    }
    let files = receiver.files();
    let request = receiver.path("renewal request");
    let typed = receiver.secrets().request(&request, true).unwrap();
    let sealed = giver.seal(&(request, typed.to_string()), "renewal");
    let refused = receiver.secrets().open(&sealed.0, &sealed.1, true);
    assert!(
        matches!(refused, Err(HandOverError::Ring(KeyError::Replaced { .. }))),
        "{refused:?}"
    );
    assert_eq!(receiver.files()["day-keys"], files["day-keys"]);
}

#[test]
fn a_private_key_that_others_can_read_is_not_used() {
    let (giver, receiver) = (Server::with_secrets(), Server::empty());
    let sealed = giver.seal(&receiver.request("request"), "sealed");
    let own = receiver.path("keys/day-keys.hand-over");
    let set = |mode| std::fs::set_permissions(&own, std::fs::Permissions::from_mode(mode));
    assert_eq!(
        std::fs::metadata(&own).unwrap().permissions().mode() & 0o777,
        0o600
    );
    set(0o644).unwrap();
    let refused = receiver.open(&sealed).unwrap_err();
    assert!(
        matches!(refused, HandOverError::Permissions(_)),
        "{refused}"
    );
    set(0o600).unwrap();
    receiver.open(&sealed).unwrap();
}
