//! The sections of the configuration: their keys, and the default of each as a named function.
//!
//! Every key is documented once, in `sistema-ts.sample.toml`; what stands here says what the code relies on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;

/// A public listener: where it listens, and the address its callers know it by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerSection {
    /// Address and port to listen on; port 0 takes a free one.
    pub bind_address: SocketAddr,
    /// Base of every `soap:address` in the WSDLs this listener serves: `https://host[:port]`, without a path.
    pub public_url: String,
}

/// The listener for regions and call centres, which prove themselves by a client certificate.
#[must_use]
pub fn default_mutual_tls() -> ListenerSection {
    ListenerSection {
        bind_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
        public_url: "https://localhost:8443".to_owned(),
    }
}

/// The listener for the operators of structures, who prove themselves by user id, password and pincode.
#[must_use]
pub fn default_basic() -> ListenerSection {
    ListenerSection {
        bind_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8444)),
        public_url: "https://localhost:8444".to_owned(),
    }
}

/// The listener for health and metrics, in the clear: loopback only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusSection {
    /// Address and port to listen on.
    pub bind_address: SocketAddr,
    /// Names in `Host` that are answered to beside loopback's own.
    pub allowed_hosts: Vec<String>,
}

impl Default for StatusSection {
    fn default() -> Self {
        StatusSection {
            bind_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            allowed_hosts: Vec::new(),
        }
    }
}

/// Which proxies are believed about a caller's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySection {
    /// A connection from these networks must begin with a PROXY protocol header; from any other it may not.
    pub trusted_networks: Vec<IpNet>,
}

/// Limits of the listeners, and the server's threads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Threads that serve connections, in all listeners together; 0 means one for each processor.
    pub worker_threads: usize,
    /// Connections open at once on one listener, those in a handshake included.
    pub maximum_connections: usize,
    /// Connections open at once on one listener of one source (an IPv6 source is its /48 network), as a listed proxy tells it.
    pub maximum_connections_per_source: usize,
    /// Connections waiting to be accepted by the kernel.
    pub accept_backlog: i32,
    /// From accepting a connection to the end of its handshake, the PROXY header included.
    pub handshake_timeout_seconds: u64,
    /// From the first byte of a request to the end of its headers.
    pub header_timeout_seconds: u64,
    /// From the end of the headers to the end of the body.
    pub body_timeout_seconds: u64,
    /// How long a connection may stay open without a request.
    pub idle_timeout_seconds: u64,
    /// How long a client may take no byte of what is sent to it.
    pub write_stall_timeout_seconds: u64,
    /// How long an early answer waits for the rest of its request before the connection is cut.
    pub linger_timeout_seconds: u64,
    /// Largest body of a request to a service.
    pub maximum_body_bytes: usize,
    /// Requests at work in all listeners, those whose body is still being read included.
    pub maximum_requests: usize,
    /// Refusals with 503 a second that leave at once; further ones wait for their turn.
    pub refusals_per_second: u32,
    /// TLS sessions remembered for resumption, on one listener.
    pub tls_sessions: usize,
    /// How long a server asked to stop waits for what it has accepted.
    pub drain_timeout_seconds: u64,
    /// How long it goes on answering 503 before its listeners close.
    pub drain_notice_seconds: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        LimitsSection {
            worker_threads: 0,
            maximum_connections: 25_000,
            maximum_connections_per_source: 4_096,
            accept_backlog: 2_048,
            handshake_timeout_seconds: 10,
            header_timeout_seconds: 10,
            body_timeout_seconds: 15,
            idle_timeout_seconds: 60,
            write_stall_timeout_seconds: 30,
            linger_timeout_seconds: 2,
            maximum_body_bytes: 64 * 1024,
            maximum_requests: 4_096,
            refusals_per_second: 10_000,
            tls_sessions: 8_192,
            drain_timeout_seconds: 30,
            drain_notice_seconds: 0,
        }
    }
}

