//! Operators known by codice fiscale, and networks. A failure means that an operator or a network counts although it was not registered, does not
//! although it was, or that a fourth person may list.

use ipnet::IpNet;
use sistema_ts_model::{Caller, Service};

use super::RegisterWorld;
use super::world::{
    act, add_operator, add_user, disable_operator, make, only, refusal, remove_operator,
    set_operator_profiles, set_user_profiles,
};
use crate::register::{NewUser, Profiles, RegisterChange, RegisterError};

fn listing() -> Profiles {
    only(Service::Listing)
}

fn is_too_many(refusal: &RegisterError) -> bool {
    matches!(refusal, RegisterError::TooManyListingOperators(_))
}

pub async fn an_operator_is_found_at_its_own_caller_alone_also_after_reopening(
    world: RegisterWorld,
) {
    let register = world.open().await;
    let one = world.registered_call_center(&*register).await;
    let two = world.registered_call_center(&*register).await;
    let (person, nobody) = (world.person(), world.person());
    let add = || add_operator(one, person.clone(), Profiles::of_operators(&one));
    make(&*register, [add()]).await;
    let again = refusal(&*register, add()).await;
    assert!(matches!(again, RegisterError::Exists(_)), "{again:?}");
    let verification = only(Service::Verification);
    make(
        &*register,
        [
            set_operator_profiles(one, person.clone(), verification),
            disable_operator(one, person.clone()),
        ],
    )
    .await;
    let unknown = refusal(&*register, disable_operator(two, person.clone())).await;
    assert!(matches!(unknown, RegisterError::Missing(_)), "{unknown:?}");

    drop(register);
    let snapshot = world.open().await.snapshot();
    let entry = snapshot.operator(&one, &person).unwrap();
    assert_eq!(entry.profiles, verification);
    assert!(!entry.enabled);
    assert!(snapshot.operator(&two, &person).is_none());
    assert!(snapshot.operator(&one, &nobody).is_none());
    assert_eq!(snapshot.operators(&one).len(), 1);
}

pub async fn a_change_of_one_operator_reaches_a_snapshot_taken_later_and_no_earlier_one(
    world: RegisterWorld,
) {
    let register = world.open().await;
    let caller = world.registered_call_center(&*register).await;
    let (first, second) = (world.person(), world.person());
    let add = |person: &_| {
        add_operator(
            caller,
            Clone::clone(person),
            Profiles::of_operators(&caller),
        )
    };
    make(&*register, [add(&first)]).await;
    let earlier = register.snapshot();
    make(
        &*register,
        [disable_operator(caller, first.clone()), add(&second)],
    )
    .await;
    assert!(earlier.operator(&caller, &first).unwrap().enabled);
    assert!(earlier.operator(&caller, &second).is_none());
    let later = register.snapshot();
    assert!(!later.operator(&caller, &first).unwrap().enabled);
    assert!(later.operator(&caller, &second).is_some());
}

pub async fn a_removed_operator_is_gone_from_later_snapshots(world: RegisterWorld) {
    let (register, elsewhere) = (world.open().await, world.open().await);
    let caller = world.registered_call_center(&*register).await;
    let (removed, other) = (world.person(), world.person());
    let all = Profiles::of_operators(&caller);
    let add = [&removed, &other].map(|person| add_operator(caller, person.clone(), all));
    make(&*register, add).await;
    elsewhere.refresh().await.unwrap();
    let earlier = elsewhere.snapshot();
    let remove = || remove_operator(caller, removed.clone());
    make(&*register, [remove()]).await;
    let unknown = refusal(&*register, remove()).await;
    assert!(matches!(unknown, RegisterError::Missing(_)), "{unknown:?}");

    elsewhere.refresh().await.unwrap();
    let reopened = world.open().await;
    for register in [&register, &elsewhere, &reopened] {
        let snapshot = register.snapshot();
        assert!(snapshot.operator(&caller, &removed).is_none());
        assert!(snapshot.operator(&caller, &other).is_some());
    }
    assert!(earlier.operator(&caller, &removed).is_some());

    // Registered again, with what is given then alone.
    let verification = only(Service::Verification);
    make(
        &*register,
        [add_operator(caller, removed.clone(), verification)],
    )
    .await;
    elsewhere.refresh().await.unwrap();
    let again = elsewhere.snapshot();
    assert_eq!(
        again.operator(&caller, &removed).unwrap().profiles,
        verification
    );
}

pub async fn removing_an_operator_makes_room_for_another_who_lists(world: RegisterWorld) {
    let register = world.open().await;
    let region = Caller::Region(world.registered_region(&*register).await);
    let people = [(); 4].map(|()| world.person());
    let add = |index: usize| add_operator(region, people[index].clone(), listing());
    make(&*register, [0, 1, 2].map(add)).await;
    assert!(is_too_many(&refusal(&*register, add(3)).await));
    let remove = remove_operator(region, people[1].clone());
    make(&*register, [remove, add(3)]).await;
}

pub async fn a_region_has_three_listing_operators_at_most_counted_as_people(world: RegisterWorld) {
    let register = world.open().await;
    let structure = world.registered_structure(&*register, world.region()).await;
    let user = |profiles| NewUser {
        profiles,
        ..world.new_user(structure)
    };
    let three = [(); 3].map(|()| user(listing()));
    make(&*register, three.each_ref().map(add_user)).await;
    // The same person under another user id is no fourth.
    let again = NewUser {
        fiscal_code: three[0].fiscal_code.clone(),
        ..user(listing())
    };
    let fourth = user(only(Service::Submission));
    make(&*register, [add_user(&again), add_user(&fourth)]).await;
    let set = || set_user_profiles(&fourth.id, listing());
    assert!(is_too_many(&refusal(&*register, set()).await));
    let fifth = user(listing());
    assert!(is_too_many(&refusal(&*register, add_user(&fifth)).await));
    let snapshot = register.snapshot();
    let unchanged = snapshot.user(fourth.id.as_str()).unwrap();
    assert_eq!(unchanged.profiles, fourth.profiles);
    assert!(snapshot.user(fifth.id.as_str()).is_none());
    let gives_up = set_user_profiles(&three[1].id, Profiles::NONE);
    make(&*register, [gives_up, set()]).await;
}

