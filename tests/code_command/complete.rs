//! `sistema-ts code complete`. A failure is a wrong check symbol, or a mistake that is not told with its line.

use crate::{run, run_with_input, text, verdicts};

#[test]
fn complete_appends_the_check_symbol() {
    let output = run(&["complete", "59FU36KR4", "9K2RAY8UU"]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("59FU36KR46\n9K2RAY8UUQ\n", "")
    );
    assert_eq!(output.status.code(), Some(0));
    let output = run_with_input(&["complete"], b"59FU36KR4\r\n9K2RAY8UU");
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("59FU36KR46\n9K2RAY8UUQ\n", "")
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn complete_refuses_what_is_not_nine_symbols() {
    let input =
        "59FU36KR\n59FU36KR4\n59FU36KR46\n59FU36KRO\n59fu36kr4\n\nCUN-59FU3\n59FU36KRè\n59FU36Kè\n";
    let output = run_with_input(&["complete"], input.as_bytes());
    assert_eq!(text(&output.stdout), "59FU36KR46\n");
    assert_eq!(output.status.code(), Some(1));
    let symbols = "AEFHIJKLQRSUWXYZ123456789";
    let expected = format!(
        "sistema-ts: line 1: there must be 9 symbols\n\
         sistema-ts: line 3: there must be 9 symbols\n\
         sistema-ts: line 4: symbol 9 is not one of {symbols}\n\
         sistema-ts: line 5: letters must be upper case\n\
         sistema-ts: line 6: there must be 9 symbols\n\
         sistema-ts: line 7: symbol 1 is not one of {symbols}\n\
         sistema-ts: line 8: symbol 9 is not one of {symbols}\n\
         sistema-ts: line 9: there must be 9 symbols\n"
    );
    assert_eq!(text(&output.stderr), expected);
    let output = run(&["complete", "59FU36KR4", "0"]);
    assert_eq!(
        text(&output.stderr),
        "sistema-ts: argument 2: there must be 9 symbols\n"
    );
}

#[test]
fn what_complete_makes_check_accepts() {
    let bodies = run_with_input(
        &["complete"],
        b"AAAAAAAAA\n123456789\nZZZZZZZZZ\nX25Q5L3WK\n",
    );
    assert_eq!(bodies.status.code(), Some(0));
    let verdicts = verdicts(&run_with_input(&["check"], &bodies.stdout));
    assert_eq!(verdicts.len(), 4);
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict.is_valid && verdict.kind == "otp")
    );
}
