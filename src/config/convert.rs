//! From the configuration to what each part of the server asks for.

use std::path::PathBuf;
use std::time::Duration;

use sistema_ts_actors::relay::RelaySettings;
use sistema_ts_model::MILLIS_PER_DAY;
use sistema_ts_store::GuessBudgets;

use super::configuration::Configuration;
use super::sections::ListenerSection;
use crate::auth::{Argon2Cost, AuthenticatorSettings, FailureRate, SlowingSettings};
use crate::backend::Archives;
use crate::control::SOCKET_NAME;
use crate::front::{
    FrontLimits, FrontSettings, ListenerKind, ListenerSettings, PairFiles, TlsFiles,
};
use crate::immuni::BackendFiles;
use crate::services::admission::LaneCapacities;
use crate::services::option_filter::RecordedOptions;
use crate::services::settings::{AslOtpSettings, ServiceSettings};

/// Name of the listener for callers with a certificate.
pub const MUTUAL_TLS_LISTENER: &str = "mutual-tls";

/// Name of the listener for callers with user id, password and pincode.
pub const BASIC_LISTENER: &str = "basic";

/// Name of the listener for health and metrics.
pub const STATUS_LISTENER: &str = "status";

/// Where the newest revocation lists are kept, in the data folder.
const KEPT_LISTS_FOLDER: &str = "revocation-lists";

const MILLIS_PER_MINUTE: i64 = 60 * 1_000;

/// Connections for health and metrics: a few tools on this machine.
const STATUS_CONNECTIONS: usize = 256;

/// Of credentials; less than the patience of the usual clients.
const LONGEST_WAIT_FOR_A_CHECK: Duration = Duration::from_secs(20);

impl Configuration {
    /// The three listeners with their limits.
    #[must_use]
    pub fn front_settings(&self) -> FrontSettings {
        let limits = &self.limits;
        let workers = match limits.worker_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let status = ListenerSettings {
            name: STATUS_LISTENER.to_owned(),
            kind: ListenerKind::PlainLoopback,
            address: self.status.bind_address,
            tls: None,
            trusted_proxies: Vec::new(),
            max_connections: limits.maximum_connections.min(STATUS_CONNECTIONS),
            max_connections_per_source: limits.maximum_connections_per_source,
            backlog: limits.accept_backlog,
        };
        FrontSettings {
            workers,
            listeners: vec![
                self.public_listener(
                    MUTUAL_TLS_LISTENER,
                    ListenerKind::MutualTls,
                    &self.mutual_tls,
                ),
                self.public_listener(BASIC_LISTENER, ListenerKind::ServerTls, &self.basic),
                status,
            ],
            limits: FrontLimits {
                handshake: Duration::from_secs(limits.handshake_timeout_seconds),
                header: Duration::from_secs(limits.header_timeout_seconds),
                body: Duration::from_secs(limits.body_timeout_seconds),
                idle: Duration::from_secs(limits.idle_timeout_seconds),
                write_stall: Duration::from_secs(limits.write_stall_timeout_seconds),
                linger: Duration::from_secs(limits.linger_timeout_seconds),
                max_body_bytes: limits.maximum_body_bytes,
                max_requests: limits.maximum_requests,
                refusals_per_second: limits.refusals_per_second,
                drain: Duration::from_secs(limits.drain_timeout_seconds),
                drain_notice: Duration::from_secs(limits.drain_notice_seconds),
                file_poll: Duration::from_secs(self.tls.reload_interval_seconds),
                session_cache: limits.tls_sessions,
            },
        }
    }

    fn public_listener(
        &self,
        name: &str,
        kind: ListenerKind,
        section: &ListenerSection,
    ) -> ListenerSettings {
        // Only the listener that asks for certificates has authorities and lists to judge them by.
        let asks = kind == ListenerKind::MutualTls;
        ListenerSettings {
            name: name.to_owned(),
            kind,
            address: section.bind_address,
            tls: Some(TlsFiles {
                certificate_chain: self.tls.certificate_file.clone(),
                private_key: self.tls.private_key_file.clone(),
                client_authorities: asks.then(|| self.tls.client_authority_file.clone()),
                second_pair: self.second_pair(),
                kept_lists: asks.then(|| self.store.data_folder.join(KEPT_LISTS_FOLDER)),
                revocation_lists: asks
                    .then(|| self.tls.client_revocation_list_file.clone())
                    .into_iter()
                    .collect(),
            }),
            trusted_proxies: self.proxy.trusted_networks.clone(),
            max_connections: self.limits.maximum_connections,
            max_connections_per_source: self.limits.maximum_connections_per_source,
            backlog: self.limits.accept_backlog,
        }
    }

