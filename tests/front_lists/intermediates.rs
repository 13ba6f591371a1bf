//! Lists of intermediates: authorities below an accepted one, of which only the chains that clients show tell.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;

use crate::front_support::Running;
use crate::front_support::openssl::{AUTHORITY, CLIENT, make, make_list};
use crate::front_support::pki::{Authority, Files, Identity};
use crate::{in_force, is_revoked, start};

/// A client of an intermediate, which shows the intermediate's certificate.
fn client_of(intermediate: &Authority, serial: u64) -> Identity {
    let mut identity = intermediate.client("Regione", "010", "Prova", serial);
    identity.certificate_pem += &intermediate.certificate_pem;
    identity
}

/// Puts lists into the file, beside an empty one of the accepted authority.
fn write(files: &Files, lists: &[&str]) {
    let own = files.authority.revoking(&[]);
    files.write("ca.crl", own + &lists.concat());
}

fn put_in_force(front: &Running, files: &Files, lists: &[&str]) {
    write(files, lists);
    let failed = front.reloader.reload();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The same list with a signature that is not its issuer's.
fn with_another_signature(list: &str) -> String {
    let (first, rest) = list.split_once("\n").unwrap();
    let der = CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap();
    let mut der = der.to_vec();
    *der.last_mut().unwrap() ^= 1;
    let (_, last) = rest.split_once("-----END").unwrap();
    let content = STANDARD.encode(der);
    format!("{first}\n{content}\n-----END{last}")
}

/// The names of the lists that are kept.
fn kept(files: &Files) -> Vec<String> {
    let entries = std::fs::read_dir(files.path("kept")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Whether a list that the file does not hold is told to be in force, of an intermediate.
fn tells_kept(front: &Running) -> bool {
    let lists = in_force(front).revocation_lists;
    let mut kept = lists.iter().filter(|list| list.is_kept);
    kept.any(|list| list.is_verified && list.issuer == "CN=Intermediate")
}

#[test]
fn an_intermediate_that_only_chains_show_is_covered_by_its_list_or_told() {
    let files = Files::new();
    let intermediate = files.authority.intermediate("Intermediate");
    let (good, bad) = (client_of(&intermediate, 8), client_of(&intermediate, 9));
    let front = start(&files);
    assert!(in_force(&front).authorities_without_list.is_empty());
    assert!(!is_revoked(&front, &files, &bad));
    assert_eq!(
        in_force(&front).authorities_without_list,
        ["CN=Intermediate"]
    );

    // What a client sends behind its chain is not told, though one of its two made-up authorities has signed the other.
    let made_up = Authority::new("Made up");
    let mut padded = client_of(&intermediate, 10);
    padded.certificate_pem += &made_up.intermediate("Made up too").certificate_pem;
    padded.certificate_pem += &made_up.certificate_pem;
    assert!(!is_revoked(&front, &files, &padded));
    assert_eq!(
        in_force(&front).authorities_without_list,
        ["CN=Intermediate"]
    );

    // Nor is a made-up certificate of the key that has signed the client's.
    let mut padded = client_of(&intermediate, 11);
    padded.certificate_pem += &made_up.certificate_of("Made up three", &intermediate);
    assert!(!is_revoked(&front, &files, &padded));
    assert_eq!(
        in_force(&front).authorities_without_list,
        ["CN=Intermediate"]
    );

    // Its list does not prevent a start, and counts.
    put_in_force(&front, &files, &[&intermediate.revoking(&[9])]);
    drop(front);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &bad));
    assert!(!is_revoked(&front, &files, &good));
    let trust = in_force(&front);
    assert!(trust.authorities_without_list.is_empty(), "{trust:?}");
    // A list of the same name that it did not sign says nothing of it.
    let stranger = Authority::new("Intermediate");
    put_in_force(&front, &files, &[&stranger.revoking(&[8])]);
    assert!(!is_revoked(&front, &files, &good));
    let lists = in_force(&front).revocation_lists;
    assert!(lists.iter().any(|list| !list.is_verified), "{lists:?}");
    // An intermediate that the root has revoked takes its clients with it.
    files.write("ca.crl", files.authority.revoking(&[intermediate.serial]));
    assert!(front.reloader.reload().is_empty());
    assert!(is_revoked(&front, &files, &good));
}

#[test]
fn of_a_shown_intermediate_an_older_list_or_none_lets_nobody_in_again_and_neither_does_a_restart() {
    let files = Files::new();
    let intermediate = files.authority.intermediate("Intermediate");
    let (good, bad) = (client_of(&intermediate, 8), client_of(&intermediate, 9));
    let (older, newer) = (
        intermediate.revoking_numbered(1, &[]),
        intermediate.revoking_numbered(256, &[9]),
    );
    write(&files, &[&older]);
    let mut front = start(&files);
    assert!(!is_revoked(&front, &files, &bad));
    let lists = in_force(&front).revocation_lists;
    assert!(lists.iter().all(|list| list.is_verified), "{lists:?}");
    put_in_force(&front, &files, &[&newer]);
    assert!(is_revoked(&front, &files, &bad));
    assert!(!tells_kept(&front));

    let between = intermediate.revoking_numbered(255, &[]);
    let stranger = Authority::new("Intermediate").revoking_numbered(999, &[]);
    let forged = with_another_signature(&intermediate.revoking_numbered(999, &[]));
    for back in [
        &[&*forged, &older][..],
        &[&*older],
        &[],
        &[&between],
        &[&stranger],
        &[&stranger, &older],
    ] {
        put_in_force(&front, &files, back);
        assert!(tells_kept(&front));
        assert!(is_revoked(&front, &files, &bad));
        assert!(!is_revoked(&front, &files, &good));
        drop(front);
        front = start(&files);
        // Nobody has shown its issuer yet.
        assert!(!tells_kept(&front));
        assert!(is_revoked(&front, &files, &bad));
        assert!(!is_revoked(&front, &files, &good));
        assert!(tells_kept(&front));
    }

    // And forward again.
    put_in_force(
        &front,
        &files,
        &[&intermediate.revoking_numbered(257, &[8])],
    );
    assert!(!is_revoked(&front, &files, &bad));
    assert!(is_revoked(&front, &files, &good));
    assert!(!tells_kept(&front));
    drop(front);
    let front = start(&files);
    assert!(!is_revoked(&front, &files, &bad));
    assert!(is_revoked(&front, &files, &good));
}

#[test]
fn of_lists_that_were_there_before_their_issuer_was_shown_the_newest_counts() {
    for (is_restarted, is_replaced) in [(false, true), (false, false), (true, true), (true, false)]
    {
        let files = Files::new();
        let intermediate = files.authority.intermediate("Intermediate");
        let (older, newer) = (
            intermediate.revoking_numbered(1, &[8]),
            intermediate.revoking_numbered(2, &[9]),
        );
        write(&files, &[&newer]);
        let mut front = start(&files);
        assert!(
            in_force(&front)
                .revocation_lists
                .iter()
                .any(|list| !list.is_verified)
        );
        let back: &[&str] = if is_replaced { &[&older] } else { &[] };
        put_in_force(&front, &files, back);
        if is_restarted {
            drop(front);
            front = start(&files);
        }
        // A list that was taken out is not told before it matters: it may have been a stranger's.
        let lists = in_force(&front).revocation_lists;
        assert_eq!(lists.len(), 1 + back.len(), "{lists:?}");
        assert!(!lists.iter().any(|list| list.is_kept), "{lists:?}");

        assert!(is_revoked(&front, &files, &client_of(&intermediate, 9)));
        assert!(!is_revoked(&front, &files, &client_of(&intermediate, 8)));
        assert!(tells_kept(&front));
        let lists = in_force(&front).revocation_lists;
        assert_eq!(lists.len(), 2, "{lists:?}");
        let kept = kept(&files);
        let unchecked = |name: &String| name.starts_with("unchecked-");
        assert!(kept.len() == 2 && !kept.iter().any(unchecked), "{kept:?}");
    }
}

#[test]
fn a_list_that_comes_after_its_issuer_was_shown_is_checked_and_kept_at_once() {
    let files = Files::new();
    let intermediate = files.authority.intermediate("Intermediate");
    let front = start(&files);
    assert!(!is_revoked(&front, &files, &client_of(&intermediate, 8)));
    put_in_force(&front, &files, &[&intermediate.revoking_numbered(2, &[9])]);
    assert!(in_force(&front).authorities_without_list.is_empty());
    // Another accepted authority, and a new certificate of the server, let nobody forget the intermediate.
    let other = Authority::new("Other").certificate_pem;
    files.write(
        "ca.pem",
        format!("{}{other}", files.authority.certificate_pem),
    );
    put_in_force(&front, &files, &[&intermediate.revoking_numbered(1, &[])]);
    assert!(tells_kept(&front));
    assert!(is_revoked(&front, &files, &client_of(&intermediate, 9)));
}

#[test]
fn an_intermediate_below_an_authority_that_is_no_longer_accepted_is_not_told_of() {
    let files = Files::new();
    let (parting, staying) = (
        Authority::new("Parting"),
        files.authority.certificate_pem.clone(),
    );
    files.write("ca.pem", format!("{staying}{}", parting.certificate_pem));
    let upper = parting.intermediate("Upper");
    let intermediate = upper.intermediate("Intermediate");
    let mut client = client_of(&intermediate, 9);
    client.certificate_pem += &upper.certificate_pem;
    let lists = [
        parting.revoking(&[]),
        intermediate.revoking_numbered(2, &[9]),
    ];
    let [own, newer] = &lists;
    write(&files, &[own, newer]);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &client));
    assert_eq!(in_force(&front).authorities_without_list, ["CN=Upper"]);

    put_in_force(&front, &files, &[own]);
    assert!(tells_kept(&front));
    files.write("ca.pem", &staying);
    put_in_force(&front, &files, &[]);
    assert!(!tells_kept(&front));
    assert!(in_force(&front).authorities_without_list.is_empty());

    // Accepted again, and shown again.
    files.write("ca.pem", format!("{staying}{}", parting.certificate_pem));
    put_in_force(&front, &files, &[own]);
    assert!(!tells_kept(&front));
    assert!(is_revoked(&front, &files, &client));
    assert!(tells_kept(&front));
}

