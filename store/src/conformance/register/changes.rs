//! What is renamed and removed, users of an ASL, administrators of callers, and the journal. A failure means that somebody who was removed still
//! gets in, that something goes which is still needed, or that a change is made that no journal has heard of.

use std::sync::{Arc, Mutex};

use sistema_ts_model::{Caller, Service, StructureDescription};

use super::RegisterWorld;
use super::world::{
    add_caller, add_certificate, add_operator, add_structure, add_user, make, only, refusal,
    remove_certificate, remove_operator, set_user_profiles,
};
use crate::register::{
    Act, AdministratorId, CertificateHolder, NewUser, Profiles, Register, RegisterChange,
    RegisterError, RegisterJournal, Workplace,
};

fn is_missing(refusal: &RegisterError) -> bool {
    matches!(refusal, RegisterError::Missing(_))
}

fn administrator_of(world: &RegisterWorld, caller: Caller) -> AdministratorId {
    let name = world.user();
    AdministratorId { caller, name }
}

pub async fn a_user_of_an_asl_has_no_structure_and_one_service(world: RegisterWorld) {
    let register = world.open().await;
    let asl = world.asl_of(world.region());
    let user = world.new_user_of(asl);
    make(&*register, [add_user(&user)]).await;
    for snapshot in world.everywhere(&*register).await {
        let entry = snapshot.user(user.id.as_str()).unwrap();
        assert_eq!(entry.workplace, Workplace::Asl(asl));
        assert_eq!(entry.fiscal_code, user.fiscal_code);
    }
    let submission = only(Service::Submission);
    let wrong = NewUser {
        profiles: submission,
        ..world.new_user_of(asl)
    };
    for change in [add_user(&wrong), set_user_profiles(&user.id, submission)] {
        let refused = refusal(&*register, change).await;
        assert!(
            matches!(refused, RegisterError::ProfileRefused(_)),
            "{refused:?}"
        );
    }
}

pub async fn what_is_renamed_keeps_everything_else(world: RegisterWorld) {
    let register = world.open().await;
    let region = world.registered_region(&*register).await;
    let caller = Caller::Region(region);
    let id = world.registered_structure(&*register, region).await;
    let certify = add_certificate(CertificateHolder::Caller(caller), world.fingerprint());
    let description = StructureDescription::parse("Ospedale nuovo").unwrap();
    let name = "Regione di altro nome";
    make(
        &*register,
        [
            certify,
            RegisterChange::SetStructureEnabled { id, enabled: false },
            RegisterChange::RenameStructure {
                id,
                description: description.clone(),
            },
            RegisterChange::RenameCaller {
                caller,
                name: name.to_owned(),
            },
        ],
    )
    .await;
    for snapshot in world.everywhere(&*register).await {
        let entry = snapshot.caller(&caller).unwrap();
        assert_eq!((&*entry.name, entry.certificates.len()), (name, 1));
        let entry = snapshot.structure(&id).unwrap();
        assert_eq!((&entry.description, entry.enabled), (&description, false));
    }
    let unknown = RegisterChange::RenameCaller {
        caller: world.call_center(),
        name: name.to_owned(),
    };
    assert!(is_missing(&refusal(&*register, unknown).await));
}

