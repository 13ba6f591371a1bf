//! The load harness against the real server, from its preparation to the removal of what was registered for it.
//!
//! A failure: a caller that the harness takes for revoked or renewed otherwise than the server, the preparation replaces or leaves something, a step that the server refuses although it is right, or a rule of the ledger
//! that a right server is said to break. No time is judged: the machine may be busy with other tests.

use std::process::{Command, Output, Stdio};

use sistema_ts_loadtest::ledger::Rule;
use sistema_ts_loadtest::prepare::Preparation;
use sistema_ts_loadtest::report::Verdict;
use sistema_ts_loadtest::run::{RunPlan, run};
use sistema_ts_loadtest::scenario::{Scenario, Step};
use sistema_ts_model::RegionCode;

use crate::support::chain::Chain;
use crate::support::{Installation, Server};

/// What a load test of everything needs.
fn preparation(installation: &Installation, server: &Server) -> Preparation {
    Preparation {
        folder: installation.path("load"),
        mutual_tls_url: format!("https://localhost:{}", server.mutual_tls.port()),
        basic_url: Some(format!("https://localhost:{}", server.basic.port())),
        authority: installation.path("pki/ca.crt"),
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
        development_pki: Some(installation.path("pki")),
    }
}

/// What was written by the preparation, done on this installation.
fn perform(installation: &Installation, script: &str) {
    let output = try_to_perform(installation, &format!("load/{script}"));
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&told)
    );
}

fn try_to_perform(installation: &Installation, script: &str) -> Output {
    Command::new(installation.path(script))
        .env("SISTEMA_TS", env!("CARGO_BIN_EXE_sistema-ts"))
        .env(
            "SISTEMA_TS_CONFIGURATION",
            installation.path("sistema-ts.toml"),
        )
        .current_dir(installation.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap()
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
    preparation(&chain.installation, &chain.server)
        .write()
        .unwrap();
    perform(&chain.installation, "register.sh");
    // Once more changes nothing.
    perform(&chain.installation, "register.sh");
    // Another folder of the same name would need the password of the first one's user: it is refused, and nothing is registered for it.
    let another = Preparation {
        folder: chain.installation.path("another"),
        regions: vec![RegionCode::parse("070").unwrap()],
        ..preparation(&chain.installation, &chain.server)
    };
    another.write().unwrap();
    let output = try_to_perform(&chain.installation, "another/register.sh");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && told.contains("another --name"),
        "{told}"
    );
    let known = chain.installation.admin(&["region", "list"]);
    assert!(!known.contains("070"), "{known}");

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

    perform(&chain.installation, "remove.sh");
    assert_eq!((cards(), operators()), before);
}

/// A program that changes a caller as the preparation's `admission.sh` does, and then asks the server as that caller until it knows.
fn change_and_wait(installation: &Installation, server: &Server, change: &str) -> String {
    let until = if change == "revoke" { "until" } else { "while" };
    format!(
        "set -e; cd '{folder}'
        export SISTEMA_TS='{program}' SISTEMA_TS_CONFIGURATION='{folder}/sistema-ts.toml'
        load/admission.sh {change}
        {until} curl --silent --noproxy '*' --cacert pki/ca.crt --cert \"$LOADTEST_CERTIFICATE_FILE\" --key \"$LOADTEST_PRIVATE_KEY_FILE\" \
            --header 'Content-Type: text/xml' --data '<none/>' https://localhost:{port}/soap/v1/invioEsecuzioneTest | grep --quiet 6022
        do sleep 0.05; done",
        folder = installation.folder().display(),
        program = env!("CARGO_BIN_EXE_sistema-ts"),
        port = server.mutual_tls.port(),
    )
}

#[test]
fn a_revoked_caller_is_refused_on_open_connections_and_one_admitted_or_renewed_is_served_and_all_of_it_is_judged()
 {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let prepared = Preparation {
        call_centers: 0,
        structures: 0,
        ..preparation(&installation, &server)
    };
    prepared.write().unwrap();
    let event = |at: f64, verb: &str, command: &str, caller: &str| {
        let program = change_and_wait(&installation, &server, command);
        format!(
            "[[event]]\nat_seconds = {at}\nrun = [\"timeout\", \"60\", \"sh\", \"-c\", {}]\nlabel = \"{command} {caller}\"\n{verb} = \"{caller}\"\nknown_after_seconds = 0\n\n",
            toml::Value::from(program)
        )
    };
    let events = [
        event(0.5, "revokes", "revoke", "010"),
        event(2.0, "admits", "admit", "010"),
        event(1.0, "renews", "renew", "020"),
    ];
    let text = format!(
        "name = \"admission\"\nabout = \"Callers change.\"\nobjectives = [\"all[fault].count >= 1\"]\n\n\
         [[callers]]\nname = \"regions\"\nkind = \"region\"\nexclusive = true\n\n\
         [[stream]]\nname = \"submissions\"\ncallers = \"regions\"\nconnections = 6\narrival = \"constant\"\n\
         stages = [{{ seconds = 8, per_second = 60 }}]\nmix = {{ submit = 1 }}\n\n{}\
         [validity]\nlateness_p99_milliseconds = 60000\ndriver_cpu_percent = 1000\nceiling_percent = 1000\nsent_percent = 1\n",
        events.concat()
    );
    let run = |results: &str| {
        run(RunPlan {
            scenario: Scenario::parse("admission".as_ref(), text.clone()).unwrap(),
            environment: installation.path("load/environment.toml"),
            folder: installation.path(results),
            seed: None,
            confirmed_host: None,
            ceiling: false,
            progress: false,
            command: "a test".into(),
        })
    };
    // Certificates that the server does not know are told in its own words.
    for region in ["010", "020", "060"] {
        let file = format!("loadtest-region-{region}");
        installation.run(&[
            "pki", "region", "--code", region, "--folder", "pki", "--file", &file,
        ]);
    }
    let refused = run("refused").unwrap_err().to_string();
    assert!(
        refused.contains("region 010") && refused.contains("non abilitato"),
        "{refused}"
    );
    perform(&installation, "register.sh");
    let result = run("results").unwrap();
    assert_eq!(
        result.verdict,
        Verdict::Kept,
        "{:#?}\n{:#?}\n{:#?}",
        result.truth,
        result.events,
        result.validity
    );
    for rule in [
        Rule::RevokedRefused,
        Rule::AdmittedServed,
        Rule::ListedOnce,
        Rule::OnlyWhatWasSent,
    ] {
        let judged = result
            .truth
            .rules
            .iter()
            .find(|found| found.name == rule.name());
        assert!(judged.unwrap().of > 0, "{rule:?}: {:#?}", result.events);
    }
    // What was registered can be removed, whatever the events have made of it.
    perform(&installation, "remove.sh");
    assert!(server.terminate().0.success());
}