#[test]
fn lists_of_two_intermediates_with_one_name_are_told_apart_by_the_keys_that_signed_them() {
    // Lists that OpenSSL makes so do not say which key signed them: only the signature tells.
    let files = Files::new();
    let folder = files.folder.path();
    make(folder, "ca", "ca", "EC P-256", AUTHORITY, "");
    std::fs::copy(folder.join("ca.pem"), folder.join("roots.pem")).unwrap();
    let place = |name: &str| {
        let own = folder.join(name);
        std::fs::create_dir(&own).unwrap();
        for file in ["ca.pem", "ca.key"] {
            std::fs::copy(folder.join(file), own.join(file)).unwrap();
        }
        make(&own, "Intermediate", "ca", "EC P-256", AUTHORITY, "");
        make(
            &own,
            "region",
            "Intermediate",
            "EC P-256",
            CLIENT,
            "-set_serial 9",
        );
        for (list, revoked) in [("older", &[][..]), ("newer", &["region"])] {
            make_list(&own, list, "Intermediate", "sha256", revoked);
        }
        own
    };
    let text = |folder: &Path, file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let client = |folder: &Path| Identity {
        certificate_pem: text(folder, "region.pem") + &text(folder, "Intermediate.pem"),
        key_pem: text(folder, "region.key"),
        serial: 9,
    };
    let (first, second) = (place("first"), place("second"));
    // The second's lists have higher numbers than the first's.
    for list in ["higher", "higher", "older"] {
        make_list(&second, list, "Intermediate", "sha256", &[]);
    }
    make_list(folder, "own", "ca", "sha256", &[]);
    let own = text(folder, "own.crl");
    let put = |lists: &[String]| files.write("ca.crl", own.clone() + &lists.concat());

    put(&[text(&first, "newer.crl"), text(&second, "older.crl")]);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &client(&first)));
    assert!(!is_revoked(&front, &files, &client(&second)));
    let lists = in_force(&front).revocation_lists;
    assert!(lists.iter().all(|list| list.is_verified), "{lists:?}");
    // The first's older one comes back.
    put(&[text(&second, "older.crl"), text(&first, "older.crl")]);
    assert!(front.reloader.reload().is_empty());
    assert!(is_revoked(&front, &files, &client(&first)));
    assert!(!is_revoked(&front, &files, &client(&second)));
    drop(front);
    let front = start(&files);
    // One that was shown does not make the other's list a wrong one.
    assert!(!is_revoked(&front, &files, &client(&second)));
    assert!(front.reloader.reload().is_empty());
    assert!(is_revoked(&front, &files, &client(&first)));
}

