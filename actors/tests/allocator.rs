//! The allocator with a reserver of the test's own. Failure here means that a code is handed out twice or lost, that the first symbol is not
//! drawn uniformly, that codes of a shard leave out of order, that an empty pool or a stopped store makes a caller wait, or that a failed
//! refill is not tried again.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_actors::allocator::CodeReserver;
use sistema_ts_actors::{AllocationError, AllocatorSettings, Allocators, CunSource, WorkerCunPool};
use sistema_ts_model::{Cun, FirstSymbol};
use sistema_ts_store::{ReservedCun, StoreError, StoreToken};
use tokio::sync::Notify;

/// Hands out ascending numbers of each first symbol, so that order and uniqueness can be checked.
#[derive(Default)]
struct Ascending {
    next: [AtomicU64; 25],
    broken: AtomicBool,
    refused: Notify,
}

#[async_trait]
impl CodeReserver for Ascending {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            self.refused.notify_one();
            return Err(StoreError::Overloaded { what: "a test" });
        }
        let from = self.next[first.index()].fetch_add(count as u64, Ordering::SeqCst);
        Ok((from..from + count as u64)
            .map(|number| ReservedCun {
                cun: Cun::from_number(first.index() as u64 * 25u64.pow(8) + number).unwrap(),
                proof: StoreToken::default(),
            })
            .collect())
    }
}

fn settings() -> AllocatorSettings {
    AllocatorSettings {
        pool_codes: 64,
        refill_below_codes: 32,
        mailbox_messages: 4,
        retry_pause: Duration::from_millis(1),
    }
}

/// Polls a future once and forgets about its waker.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The next code, asked again while the refill is under way.
async fn next(pool: &WorkerCunPool) -> ReservedCun {
    loop {
        match pool.next_cun().await {
            Ok(code) => return code,
            Err(AllocationError::Exhausted | AllocationError::MailboxFull) => {
                tokio::task::yield_now().await;
            }
            Err(AllocationError::Stopped) => panic!("the allocator stopped"),
        }
    }
}

#[actix_rt::test]
async fn codes_are_unique_in_order_within_a_shard_and_their_first_symbol_is_uniform() {
    const DRAWS: usize = 50_000;
    let allocators = Allocators::start(Arc::new(Ascending::default()), settings());
    allocators.until_ready().await;
    let pools = [
        WorkerCunPool::new(allocators.clone()),
        WorkerCunPool::new(allocators),
    ];

    let mut seen = HashSet::new();
    let mut last_of_shard = vec![[None; 25]; pools.len()];
    let mut drawn = [0usize; 25];
    for draw in 0..DRAWS {
        let worker = draw % pools.len();
        let cun = next(&pools[worker]).await.cun;
        let shard = cun.first_symbol().index();
        assert!(seen.insert(cun), "a code was handed out twice");
        assert!(last_of_shard[worker][shard].replace(cun.number()) < Some(cun.number()));
        drawn[shard] += 1;
    }

    // Chi-square with 24 degrees of freedom; 79 is passed by chance once in ten million runs.
    let expected = DRAWS as f64 / 25.0;
    let statistic: f64 = drawn
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(statistic < 79.0, "chi-square {statistic}");
}

#[actix_rt::test]
async fn an_empty_pool_answers_at_once_and_a_failed_refill_is_tried_again() {
    let reserver = Arc::new(Ascending::default());
    reserver.broken.store(true, Ordering::SeqCst);
    let allocators = Allocators::start(reserver.clone(), settings());
    let pool = WorkerCunPool::new(allocators.clone());

    reserver.refused.notified().await;
    assert!(!allocators.are_ready());
    assert_eq!(
        pool.next_cun().await.unwrap_err(),
        AllocationError::Exhausted
    );

    // The retry that the allocator makes by itself: nobody asks it again.
    reserver.refused.notified().await;
    reserver.broken.store(false, Ordering::SeqCst);
    allocators.until_ready().await;
    next(&pool).await;
}

#[actix_rt::test]
async fn codes_of_an_asker_who_left_are_not_lost() {
    let reserver = Arc::new(Ascending::default());
    let allocators = Allocators::start(reserver, settings());
    allocators.until_ready().await;
    let first = FirstSymbol::from_index(3).unwrap();

    // Polled once, so that the message is sent, then dropped.
    let mut abandoned = Box::pin(allocators.take(first, 10));
    assert!(
        poll_once(abandoned.as_mut()).is_pending(),
        "the actor runs on this thread, so it cannot have answered yet"
    );
    drop(abandoned);

    let slice = allocators.take(first, 10).await.unwrap();
    assert_eq!(slice[0].cun.number(), 3 * 25u64.pow(8));
}

#[actix_rt::test]
async fn a_full_mailbox_refuses_at_once() {
    let allocators = Allocators::start(Arc::new(Ascending::default()), settings());
    allocators.until_ready().await;
    let first = FirstSymbol::from_index(0).unwrap();

    // Nothing here yields to the actor, so its mailbox fills up.
    let mut waiting = Vec::new();
    let mut refused = false;
    for _ in 0..64 {
        let mut take = Box::pin(allocators.take(first, 1));
        match poll_once(take.as_mut()) {
            Poll::Pending => waiting.push(take),
            Poll::Ready(answer) => {
                assert_eq!(answer.unwrap_err(), AllocationError::MailboxFull);
                refused = true;
                break;
            }
        }
    }
    assert!(refused, "64 messages fitted into a mailbox of 4");
}
