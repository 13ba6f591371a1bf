//! A worker's own small stock of reserved CUNs, so that the hot path sends one message for many codes.
//!
//! The first symbol of each CUN is drawn uniformly *before* a shard is asked, so the way codes are handed out in slices does not make any code
//! likelier than another: within a shard codes leave in the order in which they were drawn.

use std::cell::RefCell;
use std::collections::VecDeque;

use async_trait::async_trait;
use rand::rngs::ThreadRng;
use sistema_ts_model::FirstSymbol;
use sistema_ts_store::ReservedCun;

use crate::{AllocationError, Allocators, CunSource};

/// Codes taken from an allocator with one message.
const SLICE_CODES: usize = 32;

/// The stock of one worker thread.
pub struct WorkerCunPool {
    allocators: Allocators,
    stock: RefCell<Vec<VecDeque<ReservedCun>>>,
    generator: RefCell<ThreadRng>,
}

impl WorkerCunPool {
    /// An empty stock, filled from `allocators` as it is used.
    #[must_use]
    pub fn new(allocators: Allocators) -> Self {
        let stock = FirstSymbol::all()
            .map(|_| VecDeque::with_capacity(SLICE_CODES))
            .collect();
        Self {
            allocators,
            stock: RefCell::new(stock),
            generator: RefCell::new(rand::rng()),
        }
    }
}

#[async_trait(?Send)]
impl CunSource for WorkerCunPool {
    async fn next_cun(&self) -> Result<ReservedCun, AllocationError> {
        let first = FirstSymbol::random(&mut *self.generator.borrow_mut());
        if let Some(code) = self.stock.borrow_mut()[first.index()].pop_front() {
            return Ok(code);
        }
        // No borrow is held while the allocator is asked: other requests of this worker go on meanwhile.
        let slice = self.allocators.take(first, SLICE_CODES).await?;
        let mut stock = self.stock.borrow_mut();
        stock[first.index()].extend(slice);
        stock[first.index()]
            .pop_front()
            .ok_or(AllocationError::Exhausted)
    }
}