pub async fn three_people_of_a_region_may_list_be_they_users_or_operators(world: RegisterWorld) {
    let register = world.open().await;
    let region = world.registered_region(&*register).await;
    let structure = world.registered_structure(&*register, region).await;
    let caller = Caller::Region(region);
    let people = [(); 4].map(|()| world.person());
    let user = |index: usize| {
        add_user(&NewUser {
            profiles: listing(),
            fiscal_code: people[index].clone(),
            ..world.new_user(structure)
        })
    };
    let operator = |index: usize, profiles| add_operator(caller, people[index].clone(), profiles);
    make(&*register, [user(0)]).await;
    // The same person as an operator is no second one.
    make(
        &*register,
        [0, 1, 2].map(|index| operator(index, listing())),
    )
    .await;
    // Disabled, but it can be enabled without a check.
    make(&*register, [disable_operator(caller, people[2].clone())]).await;
    assert!(is_too_many(
        &refusal(&*register, operator(3, listing())).await
    ));
    assert!(is_too_many(&refusal(&*register, user(3)).await));
    make(&*register, [operator(3, only(Service::AslOtp))]).await;
    let set =
        |index: usize, profiles| set_operator_profiles(caller, people[index].clone(), profiles);
    assert!(is_too_many(&refusal(&*register, set(3, listing())).await));
    let snapshot = register.snapshot();
    let unchanged = snapshot.operator(&caller, &people[3]).unwrap();
    assert_eq!(unchanged.profiles, only(Service::AslOtp));
    make(&*register, [set(2, Profiles::NONE), set(3, listing())]).await;
}

pub async fn of_many_who_are_given_the_list_at_once_three_get_it(world: RegisterWorld) {
    const ADMINISTRATORS: usize = 8;
    let register = world.open().await;
    let region = Caller::Region(world.registered_region(&*register).await);
    let people = [(); ADMINISTRATORS].map(|()| world.person());
    let add = |person: &_| add_operator(region, Clone::clone(person), Profiles::NONE);
    make(&*register, people.each_ref().map(add)).await;
    // Each by a register of its own.
    let mut attempts = Vec::new();
    for person in people {
        let own = world.open().await;
        attempts.push(tokio::spawn(async move {
            let set = set_operator_profiles(region, person, listing());
            own.change(set, act()).await.is_ok()
        }));
    }
    let mut given = 0;
    for attempt in attempts {
        given += usize::from(attempt.await.unwrap());
    }
    register.refresh().await.unwrap();
    let holders = register.snapshot().operators(&region);
    let holders = holders
        .iter()
        .filter(|operator| operator.profiles.contains(Service::Listing));
    assert_eq!((given, holders.count()), (3, 3));
}

pub async fn a_profile_is_for_the_callers_that_have_its_service(world: RegisterWorld) {
    let register = world.open().await;
    let region = Caller::Region(world.registered_region(&*register).await);
    let call_center = world.registered_call_center(&*register).await;
    let person = world.person();
    for (caller, service) in [
        (region, Service::Verification),
        (region, Service::Submission),
        (call_center, Service::Listing),
    ] {
        let add = add_operator(caller, person.clone(), only(service));
        let refused = refusal(&*register, add).await;
        assert!(
            matches!(refused, RegisterError::ProfileRefused(_)),
            "{service}"
        );
    }
    let add = |caller| add_operator(caller, person.clone(), Profiles::NONE);
    make(&*register, [add(region)]).await;
    let unknown = refusal(&*register, add(world.call_center())).await;
    assert!(matches!(unknown, RegisterError::Missing(_)), "{unknown:?}");
}

pub async fn networks_are_a_call_centers_and_never_the_whole_world(world: RegisterWorld) {
    let register = world.open().await;
    let region = Caller::Region(world.registered_region(&*register).await);
    let call_center = world.registered_call_center(&*register).await;
    let network = |text: &str| text.parse::<IpNet>().unwrap();
    let add = |caller, text: &str| RegisterChange::AddNetwork {
        caller,
        network: network(text),
    };
    for (caller, text) in [
        (region, "192.0.2.0/24"),
        (call_center, "0.0.0.0/0"),
        (call_center, "::/0"),
        (call_center, "::ffff:0.0.0.0/96"),
    ] {
        let refused = refusal(&*register, add(caller, text)).await;
        assert!(matches!(refused, RegisterError::NetworkRefused), "{text}");
    }
    make(&*register, [add(call_center, "192.0.2.77/24")]).await;
    for same in ["192.0.2.0/24", "::ffff:192.0.2.0/120"] {
        let again = refusal(&*register, add(call_center, same)).await;
        assert!(matches!(again, RegisterError::Exists(_)), "{same}");
    }
    let networks = || register.snapshot().networks(&call_center).to_vec();
    assert_eq!(networks(), [network("192.0.2.0/24")]);
    let remove = || RegisterChange::RemoveNetwork {
        caller: call_center,
        network: network("192.0.2.0/24"),
    };
    make(&*register, [remove()]).await;
    assert!(networks().is_empty());
    let again = refusal(&*register, remove()).await;
    assert!(matches!(again, RegisterError::Missing(_)), "{again:?}");
}