/// Files of certificates and keys, in PEM or DER.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// The server's certificate, then those between it and its authority.
    pub certificate_file: PathBuf,
    /// The server's private key.
    pub private_key_file: PathBuf,
    /// A second certificate of the server with a key of the other kind; empty: there is none.
    pub second_certificate_file: PathBuf,
    /// Its private key.
    pub second_private_key_file: PathBuf,
    /// The authorities whose client certificates are accepted.
    pub client_authority_file: PathBuf,
    /// The list of revoked client certificates.
    pub client_revocation_list_file: PathBuf,
    /// How often the files are looked at for a change.
    pub reload_interval_seconds: u64,
}

impl Default for TlsSection {
    fn default() -> Self {
        TlsSection {
            certificate_file: PathBuf::from("pki/server.crt"),
            private_key_file: PathBuf::from("pki/server.key"),
            second_certificate_file: PathBuf::new(),
            second_private_key_file: PathBuf::new(),
            client_authority_file: PathBuf::from("pki/ca.crt"),
            client_revocation_list_file: PathBuf::from("pki/ca.crl"),
            reload_interval_seconds: 5,
        }
    }
}

/// Which store there is, where data lie, and what holds of every store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Which store there is.
    pub backend: Backend,
    /// Folder of what this machine keeps.
    pub data_folder: PathBuf,
    /// The ring of day keys; outside the data folder, so that a copy of that folder is no copy of the keys.
    pub key_ring_file: PathBuf,
    /// How long the tests' archive keeps a test, counted from its communication.
    pub retention_days: u32,
    /// How far the clock may jump ahead while a one-time code is on its way, without freeing its CUN too early; and how far the clocks of two servers of
    /// one cluster may be apart.
    pub permitted_clock_error_milliseconds: u32,
}

impl Default for StoreSection {
    fn default() -> Self {
        StoreSection {
            backend: Backend::default(),
            data_folder: PathBuf::from("data"),
            key_ring_file: PathBuf::from("keys/day-keys"),
            retention_days: 14,
            permitted_clock_error_milliseconds: 1_000,
        }
    }
}

/// The Immuni backend, to which OTPs are relayed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImmuniSection {
    /// Base address; empty: there is none, and what needs it is not offered.
    pub base_url: String,
    /// The authorities that may have signed the backend's certificate.
    pub authority_file: PathBuf,
    /// The certificate that this server shows to it, then those between it and its authority.
    pub client_certificate_file: PathBuf,
    /// Its private key.
    pub client_private_key_file: PathBuf,
    /// Time from taking a post on to its outcome, all tries together.
    pub deadline_seconds: u64,
    /// Time of one try.
    pub try_limit_milliseconds: u64,
    /// Tries of one post, the first included.
    pub maximum_tries: u32,
    /// Posts waiting and under way together.
    pub mailbox_capacity: usize,
    /// Posts under way at once, each over a connection of its own; callers take turns.
    pub connections: usize,
    /// Failed tries in a row after which nothing is sent for a while.
    pub breaker_failures: u32,
    /// How long nothing is sent after that many failures.
    pub breaker_pause_seconds: u64,
}

impl Default for ImmuniSection {
    fn default() -> Self {
        ImmuniSection {
            base_url: String::new(),
            authority_file: PathBuf::from("pki/immuni-ca.crt"),
            client_certificate_file: PathBuf::from("pki/immuni-client.crt"),
            client_private_key_file: PathBuf::from("pki/immuni-client.key"),
            deadline_seconds: 10,
            try_limit_milliseconds: 4_000,
            maximum_tries: 4,
            mailbox_capacity: 256,
            connections: 32,
            breaker_failures: 8,
            breaker_pause_seconds: 5,
        }
    }
}

/// The register of callers and users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegisterSection {
    /// Key that seals operators' fiscal codes and strengthens their password hashes; outside the data folder.
    pub key_file: PathBuf,
    /// How often the server looks whether the command line changed the register.
    pub poll_interval_milliseconds: u64,
}

