//! Callers, certificates, structures and users. A failure means that a disabled caller stays in, a change is lost between two processes, or what
//! is refused leaves a trace.

use std::sync::Arc;

use sistema_ts_model::{Caller, Service};

use super::RegisterWorld;
use super::world::{
    act, add_caller, add_certificate, add_structure, add_user, description, make, now, refusal,
    remove_certificate, set_user_enabled,
};
use crate::conformance::world::eventually;
use crate::register::{CertificateHolder, CredentialHash, RegisterChange, Workplace};

pub async fn what_was_registered_is_found_after_reopening(world: RegisterWorld) {
    let fingerprint = world.fingerprint();
    let (region, structure, new_user) = {
        let register = world.open().await;
        let region = world.registered_region(&*register).await;
        let holder = CertificateHolder::Caller(Caller::Region(region));
        make(&*register, [add_certificate(holder, fingerprint)]).await;
        let structure = world.registered_structure(&*register, region).await;
        let new_user = world.new_user(structure);
        make(&*register, [add_user(&new_user)]).await;
        assert!(
            register.snapshot().user(new_user.id.as_str()).is_some(),
            "its own change is in the snapshot at once"
        );
        (region, structure, new_user)
    };
    let snapshot = world.open().await.snapshot();
    let caller = snapshot.caller_of_certificate(&fingerprint).unwrap();
    assert_eq!(
        (caller.caller, caller.enabled),
        (Caller::Region(region), true)
    );
    let entry = snapshot.structure(&structure).unwrap();
    assert!(entry.enabled);
    assert_eq!(entry.description, description());
    let user = snapshot.user(new_user.id.as_str()).unwrap();
    assert_eq!(user.fiscal_code, new_user.fiscal_code);
    assert_eq!(user.workplace, Workplace::Structure(structure));
    assert!(user.credential == new_user.credential);
    assert_eq!(user.profiles, new_user.profiles);
    assert!(user.enabled && !user.profiles.contains(Service::Listing));
}

pub async fn a_running_server_sees_what_another_process_changes(world: RegisterWorld) {
    let server = world.open_watching().await;
    let command = world.open().await;
    let (one, two) = (world.fingerprint(), world.fingerprint());
    let region = world.registered_region(&*command).await;
    let caller = Caller::Region(region);
    let holder = CertificateHolder::Caller(caller);
    let add = [one, two].map(|fingerprint| add_certificate(holder.clone(), fingerprint));
    make(&*command, add).await;
    eventually("both certificates", async || {
        let snapshot = server.snapshot();
        [one, two]
            .iter()
            .all(|fingerprint| snapshot.caller_of_certificate(fingerprint).is_some())
    })
    .await;
    make(&*command, [remove_certificate(holder, one)]).await;
    eventually("one certificate gone", async || {
        server.snapshot().caller_of_certificate(&one).is_none()
    })
    .await;
    let enabled = false;
    make(
        &*command,
        [RegisterChange::SetCallerEnabled { caller, enabled }],
    )
    .await;
    eventually("the region disabled", async || {
        !server
            .snapshot()
            .caller_of_certificate(&two)
            .unwrap()
            .enabled
    })
    .await;
    let id = world.registered_structure(&*command, region).await;
    let user = world.new_user(id);
    make(&*command, [add_user(&user)]).await;
    eventually("the user", async || {
        server.snapshot().user(user.id.as_str()).is_some()
    })
    .await;
    make(&*command, [set_user_enabled(&user.id, false)]).await;
    eventually("the user disabled", async || {
        !server.snapshot().user(user.id.as_str()).unwrap().enabled
    })
    .await;
    make(
        &*command,
        [RegisterChange::SetStructureEnabled { id, enabled }],
    )
    .await;
    eventually("the structure disabled", async || {
        !server.snapshot().structure(&id).unwrap().enabled
    })
    .await;
}

