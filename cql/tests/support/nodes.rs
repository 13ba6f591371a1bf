//! Nodes of Apache Cassandra of a test's own: it kills and freezes them, and reads their files.
#![allow(dead_code)]

use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{script, stop_with_this_process};

/// Nodes in a folder of their own. They are stopped when this is dropped, and by a watch if this process dies before.
pub struct Nodes {
    folder: TempDir,
    address: String,
}

impl Nodes {
    /// Starts one or three; none if that cannot be done here.
    pub fn start(count: u8) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let started = Command::new(script())
            .arg("start")
            .arg(folder.path())
            .args(["--nodes", &count.to_string()])
            .output();
        let output = started.ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let address = text
            .lines()
            .find_map(|line| line.strip_prefix("TEST_CQL_ADDRESS="))?;
        stop_with_this_process(&script(), folder.path());
        Some(Self {
            address: address.to_owned(),
            folder,
        })
    }

    /// The address of the first; those of the others are learnt from it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends a node, 1 to 3, by SIGKILL.
    pub fn kill(&self, node: u8) {
        self.signal(node, "KILL");
    }

    /// Freezes a node: it takes connections and answers nothing.
    pub fn freeze(&self, node: u8) {
        self.signal(node, "STOP");
    }

    /// Wakes it.
    pub fn wake(&self, node: u8) {
        self.signal(node, "CONT");
    }

    /// Starts a node again that was killed, and waits until it answers.
    pub fn start_again(&self, node: u8) {
        let status = Command::new(script())
            .arg("start-node")
            .arg(self.folder.path())
            .arg(node.to_string())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "node {node} did not start again");
    }

    /// Runs a command of `nodetool` against a node, which must succeed.
    pub fn nodetool(&self, node: u8, arguments: &[&str]) {
        let output = Command::new(script())
            .arg("nodetool")
            .arg(self.folder.path())
            .arg(node.to_string())
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "nodetool {arguments:?}: {text}");
    }

    /// The folder of a node: its data, its commit log, its hints.
    pub fn folder_of(&self, node: u8) -> std::path::PathBuf {
        self.folder.path().join(format!("node-{node}"))
    }

    fn signal(&self, node: u8, signal: &str) {
        let file = self.folder.path().join(format!("node-{node}/pid"));
        let process = std::fs::read_to_string(file).unwrap();
        let status = Command::new("kill")
            .args([&format!("-{signal}"), process.trim()])
            .status()
            .unwrap();
        assert!(status.success(), "node {node} runs no more");
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = Command::new(script())
            .arg("stop")
            .arg(self.folder.path())
            .status();
    }
}
