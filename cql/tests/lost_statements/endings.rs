//! What ends a code beside a confirmation: cancellations, an ASL's code for a person, and the sweep.

use std::sync::Arc;

use futures_util::FutureExt as _;
use sistema_ts_cql::CqlStore;
use sistema_ts_cql::faults::{Fault, Told};
use sistema_ts_cql::statement::Statement;
use sistema_ts_model::{
    ClaimId, Clock as _, CodiceFiscale, Cun, CunState, Effect, ManualClock, NewClaim, PostOutcome,
    TestResult, TransactionId,
};
use sistema_ts_store::conformance::world::horizon_at;
use sistema_ts_store::samples::{cancellation, fiscal_code, repeatable};
use sistema_ts_store::trusted_time::Horizon;
use sistema_ts_store::{
    CancelOutcome, CancelTest, Expired, PersonClaim, PersonOutcome, Store, StoreError,
};

use super::losing::{Case, each_statement};
use super::unlocks::{assert_erased, assert_swept_or_kept};
use super::world::World;

/// So much later a claim counts as dead that nobody settles.
const LATER_MILLIS: i64 = 60 * 60 * 1_000;

async fn cancels(world: &World, wish: &CancelTest) -> CancelOutcome {
    let again = CancelTest {
        transaction: TransactionId::random(),
        ..wish.clone()
    };
    world.second().cancel(again).await.unwrap()
}

/// The wish to cancel a test of a person of whom nothing was there, with a key or without.
async fn wish(world: &World, result: TestResult, has_key: bool) -> CancelTest {
    let person = world.next_number();
    let cun = world.recorded(person, result).await;
    let wish = cancellation(cun, person);
    match has_key {
        true => CancelTest {
            repeatable: repeatable(&format!("CANCEL {person}"), "content"),
            ..wish
        },
        false => wish,
    }
}

/// A cancelled test is erased, and in no list.
async fn assert_cancelled(world: &World, case: &Case<CancelOutcome, StoreError>, cun: Cun) {
    assert_eq!(
        world.state(cun).await,
        CunState::Cancelled,
        "{}",
        case.told("it is lost")
    );
    assert_erased(world, case, cun).await;
    let listed = world.listed(1).await.contains(&cun);
    assert!(!listed, "{}", case.told("it is listed"));
}

async fn cancelled(world: &World) {
    for result in [TestResult::Negative, TestResult::Positive] {
        let judge = async |wish: &CancelTest, case: &Case<CancelOutcome, _>| {
            let cun = wish.cun;
            match case.answer() {
                Some(CancelOutcome::Done { effect, .. }) => {
                    assert_eq!(*effect, Effect::Done, "{}", case.told("done before"));
                    assert_cancelled(world, case, cun).await;
                }
                Some(other) => panic!("{}", case.told(&format!("{other:?}"))),
                None if !case.may_be_done() => {
                    assert_eq!(
                        world.state(cun).await,
                        CunState::Issued,
                        "{}",
                        case.told("done")
                    );
                }
                None => {}
            }
            if case.is_even {
                assert_swept_or_kept(world, case, cun).await;
                case.late_arrives().await;
                assert_swept_or_kept(world, case, cun).await;
            }
            let again = cancels(world, wish).await;
            let is_right = match again {
                CancelOutcome::Done { effect, .. } => match effect {
                    Effect::Done => case.may_be_undone(),
                    Effect::AlreadyDone => case.may_be_done() || case.is_even,
                },
                _ => false,
            };
            assert!(is_right, "{}", case.told(&format!("again: {again:?}")));
            assert_cancelled(world, case, cun).await;
            case.late_arrives().await;
            assert_cancelled(world, case, cun).await;
        };
        each_statement(
            &world.first,
            &format!("a cancellation without a key, {result}"),
            async || wish(world, result, false).await,
            cancel,
            judge,
        )
        .await;
    }
}

fn cancel(
    store: Arc<CqlStore>,
    wish: CancelTest,
) -> futures_util::future::BoxFuture<'static, Result<CancelOutcome, StoreError>> {
    async move { store.cancel(wish).await }.boxed()
}

