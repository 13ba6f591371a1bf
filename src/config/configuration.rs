//! Everything that can be set, section by section.

use serde::{Deserialize, Serialize};

use super::sections::{
    self, AdmissionSection, AslSection, AuthenticationSection, CallCenterSection, ControlSection,
    ImmuniSection, LimitsSection, ListenerSection, LoggingSection, ProxySection, RegisterSection,
    StatusSection, StoreSection, TlsSection,
};
use crate::backend::BackendSections;

/// Everything that can be set, with relative paths already resolved and every bound checked.
// A section that there is not never reaches this type: whoever reads sections refuses it, with those that there are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Configuration {
    /// Listener for callers with a certificate.
    #[serde(default = "sections::default_mutual_tls")]
    pub mutual_tls: ListenerSection,
    /// Listener for callers with user id, password and pincode.
    #[serde(default = "sections::default_basic")]
    pub basic: ListenerSection,
    /// Listener for health and metrics.
    #[serde(default)]
    pub status: StatusSection,
    /// Proxies.
    #[serde(default)]
    pub proxy: ProxySection,
    /// Limits of the public listeners.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Certificates and keys.
    #[serde(default)]
    pub tls: TlsSection,
    /// The store.
    #[serde(default)]
    pub store: StoreSection,
    /// What belongs to one store alone.
    #[serde(flatten)]
    pub backends: BackendSections,
    /// The register of callers and users.
    #[serde(default)]
    pub register: RegisterSection,
    /// Load that is taken on.
    #[serde(default)]
    pub admission: AdmissionSection,
    /// Passwords and pincodes.
    #[serde(default)]
    pub authentication: AuthenticationSection,
    /// The services of the call centres.
    #[serde(default)]
    pub call_center: CallCenterSection,
    /// The codes of the ASL.
    #[serde(default)]
    pub asl: AslSection,
    /// The Immuni backend.
    #[serde(default)]
    pub immuni: ImmuniSection,
    /// The socket of the commands.
    #[serde(default)]
    pub control: ControlSection,
    /// The operational log.
    #[serde(default)]
    pub logging: LoggingSection,
}

impl Default for Configuration {
    /// The defaults as they are written, paths unresolved.
    fn default() -> Self {
        Configuration {
            mutual_tls: sections::default_mutual_tls(),
            basic: sections::default_basic(),
            status: StatusSection::default(),
            proxy: ProxySection::default(),
            limits: LimitsSection::default(),
            tls: TlsSection::default(),
            store: StoreSection::default(),
            backends: BackendSections::default(),
            register: RegisterSection::default(),
            admission: AdmissionSection::default(),
            authentication: AuthenticationSection::default(),
            call_center: CallCenterSection::default(),
            asl: AslSection::default(),
            immuni: ImmuniSection::default(),
            control: ControlSection::default(),
            logging: LoggingSection::default(),
        }
    }
}
