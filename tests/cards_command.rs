//! `sistema-ts cards …` with the real binary. A failure means that a bad line stops an import, is not told by its number or shows what stood in
//! it, that a wrong file or a part of one replaces a good register, that a killed import shows half of itself or does not come to the same in the end, or that a
//! file in the data folder names a person or a card.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sistema_ts::backend::Archives;
use sistema_ts_model::{CardDigits, CodiceFiscale, Cun};
use sistema_ts_store::cards::CardError;
use sistema_ts_store::register::RegisterKey;

const HEADER: &str = "codice_fiscale;numero_tessera;valida_dal;valida_al";

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let house = House {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(house.path("sistema-ts.toml"), "").unwrap();
        assert!(
            house
                .command(&["admin", "init"])
                .status()
                .unwrap()
                .success()
        );
        house
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sistema-ts"));
        command
            .current_dir(self.folder.path())
            .env("SISTEMA_TS_CONFIGURATION", self.path("sistema-ts.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn import(&self, text: impl AsRef<[u8]>) -> Output {
        std::fs::write(self.path("cards.csv"), text).unwrap();
        self.command(&["cards", "import", "cards.csv"])
            .output()
            .unwrap()
    }

    fn status(&self) -> String {
        let output = self.command(&["cards", "status"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    fn holds(&self, fiscal_code: &str, digits: &str) -> bool {
        let key = RegisterKey::load(&self.path("keys/register-key")).unwrap();
        let archives = Archives::in_folder(&self.path("data"), &self.path("keys/day-keys"));
        let register = archives.cards(&key).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let person = CodiceFiscale::parse(fiscal_code).unwrap();
        let digits = CardDigits::parse(digits).unwrap();
        let cun = Cun::from_number(1).unwrap();
        let matches = register.matches(Some(&person), cun, &digits, "2026-06-01".parse().unwrap());
        match runtime.block_on(matches) {
            Err(CardError::Missing) => false,
            holds => holds.unwrap(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// One of many made-up people.
fn person(number: u32) -> String {
    // There is no person number 0.
    let body = format!("{:07}001", number + 1);
    (0..10)
        .map(|check| format!("{body}{check}"))
        .find(|code| CodiceFiscale::parse(code).is_ok())
        .unwrap()
}

#[test]
fn right_lines_are_taken_and_bad_ones_told_by_number_without_their_values() {
    let house = House::new();
    let mut lines = vec![
        "BNCLRA75E41F205R;80380001234580000123;2020-01-01;2026-12-31".to_owned(),
        "\"BNCLRA75E41F205R\";80000124;2020-01-01;".to_owned(),
        "BNCLRA75E41F205A;80380001234580000125;2020-01-01;2026-12-31".to_owned(),
        "VRDGPP62D15L219E;8038;2020-01-01;2026-12-31".to_owned(),
        "VRDGPP62D15L219E;80000126;01/13/2020;2026-12-31".to_owned(),
        "VRDGPP62D15L219E;80000127;2026-12-31;2020-01-01".to_owned(),
        "VRDGPP62D15L219E;80000128".to_owned(),
    ];
    lines.extend((0..500).map(|who| format!("{};{:08};2020-01-01;", person(who), who)));
    let output = house.import(format!("\u{feff}{HEADER}\r\n{}\r\n", lines.join("\r\n")));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for line in 4..=8 {
        assert!(errors.contains(&format!("line {line}: ")), "{errors}");
    }
    for value in ["BNCLRA", "VRDGPP", "80000", "01/13/2020"] {
        assert!(!errors.contains(value), "{errors}");
    }
    assert_eq!(
        text(&output.stdout),
        "502 cards registered; 507 lines read, 5 of them bad, 0 said what another had said; empty lines: 0\n"
    );
    assert!(house.status().starts_with("502 cards, imported at "));
    assert!(house.holds("BNCLRA75E41F205R", "80000123"));
    assert!(house.holds("BNCLRA75E41F205R", "80000124"));
    assert!(!house.holds("VRDGPP62D15L219E", "80000128"));
}

#[test]
fn a_quotation_mark_that_is_not_closed_costs_its_line_alone_and_blank_lines_are_counted() {
    let house = House::new();
    let mut lines: Vec<String> = (0..500)
        .map(|who| format!("{};{who:08};2020-01-01;", person(who)))
        .collect();
    // Line 1 is the header: what has index 98 is line 100.
    lines[98].insert(0, '"');
    lines[198].clear();
    lines[298] = "  ".to_owned();
    lines[398] = "x".repeat(5_000_000);
    let output = house.import(format!("{HEADER}\n{}", lines.join("\n")));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(
        errors.lines().collect::<Vec<_>>(),
        [
            "line 100: a quotation mark is out of place",
            "line 400: it is too long"
        ]
    );
    assert_eq!(
        text(&output.stdout),
        "496 cards registered; 498 lines read, 2 of them bad, 0 said what another had said; empty lines: 2\n"
    );
    assert!(!house.holds(&person(98), "00000098"));
    for who in [97, 99, 499] {
        assert!(house.holds(&person(who), &format!("{who:08}")), "{who}");
    }
}

#[test]
fn a_file_is_read_as_a_spreadsheet_leaves_it() {
    let house = House::new();
    // Rows without a card, Italian dates, blanks and quotation marks around values.
    let rows = [
        "BNCLRA75E41F205R;80000123;01/01/2020;31/12/2026",
        ";;;",
        "\"\";\"\";\"\";\"\"",
        " ; ;\t; ",
        ",,,",
        "",
        "\"VRDGPP62D15L219E\" ; 80000124 ;\"2020-01-01\";",
        ";;;",
    ];
    let output = house.import(format!("\u{feff}{HEADER}\r\n{}\r\n", rows.join("\r\n")));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "2 cards registered; 2 lines read, 0 of them bad, 0 said what another had said; empty lines: 6\n"
    );
    assert!(house.holds("BNCLRA75E41F205R", "80000123"));
    assert!(house.holds("VRDGPP62D15L219E", "80000124"));
}

#[test]
fn a_file_saved_as_utf_16_is_told_by_name_and_replaces_nothing() {
    let house = House::new();
    let file = format!("\u{feff}{HEADER}\r\nBNCLRA75E41F205R;80000123;2020-01-01;\r\n");
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = file.encode_utf16().flat_map(order).collect();
        let output = house.import(bytes);
        assert_eq!(output.status.code(), Some(2));
        let told = text(&output.stderr);
        assert!(
            told.contains("it is saved as UTF-16: save it as UTF-8"),
            "{told}"
        );
    }
    assert!(house.status().starts_with("no cards"));
}

#[test]
fn a_part_of_a_file_replaces_nothing_unless_that_is_asked_for() {
    let house = House::new();
    let lines = |count: u32| -> String {
        let lines = (0..count).map(|who| format!("{};{who:08};2020-01-01;\n", person(who)));
        format!("{HEADER}\n{}", lines.collect::<String>())
    };
    assert_eq!(house.import(lines(100)).status.code(), Some(0));
    let output = house.import(lines(50));
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("50 cards were taken and 100 are registered")
            && errors.contains("--maximum-loss-percent"),
        "{errors}"
    );
    assert!(house.holds(&person(99), "00000099"));
    assert_eq!(house.import(lines(95)).status.code(), Some(0));
    std::fs::write(house.path("cards.csv"), lines(1)).unwrap();
    let allowed = house
        .command(&["cards", "import", "cards.csv"])
        .args(["--maximum-loss-percent", "100"])
        .output()
        .unwrap();
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    assert!(house.status().starts_with("1 cards"));
}

#[test]
fn what_can_be_read_only_once_is_no_file_to_import() {
    let house = House::new();
    let mut child = house
        .command(&["cards", "import", "/dev/stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it reads.
    let _ = writeln!(
        child.stdin.take().unwrap(),
        "{HEADER}\n{};00000001;2020-01-01;",
        person(1)
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no regular file"));
    assert_eq!(house.status(), "no cards: none were imported yet\n");
}

#[test]
fn no_file_of_the_data_folder_names_a_person_or_a_card() {
    let house = House::new();
    let lines = (0..200).map(|who| format!("{};8038000{who:013};2020-01-01;\n", person(who)));
    let output = house.import(format!("{HEADER}\n{}", lines.collect::<String>()));
    assert_eq!(output.status.code(), Some(0));
    let mut files = 0;
    for file in std::fs::read_dir(house.path("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        for who in 0..200 {
            for planted in [
                person(who),
                format!("8038000{who:013}"),
                format!("{who:08}"),
            ] {
                let found = memchr::memmem::find(&bytes, planted.as_bytes());
                assert!(found.is_none(), "person {who}");
            }
        }
    }
    assert!(files >= 2, "the data folder was not found");
}

#[test]
fn a_file_of_cards_that_is_wrong_replaces_no_register() {
    let house = House::new();
    assert_eq!(house.status(), "no cards: none were imported yet\n");
    let good = format!("{HEADER}\n{};00000001;2020-01-01;\n", person(1));
    assert_eq!(house.import(&good).status.code(), Some(0));
    for wrong in [
        String::new(),
        format!("{HEADER}\n"),
        format!("{HEADER}\n\n\n"),
        "codice_fiscale,numero_tessera,valida_dal,valida_al\n".to_owned(),
        format!("{HEADER}\nx;y;z;w\n{};00000002;2020-01-01;\n", person(2)),
    ] {
        let output = house.import(&wrong);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        assert!(house.holds(&person(1), "00000001"));
        assert!(!house.holds(&person(2), "00000002"));
    }
    let missing = house
        .command(&["cards", "import", "no-such-file"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_killed_import_goes_on_and_comes_to_the_same() {
    // Enough for several runs, so that there is something to go on from.
    const LINES: u32 = 1_500_000;
    let house = House::new();
    let first = format!("{HEADER}\n{};00000001;2020-01-01;\n", person(9_999_000));
    assert_eq!(house.import(&first).status.code(), Some(0));
    let mut file = std::io::BufWriter::new(std::fs::File::create(house.path("large.csv")).unwrap());
    writeln!(file, "{HEADER}").unwrap();
    // Few people with many cards: their codes are costly to make up.
    let people: Vec<String> = (0..1_000).map(person).collect();
    for line in 0..LINES {
        writeln!(
            file,
            "{};{line:08};2020-01-01;",
            people[line as usize % people.len()]
        )
        .unwrap();
    }
    file.into_inner().unwrap();
    let import = || house.command(&["cards", "import", "large.csv"]);
    let mut child = import().spawn().unwrap();
    let give_up = Instant::now() + Duration::from_secs(600);
    // Killed once it has something on disk to go on from.
    let has_a_run = || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(house.path("data/cards-import.db"), flags)
            .and_then(|import| {
                import.query_row("SELECT runs FROM source", [], |row| row.get::<_, i64>(0))
            })
            .is_ok_and(|runs| runs > 0)
    };
    while !has_a_run() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        assert!(Instant::now() < give_up, "no run was written");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        house.status().starts_with("1 cards"),
        "half an import is seen"
    );
    let output = import().output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("going on after line "), "{errors}");
    assert!(
        text(&output.stdout).starts_with(&format!("{LINES} cards registered")),
        "{}",
        text(&output.stdout)
    );
    for line in [0, 1, 999, 1_000, 999_999, 1_000_000, 1_000_001, LINES - 1] {
        assert!(
            house.holds(&people[line as usize % people.len()], &format!("{line:08}")),
            "{line}"
        );
    }
    assert!(!house.holds(&person(9_999_000), "00000001"));
}

#[test]
fn a_user_to_whom_the_data_folder_does_not_belong_leaves_the_register_as_it_is() {
    let house = House::new();
    let text = format!("{HEADER}\nRSSMRA80A01H501U;80380001234500012345;2020-01-01;\n");
    assert_eq!(house.import(&text).status.code(), Some(0));
    let data = house.path("data");
    let before = std::fs::metadata(data.join("cards.db")).unwrap().ino();
    if std::os::unix::fs::chown(&data, Some(12_345), None).is_err() {
        // Only root can give a folder away; whoever else runs this test is refused by the system.
        return;
    }
    let refused = house.import(&text);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("run this command as user 12345"), "{told}");
    let after = std::fs::metadata(data.join("cards.db")).unwrap().ino();
    assert_eq!(before, after);
}

#[test]
fn cards_are_added_under_a_name_and_taken_out_again() {
    let house = House::new();
    let own = format!("{HEADER}\nRSSMRA80A01H501U;80380001234500012345;2020-01-01;\n");
    assert_eq!(house.import(&own).status.code(), Some(0));
    let run = |arguments: &[&str]| house.command(arguments).output().unwrap();
    std::fs::write(
        house.path("more.csv"),
        format!("{HEADER}\nBNCLRA75E41F205R;80000123;2020-01-01;\n"),
    )
    .unwrap();
    let add = ["cards", "import", "--add", "load-test", "more.csv"];
    let added = run(&add);
    let told = text(&added.stdout);
    assert!(
        told.starts_with("1 cards added as load-test, 2 registered"),
        "{told}{}",
        text(&added.stderr)
    );
    assert!(house.holds("RSSMRA80A01H501U", "00012345"));
    assert!(house.holds("BNCLRA75E41F205R", "80000123"));
    assert!(
        house.status().ends_with("added: load-test\n"),
        "{}",
        house.status()
    );

    let again = run(&add);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        text(&again.stderr).contains("remove them first"),
        "{}",
        text(&again.stderr)
    );

    let removed = run(&["cards", "remove", "load-test"]);
    assert_eq!(text(&removed.stdout), "1 cards registered\n");
    assert!(house.holds("RSSMRA80A01H501U", "00012345"));
    assert!(!house.holds("BNCLRA75E41F205R", "80000123"));
    assert_eq!(
        run(&["cards", "remove", "load-test"]).status.code(),
        Some(2)
    );
    let wrong = run(&["cards", "import", "--add", "../x", "more.csv"]);
    assert_eq!(wrong.status.code(), Some(2));
}
