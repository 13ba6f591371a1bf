//! TLS to the nodes. A failure: a node is spoken with whose certificate is not of the authority in the file, or not for its address; a refusal does
//! not say what is to be done. That a right node is spoken with all other tests of this program show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use sistema_ts::pki::Authority;

use crate::cluster::cannot_be_had;
use crate::node::node;
use crate::support::Installation;
use crate::support::on_a_cluster::Cluster;

/// What a command says that cannot speak with the cluster.
fn told(installation: &Installation, settings: &[(&str, &str)]) -> String {
    let mut command = installation.command(&["admin", "region", "list"]);
    for (key, value) in settings {
        command.env(format!("SISTEMA_TS_CQL__{key}"), value);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{settings:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// An address that leads to another, for as long as this process lives.
fn way_to(address: &str) -> SocketAddr {
    let (listener, address) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        address.to_owned(),
    );
    let own = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming().map(Result::unwrap) {
            let far = TcpStream::connect(&address).unwrap();
            pass(near.try_clone().unwrap(), far.try_clone().unwrap());
            pass(far, near);
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Somebody who answers whatever comes as a node without TLS would: with an error of the protocol.
fn node_without_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut near in listener.incoming().map(Result::unwrap) {
            let mut bytes = [0; 4096];
            let _ = near.read(&mut bytes);
            // The frame ERROR, of code 10 with an empty text.
            let _ = near.write_all(&[0x84, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0]);
        }
    });
    own
}

fn of_tests(cluster: &'static Cluster) -> Option<(Installation, &'static Path)> {
    let Some(authority) = &cluster.authority else {
        cannot_be_had("the node at TEST_CQL_ADDRESS is taken to speak no TLS");
        return None;
    };
    Some((Installation::on_a_cluster(cluster), authority))
}

#[test]
fn a_node_is_spoken_with_if_its_certificate_is_of_the_authority_and_for_its_address() {
    let Some((installation, right)) = node().and_then(of_tests) else {
        return;
    };
    let address = &node().unwrap().address;
    installation.admin(&["region", "list"]);
    let folder = installation.path("other");
    Authority::create(&folder, "Altra", 30, 30).unwrap();
    let file = |path: PathBuf| path.display().to_string();
    let wrong = file(folder.join("ca.crt"));
    let said = told(&installation, &[("AUTHORITY_FILE", &wrong)]);
    let expected = format!("not signed by an authority in {wrong}");
    assert!(said.contains(&expected), "{said}");
    // Both in one file: the right one is there.
    let both = folder.join("both.crt");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    std::fs::write(&both, read(Path::new(&wrong)) + &read(right)).unwrap();
    let mut list = installation.command(&["admin", "region", "list"]);
    list.env("SISTEMA_TS_CQL__AUTHORITY_FILE", &both);
    assert!(list.output().unwrap().status.success());

    let way = way_to(address).to_string();
    let said = told(&installation, &[("NODES", &way)]);
    assert!(said.contains("not for its address"), "{said}");

    let said = told(&installation, &[("AUTHORITY_FILE", "")]);
    assert!(said.contains("set cql.authority_file"), "{said}");
    let plain = node_without_tls().to_string();
    let said = told(&installation, &[("NODES", &plain)]);
    assert!(said.contains("does not speak TLS"), "{said}");
    for (bad, reason) in [
        (
            file(installation.path("sistema-ts.toml")),
            "it holds no certificate",
        ),
        (file(folder.join("missing.crt")), "No such file"),
    ] {
        let said = told(&installation, &[("AUTHORITY_FILE", &bad)]);
        assert!(said.contains(&bad) && said.contains(reason), "{said}");
    }
}
