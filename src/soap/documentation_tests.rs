//! `docs/esiti.md` is made from the catalogue of outcomes and from the faults. A failure means that it is out of date: run
//! `make docs`, or this test with `UPDATE_DOCUMENTATION=1` in the environment.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use sistema_ts_model::{Family, Outcome, Severity, Verdict};

use super::fault::tests::every_fault;

const HEAD: &str = "\
# Outcomes and faults

*For whoever writes a client. Made from the code by `make docs`; a test compares the two.*

A request that reaches its service is answered with HTTP 200. `esito` says what became of it, and `listaErrori` holds every
mistake and warning at once. Each has its `codice`, its `tipo` (`E` error, `W` warning), the name of the element (`campo`) if one
is at fault, and a `descrizione` in Italian that says what to do. Codes keep their meaning for ever. No text repeats a value of
the request.

A request that never reaches a service is answered with a SOAP fault.
";

const FAULTS: &str = "
## Faults

All faults that have no status of their own are HTTP 500, which every toolkit shows to its user. `soap:Client` means: correct the
request, repeating it changes nothing; but after 400 and 408 the request did not come whole, and is to be sent again as it is. After a `soap:Server` fault the same request may be sent again, after the seconds of
`Retry-After` if there is one; with a key (`identificativoRichiesta`) that is always safe. Where a fault names an element, it is written
here as `ELEMENTO`; places are those of the body's characters.

Programs branch on the code: the fault's `detail` holds one element `errore` (of the namespace `urn:sistemats:tipi:v1`) with `codice`, which
keeps its meaning for ever, and `descrizione`, the text of `faultstring` again. A fault about a header has no `detail`, as SOAP 1.1 wants
it (§4.4); its `faultcode` is `soap:MustUnderstand`. What HTTP itself cannot read (a header that is malformed, or larger than 16 KiB) gets
status 400 or 431 without a body.

| HTTP | faultcode | codice | what happened | faultstring |
|---|---|---|---|---|
";

fn render() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## `esito`\n\n| esito | descrizioneEsito |\n|---|---|\n");
    for verdict in Verdict::ALL {
        writeln!(page, "| `{}` | {} |", verdict.code(), verdict.text()).unwrap();
    }
    for (family, title) in [
        (Family::Message, "What was typed"),
        (Family::Caller, "Who is calling"),
        (
            Family::Test,
            "Person, code and card, and how the test stands",
        ),
        (Family::RequestKey, "Requests sent again"),
        (Family::Backend, "What Immuni said"),
    ] {
        let first = Outcome::ALL
            .iter()
            .find(|outcome| outcome.family() == family)
            .unwrap();
        write!(page, "\n## {title} (`{}…`)\n\n", &first.code()[..1]).unwrap();
        page.push_str("| codice | tipo | descrizione | what to do |\n|---|---|---|---|\n");
        for outcome in Outcome::ALL {
            if outcome.family() == family {
                writeln!(
                    page,
                    "| `{}` | {} | {} | {} |",
                    outcome.code(),
                    match outcome.severity() {
                        Severity::Error => "`E`",
                        Severity::Warning => "`W`",
                    },
                    outcome.text(),
                    outcome.advice()
                )
                .unwrap();
            }
        }
    }
    page.push_str(FAULTS);
    let mut faults = every_fault();
    faults.sort_by_key(|fault| (fault.on_wire().status, fault.on_wire().error));
    for fault in faults {
        let wire = fault.on_wire();
        let (status, code, text) = (
            wire.status,
            wire.code.as_str(),
            wire.text.replace('<', "\\<"),
        );
        let error = wire
            .error
            .map_or_else(|| "–".to_owned(), |error| format!("`{error}`"));
        writeln!(page, "| {status} | `{code}` | {error} | {fault} | {text} |").unwrap();
    }
    page
}

#[test]
fn documentation_of_outcomes_is_up_to_date() {
    let expected = render();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/esiti.md");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        std::fs::write(&page, &expected).unwrap();
    }
    assert!(
        std::fs::read_to_string(&page).unwrap_or_default() == expected,
        "docs/esiti.md is out of date: run `make docs`"
    );
}
