//! Regions, call centres with their networks, and structures.

use std::process::{Command, Stdio};

use serde_json::json;
use sistema_ts_model::StructureId;

use crate::house::{House, STRUCTURE, call_center, region};

#[test]
fn a_region_and_its_certificates_reach_the_running_server() {
    let house = House::new();
    let server = house.server();
    house.certificates(&[
        &["region", "--code", "010"],
        &["region", "--code", "010", "--file", "renewed"],
    ]);
    let (old, new) = (
        house.path("pki/region-010.crt"),
        house.path("pki/renewed.crt"),
    );
    assert!(
        house
            .refused(&["certificate", "add", "--region", "010", &old])
            .contains("region 010 is not registered")
    );
    house.done(&["region", "add", "010"]);
    house.done(&["region", "add", "020", "--name", "Vallée d'Aoste"]);
    let added = house.json(&["certificate", "add", "--region", "010", &old]);
    house.done(&["certificate", "add", "--region", "010", &new]);
    server.sees("both certificates", |snapshot| {
        snapshot
            .caller(&region("010"))
            .is_some_and(|caller| caller.certificates.len() == 2)
    });
    assert!(
        house
            .refused(&["certificate", "add", "--region", "010", &old])
            .contains("registered already")
    );
    assert!(
        house
            .refused(&["certificate", "add", "--region", "020", &old])
            .contains("subject does not name")
    );
    assert!(
        house
            .refused(&[
                "certificate",
                "add",
                "--region",
                "010",
                &house.path("pki/ca.key")
            ])
            .contains("no certificate in it: it holds a private key")
    );
    // As binary, and in front of its authority, it is the same certificate; of another authority it would never get in.
    let pem = std::fs::read(&old).unwrap();
    let der = x509_parser::pem::parse_x509_pem(&pem).unwrap().1.contents;
    std::fs::write(house.path("old.der"), der).unwrap();
    let authority = std::fs::read(house.path("pki/ca.crt")).unwrap();
    std::fs::write(house.path("both.pem"), [authority, pem].concat()).unwrap();
    for file in ["old.der", "both.pem"] {
        let again = house.refused(&["certificate", "add", "--region", "010", &house.path(file)]);
        assert!(again.contains("registered already"), "{file}: {again}");
    }
    let aside = house.path("aside");
    std::fs::rename(house.path("pki"), &aside).unwrap();
    house.certificates(&[]);
    let stranger = format!("{aside}/renewed.crt");
    let foreign = house.refused(&["certificate", "add", "--region", "010", &stranger]);
    assert!(
        foreign.contains("is not that of the authority of that name"),
        "{foreign}"
    );
    std::fs::remove_dir_all(house.path("pki")).unwrap();
    std::fs::rename(&aside, house.path("pki")).unwrap();

    let shown = house.json(&["region", "show", "010"]);
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(shown["name"], "Piemonte");
    let fingerprint = added["added"].as_str().unwrap();
    assert!(house.done(&["region", "show", "010"]).contains(fingerprint));

    house.done(&[
        "certificate",
        "remove",
        "--region",
        "010",
        "--fingerprint",
        fingerprint,
    ]);
    house.done(&["certificate", "remove", "--region", "010", &new]);
    server.sees("no certificate", |snapshot| {
        snapshot
            .caller(&region("010"))
            .is_some_and(|caller| caller.certificates.is_empty())
    });
    house.done(&["region", "disable", "010"]);
    server.sees("disabled", |snapshot| {
        !snapshot.caller(&region("010")).unwrap().enabled
    });
    house.done(&["region", "enable", "010"]);
    server.sees("enabled", |snapshot| {
        snapshot.caller(&region("010")).unwrap().enabled
    });

    let listed = house.json(&["region", "list"]);
    let codes: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["010", "020"]);
    let text = house.done(&["region", "list"]);
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().next().unwrap().starts_with("CODE"), "{text}");
}

