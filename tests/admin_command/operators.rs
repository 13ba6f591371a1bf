//! Operators of regions and call centres, known by codice fiscale.

use serde_json::{Value, json};
use sistema_ts_model::CodiceFiscale;
use sistema_ts_store::register::RegisterSnapshot;

use crate::house::{FISCAL_CODE, House, call_center};

const OTHER: &str = "VRDGPP62D15L219E";

const OF_CC1: [&str; 2] = ["--call-center", "cc1"];
const OF_010: [&str; 2] = ["--region", "010"];

impl House {
    /// With a call centre and a region.
    fn with_callers() -> Self {
        let house = House::new();
        house.done(&[
            "call-center",
            "add",
            "cc1",
            "--name",
            "Call center di prova",
        ]);
        house.done(&["region", "add", "010"]);
        house
    }

    /// `operator <command> <caller> <rest>` with a codice fiscale on standard input.
    fn operator(&self, command: &str, caller: [&str; 2], rest: &[&str], person: &str) -> String {
        let arguments = [&["operator", command], &caller[..], rest].concat();
        self.with_input(&arguments, person)
    }

    fn operators(&self, caller: [&str; 2]) -> Value {
        self.json(&[&["operator", "list"], &caller[..]].concat())
    }
}

fn is_enabled(snapshot: &RegisterSnapshot, person: &str) -> Option<bool> {
    let person = CodiceFiscale::parse(person).unwrap();
    snapshot
        .operator(&call_center("cc1"), &person)
        .map(|entry| entry.enabled)
}

#[test]
fn an_operator_is_added_disabled_enabled_and_removed_beside_the_running_server() {
    let house = House::with_callers();
    let server = house.server();
    house.operator("add", OF_CC1, &[], FISCAL_CODE);
    server.sees("the operator", |snapshot| {
        is_enabled(snapshot, FISCAL_CODE) == Some(true)
    });
    house.operator("disable", OF_CC1, &[], FISCAL_CODE);
    server.sees("disabled", |snapshot| {
        is_enabled(snapshot, FISCAL_CODE) == Some(false)
    });
    house.operator("enable", OF_CC1, &[], FISCAL_CODE);
    server.sees("enabled", |snapshot| {
        is_enabled(snapshot, FISCAL_CODE) == Some(true)
    });
    house.write("person", &format!("{FISCAL_CODE}\n"));
    let from_file = ["--fiscal-code-file", &house.path("person")];
    house.operator("remove", OF_CC1, &from_file, "");
    server.sees("removed", |snapshot| {
        is_enabled(snapshot, FISCAL_CODE).is_none()
    });
    assert_eq!(house.operators(OF_CC1), json!([]));
    for command in ["disable", "enable", "remove", "profiles"] {
        let arguments = [&["operator", command], &OF_CC1[..]].concat();
        let error = house.refused_with_input(&arguments, FISCAL_CODE);
        assert!(
            error.contains("call centre cc1 is not registered") && !error.contains("RSSMRA"),
            "{error}"
        );
    }
}

#[test]
fn an_operators_codice_fiscale_stands_on_no_command_line_and_in_no_message() {
    let house = House::with_callers();
    let add = [&["operator", "add"], &OF_CC1[..]].concat();
    for wrong in [&["--fiscal-code", FISCAL_CODE][..], &[FISCAL_CODE]] {
        house.refused(&[&add[..], wrong].concat());
    }
    let error = house.refused_with_input(&add, "RSSMRA80A01H501X");
    assert!(
        error.contains("codice fiscale") && !error.contains("RSSMRA"),
        "{error}"
    );
    let told = house.operator("add", OF_CC1, &[], FISCAL_CODE);
    let error = house.refused_with_input(&add, FISCAL_CODE);
    assert!(error.contains("registered already"), "{error}");
    let shown = house.done(&["call-center", "show", "cc1"]);
    for printed in [told, error, shown] {
        assert!(!printed.contains("RSSMRA"), "{printed}");
    }
    for entry in std::fs::read_dir(house.path("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"RSSMRA"));
    }
}

#[test]
fn a_fourth_person_of_a_region_who_would_list_is_refused() {
    let house = House::with_user();
    house.done(&["region", "add", "010"]);
    house.done(&["user", "profiles", "mario", "elencoTestEffettuati"]);
    let lists = ["--profile", "elencoTestEffettuati"];
    // The user's own person, as an operator too, is one person.
    for person in [FISCAL_CODE, OTHER, "BNCLRA75E41F205R"] {
        house.operator("add", OF_010, &lists, person);
    }
    let fourth = "NREFNC85C12D612C";
    let add = [&["operator", "add"], &OF_010[..], &lists[..]].concat();
    let error = house.refused_with_input(&add, fourth);
    assert!(
        error.contains("3 operators") && error.contains("2.4.3"),
        "{error}"
    );
    house.operator("remove", OF_010, &[], OTHER);
    house.operator("add", OF_010, &lists, fourth);
    house.write("more", &format!("{OTHER}\n"));
    let import = [
        &["operator", "import"],
        &OF_010[..],
        &lists[..],
        &[&*house.path("more")],
    ];
    let output = house.run(&import.concat(), "");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error.contains("line 1") && !error.contains("VRDGPP"),
        "{error}"
    );
}