pub async fn a_caller_goes_when_nothing_needs_it_any_more_and_not_before(world: RegisterWorld) {
    let register = world.open().await;
    let caller = Caller::Region(world.registered_region(&*register).await);
    let holder = CertificateHolder::Caller(caller);
    let (one, two, person) = (world.fingerprint(), world.fingerprint(), world.person());
    let administrator = administrator_of(&world, caller);
    make(
        &*register,
        [
            add_certificate(holder.clone(), one),
            add_certificate(holder.clone(), two),
            add_operator(caller, person.clone(), Profiles::NONE),
            RegisterChange::AddAdministrator {
                administrator: administrator.clone(),
            },
        ],
    )
    .await;
    let remove = || RegisterChange::RemoveCaller { caller };
    let in_use = refusal(&*register, remove()).await.to_string();
    assert!(
        in_use.ends_with("(certificates: 2, operators: 1, administrators: 1)"),
        "{in_use}"
    );
    for change in [
        remove_certificate(holder.clone(), one),
        RegisterChange::RemoveAdministrator { administrator },
        remove_operator(caller, person),
        remove_certificate(holder, two),
    ] {
        let refused = refusal(&*register, remove()).await;
        assert!(
            matches!(refused, RegisterError::InUse { .. }),
            "{refused:?}"
        );
        make(&*register, [change]).await;
    }
    make(&*register, [remove()]).await;
    for snapshot in world.everywhere(&*register).await {
        assert!(snapshot.caller(&caller).is_none());
    }
    assert!(is_missing(&refusal(&*register, remove()).await));
    // A region that comes back has nothing of what it had.
    make(&*register, [add_caller(caller)]).await;
    let snapshot = register.snapshot();
    assert!(snapshot.caller(&caller).unwrap().certificates.is_empty());
}

pub async fn a_user_and_then_the_structure_go_for_every_server(world: RegisterWorld) {
    let (register, server) = (world.open().await, world.open().await);
    let region = world.region();
    let id = world.registered_structure(&*register, region).await;
    let (user, of_asl) = (world.new_user(id), world.new_user_of(world.asl_of(region)));
    make(&*register, [add_user(&user), add_user(&of_asl)]).await;
    server.refresh().await.unwrap();
    let first_version = server.snapshot().user(user.id.as_str()).unwrap().version;
    let remove_structure = || RegisterChange::RemoveStructure { id };
    let in_use = refusal(&*register, remove_structure()).await.to_string();
    assert!(in_use.ends_with("(users: 1)"), "{in_use}");
    let remove_user = || RegisterChange::RemoveUser {
        user: user.id.clone(),
    };
    make(&*register, [remove_user()]).await;
    assert!(is_missing(&refusal(&*register, remove_user()).await));
    server.refresh().await.unwrap();
    assert!(server.snapshot().user(user.id.as_str()).is_none());
    make(&*register, [remove_structure()]).await;
    server.refresh().await.unwrap();
    for snapshot in [server.snapshot(), world.open().await.snapshot()] {
        assert!(snapshot.structure(&id).is_none());
        assert!(snapshot.user(of_asl.id.as_str()).is_some());
    }
    // One who comes back is another: what was remembered of the first does not count.
    make(&*register, [add_structure(id), add_user(&user)]).await;
    server.refresh().await.unwrap();
    let again = server.snapshot().user(user.id.as_str()).unwrap().version;
    assert!(again > first_version);
}

pub async fn an_administrator_is_known_by_certificates_that_no_service_takes(world: RegisterWorld) {
    let register = world.open().await;
    let caller = Caller::Region(world.registered_region(&*register).await);
    let administrator = administrator_of(&world, caller);
    let holder = CertificateHolder::Administrator(administrator.clone());
    let (own, of_caller) = (world.fingerprint(), world.fingerprint());
    let certify = || add_certificate(holder.clone(), own);
    assert!(is_missing(&refusal(&*register, certify()).await));
    make(
        &*register,
        [
            RegisterChange::AddAdministrator {
                administrator: administrator.clone(),
            },
            certify(),
            add_certificate(CertificateHolder::Caller(caller), of_caller),
            RegisterChange::SetAdministratorEnabled {
                administrator: administrator.clone(),
                enabled: false,
            },
        ],
    )
    .await;
    for snapshot in world.everywhere(&*register).await {
        let found = snapshot.administrator_of_certificate(&own).unwrap();
        assert_eq!((&found.id, found.enabled), (&administrator, false));
        assert!(snapshot.caller_of_certificate(&own).is_none());
        assert!(snapshot.administrator_of_certificate(&of_caller).is_none());
        assert_eq!(snapshot.administrators(&caller).len(), 1);
    }
    // A certificate has one holder, of whichever kind.
    for (holder, fingerprint) in [
        (holder.clone(), of_caller),
        (CertificateHolder::Caller(caller), own),
        (holder.clone(), own),
    ] {
        let refused = refusal(&*register, add_certificate(holder, fingerprint)).await;
        assert!(
            matches!(refused, RegisterError::CertificateInUse(_)),
            "{refused:?}"
        );
    }
    make(
        &*register,
        [RegisterChange::RemoveAdministrator {
            administrator: administrator.clone(),
        }],
    )
    .await;
    for snapshot in world.everywhere(&*register).await {
        assert!(snapshot.administrator_of_certificate(&own).is_none());
        assert!(snapshot.administrators(&caller).is_empty());
    }
    let administrator = administrator_of(&world, Caller::Immuni);
    let add = RegisterChange::AddAdministrator { administrator };
    let refused = refusal(&*register, add).await;
    assert!(
        matches!(refused, RegisterError::AdministratorRefused(_)),
        "{refused:?}"
    );
}

