//! Rules of the house for statements and migrations, read as text. A failure is a statement that an engineer who runs such clusters would not let
//! pass, or a table of `docs/cql.md` that says something else than the program does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sistema_ts_cql::migrations::MIGRATIONS;
use sistema_ts_cql::roles::{Permission, Resource, Role};
use sistema_ts_cql::statement::{Kind, Statement};
use support::SEEN_ON;

/// Tables from which something is deleted by hand: those whose class says so.
fn tables_of_class(class: &str) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for migration in MIGRATIONS {
        for statement in migration.split(';') {
            let Some((_, rest)) = statement.split_once("CREATE TABLE IF NOT EXISTS ") else {
                continue;
            };
            let table = rest.split_whitespace().next().unwrap();
            if statement.contains(&format!("{{{class}")) {
                tables.insert(table.to_owned());
            }
        }
    }
    tables
}

/// Whether what it writes goes through the nodes' own tables of conditional writes.
fn is_conditional(statement: Statement) -> bool {
    matches!(statement.kind(), Kind::Conditional | Kind::Batched)
}

#[test]
fn every_statement_names_a_table_of_the_migrations() {
    let mut all = tables_of_class("never_deleted");
    all.extend(tables_of_class("erased"));
    all.extend(tables_of_class("conditional"));
    // What a node says of itself.
    all.insert("system.local".to_owned());
    for statement in Statement::ALL {
        assert!(
            all.contains(statement.table()),
            "{} of {}",
            statement.name(),
            statement.table()
        );
    }
}

#[test]
fn a_statement_is_of_the_kind_that_its_text_says() {
    for statement in Statement::ALL {
        let text = statement.text();
        let is_conditional = text.contains(" IF ");
        let reads = text.starts_with("SELECT ");
        let is_right = match statement.kind() {
            Kind::Read | Kind::SerialRead | Kind::OfNode => reads,
            Kind::Write | Kind::Batched => !reads && !is_conditional,
            Kind::Conditional => !reads && is_conditional,
        };
        assert!(is_right, "{}", statement.name());
    }
}

/// A statement without a timestamp of its own would take the driver's, and could bring back what was erased.
#[test]
fn every_plain_write_has_a_timestamp_of_its_own_and_no_conditional_one_has() {
    for statement in Statement::ALL {
        let has_timestamp = statement.text().contains("TIMESTAMP :timestamp");
        assert_eq!(
            has_timestamp,
            statement.kind() == Kind::Write,
            "{}",
            statement.name()
        );
    }
}

/// Rows that outlive their table's purpose would be kept for ever.
#[test]
fn every_row_of_a_person_or_a_test_ends_by_itself() {
    let keeps = ["{tests}.secret", "{register}.", "{tests}.migration"];
    for statement in Statement::ALL {
        let text = statement.text();
        let writes = text.starts_with("INSERT") || text.starts_with("UPDATE");
        let table = statement.table();
        if writes && !keeps.iter().any(|kept| table.starts_with(kept)) {
            assert!(text.contains("USING TTL "), "{}", statement.name());
        }
    }
}

