//! The real server as a process of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::client::{Answer, plain};
use super::installation::Installation;

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where callers with a certificate are served.
    pub mutual_tls: SocketAddr,
    /// Where users are served.
    pub basic: SocketAddr,
    /// Where health and metrics are.
    pub status: SocketAddr,
    /// From the start of the process to its word that it is ready.
    pub start_took: Duration,
}

impl Server {
    /// Starts it with the installation's own configuration.
    pub fn start(installation: &Installation) -> Self {
        Self::start_with(installation, &[])
    }

    /// Starts it with other settings, each as `("LIMITS__BODY_TIMEOUT_SECONDS", "1")`. What it logs is added to `server.log`.
    pub fn start_with(installation: &Installation, settings: &[(&str, &str)]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(installation.path("server.log"))
            .unwrap();
        Self::start_logging_to(installation, settings, log)
    }

    /// The same with its log elsewhere.
    pub fn start_logging_to(
        installation: &Installation,
        settings: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut command = installation.command(&["serve"]);
        command.stderr(log);
        Self::start_command(installation, command, settings)
    }

    /// Starts what is to become a server by this command. What it prints before its word that it is ready is read over.
    pub fn start_command(
        installation: &Installation,
        mut command: Command,
        settings: &[(&str, &str)],
    ) -> Self {
        command.stdout(Stdio::piped());
        for (key, value) in settings {
            command.env(format!("SISTEMA_TS_{key}"), value);
        }
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                let log = std::fs::read_to_string(installation.path("server.log"));
                panic!("the server did not start: {}", log.unwrap_or_default())
            }
        }
        let start_took = began.elapsed();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true);
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        Self {
            mutual_tls: address("mutual-tls"),
            basic: address("basic"),
            status: address("status"),
            child,
            output,
            start_took,
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes two integers; the process is ours and was not waited for yet, so its number is still its own.
        let sent = unsafe { libc::kill(self.child.id().cast_signed(), signal) };
        assert_eq!(sent, 0);
    }

    /// Ends it as a power cut would, as far as a process can be; what else it had printed.
    pub fn kill9(self) -> String {
        self.signal(libc::SIGKILL);
        let (ended, rest) = self.ended();
        assert_eq!(ended.signal(), Some(libc::SIGKILL));
        rest
    }

    /// Asks it to stop, and waits for that: how it ended, and what else it had printed.
    pub fn terminate(self) -> (ExitStatus, String) {
        self.signal(libc::SIGTERM);
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }

    /// Asks the status listener.
    pub fn status(&self, path: &str) -> Answer {
        plain(self.status).get(path)
    }

    /// The sum of all samples of a metric whose labels hold all of `labels` (such as `outcome="done"`).
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let answer = self.status("/metrics");
        let text = answer.text();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(sample, _)| {
                let rest = sample.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                    && labels.iter().all(|label| sample.contains(label))
            })
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
