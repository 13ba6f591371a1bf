//! Making a register, and several commands at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::house::House;

#[test]
fn a_register_is_made_once_with_its_key_outside_the_data() {
    let house = House::without_register();
    assert!(house.refused(&["region", "list"]).contains("admin init"));
    assert!(
        !house.folder.path().join("data").exists(),
        "looking makes nothing"
    );
    house.done(&["init"]);
    for file in ["data/register.db", "keys/register-key"] {
        let mode = std::fs::metadata(house.path(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(house.refused(&["init"]).contains("already"));
    let key = std::fs::read(house.path("keys/register-key")).unwrap();
    std::fs::remove_file(house.path("keys/register-key")).unwrap();
    assert!(
        house
            .refused(&["region", "list"])
            .contains("put the key back")
    );
    assert!(
        house.refused(&["init"]).contains("already"),
        "a new key is no help for an old register"
    );
    assert!(!Path::new(&house.path("keys/register-key")).exists());
    std::fs::write(house.path("keys/register-key"), key).unwrap();
    assert!(
        house.refused(&["region", "list"]).contains("chmod 600"),
        "a key that others can read"
    );
}

#[test]
fn a_key_inside_the_data_folder_is_refused() {
    let house = House::without_register();
    house.write("sistema-ts.toml", "[register]\nkey_file = \"data/key\"\n");
    assert!(
        house
            .refused(&["init"])
            .contains("register.key_file must lie outside")
    );
    house.write("sistema-ts.toml", "[register]\nkey = \"x\"\n");
    assert!(house.refused(&["init"]).contains("there is no such"));
}

#[test]
fn commands_at_once_are_all_kept() {
    let house = House::new();
    let processes: Vec<_> = (0..12)
        .map(|index| {
            let id = format!("010-101-{index:06}");
            let mut command =
                house.command(&["structure", "add", &id, "--description", "Struttura"]);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(
        house.json(&["structure", "list"]).as_array().unwrap().len(),
        12
    );
}
