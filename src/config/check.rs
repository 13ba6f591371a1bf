//! The hard bounds: what no installation may set, whatever it wishes.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

use super::configuration::Configuration;
use super::sections::ListenerSection;
use crate::control::LONGEST_PATH;
use crate::immuni::BackendAddress;

/// Tells which of these keys have a value out of the bounds that stand beside them.
macro_rules! bounds {
    ($faults:ident, $configuration:ident; $($section:ident.$key:ident: $allowed:expr,)+) => {
        $($faults.range(
            concat!(stringify!($section), ".", stringify!($key)),
            $configuration.$section.$key,
            $allowed,
        );)+
    };
}

/// Gathers every fault, so that a person mends them all at once.
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    fn range<T: PartialOrd + Display>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>) {
        if !allowed.contains(&value) {
            self.add(format!(
                "{key} must be from {} to {}",
                allowed.start(),
                allowed.end()
            ));
        }
    }

    fn path(&mut self, key: &str, path: &Path) {
        if path.as_os_str().is_empty() {
            self.add(format!("{key} must not be empty"));
        }
    }

    /// An address that callers can use as it stands: `https://host[:port]`, nothing after it.
    fn listener(&mut self, section: &str, listener: &ListenerSection) {
        let host = listener.public_url.strip_prefix("https://");
        let good = host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        });
        if !good {
            self.add(format!(
                "{section}.public_url must be https://host or https://host:port, without a path"
            ));
        }
    }
}

impl Configuration {
    /// Every value that is out of its bounds, told with its key and without the value.
    #[must_use]
    pub fn out_of_bounds(&self) -> Vec<String> {
        let mut faults = Faults(Vec::new());
        self.check_ranges(&mut faults);
        self.check_listeners(&mut faults);
        self.check_limits(&mut faults);
        self.check_files(&mut faults);
        self.check_immuni(&mut faults);
        self.check_call_center(&mut faults);
        faults.0
    }

    fn check_ranges(&self, faults: &mut Faults) {
        bounds! { faults, self;
            limits.worker_threads: 0..=512,
            limits.maximum_connections: 16..=1_000_000,
            limits.maximum_connections_per_source: 16..=1_000_000,
            limits.accept_backlog: 16..=65_535,
            limits.handshake_timeout_seconds: 1..=60,
            limits.header_timeout_seconds: 1..=60,
            limits.body_timeout_seconds: 1..=120,
            limits.idle_timeout_seconds: 1..=600,
            limits.write_stall_timeout_seconds: 1..=120,
            limits.linger_timeout_seconds: 1..=30,
            limits.drain_timeout_seconds: 1..=600,
            limits.maximum_body_bytes: 8_192..=1_048_576,
            limits.maximum_requests: 16..=65_536,
            limits.refusals_per_second: 10..=1_000_000,
            limits.tls_sessions: 16..=1_048_576,
            limits.drain_notice_seconds: 0..=300,
            tls.reload_interval_seconds: 1..=3_600,
            // A test is kept at least as long as its CUN lives (14 × 24 h, §2.4.1.1).
            store.retention_days: 14..=365,
            store.permitted_clock_error_milliseconds: 0..=10_000,
            register.poll_interval_milliseconds: 10..=1_000,
            admission.submissions: 16..=65_536,
            // The least that OWASP's password storage guide accepts for Argon2id: 19 MiB with 2 passes.
            authentication.argon2_memory_kibibytes: 19_456..=1_048_576,
            authentication.argon2_passes: 2..=16,
            authentication.hashing_threads: 1..=64,
            authentication.hashing_queue: 1..=4_096,
            authentication.remember_seconds: 0..=43_200,
            authentication.user_burst: 1..=1_000,
            authentication.user_failures_per_minute: 1..=1_000,
            authentication.source_burst: 1..=100_000,
            authentication.source_failures_per_minute: 1..=100_000,
            call_center.session_lifetime_minutes: 5..=240,
            call_center.operator_failures_per_hour: 1..=1_000,
            call_center.code_failures_in_life: 1..=100,
            call_center.code_failures_by_one_operator: 1..=100,
            call_center.caller_failures_per_hour: 1..=1_000_000,
            asl.codes_per_operator_per_hour: 1..=10_000,
            // Less is no time for a disk, and more keeps an operator waiting.
            asl.step_milliseconds: 100..=1_000,
            immuni.deadline_seconds: 2..=30,
            immuni.try_limit_milliseconds: 200..=30_000,
            immuni.maximum_tries: 1..=10,
            immuni.mailbox_capacity: 1..=65_536,
            immuni.connections: 1..=1_024,
            immuni.breaker_failures: 1..=1_000,
            immuni.breaker_pause_seconds: 1..=300,
        }
        for (key, value, (least, most)) in self.backends.bounds() {
            faults.range(&key, value, least..=most);
        }
    }