impl Default for RegisterSection {
    fn default() -> Self {
        RegisterSection {
            key_file: PathBuf::from("keys/register-key"),
            poll_interval_milliseconds: 250,
        }
    }
}

/// How many requests of each kind may be at work; within a kind, one caller may hold as many as are still free.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionSection {
    /// Submissions.
    pub submissions: u32,
}

impl Default for AdmissionSection {
    fn default() -> Self {
        AdmissionSection { submissions: 1_024 }
    }
}

/// How passwords and pincodes are checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthenticationSection {
    /// Memory of one Argon2id hash.
    pub argon2_memory_kibibytes: u32,
    /// Passes of one Argon2id hash.
    pub argon2_passes: u32,
    /// Threads that hash.
    pub hashing_threads: usize,
    /// Checks that may wait for those threads before one is answered 503.
    pub hashing_queue: usize,
    /// How long a verified pair of password and pincode is remembered in memory after its last use; 0 remembers none.
    pub remember_seconds: u64,
    /// Failures at once of one user at one source before those who do not fail come first.
    pub user_burst: u32,
    /// Failures a minute in the long run, of one user at one source.
    pub user_failures_per_minute: u32,
    /// Failures at once of one source address (an IPv6 source is its /64 network) before those who do not fail come first.
    pub source_burst: u32,
    /// Failures a minute in the long run, of one source address.
    pub source_failures_per_minute: u32,
}

impl Default for AuthenticationSection {
    fn default() -> Self {
        AuthenticationSection {
            argon2_memory_kibibytes: 19 * 1024,
            argon2_passes: 2,
            hashing_threads: 1,
            hashing_queue: 512,
            remember_seconds: 3_600,
            user_burst: 5,
            user_failures_per_minute: 5,
            source_burst: 20,
            source_failures_per_minute: 20,
        }
    }
}

/// The services of the call centres.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallCenterSection {
    /// How long a successful verification can be used.
    pub session_lifetime_minutes: u32,
    /// Verifications of one operator that may fail within an hour.
    pub operator_failures_per_hour: u32,
    /// Verifications of one CUN that may fail within its life.
    pub code_failures_in_life: u32,
    /// Those of them that one operator may cause.
    pub code_failures_by_one_operator: u32,
    /// Verifications of one call centre that may fail within an hour.
    pub caller_failures_per_hour: u32,
    /// Keys of a confirmation's options whose values the access records keep; without any, none.
    pub recorded_option_keys: Vec<String>,
}

impl Default for CallCenterSection {
    fn default() -> Self {
        CallCenterSection {
            session_lifetime_minutes: 30,
            operator_failures_per_hour: 30,
            code_failures_in_life: 10,
            code_failures_by_one_operator: 3,
            caller_failures_per_hour: 1_000,
            recorded_option_keys: Vec::new(),
        }
    }
}

/// The codes that an ASL sends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AslSection {
    /// Codes that one operator may send within an hour, as whichever users.
    pub codes_per_operator_per_hour: u32,
    /// Each of the two steps of the store that look for the person takes a whole multiple of this.
    pub step_milliseconds: u64,
}

impl Default for AslSection {
    fn default() -> Self {
        AslSection {
            codes_per_operator_per_hour: 60,
            step_milliseconds: 250,
        }
    }
}

/// The socket on which commands reach the running server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSection {
    /// Its path; empty: `control.sock` in the data folder.
    pub socket_file: PathBuf,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person's eyes.
    Text,
}

/// The least severity that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures that need a person.
    Error,
    /// And what may need one.
    Warn,
    /// And what an operator wants to follow.
    #[default]
    Info,
    /// And what a developer wants to follow.
    Debug,
}

impl LogLevel {
    /// The level under the name that `tracing` filters use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }
}

/// The operational log, on standard error. At no level it holds health data, fiscal codes, credentials or what strangers send; its security lines
/// hold source addresses and the ids of users whose credentials were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoggingSection {
    /// Form of a line.
    pub format: LogFormat,
    /// Least severity.
    pub level: LogLevel,
}
