//! A change of the register as data: what somebody wants to be different, who that is, and the journal that hears of it.

use std::net::IpAddr;

use ipnet::IpNet;
use sistema_ts_model::{Caller, CodiceFiscale, StructureDescription, StructureId, Timestamp};

use super::rules::{
    administrator_name, caller_name, certificate_name, network_name, operator_name, structure_name,
    user_name,
};
use super::{
    AdministratorId, CertificateHolder, CredentialHash, Fingerprint, NewUser, Profiles,
    RegisterError, UserId,
};

/// What somebody wants to be different in a register. Whether it may be, the [rules](super::rules) say within the change.
#[derive(Clone, Debug)]
pub enum RegisterChange {
    /// Registers a caller that proves itself by certificate, enabled and without certificates yet.
    AddCaller {
        /// Who.
        caller: Caller,
        /// Its name, for people.
        name: String,
    },
    /// Gives such a caller another name.
    RenameCaller {
        /// Who.
        caller: Caller,
        /// Its name from now on.
        name: String,
    },
    /// Enables or disables such a caller.
    SetCallerEnabled {
        /// Who.
        caller: Caller,
        /// Whether it may call.
        enabled: bool,
    },
    /// Removes such a caller. Refused while it has certificates, networks, operators or administrators.
    RemoveCaller {
        /// Who.
        caller: Caller,
    },
    /// Adds a certificate to a holder. Several are valid at once, as a renewal needs; each has one holder.
    AddCertificate {
        /// Whom the certificate proves.
        holder: CertificateHolder,
        /// The certificate.
        fingerprint: Fingerprint,
        /// The end of its validity, as it says itself.
        not_after: Timestamp,
    },
    /// Removes a certificate from a holder.
    RemoveCertificate {
        /// Whom it proved.
        holder: CertificateHolder,
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// Adds a network from which a call centre calls, in its [`canonical_network`](super::canonical_network) form.
    AddNetwork {
        /// The call centre.
        caller: Caller,
        /// The network.
        network: IpNet,
    },
    /// Removes a network from a call centre.
    RemoveNetwork {
        /// The call centre.
        caller: Caller,
        /// The network.
        network: IpNet,
    },
    /// Registers an operator of a region or a call centre, enabled (§2.4.3, §3.3, §5.2).
    AddOperator {
        /// Whose operator.
        caller: Caller,
        /// Who.
        fiscal_code: CodiceFiscale,
        /// The services that the operator may ask for.
        profiles: Profiles,
    },
    /// Enables or disables an operator.
    SetOperatorEnabled {
        /// Whose operator.
        caller: Caller,
        /// Who.
        fiscal_code: CodiceFiscale,
        /// Whether the operator may ask for any service.
        enabled: bool,
    },
    /// Replaces the services that an operator may ask for.
    SetOperatorProfiles {
        /// Whose operator.
        caller: Caller,
        /// Who.
        fiscal_code: CodiceFiscale,
        /// The services.
        profiles: Profiles,
    },
    /// Removes an operator, with all that the register knows of the person; access records keep theirs (§3.4, §5.2).
    RemoveOperator {
        /// Whose operator.
        caller: Caller,
        /// Who.
        fiscal_code: CodiceFiscale,
    },
    /// Registers an administrator of a region or a call centre, enabled and without certificates yet (§3.3).
    AddAdministrator {
        /// Who, and whose.
        administrator: AdministratorId,
    },
    /// Enables or disables an administrator of a caller.
    SetAdministratorEnabled {
        /// Who, and whose.
        administrator: AdministratorId,
        /// Whether the administrator may do anything.
        enabled: bool,
    },
    /// Removes an administrator of a caller, certificates included.
    RemoveAdministrator {
        /// Who, and whose.
        administrator: AdministratorId,
    },
    /// Registers a structure, enabled.
    AddStructure {
        /// Which.
        id: StructureId,
        /// Its name, for people.
        description: StructureDescription,
    },
    /// Gives a structure another name.
    RenameStructure {
        /// Which.
        id: StructureId,
        /// Its name from now on.
        description: StructureDescription,
    },
    /// Enables or disables a structure, and with it all its users.
    SetStructureEnabled {
        /// Which.
        id: StructureId,
        /// Whether its tests are taken, and its users may call.
        enabled: bool,
    },
    /// Removes a structure. Refused while it has users.
    RemoveStructure {
        /// Which.
        id: StructureId,
    },
    /// Registers a user of a registered structure, or of an ASL, enabled.
    AddUser(NewUser),
    /// Enables or disables a user.
    SetUserEnabled {
        /// Who.
        user: UserId,
        /// Whether the user may call.
        enabled: bool,
    },
    /// Gives a user new credentials and a new end of validity.
    SetUserCredential {
        /// Who.
        user: UserId,
        /// Hash of password and pincode.
        credential: CredentialHash,
        /// The end of both; `None` is never.
        expires_at: Option<Timestamp>,
    },
    /// Sets the end of a user's credentials.
    SetUserExpiry {
        /// Who.
        user: UserId,
        /// The end; `None` is never.
        expires_at: Option<Timestamp>,
    },
    /// Replaces the services that a user may call.
    SetUserProfiles {
        /// Who.
        user: UserId,
        /// The services.
        profiles: Profiles,
    },
    /// Removes a user, with all that the register knows of the person; access records keep theirs (§2.5, §5.2).
    RemoveUser {
        /// Who.
        user: UserId,
    },
}

impl RegisterChange {
    /// What kind of change this is, in journals and logs: a name that never changes between versions.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            RegisterChange::AddCaller { .. } => "add_caller",
            RegisterChange::RenameCaller { .. } => "rename_caller",
            RegisterChange::SetCallerEnabled { enabled: true, .. } => "enable_caller",
            RegisterChange::SetCallerEnabled { .. } => "disable_caller",
            RegisterChange::RemoveCaller { .. } => "remove_caller",
            RegisterChange::AddCertificate { .. } => "add_certificate",
            RegisterChange::RemoveCertificate { .. } => "remove_certificate",
            RegisterChange::AddNetwork { .. } => "add_network",
            RegisterChange::RemoveNetwork { .. } => "remove_network",
            RegisterChange::AddOperator { .. } => "add_operator",
            RegisterChange::SetOperatorEnabled { enabled: true, .. } => "enable_operator",
            RegisterChange::SetOperatorEnabled { .. } => "disable_operator",
            RegisterChange::SetOperatorProfiles { .. } => "set_operator_profiles",
            RegisterChange::RemoveOperator { .. } => "remove_operator",
            RegisterChange::AddAdministrator { .. } => "add_administrator",
            RegisterChange::SetAdministratorEnabled { enabled: true, .. } => "enable_administrator",
            RegisterChange::SetAdministratorEnabled { .. } => "disable_administrator",
            RegisterChange::RemoveAdministrator { .. } => "remove_administrator",
            RegisterChange::AddStructure { .. } => "add_structure",
            RegisterChange::RenameStructure { .. } => "rename_structure",
            RegisterChange::SetStructureEnabled { enabled: true, .. } => "enable_structure",
            RegisterChange::SetStructureEnabled { .. } => "disable_structure",
            RegisterChange::RemoveStructure { .. } => "remove_structure",
            RegisterChange::AddUser(_) => "add_user",
            RegisterChange::SetUserEnabled { enabled: true, .. } => "enable_user",
            RegisterChange::SetUserEnabled { .. } => "disable_user",
            RegisterChange::SetUserCredential { .. } => "set_user_credential",
            RegisterChange::SetUserExpiry { .. } => "set_user_expiry",
            RegisterChange::SetUserProfiles { .. } => "set_user_profiles",
            RegisterChange::RemoveUser { .. } => "remove_user",
        }
    }

    /// What is changed, as errors name it: who an operator is stays untold.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            RegisterChange::AddCaller { caller, .. }
            | RegisterChange::RenameCaller { caller, .. }
            | RegisterChange::SetCallerEnabled { caller, .. }
            | RegisterChange::RemoveCaller { caller } => caller_name(*caller),
            RegisterChange::AddCertificate { holder, .. }
            | RegisterChange::RemoveCertificate { holder, .. } => certificate_name(holder),
            RegisterChange::AddNetwork { caller, network }
            | RegisterChange::RemoveNetwork { caller, network } => network_name(*caller, *network),
            RegisterChange::AddOperator { caller, .. }
            | RegisterChange::SetOperatorEnabled { caller, .. }
            | RegisterChange::SetOperatorProfiles { caller, .. }
            | RegisterChange::RemoveOperator { caller, .. } => operator_name(*caller),
            RegisterChange::AddAdministrator { administrator }
            | RegisterChange::SetAdministratorEnabled { administrator, .. }
            | RegisterChange::RemoveAdministrator { administrator } => {
                administrator_name(administrator)
            }
            RegisterChange::AddStructure { id, .. }
            | RegisterChange::RenameStructure { id, .. }
            | RegisterChange::SetStructureEnabled { id, .. }
            | RegisterChange::RemoveStructure { id } => structure_name(*id),
            RegisterChange::AddUser(user) => user_name(&user.id),
            RegisterChange::SetUserEnabled { user, .. }
            | RegisterChange::SetUserCredential { user, .. }
            | RegisterChange::SetUserExpiry { user, .. }
            | RegisterChange::SetUserProfiles { user, .. }
            | RegisterChange::RemoveUser { user } => user_name(user),
        }
    }
}

