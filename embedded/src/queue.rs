//! The writer's queue: bounded, two lanes, emptied in batches. What a person waits for goes first, and makes its batch a short one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sistema_ts_store::StoreError;
use tokio::sync::oneshot;

/// Where an answer goes. The receiver may be gone: then nobody waits for it any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A queue of whatever jobs, to be given up when the store has failed.
pub(super) trait Abandon: Send + Sync {
    /// Drops what waits, and takes nothing more.
    fn abandon(&self);
}

/// Which work goes first when both wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// What a person on the telephone waits for.
    Urgent,
    /// Submissions, cancellations and the store's own upkeep.
    Usual,
}

/// What [`Queue::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Jobs were taken.
    Jobs,
    /// None came in time.
    Nothing,
    /// None is left, and none will come.
    Closed,
}

/// Usual jobs that go into a batch with an urgent one: few, since its person waits for all of them.
const USUAL_BESIDE_URGENT: usize = 32;

/// A bounded queue with two lanes, each with the same capacity of its own.
pub(super) struct Queue<Job> {
    inner: Mutex<Inner<Job>>,
    /// How many urgent jobs wait, to be looked at without the lock.
    urgent: AtomicUsize,
    arrived: Condvar,
    capacity: usize,
    name: &'static str,
}

struct Inner<Job> {
    urgent: VecDeque<Job>,
    usual: VecDeque<Job>,
    waiting: usize,
    closed: bool,
}

impl<Job> Queue<Job> {
    /// A queue that holds at most `capacity` jobs in each lane. `name` is what is said to be full.
    pub(super) fn new(name: &'static str, capacity: usize) -> Queue<Job> {
        let inner = Inner {
            urgent: VecDeque::new(),
            usual: VecDeque::new(),
            waiting: 0,
            closed: false,
        };
        Queue {
            inner: Mutex::new(inner),
            urgent: AtomicUsize::new(0),
            arrived: Condvar::new(),
            capacity,
            name,
        }
    }

    /// Adds a job, or says at once that there is no room.
    pub(super) fn push(&self, lane: Lane, job: Job) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(StoreError::Unavailable {
                reason: format!("{} is closed", self.name),
            });
        }
        let jobs = match lane {
            Lane::Urgent => &mut inner.urgent,
            Lane::Usual => &mut inner.usual,
        };
        if jobs.len() >= self.capacity {
            return Err(StoreError::Overloaded { what: self.name });
        }
        jobs.push_back(job);
        self.urgent.store(inner.urgent.len(), Ordering::Release);
        let somebody_waits = inner.waiting > 0;
        drop(inner);
        if somebody_waits {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Adds jobs up to `most` in all, urgent ones before those that are there; waits for the first one at most `patience`, unless there are some.
    /// With an urgent job come few others.
    pub(super) fn take(&self, jobs: &mut Vec<Job>, most: usize, patience: Duration) -> Taken {
        let mut inner = self.lock();
        if inner.is_empty() && !inner.closed && jobs.is_empty() {
            inner.waiting += 1;
            let waited = self
                .arrived
                .wait_timeout_while(inner, patience, |inner| inner.is_empty() && !inner.closed);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            inner.waiting -= 1;
        }
        if inner.is_empty() && jobs.is_empty() {
            return if inner.closed {
                Taken::Closed
            } else {
                Taken::Nothing
            };
        }
        let urgent = inner.urgent.len().min(most);
        jobs.splice(..0, inner.urgent.drain(..urgent));
        self.urgent.store(inner.urgent.len(), Ordering::Release);
        let most = match urgent {
            0 => most,
            urgent => most.min(urgent + USUAL_BESIDE_URGENT),
        };
        let usual = inner.usual.len().min(most.saturating_sub(jobs.len()));
        jobs.extend(inner.usual.drain(..usual));
        Taken::Jobs
    }

    /// Whether an urgent job waits. Cheap: no lock.
    pub(super) fn has_urgent(&self) -> bool {
        self.urgent.load(Ordering::Acquire) > 0
    }

    /// Takes the urgent jobs that wait, at most `most`.
    pub(super) fn take_urgent(&self, most: usize) -> Vec<Job> {
        let mut inner = self.lock();
        let count = inner.urgent.len().min(most);
        let jobs = inner.urgent.drain(..count).collect();
        self.urgent.store(inner.urgent.len(), Ordering::Release);
        jobs
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.urgent.len() + inner.usual.len()
    }

    /// Lets nothing in any more. What waits is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<Job>> {
        // No code that can panic runs under the lock but that of the allocator.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Job> Inner<Job> {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.usual.is_empty()
    }
}

