//! The registry of sessions over a real store. Failure here means that somebody gets at another's session, that the registry says
//! otherwise than the store, or that it shows a value.

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_actors::session_registry::Sweep;
use sistema_ts_actors::{SessionBindings as _, SessionRegistrySettings, Sessions};
use sistema_ts_model::{CallCenterCode, Caller, CodiceFiscale, Cun, Presenter, SessionId};
use sistema_ts_store::failing::{Fault, Operation, Point};
use sistema_ts_store::{OpenOutcome, OpenSession, SessionView};

use crate::world::World;

const OPERATOR: &str = "VRDGPP62D15L219E";
const COLLEAGUE: &str = "BNCLRA75E41F205R";
const LIFETIME: i64 = 30 * 60_000;

/// A registry that sweeps only when it is told to.
fn registry(world: &World) -> Sessions {
    Sessions::start(
        Arc::clone(&world.store),
        Arc::new(world.clock.clone()),
        SessionRegistrySettings {
            sweep_interval: Duration::from_secs(3_600),
            ..SessionRegistrySettings::default()
        },
    )
}

async fn open(world: &World, cun: Cun) -> SessionView {
    let request = OpenSession {
        cun,
        session: SessionId::random(),
        operator: person(OPERATOR),
        caller: centre("CC1"),
        lifetime_millis: LIFETIME,
    };
    match world.store.open_session(request).await.unwrap() {
        OpenOutcome::Opened(view) => view,
        other => panic!("{other:?}"),
    }
}

fn person(code: &str) -> CodiceFiscale {
    CodiceFiscale::parse(code).unwrap()
}

fn centre(code: &str) -> Caller {
    Caller::CallCenter(CallCenterCode::parse(code).unwrap())
}

/// The code that a session is bound to, as its presenter is told.
async fn bound(
    registry: &Sessions,
    session: SessionId,
    operator: &str,
    caller: &str,
) -> Option<Cun> {
    let presenter = Presenter {
        operator: &person(operator),
        caller: &centre(caller),
    };
    let binding = registry.binding(session, presenter).await.unwrap();
    binding.map(|view| view.cun)
}

#[actix_rt::test]
async fn a_session_is_for_its_own_operator_through_its_own_caller_whoever_remembers_it() {
    let world = World::new();
    let view = open(&world, world.positive().await.0).await;
    let (id, cun) = (view.session, view.cun);
    // One registry is told, one finds out by itself, as after a restart or on another node.
    let told = registry(&world);
    told.remember(view);
    for registry in [&told, &registry(&world)] {
        for _ in 0..2 {
            assert_eq!(bound(registry, id, COLLEAGUE, "CC1").await, None);
            assert_eq!(bound(registry, id, OPERATOR, "CC2").await, None);
            assert_eq!(bound(registry, id, OPERATOR, "CC1").await, Some(cun));
        }
        let unknown = SessionId::random();
        assert_eq!(bound(registry, unknown, OPERATOR, "CC1").await, None);
    }
}

#[actix_rt::test]
async fn what_is_forgotten_or_swept_is_for_the_store_to_know() {
    let world = World::new();
    let registry = registry(&world);
    let (cun, _) = world.positive().await;
    let (in_store, invented) = (open(&world, cun).await, {
        // The store has never seen this one: only the map can answer for it.
        let mut view = open(&world, cun).await;
        view.session = SessionId::random();
        view
    });
    let ids = [in_store.session, invented.session];
    let both = async |registry: &Sessions| {
        let mut found = Vec::new();
        for id in ids {
            found.push(bound(registry, id, OPERATOR, "CC1").await.is_some());
        }
        found
    };
    registry.remember(in_store);
    registry.remember(invented.clone());
    assert_eq!(both(&registry).await, [true, true]);
    registry.forget_code(cun);
    assert_eq!(both(&registry).await, [true, false]);

    registry.remember(invented);
    world.clock.advance_millis(LIFETIME - 1);
    registry.address().send(Sweep).await.unwrap();
    assert_eq!(both(&registry).await, [true, true]);
    world.clock.advance_millis(1);
    registry.address().send(Sweep).await.unwrap();
    assert!(!both(&registry).await[1]);
    // What has lapsed is not taken up again.
    assert_eq!(format!("{registry:?}"), "Sessions { count: 0, .. }");
}

#[actix_rt::test]
async fn nothing_of_a_session_is_in_its_debug_output() {
    let world = World::new();
    let registry = registry(&world);
    let view = open(&world, world.positive().await.0).await;
    let (id, cun) = (view.session.to_text(), view.cun.to_string());
    registry.remember(view);
    let shown = format!("{registry:?}");
    assert_eq!(shown, "Sessions { count: 1, .. }");
    assert!(!shown.contains(&id) && !shown.contains(&cun) && !shown.contains(OPERATOR));
}

#[actix_rt::test]
async fn a_store_that_fails_is_told_as_that_and_asked_again() {
    let mut world = World::new();
    let failing = world.fail_on_demand();
    let registry = registry(&world);
    let id = open(&world, world.positive().await.0).await.session;
    let presenter = Presenter {
        operator: &person(OPERATOR),
        caller: &centre("CC1"),
    };
    for fault in [Fault::Overloaded, Fault::Unavailable, Fault::Corrupt] {
        failing.next(Operation::FindSession, fault);
        let asked = registry.binding(id, presenter).await;
        assert_eq!(asked.unwrap_err().label(), fault.error().label());
    }
    // What could not be looked up was not remembered as if it were nobody's; what was found is not looked up again.
    for _ in 0..2 {
        assert!(registry.binding(id, presenter).await.unwrap().is_some());
    }
    assert_eq!(failing.calls(Operation::FindSession), 4);
}

#[actix_rt::test]
async fn two_who_ask_the_store_at_once_have_a_session_remembered_once() {
    let mut world = World::new();
    let failing = world.fail_on_demand();
    let registry = registry(&world);
    let id = open(&world, world.positive().await.0).await.session;
    let held = [(); 2].map(|()| failing.hold(Operation::FindSession, Point::AfterEffect));
    let asking = [(); 2].map(|()| {
        let registry = registry.clone();
        actix_rt::spawn(async move { bound(&registry, id, OPERATOR, "CC1").await })
    });
    // Both have looked, and neither has remembered.
    for held in held.each_ref() {
        held.arrived().await;
    }
    assert_eq!(format!("{registry:?}"), "Sessions { count: 0, .. }");
    for held in held {
        held.release();
    }
    for asked in asking {
        assert!(asked.await.unwrap().is_some());
    }
    assert_eq!(format!("{registry:?}"), "Sessions { count: 1, .. }");
}