    fn check_listeners(&self, faults: &mut Faults) {
        faults.listener("mutual_tls", &self.mutual_tls);
        faults.listener("basic", &self.basic);
        let addresses = [
            ("mutual_tls", self.mutual_tls.bind_address),
            ("basic", self.basic.bind_address),
            ("status", self.status.bind_address),
        ];
        for (index, (first, one)) in addresses.iter().enumerate() {
            for (second, other) in &addresses[index + 1..] {
                if one == other && one.port() != 0 {
                    faults.add(format!(
                        "{first}.bind_address and {second}.bind_address must differ"
                    ));
                }
            }
        }
        if !self.status.bind_address.ip().is_loopback() {
            faults.add(
                "status.bind_address must be a loopback address: it answers anyone, in the clear"
                    .to_owned(),
            );
        }
        let is_name = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !name.is_empty() && name.len() <= 253 && name.bytes().all(plain)
        };
        let hosts = &self.status.allowed_hosts;
        if hosts.len() > 16 || !hosts.iter().all(is_name) {
            faults.add("status.allowed_hosts must hold at most 16 names, without ports".to_owned());
        }
        for network in &self.proxy.trusted_networks {
            if network.prefix_len() == 0 {
                faults.add(
                    "proxy.trusted_networks must not hold a network of all addresses".to_owned(),
                );
            }
        }
    }

    fn check_limits(&self, faults: &mut Faults) {
        let limits = &self.limits;
        if limits.drain_notice_seconds > limits.drain_timeout_seconds {
            faults.add(
                "limits.drain_notice_seconds must not be more than limits.drain_timeout_seconds"
                    .to_owned(),
            );
        }
    }

    fn check_files(&self, faults: &mut Faults) {
        faults.path("tls.certificate_file", &self.tls.certificate_file);
        faults.path("tls.private_key_file", &self.tls.private_key_file);
        let is_empty = |path: &Path| path.as_os_str().is_empty();
        if is_empty(&self.tls.second_certificate_file)
            != is_empty(&self.tls.second_private_key_file)
        {
            faults.add(
                "tls.second_certificate_file and tls.second_private_key_file must both be empty, or neither"
                    .to_owned(),
            );
        }
        faults.path("tls.client_authority_file", &self.tls.client_authority_file);
        faults.path(
            "tls.client_revocation_list_file",
            &self.tls.client_revocation_list_file,
        );
        faults.path("store.data_folder", &self.store.data_folder);
        if self.control.socket_file.as_os_str().len() > LONGEST_PATH {
            faults.add(format!(
                "control.socket_file must have at most {LONGEST_PATH} bytes, its folder included"
            ));
        }
        for (key, path) in [
            ("store.key_ring_file", &self.store.key_ring_file),
            ("register.key_file", &self.register.key_file),
        ] {
            faults.path(key, path);
            // An empty folder is told already, and would be the working folder.
            let folder = &self.store.data_folder;
            if !folder.as_os_str().is_empty() && lies_inside(path, folder) {
                faults.add(format!(
                    "{key} must lie outside store.data_folder: who copies that folder must not get the keys with it"
                ));
            }
        }
        if real(&self.store.key_ring_file) == real(&self.register.key_file) {
            faults.add("store.key_ring_file and register.key_file must be two files".to_owned());
        }
    }

    fn check_call_center(&self, faults: &mut Faults) {
        let keys = &self.call_center.recorded_option_keys;
        let is_key = |key: &String| {
            (1..=64).contains(&key.len())
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if keys.len() > 32 || !keys.iter().all(is_key) {
            faults.add(
                "call_center.recorded_option_keys must be at most 32 keys of 1 to 64 letters, digits, dashes, dots and underscores"
                    .to_owned(),
            );
        }
    }

    fn check_immuni(&self, faults: &mut Faults) {
        let immuni = &self.immuni;
        if !immuni.base_url.is_empty() {
            match BackendAddress::parse(&immuni.base_url) {
                Err(error) => faults.add(format!("immuni.base_url {error}")),
                Ok(address) if address.is_tls() => {
                    faults.path("immuni.authority_file", &immuni.authority_file);
                    faults.path(
                        "immuni.client_certificate_file",
                        &immuni.client_certificate_file,
                    );
                    faults.path(
                        "immuni.client_private_key_file",
                        &immuni.client_private_key_file,
                    );
                }
                Ok(_) => {}
            }
        }
        if immuni.try_limit_milliseconds > immuni.deadline_seconds.saturating_mul(1_000) {
            faults.add(
                "immuni.try_limit_milliseconds must not be more than immuni.deadline_seconds"
                    .to_owned(),
            );
        }
    }
}

/// Whether `path` is `folder` or lies in it, links followed as far as the files exist.
fn lies_inside(path: &Path, folder: &Path) -> bool {
    real(path).starts_with(real(folder))
}

/// The path with links followed as far as it exists, and `.` and `..` resolved in the rest.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut existing = absolute.clone();
    let mut rest: Vec<OsString> = Vec::new();
    let resolved = loop {
        if let Ok(resolved) = existing.canonicalize() {
            break resolved;
        }
        match existing.components().next_back() {
            Some(last @ (Component::Normal(_) | Component::ParentDir)) => {
                rest.push(last.as_os_str().to_owned());
                existing.pop();
            }
            _ => break existing,
        }
    };
    rest.into_iter().rev().fold(resolved, |mut path, part| {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
        path
    })
}