    fn second_pair(&self) -> Option<PairFiles> {
        let certificate_chain = self.tls.second_certificate_file.clone();
        // The bounds see to it that both are named, or neither.
        (!certificate_chain.as_os_str().is_empty()).then(|| PairFiles {
            certificate_chain,
            private_key: self.tls.second_private_key_file.clone(),
        })
    }

    /// Where the archives are, and how they are opened.
    #[must_use]
    pub fn archives(&self) -> Archives {
        let store = &self.store;
        Archives {
            backend: store.backend,
            sections: self.backends.clone(),
            data_folder: store.data_folder.clone(),
            key_ring_file: store.key_ring_file.clone(),
            retention_millis: i64::from(store.retention_days) * MILLIS_PER_DAY,
            clock_error_millis: i64::from(store.permitted_clock_error_milliseconds),
        }
    }

    /// What the relay takes on, and how it repeats.
    #[must_use]
    pub fn relay_settings(&self) -> RelaySettings {
        let immuni = &self.immuni;
        RelaySettings {
            capacity: immuni.mailbox_capacity,
            connections: immuni.connections,
            try_limit: Duration::from_millis(immuni.try_limit_milliseconds),
            maximum_tries: immuni.maximum_tries,
            breaker_threshold: immuni.breaker_failures,
            breaker_pause: Duration::from_secs(immuni.breaker_pause_seconds),
            ..RelaySettings::default()
        }
    }

    /// Time from taking a post on to its outcome, all tries together.
    #[must_use]
    pub fn relay_deadline(&self) -> Duration {
        Duration::from_secs(self.immuni.deadline_seconds)
    }

    /// Files for mutual TLS with the Immuni backend.
    #[must_use]
    pub fn immuni_files(&self) -> BackendFiles {
        BackendFiles {
            authority: self.immuni.authority_file.clone(),
            certificate: self.immuni.client_certificate_file.clone(),
            private_key: self.immuni.client_private_key_file.clone(),
        }
    }

    /// How many requests of each kind are at work at once.
    #[must_use]
    pub fn lane_capacities(&self) -> LaneCapacities {
        LaneCapacities {
            submission: self.admission.submissions,
            // No more than the relay has places: one caller reaches half of the lane, and would else take all of those.
            relay: u32::try_from(self.immuni.mailbox_capacity).unwrap_or(u32::MAX),
            ..LaneCapacities::default()
        }
    }

    /// How often the running server looks whether the register was changed.
    #[must_use]
    pub fn register_poll_interval(&self) -> Duration {
        Duration::from_millis(self.register.poll_interval_milliseconds)
    }

    /// Where commands reach the running server.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        if self.control.socket_file.as_os_str().is_empty() {
            self.store.data_folder.join(SOCKET_NAME)
        } else {
            self.control.socket_file.clone()
        }
    }

    /// How many verifications may fail.
    #[must_use]
    pub fn guess_budgets(&self) -> GuessBudgets {
        GuessBudgets {
            operator: self.call_center.operator_failures_per_hour,
            code: self.call_center.code_failures_in_life,
            caller: self.call_center.caller_failures_per_hour,
            operator_of_code: self.call_center.code_failures_by_one_operator,
        }
    }

    /// How the services work.
    #[must_use]
    pub fn service_settings(&self) -> ServiceSettings {
        ServiceSettings {
            session_lifetime_millis: i64::from(self.call_center.session_lifetime_minutes)
                * MILLIS_PER_MINUTE,
            budgets: self.guess_budgets(),
            recorded_options: RecordedOptions::new(&self.call_center.recorded_option_keys),
            // Bounded to half a minute.
            relay_deadline_millis: i64::try_from(self.relay_deadline().as_millis()).unwrap_or(0),
            asl_otp: AslOtpSettings {
                codes_per_operator_per_hour: self.asl.codes_per_operator_per_hour,
                step: Duration::from_millis(self.asl.step_milliseconds),
            },
        }
    }

    /// What one hash of password and pincode costs.
    #[must_use]
    pub fn argon2_cost(&self) -> Argon2Cost {
        Argon2Cost {
            memory_kibibytes: self.authentication.argon2_memory_kibibytes,
            passes: self.authentication.argon2_passes,
        }
    }

    /// How credentials are checked.
    #[must_use]
    pub fn authenticator_settings(&self) -> AuthenticatorSettings {
        let authentication = &self.authentication;
        AuthenticatorSettings {
            cost: self.argon2_cost(),
            hashing_threads: authentication.hashing_threads,
            hashing_queue: authentication.hashing_queue,
            longest_wait: LONGEST_WAIT_FOR_A_CHECK,
            remember: Duration::from_secs(authentication.remember_seconds),
            slowing: SlowingSettings {
                user: FailureRate {
                    burst: authentication.user_burst,
                    per_minute: authentication.user_failures_per_minute,
                },
                source: FailureRate {
                    burst: authentication.source_burst,
                    per_minute: authentication.source_failures_per_minute,
                },
            },
        }
    }
}