#[test]
fn structures_are_registered_listed_and_disabled() {
    let house = House::new();
    let server = house.server();
    house.done(&[
        "structure",
        "add",
        STRUCTURE,
        "--description",
        "Ospedale di prova",
    ]);
    house.done(&[
        "structure",
        "add",
        "020-101-1",
        "--description",
        "Altra struttura",
    ]);
    assert!(
        house
            .refused(&["structure", "add", STRUCTURE, "--description", "x"])
            .contains("registered already")
    );
    house.refused(&["structure", "add", "010-101", "--description", "x"]);
    house.refused(&["structure", "add", "011-101-1", "--description", "x"]);
    let listed = house.json(&["structure", "list", "--region", "010"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["description"], "Ospedale di prova");
    house.done(&["structure", "disable", STRUCTURE]);
    let id = StructureId::parse(STRUCTURE).unwrap();
    server.sees("disabled", |snapshot| {
        snapshot
            .structure(&id)
            .is_some_and(|structure| !structure.enabled)
    });
    assert_eq!(
        house.json(&["structure", "show", STRUCTURE])["enabled"],
        false
    );
    house.done(&["structure", "enable", STRUCTURE]);
    server.sees("enabled", |snapshot| {
        snapshot.structure(&id).unwrap().enabled
    });
}

impl House {
    /// Makes an authority in the folder `pki`, and these certificates.
    fn certificates(&self, certificates: &[&[&str]]) {
        for arguments in [&["ca"][..]].iter().chain(certificates) {
            let status = Command::new(env!("CARGO_BIN_EXE_sistema-ts"))
                .args(["pki", "--folder", &self.path("pki")])
                .args(*arguments)
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{arguments:?}");
        }
    }
}

#[test]
fn a_call_centre_and_its_certificate_reach_the_running_server() {
    let house = House::new();
    let server = house.server();
    house.certificates(&[
        &["call-center", "--code", "cc1", "--name", "Prova"],
        &["region", "--code", "010"],
        &["client"],
    ]);
    let certificate = house.path("pki/call-center-cc1.crt");
    let add = |caller: [&str; 2], file: &str| {
        let file = house.path(file);
        house.run(
            &[&["certificate", "add"], &caller[..], &[&*file]].concat(),
            "",
        )
    };
    let of_cc1 = ["--call-center", "cc1"];
    let refused = |output: std::process::Output| {
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = refused(add(of_cc1, "pki/call-center-cc1.crt"));
    assert!(
        unknown.contains("call centre cc1 is not registered"),
        "{unknown}"
    );

    house.done(&[
        "call-center",
        "add",
        "cc1",
        "--name",
        "Call center di prova",
    ]);
    house.done(&["call-center", "add", "cc2", "--name", "Un altro"]);
    let again = house.refused(&["call-center", "add", "cc1", "--name", "x"]);
    assert!(again.contains("registered already"), "{again}");
    house.refused(&["call-center", "add", "two words", "--name", "x"]);
    house.refused(&["call-center", "add", "cc3"]);
    // Whose subject names somebody else, of the same kind, of another, or of none.
    for (caller, file) in [
        (["--call-center", "cc2"], "pki/call-center-cc1.crt"),
        (of_cc1, "pki/region-010.crt"),
        (of_cc1, "pki/immuni-client.crt"),
    ] {
        let error = refused(add(caller, file));
        assert!(error.contains("subject does not name"), "{error}");
    }
    assert!(add(of_cc1, "pki/call-center-cc1.crt").status.success());
    server.sees("the certificate", |snapshot| {
        let entry = snapshot.caller(&call_center("cc1"));
        entry.is_some_and(|entry| entry.enabled && entry.certificates.len() == 1)
    });
    house.refused(&["certificate", "add", &certificate]);

    house.done(&["call-center", "disable", "cc1"]);
    server.sees("disabled", |snapshot| {
        !snapshot.caller(&call_center("cc1")).unwrap().enabled
    });
    house.done(&["call-center", "enable", "cc1"]);
    house.done(&[
        "certificate",
        "remove",
        "--call-center",
        "cc1",
        &certificate,
    ]);
    server.sees("enabled, without a certificate", |snapshot| {
        let entry = snapshot.caller(&call_center("cc1")).unwrap();
        entry.enabled && entry.certificates.is_empty()
    });
    let listed = house.json(&["call-center", "list"]);
    assert_eq!(
        listed[0],
        json!({"code": "cc1", "name": "Call center di prova", "enabled": true, "certificates": 0, "networks": 0, "operators": 0})
    );
    assert_eq!(house.json(&["region", "list"]), json!([]));
    let missing = house.refused(&["call-center", "show", "cc9"]);
    assert!(
        missing.contains("call centre cc9 is not registered"),
        "{missing}"
    );
}

#[test]
fn the_networks_of_a_call_centre_reach_the_running_server() {
    let house = House::new();
    let server = house.server();
    house.done(&["call-center", "add", "cc1", "--name", "Prova"]);
    let of_cc1 = |command: &str, network: &str| {
        house.run(&["network", command, "--call-center", "cc1", network], "")
    };
    for network in ["192.0.2.9/28", "2001:db8::1/64", "::ffff:198.51.100.7/128"] {
        assert!(of_cc1("add", network).status.success(), "{network}");
    }
    let kept = ["192.0.2.0/28", "198.51.100.7/32", "2001:db8::/64"];
    server.sees("the networks", |snapshot| {
        let networks = snapshot.networks(&call_center("cc1"));
        networks.iter().map(ToString::to_string).eq(kept)
    });
    let listed = house.json(&["network", "list", "--call-center", "cc1"]);
    assert_eq!(
        listed,
        json!(kept.map(|network| json!({"network": network})))
    );
    assert_eq!(
        house.json(&["call-center", "show", "cc1"])["networks"],
        json!(kept)
    );

    // All addresses, in every way of writing them; known already; not a network.
    for wrong in [
        "0.0.0.0/0",
        "::/0",
        "::ffff:0:0/96",
        "192.0.2.0/28",
        "192.0.2.0",
        "x",
    ] {
        assert_eq!(of_cc1("add", wrong).status.code(), Some(2), "{wrong}");
    }
    house.refused(&["network", "add", "--call-center", "cc9", "192.0.2.0/28"]);
    house.refused(&["network", "add", "--region", "010", "192.0.2.0/28"]);
    for network in ["192.0.2.0/28", "2001:db8::/64", "198.51.100.7/32"] {
        assert!(of_cc1("remove", network).status.success(), "{network}");
        assert_eq!(of_cc1("remove", network).status.code(), Some(2));
    }
    server.sees("no network", |snapshot| {
        snapshot.networks(&call_center("cc1")).is_empty()
    });
}