#[test]
fn nothing_is_asked_that_a_cluster_cannot_answer_cheaply() {
    let texts = Statement::ALL
        .iter()
        .map(|statement| (statement.name(), statement.text()))
        .chain(MIGRATIONS.iter().map(|text| ("a migration", *text)));
    for (name, text) in texts {
        for word in [
            "SELECT *",
            "BEGIN BATCH",
            "BEGIN LOGGED",
            "ALLOW FILTERING",
            "counter",
            "CREATE INDEX",
            "MATERIALIZED",
        ] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn nothing_is_deleted_but_where_the_table_is_made_for_it() {
    let erased = tables_of_class("erased");
    let conditional = tables_of_class("conditional");
    for statement in Statement::ALL {
        if statement.text().starts_with("DELETE") {
            let table = statement.table();
            let may = erased.contains(table)
                || (is_conditional(*statement) && conditional.contains(table));
            assert!(may, "{} deletes from {table}", statement.name());
        }
    }
}

/// What a conditional write carries is kept for days, in the nodes' own tables, beside the row (`docs/cql.md`).
#[test]
fn a_conditional_write_holds_nothing_of_a_person() {
    let personal = [
        "sealed",
        "tag",
        "contact",
        "negative",
        "fiscal_code",
        "operator_sealed",
        "credential",
    ];
    for statement in Statement::ALL {
        if is_conditional(*statement) {
            let words: BTreeSet<&str> = statement
                .text()
                .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .collect();
            for word in personal {
                assert!(!words.contains(word), "{} has {word}", statement.name());
            }
        }
    }
}

/// A row of one kind is written by plain writes or by conditional ones: their timestamps are of two clocks.
#[test]
fn no_table_is_written_both_ways() {
    let tables = |is_of: &dyn Fn(Statement) -> bool| -> BTreeSet<&str> {
        Statement::ALL
            .iter()
            .filter(|statement| is_of(**statement))
            .map(|statement| statement.table())
            .collect()
    };
    let plain = tables(&|statement| statement.kind() == Kind::Write);
    let conditional = tables(&is_conditional);
    let both: Vec<_> = plain.intersection(&conditional).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn what_one_server_alone_understands_stands_in_its_own_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words = [
        "tablets",
        "tombstone_gc",
        "IncrementalCompactionStrategy",
        "gc_grace_seconds",
        "USING TIMEOUT",
        "LeveledCompactionStrategy",
    ];
    for migration in MIGRATIONS {
        for word in words {
            assert!(!migration.contains(word), "a migration has {word}");
        }
    }
    for statement in Statement::ALL {
        for word in words {
            assert!(!statement.text().contains(word), "{}", statement.name());
        }
    }
    let options = std::fs::read_dir(root.join("options")).unwrap().count();
    assert_eq!(options, 2);
}

/// The table of `docs/cql.md`; `UPDATE_DOCUMENTATION=1` rewrites it.
#[test]
fn the_documentation_lists_every_statement() {
    let mut rendered = String::from(
        "\n| statement | kind | table | what for | seen on |\n|---|---|---|---|---|\n",
    );
    for statement in Statement::ALL {
        let (name, kind) = (statement.name(), statement.kind().name());
        let table = shown(statement.table());
        let purpose = statement.purpose();
        writeln!(
            rendered,
            "| `{name}` | {kind} | {table} | {purpose} | {SEEN_ON} |"
        )
        .unwrap();
    }
    rendered.push('\n');
    compare(
        "statements: made by cql/tests/statements.rs",
        "statements",
        &rendered,
    );
}

/// The same of what each role may do: the statements that grant it follow from the same list.
#[test]
fn the_documentation_lists_what_each_role_may_do() {
    let mut all: BTreeSet<Resource> = BTreeSet::new();
    for role in Role::ALL {
        all.extend(role.rights().iter().map(|right| right.resource));
    }
    let mut rendered = String::from("\n| |");
    for role in Role::ALL {
        write!(rendered, " {} |", role.name()).unwrap();
    }
    rendered.push_str(" seen on |\n|---|---|---|---|---|\n");
    for resource in all {
        let name = match resource {
            Resource::Keyspace(name) => format!("keyspace {}", name.trim_matches(['{', '}'])),
            Resource::Table(name) => shown(name),
        };
        write!(rendered, "| {name} |").unwrap();
        for role in Role::ALL {
            let permissions: Vec<String> = role
                .rights()
                .iter()
                .filter(|right| right.resource == resource)
                .map(|right| right.permission.to_string())
                .collect();
            let told = match permissions.is_empty() {
                true => "–".to_owned(),
                false => permissions.join(", "),
            };
            write!(rendered, " {told} |").unwrap();
        }
        writeln!(rendered, " {SEEN_ON} |").unwrap();
    }
    rendered.push('\n');
    compare(
        "rights: made by cql/tests/statements.rs",
        "rights",
        &rendered,
    );
}

/// A table as people read it.
fn shown(table: &str) -> String {
    let table = table.replace(['{', '}'], "");
    let (keyspace, name) = table.split_once('.').expect("a keyspace and a table");
    format!("`{name}` ({keyspace})")
}

/// Compares a part of `docs/cql.md`, or rewrites it.
fn compare(begin: &str, what: &str, rendered: &str) {
    // Two parts are never rewritten at once.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (begin, end) = (
        format!("<!-- {begin} -->\n"),
        format!("<!-- end of {what} -->"),
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cql.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(&begin).expect("the table's beginning");
    let (found, after) = rest.split_once(&end).expect("the table's end");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        std::fs::write(&file, format!("{before}{begin}{rendered}{end}{after}")).unwrap();
    } else {
        assert!(
            found == rendered,
            "docs/cql.md is not as the program is: run `make docs`"
        );
    }
}

/// A role that may read what it must not would not be noticed by a server that works.
#[test]
fn whoever_reads_or_migrates_sees_nobody() {
    for role in [Role::Migrate, Role::Reader] {
        for right in role.rights() {
            let Resource::Table(table) = right.resource else {
                assert_eq!(role, Role::Migrate, "{right:?}");
                continue;
            };
            let is_of_people = ["{patients}", "{register}"]
                .iter()
                .any(|keyspace| table.starts_with(keyspace));
            assert!(!is_of_people, "{role:?}: {right:?}");
            if role == Role::Reader {
                assert_eq!(right.permission, Permission::Select, "{right:?}");
            }
        }
    }
}
