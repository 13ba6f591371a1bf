//! The load harness against the real server, from its preparation to the removal of what was registered for it.
//!
//! A failure: the preparation replaces or leaves something, a step that the server refuses although it is right, or a rule of the ledger
//! that a right server is said to break. No time is judged: the machine may be busy with other tests.

use std::process::{Command, Stdio};

use sistema_ts_loadtest::prepare::Preparation;
use sistema_ts_loadtest::report::Verdict;
use sistema_ts_loadtest::run::{RunPlan, run};
use sistema_ts_loadtest::scenario::{Scenario, Step};
use sistema_ts_model::RegionCode;

use crate::support::chain::Chain;

/// What was written by the preparation, done on this installation.
fn perform(chain: &Chain, script: &str) {
    let output = Command::new(chain.installation.path("load").join(script))
        .env("SISTEMA_TS", env!("CARGO_BIN_EXE_sistema-ts"))
        .env(
            "SISTEMA_TS_CONFIGURATION",
            chain.installation.path("sistema-ts.toml"),
        )
        .current_dir(chain.installation.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&told)
    );
}

#[test]
fn a_server_is_prepared_measured_found_true_and_left_as_it_was() {
    let chain = Chain::start();
    let cards = || chain.installation.run(&["cards", "status"]);
    let operators = || {
        chain
            .installation
            .admin(&["operator", "list", "--region", "010"])
    };
    let before = (cards(), operators());
    let authority = chain.installation.path("pki/ca.crt");
    let preparation = Preparation {
        folder: chain.installation.path("load"),
        mutual_tls_url: format!("https://localhost:{}", chain.server.mutual_tls.port()),
        basic_url: Some(format!("https://localhost:{}", chain.server.basic.port())),
        authority,
        process_id_file: None,
        regions: ["010", "020", "060"]
            .map(|code| RegionCode::parse(code).unwrap())
            .to_vec(),
        call_centers: 2,
        operators: 10,
        structures: 1,
        people: 500,
        seed: 1,
        network: "127.0.0.1/32".into(),
        name: "loadtest".into(),
        development_pki: Some(chain.installation.path("pki")),
    };
    preparation.write().unwrap();
    perform(&chain, "register.sh");
    // Once more changes nothing.
    perform(&chain, "register.sh");

    let result = run(RunPlan {
        scenario: Scenario::read("smoke".as_ref()).unwrap(),
        environment: chain.installation.path("load/environment.toml"),
        folder: chain.installation.path("results"),
        seed: None,
        confirmed_host: None,
        ceiling: true,
        progress: false,
        command: "a test".into(),
    })
    .unwrap();
    let broken: Vec<_> = result
        .truth
        .rules
        .iter()
        .filter(|rule| rule.violations > 0)
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let missed: Vec<_> = result
        .objectives
        .iter()
        .filter(|objective| !objective.kept)
        .collect();
    assert!(missed.is_empty(), "{missed:#?}\n{:#?}", result.steps);
    assert_eq!(result.verdict, Verdict::Kept, "{:#?}", result.validity);
    // Every step of regions and call centres was answered as done.
    for step in [
        Step::Submit,
        Step::SubmitWithoutKey,
        Step::Replay,
        Step::Cancel,
        Step::List,
        Step::Verify,
        Step::Unlock,
        Step::Confirm,
    ] {
        let measured = result
            .steps
            .iter()
            .find(|measured| measured.step == step.name())
            .unwrap();
        let done = measured
            .outcomes
            .iter()
            .filter(|outcome| outcome.outcome.starts_with("000"));
        assert!(
            done.map(|outcome| outcome.count).sum::<u64>() > 0,
            "{measured:#?}"
        );
    }
    assert!(
        result.method.probes.0 > 0,
        "nothing was read back meanwhile"
    );

    perform(&chain, "remove.sh");
    assert_eq!((cards(), operators()), before);
}
