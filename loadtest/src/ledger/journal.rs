//! The ledger's file while a run writes it.
//!
//! An intent is two cache lines' work: it is copied into a mapping of the file, which the kernel keeps when this process dies. A
//! thread of its own makes the next stretch of the file ready and brings what was written to the disk once a second, so that
//! a loss of power costs a second of the books.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sistema_ts_model::{Clock as _, SystemClock, Timestamp};

use super::encoding::{HALF, encode_intent, encode_settlement};
use super::segment::{HEADER, RECORDS, Segment, offset};
use super::{Intent, RequestId, Settlement};

/// How often what was written is brought to the disk.
const SYNC: Duration = Duration::from_secs(1);
/// Segments that stay mapped: a settlement of an older request is written by a call instead.
const MAPPED: usize = 4;
/// The first bytes of a ledger's file; the last of them is the version.
pub(super) const MAGIC: [u8; 8] = *b"TSLEDG\0\x01";

/// Why the ledger cannot go on. No request may leave without its intent, so the run ends.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file could not be made, lengthened, written or read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is no ledger, or one of another version.
    #[error("{0}: not a ledger of this version")]
    NotALedger(PathBuf),
    /// The thread that prepares and syncs the file is gone.
    #[error("{0}: the ledger's thread has ended")]
    ThreadGone(PathBuf),
}

/// The books of a run, being written. One thread writes them; several share a ledger behind a lock.
pub struct Ledger {
    path: PathBuf,
    file: Arc<File>,
    began: Instant,
    next: u64,
    /// The newest last.
    segments: VecDeque<Segment>,
    orders: Option<Sender<u64>>,
    prepared: Receiver<io::Result<Segment>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Ledger {
    /// Begins a new ledger; a file of this name must not exist, since it may be the books of another run.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let failed = |cause| LedgerError::File {
            path: path.to_owned(),
            cause,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..16].copy_from_slice(&SystemClock.now().millis().to_le_bytes());
        file.write_all_at(&header, 0).map_err(failed)?;
        let file = Arc::new(file);
        let first = Segment::map(&file, 0).map_err(failed)?;
        let (orders, ordered) = channel();
        let (ready, prepared) = channel();
        let of_thread = Arc::clone(&file);
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || keep(&of_thread, &ordered, &ready))
            .map_err(failed)?;
        // The thread ends when `orders` is dropped, not before.
        let _ = orders.send(RECORDS);
        Ok(Self {
            path: path.to_owned(),
            file,
            began: Instant::now(),
            next: 0,
            segments: VecDeque::from([first]),
            orders: Some(orders),
            prepared,
            thread: Some(thread),
        })
    }

    /// When it began: times in it count from here.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// How many intents it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Writes down what is about to be asked. When this returns, the intent is in the file, and the request may leave.
    pub fn intend(&mut self, intent: &Intent, now: Instant) -> Result<RequestId, LedgerError> {
        if self.next > 0 && self.next.is_multiple_of(RECORDS) {
            self.go_on()?;
        }
        let id = self.next;
        let half = encode_intent(intent, self.millis(now));
        self.write(id, false, &half)?;
        self.next += 1;
        Ok(RequestId(id))
    }

    /// Writes down what became of a request.
    pub fn settle(&mut self, id: RequestId, settlement: &Settlement) -> Result<(), LedgerError> {
        debug_assert!(id.0 < self.next, "a request of another ledger");
        let half = encode_settlement(settlement, u32::try_from(self.next).unwrap_or(u32::MAX));
        self.write(id.0, true, &half)
    }

    /// Brings all to the disk and ends the thread.
    pub fn close(mut self) -> Result<(), LedgerError> {
        self.orders = None;
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(synced)) => synced.map_err(|cause| self.failed(cause)),
            _ => Err(LedgerError::ThreadGone(self.path.clone())),
        }
    }

    fn millis(&self, now: Instant) -> u32 {
        let millis = now.saturating_duration_since(self.began).as_millis();
        u32::try_from(millis).unwrap_or(u32::MAX)
    }

    fn write(&mut self, record: u64, second: bool, half: &[u8; HALF]) -> Result<(), LedgerError> {
        for segment in self.segments.iter_mut().rev() {
            if segment.write(record, second, half) {
                return Ok(());
            }
        }
        let at = offset(record) + if second { HALF as u64 } else { 0 };
        let written = self.file.write_all_at(half, at);
        written.map_err(|cause| self.failed(cause))
    }

    /// Takes the segment that the thread has made ready, and orders the one after it.
    fn go_on(&mut self) -> Result<(), LedgerError> {
        let gone = || LedgerError::ThreadGone(self.path.clone());
        let segment = self.prepared.recv().map_err(|_| gone())?;
        let segment = segment.map_err(|cause| self.failed(cause))?;
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(self.next + RECORDS).map_err(|_| gone())?;
        self.segments.push_back(segment);
        if self.segments.len() > MAPPED {
            self.segments.pop_front();
        }
        Ok(())
    }

    fn failed(&self, cause: io::Error) -> LedgerError {
        LedgerError::File {
            path: self.path.clone(),
            cause,
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // What failed is told by `close`; here nobody listens.
            let _ = thread.join();
        }
    }
}

/// The thread: makes segments ready as they are ordered, and syncs once a second and at the end.
fn keep(
    file: &File,
    orders: &Receiver<u64>,
    ready: &Sender<io::Result<Segment>>,
) -> io::Result<()> {
    let mut due = Instant::now() + SYNC;
    loop {
        match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(first) => {
                // Nobody takes it if the ledger was closed meanwhile.
                let _ = ready.send(Segment::map(file, first));
            }
            Err(RecvTimeoutError::Timeout) => {
                file.sync_data()?;
                due = Instant::now() + SYNC;
            }
            Err(RecvTimeoutError::Disconnected) => return file.sync_all(),
        }
    }
}

/// When a ledger with this header began.
pub(super) fn began_at(header: &[u8]) -> Option<Timestamp> {
    let (magic, rest) = header.split_first_chunk::<8>()?;
    let millis = i64::from_le_bytes(*rest.first_chunk::<8>()?);
    (*magic == MAGIC).then(|| Timestamp::from_millis_clamped(millis))
}
