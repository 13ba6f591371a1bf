//! The register under test, and short ways to say what is registered there.

use std::ops::Deref;
use std::sync::Arc;

use sistema_ts_model::{
    AslId, Caller, CodiceFiscale, RegionCode, Service, StructureDescription, StructureId, Timestamp,
};

use super::factory::RegisterFactory;
use crate::conformance::names::Names;
use crate::conformance::start;
use crate::register::{
    Act, Actor, CertificateHolder, Fingerprint, NewUser, NoJournal, Profiles, Register,
    RegisterChange, RegisterError, RegisterJournal, RegisterSnapshot, UserId, Workplace,
};
use crate::samples;

/// The place of one check. It gives names as [`Names`] does.
pub struct RegisterWorld {
    factory: Box<dyn RegisterFactory>,
}

impl Deref for RegisterWorld {
    type Target = Names;

    fn deref(&self) -> &Names {
        self.factory.names()
    }
}

impl RegisterWorld {
    pub fn over(factory: impl RegisterFactory + 'static) -> Self {
        Self {
            factory: Box::new(factory),
        }
    }

    /// Opens it as a command does.
    pub async fn open(&self) -> Arc<dyn Register> {
        self.open_with(Arc::new(NoJournal)).await
    }

    pub async fn open_with(&self, journal: Arc<dyn RegisterJournal>) -> Arc<dyn Register> {
        self.factory.open(journal).await
    }

    /// Opens it as a server does.
    pub async fn open_watching(&self) -> Arc<dyn Register> {
        self.factory.open_watching().await
    }

    /// What is registered, as whoever made the changes shows it and as one who comes afterwards does.
    pub async fn everywhere(&self, register: &dyn Register) -> [Arc<RegisterSnapshot>; 2] {
        [register.snapshot(), self.open().await.snapshot()]
    }

    /// A registered region.
    pub async fn registered_region(&self, register: &dyn Register) -> RegionCode {
        let region = self.region();
        make(register, [add_caller(Caller::Region(region))]).await;
        region
    }

    /// A registered call centre.
    pub async fn registered_call_center(&self, register: &dyn Register) -> Caller {
        let caller = self.call_center();
        make(register, [add_caller(caller)]).await;
        caller
    }

    /// A registered structure of a region, which need not be registered itself.
    pub async fn registered_structure(
        &self,
        register: &dyn Register,
        region: RegionCode,
    ) -> StructureId {
        let id = self.structure_of(region);
        make(register, [add_structure(id)]).await;
        id
    }

    /// A user of a structure that may submit, of a person of its own.
    pub fn new_user(&self, structure: StructureId) -> NewUser {
        NewUser {
            fiscal_code: self.person(),
            ..samples::new_user(self.user(), structure)
        }
    }

    /// A user of an ASL.
    pub fn new_user_of(&self, asl: AslId) -> NewUser {
        NewUser {
            workplace: Workplace::Asl(asl),
            profiles: only(Service::AslOtp),
            ..self.new_user(self.structure_of(asl.region))
        }
    }
}

pub fn now() -> Timestamp {
    start()
}

pub fn act() -> Act {
    Act {
        by: Actor::Command {
            user: 0,
            login: None,
        },
        at: now(),
    }
}

pub fn description() -> StructureDescription {
    StructureDescription::parse("Ospedale di prova").unwrap()
}

pub fn only(service: Service) -> Profiles {
    Profiles::NONE.with(service)
}

/// Makes changes one after another, all of which must be allowed.
pub async fn make(register: &dyn Register, changes: impl IntoIterator<Item = RegisterChange>) {
    for change in changes {
        let text = change.kind();
        let made = register.change(change, act()).await;
        made.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Why a change is refused.
pub async fn refusal(register: &dyn Register, change: RegisterChange) -> RegisterError {
    let kind = change.kind();
    match register.change(change, act()).await {
        Err(error) => error,
        Ok(()) => panic!("{kind} was not refused"),
    }
}

pub fn add_caller(caller: Caller) -> RegisterChange {
    let name = "Prova".to_owned();
    RegisterChange::AddCaller { caller, name }
}

pub fn add_structure(id: StructureId) -> RegisterChange {
    let description = description();
    RegisterChange::AddStructure { id, description }
}

pub fn add_certificate(holder: CertificateHolder, fingerprint: Fingerprint) -> RegisterChange {
    RegisterChange::AddCertificate {
        holder,
        fingerprint,
        not_after: now(),
    }
}

pub fn remove_certificate(holder: CertificateHolder, fingerprint: Fingerprint) -> RegisterChange {
    RegisterChange::RemoveCertificate {
        holder,
        fingerprint,
    }
}

pub fn add_operator(
    caller: Caller,
    fiscal_code: CodiceFiscale,
    profiles: Profiles,
) -> RegisterChange {
    RegisterChange::AddOperator {
        caller,
        fiscal_code,
        profiles,
    }
}

pub fn set_operator_profiles(
    caller: Caller,
    fiscal_code: CodiceFiscale,
    profiles: Profiles,
) -> RegisterChange {
    RegisterChange::SetOperatorProfiles {
        caller,
        fiscal_code,
        profiles,
    }
}

pub fn disable_operator(caller: Caller, fiscal_code: CodiceFiscale) -> RegisterChange {
    RegisterChange::SetOperatorEnabled {
        caller,
        fiscal_code,
        enabled: false,
    }
}

pub fn remove_operator(caller: Caller, fiscal_code: CodiceFiscale) -> RegisterChange {
    RegisterChange::RemoveOperator {
        caller,
        fiscal_code,
    }
}

pub fn add_user(user: &NewUser) -> RegisterChange {
    RegisterChange::AddUser(user.clone())
}

pub fn set_user_enabled(user: &UserId, enabled: bool) -> RegisterChange {
    let user = user.clone();
    RegisterChange::SetUserEnabled { user, enabled }
}

pub fn set_user_profiles(user: &UserId, profiles: Profiles) -> RegisterChange {
    let user = user.clone();
    RegisterChange::SetUserProfiles { user, profiles }
}
