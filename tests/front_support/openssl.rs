//! Certificates and revocation lists that OpenSSL makes: what it can do, this project's own libraries need not be able to.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs it in a folder; arguments hold no blanks.
pub fn openssl(folder: &Path, arguments: &str) -> Output {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {errors}");
    output
}

/// Makes `<name>.key` of a kind.
fn make_key(folder: &Path, name: &str, kind: &str) {
    let how = match kind.split_once(' ') {
        Some(("EC", curve)) => format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}"),
        Some((algorithm, bits)) => {
            format!("-algorithm {algorithm} -pkeyopt rsa_keygen_bits:{bits}")
        }
        None => format!("-algorithm {kind}"),
    };
    openssl(folder, &format!("genpkey {how} -out {name}.key"));
}

/// Extensions of an authority.
pub const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
/// Extensions of a client.
pub const CLIENT: &str = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n";
const SUBJECT: &str = "/C=IT/O=Regione/OU=010/CN=Prova";

/// Makes a certificate `<name>.pem` with a key of a kind, signed by `signer` (itself, if it is its own name).
pub fn make(folder: &Path, name: &str, signer: &str, key: &str, extensions: &str, more: &str) {
    make_key(folder, name, key);
    let subject = match extensions.contains("CA:TRUE") && !extensions.contains("own subject") {
        true => format!("/CN={name}"),
        false => SUBJECT.to_owned(),
    };
    openssl(
        folder,
        &format!("req -new -key {name}.key -subj {subject} -out {name}.csr"),
    );
    std::fs::write(
        folder.join(format!("{name}.ext")),
        extensions.replace("own subject", ""),
    )
    .unwrap();
    let signing = match signer == name {
        true => format!("-signkey {name}.key"),
        false => format!("-CA {signer}.pem -CAkey {signer}.key -CAcreateserial"),
    };
    // Without extensions it is of version 1.
    let extfile = match extensions.is_empty() {
        true => String::new(),
        false => format!("-extfile {name}.ext"),
    };
    let days = match more.contains("-days") {
        true => "",
        false => "-days 30",
    };
    openssl(
        folder,
        &format!("x509 -req -in {name}.csr {signing} {days} {extfile} {more} -out {name}.pem"),
    );
}

/// Makes the revocation list `<name>.crl` of an authority, signed with a hash (`null` where the kind of key has its own), which revokes the
/// certificates `<revoked>.pem`. Each list of a folder has a higher number than the one before it.
pub fn make_list(folder: &Path, name: &str, authority: &str, hash: &str, revoked: &[&str]) {
    let mut database = String::new();
    for certificate in revoked {
        let shown = openssl(
            folder,
            &format!("x509 -in {certificate}.pem -noout -serial"),
        );
        let serial = String::from_utf8(shown.stdout).unwrap();
        let serial = serial.trim().strip_prefix("serial=").unwrap();
        database += &format!("R\t491231235959Z\t200101000000Z\t{serial}\tunknown\t{SUBJECT}\n");
    }
    std::fs::write(folder.join("database"), database).unwrap();
    let number = folder.join("number");
    if !number.exists() {
        std::fs::write(number, "01\n").unwrap();
    }
    let settings =
        "[ca]\ndefault_ca=own\n[own]\ndatabase=database\ncrlnumber=number\ndefault_crl_days=30\n";
    std::fs::write(folder.join("lists.cnf"), settings).unwrap();
    openssl(
        folder,
        &format!(
            "ca -config lists.cnf -gencrl -keyfile {authority}.key -cert {authority}.pem -md {hash} -out {name}.crl"
        ),
    );
}