/// A journal that remembers what it heard, and whether somebody else saw the caller when it did.
struct Heard {
    other: Arc<dyn Register>,
    caller: Caller,
    runtime: tokio::runtime::Handle,
    refuses: bool,
    lines: Mutex<Vec<String>>,
}

impl Heard {
    async fn new(world: &RegisterWorld, caller: Caller, refuses: bool) -> Arc<Heard> {
        Arc::new(Heard {
            other: world.open().await,
            caller,
            runtime: tokio::runtime::Handle::current(),
            refuses,
            lines: Mutex::default(),
        })
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn hear(&self, what: &str, change: &RegisterChange, act: &Act) {
        self.runtime.block_on(self.other.refresh()).unwrap();
        let seen = self.other.snapshot().caller(&self.caller).is_some();
        let (kind, at) = (change.kind(), act.at.millis());
        let line = format!("{what} {kind} {at} seen: {seen}");
        self.lines.lock().unwrap().push(line);
    }
}

impl RegisterJournal for Heard {
    fn begin(&self, change: &RegisterChange, act: &Act) -> Result<(), RegisterError> {
        self.hear("begin", change, act);
        match self.refuses {
            true => Err(RegisterError::NotNoted("the journal is full".to_owned())),
            false => Ok(()),
        }
    }

    fn end(&self, change: &RegisterChange, act: &Act, outcome: Result<(), &RegisterError>) {
        self.hear(&format!("end {}", outcome.is_ok()), change, act);
    }
}

pub async fn the_journal_hears_of_a_change_before_anybody_sees_it_and_of_its_end(
    world: RegisterWorld,
) {
    let caller = world.call_center();
    let journal = Heard::new(&world, caller, false).await;
    let register = world.open_with(journal.clone()).await;
    make(&*register, [add_caller(caller)]).await;
    let at = super::world::now().millis();
    assert_eq!(
        journal.lines(),
        [
            format!("begin add_caller {at} seen: false"),
            format!("end true add_caller {at} seen: true")
        ]
    );
    // What the rules refuse is no change.
    let again = refusal(&*register, add_caller(caller)).await;
    assert!(matches!(again, RegisterError::Exists(_)), "{again:?}");
    assert!(journal.lines().is_empty());
}

pub async fn what_the_journal_does_not_take_is_not_made(world: RegisterWorld) {
    let caller = world.call_center();
    let journal = Heard::new(&world, caller, true).await;
    let register = world.open_with(journal.clone()).await;
    let refused = refusal(&*register, add_caller(caller)).await;
    assert!(matches!(refused, RegisterError::NotNoted(_)), "{refused:?}");
    let at = super::world::now().millis();
    assert_eq!(
        journal.lines(),
        [format!("begin add_caller {at} seen: false")]
    );
    // Nothing is left open that would keep the next from writing.
    make(&*world.open().await, [add_caller(caller)]).await;
    assert!(world.open().await.snapshot().caller(&caller).is_some());
}
