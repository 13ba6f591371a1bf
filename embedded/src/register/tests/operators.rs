//! A failure here means that an operator or a network counts although it was not registered, does not although it was, that a fourth person
//! may list, or that an operator's fiscal code lies readable in the file.

use ipnet::IpNet;
use sistema_ts_model::{CallCenterCode, Caller, CodiceFiscale, Service};
use sistema_ts_store::register::{NewUser, Profiles, Register, RegisterChange, RegisterError};

use super::super::EmbeddedRegister;
use super::{Place, act, add_region, make, new_user, region, with_structure};

const PEOPLE: [&str; 4] = [
    "RSSMRA80A01H501U",
    "VRDGPP62D15L219E",
    "BNCLRA75E41F205R",
    "NREFNC85C12D612C",
];

fn person(index: usize) -> CodiceFiscale {
    CodiceFiscale::parse(PEOPLE[index]).unwrap()
}

fn call_center(code: &str) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(code).unwrap())
}

async fn with_region(register: &EmbeddedRegister) {
    make(register, [add_region()]).await;
}

async fn with_call_center(register: &EmbeddedRegister, caller: Caller) {
    make(
        register,
        [RegisterChange::AddCaller {
            caller,
            name: "Call center".to_owned(),
        }],
    )
    .await;
}

fn add(caller: Caller, fiscal_code: CodiceFiscale, profiles: Profiles) -> RegisterChange {
    RegisterChange::AddOperator {
        caller,
        fiscal_code,
        profiles,
    }
}

fn set_profiles(caller: Caller, fiscal_code: CodiceFiscale, profiles: Profiles) -> RegisterChange {
    RegisterChange::SetOperatorProfiles {
        caller,
        fiscal_code,
        profiles,
    }
}

fn remove(caller: Caller, fiscal_code: CodiceFiscale) -> RegisterChange {
    RegisterChange::RemoveOperator {
        caller,
        fiscal_code,
    }
}

fn add_network(caller: Caller, network: IpNet) -> RegisterChange {
    RegisterChange::AddNetwork { caller, network }
}

fn remove_network(caller: Caller, network: IpNet) -> RegisterChange {
    RegisterChange::RemoveNetwork { caller, network }
}

fn listing() -> Profiles {
    only(Service::Listing)
}

/// Made-up person `index`, below ten.
fn somebody(index: usize) -> CodiceFiscale {
    ('A'..='Z')
        .find_map(|check| CodiceFiscale::parse(&format!("PRVTRZ80A0{}H501{check}", index + 1)).ok())
        .unwrap()
}

fn only(service: Service) -> Profiles {
    Profiles::NONE.with(service)
}

#[tokio::test]
async fn an_operator_is_found_at_its_own_caller_alone_also_after_reopening() {
    let place = Place::new();
    let register = place.open();
    let (one, two) = (call_center("cc1"), call_center("cc2"));
    for caller in [one, two] {
        with_call_center(&register, caller).await;
    }
    let all = Profiles::of_operators(&one);
    make(&register, [add(one, person(0), all)]).await;
    let again = register.change(add(one, person(0), all), act()).await;
    assert!(matches!(again, Err(RegisterError::Exists(_))));
    make(
        &register,
        [set_profiles(one, person(0), only(Service::Verification))],
    )
    .await;
    make(
        &register,
        [RegisterChange::SetOperatorEnabled {
            caller: one,
            fiscal_code: person(0),
            enabled: false,
        }],
    )
    .await;
    let unknown = register
        .change(
            RegisterChange::SetOperatorEnabled {
                caller: two,
                fiscal_code: person(0),
                enabled: true,
            },
            act(),
        )
        .await;
    assert!(matches!(unknown, Err(RegisterError::Missing(_))));

    drop(register);
    let snapshot = place.open().snapshot();
    let entry = snapshot.operator(&one, &person(0)).unwrap();
    assert_eq!(entry.profiles, only(Service::Verification));
    assert!(!entry.enabled);
    assert!(snapshot.operator(&two, &person(0)).is_none());
    assert!(snapshot.operator(&one, &person(1)).is_none());
    assert_eq!(snapshot.operators(&one).len(), 1);
}