/// By whom and when a register is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// By whom.
    pub by: Actor,
    /// When, by the clock of whoever changes it.
    pub at: Timestamp,
}

/// Who changes a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the machine, by a command.
    Command {
        /// The number of the system's user that the command runs as.
        user: u32,
        /// The number of the user who has signed in, before any change of user, if the system keeps it (the audit login).
        login: Option<u32>,
    },
    /// An administrator of a caller (§3.3).
    Administrator {
        /// Who, and whose.
        administrator: AdministratorId,
        /// The certificate that proved it.
        certificate: Fingerprint,
        /// Where the connection came from.
        source: IpAddr,
    },
}

/// What hears of every change of a register: the administrators' journal (§6.8), or what stands in for one.
///
/// A store keeps two promises to it. Nothing of a change is durable, and nobody sees anything of it, before [`RegisterJournal::begin`] has
/// returned: there is no change that the journal has not heard of. And [`RegisterJournal::end`] follows each `begin` that returned `Ok`, once it is
/// known how the change ended. A process that dies in between leaves a `begin` alone: then the change was made or was not, as the register shows.
/// What the rules refuse is no change, and neither is called.
///
/// Both are called on a thread that may be blocked, for as long as a write to a file of this machine takes; while they are, no other change of
/// this register is made by this process.
pub trait RegisterJournal: Send + Sync {
    /// Notes a change that is about to be made.
    ///
    /// # Errors
    /// Why it could not be noted. Then the change is not made, and this is what whoever wanted it is told.
    fn begin(&self, change: &RegisterChange, act: &Act) -> Result<(), RegisterError>;

    /// Notes how a change that was begun has ended.
    fn end(&self, change: &RegisterChange, act: &Act, outcome: Result<(), &RegisterError>);
}

/// Keeps no journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl RegisterJournal for NoJournal {
    fn begin(&self, _: &RegisterChange, _: &Act) -> Result<(), RegisterError> {
        Ok(())
    }

    fn end(&self, _: &RegisterChange, _: &Act, _: Result<(), &RegisterError>) {}
}
