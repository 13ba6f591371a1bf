//! Runs the commands of `docs/administration.md`, in their order and in one shell. A failure means that the guide tells an
//! administrator to type something that does not work.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_commands_of_the_guide_work_in_their_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/administration.md")).unwrap();
    let script: String = guide
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert!(script.lines().count() > 25, "the blocks were not found");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        root.join("sistema-ts.sample.toml"),
        folder.path().join("sistema-ts.sample.toml"),
    )
    .unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_sistema-ts"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", binaries.display()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