pub async fn a_refresh_sees_another_process_without_polling(world: RegisterWorld) {
    let (server, command) = (world.open().await, world.open().await);
    let caller = Caller::Region(world.registered_region(&*command).await);
    assert!(server.snapshot().caller(&caller).is_none());
    server.refresh().await.unwrap();
    assert!(server.snapshot().caller(&caller).is_some());
    assert!(server.is_current() && server.is_in_place());
}

pub async fn a_changed_user_has_a_new_version_and_the_others_keep_theirs(world: RegisterWorld) {
    let register = world.open().await;
    let structure = world.registered_structure(&*register, world.region()).await;
    let (changed, other) = (world.new_user(structure), world.new_user(structure));
    make(&*register, [add_user(&changed), add_user(&other)]).await;
    let before = register.snapshot();
    let set = RegisterChange::SetUserCredential {
        user: changed.id.clone(),
        credential: CredentialHash::new("other"),
        expires_at: Some(now()),
    };
    make(&*register, [set]).await;
    let after = register.snapshot();
    let [old, new] = [&before, &after].map(|snapshot| snapshot.user(changed.id.as_str()).unwrap());
    assert!(new.version > old.version);
    assert!(new.credential == CredentialHash::new("other"));
    assert!(new.is_expired(now()));
    let [old, same] = [&before, &after].map(|snapshot| snapshot.user(other.id.as_str()).unwrap());
    assert_eq!(same.version, old.version);
    let set = RegisterChange::SetUserExpiry {
        user: changed.id.clone(),
        expires_at: None,
    };
    make(&*register, [set]).await;
    let snapshot = register.snapshot();
    let again = snapshot.user(changed.id.as_str()).unwrap();
    assert!(!again.is_expired(now()) && again.version > new.version);
}

pub async fn doubles_and_unknown_names_are_refused_by_name(world: RegisterWorld) {
    let register = world.open().await;
    let region = world.registered_region(&*register).await;
    let other = world.registered_region(&*register).await;
    let [holder, other_holder] =
        [region, other].map(|region| CertificateHolder::Caller(Caller::Region(region)));
    let fingerprint = world.fingerprint();
    make(&*register, [add_certificate(holder, fingerprint)]).await;
    let user = world.new_user(world.structure_of(region));
    let Workplace::Structure(structure) = user.workplace else {
        panic!("a user of a structure")
    };
    for (change, told) in [
        (
            add_caller(Caller::Region(region)),
            format!("region {region} is registered already"),
        ),
        (
            add_certificate(other_holder.clone(), fingerprint),
            format!("the certificate is registered already, for region {region}"),
        ),
        (
            remove_certificate(other_holder, fingerprint),
            format!("the certificate of region {other} is not registered"),
        ),
        (
            add_user(&user),
            format!("structure {structure} is not registered"),
        ),
        (
            set_user_enabled(&user.id, true),
            format!("user {} is not registered", user.id),
        ),
    ] {
        assert_eq!(refusal(&*register, change).await.to_string(), told);
    }
    make(&*register, [add_structure(structure), add_user(&user)]).await;
    let again = refusal(&*register, add_user(&user)).await;
    assert_eq!(
        again.to_string(),
        format!("user {} is registered already", user.id)
    );
}

pub async fn writes_of_two_processes_at_once_are_all_kept(world: RegisterWorld) {
    let region = world.region();
    let registers = [world.open_watching().await, world.open_watching().await];
    let mut added = Vec::new();
    let mut tasks = Vec::new();
    for index in 0..60 {
        let register = Arc::clone(&registers[index % 2]);
        let id = world.structure_of(region);
        added.push(id);
        tasks.push(tokio::spawn(async move {
            register.change(add_structure(id), act()).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for register in &registers {
        eventually("all structures in each snapshot", async || {
            let snapshot = register.snapshot();
            added.iter().all(|id| snapshot.structure(id).is_some())
        })
        .await;
    }
}
