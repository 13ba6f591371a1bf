//! The node that the tests of this program share: one that they start speaks TLS, and whoever connects signs in.

use std::process::Command;
use std::sync::LazyLock;

use sistema_ts::pki::Authority;

use crate::cluster::{cannot_be_had, roles, script, stop_with_this_process};
use crate::support::on_a_cluster::Cluster;

/// The node: that at `TEST_CQL_ADDRESS`, or one that ends with this process. None if none can be had.
pub fn node() -> Option<&'static Cluster> {
    static NODE: LazyLock<Option<Cluster>> = LazyLock::new(|| {
        let given = std::env::var("TEST_CQL_ADDRESS")
            .ok()
            .map(|address| Cluster {
                address,
                administrator: roles::are_there().then_some(roles::ADMINISTRATOR),
                authority: None,
            });
        let node = given.or_else(start);
        if node.is_none() {
            cannot_be_had("there is no CQL server");
        }
        node
    });
    NODE.as_ref()
}

fn start() -> Option<Cluster> {
    let folder = tempfile::tempdir().unwrap().keep();
    stop_with_this_process(&script(), &folder);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(script());
        let output = command.args(arguments).output().ok();
        let output = output.filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let place = folder.display().to_string();
    let address = run(&["address", &place, "1"])?;
    let pki = folder.join("pki");
    let (authority, _) = Authority::create(&pki, "Prova", 30, 30).unwrap();
    let names = [address.trim().to_owned()];
    authority.issue_server("node", &names, 30).unwrap();
    let read = |name: &str| std::fs::read_to_string(pki.join(name)).unwrap();
    let both = pki.join("node.pem");
    std::fs::write(&both, read("node.key") + &read("node.crt")).unwrap();
    let authority = pki.join("ca.crt");
    let [both, ca] = [&both, &authority].map(|path| path.display().to_string());
    let started = run(&["start", &place, "--roles", "--certificates", &both, &ca])?;
    let mut lines = started.lines();
    let address = lines.find_map(|line| line.strip_prefix("TEST_CQL_ADDRESS="))?;
    Some(Cluster {
        address: address.to_owned(),
        administrator: Some(roles::ADMINISTRATOR),
        authority: Some(authority),
    })
}
