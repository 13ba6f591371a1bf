//! Health and metrics. Failure here means that an operator is not told, or is told wrongly, how the server is.

use crate::support::{Installation, Server, Session, Submission};

#[test]
fn outcomes_are_counted_and_health_is_told() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let live = server.status("/health/live");
    assert_eq!((live.status, live.text()), (200, "live\n"));
    let ready = server.status("/health/ready");
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    assert_eq!(
        server.status("/soap/v1/invioEsecuzioneTest?wsdl").status,
        404
    );

    let mut region = Session::region(&installation, &server, "010");
    let message = Submission::by_region().with_key("counted");
    let wrong = Submission {
        result: "X".into(),
        ..Submission::by_region()
    };
    for (submission, outcome) in [
        (&message, "0000"),
        (&message, "0001"),
        (&wrong, "9999"),
        (&wrong, "9999"),
    ] {
        assert_eq!(region.submit(submission).told(), (200, outcome));
    }
    region.client.send(region.head(1) + "x");
    assert_eq!(region.client.answer().status, 500);
    let mut user =
        Session::with(server.basic, &installation.client(None)).signed_in("nessuno", "niente");
    assert_eq!(user.submit(&Submission::by_structure()).status(), 401);

    let service = "service=\"invioEsecuzioneTest\"";
    for (outcome, count) in [
        ("done", 1.0),
        ("done_with_warnings", 1.0),
        ("not_done", 2.0),
        ("fault", 1.0),
        ("unauthorized", 1.0),
        ("unavailable", 0.0),
    ] {
        let label = format!("outcome=\"{outcome}\"");
        let labels = [service, &*label];
        assert_eq!(
            server.metric("sistema_ts_requests_total", &labels),
            count,
            "{outcome}"
        );
        assert_eq!(
            server.metric("sistema_ts_request_seconds_count", &labels),
            count,
            "{outcome}"
        );
    }
    assert!(server.metric("sistema_ts_store_commits_total", &[]) >= 1.0);
    assert!(server.metric("sistema_ts_store_batch_jobs_count", &[]) >= 1.0);
    assert!(
        server.metric(
            "sistema_ts_auth_credential_checks_total",
            &["outcome=\"refused\""]
        ) >= 1.0
    );
}