async fn judge_keyed(
    world: &World,
    wish: &CancelTest,
    case: &Case<CancelOutcome, StoreError>,
    first: Option<TransactionId>,
) {
    let mut first = match case.answer() {
        Some(CancelOutcome::Done { .. }) => {
            assert!(first.is_none(), "{}", case.told("done twice"));
            Some(wish.transaction)
        }
        Some(CancelOutcome::Replayed { transaction, .. }) => {
            assert_eq!(
                Some(*transaction),
                first,
                "{}",
                case.told("another's answer")
            );
            first
        }
        Some(other) => panic!("{}", case.told(&format!("{other:?}"))),
        None => first,
    };
    if first.is_some() {
        assert_cancelled(world, case, wish.cun).await;
    }
    for _ in 0..2 {
        let again = CancelTest {
            transaction: TransactionId::random(),
            ..wish.clone()
        };
        let own = again.transaction;
        let answer = match world.second().cancel(again).await.unwrap() {
            CancelOutcome::Done { .. } => own,
            CancelOutcome::Replayed { transaction, .. } => transaction,
            other => panic!("{}", case.told(&format!("again: {other:?}"))),
        };
        assert_eq!(
            *first.get_or_insert(answer),
            answer,
            "{}",
            case.told("one key has two answers")
        );
        assert_cancelled(world, case, wish.cun).await;
        case.late_arrives().await;
    }
    let other = CancelTest {
        repeatable: wish
            .repeatable
            .clone()
            .map(|request| sistema_ts_store::Repeatable {
                content: b"other".to_vec(),
                ..request
            }),
        ..wish.clone()
    };
    let other = cancels(world, &other).await;
    assert_eq!(
        other,
        CancelOutcome::RequestKeyReused,
        "{}",
        case.told("its key is free")
    );
    assert_cancelled(world, case, wish.cun).await;
}

async fn cancelled_with_a_key(world: &World) {
    let judge = async |wish: &_, case: &_| judge_keyed(world, wish, case, None).await;
    each_statement(
        &world.first,
        "a cancellation with a key",
        async || wish(world, TestResult::Positive, true).await,
        cancel,
        judge,
    )
    .await;
    let prepare = async || {
        let wish = wish(world, TestResult::Negative, true).await;
        let outcome = world.second().cancel(wish.clone()).await.unwrap();
        assert!(matches!(outcome, CancelOutcome::Done { .. }), "{outcome:?}");
        let first = wish.transaction;
        let again = CancelTest {
            transaction: TransactionId::random(),
            ..wish
        };
        (again, first)
    };
    let judge = async |(wish, first): &(CancelTest, TransactionId), case: &_| {
        judge_keyed(world, wish, case, Some(*first)).await;
    };
    each_statement(
        &world.first,
        "a cancellation, sent again with its key",
        prepare,
        |store, (wish, _)| cancel(store, wish),
        judge,
    )
    .await;
}

/// A person with two positives, and the claim of them.
#[derive(Clone)]
struct OfPerson {
    fiscal_code: CodiceFiscale,
    cuns: Vec<Cun>,
    claim: NewClaim,
}

impl OfPerson {
    async fn new(world: &World) -> Self {
        let person = world.next_number();
        let mut cuns = Vec::new();
        for _ in 0..2 {
            cuns.push(world.recorded(person, TestResult::Positive).await);
        }
        cuns.sort_unstable();
        Self {
            fiscal_code: fiscal_code(person),
            cuns,
            claim: world.new_claim(),
        }
    }

    /// The same, claimed by the second server.
    async fn claimed(world: &World) -> Self {
        let of_person = Self::new(world).await;
        let outcome = of_person.claim(world, of_person.claim).await;
        assert!(matches!(outcome, PersonOutcome::Claimed(_)), "{outcome:?}");
        of_person
    }

    async fn claim(&self, world: &World, claim: NewClaim) -> PersonOutcome {
        let fiscal_code = self.fiscal_code.clone();
        world
            .second()
            .claim_person(fiscal_code, claim)
            .await
            .unwrap()
    }

    async fn settle(&self, world: &World, claim: ClaimId, outcome: PostOutcome) -> usize {
        let person = PersonClaim {
            cuns: self.cuns.clone(),
        };
        world
            .second()
            .settle_person(person, claim, outcome)
            .await
            .unwrap()
    }
}

/// How far a sweep may go when claims that nobody settles are long dead.
fn later(world: &World) -> Horizon {
    horizon_at(&ManualClock::new(
        world.clock.now().plus_millis(LATER_MILLIS),
    ))
}

async fn sweep_later(world: &World) {
    while world
        .second()
        .expire_due(1_000, later(world))
        .await
        .unwrap()
        .more
    {}
}

