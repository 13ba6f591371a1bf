//! Renaming and removing. A failure means that what is still needed can be removed, that an administrator is not told what stands in the way, or
//! that the running server goes on with what was removed.

use crate::house::{FISCAL_CODE, House, STRUCTURE};

#[test]
fn a_user_and_then_the_structure_are_removed_and_before_that_the_structure_is_not() {
    let house = House::with_user();
    let server = house.server();
    let remove_structure = ["structure", "remove", STRUCTURE];
    let told = house.refused(&remove_structure);
    assert!(
        told.contains("structure 010-101-000123 is in use, and was not removed (users: 1)"),
        "{told}"
    );
    house.done(&["user", "remove", "mario"]);
    server.sees("no user", |snapshot| snapshot.user("mario").is_none());
    assert!(house.refused(&["user", "show", "mario"]).contains("mario"));
    house.refused(&["user", "remove", "mario"]);
    house.done(&remove_structure);
    server.sees("no structure", |snapshot| snapshot.structures().is_empty());
    house.refused(&remove_structure);
}

#[test]
fn a_call_centre_is_removed_once_it_has_nothing() {
    let house = House::new();
    let server = house.server();
    house.done(&["call-center", "add", "cc1", "--name", "Prova"]);
    house.done(&["network", "add", "--call-center", "cc1", "192.0.2.0/28"]);
    let operator = |command| ["operator", command, "--call-center", "cc1"];
    house.with_input(&operator("add"), FISCAL_CODE);
    let remove = ["call-center", "remove", "cc1"];
    let told = house.refused(&remove);
    assert!(told.contains("(networks: 1, operators: 1)"), "{told}");
    house.with_input(&operator("remove"), FISCAL_CODE);
    house.done(&["network", "remove", "--call-center", "cc1", "192.0.2.0/28"]);
    house.done(&remove);
    server.sees("no call centre", |snapshot| snapshot.callers().is_empty());
}

#[test]
fn what_is_renamed_is_shown_by_its_new_name_and_found_by_its_old_code() {
    let house = House::with_user();
    house.done(&["call-center", "add", "cc1", "--name", "Prova"]);
    house.done(&["call-center", "rename", "cc1", "--name", "Nuova"]);
    assert_eq!(house.json(&["call-center", "show", "cc1"])["name"], "Nuova");
    house.done(&["region", "add", "020"]);
    house.done(&["region", "rename", "020", "--name", "Vallée d'Aoste"]);
    assert_eq!(
        house.json(&["region", "show", "020"])["name"],
        "Vallée d'Aoste"
    );
    let rename = ["structure", "rename", STRUCTURE, "--description"];
    house.done(&[&rename[..], &["Ospedale nuovo"]].concat());
    let shown = house.json(&["structure", "show", STRUCTURE]);
    assert_eq!(shown["description"], "Ospedale nuovo");
    assert_eq!(shown["users"][0], "mario");
    house.refused(&[&rename[..], &[""]].concat());
    house.refused(&["call-center", "rename", "cc2", "--name", "x"]);
}