#[tokio::test]
async fn a_change_of_one_operator_reaches_a_snapshot_taken_later_and_no_earlier_one() {
    let place = Place::new();
    let register = place.open();
    with_call_center(&register, call_center("cc1")).await;
    let all = Profiles::of_operators(&call_center("cc1"));
    make(&register, [add(call_center("cc1"), person(0), all)]).await;
    let earlier = register.snapshot();
    make(
        &register,
        [RegisterChange::SetOperatorEnabled {
            caller: call_center("cc1"),
            fiscal_code: person(0),
            enabled: false,
        }],
    )
    .await;
    make(&register, [add(call_center("cc1"), person(1), all)]).await;
    assert!(
        earlier
            .operator(&call_center("cc1"), &person(0))
            .unwrap()
            .enabled
    );
    assert!(earlier.operator(&call_center("cc1"), &person(1)).is_none());
    let later = register.snapshot();
    assert!(
        !later
            .operator(&call_center("cc1"), &person(0))
            .unwrap()
            .enabled
    );
    assert!(later.operator(&call_center("cc1"), &person(1)).is_some());
}

#[tokio::test]
async fn a_removed_operator_is_gone_from_later_snapshots_and_from_the_file() {
    let place = Place::new();
    let register = place.open();
    let elsewhere = place.open();
    let caller = call_center("cc1");
    with_call_center(&register, caller).await;
    let all = Profiles::of_operators(&caller);
    for index in [0, 1] {
        make(&register, [add(caller, person(index), all)]).await;
    }
    elsewhere.refresh().await.unwrap();
    let earlier = elsewhere.snapshot();
    make(&register, [remove(caller, person(0))]).await;
    let unknown = register.change(remove(caller, person(0)), act()).await;
    assert!(matches!(unknown, Err(RegisterError::Missing(_))));

    elsewhere.refresh().await.unwrap();
    for snapshot in [
        register.snapshot(),
        elsewhere.snapshot(),
        place.open().snapshot(),
    ] {
        assert!(snapshot.operator(&caller, &person(0)).is_none());
        assert!(snapshot.operator(&caller, &person(1)).is_some());
    }
    assert!(earlier.operator(&caller, &person(0)).is_some());
    let file = rusqlite::Connection::open(place.data().join("register.db")).unwrap();
    let rows: i64 = file
        .query_row("SELECT count(*) FROM operators", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);

    // Registered again, with what is given then alone.
    make(
        &register,
        [add(caller, person(0), only(Service::Verification))],
    )
    .await;
    elsewhere.refresh().await.unwrap();
    let again = elsewhere.snapshot();
    assert_eq!(
        again.operator(&caller, &person(0)).unwrap().profiles,
        only(Service::Verification)
    );
}