async fn claimed_for_a_person(world: &World) {
    let judge = async |of_person: &OfPerson, case: &Case<PersonOutcome, StoreError>| {
        let (own, two) = (of_person.claim.id, of_person.cuns.len());
        if let Some(answer) = case.answer() {
            let is_whole =
                matches!(answer, PersonOutcome::Claimed(person) if person.cuns == of_person.cuns);
            assert!(is_whole, "{}", case.told("not all are claimed"));
        }
        let other = world.new_claim();
        match of_person.claim(world, other).await {
            PersonOutcome::Claimed(person) => {
                assert!(case.answer().is_none(), "{}", case.told("claimed twice"));
                assert_eq!(
                    person.cuns,
                    of_person.cuns,
                    "{}",
                    case.told("half a person is free")
                );
                case.late_arrives().await;
                let stale = of_person.settle(world, own, PostOutcome::Delivered).await;
                assert_eq!(stale, 0, "{}", case.told("a code belongs to two"));
                let settled = of_person
                    .settle(world, other.id, PostOutcome::Delivered)
                    .await;
                assert_eq!(settled, two, "{}", case.told("a claim is lost"));
            }
            PersonOutcome::UnlockUnderWay => {
                assert!(
                    case.may_be_done(),
                    "{}",
                    case.told("claimed, and told that it is not")
                );
                case.late_arrives().await;
                if case.answer().is_some() {
                    let settled = of_person.settle(world, own, PostOutcome::Delivered).await;
                    assert_eq!(settled, two, "{}", case.told("a claim is lost"));
                } else if case.is_even {
                    // What was claimed for a post that was perhaps delivered ends.
                    sweep_later(world).await;
                } else {
                    of_person
                        .settle(world, own, PostOutcome::NotDelivered)
                        .await;
                    let again = of_person.claim(world, other).await;
                    let is_whole = matches!(again, PersonOutcome::Claimed(_));
                    assert!(is_whole, "{}", case.told("it is not given back"));
                    of_person
                        .settle(world, other.id, PostOutcome::Delivered)
                        .await;
                }
            }
        }
        let mut over = 0;
        for cun in &of_person.cuns {
            assert_swept_or_kept(world, case, *cun).await;
            over += usize::from(world.state(*cun).await.is_over());
        }
        let is_unsettled = case.answer().is_none() && case.is_even;
        assert!(
            over == two || (is_unsettled && over > 0),
            "{}",
            case.told("it lives")
        );
    };
    each_statement(
        &world.first,
        "a person, claimed by an ASL",
        async || OfPerson::new(world).await,
        |store, of_person: OfPerson| {
            let OfPerson {
                fiscal_code, claim, ..
            } = of_person;
            async move { store.claim_person(fiscal_code, claim).await }.boxed()
        },
        judge,
    )
    .await;
}

async fn settled_for_a_person(world: &World) {
    let judge = async |of_person: &OfPerson, case: &Case<usize, StoreError>| {
        if let Some(settled) = case.answer() {
            assert_eq!(*settled, of_person.cuns.len(), "{}", case.told("not all"));
        } else if case.is_even {
            // Nobody sends it again: what nobody has settled counts as delivered.
            sweep_later(world).await;
        } else {
            of_person
                .settle(world, of_person.claim.id, PostOutcome::Delivered)
                .await;
        }
        for cun in &of_person.cuns {
            let is_over = world.state(*cun).await.is_over();
            assert!(is_over, "{}", case.told("it lives"));
            assert_erased(world, case, *cun).await;
        }
        case.late_arrives().await;
        for cun in &of_person.cuns {
            assert_erased(world, case, *cun).await;
        }
    };
    each_statement(
        &world.first,
        "a person's codes, settled",
        async || OfPerson::claimed(world).await,
        |store, of_person: OfPerson| {
            let person = PersonClaim {
                cuns: of_person.cuns,
            };
            let (claim, outcome) = (of_person.claim.id, PostOutcome::Delivered);
            async move { store.settle_person(person, claim, outcome).await }.boxed()
        },
        judge,
    )
    .await;
}

/// A test whose cancellation has taken place, after which not one statement of its erasure has arrived.
async fn unerased(world: &World) -> Cun {
    let wish = wish(world, TestResult::Positive, false).await;
    let first = world.first.server();
    let has_ended = std::sync::atomic::AtomicBool::new(false);
    first.intercept(Some(Arc::new(move |statement| {
        use std::sync::atomic::Ordering;
        match statement {
            Statement::BeginLife => has_ended.store(true, Ordering::SeqCst),
            _ if has_ended.load(Ordering::SeqCst) => {
                return Fault::LostOnTheWayThere(Told::NoAnswer);
            }
            _ => {}
        }
        Fault::Nothing
    })));
    let outcome = first.cancel(wish.clone()).await;
    first.intercept(None);
    let is_unknown = matches!(outcome, Err(StoreError::UnknownOutcome { .. }));
    assert!(is_unknown, "{outcome:?}");
    assert!(!world.kept_of_person(wish.cun).await.is_empty());
    wish.cun
}

async fn swept(world: &World) {
    let horizon = horizon_at(&world.clock);
    let judge = async |cun: &Cun, case: &Case<Expired, StoreError>| {
        if let Some(expired) = case.answer() {
            assert!(!expired.more, "{}", case.told("more is due"));
            assert_erased(world, case, *cun).await;
        }
        if case.is_even {
            case.late_arrives().await;
        }
        world.sweep().await;
        assert_erased(world, case, *cun).await;
        case.late_arrives().await;
        assert_erased(world, case, *cun).await;
    };
    each_statement(
        &world.first,
        "a sweep",
        async || unerased(world).await,
        move |store, _| async move { store.expire_due(1_000, horizon).await }.boxed(),
        judge,
    )
    .await;
}

pub async fn all(world: &World) {
    cancelled(world).await;
    cancelled_with_a_key(world).await;
    claimed_for_a_person(world).await;
    settled_for_a_person(world).await;
    swept(world).await;
}