#[test]
fn a_file_of_operators_is_imported_and_its_wrong_lines_are_told_by_number() {
    let house = House::with_callers();
    house.operator("add", OF_CC1, &[], FISCAL_CODE);
    house.operator("disable", OF_CC1, &[], FISCAL_CODE);
    house.write(
        "operators",
        "\u{feff}VRDGPP62D15L219E;\r\n;;;\r\n\"rssmra80a01h501u\";\r\nBNCLRA75E41F205A\r\n",
    );
    let operators = house.path("operators");
    let import = [
        &["--json", "operator", "import"],
        &OF_CC1[..],
        &[&*operators],
    ];
    let imported = house.run(&import.concat(), "");
    let errors = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("line 4") && !errors.contains("BNCLRA"),
        "{errors}"
    );
    let summary: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(
        (
            &summary["registered"],
            &summary["registered_before"],
            &summary["wrong_lines"],
            &summary["empty_lines"]
        ),
        (&1.into(), &1.into(), &1.into(), &1.into())
    );
    assert_eq!(house.json(&["call-center", "show", "cc1"])["operators"], 2);
    let listed = house.operators(OF_CC1);
    assert_eq!(listed[0]["fiscal_code"], FISCAL_CODE);
    assert_eq!(listed[0]["enabled"], false);
    assert_eq!(
        listed[1]["profiles"],
        json!([
            "verificaPositivita",
            "sbloccoCodiceImmuni",
            "confermaSbloccoImmuni"
        ])
    );
}

#[test]
fn an_operator_of_a_region_has_the_profiles_given_and_no_call_centers() {
    let house = House::with_callers();
    let of_a_call_center = ["--profile", "verificaPositivita"];
    let add = [&["operator", "add"], &OF_010[..], &of_a_call_center];
    house.refused_with_input(&add.concat(), FISCAL_CODE);
    house.operator("add", OF_010, &["--profile", "invioCodiceOtp"], FISCAL_CODE);
    let listed = house.operators(OF_010);
    assert_eq!(listed[0]["profiles"], json!(["invioCodiceOtp"]));
    house.operator("profiles", OF_010, &["elencoTestEffettuati"], FISCAL_CODE);
    house.refused(&["operator", "list"]);
}

#[test]
fn one_operator_is_named_at_a_time() {
    let house = House::with_callers();
    let others = "VRDGPP62D15L219E\nBNCLRA75E41F205R\n";
    for who in [FISCAL_CODE, "VRDGPP62D15L219E"] {
        house.operator("add", OF_CC1, &[], who);
    }
    for verb in ["add", "enable", "disable", "remove", "profiles"] {
        let command = [&["operator", verb], &OF_CC1[..]].concat();
        let told = house.refused_with_input(&command, others);
        assert!(told.contains("more lines than 1"), "{verb}: {told}");
        assert!(!told.contains("VRDGPP"), "{verb}: {told}");
        house.write("others", others);
        let file = house.path("others");
        let command = [&command[..], &["--fiscal-code-file", &file]].concat();
        assert!(
            house.refused(&command).contains("more lines than 1"),
            "{verb}"
        );
    }
    let listed = house.operators(OF_CC1);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|operator| operator["enabled"] == true)
    );
}

#[test]
fn a_codice_fiscale_is_read_as_people_and_their_programs_give_it() {
    let house = House::with_callers();
    let given = [
        "RSSMRA80A01H501U",
        "rssmra80a01h501u\r\n\r\n",
        "\u{feff}RSSMRA80A01H501U\n",
        "RSSMRA\u{a0}80A01\u{200b}-H501U\n;;\n",
        "\"RSSMRA80A01H501U\";\n",
    ];
    for input in given {
        house.operator("add", OF_CC1, &[], input);
        house.operator("remove", OF_CC1, &[], input);
    }
    let add = [&["operator", "add"], &OF_CC1[..]].concat();
    let told = house.refused_with_input(&add, "RSSMRА80A01H501U");
    assert!(
        told.contains("character 6 is a letter or digit of another alphabet"),
        "{told}"
    );
    let utf_16: Vec<u8> = "\u{feff}RSSMRA80A01H501U\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(house.path("utf-16"), utf_16).unwrap();
    let told = house.refused(&[&add[..], &["--fiscal-code-file", &house.path("utf-16")]].concat());
    assert!(told.contains("saved as UTF-16"), "{told}");
    assert_eq!(house.operators(OF_CC1), json!([]));
}