#[tokio::test]
async fn removing_an_operator_makes_room_for_another_who_lists() {
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    let add = |index| register.change(add(region(), person(index), listing()), act());
    for index in [0, 1, 2] {
        add(index).await.unwrap();
    }
    assert!(add(3).await.is_err());
    make(&register, [remove(region(), person(1))]).await;
    add(3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_are_given_the_list_at_once_three_get_it() {
    const PROCESSES: usize = 8;
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    for index in 0..PROCESSES {
        make(&register, [add(region(), somebody(index), Profiles::NONE)]).await;
    }
    // Each by a register of its own, as by so many administrators.
    let attempts: Vec<_> = (0..PROCESSES)
        .map(|index| {
            let own = place.open();
            tokio::spawn(async move {
                own.change(set_profiles(region(), somebody(index), listing()), act())
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut given = 0;
    for attempt in attempts {
        given += usize::from(attempt.await.unwrap());
    }
    register.refresh().await.unwrap();
    let holders = register
        .snapshot()
        .operators(&region())
        .iter()
        .filter(|operator| operator.profiles.contains(Service::Listing))
        .count();
    assert_eq!((given, holders), (3, 3));
}

#[tokio::test]
async fn a_profile_is_for_the_callers_that_have_its_service() {
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    with_call_center(&register, call_center("cc1")).await;
    for (caller, service) in [
        (region(), Service::Verification),
        (region(), Service::Submission),
        (call_center("cc1"), Service::Listing),
    ] {
        let refused = register
            .change(add(caller, person(0), only(service)), act())
            .await;
        assert!(
            matches!(refused, Err(RegisterError::ProfileRefused(_))),
            "{service}"
        );
    }
    make(&register, [add(region(), person(0), Profiles::NONE)]).await;
    let unknown = register
        .change(add(call_center("cc9"), person(0), Profiles::NONE), act())
        .await;
    assert!(matches!(unknown, Err(RegisterError::Missing(_))));
}

#[tokio::test]
async fn three_people_of_a_region_may_list_be_they_users_or_operators() {
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    with_structure(&register).await;
    let user = |id: &str, index: usize| NewUser {
        profiles: only(Service::Listing),
        ..new_user(id, PEOPLE[index])
    };
    make(&register, [RegisterChange::AddUser(user("uno", 0))]).await;
    // The same person as an operator is no second one.
    let listing = only(Service::Listing);
    for index in [0, 1, 2] {
        make(&register, [add(region(), person(index), listing)]).await;
    }
    // Disabled, but it can be enabled without a check.
    make(
        &register,
        [RegisterChange::SetOperatorEnabled {
            caller: region(),
            fiscal_code: person(2),
            enabled: false,
        }],
    )
    .await;
    let too_many = |outcome| matches!(outcome, Err(RegisterError::TooManyListingOperators(_)));
    assert!(too_many(
        register
            .change(
                RegisterChange::AddOperator {
                    caller: region(),
                    fiscal_code: person(3),
                    profiles: listing
                },
                act()
            )
            .await
    ));
    assert!(too_many(
        register
            .change(RegisterChange::AddUser(user("quattro", 3)), act())
            .await
    ));
    make(&register, [add(region(), person(3), only(Service::AslOtp))]).await;
    assert!(too_many(
        register
            .change(
                RegisterChange::SetOperatorProfiles {
                    caller: region(),
                    fiscal_code: person(3),
                    profiles: listing
                },
                act()
            )
            .await
    ));
    assert_eq!(
        register
            .snapshot()
            .operator(&region(), &person(3))
            .unwrap()
            .profiles,
        only(Service::AslOtp)
    );
    make(
        &register,
        [set_profiles(region(), person(2), Profiles::NONE)],
    )
    .await;
    make(&register, [set_profiles(region(), person(3), listing)]).await;
}

#[tokio::test]
async fn networks_are_a_call_centers_and_never_the_whole_world() {
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    with_call_center(&register, call_center("cc1")).await;
    let network = |text: &str| text.parse::<IpNet>().unwrap();
    for (caller, text) in [
        (region(), "192.0.2.0/24"),
        (call_center("cc1"), "0.0.0.0/0"),
        (call_center("cc1"), "::/0"),
        (call_center("cc1"), "::ffff:0.0.0.0/96"),
    ] {
        let refused = register
            .change(add_network(caller, network(text)), act())
            .await;
        assert!(
            matches!(refused, Err(RegisterError::NetworkRefused)),
            "{text}"
        );
    }
    make(
        &register,
        [add_network(call_center("cc1"), network("192.0.2.77/24"))],
    )
    .await;
    let again = register
        .change(
            add_network(call_center("cc1"), network("192.0.2.0/24")),
            act(),
        )
        .await;
    assert!(matches!(again, Err(RegisterError::Exists(_))));
    let mapped = register
        .change(
            add_network(call_center("cc1"), network("::ffff:192.0.2.0/120")),
            act(),
        )
        .await;
    assert!(matches!(mapped, Err(RegisterError::Exists(_))));
    assert_eq!(
        register.snapshot().networks(&call_center("cc1")),
        [network("192.0.2.0/24")]
    );
    make(
        &register,
        [remove_network(call_center("cc1"), network("192.0.2.0/24"))],
    )
    .await;
    assert!(register.snapshot().networks(&call_center("cc1")).is_empty());
    assert!(
        register
            .change(
                RegisterChange::RemoveNetwork {
                    caller: call_center("cc1"),
                    network: network("192.0.2.0/24")
                },
                act()
            )
            .await
            .is_err()
    );
}

#[tokio::test]
async fn no_file_of_the_register_holds_an_operators_fiscal_code() {
    let place = Place::new();
    let register = place.open();
    with_region(&register).await;
    make(&register, [add(region(), person(0), Profiles::NONE)]).await;
    for file in std::fs::read_dir(place.data()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|part| part == PEOPLE[0].as_bytes()));
    }
}
