//! Certificates that come and go while the server runs. Failure here means that a revoked one is still served, that a renewal locks a region
//! out for a moment, or that replacing a file drops a connection.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::ClientConfig;
use time::{Duration, OffsetDateTime};

use crate::support::{Installation, Reply, Server, Session, Submission, until};

fn is_refused(reply: &Reply) -> bool {
    reply.status() == 500 && reply.value("faultstring").contains("revocato")
}

/// Revokes region 010's certificate, with one connection open and a session to resume, and watches both be refused.
fn revoke_and_watch(settings: &[(&str, &str)], tell: impl Fn(&Server)) {
    let installation = Installation::new();
    let server = Server::start_with(&installation, settings);
    let config: Arc<ClientConfig> = installation.client(Some("region-010"));
    let message = Submission::by_region();
    let mut open = Session::with(server.mutual_tls, &config);
    assert_eq!(open.submit(&message).told(), (200, "0000"));
    let mut resumed = Session::with(server.mutual_tls, &config);
    assert_eq!(resumed.submit(&message).told(), (200, "0000"));
    assert!(
        resumed.client.resumed(),
        "else the test says nothing of resumption"
    );

    installation.run(&["pki", "revoke", "pki/region-010.crt"]);
    tell(&server);
    until("the open connection is refused", || {
        is_refused(&open.submit(&message))
    });
    assert!(is_refused(&resumed.submit(&message)));
    // A new connection that resumes a session of before may be made, and is refused likewise; a full handshake fails or is refused.
    for config in [config, installation.client(Some("region-010"))] {
        let heard = Session::try_with(server.mutual_tls, &config)
            .and_then(|mut session| session.try_submit(&message));
        assert!(heard.as_ref().map_or(true, is_refused), "{heard:?}");
    }
    let other = Submission {
        structure: None,
        description: Some("Drive-in".into()),
        ..message
    };
    let mut neighbour = Session::region(&installation, &server, "020");
    assert_eq!(neighbour.submit(&other).told(), (200, "0000"));
}

#[test]
fn a_revoked_certificate_is_refused_after_a_signal() {
    // Polling would come a minute from now.
    revoke_and_watch(&[("TLS__RELOAD_INTERVAL_SECONDS", "3600")], |server| {
        server.signal(libc::SIGHUP);
    });
}

#[test]
fn a_revoked_certificate_is_refused_without_a_signal() {
    revoke_and_watch(&[("TLS__RELOAD_INTERVAL_SECONDS", "1")], |_| ());
}

#[test]
fn during_a_renewal_both_certificates_are_good_and_then_the_new_one_alone() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let message = Submission::by_region();
    let mut old = Session::region(&installation, &server, "010");
    let mut new = Session::region(&installation, &server, "010-new");
    assert_eq!(old.submit(&message).told(), (200, "0000"));
    assert_eq!(new.submit(&message).status(), 500, "not registered yet");

    let change = |verb: &str, file: &str| {
        installation.admin(&["certificate", verb, "--region", "010", file]);
    };
    change("add", "pki/region-010-new.crt");
    until("the new certificate is good", || {
        new.submit(&message).status() == 200
    });
    // Both are the same caller: a key sent with one is known with the other.
    let keyed = message.clone().with_key("renewal");
    let first = old.submit(&keyed);
    assert_eq!(first.told(), (200, "0000"));
    let again = new.submit(&keyed);
    assert_eq!(
        (again.told(), again.transaction()),
        ((200, "0001"), first.transaction())
    );

    change("remove", "pki/region-010.crt");
    until("the old certificate is refused", || {
        old.submit(&message).status() == 500
    });
    assert_eq!(new.submit(&message).told(), (200, "0000"));
}