impl<Job: Send> Abandon for Queue<Job> {
    fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let dropped = (
            std::mem::take(&mut inner.urgent),
            std::mem::take(&mut inner.usual),
        );
        self.urgent.store(0, Ordering::Release);
        drop(inner);
        self.arrived.notify_all();
        // Dropping a job answers its caller, who may push at once: not under the lock.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    //! A failure: a job lost or reordered within its lane, an urgent job behind a usual one, a wait for room, more jobs held than
    //! the capacity.
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use super::{Lane, Queue, Taken, USUAL_BESIDE_URGENT};
    use sistema_ts_store::StoreError;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn urgent_jobs_go_first_and_each_lane_keeps_its_order() {
        let queue = Queue::new("queue", 4);
        for (lane, job) in [
            (Lane::Usual, 1),
            (Lane::Urgent, 2),
            (Lane::Usual, 3),
            (Lane::Urgent, 4),
        ] {
            queue.push(lane, job).unwrap();
        }
        let mut jobs = Vec::new();
        assert_eq!(queue.take(&mut jobs, 3, LONG), Taken::Jobs);
        assert_eq!(jobs, [2, 4, 1]);
        jobs.clear();
        assert_eq!(queue.take(&mut jobs, 3, LONG), Taken::Jobs);
        assert_eq!(jobs, [3]);
    }

    #[test]
    fn an_urgent_job_has_few_others_beside_it_and_goes_before_what_was_left_over() {
        let queue = Queue::new("queue", 1_000);
        for job in 0..500 {
            queue.push(Lane::Usual, job).unwrap();
        }
        assert!(!queue.has_urgent());
        queue.push(Lane::Urgent, 1_000).unwrap();
        assert!(queue.has_urgent());
        let mut jobs = vec![-2, -1];
        assert_eq!(queue.take(&mut jobs, 400, LONG), Taken::Jobs);
        assert_eq!(jobs[..4], [1_000, -2, -1, 0]);
        assert_eq!(jobs.len(), 1 + USUAL_BESIDE_URGENT);
        assert!(!queue.has_urgent());
        jobs.clear();
        assert_eq!(queue.take(&mut jobs, 400, LONG), Taken::Jobs);
        assert_eq!(jobs.len(), 400);
        queue.push(Lane::Urgent, 2_000).unwrap();
        queue.push(Lane::Urgent, 2_001).unwrap();
        assert_eq!(queue.take_urgent(1), [2_000]);
        assert!(queue.has_urgent());
        assert_eq!(queue.take_urgent(9), [2_001]);
        assert!(!queue.has_urgent());
    }

    #[test]
    fn what_is_left_over_is_work_without_waiting_also_when_closed() {
        let queue = Queue::new("queue", 2);
        let mut jobs = vec![7];
        assert_eq!(queue.take(&mut jobs, 9, LONG), Taken::Jobs);
        queue.close();
        assert_eq!(queue.take(&mut jobs, 9, LONG), Taken::Jobs);
        assert_eq!(jobs, [7]);
        jobs.clear();
        assert_eq!(queue.take(&mut jobs, 9, LONG), Taken::Closed);
    }

    #[test]
    fn a_full_lane_refuses_at_once_and_leaves_the_other_open() {
        let queue = Queue::new("queue", 1);
        queue.push(Lane::Usual, 1).unwrap();
        assert!(matches!(
            queue.push(Lane::Usual, 2),
            Err(StoreError::Overloaded { .. })
        ));
        queue.push(Lane::Urgent, 3).unwrap();
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_holds_and_takes_nothing() {
        let queue = Queue::new("queue", 2);
        queue.push(Lane::Usual, 1).unwrap();
        queue.close();
        assert!(matches!(
            queue.push(Lane::Usual, 2),
            Err(StoreError::Unavailable { .. })
        ));
        let mut jobs = Vec::new();
        assert_eq!(queue.take(&mut jobs, 9, LONG), Taken::Jobs);
        assert_eq!(jobs, [1]);
        jobs.clear();
        assert_eq!(queue.take(&mut jobs, 9, LONG), Taken::Closed);
    }

    #[test]
    fn a_waiting_taker_is_woken_by_a_job() {
        let queue = Arc::new(Queue::new("queue", 2));
        let taker = std::thread::spawn({
            let queue = queue.clone();
            move || {
                let mut jobs = Vec::new();
                let taken = queue.take(&mut jobs, 9, LONG);
                (taken, jobs)
            }
        });
        queue.push(Lane::Urgent, 7).unwrap();
        assert_eq!(taker.join().unwrap(), (Taken::Jobs, vec![7]));
    }

    #[test]
    fn a_taker_that_got_no_job_in_its_time_is_told_so() {
        let queue = Queue::<u8>::new("queue", 2);
        assert_eq!(
            queue.take(&mut Vec::new(), 9, Duration::ZERO),
            Taken::Nothing
        );
    }
}