#[test]
fn an_intermediate_that_was_renewed_with_its_key_goes_on_with_its_lists() {
    let files = Files::new();
    let intermediate = files.authority.intermediate("Intermediate");
    let renewed = files.authority.renewed(&intermediate);
    write(&files, &[&intermediate.revoking_numbered(2, &[9])]);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &client_of(&intermediate, 9)));
    assert!(is_revoked(&front, &files, &client_of(&renewed, 9)));
    // The list says the same of both, and that of either is that of both.
    put_in_force(&front, &files, &[&renewed.revoking_numbered(1, &[])]);
    assert!(is_revoked(&front, &files, &client_of(&renewed, 9)));
    drop(front);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &client_of(&renewed, 9)));
    put_in_force(&front, &files, &[&renewed.revoking_numbered(3, &[])]);
    assert!(!is_revoked(&front, &files, &client_of(&intermediate, 9)));
    let trust = in_force(&front);
    assert_eq!(trust.revocation_lists.len(), 2, "{trust:?}");
    assert!(trust.authorities_without_list.is_empty(), "{trust:?}");
}

#[test]
fn what_is_remembered_of_intermediates_and_of_lists_that_nobody_could_check_is_bounded() {
    let files = Files::new();
    let intermediate = files.authority.intermediate("Intermediate");
    write(&files, &[&intermediate.revoking_numbered(2, &[9])]);
    let front = start(&files);
    assert!(is_revoked(&front, &files, &client_of(&intermediate, 9)));
    // Lists that come to nothing, each of another issuer.
    for number in 0..70 {
        let stranger = Authority::new(&format!("Stranger {number}"));
        put_in_force(&front, &files, &[&stranger.revoking(&[1])]);
    }
    // One of the accepted authority, one of the intermediate, and a bounded number.
    assert_eq!(kept(&files).len(), 2 + 64);
    // Authorities below the intermediate, as many as it likes.
    for number in 0..300 {
        let lower = intermediate.intermediate(&format!("Lower {number}"));
        let mut client = client_of(&lower, 9);
        client.certificate_pem += &intermediate.certificate_pem;
        assert!(!is_revoked(&front, &files, &client));
        let open = in_force(&front).authorities_without_list;
        assert!(open.contains(&format!("CN=Lower {number}")), "{number}");
        assert!(open.len() < 256, "{}", open.len());
    }
    assert!(tells_kept(&front));
    assert!(is_revoked(&front, &files, &client_of(&intermediate, 9)));
}