#[test]
fn a_new_server_certificate_is_served_and_open_connections_stay() {
    let installation = Installation::new();
    let server = Server::start_with(&installation, &[("TLS__RELOAD_INTERVAL_SECONDS", "3600")]);
    let config = installation.client(None);
    let served = |session: &Session| {
        let chain = session.client.stream.conn.peer_certificates().unwrap();
        chain[0].clone().into_owned()
    };
    let message = Submission::by_region();
    let mut open = Session::region(&installation, &server, "010");
    let before = served(&open);
    assert_eq!(open.submit(&message).told(), (200, "0000"));

    installation.run(&[
        "pki",
        "server",
        "--file",
        "renewed",
        "localhost",
        "127.0.0.1",
    ]);
    for kind in ["key", "crt"] {
        let file = |stem: &str| installation.path(&format!("pki/{stem}.{kind}"));
        std::fs::rename(file("renewed"), file("server")).unwrap();
    }
    server.signal(libc::SIGHUP);
    until("the new certificate is served", || {
        served(&Session::with(server.basic, &config)) != before
    });
    until(
        "the new certificate is served on the other listener",
        || served(&Session::with(server.mutual_tls, &config)) != before,
    );
    assert_eq!(open.submit(&message).told(), (200, "0000"));
}

/// Makes an intermediate below the installation's authority, and by it a certificate of region 010 with the serial number 9 in
/// `pki/region-010-below`, with the intermediate's beside it.
fn region_below_an_intermediate(installation: &Installation) -> Issuer<'static, KeyPair> {
    let file = |name: &str| std::fs::read_to_string(installation.path(name)).unwrap();
    let key = KeyPair::from_pem(&file("pki/ca.key")).unwrap();
    let root = Issuer::from_ca_cert_pem(&file("pki/ca.crt"), key).unwrap();
    let named = |names: &[(DnType, &str)]| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(90);
        params
    };
    let mut params = named(&[(DnType::CommonName, "Intermedia")]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root).unwrap().pem();
    let intermediate = Issuer::new(params, key);

    let mut params = named(&[
        (DnType::CountryName, "IT"),
        (DnType::OrganizationName, "Regione"),
        (DnType::OrganizationalUnitName, "010"),
        (DnType::CommonName, "Prova"),
    ]);
    params.serial_number = Some(9_u64.into());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &intermediate).unwrap().pem();
    let write = |end: &str, content: String| {
        let file = installation.path(&format!("pki/region-010-below.{end}"));
        std::fs::write(file, content).unwrap();
    };
    write("crt", own + &certificate);
    write("key", key.serialize_pem());
    intermediate
}

/// A list of the intermediate, in PEM.
fn list_of(intermediate: &Issuer<'_, KeyPair>, number: u64, revoked: &[u64]) -> String {
    let now = OffsetDateTime::now_utc();
    let entry = |serial: &u64| RevokedCertParams {
        serial_number: (*serial).into(),
        revocation_time: now - Duration::hours(1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: now - Duration::hours(1),
        next_update: now + Duration::days(30),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(intermediate).unwrap().pem().unwrap()
}

#[test]
fn a_client_that_an_intermediate_has_revoked_stays_out_though_its_older_list_is_put_back_and_the_server_restarted()
 {
    let installation = Installation::new();
    let intermediate = region_below_an_intermediate(&installation);
    let certificate = ["--region", "010", "pki/region-010-below.crt"];
    installation.admin(&[&["certificate", "add"][..], &certificate].concat());
    let list_file = installation.path("pki/ca.crl");
    let own = std::fs::read_to_string(&list_file).unwrap();
    let put = |list: &str| std::fs::write(&list_file, format!("{own}{list}")).unwrap();
    let config = installation.client(Some("region-010-below"));
    let message = Submission::by_region();
    let older = list_of(&intermediate, 1, &[]);

    put(&older);
    let server = Server::start(&installation);
    let mut open = Session::with(server.mutual_tls, &config);
    assert_eq!(open.submit(&message).told(), (200, "0000"));
    put(&list_of(&intermediate, 2, &[9]));
    server.signal(libc::SIGHUP);
    until("the open connection is refused", || {
        is_refused(&open.submit(&message))
    });
    assert!(server.terminate().0.success());

    put(&older);
    let server = Server::start(&installation);
    let told = "revocation_list_went_back (CN=Intermedia): ";
    assert!(!server.status("/health/ready").text().contains(told));
    let mut refused = Session::with(server.mutual_tls, &config);
    assert!(is_refused(&refused.submit(&message)));
    until("the older list is told", || {
        server.status("/health/ready").text().contains(told)
    });

    put(&list_of(&intermediate, 3, &[]));
    server.signal(libc::SIGHUP);
    until("a newer list lets it in again", || {
        refused.submit(&message).status() == 200
    });
    until("no older list is told", || {
        !server.status("/health/ready").text().contains(told)
    });
}
